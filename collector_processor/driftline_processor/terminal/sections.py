"""The sections of an Evaluation in the terminal below the table of drift, and their order: :data:`SECTIONS`.

To add one: its words in `present/`, a function here, and the function's place in the list. The page has the same
section in `web/templates/sections/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.drift.slices import rank_drifted_slices, slice_sentence
from driftline_processor.core.estimate.point import assumption
from driftline_processor.core.estimate.track_record import standing
from driftline_processor.core.evaluation import Evaluation, MetricValue, SlicePerformance
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.core.performance.slices import rank_slices, ranking_metric
from driftline_processor.core.service_level.words import measured_ends, measured_text, service_title
from driftline_processor.core.wording import printable
from driftline_processor.present.estimates import interval, sentence
from driftline_processor.present.fairness import HIGHEST, criterion_sentence
from driftline_processor.present.numbers import change, count, ends, number, p_value, percent
from driftline_processor.present.sentences import change_words, objective
from driftline_processor.present.service_level import rank_service, value_of_calls
from driftline_processor.present.states import objective_state, state_word
from driftline_processor.present.times import moment
from driftline_processor.present.titles import metric_title

from .console import SEVERITY_STYLES, change_style, empty, plain_table

_STYLES = {"ok": "green", "alert": "bold yellow", "failed": "bold red"}

MOST_CAUSES = 8
"""Causes that are shown; ``--json`` has all."""

MOST_ERRORS = 3
"""Types of errors that are shown; ``--json`` has all."""

MOST_SLICES = 24
"""Slices that are shown; ``--json`` has all."""


def drift_by_slice(evaluation: Evaluation) -> Iterator[Table]:
    """Show what drifts in which slice, a line for each: those in which something drifts, then those with most rows."""
    if not evaluation.slices:
        return
    table = plain_table("slice", ("rows",))
    for heading in ("state", "what drifts"):
        table.add_column(heading, no_wrap=heading == "state")
    known = rank_drifted_slices(evaluation.slices)
    for name, found in known[:MOST_SLICES]:
        style = "bold yellow" if found.state == "drift" else "green" if found.state == "ok" else "cyan"
        state = Text(state_word(found.state), style=style)
        table.add_row(
            Text(printable(name)), Text(count(found.rows), style="dim"), state, Text(printable(slice_sentence(found)))
        )
    if len(known) > MOST_SLICES:
        table.add_row(Text(f"and {len(known) - MOST_SLICES} more", style="dim"))
    yield table


def joint_drift(evaluation: Evaluation) -> Iterator[Table]:
    """Show what is seen of all features together, a line for each method."""
    if not evaluation.joint:
        return
    table = empty()
    for heading in ("together", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("finding")
    for found in evaluation.joint.values():
        style = "bold yellow" if found.state == "drift" else "green" if found.state == "ok" else "cyan"
        state = Text(state_word(found.state), style=style)
        p = Text(p_value(found.p_value), style="dim")
        table.add_row(Text(JOINT[found.method].title), state, p, Text(printable(found.sentence)))
    yield table


def causes(evaluation: Evaluation) -> Iterator[Table]:
    """Show the kind of change and its causes, those that count most first."""
    known = () if evaluation.explanation is None else evaluation.explanation.causes
    if not known and evaluation.change_kind is None:
        return
    table = empty()
    table.add_column("why", no_wrap=True)
    table.add_column("")
    if evaluation.change_kind is not None:
        table.add_row("", Text(printable(evaluation.change_kind.sentence)))
    for at, cause in enumerate(known[:MOST_CAUSES], 1):
        table.add_row(Text(f"{at}.", style="dim"), Text(printable(cause.sentence)))
    if len(known) > MOST_CAUSES:
        table.add_row("", Text(f"and {len(known) - MOST_CAUSES} more", style="dim"))
    yield table


def findings(evaluation: Evaluation) -> Iterator[Table]:
    """Show what is wrong with the data, the gravest first."""
    if not evaluation.findings:
        return
    table = empty()
    table.add_column("data", no_wrap=True)
    table.add_column("what is wrong")
    for finding in evaluation.findings:
        style = SEVERITY_STYLES[finding.severity]
        table.add_row(Text(finding.severity, style=style), Text(printable(finding.sentence)))
    yield table


def expectations(evaluation: Evaluation) -> Iterator[Table]:
    """Show what is not as expected, and what cannot be told; of what is, how many."""
    if not evaluation.expected:
        return
    table = empty()
    met = sum(expected.state == "met" for expected in evaluation.expected)
    for heading in ("expected", f"{met} of {len(evaluation.expected)} met", ""):
        table.add_column(heading, no_wrap=not heading)
    for expected in sorted(evaluation.expected, key=lambda one: one.state):
        if expected.state != "met":
            style = "bold red" if expected.state == "broken" else "yellow"
            state = Text(state_word(expected.state), style=style)
            table.add_row(state, Text(printable(expected.sentence)), Text(printable(expected.rule), style="dim"))
    yield table


def performance(evaluation: Evaluation) -> Iterator[Table]:
    """Show each metric beside that of the baseline, and whether it is worse."""
    if not evaluation.realized:
        return
    table = plain_table("performance", ("is", "interval", "baseline", "change", "outcomes"))
    if evaluation.realized_changes:
        table.add_column("than the baseline", overflow="fold")
    for name, metric in evaluation.realized.items():
        reference = evaluation.reference.get(name)
        was = reference.value if reference is not None else None
        about = "≈ " if metric.bound else ""
        table.add_row(
            Text(metric_title(name)),
            Text(about + number(metric.value)),
            Text(_interval(metric), style="dim"),
            Text(number(was), style="dim"),
            Text(change(was, metric.value), style=_change_style(evaluation, name, was, metric.value)),
            Text(count(metric.rows), style="dim"),
            *([_compared(evaluation, name)] if evaluation.realized_changes else []),
        )
    yield table


_COMPARED_STYLES = {"worse": "bold red", "not_worse": "green"}


def _compared(evaluation: Evaluation, name: str) -> Text:
    """Return whether a metric is worse than the baseline's."""
    one = evaluation.realized_changes.get(name)
    style = "" if one is None else _COMPARED_STYLES.get(one.state, "dim")
    return Text(change_words(evaluation.realized_changes, name), style=style)


