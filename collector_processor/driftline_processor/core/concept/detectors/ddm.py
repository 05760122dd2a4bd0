"""DDM: the error rate rises some standard deviations above the lowest it has been."""

from __future__ import annotations

from typing import Any

import numpy as np
from driftline.tables.table import F64

from .detector import Detector, Kind, RunningDetector, first_true, latest_lowest, running_sums

THRESHOLD = 5.0
"""Standard deviations (simulations/concept_drift.py): with the paper's 3 there are 9 false alarms in 100,000 values."""

FIRST = 1000
"""Values before which it is silent, not the paper's 30: with no error among them it would drift with the first one."""


class Ddm:
    """DDM on one stream.

    Attributes:
        n: Values so far.
        wrong: Errors among them.
        lowest: The least sum of the error rate and its standard deviation, after :data:`FIRST` values; None before.
        rate: The error rate at that time.
        deviation: Its standard deviation.
    """

    def __init__(self) -> None:
        self.n, self.wrong = 0, 0.0
        self.lowest: float | None = None
        self.rate, self.deviation = 0.0, 0.0

    def first_alarm(self, values: F64) -> int:
        """Take values up to the one at which a change is found; return its place, -1 without one."""
        if not len(values):
            return -1
        n = np.arange(self.n + 1, self.n + len(values) + 1)
        wrong = running_sums(self.wrong, values)
        self.n, self.wrong = int(n[-1]), float(wrong[-1])
        late = n > FIRST
        if not late.any():
            return -1
        rate = wrong[late] / n[late]
        deviation = np.sqrt(rate * (1 - rate) / n[late])
        start = np.inf if self.lowest is None else self.lowest
        at = latest_lowest(rate + deviation, start) + 1  # 0: the one before these
        rates = np.concatenate([[self.rate], rate])
        deviations = np.concatenate([[self.deviation], deviation])
        found = first_true(rate + deviation > rates[at] + THRESHOLD * deviations[at])
        self.rate, self.deviation = float(rates[at[-1]]), float(deviations[at[-1]])
        self.lowest = self.rate + self.deviation
        return found if found < 0 else found + int(np.argmax(late))

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values."""
        return {
            "n": self.n,
            "wrong": self.wrong,
            "lowest": self.lowest,
            "rate": self.rate,
            "deviation": self.deviation,
        }


def _make(_kind: Kind, _delta: float) -> RunningDetector:
    return Ddm()


def _read(_kind: Kind, _delta: float, state: Any) -> RunningDetector:
    ddm = Ddm()
    if isinstance(state, dict):
        ddm.n, ddm.wrong, ddm.lowest = state["n"], state["wrong"], state["lowest"]
        ddm.rate, ddm.deviation = state["rate"], state["deviation"]
    else:  # the previous release kept River's numbers
        n, mean, rate, deviation, ddm.lowest = state
        ddm.n, ddm.wrong, ddm.rate, ddm.deviation = int(n), float(round(n * mean)), rate or 0.0, deviation or 0.0
    return ddm


DETECTOR = Detector(
    name="ddm",
    title="DDM",
    source="Gama, Medas, Castillo, Rodrigues: Learning with Drift Detection. SBIA 2004",
    make=_make,
    read=_read,
    both_ways=False,
    kinds=frozenset({"error"}),
)
