"""Rows that arrived against predictions that were counted: what a full buffer or a lost channel cost.

Both are laid on the time at which they were made: a row on that of its record, a count on the stretch since the count
before, in panes of five minutes. (Not on event time: a replay of last year is counted today.) The balance is drawn over
whole panes that every process has counted to the end, see :func:`newest_balance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, I64

from driftline_processor.core.windows.window import PANE, Window
from driftline_processor.store.database import Connection, insert, read

SHORTEST, LONGEST = 3_600 * 10**9, 86_400 * 10**9
"""The stretch: an hour, and where that has fewer predictions than ``ENOUGH``, as much longer as they need, to a day."""

ENOUGH = 2_000
"""Predictions that make an edge small: counts come once a minute, so at either end up to a minute's are split by a
guess, some 4 of 2,000 at a steady rate; an hour of 36 would be off by 3 % now and then, and nothing be wrong."""


class Balance(NamedTuple):
    """``rows`` that arrived of ``counted`` predictions, made in ``[start, end)``, unix nanoseconds.

    Attributes:
        doubt: How many of those at most were made outside of it, or others in it.
    """

    rows: float
    counted: float
    start: int
    end: int
    doubt: float = 0.0

    @property
    def completeness(self) -> float:
        """The share of predictions whose rows arrived.

        Rows beyond those counted that the edges explain were made outside the stretch; more than that are shown.

        >>> Balance(1_040.0, 1_000.0, 0, 1, doubt=45.0).completeness, Balance(1_040.0, 1_000.0, 0, 1).completeness
        (1.0, 1.04)
        """
        beyond = self.rows - self.counted
        return 1.0 if 0 < beyond <= self.doubt else self.rows / self.counted

    @property
    def stretch(self) -> Window:
        """Stretch of time in which the predictions were made."""
        return Window("", self.start, self.end)


class _Pane(NamedTuple):
    """``doubt``: of how many counted predictions it is a guess that they were made before its end, or after it.

    ``torn``: a count began in it that says nothing of the time before.
    """

    made: float = 0.0
    counted: float = 0.0
    doubt: float = 0.0
    torn: bool = False

    def __add__(self, other: object) -> _Pane:
        if not isinstance(other, _Pane):
            return NotImplemented
        predictions_made, counted, doubt = (
            own_value + other_value for own_value, other_value in zip(self[:3], other[:3], strict=True)
        )
        return _Pane(predictions_made, counted, doubt, self.torn or other.torn)


class Balances:
    """The panes of the last day, by series. One thread writes; any may read.

    What is counted is stored in ``balance``; the rows are in ``predictions`` already, and are counted there when it
    opens: another insert for each request would cost a fifth more.
    """

    def __init__(self, connection: Connection, now: int) -> None:
        """Read them."""
        self._panes: dict[int, dict[int, _Pane]] = {}
        self._new: list[tuple[int, int, _Pane]] = []
        self._now = now
        oldest = now - LONGEST - 2 * PANE
        stored_rows = (
            "SELECT series, pane, sum(made) AS made, sum(counted) AS counted, sum(doubt) AS doubt,"
            " bool_or(torn) AS torn FROM balance WHERE pane >= ? GROUP BY series, pane"
        )
        arrived = (
            f"SELECT series, observed - observed % {PANE} AS pane, count(*)::DOUBLE AS made FROM predictions"
            " WHERE observed >= ? GROUP BY series, pane"
        )
        for query in (stored_rows, arrived):
            for row in read(connection, query, oldest).to_pylist():
                self._add(row.pop("series"), row.pop("pane"), _Pane(**row))

    def rows(self, series: int, observed: I64) -> None:
        """Take in rows by when they were made: int64 (n,), unix nanoseconds. The caller stores that with the rows."""
        panes, counts = np.unique(observed - observed % PANE, return_counts=True)
        for pane, n in zip(panes.tolist(), counts.tolist(), strict=True):
            self._add(series, pane, _Pane(made=float(n)))

    def made(self, series: int, panes: I64, rows: F64) -> None:
        """Take in rows that are known from distributions, by pane."""
        for pane, n in zip(panes.tolist(), rows.tolist(), strict=True):
            self._take(series, pane, _Pane(made=n))

    def counted(self, series: int, panes: I64, counts: F64) -> None:
        """Take in the counts of one stretch of time, by pane."""
        before = np.cumsum(counts)
        doubts = np.minimum(before, before[-1] - before)
        for pane, n, doubt in zip(panes.tolist(), counts.tolist(), doubts.tolist(), strict=True):
            self._take(series, pane, _Pane(counted=n, doubt=doubt))

    def torn(self, series: int, time: int) -> None:
        """Note that counting began at a time without saying what was before it."""
        self._take(series, time - time % PANE, _Pane(torn=True))

    def write(self, connection: Connection) -> None:
        """Append what was taken in, inside the caller's transaction."""
        new, self._new = self._new, []
        if not new:
            return
        rows = [{"series": series, "pane": pane, **sums._asdict()} for series, pane, sums in new]
        insert(connection, "balance", pa.Table.from_pylist(rows))

    def of(self, series: int, reached: int | None) -> Balance | None:
        """Return the balance of a series; ``reached``: until when all processes have counted, None where none does."""
        panes = self._panes.get(series)
        return None if panes is None or reached is None else newest_balance(panes.copy(), reached)

    def at(self, now: int) -> None:
        """Go on at ``now``, unix nanoseconds: what is older than a day is forgotten."""
        self._now = now
        oldest = now - LONGEST - 2 * PANE
        for series, panes in self._panes.items():
            if any(pane < oldest for pane in panes):
                self._panes[series] = {pane: sums for pane, sums in panes.items() if pane >= oldest}

    def _take(self, series: int, pane: int, sums: _Pane) -> None:
        self._new.append((series, pane, sums))
        self._add(series, pane, sums)

    def _add(self, series: int, pane: int, sums: _Pane) -> None:
        # 3_600 * 10**9: nanoseconds by which a sender's clock may be ahead
        if not self._now - LONGEST - 2 * PANE <= pane <= self._now + (3_600 * 10**9):
            return  # a clock that is an hour off has no place in the balance, nor in memory
        panes = self._panes.setdefault(series, {})
        panes[pane] = panes.get(pane, _Pane()) + sums


