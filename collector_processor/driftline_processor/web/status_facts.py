"""What the frame of every page and the status page say of the process: how late it is, and what it may take."""

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
    """What is known of the process beside its counters.

    Attributes:
        lines: Returns sentences on where it listens, where rows are kept and where things go.
        memory: Returns the bytes that it takes; 0 where that is not known.
        memory_limit: Bytes that it may take, ``limits.memory``; 0 where nothing limits it.
        limits: Name of another limit → the limit.
        started: Unix nanoseconds; 0 where that is not known.
    """

    lines: Callable[[], Sequence[str]] = tuple
    memory: Callable[[], int] = int
    memory_limit: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)
    started: int = 0


NO_PROCESS = Process()
"""Nothing is known of the process beside its counters."""


def evaluated_until(counted: Counted, now: int) -> int | None:
    """Return up to when live windows are evaluated, unix nanoseconds in whole minutes; None where none is late."""
    lag = int(max(lags_in_seconds(counted).values(), default=0.0) * 1e9)
    return (now - lag) // _MINUTE * _MINUTE if lag >= LONG else None


def lags_in_seconds(counted: Counted) -> dict[str, float]:
    """Return the seconds that the windows of each length are late."""
    return {
        dict(labels).get(a.DRIFTLINE_WINDOW, ""): value
        for (name, labels), value in counted.items()
        if name == m.DRIFTLINE_EVALUATION_LAG
    }
