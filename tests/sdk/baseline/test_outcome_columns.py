"""Which column is the outcome: the one that the score predicts, whatever its type and its place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from driftline.baseline.outcome_columns import possible_outcomes
from driftline.tables.table import Column
from driftline.tables.task import Task
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Rows = NDArray[np.float64]


def _texts(values: NDArray[np.generic]) -> Column:
    categories, codes = np.unique(values, return_inverse=True)
    return Column(codes=codes.astype(np.int32), categories=tuple(map(str, categories)))


def _rows(name: str) -> tuple[Rows, Rows]:
    data = getattr(datasets, f"load_{name}")()
    return data.data, data.target


def _features(x: Rows) -> dict[str, Column]:
    halves = x[:, 0] > np.median(x[:, 0])
    return {"half": Column(numbers=halves.astype(float)), **{f"f{k}": Column(numbers=v) for k, v in enumerate(x.T)}}


@pytest.mark.parametrize(
    ("name", "positive", "form"),
    [
        ("breast_cancer", 1, "numbers"),
        ("breast_cancer", 0, "texts"),
        ("wine", 0, "numbers"),
        ("wine", 1, "texts"),
        ("iris", 2, "texts"),
        ("digits", 8, "numbers"),
        ("digits", 3, "texts"),
    ],
)
def test_outcome_of_a_binary_model_is_first(name: str, positive: int, form: str) -> None:
    x, target = _rows(name)
    y = target == positive
    model = make_pipeline(StandardScaler(), LogisticRegression())
    score = cross_val_predict(model, x, y, cv=3, method="predict_proba")[:, [1]]
    outcome = Column(numbers=y.astype(float)) if form == "numbers" else _texts(np.where(y, "yes", "no"))
    found = possible_outcomes({**_features(x), "result": outcome}, score, Task("binary", ("0", "1"), "1"))
    assert found[0][0] == "result"


def test_outcome_of_a_regression_is_first() -> None:
    x, y = _rows("diabetes")
    values = cross_val_predict(LinearRegression(), x, y, cv=3)[:, None]
    found = possible_outcomes({**_features(x), "progress": Column(numbers=y)}, values, Task("regression"))
    assert [name for name, _ in found] == ["progress"]


@pytest.mark.parametrize("name", ["iris", "wine", "digits"])
def test_outcome_of_classes_is_first(name: str) -> None:
    x, y = _rows(name)
    classes = tuple(f"c{k}" for k in np.unique(y))
    model = make_pipeline(StandardScaler(), LogisticRegression())
    scores = cross_val_predict(model, x, y, cv=3, method="predict_proba")
    outcome = _texts(np.array(classes)[y])
    found = possible_outcomes({**_features(x), "kind": outcome}, scores, Task("multiclass", classes))
    assert [name for name, _ in found] == ["kind"]


def test_feature_that_the_score_follows_is_after_the_outcome() -> None:
    random = np.random.default_rng(1)
    score = random.random(3_000)
    senior, approved = (random.random(3_000) < p for p in (0.15 + 0.7 * score, score))
    columns = {"senior": Column(numbers=senior.astype(float)), "approved": Column(numbers=approved.astype(float))}
    found = possible_outcomes(columns, score[:, None], Task("binary", ("0", "1"), "1"))
    assert found[0][0] == "approved"


def test_two_values_that_the_score_does_not_predict_are_a_feature() -> None:
    random = np.random.default_rng(1)
    column = _texts(random.choice(["m", "f"], 3_000))
    assert possible_outcomes({"sex": column}, random.random((3_000, 1)), Task("binary", ("0", "1"), "1")) == []


@pytest.mark.parametrize(("name", "positive"), [("digits", 8), ("digits", 1), ("wine", 2), ("breast_cancer", 0)])
def test_outcome_of_a_model_with_class_weights_is_found(name: str, positive: int) -> None:
    x, target = _rows(name)
    random = np.random.default_rng(1)
    y = (target == positive) & (random.random(len(target)) < 0.5)  # rarer, and noisy
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", C=0.01))
    score = cross_val_predict(model, x, y, cv=3, method="predict_proba")[:, [1]]
    assert np.mean((y - score[:, 0]) ** 2) > np.var(y)  # it predicts worse than the mean
    columns = {"sex": _texts(random.choice(["m", "f"], len(y))), "result": _texts(np.where(y, "yes", "no"))}
    found = possible_outcomes(columns, score, Task("binary", ("0", "1"), "1"))
    assert [name for name, _ in found] == ["result"]


@pytest.mark.parametrize("change", [lambda p: p**3, np.sqrt, lambda p: 100 * p, lambda p: 20 * p - 10])
def test_a_score_that_only_ranks_asks_about_the_outcome(change: Callable[[Rows], Rows]) -> None:
    random = np.random.default_rng(1)
    p = random.beta(1, 4, 3_000)
    columns = {
        "noise": Column(numbers=(random.random(3_000) < 0.5).astype(float)),
        "late": Column(numbers=(random.random(3_000) < p).astype(float)),
    }
    found = possible_outcomes(columns, change(p)[:, None], Task("binary", ("0", "1"), "1"))
    assert [name for name, _ in found] == ["late"]


def test_classes_of_a_model_with_class_weights_are_found() -> None:
    random = np.random.default_rng(1)
    actual = random.choice(3, 2_000, p=(0.9, 0.05, 0.05))
    predicted = np.where(random.random(2_000) < 0.6, actual, random.integers(0, 3, 2_000))
    assert np.mean(predicted == actual) < 0.9  # always predicting the first class would be right more often
    classes = np.array(["a", "b", "c"])
    columns = {"kind": _texts(classes[actual]), "other": _texts(classes[random.permutation(actual)])}
    found = possible_outcomes(columns, None, Task("multiclass", ("a", "b", "c")), _texts(classes[predicted]))
    assert [name for name, _ in found] == ["kind"]


@pytest.mark.parametrize(
    ("change", "asks"),
    [
        (lambda mean: mean - 8, True),
        (lambda mean: 1.05 * mean, True),
        (lambda mean: 100 + (mean - 100) / 20, True),
        (lambda mean: mean / 60, False),
    ],
)
def test_a_biased_or_shrunk_prediction_asks_about_the_outcome(change: Callable[[Rows], Rows], asks: bool) -> None:
    random = np.random.default_rng(1)
    z = random.normal(size=3_000)
    columns = {
        "x": Column(numbers=z + random.normal(size=3_000)),
        "age": Column(numbers=40 + 10 * z + random.normal(size=3_000)),
        "price_of_others": Column(numbers=random.normal(100, 10, 3_000)),
        "rounded": Column(numbers=2 * change(100 + 10 * z)),
        "demand": Column(numbers=100 + 10 * z + 5 * random.normal(size=3_000)),
    }
    found = possible_outcomes(columns, change(100 + 10 * z)[:, None], Task("regression"))
    assert [name for name, _ in found] == ["demand"] * asks


def test_standardized_features_and_copies_of_a_biased_prediction_are_features() -> None:
    random = np.random.default_rng(1)
    score = random.normal(100, 10, 3_000)
    columns = {"copy": Column(numbers=score + 4), "z": Column(numbers=score - 100 + random.normal(size=3_000))}
    assert possible_outcomes(columns, score[:, None], Task("regression")) == []
    z = {"z": Column(numbers=random.normal(size=3_000) + (score - 100) / 5)}
    assert possible_outcomes(z, (score[:, None] - 100) / 40, Task("regression")) == []


@pytest.mark.parametrize(
    "scale",
    [np.log, np.log1p, np.log10, np.sqrt, lambda y: y / 1_000, lambda y: y / 100, lambda y: y * 1_000],
)
def test_a_prediction_on_another_scale_asks_about_the_outcome(scale: Callable[[Rows], Rows]) -> None:
    random = np.random.default_rng(1)
    area, rooms = random.lognormal(4.5, 0.4, 3_000), random.integers(1, 7, 3_000)
    expected = 3_000 * area * (1 + 0.05 * rooms)
    columns = {
        "area": Column(numbers=area),
        "rooms": Column(numbers=rooms.astype(float)),
        "year": Column(numbers=random.integers(1950, 2020, 3_000).astype(float)),
        "price": Column(numbers=expected * random.lognormal(0, 0.2, 3_000)),
    }
    task, score = Task("regression"), scale(expected)[:, None]
    assert [name for name, _ in possible_outcomes(columns, score, task)] == ["price"]
    del columns["price"]
    assert possible_outcomes(columns, score, task) == []


@pytest.mark.parametrize("name", ["loan_status", "state"])
def test_two_outcomes_next_to_a_state_that_is_not_final_are_asked_about(name: str) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=3_000)
    score = 1 / (1 + np.exp(1.5 - x))
    status = np.where(random.random(3_000) < score, "Charged Off", "Fully Paid")
    status = np.where(random.random(3_000) < 0.4, "Current", status)
    grade = np.array(list("ABCD"))[np.digitize(x + random.normal(0, 0.5, 3_000), (-1, 0, 1))]
    columns = {"x": Column(numbers=x), "grade": _texts(grade), name: _texts(status)}
    found = possible_outcomes(columns, score[:, None], Task("binary", ("0", "1"), "1"))
    assert [name for name, _ in found] == [name]
    assert found[0][1].startswith("its values are Charged Off, Current and Fully Paid")


@pytest.mark.parametrize("form", ["numbers", "texts"])
def test_the_outcome_of_a_regression_is_before_a_noisy_copy_of_it(form: str) -> None:
    random = np.random.default_rng(1)
    score = random.normal(100, 10, 3_000)
    demand = score + 8 * random.normal(size=3_000)
    columns = {
        "estimate": Column(numbers=demand + 5 * random.normal(size=3_000)),
        "demand": Column(numbers=demand) if form == "numbers" else _texts(demand),
    }
    assert [name for name, _ in possible_outcomes(columns, score[:, None], Task("regression"))] == [
        *("demand", "estimate")
    ]
