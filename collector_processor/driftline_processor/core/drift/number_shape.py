"""The distribution of a number as intervals of values: bins, and powers of two beyond the outer edges.

Values are assumed to be spread evenly within an interval, so a quantile is off by at most the interval's width. The
outermost power of two with rows ends at the extreme of the known rows; without a known extreme it is open, and a
quantile in it is a lower (or upper) bound.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.panes.unbinned_values import OCTAVES, TAILS, octave_bounds
from driftline.tables.table import F64, I64
from msgspec import Struct

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of a fan chart: the median, and the limits of 50 % and 90 % of the rows."""

_GREATEST = 2.0**OCTAVES
"""End of the last power of two, which is open."""


class NumberShape(Struct, frozen=True, eq=False):
    """Intervals of values that contain rows, ascending.

    Attributes:
        low: Lower end of each, float64 (n,); -inf for an open lower end.
        high: Upper end of each, float64 (n,); inf for an open upper end.
        weight: Rows of each, float64 (n,), all above 0.
        below: Fraction of the rows below the bins.
        above: Fraction of the rows above the bins.
        edges: The outer edges of the bins.
    """

    low: F64
    high: F64
    weight: F64
    below: float = 0.0
    above: float = 0.0
    edges: tuple[float, float] = (-np.inf, np.inf)

    def quantiles(self, levels: tuple[float, ...] = LEVELS) -> F64:
        """Return the quantiles at ``levels``, float64 (levels,); NaN without rows.

        A quantile in an open end is the start of that end, see :meth:`open_ends`.

        >>> shape_of(NumberBins(np.array([0.0, 10.0, 20.0])), np.array([0.0, 50.0, 50.0, 0.0])).quantiles((0.25, 0.5))
        array([ 5., 10.])
        """
        if not len(self.weight):
            return np.full(len(levels), np.nan)
        at, part = self._places(levels)
        low = np.where(np.isfinite(self.low), self.low, self.high)[at]
        high = np.where(np.isfinite(self.high), self.high, self.low)[at]
        values: F64 = low * (1 - part) + high * part
        return values

    def open_ends(self, levels: tuple[float, ...] = LEVELS) -> I64:
        """Return which quantiles are in an open end: int64 (levels,); 1 = lower bound, -1 = upper bound, 0 = neither.

        >>> shape_of(NumberBins(np.array([0.0, 10.0])), np.array([0.0, 50.0, 50.0])).open_ends((0.25, 0.75))
        array([0, 1])
        """
        if not len(self.weight):
            return np.zeros(len(levels), np.int64)
        at, _ = self._places(levels)
        return np.isposinf(self.high[at]).astype(np.int64) - np.isneginf(self.low[at])

    def steps_beyond(self, share: float) -> list[tuple[float, float]]:
        """Return the intervals beyond the bins with at least the fraction ``share`` of the rows: (low, high) each."""
        beyond = (self.low >= self.edges[1]) | (self.high <= self.edges[0])
        held = beyond & (self.weight >= share * self.weight.sum())
        return list(zip(self.low[held].tolist(), self.high[held].tolist(), strict=True))

    def _places(self, levels: tuple[float, ...]) -> tuple[I64, F64]:
        """Return the interval of each quantile, and the part of its rows below the quantile."""
        ends = np.cumsum(self.weight)
        wanted = np.array(levels) * ends[-1]
        at = np.minimum(np.searchsorted(ends, wanted, side="left"), len(ends) - 1)
        return at, 1 - np.clip((ends[at] - wanted) / self.weight[at], 0, 1)


