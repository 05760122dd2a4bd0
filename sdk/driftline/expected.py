"""What rows lead one to expect of their outcomes, as sums that add up: the parts that estimates of performance need.

==========================  =========================================================================================
``score_grid:CLASS``        weight per bin of the fixed score grid of all rows of a binary model, by the place of the
                            decided class in ``task.classes``, ``other`` where it is none of them
``estimate:classes``        multiclass: Σw, Σw², the expected confusion (actual × predicted, k² numbers), the variance
                            of each of its cells (k²), then sum and variance of the expected log loss and Brier score
``estimate:area:CLASS``     multiclass: weight per cell of the scores of one class, then the expected weight of its own
                            rows; cells are 8 bins of the score grid
``estimate:loss``           regression: Σw, Σw², then Σw l for each loss of :data:`driftline.loss_trees.OUTPUTS` that
                            is expected, then Σw² l²
==========================  =========================================================================================

The first needs nothing but the rows; the others what a baseline has learned (:mod:`driftline.estimation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .bins import SCORE_BINS, score_bin
from .fold import EPSILON, SUM_TOLERANCE, ModelBins, decide, usable_weight
from .loss_trees import OUTPUTS, LossTrees
from .rising import Steps
from .tables import F64, I32, I64, Column, Task

GRID = "score_grid:"
PREFIX = "estimate:"
CLASSES, AREA, LOSS = f"{PREFIX}classes", f"{PREFIX}area:", f"{PREFIX}loss"

OTHER = "other"
COARSE = 8
AREA_CELLS = -(-SCORE_BINS // COARSE)
MOST_AREAS = 20
"""Classes that have an area of their own; with more of them there is none at all."""

MOST_CLASSES = 50


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Some of the sums of a part by group: ``group``, ``index``: int64 (m,); ``value``: float64 (m,), not 0.

    ``width``: how long the part's vector is.
    """

    part: str
    width: int
    group: I64
    index: I64
    value: F64

    def dense(self, groups: int) -> F64:
        """Return the whole vectors: float64 (groups, width)."""
        sums = np.bincount(self.group * self.width + self.index, self.value, minlength=groups * self.width)
        dense: F64 = sums.astype(np.float64, copy=False).reshape(groups, self.width)
        return dense


def width_of(part: str, classes: int) -> int | None:
    """Return how long the vector of a part is; None of other parts."""
    if part.startswith(GRID):
        return SCORE_BINS
    if part.startswith(AREA):
        return 2 * AREA_CELLS
    return {CLASSES: 2 * classes**2 + 6, LOSS: 2 + 2 * len(OUTPUTS)}.get(part)


def score_grid(
    task: Task, scores: F64 | None, predicted: Column | None, weight: F64 | None, group: I64
) -> list[Entries]:
    """Count the scores of rows of a binary model by decided class; none of another kind.

    ``scores``: float64 (n, 1); ``group``: int64 (n,), from 0 on. Scores outside [0, 1] are no probabilities.

    >>> task, group = Task("binary", ("0", "1"), "1"), np.zeros(3, np.int64)
    >>> found = score_grid(task, np.array([[0.2], [0.5], [0.5]]), None, None, group)
    >>> [(one.part, one.index.tolist(), one.value.tolist()) for one in found]
    [('score_grid:0', [1871], [1.0]), ('score_grid:1', [2049], [2.0])]
    """
    if task.kind != "binary" or scores is None or scores.shape[1:] != (1,) or task.positive_class not in task.classes:
        return []
    score = scores[:, 0]
    with np.errstate(invalid="ignore"):
        usable = np.flatnonzero((score >= 0) & (score <= 1))
    classes = len(task.classes)
    decided = decide(task, scores, predicted)[usable]
    decided = np.where((decided >= 0) & (decided < classes), decided, classes)
    cell = decided * SCORE_BINS + score_bin(score[usable])
    w = None if weight is None else usable_weight(weight)[usable]
    found = []
    for at in range(classes + 1):
        mine = np.flatnonzero(decided == at)
        if len(mine):
            index = cell[mine] - at * SCORE_BINS
            name = f"{GRID}{at if at < classes else OTHER}"
            found.append(_entries(name, SCORE_BINS, group[usable[mine]], index, None if w is None else w[mine]))
    return [one for one in found if len(one.value)]


