"""Missing values beside days that differ: by how far the days' own shares of missing values do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import F64
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window

DAY = 86_400 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01
ROWS = 1_000


def drawn(rng: np.random.Generator, count: int, absent: F64) -> dict[str, F64]:
    """Six numbers whose days differ by 0.02 of the variance; the first lacks so many of its values on each day."""
    frame = {}
    for at in range(6):
        level = math.sqrt(0.02) * np.repeat(rng.normal(size=count), ROWS)
        frame[f"n{at}"] = level + math.sqrt(0.98) * rng.normal(size=count * ROWS)
    frame["n0"][rng.random(count * ROWS) < np.repeat(absent, ROWS)] = np.nan
    return frame | {"score": rng.normal(size=count * ROWS)}


def findings(rng: np.random.Generator, before: F64, now: float) -> list[tuple[str, ...]]:
    frame = drawn(rng, len(before), before)
    time = START + np.arange(len(before) * ROWS) // ROWS * DAY
    baseline = Baseline.from_frame(frame | {"time": time}, score="score", time="time", model="m", task="regression")
    baseline = Baseline.from_json(baseline.to_json())
    table, *_ = table_from_frame(drawn(rng, 1, np.array([now])), score="score", model="m", task="regression")
    window = ModelWindow(table.key, Window("1d", START + 90 * DAY, START + 91 * DAY), fold(table, baseline.bins))
    return [one.features for one in judge_window(window, Reference(baseline)).findings if one.check == "missing"]


@pytest.mark.parametrize("days", [7, 14])
def test_a_tenth_that_goes_missing_is_found_beside_days_that_differ_in_level(days: int) -> None:
    rng = np.random.default_rng(days)
    found = [findings(rng, np.zeros(days), 0.1) for _ in range(3)]
    assert found == [[("n0",)]] * 3
    assert [findings(rng, np.zeros(days), 0.0) for _ in range(3)] == [[], [], []]


def test_a_share_that_differs_from_day_to_day_is_no_fault_of_the_next_day() -> None:
    rng = np.random.default_rng(3)
    before = np.clip(rng.normal(0.12, 0.05, 30), 0.01, None)
    assert findings(rng, before, 0.2) == []
    assert findings(rng, before, 0.6) == [("n0",)]
    assert findings(rng, np.full(30, 0.12), 0.2) == [("n0",)]
