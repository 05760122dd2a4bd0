"""Which prediction an outcome belongs to, against the rule said row by row."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core.outcomes.matching import EARLY, match_outcomes, positions_in


def by_the_rule(group: int, at: int, named: int, predictions: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The group and time of the prediction that an outcome belongs to."""
    times = sorted(time for of, time in predictions if of == group)
    if named > 0:
        exact = next(unit for unit in (10**9, 10**6, 1) if min(named % unit, -named % unit) <= 256)
        meant = min(times, key=lambda time: (abs(time - named), time), default=0)
        return (group, meant) if abs(meant - named) < max(exact, 1512) else None
    before = [time for time in times if time <= at]
    if before:
        return group, before[-1]
    return (group, times[0]) if times and times[0] - at <= EARLY else None


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("apart", [1, 10**9])
@pytest.mark.parametrize("unit", [1, 100, 10**5, 10**8, 10**9, EARLY // 3])
def test_it_is_the_rule_said_row_by_row(unit: int, apart: int, once: bool) -> None:
    draw = np.random.default_rng(7)
    group = (draw.permutation(60)[:40] if once else draw.integers(0, 12, 40)) * apart + 5
    time = draw.integers(1, 9, len(group)) * unit + EARLY
    asked = draw.integers(0, 60, 300) * apart + 5
    at, named = draw.integers(1, 9, (2, 300)) * unit + EARLY
    coarse = draw.choice([1, 10**3, 10**6, 10**9], 300)
    named = named // coarse * coarse
    named[draw.random(300) < 0.6] = 0
    found = match_outcomes(group, time, asked, at, named)
    predictions = list(zip(group.tolist(), time.tolist(), strict=True))
    wanted = [by_the_rule(*one, predictions) for one in zip(asked.tolist(), at.tolist(), named.tolist(), strict=True)]
    assert [None if place < 0 else predictions[place] for place in found.tolist()] == wanted
    assert any(wanted)
    assert not all(wanted)


def test_places_are_the_same_by_a_table_and_by_search() -> None:
    for known in (np.arange(5, 50, 3), np.arange(5, 50, 3) * 10**12, np.array([7])):
        assert positions_in(known, known[::-1]).tolist() == list(range(len(known)))[::-1]
        assert (positions_in(known, np.array([0, 10**15])) < len(known)).all()
    assert positions_in(np.empty(0, np.int64), np.array([3])).tolist() == [0]
