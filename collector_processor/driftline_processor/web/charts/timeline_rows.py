"""A model over time: the rows of one chart, for the drawing and for the data of the zoomable chart in the browser.

Rows share one time axis: performance, drift of the score, drifted inputs, traffic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from msgspec import Struct, field

from driftline_processor.core.business import BusinessSeries
from driftline_processor.core.evaluation import Evaluation, MetricValue, State, VerdictState
from driftline_processor.core.verdict.states import rank_state
from driftline_processor.core.windows.window import Window
from driftline_processor.governance.decisions import ANNOTATIONS, Decision
from driftline_processor.present.metrics import BESIDE, direction_words, in_shares, metric_names, metric_title
from driftline_processor.present.numbers import finite, many
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import short
from driftline_processor.queries.interruptions import InterruptionKind
from driftline_processor.queries.model_view import ENOUGH_OUTCOMES, ModelView

from .plot import merged, place_of

DIGITS = 4
"""Significant digits of a value in a chart: more than there are pixels."""

COARSE = 240
"""Upper limit of marks of the full history below the timeline; with more windows, several share one mark."""

MOST_MARKS = 12
"""Upper limit of deployments on a timeline, the newest: more names would overlap."""

Values = list[float | None]


class TimelineRow(Struct, frozen=True):
    """One row of a timeline: a value per window.

    Attributes:
        name: Id of its element.
        title: Its title.
        note: How to read it.
        values: Value per window; None if unknown.
        shares: Values are fractions, shown as percentages.
        bars: Drawn as bars from 0, not as a line.
        low: Lower ends of the intervals.
        high: Upper ends of the intervals.
        reference: Reference values.
        beside_title: Title of the reference values.
        baseline: The baseline's value.
        baseline_ends: The ends of its interval.
        limits: Objectives: words and value.
        states: Drift state per window, for the colour; () if there is none.
    """

    name: str
    title: str
    note: str
    values: Values
    shares: bool = False
    bars: bool = False
    low: Values = field(default_factory=list)
    high: Values = field(default_factory=list)
    reference: Values = field(default_factory=list)
    beside_title: str = ""
    baseline: float | None = None
    baseline_ends: tuple[float, float] | None = None
    limits: tuple[tuple[str, float], ...] = ()
    states: Sequence[str] = ()


class Mark(Struct, frozen=True):
    """An event: a deployment, a person's note, or an incident; times in unix nanoseconds."""

    time: int
    end: int
    words: str
    kind: Literal["deployment", "note", "incident"]


class Gap(Struct, frozen=True):
    """A period between two windows without an evaluated window.

    Attributes:
        start: End of the window before it, unix nanoseconds.
        end: Begin of the window after it.
        windows: Number of missing windows, of the length of the window before it.
        words: Time, length, and cause.
    """

    start: int
    end: int
    windows: int
    words: str


class Timeline(Struct, frozen=True):
    """The content of a timeline.

    Attributes:
        windows: The windows of the range, oldest first.
        chosen: Index of the selected window; None if it is not among them.
        rows: The rows.
        marks: Deployments and incidents in the range.
        timezone: Time zone of the model.
        gaps: Missing windows in the range.
    """

    windows: Sequence[Evaluation]
    chosen: int | None
    rows: tuple[TimelineRow, ...]
    marks: tuple[Mark, ...]
    timezone: str
    gaps: tuple[Gap, ...] = ()


def timeline_of(
    windows: Sequence[Evaluation],
    chosen: Evaluation | None,
    metric: str,
    reference: MetricValue | None,
    model: ModelView,
    same: Sequence[ModelView] = (),
    annotations: Sequence[Decision] = (),
) -> Timeline:
    """Return the timeline of a model.

    Args:
        windows: The windows shown, oldest first.
        chosen: The selected window.
        metric: Primary metric of the model; "" if unknown.
        reference: Its value in the baseline.
        model: The version shown.
        same: All versions of the model: the first prediction of each is a deployment.
        annotations: Notes and deployments of people.
    """
    rows = [performance_row(metric, windows, reference)] if metric else []
    rows += [row for row in (_score_row(windows), _inputs_row(windows)) if row is not None]
    rows += [row for series in model.business if (row := _business_row(series, windows)) is not None]
    marks: tuple[Mark, ...] = ()
    if windows:
        noted = _annotations(windows, annotations)
        marks = (*_deployments(windows, model, same), *noted, *_incidents(windows), *_interruptions(windows, model))
    place, gaps = place_of(chosen, windows), gaps_of(windows, model)
    return Timeline(windows, place, (*rows, _traffic_row(windows)), marks, model.timezone, gaps)


