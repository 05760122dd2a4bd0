"""Bins that stray values cannot blind, and counts that lose no row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from driftline.panes.bins import (
    MIN_LOOKUP_VALUES,
    RARE,
    SCORE_BINS,
    BinLookup,
    CategoryBins,
    NumberBins,
    anonymous_number_bins,
    between,
    bins_for,
    category_bins,
    count,
    number_bins,
    score_bin,
    search,
)
from driftline.tables.table import F64, Column
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def numbers(*values: float) -> Column:
    return Column(numbers=np.array(values, dtype=np.float64))


def texts(*values: str | None) -> Column:
    labels = tuple(dict.fromkeys(value for value in values if value is not None))
    return Column(codes=np.array([-1 if v is None else labels.index(v) for v in values], np.int32), categories=labels)


def normal(n: int = 50_000) -> F64:
    return np.random.default_rng(7).normal(size=n)


def test_continuous_values_get_a_hundred_quantile_bins_and_two_open_ones() -> None:
    values = normal()
    bins = number_bins(values)
    counts = count(bins, Column(numbers=values))
    assert bins.size == 102
    assert counts[0] == counts[101] == 50
    assert (np.abs(counts[2:100] - 500) <= 1).all()
    assert counts[102:].tolist() == [0, 0]


def test_one_stray_value_moves_no_edge_and_hides_no_shift() -> None:
    values = normal()
    strayed = np.append(values[:-1], 1e9)
    clean, stray = number_bins(values), number_bins(strayed)
    assert np.abs(clean.edges - stray.edges).max() < 0.01
    shifted = count(stray, Column(numbers=values + 1))[: stray.size]
    reference = count(stray, Column(numbers=strayed))[: stray.size]
    distance = np.abs(np.cumsum(shifted) / shifted.sum() - np.cumsum(reference) / reference.sum()).max()
    assert distance == pytest.approx(0.383, abs=0.005)  # 2 Φ(0.5) - 1, as without the stray value


def test_values_that_many_rows_share_have_bins_of_their_own() -> None:
    values = np.concatenate([np.zeros(40_000), [-999.0] * 1_000, np.exp(normal(59_000))])
    bins = number_bins(values)
    counts = count(bins, numbers(0.0, 0.0, np.nextafter(0, 1), -999.0, -998.9, -5.0))
    assert sorted(counts[counts > 0].tolist()) == [1.0, 1.0, 2.0, 2.0]
    assert count(bins, Column(numbers=values))[np.searchsorted(bins.edges, 0.0, side="right")] == 40_000


def test_few_distinct_values_have_a_bin_each_and_the_gaps_show_what_is_new() -> None:
    bins = number_bins(np.array([0.0, 1.0, 2.0] * 20))
    assert bins.size == 7
    assert count(bins, numbers(-1, 0, 0.5, 1, 1.5, 2, 3)).tolist() == [1, 1, 1, 1, 1, 1, 1, 0, 0]


def test_a_value_that_one_side_rounded_to_float32_stays_in_its_bin() -> None:
    bins = number_bins(np.array([0.1, 0.2, 1e9 + 1, 1e9 + 2] * 20))
    rounded = np.array([0.1, 0.2], np.float32).astype(np.float64)
    assert (
        count(bins, Column(numbers=rounded))[: bins.size].tolist()
        == count(bins, numbers(0.1, 0.2))[: bins.size].tolist()
    )
    counts = count(bins, numbers(1e9 + 1, 1e9 + 2))  # whole numbers are told apart whatever their size
    assert counts.max() == 1


def test_neighbouring_frequent_values_each_keep_their_bin() -> None:
    many = np.repeat(1e15 + np.arange(60.0), 20)
    bins = number_bins(many)
    counts = count(bins, Column(numbers=many))
    assert sorted(counts[counts > 0].tolist()) == [20.0] * 60


def test_a_constant_feature_has_one_bin_for_its_value() -> None:
    bins = number_bins(np.full(1000, 3.0))
    assert count(bins, numbers(2.9, 3, 3, 3.1)).tolist() == [1, 2, 1, 0, 0]


def test_a_feature_without_a_finite_value_has_one_bin() -> None:
    bins = number_bins(np.array([np.nan, np.inf, -np.inf]))
    assert bins.size == 1
    assert count(bins, numbers(1.0, np.nan)).tolist() == [1, 1, 0]


HUGE = (np.linspace(-1, 1, 80) * 1.7e308).tolist()


@pytest.mark.parametrize("values", [[1.7e308, -1.7e308], [5e-324, 0.0, -5e-324], HUGE])
def test_extreme_values_make_valid_bins(values: list[float]) -> None:
    bins = number_bins(np.array(values))
    assert np.isfinite(bins.edges).all()
    assert (bins.edges[1:] > bins.edges[:-1]).all()
    assert count(bins, numbers(*values)).sum() == len(values)


def test_missing_and_invalid_numbers_are_counted_apart() -> None:
    column = Column(
        numbers=np.array([0.5, np.nan, np.inf, -np.inf, np.nan]),
        codes=np.array([-1, -1, -1, -1, 0], np.int32),
        categories=("twelve",),
    )
    assert count(NumberBins(np.array([0.0])), column).tolist() == [0, 1, 1, 3]


def test_text_alone_is_invalid_in_a_number_feature() -> None:
    assert count(NumberBins(np.array([0.0])), texts("a", None)).tolist() == [0, 0, 1, 1]


def test_nothing_sent_is_no_rows() -> None:
    assert count(NumberBins(np.array([0.0])), Column()).tolist() == [0, 0, 0, 0]
    assert count(CategoryBins(("a",)), Column()).tolist() == [0, 0, 0, 0]


def test_categories_meet_numbers_by_their_text() -> None:
    column = Column(
        numbers=np.array([17.0, 0.5, 3.0, np.nan, np.inf, np.nan]),
        codes=np.array([-1, -1, -1, 0, -1, -1], np.int32),
        categories=("17",),
    )
    assert count(CategoryBins(("17", "0.5", "AA")), column).tolist() == [2, 1, 0, 1, 1, 1]
    assert count(CategoryBins(("AA",)), numbers(1.0)).tolist() == [0, 1, 0, 0]


def test_weights_are_summed() -> None:
    assert count(CategoryBins(("a",)), texts("a", "b", "a"), np.array([2.0, 0.5, 1.0])).tolist() == [3, 0.5, 0, 0]


def test_frequent_labels_are_kept_and_rare_or_endless_ones_are_other() -> None:
    column = texts(*(["b"] * 20 + ["a"] * 20 + ["c"] * 30 + ["rare"] * 9 + ["x" * 300] * 50))
    assert category_bins(column) == CategoryBins(("c", "a", "b"))


def test_at_most_two_hundred_labels_are_kept() -> None:
    codes = np.repeat(np.arange(500, dtype=np.int32), 10 + np.arange(500) // 10)
    bins = category_bins(Column(codes=codes, categories=tuple(f"l{i}" for i in range(500))))
    assert len(bins.categories) == 200
    assert bins.categories[0] == "l490"


def test_numbers_of_a_mostly_textual_column_are_labels() -> None:
    column = Column(
        numbers=np.array([7.0] * 10 + [np.nan] * 30),
        codes=np.array([-1] * 10 + [0] * 30, np.int32),
        categories=("north",),
    )
    assert bins_for(column) == CategoryBins(("north", "7"))
    assert isinstance(bins_for(Column()), NumberBins)


def test_the_score_grid_keeps_the_ends_and_the_order() -> None:
    scores = np.array([0.0, 1e-300, 1e-7, 0.5, 1 - 1e-7, np.nextafter(1, 0), 1.0])
    at = score_bin(scores)
    assert at[[0, 1, 3, 5, 6]].tolist() == [0, 1, 2049, SCORE_BINS - 2, SCORE_BINS - 1]
    assert (np.diff(at) >= 0).all()


@given(st.lists(ANY_FLOAT, max_size=300), st.lists(ANY_FLOAT, max_size=50))
def test_every_number_is_counted_once_whatever_it_is(reference: list[float], current: list[float]) -> None:
    bins = number_bins(np.array(reference, dtype=np.float64))
    values = np.array(current, dtype=np.float64)
    counts = count(bins, Column(numbers=values))
    assert counts.sum() == len(current)
    assert counts[bins.size] == np.isnan(values).sum()
    assert counts[bins.size + 1] == np.isinf(values).sum()


@pytest.mark.slow
@given(st.lists(FINITE, min_size=1, max_size=300))
def test_every_reference_value_lies_in_a_bin_that_contains_it(reference: list[float]) -> None:
    values = np.array(reference)
    bins = number_bins(values)
    low = np.append(-np.inf, bins.edges)[np.searchsorted(bins.edges, values, side="right")]
    assert (low <= values).all()
    assert (bins.edges[1:] > bins.edges[:-1]).all()


ROWS = st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, -999.0]), max_size=120)


@given(ROWS, st.integers(1, 12))
def test_no_edge_of_anonymous_bins_is_the_value_of_few_rows(values: list[float], times: int) -> None:
    column = np.array(values * times)
    edges = anonymous_number_bins(column).edges
    finite = column[np.isfinite(column)]
    held = {value: int(np.count_nonzero(finite == value)) for value in edges.tolist()}
    assert [value for value, rows in held.items() if 0 < rows < RARE] == []
    assert (np.diff(edges) > 0).all()
    if len(edges) and np.unique(finite, return_counts=True)[1].max() < RARE:
        counted = count(NumberBins(edges), Column(numbers=finite))[: len(edges) + 1]
        assert counted.min() >= RARE


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_between_two_lies_between_them(one: float, other: float) -> None:
    low, high = sorted((one, other))
    if low < high:
        assert low < between(low, high) <= high


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
