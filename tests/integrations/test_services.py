"""Whole services, handlers unchanged: churn behind FastAPI and fraud behind Flask, in memory and on the wire."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.export.endpoint import resolve
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import open_channel
from driftline.tables.column_codec import strings
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask, request
from flask.typing import ResponseReturnValue
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor as OpenTelemetrysFastAPI
from opentelemetry.instrumentation.flask import FlaskInstrumentor as OpenTelemetrysFlask
from opentelemetry.trace import SpanKind
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.integrations.quiet import QUIET
from tests.support.receiver import Receiver, predictions_of
from tests.support.service import Service
from tests.support.unwrap import unwrap


class Customer(BaseModel):
    """What the churn service is asked about."""

    customer: str
    age: float
    visits: float


def training_rows() -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(7)
    X = pd.DataFrame({"age": random.uniform(18, 80, 400), "visits": random.poisson(5, 400).astype(float)})
    return X, (X["visits"] + random.normal(0, 1, 400) < 4).astype(int).to_numpy()


@pytest.mark.slow
def test_scenario_4_a_churn_model_behind_fastapi(service: Service, receiver: Receiver) -> None:
    X, y = training_rows()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    app = FastAPI(**QUIET)

    @app.post("/churn")
    def score(customer: Customer) -> dict[str, Any]:
        row = pd.DataFrame([{"age": customer.age, "visits": customer.visits}])
        probability = float(pipeline.predict_proba(row)[0, 1])
        return {"customer": customer.customer, "probability": probability, "churns": int(probability >= 0.5)}

    wire = open_channel(resolve(f"http://127.0.0.1:{receiver.server_port}"))
    churn = driftline.Model(
        "churn",
        task="binary",
        version="2026-11-01",
        tracer_provider=service.tracers,
        meter_provider=service.meters,
        channel=wire,
    )
    routes = {"POST /churn": {"id": "customer", "score": "probability", "predicted": "churns"}}
    churn.instrument(app, routes=routes)
    churn.instrument(pipeline)  # both layers of one model are one prediction
    OpenTelemetrysFastAPI.instrument_app(app, tracer_provider=service.tracers, meter_provider=service.meters)
    client = TestClient(app)
    customers = [{"customer": f"C-{i}", "age": 20.0 + i, "visits": float(i)} for i in range(10)]

    answers = [client.post("/churn", json=customer) for customer in customers]
    refused = client.post("/churn", json={"customer": "C-10", "age": "old"})
    for i in range(10):
        churn.outcome(answers[i].headers["x-prediction-id"], actual=int(i < 4))
    assert pipeline_of(wire).flush(60.0)

    expected = [answer.json()["probability"] for answer in answers]
    tables = [table for body in receiver.bodies for table in predictions_of(body)]
    assert refused.status_code == 422
    assert [text for table in tables for text in strings(table.id)] == [f"C-{i}" for i in range(10)]
    assert [score for table in tables if table.scores is not None for (score,) in table.scores.tolist()] == expected
    assert {name for table in tables for name in table.features} == {"age", "visits"}
    assert len({table.key for table in tables}) == 1
    web = {span.context.span_id: span for span in service.spans if span.name == "POST /churn" and span.context}
    made = [span for span in service.spans if span.name == "predict churn"]
    kept = [dict(span.attributes or {}) for span in made if "ml.prediction.id" in (span.attributes or {})]
    assert all(span.parent is not None and web[span.parent.span_id].kind is SpanKind.SERVER for span in made)
    assert [one["ml.prediction.score"] for one in kept] == expected
    assert [one["ml.prediction.class"] for one in kept] == [str(int(value >= 0.5)) for value in expected]
    decided = [str(int(value >= 0.5)) for value in expected]
    assert counts_of(service) == {label: decided.count(label) for label in set(decided)}


def counts_of(service: Service) -> dict[str, int]:
    """Return ``ml.predictions`` by class."""
    return {str(dict(key)["ml.prediction.class"]): n for key, n in service.counts().items()}


@pytest.mark.parametrize("theirs_first", [True, False])
def test_scenario_10_a_fraud_model_behind_flask(service: Service, theirs_first: bool) -> None:
    xgboost = pytest.importorskip("xgboost")
    X, y = training_rows()
    booster = xgboost.XGBClassifier(n_estimators=5, random_state=0).fit(X.to_numpy(), y)
    app = Flask("payments")

    @app.post("/fraud")
    def fraud_scores() -> ResponseReturnValue:
        rows = request.get_json()["payments"]
        scores = booster.predict_proba(np.array([[row["age"], row["visits"]] for row in rows]))[:, 1].tolist()
        return {
            "results": [{"payment": row["payment"], "score": score} for row, score in zip(rows, scores, strict=True)]
        }

    fraud = service.model("fraud", version="7")
    theirs: Any = OpenTelemetrysFlask
    route = {
        "features": "body:payments",
        "id": "payment",
        "score": "results.score",
        "slices": {"country": "country", "shop": "header:x-shop"},
    }
    if theirs_first:
        theirs.instrument_app(app, tracer_provider=service.tracers, meter_provider=service.meters)
    fraud.instrument(app, routes={"POST /fraud": route})
    if not theirs_first:
        theirs.instrument_app(app, tracer_provider=service.tracers, meter_provider=service.meters)
    payments = [
        {"payment": f"P-{i}", "age": 30.0 + i, "visits": float(i), "country": "NO" if i % 2 else "SE"} for i in range(6)
    ]

    response = app.test_client().post("/fraud", json={"payments": payments}, headers={"x-shop": "oslo"})

    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == [row["score"] for row in unwrap(response.json)["results"]]
    assert strings(table.id) == [f"P-{i}" for i in range(6)]
    assert sorted(table.features) == ["age", "country", "visits"]
    assert set(table.slices["country"].categories) == {"NO", "SE"}
    assert table.slices["shop"].categories == ("oslo",)
    web, prediction = (
        next(span for span in service.spans if span.name == name) for name in ("POST /fraud", "predict fraud")
    )
    assert unwrap(prediction.parent).span_id == unwrap(web.context).span_id
    assert dict(prediction.attributes or {})["ml.prediction.count"] == 6
    assert sum(service.counts().values()) == 6
