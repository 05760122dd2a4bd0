"""Lasting drift: evidence of small shifts over many windows, with an error level that holds at any time.

Each window is evaluated by itself, so a year of windows with a shift just below the alarm goes undetected. This module
adds up the windows of a model. The evidence against "the windows are distributed as the reference" reaches 1/α with a
probability of at most α, no matter how often it is checked (Ville 1939): over the whole life of a model, the
probability of a false alarm is α.

Each column has a few score functions: level and spread of numbers, the fractions of the most frequent categories. A
window contributes the mean of each. These means, and those of the reference's own periods of the same length, are
normal with unknown mean and variance and with an autocorrelation ρ of neighbours. For a known ρ, the ratio of the
likelihoods with and without a shift, with the right Haar prior on mean and variance and a normal prior on the shift, is
a martingale under the null (Hendriksen, de Heide and Grünwald 2021, Optional stopping with Bayes factors, theorem 2;
Pérez-Ortiz, Lardy, de Heide and Grünwald 2024, E-statistics, group invariance and anytime-valid testing). ρ is unknown,
so the likelihood with a shift, averaged over ρ, is divided by the likelihood without a shift at the best-fitting ρ
(Wasserman, Ramdas and Balakrishnan 2020, Universal inference, section 8). This ratio never exceeds the martingale of
the true ρ.

A product of the windows' p-values would not work: all windows share one reference and so repeat its error. Given the
earlier windows, such a p-value is not valid, and the product eventually detects the error of the reference.

If the reference has no times, or too few periods, its own error is unknown and there is no result.

The evidence of a window is a function of the ``scores`` and ``rows`` of all windows up to it. If an earlier window is
revised, the evidence of all later windows is recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import log
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import CategoryBins, Index
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import Evaluation, LastingDrift, ScoreFunctions
from driftline_processor.core.special_functions import ndtri

from .reference import Reference, effective, references

Flags = npt.NDArray[np.bool_]

ALPHA = 0.01
"""Probability of a false alarm over the whole life of a model, over all its columns: the level of a single window."""

PRIOR = 4.0
"""Variance of the shift under the alternative, relative to that of a window. After a month of reference, a shift of
three daily standard deviations is detected in half of the runs after 13 days with 4, after 21 with 1, and after 12 with
9, which detects smaller shifts later (evidence/lasting.json).
"""

KEEPS = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98])
"""Autocorrelations ρ of neighbouring periods, up to a memory of fifty. The log-likelihood of sixty periods differs by
less than 0.1 between neighbouring values. With a negative autocorrelation the mean is more certain than assumed here.
"""

LITTLE = 4.0
"""Power of 1 - ρ in the weight of an autocorrelation under the alternative, with a mean of 1/6: most daily
autocorrelations are small. With equal weights, half of the shifts of two standard deviations after a month are detected
after 34 days, with power 4 after 23. The weights do not change the level.
"""

EPOCH = 30
"""Steps after which an additional evidence starts anew, next to that of the whole life: a year without drift would
dilute a new shift (evidence/lasting.json has shifts after 200 days without drift).
"""

CATEGORIES = 4
"""Number of most frequent categories that are monitored. Each additional one reduces the power for all of them."""

DIGITS = 9
"""Decimals of the running sums, a millionth of the variation of a window: the same on every machine."""

FINE = 100
"""Parts of a standard error in which the mean score of a window is stored: rounding adds 0.001 % to its variance, and a
number takes four characters.
"""

REMEMBERED = 30
"""Windows after which the running sums are stored instead of recomputed; recomputing this many takes 5 milliseconds."""

LEAST_ROWS = 50.0
"""Minimum effective rows of a step: the mean of 50 scores within ±3 is close enough to normal (skewness at most 0.3).
"""

LEAST_BLOCKS = 5
"""Minimum number of reference periods for estimating their variance; with fewer it is off by half."""

WHOLE, NEWEST = 0.5, 0.5
"""Parts of the level for the evidence of the whole life and for all epochs together."""

COUNT, SUM, SQUARES, PRODUCTS, FIRST, LAST = range(6)
"""Columns of a chain of steps: count, sum, sum of squares, sum of products of neighbours; first and last step."""

BETWEEN = 6
"""Column of the facts after the chain of the reference's periods: variance between periods in excess of that of rows.
"""

TOTAL, ROWS, LIFE, LIFE_SHIFT, RECENT, LINK, RECENT_SHIFT, WIDTH = 0, 1, 2, 8, 9, 15, 16, 17
"""Columns of the running sums: sum and rows of the incomplete step; chain and sum of shifts of the whole life; chain of
the epoch, the step before it, and the sum of its shifts.
"""

TINY = 1e-12
"""Minimum sum of squares, so that a reference with identical periods does not cause a division by zero."""


class Scores(Struct, frozen=True, eq=False):
    """The score functions of a baseline for windows of one length.

    Attributes:
        parts: For each part of a pane: name, index of its first cell, number of bins, and the first bin of each cell;
            None = bins are cells.
        place: intp, cell indices of all functions, concatenated.
        value: float64, their scores.
        start: intp (s,), index of each function's first entry in ``place`` and ``value``.
        column: intp (s,), index of its column among the parts.
        functions: Measures and the facts of the reference's own periods.
        reason: Columns that cannot be monitored: name of the part → ``no_times`` or ``too_few_days``.
        size: Number of cells.
    """

    parts: tuple[tuple[str, int, int, Index | None], ...]
    place: I64
    value: F64
    start: I64
    column: I64
    functions: ScoreFunctions
    reason: dict[str, str]
    size: int


_CACHE: WeakKeyDictionary[Baseline, dict[int, Scores]] = WeakKeyDictionary()


def score_functions(baseline: Baseline, span: int) -> Scores:
    """Return the score functions of a baseline for windows of ``span`` nanoseconds; cached."""
    cached = _CACHE.setdefault(baseline, {})
    if span not in cached:
        cached[span] = _score_functions(baseline, span)
    return cached[span]


def _score_functions(baseline: Baseline, span: int) -> Scores:
    blocks = baseline.extras.blocks
    step, blocks_per_step = span, 1
    if blocks is not None:
        blocks_per_step = max(1, round(span / blocks.length))
        step = blocks_per_step * blocks.length
    parts, place, value, column, names = list[tuple[str, int, int, Index | None]](), [], [], list[int](), list[str]()
    unit, facts, measures, size, reason = list[float](), list[F64](), list[str](), 0, dict[str, str]()
    for reference in references(baseline):
        if reference.kind == "embedding" or reference.rows < LEAST_ROWS:
            continue
        cells = None if blocks is None else blocks.by_part.get(reference.part)
        if cells is None or blocks is None:
            reason[reference.part] = "no_times"
            continue
        counts = cells.coarsen(reference.counts)
        for measure, scale, scores in _of_column(reference, counts, cells.first):
            window_scores = _own_scores(cells.counts, blocks.rows, scores, blocks_per_step)
            if window_scores is None:
                reason[reference.part] = "too_few_days"
                break
            place.append(size + np.arange(len(counts)))
            value.append(scores)
            column.append(len(parts))
            names.append(reference.part)
            measures.append(measure)
            unit.append(scale)
            facts.append(own_facts(*window_scores))
        if column and column[-1] == len(parts):
            parts.append((reference.part, size, reference.bins.size, cells.first))
            size += len(counts)
    lengths = np.array([len(scores) for scores in value], np.int64)
    fact_table = np.round(np.array(facts, np.float64).reshape(-1, BETWEEN + 1), DIGITS)
    return Scores(
        parts=tuple(parts),
        place=np.concatenate(place) if place else np.empty(0, np.int64),
        value=np.concatenate(value) if value else np.empty(0),
        start=np.cumsum(lengths) - lengths,
        column=np.array(column, np.int64),
        functions=ScoreFunctions(tuple(names), tuple(measures), np.array(unit), fact_table, step),
        reason=reason,
        size=size,
    )


def _of_column(reference: Reference, counts: F64, first: Index | None) -> list[tuple[str, float, F64]]:
    """Return measure, unit and scores of each function of a column: float64 (cells,), mean 0 and variance 1."""
    share = counts / counts.sum()
    functions = list[tuple[str, float, F64]]()
    if reference.kind == "number":
        below = np.concatenate([[0.0], np.cumsum(share)]).clip(0.0, 1.0)
        edge = ndtri(below)
        density = np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi)
        weighed = np.where(np.isfinite(edge), edge, 0.0) * density
        with np.errstate(invalid="ignore", divide="ignore"):
            level = np.where(share > 0, -np.diff(density) / share, 0.0)
            spread_scores = np.where(share > 0, -np.diff(weighed) / share, 0.0)
        for measure, scores in (("level", level), ("spread", spread_scores)):
            centred = scores - float(scores @ share)
            deviation = float(np.sqrt(centred**2 @ share))
            if deviation > 1e-9:
                functions.append((measure, 1.0, centred / deviation))
        return functions
    common = [index for index in np.argsort(-share, kind="stable")[:CATEGORIES].tolist() if counts[index] >= LEAST_ROWS]
    if np.count_nonzero(share) == 2:
        common = common[:1]
    for index in common:
        deviation = float(np.sqrt(share[index] * (1 - share[index])))
        if deviation > 1e-9:
            category = index if first is None else int(first[index])
            functions.append(
                (
                    _category(reference, category),
                    deviation,
                    ((np.arange(len(share)) == index) - share[index]) / deviation,
                )
            )
    return functions


def _category(reference: Reference, index: int) -> str:
    categories = reference.bins.categories if isinstance(reference.bins, CategoryBins) else ()
    return categories[index] if index < len(categories) else "other" if categories else "share of the commonest value"


def _own_scores(counts: F64, rows: F64, scores: F64, many: int) -> tuple[F64, F64] | None:
    """Return the mean score and the effective rows of the reference's own periods: float64 (b,) each.

    ``many``: blocks per period. None if fewer than :data:`LEAST_BLOCKS` periods have enough rows.
    """
    kish = np.divide(rows[:, 1], rows[:, 2], out=np.ones(len(rows)), where=rows[:, 2] > 0)
    weighed = counts * kish[:, np.newaxis]
    if many > 1:
        used_blocks = len(weighed) // many * many
        weighed = weighed[:used_blocks].reshape(-1, many, weighed.shape[1]).sum(axis=1)
    rows_of_window = weighed.sum(axis=1)
    usable = rows_of_window >= LEAST_ROWS
    if np.count_nonzero(usable) < LEAST_BLOCKS:
        return None
    return (weighed[usable] @ scores) / rows_of_window[usable], rows_of_window[usable]


def own_facts(means: F64, rows: F64) -> F64:
    """Return the facts of the reference's own periods, from their mean scores and rows: float64 (7,)."""
    between = max(0.0, float(means.var(ddof=1)) - float((1 / rows).mean()))
    standardised = means / np.sqrt(between + 1 / rows)
    products = float(standardised[1:] @ standardised[:-1])
    return np.array(
        [
            len(standardised),
            standardised.sum(),
            standardised @ standardised,
            products,
            standardised[0],
            standardised[-1],
            between,
        ]
    )


