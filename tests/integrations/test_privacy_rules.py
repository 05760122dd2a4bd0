"""What integrations see goes through the same gate: nothing that a rule keeps back leaves, whatever the framework."""

# ruff: noqa: ARG001 - a handler that answers the same whatever it is given

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline import Model
from driftline_integrations import fastapi as for_fastapi
from driftline_integrations import flask as for_flask
from driftline_integrations import sklearn as for_sklearn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask, request
from sklearn.linear_model import LogisticRegression

from tests.support.privacy_markers import RULES, SECRETS, ProcessOutput
from tests.support.privacy_markers import output as output
from tests.support.service import Service

BODY = {name: SECRETS[name] for name in ("text", "number", "integer", "flag")}
ROUTE = {"score": "score", "slices": {"cut": "text", "amount": "number"}}
ROUTES: dict[str, Any] = {"POST /score": ROUTE, "POST /fails": ROUTE, "POST /person": {**ROUTE, "id": "body:text"}}


def flask_app(model: Model) -> None:
    app = Flask("shop")

    @app.post("/score")
    @app.post("/person", endpoint="person")
    def score() -> dict[str, float]:
        return {"score": 0.25}

    @app.post("/fails")
    def fails() -> dict[str, float]:
        raise LookupError(str(request.get_json()))

    for_flask.instrument(model, app, routes=ROUTES)
    client = app.test_client()
    for path in ("/score", "/fails", "/person"):
        client.post(path, json=BODY)


def fastapi_app(model: Model) -> None:
    app = FastAPI()

    @app.post("/score")
    @app.post("/person")
    def score(body: dict[str, Any]) -> dict[str, float]:
        return {"score": 0.25}

    @app.post("/fails")
    def fails(body: dict[str, Any]) -> dict[str, float]:
        raise LookupError(str(body))

    for_fastapi.instrument(model, app, routes=ROUTES)
    client = TestClient(app, raise_server_exceptions=False)
    for path in ("/score", "/fails", "/person"):
        client.post(path, json=BODY)


def estimator(model: Model) -> None:
    frame = pd.DataFrame({"number": [SECRETS["number"], 1.0] * 2, "integer": [SECRETS["integer"], 0] * 2})
    fitted = LogisticRegression().fit(frame, np.array([0, 1, 0, 1]))
    for_sklearn.instrument(model, fitted)
    fitted.predict_proba(frame[:1])
    fitted.predict(frame[:1])
    with pytest.raises(ValueError, match="73412"):
        fitted.predict(pd.DataFrame({"number": [f"{SECRETS['number']} crowns"], "integer": [SECRETS["integer"]]}))


PLACES: tuple[Callable[[Model], None], ...] = (flask_app, fastapi_app, estimator)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_every_secret_is_found_where_no_rule_is_set(
    output: ProcessOutput, service: Service, place: Callable[[Model], None]
) -> None:
    model = service.model(metrics_channel=service.metrics)
    place(model)

    planted = {"number", "integer"} if place is estimator else {*BODY}
    found = output.found()
    assert {(name, signal) for name in planted for signal in ("spans", "records")} <= found


@pytest.mark.parametrize("rules", [name for name in RULES if name != "scores"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_no_secret_leaves(output: ProcessOutput, service: Service, place: Callable[[Model], None], rules: str) -> None:
    model = service.model(**RULES[rules], metrics_channel=service.metrics)
    place(model)

    found = output.found()
    if rules in ("hash", "round"):
        found = {(name, signal) for name, signal in found if name != "flag"}
    if rules in ("allow", "none"):  # what was asked for as an id leaves
        found -= {("text", "spans"), ("text", "records")}
    assert found == set()
