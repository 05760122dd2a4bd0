"""How good the model is by its outcomes: metrics over time with intervals, objectives, curves, slices, estimates."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present import times, titles
from driftline_processor.present.concept import sentence
from driftline_processor.queries.overview import ModelView
from driftline_processor.web.page import Page, Table
from driftline_processor.web.selection import Selection, about, common_context


def page(selection: Selection, now: int) -> Page:
    """Return the performance of a model in a window and over the range."""
    context = common_context(selection, "performance", now)
    context |= {"concept": _concept(selection.model), "metrics": _metrics(selection.shown)}
    return Page("model/performance.html", context, {"metrics": _table(selection)}, about(selection))


def _concept(model: ModelView) -> str:
    """Return what the stream of errors says, "" where it says nothing."""
    if model.concept is None or not model.outcomes:
        return ""
    return sentence(model.concept, lambda time: times.moment(time, model.timezone))


def _metrics(shown: Sequence[Evaluation]) -> list[str]:
    everything = {name: metric for evaluation in shown for name, metric in evaluation.realized.items()}
    drawn_in_another = {other for metric, other in titles.BESIDE.items() if metric in everything}
    return [name for name in titles.metric_names(everything) if name not in drawn_in_another]


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
