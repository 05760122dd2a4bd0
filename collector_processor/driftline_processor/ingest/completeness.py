"""Compare arrived rows with counted predictions, to detect the losses of a full buffer or a broken channel.

Both are assigned to panes of five minutes by the time at which they were made: a row to that of its record, a count to
the interval since the previous count. Event time is not used, because a replay of last year is counted today. The
balance covers whole panes that every process has counted completely, see :func:`newest_balance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, I64

from driftline_processor.core.decode.event_times import LATEST_POINT
from driftline_processor.core.windows.window import PANE, Window
from driftline_processor.store.database import Connection, insert, read

SHORTEST, LONGEST = 3_600 * 10**9, 86_400 * 10**9
"""The period: an hour, or as long as :data:`ENOUGH` predictions need, at most a day."""

ENOUGH = 2_000
"""Predictions per period that make the edges negligible.

Counts arrive once a minute, so up to a minute of predictions at either end is split by an estimate: about 4 of
2,000 at a steady rate, but 3 % of 36.
"""


class Balance(NamedTuple):
    """``rows`` that arrived of ``counted`` predictions, made in ``[start, end)``, unix nanoseconds.

    Attributes:
        doubt: Maximum number of them made outside the period, or of others made inside it.
    """

    rows: float
    counted: float
    start: int
    end: int
    doubt: float = 0.0

    @property
    def completeness(self) -> float:
        """The fraction of predictions whose rows arrived.

        An excess of rows up to ``doubt`` is ignored, a larger one is shown.

        >>> Balance(1_040.0, 1_000.0, 0, 1, doubt=45.0).completeness, Balance(1_040.0, 1_000.0, 0, 1).completeness
        (1.0, 1.04)
        """
        beyond = self.rows - self.counted
        return 1.0 if 0 < beyond <= self.doubt else self.rows / self.counted

    @property
    def stretch(self) -> Window:
        """The period in which the predictions were made."""
        return Window("", self.start, self.end)


TOGETHER = 256
"""Intervals whose counts are added together: at most 74,000 panes."""


class _Pane(NamedTuple):
    """``doubt``: number of counted predictions that may have been made before its start or after its end.

    ``torn``: a count started in it without information about the time before.
    """

    rows: float = 0.0
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
    """The panes of the last day, by series. One thread writes; any thread may read.

    Counts are stored in ``balance``; rows are counted from ``predictions`` at the start, because another insert per
    request would cost 20 % more.
    """

    def __init__(self, connection: Connection, now: int) -> None:
        """Read the stored counts."""
        self._panes: dict[int, dict[int, _Pane]] = {}
        self._new: dict[tuple[int, int], _Pane] = {}
        self._now = now
        oldest = now - LONGEST - 2 * PANE
        stored_rows = (
            "SELECT series, pane, sum(rows) AS rows, sum(counted) AS counted, sum(doubt) AS doubt,"
            " bool_or(torn) AS torn FROM balance WHERE pane >= ? GROUP BY series, pane"
        )
        arrived = (
            f"SELECT series, observed - observed % {PANE} AS pane, count(*)::DOUBLE AS rows FROM predictions"
            " WHERE observed >= ? GROUP BY series, pane"
        )
        for query in (stored_rows, arrived):
            for row in read(connection, query, oldest).to_pylist():
                self._add(row.pop("series"), row.pop("pane"), _Pane(**row))
        of_spans = (
            "SELECT series, max(received) AS received FROM predictions WHERE observed IS NULL AND received >= ?"
            " GROUP BY series"
        )
        self._spans = {row["series"]: row["received"] for row in read(connection, of_spans, oldest).to_pylist()}
        """Series → arrival of its newest row that is not of a record."""

    def rows(self, series: int, observed: I64) -> None:
        """Add rows by the time at which they were made: int64 (n,), unix nanoseconds. The caller stores the rows."""
        panes, counts = np.unique(observed - observed % PANE, return_counts=True)
        for pane, n in zip(panes.tolist(), counts.tolist(), strict=True):
            self._add(series, pane, _Pane(rows=float(n)))

    def spans(self, series: int) -> None:
        """Note that rows arrived that are not of records: spans may be sampled, so that their number means nothing."""
        self._spans[series] = self._now

    def add_distribution_rows(self, series: int, panes: I64, rows: F64) -> None:
        """Add rows from distributions, by pane."""
        for pane, n in zip(panes.tolist(), rows.tolist(), strict=True):
            self._take(series, pane, _Pane(rows=n))

    def counted(self, series: int, intervals: Sequence[tuple[I64, F64]]) -> None:
        """Add the counts of up to :data:`TOGETHER` intervals: each its panes and their counts."""
        if not intervals:
            return
        before = [np.cumsum(counts) for _, counts in intervals]
        doubts = np.concatenate([np.minimum(sums, sums[-1] - sums) for sums in before])
        panes, places = np.unique(np.concatenate([panes for panes, _ in intervals]), return_inverse=True)
        counted = np.bincount(places, np.concatenate([counts for _, counts in intervals]))
        for pane, n, doubt in zip(panes.tolist(), counted.tolist(), np.bincount(places, doubts).tolist(), strict=True):
            self._take(series, pane, _Pane(counted=n, doubt=doubt))

    def torn(self, series: int, time: int) -> None:
        """Note that counting started at a time without information about the time before."""
        self._take(series, time - time % PANE, _Pane(torn=True))

    def write(self, connection: Connection) -> None:
        """Append the added counts, inside the caller's transaction."""
        new, self._new = self._new, {}
        if not new:
            return
        rows = [{"series": series, "pane": pane, **sums._asdict()} for (series, pane), sums in new.items()]
        insert(connection, "balance", pa.Table.from_pylist(rows))

    def of(self, series: int, reached: int | None) -> Balance | None:
        """Return the balance of a series; None without counts, or if rows arrived as spans in the last day.

        ``reached``: until when all processes have counted, None without counts.
        """
        panes = self._panes.get(series)
        if panes is None or reached is None or self._now - self._spans.get(series, 0) <= LONGEST:
            return None
        return newest_balance(panes.copy(), reached)

    def at(self, now: int) -> None:
        """Move to the time ``now``, unix nanoseconds, and drop panes older than a day."""
        self._now = now
        oldest = now - LONGEST - 2 * PANE
        for series, panes in self._panes.items():
            if any(pane < oldest for pane in panes):
                self._panes[series] = {pane: sums for pane, sums in panes.items() if pane >= oldest}

    def _take(self, series: int, pane: int, sums: _Pane) -> None:
        if self._add(series, pane, sums):
            self._new[series, pane] = self._new.get((series, pane), _Pane()) + sums

    def _add(self, series: int, pane: int, sums: _Pane) -> bool:
        """Add sums; return False for those of a wrong clock, which are left out of the balance."""
        if not self._now - LONGEST - 2 * PANE <= pane <= self._now + LATEST_POINT:
            return False
        panes = self._panes.setdefault(series, {})
        panes[pane] = panes.get(pane, _Pane()) + sums
        return True


