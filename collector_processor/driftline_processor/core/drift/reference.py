"""The targets of a baseline, worked out once: counts as effective rows, kind, display cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.time_blocks import TimeBlocks
from driftline.panes.bins import Bins, CategoryBins, Index
from driftline.panes.embedding_projection import AXES, WIDTH
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64

from driftline_processor.core.drift.methods.method import Vectors
from driftline_processor.core.windows.window import DAY

from .dependence import LIKELY, SURE, chance_of_blocks
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
        blocks: float64 (b, cells), effective rows of the blocks of time (:class:`Series`), where they differ more than
            independent rows would, else None.
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
    blocks: F64 | None = None


_CACHE: WeakKeyDictionary[Baseline, list[Reference]] = WeakKeyDictionary()


def references(baseline: Baseline) -> list[Reference]:
    """Return the targets of a baseline: features, then the score, then the class.

    Kept as long as the baseline lives: a window costs half as much.
    """
    cached = _CACHE.get(baseline)
    if cached is None:
        every = [_reference(baseline, *target) for target in _targets(baseline)]
        cached = _CACHE[baseline] = _with_blocks(baseline, every)
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


def _with_blocks(baseline: Baseline, targets: list[Reference]) -> list[Reference]:
    """Give each target its blocks of time, where they differ.

    Of many features whose days differ a little, some look alike by chance, and their next day like a drift. So once the
    blocks of one differ for sure, also among so many, those of the others count unless they look quite alike.
    """
    blocks = baseline.extras.blocks
    if blocks is None:
        return targets
    counts = {target.part: Series.of(blocks, target.part).counts for target in targets if target.part in blocks.of}
    chances = {
        target.part: chance_of_blocks(counts[target.part], ordered=target.kind in ("number", "embedding"))
        for target in targets
        if target.part in counts
    }
    sure = min(chances.values(), default=1.0) * len(chances) <= SURE
    most = LIKELY if sure else SURE
    return [
        replace(target, blocks=counts[target.part]) if chances.get(target.part, 1.0) <= most else target
        for target in targets
    ]


class Series(NamedTuple):
    """A target in blocks that hold some of it, days where they are shorter and reach over seven of them or more.

    Attributes:
        counts: float64 (b, cells), effective rows.
        start: Of the first, unix nanoseconds.
        length: Of each.
        place: int64 (b,), the place of each, in lengths after the first.
    """

    counts: F64
    start: int
    length: int
    place: I64

    @classmethod
    def of(cls, blocks: TimeBlocks, part: str) -> Self:
        """Return that of a part. How they last is seen in days; in pieces of days chance makes it look like less."""
        counts, held = effective_blocks(blocks, part)
        starts, length = blocks.starts[held], blocks.length
        if length < DAY and len(starts) and starts[-1] - starts[0] >= 6 * DAY:
            length = DAY
        place, first = np.unique((starts - starts[:1]) // length, return_index=True)
        start = int(starts[0]) if len(starts) else 0
        return cls(np.add.reduceat(counts, first, axis=0) if len(first) else counts, start, length, place)


def effective_blocks(blocks: TimeBlocks, part: str) -> tuple[F64, Index]:
    """Return a target in the blocks that hold some of it, float64 (b, cells), as effective rows, and which they are."""
    weighed, squared = blocks.rows[:, 1], blocks.rows[:, 2]
    kish = np.divide(weighed, squared, out=np.ones(len(weighed)), where=squared > 0)
    counts = blocks.of[part].counts * kish[:, np.newaxis]
    held = np.flatnonzero(counts.sum(axis=1) > 0)
    return counts[held], held


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
