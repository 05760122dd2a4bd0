"""Prometheus knows the same series by the same names, whether it scrapes Driftline or is sent OTLP."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes, metrics
from driftline_processor.exporters.derived_metrics import metrics_request
from driftline_processor.exporters.metric_points import Point
from driftline_processor.exporters.types.otlp_http import OtlpHttp, OtlpHttpExporter
from msgspec.structs import replace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from .peers import Driftline, eventually, get, post, prometheus
from .rows import predict, tracer

pytestmark = pytest.mark.interop

SECOND = 10**9
HOUR = 3_600 * SECOND
DERIVED = [
    metrics.INSTRUMENTS[name].prometheus
    for name in (
        metrics.DRIFTLINE_DRIFT_VALUE,
        metrics.DRIFTLINE_DRIFT_STATUS,
        metrics.DRIFTLINE_PERFORMANCE_VALUE,
        metrics.DRIFTLINE_PERFORMANCE_WINDOW_END,
        metrics.DRIFTLINE_OUTCOME_COVERAGE,
    )
]


def baseline(folder: Path) -> Path:
    """Build a baseline of rows as they are sent."""
    score = np.random.default_rng(7).beta(2, 5, 2_000)
    frame = pd.DataFrame({"tenure": 12.0 * score, "plan": np.where(score > 0.5, "gold", "basic")})
    path = folder / "churn.baseline.json"
    Baseline.from_frame(frame, score=score, actual=(score > 0.4).astype(int), model="churn", task="binary").save(path)
    return path


Series = dict[tuple[tuple[str, str], ...], str]


def known(url: str, name: str, address: str) -> tuple[Series, Series]:
    """Return what Prometheus has of that name, scraped from the address and sent: the labels of its own → value."""
    found: list[dict[str, Any]] = get(f"{url}/api/v1/query?query={quote(name)}")["data"]["result"]
    scraped: Series = {}
    sent: Series = {}
    for each in found:
        labels = each["metric"]
        ours = {key: value for key, value in labels.items() if key not in ("__name__", "job", "instance")}
        (scraped if labels.get("instance") == address else sent)[tuple(sorted(ours.items()))] = each["value"][1]
    return scraped, sent


def test_scraped_and_sent_series_have_the_same_names_labels_and_values(tmp_path: Path) -> None:
    driftline = Driftline()
    now = time.time_ns()
    scores = np.random.default_rng(8).beta(5, 2, 900)
    address = driftline.web.removeprefix("http://")
    with prometheus(tmp_path, address) as url:
        exporter = {"endpoint": f"{url}/api/v1/otlp", "derived": ["metrics"]}
        models = {"churn": {"baseline": str(baseline(tmp_path)), "windows": ["1h"]}}
        with driftline.up(tmp_path, models=models, exporters={"otlp_http/prometheus": exporter}):
            with tracer(OTLPSpanExporter(endpoint=f"{driftline.http}/v1/traces")) as shop:
                for row, score in enumerate(scores):
                    predict(shop, str(row), float(score), now - 3 * HOUR + row * 3 * HOUR // len(scores))
            outcomes = [{"id": str(row), "actual": int(score > 0.6)} for row, score in enumerate(scores)]
            post(f"{driftline.web}/v1/outcomes", {"model": "churn", "outcomes": outcomes})

            for name in DERIVED:
                eventually(partial(known, url, name, address), lambda both: both[0] and both[0] == both[1])
            page = get(f"{driftline.web}/metrics")

    assert metrics.INSTRUMENTS[metrics.DRIFTLINE_FORWARD_SENT_REQUESTS].prometheus in page
    assert metrics.INSTRUMENTS[metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS].prometheus not in page
    assert metrics.INSTRUMENTS[metrics.DRIFTLINE_FORWARD_DROPPED_REQUESTS].prometheus not in page


def test_a_series_that_ended_is_gone_at_once(tmp_path: Path) -> None:
    """Of a gauge that stops coming, Prometheus would show the last value for five minutes: two states at once."""
    now = time.time_ns()
    state = Point(metrics.DRIFTLINE_DRIFT_STATUS, ((attributes.DRIFTLINE_STATE, "ok"),), 1.0)
    with prometheus(tmp_path, "127.0.0.1:1") as url:
        target = OtlpHttpExporter(OtlpHttp(endpoint=f"{url}/api/v1/otlp"))
        look = partial(known, url, metrics.INSTRUMENTS[state.metric].prometheus, "127.0.0.1:1")

        target.export("metrics", metrics_request([state], now - SECOND, now), {})
        eventually(look, lambda both: both == ({}, {(("driftline_state", "ok"),): "1"}))
        target.export("metrics", metrics_request([replace(state, value=math.nan)], now, now), {})
        eventually(look, lambda both: both == ({}, {}))

        target.close()
