"""What evidence/coverage.json and labels.json say of intervals is promised, and a short measurement agrees with it."""

from __future__ import annotations

import pytest

from simulations.frame import percent
from simulations.intervals import COVERAGE, ROWS, Covered
from simulations.label_queue import CLAIMS, LABELS, Claim
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


NAMED = [pytest.param(claim, id=name) for name, claim in CLAIMS.items()]


@pytest.mark.parametrize("claim", NAMED)
def test_labels_that_were_drawn_are_unbiased_in_a_few_runs(claim: Claim) -> None:
    assert abs(claim.run(100, 7)["errors"]) < 3.3


@pytest.mark.simulation
@pytest.mark.parametrize("claim", NAMED)
def test_labels_that_were_drawn_are_unbiased_in_full(claim: Claim) -> None:
    assert abs(claim.run(claim.windows, 2)["errors"]) < 3.3


def test_labels_that_were_drawn_are_unbiased_in_what_was_simulated() -> None:
    assert all(abs(LABELS.figures()[name]["errors"]) < 2 for name in CLAIMS)
