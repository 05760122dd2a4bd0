"""Days whose outcomes are all of one class say nothing about slices or about a rise of errors."""

from __future__ import annotations

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.tables.table import Column
from driftline_processor.core.performance.one_class import DayCounts, OneClassRule, faulty_rows, one_class_rule

from tests.support.evaluated import evaluated

DAY = 86_400 * 10**9


def _rows(n: int, seed: int, start: str) -> pd.DataFrame:
    """Return rows of a calibrated binary model of two features, 144 a day."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    score = 1 / (1 + np.exp(-(x + 0.5 * z)))
    time = pd.date_range(start, periods=n, freq="10min")
    return pd.DataFrame({"x": x, "z": z, "score": score, "actual": (rng.random(n) < score).astype(int), "time": time})


@pytest.mark.parametrize("seed", [501, 502, 509])
def test_two_days_of_one_class_do_not_degrade_the_sound_days(seed: int) -> None:
    now = _rows(2_016, seed, "2026-02-01")
    day = np.arange(len(now)) // 144 + 1
    now.loc[day == 3, "actual"], now.loc[day == 5, "actual"] = 0, 1
    before = _rows(4_000, 1, "2026-01-01")
    result = evaluated(now, before, task="binary", window="1d")
    assert result.verdict.state == "unknown"
    assert result.evaluations[2].slice_change is None


def test_a_day_counts_over_all_batches() -> None:
    days = DayCounts(OneClassRule(1, ("0", "1"), 0.4, 0.6))
    time = np.full(20, 3 * DAY, np.int64)
    days.add(Column(numbers=np.zeros(20)), time)
    assert not days.faulty(time).any()
    days.add(Column(numbers=np.zeros(20)), time)
    assert days.faulty(time).all()
    days.add(Column(numbers=np.ones(1)), time[:1])
    assert not days.faulty(time).any()


def test_days_of_one_class_are_normal_if_the_baseline_has_them() -> None:
    """Outcomes of a region and a day may depend on each other: it did not rain anywhere."""
    rows = _rows(4_032, 1, "2026-01-01")
    dry = rows.assign(actual=rows.actual.where(np.arange(len(rows)) // 144 != 7, 0))
    rules = [
        one_class_rule(
            driftline.Baseline.from_frame(one, score="score", actual="actual", time="time", model="m", task="binary")
        )
        for one in (rows, dry)
    ]
    assert rules[0] is not None
    assert rules[1] is None


def test_rows_without_times_have_no_days() -> None:
    rows = _rows(2_000, 1, "2026-01-01").drop(columns="time")
    baseline = driftline.Baseline.from_frame(rows, score="score", actual="actual", model="m", task="binary")
    assert faulty_rows(baseline, Column(numbers=np.zeros(500)), None) is None
