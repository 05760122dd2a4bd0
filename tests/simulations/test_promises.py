"""What is promised of slices and objectives: a few windows of each row always, all of them with ``-m simulation``."""

from __future__ import annotations

import pytest

from simulations import beside_days, cycles, objectives, retraining, service_level, slice_changes, weak_slices, worse
from simulations.drift import slices
from simulations.promise import Promise

TABLES = [
    (weak_slices.WEAK, weak_slices.CLAIMS),
    (slice_changes.SLICE_CHANGES, slice_changes.CLAIMS),
    (slices.SLICES, slices.CLAIMS),
    (objectives.OBJECTIVES, objectives.CLAIMS),
    (service_level.SERVICE, service_level.CLAIMS),
    (cycles.CYCLES, cycles.CLAIMS),
    (worse.WORSE, worse.CLAIMS),
    (retraining.RETRAINING, retraining.CLAIMS),
    (beside_days.BESIDE_DAYS, beside_days.CLAIMS),
]
NAMED = [pytest.param(claim, id=name) for _, claims in TABLES for name, claim in claims.items() if claim.short]


@pytest.mark.parametrize("claim", NAMED)
def test_what_is_promised_is_kept_in_a_few_windows(claim: Promise) -> None:
    assert claim.holds(claim.run(claim.short, 7))


@pytest.mark.simulation
@pytest.mark.parametrize("claim", NAMED)
def test_what_is_promised_is_kept_in_full(claim: Promise) -> None:
    assert claim.holds(claim.run(claim.windows, 2))


def test_what_is_promised_is_kept_in_what_was_simulated() -> None:
    for table, claims in TABLES:
        known = table.figures()
        assert all(claim.holds(known[name]) for name, claim in claims.items())
        assert all(known[name][claim.rare] <= claim.most for name, claim in claims.items() if claim.most is not None)
    assert slices.SLICES.figures()["slices-moved"]["whole"] == 0.0
