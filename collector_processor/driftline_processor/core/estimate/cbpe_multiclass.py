"""The performance of a model with several classes, estimated from its expected confusion (CBPE).

The scores of each class are calibrated separately, against all others, and normalised to a sum of 1
(:func:`driftline.baseline.sections.estimation.class_sums`). The resulting sums over rows are additive, so panes contain
all that any window needs.
"""

from __future__ import annotations

import numpy as np
from driftline.baseline.sections.estimation import AREA, AREA_CELLS, CLASSES
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from .point import Point


def expected(pane: Pane, classes: int) -> dict[str, Point]:
    """Return the expected value of each metric; {} without the sums for it.

    Macro metrics are means over the classes for which they are defined.
    """
    points = of_sums(pane.parts.get(CLASSES), classes)
    if points and (area := _area(pane, classes)) is not None:
        points["roc_auc_ovr"] = area
    return points


def of_sums(sums: F64 | None, classes: int) -> dict[str, Point]:
    """Return the metrics of the sums ``estimate:classes``; {} without sums.

    The sums are those of :mod:`driftline.baseline.sections.estimation`.
    """
    if sums is None or len(sums) != 2 * classes**2 + 6 or sums[0] <= 0:
        return {}
    square = classes**2
    confusion, variance = (sums[2 + at * square : 2 + (at + 1) * square].reshape(classes, classes) for at in (0, 1))
    total, (loss, loss_variance, brier, brier_variance) = float(sums[0]), sums[-4:].tolist()
    points = decided(confusion, variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = confusion / confusion.sum(axis=0)
    whole = decided(confusion, np.nan_to_num(confusion * (1 - shares)) * float(sums[1]) / total)
    points = {name: _mixed(point, whole[name]) for name, point in points.items()}
    points["log_loss"] = Point(loss / total, loss_variance / total**2)
    points["brier"] = Point(brier / total, brier_variance / total**2)
    return points


def _mixed(point: Point, whole: Point) -> Point:
    """Return a point with the variance over rows of which only the decision is known, as in ``whole``."""
    return Point(point.value, point.chance, 0.0, max(0.0, whole.chance - point.chance))


def decided(confusion: F64, variance: F64) -> dict[str, Point]:
    """Return the metrics of an expected confusion, float64 (k, k), actual × predicted, and the variance of its cells.

    >>> found = decided(np.array([[8.0, 2.0], [2.0, 8.0]]), np.zeros((2, 2)))
    >>> found["accuracy"].value, found["precision"].value, found["f1"].value
    (0.8, 0.8, 0.8)
    """
    hits, actual, decisions = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    total, identity = confusion.sum(), np.eye(len(confusion))
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall, f1 = hits / decisions, hits / actual, 2 * hits / (decisions + actual)
        of_precision = identity / decisions
        of_recall = (identity - recall[:, np.newaxis]) / actual[:, np.newaxis]
        of_f1 = 2 * identity / (decisions + actual) - (f1 / (decisions + actual))[:, np.newaxis]
    return {
        "accuracy": Point(float(hits.sum() / total), float(variance.diagonal().sum() / total**2)),
        "precision": _macro(precision, of_precision, decisions > 0, variance),
        "recall": _macro(recall, of_recall, actual > 0, variance),
        "f1": _macro(f1, of_f1, decisions + actual > 0, variance),
    }


def _macro(values: F64, slopes: F64, defined: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], variance: F64) -> Point:
    """Return the mean over classes.

    A row has only one class, so the cells of a decision are not independent. Twice the variance of independent cells
    about the best constant is an upper limit, and exact for two classes.
    """
    class_count = int(np.count_nonzero(defined))
    if not class_count:
        return Point(None)
    slope = np.nan_to_num(slopes, posinf=0.0, neginf=0.0) / class_count
    all_of = variance.sum(axis=0)
    middle = np.divide((slope * variance).sum(axis=0), all_of, out=np.zeros_like(all_of), where=all_of > 0)
    return Point(float(values[defined].mean()), 2 * float((variance * (slope - middle) ** 2).sum()))


def _area(pane: Pane, classes: int) -> Point | None:
    """Return the mean one-vs-rest area under the ROC curve; variance of Hanley and McNeil (1982)."""
    areas, variances = [], []
    for index in range(classes):
        sums = pane.parts.get(f"{AREA}{index}")
        if sums is None or len(sums) != 2 * AREA_CELLS:
            return None
        weight, p = sums[:AREA_CELLS], sums[AREA_CELLS:]
        q = np.maximum(weight - p, 0.0)
        positives, negatives = float(p.sum()), float(q.sum())
        if positives <= 0 or negatives <= 0:
            return None
        area = float(p @ (np.cumsum(q) - q / 2)) / (positives * negatives)
        both_above, both_below = area / (2 - area), 2 * area**2 / (1 + area)
        variance = (
            area * (1 - area)
            + max(positives - 1, 0) * (both_above - area**2)
            + max(negatives - 1, 0) * (both_below - area**2)
        )
        areas.append(area)
        variances.append(max(variance, 0.0) / (positives * negatives))
    return Point(float(np.mean(areas)), float(np.sum(variances)) / classes**2)
