"""Shares of what scored highest: of positives among the rows of the highest scores (gain), of rows whose class was
among the highest of their scores (top-k accuracy). Both are shares of rows, and have the interval of one.

What a gain stands on is not known: the score above which the share begins is that of the rows at hand. A row above it
pushes another below, which is a positive as often as rows at the border are; Bahadur (1966) has the linear form.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.pane import Pane

from .areas import Curve, moved_by
from .intervals import Summed, share_variance
from .linear import Moved, Ratio

NEAR = 0.5
"""How far from the border rows tell how many positives are at it, as a part of the share times the rest."""


def gain(curve: Curve, share: float, more: float) -> tuple[Ratio, float]:
    """Return the positives among the ``share`` of rows that score highest, and the others, as rows that are as sure.

    ``more``: what one more may weigh. And how many (effective) rows there are above the border or below it, the fewer.

    >>> from .areas import Scored
    >>> none, scores = np.empty((0, 4)), (np.array([40.0, 30, 20, 10]), np.array([5.0, 10, 15, 20]))
    >>> found, fewer = gain(Curve(*(Scored(one, one, none, np.empty(0)) for one in scores)), 0.2, 1.0)
    >>> found.value, round(found.moved.variance**0.5, 3), fewer
    (0.4, 0.049, 30.0)
    """
    q, p = (side.weight for side in curve)
    rows, positives = q + p, float(p.sum())
    total = float(rows.sum())
    until = rows[::-1].cumsum()[::-1]
    above = until - rows
    inside = np.clip((share * total - above) / rows, 0.0, 1.0)
    value = float(inside @ p) / positives
    reach = NEAR * share * (1 - share) * total
    near = np.minimum(until, share * total + reach) - np.maximum(above, share * total - reach)
    near = np.maximum(near, 0.0)
    rate = float(near @ (p / rows)) / float(near.sum())  # of positives, at the border
    of_negative = -rate * (inside - share) / positives
    moved = moved_by(curve, [of_negative, (inside - value) / positives + of_negative], [1.0, 1.0])
    sides, squares = (inside, 1 - inside), [side.squares for side in curve]
    hits, misses = (Summed(float(side @ p), float(side @ squares[1]), more) for side in sides)
    fewer = min(float(side @ rows) ** 2 / float(side @ (squares[0] + squares[1])) for side in sides)
    alike = share_variance(hits, misses)
    design = moved.variance / alike if alike > 0 and moved.variance > 0 else 1.0
    return Ratio(hits.spread(design), misses.spread(design), moved), fewer


def top(pane: Pane, blocks: Sequence[Pane], k: int) -> Ratio | None:
    """Return the rows whose class was among the ``k`` that scored highest, and the others; None where nobody knows."""
    sums = pane.parts.get("ranks")
    if sums is None:
        return None
    excess = pane.parts.get("ranks_excess", np.zeros(len(sums)))
    squares, each = sums + excess, float((sums + excess).sum() / max(sums.sum(), 1e-300))
    sides = (slice(None, k), slice(k, None))
    hits, misses = (Summed(float(sums[some].sum()), float(squares[some].sum()), each) for some in sides)
    total = hits.weight + misses.weight
    own = [one for one in blocks if "ranks" in one.parts]
    by_block = np.array([(one.parts["ranks"].sum(), one.parts["ranks"][:k].sum()) for one in own]).reshape(-1, 2)
    lasting = np.array([(one.parts["ranks"] + one.parts.get("ranks_excess", 0.0)).sum() for one in own])
    varies = share_variance(hits, misses)
    influence = (by_block[:, 1] - hits.weight / total * by_block[:, 0]) / total
    return Ratio(hits, misses, Moved(varies, influence, varies * lasting / squares.sum()))
