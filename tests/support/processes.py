"""`driftline up` as a process of its own, on free ports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = """
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}
web: {endpoint: "127.0.0.1:0"}
"""


@contextmanager
def process(folder: Path, more: str = "") -> Iterator[subprocess.Popen[str]]:
    """Start the processor; ``more``: keys of driftline.yaml."""
    (folder / "driftline.yaml").write_text(FILE + more)
    command = [sys.executable, "-m", "driftline_processor", "up", "--config", str(folder / "driftline.yaml")]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as child:
        try:
            yield child
        finally:
            child.kill()


def addresses(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Read the start lines; return the URLs of OTLP/HTTP and of the pages."""
    assert child.stdout is not None
    received, pages = child.stdout.readline(), child.stdout.readline()
    otlp = re.search(r"HTTP on (\S+)", received)
    assert otlp is not None
    return f"http://{otlp[1]}", pages.split()[-1]
