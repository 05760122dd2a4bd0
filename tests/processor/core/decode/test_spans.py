"""Prediction spans of any SDK become tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.tables.classes import class_column
from driftline.tables.column_codec import strings
from driftline.tables.table import Column, ModelKey, PredictionTable
from driftline.tables.task import Task
from driftline_processor.core.decode import attributes
from driftline_processor.core.decode.otlp_rows import OWN_SCOPE
from driftline_processor.core.decode.requests import Malformed, decode_traces

from tests.support.otlp_requests import FEATURE, NOW, SLICE, span, traces
from tests.support.unwrap import unwrap

CHURN: dict[str, Any] = {a.ML_MODEL_NAME: "churn"}
DAY = 86_400_000_000_000


def one(*rows: dict[str, Any], **fields: Any) -> PredictionTable:
    """Decode spans of the model "churn" that make one table."""
    body = traces([span({**CHURN, **things}, row, **fields) for row, things in enumerate(rows)])
    [table] = decode_traces(body, NOW).predictions
    return table


def rejected(*rows: dict[str, Any]) -> dict[str, int]:
    return dict(decode_traces(traces([span(things, row) for row, things in enumerate(rows)]), NOW).rejected)


def test_a_span_becomes_a_row() -> None:
    body = traces(
        [
            span(
                {
                    a.ML_MODEL_NAME: "churn",
                    a.ML_MODEL_VERSION: "7",
                    a.ML_MODEL_TASK: "binary",
                    a.DRIFTLINE_MODEL_CLASSES: ["stays", "leaves"],
                    a.DRIFTLINE_MODEL_POSITIVE_CLASS: "leaves",
                    a.DRIFTLINE_MODEL_THRESHOLD: 0.3,
                    a.ML_OPERATION_NAME: "predict",
                    a.ML_PREDICTION_ID: "A-1",
                    a.ML_PREDICTION_SCORE: 0.25,
                    a.ML_PREDICTION_CLASS: "stays",
                    FEATURE + "age": 41,
                    FEATURE + "plan": "gold",
                    SLICE + "region": "north",
                }
            )
        ],
        environment="production",
    )

    decoded = decode_traces(body, NOW)

    [table] = decoded.predictions
    assert table.key == ModelKey("churn", "7", "production")
    assert table.task == Task("binary", ("stays", "leaves"), "leaves", 0.3)
    assert table.time.tolist() == [NOW]
    assert strings(table.id) == ["A-1"]
    assert unwrap(table.scores).tolist() == [[0.25]]
    assert unwrap(table.predicted).categories == ("stays",)
    assert unwrap(table.duration).tolist() == [0.001]
    assert table.weight is None
    assert unwrap(table.trace_id).tobytes() == (1).to_bytes(16, "big")
    assert unwrap(table.span_id).tobytes() == (1).to_bytes(8, "big")
    assert unwrap(table.features["age"].numbers).tolist() == [41.0]
    assert table.features["plan"].categories == ("gold",)
    assert table.slices["region"].categories == ("north",)
    assert table.keyed
    assert decoded.batches == [""]
    assert not decoded.rejected


def test_rows_are_split_by_model_version_environment_and_task() -> None:
    rows = [
        {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_SCORE: 0.1, FEATURE + "age": 1.0},
        {a.ML_MODEL_NAME: "fraud", a.ML_PREDICTION_SCORE: 0.2, FEATURE + "amount": 2.0},
        {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_SCORE: 0.3, a.ML_MODEL_VERSION: 2},
        {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_SCORE: 0.4, FEATURE + "age": 4.0},
        {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_SCORE: 0.5, a.DRIFTLINE_MODEL_THRESHOLD: 0.9},
    ]

    tables = decode_traces(traces([span(things, row) for row, things in enumerate(rows)]), NOW).predictions

    found = [(t.key.model, t.key.version, t.task.threshold, t.time.tolist(), list(t.features)) for t in tables]
    assert found == [
        ("churn", "", 0.5, [NOW, NOW + 3], ["age"]),
        ("fraud", "", 0.5, [NOW + 1], ["amount"]),
        ("churn", "2", 0.5, [NOW + 2], []),
        ("churn", "", 0.9, [NOW + 4], []),
    ]


@pytest.mark.parametrize(
    ("things", "is_one"),
    [
        ({a.ML_OPERATION_NAME: "predict"}, True),
        ({a.ML_PREDICTION_SCORE: 0.5}, True),
        ({a.DRIFTLINE_PREDICTION_SCORES: [0.1, 0.9]}, True),
        ({a.ML_PREDICTION_CLASS: "a"}, True),
        ({a.ML_PREDICTION_VALUE: 3.5}, True),
        ({FEATURE + "age": 3.5}, True),
        ({a.ML_OPERATION_NAME: "train"}, False),
        ({SLICE + "region": "north"}, False),
        ({a.DRIFTLINE_FEATURE_VALUE: 3.5}, False),
        ({}, False),
    ],
)
def test_a_span_is_a_prediction_when_it_says_what_was_predicted_or_from_what(
    things: dict[str, Any], is_one: bool
) -> None:
    decoded = decode_traces(traces([span({**CHURN, **things})]), NOW)

    assert [len(table) for table in decoded.predictions] == [1] * is_one
    assert not decoded.rejected


def test_spans_of_others_are_nobodys_business() -> None:
    decoded = decode_traces(traces([span({"http.route": "/ml.model.name"}, row) for row in range(40)]), NOW)

    assert not decoded.predictions
    assert not decoded.rejected


def test_what_driftline_derived_is_never_analysed() -> None:
    decoded = decode_traces(traces([span({**CHURN, a.ML_PREDICTION_SCORE: 0.5})], scope=OWN_SCOPE), NOW)

    assert not decoded.predictions


def test_a_span_whose_row_is_in_a_record_is_ignored_and_one_whose_row_is_not_counts() -> None:
    rows = [
        {**CHURN, a.ML_PREDICTION_SCORE: 0.5, a.DRIFTLINE_PREDICTION_RECORDED: recorded} for recorded in (True, False)
    ]

    decoded = decode_traces(traces([span(things, row) for row, things in enumerate(rows)]), NOW)

    assert decoded.ignored == 1
    assert [table.time.tolist() for table in decoded.predictions] == [[NOW + 1]]


def test_a_prediction_without_a_model_is_counted() -> None:
    with_feature = {FEATURE + "age": 1.0, a.ML_OPERATION_NAME: "predict"}
    assert rejected({a.ML_PREDICTION_SCORE: 0.5}, with_feature, {a.ML_OPERATION_NAME: "predict"}) == {
        "no_model_name": 2
    }


def test_a_span_without_any_name_of_the_core_is_no_prediction() -> None:
    assert rejected({FEATURE + "age": 1.0}) == {}


def test_a_span_without_an_id_is_known_by_its_trace_and_span() -> None:
    table = one({a.ML_PREDICTION_SCORE: 0.5})

    assert strings(table.id) == ["00000000000000000000000000000001:0000000000000001"]


@pytest.mark.parametrize("ids", [{"trace_id": b"short"}, {"trace_id": bytes(16)}, {"span_id": bytes(8)}])
def test_a_span_with_invalid_ids_is_kept_as_not_sampled(ids: dict[str, bytes]) -> None:
    table = one({a.ML_PREDICTION_SCORE: 0.5}, **ids)

    assert strings(table.id) == [""]
    assert table.trace_id is None
    assert table.span_id is None


@pytest.mark.parametrize(("sent", "text"), [(17, "17"), (17.0, "17"), (" 17 ", "17"), (2**63 - 1, str(2**63 - 1))])
def test_an_id_is_one_text_however_it_is_sent(sent: object, text: str) -> None:
    assert strings(one({a.ML_PREDICTION_SCORE: 0.5, a.ML_PREDICTION_ID: sent}).id) == [text]


@pytest.mark.parametrize(
    ("state", "weight"),
    [("ot=th:8", 2.0), ("ot=th:fff", 4096.0), ("x=1, ot=rv:1;th:c", 4.0), ("ot=th:0", 1.0)],
)
def test_a_sampled_span_stands_for_as_many_as_its_threshold_says(state: str, weight: float) -> None:
    table = one({a.ML_PREDICTION_SCORE: 0.5}, trace_state=state)

    assert unwrap(table.weight).tolist() == [weight]


@pytest.mark.parametrize(("count", "weight"), [(3, 6.0), (0, 2.0), (float("nan"), 2.0), (2**62, 2e6)])
def test_a_span_of_a_batch_stands_for_its_rows(count: object, weight: float) -> None:
    table = one({a.ML_OPERATION_NAME: "predict", a.ML_PREDICTION_COUNT: count}, trace_state="ot=th:8")

    assert unwrap(table.weight).tolist() == [weight]


@pytest.mark.parametrize("state", ["", "ot=th:", "ot=th:xyz", "ot=th:123456789012345", "other=th:8", "ot=rv:8"])
def test_a_span_without_a_threshold_has_no_weight(state: str) -> None:
    assert one({a.ML_PREDICTION_SCORE: 0.5}, trace_state=state).weight is None


DECILES = {a.DRIFTLINE_MODEL_QUANTILES: [0.1, 0.9]}


@pytest.mark.parametrize(
    ("things", "kind", "scores"),
    [
        ({a.ML_PREDICTION_SCORE: 1}, "binary", [[1.0]]),
        ({a.ML_PREDICTION_VALUE: 7.5, a.ML_PREDICTION_SCORE: 0.5}, "regression", [[7.5]]),
        ({a.DRIFTLINE_PREDICTION_SCORES: [0.2, 0.3, 0.5]}, "multiclass", [[0.2, 0.3, 0.5]]),
        ({a.ML_PREDICTION_CLASS: "a"}, "", None),
        ({a.ML_MODEL_TASK: "clustering", a.ML_PREDICTION_SCORE: 0.5}, "binary", [[0.5]]),
        ({a.ML_MODEL_TASK: "regression", a.ML_PREDICTION_SCORE: 0.5}, "regression", [[0.5]]),
        (
            {a.ML_MODEL_TASK: "regression", a.DRIFTLINE_PREDICTION_SCORES: [1.0, 2.0], **DECILES},
            "regression",
            [[1.0, 2.0]],
        ),
        ({a.ML_MODEL_TASK: "regression", a.DRIFTLINE_PREDICTION_SCORES: [1.0], **DECILES}, "regression", None),
        ({a.ML_MODEL_TASK: "ranking", a.ML_PREDICTION_SCORE: 0.5}, "ranking", [[0.5]]),
        ({a.DRIFTLINE_PREDICTION_ITEMS: ["a", "b"], a.DRIFTLINE_PREDICTION_SCORES: [0.75, 0.25]}, "ranking", [[0.75]]),
        ({a.ML_MODEL_TASK: "binary", a.DRIFTLINE_PREDICTION_SCORES: [0.25, 0.75]}, "binary", [[0.75]]),
        (
            {
                a.ML_MODEL_TASK: "binary",
                a.DRIFTLINE_MODEL_CLASSES: ["y", "n"],
                a.DRIFTLINE_MODEL_POSITIVE_CLASS: "y",
                a.DRIFTLINE_PREDICTION_SCORES: [0.25, 0.75],
            },
            "binary",
            [[0.25]],
        ),
    ],
)
def test_the_task_is_the_one_named_else_the_one_that_the_scores_tell(
    things: dict[str, Any], kind: str, scores: list[list[float]] | None
) -> None:
    table = one(things)

    assert table.task.kind == kind
    assert (None if table.scores is None else table.scores.tolist()) == scores


def test_scores_of_another_length_than_the_classes_cost_only_themselves() -> None:
    task = {a.ML_MODEL_TASK: "multiclass", a.DRIFTLINE_MODEL_CLASSES: ["a", "b"]}
    rows = [{**CHURN, **task, a.DRIFTLINE_PREDICTION_SCORES: scores} for scores in ([0.5, 0.5], [1.0], [0.1, 0.9])]

    decoded = decode_traces(traces([span(things, row) for row, things in enumerate(rows)]), NOW)

    [table] = decoded.predictions
    np.testing.assert_array_equal(unwrap(table.scores), [[0.5, 0.5], [np.nan, np.nan], [0.1, 0.9]])
    assert decoded.rejected == {"wrong_length:driftline.prediction.scores": 1}


def test_features_of_any_type_keep_their_row() -> None:
    sent = [1.5, 2, True, "AA", None, [1.0], {"a": 1}, b"b", float("nan"), float("-inf"), 2**63 - 1, "AA"]

    decoded = decode_traces(traces([span({**CHURN, FEATURE + "x": thing}, row) for row, thing in enumerate(sent)]), NOW)

    [table] = decoded.predictions
    column = table.features["x"]
    nan = float("nan")
    assert column.numbers is not None
    np.testing.assert_array_equal(column.numbers, [1.5, 2, 1, nan, nan, nan, nan, nan, nan, -np.inf, 2.0**63, nan])
    assert unwrap(column.codes).tolist() == [-1, -1, -1, 0, -1, -1, -1, -1, -1, -1, -1, 0]
    assert column.categories == ("AA",)
    assert decoded.rejected == {"unsupported_feature_type": 3}


def test_a_feature_that_only_some_rows_send_is_missing_in_the_others() -> None:
    table = one({FEATURE + "a": 1.0}, {FEATURE + "b": "x"}, {FEATURE + "a": 3.0, FEATURE + "b": "x"})

    np.testing.assert_array_equal(unwrap(table.features["a"].numbers), [1.0, np.nan, 3.0])
    assert table.features["a"].codes is None
    assert table.features["b"].numbers is None
    assert unwrap(table.features["b"].codes).tolist() == [-1, 0, 0]


def test_a_text_of_a_megabyte_becomes_a_short_label_of_its_own() -> None:
    table = one({FEATURE + "x": "x" * 2**20}, {FEATURE + "x": "x" * (2**20 + 1)}, {FEATURE + "x": "x" * 256})

    assert [len(label) for label in table.features["x"].categories] == [217, 217, 256]
    assert len(set(table.features["x"].categories)) == 3


def texts_of(column: Column) -> list[str]:
    classes = class_column(column)
    return [classes.categories[code] for code in unwrap(classes.codes).tolist()]


def test_texts_beyond_so_many_distinct_ones_are_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "MAX_CATEGORIES", 4096)
    table = one(*({FEATURE + "x": f"{row}"} for row in range(5000)))

    column = table.features["x"]
    assert len(column.categories) == 4096
    assert column.categories[-1] == "other"
    assert column.codes is not None
    assert column.codes[4094] == 4094
    assert set(column.codes[4095:].tolist()) == {4095}


def test_a_sender_that_invents_names_does_not_get_a_column_for_each() -> None:
    things = {FEATURE + f"{i}": float(i) for i in range(1030)}

    decoded = decode_traces(traces([span({**CHURN, **things})]), NOW)

    assert len(decoded.predictions[0].features) == 1024
    assert decoded.rejected == {"too_many_features": 6}


def test_whole_numbers_and_all_texts_of_a_slice_stay_what_they_are() -> None:
    """A slice may say whom a row is about, by whom it is deleted: neither the last digits nor any text may go."""
    big = 1234567890123456789
    table = one(
        *(
            {SLICE + "customer": big + row, SLICE + "mixed": [big, 17, 0.5, "x"][row % 4], FEATURE + "n": big}
            for row in range(8)
        )
    )

    assert texts_of(table.slices["customer"]) == [str(big + row) for row in range(8)]
    assert texts_of(table.slices["mixed"]) == [str(big), "17", "0.5", "x"] * 2
    assert table.features["n"].numbers is not None  # of features the number counts
    assert table.features["n"].numbers.tolist() == [float(big)] * 8


def test_no_slice_is_other_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "MAX_CATEGORIES", 10)
    table = one(*({SLICE + "customer": f"c{row}", FEATURE + "a": 1.0} for row in range(30)))
    assert texts_of(table.slices["customer"]) == [f"c{row}" for row in range(30)]


def test_a_sender_that_invents_versions_does_not_get_a_table_for_each() -> None:
    rows = [{**CHURN, a.ML_MODEL_VERSION: row, FEATURE + "a": 1.0} for row in range(1005)]

    decoded = decode_traces(traces([span(things, row) for row, things in enumerate(rows)]), NOW)

    assert len(decoded.predictions) == 1000
    assert decoded.rejected == {"too_many_models": 5}


@pytest.mark.parametrize("many", [1, 40])
@pytest.mark.parametrize(
    ("name", "thing", "reason"),
    [
        (a.ML_PREDICTION_SCORE, "0.5", "wrong_type:ml.prediction.score"),
        (a.ML_PREDICTION_SCORE, True, "wrong_type:ml.prediction.score"),
        (a.DRIFTLINE_PREDICTION_SCORES, 0.5, "wrong_type:driftline.prediction.scores"),
        (a.ML_PREDICTION_CLASS, [1], "wrong_type:ml.prediction.class"),
        (a.ML_PREDICTION_CLASS, "x" * 1025, "too_long:ml.prediction.class"),
        (a.ML_PREDICTION_ID, True, "wrong_type:ml.prediction.id"),
        (a.ML_PREDICTION_ID, "x" * 1025, "too_long:ml.prediction.id"),
        (a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO, "yesterday", "wrong_type:driftline.prediction.time_unix_nano"),
        (a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO, 0, "bad_time"),
        (a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO, -1, "bad_time"),
        (a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO, 1e300, "bad_time"),
        (a.DRIFTLINE_MODEL_CLASSES, "a,b", "wrong_type:driftline.model.classes"),
        (a.DRIFTLINE_MODEL_THRESHOLD, "0.5", "wrong_type:driftline.model.threshold"),
    ],
)
def test_a_known_attribute_of_a_wrong_type_is_counted_and_its_row_is_kept(
    name: str, thing: object, reason: str, many: int
) -> None:
    rows = [{**CHURN, FEATURE + "age": 1.0, name: thing} for _ in range(many)]

    decoded = decode_traces(traces([span(things, row) for row, things in enumerate(rows)]), NOW)

    assert decoded.rejected == {reason: many}
    [table] = decoded.predictions
    assert table.time.tolist() == [NOW + row for row in range(many)]


def test_the_time_of_a_prediction_may_be_a_day_ahead_or_years_ago() -> None:
    times = [NOW + DAY, 1, 2**63 - 1]

    table = one(*({a.ML_PREDICTION_SCORE: 0.5, a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: time} for time in times))

    assert table.time.tolist() == times


@pytest.mark.parametrize(("start", "count"), [(0, {}), (2**63, {"bad_time": 1})])
def test_a_span_that_says_no_usable_time_happened_when_it_arrived(start: int, count: dict[str, int]) -> None:
    sent = span({**CHURN, a.ML_PREDICTION_SCORE: 0.5}, start_time_unix_nano=start)

    decoded = decode_traces(traces([sent]), NOW + 5)

    assert decoded.predictions[0].time.tolist() == [NOW + 5]
    assert np.isnan(unwrap(decoded.predictions[0].duration)).all()
    assert decoded.rejected == count


def test_a_class_is_one_text_however_it_is_sent() -> None:
    table = one(*({a.ML_PREDICTION_CLASS: thing} for thing in (1, 1.0, "1", True)), {FEATURE + "a": 1.0})

    assert table.predicted is not None
    assert table.predicted.categories == ("1",)
    assert unwrap(table.predicted.codes).tolist() == [0, 0, 0, 0, -1]


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05\x12\x03\x12\x01\xff",
        traces([span({a.ML_MODEL_NAME: "churn"})])[:-1],
        traces([span({a.ML_MODEL_NAME: "churn", "other": "Zz"})]).replace(b"Zz", b"\xff\xff"),
        b"not protobuf at all",
    ],
)
def test_what_protobuf_refuses_at_any_depth_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Malformed, match="not an ExportTraceServiceRequest"):
        decode_traces(body, NOW)
