"""What a window is compared with: metrics of the order of scores are those of periods of its length."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.core.performance.reference import reference_of
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.windows.window import DAY
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.support.unwrap import unwrap

DAYS, ROWS, START = 40, 400, 20_000 * DAY


def rows_of_days(apart: float, days: int = DAYS, seed: int = 0) -> pd.DataFrame:
    """Rows of a calibrated model; ``apart``: standard deviation of the days' levels, in logits."""
    rng = np.random.default_rng(seed)
    logit = -0.5 + rng.normal(0, 1.0, (days, ROWS)) + apart * rng.normal(size=(days, 1))
    score = 1 / (1 + np.exp(-logit.ravel()))
    times = START + np.repeat(np.arange(days) * DAY, ROWS) + rng.integers(0, DAY, days * ROWS)
    day = np.repeat(np.arange(days), ROWS)
    return pd.DataFrame({"score": score, "actual": rng.random(len(score)) < score, "time": times, "day": day})


def baseline(rows: pd.DataFrame) -> Baseline:
    actual = rows["actual"].astype(int)
    times = rows["time"]
    return Baseline.from_frame(
        rows[["score"]], score="score", actual=actual, time=times, features=[], model="m", task="binary", classes=[0, 1]
    )


def of_periods(rows: pd.DataFrame, days: int) -> tuple[float, float]:
    """Return the mean ROC AUC and average precision over periods, by scikit-learn."""
    periods = [part for _, part in rows.groupby(rows["day"] // days)]
    areas = [roc_auc_score(part["actual"], part["score"]) for part in periods]
    precisions = [average_precision_score(part["actual"], part["score"]) for part in periods]
    return float(np.mean(areas)), float(np.mean(precisions))


@pytest.mark.parametrize(("length", "days"), [(DAY, 1), (DAY // 24, 1), (5 * DAY, 5), (20 * DAY, 20)])
def test_an_area_is_the_mean_over_periods_of_the_windows_length(length: int, days: int) -> None:
    rows = rows_of_days(1.5)
    found = reference_of(baseline(rows), STANDARD, length)

    area, precision = of_periods(rows, days)
    assert found["roc_auc"].value == pytest.approx(area, abs=0.002)
    assert found["average_precision"].value == pytest.approx(precision, abs=0.004)


def test_without_a_length_or_with_a_long_one_it_is_that_of_all_rows() -> None:
    rows = rows_of_days(1.5)
    built, pooled = baseline(rows), roc_auc_score(rows["actual"], rows["score"])

    assert pooled - of_periods(rows, 1)[0] > 0.05
    for length in (0, 30 * DAY):
        assert reference_of(built, STANDARD, length)["roc_auc"].value == pytest.approx(pooled, abs=1e-4)


def test_the_length_changes_no_mean_over_rows_and_no_width() -> None:
    built = baseline(rows_of_days(1.5))
    whole, of_day = reference_of(built, STANDARD), reference_of(built, STANDARD, DAY)

    assert {name: one for name, one in of_day.items() if one != whole[name]}.keys() == {
        *("roc_auc", "average_precision", "ks", "lift@0.1", "gain@0.1"),
    }
    widths = [unwrap(one["roc_auc"].high) - unwrap(one["roc_auc"].low) for one in (whole, of_day)]
    assert widths[0] == pytest.approx(widths[1])
