"""The reference at the decision threshold of a window's rows: decisions at two thresholds are never compared.

A baseline keeps the scores of its rows by what came true, on the fixed score grid, so what it would have decided at
another threshold is known to the bin, 1/128 on the logit scale. What is not kept by score is left out, and said to be.
"""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.calibration import IsotonicSteps
from driftline.baseline.sections.estimation import GRID
from driftline.baseline.sections.slices import Slices
from driftline.baseline.sections.time_blocks import EXPECTED
from driftline.panes.bins import SCORE_BINS, score_bin
from driftline.panes.outcome_sums import count_of, excess_of
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task

from driftline_processor.core.facts import fact

from .reference import Reference, derive_baseline

STRAY = 0.01
"""The share of rows that may be decided otherwise than a threshold says, and it still is the one: they were decided
while it was changed, or by a rule of their own. Of the rows that tell two thresholds apart, and of the rarer decision:
where 2 % of all rows are flagged, 1 % of all rows are half of what precision is of."""

_BESIDE = (excess_of("confusion"), count_of("confusion"))
_DECIDED = ("class", "confusion", *_BESIDE, EXPECTED)
"""Parts of a baseline's panes that its decisions are in."""

_CACHE: WeakKeyDictionary[Baseline, dict[float | None, Reference]] = WeakKeyDictionary()


def align_threshold(baseline: Baseline, pane: Pane, task: Task) -> Reference:
    """Return the baseline as it would be had its rows been decided at the threshold of a window's rows.

    ``pane``: of the window; its scores by decision tell at which of two thresholds its rows were decided, that of
    ``task``, which is the model's now, or the baseline's own: a service may decide by itself, and rows may be older
    than a threshold. The predicted classes of the baseline, which are not kept by score, are not compared then. Where
    its scores are not known, or the rows were decided at neither, it is the baseline without its decisions. The notes
    say which; () = the baseline as it is.

    >>> p = np.repeat([0.1, 0.4, 0.9], 50)
    >>> built = Baseline.from_frame({"x": p, "p": p, "y": p > 0.5}, score="p", actual="y", model="m", task="binary")
    >>> found = align_threshold(built, Pane(), replace(built.task, threshold=0.3))
    >>> built.pane.parts["confusion"].tolist(), found.baseline.pane.parts["confusion"].tolist()
    ([100.0, 0.0, 0.0, 50.0], [50.0, 50.0, 0.0, 50.0])
    >>> found.notes[0].kind, found.notes[0].value("threshold")
    ('baseline_decided_again', 0.3)
    """
    own = baseline.task
    if not task.has_threshold or task.threshold == own.threshold or replace(task, threshold=own.threshold) != own:
        return Reference(baseline)
    sides = _by_decision(pane, task)
    at = _decided_by(sides, task.threshold, own.threshold)
    if at == own.threshold or (at is not None and _decided_at(baseline, at)):
        return Reference(baseline)
    known = _CACHE.setdefault(baseline, {})
    if at not in known:
        known[at] = _at(baseline, at, replace(own, threshold=task.threshold))
    return known[at]


def _at(baseline: Baseline, threshold: float | None, task: Task) -> Reference:
    """Return the baseline decided at a threshold of the task, or at none."""
    scores, known, sliced = _scores(baseline.pane), baseline.extras.estimation, baseline.extras.slices
    steps = None if scores is None else IsotonicSteps.of(*scores)
    rates = None if steps is None else steps.rates()
    extras = replace(baseline.extras, slice_outcomes=None)  # decisions of slices are not kept by score
    if known is not None and known.blocks is not None:
        panes = [_redecided(pane, threshold, task, rates) for pane in known.blocks.panes]
        extras = replace(extras, estimation=replace(known, blocks=replace(known.blocks, panes=panes)))
    if sliced is not None:
        of = {
            key: {value: _redecided(pane, None, task) for value, pane in panes.items()}
            for key, panes in sliced.by_key.items()
        }
        extras = replace(extras, slices=Slices(of))
    pane = _redecided(baseline.pane, threshold, task)
    found = derive_baseline(
        baseline, pane, extras, replace(task, threshold=task.threshold if threshold is None else threshold)
    )
    own = baseline.task.threshold
    if "confusion" not in pane.parts:
        of_rows = {"threshold": task.threshold, "decided_there": threshold is not None}
        return Reference(found, (fact("baseline_without_decisions", baseline_threshold=own, **of_rows),))
    return Reference(found, (fact("baseline_decided_again", threshold=threshold, baseline_threshold=own),))


def _redecided(pane: Pane, threshold: float | None, task: Task, rates: F64 | None = None) -> Pane:
    """Decide the rows of a pane anew where their scores are known, else without what depends on decisions.

    ``rates``: the chance that a row of each bin is positive.
    """
    parts = {name: sums for name, sums in pane.parts.items() if name not in _DECIDED}
    scores = _scores(pane)
    if threshold is None or scores is None:
        return Pane(parts)
    counts = parts["confusion"] = _confusion(scores, threshold, task)
    before = float(pane.parts.get("confusion", np.zeros(1)).sum())
    for name in _BESIDE:
        if name in pane.parts and before > 0:  # that of all rows is known, and not where it lies
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
    """At which of two thresholds rows were decided, the first where they are the same at both; None = at neither.

    Where none lies between, those at the lower one tell: called negative, they are none of its own.
    """
    both = (threshold, other)
    found = [one for one, its in zip(both, both[::-1], strict=True) if _follows(sides, one, its)]
    if len(found) == len(both) and sides[0][_cut(min(both))] > 0:
        return max(both)
    return next(iter(found), None)


def _follows(sides: tuple[F64, F64], threshold: float, other: float) -> bool:
    """Return True where decisions are those of a threshold; within its own bin both decisions are possible."""
    cut, end = _cut(threshold), _cut(other)
    off = np.concatenate([sides[1][:cut], [0], sides[0][cut + 1 :]])
    between = slice(cut + 1, end + 1) if cut < end else slice(end, cut)
    told = off[between].sum() <= STRAY * sum(side[between].sum() for side in sides)
    return bool(told and off.sum() <= STRAY * min(side.sum() for side in sides))


def _decided_at(baseline: Baseline, threshold: float) -> bool:
    """Return True where a baseline was decided at another threshold than its own."""
    counts, scores, task = baseline.pane.parts.get("confusion"), _scores(baseline.pane), baseline.task
    if counts is None or scores is None or not np.isclose(counts.sum(), sum(side.sum() for side in scores), rtol=1e-6):
        return False
    there = _confusion(scores, threshold, task)
    off, apart = (np.abs(one - there).sum() for one in (counts, _confusion(scores, task.threshold, task)))
    return bool(off <= STRAY * apart)


def _scores(pane: Pane) -> tuple[F64, F64] | None:
    """Return the scores of rows with a negative and with a positive outcome, float64 (SCORE_BINS,) each."""
    negative, positive = (pane.parts.get(f"score_{side}") for side in ("negative", "positive"))
    return None if negative is None or positive is None else (negative, positive)


def _cut(threshold: float) -> int:
    return int(score_bin(np.array([threshold]))[0])


def _confusion(scores: tuple[F64, F64], threshold: float, task: Task) -> F64:
    """Return the part ``confusion`` of rows with these scores; those in the threshold's own bin are at it or above."""
    cut, positive = _cut(threshold), task.classes.index(task.positive_class)
    counts = np.zeros((2, 2))
    for actual, side in zip((1 - positive, positive), scores, strict=True):
        counts[actual, [1 - positive, positive]] = side[:cut].sum(), side[cut:].sum()
    return counts.reshape(-1)
