"""Compare window and reference rows with a domain classifier, for ``--classifier``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins
from driftline.panes.pane import Pane
from driftline.panes.pca import UNIT, Space, at_places, bin_of_each
from driftline.tables.table import F64, I64, PredictionTable
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.drift.multivariate.classifier import METHOD, MOST_ROWS, Points, classify
from driftline_processor.core.drift.multivariate.method import JointResult
from driftline_processor.core.drift.multivariate_rule import drift_together, joint_design_effect
from driftline_processor.readers.errors import Say, about_option

from .reference import reference_rows
from .row_comparison import RowComparison

CLASSIFIER = METHOD.name

SEED = 20_261_120
"""Fixed seed, so that a file always gets the same result."""

Batches = Iterable[tuple[PredictionTable, I64]]
"""Tables, and the window of each row: int64 (n,), -1 for none."""


def space_of(baseline: Baseline, option: str, say: Say) -> Space | None:
    """Return the feature space of a baseline; None, with a message, if there is none."""
    space = baseline.bins.space
    if space is not None and space.names_in(baseline.bins.features):
        return space
    say(
        about_option(
            option,
            "skipped: the baseline has no space of these features (see docs/concepts/drift.md#features-together)",
        )
    )
    return None


def classify_windows(rows: RowComparison, panes: Sequence[Pane]) -> None:
    """Evaluate every window again, with the result of the domain classifier."""
    space = space_of(rows.baseline, "classifier", rows.say)
    if space is None:
        return
    joint_drifts = _classified(rows, Coordinates(rows.baseline.bins.features, space))
    for evaluation, pane, joint_drift in zip(rows.evaluations, panes, joint_drifts, strict=True):
        from_rows = {} if joint_drift is None else {CLASSIFIER: joint_drift}
        evaluation.joint = drift_together(pane, rows.baseline, evaluation.features, from_rows)


def _classified(rows: RowComparison, coordinates: Coordinates) -> Iterator[JointResult | None]:
    """Yield the result of the classifier per window, None if there is none.

    At most 5,000 rows per side, and at most the effective sample size if rows are autocorrelated.
    """
    rng, evaluations = np.random.default_rng(SEED), rows.evaluations
    reference_count, reference = reference_rows(rows.reference, rows.options, rows.baseline, rows.key)
    worth = [joint_design_effect(coordinates.space, evaluation.features) for evaluation in evaluations]
    before = ((table, np.zeros(len(table), dtype=np.int64)) for table in reference)
    [was] = sample_rows(before, np.zeros(reference_count, dtype=np.int64), [MOST_ROWS], coordinates, rng)
    limits = [min(MOST_ROWS, int(evaluation.rows / like)) for evaluation, like in zip(evaluations, worth, strict=True)]
    group = np.concatenate(rows.groups)
    sampled = sample_rows(rows.batches(), group[group >= 0], limits, coordinates, rng)
    for now, like in zip(sampled, worth, strict=True):
        kept_count = int(min(len(was.z), reference_count / like))
        yield classify(Points(was.names, was.z[:kept_count], was.missing[:kept_count]), now, rng)


def sample_rows(
    batches: Batches, group: I64, limits: Sequence[int], coordinates: Coordinates, rng: np.random.Generator
) -> list[Points]:
    """Draw at most ``limits`` rows per window as points, in random order."""
    is_kept = np.zeros(len(group), dtype=np.bool_)
    for index, count in enumerate(limits):
        window_rows = np.flatnonzero(group == index)
        is_kept[rng.permutation(window_rows)[:count]] = True
    parts: list[tuple[I64, F64, NDArray[np.bool_]]] = []
    start = 0
    for table, window in batches:
        kept_places = np.flatnonzero(is_kept[start : start + len(table)])
        start += len(table)
        parts.append((window[kept_places], *coordinates.of(table, kept_places)))
    windows, z, missing = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    points = []
    for index in range(len(limits)):
        order = rng.permutation(np.flatnonzero(windows == index))
        points.append(Points(coordinates.space.names, z[order], missing[order]))
    return points


class Coordinates(Struct, frozen=True):
    """A space of features, and their bins."""

    bins: dict[str, Bins]
    space: Space

    def of(self, table: PredictionTable, rows: NDArray[np.intp] | I64) -> tuple[F64, NDArray[np.bool_]]:
        """Return the coordinates of rows and which of them are missing: float64 and bool (rows, names)."""
        names, places = self.space.names, self.space.places
        index_by_name = {name: bin_of_each([table], name, self.bins[name])[rows] for name in names}
        placed = [at_places(places[name], index) for name, index in index_by_name.items()]
        missing = [index >= len(places[name]) for name, index in index_by_name.items()]
        return np.stack(placed, axis=1) / UNIT, np.stack(missing, axis=1)
