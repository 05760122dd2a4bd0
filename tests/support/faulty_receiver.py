"""An OTLP receiver over HTTP and gRPC that keeps the specification, except for one fault of a name."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

import grpc
from driftline_processor.conformance.messages import LOGS, MEDIA, METRICS, MIB, SIGNALS, TRACES, Encoding, Signal
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.otlp.json_requests import protobuf_of
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

LIMIT = 1
"""MiB of a request."""

_FIELD = b"\xc2\x3e\x01\x00"
"""An unknown field in a response."""


class RefusalError(Exception):
    """A request is answered with an error."""

    def __init__(self, status: int, code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT) -> None:
        super().__init__(f"refused with {status}")
        self.status, self.code = status, code


class Addresses(NamedTuple):
    """URLs of the receiver, and the metadata of the calls that it got."""

    http: str
    grpc: str
    headers: list[dict[str, str]]


class Receiver:
    """The answers of both transports."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.signals = {"only metrics": (METRICS,), "no signal": ()}.get(fault, SIGNALS)
        self.seen: Counter[bytes] = Counter()

    def respond(self, signal: Signal, body: bytes, *, compressed: bool) -> Any:
        """Return the response message. Raises :class:`RefusalError`."""
        if self.fault == "plain" and body and not compressed:
            raise RefusalError(415)
        self._check_size(len(body))
        if self.fault == "empty" and not body:
            raise RefusalError(400)
        request: Any = signal.request()
        try:
            request.MergeFromString(body)
        except DecodeError:
            if self.fault == "undecodable accepted":
                return signal.response()
            raise self._undecodable() from None
        if self.fault == "unknown field" and len(UnknownFieldSet(request)):
            raise RefusalError(400)
        return self._response(signal, sum(map(_is_unusable, _items(signal, request))))

    def _check_size(self, size: int) -> None:
        if size <= LIMIT * MIB * {"no limit": 100.0, "low limit": 0.5}.get(self.fault, 1.0):
            return
        if self.fault == "code of limit":
            raise RefusalError(400)
        raise RefusalError(413, grpc.StatusCode.RESOURCE_EXHAUSTED)

    def _undecodable(self) -> RefusalError:
        return (
            RefusalError(503, grpc.StatusCode.INTERNAL)
            if self.fault == "undecodable is internal"
            else RefusalError(400)
        )

    def _response(self, signal: Signal, rejected: int) -> Any:
        if self.fault == "message":
            return Status(message="accepted")
        response: Any = signal.response()
        if rejected:
            count = rejected + 1 if self.fault == "count" else rejected
            setattr(response.partial_success, signal.rejected, count)
            if self.fault != "no reason":
                response.partial_success.error_message = f"{rejected} items cannot be used"
            if self.fault == "field of partial success":
                response.MergeFromString(_FIELD)
        elif self.fault == "empty partial success":
            response.partial_success.SetInParent()
        elif self.fault == "negative count":
            setattr(response.partial_success, signal.rejected, -1)
            response.partial_success.error_message = "the attribute 'padding' is long"
        elif self.fault == "warning":
            response.partial_success.error_message = "the attribute 'padding' is long"
        return response


def _items(signal: Signal, request: Any) -> Iterator[Any]:
    if signal is TRACES:
        yield from (span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans)
    elif signal is LOGS:
        yield from (one for group in request.resource_logs for scope in group.scope_logs for one in scope.log_records)
    elif signal is METRICS:
        metrics = (one for group in request.resource_metrics for scope in group.scope_metrics for one in scope.metrics)
        yield from (point for metric in metrics for point in metric.gauge.data_points)


def _is_unusable(item: Any) -> bool:
    if hasattr(item, "severity_number"):
        return any(pair.value.int_value > time.time_ns() for pair in item.attributes)
    return item.span_id == bytes(8) if hasattr(item, "span_id") else item.WhichOneof("value") is None


# -- HTTP ---------------------------------------------------------------------------------------------------------


