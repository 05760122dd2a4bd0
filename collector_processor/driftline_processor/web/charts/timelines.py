"""Draw charts over windows of time: traffic, states, performance and estimates of performance.

A gap stays a gap: an unknown value is never drawn as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup
from msgspec import Struct

from driftline_processor.core.evaluation import Estimate, Evaluation
from driftline_processor.core.windows.window import Window
from driftline_processor.present.estimates import assumption
from driftline_processor.present.numbers import MINUS, compact, count, finite, many, number, percent
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.states import compared, drifted, overall
from driftline_processor.present.times import window_label, window_name
from driftline_processor.present.titles import metric_title
from driftline_processor.queries.overview import ModelView
from driftline_processor.web.timeline import (
    Gap,
    HistoryPart,
    Timeline,
    TimelineRow,
    gaps_of,
    incident_words,
    state_of_window,
)

from . import svg
from .thinning import MOST_MARKS, Point, column_width, columns, thin_band, thin_line

MOST = 1e100
"""Greatest value that is drawn; a larger one lies at the edge: differences of the largest floats have no float."""

Address = Callable[[Evaluation], str]
"""Evaluation → the address of its window's page."""


GAP = 3
"""Missing windows from which on the strip, whose bars are of equal width, is marked as broken."""


def strip(evaluations: Sequence[Evaluation], chosen: Evaluation | None, address: Address, timezone: str) -> Markup:
    """Draw the timeline that a window is chosen from: a bar per window, as high as its rows, filled as it drifts.

    The filled part is the share of drifted features among those that could be compared. One link is a stop of the tab
    key, arrow keys go on from there.
    """
    most_rows = max(evaluation.rows for evaluation in evaluations) or 1
    step = 1000 / max(len(evaluations), 8)
    offset = (1000 - step * len(evaluations)) / 2  # a few windows stand in the middle
    marks = []
    for place, evaluation in enumerate(evaluations):
        state = overall(evaluation)
        height = max(40 * evaluation.rows / most_rows, 3)
        words = drift_words(evaluation) if evaluation.closed else "open, " + drift_words(evaluation)
        title = f"{window_name(evaluation.window, timezone)}: {many(evaluation.rows, 'row')}, {words}"
        css = f"bar state-{state}" + ("" if evaluation.closed else " open")
        at = offset + place * step
        left, width = at + step * 0.1, step * 0.8
        is_chosen = chosen is not None and evaluation.window == chosen.window
        bars = [
            svg.rect(at, 0, step, 50, "ground chosen" if is_chosen else "ground"),
            svg.rect(left, 46 - height, width, height, css),
        ]
        if state == "drift":
            part = height * max(drifted(evaluation) / max(compared(evaluation), 1), 0.1)
            bars.append(svg.rect(left, 46 - part, width, part, "bar drift-part"))
        stop = is_chosen or (place == len(evaluations) - 1 and chosen is None)
        if place and _far(evaluations[place - 1].window, evaluation.window):
            marks.append(svg.line(at, 2, at, 48, "break"))
            title += ", after a gap"
        marks.append(svg.link(address(evaluation), bars, title, stop, is_chosen))
    return svg.picture(1000, 50, marks, "windows over time; choose one", "strip", stretch=True)


def _far(before: Window, after: Window) -> bool:
    """Return True where more than :data:`GAP` windows are missing between two."""
    return after.start - before.end > GAP * (after.end - after.start)


class Frame(Struct, frozen=True):
    """Where a row of a chart is drawn: left, right, top and bottom, its windows, and the least and greatest value."""

    left: float
    right: float
    top: float
    bottom: float
    windows: Sequence[Evaluation]
    low: float
    high: float

    def x(self, time: float) -> float:
        """Return where a moment is."""
        first, last = self.windows[0].window.start, self.windows[-1].window.end
        return self.left + (self.right - self.left) * (time - first) / max(last - first, 1)

    def y(self, value: float) -> float:
        """Return where a value is; one beyond the axis lies at its edge."""
        inside = max(min(value, MOST, self.high), -MOST, self.low)
        return self.bottom - (self.bottom - self.top) * (inside - self.low) / (self.high - self.low)

    def middle(self, evaluation: Evaluation) -> float:
        """Return where the middle of a window is."""
        return (self.x(evaluation.window.start) + self.x(evaluation.window.end)) / 2

    @property
    def column(self) -> float:
        """Width of a column that windows share; 0 where each has a place of its own."""
        return column_width(len(self.windows), self.left, self.right)

    def points(self, values: Sequence[float | None]) -> list[tuple[float, float] | None]:
        """Return where to draw the value of each window."""
        return placed(self.windows, values, self.x, self.y)


