"""Show the tables below the table of drift: slices, causes, data quality, expectations, performance, estimates.

To add a section: one function here, a line in `terminal.evaluation.evaluation_view`, its words in `present/`.
"""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.drift.slices import rank_drifted_slices, slice_sentence
from driftline_processor.core.estimate.point import ASSUMES
from driftline_processor.core.estimate.track_record import standing
from driftline_processor.core.evaluation import Evaluation, Explanation, MetricValue
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.core.wording import printable
from driftline_processor.present.estimates import interval, sentence
from driftline_processor.present.numbers import change, ends, number, p_value
from driftline_processor.present.sentences import objective
from driftline_processor.present.states import objective_state, state_word
from driftline_processor.present.times import moment
from driftline_processor.present.titles import metric_title

from .console import SEVERITY_STYLES, change_style, empty, plain_table

_STYLES = {"ok": "green", "alert": "bold yellow", "failed": "bold red"}


def estimates(evaluation: Evaluation) -> Table:
    """Show each estimated metric: its interval, that of the baseline, and what is normal."""
    table = plain_table("estimated", ("is", "95 %", "baseline", "bounds"))
    table.add_column("state", no_wrap=True)
    for name, one in evaluation.estimated.items():
        if one.value is None:
            continue
        state = standing(one)
        table.add_row(
            Text(metric_title(name)),
            Text(number(one.value)),
            Text(interval(one, number), style="dim"),
            Text(number(one.reference), style="dim"),
            Text(ends(one.lower_bound, one.upper_bound), style="dim"),
            Text(state or "\N{EN DASH}", style=_STYLES.get(state or "", "dim")),
        )
    return table


def estimate_assumptions(evaluation: Evaluation) -> str:
    """Say what estimates assume, and whether they were right."""
    return f"{ASSUMES}; {sentence(evaluation.estimated)}"


MOST_CAUSES = 8
"""Causes that are told; ``--json`` has all."""

MOST_SLICES = 24
"""Slices that are shown; ``--json`` has all."""


def joint(evaluation: Evaluation) -> Table:
    """Show what is seen of all features together, a line for each method."""
    table = empty()
    for heading in ("together", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("what is")
    for found in evaluation.joint.values():
        style = "bold yellow" if found.state == "drift" else "green" if found.state == "ok" else "cyan"
        state = Text(state_word(found.state), style=style)
        p = Text(p_value(found.p_value), style="dim")
        table.add_row(Text(JOINT[found.method].title), state, p, Text(printable(found.sentence)))
    return table


def by_slice(evaluation: Evaluation) -> Table:
    """Show what drifts in which slice, a line for each: those in which something drifts, then those with most rows."""
    table = plain_table("slice", ("rows",))
    for heading in ("state", "what drifts"):
        table.add_column(heading, no_wrap=heading == "state")
    known = rank_drifted_slices(evaluation.slices)
    for name, found in known[:MOST_SLICES]:
        style = "bold yellow" if found.state == "drift" else "green" if found.state == "ok" else "cyan"
        state = Text(state_word(found.state), style=style)
        table.add_row(
            Text(printable(name)), Text(f"{found.rows:,}", style="dim"), state, Text(printable(slice_sentence(found)))
        )
    if len(known) > MOST_SLICES:
        table.add_row(Text(f"and {len(known) - MOST_SLICES} more", style="dim"))
    return table


def causes(explanation: Explanation) -> Table:
    """Show the causes, those that count most first."""
    table = empty()
    table.add_column("why", no_wrap=True)
    table.add_column("")
    for at, cause in enumerate(explanation.causes[:MOST_CAUSES], 1):
        table.add_row(Text(f"{at}.", style="dim"), Text(printable(cause.sentence)))
    if len(explanation.causes) > MOST_CAUSES:
        table.add_row("", Text(f"and {len(explanation.causes) - MOST_CAUSES} more", style="dim"))
    return table


def findings(evaluation: Evaluation) -> Table:
    """Show what is wrong with the data, the gravest first."""
    table = empty()
    table.add_column("data", no_wrap=True)
    table.add_column("what is wrong")
    for finding in evaluation.findings:
        style = SEVERITY_STYLES[finding.severity]
        table.add_row(Text(finding.severity, style=style), Text(printable(finding.sentence)))
    return table


def expectations(evaluation: Evaluation) -> Table:
    """Show what is not as expected, and what cannot be told; of what is, how many."""
    table = empty()
    met = sum(expected.state == "met" for expected in evaluation.expected)
    for heading in ("expected", f"{met} of {len(evaluation.expected)} met", ""):
        table.add_column(heading, no_wrap=not heading)
    for expected in sorted(evaluation.expected, key=lambda one: one.state):
        if expected.state != "met":
            style = "bold red" if expected.state == "broken" else "yellow"
            state = Text(state_word(expected.state), style=style)
            table.add_row(state, Text(printable(expected.sentence)), Text(printable(expected.rule), style="dim"))
    return table


def performance(evaluation: Evaluation) -> Table:
    """Show each metric beside that of the baseline."""
    table = plain_table("performance", ("is", "interval", "baseline", "change", "outcomes"))
    for name, metric in evaluation.realized.items():
        reference = evaluation.reference.get(name)
        was = reference.value if reference is not None else None
        about = "≈ " if metric.bound else ""
        table.add_row(
            Text(metric_title(name)),
            Text(about + number(metric.value)),
            Text(_interval(metric), style="dim"),
            Text(number(was), style="dim"),
            Text(change(was, metric.value), style=change_style(name, was, metric.value)),
            Text(f"{metric.rows:,}", style="dim"),
        )
    return table


def _interval(metric: MetricValue) -> str:
    """Return the ends of an interval, or the reason why there is none."""
    if metric.low is None or metric.high is None:
        return {"too_few": "too few", "unreviewed": "not reviewed"}.get(metric.interval, "")
    return ends(metric.low, metric.high)


def objectives(evaluation: Evaluation) -> Table:
    """Show what came of each objective, what is broken first."""
    table = empty()
    met = sum(objective.state == "met" for objective in evaluation.objectives)
    for heading in ("objective", f"{met} of {len(evaluation.objectives)} met", ""):
        table.add_column(heading, no_wrap=not heading)
    for one in sorted(evaluation.objectives, key=lambda one: one.state):
        style = {"broken": "bold red", "met": "green"}.get(one.state, "bold yellow" if one.overdue else "yellow")
        state = Text(objective_state(one), style=style)
        table.add_row(state, Text(printable(objective(one))), Text(printable(one.rule), style="dim"))
    return table


def mispredictions(found: Worst) -> Table:
    """Show the worst rows, the worst first: how sure it was of what did not happen, or how far off."""
    table = plain_table("worst", ())
    of_classes = any(row.predicted is not None for row in found.rows)
    headings = ("time", "predicted", "actual", "sure" if of_classes else "error", "trace")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("sure", "error") else "left", no_wrap=True)
    for row in found.rows:
        actual = number(row.actual) if isinstance(row.actual, float) else row.actual or ""
        predicted = row.predicted if row.predicted is not None else number(row.score)
        time = moment(row.time) if row.time else ""
        cells = (row.id, time, predicted, actual, number(row.loss), row.trace_id)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    if found.wrong > len(found.rows):
        table.add_row(Text(f"and {found.wrong - len(found.rows):,} more of {found.outcomes:,}", style="dim"))
    return table
