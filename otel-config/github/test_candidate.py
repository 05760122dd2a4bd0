"""The gate before a deployment."""

from __future__ import annotations

import driftline


def test_the_candidate_is_not_worse() -> None:
    """A candidate that is worse than the champion fails the build."""
    report = driftline.evaluate("candidate.parquet", champion="champion.parquet", task="binary")
    (compared,) = report.to_dict()["versions"]
    assert compared["verdict"] != "worse", compared["sentence"]
