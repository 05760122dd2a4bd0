"""The body of a request, plain or gzip, never larger than it may be, and the answer where nobody can take it now."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse

from driftline_processor.runtime.protocol import retry_after
from driftline_processor.runtime.signals import Overloaded


class TooLarge(Exception):  # noqa: N818 - what the answer says
    """The body is larger than the limit."""


class MalformedBody(ValueError):  # noqa: N818 - what the answer says
    """The body cannot be unpacked; the message says why."""


async def whole_body(request: Request, limit: int) -> bytes:
    """Return the body, unpacked. Raises TooLarge when that is more than ``limit`` bytes, MalformedBody."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise MalformedBody(f"content encoding {encoding[:80]!r} is not known; send gzip or none")
    if encoding == "gzip":
        return await _unpacked(request.stream(), limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge
    return bytes(body)


def come_again(overloaded: Overloaded, sentence: str = "") -> JSONResponse:
    """Answer 503 with the reason, and when to send again."""
    headers = {"Retry-After": retry_after(overloaded)}
    return JSONResponse({"error": sentence or str(overloaded)}, status_code=503, headers=headers)


async def _unpacked(packed: AsyncIterator[bytes], limit: int) -> bytes:
    body, unpack = bytearray(), zlib.decompressobj(wbits=31)
    async for chunk in packed:
        rest = chunk
        while rest:
            try:
                # A kilobyte can unpack to megabytes: never make more of it than the limit leaves.
                body += unpack.decompress(rest, limit + 1 - len(body))
            except zlib.error as error:
                raise MalformedBody(f"the gzip stream is damaged: {error}") from None
            if len(body) > limit:
                raise TooLarge
            rest = unpack.unconsumed_tail
            if unpack.eof and unpack.unused_data:  # gzip files may follow on each other
                rest, unpack = unpack.unused_data, zlib.decompressobj(wbits=31)
    if not unpack.eof:
        raise MalformedBody("the gzip stream ends too early")
    return bytes(body)
