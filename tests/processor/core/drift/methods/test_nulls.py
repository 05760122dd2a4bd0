"""Exact null distributions against scipy's exact tests, brute force and 200,000 random draws."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from driftline.tables.table import F64, I64
from driftline_processor.core.drift.methods.chi2 import chi2_terms
from driftline_processor.core.drift.methods.psi import psi_terms
from driftline_processor.core.drift.p_values import CERTAIN, CLEAR, FAR, Samples, ks_p_values, sum_p_values
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

SMALL = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=6)
ZIPF = 1 / np.arange(1, 101) / (1 / np.arange(1, 101)).sum()


def vectors(rows: list[tuple[int, int]]) -> tuple[F64, F64]:
    reference, current = np.array(rows, dtype=np.float64).T
    assume(reference.sum() > 0 and current.sum() > 0)
    return reference, current


def distance(was: F64, now: F64) -> F64:
    """KS of one or many pairs of counts, in the last axis."""
    apart = np.cumsum(was, -1) / was.sum(-1, keepdims=True) - np.cumsum(now, -1) / now.sum(-1, keepdims=True)
    return np.asarray(np.abs(apart).max(-1))


def as_floats(was: I64, now: I64) -> tuple[F64, F64]:
    return was.astype(np.float64), now.astype(np.float64)


class Sum:
    """Chi-square or PSI, as the product defines their terms, of one or many pairs of counts."""

    def __init__(self, kind: str, n: float, m: float, cells: int) -> None:
        self.of = Samples(n, m, cells)
        self.term = chi2_terms if kind == "chi2" else psi_terms
        self.unit = 1.0 if kind == "chi2" else 1 / n + 1 / m

    def cell(self, was: F64, now: F64) -> F64:
        return self.term(was, now, self.of)


def ks_tail(observed: float, was: F64, now: F64) -> float:
    return float(ks_p_values(np.array([observed]), was[np.newaxis], now[np.newaxis], FAR)[0])


def sum_tail(value: float, total: Sum, was: F64, now: F64) -> float:
    pair = was[np.newaxis], now[np.newaxis]
    return float(sum_p_values(np.array([value]), total.term, *pair, np.array([total.unit]), FAR)[0])


def every_split(both: I64, drawn: int) -> tuple[I64, F64]:
    """All ways to choose the window's rows out of all, and how likely each is."""
    ways = np.array([way for way in product(*(range(t + 1) for t in both)) if sum(way) == drawn])
    likely = np.prod([[math.comb(t, c) for t, c in zip(both, way, strict=True)] for way in ways.tolist()], axis=1)
    return ways, likely / math.comb(int(both.sum()), drawn)


@pytest.mark.slow
@given(SMALL)
def test_ks_is_exact_by_brute_force(rows: list[tuple[int, int]]) -> None:
    was, now = vectors(rows)
    both = (was + now).astype(np.int64)
    ways, likely = every_split(both, int(now.sum()))
    observed = float(distance(was, now))
    expected = likely[distance(*as_floats(both - ways, ways)) >= observed - 1e-9].sum()
    found = ks_tail(observed, was, now)
    if expected <= 0.02:
        assert found == pytest.approx(expected, rel=1e-9)
    else:
        assert found == pytest.approx(expected, rel=1e-9) or found > CLEAR


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["chi2", "psi"])
@given(rows=SMALL)
def test_sums_are_exact_by_brute_force(kind: str, rows: list[tuple[int, int]]) -> None:
    was, now = vectors(rows)
    was, now = was[was + now > 0], now[was + now > 0]
    assume(len(was) > 1)
    both = (was + now).astype(np.int64)
    ways, likely = every_split(both, int(now.sum()))
    total = Sum(kind, was.sum(), now.sum(), len(was))
    observed = float(total.cell(was, now).sum())
    sums = total.cell(*as_floats(both - ways, ways)).sum(axis=1)
    found = sum_tail(observed, total, was, now)
    # what lies within a step of the grid below the value may count as reached, and nothing that lies above is missed
    reached, about = likely[sums >= observed * (1 + 1e-9)].sum(), likely[sums >= observed * 0.97 - 1e-9].sum()
    assert reached - 1e-9 <= found <= about + 1e-9 or found > CLEAR


@pytest.mark.parametrize(("n", "m", "shift"), [(20, 15, 1.0), (200, 60, 0.6), (60, 200, 0.6), (1_000, 50, 0.8)])
def test_ks_of_values_without_ties_is_the_exact_test_of_scipy(n: int, m: int, shift: float) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=n), rng.normal(shift, 1, size=m)
    was = np.isin(np.sort(np.concatenate([a, b])), a).astype(np.float64)
    expected = stats.ks_2samp(a, b, method="exact")
    assert ks_tail(float(expected.statistic), was, 1 - was) == pytest.approx(expected.pvalue, rel=1e-6)


