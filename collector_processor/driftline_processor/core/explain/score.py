"""What the shift of a feature makes of the score, by the mean scores that the baseline has for its values."""

from __future__ import annotations

import numpy as np
from driftline.baseline import Baseline
from driftline.pane import Pane
from driftline.score_by import Means
from driftline.tables import F64

FEW = 30.0
"""A cell with fewer reference rows has no mean score of its own: its nearest neighbour's is taken."""


def score_means(pane: Pane, baseline: Baseline) -> tuple[float, float] | None:
    """Return the mean score of the baseline's rows and of the window's; None where it is not known.

    The window's from its histogram over the score's bins, each at the baseline's mean of that bin.
    """
    known = baseline.extras.score_by
    now = pane.parts.get("score")
    if known is None or "score" not in known.of or now is None:
        return None
    means = known.of["score"]
    was_shares, now_shares = means.rows[:-1], _cells(now, means)[:-1]
    if not was_shares.any() or not now_shares.any():
        return None
    of = _filled(means.mean[:-1], means.rows[:-1], 1.0)
    return float(was_shares @ of / was_shares.sum()), float(now_shares @ of / now_shares.sum())


def carried(part: str, pane: Pane, baseline: Baseline) -> float | None:
    """Return by how much the mean score would shift if only this feature's distribution did; None where not known.

    Kitagawa's composition effect: the change of each cell's share times the baseline's mean score there. Features that
    go together carry the same shift, each of them; so these do not add up. Beyond the values that the baseline has, the
    score is taken to be as at its edge.

    Source: Kitagawa, "Components of a difference between two rates" (1955).
    """
    known = baseline.extras.score_by
    now = pane.parts.get(part)
    if known is None or part not in known.of or now is None or not now.any():
        return None
    means = known.of[part]
    counts = _cells(now, means)
    if not means.rows.any() or not counts.any():
        return None
    of = means.mean.copy()
    of[:-1] = _filled(means.mean[:-1], means.rows[:-1], FEW)
    if means.rows[-1] < FEW:  # of rows without a value too little is known: as if they were like all others
        of[-1] = float(means.rows @ means.mean / means.rows.sum())
    return float((counts / counts.sum() - means.rows / means.rows.sum()) @ of)


def _cells(counts: F64, means: Means) -> F64:
    """Counts over bins, missing and invalid as counts over cells and those without a usable value."""
    size = len(counts) - 2
    summed: F64 = np.add.reduceat(counts, np.append(means.first, size))
    return summed


def _filled(mean: F64, rows: F64, least: float) -> F64:
    """The means, those of few rows replaced by that of the nearest cell with enough."""
    enough = np.flatnonzero(rows >= least)
    if not len(enough):
        return mean
    at = np.arange(len(mean))
    nearest = enough[np.abs(at[:, np.newaxis] - enough).argmin(axis=1)]
    filled: F64 = mean[nearest]
    return filled
