"""A column that is computed from the prediction, such as its entropy, is recorded and drifts as a feature does."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
from driftline.testing import Capture
from driftline.testing import capture as captured
from numpy.typing import NDArray

RANDOM = np.random.default_rng(5)
ROWS = pd.DataFrame({"length": RANDOM.normal(size=600), "width": RANDOM.normal(size=600)})


def probabilities(certainty: float) -> NDArray[np.float64]:
    logits = certainty * np.column_stack([ROWS["length"], ROWS["width"], np.zeros(len(ROWS))])
    raised = np.exp(logits)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)


def with_entropy(rows: pd.DataFrame, of: NDArray[np.float64]) -> pd.DataFrame:
    return rows.assign(entropy=-(of * np.log(of.clip(1e-12))).sum(axis=1))


def test_the_entropy_of_each_row_is_recorded_beside_its_features() -> None:
    known = probabilities(2.0)
    iris = driftline.Model("iris", task="multiclass", classes=["a", "b", "c"])
    found: Capture
    with (
        captured() as found,
        iris.prediction(features=with_entropy(ROWS[:3], known[:3])) as prediction,
    ):
        prediction.score = known[:3]
    entropies = [one.features["entropy"] for one in found.predictions]
    assert np.allclose(entropies, with_entropy(ROWS[:3], known[:3])["entropy"])
    assert found.predictions[0].features["length"] == ROWS["length"][0]


def test_less_certain_predictions_drift_by_their_entropy_and_by_their_greatest_score() -> None:
    def table(certainty: float) -> pd.DataFrame:
        known = probabilities(certainty)
        scores = pd.DataFrame(known, columns=["a", "b", "c"])
        return pd.concat([with_entropy(ROWS, known), scores], axis=1)

    report = driftline.evaluate(
        table(0.8), baseline=table(2.0), task="multiclass", score=["a", "b", "c"], classes=["a", "b", "c"]
    )
    window: dict[str, Any] = report.to_dict()["windows"][0]
    states = {name: one["state"] for name, one in window["drift"]["features"].items()}
    assert states == {"length": "ok", "width": "ok", "entropy": "drift"}
    assert window["drift"]["score"]["state"] == "drift"
