"""Sections on performance: realized and estimated metrics, objectives, slices, groups, and service calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from driftline_processor.core.evaluation import (
    Evaluation,
    FastLabels,
    MetricChange,
    MetricValue,
    ObjectiveState,
    ServiceLevel,
    SlicePerformance,
    WeakSearch,
)
from driftline_processor.core.performance.mispredictions import Misprediction, Worst
from driftline_processor.core.performance.slices import rank_slices, ranking_metric
from driftline_processor.present.metrics import (
    BESIDE,
    HEADLINES,
    SOURCE_WORDS,
    ends_of_calls,
    in_shares,
    metric_names,
    metric_text,
    metric_title,
    rank_service,
    service_title,
    value_of_calls,
)
from driftline_processor.present.numbers import UNKNOWN, count, ends, exact_to, finite, many, number, percent
from driftline_processor.present.sections.section import (
    Cell,
    Column,
    Interval,
    Line,
    Row,
    Section,
    Table,
    Tone,
    first_rows,
    row,
)
from driftline_processor.present.sentences.outcomes import fast_labels_sentence, weak_slice_sentence
from driftline_processor.present.sentences.window import change_words, effective, interval
from driftline_processor.present.sentences.window import objective as objective_sentence
from driftline_processor.present.states import objective_state, rank_objective
from driftline_processor.present.times import date_label
from driftline_processor.present.wording import capital, short

MOST_METRICS = 3
"""Number of metrics that are shown besides degraded ones."""

MOST_SLICES = 5

_CHANGES: dict[str, Tone] = {"worse": "bad", "not_worse": "good"}
JUDGEMENTS: dict[str, Tone] = {"broken": "bad", "met": "good", "inconclusive": "warn"}
_SERVICE_METRICS = ("error_rate", "latency_p95")


def performance(evaluation: Evaluation) -> Section:
    """Lay out the metrics next to the baseline's, and whether they are worse."""
    if not evaluation.realized:
        return Section("performance", "Performance")
    changes = evaluation.realized_changes
    headings = (
        Column("metric"),
        Column("value", "number"),
        Column("interval, with the baseline as a line", "drawing", surfaces="notebook"),
        Column("interval", surfaces="page"),
        Column("interval", surfaces="terminal notebook", spare=3),
        Column("baseline", "number", spare=2),
        Column("compared with the baseline", surfaces="" if changes else "page", spare=1),
        Column("rows", "number", surfaces="page explain", spare=4),
        Column("from", surfaces="page"),
    )
    headlines = _shown_metrics(evaluation.realized, changes)

    def line(name: str) -> Row:
        metric, reference = evaluation.realized[name], evaluation.reference.get(name)
        was = None if reference is None else reference.value
        change = changes.get(name)
        exact = f"({exact_to(metric.bound)})" if metric.bound and metric.value is not None else ""
        return row(
            metric_title(name),
            Cell(number(metric.value), note=exact),
            Cell(drawing=interval_drawing(name, metric.value, metric.low, metric.high, was)),
            interval(metric),
            Cell(ends(metric.low, metric.high) or interval(metric), "quiet"),
            Cell(number(was), "quiet"),
            Cell(change_words(changes, name), _CHANGES.get(change.state, "quiet") if change else ""),
            Cell(f"{count(metric.rows)}{effective(metric)}", "quiet"),
            SOURCE_WORDS[metric.source],
            surfaces="" if name in headlines else "page all top",
        )

    table = Table(headings, tuple(map(line, metric_names(evaluation.realized))), noun="metric")
    return Section("performance", "Performance", (table,), note=f"from {many(evaluation.outcome_rows, 'outcome')}")


def _shown_metrics(metrics: Collection[str], changes: Mapping[str, MetricChange]) -> set[str]:
    """Return the primary metrics and those that are worse than the baseline's."""
    headlines = [name for name in HEADLINES if name in metrics][:MOST_METRICS] or list(metrics)[:MOST_METRICS]
    pairs = {pair for name, pair in BESIDE.items() if name in headlines}
    worse = {name for name, change in changes.items() if change.state == "worse"}
    return {*headlines, *pairs, "mean_score", "actual_rate", *worse}


def interval_drawing(
    name: str, value: float | None, low: float | None, high: float | None, usual: float | None
) -> Interval | None:
    """Return a value in its interval on the axis of its unit: from 0 to 1 for a fraction."""
    value, low, high, usual = map(finite, (value, low, high, usual))
    if value is None:
        return None
    return Interval(
        value, low, high, usual, *((0.0, 1.0) if in_shares(name) else _axis((value, low, high, usual), 0.15))
    )


