"""Scenario 13: a service with a scikit-learn model and a profile of its training data, instrumented without a line."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path

import driftline
import joblib
import pytest
from driftline.panes.fold import fold
from driftline.panes.pane import merge
from driftline.tables.column_codec import strings
from driftline.tables.table import ModelKey
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window
from sklearn.linear_model import LogisticRegression

from tests.integrations.estimators.every_estimator import FRAME, LABELS
from tests.support.receiver import Receiver
from tests.support.zero_code import free_port, posted, running, wait_for

from .process import INSTRUMENT, counted, run, spans, tables

SERVICE = """
    import joblib, pandas as pd

    model = joblib.load("model.joblib")
    rows = pd.read_csv("requests.csv")
    answers = [str(model.predict(rows[i : i + 1])[0]) for i in range(20)]
    print(*answers, *model.predict(rows[20:]))
"""
"""Nothing in it knows of Driftline or of OpenTelemetry."""


@pytest.mark.slow
def test_traces_records_and_counts_are_right_on_the_wire_and_drift_is_seen(receiver: Receiver, tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit(FRAME, LABELS), tmp_path / "model.joblib")
    FRAME.assign(age=FRAME["age"] + 3.0).to_csv(tmp_path / "requests.csv", index=False)
    service = tmp_path / "service.py"
    service.write_text(textwrap.dedent(SERVICE))
    plain = run(service, receiver)
    assert receiver.bodies == []

    assert run(service, receiver, INSTRUMENT, DRIFTLINE_MODEL_NAME="churn", DRIFTLINE_MODEL_VERSION="3") == plain

    arrived = tables(receiver)
    assert sum(map(len, arrived)) == 60
    assert {table.key for table in arrived} == {ModelKey("churn", "3")}
    assert {table.task.classes for table in arrived} == {("churns", "stays")}
    assert len({text for table in arrived for text in strings(table.id)}) == 60
    assert counted(receiver) == Counter(plain)
    traced = [span for span in spans(receiver) if span["name"] == "predict churn"]
    assert len(traced) == 21
    ages = [
        span["driftline.feature.value.age"].double_value for span in traced if "driftline.feature.value.age" in span
    ]
    assert ages == (FRAME["age"][:20] + 3.0).tolist()

    baseline = driftline.Baseline.from_frame(
        FRAME, predicted=LABELS, model="churn", task="binary", positive_class="stays"
    )
    pane = merge([fold(table, baseline.bins) for table in arrived])
    found = judge_window(ModelWindow(ModelKey("churn", "3"), Window("1d", 0, 1), pane), Reference(baseline))
    states = {name: drift.state for name, drift in found.features.items()}
    assert states == {"age": "drift", "visits": "ok", "spend": "ok"}


SHOP = """
import joblib, pandas as pd
from fastapi import FastAPI

app = FastAPI()
model = joblib.load("model.joblib")

@app.post("/predict")
def predict(order: dict) -> dict:
    row = pd.DataFrame([{name: order[name] for name in ("age", "visits", "spend")}])
    return {"stays": float(model.predict_proba(row)[0, 1]), "decision": str(model.predict(row)[0])}
"""


@pytest.mark.slow
def test_an_estimator_inside_a_recorded_route_is_the_same_prediction(receiver: Receiver, tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit(FRAME, LABELS), tmp_path / "model.joblib")
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "driftline.toml").write_text(
        """
        [models.churn]
        task = "binary"
        classes = ["churns", "stays"]
        positive_class = "stays"

        [models.churn.routes."POST /predict"]
        id = "order"
        score = "stays"
        predicted = "decision"
        """
    )
    port = free_port()
    with running(tmp_path, receiver, "uvicorn", "shop:app", "--port", str(port)) as server:
        answer = posted(server, port, "/predict", {"order": "A-1", **FRAME.iloc[0].to_dict()}).json()
        wait_for(receiver, "/v1/logs", "/v1/traces")

    (table,) = tables(receiver)
    assert table.key == ModelKey("churn")
    assert strings(table.id) == ["A-1"]
    assert table.scores is not None
    assert table.scores.tolist() == [[answer["stays"]]]
    assert list(table.features) == ["age", "visits", "spend"]
    assert [span["name"] for span in spans(receiver)].count("predict churn") == 1
