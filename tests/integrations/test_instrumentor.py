"""Where ``opentelemetry-instrumentation`` is not installed, an object that is named is recorded all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.facts import lacking
from tests.support.receiver import Receiver

from .process import run, tables

SERVICE = """
import sys
sys.modules["opentelemetry.instrumentation"] = None  # as where the package is not installed
import driftline
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sklearn.linear_model import LogisticRegression
from driftline_integrations.fastapi import FastAPIInstrumentor, Route
from driftline_integrations import catboost, flask, lightgbm, mlflow, onnxruntime, torch_instrumentor, xgboost

app = FastAPI()

@app.post("/predict")
def predict(row: dict) -> dict:
    return {"probability": 0.25}

route = Route(id="customer", score="probability")
driftline.Model("churn", task="binary").instrument(app, routes={"POST /predict": route})
TestClient(app).post("/predict", json={"customer": "C-1", "age": 41})
classifier = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
driftline.Model("named").instrument(classifier).predict_proba([[0.5]])
driftline.shutdown()
FastAPIInstrumentor().uninstrument()
try:
    FastAPIInstrumentor().instrument()
except ModuleNotFoundError as missing:
    print(missing)
"""


@pytest.mark.slow
def test_an_application_and_an_estimator_are_recorded_without_the_package(receiver: Receiver, tmp_path: Path) -> None:
    script = tmp_path / "service.py"
    script.write_text(SERVICE)

    said = " ".join(run(script, receiver))

    assert {table.key.model: len(table) for table in tables(receiver)} == {"churn": 1, "named": 1}
    assert lacking(said, "FastAPIInstrumentor") == []