def lasting_sums(pane: Pane, baseline: Baseline, span: int, *, varies: bool = False) -> LastingDrift | None:
    """Return the contribution of a window to the evidence; None if times are unknown.

    :func:`follow_lasting` adds it to that of the preceding windows.

    Args:
        pane: The sums of the window.
        baseline: The reference.
        span: Length of the window in nanoseconds.
        varies: True if each window has another reference; its facts are then stored with each window.
    """
    if span <= 0:
        return None
    scores = score_functions(baseline, span)
    reason = scores.reason
    parts = (*(part for part, *_ in scores.parts), *reason)
    if not parts:
        return None
    withheld = (*("" for _ in scores.parts), *reason.values()) if reason else ()
    if not scores.parts:
        return LastingDrift("", parts, reason=withheld)
    cells = np.zeros(scores.size)
    for part, start, bins, first in scores.parts:
        counts = pane.parts.get(part)
        if counts is not None:
            counts = counts[:bins] if first is None else np.add.reduceat(counts[:bins], first)
            cells[start : start + len(counts)] = counts
    starts = np.array([start for _, start, _, _ in scores.parts], np.int64)
    weight = effective(pane, 1.0)
    rows = np.round(np.add.reduceat(cells, starts) * weight, 1)
    totals = np.add.reduceat(scores.value * cells[scores.place], scores.start) * weight
    means = np.rint(FINE * totals / np.sqrt(np.maximum(rows[scores.column], 1.0))).astype(np.int64)
    functions = scores.functions
    return LastingDrift(
        _digest(functions, varies=varies),
        parts,
        tuple(means.tolist()),
        tuple(rows[:1].tolist() if (rows == rows[0]).all() else rows.tolist()),
        withheld,
        functions=functions,
        varies=varies,
    )


