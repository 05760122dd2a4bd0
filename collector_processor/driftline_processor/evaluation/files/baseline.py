"""Build a baseline from files in two passes over batches of rows, and save up to 10,000 rows next to it.

The first pass finds the classes and draws a sample for the bin edges; the second pass counts all rows. Memory holds
the sample and sums only.

The saved rows are for methods that need rows instead of sums. They follow the privacy rules of the baseline: no ids,
no texts of documents, no identifiers, and no category with fewer than ten rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from driftline.baseline.baseline import Baseline, protect_baseline
from driftline.baseline.build import BaselineParts, ReferenceDescription, UnreadableColumn, build
from driftline.baseline.codec import from_json
from driftline.baseline.reference_rows import MOST_SAMPLED, ReferenceRows
from driftline.baseline.sections.feature_marks import NonFeatures
from driftline.baseline.sections.importance import Importance
from driftline.panes.bins import CategoryBins, assign
from driftline.privacy.policy import rules_in_force
from driftline.privacy.rules import Rule
from driftline.tables.classes import number_text
from driftline.tables.table import F64, I64, Column, ModelKey, PredictionTable, Text, length, numbers_of, take_rows
from driftline.tables.task import Task
from msgspec import structs

from driftline_processor.core.decode.untrusted_json import load_json
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.reference.rolling import Rolling
from driftline_processor.present.numbers import many
from driftline_processor.present.progress import Progress, no_progress
from driftline_processor.readers.arrow_columns import (
    are_number_codes,
    class_values,
    column,
    is_nested,
    is_text,
    is_vector,
    mostly_numbers,
    one_array,
    whole_column,
    with_numbers,
)
from driftline_processor.readers.column_options import NO_OUTCOMES, ColumnOptions
from driftline_processor.readers.column_roles import (
    NO_FEATURES,
    Roles,
    filter_rows,
    find_roles,
    has_patterns,
    id_column,
    match_patterns,
)
from driftline_processor.readers.errors import BadInput, Say, are_arguments, missing_option, option_text, quiet
from driftline_processor.readers.item_lists import relevance_of_batch
from driftline_processor.readers.memory import Rows
from driftline_processor.readers.number_format import first_value, report_texts
from driftline_processor.readers.prediction_rows import FileRows, add_times, no_time, number_features, ruled
from driftline_processor.readers.row_store import RowStore
from driftline_processor.readers.score_lists import split_scores
from driftline_processor.readers.source import Source, names_of, readable
from driftline_processor.readers.sources import open_sources
from driftline_processor.readers.times import UNIT_NAMES, read_times

from .column_uses import ask_about_classes, ask_about_outcomes, column_uses, column_uses_sentence
from .outcome_join import report_repeated_ids

MOST_ROWS = 10_000

PASSES = 2
"""Passes over the rows of a baseline: one for the sample, one for the counts."""

BUILDING = "Building the baseline"

FEATURE = "feature:"
SCORE = "score:"


def kept_rows_path(baseline: Path) -> Path:
    """Return the path of the rows that are saved with a baseline.

    >>> str(kept_rows_path(Path("churn.baseline.json")))
    'churn.baseline.rows.parquet'
    """
    return baseline.with_suffix(".rows.parquet")


def save_rows(
    path: Path, baseline: Baseline, table: PredictionTable, actual: Column | None, rules: Mapping[str, Rule | None]
) -> int:
    """Write evenly sampled reference rows and return their number; ``rules``: the baseline's rules per feature.

    Raises :class:`BadInput` if the file cannot be written.
    """
    n = len(table)
    rows = np.arange(n) if n <= MOST_ROWS else np.linspace(0, n - 1, MOST_ROWS).astype(np.intp)
    marked = () if baseline.extras.marks is None else baseline.extras.marks.by_feature
    columns: dict[str, pa.Array] = {}
    for name, over in baseline.bins.features.items():
        column = table.features.get(name)
        if column is None or name in marked:
            continue
        values = ruled(take_rows(column, rows), rules.get(name))
        if isinstance(over, CategoryBins):
            categories = pa.array([*over.categories, "other", None, None], pa.string())
            columns[FEATURE + name] = categories.take(pa.array(assign(over, values)))
        else:
            columns[FEATURE + name] = _numbers(numbers_of(values))
    if table.scores is not None:
        columns |= {f"{SCORE}{k}": _numbers(table.scores[rows, k]) for k in range(table.scores.shape[1])}
    if actual is not None:
        columns["actual"] = _plain(take_rows(actual, rows))
    if table.predicted is not None and length(table.predicted):
        columns["predicted"] = _plain(take_rows(table.predicted, rows))
    if table.time.any():
        columns["time"] = pa.array(table.time[rows])
    try:
        pyarrow.parquet.write_table(pa.table(columns), path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error}") from error
    return len(rows)


def holds_kept_rows(path: Rows) -> TypeGuard[Path]:
    """Return True if a file was written by :func:`save_rows`; otherwise its columns are the user's."""
    if not isinstance(path, Path) or path.suffix != ".parquet" or not path.is_file():
        return False
    with readable(path):
        return any(name.startswith(FEATURE) for name in pyarrow.parquet.read_schema(path).names)


