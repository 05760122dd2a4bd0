"""More windows than can be evaluated: each has its turn, the longest waiting for its deadline first, and it is said."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.config.model import Model
from driftline_processor.core.windows.window import GRACE, Window, length, window_of
from driftline_processor.evaluation import evaluator as evaluate
from driftline_processor.evaluation.evaluator import Evaluator
from driftline_processor.evaluation.window_queue import (
    CHUNK,
    Backfill,
    Counts,
    WaitingWindows,
    backfill_sentence,
    deadline,
)
from driftline_processor.ingest.changes import PaneProgress

from tests.support.facts import lacking
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, predictions
from tests.support.unwrap import unwrap

SECOND, MILLISECOND = 10**9, 10**6


@dataclass
class Simulation:
    """Minutes of traffic: every model is touched every two seconds, and windows are evaluated one after the other."""

    models: int
    service: int
    seconds: int = 1_300
    names: tuple[str, ...] = ("5m", "1h", "1d", "1w")
    past: int = 0
    lags: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    closing: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    judged_past: int = 0
    busy: int = 0

    def run(self) -> Simulation:
        waiting, now, began = WaitingWindows(), NOON, NOON
        self.last: dict[tuple[int, str], int] = {}
        closes: dict[tuple[int, Window], int] = {}
        for hours in range(self.past):
            end = NOON - (48 + hours) * HOUR
            waiting.add(1, Window("1h", end - HOUR, end), now)
        tick = now
        while now < began + self.seconds * SECOND:
            while tick <= now:
                for series in range(self.models):
                    for name in self.names:
                        window = window_of(name, tick)
                        waiting.add(series, window, now)
                        ended = window_of(name, window_of(name, tick - GRACE).start - 1)
                        if ended.start >= began and (series, ended) not in closes:
                            closes[series, ended] = now
                            waiting.add(series, ended, now, closing=True)
                waiting.publish(now)
                self.lags |= Counter(waiting.lags(now))
                tick += 2 * SECOND
            following = waiting.next(now)
            if following is None:
                now = tick
                continue
            series, window = following
            now += self.service
            self.busy += self.service
            waiting.remove(series, window, now)
            self._count(series, window, now, closes)
        self.waiting, self.now = waiting, now
        for (_, name), before in self.last.items():
            self.gaps[name] = max(self.gaps[name], now - before)
        return self

    def _count(self, series: int, window: Window, now: int, closes: dict[tuple[int, Window], int]) -> None:
        if window.end < NOON - DAY and window.name == "1h":
            self.judged_past += 1
            return
        if (series, window) in closes:
            self.closing = max(self.closing, now - closes[series, window])
        self.counts[window.name] += 1
        if window_of(window.name, now) == window:
            before = self.last.get((series, window.name), NOON)
            self.gaps[window.name] = max(self.gaps[window.name], now - before)
            self.last[series, window.name] = now


@pytest.mark.slow
@pytest.mark.parametrize(("models", "milliseconds"), [(70, 2), (70, 10), (200, 2), (200, 10)])
def test_with_time_enough_every_length_keeps_its_deadline(models: int, milliseconds: int) -> None:
    """At most 70 windows a second are due: the share of a core that this takes is told by what a window costs."""
    done = Simulation(models, milliseconds * MILLISECOND).run()
    for name in done.names:
        assert done.lags[name] <= deadline(name)
        rest = deadline(name) // 2
        lasted = done.seconds * SECOND
        assert done.gaps[name] <= min(rest, lasted) + deadline(name) + 4 * SECOND
        assert done.counts[name] <= models * (lasted / rest + 2) + 2 * models * lasted / length(name)
    assert 0 < done.closing <= 5 * SECOND


@pytest.mark.slow
def test_seventy_models_of_four_lengths_take_a_quarter_of_a_core_at_most() -> None:
    done = Simulation(70, 5 * MILLISECOND // 2).run()
    assert done.busy <= 0.1 * done.seconds * SECOND


@pytest.mark.slow
def test_under_overload_the_lengths_share_and_none_starves() -> None:
    """200 models at 50 ms a window ask for four cores: each length is late in the measure of its deadline."""
    done = Simulation(200, 50 * MILLISECOND).run()
    lags = {name: done.lags[name] / deadline(name) for name in ("5m", "1h", "1d")}
    assert min(lags.values()) > 1
    assert max(lags.values()) < 3 * min(lags.values()), "while 200 windows close at once the shortest wait longest"
    assert all(done.counts[name] >= 200 for name in done.names)
    assert 0 < done.closing <= 45 * SECOND, "200 windows close at once, and each of them takes 50 ms"


@pytest.mark.slow
def test_a_backfill_never_delays_live_windows_and_is_never_starved_by_them() -> None:
    alone, beside = Simulation(70, 10 * MILLISECOND).run(), Simulation(70, 10 * MILLISECOND, past=10**5).run()
    for name in alone.names:
        assert beside.lags[name] <= alone.lags[name] + 2 * SECOND
        assert beside.counts[name] >= 0.98 * alone.counts[name]
    assert beside.judged_past > 0.6 * beside.seconds * 100, "all the time that live windows leave"
    overloaded = Simulation(200, 50 * MILLISECOND, past=10**5).run()
    assert overloaded.judged_past == pytest.approx(0.1 * overloaded.seconds * 20, rel=0.15)


def test_late_outcomes_do_not_make_a_past_window_be_evaluated_all_the_time() -> None:
    waiting, evaluated = WaitingWindows(), 0
    for _ in range(3):
        waiting.add(1, Window("5m", NOON, NOON + 5 * MINUTE), NOON)
        waiting.add(1, Window("5m", NOON + HOUR, NOON + HOUR + 5 * MINUTE), NOON)
    window = Window("5m", NOON - 10 * DAY, NOON - 10 * DAY + 5 * MINUTE)
    for seconds in range(0, 3_600, 2):
        now = NOON + seconds * SECOND
        waiting.add(1, window, now)
        while (following := waiting.next(now)) is not None:
            waiting.remove(*following, now)
            evaluated += following[1] == window
    assert evaluated == 6, "every ten minutes"


def test_how_many_windows_wait_and_since_when_is_a_metric_a_problem_and_a_hint(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "AT_ONCE", 1)
    state = open_state(churn=Model(windows=("1h", "1d", "1w")))
    state.send(predictions(["a"]))
    state.state.parts.evaluator.step()
    state.state.publish()

    def waiting() -> tuple[float, float]:
        counters = state.state.counters()
        return counters[m.DRIFTLINE_PENDING_WINDOWS, ()], counters[m.DRIFTLINE_PENDING_WINDOW_AGE, ()]

    assert waiting() == (2, 0)
    assert state.state.publish().models[0].waiting == 2
    assert state.state.health.problems() == []
    assert "wait to be evaluated" not in str(state.state.publish().models[0].hints)
    clock.now += 5 * MINUTE
    assert waiting() == (2, 300)
    said = (
        "2 windows are waiting to be evaluated, the longest for 5m: "
        "pages about them do not include their newest rows yet"
    )
    said += "; windows of 1d are 5m late, of 1w 5m"
    assert state.state.counters()[m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "1d"),)] == 300
    (problem,) = state.state.health.problems()
    assert (problem.name, problem.message, problem.ready) == ("windows", said, True)
    assert state.state.health.ready
    assert state.state.publish().models[0].hints[0] == f"churn: {said.partition(';')[0]}."
    late = "Windows of 1d are 5m late, of 1w 5m: there are more than the processor can evaluate."
    assert late in state.state.publish().hints
    state.state.settle()
    assert waiting() == (0, 0)
    assert state.state.health.problems() == []


@pytest.mark.slow
def test_what_waited_at_a_crash_is_evaluated_after_it_and_what_did_not_is_not(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While windows always wait, progress is written down all the same: as far as nothing waits."""
    monkeypatch.setattr(evaluate, "AT_ONCE", 2)
    state = open_state(churn=Model(windows=("1h", "1d")))
    evaluator = state.state.parts.evaluator
    state.send(predictions(["a"], NOON))
    evaluator.step()
    state.send(predictions(["b"], NOON + HOUR), predictions(["c"], NOON + 2 * HOUR))  # two hours and their day
    evaluator.step()
    assert state.rows("SELECT value FROM meta WHERE name = 'evaluated_predictions'") == [(1,)]
    monkeypatch.setattr(Evaluator, "step", lambda *_, **__: False)  # the crash
    state = open_state(churn=Model(windows=("1h", "1d")))
    monkeypatch.undo()
    state.state.settle()
    assert [one.rows for one in state.view().windows["1d"]] == [3]
    assert [one.rows for one in state.view().windows["1h"]] == [1, 1, 1]


