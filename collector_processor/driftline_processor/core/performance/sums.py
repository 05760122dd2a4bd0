"""Read what a pane holds of a task; a pane that was folded for another task holds nothing of it."""

from __future__ import annotations

from driftline.pane import LOSSES, Pane
from driftline.tables import F64


def losses(pane: Pane, kind: str) -> dict[str, float] | None:
    """Return the summed losses of a kind of task by their names in ``LOSSES``; None where there are none."""
    sums = pane.parts.get("losses")
    names = LOSSES[kind]
    return None if sums is None or len(sums) != len(names) else dict(zip(names, sums.tolist(), strict=True))


def confusion(pane: Pane, classes: int) -> F64 | None:
    """Return the weight per actual (row) and predicted (column) class: float64 (k, k); None where there is none."""
    counts = pane.parts.get("confusion")
    if counts is None or len(counts) != classes**2 or counts.sum() <= 0:
        return None
    return counts.reshape(classes, classes)


def rows_of(pane: Pane, weight: float) -> int:
    """Return how many joined rows hold this weight: their number without weights, near it with uneven ones.

    >>> import numpy as np
    >>> rows_of(Pane({"outcomes": np.array([4.0, 8.0, 16.0])}), 6.0)
    3
    """
    rows, total, _ = pane.parts["outcomes"].tolist()
    return round(weight * rows / total) if total > 0 else 0


def ratio(numerator: float, denominator: float) -> float | None:
    """Return the quotient, None where there is nothing to divide by: an undefined metric is unknown, never 0.

    >>> ratio(1, 4), ratio(0, 0)
    (0.25, None)
    """
    return float(numerator) / float(denominator) if denominator > 0 else None
