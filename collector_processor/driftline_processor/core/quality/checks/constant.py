"""Constant: a feature that had many values has one."""

from __future__ import annotations

from typing import Any

import numpy as np
from driftline.panes.bins import CategoryBins

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput, FeaturePair, effective_rows, shares
from driftline_processor.core.quality.share_test import LEAST, effect


def find(look: CheckInput) -> CheckResult:
    """Find features of which all values of the window lie in one bin, where the baseline's did not.

    From panes. A category, and a value with more than 1 % of the baseline's rows, has a bin of its own, and the finding
    says which; of other numbers it is exact to a bin, a hundredth of the baseline's rows, and the finding says between
    which two values they lie. The p-value is exact: the chance that all rows of a window fall into one bin, Σ pᵐ.
    """
    table = look.table
    looked_at = (table.now.usable > 0) & (table.was.usable > 0)
    one_bin = table.add((table.now.counts > 0).astype(np.float64)) == 1
    suspicions = [suspicion for pair in table.where(looked_at & one_bin) if (suspicion := _of(pair)) is not None]
    return CheckResult(int(np.count_nonzero(looked_at)), suspicions)


def _of(pair: FeaturePair) -> Suspicion | None:
    place = int(pair.now.counts.argmax())
    if pair.now.counts[place] < pair.now.usable:
        return None
    before = shares(pair.was)
    was = float(before[place])
    if effect(was, 1.0) < LEAST or (isinstance(pair.bins, CategoryBins) and place == len(pair.bins.categories)):
        return None  # categories that nobody knows may be many; they are unseen
    value = _value(pair, place)
    if not value:
        return None
    n, m = effective_rows(pair)
    smooth = (before * n + 0.5) / (n + 0.5 * len(before))  # what the baseline never had may yet come
    return suspicion(
        CHECK.name,
        [pair.name],
        float(np.sum(smooth**m)),
        was=was,
        now=1.0,
        concerned=1.0 - was,
        **value,
    )


def _value(pair: FeaturePair, place: int) -> dict[str, Any]:
    """Return the one value of a window, or the two between which all lie; {} if anything may lie there."""
    if isinstance(pair.bins, CategoryBins):
        return {"category": pair.bins.categories[place]}
    edges = pair.bins.edges
    if place in (0, len(edges)):
        return {}  # anything may lie beyond the outer edges; that is out of range
    low, high = float(edges[place - 1]), float(edges[place])
    if high - low <= 1e-6 * max(abs(low), abs(high)) + 1e-300:
        low = high = low + (high - low) / 2
    return {"low": low, "high": high}


CHECK = Check("constant", "constant", "panes", find, covers=frozenset({"unseen"}))
