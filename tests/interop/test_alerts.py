"""A model that went wrong fires the alert of a real Prometheus: Debian's 2, and 3."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.facts import lacking

from .peers import Driftline, eventually, get, prometheus
from .rows import baseline, send_wrong_churn

pytestmark = pytest.mark.interop


def of_debian() -> Path:
    """Return the Prometheus of the system; skip the test when there is none, or it is no 2."""
    path = shutil.which("prometheus")
    if path is None or " version 2." not in subprocess.run([path, "--version"], capture_output=True, text=True).stdout:
        pytest.skip("no Prometheus 2: Debian's package prometheus has one")
    return Path(path)


def firing(url: str) -> dict[str, dict[str, Any]]:
    """Return the alerts that fire, by name."""
    alerts = get(f"{url}/api/v1/alerts")["data"]["alerts"]
    return {one["labels"]["alertname"]: one for one in alerts if one["state"] == "firing"}


@pytest.mark.parametrize("major", [3, 2])
def test_a_model_that_went_wrong_fires_and_says_what_to_do(major: int, tmp_path: Path) -> None:
    program = of_debian() if major == 2 else None
    driftline = Driftline()
    models = {"churn": {"baseline": str(baseline(tmp_path)), "windows": ["1h"]}}
    address = driftline.web.removeprefix("http://")
    with (
        prometheus(tmp_path, address, program) as url,
        driftline.up(tmp_path, models=models),
    ):
        send_wrong_churn(driftline, 2, 5)

        found = eventually(partial(firing, url), lambda alerts: "ModelWrong" in alerts)
        said = get(f"{driftline.web}/api/v1/models/churn")["verdict"]

    alert = found["ModelWrong"]
    assert alert["labels"]["severity"] == "page"
    assert alert["labels"]["ml_model_name"] == "churn"
    assert alert["annotations"]["summary"].startswith("churn")
    assert alert["annotations"]["summary"].endswith(": the model is degraded")
    assert alert["annotations"]["runbook"] == "docs/alert/respond.md#modelwrong"
    assert said["state"] == "degraded"
    assert re.match(r"(The model has been|In the window of .* the model is) degraded", said["sentence"])
    assert "DriftlineDown" not in found
    assert "DriftlineAbsent" not in found


@pytest.mark.parametrize("major", [3, 2])
def test_a_processor_that_is_away_fires(major: int, tmp_path: Path) -> None:
    program = of_debian() if major == 2 else None
    with prometheus(tmp_path, "127.0.0.1:1", program) as url:
        found = eventually(partial(firing, url), lambda alerts: {"DriftlineDown", "DriftlineAbsent"} <= alerts.keys())
    assert lacking(found["DriftlineDown"]["annotations"]["summary"], "127.0.0.1:1") == []
