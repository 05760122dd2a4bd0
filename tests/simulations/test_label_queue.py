"""What labels that were drawn say: a few runs of each row always, all of them with ``-m simulation``."""

from __future__ import annotations

import pytest

from simulations.label_queue import CLAIMS, LABELS, Claim

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
