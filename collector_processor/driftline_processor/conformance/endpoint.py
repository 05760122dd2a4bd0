"""Sends the requests of the conformance suite over OTLP/HTTP and OTLP/gRPC, and keeps the answers."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from msgspec import Struct

from .messages import MEDIA, Request

WAIT = 30.0
"""Seconds until a request without an answer counts as not answered."""

SLOWEST = 1 << 20
"""Bytes of a request that prolong this wait by a second."""

LARGEST = 1 << 20
"""Maximum bytes of a response, which is a message of a few bytes."""

CONNECT = 5.0
"""Seconds until an address without an answer counts as absent."""

USER_AGENT = f"driftline-conformance/{version('driftline')}"

_ANY = "type.googleapis.com/"
_DETAILS = "grpc-status-details-bin"
_RETRY_INFO = "google.rpc.retryinfo-bin"


class Answer(Struct, frozen=True):
    """What came back for a request.

    Attributes:
        request: The request.
        code: HTTP status, or name of the gRPC code; "" if there was no answer.
        media: Content-Type of an HTTP response, without parameters and in lower case.
        body: The response message; b"" for a failed gRPC call.
        status: The ``Status`` of a failure; None if the response has none.
        reason: Why there was no answer, or the message of a failed gRPC call.
    """

    request: Request
    code: str
    media: str = ""
    body: bytes = b""
    status: Status | None = None
    reason: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the request was accepted."""
        return self.code == "OK" or self.code[:1] == "2"

    @property
    def message(self) -> Any:
        """The body as a response message, which may have unknown fields; None if it cannot be decoded."""
        message: Any = self.request.signal.response()
        try:
            if self.media == MEDIA["JSON"]:
                Parse(self.body, message, ignore_unknown_fields=True)
            else:
                message.MergeFromString(self.body)
        except (DecodeError, ParseError, ValueError):
            return None
        return message

    @property
    def is_response(self) -> bool:
        """Whether the body is exactly the response message of the signal."""
        message = self.message
        if message is None or not self.succeeded:
            return False
        if self.media != MEDIA["JSON"]:
            return not _has_unknown_fields(message)
        try:
            Parse(self.body, self.request.signal.response())
        except ParseError:
            return False
        return True

    @property
    def rejected(self) -> int:
        """Number of rejected items in ``partial_success``, 0 without it."""
        message = self.message
        return getattr(message.partial_success, self.request.signal.rejected) if message is not None else 0

    @property
    def warning(self) -> str | None:
        """The ``error_message`` of ``partial_success``; None without ``partial_success``."""
        message = self.message
        if message is None or not message.HasField("partial_success"):
            return None
        return str(message.partial_success.error_message)

    @property
    def bad_request(self) -> bool:
        """Whether the details of the status have a ``BadRequest``."""
        return self.status is not None and any(detail.Is(BadRequest.DESCRIPTOR) for detail in self.status.details)

    @property
    def is_retryable(self) -> bool:
        """Whether the details of the status have a ``RetryInfo``."""
        return self.status is not None and any(detail.Is(RetryInfo.DESCRIPTOR) for detail in self.status.details)

    def __str__(self) -> str:
        """Return the answer in a few words."""
        if not self.code:
            return f"no answer ({self.reason})"
        words = [self.code]
        if self.media:
            words.append(self.media)
        if self.succeeded:
            words.append(self._words())
        elif self.status is not None:
            details = ", ".join(detail.type_url.rpartition(".")[2] for detail in self.status.details)[:200]
            words.append(f"Status {self.status.message[:60]!r}" + (f" with {details}" if details else ""))
        elif self.reason:
            words.append(repr(self.reason[:60]))
        else:
            words.append(f"body {self.body[:40]!r}")
        return " ".join(words)

    def _words(self) -> str:
        if not self.is_response:
            return f"body {self.body[:40]!r}"
        if self.warning is None:
            return "without partial_success"
        return f"{self.request.signal.rejected}={self.rejected}, error_message {self.warning[:60]!r}"


class Transport:
    """One transport of an endpoint; each different request is sent once, and its answer is kept."""

    def __init__(self, url: str, send: Callable[[Request], Answer], close: Callable[[], None]) -> None:
        """Use a function that sends.

        Args:
            url: URL of the endpoint.
            send: Sends a request and returns the answer, also if there is none.
            close: Closes the connections.
        """
        self.url = url
        self.close = close
        """Closes the connections."""
        self._send = send
        self._answers: dict[Request, Answer] = {}

    @property
    def answers(self) -> list[Answer]:
        """All answers so far."""
        return [*self._answers.values()]

    def send(self, request: Request) -> Answer:
        """Return the answer to a request."""
        if request not in self._answers:
            self._answers[request] = self._send(request)
        return self._answers[request]

    def send_all(self, requests: Sequence[Request]) -> list[Answer]:
        """Return the answers to requests, one after the other."""
        return [self.send(request) for request in requests]

    def send_together(self, requests: Sequence[Request]) -> list[Answer]:
        """Return the answers to requests that are sent at the same time."""
        with ThreadPoolExecutor(len(requests)) as pool:
            self._answers |= dict(zip(requests, pool.map(self._send, requests), strict=True))
        return [self._answers[request] for request in requests]


