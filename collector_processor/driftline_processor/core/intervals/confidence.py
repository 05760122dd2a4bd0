"""Confidence intervals of shares, means, areas, differences and ratios.

Confidence intervals from sums: of shares, of means, of the area under a ROC curve.

A share is exact: Clopper and Pearson's interval, which never covers less than it says. With weights the number of rows
becomes the effective one of each side, and what one row more would weigh is asked for, too: of ten flagged rows that
were all right, and a hundredth of all others reviewed of which none was missed, recall may still be a half. Where
all weights are one it is the exact interval.

Source: Clopper and Pearson (1934); Wilson (1927); Fay and Feuer, "Confidence intervals for directly standardized
rates" (1997), whose gamma limits of weighted counts are taken for both sides of the share; Korn and Graubard (1998)
for the design effect in an exact interval; Zou and Donner, "Construction of confidence limits about effect measures"
(2008) for means and differences of metrics that have their own limits, and (2012) for quotients of them; Hanley and
McNeil (1982), DeLong (1988) and Qin and Hotilovac (2008) for the logit of the area under a ROC curve.

The ratio of two shares and how sure it is, where all rows weigh the same.

Rows are effective ones: those of shares of equal weights are Kish's, and need not be whole.
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
"""Positives, and negatives, from which on the area under a ROC curve has an interval: of 30 at an area of 0.98, what
calls itself 95 % covers 81 %."""

FEWEST_ROWS = 20
"""(Effective) rows from which on a mean has an interval: the fewest of docs/data/intervals.md (``mean-mae-20``)."""

FEWEST_TELLING = 10
"""The same of rows that make up the mean, most others being as good as nothing: of a loss that one row in a hundred
has, what calls itself 95 % covers 40 % of 50 rows and 87 % of 200."""


FAR = 300.0
"""The logarithm of a ratio beyond which none is looked for."""


class Interval(NamedTuple):
    """The interval of a metric.

    Attributes:
        low: Lower limit; None where unknown.
        high: Upper limit; None where unknown.
        method: Name of the method, such as ``clopper_pearson``; "" without an interval.
    """

    low: float | None
    high: float | None
    method: str


class WeightSums(NamedTuple):
    """Rows of one kind.

    Attributes:
        weight: Σw, ``squares``: Σw², ``more``: what one row more of them would weigh.
    """

    weight: float
    squares: float
    more: float = 1.0

    def spread(self, design: float) -> WeightSums:
        """Return the same when so many rows count as one."""
        return WeightSums(self.weight, self.squares * design, self.more * design)

    def with_one_more(self) -> WeightSums:
        """Return them with one row beside."""
        return WeightSums(self.weight + self.more, self.squares + self.more**2, self.more)

    @property
    def effective(self) -> float:
        """Return the effective rows, Kish's (Σw)² / Σw²."""
        return effective(self.weight, self.squares)


Form = Callable[[float, float, float, float], Interval]
"""A value, its variance, the confidence, degrees of freedom → its interval."""

TOO_FEW = Interval(None, None, "too_few_rows")
UNREVIEWED = Interval(None, None, "unreviewed")
NONE = Interval(None, None, "")

CONFIDENCE = 0.95
"""What intervals are sure of where nobody says: as usual (Fisher 1925)."""


