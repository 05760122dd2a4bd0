"""All that was said of an id is kept as it came, and a window is shown as it was evaluated at any time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from driftline.tables.ranked_items import items_of
from driftline.tables.table import ModelKey
from driftline.tables.task import Task

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions, text


def test_an_id_is_found_by_each_text_of_it(state: Opened) -> None:
    ids = ["A1", "17", "-4", "1.50", "2.0"]
    state.send(predictions(ids, NOON))
    state.send(outcomes(ids, [1] * len(ids)))
    state.state.settle()
    queries = state.state.queries
    found = {" A1 ": 1, "A1\n": 1, "a1": 0, "17.0": 1, "-4.0": 1, "1.5": 0, "2.0": 1, "2": 0, " ": 0}
    for written, rows in found.items():
        assert len(queries.history.outcomes("churn", written)) == rows, written
        assert len(queries.predictions.of_id("churn", written)) == rows, written
        assert queries.predictions.models_of(written) == ["churn"] * rows, written


@pytest.mark.slow
def test_what_was_said_is_kept_as_it_came_with_what_counts(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"], NOON, version="1"), predictions(["a"], NOON + MINUTE, version="2"))
    state.send(outcomes(["a"], [0], NOON + 2 * HOUR, weight=[2.0], value=[3.5], slices={"gender": ["f"]}))
    clock.now += HOUR
    state.send(outcomes(["a"], [1], NOON + HOUR), outcomes(["a"], ["maybe"], NOON + 3 * HOUR))
    state.state.settle()
    first, second, third = state.state.queries.history.outcomes("churn", "a")
    assert (first.actual, first.time, first.received) == ("0", NOON + 2 * HOUR, NOON)
    assert (first.weight, first.value, first.slices, first.retracted) == (2.0, 3.5, {"gender": "f"}, False)
    assert [(one.version, one.time, one.counts) for one in first.belongs_to] == [
        ("1", NOON, True),
        ("2", NOON + MINUTE, True),
    ]
    assert (second.actual, second.received) == ("1", NOON + HOUR)
    assert (second.weight, second.value, second.prediction_time) == (None, None, None)
    assert [one.counts for one in (*second.belongs_to, *third.belongs_to)] == [False] * 4
    state.send(outcomes(["a"], [None], NOON + 4 * HOUR, retracted=True, prediction_time=NOON))
    state.state.settle()
    told = state.state.queries.history.outcomes("churn", "a")
    assert [one.counts for one in told[0].belongs_to] == [False, True]
    assert (told[3].retracted, told[3].actual, told[3].prediction_time) == (True, None, NOON)
    assert [(one.version, one.counts) for one in told[3].belongs_to] == [("1", False)]


def test_what_waits_belongs_to_nothing_and_other_models_are_apart(state: Opened) -> None:
    state.send(predictions(["z"]), outcomes(["a"], [1]), outcomes(["a"], [0], model="fraud"))
    state.state.settle()
    (told,) = state.state.queries.history.outcomes("churn", "a")
    assert (told.actual, told.belongs_to) == ("1", ())
    assert state.state.queries.history.outcomes("churn", "b") == []
    assert [one.actual for one in state.state.queries.history.outcomes("fraud", "a")] == ["0"]


def test_of_a_ranking_the_last_word_on_each_item_counts(state: Opened) -> None:
    ranking = predictions(["a"], NOON, [0.9], task=Task("ranking"))
    state.send(replace(ranking, items=items_of([(("x", "y", "z"), None)])))
    for item, relevance, time in (("x", 0, HOUR), ("y", 1, HOUR), ("x", 1, 2 * HOUR)):
        state.send(replace(outcomes(["a"], [relevance], NOON + time), item=text([item])))
    state.state.settle()
    told = state.state.queries.history.outcomes("churn", "a")
    assert [(one.item, one.belongs_to[0].counts) for one in told] == [("x", False), ("y", True), ("x", True)]


@pytest.mark.slow
def test_evaluations_as_of_a_day_are_those_that_were_stored_by_then(open_state: Open, clock: Clock) -> None:
    state = open_state()
    key = ModelKey("churn", "1")
    clock.now = NOON + 2 * DAY
    state.send(predictions(["a", "b"], NOON, [0.9, 0.9]), outcomes(["a"], [1], NOON + HOUR))
    state.send(predictions([""] * 200, NOON + 2 * DAY - 10 * MINUTE))
    state.state.settle()
    first_day = clock.now
    clock.now += 10 * DAY
    state.send(outcomes(["b"], [0], NOON + 11 * DAY))
    state.state.settle()

    def accuracy(as_of: int) -> list[float | None]:
        stored = state.state.queries.history.evaluations(key, "1d", as_of, 100)
        return [one.evaluation.realized["accuracy"].value for one in stored if one.evaluation.realized]

    assert accuracy(first_day - 1) == []
    assert accuracy(first_day) == [1.0]
    assert accuracy(clock.now - 1) == [1.0]
    assert accuracy(clock.now) == [0.5]
    state = open_state()
    (stored, *_) = state.state.queries.history.evaluations(key, "1d", clock.now - DAY, 100)
    assert (stored.stored_at, stored.evaluation.outcome_rows) == (first_day, 1)
    assert state.state.queries.history.evaluations(ModelKey("nobody"), "1d", clock.now, 100) == []
