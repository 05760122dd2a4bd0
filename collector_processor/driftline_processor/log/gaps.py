"""Acknowledged requests that the log should have and cannot read: counted once, logged, and shown in ``/readyz``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from driftline.semconv import metrics

from driftline_processor.health import Counters
from driftline_processor.present.wording import iso_time

from .entry_format import Stored

_log = logging.getLogger("driftline")


class LogGaps:
    """The ranges of the log that could not be read since the start. Thread-safe.

    >>> gaps = LogGaps(Counters())
    >>> gaps.add(100, 150, "00000000000000000000.log is damaged", since=0, until=1_500_000_000)
    >>> gaps.add(100, 150, "00000000000000000000.log is damaged", since=0, until=0)
    >>> print(gaps.sentence())
    log: 00000000000000000000.log is damaged: the acknowledged requests in bytes 100 to 150 (50 bytes), received until \
1970-01-01T00:00:01.5Z, are lost; all other requests are kept; if their senders still have them, send them again
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._ranges: list[tuple[int, int]] = []
        self._sentence: str | None = None
        self._lock = threading.Lock()

    def add(self, first: int, end: int, reason: str, since: int, until: int) -> None:
        """Note a range that was acknowledged and cannot be read; only new bytes count.

        Args:
            first: Position of its first byte.
            end: Position after its last byte.
            reason: The file and its damage.
            since: Time of arrival of the request before it, unix nanoseconds; 0 if unknown.
            until: The same of the request after it.
        """
        with self._lock:
            for start, stop in self._ranges:
                if start <= first < stop:
                    first = stop
            if first >= end:
                return
            self._ranges.append((first, end))
            self._ranges.sort()
            sentence = (
                f"log: {reason}: the acknowledged requests in bytes {first:,} to {end:,} ({end - first:,} bytes)"
                f"{_times(since, until)} are lost; all other requests are kept; "
                "if their senders still have them, send them again"
            )
            self._sentence = self._sentence or sentence
        self._counters.add(metrics.DRIFTLINE_LOG_DAMAGED, end - first)
        _log.warning("driftline: %s", sentence)

    def sentence(self) -> str | None:
        """Return a sentence about all ranges; None without any."""
        with self._lock:
            ranges, sentence = list(self._ranges), self._sentence
        if len(ranges) < 2 or sentence is None:
            return sentence
        total = sum(end - first for first, end in ranges)
        return f"{sentence} ({len(ranges):,} gaps, {total:,} bytes in all; see the log of driftline)"


def times_around(stored: Sequence[Stored], first: int, end: int) -> tuple[int, int]:
    """Return when the requests before and after a range were received; 0 for unknown."""
    before = [request.entry.received for request in stored if request.following <= first]
    after = [request.entry.received for request in stored if request.position >= end]
    return before[-1] if before else 0, after[0] if after else 0


def _times(since: int, until: int) -> str:
    parts = [f"from {iso_time(since)}"] if since > 0 else []
    parts += [f"until {iso_time(until)}"] if until > 0 else []
    return f", received {' '.join(parts)}," if parts else ""
