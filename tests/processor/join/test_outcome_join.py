"""Every outcome finds its prediction, whatever came first, and what is joined is what a join from scratch would be."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from driftline.tables.table import OutcomeTable, PredictionTable
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.ingest import transaction
from driftline_processor.join import candidates
from driftline_processor.store import arrow_tables as rows
from driftline_processor.store import pruning

from tests.support.facts import lacking
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions

JOINED = (
    f"SELECT p.id, (p.time - {NOON})::BIGINT AS time, coalesce(j.actual, j.number::INTEGER::VARCHAR) AS actual"
    " FROM joined j JOIN predictions p ON p.seq = j.prediction ORDER BY p.id, p.time"
)


def joined(state: Opened) -> list[tuple[object, ...]]:
    state.state.settle()
    return state.rows(JOINED)


def metric(state: Opened, name: str, window: str = "1d") -> MetricValue:
    found = state.view().windows[window][-1].realized[name]
    return MetricValue(found.value, found.rows, found.source)


def story(model: str) -> list[PredictionTable | OutcomeTable]:
    return [
        predictions(["a", "b"], [NOON, NOON], [0.9, 0.2], model=model),
        predictions(["a"], [NOON + 2 * HOUR], [0.4], model=model),
        outcomes(["a"], [1], NOON + HOUR, model=model),
        outcomes(["a", "b"], ["0", "true"], NOON + 3 * HOUR, model=model),
    ]


@pytest.mark.slow
def test_any_order_of_arrival_joins_the_same(open_state: Open) -> None:
    """Each order is that of one model; the ids of all are the same."""
    orders = {f"model {number}": order for number, order in enumerate(permutations(range(4)))}
    state = open_state()
    for step in range(4):
        state.send(*(story(model)[order[step]] for model, order in orders.items()))
        state.state.join_now()
    expected = [("a", 0, "1"), ("a", 2 * HOUR, "0"), ("b", 0, "true")]
    assert joined(state) == [row for row in expected for _ in orders]
    views = {view.key.model: view for view in state.state.publish().models}
    assert set(views) == set(orders)
    for view in views.values():
        realized = view.windows["1d"][-1].realized
        assert realized["accuracy"].rows == view.outcomes == 3
        assert realized["accuracy"].value == pytest.approx(2 / 3)
        assert realized["brier"].value == pytest.approx((0.1**2 + 0.4**2 + 0.8**2) / 3, abs=1e-12)


def test_an_outcome_waits_for_its_prediction(open_state: Open) -> None:
    state = open_state()
    state.send(predictions(["z"]), outcomes(["a", "b"], [1, 1]))
    view = state.view()
    assert (view.outcomes, view.pending) == (0, 2)
    assert any(hint.startswith("2 outcomes wait for a prediction of churn") for hint in view.hints)
    state = open_state()
    state.send(predictions(["a"]))
    view = state.view()
    assert (view.outcomes, view.pending) == (1, 1)


def test_the_last_outcome_by_its_own_time_wins_not_the_last_to_arrive(state: Opened) -> None:
    state.send(predictions(["a"]))
    state.send(outcomes(["a"], [1], NOON + 2 * HOUR))
    state.send(outcomes(["a"], [0], NOON + HOUR))
    assert joined(state) == [("a", 0, "1")]


def test_of_two_outcomes_of_one_time_the_later_arrival_wins(state: Opened) -> None:
    state.send(predictions(["a"]), outcomes(["a", "a"], [1, 0]))
    assert joined(state) == [("a", 0, "0")]
    state.send(outcomes(["a"], [1]))
    assert joined(state) == [("a", 0, "1")]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["predictions", "outcomes"])
@pytest.mark.parametrize("unit", [1, 1_000, 10**6, 10**9])
def test_a_table_of_labels_names_times_as_exactly_as_it_keeps_them(open_state: Open, unit: int, first: str) -> None:
    """A service knows nanoseconds, Postgres and pandas microseconds, JavaScript milliseconds, many a CSV seconds."""
    times = [NOON + 123_456_789, NOON + 5 * MINUTE + 987_654_321]
    rows = predictions(["a", "a"], times)
    said = outcomes(["a", "a"], [1, 0], prediction_time=[time // unit * unit for time in times])
    state = open_state()
    for table in (rows, said) if first == "predictions" else (said, rows):
        state.send(table)
        state.state.settle()
    assert [(time, actual) for _, time, actual in joined(state)] == [
        (123_456_789, "1"),
        (5 * MINUTE + 987_654_321, "0"),
    ]


@pytest.mark.slow
def test_the_nearest_prediction_takes_what_another_of_the_same_second_had(state: Opened) -> None:
    state.send(predictions(["a"], NOON + 900_000_000), outcomes(["a"], [1], prediction_time=NOON))
    assert joined(state) == [("a", 900_000_000, "1")]
    state.send(predictions(["a"], NOON))
    assert joined(state) == [("a", 0, "1")]


def test_an_outcome_with_a_prediction_time_belongs_to_that_prediction_only(state: Opened) -> None:
    state.send(predictions(["a", "a"], [NOON, NOON + MINUTE]))
    state.send(outcomes(["a"], [1], prediction_time=NOON))
    state.send(outcomes(["a"], [0], prediction_time=NOON + MINUTE // 2))
    assert joined(state) == [("a", 0, "1")]
    assert state.view().pending == 1


def test_an_outcome_before_every_prediction_belongs_to_the_earliest_after_it(state: Opened) -> None:
    state.send(predictions(["a", "a"], [NOON + 2 * MINUTE, NOON + MINUTE]), outcomes(["a"], [1], NOON))
    assert joined(state) == [("a", MINUTE, "1")]


def test_an_outcome_moves_to_a_prediction_that_arrives_late_and_fits_better(state: Opened) -> None:
    state.send(predictions(["a"], NOON, [0.9]), outcomes(["a"], [1], NOON + HOUR))
    assert joined(state) == [("a", 0, "1")]
    state.send(predictions(["a"], NOON + 30 * MINUTE, [0.1]))
    assert joined(state) == [("a", 30 * MINUTE, "1")]
    assert metric(state, "accuracy") == MetricValue(0.0, 1, "panes")


def test_environments_are_apart_unless_the_outcome_names_none(state: Opened) -> None:
    state.send(predictions(["a", "b"], environment="prod"), predictions(["a"], NOON + 1, environment="test"))
    state.send(outcomes(["a"], [1], environment="prod"), outcomes(["b"], [1], environment="test"))
    state.state.join_now()
    assert state.view(environment="prod").outcomes == 1
    assert state.view(environment="test").outcomes == 0
    state.send(outcomes(["b"], [0], environment=None))
    assert state.view(environment="prod").outcomes == 2


@pytest.mark.slow
def test_outcomes_of_a_model_that_never_predicted_are_named(open_state: Open) -> None:
    state = open_state()
    state.send(outcomes(["a"], [1], model="rsik"))
    state.state.settle()
    (hint,) = state.state.publish().hints
    assert re.findall(r"1 outcome|model rsik", hint) == ["1 outcome", "model rsik"]
    state.send(predictions(["a"]), *(outcomes(["b", "c"], [1, 1], model=f"m{place}") for place in range(5)))
    state.state.settle()
    found = open_state().state.publish().hints
    assert re.findall(r"2 outcomes|model m0|churn", found[0]) == ["2 outcomes", "model m0", "churn"]
    assert len(found) == 6
    assert "1 more model" in found[5]
    state = open_state()
    state.send(predictions(["a"], model="rsik"))
    state.state.settle()
    assert not any("rsik," in hint for hint in state.state.publish().hints)


def test_the_version_comes_from_the_prediction(state: Opened) -> None:
    state.send(predictions(["a"], version="1"), predictions(["b"], version="2"), outcomes(["a", "b"], [1, 1]))
    assert [state.view(version=version).outcomes for version in "12"] == [1, 1]


def test_models_are_apart(state: Opened) -> None:
    state.send(predictions(["a"]), outcomes(["a"], [1], model="fraud"))
    assert state.view().outcomes == 0


@pytest.mark.parametrize("actual", [1, slow(1.0), slow("1"), "1.0", slow(True), "true", " 1 "])
def test_one_class_in_any_spelling(state: Opened, actual: object) -> None:
    state.send(predictions(["a"], NOON, [0.9]), outcomes(["a"], [actual]))
    assert metric(state, "accuracy") == MetricValue(1.0, 1, "panes")


def test_an_actual_that_is_no_class_is_counted_and_its_neighbours_are_kept(state: Opened) -> None:
    state.send(predictions(["a", "b", "c"]), outcomes(["a", "b", "c"], [2, 1, "maybe"]))
    view = state.view()
    assert (view.outcomes, view.pending) == (1, 0)
    assert state.counted("unknown_class") == 2
    assert state.rows("SELECT count(*) FROM outcomes") == [(3,)]  # as they came
    assert (
        lacking(
            view.hints[-1], "2 outcomes", "classes 0", "driftline.Model('churn'", "classes=", "models.churn.classes"
        )
        == []
    )


@pytest.mark.slow
def test_outcomes_that_cannot_be_used_are_remembered_after_a_restart(open_state: Open) -> None:
    state = open_state()
    for name in "ab":
        state.send(predictions([name]), outcomes([name], ["maybe"]))
        state.state.settle()
    said = state.view().hints[-1]
    assert lacking(said, "2 outcomes") == []
    assert open_state().view().hints[-1] == said


@pytest.mark.slow
def test_outcomes_that_were_refused_are_not_held_against_other_classes(open_state: Open) -> None:
    state = open_state()
    state.send(predictions(["a"]), outcomes(["a"], ["maybe"]))
    state.state.settle()
    state = open_state(churn=Model(classes=("no", "maybe"), positive_class="maybe"))
    assert state.view().hints[-1].startswith("No outcomes yet")
    state.send(outcomes(["a"], ["maybe"]))
    assert state.view().outcomes == 1


def test_a_bad_correction_does_not_replace_a_good_outcome(state: Opened) -> None:
    state.send(predictions(["a"]), outcomes(["a"], [1]))
    assert joined(state) == [("a", 0, "1")]
    state.send(outcomes(["a"], ["maybe"], NOON + 2 * HOUR))
    assert joined(state) == [("a", 0, "1")]


def test_a_text_is_no_actual_of_a_regression_unless_it_is_a_number(state: Opened) -> None:
    state.send(predictions(["a", "b", "c"], NOON, [10.0, 20.0, 30.0], task=Task("regression")))
    state.send(outcomes(["a", "b", "c"], [12, "many", "31"]))
    assert metric(state, "mae") == MetricValue(1.5, 2, "panes")
    assert state.counted("not_a_number") == 1


@pytest.mark.slow
def test_classes_that_nobody_declared_are_learned_from_outcomes_too(open_state: Open) -> None:
    state = open_state()
    fruit = Task("multiclass")
    state.send(predictions(["a", "b", "c"], NOON, predicted=["apple", "pear", "apple"], task=fruit))
    state.send(outcomes(["a"], ["apple"]))
    assert metric(state, "accuracy") == MetricValue(1.0, 1, "panes")
    state.send(outcomes(["b", "c"], ["pear", "plum"]))
    assert metric(state, "accuracy") == MetricValue(pytest.approx(2 / 3), 3, "panes")  # type: ignore[arg-type]
    state = open_state()
    assert state.view().task.classes == ("apple", "pear", "plum")
    assert metric(state, "accuracy") == MetricValue(pytest.approx(2 / 3), 3, "panes")  # type: ignore[arg-type]


def test_a_correction_restates_the_pane_as_if_it_had_been_right_at_once(state: Opened) -> None:
    ids = [str(i) for i in range(20)]
    times = [NOON + i * MINUTE for i in range(20)]
    state.send(predictions(ids, times, [i / 20 for i in range(20)]))
    state.send(outcomes(ids, [0] * 20))
    before = metric(state, "brier")
    state.send(outcomes(ids[5:15], [1] * 10, NOON + 2 * HOUR))
    after = metric(state, "brier")
    truth = [1 if 5 <= i < 15 else 0 for i in range(20)]
    assert before.value == pytest.approx(sum((i / 20) ** 2 for i in range(20)) / 20, abs=1e-12)
    assert after.value == pytest.approx(sum((i / 20 - truth[i]) ** 2 for i in range(20)) / 20, abs=1e-12)
    assert (before.rows, after.rows) == (20, 20)


def test_saying_the_same_again_changes_nothing(state: Opened) -> None:
    state.send(predictions(["a"]), outcomes(["a"], [1]))
    heard: list[int] = []
    state.state.on_joined(lambda rows: heard.append(len(rows)))
    state.state.settle()
    state.send(outcomes(["a"], [1], NOON + 2 * HOUR))
    state.state.settle()
    assert heard == [1]
    assert state.rows("SELECT seq FROM joined") == [(1,)]


def test_listeners_hear_what_is_joined_and_corrected(state: Opened) -> None:
    heard: list[tuple[object, ...]] = []
    state.state.on_joined(
        lambda rows: heard.extend((row["id"], row["number"], row["trace_id"]) for row in rows.to_pylist())
    )
    trace = bytes(range(16))
    state.send(predictions(["a"], trace_id=trace), predictions(["b"]), outcomes(["a", "b"], [1, 0]))
    state.state.join_now()
    state.send(outcomes(["b"], [1], NOON + 2 * HOUR))
    state.state.join_now()
    assert sorted(heard, key=str) == [("a", 1.0, trace), ("b", 0.0, None), ("b", 1.0, None)]


def test_weights_of_prediction_and_outcome_multiply(state: Opened) -> None:
    state.send(predictions(["a", "b"], NOON, [0.9, 0.9], weight=[2.0, 1.0]))
    state.send(outcomes(["a", "b"], [1, 0], weight=[3.0, float("nan")]))
    assert metric(state, "accuracy").value == pytest.approx(6 / 7)


def test_a_constant_id_is_matched_by_time_and_does_not_explode(state: Opened) -> None:
    n = 3_000
    times = [NOON + i * 10**9 for i in range(n)]
    state.send(predictions(["x"] * n, times, keyed=False))
    state.send(outcomes(["x"] * n, [i % 2 for i in range(n)], [time + 1 for time in times]))
    assert state.view().outcomes == n


@pytest.mark.parametrize("kind", ["01890a5d-ac96-774b-bcce-b302099a8057", "01890A5D-AC96-774B-BCCE-B302099A8057.17"])
def test_ids_that_carry_their_time_are_looked_for_there(state: Opened, kind: str) -> None:
    made = 0x01890A5DAC96 * 10**6  # July 2023
    state.send(predictions([kind, "other"], [made + MINUTE, made - 30 * DAY]))
    state.send(outcomes([kind], [1], made + DAY))
    assert state.view().outcomes == 1


@pytest.mark.slow
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_ids_of_few_of_the_hours_that_are_kept_are_looked_for_between_their_texts(
    state: Opened, clock: Clock, spell: Callable[[str], str]
) -> None:
    ids = [spell(f"{(NOON + at * HOUR) // 10**6:012x}"[:8] + f"-{at:04x}-7abc-8def-0123456789ab") for at in range(40)]
    for at, one in enumerate(ids):
        clock.now = NOON + at * HOUR
        state.send(predictions([one], clock.now))
    state.send(outcomes([ids[2], ids[30]], ["1", "0"], clock.now))
    assert joined(state) == [(ids[2], 2 * HOUR, "1"), (ids[30], 30 * HOUR, "0")]


def test_a_step_tells_whether_more_waits(state: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says no after all that had come, so that the next one waits for a batch."""
    monkeypatch.setattr(candidates, "MOST", 2)
    for place, name in enumerate("abc"):
        state.send(predictions([name], [NOON + place]))
    state.send(outcomes(["a", "b", "c"], ["1", "0", "1"]))
    state.state.catch_up()
    step = state.state.parts.join.step
    assert [step(), step(), step()] == [True, False, False]
    assert len(joined(state)) == 3


