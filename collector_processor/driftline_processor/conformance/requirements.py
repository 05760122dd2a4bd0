"""The sentences of the OTLP specification about receivers, each with its check or the reason why it has none.

A requirement is one sentence and one transport. Sentences that are only about clients are not requirements here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

from msgspec import Struct

from .endpoint import Answer, Transport
from .messages import LOGS, MEDIA, MIB, SIGNALS, TRACES, UNUSABLE, Encoding, Request, Requests, Signal

SPECIFICATION = "https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/docs/specification.md"

Level = Literal["MUST", "SHOULD", "other"]
"""``other``: a sentence without a keyword, which defines the format or recommends in lower case."""

Outcome = Literal["pass", "fail", "not observed"]

RECOMMENDED_LIMIT = 64
"""MiB that the specification recommends as the limit of a request."""

CONCURRENT = 8
"""Requests that are sent at the same time."""

_MOST_SHOWN = 2
"""Different answers of a kept rule that are shown with their messages."""

_RETRYABLE = ("429", "502", "503", "504")


class Observation(Struct, frozen=True):
    """The result of a check.

    Attributes:
        outcome: Whether the endpoint keeps the sentence.
        sent: What was sent.
        received: What came back; for a failure, only the answers that break the sentence.
    """

    outcome: Outcome
    sent: str
    received: str


class Subject:
    """What the checks of one transport use: the transport, the signals of the endpoint, and the common answers."""

    def __init__(self, transport: Transport, requests: Requests, over_limit: int = 0) -> None:
        """Send one valid request per signal.

        Args:
            transport: The transport.
            requests: Makes the requests.
            over_limit: MiB that exceed the limit of the endpoint; 0 = no large request is sent.
        """
        self.transport = transport
        self.requests = requests
        self.over_limit = over_limit
        first = transport.send_all([requests.valid(signal) for signal in SIGNALS])
        self.valid = [answer for answer in first if answer.code not in ("404", "UNIMPLEMENTED")]
        """The answers to a valid request in protobuf, for the signals of the endpoint; no signal is mandatory."""
        self.signals: list[Signal] = [answer.request.signal for answer in self.valid]

    @cached_property
    def json(self) -> list[Answer]:
        """The answers to a valid request per signal, in JSON; empty if the endpoint accepts no JSON."""
        answers = self.transport.send_all([self.requests.valid(signal, "JSON") for signal in self.signals])
        return answers if any(answer.succeeded for answer in answers) else []

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """The encodings that the endpoint accepts over HTTP."""
        return ("protobuf", "JSON") if self.json else ("protobuf",)

    @cached_property
    def undecodable(self) -> list[Answer]:
        """The answers of HTTP to what cannot be decoded."""
        wanted = [self.requests.undecodable(self.signals[0], encoding) for encoding in self.encodings]
        return self.transport.send_all([*wanted, self.requests.damaged(self.signals[0])])

    @cached_property
    def failures(self) -> list[Answer]:
        """The answers of HTTP that are errors."""
        answers = [*self.undecodable, *self.transport.send_all(self.requests.misdirected(self.signals[0]))]
        return [answer for answer in answers if not answer.succeeded]

    @cached_property
    def unusable(self) -> list[Answer]:
        """The answers to requests of which a part may be rejected."""
        parts = {
            "traces": [self.requests.without_ids(), self.requests.mistimed(TRACES)],
            "metrics": [self.requests.without_values()],
            "logs": [self.requests.mistimed(LOGS)],
        }
        return self.transport.send_all([request for signal in self.signals for request in parts[signal.name]])

    @property
    def rejecting(self) -> list[Answer]:
        """Those of ``unusable`` with a number of rejected items."""
        return [answer for answer in self.unusable if answer.rejected > 0]


Check = Callable[[Subject], Observation]


class Requirement(Struct, frozen=True, kw_only=True):
    """A sentence of the specification.

    Attributes:
        name: Name, unique; its first part is the transport, ``http`` or ``grpc``, or ``otlp`` for both.
        level: The keyword.
        section: Headings that lead to the sentence.
        anchor: Fragment of the section's link.
        sentence: The words of the specification, without links.
        check: Returns what is observed; None if nothing can be.
        reason: Why nothing can be observed from outside; "" if there is a check.
    """

    name: str
    level: Level
    section: str
    anchor: str
    sentence: str
    check: Check | None = None
    reason: str = ""

    @property
    def link(self) -> str:
        """URL of the section."""
        return f"{SPECIFICATION}#{self.anchor}"

    @property
    def transport(self) -> str:
        """``http``, ``grpc``, or ``otlp`` for both."""
        return self.name.partition(".")[0]


def every(answers: Sequence[Answer], keeps: Callable[[Answer], bool], nothing: str = "") -> Observation:
    """Observe a rule that each answer must keep.

    Args:
        answers: The answers.
        keeps: Whether an answer keeps the rule.
        nothing: Why there are no answers, for that case.
    """
    if not answers:
        return Observation("not observed", "", nothing)
    broken = [answer for answer in answers if not keeps(answer)]
    named = [f"{answer.request.words}: {answer}" if len(answers) > 1 else str(answer) for answer in broken]
    shown = dict.fromkeys(named or map(str, answers))
    if not broken and len(shown) > _MOST_SHOWN:
        shown = dict.fromkeys(f"{answer.code} {answer.media}".strip() for answer in answers)
    return Observation("fail" if broken else "pass", _listed(answers), "; ".join(shown))


def _listed(answers: Sequence[Answer]) -> str:
    """Return what was sent; signals of which the same was sent are named together."""
    signals: dict[str, list[str]] = {}
    for request in (answer.request for answer in answers):
        before, name, after = request.words.rpartition(request.signal.name)
        signals.setdefault(f"{before}{{}}{after}" if name else after, []).append(name)
    return "; ".join(words.replace("{}", ", ".join(names)) for words, names in signals.items())


# -- rules of one answer ------------------------------------------------------------------------------------------


def _succeeds(answer: Answer) -> bool:
    return answer.succeeded


def _is_200(answer: Answer) -> bool:
    return answer.code == "200"


def _is_response(answer: Answer) -> bool:
    return answer.is_response


def _is_unset_or_warning(answer: Answer) -> bool:
    return answer.warning is None or _is_warning(answer)


def _is_warning(answer: Answer) -> bool:
    return answer.rejected == 0 and bool(answer.warning and answer.warning.strip())


def _has_media_of_request(answer: Answer) -> bool:
    return answer.media == MEDIA[answer.request.encoding]


def _has_status(answer: Answer) -> bool:
    return answer.status is not None and answer.body != b""


def _is_appropriate(answer: Answer) -> bool:
    return answer.is_response if answer.succeeded else _has_status(answer)


# -- checks of both transports ------------------------------------------------------------------------------------


def _accepts_valid(subject: Subject) -> Observation:
    return every(subject.valid, _succeeds)


def _accepts_unknown_field(subject: Subject) -> Observation:
    wanted = [subject.requests.unknown_field(signal) for signal in subject.signals]
    return every(subject.transport.send_all(wanted), _succeeds)


def _rejects_more_than_its_limit(subject: Subject) -> Observation:
    return every(_padded(subject, subject.over_limit), lambda answer: not answer.succeeded, _NO_LARGE)


def _accepts_recommended_size(subject: Subject) -> Observation:
    return every(_padded(subject, RECOMMENDED_LIMIT), _succeeds, _NO_LARGE)


def _padded(subject: Subject, size: int) -> list[Answer]:
    """Return the answers to a plain and a compressed request of so many MiB; none without a size over the limit."""
    if not subject.over_limit:
        return []
    padded, signal = subject.requests.padded, subject.signals[0]
    return subject.transport.send_all([padded(signal, size * MIB, compressed=gzip) for gzip in (False, True)])


def _partial(keeps: Callable[[Answer], bool]) -> Check:
    def check(subject: Subject) -> Observation:
        if subject.rejecting:
            return every(subject.rejecting, keeps)
        whole = every(subject.unusable, _succeeds)
        return Observation("not observed", whole.sent, f"no part was rejected: {whole.received}")

    return check


def _leaves_unset(answers: Sequence[Answer]) -> Observation:
    """Observe full successes; one with a warning is one, too."""
    accepted = [answer for answer in answers if answer.succeeded and answer.rejected <= 0]
    return every(accepted, _is_unset_or_warning, "no valid request was accepted")


def _warnings(subject: Subject) -> Observation:
    _ = subject.unusable
    answers = [answer for answer in subject.transport.answers if answer.succeeded and answer.rejected <= 0]
    # trace_service.proto: one that is empty is equivalent to none
    return every([one for one in answers if one.warning or one.rejected], _is_warning, "no response had a warning")


_NO_LARGE = "large requests are sent with --over-limit only"

_rejected_as_partial = _partial(_is_response)
_counts_rejected = _partial(lambda answer: answer.rejected == UNUSABLE)
_explains_rejected = _partial(lambda answer: bool(answer.warning))


# -- checks of gRPC -----------------------------------------------------------------------------------------------


def _grpc_gzip(subject: Subject) -> Observation:
    wanted = [subject.requests.valid(signal, compressed=True) for signal in subject.signals]
    return every(subject.transport.send_all(wanted), _succeeds)


def _grpc_is_exhausted(subject: Subject) -> Observation:
    return every(
        _padded(subject, subject.over_limit),
        lambda answer: answer.code == "RESOURCE_EXHAUSTED" and not answer.is_retryable,
        _NO_LARGE,
    )


def _grpc_concurrent(subject: Subject) -> Observation:
    wanted = [subject.requests.concurrent(subject.signals[0], number) for number in range(1, CONCURRENT + 1)]
    observed = every(subject.transport.send_together(wanted), _succeeds)
    return Observation(observed.outcome, f"{CONCURRENT} requests at the same time", observed.received)


def _grpc_appropriate(subject: Subject) -> Observation:
    bad = subject.transport.send(subject.requests.undecodable(subject.signals[0]))
    return every([*subject.valid, bad], lambda answer: answer.is_response if answer is not bad else not bad.succeeded)


def _grpc_empty(subject: Subject) -> Observation:
    return every(subject.transport.send_all([*map(subject.requests.empty, subject.signals)]), _succeeds)


def _grpc_responses(keeps: Callable[[Answer], bool]) -> Check:
    return lambda subject: every(subject.valid, keeps)


def _grpc_invalid_argument(subject: Subject) -> Observation:
    bad = subject.transport.send(subject.requests.undecodable(subject.signals[0]))
    return every([bad], lambda answer: answer.code == "INVALID_ARGUMENT")


# -- checks of HTTP -----------------------------------------------------------------------------------------------


def _http_gzip(subject: Subject) -> Observation:
    wanted = [subject.requests.valid(subject.signals[0], encoding, compressed=True) for encoding in subject.encodings]
    return every(subject.transport.send_all(wanted), _succeeds)


def _http_11(subject: Subject) -> Observation:
    observed = every(subject.valid[:1], _succeeds)
    return Observation(observed.outcome, f"{observed.sent}, over HTTP/1.1", observed.received)


def _http_is_too_large(subject: Subject) -> Observation:
    answered = [answer for answer in _padded(subject, subject.over_limit) if answer.code]
    nothing = "the endpoint closed the connection" if subject.over_limit else _NO_LARGE
    return every(answered, lambda answer: answer.code == "413", nothing)


def _http_valid(keeps: Callable[[Answer], bool], *encodings: Encoding) -> Check:
    """Return the check of the answers to valid requests in these encodings."""

    def check(subject: Subject) -> Observation:
        answers = [
            answer
            for answer in (*subject.valid, *subject.json)
            if not encodings or answer.request.encoding in encodings
        ]
        return every(answers, keeps, _NO_JSON)

    return check


def _http_media(*encodings: Encoding) -> Check:
    """Return the check of the Content-Type of successes and of failures; a failure without a body needs none."""

    def check(subject: Subject) -> Observation:
        answers = [*subject.valid, *subject.json, *(one for one in subject.undecodable if one.body)]
        return every([one for one in answers if one.request.encoding in encodings], _has_media_of_request, _NO_JSON)

    return check


def _http_json(*requests: Callable[[Requests], Request]) -> Check:
    """Return the check that spans in JSON are accepted."""

    def check(subject: Subject) -> Observation:
        wanted = (
            [request(subject.requests) for request in requests] if subject.json and TRACES in subject.signals else []
        )
        return every(subject.transport.send_all(wanted), _succeeds, _NO_JSON)

    return check


def _http_unknown_json_fields(subject: Subject) -> Observation:
    if not subject.json or TRACES not in subject.signals:
        return every([], _succeeds, _NO_JSON)
    without = subject.transport.send(subject.requests.valid(TRACES, "JSON"))
    answer = subject.transport.send(subject.requests.unknown_json_fields())
    return every([answer], lambda one: one.succeeded and (one.code, one.body) == (without.code, without.body))


def _http_appropriate(subject: Subject) -> Observation:
    return every([*subject.valid, *subject.json, *subject.failures], _is_appropriate)


def _http_empty(subject: Subject) -> Observation:
    wanted = [subject.requests.empty(signal, encoding) for encoding in subject.encodings for signal in subject.signals]
    return every(subject.transport.send_all(wanted), _succeeds)


def _http_failures(keeps: Callable[[Answer], bool]) -> Check:
    return lambda subject: every(subject.failures, keeps, "the endpoint accepted every bad request")


def _http_undecodable(keeps: Callable[[Answer], bool]) -> Check:
    return lambda subject: every(subject.undecodable, keeps)


def _http_accepts_json(subject: Subject) -> Observation:
    wanted = [subject.requests.valid(signal, "JSON") for signal in subject.signals]
    return every([*subject.valid, *subject.transport.send_all(wanted)], _succeeds)


_BOTH: tuple[Encoding, ...] = ("protobuf", "JSON")
_NO_JSON = "the endpoint accepts no spans as JSON"
_UPPER, _LOWER = "5B8EFFF798038103D269B633813FC60C", "5b8efff798038103d269b633813fc60c"


# -- the list -----------------------------------------------------------------------------------------------------

_CONFIGURATION = "the configuration of an endpoint cannot be seen from outside"
_RESPONSE_SIZE = "no small request makes an endpoint form a response of that size"
_OVERLOAD = "the suite does not overload an endpoint"
_FUTURE = "OTLP has no optional capability yet"


def _requirement(name: str, level: Level, section: tuple[str, str], sentence: str, check: Check | str) -> Requirement:
    headings, anchor = section
    known = {"check": None, "reason": check} if isinstance(check, str) else {"check": check, "reason": ""}
    return Requirement(name=name, level=level, section=headings, anchor=anchor, sentence=sentence, **known)


_DETAILS = ("Protocol Details", "protocol-details")
_GRPC_REQUEST = ("OTLP/gRPC Request", "otlpgrpc-request")
_GRPC_CONCURRENT = ("OTLP/gRPC Concurrent Requests", "otlpgrpc-concurrent-requests")
_GRPC_RESPONSE = ("OTLP/gRPC Response", "otlpgrpc-response")
_GRPC_FULL = ("OTLP/gRPC Response > Full Success", "full-success")
_GRPC_PARTIAL = ("OTLP/gRPC Response > Partial Success", "partial-success")
_GRPC_FAILURES = ("OTLP/gRPC Response > Failures", "failures")
_GRPC_THROTTLING = ("OTLP/gRPC Throttling", "otlpgrpc-throttling")
_HTTP_TRANSPORT = ("OTLP/HTTP", "otlphttp")
_BINARY = ("Binary Protobuf Encoding", "binary-protobuf-encoding")
_JSON = ("JSON Protobuf Encoding", "json-protobuf-encoding")
_HTTP_REQUEST = ("OTLP/HTTP Request", "otlphttp-request")
_HTTP_RESPONSE = ("OTLP/HTTP Response", "otlphttp-response")
_HTTP_FULL = ("OTLP/HTTP Response > Full Success", "full-success-1")
_HTTP_PARTIAL = ("OTLP/HTTP Response > Partial Success", "partial-success-1")
_HTTP_FAILURES = ("OTLP/HTTP Response > Failures", "failures-1")
_BAD_DATA = ("OTLP/HTTP Response > Bad Data", "bad-data")
_HTTP_THROTTLING = ("OTLP/HTTP Response > OTLP/HTTP Throttling", "otlphttp-throttling")
_CONNECTION = ("OTLP/HTTP Connection", "otlphttp-connection")
_FUTURE_VERSIONS = ("Future Versions and Interoperability", "future-versions-and-interoperability")

_COMPRESSION = (
    "All server components MUST support the following transport compression options: No compression, denoted by "
    "`none`. Gzip compression, denoted by `gzip`."
)
_UNSET = "The server MUST leave the `partial_success` field unset in case of a successful response."
_REASON = "The server SHOULD populate the `error_message` field with a human-readable error message in English."
_WARNING = (
    "In such cases, the `rejected_<signal>` field MUST have a value of `0`, and the `error_message` field MUST be "
    "non-empty."
)
_EMPTY = (
    "If the server receives an empty request (a request that does not carry any telemetry data) the server SHOULD "
    "respond with success."
)
_CONFIGURABLE = "Implementations SHOULD allow this limit to be configured."
_REDUCE = (
    "For a Partial Success response that would otherwise exceed the limit, the server SHOULD reduce the response size "
    "without changing response semantics if it is possible and practical."
)
_VERSIONS = (
    "When possible, the interoperability MUST be ensured between all versions of OTLP that are not declared obsolete."
)

REQUIREMENTS: tuple[Requirement, ...] = (
    _requirement("grpc.none", "MUST", _DETAILS, _COMPRESSION, _accepts_valid),
    _requirement("grpc.gzip", "MUST", _DETAILS, _COMPRESSION, _grpc_gzip),
    _requirement(
        "grpc.request-limit",
        "MUST",
        _GRPC_REQUEST,
        "The server MUST enforce a message size limit when receiving the request, including after decompression, to "
        "mitigate possible excessive memory usage caused by a misconfigured or malicious client sending an oversized "
        "request.",
        _rejects_more_than_its_limit,
    ),
    _requirement(
        "grpc.request-limit.default",
        "SHOULD",
        _GRPC_REQUEST,
        "However, it is RECOMMENDED to use 64 MiB as the default limit.",
        _accepts_recommended_size,
    ),
    _requirement("grpc.request-limit.configurable", "SHOULD", _GRPC_REQUEST, _CONFIGURABLE, _CONFIGURATION),
    _requirement(
        "grpc.request-limit.code",
        "MUST",
        _GRPC_REQUEST,
        "If the limit is exceeded, the gRPC server implementations MUST report a `RESOURCE_EXHAUSTED` code as a "
        "non-retryable error.",
        _grpc_is_exhausted,
    ),
    _requirement(
        "grpc.concurrent",
        "SHOULD",
        _GRPC_CONCURRENT,
        "The implementations that need to achieve high throughput SHOULD support concurrent Unary calls to achieve "
        "higher throughput.",
        _grpc_concurrent,
    ),
    _requirement(
        "grpc.concurrent.configurable",
        "SHOULD",
        _GRPC_CONCURRENT,
        "The number of concurrent requests SHOULD be configurable.",
        _CONFIGURATION,
    ),
    _requirement(
        "grpc.response",
        "MUST",
        _GRPC_RESPONSE,
        "The response MUST be the appropriate message (see below for the specific message to use in the Full Success, "
        "Partial Success and Failure cases).",
        _grpc_appropriate,
    ),
    _requirement(
        "grpc.response-limit",
        "MUST",
        _GRPC_RESPONSE,
        "The server MUST limit the size of the response message, including before compression, to avoid overwhelming "
        "the client.",
        _RESPONSE_SIZE,
    ),
    _requirement(
        "grpc.response-limit.default",
        "SHOULD",
        _GRPC_RESPONSE,
        "It is RECOMMENDED to use 4 MiB as the default limit.",
        _RESPONSE_SIZE,
    ),
    _requirement("grpc.response-limit.configurable", "SHOULD", _GRPC_RESPONSE, _CONFIGURABLE, _CONFIGURATION),
    _requirement("grpc.response-limit.reduced", "SHOULD", _GRPC_RESPONSE, _REDUCE, _RESPONSE_SIZE),
    _requirement(
        "grpc.response-limit.code",
        "MUST",
        _GRPC_RESPONSE,
        "If the response still cannot fit within the limit, the server MUST fail the request with the "
        "`RESOURCE_EXHAUSTED` code as a non-retryable error.",
        _RESPONSE_SIZE,
    ),
    _requirement("grpc.empty", "SHOULD", _GRPC_FULL, _EMPTY, _grpc_empty),
    _requirement(
        "grpc.success.message",
        "MUST",
        _GRPC_FULL,
        r"On success, the server response MUST be a Export\<signal>ServiceResponse message "
        "(`ExportTraceServiceResponse` for traces, `ExportMetricsServiceResponse` for metrics, "
        "`ExportLogsServiceResponse` for logs and `ExportProfilesServiceResponse` for profiles).",
        _grpc_responses(_is_response),
    ),
    _requirement("grpc.success.unset", "MUST", _GRPC_FULL, _UNSET, lambda subject: _leaves_unset(subject.valid)),
    _requirement(
        "grpc.partial.message",
        "MUST",
        _GRPC_PARTIAL,
        "If the request is only partially accepted (i.e. when the server accepts only parts of the data and rejects "
        r"the rest), the server response MUST be the same Export\<signal>ServiceResponse message as in the Full "
        "Success case.",
        _rejected_as_partial,
    ),
    _requirement(
        "grpc.partial.count",
        "MUST",
        _GRPC_PARTIAL,
        "Additionally, the server MUST initialize the `partial_success` field (`ExportTracePartialSuccess` message for "
        "traces, `ExportMetricsPartialSuccess` message for metrics, `ExportLogsPartialSuccess` message for logs and "
        "`ExportProfilesPartialSuccess` for profiles), and it MUST set the respective `rejected_spans`, "
        "`rejected_data_points`, `rejected_log_records` or `rejected_profiles` field with the number of spans/data "
        "points/log records/profiles it rejected.",
        _counts_rejected,
    ),
    _requirement("grpc.partial.reason", "SHOULD", _GRPC_PARTIAL, _REASON, _explains_rejected),
    _requirement("grpc.partial.warning", "MUST", _GRPC_PARTIAL, _WARNING, _warnings),
    _requirement(
        "grpc.failure.retryable",
        "SHOULD",
        _GRPC_FAILURES,
        "The server SHOULD indicate retryable errors using code Unavailable and MAY supply additional details via "
        "status using RetryInfo.",
        _OVERLOAD,
    ),
    _requirement(
        "grpc.failure.permanent",
        "other",
        _GRPC_FAILURES,
        "To indicate non-retryable errors, the server is recommended to use code InvalidArgument and MAY supply "
        "additional details via status using BadRequest.",
        _grpc_invalid_argument,
    ),
    _requirement(
        "grpc.throttling.signal",
        "SHOULD",
        _GRPC_THROTTLING,
        "If the server is unable to keep up with the pace of data it receives from the client then it SHOULD signal "
        "that fact to the client.",
        _OVERLOAD,
    ),
    _requirement(
        "grpc.throttling.code",
        "SHOULD",
        _GRPC_THROTTLING,
        "To signal backpressure when using gRPC transport, the server SHOULD return an error with code Unavailable and "
        "MAY supply additional details via status using RetryInfo.",
        _OVERLOAD,
    ),
    _requirement(
        "grpc.throttling.delay",
        "SHOULD",
        _GRPC_THROTTLING,
        "The server SHOULD choose a `retry_delay` value that is big enough to give the server time to recover yet is "
        "not too big to cause the client to drop data while being throttled.",
        _OVERLOAD,
    ),
    _requirement("grpc.versions", "MUST", _FUTURE_VERSIONS, _VERSIONS, _accepts_unknown_field),
    _requirement("http.none", "MUST", _DETAILS, _COMPRESSION, _accepts_valid),
    _requirement("http.gzip", "MUST", _DETAILS, _COMPRESSION, _http_gzip),
    _requirement(
        "http.1.1",
        "SHOULD",
        _HTTP_TRANSPORT,
        "Implementations that use HTTP/2 transport SHOULD fallback to HTTP/1.1 transport if HTTP/2 connection cannot "
        "be established.",
        _http_11,
    ),
    _requirement(
        "http.protobuf.media",
        "MUST",
        _BINARY,
        'The client and the server MUST set "Content-Type: application/x-protobuf" request and response headers when '
        "sending binary Protobuf encoded payload.",
        _http_valid(_has_media_of_request, "protobuf"),
    ),
    _requirement(
        "http.json.ids",
        "other",
        _JSON,
        "The `traceId` and `spanId` byte arrays are represented as case-insensitive hex-encoded strings; they are not "
        "base64-encoded as is defined in the standard Protobuf JSON Mapping.",
        _http_json(
            lambda requests: requests.json_span("traceId in upper case", traceId=_UPPER),
            lambda requests: requests.json_span("traceId in lower case", traceId=_LOWER),
        ),
    ),
    _requirement(
        "http.json.enums",
        "MUST",
        _JSON,
        "Values of enum fields MUST be encoded as integer values.",
        _http_json(lambda requests: requests.json_span("kind as an integer", kind=3)),
    ),
    _requirement(
        "http.json.enum-names",
        "MUST",
        _JSON,
        "Unlike the standard Protobuf JSON Mapping, which allows values of enum fields to be encoded as either integer "
        "values or as enum name strings, only integer enum values are allowed in OTLP JSON Protobuf Encoding; the enum "
        "name strings MUST NOT be used.",
        "responses have no enum fields, and a receiver may accept what a client must not send",
    ),
    _requirement(
        "http.json.unknown",
        "MUST",
        _JSON,
        "OTLP/JSON receivers MUST ignore message fields with unknown names and MUST unmarshal the message as if the "
        "unknown field was not present in the payload.",
        _http_unknown_json_fields,
    ),
    _requirement(
        "http.json.integers",
        "other",
        _JSON,
        "Note that according to Protobuf specs 64-bit integer numbers in JSON-encoded payloads are encoded as decimal "
        "strings, and either numbers or strings are accepted when decoding.",
        _http_json(lambda requests: requests.json_times(int), lambda requests: requests.json_times(str)),
    ),
    _requirement(
        "http.json.media",
        "MUST",
        _JSON,
        'The client and the server MUST set "Content-Type: application/json" request and response headers when sending '
        "JSON Protobuf encoded payload.",
        _http_valid(_has_media_of_request, "JSON"),
    ),
    _requirement(
        "http.request-limit",
        "MUST",
        _HTTP_REQUEST,
        "The server MUST limit the size of the request body when parsing it, including after decompression, to "
        "mitigate possible excessive memory usage caused by a misconfigured or malicious client sending an oversized "
        "request.",
        _rejects_more_than_its_limit,
    ),
    _requirement(
        "http.request-limit.default",
        "SHOULD",
        _HTTP_REQUEST,
        "It is RECOMMENDED to use 64 MiB as the default limit.",
        _accepts_recommended_size,
    ),
    _requirement("http.request-limit.configurable", "SHOULD", _HTTP_REQUEST, _CONFIGURABLE, _CONFIGURATION),
    _requirement(
        "http.request-limit.code",
        "MUST",
        _HTTP_REQUEST,
        "If the limit is exceeded, the server MUST respond with `HTTP 413 Content Too Large`.",
        _http_is_too_large,
    ),
    _requirement(
        "http.response",
        "MUST",
        _HTTP_RESPONSE,
        "The response body MUST be the appropriate serialized Protobuf message (see below for the specific message to "
        "use in the Full Success, Partial Success and Failure cases).",
        _http_appropriate,
    ),
    _requirement(
        "http.response-limit",
        "MUST",
        _HTTP_RESPONSE,
        "The server MUST limit the size of the response body, including before compression, to avoid overwhelming the "
        "client.",
        _RESPONSE_SIZE,
    ),
    _requirement(
        "http.response-limit.default",
        "SHOULD",
        _HTTP_RESPONSE,
        "It is RECOMMENDED to use 4 MiB as the default limit.",
        _RESPONSE_SIZE,
    ),
    _requirement("http.response-limit.configurable", "SHOULD", _HTTP_RESPONSE, _CONFIGURABLE, _CONFIGURATION),
    _requirement("http.response-limit.reduced", "SHOULD", _HTTP_RESPONSE, _REDUCE, _RESPONSE_SIZE),
    _requirement(
        "http.response-limit.code",
        "MUST",
        _HTTP_RESPONSE,
        "If the response still cannot fit within the limit, the server MUST fail the request with `HTTP 500 Internal "
        "Server Error`.",
        _RESPONSE_SIZE,
    ),
    _requirement(
        "http.response.protobuf",
        "MUST",
        _HTTP_RESPONSE,
        'The server MUST set "Content-Type: application/x-protobuf" header if the response body is binary-encoded '
        "Protobuf payload.",
        _http_media("protobuf"),
    ),
    _requirement(
        "http.response.json",
        "MUST",
        _HTTP_RESPONSE,
        'The server MUST set "Content-Type: application/json" if the response is JSON-encoded Protobuf payload.',
        _http_media("JSON"),
    ),
    _requirement(
        "http.response.media",
        "MUST",
        _HTTP_RESPONSE,
        'The server MUST use the same "Content-Type" in the response as it received in the request.',
        _http_media("protobuf", "JSON"),
    ),
    _requirement("http.empty", "SHOULD", _HTTP_FULL, _EMPTY, _http_empty),
    _requirement(
        "http.success.status",
        "MUST",
        _HTTP_FULL,
        "On success, the server MUST respond with `HTTP 200 OK`.",
        _http_valid(_is_200, *_BOTH),
    ),
    _requirement(
        "http.success.message",
        "MUST",
        _HTTP_FULL,
        r"The response body MUST be a Protobuf-encoded Export\<signal>ServiceResponse message "
        "(`ExportTraceServiceResponse` for traces, `ExportMetricsServiceResponse` for metrics, "
        "`ExportLogsServiceResponse` for logs and `ExportProfilesServiceResponse` for profiles).",
        _http_valid(_is_response, *_BOTH),
    ),
    _requirement(
        "http.success.unset", "MUST", _HTTP_FULL, _UNSET, lambda subject: _leaves_unset([*subject.valid, *subject.json])
    ),
    _requirement(
        "http.partial.status",
        "MUST",
        _HTTP_PARTIAL,
        "If the request is only partially accepted (i.e. when the server accepts only parts of the data and rejects "
        "the rest), the server MUST respond with `HTTP 200 OK`.",
        _partial(_is_200),
    ),
    _requirement(
        "http.partial.message",
        "MUST",
        _HTTP_PARTIAL,
        r"The response body MUST be the same Export\<signal>ServiceResponse message as in the Full Success case.",
        _rejected_as_partial,
    ),
    _requirement(
        "http.partial.count",
        "MUST",
        _HTTP_PARTIAL,
        "Additionally, the server MUST initialize the `partial_success` field (`ExportTracePartialSuccess` message for "
        "traces, `ExportMetricsPartialSuccess` message for metrics, `ExportLogsPartialSuccess` message for logs and "
        "`ExportProfilesPartialSuccess` for profiles), and it MUST set the respective `rejected_spans`, "
        "`rejected_data_points`, `rejected_log_records` or `rejected_profiles` field with the number of spans/data "
        "points/log records it rejected.",
        _counts_rejected,
    ),
    _requirement("http.partial.reason", "SHOULD", _HTTP_PARTIAL, _REASON, _explains_rejected),
    _requirement("http.partial.warning", "MUST", _HTTP_PARTIAL, _WARNING, _warnings),
    _requirement(
        "http.failure.status",
        "MUST",
        _HTTP_FAILURES,
        "If the processing of the request fails, the server MUST respond with appropriate `HTTP 4xx` or `HTTP 5xx` "
        "status code.",
        _http_undecodable(lambda answer: answer.code[:1] in ("4", "5")),
    ),
    _requirement(
        "http.failure.message",
        "MUST",
        _HTTP_FAILURES,
        "The response body for all `HTTP 4xx` and `HTTP 5xx` responses MUST be a Protobuf-encoded Status message that "
        "describes the problem.",
        _http_failures(_has_status),
    ),
    _requirement(
        "http.failure.reason",
        "SHOULD",
        _HTTP_FAILURES,
        "The `Status.message` field SHOULD contain a developer-facing error message as defined in `Status` message "
        "schema.",
        _http_failures(lambda answer: answer.status is not None and answer.status.message != ""),
    ),
    _requirement(
        "http.failure.permanent",
        "SHOULD",
        _HTTP_FAILURES,
        "The server SHOULD use HTTP response status codes to indicate retryable and non-retryable errors for a "
        "particular erroneous situation.",
        _http_failures(lambda answer: answer.code != "" and answer.code not in _RETRYABLE),
    ),
    _requirement(
        "http.bad-data.status",
        "MUST",
        _BAD_DATA,
        "If the processing of the request fails because the request contains data that cannot be decoded or is "
        "otherwise invalid and such failure is permanent, then the server MUST respond with `HTTP 400 Bad Request`.",
        _http_undecodable(lambda answer: answer.code == "400"),
    ),
    _requirement(
        "http.bad-data.details",
        "SHOULD",
        _BAD_DATA,
        "The `Status.details` field in the response SHOULD contain a BadRequest that describes the bad data.",
        _http_undecodable(lambda answer: answer.bad_request),
    ),
    _requirement(
        "http.throttling",
        "SHOULD",
        _HTTP_THROTTLING,
        "If the server receives more requests than the client is allowed or the server is overloaded, the server "
        "SHOULD respond with `HTTP 429 Too Many Requests` or `HTTP 503 Service Unavailable` and MAY include "
        '"Retry-After" header to indicate how long the client ought to wait before retrying.',
        _OVERLOAD,
    ),
    _requirement(
        "http.one-port",
        "SHOULD",
        _CONNECTION,
        "Server implementations SHOULD accept OTLP/HTTP with binary-encoded Protobuf payload and OTLP/HTTP with "
        "JSON-encoded Protobuf payload requests on the same port and multiplex the requests to the corresponding "
        'payload decoder based on the "Content-Type" request header.',
        _http_accepts_json,
    ),
    _requirement("http.versions", "MUST", _FUTURE_VERSIONS, _VERSIONS, _accepts_unknown_field),
    _requirement(
        "otlp.capabilities.discovery",
        "SHOULD",
        _FUTURE_VERSIONS,
        "Such capabilities SHOULD be discovered by client and server implementations after establishing the "
        "underlying transport.",
        _FUTURE,
    ),
    _requirement(
        "otlp.capabilities.mechanism",
        "SHOULD",
        _FUTURE_VERSIONS,
        "The exact discovery mechanism SHOULD be described in future OTEPs, which define the new capabilities and "
        "typically can be implemented by making a discovery request/response message exchange from the client to "
        "server.",
        _FUTURE,
    ),
    _requirement(
        "otlp.capabilities.adjustment",
        "MUST",
        _FUTURE_VERSIONS,
        "The implementation which supports a new, optional capability MUST adjust its behavior to match the "
        "expectation of a peer that does not support a particular capability.",
        _FUTURE,
    ),
)
"""All sentences about receivers, in the order of the specification, those of gRPC first."""

CHECKED = tuple(one for one in REQUIREMENTS if one.check is not None)
LEFT_OUT = tuple(one for one in REQUIREMENTS if one.check is None)
