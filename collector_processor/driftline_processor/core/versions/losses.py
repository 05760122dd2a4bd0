r"""The losses and decisions by which versions are compared: from rows, and from a pane's sums.

========================  ========  ==============================================================================
loss                      between   per row
========================  ========  ==============================================================================
``error``                 0, 1      whether the decided class differs from the actual one
``brier``                 0, 1      (p - y)²; for several classes Σ (p - y)² over them, between 0 and 2
``log_loss``              0, 6.9    -log of the probability of the actual class, which is at least
                                    :data:`FLOOR`; for versions with separate requests without the floor
``absolute_error``        no bound  \|value - actual\|
``squared_error``         no bound  (value - actual)²
``cost_per_prediction``   known     the cost matrix's entry for the actual and the decided class
========================  ========  ==============================================================================

For costs, the requests of both versions are counted by actual class and the decided class of either version. So the
cost matrix may be defined or changed later, when the rows have expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log
from typing import Final, NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.panes.sparse_sums import Sparse, cells
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import decide, usable_weight
from driftline.tables.row_losses import losses_of_rows, probability_of_outcome
from driftline.tables.table import F64, I32, I64, Column, length
from driftline.tables.task import PerKind, Task

from .sums import PAIRED, PairedSums, SingleSums, Sums

DECISIONS: Final = "decisions:"
"""Prefix of the part, followed by the number of classes k: number of rows, Σw and Σw² of each of k³ cells, row-major.
"""

MOST_CLASSES: Final = 50
"""Maximum classes of a model whose pairs of versions are compared by cost; more have too many cells."""


def fold_decisions(
    classes: int, actual: I32, first: I32, second: I32, weight: F64, group: I64, groups: int
) -> dict[str, Sparse]:
    """Count requests that both versions scored: part → sums of each group.

    ``actual``, ``first``, ``second``: codes of the actual class and of the decision of either version, int32 (n,); a
    row counts if all three are valid. ``weight``: float64 (n,), usable weights; ``group``: int64 (n,), 0 <= group <
    groups.

    >>> codes = np.array([1, 0, 1], np.int32)
    >>> found = fold_decisions(2, codes, codes, np.ones(3, np.int32), np.ones(3), np.zeros(3, np.int64), 1)
    >>> found["decisions:2"].dense(1)[0, :8].tolist()
    [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]
    """
    if not 0 < classes <= MOST_CLASSES:
        return {}
    usable = (weight > 0) & np.logical_and.reduce([(one >= 0) & (one < classes) for one in (actual, first, second)])
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(group[rows], kind="stable")]
    if not len(rows):
        return {}
    cell = (actual[rows].astype(np.int64) * classes + first[rows]) * classes + second[rows]
    moment = np.tile(np.arange(3), len(rows))
    w = weight[rows]
    columns = np.stack([np.ones(len(rows)), w, w**2], axis=1)
    at = np.repeat(cell, 3) + moment * classes**3
    return {f"{DECISIONS}{classes}": cells(np.repeat(group[rows], 3), at, columns.reshape(-1), groups, 3 * classes**3)}


def paired_cost(pane: Pane, costs: F64) -> PairedSums:
    """Return the sums of the costs of pairs; all 0 without any. ``costs``: float64 (k, k), actual × decided.

    Classes that were learned later have higher codes.
    """
    sums = np.zeros(len(PairedSums._fields))
    for part, counted in pane.parts.items():
        if part.startswith(DECISIONS):
            rows, weight, squared = _cube(part, counted)
            own = costs[: len(rows), : len(rows)]
            one, other = own[:, :, np.newaxis], own[:, np.newaxis, :]
            d = other - one
            columns = (rows, weight, squared, weight * one, weight * other, squared * d, squared * d**2)
            sums += [float(column.sum()) for column in columns]
    return PairedSums(*sums.tolist())


def swap_decisions(part: str, counted: F64) -> F64:
    """Return the sums with the versions swapped."""
    found: F64 = _cube(part, counted).swapaxes(2, 3).reshape(-1)
    return found


def _cube(part: str, counted: F64) -> F64:
    """Return the counts as float64 (3, k, k, k); trailing zeros are not stored."""
    classes = int(part.removeprefix(DECISIONS))
    whole = np.zeros(3 * classes**3)
    whole[: len(counted)] = counted
    return whole.reshape(3, classes, classes, classes)


FLOOR: Final = 1e-3
"""Minimum probability of the actual class, so that one row cannot outweigh thousands: its log loss is 6.9."""

COST: Final = "cost_per_prediction"

_CLASS_LOSSES = ("error", "brier", "log_loss")
_LOSSES: Final[PerKind[tuple[str, ...]]] = PerKind(
    binary=_CLASS_LOSSES,
    multiclass=_CLASS_LOSSES,
    regression=("absolute_error", "squared_error"),
    ranking=(),
    unknown=(),
)


def losses_of(task: Task, *, priced: bool = False) -> tuple[str, ...]:
    """Return the losses of a task, the deciding one first; () without any.

    ``priced``: whether decisions have costs, which then decide.

    >>> losses_of(Task("binary")), losses_of(Task("ranking"))
    (('error', 'brier', 'log_loss'), ())
    """
    known = _LOSSES.of(task)
    return (COST, *known) if priced and task.classes and known else known


def bounds_of(task: Task, loss: str, *, paired: bool, costs: F64 | None = None) -> tuple[float, float] | None:
    """Return the minimum and maximum of a loss; None if it is unbounded.

    >>> bounds_of(Task("binary"), "error", paired=True), bounds_of(Task("regression"), "absolute_error", paired=True)
    ((0.0, 1.0), None)
    """
    if loss == COST and costs is not None:
        return float(costs.min()), float(costs.max())
    if loss == "log_loss":
        return (0.0, -log(FLOOR)) if paired else None
    greatest = {"error": 1.0, "brier": 2.0 if task.has_class_scores else 1.0}.get(loss)
    return None if greatest is None else (0.0, greatest)


def row_losses(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> dict[str, F64]:
    """Return the losses of joined rows: name → float64 (n,), NaN without one.

    The arguments are those of :func:`~driftline.panes.outcome_sums.fold_outcomes`.

    >>> rows = row_losses(
    ...     Task("binary", ("0", "1"), "1"), np.array([[0.8], [0.4]]), None, Column(numbers=np.array([1.0, 1.0]))
    ... )
    >>> {name: loss.round(2).tolist() for name, loss in rows.items()}
    {'error': [0.0, 1.0], 'brier': [0.04, 0.36], 'log_loss': [0.22, 0.92]}
    """
    if not _LOSSES.of(task):
        return {}
    errors = losses_of_rows(task, scores, predicted, actual)
    if task.predicts_number:
        return {"absolute_error": errors, "squared_error": errors**2}
    truth, _ = _codes(task, scores, predicted, actual)
    chance = probability_of_outcome(task, scores, truth)
    brier = (1 - chance) ** 2
    if task.has_class_scores and scores is not None and len(scores):
        with np.errstate(invalid="ignore", over="ignore"):  # for scores that are not probabilities
            brier += (scores**2).sum(axis=1) - chance**2
    return {"error": errors, "brier": brier, "log_loss": -np.log(np.maximum(chance, FLOOR))}


def _codes(task: Task, scores: F64 | None, predicted: Column | None, actual: Column) -> tuple[I32, I32]:
    """Return the actual and the decided class of each row, codes into the task's classes, -1 where unknown."""
    n = length(actual)
    nothing = np.full(n, -1, dtype=np.int32)
    truth = class_codes(actual, task.classes) if task.classes else None
    decided = decide(task, scores, predicted)
    return nothing if truth is None else truth, decided if len(decided) == n else nothing


