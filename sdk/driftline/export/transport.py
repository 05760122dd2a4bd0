"""Send one request to the receiver, by OTLP over HTTP or gRPC, and decide when to retry.

A channel sends one request and returns its result. The background thread retries with increasing pauses, a flush more
often.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import gzip
import importlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

from opentelemetry import context

from driftline.capture.model_identity import VERSION
from driftline.faults import FAULTS, logger
from driftline.guarded_log import guard_libraries

from .backoff import next_pause, seconds_to_wait
from .connection_failures import ConnectionFailure, failure_of, innermost, is_refused
from .endpoint import Endpoint, Signal, is_here

if TYPE_CHECKING:
    import requests


_CONNECT_SECONDS = 3.0
USER_AGENT = f"driftline/{VERSION} OTel-OTLP-Exporter-Python/{VERSION}"
"""OTLP exporter specification, "User Agent": the product, then the exporter with its language and version."""
_LONGEST_MESSAGE = 500
_HTTPS_ONLY = (b"this port uses TLS", b"HTTP request to an HTTPS server", b"plain HTTP request was sent to HTTPS port")
"""Words in answers of Driftline, Go and nginx to a request without TLS at a port with TLS."""
_RETRYABLE = frozenset((429, 502, 503, 504))  # OTLP specification, "Failures": retryable response codes
_UNSUPPORTED = frozenset((404, 405, 501))
_RETRYABLE_CODES = frozenset(("CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE",
                              "UNAVAILABLE", "DATA_LOSS"))  # fmt: skip
_TOO_LARGE = ("larger than", "too large", "exceeds max", "exceeds the max")
"""Words of gRPC's libraries (C and Python, Go, Rust, Java, .NET) about a message over the limit of the receiver."""
_BROKEN = ("stream removed", "rst_stream", "no status received", "decompress", "compression bit")
"""Words of gRPC's libraries about an answer that breaks off or cannot be read: no receiver refuses the request."""
_GRPC_PORT = 4317
_EXPORT = {
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}


