"""Stale: rows repeat those of the window before."""

from __future__ import annotations

from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats

from driftline_processor.core.quality.check import Check, CheckResult, suspicion
from driftline_processor.core.quality.feature_sums import CheckInput
from driftline_processor.core.quality.share_test import more_often

LEAST = 0.1
"""Share of the rows, beyond what is expected, from which on they are told of."""


def find(look: CheckInput) -> CheckResult:
    """Compare the share of rows whose features all equal those of a row of the window before with the expected one.

    From rows, by the same fingerprints as the check for duplicates. Shares that repeat are no sign of a stale feed:
    what is planned, flights or deliveries, has nearly the same shares every day. Whole rows do not repeat.

    What is expected comes from how often the baseline repeats its own rows, in proportion to the pairs of rows. Nothing
    is judged where that is much, nor where rows have always repeated (the same customers are scored every night): the
    baseline must hold several stretches of time, or the window before must not have repeated the one before it.
    """
    usual_repeats, repeats = look.baseline.extras.repeats, look.recurrences
    if usual_repeats is None or not repeats or repeats[0] is None:
        return CheckResult(0, [])
    latest = repeats[0]
    was, expected = (usual_repeats.rows - usual_repeats.distinct) / usual_repeats.rows, _expected(usual_repeats, latest)
    # 0.1: share of rows that equal one of the window before by themselves, beyond which it says nothing that others do
    # 50: different rows, of fewer of which a few that came twice are a tenth
    if latest.rows < 50 or max(was, expected) > 0.1 or not _is_news(look, usual_repeats):
        return CheckResult(0, [])
    now = latest.again / latest.rows
    if now - expected < LEAST:
        return CheckResult(1, [])
    n = (
        usual_repeats.rows * usual_repeats.rows / (2 * latest.before)
    )  # rows that would repeat as many, at the window's rate
    p = more_often(usual_repeats.rows - usual_repeats.distinct, n, latest.again, latest.rows)
    return CheckResult(1, [suspicion(CHECK.name, [], p, was=expected, now=now, concerned=now - expected)])


def _expected(repeats: Repeats, recurrence: Recurrence) -> float:
    """Return the share of rows that equal one of the window before by chance: pairs are as equal as in the baseline."""
    return min(1.0, 2 * (repeats.rows - repeats.distinct) / repeats.rows * recurrence.before / repeats.rows)


def _is_news(look: CheckInput, repeats: Repeats) -> bool:
    """Return True where rows used not to repeat from one stretch of time to the next."""
    blocks = look.baseline.extras.blocks
    if blocks is not None and len(blocks.starts) > 2:
        return True
    before = look.recurrences[1] if len(look.recurrences) > 1 else None
    return before is not None and before.again / before.rows - _expected(repeats, before) < LEAST


CHECK = Check("stale", "stale", "rows", find)
