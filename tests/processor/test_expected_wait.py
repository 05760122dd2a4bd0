"""A sender is asked to come again where its acknowledgement would come too late, and not before."""

from __future__ import annotations

import pytest
from driftline_processor.expected_wait import MOST_WAIT, GroupPace, refuse_late
from driftline_processor.receipts import Overloaded

SECOND, MIB = 1.0, 1 << 20


class Watch:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_request_is_refused_only_beyond_the_longest_wait() -> None:
    refuse_late(MOST_WAIT)
    with pytest.raises(Overloaded) as refused:
        refuse_late(MOST_WAIT + 0.1)
    assert refused.value.retry_after == 1.0
    with pytest.raises(Overloaded) as refused:
        refuse_late(60.0)
    assert refused.value.retry_after == 2.0  # exporters give up when they are told to wait longer


def test_a_large_request_is_not_taken_for_many_small_ones() -> None:
    pace = GroupPace()
    for _ in range(100):
        pace.note(1_000, 0.005)  # a sync each: 200 kB in a second
    assert pace.seconds(1, 20 * MIB) < 0.3
    assert pace.seconds(600, 600_000) == pytest.approx(3.0, rel=0.01)


def test_a_slow_disk_shows_in_groups_of_one_size_and_a_quick_one_again() -> None:
    pace = GroupPace()
    for _ in range(50):
        pace.note(8 * MIB, 2.0)
    assert pace.seconds(4, 32 * MIB) == pytest.approx(8.0, rel=0.05)
    for _ in range(50):
        pace.note(8 * MIB, 0.1)
    assert pace.seconds(4, 32 * MIB) == pytest.approx(0.4, rel=0.2)


def test_a_group_that_takes_longer_than_expected_is_taken_to_need_as_long_again() -> None:
    watch = Watch()
    pace = GroupPace(watch)
    assert pace.left == 0
    for _ in range(20):
        pace.note(1_000, 0.01)
    pace.begin(1_000)
    watch.now = 0.004
    assert pace.left == pytest.approx(0.006, rel=0.01)
    watch.now = 5 * SECOND
    assert pace.left == 5 * SECOND
    pace.give_up()
    assert pace.left == 0
    assert pace.seconds(1, 1_000) == pytest.approx(0.01)
    pace.begin(1_000)
    watch.now += 9 * SECOND
    pace.end()
    assert pace.left == 0
    assert pace.seconds(1, 1_000) > 0.5
