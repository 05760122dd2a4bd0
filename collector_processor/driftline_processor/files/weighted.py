"""`--importance-weighted`: performance of windows without labels, by weighted labelled rows of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from driftline.baseline import Baseline
from driftline.frames import concatenate, taken
from driftline.space import UNIT, at_places, bin_of_each
from driftline.tables import I64, Column, ModelKey, PredictionTable, told

from driftline_processor.core.drift.multivariate.classifier import MOST_ROWS, Points
from driftline_processor.core.estimate.weighted import Joined, ratios, weighted
from driftline_processor.core.evaluation import Evaluation

from .against import features_in
from .classified import SEED, Batches, drawn
from .errors import Say
from .exact import rows_of
from .roles import ColumnOptions, find_roles
from .rows import for_task, read_rows, tables, texts_of, written_as
from .sidecar import holds_kept_rows, load_rows
from .source import open_source

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
        say(f"{OPTION}: left out: the baseline has no space of these features (docs/methods.md says what it takes)")
        return
    found = _labelled(rows_of(reference, OPTION), baseline, options, say)
    if found is None:
        say(f"{OPTION}: left out: {reference.name} holds no row with features and an outcome")
        return
    was, labelled = found
    rng = np.random.default_rng(SEED)
    most = [MOST_ROWS] * len(evaluations)
    for evaluation, now in zip(
        evaluations, drawn(current, np.concatenate(groups), most, bins, space, rng), strict=True
    ):
        weights = ratios(was, now, rng)
        if weights is not None:
            evaluation.weighted = weighted(baseline.task, labelled, weights, evaluation.rows, evaluation.estimated)
            if not evaluation.weighted:
                say(f"{OPTION}: too few labelled rows are like those of a window, so nothing is told of it")


def _labelled(path: Path, baseline: Baseline, options: ColumnOptions, say: Say) -> tuple[Points, Joined] | None:
    """The labelled rows of a reference, 10,000 at most, evenly chosen; None where there are none."""
    parts: Iterable[PredictionTable]
    if holds_kept_rows(path):
        kept, actual = load_rows(path, baseline)
        parts, rows = [kept], len(kept)
    else:
        source = open_source(path, texts_of(baseline, options), say, written=written_as(baseline, options))
        found, kind = features_in([source], baseline), baseline.task.kind
        roles = find_roles([source], options, kind, baseline.columns, lambda _: None, found, baseline.bins.projections)
        read = for_task(read_rows(source, roles, kind, say), baseline.task)
        parts, actual, rows = tables(read, roles, _key(baseline), baseline.task, baseline), read.actual, source.rows
    if actual is None:
        return None
    known = np.flatnonzero(told(actual))
    known = (
        known[np.linspace(0, len(known) - 1, min(len(known), MOST_LABELLED)).astype(np.intp)] if len(known) else known
    )
    if not len(known):
        return None
    return _points(parts, known, taken(actual, known), baseline, rows)


def _points(
    parts: Iterable[PredictionTable], chosen: I64, actual: Column, baseline: Baseline, rows: int
) -> tuple[Points, Joined]:
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
            predicted.append(taken(table.predicted, own))
    assert start == rows
    joined = Joined(
        actual,
        np.concatenate(scores) if scores else None,
        concatenate(predicted) if predicted else None,
    )
    return Points(space.names, np.concatenate(z), np.concatenate(missing)), joined


def _key(baseline: Baseline) -> ModelKey:
    return ModelKey(baseline.model, baseline.version)
