"""Drift values from rows instead of bins, for `--exact`, with one column of all rows in memory at a time.

Decisions still use the counts per bin, so that files and the service reach the same states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import NumberBins
from driftline.privacy.rules import Rule
from driftline.tables.table import F64, I64, Column, PredictionTable, numbers_of
from driftline.tables.task import Task
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.methods.method import counts_of_rows
from driftline_processor.core.evaluation import ColumnDrift, MethodValue
from driftline_processor.readers.arrow_columns import is_nested, whole_column
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.column_roles import find_roles
from driftline_processor.readers.errors import Say, quiet
from driftline_processor.readers.prediction_rows import (
    read_rows,
    ruled,
    rules_of,
    shape_scores,
)
from driftline_processor.readers.source import Source, readable

from .baseline import holds_kept_rows, load_rows
from .reference import open_reference, reference_rows_path
from .row_comparison import RowComparison


def exact_values(rows: RowComparison) -> None:
    """Add exact drift values to evaluations, for every method that has another value over rows than over counts."""
    reference, baseline = reference_rows_path(rows.reference, "exact"), rows.baseline
    evaluations, groups = rows.evaluations, rows.groups
    reference_values: _SavedRows | _Plain
    rules: Mapping[str, Rule | None] = {}
    if holds_kept_rows(reference):
        reference_values, rules = _SavedRows(load_rows(reference, baseline)[0]), rules_of(baseline)
    else:
        source = open_reference(reference, baseline, rows.options)
        reference_values = _Plain(source, baseline, rows.options, rows.say)
    for name, bins in baseline.bins.features.items():
        if not isinstance(bins, NumberBins) or not _wants(evaluations[0].features[name]):
            continue
        was = reference_values.numbers(name)
        now = [_ruled(_numbers(read.source, name), rules.get(name)) for read in rows.dataset.rows]
        for evaluation, current in zip(evaluations, _by_window(now, groups, len(evaluations)), strict=True):
            column = _exactly(evaluation.features[name], was, current, bins)
            evaluation.features = {**evaluation.features, name: column}
    scored = baseline.bins.score
    if isinstance(scored, NumberBins) and all(read.scores is not None for read in rows.dataset.rows):
        was, *now = (
            _column(scores, baseline.task)
            for scores in (reference_values.scores(), *(read.scores for read in rows.dataset.rows))
        )
        for evaluation, current in zip(evaluations, _by_window(now, groups, len(evaluations)), strict=True):
            if evaluation.score is not None:
                evaluation.score = _exactly(evaluation.score, was, current, scored)


class _Plain(Struct, frozen=True):
    """A reference in a file of rows."""

    source: Source
    baseline: Baseline
    options: ColumnOptions
    say: Say

    def numbers(self, name: str) -> F64:
        return _numbers(self.source, name)

    def scores(self) -> F64 | None:
        task = self.baseline.task
        roles = find_roles([self.source], self.options, quiet, self.baseline)
        return shape_scores(read_rows(self.source, roles, task, self.say), task).scores


class _SavedRows(Struct, frozen=True):
    """A reference of rows saved with a baseline, filtered by its privacy rules."""

    rows: PredictionTable

    def numbers(self, name: str) -> F64:
        column = self.rows.features.get(name)
        return np.full(len(self.rows), np.nan) if column is None else numbers_of(column)

    def scores(self) -> F64 | None:
        return self.rows.scores


def _ruled(values: F64, rule: Rule | None) -> F64:
    return values if rule is None else numbers_of(ruled(Column(numbers=values), rule))


def _column(scores: F64 | None, task: Task) -> F64:
    return np.zeros(0) if scores is None else task.monitored_score(scores)


def _wants(column: ColumnDrift) -> bool:
    return any(METHODS[method].rows for method in column.methods)


def _numbers(source: Source, name: str) -> F64:
    """Return one numeric feature of all rows; NaN if the file has no such column, such as text descriptors."""
    if name not in source.schema.names or is_nested(source.schema.field(name).type):
        return np.full(source.rows, np.nan)
    with readable(source.path):
        return numbers_of(whole_column(source.column(name), number=name in source.by_looks))


def _by_window(values: Sequence[F64], groups: Sequence[I64], windows: int) -> list[F64]:
    every, group = np.concatenate(values), np.concatenate(groups)
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(windows + 1))
    return [every[order[start:end]] for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


def _exactly(column: ColumnDrift, was: F64, now: F64, bins: NumberBins) -> ColumnDrift:
    if not np.isfinite(was).any() or not np.isfinite(now).any():
        return column
    chosen = [name for name, method in column.methods.items() if METHODS[name].rows and method.value is not None]
    counts = counts_of_rows(was, now, bins) if chosen else None
    exact = {
        name: MethodValue(float(METHODS[name].counts(counts).value[0]), column.methods[name].p_value)
        for name in chosen
        if counts is not None
    }
    return replace(column, methods={**column.methods, **exact})
