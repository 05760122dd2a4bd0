"""Numbers as they come: skewed, mostly zero, counts of rare events, with sentinels; in windows of 50 rows and more."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from driftline.panes.bins import count, number_bins
from driftline.tables.table import F64, Column
from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.methods.method import Counts, fences
from driftline_processor.core.drift.p_values import drawn_sum_p_value
from scipy import stats

Draw = Callable[[np.random.Generator, int], F64]
SHAPES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.lognormal(0, 1.5, n),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(0, 1, n)),
    "rare events": lambda rng, n: rng.poisson(0.2, n).astype(np.float64),
    "a sentinel": lambda rng, n: np.where(rng.random(n) < 0.03, 1e9, rng.normal(size=n)),
}


def binned(reference: F64, current: F64) -> Counts:
    """Rows (n,), and (k, m) of k windows, over the bins of the first."""
    bins = number_bins(reference)
    was = count(bins, Column(numbers=reference))[: bins.size]
    now = np.stack([count(bins, Column(numbers=window))[: bins.size] for window in current])
    return Counts(np.tile(was, (len(now), 1)), now, np.tile(bins.edges, (len(now), 1)))


def p_values(method: str, counts: Counts) -> F64:
    decides = METHODS[method].p_value
    p = METHODS[method].counts(counts).p_value if decides is None else decides(counts)
    assert p is not None
    return p


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", ["ks", "cramer_von_mises", "anderson_darling", "mean_shift", "psi"])
def test_fifty_quiet_rows_are_no_news_more_often_than_they_say(method: str, shape: str) -> None:
    rng = np.random.default_rng(len(shape))
    windows = 150 if method == "psi" else 600  # its exact p-value is worked out one by one
    counts = binned(SHAPES[shape](rng, 20_000), SHAPES[shape](rng, windows * 50).reshape(windows, 50))
    p = p_values(method, counts)
    for level in (0.01, 0.05):
        assert np.mean(p <= level) <= level + 3 * math.sqrt(level * (1 - level) / windows), level


@pytest.mark.parametrize("method", ["cramer_von_mises", "anderson_darling"])
@pytest.mark.parametrize("shape", ["mostly zero", "rare events"])
def test_a_test_of_tied_numbers_fires_as_often_as_it_says(method: str, shape: str) -> None:
    rng = np.random.default_rng(3)
    p = p_values(method, binned(SHAPES[shape](rng, 20_000), SHAPES[shape](rng, 600 * 200).reshape(600, 200)))
    assert 0.02 < np.mean(p <= 0.05) < 0.08


@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.7, 0.8, 0.9, 0.97])
def test_a_number_that_is_mostly_zero_is_measured_by_its_size(zeros: float) -> None:
    rng = np.random.default_rng(8)
    was = np.where(rng.random(50_000) < zeros, 0.0, rng.lognormal(4, 1, 50_000))
    now = np.where(rng.random(20_000) < zeros, 0.0, 2 * rng.lognormal(4, 1, 20_000))
    counts = binned(was, now[np.newaxis])
    found = {name: float(METHODS[name].counts(counts).value[0]) for name in ("mean_shift", "wasserstein")}
    high = float(np.quantile(was[was > 0], 0.75))
    assert fences(counts.reference, np.asarray(counts.edges))[0, 1] >= high  # no feature is clipped to its zeros
    assert found["mean_shift"] == pytest.approx(now.mean() - was.mean(), rel=0.2)
    assert found["wasserstein"] == pytest.approx(stats.wasserstein_distance(was, now), rel=0.2)
    assert float(p_values("mean_shift", counts)[0]) < 1e-6


@pytest.mark.parametrize("total", [90.0, 105.0, 120.0, 130.0, 140.0, 150.0, 55.0, 155.0])
def test_a_sum_of_drawn_rows_is_as_likely_as_in_all_draws(total: float) -> None:
    sums = np.array([sum(chosen) for chosen in combinations(range(1, 17), 8)]) * 1.0
    scaled = total * 136 / 210  # of 16 ranks, where the sums of 8 lie
    value = float(np.round(scaled))
    exact = min(1.0, 2 * min(np.mean(sums >= value), np.mean(sums <= value)))
    assert drawn_sum_p_value(np.arange(1.0, 17.0), np.ones(16), 8.0, value) == pytest.approx(exact, rel=0.25)


def test_a_window_of_nothing_but_the_least_value_is_as_likely_as_drawing_only_that() -> None:
    places, both = np.array([0.0, 1.0, 5.0]), np.array([900.0, 60.0, 40.0])
    only_zeros = float(stats.hypergeom.pmf(50, 1_000, 900, 50))
    assert drawn_sum_p_value(places, both, 50.0, 0.0) == pytest.approx(2 * only_zeros, rel=1e-6)
