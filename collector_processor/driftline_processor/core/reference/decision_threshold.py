"""The reference at the decision threshold of a window: decisions at different thresholds are not compared.

A baseline keeps the scores of its rows by outcome on the fixed score grid, so its decisions at another threshold are
known up to a bin, 1/128 on the logit scale. Parts that are not kept by score are removed, with a note.
"""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.calibration import IsotonicSteps
from driftline.baseline.sections.estimation import GRID
from driftline.baseline.sections.row_blocks import RowBlocks
from driftline.baseline.sections.slices import Slices
from driftline.baseline.sections.time_blocks import EXPECTED
from driftline.panes.bins import SCORE_BINS, score_bin
from driftline.panes.outcome_sums import count_of, excess_of
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task

from driftline_processor.core import facts

from .reference import Reference, derive_baseline

STRAY = 0.01
"""Maximum fraction of rows whose decision may contradict a threshold, because they were decided during a change of it
or by other rules. It applies to the rows between two thresholds, and to the rarer decision: if 2 % of all rows are
flagged, 1 % of all rows are half of the denominator of precision.
"""

_BESIDE = (excess_of("confusion"), count_of("confusion"))
_DECIDED = ("class", "confusion", *_BESIDE, EXPECTED)
"""Parts of a baseline's panes that depend on decisions."""

_CACHE: WeakKeyDictionary[Baseline, dict[float | None, Reference]] = WeakKeyDictionary()


def align_threshold(baseline: Baseline, pane: Pane, task: Task) -> Reference:
    """Return the baseline with its rows decided at the threshold of a window's rows.

    ``pane``: pane of the window. Its scores by decision show which of two thresholds was used: that of ``task``, the
    model's current one, or the baseline's own, since a service may decide by itself and rows may be older than a
    threshold. The baseline's predicted classes, which are not kept by score, are not compared then. If its scores are
    unknown, or the rows match neither threshold, the result is the baseline without decisions. The notes contain which;
    () = the baseline as it is.

    >>> p = np.repeat([0.1, 0.4, 0.9], 50)
    >>> built = Baseline.from_frame({"x": p, "p": p, "y": p > 0.5}, score="p", actual="y", model="m", task="binary")
    >>> found = align_threshold(built, Pane(), replace(built.task, threshold=0.3))
    >>> built.pane.parts["confusion"].tolist(), found.baseline.pane.parts["confusion"].tolist()
    ([100.0, 0.0, 0.0, 50.0], [50.0, 50.0, 0.0, 50.0])
    >>> found.notes
    (BaselineDecidedAgain(threshold=0.3, baseline_threshold=0.5),)
    """
    own = baseline.task
    if not task.has_threshold or task.threshold == own.threshold or replace(task, threshold=own.threshold) != own:
        return Reference(baseline)
    sides = _by_decision(pane, task)
    at = _decided_by(sides, task.threshold, own.threshold)
    if at == own.threshold or (at is not None and _decided_at(baseline, at)):
        return Reference(baseline)
    aligned = _CACHE.setdefault(baseline, {})
    if at not in aligned:
        aligned[at] = _reference_at(baseline, at, replace(own, threshold=task.threshold))
    return aligned[at]


def _reference_at(baseline: Baseline, threshold: float | None, task: Task) -> Reference:
    """Return the baseline decided at a threshold of the task, or without decisions (None)."""
    scores, estimation, sliced = _scores(baseline.pane), baseline.extras.estimation, baseline.extras.slices
    steps = None if scores is None else IsotonicSteps.of(*scores)
    rates = None if steps is None else steps.rates()
    extras = replace(baseline.extras, slice_outcomes=None)  # decisions of slices are not kept by score
    if estimation is not None and estimation.blocks is not None:
        panes = [_redecided(pane, threshold, task, rates) for pane in estimation.blocks.panes]
        extras = replace(extras, estimation=replace(estimation, blocks=replace(estimation.blocks, panes=panes)))
    if extras.row_blocks is not None:
        outcomes = extras.row_blocks.outcomes
        panes = [_redecided(pane, threshold, task, rates) for pane in outcomes.panes]
        extras = replace(extras, row_blocks=RowBlocks(replace(outcomes, panes=panes)))
    if sliced is not None:
        of = {
            key: {value: _redecided(pane, None, task) for value, pane in panes.items()}
            for key, panes in sliced.by_key.items()
        }
        extras = replace(extras, slices=Slices(of))
    pane = _redecided(baseline.pane, threshold, task)
    derived = derive_baseline(
        baseline, pane, extras, replace(task, threshold=task.threshold if threshold is None else threshold)
    )
    own = baseline.task.threshold
    if threshold is None or "confusion" not in pane.parts:
        return Reference(derived, (facts.BaselineWithoutDecisions(own, task.threshold, threshold is not None),))
    return Reference(derived, (facts.BaselineDecidedAgain(threshold=threshold, baseline_threshold=own),))


