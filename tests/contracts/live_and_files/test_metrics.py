"""Metrics of the service are those of files: the same names and numbers, from panes and from rows."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.tables.task import Task
from driftline_processor.cli.commands import app
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Performance
from driftline_processor.config.schema import validate_file
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.evaluation_codec import decode_evaluation, encode_evaluation
from driftline_processor.present.evaluation_json import to_json
from typer.testing import CliRunner

from tests.support.answer_schema import check_answer
from tests.support.evaluation_text import evaluation_to_text
from tests.support.facts import Facts, lacking
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, MINUTE, NOON, Clock, outcomes, predictions
from tests.support.unwrap import unwrap

ASKED: dict[str, Any] = {
    "metrics": ["fbeta@2", "lift@0.05"],
    "costs": {1: {0: 500}, 0: {1: 20, 0: -1}},
}
N = 600
LEVELS, QUANTILES = (0.1, 0.5, 0.9), ["q10", "q50", "q90"]


def rows(kind: str) -> pd.DataFrame:
    """Predictions over two hours with weights and values that some outcomes said."""
    rng = np.random.default_rng(5)
    score = rng.random(N).round(3)
    frame = pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(N)],
            "x": rng.random(N),
            "time": pd.to_datetime(NOON + np.arange(N) * 12 * 10**9, utc=True),
            "weight": rng.choice([1.0, 4.0, 9.5], N),
            "value": np.where(rng.random(N) < 0.3, np.nan, rng.normal(5, 10, N).round(2)),
        }
    )
    if kind == "binary":
        return frame.assign(score=score, actual=(rng.random(N) < score).astype(int))
    if kind == "quantiles":
        low, high = score * 100 - rng.exponential(12, N), score * 100 + rng.exponential(12, N)
        actual = score * 100 + rng.normal(0, 9, N)
        return frame.assign(q10=low.round(2), q50=score * 100, q90=high.round(2), actual=actual.round(2))
    if kind == "regression":
        return frame.assign(score=score * 100, actual=(score * 100 + rng.normal(0, 9, N)).round(2))
    scores = rng.dirichlet([1.0, 2.0, 3.0], N)
    actual = np.array([rng.choice(3, p=p) for p in scores])
    return frame.assign(
        **{f"p_{name}": scores[:, at] for at, name in enumerate("abc")}, actual=np.array([*"abc"])[actual]
    )


def live(open_state: Open, clock: Clock, frame: pd.DataFrame, kind: str, asked: dict[str, Any]) -> Evaluation:
    clock.now = NOON + 3 * HOUR
    said = {
        "task": "regression" if kind == "quantiles" else kind,
        "windows": ["1d"],
        "performance": Performance(**asked),
    }
    state = open_state(churn=Model.model_validate(said))
    classes = {"binary": ("0", "1"), "multiclass": ("a", "b", "c")}.get(kind, ())
    task = Task(kind, classes, "1" if kind == "binary" else "")
    columns = {"multiclass": ["p_a", "p_b", "p_c"], "quantiles": QUANTILES}.get(kind, ["score"])
    if kind == "quantiles":
        task = Task("regression", quantiles=LEVELS)
    times = (frame["time"].astype("int64")).tolist()
    for start in range(0, N, 200):  # in pieces, and the outcomes in another order
        some = slice(start, start + 200)
        state.send(
            predictions(frame["id"][some].tolist(), times[some], frame[columns][some].to_numpy().tolist(), task=task)
        )
    for part in np.array_split(np.random.default_rng(1).permutation(N), 4):
        told = frame.iloc[part]
        state.send(
            outcomes(
                told["id"].tolist(),
                told["actual"].tolist(),
                NOON + 2 * HOUR + MINUTE,
                weight=told["weight"].tolist(),
                value=told["value"].tolist(),
            )
        )
    (evaluation,) = state.view().windows["1d"]
    return evaluation


def on_files(folder: Path, frame: pd.DataFrame, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    frame.drop(columns=["actual", "weight", "value"]).to_parquet(folder / "rows.parquet")
    frame[["id", "actual", "weight", "value"]].to_csv(folder / "outcomes.csv", index=False)
    reference = frame.drop(columns=["weight", "value"])
    reference.to_parquet(folder / "reference.parquet")
    (folder / "driftline.yaml").write_text(json.dumps({"models": {"churn": {"performance": asked}}}))
    said = ["evaluate", folder / "rows.parquet", "--baseline", folder / "reference.parquet", "--model", "churn"]
    said += ["--outcomes", folder / "outcomes.csv", "--json", "--curves"]
    said += ["--performance", folder / "driftline.yaml"]
    if kind == "multiclass":
        said += ["--score", "p_a,p_b,p_c", "--classes", "a,b,c"]
    if kind == "quantiles":
        said += ["--task", "regression", "--score", ",".join(QUANTILES), "--quantiles", ",".join(map(str, LEVELS))]
    else:
        said += ["--task", kind]
    done = CliRunner().invoke(app, [str(word) for word in said])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    check_answer(answer, "Evaluations")
    (window,) = answer["windows"]
    found: dict[str, Any] = window["performance"]
    return found


@pytest.mark.parametrize("kind", ["binary", slow("multiclass"), "regression", slow("quantiles")])
def test_the_service_and_files_say_the_same(open_state: Open, clock: Clock, tmp_path: Path, kind: str) -> None:
    asked = {"metrics": ["recall[*]", "top_k_accuracy@2"]} if kind == "multiclass" else {}
    frame = rows(kind)
    asked = ASKED if kind == "binary" else asked
    evaluation, files = live(open_state, clock, frame, kind, asked), on_files(tmp_path, frame, kind, asked)
    service = to_json(evaluation, curves=True)["performance"]
    own = {name: metric for name, metric in files["realized"].items() if name != "log_loss_constant"}
    assert service["realized"].keys() == own.keys()
    for name, metric in service["realized"].items():
        bound = evaluation.realized[name].bound
        assert metric["value"] == pytest.approx(own[name]["value"], rel=1e-9, abs=bound + 1e-9), name
        assert metric["rows"] == own[name]["rows"], name
        assert (metric["source"], own[name]["source"]) == ("panes", "rows")
    assert service["confusion"] == (
        None if kind in ("regression", "quantiles") else pytest.approx(np.array(files["confusion"]))
    )
    assert service["curves"].keys() == files["curves"].keys()
    for name, curve in service["curves"].items():
        for what in ("points", *(("limits",) if name == "calibration" else ())):
            assert np.array(curve[what]) == pytest.approx(np.array(files["curves"][name][what]), abs=1e-6)
    assert {"value", "value_per_prediction"} <= service["realized"].keys()
    wide = {"quantile_loss@0.1", "quantile_loss@0.5", "quantile_loss@0.9", "interval_coverage@0.8"}
    assert (wide <= service["realized"].keys()) == (kind == "quantiles")
    assert ("cost" in service["realized"]) == (kind == "binary")


@pytest.mark.slow
def test_an_evaluation_with_its_curves_is_read_back_from_the_archive_whole(open_state: Open, clock: Clock) -> None:
    evaluation = live(open_state, clock, rows("binary"), "binary", ASKED)
    assert len(evaluation.curves) == 4
    again = decode_evaluation(encode_evaluation(evaluation))
    assert evaluation_to_text(again) == evaluation_to_text(evaluation)
    assert (again.curves["roc"].points == evaluation.curves["roc"].points).all()
    assert again.curves["roc"].limits is None
    assert np.array_equal(again.curves["calibration"].limits, evaluation.curves["calibration"].limits)  # type: ignore[arg-type]
    assert (unwrap(again.confusion) == unwrap(evaluation.confusion)).all()


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("metrics: [f1_score]", ("'f1_score'", "'f1'")),
        ("metrics: fbeta", ("'fbeta'", "above 0", "'fbeta@2'")),
        ('metrics: ["recall[*]"]', ("'recall[*]'",)),
        ("costs: {2: {0: 1}}", ("classes (0, 1",)),
        ("costs: {1: {0: dear}}", ("predicting 0", "class 1", "'dear'")),
        ("costs: 500", ("costs must map each actual class to the costs by predicted class, as in",)),
        ("costs: {1: 500}", ("the costs of 1 must be given by predicted class, as in",)),
    ],
)
def test_what_may_not_be_asked_is_said_with_its_place(tmp_path: Path, text: str, facts: Facts) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text(f"models: {{churn: {{task: binary, classes: [0, 1], performance: {{{text}}}}}}}")
    (found,) = [*map(str, validate_file(file))]
    assert found.startswith("models.churn.performance.")
    assert lacking(found, *facts) == []


def test_what_a_model_has_not_is_logged_once_where_only_its_sender_says_what_it_is(
    open_state: Open, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.now = NOON + 3 * HOUR
    asked = Performance(metrics=("top_k_accuracy@5",), costs={"fraud": {"0": 5.0}})
    caplog.set_level(logging.WARNING, "driftline_processor.evaluation.evaluator")
    state = open_state(churn=Model(windows=("1h",), performance=asked))
    for hour in range(3):
        state.send(predictions([f"{hour}"], NOON + hour * HOUR, [0.5]))
        state.send(outcomes([f"{hour}"], [1], NOON + hour * HOUR))
    clock.now = NOON + 30 * HOUR
    assert [window.closed for window in state.view().windows["1h"]] == [True] * 3
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert lacking(said[0], "models.churn.performance.metrics:", "'top_k_accuracy@5'") == []
    assert lacking(said[1], "models.churn.performance.costs:", "classes (0, 1") == []
