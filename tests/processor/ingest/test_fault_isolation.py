"""A fault costs the rows that cause it, wherever it is between the log and the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import texts
from driftline_processor.core.decode import prediction_rows
from driftline_processor.core.decode.otlp_rows import Rows
from driftline_processor.core.service_level.sums import weight_by_error
from driftline_processor.ingest import fault_isolation
from driftline_processor.ingest.fault_isolation import find_faulty
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mutations import batch
from tests.support.otlp_requests import logs, record, span, traces
from tests.support.state_fixtures import Open
from tests.support.state_rows import NOON, Opened, outcomes

BAD = "bad"
"""The error type, or the id, of a row for which a step fails."""


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_exactly_the_items_are_found_that_fail_alone(healthy: list[bool]) -> None:
    is_healthy = np.array(healthy)
    if is_healthy.all():
        is_healthy[0] = False
    faulty = find_faulty(len(healthy), lambda some: bool(is_healthy[some].all()))
    assert (faulty == ~is_healthy).all()


def test_of_two_items_that_only_fail_together_one_is_left_out() -> None:
    faulty = find_faulty(8, lambda some: not (some[2] and some[5]))
    assert np.flatnonzero(faulty).tolist() == [5]


def test_a_search_ends_at_its_limits_and_leaves_out_what_it_has_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_isolation, "MOST_ATTEMPTS", 6)
    faulty = find_faulty(64, lambda some: not some[0])
    assert np.flatnonzero(faulty).tolist() == list(range(8))
    ticks = iter(range(10**6))
    faulty = find_faulty(64, lambda some: not some[0], lambda: 2.0 * next(ticks) * fault_isolation.MOST_SECONDS)
    assert faulty.all()


def row(number: int, model: str = "churn", error: str = "") -> dict[str, Any]:
    failed = {a.ERROR_TYPE: error} if error else {}
    return {a.ML_MODEL_NAME: model, a.ML_PREDICTION_ID: f"{number}", a.ML_PREDICTION_SCORE: 0.5, **failed}


def spans(number: int) -> bytes:
    """Return 100 rows of one model and one of another, for which a step fails."""
    rows = [span(row(number * 1_000 + k), start_time_unix_nano=NOON) for k in range(100)]
    return traces([*rows[:50], span(row(-1, "other", BAD), start_time_unix_nano=NOON), *rows[50:]])


def records(number: int) -> bytes:
    rows = [record(events.ML_PREDICTION, row(number * 1_000 + k), time_unix_nano=NOON) for k in range(100)]
    bad = record(events.ML_PREDICTION, row(-1, "churn", BAD), time_unix_nano=NOON)
    return logs([*rows[:50], bad, *rows[50:]])


def fail_for_bad_rows(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def check(errors: Any) -> None:
        if errors is not None and BAD in np.array([*errors.categories, ""])[errors.codes]:
            raise ZeroDivisionError("a fault that nobody has found yet")

    if step == "store":

        def checked(errors: Any, weight: Any) -> Mapping[str, float]:
            check(errors)
            return weight_by_error(errors, weight)

        monkeypatch.setattr("driftline_processor.ingest.transaction.weight_by_error", checked)
        return
    tables = prediction_rows._tables

    def decoded(rows: Rows, *others: Any, **more: Any) -> Any:
        found = tables(rows, *others, **more)
        for table in found:
            check(table.errors)
        return found

    monkeypatch.setattr(prediction_rows, "_tables", decoded)


@pytest.mark.parametrize("step", ["decode", "store"])
@pytest.mark.parametrize(("signal", "make"), [("traces", spans), ("logs", records)])
def test_acknowledged_neighbours_of_a_faulty_row_are_stored_and_it_is_counted_and_logged_once(
    open_state: Open,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    signal: Any,
    make: Any,
    step: str,
) -> None:
    fail_for_bad_rows(monkeypatch, step)
    state = open_state()
    with state.state._analysis._stepping:
        for number in range(2):
            state.state.submit(signal, make(number)).result(60)
    expected = {f"{number * 1_000 + k}" for number in range(2) for k in range(100)}
    stored = [str(found[0]) for found in state.rows("SELECT id FROM predictions")]
    assert sorted(stored) == sorted(expected)
    reason = {"decode": "not_decoded", "store": "not_stored"}[step]
    assert state.counted(reason) == 2
    sentences = [line for line in caplog.messages if reason in line]
    assert len(sentences) == (2 if step == "decode" else 1)  # one line per search
    assert state.state._queue.position == state.state.log.end
    state.state.submit(signal, make(0)).result(60)
    assert len(state.rows("SELECT id FROM predictions")) == 200  # the request is known


def test_a_faulty_row_of_a_batch_costs_only_itself_and_the_batch_is_known(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_bad_rows(monkeypatch, "store")
    state = open_state()
    columns = {
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: np.array([NOON] * 3),
        a.ML_PREDICTION_ID: texts(["x", "y", "z"]),
        a.ML_PREDICTION_SCORE: np.array([0.1, 0.2, 0.3]),
        a.ERROR_TYPE: texts(["", BAD, ""]),
    }
    for _ in range(2):
        body = logs([batch(columns, {}, **{a.DRIFTLINE_BATCH_ID: "one"})], f"{_}"[:0])
        state.state.submit("logs", body).result(60)
        assert state.rows("SELECT id FROM predictions ORDER BY id") == [("x",), ("z",)]
    assert state.counted("not_stored") == 1


def test_a_faulty_outcome_is_reported_to_its_sender_and_the_others_are_stored(state: Opened) -> None:
    broken = outcomes(["a", "b", "c"], [1, 0, 1])
    broken.id = type(broken.id)(np.array([0, 1, 3, 4], np.int32), b"a\xff\xfec")  # not UTF-8
    receipt = state.send(broken)
    assert (receipt.accepted, receipt.rejected) == (2, {"not_stored": 1})
    assert state.rows("SELECT id FROM outcomes ORDER BY id") == [("a",), ("c",)]
