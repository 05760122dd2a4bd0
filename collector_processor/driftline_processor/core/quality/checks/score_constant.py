"""Score constant: nearly all scores have one value, such as a default, while those of the baseline vary."""

from __future__ import annotations

import numpy as np
from driftline.baseline.sections.estimation import grid_counts
from driftline.panes.bins import NumberBins, score_edges

from driftline_processor.core.drift.reference import effective
from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput
from driftline_processor.core.special_functions import betainc

NEARLY_ALL = 0.9
"""Minimum fraction of the scores with one value."""

FEWEST, MOST = 10, 0.5
"""Minimum number of different scores in the baseline, and maximum fraction of its rows with the value."""


def find(look: CheckInput) -> CheckResult:
    """Find a value that nine tenths of the scores have, if the baseline has ten values or more.

    A probability is known to its bin of the grid, at most 0.002 wide; other scores are known to a bin of 1 % of the
    baseline's rows. The two outer bins of these are open, and are not checked. The p-value is exact: the binomial
    probability of at least as many scores in one of the baseline's bins.
    """
    score, before = (pane.parts.get("score") for pane in (look.pane, look.baseline.pane))
    bins = look.baseline.bins.score
    if score is None or before is None or not isinstance(bins, NumberBins) or np.count_nonzero(before[:-2]) < FEWEST:
        return CheckResult(0, [])
    rows, was, grid = float(score[:-2].sum()), before[:-2], grid_counts(look.pane)
    if rows <= 0:
        return CheckResult(0, [])
    if grid is not None:
        edges = score_edges()
        cell = int(grid.argmax())
        now, low, high = float(grid[cell]) / rows, float(edges[cell]), float(edges[min(cell + 1, len(edges) - 1)])
        high = low if cell == 0 else high  # the first cell contains exact zeros only
        place = int(np.searchsorted(bins.edges, low, "right"))
    else:
        place = 1 + int(score[1:-3].argmax())
        now, low, high = float(score[place]) / rows, float(bins.edges[place - 1]), float(bins.edges[place])
    usual = float(was[place] / was.sum())
    if now < NEARLY_ALL or usual > MOST:
        return CheckResult(1, [])
    m = effective(look.pane, rows)
    smooth = (float(was[place]) + 0.5) / (float(was.sum()) + 0.5 * len(was))  # so that no bin has a probability of 0
    p = min(1.0, len(was) * float(betainc(now * m, (1 - now) * m + 1, smooth)))
    by_class = [look.baseline.pane.parts.get(part) for part in ("score_negative", "score_positive")]
    if grid is not None and by_class[0] is not None and by_class[1] is not None:
        usual = float((by_class[0] + by_class[1])[cell] / (by_class[0] + by_class[1]).sum())
    return CheckResult(1, [suspicion(CHECK.name, [], p, was=usual, now=now, concerned=now - usual, low=low, high=high)])


CHECK = Check("score_constant", "constant score", "panes", find)
