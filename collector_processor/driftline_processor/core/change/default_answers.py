"""Whether a service answers part of its calls with one value, whatever was asked.

A service that lost its model, its features or its connection often answers with a default. Then one value gains rows
from all others alike: the scores that are left lie as they lay, and no input moved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane

from driftline_processor.core.estimate.cbpe_binary import weight_per_row
from driftline_processor.core.estimate.label_shift import LEVEL
from driftline_processor.core.service_level.failing import FAILING


class DefaultAnswers(NamedTuple):
    """The part of the calls that are answered with one value, and the share of the window's rows with such a score."""

    part: float
    share: float


def default_answers(pane: Pane, baseline: Baseline) -> DefaultAnswers | None:
    """Return the part of the calls that got one value, from a twentieth on; None where scores lie otherwise.

    Args:
        pane: Pane of the window.
        baseline: Baseline over whose bins its rows were counted.
    """
    from driftline_processor.core.special_functions import chdtrc, ndtri

    now, was = pane.parts.get("score"), baseline.pane.parts.get("score")
    if now is None or was is None or len(now) != len(was):
        return None
    window_rows, baseline_rows = (
        now[:-2] / weight_per_row(pane, "rows"),
        was[:-2] / weight_per_row(baseline.pane, "rows"),
    )
    n, total = float(window_rows.sum()), float(baseline_rows.sum())
    if n <= 0 or total <= 0:
        return None
    share, usual = window_rows / n, baseline_rows / total
    answer = int(np.argmax(share - usual))
    part = float((share[answer] - usual[answer]) / max(1 - usual[answer], 1e-12))
    pooled = (window_rows[answer] + baseline_rows[answer]) / (n + total)
    error = float(np.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / n + 1 / total)))
    if part < FAILING or share[answer] - usual[answer] < -float(ndtri(LEVEL / len(share))) * error:
        return None
    left, before = np.delete(window_rows, answer), np.delete(baseline_rows, answer)
    filled = left + before > 0
    if left.sum() > 0 and before.sum() > 0 and filled.sum() > 1:
        expected = before[filled] * left.sum() / before.sum()
        varies = (left + before)[filled] * left.sum() / (left.sum() + before.sum()) * (1 + left.sum() / before.sum())
        q = float(((left[filled] - expected) ** 2 / varies).sum())
        if float(chdtrc(int(filled.sum()) - 1, q)) < LEVEL:
            return None
    return DefaultAnswers(part, float(share[answer]))
