"""Concept drift of files, from the errors of all rows in the order in which their outcomes arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.slices import places_of
from driftline.tables.row_losses import losses_of_rows
from driftline.tables.table import I64, Column, length, take_rows
from driftline.tables.task import Task
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.concept.losses import kind_of, reference_loss
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.concept.stream import NO_OUTCOME, WHOLE, FirstLosses, ModelStreams, concept_of
from driftline_processor.core.performance.one_class import DayCounts, one_class_rule
from driftline_processor.core.performance.reference import level_of_errors
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.row_store import RowStore, chunks_of, increases, is_many

from .dataset import Dataset
from .outcomes import FirstOutcomes


def detect_concept_drift(
    read: Dataset, baseline: Baseline, enabled: bool, slices: Mapping[str, Sequence[str]]
) -> ConceptDrift | None:
    """Detect concept drift over all rows.

    ``slices``: key → the values that are monitored as separate streams too.

    The order is that of the outcomes' times, else of their lines. If the rows contain their actual values, it is that
    of the rows' times, else of their lines. None for a task without errors.
    """
    task, kind = baseline.task, kind_of(baseline.task)
    if kind is None or not enabled:
        return None
    if read.heard is None and all(rows.actual is None for rows in read.rows):
        return NO_OUTCOME
    streams = ModelStreams(kind, reference_loss(baseline), level=level_of_errors(baseline))
    streams.stream(WHOLE)  # even without any usable outcome
    firsts = [_of_rows(rows) for rows in read.rows] if read.heard is None else read.heard
    first_outcomes = _Firsts(read.rows, firsts, task, slices, _days(read.rows, firsts, baseline))
    streams.stream(WHOLE).corrected += sum(first.corrected for first in first_outcomes.firsts)
    for rows in first_outcomes.in_order(read.store):
        for name, part in first_outcomes.losses(rows).by_slice(slices):
            streams.feed(name, part)
        read.store.release()
    return concept_of(streams.streams)


class _Firsts(Struct, frozen=True):
    """The rows of all files and the first outcome of each row.

    ``slices``: key → monitored values. ``days``: outcomes per day, whose faulty days are left out; None without a rule.
    """

    reads: Sequence[FileRows]
    firsts: Sequence[FirstOutcomes]
    task: Task
    slices: Mapping[str, Sequence[str]]
    days: DayCounts | None = None

    def in_order(self, store: RowStore) -> Iterator[I64]:
        """Yield the positions of rows with an outcome, in its order of arrival: int64 (n,) per chunk."""
        came_rows = [_usable_rows(*pair) for pair in self._both()]
        keys = [_key(*pair) for pair in self._both()]
        starts = self._starts.tolist()
        if all(mask is None for mask in came_rows) and _in_sequence(keys):
            for part in chunks_of(sum(map(len, self.reads))):
                yield np.arange(part.start, part.stop)
            return
        if is_many(sum(map(len, self.reads))) and (rows := self._by_place(store)) is not None:
            for part in chunks_of(len(rows)):
                there_now = rows[part]
                yield there_now[there_now >= 0]
            return
        came_places = [
            np.arange(len(key)) if mask is None else np.flatnonzero(mask)
            for key, mask in zip(keys, came_rows, strict=True)
        ]
        order = np.argsort(
            np.concatenate([key[selected] for key, selected in zip(keys, came_places, strict=True)]), kind="stable"
        )
        rows = store.keep(
            np.concatenate([start + selected for start, selected in zip(starts, came_places, strict=True)])[order]
        )
        del came_rows, keys, came_places, order
        for part in chunks_of(len(rows)):
            yield rows[part]

    def _by_place(self, store: RowStore) -> I64 | None:
        """Return the row of each outcome in the order of arrival, -1 = none; None if an outcome has several rows."""
        places = [first.place for first in self.firsts if first.place is not None]
        if len(places) < len(self.firsts):
            return None
        ends = [int(place[part].max()) + 1 for place in places for part in chunks_of(len(place))]
        rows, seated = store.full(max(ends, default=0), -1, np.int64), 0
        for start, (read, first) in zip(self._starts.tolist(), self._both(), strict=True):
            assert first.place is not None
            for part in chunks_of(len(read)):
                has_outcome = first.place[part] >= 0
                row_index = np.flatnonzero(has_outcome if read.usable is None else has_outcome & read.usable[part])
                rows[first.place[part][row_index]] = start + part.start + row_index
                seated += len(row_index)
                store.release()
        filled = sum(int(np.count_nonzero(rows[part] >= 0)) for part in chunks_of(len(rows)))
        store.release()
        return rows if filled == seated else None

    def losses(self, rows: I64) -> FirstLosses:
        """Return the losses of the given rows, in this order."""
        if len(self.reads) == 1:
            return self._losses(self.reads[0], self.firsts[0], rows)
        owner = np.searchsorted(self._starts, rows, side="right") - 1
        parts, places = list[FirstLosses](), list[I64]()
        for index, (read, first) in enumerate(self._both()):
            own_rows = np.flatnonzero(owner == index)
            parts.append(self._losses(read, first, rows[own_rows] - self._starts[index]))
            places.append(own_rows)
        values, times, outcome_times = (np.concatenate([part[column] for part in parts]) for column in range(3))
        slices = {key: np.concatenate([part.places[key] for part in parts]) for key in self.slices}
        return FirstLosses(values, times, outcome_times, slices).take(np.argsort(np.concatenate(places), kind="stable"))

    def _losses(self, read: FileRows, first: FirstOutcomes, rows: I64) -> FirstLosses:
        losses = _losses(read, first, rows, self.task, self.slices)
        if self.days is None or read.time is None:
            return losses
        return losses._replace(values=np.where(self.days.faulty(losses.times), np.nan, losses.values))

    @property
    def _starts(self) -> I64:
        return np.cumsum([0, *map(len, self.reads)])[: len(self.reads)]

    def _both(self) -> Iterator[tuple[FileRows, FirstOutcomes]]:
        yield from zip(self.reads, self.firsts, strict=True)


def _days(reads: Sequence[FileRows], firsts: Sequence[FirstOutcomes], baseline: Baseline) -> DayCounts | None:
    """Return the outcomes per day of all files; None if no day can be faulty."""
    rule = one_class_rule(baseline)
    if rule is None:
        return None
    days = DayCounts(rule)
    for read, first in zip(reads, firsts, strict=True):
        if read.time is not None and length(first.actual):
            for part in chunks_of(len(read)):
                days.add(take_rows(first.actual, part), read.time[part])
    return days


def _usable_rows(read: FileRows, first: FirstOutcomes) -> NDArray[np.bool_] | None:
    """Return which rows have an outcome and a prediction time: bool (n,); None if all have."""
    if first.place is None:
        return read.usable
    has_outcome = first.place >= 0
    return has_outcome if read.usable is None else has_outcome & read.usable


def _key(read: FileRows, first: FirstOutcomes) -> I64:
    """Return the sort key of the rows of a file: int64 (n,)."""
    if first.place is not None:
        return first.place
    return np.broadcast_to(np.int64(0), len(read)) if read.time is None else read.time


def _in_sequence(keys: Sequence[I64]) -> bool:
    """Return True if the keys ascend across all files."""
    nonempty_keys = [key for key in keys if len(key)]
    return all(map(increases, nonempty_keys)) and all(
        previous_key[-1] <= next_key[0] for previous_key, next_key in pairwise(nonempty_keys)
    )


def _losses(
    read: FileRows, first: FirstOutcomes, rows: I64, task: Task, slices: Mapping[str, Sequence[str]]
) -> FirstLosses:
    """Return the losses of the given rows of a file."""
    n = len(rows)
    outcome_time = np.zeros(n, np.int64) if first.time is None else first.time[rows]
    time = outcome_time if read.time is None else read.time[rows]
    predicted = None if read.predicted is None else take_rows(read.predicted, rows)
    scores = None if read.scores is None else read.scores[rows]
    values = losses_of_rows(task, scores, predicted, take_rows(first.actual, rows))
    places = {
        key: places_of(None if key not in read.slices else take_rows(read.slices[key], rows), slice_column, n)
        for key, slice_column in slices.items()
    }
    return FirstLosses(values, time, time if first.time is None else outcome_time, places)


def _of_rows(read: FileRows) -> FirstOutcomes:
    """Return the actual values in the columns of the rows as first outcomes."""
    if read.actual is None:
        return FirstOutcomes(Column(), np.broadcast_to(np.int64(-1), len(read)))
    return FirstOutcomes(read.actual, None)
