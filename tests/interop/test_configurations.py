"""The configurations in otel-config/ are taken by the programs they are for, as they are."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

from .peers import collector, executable, get, jaeger, prometheus

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("name", ["beside.yaml", "agent.yaml", "balanced.yaml", "compose/collector.yaml"])
def test_the_collector_accepts_its_configuration(name: str) -> None:
    command = [str(executable("otel-collector")), "validate", "--config", str(ROOT / "otel-config" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "otel-config/vendors/collector").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_collector_accepts_the_configuration_of_each_vendor(path: Path) -> None:
    named = re.findall(r"\$\{env:(\w+)\}", path.read_text(encoding="utf-8"))
    values = {name: "https://vendor.example" if name.endswith("ENDPOINT") else "secret" for name in named}
    command = [str(executable("otel-collector")), "validate", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **values})
    assert (done.returncode, done.stderr) == (0, "")


def test_the_peers_start_with_the_configurations_that_we_give(tmp_path: Path) -> None:
    with (
        jaeger(tmp_path) as (_, api),
        prometheus(tmp_path, "127.0.0.1:1") as url,
        collector(tmp_path, BACKEND="http://127.0.0.1:1", DRIFTLINE="127.0.0.1:1"),
    ):
        assert get(f"{api}/api/services")["errors"] is None
        assert get(f"{url}/api/v1/status/config")["status"] == "success"
