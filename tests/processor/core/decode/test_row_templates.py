"""Spans read by templates are what the generated classes read, whatever else the spans hold."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import encode_column, strings
from driftline.tables.table import Column, Text
from driftline_processor.core.decode import attributes, otlp_rows, row_templates
from driftline_processor.core.decode.requests import (
    Decoded,
    Malformed,
    decode_logs,
    decode_logs_together,
    decode_traces,
    decode_traces_together,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.otlp_requests import FEATURE, NOW, SLICE, logs, record, span, traces


def plain(value: Any) -> Any:
    """Return a part of a table as Python values; the labels of a column in whatever order."""
    if isinstance(value, Text):
        return strings(value)
    if isinstance(value, Column):
        numbers = None if value.numbers is None else [repr(number) for number in value.numbers.tolist()]
        labels = None if value.codes is None else [None if c < 0 else value.categories[c] for c in value.codes.tolist()]
        return numbers, labels
    if isinstance(value, dict):
        return {key: plain(each) for key, each in sorted(value.items())}
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    if hasattr(value, "offsets"):
        return plain(value.offsets), plain(value.ids), plain(value.scores), plain(value.left_out)
    return value


def content(decoded: Decoded) -> Any:
    tables = [{each.name: plain(getattr(table, each.name)) for each in fields(table)} for table in decoded.predictions]
    outcomes = [{each.name: plain(getattr(table, each.name)) for each in fields(table)} for table in decoded.outcomes]
    return tables, outcomes, decoded.batches, decoded.columnar, decoded.baselines, decoded.rejected, decoded.ignored


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let templates read any number of rows, and a second one what the first has left."""
    monkeypatch.setattr(otlp_rows, "MIN_ROWS", 1)
    monkeypatch.setattr(row_templates, "_FEWEST", 1)
    return monkeypatch


def generally(body: bytes, decode: Any = decode_traces) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otlp_rows, "MIN_ROWS", 10**9)
        return content(decode(body, NOW))


LETTERS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", "a", "a\0", "x" * 63, "x" * 64, "x" * 65, "y" * 110, "y" * 127, "y" * 128, "é" * 70, " b "]),
)
WHOLE = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, -1, 127, 128, 2**53 + 1, 2**63 - 1, -(2**63)])
)
VALUES = st.one_of(
    st.floats(), WHOLE, st.booleans(), LETTERS, st.none(), st.binary(max_size=3), st.lists(st.floats(), max_size=3)
)
NAMES = ("one", "two", "three", "f" * 100, "g" * 128, "é")


@st.composite
def senders(draw: st.DrawFn) -> list[Span]:
    """Draw the spans of one or two models: alike, but for lacking attributes, other kinds and other fields."""
    result = []
    models = draw(st.integers(1, 2))
    features = [
        (FEATURE + name, draw(st.sampled_from([1.5, 7, True, "text", "long " * 30])))
        for name in draw(st.permutations(NAMES))
    ]
    named, extra = draw(st.booleans()), draw(st.booleans())
    for row in range(draw(st.integers(1, 12))):
        pairs: list[tuple[str, Any]] = [
            (a.ML_MODEL_NAME, f"model {row % models}"),
            *([(a.ML_PREDICTION_ID, draw(LETTERS))] if named else []),
            (a.ML_PREDICTION_SCORE, draw(st.floats(0, 1))),
            *features[row % models * 2 :],
            (SLICE + "region", draw(st.sampled_from(["north", "south", 7]))),
        ]
        for at in draw(st.lists(st.integers(0, len(pairs) - 1), max_size=2)):
            pairs[at] = pairs[at][0], draw(VALUES)
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            del pairs[draw(st.integers(0, len(pairs) - 1))]
        if draw(st.integers(0, 5)) == 0:
            pairs.insert(draw(st.integers(0, len(pairs))), draw(st.sampled_from([*pairs, ("http.route", "/")])))
        if draw(st.integers(0, 5)) == 0:
            pairs.append((a.DRIFTLINE_PREDICTION_RECORDED, draw(st.sampled_from([True, False, "true"]))))
        made = span(pairs, row)
        if extra:
            adorn(draw, made)
        result.append(made)
    return result


