"""The columns of a baseline, computed once: counts as effective rows, kind, display cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins, CategoryBins
from driftline.panes.embedding_projection import AXES, WIDTH
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import PerKind
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.drift.methods.method import Vectors

from .display_cells import Drawing, drawing
from .methods import Kind

Mask = NDArray[np.bool_]

FEW_VALUES = 2
"""A number with up to this many distinct values in the baseline is compared as a category: with ties, KS has little
power.
"""


class Reference(Struct, frozen=True, eq=False):
    """One column of a baseline.

    Attributes:
        column: Role of the column.
        name: Name of a feature, else "".
        part: Name of the part of the pane.
        bins: Bins of the column.
        counts: float64 (bins,), effective rows.
        rows: Their sum.
        kind: Kind of the column.
        missing: Fraction of missing and invalid values.
        drawing: How a window is drawn next to it.
        embedding: Statistics of the vectors, for an embedding.
    """

    column: Literal["feature", "score", "class"]
    name: str
    part: str
    bins: Bins
    counts: F64
    rows: float
    kind: Kind
    missing: float | None
    drawing: Drawing
    embedding: Vectors | None = None


class ReferenceTable(Struct, frozen=True, eq=False):
    """The k columns of a baseline side by side, over as many bins as the widest column has.

    Attributes:
        columns: Features, then the score, then the class.
        size: int64 (k,), bins of each column.
        counts: float64 (k, bins), effective rows; 0 beyond the bins of a column.
        rows: float64 (k,), their sums.
        number: bool (k,), compared as numbers.
        embedded: bool (k,), embeddings.
        edges: float64 (k, bins - 1), borders of the bins of numbers, padded with the last; 0 for other columns.
        other_bin: int64 (k,), index of the bin of all other categories, -1 for columns without categories.
        outer: bool (k, bins), outermost bins that the reference hardly fills.
        plans: Cached choices for the columns by the rules of a model; see :mod:`.rule`.
    """

    columns: tuple[Reference, ...]
    size: I64
    counts: F64
    rows: F64
    number: Mask
    embedded: Mask
    edges: F64
    other_bin: I64
    outer: Mask
    plans: dict[object, object] = field(default_factory=dict)
    _places: dict[int, I64] = field(default_factory=dict)

    def counts_of(self, pane: Pane, width: int) -> F64:
        """Return the rows of a window over these bins, then its missing and invalid values: float64 (k, width + 2).

        Args:
            pane: The window.
            width: At least the number of bins of the widest column.
        """
        if not self.columns:
            return np.zeros((0, width + 2))
        if width not in self._places:
            first = (np.arange(len(self.size)) * (width + 2)).tolist()
            positions = [
                np.arange(size + 2) + np.where(np.arange(size + 2) < size, 0, width - size) for size in self.size
            ]
            self._places[width] = np.concatenate(
                [start + places for start, places in zip(first, positions, strict=True)]
            )
        parts = [pane.parts.get(column.part) for column in self.columns]
        counts = [
            np.zeros(size + 2) if part is None else part for part, size in zip(parts, self.size.tolist(), strict=True)
        ]
        flat_counts = np.zeros(len(self.size) * (width + 2))
        flat_counts[self._places[width]] = np.concatenate(counts)
        return flat_counts.reshape(len(self.size), width + 2)


_CACHE: WeakKeyDictionary[Baseline, ReferenceTable] = WeakKeyDictionary()


def references(baseline: Baseline) -> tuple[Reference, ...]:
    """Return the columns of a baseline: features, then the score, then the class."""
    return reference_table(baseline).columns


def reference_table(baseline: Baseline) -> ReferenceTable:
    """Return the columns of a baseline side by side.

    Cached as long as the baseline exists, which halves the time of a window.
    """
    cached = _CACHE.get(baseline)
    if cached is None:
        cached = _CACHE[baseline] = _table(tuple(_reference(baseline, *column) for column in _columns(baseline)))
    return cached


def _table(columns: tuple[Reference, ...]) -> ReferenceTable:
    k, width = len(columns), max((column.bins.size for column in columns), default=1)
    counts, edges, outer = np.zeros((k, width)), np.zeros((k, width - 1)), np.zeros((k, width), np.bool_)
    others = np.full(k, -1)
    for row, column in enumerate(columns):
        bins, size = column.bins, column.bins.size
        counts[row, :size] = column.counts
        if isinstance(bins, CategoryBins):
            others[row], outer[row, :size] = len(bins.categories), column.counts <= 0
            continue
        ends = [0, size - 1]
        # 0.005: maximum fraction of the baseline in an open bin that counts as beyond it; the outer quantiles are at
        # 0.1 %
        outer[row, ends] = column.counts[ends] <= 0.005 * column.rows
        if size > 1:
            edges[row, : size - 1], edges[row, size - 1 :] = bins.edges, bins.edges[-1]
    return ReferenceTable(
        columns=columns,
        size=np.array([column.bins.size for column in columns], np.int64),
        counts=counts,
        rows=np.array([column.rows for column in columns]),
        number=np.array([column.kind == "number" for column in columns], np.bool_),
        embedded=np.array([column.kind == "embedding" for column in columns], np.bool_),
        edges=edges,
        other_bin=others,
        outer=outer,
    )


def effective(pane: Pane, weight: float) -> float:
    """Return Kish's effective number of rows of a total weight: times Σw / Σw²; the weight itself without weights."""
    rows = pane.parts.get("rows")
    return weight * float(rows[1] / rows[2]) if rows is not None and rows[2] > 0 else weight


