"""Constant: a feature with many values before has only one."""

from __future__ import annotations

from typing import Any

import numpy as np
from driftline.panes.bins import CategoryBins

from driftline_processor.core.drift.bin_edges import single_value
from driftline_processor.core.quality.check import Check, CheckResult, Suspicion, suspicion
from driftline_processor.core.quality.feature_sums import LEAST_ROWS, CheckInput, FeaturePair, effective_rows, shares
from driftline_processor.core.quality.share_test import LEAST, effect


def find(look: CheckInput) -> CheckResult:
    """Find features whose values in the window all lie in one bin, while the baseline's did not.

    From panes. A category, and a value with more than 1 % of the baseline's rows, has a bin of its own, and the finding
    names it. Other numbers are known to a bin of 1 % of the baseline's rows, and the finding names its two edges. The
    p-value is exact: the probability that all rows of a window fall into one bin, Σ pᵐ.
    """
    table = look.table
    looked_at = (table.now.usable > 0) & (table.was.usable > 0)
    one_bin = table.add((table.now.counts > 0).astype(np.float64)) == 1
    suspicions = [
        suspicion for pair in table.where(looked_at & one_bin) if (suspicion := _check_pair(pair)) is not None
    ]
    return CheckResult(int(np.count_nonzero(looked_at)), suspicions)


def _check_pair(pair: FeaturePair) -> Suspicion | None:
    place = int(pair.now.counts.argmax())
    if pair.now.counts[place] < pair.now.usable:
        return None
    before = shares(pair.was)
    was = float(before[place])
    if effect(was, 1.0) < LEAST or (isinstance(pair.bins, CategoryBins) and place == len(pair.bins.categories)):
        return None  # unknown categories may be many; that is the check unseen
    value = _value(pair, place)
    if not value or ("low" in value and value["low"] < value["high"] and pair.now.usable < LEAST_ROWS):
        return None  # a few rows of one thing lie in one bin, too
    n, m = effective_rows(pair)
    smooth = (before * n + 0.5) / (n + 0.5 * len(before))  # so that bins without baseline rows have a probability
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
    """Return the value of the bin, or its two edges; {} for bins with an open range."""
    if isinstance(pair.bins, CategoryBins):
        return {"category": pair.bins.categories[place]}
    edges = pair.bins.edges
    if place in (0, len(edges)):
        return {}  # open range; that is the check out of range
    value = single_value(edges, place)
    if value is not None:
        return {"low": value, "high": value}
    return {"low": float(edges[place - 1]), "high": float(edges[place])}


CHECK = Check("constant", "constant", "panes", find, covers=frozenset({"unseen", "pile_up"}))
