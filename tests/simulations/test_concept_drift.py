"""What docs/data/concept-drift.md says was measured, and a short measurement agrees with it."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core.concept.detectors import ALARM_RATE, DETECTORS, Detector

from simulations.concept_drift import CONCEPT, WORLDS, alarms, delays

MEASURED = CONCEPT.figures()


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=lambda detector: detector.name)
def test_at_most_one_alarm_in_a_hundred_thousand_values_was_measured(detector: Detector) -> None:
    worlds = [world for world, (kind, _) in WORLDS.items() if kind in detector.kinds]
    measured = [MEASURED[f"alarms of {detector.name}: {world}"] for world in worlds]
    assert all(figures["ours"] <= 100_000 * ALARM_RATE for figures in measured)


@pytest.mark.parametrize("world", WORLDS)
def test_adwin_is_silent_in_fifty_thousand_values_of_every_kind(world: str) -> None:
    kind, draw = WORLDS[world]
    assert alarms(DETECTORS["adwin"], kind, draw, 1, np.random.default_rng(1), 50_000) == 0


def test_adwin_finds_a_rise_when_the_page_says() -> None:
    measured = MEASURED["rises by adwin: 0.2 → 0.3"]
    middle, found = delays("adwin", 0.2, 0.3, 60, np.random.default_rng(2))
    assert (measured["found"], found) == (pytest.approx(1, abs=0.01), 1.0)
    assert middle == pytest.approx(measured["median"], abs=120)
