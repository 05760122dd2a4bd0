"""Two distributions in one drawing: the baseline as an outline, the window as bars, in the feature's unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import compress, pairwise
from typing import NamedTuple

import numpy as np
from driftline.tables.classes import number_text
from driftline.tables.table import F64
from markupsafe import Markup

from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.number_shape import BETWEEN, NumberShape
from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.present.numbers import percent, whole_percent
from driftline_processor.present.sections.section import floats
from driftline_processor.present.wording import short

from . import svg
from .plot import Area, Plot, in_places, levels, percent_tick, round_step
from .sparklines import now_class, sides_of

MOST_CATEGORIES = 10

MOST_CELLS = 25
"""Upper limit of cells of an axis that is not the baseline's."""

_AREA = Area(40.0, 354.0, 8.0, 112.0)
_LABEL = "fractions in the baseline and in the window"


Side = Sequence[float] | None
"""Fraction of each cell; None if they are unknown."""


class _Cell(NamedTuple):
    name: str
    was: float | None
    now: float | None

    @property
    def words(self) -> str:
        return f"{short(self.name)}: baseline {percent(self.was)}, window {percent(self.now)}"


def distribution(column: ColumnDrift, name: str = "") -> Markup | None:
    """Draw the cells of a column; None if it has none. ``name``: label of the axis."""
    was, now = sides_of(column)
    if was is None and now is None:
        return None
    if is_category(column):
        return _categories(column.cells, was, now, now_class(column.state))
    return _numbers(column.cells, was, now, name, now_class(column.state))


def is_category(column: ColumnDrift) -> bool:
    """Return True for a categorical column."""
    return column.column == "class" or "number" not in METHODS[column.decided_by].kinds


def own_range(was: NumberShape, now: NumberShape, column: ColumnDrift, name: str = "") -> Markup | None:
    """Draw a number on an axis that contains window and baseline; None if either has no rows.

    ``was`` and ``now``: shapes of the baseline and of the window, also beyond the outer bin edges.
    """
    if (drawn := own_cells(was, now)) is None:
        return None
    cells, before, after = drawn
    return _numbers(cells, floats(before), floats(after), name, now_class(column.state))


def own_cells(was: NumberShape, now: NumberShape) -> tuple[tuple[str, ...], F64, F64] | None:
    """Return cells of equal width from the 1st to the 99th percentile of both, and both fractions per cell.

    Rows of an open outer bin are in the open cell at that end, which begins at or inside the edge of the bin.

    >>> one, other = (NumberShape(*map(np.array, ([low], [low + 10.0], [1.0]))) for low in (0.0, 90.0))
    >>> cells, before, after = own_cells(one, other)
    >>> len(cells), cells[0], cells[-1], before[:2].tolist(), after[-2:].tolist()
    (20, '0 – 5', '95 – 100', [0.5, 0.5], [0.5, 0.5])
    """
    if not len(was.weight) or not len(now.weight):
        return None
    ends = np.array([shape.quantiles((0.01, 0.99)) for shape in (was, now)])
    opened = np.array([shape.open_ends((0.01, 0.99)) for shape in (was, now)])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    open_below = bool(opened[np.argmin(ends[:, 0]), 0])
    open_above = bool(opened[np.argmax(ends[:, 1]), 1])
    if not high > low:
        return None
    step = round_step((high - low) / MOST_CELLS)
    first = math.ceil(low / step) if open_below else math.floor(low / step)
    last = math.floor(high / step) if open_above else math.ceil(high / step)
    edges: F64 = np.arange(first, max(last, first + 1) + 1, dtype=np.float64) * step
    texts = [number_text(float(f"{edge:.6g}")) for edge in edges.tolist()]
    labels = [f"< {texts[0]}", *(f"{a} – {b}" for a, b in pairwise(texts)), f"≥ {texts[-1]}"]
    shares = np.array([np.diff(np.concatenate([[0.0], _below(shape, edges), [1.0]])) for shape in (was, now)])
    is_drawn = shares.max(axis=0) > 1e-12
    is_drawn[1:-1] = True
    return tuple(compress(labels, is_drawn)), shares[0][is_drawn], shares[1][is_drawn]


