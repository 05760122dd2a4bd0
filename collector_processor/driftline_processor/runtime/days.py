"""Whole past days, added up once and kept beside the panes: what reads a month reads thirty sums of each bin.

Panes stay five minutes for two weeks and hours for a quarter of a year. A month of them has up to 5,000 rows for each
bin, of which a view of a month would read all. What is kept here holds until a row of its day comes late; then the day
is added up again. A day is that of the model's time zone, and is kept as it was counted over one baseline's bins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from driftline.baseline import Baseline
from driftline.pane import Pane
from driftline.tables import I64

from driftline_processor.core.evaluation import Window

from .counted import read_counted
from .panes import KEEP_HOURS
from .series import Series
from .store import Connection, insert, read, transaction

_Day = tuple[int, str, int, int]
"""Series, what its panes were folded over, start and end."""

_NOTHING = ""
"""The part by which a day without rows is known to have none."""


class Days:
    """Reads stretches of time by whole days. One thread uses it."""

    def __init__(self, connection: Connection) -> None:
        """Know which days are kept."""
        self._connection = connection
        found = connection.execute("SELECT DISTINCT series, fold, day, stop FROM days").fetchall()
        self._kept: set[_Day] = set(found)

    def forget(self, series: int, panes: Collection[int]) -> None:
        """Forget the days of a series that hold panes, by their starts, which were touched."""
        starts = np.sort(np.fromiter(panes, np.int64, len(panes)))
        self._delete([day for day in self._kept if day[0] == series and _holds(day, starts)])

    def panes(self, series: Series, like: Baseline, stretches: Sequence[Window], closed: int) -> list[Pane]:
        """Return one pane for each stretch, as :func:`.counted.read_counted` does; those of days are kept.

        ``closed``: the time before which days have ended; a younger one is not kept, since its rows still come.
        """
        panes: dict[Window, Pane] = {}
        kept = [one for one in stretches if (series.number, like.fold, one.start, one.end) in self._kept]
        if kept:
            panes |= self._read(series, like, kept)
        for run in _runs([one for one in stretches if one not in panes]):
            found = read_counted(self._connection, series, like, [(one.start, one.end) for one in run])
            panes |= zip(run, found, strict=True)
            oldest = stretches[-1].end - KEEP_HOURS  # older panes are days already
            self._keep(series, like, {one: panes[one] for one in run if oldest <= one.start and one.end <= closed})
        return [panes[one] for one in stretches]

    def _read(self, series: Series, like: Baseline, days: Sequence[Window]) -> dict[Window, Pane]:
        rows = read(
            self._connection,
            "SELECT day, part, sums FROM days WHERE series = ? AND fold = ? AND day >= ? AND day < ?",
            *(series.number, like.fold, days[0].start, days[-1].end),
        )
        lists = rows.column("sums").combine_chunks()
        sums, ends = lists.values.to_numpy(), lists.offsets.to_pylist()
        panes = {one.start: Pane() for one in days}
        named = zip(rows.column("day").to_pylist(), rows.column("part").to_pylist(), pairwise(ends), strict=True)
        for day, part, (first, last) in named:
            if day in panes and part != _NOTHING:
                panes[day].parts[part] = sums[first:last]
        return {one: panes[one.start] for one in days}

    def _keep(self, series: Series, like: Baseline, days: dict[Window, Pane]) -> None:
        """Keep days, and no longer those whose panes are as long by now."""
        if not days:
            return
        oldest = max(day.end for day in days) - KEEP_HOURS
        self._delete([day for day in self._kept if day[0] == series.number and day[2] < oldest])
        entries = [
            (day, *part) for day, pane in days.items() for part in (pane.parts or {_NOTHING: np.zeros(0)}).items()
        ]
        ends = np.cumsum([0, *(len(sums) for _, _, sums in entries)])
        lists = pa.ListArray.from_arrays(
            pa.array(ends.astype(np.int32)), pa.array(np.concatenate([sums for _, _, sums in entries]))
        )
        rows = {
            "series": pa.repeat(pa.scalar(series.number, pa.int32()), len(entries)),
            "fold": pa.repeat(pa.scalar(like.fold), len(entries)),
            "day": pa.array([day.start for day, _, _ in entries], pa.int64()),
            "stop": pa.array([day.end for day, _, _ in entries], pa.int64()),
            "part": pa.array([part for _, part, _ in entries], pa.string()),
            "sums": lists,
        }
        with transaction(self._connection):
            insert(self._connection, "days", pa.table(rows))
        self._kept.update((series.number, like.fold, day.start, day.end) for day in days)

    def _delete(self, days: Sequence[_Day]) -> None:
        for series, fold, start, _ in days:
            self._connection.execute(
                "DELETE FROM days WHERE series = ? AND fold = ? AND day = ?", [series, fold, start]
            )
        self._kept.difference_update(days)


def _holds(day: _Day, starts: I64) -> bool:
    return bool(np.searchsorted(starts, day[2]) < np.searchsorted(starts, day[3]))


def _runs(stretches: Sequence[Window]) -> Iterator[list[Window]]:
    """Stretches of which each begins where the one before ends."""
    run: list[Window] = []
    for one in stretches:
        if run and run[-1].end != one.start:
            yield run
            run = []
        run.append(one)
    if run:
        yield run
