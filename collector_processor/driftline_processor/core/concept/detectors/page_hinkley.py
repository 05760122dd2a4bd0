"""Page-Hinkley: the sum of deviations from the mean so far leaves its lowest, or its highest, by too much."""

from __future__ import annotations

from typing import Any

from .detector import Detector, Kind, River

TOLERATED = {"error": 0.05, "loss": 0.1}
THRESHOLD = {"error": 50.0, "loss": 100.0}
"""In the unit of the values. River's own (0.005 and 50) cry wolf 27 times in 10,000 standard normal values."""

FORGETTING = 1.0
"""None. With River's 0.9999 the sum settles at a level and wanders about it, farther than a useful threshold."""

_SUMS = ("_sum_increase", "_sum_decrease", "_max_decrease")


def _make(kind: Kind, _delta: float) -> River:
    from river.drift import PageHinkley

    return PageHinkley(delta=TOLERATED[kind], threshold=THRESHOLD[kind], alpha=FORGETTING)


def _state(detector: River) -> Any:
    least = None if detector._x_mean.n == 0 else detector._min_increase
    return [detector._x_mean.n, detector._x_mean._mean, least, *(getattr(detector, name) for name in _SUMS)]


def _restore(detector: River, state: Any) -> None:
    detector._x_mean.n, detector._x_mean._mean, least, *sums = state
    detector._min_increase = float("inf") if least is None else least
    for name, value in zip(_SUMS, sums, strict=True):
        setattr(detector, name, value)


DETECTOR = Detector(
    name="page_hinkley",
    title="Page-Hinkley",
    source="Page: Continuous Inspection Schemes. Biometrika 41, 1954",
    make=_make,
    state=_state,
    restore=_restore,
)
