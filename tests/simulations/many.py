"""Judge many windows at once, by the layers right below ``drift()``: a test holds that both say the same of each window.

``drift()`` makes an object of every feature of every window, computes what is only shown, and draws pictures of it:
fine for a page, and too much for the forty million features of the simulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from driftline.bins import Bins, NumberBins
from driftline.tables import F64, I64
from driftline_processor.core.drift.correction import benjamini_hochberg
from driftline_processor.core.drift.dependence import heavier, of_clusters
from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.methods.method import Counts
from driftline_processor.core.drift.rule import ALPHA, LEAST_INDEPENDENT
from numpy.typing import NDArray

from .worlds import Drawn, Many

Mask = NDArray[np.bool_]
PAIRS = 4_000
"""Features of windows that are judged together: some megabytes."""


class Verdicts(NamedTuple):
    """Of windows and features, (windows, features) each.

    ``p``: corrected over the features of a window, where any is at most ALPHA; 1 elsewhere. ``drift``: in state drift.
    """

    p: F64
    drift: Mask


def verdicts(reference: I64, drawn: Drawn, bins: Bins, method: str) -> Verdicts:
    """Return what is decided of windows over ``bins``.

    ``reference``: int64 (windows or 1, features, bins). ``method``: the one that decides.
    """
    shape = drawn.current.shape
    was = np.broadcast_to(reference, shape).reshape(-1, shape[2]).astype(np.float64)
    now = drawn.current.reshape(-1, shape[2]).astype(np.float64)
    worth, freedom = _designs(was, drawn, bins)
    edges = np.broadcast_to(bins.edges, (len(was), len(bins.edges))) if isinstance(bins, NumberBins) else None
    counts = Counts(was / worth[:, np.newaxis], now / worth[:, np.newaxis], edges)
    chosen = METHODS[method]
    measured = chosen.counts(counts)
    p = measured.p_value if chosen.p_value is None else chosen.p_value(counts)
    assert p is not None and measured.effect is not None and chosen.min_effect is not None
    for at in np.flatnonzero((worth > 1) & (p < 1)).tolist():
        p[at] = heavier(float(p[at]), float(freedom[at]))
    judged = np.minimum(counts.n, counts.m) >= LEAST_INDEPENDENT
    found = Verdicts(np.ones(shape[:2]), np.zeros(shape[:2], dtype=bool))
    p, effect, judged = (one.reshape(shape[:2]) for one in (p, measured.effect, judged))
    for at in np.flatnonzero(((p <= ALPHA) & judged).any(axis=1)).tolist():
        found.p[at, judged[at]] = benjamini_hochberg(p[at, judged[at]])
        found.drift[at] = (found.p[at] <= ALPHA) & (effect[at] >= chosen.min_effect)
    return found


def _designs(was: F64, drawn: Drawn, bins: Bins) -> tuple[F64, F64]:
    """Return how many rows count as one, of each feature of each window, and the degrees of freedom of that."""
    worth, freedom = np.ones(len(was)), np.full(len(was), np.inf)
    if drawn.groups is not None:
        groups = drawn.groups.reshape(len(was), *drawn.groups.shape[2:]).astype(np.float64)
        rows, ordered = was.sum(axis=1).tolist(), isinstance(bins, NumberBins)
        for at, one in enumerate(groups):
            worth[at], freedom[at], _ = of_clusters(one, None, rows[at], ordered=ordered)
    return worth, freedom


def judged(world: Many, windows: int, rng: np.random.Generator, method: str) -> Iterator[Verdicts]:
    """Draw so many windows, each with a fresh reference, and judge them, some at a time."""
    bins, references = world.bins, world.references(rng)
    for some in chunks(windows, world.features):
        reference = np.stack([next(references) for _ in range(some)])
        yield verdicts(reference, world.draw(rng, some), bins, method)


def chunks(windows: int, features: int) -> Iterator[int]:
    """Divide windows into some at a time."""
    most = max(1, PAIRS // features)
    for first in range(0, windows, most):
        yield min(most, windows - first)
