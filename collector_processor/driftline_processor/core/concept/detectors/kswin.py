"""KSWIN: the newest values against a random sample of those before them, by the Kolmogorov-Smirnov test.

It keeps the values themselves, and draws its sample anew for each value: a thousand times the cost of ADWIN.
"""

from __future__ import annotations

from typing import Any

from .detector import Detector, Kind, River

ALPHA, WINDOW, NEWEST, SEED = 1e-6, 1_000, 400, 20200301
"""There is a test a value, so at most one false alarm in a million of them; River's own 0.005 gives 11 in 10,000."""


def _make(_kind: Kind, _delta: float) -> River:
    from river.drift import KSWIN

    return KSWIN(alpha=ALPHA, window_size=WINDOW, stat_size=NEWEST, seed=SEED)


def _state(detector: River) -> Any:
    version, drawn, spare = detector._rng.getstate()
    return {"n": detector.n, "window": list(detector.window), "random": [version, list(drawn), spare]}


def _restore(detector: River, state: Any) -> None:
    detector.n = state["n"]
    detector.window.extend(state["window"])
    version, drawn, spare = state["random"]
    detector._rng.setstate((version, tuple(drawn), spare))


DETECTOR = Detector(
    name="kswin",
    title="KSWIN",
    source="Raab, Heusinger, Schleif: Reactive Soft Prototype Computing for Concept Drift Streams. Neurocomputing 2020",
    make=_make,
    state=_state,
    restore=_restore,
)
