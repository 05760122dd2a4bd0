"""Copy arguments and results to the fields of a prediction. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Any

import numpy as np

from driftline.faults import FAULTS
from driftline.inputs.batch import Batch, Featureless, Unrecorded
from driftline.inputs.column import values_of
from driftline.inputs.objects import NO_COLUMNS, are_columns
from driftline.inputs.readers import READERS, reader_for
from driftline.inputs.row import LONGEST_ROW, MOST_VALUES, SCALARS, Row, clean, clean_value, slice_value
from driftline.loss_counters import TOO_LARGE
from driftline.outputs import output as outputs
from driftline.outputs import rankings
from driftline.outputs.named_scores import NamedScores
from driftline.outputs.output import Output, UnreadResult
from driftline.outputs.result_copy import results_of_rows
from driftline.privacy.policy import ProtectedBatch
from driftline.tables.classes import class_text
from driftline.tables.task import Task

from .absent import ABSENT
from .call_plan import CallPlan
from .diagnostics import warn_absent_fields, warn_rows_changed, warn_unrecorded
from .prediction import Prediction
from .row_schema import RowSchema
from .signature import Selector


def take_inputs(prediction: Prediction, plan: CallPlan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Take the snapshot of features, id, time and slices."""
    inputs = plan.inputs
    if inputs.features is not None:
        value = inputs.features(args, kwargs)
        if value is not ABSENT and value is not None:
            take_features(prediction, value)
    elif inputs.scalars:
        values = [(name, value) for name, get in inputs.scalars if (value := get(args, kwargs)) is not ABSENT]
        names = tuple(name for name, _ in values)
        if plan.first_input is None:
            plan.first_input = UnreadResult(f"the arguments {list(names)}")
        _take_row(prediction, names, tuple(value for _, value in values))
    if inputs.id is not None:
        take_id(prediction, inputs.id(args, kwargs))
    if inputs.time is not None:
        prediction.when = inputs.time(args, kwargs)
    if inputs.slices or inputs.slice_fields or inputs.slices_function:
        _take_slices(prediction, args, kwargs)
    if inputs.as_given:
        _tell_absent(prediction)


def _tell_absent(prediction: Prediction) -> None:
    """Warn about each field that is neither in the arguments nor in the features."""
    batch, plan = prediction.batch, prediction.plan
    names = (prediction.names if batch is None else batch.names()) or ()
    field_names: list[str | None] = [*names, *(prediction.slices or {})]
    if prediction.identified or prediction.ids is not None:
        field_names.append(plan.inputs.id_field)
    if prediction.when is not ABSENT:
        field_names.append(plan.inputs.time_field)
    warn_absent_fields(plan, names, prediction.count, fields=field_names)


def take_features(prediction: Prediction, value: Any) -> None:
    """Take the snapshot of one input."""
    snapshot = (READERS.get(value.__class__) or reader_for(value.__class__))(value)
    plan = prediction.plan
    if plan.first_input is None:
        plan.first_input = outputs.describe(value)
    if isinstance(snapshot, tuple):
        names, values = snapshot
        if names is None and len(values) > 1 and all(isinstance(value, str) for value in values):
            from driftline.inputs.array import texts_as_rows

            snapshot = texts_as_rows(snapshot, (plan.inputs.argument,) if plan.inputs.argument else None)
        else:
            _take_row(prediction, _names_of(plan, value, names, len(values)), values)
            return
    stored = snapshot.bounded_snapshot(plan.inputs.id_field) if isinstance(snapshot, Batch) else snapshot
    if isinstance(stored, Unrecorded):
        if stored.is_row and stored.rows is not None:
            stored = Featureless(stored.rows, replace(stored, given=outputs.describe(value).text))
        else:
            warn_unrecorded(plan, outputs.describe(value).text, stored)
            if stored.rows is None:
                return
            stored = Featureless(stored.rows)
    prediction.batch = stored
    prediction.count = stored.count


