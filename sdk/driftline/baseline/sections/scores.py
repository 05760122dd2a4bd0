"""The scores of the reference: their distribution per class, and the mean score per cell of each feature.

The distribution per class is for multiclass models; that of a binary model is in its pane, on the fixed score grid.
The mean score per cell shows how a shift of the feature changes the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from driftline.panes.bins import Index, assign
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import actual_numbers, usable_weight
from driftline.tables.table import F64, Column, PredictionTable
from driftline.tables.task import Task

from .section import Section, block_columns, check_first, sizes
from .time_blocks import BlockCounts

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup


CELLS = 20
"""Cells of equal width from 0 to 1."""

MOST_CLASSES = 50

MAX_CLASSES_BY_FEATURE = 20
"""Maximum number of classes whose outcomes are kept per cell of a feature."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores(Section):
    """Class → float64 (2, 20): all rows by the score of that class, and the rows of that class.

    For the first 50 classes. Scores outside [0, 1] are not probabilities and are left out.
    """

    by_class: Mapping[str, F64]

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` for an unknown class or a wrong number of cells."""
        classes = () if bins.classes is None else bins.classes.categories
        for name, counts in self.by_class.items():
            if name not in classes:
                raise ValueError(f"{name!r} is not a class")
            if counts.shape != (2, CELLS):
                raise ValueError(f"the entry of {name!r} must be two lists of {CELLS} counts")


class ClassScoresGatherer:
    """Gathers the scores of each class of a multiclass model."""

    def __init__(self, _reference: ReferenceSetup) -> None:
        self._counts_by_class: dict[str, F64] = {}

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Add rows."""
        classes = table.task.classes[:MOST_CLASSES]
        if not table.task.has_class_scores or table.scores is None or table.scores.shape[1] < len(classes):
            return
        truth = None if actual is None else class_codes(actual, table.task.classes)
        for code, name in enumerate(classes):
            score = table.scores[:, code]
            with np.errstate(invalid="ignore"):
                usable = np.flatnonzero((score >= 0) & (score <= 1))
            cell = np.minimum((score[usable] * CELLS).astype(np.intp), CELLS - 1)
            class_cells = np.zeros(0, np.intp) if truth is None else cell[truth[usable] == code]
            counts = np.stack([np.bincount(rows, minlength=CELLS) for rows in (cell, class_cells)]).astype(np.float64)
            self._counts_by_class[name] = self._counts_by_class.get(name, np.zeros((2, CELLS))) + counts

    def piece(self) -> ClassScores | None:
        """Return the scores; None for models that are not multiclass."""
        return ClassScores(self._counts_by_class) if self._counts_by_class else None


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMeans:
    """Mean scores per cell of one column.

    Attributes:
        first: intp (cells,), first bin of each cell, ascending from 0. Rows without a usable value are one more cell.
        mean: float64 (cells + 1,), mean score of each cell.
        rows: float64 (cells + 1,), weight of the rows of each cell.
        outcome: float64 (cells + 1,), fraction of positives among the labelled rows of each cell; for a regression,
            their mean outcome. None for other models, and for baselines without outcomes.
        labelled: float64 (cells + 1,), weight of these labelled rows.
        classes: float64 (k, cells + 1), fraction of each class among the labelled rows, for a model of 3 to
            :data:`MAX_CLASSES_BY_FEATURE` classes; None for other models.
    """

    first: Index
    mean: F64
    rows: F64
    outcome: F64 | None = None
    labelled: F64 | None = None
    classes: F64 | None = None

    def check(self) -> None:
        """Raise ``ValueError`` if the arrays do not fit the cells."""
        cells = (len(self.first) + 1,)
        if not self.mean.shape == self.rows.shape == cells:
            raise ValueError("needs a mean and a number of rows for each cell, and for one extra cell")
        labelled = self.labelled is not None
        outcomes = [self.outcome] if self.outcome is not None else []
        outcomes += [*self.classes] if self.classes is not None else []
        if (self.outcome is not None) + (self.classes is not None) != labelled or any(
            means.shape != cells for means in (*outcomes, self.rows if self.labelled is None else self.labelled)
        ):
            raise ValueError(
                "must have none of the keys 'labelled', 'outcome' and 'classes', or exactly two: 'labelled' and one "
                "of the others; each needs one value per cell, and one more for the rows without a cell"
            )


@dataclass(frozen=True, slots=True, eq=False)
class ScoreByFeature(Section):
    """Name of a pane's part (``feature:NAME``, ``score``) → mean scores.

    A cell of a feature has about a tenth of the rows; the score has its own bins. The score is that of
    :meth:`~driftline.tables.task.Task.monitored_score`.
    """

    by_part: Mapping[str, ScoreMeans]

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` for a part without bins, and for cells outside its bins."""
        for name, size in sizes(self.by_part, bins):
            check_first(self.by_part[name].first, size, name)

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the parts whose bins no rule changes."""
        means_by_part = features.plain_parts(self.by_part)
        return type(self)(means_by_part) if means_by_part else None


