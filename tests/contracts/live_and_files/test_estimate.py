"""Estimates without labels in the state: the same as on files, whatever the order, and after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.sections.estimation import score_grid
from driftline.panes.bins import NumberBins, count
from driftline.panes.pane import DURATION_BOUNDS, Pane
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import Column
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.core.estimate.estimator import estimate_metrics
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.present import evaluation_json

from tests.support.estimated_models import CLASSES, build, frame, scores_of
from tests.support.metric_requests import histogram_of, metrics_body
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import BINARY, HOUR, MINUTE, NOON, Clock, Opened, predictions

TASKS = {
    "binary": BINARY,
    "multiclass": Task("multiclass", CLASSES),
    "regression": Task("regression"),
}


def send(state: Opened, rows: pd.DataFrame, kind: str, parts: int, order: np.random.Generator) -> None:
    for some in np.array_split(order.permutation(len(rows)), parts):
        sent = rows.iloc[some]
        scores: Any = sent[scores_of(kind)].to_numpy().tolist()
        times: Sequence[int] = (sent["time"] * 1e9).astype("int64").tolist()
        features: dict[str, Sequence[object]] = {"age": sent["age"].tolist()}
        ids = [f"p{at}" for at in some.tolist()]
        state.send(predictions(ids, times, scores, features=features, task=TASKS[kind]))


def windows(state: Opened) -> list[Evaluation]:
    return state.view().windows["1h"]


@pytest.mark.parametrize("kind", ["binary", slow("multiclass"), slow("regression")])
def test_live_estimates_are_those_of_files(kind: str, open_state: Open, clock: Clock, tmp_path: Path) -> None:
    built, rows = build(kind), frame(kind, 2_000, 2, 2.0)
    built.save(tmp_path / "m.baseline.json")
    rows.drop(columns="actual").to_parquet(tmp_path / "rows.parquet")
    state = open_state(churn=Model(windows=("1h",)))
    clock.now = NOON + 3 * HOUR
    state.send(baselines=[built.to_json()])
    send(state, rows, kind, 5, np.random.default_rng(3))
    options = EvaluationOptions(time="time", window="1h")
    result = evaluate_files(
        EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "m.baseline.json"),
        options,
        lambda _: None,
    )
    live = [one for one in windows(state) if one.estimated]
    assert len(live) == len(result.evaluations) == 2
    for ours, theirs in zip(live, result.evaluations, strict=True):
        assert ours.estimated.keys() == theirs.estimated.keys() != set()
        for name, one in ours.estimated.items():
            other = theirs.estimated[name]
            assert (one.rows, one.method, one.alert) == (other.rows, other.method, other.alert)
            for field in ("value", "low", "high", "sampling_error", "lower_bound", "upper_bound", "reference"):
                live_value, file_value = getattr(one, field), getattr(other, field)
                assert (live_value is None) == (file_value is None)
                if live_value is not None:
                    assert live_value == pytest.approx(file_value, rel=1e-9), (name, field)


@pytest.mark.slow
def test_estimates_come_without_any_outcome_and_outlive_a_restart(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=Model(windows=("1h",)))
    clock.now = NOON + 3 * HOUR
    state.send(baselines=[build("binary").to_json()])
    send(state, frame("binary", 1_000, 4), "binary", 2, np.random.default_rng(5))
    [first, _] = windows(state)
    assert first.outcome_rows == 0
    assert first.realized == {}
    assert first.estimated["roc_auc"].value is not None
    state = open_state(churn=Model(windows=("1h",)))
    assert windows(state)[0].estimated == first.estimated


def test_rows_without_features_are_enough_for_a_classifier(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=Model(windows=("1h",)))
    clock.now = NOON + 3 * HOUR
    state.send(baselines=[build("binary").to_json()])
    rows = frame("binary", 300, 6)
    times = (rows["time"] * 1e9).astype("int64").tolist()
    state.send(predictions([f"p{at}" for at in range(300)], times, rows["score"].tolist()))
    assert windows(state)[0].estimated["accuracy"].value is not None


@pytest.mark.slow
def test_histograms_alone_are_enough_and_no_row_leaves_the_service(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=Model(windows=("1h",)))
    clock.now = NOON + 3 * HOUR
    built, rows = build("binary"), frame("binary", 4_000, 7, 1.0)
    state.send(baselines=[built.to_json()])
    scores, times = rows["score"].to_numpy(), (NOON, NOON + 5 * MINUTE)
    assert isinstance(built.bins.score, NumberBins)
    counts = count(built.bins.score, Column(numbers=scores))[: built.bins.score.size]
    durations = np.zeros(len(DURATION_BOUNDS) + 1)
    durations[3] = len(scores)
    made = [
        histogram_of(m.ML_PREDICT_DURATION, DURATION_BOUNDS, durations, start=times[0], time=times[1], sum=0.5),
        histogram_of(
            m.DRIFTLINE_PREDICTION_SCORE,
            np.nextafter(built.bins.score.edges, -np.inf),
            counts,
            {},
            start=times[0],
            time=times[1],
        ),
    ]
    state.state.submit("metrics", metrics_body(made)).result(60)
    [window] = [one for one in windows(state) if one.rows]
    assert (window.rows, window.distributed) == (4_000, 4_000)
    whole = estimate_metrics(pane_of(scores), built, BINARY, HOUR)
    for name in ("accuracy", "roc_auc", "f1", "log_loss"):
        assert window.estimated[name].value == pytest.approx(whole[name].value, abs=0.004), name
    assert window.estimated["accuracy"].rows == 4_000


def pane_of(scores: Any) -> Pane:
    found = score_grid(BINARY, scores[:, np.newaxis], None, None, np.zeros(len(scores), np.int64))
    return Pane({"rows": np.full(3, float(len(scores)))} | {one.part: one.dense(1)[0] for one in found})


@pytest.mark.slow
def test_six_hours_below_the_baseline_can_be_read_without_a_label(open_state: Open, clock: Clock) -> None:
    """Scenario 14: five percent below the baseline for six hours, from the API and from the metrics."""
    state = open_state(churn=Model(windows=("1h",)))
    built = build("binary")
    clock.now = NOON + 8 * HOUR
    state.send(baselines=[built.to_json()])
    rng = np.random.default_rng(8)
    for hour in range(7):
        p = np.clip(rng.normal(0.5, 0.15, 400), 0.01, 0.99)  # it is unsure of everybody
        times = (NOON + hour * HOUR + np.sort(rng.integers(0, HOUR, 400))).tolist()
        state.send(predictions([f"h{hour}-{at}" for at in range(400)], times, p.tolist()))
    model = state.view()
    closed = [
        evaluation_json.to_json(one)["performance"]["estimated"]["roc_auc"]
        for one in model.windows["1h"][:6]
        if one.closed
    ]
    assert len(closed) == 6
    assert all(one["value"] < 0.95 * one["reference"] and one["alert"] for one in closed)
    assert {one["assumes"] for one in closed} == {"P(y|x) unchanged"}
    said = {
        point.metric: point.value
        for point in points(state.state)
        if dict(point.attributes).get(a.DRIFTLINE_PERFORMANCE_METRIC) == "roc_auc"
    }
    assert said[m.DRIFTLINE_ESTIMATE_VALUE] < 0.95 * said[m.DRIFTLINE_PERFORMANCE_REFERENCE]
    assert said[m.DRIFTLINE_ESTIMATE_STATUS] == 1.0
