"""Copied: a feature has the values of another one, which has them, too."""

from __future__ import annotations

import numpy as np

from driftline_processor.core.drift.multivariate.pca import correlations, pairs_of
from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import (
    SEPARATE,
    ChangedNumber,
    CheckInput,
    DistributionFunction,
    atoms_of,
    edges_of,
    is_resolved,
    largest,
)
from driftline_processor.core.quality.octaves import left_within, octaves_of, sample_of

MOST_LEFT, MOST_LEFT_IN_ROWS = 0.15, 0.35
"""Maximum KS distance of a feature from the one whose values it has, as a fraction of its distance from itself: by
distributions alone, and if both have the same values in the same rows.
"""

SAME_ROWS = 0.9
"""Minimum correlation of two features with the same values; each is counted over bins of its own."""


def find(look: CheckInput) -> CheckResult:
    """Find numbers with the distribution of another one, which has not changed, in the same rows.

    From panes. The two must be correlated, which they were not; or hardly any value may be where the feature's own are.
    """
    changed = {one.pair.name for one in look.changed}
    together = _correlated(look)
    suspicions = []
    for one in look.changed:
        best = None
        for name, other in look.functions.items():
            if name in changed or not len(other.points):
                continue
            same_rows = (one.pair.name, name) in together
            if (not same_rows and one.distance < SEPARATE) or not is_resolved(edges_of(one.pair), other.at):
                continue
            left = _distance(one, other)
            left = max(left, left_within(octaves_of(one.pair), one.pair, sample_of(other)))
            most = MOST_LEFT_IN_ROWS * one.distance if same_rows else min(one.noise, MOST_LEFT * one.distance)
            if left <= most and (best is None or left < best[0]):
                best = left, name
        if best is not None:
            found = suspicion(CHECK.name, [one.pair.name], one.p, was=0.0, now=1.0, concerned=1.0, sources=(best[1],))
            suspicions.append(found)
    return CheckResult(int(np.count_nonzero(look.table.number)), suspicions)


def _distance(one: ChangedNumber, other: DistributionFunction) -> float:
    """Return the larger KS distance of a window and a column: of all values, or of all but the frequent ones."""
    atoms, below = atoms_of(one.now.points), (one.now.below, other.at(one.now.points))
    parts = []
    for function in below:
        steps = np.diff(function, prepend=0.0, append=1.0)
        steps[1:-1][atoms] = 0.0
        parts.append(np.cumsum(steps) / max(float(steps.sum()), 1e-12))
    return max(largest(below[0] - below[1]), largest(parts[0] - parts[1]))


def _correlated(look: CheckInput) -> set[tuple[str, str]]:
    """Return the features that are correlated in the window, and were not as much before."""
    space = look.baseline.bins.space
    if space is None:
        return set()
    d = len(space.names)
    was, now = correlations(look.baseline.pane, d), correlations(look.pane, d)
    if was is None or now is None:
        return set()
    # 0.1: minimum increase of the correlation
    same = (now.r >= SAME_ROWS) & (now.r - was.r >= 0.1)
    first, second = (index[same].tolist() for index in pairs_of(d))
    pairs = {(space.names[a], space.names[b]) for a, b in zip(first, second, strict=True)}
    return pairs | {(b, a) for a, b in pairs}


CHECK = Check(
    "copied", "values of another column", "panes", find, covers=frozenset({"out_of_range", "unseen", "unit_change"})
)