def take(waiting: WaitingWindows, most: int, now: int) -> list[Window]:
    taken: list[Window] = []
    while len(taken) < most and (following := waiting.next(now)) is not None:
        waiting.remove(*following, now)
        taken.append(following[1])
    return taken


def test_of_a_backlog_the_windows_of_now_come_first_and_the_others_in_the_order_of_time() -> None:
    waiting = WaitingWindows()
    for hours_ago in range(2_000):
        end = NOON - hours_ago * HOUR
        waiting.add(1, Window("1h", end - HOUR, end), NOON)
    ago = [(NOON - window.end) // HOUR for window in take(waiting, 2_000, NOON + SECOND)]
    assert sorted(ago[:2]) == [0, 1]
    assert ago[2:] == list(range(1_999, 1, -1))
    assert len(waiting) == 0


def test_of_a_replay_the_windows_that_a_newer_one_followed_wait_in_the_order_of_time() -> None:
    waiting, then = WaitingWindows(), NOON - 400 * DAY
    for hour in range(100):
        waiting.add(1, Window("1h", then + hour * HOUR, then + (hour + 1) * HOUR), NOON)
    hours = [(window.start - then) // HOUR for window in take(waiting, 100, NOON + SECOND)]
    assert hours == [98, 99, *range(98)]


def test_every_series_and_length_of_a_backfill_has_its_turn() -> None:
    waiting = WaitingWindows()
    for series, name, long in ((1, "1h", HOUR), (1, "1d", DAY), (2, "1h", HOUR)):
        waiting.add(series, Window(name, NOON, NOON + long), NOON)
        waiting.add(series, Window(name, NOON + long, NOON + 2 * long), NOON)
        for number in range(100):
            start = NOON - 10 * DAY - number * long
            waiting.add(series, Window(name, start, start + long), NOON)
    assert len(take(waiting, 6, NOON)) == 6
    turns = []
    for _ in range(300):
        following = waiting.next(NOON)
        assert following is not None
        turns.append((following[0], following[1].name))
        waiting.remove(*following, NOON)
    assert turns[:48] == [(1, "1h")] * CHUNK + [(1, "1d")] * CHUNK + [(2, "1h")] * CHUNK
    assert Counter(turns) == {(1, "1h"): 100, (1, "1d"): 100, (2, "1h"): 100}


def test_a_window_that_closes_does_not_rest_and_comes_before_open_ones() -> None:
    waiting = WaitingWindows()
    day, hours = (
        Window("1d", NOON, NOON + DAY),
        [Window("1h", NOON + at * HOUR, NOON + (at + 1) * HOUR) for at in (0, 1)],
    )
    for window in (day, *hours):
        waiting.add(1, window, NOON + HOUR)
    take(waiting, 3, NOON + HOUR)
    waiting.add(1, hours[0], NOON + HOUR + SECOND)
    waiting.add(1, hours[1], NOON + HOUR + SECOND)
    assert waiting.next(NOON + HOUR + SECOND) is None, "both rest"
    waiting.add(2, day, NOON + HOUR + SECOND)
    waiting.add(1, hours[0], NOON + HOUR + 2 * SECOND, closing=True)
    assert waiting.next(NOON + HOUR + 2 * SECOND) == (1, hours[0])


def test_how_far_a_backfill_is_comes_with_the_time_that_is_left() -> None:
    waiting, now = WaitingWindows(), NOON
    waiting.add(1, Window("1h", NOON, NOON + HOUR), NOON)
    waiting.add(1, Window("1h", NOON + HOUR, NOON + 2 * HOUR), NOON)
    take(waiting, 2, NOON)
    for hour in range(5_000):
        start = NOON - 400 * DAY + hour * HOUR
        waiting.add(1, Window("1h", start, start + HOUR), NOON)
    waiting.publish(NOON)
    assert waiting.backfill == Backfill(0, 5_000, NOON, 0.0)
    assert lacking(backfill_sentence(waiting.backfill), "0 of 5,000", "unknown") == []
    for _ in range(40):
        now += 2 * SECOND
        assert len(take(waiting, 20, now)) == 20
        waiting.publish(now)
    assert lacking(backfill_sentence(waiting.backfill), "800 of 5,000", "7 min") == []
    assert waiting.backfill.is_long(now)
    take(waiting, 10_000, now)
    waiting.publish(now)
    assert waiting.backfill == Backfill()


def test_no_time_is_told_while_windows_are_judged_now_fast_and_now_slowly() -> None:
    waiting, now = WaitingWindows(), NOON
    for hour in range(5_000):
        start = NOON - 400 * DAY + hour * HOUR
        waiting.add(1, Window("1h", start, start + HOUR), NOON)
    waiting.publish(NOON)
    for together in [20] * 20 + [5] * 20:
        now += 2 * SECOND
        take(waiting, together, now)
        waiting.publish(now)
    assert lacking(backfill_sentence(waiting.backfill), "498 of 4,998", "unknown") == []
    for _ in range(160):
        now += 2 * SECOND
        take(waiting, 5, now)
        waiting.publish(now)
    assert lacking(backfill_sentence(waiting.backfill), "1,298 of 4,998", "25 min") == []


def test_past_windows_and_late_live_ones_are_not_judged_and_those_of_now_are_in_time() -> None:
    waiting = WaitingWindows()
    waiting.add(1, Window("1h", NOON, NOON + HOUR), NOON)
    for hour in range(3):
        start = NOON - 400 * DAY + hour * HOUR
        waiting.add(1, Window("1h", start, start + HOUR), NOON)
    waiting.publish(NOON)
    assert (waiting.of(1).windows, waiting.of(1).past, waiting.backlog.past) == (4, 2, 2), "the two newest are of now"
    assert (waiting.of(1).pending_windows(NOON + SECOND), waiting.of(1).pending_windows(NOON + 2 * DAY)) == (2, 4)


def test_of_a_backfill_panes_stay_short_until_their_windows_are_judged(open_state: Open) -> None:
    state = open_state(churn=Model(windows=("5m",)))
    then = NOON - 100 * DAY
    state.send(*(predictions([f"p{minute}"], then + minute * MINUTE) for minute in range(0, 50, 5)))
    state.state.parts.evaluator.collect()
    state.send(predictions(["later"], then + 30 * DAY), predictions(["now"], NOON))
    state.state.tidy_now()
    lengths = f"SELECT DISTINCT span FROM panes WHERE pane < {then + HOUR}"
    assert state.rows(lengths) == [(5 * MINUTE,)]
    state.state.evaluate_now()
    assert [one.rows for one in state.view().windows["5m"]] == [1] * 12
    state.state.tidy_now()
    assert state.rows(lengths) == [(HOUR,)]


@pytest.mark.slow
def test_a_backfill_is_told_on_pages_and_over_the_api(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "AT_ONCE", 3)
    state = open_state(churn=Model(windows=("1h",)))
    state.send(*(predictions([f"p{day}"], NOON - day * DAY) for day in range(60, -1, -1)))
    for _ in range(8):
        state.state.parts.evaluator.step()
        clock.now += 2 * SECOND
    (hint,) = state.state.publish().hints
    assert re.findall(r"22 of 59|24 s", hint) == ["22 of 59", "24 s"]
    assert state.state.health.problems() == [], "live windows are not late"
    state.state.settle()
    assert state.state.publish().hints == ()


def test_progress_is_told_up_to_the_oldest_round_of_which_something_waits() -> None:
    waiting = WaitingWindows()
    hour, day = Window("1h", 0, HOUR), Window("1d", 0, DAY)
    waiting.begin_round(PaneProgress(10, 0, 0))
    waiting.add(1, hour, 0)
    waiting.add(1, day, 0)
    waiting.begin_round(PaneProgress(20, 0, 0))
    waiting.add(1, hour, 1)  # waits already, since the round before
    waiting.remove(1, hour, 2)
    assert waiting.finished() is None
    waiting.remove(1, day, 2)
    assert waiting.finished() == PaneProgress(20, 0, 0)
    assert waiting.finished() is None


def test_rounds_in_which_nothing_waits_are_not_kept() -> None:
    waiting = WaitingWindows()
    for predictions_seen in range(1_000):
        waiting.begin_round(PaneProgress(predictions_seen, 0, 0))
    assert len(waiting._reached) == 1
    assert waiting.finished() == PaneProgress(999, 0, 0)


def test_past_windows_of_a_series_and_length_are_evaluated_together() -> None:
    waiting, then = WaitingWindows(), NOON - 400 * DAY
    for hour in range(40):
        waiting.add(1, Window("1h", then + hour * HOUR, then + (hour + 1) * HOUR), NOON)
    take(waiting, 2, NOON + SECOND)  # the newest two are live
    series, first = waiting.next(NOON + SECOND) or (0, Window("", 0, 0))
    together = [first, *(window for _, window in waiting.following(series, first, 15))]
    assert [(window.start - then) // HOUR for window in together] == list(range(16))
    assert waiting.following(series, together[1], 15) == []  # not the next one
    for window in together[:10]:
        waiting.remove(series, window, NOON + SECOND)
    assert len(waiting.following(series, together[10], 15)) == 5  # after sixteen another series has its turn


def hours_of_the_past(first: int, count: int) -> list[Window]:
    begin = NOON - 100 * DAY
    return [Window("1h", begin + at * HOUR, begin + (at + 1) * HOUR) for at in range(first, first + count)]


def with_past(windows: list[Window], series: int = 1, waiting: WaitingWindows | None = None) -> WaitingWindows:
    """Let windows of the past wait behind two newer ones that were evaluated."""
    waiting = waiting or WaitingWindows()
    for window in hours_of_the_past(1_000, 2):
        waiting.add(series, window, NOON)
        waiting.remove(series, window, NOON)
    for window in windows:
        waiting.add(series, window, NOON)
    return waiting


def test_a_past_window_that_is_put_off_behind_an_older_one_waits_once() -> None:
    windows = hours_of_the_past(0, 2)
    waiting = with_past(windows)
    assert waiting.put_off(1, windows[1], NOON)
    assert len(waiting) == 2
    assert take(waiting, 2, NOON) == [windows[0]]
    assert take(waiting, 2, NOON + 11 * SECOND) == [windows[1]]


OPEN = Window("1d", NOON, NOON + DAY)


def evaluated_day(rows: int, outcomes: int) -> WaitingWindows:
    """Return a queue in which the open window of a day was evaluated at noon."""
    waiting = WaitingWindows()
    waiting.add(1, OPEN, NOON)
    waiting.remove(1, OPEN, NOON, evaluated=Counts(rows, outcomes))
    return waiting


@pytest.mark.parametrize("gained", [Counts(10, 0), Counts(0, 1), Counts(10, 1)])
def test_an_open_window_that_gained_a_hundredth_is_not_evaluated_again_before_ten_deadlines(gained: Counts) -> None:
    waiting, now = evaluated_day(1_000, 100), NOON + HOUR
    waiting.add(1, OPEN, now, gained=gained)
    assert waiting.next(now + 10 * deadline("1d") - 1) is None
    assert waiting.next(now + 10 * deadline("1d")) == (1, OPEN)


@pytest.mark.parametrize("gained", [Counts(11, 0), Counts(0, 2), None])
def test_an_open_window_is_evaluated_again_when_its_rows_or_its_outcomes_grew_or_it_changed_otherwise(
    gained: Counts | None,
) -> None:
    waiting, now = evaluated_day(1_000, 100), NOON + HOUR
    waiting.add(1, OPEN, now, gained=gained)
    assert waiting.next(now) == (1, OPEN)


def test_what_comes_bit_by_bit_adds_up_and_the_window_rests_for_half_of_its_deadline() -> None:
    waiting = evaluated_day(1_000, 100)
    for seconds in range(1, 11):
        waiting.add(1, OPEN, NOON + seconds * SECOND, gained=Counts(1, 0))
    assert waiting.next(NOON + 10 * SECOND) is None
    waiting.add(1, OPEN, NOON + 11 * SECOND, gained=Counts(1, 0))
    assert waiting.next(NOON + deadline("1d") // 2 - 1) is None
    assert waiting.next(NOON + deadline("1d") // 2) == (1, OPEN)


def test_with_time_to_spare_a_window_that_gained_little_is_evaluated_once_nothing_more_comes() -> None:
    waiting, now = evaluated_day(1_000, 100), NOON + HOUR
    for seconds in range(4):
        waiting.add(1, OPEN, now + seconds * SECOND, gained=Counts(1, 0))
    assert waiting.next_resting(now + 7 * SECOND) is None, "the last row came four seconds ago"
    assert waiting.next_resting(now + 8 * SECOND) == (1, OPEN)
    assert waiting.next_resting(now + 4 * SECOND, quiet=0) == (1, OPEN)


def test_a_window_that_closes_is_evaluated_although_it_gained_little() -> None:
    waiting, now = evaluated_day(1_000, 100), NOON + DAY
    waiting.add(1, OPEN, now, gained=Counts(1, 0))
    waiting.add(1, OPEN, now, closing=True)
    assert waiting.next(now) == (1, OPEN)


def test_open_windows_of_several_models_are_evaluated_together() -> None:
    waiting = WaitingWindows()
    for series in range(20):
        waiting.add(series, OPEN, NOON)
        waiting.add(series, Window("1h", NOON, NOON + HOUR), NOON)
    series, first = waiting.next(NOON) or (0, OPEN)
    assert (series, first.name) == (0, "1h")
    assert waiting.following(series, first, 15) == [(other, first) for other in range(1, 16)]


def test_windows_of_tier_1_come_before_a_backlog_of_tier_3_which_is_not_starved() -> None:
    """A thousand models of tier 3 whose days close at once, and one of tier 1 with an hour that changed."""
    waiting, now = WaitingWindows(lambda series: 1 if series == 0 else 3), NOON + 2 * HOUR
    day = window_of("1d", NOON - DAY)
    for series in range(1, 1_001):
        waiting.add(series, day, now, closing=True)
    firsts = []
    for minute in range(1, 101):
        waiting.add(0, Window("1h", NOON + HOUR, NOON + 2 * HOUR), now + minute * MINUTE)
        first = waiting.next(now + minute * MINUTE)
        assert first is not None
        waiting.remove(*first, now + minute * MINUTE)
        firsts.append(first[0])
    assert set(firsts[:9]) == {0}
    assert (firsts.count(0), len(waiting)) == (90, 991)


def test_closing_windows_of_tier_1_get_eight_turns_of_ten_while_all_others_wait() -> None:
    waiting, turns = WaitingWindows(lambda series: series), 7_000
    for tier in (1, 2, 3):
        waiting.add(tier, window_of("1h", NOON - HOUR), NOON, closing=True)
        waiting.add(tier, OPEN, NOON)
        for hour in (50, 49, 48):  # the newest two are live
            waiting.add(tier, window_of("5m", NOON - hour * HOUR), NOON)
    counts = Counter[tuple[int, str]]()
    for _ in range(turns):
        tier, window = unwrap(waiting.next(NOON))
        past = window.start == NOON - 50 * HOUR
        counts[tier, "closing" if window.name == "1h" else "past" if past else "live"] += 1
    assert counts.pop((1, "closing")) == pytest.approx(0.8 * turns, abs=2)
    assert counts.pop((1, "live")) == pytest.approx(0.1 * turns, abs=2)
    assert len(counts) == 7
    assert set(counts.values()) == {turns // 70}


def test_past_windows_of_tier_1_come_before_those_of_tier_3() -> None:
    waiting = WaitingWindows(lambda series: series)
    for hour in range(100):
        for series in (3, 1):
            start = NOON - (200 - hour) * HOUR
            waiting.add(series, Window("1h", start, start + HOUR), NOON)
    order = []
    while (first := waiting.next(NOON)) is not None:
        waiting.remove(*first, NOON)
        order.append(first[0])
    assert order[:4] == [1, 1, 3, 3]  # the newest two of each are live
    assert order[4:14].count(1) == 9
    assert order[4:114].count(1) == 98  # one turn in ten for the other tier


@pytest.mark.slow
def test_a_model_of_tier_1_is_evaluated_before_many_of_tier_3_that_came_first(open_state: Open) -> None:
    names = [f"m{number}" for number in range(40)]
    models = {name: Model(windows=("1h",), tier=3) for name in names}
    state = open_state(**models, churn=Model(windows=("1h",), tier=1))
    for name in names:
        state.send(predictions(["a", "b"], NOON - HOUR, model=name))
    state.send(predictions(["a", "b"], NOON - HOUR))
    groups = iter([False, True])
    state.state.join_now()
    with state.state._writing():
        state.state.parts.evaluator.step(ended=lambda: next(groups))
    shown = {view.key.model for view in state.state.publish().models if view.windows["1h"]}
    assert "churn" in shown
    assert len(shown) <= 16
