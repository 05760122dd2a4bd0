"""The steps of time up to the end of a window, in which changes are dated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import islice

import numpy as np
from driftline.tables.table import F64, I64
from msgspec import Struct

from .window import DAY, Window, length, windows_back

MOST_STEPS = 184
"""Steps that are looked at: half a year of days, a week of hours."""


class TimeSteps(Struct, frozen=True, eq=False):
    """Steps that hold rows, oldest first; the last ones are those of the window itself.

    ``starts``, ``ends``: int64 (steps,), unix nanoseconds. ``of``: the name of a pane's part → its counts over the
    cells of :func:`~driftline_processor.core.drift.coarse_bins.grid`: float64 (steps, cells). ``cells``: the cell of
    each bin of these parts; those of the baseline in force, whatever a window is compared with.
    """

    starts: I64
    ends: I64
    of: Mapping[str, F64]
    cells: Mapping[str, I64]


TimeBefore = Callable[[Collection[str]], TimeSteps | None]
"""Answers with the steps of some parts; None where nothing is known of the time before."""


def no_time_before(_parts: Collection[str]) -> TimeSteps | None:
    """Know nothing of the time before."""
    return None


def steps_with_rows(starts: I64, ends: I64, counts: Mapping[str, F64], cells: Mapping[str, I64]) -> TimeSteps | None:
    """Return the steps that hold rows, the newest 184; None where none does.

    Args:
        starts: Where each step begins, int64 (steps,), unix nanoseconds.
        ends: Where each step ends.
        counts: Part → its counts over the cells, float64 (steps, cells).
        cells: Part → the cell of each bin.
    """
    has_rows = np.any([sums.any(axis=1) for sums in counts.values()], axis=0) if counts else np.zeros(0, np.bool_)
    steps = np.flatnonzero(has_rows)[-MOST_STEPS:]
    if not len(steps):
        return None
    return TimeSteps(starts[steps], ends[steps], {part: sums[steps] for part, sums in counts.items()}, cells)


def step_name(window: str) -> str:
    """Return the length of the steps by which a window is looked at: its own, but no more than a day.

    Hours of a day differ from each other, and that is no news; so a day, or a week, is not cut into them.

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
