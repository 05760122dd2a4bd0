"""Stored predictions, by id or the newest, and outcomes without a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from driftline.tables.classes import number_text
from driftline.tables.table import Column, ModelKey
from msgspec import Struct, field

from driftline_processor.present.names import near_names
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.database import Connection, Store, read
from driftline_processor.store.feature_rows import read_features
from driftline_processor.store.pruning import ROWS_APART, Condition, IdLookup, ids_of_text, lies_near
from driftline_processor.store.series import SeriesRegister

MOST_OF_ID = 20
"""Upper limit of predictions per id, the newest: one per version and per reuse of the id."""

_CHOSEN = """
SELECT seq, series, id, time, received, score, scores, predicted, coalesce(weight, 1) AS weight, error, slices, items,
    trace_id, span_id
FROM predictions p SEMI JOIN wanted ON wanted.prediction = p.seq WHERE {near} ORDER BY p.time DESC, p.seq DESC
"""
_NEWEST = """
SELECT seq AS prediction FROM predictions WHERE series = ? AND time >= ? AND time < ?
ORDER BY time DESC, seq DESC LIMIT ?
"""
_UNKNOWN = """
SELECT w.model, o.id, o.actual, o.number, o.item, o.value, o.environment, coalesce(o.retracted, false) AS retracted,
    w.received
