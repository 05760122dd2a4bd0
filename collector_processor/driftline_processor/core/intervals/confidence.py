"""Confidence intervals, from sums, of fractions, means, areas under a ROC curve, differences and ratios.

The interval of a fraction is exact: Clopper and Pearson's, whose coverage is never below the nominal one. With weights
it uses the effective rows of each side, and the weight that one more row could have. For example, with ten flagged rows
that are all correct, and a hundredth of all others reviewed without a missed positive, recall may still be 0.5. With
weights of one it is the exact interval. The score interval of a ratio of two fractions requires equal weights;
effective rows (Kish) need not be whole.

Source: Clopper and Pearson (1934); Wilson (1927); Fay and Feuer, "Confidence intervals for directly standardized rates"
(1997), whose gamma limits of weighted counts are used for both sides of a fraction; Korn and Graubard (1998) for the
design effect in an exact interval; Zou and Donner, "Construction of confidence limits about effect measures" (2008) for
means and differences of metrics with their own limits, and (2012) for their quotients; Hanley and McNeil (1982), DeLong
(1988) and Qin and Hotilovac (2008) for the logit of the area under a ROC curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import exp, inf, log, sqrt
from typing import NamedTuple

from driftline_processor.core.outcomes.sums import effective
from driftline_processor.core.special_functions import bdtrc, bdtrik, betaincinv, expit, ndtri, stdtrit

FEWEST_OF_A_CLASS = 50
"""Minimum positives, and negatives, for an interval of the area under a ROC curve: with 30 and an area of 0.98, a
nominal 95 % interval covers 81 %.
"""

FEWEST_ROWS = 20
"""Minimum (effective) rows for the interval of a mean: the fewest of evidence/coverage.json (``mean-mae-20``)."""

FEWEST_TELLING = 10
"""Minimum (effective) rows that determine a mean, if most others are nearly zero: for a loss of one row in a hundred, a
nominal 95 % interval covers 40 % with 50 rows and 87 % with 200.
"""


FAR = 300.0
"""Limit of the logarithm of a ratio."""


class Interval(NamedTuple):
    """The interval of a metric.

    Attributes:
        low: Lower limit; None if unknown.
        high: Upper limit; None if unknown.
        method: Name of the method, such as ``clopper_pearson``; "" without an interval.
    """

    low: float | None
    high: float | None
    method: str


class WeightSums(NamedTuple):
    """Sums of weights over rows of one kind.

    Attributes:
        weight: Σw.
        squares: Σw².
        more: Weight of one more row of this kind.
    """

    weight: float
    squares: float
    more: float = 1.0

    def with_design(self, design: float) -> WeightSums:
        """Return the sums with a design effect."""
        return WeightSums(self.weight, self.squares * design, self.more * design)

    def with_one_more(self) -> WeightSums:
        """Return the sums with one more row."""
        return WeightSums(self.weight + self.more, self.squares + self.more**2, self.more)

    @property
    def effective(self) -> float:
        """Effective rows, Kish's (Σw)² / Σw²."""
        return effective(self.weight, self.squares)


Form = Callable[[float, float, float, float], Interval]
"""Function from a value, its variance, the confidence, and degrees of freedom to an interval."""

TOO_FEW = Interval(None, None, "too_few_rows")
UNREVIEWED = Interval(None, None, "unreviewed")
NONE = Interval(None, None, "")

CONFIDENCE = 0.95
"""Default confidence of intervals (Fisher 1925)."""

NORMAL = 1.959963984540054
"""``normal_quantile(CONFIDENCE)``, written down, since scipy is loaded late."""


