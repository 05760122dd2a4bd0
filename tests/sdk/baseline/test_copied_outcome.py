"""A column of labels among the features of a baseline is logged with its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline

RNG = np.random.default_rng(0)
AGE, SCORE = RNG.normal(size=200), RNG.random(200)
LABELS = (RNG.random(200) < SCORE).astype(int)


@pytest.mark.parametrize("actual", [LABELS, LABELS.astype(float), LABELS.astype(bool), np.array(["no", "yes"])[LABELS]])
def test_a_feature_that_is_the_outcome_is_logged(actual: Any, caplog: pytest.LogCaptureFixture) -> None:
    classes = tuple(np.unique(actual).tolist())
    options: dict[str, Any] = {"score": SCORE, "actual": actual, "model": "m", "task": "binary", "classes": classes}
    options["positive_class"] = classes[1]

    Baseline.from_frame({"age": AGE, "left": actual}, **options)
    Baseline.from_frame(
        lambda: [{"age": AGE, "left": actual, "y": actual, "p": SCORE}], **options | {"actual": "y", "score": "p"}
    )

    assert [line.split(":")[2].strip() for line in caplog.messages if "equals the outcome" in line] == ["left", "left"]


def test_another_flag_is_a_feature(caplog: pytest.LogCaptureFixture) -> None:
    flag = LABELS.copy()
    flag[:5] = 1 - flag[:5]

    Baseline.from_frame({"age": AGE, "flag": flag}, score=SCORE, actual=LABELS, model="m", task="binary")

    assert caplog.messages == []
