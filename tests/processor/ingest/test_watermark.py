"""Event time goes forward, with the many and not with the fastest, and with wall time when nothing comes."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core import facts
from driftline_processor.core.windows.window import PANE
from driftline_processor.ingest.transaction import AHEAD, KEPT, SILENCE, Watermark
from hypothesis import given
from hypothesis import strategies as st

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, NOON, Clock, Opened, predictions
from tests.support.unwrap import of_type, unwrap

SECOND = 10**9
NOW = 1_000_000 * SECOND


def times(*seconds: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(seconds, dtype=np.int64) * SECOND


def test_it_is_the_99th_percentile_of_the_last_thousand_rows() -> None:
    watermark = Watermark()
    watermark.observe(times(*range(1, 2_001)), NOW)
    assert watermark.at(NOW) == 1_990 * SECOND


def test_ten_fast_clocks_in_a_thousand_rows_do_not_move_it_and_eleven_do() -> None:
    for fast, expected in ((10, 100), (11, 900)):
        watermark = Watermark()
        watermark.observe(np.concatenate([np.full(1_000 - fast, 100 * SECOND), np.full(fast, 900 * SECOND)]), NOW)
        assert watermark.at(NOW) == expected * SECOND


def test_of_two_rows_the_earlier_counts() -> None:
    watermark = Watermark()
    watermark.observe(times(5, 3), NOW)
    assert watermark.at(NOW) == 3 * SECOND


def test_it_is_never_more_than_five_minutes_ahead_of_the_wall_clock() -> None:
    watermark = Watermark()
    watermark.observe(times(*[2_000_000] * 10), NOW)
    assert watermark.at(NOW) == NOW + AHEAD


def test_it_advances_with_wall_time_after_two_silent_minutes() -> None:
    watermark = Watermark()
    watermark.observe(times(100), NOW)
    assert watermark.at(NOW + SILENCE - 1) == 100 * SECOND
    assert watermark.at(NOW + SILENCE) == 100 * SECOND + SILENCE
    watermark.observe(times(101), NOW + SILENCE)
    assert watermark.at(NOW + SILENCE) == 100 * SECOND + SILENCE


def test_without_rows_there_is_none() -> None:
    watermark = Watermark()
    watermark.observe(times(), NOW)
    assert watermark.at(NOW + SILENCE) == 0


@given(st.integers(1, 2_000_000), st.integers(1, 100_000))
def test_without_more_rows_it_passes_a_later_time_within_its_lag(row: int, later: int) -> None:
    watermark = Watermark()
    watermark.observe(times(row), NOW)
    time = watermark.value + later * SECOND
    assert watermark.at(time + watermark.lag) >= time
    assert watermark.lag < max(0, NOW - watermark.value) + 2 * PANE


@pytest.mark.parametrize("age", [0, 7 * 60 * SECOND, 2 * DAY, 20_000 * DAY])
def test_the_verdict_of_an_open_window_names_a_coming_time_at_which_the_window_is_closed(
    state: Opened, clock: Clock, age: int
) -> None:
    state.send(predictions([f"{at}" for at in range(40)], NOON - age + SECOND))
    advice = of_type(unwrap(state.view().verdict).advice, facts.WaitForEndOfWindow)
    clock.now = (NOON + advice.end) // 2
    assert unwrap(state.view().verdict).advice == advice
    assert clock.now > NOON
    clock.now = advice.end
    assert all(windows[-1].closed for name, windows in state.view().windows.items() if name == "1h")


@pytest.mark.slow
@given(st.lists(st.tuples(st.lists(st.integers(1, 2_000_000), max_size=5), st.integers(0, 300)), max_size=20))
def test_it_never_goes_back(story: list[tuple[list[int], int]]) -> None:
    watermark, now, before = Watermark(), NOW, 0
    for seconds, passed in story:
        now += passed * SECOND
        assert watermark.at(now) >= before
        watermark.observe(times(*seconds), now)
        assert watermark.at(now) >= before
        assert watermark.at(now) <= now + AHEAD
        before = watermark.at(now)


def panes(state: Opened, *series: int) -> list[int]:
    known = state.state.parts.intake.arrivals.of(series or [one.number for one in state.state.parts.intake.series])
    return [(pane - NOON) // PANE for pane in known.tolist()]


def test_a_pane_counts_once_and_is_known_after_a_restart(open_state: Open, clock: Clock) -> None:
    state = open_state()
    for row, at in enumerate((0, 1, PANE - 1, PANE, 7 * PANE)):
        clock.now = NOON + at
        state.send(predictions([str(row)], NOON - DAY))
    assert panes(state) == [0, 1, 7]
    assert panes(open_state()) == [0, 1, 7]


def test_what_is_older_than_four_weeks_is_forgotten(open_state: Open, clock: Clock) -> None:
    state = open_state()
    state.send(predictions(["old"]))
    clock.now += KEPT + 2 * DAY
    state.send(predictions(["new"], clock.now))
    assert panes(state) == [(KEPT + 2 * DAY) // PANE]
    assert panes(open_state()) == [(KEPT + 2 * DAY) // PANE]


def test_a_clock_that_goes_back_leaves_panes_in_order(state: Opened, clock: Clock) -> None:
    for row, at in enumerate((5, 0, 5)):
        clock.now = NOON + at * PANE
        state.send(predictions([str(row)]))
    assert panes(state) == [0, 5]


def test_series_are_known_apart_and_together(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"], version="1"))
    clock.now += PANE
    state.send(predictions(["a"], version="2"))
    first, second = (one.number for one in state.state.parts.intake.series)
    assert (panes(state, first), panes(state, second), panes(state, first, second)) == ([0], [1], [0, 1])
    assert panes(state, 999) == []


def test_late_rows_do_not_stop_it_however_many_they_are() -> None:
    watermark = Watermark()
    watermark.observe(times(*range(900, 1_000)), NOW)
    reached = watermark.at(NOW)
    for passed in range(600):
        late_rows, current = [100] * 160, [1_000 + passed] if passed % 3 == 0 else []
        watermark.observe(times(*late_rows, *current), NOW + passed * SECOND)
        assert reached + passed * SECOND - SILENCE <= watermark.at(NOW + passed * SECOND) <= reached + 600 * SECOND
    assert watermark.at(NOW + 599 * SECOND) == reached + 599 * SECOND
