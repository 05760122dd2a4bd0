"""Calls of a service that return one answer whatever the inputs are, such as a default value after a timeout."""

from __future__ import annotations

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from driftline_processor.core import facts
from driftline_processor.core.estimate.cbpe_binary import weight_per_row
from driftline_processor.core.estimate.label_shift import EXPECTED, LEVEL
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.fact import Fact
from driftline_processor.core.service_level.failing import FAILING
from driftline_processor.core.special_functions import betainc, chdtrc

CERTAIN = 1e-4
"""Maximum p-value of the answer, corrected over the bins of the score: one hour without a fault in 10,000."""

TIMES = 3.0
"""Minimum ratio of the fraction of the rows with the answer to that of the baseline. The leaves of a small tree are
frequent answers, and their fractions vary between hours.
"""


def default_answer(evaluation: Evaluation, pane: Pane, baseline: Baseline) -> Fact | None:
    """Return the fact that a fraction of the calls got one answer while no input drifted; None otherwise.

    Args:
        evaluation: The window, with the drift of its features and score.
        pane: Pane of the window.
        baseline: Baseline with the bins of the pane.
    """
    if not evaluation.features or any(
        feature.state in ("drift", "within_normal_variation") for feature in evaluation.features.values()
    ):
        return None
    design_effect = 1.0 if evaluation.score is None else evaluation.score.design_effect
    part = default_fraction(pane, baseline, design_effect)
    return None if part is None else facts.OneAnswer(part=part)


def default_fraction(pane: Pane, baseline: Baseline, design_effect: float = 1.0) -> float | None:
    """Return the fraction of calls that got one value in addition to the usual ones; None below a twentieth.

    Each bin of the score is tested exactly: given its rows in the window and in the baseline, those of the window are
    binomial. The other scores must be distributed as in the baseline.

    Args:
        pane: Pane of the window.
        baseline: Baseline with the bins of the pane.
        design_effect: Design effect of autocorrelated or clustered scores.
    """
    now, was = pane.parts.get("score"), baseline.pane.parts.get("score")
    if now is None or was is None or len(now) != len(was):
        return None
    window = now[:-2] / (weight_per_row(pane, "rows") * design_effect)
    reference = was[:-2] / (weight_per_row(baseline.pane, "rows") * design_effect)
    n, m = float(window.sum()), float(reference.sum())
    if n <= 0 or m <= 0:
        return None
    p_values = np.where(window > 0, betainc(np.maximum(window, 1e-9), reference + 1, n / (n + m)), 1.0)
    answer = int(p_values.argmin())
    share, usual = float(window[answer]) / n, float(reference[answer]) / m
    part = (share - usual) / max(1 - usual, 1e-12)
    tests = np.count_nonzero(window + reference)
    if part < FAILING or share < TIMES * usual or p_values[answer] * tests > CERTAIN:
        return None
    return part if _as_before(np.delete(window, answer), np.delete(reference, answer)) else None


def _as_before(window: F64, reference: F64) -> bool:
    """Return True if the counts of two samples, pooled to at least ten expected rows per cell, do not differ.

    With too few rows for two cells nothing is known: the scores may be new ones that are close together.
    """
    n, m = float(window.sum()), float(reference.sum())
    cells = int(min(10, n // EXPECTED, m // EXPECTED))
    if cells < 2:
        return False
    total = window + reference
    cell = np.minimum((np.cumsum(total) - total / 2) / total.sum() * cells, cells - 1).astype(np.int64)
    now, was = (np.bincount(cell, counts, minlength=cells) for counts in (window, reference))
    filled = now + was > 0
    expected = (now + was)[filled] / (n + m)
    statistic = float((((now / n - was / m)[filled]) ** 2 / (expected * (1 / n + 1 / m))).sum())
    return float(chdtrc(int(np.count_nonzero(filled)) - 1, statistic)) >= LEVEL
