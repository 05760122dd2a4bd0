"""Whether the reference has rows like those of a window at all: without any, what is learned of it says nothing."""

from __future__ import annotations

import numpy as np
from driftline.bins import SCORE_BINS
from driftline.tables import F64

LEAST_ALIKE = 0.2
"""Of the reference's rows, those that a window's have beside them: with fewer, they are others than it knows."""

_NEAR = 64
"""Bins, half a logit: where the reference has no row so near, it has none like those."""

_WIDER = 3.0


def counterparts(reference: F64, window: F64) -> float:
    """Return how many rows of the reference a window's rows have beside them, effectively (Kish); inf of no window.

    ``reference``, ``window``: float64 (SCORE_BINS,), effective rows by score. By cells that hold three times as many
    rows of the reference each from either end on, so what lies beyond all but a few rows of it has those few beside it.

    >>> reference, window = np.zeros((2, SCORE_BINS))
    >>> reference[1800:2300], window[1800:2300] = 10, 2
    >>> round(counterparts(reference, window))
    5000
    >>> window[2600] = 100
    >>> round(counterparts(reference, window))
    119
    """
    total = float(reference.sum())
    reached = np.cumsum(reference)
    middle = reached - reference / 2
    beyond = np.maximum(np.minimum(middle, total - middle), 0.0)
    around = np.pad(np.append(0.0, reached), (_NEAR, _NEAR + 1), mode="edge")
    beyond[around[2 * _NEAR + 1 :][:SCORE_BINS] - around[:SCORE_BINS] <= 0] = 0.0
    cell = 2 * np.floor(np.log1p(beyond) / np.log(_WIDER)).astype(np.int64) + (middle > total / 2)
    of_reference, of_window = (np.bincount(cell, rows) for rows in (reference, window))
    unlike = float((of_window**2 / np.maximum(of_reference, 1.0)).sum())
    return float(of_window.sum()) ** 2 / unlike if unlike > 0 else np.inf
