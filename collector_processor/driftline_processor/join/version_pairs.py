"""Requests that two versions of a model scored, with the sums of their outcomes in panes of pairs.

The sums of a pair (:func:`driftline_processor.core.versions.losses.fold_requests`) are in the panes of the version
that was seen first, at the time of its prediction, under a fold of their own. They are written in the transaction of
the join: a new pair is added, and a pane with a changed or removed pair is recomputed from the joined rows. So a
verdict needs stored sums only, and does not depend on restarts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64

from driftline_processor.core.versions.losses import VersionAnswers, fold_requests, losses_of
from driftline_processor.core.windows.window import PANE
from driftline_processor.store.arrow_tables import actual_of, integers_of, numbers_of, scores_and_classes_of
from driftline_processor.store.database import Connection, read, run
from driftline_processor.store.panes import PaneChanges
from driftline_processor.store.pruning import lies_within
from driftline_processor.store.series import Series, SeriesRegister

from .outcome_sums import Stretch, joined_stretches, kept_stretches, read_together, stored_stretches

PAIR: Final = "pair:"
"""Prefix of the folds of pairs; the number of the other series follows."""

# The outcome of a request is joined with each version and may be repeated; equal ids and times mean one outcome.
_SAME = "o.request = m.request AND o.outcome_time = m.outcome_time"

_TOUCHING = f"""
WITH mine AS (SELECT j.* FROM joined j SEMI JOIN wanted USING (prediction) WHERE j.time BETWEEN ? AND ?),
known AS (SELECT * FROM joined WHERE outcome_time BETWEEN
    (SELECT min(outcome_time) FROM mine) AND (SELECT max(outcome_time) FROM mine))
SELECT DISTINCT least(m.series, o.series) AS first_series, greatest(m.series, o.series) AS second_series,
    CASE WHEN m.series < o.series THEN m.prediction ELSE o.prediction END AS first,
    CASE WHEN m.series < o.series THEN o.prediction ELSE m.prediction END AS second,
    CASE WHEN m.series < o.series THEN m.time ELSE o.time END AS time
