"""Panes as rows of bytes: what is written is read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from driftline_processor.store.database import Store, insert
from driftline_processor.store.pane_rows import (
    COLUMNS,
    RowBytes,
    StoredPanes,
    dense_rows,
    encode_panes,
    encode_sums,
    sparse_rows,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.support.state_rows import HOUR, NOON
from tests.support.stored_sums import read_of_sums

PANE = HOUR // 12
PARTS = ("rows", 'feature:"a, b"', "feature:ä\n☃", "class")
FOLDS = [(1, ""), (1, "f"), (2, ""), (2, "f|region=north")]
BY_SUM = "SELECT series, fold, pane, span, part, idx, sum(value) AS value FROM {} GROUP BY ALL ORDER BY ALL"

Sum = tuple[int, int, int, int, float]
SUMS = st.tuples(
    st.integers(0, len(FOLDS) - 1),
    st.integers(0, 4),
    st.integers(0, len(PARTS) - 1),
    st.integers(0, 4_097),
    st.floats(allow_nan=False, width=64),
)


def encoded(sums: list[Sum]) -> pa.Table:
    fold, pane, part, index, value = (np.array(column) for column in zip(*sums, strict=True))
    starts = NOON + np.arange(5) * PANE
    return encode_panes(FOLDS, fold, starts, pane, PANE, PARTS, part, index, value.astype(np.float64))


@given(st.lists(SUMS, min_size=1, max_size=60))
def test_what_is_written_is_read_again(sums: list[Sum]) -> None:
    rows = encoded(sums)
    assert len(rows) == len({(fold, pane) for fold, pane, *_ in sums})
    table = StoredPanes.of(rows.select(COLUMNS.split(", "))).table()
    found = [tuple(row.values()) for row in table.to_pylist()]
    assert sorted(found) == sorted(
        (*FOLDS[fold], NOON + pane * PANE, PANE, PARTS[part], index, value) for fold, pane, part, index, value in sums
    )


@given(st.lists(SUMS, min_size=1, max_size=60), st.integers(0, 2**20 - 1))
def test_some_rows_and_some_parts_are_those_of_all(sums: list[Sum], drawn: int) -> None:
    stored = StoredPanes.of(encoded(sums).select(COLUMNS.split(", ")))
    own = np.array([row for row in range(len(stored)) if drawn >> row & 1], np.int64)
    if len(own):
        chosen = [row for at in own.tolist() for row in stored.subset(np.array([at])).table().to_pylist()]
        assert stored.subset(own).table().to_pylist() == chosen
    wanted = [row for row in stored.table().to_pylist() if row["fold"] == "" and row["part"] == "rows"]
    assert stored.table(lambda fold, part: not fold and part == "rows").to_pylist() == wanted


def as_rows(encoded: RowBytes, fold: str) -> pa.Table:
    n = len(encoded.counts)
    return pa.table(
        {
            "series": pa.array([1] * n, pa.int32()),
            "fold": [fold] * n,
            "pane": NOON + np.arange(n) * PANE,
            "span": [PANE] * n,
            "parts": [encoded.label] * n,
            "counts": encoded.counts,
            "places": encoded.places,
            "sums": encoded.sums,
        }
    )


Counts = st.lists(st.lists(st.integers(0, 2**32 - 1), min_size=7, max_size=7), min_size=1, max_size=4)


@given(Counts, st.sampled_from([1, 2, 4]), st.permutations(range(3)), st.floats(allow_nan=False))
def test_rows_of_narrow_numbers_are_read_as_those_of_wide_ones(
    counts: list[list[int]], size: int, order: list[int], loss: float
) -> None:
    sums = np.array(counts) % 2 ** (8 * size)
    names, widths = ("class", "rows"), np.array([4, 3])
    part, place = np.repeat([0, 1], widths), np.concatenate([np.arange(4), np.arange(3)])
    row, column = np.nonzero(sums)
    entries = row, part[column], place[column], sums[row, column].astype(np.float64)
    wide = as_rows(sparse_rows(names, len(sums), *entries, narrow=False), "a")
    tables = [
        as_rows(dense_rows(names, widths, sums.astype(f"u{size}")), "a"),
        as_rows(sparse_rows(names, len(sums), *entries, narrow=True), "a"),
        as_rows(
            sparse_rows(
                ["losses"], 1, np.array([0]), np.array([0]), np.array([70_000]), np.array([loss]), narrow=False
            ),
            "b",
        ),
    ]
    found = StoredPanes.of(pa.concat_tables([tables[index] for index in order])).table().to_pylist()
    expected = StoredPanes.of(wide).table().to_pylist()
    assert [one for one in found if one["fold"] == "a"] == expected * 2
    assert [(one["part"], one["idx"], one["value"]) for one in found if one["fold"] == "b"] == [
        ("losses", 70_000, loss)
    ]


def test_sums_of_panes_of_several_lengths_are_rows_of_each(tmp_path: Path) -> None:
    connection = Store(tmp_path).connect()
    sums = pa.table(
        {
            "fold": ["f", "f", ""],
            "pane": [NOON, NOON + HOUR, NOON],
            "span": [HOUR, PANE, PANE],
            "part": ["rows", "rows", "class"],
            "idx": pa.array([0, 2, 1], pa.int32()),
            "value": [1.5, 2.0, -3.0],
        }
    )
    for rows in encode_sums(7, sums):
        insert(connection, "panes", rows)
    found = [tuple(row.values()) for row in read_of_sums(connection, BY_SUM.format("sums")).to_pylist()]
    assert found == [
        (7, "", NOON, PANE, "class", 1, -3.0),
        (7, "f", NOON, HOUR, "rows", 0, 1.5),
        (7, "f", NOON + HOUR, PANE, "rows", 2, 2.0),
    ]
    connection.close()
