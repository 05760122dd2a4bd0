"""Gradients of metrics: the influence of each time block, and of independent rows, on a fraction or a mean.

For small changes of its sums, a metric changes by its gradient. So a block's influence is its sums times the gradient,
and the variance under independent rows is that of one row, from Σw², Σw²l and Σw²l² of its loss l.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task
from msgspec import Struct, field

from driftline_processor.core.outcomes.review import UnseenDecisions
from driftline_processor.core.outcomes.sums import effective

from .confidence import WeightSums, share_variance


class Influence(NamedTuple):
    """The influence of blocks on a metric.

    Attributes:
        variance: Variance of the metric under independent rows.
        influence: float64 (b,), see :func:`.time_blocks.design`; empty without blocks.
        expected: float64 (b,), see :func:`.time_blocks.design`; empty without blocks.
    """

    variance: float
    influence: F64
    expected: F64


def _no_blocks() -> F64:
    return np.empty((0, 1, 1))


class ClassWeights(NamedTuple):
    """Weights of a fraction of one class, ``hit`` H / (``hit`` H + ``miss`` M + ``alarm`` A).

    H: rows of the class with a correct decision, M: other rows of the class, A: other rows with that decision. ``hit``
    = ``miss`` + ``alarm``: precision is (1, 0, 1), recall (1, 1, 0), F1 (2, 1, 1).
    """

    hit: float
    miss: float
    alarm: float

    def above_and_below(self, cells: F64) -> tuple[F64, F64]:
        """Return numerator and denominator of each class: float64 (k,).

        Args:
            cells: (k, k), actual by predicted.
        """
        return self.hit * cells.diagonal(), self.miss * cells.sum(axis=1) + self.alarm * cells.sum(axis=0)

    def cells(self, k: int, cls: int) -> tuple[F64, F64]:
        """Return the weights of each cell in hits and misses of a class: float64 (k, k) each, read-only."""
        return _cells(self, k, cls)


@lru_cache(maxsize=1_024)
def _cells(weights: ClassWeights, k: int, cls: int) -> tuple[F64, F64]:
    hits, misses = np.zeros((k, k)), np.zeros((k, k))
    hits[cls, cls] = weights.hit
    misses[:, cls] = weights.alarm
    misses[cls] = weights.miss
    misses[cls, cls] = 0.0
    hits.flags.writeable = misses.flags.writeable = False
    return hits, misses


class ConfusionTable(Struct, frozen=True, eq=False, dict=True):
    """Rows by actual and predicted class.

    Attributes:
        weight: Σw of each cell, float64 (k, k).
        squares: Σw² of each cell, float64 (k, k).
        blocks: Σw per time block, float64 (b, k, k).
        block_squares: Σw² per time block, float64 (b, k, k).
        uneven: n Σw² / (Σw)² of the rows of one predicted class, over all: 1 if all of them have the same weight.
        unseen: Decisions that were not reviewed.
    """

    weight: F64
    squares: F64
    blocks: F64 = field(default_factory=_no_blocks)
    block_squares: F64 = field(default_factory=_no_blocks)
    uneven: float = 1.0
    unseen: UnseenDecisions | None = None

    @cached_property
    def unit(self) -> F64:
        """Maximum weight of one more row of each predicted class: float64 (k,).

        Review depends on the decision. If weights of one decision differ, the next row may have a high weight; for a
        decision without reviewed rows, it may represent all of them.
        """
        weight, squares = self.weight.sum(axis=0), self.squares.sum(axis=0)
        of_unseen = np.full(len(weight), squares.sum() / weight.sum())
        if self.unseen is not None:
            of_unseen = np.where(self.unseen.unit > 0, self.unseen.unit, of_unseen)
        unit: F64 = np.divide(squares, weight, out=of_unseen, where=weight > 0)
        heavier: F64 = unit * self.uneven**0.5
        return heavier

    @cached_property
    def lacks_decisions(self) -> bool:
        """True if some decision has no reviewed row."""
        return self.unseen is not None and bool(self.unseen.unreviewed.any())

    def ordered(self, classes: Sequence[int]) -> ConfusionTable:
        """Return the rows of these classes, in this order."""
        places, of_blocks = np.ix_(classes, classes), np.ix_(range(len(self.blocks)), classes, classes)
        unseen = None if self.unseen is None else self.unseen.ordered(classes)
        blocks, squares = (counts[of_blocks] for counts in (self.blocks, self.block_squares))
        return ConfusionTable(self.weight[places], self.squares[places], blocks, squares, self.uneven, unseen)

    def knows(self, cells: F64) -> bool:
        """Return True if all decisions with nonzero ``cells``, float64 (k, k), have reviewed rows."""
        return self.unseen is None or not self.unseen.unreviewed[cells.any(axis=0)].any()

    def ratio(self, hits: F64, misses: F64) -> Ratio:
        """Return Σ hits C / Σ (hits + misses) C of the cells C.

        ``hits``, ``misses``: float64 (k, k), weights of the cells, 0 = the cell does not count.
        """
        unit = np.broadcast_to(self.unit, hits.shape)
        sums = (self._summed(hits, unit), self._summed(misses, unit))
        total = sums[0].weight + sums[1].weight
        if total <= 0:
            return Ratio(*sums, Influence(0.0, np.empty(0), np.empty(0)))
        share = sums[0].weight / total
        gradient = ((1 - share) * hits - share * misses) / total
        return Ratio(*sums, self.influence_of(gradient, share_variance(*sums)))

    def influence_of(self, gradient: F64, variance: float | None = None) -> Influence:
        """Return the influence of blocks on a metric with this gradient; ``variance``: if it is known."""
        squares = np.where(gradient != 0, self.squares, 0.0)
        varies = float((gradient**2 * self.squares).sum()) if variance is None else variance
        part = np.where(gradient != 0, self.block_squares, 0.0).sum(axis=(1, 2)) / max(float(squares.sum()), 1e-300)
        return Influence(varies, np.einsum("bij,ij->b", self.blocks, gradient), varies * part)

    def averaged(self, counts: ClassWeights, *, weighted: bool) -> Influence:
        """Return the influence of blocks on the mean of a fraction over classes, which share cells of the table.

        Args:
            counts: Weights of the fraction of one class.
            weighted: True to weight classes by their rows, False for equal weights.
        """
        cells = self.weight
        actual = cells.sum(axis=1)
        over, under = counts.above_and_below(cells)
        defined = under > 0
        value = np.divide(over, under, out=np.zeros(len(over)), where=defined)
        share = actual / cells.sum() if weighted else defined / max(1, int(defined.sum()))
        share_per_row = np.divide(share, under, out=np.zeros(len(over)), where=defined)
        gradient = np.diag(share_per_row * counts.hit)
        gradient -= (share_per_row * value * counts.miss)[:, np.newaxis] + (share_per_row * value * counts.alarm)[
            np.newaxis
        ]
        if weighted:
            gradient += (value - share @ value)[:, np.newaxis] / cells.sum()
        return self.influence_of(gradient)

    def _summed(self, cells: F64, unit: F64) -> WeightSums:
        more = float((cells * unit).max(initial=0.0)) if cells.any() else 1.0
        return WeightSums(float((cells * self.weight).sum()), float((cells**2 * self.squares).sum()), more)


class Ratio(NamedTuple):
    """A fraction of rows.

    Attributes:
        hits: Rows in the numerator.
        misses: Other rows of the denominator.
        influence: Influence of blocks.
    """

    hits: WeightSums
    misses: WeightSums
    influence: Influence

    @property
    def value(self) -> float | None:
        """The fraction; None if the denominator is 0."""
        total = self.hits.weight + self.misses.weight
        return self.hits.weight / total if total > 0 else None

    @property
    def effective(self) -> float:
        """Effective rows, Kish's."""
        return effective(self.hits.weight + self.misses.weight, self.hits.squares + self.misses.squares)


