"""The null distribution of quadratic statistics over bins, also with many ties.

The limit laws of Cramér-von Mises and Anderson-Darling assume that no values are equal. For a number that is zero in
nine of ten rows, one of them would find drift in a quarter of the windows without drift, the other never (20 features,
50 rows). Given the rows of both samples in each bin, those of the window are a random choice: the rows of the bins have
the covariance of a Brownian bridge in steps, and the statistic is a weighted sum of squared normals.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.p_values import quadratic_tail

from .method import Counts

Form = Callable[[F64, float, float], F64]
"""Function from the rows of both samples, float64 (bins,), and the size of each, to a form: see :func:`bridge_tail`."""


def bridge_p_values(statistic: F64, mean: F64, counts: Counts, form: Form) -> F64 | None:
    """Return the p-values of k statistics, float64 (k,); None if ties are rare, so that the limit law is valid.

    The p-value of a statistic up to twice its mean is Markov's bound.

    Args:
        statistic: float64 (k,).
        mean: float64 (k,), mean of the statistic without drift.
        counts: Counts of the k columns.
        form: Function that computes the quadratic form of a column.
    """
    both, total = counts.reference + counts.current, counts.n + counts.m
    # 0.02: fraction of one bin from which ties matter; a quantile bin of a baseline has 0.01
    # 512: limit of bins, since eigenvalues of a matrix of this size are computed; a baseline has up to about 130
    if both.shape[1] > 512 or (both.max(axis=1) <= 0.02 * total).all():
        return None
    p: F64 = np.minimum(1.0, np.divide(mean, statistic, out=np.ones_like(mean), where=statistic > mean))
    for at in np.flatnonzero(statistic > 2 * mean).tolist():
        n, m = float(counts.n[at]), float(counts.m[at])
        p[at] = bridge_tail(float(statistic[at]), form(both[at], n, m), both[at], n, m)
    return p


def bridge_tail(statistic: float, form: F64, both: F64, n: float, m: float) -> float:
    """Return the probability, without drift, of a quadratic form of the window's rows of at least this value.

    Args:
        statistic: Value of the form.
        form: float64 (bins, bins), symmetric. The statistic is ``x @ form @ x``, with x the window's rows per bin less
            the expected ones.
        both: float64 (bins,), rows of both samples.
        n: Rows of the reference.
        m: Rows of the window.

    Source: the covariance is that of the multivariate hypergeometric distribution; see also Scholz and Stephens (1987),
    section 5, for Anderson-Darling with ties.

    >>> both, form = np.array([50.0, 50.0]), np.array([[0.08, 0.0], [0.0, 0.08]])  # the chi-square of two cells
    >>> round(bridge_tail(3.84, form, both, 50.0, 50.0), 2)
    0.05
    """
    total = n + m
    root = np.sqrt(both * (n * m / (total * (total - 1))))
    along = np.sqrt(both / total)  # the total is fixed: the variance in this direction is 0
    scaled = root[:, np.newaxis] * form * root
    scaled -= np.outer(along, along @ scaled)
    scaled -= np.outer(scaled @ along, along)
    weights = np.maximum(np.linalg.eigvalsh(scaled), 0.0)
    return float(quadratic_tail(np.array([statistic]), weights[np.newaxis])[0])