State = Literal["delivered", "unreachable", "retry", "refused", "unsupported"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of one request.

    ``unreachable``: no receiver answers; ``retry``: send again, after ``after`` seconds if the receiver asked for that;
    ``refused``: this request will never be accepted; ``unsupported``: such requests are not accepted now (404,
    UNIMPLEMENTED). ``delivered`` with a ``reason``: the receiver warns, or rejects some (``rejected``) records or
    points. ``fix``: what is wrong and what to do, if that is known; ``may_pass``: another attempt may succeed without
    it. ``denied``: the sender may not send this. ``nothing_listens``: the host refused the connection.
    """

    state: State
    reason: str = ""
    after: float | None = None
    rejected: int = 0
    fix: str = ""
    may_pass: bool = False
    denied: bool = False
    nothing_listens: bool = False


@dataclass(slots=True, eq=False)
class ExportRequest:
    """One ``ExportLogsServiceRequest``.

    Attributes:
        rows: Number of predictions or outcomes.
        predictions: True if the rows are predictions.
    """

    body: bytes
    rows: int
    predictions: bool = False


class Channel(Protocol):
    """A destination of requests.

    Attributes:
        name: Endpoint, for messages.
    """

    name: str

    def send(self, body: bytes, timeout: float) -> Delivery:
        """Send one ``ExportLogsServiceRequest`` within ``timeout`` seconds. Never raises.

        For distributions, it is an ``ExportMetricsServiceRequest``.
        """
        ...

    def forget(self) -> None:
        """Drop connections without closing them: they belong to the parent process."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class OutcomeChannel(Protocol):
    """A destination of outcomes that returns the answer."""

    def post(self, url: str, body: bytes, content_type: str, timeout: float) -> tuple[Delivery, bytes]:
        """Post a body within ``timeout`` seconds; return the result and the answer. Never raises."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class ChannelError(RuntimeError):
    """A channel cannot be opened. The text names the endpoint and the fix."""


def open_channel(endpoint: Endpoint) -> Channel:
    """Return the channel to an endpoint; it connects at the first request.

    Raises :class:`ChannelError` if the required package cannot be imported.
    """
    load(endpoint)
    return GrpcChannel(endpoint) if endpoint.protocol == "grpc" else HttpChannel(endpoint)


def load(endpoint: Endpoint) -> None:
    """Import the packages of a channel in the caller's thread: a fork must not happen during an import.

    Raises :class:`ChannelError` if that fails.
    """
    module, package = ("grpc", "grpcio") if endpoint.protocol == "grpc" else ("requests", "requests")
    try:
        importlib.import_module(module)
    except Exception as error:  # a wheel for another machine can raise anything
        raise ChannelError(
            f"{endpoint.base} requires the package {package!r}, but importing this package raises "
            f"{type(error).__name__}: {error}; run 'pip install {package}'"
        ) from error


def warn_unopened(signal: Signal, error: Exception) -> None:
    """Log once that a channel cannot be opened, and why. Call it in the ``except`` block."""
    if not isinstance(error, ChannelError | ValueError):  # expected causes: settings or a broken installation
        FAULTS.swallow("channel", error)
    elif FAULTS.once(f"unopened {signal}"):
        consequence = "predictions and outcomes are not recorded" if signal == "logs" else "distributions are not sent"
        logger.warning("driftline: %s: %s", consequence, error)


class HttpChannel:
    """OTLP/HTTP with protobuf bodies, through ``requests``, with the proxies and CA bundles of exporters."""

    def __init__(self, endpoint: Endpoint) -> None:
        from .timed_http import TimedSession

        self.name = endpoint.base
        self._endpoint = endpoint
        self._new_session = TimedSession
        self._has_delivered = False
        self._session: requests.Session | None = None

    def send(self, body: bytes, timeout: float) -> Delivery:
        """Post one request to the URL of the signal; a success is one however its answer ends."""
        delivery, answer, _ = self._exchange(self._endpoint.url, body, "application/x-protobuf", timeout)
        return read_success(answer) if delivery.state == "delivered" else delivery

    def post(self, url: str, body: bytes, content_type: str, timeout: float) -> tuple[Delivery, bytes]:
        """Post a body within ``timeout`` seconds; return the result and the whole answer, else a result to retry."""
        delivery, answer, broken = self._exchange(url, body, content_type, timeout)
        return (Delivery("retry", broken), b"") if broken and delivery.state == "delivered" else (delivery, answer)

    def _exchange(self, url: str, body: bytes, content_type: str, timeout: float) -> tuple[Delivery, bytes, str]:
        """Post a body; return the result, the answer as far as it can be read, and why the rest cannot be read."""
        from .timed_http import content_of

        endpoint = self._endpoint
        own_headers = endpoint.request_headers()
        # uncompressed, because a small compressed answer can expand without limit
        headers = {"user-agent": USER_AGENT, "accept-encoding": "identity", **own_headers, "content-type": content_type}
        if endpoint.gzip:
            body = gzip.compress(body, 3)
            headers["content-encoding"] = "gzip"
        try:
            with guard_libraries():
                response = self._open_session().post(
                    url,
                    data=body,
                    headers=headers,
                    timeout=(min(_CONNECT_SECONDS, timeout), min(endpoint.timeout, timeout)),
                    allow_redirects=False,
                    stream=True,
                    # per request, since REQUESTS_CA_BUNDLE of the environment wins over the setting of a session
                    verify=endpoint.certificate or None,
                )
                content, broken = content_of(response)
        except Exception as error:
            return _unanswered(endpoint, error, self._has_delivered), b"", ""
        status = response.status_code
        if 200 <= status < 300:
            self._has_delivered = True
            return Delivery("delivered"), content, broken
        reason = f"{status} {response.reason}"
        if status in _RETRYABLE:
            return Delivery("retry", reason, seconds_to_wait(response.headers.get("retry-after", ""))), content, broken
        if broken:  # perhaps not the answer of the receiver, so the rows are kept
            return Delivery("retry", f"incomplete answer: {reason}, {broken}"), b"", broken
        if status in (401, 403):
            return _denied(endpoint, own_headers, reason, _message(content), unknown=status == 401), b"", ""
        if status == 400 and not endpoint.encrypted and any(words in content for words in _HTTPS_ONLY):
            return Delivery("unreachable", reason, fix=ConnectionFailure("encrypted").sentence("", "")), b"", ""
        return Delivery("unsupported" if status in _UNSUPPORTED else "refused", reason), content, ""

    def _open_session(self) -> requests.Session:
        if self._session is None:
            endpoint, session = self._endpoint, self._new_session()
            if endpoint.client_certificate:
                pair = endpoint.client_certificate, endpoint.client_key
                session.cert = pair if endpoint.client_key else endpoint.client_certificate
            self._session = past_proxies(session, endpoint.url) if is_here(endpoint.url) else session
        return self._session

    def forget(self) -> None:
        """Drop the parent's connections without closing them."""
        self._session = None

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()
            self._session = None


@contextlib.contextmanager
def suppress_instrumentation() -> Iterator[None]:
    """Prevent spans of our own requests by instrumented HTTP clients."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    try:
        yield
    finally:
        context.detach(token)


def past_proxies(session: requests.Session, url: str) -> requests.Session:
    """Let a session connect to a URL's host directly; ``trust_env = False`` would also disable a set CA bundle."""
    parts = urlsplit(url)
    session.proxies[f"{parts.scheme}://{parts.hostname}"] = ""  # looked up before the environment's "http" and "all"
    return session


class GrpcChannel:
    """OTLP/gRPC: the same bytes, in one unary call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = endpoint.base
        self._endpoint = endpoint
        self._has_delivered = False
        self._channel: Any = None
        self._stamps: list[float | None] = []

    def send(self, body: bytes, timeout: float) -> Delivery:
        """Call ``Export`` of the signal's service."""
        import grpc

        endpoint, headers = self._endpoint, self._endpoint.request_headers()
        try:
            if self._channel is not None and self._stamps != _stamps(endpoint):
                self.close()  # its certificates were replaced
            if self._channel is None:
                self._stamps = _stamps(endpoint)
                self._channel = self._open(grpc)
            export = self._channel.unary_unary(_EXPORT[endpoint.signal])
            metadata = tuple((key.lower(), value) for key, value in headers.items())
            answer = export(body, metadata=metadata, timeout=min(endpoint.timeout, timeout))
        except grpc.RpcError as error:
            return _grpc_failure(error, endpoint, headers, self._has_delivered)
        except OSError as error:
            return _unusable_files(endpoint, error)
        except Exception as error:  # its text can contain a header, often a key
            return Delivery("refused", type(error).__name__)
        self._has_delivered = True
        return read_success(answer or b"")  # gRPC returns None for a success whose message breaks off

    def _open(self, grpc: Any) -> Any:
        endpoint = self._endpoint
        compression = grpc.Compression.Gzip if endpoint.gzip else grpc.Compression.NoCompression
        options: list[tuple[str, Any]] = [("grpc.primary_user_agent", USER_AGENT)]
        if is_here(endpoint.url):
            options.append(("grpc.enable_http_proxy", 0))
        if endpoint.client_certificate:  # so that a replaced certificate is not used on the connection from before
            options.append(("grpc.use_local_subchannel_pool", 1))
        if endpoint.insecure:
            return grpc.insecure_channel(endpoint.url, options, compression=compression)
        certificate = endpoint.client_certificate
        # Both or neither, since gRPC ends the process if one is missing. As over HTTP, one file can hold both.
        key = certificate and (endpoint.client_key or certificate)
        credentials = grpc.ssl_channel_credentials(_pem(endpoint.certificate), _pem(key), _pem(certificate))
        return grpc.secure_channel(endpoint.url, credentials, options, compression=compression)

    def forget(self) -> None:
        """Drop the parent's channel without closing it."""
        self._channel = None

    def close(self) -> None:
        """Close the channel."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


_BEFORE_PAGE = codecs.BOM_UTF8 + b" \t\r\n"


def read_success(answer: bytes) -> Delivery:
    """Read the answer to an accepted request (OTLP specification, "Partial Success").

    The responses for logs and metrics are the same on the wire. The Collector's empty response has two bytes. Some
    receivers answer in JSON or with a text such as "ok"; only a page comes from another server.
    """
    if len(answer) <= 2:
        return Delivery("delivered")
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    try:
        partial = ExportLogsServiceResponse.FromString(answer).partial_success
    except Exception:  # not OTLP in protobuf
        is_page = answer.lstrip(_BEFORE_PAGE).startswith(b"<")  # the type does not decide: Flask's "ok" is text/html
        return foreign_answer(answer) if is_page else Delivery("delivered")
    rejected = max(0, partial.rejected_log_records)
    message = "".join(letter if letter.isprintable() else " " for letter in partial.error_message[:_LONGEST_MESSAGE])
    return Delivery("delivered", message or ("it gave no reason" if rejected else ""), rejected=rejected)


def json_object(answer: bytes) -> dict[str, Any] | None:
    """Return a JSON object; None for another answer."""
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def foreign_answer(answer: bytes) -> Delivery:
    """Return the result of a request that another server than a receiver answered with success: no row arrived."""
    begin = answer[:40].decode("utf-8", "replace")
    return Delivery(
        "unreachable",
        "the answer is not the one of a receiver",
        fix=f"another server answers at this address, such as a proxy or a login page (its answer begins with "
        f"{begin!r}); set DRIFTLINE_ENDPOINT to the address of the receiver, or let these requests pass the proxy",
    )


def _grpc_failure(error: Any, endpoint: Endpoint, headers: Mapping[str, str], has_delivered: bool) -> Delivery:
    code, details = error.code().name, str(error.details() or "")
    reason = f"{code} {details}".strip()
    if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return _denied(endpoint, headers, code, details, unknown=code == "UNAUTHENTICATED")
    if code == "UNIMPLEMENTED":
        return Delivery("unsupported", reason)
    if code == "UNAVAILABLE":
        is_connecting = "onnect" in details  # "failed to connect", "Connection refused"
        delivery = _unreachable(endpoint, reason, details, has_delivered=has_delivered and not is_connecting)
        if is_connecting or delivery.fix:
            return delivery
    after = retry_delay(error.trailing_metadata())
    return Delivery("retry", reason, after) if is_temporary(code, details, after) else Delivery("refused", reason)


def is_temporary(code: str, details: str, after: float | None) -> bool:
    """Return True if a request of gRPC is sent again.

    RESOURCE_EXHAUSTED is gRPC's 429. OTLP requests the client not to send again without a RetryInfo, but receivers at
    their limit of memory do not add one, and the rows would be lost. A message that is too large stays too large. An
    answer that breaks off refuses nothing.

    Args:
        code: Name of the status.
        details: Message of the status.
        after: Seconds that the receiver requests; None without a request.

    >>> is_temporary("RESOURCE_EXHAUSTED", "busy", None), is_temporary("INVALID_ARGUMENT", "", None)
    (True, False)
    >>> is_temporary("RESOURCE_EXHAUSTED", "grpc: received message larger than max (5000000 vs. 4194304)", None)
    False
    """
    low = details.lower()
    if after is None and any(words in low for words in _TOO_LARGE):
        return False
    return code in _RETRYABLE_CODES or (code in ("INTERNAL", "UNKNOWN") and any(words in low for words in _BROKEN))


def _unanswered(endpoint: Endpoint, error: Exception, has_delivered: bool) -> Delivery:
    """Return the result of an HTTP request without a status in the answer."""
    import requests

    if isinstance(error, requests.exceptions.Timeout):
        return Delivery("retry", type(error).__name__)
    if isinstance(error, requests.exceptions.ConnectionError):
        has_delivered &= not isinstance(error, requests.exceptions.SSLError)
        reason = f"{type(error).__name__}: {innermost(error)}"
        return _unreachable(endpoint, reason, error, has_delivered=has_delivered)
    if isinstance(error, requests.exceptions.InvalidHeader | UnicodeError):  # its text contains the header, often a key
        where = f"OTEL_EXPORTER_OTLP_{endpoint.signal.upper()}_HEADERS or OTEL_EXPORTER_OTLP_HEADERS"
        return Delivery("refused", f"{type(error).__name__} in {where}")
    if isinstance(error, OSError) and not isinstance(error, requests.exceptions.RequestException):
        return _unusable_files(endpoint, error)
    return Delivery("refused", f"{type(error).__name__}: {error}")  # a wrong URL: a retry cannot succeed


def _unreachable(endpoint: Endpoint, reason: str, error: BaseException | str, *, has_delivered: bool) -> Delivery:
    """Return the result of a request that reached no receiver, with the fix if the error has a known cause.

    ``has_delivered``: whether an earlier request arrived, so that the settings of TLS and of the protocol are correct.
    """
    certified = bool(endpoint.client_certificate)
    failure = failure_of(error, encrypted=endpoint.encrypted, certified=certified)
    if failure is None or (has_delivered and not failure.may_pass):
        return Delivery("unreachable", reason, nothing_listens=is_refused(error))
    if failure.kind == "encrypted" and endpoint.protocol == "http" and urlsplit(endpoint.url).port == _GRPC_PORT:
        failure = ConnectionFailure("grpc")  # some servers of gRPC also close the connection without an answer
    fix = failure.sentence(endpoint.variables("CERTIFICATE"), endpoint.variables("CLIENT_CERTIFICATE", "CLIENT_KEY"))
    return Delivery("unreachable", reason, fix=fix, may_pass=failure.may_pass)


def _unusable_files(endpoint: Endpoint, error: OSError) -> Delivery:
    """Return the result of a request whose certificates cannot be read; they may be there later."""
    text = f"{error.strerror}: {error.filename}" if error.filename else str(error)
    variable = endpoint.variables("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
    return Delivery("unreachable", type(error).__name__, fix=f"a certificate cannot be used ({text}); check {variable}")


def _denied(endpoint: Endpoint, headers: Mapping[str, str], reason: str, message: str, *, unknown: bool) -> Delivery:
    """Return the result of a request that its sender may not make, with the fix."""
    token = any(name.lower() == "authorization" for name in headers)
    if not unknown:
        fix = "the token lacks a capability; ask the operator to add it under auth"
    elif token:
        fix = f"the token is unknown or was replaced; put the new one into {_token_place(endpoint)}"
    else:
        fix = (
            "a token is required; set DRIFTLINE_TOKEN_FILE to its file, or "
            f"OTEL_EXPORTER_OTLP_{endpoint.signal.upper()}_HEADERS to 'authorization=Bearer%20TOKEN'"
        )
    return Delivery("refused", ": ".join(filter(None, (reason, message))), fix=fix, denied=True)


def _token_place(endpoint: Endpoint) -> str:
    has_header = any(name.lower() == "authorization" for name in endpoint.headers)
    return f"{endpoint.variables('HEADERS')} and restart" if has_header else f"the file {endpoint.token_file}"


def _message(body: bytes) -> str:
    """Return the sentence of an answer that is an error, in protobuf or JSON; "" without."""
    text = ""
    with contextlib.suppress(Exception):  # an answer of another program
        if body[:1] == b"{":
            text = str(json.loads(body)["error"])
        elif body:
            from google.rpc.status_pb2 import Status

            text = str(Status.FromString(body).message)
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_MESSAGE])


def _stamps(endpoint: Endpoint) -> list[float | None]:
    """Return what changes when the certificates are replaced."""
    stamps: list[float | None] = []
    for path in filter(None, (endpoint.certificate, endpoint.client_certificate, endpoint.client_key)):
        try:
            stamps.append(os.stat(path).st_mtime)
        except OSError:
            stamps.append(None)
    return stamps


def retry_delay(trailing: Iterable[tuple[str, str | bytes]] | None) -> float | None:
    """Return the seconds of a RetryInfo, in the key of the specification or of Python's exporter; None without."""
    metadata = dict(trailing or ())
    details, bare = metadata.get("grpc-status-details-bin"), metadata.get("google.rpc.retryinfo-bin")
    if not details and not bare:
        return None
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    info = RetryInfo()
    with contextlib.suppress(Exception):  # details of another kind
        for detail in Status.FromString(details).details if details else ():
            if detail.Unpack(info):
                return float(info.retry_delay.ToNanoseconds() / 1e9)
        if bare:
            return float(RetryInfo.FromString(bare).retry_delay.ToNanoseconds() / 1e9)
    return None


def _pem(path: str) -> bytes | None:
    """Return the content of a PEM file; raises ``OSError`` if it is none: gRPC ends the process if it is empty."""
    if not path:
        return None
    with open(path, "rb") as file:
        content = file.read()
    if b"-----BEGIN " not in content:
        raise OSError(errno.EINVAL, "not a PEM file", path)
    return content


SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two attempts of the background thread: after the first failure, and at most."""
SHORTEST_AFTER, LONGEST_AFTER = 0.25, 300.0
"""Limits in seconds of the pause that a receiver can request."""
FLUSH_PAUSES = (0.25, 0.5, 1.0)
"""Seconds between the attempts of a flush, whose caller waits; the last one repeats."""
TEMPORARY: frozenset[State] = frozenset(("unreachable", "retry", "unsupported"))
"""States after which another attempt may succeed."""
BUSY: frozenset[State] = frozenset(("retry",))
"""States in which a reachable receiver asks for another attempt."""


class Backoff:
    """The pauses between attempts: 1, 2, 4, ... 30 seconds, or the pause that the receiver requests.

    >>> backoff = Backoff()
    >>> backoff.fail(); backoff.fail(); backoff.pause
    2.0
    >>> backoff.succeed(); backoff.seconds()
    0.0
    """

    def __init__(self) -> None:
        self.pause = 0.0
        self._until = 0.0  # monotonic seconds

    def fail(self, after: float | None = None) -> None:
        """Set the next, longer pause.

        Args:
            after: Seconds that the receiver requests; None without a request.
        """
        self.pause = next_pause(self.pause, SHORTEST_PAUSE, LONGEST_PAUSE)
        self._until = time.monotonic() + (
            self.pause if after is None else min(max(SHORTEST_AFTER, after), LONGEST_AFTER)
        )

    def succeed(self) -> None:
        """Reset the pause to the shortest one."""
        self.pause = self._until = 0.0

    def skip(self) -> None:
        """Allow the next attempt immediately."""
        self._until = 0.0

    def seconds(self) -> float:
        """Return the seconds until the next attempt."""
        return max(0.0, self._until - time.monotonic())


def attempt_until(
    deadline: float,
    attempt: Callable[[], Delivery | None],
    states: Collection[State],
    sleep: Callable[[float], object] = time.sleep,
) -> Delivery | None:
    """Call ``attempt`` until it succeeds, fails permanently, or the deadline leaves no time for another attempt.

    ``deadline``: monotonic seconds. ``states``: the states after which it is called again. Returns the last failure.

    >>> answers = [Delivery("retry", "503"), None]
    >>> attempt_until(time.monotonic() + 60, lambda: answers.pop(0), TEMPORARY, sleep=print)
    0.25
    """
    pauses = list(FLUSH_PAUSES)
    while (failure := attempt()) is not None and failure.state in states:
        pause = pauses.pop(0) if len(pauses) > 1 else pauses[0]
        pause = pause if failure.after is None else max(SHORTEST_AFTER, failure.after)
        if time.monotonic() + pause >= deadline:
            break
        sleep(pause)
    return failure
