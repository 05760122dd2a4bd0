"""Small drawings of a notebook's page: shares beside those of the baseline, and a value in its interval."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.core.metrics import metric_of
from driftline_processor.core.wording import short
from driftline_processor.present.numbers import ends, number, percent
from driftline_processor.terminal.console import fewer_cells
from driftline_processor.web.charts import svg

_WIDTH, _HEIGHT, _ROOM = 150.0, 30.0, 2.0
_LONG, _LOW = 170.0, 16.0
Range = tuple[float, float] | None
"""The least and the greatest value that a metric can have; None where it has no bounds."""


def share_bars(column: ColumnDrift) -> Markup:
    """Draw the shares of a window as bars, those of the baseline as an outline; hatched where nobody can tell.

    Args:
        column: A feature, the score or the predicted class.
    """
    if column.was is None or column.now is None or not len(column.now):
        return Markup()
    was, now = fewer_cells(column.was), fewer_cells(column.now)
    highest = float(max(was.max(), now.max())) or 1.0
    step = _WIDTH / len(now)
    state = {"drift": "drift", "ok": "same", "within_normal_variation": "same"}.get(column.state, "unsure")
    marks = [
        svg.rect(index * step + 0.5, _y(share, highest), step - 1, _HEIGHT - _y(share, highest), f"now {state}")
        for index, share in enumerate(now.tolist())
        if share
    ]
    outline = [(0.0, _HEIGHT)]
    for index, share in enumerate(was.tolist()):
        outline += [(index * step, _y(share, highest)), ((index + 1) * step, _y(share, highest))]
    marks.append(svg.path([*outline, (_WIDTH, _HEIGHT)], "was"))
    label = f"{short(column.words)}: shares of the window as bars, of the baseline as an outline"
    return svg.picture(_WIDTH, _HEIGHT, marks, label, "bars", about=_largest_change(column))


def _largest_change(column: ColumnDrift) -> str:
    """Say which cell changed most, in words, for who cannot see the drawing."""
    if column.was is None or column.now is None or len(column.cells) != len(column.now):
        return ""
    index = int(np.abs(column.now - column.was).argmax())
    was, now = percent(float(column.was[index])), percent(float(column.now[index]))
    return f"{short(column.cells[index])} went from {was} to {now}"


def _y(share: float, highest: float) -> float:
    return _HEIGHT - (_HEIGHT - _ROOM) * share / highest


def interval_range(metric: str) -> Range:
    """Return the least and the greatest value of a metric, where both are known: 0 and 1 for a share.

    Args:
        metric: Its name.

    >>> interval_range("accuracy"), interval_range("rmse")
    ((0.0, 1.0), None)
    """
    metric_definition = metric_of(metric)
    return (0.0, 1.0) if metric_definition is not None and metric_definition.unit == "fraction" else None


def metric_interval(
    value: float | None, low: float | None, high: float | None, baseline: float | None, bounds: Range
) -> Markup:
    """Draw a value with its interval, and the baseline's as a line across.

    Args:
        value: The metric of the window.
        low: The end of its interval.
        high: As ``low``.
        baseline: The metric of the baseline.
        bounds: What the ends of the drawing are; None = what holds all of these.
    """
    bounds_known = [bound for bound in (value, low, high, baseline) if bound is not None and np.isfinite(bound)]
    if value is None or not bounds_known:
        return Markup()
    low_end, high_end = bounds or _padded(min(bounds_known), max(bounds_known))
    span = (high_end - low_end) or 1.0

    def x(number: float) -> float:
        return 4 + (_LONG - 8) * min(max((number - low_end) / span, 0.0), 1.0)

    marks = [svg.line(4, _LOW / 2, _LONG - 4, _LOW / 2, "axis")]
    if low is not None and high is not None:
        marks.append(svg.rect(x(low), _LOW / 2 - 3, max(x(high) - x(low), 1), 6, "interval"))
    if baseline is not None:
        marks.append(svg.line(x(baseline), 1, x(baseline), _LOW - 1, "baseline"))
    marks.append(svg.dot(x(value), _LOW / 2, 3.2, "value"))
    within = f", between {ends(low, high).replace(' to ', ' and ')}" if ends(low, high) else ""
    return svg.picture(_LONG, _LOW, marks, f"{number(value)}{within}; baseline {number(baseline)}", "range")


def _padded(smallest: float, greatest: float) -> tuple[float, float]:
    room = (greatest - smallest or abs(greatest) or 1.0) * 0.15
    return smallest - room, greatest + room
