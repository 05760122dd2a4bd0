"""Chosen drift methods, embeddings among what they compare: the same live over OTLP as in a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.config.model import Model
from driftline_processor.config.schema import load
from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.evaluation import ColumnDrift, JointDrift
from driftline_processor.evaluation.evaluation_codec import decode_evaluation, encode_evaluation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.present.evaluation_json import to_json

from tests.support.facts import lacking
from tests.support.live_and_files import evaluate_live
from tests.support.service import Service
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, Clock, predictions

YAML = """
models:
  churn:
    windows: [1d]
    method: [anderson_darling, proportion, domain_classifier]
    methods: [hellinger]
    features:
      age: {method: mean_shift, methods: [wasserstein]}
"""
ASKED = EvaluationOptions(
    method=("anderson_darling,proportion,domain_classifier", "age=mean_shift"),
    methods=("hellinger", "age=wasserstein"),
)


def rows(n: int, seed: int, moved: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "age": rng.normal(40 + 12 * moved, 12, n),
        "income": rng.lognormal(10, 0.5, n),
        "member": rng.random(n) < 0.3 + moved / 2,
        "vector": rng.normal(moved / 2, 1, (n, 16)).astype(np.float32),
        "score": rng.random(n),
    }


def told(column: ColumnDrift | None) -> Any:
    assert column is not None
    values = {name: (method.value, method.p_value) for name, method in column.methods.items()}
    return column.state, column.decided_by, column.size, column.effect, column.rows, values


def nearly(told: Any) -> Any:
    *words, effect, count, values = told
    return (*words, pytest.approx(effect, rel=1e-6), count, {name: pytest.approx(v) for name, v in values.items()})


@pytest.mark.parametrize("moved", [0.0, 0.5])
def test_live_and_in_a_file_the_same_methods_say_the_same(
    open_state: Open, clock: Clock, tmp_path: Path, moved: float
) -> None:
    clock.now = time.time_ns()
    baseline = Baseline.from_frame(rows(6_000, 1), score="score", model="churn", task="binary", version="1")
    baseline.save(tmp_path / "baseline.json")
    window = rows(2_000, 2, moved)
    columns = {key: pa.array(values.tolist()) for key, values in window.items()}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    result = evaluate_files(EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "baseline.json"), ASKED, print)
    in_file = result.evaluations[0]

    (tmp_path / "driftline.yaml").write_text(YAML, encoding="utf-8")
    state = open_state(**load(tmp_path / "driftline.yaml").models)
    service = Service()
    model = service.model(version="1", baseline=baseline)

    @model.predict
    def score(batch: pd.DataFrame) -> Any:
        return window["score"][batch.index]

    score(pd.DataFrame({name: list(values) for name, values in window.items() if name != "score"}))
    service.flush()
    for body in service.channel.bodies:
        state.state.submit("logs", body).result(60)
    clock.now += 2 * DAY
    (live,) = (one for one in state.view(version="1", environment="test").windows["1d"] if one.rows)

    assert {name: column.decided_by for name, column in live.features.items()} == {
        "age": "mean_shift",
        "income": "anderson_darling",
        "member": "proportion",
        "vector": "domain_classifier",
    }
    drifted = {"age", "member", "vector"} if moved else set()
    assert {name for name, column in live.features.items() if column.state == "drift"} == drifted
    for name, column in live.features.items():
        assert told(column) == nearly(told(in_file.features[name])), name
    assert told(live.score) == nearly(told(in_file.score))

    series = [dict(point.attributes) for point in points(state.state) if point.metric == m.DRIFTLINE_DRIFT_VALUE]
    methods = {(one.get(a.DRIFTLINE_FEATURE_NAME), one[a.DRIFTLINE_DRIFT_METHOD]) for one in series}
    assert {method for name, method in methods if name == "age"} == {
        "mean_shift", "psi", "js", "hellinger", "wasserstein",
    }  # fmt: skip
    assert {method for name, method in methods if name == "vector"} == {"domain_classifier", "psi", "js"}


def test_a_method_that_does_not_compare_the_feature_it_is_named_for_is_told_with_key_rule_and_fix(
    open_state: Open, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {"age": {"method": "chi2"}, "member": {"methods": ["wasserstein"]}, "income": {"method": "mean_shift"}}
    state = open_state(churn=Model.model_validate({"features": wrong}))
    key = (
        "models.churn.features.age.method: chi2 cannot compare this column, which is a number in the baseline; use one "
    )
    frame = {name: values for name, values in rows(3_000, 1).items() if name != "vector"}
    state.send(baselines=[Baseline.from_frame(frame, score="score", model="churn", task="binary").to_json()])
    names = [str(at) for at in range(100)]
    state.send(predictions(names, features={key: frame[key][:100].tolist() for key in ("age", "income")}))
    state.view()
    told = [hint for hint in state.view().hints if hint.startswith("models.churn.features.")]
    assert len(told) == 2
    assert told[0].startswith(key + "of anderson_darling")
    assert lacking(told[1], "models.churn.features.member.methods:") == []
    logged = [record.getMessage() for record in caplog.records if "models.churn.features" in record.getMessage()]
    assert len(logged) == 2


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
