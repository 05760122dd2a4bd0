"""Of which predictions of a pane an outcome can be known: those that were sent as rows, and were not deleted since."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.pane import Pane
from driftline.tables import F64

from .distributed import DISTRIBUTED

DECIDED = "decided:"
"""Prefix of parts that hold the weight of one decided class, whatever the bins."""

ERASED = "erased"
"""The part of a pane: n, Σw, Σw² of its ``rows`` that were deleted for good. What was counted of them stays counted."""

ERASED_AS = "erased:"
"""Prefix of parts that hold the weight of those of one decided class."""

_ROUNDED = 1e-12
"""What is left of a sum when all of its rows are taken off may be rounding, as a share of it."""


def kept(pane: Pane) -> F64:
    """Return n, Σw, Σw² of the rows that nobody deleted, float64 (3,); those that expired are among them.

    >>> kept(Pane({"rows": np.full(3, 9.0), ERASED: np.full(3, 2.0)}))
    array([7., 7., 7.])
    """
    return _left(pane, "rows", ERASED, 3)


def sent(pane: Pane) -> F64:
    """Return the same without those that are known from distributions only: an outcome joins a row."""
    left: F64 = np.maximum(0.0, kept(pane) - float(pane.parts.get(DISTRIBUTED, np.zeros(1))[0]))
    return left


def kept_as(pane: Pane, classes: Sequence[str]) -> F64 | None:
    """Return the weight of the rows that nobody deleted and that were decided for each of some classes: float64 (k,).

    None where decisions were not counted.

    >>> parts = {"decided:a": np.array([9.0]), "erased:a": np.array([2.0])}
    >>> kept_as(Pane(parts), ("a", "b"))
    array([7., 0.])
    """
    if not any(f"{DECIDED}{name}" in pane.parts for name in classes):
        return None
    return np.concatenate([_left(pane, f"{DECIDED}{name}", f"{ERASED_AS}{name}", 1) for name in classes])


def _left(pane: Pane, part: str, erased: str, width: int) -> F64:
    nothing = np.zeros(width)
    all_rows = pane.parts.get(part, nothing)
    left = all_rows - pane.parts.get(erased, nothing)
    return np.where(left > _ROUNDED * all_rows, left, 0.0)