def adorn(draw: st.DrawFn, made: Span) -> None:
    """Add the other fields of a span."""
    made.name = draw(st.sampled_from(["", "predict", "predict " * 20]))
    made.kind = draw(st.sampled_from(list(Span.SpanKind.values())))
    made.trace_state = draw(st.sampled_from(["", "ot=th:8", "v=1,ot=th:c", "x" * 200]))
    made.parent_span_id = draw(st.sampled_from([b"", bytes(8), b"12345678", b"odd"]))
    made.trace_id = draw(st.sampled_from([made.trace_id, bytes(16), b"", b"short"]))
    made.dropped_attributes_count = draw(st.sampled_from([0, 1, 300]))
    made.flags = draw(st.sampled_from([0, 257]))
    made.start_time_unix_nano = draw(st.sampled_from([0, NOW, 2**64 - 1]))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        made.events.add(name="e" * draw(st.integers(0, 150)))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        made.links.add(trace_id=bytes(16))
    status = draw(st.sampled_from([None, Status.STATUS_CODE_UNSET, Status.STATUS_CODE_OK, Status.STATUS_CODE_ERROR]))
    if status is not None:
        made.status.code = status
        made.status.message = draw(st.sampled_from(["", "failed", "failed " * 30]))


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(senders())
def test_spans_are_read_as_the_generated_classes_read_them(sent: list[Span]) -> None:
    body = traces(sent, "prod")
    expected = generally(body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otlp_rows, "MIN_ROWS", 1)
        assert content(decode_traces(body, NOW)) == expected
        patch.setattr(row_templates, "_FEWEST", 1)
        assert content(decode_traces(body, NOW)) == expected
        patch.setattr(row_templates, "_PATIENCE", 1)
        patch.setattr(row_templates, "_BLOCK", 100)
        assert content(decode_traces_together([body], NOW)) == expected


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(senders(), min_size=1, max_size=4), st.integers(0, 1))
def test_requests_together_are_one_request(sent: list[list[Span]], least: int) -> None:
    bodies = [traces(spans, ("prod", None)[number % 2]) for number, spans in enumerate(sent)]
    expected = generally(b"".join(bodies))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otlp_rows, "MIN_ROWS", 1 if least else 64)
        patch.setattr(row_templates, "_FEWEST", 1)
        assert content(decode_traces_together([*bodies, b"", traces([span({"http.route": "/"})])], NOW)) == expected


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(senders(), st.integers(0, 2**32))
def test_wire_that_is_mutated_is_malformed_or_read_alike(sent: list[Span], seed: int) -> None:
    body = bytearray(traces(sent))
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body))
        change = rng.randrange(4)
        if change == 0:
            body[at] = rng.randrange(256)
        elif change == 1:
            body[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            del body[at : at + rng.randint(1, 3)]
        else:
            body[at:at] = rng.randbytes(rng.randint(1, 3))
        if not body:
            return
    mutated = bytes(body)
    try:
        expected = generally(mutated)
    except Malformed:
        expected = None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otlp_rows, "MIN_ROWS", 1)
        patch.setattr(row_templates, "_FEWEST", 1)
        try:
            found = content(decode_traces_together([mutated], NOW))
        except Malformed:
            assert expected is None
        else:
            assert expected is None or found == expected


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(senders(), senders(), st.integers(1, 10**6))
def test_a_body_that_is_cut_is_malformed_and_takes_nothing_from_the_next(
    sent: list[Span], others: list[Span], at: int
) -> None:
    body = traces(sent)
    cut = body[: at % len(body)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otlp_rows, "MIN_ROWS", 1)
        if otlp_rows.MARK in cut:
            with pytest.raises(Malformed):
                decode_traces_together([cut, traces(others)], NOW)


def test_many_rows_of_many_shapes_keep_their_order() -> None:
    rng = np.random.default_rng(5)
    sent = []
    for row in range(900):
        things: dict[str, Any] = {a.ML_MODEL_NAME: f"model {row % 3}", a.ML_PREDICTION_ID: f"id {row}"}
        for number in range(12):
            if rng.random() < 0.6:
                things[f"{FEATURE}{row % 3}-{number}"] = row + number / 8 if number % 3 else f"text {row % 7}"
        sent.append(span(things, row))
    bodies = [traces(sent[at : at + 90]) for at in range(0, 900, 90)]

    decoded = decode_traces_together(bodies, NOW)

    assert content(decoded) == generally(b"".join(bodies))
    assert [strings(table.id)[:3] for table in decoded.predictions] == [
        [f"id {model}", f"id {model + 3}", f"id {model + 6}"] for model in range(3)
    ]


