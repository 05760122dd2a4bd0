"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/metrics``, ``/v1/logs`` in protobuf, plain, gzip or deflate."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from driftline_processor.core.decode import Malformed

from .protocol import (
    INVALID_ARGUMENT,
    MAX_REQUEST,
    PATIENCE,
    PROTOBUF,
    UNAVAILABLE,
    export_response,
    retry_after,
    status,
)
from .receive_grpc import Accept
from .signals import Overloaded, Signal

_WINDOW_BITS = {"gzip": 31, "deflate": 15}
"""zlib's ``wbits`` by content encoding. Python's exporter offers both."""

_QUICK = 64 * 1024
"""Bytes that are decoded on the event loop, in half a millisecond; a thread for each request would cost 70 µs."""

_log = logging.getLogger("driftline")


class _Refused(Exception):  # noqa: N818 - carries an answer
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def otlp_app(accept: Accept, more_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the application of the OTLP/HTTP port; ``more_routes``: those of the outcome API."""
    signals: tuple[Signal, ...] = ("traces", "metrics", "logs")
    return Starlette(routes=[*(_route(signal, accept) for signal in signals), *more_routes])


def _route(signal: Signal, accept: Accept) -> Route:
    async def export(request: Request) -> Response:
        try:
            _check_type(request)
            body = await _body(request)
            if len(body) <= _QUICK:
                future = accept(signal, body, request.headers)
            else:
                future = await asyncio.to_thread(accept, signal, body, request.headers)
            receipt = await asyncio.wait_for(asyncio.wrap_future(future), PATIENCE)
            return Response(export_response(receipt), media_type=PROTOBUF)
        except _Refused as refused:
            return _answer(refused.code, INVALID_ARGUMENT, str(refused))
        except Malformed as error:
            return _answer(400, INVALID_ARGUMENT, str(error))
        except ClientDisconnect:
            return _answer(400, INVALID_ARGUMENT, "the sender went away")
        except Overloaded as overloaded:
            return _answer(503, UNAVAILABLE, str(overloaded), overloaded)
        except asyncio.CancelledError:  # what is still on its way when the grace of a stop is over
            return _answer(503, UNAVAILABLE, "driftline is stopping", Overloaded())
        except Exception:
            # Nothing was acknowledged, so the sender keeps it: 503 is what exporters retry.
            _log.exception("a %s request could not be kept", signal)
            return _answer(503, UNAVAILABLE, "the request could not be kept; see the log of driftline", Overloaded())

    return Route(f"/v1/{signal}", export, methods=["POST"])


def _answer(code: int, status_code: int, message: str, overloaded: Overloaded | None = None) -> Response:
    headers = {"Retry-After": retry_after(overloaded)} if overloaded else None
    delay = overloaded.retry_after if overloaded else None
    return Response(status(status_code, message, delay), code, headers, PROTOBUF)


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json":
        raise _Refused(415, f"OTLP as JSON comes with a later version; send {PROTOBUF}")
    if kind != PROTOBUF:
        raise _Refused(415, f"content type {kind[:80]!r} is not OTLP; send {PROTOBUF}")


async def _body(request: Request) -> bytes:
    """Return the body, unpacked; neither it nor its packed form is ever held above the limit."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", *_WINDOW_BITS):
        raise _Refused(415, f"content encoding {encoding[:80]!r} is not known; send gzip, deflate or none")
    unpack = zlib.decompressobj(_WINDOW_BITS[encoding]) if encoding in _WINDOW_BITS else None
    body = bytearray()
    async for chunk in request.stream():
        try:
            # A kilobyte can unpack to megabytes: never make more of it than the limit leaves.
            body += unpack.decompress(chunk, MAX_REQUEST + 1 - len(body)) if unpack else chunk
        except zlib.error as error:
            raise _Refused(400, f"the {encoding} stream is damaged: {error}") from None
        if len(body) > MAX_REQUEST:
            raise _Refused(413, f"the request is larger than {MAX_REQUEST // 2**20} MiB; send it in smaller batches")
    if unpack and not unpack.eof:
        raise _Refused(400, f"the {encoding} stream ends too early")
    return bytes(body)