def newest_balance(panes: Mapping[int, _Pane], reached: int) -> Balance | None:
    """Balance the newest stretch that can be: None where nothing is counted in it, or too much of it is in doubt.

    It ends with the last pane that is counted to its end, begins no earlier than the first count, and never before one
    that says nothing of what was before it: a process that ran already when it was first heard.

    >>> newest_balance({0: _Pane(made=9.0, counted=10.0), PANE: _Pane(made=5.0)}, PANE + 60)
    Balance(rows=9.0, counted=10.0, start=0, end=300000000000, doubt=0.0)
    """
    end = reached - reached % PANE
    inside = sorted((pane for pane in panes if end - LONGEST <= pane < end), reverse=True)
    last, rows, counted, balance = panes.get(end - PANE, _Pane()).doubt, 0.0, 0.0, None
    for pane in inside:
        sums = panes[pane]
        if sums.torn or (end - pane > SHORTEST and counted >= ENOUGH):
            break
        rows, counted = rows + sums.made, counted + sums.counted
        if sums.counted:  # what lies before the first count was not counted, but may have arrived
            first = panes.get(pane - PANE, _Pane()).doubt
            balance = Balance(rows, counted, pane, end, first + last)
    # 0.05: greatest share of predictions that may lie on the other side of an edge. After the first half minute of a
    # busy service it is most of them, after ten minutes a twentieth at worst.
    return balance if balance is not None and balance.doubt <= 0.05 * balance.counted else None


def forget_old_balances(connection: Connection, now: int) -> None:
    """Delete what is older than a day."""
    connection.execute("DELETE FROM balance WHERE pane < ?", [now - LONGEST - 2 * PANE])
