"""The history of an id and of evaluations: data as of a time, read from the store."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from driftline.tables.classes import number_text
from driftline.tables.table import ModelKey
from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.verdict.record import Row, is_same_row
from driftline_processor.evaluation.evaluation_store import COLUMNS, read_evaluations
from driftline_processor.join.candidates import find_predictions
from driftline_processor.store.database import Connection, Store, read
from driftline_processor.store.pruning import Condition, IdLookup, ids_of_text
from driftline_processor.store.series import SeriesRegister

from .record_store import row_of, stored_verdict

_COLUMNS = (
    "t.seq AS outcome, t.model, t.environment, t.id, t.time, t.prediction_time, t.actual, t.number, t.weight,"
    " t.item, t.value, t.slices, coalesce(t.retracted, false) AS retracted, t.received"
)

_OF_PREDICTIONS = """
SELECT p.seq AS prediction, p.series, p.time, j.outcome FROM wanted w JOIN predictions p ON p.seq = w.prediction
LEFT JOIN joined j ON j.prediction = p.seq
"""

_EVALUATIONS_AS_OF = f"""
SELECT {COLUMNS} FROM evaluations WHERE rowid IN (
SELECT rowid FROM evaluations WHERE series = ? AND name = ? AND believed <= ?
QUALIFY row_number() OVER (PARTITION BY start ORDER BY believed DESC) = 1 ORDER BY start DESC LIMIT ?) ORDER BY start
"""


_RECORD_AS_OF = """
SELECT series, stop, state, since, believed, verdict FROM record WHERE series = ? AND believed <= ?
QUALIFY row_number() OVER (PARTITION BY stop ORDER BY believed DESC) = 1 ORDER BY stop
"""


class StoredRow(Struct, frozen=True):
    """The row of a record, and when it was stored (unix nanoseconds)."""

    row: Row
    believed: int


class MatchedPrediction(Struct, frozen=True):
    """A prediction of an outcome, by its event time, and whether the outcome currently counts for it."""

    version: str
    environment: str
    time: int
    counts: bool


class RecordedOutcome(Struct, frozen=True):
    """One outcome as received. Times are unix nanoseconds; ``None`` is not given.

    Attributes:
        actual: A class or a number, as text.
        belongs_to: One prediction per version; empty while it waits.
    """

    time: int
    received: int
    environment: str | None
    prediction_time: int | None
    actual: str | None
    item: str | None
    value: float | None
    weight: float | None
    slices: Mapping[str, str]
    retracted: bool
    belongs_to: tuple[MatchedPrediction, ...]


class StoredEvaluation(Struct, frozen=True):
    """An evaluation of a closed window, and when it was stored (unix nanoseconds)."""

    evaluation: Evaluation
    stored_at: int


class History:
    """Past outcomes and evaluations. Thread-safe: each thread has its own connection."""

    def __init__(self, store: Store, series: SeriesRegister) -> None:
        self._store, self._series = store, series

    def outcomes(self, model: str, id: str) -> list[RecordedOutcome]:
        """Return all stored outcomes of an id in the order of arrival.

        If the id contains its time, only that time is searched, else all data.
        """
        with self._store.reading() as connection:
            return self._outcomes(connection, model, id)

    def evaluations(self, key: ModelKey, window: str, as_of: int, limit: int) -> list[StoredEvaluation]:
        """Return the evaluations of the windows of a length as of a time, the newest ``limit``, oldest first.

        For each closed window the last version stored by then: when it closed, or at most an hour after a revision.
        ``as_of``: unix nanoseconds.
        """
        series = self._series.find(key)
        if series is None:
            return []
        with self._store.reading() as connection:
            rows = read(connection, _EVALUATIONS_AS_OF, series.number, window, as_of, limit).to_pylist()
            return [
                StoredEvaluation(evaluation, row["believed"]) for row, evaluation in read_evaluations(connection, rows)
            ]

    def record(self, key: ModelKey, as_of: int) -> list[StoredRow]:
        """Return the rows at whose ends a model changed, as believed at a time, the oldest first.

        ``as_of``: unix nanoseconds.
        """
        series = self._series.find(key)
        if series is None:
            return []
        with self._store.reading() as connection:
            rows = read(connection, _RECORD_AS_OF, series.number, as_of).to_pylist()
            stored = [*connection.unreadable.skipped("record", rows, stored_verdict)]
        found, before = list[StoredRow](), None
        for values, verdict in stored:
            row = row_of(values, verdict, before)
            if not is_same_row(row, before):
                found.append(StoredRow(row, values["believed"]))
            before = row
        return found

    def _outcomes(self, connection: Connection, model: str, id: str) -> list[RecordedOutcome]:
        statements = IdLookup(connection, ids_of_text(id)).read(
            _COLUMNS, "outcomes", Condition("t.model = ?", (model,))
        )
        statements = statements.sort_by("outcome")
        if not len(statements):
            return []
        last = np.iinfo(np.int64).max
        found = find_predictions(connection, list(self._series), statements, int(last))
        rows = read(connection, _OF_PREDICTIONS, wanted=pa.table({"prediction": np.unique(found.prediction)}))
        predictions = {row["prediction"]: row for row in rows.to_pylist()}
        by_number = self._series.by_number()
        words = {row["outcome"]: row for row in statements.to_pylist()}
        ranked = {
            (prediction, words[outcome]["item"]): outcome
            for outcome, prediction in sorted(
                zip(found.outcome.tolist(), found.prediction.tolist(), strict=True),
                key=lambda pair: (words[pair[0]]["time"], pair[0]),
            )
        }
        belonging: dict[int, list[MatchedPrediction]] = {}
        for outcome, prediction in zip(found.outcome.tolist(), found.prediction.tolist(), strict=True):
            row = predictions[prediction]
            series = by_number[row["series"]]
            counts = row["outcome"] == outcome
            if series.task.ranks_items:  # one row for all its items
                lasts = ranked[prediction, words[outcome]["item"]] == outcome
                counts = row["outcome"] is not None and lasts and not words[outcome]["retracted"]
            belonging.setdefault(outcome, []).append(
                MatchedPrediction(series.key.version, series.key.environment, row["time"], counts)
            )
        return [
            RecordedOutcome(
                time=row["time"],
                received=row["received"],
                environment=row["environment"],
                prediction_time=row["prediction_time"] if row["prediction_time"] > 0 else None,
                actual=row["actual"] if row["number"] is None else number_text(row["number"]),
                item=row["item"],
                value=row["value"],
                weight=row["weight"],
                slices=dict(row["slices"] or ()),
                retracted=row["retracted"],
                belongs_to=tuple(sorted(belonging.get(outcome, ()), key=lambda key: (key.version, key.environment))),
            )
            for outcome, row in words.items()
        ]
