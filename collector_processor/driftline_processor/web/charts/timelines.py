"""Charts over windows: traffic, states, performance and estimates of performance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import Window
from driftline_processor.present.estimates import assumption
from driftline_processor.present.numbers import MINUS, compact, count, finite, many, number, percent
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.states import compared, drifted, overall
from driftline_processor.present.times import window_name
from driftline_processor.present.titles import metric_title
from driftline_processor.queries.model_view import ModelView
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
from .plot import MOST_MARKS, Address, Box, Plot, Point, bars, levels, thin_line

GAP = 3
"""Number of missing windows above which the strip, whose bars have equal width, shows a break."""


def strip(evaluations: Sequence[Evaluation], chosen: Evaluation | None, address: Address, timezone: str) -> Markup:
    """Draw the timeline to select a window: a bar per window with its rows as height, filled by its drift.

    The filled part is the fraction of drifted features among the comparable ones. One link is a stop of the tab key;
    arrow keys move to the others.
    """
    most_rows = max(evaluation.rows for evaluation in evaluations) or 1
    step = 1000 / max(len(evaluations), 8)
    offset = (1000 - step * len(evaluations)) / 2  # a few windows are centred
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
    """Return True if more than :data:`GAP` windows are missing between two windows."""
    return after.start - before.end > GAP * (after.end - after.start)


def timeline(shown: Timeline, address: Address | None) -> Markup:
    """Draw all rows of a timeline above one time axis, with deployments and incidents as marks.

    ``address``: returns the link of a window; None = no links, as in a report file.
    """
    left, right, top = 62.0, 792.0, 22.0
    frames: list[Plot] = []
    marks: list[Markup] = []
    for row in shown.rows:
        height = 74.0 if not row.bars else 30.0
        ticks = row_ticks(row)
        frames.append(
            Plot(
                left=left,
                right=right,
                top=top,
                bottom=top + height,
                low=ticks[0],
                high=ticks[-1],
                windows=shown.windows,
            )
        )
        top += height + 20
    bottom = frames[-1].bottom
    chosen = None if shown.chosen is None else shown.windows[shown.chosen]
    plot = Plot(left, right, 10, bottom + 2, windows=shown.windows)
    if chosen is not None and len(shown.windows) > 1:
        marks.append(plot.chosen(chosen, 0, 0, min_width=2))
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
    if address is not None:

        def ground(place: int, ends: Point) -> tuple[str, list[Markup]]:
            return window_tooltip(shown, place), [svg.rect(ends[0], 10, ends[1] - ends[0], bottom - 8, "ground")]

        marks += plot.links(chosen, address, ground)
    marks += plot.times(bottom + 18, shown.timezone)
    names = ", ".join(row.title for row in shown.rows)
    label = f"{names} over {many(len(shown.windows), 'window')}{_with_gaps(shown.gaps)}"
    return svg.picture(800, bottom + 24, marks, label, "over-time", about=said_of_gaps(shown.gaps))


def gap_marks(gaps: Sequence[Gap], frame: Plot, top: float, bottom: float) -> list[Markup]:
    """Hatch the gaps as one mark whose tooltip gives their times."""
    places = [(frame.x(gap.start), top, frame.x(gap.end) - frame.x(gap.start), bottom - top) for gap in gaps]
    return [svg.boxes(places, "gap", said_of_gaps(gaps))] if places else []


def said_of_gaps(gaps: Sequence[Gap]) -> str:
    """Return the times of the longest gaps in chronological order; "" if there are none.

    >>> said_of_gaps([Gap(0, 2, 2, "Mon: 2 windows without predictions")])
    'Mon: 2 windows without predictions'
    """
    # 6: upper limit of gaps in a tooltip, the longest
    longest = sorted(sorted(gaps, key=lambda gap: gap.start - gap.end)[:6], key=lambda gap: gap.start)
    more = [f"{many(len(gaps) - len(longest), 'gap')} more"] if len(gaps) > len(longest) else []
    return "; ".join([*(gap.words for gap in longest), *more])


def _with_gaps(gaps: Sequence[Gap]) -> str:
    return f", with {many(len(gaps), 'gap')}" if gaps else ""


def legend_of(timeline: Timeline) -> list[tuple[str, str]]:
    """Return the legend of a timeline: class and words per mark."""
    rows = timeline.rows
    states = {state for row in rows for state in row.states}
    keys = {
        "line beside-line": next((row.beside_title for row in rows if row.reference and not row.bars), ""),
        "band": "interval" if any(value is not None for row in rows for value in row.low) else "",
        "baseline": "baseline" if any(row.baseline is not None for row in rows) else "",
        "usual": "its interval" if any(row.baseline_ends for row in rows) else "",
        "objective": "objective" if any(row.limits for row in rows) else "",
        "state-drift": "drift" if "drift" in states else "",
        "is-inconclusive": "inconclusive" if states & {"inconclusive", "no_baseline"} else "",
        "is-gap": "no evaluated window" if timeline.gaps else "",
        "coverage": "with outcome" if rows[-1].reference else "",
        "incident": "incident" if any(mark.kind == "incident" for mark in timeline.marks) else "",
    }
    return [(css, words) for css, words in keys.items() if words]


def window_tooltip(timeline: Timeline, place: int) -> str:
    """Return the tooltip of a window: all its values in the timeline."""
    evaluation = timeline.windows[place]
    parts = []
    for row in timeline.rows:
        value = row.values[place]
        words = f"{row.title} {_value_text(row, value)}"
        words += _ends(row, place)
        if row.reference and row.reference[place] is not None:
            words += f", {row.beside_title} {_value_text(row, row.reference[place])}"
        parts.append(words)
    happened = incident_words(evaluation)
    parts += [happened] if happened else []
    parts += [f"gap before it: {gap.words}" for gap in timeline.gaps if gap.end == evaluation.window.start]
    state = "" if evaluation.closed else ", open"
    return f"{window_name(evaluation.window, timeline.timezone)}{state}: {'; '.join(parts)}"


def history(parts: Sequence[HistoryPart]) -> Markup:
    """Draw the full history as a strip with the shown range marked; a browser selects another range on it."""
    first, last = parts[0].start, parts[-1].end
    span, most_rows = max(last - first, 1), max(part.rows for part in parts) or 1
    marks = []
    within = [part for part in parts if part.is_shown]
    if within:
        begin, end = (1000 * (time - first) / span for time in (within[0].start, within[-1].end))
        marks.append(svg.rect(begin, 0, end - begin, 20, "chosen"))
    boxes: list[tuple[str, Box]] = []
    for part in parts:
        x, width = 1000 * (part.start - first) / span, 1000 * (part.end - part.start) / span
        height = max(18 * part.rows / most_rows, 1)
        css = "bar state-drift" if part.share > 0 else "bar state-ok"
        boxes.append((css, (x, 20 - height, max(width * 0.9, 1), height)))
    marks += bars(boxes)
    return svg.picture(1000, 20, marks, "predictions over the whole history, and the range shown", "history", True)


def performance(
    row: TimelineRow, evaluations: Sequence[Evaluation], chosen: Evaluation, address: Address | None, model: ModelView
) -> Markup:
    """Draw one metric over windows: intervals as a band, the baseline with its interval, objectives, and coverage.

    The reference metric (:data:`~driftline_processor.present.titles.BESIDE`) is a second, thinner line. Lines have
    a
    gap if a window is missing or its value unknown. An open window is a hollow dot; a window that is not mature is
    a
    pale dot. ``address``: returns the link of a window; None = no links. More windows than
    :data:`~.plot.MOST_MARKS`
    have no links either, because the strip above the charts has them.
    """
    left, right, top, bottom = 50.0, 352.0, 14.0, 118.0
    ticks = row_ticks(row)
    frame = Plot(left=left, right=right, top=top, bottom=bottom, low=ticks[0], high=ticks[-1], windows=evaluations)
    marks = [frame.chosen(chosen, 8, 24, min_width=2)]
    gaps = gaps_of(evaluations, model)
    marks += gap_marks(gaps, frame, top - 8, bottom + 22)
    marks += _row(row, frame, title=False)
    marks.append(svg.rect(left, bottom + 8, right - left, 14, "coverage none"))
    if address is None or len(evaluations) > MOST_MARKS:
        marks += _plain_windows(row, frame, chosen, model)
        address = None
    radius = 3.0 if len(evaluations) <= 40 else 2.0

    def draw(place: int, ends: Point) -> tuple[str, list[Markup]]:
        evaluation, value, (begin, end) = evaluations[place], row.values[place], ends
        coverage, width = evaluation.coverage or 0.0, end - begin
        known_share = f"outcomes for {percent(evaluation.coverage)} of {many(evaluation.rows, 'row')}"
        state = state_of_window(evaluation, model)
        when = window_name(evaluation.window, model.timezone)
        title = f"{when}: {row.title} {_value_text(row, value)}{_ends(row, place)}, {known_share}"
        if row.reference and row.reference[place] is not None:
            title += f"; {row.beside_title} {_value_text(row, row.reference[place])}"
        title += {"open": "; open", "young": "; not final", "final": ""}[state]
        parts = [svg.rect(begin, top - 8, width, bottom - top + 32, "ground")]
        if coverage:
            height = 14 * min(coverage, 1.0)
            parts.append(svg.rect(begin + width * 0.08, bottom + 22 - height, width * 0.84, height, "coverage"))
        if value is not None:
            css = {"open": "dot open", "young": "dot young", "final": "dot"}[state]
            size = radius + 1.5 if evaluation.window == chosen.window else radius
            parts.append(svg.dot(begin + width / 2, frame.y(value), size, css))
        return title, parts

    marks += [] if address is None else frame.links(chosen, address, draw)
    marks.append(svg.text(left - 5, bottom + 19, "outcomes", "axis", "end"))
    marks += frame.times(bottom + 36, model.timezone)
    values = [value for value in row.values if value is not None]
    newest = _value_text(row, values[-1]) if values else "unknown"
    label = f"{row.title} over time, newest {newest}{_with_gaps(gaps)}"
    return svg.picture(360, 158, marks, label, "chart", about=said_of_gaps(gaps))


def _plain_windows(row: TimelineRow, frame: Plot, chosen: Evaluation, model: ModelView) -> list[Markup]:
    """Draw the dots of a metric and the coverage of its windows, without a mark per window."""
    windows, bottom = frame.windows, frame.bottom
    covered, last = [], frame.left
    for places, (begin, end) in frame.columns():
        coverage = min(*(windows[place].coverage or 0.0 for place in places), 1.0)  # so that a loss is visible
        if begin - last > 0.05:
            covered.append(((last, begin), bottom + 22))
        last = end
        covered.append(((begin, end), bottom + 22 - 14 * coverage))
    points: dict[str, list[Point]] = {"": [], " young": [], " open": []}
    ground = [((frame.right, frame.left), bottom + 22)]
    marks = [Markup(f'<path class="coverage" d="{svg.steps([*covered, *ground])}z"/>')]
    alone_points = frame.alone(row.values) if frame.column else set()
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
    """Return the round numbers of a row's axis: three to six around a line, from 0 up for bars."""
    if row.bars:
        greatest = max([value for value in row.values if value is not None] + ([0.25] if not row.shares else [0.0]))
        if row.name == "traffic":
            greatest = max([value for value in row.values if value is not None], default=0.0)
        return [0.0, 1.0] if row.shares else [0.0, levels([0.0, max(greatest, 1e-9)])[-1]]
    numbers = [*row.values, *row.reference, row.baseline, *(value for _, value in row.limits)]
    # The interval of a window of three rows is wider than all others together: it may exceed the chart.
    within = [value for value in numbers if value is not None]
    ends = [value for value in (*row.low, *row.high, *(row.baseline_ends or ())) if value is not None]
    if within:
        low, high = min(within), max(within)
        room = max(high - low, abs(high) * 0.05)
        within += [min(max(value, low - room), high + room) for value in ends]
    return levels(within)


