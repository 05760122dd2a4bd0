"""Estimate the performance of unlabelled windows from weighted reference rows, for ``--importance-weighted``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.table import I64, Column, ModelKey, PredictionTable, concatenate, is_present, take_rows

from driftline_processor.core.drift.multivariate.classifier import MOST_ROWS, Points
from driftline_processor.core.estimate.importance_weighting import LabelledRows, estimate_by_weights, ratios
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import Say, about_option
from driftline_processor.readers.memory import Rows
from driftline_processor.readers.prediction_rows import (
    read_rows,
    shape_scores,
    table_batches,
)

from .baseline import holds_kept_rows, load_rows
from .domain_classifier import SEED, Coordinates, sample_rows, space_of
from .reference import open_reference, reference_roles, reference_rows_path
from .row_comparison import RowComparison

OPTION = "importance_weighted"
MOST_LABELLED = 10_000


def weigh_windows(rows: RowComparison) -> None:
    """Add importance-weighted estimates to evaluations."""
    baseline, reference, say = rows.baseline, rows.reference, rows.say
    space = space_of(baseline, OPTION, say)
    if space is None:
        return
    labelled_rows = _labelled_reference(reference_rows_path(reference, OPTION), baseline, rows.options, say)
    if labelled_rows is None:
        name = reference.name if isinstance(reference, Path) else reference
        say(about_option(OPTION, f"skipped: {name} contains no row with features and an outcome"))
        return
    was, labelled = labelled_rows
    rng = np.random.default_rng(SEED)
    limits = [MOST_ROWS] * len(rows.evaluations)
    sampled = sample_rows(
        rows.batches(), np.concatenate(rows.groups), limits, Coordinates(baseline.bins.features, space), rng
    )
    for evaluation, now in zip(rows.evaluations, sampled, strict=True):
        weights = ratios(was, now, rng)
        if weights is not None:
            evaluation.weighted = estimate_by_weights(
                baseline.task, labelled, weights, evaluation.rows, evaluation.estimated
            )
            if not evaluation.weighted:
                say(
                    about_option(
                        OPTION, "too few labelled rows are similar to those of a window, so it has no such estimate"
                    )
                )


def _labelled_reference(
    path: Rows, baseline: Baseline, options: ColumnOptions, say: Say
) -> tuple[Points, LabelledRows] | None:
    """Return at most 10,000 evenly sampled labelled rows of a reference; None without labels."""
    parts: Iterable[PredictionTable]
    if holds_kept_rows(path):
        table, actual = load_rows(path, baseline)
        parts, rows = [table], len(table)
    else:
        source = open_reference(path, baseline, options)
        roles, task = reference_roles(source, options, baseline), baseline.task
        read = shape_scores(read_rows(source, roles, task, say), task)
        parts, actual, rows = (
            table_batches(read, roles, _key(baseline), baseline.task, baseline),
            read.actual,
            source.rows,
        )
    if actual is None:
        return None
    labelled = np.flatnonzero(is_present(actual))
    labelled = (
        labelled[np.linspace(0, len(labelled) - 1, min(len(labelled), MOST_LABELLED)).astype(np.intp)]
        if len(labelled)
        else labelled
    )
    if not len(labelled):
        return None
    return _points(parts, labelled, take_rows(actual, labelled), baseline, rows)


def _points(
    parts: Iterable[PredictionTable], chosen: I64, actual: Column, baseline: Baseline, rows: int
) -> tuple[Points, LabelledRows]:
    """Return the ``chosen`` positions among all ``rows`` as points and as labelled rows."""
    space = baseline.bins.space
    assert space is not None
    coordinates = Coordinates(baseline.bins.features, space)
    z, missing, scores = [], [], []
    predicted: list[Column] = []
    start = 0
    for table in parts:
        own = chosen[(chosen >= start) & (chosen < start + len(table))] - start
        start += len(table)
        placed, lacking = coordinates.of(table, own)
        z.append(placed)
        missing.append(lacking)
        if table.scores is not None:
            scores.append(table.scores[own])
        if table.predicted is not None:
            predicted.append(take_rows(table.predicted, own))
    assert start == rows
    joined = LabelledRows(
        actual,
        np.concatenate(scores) if scores else None,
        concatenate(predicted) if predicted else None,
    )
    return Points(space.names, np.concatenate(z), np.concatenate(missing)), joined


def _key(baseline: Baseline) -> ModelKey:
    return ModelKey(baseline.model, baseline.version)
