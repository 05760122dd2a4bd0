"""Compare a candidate with the champion, whose predictions are in a file of their own (``--champion``)."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.tables.task import Task
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.versions.side_by_side import SideBySide, VersionNames, compare_versions
from driftline_processor.present.numbers import many
from driftline_processor.present.sentences import clause
from driftline_processor.readers.arrow_columns import ids
from driftline_processor.readers.column_options import NO_OUTCOMES, ColumnOptions
from driftline_processor.readers.column_roles import id_column
from driftline_processor.readers.errors import BadInput, NoRows, Say, missing_option, option_text, quiet
from driftline_processor.readers.memory import MemoryRows, Rows
from driftline_processor.readers.sources import is_built_baseline, open_source

from .dataset import Dataset, read_dataset
from .inputs import EvaluationInputs
from .outcomes import labelled_predictions
from .reference import load_baseline
from .versions import FileVersions, text_codes, usable_rows

CHAMPION, CANDIDATE = "champion", "candidate"

SHARED = 0.5
"""Minimum fraction of the rows with an id of the champion's rows to compare row by row."""


def share_outcomes(inputs: EvaluationInputs, options: ColumnOptions) -> EvaluationInputs:
    """Return inputs in which rows and champion have outcomes if either has, joined by id.

    Raises :class:`BadInput` if the champion is not a file of rows.
    """
    champion = inputs.champion
    assert champion is not None
    if is_built_baseline(champion):
        raise BadInput(f"{champion} is a built baseline; use the predictions of the version in service", "champion")
    if options.version_column:
        raise BadInput(f"use either this option or {option_text('version_column')}", "champion")
    if inputs.outcomes is not None or options.actual == NO_OUTCOMES:
        return inputs
    built = load_baseline(inputs.reference)
    columns = {} if built is None else built.columns
    id, actual = id_column(options, columns), options.actual or str(columns.get("actual", "actual"))
    sources = {champion: open_source(champion, {id}, quiet, options.number_format)}
    for rows in inputs.data:
        with suppress(NoRows):
            sources[rows] = open_source(rows, {id}, quiet, options.number_format)
    with_actual = [source for source in sources.values() if actual in source.schema.names]
    labelled = [source for source in with_actual if id in source.schema.names]
    if not labelled or len(with_actual) == len(sources):
        return inputs
    tables = [pa.table({"id": ids(source.column(id)), "actual": source.column(actual)}) for source in labelled]
    outcomes = pa.concat_tables(tables, promote_options="permissive")

    def with_outcomes(rows: Rows) -> Rows:
        if rows not in sources:
            return rows
        source = sources[rows]
        names = source.schema.names
        if actual in names or id not in names:
            return rows
        table = pa.table({name: source.column(name) for name in names})
        places = pc.index_in(ids(table[id]), outcomes["id"], skip_nulls=True)
        return MemoryRows(str(rows), table.append_column(actual, outcomes["actual"].take(places)))

    champion, *data = map(with_outcomes, (champion, *inputs.data))
    return inputs._replace(champion=champion, data=data)


def read_champion(
    inputs: EvaluationInputs, baseline: Baseline, options: ColumnOptions, say: Say, performance: PerformanceSettings
) -> Dataset:
    """Return the champion's predictions with their outcomes."""
    assert inputs.champion is not None
    options = replace(options, features=(), slices=(), cluster="")
    performance = replace(performance, fairness=(), objectives=())
    return read_dataset(inputs._replace(data=[inputs.champion]), baseline, options, say, performance)


def compare_with_champion(
    read: Dataset, champion: Dataset, task: Task, timezone: str, performance: PerformanceSettings
) -> SideBySide:
    """Compare the rows with the champion's: row by row if most of them share an id, else hour by hour.

    Raises :class:`BadInput` if they cannot be compared, with the reason.
    """
    if not task.kind:
        raise missing_option("task", "a candidate is compared by its outcomes; use binary, multiclass or regression")
    rows = [*champion.rows, *read.rows]
    file, candidate_file = champion.rows[0].source.path, read.rows[0].source.path
    for part in ("score", "predicted"):
        in_champion, in_candidate = (bool(getattr(one.roles, part)) for one in (champion, read))
        if in_champion != in_candidate:
            has, lacks = (file, candidate_file) if in_champion else (candidate_file, file)
            problem = f"{lacks} has no column of the {part}, but {has} has; both need the same predictions"
            raise BadInput(problem, "champion")
    truth = labelled_predictions(rows, [*champion.weights, *read.weights])
    if truth is None:
        raise BadInput(
            f"neither {file} nor {candidate_file} has outcomes; name their column with {option_text('actual')}, or "
            f"their file with {option_text('outcomes')}",
            "champion",
        )
    version = np.repeat([0, *([1] * len(read.rows))], [len(one) for one in rows])
    id = np.full(len(version), -1, np.int64)
    if champion.roles.id and champion.roles.id == read.roles.id:
        id = text_codes(rows, read.roles.id)[0]
    shared = np.isin(id[version == 1], np.setdiff1d(id[version == 0], [-1]))
    is_paired = shared.mean() >= SHARED
    if is_paired:  # whenever each file was predicted
        truth = replace(truth, time=None)
    elif truth.time is None:
        raise BadInput(
            f"{many(int(shared.sum()), 'row')} of {candidate_file} have an id of {file}, and there are no times to "
            f"compare other rows by; use the same ids ({option_text('id')}), or a time in both ({option_text('time')})",
            "champion",
        )
    source = FileVersions(truth, task, (CHAMPION, CANDIDATE), np.where(usable_rows(rows), version, -1), id)
    [found] = compare_versions(source, VersionNames(CHAMPION), timezone, performance)
    if found.start == found.end and not is_paired:
        problem = f"{candidate_file} has other ids, and its times do not overlap those of {file}"
        raise BadInput(f"{problem}; use rows of the same period", "champion")
    if not found.comparisons:
        raise BadInput(clause(found.reason), "champion", file)
    return replace(found, of_files=True)


_FAULTS = ("data_fault", "output_fault", "service")
_CHANGES = facts.NoInputExplains | facts.InputsLookAsBefore | facts.ProportionsChanged | facts.OldBaseline
"""Reasons by what changed since the baseline, which another version does not explain."""


def of_candidate(evaluation: Evaluation) -> Evaluation:
    """Return a window whose baseline is the champion: another version explains another performance."""
    kind = evaluation.change_kind
    kept = kind if kind is not None and kind.kind in _FAULTS else None
    verdict = None if evaluation.verdict is None else verdict_of_candidate(evaluation.verdict)
    return replace(evaluation, change_kind=kept, verdict=verdict)


def verdict_of_candidate(verdict: Verdict) -> Verdict:
    """Return the verdict of a candidate whose baseline is the champion, without the advice to retrain."""
    if verdict.state != "degraded" or verdict.kind in _FAULTS:
        return verdict
    reasons = tuple(reason for reason in verdict.reasons if not isinstance(reason, _CHANGES))
    return replace(verdict, kind="", cause=None, reasons=reasons, advice=None)
