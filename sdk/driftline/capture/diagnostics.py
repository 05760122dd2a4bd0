"""Log lines that describe how a function is read, one full sentence each, from the background thread."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftline.faults import FAULTS, logger
from driftline.inputs.batch import Unrecorded
from driftline.loss_counters import (
    DUPLICATE_NAME,
    NO_SUCH_FIELD,
    SCORE_NOT_A_NUMBER,
    TOO_MANY_FEATURES,
    UNREADABLE_TIME,
    UNRECORDED,
    UNSUPPORTED_VALUE,
    UNUSABLE,
    VECTOR_LENGTH,
    VECTOR_TOO_LONG,
)
from driftline.outputs.named_scores import NamedScores
from driftline.outputs.output import UnreadResult, are_unrelated_columns
from driftline.tables.table import F64, I64, Column, is_present
from driftline.tables.task import PerKind, Task
from driftline.tables.text import with_article

from .call_plan import CallPlan

if TYPE_CHECKING:
    from .result_selectors import ResultPart

_MOST_LETTERS = 100
"""Characters of a class name in a message; it could be a whole document by mistake."""
_MOST_CLASSES = 12
"""Classes named in a message; the others are counted."""
_MOST_FIELDS = 12
EARLIEST = 365 * 86_400 * 10**9
_MOST_AHEAD = 15 * 60 * 10**9
"""Nanoseconds by which clocks differ; a time zone that is read as UTC is at least half an hour ahead."""
_MOST_FORM = 40
"""Characters of a value whose form is named in a message."""
_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d_]")


def log_first_call(
    plan: CallPlan, rows: int | None, *, scored: bool, decided: bool, unread: UnreadResult | None
) -> None:
    """Log how the first recorded call of a function was read, and the fix if its result could not be read.

    ``rows``: rows of a batch; None for one row. ``scored``, ``decided``: whether the result had a score, or a class.
    """
    if unread is not None and not plan.has_logged_unread:
        plan.has_logged_unread = True
        logger.warning("driftline: %s", unread_line(plan, unread, rows))
    if not plan.has_logged_reading:
        plan.has_logged_reading = True
        plan.unread_parts = ()
        features_text = "no features" if plan.first_input is None else plan.first_input.text
        result = _result(plan, scored, decided)
        logger.note(
            "driftline: %s.%s: recorded %s as %s, %s",
            plan.identity.name,
            plan.name,
            features_text,
            _rows_text(rows),
            result,
        )


def unread_line(plan: CallPlan, unread: UnreadResult, rows: int | None) -> str:
    """Return the sentence for a result that could not be read, with the code that fixes it.

    ``rows``: rows of a batch; None for one row.
    """
    parts = _nameable_parts(plan, unread)
    advice = next(text for advise in _ADVICE if (text := advise(plan, unread, rows, parts)))
    return f"{plan.identity.name}.{plan.name} returned {_result_description(plan, unread)}{advice}"


def _nameable_parts(plan: CallPlan, unread: UnreadResult) -> tuple[ResultPart, ...]:
    """Return the values inside the result that the fix may name; () if values may not be logged."""
    from .result_selectors import parts_of  # imported here and below, because most processes need no advice

    parts, plan.unread_parts = plan.unread_parts or parts_of(unread.stored, plan.copy_assigned), ()
    if plan.identity.discreet or plan.fix is None:
        return ()
    if plan.selects_paths:  # a name with a point is not one step of a path
        return tuple(part for part in parts if not any("." in str(name) for _, name in part.path))
    return parts


def _advise_parts(plan: CallPlan, _: UnreadResult, rows: int | None, parts: Sequence[ResultPart]) -> str:
    """Advise the parts of the result that can be read."""
    from .result_selectors import suggest_selectors

    suggested = suggest_selectors(plan.identity.task, parts, rows, as_path=plan.selects_paths)
    return f"; specify how to read the result: {_code(plan, suggested)}" if suggested else ""


def _advise_result(plan: CallPlan, unread: UnreadResult, _: int | None, __: Sequence[ResultPart]) -> str:
    """Advise a function without a result to return one."""
    if unread.text not in ("None", "a NoneType") or plan.fix is None or plan.selects_paths:
        return ""
    return f"; return the result, or set it inside the function: {_assignment(plan)}"


def _advise_rows(plan: CallPlan, unread: UnreadResult, rows: int | None, parts: Sequence[ResultPart]) -> str:
    """Advise another number of rows, if the result can be read for it: one row, or as many as the input can be."""
    from .result_selectors import reads, suggest_selectors

    task, n = plan.identity.task, rows or 1
    other_rows = None if n > 1 else plan.unread_rows or (plan.first_input.count if plan.first_input else None)
    if n == 1 and (other_rows or 0) <= 1:
        return ""
    suggested = suggest_selectors(task, parts, other_rows, as_path=plan.selects_paths)
    if suggested and n == 1 and other_rows == plan.unread_rows:  # with it, the result decides that it is a batch
        return f"; specify how to read the result: {_code(plan, suggested)}"
    if suggested or (unread.stored is not None and reads(task, "", unread.stored, other_rows)):
        return f" for {_rows_text(rows)}; {_rows_fix(plan, n, suggested, unread)}"
    return ""


def _advise_fields(plan: CallPlan, _: UnreadResult, rows: int | None, parts: Sequence[ResultPart]) -> str:
    """Advise the first of several numbers, if their names do not say which is the score or the value."""
    from .result_selectors import unclear_numbers

    task = plan.identity.task
    numbers = unclear_numbers(task, parts, rows)
    if len(numbers) < 2 or len(numbers) > _MOST_FIELDS:
        return ""
    role, selector = ("value", "predicted") if task.predicts_number else ("score", "score")
    names = ", ".join(part.selector(as_path=True) for part in numbers)
    return f"; specify which of {names} is the {role}: {_code(plan, {selector: numbers[0]})}"


def _advise_classes(plan: CallPlan, unread: UnreadResult, _: int | None, parts: Sequence[ResultPart]) -> str:
    """Advise a model without the classes of the scores in the result to list them."""
    from .result_selectors import class_names

    task = plan.identity.task
    names = class_names([unread.stored, *(part.value for part in parts)])
    if not names or plan.identity.discreet or not task.classes or len(names) > _MOST_CLASSES:
        return ""
    positive = ", positive_class=..." if task.has_threshold else ""
    return (
        f", but the classes of {plan.identity.name} are {', '.join(map(repr, task.classes[:_MOST_CLASSES]))}; "
        f"list the classes of the scores: driftline.Model({plan.identity.name!r}, classes={names!r}{positive})"
    )


def _advise_sums(plan: CallPlan, unread: UnreadResult, _: int | None, __: Sequence[ResultPart]) -> str:
    """Advise a function whose result has a column per class that is not a class score."""
    columns = unread.stored.values if isinstance(unread.stored, NamedScores) else unread.stored
    if not isinstance(columns, np.ndarray) or columns.ndim != 2 or columns.dtype.kind != "f":
        return ""
    if columns.shape[1] != len(plan.identity.task.classes) or not are_unrelated_columns(columns):
        return ""
    return (
        ", but the class scores of a row sum to 1; convert the scores, or record each label of a multilabel model as a "
        f"separate model: {_conversion(plan)}"
    )


def _advise_form(plan: CallPlan, unread: UnreadResult, rows: int | None, _: Sequence[ResultPart]) -> str:
    """Advise what a result must be: the last advice, which always applies."""
    from .result_selectors import first_or_last

    task, n = plan.identity.task, rows or 1
    if plan.selects_paths and plan.selective and not unread.fields:  # the path leads to the result
        return f"; convert it: {_conversion(plan)}"
    if unread.count in (None, n):
        return f"; specify how to read the result: {_selector_line(plan)}"
    if n > 1:
        return f" for {_rows_text(rows)}; return one result per row{_as_list(unread)}"
    single = "a score" if task.has_threshold else "a class"
    expected = f"{single}, or {len(task.classes)} class scores whose sum is 1" if task.classes else "one result"
    selectors = "" if plan.fix is None or plan.selects_paths else first_or_last(task, unread.stored)
    code = plan.fix(selectors) if plan.fix is not None and selectors else _selector_line(plan)
    return f" for one row; a row has {expected}: {code}"


_ADVICE = (_advise_parts, _advise_result, _advise_rows, _advise_classes, _advise_fields, _advise_sums, _advise_form)
"""In this order: each returns the end of the sentence, or "" if it does not apply."""


def _code(plan: CallPlan, suggested: Mapping[str, ResultPart], *more: str) -> str:
    """Return the code that sets selectors to parts of a result."""
    chosen = [f"{name}={part.selector(as_path=plan.selects_paths)}" for name, part in suggested.items()]
    return "" if plan.fix is None else plan.fix(", ".join((*more, *chosen)))


def _rows_fix(plan: CallPlan, n: int, suggested: Mapping[str, ResultPart], unread: UnreadResult) -> str:
    """Return the fix if the result is that of one row and the input has n rows, or the result is that of a batch."""
    fix = f"return one result per row{_as_list(unread)}" if n > 1 else "return one result"
    if n == 1 and plan.fix is None:  # an estimator
        return "pass one row per value, such as values.reshape(-1, 1)"
    if plan.fix is None or plan.selects_paths:
        return fix
    condition = (
        "the input is one prediction, specify its features" if n > 1 else "each value is a prediction, pass rows"
    )
    return f"{fix}, or, if {condition}, such as {_rows_code(plan, n, suggested)}"


def _as_list(unread: UnreadResult) -> str:
    """Return that the results of the rows must be a list if they are a tuple, whose values may be parts of one."""
    return ", in a list" if unread.text.startswith("a tuple of ") else ""


def _rows_code(plan: CallPlan, n: int = 1, suggested: Mapping[str, ResultPart] = MappingProxyType({})) -> str:
    """Return the code that makes n rows one row, or each value of a list a row."""
    name = plan.inputs.argument or "value"
    row = f'{{"rows": {n}}}' if n > 1 else f"[{{{json.dumps(name)}: value}} for value in {name}]"
    if n == 1 and plan.first_input is not None and plan.first_input.fields:  # a mapping of columns
        row = f"[dict(zip({name}, row)) for row in zip(*{name}.values())]"
    return _code(plan, suggested, f"features=lambda {plan.inputs.parameters}: {row}")


def warn_rows_changed(plan: CallPlan, rows: int) -> None:
    """Warn that inputs of earlier calls, whose results also fit n rows, were recorded as one row."""
    fix = f": {_rows_code(plan)}" if plan.fix is not None and not plan.selects_paths else ""
    logger.warning(
        "driftline: %s.%s returned a result per value for an input of %d values; earlier inputs, whose results could "
        "also be the class scores of one row, were recorded as one row, and later ones are recorded as a row per "
        "value; pass rows%s",
        plan.identity.name, plan.name, rows, fix,
    )  # fmt: skip


def _assignment(plan: CallPlan) -> str:
    task = plan.identity.task
    return f"driftline.current().{'predicted' if task.predicts_number or task.ranks_items else 'score'} = ..."


def _conversion(plan: CallPlan, *names: str) -> str:
    """Return the code that converts a result: of a route, whose selectors are paths, in its handler."""
    return f"in the handler, {_assignment(plan)}" if plan.selects_paths else _selector_line(plan, *names)


def _selector_line(plan: CallPlan, *names: str) -> str:
    """Return the code that sets selectors to values that the user chooses. ``names``: default: those of the task."""
    task = plan.identity.task
    names = names or (("predicted",) if task.predicts_number or task.ranks_items else ("score", "predicted"))
    if plan.fix is None:
        return f"with {plan.identity.name}.prediction(features=...) as p: p.{names[0]} = ..."
    value = '"..."' if plan.selects_paths else "lambda result: ..."
    return plan.fix(", ".join(f"{name}={value}" for name in names))


def _rows_text(rows: int | None) -> str:
    return "one row" if rows in (None, 1) else f"{rows} rows"


def warn_unrecorded(plan: CallPlan, given: str, unrecorded: Unrecorded) -> None:
    """Count an input whose features cannot be recorded, and warn once per function and kind of input, with the fix.

    ``given``: description of the input.
    """
    n = unrecorded.rows or 1
    UNRECORDED.add((plan.identity.name, unrecorded.reason), n)
    if FAULTS.once(f"unrecorded {plan.identity.name} {plan.name} {given.partition(' with ')[0]} {unrecorded.reason}"):
        logger.warning(
            "driftline: %s was called with %s; its features are not recorded%s",
            plan.name, given, f": {unrecorded.fix}" if unrecorded.fix else f"; {_features_line(plan, n)}",
        )  # fmt: skip


def _features_line(plan: CallPlan, n: int) -> str:
    if plan.fix is None:
        return f"specify the features: with {plan.identity.name}.prediction(features={{...}}) as p: ..."
    if plan.selects_paths:
        chosen = 'features="body:..."'
        return f"specify the part that contains them: {plan.fix(chosen)}"
    features = "{...}" if n == 1 else f"[{{...}} for row in {plan.inputs.argument or 'rows'}]"
    return f"specify the features: {plan.fix(f'features=lambda {plan.inputs.parameters}: {features}')}"


_UNUSABLE_FIELDS = {
    UNSUPPORTED_VALUE: "{} has values that cannot be recorded{}; pass numbers, texts, booleans or times, or record "
    "other fields",
    VECTOR_LENGTH: "{} has vectors of different lengths; those of the less frequent lengths are missing; pass vectors "
    "of one length, or record other fields",
    VECTOR_TOO_LONG: "{} has vectors of more than 4,096 numbers, which are not recorded; record a shorter embedding, "
    "or other fields",
    TOO_MANY_FEATURES: "{} and later fields are after the first 1,000 features, and are not recorded; name the fields "
    "to record",
    DUPLICATE_NAME: "a second column has the name {}, and is not recorded; rename it, or name the fields to record",
}


def warn_unusable_field(plan: CallPlan, field: str, reason: str, kind: str = "") -> None:
    """Warn once per function, field and reason about values that cannot be recorded; of many columns, about one.

    ``kind``: name of the type of such a value.
    """
    once = "" if reason == TOO_MANY_FEATURES else field
    if plan.is_feature(field) and FAULTS.once(f"{reason} {once} {plan.identity.name} {plan.name}"):
        kind_text = f" ({with_article(kind)})" if kind else ""
        selection = f"driftline.Model({plan.identity.name!r}, feature_names=(...))"
        logger.warning(
            "driftline: %s.%s: %s: %s",
            plan.identity.name, plan.name, _UNUSABLE_FIELDS[reason].format(repr(field), kind_text),
            selection if plan.fix is None or plan.selects_paths
            else f"{selection}, or {plan.fix(f'features=lambda {plan.inputs.parameters}: {{...}}')}",
        )  # fmt: skip


def warn_wrong_count(plan: CallPlan, what: str, count: int, rows: int, instead: str) -> None:
    """Warn once per function about ids, times or slices whose number is not that of the rows."""
    if FAULTS.once(f"count of {what} {plan.identity.name} {plan.name}"):
        logger.warning(
            "driftline: %s.%s: %d %s were passed for %d rows, so %s; pass one per row",
            plan.identity.name, plan.name, count, what, rows, instead,
        )  # fmt: skip


def warn_strangers(plan: CallPlan) -> None:
    """Warn once per function about elements of a batch that are not rows."""
    if FAULTS.once(f"strangers {plan.identity.name} {plan.name}"):
        logger.warning(
            "driftline: %s.%s was called with a list whose elements are not all rows; the others are recorded without "
            "features; pass a row per element, such as a dict; %s",
            plan.identity.name, plan.name, _features_line(plan, 2),
        )  # fmt: skip


def warn_unusable_columns(plan: CallPlan, counts: Mapping[str, int], columns: Iterable[tuple[str, Any]]) -> None:
    """Warn about the columns whose values could not be recorded, the first time that a function has any of a reason.

    ``counts``: number of values by reason. ``columns``: name, and the values, which are read once more.
    """
    from driftline.inputs.column import read_column

    new = [reason for reason in counts if FAULTS.once(f"{reason} {plan.identity.name} {plan.name}")]
    for name, values in columns if new else ():
        with UNUSABLE.within() as again:
            read_column(values)
        for reason, n in again.items():
            UNUSABLE.add(reason, -n)
            if reason in _UNUSABLE_FIELDS:
                warn_unusable_field(plan, str(name), reason)


def warn_improbable_scores(plan: CallPlan, scores: F64) -> None:
    """Warn once if scores of a binary model are not probabilities, such as logits. ``scores``: float64 (n, 1)."""
    if ((scores < 0) | (scores > 1)).any() and FAULTS.once(f"improbable {plan.identity.name} {plan.name}"):
        logger.warning(
            "driftline: %s.%s returns scores outside 0 to 1, which are not probabilities: these rows have a predicted "
            "class, but no log loss and no calibration; convert the scores to probabilities: %s",
            plan.identity.name, plan.name, _conversion(plan, "score"),
        )  # fmt: skip


def count_unsound_scores(plan: CallPlan, rows: int) -> None:
    """Count rows whose score is NaN or infinite, and warn once per function."""
    UNRECORDED.add((plan.identity.name, SCORE_NOT_A_NUMBER), rows)
    if rows > 0 and FAULTS.once(f"unsound score {plan.identity.name} {plan.name}"):
        logger.warning(
            "driftline: %s.%s returns scores that are NaN or infinite: these predictions are counted, but they have no "
            "score and cannot be evaluated; look for missing values in the input of the model",
            plan.identity.name, plan.name,
        )  # fmt: skip


def warn_improbable_times(plan: CallPlan, values: NDArray[Any] | Column, times: I64, now: I64) -> NDArray[np.bool_]:
    """Warn about times that cannot be read, and about times in the future; return which cannot be read: bool (n,).

    Numbers within the first year of unix time are no times: a boolean, a counter, a date such as 20261120.

    Args:
        plan: The function.
        values: The times as they were given, n values.
        times: int64 (n,), the same in unix nanoseconds, 0 if unreadable or missing.
        now: int64 (n,), the times of the calls.
    """
    undated = times < EARLIEST
    if undated.any():
        column = values if isinstance(values, Column) else Column(numbers=values.astype(np.float64))
        undated &= is_present(column)
        if column.codes is not None and "" in column.categories:  # an empty text is a missing time
            undated &= column.codes != column.categories.index("")
        unreadable = np.flatnonzero(undated)
        if len(unreadable):
            code = -1 if column.codes is None else column.codes[unreadable[0]]
            warn_unreadable_times(plan, len(unreadable), column.categories[code] if code >= 0 else 0)
    warn_future_times(plan, int((times - now).max(initial=0)))
    return undated


def warn_unreadable_times(plan: CallPlan, rows: int, value: object) -> None:
    """Count times that cannot be read, and warn once per function. ``value``: the first, of which the form is named."""
    UNUSABLE.add(UNREADABLE_TIME, rows)
    if FAULTS.once(f"unreadable time {plan.identity.name} {plan.name}"):
        form = "other numbers"
        if isinstance(value, str):
            form = f"a text of the form {_LETTER.sub('a', _DIGIT.sub('9', value[:_MOST_FORM]))!r}"
            if value.isdigit():
                form = f"a text of {len(value)} digits"
        logger.warning(
            "driftline: %s.%s reads times from %s, but some cannot be read, such as %s: the time of the call is used "
            "instead; pass datetimes, ISO 8601 texts such as '2026-11-20T08:00:00Z', or unix times as numbers",
            plan.identity.name, plan.name, _time_source(plan), form,
        )  # fmt: skip


def warn_future_times(plan: CallPlan, ahead: int) -> None:
    """Warn once per function about times in the future. ``ahead``: nanoseconds after the call."""
    if ahead > _MOST_AHEAD and FAULTS.once(f"future time {plan.identity.name} {plan.name}"):
        logger.warning(
            "driftline: %s.%s reads times from %s, and some are %.3g hours after the call: they are in windows of the "
            "future; times without a time zone are read as UTC, so pass times with their time zone",
            plan.identity.name, plan.name, _time_source(plan), ahead / 3.6e12,
        )  # fmt: skip


def _time_source(plan: CallPlan) -> str:
    return f"the field {plan.inputs.time_field!r}" if plan.inputs.time_field else "time="


def warn_absent_fields(
    plan: CallPlan,
    names: tuple[str, ...],
    rows: int,
    *,
    ids: bool = True,
    fields: Collection[str | None] | None = None,
    index: Collection[str] = (),
) -> None:
    """Warn once per field that is selected as id, time or slice but missing in the input.

    Rows without their time or slice are counted; a missing id can still be given in another way. ``names``: fields of
    the input. ``ids``: whether the id is expected in the input. ``fields``: fields that were found in the input or in
    an argument; required if arguments are searched too. ``index``: names of the index of a DataFrame.
    """

    def warn(kind: str, field: str, then: str) -> None:
        if field in index:
            then = f"{field!r} is the index of the DataFrame: pass frame.reset_index(); {then}"
        _warn_absent(plan, names, kind, field, then)

    inputs = plan.inputs
    if fields is None:
        if inputs.as_given:
            return
        fields = names
    if ids and inputs.id_field and inputs.id_field not in fields:
        warn(
            "ids", inputs.id_field,
            "if the id is not set in another way, it is generated and no outcome can be joined: "
            f"set id= to {_selectable(plan, 'a field')}",
        )  # fmt: skip
    if inputs.time_field and inputs.time_field not in fields:
        UNUSABLE.add(NO_SUCH_FIELD, rows)
        warn(
            "times", inputs.time_field,
            f"the time of the call is used instead: set time= to {_selectable(plan, 'a field', by_source=False)}",
        )  # fmt: skip
    for field in inputs.slice_fields:
        if field not in fields:
            UNUSABLE.add(NO_SUCH_FIELD, rows)
            warn(
                "slices", field,
                f"these rows are not in its slices: set slices= to {_selectable(plan, 'fields')}",
            )  # fmt: skip


def _selectable(plan: CallPlan, fields: str, *, by_source: bool = True) -> str:
    """Return the values that a selector of the input may have: for a route, an estimator or a decorator."""
    if plan.selects_paths:
        return f"{fields} of the features{' or to another part of the request, such as header:x-order' * by_source}"
    if plan.fix is None:
        return f"{fields} of the input"
    return f"{fields}, {'an argument' if fields == 'a field' else 'arguments'} or a function of the arguments"


def warn_absent_features(plan: CallPlan, names: Collection[str]) -> None:
    """Warn once about features of the model that the input lacks, with the field of a similar name if there is one.

    ``names``: fields of the input. Descriptors of texts (``review.length``) are not fields.
    """
    features = plan.identity.features
    if features is None or plan.inputs.as_given:
        return
    absent = [name for name in features if name not in names and name.rpartition(".")[0] not in names]
    if (
        not absent
        or len(absent) == len(features)
        or not FAULTS.once(f"absent features {plan.identity.name} {plan.name}")
    ):
        return
    from difflib import get_close_matches

    others = {str(name).lower(): str(name) for name in names if name not in features}
    near = [others[match] for name in absent for match in get_close_matches(name.lower(), others, 1, 0.8)]
    logger.warning(
        "driftline: %s.%s was called without %s%s, which the baseline or feature_names= of %s has: these values are "
        "missing; pass the same names",
        plan.identity.name, plan.name, _first_names(absent), f" but with {_first_names(near)}" if near else "",
        plan.identity.name,
    )  # fmt: skip


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_MOST_FIELDS])) + (", ..." if len(names) > _MOST_FIELDS else "")


def _warn_absent(plan: CallPlan, names: tuple[str, ...], kind: str, field: str, then: str) -> None:
    if FAULTS.once(f"absent {kind} {field} {plan.identity.name} {plan.name}"):
        from difflib import get_close_matches

        near = (
            names if len(names) <= _MOST_FIELDS else get_close_matches(field, list(map(str, names)), _MOST_FIELDS, 0.0)
        )
        near_names = ", ".join(map(repr, near)) + (", ..." if len(names) > _MOST_FIELDS else "")
        logger.warning(
            "driftline: %s.%s reads %s from the field %r, but %s %s; %s",
            plan.identity.name, plan.name, kind, field,
            "no argument has this name, and features= returned" if plan.inputs.as_given else "was called with",
            f"the fields {near_names}" if names else "no fields", then,
        )  # fmt: skip


def warn_unknown_class(plan: CallPlan, decided: Iterable[str]) -> None:
    """Warn once if a function predicts a class that its model does not have, and how to name the classes.

    ``decided``: the distinct predicted classes of some calls.
    """
    if plan.has_logged_unknown_class:
        return
    classes = plan.identity.task.classes
    strange = next((text for text in decided if text not in classes), None)
    if strange is None or not classes:
        return
    plan.has_logged_unknown_class = True
    name = plan.identity.name
    class_text = "a class" if plan.identity.discreet else f"class {strange[:_MOST_LETTERS]!r}"
    argument = ", positive_class=..." if plan.identity.task.has_threshold else ""
    logger.warning(
        "driftline: %s.%s predicts %s, but the classes of %s are %s: list all classes in the order of the scores, "
        "driftline.Model(%r, classes=(...)%s); otherwise, predictions and outcomes of this class cannot be used",
        name, plan.name, class_text, name, ", ".join(map(repr, classes)), name, argument,
    )  # fmt: skip


def _result_description(plan: CallPlan, result: UnreadResult) -> str:
    """Return the description of a result. Keys are only counted if values may not be exported: they can be values."""
    if not plan.identity.discreet or not result.fields:
        return result.text
    kind, _, rest = result.text.partition(" with ")
    _, without, missing = rest.rpartition(" without ")
    return f"{kind} of {len(result.fields)}{without}{missing if without else ''}"


def _result(plan: CallPlan, scored: bool, decided: bool) -> str:
    task = plan.identity.task
    result_text = "the assigned result" if plan.first_result is None else _result_description(plan, plan.first_result)
    if not scored:
        return f"{result_text} as the predicted class" if decided else f"{result_text} could not be read"
    if plan.by_class and len(task.classes) <= _MOST_CLASSES:
        classes = ", ".join(map(repr, task.classes))
        fix = "classes=..., positive_class=..." if task.has_threshold else "classes=..."
        order = f"{result_text} as the scores of classes {classes} in this order"
        return f"{order} (if the classes or their order differ: Model({fix}))"
    if task.has_threshold and decided and plan.predicted is not None:
        return f"{result_text} as the score of class {task.positive_class!r} and the predicted class"
    return f"{result_text} as {_SCORES_IN_WORDS.of(task)(task)}"


def _score_at_threshold(task: Task) -> str:
    return f"the score of class {task.positive_class!r} (threshold {task.threshold:g})"


_SCORES_IN_WORDS: PerKind[Callable[[Task], str]] = PerKind(
    binary=_score_at_threshold,
    multiclass=lambda task: f"the scores of {len(task.classes)} classes",
    regression=lambda _: "the value",
    ranking=lambda _: "items, best first",
    unknown=lambda _: "a score",
)