def load_rows(path: Path, baseline: Baseline) -> tuple[PredictionTable, Column | None]:
    """Read the rows of a baseline and their actual values. Raises :class:`BadInput` if they cannot be read."""
    with readable(path):
        table = pyarrow.parquet.read_table(path)
    n = table.num_rows

    def column(name: str) -> Column | None:
        return whole_column(table.column(name), False) if name in table.column_names else None

    scores = [name for name in table.column_names if name.startswith(SCORE)]
    features = [name for name in table.column_names if name.startswith(FEATURE)]
    times = np.zeros(n, np.int64)
    if "time" in table.column_names:
        times = np.asarray(one_array(table.column("time")).to_numpy(), np.int64)
    rows = PredictionTable(
        ModelKey(baseline.model, baseline.version),
        baseline.task,
        times,
        Text(np.zeros(n + 1, np.int32), b""),
        np.column_stack([numbers_of(whole_column(table.column(name))) for name in scores]) if scores else None,
        column("predicted"),
        features={name.removeprefix(FEATURE): whole_column(table.column(name), False) for name in features},
    )
    return rows, column("actual")


def _numbers(values: F64) -> pa.Array:
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def _plain(column: Column) -> pa.Array:
    """Return texts if there are any, else numbers."""
    if column.codes is None:
        return _numbers(numbers_of(column))
    texts = pa.array([*column.categories, None], pa.string()).take(
        pa.array(column.codes % (len(column.categories) + 1))
    )
    if column.numbers is None:
        return texts
    written = pa.array([number_text(value) or None for value in column.numbers.tolist()], pa.string())
    return pc.coalesce(texts, written)


def build_from_files(
    paths: Sequence[Rows],
    options: ColumnOptions,
    say: Say,
    *,
    sample: int = MOST_SAMPLED,
    rows_to: Path | None = None,
    importance: Mapping[str, float] | None = None,
    first: Rolling | None = None,
    undated: bool = False,
    tell_columns: bool = False,
    progress: Progress = no_progress,
) -> Baseline:
    """Build the baseline of ``options.model`` from its reference rows.

    ``sample``: maximum number of rows for the bin edges. ``rows_to``: file for the saved rows. ``importance``:
    importance by feature name. ``first``: only use the rows of the first period of this length. ``undated``: allow
    rows without a time column. ``tell_columns``: report what the columns are taken for. ``progress``: called with the
    progress. Raises :class:`BadInput` if a file, a column or the task is invalid.
    """
    progress(0, 0, BUILDING)
    features_named = bool(options.features) and not has_patterns(options.features)
    sources, options, codes = _open(paths, options, say)
    roles = _find_roles(sources, options, paths[0], undated, say)
    until = None if first is None else _until(sources, roles, first)
    reading = _Reading(sources, roles, Task(options.task), say, until, progress, codes)
    description = ReferenceDescription(
        key=ModelKey(options.model, options.version),
        task=options.task,
        classes=options.classes or None,
        positive_class=options.positive_class or None,
        threshold=0.5 if options.threshold is None else options.threshold,
        text_features=_listed(options.text_features),
        category_features=_listed(options.category_features),
        typed_categories=_typed_categories(sources),
        features_named=features_named,
        sample=sample,
        settle=reading.settle,
        seasonality=options.seasons,
        quantiles=options.levels,
    )
    if options.names_seasons and not roles.time and not undated:
        raise BadInput(f"{paths[0]}: seasonality needs the time of each row; set the column with {option_text('time')}")
    built = _build(reading, description)
    if not options.classes:
        ask_about_classes(roles.score, built.task.classes, str(paths[0]))
    if not options.features and options.actual != NO_OUTCOMES:
        ask_about_outcomes(built.sample, roles, str(paths[0]))
    if not options.text_features:
        _report_documents(built.texts, say)
    reading.tell()
    if roles.id:
        _report_repeated_ids(sources, roles, say)
    _report_marks(built.extras.marks, say)
    baseline = Baseline(
        options.model,
        options.version,
        built.task,
        built.bins,
        built.pane,
        _columns(roles),
        texts=built.texts,
        extras=replace(built.extras, importance=_importance(importance, roles)),
    )
    report_texts(sources, roles.features, number_features(baseline), say, new=True)
    rules = rules_in_force(None)
    baseline = protect_baseline(without_time(baseline) if options.ignore_time else baseline, rules)
    if tell_columns:
        say(column_uses_sentence(column_uses(roles, baseline, names_of(sources))))
    if rows_to is not None:
        ruled = () if baseline.extras.applied_rules is None else baseline.extras.applied_rules.by_feature
        count = save_rows(rows_to, baseline, built.sample, built.actual, {name: rules.rule(name) for name in ruled})
        say(f"{rows_to}: {many(count)} kept, for methods that need rows")
    return baseline


