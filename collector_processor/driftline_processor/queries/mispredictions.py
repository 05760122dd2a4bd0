"""The worst predictions of a period with their traces.

The joined rows are read day by day and evaluated as rows of files are
(:func:`~driftline_processor.core.performance.mispredictions.row_losses_of`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64, ModelKey
from driftline.tables.task import Task

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.performance.mispredictions import (
    MOST,
    Misprediction,
    RowLosses,
    Worst,
    describe_mispredictions,
    row_losses_of,
)
from driftline_processor.join.outcome_sums import labelled_rows
from driftline_processor.store.arrow_tables import actual_of, integers_of, scores_and_classes_of
from driftline_processor.store.database import Connection, Store, read
from driftline_processor.store.pruning import ROWS_APART, days_of, lies_near
from driftline_processor.store.series import Series, SeriesRegister

_OF_DAY = """
SELECT prediction, score, scores, predicted, actual, number FROM joined
WHERE series = ? AND time >= ? AND time < ? {cut} ORDER BY prediction
"""
_MARK = """
SELECT count(*) AS rows, max(seq) AS newest, sum(hash(outcome) % 1000003) AS outcomes FROM joined
WHERE series = ? AND time >= ? AND time < ?
"""
"""Query of a short fingerprint of the joined rows, which changes if a row is added, deleted or corrected."""
_CUT = "AND map_extract(slices, ?)[1] = ?"
_CHOSEN = """
SELECT j.*, p.id, p.trace_id, p.span_id FROM joined j JOIN predictions p ON p.seq = j.prediction
SEMI JOIN wanted ON wanted.prediction = j.prediction WHERE {near} ORDER BY j.prediction
"""


@dataclass(frozen=True, slots=True)
class Mispredictions:
    """The worst predictions. Thread-safe.

    Results are cached until a row of their period is added, deleted or corrected.
    """

    store: Store
    register: SeriesRegister
    _cache: OrderedDict[tuple[object, ...], tuple[object, Worst]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def worst(
        self, key: ModelKey, since: int, until: int, limit: int = 10, slices: Mapping[str, str] | None = None
    ) -> Worst:
        """Return the worst predictions of ``[since, until)``, by prediction time in unix nanoseconds.

        ``slices``: key → value; a row must have all of them.
        """
        series, row_limit = self.register.find(key), min(limit, MOST)
        if series is None or not series.task.losses:
            return Worst()
        cut = [part for pair in (slices or {}).items() for part in pair]
        parameters = (series.number, series.task, since, until, row_limit, *cut)
        with self.store.reading() as connection:
            (mark,) = read(connection, _MARK, series.number, since, until).to_pylist()
        with self._lock:
            before, known_worst = self._cache.get(parameters, (None, None))
        if known_worst is not None and before == mark:
            return known_worst
        found = self._read(series, since, until, row_limit, slices)
        with self._lock:
            self._cache[parameters] = mark, found
            self._cache.move_to_end(parameters)
            # 32: cached results, for open pages
            while len(self._cache) > 32:
                self._cache.popitem(last=False)
        return found

    def _read(self, series: Series, since: int, until: int, most: int, slices: Mapping[str, str] | None) -> Worst:
        cut = [part for pair in (slices or {}).items() for part in pair]
        query = _OF_DAY.format(cut=" ".join([_CUT] * len(slices or {})))
        prediction, loss, wrong, outcomes = np.empty(0, np.int64), np.empty(0), 0, 0
        with self.store.reading() as connection:
            for day in days_of(connection, series.number, since, until):
                rows = read(connection, query, series.number, *day, *cut)
                row_losses = _losses(series.task, rows)
                if row_losses is None:
                    return Worst()
                worst_rows = row_losses.worst(most)
                prediction = np.concatenate([prediction, integers_of(rows, "prediction")[worst_rows]])
                loss = np.concatenate([loss, row_losses.loss[worst_rows]])
                first = np.lexsort((prediction, -loss))[:most]
                prediction, loss = prediction[first], loss[first]
                wrong, outcomes = wrong + int(row_losses.wrong.sum()), outcomes + int(row_losses.has_outcome.sum())
            return Worst(_described(connection, series.task, prediction), wrong, outcomes)


def _losses(task: Task, rows: pa.Table) -> RowLosses | None:
    return row_losses_of(task, *scores_and_classes_of(task, rows), actual_of(rows))


def _described(connection: Connection, task: Task, prediction: I64) -> tuple[Misprediction, ...]:
    """Return these predictions in this order, as far as they are stored."""
    near = lies_near("p.seq", prediction, ROWS_APART)
    predictions = pa.table({"prediction": prediction})
    rows = read(connection, _CHOSEN.format(near=near.sql), *near.parameters, wanted=predictions)
    row_losses = _losses(task, rows)
    if row_losses is None:
        return ()
    labelled = labelled_rows(task, rows, pc.unique(rows["slices"].combine_chunks().keys).to_pylist())
    traces, spans = ([id.hex() if id else "" for id in rows[name].to_pylist()] for name in ("trace_id", "span_id"))
    descriptions = describe_mispredictions(task, labelled, row_losses, rows["id"].to_pylist(), traces, spans)
    by_number = dict(zip(integers_of(rows, "prediction").tolist(), descriptions, strict=True))
    return tuple(by_number[number] for number in prediction.tolist() if number in by_number)
