"""How far another season takes a column from the one of a window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.timestamps import HOUR
from driftline_processor.core.drift.slices import swings
from driftline_processor.core.reference.season import PART, seasonal_reference

START = 1_767_225_600 * 10**9


def at_hour(hour: int, each: int) -> dict[str, float]:
    rng = np.random.default_rng(4)
    hours = np.repeat(np.arange(14 * 24), each)
    frame: dict[str, Any] = {
        "x": np.cos(2 * np.pi * (hours % 24) / 24) + rng.normal(size=len(hours)),
        "still": rng.normal(size=len(hours)),
        "label": np.where(rng.random(len(hours)) < 0.5 + 0.3 * (hours % 24 == 0), "a", "b").astype(object),
        "p": rng.normal(size=len(hours)),
        "time": START + hours * HOUR,
    }
    said: dict[str, Any] = {"score": "p", "time": "time", "model": "m", "task": "regression"}
    baseline = Baseline.from_frame(frame, **said, seasonality="hour")
    return swings(seasonal_reference(baseline, "hour", Pane({PART: np.eye(24)[hour] * 100.0})).baseline)


def test_the_farthest_hour_is_as_far_as_the_cycle_goes() -> None:
    midnight, morning = at_hour(0, 300), at_hour(6, 300)
    assert midnight["feature:x"] == pytest.approx(2.0, abs=0.1)
    assert morning["feature:x"] == pytest.approx(1.0, abs=0.1)
    assert midnight["feature:still"] < 0.15
    # 80 % beside 50 %: PSI is 0.3 × ln 4
    assert midnight["feature:label"] == pytest.approx(np.sqrt(0.3 * np.log(4)), abs=0.1)
    assert morning["feature:label"] == pytest.approx(np.sqrt(0.3 * np.log(4)), abs=0.1)


def test_seasons_with_few_rows_are_asked_where_there_are_no_others() -> None:
    assert at_hour(0, 3)["feature:x"] > 1.5
