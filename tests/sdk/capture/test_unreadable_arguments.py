"""Whatever is given or returned is read, or said to be unreadable; nothing raises, and n rows stay n rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from driftline.batch.prediction_batch import Values
from driftline.inputs.batch import Batch
from driftline.inputs.readers import read
from driftline.outputs import rankings, result_copy
from driftline.outputs.output import predicted_of, score_of
from driftline.outputs.output import read as read_output
from driftline.tables.ranked_items import items_of
from driftline.tables.table import Column, length
from driftline.tables.task import Task
from hypothesis import given, settings
from hypothesis import strategies as st

SCALARS: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.datetimes(),
    st.complex_numbers(),
    st.sampled_from([Decimal("0.5"), np.float32(0.5), np.int64(7), np.str_("a"), np.datetime64("NaT"), pd.NA, pd.NaT]),
    st.just(object()),
)
NAMES = st.one_of(st.text(max_size=2), st.integers(0, 3), st.none(), st.sampled_from(["item", "score", "id", "items"]))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(inner, max_size=4).map(lambda values: pd.Series(values, dtype=object)),
        st.lists(st.floats(), max_size=4).map(np.array),
        st.lists(st.integers(0, 9), max_size=4).map(pl.Series),
        st.lists(SCALARS, max_size=4).map(lambda values: np.array([*values, None], dtype=object)),
        st.lists(SCALARS, min_size=1, max_size=4).map(lambda values: pd.DataFrame({"a": values, 1: values})),
    ),
    max_leaves=8,
)
TASKS = [Task("binary", ("0", "1"), "1"), Task("multiclass", ("a", "b", "c")), Task("regression")]


def rows(values: Values) -> int:
    return length(values) if isinstance(values, Column) else len(values)


@settings(max_examples=150, deadline=None)
@given(ANYTHING)
def test_whatever_is_given_is_a_row_a_batch_or_unrecorded(value: Any) -> None:
    found = read(value)
    if not isinstance(found, Batch):
        return
    kept = found.bounded_snapshot()
    assert isinstance(kept, Batch)
    assert kept.count == found.count
    names = kept.names() or tuple(f"f{at}" for at in range(kept.width()))
    columns = kept.columns(names, lambda name: True)  # noqa: ARG005
    assert {name: rows(column) for name, column in columns.items()} == dict.fromkeys(columns, kept.count)


@settings(max_examples=150, deadline=None)
@given(ANYTHING, st.integers(1, 4), st.booleans(), st.sampled_from(TASKS))
def test_whatever_is_returned_is_read_or_described(value: Any, n: int, one_row: bool, task: Task) -> None:
    n = 1 if one_row else n
    kept = result_copy.copy_result(value)
    for output in (
        read_output(task, kept, n, one_row=one_row),
        score_of(task, result_copy.copy_separate(value), n, one_row=one_row),
        predicted_of(result_copy.copy_separate(value), n),
    ):
        assert output.scores is None or output.scores.shape[0] == n
        assert output.predicted is None or rows(output.predicted) == n
        assert output.scores is not None or output.predicted is not None or output.unread is not None


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(ANYTHING, ANYTHING, st.integers(1, 4), st.booleans())
def test_whatever_is_ranked_is_read_or_described(value: Any, other: Any, n: int, one_row: bool) -> None:
    n = 1 if one_row else n
    for output in (
        rankings.read(rankings.copy_ranking(value), n, one_row=one_row),
        rankings.read_separate(rankings.copy_ranking(value), rankings.copy_ranking(other), n, one_row=one_row),
        rankings.read_separate(None, rankings.copy_ranking(value), n, one_row=one_row),
    ):
        assert output.rankings is None or len(output.rankings) == n
        assert output.rankings is None or len(items_of(output.rankings)) == n
        assert output.rankings is not None or output.scores is not None or output.unread is not None
