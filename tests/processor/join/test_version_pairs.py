"""What two versions' predictions of one request add up to is what joined rows say, whatever came in whatever order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from driftline_processor.core.versions.losses import fold_pairs, row_losses
from driftline_processor.join.version_pairs import PAIR, pair_fold
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.state import State
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.join_histories import NAN, Key, OutcomeEvent, PredictionEvent, Story, join
from tests.support.state_fixtures import Open
from tests.support.state_rows import (
    BINARY,
    DAY,
    HOUR,
    MINUTE,
    NOON,
    Clock,
    Opened,
    column,
    config,
    outcomes,
    predictions,
)

PREDICTION_EVENTS = st.builds(
    PredictionEvent,
    st.sampled_from(["a", "b"]),
    st.sampled_from([0, 2, 8]),
    st.sampled_from([0.2, 0.7]),
    st.sampled_from(["1", "2"]),
    st.just(""),
)
OUTCOME_EVENTS = st.builds(
    OutcomeEvent,
    st.sampled_from(["a", "b"]),
    st.integers(1, 12),
    st.sampled_from([0, 1, 1, None]),
    st.sampled_from([None, None, 0, 2]),
    st.just(None),
    st.just(1.0),
    st.just(""),
    st.just(NAN),
)
REQUESTS = st.lists(st.one_of(OUTCOME_EVENTS, OUTCOME_EVENTS, PREDICTION_EVENTS), min_size=1, max_size=4)
FIRST: list[PredictionEvent | OutcomeEvent] = [
    PredictionEvent(id, 0, 0.7, version, "") for id in "ab" for version in "12"
]
STORIES = st.builds(
    lambda story, at: [*story[:at], FIRST, *story[at:]], st.lists(REQUESTS, min_size=2, max_size=5), st.integers(0, 2)
)
PARTS = (
    "SELECT part, idx, fsum(value) AS value FROM sums WHERE series = ? AND fold = ? AND starts_with(part, 'paired:')"
    " GROUP BY ALL"
)
BOTH = [predictions(["a", "b", "c"], NOON, [0.9, 0.2, 0.8], version=version) for version in ("1", "2")]


def sums(state: Opened, first: int = 1, second: int = 2) -> dict[str, list[float]]:
    """The sums of a pair, seven of each loss."""
    found: dict[str, list[float]] = {}
    for part, index, value in state.rows(PARTS, first, pair_fold(second)):
        found.setdefault(str(part), [0.0] * 7)[int(str(index))] = float(str(value))
    return {part: values for part, values in found.items() if any(abs(value) > 1e-12 for value in values)}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    opened = State(config(tmp_path_factory.mktemp("state")), clock=Clock(NOON + 10 * DAY))
    opened.start()
    known = Opened(opened)
    yield known
    known.leave()


@pytest.mark.slow
@given(STORIES)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pairs_are_what_all_of_it_at_once_would_be(state: Opened, story: Story) -> None:
    model = f"model {len(state.state.parts.intake.series.by_number())}"
    for version in ("1", "2"):
        state.send(predictions(["first"], NOON, model=model, version=version))
    for request in story:
        state.send(*(event.table(model) for event in request))
        state.state.join_now()
    check(state, model, [event for request in story for event in request])


@pytest.mark.slow
@given(STORIES)
@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stopping_and_starting_changes_nothing(tmp_path: Path, story: Story) -> None:
    directory = tmp_path / str(len(list(tmp_path.iterdir())))
    for request in story:
        opened = State(config(directory), clock=Clock(NOON + 10 * DAY))
        opened.start()
        Opened(opened).send(*(event.table("model") for event in request))
        opened.stop()
    opened = State(config(directory), clock=Clock(NOON + 10 * DAY))
    check(Opened(opened), "model", [event for request in story for event in request])
    opened.stop()


def check(state: Opened, model: str, events: Sequence[PredictionEvent | OutcomeEvent]) -> None:
    """Every sum of every pair is made from all that was sent."""
    made: dict[Key, float] = {}
    for event in events:
        if isinstance(event, PredictionEvent):
            made.setdefault((event.environment, event.version, event.id, event.at), event.score)
    known = join(list(made), [event for event in events if isinstance(event, OutcomeEvent)])
    numbers = {
        (one.key.environment, one.key.version): one.number
        for one in state.state.parts.intake.series
        if one.key.model == model
    }
    for environment in ("", "test"):
        if not {(environment, "1"), (environment, "2")} <= numbers.keys():
            continue
        one, other = ([key for key in known if key[:2] == (environment, version)] for version in ("1", "2"))
        pairs = [(a, b) for a in one for b in other if a[2] == b[2] and known[a].at == known[b].at]
        first, second = numbers[environment, "1"], numbers[environment, "2"]
        if second < first:
            pairs, first, second = [(b, a) for a, b in pairs], second, first
        expected: dict[str, object] = {}
        if pairs:
            actual = column([int(known[a].actual or 0) for a, _ in pairs])
            losses = [
                row_losses(BINARY, np.array([[made[pair[side]]] for pair in pairs]), None, actual) for side in (0, 1)
            ]
            group = np.zeros(len(pairs), np.int64)
            summed = fold_pairs(losses[0], losses[1], np.ones(len(pairs)), group, 1)
            expected = {part: pytest.approx(values[0].tolist(), abs=1e-12) for part, values in summed.items()}
        assert sums(state, first, second) == expected


def test_a_shadow_meets_its_champion_when_the_outcome_comes(open_state: Open) -> None:
    state = open_state()
    state.send(*BOTH)
    state.state.join_now()
    assert sums(state) == {}
    state.send(outcomes(["a", "b"], [1, 1]))
    state.state.join_now()
    assert sums(state)["paired:error"] == [2, 2, 2, 1, 1, 0, 0]


@pytest.mark.slow
def test_a_shadow_that_comes_after_the_outcome_meets_its_champion_too(open_state: Open) -> None:
    state = open_state()
    state.send(BOTH[0], outcomes(["a", "b", "c"], [1, 1, 1]))
    state.state.join_now()
    state = open_state()
    state.send(BOTH[1])
    state.state.join_now()
    assert sums(state)["paired:error"] == [3, 3, 3, 1, 1, 0, 0]


@pytest.mark.slow
def test_what_is_corrected_or_taken_back_is_corrected_in_the_sums(open_state: Open) -> None:
    state = open_state()
    state.send(*BOTH, outcomes(["a", "b", "c"], [1, 1, 1]))
    state.state.join_now()
    state.send(outcomes(["a"], [0], NOON + 2 * HOUR))
    state.state.join_now()
    assert sums(state)["paired:error"][:5] == [3, 3, 3, 2, 2]
    state.send(outcomes(["a", "c"], [None, None], NOON + 3 * HOUR, retracted=True))
    state.state.join_now()
    assert sums(state)["paired:error"][:5] == [1, 1, 1, 1, 1]


@pytest.mark.slow
def test_the_same_outcome_again_does_not_part_a_pair(open_state: Open) -> None:
    state = open_state()
    state.send(BOTH[0], outcomes(["a"], [1]))
    state.state.join_now()
    state.send(outcomes(["a"], [1]))
    state.state.join_now()
    state.send(BOTH[1])
    state.state.join_now()
    assert sums(state)["paired:error"][0] == 1


def test_versions_of_other_environments_and_models_are_no_pair(open_state: Open) -> None:
    state = open_state()
    state.send(
        predictions(["a"], version="1"),
        predictions(["a"], version="2", environment="test"),
        predictions(["a"], version="3", model="other"),
        outcomes(["a"], [1]),
        outcomes(["a"], [1], model="other"),
    )
    state.state.join_now()
    assert state.rows(f"SELECT * FROM panes WHERE fold LIKE '{PAIR}%'") == []
    assert len(state.rows("SELECT * FROM joined")) == 3


def test_pairs_of_many_panes_are_kept_pane_by_pane(open_state: Open) -> None:
    state = open_state()
    times = [NOON + minute * MINUTE for minute in range(30)]
    ids = [f"{minute}" for minute in range(30)]
    for version, score in (("1", 0.9), ("2", 0.1)):
        state.send(predictions(ids, times, [score] * 30, version=version))
    state.send(outcomes(ids, [1] * 30))
    state.state.join_now()
    found = state.rows(
        f"SELECT (pane - {NOON})::BIGINT, sum(value)::INTEGER FROM sums WHERE part = 'paired:error' AND idx = 0"
        " GROUP BY pane ORDER BY pane"
    )
    assert found == [(minute * MINUTE, 5) for minute in range(0, 30, 5)]
    assert sums(state)["paired:error"] == [30, 30, 30, 0, 30, 30, 30]


@pytest.mark.slow
def test_what_is_deleted_for_good_leaves_the_sums_too(open_state: Open) -> None:
    state = open_state()
    state.send(*BOTH, outcomes(["a", "b", "c"], [1, 1, 1]))
    state.state.settle()
    assert state.view().versions[0].pairs == 3
    state.state.erase(ErasureOrder("churn", "id", ("b",)))
    assert sums(state)["paired:error"][:5] == [2, 2, 2, 0, 0]
    assert state.view().versions[0].pairs == 2
