"""The rows of one file: predictions and actual values in memory, features in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.inputs.text_descriptors import described, with_short_texts
from driftline.inputs.vocabulary import Vocabulary
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.panes.relevance import Relevance
from driftline.privacy.policy import rules_in_force
from driftline.privacy.rules import Rule
from driftline.tables.classes import class_column
from driftline.tables.table import F64, I64, Column, Items, ModelKey, PredictionTable, Text, take_rows, without_errors
from driftline.tables.task import Task
from msgspec import Struct, field, structs
from numpy.typing import NDArray

from driftline_processor.core.service_level.sums import OTHER_ERROR
from driftline_processor.present.numbers import many

from .arrow_columns import as_known, column, is_nested, is_time, is_vector
from .column_options import ColumnOptions
from .column_roles import TRACES, Roles, id_column
from .errors import BadInput, Say
from .number_format import first_value, with_hint
from .row_store import Reading, RowStore, chunks_of, gather_columns, is_many, numbered_batches
from .score_lists import split_scores
from .source import Source, has_several_types, readable
from .times import UNIT_NAMES, Times, read_times


class FileRows(Struct, frozen=True):
    """n rows of one file.

    Attributes:
        time: Unix nanoseconds, None without a time column.
        scores: As in :class:`PredictionTable`.
        predicted: As in :class:`PredictionTable`.
        actual: None without such a column.
        usable: bool (n,), False if the time cannot be read; None if all are True.
        cluster: See :class:`Roles`.
        slices: See :class:`Roles`.
        outcome_time: Time of the outcome, unix nanoseconds, 0 = none.
        value: Value of the outcome.
        outcome_slices: Slices of the outcome.
        items: The ranking, ``relevance``: the relevance of its items.
        duration: Duration of each call in seconds, float64 (n,).
        errors: As in :class:`PredictionTable`.
    """

    source: Source
    time: I64 | None = None
    scores: F64 | None = None
    predicted: Column | None = None
    actual: Column | None = None
    usable: NDArray[np.bool_] | None = None
    cluster: Column | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    outcome_time: I64 | None = None
    value: F64 | None = None
    outcome_slices: Mapping[str, Column] = field(default_factory=dict)
    items: Items | None = None
    relevance: Relevance | None = None
    duration: F64 | None = None
    errors: Column | None = None

    def __len__(self) -> int:
        return self.source.rows


def read_rows(source: Source, roles: Roles, task: Task, say: Say, store: RowStore | None = None) -> FileRows:
    """Read the columns of a file about predictions, actual values and calls, without features.

    ``store``: where they are stored; None = a new store.
    """
    store = RowStore() if store is None else store
    rows, scores = source, tuple(roles.scores_of(task))
    if not task.ranks_items:
        [source], scores = split_scores([source], scores, say)
    predicted = Reading(roles.predicted if task.may_have_classes else "", False, classes=True)
    actual = Reading("" if task.ranks_items else roles.actual, task.predicts_number, task.may_have_classes)
    latency, error, cluster = Reading(roles.latency, True), Reading(roles.error, False), Reading(roles.cluster, None)
    slices = {name: Reading(name, False, classes=True) for name in roles.slices}
    plain = [predicted, actual, latency, error, *slices.values(), *(Reading(name, True) for name in scores)]
    for reading in plain:
        _check_plain(source, reading.name)
    with readable(source.path):
        read = gather_columns(source, {reading for reading in (*plain, cluster) if reading.name}, store)
        return FileRows(
            rows,
            scores=_scores(source, {name: read[Reading(name, True)] for name in scores}, say, store),
            predicted=read.get(predicted),
            actual=read.get(actual),
            cluster=read.get(cluster),
            slices={name: with_short_texts(read[reading]) for name, reading in slices.items()},
            duration=_durations(source, roles.latency, read[latency], say) if roles.latency else None,
            errors=_errors(source, read[error]) if roles.error else None,
        )


def shape_scores(read: FileRows, task: Task) -> FileRows:
    """Return rows with scores in the shape of the task: one column for binary, one per class for multiclass."""
    if read.scores is None:
        return read
    try:
        return structs.replace(read, scores=task.shape_scores(read.scores))
    except ValueError as error:
        raise BadInput(f"{error}", "score") from error


def table_batches(
    read: FileRows, roles: Roles, key: ModelKey, task: Task, baseline: Baseline
) -> Iterator[PredictionTable]:
    """Yield the rows in batches as tables, documents as their descriptors.

    In a file without types, features get the type of their bins. Otherwise a text is a text, as in a service, even
    "12".
    """
    schema, bins, texts = read.source.schema, baseline.bins.features, baseline.texts
    looks = read.source.by_looks
    numeric = {
        name: name in looks
        and name not in texts
        and isinstance(bins[name], NumberBins)
        and not has_several_types(schema.field(name))
        for name in roles.features
        if (name in bins or name in texts) and name in schema.names and _readable(name, schema, baseline)
    }
    categories = {
        name: over.categories for name in numeric if name in looks and isinstance(over := bins.get(name), CategoryBins)
    }
    rules = rules_of(baseline)
    cuts = {**read.slices, **({} if read.cluster is None else {roles.cluster: read.cluster})}
    start = 0
    for batch in read.source.batches(numeric):
        n = batch.num_rows
        part = slice(start, start + n)
        yield PredictionTable(
            key=key,
            task=task,
            time=np.zeros(n, np.int64) if read.time is None else read.time[part],
            id=Text(np.zeros(n + 1, np.int32), b""),
            scores=None if read.scores is None else read.scores[part],
            predicted=None if read.predicted is None else take_rows(read.predicted, part),
            features=_features(batch, numeric, categories, texts, rules),
            slices={name: take_rows(values, part) for name, values in cuts.items()},
            duration=None if read.duration is None else read.duration[part],
            errors=None if read.errors is None else take_rows(read.errors, part),
        )
        start += n


def _readable(name: str, schema: pa.Schema, baseline: Baseline) -> bool:
    """Return True if a column has plain values, or vectors for an embedding of the baseline."""
    kind = schema.field(name).type
    return not is_nested(kind) or (is_vector(kind) and name in baseline.bins.projections)


def text_columns(baseline: Baseline, options: ColumnOptions) -> set[str]:
    """Return the columns that are read as texts: ids, versions, known categories and documents."""
    categories = {name for name, over in baseline.bins.features.items() if isinstance(over, CategoryBins)}
    names = {id_column(options, baseline.columns), options.version_column, *TRACES} - {""}
    return {*names, *categories, *baseline.texts}


def feature_names(baseline: Baseline) -> tuple[str, ...]:
    """Return the features in the order of the reference's columns."""
    return tuple(baseline.columns.get("features", ()) or baseline.bins.features)


