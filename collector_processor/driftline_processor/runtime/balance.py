"""Rows that arrived against predictions that were counted: what a full buffer or a lost channel cost.

Both are laid on the time at which they were made: a row on that of its record, a count on the stretch since the count
before, in panes of five minutes. (Not on event time: a replay of last year is counted today.) The balance is drawn over
whole panes that every process has counted to the end, see :func:`balance`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.tables import F64, I64

from driftline_processor.core.evaluation import Window
from driftline_processor.core.window import PANE

from .store import Connection, insert, read

SHORTEST, LONGEST = 3_600 * 10**9, 86_400 * 10**9
"""The stretch: an hour, and where that has fewer predictions than ``ENOUGH``, as much longer as they need, to a day."""

ENOUGH = 2_000
"""Predictions that make an edge small: counts come once a minute, so at either end up to a minute's are split by a
guess, some 4 of 2,000 at a steady rate; an hour of 36 would be off by 3 % now and then, and nothing be wrong."""


class Balance(NamedTuple):
    """``rows`` that arrived of ``counted`` predictions, made in ``[start, end)``, unix nanoseconds."""

    rows: float
    counted: float
    start: int
    end: int

    @property
    def completeness(self) -> float:
        """The share of predictions whose rows arrived."""
        return self.rows / self.counted

    @property
    def stretch(self) -> Window:
        """When they were made."""
        return Window("", self.start, self.end)


_Pane = tuple[float, float, bool]
"""Rows, counted predictions, and whether a count began in it that says nothing of the time before."""


class Balances:
    """The panes of the last day, by series. One thread writes; any may read.

    What is counted is stored in ``balance``; the rows are in ``predictions`` already, and are counted there when it
    opens: another insert for each request would cost a fifth more.
    """

    def __init__(self, connection: Connection, now: int) -> None:
        """Read them."""
        self._panes: dict[int, dict[int, _Pane]] = {}
        self._new: list[tuple[int, int, float, float, bool]] = []
        oldest = now - LONGEST - 2 * PANE
        known = (
            "SELECT series, pane, sum(made) AS made, sum(counted) AS counted, bool_or(torn) AS torn FROM balance"
            " WHERE pane >= ? GROUP BY series, pane"
        )
        arrived = (
            f"SELECT series, observed - observed % {PANE} AS pane, count(*)::DOUBLE AS made, 0::DOUBLE AS counted,"
            " false AS torn FROM predictions WHERE observed >= ? GROUP BY series, pane"
        )
        for query in (known, arrived):
            for row in read(connection, query, oldest).to_pylist():
                self._add(row["series"], row["pane"], row["made"], row["counted"], row["torn"])

    def rows(self, series: int, observed: I64) -> None:
        """Take in rows by when they were made: int64 (n,), unix nanoseconds. The caller stores that with the rows."""
        panes, counts = np.unique(observed - observed % PANE, return_counts=True)
        for pane, n in zip(panes.tolist(), counts.tolist(), strict=True):
            self._add(series, pane, float(n), 0.0, False)

    def made(self, series: int, panes: I64, rows: F64) -> None:
        """Take in rows that are known from distributions, by pane."""
        for pane, n in zip(panes.tolist(), rows.tolist(), strict=True):
            self._take(series, pane, n, 0.0)

    def counted(self, series: int, panes: I64, counts: F64) -> None:
        """Take in counted predictions, by pane."""
        for pane, n in zip(panes.tolist(), counts.tolist(), strict=True):
            self._take(series, pane, 0.0, n)

    def torn(self, series: int, time: int) -> None:
        """Note that counting began at a time without saying what was before it."""
        self._take(series, time - time % PANE, 0.0, 0.0, True)

    def write(self, connection: Connection) -> None:
        """Append what was taken in, inside the caller's transaction."""
        new, self._new = self._new, []
        if not new:
            return
        names = ("series", "pane", "made", "counted", "torn")
        columns = dict(zip(names, map(list, zip(*new, strict=True)), strict=True))
        columns["series"] = pa.array(columns["series"], pa.int32())
        insert(connection, "balance", pa.table(columns))

    def of(self, series: int, reached: int | None) -> Balance | None:
        """Return the balance of a series; ``reached``: until when all processes have counted, None where none does."""
        panes = self._panes.get(series)
        return None if panes is None or reached is None else balance(panes.copy(), reached)

    def expire(self, now: int) -> None:
        """Forget what is older than a day."""
        oldest = now - LONGEST - 2 * PANE
        for series, panes in self._panes.items():
            if any(pane < oldest for pane in panes):
                self._panes[series] = {pane: sums for pane, sums in panes.items() if pane >= oldest}

    def _take(self, series: int, pane: int, made: float, counted: float, torn: bool = False) -> None:
        self._new.append((series, pane, made, counted, torn))
        self._add(series, pane, made, counted, torn)

    def _add(self, series: int, pane: int, made: float, counted: float, torn: bool) -> None:
        panes = self._panes.setdefault(series, {})
        known = panes.get(pane, (0.0, 0.0, False))
        panes[pane] = (known[0] + made, known[1] + counted, known[2] or torn)


def balance(panes: dict[int, _Pane], reached: int) -> Balance | None:
    """Balance the newest stretch that can be: None where nothing is counted in it.

    It ends with the last pane that is counted to its end, begins no earlier than the first count, and never before one
    that says nothing of what was before it: a process that ran already when it was first heard.

    >>> balance({0: (9.0, 10.0, False), PANE: (5.0, 0.0, False)}, PANE + 60)
    Balance(rows=9.0, counted=10.0, start=0, end=300000000000)
    """
    end = reached - reached % PANE
    inside = sorted((pane for pane in panes if end - LONGEST <= pane < end), reverse=True)
    rows = counted = 0.0
    start, found = end, None
    for pane in inside:
        made, n, torn = panes[pane]
        if torn or (end - pane > SHORTEST and counted >= ENOUGH):
            break
        rows, counted, start = rows + made, counted + n, pane
        if n:  # what lies before the first count was not counted, but may have arrived
            found = Balance(rows, counted, start, end)
    return found


def forget_old(connection: Connection, now: int) -> None:
    """Delete what is older than a day."""
    connection.execute("DELETE FROM balance WHERE pane < ?", [now - LONGEST - 2 * PANE])
