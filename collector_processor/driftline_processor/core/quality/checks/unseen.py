"""Unseen values: values that the baseline never or hardly ever had."""

from __future__ import annotations

import numpy as np

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion
from driftline_processor.core.quality.feature_sums import CheckInput, FeaturePair, missed_in_other
from driftline_processor.core.quality.share_test import CaseShare, may_matter, shares_of, suspect_new_values


def find(look: CheckInput) -> CheckResult:
    """Compare the fraction of unknown categories, and of numbers between the few values of the baseline.

    From panes, exactly. A category is known if the baseline had it in at least 10 rows. Unknown values were selected
    for being rare in the baseline, so their fraction there is too low. It is corrected: for categories by those with
    barely enough rows, for a number with few values by the values that occurred once.

    Source: Good, "The population frequencies of species and the estimation of population parameters" (1953).
    """
    table = look.table
    size = np.diff(table.now.start, append=len(table.now.counts))
    # a number with one bin per value, and empty bins between them
    few_values = table.number & (table.was.outer == 0) & (size > 3)
    between = table.add(np.where(table.was.counts == 0, table.now.counts, 0.0))
    new = np.where(table.number, between, table.now.last)
    may = may_matter(np.zeros(len(new)), shares_of(new, table.now.usable))
    looked_at = table.has_categories | few_values
    suspicions = [suspicion for pair in table.where(looked_at & may) if (suspicion := _check_pair(pair)) is not None]
    return CheckResult(int(np.count_nonzero(looked_at)), suspicions)


def _check_pair(pair: FeaturePair) -> Suspicion | None:
    if pair.number:
        unfilled = pair.was.counts == 0
        unfilled[[0, -1]] = False  # outside the range: the check out of range
        before = float(np.count_nonzero((pair.was.counts > 0) & (pair.was.counts <= 1)))
        new = float(pair.now.counts[unfilled].sum())
    else:
        before, new = float(pair.was.counts[-1]), float(pair.now.counts[-1])
    more, missed_most = missed_in_other(pair)
    was = CaseShare(min(before + more, pair.was.usable), pair.was.usable)
    return suspect_new_values(
        CHECK.name, pair, was, CaseShare(new, pair.now.usable), (missed_most - more) * pair.n, numbers=pair.number
    )


CHECK = Check("unseen", "unseen values", "panes", find)
