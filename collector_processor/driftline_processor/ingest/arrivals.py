"""When rows of each series arrived: the five-minute panes of wall time of the last four weeks, which tell a pace."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from driftline.tables.table import I64

from driftline_processor.core.outcomes.coverage import DISTRIBUTED
from driftline_processor.core.windows.window import DAY, PANE
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.database import Connection, mark, read, set_mark
from driftline_processor.store.panes import read_sums
from driftline_processor.store.pruning import Condition

KEPT = 28 * DAY
"""Nanoseconds for which arrivals are known: each hour of the week four times."""

_LISTENED = "listened"

_ROWS = (
    f"SELECT DISTINCT series, received - received % {PANE} AS pane FROM predictions WHERE received >= ? ORDER BY ALL"
)
"""The rows are stored already: another insert for each request would cost more than to look at them once."""

_DISTRIBUTIONS = "SELECT DISTINCT series, pane FROM sums ORDER BY series, pane"
"""Of distributions the time of arrival is not stored; services send them every minute."""


class Arrivals:
    """The panes of wall time in which anything of a series arrived. One thread writes; any may read.

    Attributes:
        away: When the processor was last known to listen before it started, and when it began again, unix nanoseconds;
            both 0 where it was never started before.
    """

    def __init__(self, connection: Connection, now: int) -> None:
        """Read what is stored; ``now``: the wall clock, unix nanoseconds, from when on it listens."""
        oldest = now - KEPT
        self._panes: dict[int, list[int]] = {}
        of_distributions = Condition("fold = '' AND span = ? AND pane >= ?", (PANE, oldest))
        sums = read_sums(connection, of_distributions, wanted=lambda _, part: part == DISTRIBUTED)
        for row in (
            read(connection, _ROWS, oldest),
            read(connection, _DISTRIBUTIONS, sums=sums),
        ):
            series, panes = integers_of(row, "series"), integers_of(row, "pane")
            for number in np.unique(series).tolist():
                first, last = np.searchsorted(series, [number, number + 1])
                self._panes.setdefault(number, []).extend(panes[first:last].tolist())
        listened = mark(connection, _LISTENED)
        self.away = (listened, now) if 0 < listened < now else (0, 0)

    def add(self, series: int, now: int) -> None:
        """Note that something of a series arrived at ``now``, unix nanoseconds."""
        pane, arrival_panes = now - now % PANE, self._panes.setdefault(series, [])
        if not arrival_panes or arrival_panes[-1] != pane:
            arrival_panes.append(pane)
            if arrival_panes[0] < now - KEPT - DAY:  # a day's worth at a time
                self._panes[series] = [arrival_pane for arrival_pane in arrival_panes if arrival_pane >= now - KEPT]

    def of(self, series: Iterable[int]) -> I64:
        """Return the panes in which anything of these series arrived, ascending: int64 (n,), unix nanoseconds."""
        arrivals_by_series = [np.array(self._panes.get(number, ()), np.int64) for number in series]
        return np.unique(np.concatenate(arrivals_by_series)) if arrivals_by_series else np.empty(0, np.int64)


def note_listening(connection: Connection, now: int) -> None:
    """Write down that the processor listens at ``now``, unix nanoseconds, inside the caller's transaction."""
    set_mark(connection, _LISTENED, now)
