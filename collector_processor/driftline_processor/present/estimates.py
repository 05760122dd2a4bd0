"""Estimates in sentences: interval, state and track record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from driftline_processor.core.estimate.track_record import LAST, standing
from driftline_processor.core.evaluation import Estimate, Evaluation, MetricValue, TrackRecord
from driftline_processor.present.metrics import READ_ALONE, metric_title

from .numbers import ends, number, percent
from .times import window_name

REASON_WORDS = {
    "too_few_rows": "no interval: too few rows or outcomes",
    "not_comparable": "no interval: the rows differ too much from those of the baseline",
    "label_shift": "no interval: outcomes may have shifted, and not the inputs",
}


ASSUMES = "P(y|x) unchanged"
"""Assumption of an estimate. A change of the relation between features and outcome violates it unnoticed."""


def assumption(estimate: Estimate) -> str:
    """Return the assumption of an estimate; that of a label shift method is an unchanged P(x|y)."""
    return "P(x|y) unchanged" if estimate.method == "label_shift" else ASSUMES


def interval(estimate: Estimate) -> str:
    """Return the expected range of the realized value, or why it is unknown.

    >>> from msgspec.structs import replace
    >>> sure = Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe")
    >>> interval(sure), interval(replace(sure, low=None, high=None, reason="too_few_rows"))
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
    return f"the {metric} that outcomes showed {lay} within the estimate's interval in {share}{windows}; {off}"


def sentence(estimated: Mapping[str, Estimate], name: str = "", came: Iterable[str] = ()) -> str:
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


def realized(evaluations: Iterable[Evaluation]) -> set[str]:
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
                    f"realized in the window of {window_name(one.window, timezone)}, where {interval(estimate)} "
                    "was estimated"
                )
            elif gap is False:
                contradicted.pop(name, None)  # the newest window decides
    return contradicted


def _intervals_apart(estimate: Estimate, metric: MetricValue) -> bool | None:
    """Return whether two intervals do not overlap, None if one is unknown."""
    if estimate.low is None or estimate.high is None or metric.low is None or metric.high is None:
        return None
    return metric.high < estimate.low or metric.low > estimate.high


def failed(estimated: Mapping[str, Estimate]) -> bool:
    """Return True if the track record of any estimate failed."""
    return any(estimate.record.state == "failed" for estimate in estimated.values())


def state(estimate: Estimate, contradicted: bool = False) -> str:
    """Return the state of an estimate in words; ``contradicted``: by outcomes, see :func:`contradictions`.

    >>> state(Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe"))
    'beyond the bounds'
    """
    if contradicted:
        return "contradicted by outcomes"
    words = {"ok": "within the bounds", "alert": "beyond the bounds", "failed": "failed", None: "no bounds"}
    return words[standing(estimate)]
