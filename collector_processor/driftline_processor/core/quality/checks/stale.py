"""Stale: a feature repeats the values of the window before."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from driftline.tables import F64
from scipy.special import chdtr

from driftline_processor.core.quality.check import Check, Suspicion, Tested, suspicion
from driftline_processor.core.quality.look import Look
from driftline_processor.core.quality.sums import Pair, sums_of
from driftline_processor.core.quality.words import quoted

CELLS = 20
"""Fewer bins that expect 5 rows each are alike by chance too easily."""

EXPECTED = 5.0
ALIKE = 0.01
"""Below it two samples are more alike than samples are."""


def find(look: Look) -> Tested:
    """Find features whose values are more alike from one window to the next than two samples ever are.

    From the panes of the window and of those before it: the lower tail of the two-sample chi-square test over the bins,
    where at least 20 of them expect 5 rows. Rows that depend on each other make windows differ more, never less, so
    they raise no false alarm. A feature that never moves has not become stale: the blocks of the baseline must have
    differed, or, where it has none, the window before must have differed from the one before it. That a single value
    stands still is another check's (constant).

    Source: Fisher, "Has Mendel's work been rediscovered?" (1936), for the lower tail.
    """
    if not look.earlier:
        return Tested(0, [])
    looked_at = [
        (pair, p)
        for pair in look.pairs.values()
        if (last := sums_of(look.earlier[0], pair.name, pair.bins)) is not None
        and (p := _alike(pair.now.counts, last.counts, CELLS)) is not None
    ]
    return Tested(len(looked_at), [_finding(pair, p) for pair, p in looked_at if p < ALIKE and _moves(look, pair)])


def _moves(look: Look, pair: Pair) -> bool:
    """Whether the feature used to differ from one stretch of time to the next, as samples do."""
    blocks = look.baseline.extras.blocks
    cells = None if blocks is None else blocks.of.get(f"feature:{pair.name}")
    if cells is not None and len(cells.counts) > 2:
        alike = [p for a, b in pairwise(cells.counts) if (p := _alike(a, b, 2)) is not None]
        return bool(alike) and sum(p < ALIKE for p in alike) < len(alike) / 2
    sums = [sums_of(pane, pair.name, pair.bins) for pane in look.earlier[:2]]
    if len(sums) < 2 or sums[0] is None or sums[1] is None:
        return False
    before = _alike(sums[0].counts, sums[1].counts, CELLS)
    return before is not None and before > ALIKE


def _alike(counts: F64, other: F64, least: int) -> float | None:
    """The chance of two samples as alike as this or more; None where fewer than ``least`` bins expect enough rows."""
    n, m = float(counts.sum()), float(other.sum())
    if len(counts) != len(other) or n <= 0 or m <= 0:
        return None
    both = counts + other
    kept = both * (min(n, m) / (n + m)) >= EXPECTED
    cells = int(np.count_nonzero(kept))
    if cells < least:
        return None
    difference = counts[kept] * np.sqrt(m / n) - other[kept] * np.sqrt(n / m)
    return float(chdtr(cells - 1, float((difference**2 / both[kept]).sum())))


def _finding(pair: Pair, p: float) -> Suspicion:
    return suspicion(
        CHECK.name,
        [pair.name],
        p,
        f"{quoted(pair.name)}: its values repeat those of the window before more closely than chance allows (stale?)",
        was=None,
        now=None,
        concerned=pair.now.usable / pair.now.rows,
    )


CHECK = Check("stale", "stale", "panes of earlier windows", find)
