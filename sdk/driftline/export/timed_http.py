"""An HTTP session that reads a response within its timeout, and at most :data:`LARGEST` bytes of it.

``requests`` limits single reads only: a receiver that sends a byte now and then, or without end, would block a flush
and the end of the program, or fill the memory.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter

LARGEST = 4 << 20
"""Maximum bytes of a response, the default of gRPC."""


class TimedSession(requests.Session):
    """A session whose timeout for reading limits the whole response, also for OpenTelemetry's exporters.

    It follows no redirect, and the status of a response counts whatever its body is.

    >>> TimedSession().get_adapter("https://driftline").max_retries.total
    0
    """

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _TimedAdapter())

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request; without ``stream``, read at most :data:`LARGEST` bytes of the response."""
        response = super().send(request, **{**options, "stream": True})
        if not options.get("stream"):
            response._content, _ = content_of(response)
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: ``requests`` would read the whole body of a redirect, and its address may be unreadable."""


def content_of(response: requests.Response) -> tuple[bytes, str]:
    """Return the body of a response that was requested with ``stream=True``, and why its rest cannot be read.

    The status is known before, and it decides what became of the request, whatever the body is.
    """
    body = bytearray()
    try:
        with response:
            for piece in response.iter_content(4096):
                body += piece
                if len(body) >= LARGEST:
                    break
    except requests.exceptions.ConnectionError:  # what a timeout is after the headers
        return bytes(body), "ReadTimeout"
    except Exception as error:  # a body that breaks off, has a bad chunk, or cannot be decompressed
        return bytes(body), type(error).__name__
    return bytes(body), ""


class _TimedReader(io.RawIOBase):
    """The bytes of a response, within the timeout that the socket has now."""

    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw, self._sock = raw, sock
        timeout = sock.gettimeout()
        self._end = None if timeout is None else time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("the response took too long")
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: Any, *arguments: Any, **keywords: Any) -> None:
        super().__init__(sock, *arguments, **keywords)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock))


class _TimedAdapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *arguments: Any, **keywords: Any) -> Any:
        return _timed(super().get_connection_with_tls_context(*arguments, **keywords))

    def get_connection(self, *arguments: Any, **keywords: Any) -> Any:  # before requests 2.32
        return _timed(super().get_connection(*arguments, **keywords))


def _timed(pool: Any) -> Any:
    """Return a connection pool whose responses are timed."""
    plain = pool.ConnectionCls
    if not issubclass(getattr(plain, "response_class", HTTPResponse), _TimedResponse):
        pool.ConnectionCls = type(plain.__name__, (plain,), {"response_class": _TimedResponse})
    return pool
