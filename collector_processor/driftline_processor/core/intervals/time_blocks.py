"""Time blocks: variation beyond independent rows, and its effect on intervals.

A month of flights is thirty days of weather: correctness differs between days by more than chance, and the standard
error of the month is that of thirty days, not of thirty thousand flights. So every metric is linearised: each block has
an influence, its change of the metric. If influences vary as those of independent rows, rows count as independent; if
they vary more, the interval is based on the blocks, with Student's t for their number.

Source: Liang and Zeger (1986) for the variance from blocks, with the finite-sample factor; Marriott and Pope (1954) for
the bias of a serial correlation; Kish (1965) for the effective number of blocks.
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
"""Maximum blocks of a window, as in a baseline. Student's t with 59 degrees of freedom is 2 % wider than the normal."""

FEWEST = 5
"""Minimum (effective) blocks if they are parts of one day."""

FEWEST_DAYS = 1.02
"""Minimum (effective) days: if 99 % of the rows are of one day, it is a window of that day."""

FEWEST_ALONE = 10
"""Minimum (effective) blocks of a metric whose interval is only from blocks: with nine degrees of freedom it is 15 %
longer than with a known variance, with four 42 %.
"""

UNSURE_OF_FEW = ((2.5, 1.0), (FEWEST, 0.5))
"""(Effective) days, and the p-value up to which the variation between fewer days counts. Real variation between few
days is easily missed: two days may be similar by chance, so their difference always counts; a nominal 95 % interval
would cover 86 % if it counted in half of the cases.
"""

MOST_KEPT = 0.9
"""Maximum autocorrelation of a baseline's days: 19 such days count as one."""

MOST_OF_BLOCKS = 0.8
"""Maximum autocorrelation of the blocks of a window: 9 such blocks count as one. A level that moves within the window
looks like an autocorrelation near 1; no bootstrap of the same blocks has an interval as long as that of 0.9.
"""

LEAST_FREEDOM = 5.0
"""Minimum degrees of freedom of autocorrelated blocks, as for days of a baseline: with fewer, Student's t is two to
three times as long, for an autocorrelation that may be chance.
"""


_TWO_DAYS = 2 * DAY - DAY // 12
"""Nanoseconds of the shortest two days: clocks go forward by at most two hours."""

HOURS, _LONG = ("1h",), ("1d", "2d", "1w", "1mo", "3mo")
_SHORT = ("5m", "15m", *HOURS)
"""Lengths of blocks for windows of less than two days, and (``_LONG``) for longer ones."""


def has_day_blocks(window: Window) -> bool:
    """Return True if the blocks of a window are days, or longer."""
    return window.end - window.start >= _TWO_DAYS


