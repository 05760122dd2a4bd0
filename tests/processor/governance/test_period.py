"""Periods: quarters, days, and what is none."""

from __future__ import annotations

import pytest
from driftline_processor.core.windows.window import DAY, Window
from driftline_processor.governance.period import Period, read_period

from tests.support.fake_view import ns


@pytest.mark.parametrize(
    ("quarter", "start", "end"),
    [
        ("2026Q1", ns(2026, 1, 1), ns(2026, 4, 1)),
        ("2026-q3", ns(2026, 7, 1), ns(2026, 10, 1)),
        ("2026Q4", ns(2026, 10, 1), ns(2027, 1, 1)),
    ],
)
def test_a_quarter_is_three_months_of_the_calendar(quarter: str, start: int, end: int) -> None:
    found = read_period(quarter, "", "", 0)
    assert (found.start, found.end) == (start, end)


def test_days_may_be_named_or_counted_back() -> None:
    assert read_period("", "2026-07-01", "2026-07-08", 0) == Period(ns(2026, 7, 1), ns(2026, 7, 8))
    assert read_period("", "-30d", "", 100 * DAY) == Period(70 * DAY, 100 * DAY)
    assert read_period("", "2026-07-01T02:00:00+02:00", "2026-07-08", 0).start == ns(2026, 7, 1)
    assert read_period("", "", "", 100 * DAY) == Period(10 * DAY, 100 * DAY)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("2026Q0", "", ""), "'2026Q0' is not a quarter"),
        (("9999Q4", "", ""), "'9999Q4' is not a quarter"),
        (("2026Q1", "2026-01-01", ""), "remove one of the two"),
        (("", "yesterday", ""), "from: 'yesterday' is not a day"),
        (("", "", "<script>" * 20), "to: '<script>"),
        (("", "2026-07-08", "2026-07-01"), "put the earlier day first"),
        (("", "0001-01-01T00:00:00+23:00", ""), "is not a day"),
    ],
)
def test_what_is_no_period_is_refused_with_the_rule(asked: tuple[str, str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_period(*asked, 10 * DAY)


def test_a_window_belongs_to_the_period_in_which_it_ends() -> None:
    period = Period(10 * DAY, 20 * DAY)
    assert [period.holds(Window("1d", at * DAY, (at + 1) * DAY)) for at in (8, 9, 10, 19, 20)] == [
        *(False, False, True, True, False)
    ]


def test_what_lasts_meets_each_period_after_its_begin() -> None:
    period = Period(10 * DAY, 20 * DAY)
    spans = [(None, None), (5 * DAY, None), (5 * DAY, 10 * DAY), (20 * DAY, None), (12 * DAY, 13 * DAY)]
    assert [period.meets(*one) for one in spans] == [True, True, False, False, True]
