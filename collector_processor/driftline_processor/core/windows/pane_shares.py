"""Distribute counts of a period over its panes."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64, I64

from .window import PANE


def places(since: int, until: int) -> tuple[I64, F64]:
    """Return the starts of the panes of ``(since, until]``, and the fraction of the period in each; the sum is 1.

    >>> panes, shares = places(4 * 60 * 10**9, 6 * 60 * 10**9)
    >>> (panes // 10**9).tolist(), shares.tolist()
    ([0, 300], [0.5, 0.5])
    """
    # 86_400 * 10**9: nanoseconds of the longest period that is distributed; a longer period counts in its last day
    since = max(since, until - (86_400 * 10**9))
    first, last = since - since % PANE, until - 1 - (until - 1) % PANE
    if since >= until or first == last:
        return np.array([last]), np.ones(1)
    starts = np.arange(first, last + 1, PANE)
    inside = np.clip(np.append(starts, last + PANE), since, until)
    return starts, np.diff(inside) / (until - since)


def pane_or_panes(since: int, until: int) -> tuple[I64, F64]:
    """Return the pane of the middle of a period that is no longer than a pane, else as :func:`places`.

    Windows have a dozen panes or more, so splitting a minute over two panes would not pay.
    """
    if until - since > PANE:
        return places(since, until)
    middle = since + (until - since) // 2
    return np.array([middle - middle % PANE]), np.ones(1)


def share_out(counts: F64, shares: F64) -> F64:
    """Distribute counts (k,) by fractions: float64 (len(shares), k), with the same sums; whole numbers stay whole.

    >>> share_out(np.array([3.0, 1.0]), np.array([0.5, 0.5])).tolist()
    [[2.0, 0.0], [1.0, 1.0]]
    """
    cumulative = np.outer(np.concatenate([[0.0], np.cumsum(shares)[:-1], [1.0]]), counts)
    if (counts == np.rint(counts)).all():
        cumulative = np.rint(cumulative)
    return np.diff(cumulative, axis=0)
