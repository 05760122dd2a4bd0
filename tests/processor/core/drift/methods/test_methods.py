"""Each drift statistic against scipy and published formulas, from the same counts."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from driftline.panes.bins import count, number_bins
from driftline.tables.table import F64, Column
from driftline_processor.core.drift.coarse_bins import EXPECTED, coarse, parts, pool, pool_but, unexpected
from driftline_processor.core.drift.methods import METHODS, Counts
from driftline_processor.core.drift.methods.chi2 import chi2
from driftline_processor.core.drift.methods.ks import ks, ks_effect
from driftline_processor.core.drift.methods.method import counts_of_rows
from driftline_processor.core.drift.methods.psi import psi, psi_null_mean
from driftline_processor.core.drift.methods.share_distances import js
from driftline_processor.core.drift.p_values import benjamini_hochberg
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from tests.golden.drift_methods import GOLDEN, samples

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


SAID: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
SAMPLES = samples()


def counts(case: str) -> Counts:
    """Of labels: the counts of each. Of numbers: over the bins of a baseline."""
    was, now = SAMPLES[case]
    if case in ("labels", "flag"):
        labels = sorted(set(was.tolist()))
        one, other = (np.array([[np.sum(side == label) for label in labels]], dtype=np.float64) for side in (was, now))
        return Counts(one, other)
    bins = number_bins(was)
    one, other = (count(bins, Column(numbers=side))[np.newaxis, : bins.size] for side in (was, now))
    return Counts(one, other, bins.edges[np.newaxis])


def ours(method: str, case: str, *, exact: bool = False) -> float:
    of = counts_of_rows(*SAMPLES[case], number_bins(SAMPLES[case][0])) if exact else counts(case)
    return float(METHODS[method].counts(of).value[0])


def p_value(method: str, case: str, *, exact: bool = False) -> float:
    of = counts_of_rows(*SAMPLES[case], number_bins(SAMPLES[case][0])) if exact else counts(case)
    p, decides = METHODS[method].counts(of).p_value, METHODS[method].p_value
    if p is None and decides is not None:
        p = decides(of)
    assert p is not None
    return float(p[0])


@pytest.mark.parametrize("case", ["labels", "flag"])
@pytest.mark.parametrize("method", ["js", "hellinger", "l_infinity"])
def test_distances_of_categories_are_those_of_nannyml(case: str, method: str) -> None:
    assert ours(method, case) == pytest.approx(SAID["nannyml"][case][method], abs=1e-9)


def test_chi_square_is_that_of_nannyml_which_corrects_where_there_are_two_labels() -> None:
    assert ours("chi2", "labels") == pytest.approx(SAID["nannyml"]["labels"]["chi2"], rel=1e-9)
    assert SAID["nannyml"]["flag"]["chi2"] < ours("chi2", "flag") == pytest.approx(9.609271, abs=1e-6)


@pytest.mark.parametrize("case", ["labels", "flag"])
def test_distances_of_categories_are_those_of_evidently_but_for_the_logarithm(case: str) -> None:
    said = SAID["evidently"][case]
    assert ours("hellinger", case) == pytest.approx(said["hellinger"], abs=1e-9)
    assert ours("js", case) * math.sqrt(math.log(2)) == pytest.approx(said["js"], abs=1e-9)
    assert ours("psi", case) == pytest.approx(said["psi"], rel=0.005)  # half a row in each label


def test_the_proportion_test_is_evidentlys_z() -> None:
    assert p_value("proportion", "flag") == pytest.approx(SAID["evidently"]["flag"]["proportion p"], abs=1e-9)


def test_evidently_and_whylogs_take_the_reference_for_known_and_are_too_sure() -> None:
    for peer in ("evidently", "whylogs"):
        assert SAID[peer]["labels"]["chi2 p"] < 0.03 * p_value("chi2", "labels")


@pytest.mark.parametrize("case", ["normal", "skewed", "large"])
def test_distances_of_rows_are_those_of_nannyml(case: str) -> None:
    assert ours("ks", case, exact=True) == pytest.approx(SAID["nannyml"][case]["ks"], abs=1e-4)
    assert ours("wasserstein", case, exact=True) == pytest.approx(SAID["nannyml"][case]["wasserstein"], rel=0.02)
    assert ours("wasserstein_scaled", case) == pytest.approx(SAID["evidently"][case]["wasserstein_scaled"], rel=0.03)


@pytest.mark.parametrize("case", ["normal", "skewed"])
def test_p_values_of_rows_are_those_of_evidently_but_for_its_caps(case: str) -> None:
    said = SAID["evidently"][case]
    assert p_value("cramer_von_mises", case, exact=True) == pytest.approx(said["cramer_von_mises p"], rel=1e-5)
    assert p_value("ks", case, exact=True) == pytest.approx(said["ks p"], rel=0.01)
    assert p_value("anderson_darling", case, exact=True) < said["anderson_darling p"] == 0.001


def test_where_scipys_series_ends_evidently_is_never_sure() -> None:
    assert SAID["evidently"]["large"]["cramer_von_mises p"] > 1e-8  # a standard deviation, in 10,000 rows
    assert p_value("cramer_von_mises", "large") < 1e-100


def test_one_stray_value_blinds_the_peers_and_changes_nothing_here() -> None:
    for method in ("ks", "wasserstein_scaled", "hellinger", "js", "psi"):
        assert ours(method, "stray") == pytest.approx(ours(method, "large"), rel=0.06)
    assert p_value("mean_shift", "stray") < 1e-100
    nannyml, evidently, whylogs = (SAID[peer]["stray"] for peer in ("nannyml", "evidently", "whylogs"))
    assert nannyml["ks"] == pytest.approx(0.00002)
    assert nannyml["wasserstein"] > 19_000
    assert evidently["wasserstein_scaled"] < 0.005
    assert evidently["mean_shift p"] > 0.5
    assert evidently["psi"] < 0.1
    assert max(said["hellinger"] for said in (nannyml, evidently, whylogs)) < 0.01
