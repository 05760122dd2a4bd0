"""The maximum mean discrepancy of embeddings, from sums of their random features."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import quadratic_tail

from .method import Counts, Measured, Method, Sums


def mmd(reference: F64, current: F64, n: F64, m: F64) -> F64:
    """Return the distance of the mean features, less its sampling error, at least 0: float64 (...).

    It is the root of the unbiased estimate of MMD², if positive, for the kernel of the random features: a Gaussian
    kernel with the median distance in the reference as its width, from 64 projections. A shift of every coordinate by
    0.1 standard deviations gives about 0.05, by 0.3 about 0.15, by 0.5 about 0.26, with 8 dimensions as with 384.

    Evidently's ``empirical_mmd`` uses all pairs of rows of one number, a kernel whose width changes with the sample,
    and 100 permutations, so p has steps of 0.01. Alibi-detect uses all pairs, with the median distance as width, and
    permutations. NannyML and whylogs have none.

    Args:
        reference: Means of the features of the reference, float64 (..., width), with features of length 1 per vector
            (:mod:`driftline.panes.embedding_projection`).
        current: Means of the features of the window, float64 (..., width).
        n: float64 (...), effective rows of the reference.
        m: float64 (...), effective rows of the window.

    Source: Gretton et al., "A kernel two-sample test" (2012), equation 3; Zhao and Meng, "FastMMD" (2015).

    >>> mean = np.array([0.6, 0.0])
    >>> float(mmd(mean, np.array([0.5, 0.0]), np.array(1e9), np.array(1e9)).round(4))
    0.1
    """
    squared = _square(reference, n) + _square(current, m) - 2 * (reference * current).sum(axis=-1)
    distance: F64 = np.sqrt(np.clip(squared, 0.0, 4.0))
    return distance


def _square(mean: F64, rows: F64) -> F64:
    """Return the unbiased estimate of the squared length of the expectation; the plain square for one row or less."""
    length: F64 = (mean**2).sum(axis=-1)
    several = rows > 1
    return np.where(
        several, (length - 1 / np.maximum(rows, 1e-9)) / np.where(several, 1 - 1 / np.maximum(rows, 1e-9), 1.0), length
    )


def mmd_p_value(sums: Sums) -> F64:
    """Return the asymptotic probability of a distance this large without drift: float64 (k,).

    The squared distance divided by 1/n + 1/m is a sum of squared normals, weighted with the variances of the features
    along their axes in the baseline.

    Args:
        sums: Sums of k embeddings.
    """
    squared = ((sums.reference - sums.current) ** 2).sum(axis=-1)
    return quadratic_tail(squared / (1 / sums.n + 1 / sums.m), sums.spectrum)


def mmd_as_psi(counts: Counts) -> F64:
    """Return the PSI of a normal number whose shift gives the same distance: the basis of the sizes."""
    distance: F64 = from_counts(counts).value
    # 0.52: distance per standard deviation of a small shift of every coordinate
    return (distance / 0.52) ** 2


def from_counts(counts: Counts) -> Measured:
    """Measure k embeddings by their sums. Raises ``ValueError`` without sums."""
    sums = counts.sums
    if sums is None:
        raise ValueError("mmd compares embeddings, but this column has no embedding statistics")
    distance = mmd(sums.reference, sums.current, sums.n, sums.m)
    return Measured(distance, mmd_p_value(sums), distance)


METHODS = (
    Method(
        name="mmd",
        title="MMD",
        symbol="MMD",
        kinds=frozenset({"embedding"}),
        minimum=0.0,
        maximum=2.0,
        unit="kernel distance",
        source="Gretton et al. (2012)",
        counts=from_counts,
        min_effect=0.05,
        scaling="fades",
    ),
)
