"""Two distributions in one drawing: the baseline as an outline, the window as bars, in the feature's own unit."""

from __future__ import annotations

import math
import re

import numpy as np
from driftline.tables.table import F64
from markupsafe import Markup

from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.evaluation import TargetDrift
from driftline_processor.core.wording import short
from driftline_processor.present.numbers import percent, whole_percent

from . import svg

MOST_CATEGORIES = 10

_EDGES = re.compile(r"^\s*(\S+)\s+–\s+(\S+)\s*$")


def distribution(target: TargetDrift) -> Markup | None:
    """Draw a target's cells; None when there are none to draw."""
    now = target.now if target.now is not None and len(target.now) == len(target.cells) else None
    was = target.was if target.was is not None and len(target.was) == len(target.cells) else None
    if not target.cells or (now is None and was is None):
        return None
    if target.target == "class" or "number" not in METHODS[target.decided_by].kinds:
        return _categories(target.cells, was, now)
    return _numbers(target.cells, was, now)


def _numbers(cells: tuple[str, ...], was: F64 | None, now: F64 | None) -> Markup:
    left, right, top, bottom = 6.0, 354.0, 10.0, 112.0
    step = (right - left) / len(cells)
    most = _most(was, now)

    def y(share: float) -> float:
        return bottom - (bottom - top) * share / most

    marks = [svg.line(left, bottom, right, bottom, "grid")]
    if now is not None:
        marks += [
            svg.rect(left + place * step + step * 0.06, y(share), step * 0.88, bottom - y(share), "now")
            for place, share in enumerate(now)
        ]
    if was is not None:
        outline = [(left, bottom)]
        for place, share in enumerate(was):
            outline += [(left + place * step, y(share)), (left + (place + 1) * step, y(share))]
        marks.append(svg.path([*outline, (right, bottom)], "was"))
    marks += [
        svg.rect(left + place * step, top, step, bottom - top, "hover", _said(cell, was, now, place))
        for place, cell in enumerate(cells)
    ]
    marks += _edge_labels(cells, left, step, bottom + 14)
    return svg.picture(360, 132, marks, "shares of the baseline and of the window", "chart")


def _edge_labels(cells: tuple[str, ...], left: float, step: float, y: float) -> list[Markup]:
    """Write edges under the border of two cells and single values under the middle of theirs, as many as fit.

    An open cell at either end always has its own label, as in "≥ 54": it holds all that lies beyond, however far.
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
    for at in sorted(labels):
        label = short(labels[at], 12)
        width, x = _width(label), left + at * step
        start = min(max(x - width / 2, 0), 360 - width)
        if start >= free and (start + width <= end or labels[at] == cells[-1]):
            marks.append(svg.text(start + width / 2, y, label, "axis", "middle"))
            free = start + width + 6
    return marks


def _width(label: str) -> float:
    return 5.8 * min(len(label), 12)


def _categories(cells: tuple[str, ...], was: F64 | None, now: F64 | None) -> Markup:
    label, right, row = 104.0, 268.0, 17.0
    weight = np.maximum(was if was is not None else 0, now if now is not None else 0)
    order = list(np.argsort(-weight, kind="stable"))
    shown, rest = order[:MOST_CATEGORIES], order[MOST_CATEGORIES:]
    if len(rest) == 1:
        shown, rest = order, []
    most = max(_most(was, now), 1e-9)
    rows = [(cells[place], _at(was, place), _at(now, place)) for place in shown]
    if rest:
        rows.append((f"{len(rest)} others", _sum(was, rest), _sum(now, rest)))
        most = max(most, *(share for share in rows[-1][1:] if share is not None))
    marks = []
    for place, (name, before, after) in enumerate(rows):
        y, span = place * row, right - label
        marks.append(svg.text(label - 6, y + 12, short(name, 16), "axis", "end"))
        if after is not None:
            marks.append(svg.rect(label, y + 3, span * after / most, row - 6, "now"))
        if before is not None:
            marks.append(svg.rect(label, y + 1.5, span * before / most, row - 3, "was"))
        marks.append(svg.text(356, y + 12, f"{whole_percent(before)} → {whole_percent(after)}", "axis", "end"))
        marks.append(svg.rect(0, y, 360, row, "hover", f"{short(name)}: was {percent(before)}, is {percent(after)}"))
    return svg.picture(360, row * len(rows) + 4, marks, "shares of the baseline and of the window", "chart")


def _most(was: F64 | None, now: F64 | None) -> float:
    return max([float(shares.max()) for shares in (was, now) if shares is not None and len(shares)] + [1e-9])


def _at(shares: F64 | None, place: int) -> float | None:
    return None if shares is None else float(shares[place])


def _sum(shares: F64 | None, places: list[int]) -> float | None:
    return None if shares is None else float(shares[places].sum())


def _said(cell: str, was: F64 | None, now: F64 | None, place: int) -> str:
    return f"{short(cell)}: was {percent(_at(was, place))}, is {percent(_at(now, place))}"
