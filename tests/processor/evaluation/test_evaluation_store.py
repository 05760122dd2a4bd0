"""What was believed is read back as it was written."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, MethodValue, MetricValue, TargetDrift
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.evaluation_store import evaluation_from_text, evaluation_to_text

TARGET = TargetDrift(
    target="feature",
    name="age",
    state="drift",
    decided_by="ks",
    rows=12,
    methods={"ks": MethodValue(0.1, 0.001), "psi": MethodValue(None)},
    effect=0.09,
    size="large",
    cells=("< 1", "1 – 2"),
    was=np.array([0.1, 0.9]),
    now=np.array([0.3, 0.7]),
    missing_was=0.0,
)


def test_an_evaluation_survives_being_text() -> None:
    evaluation = Evaluation(
        key=ModelKey("churn", "1", "prod"),
        window=Window("1d", 1, 2),
        rows=12,
        closed=True,
        features={"age": TARGET},
        score=TARGET,
        share=1.0,
        realized={"auc": MetricValue(0.5, 12, "panes", 1e-4)},
        reference={"auc": MetricValue(None, 0, "panes")},
        outcome_rows=3,
        coverage=0.25,
        missing_features=("income",),
        new_features=("city",),
        baseline_version="1",
        compared="the same hours",
    )
    again = evaluation_from_text(evaluation_to_text(evaluation))
    assert repr(again) == repr(evaluation)
    assert evaluation_to_text(again) == evaluation_to_text(evaluation)


def test_numpy_numbers_are_numbers() -> None:
    evaluation = Evaluation(ModelKey("churn"), Window("1d", 1, 2), 12, True, share=np.float64(0.5))
    assert evaluation_from_text(evaluation_to_text(evaluation)).share == 0.5


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no place in an evaluation"):
        evaluation_to_text(Evaluation(ModelKey("churn"), Window("1d", 1, 2), 12, True, share=object()))  # type: ignore[arg-type]
