"""Decode columnar predictions: log records named ``driftline.prediction.batch``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
from driftline.inputs.text_descriptors import with_short_texts
from driftline.inputs.texts_and_vectors import LONGEST_VECTOR, TEXT_LIMIT, vector_column
from driftline.semconv import attributes as a
from driftline.tables.classes import class_column, class_text, with_exact_integers
from driftline.tables.column_codec import Array, ColumnError, Value, decode, strings, texts
from driftline.tables.ids import id_text
from driftline.tables.ranked_items import first_scores
from driftline.tables.table import F64, I64, Column, ModelKey, PredictionTable, Text, without_errors
from driftline.tables.task import Task
from msgspec import Struct, field
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from .attributes import (
    BOOLEAN,
    EMPTY,
    FEATURE,
    INTEGER,
    LIST,
    MAX_CATEGORIES,
    MAX_CELLS,
    MAX_COLUMNS,
    MAX_ROWS,
    MAX_TEXT,
    NUMBER,
    OTHER_CATEGORY,
    SLICE,
    TEXT,
    UNNAMED,
    bounded_text,
    read,
    task_of,
)
from .outputs import ScoreColumns, scores_of
from .outputs import from_columns as items_from_columns

_TRACE_ID, _SPAN_ID = "trace_id", "span_id"
_NUMERIC = "fiu"

_MOST_REPEATED = 2**20
"""Bytes up to which ids of categories may be repeated by their codes: 200 per row of a batch of our SDK.