def _open(
    paths: Sequence[Rows], options: ColumnOptions, say: Say
) -> tuple[list[Source], ColumnOptions, Collection[str]]:
    """Open reference rows; return also the options with the features that patterns match, and the columns of codes.

    Codes such as 1.1 and 1.10 are two categories, so they are not read as numbers.
    """
    patterns = has_patterns(options.features)
    named, ids = () if patterns else options.features, {id_column(options, {})}
    sources = open_sources(paths, ids, say, options.number_format, named)
    codes = _number_codes(sources, {*options.category_features, *options.text_features})
    if codes:
        sources = open_sources(paths, ids | codes, quiet, options.number_format, named)
    if patterns:
        features = match_patterns(names_of(sources), options.features, "features", sources[0].path)
        options = structs.replace(options, features=features)
        sources = filter_rows(sources, features, say)
    return sources, options, codes


def _number_codes(sources: Sequence[Source], names: Collection[str]) -> set[str]:
    """Return which named columns look like numbers with decimals, in files without types."""
    by_looks = {name for source in sources for name in source.by_looks if name in source.schema.names}
    return {
        name
        for name in by_looks & set(names)
        if any(pa.types.is_floating(source.schema.field(name).type) for source in sources)
    }


def _typed_categories(sources: Sequence[Source]) -> set[str]:
    """Return the columns whose type is that of categories, except texts: Parquet stores all texts as codes."""
    fields = [field for source in sources for field in source.schema]
    return {field.name for field in fields if pa.types.is_dictionary(field.type) and not is_text(field.type)}


def _find_roles(sources: Sequence[Source], options: ColumnOptions, path: Rows, undated: bool, say: Say) -> Roles:
    """Return the roles of the columns. Raises :class:`BadInput` without features, or without the classes of scores.

    ``undated``: the column of the time may be missing.
    """
    if undated and options.time and not all(options.time in source.schema.names for source in sources):
        say(f"{path}: no column '{options.time}' ({option_text('time')}): the times of its predictions are unknown")
        options = structs.replace(options, time="")
    roles = find_roles(sources, options, say)
    if not roles.features:
        raise BadInput(f"{path}: has no column that could be a feature")
    if Task(options.task).has_class_scores and not (options.classes or roles.actual or roles.predicted):
        raise missing_option("classes", "list the classes, in the order of the score columns")
    return roles


def _build(reading: _Reading, description: ReferenceDescription) -> BaselineParts:
    """Build a baseline. Raises :class:`BadInput` with the columns and options of files."""
    try:
        return build(reading.rows, description)
    except ValueError as error:
        part = error.part if isinstance(error, UnreadableColumn) else ""
        message = reading.no_time() if part == "time" else reading.no_number(part)
        raise BadInput(message or _as_options(str(error))) from error


def _report_documents(texts: Iterable[str], say: Say) -> None:
    """Report the columns that are taken for free text."""
    for name in texts:
        say(
            f"{name}: read as text, and compared by length, words and script; "
            f"if they are categories, use {option_text('text_features', 'none')}"
        )


def _report_repeated_ids(sources: Sequence[Source], roles: Roles, say: Say) -> None:
    store, reads = RowStore(), [FileRows(source) for source in sources]
    reads = add_times(reads, roles.time, quiet, store) if roles.time else reads
    report_repeated_ids(reads, roles.id, say, store)


def _report_marks(marks: NonFeatures | None, say: Say) -> None:
    """Report the features that are not compared, with the options that change it."""
    for name, sentence in () if marks is None else zip(marks.by_feature, marks.sentences(), strict=True):
        as_options = sentence.replace("pass it as time", f"use {option_text('time', name)}")
        say(as_options.replace("in features", f"in {option_text('features')}"))


def without_time(baseline: Baseline) -> Baseline:
    """Return a baseline without its daily and hourly variation."""
    return replace(baseline, extras=replace(baseline.extras, blocks=None, seasons=None))


