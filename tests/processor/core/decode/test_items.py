"""Rankings on the wire: items as flat columns of a batch, or as a list per row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import Value, encode, texts
from driftline.tables.table import Column
from driftline_processor.core.decode.requests import Decoded, decode_logs, decode_traces

from tests.support.otlp_requests import FEATURE, NOW, logs, record, span, traces
from tests.support.rankings import item_ids
from tests.support.unwrap import unwrap

FEED: dict[str, Any] = {a.ML_MODEL_NAME: "feed", a.ML_MODEL_TASK: "ranking"}


def batch(columns: dict[str, Value], n: int = 3) -> Decoded:
    columns = {FEATURE + "age": np.arange(float(n)), **columns}
    head = {
        **FEED,
        a.DRIFTLINE_BATCH_ID: "b",
        a.ML_PREDICTION_COUNT: n,
        a.DRIFTLINE_PREDICTION_COLUMNS: encode(columns),
    }
    return decode_logs(logs([record(events.DRIFTLINE_PREDICTION_BATCH, head)]), NOW)


IDS = Column(codes=np.array([0, 1, 1], np.int32), categories=("x", "y"))
SCORES = np.array([0.75, 0.5, 0.25])
COUNTS = np.array([2, 0, 1])
RANKED: dict[str, Value] = {
    a.DRIFTLINE_PREDICTION_ITEMS: IDS,
    a.DRIFTLINE_PREDICTION_ITEM_SCORES: SCORES,
    a.DRIFTLINE_PREDICTION_ITEM_COUNT: COUNTS,
}


def test_a_batch_of_rankings() -> None:
    decoded = batch(RANKED)

    [table] = decoded.predictions
    assert table.task.kind == "ranking"
    assert item_ids(table.items) == [["x", "y"], [], ["y"]]
    assert table.items is not None
    assert unwrap(table.items.scores).tolist() == [0.75, 0.5, 0.25]
    np.testing.assert_array_equal(table.scores, [[0.75], [np.nan], [0.25]])
    assert decoded.rejected == {}


@pytest.mark.parametrize("ids", [np.array([7, 8, 7]), texts(["7", "8", "7"]), Column(None, IDS.codes, ("7", "7"))])
def test_item_ids_of_every_kind_are_texts(ids: Value) -> None:
    [table] = batch({**RANKED, a.DRIFTLINE_PREDICTION_ITEMS: ids}).predictions

    expected = [["7", "7"], [], ["7"]] if isinstance(ids, Column) else [["7", "8"], [], ["7"]]
    assert item_ids(table.items) == expected


@pytest.mark.parametrize(
    ("columns", "rejected", "ids", "scores"),
    [
        (
            {a.DRIFTLINE_PREDICTION_ITEM_COUNT: np.array([2, -5, 1])},
            {"bad_item_count": 1},
            [["x", "y"], [], ["y"]],
            True,
        ),
        ({a.DRIFTLINE_PREDICTION_ITEM_COUNT: np.array([2, 1, 1])}, {"column_offsets": 1}, None, False),
        ({a.DRIFTLINE_PREDICTION_ITEM_COUNT: np.array([2, 0, 2**62])}, {"bad_item_count": 3}, None, False),
        ({a.DRIFTLINE_PREDICTION_ITEM_COUNT: np.array([2, 1])}, {"column_length": 1, "bad_item_count": 3}, None, False),
        (
            {a.DRIFTLINE_PREDICTION_ITEM_COUNT: np.array([0.5, 1, 1])},
            {"column_kind": 1, "bad_item_count": 3},
            None,
            False,
        ),
        ({a.DRIFTLINE_PREDICTION_ITEM_SCORES: SCORES[:2]}, {"column_length": 1}, [["x", "y"], [], ["y"]], False),
        ({a.DRIFTLINE_PREDICTION_ITEM_SCORES: IDS}, {"column_kind": 1}, [["x", "y"], [], ["y"]], False),
        ({a.DRIFTLINE_PREDICTION_ITEMS: np.array([0.5, 1, 1])}, {"column_kind": 1}, None, False),
    ],
    ids=["negative", "too many", "absurd", "short", "no whole number", "scores short", "scores texts", "ids numbers"],
)
def test_counts_and_scores_that_do_not_fit_cost_only_the_items(
    columns: dict[str, Value], rejected: dict[str, int], ids: Any, scores: bool
) -> None:
    decoded = batch({**RANKED, **columns})

    [table] = decoded.predictions
    assert len(table) == 3
    assert list(table.features) == ["age"]
    assert item_ids(table.items) == ids
    assert (table.scores is not None) == scores
    assert dict(decoded.rejected) == rejected


def test_a_batch_without_counts_has_no_items() -> None:
    decoded = batch({a.DRIFTLINE_PREDICTION_ITEMS: IDS})

    assert decoded.predictions[0].items is None
    assert decoded.rejected == {"bad_item_count": 3}


def test_a_batch_of_empty_rankings_only() -> None:
    nothing: dict[str, Value] = {
        a.DRIFTLINE_PREDICTION_ITEMS: Column(codes=np.zeros(0, np.int32)),
        a.DRIFTLINE_PREDICTION_ITEM_SCORES: np.zeros(0),
        a.DRIFTLINE_PREDICTION_ITEM_COUNT: np.zeros(3, np.int64),
    }

    decoded = batch(nothing)

    assert item_ids(decoded.predictions[0].items) == [[], [], []]
    assert decoded.rejected == {}


def test_an_item_id_that_is_too_long_is_as_if_not_sent() -> None:
    ids = Column(codes=IDS.codes, categories=("x" * 1025, "y"))

    decoded = batch({**RANKED, a.DRIFTLINE_PREDICTION_ITEMS: ids})

    assert item_ids(decoded.predictions[0].items) == [[None, "y"], [], ["y"]]
    assert decoded.rejected == {"too_long:driftline.prediction.items": 1}


ROWS: list[dict[str, Any]] = [
    {a.DRIFTLINE_PREDICTION_ITEMS: ["x", "y"], a.DRIFTLINE_PREDICTION_SCORES: [0.75, 0.5]},
    {a.DRIFTLINE_PREDICTION_ITEMS: [], FEATURE + "age": 1.0},
    {a.DRIFTLINE_PREDICTION_ITEMS: [7, None, "y"], a.DRIFTLINE_PREDICTION_ITEM_COUNT: 200},
    {a.DRIFTLINE_PREDICTION_ITEMS: ["z"], a.DRIFTLINE_PREDICTION_SCORES: [0.5, 0.25]},
    {a.DRIFTLINE_PREDICTION_ITEMS: ["z", "y"], a.DRIFTLINE_PREDICTION_ITEM_COUNT: 1},
    {a.DRIFTLINE_PREDICTION_ITEMS: ["z", "y"], a.DRIFTLINE_PREDICTION_ITEM_COUNT: -1},
    {a.DRIFTLINE_PREDICTION_ITEMS: 5, FEATURE + "age": 1.0},
    {a.ML_PREDICTION_SCORE: 0.125},
]


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("kind", ["spans", "records"])
def test_plain_rows_of_rankings(kind: str, times: int) -> None:
    rows = [{**FEED, **row} for row in ROWS] * times

    if kind == "spans":
        decoded = decode_traces(traces([span(row, at) for at, row in enumerate(rows)]), NOW)
    else:
        decoded = decode_logs(logs([record(events.ML_PREDICTION, row) for row in rows]), NOW)

    [table] = decoded.predictions
    assert table.task.kind == "ranking"
    expected = [["x", "y"], [], ["7", None, "y"], ["z"], ["z", "y"], ["z", "y"], [], []]
    assert item_ids(table.items) == expected * times
    nan = np.nan
    np.testing.assert_array_equal(table.scores, [[0.75], [nan], [nan], [0.5], [nan], [nan], [nan], [0.125]] * times)
    assert decoded.rejected == {
        "wrong_length:driftline.prediction.scores": times,
        "bad_item_count": 2 * times,
        "wrong_type:driftline.prediction.items": times,
    }


def test_items_of_another_task_are_not_read() -> None:
    row = {a.ML_MODEL_NAME: "churn", a.ML_MODEL_TASK: "binary", a.ML_PREDICTION_SCORE: 0.5}

    [table] = decode_traces(traces([span({**row, a.DRIFTLINE_PREDICTION_ITEMS: ["x"]})]), NOW).predictions

    assert table.items is None
    assert unwrap(table.scores).tolist() == [[0.5]]
