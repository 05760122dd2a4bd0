"""Compare window and reference rows by a classifier, for ``--classifier``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins
from driftline.panes.pane import Pane
from driftline.panes.pca import UNIT, Space, at_places, bin_of_each
from driftline.tables.table import F64, I64, PredictionTable
from numpy.typing import NDArray

from driftline_processor.core.drift.multivariate.classifier import METHOD, MOST_ROWS, Points, classify
from driftline_processor.core.drift.multivariate.method import JointResult
from driftline_processor.core.drift.multivariate_rule import drift_together, joint_design_effect
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.readers.errors import Say, about_option

CLASSIFIER = METHOD.name

SEED = 20_261_120
"""The same rows are drawn each time: a file evaluated twice has one answer."""

Batches = Iterable[tuple[PredictionTable, I64]]
"""Tables, and the window of each of their rows: int64 (n,), -1 for none."""


def space_of(baseline: Baseline, option: str, say: Say) -> Space | None:
    """Return the space of a baseline's features; where there is none, say that the option is left out."""
    space = baseline.bins.space
    if space is not None and space.names_in(baseline.bins.features):
        return space
    say(
        about_option(
            option,
            "left out: the baseline has no space of these features "
            "(docs/explanation/features-together.md says what it takes)",
        )
    )
    return None


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
    space = space_of(baseline, "classifier", say)
    if space is None:
        return
    group = np.concatenate(groups)
    reference_rows, before = reference
    joint_drifts = _classified(
        evaluations, before, current, (reference_rows, group[group >= 0]), baseline.bins.features, space
    )
    for evaluation, pane, joint_drift in zip(evaluations, panes, joint_drifts, strict=True):
        from_rows = {} if joint_drift is None else {CLASSIFIER: joint_drift}
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
    reference_count, windows = rows
    worth = [joint_design_effect(space, evaluation.features) for evaluation in evaluations]
    before = ((table, np.zeros(len(table), dtype=np.int64)) for table in reference)
    [was] = sample_rows(before, np.zeros(reference_count, dtype=np.int64), [MOST_ROWS], bins, space, rng)
    limits = [min(MOST_ROWS, int(evaluation.rows / like)) for evaluation, like in zip(evaluations, worth, strict=True)]
    sampled = sample_rows(current, windows, limits, bins, space, rng)
    for now, like in zip(sampled, worth, strict=True):
        kept_count = int(min(len(was.z), reference_count / like))
        yield classify(Points(was.names, was.z[:kept_count], was.missing[:kept_count]), now, rng)


def sample_rows(
    batches: Batches, group: I64, limits: Sequence[int], bins: dict[str, Bins], space: Space, rng: np.random.Generator
) -> list[Points]:
    """Draw at most so many rows of each window, as points; in an order that chance has made."""
    is_kept = np.zeros(len(group), dtype=np.bool_)
    for index, count in enumerate(limits):
        window_rows = np.flatnonzero(group == index)
        is_kept[rng.permutation(window_rows)[:count]] = True
    i64ses: list[tuple[I64, F64, NDArray[np.bool_]]] = []
    start = 0
    for table, window in batches:
        kept_places = np.flatnonzero(is_kept[start : start + len(table)])
        start += len(table)
        i64ses.append((window[kept_places], *coordinates_of(table, kept_places, bins, space)))
    windows, z, missing = (np.concatenate(parts) for parts in zip(*i64ses, strict=True))
    points = []
    for index in range(len(limits)):
        order = rng.permutation(np.flatnonzero(windows == index))
        points.append(Points(space.names, z[order], missing[order]))
    return points


def coordinates_of(
    table: PredictionTable, rows: NDArray[np.intp] | I64, bins: dict[str, Bins], space: Space
) -> tuple[F64, NDArray[np.bool_]]:
    """Return the coordinates of some rows in a space, and which of them are missing: float64 and bool (rows, names)."""
    index = [bin_of_each([table], name, bins[name])[rows] for name in space.names]
    placed = [
        at_places(space.places[name], feature_index) for name, feature_index in zip(space.names, index, strict=True)
    ]
    lacking = [feature_index >= len(space.places[name]) for name, feature_index in zip(space.names, index, strict=True)]
    return np.stack(placed, axis=1) / UNIT, np.stack(lacking, axis=1)