FROM waiting w JOIN outcomes o ON o.seq = w.outcome
WHERE NOT list_contains(?, w.model) AND (? IS NULL OR w.model = ?) ORDER BY w.received, w.outcome LIMIT ?
"""
_WAITING = "SELECT id, received FROM waiting WHERE model = ? ORDER BY received, outcome LIMIT ?"


class KeptPrediction(Struct, frozen=True):
    """One stored prediction. Times are unix nanoseconds.

    Attributes:
        key: Model, version and environment.
        time: Time of the prediction.
        received: Time of its arrival.
        score: Score of a binary model or a regression; None without a score.
        scores: Scores of a multiclass model in the order of its classes; () for other models.
        predicted: The predicted class, "" if unknown.
        weight: Number of predictions that it represents.
        error: Error of the call, "" without error.
        slices: Key → value.
        items: Items of a ranking, the first rank first.
        features: Name → value; {} if features are not stored.
        trace_id: Hexadecimal, "" without a sampled trace.
        span_id: Hexadecimal, "" without a sampled trace.
    """

    key: ModelKey
    id: str
    time: int
    received: int
    score: float | None = None
    scores: tuple[float, ...] = ()
    predicted: str = ""
    weight: float = 1.0
    error: str = ""
    slices: Mapping[str, str] = field(default_factory=dict)
    items: tuple[str, ...] = ()
    features: Mapping[str, float | str | None] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""


class WaitingOutcome(Struct, frozen=True):
    """An outcome without a prediction, and its arrival (unix nanoseconds)."""

    id: str
    received: int


class UnknownOutcome(Struct, frozen=True):
    """An outcome of a model without predictions.

    Attributes:
        model: Name of the model.
        id: Id of the prediction.
        actual: The actual value as text; None if it has none.
        item: Item of a ranking; None if it has none.
        value: Value of the outcome; None if it has none.
        environment: None if it has none.
        retracted: Whether it retracts an earlier outcome.
        received: Time of its arrival, unix nanoseconds.
        suggestion: Question with a similar name; "" if no name is similar.
    """

    model: str
    id: str
    actual: str | None
    item: str | None
    value: float | None
    environment: str | None
    retracted: bool
    received: int
    suggestion: str


@dataclass(frozen=True, slots=True)
class KeptPredictions:
    """Stored predictions. Thread-safe."""

    store: Store
    register: SeriesRegister

    def of_id(self, model: str, id: str) -> list[KeptPrediction]:
        """Return the predictions of an id by all versions in all environments, newest first, with their features."""
        with self.store.reading() as connection:
            predictions = IdLookup(connection, ids_of_text(id)).predictions(Condition("true", ()))
            series_numbers = [series.number for series in self.register if series.key.model == model]
            rows = predictions.filter(pa.array(np.isin(integers_of(predictions, "series"), series_numbers)))
            rows = rows.sort_by([("time", "descending"), ("prediction", "descending")]).slice(0, MOST_OF_ID)
            return self._read(connection, rows.select(["prediction"]), features=True)

    def models_of(self, id: str) -> list[str]:
        """Return the names of the models with a prediction of an id."""
        with self.store.reading() as connection:
            predictions = IdLookup(connection, ids_of_text(id)).predictions(Condition("true", ()))
            numbers = {*integers_of(predictions, "series").tolist()}
        return list(dict.fromkeys(series.key.model for series in self.register if series.number in numbers))

    def newest(self, key: ModelKey, since: int, until: int, limit: int) -> list[KeptPrediction]:
        """Return the newest predictions of ``[since, until)``, unix nanoseconds, at most ``limit``; no features."""
        series = self.register.find(key)
        if series is None:
            return []
        with self.store.reading() as connection:
            return self._read(connection, read(connection, _NEWEST, series.number, since, until, limit), features=False)

    def waiting(self, model: str, limit: int) -> list[WaitingOutcome]:
        """Return at most ``limit`` outcomes of a model without a prediction, oldest first."""
        with self.store.reading() as connection:
            rows = read(connection, _WAITING, model, limit).to_pylist()
        return [WaitingOutcome(row["id"], row["received"]) for row in rows]

    def of_unknown_models(self, limit: int, model: str | None = None) -> list[UnknownOutcome]:
        """Return outcomes of models without predictions, oldest first.

        Args:
            limit: Upper limit of outcomes.
            model: Only outcomes of this name; None = all.
        """
        known_models = sorted({series.key.model for series in self.register})
        with self.store.reading() as connection:
            rows = read(connection, _UNKNOWN, known_models, model, model, limit).to_pylist()
        near_models = {name: near_names(name, known_models) for name in {row["model"] for row in rows}}
        return [
            UnknownOutcome(
                model=row["model"],
                id=row["id"],
                actual=(row["actual"] or None) if row["number"] is None else number_text(row["number"]),
                item=row["item"],
                value=row["value"],
                environment=row["environment"],
                retracted=row["retracted"],
                received=row["received"],
                suggestion=near_models[row["model"]],
            )
            for row in rows
        ]

    def _read(self, connection: Connection, table: pa.Table, *, features: bool) -> list[KeptPrediction]:
        near = lies_near("p.seq", integers_of(table, "prediction"), ROWS_APART)
        rows = read(connection, _CHOSEN.format(near=near.sql), *near.parameters, wanted=table).to_pylist()
        values: dict[int, dict[str, float | str | None]] = {}
        for number in {row["series"] for row in rows} if features else ():
            sequence_numbers = np.array([row["seq"] for row in rows if row["series"] == number], np.int64)
            kept = read_features(connection, number, sequence_numbers)
            for place, seq in enumerate(sequence_numbers.tolist()):
                of_row = {name: _value(column, place) for name, column in kept.items()}
                values[seq] = of_row if any(value is not None for value in of_row.values()) else {}
        by_number = self.register.by_number()
        return [
            KeptPrediction(
                key=by_number[row["series"]].key,
                id=row["id"],
                time=row["time"],
                received=row["received"],
                score=row["score"],
                scores=tuple(row["scores"] or ()),
                predicted=row["predicted"] or "",
                weight=row["weight"],
                error=row["error"] or "",
                slices=dict(row["slices"] or ()),
                items=tuple(row["items"] or ()),
                features=values.get(row["seq"], {}),
                trace_id=row["trace_id"].hex() if row["trace_id"] else "",
                span_id=row["span_id"].hex() if row["span_id"] else "",
            )
            for row in rows
        ]


def _value(column: Column, place: int) -> float | str | None:
    """Return one value of a column; for an embedding its length."""
    if column.codes is not None and column.codes[place] >= 0:
        return str(column.categories[column.codes[place]])
    if column.numbers is None or np.isnan(column.numbers[place]):
        return None
    if column.vectors is not None:
        return f"{column.vectors.shape[1]} numbers, length {number_text(round(float(column.numbers[place]), 4))}"
    return float(column.numbers[place])
