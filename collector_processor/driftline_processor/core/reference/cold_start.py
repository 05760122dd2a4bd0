"""Cold start: a model without a baseline is compared with all of its own past, with a minimum shift at first.

The bins are those of the first rows; the reference grows with every pane for a week. A reference of two hours lacks the
night and Sunday, which are not drift. So only a large shift counts at first; the minimum decreases as the reference
covers more of a day and of a week.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.time_blocks import Period, TimeBlocks, TimeGrid
from driftline.panes.pane import Pane, merge

from driftline_processor.core import facts
from driftline_processor.core.windows.window import DAY, PANE

from .reference import Reference, derive_baseline

SETTLED = 7 * DAY
"""Nanoseconds for which a reference grows: a week contains each hour and each weekday once. Then it stays the same;
otherwise it would follow a slow drift.
"""

KEPT_OUT = 4
"""The last quarter of the time before a window is not yet in its reference. Otherwise a sudden change would be part of
the reference an hour later and no longer be detected; this way it is detected in several consecutive windows, which
makes it an incident.
"""

STEPS = 8
"""Number of references while the covered time doubles: neighbouring windows are compared with the same rows, which are
loaded once. A reference has at most a ninth fewer rows than possible, on average a seventeenth.
"""

OF_A_DAY, OF_A_WEEK = 1.25, 0.5
"""Minimum shift, in standard deviations, of a reference that covers less than a day, and at first of one that covers
less than a week. With a daily cycle of ±0.5 standard deviations, night and noon differ by one.
"""


def least_shift(covered: int) -> float:
    """Return the minimum shift that counts as drift, in standard deviations, for a reference that covers this time.

    The p-value already accounts for a small number of rows.

    Args:
        covered: Nanoseconds with rows.

    >>> [round(least_shift(int(days * DAY)), 2) for days in (0, 0.5, 1, 3.5, 7)]
    [1.25, 1.25, 0.43, 0.25, 0.0]
    """
    return OF_A_DAY if covered < DAY else max(OF_A_WEEK * (1 - covered / SETTLED), 0.0)


def reference_span(baseline: Baseline, start: int) -> tuple[int, int] | None:
    """Return start and end of the rows in the reference of a window that begins at ``start``.

    Unix nanoseconds, ends of panes; None if the rows of ``baseline``, a learned one, have no times. The span grows in
    steps (:data:`STEPS`), which become longer as it does.
    """
    period = baseline.extras.period
    if period is None:
        return None
    since = period.first - period.first % PANE
    covered = max(min((start - since) * (KEPT_OUT - 1) // KEPT_OUT, SETTLED), 0)
    return since, since + (covered if covered == SETTLED else _stepped(covered // PANE) * PANE)


def _stepped(panes: int) -> int:
    """Return the greatest number up to ``panes`` that begins a step.

    >>> [_stepped(panes) for panes in (0, 15, 16, 17, 31, 72, 79, 1000)]
    [0, 15, 16, 16, 30, 72, 72, 960]
    """
    return panes - panes % max(1, (1 << max(panes.bit_length() - 1, 0)) // STEPS)


def grow_reference(baseline: Baseline, stretches: TimeGrid | None, panes: Sequence[Pane]) -> Reference:
    """Return a learned baseline with later rows, and the minimum shift for its use.

    ``stretches``: time blocks of the rows of ``baseline`` and of ``panes``, one pane per block, over the same bins;
    None = without later rows.
    """
    period = baseline.extras.period
    if period is None:
        return Reference(baseline)
    end = period.first + SETTLED * KEPT_OUT // (KEPT_OUT - 1)
    learned = period.last - period.first
    if stretches is None:
        return _with_note(_blockless(baseline), learned, end)
    first = int(stretches.place(np.array([period.first + learned // 2]))[0])
    own_parts = {
        name: sums for name, sums in baseline.pane.parts.items() if name.partition(":")[0] not in ("clusters",)
    }
    with_own = [merge([pane, Pane(own_parts)]) if index == first else pane for index, pane in enumerate(panes)]
    held = sum(pane.rows > 0 for index, pane in enumerate(panes) if index != first) * stretches.length
    blocks = TimeBlocks.folded(stretches, with_own, baseline.bins)
    last = min(stretches.start + stretches.count * stretches.length, period.first + SETTLED)
    extras = replace(baseline.extras, blocks=blocks, period=Period(period.first, max(period.last, last)))
    whole = derive_baseline(baseline, merge(with_own), extras)
    covered = held + max(learned, stretches.length)
    return _with_note(whole if covered >= DAY else _blockless(whole), covered, end)


def _blockless(baseline: Baseline) -> Baseline:
    """Return the baseline without blocks: hours of one morning rise steadily, and do not show how hours vary."""
    return derive_baseline(baseline, baseline.pane, replace(baseline.extras, blocks=None))


def _with_note(baseline: Baseline, covered: int, end: int) -> Reference:
    shift, rows = least_shift(covered), int(baseline.pane.rows)
    if shift <= 0:
        return Reference(baseline, (facts.OwnFirstWeek(rows=rows),))
    return Reference(baseline, (facts.OwnFirstRows(covered=covered, rows=rows, until=end, shift=shift),), shift)
