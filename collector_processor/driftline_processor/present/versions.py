"""Two versions in sentences."""

from __future__ import annotations

from typing import Final

from driftline_processor.core.versions.comparison import Comparison
from driftline_processor.core.versions.side_by_side import SideBySide

LOSS_WORDS: Final = {
    "error": "error rate",
    "brier": "Brier score",
    "log_loss": "log loss",
    "absolute_error": "mean absolute error",
    "squared_error": "mean squared error",
    "cost_per_prediction": "cost per prediction",
}

VERDICT_WORDS: Final = {"worse": "worse", "better": "better", "not_yet": "not yet"}


def value(loss: str, number: float | None) -> str:
    """Return a mean loss for people, error rates in percent.

    >>> value("error", 0.2), value("brier", 0.16251), value("error", None)
    ('20 %', '0.1625', 'unknown')
    """
    if number is None:
        return "unknown"
    return f"{number * 100:.3g} %" if loss == "error" else f"{number:.4g}"


def interval(one: Comparison) -> str:
    """Return the interval of a difference, signed; error rates in percentage points."""
    return ends(one.loss, one.low, one.high)


def ends(loss: str, low: float | None, high: float | None) -> str:
    """Return the ends of an interval.

    >>> ends("error", 0.012, 0.0731), ends("brier", None, None)
    ('+1.2 to +7.31 points', 'unknown')
    """
    if low is None and high is None:
        return "unknown"
    scale, unit = (100, " points") if loss == "error" else (1, "")
    return " to ".join("?" if end is None else f"{end * scale:+.3g}" for end in (low, high)) + unit


def about(rows: int) -> int:
    """Return a number of rows with two digits, rounded up: it is a guess.

    >>> about(14_791), about(99)
    (15000, 99)
    """
    unit = int(10 ** max(len(str(rows)) - 2, 0))
    return -(-rows // unit) * unit


def sentence(found: SideBySide) -> str:
    """Say what is known of a challenger, and what it rests on."""
    name, champion = (f"version {one.name}" if one.name else "no version" for one in (found.challenger, found.champion))
    one = found.decides
    if one is None:
        return f"{name} cannot be compared with {champion}: {found.reason}"
    told = {"worse": "is worse than", "better": "is better than", "not_yet": "cannot be told from"}[one.verdict]
    yet = " yet" if one.verdict == "not_yet" else ""
    rows = f"{one.rows:,} requests that both scored" if one.paired else f"{one.rows:,} requests"
    loss = LOSS_WORDS.get(one.loss, one.loss)
    said = (
        f"{name} {told} {champion}{yet}: {loss} {value(one.loss, one.challenger)} against "
        f"{value(one.loss, one.champion)} in {rows}, a difference of {interval(one)}"
    )
    if one.rows_needed is not None:
        said += f"; if it goes on like this, about {about(one.rows_needed):,} requests will tell"
    return said