def _listed(names: Sequence[str]) -> list[str] | None:
    """Return named features, [] for 'none', and None if they are detected."""
    return [name for name in names if name != NO_FEATURES] if names else None


def _until(sources: Sequence[Source], roles: Roles, first: Rolling) -> int:
    """Return the end of the first period, in unix nanoseconds."""
    if not roles.time:
        raise BadInput(
            f"{sources[0].path}: {option_text('reference_last')} needs a time; "
            f"set its column with {option_text('time')}"
        )
    times_by_source = [read_times(source.column(roles.time)) for source in sources]
    first_times = [int(times.values[times.readable].min()) for times in times_by_source if times.readable.any()]
    if not first_times:
        raise BadInput(f"{sources[0].path}: {roles.time}: no value can be read as a time")
    return first.first(min(first_times))


def read_importance(path: Path) -> dict[str, float]:
    """Read the importance of features from a file: a JSON object of names and numbers."""
    try:
        document = load_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}", "importance") from error
    try:
        return from_json(dict[str, float], document)
    except ValueError as error:
        raise BadInput(
            f'{path} must be a JSON object of names and numbers, such as {{"age": 0.7}}', "importance"
        ) from error


def _importance(importance: Mapping[str, float] | None, roles: Roles) -> Importance | None:
    try:
        return None if importance is None else Importance.given(importance, roles.features)
    except ValueError as error:
        raise BadInput(f"--{error}") from error