def shape_of(
    bins: NumberBins, counts: F64, tails: F64 | None = None, seen: tuple[float, float] | None = None
) -> NumberShape:
    """Return the shape of counts over bins.

    Args:
        bins: Bins of the number.
        counts: float64 (bins.size,) or longer; missing and invalid values, which follow the bins, do not count.
        tails: Rows beyond the outer edges by powers of two, ``tails:NAME`` of a pane. Rows that it does not contain are
            in an open end that begins at the edge.
        seen: Minimum and maximum of the known rows; they end the outermost power of two with rows.

    >>> strays = np.zeros(TAILS)
    >>> strays[2 * OCTAVES + 71] = 3  # 64 to 128
    >>> bins, counts = NumberBins(np.array([0.0, 100.0])), np.array([0.0, 1.0, 3.0])
    >>> shape_of(bins, counts, strays, seen=(5.0, 120.0)).quantiles((0.625,))
    array([110.])
    >>> shape_of(bins, counts, strays).quantiles((0.625,))
    array([100.])
    """
    edges, own = bins.edges, counts[: bins.size]
    if not len(edges):
        return NumberShape(np.empty(0), np.empty(0), np.empty(0))
    beyond = np.zeros(TAILS) if tails is None else tails
    bounds = octave_bounds()
    begins, ends = np.append(-_GREATEST, bounds), np.append(bounds, _GREATEST)
    least, greatest = (-np.inf, np.inf) if seen is None else seen
    under = _beyond(begins, np.minimum(ends, edges[0]), beyond, own[0], ends > edges[0])
    _end_outermost(under[1], under[0], under[2], least, -1)
    over = _beyond(np.maximum(begins, edges[-1]), ends, beyond, own[-1], begins < edges[-1])
    _end_outermost(over[0], over[1], over[2], greatest, 1)
    under = (np.append(under[0], -np.inf), np.append(under[1], edges[0]), under[2])
    over = (np.append(over[0], edges[-1]), np.append(over[1], np.inf), over[2])
    low = np.concatenate([under[0], edges[:-1], over[0]])
    high = np.concatenate([under[1], edges[1:], over[1]])
    weight = np.concatenate([under[2], own[1:-1], over[2]])
    order = np.lexsort((high, low))
    filled = order[weight[order] > 0]
    total = max(float(own.sum()), np.finfo(np.float64).tiny)
    below, above = float(own[0]) / total, float(own[-1]) / total
    return NumberShape(low[filled], high[filled], weight[filled], below, above, (float(edges[0]), float(edges[-1])))


def _end_outermost(near: F64, far: F64, weight: F64, extreme: float, side: int) -> None:
    """End the outermost interval with rows at the known extreme, or leave it open; in place."""
    held = np.flatnonzero(weight[:-1] > 0)
    if not len(held):
        return
    at = held[-1] if side > 0 else held[0]
    if side * (extreme - near[at]) <= 0 or not np.isfinite(extreme):
        far[at] = side * np.inf  # no known row is there
    elif side * (far[at] - extreme) > 0:
        far[at] = extreme


def _beyond(low: F64, high: F64, counts: F64, rows: float, cut: np.typing.NDArray[np.bool_]) -> tuple[F64, F64, F64]:
    """Return the intervals beyond one edge, with one more weight for rows that none of them contains.

    ``cut``: intervals that the edge cuts or that are on its other side. The first of them may contain rows of both ends
    of the bins, and gets the rows that its side still lacks.
    """
    exists = (high > low) & (counts > 0)
    whole, part = exists & ~cut, exists & cut
    assigned = np.where(whole, counts, 0.0)
    lacking = rows - float(assigned.sum())
    if lacking > 0 and part.any():
        assigned = assigned + np.where(part, np.minimum(counts, lacking), 0.0)
        lacking = rows - float(assigned.sum())
    if assigned.sum() > 0 and lacking < 0:
        assigned = assigned * (rows / float(assigned.sum()))
    remaining = max(lacking, 0.0)
    return low.copy(), high.copy(), np.append(assigned, remaining)


BETWEEN = re.compile(r"^\s*(\S+)\s+–\s+(\S+)\s*$")
_END = re.compile(r"^\s*([<≥])\s+(\S+)\s*$")


def shape_of_cells(categories: Sequence[str], shares: F64) -> NumberShape | None:
    """Return the shape of the drawn cells of a number, from their labels; the outer cells are open.

    None if a label is not a number, such as that of all other values.

    >>> drawn = shape_of_cells(("< 0", "0 – 10", "10 – 20", "≥ 20"), np.array([0.0, 0.5, 0.4, 0.1]))
    >>> drawn.quantiles((0.25, 0.5, 0.95)).tolist(), drawn.above
    ([5.0, 10.0, 20.0], 0.1)
    """
    low, high, weight, below, above = [], [], [], 0.0, 0.0
    for category, share in zip(categories, shares.tolist(), strict=True):
        if share <= 0:
            continue
        between, end = BETWEEN.match(category), _END.match(category)
        texts = between.groups() if between else (end[2] if end else category,) * 2
        try:
            begins, ends = (float(text) for text in texts)
        except ValueError:
            return None
        low.append(-np.inf if end and end[1] == "<" else begins)
        high.append(np.inf if end and end[1] == "≥" else ends)
        weight.append(share)
        if end:
            below, above = (below + share, above) if end[1] == "<" else (below, above + share)
    return NumberShape(np.array(low), np.array(high), np.array(weight), below, above)
