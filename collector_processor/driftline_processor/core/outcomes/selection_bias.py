"""Whether the rows with outcomes are a selection of a window's rows, by their scores.

Where only rejected loans are followed up, or only high scores are reviewed, the rows with outcomes say nothing of the
others. The scores of both are compared over deciles of all rows.
"""

from __future__ import annotations

import numpy as np
from driftline.baseline.sections.estimation import grid_counts
from driftline.panes.pane import Pane

from driftline_processor.core.special_functions import chdtrc

DECILES = 10
ALPHA = 0.001
"""Significance level: one window of a thousand without a selection."""

LEAST = 0.1
"""Total variation distance between the scores of rows with outcomes and of all rows from which on it matters."""

FEWEST = 50
"""Minimum outcomes, five per decile."""


def has_selection_bias(pane: Pane) -> bool:
    """Return True if rows with outcomes have other scores than all rows of a binary model.

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
    labelled = sides[0] + sides[1]
    total, known = float(every.sum()), float(labelled.sum())
    if known < FEWEST or known >= total:
        return False
    decile = np.minimum((np.cumsum(every) - every / 2) * DECILES // total, DECILES - 1).astype(np.intp)
    expected, counted = (np.bincount(decile, one, DECILES) for one in (every * known / total, labelled))
    filled = expected > 0
    distance = float(np.abs(counted - expected).sum()) / known / 2
    # drawn without replacement, labelled rows vary less than independent ones
    spread = expected[filled] * (1 - known / total)
    statistic = float(((counted - expected)[filled] ** 2 / np.maximum(spread, 1e-9)).sum())
    return distance >= LEAST and float(chdtrc(np.count_nonzero(filled) - 1, statistic)) <= ALPHA
