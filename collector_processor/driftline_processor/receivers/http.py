"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/metrics``, ``/v1/logs`` in protobuf or JSON, plain, gzip, deflate or zstd.

The same port accepts ``POST /v1/outcomes`` (:mod:`.outcomes_http`), so that a service needs one address only,
``POST /v1/panes`` (:mod:`.panes_http`) and ``POST /v1/cloudevents`` (:mod:`.cloudevents_http`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from driftline_processor.access.principal import Sending
from driftline_processor.access.routes import Authentication, Guarded, may_send, principal_of
from driftline_processor.config.receivers import Http
from driftline_processor.core.decode.requests import Malformed, TooManyMessages
from driftline_processor.core.decode.untrusted_json import TooLarge
from driftline_processor.expected_wait import MOST_WAIT, refuse_late
from driftline_processor.memory_ceiling import JSON as OF_JSON
from driftline_processor.memory_ceiling import NeedsMoreMemory
from driftline_processor.otlp.json_requests import protobuf_of
from driftline_processor.otlp.protocol import (
    JSON,
    MAX_REQUEST,
    PATIENCE,
    PROTOBUF,
    as_json,
    content_type,
    otlp_refusal,
    response,
    retry_after,
)
from driftline_processor.receipts import Overloaded, Receipt, Signal
from driftline_processor.servers.browser_guard import AccessRules
from driftline_processor.servers.http_body import ENCODINGS, Body, MalformedBody, UnknownEncoding, receive_body
from driftline_processor.servers.loop_calls import LoopCalls
from driftline_processor.servers.request_memory import ceiling_of
from driftline_processor.servers.tls import ListenerTls

from . import cloudevents_http, outcomes_http, panes_http
from .receiver import Accept, Intake, Surroundings

SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")

_OUTCOMES, _PANES = "/v1/outcomes", "/v1/panes"

_SMALL_JSON, _JSON_THREADS = 1 << 16, 2
"""Maximum bytes of a small body in JSON, and number of threads for small and for large ones each.

A megabyte of JSON takes 0.4 s of CPU, in protobuf 0.01 s. So protobuf requests never wait for JSON, and small JSON
requests never wait for large ones.
"""

_log = logging.getLogger("driftline")


class _UnknownType(Exception):  # noqa: N818 - carries an answer
    """The content type is not an OTLP type."""


class HttpReceiver:
    """An HTTP port for OTLP and outcomes, bound on creation and serving after :meth:`start`."""

    def __init__(self, key: str, settings: Http, around: Surroundings) -> None:
        """Bind the port without serving. Raises PortInUse.

        Args:
            key: Configuration key, for the message of PortInUse.
            settings: The configuration of the receiver.
            around: The parts of the processor that receivers share.
        """
        rules = AccessRules([settings.endpoint.host, *around.allowed_hosts], settings.cors.allowed_origins)
        self._tls = None if settings.tls is None else ListenerTls(f"receivers.{key}", settings.tls)
        self._port = around.servers.bind(
            settings.endpoint, f"receivers.{key}.endpoint", rules, tls=self._tls, reserved=False
        )
        self._around = around
        self.address = self._port.address
        self.line = f"OTLP over HTTP{'S' if self._tls else ''} on {self.address}"

    @property
    def tls(self) -> ListenerTls | None:
        """The certificate of the port."""
        return self._tls

    def start(self, intake: Intake) -> None:
        """Start to serve."""
        counters, clock = self._around.counters, self._around.clock
        outcomes = outcomes_http.routes(
            intake.submit_outcomes, counters, clock, intake.unknown_outcomes, intake.note_outcomes
        )
        accept = partial(_accept, intake)
        panes = panes_http.routes(intake.submit_panes, counters, intake.note_panes)
        events = cloudevents_http.routes(accept, counters, clock)
        application = Authentication(otlp_app(accept, [*outcomes, *panes, *events]), self._around.access)
        self._port.start(application, self._around.grace)

    def stop(self, grace: float) -> None:
        """Reject new requests, wait up to ``grace`` seconds for running ones, and free the port."""
        self._port.stop(grace)


def _accept(
    intake: Intake, signal: Signal, body: bytes, headers: Mapping[str, str], waited: float, sending: Sending
) -> Future[Receipt]:
    return intake.submit(signal, body, headers, waited=waited, sending=sending)


def otlp_app(accept: Accept, more_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the application of the OTLP/HTTP port; ``more_routes``: those of outcomes, panes and CloudEvents.

    A request in JSON is answered in JSON, all others in protobuf.
    """
    lanes = _JsonLanes(*(ThreadPoolExecutor(_JSON_THREADS, f"driftline-json-{size}") for size in ("small", "large")))
    exports = {signal: _Export(signal, accept, lanes) for signal in SIGNALS}
    return _Application(exports, more_routes)


class _Application(Starlette):
    """The routes of the port. Exports bypass them, because routing doubles the cost of a small request."""

    def __init__(self, exports: Mapping[Signal, _Export], more_routes: Sequence[BaseRoute]) -> None:
        # `respond` itself checks what the sender may send.
        otlp = (
            Guarded(f"/v1/{signal}", export.respond, may="anyone", methods=["POST"])
            for signal, export in exports.items()
        )
        handlers = {404: _no_route, 405: _no_route, 400: _refused, 401: _refused, 403: _refused}
        super().__init__(routes=[*otlp, *more_routes], exception_handlers=handlers)
        self._exports = {f"/v1/{signal}": export for signal, export in exports.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        export = self._exports.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if export is None:
            await super().__call__(scope, receive, send)
        else:
            await (await export.respond(Request(scope, receive)))(scope, receive, send)


class _JsonLanes(NamedTuple):
    """The threads that parse bodies in JSON."""

    small: ThreadPoolExecutor
    large: ThreadPoolExecutor

    def of(self, body: Body) -> ThreadPoolExecutor:
        """Return the threads of a body."""
        # 10: typical compression ratio of JSON; a higher ratio delays other JSON requests
        expected = len(body.data) * (10 if body.packed else 1)
        return self.small if expected <= _SMALL_JSON else self.large


class _Export:
    """One of the three OTLP paths."""

    def __init__(self, signal: Signal, accept: Accept, lanes: _JsonLanes) -> None:
        self._signal, self._accept, self._lanes = signal, accept, lanes
        self._calls: LoopCalls | None = None

    async def respond(self, request: Request) -> Response:
        """Accept a request, and answer when it is on disk."""
        scope, kind = request.scope, content_type(request.scope)
        try:
            sending = may_send(principal_of(scope), self._signal)
            if kind not in (PROTOBUF, JSON):
                raise _UnknownType(f"content type {kind[:80]!r} is not OTLP; send {PROTOBUF} or {JSON}")
            body = await receive_body(request, MAX_REQUEST)
            loop = asyncio.get_running_loop()
            if kind == PROTOBUF and body.small:
                future = self._take(scope, body, kind, sending, time.monotonic())
            else:  # decompressing and decoding here could delay all other requests
                lane = self._lanes.of(body) if kind == JSON else None
                future = await loop.run_in_executor(lane, self._take, scope, body, kind, sending, time.monotonic())
            if self._calls is None or self._calls.loop is not loop:
                self._calls = LoopCalls(loop)
            answer = response(await self._calls.result(future, PATIENCE))
            return Response(as_json(answer, self._signal) if kind == JSON else answer, media_type=kind)
        except HTTPException as refused:
            return otlp_refusal(scope, refused.status_code, refused.detail, refused.headers)
        except _UnknownType as refused:
            return otlp_refusal(scope, 415, str(refused))
        except UnknownEncoding as refused:
            return otlp_refusal(scope, 415, str(refused), {"Accept-Encoding": ENCODINGS})
        except (TooLarge, TooManyMessages, NeedsMoreMemory) as refused:
            return otlp_refusal(scope, 413, str(refused))
        except (Malformed, MalformedBody) as error:
            return otlp_refusal(scope, 400, str(error))
        except ClientDisconnect:
            return otlp_refusal(scope, 400, "the sender disconnected")
        except Overloaded as overloaded:
            return _come_again(request, str(overloaded), overloaded)
        except asyncio.CancelledError:  # still running when the grace period of a stop ends
            return _come_again(request, "driftline is stopping", Overloaded())
        except Exception:
            # Nothing was acknowledged, and exporters retry 503.
            _log.exception("a %s request could not be stored", self._signal)
            sentence = "the request could not be stored; see the log of driftline"
            return _come_again(request, sentence, Overloaded())

    def _take(self, scope: Scope, body: Body, kind: str, sending: Sending, received: float) -> Future[Receipt]:
        """Submit a request. Thread-safe."""
        waited = time.monotonic() - received  # for a thread; the time for its own bytes is not waiting time
        refuse_late(waited)
        data = body.unpacked()
        protobuf = data
        if kind == JSON:
            asked_at = time.monotonic()
            with ceiling_of(scope).working(OF_JSON * len(data), MOST_WAIT - waited):
                waited += time.monotonic() - asked_at
                protobuf = protobuf_of(self._signal, data)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return self._accept(self._signal, protobuf, headers, waited, sending)


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer an unknown path or method in the format of the API of the path."""
    assert isinstance(error, HTTPException)
    path, headers = request.url.path[:80], dict(error.headers or {})
    if error.status_code == 404:
        sentence = f"there is nothing at {path}; send to /v1/traces, /v1/metrics or /v1/logs"
    else:
        allowed = " or ".join(sorted(headers.get("Allow", "POST").split(", ")))
        sentence = f"{path} takes {allowed}, not {request.method[:20]}"
    if path in (_OUTCOMES, _PANES, cloudevents_http.PATH) or path.startswith(f"{_OUTCOMES}/"):
        return JSONResponse({"error": sentence}, error.status_code, headers)
    return otlp_refusal(request.scope, error.status_code, sentence, headers)


async def _refused(_: Request, error: Exception) -> Response:
    """Answer a sender of outcomes or panes without the capability, or with an unknown parameter."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _come_again(request: Request, sentence: str, overloaded: Overloaded) -> Response:
    headers = {"Retry-After": retry_after(overloaded)}
    return otlp_refusal(request.scope, 503, sentence, headers, overloaded.retry_after)


RECEIVER = HttpReceiver
