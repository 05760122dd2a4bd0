"""Charts over the windows of a model: traffic, states, performance, estimates of performance, and outcomes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from driftline_processor.core.evaluation import Evaluation, VerdictState
from driftline_processor.core.verdict.states import ORDER
from driftline_processor.present.metrics import metric_title
from driftline_processor.present.numbers import compact, count, many, number, percent
from driftline_processor.present.sections.estimates import assumption
from driftline_processor.present.sentences.verdict import verdict_word
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.times import window_name
from driftline_processor.queries.model_view import ModelView

from . import svg
from .plot import Address, Area, Plot, in_places, levels, over_time, percent_tick, place_of
from .svg import Box
from .timeline_rows import (
    Gap,
    HistoryPart,
    Timeline,
    TimelineRow,
    gaps_of,
    incident_words,
    numbers_of,
    state_of_window,
)

GAP = 3
"""Number of missing windows above which the strip, whose bars have equal width, shows a break."""

_GAP = (0.08, 0.08)
_UNKNOWN = ("inconclusive", "no_baseline")
AT_ENDS = "the model at the end of each window"
"""Title of :func:`legend_of_states`: a fault that begins within a window is known at the end of a later one."""

_DOTS = {"final": ("dot", ""), "young": ("dot young", "; not final"), "open": ("dot open", "; open")}
"""State of a window's performance → class of its dot, and its words in a tooltip."""


def strip(
    evaluations: Sequence[Evaluation],
    states: Sequence[VerdictState],
    chosen: Evaluation | None,
    address: Address,
    timezone: str,
) -> Markup:
    """Draw the timeline to select a window: a bar per window with its rows as height and the colour of the state.

    ``states``: the state of the model as of the end of each window.

    One link is a stop of the tab key; arrow keys move to the others.
    """
    most = max(evaluation.rows for evaluation in evaluations) or 1
    plot = in_places(len(evaluations), Area(0, 1000, 6, 46), (0, most), free=0.5)  # a few windows are centred
    windows = [evaluation.window for evaluation in evaluations]
    is_far = [b.start - a.end > GAP * (b.end - b.start) for a, b in pairwise(windows)]
    place = place_of(chosen, evaluations)
    plot.select(place, 6, 4)
    titles = []
    for evaluation, state, span, far in zip(evaluations, states, plot.spans, [False, *is_far], strict=True):
        rows = max(evaluation.rows, 0.075 * most)
        plot.marks.append(svg.rect(plot.box(span, rows, gap=(0.1, 0.1)), f"bar verdict-{state}{_open(evaluation)}"))
        if far:
            plot.upright(span[0], "break", above=4, below=2)
        told = f"{verdict_word(state)} at its end" if evaluation.closed else f"open, {verdict_word(state)} now"
        words = f"{told}, {drift_words(evaluation)}{', after a gap' if far else ''}"
        titles.append(f"{window_name(evaluation.window, timezone)}: {many(evaluation.rows, 'row')}, {words}")
    plot.links(titles, map(address, evaluations), chosen=place, above=6, below=4)
    return plot.picture(1000, 50, "windows over time; choose one", "strip", stretch=True)


def legend_of_states(evaluations: Sequence[Evaluation], states: Sequence[VerdictState]) -> list[tuple[str, str]]:
    """Return the legend of :func:`strip`: class and words of the states that occur."""
    closed = {state for evaluation, state in zip(evaluations, states, strict=True) if evaluation.closed}
    found = [(f"verdict-{state}", verdict_word(state)) for state in ORDER if state in closed]
    return found + [("open", "open")] * any(not evaluation.closed for evaluation in evaluations)