class _Reading:
    """The rows of files as reference rows, batch by batch; unreadable values are counted in the first pass."""

    def __init__(
        self,
        sources: Sequence[Source],
        roles: Roles,
        task: Task,
        say: Say,
        until: int | None = None,
        progress: Progress = no_progress,
        codes: Collection[str] = (),
    ) -> None:
        self._sources, self._roles, self._task, self._say = [*sources], roles, task, say
        self._until, self._progress, self._codes = until, progress, codes
        self._score = tuple(roles.scores_of(task))
        if not task.ranks_items:
            self._sources, self._score = split_scores(sources, self._score, say)
        self._predicted = roles.predicted if task.may_have_classes else ""
        self._strays: dict[tuple[str, str], tuple[int, str]] = {}
        self._timeless: dict[str, int] = {}
        self._units: dict[str, str] = {}
        self._passes = 0

    def rows(self) -> Iterator[ReferenceRows]:
        """Yield all rows from the first on."""
        self._passes += 1
        every = sum(source.rows for source in self._sources)
        rows_before = every * (self._passes - 1)
        self._progress(rows_before, every * PASSES, BUILDING)
        roles = self._roles
        names = {*roles.features, *self._score, self._predicted, roles.actual, roles.time, *roles.slices, roles.items}
        names -= {""}
        of_lists = {roles.items, roles.actual} if self._task.ranks_items else set()
        for source in self._sources:
            nested = {field.name for field in source.schema if is_nested(field.type)} - of_lists
            for name in (names - set(roles.features)) & nested:
                raise BadInput(
                    f"{source.path}: column '{name}' contains lists or structures; use a column of plain values"
                )
            before = 0
            vectors = {field.name for field in source.schema if is_vector(field.type)}
            for batch in source.batches(names - (nested - vectors)):
                with readable(source.path):
                    yield self._rows_of_period(self._read(source, batch, before))
                before += batch.num_rows
                rows_before += batch.num_rows
                self._progress(rows_before, every * PASSES, BUILDING)

    def _rows_of_period(self, read: ReferenceRows) -> ReferenceRows:
        """Return the rows within the period that is read."""
        if self._until is None or read.time is None:
            return read
        return read.take(np.flatnonzero((read.time != 0) & (read.time < self._until)))

    def _read(self, source: Source, batch: pa.RecordBatch, before: int) -> ReferenceRows:
        n, names = batch.num_rows, set(batch.schema.names)

        def whole(name: str, number: bool, classes: bool = False) -> Column:
            read = class_values if classes else column
            values = read(batch.column(name), number) if name in names else Column()
            return values if length(values) == n else Column(numbers=np.full(n, np.nan))

        def optional(name: str, number: bool) -> Column | None:
            return whole(name, number, not number) if name in names else None

        roles = self._roles
        relevance = None
        if self._task.ranks_items and roles.actual in names:
            lists = batch.column(roles.items) if roles.items in names else None
            relevance = relevance_of_batch(source.path, roles.items, lists, batch.column(roles.actual))
        actual = None if relevance is not None else optional(roles.actual, self._task.predicts_number)
        if actual is not None and self._task.predicts_number:
            self._numbers(source, roles.actual, actual, before)
        return ReferenceRows(
            rows=n,
            features={name: whole(name, False) for name in roles.features},
            scores=np.column_stack([self._numbers(source, name, whole(name, True), before) for name in self._score])
            if self._score
            else None,
            predicted=optional(self._predicted, False),
            actual=actual,
            time=self._times(source, batch.column(roles.time)) if roles.time in names else None,
            slices={name: whole(name, False, classes=True) for name in roles.slices},
            relevance=relevance,
        )

    def _numbers(self, source: Source, name: str, values: Column, before: int) -> F64:
        """Return the numbers of a score or an actual; other texts are reported and count as missing."""
        if values.codes is not None and self._passes == 1:
            stray = np.flatnonzero(values.codes >= 0)
            if len(stray):
                row = int(stray[0])
                where = first_value(values, row, before + row)
                count, first = self._strays.get((source.path, name), (0, where))
                self._strays[source.path, name] = (count + len(stray), first)
        return numbers_of(values)

    def _times(self, source: Source, values: pa.Array) -> I64:
        times = read_times(pa.chunked_array([values]))
        if self._passes == 1:
            self._timeless[source.path] = self._timeless.get(source.path, 0) + int((~times.readable).sum())
            self._units[source.path] = self._units.get(source.path) or times.unit
        return times.values

    def settle(self, sample: ReferenceRows) -> Callable[[ReferenceRows], ReferenceRows]:
        """Decide on a sample which text columns are numbers with a few invalid texts, if the file has no types."""
        looks = {name for source in self._sources for name in source.by_looks}
        looks -= {
            field.name
            for source in self._sources
            for field in source.schema
            if is_text(field.type) and field.name not in source.by_looks
        }
        texts = {name: values for name, values in sample.features.items() if name in looks and values.numbers is None}
        numeric = {
            name
            for name, values in texts.items()
            if mostly_numbers(values) and not (name in self._codes and are_number_codes(values.categories))
        }
        return lambda read: _with_numbers(read, numeric)

    def no_number(self, part: str) -> str:
        """Return an error message if a score or an actual, the ``part``, has only texts, else ""."""
        names, what = {"score": (self._score, "a score"), "actual": ((self._roles.actual,), "an actual")}.get(
            part, ((), "")
        )
        for (path, name), (_, first) in self._strays.items():
            if name in names:
                return f"{path}: {name}: {what} must be a number, but there are none; the first value is {first}"
        return ""

    def no_time(self) -> str:
        """Return an error message with the first value of the time column."""
        name = self._roles.time
        given = [source for source in self._sources if source.column(name).null_count < source.rows]
        return no_time((given or self._sources)[0], name)

    def tell(self) -> None:
        """Report unreadable values."""
        for (path, name), (count, first) in self._strays.items():
            self._say(f"{path}: {name}: {many(count)} without a number, treated as missing: the first is {first}")
        for path, unit in self._units.items():
            if unit:
                self._say(f"{path}: {self._roles.time}: read as unix {UNIT_NAMES[unit]}")
        for path, count in self._timeless.items():
            if count:
                self._say(
                    f"{path}: {self._roles.time}: {many(count)} have no readable time and are not assigned to "
                    "a block of time"
                )


def _with_numbers(read: ReferenceRows, numeric: Collection[str]) -> ReferenceRows:
    features = {n: with_numbers(values) if n in numeric else values for n, values in read.features.items()}
    return replace(read, features=features)


def _as_options(message: str) -> str:
    """Replace argument names in a message of the SDK by command-line options, if the caller is the command line."""
    if are_arguments():
        return message
    for argument, option in (
        ("classes=[negative, positive]", "--classes NEGATIVE,POSITIVE"),
        ("classes=[...]", "--classes X,Y,..."),
        ("positive_class=", "--positive-class "),
        ("task='multiclass'", "--task multiclass"),
    ):
        message = message.replace(argument, option)
    return message


def _columns(roles: Roles) -> dict[str, str | list[str]]:
    """Return the column options to save in the baseline, so that `evaluate` needs none."""
    columns: dict[str, str | list[str]] = {"features": list(roles.features)}
    if roles.score:
        columns["score"] = roles.score[0] if len(roles.score) == 1 else list(roles.score)
    columns_by_role = {"predicted": roles.predicted, "actual": roles.actual, "time": roles.time, "id": roles.id}
    columns_by_role |= {"items": roles.items, "latency": roles.latency, "error": roles.error}
    columns |= {"slices": list(roles.slices)} if roles.slices else {}
    return columns | {part: name for part, name in columns_by_role.items() if name}