def newest_balance(panes: Mapping[int, _Pane], reached: int) -> Balance | None:
    """Return the balance of the newest possible period; None without counts or with too much doubt.

    It ends with the last completely counted pane and starts at the earliest with the first count, after any count
    without information about the time before it, which is the first count of a process that was already running.

    >>> newest_balance({0: _Pane(rows=9.0, counted=10.0), PANE: _Pane(rows=5.0)}, PANE + 60)
    Balance(rows=9.0, counted=10.0, start=0, end=300000000000, doubt=0.0)
    """
    end = reached - reached % PANE
    inside = sorted((pane for pane in panes if end - LONGEST <= pane < end), reverse=True)
    last, rows, counted, balance = panes.get(end - PANE, _Pane()).doubt, 0.0, 0.0, None
    for pane in inside:
        sums = panes[pane]
        if sums.torn or (end - pane > SHORTEST and counted >= ENOUGH):
            break
        rows, counted = rows + sums.rows, counted + sums.counted
        if sums.counted:  # rows before the first count may have arrived without being counted
            first = panes.get(pane - PANE, _Pane()).doubt
            balance = Balance(rows, counted, pane, end, first + last)
    # 0.05: maximum fraction of predictions that may lie on the other side of an edge. In a busy service it is most of
    # them after half a minute, and at most a twentieth after ten minutes.
    return balance if balance is not None and balance.doubt <= 0.05 * balance.counted else None


def forget_old_balances(connection: Connection, now: int) -> None:
    """Delete counts older than a day."""
    connection.execute("DELETE FROM balance WHERE pane < ?", [now - LONGEST - 2 * PANE])
