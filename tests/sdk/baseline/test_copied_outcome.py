"""A column of labels among the features of a baseline is logged with its name, and scores that are percentages."""

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


@pytest.mark.parametrize("name", ["target", "left"])
def test_a_feature_that_could_be_the_outcome_is_asked_about(name: str, caplog: pytest.LogCaptureFixture) -> None:
    Baseline.from_frame({"age": AGE, name: LABELS}, score=SCORE, model="m", task="binary")
    Baseline.from_frame({"age": AGE}, score=SCORE, model="m", task="binary")

    (line,) = caplog.messages
    assert f"is '{name}' the outcome" in line
    assert f"actual='{name}'" in line


@pytest.mark.parametrize(("score", "lines"), [(100 * SCORE, 1), (SCORE, 0)])
def test_scores_that_are_percentages_are_logged(score: Any, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    Baseline.from_frame({"age": AGE}, score=score, actual=LABELS, model="m", task="binary")

    assert len([line for line in caplog.messages if "divide percentages by 100" in line]) == lines
