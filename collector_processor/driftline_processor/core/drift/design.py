"""How alike the rows of a target are: what the window's clusters and the baseline's own blocks of time say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import CategoryBins, Index, NumberBins
from driftline.blocks import Blocks
from driftline.clusters import PREFIX, by_group
from driftline.pane import Pane
from driftline.tables import F64

from driftline_processor.core.window import DAY

from .dependence import FEWEST_GROUPS, Design, effective_groups, of_clusters
from .lasting import Lasting, lasting, within
from .methods import METHODS, Counts
from .reference import Reference, Series, effective_blocks
from .shifts import apart, noise, shift

MOST_LENGTHS = 64

SQUARED = ("chi2", "psi")
"""Methods whose effect grows with the square of a shift."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What blocks of time say of a window.

    ``p_values``: when asked, of a quiet window so far away, and that with what favours drift most and is not excluded.
    ``shared``: the part of the deciding effect, or of its square, that quiet windows have; ``excess``: of PSI.
    ``alike``: how many rows count as one.
    """

    p_values: Callable[[], tuple[float, float]]
    shared: float
    excess: float
    alike: float


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """One target in the blocks of a reference, where these differ more than independent rows would.

    ``counts``: float64 (b, cells), effective rows. ``first``: the first bin of each cell. ``lasts``: how they go on.
    ``each``: nanoseconds of a block. ``typical``: variances of windows by their length, some that were asked for.
    """

    counts: F64
    first: Index
    lasts: Lasting
    ordered: bool
    each: int
    typical: dict[float, float] = field(default_factory=dict)

    def length(self, m: float, span: int) -> float:
        """Return how many blocks long a window of so many rows is, of which a whole one has no more than its rows do.

        ``span``: nanoseconds, 0 = not known: then as long as its rows took in the reference.
        """
        held = len(self.counts) * m / float(self.counts.sum())
        if not span:
            return held
        length = span / self.each
        return max(1.0, min(held, length)) if length > 1 else length

    def verdict(self, reference: Reference, current: F64, worth: float, span: int, squares: F64 | None) -> Verdict:
        """Judge a window.

        ``current``: float64 (bins,), effective rows. ``worth``: how many of a cluster count as one. ``squares``: of
        the deciding effects of the blocks, or these themselves, see :data:`SQUARED`.
        """
        n, m = reference.rows, float(current.sum())
        was, now = (np.add.reduceat(one, self.first) for one in (reference.counts, current))
        if isinstance(reference.bins, CategoryBins):  # what no block has is in none of their cells
            new = float(current[reference.counts <= 0].sum())
            never = np.add.reduceat(np.where(reference.counts > 0, 0.0, current), self.first)
            was, now = np.append(was, 0.0), np.append(now - never, new)
        far = float(shift(apart(now, was, ordered=self.ordered), ordered=self.ordered))
        base = worth * (1 / n + 1 / m)
        length = self.length(m, span)
        rarely = noise(len(self.first), ordered=self.ordered).rarely
        key = round(length, 3)
        if (own := self.typical.get(key)) is None:
            if len(self.typical) >= MOST_LENGTHS:
                self.typical.clear()
            own = self.typical[key] = self.lasts.typical(length)
        alike = 1 + own / (np.pi / 2 * base) if self.ordered else 1 + own / (max(1, len(self.first) - 1) * base)
        shared = 0.0 if squares is None else float(squares.mean()) * own / max(self.lasts.squares, 1e-12)
        return Verdict(partial(self.lasts.p_values, far, rarely * base, length), shared, own, float(alike))


_KNOWN: WeakKeyDictionary[Blocks, dict[tuple[str, bool], Days]] = WeakKeyDictionary()
_EFFECTS: WeakKeyDictionary[Blocks, dict[tuple[str, str], F64 | None]] = WeakKeyDictionary()
"""Worked out once for all windows: by part, and method. References that are derived for a window share the blocks."""


def clustered_design(reference: Reference, pane: Pane, m: float, *, ordered: bool) -> Design:
    """Return the design effect that the clusters of a window have; ``m``: its (effective) rows."""
    counts = pane.parts.get(PREFIX + reference.part)
    if counts is None or not counts.any():
        return Design()
    groups = by_group(counts)
    if effective_groups(groups) < FEWEST_GROUPS:  # one customer's rows count as one, those without a key as they are
        keyed = float(groups.sum() / pane.parts[reference.part][: reference.bins.size].sum())
        return Design(max(1.0, keyed**2 * m / effective_groups(groups)))
    return of_clusters(groups * (m / groups.sum()), None, reference.rows, ordered=ordered)


def days_of(reference: Reference, baseline: Baseline) -> Days | None:
    """Return what the blocks of a baseline say of a target; None where they do not differ. Worked out once."""
    blocks = baseline.extras.blocks
    if reference.blocks is None or blocks is None:
        return None
    ordered = reference.kind in ("number", "embedding")
    known, key = _KNOWN.setdefault(blocks, {}), (reference.part, ordered)
    if key not in known:
        known[key] = _days(reference, blocks, ordered=ordered)
    return known[key]


def effects(reference: Reference, baseline: Baseline, decided_by: str) -> F64 | None:
    """Return the effect of each block of the baseline against all of it: float64 (b,), see :func:`days_of`.

    In the unit of the method that decides, over the coarse cells of the blocks. None where no blocks differ, and of
    embeddings, whose blocks hold no vectors.
    """
    counts, blocks = reference.blocks, baseline.extras.blocks
    if counts is None or blocks is None or "embedding" in METHODS[decided_by].kinds:
        return None
    known, key = _EFFECTS.setdefault(blocks, {}), (reference.part, decided_by)
    if key not in known:
        first = blocks.of[reference.part].first
        whole = np.broadcast_to(counts.sum(axis=0), counts.shape)
        edges = None
        if isinstance(reference.bins, NumberBins) and "number" in METHODS[decided_by].kinds:
            edges = np.broadcast_to(reference.bins.edges[first[1:] - 1], (len(counts), len(first) - 1))
        known[key] = METHODS[decided_by].counts(Counts(whole, counts, edges)).effect
    return known[key]


def _days(reference: Reference, blocks: Blocks, *, ordered: bool) -> Days:
    cells = blocks.of[reference.part]
    counts, start, each, place = Series.of(blocks, reference.part)
    whole = counts.sum(axis=0)
    deviation = apart(counts, whole, ordered=ordered)
    direction = np.linalg.svd(deviation, full_matrices=False)[2][0]
    series = shift(deviation, ordered=ordered) * np.where(deviation @ direction < 0, -1.0, 1.0)
    rows = counts.sum(axis=1)
    noisy = noise(len(cells.first), ordered=ordered)
    part = min(1.0, noisy.alone * float((1 / rows).mean() / (series**2).mean())) ** 2
    typical = part * noisy.alone + (1 - part) * noisy.beside
    more = None
    if blocks.within is not None and reference.part in blocks.within.of:
        short, there = effective_blocks(blocks.within, reference.part)
        block = np.searchsorted(place, (blocks.within.starts[there] - start) // each, side="right").clip(1) - 1
        away = apart(short, whole, ordered=ordered)
        inner = shift(away, ordered=ordered) * np.where(away @ direction < 0, -1.0, 1.0)
        few = typical * float((1 / short.sum(axis=1) - 1 / np.maximum(rows[block], 1.0)).mean())
        more = within(series[block], inner, max(0.0, few), blocks.within.length / each)
    lasts = lasting(series, place.astype(np.float64), rows, typical * float((1 / rows).mean()), DAY / each, more)
    return Days(counts, cells.first, lasts, ordered, each)