def test_a_step_passes_rows_that_were_deleted_before_it(state: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MOST", 2)
    for place, name in enumerate("abcde"):
        state.send(predictions([name], [NOON + place]))
    state.send(outcomes(list("abcde"), ["1", "0", "1", "0", "1"]))
    state.state.catch_up()
    state.state._store.connect().execute("DELETE FROM predictions WHERE seq IN (2, 3, 4)")
    state.state._store.connect().execute("DELETE FROM outcomes WHERE seq IN (1, 2)")
    step = state.state.parts.join.step
    assert [step(), step(), step(), step()] == [True, True, False, False]
    assert joined(state) == [("e", 4, "1")]


def test_ids_of_the_same_number_are_not_taken_for_one(open_state: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def same(ids: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        return np.full(len(ids), 7, np.uint64)

    for module in (rows, transaction, candidates, pruning):
        monkeypatch.setattr(module, "numbers_of_ids", same)
    state = open_state()
    state.send(predictions(["a", "b", "c"], [NOON, NOON + 1, NOON + 2]), outcomes(["b", "z"], ["1", "0"]))
    state.send(outcomes(["c"], ["0"], prediction_time=NOON + 2))
    assert joined(state) == [("b", 1, "1"), ("c", 2, "0")]


def test_an_id_that_carries_its_time_may_be_of_a_prediction_long_before_it(state: Opened, clock: Clock) -> None:
    clock.now = 0x01890A5DAC96 * 10**6
    state.send(predictions(["01890a5d-ac96-774b-bcce-b302099a8057"], clock.now - 300 * DAY))  # a backfill
    state.send(outcomes(["01890a5d-ac96-774b-bcce-b302099a8057"], [1], clock.now - 299 * DAY))
    assert state.view().outcomes == 1


def test_the_join_can_be_done_again_after_a_crash_between_any_two_commits(state: Opened) -> None:
    for table in story("churn"):
        state.send(table)
    first = joined(state)
    connection = state.state._store.connect()
    connection.execute("UPDATE meta SET value = 0 WHERE name IN ('joined_outcomes', 'joined_predictions')")
    connection.close()
    assert joined(state) == first
    assert metric(state, "accuracy").rows == 3


def test_a_correction_of_what_was_rolled_up_restates_it(open_state: Open, clock: Clock) -> None:
    state = open_state(retention=timedelta(days=365))
    state.send(predictions(["a", "b", "c"], [NOON, NOON + 10 * MINUTE, NOON + DAY], [0.9, 0.9, 0.9]))
    state.send(outcomes(["a", "b", "c"], [1, 1, 1]))
    state.state.settle()
    later = [NOON + 100 * DAY + i for i in range(2_000)]
    clock.now = later[-1]
    state.send(predictions([""] * 2_000, later))
    state.state.settle()
    state.state.tidy_now()
    assert state.rows("SELECT DISTINCT span FROM sums WHERE part = 'confusion'") == [(DAY,)]
    state.send(outcomes(["b"], [0], NOON + 2 * DAY))
    first, second = [e for e in state.view().windows["1d"] if e.window.start < NOON + 2 * DAY]
    assert (first.realized["accuracy"].value, first.realized["accuracy"].rows) == (0.5, 2)
    assert (second.realized["accuracy"].value, second.realized["accuracy"].rows) == (1.0, 1)
    assert first.coverage == 1.0


@pytest.mark.slow
def test_a_correction_is_refused_once_rows_of_its_pane_have_expired(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"], NOON), outcomes(["a"], [1], NOON + HOUR))
    state.state.settle()
    clock.now += 80 * DAY
    state.send(predictions(["b"], NOON + 1), outcomes(["b"], [1], NOON + HOUR))
    state.state.settle()
    clock.now += 20 * DAY  # "a" arrived 100 days ago, "b" 20
    state.state.tidy_now()
    state.send(outcomes(["b"], [0], NOON + 2 * HOUR))
    assert metric(state, "accuracy").rows == 2
    assert state.counted("expired") == 1
    assert state.rows("SELECT id FROM predictions") == [("b",)]


def test_an_outcome_that_nobody_claims_expires(state: Opened, clock: Clock) -> None:
    state.send(predictions(["z"]), outcomes(["a"], [1]))
    state.state.settle()
    clock.now += 91 * DAY
    state.state.tidy_now()
    assert state.counted("expired") == 1
    assert state.rows("SELECT count(*) FROM outcomes") == [(0,)]


def test_the_configured_positive_class_wins(open_state: Open) -> None:
    state = open_state(churn=Model(classes=("0", "1"), positive_class="0"))
    state.send(predictions(["a"], NOON, [0.9]), outcomes(["a"], [0]))
    assert metric(state, "brier").value == pytest.approx(0.01)
    assert lacking(state.view().hints[-1], "class 1", "driftline.yaml", "sets 0") == []


@pytest.mark.slow
def test_every_version_that_scored_an_id_gets_its_outcome(state: Opened) -> None:
    for version, score in (("champion", 0.9), ("challenger", 0.2), ("shadow", 0.6)):
        state.send(predictions(["a", version], NOON, [score, 0.5], version=version))
    state.send(outcomes(["a"], [1]))
    accuracy = [state.view(version=version).windows["1d"][-1].realized["accuracy"].value for version in VERSIONS]
    assert accuracy == [1.0, 0.0, 1.0]
    assert [state.view(version=version).pending for version in VERSIONS] == [0, 0, 0]
    state.send(predictions(["a"], NOON + 1, [0.1], version="canary"))
    assert state.view(version="canary").outcomes == 1
    state.send(outcomes(["a"], [0], NOON + 2 * HOUR))
    accuracy = [state.view(version=version).windows["1d"][-1].realized["accuracy"].value for version in VERSIONS]
    assert accuracy == [0.0, 1.0, 0.0]


VERSIONS = ("champion", "challenger", "shadow")


@pytest.mark.slow
def test_an_outcome_that_only_one_version_can_use_counts_there(state: Opened) -> None:
    for version, classes in (("1", ("0", "1")), ("2", ("0", "2"))):
        state.send(predictions(["a"], version=version, task=Task("binary", classes, "0")))
    state.send(outcomes(["a"], [2]))
    assert [state.view(version=version).outcomes for version in "12"] == [0, 1]
    assert state.counted("unknown_class") == 1
    state.send(predictions(["a"], NOON + 1, version="2", task=Task("binary", ("0", "2"), "0")))
    assert [state.view(version=version).outcomes for version in "12"] == [0, 1]
    assert state.counted("unknown_class") == 1


def test_an_outcome_of_the_day_before_belongs_to_the_earliest_prediction_of_the_next_day_only(state: Opened) -> None:
    state.send(outcomes(["a", "b"], [1, 1], NOON))
    state.send(predictions(["b"], NOON + DAY + 1), predictions(["a", "a"], [NOON + DAY, NOON + DAY - HOUR]))
    assert joined(state) == [("a", DAY - HOUR, "1")]
    assert state.view().pending == 1


@pytest.mark.slow
def test_the_order_does_not_matter_however_far_apart_the_predictions_are(state: Opened) -> None:
    state.send(predictions(["a"], NOON + 20 * HOUR), outcomes(["a"], [1], NOON))
    assert joined(state) == [("a", 20 * HOUR, "1")]
    state.send(predictions(["a"], NOON + 10 * HOUR))
    assert joined(state) == [("a", 10 * HOUR, "1")]
    state.send(predictions(["a"], NOON - 30 * DAY))
    assert joined(state) == [("a", -30 * DAY, "1")]


@pytest.mark.slow
def test_saying_the_same_later_still_has_the_last_word(state: Opened) -> None:
    state.send(predictions(["a"]), outcomes(["a"], [1], NOON + HOUR))
    state.state.settle()
    state.send(outcomes(["a"], [1], NOON + 3 * HOUR))
    state.state.settle()
    state.send(outcomes(["a"], [0], NOON + 2 * HOUR))
    assert joined(state) == [("a", 0, "1")]
    assert state.rows("SELECT seq, outcome_time FROM joined") == [(1, NOON + 3 * HOUR)]


@pytest.mark.slow
def test_what_an_outcome_was_worth_and_its_slices_are_joined_and_corrected(open_state: Open) -> None:
    state = open_state(churn=Model(slices=("country", "plan")))
    state.send(predictions(["a", "b"], slices={"country": ["NL", "DE"], "plan": ["x", "x"]}))
    state.send(
        outcomes(["a", "b"], [1, 1], value=[2.5, float("nan")], slices={"gender": ["f", None], "plan": ["y", None]})
    )
    both = "SELECT value, slices::VARCHAR FROM joined ORDER BY prediction"
    state.state.settle()
    assert state.rows(both) == [(2.5, "{country=NL, plan=y, gender=f}"), (None, "{country=DE, plan=x}")]
    state.send(outcomes(["a"], [1], NOON + 2 * HOUR, value=[3.5], slices={"gender": ["f"], "plan": ["y"]}))
    state.send(outcomes(["b"], [1], NOON + 2 * HOUR, slices={"gender": ["m"]}))
    state.state.settle()
    assert state.rows(both) == [(3.5, "{country=NL, plan=y, gender=f}"), (None, "{country=DE, plan=x, gender=m}")]
    assert state.rows("SELECT seq FROM joined ORDER BY seq") == [(3,), (4,)]  # corrected, so restated
