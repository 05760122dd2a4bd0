"""The windows that time alone touches: open ones that close, and those whose outcomes have had their time.

What was evaluated is noted once, so nobody walks through all evaluations to find what has become ripe.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.windows.window import Window, is_closed

_Ends = list[tuple[int, str, int]]
"""A heap of windows: end, name and start."""


class RipeWindows:
    """The evaluated windows of one series that become ripe as its event time passes.

    >>> ripe, hour = RipeWindows(), 3_600 * 10**9
    >>> ripe._note_open(Window("1h", 0, hour))
    >>> list(ripe.closing(hour)), list(ripe.closing(2 * hour))
    ([], [Window(name='1h', start=0, end=3600000000000)])
    >>> list(ripe.closing(3 * hour))
    []
    """

    def __init__(self) -> None:
        self._open: _Ends = []
        self._young: _Ends = []
        self._noted: dict[tuple[str, int], bool] = {}
        self._delay: tuple[int, str] | None = None

    def note(self, evaluation: Evaluation) -> None:
        """Take in what a window was when it was evaluated: open, or closed and young."""
        window = evaluation.window
        if not evaluation.closed:
            self._note_open(window)
        elif evaluation.young:
            self._note(window, True, self._young)
        else:
            self._noted.pop((window.name, window.start), None)

    def closing(self, watermark: int) -> Iterator[Window]:
        """Yield the open windows that are closed now, each once. ``watermark``: unix nanoseconds."""
        while self._open and is_closed(_window(self._open[0]), watermark):
            yield from self._take(self._open, young=False)

    def mature(self, watermark: int, delay: OutcomeDelay) -> Iterator[Window]:
        """Yield the young windows whose outcomes have had their time, each once. ``watermark``: unix nanoseconds."""
        while self._young and watermark - self._young[0][0] >= delay.nanoseconds:
            yield from self._take(self._young, young=True)

    def is_new(self, delay: OutcomeDelay) -> bool:
        """Return True where outcomes take another time than was noted last, so that all windows have to be seen."""
        return self._delay != (delay.nanoseconds, delay.source)

    def note_delay(self, delay: OutcomeDelay) -> None:
        """Note that all windows were seen with this delay."""
        self._delay = delay.nanoseconds, delay.source

    def _note_open(self, window: Window) -> None:
        self._note(window, False, self._open)

    def _note(self, window: Window, young: bool, ends: _Ends) -> None:
        place = window.name, window.start
        if self._noted.get(place) is not young:
            self._noted[place] = young
            heapq.heappush(ends, (window.end, window.name, window.start))

    def _take(self, ends: _Ends, young: bool) -> Iterator[Window]:
        """Yield the first window, unless it has become another since."""
        window = _window(heapq.heappop(ends))
        if self._noted.get((window.name, window.start)) is young:
            del self._noted[window.name, window.start]
            yield window


def changed_by_delay(closed: Iterable[Evaluation], watermark: int, delay: OutcomeDelay) -> Iterator[Window]:
    """Yield the closed windows that are young or not where outcomes take ``delay``, and were evaluated otherwise."""
    for closed_window in closed:
        waits = watermark - closed_window.window.end < delay.nanoseconds and not delay.complete(closed_window.coverage)
        if closed_window.young != waits:
            yield closed_window.window


def _window(window_end: tuple[int, str, int]) -> Window:
    end, name, start = window_end
    return Window(name, start, end)
