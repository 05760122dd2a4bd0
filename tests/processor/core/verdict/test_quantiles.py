"""A quantile regression is judged by its pinball losses and by what its intervals cover, not by its centre alone."""

from __future__ import annotations

from functools import cache

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.special_functions import ndtri

from tests.support.evaluated import evaluated

LEVELS = (0.1, 0.5, 0.9)


def _rows(
    n: int, seed: int, *, levels: tuple[float, ...] = LEVELS, width: float = 1.0, noise: float = 1.0
) -> pd.DataFrame:
    """Return rows of a model that knows the mean; its intervals are ``width`` times those of unit noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    rows = pd.DataFrame({"x": x, "actual": x + noise * rng.normal(size=n)})
    return rows.assign(**{f"q{level}": x + width * float(ndtri(level)) for level in levels})


@cache
def _verdict(
    levels: tuple[float, ...] = LEVELS, width: float = 1.0, noise: float = 1.0, window: str | None = None
) -> Verdict:
    now = _rows(2_016, 2, levels=levels, width=width, noise=noise)
    before = _rows(4_000, 1, levels=levels)
    if window is not None:
        before, now = (
            rows.assign(time=pd.date_range(start, periods=len(rows), freq="10min"))
            for rows, start in ((before, "2026-01-01"), (now, "2026-02-01"))
        )
    result = evaluated(
        now,
        before,
        task="regression",
        score=[f"q{level}" for level in levels],
        quantiles=levels,
        window=window or "",
    )
    verdict = result.verdict
    assert isinstance(verdict, Verdict)
    return verdict


@pytest.mark.parametrize("window", [None, "1d"])
@pytest.mark.parametrize("levels", [LEVELS, (0.05, 0.95)])
def test_quantiles_that_hold_are_healthy(levels: tuple[float, ...], window: str | None) -> None:
    assert _verdict(levels, window=window).state == "healthy"


@pytest.mark.parametrize("window", [None, "1d"])
@pytest.mark.parametrize("levels", [LEVELS, (0.05, 0.95)])
@pytest.mark.parametrize("width", [0.39, 2.8])
def test_intervals_that_lose_are_degraded_both_ways(
    levels: tuple[float, ...], width: float, window: str | None
) -> None:
    """Coverage 0.8 becomes 0.38 or 1.0, while the median predicts as before."""
    verdict = _verdict(levels, width, window=window)
    assert (verdict.state, verdict.metric) == ("degraded", f"quantile_loss@{levels[0]}")


@pytest.mark.parametrize("window", [None, "1d"])
def test_intervals_that_became_too_wide_without_a_loss_are_a_risk(window: str | None) -> None:
    """Noise of 0.3 makes every loss smaller, and every interval contain its outcome."""
    verdict = _verdict(noise=0.3, window=window)
    assert (verdict.state, verdict.metric) == ("at_risk", "interval_coverage@0.8")
    assert isinstance(verdict.advice, facts.RecalibrateIntervals)


def test_a_quantile_far_from_the_centre_is_not_judged_by_its_absolute_error() -> None:
    """The quantile at 0.05 of wide intervals has a larger absolute error; its pinball loss decides."""
    result = evaluated(
        _rows(2_000, 2, levels=(0.05, 0.95)),
        _rows(4_000, 1, levels=(0.05, 0.95)),
        task="regression",
        score=["q0.05", "q0.95"],
        quantiles=(0.05, 0.95),
    )
    changes = result.evaluations[0].realized_changes
    assert {"mae", "rmse"}.isdisjoint(changes)
    assert changes["quantile_loss@0.05"].state == "not_worse"


def test_days_of_the_baseline_widen_intervals_of_pinball_losses() -> None:
    """Blocks of the baseline keep the sums of quantiles, so its own days count for them as for the absolute error."""
    rows = _rows(4_032, 1)
    day = np.arange(len(rows)) // 144
    rows["actual"] += 0.5 * np.random.default_rng(3).normal(size=28)[day]
    rows["time"] = pd.date_range("2026-01-01", periods=len(rows), freq="10min")
    baseline = driftline.Baseline.from_frame(
        rows,
        score=[f"q{level}" for level in LEVELS],
        actual="actual",
        time="time",
        model="m",
        task="regression",
        quantiles=LEVELS,
    )
    estimation = baseline.extras.estimation
    assert estimation is not None
    assert estimation.blocks is not None
    assert all("quantiles" in pane.parts for pane in estimation.blocks.panes)