def timeline(shown: Timeline, address: Address | None) -> Markup:
    """Draw all rows of a timeline above one axis of time, with deployments and incidents as marks.

    ``address``: where a window leads; None = nowhere, as in a file to send.
    """
    left, right, top = 62.0, 792.0, 22.0
    frames: list[Frame] = []
    marks: list[Markup] = []
    for row in shown.rows:
        height = 74.0 if not row.bars else 30.0
        ticks = row_ticks(row)
        frame = Frame(left, right, top, top + height, shown.windows, ticks[0], ticks[-1])
        frames.append(frame)
        top += height + 20
    bottom = frames[-1].bottom
    if shown.chosen is not None and len(shown.windows) > 1:
        window = shown.windows[shown.chosen].window
        x, width = frames[0].x(window.start), frames[0].x(window.end) - frames[0].x(window.start)
        marks.append(svg.rect(x, 10, max(width, 2), bottom - 8, "chosen"))
    marks += gap_marks(shown.gaps, frames[0], 10, bottom)
    for mark in shown.marks:
        x = frames[0].x(mark.time)
        if mark.kind == "deployment":
            marks += [svg.line(x, 12, x, bottom, "deployment", mark.words)]
            side, x_text = ("end", x - 4) if x > right - 120 else ("start", x + 4)
            marks.append(svg.text(x_text, 10, mark.words, "axis deployed", side))
        else:
            width = max(frames[0].x(mark.end) - x, 2)
            marks.append(svg.rect(x, bottom + 2, width, 3, "incident", mark.words))
    for row, frame in zip(shown.rows, frames, strict=True):
        marks += _row(row, frame)
    step = [(frames[0].x(window.window.start), frames[0].x(window.window.end)) for window in shown.windows]
    for place, (evaluation, (begin, end)) in enumerate(zip(shown.windows, step, strict=True)):
        if address is None:
            break
        ground = svg.rect(begin, 10, end - begin, bottom - 8, "ground")
        is_chosen = place == shown.chosen
        stop = is_chosen or (shown.chosen is None and place == len(step) - 1)
        marks.append(svg.link(address(evaluation), [ground], said(shown, place), stop, is_chosen))
    marks += time_ticks(shown.windows, left, right, bottom + 18, shown.timezone)
    names = ", ".join(row.title for row in shown.rows)
    label = f"{names} over {many(len(shown.windows), 'window')}{_with_gaps(shown.gaps)}"
    return svg.picture(800, bottom + 24, marks, label, "over-time", about=said_of_gaps(shown.gaps))


def gap_marks(gaps: Sequence[Gap], frame: Frame, top: float, bottom: float) -> list[Markup]:
    """Draw a hatch where no window has been judged, as one mark that says when."""
    places = [(frame.x(gap.start), top, frame.x(gap.end) - frame.x(gap.start), bottom - top) for gap in gaps]
    return [svg.boxes(places, "gap", said_of_gaps(gaps))] if places else []


def said_of_gaps(gaps: Sequence[Gap]) -> str:
    """Say when the longest gaps are, in their order; "" without any.

    >>> said_of_gaps([Gap(0, 2, 2, "Mon: 2 windows without a prediction")])
    'Mon: 2 windows without a prediction'
    """
    # 6: gaps that a drawing says in words at most, the longest
    longest = sorted(sorted(gaps, key=lambda gap: gap.start - gap.end)[:6], key=lambda gap: gap.start)
    more = [f"{many(len(gaps) - len(longest), 'gap')} more"] if len(gaps) > len(longest) else []
    return "; ".join([*(gap.words for gap in longest), *more])


def _with_gaps(gaps: Sequence[Gap]) -> str:
    return f", with {many(len(gaps), 'gap')}" if gaps else ""


