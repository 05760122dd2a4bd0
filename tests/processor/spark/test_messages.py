"""Messages of topics become panes, rows and outcomes; what cannot be used is counted, and the rest goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from driftline.semconv import attributes as a
from driftline_processor.spark import messages

from tests.support.decoded_messages import batch, decoded, folded_model, merged_sums, of_kind, outcomes_of, rejected
from tests.support.scored_topics import (
    HOUR,
    Frame,
    Sums,
    baseline_of,
    columnar_messages,
    difference,
    outcome_messages,
    panes_of,
    scored,
    span_messages,
    sums_of,
    taken,
)

START = 1_795_564_800 * 10**9
NOW = START + 4 * HOUR
KEY = "a key of the tests, 32 bytes long"


@pytest.fixture(scope="module")
def frame() -> Frame:
    return scored(240, START, 3, 1)


BASELINE = baseline_of(scored(2_000, START, 3, 99))


def expected(frame: Frame) -> Sums:
    none = np.full(len(frame["at"]), None, object)
    return sums_of(panes_of(frame, BASELINE, none, frame["at"]).panes)


def test_spans_and_columnar_records_become_the_panes_of_their_rows(frame: Frame) -> None:
    first, rest = taken(frame, slice(0, 130)), taken(frame, slice(130, 240))
    rows = decoded({"churn": folded_model(BASELINE)}, batch(span_messages(first, 40), columnar_messages(rest, 40), NOW))
    assert difference(merged_sums(of_kind(rows, "pane")), expected(frame)) < 1e-12
    assert sorted(of_kind(rows, "row")["id"].to_pylist()) == sorted(frame["id"].tolist())
    assert rejected(rows) == {}


def test_rows_are_folded_in_parts_of_bounded_size(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "TOGETHER", 50)
    rows = decoded({"churn": folded_model(BASELINE)}, batch([], columnar_messages(frame, 20), NOW))
    panes = of_kind(rows, "pane")
    assert len(panes) > len(expected(frame))
    assert difference(merged_sums(panes), expected(frame)) < 1e-12


@pytest.mark.parametrize("poison", [b"\xff\xff", b'{"resourceSpans": []}', None])
def test_a_poisoned_message_costs_only_itself(frame: Frame, poison: bytes | None) -> None:
    spans, logs = span_messages(taken(frame, slice(0, 120)), 20), columnar_messages(taken(frame, slice(120, 240)), 20)
    torn = [poison] if poison is not None else []
    bad_spans, bad_logs = torn or [spans[0][:-9]], torn or [logs[0][:-9]]
    rows = decoded(
        {"churn": folded_model(BASELINE)},
        batch([*spans[:3], *bad_spans, *spans[3:]], [*bad_logs, *logs], NOW),
        batch([], bad_logs, NOW),
    )
    assert rejected(rows) == {"malformed_message": 3}
    assert difference(merged_sums(of_kind(rows, "pane")), expected(frame)) < 1e-12


def test_a_message_without_a_value_is_empty() -> None:
    empty = batch([b""], [b""], NOW).set_column(1, "value", pa.array([None, None], pa.binary()))
    assert len(decoded({"churn": folded_model(BASELINE)}, empty)) == 0


def test_rows_and_outcomes_of_a_model_that_is_not_configured_are_counted(frame: Frame) -> None:
    few = taken(frame, slice(0, 30))
    rows = decoded(
        {"churn": folded_model(BASELINE)},
        batch(
            span_messages(few, model="fraud"), outcome_messages(few["id"][:7], few["y"][:7], NOW, model="fraud"), NOW
        ),
        batch(span_messages(few), [], NOW),
    )
    assert rejected(rows) == {"model_not_configured": 37}
    assert len(of_kind(rows, "row")) == 30


def test_rows_of_the_future_are_counted(frame: Frame) -> None:
    late = taken(frame, slice(0, 30))
    late["at"] = np.where(np.arange(30) < 4, late["at"] + 400 * 24 * HOUR, late["at"])
    rows = decoded({"churn": folded_model(BASELINE)}, batch([], columnar_messages(late), NOW))
    assert rejected(rows) == {"time_out_of_range": 4}
    assert sorted(of_kind(rows, "row")["id"].to_pylist()) == sorted(late["id"][4:].tolist())


def test_outcomes_keep_what_they_say(frame: Frame) -> None:
    few = taken(frame, slice(0, 3))
    more: dict[str, Any] = {a.DRIFTLINE_OUTCOME_WEIGHT: 2.5, a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO: START + 5}
    logs = outcome_messages(few["id"], few["y"], NOW - 7, **more)
    outcomes = outcomes_of(decoded({"churn": folded_model(BASELINE)}, batch([], logs, NOW)))
    assert outcomes["id"].to_pylist() == few["id"].tolist()
    assert outcomes["actual"].to_pylist() == few["y"].astype(str).tolist()
    for name, value in {
        "model": "churn",
        "environment": "prod",
        "outcome_time": NOW - 7,
        "prediction_time": START + 5,
        "outcome_weight": 2.5,
        "retracted": False,
    }.items():
        assert outcomes[name].to_pylist() == [value] * 3, name


def test_an_outcome_of_a_class_that_the_model_lacks_is_counted(frame: Frame) -> None:
    logs = outcome_messages(frame["id"][:3], np.array([0, 7, 1]), NOW)
    rows = decoded({"churn": folded_model(BASELINE)}, batch([], logs, NOW))
    assert len(outcomes_of(rows)) == 2
    assert sum(rejected(rows).values()) == 1


def test_a_denied_feature_and_slice_are_in_no_pane_and_no_row(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_PRIVACY_DENY", "balance,region")
    rows = decoded({"churn": folded_model(BASELINE)}, batch(span_messages(frame, 40), [], NOW))
    panes = merged_sums(of_kind(rows, "pane"))
    assert {name for _, name in panes} == {""}
    parts = {part for sums in panes.values() for part in sums}
    assert any("age" in part for part in parts)
    assert not any("balance" in part for part in parts)
    written = str(of_kind(rows, "row").to_pylist())
    assert "north" not in written
    assert "balance" not in written


def test_ids_are_hashed_before_they_are_written(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_PRIVACY_HASH_ID", "true")
    monkeypatch.setenv("DRIFTLINE_PRIVACY_KEY", KEY)
    few = taken(frame, slice(0, 20))
    rows = decoded(
        {"churn": folded_model(BASELINE)},
        batch(span_messages(few), outcome_messages(few["id"], few["y"], NOW), NOW),
    )
    ids = of_kind(rows, "row")["id"].to_pylist()
    assert len(set(ids)) == 20
    assert not {*ids} & {*few["id"].tolist()}
    assert outcomes_of(rows)["id"].to_pylist() == ids  # they join


def test_damaged_messages_never_end_an_epoch(frame: Frame) -> None:
    random = np.random.default_rng(5)
    spans, logs = span_messages(taken(frame, slice(0, 40)), 20), columnar_messages(taken(frame, slice(0, 40)), 20)
    logs += outcome_messages(frame["id"][:20], frame["y"][:20], NOW)
    model = {"churn": folded_model(BASELINE)}
    counted = 0
    for bodies in (spans, logs):
        for _ in range(60):
            damaged = bytearray(bodies[random.integers(len(bodies))])
            for place in random.integers(0, len(damaged), random.integers(1, 6)).tolist():
                damaged[place] = int(random.integers(256))
            sent = [bytes(damaged)]
            rows = decoded(model, batch(sent, [], NOW) if bodies is spans else batch([], sent, NOW))
            counted += rejected(rows).get("malformed_message", 0)
    assert counted > 20
