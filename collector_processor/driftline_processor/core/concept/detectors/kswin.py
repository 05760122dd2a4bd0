"""KSWIN: the newest values against a random sample of those before them, by the Kolmogorov-Smirnov test.

It keeps the values themselves, and draws its sample anew for each value: hundreds of times the cost of ADWIN. The draw
is a hash of the value's number (:mod:`~driftline_processor.core.stable_hash`), so the same stream is told the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from driftline.tables.table import F64
from numpy.typing import NDArray
from scipy.special import gammaln

from driftline_processor.core.stable_hash import hash_numbers

from .detector import Detector, Kind, RunningDetector, first_true

ALPHA = 1e-6
"""There is a test a value, so at most one false alarm in a million of them; River's own 0.005 gives 11 in 10,000."""

WINDOW = 1_000
"""Values that are kept, not River's 100: the test of 30 against 30 cannot reach :data:`ALPHA` but by a landslide."""

NEWEST = 400
"""The newest of them, and as many drawn from the others: a rise from 20 to 40 % is seen (simulations)."""

SALT = 20200301
"""What the draws are named by, so that other hashes of the same numbers say nothing of them."""

_ROWS = 256
"""Values that are tested at once: so many rows of :data:`WINDOW` and more small numbers fit into a cache."""


class Kswin:
    """KSWIN on one stream.

    Attributes:
        n: Values so far.
        window: The newest of them, at most :data:`WINDOW`.
    """

    def __init__(self) -> None:
        self.n, self.window = 0, np.empty(0)

    def first_alarm(self, values: F64) -> int:
        """Take values up to the one at which a change is found; return its place, -1 without one."""
        for first in range(0, len(values), _ROWS):
            found = self._first_alarm(values[first : first + _ROWS])
            if found >= 0:
                return first + found
        return -1

    def _first_alarm(self, values: F64) -> int:
        kept = np.concatenate([self.window, values])
        self.n, self.window = self.n + len(values), kept[-WINDOW:]
        kept = kept[-(WINDOW - 1 + len(values)) :]
        tests = len(kept) - WINDOW + 1
        if tests <= 0:
            return -1
        drawn = samples(self.n - tests + 1 + np.arange(tests))
        found = first_true(_distances(kept, drawn) >= critical_distance(ALPHA))
        return found if found < 0 else found + len(values) - tests

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values."""
        return {"n": self.n, "window": self.window.tolist()}


def samples(numbers: NDArray[np.int64]) -> NDArray[np.intp]:
    """Draw for each value, by its number in the stream, :data:`NEWEST` of the places before the newest: (n, NEWEST).

    >>> drawn = samples(np.array([1000, 1001]))
    >>> drawn.shape, int(drawn.max()) < 600, bool((drawn[0] == drawn[1]).all())
    ((2, 400), True, False)
    """
    older = WINDOW - NEWEST
    keys = hash_numbers((numbers[:, np.newaxis] * older + np.arange(older)).ravel(), SALT).reshape(-1, older)
    return np.argpartition(keys, NEWEST, axis=1)[:, :NEWEST]


def _distances(kept: F64, drawn: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return for each window of the values the greatest distance of both distribution functions, in values of 400."""
    tests, rows = len(drawn), np.arange(len(drawn))[:, np.newaxis]
    different, place = np.unique(kept, return_inverse=True)
    order = np.argsort(place, kind="stable")
    rank = np.empty(len(kept), np.intp)
    rank[order] = np.arange(len(kept))
    side = np.zeros((tests, len(kept)), np.int16)
    side[rows, rank[rows + WINDOW - NEWEST + np.arange(NEWEST)]] = 1
    side[rows, rank[rows + drawn]] = -1
    ends = np.searchsorted(place[order], np.arange(len(different)), side="right") - 1
    distances: NDArray[np.int64] = np.abs(np.cumsum(side, axis=1, dtype=np.int16)[:, ends]).max(axis=1).astype(np.int64)
    return distances


@cache
def critical_distance(alpha: float) -> int:
    """Return the least distance, in values of :data:`NEWEST`, that equal distributions exceed with a chance of alpha.

    The exact two-sided test of two samples of one size (Gnedenko and Korolyuk 1951); scipy.special has only the limit.

    >>> critical_distance(1e-6)
    76
    """
    distances = np.arange(1, NEWEST + 1)
    folds = np.arange(1, NEWEST + 1)[:, np.newaxis]
    away = np.minimum(folds * distances, NEWEST)
    size = 2 * gammaln(NEWEST + 1) - gammaln(NEWEST + away + 1) - gammaln(NEWEST - away + 1)
    terms = np.where(folds * distances <= NEWEST, np.exp(size), 0) * np.where(folds % 2, 2, -2)
    return int(distances[np.argmax(terms.sum(axis=0) <= alpha)])


def _make(_kind: Kind, _delta: float) -> RunningDetector:
    return Kswin()


def _read(_kind: Kind, _delta: float, state: Any) -> RunningDetector:
    kswin = Kswin()  # the previous release kept River's draws, too, which no state needs any more
    kswin.n, kswin.window = int(state["n"]), np.array(state["window"], np.float64)
    return kswin


DETECTOR = Detector(
    name="kswin",
    title="KSWIN",
    source="Raab, Heusinger, Schleif: Reactive Soft Prototype Computing for Concept Drift Streams. Neurocomputing 2020",
    make=_make,
    read=_read,
)
