"""Two distributions in one drawing: the baseline as an outline, the window as bars, in the feature's unit."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from driftline.tables.classes import number_text
from driftline.tables.table import F64
from markupsafe import Markup

from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.number_shape import NumberShape
from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.present.numbers import percent, whole_percent
from driftline_processor.present.sections.section import floats
from driftline_processor.present.wording import short

from . import svg
from .plot import Plot, levels_from_zero, round_step

MOST_CATEGORIES = 10

_EDGES = re.compile(r"^\s*(\S+)\s+–\s+(\S+)\s*$")


MOST_CELLS = 25
"""Upper limit of cells of an axis that is not the baseline's."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 354.0, 8.0, 112.0


def distribution(column: ColumnDrift, name: str = "") -> Markup | None:
    """Draw the cells of a column; None if it has none. ``name``: label of the axis."""
    now = column.now if column.now is not None and len(column.now) == len(column.cells) else None
    was = column.was if column.was is not None and len(column.was) == len(column.cells) else None
    if not column.cells or (now is None and was is None):
        return None
    if is_category(column):
        return _categories(column.cells, was, now, _hatch_class(column.state))
    return _numbers(column.cells, was, now, name, _hatch_class(column.state))


def is_category(column: ColumnDrift) -> bool:
    """Return True for a categorical column."""
    return column.column == "class" or "number" not in METHODS[column.decided_by].kinds


def own_range(was: NumberShape, now: NumberShape, column: ColumnDrift, name: str = "") -> Markup | None:
    """Draw a number on an axis that contains window and baseline; None if either has no rows.

    ``was`` and ``now``: shapes of the baseline and of the window, also beyond the outer bin edges.
    """
    drawn_cells = own_cells(was, now)
    return None if drawn_cells is None else _numbers(*drawn_cells, name, _hatch_class(column.state))


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
    beyond = np.concatenate([[-np.inf], edges, [np.inf]])
    texts = [number_text(float(f"{edge:.6g}")) for edge in edges.tolist()]
    shares = [np.diff(np.concatenate([[0.0], _below(shape, edges), [1.0]])) for shape in (was, now)]
    labels = [f"< {texts[0]}", *(f"{a} – {b}" for a, b in pairwise(texts)), f"≥ {texts[-1]}"]
    held = [
        0 < index < len(beyond) - 2 or max(share[index] for share in shares) > 1e-12 for index in range(len(labels))
    ]
    return (
        tuple(label for label, here in zip(labels, held, strict=True) if here),
        shares[0][held],
        shares[1][held],
    )


def _below(shape: NumberShape, edges: F64) -> F64:
    closed = np.isfinite(shape.low) & np.isfinite(shape.high) & (shape.high > shape.low)
    low, width = np.where(closed, shape.low, 0.0), np.where(closed, shape.high - shape.low, 1.0)
    column_edges = edges[:, np.newaxis]
    sure = np.where(
        np.isneginf(shape.low), column_edges >= shape.high, ~np.isposinf(shape.high) & (column_edges > shape.low)
    )
    inside = np.where(closed, (column_edges - low) / width, sure)
    return np.clip(inside, 0, 1) @ shape.weight / float(shape.weight.sum())


def mini(was: Sequence[float] | None, now: Sequence[float] | None, state: str) -> Markup:
    """Draw fractions at the height of a text line, for a table whose other columns describe them.

    Args:
        was: Fractions of the baseline; None = unknown.
        now: Fractions of the window.
        state: State of the drift.
    """
    highest, marks = max((*(was or ()), *(now or ()), 1e-9)), ""
    if now is not None:
        bars = "".join(f"M{10 * index} 100h8v-{round(100 * share / highest)}h-8z" for index, share in enumerate(now))
        marks += f'<path class="now{_hatch_class(state)}" d="{bars}"/>'
    if was is not None:
        steps = "".join(f"V{round(100 - 100 * share / highest)}h10" for share in was)
        marks += f'<path class="was" d="M0 100{steps}V100"/>'
    box = f'viewBox="0 -4 {10 * len(now or was or ())} 108" preserveAspectRatio="none"'
    return Markup(f'<svg class="mini" {box} aria-hidden="true">{marks}</svg>') if marks else Markup()


def mini_of(column: ColumnDrift) -> Markup:
    """Draw the cells of a column at the height of a text line."""
    was, now = (
        None if shares is None or not len(shares) or len(shares) != len(column.cells) else floats(shares)
        for shares in (column.was, column.now)
    )
    return mini(was, now, column.state)


def _hatch_class(state: str) -> str:
    """Return the class that hatches a window whose drift is inconclusive or has no baseline."""
    return " untold" if state in ("inconclusive", "no_baseline") else ""


