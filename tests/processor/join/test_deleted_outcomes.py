"""When an outcome is deleted, the last of those that are left of its prediction counts again, as that one was said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from driftline.tables.table import ModelKey, OutcomeTable, PredictionTable
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Fairness, Performance
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.state import State
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.join_histories import OUTCOME_EVENTS, PREDICTION_EVENTS, OutcomeEvent, PredictionEvent, check
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, column, config, outcomes, predictions

DAILY = Model(windows=("1d",), subject="customer", slices=("region",))
ANNA = ErasureOrder("churn", "subject", ("anna",))
COUNTS = "SELECT number::INTEGER AS actual, weight, value, slices['region'] AS region FROM joined"


def about(customer: str, told: OutcomeTable) -> OutcomeTable:
    return replace(told, slices={**told.slices, "customer": column([customer])})


def story() -> list[OutcomeTable]:
    """What Bob said, then Anna, of the same prediction."""
    bob = outcomes(["a"], [1], NOON + HOUR, weight=[20.0], value=[3.0], slices={"region": ["n"]})
    anna = outcomes(["a"], [0], NOON + 2 * HOUR, weight=[5.0], value=[9.0], slices={"region": ["s"]})
    return [about("bob", bob), about("anna", anna)]


@pytest.mark.slow
def test_the_outcome_before_the_one_that_is_deleted_counts_again(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY, other=DAILY)
    for model in ("churn", "other"):
        state.send(predictions(["a", "b"], NOON, [0.9, 0.9], model=model))
        for told in [story()[0], outcomes(["b"], [0])]:
            state.send(replace(told, model=model))
    state.state.settle()
    state.send(story()[1])
    clock.now += 3 * DAY
    (wrong,) = state.view().windows["1d"]
    assert wrong.realized["accuracy"].value == 0

    state.state.erase(ANNA)
    assert state.rows(f"{COUNTS} WHERE weight > 1 AND series = 1") == [(1, 20.0, 3.0, "n")]
    (found,), (never) = state.view().windows["1d"], state.view("other").windows["1d"][0]
    assert found.realized == never.realized
    assert found.performance_slices == never.performance_slices
    assert (found.realized["accuracy"].value, list(found.performance_slices)) == (20 / 21, ["region=n"])
    assert [one.belongs_to[0].counts for one in state.state.queries.history.outcomes("churn", "a")] == [True]
    (stored,) = state.state.queries.history.evaluations(ModelKey("churn", "1"), "1d", clock.now + HOUR, 9)
    assert stored.evaluation.realized["accuracy"].value == 20 / 21
    state = open_state(churn=DAILY, other=DAILY)
    assert state.view().windows["1d"][0].realized == never.realized
    assert state.view().outcomes == 2


def test_what_a_correction_has_from_an_outcome_goes_with_it(open_state: Open) -> None:
    state = open_state(churn=DAILY)
    state.send(predictions(["a"]), story()[1], outcomes(["a"], [1], NOON + 3 * HOUR))
    state.state.settle()
    assert state.rows(COUNTS) == [(1, 5.0, 9.0, "s")]
    state.state.erase(ANNA)
    assert state.rows(COUNTS) == [(1, 1.0, None, None)]


@pytest.mark.slow
def test_what_was_taken_back_by_a_retraction_that_is_deleted_counts_again(open_state: Open) -> None:
    state = open_state(churn=DAILY)
    taken_back = about("anna", outcomes(["a"], [None], NOON + 3 * HOUR, retracted=True))
    state.send(predictions(["a"]), story()[0], taken_back)
    state.state.settle()
    assert state.rows(COUNTS) == []
    state.state.erase(ANNA)
    assert state.rows(COUNTS) == [(1, 20.0, 3.0, "n")]
    assert state.rows("SELECT * FROM retractions") == []
    assert (state.view().outcomes, state.view().windows["1d"][0].outcome_rows) == (1, 1)


@pytest.mark.slow
def test_where_rows_of_the_pane_have_expired_its_sums_stay_and_no_outcome_counts_twice(
    open_state: Open, clock: Clock
) -> None:
    state = open_state(churn=DAILY, retention=timedelta(days=30))
    state.send(predictions(["old"]), outcomes(["old"], [1]))
    state.state.settle()
    clock.now += 20 * DAY
    state.send(predictions(["a"], NOON), *story())
    state.state.settle()
    clock.now += 15 * DAY
    state.state.tidy_now()
    state.state.erase(ANNA)
    assert state.rows(COUNTS) == []
    assert state.view().windows["1d"][0].outcome_rows == 2
    assert state.counted("expired") == 0


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    sliced = Model(
        windows=("1w",), subject="customer", performance=Performance(fairness=Fairness(attributes=("gender",)))
    )
    models = {f"model {number}": sliced for number in range(100)}
    opened = State(config(tmp_path_factory.mktemp("state"), timedelta(days=90), **models), clock=Clock(NOON + 10 * DAY))
    opened.start()
    opened._store.rewrite = lambda: None  # type: ignore[method-assign] # what leaves the disk is tested elsewhere
    known = Opened(opened)
    yield known
    known.leave()


@pytest.mark.slow
@given(
    st.lists(
        st.lists(st.one_of(PREDICTION_EVENTS, st.tuples(OUTCOME_EVENTS, st.booleans())), min_size=1, max_size=6),
        max_size=4,
    )
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_left_is_what_a_join_of_the_outcomes_that_are_left_would_be(
    state: Opened, requests: list[list[PredictionEvent | tuple[OutcomeEvent, bool]]]
) -> None:
    model = f"model {len(state.state.parts.intake.series.by_number())}"
    state.send(predictions(["first"], NOON, model=model))
    left: list[PredictionEvent | OutcomeEvent] = []
    for request in requests:
        tables: list[PredictionTable | OutcomeTable] = []
        for event in request:
            if isinstance(event, PredictionEvent):
                tables.append(event.table(model))
                left.append(event)
            else:
                known, hers = event
                tables.append(about("anna" if hers else "bob", known.table(model)))
                left += [] if hers else [known]
        state.send(*tables)
        state.state.join_now()
    state.state.erase(ErasureOrder(model, "subject", ("anna",)))
    check(state, model, left)
