"""The mean score where each feature has which values: what a shift of the feature makes of the score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .bins import Index, assign
from .blocks import Cells, targets
from .checked import by_name, floats, is_whole, short
from .fold import ModelBins, target_score, usable_weight
from .leaving import Leaving
from .tables import F64, Column, PredictionTable

if TYPE_CHECKING:
    from .gathering import Reference


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """One target. ``first``: intp (cells,), the first bin of each cell, ascending from 0; the rows without a usable
    value are a cell more. ``mean``, ``rows``: float64 (cells + 1,), mean score and weight of the rows of each."""

    first: Index
    mean: F64
    rows: F64


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBy:
    """The name of a pane's part (``feature:NAME``, ``score``) → mean scores.

    Features by about a tenth of the rows, the score by its own bins; the score as in :func:`.fold.target_score`.
    """

    of: Mapping[str, Means]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScoreBy) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            name: {
                "first": one.first.tolist(),
                "mean": [short(value) for value in one.mean.tolist()],
                "rows": [short(value) for value in one.rows.tolist()],
            }
            for name, one in self.of.items()
        }

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        known, of = targets(bins), {}
        for name, one in by_name(value).items():
            if name not in known:
                raise ValueError(f"{name!r} has no bins")
            read = by_name(one)
            first = read.get("first")
            if not isinstance(first, list) or not all(is_whole(at) and 0 <= at < known[name].size for at in first):
                raise ValueError(f"that of {name!r} needs first, a list of bins")
            if first[:1] != [0] or sorted(set(first)) != first:
                raise ValueError(f"that of {name!r} needs first bins that ascend from 0")
            mean, rows = floats(read.get("mean")), floats(read.get("rows"))
            if not len(mean) == len(rows) == len(first) + 1:
                raise ValueError(f"that of {name!r} needs a mean and a number of rows for each cell and one more")
            of[name] = Means(np.array(first, np.intp), mean, rows)
        return cls(of)

    def leaving(self, features: Leaving) -> Self | None:
        """Return those of features whose bins no rule changes."""
        of = {
            n: one
            for n, one in self.of.items()
            if not n.startswith("feature:") or n[len("feature:") :] in features.plain
        }
        return type(self)(of) if of else None


class ScoreByGatherer:
    """Gathers, bin by bin, the weight of rows with a score, and the sum of their scores."""

    def __init__(self, reference: Reference) -> None:
        over = targets(reference.bins)
        self._bins = {name: bins for name, bins in over.items() if name != "class"} if "score" in over else {}
        self._sums = {name: np.zeros((2, bins.size + 2)) for name, bins in self._bins.items()}

    def add(self, table: PredictionTable, _actual: Column | None) -> None:
        """Take in more rows."""
        if table.scores is None or not len(table.scores):
            return
        score = target_score(table.task, table.scores)
        usable = np.isfinite(score)
        weight = np.ones(len(score)) if table.weight is None else usable_weight(table.weight)
        weight = np.where(usable, weight, 0.0)
        scored = np.where(usable, score, 0.0) * weight
        for name, bins in self._bins.items():
            column = Column(numbers=score) if name == "score" else table.features.get(name[len("feature:") :])
            at = np.empty(0, np.intp) if column is None else assign(bins, column)
            if not len(at):
                at = np.full(len(score), bins.size, np.intp)
            for row, values in enumerate((weight, scored)):
                self._sums[name][row] += np.bincount(at, values, minlength=bins.size + 2)

    def piece(self) -> ScoreBy | None:
        """Return the means; None where no row has a score."""
        of = {}
        for name, (rows, scored) in self._sums.items():
            if not rows.any():
                continue
            size = self._bins[name].size
            first = np.arange(size) if name == "score" else Cells.of(rows[np.newaxis], size).first
            starts = np.append(first, size)
            weight, total = np.add.reduceat(rows, starts), np.add.reduceat(scored, starts)
            mean = np.divide(total, weight, out=np.zeros(len(weight)), where=weight > 0)
            # six digits, here and not when it is written, so that a baseline says the same before and after
            of[name] = Means(first, np.array([float(f"{value:.6g}") for value in mean.tolist()]), weight)
        return ScoreBy(of) if of else None
