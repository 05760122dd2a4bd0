"""Metrics of a binary classifier, for its positive class."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import numpy as np
from driftline.classes import class_codes
from driftline.pane import Pane
from driftline.tables import F64, Column, Task

from driftline_processor.core.evaluation import Metric

from .sums import confusion, losses, ratio, rows_of


def from_pane(pane: Pane, task: Task) -> dict[str, Metric]:
    """Return accuracy, precision, recall, f1 at the service's own decision, and roc_auc, log_loss, brier of the scores.

    With the scores come ``mean_score``, what the model says on average, and ``actual_rate``, the share of positives
    among the same rows. Definitions are scikit-learn's, except that an undefined value is None where ``zero_division``
    would be 0 (as in Evidently; NannyML gives NaN for precision, recall and f1 as soon as the truth or the predictions
    hold one class only). Without scores only the first four are there, without decisions only the others; ``rows`` of
    each are those that have what it needs.
    """
    found: dict[str, Metric] = {}
    counts = confusion(pane, 2)
    if counts is not None and task.positive_class in task.classes:
        positive = task.classes.index(task.positive_class)
        hits, misses = counts[positive, positive], counts[positive, 1 - positive]
        alarms, rest = counts[1 - positive, positive], counts[1 - positive, 1 - positive]
        decided = rows_of(pane, float(counts.sum()))
        found["accuracy"] = Metric(ratio(hits + rest, counts.sum()), decided, "panes")
        found["precision"] = Metric(ratio(hits, hits + alarms), decided, "panes")
        found["recall"] = Metric(ratio(hits, hits + misses), decided, "panes")
        found["f1"] = Metric(ratio(2 * hits, 2 * hits + alarms + misses), decided, "panes")
    negative, positives = pane.parts.get("score_negative"), pane.parts.get("score_positive")
    if negative is not None and positives is not None:
        area, bound = area_from_grid(negative, positives)
        found["roc_auc"] = Metric(area, rows_of(pane, float(negative.sum() + positives.sum())), "panes", bound)
    sums = losses(pane, "binary")
    if sums is not None:
        scored = rows_of(pane, sums["weight"])
        named = {"log_loss": "log_loss", "brier": "brier", "mean_score": "score", "actual_rate": "positive"}
        for name, part in named.items():
            found[name] = Metric(ratio(sums[part], sums["weight"]), scored, "panes")
    return found


def log_loss_of_constant(realized: Mapping[str, Metric], reference: Mapping[str, Metric]) -> Metric | None:
    """Return the log loss of always saying the baseline's rate of positives, on the rows of ``realized``.

    A model whose log loss is above it does worse than no model. None where either rate is unknown, or the baseline's
    is 0 or 1.

    >>> constant = log_loss_of_constant(
    ...     {"actual_rate": Metric(0.5, 8, "rows")}, {"actual_rate": Metric(0.25, 100, "panes")}
    ... )
    >>> round(constant.value, 4), constant.rows
    (0.837, 8)
    """
    actual, said = realized.get("actual_rate"), reference.get("actual_rate")
    if actual is None or said is None or actual.value is None or said.value is None or not 0 < said.value < 1:
        return None
    value = -actual.value * log(said.value) - (1 - actual.value) * log(1 - said.value)
    return Metric(value, actual.rows, actual.source)


def area_from_grid(negative: F64, positive: F64) -> tuple[float | None, float]:
    """Return the area under the ROC curve from scores on the fixed grid, and how far it can be from the exact one.

    ``negative``, ``positive``: weight per bin. Scores of one bin count as ties, so the error is at most half of
    Σ p q, the shares of positives and negatives in each bin. None when either class is absent.

    >>> area_from_grid(np.array([1.0, 1.0]), np.array([0.0, 2.0]))
    (0.75, 0.25)
    """
    negatives, positives = negative.sum(), positive.sum()
    if negatives <= 0 or positives <= 0:
        return None, 0.0
    q, p = negative / negatives, positive / positives
    below = np.cumsum(q) - q
    return float(p @ (below + q / 2)), float(p @ q) / 2


def area_from_rows(task: Task, scores: F64, actual: Column, weight: F64 | None) -> float | None:
    """Return the exact area under the ROC curve: the chance that a positive scores above a negative, ties half.

    Equal to ``sklearn.metrics.roc_auc_score``. None when either class is absent.
    """
    truth = class_codes(actual, task.classes)
    if truth is None:
        return None
    score = scores[:, 0]
    usable = (truth >= 0) & (truth < len(task.classes)) & (score >= 0) & (score <= 1)
    positive = truth[usable] == task.classes.index(task.positive_class)
    w = np.ones(len(positive)) if weight is None else weight[usable]
    _, place = np.unique(score[usable], return_inverse=True)
    size = int(place.max()) + 1 if len(place) else 0
    negatives: F64 = np.bincount(place[~positive], w[~positive], minlength=size).astype(np.float64, copy=False)
    positives: F64 = np.bincount(place[positive], w[positive], minlength=size).astype(np.float64, copy=False)
    return area_from_grid(negatives, positives)[0]
