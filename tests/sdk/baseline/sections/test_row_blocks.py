"""Outcomes of references without times by blocks of consecutive rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from driftline import Baseline
from driftline.baseline.codec import to_json
from driftline.baseline.reference_rows import ReferenceSetup
from driftline.baseline.sections.row_blocks import RowBlocks, RowBlocksGatherer, order_matters
from driftline.panes.model_bins import ModelBins
from driftline.tables.table import F64, Column, ModelKey, PredictionTable
from driftline.tables.task import Task

from tests.support.unwrap import unwrap


def autocorrelated(rng: np.random.Generator, rows: int, correlation: float) -> F64:
    """Return normal numbers whose neighbours correlate."""
    noise = rng.normal(size=rows) * (1 - correlation**2) ** 0.5
    series = np.zeros(rows)
    for row in range(1, rows):
        series[row] = correlation * series[row - 1] + noise[row]
    return series


def regression(rows: int = 3_000, correlation: float = 0.6, **changes: Any) -> Baseline:
    rng = np.random.default_rng(5)
    truth = rng.normal(size=rows)
    frame = pd.DataFrame(
        {"x": rng.normal(size=rows), "p": truth + 2 + autocorrelated(rng, rows, correlation), "y": truth}
    )
    if "time" in changes:
        frame["when"] = pd.date_range("2026-01-05", periods=rows, freq="h", tz="UTC")
    return Baseline.from_frame(frame, **({"score": "p", "actual": "y", "model": "m", "task": "regression"} | changes))


def classifier(order: Callable[[pd.DataFrame], pd.DataFrame]) -> RowBlocks | None:
    """Return the blocks of a classifier that misses half of the positives and hardly any negative."""
    rng = np.random.default_rng(6)
    rows = 2_000
    truth = rng.random(rows) < 0.5
    score = np.where(truth, rng.choice([0.2, 0.8], rows), 0.1) + rng.uniform(-0.05, 0.05, rows)
    frame = pd.DataFrame({"p": score, "y": truth.astype(int), "x": rng.normal(size=rows)})
    frame = order(frame).reset_index(drop=True)
    return Baseline.from_frame(frame, score="p", actual="y", model="m", task="binary").extras.row_blocks


def test_autocorrelated_rows_without_times_have_blocks() -> None:
    blocks = unwrap(regression().extras.row_blocks).outcomes
    assert blocks.length == 60
    assert [pane.parts["outcomes"][0] for pane in blocks.panes] == [60] * 50


def test_independent_rows_and_rows_with_times_have_none() -> None:
    assert regression(correlation=0.0).extras.row_blocks is None
    assert regression(time="when").extras.row_blocks is None


def test_rows_sorted_by_class_or_score_have_none() -> None:
    assert classifier(lambda frame: frame) is None
    assert classifier(lambda frame: frame.sort_values("y", kind="stable")) is None
    assert classifier(lambda frame: frame.sort_values("p")) is None


def test_runs_of_classes_have_blocks() -> None:
    def in_runs(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([frame[at : at + 250].sort_values("y", kind="stable") for at in range(0, len(frame), 250)])

    assert classifier(in_runs) is not None


def test_one_of_a_thousand_files_of_independent_rows_has_an_order() -> None:
    rng = np.random.default_rng(7)
    losses = rng.lognormal(0.0, 2.0, (500, 600))
    found = sum(order_matters(np.column_stack([row, rng.normal(size=600)]), Task("regression")) for row in losses)
    assert found <= 2


def test_batches_give_the_same_blocks_as_all_rows_at_once() -> None:
    rng = np.random.default_rng(8)
    losses, task = 8 + autocorrelated(rng, 3_000, 0.6), Task("regression")

    def gathered(each: int) -> RowBlocks:
        gatherer = None
        for start in range(0, len(losses), each):
            scores = losses[start : start + each, np.newaxis]
            rows = len(scores)
            key, times = ModelKey("m"), np.zeros(rows, np.int64)
            table = PredictionTable(key, task, times, np.full(rows, ""), scores)  # type: ignore[arg-type]
            gatherer = gatherer or RowBlocksGatherer(ReferenceSetup(table, ModelBins()))
            gatherer.add(table, Column(numbers=np.zeros(rows)))
        return unwrap(unwrap(gatherer).piece())

    whole, batches = gathered(3_000).outcomes, gathered(700).outcomes
    assert (whole.length, len(whole.panes)) == (batches.length, len(batches.panes)) == (60, 50)
    for one, other in zip(batches.panes, whole.panes, strict=True):
        np.testing.assert_allclose(one.parts["losses"], other.parts["losses"], rtol=1e-6)


def test_a_saved_baseline_keeps_the_blocks() -> None:
    baseline = regression()
    again = Baseline.from_json(baseline.to_json())
    saved, built = (json.dumps(to_json(one.extras.row_blocks), sort_keys=True) for one in (again, baseline))
    assert saved == built
