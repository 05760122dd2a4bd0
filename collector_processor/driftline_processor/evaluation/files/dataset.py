"""Read the predictions of files, join their outcomes, and find the role of each column."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from driftline.baseline.baseline import Baseline
from driftline.tables.table import F64
from driftline.tables.task import Task
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core.nearest_names import listed
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.performance.settings import STANDARD, PerformanceSettings
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.column_roles import Roles, filter_rows, find_roles, has_patterns
from driftline_processor.readers.errors import BadInput, Say, option_text
from driftline_processor.readers.memory import Rows
from driftline_processor.readers.number_format import report_texts
from driftline_processor.readers.outcomes.files import open_outcomes, outcome_slice_names, read_file_outcomes
from driftline_processor.readers.prediction_rows import (
    FileRows,
    add_times,
    feature_names,
    number_features,
    read_rows,
    shape_scores,
    text_columns,
)
from driftline_processor.readers.row_store import RowStore
from driftline_processor.readers.source import Source, names_of
from driftline_processor.readers.sources import open_sources

from .column_uses import ask_about_classes
from .inputs import EvaluationInputs
from .outcome_join import add_rankings, join_outcomes, join_rankings, report_repeated_ids
from .outcomes import FirstOutcomes, report_impossible_actuals
from .reference import features_of_files


class Dataset(Struct, frozen=True):
    """The rows of files with their outcomes.

    ``rows``: per file. ``weights``: of the outcomes, float64 (n,), None if all weights are equal. ``heard``: first
    outcomes per file; None if outcomes are columns of the rows. ``later_columns``: slice keys that only outcomes have.
    ``groups``: columns of protected groups that are not slices otherwise. ``unused``: why most outcomes have no row, or
    no possible actual. ``store``: where columns with one value per row are stored.
    """

    roles: Roles
    rows: list[FileRows]
    weights: list[F64 | None]
    heard: list[FirstOutcomes] | None
    later_columns: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    unused: tuple[UnknownOutcomes, ...] = ()
    store: RowStore = field(default_factory=RowStore)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all files."""
        return names_of([rows.source for rows in self.rows])


def read_dataset(
    inputs: EvaluationInputs,
    baseline: Baseline,
    options: ColumnOptions,
    say: Say,
    performance: PerformanceSettings = STANDARD,
) -> Dataset:
    """Read the rows of files, and join outcomes from another file.

    The keys of protected groups and of objectives are columns of the rows or slices of the outcomes. If outcomes are
    sampled, those without a weight are left out.
    """
    data, outcomes = inputs.data, inputs.outcomes
    task, keys, sampled = baseline.task, performance.keys, performance.outcomes == "sampled"
    sources = _open_rows(data, options, baseline, say)
    columns = sources[0].schema.names
    truth = None if outcomes is None else open_outcomes(outcomes, task, say, options.number_format)
    outcome_slices = () if truth is None else outcome_slice_names(truth)
    _report_unknown_keys(keys, {*columns, *outcome_slices}, say)
    wanted = dict.fromkeys((*options.slices, *keys))
    later_columns = tuple(key for key in wanted if key in outcome_slices and key not in columns)
    options = replace(options, slices=tuple(key for key in options.slices if key not in later_columns))
    roles = _find_roles(sources, options, baseline, say)
    if not options.classes and [*roles.score] != baseline.columns.get("score"):
        ask_about_classes(roles.score, task.classes, str(data[0]))
    groups = tuple(name for name in keys if name in columns and name not in roles.slices)
    roles = replace(
        roles,
        slices=(*roles.slices, *groups),
        unknown=tuple(name for name in roles.unknown if name not in groups),
    )
    report_texts(sources, roles.features, number_features(baseline), say)
    store = RowStore()
    reads = _read_files(sources, roles, task, say, store)
    weights: list[F64 | None] = [None] * len(reads)
    first_outcomes: list[FirstOutcomes] | None = None
    unused = list[UnknownOutcomes]()
    if truth is not None:
        if not roles.id:
            raise BadInput(f"{data[0]}: no id column to join {outcomes} with; set it with {option_text('id')}")
        file_outcomes = read_file_outcomes(truth, task, say, store)
        if task.ranks_items:
            reads, weights, unused = join_rankings(file_outcomes, reads, roles.id, say, sampled)
        else:
            reads, weights, first_outcomes, unused = join_outcomes(file_outcomes, reads, roles.id, say, sampled, store)
    elif roles.id:
        report_repeated_ids(reads, roles.id, say, store)
    unused += report_impossible_actuals(reads, task, say)
    return Dataset(
        roles=roles,
        rows=reads,
        weights=weights,
        heard=first_outcomes,
        later_columns=later_columns,
        groups=groups,
        unused=tuple(unused),
        store=store,
    )


def _open_rows(data: Sequence[Rows], options: ColumnOptions, baseline: Baseline, say: Say) -> list[Source]:
    """Open the files; if patterns name the features, rows without a value in one of them are left out."""
    texts = text_columns(baseline, options)
    names, counted = feature_names(baseline), number_features(baseline)
    sources = open_sources(data, texts, say, options.number_format, names, counted)
    if not has_patterns(options.features):
        return sources
    columns = sources[0].schema.names
    chosen = [name for name in features_of_files(sources, baseline) if name in columns]
    return filter_rows(sources, chosen, say) if chosen else sources


def _report_unknown_keys(keys: Sequence[str], known: Collection[str], say: Say) -> None:
    """Report protected groups and slices of objectives that neither the rows nor their outcomes have."""
    if strange := [name for name in keys if name not in known]:
        say(f"fairness, objectives: there is no column and no slice of outcomes {listed(strange)}")


def _find_roles(sources: Sequence[Source], options: ColumnOptions, baseline: Baseline, say: Say) -> Roles:
    """Return the roles of the columns; patterns of features limit which other columns could be features."""
    patterns = options.features if has_patterns(options.features) else ()
    if patterns:  # the features were chosen when the baseline was built
        options = replace(options, features=())
    roles = find_roles(sources, options, say, baseline, features_of_files(sources, baseline))
    if not patterns:
        return roles
    unknown = [name for name in roles.unknown if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return replace(roles, unknown=tuple(unknown))


def _read_files(sources: Sequence[Source], roles: Roles, task: Task, say: Say, store: RowStore) -> list[FileRows]:
    """Read the rows of each file, without outcomes of other files."""
    reads = [shape_scores(read_rows(source, roles, task, say, store), task) for source in sources]
    if roles.time:
        reads = add_times(reads, roles.time, say, store)
    return [add_rankings(read, roles, say) for read in reads] if task.ranks_items else reads
