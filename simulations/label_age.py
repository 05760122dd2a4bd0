"""How often fast labels are said to differ from slow ones, and whether they do: evidence/label_age.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.evaluation import FastLabels
from driftline_processor.core.labels.fast_labels import fast_labels

from simulations.frame import Figures, Random, Row, Table, percent, table_of

BINARY = Task("binary", ("0", "1"), "1")
REGRESSION = Task("regression")
NAMES = ("<1h", "<1d", "<7d")


@dataclass(frozen=True)
class Told(Row):
    """``what``: was done. ``differ``: whether fast and slow ones do."""

    what: str
    differ: bool


def telling(draw: Callable[[Random], FastLabels | None]) -> Callable[[int, Random], Figures]:
    """Return how often windows are said to differ, and how often nothing could be told."""

    def measure(runs: int, rng: Random) -> Figures:
        found = [draw(rng) for _ in range(runs)]
        told = sum(one is not None and one.differ for one in found)
        return {"differ": told / runs, "silent": sum(one is None for one in found) / runs}

    return measure


def drawn(
    n: int, slow: float, *, rate: float = 0.1, days: int = 0, spread: float = 0.0, weighted: bool = False
) -> Callable[[Random], FastLabels | None]:
    """Draw n outcomes, a third in each cohort, those of the slowest positive at a rate ``slow``.

    ``days``: the blocks of time, on which the rate differs by so much (``spread``); later days have fewer slow ones.
    """

    def draw(rng: Random) -> FastLabels | None:
        day = rng.integers(0, max(days, 1), n)
        late = rng.random(n) < (0.33 if not days else 0.66 * (1 - day / days))
        cohort = np.where(late, 2, rng.integers(0, 2, n))
        own = np.clip(
            np.where(cohort == 2, slow, rate) + (rng.normal(0, spread, max(days, 1))[day] if days else 0.0), 0, 1
        )
        y = (rng.random(n) < own).astype(np.float64)
        score = np.clip(0.5 * y + rng.random(n) * 0.6, 0, 1)
        weight = np.where(score > 0.5, 1.0, 10.0) if weighted else None

        def pane(which: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Pane:
            w = None if weight is None else weight[which]
            return fold_outcomes(BINARY, score[which][:, np.newaxis], None, Column(numbers=y[which]), w)

        cohorts = {name: pane(cohort == at) for at, name in enumerate(NAMES)}
        blocks = [pane(day == at) for at in range(days)]
        return fast_labels(cohorts, merge(cohorts.values()), blocks, BINARY, days=days > 0)

    return draw


def errors(n: int, slow: float, law: Callable[[Random, int], F64]) -> Callable[[Random], FastLabels | None]:
    """Draw n errors of a regression, those of the slowest third so many times as great."""

    def draw(rng: Random) -> FastLabels | None:
        cohort, actual = rng.integers(0, 3, n), 10 + rng.normal(0, 3, n)
        predicted = actual + law(rng, n) * np.where(cohort == 2, slow, 1.0)
        cohorts = {
            name: fold_outcomes(
                REGRESSION, predicted[cohort == at][:, np.newaxis], None, Column(numbers=actual[cohort == at]), None
            )
            for at, name in enumerate(NAMES)
        }
        return fast_labels(cohorts, merge(cohorts.values()), (), REGRESSION)

    return draw


def _normal(rng: Random, n: int) -> F64:
    return rng.normal(0, 1, n)


def _skewed(rng: Random, n: int) -> F64:
    return rng.lognormal(0, 1, n)


def _rows() -> Iterator[Told]:
    for n in (200, 2_000, 20_000):
        yield Told(f"fast-{n}", telling(drawn(n, 0.1)), 2_000, f"{n:,} outcomes, 10 % positive", differ=False)
    yield Told("fast-rare", telling(drawn(5_000, 0.01, rate=0.01)), 2_000, "5,000 outcomes, 1 % positive", differ=False)
    weighted = drawn(2_000, 0.1, weighted=True)
    yield Told("fast-weighted", telling(weighted), 2_000, "2,000, those not flagged weigh 10", differ=False)
    of_days = "10 % positive, on 30 days, on which it differs by 3 points; the later the day, the fewer slow ones"
    days = drawn(6_000, 0.1, days=30, spread=0.03)
    yield Told("fast-days", telling(days), 1_000, f"6,000 outcomes, {of_days}", differ=False)
    for few in (2, 3, 4, 6):
        measure = telling(drawn(400 * few, 0.1, days=few, spread=0.1))
        what = f"{400 * few:,} outcomes, 10 % positive, on {few} days, on which it differs by 10 points; the same"
        yield Told(f"fast-few-{few}", measure, 1_000, what, differ=False)
    for name, law in (("normal", _normal), ("skewed", _skewed)):
        measure = telling(errors(500, 1.0, law))
        yield Told(f"fast-{name}", measure, 2_000, f"500 {'log-' if law is _skewed else ''}normal errors", differ=False)
    yield Told("slow-2000", telling(drawn(2_000, 0.15)), 500, "2,000 outcomes, slow ones positive in 15 %", differ=True)
    yield Told("slow-20000", telling(drawn(20_000, 0.12)), 200, "20,000, slow ones positive in 12 %", differ=True)
    yield Told(
        "slow-errors", telling(errors(500, 1.5, _normal)), 500, "500 normal errors, slow half as great again", True
    )


ROWS = {row.name: row for row in _rows()}


def _told(row: Told, found: Figures) -> list[str]:
    return ["found" if row.differ else "in at most 5 %", f"{percent(found['differ'])} of {found['windows']:,}"]


TEXT = table_of(ROWS, ["what", "promised", "said to differ"], _told)
FAST = Table("label_age", ROWS, TEXT)
