"""Facts of the process for the status page and the frame of every page: lag, memory, limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from msgspec import Struct, field

from driftline_processor.evaluation.window_queue import LONG
from driftline_processor.health import Labels

Counted = Mapping[tuple[str, Labels], float]
"""(Name of a metric, its sorted labels) → value."""

_MINUTE = 60 * 10**9


class Process(Struct, frozen=True):
    """Facts of the process besides its counters.

    Attributes:
        lines: Returns sentences on addresses, storage and destinations.
        memory: Returns the bytes in use; 0 if unknown.
        memory_limit: Upper limit of bytes, ``limits.memory``; 0 = no limit.
        limits: Name of another limit → the limit.
        started: Start of the process, unix nanoseconds; 0 if unknown.
    """

    lines: Callable[[], Sequence[str]] = tuple
    memory: Callable[[], int] = int
    memory_limit: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)
    started: int = 0


NO_PROCESS = Process()
"""No facts besides the counters."""


def evaluated_until(counted: Counted, now: int) -> int | None:
    """Return the end of the evaluated time in unix nanoseconds, whole minutes; None if no window is late."""
    lag = int(max(lags_in_seconds(counted).values(), default=0.0) * 1e9)
    return (now - lag) // _MINUTE * _MINUTE if lag >= LONG else None


def lags_in_seconds(counted: Counted) -> dict[str, float]:
    """Return the lag in seconds per length of windows."""
    return {
        dict(labels).get(a.DRIFTLINE_WINDOW, ""): value
        for (name, labels), value in counted.items()
        if name == m.DRIFTLINE_EVALUATION_LAG
    }
