"""Small shifts that last: evidence over windows that holds at any time, however often somebody looks.

A window is judged by itself, and a year of windows that are each just too small for an alarm says nothing. Here the
windows of a model are added up. The evidence against "these windows are as the reference was" is a Bayes factor: by
whatever number of windows it is looked at, it reaches 1/α with a chance of at most α (Ville 1939), so that all windows
of a model's whole life together have one chance of α of a false alarm.

Each target has a few score functions: level and spread of numbers, the shares of the commonest labels. A window gives
each one number, its mean. Numbers of windows and of the reference's own stretches of that length are compared as
Student's t does, with the right Haar prior on mean and variance and a normal prior on the shift: under the null the
factor is a martingale whatever mean and variance are (Hendriksen, de Heide and Grünwald 2021, Optional stopping with
Bayes factors, theorem 2; Pérez-Ortiz, Lardy, de Heide and Grünwald 2024, E-statistics, group invariance and anytime-
valid testing; the formula: Gönen, Johnson, Lu and Westfall 2005, The American Statistician 59:252).

Why no product of the windows' p-values: all windows share one reference, whose own error they repeat. Given the windows
before, a p-value is then no p-value any more, and the product finds the error of the reference for sure, in time.

What it assumes: means of windows are about normal, vary as the reference's stretches do, and keep the share of the
window before that these keep. Where the reference has no times, the windows' own variance is learned as they come.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import log
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import CategoryBins, Index
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from scipy.special import ndtri

from driftline_processor.core.evaluation import Evaluation, LastingDrift, LastingShift

from .reference import Reference, effective, references

ALPHA = 0.01
"""The chance of a false alarm over the whole life of a model, over all its targets: the level of a single window."""

PRIOR = 1.0
"""Variance of the shift under the alternative, in that of a window: unit information (Kass and Wasserman 1995, JASA
90:928). So what one window cannot show, and a few can, is found soonest."""

EPOCH = 30
"""Steps after which evidence begins anew beside that of the whole life: a quiet year would dilute a new shift. After
200 quiet windows half of the shifts of 1.5 standard deviations of a window are found within 31 steps with 30, 35 with
60, and not within 90 with 15 (simulations/drift/lasting.py); the shorter ends sooner, too."""

UNSURE = 0.5
"""Standard errors that stretches are taken to keep more than it seems. With none, 1 to 7 in a hundred quiet years of
days that keep half raise an alarm, with 0.5 at most 3, with 1 half of the shifts of two standard deviations are missed
(simulations/drift/lasting.py)."""

LABELS = 4
"""Commonest labels whose shares are watched: each more costs all of them evidence, and the rest move with these."""

DIGITS = 9
"""Decimals of sums that are kept, a millionth of what a window of 100 million rows varies by: half of their JSON."""

LEAST_ROWS = 50.0
"""Effective rows of a step: of so many the mean of a score within ±3 is normal enough (skewness 0.3 at most)."""

LEAST_BLOCKS = 5
"""Stretches of the reference that tell how such stretches vary; of fewer the windows' own variance is learned."""

MOST_KEPT = 0.95
"""The most that a stretch is taken to keep of the one before: 60 that keep more have no two independent ones."""

WHOLE, NEWEST = 0.5, 0.5
"""The parts of the level for evidence from the whole life, and for all epochs together."""

REFERENCE, BLOCKS, MEAN, SQUARES, BETWEEN = range(5)
"""Columns of the facts of score functions: effective rows of the reference; its stretches, 0 = none; their mean, sum
of squared deviations, and variance between them beyond that of rows."""

TOTAL, ROWS, LAST, KNOWN, EACH = range(5)
"""Columns of what goes on: sum and rows of the step that is not complete; the step before, and whether there is one;
rows of the first step."""

STEPS, SUM, SQUARE, SHIFT = 0, 1, 2, 3
"""Columns of each stretch of evidence: steps, their sum and sum of squares, and the sum of shifts in their own unit."""

