"""DDM: the error rate rises some standard deviations above the lowest it has been."""

from __future__ import annotations

from typing import Any

from .detector import Detector, Kind, River, plain_state

THRESHOLD = 5.0
"""Standard deviations; with River's 3 there are 4 false alarms in 100,000 values of an error rate of 0.01."""

FIRST = 1000
"""Values before which it is silent, not 30: a model that made no error among them would drift with its first one."""

_NAMES = ("_p_min", "_s_min", "_ps_min")


def _make(_kind: Kind, _delta: float) -> River:
    from river.drift.binary import DDM

    return DDM(warm_start=FIRST, drift_threshold=THRESHOLD)


def _state(detector: River) -> Any:
    return [detector._p.n, detector._p._mean, *plain_state(detector, _NAMES)]


def _restore(detector: River, state: Any) -> None:
    detector._p.n, detector._p._mean, detector._p_min, detector._s_min, lowest = state
    detector._ps_min = float("inf") if lowest is None else lowest


DETECTOR = Detector(
    name="ddm",
    title="DDM",
    source="Gama, Medas, Castillo, Rodrigues: Learning with Drift Detection. SBIA 2004",
    make=_make,
    state=_state,
    restore=_restore,
    both_ways=False,
    kinds=frozenset({"error"}),
)
