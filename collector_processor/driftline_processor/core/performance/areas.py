"""Areas under curves of scores, linearised: of ROC and of precision and recall, from the bins of the fixed grid.

Where weights go with the score, as those of reviews do, it matters which rows are heavy: so each bin has its own Σw².
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from driftline.outcome_parts import excess_of
from driftline.pane import Pane
from driftline.tables import F64

from .intervals import Form, Interval, Summed, logit
from .linear import Moved


class Scored(NamedTuple):
    """Scores of one class on the fixed grid. ``weight``, ``squares``: Σw and Σw² by bin, float64 (n,).

    ``blocks``: Σw of blocks, float64 (b, n); ``block_squares``: Σw² of all bins of each, float64 (b,).
    """

    weight: F64
    squares: F64
    blocks: F64
    block_squares: F64

    @property
    def rows(self) -> float:
        """How many rows of equal weight say as much, Kish's."""
        return self._summed().effective

    def with_one_more(self, more: float) -> float:
        """Return how many these would be, were there one more row of this weight; without that one."""
        return self._summed(more).with_one_more().effective - 1

    def heavier(self, more: float) -> float:
        """Return by how much the square of a row's share of the weight may be greater than that of one of these."""
        weight = float(self.weight.sum())
        return max(more**2 - (float(self.squares.sum()) / weight) ** 2, 0.0) / weight**2

    def _summed(self, more: float = 1.0) -> Summed:
        return Summed(float(self.weight.sum()), float(self.squares.sum()), more)

    def expected(self, varies: float) -> F64:
        """Return how much of a variance is that of each block, were rows independent."""
        return varies * self.block_squares / max(float(self.squares.sum()), 1e-300)


class Curve(NamedTuple):
    """Scores of both classes, the same bins."""

    negative: Scored
    positive: Scored


def curve_of(
    pane: Pane, blocks: Sequence[Pane], of_negative: str = "score_negative", of_positive: str = "score_positive"
) -> Curve | None:
    """Return the scores of a pane, the bins that hold any, the lowest first; None where there are none."""
    negative, positive = pane.parts.get(of_negative), pane.parts.get(of_positive)
    if negative is None or positive is None:
        return None
    held, names = np.flatnonzero((negative > 0) | (positive > 0)), (of_negative, of_positive)
    nothing = np.zeros(len(negative))

    def scored(part: str) -> Scored:
        weight = [one.parts.get(part, nothing)[held] for one in blocks]
        squares = np.array([_squares(one, part, names).sum() for one in blocks])
        stacked = np.stack(weight) if weight else np.empty((0, len(held)))
        return Scored(pane.parts[part][held], _squares(pane, part, names)[held], stacked, squares)

    return Curve(scored(of_negative), scored(of_positive))


def _squares(pane: Pane, part: str, both: tuple[str, str]) -> F64:
    """Σw² by bin; of panes from before it was kept, in proportion to that of all scored rows, which ``spread`` has."""
    known = {name: pane.parts[name] + pane.parts.get(excess_of(name), 0.0) for name in both if name in pane.parts}
    total, spread = sum(float(one.sum()) for one in known.values()), pane.parts.get("spread")
    more = float(spread[0]) / total if spread is not None and len(spread) and total > 0 and spread[0] > 0 else 1.0
    found: F64 = np.maximum(known.get(part, np.zeros(1)) * more, 0.0)
    return found


def with_one_more(curves: Sequence[Curve], more: float) -> Form:
    """Return the logit interval of an area, or of the mean of several, that knows of a heavy row that has not come.

    ``more``: what it may weigh. Where rows are not alike the lower end asks what a positive below all others would do,
    or a negative above them, and the upper end for the opposite.
    """
    heavier = [sum(side.heavier(more) for side in curve) for curve in curves]
    moves = (float(np.sqrt(heavier).sum()) / len(curves)) ** 2

    def form(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
        low = logit(value, variance + value**2 * moves, confidence, freedom)
        return low._replace(high=logit(value, variance + (1 - value) ** 2 * moves, confidence, freedom).high)

    return form


def area(curve: Curve) -> tuple[float, Moved]:
    """Return the area under the ROC curve and how it moves: DeLong's variance, over bins, of each row by its weight."""
    q, p = (side.weight / side.weight.sum() for side in curve)
    beaten = np.cumsum(q) - q / 2  # by a positive of each bin, the share of negatives
    beating = 1 - np.cumsum(p) + p / 2
    value = float(p @ beaten)
    moves = [(of - value) / side.weight.sum() for side, of in zip(curve, (beating, beaten), strict=True)]
    return value, moved_by(curve, moves, [side.rows / max(side.rows - 1, 1.0) for side in curve])


def average_precision(curve: Curve) -> tuple[float, Moved]:
    """Return the average precision over bins and how it moves, each score's effect on all thresholds below it."""
    p, n = curve.positive.weight[::-1], curve.negative.weight[::-1]  # the highest score first
    positives = float(p.sum())
    above, rows = np.cumsum(p), np.cumsum(p + n)
    precision = above / rows
    value = float(p @ precision) / positives
    below = (p / rows)[::-1].cumsum()[::-1] / positives
    pulled = (p * above / rows**2)[::-1].cumsum()[::-1] / positives
    of_positive, of_negative = (precision - value) / positives + below - pulled, -pulled
    return value, moved_by(curve, [of_negative[::-1], of_positive[::-1]], [1.0, 1.0])


def moved_by(curve: Curve, moves: Sequence[F64], few: Sequence[float]) -> Moved:
    """Return how something moves that a row of each bin moves so far.

    ``moves``: float64 (n,), of negatives and of positives; ``few``: how much more few of each vary than shows.
    """
    varies = [float(side.squares @ of**2) * more for side, of, more in zip(curve, moves, few, strict=True)]
    influence = np.sum([side.blocks @ of for side, of in zip(curve, moves, strict=True)], axis=0)
    expected = np.sum([side.expected(own) for side, own in zip(curve, varies, strict=True)], axis=0)
    return Moved(sum(varies), influence, expected)
