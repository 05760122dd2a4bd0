"""The plot area of all charts: two axes, the windows along the x axis, and the marks.

Many windows on few pixels share columns. Each column keeps its smallest and largest value, so that a spike stays
visible. An unknown value is a gap and is never drawn as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from markupsafe import Markup
from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.numbers import number
from driftline_processor.present.times import window_label

from . import svg

MOST_MARKS = 120
"""Upper limit of windows that are drawn one by one with a link each; more windows share as many columns."""

MOST = 1e100
"""Largest value that is drawn; larger values lie at the edge, because differences of the largest floats overflow."""

Point = tuple[float, float]
"""A position: from the left and from the top."""

Box = tuple[float, float, float, float]
"""A rectangle: left, top, width and height."""

Address = Callable[[Evaluation], str]
"""Evaluation → address of its window's page."""

Values = Sequence[float | None]


class Plot(Struct, frozen=True):
    """The area of a chart or of one row of it.

    Attributes:
        left: Position of the left edge.
        right: Position of the right edge.
        top: Position of the top edge.
        bottom: Position of the bottom edge.
        low: The value at the bottom.
        high: The value at the top.
        windows: Windows along the x axis, oldest first; without windows the axis is numbers from 0 to 1.
    """

    left: float
    right: float
    top: float
    bottom: float
    low: float = 0.0
    high: float = 1.0
    windows: Sequence[Evaluation] = ()

    def x(self, value: float) -> float:
        """Return the position of a time, or of a number if the plot has no windows; clipped to the plot."""
        if not self.windows:
            return self.left + (self.right - self.left) * min(max(value, 0.0), 1.0)
        first, last = self.windows[0].window.start, self.windows[-1].window.end
        return self.left + (self.right - self.left) * (value - first) / max(last - first, 1)

    def y(self, value: float) -> float:
        """Return the position of a value, clipped to the plot."""
        inside = max(min(value, MOST, self.high), -MOST, self.low)
        return self.bottom - (self.bottom - self.top) * (inside - self.low) / ((self.high - self.low) or 1.0)

    def at(self, x: float, y: float) -> Point:
        """Return the position of a point."""
        return self.x(x), self.y(y)

    def span(self, evaluation: Evaluation) -> Point:
        """Return the begin and the end of a window on the x axis."""
        return self.x(evaluation.window.start), self.x(evaluation.window.end)

    def middle(self, evaluation: Evaluation) -> float:
        """Return the middle of a window on the x axis."""
        return sum(self.span(evaluation)) / 2

    @property
    def column(self) -> float:
        """Width of a column that windows share; 0 if each window has its own."""
        return (self.right - self.left) / MOST_MARKS if len(self.windows) > MOST_MARKS else 0.0

    def columns(self, windows: Sequence[Evaluation] | None = None) -> list[tuple[range, Point]]:
        """Return the windows that share a column, as indices, with the begin and the end of the column."""
        drawn_windows = self.windows if windows is None else windows
        shared = columns([self.x(evaluation.window.start) for evaluation in drawn_windows], self.column)
        return [
            (places, (self.span(drawn_windows[places[0]])[0], self.span(drawn_windows[places[-1]])[1]))
            for places in shared
        ]

    def points(self, values: Values) -> list[Point | None]:
        """Return the position of each window's value; None if the value is unknown or a window is missing."""
        points: list[Point | None] = []
        end = None
        for evaluation, value in zip(self.windows, values, strict=True):
            if evaluation.window.start != end:
                points.append(None)
            points.append(None if value is None else (self.middle(evaluation), self.y(value)))
            end = evaluation.window.end
        return points

    def grid(self, ticks: Sequence[float], words: Callable[[float], str] | None = number) -> list[Markup]:
        """Draw horizontal lines at round values with labels at the left; ``words=None``: without labels."""
        marks = [self.across(value, "grid") for value in ticks]
        return marks if words is None else marks + self.labels(ticks, words)

    def labels(self, ticks: Iterable[float], words: Callable[[float], str]) -> list[Markup]:
        """Write the labels of values at the left of the plot."""
        return [svg.text(self.left - 5, self.y(value) + 3.5, words(value), "axis", "end") for value in ticks]

    def across(self, value: float, css: str, title: str = "") -> Markup:
        """Draw a horizontal line at a value."""
        return svg.line(self.left, self.y(value), self.right, self.y(value), css, title)

    def chosen(self, evaluation: Evaluation, above: float, below: float, min_width: float = 0.0) -> Markup:
        """Mark the selected window, from ``above`` the plot to ``below`` it."""
        begin, end = self.span(evaluation)
        height = self.bottom - self.top + above + below
        return svg.rect(begin, self.top - above, max(end - begin, min_width), height, "chosen")

    def lines(self, values: Values, css: str) -> list[Markup]:
        """Draw values as lines with gaps at unknown values."""
        return [svg.path(thin_line(run, self.column), css) for run in runs_of(self.points(values))]

    def band(self, lows: Values, highs: Values) -> list[Markup]:
        """Draw intervals: an area over consecutive windows, an upright line for an isolated window."""
        marks: list[Markup] = []
        run: list[tuple[Point, Point]] = []
        for low, high in [*zip(self.points(lows), self.points(highs), strict=True), (None, None)]:
            if low is not None and high is not None:
                run.append((low, high))
                continue
            if len(run) == 1:
                marks.append(svg.line(*run[0][0], *run[0][1], "interval"))
            elif run:
                under, over = thin_band([ends[0] for ends in run], [ends[1] for ends in run], self.column)
                marks.append(svg.path([*under, *reversed(over)], "band", closed=True))
            run = []
        return marks

    def alone(self, values: Values) -> set[float]:
        """Return the x positions of values between two gaps, which no line reaches."""
        points = self.points(values)
        connected = {point for run in runs_of(points) for point in run}
        return {point[0] for point in points if point is not None and point not in connected}

    def links(
        self, chosen: Evaluation | None, address: Address, draw: Callable[[int, Point], tuple[str, list[Markup]]]
    ) -> list[Markup]:
        """Make each window a link. The tab key stops at the selected window, else at the newest.

        Args:
            chosen: The selected window.
            address: Returns the link of a window.
            draw: Index of a window, its begin and end → its tooltip and its marks.
        """
        marks = []
        for place, evaluation in enumerate(self.windows):
            title, parts = draw(place, self.span(evaluation))
            is_chosen = chosen is not None and evaluation.window == chosen.window
            stop = is_chosen or (chosen is None and place == len(self.windows) - 1)
            marks.append(svg.link(address(evaluation), parts, title, stop, is_chosen))
        return marks

    def times(self, y: float, timezone: str) -> list[Markup]:
        """Write the times of the first and the last window."""
        first, last = self.windows[0].window, self.windows[-1].window
        if len(self.windows) == 1:
            return [svg.text((self.left + self.right) / 2, y, window_label(first, timezone), "axis", "middle")]
        ticks = [window_label(window, timezone) for window in (first, last)]
        return [svg.text(self.left, y, ticks[0], "axis"), svg.text(self.right, y, ticks[1], "axis", "end")]


