"""Each claim of the simulated table: a few windows of it always, all of them with ``-m simulation``."""

from __future__ import annotations

import json

import pytest
from scipy import stats

from simulations.drift.claims import CLAIMS, Claim
from simulations.drift.table import DRIFT, NAMES, PEERS
from simulations.frame import Figures

NAMED = [pytest.param(claim, id=name) for name, claim in CLAIMS.items()]
ALWAYS = [param for param in NAMED if CLAIMS[str(param.id)].short]


def could_be(claim: Claim, figures: Figures) -> bool:
    """Whether so few windows are no evidence, at one in a thousand, that the claim is false."""
    windows = int(figures["windows"])
    if claim.most is not None:
        alarms = round(figures["alarm"] * windows)
        return bool(stats.binom.sf(alarms - 1, windows, claim.most) > 0.001)
    if claim.least is not None:
        found = round(figures["found"] * windows)
        return bool(stats.binom.cdf(found, windows, claim.least) > 0.001)
    return claim.kept(figures)


@pytest.mark.parametrize("claim", ALWAYS)
def test_a_claim_holds_in_a_few_windows(claim: Claim) -> None:
    assert could_be(claim, claim.run(claim.short, 7))


@pytest.mark.simulation
@pytest.mark.parametrize("claim", NAMED)
def test_a_claim_holds_in_full(claim: Claim) -> None:
    figures = claim.run(claim.windows, 1)
    assert claim.kept(figures) or claim.name in BROKEN, figures


def test_a_claim_that_is_false_is_found_in_a_few_windows() -> None:
    without_key = CLAIMS["keyless-0.5"].run(60, 7)
    assert not could_be(CLAIMS["customers-0.5"], without_key)


BROKEN = {"lasting-14-0.1-0.9", "lasting-14-0.5-0.9", "lasting-30-0.5-0.9", "lasting-7-0.1-0.9", "lasting-7-0.5-0.9"}
"""Claims that a full run does not keep; the page says so beside the table."""


def test_every_claim_is_kept_but_those_that_the_page_admits() -> None:
    figures = DRIFT.figures()
    assert {name for name, found in figures.items() if not could_be(CLAIMS[name], found)} == BROKEN
    follows = DRIFT.page.read_text(encoding="utf-8").split(DRIFT.on_page())[1].split("\n### ")[0]
    assert all(f"`{name}`" in follows for name in BROKEN)


def test_the_peers_were_asked_about_claims() -> None:
    said = json.loads(PEERS.read_text(encoding="utf-8"))
    assert set(said) == set(NAMES)
    for peer in said.values():
        assert set(peer["figures"]) <= set(CLAIMS)
        assert peer["version"]