def _numbers(cells: tuple[str, ...], was: F64 | None, now: F64 | None, name: str, css: str) -> Markup:
    step = (_RIGHT - _LEFT) / len(cells)
    scale = levels_from_zero(_largest_share(was, now))
    plot = Plot(_LEFT, _RIGHT, _TOP, _BOTTOM, 0.0, scale[-1])
    y, marks = plot.y, plot.grid(scale, lambda share: f"{100 * share:.3g} %")
    if now is not None:
        marks += [
            svg.rect(_LEFT + place * step + step * 0.06, y(share), step * 0.88, _BOTTOM - y(share), f"now{css}")
            for place, share in enumerate(now)
        ]
    if was is not None:
        outline = [(_LEFT, _BOTTOM)]
        for place, share in enumerate(was):
            outline += [(_LEFT + place * step, y(share)), (_LEFT + (place + 1) * step, y(share))]
        marks.append(svg.path([*outline, (_RIGHT, _BOTTOM)], "was"))
    marks += [
        svg.rect(_LEFT + place * step, _TOP, step, _BOTTOM - _TOP, "hover", _cell_tooltip(cell, was, now, place))
        for place, cell in enumerate(cells)
    ]
    marks += _edge_labels(cells, _LEFT, step, _BOTTOM + 14)
    height = 132
    if name:
        marks.append(svg.text((_LEFT + _RIGHT) / 2, _BOTTOM + 28, short(name, 40), "axis", "middle"))
        height = 144
    return svg.picture(360, height, marks, _label(name), "chart")


def _label(name: str) -> str:
    return "fractions in the baseline and in the window" + (f" by {short(name, 40)}" if name else "")


def _edge_labels(cells: tuple[str, ...], left: float, step: float, y: float) -> list[Markup]:
    """Label edges under the border of two cells and single values under their cell's middle, as many as fit.

    An open cell at either end is always labelled, as in "≥ 54".
    """
    labels: dict[float, str] = {}
    for place, cell in enumerate(cells):
        match = _EDGES.match(cell)
        if match:
            labels[place], labels[place + 1] = match[1], match[2]
        else:
            labels[place + 0.5] = cell
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
        width, x = _width(label), left + index * step
        start = min(max(x - width / 2, 0), 360 - width)
        if start >= free and (start + width <= end or labels[index] == cells[-1]):
            marks.append(svg.text(start + width / 2, y, label, "axis", "middle"))
            free = start + width + 6
    return marks


def _width(label: str) -> float:
    return 5.8 * min(len(label), 12)


def _categories(cells: tuple[str, ...], was: F64 | None, now: F64 | None, css: str) -> Markup:
    label, right, row = 104.0, 268.0, 17.0
    weight = np.maximum(was if was is not None else 0, now if now is not None else 0)
    order = list(np.argsort(-weight, kind="stable"))
    shown_categories, rest = order[:MOST_CATEGORIES], order[MOST_CATEGORIES:]
    if len(rest) == 1:
        shown_categories, rest = order, []
    highest = max(_largest_share(was, now), 1e-9)
    rows = [(cells[place], _share(was, place), _share(now, place)) for place in shown_categories]
    if rest:
        rows.append((f"{len(rest)} others", _sum(was, rest), _sum(now, rest)))
        highest = max(highest, *(share for share in rows[-1][1:] if share is not None))
    marks = []
    for place, (name, before, after) in enumerate(rows):
        y, span = place * row, right - label
        marks.append(svg.text(label - 6, y + 12, short(name, 16), "axis", "end"))
        if after is not None:
            marks.append(svg.rect(label, y + 3, span * after / highest, row - 6, f"now{css}"))
        if before is not None:
            marks.append(svg.rect(label, y + 1.5, span * before / highest, row - 3, "was"))
        marks.append(svg.text(356, y + 12, f"{whole_percent(before)} → {whole_percent(after)}", "axis", "end"))
        marks.append(
            svg.rect(0, y, 360, row, "hover", f"{short(name)}: baseline {percent(before)}, window {percent(after)}")
        )
    return svg.picture(360, row * len(rows) + 4, marks, "fractions in the baseline and in the window", "chart")


def _largest_share(was: F64 | None, now: F64 | None) -> float:
    return max([float(shares.max()) for shares in (was, now) if shares is not None and len(shares)] + [1e-9])


def _share(shares: F64 | None, place: int) -> float | None:
    return None if shares is None else float(shares[place])


def _sum(shares: F64 | None, places: list[int]) -> float | None:
    return None if shares is None else float(shares[places].sum())


def _cell_tooltip(cell: str, was: F64 | None, now: F64 | None, place: int) -> str:
    return f"{short(cell)}: baseline {percent(_share(was, place))}, window {percent(_share(now, place))}"
