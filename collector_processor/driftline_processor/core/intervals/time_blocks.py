"""Blocks of time: how far they differ beyond independent rows, and how much wider intervals become.

A month of flights is thirty days of weather: how often the model is right differs from day to day by more than chance,
and the month's own error is that of thirty days, not of thirty thousand flights. So every metric is linearised: each
block has an influence on it, how far it moves the metric. Where influences spread as those of independent rows do,
rows are independent; where they spread further, the interval is as long as the blocks say, with Student's t of as
many as there are.

Source: Liang and Zeger (1986) for the variance from blocks, with the finite-sample factor; Marriott and Pope (1954)
for the bias of a serial correlation; Kish (1965) for the number of blocks of equal size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.special_functions import chdtrc
from driftline_processor.core.windows.window import DAY, Window, window_of

from .confidence import normal_quantile, student_quantile

MOST = 60
"""Blocks of a window, at most: as many as a baseline keeps. Student's t of 59 degrees of freedom is 2 % wider than of
endless ones."""

FEWEST = 5
"""(Effective) blocks from which on they are looked at, where they are pieces of one day."""

FEWEST_DAYS = 1.02
"""The same of days: where all but a hundredth of the rows are of one day, it is a window of that day."""

FEWEST_ALONE = 10
"""The same of a metric that has no interval but from blocks: with nine degrees of freedom the interval is 15 % longer
than with a known variance, with four 42 %."""

UNSURE_OF_FEW = ((2.5, 1.0), (FEWEST, 0.5))
"""The same of fewer (effective) days than these: a difference that is there is overlooked sooner. Two that look alike
may be so by chance whatever they are, so their difference counts always: what calls itself 95 % would cover 86 % if it
did not half of the time."""

MOST_KEPT = 0.9
"""The most that a block is taken to keep of the one before: 19 such blocks count as one."""


_TWO_DAYS = 2 * DAY - DAY // 12
"""Nanoseconds of the shortest two days: clocks go forward by at most two hours."""

HOURS, _LONG = ("1h",), ("1d", "2d", "1w", "1mo", "3mo")
_SHORT = ("5m", "15m", *HOURS)
"""Lengths of blocks, of windows of less than two days and of others: what a day is like is the same all through it."""


def has_day_blocks(window: Window) -> bool:
    """Return True where the blocks of a window are days, or longer."""
    return window.end - window.start >= _TWO_DAYS


def blocks_of_window(window: Window, timezone: str = "UTC", short: Sequence[str] = _SHORT) -> tuple[Window, ...]:
    """Return the blocks of a window in order, at most :data:`MOST`: days, of two and more, else hours or minutes.

    Days are those of the time zone. A window without time has none. ``short``: the lengths of what is no day, those of
    slices are :data:`HOURS`.

    >>> day = window_of("1d", 0)
    >>> windows = (day, window_of("1h", 0), window_of("1mo", 0), Window("", 0, 0))
    >>> tuple(len(blocks_of_window(window)) for window in windows)
    (24, 12, 31, 0)
    """
    if window.end <= window.start:
        return ()
    for name in _LONG if has_day_blocks(window) else short:
        windows: list[Window] = []
        start = window.start
        while start < window.end and len(windows) <= MOST:
            end = min(window.end, window_of(name, start, timezone).end)
            windows.append(Window(name, start, end))
            start = end
        if len(windows) <= MOST:
            return tuple(windows)
    return ()


class Design(NamedTuple):
    """The design effect of a metric.

    Attributes:
        effect: Number of rows that carry the information of one independent row.
        freedom: Degrees of freedom of Student's t.
    """

    effect: float
    freedom: float


def design(influence: F64, expected: F64, fewest: float = FEWEST) -> Design | None:
    """Return the design effect of a metric by blocks; None where they vary no more than independent rows, or are few.

    Args:
        influence: float64 (b,), how far each block moves the metric, in the order of time; they add up to 0.
        expected: float64 (b,), the variance of each, were its rows independent.
        fewest: (effective) blocks.

    >>> calm, stormy = np.tile([0.1, -0.1], 10), np.tile([0.4, -0.4], 10)
    >>> design(calm, np.full(20, 0.01)) is None
    True
    >>> found = design(stormy, np.full(20, 0.01))
    >>> round(found.effect, 1), round(found.freedom)
    (16.8, 19)
    """
    held = expected > 0
    there, total = expected[held], float(expected.sum())
    if len(there) < 2 or (blocks := total**2 / float((there**2).sum())) < fewest:
        return None
    moved = influence[held]
    # 0.2: blocks that independent rows would differ as much as more often than this are taken as independent. Far from
    # 0.01: one that is overlooked makes an interval too short, one that is imagined a tenth too long. Ten days whose
    # design effect is 2 would be overlooked every third time at 0.05.
    unsure = next((share for fewer, share in UNSURE_OF_FEW if blocks < fewer), 0.2)
    if float(chdtrc(len(there) - 1, float((moved**2 / there).sum()))) > unsure:
        return None
    if blocks < FEWEST:
        hidden, freedom = _of_few(there / total)
        # 1.2: degrees of freedom of two days: the interval covers 92 to 95 %, and would be half as long again for 95
        return Design(float((moved**2).sum()) / hidden / total, max(1.2, freedom))
    effect = float((moved**2).sum()) * blocks / (blocks - 1) / total
    longer = lasting(moved)
    return Design(effect * longer, max(2.0, blocks / longer - 1))


class RowsAsOne(NamedTuple):
    """How many rows count as one, Student's t included, as a function of the confidence.

    Attributes:
        ways: Design effects with their degrees of freedom, of which the shortest interval counts; () where rows are
            independent.
    """

    ways: tuple[Design, ...] = ()

    def at(self, confidence: float) -> float:
        """Return the number of rows for a confidence, at least 1."""
        if not self.ways:
            return 1.0
        normal = normal_quantile(confidence)
        found = [way.effect * (student_quantile(confidence, way.freedom) / normal) ** 2 for way in self.ways]
        return max(1.0, min(found))


def rows_as_one(influence: F64, expected: F64, fewest: float) -> RowsAsOne:
    """Return how many rows of a share count as one by its own blocks; the arguments are those of :func:`design`."""
    found = design(influence, expected, fewest)
    return RowsAsOne() if found is None else RowsAsOne((found,))


def counting_as_one(influence: F64, expected: F64, fewest: float, confidence: float) -> float:
    """Return the design effect of a share's rows, Student's t included; 1 where blocks show none.

    The arguments are those of :func:`design`.
    """
    return rows_as_one(influence, expected, fewest).at(confidence)


def _of_few(share: F64) -> tuple[float, float]:
    """Return the part of the variance that the influences of few blocks show, and its degrees of freedom.

    The part is (b - 1) / b for blocks of equal shares. Two blocks have one degree of freedom, however unequal they are
    (Bell and McCaffrey 2002, Survey Methodology 28, section 4).
    """
    from_mean = np.eye(len(share)) - share
    spread = from_mean.T @ (share[:, np.newaxis] ** 2 * from_mean)
    shown = float(np.trace(spread))
    return shown / float(share @ share), shown**2 / float((spread**2).sum())


def variance_from_blocks(influence: F64, rows: F64) -> Design | None:
    """Return the variance of a metric that nothing but its blocks tells, as ``effect``; None of too few.

    ``rows``: float64 (b,), (effective) rows of each block.
    """
    held = rows > 0
    if np.count_nonzero(held) < FEWEST_ALONE:
        return None
    blocks, longer = float(rows.sum() ** 2 / (rows**2).sum()), lasting(influence[held])
    if blocks < FEWEST_ALONE:
        return None
    return Design(float((influence**2).sum()) * blocks / (blocks - 1) * longer, max(2.0, blocks / longer - 1))


def lasting(influence: F64) -> float:
    """Return the design effect of blocks that each resemble the one before; 1 where that may be chance.

    As of a series that keeps a part r of itself: (1 + r) / (1 - r), r being the correlation of neighbours, corrected
    for what a short series hides of it.

    >>> round(lasting(np.repeat([1.0, -1.0], 10)), 1), lasting(np.tile([1.0, -1.0], 10))
    (19.0, 1.0)
    """
    n, squares = len(influence), float(influence @ influence)
    alike = float(influence[1:] @ influence[:-1]) / squares if squares > 0 else 0.0
    # 0.5: standard errors of a correlation of neighbours up to which it is taken for nothing
    if alike * n**0.5 <= 0.5:
        return 1.0
    kept = min(MOST_KEPT, alike + (1 + 3 * alike) / n)
    return (1 + kept) / (1 - kept)
