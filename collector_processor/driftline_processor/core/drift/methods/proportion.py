"""The test of two proportions, for features of two values."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.coarse_bins import EXPECTED
from driftline_processor.core.special_functions import betainc, ndtr

from .method import Counts, Measured, Method


def proportion(held_was: F64, n: F64, held_now: F64, m: F64) -> tuple[F64, F64]:
    """Return the change of the fraction, q - p, and its two-sided p-value: float64 (...) each.

    The test is the pooled z-test if each of the four cells expects at least 5 rows; its p-value is that of
    ``chi2_contingency(correction=False)``. Otherwise it is exact: given the rows of both samples with the rarer value,
    those of the window are binomial, and the smaller tail is doubled, which is conservative.

    Evidently's ``z`` is the z-test for any number of rows. NannyML has chi-square with Yates' correction.

    Args:
        held_was: (Effective) rows of the reference with the value.
        n: All rows of the reference.
        held_now: (Effective) rows of the window with the value.
        m: All rows of the window.

    Source: Fleiss, "Statistical Methods for Rates and Proportions" (1981); Przyborowski and Wilenski (1940).

    >>> grown, p = proportion(np.array([100.0]), np.array([1_000.0]), np.array([30.0]), np.array([200.0]))
    >>> grown.round(3).tolist(), p.round(4).tolist()
    ([0.05], [0.0378])
    """
    p, q = held_was / n, held_now / m
    both, total = held_was + held_now, n + m
    pooled = both / total
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    z = np.divide(q - p, np.sqrt(variance), out=np.zeros_like(p), where=variance > 0)
    rarer = np.minimum(both, total - both)
    few = rarer * np.minimum(n, m) / total < EXPECTED
    return q - p, np.where(few, _exact(held_was, n, held_now, m), np.minimum(1.0, 2 * ndtr(-np.abs(z))))


def _exact(held_was: F64, n: F64, held_now: F64, m: F64) -> F64:
    """Return the doubled smaller tail of a binomial for the rarer value."""
    flip = held_was + held_now > (n + m) / 2
    was, now = np.where(flip, n - held_was, held_was), np.where(flip, m - held_now, held_now)
    share = m / (n + m)
    # P(X >= now) and P(X <= now) of was + now tries
    above = np.where(now > 0, betainc(np.maximum(now, 1e-9), was + 1, share), 1.0)
    below = np.where(was > 0, betainc(np.maximum(was, 1e-9), now + 1, 1 - share), 1.0)
    doubled: F64 = np.minimum(1.0, 2 * np.minimum(above, below))
    return doubled


def from_counts(counts: Counts) -> Measured:
    """Measure k features of two values by the fraction of the second value.

    The second value is the greater number, the later class, or the rarer category of the baseline, in the order of its
    bins. The effect is the change of the fraction less its sampling error.
    """
    width = counts.reference.shape[1]
    second = width - 1 - np.argmax(counts.reference[:, ::-1] > 0, axis=1)[:, np.newaxis]
    held_was, held_now = (np.take_along_axis(side, second, axis=1)[:, 0] for side in (counts.reference, counts.current))
    n, m = counts.n, counts.m
    grown, p = proportion(held_was, n, held_now, m)
    pooled = (held_was + held_now) / (n + m)
    chance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return Measured(grown, p, np.sqrt(np.maximum(0.0, grown**2 - chance)))


METHODS = (
    Method(
        name="proportion",
        title="proportion",
        symbol="share",
        kinds=frozenset({"boolean"}),
        minimum=-1.0,
        maximum=1.0,
        unit="fraction of rows",
        source="Fleiss (1981)",
        counts=from_counts,
        min_effect=0.04,
        symmetric=False,
    ),
)
