"""Flask: record the predictions of routes, and pass prediction ids in and out; views are unchanged.

Three methods of the application are wrapped on the instance: the handling of a request (its given id), the dispatch to
the view, which is after every ``before_request`` function, so that the span of the web request is the parent in any
order of instrumentation, and the processing of a response (its id, also for an error).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import flask
from driftline.faults import FAULTS
from driftline.integration.suppression import is_suppressed
from driftline.integration.web_request import HEADER, WebRequest
from flask.app import Flask  # flask.Flask is another class where OpenTelemetry's instrumentation is active
from opentelemetry import context
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from driftline_integrations.instrumentation.hooks import ConstructorHook
from driftline_integrations.instrumentation.instrumentor import ProcessInstrumentor
from driftline_integrations.web.application import MappedRoutes, ServedRoute, instrument_as_declared, join_trace
from driftline_integrations.web.outcome_route import OUTCOME_BYTES, OutcomeRoutes, take_outcomes
from driftline_integrations.web.request_prediction import RequestPrediction, is_upload
from driftline_integrations.web.route_plan import UNREAD, RoutePlan, plan_routes
from driftline_integrations.web.routes import RequestParts, Route

if TYPE_CHECKING:
    from driftline import Model

__all__ = ["FlaskInstrumentor", "Route", "instrument", "uninstrument"]

_EXCHANGE = "driftline.exchange"
_VISITS = "driftline.visits"
_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>|\{([^{}:]+)(?::[^{}]*)?\}")
_EXTENSION = "driftline"
_WRAPPED = ("full_dispatch_request", "dispatch_request", "process_response")
_apps: WeakSet[Flask] = WeakSet()


def instrument(
    model: Model,
    app: Flask,
    *,
    routes: Mapping[str, Route | Mapping[str, Any]] | None = None,
    outcomes: str = "",
) -> Flask:
    """Record the predictions of an application's routes, under the ids of their requests.

    Call it again for another model of the same application.

    Args:
        model: Model that the predictions belong to.
        app: Flask application.
        routes: Sources of features, id, score and class by route, such as "POST /models/<name>/predict": a
            :class:`Route`, or its fields as a mapping. Paths are those of Flask's rules, with the prefix of their
            blueprint or of the application that ``DispatcherMiddleware`` mounts; "{name}" equals "<name>".
        outcomes: Path of a route that accepts outcomes; "" for none.

    Returns:
        The application itself.

    Raises:
        TypeError: ``app`` is not a Flask application.
        ValueError: A route is not valid; the message names the fix.

    >>> import driftline
    >>> from flask import Flask
    >>> fraud = driftline.Model("fraud", task="binary", version="1")
    >>> app = fraud.instrument(Flask("shop"), routes={"POST /score": Route(id="payment", score="score")})
    """
    if not isinstance(app, Flask):
        raise TypeError(f"instrument() for Flask requires the application itself, not a {type(app).__qualname__}")
    own = dict(routes or {})
    plan_routes(model, own, "driftline.flask")  # raises for a mistake before anything is instrumented
    for mounted, of_mounted in _of_mounted(app, own):
        instrument(model, mounted, routes=of_mounted)
    plans = plan_routes(model, own, "driftline.flask")
    site = _site_of(app)
    if outcomes:
        site.outcomes.add(model, outcomes)
    for plan in plans:
        site.add(plan)
    return app


def _of_mounted(
    app: Flask, routes: dict[str, Route | Mapping[str, Any]]
) -> Iterator[tuple[Flask, dict[str, Route | Mapping[str, Any]]]]:
    """Yield each Flask application that a ``DispatcherMiddleware`` mounts, and its routes, which ``routes`` loses.

    Requests to a mounted application do not pass the methods of ``app``.
    """
    layer: Any = app.__dict__.get("wsgi_app")
    while layer is not None:
        # the longest prefix first, as the middleware looks them up
        for prefix, mounted in sorted(getattr(layer, "mounts", {}).items(), key=lambda mount: -len(mount[0])):
            inside = {text for text in routes if text.partition(" ")[2].lstrip().startswith(f"{prefix}/")}
            if isinstance(mounted, Flask) and inside:
                yield mounted, {text.replace(prefix, "", 1): routes.pop(text) for text in sorted(inside)}
        layer = getattr(layer, "app", None)


def uninstrument(app: Flask) -> None:
    """Stop recording an application. Layers that other libraries added later stay.

    Args:
        app: Application that was passed to :func:`instrument`.
    """
    site = app.extensions.pop(_EXTENSION, None)
    if site is not None:
        site.close(app)
        _apps.discard(app)


def _untyped_path(path: str) -> str:
    """Return a path whose parameters have no type, from either notation.

    >>> _untyped_path("/models/<int:name>/predict"), _untyped_path("/models/{name}/predict")
    ('/models/{name}/predict', '/models/{name}/predict')
    """
    return _PARAMETER.sub(lambda match: f"{{{match[1] or match[2]}}}", path)


class InstrumentedApp:
    """An application that Driftline records: its routes that predict, and those that accept outcomes."""

    def __init__(self, app: Flask) -> None:
        rules = app.url_map
        self._plans: dict[tuple[str, str], list[RoutePlan]] = {}
        self.outcomes = OutcomeRoutes()
        self.mapped = MappedRoutes(lambda: _served_routes(rules), _paths_meet)
        self._active = True
        self._rules: dict[str, str] = {}
        self._layers = {name: self._around(getattr(app, name), getattr(self, f"_{name}")) for name in _WRAPPED}
        app.__dict__.update(self._layers)

    def add(self, plan: RoutePlan) -> None:
        """Record the predictions of a route; an existing plan of the same model for the route is replaced."""
        plans = self._plans.setdefault((plan.method, _untyped_path(plan.path)), [])
        plans[:] = [*(other for other in plans if not plan.replaces(other)), plan]
        self.mapped.add(plan)

    def _around(self, method: Callable[..., Any], layer: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            """Pass on Flask's arguments, which differ between its versions."""
            return layer(partial(method, *args, **kwargs), args) if self._active else method(*args, **kwargs)

        return call

    def close(self, app: Flask) -> None:
        """Remove the layers; a layer that another one now wraps passes everything through."""
        self._active = False
        self.mapped.close()
        for name, layer in self._layers.items():
            if app.__dict__.get(name) is layer:
                del app.__dict__[name]

    def _full_dispatch_request(self, method: Callable[[], Any], _: tuple[Any, ...]) -> Any:
        """Read the id of the request, and end a prediction whose view raised."""
        try:
            request = _request()
            exchange = request.environ[_EXCHANGE] = WebRequest(request.headers.get(HEADER, ""))
            token = exchange.enter()
        except Exception as fault:
            FAULTS.swallow("exchange", fault)
            return method()
        try:
            response = method()
        except BaseException as error:
            _end(request, None, error)
            raise
        else:
            _end(request, response, None)
            return response
        finally:
            exchange.leave(token)

    def _dispatch_request(self, method: Callable[[], Any], _: tuple[Any, ...]) -> Any:
        """Call the view, and record a prediction of each model of the route, the first one outermost."""
        request = _request()
        model: Model | None = None
        plans: Sequence[RoutePlan] = ()
        token = join_trace(lambda name: str(request.headers.get(name, "")))
        try:
            try:
                if (model := self.outcomes.model_at(request.method, request.path)) is None and not is_suppressed():
                    plans = self._plans_of(request)
            except Exception as fault:
                FAULTS.swallow("arrival", fault)
            if model is not None:
                return _answer_outcomes(model, request)
            for plan in reversed(plans):
                method = partial(_record_view, method, plan, request)
            return method()
        finally:
            if token is not None:
                context.detach(token)

    def _plans_of(self, request: Any) -> Sequence[RoutePlan]:
        """Return the plans of a request's route, one per model."""
        rule = request.url_rule
        plans: Sequence[RoutePlan] = ()
        if rule is not None and request.routing_exception is None:
            neutral = self._rules.get(rule.rule)
            if neutral is None:
                neutral = self._rules[rule.rule] = _untyped_path(rule.rule)
            plans = self._plans.get((request.method, neutral), ())
        if not plans:
            self.mapped.look()
        return plans

    def _process_response(self, method: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        """Put the id of the request's first prediction on the response."""
        try:
            exchange, response = _request().environ.get(_EXCHANGE), args[-1]
            text = "" if exchange is None else exchange.answer()
            if text and HEADER not in response.headers:
                response.headers[HEADER] = text
        except Exception as fault:
            FAULTS.swallow("answer", fault)
        return method()


def _served_routes(rules: Map) -> Iterator[ServedRoute]:
    """Yield the routes of an application."""
    for rule in rules.iter_rules():
        yield ServedRoute(None if rule.methods is None else frozenset(rule.methods), rule.rule)


def _paths_meet(mapped: str, served: ServedRoute) -> bool:
    """Return True if a mapped path is the path of a rule."""
    return _untyped_path(mapped) == _untyped_path(served.path)


def _request() -> Any:
    """Return the request itself, not its proxy."""
    return flask.request._get_current_object()  # type: ignore[attr-defined]


def _record_view(method: Callable[[], Any], plan: RoutePlan, request: Any) -> Any:
    """Call the view, and record its request as a prediction."""
    try:
        visit = _visit(plan, request)
    except Exception as fault:
        FAULTS.swallow("arrival", fault)
        return method()
    if visit.route.reads_body:
        _take_body(visit, request)
    try:
        result = method()
    except BaseException as error:
        _fail(visit, request, error)
        raise
    else:
        _answer(visit, result)
        return result
    finally:
        visit.leave()


def _visit(plan: RoutePlan, request: Any) -> RequestPrediction:
    """Open the prediction of a request."""
    headers = {name: str(request.headers.get(name, "")) for name in plan.headers}  # the request object is not kept
    request_parts = RequestParts(
        headers.__getitem__, request.view_args or {}, request.query_string, context=context.get_current()
    )
    return RequestPrediction(plan, request_parts)


def _fail(visit: RequestPrediction, request: Any, error: BaseException) -> None:
    """End a prediction whose view raised; later, if an error handler may return a response for the error."""
    try:
        if isinstance(error, HTTPException) and error.code is not None:
            visit.refuse(error.code)
        else:
            request.environ.setdefault(_VISITS, []).append(visit)
    except Exception as fault:
        FAULTS.swallow("response", fault)


def _end(request: Any, response: Any, error: BaseException | None) -> None:
    """End the predictions whose view raised, after the error handlers."""
    try:
        for visit in request.environ.pop(_VISITS, ()):
            if error is not None:
                visit.fail(error)
            else:
                visit.start_answer(response.status_code)
                visit.answer(response.status_code, UNREAD)
    except Exception as fault:
        FAULTS.swallow("response", fault)


def _take_body(visit: RequestPrediction, request: Any) -> None:
    """Read a body of a known size that may be JSON, so that the view can still read it."""
    try:
        if is_upload(request.content_type or "") or "Content-Encoding" in request.headers:
            visit.route.go_without("request_not_json")
        elif request.content_length is None:
            visit.route.go_without("request_of_unknown_length")
        elif request.content_length > visit.route.limit:
            visit.route.go_without("request_too_large")
        else:
            visit.take_body(_body_of(request))
    except HTTPException:  # the view gets the same error when it reads: body too large, or client disconnected
        visit.route.go_without("request_not_read")
    except Exception as fault:
        FAULTS.swallow("request", fault)


def _body_of(request: Any) -> bytes:
    body: bytes = request.get_data(cache=True)
    request.environ["wsgi.input"] = io.BytesIO(body)
    request.__dict__.pop("stream", None)  # a view that reads the stream itself gets a new one
    return body


def _answer(visit: RequestPrediction, result: Any) -> None:
    """Close a prediction with the view's result: a response, a value for JSON, or a tuple that begins with either."""
    status = 200
    try:
        if isinstance(result, tuple) and result:
            status = _status(result[1]) if len(result) > 1 else status
            result = result[0]
        if isinstance(result, flask.wrappers.Response):
            status = result.status_code if status == 200 else status
            result = _read(visit, result)
        elif not isinstance(result, dict | list):
            visit.route.go_without("response_not_json")
            result = UNREAD
    except Exception as fault:
        FAULTS.swallow("response", fault)
        result = UNREAD
    try:
        visit.start_answer(status)
        visit.answer(status, result)
    except Exception as fault:
        FAULTS.swallow("response", fault)


def _status(status: Any) -> int:
    """Return the status in a view's tuple: a number, or "404 Not Found"; 200 if the element is headers."""
    if isinstance(status, int):
        return int(status)
    first = status.partition(" ")[0] if isinstance(status, str) else ""
    return int(first) if first.isdigit() else 200


def _read(visit: RequestPrediction, response: Any) -> Any:
    if not response.is_json or response.is_streamed or response.direct_passthrough or response.content_encoding:
        visit.route.go_without("response_not_json")
        return UNREAD
    if (response.content_length or 0) > visit.route.limit:
        visit.route.go_without("response_too_large")
        return UNREAD
    return bytes(response.get_data())


def _answer_outcomes(model: Model, request: Any) -> Any:
    """Answer a request of the outcome route."""
    body = request.stream.read(OUTCOME_BYTES + 1)
    status, answer = take_outcomes(model, body, request.content_type or "")
    return flask.Response(answer, status, content_type="application/json")


def _site_of(app: Flask) -> InstrumentedApp:
    site = app.extensions.get(_EXTENSION)
    if site is None:
        site = app.extensions[_EXTENSION] = InstrumentedApp(app)
        _apps.add(app)
    return site


def _instrument_made(app: Flask) -> None:
    """Instrument a new application."""
    _site_of(app)
    instrument_as_declared(app, instrument)


class _Applications:
    """The applications that are created from now on."""

    def __init__(self) -> None:
        self._hook = ConstructorHook(_instrument_made)

    def instrument(self) -> None:
        self._hook.attend([Flask])

    def uninstrument(self) -> None:
        self._hook.leave()
        for app in list(_apps):
            uninstrument(app)


class FlaskInstrumentor(ProcessInstrumentor):
    """Record every Flask application created from now on, as the file in ``DRIFTLINE_CONFIG`` declares.

    ``opentelemetry-instrument`` finds the class by its entry point, and calls ``instrument()``.
    """

    library = _Applications()
    dependencies = ("flask >= 3.0",)