LIFE, RECENT = 5, 9
"""Columns at which the evidence of the whole life, and that of the epoch, begin."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The score functions of a baseline for windows of one length.

    Attributes:
        parts: The parts of a pane, with where their cells begin, and how bins become cells: None = they are cells.
        place: intp, the cells of each function after each other.
        value: float64, their scores.
        start: intp (s,), where each function begins in them.
        target: intp (s,), the place of its target among the parts.
        names: The part of each function.
        measures: What each measures: "level", "spread" or the label.
        unit: float64 (s,), what one unit of it is worth to people: standard deviations, or shares.
        facts: float64 (s, 5), see :data:`REFERENCE`.
        keeps: Share of a stretch's deviation that the next one keeps.
        step: Nanoseconds of a step.
        size: Number of cells.
    """

    parts: tuple[tuple[str, int, int, Index | None], ...]
    place: I64
    value: F64
    start: I64
    target: I64
    names: tuple[str, ...]
    measures: tuple[str, ...]
    unit: F64
    facts: F64
    keeps: float
    step: int
    size: int


_CACHE: WeakKeyDictionary[Baseline, dict[int, Scores]] = WeakKeyDictionary()


def score_functions(baseline: Baseline, span: int) -> Scores:
    """Return the score functions of a baseline for windows of a length (nanoseconds); computed once."""
    cached = _CACHE.setdefault(baseline, {})
    if span not in cached:
        cached[span] = _score_functions(baseline, span)
    return cached[span]


def _score_functions(baseline: Baseline, span: int) -> Scores:
    blocks = baseline.extras.blocks
    step, many = span, 1
    if blocks is not None:
        many = max(1, round(span / blocks.length))
        step = many * blocks.length
    parts, place, value, target, names = list[tuple[str, int, int, Index | None]](), [], [], list[int](), list[str]()
    unit, facts, series, measures, size = list[float](), [], [], list[str](), 0
    for one in references(baseline):
        if one.kind == "embedding" or one.rows < LEAST_ROWS:
            continue
        cells = None if blocks is None else blocks.of.get(one.part)
        counts = one.counts if cells is None else cells.coarsen(one.counts)
        for measure, scale, scores in _of_target(one, counts, None if cells is None else cells.first):
            place.append(size + np.arange(len(counts)))
            value.append(scores)
            target.append(len(parts))
            names.append(one.part)
            measures.append(measure)
            unit.append(scale)
            found = None if cells is None or blocks is None else _own(cells.counts, blocks.rows, scores, many)
            series.append(found)
            facts.append((one.rows, *(own_facts(found) if found is not None else (0.0, 0.0, 0.0, 0.0))))
        if target and target[-1] == len(parts):
            parts.append((one.part, size, one.bins.size, None if cells is None else cells.first))
            size += len(counts)
    keeps = kept_share([found for found in series if found is not None])
    made = np.array(facts, np.float64).reshape(-1, 5)
    for at, found in enumerate(series):
        if found is not None and made[at, BLOCKS]:
            moved = whiten(found[0] / np.sqrt(made[at, BETWEEN] + 1 / found[1]), keeps)
            made[at, MEAN], made[at, SQUARES] = float(moved.mean()), float(((moved - moved.mean()) ** 2).sum())
    lengths = np.array([len(one) for one in value], np.int64)
    return Scores(
        tuple(parts),
        np.concatenate(place) if place else np.empty(0, np.int64),
        np.concatenate(value) if value else np.empty(0),
        np.cumsum(lengths) - lengths,
        np.array(target, np.int64),
        tuple(names),
        tuple(measures),
        np.array(unit),
        np.round(made, DIGITS),
        keeps,
        step,
        size,
    )


