"""How a multiclass model's scores lie, class by class. A binary model's are in its pane, on the fixed score grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .checked import by_name, floats, short
from .classes import class_codes
from .fold import ModelBins
from .leaving import Leaving
from .tables import F64, Column, PredictionTable

if TYPE_CHECKING:
    from .gathering import Reference

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

    def leaving(self, _features: Leaving) -> Self | None:
        """Return them: they say nothing of features."""
        return self


class ClassScoresGatherer:
    """Gathers the scores of each class of a multiclass model."""

    def __init__(self, _reference: Reference) -> None:
        self._of: dict[str, F64] = {}

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Take in more rows."""
        classes = table.task.classes[:MOST_CLASSES]
        if table.task.kind != "multiclass" or table.scores is None or table.scores.shape[1] < len(classes):
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
