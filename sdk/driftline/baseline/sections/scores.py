"""The scores of the reference: the distribution by class, and the mean score by feature value.

How a multiclass model's scores lie, class by class. A binary model's are in its pane, on the fixed score grid.

The mean score where each feature has which values: what a shift of the feature makes of the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from driftline.panes.bins import Index, assign
from driftline.panes.json_checks import by_name, floats, is_whole, short
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import usable_weight
from driftline.tables.table import F64, Column, PredictionTable
from driftline.tables.task import Task

from .time_blocks import BlockCounts, block_targets

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup


CELLS = 20
"""Cells of one width from 0 to 1."""

MOST_CLASSES = 50


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Class → float64 (2, 20): rows by the score of that class, all of them, and those it was true of.

    Of the first 50 classes; scores outside [0, 1] are no probabilities and are left out.
    """

    of: Mapping[str, F64]

    def to_json(self) -> dict[str, Any]:
        """Return class → [[counts of all rows], [counts of its own]]."""
        return {name: [[short(value) for value in row] for row in counts.tolist()] for name, counts in self.of.items()}

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        known = () if bins.classes is None else bins.classes.labels
        of = {}
        for name, one in by_name(value).items():
            if name not in known:
                raise ValueError(f"{name!r} is no class")
            rows = [floats(row) for row in one] if isinstance(one, list) else []
            if [len(row) for row in rows] != [CELLS, CELLS]:
                raise ValueError(f"those of {name!r} must be two lists of {CELLS} counts")
            of[name] = np.stack(rows)
        return cls(of)

    def leaving(self, _features: FeatureFilter) -> Self | None:
        """Return them: they say nothing of features."""
        return self


class ClassScoresGatherer:
    """Gathers the scores of each class of a multiclass model."""

    def __init__(self, _reference: ReferenceSetup) -> None:
        self._of: dict[str, F64] = {}

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Take in more rows."""
        classes = table.task.classes[:MOST_CLASSES]
        if not table.task.has_class_scores or table.scores is None or table.scores.shape[1] < len(classes):
            return
        truth = None if actual is None else class_codes(actual, table.task.classes)
        for code, name in enumerate(classes):
            score = table.scores[:, code]
            with np.errstate(invalid="ignore"):
                usable = np.flatnonzero((score >= 0) & (score <= 1))
            cell = np.minimum((score[usable] * CELLS).astype(np.intp), CELLS - 1)
            own = np.zeros(0, np.intp) if truth is None else cell[truth[usable] == code]
            counts = np.stack([np.bincount(rows, minlength=CELLS) for rows in (cell, own)]).astype(np.float64)
            self._of[name] = self._of.get(name, np.zeros((2, CELLS))) + counts

    def piece(self) -> ClassScores | None:
        """Return the scores; None for any other model."""
        return ClassScores(self._of) if self._of else None


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMeans:
    """Mean scores by cell of one target.

    Attributes:
        first: intp (cells,), first bin of each cell, ascending from 0. Rows without a usable value are one more cell.
        mean: float64 (cells + 1,), mean score of each cell.
        rows: float64 (cells + 1,), weight of the rows of each cell.
        outcome: float64 (cells + 1,), share of positives among the labelled rows of each cell of a binary model's
            target; None of other models, and of baselines without outcomes.
        labelled: float64 (cells + 1,), weight of these labelled rows.
    """

    first: Index
    mean: F64
    rows: F64
    outcome: F64 | None = None
    labelled: F64 | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        known = {"mean": self.mean, "rows": self.rows, "outcome": self.outcome, "labelled": self.labelled}
        lists = {name: [short(value) for value in of.tolist()] for name, of in known.items() if of is not None}
        return {"first": self.first.tolist(), **lists}


@dataclass(frozen=True, slots=True, eq=False)
class ScoreByFeature:
    """The name of a pane's part (``feature:NAME``, ``score``) → mean scores.

    Features by about a tenth of the rows, the score by its own bins; the score as in
    :meth:`~driftline.tables.task.Task.target_score`.
    """

    of: Mapping[str, ScoreMeans]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScoreByFeature) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: one.to_json() for name, one in self.of.items()}

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        targets, of = block_targets(bins), {}
        for name, one in by_name(value).items():
            if name not in targets:
                raise ValueError(f"{name!r} has no bins")
            read = by_name(one)
            first = read.get("first")
            if not isinstance(first, list) or not all(is_whole(at) and 0 <= at < targets[name].size for at in first):
                raise ValueError(f"that of {name!r} needs first, a list of bins")
            if first[:1] != [0] or sorted(set(first)) != first:
                raise ValueError(f"that of {name!r} needs first bins that ascend from 0")
            mean, rows = floats(read.get("mean")), floats(read.get("rows"))
            if not len(mean) == len(rows) == len(first) + 1:
                raise ValueError(f"that of {name!r} needs a mean and a number of rows for each cell and one more")
            known = [floats(read[key]) if key in read else None for key in ("outcome", "labelled")]
            if {None if one is None else len(one) for one in known} not in ({None}, {len(rows)}):
                raise ValueError(f"that of {name!r} needs outcome and labelled, for each cell and one more, or neither")
            of[name] = ScoreMeans(np.array(first, np.intp), mean, rows, *known)
        return cls(of)

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return those of features whose bins no rule changes."""
        of = {
            n: one
            for n, one in self.of.items()
            if not n.startswith("feature:") or n[len("feature:") :] in features.plain
        }
        return type(self)(of) if of else None


