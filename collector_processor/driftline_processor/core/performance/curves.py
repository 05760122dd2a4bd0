"""The curves of a classifier, a few points each, and its confusion matrix, from the sums of a pane."""

from __future__ import annotations

import numpy as np
from driftline.panes.outcome_sums import CALIBRATION_BINS
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task

from driftline_processor.core.evaluation import Curve
from driftline_processor.core.intervals.confidence import CONFIDENCE, WeightSums, clopper_pearson
from driftline_processor.core.metrics.score_order import ScoreOrder
from driftline_processor.core.outcomes.sums import confusion

POINTS = 40
"""Most points of a curve: it is drawn in a few hundred pixels."""

MOST_CLASSES = 50
"""Classes whose confusion is drawn: of more a cell is smaller than its number."""

_DIGITS = 6
"""Digits of a point: more than a drawing shows, and than intervals leave certain."""


def curves(pane: Pane, task: Task, confidence: float = CONFIDENCE) -> dict[str, Curve]:
    """Return roc, precision_recall, gain and calibration of a binary classifier; {} of anything else.

    roc: false positive rate → recall. precision_recall: recall → precision. gain: share of the rows, highest scores
    first → share of the positives among them. Each point is the threshold at an edge of the score grid, so it is exact.
    calibration: mean score → share of positives, by ten bins of the score, with the weight of each and the limits of
    that share, as if rows were independent.

    >>> from driftline.panes.outcome_sums import fold_outcomes
    >>> from driftline.tables.table import Column
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.array([[0.9], [0.4], [0.2]]), None, Column(numbers=np.array([1.0, 1.0, 0.0])))
    >>> curves(pane, task)["roc"].points.tolist()
    [[0.0, 0.0], [0.0, 0.5], [0.0, 1.0], [1.0, 1.0]]
    """
    intervals: dict[str, Curve] = {}
    if not task.has_threshold:
        return intervals
    ranked = ScoreOrder.of_pane(pane)
    if ranked is not None and ranked.weight > 0:
        true, false = (np.cumsum(side[::-1]) for side in (ranked.positive, ranked.negative))
        if true[-1] > 0:
            recall, precision, share = true / true[-1], true / (true + false), (true + false) / ranked.weight
            intervals["precision_recall"] = Curve("recall", "precision", _few(recall, precision))
            intervals["gain"] = Curve("share", "recall", _few(_from(0.0, share), _from(0.0, recall)))
            if false[-1] > 0:
                rate = false / false[-1]
                intervals["roc"] = Curve("false_positive_rate", "recall", _few(_from(0.0, rate), _from(0.0, recall)))
    held = pane.parts.get("calibration")
    if held is not None and held.any():
        weight, scores, positives = held.reshape(CALIBRATION_BINS, 3).T
        there = weight > 0
        points = np.column_stack([scores[there] / weight[there], positives[there] / weight[there]])
        limits = _limits(positives[there], weight[there], pane.parts.get("outcomes"), confidence)
        intervals["calibration"] = Curve("mean_score", "actual_rate", np.round(points, _DIGITS), weight[there], limits)
    return intervals


def _limits(positives: F64, weight: F64, outcomes: F64 | None, confidence: float) -> F64:
    """Return the exact interval of each share of positives, float64 (m, 2); every weighted row has the mean weight."""
    each = 1.0 if outcomes is None or outcomes[1] <= 0 else float(outcomes[2] / outcomes[1])
    found = []
    for hits, rows in zip(positives.tolist(), weight.tolist(), strict=True):
        right, wrong = (WeightSums(one, one * each, each) for one in (hits, max(rows - hits, 0.0)))
        found.append(clopper_pearson(right, wrong, confidence))
    return np.array([[one.low, one.high] for one in found], np.float64).reshape(-1, 2).round(_DIGITS)


def confused(pane: Pane, task: Task) -> F64 | None:
    """Return the weight per actual (row) and predicted (column) class, of up to 50 classes; else None."""
    return confusion(pane, len(task.classes)) if 0 < len(task.classes) <= MOST_CLASSES else None


def _from(start: float, values: F64) -> F64:
    return np.concatenate([[start], values])


def _few(x: F64, y: F64) -> F64:
    """At most so many of the points, evenly along the curve, its ends among them: float64 (m, 2)."""
    if len(x) > POINTS:
        along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        at = np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)).clip(0, len(x) - 1))
        x, y = x[at], y[at]
    return np.column_stack([x, y]).round(_DIGITS)
