"""Performance by outcomes: objectives, metrics over time with intervals, curves, slices, and estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, MetricChange, MetricValue
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.changes import LEVEL
from driftline_processor.present.metrics import (
    BESIDE,
    direction_words,
    metric_ends,
    metric_names,
    metric_text,
    metric_title,
    signed_ends,
    size_of_change,
)
from driftline_processor.present.numbers import many
from driftline_processor.present.sections.concept import concept
from driftline_processor.present.sections.performance import objectives
from driftline_processor.present.sections.section import PAGE
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.weak_slices import WeakSlicesOfWindows
from driftline_processor.web.charts.timeline_rows import TimelineRow, gaps_of, measured_in, performance_row
from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

from .overview import BY_TASK

MOST_CELLS = 2000
"""Upper limit of cells of the table of windows, the newest windows; CSV has all."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(selection: Selection, request: Request) -> Page:
        return page(
            selection, site.clock(), site.state.queries.weak_slices_of_windows, find_weak="weak" in request.query_params
        )

    return [Guarded("/models/{name:path}/performance", site.shows_model(show), may="read")]


def page(selection: Selection, now: int, weak: WeakSlicesOfWindows | None = None, *, find_weak: bool = False) -> Page:
    """Return the performance of a model in a window and over the range; the address's ``slice`` selects its rows.

    Args:
        selection: The model, the range, and the selected window.
        now: Unix nanoseconds.
        weak: Searches weak slices; None = no search.
        find_weak: Search the weak slices of the window now, however long it takes.
    """
    selection = selection.with_outcomes()
    context, chosen = common_context(selection, "performance", now), selection.chosen
    chosen_slice = _slice(selection)
    metrics = _metrics(selection.shown_windows, chosen_slice)
    first = _headlines(metrics, selection.model)
    rows = {
        name: performance_row(name, selection.shown_windows, _reference(selection, name), chosen_slice)
        for name in metrics
    }
    # 40: upper limit of windows with links in the charts of folded metrics; else only the first charts have links
    context |= {
        "can_search": weak is not None,
        "weak_found": None,
        "find_weak": False,
        "concept": concept(_concept(selection), selection.model.timezone, verdict=selection.model.verdict).on_surface(
            PAGE
        ),
        "metrics": metrics,
        "chosen_slice": chosen_slice,
        "few": 40,
        "most_cells": MOST_CELLS,
        "gaps": {gap.start: gap for gap in gaps_of(selection.shown_windows, selection.model)},
        "measured": {} if chosen is None else measured_in(chosen, chosen_slice),
        "blocks": [] if chosen is None or chosen_slice else blocks_of(chosen, selection.reference, first),
        "headlines": [(name, rows[name]) for name in first],
        "others": [(name, row) for name, row in rows.items() if name not in first],
        "objectives": None if chosen is None else objectives(chosen, selection.model.timezone).on_surface(PAGE),
    }
    if find_weak and weak is not None and chosen is not None and chosen.closed:
        # not the selected window: each page has its own copy of it with the track records of its estimates
        stored = next(
            evaluation for evaluation in selection.model.windows[selection.window] if evaluation.window == chosen.window
        )
        context |= {"find_weak": True, "weak_found": weak.of(selection.model.key, stored)}
    tables = {"metrics": _table(selection), "windows": metrics_by_window(selection.shown_windows, chosen_slice)}
    return Page("model/performance.html", context, tables, about(selection))


def _concept(selection: Selection) -> ConceptDrift | None:
    """Return the concept drift of the model; None if errors only dropped, and not in the selected window."""
    drift, chosen = selection.model.concept, selection.chosen
    if drift is None or not selection.model.outcomes:
        return None
    dropped = drift.state == "ok" and bool(drift.changes)
    if dropped and chosen is not None and not chosen.window.start <= drift.changes[-1].since < chosen.window.end:
        return None
    return drift


