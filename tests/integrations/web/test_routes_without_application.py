"""A mapped route that no application has is heard, once; one that some application has, in whatever way, is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driftline import declared_models
from driftline.faults import FAULTS
from driftline_integrations import fastapi as on_fastapi
from driftline_integrations import flask as on_flask
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.testclient import TestClient
from flask import Blueprint, Flask
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.integrations.quiet import QUIET
from tests.support.facts import lacking
from tests.support.service import Service

MAPPED: dict[str, Any] = {"POST /predict": {"score": "p"}}
FIX = (
    "write the route as the method and the path that clients call, including prefixes and mounts, such as "
    "'POST /v1/predict'"
)
SILENT = (
    "driftline: churn: no application in this process has the route 'POST /predict', so its requests are not recorded; "
)


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the log warns of mapped routes."""
    caplog.set_level(logging.WARNING, "driftline")
    return lambda: [text for text in caplog.messages if "has the route" in text]


def predict(order: dict[str, Any]) -> dict[str, float]:  # noqa: ARG001
    return {"p": 0.25}


def plain(routes: list[str]) -> FastAPI:
    """Return an application with a health check, and predictions at these paths."""
    app = FastAPI(**QUIET)
    app.get("/healthz")(lambda: {})
    for path in routes:
        app.post(path)(predict)
    return app


def ask(app: Starlette, path: str = "/healthz", method: str = "GET") -> int:
    return TestClient(app).request(method, path, json={} if method == "POST" else None).status_code


def test_fastapi_names_the_route_that_it_lacks_its_nearest_and_the_fix_once(
    service: Service, warned: Callable[[], list[str]]
) -> None:
    app = plain(["/v1/predict", "/v1/predictions", "/train"])
    service.model().instrument(app, routes=MAPPED)
    assert warned() == []

    ask(app)
    ask(app)

    said = "similar routes are 'POST /v1/predict', 'POST /v1/predictions'; "
    assert warned() == [SILENT + said + FIX]


def test_flask_names_the_route_that_it_lacks_its_nearest_and_the_fix_once(
    service: Service, warned: Callable[[], list[str]]
) -> None:
    app = Flask("shop")
    app.get("/healthz")(dict)
    app.post("/v1/predict")(dict)
    service.model().instrument(app, routes=MAPPED)
    assert warned() == []

    app.test_client().get("/healthz")
    app.test_client().get("/nowhere")

    assert warned() == [SILENT + "similar routes are 'POST /v1/predict'; " + FIX]


def test_a_route_that_is_like_none_is_named_alone(service: Service, warned: Callable[[], list[str]]) -> None:
    app = Starlette()
    service.model().instrument(app, routes=MAPPED)

    ask(app)

    assert warned() == [SILENT + "there is no similar route; " + FIX]


def test_the_right_path_with_another_method_is_the_nearest(service: Service, warned: Callable[[], list[str]]) -> None:
    app = plain([])
    app.put("/predict")(predict)
    service.model().instrument(app, routes=MAPPED)

    ask(app, "/predict", "PUT")

    (line,) = warned()
    assert "similar routes are 'PUT /predict'; " in line


@pytest.mark.parametrize("status", [404, 405])
def test_a_request_to_the_route_itself_is_an_occasion_where_nothing_answers_it(
    service: Service, warned: Callable[[], list[str]], status: int
) -> None:
    app = plain(["/v1/predict"])
    if status == 405:
        app.put("/predict")(predict)
    service.model().instrument(app, routes=MAPPED)

    assert ask(app, "/predict", "POST") == status

    assert len(warned()) == 1


def test_a_handler_may_answer_404_itself(service: Service, warned: Callable[[], list[str]]) -> None:
    app = plain([])

    @app.post("/predict")
    def nobody() -> None:
        raise HTTPException(404)

    service.model().instrument(app, routes=MAPPED)
    assert ask(app, "/predict", "POST") == 404
    assert warned() == []


def included(app: FastAPI) -> None:
    inner, outer = APIRouter(prefix="/models"), APIRouter()
    inner.post("/{name:str}/predict")(predict)
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")


def mounted(app: FastAPI) -> None:
    app.mount("/v1", plain(["/models/churn/predict"]))


def grouped(app: FastAPI) -> None:
    app.router.routes.append(Mount("/v1", routes=[Route("/models/{name}/predict", _answer, methods=["POST"])]))