def _below(shape: NumberShape, edges: F64) -> F64:
    closed = np.isfinite(shape.low) & np.isfinite(shape.high) & (shape.high > shape.low)
    low, width = np.where(closed, shape.low, 0.0), np.where(closed, shape.high - shape.low, 1.0)
    column_edges = edges[:, np.newaxis]
    is_below = np.where(
        np.isneginf(shape.low), column_edges >= shape.high, ~np.isposinf(shape.high) & (column_edges > shape.low)
    )
    inside = np.where(closed, (column_edges - low) / width, is_below)
    return np.clip(inside, 0, 1) @ shape.weight / float(shape.weight.sum())


def _numbers(cells: Sequence[str], was: Side, now: Side, name: str, css: str) -> Markup:
    plot = in_places(len(cells), _AREA, levels([0.0, max((*(was or ()), *(now or ()), 1e-6))]), room=1)
    plot.grid(percent_tick)
    plot.histograms(was, now, css, (0.06, 0.06))
    plot.links(row.words for row in _rows(cells, was, now))
    plot.marks += _edge_labels(cells, plot.spans[0][1] - plot.spans[0][0])
    if name:
        place = (sum(_AREA[:2]) / 2, _AREA.bottom + 28)
        plot.marks.append(svg.text(place, short(name, 40), anchor="middle"))
    return plot.picture(360, 144 if name else 132, _LABEL + (f" by {short(name, 40)}" if name else ""))


def _edge_labels(cells: Sequence[str], step: float) -> list[Markup]:
    """Label edges under the border of two cells and single values under their cell's middle, as many as fit.

    An open cell at either end is always labelled, as in "≥ 54".
    """
    labels: dict[float, str] = {}
    for place, cell in enumerate(cells):
        match = BETWEEN.match(cell)
        labels |= {place: match[1], place + 1: match[2]} if match else {place + 0.5: cell}
    end = math.inf
    if cells[0].startswith("< "):
        labels.pop(1, None)
    if cells[-1].startswith("≥ "):
        labels.pop(len(cells) - 1, None)
        end = 360 - _width(cells[-1]) - 6
    marks: list[Markup] = []
    free = 0.0
    for index in sorted(labels):
        label = short(labels[index], 12)
        width = _width(label)
        start = min(max(_AREA.left + index * step - width / 2, 0), 360 - width)
        if start >= free and (start + width <= end or labels[index] == cells[-1]):
            marks.append(svg.text((start + width / 2, _AREA.bottom + 14), label, anchor="middle"))
            free = start + width + 6
    return marks


def _width(label: str) -> float:
    return 5.8 * min(len(label), 12)


def _categories(cells: Sequence[str], was: Side, now: Side, css: str) -> Markup:
    left, right, height = 104.0, 268.0, 17.0
    rows = sorted(_rows(cells, was, now), key=lambda row: -max(row.was or 0.0, row.now or 0.0))
    if len(rest := rows[MOST_CATEGORIES:]) > 1:
        before = None if was is None else sum(row.was or 0.0 for row in rest)
        after = None if now is None else sum(row.now or 0.0 for row in rest)
        rows[MOST_CATEGORIES:] = [_Cell(f"{len(rest)} others", before, after)]
    highest = max(max(row.was or 0.0, row.now or 0.0) for row in rows) or 1.0
    plot = Plot(Area(left, right, 0.0, height * len(rows)), end=highest)
    for place, row in enumerate(rows):
        y = place * height
        plot.marks.append(svg.text((left - 6, y + 12), short(row.name, 16), anchor="end"))
        for share, edge, bar in ((row.now, 3, css), (row.was, 1.5, "was")):
            if share is not None:
                plot.marks.append(svg.rect((left, y + edge, plot.x(share) - left, height - 2 * edge), bar))
        plot.marks.append(svg.text((356, y + 12), f"{whole_percent(row.was)} → {whole_percent(row.now)}", anchor="end"))
        plot.marks.append(svg.rect((0, y, 360, height), "hover", row.words))
    return plot.picture(360, height * len(rows) + 4, _LABEL)


def _rows(cells: Sequence[str], was: Side, now: Side) -> list[_Cell]:
    unknown = [None] * len(cells)
    return [_Cell(*row) for row in zip(cells, was or unknown, now or unknown, strict=True)]
