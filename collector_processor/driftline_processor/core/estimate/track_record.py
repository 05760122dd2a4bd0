"""The track record of estimates: whether those of a metric were correct once labels arrived.

A window is checked when its outcomes are final and at least 30 are known: the estimate for its labelled rows is
compared with their realized value. It is *missed* if the two differ by more than three standard errors, and by more
than a tolerance: 0.02 for a fraction, a tenth of the reference's value for a loss. Of the last ten checked windows,

- two missed ones make the record ``failed``: the estimate triggers no policy, and later windows have no interval,
  since P(y|x) is no longer that of the reference and an interval would not contain the realized value as often as
  promised;
- three or more checked windows otherwise make it ``ok``;
- fewer leave it ``unknown``.

The error rates of these states are simulated in simulations/estimate_record.py.

**Changes.** An estimated metric is worse than the baseline's if its interval is on the bad side of the baseline's
value, and if the change is significant compared with windows without change. The latter uses the standard deviation
from the bounds, at the level of realized metrics and over all estimated metrics together. An estimate without an
interval, or with a failed record, is inconclusive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from msgspec import structs

from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.evaluation import (
    BaselineComparison,
    Estimate,
    Evaluation,
    MetricChange,
    TrackRecord,
    Trust,
)
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.changes import LEAST, LEVEL
from driftline_processor.core.performance.margin import SHARE, error_of
from driftline_processor.core.performance.objective_states import POWER
from driftline_processor.core.special_functions import ndtr

from .point import BOUND_DEVIATIONS, DEVIATIONS, limits


def estimated_changes(estimated: Mapping[str, Estimate]) -> dict[str, MetricChange]:
    """Compare every estimate of a metric with a direction with the baseline's value.

    Args:
        estimated: The estimates of a window, by metric.

    >>> right = Estimate(0.84, 0.82, 0.86, 0.01, 0.87, 0.93, True, 900, "panes", "cbpe", 0.9)
    >>> found = estimated_changes({"accuracy": right})["accuracy"]
    >>> found.state, round(found.change, 2), round(found.low, 2), round(found.high, 2)
    ('worse', -0.06, -0.08, -0.04)
    """
    comparable = {
        name: (estimate, estimate.value - estimate.reference)
        for name, estimate in estimated.items()
        if direction(name) and estimate.value is not None and estimate.reference is not None
    }
    deviations = {name: sd for name, (estimate, _) in comparable.items() if (sd := _quiet_deviation(estimate)) > 0}
    worse = {name: -direction(name) * change for name, (_, change) in comparable.items()}
    p_values = benjamini_hochberg(
        np.array([float(ndtr(-worse[name] / sd)) for name, sd in deviations.items()] or [1.0])
    )
    p_of = dict(zip(deviations, p_values.tolist(), strict=False))
    changes = {}
    for name, (estimate, change) in comparable.items():
        if name not in deviations or estimate.low is None or estimate.high is None:
            changes[name] = MetricChange("inconclusive", change)
            continue
        low, high = estimate.low - (estimate.reference or 0.0), estimate.high - (estimate.reference or 0.0)
        least_bad, most_bad = (low, high) if direction(name) < 0 else (-high, -low)
        error = error_of(name, estimate.reference or 0.0)
        deviation = max(deviations[name], (most_bad - least_bad) / 2 / DEVIATIONS)
        shows = (normal_quantile(1 - 2 * LEVEL / len(deviations)) + POWER) * deviation
        state: BaselineComparison = "inconclusive"
        if p_of[name] <= LEVEL and least_bad > 0 and worse[name] >= LEAST * error:
            state = "worse"
        elif max(shows, LEAST * error) <= SHARE * error:
            state = "not_worse"
        changes[name] = MetricChange(state, change, low, high, p_of[name])
    return changes


def _quiet_deviation(estimate: Estimate) -> float:
    """Return the standard deviation of estimates of windows without change; 0 if there is no comparison."""
    if estimate.low is None or estimate.high is None or estimate.reference is None or estimate.record.state == "failed":
        return 0.0
    if estimate.lower_bound is None or estimate.upper_bound is None:
        return (estimate.high - estimate.low) / 2 / DEVIATIONS
    # a bound at the end of the metric's range is clipped, so the farther bound counts
    return max(estimate.reference - estimate.lower_bound, estimate.upper_bound - estimate.reference) / BOUND_DEVIATIONS


Standing = Literal["ok", "alert", "failed"]

LAST = 10
"""Checked windows in a record: ten days, or two weeks of working days."""

MOST_MISSED = 2
"""Missed windows of :data:`LAST` from which a record has failed; by chance one of 3,000 records, C(10, 2) / 370²."""

AS_LOSS = "roc_auc_ovr"
"""A fraction with the tolerance of a loss, because classes are calibrated separately, which is less accurate."""


def with_track_records(evaluations: Sequence[Evaluation], first: int = 0) -> list[Evaluation]:
    """Return evaluations, oldest first, with the records of their estimates, from index ``first`` on.

    Records are not stored, because a late label changes the records of all later windows.
    """
    checked: deque[dict[str, Estimate]] = deque(maxlen=LAST)
    recorded = []
    for index, evaluation in enumerate(evaluations):
        before = tuple(checked)
        if judged(evaluation):
            checked.append(evaluation.estimated)
        if index >= first:
            recorded.append(_recorded(evaluation, before, checked) if evaluation.estimated else evaluation)
    return recorded


def with_current_records(evaluations: Sequence[Evaluation]) -> Sequence[Evaluation]:
    """Return windows of one length, oldest first; those whose estimates are worse with the records of the estimates."""
    worse = {
        index
        for index, one in enumerate(evaluations)
        if any(change.state == "worse" for change in one.estimated_changes.values())
    }
    if not worse:
        return evaluations
    first = min(worse)
    recorded = [*evaluations[:first], *with_track_records(evaluations, first)]
    return [recorded[index] if index in worse else one for index, one in enumerate(evaluations)]


_Checked = Iterable[Mapping[str, Estimate]]
"""The estimates of windows whose outcomes check them, the oldest first."""


def _recorded(evaluation: Evaluation, before: _Checked, checked: _Checked) -> Evaluation:
    """Return an evaluation with records; ``before``: the checked windows without its own."""
    estimated = {}
    for name, estimate in evaluation.estimated.items():
        interval: dict[str, Any] = {}
        if _record_of(name, estimate, before).state == "failed":
            interval = {"low": None, "high": None, "reason": estimate.reason or "record_failed"}
        estimated[name] = structs.replace(estimate, record=_record_of(name, estimate, checked), **interval)
    recorded = structs.replace(evaluation, estimated=estimated, estimated_changes=estimated_changes(estimated))
    recorded.business = evaluation.business  # a cached property, which is not copied
    return recorded


def _record_of(name: str, estimate: Estimate, checked: _Checked) -> TrackRecord:
    return record(name, [own[name] for own in checked if name in own], estimate.reference)


def judged(evaluation: Evaluation) -> bool:
    """Return True if the outcomes of a window check its estimates."""
    return evaluation.maturity == "mature" and any(
        estimate.error is not None for estimate in evaluation.estimated.values()
    )


def record(metric: str, earlier: Sequence[Estimate], reference: float | None = None) -> TrackRecord:
    """Return the record of a metric from the estimates of checked windows, at most ``LAST``.

    ``reference``: the baseline's value.

    >>> made = (0.9, 0.88, 0.92, 0.01, None, None, None, 900, "panes", "cbpe")
    >>> right = Estimate(*made, error=0.01, error_deviation=0.01)
    >>> wrong = structs.replace(right, error=-0.18)
    >>> record("accuracy", [right] * 4).state, record("accuracy", [right] * 4 + [wrong] * 2).state
    ('ok', 'failed')
    """
    errors = [(estimate.error, estimate.error_deviation) for estimate in earlier]
    pairs = [(error, deviation) for error, deviation in errors if error is not None and deviation is not None]
    if not pairs:
        return TrackRecord("unknown", 0)
    # 0.02: tolerance for a fraction, less than half of the five percentage points that versions and labels can show
    # 0.1: relative tolerance for a loss, the smallest degradation that evidence/worse.json promises to detect
    matters = 0.02 if limits(metric)[1] == 1 and metric != AS_LOSS else 0.1 * abs(reference or 0.0)
    # 3.0: standard errors from which an estimate is missed; by chance in one of 370 windows
    missed = sum(abs(error) > max(3.0 * deviation, matters) for error, deviation in pairs)
    inside = sum(abs(error) <= DEVIATIONS * deviation for error, deviation in pairs) / len(pairs)
    mean = sum(error for error, _ in pairs) / len(pairs)
    # 3: minimum checked windows of a record: MOST_MISSED, and one more
    state: Trust = "failed" if missed >= MOST_MISSED else "ok" if len(pairs) >= 3 else "unknown"
    return TrackRecord(state, len(pairs), missed, inside, mean)


def standing(estimate: Estimate) -> Standing | None:
    """Return the state of an estimate: ``failed`` if labels refuted it, else ``alert`` or ``ok``.

    None without bounds and without a record.

    >>> standing(Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe"))
    'alert'
    """
    if estimate.record.state == "failed":
        return "failed"
    if estimate.alert is None:
        return None
    return "alert" if estimate.alert else "ok"