def timeline(shown: Timeline, address: Address | None) -> Markup:
    """Draw all rows of a timeline above one time axis, with deployments and incidents as marks.

    ``address``: returns the link of a window; None = no links, as in a report file.
    """
    left, right, top = 62.0, 792.0, 22.0
    marks: list[Markup] = []
    rows: list[Plot] = []
    for row in shown.rows:
        bottom = top + (26 if row.bars else 98 if row is shown.rows[0] else 74)
        rows.append(over_time(shown.windows, Area(left, right, top, bottom), row_ticks(row), marks))
        top = bottom + 20
    plot = over_time(shown.windows, Area(left, right, 10, bottom + 2), marks=marks)
    plot.select(shown.chosen if len(shown.windows) > 1 else None, least=2)
    _hatch_gaps(plot, shown.gaps, below=-2)
    for mark in shown.marks:
        x, end = plot.x(mark.time), plot.x(mark.end)
        if mark.kind == "incident":
            marks.append(svg.rect((x, bottom + 2, max(end - x, 2), 3), "incident", mark.words))
            continue
        plot.upright(x, "deployment", mark.words, -2, -2)
        anchor, shift = ("end", -4) if x > right - 120 else ("start", 4)
        marks.append(svg.text((x + shift, 10), mark.words, "axis deployed", anchor))
    for row, frame in zip(shown.rows, rows, strict=True):
        beside = f", {row.beside_title}" if row.beside_title else ""
        words = beside if row.bars else f", {row.note}" if row.note else ""
        _draw_axis(row, frame)
        marks.append(svg.text((left, frame.area.top - 6), row.title + words))
        if row.bars:
            _draw_bars(row, frame, shown.windows)
        else:
            _draw_lines(row, frame)
            _draw_dots(row, frame, shown.windows)
    if address is not None:
        titles = [window_tooltip(shown, place) for place in range(len(shown.windows))]
        plot.links(titles, map(address, shown.windows), chosen=shown.chosen)
    plot.times(bottom + 18, shown.windows, shown.timezone)
    label = f"{', '.join(row.title for row in shown.rows)} over {many(len(shown.windows), 'window')}"
    return _picture_with_gaps(plot, (800, bottom + 24), label, "over-time", shown.gaps)


def history(parts: Sequence[HistoryPart]) -> Markup:
    """Draw the full history as a strip with the shown range marked; a browser selects another range on it."""
    most = max(part.rows for part in parts) or 1
    plot = Plot(Area(0, 1000, 2, 20), (0, most), start=parts[0].start, end=parts[-1].end)
    plot.spans = [(plot.x(part.start), plot.x(part.end)) for part in parts]
    if shown := [span for part, span in zip(parts, plot.spans, strict=True) if part.is_shown]:
        plot.marks.append(svg.rect(plot.full((shown[0][0], shown[-1][1]), above=2), "chosen"))
    plot.columns_at = len(parts)
    classes = [f"bar verdict-{part.state}" for part in parts]
    plot.bars([part.rows for part in parts], classes, gap=(0, 0.1), least=(1, 1))
    return plot.picture(1000, 20, "predictions over the whole history, and the range shown", "history", stretch=True)


def performance(
    row: TimelineRow, evaluations: Sequence[Evaluation], chosen: Evaluation, address: Address | None, model: ModelView
) -> Markup:
    """Draw one metric over windows: intervals as a band, the baseline with its interval, objectives, and coverage.

    The reference metric (:data:`~driftline_processor.present.metrics.BESIDE`) is a second, thinner line. Lines have a
    gap if a window is missing or its value unknown. An open window is a hollow dot; a window that is not mature is a
    pale dot. ``address``: returns the link of a window; None = no links. More windows than :data:`~.plot.MOST_MARKS`
    have no links either, because the strip above the charts has them.
    """
    plot = over_time(evaluations, Area(50.0, 352.0, 14.0, 118.0), row_ticks(row))
    coverage = over_time(evaluations, plot.area._replace(top=126.0, bottom=140.0), marks=plot.marks)
    place, gaps = place_of(chosen, evaluations), gaps_of(evaluations, model)
    states = [state_of_window(evaluation, model) for evaluation in evaluations]
    plot.select(place, 8, 24, least=2)
    _hatch_gaps(plot, gaps, 8, 22)
    _draw_axis(row, plot)
    _draw_lines(row, plot)
    plot.marks.append(svg.rect(coverage.full(plot.area[:2]), "coverage none"))
    address = None if plot.column else address
    if address is not None:
        coverage.bars([evaluation.coverage or None for evaluation in evaluations], "coverage", _GAP)
    else:
        for run in coverage.runs(True for _ in evaluations):  # the smallest of a column, so that a loss is visible
            covered = coverage.shared([one.coverage or 0.0 for one in evaluations], min, run)
            coverage.step_area(covered, [((covered[0][0][0], covered[-1][0][1]), 0.0)], "coverage")
    isolated = plot.isolated(row.values) if plot.column else range(len(evaluations))
    radius = 3.0 if len(evaluations) <= 40 else 2.0
    for state, (css, _) in _DOTS.items():
        of_state = [at for at, name in enumerate(states) if name == state and at != place]
        visible = [at for at in of_state if state != "final" or at in isolated]
        if address is not None:
            plot.circles(row.values, radius, css, visible)
        else:
            plot.dots(row.values, visible, classes=["dots"] if state == "final" else ["dots", "dots hollow"])
    if place is not None:
        plot.circles(row.values, 3.5 if address is None else radius + 1.5, _DOTS[states[place]][0], [place])
    if address is not None:
        plot.links(
            (_performance_tooltip(row, at, one, model) for at, one in enumerate(evaluations)),
            map(address, evaluations),
            chosen=place,
            above=8,
            below=24,
        )
    plot.marks.append(svg.text((plot.area.left - 5, plot.area.bottom + 19), "outcomes", anchor="end"))
    plot.times(plot.area.bottom + 36, evaluations, model.timezone)
    newest = next((_value_text(row, value) for value in reversed(row.values) if value is not None), "unknown")
    return _picture_with_gaps(plot, (360, 158), f"{row.title} over time, newest {newest}", "chart", gaps)


