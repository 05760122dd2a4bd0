"""Exactly from rows: what scipy says of the same rows; and how far counts over bins can be from it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from driftline.panes.bins import NumberBins, count, number_bins
from driftline.tables.table import F64, Column
from driftline_processor.core.drift.methods import METHODS, Counts, Method
from driftline_processor.core.drift.methods.anderson_darling import anderson_darling_p_value
from driftline_processor.core.drift.methods.cramer_von_mises import cramer_von_mises_p_value
from driftline_processor.core.drift.methods.method import counts_of_rows, fences
from driftline_processor.core.drift.p_values import anderson_darling_tail, cramer_von_mises_tail
from scipy import stats
from scipy.spatial.distance import jensenshannon

Draw = Callable[[np.random.Generator, int], F64]

SHAPES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(50, 12, n),
    "log-normal": lambda rng, n: rng.lognormal(10, 0.8, n),
    "heavy tails": lambda rng, n: rng.standard_t(2, n),
    "zero-inflated": lambda rng, n: np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2, 50, n)),
    "few values": lambda rng, n: rng.binomial(12, 0.3, n).astype(np.float64),
    "many integers": lambda rng, n: rng.poisson(300, n).astype(np.float64),
    "years": lambda rng, n: rng.integers(1950, 2027, n).astype(np.float64),
    "timestamps": lambda rng, n: 1.7e9 + rng.exponential(86_400, n),
    "a sentinel": lambda rng, n: np.where(rng.random(n) < 0.02, 1e9, rng.normal(size=n)),
}
EXACT = [name for name, method in METHODS.items() if method.rows]


def pair(shape: str, n: int = 3_000, m: int = 700, moved: float = 0.3) -> tuple[F64, F64]:
    """Rows of a reference, and of a window that is moved by so many of the middle half's widths."""
    rng = np.random.default_rng(len(shape))
    reference, current = SHAPES[shape](rng, n), SHAPES[shape](rng, m)
    low, high = np.quantile(reference, [0.25, 0.75])
    step = (high - low) * moved
    return reference, current + (np.round(step) if (reference == np.round(reference)).all() else step)


def binned(reference: F64, current: F64, bins: NumberBins) -> Counts:
    was, now = (count(bins, Column(numbers=side))[: bins.size][np.newaxis] for side in (reference, current))
    return Counts(was, now, bins.edges[np.newaxis])


def exactly(name: str, reference: F64, current: F64, bins: NumberBins | None = None) -> tuple[float, float | None]:
    counts = counts_of_rows(reference, current, bins or NumberBins(np.empty(0)))
    found, decides = METHODS[name].counts(counts), METHODS[name].p_value
    p = found.p_value if found.p_value is not None or decides is None else decides(counts)
    return float(found.value[0]), None if p is None else float(p[0])


def clipped(values: F64, reference: F64, bins: NumberBins) -> F64:
    counts = binned(reference, reference, bins)
    low, high = fences(counts.reference, bins.edges[np.newaxis])[0].tolist()
    return values.clip(low, high)


@pytest.mark.parametrize("shape", SHAPES)
def test_ks_of_rows_is_that_of_scipy(shape: str) -> None:
    reference, current = pair(shape)
    assert exactly("ks", reference, current)[0] == pytest.approx(
        stats.ks_2samp(reference, current, method="asymp").statistic, abs=1e-9
    )


