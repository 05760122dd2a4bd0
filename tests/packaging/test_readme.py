"""The blocks of the README, run in its order by a shell in a copy of the tree, with an environment of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

README = (ROOT / "README.md").read_text(encoding="utf-8")
COPIED = ("collector_processor", "examples", "integrations", "sdk", "LICENSE", "README.md", "pyproject.toml")
PORTS = (4317, 4318, 8000, 8780)
PATIENCE = 120.0


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


def until_it_listens(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while is_free(port):
        assert time.monotonic() < deadline, f"nothing listens on {port}"
        time.sleep(0.1)


def test_every_block_runs_in_the_order_of_the_page(tmp_path: Path) -> None:
    if taken := [port for port in PORTS if not is_free(port)]:
        pytest.skip(f"the README's port {taken[0]} is in use")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    evaluate, up, serve, request = blocks("bash")
    python = Path(sys.executable).resolve().parent
    clean = {"PATH": f"{python}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    clean |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http", "SSL_"))}

    def shell(script: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-ec", script], cwd=tmp_path, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip

    first = shell(evaluate)
    printed, _ = first.communicate(timeout=600)
    assert first.returncode == 0, printed[-3000:]
    (shown, *_), inside = blocks("text"), ". .venv/bin/activate\n"
    assert " ".join(shown.split()) in " ".join(printed.split())

    servers = [shell(inside + up)]
    try:
        until_it_listens(8780)
        servers.append(shell(inside + serve))
        until_it_listens(8000)
        client = shell(request)
        answer, _ = client.communicate(timeout=60)
        assert client.returncode == 0
        assert '{"accepted":1,"rejected":[]}' in answer.replace(" ", "")
        deadline, counts = time.monotonic() + PATIENCE, (0, 0)
        while counts != (1, 1):
            assert time.monotonic() < deadline, counts
            time.sleep(0.2)
            models = httpx.get("http://127.0.0.1:8780/api/v1/models", trust_env=False).json()["models"]
            counts = next(((one["rows"], one["outcomes"]) for one in models), (0, 0))
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGTERM)
        for server in servers:
            server.communicate(timeout=60)
