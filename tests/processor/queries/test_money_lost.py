"""What a model loses a day, by which of its windows and versions."""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.windows.window import DAY
from driftline_processor.queries.money_lost import loss_of_model, loss_of_period

from tests.support.money_windows import costing
from tests.support.policy_watch import model
from tests.support.unwrap import unwrap


def test_the_newest_day_whose_outcomes_have_had_their_time_tells_it() -> None:
    days = [costing(0, cost=9.0), costing(1, cost=2.0), costing(2, cost=5.0, maturity="immature")]
    found = unwrap(loss_of_model([model(days, currency="EUR")]))
    assert (found.amount, found.start) == (5_000.0, days[1].window.start)


def test_the_longest_windows_tell_it() -> None:
    found = loss_of_model([model([costing(0, cost=9.0), costing(0, length=7, name="1w", rows=35_000)], currency="EUR")])
    assert found is not None
    assert (found.amount, found.end - found.start) == (2_500.0, 7 * DAY)


def test_without_a_currency_nothing_is_said_of_money() -> None:
    assert loss_of_model([model([costing()])]) is None


def test_versions_in_use_lose_together_and_shadows_lose_nothing() -> None:
    one, two, shadow = (
        model([costing()], currency="EUR", key=ModelKey("late", version), shadow=version == "3")
        for version in ("1", "2", "3")
    )
    found = unwrap(loss_of_model([one, two, shadow]))
    assert found.amount == 5_000


def test_of_a_period_it_is_the_mean_of_the_days_that_tell() -> None:
    days = [costing(0), costing(1, cost=3.5, ends=(3.2, 3.8)), costing(2, cost=9.0, maturity="immature")]
    found = unwrap(loss_of_period(model(days), days))
    loss, told = found
    assert loss.amount == pytest.approx(7_500)
    assert told == 2
    assert loss_of_period(model(days), days[2:]) is None
