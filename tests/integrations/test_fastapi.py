"""FastAPI and Starlette: routes are recorded with their handlers unchanged, and ids come in and go out."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import driftline
import pytest
import wrapt
from driftline import declared_models
from driftline.capture.outcome import FIELDS
from driftline.export import pipeline
from driftline.export.pipeline import pipeline_of
from driftline.faults import FAULTS
from driftline.integration.web_request import RequestPrediction
from driftline.tables.column_codec import strings
from driftline.testing import deterministic
from driftline_integrations.fastapi import FastAPIInstrumentor, Route, uninstrument
from driftline_integrations.web.route_plan import RoutePlan
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.testclient import TestClient
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor as OpenTelemetrys
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NoOpTracerProvider, SpanKind
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route as StarletteRoute

from tests.integrations.quiet import QUIET
from tests.support.facts import Facts, lacking
from tests.support.service import Service, returns
from tests.support.unwrap import unwrap

ORDER = {"order_id": "A-1001", "amount": 17.5, "country": "NO"}


@pytest.fixture
def app() -> FastAPI:
    """An application that nobody wrote with Driftline in mind."""
    app = FastAPI(**QUIET)

    @app.post("/predict")
    async def predict(order: dict[str, Any]) -> dict[str, Any]:
        return {"probability": 0.75, "label": 1, "customer": order["order_id"]}

    @app.post("/fails")
    def fails(order: dict[str, Any]) -> float:
        raise ZeroDivisionError(order)

    @app.post("/says/{status}")
    def says(status: int, order: dict[str, Any]) -> Response:
        if status == 418:
            raise HTTPException(status)
        return JSONResponse(order.get("answer", {}), status)

    return app


def client(app: Starlette) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


def spans(service: Service, name: str = "predict churn") -> list[ReadableSpan]:
    """Return the finished spans of a name; what was put off is done first."""
    service.flush()
    return [span for span in service.spans if span.name == name]


def attributes(service: Service) -> dict[str, Any]:
    (span,) = spans(service)
    return dict(span.attributes or {})


def test_a_route_is_recorded_with_its_handler_unchanged(app: FastAPI, service: Service) -> None:
    churn = service.model(version="3")
    churn.instrument(app, routes={"POST /predict": Route(id="order_id", score="probability", predicted="label")})

    response = client(app).post("/predict", json=ORDER)

    assert response.json() == {"probability": 0.75, "label": 1, "customer": "A-1001"}
    assert response.headers["x-prediction-id"] == "A-1001"
    assert attributes(service) == {
        "ml.operation.name": "predict",
        "ml.model.name": "churn",
        "ml.model.version": "3",
        "ml.model.task": "binary",
        "driftline.prediction.recorded": True,
        "ml.prediction.id": "A-1001",
        "ml.prediction.score": 0.75,
        "ml.prediction.class": "1",
        "driftline.feature.value.amount": 17.5,
        "driftline.feature.value.country": "NO",
    }
    table = service.table()
    assert strings(table.id) == ["A-1001"]
    assert sorted(table.features) == ["amount", "country"]
    assert unwrap(table.scores).tolist() == [[0.75]]
    assert service.counts() == {(("ml.model.version", "3"), ("ml.prediction.class", "1")): 1}


@pytest.mark.parametrize("withheld", [False, True])
def test_replayed_requests_say_when_they_were_made(service: Service, withheld: bool) -> None:
    app = FastAPI(**QUIET)

    @app.post("/one")
    async def one(order: dict[str, Any]) -> dict[str, float]:
        return {"probability": order["amount"]}

    @app.post("/many")
    async def many(asked: dict[str, Any]) -> dict[str, list[float]]:
        return {"probability": [order["amount"] for order in asked["orders"]]}

    churn = service.model(privacy=driftline.Privacy(deny=("at",) if withheld else ()))
    churn.instrument(
        app,
        routes={
            "POST /one": Route(time="at", score="probability"),
            "POST /many": {"features": "body:orders", "time": "at", "score": "probability"},
        },
    )
    days = ["2026-03-02T10:00:00Z", 1772532000, 1772618400]
    client(app).post("/one", json={"at": days[0], "amount": 0.25})
    client(app).post("/many", json={"orders": [{"at": day, "amount": 0.5} for day in days[1:]]})

    tables = service.tables()
    times = sorted(str(time.astype("M8[s]")) for table in tables for time in table.time.astype("M8[ns]"))
    assert (times == ["2026-03-02T10:00:00", "2026-03-03T10:00:00", "2026-03-04T10:00:00"]) is not withheld
    assert {name for table in tables for name in table.features} == {"amount"}


def test_a_time_that_is_no_field_of_the_features_is_refused(app: FastAPI, service: Service) -> None:
    with pytest.raises(ValueError, match=r"time: 'body:meta.at' is not a field of the features; use 'at' if"):
        service.model().instrument(app, routes={"POST /predict": Route(time="body:meta.at", score="probability")})


def test_a_request_names_its_prediction(app: FastAPI, service: Service) -> None:
    seen: list[str] = []

    @app.post("/asks")
    async def asks(order: dict[str, Any]) -> float:  # noqa: ARG001
        seen.append(getattr(driftline.current(), "id", ""))
        return 0.25

    service.model().instrument(app, routes={"POST /asks": {}})

    response = client(app).post("/asks", json=ORDER, headers={"X-Prediction-Id": "R-17"})

    assert (seen, response.headers["x-prediction-id"]) == (["R-17"], "R-17")
    assert attributes(service)["ml.prediction.id"] == "R-17"
    assert strings(service.table().id) == ["R-17"]


@pytest.mark.parametrize("hostile", ["", "a b", "x" * 129, "é", "a\tb", "a;b", '"a"', "<script>"])
def test_an_id_that_does_not_belong_in_a_header_is_ignored(app: FastAPI, service: Service, hostile: str) -> None:
    service.model().instrument(app, routes={"POST /predict": Route(score="probability")})

    response = client(app).post("/predict", json=ORDER, headers={b"x-prediction-id": hostile.encode()})

    (made,) = strings(service.table().id)
    assert response.headers["x-prediction-id"] == made
    assert UUID(made).version == 7


def test_an_id_of_the_body_that_would_split_the_response_stays_in_the_record(app: FastAPI, service: Service) -> None:
    service.model().instrument(app, routes={"POST /predict": Route(id="order_id", score="probability")})

    response = client(app).post("/predict", json={**ORDER, "order_id": "A\r\nSet-Cookie: a=b"})

    assert "x-prediction-id" not in response.headers
    assert "set-cookie" not in response.headers
    assert strings(service.table().id) == ["A\r\nSet-Cookie: a=b"]


@pytest.mark.parametrize(
    ("route", "path", "sent", "text"),
    [
        (Route(id="order_id"), "/score/A", {"order_id": 2**64 - 1}, "18446744073709551615"),
        (Route(id="order_id"), "/score/A", {"order_id": 17.0}, "17"),
        (Route(id="order_id"), "/score/A", [{"order_id": 2**64 - 1}], "18446744073709551615"),
        (Route(id="body:meta.id"), "/score/A", {"meta": {"id": 2**53 + 1}}, "9007199254740993"),
        (Route(id="response:id"), "/score/A", {"id": "17.50"}, "17.50"),
        (Route(id="path:order"), "/score/17.50", {"x": 1}, "17.50"),
        (Route(id="path:order"), "/score/1e5", {"x": 1}, "1e5"),
        (Route(id="query:order"), "/score/A?order=007", {"x": 1}, "007"),
    ],
)
def test_an_id_has_the_text_that_its_outcome_has(
    service: Service, route: Route, path: str, sent: Any, text: str
) -> None:
    app = FastAPI(**QUIET)

    @app.post("/score/{order}")
    async def score(order: str, row: Annotated[Any, Body()]) -> Any:  # noqa: ARG001
        return [{"p": 0.25}] if isinstance(row, list) else {"p": 0.25, **row}

    churn = service.model()
    churn.instrument(app, routes={"POST /score/{order}": replace(route, score="p")})
    for _ in range(2):
        assert client(app).post(path, json=sent).status_code == 200
    churn.outcome(text, actual=1)

    assert strings(service.table().id) == [text, text]
    assert [strings(table.id) for table in service.outcomes()] == [[text]]


def test_a_handlers_own_prediction_takes_the_id_and_gives_it_back(service: Service) -> None:
    churn, spend = service.model(), service.model("spend", task="regression")
    app = FastAPI()
    predict, value = churn.predict(returns(0.75)), spend.predict(returns(9.5))

    @app.post("/predict")
    def both(order: dict[str, Any]) -> list[float]:
        return [predict(order), value(order), predict(order)]

    churn.instrument(app)
    response = client(app).post("/predict", json=ORDER, headers={"x-prediction-id": "R-17"})

    ids = {table.key.model: strings(table.id) for table in service.tables()}
    assert (response.json(), response.headers["x-prediction-id"]) == ([0.75, 9.5, 0.75], "R-17")
    assert ids["spend"] == ["R-17"]  # one id names one prediction of each model
    assert ids["churn"][0] == "R-17"
    assert ids["churn"][1] != "R-17"


def test_the_id_that_the_code_names_wins_over_that_of_the_request(service: Service) -> None:
    churn = service.model()
    app = FastAPI()

    @churn.predict(id="order_id")
    def score(order: dict[str, Any]) -> float:  # noqa: ARG001
        return 0.75

    @app.post("/predict")
    async def predict(order: dict[str, Any]) -> float:
        return score(order)

    churn.instrument(app)
    response = client(app).post("/predict", json=ORDER, headers={"x-prediction-id": "R-17"})

    assert response.headers["x-prediction-id"] == "A-1001"
    assert strings(service.table().id) == ["A-1001"]


def test_a_route_around_a_decorated_function_is_one_prediction(app: FastAPI, service: Service) -> None:
    churn = service.model()

    @churn.predict
    def inside(row: list[float]) -> float:
        return row[0] / 100

    @app.post("/scores")
    def scores(order: dict[str, Any]) -> dict[str, Any]:
        return {"decision": "refuse" if inside([order["amount"], 1.0]) > 0.5 else "accept"}

    churn.instrument(app, routes={"POST /scores": Route(id="order_id")})
    client(app).post("/scores", json=ORDER)

    table = service.table()
    assert strings(table.id) == ["A-1001"]  # the outer layer's id and features, the inner one's score
    assert sorted(table.features) == ["amount", "country"]
    assert unwrap(table.scores).tolist() == [[0.175]]
    assert service.counts() == {(("ml.prediction.class", "0"),): 1}


def test_an_unhandled_error_fails_the_prediction_and_its_response_names_it(app: FastAPI, service: Service) -> None:
    service.model().instrument(app, routes={"POST /fails": {}})

    response = client(app).post("/fails", json=ORDER, headers={"x-prediction-id": "R-17"})

    assert (response.status_code, response.headers["x-prediction-id"]) == (500, "R-17")
    assert attributes(service)["error.type"] == "ZeroDivisionError"
    assert attributes(service)["driftline.feature.value.amount"] == 17.5
    assert service.counts() == {(("error.type", "ZeroDivisionError"),): 1}


def test_a_response_of_the_server_errors_fails_the_prediction(app: FastAPI, service: Service) -> None:
    service.model().instrument(app, routes={"POST /says/{status}": {}})

    response = client(app).post("/says/503", json=ORDER, headers={"x-prediction-id": "R-17"})

    assert (response.status_code, response.headers["x-prediction-id"]) == (503, "R-17")
    assert service.counts() == {(("error.type", "503"),): 1}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/predict", b"[1", 422), ("/predict", b"3", 422), ("/says/404", b"{}", 404), ("/says/418", b"{}", 418)],
)
def test_a_request_that_never_reached_the_model_is_no_prediction(
    app: FastAPI, service: Service, path: str, body: bytes, status: int
) -> None:
    routes = {"POST /predict": Route(score="probability"), "POST /says/{status}": Route(score="probability")}
    service.model().instrument(app, routes=routes)

    headers = {"content-type": "application/json", "x-prediction-id": "R-17"}
    response = client(app).post(path, content=body, headers=headers)

    assert response.status_code == status
    assert "x-prediction-id" not in response.headers
    assert (service.tables(), service.counts()) == ([], {})
    assert attributes(service) == {
        "ml.operation.name": "predict",
        "ml.model.name": "churn",
        "ml.model.task": "binary",
        "driftline.prediction.recorded": True,
        "driftline.reason": str(status),
    }


def test_a_refusal_that_says_the_score_is_a_prediction(app: FastAPI, service: Service) -> None:
    service.model().instrument(app, routes={"POST /says/{status}": Route(score="probability")})

    client(app).post("/says/403", json={"answer": {"probability": 0.99, "detail": "declined"}})

    assert attributes(service)["ml.prediction.score"] == 0.99
    assert service.counts() == {(("ml.prediction.class", "1"),): 1}


def instrument_ours(app: FastAPI, service: Service) -> None:
    service.model().instrument(app, routes={"POST /predict": Route(score="probability")})


def instrument_theirs(app: FastAPI, service: Service) -> None:
    OpenTelemetrys.instrument_app(app, tracer_provider=service.tracers, meter_provider=service.meters)


def use_middleware(app: FastAPI, service: Service) -> None:  # noqa: ARG001
    async def through(request: Request, call_next: Callable[[Request], Any]) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=through)
    app.add_middleware(GZipMiddleware, minimum_size=1)


@pytest.mark.parametrize(
    "order",
    [
        (instrument_ours, instrument_theirs, use_middleware),
        (instrument_theirs, instrument_ours, use_middleware),
        (use_middleware, instrument_theirs, instrument_ours),
        (use_middleware, instrument_ours, instrument_theirs),
    ],
)
def test_the_web_span_is_the_parent_in_any_order(
    app: FastAPI, service: Service, order: tuple[Callable[[FastAPI, Service], None], ...]
) -> None:
    for step in order:
        step(app, service)

    response = client(app).post("/predict", json=ORDER, headers={"x-prediction-id": "R-17"})

    (prediction,), (web,) = spans(service), spans(service, "POST /predict")
    assert (web.kind, prediction.kind) == (SpanKind.SERVER, SpanKind.INTERNAL)
    assert unwrap(prediction.parent).span_id == unwrap(web.context).span_id
    assert (response.headers["content-encoding"], response.headers["x-prediction-id"]) == ("gzip", "R-17")
    assert response.json()["probability"] == 0.75
    assert attributes(service)["ml.prediction.score"] == 0.75


@pytest.mark.parametrize("theirs_first", [True, False])
def test_either_instrumentation_can_leave_first(app: FastAPI, service: Service, theirs_first: bool) -> None:
    instrument_ours(app, service)
    instrument_theirs(app, service)
    leave = [OpenTelemetrys.uninstrument_app, uninstrument]
    (leave[0] if theirs_first else leave[1])(app)

    client(app).post("/predict", json=ORDER)
    kinds = (len(spans(service)), len(spans(service, "POST /predict")))
    (leave[1] if theirs_first else leave[0])(app)
    response = client(app).post("/predict", json=ORDER)

    assert kinds == ((1, 0) if theirs_first else (0, 1))
    assert (len(spans(service)), len(spans(service, "POST /predict"))) == kinds
    assert "x-prediction-id" not in response.headers
    assert Starlette.__call__.__module__ == "starlette.applications"
    assert app.router.middleware_stack == app.router.app


def test_without_web_instrumentation_the_prediction_joins_the_trace_of_the_request(
    app: FastAPI, service: Service
) -> None:
    instrument_ours(app, service)

    client(app).post("/predict", json=ORDER, headers={"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"})

    (span,) = spans(service)
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == ("a1" * 16, "b2" * 8)


def test_templates_prefixes_and_mounts_are_found_by_the_path_of_the_request(service: Service) -> None:
    app, mounted, router = FastAPI(), FastAPI(), APIRouter(prefix="/v1")

    @router.get("/models/{name}/rooms/{rooms:int}")
    async def rooms(name: str, rooms: int, area: float) -> float:  # noqa: ARG001
        return area * rooms

    @mounted.post("/price")
    async def price(flat: dict[str, float]) -> float:
        return flat["area"]

    app.include_router(router, prefix="/api")
    app.mount("/mounted", mounted)
    service.model("price", task="regression").instrument(
        app,
        routes={
            "GET /api/v1/models/{name}/rooms/{rooms:int}": Route(features=("path:rooms", "query"), id="path:name"),
            "POST /mounted/price": {},
        },
    )

    first = client(app).get("/api/v1/models/A-1/rooms/3?area=20.5&zip=02134&lift=true")
    second = client(app).post("/mounted/price", json={"area": 40.0})

    assert (first.json(), second.json()) == (61.5, 40.0)
    whole = [dict(span.attributes or {}) for span in spans(service, "predict price")]
    assert [one["ml.prediction.value"] for one in whole] == [61.5, 40.0]
    features = {name: value for name, value in whole[0].items() if name.startswith("driftline.feature.value.")}
    assert features == {
        "driftline.feature.value.rooms": 3,
        "driftline.feature.value.area": 20.5,
        "driftline.feature.value.zip": "02134",
        "driftline.feature.value.lift": True,
    }
    assert whole[0]["ml.prediction.id"] == first.headers["x-prediction-id"] == "A-1"


def test_a_batch_in_is_a_batch_out(service: Service) -> None:
    app = FastAPI()

    @app.post("/batch")
    async def batch(request: Request) -> dict[str, Any]:
        instances = (await request.json())["instances"]
        return {"predictions": [{"p": one["amount"] / 100} for one in instances]}

    route = Route(features="body:instances", id="order_id", score="predictions.p", slices={"country": "country"})
    service.model().instrument(app, routes={"POST /batch": route})
    rows = [{"order_id": "A-1", "amount": 25.0, "country": "NO"}, {"order_id": "A-2", "amount": 75.0, "country": "SE"}]

    response = client(app).post("/batch", json={"instances": rows})

    table = service.table()
    assert "x-prediction-id" not in response.headers  # each row has its own
    assert strings(table.id) == ["A-1", "A-2"]
    assert unwrap(table.scores).tolist() == [[0.25], [0.75]]
    assert table.slices["country"].categories == ("NO", "SE")
    assert attributes(service)["ml.prediction.count"] == 2


def test_rows_of_a_batch_without_ids_begin_with_that_of_the_request(service: Service) -> None:
    app = FastAPI()

    @app.post("/batch")
    async def batch(rows: list[list[float]]) -> list[float]:
        return [row[0] for row in rows]

    service.model().instrument(app, routes={"POST /batch": {}})

    response = client(app).post("/batch", json=[[0.25, 1.0], [0.75, 2.0]], headers={"x-prediction-id": "R-17"})

    assert response.headers["x-prediction-id"] == "R-17"
    assert strings(service.table().id) == ["R-17.0", "R-17.1"]
    assert sorted(service.table().features) == ["f0", "f1"]


def test_slices_come_from_listed_headers_and_baggage_only_and_are_short(app: FastAPI, service: Service) -> None:
    slices = {"region": "header:X-Region", "tier": "baggage:tier", "absent": "header:x-absent", "shop": "query:shop"}
    service.model().instrument(app, routes={"POST /predict": Route(score="probability", slices=slices)})
    headers = {"x-region": "n" * 200, "x-secret": "s", "baggage": "tier=gold,secret=s"}

    client(app).post("/predict?shop=oslo&secret=s", json=ORDER, headers=headers)

    table = service.table()
    assert {name: column.categories for name, column in table.slices.items()} == {
        "region": ("n" * 64,),
        "tier": ("gold",),
        "shop": ("oslo",),
    }


@pytest.mark.parametrize("way", ["body", "stream", "json twice"])
def test_a_handler_reads_the_body_itself(service: Service, way: str) -> None:
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> float:
        if way == "stream":
            body = b"".join([chunk async for chunk in request.stream()])
        else:
            body = await request.body()
        assert json.loads(body) == (await request.json() if way == "json twice" else ORDER)
        return 0.25

    service.model().instrument(app, routes={"POST /predict": {}})

    def chunks() -> Iterator[bytes]:
        yield from (json.dumps(ORDER)[:10].encode(), json.dumps(ORDER)[10:].encode())

    response = client(app).post("/predict", content=chunks(), headers={"content-type": "application/json"})

    assert response.json() == 0.25
    assert attributes(service)["driftline.feature.value.amount"] == 17.5


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain", "text/json"])
def test_json_is_read_whatever_its_content_type(
    service: Service, unrecorded: list[tuple[str, str]], content_type: str | None
) -> None:
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> float:
        return float((await request.json())["amount"]) / 100

    service.model().instrument(app, routes={"POST /predict": Route(id="order_id")})
    headers = {"content-type": content_type} if content_type else {}
    response = client(app).post("/predict", content=b'{"order_id": "A-1", "amount": 17.5}', headers=headers)

    table = service.table()
    assert (response.json(), response.headers["x-prediction-id"]) == (0.175, "A-1")
    assert (strings(table.id), list(table.features), unrecorded) == (["A-1"], ["amount"], [])


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/plain", b"a=1", "request_not_json"),
        ("application/x-www-form-urlencoded", b"a=1&b=2", "request_not_json"),
        ("application/x-www-form-urlencoded", b"", "request_not_json"),
        ("multipart/form-data; boundary=x", b"--x--", "request_not_json"),
        ("application/json", b"{", "request_not_json"),
        ("application/json", b"[" * 50_000 + b"]" * 50_000, "request_not_json"),
        ("application/json", b'{"text": "%s"}' % (b"x" * 4096), "request_too_large"),
        ("application/json", b'{"row": 1}', "features_not_found"),
    ],
    ids=["text", "form", "empty", "upload", "broken", "deep", "large", "elsewhere"],
)
def test_a_body_that_cannot_be_read_is_counted_and_the_score_recorded(
    service: Service, unrecorded: list[tuple[str, str]], content_type: str, body: bytes, reason: str
) -> None:
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> float:
        return len(await request.body()) / 1e6

    limit = 1024 if reason == "request_too_large" else 1 << 20
    service.model().instrument(app, routes={"POST /predict": Route(features="body:order", limit=limit)})

    response = client(app).post("/predict", content=body, headers={"content-type": content_type})

    table = service.table()
    assert response.json() == len(body) / 1e6
    assert unwrap(table.scores).tolist() == [[len(body) / 1e6]]
    assert table.features == {}
    assert unrecorded == [("churn", reason)]


def test_a_stream_is_passed_on_as_it_comes_and_the_prediction_lasts_as_long(
    service: Service, unrecorded: list[tuple[str, str]]
) -> None:
    app = FastAPI()
    open_meanwhile: list[bool] = []

    async def tokens() -> AsyncIterator[str]:
        for i in range(3):
            open_meanwhile.append(driftline.current() is not None)
            yield f"data: {i}\n\n"

    @app.post("/predict")
    async def predict(order: dict[str, Any]) -> StreamingResponse:  # noqa: ARG001
        return StreamingResponse(tokens(), media_type="text/event-stream")

    service.model().instrument(app, routes={"POST /predict": {}})
    response = client(app).post("/predict", json=ORDER)

    assert response.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert open_meanwhile == [True, True, True]
    assert attributes(service)["driftline.prediction.unread"] is True
    assert attributes(service)["driftline.feature.value.amount"] == 17.5
    assert unrecorded == [("churn", "response_not_json"), ("churn", "unread_result")]


def test_a_response_too_large_is_passed_on_and_not_kept(service: Service, unrecorded: list[tuple[str, str]]) -> None:
    app = FastAPI()

    @app.post("/predict")
    async def predict(order: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
        return {"probability": 0.5, "explanation": "x" * 4096}

    service.model().instrument(app, routes={"POST /predict": Route(score="probability", limit=1024)})
    response = client(app).post("/predict", json=ORDER)

    assert len(response.json()["explanation"]) == 4096
    assert attributes(service)["driftline.prediction.unread"] is True
    assert unrecorded == [("churn", "response_too_large"), ("churn", "unread_result")]


def test_a_response_that_is_compressed_inside_the_route_is_not_read(service: Service) -> None:
    app = FastAPI()

    @app.post("/predict")
    async def predict(order: dict[str, Any]) -> Response:  # noqa: ARG001
        headers = {"content-encoding": "gzip"}
        return Response(gzip.compress(b'{"probability": 0.5}'), headers=headers, media_type="application/json")

    service.model().instrument(app, routes={"POST /predict": Route(score="probability")})

    assert client(app).post("/predict", json=ORDER).json() == {"probability": 0.5}
    assert attributes(service)["driftline.prediction.unread"] is True


def test_a_background_task_is_not_part_of_the_prediction(service: Service) -> None:
    app = FastAPI()
    seen: list[driftline.Prediction | None] = []

    @app.post("/predict")
    async def predict(order: dict[str, Any], tasks: BackgroundTasks) -> float:  # noqa: ARG001
        tasks.add_task(lambda: seen.append(driftline.current()))
        return 0.25

    service.model().instrument(app, routes={"POST /predict": {}})
    client(app).post("/predict", json=ORDER)

    assert seen == [None]
    assert len(service.table()) == 1


def test_other_methods_and_websockets_are_left_alone(app: FastAPI, service: Service) -> None:
    @app.websocket("/predict")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(await socket.receive_json())

    @app.get("/predict")
    async def form() -> str:
        return "form"

    instrument_ours(app, service)
    browser = client(app)
    statuses = [browser.request(method, "/predict").status_code for method in ("GET", "HEAD", "OPTIONS", "DELETE")]
    with browser.websocket_connect("/predict") as socket:
        socket.send_json(ORDER)
        assert socket.receive_json() == ORDER

    assert statuses == [200, 405, 405, 405]
    assert (spans(service), service.tables()) == ([], [])


def test_outcomes_are_taken_row_by_row(app: FastAPI, service: Service) -> None:
    service.model().instrument(app, outcomes="/outcomes")
    rows = [
        {"id": "A-1", "actual": 1},
        {"id": "", "actual": 1},
        {"id": "A-3"},
        {"id": "A-4", "actual": 0, "time": "tomorrow"},
        {"id": "A-5", "actual": 0, "weight": 2.0},
        {"id": "A-6", "label": 0},
        17,
    ]

    response = client(app).post("/outcomes", json=rows)

    assert response.status_code == 202
    assert response.json() == {
        "accepted": 2,
        "rejected": [
            {"index": 1, "reason": "it has no id"},
            {"index": 2, "reason": "its actual must be a string, a number or a bool, not a NoneType"},
            {"index": 3, "reason": response.json()["rejected"][2]["reason"]},
            {"index": 5, "reason": f"unknown key 'label'; an outcome has the keys {', '.join(FIELDS)}"},
            {"index": 6, "reason": "an outcome must be an object with id and actual, not an int"},
        ],
    }
    assert "time" in response.json()["rejected"][2]["reason"]
    (table,) = service.outcomes()
    assert strings(table.id) == ["A-1", "A-5"]


@pytest.mark.parametrize(
    ("rows", "status", "accepted"),
    [
        ({"id": "A-1", "actual": "left"}, 422, 0),
        ([{"id": "A-1", "actual": "left"}, {"id": "A-2", "actual": 7}], 422, 0),
        ([{"id": "A-1", "actual": "left"}, {"id": "", "actual": "stays"}], 400, 0),
        ([{"id": "A-1", "actual": "left"}, {"id": "A-2", "actual": "stays"}], 202, 1),
    ],
)
def test_an_outcome_of_no_class_of_the_model_is_refused(
    app: FastAPI, service: Service, rows: Any, status: int, accepted: int
) -> None:
    service.model(classes=("stays", "churns"), positive_class="churns").instrument(app, outcomes="/outcomes")

    response = client(app).post("/outcomes", json=rows)

    assert (response.status_code, response.json()["accepted"]) == (status, accepted)
    assert response.json()["rejected"][0] == {
        "index": 0,
        "reason": "its actual is not one of the classes 'stays', 'churns'",
    }
    assert sum(len(table.id) for table in service.outcomes()) == accepted


def test_an_outcome_of_classes_that_nobody_declared_is_taken(app: FastAPI, service: Service) -> None:
    service.model().instrument(app, outcomes="/outcomes")

    assert client(app).post("/outcomes", json={"id": "A-1", "actual": "left"}).status_code == 202
    assert len(service.outcomes()) == 1


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"id": "A-1", "actual": 1}', 202),
        ("application/json", b'{"id": "A-1"}', 400),
        ("application/json", b"{", 400),
        ("text/plain", b"{}", 415),
        ("application/json", b" " * (1 << 20) + b"1", 413),
    ],
    ids=["one", "unusable", "broken", "text", "large"],
)
def test_an_outcome_request_is_answered_with_its_status(
    app: FastAPI, service: Service, content_type: str, body: bytes, status: int
) -> None:
    service.model().instrument(app, outcomes="/outcomes")

    response = client(app).post("/outcomes", content=body, headers={"content-type": content_type})

    assert response.status_code == status
    assert client(app).get("/outcomes").status_code == 404
    assert len(service.outcomes()) == (1 if status == 202 else 0)


def test_several_models_share_an_application(app: FastAPI, service: Service) -> None:
    churn, spend = service.model(), service.model("spend", task="regression")
    churn.instrument(app, routes={"POST /predict": Route(score="probability")}, outcomes="/churn/outcomes")
    spend.instrument(app, routes={"POST /says/{status}": Route(score="answer")}, outcomes="/spend/outcomes")

    client(app).post("/predict", json=ORDER)
    client(app).post("/says/200", json={"answer": {"answer": 17}})

    assert len(spans(service)) == 1
    assert len(spans(service, "predict spend")) == 1
    with pytest.raises(
        ValueError, match=r"outcomes: '/churn/outcomes' receives the outcomes of churn; use another path"
    ):
        spend.instrument(app, outcomes="/churn/outcomes")


def test_a_plain_starlette_application_works_too(service: Service) -> None:
    async def predict(request: Request) -> JSONResponse:
        return JSONResponse({"probability": (await request.json())["amount"] / 100})

    app = Starlette(routes=[StarletteRoute("/predict", predict, methods=["POST"])])
    assert service.model().instrument(app, routes={"POST /predict": Route(score="probability")}) is app

    client(app).post("/predict", json=ORDER)

    assert attributes(service)["ml.prediction.score"] == 0.175


@pytest.mark.parametrize(
    ("routes", "facts"),
    [
        ({"/predict": {}}, ("routes.'/predict':", "'POST /predict'")),
        ({"POST /p": 7}, ("routes.'POST", "/p'")),
        (
            {"POST /p": {"scores": "p"}},
            ("routes.'POST", "/p'.scores", "features, id, time, score, predicted, slices, span_features, limit"),
        ),
        ({"POST /p": {"score": 7}}, ("routes.'POST", "/p'.score")),
        (
            {"POST /p": {"score": "header:x"}},
            ("routes.'POST", "/p'.score", "'header:x'", "'response'", "'response:name'"),
        ),
        ({"POST /p": {"features": "header"}}, ("routes.'POST", "/p'.features", "'header'", "'body'", "'body:name'")),
        (
            {"POST /p": {"slices": {"region": "cookie:r"}}},
            ("routes.'POST", "/p'.slices.region", "'cookie:r'", "'body'", "'body:name'"),
        ),
    ],
)
def test_a_route_that_cannot_be_read_is_named_with_the_fix(
    app: FastAPI, service: Service, routes: dict[str, Any], facts: Facts
) -> None:
    with pytest.raises(ValueError) as raised:
        service.model().instrument(app, routes=routes)
    assert lacking(str(raised.value), *facts) == []
    assert "_driftline" not in app.__dict__


def test_a_model_without_a_task_has_no_routes(app: FastAPI) -> None:
    with pytest.raises(ValueError, match=r"routes: driftline.Model\('churn'\) has no task; use task='binary', "):
        driftline.Model("churn").instrument(app, routes={"POST /predict": {}})


def test_a_span_ends_though_nothing_is_recorded_any_more(app: FastAPI, service: Service) -> None:
    instrument_ours(app, service)
    pipeline_of(service.channel).shutdown(60.0)

    response = client(app).post("/predict", json=ORDER)

    assert response.json()["probability"] == 0.75
    assert [span.name for span in service.spans] == ["predict churn"]


def test_the_log_says_how_to_map_a_response_that_is_not_read(
    app: FastAPI, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.model().instrument(app, routes={"POST /predict": {}})
    client(app).post("/predict", json=ORDER)
    service.flush()

    assert (
        "driftline: churn.POST /predict returned a dict with keys ['probability', 'label', 'customer']; "
        "specify how to read the result: "
        'routes={"POST /predict": Route(score="probability", predicted="label")}'
    ) in [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("score", "line"),
    [
        ("0.25", "churn.POST /p returned a str as the score; convert it: "),
        (
            30,
            "churn.POST /p returns scores outside 0 to 1, which are not probabilities: these rows have a predicted "
            "class, but no log loss and no calibration; convert the scores to probabilities: ",
        ),
    ],
    ids=["a text", "a percentage"],
)
def test_the_log_says_how_a_route_converts_its_score(
    service: Service, caplog: pytest.LogCaptureFixture, score: Any, line: str
) -> None:
    app = FastAPI()

    @app.post("/p")
    def predict(order: dict[str, Any]) -> dict[str, Any]:
        if order["follows_the_advice"]:
            unwrap(driftline.current()).score = 0.25
        return {"score": score}

    service.model().instrument(app, routes={"POST /p": Route(score="score")})
    client(app).post("/p", json={"follows_the_advice": False})
    service.flush()
    assert f"driftline: {line}in the handler, driftline.current().score = ..." in caplog.messages

    client(app).post("/p", json={"follows_the_advice": True})
    assert unwrap(service.tables()[-1].scores)[-1].tolist() == [0.25]


def test_a_mounted_application_inside_a_recorded_route_is_one_prediction(app: FastAPI, service: Service) -> None:
    churn = service.model()
    churn.instrument(app, routes={"POST /predict": Route(score="probability")})
    outer = FastAPI()
    outer.mount("/v1", app)
    churn.instrument(outer, routes={"POST /v1/predict": Route(id="order_id", score="probability")})

    response = client(outer).post("/v1/predict", json=ORDER)

    assert response.headers.get_list("x-prediction-id") == ["A-1001"]
    assert strings(service.table().id) == ["A-1001"]
    assert service.counts() == {(("ml.prediction.class", "1"),): 1}


def test_an_application_is_let_go_alone(app: FastAPI, service: Service) -> None:
    churn, other = service.model(), FastAPI()

    @other.post("/predict")
    async def predict(order: dict[str, Any]) -> dict[str, float]:  # noqa: ARG001
        return {"probability": 0.25}

    for one in (app, other):
        churn.instrument(one, routes={"POST /predict": Route(score="probability")})
    uninstrument(app)

    answers = [client(one).post("/predict", json=ORDER) for one in (app, other)]

    assert ["x-prediction-id" in answer.headers for answer in answers] == [False, True]
    assert service.counts() == {(("ml.prediction.class", "0"),): 1}


def test_an_application_that_has_started_can_be_instrumented(app: FastAPI, service: Service) -> None:
    client(app).post("/predict", json=ORDER)
    instrument_ours(app, service)
    client(app).post("/predict", json=ORDER)

    assert len(service.table()) == 1


def test_the_instrumentor_instruments_what_is_made_from_then_on_until_it_leaves() -> None:
    before = FastAPI()
    FastAPIInstrumentor().instrument()
    made, plain = FastAPI(), Starlette()
    during = ["_driftline" in one.__dict__ for one in (before, made, plain)]
    FastAPIInstrumentor().uninstrument()
    after = ["_driftline" in one.__dict__ for one in (made, plain, FastAPI())]

    assert (during, after) == ([False, True, True], [False, False, False])
    assert not hasattr(FastAPI.__init__, "__wrapped__")
    assert not hasattr(Starlette.__init__, "__wrapped__")


def test_the_instrumentor_takes_off_its_own_wrapper_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FastAPI, "__init__", FastAPI.__init__)  # put back whatever this leaves
    theirs: list[Any] = []

    def note(wrapped: Callable[..., None], app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        wrapped(*args, **kwargs)
        theirs.append(app)

    FastAPIInstrumentor().instrument()
    wrapt.wrap_function_wrapper(FastAPI, "__init__", note)
    FastAPIInstrumentor().uninstrument()
    app = FastAPI()

    assert theirs == [app]
    assert "_driftline" not in app.__dict__


def test_what_the_file_declares_is_recorded(
    monkeypatch: pytest.MonkeyPatch, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    declared = [
        declared_models.DeclaredModel(
            service.model(), routes={"POST /predict": {"score": "p"}}, outcomes="/outcomes", source="driftline.toml"
        ),
        declared_models.DeclaredModel(service.model("spend"), routes={"/predict": {}}, source="driftline.toml"),
    ]
    monkeypatch.setenv("DRIFTLINE_CONFIG", "driftline.toml")
    monkeypatch.setitem(declared_models._read, "driftline.toml", declared_models.Declarations(tuple(declared)))
    FastAPIInstrumentor().instrument()
    try:
        app = FastAPI()

        @app.post("/predict")
        async def predict(order: dict[str, Any]) -> dict[str, float]:  # noqa: ARG001
            return {"p": 0.25}

        response = client(app).post("/predict", json=ORDER)
        answer = client(app).post("/outcomes", json={"id": "A-1", "actual": 1})
    finally:
        FastAPIInstrumentor().uninstrument()

    assert response.headers["x-prediction-id"] == attributes(service)["ml.prediction.id"]
    assert answer.status_code == 202
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "driftline: driftline.toml: models.spend.routes.'/predict': '/predict' is not a method and a path; "
        "use a form such as 'POST /predict'"
    ]


ANSWERS = [
    '{"probability": 0.75}',
    '{"probability": 1}',
    '{"probability": true}',
    '{"probability": null}',
    '{"probability": NaN}',
    '{"probability": [0.25]}',
    '{"probability": "0.25"}',
    '{"label": 1}',
    '[{"probability": 0.25}]',
    "0.25",
    "",
    "no JSON",
]
BODIES = [
    '{"order_id": "A-1", "amount": 17.5, "country": "NO"}',
    '{"country": "NO", "order_id": 17, "amount": 17}',
    '{"order_id": "", "amount": null, "tags": ["a"], "more": {"a": 1}}',
    '{"amount": 1e400, "text": "' + "x" * 300 + '", "vector": [1, 2, 3]}',
    '[{"order_id": "A-1", "amount": 1.5}, {"order_id": "A-2", "amount": 2.5}]',
    "{}",
    "17.5",
    "no JSON",
]
ROUTES = [
    Route(score="probability"),
    Route(id="order_id", score="probability", predicted="label"),
    Route(id="response:id", score="probability"),
    Route(features="query", score="probability"),
    Route(score="probability", slices={"country": "country", "shop": "header:x-shop"}),
    Route(id="order_id", score="probability", slices={"shop": "header:x-shop"}),
    Route(),
]


@pytest.mark.slow
@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_what_is_read_quickly_says_what_a_closer_look_would_say(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, route: Route, traced: bool
) -> None:
    caplog.set_level("CRITICAL")
    monkeypatch.setattr(pipeline, "GATHER_SECONDS", 60.0)  # one record, however long the requests take

    def recorded(*, quickly: bool) -> Any:
        service, app = Service(), FastAPI(**QUIET)

        @app.post("/predict")
        async def predict(at: int) -> Response:
            return Response(ANSWERS[at], media_type="application/json")

        tracers = service.tracers if traced else NoOpTracerProvider()
        service.model(tracer_provider=tracers).instrument(app, routes={"POST /predict": route})
        with monkeypatch.context() as patched, deterministic():
            if not quickly:
                patched.setattr(RoutePlan, "plain", lambda *_: None)
            for body in BODIES:
                for at in range(len(ANSWERS)):
                    named = {"x-prediction-id": f"R-{at}"} if at % 2 else {}
                    headers = {"content-type": "application/json", "x-shop": "north", **named}
                    client(app).post(f"/predict?at={at}", content=body, headers=headers)
            service.flush()
        said = [repr(sorted((span.attributes or {}).items())) for span in service.spans]  # NaN is not NaN
        rows = sum(map(len, service.tables()))
        return said, rows, service.counts(), None if traced else service.channel.bodies

    assert recorded(quickly=True) == recorded(quickly=False)


def test_most_requests_make_no_prediction(app: FastAPI, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not asked for, and read quickly, is never made: that is what a request costs."""
    service.model().instrument(
        app, routes={"POST /predict": Route(id="order_id", score="probability", predicted="label")}
    )
    client(app).post("/predict", json=ORDER)
    service.flush()
    made: list[Any] = []
    monkeypatch.setattr(RequestPrediction, "make", lambda self: made.append(self))
    monkeypatch.setattr(RoutePlan, "defer", lambda *what: made.append(what))

    response = client(app).post("/predict", json=ORDER)
    service.flush()

    assert (response.headers["x-prediction-id"], made) == ("A-1001", [])
    assert [strings(table.id) for table in service.tables()] == [["A-1001"], ["A-1001"]]


