"""Whatever comes before the timeout of a socket counts: the caller goes on in time, and the rows arrive later."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import driftline
import grpc
import pytest
import requests
from driftline import outcomes
from driftline.export import endpoint as endpoints
from driftline.export import lifecycle, pipeline, resource, threads, transport
from driftline.export.endpoint import Endpoint
from driftline.export.pipeline import Pipeline, pipeline_of
from driftline.export.threads import BoundedClose, call_within
from driftline.export.transport import Delivery, GrpcChannel, HttpChannel
from driftline.outcomes import Undelivered
from driftline_processor.core.decode.requests import decode_logs

from tests.support.receiver import Receiver
from tests.support.service import Memory, Service, returns

PATIENCE = 60.0


class Gate:
    """Blocks every call of a function until it is opened."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._open = threading.Event()

    def close(self, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def wait(*args: Any, **kwargs: Any) -> Any:
            self._open.wait(PATIENCE)
            return real(*args, **kwargs)

        self._patch.setattr(owner, name, wait)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open()


BEFORE_THE_SOCKET: dict[str, tuple[Any, str]] = {
    "name": (socket, "getaddrinfo"),
    "proxy": (requests.sessions, "get_environ_proxies"),
    "connection": (requests.adapters.HTTPAdapter, "send"),
    "token": (endpoints.Endpoint, "request_headers"),
}


@pytest.mark.parametrize("step", BEFORE_THE_SOCKET)
def test_a_flush_ends_in_time_and_the_rows_arrive_later(receiver: Receiver, gate: Gate, step: str) -> None:
    base = f"http://127.0.0.1:{receiver.server_port}"
    channel = HttpChannel(Endpoint(base, f"{base}/v1/logs"))
    gate.close(*BEFORE_THE_SOCKET[step])
    score = driftline.Model("churn", task="binary", channel=channel).predict(returns(0.5), id="id")
    for i in range(3):
        score({"id": str(i)})

    assert [pipeline_of(channel).flush(0.05) for _ in range(2)] == [False, False]
    score({"id": "3"})
    gate.open()
    assert pipeline_of(channel).flush(PATIENCE) is True
    # a request whose answer came too late for its flush is sent again
    assert sorted(set(receiver.ids())) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("step", [(transport, "_stamps"), (grpc, "insecure_channel"), (Endpoint, "request_headers")])
def test_a_flush_over_grpc_ends_in_time(service: Service, gate: Gate, step: tuple[Any, str]) -> None:
    gate.close(*step)
    with socket.socket() as held:  # bound, never listening
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        channel = GrpcChannel(Endpoint(f"http://{address}", address, "grpc", insecure=True))
        driftline.Model("churn", task="binary", channel=channel).predict(returns(0.5))({"x": 1.0})
        background = pipeline_of(channel)

        assert background.flush(0.05) is False
        gate.open()
        assert background.flush(0.05) is False
        assert background.shutdown(0.05) is False
    assert service.spans == []


def test_a_shutdown_ends_in_time(service: Service, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    gate.close(service.channel, "send")
    service.model().predict(returns(0.5))({"x": 1.0})

    assert pipeline_of(service.channel).shutdown(0.05) is False
    assert "driftline: rows not delivered to memory: 1" in caplog.text


def test_predictions_are_settled_in_time(service: Service, gate: Gate) -> None:
    gate.close(resource, "own_attributes")
    gate.close(Pipeline, "_count")
    service.model().predict(returns(0.5))({"x": 1.0})
    lifecycle.settle_predictions(0.05)
    gate.open()

    assert service.flush() is True
    assert sum(len(table) for body in service.channel.bodies for table in decode_logs(body, 1).predictions) == 1


def test_outcomes_that_hang_are_tried_again(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    class Desk:
        def post(self, *_: object) -> tuple[Delivery, bytes]:
            return Delivery("delivered"), b'{"accepted": 1, "rejected": []}'

    pauses: list[float] = []
    monkeypatch.setattr(outcomes, "REQUEST_SECONDS", 0.01)
    monkeypatch.setattr(outcomes, "sleep", pauses.append)
    gate.close(Desk, "post")
    with pytest.raises(Undelivered, match=r"did not accept the outcomes in 5 attempts \(no answer in 0.01 s\)"):
        outcomes.deliver(Desk(), "http://d/v1/outcomes", b"{}", outcomes.Accepted(0))  # type: ignore[arg-type]
    assert pauses == [0.5, 1.0, 2.0, 4.0]

    gate.open()
    monkeypatch.setattr(outcomes, "REQUEST_SECONDS", PATIENCE)
    answer = outcomes.deliver(Desk(), "http://d/v1/outcomes", b"{}", outcomes.Accepted(0))  # type: ignore[arg-type]
    assert answer == {"accepted": 1, "rejected": []}


def test_a_host_without_an_address_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [Delivery("unreachable", "ConnectionError", fix="check its spelling", may_pass=True)] * 4
    pauses: list[float] = []

    class Desk:
        def post(self, *_: object) -> tuple[Delivery, bytes]:
            return failures.pop() if failures else Delivery("delivered"), b'{"accepted": 1, "rejected": []}'

    monkeypatch.setattr(outcomes, "sleep", pauses.append)
    answer = outcomes.deliver(Desk(), "http://d/v1/outcomes", b"{}", outcomes.Accepted(0))  # type: ignore[arg-type]

    assert (answer, len(pauses)) == ({"accepted": 1, "rejected": []}, 4)


def refuse(*_: object) -> threading.Thread:
    raise RuntimeError("can't start new thread")


def test_rows_wait_while_no_thread_can_be_opened(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipeline, "GATHER_SECONDS", 0.01)
    arrived = threading.Event()
    send = Memory.send

    def notice(channel: Memory, body: bytes, timeout: float) -> Delivery:
        delivery = send(channel, body, timeout)
        arrived.set()
        return delivery

    monkeypatch.setattr(Memory, "send", notice)
    score = service.model().predict(returns(0.5))
    with monkeypatch.context() as patch:
        patch.setattr(threads, "start_thread", refuse)
        assert [score({"x": float(i)}) for i in range(3)] == [0.5] * 3
        assert service.channel.bodies == []
    assert not arrived.is_set()
    score({"x": 3.0})  # now a thread can be opened

    assert arrived.wait(PATIENCE)
    assert sum(map(len, service.tables())) == 4
    assert [line for line in caplog.messages if "thread" in line] == [
        "driftline: no thread can be opened (can't start new thread): rows wait in memory until one can, or until "
        "driftline.flush() or the end of the process sends them"
    ]


def test_a_flush_without_threads_sends_in_the_thread_of_its_caller(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "start_thread", refuse)
    monkeypatch.setattr(lifecycle, "pipelines", lambda: [pipeline_of(service.channel)])
    score = service.model().predict(returns(0.5))
    score({"x": 1.0})
    monkeypatch.setattr(lifecycle, "_closings", [])
    assert lifecycle.flush(PATIENCE) is True

    score({"x": 2.0})
    monkeypatch.setattr(lifecycle, "_closings", [BoundedClose("traces", int, int)])
    assert lifecycle.flush(PATIENCE) is False  # spans cannot be flushed within a time
    assert sum(map(len, service.tables())) == 2


def test_a_call_that_raises_in_time_raises_in_its_caller() -> None:
    def fail() -> int:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        call_within(PATIENCE, "driftline-test", fail, 0)


def test_a_call_that_ends_too_late_has_the_default() -> None:
    ended, go_on = threading.Event(), threading.Event()

    def call() -> int:
        go_on.wait(PATIENCE)
        ended.set()
        return 1

    assert call_within(0.0, "driftline-test", call, 2) == 2
    go_on.set()
    assert ended.wait(PATIENCE)
