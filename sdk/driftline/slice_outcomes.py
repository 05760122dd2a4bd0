"""How right the model was in each slice of the reference, by stretch of its time: what a slice is compared with.

Decisions of classifiers and errors of regressions, and no scores: 20 slices of 30 days are 20 kB of JSON, with scores
they would be ten times that. A slice is called as in :mod:`.slices`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .bins import RARE
from .blocks import MOST_BLOCKS, Stretches
from .checked import by_name, floats, is_whole, rounded, short
from .fold import ModelBins, fold_outcomes_by
from .frames import taken
from .leaving import Leaving
from .pane import Pane
from .slices import OTHER, places_of, slice_name, values_of
from .sparse import Sparse
from .tables import F64, Column, PredictionTable

if TYPE_CHECKING:
    from .gathering import Reference

PARTS = ("outcomes", "confusion", "confusion_excess")
"""Of a classifier's pane, those that a slice has."""

ERRORS = ("outcomes", "losses", "spread")
"""The same of a regression. ``spread`` is of all stretches together: a row varies in each as it does in all."""

FEWEST = 50
"""Outcomes of a slice with fewer say too little to compare with."""

MOST_SUMS = 50_000
"""Sums that are not zero in all slices together, 0.4 MB of JSON: those with fewest outcomes are left out."""

MOST_CLASSES = 50
"""Of a model with more, slices are left out: a slice has a sum for every pair of them."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceOutcomes:
    """``length``: of a stretch, nanoseconds, 0 = there is one, of rows without a time. ``count``: of stretches.

    ``of``: ``key=value`` → part → its sums, whose groups are stretches; of ``spread`` one, of all.
    """

    length: int
    count: int
    of: Mapping[str, Mapping[str, Sparse]]

    def pane(self, name: str) -> Pane:
        """Return the outcomes of a slice; nothing where they are not known."""
        return Pane({part: sums.dense(self.count).sum(axis=0) for part, sums in self.of.get(name, {}).items()})

    def blocks(self, name: str) -> list[Pane]:
        """Return the same in each stretch of time, without ``spread``."""
        panes = [Pane() for _ in range(self.count if name in self.of else 0)]
        for part, sums in self.of.get(name, {}).items():
            if part != "spread":
                for pane, own in zip(panes, sums.dense(self.count), strict=True):
                    pane.parts[part] = own
        return [pane for pane in panes if pane.parts["outcomes"].any()]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "length": self.length,
            "count": self.count,
            "of": {
                name: {part: self._written(part, sums) for part, sums in parts.items()}
                for name, parts in self.of.items()
            },
        }

    def _written(self, part: str, sums: Sparse) -> Any:
        values = sums.dense(1 if part == "spread" else self.count).ravel()
        filled = np.flatnonzero(values)
        if 2 * len(filled) < len(values):
            return {
                "width": sums.width,
                "at": filled.tolist(),
                "values": [short(one) for one in values[filled].tolist()],
            }
        return {"width": sums.width, "values": [short(one) for one in values.tolist()]}

    @classmethod
    def from_json(cls, value: object, _bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        read = by_name(value)
        length, count = read.get("length", -1), read.get("count", 0)
        if not is_whole(length) or not 0 <= length < 2**63:
            raise ValueError("length must be a whole number of nanoseconds")
        if not is_whole(count) or not 1 <= count <= MOST_BLOCKS + 1:
            raise ValueError(f"count must be 1 to {MOST_BLOCKS + 1}")
        return cls(length, count, {name: _parts(by_name(one), count) for name, one in by_name(read.get("of")).items()})

    def without(self, keys: Collection[str]) -> Self | None:
        """Return those of the other keys."""
        of = {name: parts for name, parts in self.of.items() if name.partition("=")[0] not in keys}
        return type(self)(self.length, self.count, of) if of else None

    def leaving(self, _features: Leaving) -> Self | None:
        """Return them: they say nothing of features."""
        return self


class SliceOutcomesGatherer:
    """Adds up the outcomes of reference rows by slice. The values are those of :class:`.slices.SlicesGatherer`."""

    def __init__(self, reference: Reference) -> None:
        sample = reference.sample
        self._values = {key: values_of(column, least=RARE) for key, column in sample.slices.items()}
        self._stretches = Stretches.of(sample.time)
        self._sums: dict[str, dict[str, F64]] = {key: {} for key in self._values}

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Take in more rows."""
        task = table.task
        if actual is None or task.kind == "ranking" or len(task.classes) > MOST_CLASSES:
            return
        place = np.zeros(len(table), np.int64) if self._stretches is None else self._stretches.place(table.time)
        for key, values in self._values.items():
            at = places_of(table.slices.get(key), values, len(table))
            inside = np.flatnonzero(at >= 0)
            groups = (len(values) + 1) * self._count
            known = fold_outcomes_by(
                task,
                None if table.scores is None else table.scores[inside],
                None if table.predicted is None else taken(table.predicted, inside),
                taken(actual, inside),
                None if table.weight is None else table.weight[inside],
                None,
                at[inside] * self._count + place[inside],
                groups,
            )
            sums = self._sums[key]
            for part in ERRORS if task.kind == "regression" else PARTS:
                if part in known:
                    sums[part] = sums.get(part, 0.0) + known[part].dense(groups)

    def piece(self) -> SliceOutcomes | None:
        """Return the slices of which enough is known; None where there is none."""
        found: dict[str, dict[str, Sparse]] = {}
        rows: dict[str, float] = {}
        for key, sums in self._sums.items():
            for at, value in enumerate((*self._values[key], OTHER)):
                name, own = slice_name(key, value), slice(at * self._count, (at + 1) * self._count)
                parts = {part: dense[own] for part, dense in sums.items()}
                parts |= {"spread": parts["spread"].sum(axis=0, keepdims=True)} if "spread" in parts else {}
                found[name] = {part: Sparse.of(rounded(dense)) for part, dense in parts.items()}
                rows[name] = float(sums["outcomes"][own, 0].sum()) if sums else 0.0
        left, kept = MOST_SUMS, dict[str, dict[str, Sparse]]()
        for name in sorted(found, key=lambda name: -rows[name]):
            left -= sum(len(one.value) for one in found[name].values())
            if rows[name] >= FEWEST and left >= 0:
                kept[name] = found[name]
        length = 0 if self._stretches is None else self._stretches.length
        return SliceOutcomes(length, self._count, dict(sorted(kept.items()))) if kept else None

    @property
    def _count(self) -> int:
        """Stretches, the last of rows that are in none."""
        return 1 if self._stretches is None else self._stretches.count + 1


def _parts(parts: Mapping[str, Any], count: int) -> dict[str, Sparse]:
    if "outcomes" not in parts:
        raise ValueError("outcomes is missing in a slice")
    found = {}
    for name, value in parts.items():
        one = by_name(value)
        width, values = one.get("width", 0), floats(one.get("values"))
        if name not in (*PARTS, *ERRORS) or not is_whole(width) or not 0 < width <= MOST_CLASSES**2:
            raise ValueError(f"{name!r} is no part of a slice, or has no width")
        cells = width * (1 if name == "spread" else count)
        at = one.get("at", list(range(cells)))
        if not isinstance(at, list) or len(at) != len(values) or not all(is_whole(x) and 0 <= x < cells for x in at):
            raise ValueError(f"{name!r} must have places below its width in each stretch, and a value for each")
        places, filled = np.array(at, np.int64), np.flatnonzero(values)
        found[name] = Sparse(width, places[filled] // width, places[filled] % width, values[filled])
    return found