def legend_of(timeline: Timeline) -> list[tuple[str, str]]:
    """Return what a legend has to say of a timeline: class and words of what is drawn."""
    rows = timeline.rows
    states = {state for row in rows for state in row.states}
    keys = {
        "line beside-line": next((row.beside_title for row in rows if row.beside and not row.bars), ""),
        "band": "interval" if any(value is not None for row in rows for value in row.low) else "",
        "baseline": "baseline" if any(row.baseline is not None for row in rows) else "",
        "usual": "its interval" if any(row.baseline_ends for row in rows) else "",
        "objective": "objective" if any(row.limits for row in rows) else "",
        "state-drift": "drift" if "drift" in states else "",
        "is-inconclusive": "inconclusive" if states & {"inconclusive", "no_baseline"} else "",
        "is-gap": "no window judged" if timeline.gaps else "",
        "coverage": "with outcome" if rows[-1].beside else "",
        "incident": "incident" if any(mark.kind == "incident" for mark in timeline.marks) else "",
    }
    return [(css, words) for css, words in keys.items() if words]


def said(timeline: Timeline, place: int) -> str:
    """Say all that a timeline shows of one window."""
    evaluation = timeline.windows[place]
    parts = []
    for row in timeline.rows:
        value = row.values[place]
        words = f"{row.title} {_written(row, value)}"
        words += _ends(row, place)
        if row.beside and row.beside[place] is not None:
            words += f", {row.beside_title} {_written(row, row.beside[place])}"
        parts.append(words)
    happened = incident_words(evaluation)
    parts += [happened] if happened else []
    parts += [f"before it {gap.words}" for gap in timeline.gaps if gap.end == evaluation.window.start]
    state = "" if evaluation.closed else ", open"
    return f"{window_name(evaluation.window, timeline.timezone)}{state}: {'; '.join(parts)}"


def history(parts: Sequence[HistoryPart]) -> Markup:
    """Draw all history as a strip, with the range that is shown marked; a browser chooses another range on it."""
    first, last = parts[0].start, parts[-1].end
    span, most_rows = max(last - first, 1), max(part.rows for part in parts) or 1
    marks = []
    within = [part for part in parts if part.shown]
    if within:
        begin, end = (1000 * (time - first) / span for time in (within[0].start, within[-1].end))
        marks.append(svg.rect(begin, 0, end - begin, 20, "chosen"))
    bars: dict[str, list[tuple[float, float, float, float]]] = {}
    for part in parts:
        x, width = 1000 * (part.start - first) / span, 1000 * (part.end - part.start) / span
        height = max(18 * part.rows / most_rows, 1)
        css = "bar state-drift" if part.share > 0 else "bar state-ok"
        bars.setdefault(css, []).append((x, 20 - height, max(width * 0.9, 1), height))
    marks += [svg.boxes(places, css) for css, places in bars.items()]
    return svg.picture(1000, 20, marks, "predictions over all history, and the range that is shown", "history", True)


