"""Planted worlds: what a model's rows are before and after, and its states day by day.

The truth is not linear, the model is an ordinary gradient boosting fitted on earlier days: it errs. Inputs, and the
level of the outcomes, may differ from day to day. A harmed model gives part of its rows the score of another row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from .truth import loss_of, loss_of_constant
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


def baseline_and_days(
    world: World, lost: float, random: Random, good_days: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the baseline and those of the days after it, with scores.

    Args:
        world: What the rows are.
        lost: Part of the rows that have the score of another row.
        random: Generator.
        good_days: Days before those of which rows lose their score.
    """
    training = draw(world, TRAINING_DAYS, world.training_rows, 0, random)
    fitted = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(training[INPUTS], training["label"])
    first = TRAINING_DAYS + GAP_DAYS
    baseline = draw(world, BASELINE_DAYS, world.rows, first, random)
    current = draw(world, good_days + DAYS, world.rows, first + BASELINE_DAYS + GAP_DAYS, random)
    for rows in (baseline, current):
        rows["score"] = fitted.predict_proba(rows[INPUTS])[:, 1]
    harmed = np.arange(len(current)) >= good_days * world.rows
    mixed = np.flatnonzero((random.random(len(current)) < lost) & harmed)
    scores = current["score"].to_numpy().copy()
    scores[mixed] = scores[random.permutation(mixed)]
    return baseline, current.assign(score=scores)


def harm_and_skill(baseline: pd.DataFrame, current: pd.DataFrame) -> tuple[float, float]:
    """Return the log loss of the days less the baseline's, and the best constant's less the baseline's."""
    before, now = (float(loss_of(rows, "binary").mean()) for rows in (baseline, current))
    return now - before, loss_of_constant(baseline, "binary") - before


def states_by_day(world: World, baseline: pd.DataFrame, current: pd.DataFrame) -> States:
    """Return the states of a model whose baseline and days these are."""
    given = current if world.outcomes else current.drop(columns="label")
    return states_of(given, baseline, "binary", time="time", window="1d")
