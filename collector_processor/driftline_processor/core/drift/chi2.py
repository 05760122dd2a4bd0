"""The chi-square test of two samples of categories, on pooled counts."""

from __future__ import annotations

import numpy as np
from driftline.tables import F64, I64
from scipy.special import betainc, chdtrc

EXPECTED = 5.0
"""The least expected count of a cell, in both samples. At 50 rows on 100 Zipf categories the test without pooling is
575 times too liberal at p = 5e-5."""


def pool(reference: F64, current: F64) -> I64:
    """Return the cell of each bin: int64 (bins,), rare bins together so that each cell expects at least 5.

    Expected in the smaller sample without drift: (reference + current) × its share of all rows. Bins that expect less
    share cell 0; while that still expects less, the next smallest bin joins it, unless the smaller sample nevertheless
    holds 5 rows or more of it: a category that is new, or gone, must not hide in a common one.

    >>> pool(np.array([50.0, 40.0, 1.0, 2.0]), np.array([50.0, 40.0, 1.0, 2.0])).tolist()
    [1, 0, 0, 0]
    >>> pool(np.array([6000.0, 4000.0, 0.0]), np.array([50.0, 40.0, 10.0])).tolist()
    [1, 2, 0]
    """
    expected = _expected(reference, current)
    order = np.argsort(expected, kind="stable")
    ascending = expected[order]
    rare = int(np.searchsorted(ascending, EXPECTED))
    held = _smaller(reference, current)[order[:rare]].sum()
    if ascending[:rare].sum() > 0 and held < EXPECTED:
        rare = max(rare, int(np.searchsorted(np.cumsum(ascending), EXPECTED)) + 1)
    cells = np.zeros(len(expected), dtype=np.int64)
    kept = np.sort(order[rare:])
    first = 1 if ascending[:rare].sum() > 0 else 0
    cells[kept] = np.arange(first, first + len(kept))
    return cells


def pooled_chi2(reference: F64, current: F64) -> tuple[float, float]:
    """Return the statistic and the p-value that decides, on counts over the cells of :func:`pool`.

    Where a cell expects fewer than 5 rows the limit is no approximation, so its part in the p-value is exact: given the
    total of that cell, the rows of it in the smaller sample are binomial. p is the smaller of that tail, times ten, and
    the chi-square p-value with the cell joined to the next smallest; without drift it falls below a in at most 1.1 a.

    >>> statistic, p = pooled_chi2(np.array([100_000.0, 0.0]), np.array([490.0, 10.0]))
    >>> p < 1e-20
    True
    """
    statistic, p = chi2(reference, current)
    expected = _expected(reference, current)
    order = np.argsort(expected, kind="stable")
    filled = order[expected[order] > 0]
    if len(filled) < 2 or expected[filled[0]] >= EXPECTED:
        return statistic, p
    rare, neighbour = filled[:2]
    total = float(reference[rare] + current[rare])
    held = float(_smaller(reference, current)[rare])
    share = float(expected[rare]) / total
    tail = float(betainc(held, total - held + 1, share)) if held > 0 else 1.0
    joined_reference, joined_current = reference.copy(), current.copy()
    for counts in (joined_reference, joined_current):
        counts[neighbour] += counts[rare]
        counts[rare] = 0.0
    return statistic, min(1.0, 10 * tail, chi2(joined_reference, joined_current)[1])


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


def _smaller(reference: F64, current: F64) -> F64:
    return reference if reference.sum() <= current.sum() else current