@lru_cache(maxsize=64)
def normal_quantile(confidence: float) -> float:
    """Return the reach of a two-sided interval in standard deviations.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    return float(ndtri((1 + confidence) / 2))


def student_quantile(confidence: float, freedom: float) -> float:
    """Return the same of Student's t.

    >>> round(student_quantile(0.95, 10), 3), round(student_quantile(0.95, math.inf), 3)
    (2.228, 1.96)
    """
    return float(stdtrit(freedom, (1 + confidence) / 2)) if math.isfinite(freedom) else normal_quantile(confidence)


def clopper_pearson(hits: WeightSums, misses: WeightSums, confidence: float, design: float = 1.0) -> Interval:
    """Return the exact interval of Σw of hits / Σw of all.

    ``design``: how many rows, which resemble each other, count as one.

    >>> low, high, _ = clopper_pearson(WeightSums(19, 19), WeightSums(1, 1), 0.95)
    >>> round(low, 4), round(high, 4)
    (0.7513, 0.9987)
    >>> low, _, _ = clopper_pearson(WeightSums(10, 10), WeightSums(0, 0, 100), 0.95)  # one more miss weighs 100
    >>> round(low, 4)
    0.0219
    """
    hits, misses = hits.spread(design), misses.spread(design)
    if hits.weight + misses.weight <= 0:
        return NONE
    tail = (1 - confidence) / 2
    low = _quantile(hits, misses.with_one_more(), tail) if hits.weight > 0 else 0.0
    high = 1 - _quantile(misses, hits.with_one_more(), tail) if misses.weight > 0 else 1.0
    return Interval(low, high, "clopper_pearson")


def power_of_share(rows: int, share: float, limit: float, confidence: float) -> float:
    """Return the power of :func:`clopper_pearson` to separate a share from a limit, with rows of weight 1.

    ``share``: the true one; ``limit``: between 0 and 1.

    >>> round(power_of_share(1600, 0.93, 0.95, 0.95), 3), power_of_share(35, 1.0, 0.9, 0.95)
    (0.925, 0.0)
    """
    if share < limit:
        share, limit = 1 - share, 1 - limit
    tail = (1 - confidence) / 2
    hits = math.floor(bdtrik(1 - tail, rows, limit))  # of more, the limit has less than its tail
    hits += bool(bdtrc(hits, rows, limit) > tail)
    return float(bdtrc(hits, rows, share)) if hits < rows else 0.0


def _quantile(weight_sums: WeightSums, others: WeightSums, tail: float) -> float:
    """Return the quantile of a share of two gamma variables with the mean and variance of a weighted count."""
    share = _share_quantile(weight_sums.effective, others.effective, tail)
    weight_of_hits, weight_of_others = weight_sums.squares / weight_sums.weight, others.squares / others.weight
    return weight_of_hits * share / (weight_of_hits * share + weight_of_others * (1 - share))


@lru_cache(maxsize=4_096)
def _share_quantile(hits: float, misses: float, tail: float) -> float:
    """Return the quantile of a beta variable: half of the metrics of decisions ask of the same cells of a table."""
    return float(betaincinv(hits, misses, tail))


def has_equal_weights(hits: WeightSums, misses: WeightSums) -> bool:
    """Return True where all rows weigh the same, and so would one more.

    >>> nine = WeightSums(9, 9)
    >>> has_equal_weights(nine, WeightSums(1, 1)), has_equal_weights(nine, WeightSums(0, 0, 100))
    (True, False)
    """
    total = hits.weight + misses.weight
    weight_per_row = (hits.squares + misses.squares) / total if total > 0 else 1.0
    totals = [(total_weight.more, 1.0) for total_weight in (hits, misses)] + [
        (total_weight.squares, total_weight.weight) for total_weight in (hits, misses)
    ]
    # 1e-9: greatest relative difference by rounding between sums of equal weights
    return all(math.isclose(total_weight, weight_per_row * rows, rel_tol=1e-9) for total_weight, rows in totals)


def wilson(hits: WeightSums, misses: WeightSums, confidence: float, design: float = 1.0) -> Interval:
    """Return Wilson's interval: shorter, and right on average; at 20 rows and a share of 0.95 it covers 92.5 %.

    It knows nothing of weights: where rows do not weigh the same it is the exact one (Wilson 1927, JASA 22:209).

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
    """Return the variance of a (Hájek) share: Σw²(y - p)² / (Σw)².

    >>> share_variance(WeightSums(8, 8), WeightSums(2, 2))
    0.016
    """
    total = hits.weight + misses.weight
    p = hits.weight / total
    return ((1 - p) ** 2 * hits.squares + p**2 * misses.squares) / total**2


