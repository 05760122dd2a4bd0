"""Services under opentelemetry-instrument, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.receiver import Receiver

BIN = Path(sys.executable).parent


def environment_of(folder: Path, receiver: Receiver) -> dict[str, str]:
    """Return the environment of a service in that folder, which reports to the receiver."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTLINE_"))}
    return {
        **clean,
        "PATH": os.pathsep.join([str(BIN), clean["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), clean.get("PYTHONPATH", "")])),
        "DRIFTLINE_CONFIG": "driftline.toml",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }


@contextmanager
def running(
    folder: Path, receiver: Receiver, *command: str, more: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a server under opentelemetry-instrument, with ``more`` variables; what it says goes to ``log``."""
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [str(BIN / "opentelemetry-instrument"), *command],
            cwd=folder,
            env={**environment_of(folder, receiver), **(more or {})},
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            yield server
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def posted(server: subprocess.Popen[str], port: int, path: str, body: object) -> httpx.Response:
    """Post JSON as soon as the server listens."""
    url, headers = f"http://127.0.0.1:{port}{path}", {"x-region": "north"}
    while server.poll() is None:
        try:
            return httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the server ended with {server.returncode}")


def wait_for(receiver: Receiver, *paths: str) -> None:
    """Wait until requests came to these paths: the development server of Flask sends nothing when it is told to end."""
    deadline = time.monotonic() + 60
    while not all(receiver.paths[path] for path in paths):
        assert time.monotonic() < deadline, f"nothing came to {paths}"
        time.sleep(0.1)