def _of_target(one: Reference, counts: F64, first: Index | None) -> list[tuple[str, float, F64]]:
    """Return measure, unit and scores of each function of a target: float64 (cells,), mean 0 and variance 1."""
    share = counts / counts.sum()
    found = list[tuple[str, float, F64]]()
    if one.kind == "number":
        below = np.concatenate([[0.0], np.cumsum(share)]).clip(0.0, 1.0)
        edge = ndtri(below)
        density = np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi)
        weighed = np.where(np.isfinite(edge), edge, 0.0) * density
        with np.errstate(invalid="ignore", divide="ignore"):
            level = np.where(share > 0, -np.diff(density) / share, 0.0)
            spread = np.where(share > 0, -np.diff(weighed) / share, 0.0)
        for measure, scores in (("level", level), ("spread", spread)):
            centred = scores - float(scores @ share)
            deviation = float(np.sqrt(centred**2 @ share))
            if deviation > 1e-9:
                found.append((measure, 1.0, centred / deviation))
        return found
    common = [at for at in np.argsort(-share, kind="stable")[:LABELS].tolist() if counts[at] >= LEAST_ROWS]
    if np.count_nonzero(share) == 2:
        common = common[:1]
    for at in common:
        deviation = float(np.sqrt(share[at] * (1 - share[at])))
        if deviation > 1e-9:
            of = at if first is None else int(first[at])
            found.append((_label(one, of), deviation, ((np.arange(len(share)) == at) - share[at]) / deviation))
    return found


def _label(one: Reference, at: int) -> str:
    labels = one.bins.labels if isinstance(one.bins, CategoryBins) else ()
    return labels[at] if at < len(labels) else "other" if labels else "share of the commonest value"


def _own(counts: F64, rows: F64, scores: F64, many: int) -> tuple[F64, F64] | None:
    """Return the mean score and the effective rows of the reference's own stretches: float64 (b,) each.

    ``many``: blocks in a stretch. None where there are fewer than :data:`LEAST_BLOCKS` with rows enough.
    """
    kish = np.divide(rows[:, 1], rows[:, 2], out=np.ones(len(rows)), where=rows[:, 2] > 0)
    weighed = counts * kish[:, np.newaxis]
    if many > 1:
        whole = len(weighed) // many * many
        weighed = weighed[:whole].reshape(-1, many, weighed.shape[1]).sum(axis=1)
    held = weighed.sum(axis=1)
    usable = held >= LEAST_ROWS
    if np.count_nonzero(usable) < LEAST_BLOCKS:
        return None
    return (weighed[usable] @ scores) / held[usable], held[usable]


def own_facts(own: tuple[F64, F64]) -> tuple[float, float, float, float]:
    """Return number and variance of the reference's stretches, with room for their mean and squares once whitened."""
    means, rows = own
    between = max(0.0, float(means.var(ddof=1)) - float((1 / rows).mean()))
    return float(len(means)), 0.0, 0.0, between


def kept_share(series: list[tuple[F64, F64]]) -> float:
    """Return what stretches keep of the one before, for all functions alike: days are the same days for all of them.

    The lag-1 correlation, its mean over functions, without its bias of (1 + 3ρ) / b in b stretches (Kendall 1954), and
    some of its standard error more, since too little raises alarms and too much delays them.
    """
    found = []
    for means, _ in series:
        apart = means - means.mean()
        squares = float(apart @ apart)
        if squares > 0:
            raw = float(apart[1:] @ apart[:-1]) / squares
            found.append((raw * len(apart) + 1) / max(1.0, len(apart) - 3))
    if not found:
        return 0.0
    keeps = float(np.clip(np.mean(found), 0.0, 1.0))
    least = min(len(means) for means, _ in series)
    return min(MOST_KEPT, keeps + UNSURE * float(np.sqrt((1 - keeps**2) / least)))


def whiten(series: F64, keeps: float) -> F64:
    """Take from each what it keeps of the one before; the variance stays that of the series."""
    return np.concatenate([series[:1], (series[1:] - keeps * series[:-1]) / np.sqrt(1 - keeps**2)])