def performance(
    row: TimelineRow, evaluations: Sequence[Evaluation], chosen: Evaluation, address: Address | None, model: ModelView
) -> Markup:
    """Draw one metric over windows: its intervals as a band, the baseline and its own interval, objectives, coverage.

    What the metric is read against (:data:`~driftline_processor.present.titles.BESIDE`) is a second, thinner line.
    Lines are broken where a window is missing or its value unknown; an open window is a hollow dot, one whose outcomes
    may still come is a pale dot. ``address``: where a window leads; None = nowhere. More windows than
    :data:`~.thinning.MOST_MARKS` have no link, either: the strip above the charts has them.
    """
    left, right, top, bottom = 50.0, 352.0, 14.0, 118.0
    ticks = row_ticks(row)
    frame = Frame(left, right, top, bottom, evaluations, ticks[0], ticks[-1])
    start, end = chosen.window.start, chosen.window.end
    marks = [svg.rect(frame.x(start), top - 8, max(frame.x(end) - frame.x(start), 2), bottom - top + 32, "chosen")]
    gaps = gaps_of(evaluations, model)
    marks += gap_marks(gaps, frame, top - 8, bottom + 22)
    marks += _row(row, frame, title=False)
    marks.append(svg.rect(left, bottom + 8, right - left, 14, "coverage none"))
    if address is None or len(evaluations) > MOST_MARKS:
        marks += _plain_windows(row, frame, chosen, model)
        address = None
    radius = 3.0 if len(evaluations) <= 40 else 2.0
    for place, evaluation in enumerate(evaluations):
        if address is None:
            break
        value, coverage = row.values[place], evaluation.coverage or 0.0
        begin, width = (
            frame.x(evaluation.window.start),
            frame.x(evaluation.window.end) - frame.x(evaluation.window.start),
        )
        known_share = f"outcomes for {percent(evaluation.coverage)} of {many(evaluation.rows, 'row')}"
        state = state_of_window(evaluation, model)
        when = window_name(evaluation.window, model.timezone)
        title = f"{when}: {row.title} {_written(row, value)}{_ends(row, place)}, {known_share}"
        if row.beside and row.beside[place] is not None:
            title += f"; {row.beside_title} {_written(row, row.beside[place])}"
        title += {"open": "; open", "young": "; not final", "final": ""}[state]
        parts = [
            svg.rect(begin, top - 8, width, bottom - top + 32, "ground"),
        ]
        if coverage:
            height = 14 * min(coverage, 1.0)
            parts.append(svg.rect(begin + width * 0.08, bottom + 22 - height, width * 0.84, height, "coverage"))
        is_chosen = evaluation.window == chosen.window
        if value is not None:
            css = {"open": "dot open", "young": "dot young", "final": "dot"}[state]
            parts.append(svg.dot(begin + width / 2, frame.y(value), radius + 1.5 if is_chosen else radius, css))
        marks.append(svg.link(address(evaluation), parts, title, is_chosen, is_chosen))
    marks.append(svg.text(left - 5, bottom + 19, "outcomes", "axis", "end"))
    marks += time_ticks(evaluations, left, right, bottom + 36, model.timezone)
    values = [value for value in row.values if value is not None]
    newest = _written(row, values[-1]) if values else "unknown"
    label = f"{row.title} over time, newest {newest}{_with_gaps(gaps)}"
    return svg.picture(360, 158, marks, label, "chart", about=said_of_gaps(gaps))


def _plain_windows(row: TimelineRow, frame: Frame, chosen: Evaluation, model: ModelView) -> list[Markup]:
    """Draw the dots of a metric and the coverage of its windows, without a mark for each window."""
    windows, bottom = frame.windows, frame.bottom
    covered, end = [], frame.left
    for column in columns([frame.x(window.window.start) for window in windows], frame.column):
        coverage = min(
            min(windows[position].coverage or 0.0 for position in column), 1.0
        )  # the least: what is lost is to be seen
        begin = frame.x(windows[column[0]].window.start)
        if begin - end > 0.05:
            covered.append(((end, begin), bottom + 22))
        end = frame.x(windows[column[-1]].window.end)
        covered.append(((begin, end), bottom + 22 - 14 * coverage))
    points: dict[str, list[Point]] = {"": [], " young": [], " open": []}
    ground = [((frame.right, frame.left), bottom + 22)]
    marks = [Markup(f'<path class="coverage" d="{svg.steps([*covered, *ground])}z"/>')]
    alone_points = _alone(frame.points(row.values)) if frame.column else set()
    for evaluation, value in zip(windows, row.values, strict=True):
        if value is None:
            continue
        position = (frame.middle(evaluation), frame.y(value))
        state = {"open": " open", "young": " young", "final": ""}[state_of_window(evaluation, model)]
        if evaluation.window == chosen.window:
            marks.append(svg.dot(*position, 3.5, f"dot{state}"))
        elif state or not frame.column or position[0] in alone_points:
            points[state].append(position)
    for state, point in points.items():
        line_points = thin_line(point, frame.column)
        marks += [svg.dots(line_points, "dots")] if line_points else []
        marks += [svg.dots(line_points, "dots hollow")] if line_points and state else []
    return marks


