"""Cold start: a model without a baseline is compared with all of its own past, cautiously at first.

The bins are those of the rows that were learned first; the reference grows with every pane, until it has a week. What
a reference of two hours has not seen, the night, Sunday, is no drift: what counts as one is a large shift at first, and
less the more of a day and of a week it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.time_blocks import Period, TimeBlocks, TimeGrid
from driftline.panes.pane import Pane, merge

from driftline_processor.core.facts import fact
from driftline_processor.core.windows.window import DAY, PANE

from .reference import Reference, derive_baseline

SETTLED = 7 * DAY
"""Nanoseconds for which a reference grows: a week has each hour and each weekday once. Then it stays, or a slow drift
would take it along.
"""

KEPT_OUT = 4
"""The last fourth of the time before a window is not in its reference yet: a break would be part of it an hour later,
and no longer be seen. So it is seen in a few windows in a row, which makes it an incident."""

STEPS = 8
"""References while the time that one covers doubles: windows beside each other are compared with the same rows, which
are read and laid out once. A reference has at most a ninth less than it could, on average a seventeenth."""

OF_A_DAY, OF_A_WEEK = 1.25, 0.5
"""The least shift, in standard deviations: of a reference that has not seen a day, and at first of one that has, but no
week. Of a daily cycle of ±0.5 standard deviations night and noon are one apart."""


def least_shift(covered: int) -> float:
    """Return the least shift that counts as drift, in standard deviations, of a reference that covers so much time.

    How few rows it has is in the p-value already.

    Args:
        covered: Nanoseconds in which it has rows.

    >>> [round(least_shift(int(days * DAY)), 2) for days in (0, 0.5, 1, 3.5, 7)]
    [1.25, 1.25, 0.43, 0.25, 0.0]
    """
    return OF_A_DAY if covered < DAY else max(OF_A_WEEK * (1 - covered / SETTLED), 0.0)


def reference_span(baseline: Baseline, start: int) -> tuple[int, int] | None:
    """Return since when and until when rows are in the reference of a window that begins at ``start``.

    Unix nanoseconds, ends of panes; None where the rows of ``baseline``, which was learned, have no times. It grows in
    steps (:data:`STEPS`), and the more it covers, the longer they are.
    """
    period = baseline.extras.period
    if period is None:
        return None
    since = period.first - period.first % PANE
    covered = max(min((start - since) * (KEPT_OUT - 1) // KEPT_OUT, SETTLED), 0)
    return since, since + (covered if covered == SETTLED else _stepped(covered // PANE) * PANE)


def _stepped(panes: int) -> int:
    """Return a number of panes, or the one below it that begins a step.

    >>> [_stepped(panes) for panes in (0, 15, 16, 17, 31, 72, 79, 1000)]
    [0, 15, 16, 16, 30, 72, 72, 960]
    """
    return panes - panes % max(1, (1 << max(panes.bit_length() - 1, 0)) // STEPS)


def grow_reference(baseline: Baseline, stretches: TimeGrid | None, panes: Sequence[Pane]) -> Reference:
    """Return a learned baseline with the rows that came since, and how cautiously it is to be used.

    ``stretches``: of time, that hold the rows of ``baseline`` and of ``panes``, one each, over the same bins; None =
    nothing came since.
    """
    period = baseline.extras.period
    if period is None:
        return Reference(baseline)
    end = period.first + SETTLED * KEPT_OUT // (KEPT_OUT - 1)
    learned = period.last - period.first
    if stretches is None:
        return _with_note(_blockless(baseline), learned, end)
    first = int(stretches.place(np.array([period.first + learned // 2]))[0])
    own = {name: sums for name, sums in baseline.pane.parts.items() if name.partition(":")[0] not in ("clusters",)}
    with_own = [merge([pane, Pane(own)]) if index == first else pane for index, pane in enumerate(panes)]
    held = sum(pane.rows > 0 for index, pane in enumerate(panes) if index != first) * stretches.length
    blocks = TimeBlocks.folded(stretches, with_own, baseline.bins)
    last = min(stretches.start + stretches.count * stretches.length, period.first + SETTLED)
    extras = replace(baseline.extras, blocks=blocks, period=Period(period.first, max(period.last, last)))
    whole = derive_baseline(baseline, merge(with_own), extras)
    covered = held + max(learned, stretches.length)
    return _with_note(whole if covered >= DAY else _blockless(whole), covered, end)


def _blockless(baseline: Baseline) -> Baseline:
    """Return the baseline without blocks: within a morning hours rise steadily, and do not tell how hours differ."""
    return derive_baseline(baseline, baseline.pane, replace(baseline.extras, blocks=None))


def _with_note(baseline: Baseline, covered: int, end: int) -> Reference:
    shift, rows = least_shift(covered), int(baseline.pane.rows)
    if shift <= 0:
        return Reference(baseline, (fact("own_first_week", rows=rows),))
    return Reference(baseline, (fact("own_first_rows", covered=covered, rows=rows, until=end, shift=shift),), shift)
