"""Worlds for walks over the surfaces of a processor: seeded rows of a model with known faults, sent step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from driftline.baseline.baseline import Baseline
from driftline.tables.task import Task

from tests.support.state_rows import outcomes, predictions
from tests.support.surfaces import LENGTHS

START = pd.Timestamp("2026-03-02T00:00:00Z")
PLANS = {"a": 0.0, "b": 2.0, "c": -2.0}
REGRESSION = Task("regression")

FEWEST = 5
"""Rows of a step that can show a fault."""

Steps = range
"""The steps during which a fault lasts."""


@dataclass(frozen=True)
class World:
    """A model whose faults are known.

    Attributes:
        steps: Number of steps; each is as long as a window.
        rows: Rows per step: a number, or the lowest and the highest.
        few: Steps with another number of rows → that number.
        concept: Steps in which the outcomes are 2.5 higher than the model expects.
        unit: Steps in which the column ``x`` arrives ten times as large.
        recoded: Steps in which the column ``plan`` arrives in capitals.
        failing: Steps in which three of ten calls fail.
        moved: Steps in which other rows arrive, for which the model is as good as before.
        with_outcomes: Whether outcomes arrive.
        windows: Lengths of the windows; the first is that of the steps.
        keys: Keys of the model in the configuration.
        seed: Seed of the rows.
    """

    steps: int = 20
    rows: int | tuple[int, int] = 100
    few: Mapping[int, int] = field(default_factory=dict)
    concept: Steps = range(0)
    unit: Steps = range(0)
    recoded: Steps = range(0)
    failing: Steps = range(0)
    moved: Steps = range(0)
    with_outcomes: bool = True
    windows: tuple[str, ...] = ("1d",)
    keys: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1

    @property
    def step(self) -> pd.Timedelta:
        """The length of a step."""
        return LENGTHS[self.windows[0]]

    @property
    def harmful(self) -> list[Steps]:
        """The steps of each fault that makes the model worse, or its calls fail."""
        return [steps for steps in (self.concept, self.unit, self.recoded, self.failing) if steps]

    @property
    def turns(self) -> set[int]:
        """The two steps after those in which a fault begins or ends: what is stated then changes."""
        ends = [end for steps in (*self.harmful, self.moved) if steps for end in (steps.start, steps.stop)]
        return {step for end in ends for step in (end + 1, end + 2) if step <= self.steps}

    def start_of(self, step: int) -> pd.Timestamp:
        """Return the begin of a step."""
        return START + step * self.step

    def end_of(self, step: int) -> pd.Timestamp:
        """Return the end of a step."""
        return START + (step + 1) * self.step

    def first_shown(self, steps: Steps) -> int:
        """Return the first step of a fault that has enough rows to show it."""
        return next(step for step in steps if self.few.get(step, FEWEST) >= FEWEST)

    def draw(self, rng: np.random.Generator, step: int, *, planted: bool = True) -> pd.DataFrame:
        """Return the rows of a step: columns, prediction, outcome and error."""
        n = self.rows if isinstance(self.rows, int) else int(rng.integers(*self.rows))
        n = self.few.get(step, n) if planted else n

        def within(steps: Steps) -> bool:
            return planted and step in steps

        time = START + step * self.step + pd.to_timedelta(np.sort(rng.integers(0, self.step.value // 10**6, n)), "ms")
        x = rng.normal(1.5 if within(self.moved) else 0.0, 1.0, n)
        plan = rng.choice([*PLANS], n, p=[0.5, 0.25, 0.25])
        effect = np.array([PLANS[one] for one in plan])
        actual = 10 + 3 * x + effect + rng.normal(0, 1, n) + (2.5 if within(self.concept) else 0.0)
        if within(self.unit):
            x = 10 * x
        if within(self.recoded):
            plan, effect = np.char.upper(plan), np.zeros(n)
        failed = rng.random(n) < (0.3 if within(self.failing) else 0.0)
        return pd.DataFrame(
            {
                "id": [f"{step}-{row}" for row in range(n)],
                "time": time,
                "x": x,
                "plan": plan,
                "predicted": 10 + 3 * x + effect,
                "actual": actual,
                "error": ["TimeoutError" if one else None for one in failed],
                "seconds": rng.gamma(4.0, 0.005, n),
            }
        )

    def all_rows(self) -> list[pd.DataFrame]:
        """Return the rows of each step."""
        rng = np.random.default_rng(self.seed)
        return [self.draw(rng, step) for step in range(self.steps)]

    def closing_row(self) -> pd.DataFrame:
        """Return the first row after the last step, which closes its window."""
        rng = np.random.default_rng(self.seed)
        return self.draw(rng, self.steps, planted=False).iloc[:1]

    def baseline(self, name: str) -> Baseline:
        """Return a baseline of forty steps before the first one; of two hundred, if a step has few rows."""
        return _baseline(name, self.rows, self.windows[:1], self.seed)


@cache
def _baseline(name: str, rows: int | tuple[int, int], windows: tuple[str, ...], seed: int) -> Baseline:
    """Build a baseline once for all worlds whose rows without faults are the same."""
    world, rng = World(rows=rows, windows=windows), np.random.default_rng(1_000 + seed)
    steps = 40 if isinstance(rows, int) else 200
    drawn = pd.concat([world.draw(rng, step, planted=False) for step in range(-steps - 1, -1)], ignore_index=True)
    return Baseline.from_frame(
        drawn[["x", "plan"]],
        predicted=drawn["predicted"],
        actual=drawn["actual"],
        time=drawn["time"],
        model=name,
        version="1",
        task="regression",
    )


def tables(rows: pd.DataFrame, name: str, *, with_outcomes: bool) -> list[Any]:
    """Return the rows as a service with the SDK sends them: predictions, and outcomes a minute later."""
    failed = rows["error"].notna()
    sent = predictions(
        [*rows["id"]], [*rows["time"].dt.as_unit("ns").astype("int64")], model=name, version="1", task=REGRESSION,
        scores=[np.nan if wrong else value for wrong, value in zip(failed, rows["predicted"], strict=True)],
        duration=[*rows["seconds"]], errors=[*rows["error"]],
        features={"x": [*rows["x"]], "plan": [*rows["plan"]]},
    )  # fmt: skip
    if not with_outcomes:
        return [sent]
    known = rows[~failed]
    times = [*(known["time"] + pd.Timedelta("1min")).dt.as_unit("ns").astype("int64")]
    return [sent, outcomes([*known["id"]], [*known["actual"]], times, model=name)]
