"""A detector: one of River's with parameters that keep its false alarms rare, and its state as JSON.

River keeps detectors by pickling them, and what is unpickled can run anything. So each file says by name which numbers
of its detector are the state; a test feeds a stream in two pieces, over such a state, and whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["error", "loss"]
"""Input of a detector: 0 or 1 for right and wrong, or a standardised loss within ``-CLIP`` and ``CLIP``."""

ALARM_RATE = 1e-5
"""Most alarms per value where nothing changes."""

River = Any
"""One of River's detectors: ``update(value)``, and ``drift_detected`` after it."""


Step = Callable[[float], bool]
"""Takes a value, and says whether it is the one at which a change is found; after that the detector is done with."""


def one_by_one(detector: River) -> Step:
    """Return the step of any detector."""

    def step(value: float) -> bool:
        detector.update(value)
        return bool(detector.drift_detected)

    return step


@dataclass(frozen=True, slots=True)
class Detector:
    """One way to find a change in a stream of values.

    ``name``: as it is written in YAML, JSON and metrics; ``title``: as people write it; ``source``: the paper.
    ``make``: a new one for a kind of values; ``delta`` is ADWIN's, the others have none. ``state`` and ``restore``:
    what it knows, as JSON, and back into one that was just made. ``both_ways``: whether it also finds that values fall.
    ``kinds``: what can be fed. ``step``: of one that was made, the quickest way to feed it.
    """

    name: str
    title: str
    source: str
    make: Callable[[Kind, float], River]
    state: Callable[[River], Any]
    restore: Callable[[River, Any], None]
    both_ways: bool = True
    kinds: frozenset[Kind] = frozenset({"error", "loss"})
    step: Callable[[River], Step] = one_by_one


def plain_state(detector: River, names: tuple[str, ...]) -> list[float | None]:
    """Return attributes that are numbers; infinity, which JSON lacks, as None."""
    values = (getattr(detector, name) for name in names)
    return [None if value is None or value in (float("inf"), float("-inf")) else value for value in values]