def _change_style(evaluation: Evaluation, name: str, was: float | None, now: float | None) -> str:
    """Return the colour of a change: of one that was judged its state's, else that of its direction."""
    one = evaluation.realized_changes.get(name)
    return change_style(name, was, now) if one is None else "bold red" if one.state == "worse" else ""


def _interval(metric: MetricValue) -> str:
    """Return the ends of an interval, or the reason why there is none."""
    if metric.low is None or metric.high is None:
        return {"too_few": "too few", "unreviewed": "not reviewed"}.get(metric.interval, "")
    return ends(metric.low, metric.high)


def performance_by_slice(evaluation: Evaluation) -> Iterator[Table]:
    """Show the slices from the one in which the model does worst."""
    if evaluation.performance_slices:
        yield _slices("slice", dict(rank_slices(evaluation.performance_slices)), MOST_SLICES)


def performance_by_age(evaluation: Evaluation) -> Iterator[RenderableType]:
    """Show the cohorts of how long labels took to come, the youngest first, and whether they differ."""
    if len(evaluation.ages) > 1:
        table = _slices("label age", evaluation.ages, len(evaluation.ages))
        fast = evaluation.fast_labels
        yield table if fast is None else Group(table, Text(fast.sentence, style="dim"))


def _slices(first: str, slices: Mapping[str, SlicePerformance], most: int) -> Table:
    metric, _ = ranking_metric(slices.values())
    table = plain_table(first, ("outcomes", metric_title(metric) if metric else "", "interval"))
    for name, one in list(slices.items())[:most]:
        measured = one.metrics.get(metric)
        value, interval = (None, "") if measured is None else (measured.value, ends(measured.low, measured.high))
        table.add_row(
            Text(printable(name)),
            Text(count(one.rows), style="dim"),
            Text(number(value)),
            Text(interval, style="dim"),
        )
    if len(slices) > most:
        table.add_row(Text(f"and {len(slices) - most} more", style="dim"))
    return table


def weak_slices(evaluation: Evaluation) -> Iterator[Table]:
    """Show where the model does worse than elsewhere."""
    weak = evaluation.weak
    if weak is None or not weak.slices:
        return
    table = empty()
    table.add_column("weak", justify="right", no_wrap=True)
    table.add_column("where, found on one half of the rows and confirmed on the other")
    for one in weak.slices:
        table.add_row(Text(percent(one.excess), style="bold yellow"), Text(printable(one.sentence)))
    yield table


