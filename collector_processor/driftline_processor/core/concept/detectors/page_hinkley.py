"""Page-Hinkley: the sum of deviations from the mean so far leaves its lowest, or its highest, by too much."""

from __future__ import annotations

from typing import Any

import numpy as np
from driftline.tables.table import F64

from .detector import Detector, Kind, RunningDetector, first_true, running_sums

TOLERATED = {"error": 0.05, "loss": 0.1}
"""How far above the mean values may lie, in their unit, and not count (simulations/concept_drift.py); River: 0.005."""

THRESHOLD = {"error": 50.0, "loss": 100.0}
"""In the unit of the values. River's own (0.005 and 50) cry wolf 27 times in 10,000 standard normal values."""

FIRST = 30
"""Values before which it is silent, as in River: the mean so far is that of the values themselves."""


class PageHinkley:
    """Page-Hinkley's test on one stream, of both sides, without forgetting.

    River's forgetting of 0.0001 a value makes the sum settle at a level and wander about it, farther than a useful
    threshold.

    Attributes:
        n: Values so far.
        total: Their sum.
        rise: The sum of deviations less what is tolerated, and the lowest that it has been.
        fall: The sum of deviations and what is tolerated, and the highest that it has been.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.n, self.total = 0, 0.0
        self.rise: tuple[float, float | None] = (0.0, None)
        self.fall: tuple[float, float | None] = (0.0, None)

    def first_alarm(self, values: F64) -> int:
        """Take values up to the one at which a change is found; return its place, -1 without one."""
        if not len(values):
            return -1
        n = np.arange(self.n + 1, self.n + len(values) + 1)
        totals = running_sums(self.total, values)
        apart = values - totals / n
        found = np.zeros(len(values), np.bool_)
        self.rise = self._side(self.rise, apart, 1, found)
        self.fall = self._side(self.fall, apart, -1, found)
        self.n, self.total = int(n[-1]), float(totals[-1])
        return first_true(found & (n >= FIRST))

    def _side(
        self, side: tuple[float, float | None], apart: F64, sign: int, found: np.ndarray[Any, Any]
    ) -> tuple[float, float]:
        """Sum the deviations of one side, and mark in ``found`` where they leave their extreme by too much."""
        start, extreme = side
        sums = running_sums(start, apart - sign * TOLERATED[self.kind])
        lowest = np.minimum.accumulate(np.concatenate([[np.inf if extreme is None else sign * extreme], sign * sums]))
        found |= sign * sums - lowest[1:] > THRESHOLD[self.kind]
        return float(sums[-1]), float(sign * lowest[-1])

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values."""
        return {"n": self.n, "total": self.total, "rise": list(self.rise), "fall": list(self.fall)}


def _make(kind: Kind, _delta: float) -> RunningDetector:
    return PageHinkley(kind)


def _read(kind: Kind, _delta: float, state: Any) -> RunningDetector:
    test = PageHinkley(kind)
    if isinstance(state, dict):
        test.n, test.total = state["n"], state["total"]
        (rise, lowest), (fall, highest) = state["rise"], state["fall"]
    else:  # the previous release kept River's numbers
        test.n, mean, lowest, rise, fall, highest = state
        test.total = mean * test.n
    test.rise, test.fall = (rise, lowest), (fall, highest)
    return test


DETECTOR = Detector(
    name="page_hinkley",
    title="Page-Hinkley",
    source="Page: Continuous Inspection Schemes. Biometrika 41, 1954",
    make=_make,
    read=_read,
)
