"""The worst predictions of a stretch of time, with their traces: which ones to open first.

One query over the joined rows finds them, as
:func:`~driftline_processor.core.performance.mispredictions.row_losses_of` does in columns. What
spellings of classes mean is told by a table of those that occur, so a row is not read to be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.tables.classes import class_codes
from driftline.tables.table import Column, ModelKey
from driftline.tables.task import Task

from driftline_processor.core.performance.mispredictions import MOST, Misprediction, Worst
from driftline_processor.store.arrow_tables import actual_of, integers_of, labels_of, score_in
from driftline_processor.store.database import Connection, Store, number, read
from driftline_processor.store.pruning import ROWS_APART, lies_near
from driftline_processor.store.series import Series, SeriesRegister

_WITHIN = "j.series = ? AND j.time >= ? AND j.time < ?"

# How likely the service took what did not happen to be: 1 where it sent no score that says so.
_OF_SCORE = "coalesce(CASE WHEN a.code = {positive} THEN 1 - j.score ELSE j.score END, 1)"
_OF_SCORES = "coalesce(1 - j.scores[a.code + 1], 1)"
_DECIDED_BY_SCORE = "CASE WHEN j.score >= {threshold} THEN {positive} WHEN j.score IS NOT NULL THEN 1 - {positive} END"
_DECIDED_BY_SCORES = "list_position(j.scores, list_max(j.scores)) - 1"

_CLASSES = """
SELECT j.prediction, j.actual, j.number, {loss} AS loss, j.outcome_time, j.weight, j.slices,
    a.code AS happened, coalesce(d.code, {decided}) AS decided
FROM joined j
JOIN actuals a ON a.actual IS NOT DISTINCT FROM j.actual AND a.number IS NOT DISTINCT FROM j.number
LEFT JOIN decisions d ON d.predicted = j.predicted
WHERE {within}
"""
_VALUES = """
SELECT j.prediction, j.actual, j.number, abs({value} - coalesce(j.number, TRY_CAST(j.actual AS DOUBLE))) AS loss,
    j.outcome_time, j.weight, j.slices, 0 AS happened, 1 AS decided
