"""What every receiver promises (``receivers/receiver.py``), with one kit over every way in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import grpc
import httpx
import pytest
from driftline.semconv import metrics
from driftline.tables.table import OutcomeTable
from driftline_processor.access.principal import UNRESTRICTED, Principal, Sending
from driftline_processor.config.kinds import RECEIVERS
from driftline_processor.config.receivers import Grpc, Http, Otlp, Protocols, Receivers
from driftline_processor.config.values import Address
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.core.decode.written_panes import WrittenPanes
from driftline_processor.health import Counters
from driftline_processor.ingest.queue_offsets import Offset, QueueProgress
from driftline_processor.ingest.transaction import Request
from driftline_processor.otlp.protocol import PROTOBUF
from driftline_processor.receipts import NO_HEADERS, Overloaded, Receipt, Signal
from driftline_processor.receivers.grpc import GrpcReceiver
from driftline_processor.receivers.http import HttpReceiver
from driftline_processor.receivers.receiver import Receiver, make_receivers
from driftline_processor.receivers.types.kafka import Kafka, KafkaReceiver

from tests.support.fake_intake import surroundings
from tests.support.kafka_brokers import Brokers, partition_of
from tests.support.otlp_peers import counted, trace
from tests.support.stock_sdk import names

from .balance import IDS, SCENARIOS, OtherSide

ANYWHERE = Address("127.0.0.1", 0)
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
GRACE = 60.0
BROKEN = b"{"
"""What is no document of outcomes: of such a way in, the receiver itself tells what is permanent."""


@dataclass
class State:
    """The state behind a receiver: answers by its scenario, or holds every receipt back until :attr:`go_on` is set."""

    other: OtherSide
    go_on: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    def take(self, found: Sequence[str]) -> Future[Receipt]:
        """Take ids in, or raise."""
        answer = self.other.answer(found)
        if answer == "retry":
            raise Overloaded(0.01)
        if answer == "permanent":
            raise Malformed("these rows are never taken")
        receipt: Future[Receipt] = Future()

        def keep() -> None:
            assert self.go_on.wait(GRACE)
            receipt.set_result(Receipt(len(found)))

        self.arrived.set()
        if self.go_on.is_set():
            keep()
        else:
            threading.Thread(target=keep).start()
        return receipt

    def submit(
        self,
        signal: Signal,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        offsets: Sequence[Offset] = (),
        waited: float = 0.0,
        sending: Sending = UNRESTRICTED,
    ) -> Future[Receipt]:
        assert sending is UNRESTRICTED or sending.rules
        assert (bool(headers), list(offsets), waited >= 0) == (True, [], True)
        return self.take(names(signal, body))

    def submit_outcomes(self, tables: Sequence[OutcomeTable], digest: bytes) -> Future[Receipt]:
        assert len(digest) == 16
        return self.take(ids_of(tables))

    def note_outcomes(self, sender: Principal, tables: Sequence[OutcomeTable]) -> None:
        """Nothing is audited here."""

    def unknown_outcomes(self, _: Sequence[OutcomeTable]) -> tuple[()]:
        return ()

    def submit_panes(self, panes: WrittenPanes, size: int) -> Future[Receipt]:
        assert size
        return self.take([pane.slice for pane in panes.panes])

    def note_panes(self, sender: Principal, panes: WrittenPanes) -> None:
        """Nothing is audited here."""

    def offer(self, request: Request) -> Future[Receipt]:
        found = ids_of(request.outcomes)
        if found:
            return self.take(found)
        nothing: Future[Receipt] = Future()
        nothing.set_result(Receipt())
        return nothing

    def offsets(self) -> QueueProgress:
        return {}


def ids_of(tables: Sequence[OutcomeTable]) -> list[str]:
    return [
        table.id.data[start:end].decode()
        for table in tables
        for start, end in zip(table.id.offsets, table.id.offsets[1:], strict=False)
    ]


class WayIn(Protocol):
    """A receiver with a sender that knows how to reach it."""

    receiver: Receiver

    def send(self, ids: Sequence[str]) -> set[str]:
        """Send every id until it is acknowledged or refused for good, and return those that were refused."""


class Requests:
    """A sender that gets an answer to each request. ``ask``: sends one id, and says ok, retry or permanent."""

    def __init__(self, receiver: Receiver, ask: Callable[[Address, str], str]) -> None:
        self.receiver, self._ask = receiver, ask

    def send(self, ids: Sequence[str]) -> set[str]:
        dropped = set()
        end = time.monotonic() + GRACE
        for id in ids:
            assert self.receiver.address is not None
            while (answer := self._ask(self.receiver.address, id)) == "retry":
                assert time.monotonic() < end
            if answer == "permanent":
                dropped.add(id)
        return dropped


def over_grpc(_: State) -> Requests:
    def ask(address: Address, id: str) -> str:
        with grpc.insecure_channel(str(address)) as channel:
            try:
                channel.unary_unary(EXPORT)(trace(id))
            except grpc.RpcError as error:
                return {"UNAVAILABLE": "retry", "CANCELLED": "retry", "INVALID_ARGUMENT": "permanent"}[
                    error.code().name
                ]
        return "ok"

    return Requests(GrpcReceiver("otlp.protocols.grpc", Grpc(endpoint=ANYWHERE), surroundings()), ask)


def posted(address: Address, path: str, body: bytes, kind: str) -> str:
    try:
        answer = httpx.post(
            f"http://{address}{path}", content=body, headers={"content-type": kind}, timeout=GRACE, trust_env=False
        )
    except httpx.TransportError:
        return "retry"
    assert answer.status_code != 503 or int(answer.headers["retry-after"]) >= 1
    return {200: "ok", 400: "permanent", 503: "retry"}[answer.status_code]


def http_receiver() -> HttpReceiver:
    return HttpReceiver("otlp.protocols.http", Http(endpoint=ANYWHERE), surroundings())


def over_http(_: State) -> Requests:
    return Requests(http_receiver(), lambda address, id: posted(address, "/v1/traces", trace(id), PROTOBUF))


def document(state: State, id: str) -> bytes:
    return (
        BROKEN
        if state.other.treats(id) == "permanent"
        else json.dumps({"outcomes": [{"id": id, "actual": 1}]}).encode()
    )


def outcomes_over_http(state: State) -> Requests:
    def ask(address: Address, id: str) -> str:
        return posted(address, "/v1/outcomes?model=churn", document(state, id), "application/json")

    return Requests(http_receiver(), ask)


class Topic:
    """A sender by way of a topic: what the brokers were told to be taken is acknowledged."""

    def __init__(self, state: State) -> None:
        self._state, self.counters, self.brokers = state, Counters(), Brokers([])
        config = Kafka(brokers=("b:9092",), topics=("labels",), model="churn")
        self.receiver: Receiver = KafkaReceiver("kafka/labels", config, surroundings(self.counters), self.brokers)

    def send(self, ids: Sequence[str]) -> set[str]:
        self.brokers.drained.clear()
        self.brokers.log += [document(self._state, id) for id in ids]
        assert self.brokers.drained.wait(GRACE)
        assert self.brokers.commits[-1] == len(self.brokers.log)
        dropped = {id for id in ids if self._state.other.treats(id) == "permanent"}
        assert counted(self.counters, metrics.DRIFTLINE_REJECTED_ROWS) == len(dropped)
        return dropped


WAYS: dict[str, Callable[[State], WayIn]] = {
    "grpc": over_grpc,
    "http": over_http,
    "http, outcomes": outcomes_over_http,
    "kafka": Topic,
}
"""By type of receiver, and what is sent to it."""


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.receivers.types.kafka._partition", partition_of)


@contextmanager
def started(way: WayIn, state: State) -> Iterator[None]:
    way.receiver.start(state)
    try:
        yield
    finally:
        way.receiver.stop(GRACE)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", WAYS)
def test_sent_accepted_and_dropped_balance(name: str, scenario: str) -> None:
    state = State(OtherSide(scenario))
    state.go_on.set()
    way = WAYS[name](state)
    with started(way, state):
        dropped = way.send(IDS)
    state.other.balances(dropped)


@pytest.mark.parametrize("name", WAYS)
def test_nothing_is_acknowledged_before_it_is_kept(name: str) -> None:
    state, dropped = State(OtherSide("always succeeds")), list[set[str]]()
    way = WAYS[name](state)
    with started(way, state):
        sending = threading.Thread(target=lambda: dropped.append(way.send(["1"])))
        sending.start()
        assert state.arrived.wait(GRACE)
        assert (dropped, state.other.accepted) == ([], ["1"])
        if isinstance(way, Topic):
            assert way.brokers.commits == []
        state.go_on.set()
        sending.join()
    assert dropped == [set()]


@pytest.mark.parametrize("name", WAYS)
def test_a_stop_during_a_request_finishes_it(name: str) -> None:
    state, dropped = State(OtherSide("always succeeds")), list[set[str]]()
    way = WAYS[name](state)
    way.receiver.start(state)
    sending = threading.Thread(target=lambda: dropped.append(way.send(["1"])))
    if isinstance(way, Topic):
        way.brokers.log += [document(state, "1")]
    else:
        sending.start()
    assert state.arrived.wait(GRACE)
    stopping = threading.Thread(target=way.receiver.stop, args=(GRACE,))
    stopping.start()
    state.go_on.set()
    stopping.join()
    if isinstance(way, Topic):
        assert (way.brokers.commits, way.brokers.closed) == ([1], True)
    else:
        sending.join()
        assert dropped == [set()]
    assert state.other.accepted == ["1"]


@pytest.mark.parametrize("name", WAYS)
def test_a_stop_is_tolerated_before_the_start_and_twice(name: str) -> None:
    way = WAYS[name](State(OtherSide("always succeeds")))
    way.receiver.stop(GRACE)
    way.receiver.stop(GRACE)


@pytest.mark.parametrize("name", WAYS)
def test_a_second_stop_does_nothing(name: str) -> None:
    way = WAYS[name](state := State(OtherSide("always succeeds")))
    way.receiver.start(state)
    way.receiver.stop(GRACE)
    way.receiver.stop(GRACE)


@pytest.mark.parametrize("name", WAYS)
def test_a_receiver_says_what_it_receives_and_where(name: str) -> None:
    receiver = WAYS[name](State(OtherSide("always succeeds"))).receiver
    assert receiver.line.endswith("labels" if receiver.address is None else str(receiver.address))
    receiver.stop(GRACE)


def test_every_type_of_receiver_is_under_contract() -> None:
    kinds = {name.partition(",")[0] for name in WAYS}
    assert kinds == {*Protocols.model_fields, *RECEIVERS.names()}


def test_the_file_names_the_receivers() -> None:
    protocols = Protocols(grpc=Grpc(endpoint=ANYWHERE), http=Http(endpoint=ANYWHERE))
    topics = Kafka(brokers=("b:9092",), topics=("labels",))
    made = dict(
        make_receivers(Receivers(otlp=Otlp(protocols=protocols), named={"kafka/labels": topics}), surroundings())
    )
    assert [(name, type(one)) for name, one in made.items()] == [
        ("grpc", GrpcReceiver),
        ("http", HttpReceiver),
        ("kafka/labels", KafkaReceiver),
    ]
    for one in made.values():
        one.stop(GRACE)
