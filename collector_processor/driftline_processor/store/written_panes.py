"""Panes that batch jobs have written, by source and epoch.

Two tables: ``written_panes`` has the sums, in the format of :mod:`.pane_rows`, and ``pane_sources`` one row per pane.
Readers see the sums through the views ``all_panes`` and ``all_slice_panes``. A pane stays as it was written, so that a
later epoch of its source can replace it; panes are not rolled up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from driftline_processor.core.pane_source import PaneSource

from .database import Connection, insert, read, run
from .pane_rows import RowBytes


class PanePlace(NamedTuple):
    """The identity of a written pane within its series and source; ``slice``: ``key=value``, "" = all rows."""

    slice: str
    start: int
    end: int


class KnownPane(NamedTuple):
    """A stored pane: the epoch that wrote it, and its number of rows."""

    epoch: int
    rows: int


class FoldedPanes(NamedTuple):
    """The sums of some panes over one fold, a row per pane.

    Attributes:
        places: The panes.
        folds: The fold of each, which includes its slice.
        rows: Their sums.
    """

    places: Sequence[PanePlace]
    folds: Sequence[str]
    rows: RowBytes


class NewPane(NamedTuple):
    """A pane to store: where, and how many rows and outcomes it has."""

    place: PanePlace
    rows: int
    outcomes: int


def sources_of(connection: Connection) -> dict[int, tuple[PaneSource, ...]]:
    """Return the sources of each series, the newest first."""
    rows = read(
        connection,
        "SELECT series, source, max(epoch) AS epoch, count(*) FILTER (slice = '') AS panes,"
        " coalesce(sum(rows) FILTER (slice = ''), 0)::BIGINT AS rows,"
        " coalesce(sum(outcomes) FILTER (slice = ''), 0)::BIGINT AS outcomes,"
        " min(pane) AS first, max(pane + span) AS last, max(received) AS received"
        " FROM pane_sources GROUP BY series, source ORDER BY received DESC, source",
    )
    found: dict[int, tuple[PaneSource, ...]] = {}
    for row in rows.to_pylist():
        number = row.pop("series")
        found[number] = (*found.get(number, ()), PaneSource(**row))
    return found


class KnownPanes:
    """The stored panes of one series and source in a period."""

    def __init__(self, connection: Connection, series: int, source: str, start: int, end: int) -> None:
        """Read the panes that overlap ``[start, end)``."""
        self._by_place: dict[PanePlace, KnownPane] = {}
        self._starts: dict[str, list[tuple[int, int]]] = {}
        query = (
            "SELECT slice, pane, span, epoch, rows FROM pane_sources WHERE series = ? AND source = ? AND pane < ?"
            " AND pane + span > ? ORDER BY pane"
        )
        for row in read(connection, query, series, source, end, start).to_pylist():
            place = PanePlace(row["slice"], row["pane"], row["pane"] + row["span"])
            self.add(place, KnownPane(row["epoch"], row["rows"]))

    def get(self, place: PanePlace) -> KnownPane | None:
        """Return the stored pane of a place."""
        return self._by_place.get(place)

    def add(self, place: PanePlace, pane: KnownPane) -> None:
        """Note a pane that is stored now."""
        if place not in self._by_place:
            periods = self._starts.setdefault(place.slice, [])
            periods.insert(bisect_left(periods, place[1:]), (place.start, place.end))
        self._by_place[place] = pane

    def overlapping(self, place: PanePlace) -> tuple[int, int] | None:
        """Return start and end of a stored pane that overlaps a place of another start or length; None without any."""
        periods = self._starts.get(place.slice, [])
        position = bisect_left(periods, place[1:])
        for start, end in periods[max(0, position - 1) : position + 1]:
            if start < place.end and end > place.start and (start, end) != place[1:]:
                return start, end
        return None


def write_panes(
    connection: Connection,
    series: int,
    source: str,
    epoch: int,
    received: int,
    panes: Sequence[NewPane],
    folded: Sequence[FoldedPanes],
    replaced: Iterable[PanePlace] = (),
) -> None:
    """Store panes instead of those of their places, inside the caller's transaction.

    Args:
        connection: The connection.
        series: Number of the series.
        source: Name of the job.
        epoch: Number of its run.
        received: Unix nanoseconds.
        panes: The panes.
        folded: Their sums.
        replaced: Places whose stored panes are deleted first.
    """
    if places := list(replaced):
        gone = pa.table(
            {
                "slice": pa.array([place.slice for place in places], pa.string()),
                "pane": pa.array([place.start for place in places], pa.int64()),
            }
        )
        for table in ("written_panes", "pane_sources"):
            statement = (
                f"DELETE FROM {table} USING gone WHERE series = ? AND source = ?"
                f" AND {table}.slice = gone.slice AND {table}.pane = gone.pane"
            )
            run(connection, statement, series, source, gone=gone)
    if having := [one for one in folded if one.places]:  # none of the stored panes may have the parts of a refused one
        insert(connection, "written_panes", pa.concat_tables(_rows(series, source, one) for one in having))
    if panes:
        slices, starts, ends = zip(*(pane.place for pane in panes), strict=True)
        columns = {
            "series": pa.repeat(pa.scalar(series, pa.int32()), len(panes)),
            "source": pa.repeat(pa.scalar(source), len(panes)),
            "slice": pa.array(slices, pa.string()),
            "pane": pa.array(starts, pa.int64()),
            "span": pa.array([end - start for start, end in zip(starts, ends, strict=True)], pa.int64()),
            "epoch": pa.repeat(pa.scalar(epoch, pa.int64()), len(panes)),
            "rows": pa.array([pane.rows for pane in panes], pa.int64()),
            "outcomes": pa.array([pane.outcomes for pane in panes], pa.int64()),
            "received": pa.repeat(pa.scalar(received, pa.int64()), len(panes)),
        }
        insert(connection, "pane_sources", pa.table(columns))


def _rows(series: int, source: str, folded: FoldedPanes) -> pa.Table:
    slices, starts, ends = zip(*folded.places, strict=True)
    n, of_sums = len(folded.places), folded.rows
    return pa.table(
        {
            "series": pa.repeat(pa.scalar(series, pa.int32()), n),
            "fold": pa.array(folded.folds, pa.string()),
            "pane": pa.array(starts, pa.int64()),
            "span": pa.array([end - start for start, end in zip(starts, ends, strict=True)], pa.int64()),
            "parts": pa.repeat(pa.scalar(of_sums.label), n),
            "counts": of_sums.counts,
            "places": of_sums.places,
            "sums": of_sums.sums,
            "source": pa.repeat(pa.scalar(source), n),
            "slice": pa.array(slices, pa.string()),
        }
    )


def expire_panes(connection: Connection, series: int, before: int) -> None:
    """Delete the panes of a series that start before a time, unix nanoseconds, inside the caller's transaction."""
    for table in ("written_panes", "pane_sources"):
        connection.execute(f"DELETE FROM {table} WHERE series = ? AND pane < ?", [series, before])
