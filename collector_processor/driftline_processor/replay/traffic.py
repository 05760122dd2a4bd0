"""The traffic of a model: its predictions and outcomes as columns, and as the OTLP requests of a service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np
from driftline.batch.prediction_batch import PredictionBatch
from driftline.capture.model_identity import SCOPE, VERSION, Identity
from driftline.export.otlp_logs import log_record, request
from driftline.semconv import SCHEMA_URL, events
from driftline.semconv import attributes as a
from driftline.tables import column_codec
from driftline.tables.classes import class_text
from driftline.tables.table import F64, I64, Column, Items, ModelKey, Text, concatenate, numbers_of, take_rows
from driftline.tables.task import Task
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from driftline_processor.core.windows.window import DAY

MOST_ROWS: Final = 2_000
"""Rows per request; the SDK sends at most 5,000."""

Features = Mapping[str, Column]


class DrawnModel(Protocol):
    """A model that can be called with any rows, and the distribution of their outcomes."""

    def __call__(self, features: Features, /) -> F64:
        """Return the scores of rows: float64 (n, k)."""
        ...

    def truth(self, scores: F64, rng: np.random.Generator, /) -> Column:
        """Draw the outcomes of rows with these scores."""
        ...


class Traffic(Struct, frozen=True):
    """n predictions of one version of a model by time, and their outcomes.

    Attributes:
        key: The model.
        task: Its task.
        time: Time of each prediction, int64 (n,), unix nanoseconds, ascending.
        number: Number of each row, int64 (n,): its id among all rows of a drill.
        features: Its features.
        scores: As in :class:`~driftline.tables.table.PredictionTable`.
        predicted: As there.
        items: As there.
        actual: Actual values, missing if unknown; None without outcomes. A ranking has JSON texts: item → gain.
        outcome_time: Time of each outcome, int64 (n,), unix nanoseconds; 0 = never.
        weight: Weight of each outcome, float64 (n,), NaN if it has none; None without any.
        value: Worth of each prediction, in the same form.
        outcome_slices: Slices that are sent with the outcomes.
        duration: Duration of each call, float64 (n,), seconds; None if not measured.
        errors: Error of each call, missing if it succeeded; None if not recorded.
        slices: Slice columns.
        model: The model, to score other features; None if it cannot be called.
        baseline: The baseline that the service sends, as JSON; "" if it sends none.
    """

    key: ModelKey
    task: Task
    time: I64
    number: I64
    features: Features
    scores: F64 | None = None
    predicted: Column | None = None
    items: Items | None = None
    actual: Column | None = None
    outcome_time: I64 = field(default_factory=lambda: np.empty(0, np.int64))
    weight: F64 | None = None
    value: F64 | None = None
    outcome_slices: Features = field(default_factory=dict)
    duration: F64 | None = None
    errors: Column | None = None
    slices: Features = field(default_factory=dict)
    model: DrawnModel | None = None
    baseline: str = ""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def days(self) -> float:
        """Time from the first row to the last, in days."""
        return 0.0 if not len(self) else float(self.time[-1] - self.time[0]) / DAY

    def take(self, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Traffic:
        """Return some rows; positions must be in the order of time."""
        items = self.items
        if items is not None:
            positions = np.arange(len(self))[rows]
            starts, ends = items.offsets[positions], items.offsets[positions + 1]
            sizes = ends - starts
            places = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum())
            items = Items(
                np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
                take_rows(items.ids, places.astype(np.intp)),
                None if items.scores is None else items.scores[places],
            )
        return replace(
            self,
            time=self.time[rows],
            number=self.number[rows],
            features={name: take_rows(values, rows) for name, values in self.features.items()},
            scores=None if self.scores is None else self.scores[rows],
            predicted=None if self.predicted is None else take_rows(self.predicted, rows),
            items=items,
            actual=None if self.actual is None else take_rows(self.actual, rows),
            outcome_time=self.outcome_time[rows],
            weight=None if self.weight is None else self.weight[rows],
            value=None if self.value is None else self.value[rows],
            outcome_slices={name: take_rows(values, rows) for name, values in self.outcome_slices.items()},
            duration=None if self.duration is None else self.duration[rows],
            errors=None if self.errors is None else take_rows(self.errors, rows),
            slices={name: take_rows(values, rows) for name, values in self.slices.items()},
        )

    def with_features(self, features: Features) -> Traffic:
        """Return the rows with other features, and with new scores if the model can be called."""
        if self.model is None:
            return replace(self, features=features)
        return replace(self, features=features, scores=self.model(features))

    def predictions(self) -> Iterator[bytes]:
        """Yield the rows as ``ExportLogsServiceRequest``, as the SDK of a service sends them."""
        identity = Identity(self.key.model, self.key.version, self.task)
        for start in range(0, len(self), MOST_ROWS):
            part = self.take(slice(start, start + MOST_ROWS))
            batch = PredictionBatch(
                identity,
                part.time,
                np.zeros(len(part)) if part.duration is None else part.duration,
                row_ids(part.number),
                errors=part.errors,
                scores=part.scores,
                predicted=part.predicted,
                items=part.items,
                features=dict(part.features),
                slices=dict(part.slices),
            )
            columns = batch.wire_columns()
            if part.duration is None:
                del columns[a.DRIFTLINE_PREDICTION_DURATION]
            newest = int(part.time[-1])
            attributes = {
                **identity.record_attributes(),
                a.DRIFTLINE_BATCH_ID: f"drill-{int(part.number[0])}-{int(part.number[-1])}-{len(part)}",
                a.ML_PREDICTION_COUNT: len(part),
                a.DRIFTLINE_PREDICTION_COLUMNS: column_codec.encode(columns),
            }
            yield self._request([log_record(events.DRIFTLINE_PREDICTION_BATCH, newest, attributes, observed=newest)])

    def outcomes(self) -> Iterator[bytes]:
        """Yield the known outcomes as ``ExportLogsServiceRequest``."""
        if self.actual is None:
            return
        known_times = self.outcome_time.tolist()
        columns = {
            a.ML_PREDICTION_ID: texts_of(row_ids(self.number)),
            a.ML_OUTCOME_ACTUAL: [class_text(value) or None for value in values_of(self.actual)],
            a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO: known_times,
            a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO: self.time.tolist(),
            **{f"{a.DRIFTLINE_SLICE_VALUE}.{name}": values_of(column) for name, column in self.outcome_slices.items()},
        }
        for name, numbers in ((a.DRIFTLINE_OUTCOME_WEIGHT, self.weight), (a.DRIFTLINE_OUTCOME_VALUE, self.value)):
            if numbers is not None:
                columns[name] = values_of(Column(numbers))
        actual = columns[a.ML_OUTCOME_ACTUAL]
        labelled = [row for row, time in enumerate(known_times) if time and actual[row] is not None]
        for start in range(0, len(labelled), MOST_ROWS):
            records = []
            for row in labelled[start : start + MOST_ROWS]:
                values = {name: column[row] for name, column in columns.items() if column[row] is not None}
                attributes = {a.ML_MODEL_NAME: self.key.model, **values}
                records.append(log_record(events.ML_OUTCOME, known_times[row], attributes))
            yield self._request(records)

    def announcement(self) -> Iterator[bytes]:
        """Yield the baseline as a service sends it at its start; nothing without a baseline."""
        if self.baseline:
            identity = Identity(self.key.model, self.key.version, self.task)
            when = int(self.time[0])
            yield self._request(
                [log_record(events.DRIFTLINE_BASELINE, when, identity.record_attributes(), body=self.baseline)]
            )

    def _request(self, records: list[list[bytes]]) -> bytes:
        resource = {a.SERVICE_NAME: "driftline-replay", a.SERVICE_INSTANCE_ID: "replay"}
        if self.key.environment:
            resource[a.DEPLOYMENT_ENVIRONMENT_NAME] = self.key.environment
        return request(resource, (SCOPE, VERSION), SCHEMA_URL, records)


def row_ids(numbers: I64) -> Text:
    """Return the ids of rows.

    >>> row_ids(np.array([3, 10])).data
    b'drill-3drill-10'
    """
    encoded = [f"drill-{number}".encode() for number in numbers.tolist()]
    return Text(np.cumsum([0, *map(len, encoded)]).astype(np.int32), b"".join(encoded))


def texts_of(ids: Text) -> list[str]:
    """Return ids as texts."""
    ends = ids.offsets.tolist()
    return [ids.data[start:end].decode() for start, end in pairwise(ends)]


def values_of(column: Column) -> list[Any]:
    """Return the values of a column as Python values, None for missing ones.

    >>> values_of(Column(np.array([1.5, np.nan]), np.array([-1, 0], np.int32), ("no",)))
    [1.5, 'no']
    """
    numbers = numbers_of(column)
    values: list[Any] = [None if number != number else number for number in numbers.tolist()]
    if column.codes is not None:
        for row in np.flatnonzero(column.codes >= 0).tolist():
            values[row] = column.categories[column.codes[row]]
    return values


def joined(parts: Sequence[Traffic]) -> Traffic:
    """Return the traffic of several parts in the order of time; a column that a part lacks has no values there."""
    sizes = [len(part) for part in parts]
    together = replace(
        parts[0],
        time=np.concatenate([part.time for part in parts]),
        number=np.concatenate([part.number for part in parts]),
        features=_columns([part.features for part in parts], sizes),
        scores=_array([part.scores for part in parts]),
        predicted=_column([part.predicted for part in parts], sizes),
        actual=_column([part.actual for part in parts], sizes),
        outcome_time=np.concatenate([part.outcome_time for part in parts]),
        weight=_numbers([part.weight for part in parts], sizes),
        value=_numbers([part.value for part in parts], sizes),
        outcome_slices=_columns([part.outcome_slices for part in parts], sizes),
        duration=_array([part.duration for part in parts]),
        errors=_column([part.errors for part in parts], sizes),
        slices=_columns([part.slices for part in parts], sizes),
    )
    return together.take(np.argsort(together.time, kind="stable"))


def _array(parts: Sequence[F64 | None]) -> F64 | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def _numbers(parts: Sequence[F64 | None], sizes: Sequence[int]) -> F64 | None:
    """Return the numbers of several parts, NaN in a part without any; None if no part has any."""
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [np.full(size, np.nan) if part is None else part for part, size in zip(parts, sizes, strict=True)]
    )


def _columns(parts: Sequence[Features], sizes: Sequence[int]) -> dict[str, Column]:
    names = dict.fromkeys(name for part in parts for name in part)
    columns = {name: _column([part.get(name) for part in parts], sizes) for name in names}
    return {name: column for name, column in columns.items() if column is not None}


def _column(parts: Sequence[Column | None], sizes: Sequence[int]) -> Column | None:
    if all(part is None for part in parts):
        return None
    return concatenate(
        [Column(np.full(size, np.nan)) if part is None else part for part, size in zip(parts, sizes, strict=True)]
    )
