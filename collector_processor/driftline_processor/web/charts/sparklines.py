"""Drawings at the height of a text line, for tables: a model's windows, a feature's drift, fractions, and intervals."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from driftline_processor.core.evaluation import ColumnDrift, Evaluation
from driftline_processor.present.metrics import metric_title
from driftline_processor.present.numbers import count, finite, many, number, percent
from driftline_processor.present.sections.section import Bars, Interval, Spark, floats

from . import svg
from .heat_map import shade_of
from .plot import Area, Plot, in_places, merged
from .timeline_rows import numbers_of

SHOWN = 32
"""Number of windows of a model's sparkline, the newest."""

TREND = 60
"""Number of windows of a feature's trend, the newest."""

_ROOM = 12
_MOST_PSI = 0.5
"""PSI at the top of a trend: twice the threshold of large drift."""


def traffic(evaluations: Sequence[Evaluation]) -> Markup:
    """Draw rows per window as bars; the open window is hollow. A single window has no drawing."""
    shown = evaluations[-SHOWN:]
    if len(shown) < 2:
        return Markup()
    highest = max((evaluation.rows for evaluation in shown), default=0) or 1
    plot = in_places(len(shown), Area(0, 96, 1, 15), (0, highest), room=_ROOM, free=1)
    classes = ["bar" if evaluation.closed else "bar open" for evaluation in shown]
    plot.bars([evaluation.rows or None for evaluation in shown], classes, gap=(0, 0.25), least=(0, 1))
    words = f"rows of {many(len(shown), 'window')}, {count(shown[-1].rows)} in the newest"
    return plot.picture(96, 16, words, "spark")


def performance(evaluations: Sequence[Evaluation], metric: str) -> Markup:
    """Draw a metric as a line in the band of its intervals with the baseline's value; unknown values are gaps.

    A single window has no drawing.
    """
    shown = evaluations[-SHOWN:]
    values, lows, highs = numbers_of([evaluation.realized.get(metric) for evaluation in shown], "value", "low", "high")
    known = [value for value in values if value is not None]
    if not known or len(shown) < 2:
        return Markup()
    reference = next((one.reference[metric] for one in reversed(shown) if metric in one.reference), None)
    baseline = None if reference is None else finite(reference.value)
    drawn = [value for value in (*known, *lows, *highs, baseline) if value is not None]
    plot = in_places(len(shown), Area(0, 96, 2, 14), (min(drawn), max(drawn)), room=_ROOM, free=1)
    plot.level(baseline, "usual")
    plot.intervals(lows, highs)
    plot.line(values)
    plot.dots(values, plot.isolated(values), classes=["line"])
    words = f"{number(known[-1])} in the newest window with a value"
    return plot.picture(96, 16, f"{metric_title(metric)} of {many(len(shown), 'window')}, {words}", "spark")


def share_line(shares: Sequence[float | None], name: str, full: float) -> Markup:
    """Draw fractions over windows as small bars; unknown fractions are left out.

    ``full``: the fraction of a bar of full height, the same in all rows of a table.
    """
    highest = max((share for share in shares if share is not None), default=0.0)
    plot = in_places(len(shares), Area(0, 160, 2, 31), (0.0, full), room=_ROOM, free=1)
    plot.columns_at = 80
    plot.level(0.0, "grid")
    plot.bars([share or None for share in shares], "bar", gap=(0, 0.15))
    return plot.picture(160, 32, f"fraction of missing values of {name}, at most {percent(highest)}", "sparkline")


def trend(name: str, evaluations: Sequence[Evaluation]) -> Markup:
    """Draw the drift of a feature in the newest windows, coloured by size; equal neighbours are one bar."""
    newest = evaluations[-TREND:]
    width = 10 * max(len(newest), _ROOM)
    plot = in_places(len(newest), Area(0, width, 0, 100), (0, 100), room=_ROOM, free=1)
    bars = []
    for evaluation, span in zip(newest, plot.spans, strict=True):
        shade, size = shade_of(evaluation, name), evaluation.drift.of(name, evaluation.drift.moved)
        if shade:
            bars.append(((shade, max(8, min(round(100 * (size or 0.0) / _MOST_PSI), 100))), span))
    joined = merged(bars)
    plot.boxes((f"size {shade}", plot.box((begin, end - 2), height)) for (shade, height), (begin, end) in joined)
    return plot.picture(width, 100, css="trend", stretch=True)


def mini(was: Sequence[float] | None, now: Sequence[float] | None, state: str) -> Markup:
    """Draw fractions of a table whose other columns describe them.

    Args:
        was: Fractions of the baseline; None = unknown.
        now: Fractions of the window.
        state: State of the drift.
    """
    width = 10 * max(len(now or ()), len(was or ()))
    if not width:
        return Markup()
    highest = max((*(was or ()), *(now or ()), 1e-9))
    plot = in_places(width // 10, Area(0, width, 4, 104), (0, 100), room=1)
    before, after = (None if side is None else [round(100 * share / highest) for share in side] for side in (was, now))
    plot.histograms(before, after, now_class(state), (0, 0.2))
    return plot.picture(width, 108, css="mini", stretch=True)


def mini_of(column: ColumnDrift) -> Markup:
    """Draw the fractions of a column's cells."""
    was, now = sides_of(column)
    return mini(was, now, column.state)


def sides_of(column: ColumnDrift) -> list[tuple[float, ...] | None]:
    """Return the fractions of a column's cells in the baseline and in the window; None if unknown."""
    sides = (column.was, column.now)
    return [None if side is None or not len(side) or len(side) != len(column.cells) else floats(side) for side in sides]


def now_class(state: str) -> str:
    """Return the class of a window's bars, which are hatched if its drift is inconclusive or has no baseline."""
    return "now untold" if state in ("inconclusive", "no_baseline") else "now"


def cell_drawing(drawing: Interval | Bars | Spark) -> Markup:
    """Return the drawing of a cell as SVG."""
    if isinstance(drawing, Interval):
        return interval_line(drawing)
    return mini(drawing.was, drawing.now, drawing.state) if isinstance(drawing, Bars) else Markup()


def interval_line(drawing: Interval) -> Markup:
    """Draw a value as a dot on its interval; an upright line marks the reference value."""
    plot = Plot(Area(4, 136, 1, 15))

    def x(value: float) -> float:
        # clipped, and divided by two first, so that no difference overflows
        inside = min(max(value, drawing.start), drawing.end)
        return plot.x((inside / 2 - drawing.start / 2) / (drawing.end / 2 - drawing.start / 2))

    plot.level(0.5, "grid")
    if drawing.usual is not None:
        plot.upright(x(drawing.usual), "was")
    if drawing.value is not None:
        if drawing.low is not None and drawing.high is not None:
            plot.marks.append(svg.line((x(drawing.low), 8), (x(drawing.high), 8), "interval wide"))
        plot.marks.append(svg.dot((x(drawing.value), 8), 3.5, "dot"))
    return plot.picture(140, 16, "value and interval, compared with all rows", "interval-line")
