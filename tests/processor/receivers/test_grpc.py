"""OTLP over gRPC from stock exporters and from callers who do not know how."""

from __future__ import annotations

import gzip
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest
from driftline_processor.config.receivers import Grpc
from driftline_processor.config.values import Address
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.otlp.protocol import MAX_REQUEST
from driftline_processor.receipts import Overloaded, PartialSuccess, Receipt
from driftline_processor.receivers.grpc import GrpcReceiver, PendingMessages
from driftline_processor.receivers.receiver import Accept
from driftline_processor.servers.port_connections import PortConnections
from driftline_processor.servers.ports import PortInUse
from driftline_processor.servers.request_memory import SILENT, RequestMemory
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.support.facts import lacking
from tests.support.fake_intake import FailsFirst, FakeIntake, intake_of, surroundings
from tests.support.stock_sdk import export_logs, export_metrics, export_spans, names
from tests.support.waiting import Seconds, wait_until

ANYWHERE = Address("127.0.0.1", 0)
KEY = "otlp.protocols.grpc"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextmanager
def receiver(accept: Accept) -> Iterator[str]:
    serving = GrpcReceiver(KEY, Grpc(endpoint=ANYWHERE), surroundings())
    serving.start(intake_of(accept))
    yield str(serving.address)
    serving.stop(60)


@contextmanager
def call(endpoint: str, method: str = EXPORT) -> Iterator[Any]:
    with grpc.insecure_channel(endpoint, [("grpc.max_send_message_length", -1)]) as channel:
        yield channel.unary_unary(method)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_stock_exporters_deliver_all_signals(compression: grpc.Compression) -> None:
    intake = FakeIntake()
    with receiver(intake) as endpoint:
        keys: dict[str, Any] = {"endpoint": endpoint, "insecure": True, "compression": compression}
        export_spans(OTLPSpanExporter(**keys), "a", "b")
        export_metrics(OTLPMetricExporter(**keys), "requests")
        export_logs(OTLPLogExporter(**keys), "login")
    assert [(signal, names(signal, body)) for signal, body in intake.taken] == [
        ("traces", ["a", "b"]),
        ("metrics", ["requests"]),
        ("logs", ["login"]),
    ]


def test_connections_beyond_a_quarter_of_the_open_files_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise idle ones would use all files that the process may open, also those of the pages and of the state."""
    monkeypatch.setattr("driftline_processor.receivers.grpc.most_files", lambda: 40)
    monkeypatch.setattr(PortConnections, "start", lambda _: None)
    with receiver(FakeIntake()) as endpoint, ExitStack() as stack:
        host, _, port = endpoint.rpartition(":")
        clients = [stack.enter_context(socket.create_connection((host, int(port)), timeout=20)) for _ in range(15)]
        ended: set[socket.socket] = set()

        def look() -> bool:
            readable = set(select.select(clients, [], [], 0.1)[0]) - ended
            ended.update(client for client in readable if not client.recv(1000))  # the others have HTTP/2 settings
            return len(ended) >= 5

        wait_until(look)
        assert len(ended) == 5
        clients[0].close()
        with call(endpoint) as export:
            assert export(b"", timeout=20, wait_for_ready=True) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_idle_connections_give_way_to_a_new_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have sent their settings and begin no call, which grpcio allows for ten minutes."""
    monkeypatch.setattr("driftline_processor.receivers.grpc.most_files", lambda: 40)
    settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    with receiver(FakeIntake()) as endpoint, ExitStack() as stack:
        host, _, port = endpoint.rpartition(":")
        for _ in range(15):
            idle = socket.create_connection((host, int(port)), timeout=20, source_address=("127.0.0.2", 0))
            stack.enter_context(idle).sendall(settings)
        with call(endpoint) as export:
            assert export(b"", timeout=60, wait_for_ready=True) == b""


def test_headers_are_handed_on() -> None:
    intake = FakeIntake()
    with receiver(intake) as endpoint, call(endpoint) as export:
        export(b"", metadata=[("x-tenant", "one"), ("secret-bin", b"\0")])
    assert intake.headers[0]["x-tenant"] == "one"
    assert "secret-bin" not in intake.headers[0]


