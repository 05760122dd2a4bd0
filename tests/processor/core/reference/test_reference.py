"""What a window is compared with: the baseline's own outcomes, as sure as the days that they are of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.tables.table import F64
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.reference import reference_of
from driftline_processor.core.performance.settings import PerformanceSettings

DAYS, EACH = 30, 60
DAY = 86_400


@pytest.fixture(scope="module")
def binary() -> Baseline:
    """Scores are right in 71 and 99 % of rows, day by day."""
    rng = np.random.default_rng(1)
    score = rng.random(DAYS * EACH)
    right = rng.random(DAYS * EACH) < np.repeat(np.tile([0.71, 0.99], DAYS // 2), EACH)
    return _baseline("binary", score, ((score >= 0.5) == right).astype(np.float64))


@pytest.fixture(scope="module")
def regression() -> Baseline:
    """Errors of σ 1, off by .6 to either side day by day."""
    rng = np.random.default_rng(2)
    truth, off = rng.normal(0, 1, DAYS * EACH), np.repeat(np.tile([-0.6, 0.6], DAYS // 2), EACH)
    return _baseline("regression", truth + off + rng.normal(0, 1, DAYS * EACH), truth)


def _baseline(task: str, score: F64, actual: F64) -> Baseline:
    time = 1_700_000_000 // DAY * DAY + np.arange(DAYS * EACH, dtype=np.float64) * (DAY // EACH)
    frame = {"x": np.arange(DAYS * EACH) % 7.0}
    return Baseline.from_frame(frame, score=score, actual=actual, time=time, model="m", task=task)


def test_days_of_the_baseline_that_differ_make_it_less_sure(binary: Baseline, regression: Baseline) -> None:
    for baseline, names in ((binary, ("accuracy", "brier", "roc_auc")), (regression, ("bias",))):
        found = reference_of(baseline, PerformanceSettings())
        rows = with_intervals(found, baseline.pane, (), baseline.task, PerformanceSettings())
        for name in names:
            long, short = ((one[name].high or 0.0) - (one[name].low or 0.0) for one in (found, rows))
            assert long > 1.5 * short, name
            assert (found[name].low or 0.0) < (found[name].value or 0.0) < (found[name].high or 0.0)
            assert found[name].interval == "blocks"


def test_a_baseline_of_before_its_stretches_were_kept_is_as_sure_as_its_rows(binary: Baseline) -> None:
    found = reference_of(replace(binary, extras=Extras()), PerformanceSettings())["accuracy"]
    assert found.interval == "clopper_pearson"
    assert found.value == reference_of(binary, PerformanceSettings())["accuracy"].value


def test_what_is_asked_anew_is_measured_anew(binary: Baseline) -> None:
    lengths = []
    for confidence in (0.95, 0.99, 0.95):
        found = reference_of(binary, PerformanceSettings(confidence=confidence))["accuracy"]
        lengths.append((found.high or 0.0) - (found.low or 0.0))
    assert lengths[1] > lengths[0] == lengths[2]
