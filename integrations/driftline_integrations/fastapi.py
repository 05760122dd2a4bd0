"""FastAPI and Starlette: record predictions of routes, and pass prediction ids in and out; handlers do not change.

Two layers of plain ASGI. The outer layer, where a request enters the application, puts the prediction id on the
response, also for an unhandled error. The inner layer is around the router, inside every middleware: so the span of the
web request is the parent of the prediction's span in any order of instrumentation, and the response is read before
compression.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from driftline.capture.prediction import OPEN
from driftline.faults import FAULTS
from driftline.integration.suppression import is_suppressed
from opentelemetry import context
from opentelemetry.propagate import get_global_textmap
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Router, compile_path
from starlette.staticfiles import StaticFiles

from driftline_integrations.instrumentation.hooks import ConstructorHook
from driftline_integrations.instrumentation.instrumentor import ProcessInstrumentor
from driftline_integrations.web.application import FIELDS, MappedRoutes, ServedRoute, instrument_as_declared, join_trace
from driftline_integrations.web.asgi import (
    ID_HEADER,
    App,
    Headers,
    Passage,
    Receive,
    Scope,
    Send,
    Tee,
    answer_outcomes,
    header_text,
    path_within,
    request_parts,
)
from driftline_integrations.web.outcome_route import OutcomeRoutes
from driftline_integrations.web.route_plan import UNREAD, RoutePlan, plan_routes
from driftline_integrations.web.routes import Route

if TYPE_CHECKING:
    from contextvars import Token

    from driftline import Model
    from opentelemetry.context import Context


_FILES = frozenset(("GET", "HEAD"))


def application_classes() -> list[type[Starlette]]:
    """Return the classes whose ``__init__`` creates applications; FastAPI's does not call Starlette's."""
    try:
        from fastapi.applications import FastAPI
    except ImportError:
        return [Starlette]
    return [Starlette, FastAPI]


def mapped_routes(router: Router) -> MappedRoutes:
    """Return the check that compares the mapped routes of an application with the served ones.

    Args:
        router: Router of the application.
    """

    def served() -> Iterator[ServedRoute]:
        yield from served_routes(router.routes)
        if router.default != router.not_found:  # a custom handler for unmatched paths
            yield ServedRoute(None, "", opaque=True)

    return MappedRoutes(served, paths_meet)


def served_routes(routes: Iterable[Any], prefix: str = "") -> Iterator[ServedRoute]:
    """Yield the routes that an application serves. A mounted object without routes can serve any path.

    Args:
        routes: Routes of a router.
        prefix: Path of the mount.

    >>> from starlette.routing import Mount, Route
    >>> [route.path for route in served_routes([Mount("/v1", routes=[Route("/predict", print, methods=["POST"])])])]
    ['/v1/predict']
    """
    contexts_of = getattr(
        sys.modules.get("fastapi.routing"), "iter_route_contexts", iter
    )  # included routers, as of 0.137
    for route_context in contexts_of(list(routes)):
        route, path = getattr(route_context, "original_route", route_context), getattr(route_context, "path", None)
        within = getattr(route, "routes", None)
        if within:
            yield from served_routes(within, prefix + (path or ""))
        elif hasattr(route, "endpoint") and path is not None:
            if hasattr(route, "methods"):  # otherwise a websocket route
                yield ServedRoute(
                    None if route_context.methods is None else frozenset(route_context.methods), prefix + path
                )
        elif isinstance(getattr(route, "app", None), StaticFiles):
            yield ServedRoute(_FILES, prefix + (path or ""), opaque=True)
        else:
            yield ServedRoute(None, prefix + (path or ""), opaque=True)


def paths_meet(mapped: str, served: ServedRoute) -> bool:
    """Return True if one request can match both a mapped and a served path; True in doubt.

    Args:
        mapped: Path in the options of :func:`instrument`.
        served: Route that the application serves.

    >>> named = ServedRoute(None, "/models/{name}/predict")
    >>> paths_meet("/models/churn/predict", named), paths_meet("/a", ServedRoute(None, "/a/"))
    (True, False)
    """
    mapped_parts, served_parts = (
        mapped.split("/"),
        served.path.rstrip("/").split("/") if served.opaque else served.path.split("/"),
    )
    for mapped_part, their in zip(mapped_parts, served_parts, strict=False):
        if ":path}" in mapped_part or ":path}" in their:
            return True
        if mapped_part != their and "{" not in mapped_part and "{" not in their:
            return False
    return len(mapped_parts) == len(served_parts) or (served.opaque and len(mapped_parts) > len(served_parts))


__all__ = ["FastAPIInstrumentor", "Route", "instrument", "uninstrument"]

Matches = Sequence[tuple[RoutePlan, Mapping[str, Any]]]
"""The plans of a request's route, one per model, with the parameters of the path."""
_NOTHING: Mapping[str, str] = {}
_NAMES = re.compile(r"\{[^:}]*")
_sites: WeakSet[Starlette] = WeakSet()
_plain_call: Any = None


