"""Flask: routes are recorded with their views unchanged, and ids come in and go out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import driftline
import pytest
import wrapt
from driftline import declared_models
from driftline.tables.column_codec import strings
from driftline_integrations.flask import FlaskInstrumentor, Route, instrument, uninstrument
from flask import Blueprint, Flask, abort, jsonify, request, stream_with_context
from flask.typing import ResponseReturnValue
from opentelemetry.instrumentation.flask import FlaskInstrumentor as OpenTelemetrys
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from tests.support.service import Service
from tests.support.unwrap import unwrap

PAYMENT = {"payment": "P-17", "amount": 250.0, "country": "NO"}


@pytest.fixture
def app() -> Flask:
    """An application that nobody wrote with Driftline in mind."""
    app = Flask("shop")

    @app.post("/score")
    def score() -> ResponseReturnValue:
        return {"fraud": request.get_json()["amount"] / 1000}

    @app.post("/fails")
    def fails() -> ResponseReturnValue:
        raise ZeroDivisionError

    @app.post("/says/<int:status>")
    def says(status: int) -> ResponseReturnValue:
        if status in (418, 503):
            abort(status)
        return jsonify(request.get_json()), status

    return app


def spans(service: Service, name: str = "predict fraud") -> list[ReadableSpan]:
    """Return the finished spans of a name; what was put off is done first."""
    service.flush()
    return [span for span in service.spans if span.name == name]


def attributes(service: Service) -> dict[str, Any]:
    (span,) = spans(service)
    return dict(span.attributes or {})


def test_a_route_is_recorded_with_its_view_unchanged(app: Flask, service: Service) -> None:
    fraud = service.model("fraud")
    routes = {"POST /score": Route(id="payment", score="fraud", slices={"country": "country", "shop": "header:x-shop"})}
    assert fraud.instrument(app, routes=routes) is app

    response = app.test_client().post("/score", json=PAYMENT, headers={"x-shop": "oslo"})

    assert (response.json, response.headers["X-Prediction-Id"]) == ({"fraud": 0.25}, "P-17")
    assert attributes(service) == {
        "ml.operation.name": "predict",
        "ml.model.name": "fraud",
        "ml.model.task": "binary",
        "driftline.prediction.recorded": True,
        "ml.prediction.id": "P-17",
        "ml.prediction.score": 0.25,
        "ml.prediction.class": "0",
        "driftline.feature.value.amount": 250.0,
        "driftline.feature.value.country": "NO",
        "driftline.slice.value.country": "NO",
        "driftline.slice.value.shop": "oslo",
    }
    assert strings(service.table().id) == ["P-17"]
    assert service.counts() == {(("ml.prediction.class", "0"),): 1}


def test_a_request_names_its_prediction_and_a_hostile_one_does_not(app: Flask, service: Service) -> None:
    service.model("fraud").instrument(app, routes={"POST /score": Route(score="fraud")})
    browser = app.test_client()

    first = browser.post("/score", json=PAYMENT, headers={"x-prediction-id": "R-1"})
    second = browser.post("/score", json=PAYMENT, headers={"x-prediction-id": "a b"})

    assert first.headers["X-Prediction-Id"] == "R-1"
    assert strings(service.table().id) == ["R-1", second.headers["X-Prediction-Id"]]
    assert second.headers["X-Prediction-Id"] != "a b"


def test_a_views_own_prediction_takes_the_id_and_gives_it_back(service: Service) -> None:
    fraud, app = service.model("fraud"), Flask("shop")
    seen: list[str] = []

    @fraud.predict
    def own(payment: dict[str, Any]) -> float:
        seen.append(getattr(driftline.current(), "id", ""))
        return float(payment["amount"]) / 1000

    @app.post("/score")
    async def score() -> dict[str, float]:  # an async view runs in a thread of its own
        return {"fraud": own(request.get_json())}

    fraud.instrument(app)
    response = app.test_client().post("/score", json=PAYMENT, headers={"x-prediction-id": "R-1"})

    assert (seen, response.headers["X-Prediction-Id"]) == (["R-1"], "R-1")
    assert strings(service.table().id) == ["R-1"]


def test_a_route_around_a_decorated_function_is_one_prediction(app: Flask, service: Service) -> None:
    fraud = service.model("fraud")

    @fraud.predict
    def own(row: list[float]) -> float:
        return row[0] / 1000

    @app.post("/decide")
    def decide() -> ResponseReturnValue:
        return {"refused": own([request.get_json()["amount"], 1.0]) > 0.5}

    fraud.instrument(app, routes={"POST /decide": Route(id="payment")})
    app.test_client().post("/decide", json=PAYMENT)

    table = service.table()
    assert (strings(table.id), sorted(table.features)) == (["P-17"], ["amount", "country"])
    assert unwrap(table.scores).tolist() == [[0.25]]
    assert service.counts() == {(("ml.prediction.class", "0"),): 1}


@pytest.mark.parametrize(("path", "status", "error"), [("/fails", 500, "ZeroDivisionError"), ("/says/503", 503, "503")])
def test_an_error_fails_the_prediction_and_its_response_names_it(
    app: Flask, service: Service, path: str, status: int, error: str
) -> None:
    service.model("fraud").instrument(app, routes={"POST /fails": {}, "POST /says/<int:status>": {}})

    response = app.test_client().post(path, json=PAYMENT, headers={"x-prediction-id": "R-1"})

    assert (response.status_code, response.headers["X-Prediction-Id"]) == (status, "R-1")
    assert attributes(service)["error.type"] == error
    assert service.counts() == {(("error.type", error),): 1}


@pytest.mark.parametrize("status", [404, 418])
def test_a_request_that_never_reached_the_model_is_no_prediction(app: Flask, service: Service, status: int) -> None:
    service.model("fraud").instrument(app, routes={"POST /says/{status}": Route(score="fraud")})

    response = app.test_client().post(f"/says/{status}", json=PAYMENT, headers={"x-prediction-id": "R-1"})

    assert response.status_code == status
    assert "X-Prediction-Id" not in response.headers
    assert (service.tables(), service.counts()) == ([], {})
    assert attributes(service)["driftline.reason"] == str(status)


def test_what_an_error_handler_makes_of_an_exception_decides(app: Flask, service: Service) -> None:
    @app.errorhandler(ZeroDivisionError)
    def handled(error: ZeroDivisionError) -> ResponseReturnValue:
        return {"error": type(error).__name__}, 400

    service.model("fraud").instrument(app, routes={"POST /fails": {}})

    assert app.test_client().post("/fails", json=PAYMENT).status_code == 400
    assert (service.tables(), attributes(service)["driftline.reason"]) == ([], "400")


def test_a_refusal_that_says_the_score_is_a_prediction(app: Flask, service: Service) -> None:
    service.model("fraud").instrument(app, routes={"POST /says/{status}": Route(score="fraud")})

    response = app.test_client().post("/says/403", json={"fraud": 0.99})

    assert response.status_code == 403
    assert attributes(service)["ml.prediction.score"] == 0.99


def instrument_ours(app: Flask, service: Service) -> None:
    service.model("fraud").instrument(app, routes={"POST /score": Route(score="fraud")})


def instrument_theirs(app: Flask, service: Service) -> None:
    theirs: Any = OpenTelemetrys
    theirs.instrument_app(app, tracer_provider=service.tracers, meter_provider=service.meters)


@pytest.mark.parametrize("order", [(instrument_ours, instrument_theirs), (instrument_theirs, instrument_ours)])
def test_the_web_span_is_the_parent_in_any_order(
    app: Flask, service: Service, order: tuple[Callable[[Flask, Service], None], ...]
) -> None:
    for step in order:
        step(app, service)

    response = app.test_client().post("/score", json=PAYMENT, headers={"x-prediction-id": "R-1"})

    (prediction,), (web,) = spans(service), spans(service, "POST /score")
    assert (web.kind, prediction.kind) == (SpanKind.SERVER, SpanKind.INTERNAL)
    assert unwrap(prediction.parent).span_id == unwrap(web.context).span_id
    assert response.headers["X-Prediction-Id"] == "R-1"


@pytest.mark.parametrize("order", [(instrument_ours, instrument_theirs), (instrument_theirs, instrument_ours)])
@pytest.mark.parametrize("theirs_first", [True, False])
def test_either_instrumentation_can_leave_first(
    app: Flask, service: Service, order: tuple[Callable[[Flask, Service], None], ...], theirs_first: bool
) -> None:
    for step in order:
        step(app, service)
    leave: list[Callable[[Flask], None]] = [OpenTelemetrys().uninstrument_app, uninstrument]
    (leave[0] if theirs_first else leave[1])(app)

    app.test_client().post("/score", json=PAYMENT)
    kinds = (len(spans(service)), len(spans(service, "POST /score")))
    (leave[1] if theirs_first else leave[0])(app)
    response = app.test_client().post("/score", json=PAYMENT)

    assert kinds == ((1, 0) if theirs_first else (0, 1))
    assert (len(spans(service)), len(spans(service, "POST /score"))) == kinds
    assert "X-Prediction-Id" not in response.headers
    assert {"dispatch_request", "full_dispatch_request", "process_response"} & set(app.__dict__) == set()


def test_without_web_instrumentation_the_prediction_joins_the_trace_of_the_request(
    app: Flask, service: Service
) -> None:
    instrument_ours(app, service)

    app.test_client().post("/score", json=PAYMENT, headers={"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"})

    (span,) = spans(service)
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == ("a1" * 16, "b2" * 8)


def test_blueprints_parameters_and_baggage(service: Service) -> None:
    app, models = Flask("shop"), Blueprint("models", __name__, url_prefix="/models")

    @models.get("/<name>/rooms/<int:rooms>")
    def price(name: str, rooms: int) -> ResponseReturnValue:
        return {"model": name, "price": rooms * float(request.args["area"])}

    app.register_blueprint(models)
    route = Route(features=("path:rooms", "query"), id="path:name", score="price", slices={"tier": "baggage:tier"})
    service.model("price", task="regression").instrument(app, routes={"GET /models/<name>/rooms/<int:rooms>": route})

    response = app.test_client().get("/models/A-1/rooms/3?area=20.5", headers={"baggage": "tier=gold"})

    (span,) = spans(service, "predict price")
    whole = dict(span.attributes or {})
    assert response.headers["X-Prediction-Id"] == whole["ml.prediction.id"] == "A-1"
    assert (whole["driftline.feature.value.rooms"], whole["driftline.feature.value.area"]) == (3, 20.5)
    assert (whole["ml.prediction.value"], whole["driftline.slice.value.tier"]) == (61.5, "gold")


@pytest.mark.parametrize("way", ["get_json", "get_data", "data", "stream", "input"])
def test_a_view_reads_the_body_itself(service: Service, way: str) -> None:
    app = Flask("shop")

    @app.post("/score")
    def score() -> ResponseReturnValue:
        readers: dict[str, Callable[[], Any]] = {
            "get_json": lambda: json.dumps(request.get_json()),
            "get_data": lambda: request.get_data(cache=False),
            "data": lambda: request.data,
            "stream": lambda: request.stream.read(),
            "input": lambda: request.environ["wsgi.input"].read(),
        }
        return {"fraud": json.loads(readers[way]())["amount"] / 1000}

    service.model("fraud").instrument(app, routes={"POST /score": Route(score="fraud")})

    assert app.test_client().post("/score", json=PAYMENT).json == {"fraud": 0.25}
    assert attributes(service)["driftline.feature.value.amount"] == 250.0


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain", "text/json"])
def test_json_is_read_whatever_its_content_type(
    service: Service, unrecorded: list[tuple[str, str]], content_type: str | None
) -> None:
    app = Flask("shop")

    @app.post("/score")
    def score() -> ResponseReturnValue:
        return {"fraud": request.get_json(force=True)["amount"] / 100}

    service.model("fraud").instrument(app, routes={"POST /score": Route(id="order_id", score="fraud")})
    body = b'{"order_id": "A-1", "amount": 17.5}'
    response = app.test_client().post("/score", data=body, content_type=content_type)

    table = service.table()
    assert (response.json, response.headers["X-Prediction-Id"]) == ({"fraud": 0.175}, "A-1")
    assert (strings(table.id), list(table.features), unrecorded) == (["A-1"], ["amount"], [])


def test_a_view_still_reads_its_form(service: Service, unrecorded: list[tuple[str, str]]) -> None:
    app = Flask("shop")

    @app.post("/score")
    def score() -> ResponseReturnValue:
        return {"fraud": float(request.form["amount"]) / 100}

    service.model("fraud").instrument(app, routes={"POST /score": Route(score="fraud")})

    assert app.test_client().post("/score", data={"amount": "17.5"}).json == {"fraud": 0.175}
    assert unwrap(service.table().scores).tolist() == [[0.175]]
    assert unrecorded == [("fraud", "request_not_json")]


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"a=1", "text/plain", "request_not_json"),
        (b"--x--", "multipart/form-data; boundary=x", "request_not_json"),
        (b"{", "application/json", "request_not_json"),
        (b'{"text": "%s"}' % (b"x" * 4096), "application/json", "request_too_large"),
    ],
    ids=["text", "upload", "broken", "large"],
)
def test_a_body_that_cannot_be_read_is_counted_and_the_score_recorded(
    service: Service, unrecorded: list[tuple[str, str]], body: bytes, content_type: str, reason: str
) -> None:
    app = Flask("shop")

    @app.post("/score")
    def score() -> ResponseReturnValue:
        return {"fraud": len(request.get_data()) / 1e6}

    service.model("fraud").instrument(app, routes={"POST /score": Route(score="fraud", limit=1024)})
    response = app.test_client().post("/score", data=body, content_type=content_type)

    table = service.table()
    assert response.json == {"fraud": len(body) / 1e6}
    assert unwrap(table.scores).tolist() == [[len(body) / 1e6]]
    assert table.features == {}
    assert unrecorded == [("fraud", reason)]


def test_a_body_larger_than_the_application_takes_is_refused_as_before(app: Flask, service: Service) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 8
    service.model("fraud").instrument(app, routes={"POST /score": Route(score="fraud")})

    assert app.test_client().post("/score", json=PAYMENT).status_code == 413
    assert service.tables() == []


def test_a_stream_is_passed_on_as_it_comes(service: Service, unrecorded: list[tuple[str, str]]) -> None:
    app = Flask("shop")

    @app.post("/score")
    def score() -> ResponseReturnValue:
        return app.response_class(stream_with_context(iter(["a", "b"])), mimetype="application/json")

    service.model("fraud").instrument(app, routes={"POST /score": {}})

    assert app.test_client().post("/score", json=PAYMENT).text == "ab"
    assert attributes(service)["driftline.prediction.unread"] is True
    assert unrecorded == [("fraud", "response_not_json"), ("fraud", "unread_result")]


def test_outcomes_are_taken_row_by_row_before_the_application_looks(app: Flask, service: Service) -> None:
    service.model("fraud").instrument(app, outcomes="/outcomes")
    browser = app.test_client()

    response = browser.post("/outcomes", json=[{"id": "P-17", "actual": 1}, {"id": "P-18"}])

    answer = json.loads(response.data)
    assert (response.status_code, answer["accepted"]) == (202, 1)
    assert [row["index"] for row in answer["rejected"]] == [1]
    assert browser.get("/outcomes").status_code == 404
    (table,) = service.outcomes()
    assert strings(table.id) == ["P-17"]


def test_other_methods_are_left_alone(app: Flask, service: Service) -> None:
    instrument_ours(app, service)
    browser = app.test_client()
    statuses = [browser.open("/score", method=method).status_code for method in ("GET", "HEAD", "OPTIONS", "DELETE")]

    assert statuses == [405, 405, 200, 405]
    assert (spans(service), service.tables()) == ([], [])


def test_what_is_no_application_is_refused(service: Service) -> None:
    with pytest.raises(TypeError, match="instrument\\(\\) for Flask requires the application itself, not a dict"):
        instrument(service.model("fraud"), {})  # type: ignore[arg-type]


def test_of_two_applications_only_the_one_that_was_named_is_touched(app: Flask, service: Service) -> None:
    other = Flask("other")
    other.post("/score")(lambda: {"fraud": 0.75})
    before = dict(other.__dict__)
    service.model("fraud").instrument(app, routes={"POST /score": Route(id="payment", score="fraud")})

    answers = [one.test_client().post("/score", json=PAYMENT) for one in (app, other)]

    assert [answer.get_json() for answer in answers] == [{"fraud": 0.25}, {"fraud": 0.75}]
    assert [answer.headers.get("X-Prediction-Id") for answer in answers] == ["P-17", None]
    assert [span.name for span in spans(service)] == ["predict fraud"]
    assert strings(service.table().id) == ["P-17"]
    assert other.extensions == {}
    assert {name for name, value in other.__dict__.items() if before.get(name) is not value} <= {"_got_first_request"}


def test_of_two_applications_one_is_let_go_alone(app: Flask, service: Service) -> None:
    other = Flask("other")
    other.post("/score")(lambda: {"fraud": 0.75})
    for one in (app, other):
        service.model("fraud").instrument(one, routes={"POST /score": Route(score="fraud")})
    uninstrument(app)

    answers = [one.test_client().post("/score", json=PAYMENT) for one in (app, other)]

    assert ["X-Prediction-Id" in answer.headers for answer in answers] == [False, True]
    assert service.counts() == {(("ml.prediction.class", "1"),): 1}


def test_the_instrumentor_instruments_what_is_made_from_then_on_until_it_leaves() -> None:
    before = Flask("before")
    FlaskInstrumentor().instrument()
    made = Flask("made")
    during = ["driftline" in one.extensions for one in (before, made)]
    FlaskInstrumentor().uninstrument()
    after = ["driftline" in one.extensions for one in (made, Flask("later"))]

    assert (during, after) == ([False, True], [False, False])
    assert not hasattr(Flask.__init__, "__wrapped__")


def test_the_instrumentor_takes_off_its_own_wrapper_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flask, "__init__", Flask.__init__)  # put back whatever this leaves
    theirs: list[Any] = []

    def note(wrapped: Callable[..., None], app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        wrapped(*args, **kwargs)
        theirs.append(app)

    FlaskInstrumentor().instrument()
    wrapt.wrap_function_wrapper(Flask, "__init__", note)
    FlaskInstrumentor().uninstrument()
    app = Flask("shop")

    assert theirs == [app]
    assert "driftline" not in app.extensions


def test_what_the_file_declares_is_recorded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    routes = {"POST /score/{shop}": {"features": ["body", "path:shop"], "score": "fraud"}}
    declared = declared_models.DeclaredModel(service.model("fraud"), routes=routes, source="driftline.toml")
    monkeypatch.setenv("DRIFTLINE_CONFIG", "driftline.toml")
    monkeypatch.setitem(declared_models._read, "driftline.toml", declared_models.Declarations((declared,)))
    FlaskInstrumentor().instrument()
    try:
        app = Flask("shop")

        @app.post("/score/<shop>")
        def score(shop: str) -> ResponseReturnValue:
            return {"fraud": 0.25, "shop": shop}

        app.test_client().post("/score/oslo", json=PAYMENT)
    finally:
        FlaskInstrumentor().uninstrument()

    assert attributes(service)["driftline.feature.value.shop"] == "oslo"
    assert attributes(service)["ml.prediction.score"] == 0.25
