"""Every query of every dashboard is answered by a real Prometheus: of all series there can be, and of Driftline's."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import yaml
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.exporters.metric_points import Exemplar, Point
from driftline_processor.exporters.prometheus_page import CONTENT_TYPE, OPENMETRICS, OPENMETRICS_TYPE, exposition
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.dashboards import DashboardQuery, panels, queries, substituted
from tests.support.paths import ROOT
from tests.support.serve import serve

from .peers import Driftline, eventually, get, prometheus
from .rows import baseline, predict, send_wrong_churn, tracer

pytestmark = pytest.mark.interop

TRACE, SPAN = bytes(range(16)), bytes(range(8))

CHOSEN = {
    "environment": ".*", "team": ".*", "tier": ".*", "model": "churn", "version": ".*", "window": "1h",
    "feature": "tenure", "slice": "^$", "metric": ".*", "__rate_interval": "30s", "__range": "5m",
}  # fmt: skip
"""Values of variables, as they are where somebody has just opened a dashboard."""

VALUES: Mapping[str, tuple[str, ...]] = {
    a.ML_MODEL_NAME: ("churn",),
    a.ML_MODEL_VERSION: ("7",),
    a.DEPLOYMENT_ENVIRONMENT_NAME: ("prod", ""),
    a.DRIFTLINE_WINDOW: ("1h", ""),
    a.DRIFTLINE_FEATURE_NAME: ("tenure", ""),
    a.DRIFTLINE_DRIFT_COLUMN: ("feature", "score", "class", "features", "concept"),
    a.DRIFTLINE_DRIFT_METHOD: ("psi", "ks", ""),
    a.DRIFTLINE_DRIFT_SLICE: ("", "country=NL"),
    a.DRIFTLINE_PERFORMANCE_SLICE: ("", "country=NL"),
    a.DRIFTLINE_DRIFT_WEIGHTING: ("none", "importance"),
    a.DRIFTLINE_STATE: ("met", "broken"),
}
"""Attribute → the values with which series are made; of others, an example of the registry, or "any". "": none."""

STATES = {
    m.DRIFTLINE_MODEL_STATUS: "degraded", m.DRIFTLINE_DRIFT_STATUS: "drift", m.DRIFTLINE_PERFORMANCE_STATUS: "worse",
    m.DRIFTLINE_ESTIMATE_STATUS: "alert", m.DRIFTLINE_VERSION_STATUS: "better",
}  # fmt: skip
"""Metric → its state; of others, ``broken``."""


def every_point(growth: float) -> Iterator[Point]:
    """Yield a point for each series that the registry allows; counters stand at ``growth``."""
    folder = ROOT / "sdk/driftline/semconv/registry"
    groups = [group for file in folder.glob("*.yaml") for group in yaml.safe_load(file.read_text("utf-8"))["groups"]]
    attributes = [one for group in groups if group["type"] == "attribute_group" for one in group["attributes"]]
    examples = {one["id"]: (str((one["examples"] or ["any"])[0]),) for one in attributes}
    for metric in (group for group in groups if group["type"] == "metric"):
        name, grows = metric["metric_name"], metric["instrument"] not in ("gauge", "updowncounter")
        keys = [each["ref"] for each in metric.get("attributes", ())]
        known = {**examples, **VALUES, a.DRIFTLINE_STATE: (STATES.get(name, "broken"),)}
        buckets = None
        if name == m.DRIFTLINE_PREDICT_DURATION:
            buckets = tuple(np.full(len(DURATION_BOUNDS) + 1, growth).tolist())
        for values in itertools.product(*(known.get(key, ("any",)) for key in keys)):
            labels = tuple((key, value) for key, value in zip(keys, values, strict=True) if value)
            exemplars = (Exemplar(time.time_ns(), TRACE, SPAN),) if name == m.DRIFTLINE_OUTCOMES else ()
            yield Point(name, labels, growth if grows else 1.0, buckets, exemplars)


def everything(request: Request) -> Response:
    """Answer a scrape with every series, as the processor writes it."""
    openmetrics = OPENMETRICS in request.headers.get("accept", "")
    text = exposition(every_point(time.monotonic()), openmetrics=openmetrics)
    return Response(text, headers={"Content-Type": OPENMETRICS_TYPE if openmetrics else CONTENT_TYPE})


def answered(url: str, query: DashboardQuery, chosen: Mapping[str, str] = CHOSEN) -> list[Any]:
    """Return the series, or the values of a variable, that Prometheus answers; it refuses a query by an error."""
    expression = substituted(query.expression, chosen)
    if values := re.fullmatch(r"label_values\((.*), (\w+)\)", expression):
        found = get(f"{url}/api/v1/label/{values[2]}/values?{urlencode({'match[]': values[1]})}")
        return list(found["data"])
    expression = re.sub(r"^query_result\((.*)\)$", r"\1", expression)
    found = get(f"{url}/api/v1/query?{urlencode({'query': expression})}")
    assert "warnings" not in found
    return list(found["data"]["result"])


def silent(url: str, chosen: Mapping[str, str] = CHOSEN) -> set[str]:
    """Return the queries that get no answer."""
    return {str(query) for query in queries() if not answered(url, query, chosen)}


def test_every_query_finds_its_series_where_every_series_is_there(tmp_path: Path) -> None:
    app = Starlette(routes=[Route("/metrics", everything)])
    with serve(app) as address, prometheus(tmp_path, address.removeprefix("http://")) as url:
        assert eventually(partial(silent, url), lambda missing: not missing) == set()
        assert silent(url, {**CHOSEN, "slice": "country=NL"}) == set()

        (traced,) = (one["expr"] for panel in panels("model") for one in panel["targets"] if one.get("exemplar"))
        now = time.time()
        asked = urlencode({"query": substituted(traced, CHOSEN), "start": now - 300, "end": now + 60})
        found = get(f"{url}/api/v1/query_exemplars?{asked}")["data"]
        assert {one["labels"]["trace_id"] for series in found for one in series["exemplars"]} == {TRACE.hex()}


REASONS: Mapping[str, tuple[str, ...]] = {
    "the service names no environment": (
        "fleet: $environment",
        "model: $environment",
        "feature: $environment",
        "performance: $environment",
        "objectives: $environment",
    ),
    "no call fails, no row is refused or beyond a limit, nothing is forwarded": (
        "fleet: Failed calls per second A",
        "fleet: Stored and rejected rows per second B",
        "fleet: Stored and rejected rows per second C",
        "fleet: Waiting bytes C",
        "model: Failed calls B",
    ),
    "a sender without our SDK counts no predictions, values or missing values": (
        "fleet: Models, most urgent first E",
        "fleet: Fraction of predictions whose rows arrive A",
        "model: Fraction of predictions whose rows arrive A",
        "feature: Missing A",
        "feature: Values per second, by category A",
    ),
    "nobody asks for slices, expectations, fairness or a time for outcomes": (
        "feature: $slice",
        "feature: Drift by slice A",
        "model: Findings in the data B",
        "performance: Fairness A",
        "objectives: Outcomes in time A",
        "objectives: Outcomes in time, by window A",
    ),
    "the objective is broken, so that no more rows are needed": (
        "objectives: Objectives, the broken first E",
        "objectives: Rows needed for a conclusion A",
    ),
    "there is one version, and its baseline knows no importance of features": (
        "model: Versions: loss minus the loss of the champion A",
        "model: Versions: loss minus the loss of the champion B",
        "model: Versions: loss minus the loss of the champion C",
        "model: Drifted features B",
    ),
}
"""Why a query gets no answer about this model → the queries."""


def test_every_query_is_answered_about_a_model_that_went_wrong_or_there_is_a_reason(tmp_path: Path) -> None:
    driftline = Driftline()
    churn = {
        "baseline": str(baseline(tmp_path)),
        "windows": ["1h"],
        "team": "payments",
        "tier": 1,
        "performance": {"objectives": ["roc_auc >= 0.8"]},
    }
    address = driftline.web.removeprefix("http://")
    with prometheus(tmp_path, address) as url, driftline.up(tmp_path, models={"churn": churn}):
        send_wrong_churn(driftline, 5, 2)
        with tracer(OTLPSpanExporter(endpoint=f"{driftline.http}/v1/traces")) as shop:
            for row in range(200):  # of the open window
                predict(shop, f"open-{row}", row / 200)
        expected = {query for of_reason in REASONS.values() for query in of_reason}
        assert eventually(partial(silent, url), lambda missing: missing <= expected) == expected
