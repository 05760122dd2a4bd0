"""Intervals of rows without times, from blocks of consecutive rows."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.panes.pane import merge
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.performance.labelled_predictions import LabelledPredictions, sums_in_order
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.performance.window_outcomes import BlockSums

MEAN = 8.0
TASK = Task("regression")


def losses_of(rng: np.random.Generator, worlds: int, rows: int, correlation: float) -> F64:
    """Return losses whose neighbours correlate: float64 (worlds, rows)."""
    noise = rng.normal(size=(worlds, rows)) * (1 - correlation**2) ** 0.5
    losses: F64 = noise.copy()
    losses[:, 0] /= (1 - correlation**2) ** 0.5
    for row in range(1, rows):
        losses[:, row] += correlation * losses[:, row - 1]
    losses += MEAN
    return losses


def mae_of(losses: F64, *, ordered: bool, chunks: int = 1) -> MetricValue:
    """Return the MAE of a window without times. ``ordered``: whether rows of the baseline are autocorrelated."""
    parts = [
        LabelledPredictions(part[:, np.newaxis], None, Column(numbers=np.zeros(len(part))), None)
        for part in np.array_split(losses, chunks)
    ]
    blocks = BlockSums.merge(sums_in_order(parts, len(losses), TASK, ordered=ordered)).blocks()
    pane = merge(blocks)
    found = {"mae": realized(pane, TASK)["mae"]}
    return with_intervals(found, pane, blocks, TASK, STANDARD, of_rows=True)["mae"]


def length(metric: MetricValue) -> float:
    assert metric.low is not None
    assert metric.high is not None
    return metric.high - metric.low


def covers(metric: MetricValue) -> bool:
    return metric.low is not None and metric.high is not None and metric.low <= MEAN <= metric.high


@pytest.mark.parametrize(
    ("rows", "correlation", "ordered", "least", "most"),
    [
        (1_000, 0.6, True, 0.93, 0.97),
        (1_000, 0.6, False, 0.93, 0.97),
        (300, 0.6, True, 0.92, 0.97),
        (1_000, 0.9, True, 0.88, 0.94),  # autocorrelated over more than a block
        (150, 0.6, True, 0.81, 0.89),  # five blocks
        (150, 0.6, False, 0.65, 0.75),  # too few rows to detect that they are autocorrelated
    ],
)
def test_intervals_of_autocorrelated_rows_cover_the_mean(
    rows: int, correlation: float, ordered: bool, least: float, most: float
) -> None:
    worlds = losses_of(np.random.default_rng(11), 600, rows, correlation)
    assert least <= np.mean([covers(mae_of(losses, ordered=ordered)) for losses in worlds]) <= most


def test_independent_rows_keep_their_intervals() -> None:
    worlds = losses_of(np.random.default_rng(12), 300, 1_000, 0.0)
    found = [mae_of(losses, ordered=False) for losses in worlds]
    assert {metric.interval for metric in found} == {"log"}
    as_before = 2 * 1.96 / 1_000**0.5
    assert np.mean([length(metric) for metric in found]) == pytest.approx(as_before, rel=0.02)
    # if the rows of the baseline are autocorrelated and those of the window are not
    assert np.mean([length(mae_of(losses, ordered=True)) for losses in worlds]) == pytest.approx(as_before, rel=0.06)


def test_chunks_of_rows_give_the_blocks_of_all_rows() -> None:
    losses = losses_of(np.random.default_rng(13), 1, 1_000, 0.6)[0]
    whole, chunked = mae_of(losses, ordered=True), mae_of(losses, ordered=True, chunks=7)
    assert (chunked.low, chunked.high) == pytest.approx((whole.low, whole.high))
    assert whole.interval == "row_blocks"


def evaluated(*, shuffled: bool) -> Evaluation:
    """Evaluate a window whose MAE is 2.2, with autocorrelated rows; that of the baseline is 2."""
    rng = np.random.default_rng(15)

    def frame(rows: int, mean: float) -> pd.DataFrame:
        losses, truth = losses_of(rng, 1, rows, 0.6)[0] - MEAN, rng.normal(size=rows)
        losses += mean - np.abs(losses + mean).mean() + mean
        rows_of_file = pd.DataFrame({"x": rng.normal(size=rows), "p": truth + losses, "y": truth})
        return rows_of_file.sample(frac=1.0, random_state=1) if shuffled else rows_of_file

    options: dict[str, Any] = {"task": "regression", "score": "p", "actual": "y", "progress": False}
    found: Any = driftline.evaluate(frame(600, 2.2), baseline=frame(3_000, 2.0), **options)
    evaluation: Evaluation = found.result.evaluations[0]
    return evaluation


def test_a_change_within_the_variation_of_blocks_is_not_worse() -> None:
    ordered, shuffled = evaluated(shuffled=False), evaluated(shuffled=True)
    assert ordered.reference["mae"].interval == ordered.realized["mae"].interval == "row_blocks"
    assert shuffled.reference["mae"].interval == shuffled.realized["mae"].interval == "log"
    change = ordered.realized_changes["mae"]
    assert (change.state, change.reason) == ("inconclusive", "too_few_rows")
    assert shuffled.realized_changes["mae"].state == "worse"