def row_ticks(row: TimelineRow) -> list[float]:
    """Return the round numbers of a row's axis: three to six around a line, from 0 to the greatest bar."""
    if row.bars:
        greatest = max([value for value in row.values if value is not None] + ([0.25] if not row.shares else [0.0]))
        if row.name == "traffic":
            greatest = max([value for value in row.values if value is not None], default=0.0)
        return [0.0, 1.0] if row.shares else [0.0, levels([0.0, max(greatest, 1e-9)])[-1]]
    numbers = [*row.values, *row.beside, row.baseline, *(value for _, value in row.limits)]
    # An interval of a window of three rows is as wide as all others together: it may leave the chart.
    within = [value for value in numbers if value is not None]
    ends = [value for value in (*row.low, *row.high, *(row.baseline_ends or ())) if value is not None]
    if within:
        low, high = min(within), max(within)
        room = max(high - low, abs(high) * 0.05)
        within += [min(max(value, low - room), high + room) for value in ends]
    return levels(within)


def _row(row: TimelineRow, frame: Frame, title: bool = True) -> list[Markup]:
    """Draw the axis, the values and what they are read against of one row."""
    ticks = row_ticks(row)
    left, right = frame.left, frame.right
    marks = [svg.line(left, frame.y(value), right, frame.y(value), "grid") for value in ticks]
    shown_ticks = ticks if not row.bars else [ticks[-1]] if row.name == "traffic" else [ticks[0], ticks[-1]]
    marks += [svg.text(left - 5, frame.y(value) + 3.5, _tick(row, value), "axis", "end") for value in shown_ticks]
    if title:
        note = f", {row.note}" if row.note else ""
        beside_words = f", {row.beside_title}" if row.beside_title else ""
        marks.append(svg.text(left, frame.top - 6, f"{row.title}{beside_words if row.bars else note}", "axis"))
    if row.bars:
        return [*marks, *_bars(row, frame)]
    if row.baseline_ends is not None:
        lowest, highest = (frame.y(value) for value in row.baseline_ends)
        marks.append(svg.rect(left, highest, right - left, max(lowest - highest, 1), "usual"))
    if row.baseline is not None:
        marks.append(svg.line(left, frame.y(row.baseline), right, frame.y(row.baseline), "was"))
    for words, limit in row.limits:
        marks.append(svg.line(left, frame.y(limit), right, frame.y(limit), "objective", words))
        marks.append(svg.text(right, frame.y(limit) - 3, words, "axis objective-words", "end"))
    lows, highs = (frame.points(values) if values else [] for values in (row.low, row.high))
    marks += _band(lows, highs, frame.column)
    if row.beside:
        marks += [_line(run, frame.column, "line beside") for run in stretches(frame.points(row.beside))]
    marks += [_line(run, frame.column, "line") for run in stretches(frame.points(row.values))]
    if title:
        dots = len(frame.windows) <= 40
        alone_points = set() if dots else _alone(frame.points(row.values))
        for evaluation, known in zip(frame.windows, row.values, strict=True):
            if known is not None and (dots or not evaluation.closed or frame.middle(evaluation) in alone_points):
                css = "dot" if evaluation.closed else "dot open"
                marks.append(svg.dot(frame.middle(evaluation), frame.y(known), 2.6, css))
    return marks


def _line(run: Sequence[Point], column: float, css: str) -> Markup:
    return svg.path(thin_line(run, column), css)


def _band(lows: Sequence[Point | None], highs: Sequence[Point | None], column: float) -> list[Markup]:
    """Draw intervals: an area over windows that follow each other, an upright line where a window stands alone."""
    marks: list[Markup] = []
    run: list[tuple[Point, Point]] = []
    for low, high in [*zip(lows, highs, strict=True), (None, None)]:
        if low is not None and high is not None:
            run.append((low, high))
            continue
        if len(run) == 1:
            marks.append(svg.line(*run[0][0], *run[0][1], "interval"))
        elif run:
            under, over = thin_band([ends[0] for ends in run], [ends[1] for ends in run], column)
            marks.append(svg.path([*under, *reversed(over)], "band", closed=True))
        run = []
    return marks


