"""The sections of an Evaluation in the terminal, and their order: :data:`BEFORE_DRIFT` and :data:`AFTER_DRIFT`.

To add one: its words in `present/`, a function here, and the function's place in a list. The page has the same
section in `web/templates/sections/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table

from driftline_processor.core.dates import date_label
from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.drift.slices import rank_drifted_slices, slice_sentence
from driftline_processor.core.estimate.point import assumption
from driftline_processor.core.estimate.track_record import standing
from driftline_processor.core.evaluation import Evaluation, MetricValue, SlicePerformance
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.core.performance.slices import rank_slices, ranking_metric
from driftline_processor.core.service_level.words import measured_ends, measured_text, service_title
from driftline_processor.core.wording import printable
from driftline_processor.present.estimates import interval, realized, sentence
from driftline_processor.present.fairness import HIGHEST, criterion_sentence
from driftline_processor.present.numbers import change, count, ends, number, p_value, percent
from driftline_processor.present.sentences.causes import cause_sentence
from driftline_processor.present.sentences.changes import change_sentence
from driftline_processor.present.sentences.findings import finding_sentence
from driftline_processor.present.sentences.window import change_words, objective
from driftline_processor.present.service_level import rank_service, value_of_calls
from driftline_processor.present.states import objective_state, state_word
from driftline_processor.present.titles import BESIDE, HEADLINES, metric_title

from .console import SEVERITY_STYLES, Text, change_style, empty, plain_table

T = TypeVar("T")

_STYLES = {"ok": "green", "alert": "bold yellow", "failed": "bold red"}


class Detail(Struct, frozen=True):
    """How much of an Evaluation is shown.

    Attributes:
        all: Every row of every table, not the first few.
        explain: The statistics behind each statement, too.
        asked: What somebody asked for by its name: "domain_classifier". It is shown whatever it says.
    """

    all: bool = False
    explain: bool = False
    asked: frozenset[str] = frozenset()

    def first(self, rows: Sequence[T], most: int) -> Sequence[T]:
        """Return the rows that are shown."""
        return rows if self.all else rows[:most]


EVERYTHING = Detail(all=True, explain=True)

MOST_FEATURES = 10
MOST_CAUSES = 3
MOST_FINDINGS = 5
MOST_METRICS = 3
"""Metrics that are shown beside those that are worse."""

MOST_ERRORS = 3
MOST_SLICES = 5


def more(hidden: int) -> Text:
    """Say how many rows are not shown, and how to see them."""
    return Text(f"and {hidden} more: --all", style="dim")


def drift_by_slice(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show what drifts in which slice, a line for each: those in which something drifts, then those with most rows."""
    if not evaluation.slices:
        return
    table = plain_table("slice", ("rows",))
    for heading in ("state", "what drifts"):
        table.add_column(heading, no_wrap=heading == "state")
    ranked_slices = rank_drifted_slices(evaluation.slices)
    shown_slices = detail.first(ranked_slices, MOST_SLICES)
    for name, slice_drift in shown_slices:
        style = "bold yellow" if slice_drift.state == "drift" else "green" if slice_drift.state == "ok" else "cyan"
        state = Text(state_word(slice_drift.state), style=style)
        table.add_row(
            Text(printable(name)),
            Text(count(slice_drift.rows), style="dim"),
            state,
            Text(printable(slice_sentence(slice_drift))),
        )
    if len(ranked_slices) > len(shown_slices):
        table.add_row(more(len(ranked_slices) - len(shown_slices)))
    yield table


