"""Stale: rows repeat those of the previous window."""

from __future__ import annotations

from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats

from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput
from driftline_processor.core.quality.share_test import more_often

LEAST = 0.1
"""Fraction of the rows, above the expected fraction, from which on repeats are a finding."""


def find(look: CheckInput) -> CheckResult:
    """Compare the fraction of rows that equal a row of the previous window with the expected fraction.

    From the same fingerprints as the check for duplicates. Repeated distributions do not show a stale feed: planned
    data, such as flights, has nearly the same distribution every day.

    The expected fraction comes from the baseline's own repeats, scaled by the number of pairs of rows, or from the
    window's where they are more: rows of few values, such as those of new users, repeat within a window, too. The check
    is skipped if that fraction is large in the baseline, or if rows have always repeated (the same customers are scored
    every night): the baseline must hold several periods, or the previous window must not have repeated the one before.
    """
    usual_repeats, repeats = look.baseline.extras.repeats, look.recurrences
    if usual_repeats is None or not repeats or repeats[0] is None:
        return CheckResult(0, [])
    latest = repeats[0]
    was, expected = (usual_repeats.rows - usual_repeats.distinct) / usual_repeats.rows, _expected(usual_repeats, latest)
    # 0.1: maximum expected fraction of repeated rows for the check
    # 50: minimum rows; with fewer, a few repeated rows are a tenth
    if latest.rows < 50 or max(was, expected) > 0.1 or not _is_news(look, usual_repeats):
        return CheckResult(0, [])
    now, own = latest.repeated / latest.rows, look.repeats
    if own is not None:
        expected = max(expected, _expected(own, latest))
    if now - expected < LEAST:
        return CheckResult(1, [])
    n = usual_repeats.rows * usual_repeats.rows / (2 * latest.before)  # rows with as many repeats at the window's rate
    p = more_often(usual_repeats.rows - usual_repeats.distinct, n, latest.repeated, latest.rows)
    return CheckResult(1, [suspicion(CHECK.name, [], p, was=expected, now=now, concerned=now - expected)])


def _expected(repeats: Repeats, recurrence: Recurrence) -> float:
    """Return the fraction of rows that equal a row of the previous window by chance, from the baseline's pairs."""
    return min(1.0, 2 * (repeats.rows - repeats.distinct) / repeats.rows * recurrence.before / repeats.rows)


def _is_news(look: CheckInput, repeats: Repeats) -> bool:
    """Return True if rows did not repeat from one period to the next before."""
    blocks = look.baseline.extras.blocks
    if blocks is not None and len(blocks.starts) > 2:
        return True
    before = look.recurrences[1] if len(look.recurrences) > 1 else None
    return before is not None and before.repeated / before.rows - _expected(repeats, before) < LEAST


CHECK = Check("stale", "stale", "rows", find)