class Block(Struct, frozen=True):
    """A metric at the head of the page: current value, baseline, and the meaning of the difference.

    Attributes:
        name: Name of the metric.
        title: Its title.
        now: Its value in the window, as text.
        now_ends: Interval of ``now``; "" if there is none.
        was: The baseline's value, as text; a dash if unknown.
        was_ends: Interval of ``was``.
        difference: The value minus the baseline's, with its sign; "" if either is unknown.
        ends: Interval of the difference.
        meaning: Meaning of the difference, a sentence.
        state: ``worse``, ``not_worse`` or ``inconclusive``; "" if nothing was compared.
    """

    name: str
    title: str
    now: str
    now_ends: str
    was: str
    was_ends: str
    difference: str
    ends: str
    meaning: str
    state: str = ""


def blocks_of(chosen: Evaluation, reference: Mapping[str, MetricValue], names: Sequence[str]) -> list[Block]:
    """Return a block for each metric with a realized value in a window.

    Args:
        chosen: The window.
        reference: Performance of the baseline's rows, by metric.
        names: The metrics, in their order.
    """
    metrics = [(name, chosen.realized[name]) for name in names if name in chosen.realized]
    return [_block(name, metric, chosen, reference.get(name)) for name, metric in metrics if metric.value is not None]


def _block(name: str, metric: MetricValue, chosen: Evaluation, was: MetricValue | None) -> Block:
    change = chosen.realized_changes.get(name)
    before = None if was is None else was.value
    moved = None if metric.value is None or before is None else metric.value - before
    moved, low, high = (moved, None, None) if change is None else (change.change, change.low, change.high)
    difference = ""
    if moved is not None:
        size = size_of_change(name, moved, None, None)
        difference = f"{'−' if moved < 0 else '+'}{size}"
    return Block(
        name=name,
        title=metric_title(name),
        now=metric_text(name, metric.value),
        now_ends=metric_ends(name, metric.low, metric.high),
        was=metric_text(name, before),
        was_ends="" if was is None else metric_ends(name, was.low, was.high),
        difference=difference,
        ends=signed_ends(name, low, high),
        meaning=_meaning(name, moved, change, chosen),
        state="" if change is None else change.state,
    )


def _meaning(name: str, moved: float | None, change: MetricChange | None, chosen: Evaluation) -> str:
    """Return a sentence on the difference of a metric from the baseline."""
    rows, good = many(chosen.realized[name].rows, "outcome"), direction_words(name)
    if change is None and not good:
        beside_metric = BESIDE.get(name, "")
        pair = chosen.realized.get(beside_metric)
        if pair is None or pair.value is None:
            return f"This metric is neither good nor bad by itself; it is measured on {rows}."
        other_title, other_value = metric_title(beside_metric), metric_text(beside_metric, pair.value)
        return f"For the same {rows}, the {other_title} is {other_value}."
    if moved is None:
        return f"The baseline does not contain this metric; its value is computed from {rows}."
    if change is None:
        return f"It is not known whether the difference is significant; {good}."
    if change.state == "worse":
        return f"Significantly worse than the baseline, in {rows}."
    if change.state == "not_worse":
        size = "" if change.margin is None else f" of {size_of_change(name, change.margin, None, None)}"
        side = _clear_side(name, change)
        head = (
            "Better than the baseline" if side > 0 else "Slightly worse than the baseline" if side < 0 else "No worse"
        )
        return f"{head}: the whole confidence interval is inside the margin{size}, in {rows}."
    return _inconclusive_reason(name, change, chosen)


