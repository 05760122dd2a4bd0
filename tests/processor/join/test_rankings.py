"""Clicks on lists, live: one row for each list, whatever is said of it and in whatever order, and its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from driftline.tables.ranked_items import items_of
from driftline.tables.table import OutcomeTable, PredictionTable
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Performance
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.state import State
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, MINUTE, NOON, Clock, Opened, config, outcomes, predictions, text

FEED = Task("ranking")


def lists(ids: Sequence[str], ranked: Sequence[Sequence[str]], times: Any = NOON, **said: Any) -> PredictionTable:
    table = predictions(ids, times, [0.5] * len(ids), model="feed", task=FEED, **said)
    return replace(table, items=items_of([(tuple(one), None) for one in ranked]))


def said(id: str, actual: object, item: str = "", time: int = NOON + HOUR, **more: Any) -> OutcomeTable:
    table = outcomes([id], [actual], time, model="feed", **more)
    retracted = np.array([actual is None])
    return replace(table, item=text([item]) if item else None, retracted=retracted if actual is None else None)


def realized(state: Opened) -> dict[str, float | None]:
    (newest,) = state.view("feed").windows["1h"][-1:]
    return {name: metric.value for name, metric in newest.realized.items()}


@pytest.fixture
def feed(open_state: Open) -> Opened:
    return open_state(feed=Model(windows=("1h",), performance=Performance(cutoffs=(1, 2))))


def test_clicks_on_a_list_become_its_metrics(feed: Opened) -> None:
    feed.send(lists(["a", "b", "c", "d"], [["x", "y", "z"]] * 4))
    feed.send(said("a", 1, "y"), said("a", 1, "z"), said("b", 0), said("c", '["x", "q"]'), said("d", 1))
    feed.state.settle()
    assert feed.rows("SELECT number, relevance, missed FROM joined ORDER BY prediction") == [
        (1.0, [0.0, 1.0, 1.0], []),
        (0.0, [], []),
        (1.0, [1.0], [1.0]),
        (1.0, None, []),
    ]
    found = realized(feed)
    assert found["ctr"] == 0.75
    assert found["hit_rate@1"] == pytest.approx(1 / 3)
    assert found["precision@2"] == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert found["recall@2"] == pytest.approx((0.5 + 0.5) / 2)
    assert found["mrr@2"] == pytest.approx((0.5 + 1) / 2)
    assert feed.view("feed").outcomes == 4


@pytest.mark.slow
def test_a_click_is_corrected_taken_back_and_said_again(feed: Opened) -> None:
    feed.send(lists(["a"], [["x", "y"]]))
    feed.send(said("a", 1, "y"))
    assert realized(feed)["mrr@2"] == 0.5
    feed.send(said("a", 3, "x", NOON + 2 * HOUR))
    assert realized(feed)["ndcg@1"] == 1.0
    feed.send(said("a", None, "x", NOON + 3 * HOUR))
    assert realized(feed)["mrr@2"] == 0.5
    feed.send(said("a", None, "", NOON + 4 * HOUR))
    assert realized(feed) == {}
    assert feed.rows("SELECT count(*) FROM joined") == [(0,)]
    feed.send(said("a", 1, "x", NOON + 2 * HOUR))  # older than what took it back
    assert realized(feed) == {}
    feed.send(said("a", 1, "x", NOON + 5 * HOUR))
    assert realized(feed)["mrr@2"] == 1.0


@pytest.mark.slow
def test_what_says_nothing_of_a_list_is_counted_and_costs_nothing_else(feed: Opened) -> None:
    feed.send(lists(["a", "b"], [["x"]] * 2))
    feed.send(said("a", "late", "x"), said("a", '["x", null]'), said("b", 1, "x"))
    assert realized(feed)["ctr"] == 1.0
    assert feed.counted("not_a_relevance") == 2
    assert feed.rows("SELECT count(*) FROM joined") == [(1,)]


@pytest.mark.slow
def test_an_outcome_before_its_list_and_one_for_two_versions(feed: Opened) -> None:
    feed.send(said("a", 1, "x"))
    feed.state.settle()
    feed.send(lists(["a"], [["x", "y"]]), lists(["a"], [["y", "x"]], version="2"))
    assert realized(feed)["mrr@2"] == 1.0
    (newest,) = feed.view("feed", "2").windows["1h"][-1:]
    assert newest.realized["mrr@2"].value == 0.5


@pytest.mark.slow
def test_other_cutoffs_make_what_is_known_anew(open_state: Open) -> None:
    state = open_state(feed=Model(windows=("1h",)))
    state.send(lists(["a"], [["x", "y"]]))
    state.send(said("a", 1, "y"))
    assert {name for name in realized(state) if name.startswith("ndcg")} == {"ndcg@1", "ndcg@5", "ndcg@10"}
    again = open_state(feed=Model(windows=("1h",), performance=Performance(cutoffs=(3,))))
    found = realized(again)
    assert {name for name in found if name.startswith("ndcg")} == {"ndcg@3"}
    assert found["mrr@3"] == 0.5


def test_worth_of_clicks_adds_up(feed: Opened) -> None:
    feed.send(lists(["a"], [["x", "y"]]))
    for item, value in (("x", 2.0), ("y", 3.0), ("x", 5.0)):
        feed.send(replace(said("a", 1, item), value=np.array([value])))
    feed.state.settle()
    assert feed.rows("SELECT value FROM joined") == [(8.0,)]


@pytest.mark.slow
def test_lists_that_nobody_clicked_count_where_silence_is_an_outcome(open_state: Open, clock: Clock) -> None:
    clock.now = NOON + 4 * HOUR
    implicit = Performance(cutoffs=(2,), outcomes="implicit")
    state = open_state(feed=Model(windows=("1h",), performance=implicit, outcome_delay=timedelta(hours=1)))
    times = [NOON + minute * MINUTE for minute in range(60)]
    state.send(lists([f"a{n}" for n in range(60)], [["x", "y"]] * 60, times))
    state.send(said("a0", 1, "y"), said("a1", 1, "q"))
    state.send(lists([f"l{n}" for n in range(30)], [["x"]] * 30, NOON + 90 * MINUTE))  # the hour's clicks may yet come
    first = state.view("feed").windows["1h"][0]
    assert (first.closed, first.maturity) == (True, "immature")
    assert "ctr" not in first.realized
    assert first.realized["mrr@2"].value == 0.25
    state.send(*(lists([f"b{n}"], [["x"]], NOON + 3 * HOUR) for n in range(80)), said("a2", 1, "x"))
    first = state.view("feed").windows["1h"][0]
    assert (first.realized["ctr"].value, first.realized["ctr"].rows) == (2 / 60, 60)
    assert first.realized["hit_rate@2"].value == 2 / 60
    assert first.realized["recall@2"].rows == 3
    assert (first.coverage, first.maturity) == (1.0, "mature")
    state.send(said("a3", 1, "x"))  # later still
    assert state.view("feed").windows["1h"][0].realized["ctr"].value == 3 / 60


ITEM = st.sampled_from("xyz")
WHAT = st.one_of(
    st.tuples(ITEM, st.sampled_from([0, 1, 3, None])),
    st.tuples(st.just(""), st.sampled_from([0, 1, None, "[]", '["x", "q"]', '{"y": 2}'])),
)
OFTEN_NOT = st.sampled_from([float("nan"), 2.0, 3.0])
STATEMENTS = st.lists(
    st.tuples(st.sampled_from("ab"), WHAT, st.integers(0, 3), OFTEN_NOT, OFTEN_NOT), min_size=1, max_size=10
)
"""Of which list, what, when, with which weight and worth."""


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(STATEMENTS, st.randoms(use_true_random=False))
def test_any_order_of_clicks_in_any_pieces_comes_to_what_all_at_once_does(
    tmp_path_factory: pytest.TempPathFactory,
    statements: list[tuple[str, tuple[str, Any], int, float, float]],
    random: Any,
) -> None:
    feed = Model(windows=("1h",), performance=Performance(cutoffs=(1, 2)))
    # one time for each statement, so that arrival decides nothing
    tables = [
        said(id, what, item, NOON + at * HOUR + n, weight=[weight], value=[value])
        for n, (id, (item, what), at, weight, value) in enumerate(statements)
    ]
    shuffled: list[Any] = [lists(["a", "b"], [["x", "y"], ["y"]]), *tables]
    random.shuffle(shuffled)
    found: list[Any] = []
    for pieces in ([shuffled], [[one] for one in shuffled]):
        directory = tmp_path_factory.mktemp("feed")
        state = State(config(directory, feed=feed), clock=Clock())
        state.start_storing()
        opened = Opened(state)
        for number, piece in enumerate(pieces):
            opened.send(*piece)
            if number == len(pieces) // 2:  # and a restart between
                state.stop()
                state = State(config(directory, feed=feed), clock=Clock())
                state.start_storing()
                opened = Opened(state)
            opened.state.join_now()
        kept = opened.rows("SELECT number, relevance, missed, weight, value FROM joined ORDER BY time, prediction")
        opened.state.settle()
        panes = opened.rows(
            "SELECT part, idx, sum(value) AS value FROM sums WHERE fold LIKE 'task:%' AND part <> 'delay' GROUP BY ALL"
            " HAVING value <> 0"
            " ORDER BY part, idx"
        )
        found.append((sorted(map(repr, kept)), panes))
        state.stop()
    assert found[0] == found[1]


@pytest.mark.slow
def test_an_objective_that_rolls_counts_the_lists_that_nobody_clicked(open_state: Open, clock: Clock) -> None:
    objectives = (read_objective("ctr >= 0.5 over rolling 1h"), read_objective("ctr >= 0.5"))
    asked = Performance(outcomes="implicit", cutoffs=(1,), objectives=objectives)
    state = open_state(feed=Model(windows=("1h",), performance=asked))
    times = [NOON + at * 20 * 10**9 for at in range(180)]
    state.send(lists([f"l{at}" for at in range(180)], [["x", "y"]] * 180, times))
    for at in range(0, 180, 4):
        state.send(said(f"l{at}", 1, "x", times[at] + MINUTE))
    clock.now = NOON + 5 * HOUR
    state.send(lists(["y"], [["x"]], NOON - HOUR), lists(["z"], [["x"]], NOON + 4 * HOUR))
    window = next(one for one in state.view("feed").windows["1h"] if one.window.start == NOON)
    assert window.realized["ctr"].value == 0.25
    assert [one.state for one in window.objectives] == ["broken", "broken"]
