"""A chart is a plot, on which six primitives draw: axes, lines with bands, bars, steps, dots, and marks of windows.

A plot has the places of its windows (or of cells, or of categories) on the x axis and round values on the y axis::

    plot = over_time(windows, Area(46.0, 352.0, 14.0, 118.0), levels(values))
    plot.grid()
    plot.band(lows, highs)
    plot.line(values, "line")
    plot.times(138.0, windows, timezone)
    return plot.picture(360, 142, "accuracy over time")

Many windows on few pixels share columns. Each column keeps its smallest and largest value, so that a spike stays
visible. An unknown value is a gap and is never drawn as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple, TypeVar

from markupsafe import Markup
from msgspec import Struct, field

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.numbers import MINUS, number
from driftline_processor.present.times import window_label

from . import svg
from .svg import Box, Point

MOST_MARKS = 120
"""Upper limit of windows that are drawn one by one with a link each; more windows share as many columns."""

MOST = 1e100
"""Largest value that is drawn; larger values lie at the edge, because differences of the largest floats overflow."""

Address = Callable[[Evaluation], str]
"""Evaluation → address of its window's page."""

Key = TypeVar("Key")
Number = TypeVar("Number", int, float)
Values = Sequence[float | None]
"""A value per place of the x axis; None if it is unknown."""


class Area(NamedTuple):
    """The edges of a plot."""

    left: float
    right: float
    top: float
    bottom: float


