"""The conformance suite finds in the Collector and in rotel what docs/reference/conformance.md shows."""

from __future__ import annotations

import json

import pytest

from benchmarks.peers.conformance import RECEIVERS, RESULTS, measure

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("name", ["collector", "rotel"])
def test_the_published_results_are_measured_again(name: str) -> None:
    published = json.loads(RESULTS.read_text(encoding="utf-8"))[name]
    if RECEIVERS[name].version() != published["version"]:
        pytest.skip(f"{name} {published['version']} is not installed; `make interop` and `make conformance` install it")

    measured = measure(name)

    assert {one["name"]: one["outcome"] for one in measured["results"]} == {
        one["name"]: one["outcome"] for one in published["results"]
    }
