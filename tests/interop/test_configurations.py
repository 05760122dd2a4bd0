"""The configurations in otel-config/ are taken by the programs they are for, as they are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

from .peers import collector, executable, get, jaeger, prometheus

pytestmark = pytest.mark.interop


def test_the_collector_accepts_its_configuration() -> None:
    command = [str(executable("otel-collector")), "validate", "--config", str(ROOT / "otel-config/beside.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_peers_start_with_the_configurations_that_we_give(tmp_path: Path) -> None:
    with (
        jaeger(tmp_path) as (_, api),
        prometheus(tmp_path, "127.0.0.1:1") as url,
        collector(tmp_path, BACKEND="http://127.0.0.1:1", DRIFTLINE="127.0.0.1:1"),
    ):
        assert get(f"{api}/api/services")["errors"] is None
        assert get(f"{url}/api/v1/status/config")["status"] == "success"
