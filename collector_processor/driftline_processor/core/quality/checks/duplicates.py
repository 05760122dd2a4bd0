"""Duplicates: whole rows that repeat another row of the window."""

from __future__ import annotations

from driftline_processor.core.quality.check import Check, Tested, suspicion
from driftline_processor.core.quality.look import Look
from driftline_processor.core.quality.rate import LEAST, effect, more_often
from driftline_processor.core.quality.words import percent


def find(look: Look) -> Tested:
    """Compare the share of rows whose features all equal those of an earlier row.

    From rows: a 64-bit fingerprint of each, so that two rows of a million that differ pass for equal once in 37 million
    windows. Two of a sample's rows are equal the more often the more rows there are: the baseline's repeats are brought
    to the window's size in proportion to the pairs, which is too many rather than too few. Where the baseline itself
    repeats more than a tenth of its rows (a few features of few values), repeating says nothing, and is not judged.

    Needs a baseline that counted its own repeats.
    """
    repeats, known = look.repeats, look.baseline.extras.repeats
    if repeats is None or known is None or not repeats.rows or not known.rows:
        return Tested(0, [])
    was = (known.rows - known.distinct) / known.rows
    now = (repeats.rows - repeats.distinct) / repeats.rows
    if was > MOST:
        return Tested(0, [])
    expected = min(MOST, was * repeats.rows / known.rows)
    if effect(expected, now) < LEAST:
        return Tested(1, [])
    n = known.rows * known.rows / repeats.rows  # rows that would repeat as many, at the window's rate
    p = more_often(known.rows - known.distinct, n, repeats.rows - repeats.distinct, repeats.rows)
    text = f"{percent(now)} of rows repeat another row of the window (expected from the baseline: {percent(expected)})"
    return Tested(1, [suspicion(CHECK.name, [], p, text, was=expected, now=now, concerned=now - expected)])


MOST = 0.1
CHECK = Check("duplicates", "duplicate rows", "rows", find)