def _digest(functions: ScoreFunctions, varies: bool) -> str:
    """Return a digest that windows must share for their evidence to be added up; with the facts unless these vary."""
    described = repr((functions.names, functions.measures, functions.step)).encode()
    return blake2b(described if varies else described + functions.facts.tobytes(), digest_size=6).hexdigest()


def follow_lasting(evaluation: Evaluation, before: Evaluation | None) -> LastingDrift | None:
    """Add the contribution of a window to the evidence of the preceding windows.

    Evidence restarts with a new reference. An open window, and one without rows, adds nothing and keeps the evidence as
    it was. ``before`` must contain the running sums, as :func:`recall_lasting` returns it.
    """
    now = evaluation.lasting
    if now is None or not now.of:
        return now
    was = before.lasting if before is not None and _continues(evaluation, before) else None
    functions = now.functions or (None if was is None else was.functions)
    if functions is None:
        return now  # stored, without a window to continue from
    if was is None:
        start = evaluation.window.start
        goes_on = replace(
            now, memory=np.zeros((len(now.scores), WIDTH)), epoch=1, began=(start, start), step_began=-1, number=0,
            measures=(), shifts=(), steps=(), recent=(), evidence=(), found={}, anew={}
        )  # fmt: skip
    else:
        goes_on = replace(was, scores=now.scores, rows=now.rows, reason=now.reason, parts=now.parts)
        goes_on = replace(goes_on, memory=was.memory.copy(), number=was.number + 1, varies=now.varies)
    goes_on = replace(goes_on, functions=functions)
    if not evaluation.closed or not any(now.rows):
        return goes_on
    memory, start, end = goes_on.memory, evaluation.window.start, evaluation.window.end
    began = start if goes_on.step_began < 0 else goes_on.step_began
    rows = np.broadcast_to(np.array(now.rows), (len(_groups(functions.names)),))
    rows = np.repeat(rows, [group.stop - group.start for group in _groups(functions.names).values()])
    memory[:, TOTAL] += np.array(now.scores) / FINE * np.sqrt(np.maximum(rows, 1.0)) * (rows > 0)
    memory[:, ROWS] += rows
    if end - began + (end - start) // 2 < functions.step:  # a day has 23 hours when clocks change
        return replace(goes_on, step_began=began)
    take_step(memory, functions.facts)
    return _update_columns(replace(goes_on, step_began=-1), functions, end)


