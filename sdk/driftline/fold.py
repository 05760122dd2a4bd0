"""Fold rows into panes: ``fold(table, bins) → Pane``. The parts are listed in :mod:`driftline.pane`.

A prediction is folded when it arrives, its outcome when that arrives: two panes of the same stretch of time, which
merge by addition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .bins import SCORE_BINS, Bins, CategoryBins, Index, assign, score_bin
from .classes import class_codes
from .clusters import PREFIX, clustered, groups_of, key_of
from .joint import Joint
from .pane import DURATION_BOUNDS, MOST_UNKNOWN, Pane
from .projection import Projection
from .relevance import CUTOFFS, Relevance, clicks_of, fold_relevance
from .space import Space
from .strays import Stray, strays
from .tables import CLASSLESS, F64, I32, I64, Column, PredictionTable, Task, length, numbers_of

Mask = NDArray[np.bool_]

EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [EPSILON, 1 - EPSILON] before the logarithm, as ``sklearn.metrics.log_loss`` does."""

SUM_TOLERANCE = 1e-3
"""Scores of one row whose sum is farther from 1 are no probabilities and have no log loss."""

GREATEST = 1e100
"""Values of a regression beyond it are unusable: one of them, squared, would turn a pane's sums infinite for good."""

GREATEST_WEIGHT = 1e12
LONGEST = 1e9
"""Seconds; a longer duration was measured by a broken clock."""


@dataclass(frozen=True, slots=True)
class ModelBins:
    """The bins of one model: what a pane is folded over. Panes merge only over the same ones.

    ``projections``: of features that are embeddings, whose bins are those of their L2 norm.
    ``space``: the features together, as coordinates; None where there are too few or too many. It counts only while
    all of its features have bins.
    """

    features: dict[str, Bins] = field(default_factory=dict)
    score: Bins | None = None
    classes: CategoryBins | None = None
    projections: dict[str, Projection] = field(default_factory=dict)
    space: Space | None = None


class Counted:
    """Rows counted by groups of their own beside the panes they are folded into: by slice, see :mod:`.slices`.

    ``group``: int64 (n,), -1 <= group < groups, -1 = in none. ``parts``: the name of a pane's part → its sums,
    float64 (groups, width): rows, features, score and class, and their clusters where a key is named.
    """

    def __init__(self, group: I64, groups: int) -> None:
        self.groups = groups
        self.parts: dict[str, F64] = {}
        self._group = np.where(
            group < 0, groups, group
        )  # a group more, which is dropped, costs less than choosing rows

    def add(self, part: str, index: Index, width: int, weight: F64 | None, rows: Index | None = None) -> None:
        """Count where rows lie in a part, int64 (n,) below ``width``; ``rows``: which rows, all where None."""
        group = self._group if rows is None else self._group[rows]
        values = weight if rows is None else _at(weight, rows)
        counts = _counts(index + group * width, values, (self.groups + 1) * width)
        self.parts[part] = counts.reshape(self.groups + 1, width)[:-1]

    def count_rows(self, weight: F64 | None) -> None:
        """Count the rows themselves."""
        sums = [_counts(self._group, w, self.groups + 1) for w in (None, weight, None if weight is None else weight**2)]
        self.parts["rows"] = np.column_stack(sums)[:-1]


def fold(table: PredictionTable, bins: ModelBins, cluster: str = "") -> Pane:
    """Fold all rows of a table into one pane.

    A feature the table lacks is missing in each row. Features the bins do not know are named in ``unknown:NAME`` parts.
    ``cluster``: the slice or feature whose rows of one value belong together (:mod:`driftline.clusters`).

    >>> from .tables import ModelKey, Text
    >>> rows = Text(np.zeros(3, np.int32), b"")
    >>> time, value = np.zeros(2, np.int64), np.array([[1.0], [5.0]])
    >>> table = PredictionTable(ModelKey("m"), Task("regression"), time, rows, value)
    >>> from .bins import NumberBins
    >>> fold(table, ModelBins(score=NumberBins(np.array([2.0])))).parts["score"]
    array([1., 1., 0., 0.])
    """
    parts, strayed = _parts(table, bins, None, 1, cluster)
    pane = Pane({name: sums[0] for name, sums in parts.items()})
    pane.parts |= {name: sums[0] for name, (_, sums) in strayed.items() if sums.any()}
    return pane