class VersionAnswers(NamedTuple):
    """The answers of one version to n requests, as :func:`~driftline.panes.outcome_sums.fold_outcomes` takes it."""

    task: Task
    scores: F64 | None
    predicted: Column | None


def fold_requests(
    first: VersionAnswers, second: VersionAnswers, actual: Column, weight: F64, group: I64, groups: int
) -> dict[str, Sparse]:
    """Sum requests that both versions scored: the parts of :func:`fold_pairs` and of :func:`fold_decisions`.

    The latter only if both versions have the same classes in the same order. ``weight``: float64 (n,), NaN = 1;
    ``group``: int64 (n,), 0 <= group < groups.
    """
    one, other = (row_losses(*side, actual) for side in (first, second))
    sums = {part: Sparse.of(pair) for part, pair in fold_pairs(one, other, weight, group, groups).items()}
    classes = first.task.classes
    if first.task.has_classes and classes == second.task.classes:
        (truth, decided), (_, its) = (_codes(*side, actual) for side in (first, second))
        usable = usable_weight(np.where(np.isnan(weight), 1.0, weight))
        sums |= fold_decisions(
            classes=len(classes), actual=truth, first=decided, second=its, weight=usable, group=group, groups=groups
        )
    return sums


def fold_pairs(
    first: Mapping[str, F64], second: Mapping[str, F64], weight: F64, group: I64, groups: int
) -> dict[str, F64]:
    """Sum the losses of requests that both versions scored: part → float64 (groups, 7).

    The columns are those of :class:`~driftline_processor.core.versions.sums.PairedSums`. ``first`` / ``second``:
    results of :func:`row_losses`; ``weight``: float64 (n,), NaN = 1; ``group``: int64 (n,), 0 <= group < groups. A
    request counts if both have the loss.

    >>> one, other = {"error": np.array([0.0, 1.0, 0.0])}, {"error": np.array([1.0, 1.0, np.nan])}
    >>> fold_pairs(one, other, np.ones(3), np.zeros(3, np.int64), 1)["paired:error"].tolist()
    [[2.0, 2.0, 2.0, 1.0, 2.0, 1.0, 1.0]]
    """
    w_of_all = usable_weight(np.where(np.isnan(weight), 1.0, weight))
    found: dict[str, F64] = {}
    for name in first.keys() & second.keys():
        has_both = ~(np.isnan(first[name]) | np.isnan(second[name])) & (w_of_all > 0)
        if not has_both.any():
            continue
        a, b, w, at = first[name][has_both], second[name][has_both], w_of_all[has_both], group[has_both]
        squared, d = w**2, b - a
        columns = (None, w, squared, w * a, w * b, squared * d, squared * d**2)
        sums = [np.bincount(at, column, minlength=groups).astype(np.float64, copy=False) for column in columns]
        found[PAIRED + name] = np.column_stack(sums)
    return dict(sorted(found.items()))


