"""What the process counts of itself, and whether it is ready.

``/healthz`` answers 200 as long as the process answers at all. ``/readyz`` answers 200 when nothing is being waited
for, else 503 with the reasons.
"""

from __future__ import annotations

import threading
from collections import defaultdict

Labels = tuple[tuple[str, str], ...]


class Counters:
    """Monotonic counters and gauges by metric name and labels, for many threads.

    >>> from driftline.semconv import attributes, metrics
    >>> counters = Counters()
    >>> counters.add(metrics.DRIFTLINE_FORWARD_SENT, 2, {attributes.DRIFTLINE_DESTINATION: "otlp/jaeger"})
    >>> counters.snapshot()
    {('driftline.forward.sent', (('driftline.destination', 'otlp/jaeger'),)): 2.0}
    """

    def __init__(self) -> None:
        self._values: defaultdict[tuple[str, Labels], float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, name: str, value: float = 1, labels: dict[str, str] | None = None) -> None:
        """Add to a counter."""
        with self._lock:
            self._values[name, _sorted(labels)] += value

    def set(self, name: str, value: float, labels: dict[str, str] | None = None) -> None:
        """Set a gauge."""
        with self._lock:
            self._values[name, _sorted(labels)] = value

    def snapshot(self) -> dict[tuple[str, Labels], float]:
        """Return a copy of all values, as :meth:`View.counters` gives them."""
        with self._lock:
            return dict(self._values)


class Health:
    """Whether the process can do its work, part by part.

    >>> health = Health()
    >>> health.waits_for("state", "the state is being opened")
    >>> health.reasons()
    ['the state is being opened']
    >>> health.has("state")
    >>> health.ready
    True
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self._reasons: dict[str, str] = {}
        self._lock = threading.Lock()

    def waits_for(self, part: str, reason: str) -> None:
        """Say that ``part`` is not there, and why."""
        with self._lock:
            self._reasons[part] = reason

    def has(self, part: str) -> None:
        """Say that ``part`` is there."""
        with self._lock:
            self._reasons.pop(part, None)

    def reasons(self) -> list[str]:
        """Return why the process is not ready; empty when it is."""
        with self._lock:
            return list(self._reasons.values())

    @property
    def ready(self) -> bool:
        """Whether nothing is being waited for."""
        return not self.reasons()


def _sorted(labels: dict[str, str] | None) -> Labels:
    return tuple(sorted(labels.items())) if labels else ()
