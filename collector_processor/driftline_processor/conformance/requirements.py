"""The sentences of the OTLP specification about receivers, each with its check or the reason why it has none.

A requirement is one sentence and one transport. Sentences that are only about clients are not requirements here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from . import checks
from .checks import Check

SPECIFICATION = "https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/docs/specification.md"

Level = Literal["MUST", "SHOULD", "other"]


class Requirement(Struct, frozen=True, kw_only=True):
    """A sentence of the specification.

    Attributes:
        name: Name, unique; its first part is the transport, ``http`` or ``grpc``, or ``otlp`` for both.
        section: Headings that lead to the sentence.
        anchor: Fragment of the section's link.
        sentence: The words of the specification, without links.
        check: Returns what is observed; None if nothing can be.
        reason: Why nothing can be observed from outside; "" if there is a check.
    """

    name: str
    section: str
    anchor: str
    sentence: str
    check: Check | None = None
    reason: str = ""

    @property
    def level(self) -> Level:
        """The keyword; ``other`` without one: the sentence defines the format or recommends in lower case."""
        if "MUST" in self.sentence:
            return "MUST"
        return "SHOULD" if "SHOULD" in self.sentence or "RECOMMENDED" in self.sentence else "other"

    @property
    def link(self) -> str:
        """URL of the section."""
        return f"{SPECIFICATION}#{self.anchor}"

    @property
    def transport(self) -> str:
        """``http``, ``grpc``, or ``otlp`` for both."""
        return self.name.partition(".")[0]


_CONFIGURATION = "the configuration of an endpoint cannot be seen from outside"
_RESPONSE_SIZE = "no small request makes an endpoint form a response of that size"
_OVERLOAD = "the suite does not overload an endpoint"
_FUTURE = "OTLP has no optional capability yet"
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

_TRACE_ID = "5b8efff798038103d269b633813fc60c"
_RETRYABLE = ("429", "502", "503", "504")

_SECTIONS: Mapping[tuple[str, str], Mapping[str, tuple[str, Check | str]]] = {
    ("Protocol Details", "protocol-details"): {
        "grpc.none": (_COMPRESSION, checks.accepts_valid),
        "grpc.gzip": (_COMPRESSION, checks.grpc_gzip),
        "http.none": (_COMPRESSION, checks.accepts_valid),
        "http.gzip": (_COMPRESSION, checks.http_gzip),
    },
    ("OTLP/gRPC Request", "otlpgrpc-request"): {
        "grpc.request-limit": (
            "The server MUST enforce a message size limit when receiving the request, including after decompression, "
            "to mitigate possible excessive memory usage caused by a misconfigured or malicious client sending an "
            "oversized request.",
            checks.rejects_more_than_its_limit,
        ),
        "grpc.request-limit.default": (
            "However, it is RECOMMENDED to use 64 MiB as the default limit.",
            checks.accepts_recommended_size,
        ),
        "grpc.request-limit.configurable": (_CONFIGURABLE, _CONFIGURATION),
        "grpc.request-limit.code": (
            "If the limit is exceeded, the gRPC server implementations MUST report a `RESOURCE_EXHAUSTED` code as a "
            "non-retryable error.",
            checks.grpc_is_exhausted,
        ),
    },
    ("OTLP/gRPC Concurrent Requests", "otlpgrpc-concurrent-requests"): {
        "grpc.concurrent": (
            "The implementations that need to achieve high throughput SHOULD support concurrent Unary calls to "
            "achieve higher throughput.",
            checks.grpc_concurrent,
        ),
        "grpc.concurrent.configurable": ("The number of concurrent requests SHOULD be configurable.", _CONFIGURATION),
    },
    ("OTLP/gRPC Response", "otlpgrpc-response"): {
        "grpc.response": (
            "The response MUST be the appropriate message (see below for the specific message to use in the Full "
            "Success, Partial Success and Failure cases).",
            checks.grpc_appropriate,
        ),
        "grpc.response-limit": (
            "The server MUST limit the size of the response message, including before compression, to avoid "
            "overwhelming the client.",
            _RESPONSE_SIZE,
        ),
        "grpc.response-limit.default": ("It is RECOMMENDED to use 4 MiB as the default limit.", _RESPONSE_SIZE),
        "grpc.response-limit.configurable": (_CONFIGURABLE, _CONFIGURATION),
        "grpc.response-limit.reduced": (_REDUCE, _RESPONSE_SIZE),
        "grpc.response-limit.code": (
            "If the response still cannot fit within the limit, the server MUST fail the request with the "
            "`RESOURCE_EXHAUSTED` code as a non-retryable error.",
            _RESPONSE_SIZE,
        ),
    },
    ("OTLP/gRPC Response > Full Success", "full-success"): {
        "grpc.empty": (_EMPTY, checks.grpc_empty),
        "grpc.success.message": (
            r"On success, the server response MUST be a Export\<signal>ServiceResponse message "
            "(`ExportTraceServiceResponse` for traces, `ExportMetricsServiceResponse` for metrics, "
            "`ExportLogsServiceResponse` for logs and `ExportProfilesServiceResponse` for profiles).",
            checks.valid(checks.is_response),
        ),
        "grpc.success.unset": (_UNSET, lambda subject: checks.leaves_unset(subject.valid)),
    },
    ("OTLP/gRPC Response > Partial Success", "partial-success"): {
        "grpc.partial.message": (
            "If the request is only partially accepted (i.e. when the server accepts only parts of the data and "
            r"rejects the rest), the server response MUST be the same Export\<signal>ServiceResponse message as in the "
            "Full Success case.",
            checks.rejected_as_partial,
        ),
        "grpc.partial.count": (
            "Additionally, the server MUST initialize the `partial_success` field (`ExportTracePartialSuccess` "
            "message for traces, `ExportMetricsPartialSuccess` message for metrics, `ExportLogsPartialSuccess` "
            "message for logs and `ExportProfilesPartialSuccess` for profiles), and it MUST set the respective "
            "`rejected_spans`, `rejected_data_points`, `rejected_log_records` or `rejected_profiles` field with the "
            "number of spans/data points/log records/profiles it rejected.",
            checks.counts_rejected,
        ),
        "grpc.partial.reason": (_REASON, checks.explains_rejected),
        "grpc.partial.warning": (_WARNING, checks.warnings),
    },
    ("OTLP/gRPC Response > Failures", "failures"): {
        "grpc.failure.retryable": (
            "The server SHOULD indicate retryable errors using code Unavailable and MAY supply additional details via "
            "status using RetryInfo.",
            _OVERLOAD,
        ),
        "grpc.failure.permanent": (
            "To indicate non-retryable errors, the server is recommended to use code InvalidArgument and MAY supply "
            "additional details via status using BadRequest.",
            checks.grpc_invalid_argument,
        ),
    },
    ("OTLP/gRPC Throttling", "otlpgrpc-throttling"): {
        "grpc.throttling.signal": (
            "If the server is unable to keep up with the pace of data it receives from the client then it SHOULD "
            "signal that fact to the client.",
            _OVERLOAD,
        ),
        "grpc.throttling.code": (
            "To signal backpressure when using gRPC transport, the server SHOULD return an error with code "
            "Unavailable and MAY supply additional details via status using RetryInfo.",
            _OVERLOAD,
        ),
        "grpc.throttling.delay": (
            "The server SHOULD choose a `retry_delay` value that is big enough to give the server time to recover yet "
            "is not too big to cause the client to drop data while being throttled.",
            _OVERLOAD,
        ),
    },
    ("OTLP/HTTP", "otlphttp"): {
        "http.1.1": (
            "Implementations that use HTTP/2 transport SHOULD fallback to HTTP/1.1 transport if HTTP/2 connection "
            "cannot be established.",
            checks.http_11,
        ),
    },
    ("Binary Protobuf Encoding", "binary-protobuf-encoding"): {
        "http.protobuf.media": (
            'The client and the server MUST set "Content-Type: application/x-protobuf" request and response headers '
            "when sending binary Protobuf encoded payload.",
            checks.http_valid(checks.has_media_of_request, "protobuf"),
        ),
    },
    ("JSON Protobuf Encoding", "json-protobuf-encoding"): {
        "http.json.ids": (
            "The `traceId` and `spanId` byte arrays are represented as case-insensitive hex-encoded strings; they are "
            "not base64-encoded as is defined in the standard Protobuf JSON Mapping.",
            checks.http_json(
                lambda requests: requests.json_span("traceId in upper case", traceId=_TRACE_ID.upper()),
                lambda requests: requests.json_span("traceId in lower case", traceId=_TRACE_ID),
            ),
        ),
        "http.json.enums": (
            "Values of enum fields MUST be encoded as integer values.",
            checks.http_json(lambda requests: requests.json_span("kind as an integer", kind=3)),
        ),
        "http.json.enum-names": (
            "Unlike the standard Protobuf JSON Mapping, which allows values of enum fields to be encoded as either "
            "integer values or as enum name strings, only integer enum values are allowed in OTLP JSON Protobuf "
            "Encoding; the enum name strings MUST NOT be used.",
            "responses have no enum fields, and a receiver may accept what a client must not send",
        ),
        "http.json.unknown": (
            "OTLP/JSON receivers MUST ignore message fields with unknown names and MUST unmarshal the message as if "
            "the unknown field was not present in the payload.",
            checks.http_unknown_json_fields,
        ),
        "http.json.integers": (
            "Note that according to Protobuf specs 64-bit integer numbers in JSON-encoded payloads are encoded as "
            "decimal strings, and either numbers or strings are accepted when decoding.",
            checks.http_json(lambda requests: requests.json_times(int), lambda requests: requests.json_times(str)),
        ),
        "http.json.media": (
            'The client and the server MUST set "Content-Type: application/json" request and response headers when '
            "sending JSON Protobuf encoded payload.",
            checks.http_valid(checks.has_media_of_request, "JSON"),
        ),
    },
    ("OTLP/HTTP Request", "otlphttp-request"): {
        "http.request-limit": (
            "The server MUST limit the size of the request body when parsing it, including after decompression, to "
            "mitigate possible excessive memory usage caused by a misconfigured or malicious client sending an "
            "oversized request.",
            checks.rejects_more_than_its_limit,
        ),
        "http.request-limit.default": (
            "It is RECOMMENDED to use 64 MiB as the default limit.",
            checks.accepts_recommended_size,
        ),
        "http.request-limit.configurable": (_CONFIGURABLE, _CONFIGURATION),
        "http.request-limit.code": (
            "If the limit is exceeded, the server MUST respond with `HTTP 413 Content Too Large`.",
            checks.http_is_too_large,
        ),
    },
    ("OTLP/HTTP Response", "otlphttp-response"): {
        "http.response": (
            "The response body MUST be the appropriate serialized Protobuf message (see below for the specific "
            "message to use in the Full Success, Partial Success and Failure cases).",
            checks.http_appropriate,
        ),
        "http.response-limit": (
            "The server MUST limit the size of the response body, including before compression, to avoid overwhelming "
            "the client.",
            _RESPONSE_SIZE,
        ),
        "http.response-limit.default": ("It is RECOMMENDED to use 4 MiB as the default limit.", _RESPONSE_SIZE),
        "http.response-limit.configurable": (_CONFIGURABLE, _CONFIGURATION),
        "http.response-limit.reduced": (_REDUCE, _RESPONSE_SIZE),
        "http.response-limit.code": (
            "If the response still cannot fit within the limit, the server MUST fail the request with `HTTP 500 "
            "Internal Server Error`.",
            _RESPONSE_SIZE,
        ),
        "http.response.protobuf": (
            'The server MUST set "Content-Type: application/x-protobuf" header if the response body is binary-encoded '
            "Protobuf payload.",
            checks.http_media("protobuf"),
        ),
        "http.response.json": (
            'The server MUST set "Content-Type: application/json" if the response is JSON-encoded Protobuf payload.',
            checks.http_media("JSON"),
        ),
        "http.response.media": (
            'The server MUST use the same "Content-Type" in the response as it received in the request.',
            checks.http_media("protobuf", "JSON"),
        ),
    },
    ("OTLP/HTTP Response > Full Success", "full-success-1"): {
        "http.empty": (_EMPTY, checks.http_empty),
        "http.success.status": (
            "On success, the server MUST respond with `HTTP 200 OK`.",
            checks.http_valid(checks.is_200),
        ),
        "http.success.message": (
            r"The response body MUST be a Protobuf-encoded Export\<signal>ServiceResponse message "
            "(`ExportTraceServiceResponse` for traces, `ExportMetricsServiceResponse` for metrics, "
            "`ExportLogsServiceResponse` for logs and `ExportProfilesServiceResponse` for profiles).",
            checks.http_valid(checks.is_response),
        ),
        "http.success.unset": (_UNSET, lambda subject: checks.leaves_unset([*subject.valid, *subject.json])),
    },
    ("OTLP/HTTP Response > Partial Success", "partial-success-1"): {
        "http.partial.status": (
            "If the request is only partially accepted (i.e. when the server accepts only parts of the data and "
            "rejects the rest), the server MUST respond with `HTTP 200 OK`.",
            checks.partial(checks.is_200),
        ),
        "http.partial.message": (
            r"The response body MUST be the same Export\<signal>ServiceResponse message as in the Full Success case.",
            checks.rejected_as_partial,
        ),
        "http.partial.count": (
            "Additionally, the server MUST initialize the `partial_success` field (`ExportTracePartialSuccess` "
            "message for traces, `ExportMetricsPartialSuccess` message for metrics, `ExportLogsPartialSuccess` "
            "message for logs and `ExportProfilesPartialSuccess` for profiles), and it MUST set the respective "
            "`rejected_spans`, `rejected_data_points`, `rejected_log_records` or `rejected_profiles` field with the "
            "number of spans/data points/log records it rejected.",
            checks.counts_rejected,
        ),
        "http.partial.reason": (_REASON, checks.explains_rejected),
        "http.partial.warning": (_WARNING, checks.warnings),
    },
    ("OTLP/HTTP Response > Failures", "failures-1"): {
        "http.failure.status": (
            "If the processing of the request fails, the server MUST respond with appropriate `HTTP 4xx` or `HTTP "
            "5xx` status code.",
            checks.http_undecodable(lambda answer: answer.code[:1] in ("4", "5")),
        ),
        "http.failure.message": (
            "The response body for all `HTTP 4xx` and `HTTP 5xx` responses MUST be a Protobuf-encoded Status message "
            "that describes the problem.",
            checks.http_failures(checks.has_status),
        ),
        "http.failure.reason": (
            "The `Status.message` field SHOULD contain a developer-facing error message as defined in `Status` "
            "message schema.",
            checks.http_failures(lambda answer: answer.status is not None and answer.status.message != ""),
        ),
        "http.failure.permanent": (
            "The server SHOULD use HTTP response status codes to indicate retryable and non-retryable errors for a "
            "particular erroneous situation.",
            checks.http_failures(lambda answer: answer.code != "" and answer.code not in _RETRYABLE),
        ),
    },
    ("OTLP/HTTP Response > Bad Data", "bad-data"): {
        "http.bad-data.status": (
            "If the processing of the request fails because the request contains data that cannot be decoded or is "
            "otherwise invalid and such failure is permanent, then the server MUST respond with `HTTP 400 Bad "
            "Request`.",
            checks.http_undecodable(lambda answer: answer.code == "400"),
        ),
        "http.bad-data.details": (
            "The `Status.details` field in the response SHOULD contain a BadRequest that describes the bad data.",
            checks.http_undecodable(lambda answer: answer.bad_request),
        ),
    },
    ("OTLP/HTTP Response > OTLP/HTTP Throttling", "otlphttp-throttling"): {
        "http.throttling": (
            "If the server receives more requests than the client is allowed or the server is overloaded, the server "
            "SHOULD respond with `HTTP 429 Too Many Requests` or `HTTP 503 Service Unavailable` and MAY include "
            '"Retry-After" header to indicate how long the client ought to wait before retrying.',
            _OVERLOAD,
        ),
    },
    ("OTLP/HTTP Connection", "otlphttp-connection"): {
        "http.one-port": (
            "Server implementations SHOULD accept OTLP/HTTP with binary-encoded Protobuf payload and OTLP/HTTP with "
            "JSON-encoded Protobuf payload requests on the same port and multiplex the requests to the corresponding "
            'payload decoder based on the "Content-Type" request header.',
            checks.http_accepts_json,
        ),
    },
    ("Future Versions and Interoperability", "future-versions-and-interoperability"): {
        "grpc.versions": (_VERSIONS, checks.accepts_unknown_field),
        "http.versions": (_VERSIONS, checks.accepts_unknown_field),
        "otlp.capabilities.discovery": (
            "Such capabilities SHOULD be discovered by client and server implementations after establishing the "
            "underlying transport.",
            _FUTURE,
        ),
        "otlp.capabilities.mechanism": (
            "The exact discovery mechanism SHOULD be described in future OTEPs, which define the new capabilities and "
            "typically can be implemented by making a discovery request/response message exchange from the client to "
            "server.",
            _FUTURE,
        ),
        "otlp.capabilities.adjustment": (
            "The implementation which supports a new, optional capability MUST adjust its behavior to match the "
            "expectation of a peer that does not support a particular capability.",
            _FUTURE,
        ),
    },
}
"""Headings and anchor of a section → name → sentence, and its check or the reason why it has none."""


def _requirements() -> list[Requirement]:
    return [
        Requirement(name=name, section=section, anchor=anchor, sentence=sentence, reason=check)
        if isinstance(check, str)
        else Requirement(name=name, section=section, anchor=anchor, sentence=sentence, check=check)
        for (section, anchor), sentences in _SECTIONS.items()
        for name, (sentence, check) in sentences.items()
    ]


REQUIREMENTS = tuple(sorted(_requirements(), key=lambda requirement: requirement.transport))
"""All sentences about receivers, in the order of the specification, those of gRPC first."""

CHECKED = tuple(one for one in REQUIREMENTS if one.check is not None)
LEFT_OUT = tuple(one for one in REQUIREMENTS if one.check is None)
