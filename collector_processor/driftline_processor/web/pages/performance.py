"""How good the model is by its outcomes: objectives, metrics over time with intervals, curves, slices, estimates."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import Evaluation, MetricValue, ObjectiveState
from driftline_processor.core.wording import iso_time
from driftline_processor.present import times, titles
from driftline_processor.present.concept import sentence
from driftline_processor.queries.overview import ModelView
from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.timeline import gaps_of, measured_in, performance_row

from .overview import BY_TASK

HEADLINES = 3
"""Metrics that are drawn at once; the others are folded."""


FEW = 40
"""Windows of which each is a link in the chart of a folded metric, too; of more, those of the headlines are."""

MOST_CELLS = 2000
"""Cells of the table of windows at most, the newest windows; CSV has all."""

MOST_CELLS_IN_REPORT = 400
"""The same of a file to send."""


def page(selection: Selection, now: int) -> Page:
    """Return the performance of a model in a window and over the range; ``slice`` of the address chooses its rows."""
    context, chosen = common_context(selection, "performance", now), selection.chosen
    chosen_slice = _slice(selection)
    metrics = _metrics(selection.shown, chosen_slice)
    first = _headlines(metrics, selection.model)
    rows = {name: performance_row(name, selection.shown, _reference(selection, name), chosen_slice) for name in metrics}
    context |= {
        "concept": _concept(selection.model),
        "metrics": metrics,
        "chosen_slice": chosen_slice,
        "few": FEW,
        "most_cells": MOST_CELLS_IN_REPORT if selection.in_report else MOST_CELLS,
        "gaps": {gap.start: gap for gap in gaps_of(selection.shown, selection.model)},
        "measured": {} if chosen is None else measured_in(chosen, chosen_slice),
        "headlines": [(name, rows[name]) for name in first],
        "others": [(name, row) for name, row in rows.items() if name not in first],
        "objectives": [] if chosen is None else sorted(chosen.objectives, key=_needs_somebody),
    }
    tables = {"metrics": _table(selection), "windows": metrics_by_window(selection.shown, chosen_slice)}
    return Page("model/performance.html", context, tables, about(selection))


def metrics_by_window(shown: Sequence[Evaluation], chosen_slice: str = "") -> Table:
    """Return a row for each window and metric: what the charts show, as data."""
    columns = ("start", "end", "closed", "slice", "metric", "value", "low", "high", "rows", "coverage")
    return Table(
        columns,
        [
            (
                *(iso_time(one.window.start), iso_time(one.window.end), one.closed, chosen_slice or None, name),
                *(metric.value, metric.low, metric.high, metric.rows, one.coverage),
            )
            for one in shown
            for name, metric in measured_in(one, chosen_slice).items()
        ],
    )


def _slice(selection: Selection) -> str:
    """Return the slice that the address chooses, where any window has its performance; "" = all rows."""
    asked = selection.place.slices[:1]
    return next((name for name in asked if any(name in one.performance_slices for one in selection.shown)), "")


def _reference(selection: Selection, name: str) -> MetricValue | None:
    return selection.reference.get(name)


def _concept(model: ModelView) -> str:
    """Return what the stream of errors says, "" where it says nothing."""
    if model.concept is None or not model.outcomes:
        return ""
    return sentence(model.concept, lambda time: times.moment(time, model.timezone))


def _metrics(shown: Sequence[Evaluation], chosen_slice: str) -> list[str]:
    """Return the metrics that have a chart of their own, those that people ask for first at the head."""
    everything = {name for one in shown for name in measured_in(one, chosen_slice)}
    drawn_in_another = {other for metric, other in titles.BESIDE.items() if metric in everything}
    return [name for name in titles.metric_names(everything) if name not in drawn_in_another]


def _headlines(metrics: Sequence[str], model: ModelView) -> list[str]:
    """Return the metrics that stand for the model, by its task."""
    of_task = [name for name in BY_TASK.get(model.task.kind, ()) if name in metrics]
    return list(dict.fromkeys((*of_task, *metrics)))[:HEADLINES]


def _needs_somebody(one: ObjectiveState) -> tuple[bool, bool]:
    return one.state != "broken", one.state != "cannot_tell"


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
