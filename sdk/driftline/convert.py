"""Predictions → columns: the work that the hot path put off, in numpy, on the background thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opentelemetry.trace import SpanContext, TraceFlags

from .block import Block, Values, merge
from .capture import read_output
from .faults import FAULTS
from .frames import length
from .ids import IDS, id_text
from .inputs.batch import Columns, column_of_values
from .inputs.row import clean_value
from .instants import instants
from .items import first_scores, items_of
from .notes import tell, tell_strange
from .outputs import Output
from .plan import Plan
from .prediction import ABSENT, Prediction
from .shape import Shape
from .single import Single, single_of
from .tables import F64, I64, Column, Items


def blocks_of(entries: Iterable[Prediction | Single]) -> list[Block]:
    """Turn what waited into blocks: single rows by their names, batches one by one; then merge what is alike.

    A prediction that cannot be turned is counted as a fault, and its neighbours are kept.
    """
    groups: dict[tuple[Any, ...], list[Single]] = {}
    blocks: list[Block] = []
    for entry in entries:
        try:
            if isinstance(entry, Prediction):
                if entry.batch is not None:
                    blocks += [_batch(entry)] if entry.count else []
                    continue
                entry = single_of(entry)
            groups.setdefault((entry[0], entry[1]), []).append(entry)
        except Exception as error:
            FAULTS.swallow("row", error)
    for (plan, shape), group in groups.items():
        try:
            blocks.append(_singles(plan, shape, group))
        except Exception as error:
            FAULTS.swallow("rows", error)
    alike: dict[tuple[Any, ...], list[Block]] = {}
    for block in blocks:
        alike.setdefault(block.shape(), []).append(block)
    return [merge(group) for group in alike.values()]


def _singles(plan: Plan, shape: Shape | None, group: list[Single]) -> Block:
    _, _, values, times, durations, ids, scores, decided, slices, errors, contexts = zip(*group, strict=True)
    if not plan.told_read:
        scored, said = any(score is not None for score in scores), any(decided)
        tell(plan, None, scored=scored, decided=said, unread=None)
    columns: Columns = {}
    if shape is not None:
        columns = {
            str(name): column_of_values(column)
            for name, column in zip(shape.names, zip(*values, strict=True), strict=True)
        }
    predicted = column_of_values([text or None for text in decided]) if any(decided) else None
    if isinstance(predicted, Column):
        tell_strange(plan, predicted.labels)
    items, matrix = _rankings(scores) if plan.identity.task.kind == "ranking" else (None, _scores(plan, scores))
    slice_names = dict.fromkeys(chain.from_iterable(one for one in slices if one))
    time = np.array(times, np.int64)
    if plan.inputs.time_field in columns:
        time = _or_now(columns[plan.inputs.time_field], time)
    return Block(
        plan.identity,
        time,
        np.array(durations, np.float64) * 1e-9,
        [id or IDS.uuid7(at) for id, at in zip(ids, times, strict=True)],
        _ids([context.trace_id if _sampled(context) else 0 for context in contexts], 16),
        _ids([context.span_id if _sampled(context) else 0 for context in contexts], 8),
        list(errors),
        matrix,
        predicted if isinstance(predicted, Column) else None,
        items,
        {name: column for name, column in columns.items() if plan.wanted(name)},
        {name: column_of_values([one.get(name) if one else None for one in slices]) for name in slice_names},
    )


def _scores(plan: Plan, scores: Sequence[Any]) -> F64 | None:
    """Return the scores of n rows, NaN where a row has none; None where no row has one."""
    if all(score is None for score in scores):
        return None
    k = len(plan.identity.task.classes) if plan.identity.task.kind == "multiclass" else 1
    nothing: Any = (np.nan,) * k if k > 1 else np.nan
    return np.array([nothing if score is None else score for score in scores], np.float64).reshape(len(scores), k)


def _rankings(rankings: Sequence[Any]) -> tuple[Items | None, F64 | None]:
    """Return the items of n rows, and the score of the first item of each; None where no row has any.

    ``rankings``: one per row, None where it has none; a float is the first score of items that nobody named.
    """
    ranked = [one if isinstance(one, tuple) else None for one in rankings]
    if any(one is not None for one in ranked):
        items = items_of(ranked)
        return items, first_scores(items)
    scores = np.array([np.nan if one is None else one for one in rankings], np.float64)[:, None]
    return None, None if np.isnan(scores).all() else scores


def _sampled(context: SpanContext) -> bool:
    return bool(context.trace_flags & TraceFlags.SAMPLED)


def _ids(numbers: Sequence[int], width: int) -> NDArray[np.void]:
    return np.frombuffer(b"".join([number.to_bytes(width, "big") for number in numbers]), f"V{width}")


def _batch(prediction: Prediction) -> Block:
    plan, batch, n = prediction.plan, prediction.batch, prediction.count
    if batch is None:
        raise TypeError("not a batch")
    names = batch.names()
    columns = batch.columns(plan.default_names(batch.width()) if names is None else names)
    columns = {str(name): values for name, values in columns.items() if _rows(values) == n}
    output = read_output(prediction) if not prediction.error else Output()
    items, scores = None, output.scores
    if output.rankings is not None:
        items, scores = _rankings(output.rankings)
    context = prediction.span_context
    if not prediction.error:
        scored, decided = scores is not None or items is not None, output.predicted is not None
        tell(plan, n, scored=scored, decided=decided, unread=output.unread)
    if output.predicted is not None:
        tell_strange(plan, output.predicted.labels)
    return Block(
        plan.identity,
        _batch_times(prediction, columns),
        np.full(n, prediction.elapsed * 1e-9),
        _batch_ids(prediction, columns),
        _ids([context.trace_id if _sampled(context) else 0] * n, 16),
        _ids([context.span_id if _sampled(context) else 0] * n, 8),
        [prediction.error] * n,
        scores,
        output.predicted,
        items,
        {name: values for name, values in columns.items() if plan.wanted(name)},
        _batch_slices(prediction, columns),
    )


def _batch_ids(prediction: Prediction, columns: Columns) -> list[str]:
    n = prediction.count
    given: Sequence[Any] | None = prediction.ids
    if given is None and prediction.plan.inputs.id_field in columns:
        given = list_of(columns[prediction.plan.inputs.id_field])
    prefix = prediction.id if given is None or len(given) != n else ""
    if prefix:
        if given is not None:
            FAULTS.swallow("ids", ValueError(f"{len(given)} ids were given for {n} rows; ids are made up instead"))
        return [f"{prefix}.{i}" for i in range(n)]
    ids = [id_text(value) for value in given or ()]
    return [text or f"{prediction.id}.{i}" for i, text in enumerate(ids)] if "" in ids else ids


def _batch_times(prediction: Prediction, columns: Columns) -> I64:
    now = np.full(prediction.count, prediction.time, np.int64)
    inputs, when = prediction.plan.inputs, prediction.when
    if inputs.time is None:
        return _or_now(columns[inputs.time_field], now) if inputs.time_field in columns else now
    if when is ABSENT or when is None:
        return now
    one = isinstance(when, str) or not hasattr(when, "__len__")
    values = [clean_value(when)] * len(now) if one else [clean_value(value) for value in when]
    return _or_now(column_of_values(values), now)


def _or_now(said: Values, now: I64) -> I64:
    """Return the instants that were said, and now where there is none."""
    if _rows(said) != len(now):
        FAULTS.swallow("times", ValueError(f"{_rows(said)} times were given for {len(now)} rows"))
        return now
    times = instants(said)
    return np.where(times > 0, times, now)


def _batch_slices(prediction: Prediction, columns: Columns) -> Columns:
    n = prediction.count
    slices: Columns = {name: columns[name] for name in prediction.plan.inputs.slice_fields if name in columns}
    for name, value in (prediction.slices or {}).items():
        values = column_of_values(value if isinstance(value, list) else [value] * n)
        if _rows(values) == n:
            slices[name] = values
    return slices


def list_of(values: Values) -> list[Any]:
    """Return a column as Python values, None where missing."""
    if not isinstance(values, Column):
        return list(values.tolist())
    out: list[Any] = [None] * _rows(values)
    if values.numbers is not None:
        out = [None if number != number else number for number in values.numbers.tolist()]
    if values.codes is not None:
        out = [values.labels[code] if code >= 0 else out[i] for i, code in enumerate(values.codes.tolist())]
    return out


def _rows(values: Values) -> int:
    return length(values) if isinstance(values, Column) else len(values)