def gaps_of(windows: Sequence[Evaluation], model: ModelView) -> tuple[Gap, ...]:
    """Return the gaps between evaluated windows: windows without a prediction or not evaluated yet."""
    why = "not evaluated yet, or without predictions" if model.pending_windows else "without predictions"
    gaps = []
    for before, after in pairwise(window.window for window in windows):
        missing = after.start - before.end
        if missing > 0:
            lacking = max(round(missing / max(before.end - before.start, 1)), 1)
            when = window_name(Window("", before.end, after.start), model.timezone)
            gaps.append(Gap(before.end, after.start, lacking, f"{when}: {many(lacking, 'window')} {why}"))
    return tuple(gaps)


def measured_in(evaluation: Evaluation, slice_name: str = "") -> dict[str, MetricValue]:
    """Return the performance of a window by metric: of all rows, or of a slice."""
    if not slice_name:
        return evaluation.realized
    performance = evaluation.performance_slices.get(slice_name)
    return {} if performance is None else performance.metrics


def performance_row(
    metric: str, windows: Sequence[Evaluation], reference: MetricValue | None, slice_name: str = ""
) -> TimelineRow:
    """Return a metric over windows with its reference values.

    Args:
        metric: Name of the metric.
        windows: Oldest first.
        reference: Its value in the baseline.
        slice_name: The slice, whose reference is all rows; "" = all rows.
    """
    known = [_drawn(measured_in(window, slice_name).get(metric), window) for window in windows]
    values, low, high = numbers_of(known, "value", "low", "high")
    beside = metric if slice_name else BESIDE.get(metric, "")
    (compared,) = numbers_of([_drawn(window.realized.get(beside), window) for window in windows], "value")
    (baseline,), (base_low,), (base_high,) = numbers_of([None if slice_name else reference], "value", "low", "high")
    title = "all rows" if slice_name else metric_title(beside)
    return TimelineRow(
        name=metric,
        title=metric_title(metric),
        note=direction_words(metric),
        shares=in_shares(metric) and all(0 <= value <= 1 for value in values if value is not None),
        values=values,
        low=low,
        high=high,
        reference=compared if _any(compared) else [],
        beside_title=title if _any(compared) else "",
        baseline=baseline,
        baseline_ends=None if base_low is None or base_high is None else (base_low, base_high),
        limits=() if slice_name else limits_of(metric, windows, reference),
    )


def _drawn(value: MetricValue | None, window: Evaluation) -> MetricValue | None:
    """Return a value that a line may lead to; None if most outcomes are awaited and those that came are few.

    A handful of outcomes at the end of a line looks like a recovery, or a fall. The table of windows has the value.
    """
    is_final = window.closed and not window.young
    return value if value is None or is_final or value.rows >= ENOUGH_OUTCOMES else None


def limits_of(
    metric: str, windows: Sequence[Evaluation], reference: MetricValue | None
) -> tuple[tuple[str, float], ...]:
    """Return the objectives of a metric over all rows in the newest window: words and value.

    An objective relative to the baseline is included if the baseline's value is known.
    """
    newest = next((window for window in reversed(windows) if window.objectives), None)
    limits: dict[str, float] = {}
    for objective in () if newest is None else newest.objectives:
        if objective.metric != metric or objective.slice or objective.limit is None:
            continue
        (base,) = (0.0,) if "baseline" not in objective.rule else numbers_of([reference], "value")[0]
        if base is not None and math.isfinite(base + objective.limit):
            limits[short(objective.rule, 40)] = base + objective.limit
    return tuple(limits.items())