def lasting_sums(pane: Pane, baseline: Baseline, span: int) -> LastingDrift | None:
    """Return what a window adds to the evidence; None where nothing can be watched, or times are not known.

    :func:`follow_lasting` adds it to that of the windows before. ``span``: of the window, nanoseconds.
    """
    if span <= 0:
        return None
    scores = score_functions(baseline, span)
    if not scores.names:
        return None
    cells = np.zeros(scores.size)
    for part, at, bins, first in scores.parts:
        counts = pane.parts.get(part)
        if counts is not None:
            counts = counts[:bins] if first is None else np.add.reduceat(counts[:bins], first)
            cells[at : at + len(counts)] = counts
    starts = np.array([at for _, at, _, _ in scores.parts], np.int64)
    rows = np.add.reduceat(cells, starts)
    weight = effective(pane, 1.0)
    totals = np.add.reduceat(scores.value * cells[scores.place], scores.start)
    own: F64 = np.stack([totals * weight, rows[scores.target] * weight], axis=1).round(DIGITS)
    return LastingDrift({}, scores.names, scores.measures, scores.unit, scores.facts, scores.keeps, scores.step, own)


def follow_lasting(evaluation: Evaluation, before: Evaluation | None) -> LastingDrift | None:
    """Add what a window says to the evidence of the windows before it.

    Evidence begins anew with another reference. An open window adds nothing yet, and keeps what was known.
    """
    now = evaluation.lasting
    if now is None:
        return None
    was = None if before is None else before.lasting
    if before is not None and was is not None and not _alike(evaluation, now, before, was):
        was = None
    if was is None:
        memory = np.zeros((len(now.names), RECENT + 4))
        start = evaluation.window.start
        now = replace(now, memory=memory, epoch=1, began=(start, start), covered=0, targets={})
    else:
        now = replace(
            now, memory=was.memory.copy(), epoch=was.epoch, began=was.began, covered=was.covered, targets=was.targets
        )
    if not evaluation.closed:
        return now
    if before is not None and before.window.end != evaluation.window.start:
        now.memory[:, KNOWN] = 0.0
    length = evaluation.window.end - evaluation.window.start
    covered = now.covered + length
    now.memory[:, [TOTAL, ROWS]] += now.own
    if covered + length // 2 < now.step:  # a day has 23 hours when clocks change
        return replace(now, covered=covered)
    take_step(now)
    return _told(replace(now, covered=0), evaluation.window.end)


def _alike(evaluation: Evaluation, now: LastingDrift, before: Evaluation, was: LastingDrift) -> bool:
    """Return True where both windows were compared with one reference, or with parts or sequels of one."""
    if (now.names, now.measures, evaluation.baseline_version) != (was.names, was.measures, before.baseline_version):
        return False
    return bool(evaluation.compared) or np.array_equal(now.facts, was.facts)


def take_step(now: LastingDrift) -> None:
    """Make a step of what has come together, of each function that has rows enough."""
    memory, facts = now.memory, now.facts
    ready = memory[:, ROWS] >= LEAST_ROWS
    rows = np.where(ready, memory[:, ROWS], 1.0)
    shift = memory[:, TOTAL] / rows
    moved = shift / np.sqrt(facts[:, BETWEEN] + 1 / rows)
    known = memory[:, KNOWN] > 0
    white = np.where(known, (moved - now.keeps * memory[:, LAST]) / np.sqrt(1 - now.keeps**2), moved)
    memory[:, EACH] = np.where(ready & (memory[:, EACH] == 0), rows, memory[:, EACH])
    for stretch in (LIFE, RECENT):
        memory[:, stretch : stretch + 4] += ready[:, np.newaxis] * np.stack(
            [np.ones(len(rows)), white, white**2, shift], axis=1
        )
    memory[:, LAST] = np.where(ready, moved, memory[:, LAST])
    memory[:, KNOWN] = np.where(ready, 1.0, 0.0)
    memory[ready, TOTAL] = memory[ready, ROWS] = 0.0
    np.round(memory, DIGITS, out=memory)


