"""What the demo leaves in a real Jaeger and a real Prometheus."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics
from driftline_processor.demo.runner import play
from rich.console import Console

from .peers import eventually, get, jaeger, prometheus

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def test_a_flight_that_landed_is_in_its_trace_and_the_months_are_in_prometheus(tmp_path: Path) -> None:
    began = time.time_ns() // 1_000
    with (
        jaeger(tmp_path) as (otlp, api),
        (tmp_path / "demo.log").open("w") as log,
        play(tmp_path, Console(file=log), forward=otlp) as finding,
        prometheus(tmp_path, finding.page.removeprefix("http://")) as url,
    ):
        query = f"{url}/api/v1/query?query={metrics.INSTRUMENTS[metrics.DRIFTLINE_PERFORMANCE_VALUE].prometheus}"
        measured = eventually(lambda: get(query)["data"]["result"])
        recent = f"start={began}&end={began + 3_600 * 10**6}"
        found = f"{api}/api/traces?service=driftline&operation=outcome%20late-flights&limit=20&{recent}"
        traces: list[dict[str, Any]] = eventually(lambda: get(found)["data"])

    assert sum(window["rows"] for window in finding.months["windows"]) == 56_965
    assert {series["metric"]["driftline_performance_metric"] for series in measured} >= {
        "log_loss",
        "roc_auc",
        "accuracy",
    }
    spans = traces[0]["spans"]
    truth = next(span for span in spans if span["operationName"] == "outcome late-flights")
    calls = {span["spanID"]: span for span in spans if span["operationName"] == "predict late-flights"}
    assert calls[truth["references"][0]["spanID"]]["startTime"] <= truth["startTime"]
    assert a.ML_OUTCOME_ACTUAL in {tag["key"] for tag in truth["tags"]}
