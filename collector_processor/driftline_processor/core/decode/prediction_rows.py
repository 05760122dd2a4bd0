"""Decode predictions that are spans, or log records named ``ml.prediction``: rows to tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables.column_codec import texts
from driftline.tables.table import F64, I64, Column, Ids, ModelKey, PredictionTable, take_rows
from driftline.tables.task import Task

from .attributes import (
    ABSENT,
    MAX_ROWS,
    MAX_TABLES,
    OTHER_LABEL,
    Fields,
    Grid,
    Mask,
    Where,
    grouped,
    sampling_weight,
    sent_columns,
    tasks,
)
from .otlp_rows import Rows, is_sampled, trace_columns
from .outputs import Lists, ScoreColumns, scores_of
from .outputs import from_lists as items_from_lists

_PREDICT = "predict"
_SAID = (
    a.ML_PREDICTION_SCORE,
    a.ML_PREDICTION_SCORES,
    a.ML_PREDICTION_CLASS,
    a.ML_PREDICTION_VALUE,
    a.ML_PREDICTION_ITEMS,
)


def from_spans(rows: Rows, now: int, rejected: Counter[str]) -> tuple[list[PredictionTable], int]:
    """Return the tables, and how many spans were ignored because a record holds their row, too.

    ``now``: unix nanoseconds, for rows that say no usable time. ``rejected`` is added to.
    """
    grid = rows.grid()
    every = Fields(grid, slice(None), Counter())
    said = _said(grid, every)
    operation, operations = every.texts(a.ML_OPERATION_NAME)
    predicting = said | np.isin(operation, [code for code, text in enumerate(operations) if text == _PREDICT])
    named = every.texts(a.ML_MODEL_NAME)[0] >= 0
    rejected["no_model_name"] += int((said & ~named & ~grid.recorded).sum())
    chosen = _choose(predicting & named & ~grid.recorded)
    return _tables(rows, grid, chosen, now, rejected, spans=True), int(grid.recorded.sum())


def from_records(rows: Rows, now: int, rejected: Counter[str]) -> list[PredictionTable]:
    """Return the tables of records named ``ml.prediction``; see :func:`from_spans`."""
    grid = rows.grid()
    every = Fields(grid, slice(None), Counter())
    said, named = _said(grid, every) | every.has(a.ERROR_TYPE), every.texts(a.ML_MODEL_NAME)[0] >= 0
    rejected["no_model_name"] += int((~named).sum())
    rejected["no_features_or_score"] += int((named & ~said).sum())
    return _tables(rows, grid, _choose(said & named), now, rejected, spans=False)


def _said(grid: Grid, every: Fields) -> Mask:
    """Return True for rows with any field of a prediction."""
    said = np.zeros(every.n, np.bool_)
    for name in _SAID:
        said |= every.has(name)
    for cells in grid.features.values():
        said |= cells.kind != ABSENT
    return said


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
    environment = _pick(rows.environment, chosen)
    environments = {name: code for code, name in enumerate(dict.fromkeys(environment))}
    where_from = np.array([environments[name] for name in environment])
    group, first = grouped(models, versions, task, where_from)
    rejected["too_many_models"] += int((group >= MAX_TABLES).sum())
    whole = _whole(rows, fields, chosen, now, spans)
    tables = []
    for number, row in enumerate(first[:MAX_TABLES]):
        members: Where = slice(None) if len(first) == 1 else np.flatnonzero(group == number)
        version = version_names[versions[row]] if versions[row] >= 0 else ""
        key = ModelKey(model_names[models[row]], version, environment[row] or "")
        table = whole.table(members, key, distinct_tasks[task[row]], rejected)
        in_grid = chosen if isinstance(members, slice) else members if isinstance(chosen, slice) else chosen[members]
        table.features = sent_columns(grid.features, in_grid, rejected)
        table.slices = sent_columns(grid.slices, in_grid, rejected, whole=True)
        tables.append(table)
    return tables


def _pick(values: Sequence[Any], rows: Where) -> list[Any]:
    return list(values) if isinstance(rows, slice) else [values[row] for row in rows.tolist()]


@dataclass(frozen=True, slots=True)
class _Whole:
    """All rows of a request, of whatever model, without their features; the fields are those of a table."""

    time: I64
    id: list[str]
    given: ScoreColumns
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
        given = self.given.at(members)
        items = None
        if self.items is not None and task.may_rank_items:
            lists = self.items[1]
            some = self.items[0][members]
            if (some >= 0).any():
                counts = None if self.item_count is None else self.item_count[members]
                items = items_from_lists((some, lists), given.lists(), counts, rejected)
                given = replace(given, ranked=True)
        kind, scores = scores_of(task, given, rejected)
        predicted = None
        if self.predicted is not None and self.predicted.codes is not None:
            codes = self.predicted.codes[members]
            predicted = Column(codes=codes, labels=self.predicted.labels) if (codes >= 0).any() else None
        return PredictionTable(
            key=key,
            task=task if task.kind else replace(task, kind=kind),
            time=self.time[members],
            id=texts(_pick(self.id, members)),
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


def _whole(rows: Rows, fields: Fields, chosen: Where, now: int, spans: bool) -> _Whole:
    began = np.array(_pick(rows.time, chosen), np.uint64).view(np.int64)
    fields.count("bad_time", began < 0)
    said = fields.times(a.ML_PREDICTION_TIME)
    trace_ids, span_ids = _pick(rows.trace_id, chosen), _pick(rows.span_id, chosen)
    sampled = trace_columns(trace_ids, span_ids)
    codes, labels = fields.texts(a.ML_PREDICTION_ID)
    labels.append("")  # where code -1 lands
    ids = [labels[code] for code in codes.tolist()]
    if spans:
        for row in np.flatnonzero(codes < 0).tolist():
            if is_sampled(trace_ids[row], span_ids[row]):
                ids[row] = f"{trace_ids[row].hex()}:{span_ids[row].hex()}"
        ended = np.array(_pick(rows.end, chosen), np.uint64).view(np.int64)
        duration: F64 | None = np.where((began > 0) & (ended >= began), (ended - began) / 1e9, np.nan)
        weight = _weights(_pick(rows.trace_state, chosen), fields.numbers(a.ML_PREDICTION_COUNT))
    else:
        duration, weight = fields.numbers(a.ML_PREDICTION_DURATION), None
    observed = None if spans else np.array(_pick(rows.observed, chosen), np.uint64).view(np.int64)
    return _Whole(
        time=np.where(said > 0, said, np.where(began > 0, began, now)),
        id=ids,
        given=ScoreColumns(
            fields.numbers(a.ML_PREDICTION_SCORE),
            fields.lists(a.ML_PREDICTION_SCORES),
            fields.numbers(a.ML_PREDICTION_VALUE),
        ),
        predicted=fields.classes(a.ML_PREDICTION_CLASS),
        items=fields.lists(a.ML_PREDICTION_ITEMS),
        item_count=fields.numbers(a.ML_PREDICTION_ITEM_COUNT),
        duration=duration,
        errors=_errors(fields, _pick(rows.failed, chosen) if spans else None),
        weight=weight,
        trace_id=None if sampled is None else sampled[0],
        span_id=None if sampled is None else sampled[1],
        observed=None if observed is None else np.where(observed > 0, observed, now),
    )


def _errors(fields: Fields, failed: list[bool] | None) -> Column:
    """Return the error type of each row; ``failed``: whether its span says that it failed, with or without a type."""
    codes, labels = fields.texts(a.ERROR_TYPE)
    if failed is not None and any(failed):
        codes = np.where(np.array(failed) & (codes < 0), len(labels), codes)
        labels = [*labels, OTHER_LABEL]
    return Column(codes=codes.astype(np.int32), labels=tuple(labels))


def _weights(states: list[str], counts: F64 | None) -> F64 | None:
    """Return the number of predictions of each span: those of its batch, and spans that were not sampled."""
    weights = {state: sampling_weight(state) for state in dict.fromkeys(states)}
    sampled = any(weight is not None for weight in weights.values())
    if not sampled and counts is None:
        return None
    weight = np.array([weights[state] or 1.0 for state in states])
    return weight if counts is None else weight * np.where(counts >= 1.0, np.minimum(counts, MAX_ROWS), 1.0)
