"""Random histories of predictions and outcomes, and the plainest join of them, which says what is expected."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import OutcomeTable, PredictionTable
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Fairness, Performance
from driftline_processor.core.labels.delay import BOUNDS
from driftline_processor.store.panes import SLICED as SLICED_PANES
from driftline_processor.store.panes import part_width, performance_fold, read_window
from hypothesis import strategies as st

from tests.support.state_rows import BINARY, MINUTE, NOON, Opened, column, outcomes, predictions

SLICED = Model(windows=("1w",), performance=Performance(fairness=Fairness(attributes=("gender",))))
SAMPLED = Model(windows=("1w",), performance=Performance(fairness=Fairness(attributes=("gender",)), outcomes="sampled"))
NAN = float("nan")


class PredictionEvent(NamedTuple):
    """A prediction: id, minutes after noon, score, version and environment."""

    id: str
    at: int
    score: float
    version: str
    environment: str

    def table(self, model: str) -> PredictionTable:
        key = {"model": model, "version": self.version, "environment": self.environment}
        return predictions([self.id], NOON + self.at * MINUTE, [self.score], **key)  # type: ignore[arg-type]


class OutcomeEvent(NamedTuple):
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
PREDICTION_EVENTS = st.builds(
    PredictionEvent,
    IDS,
    MINUTES,
    st.sampled_from([0.2, 0.7]),
    st.sampled_from(["1", "1", "2"]),
    st.sampled_from(ENVIRONMENTS),
)


OUTCOME_EVENTS = st.builds(
    OutcomeEvent,
    IDS,
    MINUTES,
    st.sampled_from([0, 1, 1, 2, None]),  # 2 is no class of the model
    st.one_of(st.none(), st.none(), MINUTES),
    st.sampled_from([None, *ENVIRONMENTS]),
    st.sampled_from([NAN, 1.0, 2.0]),
    st.sampled_from(["", "f", "m"]),
    st.sampled_from([NAN, 2.0, 3.0]),
)


Story = list[list[PredictionEvent | OutcomeEvent]]
Key = tuple[str, str, str, int]
"""A prediction: environment, version, id, minute."""


def check(state: Opened, model: str, events: Sequence[PredictionEvent | OutcomeEvent], sampled: bool = False) -> None:
    """Assert that what a state joined and summed is what the plain join of these events gives."""
    made: dict[Key, float] = {}
    for event in events:
        if isinstance(event, PredictionEvent):  # the same id and time again is the same row
            made.setdefault((event.environment, event.version, event.id, event.at), event.score)
    expected = join(list(made), [event for event in events if isinstance(event, OutcomeEvent)], sampled)

    numbers = {key: number for number, key in state.keys().items() if key.model == model}
    rows = state.state.read(
        "SELECT j.series, p.id, p.time, j.number, j.value, j.weight, j.slices['gender'] AS gender"
        " FROM joined j JOIN predictions p ON p.seq = j.prediction"
    ).to_pylist()
    keys = state.keys()
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


def check_sums(state: Opened, number: int, rows: dict[str, list[tuple[float, OutcomeEvent]]]) -> None:
    """Assert that the sums of one series are those of these rows.

    ``rows``: of the panes ("") and of each slice, with their scores.
    """
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
    """Assert that the delays of one series are counted as these minutes."""
    rows = state.rows("SELECT idx, sum(value) FROM sums WHERE series = ? AND part = 'delay' GROUP BY idx", number)
    found = {index: counted for index, counted in rows if counted}
    assert found == Counter(bisect_left(BOUNDS, max(0, delay) * 60) for delay in minutes)


def join(made: list[Key], known: list[OutcomeEvent], sampled: bool = False) -> dict[Key, OutcomeEvent]:
    """Join in the plainest way: each outcome finds its predictions, the last outcome of a prediction counts.

    What it does not say the one before it does, back to the last that takes everything back.
    """
    words: dict[Key, list[tuple[int, int, OutcomeEvent]]] = {}
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
    found: dict[Key, OutcomeEvent] = {}
    for key, said in words.items():
        for *_, outcome in sorted(said, key=lambda word: word[:2]):
            before = found.pop(key, outcome)
            if outcome.actual is not None:
                left_out = {name: getattr(before, name) for name in FIELDS if getattr(outcome, name) in ("", NAN)}
                found[key] = outcome._replace(**left_out)
    return {key: outcome for key, outcome in found.items() if not (sampled and np.isnan(outcome.weight))}


def belonging(outcome: OutcomeEvent, times: list[int]) -> int | None:
    """Return the minute of the prediction that an outcome belongs to."""
    if outcome.of is not None:
        return outcome.of if outcome.of in times else None
    before = [at for at in times if at <= outcome.at]
    after = [at for at in times if outcome.at < at <= outcome.at + 1_440]
    return before[-1] if before else after[0] if after else None