def instrument(
    model: Model,
    app: Starlette,
    *,
    routes: Mapping[str, Route | Mapping[str, Any]] | None = None,
    outcomes: str = "",
) -> Starlette:
    """Record the predictions of an application's routes, under the ids of their requests.

    Call it again for another model of the same application, at any time.

    Args:
        model: Model that the predictions belong to.
        app: FastAPI or Starlette application.
        routes: Sources of features, id, score and class by route, such as "POST /models/{name}/predict": a
            :class:`Route`, or its fields as a mapping. Paths are those of a client, with prefixes and mounts.
        outcomes: Path of a route that accepts outcomes; "" for none.

    Returns:
        The application itself.

    Raises:
        TypeError: ``app`` is not a FastAPI or Starlette application.
        ValueError: A route is not valid; the message names the fix.

    >>> import driftline
    >>> from fastapi import FastAPI
    >>> churn = driftline.Model("churn", task="binary", version="1")
    >>> app = churn.instrument(FastAPI(), routes={"POST /predict": Route(id="order_id", score="probability")})
    """
    if not isinstance(app, Starlette):
        raise TypeError(f"instrument() for FastAPI requires the application itself, not a {type(app).__qualname__}")
    plans = plan_routes(model, routes or {}, "driftline.fastapi")
    site = _site_of(app)
    if outcomes:
        site.outcomes.add(model, outcomes)
    for plan in plans:
        site.add(plan)
    return app


def uninstrument(app: Starlette) -> None:
    """Stop recording an application. Layers that other libraries added later stay.

    Args:
        app: Application that was passed to :func:`instrument`.
    """
    site = app.__dict__.pop("_driftline", None)
    if site is not None:
        site.close()
        _sites.discard(app)
        if not _sites:
            _leave_class()


