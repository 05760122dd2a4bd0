"""A model is silent by a pace of its own: quiet nights and weekends are pauses, a stopped service is not."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from driftline.tables.table import I64
from driftline_processor.core.verdict.traffic import Pace, pace_of
from driftline_processor.core.windows.window import DAY, HOUR, PANE

from tests.support.unwrap import unwrap

MONDAY = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 10**9
"""2 March 2026, 0:00 UTC: the clocks of Berlin go forward on the 29th."""


def every_pane(days: float) -> I64:
    return MONDAY + np.arange(int(days * 288), dtype=np.int64) * PANE


def by_hours(days: int, hours: range, weekdays: range = range(5), ahead: int = 0) -> I64:
    """Return panes of a model that works in these hours of these weekdays, ``ahead`` nanoseconds before UTC."""
    panes = every_pane(days)
    local = panes - MONDAY + ahead
    return panes[np.isin(local % DAY // HOUR, hours) & np.isin(local // DAY % 7, weekdays)]


def silent(arrivals: I64, now: int, timezone: str = "UTC") -> bool:
    """Return True where nothing after the arrivals is a silence by the pace known then."""
    pace = pace_of(arrivals, now, timezone)
    return pace is not None and pace.silent_since(int(arrivals[-1]), now) is not None


def first_silence(arrivals: I64, until: int, timezone: str = "UTC") -> float | None:
    """Return after how many hours without a row a model is silent; None where it is not until then."""
    last = int(arrivals[-1])
    for now in range(last, until, PANE):
        if silent(arrivals, now, timezone):
            return (now - last) / HOUR
    return None


def test_a_service_that_never_pauses_is_silent_after_a_quarter_of_an_hour() -> None:
    arrivals = every_pane(14)
    last = int(arrivals[-1])
    assert not silent(arrivals, last + 3 * PANE)
    assert silent(arrivals, last + 3 * PANE + 1)


def test_nights_and_weekends_of_office_hours_are_no_silence_and_a_monday_without_rows_is() -> None:
    arrivals = by_hours(26, range(9, 17))  # the last row comes on a Friday, at five
    monday = MONDAY + 28 * DAY
    assert not silent(arrivals, monday + 9 * HOUR)
    assert first_silence(arrivals, monday + 12 * HOUR) == pytest.approx(64.33, abs=0.1)


def test_a_weekend_that_was_never_seen_is_no_silence_of_a_model_with_quiet_nights() -> None:
    arrivals = by_hours(5, range(9, 17))
    assert not any(silent(arrivals, MONDAY + 5 * DAY + hour * HOUR) for hour in range(48))


def test_a_service_around_the_clock_is_silent_at_its_first_weekend_too() -> None:
    assert silent(every_pane(3), MONDAY + 3 * DAY + HOUR)


def test_a_daily_batch_is_missed_on_the_day_on_which_it_does_not_come() -> None:
    arrivals = MONDAY + np.arange(28, dtype=np.int64) * DAY + 2 * HOUR
    assert not silent(arrivals, MONDAY + 28 * DAY + 2 * HOUR)
    assert silent(arrivals, MONDAY + 28 * DAY + 3 * HOUR) or silent(arrivals, MONDAY + 29 * DAY + 3 * HOUR)


def test_an_outage_of_the_past_does_not_make_patient() -> None:
    arrivals = every_pane(20)
    arrivals = arrivals[(arrivals < MONDAY + 5 * DAY) | (arrivals > MONDAY + 5 * DAY + 11 * HOUR)]
    assert first_silence(arrivals, MONDAY + 21 * DAY) == pytest.approx(0.33, abs=0.1)


def test_the_week_is_that_of_the_models_clock_when_the_clocks_change() -> None:
    local = [MONDAY + day * DAY + hour * HOUR for day in range(34) if day % 7 < 5 for hour in range(9, 17)]
    forward = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()) * 10**9
    arrivals = np.array([time - (HOUR if time < forward else 2 * HOUR) for time in local], np.int64)
    arrivals = np.unique(np.concatenate([arrivals + PANE * step for step in range(12)]))
    friday = int(arrivals[-1])
    assert not silent(arrivals, friday + 64 * HOUR, "Europe/Berlin")
    assert silent(arrivals, friday + 66 * HOUR, "Europe/Berlin")


@pytest.mark.parametrize(
    "arrivals",
    [
        np.empty(0, np.int64),
        np.array([MONDAY]),
        every_pane(0.9),  # less than a day
        MONDAY + np.arange(8, dtype=np.int64) * DAY,  # too few pauses
    ],
)
def test_of_a_pace_that_is_not_known_nothing_is_silent(arrivals: I64) -> None:
    assert pace_of(arrivals, MONDAY + 7 * DAY if len(arrivals) else MONDAY) is None or len(arrivals) > 8
    assert not len(arrivals) or not silent(arrivals, int(arrivals[-1]) + 10 * PANE)


def test_time_in_which_nobody_listened_does_not_count() -> None:
    pace = unwrap(pace_of(every_pane(14), MONDAY + 14 * DAY))
    last, now = MONDAY + 14 * DAY, MONDAY + 14 * DAY + 5 * HOUR
    assert pace.silent_since(last, now) == last
    assert pace.silent_since(last, now, (last, now - PANE)) is None
    assert pace.silent_since(last, now, (last + HOUR, now - PANE)) == last, "it was silent before"
    assert pace.silent_since(last, now, (last - DAY, last - HOUR)) == last, "that was before the last row"


def test_a_clock_that_goes_back_makes_nothing_silent() -> None:
    arrivals = every_pane(14)
    assert not silent(arrivals, int(arrivals[-1]) - DAY)
    assert not silent(arrivals, MONDAY - DAY)


def test_rows_that_come_at_random_are_silent_only_after_a_pause_that_is_none_of_theirs() -> None:
    rng = np.random.default_rng(5)
    times = np.unique((MONDAY + np.sort(rng.uniform(0, 28 * DAY, 28 * 24))).astype(np.int64) // PANE * PANE)
    hours = unwrap(first_silence(times, MONDAY + 30 * DAY))
    assert 8 < hours < 20


def test_a_pace_has_the_open_hours_of_the_week() -> None:
    pace = pace_of(by_hours(28, range(9, 17)), MONDAY + 28 * DAY)
    assert isinstance(pace, Pace)
    assert np.flatnonzero(pace.open).tolist() == [day * 24 + hour for day in range(5) for hour in range(9, 17)]
