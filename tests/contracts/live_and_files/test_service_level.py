"""How a service answers: counted to the call, by the SDK, by other senders and from files, and over a restart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import PredictionTable
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Performance
from driftline_processor.core.decode.requests import decode_logs
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.service_level.level import LATENCIES
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.exporters.derived_metrics import points
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.live_and_files import agree
from tests.support.service import Service
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, Clock, Opened

RULES = (
    "latency_p99 <= 60s",
    "latency_p50 <= 1ms",
    "error_rate <= 0.1 %",
    "availability >= 90 % in country",
    "latency_p95 <= 60s in country=NL",
)
OBJECTIVES = tuple(map(read_objective, RULES))


class FeatureStoreError(Exception):
    """What this service's own code raises."""


def serve(service: Service, calls: int, **options: Any) -> list[bool]:
    """Predict row by row; every twentieth call raises, in turns of two kinds. Return which calls failed."""
    model = service.model(version="1", **options)

    @model.predict(slices=["country"])
    def score(amount: float, country: str, fails: str = "") -> float:  # noqa: ARG001
        time.sleep(0.0015 if amount < 100 else 0.004)
        if fails == "value":
            raise ValueError(amount)
        if fails == "store":
            raise FeatureStoreError(amount)
        return 0.7

    failed = []
    for call in range(calls):
        fails = ("value" if call % 40 == 0 else "store") if call % 20 == 0 else ""
        failed.append(bool(fails))
        arguments: dict[str, Any] = {"amount": float(call), "country": "NL" if call % 3 else "DE", "fails": fails}
        if fails:
            with pytest.raises((ValueError, FeatureStoreError)):
                score(**arguments)
        else:
            score(**arguments)
    assert service.flush()
    return failed


def tables_of(service: Service) -> list[PredictionTable]:
    return [table for body in service.channel.bodies for table in decode_logs(body, time.time_ns()).predictions]


def closed_day(state: Opened, clock: Clock, version: str = "1") -> Evaluation:
    clock.now += 2 * DAY
    windows = [window for window in state.view(version=version, environment="test").windows["1d"] if window.rows]
    if len(windows) > 1:
        pytest.skip("a window ended in between")
    return windows[0]


def model_settings() -> Model:
    return Model(windows=("1d",), slices=("country",), performance=Performance(objectives=OBJECTIVES))


