"""No two surfaces of a processor contradict each other: planted worlds, walked page by page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.contradiction_rules import RULES, Rule
from tests.support.planted_worlds import World
from tests.support.walks import Walk, walk

CALLS = {"performance": {"objectives": ["availability >= 99 %"]}}
HOURS = ("1h", "1d")

WORLDS = {
    "healthy": World(),
    "a fall": World(concept=range(10, 20)),
    "a fall, hourly": World(concept=range(20, 40), steps=40, rows=60, windows=HOURS),
    "a column in another unit": World(unit=range(10, 20)),
    "a fall that ends": World(concept=range(8, 13), steps=24),
    "two faults": World(concept=range(8, 22), recoded=range(14, 22), steps=22),
    "the first of two faults ends": World(concept=range(8, 16), recoded=range(11, 24), steps=24),
    "failing calls on one day": World(failing=range(12, 13), keys=CALLS),
    "failing calls, hourly": World(failing=range(20, 21), steps=40, rows=60, windows=HOURS, keys=CALLS),
    "few rows, and a fall": World(rows=(8, 20), concept=range(16, 32), steps=32, seed=3),
    "a fall, empty days, and days of one row": World(concept=range(10, 20), few={4: 0, 8: 1, 12: 0, 15: 1, 18: 0}),
    "drift without outcomes": World(moved=range(10, 20), with_outcomes=False),
}


@cache
def walked(name: str) -> Walk:
    """Walk a world once, for all rules."""
    with TemporaryDirectory() as folder:
        return walk("walked", WORLDS[name], Path(folder))


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_no_two_surfaces_contradict_each_other(rule: Rule, name: str) -> None:
    assert [*rule.broken(walked(name))] == [], rule.reason
