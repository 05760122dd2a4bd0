"""What evidence/concept.json says was measured, and a short measurement agrees with it."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core.concept.stream import Stream

from simulations.concept_drift import APART, CONCEPT, WORLDS, alarms, delays, year_of_errors

MEASURED = CONCEPT.figures()


@pytest.mark.parametrize("world", WORLDS)
def test_at_most_one_alarm_in_a_hundred_thousand_values_was_measured(world: str) -> None:
    assert MEASURED[f"alarms of adwin: {world}"]["ours"] <= 1


@pytest.mark.parametrize("world", WORLDS)
def test_fifty_thousand_values_of_every_kind_raise_no_alarm(world: str) -> None:
    kind, draw = WORLDS[world]
    assert alarms(kind, draw, 1, np.random.default_rng(1), 50_000) == 0


def test_a_rise_is_found_when_the_page_says() -> None:
    measured = MEASURED["rises by adwin: 0.2 → 0.3"]
    middle, found = delays(0.2, 0.3, 60, np.random.default_rng(2))
    assert (measured["found"], found) == (pytest.approx(1, abs=0.01), 1.0)
    assert middle == pytest.approx(measured["median"], abs=120)


@pytest.mark.parametrize("world", APART)
def test_days_that_differ_alarm_every_year_unless_their_variance_is_known(world: str) -> None:
    measured = MEASURED[f"years of adwin: {world}"]
    assert (measured["unknown"], measured["known"] <= 0.04, measured["median"] <= 7) == (1.0, True, True)


def test_three_years_of_days_that_differ_raise_no_alarm_if_their_variance_is_known() -> None:
    rng = np.random.default_rng(4)
    for _ in range(3):
        values, times = year_of_errors(500, 0.01, rng)
        stream = Stream("error")
        stream.watch.days = 0.01 / 0.99
        assert stream.feed(values, times, times) == []
