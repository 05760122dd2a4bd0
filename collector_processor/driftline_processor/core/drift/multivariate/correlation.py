"""The correlation shift: pairs of features whose correlation differs from the reference."""

from __future__ import annotations

import numpy as np
from driftline.panes.pane import Pane
from driftline.panes.pca import Space
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.evaluation import DriftContributor
from driftline_processor.core.special_functions import ndtr

from .method import ALPHA, JointMethod, JointResult, PanePair
from .pca import Correlations, correlations, pairs_of

MOST_SKEWED, MOST_PEAKED = 0.1, 0.1
"""A mean of products of two features is about normal over n rows if the product of their skewnesses is below 0.1 √n and
that of their kurtoses below 0.1 n. For example, two flags that are each set in 1 % of rows agree once in 10,000, and
one such row among 1,000 gives a correlation of 0.1.
"""

CERTAIN = 0.999
"""Limit of a correlation: Fisher's z of 1 is infinite."""


def correlation_shift(was: F64, now: F64, n: F64, m: F64, factors: F64) -> tuple[F64, F64, F64]:
    """Return, for each of k pairs, the shift of r, its p-value, and its effect: float64 (k,) each.

    Fisher's z-test of two correlations, with the variance of the reference's rows instead of that of normal ones:
    ``factors`` is the variance of z times the rows, 1 for normal variables. The effect is the shift of r less its
    sampling error. r is that of normal scores: Pearson's, after each feature was transformed by its ranks in the
    reference.

    Source: Fisher, "On the probable error of a coefficient of correlation" (1921); Steiger and Hakstian (1982) for the
    variance.

    >>> found = correlation_shift(*(np.array([one]) for one in (0.8, 0.6, 103.0, 103.0, 1.0)))
    >>> [one.round(4).tolist() for one in found]
    [[-0.2], [0.0041], [0.1865]]
    """
    variance = factors * (1 / np.maximum(n - 3, 1) + 1 / np.maximum(m - 3, 1))
    distance = np.arctanh(np.clip(now, -CERTAIN, CERTAIN)) - np.arctanh(np.clip(was, -CERTAIN, CERTAIN))
    p = 2 * ndtr(-np.abs(distance) / np.sqrt(variance))
    middle = np.clip((n * was + m * now) / (n + m), -CERTAIN, CERTAIN)
    effect = np.sqrt(np.maximum(0.0, (now - was) ** 2 - variance * (1 - middle**2) ** 2))
    return now - was, p, effect


def measure(sides: PanePair) -> JointResult | None:
    """Compare the correlations of all pairs with enough rows in both samples; p-values are corrected over them."""
    d = len(sides.space.names)
    (reference, was_shape), current = (
        sides.cached("correlation", lambda: _reference_correlations(sides)),
        correlations(sides.current, d),
    )
    if reference is None or current is None:
        return None
    first, second = pairs_of(d)
    design_effects = np.broadcast_to(sides.design_effect, (d, d))[first, second]
    n, m = reference.rows / design_effects, current.rows / design_effects
    factors = np.ones(len(n)) if sides.fitted.factors is None else sides.fitted.factors
    fewest = np.minimum(n, m)
    skewness, kurtosis = np.maximum(was_shape, shape(sides.current, sides.space))
    comparable = np.isfinite(reference.r) & np.isfinite(current.r)
    comparable &= skewness[first] * skewness[second] <= MOST_SKEWED * np.sqrt(fewest)
    comparable &= kurtosis[first] * kurtosis[second] <= MOST_PEAKED * fewest
    at = np.flatnonzero(comparable)
    if not len(at):
        return None
    was, now = reference.r[at], current.r[at]
    shift, p, effect = correlation_shift(was, now, n[at], m[at], factors[at])
    adjusted = benjamini_hochberg(p)
    significant = adjusted <= ALPHA
    # 5: limit of named pairs, for the space of a sentence and a card
    order = np.lexsort((-np.abs(shift), -effect, ~significant))[:5]
    names = sides.space.names
    pairs = [(names[first[at[place]]], names[second[at[place]]]) for place in order.tolist()]
    contributors = tuple(
        DriftContributor(pair, float(shift[place]), float(was[place]), float(now[place]), float(adjusted[place]))
        for pair, place in zip(pairs, order.tolist(), strict=True)
    )
    most = contributors[0]
    large = float(effect[order[0]]) if significant[order[0]] else 0.0
    rows = float(np.median(fewest[at]))
    return JointResult(
        value=most.value,
        was=most.was,
        now=most.now,
        p_value=float(adjusted.min()),
        effect=large,
        rows=rows,
        contributors=contributors,
        changed_pairs=int(significant.sum()),
    )


def _reference_correlations(sides: PanePair) -> tuple[Correlations | None, F64]:
    """Return correlations and shape of the reference."""
    return correlations(sides.reference, len(sides.space.names)), shape(sides.reference, sides.space)


def shape(pane: Pane, space: Space) -> F64:
    """Return the absolute skewness and the kurtosis of each coordinate: float64 (2, d)."""
    z = np.concatenate(list(space.places.values())).astype(np.float64)
    sizes = np.array([len(places) for places in space.places.values()])
    counts = [pane.parts.get(f"feature:{name}") for name in space.names]
    held = np.concatenate(
        [np.zeros(size) if count is None else count[:size] for count, size in zip(counts, sizes.tolist(), strict=True)]
    )
    ends = np.cumsum(sizes)
    starts = ends - sizes

    def mean(values: F64) -> F64:
        means: F64 = np.add.reduceat(held * values, starts) / total
        return means

    total = np.add.reduceat(held, starts)
    has_rows = total > 0
    total[~has_rows] = 1.0
    z -= np.repeat(mean(z), sizes)
    square = z**2
    variance = mean(square)
    has_rows &= variance > 0
    variance[~has_rows] = 1.0
    shapes: F64 = np.where(has_rows, [np.abs(mean(square * z)) / variance**1.5, mean(square**2) / variance**2], 0.0)
    return shapes


METHOD = JointMethod(
    name="correlation",
    title="correlation shift",
    unit="correlation",
    min_effect=0.1,
    minimum=-2.0,
    maximum=2.0,
    source="Fisher (1921); Steiger and Hakstian (1982)",
    measure=measure,
)