def fold_by(
    table: PredictionTable,
    bins: ModelBins,
    group: I64,
    groups: int,
    cluster: str = "",
    cuts: Sequence[Counted] = (),
) -> list[Pane]:
    """Fold the rows of each group into a pane of its own, all groups at once.

    ``group``: int64 (n,), 0 <= group < groups: the pane of time each row falls into. A group without rows gives a pane
    of zeros. ``cuts``: count the same rows once more, each by groups of its own.
    """
    parts, strayed = _parts(table, bins, group, groups, cluster, cuts)
    panes = [Pane({name: sums[position].copy() for name, sums in parts.items()}) for position in range(groups)]
    for name, (positions, some) in strayed.items():
        for position, sums in zip(positions.tolist(), some, strict=True):
            if sums.any():  # rows of no weight leave nothing
                panes[position].parts[name] = sums
    return panes


def fold_outcomes(
    task: Task,
    scores: F64 | None,
    predicted: Column | None,
    actual: Column,
    weight: F64 | None = None,
    relevance: Relevance | None = None,
) -> Pane:
    """Fold joined rows (prediction and its truth) into the parts that performance needs.

    ``scores``: float64 (n, k) as in :class:`~driftline.tables.PredictionTable`; ``predicted``: the class the service
    decided, None = derive it (see :func:`decide`); ``actual``: classes, or numbers for regression; ``weight``: float64
    (n,), None or NaN = 1. A row counts as known only when its actual is usable: one of ``task.classes``, or a number
    (at most 1e100). ``relevance``: what was relevant in each list of a ranking; without it an actual above 0 says that
    the list was clicked. Scores outside [0, 1] are no probabilities: they have a decision, but no losses and no place
    on the score grid.

    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 1.0])))
    >>> pane.parts["confusion"].tolist(), pane.parts["losses"].round(3).tolist()
    ([0.0, 0.0, 1.0, 1.0], [2.0, 0.4, 1.139, 1.2, 2.0])
    """
    n = length(actual)
    if weight is not None:
        weight = usable_weight(weight)
    if task.kind == "regression":
        return _fold_values(scores, actual_numbers(actual), weight)
    if task.kind == "ranking":
        known_of = clicks_of(actual_numbers(actual)) if relevance is None else relevance
        parts = fold_relevance(known_of, weight, task.cutoffs or CUTOFFS)
        return Pane({name: sums[0] for name, sums in parts.items()})
    classes = len(task.classes)
    truth = class_codes(actual, task.classes)
    if truth is None or classes == 0:
        truth = np.full(n, -1, dtype=np.int32)
    known = (truth >= 0) & (truth < classes)
    decided = decide(task, scores, predicted)
    if len(decided) == 0:  # neither score nor decision was sent
        decided = np.full(n, -1, dtype=np.int32)
    both = known & (decided >= 0) & (decided < classes)
    cell = truth[both] * classes + decided[both]
    parts = {"outcomes": _rows(weight, known), "confusion": _counts(cell, _at(weight, both), classes * classes)}
    if scores is not None and len(scores):
        parts |= _fold_probabilities(task, scores, truth, known, weight)
    return Pane(parts)


def decide(task: Task, scores: F64 | None, predicted: Column | None) -> I32:
    """Return the decided class of each row: int32 (n,) codes into ``task.classes``.

    The service's own decision where it was sent; else, per row, binary: the positive class when score >= threshold;
    multiclass: the greatest score. ``len(task.classes)`` is a class that is not among them, -1 unknown. Regression and
    ranking decide nothing: all -1.

    >>> decide(Task("binary", ("no", "yes"), "yes", 0.3), np.array([[0.3], [0.2], [np.nan]]), None).tolist()
    [1, 0, -1]
    """
    sent = None if predicted is None or task.kind in CLASSLESS else class_codes(predicted, task.classes)
    if scores is None:
        return np.empty(0, dtype=np.int32) if sent is None else sent
    derived = np.full(len(scores), -1, dtype=np.int32)
    if task.kind == "binary" and task.positive_class in task.classes and scores.shape[1] == 1:
        positive = task.classes.index(task.positive_class)
        score = scores[:, 0]
        derived = np.where(score >= task.threshold, positive, 1 - positive).astype(np.int32)
        derived[np.isnan(score)] = -1
    elif task.kind == "multiclass" and 0 < scores.shape[1] == len(task.classes):
        derived = scores.argmax(axis=1).astype(np.int32)
        derived[np.isnan(scores).any(axis=1)] = -1
    return derived if sent is None else np.where(sent >= 0, sent, derived)


