"""The role of each column: from the options, else from the baseline, else from its name."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.core.nearest_names import listed, respelled
from driftline_processor.present.numbers import many

from .arrow_columns import is_nested, is_time, is_vector
from .column_options import NO_OUTCOMES, ColumnOptions, near_listed
from .errors import BadInput, Say, missing_option, option_text, quiet
from .source import Source
from .sources import FilteredSource

NO_FEATURES = "none"
"""Value of ``--text-features`` and ``--category-features`` if no feature is one."""

TRACES = ("trace_id", "span_id")
"""Columns of trace ids, hexadecimal or bytes, which are features only if named."""

_INDEX = re.compile(r"|__index_level_\d+__|Unnamed: \d+")


class Roles(Struct, frozen=True):
    """The columns of each role; empty if there is none.

    Attributes:
        score: In the order of the classes.
        cluster: The column whose equal values define clusters.
        unknown: Possible features that the baseline lacks.
        slices: The slice columns, which may also be features.
        items: The rankings.
        version: The version of the model.
        latency: The duration of the call.
        error: The error of the call.
    """

    features: tuple[str, ...]
    score: tuple[str, ...] = ()
    predicted: str = ""
    actual: str = ""
    time: str = ""
    id: str = ""
    cluster: str = ""
    unknown: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    items: str = ""
    version: str = ""
    latency: str = ""
    error: str = ""

    def scores_of(self, task: Task) -> tuple[str, ...]:
        """Return the score columns of a task; for a regression the predicted value."""
        return self.score or ((self.predicted,) if self.predicted and task.predicts_number else ())


Columns = Mapping[str, str | Sequence[str]]
"""Role → the column or columns of the reference rows, as stored in a baseline."""


def match_patterns(names: Sequence[str], patterns: Sequence[str], option: str, path: str) -> tuple[str, ...]:
    """Return the names that match patterns such as ``features.*``, in order; a name matches itself.

    Raises :class:`BadInput` if a pattern matches no name.

    >>> match_patterns(["id", "features.age", "features.plan"], ["features.*"], "features", "log.jsonl")
    ('features.age', 'features.plan')
    """
    matched: dict[str, None] = {}
    for pattern in patterns:
        matches = [pattern] if pattern in names else [name for name in names if fnmatchcase(name, pattern)]
        if not matches:
            raise BadInput(
                f"{path}: no column '{pattern}' ({option_text(option)}); {near_listed(pattern, tuple(names))}"
            )
        matched |= dict.fromkeys(matches)
    return tuple(matched)


def has_patterns(names: Sequence[str]) -> bool:
    """Return True if a name is a pattern, such as ``features.*``."""
    return any(glob.has_magic(name) for name in names)


def filter_rows(sources: Sequence[Source], names: Sequence[str], say: Say) -> list[Source]:
    """Return the rows with a value in one of the matched columns; the others are counted and reported."""
    filtered_sources = [FilteredSource(source, names) for source in sources]
    for source in filtered_sources:
        if not source.rows:
            raise BadInput(f"{source.path}: no row has a value in {listed(list(names))}")
        if source.left_out:
            say(f"{source.path}: left out {many(source.left_out)} without a value in {listed(list(names))}")
    return list(filtered_sources)


def id_column(options: ColumnOptions, columns: Columns) -> str:
    """Return the id column, if any; it must be known before a CSV is parsed, or 007 becomes 7."""
    return options.id or "".join(_remembered(columns, "id")) or "id"


def find_roles(
    sources: Sequence[Source],
    options: ColumnOptions,
    say: Say,
    baseline: Baseline | None = None,
    features: Collection[str] | None = None,
) -> Roles:
    """Find the columns of every role in all files.

    ``baseline``: defines the task and default columns; None if the rows become a baseline. While the task is unknown,
    there are no scores, predictions or actual values. ``features``: those of the baseline; None = all other columns.

    Raises :class:`BadInput` if a named column is missing.
    """
    task = Task(options.task) if baseline is None else baseline.task
    columns: Columns = {} if baseline is None else baseline.columns
    embeddings = None if baseline is None else baseline.bins.projections
    names = tuple(dict.fromkeys(name for source in sources for name in source.schema.names))
    reserved = set(features or ())

    def find(part: str, columns_given: Sequence[str]) -> tuple[str, ...]:
        for name in columns_given:
            _demand(sources, name, part)
        if columns_given:
            return tuple(columns_given)
        remembered = _remembered(columns, part)
        if remembered and all(name in names for name in remembered):
            return remembered
        alike = respelled(remembered, names)
        if remembered and (alike or part in ("score", "predicted")):
            say(
                f"no column '{listed(remembered)}', which is the baseline's {part}: results that require it are missing"
                f"{alike}"
            )
        return (part,) if not remembered and part in names and part not in reserved else ()

    named_actual = "" if options.actual == NO_OUTCOMES else options.actual
    if not task.kind and (options.score or options.predicted or named_actual):
        raise missing_option("task", "use binary, multiclass, regression or ranking")
    score = find("score", options.score) if task.kind else ()
    predicted = find("predicted", _name_tuple(options.predicted)) if task.kind else ()
    actual = find("actual", _name_tuple(named_actual)) if task.kind and options.actual != NO_OUTCOMES else ()
    if task.kind and features is None and not score and not predicted:
        near_names = respelled(("score", "predicted"), names)
        say(f"there is no score and no predicted class: only features are compared{near_names}")
    time = find("time", _name_tuple(options.time))
    if time and not options.time and all(pa.types.is_null(source.schema.field(time[0]).type) for source in sources):
        say(f"no value in '{time[0]}', which has the times of the baseline: results that require times are missing")
        time = ()
    if not time and (time := _only_time(sources, names, reserved)):
        say(f"the time is read from '{time[0]}', the only column with times")
    ids = find("id", _name_tuple(options.id))
    if options.cluster:
        _demand(sources, options.cluster, "cluster")
    if options.version_column:
        _demand(sources, options.version_column, "version_column")
    latency, error = (
        _of_calls(sources, predictions, columns, part, names, say if features is None else None)
        for part, predictions in (("latency", options.latency), ("error", options.error))
    )
    items = find("items", _name_tuple(options.items)) if task.ranks_items else ()
    slices = _slices(sources, options.slices, [name for name in _remembered(columns, "slices") if name in names])
    for name in options.features:
        _demand(sources, name, "features")
    for option, columns_of_kind in (
        ("text_features", options.text_features),
        ("category_features", options.category_features),
    ):
        for name in columns_of_kind:
            if name != NO_FEATURES:
                _demand(sources, name, option)
    taken_names = {*score, *predicted, *actual, *time, *ids, *items, *_name_tuple(options.cluster), *reserved}
    taken_names |= {
        *_name_tuple(options.version_column),
        *TRACES,
        *_name_tuple(latency),
        *_name_tuple(error),
    } - reserved
    other_names = [name for name in names if name not in taken_names]
    if not task.kind and "actual" in other_names:
        other_names.remove("actual")
        if features is None:
            say(f"left out: actual; use {option_text('task', 'binary')}, multiclass or regression for performance")
    unknown: tuple[str, ...] = ()
    if options.features:
        chosen = tuple(dict.fromkeys(options.features))
    elif features is None:
        chosen = _comparable(sources, other_names, say)
        predictions = tuple(name for name in chosen if name in ("score", "predicted"))
        if predictions and not task.kind:
            say(
                f"compared as features: {listed(predictions)}; "
                f"with {option_text('task')}, they are predictions of the model"
            )
    else:
        chosen = tuple(name for name in features if name in names)
        unknown = _comparable(sources, [name for name in other_names if name not in slices], quiet)
        if features and not chosen:
            raise BadInput(
                f"{sources[0].path}: the file has none of the baseline's features {listed(sorted(features))}"
                f"{respelled(tuple(features), names)}"
            )
        if alike := respelled([name for name in features if name not in names], unknown):
            missing = listed(sorted(name for name in features if name not in names))
            say(f"{sources[0].path}: no column {missing}, which the baseline has{alike}")
    for source in sources:
        fields = [field for field in source.schema if field.name in chosen and is_nested(field.type)]
        lists = {f.name for f in fields if is_vector(f.type) and (embeddings is None or f.name in embeddings)}
        nested = [field.name for field in fields if field.name not in lists]
        if nested:
            say(f"{source.path}: {listed(nested)}: lists or structures, treated as missing")
    role_columns = ("".join(predicted), "".join(actual), "".join(time), "".join(ids))
    call_columns = ("".join(items), options.version_column, latency, error)
    return Roles(chosen, score, *role_columns, options.cluster, unknown, slices, *call_columns)


def _of_calls(
    sources: Sequence[Source], given: str, columns: Columns, part: str, names: Sequence[str], say: Say | None
) -> str:
    """Return the column of durations or errors: the named one, else that of the baseline's rows.

    It is never guessed from its name, because a latency or an error may be a feature. ``say``: called if the rows lack
    the baseline's column, which is optional.
    """
    if given and say is not None and given not in names:
        say(f"{sources[0].path}: no column '{given}' ({option_text(part)}); it is optional in reference rows")
        return ""
    if given:
        _demand(sources, given, part)
        return given
    return next((name for name in _remembered(columns, part) if name in names), "")


def _slices(sources: Sequence[Source], patterns: Sequence[str], remembered: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that define slices: the given ones, else those of the baseline."""
    for name in patterns:
        _demand(sources, name, "slices")
        if "=" in name:
            raise BadInput(
                f"'{name}' contains '=', which separates a column from its value; rename the column", "slices"
            )
    return tuple(dict.fromkeys(patterns or remembered))


