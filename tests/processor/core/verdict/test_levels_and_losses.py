"""A loss is at least the margin; a level that is off is a loss only with errors that rose; rows since a loss end it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.verdict.reading import Reading, read_outcomes
from driftline_processor.core.verdict.runs import still_shows

from tests.support.evaluated import evaluated
from tests.support.verdict_windows import change, known, value


def rows(n: int, seed: int, start: str = "", *, deviation: float = 1.0, bias: float = 0.0, days: float = 0.0) -> Any:
    """Return predictions of numbers with an error; ``days``: deviation of the bias of a day of 144 rows."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n) * 4
    error = bias + deviation * random.normal(size=n) + days * random.normal(size=n // 144 + 1)[np.arange(n) // 144]
    frame = pd.DataFrame({"x": x.round(1), "score": x + error, "actual": x})
    return frame.assign(time=pd.date_range(start, periods=n, freq="10min")) if start else frame


def verdict_of(now: Any, before: Any, **options: Any) -> Verdict:
    result = evaluated(now, before, task="regression", score="score", actual="actual", **options)
    assert result.verdict is not None
    return result.verdict


def test_a_bias_of_predictions_that_err_less_than_before_is_a_risk() -> None:
    verdict = verdict_of(rows(2_000, 2, deviation=0.3, bias=0.6), rows(3_000, 1))
    assert (verdict.state, verdict.metric) == ("at_risk", "bias")
    assert type(verdict.advice).__name__ == "Recalibrate"


def test_a_bias_of_predictions_that_err_more_degrades_a_model() -> None:
    assert verdict_of(rows(2_000, 2, bias=1.5), rows(3_000, 1)).state == "degraded"


def test_a_bias_of_predictions_whose_errors_rose_by_less_than_the_margin_is_a_risk() -> None:
    assert verdict_of(rows(100, 4, deviation=0.8, bias=0.9), rows(3_000, 1)).state == "at_risk"


@pytest.mark.parametrize(("rise", "lasts"), [(0.05, True), (0.02, False)])
def test_a_bias_is_over_if_errors_since_then_rose_by_less_than_the_margin(rise: float, lasts: bool) -> None:
    def day(number: int, error: float) -> Reading:
        changes = {"mae": change("inconclusive", error, error - 0.08, error + 0.08, margin=0.05)}
        mean = {"bias": value(0.2, 0.15, 0.25), "mae": value(0.5 + error)}
        level = change("worse", 0.2, 0.15, 0.25)
        return read_outcomes(known(number, changes, realized=mean, reference={"mae": value(0.5)}, level=level))

    fault = day(0, 0.07)
    assert (fault.state, fault.signs[0].reason) == ("degraded", "level")
    assert still_shows(fault, [day(1, rise)]) is lasts


def test_days_whose_bias_differs_as_those_of_the_baseline_are_no_degradation() -> None:
    states = [
        verdict_of(
            rows(2_016, 40 + seed, "2026-02-01", days=0.3), rows(4_032, 10 + seed, "2026-01-01", days=0.3), window="1d"
        ).state
        for seed in range(6)
    ]
    assert "degraded" not in states


@pytest.mark.parametrize(
    ("deviation", "number", "state"), [(1.05, 4_000, "healthy"), (1.35, 250, "at_risk"), (2.2, 250, "degraded")]
)
def test_a_loss_is_at_least_half_of_the_error(deviation: float, number: int, state: str) -> None:
    """A quarter of the skill is larger than half of the error. Of 250 rows, the interval reaches beyond the margin."""
    verdict = verdict_of(rows(number, 2, deviation=deviation), rows(4_000, 1))
    assert (verdict.state, verdict.metric) == (state, "mae")