def missing_share(counts: F64, bins: Bins) -> float | None:
    """Return the fraction of missing and invalid values; None without rows."""
    total = float(counts.sum())
    return float(counts[bins.size :].sum()) / total if total > 0 else None


SCORE_NAMES = PerKind(binary="", multiclass="", regression="predicted value", ranking="", unknown="")
"""Name of a task's score in sentences; "" = score."""


def _columns(baseline: Baseline) -> Iterator[tuple[Literal["feature", "score", "class"], str, str, Bins]]:
    for name, bins in baseline.bins.features.items():
        yield "feature", name, f"feature:{name}", bins
    if baseline.bins.score is not None:
        yield "score", SCORE_NAMES.of(baseline.task), "score", baseline.bins.score
    if baseline.bins.classes is not None and "class" in baseline.pane.parts:
        yield "class", "", "class", baseline.bins.classes


def _reference(
    baseline: Baseline, column: Literal["feature", "score", "class"], name: str, part: str, bins: Bins
) -> Reference:
    all_counts = baseline.pane.parts.get(part, np.zeros(bins.size + 2))
    counts = all_counts[: bins.size]
    rows = effective(baseline.pane, float(counts.sum()))
    embedding = _embedding(baseline, name) if column == "feature" else None
    kind: Kind = "embedding" if embedding is not None else _kind(bins, counts)
    return Reference(
        column=column,
        name=name,
        part=part,
        bins=bins,
        counts=counts * (rows / counts.sum()) if rows else counts,
        rows=rows,
        kind=kind,
        missing=missing_share(all_counts, bins),
        drawing=drawing(bins, counts),
        embedding=embedding,
    )


def _kind(bins: Bins, counts: F64) -> Kind:
    if int(np.count_nonzero(counts)) <= FEW_VALUES:
        return "boolean"
    return "category" if isinstance(bins, CategoryBins) else "number"


def _embedding(baseline: Baseline, name: str) -> Vectors | None:
    projection = baseline.bins.projections.get(name)
    sums = baseline.pane.parts.get(f"embedding:{name}")
    if projection is None or sums is None or sums[0] <= 0:
        return None
    spectrum, axes = np.zeros(WIDTH), np.zeros((AXES, WIDTH))
    spectrum[: len(projection.spectrum)] = projection.spectrum
    axes[: len(projection.axes)] = projection.axes or 0.0
    return Vectors(sums[1:] / sums[0], spectrum, axes)