def estimate(
    metric: str, evaluations: Sequence[Evaluation], chosen: Evaluation, address: Address | None, timezone: str
) -> Markup:
    """Draw an estimated metric over windows: a line in its 95 % interval, its bounds, and the realized values as dots.

    A dot outside the band is a window with a wrong estimate. ``address``: returns the link of a window; None = no
    links, as with more than :data:`~.plot.MOST_MARKS` windows.
    """
    estimates = [evaluation.estimated.get(metric) for evaluation in evaluations]
    names = ("value", "low", "high", "reference", "lower_bound", "upper_bound")
    values, lows, highs, reference, *bounds = numbers_of(estimates, *names)
    (realized,) = numbers_of([evaluation.realized.get(metric) for evaluation in evaluations], "value")
    drawn = [value for series in (values, lows, highs, realized, reference) for value in series if value is not None]
    plot = over_time(evaluations, Area(46.0, 352.0, 14.0, 118.0), levels(drawn))
    place = place_of(chosen, evaluations)
    plot.grid()
    plot.select(place, 8, 8)
    lowest = dict(plot.shared(lows, min))
    plot.boxes(("band", plot.box(span, high, lowest[span])) for span, high in plot.shared(highs) if span in lowest)
    for ends, css in ((reference, "was"), *((ends, "bound") for ends in bounds)):
        newest = next((value for value in reversed(ends) if value is not None), None)
        if newest is not None and plot.ticks[0] <= newest <= plot.ticks[-1]:
            plot.level(newest, css)
    plot.line(values, "line estimated")
    if address is None or plot.column:
        plot.dots(realized)
    else:
        plot.circles(realized, 3.0, "dot")
        titles = []
        for evaluation, one, value, truth in zip(evaluations, estimates, values, realized, strict=True):
            words = f"{metric_title(metric)} estimated {number(value)}"
            words += "" if one is None else f", {assumption(one)}"
            words += "" if truth is None else f"; realized {number(truth)}"
            titles.append(f"{window_name(evaluation.window, timezone)}: {words}")
        plot.links(titles, map(address, evaluations), chosen=place, above=8, below=8)
    plot.times(plot.area.bottom + 20, evaluations, timezone)
    return plot.picture(360, 142, f"{metric_title(metric)} estimated over time")


def outcome_coverage(evaluations: Sequence[Evaluation], chosen: Evaluation | None, timezone: str) -> Markup | None:
    """Draw the fraction of predictions with a known outcome as a bar per window; None if no outcome is known.

    A dashed line is the fraction that the label SLA requires. Each window has a tooltip with its fraction if there are
    at most :data:`~.plot.MOST_MARKS` windows.
    """
    if not any(evaluation.outcome_rows for evaluation in evaluations):
        return None
    plot = in_places(len(evaluations), Area(40.0, 720.0, 10.0, 122.0), (0.0, 0.5, 1.0))
    plot.grid(percent_tick)
    plot.select(place_of(chosen, evaluations), 4, 4)
    gap = _GAP if len(evaluations) <= 200 else (0.0, 0.0)
    classes = [f"coverage{_open(evaluation)}" for evaluation in evaluations]
    plot.bars([one.coverage or 0.0 for one in evaluations], classes, gap, of=min)  # so that a loss is visible
    if not plot.column:
        plot.links(
            f"{window_name(one.window, timezone)}: outcomes of {percent(one.coverage)} of "
            + many(one.rows, "prediction")
            for one in evaluations
        )
    plot.level(next((one.label_sla.coverage for one in reversed(evaluations) if one.label_sla), None), "was")
    plot.times(142, evaluations, timezone)
    return plot.picture(720, 150, "fraction of predictions with an outcome, by window", "chart coverages")


