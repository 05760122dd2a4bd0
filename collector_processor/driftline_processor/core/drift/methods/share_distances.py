"""Distances between the fractions of rows per coarse bin: Hellinger, Jensen-Shannon, L-infinity, total variation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.special_functions import rel_entr

from .method import Kind, Measured, Method


def _fractions(counts: F64) -> F64:
    fractions: F64 = counts / counts.sum(axis=-1, keepdims=True)
    return fractions


def hellinger(reference: F64, current: F64) -> F64:
    """Return sqrt(1 - Σ sqrt(p q)), between 0 and 1: float64 (...).

    It is 1 if the samples share no bin, and sqrt(PSI / 8) for a small drift. With a mean without drift of about
    ``sqrt((bins - 1)(1/n + 1/m) / 8)``, a threshold of 0.1 alarms in most windows of 100 rows over ten bins.

    NannyML uses the same formula over equal widths of the reference by Doane's rule and categories as they are,
    Evidently over equal widths by Sturges' rule of the distinct values of both samples, and whylogs over bins of its
    sketches.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; the same coarse bins as
            PSI, nothing added to empty ones.
        current: Counts of the window, in the same form.

    Source: Hellinger (1909); Cha, "Comprehensive survey on distance measures between probability density functions"
    (2007).

    >>> float(hellinger(np.array([1.0, 1.0]), np.array([1.0, 0.0])).round(4))
    0.5412
    """
    p, q = _fractions(reference), _fractions(current)
    # half the sum of squared differences is exactly 0 for equal samples; 1 - Σ sqrt(p q) would leave 1e-16
    distance: F64 = np.sqrt(np.minimum(1.0, ((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1) / 2))
    return distance


def js(reference: F64, current: F64) -> F64:
    """Return the Jensen-Shannon distance, the root of the divergence to base 2, so between 0 and 1: float64 (...).

    Equal to ``scipy.spatial.distance.jensenshannon(p, q, base=2)``. NannyML uses the same base, on equal widths by
    Doane's rule; Evidently uses the natural logarithm, which is smaller by the factor sqrt(ln 2) = 0.833, on equal
    widths by Sturges' rule.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; the same coarse bins as
            PSI, nothing added to empty ones.
        current: Counts of the window, in the same form.

    Source: Lin, "Divergence measures based on the Shannon entropy" (1991); Endres and Schindelin (2003) for the root.

    >>> float(js(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    p, q = _fractions(reference), _fractions(current)
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / 2 / math.log(2)
    distance: F64 = np.sqrt(np.clip(divergence, 0.0, 1.0))
    return distance


def l_infinity(reference: F64, current: F64) -> F64:
    """Return max |p - q|, the greatest change of any category's fraction: between 0 and 1, float64 (...).

    A drift spread over many categories hardly affects it; total variation is more sensitive then. NannyML has the same
    (``l_infinity``), with categories as they are; both agree unless a rare category changed most.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; rare categories pooled
            as for the chi-square test.
        current: Counts of the window, in the same form.

    Source: Deza and Deza, "Encyclopedia of Distances" (2009), the Chebyshev distance of two distributions.

    >>> float(l_infinity(np.array([50.0, 30.0, 20.0]), np.array([20.0, 30.0, 50.0])).round(4))
    0.3
    """
    p, q = _fractions(reference), _fractions(current)
    distance: F64 = np.abs(p - q).max(axis=-1)
    return distance


def total_variation(reference: F64, current: F64) -> F64:
    """Return ½ Σ |p - q|, the fraction of rows that would have to change their bin: between 0 and 1, float64 (...).

    Its mean without drift is about Σ sqrt(p (1 - p) (1/n + 1/m) / 2π): 0.12 for 100 rows over ten bins. Evidently has
    it for categories (``TVD``), unpooled, and shows a p-value of 1,000 permutations, so at least 0.001, instead of the
    distance.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; the same coarse bins as
            PSI.
        current: Counts of the window, in the same form.

    Source: Levin and Peres, "Markov Chains and Mixing Times" (2017), section 4.1.

    >>> float(total_variation(np.array([50.0, 30.0, 20.0]), np.array([20.0, 30.0, 50.0])))
    0.3
    """
    p, q = _fractions(reference), _fractions(current)
    distance: F64 = np.minimum(1.0, np.abs(p - q).sum(axis=-1) / 2)
    return distance


def _method(distance: Callable[[F64, F64], F64], title: str, symbol: str, unit: str, source: str) -> Method:
    kinds: frozenset[Kind] = frozenset({"number", "category", "boolean"})
    return Method(
        name=distance.__name__,
        title=title,
        symbol=symbol,
        kinds=kinds - {"number"} if distance is l_infinity else kinds,
        minimum=0.0,
        maximum=1.0,
        unit=unit,
        source=source,
        counts=lambda counts: Measured(distance(counts.coarse.reference, counts.coarse.current)),
    )


METHODS = (
    _method(hellinger, "Hellinger", "Hellinger", "1", "Hellinger (1909)"),
    _method(js, "Jensen-Shannon", "JS", "square root of bits", "Lin (1991); Endres and Schindelin (2003)"),
    _method(l_infinity, "L-infinity", "Linf", "fraction of rows", "Deza and Deza (2009)"),
    _method(total_variation, "total variation", "TV", "fraction of rows", "Levin and Peres (2017)"),
)
