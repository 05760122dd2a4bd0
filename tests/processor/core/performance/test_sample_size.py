"""The outcomes that show that a model is as good as its baseline, in worlds where it is."""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import NORMAL
from driftline_processor.core.performance.changes import Compared, judge_changes
from driftline_processor.core.performance.sample_size import (
    SHARE_OF_MARGIN,
    baseline_rows_needed,
    chance_of_longest,
    find_small_baseline,
    margin_shown,
    outcomes_needed,
    reach_of,
)
from driftline_processor.core.performance.settings import STANDARD
from msgspec.structs import replace

MARGIN, DEVIATION = 0.05, 1.0


def shown(window: float, baseline: float, margin: float = MARGIN) -> float:
    """Return how often windows show that a model is as good; the arguments are numbers of outcomes."""
    rng, healthy = np.random.default_rng(5), 0
    for _ in range(800):
        sides = []
        for rows in (window, baseline):
            error = DEVIATION / sqrt(rows)
            value = 1.0 + rng.normal() * error
            half = NORMAL * error
            sides.append(
                {"mae": MetricValue(value, 1, "rows", low=value - half, high=value + half, interval="student")}
            )
        now, was = sides
        compared = Compared(partial(_at_any_confidence, now), partial(_at_any_confidence, was), margins={"mae": margin})
        healthy += judge_changes(compared)["mae"].state == "not_worse"
    return healthy / 800


def _at_any_confidence(metrics: dict[str, MetricValue], _: float) -> dict[str, MetricValue]:
    return metrics


def half(rows: float) -> float:
    return NORMAL * DEVIATION / sqrt(rows)


@pytest.mark.parametrize("baseline", [6_000, 10_000, 1e9])
def test_nine_of_ten_windows_with_the_needed_outcomes_show_that_a_model_is_as_good(baseline: float) -> None:
    needed = outcomes_needed(100, half(100), half(baseline), MARGIN)
    assert needed is not None
    assert shown(needed, baseline) == pytest.approx(0.9, abs=0.03)
    assert shown(needed / 4, baseline) < 0.7


@pytest.mark.parametrize("baseline", [800, 2_000, 4_000])
def test_without_enough_rows_in_the_baseline_no_number_does_and_the_chance_is_known(baseline: float) -> None:
    assert outcomes_needed(100, half(100), half(baseline), MARGIN) is None
    assert shown(1e9, baseline) == pytest.approx(chance_of_longest(half(baseline), MARGIN), abs=0.04)


def test_a_baseline_of_the_needed_rows_or_the_margin_that_is_shown_suffices_for_a_window_as_large() -> None:
    rows = baseline_rows_needed(2_000, half(2_000), MARGIN)
    assert shown(rows, rows) == pytest.approx(0.9, abs=0.03)
    assert shown(2_000, 2_000, margin_shown(half(2_000))) == pytest.approx(0.9, abs=0.03)


def test_a_baseline_says_what_it_can_show_and_asks_once() -> None:
    rng = np.random.default_rng(1)
    predicted = rng.normal(size=4_000)
    actual = predicted + rng.normal(size=4_000)
    baseline = Baseline.from_frame({"x": predicted}, predicted=predicted, actual=actual, model="m", task="regression")
    reach = reach_of(baseline, STANDARD)
    assert reach is not None
    assert (reach.metric, reach.outcomes, reach.length) == ("mae", 4_000, 0)
    assert reach.half == pytest.approx(NORMAL * 0.6 / sqrt(4_000), rel=0.1)
    assert reach.needed == outcomes_needed(4_000, reach.half, reach.half, reach.margin)
    assert find_small_baseline(baseline, STANDARD) is None
    assert reach.constant == pytest.approx(np.abs(actual - np.median(actual)).mean(), rel=0.01)
    small = replace(STANDARD, margin={"rmse": 1.0, "mae": reach.half / SHARE_OF_MARGIN})
    assert find_small_baseline(baseline, small) is None  # the owner has chosen it