@pytest.mark.parametrize("shape", ["normal", "log-normal", "heavy tails", "timestamps"])
def test_cramer_von_mises_of_rows_without_ties_is_that_of_scipy(shape: str) -> None:
    reference, current = pair(shape, moved=0.05)
    expected = stats.cramervonmises_2samp(reference, current, method="asymptotic")
    value, p = exactly("cramer_von_mises", reference, current)
    assert value == pytest.approx(expected.statistic, rel=1e-9)
    assert p == pytest.approx(expected.pvalue, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_anderson_darling_of_rows_is_that_of_scipy_before_it_is_standardised(shape: str) -> None:
    reference, current = pair(shape, 300, 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # p-values beyond the table
        expected = stats.anderson_ksamp([reference, current]).statistic
    value, _ = exactly("anderson_darling", reference, current)
    one, _ = exactly("anderson_darling", reference[:150], current[50:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        two = stats.anderson_ksamp([reference[:150], current[50:]]).statistic
    deviation = scholz_stephens_deviation(300, 200)
    assert (value - 1) / deviation == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert (one - 1) / scholz_stephens_deviation(150, 150) == pytest.approx(two, rel=1e-9, abs=1e-9)


def scholz_stephens_deviation(n: int, m: int) -> float:
    """The standard deviation of A² without drift by their equation 4, sums and all."""
    total, h = n + m, 1 / n + 1 / m
    harmonic = float(np.sum(1 / np.arange(1, total)))
    tails = np.cumsum(1 / np.arange(total - 1, 1, -1))
    g = float(np.sum(tails / np.arange(2, total)))
    a = 4 * g - 6 + (10 - 6 * g) * h
    b = (2 * g - 4) * 4 + 16 * harmonic + (2 * g - 14 * harmonic - 4) * h - 8 * harmonic + 4 * g - 6
    c = (6 * harmonic + 2 * g - 2) * 4 + (4 * harmonic - 4 * g + 6) * 2 + (2 * harmonic - 6) * h + 4 * harmonic
    d = (2 * harmonic + 6) * 4 - 8 * harmonic
    variance = (a * total**3 + b * total**2 + c * total + d) / ((total - 1) * (total - 2) * (total - 3))
    return float(np.sqrt(variance))


@pytest.mark.parametrize(("n", "m"), [(60, 50), (1_000, 100), (20_000, 500)])
@pytest.mark.parametrize("p", [0.2, 0.1, 0.05, 0.025, 0.01, 0.005])
def test_anderson_darling_p_values_are_those_of_scipy_where_its_table_has_any(n: int, m: int, p: float) -> None:
    # scipy's own critical values of the standardised statistic are fitted to simulations: 3 % is what they agree to
    rng = np.random.default_rng(3)
    shift = stats.norm.isf(p / 2) * np.sqrt(1 / n + 1 / m)
    reference, current = rng.normal(size=n), rng.normal(shift, 1, size=m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = float(stats.anderson_ksamp([reference, current]).pvalue)
    value, found = exactly("anderson_darling", reference, current)
    assert value >= 0
    assert found is not None
    if 0.001 < expected < 0.25:
        assert found == pytest.approx(expected, rel=0.06)
    else:
        assert found <= 0.0011 or found >= 0.24


def test_the_limit_laws_are_those_of_scipy_and_of_the_published_tables() -> None:
    x = np.array([0.05, 0.1, 0.2, 0.3473, 0.46136, 0.74346, 1.16786])
    published = [0.10, 0.05, 0.01, 0.001]  # Anderson and Darling (1952); Csörgő and Faraway (1996)
    assert cramer_von_mises_tail(x[3:]) == pytest.approx(published, rel=1e-4)
    rng = np.random.default_rng(1)
    terms = np.arange(1, 400)
    squares = rng.chisquare(1, (20_000, len(terms)))
    for tail, weights in (
        (cramer_von_mises_tail, 1 / (np.pi * terms) ** 2),
        (anderson_darling_tail, 1 / (terms * (terms + 1))),
    ):
        drawn = squares @ weights
        for level in (0.9, 0.5, 0.1, 0.01):
            at = np.quantile(drawn, 1 - level)
            assert float(tail(np.array(at))) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 20_000))
    assert anderson_darling_tail(np.array([1.933, 2.492, 3.857])) == pytest.approx([0.1, 0.05, 0.01], rel=0.025)
    deep = anderson_darling_tail(np.array([10.0, 20.0, 40.0]))
    assert np.log(deep[0] / deep[1]) == pytest.approx(10, abs=0.5)  # e^-x, as the greatest of the weights says
    assert np.log(deep[1] / deep[2]) == pytest.approx(20, abs=0.5)


@pytest.mark.parametrize("shape", SHAPES)
def test_wasserstein_of_rows_is_that_of_scipy_of_the_clipped_rows(shape: str) -> None:
    reference, current = pair(shape)
    bins = number_bins(reference)
    one, other = clipped(reference, reference, bins), clipped(current, reference, bins)
    expected = stats.wasserstein_distance(one, other)
    assert exactly("wasserstein", reference, current, bins)[0] == pytest.approx(expected, rel=1e-9)
    assert exactly("wasserstein_scaled", reference, current, bins)[0] == pytest.approx(expected / one.std(), rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mean_shift_of_rows_is_welchs_test_of_scipy_of_the_clipped_rows(shape: str) -> None:
    reference, current = pair(shape, moved=0.03)
    bins = number_bins(reference)
    one, other = clipped(reference, reference, bins), clipped(current, reference, bins)
    expected = stats.ttest_ind(other, one, equal_var=False)
    value, p = exactly("mean_shift", reference, current, bins)
    assert value == pytest.approx(other.mean() - one.mean(), rel=1e-9, abs=1e-9 * float(one.std()))
    assert p == pytest.approx(expected.pvalue, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("moved", [0.0, 0.05, 0.3, 2.0])
def test_counts_over_bins_are_within_their_bound_of_the_rows(name: str, shape: str, moved: float) -> None:
    reference, current = pair(shape, moved=moved)
    bins = number_bins(reference)
    counts = binned(reference, current, bins)
    from_bins = float(METHODS[name].counts(counts).value[0])
    from_rows = exactly(name, reference, current, bins)[0]
    bound = METHODS[name].bound
    if bound is None:
        assert from_bins == pytest.approx(from_rows, rel=0.35 if moved > 1 else 0.2)
        return
    slack = float(bound(counts)[0])
    assert abs(from_bins - from_rows) <= slack + 1e-9 * max(1.0, abs(from_rows))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("moved", [0.0, 0.05, 0.3])
def test_counts_over_bins_are_much_nearer_to_the_rows_than_their_bound(shape: str, moved: float) -> None:
    reference, current = pair(shape, moved=moved)
    bins = number_bins(reference)
    counts = binned(reference, current, bins)

    def apart(name: str) -> float:
        return abs(float(METHODS[name].counts(counts).value[0]) - exactly(name, reference, current, bins)[0])

    deviation = float(clipped(reference, reference, bins).std())
    assert apart("ks") <= 0.01
    assert apart("cramer_von_mises") <= 0.08 * exactly("cramer_von_mises", reference, current, bins)[0]
    assert apart("wasserstein") <= 0.02 * deviation
    assert apart("mean_shift") <= 0.03 * deviation


@pytest.mark.parametrize("name", EXACT)
def test_the_bound_is_tight_enough_to_be_of_use(name: str) -> None:
    reference, current = pair("normal", 50_000, 5_000)
    counts = binned(reference, current, number_bins(reference))
    bound = METHODS[name].bound
    if bound is not None:
        assert float(bound(counts)[0]) <= 0.3 * float(METHODS[name].counts(counts).value[0])


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].kinds & {"category"}])
def test_rows_say_nothing_else_where_the_definition_is_over_bins(name: str) -> None:
    assert METHODS[name].bound is None
    assert not METHODS[name].rows


def shares(seed: int) -> tuple[F64, F64]:
    rng = np.random.default_rng(seed)
    was, now = rng.integers(50, 500, (2, 8)).astype(np.float64)
    return was, now


def of_shares(name: str, was: F64, now: F64) -> float:
    method: Method = METHODS[name]
    return float(method.counts(Counts(was[np.newaxis], now[np.newaxis])).value[0])


@pytest.mark.parametrize("seed", range(5))
def test_distances_of_shares_are_those_of_scipy(seed: int) -> None:
    was, now = shares(seed)
    p, q = was / was.sum(), now / now.sum()
    assert of_shares("js", was, now) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-9)
    assert of_shares("hellinger", was, now) == pytest.approx(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / 2**0.5, abs=1e-9)
    assert of_shares("total_variation", was, now) == pytest.approx(np.linalg.norm(p - q, 1) / 2, abs=1e-9)
    assert of_shares("l_infinity", was, now) == pytest.approx(np.linalg.norm(p - q, np.inf), abs=1e-9)


@pytest.mark.parametrize(("was", "now"), [((700, 300), (130, 90)), ((99_000, 1_000), (950, 50)), ((5_000, 9), (20, 4))])
def test_the_proportion_test_is_the_z_test_or_the_binomial_one(was: tuple[int, int], now: tuple[int, int]) -> None:
    counts = Counts(np.array([was], dtype=np.float64), np.array([now], dtype=np.float64))
    found = METHODS["proportion"].counts(counts)
    assert found.value[0] == pytest.approx(now[1] / sum(now) - was[1] / sum(was), abs=1e-12)
    assert found.p_value is not None
    expected = stats.contingency.expected_freq([was, now])
    if expected.min() >= 5:
        p = stats.chi2_contingency([was, now], correction=False).pvalue
    else:
        share = sum(now) / (sum(was) + sum(now))
        p = 2 * min(stats.binom.sf(now[1] - 1, was[1] + now[1], share), stats.binom.cdf(now[1], was[1] + now[1], share))
    assert found.p_value[0] == pytest.approx(p, rel=1e-9)


def test_cramer_von_mises_p_values_are_right_where_scipy_ends() -> None:
    n, m = np.array([1e5]), np.array([1e4])
    p = [float(cramer_von_mises_p_value(np.array([t]), n, m)[0]) for t in (2.0, 4.0, 8.0)]
    assert p[0] == pytest.approx(1.278e-5, rel=0.01)
    # exp(-π² x / 2) beyond, as the greatest of the weights says
    assert np.log(p[0] / p[1]) == pytest.approx(np.pi**2, abs=0.5)
    assert np.log(p[1] / p[2]) == pytest.approx(2 * np.pi**2, abs=0.5)
    assert float(anderson_darling_p_value(np.array([1.0]), n, m)[0]) > 0.3
