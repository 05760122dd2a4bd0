"""HDDM-A: the mean since a cut differs from the mean before it by more than Hoeffding's bound allows."""

from __future__ import annotations

from typing import Any

from .detector import Detector, Kind, River

CONFIDENCE = 1e-7
"""The bound holds for one cut, and there is one a value; River's own 0.001 cries wolf."""

_MEANS = ("_x_min", "_x_max", "_z")


def _make(_kind: Kind, _delta: float) -> River:
    from river.drift.binary import HDDMA

    both = {"drift_confidence": CONFIDENCE, "warning_confidence": CONFIDENCE}
    return HDDMA(**both, two_sided_test=True)  # type: ignore[no-untyped-call]


def _state(detector: River) -> Any:
    return [[getattr(detector, name).n, getattr(detector, name)._mean] for name in _MEANS]


def _restore(detector: River, state: Any) -> None:
    for name, (n, mean) in zip(_MEANS, state, strict=True):
        kept = getattr(detector, name)
        kept.n, kept._mean = n, mean


DETECTOR = Detector(
    name="hddm_a",
    title="HDDM-A",
    source="Frías-Blanco et al.: Online and Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds. "
    "IEEE TKDE 27, 2015",
    make=_make,
    state=_state,
    restore=_restore,
    kinds=frozenset({"error"}),
)