def gap_words(gaps: Sequence[Gap]) -> str:
    """Return the times of the longest gaps in chronological order; "" if there are none.

    >>> gap_words([Gap(0, 2, 2, "Mon: 2 windows without predictions")])
    'Mon: 2 windows without predictions'
    """
    # 6: upper limit of gaps in a tooltip, the longest
    longest = sorted(sorted(gaps, key=lambda gap: gap.start - gap.end)[:6], key=lambda gap: gap.start)
    more = [f"{many(len(gaps) - len(longest), 'gap')} more"] if len(gaps) > len(longest) else []
    return "; ".join([*(gap.words for gap in longest), *more])


def legend_of(timeline: Timeline) -> list[tuple[str, str]]:
    """Return the legend of a timeline: class and words per mark."""
    rows = timeline.rows
    states = {state for row in rows for state in row.states}
    keys = {
        "line": next((row.title for row in rows if not row.bars), ""),
        "line beside-line": next((row.beside_title for row in rows if row.reference and not row.bars), ""),
        "band": "interval" if any(end is not None for row in rows for end in row.low) else "",
        "baseline": "baseline" if any(row.baseline is not None for row in rows) else "",
        "usual": "its interval" if any(row.baseline_ends for row in rows) else "",
        "objective": "objective" if any(row.limits for row in rows) else "",
        "state-drift": "drift" if "drift" in states else "",
        "is-inconclusive": "inconclusive" if states & {*_UNKNOWN} else "",
        "is-gap": "no evaluated window" if timeline.gaps else "",
        "coverage": "with outcome" if rows[-1].reference else "",
        "incident": "incident" if any(mark.kind == "incident" for mark in timeline.marks) else "",
    }
    return [(css, words) for css, words in keys.items() if words]


def legend_of_metrics(
    rows: Sequence[TimelineRow], windows: Sequence[Evaluation], model: ModelView
) -> list[tuple[str, str]]:
    """Return the legend of charts of metrics: class and words of what is drawn in any of them."""
    keys = {
        "line": "final" if any(value is not None for row in rows for value in row.values) else "",
        "band": "interval" if any(end is not None for row in rows for end in row.low) else "",
        "open": "open, or not final" if any(state_of_window(one, model) != "final" for one in windows) else "",
        "line beside": next((row.beside_title for row in rows if row.reference), ""),
        "baseline": "baseline" if any(row.baseline is not None for row in rows) else "",
        "usual": "interval of the baseline" if any(row.baseline_ends for row in rows) else "",
        "objective": "objective" if any(row.limits for row in rows) else "",
        "coverage": "coverage" if any(one.outcome_rows for one in windows) else "",
        "is-gap": "no evaluated window" if gaps_of(windows, model) else "",
    }
    return [(css, words) for css, words in keys.items() if words]


def window_tooltip(timeline: Timeline, place: int) -> str:
    """Return the tooltip of a window: all its values in the timeline."""
    evaluation = timeline.windows[place]
    parts = [_reading(row, place) + _reference_text(row, place, ", ") for row in timeline.rows]
    parts += [words] if (words := incident_words(evaluation)) else []
    parts += [f"gap before it: {gap.words}" for gap in timeline.gaps if gap.end == evaluation.window.start]
    state = "" if evaluation.closed else ", open"
    return f"{window_name(evaluation.window, timeline.timezone)}{state}: {'; '.join(parts)}"


def row_ticks(row: TimelineRow) -> list[float]:
    """Return the round numbers of a row's axis: three to six around a line, from 0 up for bars."""
    if row.bars:
        if row.shares:
            return [0.0, 1.0]
        greatest = max((value for value in row.values if value is not None), default=0.0)
        return [0.0, levels([0.0, max(greatest, 1e-9 if row.name == "traffic" else 0.25)])[-1]]
    numbers = [*row.values, *row.reference, row.baseline, *(value for _, value in row.limits)]
    # The interval of a window of three rows is wider than all others together: it may exceed the chart.
    within = [value for value in numbers if value is not None]
    ends = [value for value in (*row.low, *row.high, *(row.baseline_ends or ())) if value is not None]
    if within:
        low, high = min(within), max(within)
        room = max(high - low, abs(high) * 0.05)
        within += [min(max(value, low - room), high + room) for value in ends]
    return levels(within)


