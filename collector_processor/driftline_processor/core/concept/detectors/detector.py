"""A detector: what finds the first change in a stream of values, fed by arrays, with its state as plain JSON values.

A detector is done with once it has found a change; whoever watches on makes a new one. So nothing here forgets or
shrinks, and a batch is told by prefix sums and running extremes, without a step of Python for each value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from driftline.tables.table import F64
from numpy.typing import NDArray

Kind = Literal["error", "loss"]
"""Input of a detector: 0 or 1 for right and wrong, or a standardised loss within ``-CLIP`` and ``CLIP``."""

ALARM_RATE = 1e-5
"""Most alarms per value where nothing changes: the promise that docs/data/concept-drift.md measures."""


class RunningDetector(Protocol):
    """A detector on one stream."""

    def first_alarm(self, values: F64) -> int:
        """Take values in their order, up to the one at which a change is found; return its place, -1 without one.

        However a stream is cut into calls, the same is found. After an alarm the detector is done with.
        """

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One way to find a change in a stream of values.

    Attributes:
        name: As it is written in YAML, JSON and metrics.
        title: As people write it.
        source: The paper.
        make: Makes a new one for a kind of values; ``delta`` is ADWIN's, the others have none.
        read: Makes the one whose state was kept, for the same arguments. What the previous release kept, River's
            numbers, is read as well. Raises ValueError, KeyError or TypeError where it cannot be read.
        both_ways: Whether it also finds that values fall.
        kinds: What can be fed.
    """

    name: str
    title: str
    source: str
    make: Callable[[Kind, float], RunningDetector]
    read: Callable[[Kind, float, Any], RunningDetector]
    both_ways: bool = True
    kinds: frozenset[Kind] = frozenset({"error", "loss"})


def first_true(which: NDArray[np.bool_]) -> int:
    """Return the place of the first that is true, -1 of none.

    >>> first_true(np.array([False, True, True])), first_true(np.zeros(2, bool))
    (1, -1)
    """
    return int(np.argmax(which)) if which.any() else -1


def running_sums(start: float, values: F64) -> F64:
    """Return the sum after each value, from ``start`` on: float64 (n,), rounded alike however the values are cut.

    >>> running_sums(2.0, np.array([1.0, 0.5]))
    array([3. , 3.5])
    """
    sums: F64 = np.cumsum(np.concatenate([[start], values]))[1:]
    return sums


def latest_lowest(keys: F64, start: float) -> NDArray[np.intp]:
    """Return for each place where the lowest key up to it last was: (n,), -1 where the one before all, ``start``, is.

    >>> latest_lowest(np.array([3.0, 2.0, 5.0, 2.0]), 2.5)
    array([-1,  1,  1,  3])
    """
    lowest = np.minimum.accumulate(np.concatenate([[start], keys]))[1:]
    places: NDArray[np.intp] = np.maximum.accumulate(np.where(keys <= lowest, np.arange(len(keys)), -1))
    return places