@pytest.mark.parametrize("now", [[20.0, 30.0], [3.0, 47.0], [0.0, 50.0]])
def test_two_cells_are_fishers_test(now: list[float]) -> None:
    was = np.array([8_000.0, 12_000.0]) if now[0] == 20 else np.array([4_000.0, 6_000.0])
    current = np.array(now)
    total = Sum("chi2", was.sum(), current.sum(), 2)
    value = float(total.cell(was, current).sum())
    both, m = was + current, int(current.sum())
    likely = stats.hypergeom(int(both.sum()), int(both[0]), m)
    k = np.arange(m + 1)
    expected = likely.pmf(k)[np.abs(k - likely.mean()) >= abs(current[0] - likely.mean()) - 1e-6].sum()
    if expected > CLEAR:
        assert sum_tail(value, total, was, current) > CLEAR
    else:
        assert sum_tail(value, total, was, current) == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "m", "shares", "draws"),
    [
        (100_000, 50, ZIPF, 50_000),
        (100_000, 50, np.array([0.6, 0.3, 0.1]), 200_000),
        (100_000, 200, np.array([0.97, 0.02, 0.01]), 200_000),
        (100_000, 500, np.array([0.9] + [0.01] * 10), 200_000),
        (1_000, 200, np.full(10, 0.1), 200_000),
        (300, 2_000, np.array([0.5, 0.4, 0.05, 0.05]), 200_000),
    ],
)
def test_a_tail_of_one_in_ten_thousand_is_what_random_draws_say(n: int, m: int, shares: F64, draws: int) -> None:
    rng = np.random.default_rng(7)
    both = np.rint(shares * (n + m)).astype(np.int64)
    n = int(both.sum()) - m
    drawn = rng.multivariate_hypergeometric(both, m, size=draws, method="marginals").astype(np.float64)
    for kind in ("chi2", "psi"):
        total = Sum(kind, n, m, len(both))
        sums = total.cell(both - drawn, drawn).sum(axis=1)
        order = np.argsort(sums)
        for place in (draws // 100, draws // 1_000, 20):
            at = int(order[-place])
            exceeding = int(np.count_nonzero(sums >= sums[at] * (1 - 1e-9)))
            if exceeding > CLEAR * draws:  # few cells, few values: a large step
                continue
            found = sum_tail(float(sums[at]), total, both - drawn[at], drawn[at])
            noise = 4 / math.sqrt(exceeding)  # four standard errors of the draws
            assert exceeding * (1 - noise) / 1.15 <= found * draws <= exceeding * (1 + noise) * 1.15


@pytest.mark.parametrize("shares", [np.full(100, 0.01), np.array([0.97, 0.02, 0.01]), np.array([0.3] + [0.01] * 70)])
@pytest.mark.parametrize("m", [50, 1_000, 20_000])
def test_ks_is_what_random_draws_say_with_ties_and_in_many_rows(shares: F64, m: int) -> None:
    rng = np.random.default_rng(3)
    both = np.rint(shares * (100_000 + m)).astype(np.int64)
    drawn = rng.multivariate_hypergeometric(both, m, size=20_000, method="marginals").astype(np.float64)
    found = distance(both - drawn, drawn)
    at = int(np.argsort(found)[-100])
    exceeding = int(np.count_nonzero(found >= found[at] - 1e-12))
    exact = ks_tail(float(found[at]), both - drawn[at], drawn[at])
    assert exact * 20_000 == pytest.approx(exceeding, rel=4 / math.sqrt(exceeding) + 0.1)


def test_a_p_value_of_one_in_a_trillion_is_no_rounding_error() -> None:
    was, now = np.array([50_000.0, 50_000.0]), np.array([500.0, 740.0])
    both = was + now
    likely = stats.hypergeom(int(both.sum()), int(both[0]), 1_240)
    k = np.arange(1_241)
    apart = abs(500 - likely.mean())
    expected = likely.pmf(k)[np.abs(k - likely.mean()) >= apart - 1e-6].sum()
    assert expected < 1e-10
    assert ks_tail(float(distance(was, now)), was, now) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["chi2", "psi"])
def test_a_p_value_below_the_limit_is_surely_below_it(kind: str) -> None:
    rng, bounded = np.random.default_rng(3), 0
    for seed in range(60):
        shares = rng.dirichlet(np.full(2 + seed % 4, 8.0))
        was = rng.multinomial(3_000, shares).astype(np.float64)
        moved = shares * np.exp(0.6 * rng.normal(size=len(shares)))
        now = rng.multinomial(150 * (1 + seed % 3), moved / moved.sum()).astype(np.float64)
        total = Sum(kind, was.sum(), now.sum(), len(was))
        value = np.array([float(total.cell(was, now).sum())])
        pair, unit = (was[np.newaxis], now[np.newaxis]), np.array([total.unit])
        exact, enough = (float(sum_p_values(value, total.term, *pair, unit, limit)[0]) for limit in (FAR, CERTAIN))
        assert enough == exact or max(enough, exact) <= CERTAIN
        bounded += enough != exact
    assert bounded >= 3


def test_ks_below_the_limit_is_no_smaller_than_it_is_exactly() -> None:
    rng = np.random.default_rng(5)
    was = np.full((40, 100), 300.0)
    now = np.stack([rng.multinomial(900, _tilted(at / 60)) for at in range(40)]).astype(np.float64)
    apart = distance(was, now)
    exact, enough = (ks_p_values(apart, was, now, limit) for limit in (FAR, CERTAIN))
    assert (enough >= exact).all()
    assert (enough[enough != exact] <= CERTAIN).all()
    assert np.count_nonzero(enough != exact) > 5


def _tilted(by: float) -> F64:
    shares = np.exp(by * np.linspace(-1.0, 1.0, 100))
    return np.asarray(shares / shares.sum())


@given(SMALL, st.floats(0.1, 3.0))
def test_effective_rows_that_are_no_whole_numbers_have_a_p_value_too(rows: list[tuple[int, int]], scale: float) -> None:
    was, now = vectors(rows)
    was, now = was * scale * 20, now * scale
    observed = float(distance(was, now))
    assert 0 <= ks_tail(observed, was, now) <= 1
    total = Sum("chi2", was.sum(), now.sum(), len(was))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(np.nansum(total.cell(was, now)))
    assert 0 <= sum_tail(value, total, was, now) <= 1
