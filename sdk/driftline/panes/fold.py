"""Fold rows into panes, also by cluster: ``fold(table, bins) → Pane``.

A prediction is folded when it arrives, and its outcome when the outcome arrives: two panes of the same time, which are
added.

Rows of one cluster (one customer, one machine) are correlated, and the variance between clusters measures how much. To
keep panes additive, cluster keys are hashed into 64 groups, and each column has counts by group over at most ten cells.
No key is exported: 64 groups do not identify a customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from driftline.tables.classes import number_text
from driftline.tables.performance_columns import decide, usable_weight
from driftline.tables.table import F64, I64, Column, PredictionTable, length

from .bins import Bins, Index, assign
from .model_bins import ModelBins
from .pane import DURATION_BOUNDS, MOST_UNKNOWN, Pane
from .pca import Joint
from .unbinned_values import UnbinnedPart, unbinned_parts

GROUPS = 64
"""Groups of clusters. 50 customers are in about 35 groups, which gives p-values about 28 degrees of freedom."""

CELLS = 10
"""Cells of a column in a group; a cell is adjacent bins."""

WIDTH = GROUPS * CELLS

PREFIX = "clusters:"
"""Prefix of the parts, before the part of the column: ``clusters:feature:age``."""


def key_of(table: PredictionTable, name: str) -> Column | None:
    """Return the column of the cluster key: the slice of this name, else the feature; None without either."""
    return table.slices.get(name, table.features.get(name))


def groups_of(column: Column) -> Index:
    """Return the group of each row: intp (n,), -1 if the key is missing.

    17 and "17" are one key. The group is the CRC-32 of the text modulo 64, equal in every process.

    >>> groups_of(Column(codes=np.array([0, 1, -1]), categories=("anna", "17"))).tolist()
    [55, 2, -1]
    >>> groups_of(Column(numbers=np.array([17.0, np.nan]))).tolist()
    [2, -1]
    """
    groups = np.full(length(column), -1, dtype=np.intp)
    if column.numbers is not None:
        is_given = np.isfinite(column.numbers)
        values, positions = np.unique(column.numbers[is_given], return_inverse=True)
        groups[is_given] = _hashed([number_text(value) for value in values.tolist()])[positions]
    if column.codes is not None:
        is_given = column.codes >= 0
        groups[is_given] = _hashed(column.categories)[column.codes[is_given]]
    return groups


def clustered(groups: Index, index: Index, over: Bins) -> UnbinnedPart:
    """Return group and cell of the rows with a key and a usable value, for the part of a column.

    ``groups``: group of each row. ``index``: bin of each row (:func:`driftline.panes.bins.assign`).
    """
    rows = np.flatnonzero((groups >= 0) & (index < over.size))
    return UnbinnedPart(WIDTH, rows, groups[rows] * CELLS + cells(over.size)[index[rows]])


def cells(size: int) -> Index:
    """Return the cell of each of ``size`` bins: adjacent bins share a cell, about the same number in each.

    >>> cells(4).tolist(), np.bincount(cells(102)).tolist()
    ([0, 1, 2, 3], [11, 10, 10, 10, 10, 11, 10, 10, 10, 10])
    """
    return np.arange(size) * min(size, CELLS) // max(size, 1)


def by_group(part: F64) -> F64:
    """Return the counts of a part: float64 (groups, cells)."""
    return part.reshape(GROUPS, CELLS)


def _hashed(categories: list[str] | tuple[str, ...]) -> Index:
    return np.fromiter(
        (crc32(category.encode(errors="surrogatepass")) % GROUPS for category in categories), np.intp, len(categories)
    )


Mask = NDArray[np.bool_]


class GroupCounts:
    """Counts of rows by slice, in addition to their panes; see :mod:`~driftline.baseline.sections.slices`.

    Attributes:
        groups: Number of groups.
        parts: Sums by part, float64 (groups, width): rows, features, score and class, and their clusters if there is a
            key.
    """

    def __init__(self, group: I64, groups: int) -> None:
        self.groups = groups
        self.parts: dict[str, F64] = {}
        self._group = np.where(
            group < 0, groups, group
        )  # an additional group, which is dropped, costs less than selecting rows

    def add(self, part: str, index: Index, width: int, weight: F64 | None, rows: Index | None = None) -> None:
        """Count rows by entry of a part, int64 (n,) below ``width``; ``rows``: positions of the rows, None = all."""
        group = self._group if rows is None else self._group[rows]
        values = weight if rows is None else _selected_weight(weight, rows)
        counts = _counts(index + group * width, values, (self.groups + 1) * width)
        self.parts[part] = counts.reshape(self.groups + 1, width)[:-1]

    def count_rows(self, weight: F64 | None) -> None:
        """Add the part ``rows``: number, sum of weights and of squared weights."""
        sums = [_counts(self._group, w, self.groups + 1) for w in (None, weight, None if weight is None else weight**2)]
        self.parts["rows"] = np.column_stack(sums)[:-1]


def fold(table: PredictionTable, bins: ModelBins, cluster: str = "") -> Pane:
    """Fold all rows of a table into one pane.

    A feature that the table lacks is missing in each row. Features without bins are counted in ``unknown:NAME`` parts.
    ``cluster``: the slice or feature that is the cluster key.

    >>> from driftline.tables.table import ModelKey, Text
    >>> from driftline.tables.task import Task
    >>> rows = Text(np.zeros(3, np.int32), b"")
    >>> time, value = np.zeros(2, np.int64), np.array([[1.0], [5.0]])
    >>> table = PredictionTable(ModelKey("m"), Task("regression"), time, rows, value)
    >>> from .bins import NumberBins
    >>> fold(table, ModelBins(score=NumberBins(np.array([2.0])))).parts["score"]
    array([1., 1., 0., 0.])
    """
    folded = fold_parts(table, bins, None, 1, cluster)
    pane = Pane({name: sums[0] for name, sums in folded.of_all.items()})
    pane.parts |= {name: sums[0] for name, (_, sums) in folded.of_some.items() if sums.any()}
    return pane


def fold_by(
    table: PredictionTable,
    bins: ModelBins,
    group: I64,
    groups: int,
    cluster: str = "",
    cuts: Sequence[GroupCounts] = (),
) -> list[Pane]:
    """Fold the rows of each group into one pane per group, all groups at once.

    ``group``: int64 (n,), 0 <= group < groups: the pane of each row. A group without rows gives a pane of zeros.
    ``cuts``: counters of the same rows by other groups.
    """
    folded = fold_parts(table, bins, group, groups, cluster, cuts)
    panes = [Pane({name: sums[position].copy() for name, sums in folded.of_all.items()}) for position in range(groups)]
    for name, (positions, part) in folded.of_some.items():
        for position, sums in zip(positions.tolist(), part, strict=True):
            if sums.any():  # rows without weight are left out
                panes[position].parts[name] = sums
    return panes


@dataclass(slots=True)
class FoldedParts:
    """The sums of many panes, part by part.

    Attributes:
        of_all: Part → float64 (panes, width).
        of_some: Part → indices of the panes with this part, intp (k,), and float64 (k, width).
    """

    of_all: dict[str, F64]
    of_some: dict[str, tuple[Index, F64]]


def fold_parts(
    table: PredictionTable,
    bins: ModelBins,
    group: I64 | None,
    groups: int,
    cluster: str = "",
    cuts: Sequence[GroupCounts] = (),
) -> FoldedParts:
    """Fold the rows of each group as :func:`fold_by` does, and return the sums part by part.

    ``group``: None if all rows are in one group.
    """
    key = key_of(table, cluster) if cluster else None
    folding = _Folding(
        bins,
        len(table),
        None if table.weight is None else usable_weight(table.weight),
        group,
        groups,
        cuts,
        clusters=None if key is None else groups_of(key),
        joint=Joint(bins.space, len(table)) if bins.space is not None and bins.space.names_in(bins.features) else None,
    )
    weighed = folding.count_rows()
    for name, over in bins.features.items():
        folding.add_column(f"feature:{name}", over, table.features.get(name), name)
    parts, weight = folding.parts, folding.weight
    for name, projection in bins.projections.items():
        column = table.features.get(name)
        if column is not None and column.vectors is not None:
            parts[f"embedding:{name}"] = projection.sums(column.vectors, weight, group, groups)
    if folding.joint is not None:
        parts |= folding.joint.sums(weight, group, groups)
    if bins.features:
        for name in sorted(table.features.keys() - bins.features.keys())[:MOST_UNKNOWN]:
            parts[f"unknown:{name}"] = weighed
    if bins.score is not None:
        score = None if table.scores is None else table.task.monitored_score(table.scores)
        folding.add_column("score", bins.score, None if score is None else Column(numbers=score))
    if bins.classes is not None:
        codes = decide(table.task, table.scores, table.predicted)
        decided = Column(codes=codes, categories=(*table.task.classes, "")) if len(codes) else None
        folding.add_column("class", bins.classes, decided)
    if table.duration is not None:
        parts["duration"] = folding.durations(table.duration)
    return FoldedParts(parts, folding.strays)


@dataclass(slots=True)
class _Folding:
    """The parts of rows while they are folded.

    Attributes:
        rows: Number of rows.
        weight: Of each row, float64 (n,); None if all are 1.
        group: The pane of each row; None if all rows are in one pane.
        clusters: The group of clusters of each row; None without a key.
        joint: The sums of several features together; None if they are not compared together.
        strays: The parts that few panes have.
    """

    bins: ModelBins
    rows: int
    weight: F64 | None
    group: I64 | None
    groups: int
    cuts: Sequence[GroupCounts]
    clusters: Index | None
    joint: Joint | None
    parts: dict[str, F64] = field(default_factory=dict)
    strays: dict[str, tuple[Index, F64]] = field(default_factory=dict)

    def sums(self, index: Index, width: int, values: F64 | None, where: Index | None = None) -> F64:
        """Return the sums of values by entry: float64 (panes, width); ``where``: positions of the rows, None = all."""
        if self.group is not None:
            index = index + (self.group if where is None else self.group[where]) * width
        return _counts(index, values, self.groups * width).reshape(self.groups, width)

    def sums_of_some(self, part: UnbinnedPart) -> tuple[Index, F64]:
        """Return the panes with rows in a part, and their sums."""
        panes, local = np.zeros(1, dtype=np.intp), part.entries
        if self.group is not None:  # only groups with such rows: most have none, and the parts are wide
            panes, local = np.unique(self.group[part.rows], return_inverse=True)
            local = local * part.width + part.entries
        values = _selected_weight(self.weight, part.rows)
        if part.values is not None:
            values = part.values if values is None else part.values * values
        return panes, _counts(local, values, len(panes) * part.width).reshape(len(panes), part.width)

    def count_rows(self) -> F64:
        """Add the part ``rows`` (number, sum of weights and of squared weights), and return the sum of weights."""
        zero, weight = np.zeros(self.rows, dtype=np.intp), self.weight
        plain = self.sums(zero, 1, None)
        weighed = plain if weight is None else self.sums(zero, 1, weight)
        squared = plain if weight is None else self.sums(zero, 1, weight * weight)
        self.parts["rows"] = np.hstack([plain, weighed, squared])
        for cut in self.cuts:
            cut.count_rows(weight)
        return weighed

    def add_column(self, part: str, over: Bins, column: Column | None, name: str = "") -> None:
        """Count the rows of each bin; ``name``: the feature, whose values without a bin are also counted."""
        if column is None or (column.numbers is None and column.codes is None):
            self._count(part, np.full(self.rows, over.size, dtype=np.intp), over)
            return
        index = assign(over, column)
        self._count(part, index, over)
        if self.clusters is not None and len(self.clusters):
            combined = clustered(self.clusters, index, over)
            self.strays[PREFIX + part] = self.sums_of_some(combined)
            for cut in self.cuts:
                cut.add(PREFIX + part, combined.entries, combined.width, self.weight, combined.rows)
        if not name:
            return
        sums = self.parts[part]
        if self.joint is not None:
            self.joint.add(name, index, bool(sums[:, over.size :].any()))
        unbinned = unbinned_parts(name, self.bins.features, column, index, sums.sum(axis=0))
        self.strays |= {of_part: self.sums_of_some(entries) for of_part, entries in unbinned.items()}

    def _count(self, part: str, index: Index, over: Bins) -> None:
        self.parts[part] = self.sums(index, over.size + 2, self.weight)
        for cut in self.cuts:
            cut.add(part, index, over.size + 2, self.weight)

    def durations(self, seconds: F64) -> F64:
        """Return the counts of the buckets and the sum of durations: float64 (panes, buckets + 1)."""
        # 1e9: seconds; a longer duration is a clock error
        usable = np.flatnonzero((seconds >= 0) & (seconds <= 1e9))
        values, weights = seconds[usable], _selected_weight(self.weight, usable)
        bucket = np.searchsorted(DURATION_BOUNDS, values, side="left")
        buckets = self.sums(bucket, len(DURATION_BOUNDS) + 1, weights, usable)
        total = values if weights is None else values * weights
        return np.hstack([buckets, self.sums(np.zeros(len(usable), dtype=np.intp), 1, total, usable)])


def _counts(index: Index | I64, weight: F64 | None, size: int) -> F64:
    # without rows, bincount returns integers, also with weights
    return np.bincount(index, weight, minlength=size).astype(np.float64, copy=False)


def _selected_weight(weight: F64 | None, index: Index | Mask) -> F64 | None:
    return None if weight is None else weight[index]
