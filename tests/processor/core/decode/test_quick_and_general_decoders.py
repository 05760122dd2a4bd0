"""The quick way through numpy and the general way through the generated classes agree, whatever is sent."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import Value, encode, strings, texts
from driftline.tables.table import Column, OutcomeTable, PredictionTable
from driftline_processor.core.decode import otlp_rows, row_templates
from driftline_processor.core.decode.requests import Decoded, Malformed, decode_logs, decode_traces
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.otlp_requests import FEATURE, NOW, SLICE, logs, record, span, traces


def cells(column: Column | None, n: int) -> list[Any]:
    """Return a column as Python values: text, number or None."""
    if column is None:
        return [None] * n
    result: list[Any] = [None] * n
    for i in range(n):
        if column.codes is not None and column.codes[i] >= 0:
            result[i] = column.categories[column.codes[i]]
        elif column.numbers is not None and not np.isnan(column.numbers[i]):
            result[i] = float(column.numbers[i])
    return result


def floats(values: np.ndarray[Any, Any] | None) -> Any:
    return None if values is None else repr(values.tolist())


def predictions_of(table: PredictionTable) -> dict[str, Any]:
    n = len(table)
    return {
        "key": table.key,
        "task": table.task,
        "time": table.time.tolist(),
        "id": strings(table.id),
        "scores": floats(table.scores),
        "predicted": cells(table.predicted, n),
        "items": None
        if table.items is None
        else (
            table.items.offsets.tolist(),
            cells(table.items.ids, table.items.offsets[-1]),
            floats(table.items.scores),
        ),
        "duration": floats(table.duration),
        "weight": floats(table.weight),
        "traces": None if table.trace_id is None else table.trace_id.tolist(),
        "spans": None if table.span_id is None else table.span_id.tolist(),
        "features": {name: cells(column, n) for name, column in sorted(table.features.items())},
        "slices": {name: cells(column, n) for name, column in sorted(table.slices.items())},
        "keyed": table.keyed,
    }


def outcomes_of(table: OutcomeTable) -> dict[str, Any]:
    return {
        "model": table.model,
        "environment": table.environment,
        "id": strings(table.id),
        "actual": cells(table.actual, len(table)),
        "time": table.time.tolist(),
        "prediction_time": table.prediction_time.tolist(),
        "weight": floats(table.weight),
    }


def everything(decoded: Decoded) -> dict[str, Any]:
    return {
        "predictions": [predictions_of(table) for table in decoded.predictions],
        "batches": decoded.batches,
        "outcomes": [outcomes_of(table) for table in decoded.outcomes],
        "baselines": decoded.baselines,
        "rejected": decoded.rejected,
        "ignored": decoded.ignored,
    }


def in_all_ways(decode: Any, body: bytes) -> dict[str, Any]:
    """Decode the general way, and make sure that the quick ways find the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otlp_rows, "MIN_ROWS", 10**9)
        general = everything(decode(body, NOW))
        patch.setattr(otlp_rows, "MIN_ROWS", 2)
        assert everything(decode(body, NOW)) == general
        patch.setattr(row_templates, "_FEWEST", 1)
        assert everything(decode(body, NOW)) == general
    return general


SCALARS = st.one_of(
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.text(max_size=4),
    st.sampled_from(["AA", "UA", "1", " 1", "true", "x" * 130, "x" * 1025, "é" * 70]),
)
THINGS = st.one_of(
    SCALARS,
    st.none(),
    st.binary(max_size=3),
    st.lists(st.one_of(SCALARS, st.none()), max_size=3),
    st.dictionaries(st.text(max_size=2), SCALARS, max_size=2),
)
KEYS = st.sampled_from(
    [
        *(FEATURE + name for name in ("a", "b", "c", "é", "x" * 130, "", "a.b")),
        SLICE + "region",
        a.DRIFTLINE_FEATURE_VALUE,
        a.ML_MODEL_NAME,
        a.ML_MODEL_VERSION,
        a.ML_MODEL_TASK,
        a.DRIFTLINE_MODEL_CLASSES,
        a.DRIFTLINE_MODEL_POSITIVE_CLASS,
        a.DRIFTLINE_MODEL_THRESHOLD,
        a.ML_OPERATION_NAME,
        a.DRIFTLINE_PREDICTION_ITEMS,
        a.DRIFTLINE_PREDICTION_ITEM_COUNT,
        a.ML_PREDICTION_ID,
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO,
        a.ML_PREDICTION_COUNT,
        a.ML_PREDICTION_SCORE,
        a.DRIFTLINE_PREDICTION_SCORES,
        a.ML_PREDICTION_CLASS,
        a.ML_PREDICTION_VALUE,
        a.DRIFTLINE_PREDICTION_DURATION,
        a.DRIFTLINE_PREDICTION_RECORDED,
        a.ML_OUTCOME_ACTUAL,
        a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO,
        a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO,
        a.DRIFTLINE_OUTCOME_WEIGHT,
        "http.route",
        "",
    ]
)
PAIRS = st.lists(st.tuples(KEYS, THINGS), max_size=6)
USUAL: list[tuple[str, Any]] = [
    (a.ML_MODEL_NAME, "churn"),
    (a.ML_PREDICTION_ID, "id"),
    (a.ML_PREDICTION_SCORE, 0.25),
    (FEATURE + "a", 1.5),
    (FEATURE + "b", "AA"),
    (a.ML_OUTCOME_ACTUAL, 1),
]


