"""Replays: what would have fired, and how many false alarms a month quiet windows tell of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.intervals.confidence import WeightSums, clopper_pearson
from driftline_processor.core.policy.condition import read_condition
from driftline_processor.core.policy.firing import Patience
from driftline_processor.core.policy.replay import Replay, judge_quiet, problem_periods
from driftline_processor.core.policy.rule import Rule, WindowHistory
from driftline_processor.present.sentences.policies import quiet_sentence

from tests.support.facts import lacking
from tests.support.unwrap import of_type
from tests.support.verdict_windows import DAY, JULY, column, known, right, value, window, wrong

BEFORE = "accuracy < average of 7 - 1 deviation"
"""The rule of scenario 7."""


def replayed(windows: Sequence[Evaluation], when: str, fire: int = 1, *, quiet: bool = False, **keys: Any) -> Replay:
    rule = Rule(read_condition(when, **keys), Patience(fire))
    history = WindowHistory({"1d": windows})
    return judge_quiet(rule, history, rule.replay(history), None if quiet else problem_periods(history))


@pytest.fixture(scope="module")
def quiet_days() -> list[Evaluation]:
    """Four hundred days of 1,000 outcomes each, of which four in five are right."""
    days = []
    for day, hits in enumerate(np.random.default_rng(18).binomial(1_000, 0.8, 400).tolist()):
        low, high, _ = clopper_pearson(WeightSums(hits, hits), WeightSums(1_000 - hits, 1_000 - hits), 0.95)
        days.append(known(day, realized={"accuracy": value(hits / 1_000, low, high)}, outcome_rows=1_000))
    return days


@pytest.mark.parametrize(
    ("fire", "significant", "share", "fired"), [(1, False, 0.19, 62), (2, False, 0.19, 8), (1, True, 0.005, 1)]
)
def test_the_rule_of_scenario_7_fires_on_a_fifth_of_quiet_days_until_it_is_mended(
    quiet_days: list[Evaluation], fire: int, significant: bool, share: float, fired: int
) -> None:
    quiet = replayed(quiet_days, BEFORE, fire, quiet=True, significant=significant).quiet
    assert (quiet.windows, quiet.days, quiet.fired) == (397, 397.0, fired)  # three days have too few before them
    assert quiet.share is not None
    assert quiet.share.value == pytest.approx(share, abs=0.015)
    assert quiet.share.low < share < quiet.share.high
    assert quiet.a_month is not None
    assert quiet.a_month.value == pytest.approx(fired * 30 / 397)


def test_what_never_fired_is_at_most_so_often_a_month_and_a_short_history_is_said_to_be_short() -> None:
    quiet = replayed([right(day) for day in range(12)], "accuracy < 50 %").quiet
    assert quiet.a_month is not None
    assert (quiet.a_month.value, quiet.a_month.low) == (0.0, 0.0)
    assert quiet.a_month.high == pytest.approx(-np.log(0.025) * 30 / 12)
    assert lacking(quiet_sentence(quiet), "at most 9.2", "12 healthy days", "short") == []


def test_nothing_is_said_of_false_alarms_where_no_outcome_tells_that_nothing_was_wrong() -> None:
    moved = [window(day, features={"temp": column()}) for day in range(40)]
    assert len(replayed(moved, "features drift").firings) == 1
    assert replayed(moved, "features drift").quiet.a_month is None
    assert replayed(moved, "features drift").quiet.windows == 0
    quiet = replayed(moved, "features drift", quiet=True).quiet
    assert (quiet.fired, quiet.windows) == (1, 40)
    assert lacking(quiet_sentence(quiet), "0.75 a month (0.019 to 4.2)", "40 healthy days") == []


def test_windows_that_cannot_tell_are_no_time_without_false_alarms() -> None:
    quiet = replayed([right(day) for day in range(40)], "precision < 0.5").quiet
    assert (quiet.windows, quiet.untold, quiet.a_month, quiet.share) == (0, 40, None, None)
    assert [of_type(one, facts.SignalUnknown).signal for one in quiet.reasons] == ["precision"]


def test_what_fires_while_the_model_is_wrong_is_no_false_alarm() -> None:
    low = {"accuracy": value(0.6)}
    days = [*(right(day) for day in range(30)), *(wrong(day, clear=True, realized=low) for day in range(30, 40))]
    days[10] = right(10, realized=low)
    found = replayed(days, "accuracy < 70 %")
    assert [(one.since, one.until) for one in found.firings] == [
        (JULY + 10 * DAY, JULY + 11 * DAY),
        (JULY + 30 * DAY, None),
    ]
    assert (found.quiet.windows, found.quiet.true_windows, found.quiet.fired) == (30, 1, 1)


def test_a_model_that_was_at_risk_is_found_though_its_windows_are_quiet_again() -> None:
    days = [window(day, features={"temp": column("drift" if 3 <= day < 6 else "ok")}) for day in range(12)]
    found = replayed(days, "verdict is at_risk")
    assert [one.state for one in found.firings] == ["at_risk"]
    [fired] = found.firings
    assert (fired.since, fired.fired, fired.until) == (JULY + 3 * DAY, JULY + 5 * DAY, JULY + 7 * DAY)
    assert found.quiet.a_month is None
    assert found.quiet.circular
    assert "--quiet" in quiet_sentence(found.quiet)


def test_a_wrong_model_whose_outcomes_stop_stays_wrong() -> None:
    days = [*(right(day) for day in range(5)), *(wrong(day, clear=True) for day in range(5, 8))]
    silent = [window(day) for day in range(8, 20)]
    [fired] = replayed([*days, *silent], "verdict is degraded").firings
    assert (fired.since, fired.until) == (JULY + 5 * DAY, None)
    [fired] = replayed([*days, *silent, right(20), right(21)], "verdict is degraded").firings
    assert fired.until == JULY + 20 * DAY
