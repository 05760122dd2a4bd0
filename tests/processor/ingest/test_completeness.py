"""Completeness: rows that arrived against predictions that were counted, at any sampling, and when rows get lost."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.semconv import metrics as m
from driftline.tables.table import I64
from driftline_processor.core.windows.window import PANE
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.ingest.completeness import Balance, _Pane, newest_balance
from driftline_processor.store.cumulative_streams import SILENT
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from tests.support.facts import lacking
from tests.support.metric_requests import DELTA, histogram_of, metrics_body, predictions_of, sum_of
from tests.support.otlp_requests import logs, record, span, traces
from tests.support.service import HERE, Service
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, predictions
from tests.support.unwrap import unwrap


def by_age(row: dict[str, float]) -> float:
    return row["age"] / 100


def counted(state: Opened, n: float, minute: float, start: int = NOON, instance: str = "one") -> None:
    """Send that ``n`` predictions were counted since ``start``."""
    body = metrics_body(
        [predictions_of(n, start=start, time=NOON + round(minute * MINUTE))], captured=False, instance=instance
    )
    state.state.submit("metrics", body).result(60)


def arrived(state: Opened, n: int, minute: float, name: str = "") -> None:
    """Send the records of ``n`` predictions, written at a minute after noon."""
    at = NOON + round(minute * MINUTE)
    said = {a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", a.ML_PREDICTION_SCORE: 0.5}
    rows = [
        record(
            events.ML_PREDICTION,
            {**said, a.ML_PREDICTION_ID: f"{name}-{minute}-{row}"},
            time_unix_nano=at,
            observed_time_unix_nano=at,
        )
        for row in range(n)
    ]
    state.state.submit("logs", logs(rows)).result(60)


def completeness(state: Opened) -> float | None:
    found = state.view().balance
    return None if found is None else found.completeness


def served(sampling: float = 1.0) -> Service:
    """A service whose counters say the same of it as its records do."""
    service = Service(TraceIdRatioBased(sampling))
    service.reader = InMemoryMetricReader()  # a reader belongs to one provider
    service.meters = MeterProvider([service.reader], resource=Resource(HERE))
    return service


@pytest.mark.parametrize("sampling", [0.0, 0.1, 1.0])
def test_everything_balances_to_one_at_any_sampling(open_state: Open, clock: Clock, sampling: float) -> None:
    """Through the SDK, its spans and the application's own counters, as they would travel."""
    clock.now = time.time_ns()
    state, service = open_state(), served(sampling)
    score = service.model(version="1").predict(by_age)
    for row in range(200):
        score({"age": row / 3})
    service.flush()
    for body in service.channel.bodies:
        state.state.submit("logs", body).result(60)
    state.state.submit("traces", encode_spans(service.spans).SerializeToString()).result(60)
    data = unwrap(service.reader.get_metrics_data())
    state.state.submit("metrics", encode_metrics(data).SerializeToString()).result(60)
    clock.now += SILENT + PANE
    state.state.catch_up()
    (model,) = state.state.publish().models
    assert model.rows == 200
    assert model.balance is not None
    assert (model.balance.rows, model.balance.counted, model.balance.completeness) == (200.0, 200.0, 1.0)


def test_rows_that_a_full_buffer_dropped_are_missed(open_state: Open, clock: Clock) -> None:
    clock.now = time.time_ns()
    state, service = open_state(), served()
    score = service.model(version="1").predict(by_age)
    for burst in range(4):
        for row in range(50):
            score({"age": row})
        service.flush()
        if burst != 1:  # one record of four is lost on the way
            state.state.submit("logs", service.channel.bodies[-1]).result(60)
    data = unwrap(service.reader.get_metrics_data())
    state.state.submit("metrics", encode_metrics(data).SerializeToString()).result(60)
    clock.now += SILENT + PANE
    state.state.catch_up()
    (model,) = state.state.publish().models
    assert unwrap(model.balance).completeness == 0.75
    assert lacking(model.hints[0], "200 predictions") == []
    assert lacking(model.hints[0], "150", "75 %") == []
    (gauge,) = [point for point in points(state.state) if point.metric == m.DRIFTLINE_RECORD_COMPLETENESS]
    assert gauge.value == 0.75


def test_where_nothing_is_counted_there_is_no_completeness(state: Opened, clock: Clock) -> None:
    arrived(state, 5, 1)
    clock.now += HOUR
    assert completeness(state) is None
    assert not [point for point in points(state.state) if point.metric == m.DRIFTLINE_RECORD_COMPLETENESS]