class InstrumentedApp:
    """An application that Driftline records: its routes that predict, and those that accept outcomes."""

    def __init__(self, app: Starlette) -> None:
        self._router = app.router
        self._next: App = app.router.middleware_stack
        self._layers: Any = self.inner
        app.router.middleware_stack = self._layers
        self._exact: dict[tuple[str, str], Matches] = {}
        self._templates: dict[tuple[str, str], list[tuple[re.Pattern[str], Mapping[str, Any], RoutePlan]]] = {}
        self.outcomes = OutcomeRoutes()
        self._active = True
        self._mapped = mapped_routes(app.router)

    def add(self, plan: RoutePlan) -> None:
        """Record the predictions of a route; an existing plan of the same model for the route is replaced."""
        self._mapped.add(plan)
        if "{" in plan.path:
            pattern, _, convertors = compile_path(plan.path)
            key = plan.method, _unnamed(plan.path)
            self._templates[key] = [
                *(
                    other
                    for other in self._templates.get(key, ())
                    if other[2].path != plan.path or not plan.replaces(other[2])
                ),
                (pattern, convertors, plan),
            ]
        else:
            others = self._exact.get((plan.method, plan.path), ())
            self._exact[plan.method, plan.path] = (
                *(match for match in others if not plan.replaces(match[0])),
                (plan, _NOTHING),
            )

    def close(self) -> None:
        """Remove the inner layer; if another layer now wraps it, it passes everything through."""
        self._active = False
        self._mapped.close()
        if self._router.middleware_stack is self._layers:
            self._router.middleware_stack = self._next  # type: ignore[assignment]

    async def inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the router, and record a prediction of each model of the route."""
        if scope["type"] != "http" or not self._active:
            return await self._next(scope, receive, send)
        model: Model | None = None
        matches: Matches = ()
        token: Token[Context] | None = None
        try:
            try:
                headers = dict(scope["headers"])
                fields = FIELDS.get(get_global_textmap())
                if fields is None or not fields.isdisjoint(headers):
                    token = join_trace(partial(header_text, headers))
                method, path = scope["method"], scope["path"]
                if scope.get("root_path"):
                    path = path_within(path, scope["root_path"])
                if is_suppressed():
                    model = self.outcomes.model_at(method, path)
                elif not (matches := self._exact.get((method, path), ())):
                    model = self.outcomes.model_at(method, path)
                    matches = self._find(method, path) if model is None else ()
            except Exception as fault:
                FAULTS.swallow("arrival", fault)
            if model is not None:
                return await answer_outcomes(model, headers, receive, send)
            if not matches:
                self._mapped.look()
                return await self._next(scope, receive, send)
            await self._record(matches, headers, scope, receive, send)
        finally:
            if token is not None:
                context.detach(token)

    async def _record(self, matches: Matches, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        """Record a prediction of each match around the router, the first match outermost."""
        (route, parameters), *others = matches
        onward = partial(self._record, others, headers) if others else self._next
        try:
            parts = request_parts(route, headers, parameters, scope) if route.reads_more else None
            tee = Tee(route, parts, headers, receive, send)
        except Exception as fault:
            FAULTS.swallow("arrival", fault)
            return await onward(scope, receive, send)
        try:
            await onward(scope, receive if tee.request_body is None else tee.receive, tee.send)
        except HTTPException as error:  # from the router without such a route, or from an endpoint class
            tee.refuse(error.status_code)
            raise
        except BaseException as error:
            tee.fail(error)
            raise
        finally:
            if not tee.closed:  # a response that was not finished, or sent as a file
                tee.answer(tee.status, UNREAD)
            tee.leave()

    def _find(self, method: str, path: str) -> Matches:
        """Return the plans of the first template that a request matches, with the parameters of its path."""
        for (wanted, _), templates in self._templates.items():
            matches = [
                (plan, {name: convertors[name].convert(text) for name, text in match.groupdict().items()})
                for pattern, convertors, plan in templates
                if wanted == method and (match := pattern.match(path))
            ]
            if matches:
                return matches
        return ()


def _unnamed(path: str) -> str:
    """Return a path without the names of its parameters.

    >>> _unnamed("/models/{name}/rows/{row:int}")
    '/models/{}/rows/{:int}'
    """
    return _NAMES.sub("{", path)


def _site_of(app: Starlette) -> InstrumentedApp:
    site = app.__dict__.get("_driftline")
    if site is None:
        _enter_class()
        site = app.__dict__["_driftline"] = InstrumentedApp(app)
        _sites.add(app)
    return site


def _enter_class() -> None:
    """Wrap the class method through which requests of instrumented applications pass.

    No other place is outside of Starlette's error handling: OpenTelemetry's instrumentation takes the stack of
    middlewares apart and expects the error handling outermost.
    """
    global _plain_call
    if _plain_call is not None:
        return
    plain = _plain_call = Starlette.__call__

    @functools.wraps(plain)
    async def call(self: Starlette, scope: Scope, receive: Receive, send: Send) -> None:
        site = self.__dict__.get("_driftline")
        if site is None or scope["type"] != "http":
            return await plain(self, scope, receive, send)
        try:
            id_value = dict(scope["headers"]).get(ID_HEADER)
            passage = Passage(id_value.decode("latin-1") if id_value else "")
            passage.onward = send
            token = OPEN.set(passage)
        except Exception as fault:
            FAULTS.swallow("exchange", fault)
            return await plain(self, scope, receive, send)
        try:
            await plain(self, scope, receive, passage.send)
        finally:
            passage.leave(token)

    Starlette.__call__ = call  # type: ignore[method-assign]


def _leave_class() -> None:
    global _plain_call
    if _plain_call is not None and getattr(Starlette.__call__, "__wrapped__", None) is _plain_call:
        Starlette.__call__ = _plain_call  # type: ignore[method-assign, assignment]
        _plain_call = None


def _instrument_made(app: Starlette) -> None:
    """Instrument a new application."""
    _site_of(app)
    instrument_as_declared(app, instrument)


class _Applications:
    """The applications that are created from now on."""

    def __init__(self) -> None:
        self._hook = ConstructorHook(_instrument_made)

    def instrument(self) -> None:
        self._hook.attend(application_classes())

    def uninstrument(self) -> None:
        self._hook.leave()
        for app in list(_sites):
            uninstrument(app)
        _leave_class()  # the last application may have been garbage collected


class FastAPIInstrumentor(ProcessInstrumentor):
    """Record FastAPI and Starlette applications created from now on, as the file in ``DRIFTLINE_CONFIG`` declares.

    ``opentelemetry-instrument`` finds the class by its entry point, and calls ``instrument()``.
    """

    library = _Applications()
    dependencies = ("starlette >= 0.37",)
