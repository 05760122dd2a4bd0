"""Changes by ingestion for the other threads: changed panes and running totals per series."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from driftline.panes.pane import DURATION_BOUNDS
from driftline.tables.table import F64, I64
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core.outcomes.coverage import DECIDED, DISTRIBUTED
from driftline_processor.core.service_level.sums import FAILED
from driftline_processor.store.database import Connection, read
from driftline_processor.store.panes import PANES, read_sums
from driftline_processor.store.pruning import Condition
from driftline_processor.store.written_panes import sources_of

from .pane_sums import DistributionSums

PaneCounts = dict[int, Counter[int]]
"""Series → start of a pane, unix nanoseconds → number of new rows or outcomes."""


class PaneProgress(NamedTuple):
    """The last sequence numbers of predictions, joined rows and points whose panes were noted."""

    predictions: int
    joined: int
    points: int


class ChangedPanes:
    """The panes that changed since their last evaluation, and since their last roll-up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: PaneCounts = {}
        self._outcomes: PaneCounts = {}
        self._panes: dict[int, set[int]] = {}
        self._reached = PaneProgress(0, 0, 0)

    def touch(
        self,
        panes: Iterable[tuple[int, I64]],
        predictions: int = 0,
        joined: int = 0,
        points: int = 0,
        distributed: Iterable[tuple[int, I64, int]] = (),
    ) -> None:
        """Note panes of series by start (unix nanoseconds), and the position in the tables.

        A pane is repeated once per row or outcome. ``joined``: the panes have new outcomes only. ``distributed``:
        panes of rows from distributions, and how many rows each has.
        """
        with self._lock:
            counts = self._outcomes if joined else self._rows
            for series, starts in panes:
                unique_starts, changes = (values.tolist() for values in np.unique(starts, return_counts=True))
                self._note(counts, series, dict(zip(unique_starts, changes, strict=True)))
            for series, starts, rows in distributed:
                self._note(self._rows, series, dict.fromkeys(starts.tolist(), rows))
            self._reached = PaneProgress(*map(max, (predictions, joined, points), self._reached))

    def _note(self, counts: PaneCounts, series: int, changes: dict[int, int]) -> None:
        counts.setdefault(series, Counter()).update(changes)
        self._panes.setdefault(series, set()).update(changes)

    def __bool__(self) -> bool:
        """Return True if panes wait for an evaluation."""
        with self._lock:
            return bool(self._rows or self._outcomes)

    def take(self) -> tuple[PaneCounts, PaneCounts, PaneProgress]:
        """Return and clear the panes with new rows, the panes with new outcomes, and their position in the tables."""
        with self._lock:
            rows, self._rows = self._rows, {}
            outcomes, self._outcomes = self._outcomes, {}
            return rows, outcomes, self._reached

    def put_back(self, rows: PaneCounts, outcomes: PaneCounts) -> None:
        """Add the result of :meth:`take` again if it could not be processed."""
        with self._lock:
            for noted, returned in ((self._rows, rows), (self._outcomes, outcomes)):
                for series, counts in returned.items():
                    noted.setdefault(series, Counter()).update(counts)

    def take_written(self) -> dict[int, set[int]]:
        """Return and clear the panes that may be stored in pieces, series → starts."""
        with self._lock:
            written_panes, self._panes = self._panes, {}
            return written_panes


