"""FastAPI and Starlette: predictions of routes, with the handlers unchanged, and prediction ids in and out.

Two layers of plain ASGI. The outer one, where a request enters the application, knows its prediction id and puts it on
the response, also on that of an error that no handler took. The inner one stands around the router, inside every
middleware: so the span of the web request is the parent of the prediction's in whatever order things were instrumented,
and the response is read before anything compresses it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from driftline.exchange import HEADER, Exchange
from driftline.faults import FAULTS
from opentelemetry import context
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from . import providers
from .arrival import instrument_as_declared, join_trace
from .made import Made
from .outcome_route import OUTCOME_BYTES, OutcomeRoutes, take_outcomes
from .routes import Given, Route, RoutePlan, plans_of
from .starlette_apps import application_classes, mapped_of
from .visit import UNREAD, Visit, is_json

if TYPE_CHECKING:
    import re

    from driftline import Model

__all__ = ["FastAPIInstrumentor", "Route", "instrument", "uninstrument"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADER = HEADER.lower().encode()
_JSON = b"application/json"
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
        if self._router.middleware_stack is self._own:
            self._router.middleware_stack = self._next  # type: ignore[assignment]

    async def inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do what the router does, and record it where the route predicts."""
        if scope["type"] != "http" or not self._active:
            return await self._next(scope, receive, send)
        headers = dict(scope["headers"])
        model: Model | None = None
        tee: Tee | None = None
        token = join_trace(lambda name: _text(headers, name))
        try:
            try:
                method, path = scope["method"], scope["path"]
                if scope.get("root_path"):
                    path = _within(path, scope["root_path"])
                if (model := self.outcomes.model_at(method, path)) is None and (found := self._find(method, path)):
                    tee = Tee(Visit(found[0], _given(found[0], headers, found[1], scope["query_string"])), headers)
            except Exception as fault:
                FAULTS.swallow("arrival", fault)
            if model is not None:
                return await _answer_outcomes(model, _text(headers, "content-type"), receive, send)
            if tee is None:
                self._mapped.look()
                return await self._next(scope, receive, send)
            try:
                await self._next(scope, tee.hearing(receive), tee.saying(send))
            except HTTPException as error:  # of the router, which has no such route, or of a class of endpoints
                tee.visit.refuse(error.status_code)
                raise
            except BaseException as error:
                tee.visit.fail(error)
                raise
            finally:
                tee.end()
        finally:
            if token is not None:
                context.detach(token)

    def _find(self, method: str, path: str) -> tuple[RoutePlan, Mapping[str, Any]] | None:
        """Return the route that a request is for, and the parameters of its path."""
        plan = self._exact.get((method, path))
        if plan is not None:
            return plan, _NOTHING
        for own, pattern, convertors, plan in self._templates:
            if own == method and (match := pattern.match(path)):
                return plan, {name: convertors[name].convert(text) for name, text in match.groupdict().items()}
        return None


def _text(headers: Mapping[bytes, bytes], name: str) -> str:
    """Return the value of a header by its lower-case name, "" for none."""
    value = headers.get(name.encode())
    return "" if value is None else value.decode("latin-1")


def _given(plan: RoutePlan, headers: Mapping[bytes, bytes], path: Mapping[str, Any], query: bytes) -> Given:
    """Return what is read of a request later, and no more of it: a second's requests wait to be read."""
    wanted = {name: _text(headers, name) for name in plan.headers} if plan.headers else _NOTHING
    return Given(wanted.__getitem__, path, query, context=context.get_current() if plan.reads_baggage else None)