def _inconclusive_reason(name: str, change: MetricChange, chosen: Evaluation) -> str:
    """Return why the comparison of a metric is inconclusive, even if its own interval excludes no difference."""
    if chosen.maturity != "mature":
        return "Not evaluated yet: the window's performance is not final, so the difference may still change."
    reason = f", because there are {change.reason.replace('_', ' ')}" if change.reason else ""
    side = _clear_side(name, change)
    if not side:
        return f"Inconclusive{reason}: the difference may be chance or a degradation."
    if side > 0:
        return f"Looks better than the baseline, but a degradation is still possible{reason}."
    if change.p_value is not None and change.p_value > LEVEL:
        metrics = len(chosen.realized_changes)
        corrected = f" after the correction for {metrics} metrics" if metrics > 1 else ""
        why = f"; {change.reason.replace('_', ' ')}" if change.reason else ""
        return f"Looks worse, but is not significant{corrected} (p = {change.p_value:.2g}, limit {LEVEL:g}{why})."
    if change.reason == "too_few_days" and change.margin is not None:
        margin = size_of_change(name, change.margin, None, None)
        few = "Looks worse, but there are too few days to estimate the variation from day to day"
        return f"{few}: only a degradation of {margin} or more counts as worse."
    return f"Looks worse, but is inconclusive{reason}."


def _clear_side(name: str, change: MetricChange) -> int:
    """Return the side of the interval of a change.

    Returns:
        1 if all of it is better, -1 if all of it is worse; 0 if it contains no difference, or if there is no interval.
    """
    if change.low is None or change.high is None or change.low <= 0 <= change.high:
        return 0
    return direction(name) if change.low > 0 else -direction(name)


def metrics_by_window(evaluations: Sequence[Evaluation], chosen_slice: str = "") -> Table:
    """Return a row for each window and metric: the data of the charts."""
    rows = [
        (evaluation, name, metric)
        for evaluation in evaluations
        for name, metric in measured_in(evaluation, chosen_slice).items()
    ]
    return Table(
        ("start", "end", "closed", "slice", "metric", "value", "low", "high", "rows", "coverage"),
        [
            (
                *(iso_time(one.window.start), iso_time(one.window.end), one.closed, chosen_slice or None, name),
                *(metric.value, metric.low, metric.high, metric.rows, one.coverage),
            )
            for one, name, metric in rows
        ],
    )


def _slice(selection: Selection) -> str:
    """Return the slice that the address selects if any window has its performance; "" = all rows."""
    slices = selection.place.slices[:1]
    return next(
        (
            name
            for name in slices
            if any(name in evaluation.performance_slices for evaluation in selection.shown_windows)
        ),
        "",
    )


def _reference(selection: Selection, name: str) -> MetricValue | None:
    return selection.reference.get(name)


def _metrics(evaluations: Sequence[Evaluation], chosen_slice: str) -> list[str]:
    """Return the metrics with their own chart, the most important first."""
    everything = dict.fromkeys(name for evaluation in evaluations for name in measured_in(evaluation, chosen_slice))
    drawn_in_another = {beside_metric for metric, beside_metric in BESIDE.items() if metric in everything}
    return [name for name in metric_names(everything) if name not in drawn_in_another]


def _headlines(metrics: Sequence[str], model: ModelView) -> list[str]:
    """Return the primary metrics of the model by its task."""
    of_task = [name for name in BY_TASK.get(model.task.kind, ()) if name in metrics]
    # 3: metrics that are not folded
    return list(dict.fromkeys((*of_task, *metrics)))[:3]


def headline_rows(selection: Selection) -> list[TimelineRow]:
    """Return the primary metrics of the model over the windows shown."""
    names = _headlines(_metrics(selection.shown_windows, ""), selection.model)
    return [performance_row(name, selection.shown_windows, _reference(selection, name)) for name in names]


def _table(selection: Selection) -> Table:
    columns = ("metric", "value", "low", "high", "baseline", "rows", "source", "than_the_baseline")
    chosen = selection.chosen
    if chosen is None:
        return Table(columns)
    changes, reference = chosen.realized_changes, selection.reference
    return Table(
        columns,
        [
            (
                *(name, metric.value, metric.low, metric.high),
                *(reference[name].value if name in reference else None, metric.rows, metric.source),
                changes[name].state if name in changes else None,
            )
            for name, metric in chosen.realized.items()
        ],
    )
