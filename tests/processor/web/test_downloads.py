"""Temporary files of downloads: removed after the answer, and at the start after a kill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from driftline_processor.web.downloads import Download, download_folder
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.support.fake_view import app_of, many


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_at_the_next_start(temporary: Path) -> None:
    script = (
        "import os, tempfile; tempfile.tempdir = os.sys.argv[1]\n"
        "from driftline_processor.web.downloads import download_folder\n"
        "(download_folder().path / 'rows.parquet').write_bytes(b'rows of people')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(temporary)], check=False).returncode == -9
    assert len(list(temporary.rglob("rows.parquet"))) == 1
    sending = download_folder()
    (sending.path / "rows.parquet").touch()
    app_of(many())
    assert list(temporary.rglob("rows.parquet")) == [sending.path / "rows.parquet"], "the other is being sent"
    sending.close()


def test_a_folder_is_removed_when_its_file_was_sent_or_cannot_be(temporary: Path) -> None:
    def download(_: object) -> Download:
        folder = download_folder()
        (folder.path / "rows.parquet").write_bytes(b"rows")
        return Download(folder, name, "application/octet-stream", {})

    client = TestClient(Starlette(routes=[Route("/", download)]))
    name = "rows.parquet"
    assert client.get("/").content == b"rows"
    assert list(temporary.iterdir()) == []
    name = "missing"
    with pytest.raises(RuntimeError):
        client.get("/")
    assert list(temporary.iterdir()) == []
