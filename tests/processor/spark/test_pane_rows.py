"""Panes as rows: they merge by addition, and what is retracted leaves nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from driftline.batch_panes import MadePane
from driftline.tables.table import F64, ModelKey
from driftline_processor.spark.pane_rows import KEY, SCHEMA, made_panes, merge_rows, pack, to_batch, unpack

CHURN = ModelKey("churn", "1", "prod")


def sums(**parts: list[float]) -> dict[str, F64]:
    return {name: np.array(values, np.float64) for name, values in parts.items()}


def rows(parts: Mapping[str, F64], start: int = 0, name: str = "", newest: int = 5, sign: int = 1) -> pa.RecordBatch:
    return to_batch(CHURN, [MadePane(start, name, parts)], {start: newest}, sign)


def merged(*batches: pa.RecordBatch) -> pa.Table:
    ordered = pa.Table.from_batches(batches).sort_by([(name, "ascending") for name in KEY])
    return pa.Table.from_batches(list(merge_rows(ordered.to_batches(max_chunksize=2))), SCHEMA)


def test_sums_come_back_as_they_were() -> None:
    parts = sums(rows=[3, 3, 3], x=[0.1, -2.5, np.inf])
    assert {name: values.tolist() for name, values in unpack(pack(parts)).items()} == {
        "rows": [3, 3, 3],
        "x": [0.1, -2.5, np.inf],
    }


def test_equal_panes_are_added_and_others_are_kept_apart() -> None:
    one = sums(rows=[1, 1, 1], x=[2.0])
    table = merged(
        rows(one, newest=9),
        rows(one, name="region=north"),
        rows(sums(rows=[2, 2, 2]), newest=7),
        rows(one, start=3600),
        rows(one, newest=8),
    )
    assert [(pane.start, pane.slice) for pane in made_panes(table)] == [(0, ""), (3600, ""), (0, "region=north")]
    first = made_panes(table)[0].sums
    assert (first["rows"].tolist(), first["x"].tolist()) == ([4, 4, 4], [4.0])
    assert sorted(table["newest"].to_pylist()) == [5, 5, 9]


def test_a_pane_of_other_versions_and_environments_is_another_one() -> None:
    one = MadePane(0, "", sums(rows=[1, 1, 1]))
    keys = (CHURN, ModelKey("churn", "2", "prod"), ModelKey("churn", "1", ""), ModelKey("fraud", "1", "prod"))
    assert len(merged(*(to_batch(key, [one], {0: 1}) for key in keys))) == 4


@pytest.mark.parametrize("value", [0.1, 1e-9, 1e9])
def test_what_is_retracted_leaves_nothing(value: float) -> None:
    known = sums(rows=[0, 0, 0], outcome=[value, value * 3])
    predictions = sums(rows=[3, 3, 3], x=[1.5])
    batches = [rows(predictions), *[rows(known)] * 3, *[rows(known, sign=-1)] * 3]
    [pane] = made_panes(merged(*batches))
    assert {name: found.tolist() for name, found in pane.sums.items()} == {"rows": [3, 3, 3], "x": [1.5]}


def test_a_small_sum_beside_a_large_one_stays() -> None:
    known = sums(rows=[0, 0, 0], outcome=[1e12, 1e-3])
    [pane] = made_panes(merged(rows(known), rows(sums(rows=[0, 0, 0], outcome=[1e12, 0.0]), sign=-1)))
    assert pane.sums["outcome"].tolist() == [0.0, 1e-3]
