"""Cells to draw: about twenty shares that a person compares at a glance, labelled in the feature's unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from driftline.panes.bins import TOLERANCE, Bins, CategoryBins, Index, NumberBins
from driftline.tables.classes import number_text
from driftline.tables.table import F64

MOST_VALUES = 16
"""Up to so many distinct values are drawn one by one."""

MOST_LABELS = 12
"""Labels that are drawn one by one, the most frequent of both sides: what a card of the page has room for."""

WIDTHS = 20
"""Cells of equal width of a number that is drawn; fewer would hide a second hump, more are noise at 1,000 rows."""

_SHOWN = 0.01
"""Share of the reference at either end that is drawn in one cell: one far value would squeeze all others into
another."""

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Round widths of cells, times a power of ten."""

GREATEST = 1e300
"""Values beyond are drawn here: differences of even greater numbers would overflow."""


class Cells(NamedTuple):
    """Shares over the cells of a chart.

    Attributes:
        labels: Label of each cell.
        was: Share of the reference in each cell, float64 (cells,); adds up to 1.
        now: Share of the window in each cell, float64 (cells,); adds up to 1.

    ``edges``: of cells of one width, the texts of the edges between them; else empty.
    """

    labels: tuple[str, ...]
    was: F64
    now: F64
    edges: tuple[str, ...] = ()


Drawing = Callable[[F64], Cells]


def cells(bins: Bins, reference: F64, current: F64) -> Cells:
    """Return the cells to draw for counts over bins, missing and invalid left out. An empty side is all zero.

    >>> from driftline.panes.bins import number_bins
    >>> drawn = cells(number_bins(np.array([0.0, 1.0])), np.array([0, 3, 0, 1, 0.0]), np.array([0, 1, 0, 1, 2.0]))
    >>> drawn.labels, drawn.now.tolist()
    (('0', '1', 'other values'), [0.25, 0.25, 0.5])
    """
    return drawing(bins, reference)(current)


def drawing(bins: Bins, reference: F64) -> Drawing:
    """Return the function that draws a window's counts beside a reference.

    Where the cells are and what they are called is settled here, once: two thirds of the work.
    """
    was = shares(reference)
    if isinstance(bins, CategoryBins):
        return partial(_labels, bins, was)
    atoms = np.flatnonzero(was[1:-1] > 0) + 1 if len(bins.edges) else np.empty(0, dtype=np.intp)
    if 0 < len(atoms) <= MOST_VALUES and _narrow(bins, atoms) and was[0] == 0 and was[-1] == 0:
        return _values(bins, atoms, was)
    return _widths(bins, was)


def shares(counts: F64) -> F64:
    """Return counts as shares that add up to 1, all 0 where there is nothing to share."""
    total = float(counts.sum())
    return counts / total if total > 0 else np.zeros(len(counts))


def _labels(bins: CategoryBins, was: F64, current: F64) -> Cells:
    now = shares(current)
    # the frequent ones of both sides, in the order of the baseline, so that a picture keeps its shape over time
    shown = np.sort(np.argsort(-np.maximum(was, now)[:-1], kind="stable")[:MOST_LABELS])
    labels = [bins.labels[at] for at in shown.tolist()]
    drawn_was, drawn_now = was[shown], now[shown]
    rest_was, rest_now = float(was.sum() - drawn_was.sum()), float(now.sum() - drawn_now.sum())
    if max(rest_was, rest_now) > 1e-12:
        return Cells((*labels, "other"), np.append(drawn_was, rest_was), np.append(drawn_now, rest_now))
    return Cells(tuple(labels), drawn_was, drawn_now)


def _narrow(bins: NumberBins, which: Index) -> bool:
    """Return True for bins of one value each, as narrow as :func:`driftline.panes.bins.number_bins` makes them."""
    low, high = bins.edges[which - 1], bins.edges[which]
    return bool((high - low <= 1e-6 * np.maximum(np.abs(low), np.abs(high)) + 1e-300).all())


def _values(bins: NumberBins, atoms: Index, was: F64) -> Drawing:
    low, high = bins.edges[atoms - 1], bins.edges[atoms]
    middles = low + (high - low) / 2
    labels = tuple(_value_text(value) for value in middles.tolist())
    if len(set(labels)) < len(labels):
        labels = tuple(number_text(value) for value in middles.tolist())
    drawn_was = was[atoms]

    def draw(current: F64) -> Cells:
        now = shares(current)
        rest = float(now.sum() - now[atoms].sum())
        if rest > 1e-12:
            return Cells((*labels, "other values"), np.append(drawn_was, 0.0), np.append(now[atoms], rest))
        return Cells(labels, drawn_was, now[atoms])

    return draw


