"""Shapes of numbers from bins and powers of two, beside the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.bins import NumberBins, count, number_bins
from driftline.panes.unbinned_values import TAILS, octave
from driftline.tables.table import F64, Column
from driftline_processor.core.drift.number_shape import LEVELS, NumberShape, shape_of, shape_of_cells

REFERENCE = np.random.default_rng(1).normal(0, 1, 10_000)


def counted(bins: NumberBins, values: F64, seen: tuple[float, float] | None = None) -> NumberShape:
    stray = values[(values < bins.edges[0]) | (values >= bins.edges[-1])]
    tails = np.bincount(octave(stray), minlength=TAILS).astype(np.float64)
    return shape_of(bins, count(bins, Column(numbers=values)), tails, seen)


@pytest.mark.parametrize(("mean", "spread"), [(0, 1), (0.5, 1.5), (-1, 0.2)])
def test_quantiles_are_those_of_numpy_within_the_width_of_a_bin(mean: float, spread: float) -> None:
    bins = number_bins(REFERENCE)
    values = np.random.default_rng(2).normal(mean, spread, 5_000)
    for told, real in zip(counted(bins, values).quantiles(), np.quantile(values, LEVELS), strict=True):
        at = int(np.searchsorted(bins.edges, real))
        if 0 < at < len(bins.edges):
            assert abs(told - real) <= bins.edges[at] - bins.edges[at - 1]
        else:
            assert abs(real) / 2 <= abs(told) <= 2 * abs(real)


def test_few_values_have_themselves_as_quantiles() -> None:
    values = np.repeat([1.0, 2.0, 7.0], [10, 60, 30])
    assert counted(number_bins(values), values).quantiles((0.05, 0.5, 0.95)) == pytest.approx([1, 2, 7], rel=1e-6)


def test_what_lies_beyond_both_ends_in_one_power_of_two_goes_to_its_own_end() -> None:
    bins = NumberBins(np.array([70.0, 90.0, 110.0]))
    shape = counted(bins, np.array([66.0] * 3 + [80.0] * 4 + [120.0] * 3), seen=(66.0, 120.0))
    assert (shape.below, shape.above) == (0.3, 0.3)
    inside = [(low, high, rows) for low, high, rows in zip(shape.low, shape.high, shape.weight, strict=True)]
    assert inside == [(66.0, 70.0, 3.0), (70.0, 90.0, 4.0), (110.0, 120.0, 3.0)]


def test_nothing_is_drawn_beyond_the_greatest_value_that_was_seen() -> None:
    bins = NumberBins(np.linspace(20.0, 54.0, 18))
    july = np.random.default_rng(5).normal(78, 7, 5_000).clip(55, 100)
    shape = counted(bins, july, seen=(55.0, 100.0))
    assert shape.steps_beyond(0.01) == [(54.0, 64.0), (64.0, 100.0)]
    assert shape.quantiles((0.5,))[0] == pytest.approx(np.median(july), abs=4)
    assert shape.quantiles((1.0,))[0] == 100.0
    assert shape.open_ends().tolist() == [0] * 5


def test_the_outermost_power_of_two_is_an_open_end_where_no_row_of_it_is_known() -> None:
    bins = NumberBins(np.linspace(20.0, 54.0, 18))
    values = np.array([30.0] * 10 + [60.0] * 30 + [80.0] * 60)
    for seen in (None, (30.0, 60.0)):
        shape = counted(bins, values, seen)
        assert shape.quantiles((0.05, 0.25, 0.5, 0.95)).tolist() == pytest.approx([31.0, 59.0, 64.0, 64.0])
        assert shape.open_ends((0.05, 0.25, 0.5, 0.95)).tolist() == [0, 0, 1, 1]
    below = counted(bins, -values, None)
    assert below.quantiles((0.05, 0.5)).tolist() == pytest.approx([-64.0, -64.0])
    assert below.open_ends((0.05, 0.5)).tolist() == [-1, -1]


def test_rows_of_which_only_the_open_bin_is_known_lie_at_the_edge() -> None:
    shape = shape_of(NumberBins(np.array([0.0, 1.0])), np.array([0.0, 1.0, 9.0]))
    assert shape.quantiles((0.05, 0.5, 0.95)).tolist() == [0.5, 1.0, 1.0]
    assert shape.above == 0.9


def test_nothing_has_no_quantile() -> None:
    for shape in (shape_of(NumberBins(np.empty(0)), np.zeros(3)), shape_of(NumberBins(np.array([0.0])), np.zeros(4))):
        assert np.isnan(shape.quantiles()).all()


def test_an_open_cell_of_a_drawing_is_an_open_end() -> None:
    drawn = shape_of_cells(("< 0", "0 – 10", "≥ 10"), np.array([0.1, 0.3, 0.6]))
    assert drawn is not None
    assert drawn.quantiles((0.05, 0.25, 0.5)).tolist() == pytest.approx([0.0, 5.0, 10.0])
    assert drawn.open_ends((0.05, 0.25, 0.5)).tolist() == [-1, 0, 1]


def test_a_drawing_tells_quantiles_unless_a_cell_is_no_number() -> None:
    drawn = shape_of_cells(("-10 – -5", "-5 – 0"), np.array([0.5, 0.5]))
    assert drawn is not None
    assert drawn.quantiles((0.25, 0.5, 0.75)).tolist() == [-7.5, -5.0, -2.5]
    values = shape_of_cells(("0", "1", "other values"), np.array([0.2, 0.8, 0.0]))
    assert values is not None
    assert values.quantiles((0.1, 0.5)).tolist() == [0.0, 1.0]
    assert shape_of_cells(("0", "1", "other values"), np.array([0.2, 0.7, 0.1])) is None