@lru_cache(maxsize=64)
def normal_quantile(confidence: float) -> float:
    """Return the half width of a two-sided normal interval in standard deviations.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    return float(ndtri((1 + confidence) / 2))


def student_quantile(confidence: float, freedom: float) -> float:
    """Return the half width of a two-sided Student's t interval in standard deviations.

    >>> round(student_quantile(0.95, 10), 3), round(student_quantile(0.95, math.inf), 3)
    (2.228, 1.96)
    """
    return float(stdtrit(freedom, (1 + confidence) / 2)) if math.isfinite(freedom) else normal_quantile(confidence)


def clopper_pearson(hits: WeightSums, misses: WeightSums, confidence: float, design: float = 1.0) -> Interval:
    """Return the exact interval of Σw of hits / Σw of all.

    ``design``: design effect of correlated rows.

    >>> low, high, _ = clopper_pearson(WeightSums(19, 19), WeightSums(1, 1), 0.95)
    >>> round(low, 4), round(high, 4)
    (0.7513, 0.9987)
    >>> low, _, _ = clopper_pearson(WeightSums(10, 10), WeightSums(0, 0, 100), 0.95)  # one more miss weighs 100
    >>> round(low, 4)
    0.0219
    """
    hits, misses = hits.with_design(design), misses.with_design(design)
    if hits.weight + misses.weight <= 0:
        return NONE
    tail = (1 - confidence) / 2
    low = _quantile(hits, misses.with_one_more(), tail) if hits.weight > 0 else 0.0
    high = 1 - _quantile(misses, hits.with_one_more(), tail) if misses.weight > 0 else 1.0
    return Interval(low, high, "clopper_pearson")


def power_of_share(rows: int, share: float, limit: float, confidence: float) -> float:
    """Return the power of :func:`clopper_pearson` to separate a fraction from a limit, with rows of weight 1.

    ``share``: true fraction; ``limit``: between 0 and 1.

    >>> round(power_of_share(1600, 0.93, 0.95, 0.95), 3), power_of_share(35, 1.0, 0.9, 0.95)
    (0.925, 0.0)
    """
    if share < limit:
        share, limit = 1 - share, 1 - limit
    tail = (1 - confidence) / 2
    hits = math.floor(bdtrik(1 - tail, rows, limit))  # with more hits, the probability at the limit is below the tail
    hits += bool(bdtrc(hits, rows, limit) > tail)
    return float(bdtrc(hits, rows, share)) if hits < rows else 0.0


def _quantile(weight_sums: WeightSums, others: WeightSums, tail: float) -> float:
    """Return the quantile of the ratio of two gamma variables with the mean and variance of weighted counts."""
    share = _share_quantile(weight_sums.effective, others.effective, tail)
    weight_of_hits, weight_of_others = weight_sums.squares / weight_sums.weight, others.squares / others.weight
    return weight_of_hits * share / (weight_of_hits * share + weight_of_others * (1 - share))


@lru_cache(maxsize=4_096)
def _share_quantile(hits: float, misses: float, tail: float) -> float:
    """Return the quantile of a beta variable; cached, as half of the metrics of decisions use the same cells."""
    return float(betaincinv(hits, misses, tail))


def has_equal_weights(hits: WeightSums, misses: WeightSums) -> bool:
    """Return True if all rows have the same weight, and one more row would have it as well.

    >>> nine = WeightSums(9, 9)
    >>> has_equal_weights(nine, WeightSums(1, 1)), has_equal_weights(nine, WeightSums(0, 0, 100))
    (True, False)
    """
    total = hits.weight + misses.weight
    weight_per_row = (hits.squares + misses.squares) / total if total > 0 else 1.0
    totals = [(total_weight.more, 1.0) for total_weight in (hits, misses)] + [
        (total_weight.squares, total_weight.weight) for total_weight in (hits, misses)
    ]
    # 1e-9: maximum relative rounding error between sums of equal weights
    return all(math.isclose(total_weight, weight_per_row * rows, rel_tol=1e-9) for total_weight, rows in totals)


def wilson(hits: WeightSums, misses: WeightSums, confidence: float, design: float = 1.0) -> Interval:
    """Return Wilson's interval (Wilson 1927, JASA 22:209), with correct coverage on average.

    It is shorter than the exact one; with 20 rows and a fraction of 0.95 it covers 92.5 %. It does not support weights:
    if weights differ, the exact interval is returned.

    >>> low, high, _ = wilson(WeightSums(19, 19), WeightSums(1, 1), 0.95)
    >>> round(low, 4), round(high, 4)
    (0.7639, 0.9911)
    """
    total = hits.weight + misses.weight
    if total <= 0:
        return NONE
    if not has_equal_weights(hits, misses):
        return clopper_pearson(hits, misses, confidence, design)
    p, n = hits.weight / total, effective(total, hits.squares + misses.squares) / design
    z = normal_quantile(confidence)
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
    low, high = ((middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    return Interval(max(0.0, low), min(1.0, high), "wilson")


def share_variance(hits: WeightSums, misses: WeightSums) -> float:
    """Return the variance of a (Hájek) fraction: Σw²(y - p)² / (Σw)².

    >>> share_variance(WeightSums(8, 8), WeightSums(2, 2))
    0.016
    """
    total = hits.weight + misses.weight
    p = hits.weight / total
    return ((1 - p) ** 2 * hits.squares + p**2 * misses.squares) / total**2


def student(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
    """Return value ± t √variance; too few rows if all are equal, since others may follow.

    >>> student(0.0, 0.0, 0.95)
    Interval(low=None, high=None, method='too_few_rows')
    """
    if variance <= 0:
        return TOO_FEW
    half = student_quantile(confidence, freedom) * math.sqrt(variance)
    return Interval(value - half, value + half, "normal")


def positive(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
    """Return the interval of a nonnegative value, such as a mean loss, on the logarithmic scale.

    >>> low, high, _ = positive(2.0, 0.5**2, 0.95)
    >>> round(low, 3), round(high, 3)
    (1.225, 3.265)
    """
    if variance <= 0 or value <= 0:
        return TOO_FEW
    factor = math.exp(min(FAR, student_quantile(confidence, freedom) * math.sqrt(variance) / value))
    return Interval(value / factor, value * factor, "log")


def root(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
    """Return the interval of the root of a mean of squares, which is skewed; too few rows as in :func:`student`.

    ``value``, ``variance``: of the mean.

    >>> low, high, _ = root(4.0, 0.5**2, 0.95)
    >>> round(low, 3), round(high, 3)
    (1.769, 2.261)
    """
    if variance <= 0:
        return TOO_FEW
    factor = math.exp(min(FAR, student_quantile(confidence, freedom) * math.sqrt(variance) / value))
    return Interval(math.sqrt(value / factor), math.sqrt(value * factor), "log")


def logit(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
    """Return the interval of a value between 0 and 1 on the logit scale.

    >>> low, high, _ = logit(0.9, 0.02**2, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.853, 0.933)
    """
    if not 0 < value < 1:
        return NONE
    if variance <= 0:
        return TOO_FEW
    log_odds, half = math.log(value / (1 - value)), math.sqrt(variance) / (value * (1 - value))
    half *= student_quantile(confidence, freedom)
    low, high = (float(expit(log_odds + sign * half)) for sign in (-1, 1))
    return Interval(low, high, "logit")


def interval_of_pairs(value: float, pairs: float, confidence: float) -> Interval:
    """Return the interval of an area under a ROC curve too near 0 or 1 for the logit scale.

    ``pairs``: (effective) positives or negatives, the smaller number. The variance of an area is at most that of a
    fraction of this number of independent pairs (van Dantzig, 1951), so the exact interval of the fraction is valid.

    >>> low, high, _ = interval_of_pairs(1.0, 100, 0.95)
    >>> round(low, 4), high
    (0.9638, 1.0)
    """
    won, lost = value * pairs, (1 - value) * pairs
    return clopper_pearson(WeightSums(won, won), WeightSums(lost, lost), confidence)


def interval_of_mean(values: Sequence[float], limits: Sequence[Interval], inflated: float = 1.0) -> Interval:
    """Return the interval of the unweighted mean of metrics with limits of their own (MOVER).

    ``inflated``: variance of the mean relative to that of independent metrics.

    >>> both = [Interval(0.8, 0.95, ""), Interval(0.4, 0.6, "")]
    >>> low, high, _ = interval_of_mean([0.9, 0.5], both)
    >>> round(low, 3), round(high, 3)
    (0.629, 0.756)
    """
    middle, k = sum(values) / len(values), len(values) / math.sqrt(inflated)
    below = math.sqrt(sum((value - (limit.low or 0.0)) ** 2 for value, limit in zip(values, limits, strict=True))) / k
    above = math.sqrt(sum(((limit.high or 0.0) - value) ** 2 for value, limit in zip(values, limits, strict=True))) / k
    return Interval(max(0.0, middle - below), min(1.0, middle + above), "mover")


def difference(value: float, of: Interval, less: float, than: Interval) -> Interval:
    """Return the interval of the difference of two independent metrics with limits of their own (MOVER).

    >>> low, high, _ = difference(0.9, Interval(0.8, 0.95, ""), 0.5, Interval(0.4, 0.6, ""))
    >>> round(low, 3), round(high, 3)
    (0.259, 0.512)
    """
    if of.low is None or of.high is None or than.low is None or than.high is None:
        return NONE
    change = value - less
    return Interval(
        change - math.hypot(value - of.low, than.high - less),
        change + math.hypot(of.high - value, less - than.low),
        of.method,
    )


def quotient(value: float, of: Interval, by: float, than: Interval) -> tuple[float, float]:
    """Return the limits of ``value / by``, two independent fractions with limits of their own (MOVER).

    0 if the numerator may be 0, infinite if the denominator may be.

    >>> low, high = quotient(0.9, Interval(0.8, 0.95, ""), 0.5, Interval(0.4, 0.6, ""))
    >>> round(low, 3), round(high, 3)
    (1.448, 2.264)
    """
    if of.low is None or of.high is None or than.low is None or than.high is None:
        return 0.0, math.inf
    product = value * by
    # the radicand is negative only by rounding, since x (2 v - x) is at most v²
    below, above = of.low * (2 * value - of.low), than.high * (2 * by - than.high)
    divisor = product + math.sqrt(max(product**2 - below * above, 0.0))
    low = below / divisor if divisor > 0 else 0.0
    below, above = than.low * (2 * by - than.low), of.high * (2 * value - of.high)
    divided = product + math.sqrt(max(product**2 - below * above, 0.0))
    return low, divided / below if below > 0 else math.inf


class Share(NamedTuple):
    """A fraction of effective rows.

    Attributes:
        value: Fraction, 0 to 1.
        rows: Effective rows, greater than 0.
    """

    value: float
    rows: float


def ratio_interval(share: Share, other: Share, confidence: float) -> tuple[float, float]:
    """Return the score interval of ``share / other`` (Miettinen and Nurminen 1985, Statistics in Medicine 4:213).

    0 if ``share`` may be 0, infinite if ``other`` may be.

    >>> [round(end, 4) for end in ratio_interval(Share(0.1, 100), Share(0.2, 100), 0.95)]
    [0.2481, 0.9949]
    """
    limit = normal_quantile(confidence) ** 2
    inside = FAR if other.value <= 0 else -FAR if share.value <= 0 else log(share.value / other.value)
    low = 0.0 if share.value <= 0 else exp(_crossing(share, other, limit, inside, -FAR))
    high = inf if other.value <= 0 else exp(_crossing(share, other, limit, inside, FAR))
    return low, high


def _crossing(share: Share, other: Share, limit: float, inside: float, outside: float) -> float:
    """Return the logarithm of the ratio at which the score statistic reaches the limit, by bisection."""
    while abs(outside - inside) > 1e-14 * max(1.0, abs(outside)):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if _score(share, other, exp(middle)) <= limit:
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _score(share: Share, other: Share, ratio: float) -> float:
    """Return the squared score statistic of a ratio, at the most likely fractions with that ratio."""
    n, m = share.rows, other.rows
    hits, other_hits = share.value * n, other.value * m
    a, b, c = (n + m) * ratio, -(n * ratio + hits + m + other_hits * ratio), hits + other_hits
    p = 2 * c / (-b + sqrt(max(b * b - 4 * a * c, 0.0)))  # the root without cancellation
    p = min(max(p, 0.0), 1.0, 1 / ratio if ratio > 1 else 1.0)
    q = min(ratio * p, 1.0)
    variance = (q * (1 - q) / n + ratio**2 * p * (1 - p) / m) * (n + m) / (n + m - 1)
    squared_distance = (share.value - ratio * other.value) ** 2
    return squared_distance / variance if variance > 0 else (0.0 if squared_distance == 0 else inf)
