"""Gradients of metrics of scores: areas under curves, gain, top-k accuracy.

Areas under ROC and precision-recall curves are linearised over the bins of the fixed grid. Each bin has its own Σw²,
because weights may depend on the score, as with reviews.

Gain is the fraction of positives among the rows with the highest scores; top-k accuracy is the fraction of rows whose
class has one of the highest scores. Both have the interval of a fraction of rows. The score limit of a gain is
estimated from the same rows: a row above it pushes another below, which is positive with the rate at the limit; the
linear form is that of Bahadur (1966).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from driftline.panes.outcome_sums import excess_of
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from .confidence import Form, Interval, WeightSums, logit, share_variance
from .gradients import Influence, Ratio


class ClassScores(NamedTuple):
    """Scores of one class on the fixed grid.

    Attributes:
        weight: Σw per bin, float64 (n,).
        squares: Σw² per bin, float64 (n,).
        blocks: Σw of blocks, float64 (b, n).
        block_squares: Σw² of all bins of each block, float64 (b,).
    """

    weight: F64
    squares: F64
    blocks: F64
    block_squares: F64

    @property
    def rows(self) -> float:
        """Effective rows, Kish's."""
        return self._summed().effective

    def with_one_more(self, more: float) -> float:
        """Return the effective rows with one more row of weight ``more``, less that row."""
        return self._summed(more).with_one_more().effective - 1

    def heavier(self, more: float) -> float:
        """Return the excess of the squared weight fraction of one more row over that of an average row."""
        weight = float(self.weight.sum())
        return max(more**2 - (float(self.squares.sum()) / weight) ** 2, 0.0) / weight**2

    def _summed(self, more: float = 1.0) -> WeightSums:
        return WeightSums(float(self.weight.sum()), float(self.squares.sum()), more)

    def expected(self, varies: float) -> F64:
        """Return the part of each block in a variance of independent rows."""
        return varies * self.block_squares / max(float(self.squares.sum()), 1e-300)


class ScoreCurve(NamedTuple):
    """Scores of both classes over the same bins."""

    negative: ClassScores
    positive: ClassScores


def score_curve(
    pane: Pane, blocks: Sequence[Pane], of_negative: str = "score_negative", of_positive: str = "score_positive"
) -> ScoreCurve | None:
    """Return the scores of a pane in bins with rows, the lowest first; None without scores."""
    negative, positive = pane.parts.get(of_negative), pane.parts.get(of_positive)
    if negative is None or positive is None:
        return None
    held, names = np.flatnonzero((negative > 0) | (positive > 0)), (of_negative, of_positive)
    nothing = np.zeros(len(negative))
    of_pane, of_blocks = _squares(pane, names), [_squares(block, names) for block in blocks]

    def scored(part: str) -> ClassScores:
        weight = [block.parts.get(part, nothing)[held] for block in blocks]
        squares = np.array([of_block[part].sum() if part in of_block else 0.0 for of_block in of_blocks])
        stacked = np.stack(weight) if weight else np.empty((0, len(held)))
        return ClassScores(pane.parts[part][held], of_pane[part][held], stacked, squares)

    return ScoreCurve(scored(of_negative), scored(of_positive))


def _squares(pane: Pane, names: tuple[str, str]) -> dict[str, F64]:
    """Return Σw² per bin of each part of a pane.

    For older panes without it, Σw is scaled by the ratio of Σw² to Σw of all scored rows, from ``spread``.
    """
    squares = {name: pane.parts[name] for name in names if name in pane.parts}
    beyond = {name: excess for name in squares if (excess := pane.parts.get(excess_of(name))) is not None}
    squares |= {name: squares[name] + excess for name, excess in beyond.items()}
    spread, total = pane.parts.get("spread"), sum(float(sums.sum()) for sums in squares.values())
    more = float(spread[0]) / total if spread is not None and len(spread) and total > 0 and spread[0] > 0 else 1.0
    if more != 1.0:
        squares = {name: sums * more for name, sums in squares.items()}
    return squares | {name: np.maximum(squares[name], 0.0) for name in beyond}


def with_one_more(curves: Sequence[ScoreCurve], more: float) -> Form:
    """Return the logit interval of an area, or of the mean of several, that allows for one more heavy row.

    ``more``: maximum weight of that row. If weights differ, the lower limit assumes a positive below all others, or a
    negative above them, and the upper limit the opposite.
    """
    heavier = [sum(side.heavier(more) for side in curve) for curve in curves]
    moves = (float(np.sqrt(heavier).sum()) / len(curves)) ** 2

    def form(value: float, variance: float, confidence: float, freedom: float = math.inf) -> Interval:
        low = logit(value, variance + value**2 * moves, confidence, freedom)
        return low._replace(high=logit(value, variance + (1 - value) ** 2 * moves, confidence, freedom).high)

    return form


def area(curve: ScoreCurve) -> tuple[float, Influence]:
    """Return the area under the ROC curve and its influence: DeLong's variance over bins, with weights of rows."""
    q, p = (side.weight / side.weight.sum() for side in curve)
    beaten = np.cumsum(q) - q / 2  # fraction of negatives below a positive of each bin
    beating = 1 - np.cumsum(p) + p / 2
    value = float(p @ beaten)
    moves = [(of - value) / side.weight.sum() for side, of in zip(curve, (beating, beaten), strict=True)]
    return value, influence_of_scores(curve, moves, [side.rows / max(side.rows - 1, 1.0) for side in curve])


