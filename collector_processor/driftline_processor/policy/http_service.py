"""Ask a service over HTTP, within bounds of time and size, and say in its own words what it did not take."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.config.values import is_here

from .channel import Answer
from .secrets import hide_secrets

PUT_OFF: Final = (301, 302, 303, 307, 308, 401, 403, 408, 409, 425, 429)
"""Statuses below 500 after which the same request may be taken: somebody mends the address or the token, or its
like still runs."""

MOST_BYTES: Final = 2**20
"""Bytes of an answer that are read."""

_KEY_SAFE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
"""Characters that stand for themselves in a key."""

File = tuple[str | None, bytes, str]
"""A part of a form: the name of its file, None where it is none, what it holds, and of which type that is."""


class NotTaken(Exception):  # noqa: N818 - what a service said, and no fault
    """A service did not take a request.

    Attributes:
        answer: Whether it may take it later, and what it said.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.detail)
        self.answer = answer

    def hidden(self, *secrets: str) -> Answer:
        """Return the answer in at most 300 characters, without what is secret of addresses and keys."""
        detail = self.answer.detail
        for secret in secrets:
            detail = hide_secrets(detail, secret) if "://" in secret else detail.replace(secret, "***")
        return replace(self.answer, detail=detail[:300])


class Request(Struct, frozen=True):
    """A request to a service.

    Attributes:
        method: Of HTTP.
        url: The whole address.
        json: What to send, as JSON.
        content: What to send, as it is.
        files: What to send as parts of a form, by name.
        headers: Of this request.
        parameters: Of the query.
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
    """What a service answered.

    Attributes:
        status: Of HTTP.
        headers: By name, in small letters.
        body: At most :data:`MOST_BYTES` of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as a mapping; NotTaken where it is none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise NotTaken(Answer("put_off", f"HTTP {self.status}, but the body is not a JSON object: {self.text}"))
        return document

    @property
    def text(self) -> str:
        """The first characters of the body, in a line; what is secret is hidden before it is cut to size."""
        # 1_000: bytes of an answer that are read for what it says
        return " ".join(self.body[:1_000].decode("utf-8", "replace").split())


@cache
def whom_the_system_trusts() -> ssl.SSLContext:
    """Return the context of services with public certificates: its certificates are read once, not per service."""
    import httpx

    return httpx.create_ssl_context()


class HttpService:
    """A service behind one host. One thread calls it.

    Args:
        url: An address of the service.
        timeout: Seconds that a request may take, from its first byte to the last one of the answer.
        headers: Of every request.
        context: Whom to trust; None = whom the system does.
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
        plain = {"Accept-Encoding": "identity", **(headers or {})}  # a small answer unpacks to one without end
        import httpx  # 50 ms, for those alone who have a service

        self._client = httpx.Client(timeout=timeout, trust_env=not is_here(url), headers=plain, verify=verify)

    def ask(self, method: str, url: str, **parts: Any) -> Reply:
        """Send a request of these parts, as :meth:`send` does."""
        return self.send(Request(method, url, **parts))

    def send(self, request: Request) -> Reply:
        """Send a request, once, and return the answer.

        Raises:
            NotTaken: Nobody answered in time, or the answer is another one.
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
                if deadline.passed:  # an answer that ends with its connection looks whole
                    raise httpx.ReadTimeout("")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                error_text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                error_text = "ReadTimeout: the response took too long" if deadline.passed else error_text
                raise NotTaken(Answer("put_off", error_text, unheard=not isinstance(error, unsent))) from error
        reply = Reply(response.status_code, response.headers, body)
        if response.is_success or reply.status in request.accepted:
            return reply
        put_off = reply.status >= 500 or reply.status in PUT_OFF
        error_text, wait = f"HTTP {reply.status} {reply.text}".strip(), _wait(reply.headers.get("retry-after", ""))
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
        """Note the socket of a connection that was made, as the client traces it."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                self._shut()

    def mend(self) -> None:
        """Let an exchange begin."""
        with self._lock:
            self._is_cut = False

    def cut(self) -> None:
        """Wake who reads from the connection, or writes to it: nothing comes any more, also over another one."""
        with self._lock:
            self._is_cut = True
            self._shut()

    def _shut(self) -> None:
        if self._is_cut and self._socket is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Deadline:
    """Cuts a connection when an exchange takes too long.

    A client bounds each read by itself, so a service that drips a byte now and then would hold its channel for hours.

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


def _wait(header: str) -> float:
    """Return the seconds that a header ``Retry-After`` asks for, as a number or as a date (RFC 9110, 10.2.3).

    >>> _wait("30"), _wait(""), _wait("soon")
    (30.0, 0.0, 0.0)
    """
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def idempotency_key(message: str) -> str:
    """Return the id of a message as a header takes it: names of channels and actions may be of any letters.

    >>> idempotency_key("4c1f0a92be77d310-http/über")
    '4c1f0a92be77d310-http/%C3%BCber'
    """
    return quote(message, safe=_KEY_SAFE, errors="replace")
