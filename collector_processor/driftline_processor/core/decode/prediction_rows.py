"""Decode predictions from spans, or from log records named ``ml.prediction``, to tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables.column_codec import texts
from driftline.tables.table import F64, I64, Column, Ids, ModelKey, PredictionTable, Text, take_rows
from driftline.tables.task import Task
from msgspec import Struct, structs
from numpy.typing import NDArray

from .attributes import (
    ABSENT,
    MAX_ROWS,
    MAX_TABLES,
    OTHER_CATEGORY,
    Fields,
    Grid,
    Mask,
    Where,
    grouped,
    sampling_weight,
    sent_columns,
    tasks,
)
from .otlp_rows import Rows
from .outputs import Lists, ScoreColumns, scores_of
from .outputs import from_lists as items_from_lists
from .row_templates import pick_texts

_PREDICT = "predict"
_NO_TRACE = np.void(bytes(16))
_FIELDS = (
    a.ML_PREDICTION_SCORE,
    a.DRIFTLINE_PREDICTION_SCORES,
    a.ML_PREDICTION_CLASS,
    a.ML_PREDICTION_VALUE,
    a.DRIFTLINE_PREDICTION_ITEMS,
)


def from_spans(rows: Rows, now: int, rejected: Counter[str]) -> tuple[list[PredictionTable], int]:
    """Return the tables, and the number of spans that are ignored since their row is also in a record.

    ``now``: unix nanoseconds, for rows without a usable time. ``rejected`` is updated.
    """
    grid = rows.grid
    every = Fields(grid, slice(None), Counter())
    has_prediction = _has_prediction(grid, every)
    operation, operations = every.texts(a.ML_OPERATION_NAME)
    predicting = has_prediction | np.isin(operation, [code for code, text in enumerate(operations) if text == _PREDICT])
    named = every.texts(a.ML_MODEL_NAME)[0] >= 0
    rejected["no_model_name"] += int((has_prediction & ~named & ~grid.recorded).sum())
    chosen = _choose(predicting & named & ~grid.recorded)
    return _tables(rows, grid, chosen, now, rejected, spans=True), int(grid.recorded.sum())


def from_records(rows: Rows, now: int, rejected: Counter[str]) -> list[PredictionTable]:
    """Return the tables of records named ``ml.prediction``; see :func:`from_spans`."""
    grid = rows.grid
    every = Fields(grid, slice(None), Counter())
    has_prediction, named = _has_prediction(grid, every) | every.has(a.ERROR_TYPE), every.texts(a.ML_MODEL_NAME)[0] >= 0
    rejected["no_model_name"] += int((~named).sum())
    rejected["no_features_or_score"] += int((named & ~has_prediction).sum())
    return _tables(rows, grid, _choose(has_prediction & named), now, rejected, spans=False)


def _has_prediction(grid: Grid, every: Fields) -> Mask:
    """Return True for rows with any field of a prediction."""
    has_field = np.zeros(every.n, np.bool_)
    for name in _FIELDS:
        has_field |= every.has(name)
    for cells in grid.features.values():
        if has_field.all():
            break
        has_field |= cells.kind != ABSENT
    return has_field


def _choose(keep: Mask) -> Where:
    return slice(None) if keep.all() else np.flatnonzero(keep)


def _tables(
    rows: Rows, grid: Grid, chosen: Where, now: int, rejected: Counter[str], spans: bool
) -> list[PredictionTable]:
    rejected.update(grid.rejected)
    fields = Fields(grid, chosen, rejected)
    if fields.n == 0:
        return []
    models, model_names = fields.texts(a.ML_MODEL_NAME)
    versions, version_names = fields.texts(a.ML_MODEL_VERSION)
    task, distinct_tasks = tasks(fields)
    environment, environments = rows.environment[0][chosen], rows.environment[1]
    group, first = grouped(models, versions, task, environment)
    rejected["too_many_models"] += int((group >= MAX_TABLES).sum())
    whole = _request_table(rows, fields, chosen, now, spans)
    tables = []
    for number, row in enumerate(first[:MAX_TABLES]):
        members: Where = slice(None) if len(first) == 1 else np.flatnonzero(group == number)
        version = version_names[versions[row]] if versions[row] >= 0 else ""
        key = ModelKey(model_names[models[row]], version, environments[environment[row]] or "")
        table = whole.table(members, key, distinct_tasks[task[row]], rejected)
        in_grid = chosen if isinstance(members, slice) else members if isinstance(chosen, slice) else chosen[members]
        table.features = sent_columns(grid.features, in_grid, rejected)
        table.incomplete = int(np.count_nonzero(rows.dropped[in_grid]))
        table.slices = sent_columns(grid.slices, in_grid, rejected, whole=True)
        tables.append(table)
    return tables


def _ids(rows: Rows, fields: Fields, chosen: Where, spans: bool) -> Text:
    """Return the id of each row; a span without one gets its trace and span id."""
    plain = fields.plain_texts(a.ML_PREDICTION_ID)
    if plain is not None:
        return plain
    codes, categories = fields.texts(a.ML_PREDICTION_ID)
    trace_id, span_id = rows.trace_id, rows.span_id
    nameless = codes < 0
    if not spans or trace_id is None or span_id is None or not nameless.any():
        categories.append("")  # where code -1 lands
        return texts([categories[code] for code in codes.tolist()])
    trace_id, span_id = trace_id[chosen], span_id[chosen]
    valid = trace_id != _NO_TRACE
    if nameless.all() and valid.all():
        return _span_ids(trace_id, span_id)
    ids = [categories[code] if code >= 0 else "" for code in codes.tolist()]
    for row in np.flatnonzero(nameless & valid).tolist():
        ids[row] = f"{trace_id[row].tobytes().hex()}:{span_id[row].tobytes().hex()}"
    return texts(ids)


def _span_ids(trace_id: Ids, span_id: Ids) -> Text:
    """Return hexadecimal ids from trace and span ids."""
    n = len(trace_id)
    both = trace_id.tobytes().hex(), span_id.tobytes().hex()
    letters = np.empty((n, 49), np.uint8)
    letters[:, :32] = np.frombuffer(both[0].encode(), np.uint8).reshape(n, 32)
    letters[:, 32] = ord(":")
    letters[:, 33:] = np.frombuffer(both[1].encode(), np.uint8).reshape(n, 16)
    return Text(np.arange(0, 49 * n + 1, 49, dtype=np.int32), letters.tobytes())


def _take_texts(text: Text, rows: Where) -> Text:
    if isinstance(rows, slice):
        return text
    start = text.offsets[rows].astype(np.intp)
    return pick_texts(np.frombuffer(text.data, np.uint8), start, text.offsets[rows + 1] - start)


class _RequestTable(Struct, frozen=True):
    """All rows of a request, of any model, without their features; the fields are those of a table."""

    time: I64
    id: Text
    score_columns: ScoreColumns
    predicted: Column | None
    items: Lists
    item_count: F64 | None
    duration: F64 | None
    errors: Column
    weight: F64 | None
    trace_id: Ids | None
    span_id: Ids | None
    observed: I64 | None

    def table(self, members: Where, key: ModelKey, task: Task, rejected: Counter[str]) -> PredictionTable:
        """Return the rows of one model."""
        given = self.score_columns.at(members)
        items = None
        if self.items is not None and task.may_rank_items:
            lists = self.items[1]
            some = self.items[0][members]
            if (some >= 0).any():
                counts = None if self.item_count is None else self.item_count[members]
                items = items_from_lists((some, lists), given.lists(), counts, rejected)
                given = structs.replace(given, ranked=True)
        kind, scores = scores_of(task, given, rejected)
        predicted = None
        if self.predicted is not None and self.predicted.codes is not None:
            codes = self.predicted.codes[members]
            predicted = Column(codes=codes, categories=self.predicted.categories) if (codes >= 0).any() else None
        return PredictionTable(
            key=key,
            task=task if task.kind else replace(task, kind=kind),
            time=self.time[members],
            id=_take_texts(self.id, members),
            scores=scores,
            predicted=predicted,
            items=items,
            duration=None if self.duration is None else self.duration[members],
            errors=take_rows(self.errors, members),
            weight=None if self.weight is None else self.weight[members],
            trace_id=None if self.trace_id is None else self.trace_id[members],
            span_id=None if self.span_id is None else self.span_id[members],
            observed=None if self.observed is None else self.observed[members],
        )


def _request_table(rows: Rows, fields: Fields, chosen: Where, now: int, spans: bool) -> _RequestTable:
    began = rows.time[chosen]
    fields.count("bad_time", began < 0)
    prediction_time = fields.times(a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO)
    if spans:
        ended = rows.end[chosen]
        duration: F64 | None = np.where((began > 0) & (ended >= began), (ended - began) / 1e9, np.nan)
        weight = _weights(rows.trace_state[0][chosen], rows.trace_state[1], fields.numbers(a.ML_PREDICTION_COUNT))
    else:
        duration, weight = fields.numbers(a.DRIFTLINE_PREDICTION_DURATION), None
    observed = None if spans else rows.observed[chosen]
    trace_id, span_id = _trace_columns(rows, chosen)
    return _RequestTable(
        time=np.where(prediction_time > 0, prediction_time, np.where(began > 0, began, now)),
        id=_ids(rows, fields, chosen, spans),
        score_columns=ScoreColumns(
            fields.numbers(a.ML_PREDICTION_SCORE),
            fields.lists(a.DRIFTLINE_PREDICTION_SCORES),
            fields.numbers(a.ML_PREDICTION_VALUE),
        ),
        predicted=fields.classes(a.ML_PREDICTION_CLASS),
        items=fields.lists(a.DRIFTLINE_PREDICTION_ITEMS),
        item_count=fields.numbers(a.DRIFTLINE_PREDICTION_ITEM_COUNT),
        duration=duration,
        errors=_errors(fields, rows.failed[chosen] if spans else None),
        weight=weight,
        trace_id=trace_id,
        span_id=span_id,
        observed=None if observed is None else np.where(observed > 0, observed, now),
    )


def _trace_columns(rows: Rows, chosen: Where) -> tuple[Ids | None, Ids | None]:
    """Return trace and span ids; None if no row has a valid pair."""
    if rows.trace_id is None or rows.span_id is None:
        return None, None
    trace_id = rows.trace_id[chosen]
    return (trace_id, rows.span_id[chosen]) if (trace_id != _NO_TRACE).any() else (None, None)


def _errors(fields: Fields, failed: Mask | None) -> Column:
    """Return the error type of each row; ``failed``: whether its span has an error status."""
    codes, categories = fields.texts(a.ERROR_TYPE)
    if failed is not None and failed.any():
        codes = np.where(failed & (codes < 0), len(categories), codes)
        categories = [*categories, OTHER_CATEGORY]
    return Column(codes=codes.astype(np.int32), categories=tuple(categories))


def _weights(codes: NDArray[np.intp], states: list[str], counts: F64 | None) -> F64 | None:
    """Return the number of predictions per span: the size of its batch times its sampling weight."""
    of_state = [sampling_weight(state) for state in states]
    if counts is None and all(weight is None for weight in of_state):
        return None
    weight = np.array([weight or 1.0 for weight in of_state])[codes]
    if counts is None:
        sampled = np.array([weight is not None for weight in of_state])[codes].any()
        return weight if sampled else None
    return weight * np.where(counts >= 1.0, np.minimum(counts, MAX_ROWS), 1.0)
