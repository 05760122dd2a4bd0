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


def timed_session() -> requests.Session:
    """Return a session whose timeout for reading limits the whole response.

    >>> timed_session().get_adapter("https://driftline").max_retries.total
    0
    """
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _TimedAdapter())
    return session


def content_of(response: requests.Response) -> bytes:
    """Return the body of a response that was requested with ``stream=True``; the rest is not read.

    Raises ``requests.exceptions.RequestException`` if it does not end in time.
    """
    body = bytearray()
    try:
        with response:
            for piece in response.iter_content(4096):
                body += piece
                if len(body) >= LARGEST:
                    break
    except requests.exceptions.ConnectionError as error:  # what a timeout is after the headers
        raise requests.exceptions.ReadTimeout(error) from None
    return bytes(body)


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
