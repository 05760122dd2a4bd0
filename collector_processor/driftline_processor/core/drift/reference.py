"""The targets of a baseline, worked out once: counts as effective rows, kind, display cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins, CategoryBins
from driftline.panes.embedding_projection import AXES, WIDTH
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from driftline_processor.core.drift.methods.method import Vectors

from .display_cells import Drawing, drawing
from .methods import Kind

FEW_VALUES = 2
"""A number with so few distinct values in the baseline is tested as a category: ties make KS blunt there."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """One target of a baseline.

    Attributes:
        name: Of a feature, else "".
        part: Of the pane.
        counts: float64 (bins,), effective rows.
        rows: Their sum.
        missing: Share of missing and invalid values.
        draw: Draws a window beside it.
        embedding: What is known of its vectors, where it is one.
    """

    target: Literal["feature", "score", "class"]
    name: str
    part: str
    bins: Bins
    counts: F64
    rows: float
    kind: Kind
    missing: float | None
    draw: Drawing
    embedding: Vectors | None = None


_CACHE: WeakKeyDictionary[Baseline, list[Reference]] = WeakKeyDictionary()


def references(baseline: Baseline) -> list[Reference]:
    """Return the targets of a baseline: features, then the score, then the class.

    Kept as long as the baseline lives: a window costs half as much.
    """
    cached = _CACHE.get(baseline)
    if cached is None:
        cached = _CACHE[baseline] = [_reference(baseline, *target) for target in _targets(baseline)]
    return cached


def effective(pane: Pane, weight: float) -> float:
    """Return Kish's effective number of usable rows of so much weight: it times Σw / Σw²; without weights it itself."""
    rows = pane.parts.get("rows")
    return weight * float(rows[1] / rows[2]) if rows is not None and rows[2] > 0 else weight


def missing_share(counts: F64, bins: Bins) -> float | None:
    """Return the share of missing and invalid values; None without any row."""
    total = float(counts.sum())
    return float(counts[bins.size :].sum()) / total if total > 0 else None


def absent_share(counts: F64, bins: Bins) -> float | None:
    """Return the share of missing values, for a feature of which nobody knows what would be usable.

    >>> from driftline.panes.bins import NumberBins
    >>> absent_share(np.array([0.0, 1.0, 3.0]), NumberBins(np.empty(0)))
    0.25
    """
    total = float(counts.sum())
    return float(counts[bins.size]) / total if total > 0 else None


def _targets(baseline: Baseline) -> Iterator[tuple[Literal["feature", "score", "class"], str, str, Bins]]:
    for name, bins in baseline.bins.features.items():
        yield "feature", name, f"feature:{name}", bins
    if baseline.bins.score is not None:
        yield "score", "", "score", baseline.bins.score
    if baseline.bins.classes is not None and "class" in baseline.pane.parts:
        yield "class", "", "class", baseline.bins.classes


def _reference(
    baseline: Baseline, target: Literal["feature", "score", "class"], name: str, part: str, bins: Bins
) -> Reference:
    all_counts = baseline.pane.parts.get(part, np.zeros(bins.size + 2))
    counts = all_counts[: bins.size]
    rows = effective(baseline.pane, float(counts.sum()))
    embedding = _embedding(baseline, name) if target == "feature" else None
    kind: Kind = "embedding" if embedding is not None else _kind(bins, counts)
    return Reference(
        target,
        name,
        part,
        bins,
        counts * (rows / counts.sum()) if rows else counts,
        rows,
        kind,
        missing_share(all_counts, bins),
        drawing(bins, counts),
        embedding,
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
