"""How alike the rows of a target are: what the window's clusters and the baseline's own blocks of time say."""

from __future__ import annotations

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import NumberBins
from driftline.clusters import PREFIX, by_group
from driftline.pane import Pane

from .dependence import Design, of_blocks, of_clusters
from .methods import METHODS, Counts
from .reference import Reference


def design_of(
    reference: Reference, pane: Pane, baseline: Baseline, m: float, *, ordered: bool, span: int = 0
) -> Design:
    """Return the design effect of a target: the greater of what clusters and what blocks of time say.

    ``m``: (effective) rows of the window. ``span``: how long it is, nanoseconds; 0 = not known, then as long as its
    rows took in the baseline.
    """
    found, blocks = Design(), baseline.extras.blocks
    if reference.blocks is not None and blocks is not None:
        length = span / blocks.length if span else None
        found = of_blocks(reference.blocks, reference.rows, m, ordered=ordered, length=length)
    counts = pane.parts.get(PREFIX + reference.part)
    if counts is not None and counts.any():
        groups = by_group(counts)
        of = of_clusters(groups * (m / groups.sum()), None, reference.rows, ordered=ordered)
        found = max(found, of, key=lambda design: design.effect)._replace(long=found.long)
    return found


def blocks_range(reference: Reference, baseline: Baseline, decided_by: str) -> tuple[float, float] | None:
    """Return the least and the greatest effect of a block of the baseline against all of it.

    In the unit of the method that decides, over the coarse cells of the blocks. None where no blocks differ, and of
    embeddings, whose blocks hold no vectors.
    """
    counts, blocks = reference.blocks, baseline.extras.blocks
    if counts is None or blocks is None or "embedding" in METHODS[decided_by].kinds:
        return None
    whole = np.broadcast_to(counts.sum(axis=0), counts.shape)
    edges = None
    if isinstance(reference.bins, NumberBins) and "number" in METHODS[decided_by].kinds:
        first = blocks.of[reference.part].first
        edges = np.broadcast_to(reference.bins.edges[first[1:] - 1], (len(counts), len(first) - 1))
    effect = METHODS[decided_by].counts(Counts(whole, counts, edges)).effect
    return None if effect is None else (float(effect.min()), float(effect.max()))