def test_a_response_that_a_middleware_makes_anew_names_the_prediction(app: FastAPI, service: Service) -> None:
    @app.middleware("http")
    async def anew(request: Request, call_next: Any) -> Response:
        await call_next(request)
        return Response("anew")

    service.model().instrument(app, routes={"POST /predict": Route(score="probability")})
    response = client(app).post("/predict", json=ORDER)

    assert (response.text, [response.headers["x-prediction-id"]]) == ("anew", strings(service.table().id))


def test_who_asks_inside_sees_the_id_of_the_answer(app: FastAPI, service: Service) -> None:
    seen: list[str] = []

    @app.post("/asks")
    def asks(order: dict[str, Any]) -> dict[str, float]:  # noqa: ARG001
        prediction = unwrap(driftline.current())
        seen.append(prediction.id)
        prediction.score = 0.25
        return {"probability": 0.75}

    service.model().instrument(app, routes={"POST /asks": Route(id="order_id", score="probability")})
    response = client(app).post("/asks", json=ORDER)

    assert (seen, response.headers["x-prediction-id"]) == (["A-1001"], "A-1001")
    assert attributes(service)["ml.prediction.score"] == 0.25


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ({"data": {"p": 0.75}}, {"score": "data.p"}),
        ({"result": [{"p_1": 0.75, "label": 1}]}, {"score": "result.p_1", "predicted": "result.label"}),
        ({"status": "ok", "prediction": 0.75}, {"score": "prediction"}),
    ],
    ids=["nested", "list", "prediction"],
)
def test_the_advice_for_a_response_is_a_route_that_reads_it(
    service: Service, caplog: pytest.LogCaptureFixture, answer: Any, advice: dict[str, Any]
) -> None:
    app = FastAPI(**QUIET)

    @app.post("/predict")
    def predict(order: dict[str, Any]) -> Any:  # noqa: ARG001
        return answer

    service.model().instrument(app, routes={"POST /predict": {}})
    client(app).post("/predict", json=ORDER)
    service.flush()
    (line,) = (text for text in caplog.messages if "POST /predict returned" in text)
    routes = eval(line[line.index("routes=") + len("routes=") :])
    assert routes == {"POST /predict": Route(**advice)}
    service.model().instrument(app, routes=routes)
    client(app).post("/predict", json=ORDER)
    assert unwrap(service.tables()[-1].scores).tolist() == [[0.75]]


