"""A classifier that tells the rows of a window from those of the reference: drift (`--classifier`), and estimates by
importance weights.

`--classifier`: the domain classifier of each window, on rows of it and of the reference.

`--importance-weighted`: performance of windows without labels, by weighted labelled rows of the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins
from driftline.panes.pane import Pane
from driftline.panes.pca import UNIT, Space, at_places, bin_of_each
from driftline.tables.table import F64, I64, Column, ModelKey, PredictionTable, concatenate, is_present, take_rows

from driftline_processor.core.drift.multivariate.classifier import METHOD, MOST_ROWS, Points, classify
from driftline_processor.core.drift.multivariate.method import JointResult
from driftline_processor.core.drift.multivariate_rule import drift_together, joint_design_effect
from driftline_processor.core.estimate.importance_weighting import LabelledRows, estimate_by_weights, ratios
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.readers.column_roles import ColumnOptions, find_roles
from driftline_processor.readers.errors import Say
from driftline_processor.readers.prediction_rows import (
    known_notation,
    read_rows,
    shape_scores,
    table_batches,
    text_columns,
)
from driftline_processor.readers.sources import open_source

from .baseline import holds_kept_rows, load_rows
from .exact_values import reference_rows_path
from .reference import features_of_files

CLASSIFIER = METHOD.name

SEED = 20_261_120
"""The same rows are drawn each time: a file evaluated twice has one answer."""

Batches = Iterable[tuple[PredictionTable, I64]]
"""Tables, and the window of each of their rows: int64 (n,), -1 for none."""


def classify_windows(
    evaluations: Sequence[Evaluation],
    panes: Sequence[Pane],
    reference: tuple[int, Iterable[PredictionTable]],
    current: Iterable[tuple[PredictionTable, I64]],
    groups: Sequence[I64],
    baseline: Baseline,
    say: Say,
) -> None:
    """Judge every window anew, with what the domain classifier finds in it."""
    bins, space = baseline.bins.features, baseline.bins.space
    if space is None or not space.names_in(bins):
        say(
            "--classifier: left out: the baseline has no space of these features (docs/explanation/features-together.md"
            " says what it takes)"
        )
        return
    group = np.concatenate(groups)
    known, before = reference
    found = _classified(evaluations, before, current, (known, group[group >= 0]), bins, space)
    for evaluation, pane, one in zip(evaluations, panes, found, strict=True):
        from_rows = {} if one is None else {CLASSIFIER: one}
        evaluation.joint = drift_together(pane, baseline, evaluation.features, from_rows)


def _classified(
    evaluations: Sequence[Evaluation],
    reference: Iterable[PredictionTable],
    current: Batches,
    rows: tuple[int, I64],
    bins: dict[str, Bins],
    space: Space,
) -> Iterator[JointResult | None]:
    """Yield what the classifier finds in each window, None where nothing can be found.

    ``rows``: of the reference, and of all windows, in the order of ``current``. Up to 5,000 rows of each side are
    drawn, and fewer where rows resemble each other: as many as they are worth.
    """
    rng = np.random.default_rng(SEED)
    known, windows = rows
    worth = [joint_design_effect(space, evaluation.features) for evaluation in evaluations]
    before = ((table, np.zeros(len(table), dtype=np.int64)) for table in reference)
    [was] = sample_rows(before, np.zeros(known, dtype=np.int64), [MOST_ROWS], bins, space, rng)
    most = [min(MOST_ROWS, int(one.rows / like)) for one, like in zip(evaluations, worth, strict=True)]
    some = sample_rows(current, windows, most, bins, space, rng)
    for now, like in zip(some, worth, strict=True):
        kept = int(min(len(was.z), known / like))
        yield classify(Points(was.names, was.z[:kept], was.missing[:kept]), now, rng)


def sample_rows(
    batches: Batches, group: I64, most: Sequence[int], bins: dict[str, Bins], space: Space, rng: np.random.Generator
) -> list[Points]:
    """Draw at most so many rows of each window, as points; in an order that chance has made."""
    kept = np.zeros(len(group), dtype=np.bool_)
    for at, count in enumerate(most):
        own = np.flatnonzero(group == at)
        kept[rng.permutation(own)[:count]] = True
    found: list[tuple[I64, F64, F64]] = []
    start = 0
    for table, window in batches:
        some = np.flatnonzero(kept[start : start + len(table)])
        start += len(table)
        index = [bin_of_each([table], name, bins[name])[some] for name in space.names]
        placed = [at_places(space.places[name], one) for name, one in zip(space.names, index, strict=True)]
        lacking = [one >= len(space.places[name]) for name, one in zip(space.names, index, strict=True)]
        found.append((window[some], np.stack(placed, axis=1) / UNIT, np.stack(lacking, axis=1).astype(np.float64)))
    windows, z, missing = (np.concatenate(parts) for parts in zip(*found, strict=True))
    points = []
    for at in range(len(most)):
        order = rng.permutation(np.flatnonzero(windows == at))
        points.append(Points(space.names, z[order], missing[order] > 0))
    return points


OPTION = "--importance-weighted"
MOST_LABELLED = 10_000


def weigh_windows(
    evaluations: Sequence[Evaluation],
    reference: Path,
    current: Batches,
    groups: Sequence[I64],
    baseline: Baseline,
    options: ColumnOptions,
    say: Say,
) -> None:
    """Put importance-weighted estimates into evaluations, one per window."""
    bins, space = baseline.bins.features, baseline.bins.space
    if space is None or not space.names_in(bins):
        say(
            f"{OPTION}: left out: the baseline has no space of these features"
            " (docs/explanation/features-together.md says what it takes)"
        )
        return
    found = _labelled(reference_rows_path(reference, OPTION), baseline, options, say)
    if found is None:
        say(f"{OPTION}: left out: {reference.name} holds no row with features and an outcome")
        return
    was, labelled = found
    rng = np.random.default_rng(SEED)
    most = [MOST_ROWS] * len(evaluations)
    for evaluation, now in zip(
        evaluations, sample_rows(current, np.concatenate(groups), most, bins, space, rng), strict=True
    ):
        weights = ratios(was, now, rng)
        if weights is not None:
            evaluation.weighted = estimate_by_weights(
                baseline.task, labelled, weights, evaluation.rows, evaluation.estimated
            )
            if not evaluation.weighted:
                say(f"{OPTION}: too few labelled rows are like those of a window, so nothing is told of it")


def _labelled(path: Path, baseline: Baseline, options: ColumnOptions, say: Say) -> tuple[Points, LabelledRows] | None:
    """The labelled rows of a reference, 10,000 at most, evenly chosen; None where there are none."""
    parts: Iterable[PredictionTable]
    if holds_kept_rows(path):
        kept, actual = load_rows(path, baseline)
        parts, rows = [kept], len(kept)
    else:
        source = open_source(path, text_columns(baseline, options), say, written=known_notation(baseline, options))
        found, kind = features_of_files([source], baseline), baseline.task.kind
        roles = find_roles([source], options, kind, baseline.columns, lambda _: None, found, baseline.bins.projections)
        read = shape_scores(read_rows(source, roles, kind, say), baseline.task)
        parts, actual, rows = (
            table_batches(read, roles, _key(baseline), baseline.task, baseline),
            read.actual,
            source.rows,
        )
    if actual is None:
        return None
    known = np.flatnonzero(is_present(actual))
    known = (
        known[np.linspace(0, len(known) - 1, min(len(known), MOST_LABELLED)).astype(np.intp)] if len(known) else known
    )
    if not len(known):
        return None
    return _points(parts, known, take_rows(actual, known), baseline, rows)


def _points(
    parts: Iterable[PredictionTable], chosen: I64, actual: Column, baseline: Baseline, rows: int
) -> tuple[Points, LabelledRows]:
    """The chosen rows, by their place among all ``rows``, as points and as what performance is made of."""
    bins, space = baseline.bins.features, baseline.bins.space
    assert space is not None
    z, missing, scores = [], [], []
    predicted: list[Column] = []
    start = 0
    for table in parts:
        own = chosen[(chosen >= start) & (chosen < start + len(table))] - start
        start += len(table)
        index = [bin_of_each([table], name, bins[name])[own] for name in space.names]
        placed = [at_places(space.places[name], one) for name, one in zip(space.names, index, strict=True)]
        lacking = [one >= len(space.places[name]) for name, one in zip(space.names, index, strict=True)]
        z.append(np.stack(placed, axis=1) / UNIT)
        missing.append(np.stack(lacking, axis=1))
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
