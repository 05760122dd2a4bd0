"""Distributions of any SDK count if a mark states that their rows are in no record, and are shown if none does."""

from __future__ import annotations

from typing import Any

import pytest
from driftline.semconv import SCHEMA_URL, events
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tests.support.metric_requests import histogram_of, metrics_body, predictions_of, sum_of
from tests.support.otlp_requests import logs, record
from tests.support.state_rows import HOUR, MINUTE, NOON, Clock, Opened, predictions

MARK = {a.DRIFTLINE_CAPTURE: "metrics"}


def calls(n: int, rows: int = 0, time: int = NOON + MINUTE, mark: dict[str, Any] | None = None) -> list[Metric]:
    """Return what a service of another language has measured of n calls, each with a score, and counts of rows."""
    found = [
        predictions_of(rows or n, start=NOON, time=time),
        histogram_of(m.ML_PREDICT_DURATION, [], [n], mark, start=NOON, time=time),
        histogram_of(m.DRIFTLINE_PREDICTION_SCORE, [0.5], [rows or n, 0], mark, start=NOON, time=time),
    ]
    return found + ([sum_of(m.DRIFTLINE_DISTRIBUTION_ROWS, rows, mark, start=NOON, time=time)] if rows else [])


def submit(state: Opened, metrics: list[Metric], scope: str = "shop", **said: Any) -> None:
    body = metrics_body(metrics, captured=False, scope=scope, **{"schema_url": "", **said})
    state.state.submit("metrics", body).result(60)
    state.state.catch_up()


def hints(state: Opened) -> str:
    snapshot = state.state.publish()
    return "\n".join([*snapshot.hints, *(hint for model in snapshot.models for hint in model.hints)])


@pytest.mark.parametrize("scope", ["shop", "driftline"])
@pytest.mark.parametrize("at", ["resource", "point"])
def test_the_mark_may_stand_on_the_resource_or_on_the_points(state: Opened, at: str, scope: str, clock: Clock) -> None:
    clock.now = NOON + 2 * MINUTE
    if at == "resource":
        submit(state, calls(2_000), scope, resource=MARK)
    else:
        submit(state, calls(2_000, mark=MARK), scope)
    assert state.view().distributed == 2_000
    assert (state.counted("not_marked"), "not counted" in hints(state)) == (0, False)


@pytest.mark.parametrize("counted", [None, True, "true"])
def test_rows_of_a_batch_are_counted_apart_from_calls(state: Opened, counted: bool | str | None, clock: Clock) -> None:
    clock.now = NOON + 2 * MINUTE
    metrics = calls(40, rows=4_000)
    if counted is None:
        submit(state, metrics, resource=MARK)
    else:  # a Collector may split a request
        for metric in metrics:
            submit(state, [metric], resource=MARK | {a.DRIFTLINE_DISTRIBUTION_COUNTED: counted})
    assert state.view().distributed == 4_000


def test_durations_of_another_model_of_the_scope_are_its_rows(state: Opened, clock: Clock) -> None:
    clock.now = NOON + 2 * MINUTE
    single = histogram_of(m.ML_PREDICT_DURATION, [], [7], {a.ML_MODEL_NAME: "single"}, start=NOON, time=NOON + MINUTE)
    submit(state, [*calls(40, rows=4_000), single], resource=MARK)
    assert (state.view().distributed, state.view("single").distributed) == (4_000, 7)


@pytest.mark.parametrize("scope", ["shop", "driftline"])
def test_points_without_a_mark_are_counted_and_shown(state: Opened, clock: Clock, scope: str) -> None:
    clock.now = NOON + 2 * MINUTE
    submit(state, calls(2_000), scope)
    assert (state.view().distributed, state.counted("not_marked")) == (0, 2)
    assert "2 points of distributions of churn are not counted" in hints(state)
    assert "OTEL_RESOURCE_ATTRIBUTES" in hints(state)


def test_a_model_of_which_nothing_else_arrives_is_shown_too(state: Opened, clock: Clock) -> None:
    clock.now = NOON + 2 * MINUTE
    submit(state, calls(2_000)[1:])
    assert state.state.publish().models == ()
    assert state.state.publish().hints[0].startswith("2 points of distributions of churn are not counted")


def test_rows_that_are_also_in_records_count_once(state: Opened, clock: Clock) -> None:
    clock.now = NOON + 2 * MINUTE
    submit(state, calls(300, time=NOON + 1))  # metrics may arrive first
    state.send(predictions([f"p{row}" for row in range(300)]))
    submit(state, calls(300))
    view = state.view()
    assert (view.rows, view.distributed, state.counted("not_marked")) == (300, 0, 2)
    assert "not counted" not in hints(state)


def test_rows_that_a_mistaken_mark_counts_twice_are_shown(state: Opened, clock: Clock) -> None:
    clock.now = NOON + 2 * MINUTE
    said = {a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", a.ML_PREDICTION_SCORE: 0.5}
    sent = [record(events.ML_PREDICTION, said, time_unix_nano=NOON + MINUTE + row) for row in range(300)]
    state.state.submit("logs", logs(sent)).result(60)
    submit(state, calls(300), resource=MARK)
    clock.now = NOON + HOUR
    state.view()
    assert "600 rows of churn have arrived" in hints(state)
    assert "counted 300 predictions: if a service sends both, remove driftline.capture=metrics" in hints(state)


def test_points_of_our_own_sdk_without_a_mark_are_in_records_and_not_shown(state: Opened, clock: Clock) -> None:
    clock.now = NOON + 2 * MINUTE
    submit(state, calls(300), scope="driftline", schema_url=SCHEMA_URL)
    assert (state.counted("not_marked"), "not counted" in hints(state)) == (0, False)
