"""Two short worlds, walked page by page: a fall, and calls that fail; the long ones are in tests/end_to_end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.contradiction_rules import RULES
from tests.support.planted_worlds import World
from tests.support.walks import walk

SHORT = {
    "a fall": World(steps=6, concept=range(4, 6)),
    "failing calls": World(
        steps=7, failing=range(4, 5), keys={"performance": {"objectives": ["availability >= 99 %"]}}
    ),
}


@pytest.mark.parametrize("name", SHORT)
def test_no_two_surfaces_of_a_short_world_contradict_each_other(name: str, tmp_path: Path) -> None:
    found = walk("walked", SHORT[name], tmp_path, files=False)
    assert {rule.name: sentences for rule in RULES if (sentences := [*rule.broken(found)])} == {}