def _row(row: TimelineRow, frame: Plot, title: bool = True) -> list[Markup]:
    """Draw the axis, the values and the reference values of one row."""
    ticks = row_ticks(row)
    left, right = frame.left, frame.right
    shown_ticks = ticks if not row.bars else [ticks[-1]] if row.name == "traffic" else [ticks[0], ticks[-1]]
    marks = [*frame.grid(ticks, None), *frame.labels(shown_ticks, lambda value: _tick(row, value))]
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
        marks.append(frame.across(row.baseline, "was"))
    for words, limit in row.limits:
        marks.append(frame.across(limit, "objective", words))
        marks.append(svg.text(right, frame.y(limit) - 3, words, "axis objective-words", "end"))
    marks += frame.band(row.low, row.high) if row.low and row.high else []
    marks += frame.lines(row.reference, "line beside") if row.reference else []
    marks += frame.lines(row.values, "line")
    if title:
        dots = len(frame.windows) <= 40
        alone_points = set() if dots else frame.alone(row.values)
        for evaluation, known in zip(frame.windows, row.values, strict=True):
            if known is not None and (dots or not evaluation.closed or frame.middle(evaluation) in alone_points):
                css = "dot" if evaluation.closed else "dot open"
                marks.append(svg.dot(frame.middle(evaluation), frame.y(known), 2.6, css))
    return marks


