"""Estimates in sentences: their interval, standing and track record."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from driftline_processor.core.estimate.track_record import standing
from driftline_processor.core.evaluation import Estimate, TrackRecord

UNSURE_WORDS = {
    "too_few": "no interval: too few rows or outcomes",
    "unlike": "no interval: the rows are too unlike the baseline's",
}

HEADLINES = ("accuracy", "roc_auc", "log_loss", "f1", "mae", "rmse")
"""The metrics that a sentence is about: the first of them that there is."""


def interval(estimate: Estimate, number: Callable[[float | None], str]) -> str:
    """Say between which values the realized one should lie, or why nobody knows.

    >>> from dataclasses import replace
    >>> sure = Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe")
    >>> interval(sure, str), interval(replace(sure, low=None, high=None, unsure="too_few"), str)
    ('0.8 to 1.0', 'no interval: too few rows or outcomes')
    """
    if estimate.unsure is not None:
        return UNSURE_WORDS[estimate.unsure]
    return "" if estimate.low is None or estimate.high is None else f"{number(estimate.low)} to {number(estimate.high)}"


def told(metric: str, record: TrackRecord) -> str:
    """Say what came of the estimates of a metric when labels arrived.

    >>> told("accuracy", TrackRecord("failed", 5, 4, 0.2, -0.1))
    'accuracy was estimated wrong: 4 of the last 5 windows with outcomes were missed; it was 0.1 lower on average'
    """
    if not record.windows or record.mean_error is None:
        return f"no outcome has shown yet whether estimates of {metric} are right"
    side = "higher" if record.mean_error > 0 else "lower"
    off = f"it was {abs(record.mean_error):.3g} {side} on average"
    many = record.windows > 1
    windows = f"the last {record.windows} windows with outcomes" if many else "the one window with outcomes"
    if record.state == "failed":
        return f"{metric} was estimated wrong: {record.missed} of {windows} were missed; {off}"
    share = f"{record.inside:.0%}" if record.inside is not None else "none"
    return f"{metric} lay within its estimate's interval in {share} of {windows}; {off}"


def sentence(estimated: Mapping[str, Estimate], name: str = "") -> str:
    """Say of a window what matters most about its estimates; "" without any. ``name``: the metric, else a headline."""
    chosen = name or next((one for one in HEADLINES if one in estimated), next(iter(estimated), ""))
    if chosen not in estimated:
        return ""
    failed = [name for name, one in estimated.items() if one.record.state == "failed"]
    if failed:
        first = chosen if chosen in failed else failed[0]
        return f"the estimate failed: {told(first, estimated[first].record)}"
    return told(chosen, estimated[chosen].record)


def failed(estimated: Mapping[str, Estimate]) -> bool:
    """Say whether outcomes have shown of any estimate that it is wrong."""
    return any(one.record.state == "failed" for one in estimated.values())


def state(estimate: Estimate) -> str:
    """Say the standing of an estimate.

    >>> state(Estimate(0.9, 0.8, 1.0, 0.05, 0.92, 0.98, True, 500, "panes", "cbpe"))
    'beyond the bounds'
    """
    said = {"ok": "within the bounds", "alert": "beyond the bounds", "failed": "failed", None: "no bounds known"}
    return said[standing(estimate)]