def target_score(task: Task, scores: F64) -> F64:
    """Return the one number per row whose distribution is watched: float64 (n,).

    Binary: the score of the positive class; multiclass: the greatest score (confidence); regression: the value;
    ranking: the score of the first item.
    """
    if task.kind == "multiclass" and scores.shape[1] > 1:
        return np.asarray(scores.max(axis=1), dtype=np.float64)
    return scores[:, 0]


def actual_numbers(actual: Column) -> F64:
    """Return actual values of a regression: float64 (n,), numbers in text included, NaN where there is none."""
    values = numbers_of(actual)
    if actual.codes is None:
        return values
    parsed = np.array([*(_float(label) for label in actual.labels), np.nan])
    return np.where(np.isnan(values), parsed[actual.codes], values)


def usable_weight(weight: F64) -> F64:
    """Return weights that can be summed: NaN means not given and is 1; a negative or absurd one (> 1e12) is 0."""
    ok = (weight >= 0) & (weight <= GREATEST_WEIGHT)
    return weight if ok.all() else np.where(np.isnan(weight), 1.0, np.where(ok, weight, 0.0))


def _parts(
    table: PredictionTable,
    bins: ModelBins,
    group: I64 | None,
    groups: int,
    cluster: str,
    cuts: Sequence[Counted] = (),
) -> tuple[dict[str, F64], dict[str, tuple[Index, F64]]]:
    """Sums of all groups by part, float64 (groups, width); and what strays, of the groups in which anything does."""
    n = len(table)
    weight = None if table.weight is None else usable_weight(table.weight)

    def sums(index: Index, width: int, values: F64 | None, where: Index | None = None) -> F64:
        if group is not None:
            index = index + (group if where is None else group[where]) * width
        return _counts(index, values, groups * width).reshape(groups, width)

    def stray(found: Stray) -> tuple[Index, F64]:
        at, local = np.zeros(1, dtype=np.intp), found.entries
        if group is not None:  # only the groups it is in: most are quiet, and its parts are wide
            at, local = np.unique(group[found.rows], return_inverse=True)
            local = local * found.width + found.entries
        weighed = _counts(local, _at(weight, found.rows), len(at) * found.width)
        return at, weighed.reshape(len(at), found.width)

    strayed: dict[str, tuple[Index, F64]] = {}
    key = key_of(table, cluster) if cluster else None
    belonging = None if key is None else groups_of(key)
    joint = Joint(bins.space, n) if bins.space is not None and bins.space.names_in(bins.features) else None

    def target(part: str, over: Bins, column: Column | None, name: str = "") -> None:
        if column is None or (column.numbers is None and column.codes is None):
            nothing = np.full(n, over.size, dtype=np.intp)
            parts[part] = sums(nothing, over.size + 2, weight)
            for cut in cuts:
                cut.add(part, nothing, over.size + 2, weight)
            return
        index = assign(over, column)
        parts[part] = sums(index, over.size + 2, weight)
        for cut in cuts:
            cut.add(part, index, over.size + 2, weight)
        if belonging is not None and len(belonging):
            strayed[PREFIX + part] = stray(together := clustered(belonging, index, over))
            for cut in cuts:
                cut.add(PREFIX + part, together.entries, together.width, weight, together.rows)
        if joint is not None and name:
            joint.add(name, index, bool(parts[part][:, over.size :].any()))
        if name:
            for which, found in strays(name, bins.features, column, index, parts[part].sum(axis=0)).items():
                strayed[which] = stray(found)

    zero = np.zeros(n, dtype=np.intp)
    plain = sums(zero, 1, None)
    weighed = plain if weight is None else sums(zero, 1, weight)
    squared = plain if weight is None else sums(zero, 1, weight * weight)
    parts = {"rows": np.hstack([plain, weighed, squared])}
    for cut in cuts:
        cut.count_rows(weight)
    for name, over in bins.features.items():
        target(f"feature:{name}", over, table.features.get(name), name)
    for name, projection in bins.projections.items():
        column = table.features.get(name)
        if column is not None and column.vectors is not None:
            parts[f"embedding:{name}"] = projection.sums(column.vectors, weight, group, groups)
    if joint is not None:
        parts |= joint.sums(weight, group, groups)
    if bins.features:
        for name in sorted(table.features.keys() - bins.features.keys())[:MOST_UNKNOWN]:
            parts[f"unknown:{name}"] = weighed
    if bins.score is not None:
        score = None if table.scores is None else target_score(table.task, table.scores)
        target("score", bins.score, None if score is None else Column(numbers=score))
    if bins.classes is not None:
        codes = decide(table.task, table.scores, table.predicted)
        decided = Column(codes=codes, labels=(*table.task.classes, "")) if len(codes) else None
        target("class", bins.classes, decided)
    if table.duration is not None:
        parts["duration"] = _durations(table.duration, weight, sums)
    return parts, strayed