class Plot(Struct):
    """The area of a chart or of one row of it, and the marks drawn so far.

    Attributes:
        area: Its edges.
        ticks: Round values of the y axis from the bottom to the top.
        spans: Begin and end of each place on the x axis, oldest first.
        start: Value at the left edge.
        end: Value at the right edge.
        columns_at: Number of places above which they share as many columns.
        marks: What is drawn, in its order; rows of one chart share a list.
    """

    area: Area
    ticks: Sequence[float] = (0.0, 1.0)
    spans: Sequence[Point] = ()
    start: float = 0
    end: float = 1
    columns_at: int = MOST_MARKS
    marks: list[Markup] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Return the position of a value on the x axis, clipped to the plot."""
        inside = min(max(value, self.start), self.end) - self.start
        return self.area.left + (self.area.right - self.area.left) * inside / ((self.end - self.start) or 1)

    def y(self, value: float) -> float:
        """Return the position of a value on the y axis, clipped to the plot."""
        low, high = self.ticks[0], self.ticks[-1]
        inside = max(min(value, MOST, high), -MOST, low)
        return self.area.bottom - (self.area.bottom - self.area.top) * (inside - low) / ((high - low) or 1.0)

    def at(self, x: float, y: float) -> Point:
        """Return the position of a point."""
        return self.x(x), self.y(y)

    def middle(self, place: int) -> float:
        """Return the middle of a place on the x axis."""
        return sum(self.spans[place]) / 2

    def points(self, values: Values, places: Iterable[int] | None = None) -> list[Point]:
        """Return the positions of the known values of all or some places."""
        drawn = range(len(values)) if places is None else places
        return [(self.middle(at), self.y(value)) for at in drawn if (value := values[at]) is not None]

    def box(
        self, span: Point, value: float, base: float | None = None, gap: Point = (0.0, 0.0), least: Point = (0.0, 0.0)
    ) -> Box:
        """Return the rectangle of a bar.

        Args:
            span: Its begin and end.
            value: Its upper value.
            base: Its lower value; None = the bottom of the plot.
            gap: Fractions of its width that stay free at the left and at the right.
            least: Its minimum width and height.
        """
        width, bottom = span[1] - span[0], self.area.bottom if base is None else self.y(base)
        height = max(bottom - self.y(value), least[1])
        return span[0] + width * gap[0], bottom - height, max(width * (1 - sum(gap)), least[0]), height

    def full(self, span: Point, above: float = 0.0, below: float = 0.0, least: float = 0.0) -> Box:
        """Return a rectangle of the height of the plot, from ``above`` it to ``below`` it."""
        top, bottom = self.area.top - above, self.area.bottom + below
        return span[0], top, max(span[1] - span[0], least), bottom - top

    @property
    def column(self) -> float:
        """Width of a column that places share; 0 if each place has its own."""
        return (self.area.right - self.area.left) / self.columns_at if len(self.spans) > self.columns_at else 0.0

    def columns(self, places: Sequence[int] | None = None) -> list[tuple[list[int], Point]]:
        """Return the places that share a column, with the begin and the end of the column.

        >>> plot = in_places(4, Area(0, 8, 0, 1), room=1)
        >>> plot.columns_at = 2
        >>> plot.columns()
        [([0, 1], (0.0, 4.0)), ([2, 3], (4.0, 8.0))]
        """
        drawn, width = range(len(self.spans)) if places is None else places, self.column
        if not width or not drawn:
            return [([place], self.spans[place]) for place in drawn]
        first = self.spans[drawn[0]][0]
        groups = groupby(drawn, lambda place: int((self.spans[place][0] - first) / width))
        shared = [[*group] for _, group in groups]
        return [(group, (self.spans[group[0]][0], self.spans[group[-1]][1])) for group in shared]

    def known(self, values: Values, places: Sequence[int] | None = None) -> list[tuple[dict[int, float], Point]]:
        """Return the known values of each column by place, with the begin and the end of the column."""
        columns = [
            ({place: value for place in shared if (value := values[place]) is not None}, span)
            for shared, span in self.columns(places)
        ]
        return [(column, span) for column, span in columns if column]

    def shared(
        self, values: Values, of: Callable[[Iterable[float]], float] = max, places: Sequence[int] | None = None
    ) -> list[tuple[Point, float]]:
        """Return begin, end and value of each column with a known value: the largest, or another ``of`` its values."""
        return [(span, of(column.values())) for column, span in self.known(values, places)]

    def extremes(self, values: Values, places: Sequence[int] | None = None) -> list[Point]:
        """Return the positions of the smallest and the largest value of each column."""
        columns = [column for column, _ in self.known(values, places)]
        ends = [{of(column, key=column.__getitem__) for of in (min, max)} for column in columns]
        return self.points(values, [place for pair in ends for place in sorted(pair)])

    def runs(self, is_known: Iterable[bool]) -> list[list[int]]:
        """Return the places with a value, split where the value is unknown or a window is missing."""
        runs: list[list[int]] = []
        for place, known in enumerate(is_known):
            if known and runs and runs[-1][-1] == place - 1 and self.spans[place - 1][1] == self.spans[place][0]:
                runs[-1].append(place)
            elif known:
                runs.append([place])
        return runs

    def isolated(self, values: Values) -> list[int]:
        """Return the places of values between two gaps, which no line reaches."""
        return [run[0] for run in self.runs(value is not None for value in values) if len(run) == 1]

    # Axes

    def grid(self, words: Callable[[float], str] = number, ticks: Sequence[float] | None = None) -> None:
        """Draw a line at each tick, with a label at the left of all or of ``ticks``."""
        for value in self.ticks:
            self.level(value, "grid")
        self.marks += [
            svg.text((self.area.left - 5, self.y(value) + 3.5), words(value), anchor="end")
            for value in (self.ticks if ticks is None else ticks)
        ]

    def level(self, value: float | None, css: str, title: str = "") -> None:
        """Draw a horizontal line at a value, if it is known."""
        if value is not None:
            y = self.y(value)
            self.marks.append(svg.line((self.area.left, y), (self.area.right, y), css, title))

    def upright(self, x: float, css: str, title: str = "", above: float = 0.0, below: float = 0.0) -> None:
        """Draw a line of the height of the plot at a position, from ``above`` it to ``below`` it."""
        self.marks.append(svg.line((x, self.area.top - above), (x, self.area.bottom + below), css, title))

    def stripe(self, low: float, high: float, css: str, least: float) -> None:
        """Draw an interval over the whole width, at least ``least`` high."""
        x, y, width, height = self.box((self.area.left, self.area.right), high, low)
        self.marks.append(svg.rect((x, y, width, max(height, least)), css))

    def times(self, y: float, windows: Sequence[Evaluation], timezone: str) -> None:
        """Write the times of the first and the last window."""
        first, last = (window_label(windows[at].window, timezone) for at in (0, -1))
        if len(windows) == 1:
            self.marks.append(svg.text((self.middle(0), y), first, anchor="middle"))
        else:
            self.marks.append(svg.text((self.spans[0][0], y), first))
            self.marks.append(svg.text((self.spans[-1][1], y), last, anchor="end"))

    # Values

    def line(self, values: Values, css: str = "line") -> None:
        """Draw values as lines with gaps at unknown values."""
        for run in self.runs(value is not None for value in values):
            if len(run) > 1:
                self.marks.append(svg.path(self.extremes(values, run), css))

    def band(self, lows: Values, highs: Values) -> None:
        """Draw intervals: an area over consecutive windows, an upright line for an isolated window."""
        for run in self.runs(None not in ends for ends in zip(lows, highs, strict=True)):
            if len(run) == 1:
                self.intervals(lows, highs, run)
                continue
            under, over = self.shared(lows, min, run), self.shared(highs, max, run)
            border = [*under, *reversed(over)]
            self.marks.append(svg.path([(sum(span) / 2, self.y(value)) for span, value in border], "band", closed=True))

    def intervals(self, lows: Values, highs: Values, places: Iterable[int] | None = None) -> None:
        """Draw the known intervals of all or some places as upright lines, one mark."""
        drawn = range(len(self.spans)) if places is None else places
        ends = [(self.points(lows, [at]), self.points(highs, [at])) for at in drawn]
        self.marks.append(svg.uprights([(*low[0], high[0][1]) for low, high in ends if low and high], "interval"))

    def bars(
        self,
        values: Values,
        css: str | Sequence[str],
        gap: Point = (0.0, 0.0),
        least: Point = (0.0, 0.0),
        of: Callable[..., int] = max,
    ) -> None:
        """Draw known values as bars from the bottom.

        Args:
            values: Value of each place.
            css: Class of all bars, or of each.
            gap: Fractions of the width of a bar that stay free at its left and at its right.
            least: Minimum width and height of a bar.
            of: The value that a column shows: the largest or the smallest.
        """
        boxes: list[tuple[str, Box]] = []
        for column, span in self.known(values):
            place = of(column, key=column.__getitem__)
            box = self.box(span, column[place], gap=gap, least=least)
            boxes.append((css if isinstance(css, str) else css[place], box))
        self.boxes(boxes)

    def boxes(self, boxes: Iterable[tuple[str, Box]], title: str = "") -> None:
        """Draw rectangles, one mark per class, in the order in which classes first occur."""
        by_class: dict[str, list[Box]] = {}
        for css, box in boxes:
            by_class.setdefault(css, []).append(box)
        self.marks += [svg.boxes(places, css, title) for css, places in by_class.items()]

    def steps(self, run: Sequence[tuple[Point, float]], css: str) -> None:
        """Draw values as a step line: begin, end and value of each; neighbours touch."""
        self.marks.append(svg.steps([(span, self.y(value)) for span, value in run], css))

    def histograms(self, was: Sequence[float] | None, now: Sequence[float] | None, css: str, gap: Point) -> None:
        """Draw two histograms over the places: the window as bars of a class, the baseline as an outline."""
        if now is not None:
            self.bars(now, css, gap)
        if was is not None:
            left, right = self.spans[0][0], self.spans[-1][1]
            bars = zip(self.spans, was, strict=False)
            self.steps([((left, left), self.ticks[0]), *bars, ((right, right), self.ticks[0])], "was")

    def step_area(
        self, over: Sequence[tuple[Point, float]], under: Sequence[tuple[Point, float]], css: str, least: float = 0.0
    ) -> None:
        """Fill the area between two step lines; ``least``: its minimum height."""
        border = [(span, self.y(value)) for span, value in over]
        border += [((end, begin), self.y(value) + least) for (begin, end), value in reversed(under)]
        self.marks.append(svg.steps(border, css, closed=True))

    def circles(self, values: Values, radius: float, css: str, places: Iterable[int] | None = None) -> None:
        """Draw the known values of all or some places as circles."""
        self.marks += [svg.dot(point, radius, css) for point in self.points(values, places)]

    def dots(self, values: Values, places: Sequence[int] | None = None, *, classes: Sequence[str] = ("dots",)) -> None:
        """Draw the known values of all or some places as one mark per class, as many as are visible."""
        if points := self.extremes(values, places):
            self.marks += [svg.dots(points, css) for css in classes]

    # Windows

    def select(
        self, place: int | None, above: float = 0.0, below: float = 0.0, least: float = 0.0, css: str = "chosen"
    ) -> None:
        """Mark the selected window; ``least``: minimum width of the mark."""
        if place is not None:
            self.marks.append(svg.rect(self.full(self.spans[place], above, below, least), css))

    def hatch(self, spans: Iterable[Point], title: str, above: float = 0.0, below: float = 0.0) -> None:
        """Hatch periods without a value as one mark."""
        self.boxes((("gap", self.full(span, above, below)) for span in spans), title)

    def links(
        self,
        titles: Iterable[str],
        addresses: Iterable[str] | None = None,
        *,
        chosen: int | None = None,
        stop: bool = True,
        css: str = "",
        above: float = 0.0,
        below: float = 0.0,
    ) -> None:
        """Give each place a tooltip, and a link if there are addresses.

        Args:
            titles: Tooltip of each place.
            addresses: Target of each place; None = no links.
            chosen: The selected place.
            stop: The tab key stops at the selected place, else at the newest.
            css: Class of the links.
            above: Height of the ground above the plot.
            below: Height of the ground below the plot.
        """
        grounds = [self.full(span, above, below) for span in self.spans]
        if addresses is None:
            self.marks += [svg.rect(box, "hover", title) for box, title in zip(grounds, titles, strict=True)]
            return
        stop_at = (len(grounds) - 1 if chosen is None else chosen) if stop else None
        for place, (box, title, address) in enumerate(zip(grounds, titles, addresses, strict=True)):
            current = stop and place == chosen
            ground = svg.rect(box, "ground")
            self.marks.append(svg.link(address, [ground], title, css, stop=place == stop_at, current=current))

    def picture(self, width: float, height: float, label: str = "", css: str = "chart", **more: Any) -> Markup:
        """Return the drawing; see :func:`.svg.picture`."""
        return svg.picture(width, height, self.marks, label, css, **more)


def over_time(
    windows: Sequence[Evaluation], area: Area, ticks: Sequence[float] = (0.0, 1.0), marks: list[Markup] | None = None
) -> Plot:
    """Return a plot whose x axis is the time of windows; ``marks``: those of the chart of which it is a row."""
    plot = Plot(area, ticks, start=windows[0].window.start, end=windows[-1].window.end)
    plot.marks = plot.marks if marks is None else marks
    plot.spans = [(plot.x(one.window.start), plot.x(one.window.end)) for one in windows]
    return plot


def in_places(count: int, area: Area, ticks: Sequence[float] = (0.0, 1.0), *, room: int = 8, free: float = 0.0) -> Plot:
    """Return a plot with places of equal width.

    Args:
        count: Number of places.
        area: Its edges.
        ticks: Round values of the y axis.
        room: Minimum number of places that there is room for, so that two windows are not two wide blocks.
        free: Fraction of the remaining room at the left: 1 = the newest window is at the right edge.
    """
    left, right = area.left, area.right
    step = (right - left) / max(count, room)
    first = left + free * (right - left - step * count)
    return Plot(area, ticks, [*pairwise(first + place * step for place in range(count + 1))])


def place_of(chosen: Evaluation | None, windows: Sequence[Evaluation]) -> int | None:
    """Return the index of the selected window; None if it is not among the windows."""
    return next((at for at, one in enumerate(windows) if chosen is not None and one.window == chosen.window), None)


def merged(parts: Iterable[tuple[Key, tuple[Number, Number]]]) -> list[tuple[Key, tuple[Number, Number]]]:
    """Return neighbours with equal keys that touch as one.

    >>> merged([("ok", (0.0, 1.0)), ("ok", (1.0, 2.0)), ("ok", (3.0, 4.0)), ("drift", (4.0, 5.0))])
    [('ok', (0.0, 2.0)), ('ok', (3.0, 4.0)), ('drift', (4.0, 5.0))]
    """
    runs: list[tuple[Key, tuple[Number, Number]]] = []
    for key, (begin, end) in parts:
        touches = runs and runs[-1][0] == key and abs(runs[-1][1][1] - begin) < 0.01
        runs.append((key, (runs.pop()[1][0] if touches else begin, end)))
    return runs


def round_step(rough: float) -> float:
    """Return the smallest round number that is not below ``rough``.

    >>> round_step(0.03), round_step(7.0)
    (0.05, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= rough * 0.999)


def levels(values: Sequence[float]) -> list[float]:
    """Return three to six round numbers around the values; a constant metric gets a line in the middle.

    >>> levels([0.4265, 0.6658]), levels([0.4])
    ([0.4, 0.5, 0.6, 0.7], [0.38, 0.4, 0.42])
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    greatest = max(abs(low), abs(high))
    if not 1 / MOST < greatest < MOST:
        return [-1.0, 0.0, 1.0] if greatest < MOST else [-MOST, 0.0, MOST]
    # Differences below a millionth of the values are rounding errors, and all ticks would read the same.
    step = round_step(max(high - low, greatest * 1e-6) / 4 if high > low else greatest / 20)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if last - first < 2:
        first, last = first - 1, last + 1
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]


def percent_tick(share: float) -> str:
    """Write a fraction on an axis in percent with at most four digits.

    >>> percent_tick(0.7), percent_tick(0.725)
    ('70 %', '72.5 %')
    """
    return f"{100 * share:.4g} %".replace("-", MINUS)
