"""The page of the conformance suite shows the results that were measured, of all checks."""

from __future__ import annotations

import json

import pytest
from driftline_processor.conformance.requirements import CHECKED

from benchmarks.peers.conformance import RESULTS, failing, main, page


def test_the_page_shows_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_each_check_was_measured_for_each_receiver() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))

    assert [*results] == ["driftline", "collector", "rotel"]
    for receiver in results.values():
        assert [one["name"] for one in receiver["results"]] == [one.name for one in CHECKED]
    assert failing(results["driftline"]) == ["grpc.request-limit.default", "http.request-limit.default"]


def test_a_receiver_that_was_not_measured_is_shown_as_not_run() -> None:
    assert page({}).count(" | NOT RUN | ") == 3
