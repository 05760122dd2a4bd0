"""Duplicates: complete rows that repeat another row of the window."""

from __future__ import annotations

from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput
from driftline_processor.core.quality.share_test import LEAST, effect, more_often

MOST = 0.1
"""Fraction of repeated rows in the baseline above which the check is skipped: repeats are normal for such data."""


def find(look: CheckInput) -> CheckResult:
    """Compare the fraction of rows whose features all equal those of an earlier row.

    From 64-bit fingerprints of the rows with all features: a false match occurs once in 37 million windows of a million
    rows. More rows have more repeats by chance, so the baseline's repeats are scaled by the number of pairs, which
    overestimates them. The check is skipped if the baseline repeats more than a tenth of its rows (few features with
    few values), or if less than a tenth of the window's rows have all features.
    """
    repeats, reference = look.repeats, look.baseline.extras.repeats
    # 0.1: minimum fraction of rows with all their values: repeats of the others are unknown
    if repeats is None or reference is None or repeats.rows < max(1.0, 0.1 * look.pane.rows):
        return CheckResult(0, [])
    was = (reference.rows - reference.distinct) / reference.rows
    now = (repeats.rows - repeats.distinct) / repeats.rows
    if was > MOST:
        return CheckResult(0, [])
    expected = min(MOST, was * repeats.rows / reference.rows)
    if effect(expected, now) < LEAST:
        return CheckResult(1, [])
    n = reference.rows * reference.rows / repeats.rows  # rows with as many repeats at the window's rate
    p = more_often(reference.rows - reference.distinct, n, repeats.rows - repeats.distinct, repeats.rows)
    # 0.2: rise from which on repeats are grave: every sum then counts a fifth of the rows twice
    concerned = 1.0 if now - expected >= 0.2 else now - expected
    return CheckResult(1, [suspicion(CHECK.name, [], p, was=expected, now=now, concerned=concerned)])


CHECK = Check("duplicates", "duplicate rows", "rows", find)
