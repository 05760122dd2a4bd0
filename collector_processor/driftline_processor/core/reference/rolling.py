"""A rolling reference: the model's own rows of the last 30 days, without the current day.

The bins stay those of the baseline, so panes that were counted once are the reference of every later window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, takewhile
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.section import MOST_BLOCKS
from driftline.baseline.sections.slices import Slices
from driftline.baseline.sections.time_blocks import Period, TimeBlocks
from driftline.panes.outcome_sums import widths
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64
from msgspec import Struct

from driftline_processor.core import facts
from driftline_processor.core.expectations.rule import PREFIX as EXPECTED
from driftline_processor.core.windows.window import DAY, Window, before, length, parse, window_of, windows_back

from .reference import Reference, derive_baseline

LEAST_ROWS = 1_000
"""Minimum rows of a reference: as many as a provisional baseline is learned from."""

LEAST_STRETCHES = 7
"""Minimum days with rows in a reference of days: each weekday once. With shorter periods, half of them."""

ACCEPT_AFTER = "14d"
"""Time for which a window that drifted is left out by default; ``last`` if that is shorter."""

COVERED = 0.25
"""Fraction of a period that drifted windows must cover for it to be left out: six hours of a day, since many models
have traffic in office hours only, and one false alarm in 24 hours must not remove a day.
"""

Ranges = tuple[tuple[int, int], ...]
"""Start and end of each range of time, in unix nanoseconds, oldest first."""

_SHORT = ("5m", "15m", "1h", "6h")
"""Periods of a reference that is shorter than a week; each divides the next."""

_NOTES = ("unknown", "distributed", "mapped", "guessed", EXPECTED.rstrip(":"))
"""Prefixes of parts that describe how rows were received and what was expected of them."""


class Rolling(Struct, frozen=True):
    """The past that a window is compared with: from ``last`` ("30d") to ``without`` ("24h") before the window's end.

    Both are lengths as of windows (:mod:`driftline_processor.core.windows.window`). A window is never in its own
    reference: without ``without``, or if that is shorter than the window, the reference ends at the start of the
    window. It consists of whole periods, days if it is a week or longer: then it ends at a local midnight. So all hours
    of a day have the same reference, with as many nights as days.

    Windows that drifted are left out: a period of which they cover at least :data:`COVERED` is replaced by an earlier
    one, until ``accept_after`` has passed, or a person has accepted the drift. This follows from earlier windows alone,
    so a replay leaves out the same ones.

    Attributes:
        last: The length of the reference.
        without: The time between its end and the end of the window.
        accept_after: The time for which a window that drifted is left out; "" = :data:`ACCEPT_AFTER`.
        accepted_until: Unix nanoseconds; windows that began before are not left out of the reference of windows that
            end after.
    """

    last: str
    without: str = ""
    accept_after: str = ""
    accepted_until: int = 0

    def first(self, time: int) -> int:
        """Return the end of the first period of this length that contains ``time``, in UTC.

        >>> Rolling("30d").first(10 * DAY + 1) // DAY
        40
        """
        span = time - before(time, self.last)
        begin = window_of("1d" if span >= 7 * DAY else "5m", time).start
        return begin + begin - before(begin, self.last)

    def stretches(self, window: Window, timezone: str = "UTC") -> list[Window]:
        """Return the consecutive periods that a window is compared with, oldest first.

        >>> days = Rolling("30d", "24h").stretches(window_of("1d", 40 * DAY))
        >>> len(days), days[0].start // DAY, days[-1].end // DAY
        (30, 10, 40)
        """
        until = before(window.end, self.without, timezone) if self.without else window.start
        until = min(until, window.start)
        span = until - before(until, self.last, timezone)
        unit = "1d" if span >= 7 * DAY else next(u for u in (*_SHORT, "1d") if span <= MOST_BLOCKS * _length(u))
        end = window_of(unit, until, timezone).start
        start = before(end, self.last, timezone)
        inside = takewhile(lambda period: period.end > start, windows_back(unit, end, timezone))
        return [Window(unit, max(period.start, start), period.end) for period in inside][::-1]

    def candidates(self, window: Window, timezone: str = "UTC") -> list[Window]:
        """Return the consecutive periods that may be in the reference of a window, oldest first.

        >>> days = Rolling("30d", accept_after="7d").candidates(window_of("1d", 40 * DAY))
        >>> len(days), days[0].start // DAY
        (37, 3)
        """
        return self._candidates(window, self.stretches(window, timezone), timezone)

    def periods(
        self, window: Window, timezone: str = "UTC", drifted: Callable[[int], Sequence[Window]] = lambda _: ()
    ) -> ReferencePeriods:
        """Return the periods that a window is compared with.

        Args:
            window: The window.
            timezone: Time zone of its days.
            drifted: Returns the earlier windows of its length that drifted and end after a time, unix nanoseconds.

        >>> day = window_of("1d", 40 * DAY)
        >>> found = Rolling("30d").periods(day, drifted=lambda _: [window_of("1d", 38 * DAY)])
        >>> len(found.stretches), found.stretches[0].start // DAY, found.left_out == ((38 * DAY, 39 * DAY),)
        (30, 9, True)
        """
        stretches = self.stretches(window, timezone)
        since = self._wait_before(stretches[-1].end, timezone)
        accepted = self.accepted_until if self.accepted_until < window.end else 0
        young = [other for other in drifted(since) if other.end > since and other.start >= accepted]
        if not young:
            return ReferencePeriods(stretches, (), timezone)
        candidates = self._candidates(window, stretches, timezone)
        is_drifted = _covered(candidates, young) >= [COVERED * (period.end - period.start) for period in candidates]
        inside = [period for period, drifts in zip(candidates, is_drifted, strict=True) if not drifts]
        inside = inside[-len(stretches) :]
        if not inside:
            return ReferencePeriods(stretches, (), timezone)
        left_out = [
            period
            for period, drifts in zip(candidates, is_drifted, strict=True)
            if drifts and period.start > inside[0].start
        ]
        return ReferencePeriods(inside, _runs(left_out), timezone)

    def _candidates(self, window: Window, stretches: list[Window], timezone: str) -> list[Window]:
        unit, end = stretches[0].name, stretches[0].start
        # 2: a drifted window may be longer than the wait, and a month longer than the next
        first = min(self._wait_before(end, timezone), end - 2 * (window.end - window.start))
        earlier = takewhile(lambda period: period.end > first, windows_back(unit, end, timezone))
        return [Window(unit, period.start, min(period.end, end)) for period in earlier][::-1] + stretches

    def _wait_before(self, time: int, timezone: str) -> int:
        wait = self.accept_after or min(ACCEPT_AFTER, self.last, key=length)
        return before(time, wait, timezone)


class ReferencePeriods(NamedTuple):
    """The periods of a rolling reference, oldest first.

    Attributes:
        stretches: The periods of the reference.
        left_out: The ranges between and after them that are left out because they drifted.
        timezone: The time zone of days.
    """

    stretches: list[Window]
    left_out: Ranges = ()
    timezone: str = "UTC"

    @property
    def ranges(self) -> Ranges:
        """The ranges of consecutive periods."""
        return _runs(self.stretches)


def _runs(periods: Sequence[Window]) -> Ranges:
    """Return the ranges of consecutive periods.

    >>> _runs([Window("1d", 0, 1), Window("1d", 1, 2), Window("1d", 3, 4)])
    ((0, 2), (3, 4))
    """
    runs = list[tuple[int, int]]()
    for period in periods:
        start = runs.pop()[0] if runs and runs[-1][1] == period.start else period.start
        runs.append((start, period.end))
    return tuple(runs)


def _covered(periods: Sequence[Window], windows: Sequence[Window]) -> F64:
    """Return the nanoseconds of each of consecutive periods that disjoint windows cover: float64 (n,).

    >>> _covered([Window("1d", 0, 4), Window("1d", 4, 8)], [Window("2h", 5, 7), Window("2h", 3, 5)]).tolist()
    [1.0, 3.0]
    """
    edges = np.sort([(window.start, window.end) for window in windows], axis=0)
    until_edge = np.cumsum(np.diff(edges, axis=1, prepend=edges[:, :1]).ravel())
    borders = np.array([*(period.start for period in periods), periods[-1].end])
    first = borders[0]  # floats have no nanoseconds of today
    return np.diff(np.interp(borders - first, edges.ravel() - first, until_edge))


def rolling_reference(
    baseline: Baseline,
    rolling: Rolling,
    periods: ReferencePeriods,
    panes: Sequence[Pane],
    slices: Callable[[], Slices | None] = lambda: None,
) -> Reference:
    """Return the rolling reference: the rows of past periods, over the bins of the baseline.

    ``panes``: one per period in the reference, over the baseline's bins, with ``rows``. ``slices``: reads the rows of
    every slice in the periods. With too few rows, or too few periods with rows, the result is the baseline as it is,
    with a note. Time blocks are the periods. Data that sums over bins do not contain stay the baseline's: importance,
    ranges, repeats, mean scores by value, and the performance that realized performance is compared with (outcomes of
    the last days are incomplete, and a rolling reference would never detect a slow degradation).
    """
    whole, stretches = merge(panes), periods.stretches
    held = sum(pane.rows > 0 for pane in panes)
    needed = min(LEAST_STRETCHES, -(-len(stretches) // 2))
    if whole.rows < LEAST_ROWS or held < needed:
        counted_rows = int(whole.rows), held, len(stretches), stretches[0].name
        return Reference(baseline, (facts.LastRowsTooFew(rolling.last, rolling.without, *counted_rows),))
    right = widths(baseline.task)
    counted = {name for name in whole.parts if name not in right and name.partition(":")[0] not in _NOTES}
    parts = {name: values for name, values in baseline.pane.parts.items() if name in right}
    parts |= {name: whole.parts[name] for name in counted}
    pane = Pane(parts)
    first, last = stretches[0].start, stretches[-1].end
    fitted = baseline.extras.pca_fit and replace(baseline.extras.pca_fit, rows=0)  # the space was fitted to other rows
    extras = replace(
        baseline.extras,
        period=Period(first, last - 1),
        blocks=_blocks(baseline, stretches, panes),
        pca_fit=fitted,
        slices=slices(),
    )
    note = facts.OwnLastRows(
        last=rolling.last,
        without=rolling.without,
        rows=int(whole.rows),
        left_out=tuple(chain.from_iterable(periods.left_out)),
        timezone=periods.timezone,
    )
    return Reference(derive_baseline(baseline, pane, extras), (note,))


def is_rolling(reference: Reference) -> bool:
    """Return True for a rolling reference; False for the baseline that replaces it while the past is too short."""
    return any(note.kind == "own_last_rows" for note in reference.notes)


def _blocks(baseline: Baseline, stretches: Sequence[Window], panes: Sequence[Pane]) -> TimeBlocks | None:
    """Return the time blocks: one per period, or several neighbours merged if there are more than 60."""
    together = -(-len(panes) // MOST_BLOCKS)
    groups = range(len(panes) % together, len(panes), together)  # some of the oldest are in none
    summed = [merge(panes[group : group + together]) for group in groups]
    starts = np.array([stretches[group].start for group in groups], np.int64)
    return TimeBlocks.of_panes(_length(stretches[0].name) * together, starts, summed, baseline.bins)


def _length(unit: str) -> int:
    number, letter = parse(unit)
    return number * {"m": DAY // 1_440, "h": DAY // 24, "d": DAY}[letter]
