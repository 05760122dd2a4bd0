"""The queue of a destination is bounded, what it says is said once, and nothing ever waits for it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from driftline.semconv import attributes, metrics
from driftline_processor.config.schema import Config
from driftline_processor.exporters.exporter import ExportResult
from driftline_processor.exporters.forwarder import Destination, Forwarder, RecentRequests, described
from driftline_processor.health import Counters
from driftline_processor.receipts import Signal

from tests.support.otlp_peers import Peer, counted, grpc_peer, http_peer, trace


class Silent:
    """A transport whose answers are set by the test."""

    def __init__(self, *answers: ExportResult) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    def export(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> ExportResult:
        del signal, headers
        self.bodies.append(body)
        return self.answers.pop(0) if self.answers else ExportResult("success")

    def close(self) -> None:
        pass


def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    counters, transport = Counters(), Silent()
    size = len(trace("a"))
    forwarding = Destination("otlp/x", transport, counters, ["traces"], queue_bytes=3 * size)
    for name in "abcde":
        forwarding.offer("traces", trace(name), {})
    forwarding.offer("traces", trace("x" * 1000), {})
    labels = ((attributes.DRIFTLINE_DESTINATION, "otlp/x"), (attributes.DRIFTLINE_SIGNAL, "traces"))
    assert counters.snapshot()[metrics.DRIFTLINE_FORWARD_DROPPED, labels] == 3
    assert counters.snapshot()[metrics.DRIFTLINE_FORWARD_QUEUE_SIZE, labels[:1]] == 3 * size
    forwarding.start()
    forwarding.stop(60)
    assert transport.bodies == [trace("c") + trace("d") + trace("e")]


def test_nobody_there_is_said_once_and_tried_until_somebody_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "driftline")
    gone = ExportResult("retryable", "ConnectError", "connection refused", unreachable=True)
    now, delays = [0.0], list[float]()

    def pause(_: threading.Event, seconds: float) -> bool:
        delays.append(seconds)
        now[0] += 60
        return False

    transport = Silent(*[gone] * 20)
    forwarding = Destination("otlp/x", transport, Counters(), ["traces"], clock=lambda: now[0], pause=pause)
    forwarding.offer("traces", trace("a"), {})
    forwarding.start()
    forwarding.stop(60)
    assert transport.bodies == [trace("a")] * 21
    assert all(0.25 <= delay <= 30 for delay in delays)
    assert delays[0] <= 0.5 < 15 <= delays[-1]
    assert [record.getMessage() for record in caplog.records] == [
        "otlp/x: not reachable (connection refused); keeping what fits, and trying again",
        "otlp/x: reachable again",
    ]


def test_what_is_always_put_off_is_given_up_after_five_minutes() -> None:
    counters, now = Counters(), [0.0]

    def pause(_: threading.Event, seconds: float) -> bool:
        now[0] += seconds
        return False

    transport = Silent(*[ExportResult("retryable", "HTTP 503", retry_after=10.0)] * 32)
    forwarding = Destination(
        "otlp/x", transport, counters, ["traces"], max_request=1, clock=lambda: now[0], pause=pause
    )
    forwarding.offer("traces", trace("a"), {})
    forwarding.offer("traces", trace("b"), {})
    forwarding.start()
    forwarding.stop(60)
    assert transport.bodies == [trace("a")] * 32 + [trace("b")]
    assert counted(counters, metrics.DRIFTLINE_FORWARD_FAILED) == 1
    assert counted(counters, metrics.DRIFTLINE_FORWARD_SENT) == 1


@pytest.mark.parametrize(("said", "waited"), [(0.0, 0.1), (7.0, 7.0), (86_400.0, 300.0)])
def test_what_the_destination_says_is_kept_within_bounds(said: float, waited: float) -> None:
    delays = list[float]()

    def pause(_: threading.Event, seconds: float) -> bool:
        delays.append(seconds)
        return False

    transport = Silent(ExportResult("retryable", "HTTP 503", retry_after=said))
    forwarding = Destination("otlp/x", transport, Counters(), ["traces"], pause=pause)
    forwarding.offer("traces", trace("a"), {})
    forwarding.start()
    forwarding.stop(60)
    assert delays == [waited]


def test_refusals_are_logged_once_per_kind(caplog: pytest.LogCaptureFixture) -> None:
    refused = [
        ExportResult("permanent", "HTTP 400", "bad"),
        ExportResult("permanent", "HTTP 400", "bad"),
        ExportResult("permanent", "HTTP 403", "no"),
    ]
    forwarding = Destination("otlp/x", Silent(*refused), Counters(), ["traces"], max_request=1)
    for name in "abc":
        forwarding.offer("traces", trace(name), {})
    forwarding.start()
    forwarding.stop(60)
    assert [record.getMessage() for record in caplog.records] == [
        "otlp/x: HTTP 400: bad (traces); said once, counted from now on",
        "otlp/x: HTTP 403: no (traces); said once, counted from now on",
    ]


def test_what_is_put_off_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    later = [ExportResult("retryable", "HTTP 503", "busy"), ExportResult("retryable", "HTTP 503")] * 2
    forwarding = Destination("otlp/x", Silent(*later), Counters(), ["traces"], max_request=1, pause=lambda *_: False)
    for name in "ab":
        forwarding.offer("traces", trace(name), {})
    forwarding.start()
    for _ in range(6000):
        if forwarding._bytes + forwarding._under_way == 0:
            break
        threading.Event().wait(0.01)
    forwarding.stop(60)
    assert [record.getMessage() for record in caplog.records] == [
        "otlp/x: puts requests off (HTTP 503: busy); keeping what fits, and trying again; said once"
    ]


def test_a_dead_destination_delays_neither_offers_nor_the_end() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        endpoint = f"127.0.0.1:{unused.getsockname()[1]}"
        exporters: Any = {
            "otlp_grpc/dead": {"endpoint": endpoint, "tls": {"insecure": True}, "forward": ["traces"]},
            "otlp_http/dead": {"endpoint": f"http://{endpoint}", "forward": ["traces"]},
        }
        counters = Counters()
        forwarder = Forwarder(Config(exporters=exporters), counters)
        forwarder.start()
        for i in range(100):
            forwarder.offer("traces", trace(f"r{i}"), {})
        forwarder.stop(5)
    lost = metrics.DRIFTLINE_FORWARD_DROPPED, metrics.DRIFTLINE_FORWARD_FAILED
    assert counted(counters, metrics.DRIFTLINE_FORWARD_SENT) == 0
    assert sum(counted(counters, metric) for metric in lost) >= 2


@pytest.mark.parametrize("served", [grpc_peer, http_peer], ids=["grpc", "http"])
def test_a_resend_and_what_comes_back_are_not_forwarded_again(served: Callable[[Peer], Any]) -> None:
    peer = Peer()
    with served(peer) as name:
        exporter: Any = {"endpoint": peer.endpoint, "tls": {"insecure": True}, "forward": ["traces"]}
        counters = Counters()
        forwarder = Forwarder(Config(exporters={name: exporter}), counters)
        for body in (trace("a"), trace("b"), trace("a")):
            forwarder.offer("traces", body, {})
        forwarder.start()
        for _ in range(6000):
            if counted(counters, metrics.DRIFTLINE_FORWARD_SENT):
                break
            threading.Event().wait(0.01)
        forwarder.offer("traces", trace("a") + trace("b"), {})
        forwarder.stop(60)
    assert peer.names == ["a", "b"]


def test_what_could_not_be_delivered_at_the_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters()
    gone = ExportResult("retryable", "ConnectError", "connection refused", unreachable=True)
    forwarding = Destination("otlp/x", Silent(gone, gone, gone), counters, ["traces"], max_request=1)
    for name in "abc":
        forwarding.offer("traces", trace(name), {})
    forwarding._stopping.set()
    forwarding.start()
    forwarding.stop(60)
    forwarding.offer("traces", trace("late"), {})
    assert caplog.records[-1].getMessage() == "otlp/x: 3 requests could not be delivered before the end"
    assert counted(counters, metrics.DRIFTLINE_FORWARD_FAILED) == 3
    assert counted(counters, metrics.DRIFTLINE_FORWARD_DROPPED) == 1


def test_digests_are_forgotten_after_fifteen_minutes() -> None:
    now = [0.0]
    passed = RecentRequests(clock=lambda: now[0])
    assert [passed.new(trace("a")), passed.new(trace("a"))] == [trace("a"), b""]
    now[0] = 901.0
    assert passed.new(trace("a")) == trace("a")


def test_what_comes_back_in_new_requests_is_known_by_its_resources() -> None:
    passed = RecentRequests()
    for name in "abc":
        passed.new(trace(name))
    assert passed.new(trace("b") + trace("new") + trace("a")) == trace("new")
    assert passed.new(trace("c") + trace("new")) == b""


def test_what_is_twice_in_one_request_is_not_known_from_before() -> None:
    twice = trace("a") + trace("a")
    assert RecentRequests().new(twice) is twice


def test_the_start_line_says_where_things_go() -> None:
    exporters: Any = {
        "otlp_http/x": {
            "endpoint": "https://me:secret@x.example/otlp",
            "forward": ["traces", "logs"],
            "derived": ["metrics"],
        }
    }
    assert described(Config(exporters=exporters)) == [
        "forwarding traces, logs and sending derived metrics to https://x.example/otlp (otlp_http/x)"
    ]
