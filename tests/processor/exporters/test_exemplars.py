"""The traces of the worst mispredictions, as exemplars of the outcomes that were joined."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import httpx
import numpy as np
import pyarrow as pa
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.config.schema import Config, Storage
from driftline_processor.exporters.derived_metrics import DerivedMetrics, Sink, Temporality
from driftline_processor.exporters.metric_points import MOST, SHOWN, WorstMispredictions
from driftline_processor.health import Counters, Health
from driftline_processor.state import State
from driftline_processor.store.series import Series
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from tests.support.otlp_requests import NOW, logs, record, span, traces
from tests.support.running_service import running, url
from tests.support.state_rows import Clock

BINARY = Task("binary", ("0", "1"), "1", 0.5)
COUNTED = (m.DRIFTLINE_OUTCOMES, ((a.ML_MODEL_NAME, "churn"), (a.ML_MODEL_VERSION, "7")))


def joined(
    score: Sequence[float | None], actual: Sequence[str | None], predicted: Sequence[str | None], sampled: bool = True
) -> pa.Table:
    n = len(score)
    return pa.table(
        {
            "series": pa.array([1] * n, pa.int64()),
            "score": pa.array(score, pa.float64()),
            "scores": pa.array([None] * n, pa.list_(pa.float64())),
            "predicted": pa.array(predicted, pa.string()),
            "actual": pa.array(actual, pa.string()),
            "number": pa.array([None] * n, pa.float64()),
            "trace_id": pa.array([bytes([i]) * 16 if sampled else None for i in range(n)], pa.binary()),
            "span_id": pa.array([bytes([i]) * 8 if sampled else None for i in range(n)], pa.binary()),
        }
    )


def listener(clock: Clock, counters: Counters) -> WorstMispredictions:
    return WorstMispredictions(lambda: [Series(1, ModelKey("churn", "7"), BINARY)], counters, clock)


def worst_of(task: Task, table: pa.Table) -> list[int]:
    """The rows that are wrong, the worst first."""
    worst = WorstMispredictions(lambda: [Series(1, ModelKey("churn", "7"), task)], Counters(), Clock())
    worst(table)
    return [one.trace_id[0] for one in worst.take().get(COUNTED, ())]


def test_the_worst_of_a_classifier_was_the_surest_and_what_is_no_class_of_the_model_is_not_wrong() -> None:
    score = [0.9, 0.9, 0.2, None, 0.7, 0.7]
    table = joined(score, ["0", "1", "1", "1", "maybe", "1"], ["1", "1", "0", "0", "1", "maybe"])
    assert worst_of(BINARY, table) == [3, 0, 2]
    assert worst_of(Task("ranking"), table) == []


def test_the_worst_of_several_classes_and_of_numbers() -> None:
    table = joined([None] * 3, ["a", "c", "b"], ["b", "c", "c"])
    table = table.set_column(2, "scores", pa.array([[0.3, 0.6, 0.1], [0.0, 0.1, 0.9], [0.1, 0.2, 0.7]]))
    assert worst_of(Task("multiclass", ("a", "b", "c")), table) == [2, 0]
    numbers = joined([3.0, None, 1.0], [None] * 3, [None] * 3)
    numbers = numbers.set_column(5, "number", pa.array([5.5, 1.0, 9.0]))
    assert worst_of(Task("regression"), numbers) == [2, 0]


def test_the_worst_since_the_last_export_are_taken_once_and_the_scrape_page_shows_one_for_minutes() -> None:
    clock, counters = Clock(), Counters()
    worst = listener(clock, counters)
    score = np.linspace(0.5, 0.99, 40)
    worst(joined(score.tolist(), ["0"] * 40, ["1"] * 40))
    worst(joined([0.8], ["0"], ["1"], sampled=False))
    assert counters.snapshot()[COUNTED] == 41
    taken = worst.take()[COUNTED]
    assert [one.trace_id[0] for one in taken] == [39, 38, 37, 36, 35]
    assert len(taken) == MOST
    assert worst.take() == {}
    assert [one.trace_id[0] for one in worst.exemplars()[COUNTED]] == [39]
    clock.now += SHOWN + 1
    assert worst.exemplars() == {}
    worst(joined([0.6], ["0"], ["1"]))
    assert [one.trace_id[0] for one in worst.exemplars()[COUNTED]] == [0]


@pytest.mark.parametrize("temporality", get_args(Temporality))
def test_a_joined_outcome_of_a_sampled_span_is_an_exemplar_once(tmp_path: Path, temporality: Temporality) -> None:
    health, sent = Health(), list[bytes]()
    state = State(Config(storage=Storage(directory=tmp_path / "state")), health, clock=lambda: NOW)
    worst = WorstMispredictions(lambda: state.parts.intake.series, health.counters, lambda: NOW)
    state.on_joined(worst)
    derived = DerivedMetrics(state, [Sink(sent.append, temporality)], lambda: NOW, worst=worst)
    state.start()
    prediction = span({a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_PREDICTION_SCORE: 0.25})
    state.submit("traces", traces([prediction])).result(60)
    state.submit("logs", logs([_outcome()])).result(60)
    state.stop()
    derived.send()
    derived.send()
    first, second = (ExportMetricsServiceRequest.FromString(body) for body in sent)
    [point], [again] = _outcomes(first), _outcomes(second)
    assert (point.as_double, again.as_double) == (1.0, 0.0 if temporality == "delta" else 1.0)
    [one] = point.exemplars
    assert (one.trace_id, one.span_id) == (prediction.trace_id, prediction.span_id)
    assert (one.as_double, one.time_unix_nano) == (1.0, NOW)
    assert not again.exemplars


@pytest.mark.slow
def test_the_service_shows_the_trace_on_its_scrape_page_and_its_pages_links_answer(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        prediction = span({a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_PREDICTION_SCORE: 0.25})
        for path, body in (("/v1/traces", traces([prediction])), ("/v1/logs", logs([_outcome()]))):
            headers = {"Content-Type": "application/x-protobuf"}
            httpx.post(url(service, "http", path), content=body, headers=headers).raise_for_status()
        ends, text = time.monotonic() + 60, ""
        while "trace_id" not in text and time.monotonic() < ends:
            headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
            text = httpx.get(url(service, "web", "/metrics"), headers=headers).text
        [line] = [line for line in text.splitlines() if line.startswith("driftline_outcomes_total")]
        assert f'span_id="{prediction.span_id.hex()}",trace_id="{prediction.trace_id.hex()}"' in line
        assert "trace_id" not in httpx.get(url(service, "web", "/metrics")).text
        ends = time.monotonic() + 60
        while "/label-next" not in text and time.monotonic() < ends:
            text = httpx.get(url(service, "web", "/models/churn/performance")).text
        links = re.findall(r'href="(/api/v1/models/churn/[^"]+)"', text)
        assert any("label-next" in link for link in links)
        for link in links:
            assert httpx.get(url(service, "web", link.replace("&amp;", "&"))).status_code == 200, link


def _outcome() -> LogRecord:
    return record(events.ML_OUTCOME, {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_OUTCOME_ACTUAL: 1})


def _outcomes(request: ExportMetricsServiceRequest) -> Sequence[NumberDataPoint]:
    [metric] = [one for one in request.resource_metrics[0].scope_metrics[0].metrics if one.name == m.DRIFTLINE_OUTCOMES]
    points: Sequence[NumberDataPoint] = metric.sum.data_points
    return points