def _axis(values: Iterable[float | None], room: float = 0.0) -> tuple[float, float]:
    """Return an axis of positive length that contains all values, extended at each end by a fraction of its length."""
    numbers = [value for value in map(finite, values) if value is not None]
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    if high / 2 - low / 2 <= 0:  # divided by two first, so that no difference overflows
        return low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2)
    return low - room * (high - low), high + room * (high - low)


def objectives(evaluation: Evaluation, timezone: str = "UTC") -> Section:
    """Lay out the results of the objectives, broken ones first."""
    headings = (Column("state"), Column("objective", term="objective"), Column("measured"))
    rows = first_rows(
        (_objective(objective, timezone) for objective in sorted(evaluation.objectives, key=rank_objective)), 10
    )
    return Section("objectives", "Objectives", (Table(headings, rows),) if rows else ())


def _objective(objective: ObjectiveState, timezone: str) -> Row:
    tone: Tone = "bad" if objective.overdue else JUDGEMENTS[objective.state]
    return row(Cell(objective_state(objective), tone), short(objective.rule), objective_sentence(objective, timezone))


def slices(evaluation: Evaluation) -> Section:
    """Lay out the performance of each slice, the worst first."""
    ranked = rank_slices(evaluation.performance_slices)
    if not ranked:
        return Section("performance-slices", "Performance by slice")
    table = _slices("slice, the worst first", ranked, evaluation, linked=True)
    return Section("performance-slices", "Performance by slice", (table,), "slice")


def label_age(evaluation: Evaluation) -> Section:
    """Lay out the cohorts by label delay, the fastest first, and whether they differ."""
    if len(evaluation.ages) < 2:
        return Section("label-age", "Label age")
    lines = () if evaluation.fast_labels is None else (early_outcomes(evaluation.fast_labels),)
    table = _slices("known after", list(evaluation.ages.items()), evaluation, linked=False)
    return Section("label-age", "Label age", (*lines, table), surfaces="page explain")


def early_outcomes(fast_labels: FastLabels, surfaces: str = "") -> Line:
    """Lay out whether early and late outcomes differ."""
    tone: Tone = "bad" if fast_labels.differ else "quiet"
    return Line(f"{capital(fast_labels_sentence(fast_labels))}.", tone, "fast-labels", surfaces)


def _slices(first: str, ranked: list[tuple[str, SlicePerformance]], evaluation: Evaluation, *, linked: bool) -> Table:
    metric = ranking_metric(part for _, part in ranked)[0]
    all_rows_metric = evaluation.realized.get(metric)
    measured = [all_rows_metric, *(part.metrics.get(metric) for _, part in ranked)]
    start, end = _axis(
        value
        for metric_value in measured
        if metric_value is not None
        for value in (metric_value.value, metric_value.low, metric_value.high)
    )
    usual = None if all_rows_metric is None else finite(all_rows_metric.value)
    all_rows = f", {metric_text(metric, usual)}" if all_rows_metric is not None else ""
    headings = (
        Column(first),
        Column(metric_title(metric) if metric else "metric", "number"),
        Column("", "drawing", surfaces="page", note=f"compared with all rows{all_rows}"),
        Column("interval", term="interval", surfaces="page"),
        Column("interval", surfaces="terminal notebook", spare=2),
        Column("outcomes", "number", term="outcome", spare=1),
        Column("fraction of predictions with an outcome", "number", surfaces="page"),
    )

    def line(name: str, part: SlicePerformance) -> Row:
        metric_value = part.metrics.get(metric)
        low, high = (None, None) if metric_value is None else (finite(metric_value.low), finite(metric_value.high))
        value = None if metric_value is None else finite(metric_value.value)
        return row(
            Cell(short(name), link=("slice", name) if linked else ("", "")),
            metric_text(metric, value),
            Cell(drawing=Interval(value, low, high, usual, start, end)),
            UNKNOWN if metric_value is None or metric_value.low is None else interval(metric_value),
            Cell(ends(low, high), "quiet"),
            Cell(count(part.rows), "quiet"),
            percent(min(1.0, part.rows / part.predictions)) if part.predictions else UNKNOWN,
        )

    rows = (line(name, part) for name, part in ranked)
    return Table(headings, first_rows(rows, MOST_SLICES) if linked else tuple(rows), 20 if linked else 0, "slice")


