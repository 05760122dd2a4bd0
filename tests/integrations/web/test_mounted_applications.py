"""Sub-applications that are mounted in FastAPI and Flask are recorded, with the routes of either application."""

from __future__ import annotations

from importlib import import_module

import driftline
import pytest
from driftline.testing import Capture
from driftline_integrations.flask import uninstrument
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

ORDER = {"id": "A-1", "amount": 17.5}


def fastapi_shop() -> FastAPI:
    app = FastAPI()

    @app.post("/score")
    def score(order: dict[str, object]) -> dict[str, float]:
        return {"fraud": 0.25 if order["amount"] == 17.5 else 0.75}

    return app


def flask_shop() -> Flask:
    app = Flask("shop")

    @app.post("/score")
    def score() -> dict[str, float]:
        return {"fraud": 0.25}

    return app


def model() -> driftline.Model:
    return driftline.Model("fraud", task="binary", version="1")


@pytest.mark.parametrize("inside", [True, False])
def test_a_fastapi_application_in_another(driftline_capture: Capture, inside: bool) -> None:
    shop, app = fastapi_shop(), FastAPI()
    app.mount("/v1", shop)
    route = {"id": "id", "score": "fraud"}
    if inside:
        model().instrument(shop, routes={"POST /score": route})
    else:
        model().instrument(app, routes={"POST /v1/score": route})
    with TestClient(app) as client:
        assert client.post("/v1/score", json=ORDER).json() == {"fraud": 0.25}
    driftline_capture.assert_predicted("fraud", id="A-1", score=0.25)
    assert len(driftline_capture.predictions) == 1


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("behind", [False, True])
def test_a_flask_application_in_another(driftline_capture: Capture, inside: bool, behind: bool) -> None:
    shop, app = flask_shop(), Flask("site")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/v1": shop})  # type: ignore[method-assign]
    if behind:
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    route = {"id": "id", "score": "fraud"}
    if inside:
        model().instrument(shop, routes={"POST /score": route})
    else:
        model().instrument(app, routes={"POST /v1/score": route})
    assert app.test_client().post("/v1/score", json=ORDER).json == {"fraud": 0.25}
    driftline_capture.assert_predicted("fraud", id="A-1", score=0.25)
    assert len(driftline_capture.predictions) == 1
    uninstrument(shop)


def test_the_longest_prefix_has_the_route_and_other_routes_stay(driftline_capture: Capture) -> None:
    shop, other, app = flask_shop(), flask_shop(), flask_shop()
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/v1": other, "/v1/eu": shop})  # type: ignore[method-assign]
    route = {"id": "id", "score": "fraud"}
    model().instrument(app, routes={"POST /v1/eu/score": route, "POST /score": route})
    for path in ("/v1/eu/score", "/v1/score", "/score"):
        assert app.test_client().post(path, json={**ORDER, "id": path}).json == {"fraud": 0.25}
    assert sorted(prediction.id for prediction in driftline_capture.predictions) == ["/score", "/v1/eu/score"]


@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated")
def test_a_flask_application_in_fastapi(driftline_capture: Capture) -> None:
    middleware = import_module("starlette.middleware.wsgi")
    app = FastAPI()
    app.mount("/v1", middleware.WSGIMiddleware(flask_shop()))
    model().instrument(app, routes={"POST /v1/score": {"id": "id", "score": "fraud"}})
    with TestClient(app) as client:
        assert client.post("/v1/score", json=ORDER).json() == {"fraud": 0.25}
    driftline_capture.assert_predicted("fraud", id="A-1", score=0.25)
