"""The sums for estimates of performance, from rows or from exported histograms, and the calibration of a binary model.

The calibration is the fraction of positives by score, by isotonic regression with pool adjacent violators (Barlow et
al., *Statistical Inference under Order Restrictions*, 1972; :func:`scipy.optimize.isotonic_regression`), weighted by
rows, on the sums of the fixed score grid that every pane has.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import GRID, Entries, learned_sums, score_grid
from driftline.panes.bins import SCORE_BINS, NumberBins, score_edges
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64, PredictionTable
from msgspec import Struct

from driftline_processor.core.histogram import Histogram, counts_over_bins


class Calibration(Struct, frozen=True, eq=False):
    """A step function from scores to rates of positives.

    Attributes:
        scores: float64 (k,), ascending: minimum score of each step.
        rates: float64 (k,), ascending: fraction of positives in each step.
        weights: float64 (k,), weight of the rows in each step.
    """

    scores: F64
    rates: F64
    weights: F64

    def of(self, scores: F64) -> F64:
        """Return the rate of positives at each score: float64 (n,); scores below the first step have its rate."""
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


def score_parts(table: PredictionTable, group: I64) -> list[Entries]:
    """Return the sums for a binary model, which need no baseline. ``group``: int64 (n,), from 0 on."""
    return score_grid(table.task, table.scores, table.predicted, table.weight, group)


def learned_parts(table: PredictionTable, baseline: Baseline, group: I64, groups: int) -> list[Entries]:
    """Return the sums for other tasks, from the baseline's calibrations; [] without any."""
    return learned_sums(table, baseline.extras.estimation, baseline.bins, group, groups)


@cache
def _bins() -> NumberBins:
    return NumberBins(score_edges()[1:])


def score_parts_of(histogram: Histogram, baseline: Baseline, threshold: float) -> dict[str, F64]:
    """Return the parts ``score_grid:CLASS`` of a histogram of a binary model's scores; {} if it is too coarse.

    Scores of one bucket are distributed as the baseline's scores in it, and decided at ``threshold``. So a shift within
    a bucket is not detected, and a histogram is too coarse if one bucket contains more than half of the scores, or two
    contain nine tenths (:func:`driftline_processor.core.histogram.counts_over_bins`).

    >>> import numpy as np
    >>> from driftline_processor.core.histogram import Explicit
    >>> p = np.repeat([0.1, 0.4, 0.9], 50)
    >>> built = Baseline.from_frame({"x": p, "p": p, "y": p > 0.5}, score="p", actual="y", model="m", task="binary")
    >>> scores = Explicit(np.array([0.2, 0.5, 0.7]), np.array([6.0, 4.0, 0.0, 2.0]))
    >>> {name: float(sums.sum()) for name, sums in score_parts_of(scores, built, 0.5).items()}
    {'score_grid:1': 2.0, 'score_grid:0': 10.0}
    """
    task, pane = baseline.task, baseline.pane
    sides = [pane.parts.get(f"score_{side}") for side in ("negative", "positive")]
    positive = task.positive
    if positive is None or sides[0] is None or sides[1] is None:
        return {}
    counts, guessed = counts_over_bins(histogram, _bins(), sides[0] + sides[1])
    if guessed or len(counts) != SCORE_BINS:
        return {}
    above = score_edges() >= threshold
    return {f"{GRID}{positive}": counts * above, f"{GRID}{1 - positive}": counts * ~above}
