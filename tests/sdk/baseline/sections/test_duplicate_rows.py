"""Rows that repeat are counted as pandas counts them, and of very many rows a part that tells the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.sections.duplicate_rows import Counting, Repeats, fingerprints
from driftline.inputs.dataframes import column_of
from driftline.tables.table import Column
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.sampled_from([1.0, 2.0, 0.0, -0.0, "a", "b", None])


def columns(frame: pd.DataFrame) -> dict[str, Column]:
    return {str(name): column_of(frame[name].to_numpy()) for name in frame}


def counted(*parts: pd.DataFrame, most: int = 1_000) -> Repeats | None:
    counting = Counting(most)
    for part in parts:
        counting.add(fingerprints(columns(part), list(columns(part)), len(part)))
    return counting.result()


@pytest.mark.slow
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=40), st.integers(0, 40))
def test_rows_that_repeat_are_those_of_pandas_however_they_are_cut(rows: list[tuple[object, ...]], cut: int) -> None:
    frame = pd.DataFrame(rows, columns=["x", "y", "z"], dtype=object)
    whole = frame.dropna()
    wanted = Repeats(len(whole), len(whole.drop_duplicates())) if len(whole) else None
    assert counted(frame.iloc[:cut], frame.iloc[cut:]) == wanted


def test_the_order_of_features_and_how_a_label_is_coded_do_not_matter() -> None:
    one = {"x": column_of([1.0, 2.0]), "y": column_of(["a", "b"])}
    other = {"y": column_of(["b", "a", "c"]), "x": column_of([2.0, 1.0, 1.0])}
    first, second = (fingerprints(features, ["x", "y"], n).tolist() for features, n in ((one, 2), (other, 3)))
    assert first == second[1::-1]
    assert second[2] not in first


def test_a_row_without_one_of_the_features_says_nothing() -> None:
    assert fingerprints({"x": column_of([1.0, np.nan])}, ["x"], 2)[1] == 0
    assert fingerprints({"x": column_of([1.0, 1.0])}, ["x", "y"], 2).tolist() == [0, 0]


def test_of_many_rows_a_part_tells_the_share_that_repeats() -> None:
    rng = np.random.default_rng(1)
    values = rng.random(100_000)
    values[:10_000] = values[50_000:60_000]
    found = counted(pd.DataFrame({"x": values}), most=20_000)
    assert found is not None
    assert found.rows == 100_000
    assert (found.rows - found.distinct) / found.rows == pytest.approx(0.1, abs=0.01)


def test_numbers_that_differ_in_their_last_digit_or_only_in_their_feature_are_different() -> None:
    ladder = np.nextafter(np.arange(1_000.0), np.inf)
    values = np.concatenate([np.arange(1_000.0), ladder])
    assert counted(pd.DataFrame({"x": values}), most=10_000) == Repeats(2_000, 2_000)
    pairs = pd.DataFrame({"x": np.repeat(np.arange(100.0), 100), "y": np.tile(np.arange(100.0), 100)})
    assert counted(pairs, most=100_000) == Repeats(10_000, 10_000)
