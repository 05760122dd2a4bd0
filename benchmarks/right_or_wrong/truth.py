"""What is true of a window, by a bootstrap over days: worse, equivalent, or neither is shown.

*Worse*: the mean loss, or ROC AUC, is worse than the baseline's: the interval of 99 % is clear of zero, and the
estimate is at least the margin. *Equivalent*: the interval of 95 % of the deciding metric ends inside the margin, and
nothing is worse at 99 %. *Neither*: the rest. Whatever a tool answers there cannot be refuted, but it is not shown.

The loss of a row is its log loss, its absolute error, or, if there are only predicted classes, 1 for a wrong one.
Without times, a block of the bootstrap is 30 rows in a row.

Where the margin comes from (``margin_of_loss``, ``margin_of_auc``): a model is worth what it is better than the best
constant, its *skill*. Who would not replace the model after a small loss of skill calls it equivalent; a quarter of the
skill is where Driftline draws this line, and no data can prove it. A quarter of the skill of a very good model is
several times its error, so the margin is at most half of the baseline's own loss, too. ``--margin 0.5 2`` prints the
table for half and double of it.

ROC AUC decides below 5 % positives, or if the baseline's log loss is no better than a constant's; a log loss without
skill has no margin: each significant rise is beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .streams import Stream, blocks_of, labelled

F64 = npt.NDArray[np.float64]
Blocks = npt.NDArray[np.int64]
"""The block of each row, from 0 on."""
Metric = Callable[[F64], F64]
"""A metric of draws, from how often each block was drawn: float64 (draws, blocks)."""
Class = Literal["worse", "equivalent", "neither"]
CLASSES: tuple[Class, ...] = ("worse", "equivalent", "neither")

SHARE_OF_SKILL, SHARE_OF_LOSS, MOST_OF_AUC, RARE = 0.25, 0.5, 0.05, 0.05
CLIP = 1e-4
"""Probabilities are at least so far from 0 and 1: a log loss of at most 9.2 a row."""


WORSE = (1, -1)
"""The sign of a change for the worse: of the mean loss, and of ROC AUC."""


def margin_of_loss(loss: float, constant: float) -> float:
    """Return the rise of the mean loss that is accepted; negative if the baseline has no skill.

    Args:
        loss: The mean loss of the baseline.
        constant: That of the best constant on the same rows.

    >>> round(margin_of_loss(0.4, 0.6), 3), margin_of_loss(0.02, 0.6)  # the second model is a very good one
    (0.05, 0.01)
    """
    return min(SHARE_OF_SKILL * (constant - loss), SHARE_OF_LOSS * loss)


def margin_of_auc(auc: float) -> float:
    """Return the fall of ROC AUC that is accepted.

    >>> margin_of_auc(0.75), margin_of_auc(0.6).__round__(3), margin_of_auc(0.98).__round__(3)
    (0.05, 0.025, 0.01)
    """
    return min(MOST_OF_AUC, SHARE_OF_SKILL * (auc - 0.5), SHARE_OF_LOSS * (1 - auc))


class Change(NamedTuple):
    """A metric's change for the worse: its estimate, draws of the bootstrap, and its margin."""

    estimate: float
    draws: F64
    margin: float

    @property
    def shown(self) -> bool:
        """True if it is worse: the interval of 99 % is above zero."""
        return bool(np.nanquantile(self.draws, 0.005) > 0)

    @property
    def beyond(self) -> bool:
        """True if it is worse by the margin or more."""
        return self.shown and self.estimate >= max(self.margin, 0.0)

    @property
    def inside(self) -> bool:
        """True if the interval of 95 % ends inside the margin."""
        return bool(np.nanquantile(self.draws, 0.975) < self.margin)


class Measured(NamedTuple):
    """A metric of rows, and draws of the bootstrap."""

    value: float
    draws: F64


def truths(stream: Stream, draws: int, seed: int, days: int = 1, factor: float = 1.0) -> dict[int, Class]:
    """Return the class of each window of a stream, by a bootstrap over blocks of so many days."""
    truth = Truth(stream.reference, stream.kind.task, draws, np.random.default_rng(seed), days, factor)
    return {key: truth.of(rows) for key, rows in stream.windows.items()}