def log_evidence(now: LastingDrift, stretch: int, beside: int = LIFE) -> F64:
    """Return the logarithm of the Bayes factor of each function in a stretch of evidence: float64 (s,).

    The whole life is compared with the reference, an epoch with the reference and all windows before it; ``beside`` the
    stretch itself, with the reference alone.
    """
    memory, facts = now.memory, now.facts
    steps, total, square = (memory[:, stretch + at] for at in (STEPS, SUM, SQUARE))
    before, earlier, earlier_square = (memory[:, beside + at] - memory[:, stretch + at] for at in (STEPS, SUM, SQUARE))
    timed = facts[:, BLOCKS] > 0
    own = np.where(timed, facts[:, BLOCKS], facts[:, REFERENCE] / np.maximum(memory[:, EACH], 1.0))
    freedom = np.where(timed, own, 1.0) + before + steps - 2
    enough = (steps > 0) & (freedom >= LEAST_BLOCKS - 1)
    steps, own, freedom = np.maximum(steps, 1.0), np.maximum(own, 1e-9), np.maximum(freedom, 1.0)
    many = own + before
    mean = (own * facts[:, MEAN] + earlier) / many
    squares = facts[:, SQUARES] + own * facts[:, MEAN] ** 2 + earlier_square - many * mean**2
    squares = np.maximum(squares, 0.0) + np.maximum(square - total**2 / steps, 0.0)
    pairs = 1 / (1 / steps + 1 / many)
    t = (total / steps - mean) ** 2 * pairs * freedom / np.maximum(squares, 1e-12)
    wide = 1 + pairs * PRIOR
    factor = -0.5 * np.log(wide) + (freedom + 1) / 2 * (np.log1p(t / freedom) - np.log1p(t / (freedom * wide)))
    return np.where(enough, factor, 0.0)


def _told(now: LastingDrift, end: int) -> LastingDrift:
    """Say what the evidence shows of each target, and begin the next epoch where this one is over."""
    groups = _groups(now.names)
    each = [at.stop - at.start for at in groups.values()]
    cost = np.log(len(groups) * np.repeat(each, each))
    life = log_evidence(now, LIFE) - cost + log(WHOLE)
    newest = log_evidence(now, RECENT) - cost + log(NEWEST / (now.epoch * (now.epoch + 1)))
    over = bool(now.memory[:, RECENT + STEPS].max() >= EPOCH)
    back = log_evidence(now, RECENT, RECENT) < 0 if over else np.zeros(len(cost), np.bool_)
    recent = newest > life
    evidence = np.where(recent, newest, life).tolist()
    steps, shift = (
        np.where(recent, now.memory[:, RECENT + at], now.memory[:, LIFE + at]).tolist() for at in (STEPS, SHIFT)
    )
    unit, is_recent = now.unit.tolist(), recent.tolist()
    targets = {}
    for part, at in groups.items():
        best = max(range(at.start, at.stop), key=evidence.__getitem__)
        was = now.targets.get(part)
        moved = shift[best] / max(steps[best], 1.0) * unit[best]
        began = now.began[is_recent[best]]
        told = LastingShift("not_found", now.measures[best], moved, int(steps[best]), began, evidence[best])
        if was is not None and was.found is not None and back[at].all():  # thirty windows speak for the reference
            now.memory[at, LIFE : LIFE + 4] = 0.0
        elif was is not None and was.found is not None:
            told = replace(was, shift=moved) if steps[best] and was.measure == told.measure else was
        elif told.evidence >= -log(ALPHA):
            told = replace(told, state="drift", found=end)
        targets[part] = told
    if over:
        now.memory[:, RECENT : RECENT + 4] = 0.0
        return replace(now, targets=targets, epoch=now.epoch + 1, began=(now.began[0], end))
    return replace(now, targets=targets)


@lru_cache(maxsize=256)
def _groups(names: tuple[str, ...]) -> dict[str, slice]:
    """Return the functions of each target, which stand beside each other."""
    first = {name: at for at, name in reversed(list(enumerate(names)))}
    ends = [*sorted(first.values())[1:], len(names)]
    return {name: slice(first[name], end) for name, end in zip(dict.fromkeys(names), ends, strict=True)}


def windows_told(evaluation: Evaluation) -> tuple[int, int, int]:
    """Return how far the evidence of an evaluation goes: another window before it changes that, and all later ones.

    The start of the evidence, the number of its epoch, and its steps. A window that is restated changes none: evidence
    that was looked at is not taken back.
    """
    known = evaluation.lasting
    if known is None or not known.memory.size:
        return 0, 0, 0
    return known.began[0], known.epoch, int(known.memory[:, LIFE + STEPS].max())
