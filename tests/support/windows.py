"""The windows of a stretch of time, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from driftline_processor.core.windows.window import Window, window_of


def windows_over(name: str, start: int, end: int, tz: str = "UTC") -> Iterator[Window]:
    """Yield the windows of this name that share time with ``[start, end)``, unix nanoseconds, oldest first."""
    while start < end:
        window = window_of(name, start, tz)
        yield window
        start = window.end