def recall_lasting(evaluation: Evaluation, windows: Sequence[Evaluation]) -> Evaluation | None:
    """Return the last of ``windows`` with its running sums, to continue with the window that follows them.

    The sums are recomputed from the last window that has them stored. ``windows``: of one series, the oldest first.
    """
    if not windows:
        return None
    lasting = evaluation.lasting
    if lasting is None or lasting.functions is None or not _continues(evaluation, windows[-1]):
        return windows[-1]
    index = len(windows) - 1
    while index > 0 and not remembers(windows[index]) and _continues(windows[index], windows[index - 1]):
        index -= 1
    before: Evaluation | None = None
    for window in windows[index:]:
        if not remembers(window) and window.lasting is not None:
            functions = window.lasting.functions or lasting.functions
            window = replace(
                window,
                lasting=follow_lasting(replace(window, lasting=replace(window.lasting, functions=functions)), before),
            )
        before = window
    return before


def remembers(evaluation: Evaluation) -> bool:
    """Return True if the evidence of the next window can be computed from this window alone."""
    lasting = evaluation.lasting
    return lasting is None or not lasting.of or lasting.memory.size > 0


def stored_lasting(lasting_drift: LastingDrift) -> LastingDrift:
    """Return the part to store.

    It leaves out what the baseline contains and, except in every thirtieth window, the running sums.
    """
    memory = lasting_drift.memory if lasting_drift.number % REMEMBERED == 0 else np.zeros((0, 0))
    return replace(lasting_drift, memory=memory, functions=lasting_drift.functions if lasting_drift.varies else None)