def _durations(seconds: F64, weight: F64 | None, sums: Callable[[Index, int, F64 | None, Index | None], F64]) -> F64:
    usable = np.flatnonzero((seconds >= 0) & (seconds <= LONGEST))
    values, weights = seconds[usable], _at(weight, usable)
    bucket = np.searchsorted(DURATION_BOUNDS, values, side="left")
    buckets = sums(bucket, len(DURATION_BOUNDS) + 1, weights, usable)
    total = values if weights is None else values * weights
    return np.hstack([buckets, sums(np.zeros(len(usable), dtype=np.intp), 1, total, usable)])


def _fold_values(scores: F64 | None, actual: F64, weight: F64 | None) -> Pane:
    known = np.abs(actual) <= GREATEST
    parts = {"outcomes": _rows(weight, known)}
    if scores is not None and len(scores):
        usable = known & (np.abs(scores[:, 0]) <= GREATEST)
        y, error = actual[usable], scores[usable, 0] - actual[usable]
        w = np.ones(len(y)) if weight is None else weight[usable]
        parts["losses"] = np.array([w.sum(), w @ error, w @ np.abs(error), w @ error**2, w @ y, w @ y**2])
    return Pane(parts)


def _fold_probabilities(task: Task, scores: F64, truth: I32, known: Mask, weight: F64 | None) -> dict[str, F64]:
    with np.errstate(invalid="ignore"):
        probable = ((scores >= 0) & (scores <= 1)).all(axis=1)
        if task.kind == "multiclass":
            probable &= (np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE) & (scores.shape[1] == len(task.classes))
        elif scores.shape[1] != 1 or task.positive_class not in task.classes:
            return {}
    usable = known & probable
    p, y = scores[usable], truth[usable]
    w = np.ones(len(y)) if weight is None else weight[usable]
    if task.kind == "multiclass":
        hit = np.zeros_like(p)
        hit[np.arange(len(y)), y] = 1.0
        brier = ((p - hit) ** 2).sum(axis=1)
        log_loss = -np.log(np.clip(p[np.arange(len(y)), y], EPSILON, 1 - EPSILON)) if len(y) else np.empty(0)
        return {"losses": np.array([w.sum(), w @ brier, w @ log_loss])}
    score = p[:, 0]
    positive = y == task.classes.index(task.positive_class)
    chance = np.clip(np.where(positive, score, 1 - score), EPSILON, 1 - EPSILON)
    at = score_bin(score)
    return {
        "losses": np.array([w.sum(), w @ (score - positive) ** 2, w @ -np.log(chance), w @ score, w @ positive]),
        "score_negative": _counts(at[~positive], w[~positive], SCORE_BINS),
        "score_positive": _counts(at[positive], w[positive], SCORE_BINS),
    }


def _rows(weight: F64 | None, which: Mask) -> F64:
    known = float(np.count_nonzero(which))
    if weight is None:
        return np.array([known, known, known])
    w = weight[which]
    return np.array([known, w.sum(), w @ w])


def _counts(index: Index | I64 | I32, weight: F64 | None, size: int) -> F64:
    # of no rows at all bincount makes whole numbers, whatever the weights
    return np.bincount(index, weight, minlength=size).astype(np.float64, copy=False)


def _at(weight: F64 | None, which: Index | Mask) -> F64 | None:
    return None if weight is None else weight[which]


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
