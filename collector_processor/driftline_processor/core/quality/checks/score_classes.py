"""Score classes: scores that are only 0 and 1, since classes were sent in place of probabilities."""

from __future__ import annotations

import numpy as np
from driftline.baseline.sections.estimation import grid_counts
from driftline.panes.bins import NumberBins

from driftline_processor.core.drift.reference import effective
from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput
from driftline_processor.core.special_functions import betainc

NEARLY_ALL = 0.99
"""Minimum fraction of the scores that are 0 or 1."""

MOST = 0.5
"""Maximum fraction of the baseline's scores in the bins of 0 and 1."""


def find(look: CheckInput) -> CheckResult:
    """Find scores that are only 0 and 1, both of them, if most scores of the baseline lie between.

    They are counted exactly, by the grid; those of the baseline by its bins, so that their fraction is at most what is
    stated. The p-value is exact: the binomial probability of at least as many scores in these bins.
    """
    grid, before, bins = grid_counts(look.pane), look.baseline.pane.parts.get("score"), look.baseline.bins.score
    if grid is None or before is None or not isinstance(bins, NumberBins) or grid.sum() <= 0:
        return CheckResult(0, [])
    usual, rows = before[:-2], float(grid.sum())
    places = np.unique(np.searchsorted(bins.edges, [0.0, 1.0], "right"))
    now, was = float(grid[0] + grid[-1]) / rows, float(usual[places].sum() / usual.sum())
    if min(grid[0], grid[-1]) <= 0 or now < NEARLY_ALL or was > MOST:
        return CheckResult(1, [])
    m = effective(look.pane, rows)
    smooth = (float(usual[places].sum()) + 0.5) / (float(usual.sum()) + 0.5 * len(usual))  # never 0
    p = float(betainc(now * m, (1 - now) * m + 1, smooth))
    return CheckResult(1, [suspicion(CHECK.name, [], p, was=was, now=now, concerned=now - was)])


CHECK = Check("score_classes", "classes as scores", "panes", find, covers=frozenset({"score_constant"}))