def _widths(bins: NumberBins, was: F64) -> Drawing:
    fine = np.clip(bins.edges, -GREATEST, GREATEST)
    edges = _nice_edges(fine, was)
    if len(edges) == 0:
        return lambda current: Cells(("all",), np.array([was.sum()]), np.array([shares(current).sum()]))
    texts = _edge_texts(tuple(edges.tolist()))
    labels = (f"< {texts[0]}", *(f"{low} – {high}" for low, high in pairwise(texts)), f"≥ {texts[-1]}")
    spread = _spread(fine, edges)
    drawn_was = spread(was)

    def draw(current: F64) -> Cells:
        drawn_now = spread(shares(current))
        first = 0 if max(drawn_was[0], drawn_now[0]) > 1e-12 else 1
        last = len(labels) if max(drawn_was[-1], drawn_now[-1]) > 1e-12 else len(labels) - 1
        between = texts[first : last - 1]
        return Cells(labels[first:last], drawn_was[first:last], drawn_now[first:last], between)

    return draw


def _nice_edges(edges: F64, was: F64) -> F64:
    """Edges at round numbers, 10 to 20 of one width, between the 1 % and the 99 % quantile of the reference."""
    if len(edges) < 2:
        return edges
    total = np.cumsum(was)[:-1]
    inside = np.flatnonzero((total >= _SHOWN) & (total <= 1 - _SHOWN))
    low, high = (edges[inside[0]], edges[inside[-1]]) if len(inside) > 1 else (edges[0], edges[-1])
    width = (high - low) / WIDTHS
    if width <= max(abs(low), abs(high)) * 1e-12 or width < 1e-300:  # no room for round numbers between
        return np.unique(edges[:: -(-len(edges) // WIDTHS)])
    power = 10.0 ** math.floor(math.log10(width))
    step = power * min(factor for factor in _ROUND if factor * power >= width * (1 - 1e-9))
    nice: F64 = np.arange(math.floor(low / step), math.ceil(high / step) + 1) * step
    inside_edges: F64 = nice[(nice >= edges[0]) & (nice <= edges[-1])]
    return inside_edges


def _spread(fine: F64, coarse: F64) -> Callable[[F64], F64]:
    """Shares over fine bins → over coarse cells: an inner fine bin is spread evenly, open bins go to the open cells."""
    # a little lower, so that an edge does not cut through the bin that number_bins makes around a value; never as far
    # as the next edge, where values vary by less than a millionth of themselves
    step = float(np.diff(coarse).min()) if len(coarse) > 1 else math.inf
    edges = coarse - np.minimum(np.abs(coarse) * 2 * TOLERANCE, step / 4)
    at = np.searchsorted(fine, edges, side="right") - 1
    low, high = fine[at], np.append(fine[1:], np.inf)[at]
    part = np.divide(edges - low, high - low, out=np.zeros(len(at)), where=high > low)
    part[at >= len(fine) - 1] = 0.0
    inside = at >= 0
    before, within = np.maximum(at, 0), np.minimum(at + 1, len(fine))

    def spread(shares: F64) -> F64:
        total = shares.cumsum()
        below = np.empty(len(at) + 2)
        below[0], below[-1] = 0.0, total[-1]
        below[1:-1] = (total[before] + part * shares[within]) * inside
        return below[1:] - below[:-1]

    return spread


def _value_text(value: float) -> str:
    rounded = float(f"{value:.6g}") if abs(value) < 1e6 else float(round(value))
    return number_text(rounded)


@lru_cache(maxsize=4_096)  # round numbers: those of a reference that rolls on are those of the day before
def _edge_texts(edges: tuple[float, ...]) -> tuple[str, ...]:
    """Return the edges with the fewest digits that distinguish them."""
    for digits in range(3, 17):
        texts = tuple(number_text(float(f"{edge:.{digits}g}")) for edge in edges)
        if len(set(texts)) == len(texts) and np.allclose([float(text) for text in texts], edges, rtol=1e-9, atol=0):
            return texts
    return tuple(number_text(edge) for edge in edges)