def _performance_tooltip(row: TimelineRow, place: int, evaluation: Evaluation, model: ModelView) -> str:
    outcomes = f"outcomes for {percent(evaluation.coverage)} of {many(evaluation.rows, 'row')}"
    words = _DOTS[state_of_window(evaluation, model)][1]
    when = window_name(evaluation.window, model.timezone)
    return f"{when}: {_reading(row, place)}, {outcomes}{_reference_text(row, place, '; ')}{words}"


def _draw_axis(row: TimelineRow, plot: Plot) -> None:
    words = compact if row.name == "traffic" else percent_tick if row.shares else number
    labelled = [0, -1] if row.bars else range(len(plot.ticks))
    plot.grid(words, [plot.ticks[at] for at in ([-1] if row.name == "traffic" else labelled)])


def _draw_lines(row: TimelineRow, plot: Plot) -> None:
    """Draw the values of a row with their intervals, its reference values, its baseline and its objectives."""
    if row.baseline_ends:
        plot.stripe(*row.baseline_ends, "usual", 1)
    plot.level(row.baseline, "was")
    for words, limit in row.limits:
        plot.level(limit, "objective", words)
        plot.marks.append(svg.text((plot.area.right, plot.y(limit) - 3), words, "axis objective-words", "end"))
    if row.low and row.high:
        plot.band(row.low, row.high)
    plot.line(row.reference, "line beside")
    plot.line(row.values)


def _draw_dots(row: TimelineRow, plot: Plot, windows: Sequence[Evaluation]) -> None:
    """Draw a dot per window; if there are many, only for open windows and values between two gaps."""
    isolated = range(len(windows)) if len(windows) <= 40 else plot.isolated(row.values)
    for at, evaluation in enumerate(windows):
        if at in isolated or not evaluation.closed:
            plot.circles(row.values, 2.6, f"dot{_open(evaluation)}", [at])


def _draw_bars(row: TimelineRow, plot: Plot, windows: Sequence[Evaluation]) -> None:
    """Draw bars from 0; inconclusive states are hatched. A column shows its drift, else its largest value."""
    bars: list[tuple[str, Box]] = []
    inside: list[tuple[str, Box]] = []  # drawn above the others
    states = row.states or [""] * len(windows)
    for places, span in plot.columns():
        place = max(places, key=lambda at: (states[at] == "drift", -1.0 if (size := row.values[at]) is None else size))
        value, state = row.values[place], states[place]
        if state in _UNKNOWN:
            bars.append(("bar state-inconclusive", plot.box(span, 0, gap=_GAP, least=(0.6, 5))))
        elif value is not None and (value or row.states):
            css = f"bar state-{state}" + (" drift-part" if state == "drift" else "") if row.states else "traffic"
            css += "" if windows[place].closed else " pending"
            bars.append((css, plot.box(span, value, gap=_GAP, least=(0.6, 1))))
            if part := row.reference[place] if row.reference else None:
                inside.append(("coverage", plot.box(span, part, gap=_GAP, least=(0.6, 0))))
    plot.boxes([*bars, *inside])


def _hatch_gaps(plot: Plot, gaps: Sequence[Gap], above: float = 0.0, below: float = 0.0) -> None:
    """Hatch the gaps as one mark whose tooltip gives their times."""
    plot.hatch([(plot.x(gap.start), plot.x(gap.end)) for gap in gaps], gap_words(gaps), above, below)


def _picture_with_gaps(plot: Plot, size: tuple[float, float], label: str, css: str, gaps: Sequence[Gap]) -> Markup:
    label += f", with {many(len(gaps), 'gap')}" if gaps else ""
    return plot.picture(*size, label, css, about=gap_words(gaps))


def _open(evaluation: Evaluation) -> str:
    return "" if evaluation.closed else " open"


def _reading(row: TimelineRow, place: int) -> str:
    """Return the title of a row and its value in a window with its interval."""
    low, high = (ends[place] if ends else None for ends in (row.low, row.high))
    interval = "" if low is None or high is None else f" ({_value_text(row, low)} to {_value_text(row, high)})"
    return f"{row.title} {_value_text(row, row.values[place])}{interval}"


def _reference_text(row: TimelineRow, place: int, separator: str) -> str:
    value = row.reference[place] if row.reference else None
    return "" if value is None else f"{separator}{row.beside_title} {_value_text(row, value)}"


def _value_text(row: TimelineRow, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return number(value)
    return count(value) if row.name == "traffic" else percent(value) if row.shares else number(value)
