"""Event time goes forward, with the many and not with the fastest, and with wall time when nothing comes."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.ingest.transaction import AHEAD, SILENCE, Watermark
from hypothesis import given
from hypothesis import strategies as st

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
