"""Calls that got one answer: found when planted, and not in hours without a fault."""

from collections.abc import Callable
from itertools import cycle

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import F64
from driftline_processor.core.default_answers import default_fraction

Draw = Callable[[np.random.Generator, int], F64]


def leaves(count: int) -> Draw:
    """Draw the scores of a tree with so many leaves of different sizes."""
    values = np.random.default_rng(count).beta(1, 4, count)
    fractions = np.random.default_rng(count + 1).dirichlet(np.ones(count))
    return lambda rng, n: rng.choice(values, n, p=fractions)


SCORES: dict[str, Draw] = {
    "logistic": lambda rng, n: 1 / (1 + np.exp(-rng.normal(-1, 1.2, n))),
    "rare": lambda rng, n: 1 / (1 + np.exp(-rng.normal(-6, 0.5, n))),
    "sharp": lambda rng, n: np.clip(rng.beta(0.05, 0.3, n), 0, 1),
    "narrow": lambda rng, n: 0.3 + 0.002 * rng.normal(size=n),
    "hundredths": lambda rng, n: rng.beta(2, 5, n).round(2),
    "forest": lambda rng, n: rng.binomial(20, rng.beta(1, 4, n)) / 20,
    **{f"{count} leaves": leaves(count) for count in (2, 4, 8, 31, 300)},
}


def window(scores: F64) -> dict[str, F64]:
    return {"x": np.zeros(len(scores)), "p": scores}


def built(draw: Draw, rng: np.random.Generator, task: str) -> Baseline:
    return Baseline.from_frame(window(draw(rng, 2_000)), score="p", model="m", task=task)


def fraction(scores: F64, baseline: Baseline, task: str) -> float | None:
    table = table_from_frame(window(scores), score="p", model="m", task=task)[0]
    return default_fraction(fold(table, baseline.bins), baseline)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_no_hour_without_a_fault_has_one_answer(task: str) -> None:
    rng, named = np.random.default_rng(1), 0
    for draw in SCORES.values():
        for _ in range(5):
            baseline = built(draw, rng, task)
            sizes = [int(size) for size in rng.integers(25, 500, 20)]
            named += sum(fraction(draw(rng, size), baseline, task) is not None for size in sizes)
    assert named == 0  # of 1,100


@pytest.mark.parametrize("default", [0.0, 0.5, 0.2])
def test_a_tenth_of_the_calls_with_a_default_is_found(default: float) -> None:
    rng = np.random.default_rng(2)
    for (name, draw), size in zip(SCORES.items(), cycle([100, 200, 500]), strict=False):
        scores = draw(rng, size)
        usual = float(np.mean(draw(rng, 10_000) == default))
        scores[: size // 10 + 1] = default
        answer = fraction(scores, built(draw, rng, "binary"), "binary")
        if usual < 0.03:
            assert answer == pytest.approx(0.1, abs=0.06), name


def test_a_leaf_that_is_more_frequent_in_one_hour_is_no_default() -> None:
    rng = np.random.default_rng(3)
    baseline = built(lambda rng, n: rng.choice([0.1, 0.3, 0.6], n, p=[0.6, 0.2, 0.2]), rng, "binary")
    assert fraction(rng.choice([0.1, 0.3, 0.6], 500, p=[0.45, 0.4, 0.15]), baseline, "binary") is None
