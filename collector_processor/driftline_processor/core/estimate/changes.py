"""Whether each estimated metric of a window is worse than the baseline's, without an outcome.

Two things must hold of an estimate that is called worse: its interval lies on the bad side of the baseline's value, and
a window in which nothing changed would hardly ever be estimated so. The second is asked of the bounds, three standard
deviations of such windows, at the level of realized metrics and over all estimated metrics together. An estimate
without an interval, or whose record has failed, says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.evaluation import BaselineComparison, Estimate, MetricChange
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.changes import LEAST, LEVEL, MATTERS, error_of
from driftline_processor.core.performance.objective_states import POWER
from driftline_processor.core.special_functions import ndtr

from .point import BOUND_DEVIATIONS, DEVIATIONS


def estimated_changes(estimated: Mapping[str, Estimate]) -> dict[str, MetricChange]:
    """Compare every estimate that has a direction with the baseline's value.

    Args:
        estimated: The estimates of a window, by metric.

    >>> right = Estimate(0.84, 0.82, 0.86, 0.01, 0.87, 0.93, True, 900, "panes", "cbpe", 0.9)
    >>> found = estimated_changes({"accuracy": right})["accuracy"]
    >>> found.state, round(found.change, 2), round(found.low, 2), round(found.high, 2)
    ('worse', -0.06, -0.08, -0.04)
    """
    known = {
        name: (one, one.value - one.reference)
        for name, one in estimated.items()
        if direction(name) and one.value is not None and one.reference is not None
    }
    quiet = {name: sd for name, (one, _) in known.items() if (sd := _quiet_deviation(one)) > 0}
    worse = {name: -direction(name) * change for name, (_, change) in known.items()}
    p_values = benjamini_hochberg(np.array([float(ndtr(-worse[name] / sd)) for name, sd in quiet.items()] or [1.0]))
    p_of = dict(zip(quiet, p_values.tolist(), strict=False))
    found = {}
    for name, (one, change) in known.items():
        if name not in quiet or one.low is None or one.high is None:
            found[name] = MetricChange("inconclusive", change)
            continue
        low, high = one.low - (one.reference or 0.0), one.high - (one.reference or 0.0)
        least_bad, most_bad = (low, high) if direction(name) < 0 else (-high, -low)
        error = error_of(name, one.reference or 0.0)
        deviation = max(quiet[name], (most_bad - least_bad) / 2 / DEVIATIONS)
        shows = (normal_quantile(1 - 2 * LEVEL / len(quiet)) + POWER) * deviation
        state: BaselineComparison = "inconclusive"
        if p_of[name] <= LEVEL and least_bad > 0 and worse[name] >= LEAST * error:
            state = "worse"
        elif max(shows, LEAST * error) <= MATTERS * error:
            state = "not_worse"
        found[name] = MetricChange(state, change, low, high, p_of[name], max(shows, LEAST * error))
    return found


def _quiet_deviation(estimate: Estimate) -> float:
    """Return the standard deviation of estimates of windows in which nothing changed; 0 where nothing may be said."""
    if estimate.low is None or estimate.high is None or estimate.reference is None or estimate.record.state == "failed":
        return 0.0
    if estimate.lower_bound is None or estimate.upper_bound is None:
        return (estimate.high - estimate.low) / 2 / DEVIATIONS
    # a bound at the end of what the metric can be is nearer than it would be
    return max(estimate.reference - estimate.lower_bound, estimate.upper_bound - estimate.reference) / BOUND_DEVIATIONS