def blocks_of_window(window: Window, timezone: str = "UTC", short: Sequence[str] = _SHORT) -> tuple[Window, ...]:
    """Return the blocks of a window in order, at most :data:`MOST`: days for two days and more, else hours or minutes.

    Days are those of the time zone. A window without time has none. ``short``: lengths for windows of less than two
    days; :data:`HOURS` for slices.

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


FEWEST_WITH_TREND = 10
"""Minimum blocks from which a trend over the window is taken out of their variance."""


def without_trend(influence: F64, expected: F64) -> tuple[F64, float]:
    """Return the influences of blocks less their linear trend in time, and the degrees of freedom that remain.

    A window whose metric moves steadily has a mean that is known as well as that of a steady one. Without this, a trend
    looks like an autocorrelation near 1, and the interval is several times as long.

    Args:
        influence: float64 (b,), change of the metric by each block, in the order of time; the sum is 0.
        expected: float64 (b,), variance of each under independent rows, above 0.

    >>> steady, left = without_trend(np.linspace(-1.0, 1.0, 12), np.ones(12))
    >>> bool(np.abs(steady).max() < 1e-12), left
    (True, 10)
    """
    blocks = len(influence)
    if blocks < FEWEST_WITH_TREND:
        return influence, blocks - 1
    place = np.arange(blocks) - float(expected @ np.arange(blocks)) / float(expected.sum())
    trend = expected * place
    return influence - trend * float(influence @ place) / float(trend @ place), blocks - 2


class Design(NamedTuple):
    """The design effect of a metric.

    Attributes:
        effect: Number of rows that carry the information of one independent row.
        freedom: Degrees of freedom of Student's t.
    """

    effect: float
    freedom: float


def design(influence: F64, expected: F64, fewest: float = FEWEST, *, autocorrelated: bool = True) -> Design | None:
    """Return the design effect of a metric by blocks; None if they vary as independent rows, or are too few.

    Args:
        influence: float64 (b,), change of the metric by each block, in the order of time; the sum is 0.
        expected: float64 (b,), variance of each under independent rows.
        fewest: Minimum (effective) blocks.
        autocorrelated: Whether blocks may be autocorrelated. Blocks of rows count as independent: without times,
            nothing distinguishes a level that lasts for many blocks from a change that has to be reported.

    >>> calm, stormy = np.tile([0.1, -0.1], 10), np.tile([0.4, -0.4], 10)
    >>> design(calm, np.full(20, 0.01)) is None
    True
    >>> found = design(stormy, np.full(20, 0.01))
    >>> round(found.effect, 1), round(found.freedom)
    (17.6, 18)
    """
    filled = expected > 0
    expected_rows, total = expected[filled], float(expected.sum())
    if len(expected_rows) < 2 or (blocks := total**2 / float((expected_rows**2).sum())) < fewest:
        return None
    influences, left = without_trend(influence[filled], expected_rows)
    # 0.2: p-value above which blocks count as independent. It is far from 0.01 because a missed effect makes an
    # interval too short, and a false one only a tenth too long. At 0.05, a design effect of 2 over ten days would be
    # missed in one of three cases.
    threshold = next((share for fewer, share in UNSURE_OF_FEW if blocks < fewer), 0.2)
    if float(chdtrc(left, float((influences**2 / expected_rows).sum()))) > threshold:
        return None
    if blocks < FEWEST:
        hidden, freedom = _of_few(expected_rows / total)
        # 1.2: degrees of freedom of two days, for a coverage of 92 to 95 %; a coverage of 95 % would take 1.5 times the
        # length
        return Design(float((influences**2).sum()) / hidden / total, max(1.2, freedom))
    trends = len(expected_rows) - 1 - left
    effect = float((influences**2).sum()) * blocks / (blocks - 1 - trends) / total
    autocorrelation = autocorrelation_of(influences, trends) if autocorrelated else 0.0
    return _of_autocorrelated(effect, autocorrelation, blocks - trends)


def _of_autocorrelated(effect: float, autocorrelation: float, blocks: float) -> Design:
    """Return the design effect of a first-order series of blocks: (1 + r) / (1 - r) times that of independent ones."""
    if autocorrelation <= 0:
        return Design(effect, max(2.0, blocks - 1))
    squared = autocorrelation**2
    freedom = max(min(LEAST_FREEDOM, blocks - 1), (blocks - 1) * (1 - squared) / (1 + squared))
    return Design(effect * (1 + autocorrelation) / (1 - autocorrelation), freedom)


class RowsAsOne(NamedTuple):
    """The design effect, including Student's t, as a function of the confidence.

    Attributes:
        ways: Design effects with degrees of freedom, of which the shortest interval counts; () for independent rows.
    """

    ways: tuple[Design, ...] = ()

    def at(self, confidence: float) -> float:
        """Return the design effect for a confidence, at least 1."""
        if not self.ways:
            return 1.0
        normal = normal_quantile(confidence)
        effects = [way.effect * (student_quantile(confidence, way.freedom) / normal) ** 2 for way in self.ways]
        return max(1.0, min(effects))


def rows_as_one(influence: F64, expected: F64, fewest: float, *, autocorrelated: bool = True) -> RowsAsOne:
    """Return the design effect of a fraction's rows by its own blocks; the arguments are those of :func:`design`."""
    by_blocks = design(influence, expected, fewest, autocorrelated=autocorrelated)
    return RowsAsOne() if by_blocks is None else RowsAsOne((by_blocks,))


def counting_as_one(influence: F64, expected: F64, fewest: float, confidence: float) -> float:
    """Return the design effect of a fraction's rows, including Student's t; 1 if blocks show none.

    The arguments are those of :func:`design`.
    """
    return rows_as_one(influence, expected, fewest).at(confidence)


def _of_few(share: F64) -> tuple[float, float]:
    """Return the part of the variance that the influences of few blocks show, and its degrees of freedom.

    The part is (b - 1) / b for blocks of equal size. Two blocks have one degree of freedom, however unequal they are
    (Bell and McCaffrey 2002, Survey Methodology 28, section 4).
    """
    from_mean = np.eye(len(share)) - share
    spread = from_mean.T @ (share[:, np.newaxis] ** 2 * from_mean)
    shown = float(np.trace(spread))
    return shown / float(share @ share), shown**2 / float((spread**2).sum())


def variance_from_blocks(influence: F64, rows: F64) -> Design | None:
    """Return the variance, as ``effect``, of a metric that is known only by its blocks; None with too few.

    ``rows``: float64 (b,), (effective) rows of each block.
    """
    held = rows > 0
    if np.count_nonzero(held) < FEWEST_ALONE:
        return None
    blocks = float(rows.sum() ** 2 / (rows**2).sum())
    if blocks < FEWEST_ALONE:
        return None
    steady, left = without_trend(influence[held], rows[held])
    trends = np.count_nonzero(held) - 1 - left
    effect = float((steady**2).sum()) * blocks / (blocks - 1 - trends)
    return _of_autocorrelated(effect, autocorrelation_of(steady, trends), blocks - trends)


def autocorrelation_of(influence: F64, trends: float = 0) -> float:
    """Return the autocorrelation of blocks, corrected for the bias of a short series, less as far as it may be chance.

    Up to one standard error it counts in proportion, so that no threshold decides.

    Args:
        influence: float64 (b,), change of the metric by each block, in the order of time.
        trends: Number of trends that were taken out, which add to the bias.

    >>> round(autocorrelation_of(np.repeat([1.0, -1.0], 10)), 1), autocorrelation_of(np.tile([1.0, -1.0], 10))
    (0.8, 0.0)
    """
    n, squares = len(influence), float(influence @ influence)
    if n <= 3 or squares <= 0:
        return 0.0
    correlation = float(influence[1:] @ influence[:-1]) / squares
    corrected = correlation + (1 + trends + (3 + trends) * correlation) / n
    sure = min(1.0, max(0.0, corrected * (n - 3) ** 0.5))
    return float(min(MOST_OF_BLOCKS, max(0.0, corrected * sure)))
