"""Unlinked: a feature has its values, but they no longer belong to the rows, as after a join that is off by one row."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.multivariate.correlation import correlation_shift
from driftline_processor.core.drift.multivariate.pca import correlations, pairs_of
from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput, Mask, distance_of_bins

RELATED = 0.3
"""Minimum correlation of two features in the baseline to show that their relation is lost."""

LOST, KEPT = 0.3, 0.7
"""Maximum fraction of its correlations that an unlinked feature has, and minimum fraction that all others have."""

SAME = 0.1
"""Maximum KS distance of a feature, and of those that it was related to, from the baseline: the values of other rows
have the same distribution, and in another season or regime correlations differ, because values do.
"""

FEWEST = 100.0
"""Minimum (effective) rows of the window."""


def find(look: CheckInput) -> CheckResult:
    """Find one feature whose correlations with all others are lost while all distributions and correlations hold.

    From the pane's sums over pairs of features. If two features are related only to each other, the finding names both,
    since either may be the cause.
    """
    space = look.baseline.bins.space
    if space is None or any(name not in look.pairs for name in space.names):
        return CheckResult(0, [])
    d = len(space.names)
    was, now = correlations(look.baseline.pane, d), correlations(look.pane, d)
    if was is None or now is None:
        return CheckResult(0, [])
    pairs = [look.pairs[name] for name in space.names]
    before, after, rows, rows_before = (_square(values, d) for values in (was.r, now.r, now.rows, was.rows))
    related = np.isfinite(after) & (np.abs(before) >= RELATED)
    related[[distance_of_bins(pair) > SAME for pair in pairs]] = False
    related &= related.T
    kept = _slopes(before, after, related)
    lost = int(np.argmin(kept)) if np.isfinite(kept).any() else -1
    if lost < 0 or kept[lost] > LOST:
        return CheckResult(d, [])
    partners = np.flatnonzero(related[lost])
    others = related.copy()
    others[lost] = others[:, lost] = False
    rest = _slopes(before, after, others)
    # of two features that are related to no other one, both are named
    alone = len(partners) == 1 and not others[partners].any()
    if (not alone and not others[partners].any()) or (others.any() and rest.min() < KEPT):
        return CheckResult(d, [])
    design = np.array([max(pairs[lost].design_effect, pairs[one].design_effect) for one in partners])
    n, m = rows_before[lost, partners] / design, rows[lost, partners] / design
    if m.min() < FEWEST:
        return CheckResult(d, [])
    factors = np.full(len(partners), 2.0)  # twice the variance of normal variables, for other distributions
    _, p, _ = correlation_shift(before[lost, partners], after[lost, partners], n, m, factors)
    value = min(1.0, float(p.min()) * len(partners))
    names = [pairs[place].name for place in sorted([lost, *partners] if alone else [lost])]
    left = max(0.0, float(kept[lost]))
    return CheckResult(d, [suspicion(CHECK.name, names, value, was=1.0, now=left, concerned=1.0)])


def _square(values: F64, d: int) -> F64:
    full = np.zeros((d, d))
    full[pairs_of(d)] = values
    both: F64 = full + full.T
    return both


def _slopes(before: F64, after: F64, related: Mask) -> F64:
    """Return the fraction of its correlations that each feature has kept: float64 (d,), inf without any."""
    held = np.where(related, before, 0.0)
    square = (held**2).sum(axis=1)
    both = (held * np.where(related, after, 0.0)).sum(axis=1)
    slopes: F64 = np.divide(both, square, out=np.full(len(square), np.inf), where=square > 0)
    return slopes


CHECK = Check("unlinked", "values of other rows", "panes", find)