def student(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
    """Return value ± t √variance; too few where all rows are alike: those that differ have not come yet.

    >>> student(0.0, 0.0, 0.95)
    Interval(low=None, high=None, method='too_few_rows')
    """
    if variance <= 0:
        return TOO_FEW
    half = student_quantile(confidence, freedom) * math.sqrt(variance)
    return Interval(value - half, value + half, "normal")


def positive(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
    """Return the interval of something that is never below 0, such as a mean loss: on its logarithm.

    >>> low, high, _ = positive(2.0, 0.5**2, 0.95)
    >>> round(low, 3), round(high, 3)
    (1.225, 3.265)
    """
    if variance <= 0 or value <= 0:
        return TOO_FEW
    factor = math.exp(min(FAR, student_quantile(confidence, freedom) * math.sqrt(variance) / value))
    return Interval(value / factor, value * factor, "log")


def root(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
    """Return the interval of the root of a mean of squares, which is skewed; too few as :func:`student`.

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
    """Return the interval of something between 0 and 1, which is never outside.

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
    """Return the interval of an area under a ROC curve so near 0 or 1 that no logit tells how sure it is.

    ``pairs``: (effective) positives or negatives, the fewer. An area varies no more than a share of so many independent
    pairs does (van Dantzig, 1951), so its exact interval holds.

    >>> low, high, _ = interval_of_pairs(1.0, 100, 0.95)
    >>> round(low, 4), high
    (0.9638, 1.0)
    """
    won, lost = value * pairs, (1 - value) * pairs
    return clopper_pearson(WeightSums(won, won), WeightSums(lost, lost), confidence)


def interval_of_mean(values: Sequence[float], limits: Sequence[Interval], inflated: float = 1.0) -> Interval:
    """Return the interval of the plain mean of metrics that have limits of their own (MOVER).

    ``inflated``: the variance of the mean as a multiple of that of independent ones.

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
    """Return the interval of a difference of two independent metrics that have limits of their own (MOVER).

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
    """Return the limits of ``value / by``, two independent shares that have limits of their own (MOVER).

    0 where the one may be 0, infinite where the other may be.

    >>> low, high = quotient(0.9, Interval(0.8, 0.95, ""), 0.5, Interval(0.4, 0.6, ""))
    >>> round(low, 3), round(high, 3)
    (1.448, 2.264)
    """
    if of.low is None or of.high is None or than.low is None or than.high is None:
        return 0.0, math.inf
    product = value * by
    # what is under a root is never below 0 but by rounding: x (2 v - x) is at most v²
    below, above = of.low * (2 * value - of.low), than.high * (2 * by - than.high)
    divisor = product + math.sqrt(max(product**2 - below * above, 0.0))
    low = below / divisor if divisor > 0 else 0.0
    below, above = than.low * (2 * by - than.low), of.high * (2 * value - of.high)
    divided = product + math.sqrt(max(product**2 - below * above, 0.0))
    return low, divided / below if below > 0 else math.inf


class Share(NamedTuple):
    """A share of effective rows.

    Attributes:
        value: Share, 0 to 1.
        rows: Effective rows, greater than 0.
    """

    value: float
    rows: float


def ratio_interval(share: Share, other: Share, confidence: float) -> tuple[float, float]:
    """Return the score interval of ``one / other`` (Miettinen and Nurminen 1985, Statistics in Medicine 4:213).

    0 where ``share`` may be 0, infinite where ``other`` may be.

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
    """Return the squared score statistic of a ratio, at the most likely shares with that ratio."""
    n, m = share.rows, other.rows
    hits, other_hits = share.value * n, other.value * m
    a, b, c = (n + m) * ratio, -(n * ratio + hits + m + other_hits * ratio), hits + other_hits
    p = 2 * c / (-b + sqrt(max(b * b - 4 * a * c, 0.0)))  # of the two roots, without what cancels
    p = min(max(p, 0.0), 1.0, 1 / ratio if ratio > 1 else 1.0)
    q = min(ratio * p, 1.0)
    variance = (q * (1 - q) / n + ratio**2 * p * (1 - p) / m) * (n + m) / (n + m - 1)
    squared_distance = (share.value - ratio * other.value) ** 2
    return squared_distance / variance if variance > 0 else (0.0 if squared_distance == 0 else inf)
