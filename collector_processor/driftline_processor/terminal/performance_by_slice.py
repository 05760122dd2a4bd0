"""The tables of performance by slice: declared ones, ages of labels, weak slices, groups of people."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from driftline_processor.core.evaluation import Evaluation, Fairness, SlicePerformance, WeakSearch
from driftline_processor.core.performance.slices import rank_slices, ranking_metric
from driftline_processor.core.wording import printable
from driftline_processor.present.fairness import HIGHEST, criterion_sentence
from driftline_processor.present.numbers import ends, number, percent
from driftline_processor.present.states import state_word
from driftline_processor.present.titles import metric_title

from .console import empty, plain_table

MOST_SLICES = 24
"""Slices that are shown; ``--json`` has all."""


def performance_by_slice(evaluation: Evaluation) -> Table:
    """Show the slices from the one in which the model does worst."""
    known = dict(rank_slices(evaluation.performance_slices))
    return _table("slice", known, MOST_SLICES)


def by_age(evaluation: Evaluation) -> Table:
    """Show the cohorts of how long labels took to come, the youngest first."""
    return _table("label age", evaluation.ages, len(evaluation.ages))


def weak_slices(weak: WeakSearch) -> Table:
    """Show where the model does worse than elsewhere."""
    table = empty()
    table.add_column("weak", justify="right", no_wrap=True)
    table.add_column("where, found on one half of the rows and confirmed on the other")
    for one in weak.slices:
        table.add_row(Text(percent(one.excess), style="bold yellow"), Text(printable(one.sentence)))
    return table


def fairness(found: Fairness) -> Table:
    """Show what came of each criterion of an attribute."""
    table = empty()
    table.add_column(printable(found.attribute), no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column(f"beside {printable(found.reference) or HIGHEST}")
    for one in found.criteria:
        style = {"broken": "bold red", "met": "green"}.get(one.state, "yellow")
        state = Text(state_word(one.state), style=style)
        table.add_row(Text(state_word(one.name)), state, Text(printable(criterion_sentence(one))))
    return table


def _table(first: str, slices: Mapping[str, SlicePerformance], most: int) -> Table:
    metric, _ = ranking_metric(slices.values())
    table = plain_table(first, ("outcomes", metric_title(metric) if metric else "", "interval"))
    for name, one in list(slices.items())[:most]:
        measured = one.metrics.get(metric)
        value, interval = (None, "") if measured is None else (measured.value, ends(measured.low, measured.high))
        table.add_row(
            Text(printable(name)),
            Text(f"{one.rows:,}", style="dim"),
            Text(number(value)),
            Text(interval, style="dim"),
        )
    if len(slices) > most:
        table.add_row(Text(f"and {len(slices) - most} more", style="dim"))
    return table
