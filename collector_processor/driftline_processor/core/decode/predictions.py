"""Plain predictions - spans, or records named ``ml.prediction`` - from rows to tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from driftline.columns import texts
from driftline.semconv import attributes as a
from driftline.tables import F64, I64, Column, Ids, ModelKey, PredictionTable, Task
from numpy.typing import NDArray

from .cells import Cells, Grid, Where
from .fields import Fields, Mask, grouped, tasks
from .rows import Rows, is_sampled, trace_columns
from .scores import Given, scores_of
from .values import ABSENT, BOOLEAN, INTEGER, LIST, NUMBER, OTHER, TEXT, sampling_weight

_PREDICT = "predict"
_SAID = (a.ML_PREDICTION_SCORE, a.ML_PREDICTION_SCORES, a.ML_PREDICTION_CLASS, a.ML_PREDICTION_VALUE)


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
    said, named = _said(grid, every), every.texts(a.ML_MODEL_NAME)[0] >= 0
    rejected["no_model_name"] += int((~named).sum())
    rejected["no_features_or_score"] += int((named & ~said).sum())
    return _tables(rows, grid, _choose(said & named), now, rejected, spans=False)


def _said(grid: Grid, every: Fields) -> Mask:
    """Tell which rows say anything about a prediction."""
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
    whole = _whole(rows, fields, chosen, now, spans)
    tables = []
    for number, row in enumerate(first):
        members: Where = slice(None) if len(first) == 1 else np.flatnonzero(group == number)
        key = ModelKey(
            model_names[models[row]],
            version_names[versions[row]] if versions[row] >= 0 else "",
            environment[row] or "",
        )
        absolute = chosen if isinstance(members, slice) else _absolute(chosen, members)
        part = _part(whole, members, key, distinct_tasks[task[row]], rejected)
        part.features = _columns(grid.features, absolute, rejected)
        part.slices = _columns(grid.slices, absolute, rejected)
        tables.append(part)
    return tables


def _pick(values: Sequence[Any], rows: Where) -> list[Any]:
    return list(values) if isinstance(rows, slice) else [values[row] for row in rows.tolist()]


def _absolute(chosen: Where, members: NDArray[np.intp]) -> NDArray[np.intp]:
    return members if isinstance(chosen, slice) else chosen[members]


class _Whole:
    """What is read once for all groups of a request."""

    __slots__ = ("duration", "given", "ids", "predicted", "span_id", "time", "trace_id", "weight")

    ids: list[str]
    time: I64
    duration: F64 | None
    weight: F64 | None
    trace_id: Ids | None
    span_id: Ids | None
    given: Given
    predicted: Column | None


def _whole(rows: Rows, fields: Fields, chosen: Where, now: int, spans: bool) -> _Whole:
    whole = _Whole()
    began = np.array(_pick(rows.time, chosen), np.uint64).view(np.int64)
    fields.count("bad_time", began < 0)
    said = fields.times(a.ML_PREDICTION_TIME)
    whole.time = np.where(said > 0, said, np.where(began > 0, began, now))
    traces, parents = _pick(rows.trace_id, chosen), _pick(rows.span_id, chosen)
    ids = trace_columns(traces, parents)
    whole.trace_id, whole.span_id = (None, None) if ids is None else ids
    codes, labels = fields.texts(a.ML_PREDICTION_ID)
    labels.append("")  # where code -1 lands
    whole.ids = [labels[code] for code in codes.tolist()]
    whole.weight = None
    if spans:
        ended = np.array(_pick(rows.end, chosen), np.uint64).view(np.int64)
        whole.duration = np.where((began > 0) & (ended >= began), (ended - began) / 1e9, np.nan)
        if "" in whole.ids and ids is not None:
            for row in np.flatnonzero(codes < 0).tolist():
                if is_sampled(traces[row], parents[row]):
                    whole.ids[row] = f"{traces[row].hex()}:{parents[row].hex()}"
        states = _pick(rows.trace_state, chosen)
        if any(states):
            weights = {state: sampling_weight(state) for state in dict.fromkeys(states)}
            if any(weight is not None for weight in weights.values()):
                whole.weight = np.array([weights[state] or 1.0 for state in states])
    else:
        whole.duration = fields.numbers(a.ML_PREDICTION_DURATION)
    whole.given = Given(
        fields.numbers(a.ML_PREDICTION_SCORE),
        fields.lists(a.ML_PREDICTION_SCORES),
        fields.numbers(a.ML_PREDICTION_VALUE),
    )
    whole.predicted = fields.classes(a.ML_PREDICTION_CLASS)
    return whole


def _part(whole: _Whole, members: Where, key: ModelKey, task: Task, rejected: Counter[str]) -> PredictionTable:
    kind, scores = scores_of(task, whole.given.at(members), rejected)
    predicted = whole.predicted
    if predicted is not None and predicted.codes is not None:
        codes = predicted.codes[members]
        predicted = Column(codes=codes, labels=predicted.labels) if (codes >= 0).any() else None
    weight = None if whole.weight is None else whole.weight[members]
    duration = None if whole.duration is None else whole.duration[members]
    return PredictionTable(
        key=key,
        task=task if task.kind else replace(task, kind=kind),
        time=whole.time[members],
        id=texts(_pick(whole.ids, members)),
        scores=scores,
        predicted=predicted,
        duration=duration,
        weight=weight,
        trace_id=None if whole.trace_id is None else whole.trace_id[members],
        span_id=None if whole.span_id is None else whole.span_id[members],
    )


def _columns(columns: dict[str, Cells], rows: Where, rejected: Counter[str]) -> dict[str, Column]:
    """Return the features or slices that any of the rows sent."""
    result = {}
    for name, cells in columns.items():
        kinds = np.bincount(cells.kind[rows], minlength=8).tolist()
        if kinds[ABSENT] == sum(kinds):
            continue
        if kinds[LIST] + kinds[OTHER]:
            rejected["unsupported_feature_type"] += kinds[LIST] + kinds[OTHER]
        has_numbers = kinds[NUMBER] + kinds[INTEGER] + kinds[BOOLEAN] > 0
        result[name] = Column(
            cells.numbers[rows] if has_numbers or not kinds[TEXT] else None,
            cells.codes[rows] if kinds[TEXT] else None,
            cells.things if kinds[TEXT] else (),
        )
    return result
