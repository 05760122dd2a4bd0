"""The chi-square test of two samples of categories, on pooled counts."""

from __future__ import annotations

import numpy as np
from driftline.tables import F64, I64
from numpy.typing import NDArray
from scipy.special import betainc, chdtrc

Mask = NDArray[np.bool_]

EXPECTED = 5.0
"""The least expected count of a cell, in both samples. At 50 rows on 100 Zipf categories the test without pooling is
575 times too liberal at p = 5e-5."""

CERTAIN = 0.01
"""A rare bin less likely than this is shown, and counts in the effect, by itself."""


def pool(reference: F64, current: F64) -> I64:
    """Return the cell of each bin: int64 (bins,), rare bins together so that each cell expects at least 5.

    Expected in the smaller sample without drift: (reference + current) × its share of all rows. Bins that expect less
    share cell 0; while that still expects less, the next smallest bin joins it. The choice depends only on the sums of
    both samples, so the test stays valid.

    >>> pool(np.array([50.0, 40.0, 1.0, 2.0]), np.array([50.0, 40.0, 1.0, 2.0])).tolist()
    [1, 0, 0, 0]
    """
    expected = _expected(reference, current)
    order = np.argsort(expected, kind="stable")
    ascending = expected[order]
    rare = int(np.searchsorted(ascending, EXPECTED))
    if ascending[:rare].sum() > 0:
        rare = max(rare, int(np.searchsorted(np.cumsum(ascending), EXPECTED)) + 1)
    cells = np.zeros(len(expected), dtype=np.int64)
    kept = np.sort(order[rare:])
    first = 1 if ascending[:rare].sum() > 0 else 0
    cells[kept] = np.arange(first, first + len(kept))
    return cells


def pool_but(apart: Mask, reference: F64, current: F64) -> I64:
    """Return the cell of each bin as :func:`pool`, but the bins ``apart``, bool (bins,), have one each, the last.

    >>> pool_but(np.array([False, True, False]), np.array([60.0, 0.0, 40.0]), np.array([30.0, 20.0, 20.0])).tolist()
    [0, 2, 1]
    """
    cells = pool(np.where(apart, 0.0, reference), np.where(apart, 0.0, current))
    last = int(cells[~apart].max()) if not apart.all() else -1
    cells[apart] = np.arange(last + 1, last + 1 + np.count_nonzero(apart))
    return cells


def unexpected(reference: F64, current: F64) -> tuple[Mask, float]:
    """Return which rare bins hold more than chance explains, and the p-value of the least likely one.

    Beside a large reference a label that it never had, or a constant that changed, is rare by :func:`pool`, and would
    hide in a common bin. So a rare bin of which the smaller sample holds at least 5 rows is looked at by itself, and
    exactly: given the total of the bin, those rows are binomial. The p-value is that tail, times the number of rare
    bins, times 10: beside another test at level a it adds at most 0.1 a to its errors. 1 where there is none.

    >>> apart, p = unexpected(np.array([60_000.0, 40_000.0, 0.0]), np.array([300.0, 190.0, 10.0]))
    >>> apart.tolist(), p < 1e-20
    ([False, False, True], True)
    """
    expected = _expected(reference, current)
    smaller = reference if reference.sum() <= current.sum() else current
    rare = (expected > 0) & (expected < EXPECTED)
    looked_at = np.flatnonzero(rare & (smaller >= EXPECTED))
    p = np.ones(len(expected))
    if len(looked_at):
        total, held = (reference + current)[looked_at], smaller[looked_at]
        tail = betainc(held, total - held + 1, expected[looked_at] / total)
        p[looked_at] = np.minimum(1.0, tail * np.count_nonzero(rare) * 10)
    return p <= CERTAIN, float(p.min(initial=1.0))


def chi2(reference: F64, current: F64) -> tuple[float, float]:
    """Return the statistic and its p-value, on counts over the same bins.

    ``reference``, ``current``: counts, missing and invalid left out; pool them first (:func:`pool`). Bins that are
    empty in both are left out; with fewer than two others there is nothing to compare: (0, 1). Equal to
    ``scipy.stats.chi2_contingency(correction=False)``. Evidently tests the window against the reference's shares as if
    they were known exactly (``scipy.stats.chisquare``), which is too liberal unless the reference is much larger than
    the window; NannyML's is the contingency test, with Yates' correction for two categories. Neither pools.

    Source: Pearson (1900); Cochran, "Some methods for strengthening the common χ² tests" (1954) for the rule of 5.

    >>> statistic, p = chi2(np.array([10.0, 20.0]), np.array([20.0, 10.0]))
    >>> round(statistic, 4), round(p, 4)
    (6.6667, 0.0098)
    """
    both = reference + current
    filled = both > 0
    n, m = reference.sum(), current.sum()
    if np.count_nonzero(filled) < 2 or n == 0 or m == 0:
        return 0.0, 1.0
    both, reference, current = both[filled], reference[filled], current[filled]
    statistic = 0.0
    for observed, size in ((reference, n), (current, m)):
        expected = both * (size / (n + m))
        statistic += float(((observed - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(len(both) - 1, statistic))


def _expected(reference: F64, current: F64) -> F64:
    """Rows of the smaller sample in each bin, were there no drift."""
    both = reference + current
    total = both.sum()
    return both * (min(reference.sum(), current.sum()) / total) if total else both