FROM mine m JOIN siblings s ON s.series = m.series JOIN known o ON o.series = s.other AND {_SAME}
"""

_BOTH = ("score", "scores", "predicted")
_COLUMNS = ", ".join(
    [
        *(f"m.{name} AS first_{name}, o.{name} AS second_{name}" for name in _BOTH),
        *("m.actual", "m.number", "m.weight", "m.time"),
    ]
)
_OF_PAIRS = f"""
SELECT {_COLUMNS} FROM pairs p JOIN joined m ON m.prediction = p.first JOIN joined o ON o.prediction = p.second
"""
_OF_SERIES = f"SELECT {_COLUMNS} FROM joined m JOIN joined o ON {_SAME} WHERE m.series = ? AND o.series = ?"
_PLACES = ("pane", "m.time")
"""Columns of the time of panes and of joined rows."""


def pair_fold(other_series: int) -> str:
    """Return the fold of the pairs of a series with another one of a greater number."""
    return f"{PAIR}{other_series}"


class Pairs:
    """Updates the panes of pairs, in the thread of the join."""

    def __init__(self, connection: Connection, series: SeriesRegister) -> None:
        self._connection, self._series = connection, series
        self._siblings: pa.Table | None = None
        self._series_count = 0

    def siblings(self) -> pa.Table | None:
        """Return pairs of series that are versions of one model in one environment, both ways; None without any."""
        everything = list(self._series)
        if len(everything) != self._series_count:
            self._series_count = len(everything)
            of_model: dict[tuple[str, str], list[int]] = {}
            for series in everything:
                of_model.setdefault((series.key.environment, series.key.model), []).append(series.number)
            pairs = [(a, b) for numbers in of_model.values() for a in numbers for b in numbers if a != b]
            columns = zip(*pairs, strict=True) if pairs else ()
            names = ("series", "other")
            self._siblings = pa.table(
                {name: pa.array(column, pa.int32()) for name, column in zip(names, columns, strict=False)}
            )
        return self._siblings if self._siblings is not None and len(self._siblings) else None

    def touching(self, predictions: I64, times: I64) -> pa.Table | None:
        """Return the pairs of joined rows: series and predictions, and the time of the first."""
        siblings = self.siblings()
        if siblings is None or not len(predictions):
            return None
        prediction_rows = pa.table({"prediction": predictions})
        bounds = int(times.min()), int(times.max())
        pair_rows = read(self._connection, _TOUCHING, *bounds, wanted=prediction_rows, siblings=siblings)
        return pair_rows if len(pair_rows) else None

    def follow(self, before: pa.Table | None, after: pa.Table | None, corrected: I64, changes: PaneChanges) -> None:
        """Update the panes of pairs, inside the transaction of the join.

        ``before`` / ``after``: the result of :meth:`touching` for replaced rows, before the change, and for all
        written rows; ``corrected``: predictions with a corrected outcome.
        """
        new, removed = _less(after, before), _less(before, after)
        stale = [removed] if removed is not None else []
        if after is not None and len(corrected):
            touched = np.isin(integers_of(after, "first"), corrected) | np.isin(integers_of(after, "second"), corrected)
            stale.append(after.filter(pa.array(touched)))
        dirty = _stretches(self._connection, stale)
        for (first, second), pair_rows in _by_pair(new):
            times, inside = integers_of(pair_rows, "time"), np.zeros(len(pair_rows), bool)
            for start, end in dirty.get((first, second), []):
                inside |= (times >= start) & (times < end)
            fresh = pair_rows.filter(pa.array(~inside))
            if len(fresh):
                rows = read(self._connection, _OF_PAIRS, pairs=fresh.select(["first", "second"]))
                self._add(first, second, rows, changes)
        for (first, second), stretches in dirty.items():
            self._recompute(first, second, stretches, changes)

    def refold(self, series: Series, changes: PaneChanges) -> None:
        """Recompute all pairs of a series whose classes have changed."""
        siblings = self.siblings()
        if siblings is None:
            return
        for other_number in siblings.filter(pa.array(integers_of(siblings, "series") == series.number))[
            "other"
        ].to_pylist():
            first, second = sorted((series.number, other_number))
            self._recompute(first, second, joined_stretches(self._connection, first), changes)

    def _recompute(self, first: int, second: int, stretches: Sequence[Stretch], changes: PaneChanges) -> None:
        """Recompute the sums of a pair from joined rows, if all of them are still stored."""
        kept = kept_stretches(self._connection, first, stretches)
        for group in read_together(self._connection, first, kept):
            of_panes, of_rows = (lies_within(name, [(start, end - 1) for start, end in group]) for name in _PLACES)
            run(
                self._connection,
                f"DELETE FROM panes WHERE series = ? AND fold = ? AND {of_panes.sql}",
                *(first, pair_fold(second), *of_panes.parameters),
            )
            rows = read(self._connection, f"{_OF_SERIES} AND {of_rows.sql}", first, second, *of_rows.parameters)
            self._add(first, second, rows, changes)

    def _add(self, first: int, second: int, rows: pa.Table, changes: PaneChanges) -> None:
        by_number = self._series.by_number()
        both_series = by_number[first], by_number[second]
        if not len(rows) or not losses_of(both_series[0].task) or both_series[0].task.kind != both_series[1].task.kind:
            return
        time = integers_of(rows, "time")
        panes, group = np.unique(time - time % PANE, return_inverse=True)
        first_answers, second_answers = (
            _answers_of(series, rows, side) for series, side in zip(both_series, ("first", "second"), strict=True)
        )
        weight = numbers_of(rows, "weight")
        sums = fold_requests(first_answers, second_answers, actual_of(rows), weight, group.astype(np.int64), len(panes))
        changes.add_sparse(first, pair_fold(second), panes, sums)


def _answers_of(series: Series, rows: pa.Table, side: str) -> VersionAnswers:
    side_rows = rows.select([f"{side}_{name}" for name in _BOTH]).rename_columns(list(_BOTH))
    return VersionAnswers(series.task, *scores_and_classes_of(series.task, side_rows))


def _less(pairs: pa.Table | None, other_pairs: pa.Table | None) -> pa.Table | None:
    """Return the pairs that are not among others; None without any."""
    if pairs is None or other_pairs is None:
        return pairs
    remaining = pairs.join(other_pairs.select(["first", "second"]), ["first", "second"], join_type="left anti")
    return remaining if len(remaining) else None


def _by_pair(pairs: pa.Table | None) -> Iterator[tuple[tuple[int, int], pa.Table]]:
    if pairs is None:
        return
    numbers = np.column_stack([integers_of(pairs, "first_series"), integers_of(pairs, "second_series")])
    for first, second in np.unique(numbers, axis=0).tolist():
        yield (first, second), pairs.filter(pa.array((numbers == (first, second)).all(axis=1)))


def _stretches(connection: Connection, stale: Iterable[pa.Table]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Return the stored panes with changed pairs, by pair."""
    panes: dict[tuple[int, int], set[int]] = {}
    for pairs in stale:
        for pair, pair_rows in _by_pair(pairs):
            times = integers_of(pair_rows, "time")
            panes.setdefault(pair, set()).update(np.unique(times - times % PANE).tolist())
    return {pair: stored_stretches(connection, pair[0], starts) for pair, starts in panes.items()}
