"""Estimated performance: the table of estimates, how far they can be relied on, and their sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from driftline_processor.core import facts
from driftline_processor.core.estimate.track_record import LAST, standing
from driftline_processor.core.evaluation import Estimate, Evaluation, MetricValue, TrackRecord
from driftline_processor.present.metrics import HEADLINES, READ_ALONE, metric_title
from driftline_processor.present.numbers import UNKNOWN, ends, number, percent
from driftline_processor.present.sections.performance import MOST_METRICS, interval_drawing
from driftline_processor.present.sections.section import Cell, Column, Line, Row, Section, Table, Tone, row
from driftline_processor.present.sentences.register import clause
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import capital

_STANDINGS: dict[str | None, Tone] = {"ok": "good", "alert": "alert", "failed": "bad", None: "quiet"}

REASON_WORDS = {
    "too_few_rows": "no interval: too few rows or outcomes",
    "too_few_days": "no interval: the baseline has too few periods as long as the window",
    "not_comparable": "no interval: the rows differ too much from those of the baseline",
    "label_shift": "no interval: outcomes may have shifted, and not the inputs",
    "record_failed": "no interval: outcomes showed that earlier estimates were wrong",
}


ASSUMES = "P(y|x) unchanged"
"""Assumption of an estimate. A change of the relation between features and outcome violates it unnoticed."""


def estimates(
    evaluation: Evaluation, realized_metrics: Collection[str] | None = None, contradicted: Collection[str] = ()
) -> Section:
    """Lay out estimated metrics, their intervals, the baseline's, and the state of the estimates.

    Args:
        evaluation: The window.
        realized_metrics: Metrics that are realized in some window; None = those of this window.
        contradicted: Metrics whose estimate the outcomes contradict.
    """
    estimated = {name: estimate for name, estimate in evaluation.estimated.items() if estimate.value is not None}
    if not estimated:
        return Section("estimated", "Estimated performance")
    realized_metrics = metrics_with_outcomes([evaluation]) if realized_metrics is None else realized_metrics
    headlines = {name for name, estimate in estimated.items() if standing(estimate) not in (None, "ok")}
    headlines |= {*[name for name in (*HEADLINES, *estimated) if name in estimated][:MOST_METRICS]}
    headings = (
        Column("metric"),
        Column("estimate", "number"),
        Column("95 %, with the baseline as a line", "drawing", surfaces="notebook"),
        Column("95 %", "words" if any(estimate.reason for estimate in estimated.values()) else "text", spare=2),
        Column("baseline", "number", spare=1),
        Column("bounds", surfaces="page explain", spare=3),
        Column("realized", "number", surfaces="page"),
        Column("state"),
        Column("record", "words", surfaces="page"),
    )

    def line(name: str, estimate: Estimate) -> Row:
        realized = evaluation.realized.get(name)
        drawing = interval_drawing(name, estimate.value, estimate.low, estimate.high, estimate.reference)
        state = estimate_state(estimate, name in contradicted)
        return row(
            metric_title(name),
            number(estimate.value),
            Cell(drawing=drawing),
            Cell(estimate_interval(estimate), "quiet"),
            Cell(number(estimate.reference), "quiet"),
            Cell(ends(estimate.lower_bound, estimate.upper_bound) or UNKNOWN, "quiet"),
            "unknown" if realized is None else number(realized.value),
            Cell(state, _STANDINGS[standing(estimate)]),
            track_record_sentence(metric_title(name), estimate.record, name in realized_metrics),
            surfaces="" if name in headlines else "page all",
        )

    table = Table(headings, tuple(line(name, estimate) for name, estimate in estimated.items()), noun="metric")
    assumes = assumption(next(iter(evaluation.estimated.values())))
    lines = [Line(f"estimated: assumes {assumes}", "quiet", surfaces="terminal notebook")]
    if sentence := estimate_sentence(evaluation.estimated, came=realized_metrics):
        has_failed = any_record_failed(evaluation.estimated)
        lines.append(Line(sentence, "quiet", surfaces="terminal notebook" if has_failed else "explain"))
    shifted = evaluation.score is not None and evaluation.score.state == "drift"  # not mere daily variation
    shift = evaluation.label_shift
    before = []
    if shift is not None and (shifted or shift.explains == "labels"):
        before.append(Line(clause(facts.LabelShift.of(shift)), surfaces="page explain"))
    return Section(
        "estimated",
        "Estimated performance",
        (*before, table, *lines),
        note=f"without outcomes, assuming {ASSUMES}",
        surfaces="page explain" if evaluation.realized else "",
    )


def remarks(evaluation: Evaluation, windows: Sequence[Evaluation], timezone: str = "UTC") -> Section:
    """Lay out how far the estimates of a window can be relied on.

    Args:
        evaluation: The window.
        windows: Windows with the outcomes that check estimates, oldest first.
        timezone: Time zone of the model.
    """
    contradicted = contradictions(windows, evaluation, timezone)
    lines = [Line(f"{capital(text)}.", "bad") for text in contradicted.values()]
    has_failed = any_record_failed(evaluation.estimated)
    record = estimate_sentence(evaluation.estimated, came=metrics_with_outcomes(windows))
    if record and (not contradicted or has_failed):
        lines.append(Line(f"{capital(record)}.", "bad" if has_failed else "quiet", "estimate-record"))
    lines.append(Line("Estimates are valid only if the relation between inputs and outcomes is unchanged.", "quiet"))
    return Section("estimate-remarks", "Estimates", tuple(lines))


def assumption(estimate: Estimate) -> str:
    """Return the assumption of an estimate; that of a label shift method is an unchanged P(x|y)."""
    return "P(x|y) unchanged" if estimate.method == "label_shift" else ASSUMES


def estimate_interval(estimate: Estimate) -> str:
    """Return the expected range of the realized value, or why it is unknown.

    >>> from msgspec.structs import replace
    >>> sure = Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe")
    >>> estimate_interval(sure), estimate_interval(replace(sure, low=None, high=None, reason="too_few_rows"))
    ('0.8 to 1', 'no interval: too few rows or outcomes')
    """
    if estimate.reason is not None:
        return REASON_WORDS[estimate.reason]
    return ends(estimate.low, estimate.high)


def track_record_sentence(metric: str, record: TrackRecord, came: bool = False) -> str:
    """Return the track record of a metric's estimates; ``came``: the metric is realized in some window.

    >>> track_record_sentence("accuracy", TrackRecord("failed", 5, 4, 0.2, -0.1))
    'estimates of accuracy were wrong in 4 of the last 5 windows with outcomes; outcomes showed 0.1 less on average'
    """
    if not record.windows or record.mean_error is None:
        if came:
            return f"the outcomes that arrived are too few or not final, so the estimate of {metric} is not checked yet"
        return f"no outcome has arrived yet to check the estimate of {metric}"
    side = "more" if record.mean_error > 0 else "less"
    off = f"outcomes showed {number(abs(record.mean_error))} {side} on average"
    many = record.windows > 1
    windows = f"of the last {record.windows} windows with outcomes" if many else "the only window with outcomes"
    if record.state == "failed":
        return f"estimates of {metric} were wrong in {f'{record.missed} ' if many else ''}{windows}; {off}"
    share = (f"{percent(record.inside)} " if record.inside else "none ") if many else ""
    lay = "lay" if many or record.inside else "did not lie"
    return f"the actual {metric} {lay} within the estimate's interval in {share}{windows}; {off}"


def estimate_sentence(estimated: Mapping[str, Estimate], name: str = "", came: Iterable[str] = ()) -> str:
    """Return the most important sentence about a window's estimates; "" without estimates.

    Args:
        estimated: Metric → its estimate.
        name: The metric of the sentence; "" = a primary metric.
        came: Metrics that are realized in some window.
    """
    chosen = name or next((one for one in READ_ALONE if one in estimated), next(iter(estimated), ""))
    if chosen not in estimated:
        return ""
    failed = [name for name, one in estimated.items() if one.record.state == "failed"]
    if failed:
        first = chosen if chosen in failed else failed[0]
        return f"do not rely on the estimate: {track_record_sentence(metric_title(first), estimated[first].record)}"
    return track_record_sentence(metric_title(chosen), estimated[chosen].record, chosen in came)


def metrics_with_outcomes(evaluations: Iterable[Evaluation]) -> set[str]:
    """Return the metrics that are realized in any of the windows."""
    return {
        name for evaluation in evaluations for name, metric in evaluation.realized.items() if metric.value is not None
    }


def contradictions(evaluations: Sequence[Evaluation], chosen: Evaluation, timezone: str = "UTC") -> dict[str, str]:
    """Return the metrics whose estimate the outcomes contradict: the two intervals of one window do not overlap.

    Outcomes that are not final count here, but not in the track record.

    Args:
        evaluations: Windows, oldest first.
        chosen: The selected window; later and much older windows are ignored.
        timezone: Time zone of the model.

    Returns:
        Metric → a sentence about the newest contradicting window.
    """
    recent = [evaluation for evaluation in evaluations if evaluation.window.start <= chosen.window.start][-LAST:]
    contradicted: dict[str, str] = {}
    for one in recent:
        for name, estimate in one.estimated.items():
            metric = one.realized.get(name)
            gap = None if metric is None or name not in chosen.estimated else _intervals_apart(estimate, metric)
            if metric is not None and gap:
                final = "" if one.maturity == "mature" else ", which is not final,"
                contradicted[name] = (
                    f"outcomes contradict the estimate of {metric_title(name)}: {number(metric.value)}{final} was "
                    f"realized in the window of {window_name(one.window, timezone)}, where "
                    f"{estimate_interval(estimate)} was estimated"
                )
            elif gap is False:
                contradicted.pop(name, None)  # the newest window decides
    return contradicted


def _intervals_apart(estimate: Estimate, metric: MetricValue) -> bool | None:
    """Return whether two intervals do not overlap, None if one is unknown."""
    if estimate.low is None or estimate.high is None or metric.low is None or metric.high is None:
        return None
    return metric.high < estimate.low or metric.low > estimate.high


def any_record_failed(estimated: Mapping[str, Estimate]) -> bool:
    """Return True if the track record of any estimate failed."""
    return any(estimate.record.state == "failed" for estimate in estimated.values())


def estimate_state(estimate: Estimate, contradicted: bool = False) -> str:
    """Return the state of an estimate in words; ``contradicted``: by outcomes, see :func:`contradictions`.

    >>> estimate_state(Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe"))
    'beyond the bounds'
    """
    if contradicted:
        return "contradicted by outcomes"
    words = {"ok": "within the bounds", "alert": "beyond the bounds", "failed": "failed", None: "no bounds"}
    return words[standing(estimate)]