FROM joined j WHERE {within}
"""
_WORST = """
WITH known AS ({known}),
wrong AS (SELECT * FROM known WHERE happened <> decided AND decided < {classes} AND isfinite(loss))
SELECT *, (SELECT count(*) FROM wrong) AS wrong, (SELECT count(*) FROM known) AS outcomes
FROM wrong ORDER BY loss DESC, prediction LIMIT ?
"""
_PREDICTIONS = """
SELECT p.seq AS prediction, p.id, p.time, p.score, p.scores, p.predicted, p.trace_id, p.span_id
FROM predictions p SEMI JOIN wanted ON wanted.prediction = p.seq WHERE {}
"""


@dataclass(frozen=True, slots=True)
class Mispredictions:
    """Any thread may ask."""

    store: Store
    register: SeriesRegister

    def worst(
        self, key: ModelKey, since: int, until: int, limit: int = 10, slices: Mapping[str, str] | None = None
    ) -> Worst:
        """Return the worst predictions of ``[since, until)``, by prediction time in unix nanoseconds.

        ``slices``: key → value, all of which a row must have.
        """
        series = self.register.find(key)
        if series is None or not series.task.losses:
            return Worst()
        with self.store.reading() as connection:
            return _Asked(connection, series, (since, until), min(limit, MOST), dict(slices or {})).worst()


@dataclass(slots=True)
class _Asked:
    connection: Connection
    series: Series
    stretch: tuple[int, int]
    limit: int
    slices: dict[str, str] = field(default_factory=dict)

    def worst(self) -> Worst:
        bounds = (self.series.number, *self.stretch)
        cut = "".join(" AND map_extract(j.slices, ?)[1] = ?" for _ in self.slices)
        said = [part for pair in self.slices.items() for part in pair]
        within = _WITHIN + cut
        tables = {}
        if self.series.task.predicts_number:
            known = _VALUES.format(within=within, value=score_in(self.series.task, "j"))
        else:
            task = self.series.task
            if not task.classes or (task.has_threshold and task.positive is None):
                return Worst()
            known = _CLASSES.format(within=within, **_expressions(task))
            tables = {"actuals": self._actuals(bounds), "decisions": self._decisions(bounds)}
        query = _WORST.format(known=known, classes=max(2, len(self.series.task.classes)))
        found = read(self.connection, query, *bounds, *said, self.limit, **tables)
        if not len(found):
            count = f"SELECT count(*) FROM joined j WHERE {within}"
            return Worst(outcomes=number(self.connection, count, *bounds, *said) or 0)
        return Worst(self._rows(found), found["wrong"][0].as_py(), found["outcomes"][0].as_py())

    def _actuals(self, bounds: tuple[int, ...]) -> pa.Table:
        """The spellings of what happened that occur, and which class each is."""
        told = read(self.connection, f"SELECT DISTINCT j.actual, j.number FROM joined j WHERE {_WITHIN}", *bounds)
        return self._with_codes(told, actual_of(told))

    def _decisions(self, bounds: tuple[int, ...]) -> pa.Table:
        told = read(
            self.connection,
            f"SELECT DISTINCT j.predicted FROM joined j WHERE {_WITHIN} AND j.predicted IS NOT NULL",
            *bounds,
        )
        return self._with_codes(told, labels_of(told, "predicted"), others=1)

    def _with_codes(self, told: pa.Table, column: Column, others: int = 0) -> pa.Table:
        """Rows with the code of their class; ``others``: 1 = also of one that is none of the model's."""
        classes = self.series.task.classes
        codes = class_codes(column, classes)
        codes = np.full(len(told), -1, np.int32) if codes is None else codes
        usable = (codes >= 0) & (codes < len(classes) + others)
        return told.append_column("code", pa.array(codes)).filter(pa.array(usable))

    def _rows(self, found: pa.Table) -> tuple[Misprediction, ...]:
        wanted = found.select(["prediction"])
        where = lies_near("p.seq", integers_of(found, "prediction"), ROWS_APART)
        told = read(self.connection, _PREDICTIONS.format(where.sql), *where.parameters, wanted=wanted).to_pylist()
        by_number = {row["prediction"]: row for row in told}
        pairs = ((row, by_number[row["prediction"]]) for row in found.to_pylist() if row["prediction"] in by_number)
        return tuple(_wrong(self.series.task, row, made) for row, made in pairs)


def _wrong(task: Task, row: dict[str, Any], made: dict[str, Any]) -> Misprediction:
    classes = dict(enumerate(task.classes))
    happened, decided = row["happened"], row["decided"]
    regression = task.predicts_number
    spelled = row["actual"] if row["number"] is None else row["number"]
    return Misprediction(
        id=str(made["id"]),
        time=int(made["time"]),
        score=made["score"],
        scores=None if made["scores"] is None else tuple(made["scores"]),
        predicted=None if regression else classes.get(int(decided)),
        actual=spelled if regression else classes.get(int(happened)),
        outcome_time=int(row["outcome_time"] or 0),
        loss=float(row["loss"]),
        weight=1.0 if row["weight"] is None else float(row["weight"]),
        slices=dict(row["slices"] or ()),
        trace_id=_hex(made["trace_id"]),
        span_id=_hex(made["span_id"]),
    )


def _expressions(task: Task) -> dict[str, str]:
    if task.has_class_scores:
        return {"loss": _OF_SCORES, "decided": _DECIDED_BY_SCORES}
    named = {"positive": str(task.classes.index(task.positive_class)), "threshold": repr(float(task.threshold))}
    return {"loss": _OF_SCORE.format(**named), "decided": _DECIDED_BY_SCORE.format(**named)}


def _hex(id: object) -> str:
    return id.hex() if isinstance(id, bytes) else ""
