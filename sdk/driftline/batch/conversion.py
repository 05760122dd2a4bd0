"""Convert buffered predictions to columns, in numpy, on the background thread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from opentelemetry.trace import SpanContext, TraceFlags

from driftline.capture.absent import ABSENT
from driftline.capture.buffer import BufferedRow, read_buffered_row
from driftline.capture.call_plan import CallPlan
from driftline.capture.deferred import UnmadePrediction, read_deferred, read_unmade
from driftline.capture.diagnostics import (
    EARLIEST,
    count_unsound_scores,
    log_first_call,
    warn_absent_features,
    warn_absent_fields,
    warn_improbable_scores,
    warn_improbable_times,
    warn_strangers,
    warn_unknown_class,
    warn_unusable_columns,
    warn_unusable_field,
    warn_wrong_count,
)
from driftline.capture.prediction import Prediction
from driftline.capture.row_schema import RowSchema
from driftline.capture.snapshot import read_output
from driftline.faults import FAULTS, retry_in_halves
from driftline.inputs.batch import Batch
from driftline.inputs.column import values_of
from driftline.inputs.row import Unusable, clean_value
from driftline.inputs.text_descriptors import with_short_texts
from driftline.inputs.values import Columns, column_of_clean, column_of_values
from driftline.loss_counters import UNREAD_RESULT, UNRECORDED, UNSUPPORTED_VALUE, UNUSABLE
from driftline.outputs.output import Output
from driftline.tables.classes import EXACT
from driftline.tables.column_codec import strings, texts
from driftline.tables.ids import IDS
from driftline.tables.ranked_items import first_scores, items_of
from driftline.tables.table import F64, I64, Column, Ids, Items, Text, length
from driftline.tables.timestamps import instants

from . import prediction_batch
from .feature_columns import ColumnSelection, features_of, slices_of
from .prediction_batch import PredictionBatch, Values, merge_batches


def prediction_batches(entries: Iterable[Prediction | BufferedRow | UnmadePrediction]) -> list[PredictionBatch]:
    """Convert entries to blocks: single rows grouped by names, batches one by one; then merge blocks of one shape.

    A prediction that cannot be converted is counted as a fault; the others are kept.
    """
    parts: dict[Any, Prediction | list[BufferedRow]] = {}  # in the order of the first entry, whose call is logged
    group: list[BufferedRow] = []
    for entry in entries:
        try:
            if isinstance(entry, UnmadePrediction):
                entry = read_unmade(entry)
            if isinstance(entry, Prediction):
                if entry.deferred_reading is not None:
                    read_deferred(entry)
                if entry.batch is not None:
                    if entry.count:
                        parts[len(parts)] = entry
                    continue
                entry = read_buffered_row(entry)
            if not group or group[-1][0] is not entry[0] or group[-1][1] is not entry[1]:  # most are like the last one
                group = cast("list[BufferedRow]", parts.setdefault((entry[0], entry[1]), []))
            group.append(entry)
        except Exception as error:
            FAULTS.swallow("row", error)
    blocks_by_shape: dict[tuple[Any, ...], list[PredictionBatch]] = {}
    for key, part in parts.items():
        if isinstance(part, Prediction):
            blocks = retry_in_halves([part], _batch_of, "row")
        else:
            blocks = retry_in_halves(part, partial(_singles, *key), "rows")
        for block in blocks:
            blocks_by_shape.setdefault(block.shape(), []).append(block)
    return [merged for same in blocks_by_shape.values() for merged in retry_in_halves(same, merge_batches, "merge")]


def _singles(plan: CallPlan, shape: RowSchema | None, group: Sequence[BufferedRow]) -> PredictionBatch:
    _, _, values, times, durations, ids, scores, decided, slices, errors, contexts = zip(*group, strict=True)
    if not plan.has_logged_reading and "" in errors:
        scored, any_decided = any(score is not None for score in scores), any(decided)
        log_first_call(plan, None, scored=scored, decided=any_decided, unread=None)
    columns: Columns = {}
    if shape is not None:
        selection = ColumnSelection(plan)
        with UNUSABLE.within() as counts:
            columns = {
                str(name): column_of_clean(column)
                for name, column in zip(shape.names, zip(*values, strict=True), strict=True)
                if selection(name)
            }
        if counts:
            warn_unusable_columns(plan, counts, zip(shape.names, zip(*values, strict=True), strict=True))
        unusable = dict.fromkeys(one for row in values if row.__class__ is Unusable for one in row.kinds.items())
        for at, kind in unusable:
            warn_unusable_field(plan, str(shape.names[at]), UNSUPPORTED_VALUE, kind)
    predicted = column_of_values([text or None for text in decided]) if any(decided) else None
    if isinstance(predicted, Column):
        warn_unknown_class(plan, predicted.categories)
    slice_names = dict.fromkeys(chain.from_iterable(mapping for mapping in slices if mapping))
    time, undated = np.array(times, np.int64), None
    if plan.inputs.time_field in columns:
        time, undated = _or_now(plan, columns[plan.inputs.time_field], time)
    trace, span = _sampled(contexts)
    block = PredictionBatch(
        identity=plan.identity,
        time=time,
        duration=np.array(durations, np.float64) * 1e-9,
        ids=_fit(texts([id or IDS.uuid7(time) for id, time in zip(ids, times, strict=True)]), plan),
        trace=trace,
        span=span,
        errors=_errors(errors),
        predicted=predicted if isinstance(predicted, Column) else None,
        features=features_of(plan, columns),
        slices={
            name: _slice_values([mapping.get(name) if mapping else None for mapping in slices]) for name in slice_names
        },
        undated=undated,
    )
    if plan.identity.task.ranks_items:  # last, so that what is no number is not counted at each of some attempts
        block.items, block.scores = _rankings(plan, scores)
    else:
        block.scores = _finite(plan, _scores(plan, scores), scores.count(None))
    if shape is not None:
        warn_absent_fields(plan, shape.names, len(group))
        warn_absent_features(plan, {str(name) for name in shape.names})
    return block


def _scores(plan: CallPlan, scores: Sequence[Any]) -> F64 | None:
    """Return the scores of n rows, NaN for a row without a score; None if no row has one."""
    task = plan.identity.task
    k = task.score_columns if task.has_several_scores else 1
    if None in scores:
        if scores.count(None) == len(scores):
            return None
        nothing: Any = (np.nan,) * k if k > 1 else np.nan
        scores = [nothing if score is None else score for score in scores]
    return np.array(scores, np.float64).reshape(len(scores), k)


def _finite(plan: CallPlan, scores: F64 | None, missing: int = 0) -> F64 | None:
    """Replace infinite scores by NaN, and count them with the NaNs.

    ``missing``: rows without a score, which are NaN but not counted.
    """
    if scores is None:
        return None
    if plan.identity.task.has_threshold:
        warn_improbable_scores(plan, scores)
    if (sound := np.isfinite(scores)).all():
        return scores
    count_unsound_scores(plan, int((~sound.all(axis=1)).sum()) - missing)
    return np.where(sound, scores, np.nan)


def _rankings(plan: CallPlan, rankings: Sequence[Any]) -> tuple[Items | None, F64 | None]:
    """Return the items of n rows, and the score of the first item of each; None if no row has any.

    ``rankings``: one per row, None without a ranking; a float is the first score of a ranking without items.
    """
    ranked = [ranking if isinstance(ranking, tuple) else None for ranking in rankings]
    if any(ranking is not None for ranking in ranked):
        items = items_of(ranked)
        if plan.identity.hash_id is not None:
            fit = tuple(map(plan.identity.hash_id, items.ids.categories))
            items = replace(items, ids=replace(items.ids, categories=fit))
        if items.scores is not None and not np.isfinite(items.scores).all():
            scored = [ranking[1] for ranking in ranked if ranking is not None and ranking[1] is not None]
            unsound = sum(not all(map(math.isfinite, scores)) for scores in scored)
            count_unsound_scores(plan, unsound)
            items = replace(items, scores=np.where(np.isfinite(items.scores), items.scores, np.nan))
        return items, first_scores(items)
    first = np.array([np.nan if ranking is None else ranking for ranking in rankings], np.float64)[:, None]
    return None, None if np.isnan(first).all() else _finite(plan, first, list(rankings).count(None))


def _sampled(contexts: Sequence[SpanContext]) -> tuple[Ids | None, Ids | None]:
    """Return the trace and span ids of n rows, zero if not sampled; None and None if no row is sampled."""
    first = contexts[0]
    if contexts.count(first) == len(contexts):  # no tracer, or one span around them all
        return _of_all(first, len(contexts))
    sampled = [bool(context.trace_flags & TraceFlags.SAMPLED) for context in contexts]
    if not any(sampled):
        return None, None
    pairs = [(c.trace_id, c.span_id) if yes else (0, 0) for c, yes in zip(contexts, sampled, strict=True)]
    traces = b"".join([trace.to_bytes(16, "big") for trace, _ in pairs])
    return np.frombuffer(traces, "V16"), np.frombuffer(b"".join([span.to_bytes(8, "big") for _, span in pairs]), "V8")


def _of_all(context: SpanContext, n: int) -> tuple[Ids | None, Ids | None]:
    """Return the ids of n rows of one span."""
    if not context.trace_flags & TraceFlags.SAMPLED:
        return None, None
    trace, span = context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big")
    return np.frombuffer(trace * n, "V16"), np.frombuffer(span * n, "V8")


def _errors(errors: Sequence[str]) -> Column | None:
    """Return the error types of n rows, missing without an error; None if no row has an error."""
    if errors.count("") == len(errors):
        return None
    column = column_of_values([error or None for error in errors])
    return column if isinstance(column, Column) else None


def _batch_of(only: Sequence[Prediction]) -> PredictionBatch:
    (prediction,) = only
    plan, batch, n = prediction.plan, prediction.batch, prediction.count
    if batch is None:
        raise TypeError("not a batch")
    names = batch.names()
    names = plan.default_names(batch.width()) if names is None else names
    with UNUSABLE.within() as counts:
        columns = batch.columns(names, ColumnSelection(plan))
    for name, kind in batch.unusable(names).items():
        warn_unusable_field(plan, str(name), UNSUPPORTED_VALUE, kind)
    if batch.strangers():
        warn_strangers(plan)
    if counts:
        warn_unusable_columns(plan, counts, ((name, batch.values(at)) for at, name in enumerate(names)))
    columns = {str(name): values for name, values in columns.items() if _rows(values) == n}
    (times, undated), ids = _batch_times(prediction, columns), _batch_ids(prediction, batch, names)
    columns = plan.identity.privacy.columns(columns, plan.identity.text_features)
    output = read_output(prediction) if not prediction.error else Output()
    items, scores = None, output.scores
    if output.rankings is not None:
        items, scores = _rankings(plan, output.rankings)
    else:
        scores = _finite(plan, scores)
    context = prediction.span_context
    if not prediction.error:
        scored, decided = scores is not None or items is not None, output.predicted is not None
        log_first_call(plan, n, scored=scored, decided=decided, unread=output.unread)
        if output.unread is not None:
            unread = n if output.rankings is None else output.rankings.count(None)
            UNRECORDED.add((plan.identity.name, UNREAD_RESULT), unread)
    if output.predicted is not None:
        warn_unknown_class(plan, output.predicted.categories)
    if names:
        warn_absent_fields(plan, names, n, ids=prediction.ids is None, index=batch.index_names())
        warn_absent_features(plan, {str(name) for name in names})
    return PredictionBatch(
        plan.identity,
        times,
        np.full(n, prediction.elapsed * 1e-9),
        _fit(ids, plan),
        *_of_all(context, n),
        Column(codes=np.zeros(n, np.int32), categories=(prediction.error,)) if prediction.error else None,
        scores,
        output.predicted,
        items,
        features_of(plan, columns),
        slices_of(plan, _batch_slices(prediction, columns)),
        undated,
        None if n == 1 else np.array([n, *[0] * (n - 1)], np.int32),
    )


def _batch_ids(prediction: Prediction, batch: Batch, names: Sequence[str]) -> Text:
    n, id_field = prediction.count, prediction.plan.inputs.id_field
    ids: Sequence[Any] | None = prediction.ids
    if ids is None and id_field in names:
        ids = list_of(batch.values(names.index(id_field)))  # as given: in a column of features, integers are doubles
    elif ids is None and n == 1 and prediction.identified:
        ids = (prediction.id,)  # the id of the call is that of its only row
    if ids is not None and len(ids) != n:
        warn_wrong_count(prediction.plan, "ids", len(ids), n, "ids are generated instead")
        ids = None
    return (
        prediction_batch.numbered_ids(prediction.id, n)
        if ids is None
        else prediction_batch.given_ids(ids, prediction.id)
    )


def _fit(ids: Text, plan: CallPlan) -> Text:
    """Apply the privacy rules to ids."""
    fit = plan.identity.hash_id
    return ids if fit is None else texts(map(fit, strings(ids)))


def _batch_times(prediction: Prediction, columns: Columns) -> tuple[I64, NDArray[np.bool_] | None]:
    now = np.full(prediction.count, prediction.time, np.int64)
    inputs, when = prediction.plan.inputs, prediction.when
    if when is ABSENT or when is None:
        if inputs.time_field not in columns:
            return now, None
        return _or_now(prediction.plan, columns[inputs.time_field], now)
    is_one_time = isinstance(when, str) or not hasattr(when, "__len__")
    values = [clean_value(when)] * len(now) if is_one_time else [clean_value(value) for value in when]
    return _or_now(prediction.plan, column_of_values(values), now)


def _or_now(plan: CallPlan, values: Values, now: I64) -> tuple[I64, NDArray[np.bool_] | None]:
    """Return the given times, and ``now`` for rows without one, and which rows these are; None if all have one."""
    if _rows(values) != len(now):
        warn_wrong_count(plan, "times", _rows(values), len(now), "the time of the call is used instead")
        return now, np.ones(len(now), np.bool_)
    times = instants(values)
    undated = warn_improbable_times(plan, values, times, now)
    return np.where(times < EARLIEST, now, times), undated if undated.any() else None


def _slice_values(values: list[Any]) -> Values:
    """Return values as a column; integers of 2^53 and more become texts, to keep all digits."""
    column = column_of_values([str(value) if _is_beyond(value) else value for value in values])
    return with_short_texts(column) if isinstance(column, Column) else column


def _is_beyond(value: Any) -> bool:
    return isinstance(value, int | np.integer) and abs(int(value)) >= EXACT


def _batch_slices(prediction: Prediction, columns: Columns) -> Columns:
    n = prediction.count
    slices: Columns = {name: columns[name] for name in prediction.plan.inputs.slice_fields if name in columns}
    for name, value in (prediction.slices or {}).items():
        values = _slice_values(value if isinstance(value, list) else [value] * n)
        if _rows(values) == n:
            slices[name] = values
        else:
            instead = "these rows are not in its slices"
            warn_wrong_count(prediction.plan, f"values of the slice {name!r}", _rows(values), n, instead)
    return slices


def list_of(values: Any) -> list[Any]:
    """Return a column as Python values, None if missing."""
    if not isinstance(values, Column):
        return values_of(values)
    out: list[Any] = [None] * _rows(values)
    if values.numbers is not None:
        out = [None if number != number else number for number in values.numbers.tolist()]
    if values.codes is not None:
        out = [values.categories[code] if code >= 0 else out[i] for i, code in enumerate(values.codes.tolist())]
    return out


def _rows(values: Values) -> int:
    return length(values) if isinstance(values, Column) else len(values)
