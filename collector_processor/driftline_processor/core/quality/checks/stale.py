"""Stale: a feature repeats the values of the window before."""

from __future__ import annotations

import numpy as np
from driftline.pane import Pane
from driftline.tables import F64
from scipy.special import chdtr

from driftline_processor.core.quality.check import Check, Suspicion, Tested, suspicion
from driftline_processor.core.quality.look import Look
from driftline_processor.core.quality.sums import Pair, sums_of
from driftline_processor.core.quality.words import quoted

CELLS = 20
"""Fewer bins that expect 5 rows each are alike by chance too easily."""

EXPECTED = 5.0
MOVED = 0.01
"""The p-value above which two windows before were different enough, so that the feature did move."""


def find(look: Look) -> Tested:
    """Find features whose values are more alike from one window to the next than two samples ever are.

    From the panes of the window and of the two before it: the lower tail of the two-sample chi-square test over the
    bins, where at least 20 of them expect 5 rows. Rows that depend on each other make windows differ more, never less,
    so they raise no false alarm. A feature that repeated itself before is none that became stale: the window before
    must have differed from the one before it. That a single value stands still is another check's (constant).

    Source: Fisher, "Has Mendel's work been rediscovered?" (1936), for the lower tail.
    """
    if len(look.earlier) < 2:
        return Tested(0, [])
    last, before = look.earlier[:2]
    looked_at = [(pair, p) for pair in look.pairs.values() if (p := _alike(pair, pair.now.counts, last)) is not None]
    found = [_finding(pair, p) for pair, p in looked_at if p < MOVED and _moved(pair, last, before)]
    return Tested(len(looked_at), found)


def _alike(pair: Pair, counts: F64, pane: Pane) -> float | None:
    """The chance of two samples that are as alike as this or more; None where too few bins are filled."""
    other = sums_of(pane, pair.name, pair.bins)
    if other is None or len(other.counts) != len(counts):
        return None
    n, m = float(counts.sum()), other.usable
    if n <= 0 or m <= 0:
        return None
    both = counts + other.counts
    kept = both * (min(n, m) / (n + m)) >= EXPECTED
    cells = int(np.count_nonzero(kept))
    if cells < CELLS:
        return None
    difference = counts[kept] * np.sqrt(m / n) - other.counts[kept] * np.sqrt(n / m)
    return float(chdtr(cells - 1, float((difference**2 / both[kept]).sum())))


def _moved(pair: Pair, last: Pane, before: Pane) -> bool:
    sums = sums_of(last, pair.name, pair.bins)
    alike = None if sums is None else _alike(pair, sums.counts, before)
    return alike is not None and alike > MOVED


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