def test_templates_read_every_row_of_uneven_senders(eager: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    sent = []
    for row in range(400):
        things: dict[str, Any] = {a.ML_MODEL_NAME: "churn", **{f"{FEATURE}{n}": rng.random() for n in range(20)}}
        del things[f"{FEATURE}{rng.integers(20)}"]
        sent.append(span(things, row))
    expected = generally(traces(sent))
    eager.setattr(attributes.Grid, "put", None)  # the general way
    eager.setattr(row_templates, "_FEWEST", 24)

    assert content(decode_traces(traces(sent), NOW)) == expected


def test_limits_of_a_request_hold_for_each_of_those_together(eager: pytest.MonkeyPatch) -> None:
    eager.setattr(attributes, "MAX_COLUMNS", 3)
    bodies = [
        traces([span({a.ML_MODEL_NAME: model, **{f"{FEATURE}{model}-{n}": 1.0 for n in range(count)}})])
        for model, count in (("a", 3), ("b", 2), ("c", 5))
    ]

    decoded = decode_traces_together(bodies, NOW)

    assert [len(table.features) for table in decoded.predictions] == [3, 2, 3]
    assert decoded.rejected == Counter({"too_many_features": 2})
    assert decoded.batches == [""] * 3


def logs_of_all_kinds(rows: int) -> list[bytes]:
    """Return requests of logs with outcomes, predictions, batches, a baseline, and what is not ours."""
    model = {a.ML_MODEL_NAME: "churn"}
    outcomes = [
        record(events.ML_OUTCOME, {**model, a.ML_PREDICTION_ID: f"id {row}", a.ML_OUTCOME_ACTUAL: str(row % 2)})
        for row in range(rows)
    ]
    predictions = [
        record(events.ML_PREDICTION, {**model, a.ML_PREDICTION_ID: f"id {row}", a.ML_PREDICTION_SCORE: row / rows})
        for row in range(rows)
    ]
    columns = {a.ML_PREDICTION_SCORE: encode_column(np.array([0.25, 0.5]))}
    head = {**model, a.ML_PREDICTION_COUNT: 2, a.DRIFTLINE_PREDICTION_COLUMNS: columns}
    batches = [record(events.DRIFTLINE_PREDICTION_BATCH, {**head, a.DRIFTLINE_BATCH_ID: each}) for each in "ab"]
    baseline = record(events.DRIFTLINE_BASELINE, model)
    baseline.body.string_value = "{}"
    return [
        logs([*predictions[:9], *outcomes[:50]], "prod"),
        logs([batches[0], record("user.click", {"html.id": 1})], "test"),
        logs([*outcomes[50:], baseline, *predictions[9:]], "prod"),
        logs([record("user.click", {"html.id": 1})]),
        logs([batches[1], *outcomes[:3]], "prod"),
    ]


@pytest.mark.parametrize("least", [1, 96])
def test_logs_together_are_one_request(least: int, eager: pytest.MonkeyPatch) -> None:
    eager.setattr(otlp_rows, "MIN_ROWS", least)
    bodies = logs_of_all_kinds(120)
    expected = decode_logs(b"".join(bodies), NOW)
    assert [len(table) for table in expected.predictions] == [2, 2, 120]

    assert content(decode_logs_together(bodies, NOW)) == content(expected)


@pytest.mark.usefixtures("eager")
def test_logs_of_many_models_together_are_those_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.core.decode.outcome_records.MAX_TABLES", 2)
    outcome = {a.ML_PREDICTION_ID: "1", a.ML_OUTCOME_ACTUAL: "1"}
    bodies = [
        logs([record(events.ML_OUTCOME, {**outcome, a.ML_MODEL_NAME: model}) for model in models])
        for models in ("ab", "cd", "efg")
    ]

    decoded = decode_logs_together([*bodies, *logs_of_all_kinds(60)], NOW)

    assert [table.model for table in decoded.outcomes][:6] == [*"abcdef"]
    assert decoded.rejected["too_many_models"] == 1
    assert [len(table) for table in decoded.predictions[: decoded.columnar]] == [2, 2]


def test_a_body_of_logs_that_is_cut_takes_nothing_from_the_next() -> None:
    first, *others = logs_of_all_kinds(120)
    with pytest.raises(Malformed):
        decode_logs_together([first[:-1], *others], NOW)


@pytest.mark.usefixtures("eager")
def test_the_time_of_a_record_is_when_it_happened_else_when_it_was_seen() -> None:
    things = {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "1", a.ML_PREDICTION_SCORE: 0.5}
    sent = [
        record(name, things, time_unix_nano=happened, observed_time_unix_nano=seen)
        for name in (events.ML_PREDICTION, events.ML_OUTCOME)
        for happened, seen in ((NOW, 0), (0, NOW + 1), (NOW + 2, NOW + 3), (0, 0))
    ]
    sent += [record("", {**things, "event.name": events.ML_PREDICTION}), record("", {**things, "event.name": "other"})]

    decoded = decode_logs(logs(sent), NOW + 9)

    [table] = decoded.predictions
    assert table.time.tolist() == [NOW, NOW + 1, NOW + 2, NOW + 9, NOW]
    assert table.observed is not None
    assert table.observed.tolist() == [NOW, NOW + 1, NOW + 3, NOW + 9, NOW]
    assert decoded.rejected == Counter({"no_actual": 4})


def test_equal_texts_have_equal_codes_where_their_numbers_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_templates, "_ODD", np.zeros(8, np.uint64))
    texts = np.array([[3], [1], [3], [2], [1], [3]], np.uint64)

    assert row_templates._representatives(texts, np.full(6, 8)).tolist() == [0, 1, 0, 3, 1, 0]
