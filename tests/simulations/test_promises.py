"""Each claim of the simulated table: a few windows of it always, all of them with ``-m simulation``."""

from __future__ import annotations

import json

import pytest
from scipy import stats

from .claims import CLAIMS, Claim
from .table import BEGIN, END, PAGE, PEERS, RESULTS, table

NAMED = [pytest.param(claim, id=name) for name, claim in CLAIMS.items()]
ALWAYS = [param for param in NAMED if CLAIMS[str(param.id)].short]


def could_be(claim: Claim, figures: dict[str, float]) -> bool:
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
    assert could_be(claim, dict(claim.measure(claim.short, 7)))


@pytest.mark.simulation
@pytest.mark.parametrize("claim", NAMED)
def test_a_claim_holds_in_full(claim: Claim) -> None:
    figures = dict(claim.measure(claim.windows, 1))
    assert claim.kept(figures), figures


def test_a_claim_that_is_false_is_found_in_a_few_windows() -> None:
    without_key = CLAIMS["keyless-0.5"].measure(60, 7)
    assert not could_be(CLAIMS["customers-0.5"], dict(without_key))


def test_the_page_has_the_table_that_was_simulated() -> None:
    assert PAGE.read_text().split(BEGIN)[1].split(END)[0] == table()


def test_every_claim_was_simulated_and_none_is_refuted() -> None:
    results = json.loads(RESULTS.read_text())
    assert set(results) == set(CLAIMS)
    for name, claim in CLAIMS.items():
        figures = results[name]
        in_full = figures["windows"] >= claim.windows * figures.get("models", 1)
        assert claim.kept(figures) if in_full else could_be(claim, figures), name


def test_the_peers_were_asked_about_claims() -> None:
    for peer in json.loads(PEERS.read_text()).values():
        assert set(peer["figures"]) <= set(CLAIMS)
        assert peer["version"]
