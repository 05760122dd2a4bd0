"""``driftline.testing`` beside the integrations: a test of a web application or an estimator sees what they record."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pytest
from driftline.testing import Capture, capture
from driftline_integrations.fastapi import Route
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask, jsonify, request
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from sklearn.linear_model import LogisticRegression

ORDER = {"order_id": "A-1001", "amount": 17.5, "country": "NO"}
ROUTES = {"POST /predict": Route(id="order_id", score="probability", predicted="label")}

churn = driftline.Model("churn", task="binary")
fraud = driftline.Model("fraud", task="binary")


@pytest.fixture
def app() -> FastAPI:
    """An application that was instrumented where it was made, with spans of its own."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.post("/predict")
    def predict(order: dict[str, Any]) -> dict[str, Any]:
        return {"probability": order["amount"] / 70, "label": 0}

    churn.instrument(app, routes=ROUTES)
    FastAPIInstrumentor.instrument_app(app)
    return app


def assert_recorded(captured: Capture, model: str) -> None:
    prediction = captured.assert_predicted(model, id="A-1001", score=0.25, predicted=0)
    assert prediction.features == {"amount": 17.5, "country": "NO"}
    captured.assert_counted(model, 1)
    captured.assert_nothing_lost()


def test_a_route_of_fastapi_is_captured_below_its_web_span(app: FastAPI) -> None:
    with capture() as captured:
        response = TestClient(app).post("/predict", json=ORDER)
    assert response.headers["x-prediction-id"] == "A-1001"
    assert_recorded(captured, "churn")
    (prediction,) = captured.predictions
    assert prediction.span is not None
    assert prediction.span.parent is not None
    parents = [span.name for span in captured.spans if span.context == prediction.span.parent]
    assert parents == ["POST /predict"]


def test_a_route_of_flask_is_captured() -> None:
    app = Flask("shop")

    @app.post("/predict")
    def predict() -> Any:
        return jsonify(probability=request.get_json()["amount"] / 70, label=0)

    fraud.instrument(app, routes=ROUTES)
    with capture() as captured:
        assert app.test_client().post("/predict", json=ORDER).status_code == 200
    assert_recorded(captured, "fraud")


def test_an_estimator_is_captured() -> None:
    X = np.array([[1.0, 0.0], [2.0, 1.0], [8.0, 0.0], [9.0, 1.0]])
    model = driftline.Model("visits", feature_names=("visits", "member"))
    classifier = model.instrument(LogisticRegression().fit(X, [0, 0, 1, 1]))
    with capture() as captured:
        scores = classifier.predict_proba(X)[:, 1]
    rows = captured.predictions
    assert [row.score for row in rows] == scores.tolist()
    assert rows[3].features == {"visits": 9, "member": 1}
    assert [row.predicted for row in rows] == ["0", "0", "1", "1"]