class ScoreByFeatureGatherer:
    """Gathers, bin by bin, the weight of rows with a score, the sum of their scores, and their outcomes."""

    def __init__(self, reference: ReferenceSetup) -> None:
        over = block_targets(reference.bins)
        self._bins = {name: bins for name, bins in over.items() if name != "class"} if "score" in over else {}
        self._sums = {name: np.zeros((4, bins.size + 2)) for name, bins in self._bins.items()}

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Take in more rows."""
        if table.scores is None or not len(table.scores):
            return
        score = table.task.target_score(table.scores)
        usable = np.isfinite(score)
        weight = np.ones(len(score)) if table.weight is None else usable_weight(table.weight)
        weight = np.where(usable, weight, 0.0)
        scored = np.where(usable, score, 0.0) * weight
        labelled, positive = _outcomes(table.task, actual, weight)
        for name, bins in self._bins.items():
            column = Column(numbers=score) if name == "score" else table.features.get(name[len("feature:") :])
            at = np.empty(0, np.intp) if column is None else assign(bins, column)
            if not len(at):
                at = np.full(len(score), bins.size, np.intp)
            for row, values in enumerate((weight, scored, labelled, positive)):
                self._sums[name][row] += np.bincount(at, values, minlength=bins.size + 2)

    def piece(self) -> ScoreByFeature | None:
        """Return the means; None where no row has a score."""
        of = {}
        for name, (rows, scored, labelled, positive) in self._sums.items():
            if not rows.any():
                continue
            size = self._bins[name].size
            first = np.arange(size) if name == "score" else BlockCounts.of(rows[np.newaxis], size).first
            starts = np.append(first, size)
            weight = np.add.reduceat(rows, starts)
            known = np.add.reduceat(labelled, starts) if labelled.any() else None
            outcome = None if known is None else _means(np.add.reduceat(positive, starts), known)
            of[name] = ScoreMeans(first, _means(np.add.reduceat(scored, starts), weight), weight, outcome, known)
        return ScoreByFeature(of) if of else None


def _means(total: F64, weight: F64) -> F64:
    mean = np.divide(total, weight, out=np.zeros(len(weight)), where=weight > 0)
    # six digits, here and not when it is written, so that a baseline says the same before and after
    return np.array([float(f"{value:.6g}") for value in mean.tolist()])


def _outcomes(task: Task, actual: Column | None, weight: F64) -> tuple[F64, F64]:
    """Return the weight of each labelled row of a binary model, and of each positive one; zeros of other models."""
    none = np.zeros(len(weight))
    truth = None if actual is None or not task.has_threshold else class_codes(actual, task.classes)
    if truth is None or task.positive is None:
        return none, none
    labelled = np.where((truth >= 0) & (truth < len(task.classes)), weight, 0.0)
    return labelled, np.where(truth == task.positive, labelled, 0.0)
