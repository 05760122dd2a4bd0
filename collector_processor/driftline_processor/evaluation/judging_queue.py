"""The windows that wait to be evaluated, and which of them is next: fair, so that none ever starves."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import NamedTuple

from driftline_processor.core.windows.window import Window
from driftline_processor.core.wording import duration
from driftline_processor.ingest.changes import PaneProgress

SECOND = 10**9

LONG = 60 * SECOND
"""From so long a wait on people are told of it: an ordinary one takes two seconds."""


class Backlog(NamedTuple):
    """Number of waiting windows, and since when the longest waits (unix nanoseconds, 0 without any)."""

    windows: int = 0
    since: int = 0

    def long(self, now: int) -> bool:
        """Return True where a window has waited so long that its numbers are not those of its rows."""
        return bool(self.windows) and now - self.since >= LONG


def windows_wait(backlog: Backlog, now: int) -> str:
    """Say how many windows wait, and since when.

    >>> windows_wait(Backlog(2, 0), 3600 * SECOND)
    '2 windows wait to be evaluated, the longest for 1h: what is shown of them is older than their rows'
    """
    some = "1 window waits" if backlog.windows == 1 else f"{backlog.windows:,} windows wait"
    them, their = ("it", "its") if backlog.windows == 1 else ("them", "their")
    waited = duration(now - backlog.since)
    longest = f"for {waited}" if backlog.windows == 1 else f"the longest for {waited}"
    return f"{some} to be evaluated, {longest}: what is shown of {them} is older than {their} rows"


class _Entry(NamedTuple):
    since: int
    round: int


class WaitingWindows:
    """Windows of all series. One thread uses it; any may read ``backlog`` and :meth:`of`.

    A window is the more urgent the longer it has waited, relative to its own length and to how long ago it ended: an
    hour that ends now comes before a month, and a month that has waited long comes before the next hour.

    >>> waiting = WaitingWindows()
    >>> hour, month = Window("1h", 0, 3600 * SECOND), Window("1mo", 0, 30 * 86400 * SECOND)
    >>> waiting.add(1, month, 0)
    >>> waiting.add(1, hour, 10 * SECOND)
    >>> [window.name for _, window in waiting.next(1, 20 * SECOND, lambda series: 0)]
    ['1h']
    >>> waiting.remove(1, hour)
    >>> waiting.add(1, hour, 3590 * SECOND)  # touched again, when the month has waited for an hour
    >>> [window.name for _, window in waiting.next(1, 3600 * SECOND, lambda series: 0)]
    ['1h']
    >>> waiting.remove(1, hour)
    >>> waiting.add(1, hour, 7200 * SECOND)
    >>> [window.name for _, window in waiting.next(1, 7202 * SECOND, lambda series: 0)]
    ['1mo']
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[int, Window], _Entry] = {}
        self._round = 0
        self._reached: dict[int, PaneProgress] = {}
        self.backlog = Backlog()
        self._by_series: dict[int, Backlog] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, series: int, window: Window, now: int) -> None:
        """Let a window wait since ``now``; one that waits already goes on waiting."""
        self._entries.setdefault((series, window), _Entry(now, self._round))

    def remove(self, series: int, window: Window) -> None:
        """Say that a window was evaluated."""
        self._entries.pop((series, window), None)

    def next(self, most: int, now: int, watermark: Callable[[int], int]) -> list[tuple[int, Window]]:
        """Return the most urgent windows, by series. ``watermark``: of a series, unix nanoseconds."""
        reached = {series: watermark(series) for series in {series for series, _ in self._entries}}

        def urgency(item: tuple[tuple[int, Window], _Entry]) -> tuple[float, int]:
            (series, window), entry = item
            ago = max(0, reached[series] - window.end)
            waited = max(0, now - entry.since) + SECOND  # of those that came together the short and new ones first
            return waited / (window.end - window.start + ago), window.start

        return [key for key, _ in heapq.nlargest(most, self._entries.items(), key=urgency)]

    def begin_round(self, reached: PaneProgress) -> None:
        """Say how far the tables had come with what is added from now on."""
        if not self._entries:
            self._reached.clear()  # of rounds that are over only the newest counts
        self._round += 1
        self._reached[self._round] = reached

    def finished(self) -> PaneProgress | None:
        """Return how far the tables had come with all that has been evaluated; None where that is not known."""
        oldest = min((entry.round for entry in self._entries.values()), default=self._round + 1)
        done = [number for number in self._reached if number < oldest]
        newest = self._reached[done[-1]] if done else None
        for number in done:
            del self._reached[number]
        return newest

    def of(self, series: int) -> Backlog:
        """Return what waits of a series, as of the last :meth:`publish`."""
        return self._by_series.get(series, Backlog())

    def publish(self) -> None:
        """Let other threads see what waits."""
        by_series: dict[int, Backlog] = {}
        for (series, _), entry in self._entries.items():
            known = by_series.get(series)
            by_series[series] = Backlog(1, entry.since) if known is None else _and(known, entry.since)
        self._by_series = by_series
        self.backlog = Backlog(len(self._entries), min((one.since for one in by_series.values()), default=0))


def _and(known: Backlog, since: int) -> Backlog:
    return Backlog(known.windows + 1, min(known.since, since))
