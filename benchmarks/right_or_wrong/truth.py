"""What is true of a window, by a bootstrap over days: worse, equivalent, or neither is shown.

*Worse*: log loss (or absolute error), or ROC AUC, is worse than the baseline's, with an interval of 99 % clear of zero,
and by more than the margin. *Equivalent*: the interval of 95 % of the deciding metric lies below its margin, and
nothing is worse at 99 %. *Neither*: the rest. Whatever a tool answers there cannot be refuted, but it is not shown.

The margin is a quarter of the skill: of what the baseline is better than the best constant, or than an AUC of 0.5 (at
most 0.05 of AUC). ROC AUC decides below 5 % positives, or where the baseline's log loss is no better than a constant's;
a log loss without skill has no margin: each significant rise is beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .streams import Stream, blocks_of

F64 = npt.NDArray[np.float64]
Class = Literal["worse", "equivalent", "neither"]
CLASSES: tuple[Class, ...] = ("worse", "equivalent", "neither")

SHARE_OF_SKILL, MOST_OF_AUC, RARE = 0.25, 0.05, 0.05
CLIP = 1e-4
"""Probabilities are at least so far from 0 and 1: a log loss of at most 9.2 a row."""
BATCH = 20


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
        """True if it is worse by more than the margin."""
        return self.shown and self.estimate > max(self.margin, 0.0)

    @property
    def inside(self) -> bool:
        """True if the interval of 95 % lies below the margin."""
        return bool(np.nanquantile(self.draws, 0.975) < self.margin)


def truths(stream: Stream, draws: int, seed: int, days: int = 1) -> dict[int, Class]:
    """Return the class of each window of a stream, by a bootstrap over blocks of so many days."""
    truth = Truth(stream.reference, stream.binary, draws, np.random.default_rng(seed), days)
    return {key: truth.of(rows) for key, rows in stream.windows.items()}


class Truth:
    """A baseline, with the draws of its metrics."""

    def __init__(
        self, reference: pd.DataFrame, binary: bool, draws: int, random: np.random.Generator, days: int = 1
    ) -> None:
        """Draw the baseline's metrics."""
        self.binary, self.draws, self.random, self.days = binary, draws, random, days
        labels = reference["label"].to_numpy(np.float64)
        self.loss, self.auc = loss_of(reference, binary), 0.5
        self.losses = self._draw(reference, mean_loss(reference, binary))
        constant = np.full(len(labels), labels.mean() if binary else np.median(labels))
        skill = float(loss_of(reference.assign(score=constant), binary).mean() - self.loss.mean())
        self.loss_margin = SHARE_OF_SKILL * skill
        self.auc_decides = binary and (skill <= 0 or min(labels.mean(), 1 - labels.mean()) < RARE)
        if binary:
            area = area_by_weight(reference)
            self.auc = float(area(np.ones((1, len(reference))))[0])
            self.areas = self._draw(reference, area)
        self.auc_margin = min(MOST_OF_AUC, SHARE_OF_SKILL * (self.auc - 0.5))

    def of(self, rows: pd.DataFrame) -> Class:
        """Return the class of a window."""
        loss = Change(
            float(loss_of(rows, self.binary).mean() - self.loss.mean()),
            self._draw(rows, mean_loss(rows, self.binary)) - self.losses,
            self.loss_margin,
        )
        changes = [loss]
        if self.binary:
            area = area_by_weight(rows)
            value = float(area(np.ones((1, len(rows))))[0])
            changes.append(Change(self.auc - value, self.areas - self._draw(rows, area), self.auc_margin))
        if any(change.beyond for change in changes):
            return "worse"
        decisive = changes[-1] if self.auc_decides else loss
        return "equivalent" if decisive.inside and not any(change.shown for change in changes) else "neither"

    def _draw(self, rows: pd.DataFrame, metric: Callable[[F64], F64]) -> F64:
        """Return a metric of rows whose days were drawn with replacement, float64 (draws,)."""
        days, at = np.unique(blocks_of(rows, self.days), return_inverse=True)
        found = []
        for first in range(0, self.draws, BATCH):
            size = (min(BATCH, self.draws - first), len(days))
            times = self.random.multinomial(len(days), np.full(len(days), 1 / len(days)), size[0])
            found.append(metric(times[:, at].astype(np.float64)))
        return np.concatenate(found)


def loss_of(rows: pd.DataFrame, binary: bool) -> F64:
    """Return the log loss of each row, or its absolute error."""
    score, label = rows["score"].to_numpy(np.float64), rows["label"].to_numpy(np.float64)
    if not binary:
        return np.asarray(np.abs(score - label))
    chance = np.clip(score, CLIP, 1 - CLIP)
    return np.asarray(-np.where(label == 1, np.log(chance), np.log1p(-chance)))


def mean_loss(rows: pd.DataFrame, binary: bool) -> Callable[[F64], F64]:
    """Return a function from weights (draws, rows) to the mean loss of each draw."""
    loss = loss_of(rows, binary)
    return lambda weights: np.asarray(weights @ loss / weights.sum(axis=1))


def area_by_weight(rows: pd.DataFrame) -> Callable[[F64], F64]:
    """Return a function from weights (draws, rows) to the ROC AUC of each draw; NaN if a class was not drawn."""
    order = np.argsort(rows["score"].to_numpy(), kind="stable")
    score, positive = rows["score"].to_numpy()[order], rows["label"].to_numpy()[order] == 1
    first = np.flatnonzero(np.append(True, np.diff(score) > 0))

    def area(weights: F64) -> F64:
        sorted_weights = weights[:, order]
        ones = np.add.reduceat(sorted_weights * positive, first, axis=1)
        zeros = np.add.reduceat(sorted_weights * ~positive, first, axis=1)
        below = np.cumsum(zeros, axis=1) - zeros / 2
        pairs = ones.sum(axis=1) * zeros.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray((ones * below).sum(axis=1) / pairs)

    return area
