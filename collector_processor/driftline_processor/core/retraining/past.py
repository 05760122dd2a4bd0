"""Gains of past retrainings: the metric before and after, and the recovered fraction of the drop.

Windows before a new version show the old one, windows after it the new one. Several windows are averaged for enough
outcomes, and a fraction is computed only if the old version was significantly worse than its baseline: otherwise it
would be a ratio of noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.fact import Fact
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.changes import is_significant

if TYPE_CHECKING:
    # imports opentelemetry.proto, which evaluating files does not need
    from driftline_processor.core.decode.training_runs import TrainingRun

MOST_WINDOWS = 7
"""Maximum number of windows before and after a retraining: a week of days, with each weekday once."""


class RetrainGain(Struct, frozen=True):
    """The gain of a training run.

    Attributes:
        before: The metric before the new version, in its own unit; None if unknown.
        after: The metric of the new version.
        reference: The metric of the old version's baseline.
        outcomes_before: Outcomes in ``before``.
        outcomes_after: Outcomes in ``after``.
        recovered: Recovered fraction of the drop, from 0 to 1; None if unknown.
        reason: Why ``recovered`` is unknown; None if it is known.
    """

    run: TrainingRun
    before: float | None = None
    after: float | None = None
    reference: float | None = None
    outcomes_before: int = 0
    outcomes_after: int = 0
    recovered: float | None = None
    reason: Fact | None = None


class RecoveredShare(Struct, frozen=True):
    """The fraction of a drop that retraining is expected to recover.

    Attributes:
        value: From 0 to 1.
        runs: Number of past retrainings in the median; 0 if it is assumed.
    """

    value: float
    runs: int


def gains_of_runs(runs: Sequence[TrainingRun], windows: Sequence[Evaluation], metric: str) -> list[RetrainGain]:
    """Return the gain of each training run, the newest run last.

    Args:
        runs: Training runs of the model.
        windows: Closed windows of one length with final performance, of all versions of the model.
        metric: Name of the metric.
    """
    ordered = sorted(windows, key=lambda one: one.window.start)
    known = [one for one in ordered if metric in one.realized and one.realized[metric].value is not None]
    return [_gain(run, known, metric) for run in sorted(runs, key=lambda one: (one.end, one.id))]


def recovered_share(gains: Sequence[RetrainGain], assumed: float) -> RecoveredShare:
    """Return the median recovered fraction of past retrainings, or the assumed one without any.

    >>> recovered_share([], 0.5)
    RecoveredShare(value=0.5, runs=0)
    """
    known = [gain.recovered for gain in gains if gain.recovered is not None]
    return RecoveredShare(median(known), len(known)) if known else RecoveredShare(assumed, 0)


def _gain(run: TrainingRun, windows: Sequence[Evaluation], metric: str) -> RetrainGain:
    if run.error:
        return RetrainGain(run, reason=facts.RunFailed(error=run.error))
    after = [
        window
        for window in windows
        if window.window.start >= run.end and (not run.version or window.key.version == run.version)
    ]
    if not after:
        return RetrainGain(run, reason=facts.NoOutcomesAfterRun())
    begun = after[0].window.start
    before = [
        window
        for window in windows
        if window.window.start < begun and (not run.version or window.key.version != run.version)
    ][-MOST_WINDOWS:]
    now, outcomes_after = _mean(after[:MOST_WINDOWS], metric)
    if not before:
        return RetrainGain(run, after=now, outcomes_after=outcomes_after, reason=facts.NoOutcomesBeforeRun())
    was, outcomes_before = _mean(before, metric)
    reference = before[-1].reference.get(metric)
    found = RetrainGain(run, was, now, None if reference is None else reference.value, outcomes_before, outcomes_after)
    return _with_share(found, before, metric)


def _with_share(gain: RetrainGain, before: Sequence[Evaluation], metric: str) -> RetrainGain:
    if gain.before is None or gain.after is None or gain.reference is None:
        return replace(gain, reason=facts.NoBaselineOutcomesBeforeRun())
    worse = [is_significant(one.realized_changes.get(metric)) for one in before]
    worsened = -direction(metric) * (gain.before - gain.reference)
    if not any(worse) or worsened <= 0:
        return replace(gain, reason=facts.NotWorseBeforeRun())
    taken_back = -direction(metric) * (gain.before - gain.after)
    return replace(gain, recovered=min(1.0, max(0.0, taken_back / worsened)))


def _mean(windows: Sequence[Evaluation], metric: str) -> tuple[float | None, int]:
    """Return the mean of a metric over windows, weighted by outcomes, and the number of outcomes."""
    found = [window.realized[metric] for window in windows]
    rows = sum(one.rows for one in found)
    if rows <= 0:
        return None, 0
    return sum((one.value or 0.0) * one.rows for one in found) / rows, rows
