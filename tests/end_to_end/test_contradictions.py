"""No two surfaces of a processor contradict each other: planted worlds, walked page by page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.contradiction_rules import RULES, Rule
from tests.support.planted_worlds import World
from tests.support.surfaces import NOW
from tests.support.walks import Walk, walk

CALLS = {"performance": {"objectives": ["availability >= 99 %"]}}
ERRORS = {"performance": {"objectives": ["mae <= 1.5"]}}
HOURS = ("1h", "1d")

WORLDS = {
    "healthy": World(),
    "a fall": World(concept=range(10, 20)),
    "a fall, hourly": World(concept=range(20, 48), steps=48, rows=60, windows=HOURS),
    "a column in another unit": World(unit=range(10, 20)),
    "a fall that ends": World(concept=range(8, 13), steps=24),
    "two faults": World(concept=range(8, 22), recoded=range(14, 22), steps=22),
    "the first of two faults ends": World(concept=range(8, 16), recoded=range(11, 24), steps=24),
    "the second of two faults ends": World(concept=range(8, 22), recoded=range(11, 16), steps=22),
    "failing calls on one day": World(failing=range(12, 13), keys=CALLS),
    "failing calls, hourly": World(failing=range(20, 21), steps=48, rows=60, windows=HOURS, keys=CALLS),
    "few rows, and a fall": World(rows=(8, 20), concept=range(16, 32), steps=32, seed=3),
    "a fall, empty days, and days of one row": World(concept=range(10, 20), few={4: 0, 8: 1, 12: 0, 15: 1, 18: 0}),
    "a fall on days without rows": World(concept=range(10, 20), few={7: 1, 9: 1, 10: 0, 11: 1}),
    "a fall that breaks an objective": World(concept=range(10, 20), keys=ERRORS),
    "failing calls that miss an objective, hourly": World(
        failing=range(20, 26), steps=48, rows=60, windows=HOURS, keys=CALLS
    ),
    "drift without outcomes": World(moved=range(10, 20), with_outcomes=False),
}


@cache
def walked(name: str) -> Walk:
    """Walk a world once, for all rules."""
    with TemporaryDirectory() as folder:
        return walk("walked", WORLDS[name], Path(folder))


@pytest.mark.parametrize(
    ("rule", "name"),
    [pytest.param(*(rule, name), id=f"{rule.name}-{name}") for rule in RULES for name in WORLDS],
)
def test_no_two_surfaces_contradict_each_other(rule: Rule, name: str) -> None:
    assert [*rule.broken(walked(name))] == [], rule.reason


AS_OF_A_WINDOW = {"strip", "strip, title", "card", "card, colour", "card, whole sentence", "card as JSON"}
AS_OF_A_WINDOW |= {"performance page", "report", "API evaluations", "tables"}
NOW_AND_THEN = {"home", "home as JSON", "overview", "drift page", "performance page", "report", "review", "metrics"}
NOW_AND_THEN |= {"API models", "API models, by name", "API model", "API evaluations, top"}
NOW_AND_THEN |= {"scorecard", "scorecard, line", "scorecard of all", "scorecard as JSON"}


@pytest.mark.parametrize("name", WORLDS)
def test_every_surface_is_read(name: str) -> None:
    found = walked(name)
    surfaces: dict[str, set[str]] = {}
    for one in found.of("state"):
        surfaces.setdefault(one.moment, set()).add(one.surface)
    windows = {moment: read for moment, read in surfaces.items() if not moment.startswith(NOW)}
    presents = {moment: read for moment, read in surfaces.items() if moment.startswith(NOW)}
    assert len(windows) >= found.world.steps - sum(not rows for rows in found.world.few.values())
    assert len(presents) == 1 + len(found.world.turns)
    assert [moment for moment, read in windows.items() if not read >= AS_OF_A_WINDOW] == []
    assert [moment for moment, read in presents.items() if not read >= NOW_AND_THEN] == []
    assert surfaces[NOW] >= {"top"}
    assert len(found.bodies) >= (name != "healthy")
