"""The time steps up to the end of a window, which date changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import islice

import numpy as np
from driftline.tables.table import F64, I64
from msgspec import Struct

from .window import DAY, Window, length, windows_back

MOST_STEPS = 184
"""Limit of time steps: half a year of days, a week of hours."""


class TimeSteps(Struct, frozen=True, eq=False):
    """Time steps with rows, oldest first; the last ones are those of the window itself.

    Attributes:
        starts: int64 (steps,), unix nanoseconds.
        ends: int64 (steps,), unix nanoseconds.
        of: Name of a pane's part → counts over the cells of :func:`~driftline_processor.core.drift.coarse_bins.grid`:
            float64 (steps, cells).
        cells: Name of a part → the cell of each bin, from the baseline in force, even if a window has another
            reference.
    """

    starts: I64
    ends: I64
    of: Mapping[str, F64]
    cells: Mapping[str, I64]


TimeBefore = Callable[[Collection[str]], TimeSteps | None]
"""Function that returns the time steps of some parts; None if the time before is unknown."""


def no_time_before(_parts: Collection[str]) -> TimeSteps | None:
    """Return None: the time before is unknown."""
    return None


def steps_with_rows(starts: I64, ends: I64, counts: Mapping[str, F64], cells: Mapping[str, I64]) -> TimeSteps | None:
    """Return the time steps with rows, the newest 184; None without rows.

    Args:
        starts: Start of each step, int64 (steps,), unix nanoseconds.
        ends: End of each step.
        counts: Part → counts over the cells, float64 (steps, cells).
        cells: Part → the cell of each bin.
    """
    has_rows = np.any([sums.any(axis=1) for sums in counts.values()], axis=0) if counts else np.zeros(0, np.bool_)
    steps = np.flatnonzero(has_rows)[-MOST_STEPS:]
    if not len(steps):
        return None
    return TimeSteps(starts[steps], ends[steps], {part: sums[steps] for part, sums in counts.items()}, cells)


def step_name(window: str) -> str:
    """Return the length of the time steps of a window: its own, but at most a day.

    Hours of a day differ without drift, so a day or a week is not cut into hours.

    >>> step_name("1h"), step_name("1mo")
    ('1h', '1d')
    """
    return window if length(window) <= DAY else "1d"


def steps_of(window: Window, timezone: str = "UTC") -> list[Window]:
    """Return the steps up to the end of a window, oldest first: at most 184.

    >>> [step.end // 10**9 for step in steps_of(Window("1d", 0, 86_400 * 10**9))][-2:]
    [0, 86400]
    """
    return list(islice(windows_back(step_name(window.name), window.end, timezone), MOST_STEPS))[::-1]
