"""HDDM-A: the mean since a cut differs from the mean before it by more than Hoeffding's bound allows."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
from driftline.tables.table import F64, I64
from numpy.typing import NDArray

from .detector import Detector, Kind, RunningDetector, first_true, latest_lowest, running_sums

CONFIDENCE = 1e-7
"""The bound holds for one cut, and there is one a value; the paper's 0.001 cries wolf (docs/data/concept-drift.md)."""


class HddmA:
    """HDDM-A on one stream.

    Attributes:
        n: Values so far.
        wrong: Errors among them.
        rise: Values and errors before the cut after which errors may have become more.
        fall: Values and errors before the cut after which they may have become fewer.
    """

    def __init__(self) -> None:
        self.n, self.wrong = 0, 0.0
        self.rise = self.fall = (0, 0.0)

    def first_alarm(self, values: F64) -> int:
        """Take values up to the one at which a change is found; return its place, -1 without one."""
        if not len(values):
            return -1
        n = np.arange(self.n + 1, self.n + len(values) + 1, dtype=np.int64)
        wrong = running_sums(self.wrong, values)
        found = np.zeros(len(values), np.bool_)
        self.rise = _cut(self.rise, n, wrong, 1, found)
        self.fall = _cut(self.fall, n, wrong, -1, found)
        self.n, self.wrong = int(n[-1]), float(wrong[-1])
        return first_true(found)

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values."""
        return {"n": self.n, "wrong": self.wrong, "rise": list(self.rise), "fall": list(self.fall)}


def _cut(cut: tuple[int, float], n: I64, wrong: F64, sign: int, found: NDArray[np.bool_]) -> tuple[int, float]:
    """Move the cut of one side over values, mark in ``found`` where it is too far, and return where it is then.

    It stays where the mean, with Hoeffding's bound on the side of the change, was last nearest to it.
    """
    bound = np.sqrt(log(1 / CONFIDENCE) / (2 * n))
    start = np.inf if cut[0] == 0 else sign * cut[1] / cut[0] + np.sqrt(log(1 / CONFIDENCE) / (2 * cut[0]))
    at = latest_lowest(sign * wrong / n + bound, start) + 1
    before, wrong_before = np.concatenate([[cut[0]], n])[at], np.concatenate([[cut[1]], wrong])[at]
    allowed = np.sqrt((n - before) / before / n / 2 * log(2 / CONFIDENCE))
    found |= (before < n) & (sign * (wrong / n - wrong_before / before) >= allowed)
    return int(before[-1]), float(wrong_before[-1])


def _make(_kind: Kind, _delta: float) -> RunningDetector:
    return HddmA()


def _read(_kind: Kind, _delta: float, state: Any) -> RunningDetector:
    hddm = HddmA()
    if isinstance(state, dict):
        hddm.n, hddm.wrong = state["n"], state["wrong"]
        (rise, rise_wrong), (fall, fall_wrong) = state["rise"], state["fall"]
        hddm.rise, hddm.fall = (rise, rise_wrong), (fall, fall_wrong)
    else:  # the previous release kept River's numbers: counts and means
        hddm.rise, hddm.fall, (hddm.n, hddm.wrong) = ((int(n), float(round(n * mean))) for n, mean in state)
    return hddm


DETECTOR = Detector(
    name="hddm_a",
    title="HDDM-A",
    source="Frías-Blanco et al.: Online and Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds. "
    "IEEE TKDE 27, 2015",
    make=_make,
    read=_read,
    kinds=frozenset({"error"}),
)