def _names_of(plan: CallPlan, value: Any, names: tuple[str, ...] | None, width: int) -> tuple[str, ...]:
    """Return the names of a row: its own, the parameter of a scalar, or those of the model."""
    if names is not None:
        return names
    is_scalar = plan.inputs.argument and isinstance(value, SCALARS)
    return (plan.inputs.argument,) if is_scalar else plan.default_names(width)


def _take_row(prediction: Prediction, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
    """Keep a row: its id, and its values after the privacy rules."""
    shape = prediction.plan.shape_of(names)
    values = clean(values, shape.id_index)
    if shape.id_index is not None:
        prediction.identify(values[shape.id_index])
    values = values if shape.guard is None else shape.guard(values)
    prediction.shape, prediction.values = shape, values  # at once: a signal handler may raise in a call between them


def take_row(plan: CallPlan, row: dict[str, Any]) -> tuple[RowSchema, tuple[Any, ...]] | None:
    """Return the schema and the values of a parsed row; None for any other input.

    Rows that are too large and columns are other inputs.
    """
    if row.__class__ is not dict or not 0 < len(row) <= MOST_VALUES:
        return None
    shape = plan.newest
    try:
        values = shape.take(row) if len(row) == shape.width else None
    except KeyError:
        values = None
    if values is None:  # its names differ from the last row's
        shape = plan.newest = plan.shape_of(tuple(row))
        values = tuple(row.values())
    if values[0].__class__ not in NO_COLUMNS and are_columns(values, plan.has_vector_rows):
        return None
    values = clean(values, shape.id_index)
    return shape, values if shape.guard is None else shape.guard(values)


def take_id(prediction: Prediction, value: Any) -> None:
    """Set the id of one row or of a batch, or n ids, one per row of a batch.

    If the rows are not known yet, such as those of an estimator in a ``with`` block, they decide whether several values
    are n ids or one id; see :func:`settle_ids`.
    """
    if value is ABSENT:
        return
    is_row = prediction.batch is None and prediction.values is not None
    is_one = isinstance(value, str | bytes | Mapping | Set | Iterator) or not isinstance(value, Iterable)
    if is_row or is_one or getattr(value, "ndim", 1) == 0:
        prediction.identify(value)
    else:
        prediction.ids = values_of(value)


def settle_ids(prediction: Prediction) -> None:
    """Make the ids of a prediction that is one row its id: the only one, else the tuple of all."""
    ids = prediction.ids
    if ids is not None and prediction.batch is None:
        prediction.ids = None
        if not prediction.identified:
            prediction.identify(ids[0] if len(ids) == 1 else tuple(ids))


def _take_slices(prediction: Prediction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    inputs = prediction.plan.inputs
    slices = {name: value for name, get in inputs.slices if (value := get(args, kwargs)) is not ABSENT}
    if inputs.slices_function is not None:
        more = inputs.slices_function(args, kwargs)
        slices.update({} if more is ABSENT else more)
    take_slices(prediction, slices)
    if prediction.batch is None and inputs.slice_fields:
        _take_field_slices(prediction)


def _take_field_slices(prediction: Prediction) -> None:
    """Add the fields of a row that are slices."""
    names, values, plan = prediction.names, prediction.values or (), prediction.plan
    found = {
        name: slice_value(values[names.index(name)])
        for name in plan.inputs.slice_fields
        if name in names and plan.cuts(name)
    }
    prediction.slices = {**(prediction.slices or {}), **found} or None


def take_slices(prediction: Prediction, slices: Mapping[str, Any]) -> None:
    """Add slices: one value per row, or n values for a batch. The privacy rules apply."""
    kept_slices = prediction.plan.identity.privacy.slices(slices)
    if prediction.batch is None:
        kept_slices = {name: clean_value(value) for name, value in kept_slices.items()}
    else:
        kept_slices = {
            name: clean_value(value) if isinstance(value, SCALARS) else list(value)
            for name, value in kept_slices.items()
        }
    prediction.slices = {**(prediction.slices or {}), **kept_slices} or None


def take_result(prediction: Prediction, result: Any) -> None:
    """Take the snapshot of the returned value, and of the assigned score and class."""
    plan = prediction.plan
    if result is not ABSENT:
        # only values set in code are read
        set_in_code = prediction.is_assigned and (prediction.scored or prediction.decided)
        if plan.first_result is None:
            score_or_class = prediction.score if prediction.scored else prediction.predicted
            plan.note_result(score_or_class if set_in_code and not plan.selective else result)
        if not plan.selective:
            if not set_in_code:
                prediction.result = result if type(result) is float else plan.keep(_in_rows(prediction, result))
        else:
            if plan.score is not None and not prediction.scored:
                prediction.say(score=_selected(prediction, plan.score, result))
            if plan.predicted is not None and not prediction.decided:
                prediction.say(predicted=_selected(prediction, plan.predicted, result))
    if prediction.is_assigned:
        prediction.copy_assigned()
    kinds = [prediction.result.__class__]
    if prediction.is_assigned:
        kinds += [prediction._score.__class__, prediction._predicted.__class__]
    may_be_unread = UnreadResult in kinds or (NamedScores in kinds and not plan.has_logged_reading)
    if may_be_unread and not plan.has_logged_unread and not plan.unread_parts:
        from .result_selectors import parts_of

        plan.unread_parts = parts_of(result, plan.copy_assigned)
    if prediction.batch is not None and prediction.batch.row is not None:
        _decide_rows(prediction, prediction.batch, prediction.batch.row)
    settle_ids(prediction)


def _in_rows(prediction: Prediction, result: Any) -> Any:
    """Return the result of a batch in the order of its rows; a tuple of one result per row as a list."""
    batch = prediction.batch
    if batch is None:
        return result
    is_unclear = batch.row is not None or prediction.plan.identity.task.ranks_items
    return batch.in_order(result if is_unclear else results_of_rows(result, batch.count))


def _decide_rows(prediction: Prediction, batch: Batch, row: Row) -> None:
    """Make an input that can also be one row one row, unless only n rows fit the result of this or an earlier call."""
    plan, unrecorded, is_batch = prediction.plan, batch.unrecorded, False
    prediction.batch, prediction.count = None, 1
    is_number = prediction.result.__class__ is plan.score_type and not prediction.is_assigned
    fits_row = is_number or read_output(prediction).unread is None
    if not fits_row or (plan.has_batches and not is_number):
        prediction.batch, prediction.count = batch, batch.count
        is_batch = read_output(prediction).unread is None
        plan.unread_rows = batch.count
    if is_batch and not plan.has_batches:
        plan.has_batches = True
        if plan.has_unclear_rows:
            warn_rows_changed(plan, batch.count)
    elif fits_row and not is_number and not is_batch:
        values = prediction.score if prediction.scored else prediction.result
        plan.has_unclear_rows |= isinstance(values, list | np.ndarray) and np.shape(values) == (batch.count,)
    if unrecorded is not None:
        warn_unrecorded(plan, unrecorded.given, unrecorded if is_batch else replace(unrecorded, rows=None))
    if is_batch:
        prediction.batch = batch.as_batch(plan.inputs.id_field)
        return
    prediction.batch, prediction.count = None, 1
    plan.has_vector_rows = is_number
    names, values = row
    settle_ids(prediction)
    if len(values) > MOST_VALUES:
        warn_unrecorded(plan, f"{len(values):,} features", Unrecorded(TOO_LARGE, LONGEST_ROW))
    elif values:
        _take_row(prediction, plan.default_names(len(values)) if names is None else names, values)
        _take_field_slices(prediction)


def _selected(prediction: Prediction, selector: Selector, result: Any) -> Any:
    """Return the value of a selector; ``ABSENT`` if it finds nothing but an inner prediction has a value."""
    selected = select(selector, result)
    return ABSENT if selected.__class__ is UnreadResult and prediction.inner is not None else selected


def select(selector: Selector, result: Any) -> Any:
    """Apply a selector (a function, or the name of a field) to a result; for a list of results, to each of them."""
    if callable(selector):
        return selector(result)
    if isinstance(result, Mapping):
        return result[selector] if selector in result else _without(result, selector)
    if isinstance(result, list):
        return [select(selector, element) for element in result]
    if hasattr(result, "columns") and hasattr(result, "__getitem__"):
        return (
            result[selector]
            if selector in (getattr(result, "column_names", None) or result.columns)
            else _without(result, selector)
        )
    if hasattr(result, "iloc"):  # a Series, whose labels can be the names of its methods
        return result[selector] if selector in result.index else _without(result, selector)
    return getattr(result, selector, _without(result, selector))


def _without(result: Any, name: str) -> UnreadResult:
    description = outputs.describe(result)
    return UnreadResult(f"{description.text} without {name!r}", description.fields)


def fill(outer: Prediction, inner: Prediction) -> None:
    """Complete the outer prediction from an inner one: features, id and slices now, the result at the end."""
    if outer.values is None and outer.batch is None:
        _fill_features(outer, inner)
    if not outer.identified and inner.identified:
        outer.id = inner.id
    if outer.ids is None and outer.batch is not None:
        outer.ids = inner.ids
    slices, rules = inner.slices or {}, outer.plan.identity.privacy
    if rules != inner.plan.identity.privacy:
        slices = rules.slices(slices)
    outer.slices = {**slices, **(outer.slices or {})} or None
    if not (outer.scored and outer.decided):
        outer.inner = inner if outer.inner is None else _joined(outer.inner, inner)
        outer.is_assigned = True


def learn(prediction: Prediction, task: Task) -> None:
    """Set the task of a prediction whose model has none, from an estimator inside the call."""
    if prediction.plan.identity.task.kind or not task.kind:
        return
    plan = prediction.plan = prediction.plan.for_task(task)
    if prediction.shape is not None:
        prediction.shape = plan.shape_of(prediction.shape.names)


def _joined(first: Prediction, second: Prediction) -> Prediction:
    """Return the later of two inner predictions, completed with the score or class of the earlier one.

    A service may call ``predict_proba`` and ``predict`` of an estimator: both belong to one prediction.
    """
    if second.count == first.count:
        if first.scored and not second.scored and (second.decided or second.result is ABSENT):
            second.say(score=first.score)
        if first.decided and not second.decided and (second.scored or second.result is ABSENT):
            second.say(predicted=first.predicted)
    return second


def _fill_features(outer: Prediction, inner: Prediction) -> None:
    """Copy the inner prediction's features, after its privacy rules; if the outer model has other rules, both apply."""
    inner_rules, outer_rules = inner.plan.identity.privacy, outer.plan.identity.privacy
    if outer.plan.first_input is None:
        outer.plan.first_input = inner.plan.first_input
    shape, values = outer.shape, inner.values
    if inner.shape is not None:
        shape = outer.plan.shape_of(inner.shape.names)
        if values is not None and shape.guard is not None and outer_rules != inner_rules:
            values = shape.guard(values)
    outer.batch, outer.count = inner.batch, inner.count
    outer.shape, outer.values = shape, values  # at once: a signal handler may raise in a call between them
    if inner.batch is not None and inner_rules.rules and outer_rules != inner_rules:
        outer.batch = ProtectedBatch(inner.batch, inner_rules)


def read_output(prediction: Prediction) -> Output:
    """Read the result of a prediction of n rows, and note whether its scores have one column per class."""
    try:
        output = _read_output(prediction)
    except Exception as fault:  # such as an int with too many digits for Python to write; its row is recorded anyway
        FAULTS.swallow("result", fault)
        return Output(unread=UnreadResult("a result that cannot be read"))
    prediction.plan.by_class = output.by_class
    return output


def _read_output(prediction: Prediction) -> Output:
    """Read what the code set, else the returned value, and add what only the prediction inside the call has."""
    n, one_row = prediction.count, prediction.batch is None
    own = _read_layer(prediction, prediction.plan.identity.task, n, one_row=one_row)
    return own if prediction.inner is None else _with_inner(own, prediction.inner, prediction)


def _with_inner(own: Output, inner: Prediction, outer: Prediction) -> Output:
    """Return the output of a prediction with the score or the class of the one inside it that it does not have."""
    if own.rankings is not None or (own.scores is not None and own.predicted is not None):
        return own
    task = outer.plan.identity.task
    output = _read_layer(inner, task, outer.count, one_row=outer.batch is None)
    if inner.inner is not None:
        output = _with_inner(output, inner.inner, outer)
    if own.scores is None and own.predicted is None:
        is_empty = output.scores is None and output.predicted is None and output.rankings is None
        return own if is_empty and output.unread is None else output
    if output.unread is None and inner.count == outer.count and not task.predicts_number:
        own.predicted = output.predicted if own.predicted is None else own.predicted
        if own.scores is None:
            own.scores, own.by_class = output.scores, output.by_class
    return own


def _read_layer(layer: Prediction, task: Task, n: int, *, one_row: bool) -> Output:
    """Read the result of one prediction as that of n rows, or of one row, without the predictions inside it."""
    if not layer.scored and not layer.decided:
        return Output() if layer.result is ABSENT else _read(task, layer.result, n, one_row=one_row)
    if task.ranks_items:
        class_and_score = (layer.predicted if layer.decided else None, layer.score if layer.scored else None)
        return rankings.read_separate(*class_and_score, n, one_row=one_row)
    output = Output()
    if layer.scored:
        output = outputs.score_of(task, layer.score, n, one_row=one_row)
    if layer.decided:
        if task.predicts_number:
            return outputs.score_of(task, layer.predicted, n, one_row=one_row)
        decided = outputs.predicted_of(layer.predicted, n)
        output.predicted, output.unread = decided.predicted, output.unread or decided.unread
    return output


def _read(task: Task, stored: Any, n: int, *, one_row: bool) -> Output:
    if task.ranks_items:
        output = rankings.read(stored, n, one_row=one_row)
        return rankings.read(stored, n, one_row=True) if n == 1 and output.unread is not None else output
    return outputs.read(task, stored, n, one_row=one_row)


def read_one(prediction: Prediction) -> tuple[Any, str, UnreadResult | None]:
    """Read the result of one row, once: score (float, tuple of k, or ranking), class, and the reason if unread."""
    if prediction.output is None:
        if type(prediction.result) is prediction.plan.score_type and not prediction.is_assigned:
            prediction.output = prediction.result, "", None
            return prediction.output
        prediction.output = _said_plainly(prediction) or outputs.output_of_row(
            prediction.plan.identity.task, read_output(prediction)
        )
    return prediction.output


def _said_plainly(prediction: Prediction) -> tuple[float, str, None] | None:
    """Return a result of plain values, as in most web responses; None if it requires the general reader (5 µs more)."""
    plan, score, decided = prediction.plan, prediction.score, prediction.predicted
    if score.__class__ is not plan.score_type:
        return None
    if not prediction.decided:
        return (score, "", None) if prediction.inner is None else None
    return (score, class_text(decided), None) if is_plain_class(plan, decided) else None


def is_plain_class(plan: CallPlan, decided: Any) -> bool:
    """Return True if a predicted class can be used without conversion."""
    plain = decided.__class__ in (str, bool) or (decided.__class__ is int and decided.bit_length() < 64)
    return plain and plan.identity.task.has_threshold