def same_lasting(lasting_drift: LastingDrift | None, other: LastingDrift | None) -> bool:
    """Return True if both lead to the same evidence in the following windows."""
    if lasting_drift is None or other is None:
        return lasting_drift is other
    return lasting_drift == other and np.array_equal(lasting_drift.memory, other.memory)


def _continues(evaluation: Evaluation, before: Evaluation) -> bool:
    """Return True if both windows were compared with the same reference, or with parts or continuations of it."""
    now, was = evaluation.lasting, before.lasting
    same = now is not None and was is not None and now.of == was.of != ""
    return same and evaluation.baseline_version == before.baseline_version


def take_step(memory: F64, facts: F64) -> None:
    """Complete a step from the accumulated rows, for each function with enough rows."""
    ready = memory[:, ROWS] >= LEAST_ROWS
    rows = np.where(ready, memory[:, ROWS], 1.0)
    shift = memory[:, TOTAL] / rows
    standardised = shift / np.sqrt(facts[:, BETWEEN] + 1 / rows)
    new = memory[:, RECENT + COUNT] == 0
    memory[:, LINK] = np.where(ready & new, memory[:, LIFE + LAST], memory[:, LINK])
    for chain, shifts in ((LIFE, LIFE_SHIFT), (RECENT, RECENT_SHIFT)):
        is_empty = memory[:, chain + COUNT] == 0
        products = np.where(is_empty, 0.0, standardised * memory[:, chain + LAST])
        memory[:, chain + FIRST] = np.where(ready & is_empty, standardised, memory[:, chain + FIRST])
        memory[:, chain + LAST] = np.where(ready, standardised, memory[:, chain + LAST])
        added = np.stack([np.ones(len(rows)), standardised, standardised**2, products], axis=1)
        memory[:, chain : chain + 4] += ready[:, np.newaxis] * added
        memory[:, shifts] += ready * shift
    memory[ready, TOTAL] = memory[ready, ROWS] = 0.0
    np.round(memory, DIGITS, out=memory)


_MEAN_FACTOR, _VARIANCE_FACTOR = 1 - KEEPS, 1 - KEEPS**2
"""Factors of the mean, 1 - ρ, and of the variance, 1 - ρ², of an AR(1) process given its preceding step."""
_WEIGHT = np.log((1 - KEEPS) ** LITTLE / ((1 - KEEPS) ** LITTLE).sum())[:, np.newaxis]
_COLUMN = np.stack([_VARIANCE_FACTOR, _MEAN_FACTOR**2], axis=1)
_PRODUCT = np.stack([_MEAN_FACTOR**2, _VARIANCE_FACTOR - _MEAN_FACTOR, _MEAN_FACTOR * KEEPS], axis=1)
_SQUARE = np.stack([1 + KEEPS**2, -2 * KEEPS, _VARIANCE_FACTOR - 1, -(KEEPS**2)], axis=1)
"""Coefficients of the sums of :func:`_null`: (x - ρy)² and its like, multiplied out."""
_SHIFTED = np.stack([_VARIANCE_FACTOR, np.ones(len(KEEPS)), _MEAN_FACTOR**2], axis=1)
_CENTRE = np.stack([_VARIANCE_FACTOR, _MEAN_FACTOR, _MEAN_FACTOR**2], axis=1)
_MOVED = np.stack(
    [_MEAN_FACTOR**2, _VARIANCE_FACTOR - _MEAN_FACTOR, 1 - _MEAN_FACTOR, _MEAN_FACTOR * KEEPS, -KEEPS], axis=1
)
_WIDE = (PRIOR / _VARIANCE_FACTOR)[:, np.newaxis]