def confusion_table(
    pane: Pane, blocks: Sequence[Pane], classes: int, unseen: UnseenDecisions | None = None
) -> ConfusionTable | None:
    """Return the rows of a pane, and of its blocks, by actual and predicted class; None without rows."""
    weight = pane.parts.get("confusion")
    if weight is None or len(weight) != classes**2 or weight.sum() <= 0:
        return None
    shape, nothing = (classes, classes), np.zeros(classes**2)
    counts = [block.parts.get("confusion", nothing).reshape(shape) for block in blocks]
    squares = [(_squares(block) if "confusion" in block.parts else nothing).reshape(shape) for block in blocks]
    of_pane = _squares(pane).reshape(shape)
    rows, total, _ = pane.parts["outcomes"][:3]
    by_class, squared = weight.reshape(shape).sum(axis=0), of_pane.sum(axis=0)
    even = float((by_class[squared > 0] ** 2 / squared[squared > 0]).sum())
    return ConfusionTable(
        weight.reshape(shape),
        of_pane,
        np.array(counts).reshape(-1, *shape),
        np.array(squares).reshape(-1, *shape),
        max(1.0, float(rows * weight.sum() / total) / even) if total > 0 and even > 0 else 1.0,
        unseen,
    )


def _squares(pane: Pane) -> F64:
    """Return Σw² of each cell. Without an excess all weights are 1, whatever the weights of undecided rows."""
    weight, excess = pane.parts["confusion"], pane.parts.get("confusion_excess")
    return weight if excess is None or len(excess) != len(weight) else np.maximum(weight + excess, 0.0)


