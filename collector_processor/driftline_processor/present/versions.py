"""Two versions in sentences, and the cells of their table."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from driftline_processor.core.versions.comparison import Comparison
from driftline_processor.core.versions.side_by_side import SideBySide

from .numbers import count, many, number, percent
from .sentences.catalogue import clause

LOSS_WORDS: Final = {
    "error": "error rate",
    "brier": "Brier score",
    "log_loss": "log loss",
    "absolute_error": "mean absolute error",
    "squared_error": "mean squared error",
    "cost_per_prediction": "cost per prediction",
}

VERDICT_WORDS: Final = {"worse": "worse", "better": "better", "inconclusive": "inconclusive"}


def mean_loss(loss: str, value: float | None) -> str:
    """Write a mean loss, error rates in percent.

    >>> mean_loss("error", 0.2), mean_loss("brier", 0.16251), mean_loss("error", None)
    ('20 %', '0.1625', 'unknown')
    """
    return "unknown" if value is None else (percent if loss == "error" else number)(value)


def ends(loss: str, low: float | None, high: float | None) -> str:
    """Return the ends of the interval of a difference, signed; error rates in percentage points.

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


def sentence(side_by_side: SideBySide) -> str:
    """Say what is known of a challenger, and what it rests on."""
    name, champion = (
        f"version {difference.name}" if difference.name else "the version without a name"
        for difference in (side_by_side.challenger, side_by_side.champion)
    )
    difference = side_by_side.decides
    if difference is None:
        return f"{name} cannot be compared with {champion}: {clause(side_by_side.reason)}"
    verdict_words = {"worse": "is worse than", "better": "is better than", "inconclusive": "cannot be told from"}[
        difference.verdict
    ]
    yet_words = " yet" if difference.verdict == "inconclusive" else ""
    rows = many(difference.rows, "request") + (" that both scored" if difference.paired else "")
    loss = LOSS_WORDS.get(difference.loss, difference.loss)
    challenger_loss, champion_loss = (
        mean_loss(difference.loss, v) for v in (difference.challenger, difference.champion)
    )
    said = (
        f"{name} {verdict_words} {champion}{yet_words}: {loss} {challenger_loss} against {champion_loss} in {rows}, "
        f"a difference of {ends(difference.loss, difference.low, difference.high)}"
    )
    if difference.rows_needed is not None:
        said += f"; at this rate about {count(about(difference.rows_needed))} requests are needed to decide"
    return said


class ComparisonCells(Struct, frozen=True):
    """A comparison as a line of the page. ``state``: its colour."""

    loss: str
    champion: str
    challenger: str
    difference: str
    verdict: str
    state: str
    rows: str


def comparison_cells(side_by_side: SideBySide) -> list[ComparisonCells]:
    """Return a line for each loss, the one that decides first."""
    return [_cells(comparison) for comparison in side_by_side.comparisons.values()]


def _cells(comparison: Comparison) -> ComparisonCells:
    rows = f"{count(comparison.rows)} {'of both' if comparison.paired else 'in all'}"
    if comparison.rows_needed is not None:
        rows += f", about {count(about(comparison.rows_needed))} needed"
    state = {"worse": "drift", "better": "ok", "inconclusive": "inconclusive"}[comparison.verdict]
    return ComparisonCells(
        LOSS_WORDS.get(comparison.loss, comparison.loss),
        mean_loss(comparison.loss, comparison.champion),
        mean_loss(comparison.loss, comparison.challenger),
        ends(comparison.loss, comparison.low, comparison.high),
        VERDICT_WORDS[comparison.verdict],
        state,
        rows,
    )
