"""Rows that a full buffer dropped: still predictions, so they are counted, with what they took."""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import TYPE_CHECKING

from .distribution import Binned
from .later import Late
from .outcomes import Outcome
from .pane import DURATION_BOUNDS
from .prediction import Prediction
from .tally import DURATIONS

if TYPE_CHECKING:
    from .identity import Identity
    from .single import Single


class Lost:
    """How many predictions of each model and error type were dropped, and how long they took.

    Written by whoever fills the buffer: 1.5 µs a row, in a process that makes more of them than it can send.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know of nothing, with a lock of its own: after a fork."""
        self._lock = threading.Lock()
        self._durations: dict[tuple[Identity, str], Binned] = {}

    def note(self, entry: Prediction | Single | Late | Outcome) -> None:
        """Count what is dropped."""
        if isinstance(entry, Outcome):
            return
        if isinstance(entry, Late):
            identity, error, took, rows = entry.plan.identity, "", entry.elapsed, 1
        elif isinstance(entry, Prediction):
            identity, error, took, rows = entry.plan.identity, entry.error, entry.elapsed, entry.count
        else:
            identity, error, took, rows = entry[0].identity, entry[9], entry[4], 1
        seconds = took * 1e-9
        with self._lock:
            durations = self._durations.get((identity, error))
            if durations is None:
                durations = self._durations[identity, error] = Binned(DURATIONS)
            durations.counts[bisect_left(DURATION_BOUNDS, seconds)] += rows
            durations.total += seconds * rows
            durations.low, durations.high = min(durations.low, seconds), max(durations.high, seconds)

    def drain(self) -> dict[tuple[Identity, str], Binned]:
        """Return what was dropped since the last call."""
        with self._lock:
            durations, self._durations = self._durations, {}
            return durations