def test_an_accepted_request_is_no_partial_success() -> None:
    with receiver(FakeIntake()) as endpoint, call(endpoint) as export:
        assert export(b"") == b""


def test_rows_that_cannot_be_used_are_a_partial_success() -> None:
    intake = FakeIntake(lambda: Receipt(partial_success=PartialSuccess(2, "too late")))
    with receiver(intake) as endpoint, call(endpoint) as export:
        partial = ExportTraceServiceResponse.FromString(export(b"")).partial_success
    assert (partial.rejected_spans, partial.error_message) == (2, "too late")


def test_a_malformed_request_is_an_invalid_argument() -> None:
    intake = FakeIntake(FailsFirst(Malformed("not an ExportTraceServiceRequest: wrong wire type")))
    with receiver(intake) as endpoint, call(endpoint) as export:
        with pytest.raises(grpc.RpcError) as refused:
            export(b"\xff")
        assert export(b"") == b""
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert lacking(refused.value.details(), "ExportTraceServiceRequest") == []
    status = Status.FromString(dict(refused.value.trailing_metadata())["grpc-status-details-bin"])
    bad_request = BadRequest()
    assert status.details[0].Unpack(bad_request)
    assert (status.code, status.message) == (3, refused.value.details())
    assert [violation.description for violation in bad_request.field_violations] == [refused.value.details()]


@pytest.mark.parametrize("through_future", [False, True])
def test_overload_says_when_to_come_again_in_both_places(through_future: bool) -> None:
    intake = FakeIntake(FailsFirst(Overloaded(7.0)), later=through_future)
    with receiver(intake) as endpoint, call(endpoint) as export, pytest.raises(grpc.RpcError) as refused:
        export(b"")
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    trailing = dict(refused.value.trailing_metadata())
    bare = RetryInfo.FromString(trailing["google.rpc.retryinfo-bin"])
    inside = RetryInfo()
    assert Status.FromString(trailing["grpc-status-details-bin"]).details[0].Unpack(inside)
    assert bare.retry_delay.ToMilliseconds() == inside.retry_delay.ToMilliseconds() == 2000


