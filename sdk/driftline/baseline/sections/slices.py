"""Slices of low cardinality, such as a country: rows over the bins, and performance per time block.

The name of a slice is ``key=value``. A key has at most 20 values, those with most rows; all others are ``key=other``.
Values are canonical texts (:func:`driftline.tables.classes.class_text`): true and 1 are equal. A row that lacks the key
is in no slice of it.

The performance contains decisions of classifiers or errors of regressions, without scores: 20 slices of 30 days are 20
kB of JSON, and scores would make it ten times that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from driftline.panes.bins import LONGEST_CATEGORY, RARE, CategoryBins, assign
from driftline.panes.fold import GroupCounts
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import LabelledRows, fold_outcomes_by
from driftline.panes.pane import Pane
from driftline.panes.sparse_sums import Sparse
from driftline.privacy.rules import FeatureFilter
from driftline.tables.classes import class_column
from driftline.tables.table import F64, I64, Column, PredictionTable, length

from .section import MOST_BLOCKS, Section, block_columns, check_shape, rounded
from .time_blocks import TimeGrid

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup


MOST_VALUES = 20
"""Maximum number of values per key, without ``other``."""

OTHER = "other"
"""Name of all further values of a key."""

MOST_COUNTS = 100_000
"""Maximum number of nonzero counts in all slices of a baseline, 0.5 MB of JSON: the slices with fewest rows are
merged into ``other`` until the limit is met. Twenty values of twenty numbers have at most 40,000.
"""


def slice_name(key: str, value: str) -> str:
    """Return the name of a slice.

    >>> slice_name("country", "NL")
    'country=NL'
    """
    return f"{key}={value}"


def values_of(column: Column, declared: Sequence[str] = (), least: int = 1) -> tuple[str, ...]:
    """Return the values of a key that are slices: ``declared`` values, then the values with most rows.

    ``least``: minimum number of rows per value. At most 20 values; texts of more than 256 characters and the word
    ``other`` are excluded.

    >>> values_of(Column(codes=np.array([0, 1, 1]), categories=("NL", "BE")))
    ('BE', 'NL')
    """
    classes = class_column(column)
    chosen = dict.fromkeys(declared)
    if classes.codes is not None and len(chosen) < MOST_VALUES:
        counts = np.bincount(classes.codes[classes.codes >= 0], minlength=len(classes.categories)).tolist()
        for rows, category in sorted(
            zip(counts, classes.categories, strict=True), key=lambda pair: (-pair[0], pair[1])
        ):
            if rows >= least and category != OTHER and len(category) <= LONGEST_CATEGORY:
                chosen[category] = None
    return tuple(chosen)[:MOST_VALUES]


def places_of(column: Column | None, values: Sequence[str], n: int) -> I64:
    """Return the slice of each of n rows, int64 (n,): the index in ``values``, len(values) for other, -1 for none.

    >>> places_of(Column(codes=np.array([0, 1, -1]), categories=("NL", "BE")), ["BE"], 3).tolist()
    [1, 0, -1]
    """
    if column is None or not length(column):
        return np.full(n, -1, np.int64)
    places = assign(CategoryBins(tuple(values)), class_column(column))
    return np.where(places > len(values), -1, places).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Slices(Section):
    """Key → value → sums of its reference rows: ``rows``, features, score and class over the baseline's bins."""

    by_key: Mapping[str, Mapping[str, Pane]]

    @classmethod
    def bounded(cls, of: Mapping[str, Mapping[str, Pane]]) -> Self | None:
        """Return slices within the size limit; slices with fewest rows are merged into ``other``."""
        panes_by_key = {key: dict(values) for key, values in of.items()}
        size = {
            (key, value): sum(int(np.count_nonzero(sums)) for sums in pane.parts.values())
            for key, values in panes_by_key.items()
            for value, pane in values.items()
        }
        rows = {(key, value): panes_by_key[key][value].rows for key, value in size}
        total = sum(size.values())
        for key, value in sorted((place for place in size if place[1] != OTHER), key=lambda place: rows[place]):
            if total <= MOST_COUNTS:
                break
            total -= size[key, value]
            panes_by_key[key][OTHER] = _merged(panes_by_key[key].get(OTHER), panes_by_key[key].pop(value))
        return (
            cls({key: values for key, values in panes_by_key.items() if values}) if any(panes_by_key.values()) else None
        )

    def pane(self, name: str) -> Pane | None:
        """Return the rows of a slice by its name; None if the baseline does not have the slice."""
        key, _, value = name.partition("=")
        return self.by_key.get(key, {}).get(value)

    def values(self, key: str) -> tuple[str, ...]:
        """Return the values of a key, those with most rows first, without ``other``; () for an unknown key."""
        rows_by_value = {value: pane.rows for value, pane in self.by_key.get(key, {}).items() if value != OTHER}
        return tuple(sorted(rows_by_value, key=lambda value: (-rows_by_value[value], value)))

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` for keys with '=', too many values, and parts without bins or of another width."""
        widths = {"rows": 3} | {part: over.size + 2 for part, over in block_columns(bins).items()}
        for key, values in self.by_key.items():
            if not key or "=" in key:
                raise ValueError(f"{key!r} is not a key: it must be a name without '='")
            if len(values) > MOST_VALUES + 1:
                raise ValueError(f"{key!r} has more than {MOST_VALUES} values besides 'other'")
            for value, pane in values.items():
                if "rows" not in pane.parts:
                    raise ValueError(f"rows is missing in {slice_name(key, value)}")
                for part, sums in pane.parts.items():
                    if part not in widths:
                        raise ValueError(f"{part!r} of {slice_name(key, value)} is counted but has no bins")
                    check_shape(f"{part!r} of {slice_name(key, value)}", sums, widths[part])

    def with_other(self, key: str, value: str) -> Self:
        """Return the slices with one value of a key merged into ``other``."""
        values = dict(self.by_key.get(key, {}))
        pane = values.pop(value, None)
        if pane is None:
            return self
        return type(self)({**self.by_key, key: {**values, OTHER: _merged(values.get(OTHER), pane)}})

    def without(self, keys: Collection[str]) -> Self | None:
        """Return the slices of the other keys."""
        panes_by_key = {key: values for key, values in self.by_key.items() if key not in keys}
        return type(self)(panes_by_key) if panes_by_key else None

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the slices without features whose bins a rule changes."""
        return type(self)(
            {
                key: {value: Pane(features.plain_parts(pane.parts)) for value, pane in values.items()}
                for key, values in self.by_key.items()
            }
        )


class SlicesGatherer:
    """Counts reference rows by slice while they are folded.

    A value with fewer than 10 rows is merged into ``other``, as for categories: it is too rare to compare, and possibly
    personal.

    Args:
        sample: Some of the rows, from which the values are chosen.
    """

    def __init__(self, sample: PredictionTable) -> None:
        self._values = {key: values_of(column, least=RARE) for key, column in sample.slices.items()}
        self._sums: dict[str, dict[str, F64]] = {key: {} for key in self._values}

    def cuts(self, table: PredictionTable) -> dict[str, GroupCounts]:
        """Return the counters of a table's rows by key, for the fold."""
        n = len(table)
        return {
            key: GroupCounts(places_of(table.slices.get(key), values, n), len(values) + 1)
            for key, values in self._values.items()
        }

    def add(self, cuts: Mapping[str, GroupCounts]) -> None:
        """Add the counts of the fold."""
        for key, cut in cuts.items():
            sums = self._sums[key]
            for part, more in cut.parts.items():
                sums[part] = sums[part] + more if part in sums else more

    def piece(self) -> Slices | None:
        """Return the slices; None without keys."""
        panes_by_key = {}
        for key, sums in self._sums.items():
            value_names = (*self._values[key], OTHER)
            panes = {
                value: Pane({part: rows[index] for part, rows in sums.items()})
                for index, value in enumerate(value_names)
            }
            panes_by_key[key] = {value: pane for value, pane in panes.items() if pane.rows}
        return Slices.bounded(panes_by_key)


def _merged(pane: Pane | None, other_pane: Pane) -> Pane:
    if pane is None:
        return other_pane
    return Pane({part: sums + pane.parts.get(part, 0.0) for part, sums in other_pane.parts.items()})


PARTS = ("outcomes", "confusion", "confusion_excess")
"""Parts of a classifier's pane that a slice contains."""

ERRORS = ("outcomes", "losses", "spread")
"""Parts of a regression's pane that a slice contains. ``spread`` is common to all time blocks."""

MIN_OUTCOMES = 50
"""Minimum number of outcomes of a slice."""

MOST_SUMS = 50_000
"""Maximum number of nonzero sums in all slices, 0.4 MB of JSON: the slices with fewest outcomes are left out."""

MOST_CLASSES = 50
"""Maximum number of classes of a model with slices: a slice has a sum for every pair of classes."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceOutcomes(Section):
    """Reference performance by slice and time block.

    Attributes:
        length: Length of a block in nanoseconds; 0 for a single block of rows without a time.
        count: Number of blocks.
        by_slice: Sums by ``key=value`` and part, a group per block; ``spread`` has one group for all.
    """

    length: int
    count: int
    by_slice: Mapping[str, Mapping[str, Sparse]]

    def pane(self, name: str) -> Pane:
        """Return the outcomes of a slice; an empty pane if there are none."""
        return Pane({part: sums.dense(self.count).sum(axis=0) for part, sums in self.by_slice.get(name, {}).items()})

    def blocks(self, name: str) -> list[Pane]:
        """Return the outcomes of a slice per time block, without ``spread``."""
        panes = [Pane() for _ in range(self.count if name in self.by_slice else 0)]
        for part, sums in self.by_slice.get(name, {}).items():
            if part != "spread":
                for pane, block_sums in zip(panes, sums.dense(self.count), strict=True):
                    pane.parts[part] = block_sums
        return [pane for pane in panes if pane.parts["outcomes"].any()]

    def check(self) -> None:
        """Raise ``ValueError`` for unknown parts, and for sums outside their width or blocks."""
        if self.length < 0 or not 1 <= self.count <= MOST_BLOCKS + 1:
            raise ValueError(f"length must not be negative, and count must be 1 to {MOST_BLOCKS + 1}")
        for name, parts in self.by_slice.items():
            if "outcomes" not in parts or not parts.keys() <= {*PARTS, *ERRORS}:
                raise ValueError(f"{name!r} must have outcomes, and no other parts than those of a slice")
            for part, sums in parts.items():
                groups, width = 1 if part == "spread" else self.count, sums.width
                inside = (sums.group >= 0) & (sums.group < groups) & (sums.index >= 0) & (sums.index < width)
                if not 0 < width <= MOST_CLASSES**2 or not inside.all():
                    raise ValueError(f"{part!r} of {name!r} must have positions below its width in each block")

    def without(self, keys: Collection[str]) -> Self | None:
        """Return the outcomes of the other keys."""
        parts_by_name = {name: parts for name, parts in self.by_slice.items() if name.partition("=")[0] not in keys}
        return type(self)(self.length, self.count, parts_by_name) if parts_by_name else None


class SliceOutcomesGatherer:
    """Gathers the outcomes of reference rows by slice. The values are those of :class:`.slices.SlicesGatherer`."""

    def __init__(self, reference: ReferenceSetup) -> None:
        sample = reference.sample
        self._values = {key: values_of(column, least=RARE) for key, column in sample.slices.items()}
        self._stretches = TimeGrid.of(sample.time)
        self._sums: dict[str, dict[str, F64]] = {key: {} for key in self._values}

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Add rows."""
        task = table.task
        if actual is None or task.ranks_items or len(task.classes) > MOST_CLASSES:
            return
        place = np.zeros(len(table), np.int64) if self._stretches is None else self._stretches.place(table.time)
        for key, values in self._values.items():
            places = places_of(table.slices.get(key), values, len(table))
            inside = np.flatnonzero(places >= 0)
            groups = (len(values) + 1) * self._count
            labelled = LabelledRows(table.scores, table.predicted, actual, table.weight).take(inside)
            group = places[inside] * self._count + place[inside]
            outcome_sums = fold_outcomes_by(task, labelled, group, groups)
            sums = self._sums[key]
            for part in ERRORS if task.predicts_number else PARTS:
                if part in outcome_sums:
                    sums[part] = sums.get(part, 0.0) + outcome_sums[part].dense(groups)

    def piece(self) -> SliceOutcomes | None:
        """Return the slices with enough outcomes; None if there are none."""
        parts_by_name: dict[str, dict[str, Sparse]] = {}
        rows: dict[str, float] = {}
        for key, sums in self._sums.items():
            for index, value in enumerate((*self._values[key], OTHER)):
                name, slice_rows = slice_name(key, value), slice(index * self._count, (index + 1) * self._count)
                parts = {part: dense[slice_rows] for part, dense in sums.items()}
                parts |= {"spread": parts["spread"].sum(axis=0, keepdims=True)} if "spread" in parts else {}
                parts_by_name[name] = {part: Sparse.of(rounded(dense)) for part, dense in parts.items()}
                rows[name] = float(sums["outcomes"][slice_rows, 0].sum()) if sums else 0.0
        left, remaining = MOST_SUMS, dict[str, dict[str, Sparse]]()
        for name in sorted(parts_by_name, key=lambda name: -rows[name]):
            left -= sum(len(sums.value) for sums in parts_by_name[name].values())
            if rows[name] >= MIN_OUTCOMES and left >= 0:
                remaining[name] = parts_by_name[name]
        length = 0 if self._stretches is None else self._stretches.length
        return SliceOutcomes(length, self._count, dict(sorted(remaining.items()))) if remaining else None

    @property
    def _count(self) -> int:
        """Number of time blocks, plus one for rows without a block."""
        return 1 if self._stretches is None else self._stretches.count + 1
