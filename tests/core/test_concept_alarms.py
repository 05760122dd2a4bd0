"""What docs/methods.md promises of concept drift is what was measured, and a short measurement agrees with it."""

from __future__ import annotations

import json

import pytest
from driftline_processor.core.concept.detectors import ALARM_RATE, DETECTORS, Detector
from driftline_processor.core.concept.stream import DELTA

from tests.benchmarks.simulate_concept import BEGIN, END, FOUND, PAGE, RISES, WORLDS, alarms, delays, tables

MEASURED = json.loads(FOUND.read_text())


def test_the_page_has_the_tables_that_were_measured() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert rest.partition(END)[0] == tables(MEASURED)


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=lambda detector: detector.name)
def test_at_most_one_alarm_in_a_hundred_thousand_values_was_measured(detector: Detector) -> None:
    worlds = {world for world, (kind, _) in WORLDS.items() if kind in detector.kinds}
    measured = MEASURED["alarms"][detector.name]
    assert set(measured) == worlds
    assert all(ours <= 100_000 * ALARM_RATE for ours, _, _ in measured.values())
    assert set(MEASURED["delays"][detector.name]) == {f"{before} → {after}" for before, after in RISES}


@pytest.mark.parametrize("world", WORLDS)
def test_adwin_is_silent_in_fifty_thousand_values_of_every_kind(world: str) -> None:
    kind, draw = WORLDS[world]
    assert alarms(lambda: DETECTORS["adwin"].make(kind, DELTA), draw, 1, 50_000) == 0


def test_adwin_finds_a_rise_when_the_page_says() -> None:
    measured, share, _ = MEASURED["delays"]["adwin"]["0.2 → 0.3"]
    middle, found = delays("adwin", 0.2, 0.3, 20)
    assert (share, found) == (pytest.approx(1, abs=0.01), 1.0)
    assert middle == pytest.approx(measured, abs=120)