def _handler(receiver: Receiver, headers: list[dict[str, str]]) -> type[BaseHTTPRequestHandler]:
    fault = receiver.fault
    paths = {f"/v1/{signal.name}": signal for signal in receiver.signals}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet per response

        def do_GET(self) -> None:
            self._fail(RefusalError(405), "protobuf")

        def do_POST(self) -> None:
            headers.append({name.lower(): value for name, value in self.headers.items()})
            body = self.rfile.read(int(self.headers["content-length"]))
            media = self.headers["content-type"]
            encoding: Encoding = "JSON" if media == MEDIA["JSON"] else "protobuf"
            try:
                self._succeed(self._respond(body, media, encoding), encoding)
            except RefusalError as refusal:
                self._fail(refusal, encoding)

        def _respond(self, body: bytes, media: str, encoding: Encoding) -> Any:
            if (signal := paths.get(self.path)) is None:
                raise RefusalError(404)
            if media not in MEDIA.values() or (fault == "no JSON" and encoding == "JSON"):
                raise RefusalError(415)
            if compressed := self.headers["content-encoding"] == "gzip":
                try:
                    body = gzip.decompress(body)
                except OSError:
                    if fault == "undecodable accepted":
                        return signal.response()
                    raise receiver._undecodable() from None
                if fault == "gzip":
                    raise RefusalError(415)
            if encoding == "JSON":
                _check_json(body, fault)
                try:
                    body = protobuf_of(signal.name, body)  # type: ignore[arg-type]
                except Malformed:
                    if fault == "undecodable accepted":
                        return signal.response()
                    raise receiver._undecodable() from None
            return receiver.respond(signal, body, compressed=compressed)

        def _succeed(self, response: Any, encoding: Encoding) -> None:
            media = MEDIA[encoding]
            if fault == "protobuf type" and encoding == "protobuf":
                media = "application/protobuf"
            if fault == "JSON type" and encoding == "JSON":
                media, encoding = MEDIA["protobuf"], "protobuf"
            self._write(202 if fault == "202" else 200, media, _encoded(response, encoding))

        def _fail(self, refusal: RefusalError, encoding: Encoding) -> None:
            if fault == "no answer":
                self.close_connection = True
                return
            if fault == "no Status":
                self._write(refusal.status, "text/plain", str(refusal).encode())
                return
            status = Status(code=3, message="" if fault == "no message" else str(refusal))
            if fault != "no details":
                status.details.add().Pack(BadRequest())
            self._write(refusal.status, MEDIA[encoding], _encoded(status, encoding))

        def _write(self, status: int, media: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", media)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler


def _check_json(body: bytes, fault: str) -> None:
    """Refuse what a JSON decoder with the fault does not understand."""
    refused = {
        "upper case": b'"5B8EFFF7',
        "integer enums": b'"kind": 3',
        "unknown JSON fields": b"fieldOfALaterVersion",
    }
    if fault in refused and refused[fault] in body:
        raise RefusalError(400)
    if fault == "integers" and b"startTimeUnixNano" in body:
        span = json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        if isinstance(span["startTimeUnixNano"], int):
            raise RefusalError(400)


def _encoded(message: Any, encoding: Encoding) -> bytes:
    return bytes(message.SerializeToString()) if encoding == "protobuf" else MessageToJson(message).encode()


# -- gRPC ---------------------------------------------------------------------------------------------------------


class _Services(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, receiver: Receiver, headers: list[dict[str, str]]) -> None:
        self._receiver, self._headers = receiver, headers
        self._signals = {f"/{signal.service}/Export": signal for signal in receiver.signals}

    def service(self, details: Any) -> Any:
        signal = self._signals.get(details.method)
        return None if signal is None else grpc.unary_unary_rpc_method_handler(self._export(signal))

    def _export(self, signal: Signal) -> Callable[[bytes, Any], bytes]:
        answers = self._receiver

        def export(body: bytes, context: Any) -> bytes:
            self._headers.append(dict(context.invocation_metadata()))
            answers.seen[body] += 1
            try:
                if answers.fault == "sequential" and body and answers.seen[body] > 2:
                    raise RefusalError(503, grpc.StatusCode.UNAVAILABLE)
                # which compression a call uses cannot be seen here; the fault is that of all calls
                response = answers.respond(signal, body, compressed=False)
                return bytes(response.SerializeToString())
            except RefusalError as refusal:
                if answers.fault == "retryable limit":
                    status = Status(code=8)
                    status.details.add().Pack(RetryInfo())
                    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
                context.set_code(refusal.code)
                context.set_details(str(refusal))
                return b""

        return export


@contextmanager
def receiver(fault: str = "") -> Iterator[Addresses]:
    """Run the receiver on free loopback ports until the block ends."""
    answers, headers = Receiver(fault), []  # type: ignore[var-annotated]
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers, headers))
    options = [("grpc.max_receive_message_length", -1)]
    if fault == "gzip":
        options.append(("grpc.compression_enabled_algorithms_bitset", 1))
    server = grpc.server(ThreadPoolExecutor(8), (_Services(answers, headers),), options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.start()
    try:
        yield Addresses(f"http://127.0.0.1:{http.server_port}", f"http://127.0.0.1:{port}", headers)
    finally:
        server.stop(None).wait()
        http.shutdown()
        http.server_close()
        thread.join()
