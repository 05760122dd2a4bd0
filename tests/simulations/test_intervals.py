"""What docs/data/intervals.md promises of intervals is what was measured, and a short measurement agrees with it."""

from __future__ import annotations

import pytest

from simulations.frame import percent
from simulations.intervals import COVERAGE, ROWS, Covered
from simulations.slice_intervals import ROWS as SLICED
from simulations.slice_intervals import SLICED_DAYS, Held

MEASURED = COVERAGE.figures()
DAYS = SLICED_DAYS.figures()


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_intervals_held_the_truth_as_often_as_was_promised(row: Covered) -> None:
    assert COVERAGE.in_full(row.name)
    assert row.kept(MEASURED[row.name]), percent(MEASURED[row.name]["covered"])


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.short], ids=lambda row: row.name)
def test_a_few_windows_hold_it_about_as_often(row: Covered) -> None:
    found = row.run(row.short, 1)["covered"]
    measured = MEASURED[row.name]["covered"]
    assert abs(found - measured) <= 4 * (measured * (1 - measured) / row.short) ** 0.5 + 1 / row.short


@pytest.mark.parametrize("row", SLICED.values(), ids=lambda row: row.name)
def test_intervals_of_slices_held_the_truth_as_often_as_was_promised(row: Held) -> None:
    assert SLICED_DAYS.in_full(row.name)
    assert row.kept(DAYS[row.name]), percent(DAYS[row.name]["covered"])


@pytest.mark.parametrize("row", [row for row in SLICED.values() if row.short], ids=lambda row: row.name)
def test_a_few_windows_of_slices_hold_it_about_as_often(row: Held) -> None:
    found = row.run(row.short, 1)["covered"]
    measured = DAYS[row.name]["covered"]
    assert abs(found - measured) <= 4 * (measured * (1 - measured) / row.short) ** 0.5 + 1 / row.short
