"""What weak slices promise: a few windows of each row always, all of them with ``-m simulation``."""

from __future__ import annotations

import pytest
from scipy import stats

from .frame import Figures
from .weak import CLAIMS, WEAK, Claim

NAMED = [pytest.param(claim, id=name) for name, claim in CLAIMS.items()]


def holds(claim: Claim, figures: Figures) -> bool:
    """Whether the figures are no evidence, at one in a thousand, that a promise is not kept."""
    windows = int(figures["windows"])
    if claim.most is not None:
        return bool(stats.binom.sf(round(figures["reported"] * windows) - 1, windows, claim.most) > 0.001)
    assert claim.least is not None
    return bool(stats.binom.cdf(round(figures["found"] * windows), windows, claim.least) > 0.001)


@pytest.mark.parametrize("claim", NAMED)
def test_weak_slices_keep_what_is_promised_in_a_few_windows(claim: Claim) -> None:
    assert holds(claim, claim.run(claim.short, 7))


@pytest.mark.simulation
@pytest.mark.parametrize("claim", NAMED)
def test_weak_slices_keep_what_is_promised_in_full(claim: Claim) -> None:
    assert holds(claim, claim.run(claim.windows, 2))


def test_weak_slices_keep_what_is_promised_in_what_was_simulated() -> None:
    known = WEAK.figures()
    assert all(holds(claim, known[name]) for name, claim in CLAIMS.items())
    assert all(known[name]["reported"] <= claim.most for name, claim in CLAIMS.items() if claim.most is not None)
