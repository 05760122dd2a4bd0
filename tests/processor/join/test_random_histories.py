"""Whatever comes, in whatever order and however often, what is joined and what is summed is what a few lines say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from driftline.tables.table import Column
from driftline_processor.evaluation.files.outcome_join import join_outcomes
from driftline_processor.readers.outcomes.files import read_file_outcomes
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.table_source import TableSource
from driftline_processor.state import State
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.join_histories import (
    NAN,
    OUTCOME_EVENTS,
    PREDICTION_EVENTS,
    SAMPLED,
    SLICED,
    OutcomeEvent,
    PredictionEvent,
    Story,
    check,
    join,
)
from tests.support.state_rows import BINARY, DAY, MINUTE, NOON, Clock, Opened, config, predictions

REQUESTS = st.lists(st.one_of(PREDICTION_EVENTS, OUTCOME_EVENTS), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    models = {f"model {number}": SLICED if number % 2 else SAMPLED for number in range(500)}
    opened = State(config(tmp_path_factory.mktemp("state"), timedelta(days=90), **models), clock=Clock(NOON + 10 * DAY))
    opened.start()
    known = Opened(opened)
    yield known
    known.leave()


@pytest.mark.slow
@given(st.lists(REQUESTS, min_size=1, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_join_is_what_a_join_of_everything_at_once_would_be(state: Opened, story: Story) -> None:
    model = f"model {len(state.state.parts.intake.series.by_number())}"
    state.send(predictions(["first"], NOON, model=model))
    for request in story:
        state.send(*(event.table(model) for event in request))
        state.state.join_now()
    sampled = int(model.split()[1]) % 2 == 0
    check(state, model, [event for request in story for event in request], sampled)


@pytest.mark.slow
def test_a_correction_may_be_the_first_outcome_that_names_a_slice(state: Opened) -> None:
    model = "model 1"
    state.send(predictions(["first"], NOON, model=model))
    story: Story = [
        [PredictionEvent("a", 0, 0.2, "1", ""), OutcomeEvent("a", 6, 0, None, "", NAN, "", NAN)],
        [OutcomeEvent("a", 6, 1, None, "", 1.0, "m", NAN)],
    ]
    for request in story:
        state.send(*(event.table(model) for event in request))
        state.state.join_now()
    check(state, model, [event for request in story for event in request])


@pytest.mark.slow
@given(st.lists(REQUESTS, min_size=3, max_size=5))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stopping_and_starting_changes_nothing(tmp_path: Path, story: Story) -> None:
    directory = tmp_path / str(len(list(tmp_path.iterdir())))
    for request in story:
        opened = State(config(directory, model=SLICED), clock=Clock(NOON + 10 * DAY))
        opened.start()
        Opened(opened).send(*(event.table("model") for event in request))
        opened.stop()
    opened = State(config(directory, model=SLICED), clock=Clock(NOON + 10 * DAY))
    check(Opened(opened), "model", [event for request in story for event in request])
    opened.stop()


@pytest.mark.slow
@given(st.lists(st.one_of(PREDICTION_EVENTS, OUTCOME_EVENTS), max_size=16), st.booleans())
@example([OutcomeEvent("a", 0, None, None, None, NAN, "")], False)
@settings(max_examples=200, deadline=None)
def test_a_file_of_outcomes_says_the_same_as_the_live_join(
    events: list[PredictionEvent | OutcomeEvent], sampled: bool
) -> None:
    """The definition :func:`join` is that of the live join, too; files have no environments."""
    made = list(dict.fromkeys(event[4:2:-1] + event[:2] for event in events if isinstance(event, PredictionEvent)))
    made = [key for key in made if not key[0]]
    known = [event for event in events if isinstance(event, OutcomeEvent) and event.environment in (None, "")]
    expected = join(made, known, sampled)
    columns = {
        "id": [one.id for one in known],
        "actual": pa.array([one.actual for one in known], pa.int64()),
        "time": [NOON + one.at * MINUTE for one in known],
        "prediction_time": pa.array([None if one.of is None else NOON + one.of * MINUTE for one in known], pa.int64()),
        "weight": [one.weight for one in known],
        "value": [one.value for one in known],
        "retracted": [one.actual is None for one in known],
        "slice.gender": [one.gender or None for one in known],
    }
    if not known:
        return
    truth = TableSource(Path("outcomes.parquet"), pa.table(columns), lambda _: None)
    outcomes = read_file_outcomes(truth, BINARY, lambda _: None)
    for version in "12":
        mine = [key for key in made if key[1] == version]
        rows = TableSource(Path("rows.parquet"), pa.table({"id": pa.array([key[2] for key in mine])}), lambda _: None)
        read = FileRows(rows, time=np.array([NOON + key[3] * MINUTE for key in mine], np.int64))
        (found,), (weight,), _, _ = join_outcomes(outcomes, [read], "id", lambda _: None, sampled)
        assert found.actual is not None
        assert weight is not None
        assert found.value is not None
        genders = class_texts(found.outcome_slices.get("gender"), len(mine))
        actual = np.full(len(mine), NAN) if found.actual.numbers is None else found.actual.numbers
        for row, key in enumerate(mine):
            one = expected.get(key)
            if one is None:
                assert np.isnan(actual[row])
                continue
            said = actual[row], weight[row], found.value[row]
            assert said == pytest.approx((one.actual, one.weight, one.value), nan_ok=True)
            assert genders[row] == one.gender


def class_texts(values: Column | None, n: int) -> list[str]:
    """The text of each row, "" where it has none."""
    if values is None or values.codes is None:
        return [""] * n
    return [*(("", *values.categories)[code + 1] for code in values.codes.tolist())]
