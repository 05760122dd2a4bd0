"""Read the outcome sums of a pane: losses, confusion, means, effective rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.panes.outcome_sums import count_of, intervals, widths
from driftline.panes.pane import Pane
from driftline.panes.relevance import CLICKS, OF_ALL, OF_RELEVANT, PREFIX, WIDTH
from driftline.tables.table import F64
from driftline.tables.task import Task
from numpy.typing import NDArray


def losses(pane: Pane, task: Task) -> dict[str, float] | None:
    """Return the summed losses of a task by the names of :attr:`Task.losses`; None if there are none."""
    sums, names = pane.parts.get("losses"), task.losses
    if sums is None or not names or len(sums) != len(names):
        return None
    return dict(zip(names, sums.tolist(), strict=True))


def confusion(pane: Pane, classes: int) -> F64 | None:
    """Return the weight per actual (row) and predicted (column) class: float64 (k, k); None if there is none."""
    counts = pane.parts.get("confusion")
    if counts is None or len(counts) != classes**2 or counts.sum() <= 0:
        return None
    return counts.reshape(classes, classes)


class Mean(NamedTuple):
    """The sums of a weighted mean of a loss ℓ: Σw, Σw², Σwℓ, Σw²ℓ, Σw²ℓ²."""

    weight: float
    squared_weight: float
    total: float
    squared_total: float
    squares: float

    @property
    def value(self) -> float | None:
        """Σwℓ / Σw; None if Σw is 0."""
        return ratio(self.total, self.weight)


def means(pane: Pane, task: Task) -> dict[str, Mean]:
    """Return the sums of means by the name of their loss; for an old pane those whose squares it has.

    Binary: brier, log_loss, score, positive; multiclass: brier, log_loss; regression: error, absolute_error,
    squared_error, actual, squared_actual, percentage, ``quantile:LEVEL``, ``interval:COVERAGE``; any: value.

    >>> from driftline.panes.outcome_sums import fold_outcomes
    >>> from driftline.tables.table import Column
    >>> task = Task("regression")
    >>> pane = fold_outcomes(task, np.array([[1.0], [2.0]]), None, Column(numbers=np.array([2.0, 4.0])))
    >>> means(pane, task)["absolute_error"].value
    1.5
    """
    found: dict[str, Mean] = {}
    sums, spread = losses(pane, task), pane.parts.get("spread")
    if sums and spread is not None and len(spread) == 2 * len(sums) - 1:
        weight, squared = sums.pop("weight"), spread[1:].reshape(-1, 2).tolist()
        for (name, total), squares in zip(sums.items(), squared, strict=True):
            found[name] = Mean(weight, float(spread[0]), total, *squares)
    levels = [f"quantile:{level!r}" for level in task.quantiles]
    levels += [f"interval:{coverage!r}" for coverage in intervals(task)]
    for part, names, first in (("percentage", ["percentage"], 0), ("quantiles", levels, 0), ("value", ["value"], 1)):
        held = pane.parts.get(part)
        if held is not None and len(held) == widths(task).get(part) and held[first] > 0:
            weight, squared_weight, *rest = held[first:].tolist()
            for name, (total, squared_total, squares) in zip(names, np.reshape(rest, (-1, 3)).tolist(), strict=True):
                found[name] = Mean(weight, squared_weight, total, squared_total, squares)
    return found


LIST_METRICS = {
    "hit": "hit_rate",
    "precision": "precision",
    "recall": "recall",
    "ndcg": "ndcg",
    "reciprocal_rank": "mrr",
    "average_precision": "map",
}
"""Part of the sums of a cutoff → the name of its metric."""


class ListMean(NamedTuple):
    """Sums of a metric that is a mean over lists: lists, Σw, Σw², Σwx, Σw²x, Σw²x²."""

    lists: int
    weight: float
    squared: float
    total: float
    weighted: float
    squares: float


def list_means(pane: Pane) -> dict[str, ListMean]:
    """Return the sums of every mean over ranked lists by the name of its metric, such as ``ndcg@10``.

    >>> from driftline.panes.relevance import fold_relevance, relevance_of
    >>> parts = fold_relevance(relevance_of([[0.0, 1.0], [0.0]]), cutoffs=(2,))
    >>> found = list_means(Pane({name: sums[0] for name, sums in parts.items()}))
    >>> found["ctr"].lists, found["mrr@2"].lists, found["mrr@2"].total
    (2, 1, 0.5)
    """
    known = pane.parts.get("outcomes")
    if known is None:
        return {}
    rows, weight, squared = known.tolist()
    clicked, clicked_squared = pane.parts.get("clicks", np.zeros(CLICKS)).tolist()  # a store omits zeros
    found = {"ctr": ListMean(int(rows), weight, squared, clicked, clicked_squared, clicked_squared)}
    for cutoff, sums in sorted(_by_cutoff(pane).items()):
        heads = (sums[:3].tolist(), sums[3:6].tolist())
        for index, name in enumerate((*OF_ALL, *OF_RELEVANT)):
            lists, weight, squared = heads[index >= len(OF_ALL)]
            total, weighted, spread = sums[6 + 3 * index : 9 + 3 * index].tolist()
            found[f"{LIST_METRICS[name]}@{cutoff}"] = ListMean(int(lists), weight, squared, total, weighted, spread)
    return found


def _by_cutoff(pane: Pane) -> dict[int, F64]:
    parts = ((name.removeprefix(PREFIX), sums) for name, sums in pane.parts.items() if name.startswith(PREFIX))
    return {int(cutoff): sums for cutoff, sums in parts if cutoff.isdigit() and len(sums) == WIDTH}


def rows_of(pane: Pane, weight: float, part: str, cells: NDArray[np.bool_] | None = None) -> int:
    """Return the number of joined rows of a weight from a part, or from cells of the confusion matrix.

    ``cells``: bool (k, k), None = all. For old panes without row counts, rows are proportional to the weight.

    >>> parts = {"outcomes": np.array([4.0, 31.0, 301.0]), "outcomes_count": np.array([-27.0])}
    >>> parts |= {"confusion_count": np.array([-27.0, 0, 0, 0])}
    >>> rows_of(Pane(parts), 31.0, "confusion"), rows_of(Pane(parts), 1.0, "confusion", np.eye(2)[[1, 1]] > 0)
    (4, 1)
    """
    rows, total, _ = pane.parts["outcomes"].tolist()
    if total <= 0:
        return 0
    uncounted = rows - total - float(_more(pane, "outcomes").sum())
    more = _more(pane, part)
    own = more if cells is None or len(more) != cells.size else more[cells.ravel()]
    return int(min(max(round(weight + float(own.sum()) + uncounted * weight / total), 0), rows))


def _more(pane: Pane, part: str) -> F64:
    return pane.parts.get(count_of(part), np.zeros(1))


def ratio(numerator: float, denominator: float) -> float | None:
    """Return the ratio, None if the denominator is 0: an undefined metric is unknown, never 0.

    >>> ratio(1, 4), ratio(0, 0)
    (0.25, None)
    """
    return float(numerator) / float(denominator) if denominator > 0 else None


def effective(weight: float, squares: float) -> float:
    """Return the effective rows of Σw and Σw²: (Σw)² / Σw² (Kish 1965).

    >>> effective(4.0, 8.0), effective(0.0, 0.0)
    (2.0, 0.0)
    """
    return float(weight**2 / squares) if squares > 0 else 0.0


def effective_rows(pane: Pane, part: str = "outcomes") -> float:
    """Return the effective rows of a pane with outcomes, or of all its ``rows``; 0 without any."""
    known = pane.parts.get(part)
    return 0.0 if known is None else effective(known[1], known[2])
