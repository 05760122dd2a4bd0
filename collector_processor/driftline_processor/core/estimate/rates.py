"""What a score came to in the reference, bin by bin of the fixed grid: the chance that a row is positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from driftline.bins import SCORE_BINS
from driftline.pane import Pane
from driftline.redrawn import Redrawn, redrawn
from driftline.rising import Steps
from driftline.tables import F64


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """``rate``: float64 (SCORE_BINS,), the chance of each bin, rising with the score. ``again``: how far off it may be.

    ``rows``: float64 (SCORE_BINS,), the (effective) rows of each. ``rarer``: of all, those of the rarer class.
    """

    rate: F64
    again: Redrawn
    rows: F64
    rarer: float


def rates_of(pane: Pane) -> Rates | None:
    """Learn the rates of a pane with outcomes by weighted isotonic regression; None with fewer than 30 of a class.

    >>> negative, positive = np.zeros((2, SCORE_BINS))
    >>> negative[[2000, 2100]], positive[[2000, 2100]] = [60, 20], [20, 60]
    >>> found = rates_of(Pane({"score_negative": negative, "score_positive": positive}))
    >>> found.rate[[1999, 2000, 2050, 2100]].tolist()
    [0.25, 0.25, 0.25, 0.75]
    """
    negative, positive = (pane.parts.get(f"score_{side}") for side in ("negative", "positive"))
    if negative is None or positive is None or (learned := Steps.of(negative, positive)) is None:
        return None
    worth = weight_per_row(pane, "outcomes")
    sides = negative / worth, positive / worth
    return Rates(learned.rates(), redrawn(*sides), sides[0] + sides[1], float(min(side.sum() for side in sides)))


def weight_per_row(pane: Pane, part: str) -> float:
    """Return Σw² / Σw of ``rows`` or ``outcomes``: the weight that is worth one independent row (Kish); 1 of none."""
    known = pane.parts.get(part)
    return 1.0 if known is None or known[1] <= 0 else float(known[2] / known[1])


def centers() -> F64:
    """Return the score in the middle of each bin on the logit scale: float64 (SCORE_BINS,), exact 0 and 1 their own.

    >>> centers()[[0, 2049, SCORE_BINS - 1]].round(4).tolist()
    [0.0, 0.501, 1.0]
    """
    logit = (np.arange(SCORE_BINS - 2) + 0.5) / 128 - 16
    return np.concatenate([[0.0], 1 / (1 + np.exp(-logit)), [1.0]])