def _bars(row: TimelineRow, frame: Plot) -> list[Markup]:
    """Draw bars from 0, one mark per class; inconclusive states are hatched."""
    boxes: list[tuple[str, Box]] = []
    inside: list[tuple[str, Box]] = []
    for places, (begin, end) in frame.columns():
        place = max(places, key=lambda index: _weight(row, index))  # the most important window of a column
        evaluation, value = frame.windows[place], row.values[place]
        x, width = begin + (end - begin) * 0.08, max((end - begin) * 0.84, 0.6)
        state = row.states[place] if row.states else ""
        if state in ("inconclusive", "no_baseline"):
            boxes.append(("bar state-inconclusive", (x, frame.bottom - 5, width, 5)))
            continue
        if value is None:
            continue
        height = max(frame.bottom - frame.y(value), 1.0 if value or row.states else 0.0)
        css = f"bar state-{state}" + (" drift-part" if state == "drift" else "") if row.states else "traffic"
        css += "" if evaluation.closed else " pending"
        boxes.append((css, (x, frame.bottom - height, width, height)))
        if part := row.reference[place] if row.reference else None:
            inside.append(("coverage", (x, frame.y(part), width, frame.bottom - frame.y(part))))
    return bars([*boxes, *inside])  # inner marks are drawn above the others