def bars(boxes: Iterable[tuple[str, Box]]) -> list[Markup]:
    """Draw bars, one mark per class, in the order in which classes first occur."""
    by_class: dict[str, list[Box]] = {}
    for css, box in boxes:
        by_class.setdefault(css, []).append(box)
    return [svg.boxes(places, css) for css, places in by_class.items()]


def columns(places: Sequence[float], width: float) -> list[range]:
    """Return the neighbours that share a column, as indices.

    >>> columns([0.0, 1.0, 2.0, 3.5], 2.0)
    [range(0, 2), range(2, 4)]
    """
    if not width:
        return [range(index, index + 1) for index in range(len(places))]
    first = places[0] if places else 0.0
    shared = [
        list(indices) for _, indices in groupby(range(len(places)), lambda index: int((places[index] - first) / width))
    ]
    return [range(indices[0], indices[-1] + 1) for indices in shared]


def thin_line(run: Sequence[Point], width: float) -> list[Point]:
    """Return the lowest and the highest point of each column, in their order.

    >>> thin_line([(0.0, 5.0), (0.5, 9.0), (1.0, 1.0), (1.5, 4.0)], 2.0)
    [(0.5, 9.0), (1.0, 1.0)]
    """
    if not width:
        return list(run)
    points = []
    for shared in columns([x for x, _ in run], width):
        ends = {min(shared, key=lambda index: run[index][1]), max(shared, key=lambda index: run[index][1])}
        points += [run[end] for end in sorted(ends)]
    return points


def thin_band(lows: Sequence[Point], highs: Sequence[Point], width: float) -> tuple[list[Point], list[Point]]:
    """Return the borders of a band with the widest ends per column; a high value has a small y."""
    shared = columns([x for x, _ in lows], width)
    middles = [(lows[places[0]][0] + lows[places[-1]][0]) / 2 for places in shared]
    under = [(x, max(lows[index][1] for index in places)) for x, places in zip(middles, shared, strict=True)]
    over = [(x, min(highs[index][1] for index in places)) for x, places in zip(middles, shared, strict=True)]
    return under, over


def runs_of(points: Sequence[Point | None]) -> list[list[Point]]:
    """Split points into runs of at least two points without a gap."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


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


def levels_from_zero(highest: float) -> list[float]:
    """Return at most five round numbers from 0 to above the largest value.

    >>> levels_from_zero(0.17), levels_from_zero(1.0)
    ([0.0, 0.05, 0.1, 0.15, 0.2], [0.0, 0.25, 0.5, 0.75, 1.0])
    """
    step = round_step(max(highest, 1e-6) / 4)
    return [float(f"{place * step:.12g}") for place in range(math.ceil(highest / step - 1e-9) + 1)]
