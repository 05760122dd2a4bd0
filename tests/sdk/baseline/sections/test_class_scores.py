"""Scores of a multiclass model, class by class."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from driftline import Baseline

from tests.support.unwrap import unwrap

SCORES = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.02, 0.03, 0.95], [0.5, 0.5, 0.0], [np.nan, 0.1, 0.2]])
TRUTH = ["ant", "bee", "cat", "bee", None]


def built(**changes: Any) -> Baseline:
    arguments: dict[str, Any] = {"score": SCORES, "actual": TRUTH, "model": "m", "task": "multiclass"}
    arguments["classes"] = ["ant", "bee", "cat"]
    return Baseline.from_frame({"x": np.arange(5.0)}, **(arguments | changes))


def test_each_class_has_the_scores_of_all_rows_and_of_its_own() -> None:
    scores = unwrap(built().extras.class_scores)
    every, own = scores.by_class["bee"]
    assert (np.flatnonzero(every).tolist(), every.sum()) == ([0, 2, 10, 14], 5)
    assert (np.flatnonzero(own).tolist(), own.sum()) == ([10, 14], 2)
    assert scores.by_class["ant"][0].sum() == 4
    assert scores.by_class["cat"][0, 19] == 1


def test_they_survive_json_and_other_models_have_none() -> None:
    again = Baseline.from_json(built().to_json())
    assert again.to_json() == built().to_json()
    assert again.extras.class_scores is not None
    binary = Baseline.from_frame({"x": [1.0]}, score=[0.5], model="m", task="binary")
    assert binary.extras.class_scores is None
    without = unwrap(built(actual=None).extras.class_scores)
    assert without.by_class["bee"][1].sum() == 0


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"dog": [[0] * 20] * 2}, ": 'dog'"),
        ({"bee": [[1.0]]}, ": the entry of 'bee'"),
        ({"bee": 1}, ".by_class.bee: "),
    ],
)
def test_damaged_ones_are_named(value: object, place: str) -> None:
    root = json.loads(built().to_json())
    root["extras"]["class_scores"] = {"by_class": value}
    with pytest.raises(ValueError, match=re.escape(f"extras.class_scores{place}")):
        Baseline.from_json(json.dumps(root))
