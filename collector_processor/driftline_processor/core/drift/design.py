"""How alike the rows of a target are: what the window's clusters and the baseline's own blocks of time say."""

from __future__ import annotations

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import NumberBins
from driftline.blocks import targets
from driftline.clusters import PREFIX, by_group
from driftline.pane import Pane
from driftline.tables import F64

from .dependence import Design, of_blocks, of_clusters
from .methods import METHODS, Counts


def design_of(part: str, pane: Pane, baseline: Baseline, n: float, m: float, *, ordered: bool, span: int = 0) -> Design:
    """Return the design effect of a target: the greater of what clusters and what blocks of time say.

    ``part``: of the pane. ``n``, ``m``: (effective) rows of baseline and window. ``span``: how long the window is,
    nanoseconds; 0 = not known, then as long as its rows took in the baseline.
    """
    found = Design()
    blocks = baseline.extras.blocks
    if blocks is not None and part in blocks.of:
        length = span / blocks.length if span else None
        found = of_blocks(_worth(blocks.of[part].counts, blocks.rows), n, m, ordered=ordered, length=length)
    counts = pane.parts.get(PREFIX + part)
    if counts is not None and counts.any():
        groups = by_group(counts)
        of = of_clusters(groups * (m / groups.sum()), None, n, ordered=ordered)
        found = max(found, of, key=lambda design: design.effect)
    return found


def blocks_range(part: str, baseline: Baseline, decided_by: str) -> tuple[float, float] | None:
    """Return the least and the greatest effect of a block of the baseline against all of it; None without blocks.

    In the unit of the method that decides, over the coarse cells of the blocks.
    """
    blocks = baseline.extras.blocks
    if blocks is None or part not in blocks.of:
        return None
    cells = blocks.of[part]
    counts = _worth(cells.counts, blocks.rows)
    counts = counts[counts.sum(axis=1) > 0]
    if len(counts) < 2 or counts.shape[1] < 2:
        return None
    whole = np.broadcast_to(counts.sum(axis=0), counts.shape)
    if "embedding" in METHODS[decided_by].kinds:  # blocks hold no vectors
        return None
    bins = targets(baseline.bins)[part]
    edges = None
    if isinstance(bins, NumberBins) and "number" in METHODS[decided_by].kinds:
        edges = np.broadcast_to(bins.edges[cells.first[1:] - 1], (len(counts), len(cells.first) - 1))
    effect = METHODS[decided_by].counts(Counts(whole, counts, edges)).effect
    return None if effect is None else (float(effect.min()), float(effect.max()))


def _worth(counts: F64, rows: F64) -> F64:
    """Counts of blocks as Kish's effective rows; ``rows``: number, sum of weights and of squared weights of each."""
    return counts * np.divide(rows[:, 1], rows[:, 2], out=np.ones(len(rows)), where=rows[:, 2] > 0)[:, np.newaxis]
