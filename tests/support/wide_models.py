"""Models with many features and many windows, for what has to stay small or quick."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Estimate, Evaluation, MetricValue
from driftline_processor.queries.model_view import BaselineView, ModelView

from tests.support.fake_view import NOW, column, edges, normal_cells, ns
from tests.support.verdict_windows import verdict_of_model
from tests.support.windows import windows_over

METRICS = (
    *("log_loss", "log_loss_constant", "mean_score", "actual_rate", "roc_auc", "accuracy", "precision", "recall", "f1"),
    *("brier", "average_precision", "specificity", "balanced_accuracy", "calibration_error", "ks"),
)
ESTIMATED = ("roc_auc", "accuracy", "precision", "recall")


def wide(features: int, windows: int) -> ModelView:
    """Return a model with days of 15 metrics and 4 estimates; every seventh feature drifts in the second half."""
    inner, cells = edges(0, 100)
    random = np.random.default_rng(0)
    names = [f"feature-{at}" for at in range(features)]
    before, after = (
        {
            name: column(
                name,
                normal_cells(inner, 50, 15),
                normal_cells(inner, 50 + (at % 7 == 0) * late * 12 + random.normal(), 15),
                1000,
                cells,
            )
            for at, name in enumerate(names)
        }
        for late in (0, 1)
    )
    key = ModelKey("wide", "1", "")
    evaluations = []
    for at, window in enumerate(windows_over("1d", ns(2013, 1, 1), ns(2015, 12, 1))):
        if at >= windows:
            break
        realized = {
            name: MetricValue(0.7 + 0.1 * random.random(), 900, "panes", low=0.6, high=0.9, interval="blocks")
            for name in METRICS
        }
        value = 0.7 + 0.1 * random.random()
        estimate = Estimate(value, 0.6, 0.9, 0.02, 0.65, 0.85, False, 900, "rows", "cbpe", 0.75)
        evaluations.append(
            Evaluation(
                *(key, window, 1000, True),
                after if at > windows // 2 else before,
                fraction=0.1,
                realized=realized,
                estimated=dict.fromkeys(ESTIMATED, estimate),
                reference={name: MetricValue(0.7, 9000, "panes") for name in METRICS},
                outcome_rows=900,
                coverage=0.5 + 0.4 * random.random(),
            )
        )
    return ModelView(
        key,
        Task("binary", ("0", "1"), "1", 0.5),
        rows=windows * 1000,
        first=ns(2013, 1, 1),
        last=NOW,
        received=NOW,
        outcomes=windows * 900,
        baseline=BaselineView("event", "ab", 10_000, tuple(names)),
        watermark=NOW,
        windows={"1d": evaluations},
        verdict=verdict_of_model(evaluations),
    )