def test_failed_calls_and_durations_of_the_sdk_are_counted_live_as_in_a_file(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    clock.now = time.time_ns()
    service, state = Service(), open_state(churn=model_settings())
    failed = serve(service, 400)
    for body in service.channel.bodies:
        state.state.submit("logs", body).result(60)
    live = closed_day(state, clock)

    assert live.service is not None
    assert (live.service.calls, live.service.failed) == (400, 20)
    name = f"{FeatureStoreError.__module__}.{FeatureStoreError.__qualname__}"
    assert live.service.errors == {name: 10, "ValueError": 10}
    assert live.coverage == 0.0, "20 of 400 wait for no outcome; of the others none is known"
    seconds = np.concatenate([table.duration for table in tables_of(service) if table.duration is not None])
    returned = seconds[~np.array(failed)]
    for metric, quantile in LATENCIES.items():
        found = live.service.values[metric]
        exact = float(np.quantile(returned, quantile, method="inverted_cdf"))
        assert found.value is not None
        assert abs(found.value - exact) <= found.bound <= 0.1 * exact
    assert {one.rule: one.state for one in live.objectives} == {
        "latency_p99 <= 60s": "met",
        "latency_p50 <= 1ms": "broken",
        "error_rate <= 0.1 %": "broken",
        "availability >= 90 % in country": "inconclusive",
        "latency_p95 <= 60s in country=NL": "met",
    }

    rows = pd.DataFrame(
        {
            "amount": np.arange(400.0),
            "score": np.where(failed, np.nan, 0.7),
            "country": ["NL" if call % 3 else "DE" for call in range(400)],
            "took": seconds,
            "failure": [(name if call % 40 else "ValueError") if fails else None for call, fails in enumerate(failed)],
        }
    )  # fmt: skip
    rows.to_parquet(tmp_path / "rows.parquet")
    baseline = Baseline.from_frame(
        rows[["amount", "score", "country"]],
        score="score",
        model="churn",
        version="1",
        task="binary",
        slices=["country"],
    )
    baseline.save(tmp_path / "baseline.json")
    options = EvaluationOptions(
        latency="took",
        error="failure",
        slices=("country",),
        objectives=tuple(objective.rule for objective in OBJECTIVES),
    )
    files = [tmp_path / "rows.parquet"], tmp_path / "baseline.json"
    [of_file] = evaluate_files(EvaluationInputs(*files), options, print).evaluations
    assert of_file.service == live.service
    agree(of_file.service_slices, live.service_slices)
    assert [(one.rule, one.state, one.value, one.needed) for one in of_file.objectives] == [
        (one.rule, one.state, one.value, one.needed) for one in live.objectives
    ]
    assert sum(one.calls for one in live.service_slices.values()) == 400


def test_rolling_hours_of_calls_are_judged_live_as_in_a_file(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    clock.now = time.time_ns()
    rules = tuple(map(read_objective, ("error_rate <= 0.1 % over rolling 1h", "latency_p50 <= 60s over rolling 1h")))
    service = Service()
    state = open_state(churn=Model(windows=("1d",), performance=Performance(objectives=rules)))
    failed = serve(service, 100)
    for body in service.channel.bodies:
        state.state.submit("logs", body).result(60)
    live = {one.rule: one for one in closed_day(state, clock).objectives}
    assert [one.state for one in live.values()] == ["broken", "met"]
    worst = live["error_rate <= 0.1 % over rolling 1h"]
    assert (worst.value, worst.until - worst.since) == (0.05, 3_600 * 10**9)

    tables = tables_of(service)
    rows = pd.DataFrame(
        {
            "time": pd.to_datetime(np.concatenate([table.time for table in tables]), utc=True),
            "score": np.where(failed, np.nan, 0.7),
            "took": np.concatenate([table.duration for table in tables if table.duration is not None]),
            "failure": np.where(failed, "ValueError", ""),
        }
    )
    rows.to_parquet(tmp_path / "rows.parquet")
    baseline = Baseline.from_frame(rows[["score"]], score="score", model="churn", version="1", task="binary")
    baseline.save(tmp_path / "baseline.json")
    options = EvaluationOptions(
        latency="took",
        error="failure",
        time="time",
        window="1d",
        objectives=tuple(objective.rule for objective in rules),
    )
    files = [tmp_path / "rows.parquet"], tmp_path / "baseline.json"
    [of_file] = evaluate_files(EvaluationInputs(*files), options, print).evaluations
    assert {one.rule: (one.state, one.value, one.rows) for one in of_file.objectives} == {
        rule: (one.state, one.value, one.rows) for rule, one in live.items()
    }


@pytest.mark.slow
def test_the_page_and_the_metrics_show_how_calls_were_answered(open_state: Open, clock: Clock) -> None:
    clock.now = time.time_ns()
    service, state = Service(), open_state(churn=model_settings())
    serve(service, 100)
    for body in service.channel.bodies:
        state.state.submit("logs", body).result(60)
    closed_day(state, clock)
    app = app_of(state.state, clock)
    page = TestClient(app, base_url="http://localhost").get("/models/churn/performance?environment=test&version=1").text
    assert "latency p99" in page
    assert "country=NL" in page
    assert "FeatureStoreError" in page
    found = {(point.metric, dict(point.attributes).get(a.ERROR_TYPE), point.value) for point in points(state.state)}
    assert (m.DRIFTLINE_PREDICTION_FAILURES, "ValueError", 3.0) in found
    assert (m.DRIFTLINE_SERVICE_ERROR_RATE, None, 0.05) in found
    quantiles = {dict(point.attributes).get(a.DRIFTLINE_SERVICE_QUANTILE) for point in points(state.state)} - {None}
    assert quantiles == {"0.5", "0.95", "0.99"}


@pytest.mark.slow
def test_a_restart_loses_no_call_and_a_resend_counts_none_twice(open_state: Open, clock: Clock) -> None:
    clock.now = time.time_ns()
    service, state = Service(), open_state(churn=model_settings())
    serve(service, 100)
    for body in service.channel.bodies:
        state.state.submit("logs", body).result(60)
    totals = dict(state.view(environment="test").by_error)
    state = open_state(churn=model_settings())
    for body in service.channel.bodies:  # an exporter that saw no acknowledgement sends them again
        state.state.submit("logs", body).result(60)
    assert state.view(environment="test").by_error == totals
    found = closed_day(state, clock)
    assert found.service is not None
    assert (found.service.calls, found.service.failed) == (100, 5)


@pytest.mark.parametrize("preference", ["cumulative", "delta"])
def test_calls_whose_rows_stay_home_are_those_of_the_histogram(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, preference: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    clock.now = time.time_ns()
    service, state = Service(), open_state(churn=model_settings())
    for calls in (60, 40):
        serve(service, calls, capture="none", metrics_channel=service.metrics)
    clock.now = time.time_ns()
    for body in service.channel.bodies:
        state.state.submit("logs", body).result(60)
    for body in service.metrics.bodies:
        state.state.submit("metrics", body).result(60)
    assert not any(table.duration is not None for table in tables_of(service))
    found = closed_day(state, clock)
    assert found.service is not None
    assert (found.rows, found.service.calls, found.service.failed) == (100, 100, 5)
    assert sum(found.service.errors.values()) == 5
    latency = found.service.values["latency_p50"]
    assert latency.value is not None
    assert latency.low is not None
    assert 0.001 < latency.low < latency.value, "no call took less than 2 ms, which the bucket from 1 ms on holds"


def test_stock_spans_with_an_error_status_are_failed_calls(open_state: Open, clock: Clock) -> None:
    clock.now = time.time_ns()
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"deployment.environment.name": "test"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")
    for call in range(60):
        attributes = {"ml.model.name": "churn", "ml.model.version": "1", "ml.operation.name": "predict"}
        try:
            with tracer.start_as_current_span("predict", attributes=attributes) as span:
                if call % 20 == 0:
                    raise TimeoutError
                span.set_attribute("ml.prediction.score", 0.4)
                if call == 1:
                    span.set_attribute("error.type", "late")  # says by itself that it failed
        except TimeoutError:
            pass
    spans = exporter.get_finished_spans()
    state = open_state(churn=model_settings())
    for some in (spans[:5], spans[5:]):  # few, and many at once, are decoded in two ways
        state.state.submit("traces", encode_spans(some).SerializeToString()).result(60)
    found = closed_day(state, clock)
    assert found.service is not None
    assert (found.service.calls, found.service.failed) == (60, 4)
    assert found.service.errors == {"late": 1, "other": 3}
    assert found.service.values["latency_p50"].rows == 56
