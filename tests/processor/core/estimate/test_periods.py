"""The interval of an estimated loss is as wide as the estimates of other periods of the baseline were wrong."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from driftline.baseline.baseline import Baseline
from driftline_processor.core.evaluation import Evaluation

from tests.support.evaluated import evaluated

DAYS = 70


def _rows(days: int, seed: int, start: str) -> pd.DataFrame:
    """Return 48 rows a day, whose errors have a level per week that no input explains, next to a known one."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 48)
    week = np.exp(0.3 * rng.normal(size=days // 7 + 1))[day // 7]
    x, season = rng.normal(size=len(day)), np.sin(day / 11)
    score = 10 + 3 * x
    actual = score + week * (1 + 0.3 * np.abs(x)) * rng.normal(size=len(day))
    time = pd.date_range(start, periods=len(day), freq="30min")
    return pd.DataFrame({"x": x, "season": season, "score": score, "actual": actual, "time": time})


@cache
def _baseline() -> Baseline:
    rows = _rows(DAYS, 1, "2026-01-05")
    return Baseline.from_frame(rows, score="score", actual="actual", time="time", model="m", task="regression")


def _windows(length: str) -> list[Evaluation]:
    now = _rows(84, 2, "2026-03-16")
    result = evaluated(now, _baseline(), score="score", actual="actual", time="time", window=length)
    return list(result.evaluations)


def test_intervals_of_weeks_contain_the_realized_loss_although_weeks_differ() -> None:
    found = [
        (estimate.low, one.realized[name].value, estimate.high)
        for one in _windows("1w")
        for name in ("mae", "rmse")
        if (estimate := one.estimated[name]).low is not None
    ]
    inside = sum(low <= value <= high for low, value, high in found if value is not None and high is not None)
    assert len(found) >= 20
    assert inside >= 0.93 * len(found)


def test_a_window_that_the_baseline_contains_less_than_three_times_has_no_interval() -> None:
    estimate = _windows("1mo")[0].estimated["mae"]
    assert (estimate.low, estimate.high, estimate.reason) == (None, None, "too_few_days")
    assert estimate.value is not None