def weak_slices(weak: WeakSearch | None, *, searched: bool = False) -> Section:
    """Lay out the weak slices; ``searched``: the search was requested, so an empty result is shown, too."""
    parts: tuple[Line | Table, ...] = ()
    if weak is not None and weak.slices:
        headings = (
            Column("added errors", "number"),
            Column("slice, found in one half of the rows; loss in the other half", "words"),
        )
        rows = (
            row(Cell(percent(weak_slice.excess), "alert"), weak_slice_sentence(weak_slice))
            for weak_slice in weak.slices
        )
        parts = (Table(headings, first_rows(rows, 3), noun="slice"),)
    elif searched and weak is not None:
        sentence = (
            f"No weak slice was confirmed in {many(weak.rows)} with an outcome, by {many(weak.features, 'feature')}."
        )
        parts = (Line(sentence, "quiet"),)
    elif searched:
        needs = "it needs a baseline, stored features, and enough outcomes of these rows"
        parts = (Line(f"A search for weak slices is not possible: {needs}.", "quiet"),)
    return Section("weak-slices", "Weak slices", parts)


def service(evaluation: Evaluation) -> Section:
    """Lay out latency and failures of the service, for all calls and the worst slices."""
    level = evaluation.service
    if level is None:
        return Section("service", "Service")
    headings = (
        Column(f"of {many(level.calls, 'call')}"),
        Column("value", "number"),
        Column("interval", term="interval"),
        Column("calls", "number"),
    )
    rows = [row(*_measured_calls(metric, measured)) for metric, measured in level.values.items()]
    errors = (
        row(Cell(short(error, 120), "bad"), "failed", "", Cell(count(calls), "quiet"))
        for error, calls in level.errors.items()
    )
    tables = [Table(headings, (*rows, *first_rows(errors, 3)))]
    if evaluation.service_slices:
        by_slice = (
            Column("slice, the highest error rate first"),
            Column("error rate", "number", term="error rate"),
            Column("latency p95", "number", term="latency"),
            Column("calls", "number"),
        )
        ranked = (_calls_of_slice(name, slice_level) for name, slice_level in rank_service(evaluation.service_slices))
        tables.append(Table(by_slice, first_rows(ranked, MOST_SLICES), noun="slice"))
    return Section("service", "Service", tuple(tables))


def _measured_calls(metric: str, measured: MetricValue) -> tuple[Cell | str, ...]:
    cells = (Cell(ends_of_calls(metric, measured), "quiet"), Cell(count(measured.rows), "quiet"))
    return service_title(metric), value_of_calls(metric, measured), *cells


def _calls_of_slice(name: str, level: ServiceLevel) -> Row:
    values = (value_of_calls(metric, level.values.get(metric)) for metric in _SERVICE_METRICS)
    return row(short(name), *values, Cell(count(level.calls), "quiet"))


def worst_rows(worst: Worst, timezone: str = "UTC", *, with_scores: bool = False) -> Section:
    """Lay out the worst rows, the worst first: the confidence in the wrong class, or the error.

    ``with_scores``: the score follows the predicted class.
    """
    of_classes = any(misprediction.predicted is not None for misprediction in worst.rows)
    size = Column("loss", "number", "loss") if of_classes else Column("error", "number")
    predicted, actual = (Column(term, term=term) for term in ("predicted", "actual"))
    headings = (Column("prediction"), Column("time"), predicted, actual, size, Column("trace"))
    rows = tuple(_worst_row(misprediction, timezone, with_scores=with_scores) for misprediction in worst.rows)
    more = worst.wrong - len(worst.rows)
    lines = (Line(f"and {count(more)} more of {count(worst.outcomes)}", "quiet", surfaces="terminal"),)
    return Section("worst", "Worst predictions", (Table(headings, rows), *(lines if more > 0 else ())) if rows else ())


def _worst_row(misprediction: Misprediction, timezone: str, *, with_scores: bool) -> Row:
    actual, id = misprediction.actual, misprediction.id
    score = f"({number(misprediction.score)})" if with_scores and misprediction.score is not None else ""
    return row(
        Cell(short(id, 48), link=("prediction", id)) if id else "no id",
        date_label(misprediction.time, timezone) if misprediction.time else "",
        number(misprediction.score)
        if misprediction.predicted is None
        else Cell(short(misprediction.predicted, 40), note=score),
        number(actual) if isinstance(actual, float) else short(actual or "", 40),
        number(misprediction.loss),
        Cell(misprediction.trace_id, link=("trace", f"{misprediction.trace_id} {misprediction.span_id}")),
        anchor=("row", id),
    )
