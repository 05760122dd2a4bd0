"""The body of a request, decompressed outside the event loop, and the answer on overload."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from functools import partial

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from driftline_processor.core.decode.untrusted_json import TooLarge
from driftline_processor.memory_ceiling import NeedsMoreMemory
from driftline_processor.otlp.protocol import retry_after
from driftline_processor.receipts import Overloaded

from .request_memory import ExceedsRequestMemory, hold

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODINGS = "gzip, deflate, zstd"
"""The content encodings of request bodies, as a value of ``Accept-Encoding``."""

MAX_MEMBERS = 10_000
"""Maximum number of members of a gzip stream, and of frames of a zstd stream: bgzip files of 64 KiB blocks have 2,000
in 128 MiB.
"""

_WINDOW_BITS = {"gzip": 31, "deflate": 15}
"""zlib's ``wbits`` by content encoding. Python's OTLP exporter offers both."""

_ZSTD = "zstd"

_WINDOW_LOG = 23
"""Maximum window of a zstd frame, as a power of 2: 8 MiB, the limit of the content encoding (RFC 9659)."""

_BLOCK = 16_384
"""Bytes that are decompressed at a time; the remainder after a member is copied."""

_PLAIN = ("", "identity")


class MalformedBody(ValueError):  # noqa: N818 - what the answer says
    """The body cannot be decompressed; the message has the reason."""


class UnknownEncoding(MalformedBody):
    """The content encoding is unknown."""


class Body(Struct, frozen=True):
    """A received body.

    Attributes:
        limit: Maximum bytes, compressed and decompressed.
        scope: The scope of the request, which reserves the memory.
    """

    data: bytes
    encoding: str
    limit: int
    scope: Scope = field(default_factory=dict)

    @property
    def packed(self) -> bool:
        """True if the body is compressed."""
        return self.encoding not in _PLAIN

    @property
    def small(self) -> bool:
        """Return True if it may be checked in the event loop."""
        # 1 << 16: bytes of a request that is checked in the event loop: 0.1 ms, which is what a thread for it would
        # cost. It never waits for memory. A compressed body is never small, because it may expand a thousand
        # times.
        return not self.packed and len(self.data) <= 1 << 16

    def unpacked(self) -> bytes:
        """Decompress the body, outside the event loop. Raises TooLarge, MalformedBody, Overloaded."""
        if not self.packed:
            return self.data
        try:
            return _unpack(self.data, self.encoding, self.limit, partial(hold, self.scope))
        except ExceedsRequestMemory:
            raise TooLarge(
                "after decompression, the request is larger than the part of limits.request_bytes that one request "
                "may use; "
                "split it into smaller requests"
            ) from None


async def receive_body(request: Request, limit: int) -> Body:
    """Receive a body of at most ``limit`` bytes. Raises TooLarge, and UnknownEncoding."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in (*_PLAIN, *_WINDOW_BITS, _ZSTD):
        raise UnknownEncoding(f"content encoding {encoding[:80]!r} is not supported; use {ENCODINGS} or none")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise _too_large(limit)
    return Body(bytes(data), encoding, limit, request.scope)


def _unpack(data: bytes, encoding: str, limit: int, hold: Callable[[int], None]) -> bytes:
    view, offset, members = memoryview(data), 0, 0
    body = bytearray()
    while offset < len(view) or not members:
        if members and (encoding == "deflate" or members == MAX_MEMBERS):
            many = "has data after its end" if encoding == "deflate" else f"has more than {MAX_MEMBERS:,} members"
            raise MalformedBody(f"the {encoding} stream {many}; compress the body as a single stream")
        if encoding == _ZSTD:
            offset = _unpack_frame(view, offset, body, limit, hold)
        else:
            offset = _unpack_member(view, offset, body, encoding, limit, hold)
        members += 1
        if not any(view[offset : offset + _BLOCK]) and not any(view[offset:]):
            break  # padding of the last block of a tape or disk
    return bytes(body)


def _unpack_member(
    view: memoryview, offset: int, body: bytearray, encoding: str, limit: int, hold: Callable[[int], None]
) -> int:
    """Decompress the member at ``offset``, append it to ``body``, and return its end."""
    member = zlib.decompressobj(_WINDOW_BITS[encoding])
    while not member.eof:
        block = view[offset : offset + _BLOCK]
        if not block:
            raise MalformedBody(f"the {encoding} stream is truncated")
        try:
            # A kilobyte can decompress to megabytes, so the output is limited.
            unpacked = member.decompress(block, limit + 1 - len(body))
        except zlib.error as error:
            raise MalformedBody(f"the {encoding} stream is damaged: {error}") from None
        hold(len(unpacked))
        body += unpacked
        if len(body) > limit:
            raise _too_large(limit)
        offset += len(block) - len(member.unconsumed_tail) - len(member.unused_data)
    return offset


def _unpack_frame(view: memoryview, offset: int, body: bytearray, limit: int, hold: Callable[[int], None]) -> int:
    """Decompress the zstd frame at ``offset``, append it to ``body``, and return its end."""
    frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    window = 1 << _WINDOW_LOG
    while not frame.eof:
        block = view[offset : offset + _BLOCK] if frame.needs_input else view[:0]
        if frame.needs_input and not block:
            raise MalformedBody("the zstd stream is truncated")
        try:
            unpacked = frame.decompress(block, limit + 1 - len(body))
        except zstd.ZstdError as error:
            raise MalformedBody(f"the zstd stream is damaged: {error}") from None
        in_window = min(len(unpacked), window)  # the decompressor keeps a copy of the window
        window -= in_window
        hold(len(unpacked) + in_window)
        body += unpacked
        if len(body) > limit:
            raise _too_large(limit)
        offset += len(block)
    return offset - len(frame.unused_data)


UNREADABLE = (TooLarge, NeedsMoreMemory, MalformedBody)
"""Why a body cannot be read; :func:`refuse_body` answers the sender."""


def refuse_body(reason: Exception) -> JSONResponse:
    """Answer 413, 415 or 400 with the reason, one of :data:`UNREADABLE`."""
    if isinstance(reason, UnknownEncoding):
        return JSONResponse({"error": str(reason)}, 415, {"Accept-Encoding": ENCODINGS})
    return JSONResponse({"error": str(reason)}, 400 if isinstance(reason, MalformedBody) else 413)


def retry_later(overloaded: Overloaded, sentence: str = "") -> JSONResponse:
    """Answer 503 with the reason and the retry time."""
    headers = {"Retry-After": retry_after(overloaded)}
    return JSONResponse({"error": sentence or str(overloaded)}, status_code=503, headers=headers)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the request is larger than {limit // 2**20} MiB; split it into smaller requests")
