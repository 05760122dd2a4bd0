"""Planted worlds: what a model's rows are before and after, and its states day by day.

The truth is not linear, the model is an ordinary gradient boosting fitted on earlier days: it errs. Inputs, and the
level of the outcomes, may differ from day to day. A harmed model gives part of its rows the score of another row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from .truth import loss_of
from .verdicts import States, states_of

Random = np.random.Generator

INPUTS = ["a", "b", "c", "d"]
START = np.datetime64("2026-01-01T00:00:00")
TRAINING_DAYS, BASELINE_DAYS, DAYS = 10, 30, 30
GAP_DAYS = 10


class World(NamedTuple):
    """What the rows of a model are.

    Attributes:
        rows: Rows a day.
        training_rows: Rows a day of the days on which it was fitted.
        correlation: Intra-class correlation of the rows of a day: of each input, and of the outcomes' level.
        level: Log odds of the outcome where all inputs are zero.
        outcomes: Whether outcomes come.
    """

    rows: int = 500
    training_rows: int = 1_000
    correlation: float = 0.0
    level: float = -0.6
    outcomes: bool = True


WORLDS = {
    "iid": World(),
    "days": World(correlation=0.03),
    "rare": World(rows=2_500, training_rows=10_000, level=-6.2),
    "few": World(rows=40),
    "no outcomes": World(outcomes=False),
}


class Model(NamedTuple):
    """A model with its days.

    Attributes:
        states: Its states, day by day.
        harm: By how much the log loss of its days is above that of the baseline.
        skill: By how much the log loss of the baseline is below that of the best constant.
    """

    states: States
    harm: float
    skill: float


def draw(world: World, days: int, rows: int, start: int, random: Random) -> pd.DataFrame:
    """Return rows of days: inputs ``a`` to ``d``, ``label`` and ``time``."""
    day = np.repeat(np.arange(days), rows)
    spread = np.sqrt(world.correlation / (1 - world.correlation))
    inputs = random.normal(size=(len(day), len(INPUTS))) + spread * random.normal(size=(days, len(INPUTS)))[day]
    a, b, c, d = inputs.T
    level = world.level + spread / 2 * random.normal(size=days)[day]
    odds = 1.2 * a - 0.8 * b * c + 0.5 * np.sin(2 * d) + level
    seconds = (start + day) * 86_400 + random.integers(0, 86_400, len(day))
    rows_of_days = pd.DataFrame(inputs, columns=INPUTS)
    rows_of_days["label"] = (random.random(len(day)) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    rows_of_days["time"] = START + seconds.astype("timedelta64[s]")
    return rows_of_days.sort_values("time", ignore_index=True)


def baseline_and_days(world: World, lost: float, random: Random) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the baseline and those of the days after it, with scores; of ``lost`` rows those are mixed."""
    training = draw(world, TRAINING_DAYS, world.training_rows, 0, random)
    fitted = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(training[INPUTS], training["label"])
    first = TRAINING_DAYS + GAP_DAYS
    baseline = draw(world, BASELINE_DAYS, world.rows, first, random)
    current = draw(world, DAYS, world.rows, first + BASELINE_DAYS + GAP_DAYS, random)
    for rows in (baseline, current):
        rows["score"] = fitted.predict_proba(rows[INPUTS])[:, 1]
    mixed = np.flatnonzero(random.random(len(current)) < lost)
    scores = current["score"].to_numpy().copy()
    scores[mixed] = scores[random.permutation(mixed)]
    return baseline, current.assign(score=scores)


def model_of(world: World, lost: float, random: Random) -> Model:
    """Draw a model and return its states."""
    baseline, current = baseline_and_days(world, lost, random)
    given = current if world.outcomes else current.drop(columns="label")
    states = states_of(given, baseline, "binary", time="time", window="1d")
    rate = baseline["label"].mean()
    constant = loss_of(baseline.assign(score=rate), True).mean()
    before, now = (float(loss_of(rows, True).mean()) for rows in (baseline, current))
    return Model(states, now - before, float(constant) - before)
