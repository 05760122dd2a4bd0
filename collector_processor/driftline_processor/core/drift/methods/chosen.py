"""Labels that were chosen from the rows they are compared with: what that does to their counts, and what undoes it.

A label is kept because the reference itself holds 10 rows of it. So of two labels that are equally frequent the one
that came up more often is kept, and its share is too high; the other one is in ``other``, whose share is too low. With
100 labels (Zipf) and 1,000 rows 8 % of windows of 10,000 rows had a p-value below 0.01.

Whether a label is compared by itself must not hang on the reference alone. Here it hangs on the sum of both samples:
a label that expects so many rows of the reference that it cannot have been dropped stands by itself, all others are
``other``. Without drift, and given the sums, the rows of the reference are then a random choice among all, as the tests
suppose.
"""

from __future__ import annotations

import numpy as np
from driftline.bins import MOST_LABELS, RARE
from driftline.reference import MOST_SAMPLED
from driftline.tables import F64, I64
from numpy.typing import NDArray
from scipy.special import ndtr

Mask = NDArray[np.bool_]

SURE = 3.0
"""Standard deviations. A label that expects 25 rows has 9 or fewer, and is dropped, once in 4,500 times."""


def least_kept(reference: F64, others: I64) -> F64:
    """Return how many rows a label had to have to be kept: float64 (k,), 0 where nothing was chosen.

    10; in proportion more where labels were chosen from a sample of the rows; as many as the last one where there was
    room for no more labels, and beyond doubt more than that where these are other rows. No label with more rows than
    ``other`` has can be in it.

    ``reference``: float64 (k, bins). ``others``: int64 (k,), which bin is ``other``, -1 = none.
    """
    held = np.take_along_axis(reference, np.maximum(others, 0)[:, np.newaxis], axis=1)[:, 0]
    least = RARE * np.maximum(1.0, reference.sum(axis=1) / MOST_SAMPLED)
    labels = _labels(reference, others) & (reference > 0)
    last = np.where(labels, reference, np.inf).min(axis=1, initial=np.inf)
    last = np.where(own_rows(reference, others), last, sure(np.where(np.isfinite(last), last, 0.0)))
    least = np.where((others >= MOST_LABELS) & np.isfinite(last), np.maximum(least, last), least)
    return np.where(others >= 0, np.minimum(least, np.maximum(held, RARE)), 0.0)


def sure(least: F64 | float) -> F64:
    """Return how many rows a label must expect so that it has as many as ``least`` beyond doubt: float64 (...).

    >>> float(sure(10.0)), float(sure(100.0).round(1))
    (25.0, 134.8)
    """
    root: F64 = (SURE + np.sqrt(SURE**2 + 4 * np.asarray(least))) / 2
    return root**2


def unsure(reference: F64, current: F64, others: I64) -> Mask:
    """Return the labels that could as well be in ``other``: bool (k, bins), nowhere where ``other`` is empty.

    >>> was, now = np.array([[970.0, 20.0, 10.0]]), np.array([[480.0, 5.0, 15.0]])
    >>> unsure(was, now, np.array([2])).tolist()
    [[False, True, False]]
    """
    both = reference + current
    there = np.take_along_axis(both, np.maximum(others, 0)[:, np.newaxis], axis=1) > 0
    n, m = reference.sum(axis=1, keepdims=True), current.sum(axis=1, keepdims=True)
    expected = both * (n / (n + m))
    found: Mask = _labels(reference, others) & there & (expected < sure(least_kept(reference, others))[:, np.newaxis])
    return found & (both > 0)


def in_other(which: Mask, counts: F64, others: I64) -> F64:
    """Return the counts with these bins, bool (k, bins), emptied into ``other``.

    >>> in_other(np.array([[False, True, False]]), np.array([[970.0, 20.0, 10.0]]), np.array([2])).tolist()
    [[970.0, 0.0, 30.0]]
    """
    found = np.where(which, 0.0, counts)
    rows = np.flatnonzero(others >= 0)
    found[rows, others[rows]] += np.where(which, counts, 0.0).sum(axis=1)[rows]
    return found


def missed(reference: F64, others: I64) -> tuple[F64, F64]:
    """Return how many rows too few ``other`` has on average, and how far that estimate may be off: float64 (k,) twice.

    The rows of a label are too few in ``other`` by as much as would fall there with one row less: ``least`` times the
    number of labels with exactly so many rows, which is taken from those with up to a few more. Nothing of a reference
    of which a label has fewer rows than it takes to be kept: these are not the rows it was chosen from.

    Source: Good, "The population frequencies of species and the estimation of population parameters" (1953).

    >>> was, miss = missed(np.array([[970.0, 11.0, 10.0, 9.0]]), np.array([3]))
    >>> was.tolist(), miss.round(1).tolist()
    ([10.0], [10.0])
    """
    least = least_kept(reference, others)
    labels = _labels(reference, others)
    own = own_rows(reference, others)
    wide = np.maximum(1.0, np.ceil(np.sqrt(least) / 2))
    near = labels & (reference >= least[:, np.newaxis]) & (reference < (least + wide)[:, np.newaxis])
    many = np.where(own, np.count_nonzero(near, axis=1), 0)
    each = least / wide
    return many * each, np.sqrt(2 * many) * each


def own_rows(reference: F64, others: I64) -> Mask:
    """Tell whether the reference has enough rows of each label, and most of the first, as they were chosen: bool (k,).

    Else these are not the rows that the labels were chosen from: those of one hour or one country, or later ones.
    """
    labels = _labels(reference, others)
    enough = (~labels | (reference >= RARE)).all(axis=1)
    falling = (~labels[:, 1:] | (reference[:, 1:] <= reference[:, :-1] * (1 + 1e-9))).all(axis=1)
    found: Mask = enough & falling & (others >= 0)
    return found


def other_moved(reference: F64, current: F64, others: I64) -> F64:
    """Return the p-value of ``other`` as it is, against all kept labels together: float64 (k,), 1 where not known.

    What is left to ask where no label is sure: a tenth of the rows in a new label among 300 rare ones. Both sides, in
    the limit of many rows, with the error of what was missed.
    """
    n, m = reference.sum(axis=1), current.sum(axis=1)
    at = np.maximum(others, 0)[:, np.newaxis]
    was, now = (np.take_along_axis(side, at, axis=1)[:, 0] for side in (reference, current))
    more, off = missed(reference, others)
    p = (was + more + now) / (n + m)
    variance = p * (1 - p) * (1 / n + 1 / m) + (off**2 + more * least_kept(reference, others)) / n**2
    own = own_rows(reference, others)
    few = np.minimum(p, 1 - p) * np.minimum(n, m) < 5
    z = np.divide(
        now / m - (was + more) / n, np.sqrt(np.maximum(variance, 0)), out=np.zeros(len(n)), where=variance > 0
    )
    return np.where(own & ~few, np.minimum(1.0, 2 * ndtr(-np.abs(z))), 1.0)


def _labels(counts: F64, others: I64) -> Mask:
    """Which bins are labels: bool (k, bins), those before ``other``."""
    found: Mask = np.arange(counts.shape[1]) < others[:, np.newaxis]
    return found
