"""Duplicates: whole rows that repeat another row of the window."""

from __future__ import annotations

from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput
from driftline_processor.core.quality.share_test import LEAST, effect, more_often

MOST = 0.1
"""Share of the baseline's rows that repeat, beyond which repeating is what such rows do by themselves, and says
nothing."""


def find(look: CheckInput) -> CheckResult:
    """Compare the share of rows whose features all equal those of an earlier row.

    From rows, of which each that has all features leaves a fingerprint of 64 bits: two of a million rows that differ
    pass for equal once in 37 million windows. Of more rows more are equal by chance: the baseline's repeats are brought
    to the window's size in proportion to the pairs, which is too many rather than too few. Where the baseline repeats
    more than a tenth of its rows by itself (few features of few values), or where less than a tenth of the window's
    rows have all features, nothing is judged.
    """
    repeats, reference = look.repeats, look.baseline.extras.repeats
    # 0.1: share of the rows that must have all their values: of fewer nobody knows whether the others repeat
    if repeats is None or reference is None or repeats.rows < max(1.0, 0.1 * look.pane.rows):
        return CheckResult(0, [])
    was = (reference.rows - reference.distinct) / reference.rows
    now = (repeats.rows - repeats.distinct) / repeats.rows
    if was > MOST:
        return CheckResult(0, [])
    expected = min(MOST, was * repeats.rows / reference.rows)
    if effect(expected, now) < LEAST:
        return CheckResult(1, [])
    n = reference.rows * reference.rows / repeats.rows  # rows that would repeat as many, at the window's rate
    p = more_often(reference.rows - reference.distinct, n, repeats.rows - repeats.distinct, repeats.rows)
    return CheckResult(1, [suspicion(CHECK.name, [], p, was=expected, now=now, concerned=now - expected)])


CHECK = Check("duplicates", "duplicate rows", "rows", find)
