"""Importance by shuffling: what a model uses counts, what it does not use does not, in any library's frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline import Baseline
from driftline.baseline.sections.importance import permutation_importance
from driftline.tables.table import Column
from driftline.tables.task import Task
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance as of_sklearn
from sklearn.linear_model import LinearRegression

from tests.support.facts import Facts, in_order

N = 1_200
NAMES = ["strong", "weak", "none"]


def data(seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({name: rng.normal(size=N) for name in NAMES})
    logit = (2.0 * X["strong"] + 0.7 * X["weak"]).to_numpy()
    return X, (rng.random(N) < 1 / (1 + np.exp(-logit))).astype(np.int64)


def chance(X: Any) -> np.ndarray:
    """A model of no library: it takes whatever has columns by name."""
    strong, weak = (np.asarray(X[name], dtype=np.float64) for name in ("strong", "weak"))
    return 1 / (1 + np.exp(-(2.0 * strong + 0.7 * weak)))


def test_what_a_model_uses_counts_in_its_order() -> None:
    X, y = data()
    importance = Baseline.from_frame(
        X, score=chance(X), actual=y, predict=chance, model="m", task="binary"
    ).extras.importance
    assert importance is not None
    assert importance.by_feature["none"] == 0.0
    assert importance.by_feature["strong"] > 5 * importance.by_feature["weak"] > 0


@pytest.mark.parametrize("kind", ["polars", "arrow", "dict", "lists"])
def test_every_kind_of_frame_gives_the_same(kind: str) -> None:
    X, y = data()
    frames: dict[str, Any] = {
        "polars": pl.from_pandas(X),
        "arrow": pa.Table.from_pandas(X, preserve_index=False),
        "dict": {name: X[name].to_numpy() for name in X},
        "lists": {name: X[name].tolist() for name in X},
    }
    task, truth = Task("binary", ("0", "1"), "1"), Column(numbers=y.astype(np.float64))
    assert permutation_importance(frames[kind], chance, NAMES, task, truth) == pytest.approx(
        permutation_importance(X, chance, NAMES, task, truth)
    )


def test_it_is_that_of_scikit_learn_but_for_the_shuffles() -> None:
    X, y = data()
    values = X.to_numpy()
    model = LinearRegression().fit(values[:600], y[:600])
    ours = permutation_importance(
        values[600:], model.predict, NAMES, Task("regression"), Column(numbers=y[600:].astype(np.float64))
    )
    theirs = of_sklearn(
        model, values[600:], y[600:], scoring="neg_mean_squared_error", n_repeats=30, random_state=1
    ).importances_mean
    assert [ours[name] for name in NAMES] == pytest.approx(np.maximum(theirs, 0), abs=0.01)


def test_a_forest_of_three_classes_with_two_score_columns_too_many_is_refused() -> None:
    X, y = data()
    model = RandomForestClassifier(10, random_state=1).fit(X, y + (X["weak"] > 1))
    proba = model.predict_proba
    baseline = Baseline.from_frame(
        X, score=proba(X), actual=model.predict(X), predict=proba, model="m", task="multiclass"
    )
    assert baseline.extras.importance is not None
    importance = baseline.extras.importance.by_feature
    assert max(importance, key=lambda name: importance[name]) == "strong"
    with pytest.raises(ValueError, match="3 score"):
        Baseline.from_frame(X, score=chance(X), actual=y, predict=proba, model="m", task="binary")


def test_without_outcomes_it_is_how_far_predictions_move() -> None:
    X, _ = data()
    found = permutation_importance(X, chance, NAMES, Task("binary", ("0", "1"), "1"), None)
    assert found["strong"] > found["weak"] > found["none"] == 0.0
    unknown = permutation_importance(
        X, chance, NAMES, Task("binary", ("0", "1"), "1"), Column(numbers=np.full(N, np.nan))
    )
    assert unknown == found


def test_no_frame_is_changed_and_the_same_rows_give_the_same() -> None:
    X, y = data()
    before = X.copy()
    arguments = (chance, NAMES, Task("binary", ("0", "1"), "1"), Column(numbers=y.astype(np.float64)))
    assert permutation_importance(X, *arguments) == permutation_importance(X, *arguments)
    pd.testing.assert_frame_equal(X, before)


@pytest.mark.parametrize(
    ("X", "task", "predict", "facts"),
    [
        ([{"x": 1.0}], "regression", chance, ("predict:", "DataFrame")),
        ({"x": [1.0]}, "ranking", chance, ("rankings", "importance")),
        ({"x": [1.0]}, "regression", lambda X: X["y"], ("'y'",)),
        ({"x": [1.0]}, "regression", lambda _: ["late"], ("predict:",)),
        ({"x": [1.0]}, "regression", lambda _: np.zeros((1, 2, 3)), ("predict:",)),
    ],
)
def test_what_cannot_be_shuffled_is_refused_with_the_fix(X: Any, task: str, predict: Any, facts: Facts) -> None:
    with pytest.raises((ValueError, KeyError), match=in_order(*facts)):
        permutation_importance(X, predict, ["x"], Task(task), None)
