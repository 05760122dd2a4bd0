"""The population stability index, on coarse bins."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import Samples, sum_p_values

from .method import Counts, Measured, Method

SMALL, MODERATE = 0.1, 0.25
"""PSI from which a change is moderate, and from which it is large: usual in credit scoring (Siddiqi 2006)."""


def psi(reference: F64, current: F64) -> F64:
    """Return Σ (q - p) ln(q / p) over bins, natural logarithm, 0.5 added to every count: float64 (...).

    Bins are the deciles of the baseline for numbers, and categories as they are, both pooled as for the chi-square
    test: otherwise one of 50 rows in a bin that the reference never filled would add 0.26.

    Evidently uses equal widths over both samples (Sturges' rule, from 21 distinct values on) and a fraction of at most
    0.0001 in empty bins for any number of rows, whereas the effect of half a row decreases with more rows. NannyML has
    no PSI.

    Args:
        reference: Counts over the same bins, float64 (..., bins), without missing and invalid; bins that are empty in
            both samples are ignored.
        current: Counts of the window, in the same form.

    Source: Siddiqi, "Credit Risk Scorecards" (2006); 0.5 per cell is Jeffreys' prior.

    >>> float(psi(np.array([50.0, 50.0]), np.array([20.0, 80.0])).round(4))
    0.4063
    """
    filled = reference + current > 0
    p, q = np.where(filled, reference + 0.5, 0.0), np.where(filled, current + 0.5, 0.0)
    p, q = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
    ratio = np.divide(q, p, out=np.ones(np.shape(p)), where=filled)
    index: F64 = ((q - p) * np.log(ratio)).sum(axis=-1)
    return index


def psi_null_mean(reference: F64, current: F64) -> F64:
    """Return the mean of PSI without drift: about (bins - 1)(1/n + 1/m), over bins with any rows.

    Args:
        reference: Counts of the reference, float64 (..., bins).
        current: Counts of the window, float64 (..., bins).

    Source: Yurdakul, "Statistical properties of the population stability index" (2018).

    >>> float(psi_null_mean(np.array([50.0, 50.0]), np.array([50.0, 50.0])))
    0.02
    """
    bins = np.count_nonzero(reference + current > 0, axis=-1)
    mean: F64 = np.maximum(0, bins - 1) * (1 / reference.sum(axis=-1) + 1 / current.sum(axis=-1))
    return mean


def psi_excess(counts: Counts) -> F64:
    """Return the index less its mean without drift, at least 0: the basis of the sizes small, moderate and large."""
    was, now = counts.coarse.reference, counts.coarse.current
    return counts.cached("psi_excess", lambda: np.maximum(0.0, _index(counts) - psi_null_mean(was, now)))


def _index(counts: Counts) -> F64:
    """Return the index, computed once for size, effect and value of a column."""
    return counts.cached("psi", lambda: psi(counts.coarse.reference, counts.coarse.current))


def psi_terms(reference: F64, current: F64, samples: Samples) -> F64:
    """Return the term of each cell in the index: float64 (k,)."""
    half = samples.cells / 2
    p, q = (reference + 0.5) / (samples.n + half), (current + 0.5) / (samples.m + half)
    return (q - p) * np.log(q / p)


def psi_p_value(counts: Counts) -> F64:
    """Return the exact p-values, from the same counts as those of chi-square, with the same test of rare bins.

    The index divided by 1/n + 1/m is chi-square in the limit.
    """
    cells = counts.coarse
    was, now = cells.pooled_reference, cells.pooled_current
    p = sum_p_values(psi(was, now), psi_terms, was, now, 1 / counts.n + 1 / counts.m, counts.certain)
    return np.minimum(p, cells.p_rare)


def from_counts(counts: Counts) -> Measured:
    """Measure k columns over their coarse bins."""
    return Measured(_index(counts), effect=psi_excess(counts))


METHODS = (
    Method(
        name="psi",
        title="PSI",
        symbol="PSI",
        kinds=frozenset({"number", "category", "boolean"}),
        minimum=0.0,
        maximum=math.inf,
        unit="nats",
        source="Siddiqi (2006)",
        counts=from_counts,
        p_value=psi_p_value,
        min_effect=0.02,
        scaling="fades",
    ),
)