def joint_drift(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show the drift that all features show together, a line for each method; explained, also where there is none."""
    joint_drifts = [
        joint
        for joint in evaluation.joint.values()
        if detail.explain or joint.state == "drift" or joint.method in detail.asked
    ]
    if not joint_drifts:
        return
    table = empty()
    for heading in ("together", "state"):
        table.add_column(heading, no_wrap=True)
    if detail.explain:
        table.add_column("p", justify="right", no_wrap=True)
    table.add_column("finding")
    for joint in joint_drifts:
        style = "bold yellow" if joint.state == "drift" else "green" if joint.state == "ok" else "cyan"
        state = Text(state_word(joint.state), style=style)
        p = [Text(p_value(joint.p_value), style="dim")] if detail.explain else []
        table.add_row(Text(JOINT[joint.method].title), state, *p, Text(printable(joint.sentence)))
    yield table


def causes(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show the kind of change and its causes, those that count most first."""
    all_causes = () if evaluation.explanation is None else evaluation.explanation.causes
    if not all_causes and evaluation.change_kind is None:
        return
    table = empty()
    table.add_column("why", no_wrap=True)
    table.add_column("")
    if evaluation.change_kind is not None:
        table.add_row("", Text(printable(change_sentence(evaluation.change_kind))))
    shown_causes = detail.first(all_causes, MOST_CAUSES)
    for index, cause in enumerate(shown_causes, 1):
        table.add_row(Text(f"{index}.", style="dim"), Text(printable(cause_sentence(cause))))
    if len(all_causes) > len(shown_causes):
        table.add_row("", more(len(all_causes) - len(shown_causes)))
    yield table


def findings(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show what is wrong with the data, the gravest first."""
    if not evaluation.findings:
        return
    table = empty()
    table.add_column("data", no_wrap=True)
    table.add_column("what is wrong")
    shown_findings = detail.first(evaluation.findings, MOST_FINDINGS)
    for finding in shown_findings:
        style = SEVERITY_STYLES[finding.severity]
        table.add_row(Text(finding.severity, style=style), Text(printable(finding_sentence(finding))))
    if len(evaluation.findings) > len(shown_findings):
        table.add_row("", more(len(evaluation.findings) - len(shown_findings)))
    yield table


def expectations(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show what is not as expected, and what cannot be told; of what is, how many."""
    if not evaluation.expected:
        return
    table = empty()
    met = sum(expected.state == "met" for expected in evaluation.expected)
    for heading in ("expected", f"{met} of {len(evaluation.expected)} met", ""):
        table.add_column(heading, no_wrap=not heading)
    unmet = sorted(
        (expectation for expectation in evaluation.expected if expectation.state != "met"),
        key=lambda expectation: expectation.state,
    )
    shown_expectations = detail.first(unmet, MOST_FEATURES)
    for expected in shown_expectations:
        style = "bold red" if expected.state == "broken" else "yellow"
        state = Text(state_word(expected.state), style=style)
        table.add_row(state, Text(printable(expected.sentence)), Text(printable(expected.rule), style="dim"))
    if len(unmet) > len(shown_expectations):
        table.add_row("", more(len(unmet) - len(shown_expectations)))
    yield table


def performance(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show metrics beside those of the baseline, and whether they are worse: the first few and the worse, or all."""
    if not evaluation.realized:
        return
    changes, names = evaluation.realized_changes, _telling(evaluation, detail)
    headings = ["is", "interval", "baseline"]
    headings += ["change"] if detail.explain or not changes else []
    headings += ["outcomes"] if detail.explain else []
    table = plain_table("performance", headings)
    if changes:
        table.add_column("than the baseline", overflow="fold")
    for name in names:
        metric, reference = evaluation.realized[name], evaluation.reference.get(name)
        was = reference.value if reference is not None else None
        about = "≈ " if metric.bound else ""
        cells = {
            "is": Text(about + number(metric.value)),
            "interval": Text(_interval(metric), style="dim"),
            "baseline": Text(number(was), style="dim"),
            "change": Text(change(was, metric.value), style=_change_style(evaluation, name, was, metric.value)),
            "outcomes": Text(count(metric.rows), style="dim"),
        }
        compared = [_compared(evaluation, name, detail)] if changes else []
        table.add_row(Text(metric_title(name)), *(cells[heading] for heading in headings), *compared)
    if len(evaluation.realized) > len(names):
        table.add_row(more(len(evaluation.realized) - len(names)))
    yield table


def _telling(evaluation: Evaluation, detail: Detail) -> list[str]:
    """Return the metrics that are shown: those that stand for a model, and those that are worse than the baseline's."""
    metric_names = list(evaluation.realized)
    worse = {name for name, realized_change in evaluation.realized_changes.items() if realized_change.state == "worse"}
    first = [name for name in HEADLINES if name in metric_names][:MOST_METRICS] or metric_names[:MOST_METRICS]
    first += [beside_metric for name, beside_metric in BESIDE.items() if name in first] + ["mean_score", "actual_rate"]
    return metric_names if detail.all else [name for name in metric_names if name in first or name in worse]


_COMPARED_STYLES = {"worse": "bold red", "not_worse": "green"}


def _compared(evaluation: Evaluation, name: str, detail: Detail) -> Text:
    """Return whether a metric is worse than the baseline's; explained, with the interval of the change."""
    metric_change = evaluation.realized_changes.get(name)
    if metric_change is None:
        return Text()
    words = (
        change_words(evaluation.realized_changes, name)
        if detail.explain
        else state_word(metric_change.state, metric_change.reason)
    )
    return Text(words, style=_COMPARED_STYLES.get(metric_change.state, "dim"))


def _change_style(evaluation: Evaluation, name: str, was: float | None, now: float | None) -> str:
    """Return the colour of a change: of one that was judged its state's, else that of its direction."""
    metric_change = evaluation.realized_changes.get(name)
    return (
        change_style(name, was, now) if metric_change is None else "bold red" if metric_change.state == "worse" else ""
    )


def _interval(metric: MetricValue) -> str:
    """Return the ends of an interval, or the reason why there is none."""
    if metric.low is None or metric.high is None:
        return {"too_few_rows": "too few rows", "unreviewed": "not reviewed"}.get(metric.interval, "")
    return ends(metric.low, metric.high)


def performance_by_slice(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show the slices from the one in which the model does worst."""
    if evaluation.performance_slices:
        ranked = dict(rank_slices(evaluation.performance_slices))
        yield _slices("slice", ranked, len(ranked) if detail.all else MOST_SLICES)


def performance_by_age(evaluation: Evaluation, detail: Detail) -> Iterator[RenderableType]:
    """Show, explained, the cohorts of how long labels took to come, the youngest first, and whether they differ."""
    if detail.explain and len(evaluation.ages) > 1:
        table = _slices("label age", evaluation.ages, len(evaluation.ages))
        fast = evaluation.fast_labels
        yield table if fast is None else Group(table, Text(fast.sentence, style="dim"))


def _slices(first: str, slices: Mapping[str, SlicePerformance], most: int) -> Table:
    metric, _ = ranking_metric(slices.values())
    table = plain_table(first, ("outcomes", metric_title(metric) if metric else "", "interval"))
    for name, slice_performance in list(slices.items())[:most]:
        measured = slice_performance.metrics.get(metric)
        value, interval = (None, "") if measured is None else (measured.value, ends(measured.low, measured.high))
        table.add_row(
            Text(printable(name)),
            Text(count(slice_performance.rows), style="dim"),
            Text(number(value)),
            Text(interval, style="dim"),
        )
    if len(slices) > most:
        table.add_row(more(len(slices) - most))
    return table


def weak_slices(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show where the model does worse than elsewhere."""
    weak = evaluation.weak
    if weak is None or not weak.slices:
        return
    table = empty()
    table.add_column("weak", justify="right", no_wrap=True)
    table.add_column("where, found on one half of the rows and confirmed on the other")
    shown_slices = detail.first(weak.slices, MOST_CAUSES)
    for weak_slice in shown_slices:
        table.add_row(Text(percent(weak_slice.excess), style="bold yellow"), Text(printable(weak_slice.sentence)))
    if len(weak.slices) > len(shown_slices):
        table.add_row("", more(len(weak.slices) - len(shown_slices)))
    yield table


def fairness(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show the state of each criterion, a table for each attribute."""
    for attribute in evaluation.fairness:
        table = empty()
        table.add_column(printable(attribute.attribute), no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column(f"compared with {printable(attribute.reference) or HIGHEST}")
        shown_criteria = detail.first(attribute.criteria, MOST_FINDINGS)
        for criterion in shown_criteria:
            style = {"broken": "bold red", "met": "green"}.get(criterion.state, "yellow")
            state = Text(state_word(criterion.state), style=style)
            table.add_row(Text(state_word(criterion.name)), state, Text(printable(criterion_sentence(criterion))))
        if len(attribute.criteria) > len(shown_criteria):
            table.add_row(more(len(attribute.criteria) - len(shown_criteria)))
        yield table


def estimates(evaluation: Evaluation, detail: Detail) -> Iterator[Group]:
    """Show estimated metrics, their intervals and those of the baseline; explained, also beside outcomes."""
    known_estimates = {name: estimate for name, estimate in evaluation.estimated.items() if estimate.value is not None}
    if not known_estimates or (evaluation.realized and not detail.explain):
        return
    bounds = ("bounds",) if detail.explain else ()
    table = plain_table("estimated", ("is", "95 %", "baseline", *bounds))
    table.add_column("state", no_wrap=True)
    first = [name for name in (*HEADLINES, *known_estimates) if name in known_estimates][:MOST_METRICS]
    alerts = {name for name, estimate in known_estimates.items() if standing(estimate) not in (None, "ok")}
    names = (
        list(known_estimates) if detail.all else [name for name in known_estimates if name in first or name in alerts]
    )
    for name in names:
        estimate = known_estimates[name]
        state = standing(estimate)
        table.add_row(
            Text(metric_title(name)),
            Text(number(estimate.value)),
            Text(interval(estimate), style="dim"),
            Text(number(estimate.reference), style="dim"),
            *(Text(ends(estimate.lower_bound, estimate.upper_bound), style="dim") for _ in bounds),
            Text(state or "\N{EN DASH}", style=_STYLES.get(state or "", "dim")),
        )
    if len(known_estimates) > len(names):
        table.add_row(more(len(known_estimates) - len(names)))
    assumes = next(assumption(estimate) for estimate in evaluation.estimated.values())
    track_record = f"; {sentence(evaluation.estimated, came=realized([evaluation]))}" if detail.explain else ""
    lines = [Text(f"estimated: {assumes}{track_record}", style="dim")]
    moved = evaluation.score is not None and evaluation.score.state == "drift"  # days move scores a little, too
    shift = evaluation.label_shift
    if shift is not None and detail.explain and (moved or shift.explains == "labels"):
        lines.append(Text(printable(shift.sentence)))
    yield Group(table, *lines)


def service(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
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
    for error, calls in detail.first(list(evaluation.service.errors.items()), MOST_ERRORS):
        share = measured_text("error_rate", calls / evaluation.service.calls)
        table.add_row(Text(f"  {printable(error)}", style="dim"), Text(share), Text(), Text(count(calls), style="dim"))
    yield table
    if evaluation.service_slices:
        by_slice = plain_table("slice", ("error rate", "latency p95", "calls"))
        ranked = rank_service(evaluation.service_slices)
        for name, level in detail.first(ranked, MOST_SLICES):
            cells = (value_of_calls(metric, level.values.get(metric)) for metric in ("error_rate", "latency_p95"))
            by_slice.add_row(Text(printable(name)), *map(Text, cells), Text(count(level.calls), style="dim"))
        if len(ranked) > MOST_SLICES and not detail.all:
            by_slice.add_row(more(len(ranked) - MOST_SLICES))
        yield by_slice


def objectives(evaluation: Evaluation, detail: Detail) -> Iterator[Table]:
    """Show what came of each objective, what is broken first."""
    if not evaluation.objectives:
        return
    table = empty()
    met = sum(objective.state == "met" for objective in evaluation.objectives)
    for heading in ("objective", f"{met} of {len(evaluation.objectives)} met", ""):
        table.add_column(heading, no_wrap=not heading)
    shown_objectives = detail.first(sorted(evaluation.objectives, key=lambda objective: objective.state), MOST_FEATURES)
    for one in shown_objectives:
        style = {"broken": "bold red", "met": "green"}.get(one.state, "bold yellow" if one.overdue else "yellow")
        state = Text(objective_state(one), style=style)
        table.add_row(state, Text(printable(objective(one))), Text(printable(one.rule), style="dim"))
    if len(evaluation.objectives) > len(shown_objectives):
        table.add_row("", more(len(evaluation.objectives) - len(shown_objectives)))
    yield table


Section = Callable[[Evaluation, Detail], Iterator[RenderableType]]

BEFORE_DRIFT: tuple[Section, ...] = (performance, estimates, objectives)
"""The sections above the table of drift, in their order. One that has nothing to show yields nothing."""

AFTER_DRIFT: tuple[Section, ...] = (
    causes,
    findings,
    expectations,
    drift_by_slice,
    joint_drift,
    performance_by_slice,
    weak_slices,
    fairness,
    performance_by_age,
    service,
)
"""The sections below the table of drift."""


def mispredictions(worst: Worst) -> Table:
    """Show the worst rows, the worst first: how sure it was of what did not happen, or how far off."""
    table = plain_table("worst", ())
    of_classes = any(row.predicted is not None for row in worst.rows)
    headings = ("time", "predicted", "actual", "sure" if of_classes else "error", "trace")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("sure", "error") else "left", no_wrap=True)
    for row in worst.rows:
        actual = number(row.actual) if isinstance(row.actual, float) else row.actual or ""
        predicted = row.predicted if row.predicted is not None else number(row.score)
        time = date_label(row.time) if row.time else ""
        cells = (row.id, time, predicted, actual, number(row.loss), row.trace_id)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    if worst.wrong > len(worst.rows):
        table.add_row(Text(f"and {count(worst.wrong - len(worst.rows))} more of {count(worst.outcomes)}", style="dim"))
    return table
