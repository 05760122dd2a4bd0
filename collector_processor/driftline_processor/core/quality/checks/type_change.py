"""Type change: texts where numbers were, numbers where texts were."""

from __future__ import annotations

import numpy as np
from driftline.panes.unbinned_values import KINDS

from driftline_processor.core.quality.check import Check, CheckResult, Suspicion
from driftline_processor.core.quality.feature_sums import CheckInput, FeaturePair, Sums
from driftline_processor.core.quality.share_test import CaseShare, may_matter, shares_of, suspect_rise

_NUMBER = KINDS.index("number")


def find(look: CheckInput) -> CheckResult:
    """Compare the fraction of values whose type differs from that of the feature.

    From panes, exactly. For a number: texts, including "12" sent as a text; infinities are numbers. For a category:
    numbers. A boolean is a number, 0 or 1.
    """
    table = look.table
    looked_at = table.number | table.has_categories
    shares = [
        shares_of(np.maximum(suspicion.invalid - suspicion.infinite, 0.0), suspicion.usable + suspicion.invalid)
        for suspicion in (table.was, table.now)
    ]
    suspect = table.where(table.has_categories | (table.number & may_matter(*shares)))
    suspicions = [suspicion for pair in suspect if (suspicion := _check_pair(pair)) is not None]
    return CheckResult(int(np.count_nonzero(looked_at)), suspicions)


def _strange(sums: Sums, number: bool) -> float:
    """Return the weight of the values of another type."""
    if number:
        return sums.invalid - sums.infinite
    return 0.0 if sums.kinds is None else float(sums.kinds[_NUMBER])


def _check_pair(pair: FeaturePair) -> Suspicion | None:
    if pair.number:
        kind_now = "number_in_text" if pair.now.numbers_are_texts else "text"
    else:
        kind_now = "number"
    was, now = (CaseShare(_strange(sums, pair.number), sums.with_value) for sums in (pair.was, pair.now))
    return suspect_rise(CHECK.name, pair, was, now, given=kind_now)


CHECK = Check("type_change", "type change", "panes", find, covers=frozenset({"unseen", "out_of_range"}))