def _demand(sources: Sequence[Source], name: str, option: str) -> None:
    for source in sources:
        if name not in (names := tuple(source.schema.names)):
            raise BadInput(f"{source.path}: no column '{name}' ({option_text(option)}); {near_listed(name, names)}")


def _comparable(sources: Sequence[Source], names: Sequence[str], say: Say) -> tuple[str, ...]:
    """Return all columns that are numbers or categories; the others are reported."""
    kinds = {name: next(s.schema.field(name).type for s in sources if name in s.schema.names) for name in names}
    left_out = {
        "the row numbers of pandas": [name for name in names if _INDEX.fullmatch(name)],
        "lists or structures": [name for name, kind in kinds.items() if is_nested(kind) and not is_vector(kind)],
        f"times (list them in {option_text('features')} to compare them)": [
            name for name, kind in kinds.items() if is_time(kind)
        ],
    }
    for reason, which in left_out.items():
        if which:
            say(f"left out, because they are {reason}: {listed([name or '(no name)' for name in which])}")
    names_left_out = {name for names in left_out.values() for name in names}
    return tuple(name for name in names if name not in names_left_out)


def _only_time(sources: Sequence[Source], names: Sequence[str], reserved: Collection[str]) -> tuple[str, ...]:
    """Return the only column of a time type with values in every file, if there is exactly one.

    A guessed column must not cause an error later: a column without any value is a finding of its file.
    """
    schema = sources[0].schema
    times = [name for name in names if name not in reserved and is_time(schema.field(name).type)]
    if len(times) != 1 or any(source.column(times[0]).null_count == source.rows for source in sources):
        return ()
    return tuple(times)


def _remembered(columns: Columns, part: str) -> tuple[str, ...]:
    value = columns.get(part, ())
    return (value,) if isinstance(value, str) else tuple(value)


def _name_tuple(name: str) -> tuple[str, ...]:
    return (name,) if name else ()