A code of one byte must not become a text of a kilobyte in each of a million rows.
"""


def from_record(
    record: LogRecord, environment: str | None, now: int, rejected: Counter[str]
) -> tuple[PredictionTable, str] | None:
    """Return the table of one record and its batch id ("" = none); None if the record is invalid.

    An invalid column is counted with its reason and left out; others are kept.
    """
    columns: Iterable[KeyValue] = ()
    head = _Head(rejected)
    for attribute in record.attributes:
        if attribute.key == a.DRIFTLINE_PREDICTION_COLUMNS:
            columns = attribute.value.kvlist_value.values
        else:
            head.values[attribute.key] = read(attribute.value)
    kind, n = head.values.get(a.ML_PREDICTION_COUNT, (EMPTY, 0))
    if kind != INTEGER or not 0 < n <= MAX_ROWS:
        rejected["empty_batch" if kind == INTEGER and n == 0 else "bad_count"] += 1
        return None
    model = head.text(a.ML_MODEL_NAME)
    if not model:
        rejected["no_model_name"] += n
        return None
    found = _Columns(n, rejected)
    for column in columns:
        found.add(column.key, column.value.bytes_value)
    if not found.by_name and not found.flat and not found.features:
        rejected["no_usable_column"] += n
        return None
    key = ModelKey(model, head.text(a.ML_MODEL_VERSION), environment or "")
    batch = head.text(a.DRIFTLINE_BATCH_ID)
    happened = record.time_unix_nano or record.observed_time_unix_nano
    table = found.table(key, head.task(), happened if 0 < happened < 2**63 else now)
    table.keyed = not batch
    undated = head.get(a.DRIFTLINE_PREDICTION_UNDATED, INTEGER)
    table.undated = min(max(undated or 0, 0), n)
    written = record.observed_time_unix_nano or happened
    table.observed = np.full(n, written if 0 < written < 2**63 else now)
    return table, batch


def newest_time(record: LogRecord) -> int:
    """Return the newest time in the column of times of a batch, 0 without one; unix nanoseconds."""
    for attribute in record.attributes:
        if attribute.key == a.DRIFTLINE_PREDICTION_COLUMNS:
            for column in attribute.value.kvlist_value.values:
                if column.key == a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO:
                    data = column.value.bytes_value
                    times = np.frombuffer(data, "<i8", len(data) // 8)
                    return int(times.max(initial=0)) if data.endswith(b"q") else 0
    return 0


class _Head(Struct):
    """The attributes of the record, which apply to all its rows.

    Like :class:`~driftline_processor.core.decode.attributes.Fields` for one row.
    """

    rejected: Counter[str]
    values: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def get(self, name: str, *kinds: int) -> Any:
        kind, thing = self.values.get(name, (EMPTY, None))
        if kind == EMPTY or kind in kinds:
            return thing
        self.rejected[f"wrong_type:{name}"] += 1
        return None

    def text(self, name: str) -> str:
        thing = self.get(name, TEXT, INTEGER, NUMBER)
        if isinstance(thing, float) and not math.isfinite(thing):
            return ""
        text = id_text(thing)
        if len(text) > MAX_TEXT:
            self.rejected[f"too_long:{name}"] += 1
            return ""
        return text

    def task(self) -> Task:
        threshold = self.get(a.DRIFTLINE_MODEL_THRESHOLD, NUMBER, INTEGER)
        return task_of(
            self.text(a.ML_MODEL_TASK),
            self.get(a.DRIFTLINE_MODEL_CLASSES, LIST) or (),
            class_text(self.get(a.DRIFTLINE_MODEL_POSITIVE_CLASS, TEXT, NUMBER, INTEGER, BOOLEAN))[:MAX_TEXT],
            0.5 if threshold is None or math.isnan(threshold) else float(threshold),
            self.get(a.DRIFTLINE_MODEL_QUANTILES, LIST) or (),
        )


class _Columns(Struct):
    """The valid columns of ``n`` rows."""

    n: int
    rejected: Counter[str]
    by_name: dict[str, Any] = field(default_factory=dict)
    flat: dict[str, bytes] = field(default_factory=dict)
    features: dict[str, Column] = field(default_factory=dict)
    slices: dict[str, Column] = field(default_factory=dict)

    def add(self, name: str, data: bytes) -> None:
        """Decode one column, or count the reason of its rejection."""
        if name in _FLAT:
            self.flat[name] = data
            return
        reader = _READERS.get(name)
        try:
            if reader is not None:
                self.by_name[name] = reader(decode(data, self.n))
                return
            is_feature, own = _place(name) if len(name) < 2 * MAX_TEXT else _place.__wrapped__(name)
            if own:
                if len(self.features) + len(self.slices) >= MAX_COLUMNS:
                    raise ColumnError("too_many_features")
                value = decode(data, self.n)
                if is_feature:
                    self.features[own] = _feature(value)
                else:
                    self.slices[own] = _slice(value)
            elif name in (FEATURE, SLICE):
                raise ColumnError(UNNAMED)
        except ColumnError as error:
            self.rejected[error.reason] += 1

    def table(self, key: ModelKey, task: Task, time: int) -> PredictionTable:
        """Return the table. ``time``: unix nanoseconds, for rows without a time."""
        known = self.by_name
        items = items_from_columns(
            self.flat.get(a.DRIFTLINE_PREDICTION_ITEMS),
            self.flat.get(a.DRIFTLINE_PREDICTION_ITEM_SCORES),
            known.get(a.DRIFTLINE_PREDICTION_ITEM_COUNT),
            self.n,
            self.rejected,
        )
        scores = known.get(a.DRIFTLINE_PREDICTION_SCORES) if items is None else first_scores(items)
        given = ScoreColumns(
            known.get(a.ML_PREDICTION_SCORE), scores, known.get(a.ML_PREDICTION_VALUE), items is not None
        )
        kind, matrix = scores_of(task, given, self.rejected)
        sampled = _TRACE_ID in known and _SPAN_ID in known
        return PredictionTable(
            key=key,
            task=task if task.kind else replace(task, kind=kind),
            time=self._times(time),
            id=known.get(a.ML_PREDICTION_ID) or texts([""] * self.n),
            scores=matrix,
            predicted=known.get(a.ML_PREDICTION_CLASS),
            items=items,
            duration=known.get(a.DRIFTLINE_PREDICTION_DURATION),
            errors=known.get(a.ERROR_TYPE) or without_errors(self.n),
            trace_id=known[_TRACE_ID] if sampled else None,
            span_id=known[_SPAN_ID] if sampled else None,
            features=self.features,
            slices=self.slices,
        )

    def _times(self, otherwise: int) -> I64:
        times: I64 | None = self.by_name.get(a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO)
        if times is None:
            return np.full(self.n, otherwise)
        if times.min() > 0:
            return times
        bad = times <= 0
        self.rejected["bad_time"] += int(bad.sum())
        return np.where(bad, otherwise, times)


@lru_cache(maxsize=4096)
def _place(name: str) -> tuple[bool, str]:
    """Return whether a column is a feature, and the name of the feature or slice; "" for neither."""
    for prefix in (FEATURE, SLICE):
        if name.startswith(prefix):
            return prefix == FEATURE, bounded_text(name[len(prefix) :])
    return False, ""


def _array(value: Value, kinds: str) -> Array:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        raise ColumnError("column_kind")
    if value.ndim != 1:
        raise ColumnError("column_length")
    return value


def _numbers(value: Value) -> F64:
    return _array(value, _NUMERIC).astype(np.float64, copy=False)


def _integers(value: Value) -> I64:
    return _array(value, "i").astype(np.int64, copy=False)


def _matrix(value: Value) -> F64:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in _NUMERIC:
        raise ColumnError("column_kind")
    return value.reshape(len(value), -1).astype(np.float64, copy=False)


def _ids(value: Value) -> Text:
    if isinstance(value, np.ndarray):
        return texts([id_text(number) for number in _array(value, "i").tolist()])
    if isinstance(value, Column):
        if value.numbers is not None or value.codes is None:
            raise ColumnError("column_kind")
        # the last is where code -1 lands
        categories = (*(text if len(text) <= MAX_TEXT else "" for text in value.categories), "")
        lengths = np.array([len(text) for text in categories], np.int64)
        if lengths[value.codes].sum() > max(_MOST_REPEATED, 4 * lengths.sum()):
            raise ColumnError("column_length")
        value = texts([categories[code] for code in value.codes.tolist()])
    offsets = value.offsets
    if len(value.data) > MAX_TEXT and np.maximum.reduce(offsets[1:] - offsets[:-1]) > MAX_TEXT:
        value = texts([text if len(text) <= MAX_TEXT else "" for text in strings(value)])
    return value


def _trace_ids(value: Value) -> Array:
    return _width(_array(value, "V"), 16)


def _span_ids(value: Value) -> Array:
    return _width(_array(value, "V"), 8)


def _width(ids: Array, width: int) -> Array:
    if ids.dtype.itemsize != width:
        raise ColumnError("column_kind")
    return ids


def _classes(value: Value) -> Column:
    return class_column(_exact_column(value, MAX_CATEGORIES, MAX_TEXT))


def _error_types(value: Value) -> Column:
    """Return error types; the empty text is missing."""
    column = _column(value, MAX_CATEGORIES, MAX_TEXT)
    if column.numbers is not None or column.codes is None:
        raise ColumnError("column_kind")
    if "" in column.categories:
        place = np.array([-1 if not text else code for code, text in enumerate((*column.categories, ""))], np.int32)
        return Column(codes=place[column.codes], categories=column.categories)
    return column


def _column(value: Value, most: int, longest: int) -> Column:
    """Return a feature or slice; :meth:`~driftline_processor.core.decode.attributes.Cells.code` limits its texts."""
    if isinstance(value, np.ndarray):
        if value.dtype.char != "d" or value.ndim != 1:
            value = _array(value, "fiub").astype(np.float64)
        return Column(value)
    if isinstance(value, Text):
        index: dict[str, int] = {}
        codes = [index.setdefault(text, len(index)) for text in strings(value)]
        value = Column(codes=np.array(codes, np.int32), categories=tuple(index))
    if len(value.categories) >= most and value.codes is not None:
        last = most - 1
        value = Column(value.numbers, np.minimum(value.codes, last), (*value.categories[:last], OTHER_CATEGORY))
    return with_short_texts(value, longest)


def _slice(value: Value) -> Column:
    return _exact_column(value, MAX_CELLS, TEXT_LIMIT)


def _exact_column(value: Value, most: int, longest: int) -> Column:
    """Return a class or slice, whose integers keep all their digits, because they may be numbers of customers."""
    column = _column(value, most, longest)
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim == 1:
        return with_exact_integers(column, value)
    return column


_FLAT: Final = (a.DRIFTLINE_PREDICTION_ITEMS, a.DRIFTLINE_PREDICTION_ITEM_SCORES)
"""Columns of items instead of rows; their length follows from the counts."""


def _feature(value: Value) -> Column:
    """Return a feature, which may be an embedding: n × k singles."""
    if not isinstance(value, np.ndarray) or value.ndim == 1:
        return _column(value, MAX_CATEGORIES, TEXT_LIMIT)
    if value.dtype.char != "f" or value.shape[1] > LONGEST_VECTOR:
        raise ColumnError("column_length")
    return vector_column(value)


_READERS: Final = {
    a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: _integers,
    a.ML_PREDICTION_ID: _ids,
    a.ML_PREDICTION_SCORE: _numbers,
    a.DRIFTLINE_PREDICTION_SCORES: _matrix,
    a.ML_PREDICTION_VALUE: _numbers,
    a.DRIFTLINE_PREDICTION_DURATION: _numbers,
    a.ML_PREDICTION_CLASS: _classes,
    a.ERROR_TYPE: _error_types,
    a.DRIFTLINE_PREDICTION_ITEM_COUNT: _integers,
    _TRACE_ID: _trace_ids,
    _SPAN_ID: _span_ids,
}
