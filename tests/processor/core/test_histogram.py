"""What lies between two cumulative histograms, and where buckets fall in a baseline's bins."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.bins import NumberBins, count, number_bins
from driftline.tables.table import Column
from driftline_processor.core.histogram import (
    Buckets,
    Explicit,
    Exponential,
    Histogram,
    counts_over_bins,
    increase,
    pack,
    single_value,
    unpack,
)
from driftline_processor.core.histogram import count as count_of
from driftline_processor.core.windows.pane_shares import pane_or_panes, places, share_out
from driftline_processor.core.windows.window import PANE
from hypothesis import given
from hypothesis import strategies as st

from tests.support.exponential_histograms import exponential

MINUTE = 60 * 10**9


@given(st.lists(st.floats(-1e6, 1e6), max_size=200), st.integers(0, 200), st.integers(0, 6), st.integers(0, 4))
def test_the_increase_is_what_came_after_at_any_scale(values: list[float], cut: int, scale: int, by: int) -> None:
    everything = np.array(values, dtype=np.float64)
    everything[np.abs(everything) < 1e-6] = 0.0
    before, now = exponential(everything[:cut], scale + by), exponential(everything, scale)
    grown = increase(now, unpack(pack(before), now))
    after = exponential(everything[cut:], scale)
    assert isinstance(grown, Exponential)
    assert grown.zero == after.zero
    for got, expected in ((grown.positive, after.positive), (grown.negative, after.negative)):
        held = {got.offset + i: n for i, n in enumerate(got.counts.tolist()) if n}
        assert held == {expected.offset + i: n for i, n in enumerate(expected.counts.tolist()) if n}


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (single_value(3.0), single_value(4.0)),
        (Explicit(np.array([1.0]), np.array([3.0, 0.0])), Explicit(np.array([1.0]), np.array([2.0, 1.0]))),
        (exponential(np.array([1.0]), 3), exponential(np.array([2.0, 3.0]), 3)),
        (exponential(np.array([1.0]), 4), exponential(np.array([1.0]), 3)),
        (exponential(np.array([1.0]), 3), exponential(np.array([0.0, 1.0]), 3)),
    ],
)
def test_counts_that_fell_are_a_reset(now: Histogram, before: Histogram) -> None:
    assert increase(now, before) is None


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300), st.lists(st.floats(-1e9, 1e9), max_size=300))
def test_bounds_on_the_edges_of_bins_are_exact(reference: list[float], values: list[float]) -> None:
    bins = number_bins(np.array(reference))
    bounds = np.nextafter(bins.edges, -np.inf)
    column = np.array(values, dtype=np.float64)
    counted = count(bins, Column(numbers=column))[: bins.size]
    counts = np.bincount(np.searchsorted(bounds, column, side="left"), minlength=len(bounds) + 1).astype(np.float64)
    into, guessed = counts_over_bins(Explicit(bounds, counts), bins, np.ones(bins.size))
    assert into.tolist() == counted.tolist()
    assert guessed == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_other_buckets_are_off_by_at_most_the_share_of_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bins = number_bins(rng.normal(10, 3, 5_000))
    reference = count(bins, Column(numbers=rng.normal(10, 3, 5_000)))[: bins.size]
    values = rng.normal(11, 4, 5_000)
    histogram = exponential(values, 2)
    into, guessed = counts_over_bins(histogram, bins, reference)
    exact = count(bins, Column(numbers=values))[: bins.size]
    largest = max(histogram.positive.counts.max(), histogram.negative.counts.max(initial=0))
    assert guessed == 0.0
    assert into.sum() == pytest.approx(5_000)
    assert np.abs(np.cumsum(into - exact)).max() <= largest


def test_where_nothing_moved_wide_buckets_show_no_drift() -> None:
    rng = np.random.default_rng(1)
    values = np.where(rng.random(10_000) < 0.3, 5.0, rng.gamma(3, 2, 10_000) + 0.1)  # an atom inside a wide bucket
    bins = number_bins(values)
    reference = count(bins, Column(numbers=values))[: bins.size]
    into, _ = counts_over_bins(exponential(values, 2), bins, reference)
    assert np.abs(np.cumsum(into - reference)).max() / 10_000 < 0.03


def test_one_bucket_with_most_values_across_several_bins_is_a_guess() -> None:
    bins = NumberBins(np.array([1.0, 2.0, 3.0]))
    wide = Explicit(np.array([0.5, 10.0]), np.array([10.0, 90.0, 0.0]))
    into, guessed = counts_over_bins(wide, bins, np.ones(4))
    assert guessed == 90.0
    assert into.sum() == 100.0
    assert counts_over_bins(wide, NumberBins(np.array([20.0])), np.ones(2))[1] == 0.0  # all within one bin


def test_least_and_greatest_value_tell_where_open_buckets_end() -> None:
    bins = NumberBins(np.array([10.0, 20.0]))
    counts = np.array([100.0])
    assert counts_over_bins(Explicit(np.empty(0), counts, low=11.0, high=12.0), bins, np.ones(3))[0].tolist() == [
        0,
        100,
        0,
    ]


@given(st.integers(1, 3_000), st.integers(0, 3_000), st.lists(st.integers(0, 10_000), min_size=1, max_size=5))
def test_nothing_is_lost_or_made_by_sharing_out(length: int, begin: int, counts: list[int]) -> None:
    panes, shares = places(begin * 10**9, (begin + length) * 10**9)
    shared = share_out(np.array(counts, dtype=np.float64), shares)
    assert shared.sum(axis=0).tolist() == counts
    assert (shared >= 0).all()
    assert (shared == np.rint(shared)).all()
    assert panes[0] <= begin * 10**9
    assert panes[-1] + PANE >= (begin + length) * 10**9
    assert shares.sum() == pytest.approx(1)


def test_a_minute_goes_to_the_pane_of_its_middle_and_a_month_to_its_last_day() -> None:
    assert pane_or_panes(4 * MINUTE + MINUTE // 4, 5 * MINUTE + MINUTE // 4)[0].tolist() == [0]
    assert pane_or_panes(4 * MINUTE + MINUTE // 2, 5 * MINUTE + MINUTE // 2)[0].tolist() == [PANE]
    panes, shares = places(0, 30 * 86_400 * 10**9)
    assert (len(panes), panes[0], shares[0]) == (288, 29 * 86_400 * 10**9, 1 / 288)
    assert places(PANE, PANE)[0].tolist() == [0]
    assert count_of(exponential(np.array([1.0, -1.0, 0.0]), 0)) == 3.0


OFFSETS = st.integers(-(2**31), 2**31 - 1)
COUNTS = st.lists(st.integers(0, 1_000), max_size=20)


@given(st.integers(-10, 26), OFFSETS, COUNTS, OFFSETS, COUNTS, st.integers(0, 9), st.floats(0, 1e300))
def test_whatever_is_sent_no_value_is_lost_or_made(
    scale: int, above: int, positive: list[int], below: int, negative: list[int], zero: int, threshold: float
) -> None:
    over, under = (Buckets(at, np.array(n, dtype=np.float64)) for at, n in ((above, positive), (below, negative)))
    histogram = Exponential(scale, zero, threshold, over, under)
    total = zero + sum(positive) + sum(negative)
    bins = number_bins(np.linspace(-10, 10, 1_000))
    into, guessed = counts_over_bins(histogram, bins, np.ones(bins.size))
    assert np.isfinite(into).all()
    assert (into >= 0).all()
    assert into.sum() == pytest.approx(total)
    assert 0 <= guessed <= total
    nothing = increase(histogram, unpack(pack(histogram), histogram))
    assert nothing is not None
    assert count_of(nothing) == 0