def average_precision(curve: ScoreCurve) -> tuple[float, Influence]:
    """Return the average precision over bins and its influence, with each score's effect on all thresholds below it."""
    p, n = curve.positive.weight[::-1], curve.negative.weight[::-1]  # the highest score first
    positives = float(p.sum())
    above, rows = np.cumsum(p), np.cumsum(p + n)
    precision = above / rows
    value = float(p @ precision) / positives
    below = (p / rows)[::-1].cumsum()[::-1] / positives
    pulled = (p * above / rows**2)[::-1].cumsum()[::-1] / positives
    of_positive, of_negative = (precision - value) / positives + below - pulled, -pulled
    return value, influence_of_scores(curve, [of_negative[::-1], of_positive[::-1]], [1.0, 1.0])


def influence_of_scores(curve: ScoreCurve, moves: Sequence[F64], few: Sequence[float]) -> Influence:
    """Return the influence of blocks on a value, from the influence of a row of each bin.

    ``moves``: float64 (n,), for negatives and for positives; ``few``: correction of each variance for few rows.
    """
    varies = [float(side.squares @ move**2) * more for side, move, more in zip(curve, moves, few, strict=True)]
    influence = np.sum([side.blocks @ move for side, move in zip(curve, moves, strict=True)], axis=0)
    expected = np.sum([side.expected(vary) for side, vary in zip(curve, varies, strict=True)], axis=0)
    return Influence(sum(varies), influence, expected)


def gain_ratio(curve: ScoreCurve, share: float, more: float) -> tuple[Ratio, float]:
    """Return the ratio of positives in the top ``share`` of rows to the others, and the rows on the smaller side.

    The ratio's rows are scaled to its variance. ``more``: weight of one more row. The second value is the number of
    (effective) rows above or below the score limit, whichever is smaller.

    >>> none, scores = np.empty((0, 4)), (np.array([40.0, 30, 20, 10]), np.array([5.0, 10, 15, 20]))
    >>> found, fewer = gain_ratio(ScoreCurve(*(ClassScores(one, one, none, np.empty(0)) for one in scores)), 0.2, 1.0)
    >>> found.value, round(found.influence.variance**0.5, 3), fewer
    (0.4, 0.049, 30.0)
    """
    q, p = (side.weight for side in curve)
    rows, positives = q + p, float(p.sum())
    total = float(rows.sum())
    until = rows[::-1].cumsum()[::-1]
    above = until - rows
    inside = np.clip((share * total - above) / rows, 0.0, 1.0)
    value = float(inside @ p) / positives
    # 0.5: width around the score limit, relative to share (1 - share), for estimating the rate of positives there
    reach = 0.5 * share * (1 - share) * total
    near = np.minimum(until, share * total + reach) - np.maximum(above, share * total - reach)
    near = np.maximum(near, 0.0)
    rate = float(near @ (p / rows)) / float(near.sum())  # rate of positives at the score limit
    of_negative = -rate * (inside - share) / positives
    moved = influence_of_scores(curve, [of_negative, (inside - value) / positives + of_negative], [1.0, 1.0])
    sides, squares = (inside, 1 - inside), [side.squares for side in curve]
    hits, misses = (WeightSums(float(side @ p), float(side @ squares[1]), more) for side in sides)
    fewer = min(float(side @ rows) ** 2 / float(side @ (squares[0] + squares[1])) for side in sides)
    binomial_variance = share_variance(hits, misses)
    design = moved.variance / binomial_variance if binomial_variance > 0 and moved.variance > 0 else 1.0
    return Ratio(hits.with_design(design), misses.with_design(design), moved), fewer


def top_k_ratio(pane: Pane, blocks: Sequence[Pane], k: int) -> Ratio | None:
    """Return the rows whose class has one of the ``k`` highest scores, and the others; None without ranks."""
    sums = pane.parts.get("ranks")
    if sums is None:
        return None
    excess = pane.parts.get("ranks_excess", np.zeros(len(sums)))
    squares, mean_weight = sums + excess, float((sums + excess).sum() / max(sums.sum(), 1e-300))
    sides = (slice(None, k), slice(k, None))
    hits, misses = (WeightSums(float(sums[side].sum()), float(squares[side].sum()), mean_weight) for side in sides)
    total = hits.weight + misses.weight
    known_blocks = [block for block in blocks if "ranks" in block.parts]
    by_block = np.array(
        [(block.parts["ranks"].sum(), block.parts["ranks"][:k].sum()) for block in known_blocks]
    ).reshape(-1, 2)
    lasting = np.array([(block.parts["ranks"] + block.parts.get("ranks_excess", 0.0)).sum() for block in known_blocks])
    varies = share_variance(hits, misses)
    influence = (by_block[:, 1] - hits.weight / total * by_block[:, 0]) / total
    return Ratio(hits, misses, Influence(varies, influence, varies * lasting / squares.sum()))
