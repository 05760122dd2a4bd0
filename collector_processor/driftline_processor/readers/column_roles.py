"""The role of each column: from the options, else from the baseline, else from its name."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.core.nearest_names import listed, respelled
from driftline_processor.present.numbers import many

from .arrow_columns import is_nested, is_time, is_vector
from .column_options import NO_OUTCOMES, ColumnOptions, near_listed
from .errors import BadInput, Say, missing_option, option_text, quiet
from .source import Source, names_of
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
    search = _Search(sources, {} if baseline is None else baseline.columns, features, say)
    score, predicted, actual = search.predictions(task, options)
    time = search.time(options.time)
    id = search.find("id", _name_tuple(options.id))
    search.demand("cluster", _name_tuple(options.cluster))
    search.demand("version_column", _name_tuple(options.version_column))
    latency, error = search.of_calls("latency", options.latency), search.of_calls("error", options.error)
    items = search.find("items", _name_tuple(options.items)) if task.ranks_items else ()
    slices = search.slices(options.slices)
    taken_names = {*score, *predicted, *actual, *time, *id, *items, *TRACES, *search.reserved}
    taken_names.update(filter(None, (options.cluster, options.version_column, latency, error)))
    others = [name for name in search.names if name not in taken_names]
    chosen, unknown = search.features_of(task, options, others, slices)
    embeddings = None if baseline is None else baseline.bins.projections
    _report_nested(sources, chosen, embeddings, say)
    return Roles(
        features=chosen,
        score=score,
        predicted="".join(predicted),
        actual="".join(actual),
        time="".join(time),
        id="".join(id),
        cluster=options.cluster,
        unknown=unknown,
        slices=slices,
        items="".join(items),
        version=options.version_column,
        latency=latency,
        error=error,
    )


class _Search(Struct, frozen=True, dict=True):
    """The search for the columns of each role.

    ``columns``: those of the baseline. ``features``: the features of the baseline; None if all other columns are
    features.
    """

    sources: Sequence[Source]
    columns: Columns
    features: Collection[str] | None
    say: Say

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns of all files."""
        return names_of(self.sources)

    @cached_property
    def reserved(self) -> set[str]:
        """Columns that are features, whatever their names."""
        return set(self.features or ())

    def remembered(self, part: str) -> tuple[str, ...]:
        """Return the columns of the baseline."""
        return _remembered(self.columns, part)

    def demand(self, option: str, names: Sequence[str]) -> None:
        """Raise :class:`BadInput` if a file lacks a named column."""
        for name in names:
            for source in self.sources:
                if name not in (columns := tuple(source.schema.names)):
                    raise BadInput(
                        f"{source.path}: no column '{name}' ({option_text(option)}); {near_listed(name, columns)}"
                    )

    def find(self, part: str, named: Sequence[str]) -> tuple[str, ...]:
        """Return the named columns, else those of the baseline, else the column with the name of the role."""
        self.demand(part, named)
        if named:
            return tuple(named)
        remembered = self.remembered(part)
        if not remembered:
            return (part,) if part in self.names and part not in self.reserved else ()
        if all(name in self.names for name in remembered):
            return remembered
        alike = respelled(remembered, self.names)
        if alike or part in ("score", "predicted"):
            self.say(
                f"no column '{listed(remembered)}', which is the baseline's {part}: results that require it are missing"
                f"{alike}"
            )
        return ()

    def predictions(
        self, task: Task, options: ColumnOptions
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the columns of scores, predictions and actual values; none while the task is unknown."""
        named_actual = "" if options.actual == NO_OUTCOMES else options.actual
        if not task.kind:
            if options.score or options.predicted or named_actual:
                raise missing_option("task", "use binary, multiclass, regression or ranking")
            return (), (), ()
        score = self.find("score", options.score)
        predicted = self.find("predicted", _name_tuple(options.predicted))
        actual = self.find("actual", _name_tuple(named_actual)) if options.actual != NO_OUTCOMES else ()
        if self.features is None and not score and not predicted:
            near_names = respelled(("score", "predicted"), self.names)
            self.say(f"there is no score and no predicted class: only features are compared{near_names}")
        return score, predicted, actual

    def time(self, named: str) -> tuple[str, ...]:
        """Return the column of the time, which may be the only one of a time type."""
        time = self.find("time", _name_tuple(named))
        if time and not named and all(pa.types.is_null(of.schema.field(time[0]).type) for of in self.sources):
            self.say(
                f"no value in '{time[0]}', which has the times of the baseline: results that require times are missing"
            )
            time = ()
        if not time and (time := self._only_time()):
            self.say(f"the time is read from '{time[0]}', the only column with times")
        return time

    def _only_time(self) -> tuple[str, ...]:
        """Return the only column of a time type with values in every file, if there is exactly one.

        A guessed column must not cause an error later: a column without any value is a finding of its file.
        """
        schema = self.sources[0].schema
        times = [name for name in self.names if name not in self.reserved and is_time(schema.field(name).type)]
        if len(times) != 1 or any(source.column(times[0]).null_count == source.rows for source in self.sources):
            return ()
        return tuple(times)

    def of_calls(self, part: str, named: str) -> str:
        """Return the column of durations or errors: the named one, else that of the baseline's rows.

        It is never guessed from its name, because a latency or an error may be a feature. The rows of a baseline may
        lack the named column.
        """
        if named and self.features is None and named not in self.names:
            self.say(
                f"{self.sources[0].path}: no column '{named}' ({option_text(part)}); it is optional in reference rows"
            )
            return ""
        self.demand(part, _name_tuple(named))
        return named or next((name for name in self.remembered(part) if name in self.names), "")

    def slices(self, named: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that define slices: the named ones, else those of the baseline."""
        for name in named:
            self.demand("slices", [name])
            if "=" in name:
                raise BadInput(
                    f"'{name}' contains '=', which separates a column from its value; rename the column", "slices"
                )
        return tuple(dict.fromkeys(named or [name for name in self.remembered("slices") if name in self.names]))

    def features_of(
        self, task: Task, options: ColumnOptions, others: Sequence[str], slices: Sequence[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the features, and columns that could be features but that the baseline lacks.

        ``others``: columns without a role.
        """
        self.demand("features", options.features)
        for option, named in (
            ("text_features", options.text_features),
            ("category_features", options.category_features),
        ):
            self.demand(option, [name for name in named if name != NO_FEATURES])
        if not task.kind and "actual" in others:
            others = [name for name in others if name != "actual"]
            if self.features is None:
                use = option_text("task", "binary")
                self.say(f"left out: actual; use {use}, multiclass or regression for performance")
        if options.features:
            return tuple(dict.fromkeys(options.features)), ()
        if self.features is not None:
            unknown = _comparable(self.sources, [name for name in others if name not in slices], quiet)
            return self._of_baseline(self.features, unknown), unknown
        chosen = _comparable(self.sources, others, self.say)
        predictions = tuple(name for name in chosen if name in ("score", "predicted"))
        if predictions and not task.kind:
            self.say(
                f"compared as features: {listed(predictions)}; "
                f"with {option_text('task')}, they are predictions of the model"
            )
        return chosen, ()

    def _of_baseline(self, features: Collection[str], unknown: Sequence[str]) -> tuple[str, ...]:
        """Return the features of the baseline that the files have; the others are reported."""
        chosen = tuple(name for name in features if name in self.names)
        path = self.sources[0].path
        if features and not chosen:
            raise BadInput(
                f"{path}: the file has none of the baseline's features {listed(sorted(features))}"
                f"{respelled(tuple(features), self.names)}"
            )
        lacking = [name for name in features if name not in self.names]
        if alike := respelled(lacking, unknown):
            self.say(f"{path}: no column {listed(sorted(lacking))}, which the baseline has{alike}")
        return chosen


def _report_nested(
    sources: Sequence[Source], features: Collection[str], embeddings: Collection[str] | None, say: Say
) -> None:
    """Report features that are lists or structures, except vectors that are embeddings; None = all vectors may be."""
    for source in sources:
        nested = [
            field.name
            for field in source.schema
            if field.name in features
            and is_nested(field.type)
            and not (is_vector(field.type) and (embeddings is None or field.name in embeddings))
        ]
        if nested:
            say(f"{source.path}: {listed(nested)}: lists or structures, treated as missing")


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


def _remembered(columns: Columns, part: str) -> tuple[str, ...]:
    value = columns.get(part, ())
    return (value,) if isinstance(value, str) else tuple(value)


def _name_tuple(name: str) -> tuple[str, ...]:
    return (name,) if name else ()
