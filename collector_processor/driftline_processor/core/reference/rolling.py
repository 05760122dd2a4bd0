"""A rolling reference: the model's own rows of the last 30 days, without the current day.

The bins stay those of the baseline, so panes that were counted once are the reference of every later window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.section import MOST_BLOCKS
from driftline.baseline.sections.slices import Slices
from driftline.baseline.sections.time_blocks import Period, TimeBlocks
from driftline.panes.outcome_sums import widths
from driftline.panes.pane import Pane, merge
from msgspec import Struct

from driftline_processor.core.expectations.rule import PREFIX as EXPECTED
from driftline_processor.core.facts import fact
from driftline_processor.core.windows.window import DAY, Window, before, parse, window_of, windows_back

from .reference import Reference, derive_baseline

LEAST_ROWS = 1_000
"""Minimum rows of a reference: as many as a provisional baseline is learned from."""

LEAST_STRETCHES = 7
"""Minimum days with rows in a reference of days: each weekday once. With shorter periods, half of them."""

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
    """

    last: str
    without: str = ""

    def first(self, time: int) -> int:
        """Return the end of the first period of this length that contains ``time``, in UTC.

        >>> Rolling("30d").first(10 * DAY + 1) // DAY
        40
        """
        length = time - before(time, self.last)
        begin = window_of("1d" if length >= 7 * DAY else "5m", time).start
        return begin + begin - before(begin, self.last)

    def stretches(self, window: Window, timezone: str = "UTC") -> list[Window]:
        """Return the consecutive periods that a window is compared with, oldest first.

        >>> days = Rolling("30d", "24h").stretches(window_of("1d", 40 * DAY))
        >>> len(days), days[0].start // DAY, days[-1].end // DAY
        (30, 10, 40)
        """
        until = before(window.end, self.without, timezone) if self.without else window.start
        until = min(until, window.start)
        length = until - before(until, self.last, timezone)
        unit = "1d" if length >= 7 * DAY else next(u for u in (*_SHORT, "1d") if length <= MOST_BLOCKS * _length(u))
        end = window_of(unit, until, timezone).start
        start = before(end, self.last, timezone)
        inside = takewhile(lambda period: period.end > start, windows_back(unit, end, timezone))
        return [Window(unit, max(period.start, start), period.end) for period in inside][::-1]


def rolling_reference(
    baseline: Baseline,
    rolling: Rolling,
    stretches: Sequence[Window],
    panes: Sequence[Pane],
    slices: Callable[[], Slices | None] = lambda: None,
) -> Reference:
    """Return the rolling reference: the rows of past periods, over the bins of the baseline.

    ``panes``: one per period, over the baseline's bins, with ``rows``. ``slices``: reads the rows of every slice in the
    periods. With too few rows, or too few periods with rows, the result is the baseline as it is, with a note. Time
    blocks are the periods. Data that sums over bins do not contain stay the baseline's: importance, ranges, repeats,
    mean scores by value, and the performance that realized performance is compared with (outcomes of the last days are
    incomplete, and a rolling reference would never detect a slow degradation).
    """
    whole = merge(panes)
    held = sum(pane.rows > 0 for pane in panes)
    needed = min(LEAST_STRETCHES, -(-len(stretches) // 2))
    if whole.rows < LEAST_ROWS or held < needed:
        counted_rows = {"rows": int(whole.rows), "periods": held, "of": len(stretches), "unit": stretches[0].name}
        return Reference(
            baseline, (fact("last_rows_too_few", last=rolling.last, without=rolling.without, **counted_rows),)
        )
    right = widths(baseline.task)
    counted = {name for name in whole.parts if name not in right and name.partition(":")[0] not in _NOTES}
    parts = {name: values for name, values in baseline.pane.parts.items() if name in right}
    parts |= {name: whole.parts[name] for name in counted}
    pane = Pane(parts)
    first, last = (edge for edge in (stretches[0].start, stretches[-1].end))
    fitted = baseline.extras.pca_fit and replace(baseline.extras.pca_fit, rows=0)  # the space was fitted to other rows
    extras = replace(
        baseline.extras,
        period=Period(first, last - 1),
        blocks=_blocks(baseline, stretches, panes),
        pca_fit=fitted,
        slices=slices(),
    )
    note = fact("own_last_rows", last=rolling.last, without=rolling.without, rows=int(whole.rows))
    return Reference(derive_baseline(baseline, pane, extras), (note,))


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
