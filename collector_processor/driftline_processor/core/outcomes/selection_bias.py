"""Whether the rows with outcomes are a selection of a window's rows, by their scores.

If only rejected loans are followed up, only high scores are reviewed, or positives arrive first, the rows with outcomes
say nothing about the others, and cannot be compared with those of a baseline of all rows. Their scores are compared
with those of the rows without an outcome.
"""

from __future__ import annotations

import math

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import grid_counts
from driftline.panes.bins import SCORE_BINS, NumberBins, score_edges
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from driftline_processor.core.special_functions import kolmogorov

ALPHA = 0.001
"""Significance level: one window of a thousand without a selection."""

LEAST = 0.05
"""Minimum distance between the scores of rows with outcomes and of all rows: a fraction of all rows may differ by it,
and it is the largest margin of an area under the ROC curve.
"""

FEWEST = 50
"""Minimum outcomes; with fewer, a distance below 0.3 is not significant."""


def has_selection_bias(pane: Pane, baseline: Baseline | None = None) -> bool:
    """Return True if rows with outcomes have other scores than the other rows of a binary model.

    ``baseline``: a baseline whose outcomes are such a selection, too, is comparable.

    >>> from driftline.panes.bins import SCORE_BINS
    >>> scores, none = np.zeros(SCORE_BINS), np.zeros(SCORE_BINS)
    >>> scores[1000:3000:100] = 50.0
    >>> high = np.where(np.arange(SCORE_BINS) > 2500, scores, 0.0)
    >>> def window(labelled):
    ...     return Pane({"score_grid:0": scores, "score_negative": labelled, "score_positive": none})
    >>> has_selection_bias(window(high)), has_selection_bias(window(scores / 2))
    (True, False)
    """
    every = grid_counts(pane)
    sides = [pane.parts.get(f"score_{side}") for side in ("negative", "positive")]
    if every is None or sides[0] is None or sides[1] is None:
        return False
    is_selection = _is_selection(every, sides[0] + sides[1])
    return is_selection and not (baseline is not None and _is_selected(baseline))


def _is_selection(every: F64, labelled: F64) -> bool:
    """Return True if labelled rows have other scores than the others; both are counts over the same bins."""
    total, known = float(every.sum()), float(labelled.sum())
    if known < FEWEST or known >= total:
        return False
    rest = np.maximum(every - labelled, 0.0)
    unknown = float(rest.sum())
    if unknown <= 0:
        return False
    distance = float(np.abs(np.cumsum(labelled) / known - np.cumsum(rest) / unknown).max())
    p_value = float(kolmogorov(math.sqrt(known * unknown / total) * distance))
    return distance * unknown / total >= LEAST and p_value <= ALPHA


def _is_selected(baseline: Baseline) -> bool:
    """Return True if the outcomes of a baseline are a selection: its scores are counted over its own bins."""
    pane, bins = baseline.pane, baseline.bins.score
    sides = [pane.parts.get(f"score_{side}") for side in ("negative", "positive")]
    every = pane.parts.get("score")
    if every is None or sides[0] is None or sides[1] is None or not isinstance(bins, NumberBins):
        return False
    place = np.searchsorted(bins.edges, score_edges(), side="right")
    labelled = np.bincount(place, (sides[0] + sides[1])[:SCORE_BINS], minlength=bins.size)
    return _is_selection(every[: bins.size], labelled[: bins.size].astype(np.float64))