class Truth:
    """A baseline, with the draws of its metrics.

    Attributes:
        margins: Of the mean loss, and of ROC AUC if the model is binary.
        auc_decides: Whether ROC AUC decides if a window is equivalent.
    """

    def __init__(
        self,
        reference: pd.DataFrame,
        task: str,
        draws: int,
        random: np.random.Generator,
        days: int = 1,
        factor: float = 1.0,
    ) -> None:
        """Draw the baseline's metrics; ``factor``: times the margins."""
        self.task, self.draws, self.random, self.days = task, draws, random, days
        self.before = self._measure(reference)
        loss, *areas = (metric.value for metric in self.before)
        constant = loss_of_constant(labelled(reference), task)
        self.margins = [factor * margin for margin in (margin_of_loss(loss, constant), *map(margin_of_auc, areas))]
        rate = float(labelled(reference)["label"].mean()) if areas else 0.5
        self.auc_decides = bool(areas) and (constant <= loss or min(rate, 1 - rate) < RARE)

    def of(self, rows: pd.DataFrame) -> Class:
        """Return the class of a window."""
        changes = [
            Change(sign * (now.value - before.value), sign * (now.draws - before.draws), margin)
            for sign, now, before, margin in zip(WORSE, self._measure(rows), self.before, self.margins, strict=False)
        ]
        if any(change.beyond for change in changes):
            return "worse"
        decisive = changes[-1 if self.auc_decides else 0]
        return "equivalent" if decisive.inside and not any(change.shown for change in changes) else "neither"

    def _measure(self, rows: pd.DataFrame) -> list[Measured]:
        """Return the mean loss and, of a binary model, ROC AUC; of rows whose blocks were drawn with replacement."""
        rows = labelled(rows)
        _, block = np.unique(blocks_of(rows, self.days), return_inverse=True)
        blocks = int(block.max()) + 1
        metrics = [mean_by_block(loss_of(rows, self.task), block)]
        metrics += [area_by_block(rows, block)] if self.task == "binary" else []
        times = self.random.multinomial(blocks, np.full(blocks, 1 / blocks), self.draws).astype(np.float64)
        once = np.ones((1, blocks))
        return [Measured(float(metric(once)[0]), metric(times)) for metric in metrics]


def loss_of(rows: pd.DataFrame, task: str) -> F64:
    """Return the loss of each row: its log loss, its absolute error, or whether its predicted class is wrong.

    Several classes have a log loss if each has a column ``p_CLASS`` with its probability.
    """
    if task == "regression":
        return np.asarray(np.abs(rows["score"].to_numpy(np.float64) - rows["label"].to_numpy(np.float64)))
    if task == "binary":
        chance, positive = rows["score"].to_numpy(np.float64), rows["label"].to_numpy() == 1
        return np.asarray(-np.log(np.clip(np.where(positive, chance, 1 - chance), CLIP, 1 - CLIP)))
    names = class_scores(rows)
    if not names:
        return np.asarray(rows["prediction"] != rows["label"], np.float64)
    columns = [names.index(f"p_{label}") for label in rows["label"]]
    chances = rows[names].to_numpy(np.float64)[np.arange(len(rows)), columns]
    return np.asarray(-np.log(np.clip(chances, CLIP, 1 - CLIP)))


def class_scores(rows: pd.DataFrame) -> list[str]:
    """Return the columns with the probabilities of several classes; there may be none."""
    return [name for name in map(str, rows) if name.startswith("p_")]


def loss_of_constant(rows: pd.DataFrame, task: str) -> float:
    """Return the mean loss of the best constant: the rate, the median, or the most frequent class."""
    label = rows["label"]
    if task == "regression":
        return float((label - label.median()).abs().mean())
    shares = label.value_counts(normalize=True).to_numpy(np.float64)
    if task == "multiclass" and not class_scores(rows):
        return 1 - float(shares.max())
    return -float(shares @ np.log(shares))


def mean_by_block(values: F64, block: Blocks) -> Metric:
    """Return the mean of values, from how often each block was drawn."""
    sums, sizes = np.bincount(block, values), np.bincount(block).astype(np.float64)
    return lambda times: np.asarray(times @ sums / (times @ sizes))


def area_by_block(rows: pd.DataFrame, block: Blocks) -> Metric:
    """Return ROC AUC, from how often each block was drawn; NaN if a class was not drawn."""
    score, positive = rows["score"].to_numpy(), rows["label"].to_numpy() == 1
    ones, zeros = (np.bincount(block[of], minlength=block.max() + 1).astype(np.float64) for of in (positive, ~positive))
    pairs = np.zeros((len(ones), len(ones)))
    """Pairs of a positive row of one block and a negative row of another, in the right order; a tie is half a pair."""
    for other in np.flatnonzero(zeros):
        below = np.sort(score[~positive & (block == other)])
        ordered = (np.searchsorted(below, score[positive], side) for side in ("left", "right"))
        pairs[:, other] = np.bincount(block[positive], sum(ordered) / 2, minlength=len(ones))

    def area(times: F64) -> F64:
        with np.errstate(invalid="ignore"):
            return np.asarray(((times @ pairs) * times).sum(axis=1) / ((times @ ones) * (times @ zeros)))

    return area
