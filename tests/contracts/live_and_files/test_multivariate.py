"""Features that turn together: the same rows, once sent live over OTLP and once in a file, and where it is shown."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.model import Model
from driftline_processor.config.schema import load
from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.evaluation import JointDrift
from driftline_processor.evaluation.evaluation_codec import decode_evaluation, encode_evaluation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.options import EvaluationOptions
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.present.evaluation_json import to_json

from tests.support.live_and_files import evaluate_live
from tests.support.state_fixtures import Open
from tests.support.state_rows import Clock


def frame(n: int, seed: int, turned: bool = False) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age, other = random.normal(size=(2, n))
    income = (-0.7 if turned else 0.7) * age + 0.714 * other
    columns = {"age": 40 + 12 * age, "income": np.exp(10 + 0.5 * income), "tenure": random.normal(size=n)}
    columns["tenure"] = np.where(random.random(n) < 0.1, np.nan, columns["tenure"])
    plan = random.choice(np.array(["basic", "pro"], object), n)
    return pd.DataFrame({**columns, "plan": plan, "score": random.random(n)})


def baseline() -> Baseline:
    return Baseline.from_frame(frame(5_000, 1), score="score", model="churn", task="binary", version="1")


def of_file(path: Path, reference: Path) -> dict[str, JointDrift]:
    [evaluation] = evaluate_files(EvaluationInputs([path], reference), EvaluationOptions(), print).evaluations
    return evaluation.joint


@pytest.mark.parametrize("turned", [False, True])
def test_live_and_files_find_the_same_to_the_last_digit(
    turned: bool, open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    clock.now = time.time_ns()
    rows = frame(4_000, 3, turned)
    rows.to_parquet(tmp_path / "rows.parquet")
    baseline().save(tmp_path / "baseline.json")
    of_rows = of_file(tmp_path / "rows.parquet", tmp_path / "baseline.json")
    of_panes = evaluate_live(open_state(), clock, rows, baseline()).joint
    assert of_panes == of_rows
    assert {name: one.state for name, one in of_rows.items()} == dict.fromkeys(
        ("correlation", "pca"), "drift" if turned else "ok"
    )


def test_what_is_found_is_on_the_page_in_the_metrics_in_json_and_kept(open_state: Open, clock: Clock) -> None:
    clock.now = time.time_ns()
    state = open_state()
    evaluation = evaluate_live(state, clock, frame(4_000, 3, True), baseline())
    assert decode_evaluation(encode_evaluation(evaluation)).joint == evaluation.joint
    found = to_json(evaluation)["drift"]["multivariate"]["correlation"]
    assert found["contributors"][0]["features"] == ["age", "income"]
    assert "age and income is -0.7" in found["sentence"]
    told = {
        (p.metric, dict(p.attributes).get("driftline.drift.method")): p.value for p in points(state.state) if _joint(p)
    }
    assert told[("driftline.drift.value", "correlation")] == evaluation.joint["correlation"].value
    assert told[("driftline.drift.status", "pca")] == 1.0


def _joint(point: object) -> bool:
    return ("driftline.drift.column", "features") in getattr(point, "attributes")  # noqa: B009


def test_the_configuration_says_which_methods_compare_features_together(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    assert set(Model().multivariate) == {name for name, method in JOINT.items() if method.measure is not None}
    path = tmp_path / "driftline.yaml"
    path.write_text("models: {churn: {multivariate: [correlation]}}")
    assert load(path).models["churn"].multivariate == ("correlation",)
    path.write_text("models: {churn: {multivariate: pca}}")
    assert load(path).models["churn"].multivariate == ("pca",)
    clock.now = time.time_ns()
    state = open_state(churn=load(path).models["churn"])
    assert list(evaluate_live(state, clock, frame(4_000, 3), baseline()).joint) == ["pca"]