def test_a_score_that_belongs_to_the_label_is_not_advised_to_a_route(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """A path cannot name the score of the positive class in results of ``transformers``."""
    app = FastAPI(**QUIET)

    @app.post("/predict")
    def predict(order: dict[str, Any]) -> Any:  # noqa: ARG001
        return {"result": [{"label": 0, "score": 0.75}]}

    service.model().instrument(app, routes={"POST /predict": {}})
    client(app).post("/predict", json=ORDER)
    service.flush()
    (line,) = (text for text in caplog.messages if "POST /predict returned" in text)
    assert line.endswith('routes={"POST /predict": Route(predicted="result.label")}')


def test_no_advice_for_a_route_is_a_function(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI(**QUIET)

    @app.post("/predict")
    def predict(order: dict[str, Any]) -> Any:
        return order["answer"]

    service.model().instrument(app, routes={"POST /predict": {"id": "absent", "time": "absent"}})
    for answer in ({"a": 0.25, "b": 0.5}, [1, 2, 3], 17.5, None, "text", {"nothing": None}):
        service.model().instrument(app, routes={"POST /predict": {"id": "absent", "time": "absent"}})
        client(app).post("/predict", json={"answer": answer})
        client(app).post("/predict", json=[[1, 2], [[3]]])
        service.flush()
    assert len(caplog.messages) >= 4
    assert not [text for text in caplog.messages if "lambda" in text or "@churn" in text or "function" in text]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_dependency_that_yields_an_open_prediction(
    service: Service, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    churn, app = service.model(), FastAPI(**QUIET)

    def opened() -> Iterator[Any]:
        with churn.prediction(features={"x": 1.0}, id="A-1") as prediction:
            yield prediction

    async def opened_async() -> AsyncIterator[Any]:
        with churn.prediction(features={"x": 1.0}, id="A-1") as prediction:
            yield prediction

    @app.get("/predict")
    def predict(prediction: Any = Depends(opened if kind == "sync" else opened_async)) -> float:  # noqa: B008
        prediction.score = 0.75
        return 0.75

    for _ in range(2):
        assert client(app).get("/predict").json() == 0.75
    assert [strings(table.id) for table in service.tables()] == [["A-1", "A-1"]]
    assert [text for text in caplog.messages if "internal error" in text or "detach" in text] == []
    assert FAULTS.drain() == {}
