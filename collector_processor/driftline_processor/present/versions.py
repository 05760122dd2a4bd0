"""Sentences on the comparison of two versions."""

from __future__ import annotations

from typing import Final

from driftline_processor.core.versions.side_by_side import SideBySide

from .numbers import count, many, number, percent
from .sentences.register import clause

LOSS_WORDS: Final = {
    "error": "error rate",
    "brier": "Brier score",
    "log_loss": "log loss",
    "absolute_error": "mean absolute error",
    "squared_error": "mean squared error",
    "cost_per_prediction": "cost per prediction",
}


def mean_loss(loss: str, value: float | None) -> str:
    """Return a mean loss; error rates as a percentage.

    >>> mean_loss("error", 0.2), mean_loss("brier", 0.16251), mean_loss("error", None)
    ('20 %', '0.1625', 'unknown')
    """
    return "unknown" if value is None else (percent if loss == "error" else number)(value)


def ends_of_difference(loss: str, low: float | None, high: float | None) -> str:
    """Return the signed ends of a difference's interval; error rates in percentage points.

    >>> ends_of_difference("error", 0.012, 0.0731), ends_of_difference("brier", None, None)
    ('+1.2 to +7.31 points', 'unknown')
    """
    if low is None and high is None:
        return "unknown"
    scale, unit = (100, " points") if loss == "error" else (1, "")
    return " to ".join("?" if end is None else f"{end * scale:+.3g}" for end in (low, high)) + unit


def about(rows: int) -> int:
    """Return an estimated number of rows with two digits, rounded up.

    >>> about(14_791), about(99)
    (15000, 99)
    """
    unit = int(10 ** max(len(str(rows)) - 2, 0))
    return -(-rows // unit) * unit


def sentence(side_by_side: SideBySide) -> str:
    """Return the comparison of a challenger and its basis."""
    name, champion = (
        f"version {difference.name}" if difference.name else "the version without a name"
        for difference in (side_by_side.challenger, side_by_side.champion)
    )
    difference = side_by_side.decides
    if difference is None:
        return f"{name} cannot be compared with {champion}: {clause(side_by_side.reason)}"
    verdict_words = {
        "worse": "is worse than",
        "better": "is better than",
        "inconclusive": "cannot be distinguished from",
    }[difference.verdict]
    yet_words = " yet" if difference.verdict == "inconclusive" else ""
    rows = many(difference.rows, "request") + (" that both scored" if difference.paired else "")
    loss = LOSS_WORDS.get(difference.loss, difference.loss)
    challenger_loss, champion_loss = (
        mean_loss(difference.loss, v) for v in (difference.challenger, difference.champion)
    )
    words = (
        f"{name} {verdict_words} {champion}{yet_words}: {loss} {challenger_loss} against {champion_loss} in {rows}, "
        f"a difference of {ends_of_difference(difference.loss, difference.low, difference.high)}"
    )
    if difference.rows_needed is not None:
        words += f"; at this rate about {count(about(difference.rows_needed))} requests are needed to decide"
    return words
