"""Small drawings in table cells: a value in its interval, and fractions next to the baseline's."""

from __future__ import annotations

from markupsafe import Markup

from driftline_processor.present.sections.section import Bars, Interval, Spark

from . import svg
from .distributions import mini

_WIDTH, _HEIGHT = 140.0, 16.0


def cell_drawing(drawing: Interval | Bars | Spark) -> Markup:
    """Return the drawing of a cell as SVG."""
    if isinstance(drawing, Interval):
        return interval_line(drawing)
    return mini(drawing.was, drawing.now, drawing.state) if isinstance(drawing, Bars) else Markup()


def interval_line(drawing: Interval) -> Markup:
    """Draw a value as a dot on its interval; an upright line marks the reference value."""

    def x(value: float) -> float:
        inside = min(max(value, drawing.start), drawing.end)
        # divided by two first, so that no difference overflows
        return 4 + (_WIDTH - 8) * ((inside / 2 - drawing.start / 2) / (drawing.end / 2 - drawing.start / 2))

    marks = [svg.line(4, _HEIGHT / 2, _WIDTH - 4, _HEIGHT / 2, "grid")]
    if drawing.usual is not None:
        marks.append(svg.line(x(drawing.usual), 1, x(drawing.usual), _HEIGHT - 1, "was"))
    if drawing.value is not None:
        if drawing.low is not None and drawing.high is not None:
            marks.append(svg.line(x(drawing.low), _HEIGHT / 2, x(drawing.high), _HEIGHT / 2, "interval wide"))
        marks.append(svg.dot(x(drawing.value), _HEIGHT / 2, 3.5, "dot"))
    return svg.picture(_WIDTH, _HEIGHT, marks, "value and interval, compared with all rows", "interval-line")
