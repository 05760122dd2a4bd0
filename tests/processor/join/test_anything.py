"""Whatever comes, in whatever order and however often, what is joined and what is summed is what a few lines say."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import Column, OutcomeTable, PredictionTable
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Fairness, Performance
from driftline_processor.core.labels.delay import BOUNDS
from driftline_processor.evaluation.files.outcome_join import join_outcomes
from driftline_processor.readers.outcomes.files import read_file_outcomes
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.sources import TableSource
from driftline_processor.state import State
from driftline_processor.store.panes import SLICED as SLICED_PANES
from driftline_processor.store.panes import part_width, performance_fold, read_window
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.state_rows import BINARY, DAY, MINUTE, NOON, Clock, Opened, column, config, outcomes, predictions

SLICED = Model(windows=("1w",), performance=Performance(fairness=Fairness(attributes=("gender",))))
SAMPLED = Model(windows=("1w",), performance=Performance(fairness=Fairness(attributes=("gender",)), outcomes="sampled"))


NAN = float("nan")


class Made(NamedTuple):
    """A prediction: id, minutes after noon, score, version and environment."""

    id: str
    at: int
    score: float
    version: str
    environment: str

    def table(self, model: str) -> PredictionTable:
        key = {"model": model, "version": self.version, "environment": self.environment}
        return predictions([self.id], NOON + self.at * MINUTE, [self.score], **key)  # type: ignore[arg-type]


class Known(NamedTuple):
    """An outcome: id, minutes after noon, actual (None takes back), minute of its prediction or None, environment.

    ``gender``: of whom it is about, which no prediction says. NaN and "" are not said.
    """

    id: str
    at: int
    actual: int | None
    of: int | None
    environment: str | None
    value: float
    gender: str
    weight: float = NAN

    def table(self, model: str) -> OutcomeTable:
        return outcomes(
            [self.id],
            [self.actual],
            NOON + self.at * MINUTE,
            model=model,
            environment=self.environment,
            prediction_time=0 if self.of is None else NOON + self.of * MINUTE,
            value=[self.value],
            weight=[self.weight],
            retracted=self.actual is None,
            slices={"gender": [self.gender]} if self.gender else {},
        )


FIELDS = ("value", "gender", "weight")
IDS = st.sampled_from(["a", "b"])
MINUTES = st.sampled_from([*range(8), 1_441, 1_443, 1_446, 5_000])
"""A day has 1,440 minutes."""
ENVIRONMENTS = ["", "", "", "test"]
MADE = st.builds(
    Made, IDS, MINUTES, st.sampled_from([0.2, 0.7]), st.sampled_from(["1", "1", "2"]), st.sampled_from(ENVIRONMENTS)
)
KNOWN = st.builds(
    Known,
    IDS,
    MINUTES,
    st.sampled_from([0, 1, 1, 2, None]),  # 2 is no class of the model
    st.one_of(st.none(), st.none(), MINUTES),
    st.sampled_from([None, *ENVIRONMENTS]),
    st.sampled_from([NAN, 1.0, 2.0]),
    st.sampled_from(["", "f", "m"]),
    st.sampled_from([NAN, 2.0, 3.0]),
)
REQUESTS = st.lists(st.one_of(MADE, KNOWN), min_size=1, max_size=5)
Story = list[list[Made | Known]]
Key = tuple[str, str, str, int]
"""A prediction: environment, version, id, minute."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    models = {f"model {number}": SLICED if number % 2 else SAMPLED for number in range(500)}
    opened = State(config(tmp_path_factory.mktemp("state"), timedelta(days=90), **models), clock=Clock(NOON + 10 * DAY))
    opened.start()
    yield Opened(opened)
    opened.stop()


