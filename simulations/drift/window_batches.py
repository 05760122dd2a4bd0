"""Judge many windows at once, by the layers right below ``drift()``: a test holds that both say the same of each.

``drift()`` makes an object of every feature of every window, computes what is only shown, and draws pictures of it:
fine for a page, and too much for the forty million features of the simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.tables.table import F64, I64
from driftline_processor.core.drift.dependence import of_clusters, student_p_value
from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.methods.chi2 import chi2
from driftline_processor.core.drift.methods.ks import ks_effect
from driftline_processor.core.drift.methods.method import Counts
from driftline_processor.core.drift.methods.psi import psi, psi_excess
from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.drift.rule import ALPHA, LEAST_INDEPENDENT
from numpy.typing import NDArray
from scipy.special import chdtrc, kolmogorov

from simulations.drift.worlds import Drawn, Many

Mask = NDArray[np.bool_]
LIBERAL = {"ks": 2.0, "chi2": 4.0, "psi": 4.0}
"""How many times as large as an exact p-value its limit is at most; where it is larger, a run stops. Of draws with 50
to 10,000 rows it is up to 1.05 times as large."""

FAR = 1e-6
"""Below, a p-value decides whatever it is."""

PAIRS = 4_000
"""Features of windows that are judged together: some megabytes."""


class Verdicts(NamedTuple):
    """Of windows and features, (windows, features) each.

    ``p``: corrected over the features of a window, where any is at most ALPHA; 1 elsewhere. ``drift``: in state drift.
    """

    p: F64
    drift: Mask


def verdicts(reference: I64, drawn: Drawn, bins: Bins, method: str, *, exact: bool = False) -> Verdicts:
    """Return what is decided of windows over ``bins``.

    ``reference``: int64 (windows or 1, features, bins). ``method``: the one that decides. Exact p-values, which walk
    from bin to bin, and design effects are for what they can change: features that the correction may leave, and,
    unless all are wanted ``exact``, not those that it leaves whatever the others are.
    """
    min_effect = METHODS[method].min_effect
    assert min_effect is not None
    windows, features, _ = drawn.current.shape
    found = Verdicts(np.ones((windows, features)), np.zeros((windows, features), dtype=bool))
    counts = _counts(reference, drawn, bins, np.ones((windows, features), dtype=bool))
    least = least_p(counts, method)
    near = (least <= ALPHA).reshape(windows, features)
    for at in np.flatnonzero(near.any(axis=1)).tolist():
        near[at] = benjamini_hochberg(least[at * features : (at + 1) * features]) <= ALPHA
    drifts = np.zeros(near.shape, dtype=bool)
    if not exact and drawn.groups is None and method in EFFECTS:
        most = most_p(counts, method).reshape(near.shape)
        sure = near & (most <= ALPHA / features)
        found.p[sure] = most[sure]
        drifts[sure] = EFFECTS[method](_counts(reference, drawn, bins, sure)) >= min_effect
        walked = near & ~sure
    else:
        walked = near
    if walked.any():
        p, counted, effect = _exact(reference, drawn, bins, walked, method)
        bound = least[walked.ravel()]
        assert ((p >= bound * (1 - 1e-6)) | (bound <= FAR)).all(), f"{method}: no bound"
        found.p[walked] = np.where(counted, p, np.nan)
        drifts[walked] = effect >= min_effect
    for at in np.flatnonzero(near.any(axis=1)).tolist():
        judged = np.isfinite(found.p[at])  # a feature of too few independent rows is in no family
        found.p[at, judged] = benjamini_hochberg(found.p[at, judged])
        found.p[at, ~judged] = 1.0
    found.drift[:] = (found.p <= ALPHA) & drifts
    return found


EFFECTS: dict[str, Callable[[Counts], F64]] = {
    "ks": lambda counts: ks_effect(np.abs(counts.distances).max(axis=-1), counts.n, counts.m),
    "chi2": psi_excess,
    "psi": psi_excess,
}
"""The effect of methods whose p-values walk."""


def most_p(counts: Counts, method: str) -> F64:
    """Return what p-values are at most: the limit errs to the large side, and one rare bin suffices."""
    if method == "ks":
        root = np.sqrt(counts.n * counts.m / (counts.n + counts.m))
        limit: F64 = kolmogorov(root * np.abs(counts.distances).max(axis=-1))
        return limit
    return counts.coarse.p_rare


def least_p(counts: Counts, method: str) -> F64:
    """Return what p-values are at least: where they are exact, a bound that costs no walk; see ``drift.nulls``."""
    if method == "ks":
        root = np.sqrt(counts.n * counts.m / (counts.n + counts.m))
        largest = (counts.reference + counts.current).max(axis=-1) / (counts.n + counts.m)
        distance = np.abs(counts.distances).max(axis=-1)
        p: F64 = kolmogorov(distance * (root + 0.12 + 0.11 / root) + 0.6 * np.sqrt(largest)) / LIBERAL["ks"]
        return p
    if method in ("chi2", "psi"):
        was, now = counts.coarse.pooled_reference, counts.coarse.pooled_current
        freedom = np.maximum(np.count_nonzero(was + now > 0, axis=-1) - 1, 1)
        value = chi2(was, now)[0] if method == "chi2" else psi(was, now) / (1 / counts.n + 1 / counts.m)
        least: F64 = np.minimum(chdtrc(freedom, value) / LIBERAL[method], counts.coarse.p_rare)
        return least
    chosen = METHODS[method]
    exact = None if method == "mean_shift" else chosen.p_value  # of a shift Welch's is a bound, and costs nothing
    measured = chosen.counts(counts).p_value if exact is None else exact(counts)
    assert measured is not None
    return measured


def _counts(reference: I64, drawn: Drawn, bins: Bins, chosen: Mask) -> Counts:
    """Return the counts of the chosen features of windows, a pair a row."""
    now = drawn.current[chosen].astype(np.float64)
    was = np.broadcast_to(reference, drawn.current.shape)[chosen].astype(np.float64)
    edges = np.broadcast_to(bins.edges, (len(was), len(bins.edges))) if isinstance(bins, NumberBins) else None
    others = np.full(len(was), len(bins.categories)) if isinstance(bins, CategoryBins) else None
    return Counts(was, now, edges, other_bin=others)


def _each(counts: Counts) -> Iterator[Counts]:
    for at in range(len(counts.n)):
        edges = None if counts.edges is None else counts.edges[at : at + 1]
        others = None if counts.other_bin is None else counts.other_bin[at : at + 1]
        yield Counts(counts.reference[at : at + 1], counts.current[at : at + 1], edges, other_bin=others)


def _exact(reference: I64, drawn: Drawn, bins: Bins, chosen: Mask, method: str) -> tuple[F64, Mask, F64]:
    """Return p-values of the chosen features, which of them count, and effects."""
    rows = _counts(reference, drawn, bins, chosen)
    worth, freedom = np.ones(len(rows.n)), np.full(len(rows.n), np.inf)
    if drawn.groups is not None:
        ordered = isinstance(bins, NumberBins)
        for at, (groups, n) in enumerate(zip(drawn.groups[chosen].astype(np.float64), rows.n.tolist(), strict=True)):
            worth[at], freedom[at] = of_clusters(groups, None, n, ordered=ordered)
    was, now = rows.reference / worth[:, np.newaxis], rows.current / worth[:, np.newaxis]
    counts = Counts(was, now, rows.edges, other_bin=rows.other_bin)
    decides = METHODS[method]
    measured = decides.counts(counts)
    p = measured.p_value
    if decides.p_value is not None:
        p = np.array([decides.p_value(one)[0] for one in _each(counts)])
    assert p is not None
    assert measured.effect is not None
    for at in np.flatnonzero(np.isfinite(freedom)).tolist():
        p[at] = student_p_value(float(p[at]), float(freedom[at]))
    return p, np.minimum(rows.n, rows.m) >= LEAST_INDEPENDENT * worth, measured.effect


def draws(world: Many, windows: int, rng: np.random.Generator) -> Iterator[tuple[I64, Drawn]]:
    """Draw so many windows, some at a time, each with a fresh reference."""
    references = world.references(rng)
    for some in chunks(windows, world.features):
        yield np.stack([next(references) for _ in range(some)]), world.draw(rng, some)


def judged(world: Many, windows: int, rng: np.random.Generator, method: str) -> Iterator[Verdicts]:
    """Draw so many windows and judge them."""
    for reference, drawn in draws(world, windows, rng):
        yield verdicts(reference, drawn, world.over, method)


def chunks(windows: int, features: int) -> Iterator[int]:
    """Divide windows into some at a time."""
    most = max(1, PAIRS // features)
    for first in range(0, windows, most):
        yield min(most, windows - first)
