"""What evidence/fairness.json promises of policies of fairness is what was measured, and a few months agree with it."""

from __future__ import annotations

import pytest

from simulations.frame import percent
from simulations.group_fairness import GROUPS, ROWS, Months

MEASURED = GROUPS.figures()


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_groups_that_keep_to_the_limit_are_told_of_as_rarely_as_was_promised(row: Months) -> None:
    assert GROUPS.in_full(row.name)
    assert row.kept(MEASURED[row.name]), percent(MEASURED[row.name]["fired"])


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.short], ids=lambda row: row.name)
def test_a_few_months_agree(row: Months) -> None:
    found = row.run(row.short, 2)["fired"]
    measured = MEASURED[row.name]["fired"]
    assert abs(found - measured) <= 4 * (measured * (1 - measured) / row.short) ** 0.5 + 1 / row.short
