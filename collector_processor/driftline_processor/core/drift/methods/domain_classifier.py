"""A classifier that separates a window's embeddings from the baseline's, from sums of their random features."""

from __future__ import annotations

import math

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.special_functions import chdtrc, ndtr

from .method import Counts, Measured, Method, Sums


def domain_classifier(apart: F64, variances: F64, base: F64) -> F64:
    """Return the area under the ROC curve of a linear classifier of the two samples: float64 (...).

    Fisher's linear discriminant on random features (:mod:`driftline.panes.embedding_projection`), along their first 16
    axes in the baseline. With the distance of the means in standard deviations of the discriminant, less its sampling
    error, the area is Φ(distance / √2) if scores are normal; in the tests this is up to 0.05 above a discriminant that
    is trained on one half of the rows and tested on the other. 0.5 is chance.

    All directions have the same weight, whereas MMD weights them by the variance of the baseline. Evidently trains a
    classifier on half of the rows (``model``, tested on the others) and reports an area above 0.55 as drift for any
    number of rows; for a window of 100 rows that is 1.2 standard errors. NannyML's domain classifier uses tabular rows,
    alibi-detect's any rows, with a test.

    Args:
        apart: Difference of the means along the axes, float64 (..., axes).
        variances: Variances of the baseline along them, none negative; axes with variance 0 are ignored.
        base: 1/n + 1/m, float64 (...).

    Source: Fisher (1936); Hotelling (1931); Kim, Ramdas, Singh and Wasserman, "Classification accuracy as a proxy for
    two-sample testing" (2021).

    >>> float(domain_classifier(np.array([0.3, 0.0]), np.array([0.09, 0.5]), np.array(0.0)).round(4))
    0.7602
    """
    squared = _squared(apart, variances) - np.count_nonzero(variances > 0, axis=-1) * base
    area: F64 = ndtr(np.sqrt(np.maximum(squared, 0.0)) / math.sqrt(2))
    return area


def _squared(apart: F64, variances: F64) -> F64:
    """Return the squared Mahalanobis distance."""
    total: F64 = np.divide(apart**2, variances, out=np.zeros_like(apart), where=variances > 0).sum(axis=-1)
    return total


def _along(sums: Sums) -> tuple[F64, F64]:
    """Return the differences of the means along the axes, and the variances there: float64 (k, axes)."""
    difference: F64 = np.einsum("kaw,kw->ka", sums.axes, sums.current - sums.reference)
    exists = np.any(sums.axes != 0, axis=2)
    return difference, np.where(exists, sums.spectrum[:, : sums.axes.shape[1]], 0.0)


def from_counts(counts: Counts) -> Measured:
    """Measure k embeddings by their sums. Raises ``ValueError`` without sums.

    The p-value is that of Hotelling's test with the covariance of the baseline: chi-square with one degree of freedom
    per axis. The effect is twice the area above 0.5, the Gini coefficient.
    """
    sums = counts.sums
    if sums is None:
        raise ValueError("domain_classifier compares embeddings, but this column has no embedding statistics")
    apart, variances = _along(sums)
    base = 1 / sums.n + 1 / sums.m
    area = domain_classifier(apart, variances, base)
    axes = np.count_nonzero(variances, axis=1)
    p = np.where(axes > 0, chdtrc(np.maximum(axes, 1), _squared(apart, variances) / base), 1.0)
    return Measured(area, p, np.maximum(0.0, 2 * area - 1))


METHODS = (
    Method(
        name="domain_classifier",
        title="domain classifier",
        symbol="AUC",
        kinds=frozenset({"embedding"}),
        minimum=0.5,
        maximum=1.0,
        unit="area under the ROC curve",
        source="Fisher (1936); Hotelling (1931)",
        counts=from_counts,
        min_effect=0.05,
        symmetric=False,
        scaling="fades",
    ),
)