def _bars(row: TimelineRow, frame: Frame) -> list[Markup]:
    """Draw bars from 0, all of one kind as one mark; a hatch where a state cannot be told."""
    bars: dict[str, list[tuple[float, float, float, float]]] = {}
    for column in columns([frame.x(window.window.start) for window in frame.windows], frame.column):
        place = max(column, key=lambda index: _weight(row, index))  # the one of its column that has most to say
        evaluation, value = frame.windows[place], row.values[place]
        begin, end = frame.x(frame.windows[column[0]].window.start), frame.x(frame.windows[column[-1]].window.end)
        x, width = begin + (end - begin) * 0.08, max((end - begin) * 0.84, 0.6)
        state = row.states[place] if row.states else ""
        if state in ("inconclusive", "no_baseline"):
            bars.setdefault("bar state-inconclusive", []).append((x, frame.bottom - 5, width, 5))
            continue
        if value is None:
            continue
        lowest_share = 1.0 if value or row.states else 0.0
        height = max(frame.bottom - frame.y(value), lowest_share)
        css = f"bar state-{state}" + (" drift-part" if state == "drift" else "") if row.states else "traffic"
        css += "" if evaluation.closed else " pending"
        bars.setdefault(css, []).append((x, frame.bottom - height, width, height))
        part = row.beside[place] if row.beside else None
        if part:
            height = frame.bottom - frame.y(part)
            bars.setdefault("coverage", []).append((x, frame.bottom - height, width, height))
    inside = bars.pop("coverage", [])  # stands on the others
    return [svg.boxes(places, css) for css, places in (*bars.items(), ("coverage", inside)) if places]


def _weight(row: TimelineRow, place: int) -> tuple[bool, float]:
    """Return what a bar has to say: drift before anything else, then its height."""
    value = row.values[place]
    return bool(row.states) and row.states[place] == "drift", -1.0 if value is None else value


def _alone(points: Sequence[tuple[float, float] | None]) -> set[float]:
    """Return where values are that no line reaches, as each stands between two gaps."""
    connected_points = {point for run in stretches(points) for point in run}
    return {point[0] for point in points if point is not None and point not in connected_points}


