"""One route with several models: each is recorded, in FastAPI and in Flask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import driftline
import driftline.testing
import flask
import pytest
from driftline_integrations.web.routes import Route
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from starlette.convertors import CONVERTOR_TYPES, Convertor

from tests.integrations.quiet import QUIET

Post = Callable[[str, dict[str, Any]], Any]
"""Posts JSON to a path, and returns the response."""


def answer(order: dict[str, Any]) -> dict[str, Any]:
    if order.get("fails"):
        raise ZeroDivisionError
    return {"churn": 0.25, "fraud": 0.75}


def fastapi_application() -> tuple[Any, Post]:
    app = FastAPI(**QUIET)

    @app.post("/score")
    @app.post("/shops/{shop}/score")
    def score(order: dict[str, Any]) -> dict[str, Any]:
        if order.get("refused"):
            raise HTTPException(422)
        return answer(order)

    client = TestClient(app, raise_server_exceptions=False)
    return app, lambda path, body: client.post(path, json=body)


def flask_application() -> tuple[Any, Post]:
    app = flask.Flask("shop")

    @app.post("/score")
    @app.post("/shops/<shop>/score")
    def score(shop: str = "") -> dict[str, Any]:  # noqa: ARG001
        order = flask.request.get_json()
        if order.get("refused"):
            flask.abort(422)
        return answer(order)

    client = app.test_client()
    return app, lambda path, body: client.post(path, json=body)


@pytest.fixture(params=[fastapi_application, flask_application], ids=["fastapi", "flask"])
def application(request: pytest.FixtureRequest) -> tuple[Any, Post]:
    """An application, and how to call it."""
    made: tuple[Any, Post] = request.param()
    return made


def map_route(app: Any, path: str, **models: str) -> None:
    """Map one route for models, each with the field of its score."""
    for name, field in models.items():
        driftline.Model(name, task="binary").instrument(app, routes={f"POST {path}": Route(id="id", score=field)})


ROWS = {("churn", "A-1", 0.25), ("fraud", "A-1", 0.75)}


@pytest.mark.parametrize("path", ["/score", "/shops/{shop}/score"])
def test_each_model_of_a_route_has_a_row_of_each_request(application: tuple[Any, Post], path: str) -> None:
    app, post = application
    map_route(app, path, churn="churn", fraud="fraud")
    with driftline.testing.capture() as capture:
        responses = [post(path.format(shop=7), {"id": "A-1", "x": 1.0}) for _ in range(2)]
    assert [(response.status_code, response.headers["X-Prediction-Id"]) for response in responses] == [(200, "A-1")] * 2
    rows = [(row.model, row.id, row.score) for row in capture.predictions]
    assert sorted(rows) == sorted([*ROWS, *ROWS])
    assert [dict(row.features) for row in capture.predictions] == [{"x": 1.0}] * 4


def test_an_error_is_one_of_each_model_and_a_refusal_of_none(application: tuple[Any, Post]) -> None:
    app, post = application
    map_route(app, "/score", churn="churn", fraud="fraud")
    with driftline.testing.capture() as capture:
        assert post("/score", {"id": "A-1", "fails": 1}).status_code == 500
        assert post("/score", {"id": "A-2", "refused": 1}).status_code == 422
    assert sorted((row.model, row.id, row.error) for row in capture.predictions) == [
        ("churn", "A-1", "ZeroDivisionError"),
        ("fraud", "A-1", "ZeroDivisionError"),
    ]
    assert driftline.current() is None


def test_two_versions_of_a_model_share_a_route(application: tuple[Any, Post]) -> None:
    app, post = application
    for version, field in (("1", "churn"), ("2", "fraud")):
        model = driftline.Model("churn", task="binary", version=version)
        model.instrument(app, routes={"POST /score": Route(id="id", score=field)})
    with driftline.testing.capture() as capture:
        post("/score", {"id": "A-1", "x": 1.0})
    rows = sorted((row.version, row.id, row.score) for row in capture.predictions)
    assert rows == [("1", "A-1", 0.25), ("2", "A-1", 0.75)]


def test_a_route_that_the_same_model_maps_again_is_replaced(application: tuple[Any, Post]) -> None:
    app, post = application
    map_route(app, "/score", churn="fraud")
    map_route(app, "/score", churn="churn")
    with driftline.testing.capture() as capture:
        post("/score", {"id": "A-1", "x": 1.0})
    assert [(row.model, row.score) for row in capture.predictions] == [("churn", 0.25)]


class Raising(Convertor[Any]):
    regex = "[^/]+"

    def convert(self, value: str) -> Any:
        raise LookupError(value)

    def to_string(self, value: Any) -> str:
        return str(value)


def test_only_the_parameters_of_the_first_matching_route_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "raising", Raising())
    app, post = fastapi_application()
    app.post("/shops/{shop:raising}/score")(answer)
    map_route(app, "/shops/{shop}/score", churn="churn")
    map_route(app, "/shops/{shop:raising}/score", fraud="fraud")
    with driftline.testing.capture() as capture:
        post("/shops/7/score", {"id": "A-1", "x": 1.0})
    assert [(row.model, row.id, row.score) for row in capture.predictions] == [("churn", "A-1", 0.25)]


def test_names_of_parameters_do_not_separate_the_models_of_a_route() -> None:
    app, post = fastapi_application()
    map_route(app, "/shops/{shop}/score", churn="churn")
    map_route(app, "/shops/{name}/score", fraud="fraud")
    with driftline.testing.capture() as capture:
        post("/shops/7/score", {"id": "A-1", "x": 1.0})
    assert {(row.model, row.id, row.score) for row in capture.predictions} == ROWS