@pytest.mark.slow
@pytest.mark.parametrize("error", [Overloaded(0.01), RuntimeError("disk full")])
def test_a_stock_exporter_comes_again(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    intake = FakeIntake(FailsFirst(error))
    with receiver(intake) as endpoint:
        export_spans(OTLPSpanExporter(endpoint=endpoint, insecure=True), "a")
    assert [names(signal, body) for signal, body in intake.taken] == [["a"]]
    ours = [record.getMessage() for record in caplog.records if record.name == "driftline"]
    assert ours == (["a traces request could not be stored"] if isinstance(error, RuntimeError) else [])


@pytest.mark.slow
def test_more_than_20_mib_is_refused_and_almost_as_much_is_taken() -> None:
    intake = FakeIntake()
    with receiver(intake) as endpoint, call(endpoint) as export:
        export(b"\0" * MAX_REQUEST)
        with pytest.raises(grpc.RpcError) as refused:
            export(b"\0" * (MAX_REQUEST + 1))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert [len(body) for _, body in intake.taken] == [MAX_REQUEST]


@pytest.mark.slow
def test_a_gzip_bomb_is_refused() -> None:
    intake = FakeIntake()
    bomb = b"\0" * (4 * MAX_REQUEST)
    assert len(gzip.compress(bomb)) < 100_000
    with receiver(intake) as endpoint, call(endpoint) as export:
        with pytest.raises(grpc.RpcError) as refused:
            export(bomb, compression=grpc.Compression.Gzip)
        assert export(b"") == b""
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert [len(body) for _, body in intake.taken] == [0]


def test_what_is_not_otlp_is_unimplemented() -> None:
    with receiver(FakeIntake()) as endpoint, call(endpoint, "/other.Service/Call") as ask:
        failed = ask.future(b"").exception(60)
    assert failed.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_port_in_use_names_the_key_and_a_way_out() -> None:
    with receiver(FakeIntake()) as endpoint:
        host, _, port = endpoint.partition(":")
        with pytest.raises(PortInUse) as taken:
            GrpcReceiver(KEY, Grpc(endpoint=Address(host, int(port))), surroundings())
    assert lacking(str(taken.value), f"{endpoint}", "receivers.otlp") == []


@pytest.mark.slow
def test_calls_without_an_end_do_not_keep_others_out() -> None:
    """More calls than there are threads begin and say nothing more; the next sender is answered."""
    ended = threading.Event()

    def nothing() -> Iterator[bytes]:
        ended.wait(120)
        yield b""

    intake = FakeIntake()
    with receiver(intake) as endpoint, ExitStack() as channels:
        stuck = []
        for _ in range(10):
            channel = channels.enter_context(grpc.insecure_channel(endpoint, [("grpc.use_local_subchannel_pool", 1)]))
            stuck += [channel.stream_unary(EXPORT).future(nothing(), timeout=120) for _ in range(10)]
        with call(endpoint) as export:
            assert export(b"", timeout=60) == b""
        for one in stuck:
            one.cancel()
        ended.set()


def test_a_call_without_a_message_is_an_invalid_argument() -> None:
    channel_to, refusing = grpc.insecure_channel, pytest.raises(grpc.RpcError)
    with receiver(FakeIntake()) as endpoint, channel_to(endpoint) as channel, refusing as refused:
        channel.stream_unary(EXPORT)(iter(()))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "the call contains no message; send one request"


class Awaited:
    """Messages that are awaited, at a time that a test moves."""

    def __init__(self, limit: int = 80 * 2**20) -> None:
        self.clock = Seconds()
        self.memory = RequestMemory(limit, self.clock)
        self.arrivals = PendingMessages(self.memory, self.clock)
        self.cancelled: list[str] = []
        self._waiting = ExitStack()

    def begin(self, *named: str) -> None:
        for name in named:
            self._waiting.enter_context(self.arrivals.awaited(lambda name=name: self.cancelled.append(name)))  # type: ignore[misc]

    def begin_slowly(self, *named: str) -> None:
        """Begin messages that are not there when the next two may be awaited: so few places there are."""
        for first in range(0, len(named), 2):
            self.begin(*named[first : first + 2])
            self.look(PendingMessages.QUICK)

    def look(self, seconds: float) -> None:
        self.clock.now += seconds
        self.arrivals.look()

    def all_arrive(self) -> None:
        self._waiting.close()


def test_a_quick_message_needs_no_room_and_a_slow_one_that_of_the_largest() -> None:
    awaited = Awaited()
    awaited.begin("a", "b")
    awaited.look(0)
    assert awaited.memory.used == 0
    awaited.look(PendingMessages.QUICK)
    assert awaited.memory.used == 2 * MAX_REQUEST
    awaited.all_arrive()
    assert awaited.memory.used == 0
    assert awaited.cancelled == []


def test_a_message_that_comes_while_it_is_given_room_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    awaited = Awaited(limit=2 * MAX_REQUEST)
    awaited.begin("a")

    def arrives(size: int) -> bool:
        awaited.all_arrive()
        return size > 0

    monkeypatch.setattr(awaited.memory, "has_room", arrives)
    awaited.look(PendingMessages.QUICK)
    assert awaited.memory.used == 0
    awaited.begin("b")  # there is one place, and it was given back once
    assert awaited.arrivals._places.empty()
    awaited.all_arrive()
    assert awaited.arrivals._places.qsize() == 1


def test_a_message_for_which_there_is_no_room_is_cancelled() -> None:
    awaited = Awaited()
    awaited.begin_slowly("a", "b", "c", "d")  # room for three
    assert awaited.cancelled == ["d"]


def test_the_slowest_makes_room_and_none_is_awaited_for_ever() -> None:
    awaited = Awaited()
    awaited.begin_slowly("a", "b", "c")
    awaited.look(PendingMessages.LEAST)
    awaited.begin("d")
    awaited.look(PendingMessages.QUICK)
    assert awaited.cancelled == ["a"]
    awaited.look(PendingMessages.DEADLINE)
    assert {"b", "c", "d"} <= set(awaited.cancelled)


def test_slow_messages_make_room_for_requests_of_other_receivers() -> None:
    awaited = Awaited()
    awaited.begin_slowly("a", "b", "c")
    awaited.clock.now += SILENT
    with pytest.raises(Overloaded):  # its sender comes again
        awaited.memory.open().grow(2**20 + 1)
    assert sorted(awaited.cancelled) == ["a", "b", "c"]