def number_features(baseline: Baseline) -> set[str]:
    """Return the features that are compared as numbers; a baseline without values of a feature has a single bin."""
    numbers = {name for name, over in baseline.bins.features.items() if isinstance(over, NumberBins) and over.size > 1}
    return numbers.difference(baseline.texts)


def rules_of(baseline: Baseline) -> dict[str, Rule | None]:
    """Return the rule of each hashed or rounded feature of the baseline, None if the environment has no key for it."""
    ruled = baseline.extras.applied_rules
    return {} if ruled is None else {name: rules_in_force(None).rule(name) for name in ruled.by_feature}


def _features(
    batch: pa.RecordBatch,
    numeric: Mapping[str, bool],
    categories: Mapping[str, Sequence[str]],
    texts: Mapping[str, Vocabulary],
    rules: Mapping[str, Rule | None],
) -> dict[str, Column]:
    columns = {name: column(batch.column(name), number) for name, number in numeric.items()}
    columns |= {name: as_known(columns[name], category) for name, category in categories.items()}
    short = {name: values if name in texts else with_short_texts(values) for name, values in columns.items()}
    return {name: ruled(values, rules.get(name)) for name, values in described(short, texts).items()}


def ruled(values: Column, rule: Rule | None) -> Column:
    """Return the values under a privacy rule; without a rule, the values."""
    ruled_values = None if rule is None else rule.column(values)
    if ruled_values is None:
        return values
    return ruled_values if isinstance(ruled_values, Column) else Column(numbers=np.asarray(ruled_values, np.float64))


def select_rows(table: PredictionTable, mask: NDArray[np.bool_]) -> PredictionTable:
    """Return the rows of a table where ``mask`` (bool (n,)) is true."""
    n = int(np.count_nonzero(mask))
    return replace(
        table,
        time=table.time[mask],
        id=Text(np.zeros(n + 1, np.int32), b""),
        scores=None if table.scores is None else table.scores[mask],
        predicted=None if table.predicted is None else take_rows(table.predicted, mask),
        features={name: take_rows(values, mask) for name, values in table.features.items()},
        slices={name: take_rows(values, mask) for name, values in table.slices.items()},
        duration=None if table.duration is None else table.duration[mask],
        errors=None if table.errors is None else take_rows(table.errors, mask),
    )


def add_times(reads: Sequence[FileRows], name: str, say: Say, store: RowStore) -> list[FileRows]:
    """Read the time of every row; rows with an unreadable time are counted, reported and left out.

    Raises :class:`BadInput` if a file has values but no times, or no file has a value.
    """
    timed = [_with_time(read, name, say, store) for read in reads]
    if all(read.usable is not None and not read.usable.any() for read in timed):
        raise BadInput(no_time(reads[0].source, name))
    return timed