class SeriesTotals(Struct):
    """Running totals of one series: stored rows, their event times, the newest arrival, and decisions.

    Replaced as a whole, never changed in place.

    Attributes:
        distributed: Rows from distributions only, not included in ``rows``.
        unscored: Rows with neither a score nor a class.
        by_class: Weight per decided class.
        duration: Like the part of a pane.
        by_error: Weight of failed calls per error type.
    """

    rows: int = 0
    distributed: int = 0
    first: int = 0
    last: int = 0
    received: int = 0
    unscored: int = 0
    by_class: dict[str, float] = field(default_factory=dict)
    duration: F64 | None = None
    by_error: dict[str, float] = field(default_factory=dict)

    def plus(
        self,
        times: I64,
        received: int,
        unscored: int,
        by_class: dict[str, float],
        duration: F64 | None,
        by_error: dict[str, float],
    ) -> SeriesTotals:
        """Return the totals with more rows added."""
        if not len(times):
            return self
        return replace(
            self,
            rows=self.rows + len(times),
            first=min(self.first or int(times.min()), int(times.min())),
            last=max(self.last, int(times.max())),
            received=max(self.received, received),
            unscored=self.unscored + unscored,
            by_class=_merged(self.by_class, by_class),
            duration=_sum(self.duration, duration),
            by_error=_merged(self.by_error, by_error),
        )

    def plus_panes(self, rows: int, first: int, last: int, received: int) -> SeriesTotals:
        """Return the totals with the panes of a batch job.

        ``rows``: its rows less those of the panes that it replaces.
        """
        return replace(
            self,
            rows=self.rows + rows,
            first=min(self.first or first, first),
            last=max(self.last, last),
            received=max(self.received, received),
        )

    def plus_distributed(self, added: DistributionSums, received: int) -> SeriesTotals:
        """Return the totals with distributions added."""
        if not added.rows and not added.by_class:
            return self
        return replace(
            self,
            distributed=self.distributed + added.rows,
            first=min(self.first or added.first, added.first or self.first),
            last=max(self.last, added.last),
            received=max(self.received, received),
            by_class=_merged(self.by_class, added.by_class),
            duration=_sum(self.duration, added.duration),
            by_error=_merged(self.by_error, added.by_error),
        )


def read_totals(connection: Connection) -> dict[int, SeriesTotals]:
    """Read the totals of all series, from stored rows and all panes."""
    counted = (
        "SELECT series, count(*) AS rows, min(time) AS first, max(time) AS last, max(received) AS received, count(*)"
        " FILTER (predicted IS NULL AND score IS NULL AND (scores IS NULL OR isnan(scores[1]))) AS unscored"
        " FROM predictions GROUP BY series"
    )
    totals = {row.pop("series"): SeriesTotals(**row) for row in read(connection, counted).to_pylist()}
    summed = "SELECT series, part, idx, sum(value) AS value FROM sums GROUP BY ALL ORDER BY ALL"
    sums = read_sums(connection, Condition("fold = ''", ()), PANES, lambda _, part: part != "rows")
    for row in read(connection, summed, sums=sums).to_pylist():
        total = totals.setdefault(row["series"], SeriesTotals())
        if row["part"].startswith(DECIDED):
            total.by_class[row["part"].removeprefix(DECIDED)] = row["value"]
        elif row["part"] == "duration":
            if total.duration is None:
                total.duration = np.zeros(len(DURATION_BOUNDS) + 2)
            total.duration[row["idx"]] = row["value"]
        elif row["part"].startswith(FAILED):
            total.by_error[row["part"].removeprefix(FAILED)] = row["value"]
        elif row["part"] == DISTRIBUTED:
            total.distributed = int(row["value"])
    received_rows = (
        "SELECT series, min(since) AS first, max(stop) AS last, max(received) AS received FROM streams"
        " WHERE NOT counter GROUP BY series"
    )
    for number, sources in sources_of(connection).items():
        for one in sources:
            total = totals.get(number, SeriesTotals())
            totals[number] = total.plus_panes(one.rows, one.first, one.last, one.received)
    for row in read(connection, received_rows).to_pylist():
        total = totals.setdefault(row["series"], SeriesTotals())
        total.first = min(total.first or row["first"], row["first"])
        total.last, total.received = max(total.last, row["last"]), max(total.received, row["received"])
    return totals


def _merged(totals: dict[str, float], more: dict[str, float]) -> dict[str, float]:
    merged = dict(totals)
    for category, weight in more.items():
        merged[category] = merged.get(category, 0.0) + weight
    return merged


def _sum(first: F64 | None, second: F64 | None) -> F64 | None:
    return second if first is None else first if second is None else np.add(first, second)