def opaque(app: FastAPI) -> None:
    async def somebodys(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse({})(scope, receive, send)

    app.mount("/v1", somebodys)


def default(app: FastAPI) -> None:
    async def somebodys(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse({})(scope, receive, send)

    app.router.default = somebodys


def wide(app: FastAPI) -> None:
    app.post("/v1/{rest:path}")(predict)


def any_method(app: FastAPI) -> None:
    class Endpoint:
        def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    app.router.routes.append(Route("/v1/models/{name}/predict", Endpoint))


async def _answer(request: Request) -> JSONResponse:  # noqa: ARG001
    return JSONResponse({"p": 0.25})


@pytest.mark.parametrize("way", [included, mounted, grouped, opaque, default, wide, any_method])
@pytest.mark.parametrize("mapped", ["POST /v1/models/churn/predict", "POST /v1/models/{which}/predict"])
def test_a_route_that_the_application_has_in_any_way_is_not_warned_of(
    service: Service, warned: Callable[[], list[str]], way: Callable[[FastAPI], None], mapped: str
) -> None:
    app = plain([])
    service.model().instrument(app, routes={mapped: {"score": "p"}})
    way(app)  # after it was mapped

    ask(app)

    assert warned() == []


def test_files_beside_the_routes_hide_nothing(
    tmp_path: Path, service: Service, warned: Callable[[], list[str]]
) -> None:
    app = plain(["/v1/predict"])
    app.mount("/", StaticFiles(directory=tmp_path))
    service.model().instrument(app, routes=MAPPED)

    ask(app)

    assert len(warned()) == 1


def test_a_slash_at_the_end_makes_another_route(service: Service, warned: Callable[[], list[str]]) -> None:
    app = plain(["/predict/"])
    service.model().instrument(app, routes=MAPPED)

    ask(app)

    (line,) = warned()
    assert "'POST /predict/'" in line


def test_routes_of_blueprints_and_parameters_of_any_type_are_found(
    service: Service, warned: Callable[[], list[str]]
) -> None:
    app, blueprint = Flask("shop"), Blueprint("v1", __name__, url_prefix="/v1")
    blueprint.post("/models/<int:name>/predict")(dict)
    service.model().instrument(app, routes={"POST /v1/models/{name}/predict": {"score": "p"}})
    app.register_blueprint(blueprint)

    app.test_client().get("/healthz")

    assert warned() == []


def test_a_rule_that_flask_would_not_find_is_warned_of(service: Service, warned: Callable[[], list[str]]) -> None:
    """Flask's rules are found by what they say: another name of the parameter is another route."""
    app = Flask("shop")
    app.post("/models/<name>/predict")(dict)
    service.model().instrument(app, routes={"POST /models/<which>/predict": {"score": "p"}})

    app.test_client().get("/healthz")

    (line,) = warned()
    assert "'POST /models/<name>/predict'" in line


@pytest.mark.parametrize("instrumentor", [on_fastapi.FastAPIInstrumentor, on_flask.FlaskInstrumentor])
def test_one_application_that_has_the_route_speaks_for_all_that_the_file_maps_it_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    warned: Callable[[], list[str]],
    instrumentor: type[BaseInstrumentor],
) -> None:
    file = tmp_path / "driftline.toml"
    file.write_text(
        '[models.churn]\ntask = "binary"\n[models.churn.routes."POST /predict"]\nscore = "p"\n'
        '[models.fraud]\ntask = "binary"\n[models.fraud.routes."POST /score"]\nscore = "p"\n'
    )
    monkeypatch.setenv("DRIFTLINE_CONFIG", str(file))
    monkeypatch.setattr(declared_models, "_read", {})
    instrumentors: list[BaseInstrumentor] = [on_fastapi.FastAPIInstrumentor(), on_flask.FlaskInstrumentor()]
    for one in instrumentors:
        one.instrument(skip_dep_check=True)
    try:
        admin = plain([])
        if instrumentor is on_flask.FlaskInstrumentor:
            shop: Any = Flask("shop")
            shop.post("/predict")(dict)
        else:
            shop = plain(["/predict"])
        ask(admin)
    finally:
        for one in instrumentors:
            one.uninstrument()

    (line,) = warned()
    assert lacking(line, "fraud:", "'POST /score'") == []


@pytest.mark.parametrize("on", [on_fastapi, on_flask])
def test_an_application_that_was_let_go_speaks_for_no_other(
    service: Service, warned: Callable[[], list[str]], on: Any
) -> None:
    had, app = (plain(["/predict"]) if on is on_fastapi else Flask("shop")), plain([])
    if isinstance(had, Flask):
        had.post("/predict")(dict)
    for one in (had, app):
        service.model().instrument(one, routes=MAPPED)
    on.uninstrument(had)

    ask(app)

    assert len(warned()) == 1


def test_what_was_mapped_later_is_looked_for_too(service: Service, warned: Callable[[], list[str]]) -> None:
    app = plain(["/predict"])
    churn = service.model()
    churn.instrument(app, routes=MAPPED)
    ask(app)
    assert warned() == []

    churn.instrument(app, routes={"POST /score": {"score": "p"}})
    ask(app)

    assert len(warned()) == 1


def test_routes_that_cannot_be_listed_are_no_harm(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(routes: object) -> None:
        raise ArithmeticError(routes)

    monkeypatch.setattr(FAULTS, "raising", False)
    monkeypatch.setattr("driftline_integrations.fastapi.served_routes", broken)
    app = plain([])
    service.model().instrument(app, routes=MAPPED)

    assert ask(app) == 200
    assert FAULTS.drain() == {"ArithmeticError": 1}


@pytest.mark.parametrize("status", [404, 405])
def test_what_the_router_refuses_is_no_prediction(service: Service, status: int) -> None:
    """The router raises where it has no route, and what makes a response of that stands around it."""
    app = plain([])
    if status == 405:
        app.put("/predict")(predict)
    service.model().instrument(app, routes=MAPPED)

    response = TestClient(app).post("/predict", json={})

    assert (response.status_code, "x-prediction-id" in response.headers) == (status, False)
    assert service.counts() == {}
    (span,) = [span for span in service.spans if span.name == "predict churn"]
    assert dict(span.attributes or {})["driftline.reason"] == str(status)