def _redecided(pane: Pane, threshold: float | None, task: Task, rates: F64 | None = None) -> Pane:
    """Decide the rows of a pane again if their scores are known, else remove the parts that depend on decisions.

    ``rates``: probability that a row of each bin is positive.
    """
    parts = {name: sums for name, sums in pane.parts.items() if name not in _DECIDED}
    scores = _scores(pane)
    if threshold is None or scores is None:
        return Pane(parts)
    counts = parts["confusion"] = _confusion(scores, threshold, task)
    before = float(pane.parts.get("confusion", np.zeros(1)).sum())
    for name in _BESIDE:
        if name in pane.parts and before > 0:  # only the total is known, not its distribution
            parts[name] = counts * (pane.parts[name].sum() / before)
    if EXPECTED in pane.parts and rates is not None:
        whole = scores[0] + scores[1]
        parts[EXPECTED] = _confusion((whole * (1 - rates), whole * rates), threshold, task)
    return Pane(parts)


def _by_decision(pane: Pane, task: Task) -> tuple[F64, F64]:
    """Return the scores of rows decided negative and positive, float64 (SCORE_BINS,) each."""
    positive = task.classes.index(task.positive_class)
    negatives, positives = (pane.parts.get(f"{GRID}{at}", np.zeros(SCORE_BINS)) for at in (1 - positive, positive))
    return negatives, positives


def _decided_by(sides: tuple[F64, F64], threshold: float, other: float) -> float | None:
    """Return the threshold of two at which rows were decided, the first if both match, None if neither does.

    If no row is between them, negative decisions in the lower threshold's own bin show that the higher one was used.
    """
    both = (threshold, other)
    matching = [
        candidate
        for candidate, alternative in zip(both, both[::-1], strict=True)
        if _follows(sides, candidate, alternative)
    ]
    if len(matching) == len(both) and sides[0][_cut(min(both))] > 0:
        return max(both)
    return next(iter(matching), None)


def _follows(sides: tuple[F64, F64], threshold: float, other: float) -> bool:
    """Return True if decisions match a threshold; within its own bin, both decisions are possible."""
    cut, end = _cut(threshold), _cut(other)
    contradicting = np.concatenate([sides[1][:cut], [0], sides[0][cut + 1 :]])
    between = slice(cut + 1, end + 1) if cut < end else slice(end, cut)
    matches = contradicting[between].sum() <= STRAY * sum(side[between].sum() for side in sides)
    return bool(matches and contradicting.sum() <= STRAY * min(side.sum() for side in sides))


def _decided_at(baseline: Baseline, threshold: float) -> bool:
    """Return True if a baseline was decided at this threshold instead of its own."""
    counts, scores, task = baseline.pane.parts.get("confusion"), _scores(baseline.pane), baseline.task
    if counts is None or scores is None or not np.isclose(counts.sum(), sum(side.sum() for side in scores), rtol=1e-6):
        return False
    expected = _confusion(scores, threshold, task)
    difference, own_difference = (
        np.abs(decisions - expected).sum() for decisions in (counts, _confusion(scores, task.threshold, task))
    )
    return bool(difference <= STRAY * own_difference)


def _scores(pane: Pane) -> tuple[F64, F64] | None:
    """Return the scores of rows with a negative and with a positive outcome, float64 (SCORE_BINS,) each."""
    negative, positive = (pane.parts.get(f"score_{side}") for side in ("negative", "positive"))
    return None if negative is None or positive is None else (negative, positive)


def _cut(threshold: float) -> int:
    return int(score_bin(np.array([threshold]))[0])


def _confusion(scores: tuple[F64, F64], threshold: float, task: Task) -> F64:
    """Return the part ``confusion`` of rows with these scores; rows in the threshold's own bin count as positive."""
    cut, positive = _cut(threshold), task.classes.index(task.positive_class)
    counts = np.zeros((2, 2))
    for actual, side in zip((1 - positive, positive), scores, strict=True):
        counts[actual, [1 - positive, positive]] = side[:cut].sum(), side[cut:].sum()
    return counts.reshape(-1)