def _null(chain: F64) -> F64:
    """Return the sums of a chain that the likelihood without a shift needs: float64 (9, s).

    ``_COLUMN`` turns them into the squared column of the mean, ``_PRODUCT`` into its product with the steps,
    ``_SQUARE`` into the squared steps. The first step has variance 1, the others 1 - ρ²; all are scaled to the latter.
    """
    count, total, squares, products, first, last = chain.T
    return np.stack([count > 0, np.maximum(count - 1, 0.0), total, first, last, squares, products, first**2, last**2])


def _shift(chain: F64, before: F64, linked: F64) -> F64:
    """Return the sums of the shift's column: its square, and its products with the mean's column and with the steps.

    Args:
        chain: float64 (s, 6), of the period.
        before: float64 (s,), the preceding step.
        linked: float64 (s,), 1 if there is a preceding step.
    """
    count, total, _, _, first, last = chain.T
    has_steps = count > 0
    begins, follows = has_steps * (1 - linked), has_steps * linked
    links = np.maximum(count - 1, 0.0)
    return np.stack([begins, follows, links, total, first * begins, first * follows, last, before * follows])


def _likelihoods(facts: F64, life: F64, shifts: Sequence[F64]) -> tuple[F64, F64]:
    """Return the log-likelihoods without a shift, and with each of k shifts: float64 (g, 1, s) and (g, k, s)."""
    null, shifted_sums = _null(facts[:, : LAST + 1]) + _null(life), np.stack(shifts, axis=1)
    shape = len(KEEPS), len(shifts), len(facts)
    flat = shifted_sums.reshape(len(shifted_sums), -1)
    mean, product, square = _COLUMN @ null[:2], _PRODUCT @ null[2:5], _SQUARE @ null[5:]
    centre = product / mean
    squares = np.maximum(square - centre * product, TINY)
    shift_mean = (_CENTRE @ flat[:3]).reshape(shape)
    pairs = np.maximum((_SHIFTED @ flat[:3]).reshape(shape) - shift_mean**2 / mean[:, np.newaxis], 0.0)
    covariance = (_MOVED @ flat[3:]).reshape(shape) - centre[:, np.newaxis] * shift_mean
    wide = 1 + _WIDE[..., np.newaxis] * pairs
    explained = np.maximum(squares[:, np.newaxis] - covariance**2 * (_WIDE[..., np.newaxis] / wide), TINY)
    half = 0.5 * (facts[:, COUNT] + life[:, COUNT] - 1)
    chains = 0.5 * (1.0 + (life[:, COUNT] > 0))
    constant = (chains * np.log(_VARIANCE_FACTOR)[:, np.newaxis] - 0.5 * np.log(mean))[:, np.newaxis]
    return constant - (half * np.log(squares))[:, np.newaxis], constant - 0.5 * np.log(wide) - half * np.log(explained)


def log_evidence(memory: F64, facts: F64) -> tuple[F64, F64]:
    """Return the logarithm of the evidence of each function: float64 (s,) of the whole life, and of the epoch.

    The whole life is compared with the reference, an epoch with the reference and all preceding windows.
    """
    life, epoch = memory[:, LIFE : LIFE + 6], memory[:, RECENT : RECENT + 6]
    zeros = np.zeros(len(facts))
    linked = (life[:, COUNT] > epoch[:, COUNT]).astype(np.float64)
    quiet, shifted = _likelihoods(facts, life, [_shift(life, zeros, zeros), _shift(epoch, memory[:, LINK], linked)])
    log_ratio = np.logaddexp.reduce(shifted + _WEIGHT[:, np.newaxis], axis=0) - quiet.max(axis=0)
    return np.where(life[:, COUNT] > 0, log_ratio[0], 0.0), np.where(epoch[:, COUNT] > 0, log_ratio[1], 0.0)


