"""Log records: plain predictions, columnar batches, outcomes and baselines."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from driftline.batch.conversion import list_of
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.classes import class_column
from driftline.tables.column_codec import encode_column, strings, texts
from driftline.tables.table import Column, ModelKey, Text
from driftline.tables.task import Task
from driftline_processor.core.decode import prediction_batches
from driftline_processor.core.decode.requests import (
    MAX_MESSAGES,
    Decoded,
    Malformed,
    TooManyMessages,
    count_messages,
    decode_logs,
)
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.support.otlp_requests import FEATURE, NOW, SLICE, logs, record
from tests.support.unwrap import unwrap

CHURN: dict[str, Any] = {a.ML_MODEL_NAME: "churn"}


def predictions(*rows: dict[str, Any], **fields: Any) -> Decoded:
    return decode_logs(logs([record(events.ML_PREDICTION, {**CHURN, **row}, **fields) for row in rows]), NOW + 7)


def test_a_plain_record_becomes_a_row() -> None:
    decoded = predictions({a.ML_PREDICTION_ID: "A", a.ML_PREDICTION_SCORE: 0.5, a.DRIFTLINE_PREDICTION_DURATION: 0.01})

    [table] = decoded.predictions
    assert table.key == ModelKey("churn")
    assert strings(table.id) == ["A"]
    assert table.time.tolist() == [NOW]
    assert unwrap(table.duration).tolist() == [0.01]
    assert table.trace_id is None
    assert table.keyed


@pytest.mark.parametrize(
    ("happened", "observed", "time"), [(NOW, NOW + 1, NOW), (0, NOW + 1, NOW + 1), (0, 0, NOW + 7)]
)
def test_a_record_happened_at_its_time_else_when_observed_else_when_it_arrived(
    happened: int, observed: int, time: int
) -> None:
    decoded = predictions({FEATURE + "a": 1.0}, time_unix_nano=happened, observed_time_unix_nano=observed)

    assert decoded.predictions[0].time.tolist() == [time]


@pytest.mark.parametrize("many", [1, 40])
def test_the_event_name_may_be_an_attribute_as_in_older_sdks(many: int) -> None:
    sent = [record("", {**CHURN, "event.name": events.ML_PREDICTION, FEATURE + "a": 1.0})] * many

    assert len(decode_logs(logs(sent), NOW).predictions[0]) == many


def test_a_record_without_a_model_or_without_anything_to_analyse_is_counted() -> None:
    sent = [
        record(events.ML_PREDICTION, {FEATURE + "a": 1.0}),
        record(events.ML_PREDICTION, CHURN),
        record(events.ML_PREDICTION, {**CHURN, FEATURE + "a": 1.0}),
        record("", {**CHURN, FEATURE + "a": 1.0}),
    ]

    decoded = decode_logs(logs(sent), NOW)

    assert [len(table) for table in decoded.predictions] == [1]
    assert decoded.rejected == {"no_model_name": 1, "no_features_or_score": 1}


def batch(columns: dict[str, bytes], n: object = 2, **things: Any) -> Decoded:
    head = {
        **CHURN,
        a.DRIFTLINE_BATCH_ID: "batch-1",
        a.ML_PREDICTION_COUNT: n,
        **things,
        a.DRIFTLINE_PREDICTION_COLUMNS: columns,
    }
    return decode_logs(logs([record(events.DRIFTLINE_PREDICTION_BATCH, head)], "prod"), NOW)


AGE = {FEATURE + "age": encode_column(np.array([31.5, np.nan]))}


def test_a_batch_becomes_a_table() -> None:
    ids = encode_column(np.frombuffer(bytes(range(32)), "V16"))
    spans = encode_column(np.frombuffer(bytes(range(16)), "V8"))

    decoded = batch(
        {
            **AGE,
            a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: encode_column(np.array([NOW - 1, NOW - 2])),
            a.ML_PREDICTION_ID: encode_column(texts(["a", "b"])),
            a.ML_PREDICTION_SCORE: encode_column(np.array([0.25, 0.5])),
            a.ML_PREDICTION_CLASS: encode_column(np.array([0, 1])),
            a.DRIFTLINE_PREDICTION_DURATION: encode_column(np.array([0.1, 0.2])),
            FEATURE + "count": encode_column(np.array([3, 4])),
            FEATURE + "member": encode_column(np.array([True, False])),
            FEATURE + "carrier": encode_column(Column(codes=np.array([1, -1], np.int32), categories=("AA", "UA"))),
            FEATURE + "note": encode_column(texts(["x", "x"])),
            SLICE + "region": encode_column(texts(["north", "south"])),
            "trace_id": ids,
            "span_id": spans,
            "not.ours": b"",
        },
        **{a.ML_MODEL_VERSION: "7", a.ML_MODEL_TASK: "binary", a.DRIFTLINE_MODEL_CLASSES: [0, 1]},
    )

    [table] = decoded.predictions
    assert decoded.batches == ["batch-1"]
    assert table.key == ModelKey("churn", "7", "prod")
    assert table.task == Task("binary", ("0", "1"))
    assert table.time.tolist() == [NOW - 1, NOW - 2]
    assert strings(table.id) == ["a", "b"]
    assert unwrap(table.scores).tolist() == [[0.25], [0.5]]
    assert unwrap(table.predicted).categories == ("0", "1")
    assert unwrap(table.duration).tolist() == [0.1, 0.2]
    assert {name: column.categories for name, column in table.features.items()} == {
        "age": (),
        "count": (),
        "member": (),
        "carrier": ("AA", "UA"),
        "note": ("x",),
    }
    assert unwrap(table.features["count"].numbers).dtype == np.float64
    assert unwrap(table.features["member"].numbers).tolist() == [1.0, 0.0]
    assert table.slices["region"].categories == ("north", "south")
    assert unwrap(table.trace_id).tobytes() == bytes(range(32))
    assert not table.keyed
    assert not decoded.rejected


def test_several_scores_a_row_are_a_matrix() -> None:
    decoded = batch({a.DRIFTLINE_PREDICTION_SCORES: encode_column(np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]))})

    [table] = decoded.predictions
    assert table.task.kind == "multiclass"
    assert unwrap(table.scores).tolist() == [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]


def test_a_batch_without_an_id_is_recognised_row_by_row() -> None:
    decoded = batch(AGE, **{a.DRIFTLINE_BATCH_ID: None})

    assert decoded.batches == [""]
    assert decoded.predictions[0].keyed


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        (FEATURE + "bad", encode_column(np.array([0.1, 0.2, 0.3])), "column_length"),
        (FEATURE + "bad", encode_column(np.array([[0.1, 0.2], [0.3, 0.4]])), "column_length"),
        (FEATURE + "bad", b"", "column_length"),
        (FEATURE + "bad", b"12z", "column_kind"),
        (FEATURE + "bad", encode_column(np.zeros(2, "V8")), "column_kind"),
        (a.ML_PREDICTION_SCORE, encode_column(texts(["0.1", "0.2"])), "column_kind"),
        (a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO, encode_column(np.array([0.1, 0.2])), "column_kind"),
        (a.ML_PREDICTION_ID, encode_column(np.array([0.1, 0.2])), "column_kind"),
        ("trace_id", encode_column(np.zeros(2, "V8")), "column_kind"),
        ("span_id", encode_column(np.zeros(2, "V16")), "column_kind"),
    ],
)
def test_a_column_that_cannot_be_used_costs_only_itself(name: str, data: bytes, reason: str) -> None:
    decoded = batch({name: data, **AGE})

    [table] = decoded.predictions
    assert list(table.features) == ["age"]
    assert decoded.rejected == {reason: 1}


@pytest.mark.parametrize(
    ("columns", "n", "things", "reason", "count"),
    [
        (AGE, 0, {}, "empty_batch", 1),
        (AGE, -1, {}, "bad_count", 1),
        (AGE, 2**62, {}, "bad_count", 1),
        (AGE, "2", {}, "bad_count", 1),
        (AGE, None, {}, "bad_count", 1),
        (AGE, 2, {a.ML_MODEL_NAME: ""}, "no_model_name", 2),
        ({}, 2, {}, "no_usable_column", 2),
    ],
)
def test_a_batch_that_cannot_be_used_is_counted(
    columns: dict[str, bytes], n: object, things: dict[str, Any], reason: str, count: int
) -> None:
    decoded = batch(columns, n, **things)

    assert not decoded.predictions
    assert decoded.rejected == {reason: count}


def test_rows_of_a_batch_without_a_usable_time_happened_when_the_record_did() -> None:
    decoded = batch({**AGE, a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: encode_column(np.array([0, NOW - 2]))})

    assert decoded.predictions[0].time.tolist() == [NOW, NOW - 2]
    assert decoded.rejected == {"bad_time": 1}
    assert batch(AGE).predictions[0].time.tolist() == [NOW, NOW]


def test_ids_of_a_batch_may_be_numbers_or_categories_and_too_long_ones_are_none() -> None:
    for column, expected in (
        (encode_column(np.array([17, 18])), ["17", "18"]),
        (encode_column(Column(codes=np.array([0, -1], np.int32), categories=("a",))), ["a", ""]),
        (encode_column(texts(["é" * 1024, "é" * 1025])), ["é" * 1024, ""]),
    ):
        assert strings(batch({**AGE, a.ML_PREDICTION_ID: column}).predictions[0].id) == expected


def test_an_id_of_a_batch_that_codes_repeat_does_not_become_a_gigabyte() -> None:
    def ids(text: str, n: int, more: tuple[str, ...] = ()) -> Decoded:
        column = Column(codes=np.zeros(n, np.int32), categories=(text, *more))
        age = {FEATURE + "age": encode_column(np.ones(n))}
        return batch({**age, a.ML_PREDICTION_ID: encode_column(column)}, n)

    repeated = ids("x" * 1024, 2048)
    assert repeated.rejected == {"column_length": 1}
    assert [(len(table), len(table.id.data)) for table in repeated.predictions] == [(2048, 0)]
    assert len(ids("x" * 1024, 1024).predictions[0].id.data) == 2**20
    assert len(ids("x" * 1024, 2048, tuple(f"{i}" * 128 for i in range(1000, 2024))).predictions[0].id.data) == 2**21


def test_long_ids_of_categories_are_left_out_before_they_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counting(each: list[str]) -> Text:
        made.append(sum(map(len, each)))
        return texts(each)

    column = encode_column(Column(codes=np.zeros(5_000, np.int32), categories=("x" * 100_000,)))
    monkeypatch.setattr(prediction_batches, "texts", counting)
    [table] = batch({FEATURE + "age": encode_column(np.ones(5_000)), a.ML_PREDICTION_ID: column}, 5_000).predictions
    assert strings(table.id) == [""] * 5_000
    assert made == [0]


def test_rows_of_a_request_are_bounded_however_small_its_batches_are() -> None:
    def sent(n: int) -> Any:
        same = {FEATURE + "region": encode_column(Column(codes=np.zeros(n, np.int32), categories=("north",)))}
        head = {**CHURN, a.ML_PREDICTION_COUNT: n, a.DRIFTLINE_PREDICTION_COLUMNS: same}
        return record(events.DRIFTLINE_PREDICTION_BATCH, head)

    decoded = decode_logs(logs([sent(999_999), sent(1), sent(1), sent(1)]), NOW)
    assert [len(table) for table in decoded.predictions] == [999_999, 1]
    assert decoded.rejected == {"too_many_batches": 2}


def test_long_and_many_labels_of_a_batch_are_bounded_as_those_of_spans_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_batches, "MAX_CATEGORIES", 4096)
    many = Column(codes=np.array([0, 4999], np.int32), categories=("x" * 2000, *(f"{i}" for i in range(4999))))

    column = batch({FEATURE + "x": encode_column(many)}).predictions[0].features["x"]

    assert len(column.categories) == 4096
    assert len(column.categories[0]) == 217
    assert [column.categories[code] for code in unwrap(column.codes).tolist()] == [column.categories[0], "other"]


def outcome(things: dict[str, Any], environment: str | None = None, **fields: Any) -> Decoded:
    return decode_logs(logs([record(events.ML_OUTCOME, things, **fields)], environment), NOW + 7)


KNOWN = {**CHURN, a.ML_PREDICTION_ID: "A", a.ML_OUTCOME_ACTUAL: 1}


def test_an_outcome_becomes_a_row() -> None:
    decoded = outcome(
        {
            **KNOWN,
            a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO: NOW - 1,
            a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO: NOW - 2,
            a.DRIFTLINE_OUTCOME_WEIGHT: 2.5,
        },
        "prod",
    )

    [table] = decoded.outcomes
    assert (table.model, table.environment) == ("churn", "prod")
    assert strings(table.id) == ["A"]
    assert unwrap(table.actual.numbers).tolist() == [1.0]
    assert (table.time.tolist(), table.prediction_time.tolist()) == ([NOW - 1], [NOW - 2])
    assert table.weight.tolist() == [2.5]
    assert not decoded.rejected


def test_whole_numbers_and_all_texts_of_a_slice_of_a_batch_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_batches, "MAX_CATEGORIES", 2)
    big = 2**53 + 1
    named = {"number": encode_column(np.array([big, 7])), "text": encode_column(texts(["a", "b"]))}

    slices = batch({**AGE, **{SLICE + name: column for name, column in named.items()}}).predictions[0].slices

    assert [list_of(class_column(slices[name])) for name in named] == [[str(big), "7"], ["a", "b"]]


def test_an_outcome_says_its_item_its_worth_and_slices_of_its_own() -> None:
    decoded = outcome(
        KNOWN
        | {
            a.DRIFTLINE_OUTCOME_ITEM: "sku-17",
            a.DRIFTLINE_OUTCOME_VALUE: -12.5,
            f"{a.DRIFTLINE_SLICE_VALUE}.gender": "f",
        }
    )
    [table] = decoded.outcomes
    assert (unwrap(table.item).data, unwrap(table.value).tolist(), table.retracted) == (b"sku-17", [-12.5], None)
    assert table.slices["gender"].categories == ("f",)
    assert not +decoded.rejected


def test_a_retraction_needs_no_actual() -> None:
    taken_back = {key: value for key, value in KNOWN.items() if key != a.ML_OUTCOME_ACTUAL}
    [table] = outcome(taken_back | {a.DRIFTLINE_OUTCOME_RETRACTED: True}).outcomes
    assert unwrap(table.retracted).tolist() == [True]
    assert not outcome(taken_back | {a.DRIFTLINE_OUTCOME_RETRACTED: False}).outcomes


@pytest.mark.parametrize("said", [True, "true", "True", 1, 1.0, "1"])
def test_a_retraction_in_any_spelling_is_no_claim(said: object) -> None:
    [table] = outcome(KNOWN | {a.DRIFTLINE_OUTCOME_RETRACTED: said}).outcomes
    assert table.retracted is not None
    assert table.retracted.tolist() == [True]
    [table] = outcome(KNOWN | {a.DRIFTLINE_OUTCOME_RETRACTED: "false"}).outcomes
    assert table.retracted is None


@pytest.mark.parametrize("said", ["maybe", 2, [True]])
def test_an_outcome_that_may_be_a_retraction_is_refused(said: object) -> None:
    decoded = outcome(KNOWN | {a.DRIFTLINE_OUTCOME_RETRACTED: said})
    assert not decoded.outcomes
    assert decoded.rejected["bad_retracted"] == 1


def test_an_outcome_says_as_little_as_a_model_an_id_and_what_happened() -> None:
    [table] = outcome(KNOWN).outcomes

    assert table.environment is None
    assert table.time.tolist() == [NOW]
    assert table.prediction_time.tolist() == [0]
    assert np.isnan(table.weight).all()


@pytest.mark.parametrize("many", [1, 10])
def test_one_bad_outcome_costs_only_itself(many: int) -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        ({a.ML_PREDICTION_ID: "A", a.ML_OUTCOME_ACTUAL: 1}, "no_model_name"),
        ({**CHURN, a.ML_OUTCOME_ACTUAL: 1}, "no_id"),
        ({**CHURN, a.ML_PREDICTION_ID: "A"}, "no_actual"),
        ({**KNOWN, a.ML_OUTCOME_ACTUAL: float("nan")}, "no_actual"),
        ({**KNOWN, a.ML_OUTCOME_ACTUAL: float("inf")}, "no_actual"),
        ({**KNOWN, a.ML_OUTCOME_ACTUAL: "  "}, "no_actual"),
        ({**KNOWN, a.DRIFTLINE_OUTCOME_WEIGHT: 0.0}, "bad_weight"),
        ({**KNOWN, a.DRIFTLINE_OUTCOME_WEIGHT: float("inf")}, "bad_weight"),
        ({**KNOWN, a.DRIFTLINE_OUTCOME_WEIGHT: 1e-200}, "bad_weight"),
    ]
    sent = [record(events.ML_OUTCOME, things) for things, _ in bad] + [record(events.ML_OUTCOME, KNOWN)] * many

    decoded = decode_logs(logs(sent), NOW)

    assert [len(table) for table in decoded.outcomes] == [many]
    assert decoded.rejected == {"no_model_name": 1, "no_id": 1, "no_actual": 4, "bad_weight": 3}


def test_outcomes_are_split_by_model_and_keep_texts_and_numbers() -> None:
    sent = [
        record(events.ML_OUTCOME, {**KNOWN, a.ML_OUTCOME_ACTUAL: "yes"}),
        record(events.ML_OUTCOME, {**KNOWN, a.ML_MODEL_NAME: "fraud", a.ML_OUTCOME_ACTUAL: True}),
        record(events.ML_OUTCOME, {**KNOWN, a.ML_OUTCOME_ACTUAL: 2.5}),
    ]

    churn, fraud = decode_logs(logs(sent), NOW).outcomes

    assert unwrap(churn.actual.codes).tolist() == [0, -1]
    np.testing.assert_array_equal(unwrap(churn.actual.numbers), [np.nan, 2.5])
    assert unwrap(fraud.actual.numbers).tolist() == [1.0]


@pytest.mark.parametrize("many", [1, 40])
def test_a_baseline_is_the_text_of_its_body(many: int) -> None:
    sent = [
        record(events.DRIFTLINE_BASELINE, CHURN, body=AnyValue(string_value='{"model": "churn"}')),
        *[record(events.DRIFTLINE_BASELINE, CHURN, body=AnyValue(int_value=1))] * many,
    ]

    decoded = decode_logs(logs(sent), NOW)

    assert decoded.baselines == ['{"model": "churn"}']
    assert decoded.rejected == {"baseline_not_text": many}


def test_batches_among_many_records_are_found() -> None:
    head = {**CHURN, a.ML_PREDICTION_COUNT: 2, a.DRIFTLINE_PREDICTION_COLUMNS: AGE}
    sent = [record(events.ML_OUTCOME, KNOWN)] * 30 + [record(events.DRIFTLINE_PREDICTION_BATCH, head)]

    decoded = decode_logs(logs(sent), NOW)

    assert [len(table) for table in decoded.predictions] == [2]
    assert [len(table) for table in decoded.outcomes] == [30]


def test_log_records_of_others_are_nobodys_business() -> None:
    decoded = decode_logs(logs([record("user.click", {"html.id": 1})] * 20), NOW)

    assert decoded == Decoded()


def test_what_protobuf_refuses_is_refused() -> None:
    with pytest.raises(Malformed, match="not an ExportLogsServiceRequest"):
        decode_logs(b"\x0a", NOW)


def test_a_list_of_relevant_items_is_the_text_of_its_json() -> None:
    said = {a.ML_MODEL_NAME: "shelf", a.ML_PREDICTION_ID: "A-1"}
    many = json.dumps([f"item-{number}" for number in range(500)])
    actuals: list[Any] = [["p17", 4], [], many, "x" * 2000]
    rows = [record(events.ML_OUTCOME, {**said, a.ML_OUTCOME_ACTUAL: actual}) for actual in actuals]
    decoded = decode_logs(logs(rows), NOW)
    (table,) = decoded.outcomes
    assert list_of(table.actual) == ['["p17", 4]', "[]", many]
    assert decoded.rejected == {"too_long:ml.outcome.actual": 1, "no_actual": 1}


@pytest.mark.parametrize(
    ("outer", "field"),
    [((), 1), ((1,), 2), ((1, 2), 2), ((1, 2, 2), 6), ((1, 2, 2, 6, 2, 5), 1)],
    ids=["resources", "scopes", "records", "attributes", "values"],
)
def test_a_request_of_millions_of_empty_messages_is_refused_before_they_are_made(
    outer: tuple[int, ...], field: int
) -> None:
    # 20 MiB of empty spans, 20 KB when packed, came to 2.1 GB
    def nested(body: bytes) -> bytes:
        for number in reversed(outer):
            size, digits = len(body), b""
            while size > 127:
                digits, size = digits + bytes([size & 127 | 128]), size >> 7
            body = bytes([number << 3 | 2]) + digits + bytes([size]) + body
        return body

    with pytest.raises(TooManyMessages, match="more than 500,000 spans, records or metrics"):
        decode_logs(nested(bytes([field << 3 | 2, 0]) * (MAX_MESSAGES + 30_000)), NOW)


@pytest.mark.parametrize("kind", [ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest])
def test_every_repeated_message_of_otlp_counts(kind: type[Message]) -> None:
    waiting, seen = [kind.DESCRIPTOR], set[str]()
    while waiting:
        for field in waiting.pop().fields:
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type)
            if field.message_type is not None and field.default_value == []:
                # 10 million empty exemplars of a histogram, 20 KB when packed, were not counted
                body, columns = bytes([field.number << 3 | 2, 0]) * 100, kind is not ExportMetricsServiceRequest
                assert count_messages(body, 50, columns) > 50, field.full_name


def test_a_column_whose_bytes_look_like_messages_is_a_column() -> None:
    rows = MAX_MESSAGES + 40_000
    numbers = np.full(rows, 10, np.int16)  # 0a 00, an empty message of field 1, for each
    decoded = batch({FEATURE + "a": encode_column(numbers), a.ML_PREDICTION_SCORE: encode_column(np.ones(rows))}, rows)
    assert [len(table) for table in decoded.predictions] == [rows]


def test_a_feature_without_a_name_is_counted() -> None:
    attributes = {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_SCORE: 0.5, f"{a.DRIFTLINE_FEATURE_VALUE}.": 1.0}
    decoded = decode_logs(logs([record("ml.prediction", attributes)]), NOW)
    (table,) = decoded.predictions
    assert (table.features, decoded.rejected["unnamed_feature"]) == ({}, 1)
    columns = batch({**AGE, f"{a.DRIFTLINE_FEATURE_VALUE}.": encode_column(np.array([1.0, 2.0]))})
    assert ([*columns.predictions[0].features], columns.rejected["unnamed_feature"]) == (["age"], 1)