@pytest.mark.slow
@given(st.lists(REQUESTS, min_size=1, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_join_is_what_a_join_of_everything_at_once_would_be(state: Opened, story: Story) -> None:
    model = f"model {len(state.state.keys())}"
    state.send(predictions(["first"], NOON, model=model))
    for request in story:
        state.send(*(event.table(model) for event in request))
        state.state.join_now()
    sampled = int(model.split()[1]) % 2 == 0
    check(state, model, [event for request in story for event in request], sampled)


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


def check(state: Opened, model: str, events: Sequence[Made | Known], sampled: bool = False) -> None:
    """What is joined, and every sum of the panes, is made from all that was sent.

    ``sampled``: what has no weight is none of it.
    """
    made: dict[Key, float] = {}
    for event in events:
        if isinstance(event, Made):  # the same id and time again is the same row
            made.setdefault((event.environment, event.version, event.id, event.at), event.score)
    expected = join(list(made), [event for event in events if isinstance(event, Known)], sampled)

    numbers = {key: number for number, key in state.state.keys().items() if key.model == model}
    rows = state.state.read(
        "SELECT j.series, p.id, p.time, j.number, j.value, j.weight, j.slices['gender'] AS gender"
        " FROM joined j JOIN predictions p ON p.seq = j.prediction"
    ).to_pylist()
    keys = state.state.keys()
    found = {
        (keys[row["series"]].environment, keys[row["series"]].version, row["id"], (row["time"] - NOON) // MINUTE): (
            int(row["number"]),
            row["value"],
            row["weight"],
            row["gender"],
        )
        for row in rows
        if row["series"] in numbers.values()
    }
    assert found == {
        key: (
            known.actual,
            None if np.isnan(known.value) else known.value,
            1.0 if np.isnan(known.weight) else known.weight,
            known.gender or None,
        )
        for key, known in expected.items()
    }
    for key, number in numbers.items():
        mine = {one: known for one, known in expected.items() if one[:2] == (key.environment, key.version)}
        folds: dict[str, list[Key]] = {"": list(mine)}
        check_delays(state, number, [known.at - one[3] for one, known in mine.items()])
        for one, known in mine.items():
            age = known.at - one[3]  # minutes
            cohort = "<1h" if age < 60 else "<1d" if age < 1_440 else "<7d"
            for name in (f"label_age={cohort}", *([f"gender={known.gender}"] if known.gender else [])):
                folds.setdefault(f"|{name}", []).append(one)
        check_sums(state, number, {name: [(made[one], mine[one]) for one in some] for name, some in folds.items()})


@given(st.lists(st.one_of(MADE, KNOWN), max_size=16), st.booleans())
@example([Known("a", 0, None, None, None, NAN, "")], False)
@settings(max_examples=200, deadline=None)
def test_a_file_of_outcomes_says_the_same_as_the_live_join(events: list[Made | Known], sampled: bool) -> None:
    """The definition :func:`join` is that of the live join, too; files have no environments."""
    made = list(dict.fromkeys(event[4:2:-1] + event[:2] for event in events if isinstance(event, Made)))
    made = [key for key in made if not key[0]]
    known = [event for event in events if isinstance(event, Known) and event.environment in (None, "")]
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
        (found,), (weight,), _ = join_outcomes(outcomes, [read], "id", lambda _: None, sampled)
        assert found.actual is not None
        assert weight is not None
        assert found.value is not None
        genders = class_texts(found.told.get("gender"), len(mine))
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
    return [*(("", *values.labels)[code + 1] for code in values.codes.tolist())]


def check_sums(state: Opened, number: int, rows: dict[str, list[tuple[float, Known]]]) -> None:
    """``rows``: of the panes ("") and of each slice, with their scores."""
    connection = state.state._store.connect()
    folds: dict[str, Pane] = {}
    for table in ("panes", SLICED_PANES):
        width = lambda _, part: part_width(part, None, BINARY)  # noqa: E731
        prefix = performance_fold(BINARY)
        folds |= read_window(connection, number, 0, 2**62, width, table=table, prefix=prefix)
    connection.close()
    assert {fold.removeprefix(performance_fold(BINARY)) for fold in folds} == {name for name in rows if rows[name]}
    for name, some in rows.items():
        if not some:
            continue
        scores = predictions(["x"] * len(some), scores=[score for score, _ in some]).scores
        actual = column([known.actual for _, known in some])
        value, weight = (np.array([getattr(known, name) for _, known in some]) for name in ("value", "weight"))
        whole = fold_outcomes(BINARY, scores, None, actual, weight, value=value)
        summed = folds[performance_fold(BINARY) + name]
        assert {*whole.parts, "delay"} >= summed.parts.keys()
        for part, sums in whole.parts.items():
            assert summed.parts.get(part, sums * 0) == pytest.approx(sums, rel=1e-12, abs=1e-12)


def check_delays(state: Opened, number: int, minutes: list[int]) -> None:
    rows = state.state.read(
        "SELECT idx, sum(value) AS rows FROM panes WHERE series = ? AND part = 'delay' GROUP BY idx", number
    ).to_pylist()
    found = {row["idx"]: row["rows"] for row in rows if row["rows"]}
    assert found == Counter(bisect_left(BOUNDS, max(0, delay) * 60) for delay in minutes)


def join(made: list[Key], known: list[Known], sampled: bool = False) -> dict[Key, Known]:
    """Join in the plainest way: each outcome finds its predictions, the last outcome of a prediction counts.

    What it does not say the one before it does, back to the last that takes everything back.
    """
    words: dict[Key, list[tuple[int, int, Known]]] = {}
    for arrival, outcome in enumerate(known):
        if outcome.actual == 2:
            continue
        for version in "12":
            near = [one for one in made if one[1:3] == (version, outcome.id) and outcome.environment in (None, one[0])]
            of = belonging(outcome, sorted({at for *_, at in near}))
            if of is None:
                continue
            # of several environments the last to have arrived: the order of `made`
            key = next(one for one in reversed(near) if one[3] == of)
            words.setdefault(key, []).append((outcome.at, arrival, outcome))
    found: dict[Key, Known] = {}
    for key, said in words.items():
        for *_, outcome in sorted(said, key=lambda word: word[:2]):
            before = found.pop(key, outcome)
            if outcome.actual is not None:
                left_out = {name: getattr(before, name) for name in FIELDS if getattr(outcome, name) in ("", NAN)}
                found[key] = outcome._replace(**left_out)
    return {key: outcome for key, outcome in found.items() if not (sampled and np.isnan(outcome.weight))}


def belonging(outcome: Known, times: list[int]) -> int | None:
    """The minute of the prediction that an outcome belongs to."""
    if outcome.of is not None:
        return outcome.of if outcome.of in times else None
    before = [at for at in times if at <= outcome.at]
    after = [at for at in times if outcome.at < at <= outcome.at + 1_440]
    return before[-1] if before else after[0] if after else None