def is_back(memory: F64, facts: F64) -> Flags:
    """Return True for functions that agree with the reference in an epoch, by its Bayes factor averaged over ρ."""
    epoch, zeros = memory[:, RECENT : RECENT + 6], np.zeros(len(facts))
    quiet, shifted = _likelihoods(facts, epoch, [_shift(epoch, zeros, zeros)])
    weight = _WEIGHT[:, np.newaxis]
    agrees: Flags = (np.logaddexp.reduce(shifted + weight, axis=0) < np.logaddexp.reduce(quiet + weight, axis=0))[0]
    return agrees


def _update_columns(now: LastingDrift, functions: ScoreFunctions, end: int) -> LastingDrift:
    """Update the result of each column from the evidence, and begin the next epoch if the current one is complete."""
    memory, facts = now.memory, functions.facts
    groups = _groups(functions.names)
    functions_per_part = [group.stop - group.start for group in groups.values()]
    cost = np.log(len(groups) * np.repeat(functions_per_part, functions_per_part))
    life, newest = log_evidence(memory, facts)
    life, newest = life - cost + log(WHOLE), newest - cost + log(NEWEST / (now.epoch * (now.epoch + 1)))
    over = bool(memory[:, RECENT + COUNT].max() >= EPOCH)
    agrees = is_back(memory, facts) if over else np.zeros(len(cost), np.bool_)
    is_recent = newest > life
    evidence = np.where(is_recent, newest, life)
    count = np.where(is_recent, memory[:, RECENT + COUNT], memory[:, LIFE + COUNT])
    shift = np.where(is_recent, memory[:, RECENT_SHIFT], memory[:, LIFE_SHIFT]) / np.maximum(count, 1.0)
    measures, shifts, details = list[str](), list[float](), list[tuple[int, int, float]]()
    lasting_by_part, anew = dict(now.found), dict(now.anew)
    for index, (part, functions_of_part) in enumerate(groups.items()):
        best = functions_of_part.start + int(evidence[functions_of_part].argmax())
        steps_and_evidence = int(count[best]), int(is_recent[best]), round(float(evidence[best]), 2)
        shift_of_part = float(f"{shift[best] * functions.unit[best]:.3g}")
        measure = functions.measures[best]
        if part in lasting_by_part and agrees[functions_of_part].all():  # the epoch agrees with the reference
            memory[functions_of_part, LIFE:RECENT] = 0.0
            del lasting_by_part[part]
            anew[part] = end
        elif part in lasting_by_part:
            same = now.measures[index] == measure
            steps_and_evidence = now.steps[index], now.recent[index], now.evidence[index]
            measure, shift_of_part = now.measures[index], shift_of_part if same and count[best] else now.shifts[index]
        elif evidence[best] >= -log(ALPHA):
            lasting_by_part[part] = (now.began[1] if is_recent[best] else anew.get(part, now.began[0]), end)
        measures.append(measure)
        shifts.append(shift_of_part)
        details.append(steps_and_evidence)
    now = replace(
        now,
        measures=tuple(measures),
        shifts=tuple(shifts),
        steps=tuple(steps for steps, _, _ in details),
        recent=tuple(recent for _, recent, _ in details),
        evidence=tuple(steps_and_evidence for _, _, steps_and_evidence in details),
        found=lasting_by_part,
        anew=anew,
    )
    if over:
        memory[:, RECENT:WIDTH] = 0.0
        return replace(now, epoch=now.epoch + 1, began=(now.began[0], end))
    return now


@lru_cache(maxsize=256)
def _groups(names: tuple[str, ...]) -> dict[str, slice]:
    """Return the functions of each column, which are adjacent."""
    first = {name: index for index, name in reversed(list(enumerate(names)))}
    ends = [*sorted(first.values())[1:], len(names)]
    return {name: slice(first[name], end) for name, end in zip(dict.fromkeys(names), ends, strict=True)}
