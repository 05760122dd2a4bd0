"""Metrics of a binary classifier, for its positive class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log

import numpy as np
from driftline.panes.outcome_sums import CALIBRATION_BINS
from driftline.panes.pane import Pane
from driftline.tables.classes import class_codes
from driftline.tables.table import F64, Column, Task

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.outcomes.sums import cells_of, confusion, losses, ratio, rows_of

from .names import Name, parse_name
from .score_order import BoundedValue, ScoreOrder

_OF_LOSSES = {"log_loss": "log_loss", "brier": "brier", "mean_score": "score", "actual_rate": "positive"}


def from_pane(pane: Pane, task: Task, names: Iterable[str], ranked: ScoreOrder | None = None) -> dict[str, Metric]:
    """Return the metrics of these names (:func:`.names.wanted`); those that the rows say nothing of are left out.

    At the service's own decision: accuracy, precision, recall, f1, fbeta@BETA, specificity and balanced_accuracy, on
    the rows with a decision. Of the scores: roc_auc, average_precision, ks, lift@SHARE and gain@SHARE, each with its
    bound, log_loss, brier and calibration_error, on the rows with a probability; with them ``mean_score``, what the
    model says on average, and ``actual_rate``, the share of positives among the same rows. Definitions are
    scikit-learn's, except that an undefined value is None where ``zero_division`` would be 0 (as in Evidently; NannyML
    gives NaN for precision, recall and f1 as soon as the truth or the predictions hold one class only).
    ``ranked``: the scores of the rows, where they are at hand; else their bins are taken.
    """
    counts = confusion(pane, 2) if task.positive_class in task.classes else None
    sums, order = losses(pane, "binary"), ScoreOrder.of_pane(pane) if ranked is None else ranked
    calibration = pane.parts.get("calibration")
    found: dict[str, Metric] = {}
    for name in names:
        which = parse_name(name)
        if which is None or which.of is not None:
            continue
        if sums is not None and which.base in _OF_LOSSES:
            value = ratio(sums[_OF_LOSSES[which.base]], sums["weight"])
            found[name] = Metric(value, rows_of(pane, sums["weight"], "losses"), "panes")
        elif which.base == "calibration_error" and calibration is not None:
            rows = rows_of(pane, float(calibration[::3].sum()), "losses")
            found[name] = Metric(calibration_error(calibration), rows, "panes")
        elif counts is not None and (decided := _at_decision(which, counts, task)) is not None:
            cells = cells_of(which.base, task.positive_class, task)
            found[name] = Metric(decided.value, rows_of(pane, float(counts[cells].sum()), "confusion", cells), "panes")
        elif order is not None and (of_scores := _of_order(which, order)) is not None:
            found[name] = Metric(of_scores.value, rows_of(pane, order.weight, "losses"), "panes", of_scores.bound)
    return found


def _at_decision(name: Name, counts: F64, task: Task) -> BoundedValue | None:
    positive = task.classes.index(task.positive_class)
    hits, misses = counts[positive, positive], counts[positive, 1 - positive]
    alarms, rest = counts[1 - positive, positive], counts[1 - positive, 1 - positive]
    if name.base == "accuracy":
        return BoundedValue(ratio(hits + rest, counts.sum()))
    if name.base == "precision":
        return BoundedValue(ratio(hits, hits + alarms))
    if name.base == "recall":
        return BoundedValue(ratio(hits, hits + misses))
    if name.base == "specificity":
        return BoundedValue(ratio(rest, rest + alarms))
    if name.base == "balanced_accuracy":
        recall, specificity = ratio(hits, hits + misses), ratio(rest, rest + alarms)
        return BoundedValue(None if recall is None or specificity is None else (recall + specificity) / 2)
    if name.base == "f1" or (name.base == "fbeta" and name.at is not None):
        squared = 1.0 if name.at is None else name.at**2
        # van Rijsbergen (1979), chapter 7
        return BoundedValue(ratio((1 + squared) * hits, (1 + squared) * hits + squared * misses + alarms))
    return None


def _of_order(name: Name, order: ScoreOrder) -> BoundedValue | None:
    if name.base == "roc_auc":
        return order.area()
    if name.base == "average_precision":
        return order.average_precision()
    if name.base == "ks":
        return order.ks()
    if name.base in ("gain", "lift") and name.at is not None and 0 < name.at <= 1:
        gain = order.gain(name.at)
        times = 1.0 if name.base == "gain" else 1 / name.at
        return BoundedValue(None if gain.value is None else gain.value * times, gain.bound * times)
    return None


def calibration_error(sums: F64) -> float | None:
    """Return the expected calibration error: Σ |Σw score - Σw positive| over ten bins of the score, / Σw.

    Naeini, Cooper & Hauskrecht (2015), with bins of one width. ``sums``: the part ``calibration`` of a pane.

    >>> pane = np.zeros(30)
    >>> pane[27:] = [4.0, 3.8, 3.0]  # four scores above 0.9, 3.8 in sum, of which three came true
    >>> round(calibration_error(pane), 12)
    0.2
    """
    weight, scores, positives = sums.reshape(CALIBRATION_BINS, 3).T
    return ratio(float(np.abs(scores - positives).sum()), float(weight.sum()))


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


def ranked_rows(task: Task, scores: F64, actual: Column, weight: F64 | None) -> ScoreOrder | None:
    """Order the scores of rows that have a probability and an outcome; None where there are no classes."""
    truth = class_codes(actual, task.classes)
    if truth is None or task.positive_class not in task.classes or scores.shape[1] != 1:
        return None
    score = scores[:, 0]
    usable = (truth >= 0) & (truth < len(task.classes)) & (score >= 0) & (score <= 1)
    positive = truth[usable] == task.classes.index(task.positive_class)
    return ScoreOrder.of_rows(score[usable], positive, None if weight is None else weight[usable])
