"""FastAPI and Starlette: predictions of routes, with the handlers unchanged, and prediction ids in and out.

Two layers of plain ASGI. The outer one, where a request enters the application, knows its prediction id and puts it on
the response, also on that of an error that no handler took. The inner one stands around the router, inside every
middleware: so the span of the web request is the parent of the prediction's in whatever order things were instrumented,
and the response is read before anything compresses it.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from driftline.faults import FAULTS
from driftline.prediction import OPEN
from opentelemetry import context
from opentelemetry.propagate import get_global_textmap
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from . import providers
from .arrival import FIELDS, instrument_as_declared, join_trace
from .asgi import ID_HEADER, App, Passage, Receive, Scope, Send, Tee, answer_outcomes, given_of, text_of, within
from .instrumentor import BaseInstrumentor
from .made import Made
from .outcome_route import OutcomeRoutes
from .route_plan import UNREAD, RoutePlan, plans_of
from .routes import Route
from .starlette_apps import application_classes, mapped_of

if TYPE_CHECKING:
    import re
    from contextvars import Token

    from driftline import Model
    from opentelemetry.context import Context

__all__ = ["FastAPIInstrumentor", "Route", "instrument", "uninstrument"]

_NOTHING: Mapping[str, str] = {}
_sites: WeakSet[Starlette] = WeakSet()
_plain_call: Any = None


def instrument(
    model: Model,
    app: Starlette,
    *,
    routes: Mapping[str, Route | Mapping[str, Any]] | None = None,
    outcomes: str = "",
) -> Starlette:
    """Record what an application's routes predict, and give predictions the ids of their requests; return the app.

    ``routes``: "POST /models/{name}/predict" → where features, id, score and class stand: a :class:`Route`, or its
    arguments as a mapping. Paths are those that a client of this application calls, prefixes and mounts included.
    ``outcomes``: the path of a route that takes outcomes; none unless said. Call it again for another
    model, at any time.
    Raises ``TypeError`` for what is no FastAPI or Starlette application, and ``ValueError``, with the fix, for a route
    that cannot be read.

    >>> import driftline
    >>> from fastapi import FastAPI
    >>> churn = driftline.Model("churn", task="binary", version="1")
    >>> app = churn.instrument(FastAPI(), routes={"POST /predict": Route(id="order_id", score="probability")})
    """
    if not isinstance(app, Starlette):
        raise TypeError(f"instrument() of FastAPI needs the application itself, not a {type(app).__qualname__}")
    plans = plans_of(model, routes or {})
    site = _site_of(app)
    if outcomes:
        site.outcomes.add(model, outcomes)
    for plan in plans:
        site.add(plan)
    return app


def uninstrument(app: Starlette) -> None:
    """Record nothing of this application any more. What was put around it since stays as it is."""
    site = app.__dict__.pop("_driftline", None)
    if site is not None:
        site.close()
        _sites.discard(app)
        if not _sites:
            _leave_class()


class Site:
    """What Driftline knows about one application: its routes that predict, and those that take outcomes."""

    def __init__(self, app: Starlette) -> None:
        self._router = app.router
        self._next: App = app.router.middleware_stack
        self._own: Any = self.inner
        app.router.middleware_stack = self._own
        self._exact: dict[tuple[str, str], RoutePlan] = {}
        self._templates: list[tuple[str, re.Pattern[str], Mapping[str, Any], RoutePlan]] = []
        self.outcomes = OutcomeRoutes()
        self._active = True
        self._mapped = mapped_of(app.router)

    def add(self, plan: RoutePlan) -> None:
        """Record predictions of one more route; one that is there is replaced."""
        self._mapped.add(plan)
        if "{" in plan.path:
            pattern, _, convertors = compile_path(plan.path)
            self._templates = [one for one in self._templates if (one[0], one[3].path) != (plan.method, plan.path)]
            self._templates.append((plan.method, pattern, convertors, plan))
        else:
            self._exact[plan.method, plan.path] = plan

    def close(self) -> None:
        """Take the inner layer out; where another one stands around it by now, it lets everything through."""
        self._active = False
        self._mapped.close()
        if self._router.middleware_stack is self._own:
            self._router.middleware_stack = self._next  # type: ignore[assignment]

    async def inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do what the router does, and record it where the route predicts."""
        if scope["type"] != "http" or not self._active:
            return await self._next(scope, receive, send)
        model: Model | None = None
        tee: Tee | None = None
        token: Token[Context] | None = None
        try:
            try:
                headers = dict(scope["headers"])
                fields = FIELDS.get(get_global_textmap())
                if fields is None or not fields.isdisjoint(headers):
                    token = join_trace(partial(text_of, headers))
                method, path = scope["method"], scope["path"]
                if scope.get("root_path"):
                    path = within(path, scope["root_path"])
                route = self._exact.get((method, path))
                if route is not None:
                    given = given_of(route, headers, _NOTHING, scope) if route.reads_more else None
                    tee = Tee(route, given, headers, receive, send)
                elif (model := self.outcomes.model_at(method, path)) is None and (found := self._find(method, path)):
                    tee = Tee(found[0], given_of(found[0], headers, found[1], scope), headers, receive, send)
            except Exception as fault:
                FAULTS.swallow("arrival", fault)
            if model is not None:
                return await answer_outcomes(model, headers, receive, send)
            if tee is None:
                self._mapped.look()
                return await self._next(scope, receive, send)
            try:
                await self._next(scope, receive if tee.heard is None else tee.receive, tee.send)
            except HTTPException as error:  # of the router, which has no such route, or of a class of endpoints
                tee.refuse(error.status_code)
                raise
            except BaseException as error:
                tee.fail(error)
                raise
            finally:
                if not tee.closed:  # a response that was not finished, or sent as a file
                    tee.answer(tee.status, UNREAD)
                tee.leave()
        finally:
            if token is not None:
                context.detach(token)

    def _find(self, method: str, path: str) -> tuple[RoutePlan, Mapping[str, Any]] | None:
        """Return the template that a request is for, and the parameters of its path."""
        for own, pattern, convertors, plan in self._templates:
            if own == method and (match := pattern.match(path)):
                return plan, {name: convertors[name].convert(text) for name, text in match.groupdict().items()}
        return None


def _site_of(app: Starlette) -> Site:
    site = app.__dict__.get("_driftline")
    if site is None:
        _enter_class()
        site = app.__dict__["_driftline"] = Site(app)
        _sites.add(app)
    return site


def _enter_class() -> None:
    """Let requests of instrumented applications pass the outer layer.

    Nothing else is outside of Starlette's own handling of errors: OpenTelemetry's instrumentation takes the stack of
    middlewares apart and expects to find that handling outermost.
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
            given = dict(scope["headers"]).get(ID_HEADER)
            passage = Passage(given.decode("latin-1") if given else "")
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


class FastAPIInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Instrument every FastAPI and Starlette application made from now on, as ``DRIFTLINE_CONFIG`` says.

    ``opentelemetry-instrument`` finds it by its entry point and calls ``instrument()``.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed."""
        return ("starlette >= 0.37",)

    def _instrument(self, **kwargs: Any) -> None:
        providers.take(self, kwargs)
        _MADE.attend(application_classes())

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        providers.forget(self)
        _MADE.leave()
        for app in list(_sites):
            uninstrument(app)
        _leave_class()  # the last application may be gone without having been let go


def _instrument_made(app: Starlette) -> None:
    """Instrument an application that was just made."""
    _site_of(app)
    instrument_as_declared(app, instrument)


_MADE = Made(_instrument_made)
