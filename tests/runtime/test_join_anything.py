"""Whatever comes, in whatever order and however often, what is joined and what is summed is what a few lines say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from driftline.fold import fold_outcomes
from driftline_processor.runtime.panes import part_width, performance_fold, read_window
from driftline_processor.runtime.state import State
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .state_rows import BINARY, MINUTE, NOON, Clock, Opened, column, config, outcomes, predictions


class Made(NamedTuple):
    """A prediction: id, minutes after noon, score."""

    id: str
    at: int
    score: float


class Known(NamedTuple):
    """An outcome: id, minutes after noon, actual, and the minute of its prediction or None."""

    id: str
    at: int
    actual: int
    of: int | None


IDS = st.sampled_from(["a", "b"])
MINUTES = st.integers(0, 12)
EVENTS = st.one_of(
    st.builds(Made, IDS, MINUTES, st.sampled_from([0.2, 0.7])),
    st.builds(Known, IDS, MINUTES, st.integers(0, 2), st.one_of(st.none(), MINUTES)),
)
"""An actual of 2 is no class of the model."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    opened = State(config(tmp_path_factory.mktemp("state")), clock=Clock())
    opened.start()
    yield Opened(opened)
    opened.stop()


@given(st.lists(st.lists(EVENTS, min_size=1, max_size=4), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_join_is_what_a_join_of_everything_at_once_would_be(state: Opened, story: list[list[Made | Known]]) -> None:
    model = f"model {len(state.state.keys())}"
    made: dict[tuple[str, int], float] = {}
    known: list[Known] = []
    state.send(predictions(["first"], NOON, model=model))
    for request in story:
        for event in request:  # one table each: rows of one request arrive in their order
            if isinstance(event, Made):
                made.setdefault((event.id, event.at), event.score)  # the same id and time again is the same row
                state.send(predictions([event.id], NOON + event.at * MINUTE, [event.score], model=model))
            else:
                known.append(event)
                state.send(
                    outcomes(
                        [event.id],
                        [event.actual],
                        NOON + event.at * MINUTE,
                        model=model,
                        prediction_time=0 if event.of is None else NOON + event.of * MINUTE,
                    )
                )
        state.state.join_now()

    expected = join(list(made), known)
    number = next(number for number, key in state.state.keys().items() if key.model == model)
    found = state.state.read(
        "SELECT p.id, p.time, j.number FROM joined j JOIN predictions p ON p.seq = j.prediction WHERE j.series = ?",
        number,
    ).to_pylist()
    assert {(row["id"], (row["time"] - NOON) // MINUTE): int(row["number"]) for row in found} == expected
    assert len(found) == len(expected)

    fold = performance_fold(BINARY)
    connection = state.state._store.connect()
    summed = read_window(connection, number, 0, 2**62, lambda _, part: part_width(part, None, BINARY)).get(fold)
    connection.close()
    keys = list(expected)
    if not keys:
        assert summed is None
        return
    whole = fold_outcomes(
        BINARY,
        predictions(["x"] * len(keys), scores=[made[key] for key in keys]).scores,
        None,
        column([expected[key] for key in keys]),
    )
    assert summed is not None
    for part, sums in whole.parts.items():
        assert summed.parts.get(part, sums * 0) == pytest.approx(sums, abs=1e-12)


def join(made: list[tuple[str, int]], known: list[Known]) -> dict[tuple[str, int], int]:
    """Join in the plainest way: each outcome finds its prediction, the last outcome of a prediction counts."""
    last: dict[tuple[str, int], tuple[int, int, int]] = {}
    for arrival, outcome in enumerate(known):
        times = sorted(at for id, at in made if id == outcome.id)
        if outcome.of is not None:
            at = outcome.of if outcome.of in times else None
        else:
            before = [at for at in times if at <= outcome.at]
            at = before[-1] if before else times[0] if times else None
        if at is not None and outcome.actual < 2:
            key = (outcome.id, at)
            last[key] = max(last.get(key, (-1, -1, -1)), (outcome.at, arrival, outcome.actual))
    return {key: actual for key, (_, _, actual) in last.items()}
