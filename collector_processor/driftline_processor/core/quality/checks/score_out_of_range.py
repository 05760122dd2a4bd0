"""Score out of range: scores of a binary model that are not probabilities, such as percentages."""

from __future__ import annotations

import numpy as np
from driftline.baseline.sections.estimation import grid_counts
from driftline.panes.bins import NumberBins

from driftline_processor.core.drift.reference import effective
from driftline_processor.core.outcomes.coverage import DISTRIBUTED
from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput
from driftline_processor.core.quality.share_test import LEAST, effect, more_often


def find(look: CheckInput) -> CheckResult:
    """Compare the fraction of scores outside 0 to 1 with the baseline.

    The grid of probabilities omits such scores, and the bins of the baseline count them, so their number is the
    difference. Rows that are known from histograms only are not checked.
    """
    score, before = (pane.parts.get("score") for pane in (look.pane, look.baseline.pane))
    bins = look.baseline.bins.score
    if look.baseline.task.positive is None or score is None or before is None or not isinstance(bins, NumberBins):
        return CheckResult(0, [])
    rows, baseline_rows = float(score[:-2].sum()), float(before[:-2].sum())
    if rows <= 0 or baseline_rows <= 0 or DISTRIBUTED in look.pane.parts:
        return CheckResult(0, [])
    low, high = np.append(-np.inf, bins.edges), np.append(bins.edges, np.inf)
    inside = grid_counts(look.pane)
    may_be_outside = float(score[:-2][(low < 0) | (high > 1)].sum())
    if inside is None and may_be_outside < rows:
        return CheckResult(0, [])  # the rows were folded without the grid
    outside = rows - (0.0 if inside is None else float(inside.sum()))
    now = max(0.0, min(outside, may_be_outside)) / rows
    was = float(before[:-2][(low >= 1) | (high <= 0)].sum()) / baseline_rows
    if effect(was, now) < LEAST:
        return CheckResult(1, [])
    n, m = effective(look.baseline.pane, baseline_rows), effective(look.pane, rows)
    p = more_often(was * n, n, now * m, m)
    return CheckResult(1, [suspicion(CHECK.name, [], p, was=was, now=now, concerned=now - was)])


CHECK = Check("score_out_of_range", "score out of range", "panes", find)
