"""What past retrainings brought: the loss before, the loss after, and which share of the worsening came back.

The windows before a new version answered tell how wrong the old one had become, those after how wrong the new one is.
Both hold as many outcomes as chance gave them, so several windows are taken together, and a share is told only where
the old version was surely worse than its baseline: else it is one noise divided by another.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.metrics import direction

if TYPE_CHECKING:
    # opentelemetry.proto, which files do not need
    from driftline_processor.core.decode.training_runs import TrainingRun

MOST_WINDOWS = 7
"""Windows before and after a retraining that are taken together: a week of days, which has each weekday once."""


class RetrainGain(Struct, frozen=True):
    """What a training run brought.

    Attributes:
        before: The metric before the new version answered, in its own unit; None where it is not known.
        after: The same of the new version.
        reference: The metric of the old version's baseline.
        outcomes_before: Outcomes behind ``before``.
        outcomes_after: Outcomes behind ``after``.
        recovered: Fraction of the worsening that was recovered, from 0 to 1; None if ``reason`` says why not.
        reason: Why no fraction is known; None if one is.
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
    """The share of a worsening that retraining is expected to take back.

    Attributes:
        value: From 0 to 1.
        runs: How many past retrainings it is the median of; 0 where it is assumed.
    """

    value: float
    runs: int


def gains_of_runs(runs: Sequence[TrainingRun], windows: Sequence[Evaluation], metric: str) -> list[RetrainGain]:
    """Return what each training run brought, the newest run last.

    Args:
        runs: Training runs of the model.
        windows: Closed windows of one length whose performance counts, of all versions of the model.
        metric: Name of the metric that stands for the loss.
    """
    ordered = sorted(windows, key=lambda one: one.window.start)
    known = [one for one in ordered if metric in one.realized and one.realized[metric].value is not None]
    return [_gain(run, known, metric) for run in sorted(runs, key=lambda one: (one.end, one.id))]


def recovered_share(gains: Sequence[RetrainGain], assumed: float) -> RecoveredShare:
    """Return the median of the shares that past retrainings took back, or what is assumed where none is known.

    >>> recovered_share([], 0.5)
    RecoveredShare(value=0.5, runs=0)
    """
    known = [gain.recovered for gain in gains if gain.recovered is not None]
    return RecoveredShare(median(known), len(known)) if known else RecoveredShare(assumed, 0)


def _gain(run: TrainingRun, windows: Sequence[Evaluation], metric: str) -> RetrainGain:
    if run.error:
        return RetrainGain(run, reason=fact("run_failed", error=run.error))
    after = [
        window
        for window in windows
        if window.window.start >= run.end and (not run.version or window.key.version == run.version)
    ]
    if not after:
        return RetrainGain(run, reason=fact("no_outcomes_after_run"))
    begun = after[0].window.start
    before = [
        window
        for window in windows
        if window.window.start < begun and (not run.version or window.key.version != run.version)
    ][-MOST_WINDOWS:]
    now, outcomes_after = _mean(after[:MOST_WINDOWS], metric)
    if not before:
        return RetrainGain(run, after=now, outcomes_after=outcomes_after, reason=fact("no_outcomes_before_run"))
    was, outcomes_before = _mean(before, metric)
    reference = before[-1].reference.get(metric)
    found = RetrainGain(run, was, now, None if reference is None else reference.value, outcomes_before, outcomes_after)
    return _with_share(found, before, metric)


def _with_share(gain: RetrainGain, before: Sequence[Evaluation], metric: str) -> RetrainGain:
    if gain.before is None or gain.after is None or gain.reference is None:
        return replace(gain, reason=fact("no_baseline_outcomes_before_run"))
    worse = [one.realized_changes[metric].state == "worse" for one in before if metric in one.realized_changes]
    worsened = -direction(metric) * (gain.before - gain.reference)
    if not any(worse) or worsened <= 0:
        return replace(gain, reason=fact("not_worse_before_run"))
    taken_back = -direction(metric) * (gain.before - gain.after)
    return replace(gain, recovered=min(1.0, max(0.0, taken_back / worsened)))


def _mean(windows: Sequence[Evaluation], metric: str) -> tuple[float | None, int]:
    """Return the mean of a metric over windows by their outcomes, and how many outcomes these are."""
    found = [window.realized[metric] for window in windows]
    rows = sum(one.rows for one in found)
    if rows <= 0:
        return None, 0
    return sum((one.value or 0.0) * one.rows for one in found) / rows, rows