class Tee:
    """Copies bodies on their way between server and application, as far as they are read. No step raises."""

    __slots__ = ("_heard", "_hears", "_limit", "_said", "_status", "visit")

    def __init__(self, visit: Visit, headers: Mapping[bytes, bytes]) -> None:
        self.visit = visit
        self._hears = visit.plan.reads_body and _readable(visit, headers, "request")
        self._limit = visit.plan.limit
        self._heard: bytes | None = b""
        self._said: bytes | None = None
        self._status = 0

    def hearing(self, receive: Receive) -> Receive:
        """Return what gives the application its request, and copies it where it is read."""
        if not self._hears:
            return receive

        async def heard() -> Message:
            message = await receive()
            self.hear(message)
            return message

        return heard

    def saying(self, send: Send) -> Send:
        """Return what takes the application's response, and copies it."""

        def said(message: Message) -> Awaitable[None]:
            self.say(message)
            return send(message)

        return said

    def hear(self, message: Message) -> None:
        """Copy a part of the request."""
        if self._heard is None or message["type"] != "http.request":
            return
        try:
            heard = self._heard = _joined(self._heard, message, self._limit)
            if heard is None:
                self.visit.go_without("request_too_large")
            elif not message.get("more_body", False):
                self._heard = None
                self.visit.take_body(heard)
        except Exception as fault:
            FAULTS.swallow("request", fault)

    def say(self, message: Message) -> None:
        """Copy a part of the response; its last one closes the prediction."""
        if not self.visit.open:
            return
        try:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                self.visit.start_answer(self._status)
                self._said = b"" if _readable(self.visit, dict(message.get("headers", ())), "response") else None
            elif message["type"] == "http.response.body":
                if self._said is not None:
                    self._said = _joined(self._said, message, self._limit)
                    if self._said is None:
                        self.visit.go_without("response_too_large")
                if not message.get("more_body", False):
                    self.visit.answer(self._status, UNREAD if self._said is None else self._said)
        except Exception as fault:
            FAULTS.swallow("response", fault)

    def end(self) -> None:
        """Close what is still open: a response that was not finished, or sent as a file."""
        self.visit.answer(self._status, UNREAD)
        self.visit.leave()


def _readable(visit: Visit, headers: Mapping[bytes, bytes], what: str) -> bool:
    """Say whether a body is JSON of a size that is read; count it where it is not."""
    kind = headers.get(b"content-type", b"")
    if (kind != _JSON and not is_json(kind.decode("latin-1"))) or b"content-encoding" in headers:
        visit.go_without(f"{what}_not_json")
        return False
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > visit.plan.limit:
        visit.go_without(f"{what}_too_large")
        return False
    return True


def _joined(before: bytes, message: Message, limit: int) -> bytes | None:
    """Return what a body is with one more part, None where that is too large."""
    body: bytes = message.get("body", b"")
    if len(before) + len(body) > limit:
        return None
    return before + body if before else body


def _named(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that a request came with, "" for none."""
    given = b""
    for name, value in headers:
        if name == _HEADER:
            given = value
    return given.decode("latin-1")


def _answered(message: Message, exchange: Exchange) -> Message:
    """Return the start of a response with the id of its prediction, if it has one and says none itself."""
    try:
        text = exchange.answer()
        headers = message.get("headers", ())
        if text and not any(name == _HEADER for name, _ in headers):
            return {**message, "headers": [*headers, (_HEADER, text.encode())]}
    except Exception as fault:
        FAULTS.swallow("answer", fault)
    return message


def _within(path: str, root: str) -> str:
    """Return the path within this application; that of a mounted one begins with where it is mounted."""
    root = root.rstrip("/")
    return path[len(root) :] or "/" if f"{path}/".startswith(f"{root}/") else path


async def _answer_outcomes(model: Model, content_type: str, receive: Receive, send: Send) -> None:
    """Answer a request of the outcome route."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False) and len(body) <= OUTCOME_BYTES
    status, answer = take_outcomes(model, bytes(body), content_type)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


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
            exchange = Exchange(_named(scope["headers"]))
            token = exchange.enter()
        except Exception as fault:
            FAULTS.swallow("exchange", fault)
            return await plain(self, scope, receive, send)

        def answer(message: Message) -> Awaitable[None]:
            return send(_answered(message, exchange) if message["type"] == "http.response.start" else message)

        try:
            await plain(self, scope, receive, answer)
        finally:
            exchange.leave(token)

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


def _instrument_made(app: Starlette) -> None:
    """Instrument an application that was just made."""
    _site_of(app)
    instrument_as_declared(app, instrument)


_MADE = Made(_instrument_made)
