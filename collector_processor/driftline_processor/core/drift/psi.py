"""The population stability index, on coarse bins."""

from __future__ import annotations

import numpy as np
from driftline.tables import F64, I64

CELLS = 10
SMALL, MODERATE = 0.1, 0.25


def psi(reference: F64, current: F64) -> float:
    """Return Σ (q - p) ln(q / p) over bins, natural logarithm, 0.5 added to every count.

    ``reference``, ``current``: counts over the same bins, missing and invalid left out; bins that are empty in both
    are left out. Numbers come as the deciles of the baseline (:func:`deciles`), categories as they are, both pooled as
    for the chi-square test: one of 50 rows in a bin that the reference never filled would otherwise add 0.26.

    Evidently cuts equal widths over both samples (Sturges' rule, from 21 distinct values on) and writes a share of
    0.0001 or less into empty bins, whatever the number of rows; half a row fades as rows come. NannyML has no PSI.

    Source: Siddiqi, "Credit Risk Scorecards" (2006); 0.5 per cell is Jeffreys' prior.

    >>> round(psi(np.array([50.0, 50.0]), np.array([20.0, 80.0])), 4)
    0.4063
    """
    filled = reference + current > 0
    p, q = reference[filled] + 0.5, current[filled] + 0.5
    if len(p) < 2:
        return 0.0
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_null_mean(reference: F64, current: F64) -> float:
    """Return what PSI is on average without drift: about (bins - 1)(1/n + 1/m), bins that hold anything.

    Source: Yurdakul, "Statistical properties of the population stability index" (2018).

    >>> psi_null_mean(np.array([50.0, 50.0]), np.array([50.0, 50.0]))
    0.02
    """
    bins = int(np.count_nonzero(reference + current > 0))
    return max(0, bins - 1) * float(1 / reference.sum() + 1 / current.sum())


def deciles(reference: F64) -> I64:
    """Return the coarse bin of each fine bin: int64 (bins,), about a tenth of the reference each.

    A fine bin belongs to the decile in which its middle row lies, so a value with more than a tenth of the rows keeps a
    bin of its own.

    >>> deciles(np.full(100, 10.0))[[0, 9, 10, 99]].tolist()
    [0, 0, 1, 9]
    """
    total = np.cumsum(reference)
    middle: F64 = (total - reference / 2) / total[-1]
    # rounded, because a middle of 0.3 must not fall to either side by the order of additions
    return np.minimum(np.floor(np.round(middle * CELLS, 9)), CELLS - 1).astype(np.int64)
