"""Estimates in sentences: their interval, standing and track record."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.estimate.track_record import standing
from driftline_processor.core.evaluation import Estimate, TrackRecord

from .numbers import ends, number, percent
from .titles import READ_ALONE, metric_title

UNSURE_WORDS = {
    "too_few": "no interval: too few rows or outcomes",
    "unlike": "no interval: the rows differ too much from those of the baseline",
    "label_shift": "no interval: outcomes may have shifted, and not the inputs",
}


def interval(estimate: Estimate) -> str:
    """Say between which values the realized one should lie, or why nobody knows.

    >>> from dataclasses import replace
    >>> sure = Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe")
    >>> interval(sure), interval(replace(sure, low=None, high=None, unsure="too_few"))
    ('0.8 to 1', 'no interval: too few rows or outcomes')
    """
    if estimate.unsure is not None:
        return UNSURE_WORDS[estimate.unsure]
    return ends(estimate.low, estimate.high)


def told(metric: str, record: TrackRecord) -> str:
    """Say what came of the estimates of a metric when labels arrived.

    >>> told("accuracy", TrackRecord("failed", 5, 4, 0.2, -0.1))
    'estimates of accuracy were wrong in 4 of the last 5 windows with outcomes; outcomes showed 0.1 less on average'
    """
    if not record.windows or record.mean_error is None:
        return f"no outcome has come yet to check the estimate of {metric}"
    side = "more" if record.mean_error > 0 else "less"
    off = f"outcomes showed {number(abs(record.mean_error))} {side} on average"
    many = record.windows > 1
    windows = f"the last {record.windows} windows with outcomes" if many else "the one window with outcomes"
    if record.state == "failed":
        return f"estimates of {metric} were wrong in {record.missed} of {windows}; {off}"
    share = percent(record.inside) if record.inside else "none"
    return f"the {metric} that outcomes showed lay within the estimate's interval in {share} of {windows}; {off}"


def sentence(estimated: Mapping[str, Estimate], name: str = "") -> str:
    """Say of a window what matters most about its estimates; "" without any. ``name``: the metric, else a headline."""
    chosen = name or next((one for one in READ_ALONE if one in estimated), next(iter(estimated), ""))
    if chosen not in estimated:
        return ""
    failed = [name for name, one in estimated.items() if one.record.state == "failed"]
    if failed:
        first = chosen if chosen in failed else failed[0]
        return f"do not rely on the estimate: {told(metric_title(first), estimated[first].record)}"
    return told(metric_title(chosen), estimated[chosen].record)


def failed(estimated: Mapping[str, Estimate]) -> bool:
    """Return True where outcomes have shown of any estimate that it is wrong."""
    return any(one.record.state == "failed" for one in estimated.values())


def state(estimate: Estimate) -> str:
    """Say the standing of an estimate.

    >>> state(Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe"))
    'beyond the bounds'
    """
    said = {"ok": "within the bounds", "alert": "beyond the bounds", "failed": "failed", None: "no bounds known"}
    return said[standing(estimate)]