@st.composite
def rows(draw: st.DrawFn) -> list[list[tuple[str, Any]]]:
    """Draw rows of one sender, most of them alike: with anything inserted, removed, repeated or in another order."""
    result = []
    for i in range(draw(st.integers(2, 7))):
        pairs = [(key, f"id-{i}" if thing == "id" else thing) for key, thing in USUAL]
        for position in draw(st.lists(st.integers(0, 5), max_size=2)):
            pairs[position % len(pairs)] = (pairs[position % len(pairs)][0], draw(THINGS))
        if draw(st.integers(0, 3)) == 0:
            del pairs[draw(st.integers(0, len(pairs) - 1))]
        if draw(st.integers(0, 2)) == 0:
            pairs += draw(PAIRS)
        if draw(st.integers(0, 3)) == 0:
            pairs = draw(st.permutations(pairs))
        result.append(pairs)
    return result


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(rows(), st.sampled_from(["", "ot=th:8", "ot=th:xyz", "v=1,ot=rv:12345678901234;th:c"]))
def test_spans_of_any_attributes(sent: list[list[tuple[str, Any]]], state: str) -> None:
    body = traces([span(pairs, row, trace_state=state if row % 2 else "") for row, pairs in enumerate(sent)], "prod")

    in_all_ways(decode_traces, body)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(rows(), st.lists(st.sampled_from([events.ML_PREDICTION, events.ML_OUTCOME, ""]), min_size=7, max_size=7))
def test_records_of_any_attributes(sent: list[list[tuple[str, Any]]], names: list[str]) -> None:
    body = logs([record(name, pairs) for name, pairs in zip(names, sent, strict=False)])

    in_all_ways(decode_logs, body)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(rows(), st.integers(0, 2**32))
def test_mutated_requests_are_malformed_or_decoded_alike(sent: list[list[tuple[str, Any]]], seed: int) -> None:
    body = bytearray(traces([span(pairs, row) for row, pairs in enumerate(sent)]))
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)

    with contextlib.suppress(Malformed):
        in_all_ways(decode_traces, bytes(body))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x12\x09\x21" + b"\0" * 8 + b"\x0a\x19driftline.feature.value.a",  # the value before the key
        b"\x0a\x99\x00driftline.feature.value.a\x12\x09\x21" + b"\0" * 8,  # a length in more bytes than it needs
        b"\x0a\x19driftline.feature.value.a\x12\x09\x21" + b"\0" * 8 + b"\x0a\x19driftline.feature.value.b",  # two keys
        b"\x0a\x19driftline.feature.value.a\x12\x09\x21" + b"\0" * 8 + b"\x98\x06\x01",  # an unknown field
        b"\x0a\x19driftline.feature.value.a\x12\x0b\x21" + b"\0" * 8 + b"\x10\x01",  # two values
        b"\x0a\x19driftline.feature.value.a",  # no value
        b"",
    ],
)
def test_encodings_that_no_encoder_makes(raw: bytes) -> None:
    usual = [span(USUAL, row).SerializeToString() for row in range(4)]
    odd = span(USUAL, 4).SerializeToString() + b"\x4a" + bytes([len(raw)]) + raw
    scope = b"".join(b"\x12" + _varint(len(row)) + row for row in [usual[0], odd, usual[1], odd, usual[2], usual[3]])
    resource = b"\x12" + _varint(len(scope)) + scope
    body = b"\x0a" + _varint(len(resource)) + resource

    decoded = in_all_ways(decode_traces, body)

    assert sum(len(table["time"]) for table in decoded["predictions"]) == 6


def _varint(number: int) -> bytes:
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*result, number])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_mutated_batches_are_malformed_or_decoded(seed: int) -> None:
    columns: dict[str, Value] = {
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: np.array([NOW, NOW + 1]),
        a.ML_PREDICTION_ID: texts(["a", "é"]),
        a.DRIFTLINE_PREDICTION_SCORES: np.array([[0.1, 0.9], [0.2, 0.8]]),
        a.ML_PREDICTION_CLASS: Column(np.array([1.0, np.nan]), np.array([-1, 0], np.int32), ("x",)),
        FEATURE + "a": np.array([1.5, np.inf]),
        "trace_id": np.zeros(2, "V16"),
    }
    things = {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_COUNT: 2, a.DRIFTLINE_PREDICTION_COLUMNS: encode(columns)}
    body = bytearray(logs([record(events.DRIFTLINE_PREDICTION_BATCH, things)]))
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)

    try:
        decoded = decode_logs(bytes(body), NOW)
    except Malformed:
        return
    for table in decoded.predictions:
        assert predictions_of(table)["keyed"]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_malformed_or_decoded(body: bytes) -> None:
    for decode in (decode_traces, decode_logs):
        try:
            assert isinstance(decode(body, NOW).rejected, Counter)
        except Malformed:
            continue
