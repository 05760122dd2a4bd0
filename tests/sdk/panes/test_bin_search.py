"""A table of cells finds the bins that a binary search finds, for every value there is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from driftline.panes.bins import MIN_LOOKUP_VALUES, BinLookup, search
from driftline.tables.table import F64
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

FINITE = st.floats(allow_nan=False, allow_infinity=False)
GRIDS = st.one_of(
    st.lists(FINITE, min_size=1, max_size=30),
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=120),
    st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=60),
)


def around(edges: F64, values: Sequence[float]) -> F64:
    """Return values, and every edge with its two neighbours among the floats."""
    with np.errstate(over="ignore"):  # of the greatest float
        below, above = np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)
    return np.concatenate([values, edges, below, above, [-np.inf, np.inf]])


@given(GRIDS, st.lists(FINITE, max_size=20))
def test_every_value_is_in_the_bin_of_a_binary_search(grid: list[float], some: list[float]) -> None:
    edges = np.unique(np.array(grid))
    cells = BinLookup.of(edges)
    if cells is not None:
        values = around(edges, some)
        assert cells.search(values).tolist() == np.searchsorted(edges, values, side="right").tolist()


@given(arrays(np.float64, st.integers(2, 200), elements=st.floats(-1e6, 1e6), unique=True), st.integers(0, 2**32 - 1))
def test_many_values_are_found_as_few_are(grid: F64, seed: int) -> None:
    edges, rng = np.sort(grid), np.random.default_rng(seed)
    values = rng.uniform(edges[0] - 1, edges[-1] + 1, MIN_LOOKUP_VALUES)
    assert (search(edges, values) == np.searchsorted(edges, values, side="right")).all()


@pytest.mark.parametrize(
    "edges",
    [[], [1.0], [0.0, 5e-324], [-1.7e308, 1.7e308], [1.0, 1 + 1e-12, 1 + 2e-12, 1 + 3e-12, 9.0]],
    ids=["none", "one", "the smallest distance", "the greatest", "a crowd"],
)
def test_edges_that_no_table_serves_are_searched(edges: list[float]) -> None:
    grid = np.array(edges)
    assert BinLookup.of(grid) is None
    values = np.tile(around(grid, [0.0, 1.0]), MIN_LOOKUP_VALUES)
    assert (search(grid, values) == np.searchsorted(grid, values, side="right")).all()


def test_nan_is_in_some_bin_and_warns_nobody() -> None:
    values = np.full(MIN_LOOKUP_VALUES, np.nan)
    assert set(search(np.array([0.0, 1.0, 2.0]), values).tolist()) <= {0, 1, 2, 3}
