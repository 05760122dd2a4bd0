"""Of which predictions of a pane an outcome can be known: those that were sent as rows, and were not deleted since."""

from __future__ import annotations

import numpy as np
from driftline.pane import Pane
from driftline.tables import F64

from .distributed import DISTRIBUTED

ERASED = "erased"
"""The part of a pane: n, Σw, Σw² of its ``rows`` that were deleted for good. What was counted of them stays counted."""


def kept(pane: Pane) -> F64:
    """Return n, Σw, Σw² of the rows that nobody deleted, float64 (3,); those that expired are among them.

    >>> kept(Pane({"rows": np.full(3, 9.0), ERASED: np.full(3, 2.0)}))
    array([7., 7., 7.])
    """
    nothing = np.zeros(3)
    left: F64 = np.maximum(0.0, pane.parts.get("rows", nothing) - pane.parts.get(ERASED, nothing))
    return left


def sent(pane: Pane) -> F64:
    """Return the same without those that are known from distributions only: an outcome joins a row."""
    left: F64 = np.maximum(0.0, kept(pane) - float(pane.parts.get(DISTRIBUTED, np.zeros(1))[0]))
    return left
