"""Business series: the value of a window, its gaps, and what may still come."""

from __future__ import annotations

import pytest
from driftline_processor.core.business import Aggregation, BusinessKeys, BusinessPoint, BusinessSeries, values_in
from driftline_processor.core.windows.window import DAY, HOUR, Window


def series(
    points: list[tuple[int, float, float]], how: Aggregation = "mean", name: str = "conversion"
) -> BusinessSeries:
    keys = BusinessKeys(name, "shop", "1", how)
    return BusinessSeries.of(keys, [BusinessPoint(name, b"", time, value, weight) for time, value, weight in points])


def day(at: int) -> Window:
    return Window("1d", at * DAY, (at + 1) * DAY)


HOURS = [(hour * HOUR, float(hour), 1.0) for hour in range(48)]


@pytest.mark.parametrize(("how", "value"), [("mean", 11.5), ("sum", 276.0), ("last", 23.0)])
def test_a_window_is_worth_what_its_points_are_together(how: Aggregation, value: float) -> None:
    assert series(HOURS, how).value_in(day(0)) == value


def test_the_mean_is_weighted_by_what_points_count() -> None:
    assert series([(0, 0.1, 900.0), (DAY // 2, 0.5, 100.0)]).value_in(day(0)) == pytest.approx(0.14)


def test_points_in_any_order_are_one_series() -> None:
    assert series(HOURS[::-1]).value_in(day(0)) == 11.5


def test_a_window_that_is_half_full_has_no_value_yet() -> None:
    assert series(HOURS[:36]).value_in(day(1)) is None
    assert series(HOURS).value_in(day(1)) == 35.5


def test_a_value_a_day_tells_its_day_at_once() -> None:
    found = series([(at * DAY, 0.1 * at, 1.0) for at in range(3)])
    assert found.value_in(day(2)) == pytest.approx(0.2)
    assert found.value_in(day(3)) is None


def test_a_gap_is_no_zero() -> None:
    found = series([(0, 5.0, 1.0), (4 * DAY, 6.0, 1.0)], "sum")
    assert [found.value_in(day(at)) for at in range(3)] == [5.0, None, None]


def test_without_points_nothing_is_known() -> None:
    assert series([]).value_in(day(0)) is None


def test_the_last_value_of_several_streams_is_their_sum() -> None:
    keys = BusinessKeys("customers", "shop", "", "last")
    points = [BusinessPoint("customers", bytes([at]), DAY - 1, 10.0) for at in range(3)]
    assert BusinessSeries.of(keys, points).value_in(day(0)) == 30


def test_only_what_is_known_is_named() -> None:
    assert values_in([series(HOURS), series([], name="revenue")], day(0)) == {"conversion": 11.5}


@pytest.mark.parametrize("how", ["mean", "sum", "last"])
def test_values_whose_sum_no_number_holds_are_not_known(how: Aggregation) -> None:
    assert series([(DAY - 1, 1.7e308, 1.0), (DAY - 1, 1.7e308, 1e12)], how).value_in(day(0)) is None
