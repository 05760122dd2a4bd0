"""The context of a window in addition to its sums: outcomes by block, facts of rows, slices, earlier time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from driftline.baseline.sections.duplicate_rows import Recurrence
from driftline.panes.pane import Pane
from msgspec import Struct, field

from driftline_processor.core.expectations.judge import RowFacts
from driftline_processor.core.performance.window_outcomes import NOTHING_KNOWN, WindowOutcomes
from driftline_processor.core.windows.time_before import TimeBefore, no_time_before

from .evaluation import MetricValue
from .explain.loss_evidence import RowLosses, no_rows


class SliceContext(NamedTuple):
    """The rows of one slice of a window, and the earlier time."""

    pane: Pane
    time_before: TimeBefore = no_time_before


class WindowContext(Struct, frozen=True):
    """The context of a window.

    Attributes:
        outcomes: The outcomes by block of time and by slice.
        realized: The performance from single rows; None if it is computed from the sums of the window.
        facts: Facts of rows that sums do not contain.
        recurrences: Repeats of rows of the previous window, and of that window of its predecessor.
        time_before: Function that returns the histograms of the time up to the window's end, if columns drift.
        slices: The rows of each slice by ``key=value``, over the same bins.
        rows: Function that returns the rows with outcomes and features, if the window shows a loss.
    """

    outcomes: WindowOutcomes = NOTHING_KNOWN
    realized: dict[str, MetricValue] | None = None
    facts: RowFacts = field(default_factory=RowFacts)
    recurrences: Sequence[Recurrence | None] = ()
    time_before: TimeBefore = no_time_before
    slices: Mapping[str, SliceContext] = field(default_factory=dict)
    rows: Callable[[], RowLosses | None] = no_rows


NO_CONTEXT = WindowContext()
"""Empty context."""
