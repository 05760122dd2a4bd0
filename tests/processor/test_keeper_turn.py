"""A turn of the thread that evaluates: how long it lasts, when it rests, and what it may do early."""

from __future__ import annotations

import threading

import pytest
from driftline_processor.state.keeper import ALLOWANCE, LEAST_REST, LONGEST_REST, SAVED, TURN, KeeperTurn


class Thread(threading.Event):
    """A thread whose time passes when it works or rests."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.used, self.rested, self.requests = 0.0, 0.0, list[float](), False

    def work(self, seconds: float) -> None:
        self.now += seconds
        self.used += seconds

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        self.rested.append(timeout)
        return False


@pytest.fixture
def thread() -> Thread:
    return Thread()


@pytest.fixture
def turn(thread: Thread) -> KeeperTurn:
    return KeeperTurn(lambda: thread.requests, thread, lambda: thread.now, lambda: thread.used)


def windows(turn: KeeperTurn, thread: Thread, seconds: float) -> int:
    """Evaluate windows of so many seconds until the turn is over."""
    done = 0
    turn.begin()
    while not turn.is_over():
        thread.work(seconds)
        done += 1
    return done


def test_without_requests_a_turn_lasts_half_a_second_without_a_rest(turn: KeeperTurn, thread: Thread) -> None:
    assert windows(turn, thread, TURN / 4) == 4
    assert thread.rested == []


def test_while_requests_wait_half_of_the_time_is_theirs(turn: KeeperTurn, thread: Thread) -> None:
    thread.requests = True
    assert windows(turn, thread, TURN / 8) == 4
    assert thread.used == TURN / 2
    assert sum(thread.rested) == pytest.approx(TURN / 2, abs=2 * LEAST_REST)


def test_no_rest_is_longer_than_a_quarter_of_a_second(turn: KeeperTurn, thread: Thread) -> None:
    thread.requests = True
    assert windows(turn, thread, 10.0) == 1
    assert max(thread.rested) == LONGEST_REST


def test_between_two_turns_others_may_have_the_storage(turn: KeeperTurn, thread: Thread) -> None:
    windows(turn, thread, TURN)
    turn.end()
    assert thread.rested == [LEAST_REST]


def test_a_turn_ends_at_once_when_the_processor_stops(turn: KeeperTurn, thread: Thread) -> None:
    thread.set()
    assert windows(turn, thread, 1.0) == 0


def test_early_windows_take_a_twentieth_of_a_core(turn: KeeperTurn, thread: Thread) -> None:
    early = 0.0
    while thread.now < 1_000:
        turn.begin()
        while not turn.is_over() and turn.has_time():
            thread.work(0.0025)
            early += 0.0025
        thread.now += 2
    assert early == pytest.approx(SAVED + ALLOWANCE * thread.now, rel=0.01)


def test_nothing_is_early_while_requests_wait(turn: KeeperTurn, thread: Thread) -> None:
    assert turn.has_time()
    thread.requests = True
    assert not turn.has_time()