def timeline_data(timeline: Timeline) -> dict[str, Any]:
    """Return the browser's data of a timeline: plain lists, numbers with :data:`DIGITS` digits, unix seconds."""
    return {
        "zone": timeline.timezone,
        "chosen": timeline.chosen,
        "starts": [window.window.start // 10**9 for window in timeline.windows],
        "ends": [window.window.end // 10**9 for window in timeline.windows],
        "open": [index for index, window in enumerate(timeline.windows) if not window.closed],
        "gaps": [[gap.start // 10**9, gap.end // 10**9, gap.words] for gap in timeline.gaps],
        "rows": [_row_data(row) for row in timeline.rows],
        "marks": [
            {"start": mark.time // 10**9, "end": mark.end // 10**9, "words": mark.words, "kind": mark.kind}
            for mark in timeline.marks
        ],
    }


def _row_data(row: TimelineRow) -> dict[str, Any]:
    data = {
        "title": row.title if row.bars or not row.beside_title else f"{row.title}, {row.beside_title}",
        "shares": row.shares,
        "bars": row.bars,
        "values": _rounded(row.values),
        "low": _rounded(row.low) if _any(row.low) else [],
        "high": _rounded(row.high) if _any(row.low) else [],
        "beside": _rounded(row.reference),
        "baseline": _round(row.baseline),
        "ends": _rounded(row.baseline_ends or ()),
        "limits": [[words, _round(value)] for words, value in row.limits],
        "states": [*row.states],
    }
    return {key: value for key, value in data.items() if value not in (None, [])}


class HistoryPart(Struct, frozen=True):
    """Consecutive windows of the full history; ``state``: the most urgent state as of one of their ends."""

    start: int
    end: int
    rows: int
    state: VerdictState
    is_shown: bool


def history_parts(
    evaluations: Sequence[Evaluation], states: Sequence[VerdictState], shown_windows: Sequence[Evaluation]
) -> list[HistoryPart]:
    """Return the full history in at most :data:`COARSE` parts.

    Args:
        evaluations: All windows of a length.
        states: The state of the model as of the end of each.
        shown_windows: The windows of the range.
    """
    if not evaluations or not shown_windows:
        return []
    size = math.ceil(len(evaluations) / COARSE)
    begin, end = shown_windows[0].window.start, shown_windows[-1].window.end
    parts = []
    for index in range(0, len(evaluations), size):
        part = evaluations[index : index + size]
        first, last = part[0].window.start, part[-1].window.end
        state = min(states[index : index + size], key=rank_state)
        rows = sum(evaluation.rows for evaluation in part)
        parts.append(HistoryPart(first, last, rows, state, first < end and last > begin))
    return parts


def _score_row(windows: Sequence[Evaluation]) -> TimelineRow | None:
    """Return the drift of the score, or of the predicted class if the model has no score."""
    for name in ("score", "predicted"):
        columns: list[tuple[State, float | None] | None] = [getattr(window.drift, name) for window in windows]
        known = [window for window, column in zip(windows, columns, strict=True) if column is not None]
        if known:
            psi = [None if column is None or column[1] is None else finite(max(column[1], 0.0)) for column in columns]
            states = ["" if column is None else column[0] for column in columns]
            note = "PSI, compared with the baseline"
            return TimelineRow(name, f"{getattr(known[-1], name).words} drift", note, psi, bars=True, states=states)
    return None


def _inputs_row(windows: Sequence[Evaluation]) -> TimelineRow | None:
    """Return the fraction of drifted features among the comparable ones."""
    if not any(window.drift.states for window in windows):
        return None
    counts = [(window.drift.drifted, window.drift.compared) for window in windows]
    values = [drifted / compared if compared else None for drifted, compared in counts]
    states = ["inconclusive" if not compared else "drift" if drifted else "ok" for drifted, compared in counts]
    note = "fraction of the features"
    return TimelineRow("inputs", "drifted inputs", note, values, shares=True, bars=True, states=states)


def _business_row(series: BusinessSeries, windows: Sequence[Evaluation]) -> TimelineRow | None:
    """Return a business series over windows on its own scale; a window without points is a gap."""
    keys = series.keys
    values = [window.business.get(keys.name) for window in windows]
    drawn_values = [value for value in values if value is not None]
    if not drawn_values:
        return None
    shares = keys.unit == "1" and keys.aggregation == "mean" and all(0 <= value <= 1 for value in drawn_values)
    note = f"{keys.aggregation} per window" + (f", {short(keys.unit, 20)}" if keys.unit not in ("", "1") else "")
    note += f", from {short(keys.source, 40)}" if keys.source else ""
    return TimelineRow(f"business-{keys.name}", short(keys.name, 40), note, [*values], shares=shares)


def _traffic_row(windows: Sequence[Evaluation]) -> TimelineRow:
    outcomes: Values = [float(min(window.outcome_rows, window.rows)) for window in windows]
    return TimelineRow(
        name="traffic",
        title="predictions",
        note="per window",
        values=[float(window.rows) for window in windows],
        bars=True,
        reference=outcomes if any(outcomes) else [],
        beside_title="with outcome" if any(outcomes) else "",
    )


def _deployments(windows: Sequence[Evaluation], model: ModelView, same: Sequence[ModelView]) -> list[Mark]:
    """Return the first predictions of all versions of the model as deployments."""
    begin, end = windows[0].window.start, windows[-1].window.end
    first = [
        Mark(view.first, view.first, f"version {short(view.key.version, 32) or 'without a name'}", "deployment")
        for view in same
        if view.first and begin < view.first < end and view.key.environment == model.key.environment
    ]
    return sorted(first, key=lambda mark: mark.time)[-MOST_MARKS:] if len(same) > 1 else []


def _annotations(windows: Sequence[Evaluation], annotations: Sequence[Decision]) -> list[Mark]:
    """Return the newest annotations in the range."""
    begin, end = windows[0].window.start, windows[-1].window.end
    found = [one for one in annotations if begin <= one.time <= end and one.kind in ANNOTATIONS]
    newest = sorted(found, key=lambda one: one.time)[-MOST_MARKS:]
    return [Mark(one.time, one.time, short(one.why, 40), "note") for one in newest]


def _incidents(windows: Sequence[Evaluation]) -> list[Mark]:
    """Return the periods of windows in which a drift persists or an objective is broken."""
    periods = [(incident_words(window), (window.window.start, window.window.end)) for window in windows]
    return [Mark(start, end, words, "incident") for words, (start, end) in merged(periods) if words]


def _interruptions(windows: Sequence[Evaluation], model: ModelView) -> list[Mark]:
    """Return the periods of the range without data or with a lag."""
    begin, end = windows[0].window.start, windows[-1].window.end
    periods = [(one.since, end if one.until is None else one.until, one.kind) for one in model.interruptions]
    return [
        Mark(max(since, begin), min(until, end), _INTERRUPTED[kind], "incident")
        for since, until, kind in periods
        if since < end and until > begin
    ]


_INTERRUPTED: Mapping[InterruptionKind, str] = {"no_data": "no predictions", "lagging": "evaluation late"}


def incident_words(evaluation: Evaluation) -> str:
    """Return whether drift persists or an objective is broken in a window, in words; "" if neither."""
    broken = any(objective.state == "broken" for objective in evaluation.objectives)
    words = (["objective broken"] if broken else []) + (["lasting drift"] if evaluation.incident else [])
    return ", ".join(words)


def state_of_window(evaluation: Evaluation, model: ModelView) -> Literal["open", "young", "final"]:
    """Return whether the performance of a window is final: the window is closed and mature."""
    if not evaluation.closed:
        return "open"
    return "final" if model.mature(evaluation) else "young"


def telling_metric(windows: Sequence[Evaluation], decides: str = "") -> str:
    """Return the primary metric of these windows; "" if none is known. ``decides``: the metric of the verdict."""
    known = {name for window in windows for name, metric in window.realized.items() if metric.value is not None}
    ordered = metric_names(known)
    if decides in known:
        return decides
    return next((name for name in ordered if direction_words(name)), next(iter(ordered), ""))


def numbers_of(items: Sequence[object], *names: str) -> list[Values]:
    """Return the values of attributes of metrics or estimates; None if the item is None or the value not finite."""
    return [[None if one is None else finite(getattr(one, name)) for one in items] for name in names]


def _any(values: Sequence[float | None]) -> bool:
    return any(value is not None for value in values)


def _rounded(values: Sequence[float | None]) -> list[float | int | None]:
    return [_round(value) for value in values]


def _round(value: float | None) -> float | int | None:
    if value is None:
        return None
    short_value = float(f"{value:.{DIGITS}g}")
    return int(short_value) if short_value.is_integer() and abs(short_value) < 2**53 else short_value
