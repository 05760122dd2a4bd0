"""Windows are disjoint, cover all time, respect the clocks, and close late enough."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from driftline_processor.core.windows.window import (
    GRACE,
    PANE,
    Window,
    closes_at,
    is_closed,
    parse,
    time_zone,
    window_of,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.support.facts import Facts, lacking
from tests.support.windows import windows_over

HOUR = 3600 * 10**9


def at(text: str, tz: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("5m", "2013-07-17T14:35", "2013-07-17T14:40"),
        ("1h", "2013-07-17T14:00", "2013-07-17T15:00"),
        ("6h", "2013-07-17T12:00", "2013-07-17T18:00"),
        ("24h", "2013-07-17T00:00", "2013-07-18T00:00"),
        ("1d", "2013-07-17T00:00", "2013-07-18T00:00"),
        ("1w", "2013-07-15T00:00", "2013-07-22T00:00"),
        ("7d", "2013-07-15T00:00", "2013-07-22T00:00"),
        ("1mo", "2013-07-01T00:00", "2013-08-01T00:00"),
        ("3mo", "2013-07-01T00:00", "2013-10-01T00:00"),
        ("12mo", "2013-01-01T00:00", "2014-01-01T00:00"),
    ],
)
@pytest.mark.parametrize("tz", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"])
def test_a_window_begins_and_ends_on_the_local_calendar(name: str, start: str, end: str, tz: str) -> None:
    window = window_of(name, at("2013-07-17T14:36:12", tz), tz)
    assert window == Window(name, at(start, tz), at(end, tz))


@pytest.mark.parametrize(("day", "hours"), [("2013-03-10", 23), ("2013-11-03", 25), ("2013-11-04", 24)])
def test_a_day_has_the_hours_its_clocks_give_it(day: str, hours: int) -> None:
    tz = "America/New_York"
    window = window_of("1d", at(f"{day}T12:00", tz), tz)
    assert window.end - window.start == hours * HOUR
    assert len(list(windows_over("1h", window.start, window.end, tz))) == hours


def test_hours_divide_a_long_day_from_midnight_and_the_last_takes_what_is_left() -> None:
    tz = "America/New_York"
    day = window_of("1d", at("2013-11-03T12:00", tz), tz)
    lengths = [(w.end - w.start) // HOUR for w in windows_over("6h", day.start, day.end, tz)]
    assert lengths == [6, 6, 6, 6, 1]


def test_a_day_whose_midnight_is_skipped_begins_after_the_gap() -> None:
    tz = "America/Sao_Paulo"
    window = window_of("1d", at("2013-10-20T12:00", tz), tz)
    assert window == Window("1d", at("2013-10-20T01:00", tz), at("2013-10-21T00:00", tz))


def test_a_length_that_does_not_divide_the_day_runs_on() -> None:
    windows = list(windows_over("25h", 0, 75 * HOUR))
    assert {w.end - w.start for w in windows} == {25 * HOUR}
    assert [a.end for a in windows[:-1]] == [b.start for b in windows[1:]]


@given(
    st.sampled_from(["5m", "25m", "1h", "5h", "6h", "25h", "1d", "3d", "1w", "1mo", "5mo"]),
    st.integers(at("1975-01-01"), at("2037-01-01")),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/London"]),
)
def test_windows_of_one_name_tile_all_time_in_whole_panes(name: str, time: int, tz: str) -> None:
    window = window_of(name, time, tz)
    assert window.start <= time < window.end
    assert window.start % PANE == window.end % PANE == 0
    assert window_of(name, window.start, tz) == window_of(name, window.end - 1, tz) == window
    assert window_of(window.name, window.end, tz).start == window.end
    assert window_of(window.name, window.start - 1, tz).end == window.start


def test_a_window_closes_two_panes_after_its_end() -> None:
    window = window_of("1h", 0)
    assert closes_at(window) == HOUR + GRACE == HOUR + 600 * 10**9
    assert not is_closed(window, HOUR + GRACE - 1)
    assert is_closed(window, HOUR + GRACE)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("25", ("'25'", "'25h'", "'25m'")),
        ("7m", ("'7m'", "5 minutes", "'5m'", "'10m'")),
        ("3m", ("'3m'", "5 minutes", "'5m'")),
        ("0h", ("'0h'", "10000 units", "'1h'")),
        ("1y", ("'1y'", "'1h'", "'1d'", "'1mo'")),
        ("", ("'1h'", "'1d'", "'1mo'")),
    ],
)
def test_a_bad_name_says_the_rule_and_the_fix(name: str, facts: Facts) -> None:
    with pytest.raises(ValueError) as raised:
        parse(name)
    assert lacking(str(raised.value), *facts) == []


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd"])
def test_an_unknown_time_zone_says_the_fix(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone; use an IANA name"):
        time_zone(name)
