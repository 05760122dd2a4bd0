"""Rows are brought into the form of their model before they are folded, on the driver and on executors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.tables.column_codec import strings
from driftline.tables.table import PredictionTable
from driftline.tables.task import Task
from driftline_processor.spark.models import FoldedModel

from tests.support.decoded_messages import folded_model
from tests.support.scored_topics import HOUR, baseline_of, scored
from tests.support.state_rows import predictions
from tests.support.unwrap import unwrap

START = 1_795_564_800 * 10**9
CHURN = baseline_of(scored(2_000, START, 3, 99))
KEY = "a key of the tests, 32 bytes long"
SCORES = [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]


def of_colours() -> FoldedModel:
    random = np.random.default_rng(1)
    scores = random.dirichlet(np.ones(3), 500)
    colours = np.array(["blue", "green", "red"])
    frame = {"x": random.normal(size=500), "y": colours[scores.argmax(1)]}
    baseline = Baseline.from_frame(
        frame, score=scores, actual="y", model="churn", version="1", task="multiclass", classes=list(colours)
    )
    return folded_model(baseline)


def scored_as(*classes: str) -> PredictionTable:
    return predictions(["a", "b"], START, SCORES, task=Task("multiclass", classes), features={"x": [1.0, 2.0]})


def test_scores_are_in_the_order_of_the_classes_of_the_model() -> None:
    table = unwrap(of_colours().prepared(scored_as("red", "blue", "green")))
    assert table.task.classes == ("blue", "green", "red")
    assert unwrap(table.scores).tolist() == [[0.2, 0.1, 0.7], [0.3, 0.6, 0.1]]


def test_scores_of_other_classes_are_not_used() -> None:
    assert of_colours().prepared(scored_as("red", "blue", "black")) is None


def test_only_declared_slices_stay() -> None:
    table = predictions(["a"], START, slices={"region": ["north"], "user": ["u-1"]})
    assert [*unwrap(folded_model(CHURN).prepared(table)).slices] == ["region"]
    assert [*unwrap(folded_model(CHURN, cluster="user").prepared(table)).slices] == ["region", "user"]


def test_an_executor_with_the_key_hashes_as_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_PRIVACY_HASH_ID", "true")
    monkeypatch.setenv("DRIFTLINE_PRIVACY_KEY", KEY)
    model = folded_model(CHURN)
    table = predictions(["a", "b"], START)
    ids = strings(unwrap(model.prepared(table)).id)
    assert "a" not in ids
    assert strings(unwrap(pickle.loads(pickle.dumps(model)).prepared(table)).id) == ids


@pytest.mark.parametrize("key", ["", "another key of the tests, 32 bytes"])
@pytest.mark.parametrize("rule", ["DRIFTLINE_PRIVACY_HASH_ID=true", "DRIFTLINE_PRIVACY_HASH=age"])
def test_an_executor_without_the_key_of_the_driver_folds_nothing(
    key: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*rule.split("=", 1))
    monkeypatch.setenv("DRIFTLINE_PRIVACY_KEY", KEY)
    pickled = pickle.dumps(folded_model(CHURN))
    monkeypatch.setenv("DRIFTLINE_PRIVACY_KEY", key)
    model = pickle.loads(pickled)
    table = predictions(["a"], START + HOUR)
    reason = "DRIFTLINE_PRIVACY_KEY is missing or another one on this executor"
    with pytest.raises(ValueError, match=reason):
        model.prepared(table)
    with pytest.raises(ValueError, match=reason):
        model.hashed(table.id)
