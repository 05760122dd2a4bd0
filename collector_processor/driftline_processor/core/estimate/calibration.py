"""The calibration of a binary model: the share of positives by score, made to rise with it.

Isotonic regression by pool adjacent violators (Barlow et al., *Statistical Inference under Order Restrictions*, 1972;
:func:`scipy.optimize.isotonic_regression`), weighted by rows, on the sums of the fixed score grid that every pane has.
"""

from __future__ import annotations

import numpy as np
from driftline.panes.bins import SCORE_BINS
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from msgspec import Struct

from driftline_processor.core.special_functions import expit

_PER_LOGIT = (SCORE_BINS - 2) / 32
"""Bins of the fixed score grid for each unit of the logit, which reaches from -16 to 16."""


class Calibration(Struct, frozen=True, eq=False):
    """A step function from scores to rates of positives.

    Attributes:
        scores: float64 (k,), ascending: least score of each step.
        rates: float64 (k,), ascending: share of positives in each step.
        weights: float64 (k,), weight of the rows in each step.
    """

    scores: F64
    rates: F64
    weights: F64

    def of(self, scores: F64) -> F64:
        """Return the share of positives that belongs to each score: float64 (n,); below the first step, that of it."""
        return np.asarray(self.rates[np.maximum(np.searchsorted(self.scores, scores, side="right") - 1, 0)])


def calibration(pane: Pane) -> Calibration | None:
    """Return the calibration of a pane's scores and outcomes; None without either.

    >>> from driftline.panes.bins import score_bin
    >>> negative, positive = np.zeros((2, SCORE_BINS))
    >>> negative[score_bin(np.array([0.2, 0.7]))], positive[score_bin(np.array([0.2, 0.7]))] = [3, 1], [1, 3]
    >>> calibration(Pane({"score_negative": negative, "score_positive": positive})).rates
    array([0.25, 0.75])
    """
    from scipy.optimize import isotonic_regression

    negative, positive = (pane.parts.get(f"score_{side}") for side in ("negative", "positive"))
    if negative is None or positive is None:
        return None
    weights = negative + positive
    held = np.flatnonzero(weights > 0)
    if not len(held):
        return None
    fitted = isotonic_regression(positive[held] / weights[held], weights=weights[held])
    first = fitted.blocks[:-1]
    return Calibration(score_edges()[held[first]], fitted.x[first], fitted.weights)


def score_edges() -> F64:
    """Return the least score of each bin of the fixed grid: float64 (SCORE_BINS,).

    >>> score_edges()[[0, 2049, -1]].tolist()
    [0.0, 0.5, 1.0]
    """
    logit = np.arange(SCORE_BINS - 2) / _PER_LOGIT - 16
    inner = expit(logit)
    inner[0] = np.nextafter(0.0, 1.0)
    return np.concatenate([[0.0], inner, [1.0]])
