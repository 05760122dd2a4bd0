"""Quiet models are told of at most once, and those that are not quiet within days."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.alerts import (
    CHANGED_FLEETS,
    MOST,
    QUIET_FLEETS,
    QUIET_RULES,
    changed,
    quiet,
    replayed,
    stopped,
)
from simulations.verdicts import DAYS_DIFFER, QUIET_DAYS, UNKNOWN, Change, Model


@pytest.mark.slow
def test_quiet_models_are_told_of_at_most_once() -> None:
    found = quiet(DAYS_DIFFER, 20)(2, np.random.default_rng(18))
    assert found["days"] == 20
    assert (found["most"] <= MOST, found["alarm"]) == (True, 0.0)


@pytest.mark.slow
def test_a_loss_is_told_within_days_of_its_outcomes() -> None:
    found = changed(DAYS_DIFFER, Change(flipped=0.2), ("degraded",))(1, np.random.default_rng(18))
    assert (found["found"], found["before"]) == (1.0, 0)
    assert 4 <= found["most"] <= 8  # outcomes come three days late


@pytest.mark.slow
def test_a_unit_that_changed_is_told_without_outcomes_after_two_windows() -> None:
    found = changed(UNKNOWN, Change(unit=1000.0), ("degraded", "at_risk"))(1, np.random.default_rng(18))
    assert (found["found"], found["most"], found["before"]) == (1.0, 2.0, 0)


@pytest.mark.slow
def test_a_model_that_stops_is_told_of_within_hours() -> None:
    found = stopped(Model())(1, np.random.default_rng(18))
    assert (found["found"], found["before"], found["most"] <= 3) == (1.0, 0, True)


def test_the_rule_of_scenario_7_holds_on_a_fifth_of_quiet_days() -> None:
    found = replayed({})(400, np.random.default_rng(18))
    assert 0.15 < found["held"] < 0.24


def test_what_was_simulated_keeps_what_is_promised() -> None:
    known, rules = QUIET_FLEETS.figures(), QUIET_RULES.figures()
    daily = {name: one for name, one in known.items() if one["days"] == QUIET_DAYS}
    assert sum(one["windows"] for one in daily.values()) == 50
    assert {name for name, one in daily.items() if one["most"] > MOST} == set()
    assert all(one["found"] == 1.0 for one in CHANGED_FLEETS.figures().values())
    assert 0.18 < rules["rule-alone"]["held"] < 0.20
    assert rules["rule-two"]["a_month"] < rules["rule-alone"]["a_month"] / 4
    assert rules["rule-significant"]["a_month"] < rules["rule-alone"]["a_month"] / 30