def _weight(row: TimelineRow, place: int) -> tuple[bool, float]:
    """Return the sort key of a bar within its column: drift first, then its height."""
    value = row.values[place]
    return bool(row.states) and row.states[place] == "drift", -1.0 if value is None else value


def _value_text(row: TimelineRow, value: float | None) -> str:
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
    """Write a fraction on an axis in percent with at most four digits.

    >>> whole_or_percent(0.7), whole_or_percent(0.725)
    ('70 %', '72.5 %')
    """
    return f"{100 * share:.4g} %".replace("-", MINUS)


def _ends(row: TimelineRow, place: int) -> str:
    low, high = (ends[place] if ends else None for ends in (row.low, row.high))
    return "" if low is None or high is None else f" ({_value_text(row, low)} to {_value_text(row, high)})"


def estimate(
    metric: str, evaluations: Sequence[Evaluation], chosen: Evaluation, address: Address | None, timezone: str
) -> Markup:
    """Draw an estimated metric over windows: a line in its 95 % interval, its bounds, and the realized values as dots.

    A dot outside the band is a window with a wrong estimate. ``address``: returns the link of a window; None = no
    links, as with more than :data:`~.plot.MOST_MARKS` windows.
    """
    estimates = [evaluation.estimated.get(metric) for evaluation in evaluations]

    def values_of(name: str) -> list[float | None]:
        return [
            None if estimated_metric is None else finite(getattr(estimated_metric, name))
            for estimated_metric in estimates
        ]

    realized = [
        None if (metric_value := evaluation.realized.get(metric)) is None else finite(metric_value.value)
        for evaluation in evaluations
    ]
    values, lows, highs, reference = map(values_of, ("value", "low", "high", "reference"))
    ticks = levels(
        [
            value
            for metric_value in (values, lows, highs, realized, reference)
            for value in metric_value
            if value is not None
        ]
    )
    plot = Plot(left=46.0, right=352.0, top=14.0, bottom=118.0, low=ticks[0], high=ticks[-1], windows=evaluations)
    marks = [*plot.grid(ticks), plot.chosen(chosen, 8, 8)]
    band = []
    for places, (begin, end) in plot.columns():
        low = min((value for place in places if (value := lows[place]) is not None), default=None)
        high = max((value for place in places if (value := highs[place]) is not None), default=None)
        if low is not None and high is not None:
            band.append(("band", (begin, plot.y(high), end - begin, plot.y(low) - plot.y(high))))
    marks += bars(band)
    for ends, css in ((reference, "was"), (values_of("lower_bound"), "bound"), (values_of("upper_bound"), "bound")):
        newest = next((value for value in reversed(ends) if value is not None), None)
        if newest is not None and plot.low <= newest <= plot.high:
            marks.append(plot.across(newest, css))
    marks += plot.lines(values, "line estimated")

    def draw(place: int, ends: Point) -> tuple[str, list[Markup]]:
        evaluation, estimate, truth = evaluations[place], estimates[place], realized[place]
        assumes = "" if estimate is None else f", {assumption(estimate)}"
        when, value = window_name(evaluation.window, timezone), number(values[place])
        title = f"{when}: {metric_title(metric)} estimated {value}{assumes}"
        parts = [svg.rect(ends[0], plot.top - 8, ends[1] - ends[0], plot.bottom - plot.top + 16, "ground")]
        if truth is not None:
            title += f"; realized {number(truth)}"
            parts.append(svg.dot(sum(ends) / 2, plot.y(truth), 3.0, "dot"))
        return title, parts

    if address is None or plot.column:
        known_points = [
            (plot.middle(evaluation), plot.y(truth))
            for evaluation, truth in zip(evaluations, realized, strict=True)
            if truth is not None
        ]
        marks += [svg.dots(thin_line(known_points, plot.column), "dots")] if known_points else []
    else:
        marks += plot.links(chosen, address, draw)
    marks += plot.times(plot.bottom + 20, timezone)
    return svg.picture(360, 142, marks, f"{metric_title(metric)} estimated over time", "chart")
