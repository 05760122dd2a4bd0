"""HTTP requests to a service with limits on time and size, and error messages from its answer."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from driftline.export.backoff import seconds_to_wait
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.config.values import is_here
from driftline_processor.core.decode.untrusted_json import load_json

from .channel import Answer
from .secrets import hide_secrets

PUT_OFF: Final = (301, 302, 303, 307, 308, 401, 403, 408, 409, 425, 429)
"""Statuses below 500 after which the request can succeed later.

The address or the token can be fixed, or a conflicting request ends.
"""

MOST_BYTES: Final = 2**20
"""Upper limit of bytes that are read of an answer."""

_KEY_SAFE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
"""Characters that are not encoded in a key."""

File = tuple[str | None, bytes, str]
"""A part of a form: file name or None, content, and media type."""


class NotTaken(Exception):  # noqa: N818 - what a service said, and no fault
    """A service did not accept a request.

    Attributes:
        answer: Whether it can be retried, and the service's answer.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.detail)
        self.answer = answer

    def hidden(self, *secrets: str) -> Answer:
        """Return the answer in at most 300 characters without the secrets of addresses and keys."""
        detail = self.answer.detail
        for secret in secrets:
            detail = hide_secrets(detail, secret) if "://" in secret else detail.replace(secret, "***")
        return replace(self.answer, detail=detail[:300])


class Request(Struct, frozen=True):
    """A request to a service.

    Attributes:
        method: HTTP method.
        url: The whole address.
        json: JSON body.
        content: Raw body.
        files: Parts of a form by name.
        headers: Headers of this request.
        parameters: Query parameters.
        accepted: Statuses besides 2xx whose reply is returned.
    """

    method: str
    url: str
    json: Any = None
    content: bytes | None = None
    files: Mapping[str, File] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str | int] | None = None
    accepted: Collection[int] = ()


class Reply(Struct, frozen=True):
    """The answer of a service.

    Attributes:
        status: HTTP status.
        headers: Headers by lower-case name.
        body: At most :data:`MOST_BYTES` of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as a mapping; NotTaken if it is not one."""
        try:
            document = load_json(self.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise NotTaken(Answer("put_off", f"HTTP {self.status}, but the body is not a JSON object: {self.text}"))
        return document

    @property
    def text(self) -> str:
        """Beginning of the body on one line; secrets are hidden before it is shortened."""
        # 1_000: bytes of an answer in an error message
        return " ".join(self.body[:1_000].decode("utf-8", "replace").split())


@cache
def whom_the_system_trusts() -> ssl.SSLContext:
    """Return the system's SSL context; its certificates are read once, not per service."""
    import httpx

    return httpx.create_ssl_context()


class HttpService:
    """A service on one host. Used by one thread.

    Args:
        url: An address of the service.
        timeout: Upper limit of a request's time, from its first byte to the last byte of the answer, seconds.
        headers: Headers of every request.
        context: SSL context; None = the system's.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout, self._line = timeout, _Line()
        verify = whom_the_system_trusts() if context is None else context
        plain = {"Accept-Encoding": "identity", **(headers or {})}  # a small compressed answer can expand without limit
        import httpx  # the import takes 50 ms, only if a service is configured

        self._client = httpx.Client(timeout=timeout, trust_env=not is_here(url), headers=plain, verify=verify)

    def ask(self, method: str, url: str, **parts: Any) -> Reply:
        """Send a request of these parts, see :meth:`send`."""
        return self.send(Request(method, url, **parts))

    def send(self, request: Request) -> Reply:
        """Send a request once and return the answer.

        Raises:
            NotTaken: There was no answer in time, or another status.
        """
        import httpx

        unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL)
        parts: dict[str, Any] = {"json": request.json, "content": request.content, "files": request.files}
        parts |= {"headers": request.headers, "params": request.parameters}
        parts |= {"extensions": {"trace": self._line.note}}
        with _Deadline(self._timeout, self._line) as deadline:
            try:
                with self._client.stream(request.method, request.url, **parts) as response:
                    body = b""
                    for piece in response.iter_raw():
                        body += piece
                        if len(body) >= MOST_BYTES:
                            break
                if deadline.passed:  # an answer that ends with the connection looks complete
                    raise httpx.ReadTimeout("")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                error_text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                error_text = "ReadTimeout: the response took too long" if deadline.passed else error_text
                raise NotTaken(Answer("put_off", error_text, unheard=not isinstance(error, unsent))) from error
        reply = Reply(response.status_code, response.headers, body)
        if response.is_success or reply.status in request.accepted:
            return reply
        put_off = reply.status >= 500 or reply.status in PUT_OFF
        error_text = f"HTTP {reply.status} {reply.text}".strip()
        wait = seconds_to_wait(reply.headers.get("retry-after", "")) or 0.0
        raise NotTaken(Answer("put_off" if put_off else "refused", error_text, wait=wait, unheard=reply.status >= 500))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class _Line:
    """The connection of a service."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._is_cut = False
        self._lock = threading.Lock()

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Store the socket of a new connection, from the client's trace events."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                self._shut()

    def mend(self) -> None:
        """Allow the next exchange."""
        with self._lock:
            self._is_cut = False

    def cut(self) -> None:
        """Shut the connection, and every new one, so that blocked reads and writes return."""
        with self._lock:
            self._is_cut = True
            self._shut()

    def _shut(self) -> None:
        if self._is_cut and self._socket is not None:
            with suppress(OSError):  # already closed
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Deadline:
    """Shut a connection when an exchange takes too long.

    A client limits single reads only, so a service that sends a byte now and then would block its channel for
    hours.

    Attributes:
        passed: Whether the time is over.
    """

    def __init__(self, seconds: float, line: _Line) -> None:
        self.passed, self._line = False, line
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._line.mend()
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.passed = True
        self._line.cut()


def idempotency_key(message: str) -> str:
    """Return the id of a message encoded for a header, since names of channels and actions may have any letters.

    >>> idempotency_key("4c1f0a92be77d310-http/über")
    '4c1f0a92be77d310-http/%C3%BCber'
    """
    return quote(message, safe=_KEY_SAFE, errors="replace")