def _with_time(read: FileRows, name: str, say: Say, store: RowStore) -> FileRows:
    source = read.source
    with readable(source.path):
        times = _times(source, name, store)
    if times.unit:
        say(f"{source.path}: {name}: read as unix {UNIT_NAMES[times.unit]}")
    bad = np.flatnonzero(~times.readable)
    if len(bad):
        first, values = int(bad[0]), source.column(name)
        if len(bad) == source.rows and values.null_count < source.rows:
            raise BadInput(no_time(source, name))
        value = values[first].as_py()
        say(
            f"{source.path}: {name}: left out {many(len(bad))} without a readable time: "
            f"the first is row {first + 1}, {value!r}"
        )
    return structs.replace(read, time=times.values, usable=times.readable if len(bad) else None)


def no_time(source: Source, name: str) -> str:
    """Return the message about a column without a readable time, with its first value and the option that reads it."""
    values = source.column(name).drop_null()
    first = values[0].as_py() if len(values) else None
    shown_value = with_hint(first.strip()) if isinstance(first, str) else repr(first)
    return f"{source.path}: {name}: none of the values can be read as a time; the first is {shown_value}"


def _times(source: Source, name: str, store: RowStore) -> Times:
    """Read a column of times; in batches for many rows, unless the unit of numbers depends on all of them."""
    if not is_many(source.rows) or not is_time(source.schema.field(name).type):
        times = read_times(source.column(name))
        return Times(store.keep(times.values), times.readable, times.unit)
    values, readable = store.empty(source.rows, np.int64), np.empty(source.rows, np.bool_)
    for start, batch in numbered_batches(source, {name}):
        part, rows_here = read_times(pa.chunked_array([batch.column(name)])), slice(start, start + batch.num_rows)
        values[rows_here], readable[rows_here] = part.values, part.readable
        store.release()
    return Times(values, readable)


def _scores(source: Source, columns: Mapping[str, Column], say: Say, store: RowStore) -> F64 | None:
    if not columns:
        return None
    values = [_numbers(source, name, column, say) for name, column in columns.items()]
    if len(values) == 1:
        return values[0].reshape(-1, 1)
    scores: F64 = store.empty(source.rows * len(values), np.float64).reshape(source.rows, len(values))
    for part in chunks_of(source.rows):
        scores[part] = np.column_stack([value[part] for value in values])
    store.release()
    return scores


_RETURNED = frozenset({"", "0", "false", "none"})
"""Texts in an error column, in lower case, that mean success."""


def _durations(source: Source, name: str, column: Column, say: Say) -> F64:
    """Read the durations of calls in seconds; a column whose name ends in ``_ms`` is in milliseconds."""
    values = _numbers(source, name, column, say, "a latency")
    if name.lower().endswith("_ms"):
        say(f"{source.path}: {name}: read as milliseconds")
        return values / 1_000
    finite_values = values[np.isfinite(values)]
    # 60.0: seconds; a larger median means that the unit is probably milliseconds
    if len(finite_values) and (middle := float(np.median(finite_values))) > 60.0:
        say(
            f"{source.path}: {name}: read as seconds, with a median of {middle:.4g}; "
            f"rename the column to {name}_ms if it contains milliseconds"
        )
    return values


def _errors(source: Source, column: Column) -> Column:
    """Read the error of each call; a flag marks an error without a name."""
    column = class_column(column)
    if column.codes is None:
        return without_errors(source.rows)
    categories = [text.strip() for text in column.categories]
    failed = [text.lower() not in _RETURNED for text in categories]
    place = np.array([*(code if fails else -1 for code, fails in enumerate(failed)), -1], np.int32)
    error_names = tuple(OTHER_ERROR if text.lower() in ("1", "true") else text for text in categories)
    return Column(codes=place[column.codes], categories=error_names)


def _numbers(source: Source, name: str, values: Column, say: Say, what: str = "a score") -> F64:
    """Return a numeric column; other texts are reported and count as missing."""
    stray = np.zeros(0, np.intp) if values.codes is None else np.flatnonzero(values.codes >= 0)
    if len(stray) and values.codes is not None:
        first = first_value(values, int(stray[0]), int(stray[0]))
        if values.numbers is None or np.isnan(values.numbers).all():
            raise BadInput(
                f"{source.path}: {name}: {what} must be a number, but there are none; the first value is {first}"
            )
        say(f"{source.path}: {name}: {many(len(stray))} without a number, treated as missing: the first is {first}")
    return np.full(source.rows, np.nan) if values.numbers is None else values.numbers


def _check_plain(source: Source, name: str) -> None:
    """Raise :class:`BadInput` if a column has no plain values."""
    if name and is_nested(source.schema.field(name).type):
        raise BadInput(f"{source.path}: column '{name}' contains lists or structures; use a column of plain values")
