"""The part of a rise of the error rate that new proportions of several classes explain.

The error rate of a window is the sum over its classes of their proportion times their error rate. With the error rates
of the baseline, the change of the proportions is one part of its rise; errors within the classes are the other.

Source: Kitagawa, "Components of a difference between two rates" (1955).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.evaluation import ClassMix, LossPart

FEWEST_OF_CLASS = 30.0
"""Minimum rows of a class in the baseline for its own error rate; rarer ones have that of all rows."""


def class_mix(now: F64, was: F64, classes: Sequence[str]) -> ClassMix:
    """Return what the proportions of the classes explain, given the classes of all rows.

    Args:
        now: Rows of the window by actual (row) and predicted class, float64 (k, k).
        was: The same of the baseline.
        classes: Names of the classes.

    >>> found = class_mix(np.array([[68.0, 0], [32, 0]]), np.array([[91.0, 0], [9, 0]]), ("a", "b"))
    >>> found.name, round(found.part.value, 2)
    ('a', 0.02)
    >>> found = class_mix(np.array([[68.0, 0], [32, 0]]), np.array([[910.0, 0], [90, 0]]), ("a", "b"))
    >>> found.name, found.was, found.now, round(found.part.value, 2), round(found.error, 2)
    ('b', 0.09, 0.32, 0.23, 1.0)
    """
    rows, right = was.sum(axis=1), np.diagonal(was)
    known, of_all = rows >= FEWEST_OF_CLASS, 1 - float(right.sum() / rows.sum())
    error = np.where(known, 1 - right / np.maximum(rows, 1.0), of_all)
    p, q = rows / rows.sum(), now.sum(axis=1) / now.sum()
    parts = (q - p) * (error - of_all)
    # one error and one hit more, so that a class without either is not certain
    smooth = (rows - right + 1) / (rows + 2)
    variance = float(((q - p) ** 2 * np.where(known, smooth * (1 - smooth) / (rows + 2), 0.0)).sum())
    covered = float(q[known].sum())
    most = int(parts.argmax())
    part = LossPart(float(parts.sum()), variance, covered)
    return ClassMix(classes[most], float(p[most]), float(q[most]), float(error[most]), part)