class ScoreByFeatureGatherer:
    """Gathers, per bin, the weight of rows with a score, the sum of their scores, and their outcomes."""

    def __init__(self, reference: ReferenceSetup) -> None:
        over = block_columns(reference.bins)
        self._bins = {name: bins for name, bins in over.items() if name != "class"} if "score" in over else {}
        self._sums = {name: np.zeros((3, bins.size + 2)) for name, bins in self._bins.items()}
        self._outcomes: dict[str, F64] = {}

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Add rows."""
        if table.scores is None or not len(table.scores):
            return
        score = table.task.monitored_score(table.scores)
        usable = np.isfinite(score)
        weight = np.ones(len(score)) if table.weight is None else usable_weight(table.weight)
        weight = np.where(usable, weight, 0.0)
        scored = np.where(usable, score, 0.0) * weight
        labelled, outcomes = _outcomes(table.task, actual, weight)
        for name, bins in self._bins.items():
            column = Column(numbers=score) if name == "score" else table.features.get(name[len("feature:") :])
            bin_index = np.empty(0, np.intp) if column is None else assign(bins, column)
            if not len(bin_index):
                bin_index = np.full(len(score), bins.size, np.intp)
            for row, values in enumerate((weight, scored, labelled)):
                self._sums[name][row] += np.bincount(bin_index, values, minlength=bins.size + 2)
            if len(outcomes):
                sums = np.stack([np.bincount(bin_index, values, minlength=bins.size + 2) for values in outcomes])
                before = self._outcomes.get(name)
                self._outcomes[name] = sums.astype(np.float64) if before is None else before + sums

    def piece(self) -> ScoreByFeature | None:
        """Return the means; None if no row has a score."""
        means_by_feature = {}
        for name, (rows, scored, labelled) in self._sums.items():
            if not rows.any():
                continue
            size = self._bins[name].size
            first = np.arange(size) if name == "score" else BlockCounts.of(rows[np.newaxis], size).first
            starts = np.append(first, size)
            weight = np.add.reduceat(rows, starts)
            labelled_rows = np.add.reduceat(labelled, starts) if labelled.any() else None
            outcome_means = (
                []
                if labelled_rows is None
                else [_means(np.add.reduceat(outcomes, starts), labelled_rows) for outcomes in self._outcomes[name]]
            )
            outcome, classes = (
                (outcome_means[0], None)
                if len(outcome_means) == 1
                else (None, np.stack(outcome_means) if outcome_means else None)
            )
            means = _means(np.add.reduceat(scored, starts), weight)
            means_by_feature[name] = ScoreMeans(first, means, weight, outcome, labelled_rows, classes)
        return ScoreByFeature(means_by_feature) if means_by_feature else None


def _means(total: F64, weight: F64) -> F64:
    mean = np.divide(total, weight, out=np.zeros(len(weight)), where=weight > 0)
    # six digits, rounded here so that a baseline is the same before and after writing
    return np.array([float(f"{value:.6g}") for value in mean.tolist()])


def _outcomes(task: Task, actual: Column | None, weight: F64) -> tuple[F64, Sequence[F64]]:
    """Return the weight of each labelled row, and its weighted outcome; see :class:`ScoreMeans`."""
    unknown: tuple[F64, Sequence[F64]] = (np.zeros(len(weight)), ())
    if actual is None:
        return unknown
    if task.predicts_number:
        values = actual_numbers(actual)
        labelled = np.where(np.isfinite(values), weight, 0.0)
        return labelled, [np.where(labelled > 0, values, 0.0) * labelled]
    truth = class_codes(actual, task.classes) if task.has_threshold or task.has_class_scores else None
    if truth is None:
        return unknown
    labelled = np.where((truth >= 0) & (truth < len(task.classes)), weight, 0.0)
    if task.positive is not None:
        return labelled, [np.where(truth == task.positive, labelled, 0.0)]
    if len(task.classes) > MAX_CLASSES_BY_FEATURE:
        return unknown
    return labelled, [np.where(truth == code, labelled, 0.0) for code in range(len(task.classes))]
