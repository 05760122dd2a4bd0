"""The design effect of clusters: rows of one customer are correlated.

Twenty rows of one customer carry less information than twenty independent rows. The groups of a window then differ more
than groups of independent rows would, and the excess is the design effect. The rows of both samples are divided by it,
so that each method that decides counts rows as independent ones. Because it is estimated from few groups, p-values get
the tails of Student's t.

Source: Kish, "Survey Sampling" (1965) for the design effect; Rao and Scott, "On chi-squared tests for multiway
contingency tables" (1984) for tests on counts; Satterthwaite (1946) for the degrees of freedom.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from driftline.panes.fold import PREFIX, by_group
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from driftline_processor.core.special_functions import ndtri, stdtr

FEWEST_GROUPS = 1.75
"""Effective groups below which differences between groups cannot be estimated. With 1.5 groups and an intra-class
correlation of 0.3, 7 % of the windows without drift are reported as drift.
"""


class Design(NamedTuple):
    """The design effect of correlated rows.

    Attributes:
        effect: Number of rows that carry the information of one independent row, at least 1.
        freedom: Degrees of freedom of the estimate of ``effect``.
    """

    effect: float = 1.0
    freedom: float = math.inf


def of_clusters(window: F64, reference: F64 | None, n: float, *, ordered: bool) -> Design:
    """Return the design effect from the differences between groups of clusters.

    ``window``: float64 (groups, cells), (effective) rows of each group; a group is one cluster (one customer) or
    several. ``reference``: the same of the reference; None = its rows are assumed to be correlated as much. ``n``: rows
    of the reference. With fewer groups than :data:`FEWEST_GROUPS`, each group counts as one row.

    >>> customers = np.repeat(np.eye(2), 50, axis=0) * 20  # each has twenty equal rows
    >>> round(of_clusters(customers, None, 1e9, ordered=True).effect, 1)
    20.2
    >>> of_clusters(customers[:1], None, 1e9, ordered=True).effect  # twenty rows of one customer
    20.0
    """
    varied, freedom, share, m = _robust(window)
    held = effective_groups(window)
    if varied is None or held < FEWEST_GROUPS:
        return Design(max(1.0, m / held)) if held else Design()
    within = np.diag(share) - np.outer(share, share)
    varied_before, freedom_before = varied * (m / n), freedom
    if reference is not None:
        reference_covariance, reference_freedom, _, rows = _robust(reference)
        if reference_covariance is not None:
            varied_before, freedom_before = reference_covariance * (rows / n), reference_freedom
    base = 1 / n + 1 / m
    now, before = float(np.trace(varied)), float(np.trace(varied_before))
    joint = (now + before) ** 2 / (now**2 / freedom + before**2 / freedom_before) if now + before > 0 else math.inf
    own = varied + varied_before - within * base
    return _design(share, own, varied + varied_before, base, joint, ordered=ordered)


def effective_groups(groups: F64) -> float:
    """Return the effective number of groups, Kish's (Σn)² / Σn²; 0 without rows.

    >>> effective_groups(np.array([[5.0, 5.0], [0.0, 0.0]])), effective_groups(np.array([[3.0], [1.0]]))
    (1.0, 1.6)
    """
    rows = groups.sum(axis=1)
    squares = float((rows**2).sum())
    return float(rows.sum()) ** 2 / squares if squares else 0.0


def student_p_value(p: float, freedom: float) -> float:
    """Return the p-value of Student's t at the normal deviate of ``p``, for a spread that was estimated.

    >>> student_p_value(0.01, math.inf), round(student_p_value(0.01, 10), 4)
    (0.01, 0.0276)
    """
    if not math.isfinite(freedom) or not 0 < p < 1:
        return p
    return float(2 * stdtr(freedom, ndtri(p / 2)))


def clustered_design(part: str, bins: int, n: float, pane: Pane, m: float, *, ordered: bool) -> Design:
    """Return the design effect of the clusters of a window for one column.

    Args:
        part: Name of the column's part of the pane.
        bins: Number of its bins.
        n: (Effective) rows of the reference.
        pane: The window.
        m: (Effective) rows of the window.
        ordered: True for a number.
    """
    counts = pane.parts.get(PREFIX + part)
    if counts is None or not counts.any():
        return Design()
    groups = by_group(counts)
    if effective_groups(groups) < FEWEST_GROUPS:  # rows of one customer count as one, rows without a key individually
        keyed = float(groups.sum() / pane.parts[part][:bins].sum())
        return Design(max(1.0, keyed**2 * m / effective_groups(groups)))
    return of_clusters(groups * (m / groups.sum()), None, n, ordered=ordered)


def _robust(groups: F64) -> tuple[F64 | None, float, F64, float]:
    """Return covariance of fractions over groups (None for one group), its degrees of freedom, fractions and rows."""
    rows = groups.sum(axis=1)
    groups, rows = groups[rows > 0], rows[rows > 0]
    total = float(rows.sum())
    if len(rows) < 2:
        return None, 0.0, np.zeros(groups.shape[1]), total
    share = groups.sum(axis=0) / total
    deviations = groups - np.outer(rows, share)
    covariance: F64 = deviations.T @ deviations / total**2 * len(rows) / (len(rows) - 1)
    return covariance, max(1.0, total**2 / float((rows**2).sum()) - 1), share, total


def _design(share: F64, own: F64, estimated: F64, base: float, freedom: float, *, ordered: bool) -> Design:
    """Return the design effect of the excess covariance ``own`` (may be negative) over that of independent rows.

    ``base``: 1/n + 1/m. ``estimated``: the part of the covariance that was estimated with ``freedom`` degrees of
    freedom.
    """
    if ordered:  # the distribution functions' greatest variance decides; it is 1/4 for independent rows
        steps = np.tril(np.ones(own.shape))[:-1]
        more, estimated_below = (np.einsum("ij,jk,ik->i", steps, covariance, steps) for covariance in (own, estimated))
        below = np.cumsum(share)[:-1]
        varies = below * (1 - below) * base + np.maximum(more, 0.0)
        at = int(varies.argmax())
        effect, spread, part = 4 * float(varies[at]) / base, float(varies[at]), float(estimated_below[at])
    else:  # a sum of squares: a direction with a greater variance has a greater weight
        filled = share > 0
        if filled.sum() < 2:  # a single value has no variance
            return Design()
        scale = 1 / np.sqrt(np.outer(share[filled], share[filled])) / base
        times = 1 + np.maximum(np.linalg.eigvalsh(own[np.ix_(filled, filled)] * scale)[1:], 0.0)
        effect, spread = float((times**2).sum() / times.sum()), float(times.max())
        part = float(np.linalg.eigvalsh(estimated[np.ix_(filled, filled)] * scale)[-1])
    if effect <= 1:
        return Design()
    return Design(effect, freedom * (spread / part) ** 2 if part > 0 else math.inf)