def class_sums(
    task: Task,
    scores: F64 | None,
    predicted: Column | None,
    weight: F64 | None,
    group: I64,
    groups: int,
    learned: Mapping[str, Steps],
) -> list[Entries]:
    """Return what the scores of a multiclass model lead to expect; ``learned``: the steps of each class."""
    k = len(task.classes)
    if task.kind != "multiclass" or scores is None or scores.shape[1] != k or learned.keys() != set(task.classes):
        return []
    with np.errstate(invalid="ignore"):
        probable = ((scores >= 0) & (scores <= 1)).all(axis=1) & (np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE)
    decided = decide(task, scores, predicted)
    rows = np.flatnonzero(probable & (decided >= 0) & (decided < k))
    if not len(rows):
        return []
    s, at = scores[rows], group[rows]
    w = np.ones(len(rows)) if weight is None else usable_weight(weight)[rows]
    bins = score_bin(s)
    p = chances(task, bins, learned)
    sums = _class_parts(s, p, decided[rows], w, at, groups)
    found = [_of_dense(CLASSES, sums)]
    if k <= MOST_AREAS:
        for column in range(k):
            cell = at * AREA_CELLS + bins[:, column] // COARSE
            both = [np.bincount(cell, one, minlength=groups * AREA_CELLS) for one in (w, w * p[:, column])]
            found.append(_of_dense(f"{AREA}{column}", np.hstack([one.reshape(groups, AREA_CELLS) for one in both])))
    return found


def chances(task: Task, bins: I64, learned: Mapping[str, Steps]) -> F64:
    """Return the chance of each class of each row, float64 (n, k), 1 in sum; ``bins``: of its scores, int64 (n, k)."""
    p = np.column_stack([learned[name].rates()[bins[:, at]] for at, name in enumerate(task.classes)])
    total = p.sum(axis=1, keepdims=True)
    shares: F64 = np.divide(p, total, out=np.full_like(p, 1 / p.shape[1]), where=total > 0)
    return shares


def _class_parts(s: F64, p: F64, decided: I32, w: F64, group: I64, groups: int) -> F64:
    k = s.shape[1]
    likely = -np.log(np.clip(s, EPSILON, 1 - EPSILON))
    brier = (s**2).sum(axis=1, keepdims=True) - 2 * s + 1
    columns = [w, w * w]
    for loss in (likely, brier):
        mean = (p * loss).sum(axis=1)
        columns += [w * mean, w * w * ((p * loss**2).sum(axis=1) - mean**2)]
    plain = np.column_stack([np.bincount(group, one, minlength=groups) for one in columns])
    confusion = np.zeros((2, groups, k, k))
    cell = group * k + decided
    for actual in range(k):
        own = p[:, actual]
        for of, values in enumerate((w * own, w * w * own * (1 - own))):
            confusion[of, :, actual] = np.bincount(cell, values, minlength=groups * k).reshape(groups, k)
    return np.hstack([plain[:, :2], *confusion.reshape(2, groups, k * k), plain[:, 2:]])


def loss_sums(
    features: Mapping[str, Column],
    scores: F64 | None,
    weight: F64 | None,
    group: I64,
    groups: int,
    bins: ModelBins,
    learned: LossTrees,
) -> list[Entries]:
    """Return what the features and the values of a regression lead to expect of its losses."""
    if scores is None or not learned.needs(features):
        return []
    losses = learned.predict(features, scores[:, 0], bins)
    usable = np.isfinite(scores[:, 0])
    w = np.where(usable, 1.0 if weight is None else usable_weight(weight), 0.0)
    columns = [w, w * w, *(w * one for one in losses.T), *((w * one) ** 2 for one in losses.T)]
    return [_of_dense(LOSS, np.column_stack([np.bincount(group, one, minlength=groups) for one in columns]))]


def _of_dense(part: str, sums: F64) -> Entries:
    group, index = np.nonzero(sums)
    return Entries(part, sums.shape[1], group, index, sums[group, index].astype(np.float64, copy=False))


def _entries(part: str, width: int, group: I64, index: I64, weight: F64 | None) -> Entries:
    """Count rows by group and index, sparse: a batch reaches over many panes, and each has few of the bins."""
    cell = group * width + index
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    value = np.add.reduceat(np.ones(len(order)) if weight is None else weight[order], starts)
    held = np.flatnonzero(value)
    at = ordered[starts[held]]
    return Entries(part, width, at // width, at % width, value[held])


def every(entries: list[Entries], groups: int) -> Iterator[tuple[str, F64]]:
    """Yield each part with its whole vectors, float64 (groups, width)."""
    for one in entries:
        yield one.part, one.dense(groups)