def test_rows_that_arrive_as_spans_have_no_completeness(open_state: Open, clock: Clock) -> None:
    """A service in another language sends spans and counts; its spans may be sampled."""
    state = open_state()
    counted(state, 100, 1)
    said = {a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", a.ML_PREDICTION_SCORE: 0.5}
    spans = [span(said, row, start_time_unix_nano=NOON + row, end_time_unix_nano=NOON + row + 9) for row in range(100)]
    state.state.submit("traces", traces(spans)).result(60)
    for _ in range(2):  # a restart changes nothing
        clock.now += HOUR
        view = state.view()
        assert (view.rows, view.balance) == (100, None)
        assert not any("have arrived" in hint for hint in view.hints)
        state = open_state()


def test_a_lost_channel_is_nothing_that_arrived(state: Opened, clock: Clock) -> None:
    counted(state, 100, 1)
    clock.now += HOUR
    state.state.catch_up()
    (model,) = state.state.publish().models
    assert (model.rows, model.received) == (0, 0)
    assert model.balance == Balance(0.0, 100.0, NOON, NOON + PANE)


def test_only_what_every_process_has_counted_is_balanced(state: Opened, clock: Clock) -> None:
    for instance, minutes in (("one", (5, 10)), ("two", (5,))):
        for minute in minutes:
            clock.now = NOON + minute * MINUTE
            arrived(state, 10, minute - 0.5, instance)
            counted(state, 10 * (minutes.index(minute) + 1), minute, instance=instance)
    found = unwrap(state.view().balance)
    assert (found.end, found.rows) == (NOON + PANE, 20.0)  # of the second process nothing is known after that
    clock.now += SILENT
    found = unwrap(state.view().balance)
    assert (found.end, found.rows, found.counted) == (NOON + 2 * PANE, 30.0, 30.0)


def test_spans_and_distributions_count_as_they_should(state: Opened, clock: Clock) -> None:
    summed = [
        histogram_of(m.ML_PREDICT_DURATION, [1.0], [80, 0], start=NOON, time=NOON + MINUTE, sum=1.0),
        predictions_of(100, start=NOON, time=NOON + MINUTE),
    ]
    state.state.submit("metrics", metrics_body(summed)).result(60)
    clock.now += HOUR
    assert completeness(state) == 0.8


def test_a_process_that_ran_before_is_balanced_from_its_second_count_on(state: Opened, clock: Clock) -> None:
    arrived(state, 7, 1)
    counted(state, 1_000_000, 4.9999, start=NOON - DAY)
    for minute in range(6, 12, 5):
        arrived(state, 30, minute + 0.5)
    counted(state, 1_000_060, 15, start=NOON - DAY)
    clock.now += HOUR
    found = unwrap(state.view().balance)
    assert found.start == NOON + PANE
    assert found.rows == 60


def test_the_balance_survives_a_restart_and_a_resend(open_state: Open, clock: Clock) -> None:
    state = open_state()
    arrived(state, 50, 1)
    counted(state, 60, 2)
    state = open_state()
    arrived(state, 50, 1)
    counted(state, 60, 2)
    clock.now += HOUR
    assert completeness(state) == 50 / 60


def test_a_replay_of_last_year_is_balanced_by_when_it_was_made(state: Opened, clock: Clock) -> None:
    said = {a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", a.ML_PREDICTION_SCORE: 0.5}
    rows = [
        record(
            events.ML_PREDICTION,
            {**said, a.ML_PREDICTION_ID: str(row), a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: NOON - 300 * DAY},
            time_unix_nano=NOON - 300 * DAY,
            observed_time_unix_nano=NOON + MINUTE,
        )
        for row in range(10)
    ]
    state.state.submit("logs", logs(rows)).result(60)
    counted(state, 10, 2)
    clock.now += HOUR
    assert completeness(state) == 1.0


@pytest.mark.slow
def test_what_is_only_counted_today_makes_no_window_of_today_after_a_restart(open_state: Open, clock: Clock) -> None:
    state = open_state()
    state.send(predictions([str(row) for row in range(60)], NOON - 30 * DAY, [0.5] * 60, version="1"))
    state.view()
    counted(state, 60, 5)
    clock.now = NOON + 10 * MINUTE
    for view in [state.view(), open_state().view()]:
        assert {name: [one.rows for one in found] for name, found in view.windows.items()} == {"1h": [60], "1d": [60]}


def test_a_clock_that_is_off_has_no_place_in_the_balance(state: Opened, clock: Clock) -> None:
    for days in range(-300, 300, 50):
        arrived(state, 2, days * 24 * 60)
    arrived(state, 10, 1)
    counted(state, 10, 2)
    clock.now += HOUR
    assert completeness(state) == (12 / 10)  # the two of today
    assert len(state.state.parts.intake.balances._panes[1]) == 1


def test_an_hour_is_enough_when_it_has_enough() -> None:
    panes = {pane * PANE: _Pane(100.0, 100.0) for pane in range(100)}
    found = newest_balance(panes, 100 * PANE)
    assert found == Balance(2_000.0, 2_000.0, 80 * PANE, 100 * PANE)
    busy = {pane * PANE: _Pane(1_000.0, 1_000.0) for pane in range(100)}
    found = newest_balance(busy, 100 * PANE)
    assert found == Balance(12_000.0, 12_000.0, 88 * PANE, 100 * PANE)
    assert newest_balance({0: _Pane(5.0)}, PANE) is None


@pytest.mark.slow
def test_an_edge_that_cuts_through_what_was_counted_leaves_it_in_doubt(state: Opened, clock: Clock) -> None:
    counted(state, 100, 0.5)
    counted(state, 100, 4)
    arrived(state, 52, 4.5)
    arrived(state, 48, 5.5)
    arrived(state, 100, 0.4)
    counted(state, 200, 6)
    clock.now = NOON + 6 * MINUTE
    assert completeness(state) is None  # 50 of the 150 in the first pane may be of the second
    for minute in range(7, 51):
        arrived(state, 50, minute - 0.5)
        counted(state, 200 + (minute - 6) * 50, minute)
    clock.now = NOON + 51 * MINUTE
    found = unwrap(state.view().balance)
    assert (found.end, found.counted, found.doubt) == (NOON + 10 * 5 * MINUTE, 2_400.0, 0.0)
    assert found.completeness == 1.0


@pytest.mark.slow
def test_a_sentence_waits_until_no_edge_explains_what_is_missing(state: Opened, clock: Clock) -> None:
    counted(state, 10_000, 4.5)
    arrived(state, 9_800, 4.4)
    counted(state, 10_400, 5.5)
    clock.now = NOON + 6 * MINUTE
    found = unwrap(state.view().balance)
    assert (found.rows, found.counted, found.doubt) == (9_800.0, 10_200.0, 200.0)
    assert lacking(state.view().hints[0], "10,200 predictions") == []
    arrived(state, 210, 4.6)
    found = unwrap(state.view().balance)
    assert found.completeness < 0.99
    assert not any("predictions of churn counted" in hint for hint in state.view().hints)


def test_counts_of_many_streams_over_a_day_cost_a_row_per_pane(state: Opened) -> None:
    streams = [sum_of(m.ML_PREDICTIONS, 500, {"k": str(k)}, start=NOON - DAY, time=NOON, how=DELTA) for k in range(600)]
    state.state.submit("metrics", metrics_body(streams, captured=False)).result(60)
    state.state.catch_up()
    assert state.rows("SELECT count(*), sum(counted) FROM balance") == [(DAY // PANE, 600 * 500)]


def test_points_of_a_wrong_clock_are_rejected_and_cost_no_row(state: Opened) -> None:
    points = [
        sum_of(m.ML_PREDICTIONS, 500, {"k": str(k)}, start=NOON - MINUTE, time=NOON + 360 * DAY) for k in range(50)
    ]
    state.state.submit("metrics", metrics_body(points, captured=False)).result(60)
    state.state.catch_up()
    assert state.rows("SELECT count(*) FROM balance") == [(0,)]
    assert state.counted("time_out_of_range") == 50


def test_counts_outside_the_range_of_the_balance_are_not_kept_for_storing(state: Opened) -> None:
    balances = state.state.parts.intake.balances
    old = np.arange(NOON - 300 * DAY, NOON - 299 * DAY, PANE)
    balances.counted(1, [(old, np.ones(len(old)))])
    assert not balances._new


def test_rows_from_a_distribution_cost_an_entry_per_pane_however_many_they_are(
    state: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = state.state.parts.intake.touched
    noted: list[int] = []
    touch = touched.touch

    def counting(panes: Iterable[tuple[int, I64]], **more: Any) -> None:
        panes = list(panes)
        noted.append(sum(len(starts) for _, starts in panes))
        noted.extend(len(starts) for _, starts, _ in more.get("distributed", ()))
        touch(panes, **more)

    monkeypatch.setattr(touched, "touch", counting)
    n = 1_000_000
    durations = histogram_of(m.ML_PREDICT_DURATION, [1.0], [n, 0], start=NOON, time=NOON + MINUTE, sum=1.0)
    state.state.submit("metrics", metrics_body([durations])).result(60)
    state.state.catch_up()
    assert state.state.parts.intake.totals[1].distributed == n
    assert sum(noted) == 1