def fairness(evaluation: Evaluation) -> Iterator[Table]:
    """Show the state of each criterion, a table for each attribute."""
    for found in evaluation.fairness:
        table = empty()
        table.add_column(printable(found.attribute), no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column(f"compared with {printable(found.reference) or HIGHEST}")
        for one in found.criteria:
            style = {"broken": "bold red", "met": "green"}.get(one.state, "yellow")
            state = Text(state_word(one.state), style=style)
            table.add_row(Text(state_word(one.name)), state, Text(printable(criterion_sentence(one))))
        yield table


def estimates(evaluation: Evaluation) -> Iterator[Group]:
    """Show each estimated metric: its interval, that of the baseline, and what is normal."""
    if not evaluation.estimated:
        return
    table = plain_table("estimated", ("is", "95 %", "baseline", "bounds"))
    table.add_column("state", no_wrap=True)
    for name, one in evaluation.estimated.items():
        if one.value is None:
            continue
        state = standing(one)
        table.add_row(
            Text(metric_title(name)),
            Text(number(one.value)),
            Text(interval(one), style="dim"),
            Text(number(one.reference), style="dim"),
            Text(ends(one.lower_bound, one.upper_bound), style="dim"),
            Text(state or "\N{EN DASH}", style=_STYLES.get(state or "", "dim")),
        )
    assumes = next(assumption(one) for one in evaluation.estimated.values())
    lines = [Text(f"estimated: {assumes}; {sentence(evaluation.estimated)}", style="dim")]
    moved = evaluation.score is not None and evaluation.score.state == "drift"  # days move scores a little, too
    if evaluation.label_shift is not None and (moved or evaluation.label_shift.explains == "labels"):
        lines.append(Text(printable(evaluation.label_shift.sentence)))
    yield Group(table, *lines)


def service(evaluation: Evaluation) -> Iterator[Table]:
    """Show how the service answered: latency and failures, of all calls and of the slices that do worst."""
    if evaluation.service is None:
        return
    table = plain_table("service", ("is", "interval", "calls"))
    for metric, measured in evaluation.service.values.items():
        ends_text = measured_ends(metric, measured.low, measured.high)
        table.add_row(
            Text(service_title(metric)),
            Text(value_of_calls(metric, measured)),
            Text(ends_text, style="dim"),
            Text(count(measured.rows), style="dim"),
        )
    for error, calls in list(evaluation.service.errors.items())[:MOST_ERRORS]:
        share = measured_text("error_rate", calls / evaluation.service.calls)
        table.add_row(Text(f"  {printable(error)}", style="dim"), Text(share), Text(), Text(count(calls), style="dim"))
    yield table
    if evaluation.service_slices:
        by_slice = plain_table("slice", ("error rate", "latency p95", "calls"))
        for name, level in rank_service(evaluation.service_slices)[:MOST_SLICES]:
            cells = (value_of_calls(metric, level.values.get(metric)) for metric in ("error_rate", "latency_p95"))
            by_slice.add_row(Text(printable(name)), *map(Text, cells), Text(count(level.calls), style="dim"))
        yield by_slice


def objectives(evaluation: Evaluation) -> Iterator[Table]:
    """Show what came of each objective, what is broken first."""
    if not evaluation.objectives:
        return
    table = empty()
    met = sum(objective.state == "met" for objective in evaluation.objectives)
    for heading in ("objective", f"{met} of {len(evaluation.objectives)} met", ""):
        table.add_column(heading, no_wrap=not heading)
    for one in sorted(evaluation.objectives, key=lambda one: one.state):
        style = {"broken": "bold red", "met": "green"}.get(one.state, "bold yellow" if one.overdue else "yellow")
        state = Text(objective_state(one), style=style)
        table.add_row(state, Text(printable(objective(one))), Text(printable(one.rule), style="dim"))
    yield table


SECTIONS: tuple[Callable[[Evaluation], Iterator[RenderableType]], ...] = (
    drift_by_slice,
    joint_drift,
    causes,
    findings,
    expectations,
    performance,
    performance_by_slice,
    weak_slices,
    fairness,
    performance_by_age,
    estimates,
    service,
    objectives,
)
"""The sections in the order in which they are shown. One that has nothing to show yields nothing."""


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
        table.add_row(Text(f"and {count(found.wrong - len(found.rows))} more of {count(found.outcomes)}", style="dim"))
    return table
