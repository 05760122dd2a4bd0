"""Each drift statistic against scipy and published formulas, from the same counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from driftline.panes.bins import count, number_bins
from driftline.tables.table import F64, Column
from driftline_processor.core.drift.coarse_bins import EXPECTED, coarse, parts, pool, pool_but, unexpected
from driftline_processor.core.drift.methods.chi2 import chi2
from driftline_processor.core.drift.methods.ks import ks, ks_effect
from driftline_processor.core.drift.methods.psi import psi, psi_null_mean
from driftline_processor.core.drift.methods.share_distances import js
from driftline_processor.core.drift.p_values import benjamini_hochberg
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

TWO = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=40)


def vectors(rows: list[tuple[int, int]]) -> tuple[F64, F64]:
    reference, current = np.array(rows, dtype=np.float64).T
    assume(reference.sum() > 0 and current.sum() > 0)
    return reference, current


def drawn(rng: np.random.Generator, rows: int, bins: int) -> F64:
    """Counts of rows that fall into equally likely bins."""
    return rng.multinomial(rows, np.full(bins, 1 / bins)).astype(np.float64)


@given(TWO)
def test_ks_over_a_bin_per_value_is_the_two_sample_statistic(rows: list[tuple[int, int]]) -> None:
    reference, current = vectors(rows)
    values = np.arange(len(rows))
    expected = stats.ks_2samp(
        np.repeat(values, reference.astype(int)), np.repeat(values, current.astype(int)), method="asymp"
    )
    assert ks(reference, current) == pytest.approx(expected.statistic, abs=1e-9)


def test_ks_over_quantile_bins_is_at_most_the_share_of_a_bin_smaller() -> None:
    rng = np.random.default_rng(11)
    reference, current = rng.normal(size=20_000), rng.normal(0.3, 1.2, size=5_000)
    bins = number_bins(reference)
    was = count(bins, Column(numbers=reference))[: bins.size]
    now = count(bins, Column(numbers=current))[: bins.size]
    exact = stats.ks_2samp(reference, current, method="asymp").statistic
    binned = ks(was, now)
    slack = float(np.maximum(was / was.sum(), now / now.sum()).max())
    assert exact - slack <= binned <= exact + 1e-12
    assert binned == pytest.approx(exact, abs=0.005)


@pytest.mark.slow
def test_ks_effect_is_nothing_on_average_without_drift() -> None:
    rng = np.random.default_rng(5)
    n, m = 1_000, 10_000
    squares = [ks(drawn(rng, m, 5_000), drawn(rng, n, 5_000)) ** 2 for _ in range(1_000)]
    expected = math.pi**2 / 12 * (1 / n + 1 / m)
    assert np.mean(squares) == pytest.approx(expected, rel=0.06)
    assert ks_effect(math.sqrt(expected), m, n) == 0
    assert ks_effect(0.3, 1e9, 1e9) == pytest.approx(0.3, abs=1e-6)


@given(TWO)
def test_chi2_is_the_contingency_test_of_scipy(rows: list[tuple[int, int]]) -> None:
    reference, current = vectors(rows)
    filled = reference + current > 0
    assume(np.count_nonzero(filled) >= 2)
    expected = stats.chi2_contingency(np.vstack([reference[filled], current[filled]]), correction=False)
    statistic, p = chi2(reference, current)
    assert statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)


def test_chi2_of_one_category_is_no_evidence() -> None:
    statistic, p = chi2(np.array([10.0, 0.0]), np.array([7.0, 0.0]))
    assert (float(statistic), float(p)) == (0.0, 1.0)


@given(TWO)
def test_pooled_cells_expect_enough_and_lose_no_row(rows: list[tuple[int, int]]) -> None:
    reference, current = vectors(rows)
    cells = pool(reference, current)
    was, now = np.bincount(cells, reference), np.bincount(cells, current)
    assert was.sum() == reference.sum()
    assert now.sum() == current.sum()
    expected = (was + now) * min(was.sum(), now.sum()) / (was.sum() + now.sum())
    if len(expected) > 1:
        assert (expected >= EXPECTED - 1e-9).all()


@given(TWO, st.data())
def test_bins_apart_have_cells_of_their_own_and_the_others_share_as_if_alone(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    reference, current = vectors(rows)
    apart = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    cells = pool_but(apart, reference, current)
    assert cells[~apart].tolist() == pool(reference * ~apart, current * ~apart)[~apart].tolist()
    assert sorted(set(cells.tolist())) == list(range(cells.max() + 1))
    assert all(np.count_nonzero(cells == cell) == 1 for cell in cells[apart].tolist())


def test_only_rare_bins_are_pooled() -> None:
    reference, current = np.array([1000.0, 500, 3, 2, 0]), np.array([100.0, 60, 0, 0, 40])
    assert pool(reference, current).tolist() == [1, 2, 0, 0, 0]


@pytest.mark.parametrize(
    ("reference", "current", "rare"),
    [
        ([60_000.0, 40_000.0, 0.0], [300.0, 193.0, 7.0], 1),
        ([60_000.0, 39_900.0, 60.0, 40.0], [300.0, 190.0, 0.0, 10.0], 2),
        ([100_000.0, 0.0], [0.0, 50.0], 1),
    ],
)
def test_a_rare_bin_is_tested_exactly(reference: list[float], current: list[float], rare: int) -> None:
    was, now = np.array(reference), np.array(current)
    held, total, share = now[-1], was[-1] + now[-1], now.sum() / (was.sum() + now.sum())
    tail = stats.binom.sf(held - 1, total, share)
    assert tail >= stats.hypergeom.sf(held - 1, was.sum() + now.sum(), total, now.sum())
    for pair in ((was, now), (now, was)):  # whichever is the smaller sample
        apart, p = unexpected(*pair)
        assert p == pytest.approx(10 * rare * tail, rel=1e-9)
        assert np.flatnonzero(apart).tolist() == [len(was) - 1]


def test_a_few_rows_of_a_rare_bin_and_the_rows_of_common_ones_are_left_to_the_chi_square_test() -> None:
    apart, p = unexpected(np.array([60_000.0, 40_000.0, 0.0]), np.array([96.0, 400.0, 4.0]))
    assert (apart.tolist(), float(p)) == ([False] * 3, 1.0)
    assert unexpected(np.zeros(2), np.zeros(2))[1] == 1


def test_rare_bins_seem_unexpected_no_more_often_than_they_say() -> None:
    rng = np.random.default_rng(13)
    quiet = np.array([0.9, 0.02, 0.02, 0.02, 0.02, 0.019, 0.001])
    p = np.array(
        [unexpected(*(rng.multinomial(n, quiet).astype(np.float64) for n in (100_000, 200)))[1] for _ in range(4_000)]
    )
    assert np.mean(p < 1) > 0.002  # a test that never looks would be no test
    assert np.mean(p <= 0.5) <= 0.05
    assert np.mean(p <= 0.1) <= 0.01


@given(TWO)
def test_psi_is_the_sum_over_shares_with_half_a_row_added(rows: list[tuple[int, int]]) -> None:
    reference, current = vectors(rows)
    expected = 0.0
    filled = [(was + 0.5, now + 0.5) for was, now in rows if was + now > 0]
    total_was, total_now = sum(was for was, _ in filled), sum(now for _, now in filled)
    for was, now in filled:
        p, q = was / total_was, now / total_now
        expected += (q - p) * math.log(q / p)
    assert psi(reference, current) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_psi_without_drift_is_its_null_mean_on_average() -> None:
    rng = np.random.default_rng(9)
    pairs = [(drawn(rng, 20_000, 10), drawn(rng, 500, 10)) for _ in range(2_000)]
    assert np.mean([psi(*pair) for pair in pairs]) == pytest.approx(psi_null_mean(*pairs[0]), rel=0.03)
    assert psi_null_mean(*pairs[0]) == pytest.approx(9 * (1 / 500 + 1 / 20_000))


@pytest.mark.parametrize(
    ("reference", "coarse"),
    [
        ([1.0] * 10, list(range(10))),
        ([5.0, 0.0, 5.0], [2, 5, 7]),
        ([0.0, 1.0, 0.0], [0, 5, 9]),
        ([10.0], [5]),
    ],
)
def test_coarse_bins_are_the_deciles_of_the_reference(reference: list[float], coarse: list[int]) -> None:
    assert parts(np.array(reference)).tolist() == coarse


def test_continuous_features_have_ten_coarse_bins_of_a_tenth_each() -> None:
    values = np.random.default_rng(2).normal(size=10_000)
    bins = number_bins(values)
    was = count(bins, Column(numbers=values))[: bins.size]
    assert np.bincount(parts(was), was) == pytest.approx(np.full(10, 1_000), abs=20)


@pytest.mark.parametrize(("rows", "cells"), [(60, 10), (50, 10), (40, 8), (31, 6), (10, 2)])
def test_fewer_rows_are_compared_over_fewer_cells_of_equal_size(rows: int, cells: int) -> None:
    reference, current = np.full((1, 100), 50.0), np.zeros((1, 100))
    current[0, ::-1][:rows] = 1.0  # all in the upper half and more
    found = coarse(reference, current, ordered=True)
    assert found.reference.shape[1] == cells
    assert found.reference.sum() == 5_000
    assert psi(found.reference, found.current)[0] > 0.1


@given(TWO)
def test_js_is_the_distance_of_scipy_to_base_two(rows: list[tuple[int, int]]) -> None:
    reference, current = vectors(rows)
    # scipy takes the root of what is a rounding error below zero for equal shares
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(jensenshannon(reference, current, base=2))
    assert js(reference, current) == pytest.approx(expected, abs=1e-7)
    assert js(reference, current) ** 2 == pytest.approx(expected**2, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_corrected_p_values_are_those_of_scipy(p: list[float]) -> None:
    values = np.array(p)
    assert benjamini_hochberg(values) == pytest.approx(stats.false_discovery_control(values), abs=1e-12)


def test_no_features_need_no_correction() -> None:
    assert len(benjamini_hochberg(np.empty(0))) == 0
