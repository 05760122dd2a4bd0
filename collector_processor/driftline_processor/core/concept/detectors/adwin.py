"""ADWIN: a window of what has been the same for so long; where its two ends differ, the older one goes.

Its buckets live in River's compiled part, which gives them as bytes: numbers in a row, nothing that runs. With them is
kept what can be read of a window, so that bytes of another version of River that mean something else are noticed.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

from .detector import Detector, Kind, River, Step


def _make(_kind: Kind, delta: float) -> River:
    from river.drift import ADWIN

    return ADWIN(delta=delta)  # type: ignore[no-untyped-call]


def _state(detector: River) -> dict[str, Any]:
    packed = zlib.compress(detector._helper.__getstate__(), 1)
    return {"buckets": base64.b64encode(packed).decode(), "known": _known(detector)}


def _restore(detector: River, state: Any) -> None:
    detector._helper.__setstate__(zlib.decompress(base64.b64decode(state["buckets"])))
    if _known(detector) != state["known"]:
        raise ValueError("the buckets of ADWIN are not those that were kept; they are of another version of River")


def _step(detector: River) -> Step:
    step: Step = detector._helper.update  # what ADWIN.update does, without its half a microsecond of Python
    return step


def _known(detector: River) -> list[float]:
    return [detector.delta, detector.width, detector.total, detector.variance]


DETECTOR = Detector(
    name="adwin",
    title="ADWIN",
    source="Bifet, Gavaldà: Learning from Time-Changing Data with Adaptive Windowing. SDM 2007",
    make=_make,
    state=_state,
    restore=_restore,
    step=_step,
)
