"""What evidence/versions.json promises of versions is what was measured, and a short measurement agrees with it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simulations.versions import FOUND, LOOKS, QUIET, VERSIONS, WORSE, errors, measured, peeked

MEASURED = VERSIONS.figures()


@pytest.mark.parametrize("name", QUIET)
def test_versions_that_are_equal_are_told_apart_in_at_most_five_percent(name: str) -> None:
    assert MEASURED[name]["windows"] == VERSIONS.rows[name].windows >= 2_000
    assert MEASURED[name]["worse"] <= 0.05
    assert MEASURED[name]["better"] <= 0.05


@pytest.mark.parametrize("name", ["worse-shadow", "worse-shadow-alike", "worse-canary-half"])
def test_five_points_are_found_within_five_thousand_rows(name: str) -> None:
    assert MEASURED[name]["worse"] >= 0.9


@pytest.mark.parametrize("name", ["quiet-shadow", "quiet-canary-half", "quiet-shadow-absolute", "quiet-shadow-uneven"])
def test_a_few_runs_are_no_evidence_against_it(name: str) -> None:
    figures = measured(QUIET[name][1], LOOKS)(60, np.random.default_rng(3))
    assert stats.binom.sf(round(figures["worse"] * 60) - 1, 60, 0.05) > 0.001


def test_a_few_runs_find_five_points() -> None:
    figures = measured(WORSE["worse-shadow"][1], FOUND)(30, np.random.default_rng(4))
    assert figures["worse"] == 1.0


def test_a_test_that_may_not_be_looked_at_is_found_out_by_a_few_runs() -> None:
    figures = measured(errors(0.2), LOOKS, peeked)(60, np.random.default_rng(5))
    assert stats.binom.sf(round(figures["worse"] * 60) - 1, 60, 0.05) < 0.001