class Trust(Struct, frozen=True):
    """Headers of every request, and the files of TLS.

    Attributes:
        headers: Names in lower case.
        context: Verifies the endpoint over HTTP; True without TLS.
        ca_file: Certificates that are trusted, as PEM; None = those of the system.
        cert_file: Certificate of this client, as PEM; None = none.
        key_file: Key of ``cert_file``.
    """

    headers: dict[str, str]
    context: ssl.SSLContext | bool
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


def open_http(url: str, trust: Trust) -> Transport:
    """Return OTLP/HTTP over HTTP/1.1.

    Args:
        url: Base URL, to which the paths of the signals are added.
        trust: The headers and the context of TLS.
    """
    common = {"user-agent": USER_AGENT, **trust.headers}
    client = httpx.Client(timeout=httpx.Timeout(WAIT, connect=CONNECT), verify=trust.context, headers=common)

    def exchange(request: Request) -> Answer:
        path = request.path or f"/v1/{request.signal.name}"
        content, headers = (request.content, request.headers) if request.method == "POST" else (None, {})
        body = b""
        try:
            with client.stream(request.method, f"{url}{path}", content=content, headers=headers) as reply:
                for piece in reply.iter_bytes():
                    body += piece
                    if len(body) > LARGEST:
                        return Answer(request, "", reason=f"the response is larger than {LARGEST >> 20} MiB")
        except httpx.HTTPError as error:
            return Answer(request, "", reason=str(error) or type(error).__name__)
        media = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        status = None if reply.is_success else _status_of(media, body)
        return Answer(request, str(reply.status_code), media, body, status)

    def send(request: Request) -> Answer:
        # The client limits single reads only: an endpoint that sends a byte now and then would never end one.
        answers: SimpleQueue[Answer] = SimpleQueue()
        Thread(target=lambda: answers.put(exchange(request)), daemon=True).start()
        limit = CONNECT + WAIT + len(request.content) / SLOWEST
        try:
            return answers.get(timeout=limit)
        except Empty:
            return Answer(request, "", reason=f"no complete response within {limit:.0f} s")

    return Transport(url, send, client.close)


def open_grpc(url: str, trust: Trust) -> Transport:
    """Return OTLP/gRPC over one connection.

    Args:
        url: URL; https means TLS.
        trust: The headers and files.
    """
    options = [
        ("grpc.max_send_message_length", -1),
        ("grpc.enable_retries", 0),
        ("grpc.primary_user_agent", USER_AGENT),
    ]
    parts = urlsplit(url)
    address = parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
    if parts.scheme == "https":
        files = [file and file.read_bytes() for file in (trust.ca_file, trust.key_file, trust.cert_file)]
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(*files), options)
    else:
        channel = grpc.insecure_channel(address, options)

    def send(request: Request) -> Answer:
        call = channel.unary_unary(f"/{request.signal.service}/Export")
        compression = grpc.Compression.Gzip if request.compressed else grpc.Compression.NoCompression
        try:
            body = call(request.message, timeout=WAIT, metadata=[*trust.headers.items()], compression=compression)
        except grpc.RpcError as error:
            metadata = dict((*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())))
            status = _grpc_status(error.details() or "", metadata)
            return Answer(request, error.code().name, status=status, reason=error.details() or "")
        return Answer(request, "OK", body=body)

    return Transport(url, send, channel.close)


def _grpc_status(message: str, metadata: dict[str, Any]) -> Status:
    try:
        status = Status.FromString(metadata.get(_DETAILS, b""))
    except DecodeError:
        status = Status()
    status.message = status.message or message
    if _RETRY_INFO in metadata:  # where Python's exporter reads it
        status.details.add().Pack(RetryInfo())
    return status


def _status_of(media: str, body: bytes) -> Status | None:
    """Return the ``Status`` of an HTTP response, None if its body is anything else."""
    status = Status()
    try:
        if media == MEDIA["protobuf"]:
            status.MergeFromString(body)
            return None if _has_unknown_fields(status) else status
        if media != MEDIA["JSON"]:
            return None
        document = json.loads(body)
        if not isinstance(document, dict) or document.keys() - {"code", "message", "details"}:
            return None
        status.message = document.get("message", "")
        for detail in document.get("details", []):
            # the contents may be of any type, which need not be known here
            status.details.add(type_url=_ANY + detail["@type"].removeprefix(_ANY))
    except (DecodeError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return status


def _has_unknown_fields(message: Message) -> bool:
    return len(UnknownFieldSet(message)) > 0 or any(
        _has_unknown_fields(value) for field, value in message.ListFields() if isinstance(value, Message)
    )
