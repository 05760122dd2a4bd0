"""The one result: everything known of a window, and nothing that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.window_context import NO_CONTEXT, WindowContext
from driftline_processor.core.windows.window import Window
from sklearn.metrics import log_loss

from tests.support.unwrap import unwrap

KEY = ModelKey("churn", "7", "prod")
DAY = Window("1d", 1_772_323_200_000_000_000, 1_772_409_600_000_000_000)


def frame(n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return {"age": rng.normal(size=n), "score": score, "actual": (rng.random(n) < score).astype(int)}


def built(rows: dict[str, Any]) -> Baseline:
    return Baseline.from_frame(rows, score="score", actual="actual", model="churn", task="binary")


def folded(rows: dict[str, Any], baseline: Baseline, labelled: int) -> Pane:
    table, truth, *_ = table_from_frame(rows, score="score", actual="actual", model="churn", task="binary")
    assert truth is not None
    unwrap(truth.numbers)[labelled:] = np.nan
    return merge([fold(table, baseline.bins), fold_outcomes(table.task, table.scores, None, truth)])


def judged(
    pane: Pane,
    baseline: Baseline | None = None,
    *,
    closed: bool = True,
    task: Task | None = None,
    context: WindowContext = NO_CONTEXT,
) -> Evaluation:
    reference = None if baseline is None else Reference(baseline)
    return judge_window(ModelWindow(KEY, DAY, pane, closed, task), reference, context)


def test_a_window_has_drift_performance_and_coverage() -> None:
    baseline = built(frame(5_000, 1))
    found = judged(folded(frame(1_000, 2), baseline, 600), baseline)
    assert (found.key, found.window, found.rows, found.closed) == (KEY, DAY, 1_000, True)
    assert found.features["age"].state == "ok"
    assert found.fraction == 0
    assert (found.outcome_rows, found.coverage) == (600, 0.6)
    assert found.realized["accuracy"].rows == 600
    assert found.reference["accuracy"].rows == 5_000
    assert (found.missing_features, found.new_features) == ((), ())


def test_the_log_loss_of_a_constant_is_that_of_the_baselines_rate() -> None:
    reference, rows = frame(5_000, 1), frame(1_000, 2)
    baseline = built(reference)
    found = judged(folded(rows, baseline, 600), baseline).realized
    truth, rate = rows["actual"][:600], reference["actual"].mean()
    assert found["log_loss_constant"].value == pytest.approx(log_loss(truth, np.full(600, rate)), abs=1e-12)
    unlabelled = judged(folded(rows, baseline, 0), baseline).realized
    assert "log_loss_constant" not in unlabelled


def test_features_that_vanish_or_appear_are_named() -> None:
    baseline = built(frame(500, 1) | {"old": np.ones(500)})
    found = judged(folded(frame(200, 2) | {"new": np.ones(200)}, baseline, 0), baseline, closed=False)
    assert found.missing_features == ("old",)
    assert found.new_features == ("new",)
    assert found.features["old"].state == "inconclusive"
    assert not found.closed


def test_an_empty_window_knows_nothing() -> None:
    baseline = built(frame(500, 1))
    found = judged(Pane(), baseline)
    assert (found.rows, found.coverage, found.fraction, found.realized) == (0, None, None, {})
    assert found.missing_features == ()


def test_without_a_baseline_there_is_performance_and_no_drift() -> None:
    task = Task("binary", ("0", "1"), "1")
    table, truth, *_ = table_from_frame(frame(300, 2), score="score", actual="actual", model="churn", task="binary")
    assert truth is not None
    pane = merge([fold(table, ModelBins()), fold_outcomes(task, table.scores, None, truth)])
    found = judged(pane, task=task)
    assert found.features == {}
    assert found.fraction is None
    assert (unwrap(found.score).state, unwrap(found.predicted).state) == ("no_baseline", "no_baseline")
    assert found.realized["roc_auc"].value is not None
    assert found.coverage == 1
    assert judged(pane, task=Task("regression")).predicted is None
    assert judged(pane).realized == {}


def test_performance_from_rows_is_taken_where_it_is_given() -> None:
    baseline = built(frame(500, 1))
    realized = {"accuracy": MetricValue(0.5, 2, "rows")}
    pane = folded(frame(200, 2), baseline, 2)
    found = judged(pane, baseline, context=WindowContext(realized=realized)).realized
    assert {name: (one.value, one.rows, one.source) for name, one in found.items()} == {"accuracy": (0.5, 2, "rows")}


def test_a_reviewed_tenth_covers_a_tenth_whatever_it_stands_for() -> None:
    rows = frame(1_000, 2)
    baseline = built(frame(500, 1))
    table, truth, *_ = table_from_frame(rows, score="score", actual="actual", model="churn", task="binary")
    assert truth is not None
    reviewed = np.arange(1_000) % 10 == 0
    unwrap(truth.numbers)[~reviewed] = np.nan
    outcomes = fold_outcomes(table.task, table.scores, None, truth, np.full(1_000, 10.0))
    found = judged(merge([fold(table, baseline.bins), outcomes]), baseline)
    assert (found.outcome_rows, found.coverage) == (100, 0.1)


def test_outcomes_before_their_predictions_cover_no_more_than_everything() -> None:
    baseline = built(frame(500, 1))
    pane = folded(frame(200, 2), baseline, 200)
    pane.parts["outcomes"] = pane.parts["outcomes"] * 2
    assert judged(pane, baseline).coverage == 1