def mean_of_loss(pane: Pane, blocks: Sequence[Pane], task: Task, name: str) -> LossMean | None:
    """Return a mean loss; None if its squares are unknown."""
    place = task.losses.index(name)
    sums, spread = pane.parts.get("losses"), pane.parts.get("spread")
    if sums is None or spread is None or len(sums) <= place or len(spread) < 2 * place + 1 or sums[0] <= 0:
        return None
    known_blocks = [block for block in blocks if len(block.parts.get("losses", ())) > place]
    by_block = np.array([(block.parts["losses"][0], block.parts["losses"][place]) for block in known_blocks]).reshape(
        -1, 2
    )
    squares = np.array([block.parts["spread"][0] if "spread" in block.parts else 0.0 for block in known_blocks])
    first, second = spread[2 * place - 1], spread[2 * place]
    mean = loss_mean(sums[0], sums[place], (spread[0], first, second), by_block, squares, sums[place])
    if "absolute_error" in task.losses and mean is not None:  # the same errors for every loss
        size = task.losses.index("absolute_error")
        return mean._replace(telling=effective(sums[size], spread[2 * size]))
    return mean


class LossMean(NamedTuple):
    """A mean loss over rows.

    Attributes:
        value: The mean.
        rows: Effective rows.
        influence: Influence of blocks.
        telling: Effective rows that determine the mean; few if only one row in two hundred has a loss.
    """

    value: float
    rows: float
    influence: Influence
    telling: float


def loss_mean(
    weight: float,
    total: float,
    squares: tuple[float, float, float],
    blocks: F64,
    block_squares: F64,
    size: float,
) -> LossMean | None:
    """Return a mean over rows, and the influence of blocks on it.

    ``squares``: Σw², Σw²l, Σw²l². ``blocks``: float64 (b, 2), Σw and Σwl of each; ``block_squares``: Σw² of each.
    ``size``: Σw|l|.
    """
    of_weight, first, second = (float(square) for square in squares)
    if weight <= 0 or of_weight <= 0:
        return None
    mean = float(total / weight)
    rows = effective(weight, of_weight)
    centred = second - 2 * mean * first + mean**2 * of_weight
    # 1e-10: relative rounding error of a centred sum of squares; it is up to 1e-11 for ten million equal losses
    varies = centred / weight**2 if centred > 1e-10 * second else 0.0
    varies *= rows / (rows - 1) if rows > 1 else 1.0
    influence = (blocks[:, 1] - mean * blocks[:, 0]) / weight
    block_influence = Influence(varies, influence, varies * block_squares / of_weight)
    return LossMean(mean, rows, block_influence, effective(size, second))