def _written(row: TimelineRow, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return number(value)
    if row.name == "traffic":
        return count(value)
    return percent(value) if row.shares else number(value)


def _tick(row: TimelineRow, value: float) -> str:
    if row.name == "traffic":
        return compact(value)
    return whole_or_percent(value) if row.shares else number(value)


def whole_or_percent(share: float) -> str:
    """Write a share on an axis: in whole percent where that says it.

    >>> whole_or_percent(0.7), whole_or_percent(0.725)
    ('70 %', '72.5 %')
    """
    return f"{100 * share:.4g} %".replace("-", MINUS)


def _ends(row: TimelineRow, place: int) -> str:
    low, high = (ends[place] if ends else None for ends in (row.low, row.high))
    return "" if low is None or high is None else f" ({_written(row, low)} to {_written(row, high)})"


def levels(values: Sequence[float]) -> list[float]:
    """Three to six round numbers around the values; never all one, so that a constant metric is a line in the middle.

    >>> levels([0.4265, 0.6658]), levels([0.4])
    ([0.4, 0.5, 0.6, 0.7], [0.38, 0.4, 0.42])
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    greatest = max(abs(low), abs(high))
    if not 1 / MOST < greatest < MOST:
        return [-1.0, 0.0, 1.0] if greatest < MOST else [-MOST, 0.0, MOST]
    # Below a millionth of the values themselves differences are rounding, and ticks would be one number.
    rough = max(high - low, greatest * 1e-6) / 4 if high > low else greatest / 20
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if last - first < 2:
        first, last = first - 1, last + 1
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]


def placed(
    evaluations: Sequence[Evaluation],
    values: Sequence[float | None],
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> list[tuple[float, float] | None]:
    """Return where to draw each window's value; None where it is unknown, and where a window is missing."""
    points: list[tuple[float, float] | None] = []
    end = None
    for evaluation, value in zip(evaluations, values, strict=True):
        if evaluation.window.start != end:
            points.append(None)
        middle = (x(evaluation.window.start) + x(evaluation.window.end)) / 2
        points.append(None if value is None else (middle, y(value)))
        end = evaluation.window.end
    return points


def stretches(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Split into stretches without a gap, of two points and more."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def time_ticks(evaluations: Sequence[Evaluation], left: float, right: float, y: float, timezone: str) -> list[Markup]:
    """Write when the first and the last window are."""
    first, last = evaluations[0].window, evaluations[-1].window
    if len(evaluations) == 1:
        return [svg.text((left + right) / 2, y, window_label(first, timezone), "axis", "middle")]
    ticks = [window_label(window, timezone) for window in (first, last)]
    return [svg.text(left, y, ticks[0], "axis"), svg.text(right, y, ticks[1], "axis", "end")]


def estimate(
    metric: str, evaluations: Sequence[Evaluation], chosen: Evaluation, address: Address | None, timezone: str
) -> Markup:
    """Draw an estimated metric over windows as a line in a band, its bounds as a line across, the realized as dots.

    The band is the interval of 95 %. A dot outside it is a window that was estimated wrong. ``address``: where a window
    leads; None = nowhere, as where there are more than :data:`~.thinning.MOST_MARKS`.
    """
    left, right, top, bottom = 46.0, 352.0, 14.0, 118.0
    first, last = evaluations[0].window.start, evaluations[-1].window.end
    estimates = [evaluation.estimated.get(metric) for evaluation in evaluations]
    real = [evaluation.realized.get(metric) for evaluation in evaluations]
    realized_values = [None if one is None else finite(one.value) for one in real]
    ends = [_of(estimates, name) for name in ("value", "low", "high", "lower_bound", "upper_bound", "reference")]
    values, low_ends, high_ends, lower, upper, reference = ends
    series = (values, low_ends, high_ends, realized_values, reference)
    scale = levels([value for one in series for value in one if value is not None])
    low, high = scale[0], scale[-1]

    def x(time: float) -> float:
        return left + (right - left) * (time - first) / max(last - first, 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (max(min(value, MOST, high), -MOST, low) - low) / (high - low)

    marks = [svg.line(left, y(value), right, y(value), "grid") for value in scale]
    marks += [svg.text(left - 5, y(value) + 3.5, number(value), "axis", "end") for value in scale]
    start, end = chosen.window.start, chosen.window.end
    marks.append(svg.rect(x(start), top - 8, x(end) - x(start), bottom - top + 16, "chosen"))
    column = column_width(len(evaluations), left, right)
    band = []
    for shared in columns([x(evaluation.window.start) for evaluation in evaluations], column):
        low_end = min((value for place in shared if (value := low_ends[place]) is not None), default=None)
        high_end = max((value for place in shared if (value := high_ends[place]) is not None), default=None)
        if low_end is not None and high_end is not None:
            begun, until = x(evaluations[shared[0]].window.start), x(evaluations[shared[-1]].window.end)
            band.append((begun, y(high_end), until - begun, y(low_end) - y(high_end)))
    marks += [svg.boxes(band, "band")] if band else []
    for across in (reference, lower, upper):
        newest = next((value for value in reversed(across) if value is not None), None)
        if newest is not None and low <= newest <= high:
            marks.append(svg.line(left, y(newest), right, y(newest), "was" if across is reference else "bound"))
    marks += [_line(run, column, "line estimated") for run in stretches(placed(evaluations, values, x, y))]
    if address is None or column:
        known_points = [
            ((x(evaluation.window.start) + x(evaluation.window.end)) / 2, y(truth))
            for evaluation, truth in zip(evaluations, realized_values, strict=True)
            if truth is not None
        ]
        marks += [svg.dots(thin_line(known_points, column), "dots")] if known_points else []
        address = None
    for evaluation, value, truth in zip(evaluations, values, realized_values, strict=True):
        if address is None:
            break
        begin, width = x(evaluation.window.start), x(evaluation.window.end) - x(evaluation.window.start)
        own_estimate = evaluation.estimated.get(metric)
        assumes = "" if own_estimate is None else f", assumes {assumption(own_estimate)}"
        title = f"{window_name(evaluation.window, timezone)}: {metric_title(metric)} estimated {number(value)}{assumes}"
        parts = [svg.rect(begin, top - 8, width, bottom - top + 16, "ground")]
        if truth is not None:
            title += f"; realized {number(truth)}"
            parts.append(svg.dot(begin + width / 2, y(truth), 3.0, "dot"))
        is_chosen = evaluation.window == chosen.window
        marks.append(svg.link(address(evaluation), parts, title, is_chosen, is_chosen))
    marks += time_ticks(evaluations, left, right, bottom + 20, timezone)
    return svg.picture(360, 142, marks, f"{metric_title(metric)} estimated over time", "chart")


def _of(estimates: Sequence[Estimate | None], name: str) -> list[float | None]:
    return [None if metric is None else finite(getattr(metric, name)) for metric in estimates]
