"""What is drawn: few cells, round edges, and every row in one of them."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.bins import CategoryBins, NumberBins, count, number_bins
from driftline.tables.table import F64, Column
from driftline_processor.core.drift.display_cells import cells
from hypothesis import given
from hypothesis import strategies as st


def counted(bins: NumberBins, values: F64) -> F64:
    return count(bins, Column(numbers=values))[: bins.size]


def test_a_continuous_feature_is_drawn_over_round_edges() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(50, 10, 20_000)
    bins = number_bins(values)
    drawn = cells(bins, counted(bins, values), counted(bins, values + 10))
    assert drawn.categories[:2] == ("< 27.5", "27.5 – 30")
    assert drawn.categories[-1] == "≥ 72.5"
    assert 10 <= len(drawn.categories) <= 22
    at = drawn.categories.index("50 – 52.5")
    assert drawn.was[at] == pytest.approx(np.mean((values >= 50) & (values < 52.5)), abs=0.01)
    assert drawn.now[at] == pytest.approx(np.mean((values + 10 >= 50) & (values + 10 < 52.5)), abs=0.01)


def test_values_that_are_edges_lie_in_the_cell_they_begin() -> None:
    values = np.repeat(np.arange(-24.0, 25.0), 100)
    bins = number_bins(values)
    drawn = cells(bins, counted(bins, values), counted(bins, values))
    assert drawn.was[drawn.categories.index("0 – 2.5")] == pytest.approx(3 / 49, abs=1e-6)


def test_few_values_are_drawn_one_by_one_and_new_ones_together() -> None:
    bins = number_bins(np.array([0.1, 0.5, 2026.0] * 30))
    drawn = cells(bins, counted(bins, np.array([0.1, 0.5, 2026.0])), counted(bins, np.array([0.1, 0.7])))
    assert drawn.categories == ("0.1", "0.5", "2026", "other values")
    assert drawn.was.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert drawn.now.tolist() == [0.5, 0, 0, 0.5]


def test_categories_are_drawn_frequent_first_with_the_rest_as_other() -> None:
    bins = CategoryBins(tuple("abcdefghijklmnop"))
    reference = np.array([*range(100, 84, -1), 0], dtype=np.float64)
    current = np.array([0.0] * 15 + [50, 50])
    drawn = cells(bins, reference, current)
    assert drawn.categories == (*"abcdefghijk", "p", "other")
    assert drawn.now[-2:].tolist() == [0.5, 0.5]
    assert drawn.was.sum() == pytest.approx(1)


def test_an_empty_side_is_drawn_as_nothing() -> None:
    drawn = cells(CategoryBins(("a",)), np.array([1.0, 0.0]), np.zeros(2))
    assert (drawn.categories, drawn.was.tolist(), drawn.now.tolist()) == (("a",), [1.0], [0.0])
    nothing = cells(NumberBins(np.empty(0)), np.zeros(1), np.array([3.0]))
    assert (nothing.categories, nothing.was.tolist(), nothing.now.tolist()) == (("all",), [0.0], [1.0])


def test_numbers_that_vary_by_less_than_a_millionth_of_themselves_are_told_apart() -> None:
    rng = np.random.default_rng(4)
    reference, current = rng.normal(1.7e9, 1, 20_000), rng.normal(1.7e9 + 1, 1, 5_000)
    bins = number_bins(reference)
    drawn = cells(bins, counted(bins, reference), counted(bins, current))
    assert np.count_nonzero(drawn.was > 0.01) >= 8
    assert np.abs(np.cumsum(drawn.was - drawn.now)).max() == pytest.approx(0.383, abs=0.03)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=1, max_size=200), st.lists(FINITE, min_size=1, max_size=50))
def test_whatever_is_drawn_adds_up_and_is_labelled_once(reference: list[float], current: list[float]) -> None:
    bins = number_bins(np.array(reference))
    drawn = cells(bins, counted(bins, np.array(reference)), counted(bins, np.array(current)))
    assert drawn.was.sum() == pytest.approx(1)
    assert drawn.now.sum() == pytest.approx(1)
    assert (drawn.was >= -1e-12).all()
    assert (drawn.now >= -1e-12).all()
    assert len(set(drawn.categories)) == len(drawn.categories) == len(drawn.was) == len(drawn.now)
    assert len(drawn.categories) <= 25