def paired_of(pane: Pane, loss: str, costs: F64 | None = None) -> PairedSums:
    """Return the sums of one loss from the parts of :func:`fold_requests`; all 0 without any."""
    if loss == COST and costs is not None:
        return paired_cost(pane, costs)
    sums = pane.parts.get(PAIRED + loss)
    return PairedSums() if sums is None else PairedSums(*sums[: len(PairedSums._fields)].tolist())


def swap_versions(pane: Pane) -> Pane:
    """Return the parts of pairs with the versions swapped."""
    return Pane(
        {
            part: swap_decisions(part, sums)
            if part.startswith(DECISIONS)
            else np.array(Sums(PairedSums(*sums)).swapped().paired)
            for part, sums in pane.parts.items()
        }
    )


_MOST_CELLS = 5_000_000
"""Maximum cells of confusion tables in memory per version: 40 MB."""

PARTS: Final = ("outcomes", "confusion", "confusion_excess", "losses", "spread")
"""The performance parts with the losses of one version."""


def stretches_from(begins: I64, classes: int) -> I64:
    """Return the starts of the periods: hours, or fewer if many classes make each of them large.

    ``begins``: int64 (n,), the hours.

    >>> stretches_from(np.arange(720), 10).size, stretches_from(np.arange(720), 1000).size
    (720, 5)
    """
    return begins[:: ceil(len(begins) * classes**2 / _MOST_CELLS) or 1]


def alone_of_hours(parts: Mapping[str, F64], task: Task, loss: str, costs: F64 | None = None) -> F64:
    """Return the sums of one version's loss by period, float64 (6, n).

    The rows are those of :class:`~driftline_processor.core.versions.sums.SingleSums`. ``parts``: :data:`PARTS` of a
    pane, float64 (n, width) each, or (width,) for one period; 0 if missing.

    >>> parts = {"outcomes": np.full(3, 4.0), "confusion": np.array([2.0, 1.0, 0.0, 1.0])}
    >>> alone_of_hours(parts, Task("binary", ("0", "1"), "1"), "error").ravel().tolist()
    [4.0, 4.0, 4.0, 1.0, 1.0, 1.0]
    """
    held = {part: np.atleast_2d(sums) for part, sums in parts.items() if part in PARTS}
    nothing = np.zeros((len(SingleSums._fields), max(map(len, held.values()), default=1)))
    if "outcomes" not in held:
        return nothing
    if loss in ("error", COST):
        k, counts = len(task.classes), held.get("confusion")
        if counts is None or counts.shape[1] != k**2:
            return nothing
        squares = counts + held.get("confusion_excess", 0.0)
        x = (1 - np.eye(k) if loss == "error" or costs is None else costs).ravel()
        own = np.stack([counts.sum(axis=1), squares.sum(axis=1), counts @ x, squares @ x, squares @ x**2])
    else:
        names, sums, spread = task.losses, held.get("losses"), held.get("spread")
        if sums is None or spread is None or loss not in names or spread.shape[1] != 2 * len(names) - 1:
            return nothing
        at = names.index(loss)
        own = np.stack([sums[:, 0], spread[:, 0], sums[:, at], spread[:, 2 * at - 1], spread[:, 2 * at]])
    known, total = held["outcomes"][:, 0], held["outcomes"][:, 1]
    rows = np.divide(known * own[0], total, out=np.zeros(len(total)), where=total > 0)
    rows = np.where((known == total) & (total == held["outcomes"][:, 2]), np.round(rows), rows)
    return np.vstack([rows, own])
