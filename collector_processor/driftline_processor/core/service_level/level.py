"""Service level of a pane: error rate and quantiles of latency, each with its interval.

Latency covers calls that returned, since calls that fail at once would improve it. The error rate is a fraction of all
calls. Intervals describe other calls in the same period, as if each failed independently; they do not predict the next
window.

The interval of a quantile is distribution-free: it lies between two order statistics, whose ranks follow from the
binomial distribution (Conover, Practical Nonparametric Statistics, 1999, section 3.2). Its ends are moved outward to
the bounds of their bins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from msgspec import Struct

from driftline_processor.core.evaluation import MetricValue, ServiceLevel
from driftline_processor.core.intervals.confidence import TOO_FEW, WeightSums, clopper_pearson, wilson
from driftline_processor.core.special_functions import bdtrik

from .sums import BINS, BOUNDS, CALLS, FAILED, LATENCY, LEAST, LONGEST, MOST, OTHER_ERROR

ERROR_RATE: Final = "error_rate"
AVAILABILITY: Final = "availability"
LATENCIES: Final[Mapping[str, float]] = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
"""Metric → its quantile."""

METRICS: Final = (*LATENCIES, ERROR_RATE, AVAILABILITY)
"""Metrics of service objectives."""

Shares = Literal["clopper_pearson", "wilson"]

_LOWER = np.array([0.0, *BOUNDS])
_UPPER = np.array([*BOUNDS, LONGEST])


class Ranks(NamedTuple):
    """Ranks of the order statistics around a quantile; 0 and None are outside the sample."""

    low: int
    high: int | None


class Calls(Struct, frozen=True, eq=False):
    """The calls of a pane.

    Attributes:
        rows: Rows with a known failure state or duration.
        weight: Calls that returned or failed; 0.0 if unknown.
        errors: Error type → failed calls.
        design_effect: Design effect of weights, Σw² / Σw.
        lower_counts: Returned calls by bin of latency, with the lower bound of each duration: float64 (bins,).
        upper_counts: The same with the upper bound of each duration.
    """

    rows: int
    weight: float
    errors: Mapping[str, float]
    design_effect: float
    lower_counts: F64
    upper_counts: F64

    @classmethod
    def of(cls, pane: Pane) -> Calls | None:
        """Read the calls of a pane; None without calls."""
        parts = pane.parts
        nothing = np.zeros(BINS)
        counts_by_part = {part: parts.get(part, nothing) for part in (LATENCY, LEAST, MOST)}
        n, weight, squares = parts.get(CALLS, np.zeros(3)).tolist()
        if any(len(counts) != BINS for counts in counts_by_part.values()):
            return None
        lowest_counts, highest_counts = (
            counts_by_part[LATENCY] + counts_by_part[LEAST],
            counts_by_part[LATENCY] + counts_by_part[MOST],
        )
        if weight <= 0 and lowest_counts.sum() <= 0:
            return None
        errors = {
            part.removeprefix(FAILED): float(counts[0]) for part, counts in parts.items() if part.startswith(FAILED)
        }
        weight_per_call = squares / weight if weight > 0 else 1.0
        return cls(
            round(n) or round(float(lowest_counts.sum())),
            weight,
            errors,
            weight_per_call,
            lowest_counts,
            highest_counts,
        )

    @property
    def failed(self) -> float:
        """Weight of the calls that failed."""
        return min(sum(self.errors.values()), self.weight)

    def error_rate(self, confidence: float, shares: Shares = "clopper_pearson") -> MetricValue | None:
        """Return the fraction of calls that failed; None if unknown."""
        if self.weight <= 0:
            return None
        failed, returned = self.failed, self.weight - self.failed
        interval = wilson if shares == "wilson" else clopper_pearson
        hits, misses = (
            WeightSums(weight, weight * self.design_effect, self.design_effect) for weight in (failed, returned)
        )
        low, high, method = interval(hits, misses, confidence)
        effective = None if self.design_effect == 1 else self.weight / self.design_effect
        return MetricValue(
            value=failed / self.weight,
            rows=self.rows,
            source="panes",
            bound=0.0,
            low=low,
            high=high,
            interval=method,
            effective_rows=effective,
        )

    def latency(self, quantile: float, confidence: float) -> MetricValue | None:
        """Return a quantile of latency in seconds; None if no duration is known.

        ``bound``: maximum difference from the quantile of the calls themselves. The upper end is None if too few calls
        could be slower.
        """
        total = float(self.lower_counts.sum())
        if total <= 0:
            return None
        rank = quantile * total
        first, last = _bin_of(self.lower_counts, rank), _bin_of(self.upper_counts, rank)
        value = math.sqrt(_within(self.lower_counts, first, rank) * _within(self.upper_counts, last, rank))
        bound = max(value - float(_LOWER[first]), float(_UPPER[last]) - value)
        ranks = quantile_ranks(total / self.design_effect, quantile, confidence)
        low, high = 0.0, None
        if ranks.low:
            lower = float(_LOWER[_bin_of(self.lower_counts, ranks.low * self.design_effect)])
            low = float(np.nextafter(lower, np.inf)) if lower > 0 else 0.0  # 0 for the first bin
        if ranks.high is not None:
            high = float(_UPPER[_bin_of(self.upper_counts, ranks.high * self.design_effect)])
        effective = None if self.design_effect == 1 else total / self.design_effect
        method = TOO_FEW.method if high is None else "order"
        return MetricValue(
            value=value,
            rows=round(total),
            source="panes",
            bound=bound,
            low=low,
            high=high,
            interval=method,
            effective_rows=effective,
        )

    def share_within(self, limit: float) -> float | None:
        """Return the fraction of returned calls that certainly took at most ``limit`` seconds."""
        total = float(self.upper_counts.sum())
        return (
            float(self.upper_counts[: np.searchsorted(_UPPER, limit, side="right")].sum()) / total
            if total > 0
            else None
        )

    def level(self, confidence: float, shares: Shares = "clopper_pearson") -> ServiceLevel:
        """Return the service level."""
        values = {name: self.latency(quantile, confidence) for name, quantile in LATENCIES.items()}
        values[ERROR_RATE] = self.error_rate(confidence, shares)
        errors = sorted(self.errors.items(), key=lambda entry: (entry[0] == OTHER_ERROR, -entry[1], entry[0]))
        return ServiceLevel(
            round(self.weight) or round(float(self.lower_counts.sum())),
            round(self.failed),
            {error: round(count) for error, count in errors if round(count)},
            {name: value for name, value in values.items() if value is not None},
        )


def quantile_ranks(calls: float, quantile: float, confidence: float) -> Ranks:
    """Return the ranks between which a quantile lies, with at least the given confidence.

    >>> quantile_ranks(1000, 0.99, 0.95), quantile_ranks(100, 0.99, 0.95)
    (Ranks(low=983, high=997), Ranks(low=97, high=None))
    """
    tail = (1 - confidence) / 2
    low = 0
    if (1 - quantile) ** calls <= tail:  # else even the fastest call may lie above the quantile
        low = math.floor(bdtrik(tail, calls, quantile)) + 1
    if quantile**calls > tail:  # even the slowest call may lie below it
        return Ranks(low, None)
    high = math.ceil(bdtrik(1 - tail, calls, quantile)) + 1
    return Ranks(low, high if high <= calls else None)


def _bin_of(counts: F64, rank: float) -> int:
    """Return the bin of the call with a rank, from 1."""
    # 1e-9: fraction of a rank that may be lost in sums of weights
    bin_index = int(np.searchsorted(np.cumsum(counts), rank * (1 - 1e-9), side="left"))
    return min(bin_index, int(np.flatnonzero(counts)[-1]))


def _within(counts: F64, bin_index: int, rank: float) -> float:
    """Return the approximate value at a rank within its bin: calls are spread evenly over the logarithm."""
    below, inside = float(counts[:bin_index].sum()), float(counts[bin_index])
    share = min(1.0, max(0.0, (rank - below) / inside))
    low, high = float(_LOWER[bin_index]), float(_UPPER[bin_index])
    if bin_index == len(_UPPER) - 1:  # the last bin has no upper bound
        return low
    return high * share if low == 0 else low * (high / low) ** share
