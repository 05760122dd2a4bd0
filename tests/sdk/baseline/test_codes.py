"""Whole numbers that name something are categories; hours, rooms, ages and prices stay quantities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import CategoryBins, NumberBins
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

N = 6_000
CODES = {"agent", "x7", "zip", "company_id"}


def bookings(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Bookings with an agent of 300, also under a name that says nothing and as a postal code, and their outcomes."""
    rng = np.random.default_rng(seed)
    effects, share = rng.normal(0, 0.8, 300), rng.dirichlet(np.full(300, 1.5))
    agent = rng.choice(300, 2 * N, p=share)
    frame = pd.DataFrame(
        {
            "agent": agent,
            "x7": 1 + rng.permutation(300)[agent],
            "distance": rng.permutation(np.arange(100, 2_500))[:80][agent % 80],
            "zip": 10_000 + 7 * rng.permutation(300)[agent],
            "company_id": rng.integers(0, 40, 2 * N),
            "weekday": rng.integers(0, 7, 2 * N),
            "hour": rng.integers(0, 24, 2 * N),
            "day_of_month": rng.integers(1, 32, 2 * N),
            "rooms": rng.poisson(3, 2 * N),
            "age": rng.integers(18, 80, 2 * N),
            "lead": rng.gamma(1, 90, 2 * N).astype(int),
            "price": np.round(np.exp(rng.normal(5, 0.6, 2 * N))).astype(int),
            "minute": rng.integers(0, 1_440, 2 * N),
            "day": rng.integers(0, 366, 2 * N),
        }
    )
    z = effects[agent] + 0.04 * (frame.age - 50) + 0.6 * np.sin(frame.hour / 24 * 6.28) + 0.3 * (frame.weekday > 4)
    z += 0.5 * np.sin(frame.minute / 1_440 * 12) + 0.5 * np.cos(frame.day / 366 * 6.28) - 0.3 * frame.rooms + 0.7
    z += 0.004 * (frame.lead - 90) - 0.4 * (np.log(frame.price) - 5) + 0.5 * (frame.price % 10 == 9)
    return frame, (rng.random(2 * N) < 1 / (1 + np.exp(-z))).astype(int)


def categories(baseline: Baseline) -> set[str]:
    return {name for name, over in baseline.bins.features.items() if isinstance(over, CategoryBins)}


@pytest.mark.parametrize("seed", [0, 1])
def test_codes_are_categories_and_quantities_are_numbers(seed: int) -> None:
    frame, outcome = bookings(seed)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model = linear if seed else HistGradientBoostingClassifier(random_state=0)
    rows = frame[N:]
    score = model.fit(frame[:N], outcome[:N]).predict_proba(rows)[:, 1]

    baseline = Baseline.from_frame(rows, score=score, actual=outcome[N:], model="m", task="binary")

    # a linear model uses the number of the agent as a quantity, so its scores have an order
    assert categories(baseline) == (CODES - {"x7"} if seed else CODES)


def test_without_outcomes_only_the_name_counts() -> None:
    frame, outcome = bookings(0)
    score = HistGradientBoostingClassifier(random_state=0).fit(frame[:N], outcome[:N]).predict_proba(frame[N:])

    baseline = Baseline.from_frame(frame[N:], score=score, model="m", task="binary", classes=(0, 1))

    assert categories(baseline) == CODES - {"x7"}


@pytest.mark.parametrize(
    ("option", "expected"),
    [(None, {"agent"}), ((), set()), (("hour",), {"hour"}), (("agent", "hour"), {"agent", "hour"})],
)
def test_an_option_names_the_categories(option: Sequence[str] | None, expected: set[str]) -> None:
    frame = bookings(0)[0][["agent", "hour"]]
    baseline = Baseline.from_frame(
        frame, score=np.full(len(frame), 0.5), model="m", task="binary", classes=(0, 1), category_features=option
    )
    assert categories(baseline) == expected


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("agent", [0, 1] * 500),
        ("agent", [0.5, 1.5, 2.5, 3.5] * 250),
        ("customer_id", list(range(1_000))),
        ("zip", list(np.arange(1_000) // 3)),
        ("customer_id", list(np.arange(1_000) // 3)),
        ("age", [20, 30, 40, 50] * 250),
    ],
)
def test_two_values_fractions_and_rare_values_are_no_categories(name: str, values: list[float]) -> None:
    score = np.full(1_000, 0.5)
    baseline = Baseline.from_frame({name: values}, score=score, model="m", task="binary", classes=(0, 1))
    assert isinstance(baseline.bins.features[name], NumberBins)
    assert (baseline.extras.marks is not None) == (name == "customer_id")


def test_numbers_and_texts_of_one_code_are_one_category() -> None:
    frame = bookings(0)[0][["agent"]]
    options: dict[str, Any] = {"score": np.full(len(frame), 0.5), "model": "m", "task": "binary", "classes": (0, 1)}
    whole, floats = Baseline.from_frame(frame, **options), Baseline.from_frame(frame.astype(float), **options)

    assert whole.bins == floats.bins
    assert whole.pane.parts["feature:agent"].tolist() == floats.pane.parts["feature:agent"].tolist()
