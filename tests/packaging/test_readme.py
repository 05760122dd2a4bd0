"""The blocks of the README, run in its order by a shell in the unpacked source archive, by each supported Python.

pip builds the wheel from the archive, as for a release. A Python is found as `python3.12` on the path.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
from functools import cache
from pathlib import Path

import httpx
import pytest

from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if "Python :: 3." in name]
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


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)], cwd=ROOT, check=True)
    (path,) = folder.glob("*.tar.gz")
    return path


@cache
def interpreter(version: str) -> Path | None:
    """Return where a Python lies, if it starts and can make an environment."""
    path = shutil.which(f"python{version}")
    query = "import sys, venv, ensurepip; print(sys.executable)"
    done = subprocess.run([path, "-c", query], capture_output=True, text=True) if path else None
    return Path(done.stdout.strip()).resolve() if done and done.returncode == 0 else None


@pytest.mark.parametrize("version", PYTHONS)
def test_every_block_runs_in_the_order_of_the_page(version: str, archive: Path, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"python{version} is not on the path")
    if taken := [port for port in PORTS if not is_free(port)]:
        pytest.skip(f"the README's port {taken[0]} is in use")
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    (clone,) = tmp_path.iterdir()
    evaluate, up, serve, request = blocks("bash")
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    clean |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http", "SSL_"))}

    def shell(script: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-ec", script], cwd=clone, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip

    assert "python3 -m venv" in evaluate
    first = shell(evaluate.replace("python3 -m venv", f"{python} -m venv"))
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
