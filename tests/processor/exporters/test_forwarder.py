"""What was sent is accepted, dropped or failed: it balances whatever the destination does, and nothing waits for it."""

from __future__ import annotations

import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from driftline.semconv import events, metrics
from driftline_processor.config.schema import Config
from driftline_processor.exporters import forwarder
from driftline_processor.exporters.exporter import Exporter, ExportResult
from driftline_processor.exporters.forwarder import Destination, Forwarder, RecentRequests, described
from driftline_processor.health import Counters
from driftline_processor.log.entry_format import FOR_DESTINATIONS, Entry
from driftline_processor.log.request_log import RequestLog
from driftline_processor.receipts import Signal

from tests.support.facts import lacking
from tests.support.kept_requests import KeptRequests
from tests.support.otlp_peers import Decide, Peer, counted, grpc_peer, http_peer, log, trace
from tests.support.stock_sdk import names
from tests.support.waiting import wait_until

PEERS = pytest.mark.parametrize("served", [grpc_peer, http_peer], ids=["grpc", "http"])


def destination(kept: KeptRequests, name: str, peer: Peer, counters: Counters, **keys: Any) -> Destination:
    exporter: Any = {"endpoint": peer.endpoint, "tls": {"insecure": True}, **keys.pop("exporter", {})}
    (read,) = Config(exporters={name: exporter}).exporters.values()
    keys = {"forward": ("traces", "logs", "records"), "pause": lambda _event, _seconds: False, **keys}
    return Destination(kept.reader, read.connect(), counters, **keys)


def fails_first(times: int) -> Decide:
    """Put every request off the first ``times`` times that its first name is seen."""
    seen: Counter[str] = Counter()

    def decide(names: list[str]) -> str:
        seen[names[0]] += 1
        return "retry" if seen[names[0]] <= times else "ok"

    return decide


def refuses(*poison: str) -> Decide:
    return lambda names: "permanent" if set(poison) & set(names) else "ok"


def mixed() -> Decide:
    put_off, refused = fails_first(1), refuses("r3", "r7")
    return lambda names: "retry" if put_off(names) == "retry" else refused(names)


ALL = [f"r{i}" for i in range(12)]


@PEERS
@pytest.mark.parametrize(
    ("decide", "failed"),
    [
        (lambda: refuses(), []),
        (lambda: refuses(*ALL), ALL),
        (lambda: fails_first(2), []),
        (lambda: mixed(), ["r3", "r7"]),
    ],
    ids=["always ok", "permanent", "retryable", "mixed"],
)
def test_sent_accepted_and_failed_balance(
    kept: KeptRequests, served: Callable[[Peer], Any], decide: Callable[[], Decide], failed: Sequence[str]
) -> None:
    peer, counters = Peer(decide()), Counters()
    with served(peer) as name:
        forwarding = destination(kept, name, peer, counters)
        for request in ALL:
            kept.offer("traces", trace(request), {})
        forwarding.start()
        forwarding.stop(60)
    assert sorted(peer.names + list(failed)) == sorted(ALL)
    assert counted(counters, metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS) == len(failed)
    assert counted(counters, metrics.DRIFTLINE_FORWARD_SENT_REQUESTS) == len(peer.accepted)
    assert counted(counters, metrics.DRIFTLINE_FORWARD_DROPPED_REQUESTS) == 0
    assert kept.reader.unread_bytes == 0


@PEERS
def test_waiting_requests_of_one_signal_travel_as_one(kept: KeptRequests, served: Callable[[Peer], Any]) -> None:
    peer = Peer()
    with served(peer) as name:
        forwarding = destination(kept, name, peer, Counters())
        for i in range(3):
            kept.offer("traces", trace(f"span-{i}"), {})
            kept.offer("logs", log(f"log-{i}"), {})
        forwarding.start()
        forwarding.stop(60)
    assert peer.accepted == [("traces", ["span-0", "span-1", "span-2"]), ("logs", ["log-0", "log-1", "log-2"])]


@PEERS
def test_after_silence_a_request_goes_at_once_and_small_ones_behind_it_are_gathered(
    kept: KeptRequests, served: Callable[[Peer], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder, "GATHER", 1e6)
    peer = Peer()
    with served(peer) as name:
        forwarding = destination(kept, name, peer, Counters())
        forwarding.start()
        kept.offer("traces", trace("first"), {})
        wait_until(lambda: kept.reader.unread_bytes == 0)
        for i in range(3):
            kept.offer("traces", trace(f"span-{i}"), {})
        forwarding.stop(60)  # waits no longer
    assert peer.accepted == [("traces", ["first"]), ("traces", ["span-0", "span-1", "span-2"])]


@PEERS
def test_as_much_as_fills_a_request_is_not_gathered_any_longer(
    kept: KeptRequests, served: Callable[[Peer], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder, "GATHER", 1e6)
    peer = Peer()
    with served(peer) as name:
        forwarding = destination(kept, name, peer, Counters(), max_request=600)
        forwarding.start()
        for part in ("first", "a" * 250, "b" * 250, "c" * 250):
            kept.offer("traces", trace(part), {})
        wait_until(lambda: "a" * 250 in peer.names)
        forwarding.stop(60)
    assert peer.names == ["first", "a" * 250, "b" * 250, "c" * 250]


@PEERS
def test_a_request_above_the_limit_travels_in_pieces(kept: KeptRequests, served: Callable[[Peer], Any]) -> None:
    peer, names = Peer(), [f"{i:03d}" + "x" * 100 for i in range(20)]
    with served(peer) as name:
        forwarding = destination(kept, name, peer, Counters(), max_request=600)
        kept.offer("traces", trace(*names), {})
        forwarding.start()
        forwarding.stop(60)
    assert peer.names == names
    assert [len(names) for _, names in peer.accepted] == [5] * 4


@PEERS
def test_the_destination_says_how_long_to_wait(kept: KeptRequests, served: Callable[[Peer], Any]) -> None:
    peer, delays = Peer(fails_first(1)), list[float]()

    def pause(_: threading.Event, seconds: float) -> bool:
        delays.append(seconds)
        return False

    with served(peer) as name:
        forwarding = destination(kept, name, peer, Counters(), pause=pause)
        kept.offer("traces", trace("a"), {})
        forwarding.start()
        forwarding.stop(60)
    assert delays == ([1.5] if name.startswith("otlp_grpc") else [2.0])


@PEERS
def test_headers_travel_when_listed_and_the_exporters_own_always(
    kept: KeptRequests, served: Callable[[Peer], Any]
) -> None:
    peer = Peer()
    with served(peer) as name:
        forwarding = destination(
            kept, name, peer, Counters(), forward_headers=["X-Tenant"], exporter={"headers": {"Api-Key": "s3cret"}}
        )
        kept.offer("traces", trace("a"), {"x-tenant": "one", "authorization": "theirs"})
        kept.offer("traces", trace("b"), {"x-tenant": "two"})
        kept.offer("traces", trace("c"), {"x-tenant": "one"})
        forwarding.start()
        forwarding.stop(60)
    assert [names for _, names in peer.accepted] == [["a", "c"], ["b"]]
    assert [headers["x-tenant"] for headers in peer.headers] == ["one", "two"]
    assert {headers["api-key"] for headers in peer.headers} == {"s3cret"}
    assert not any("authorization" in headers for headers in peer.headers)


@PEERS
@pytest.mark.parametrize(
    ("forward", "arrived"),
    [
        (("logs",), ["login", ""]),
        (("records",), [events.ML_PREDICTION, events.ML_OUTCOME]),
        (("logs", "records"), [events.ML_PREDICTION, "login", events.ML_OUTCOME, ""]),
    ],
)
def test_records_and_other_logs_go_where_they_are_wanted(
    kept: KeptRequests, served: Callable[[Peer], Any], forward: tuple[str, ...], arrived: list[str]
) -> None:
    peer = Peer()
    with served(peer) as name:
        forwarding = destination(kept, name, peer, Counters(), forward=forward)
        for event in (events.ML_PREDICTION, "login", events.ML_OUTCOME, ""):
            kept.offer("logs", log(event), {})
        forwarding.start()
        forwarding.stop(60)
    assert peer.names == arrived
    assert not forwarding.forwards("traces")


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


def test_nobody_there_is_said_once_and_tried_until_somebody_is(
    kept: KeptRequests, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "driftline")
    gone = ExportResult("retryable", "ConnectError", "connection refused", unreachable=True)
    now, delays = [0.0], list[float]()

    def pause(_: threading.Event, seconds: float) -> bool:
        delays.append(seconds)
        now[0] += 60
        return False

    transport = Silent(*[gone] * 20)
    forwarding = Destination(kept.reader, transport, Counters(), ["traces"], clock=lambda: now[0], pause=pause)
    kept.offer("traces", trace("a"), {})
    forwarding.start()
    forwarding.stop(60)
    assert transport.bodies == [trace("a")] * 21
    assert all(0.25 <= delay <= 30 for delay in delays)
    assert delays[0] <= 0.5 < 15 <= delays[-1]
    assert [record.getMessage() for record in caplog.records] == [
        "otlp/x: not reachable (connection refused); requests are kept in the log, and driftline will retry",
        "otlp/x: reachable again",
    ]


class Pausing:
    """A clock that goes on with each pause."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, _: threading.Event, seconds: float) -> bool:
        self.now += seconds
        return False


LATER = ExportResult("retryable", "HTTP 503", retry_after=10.0)


def forwarded(kept: KeptRequests, names: str, transport: Exporter, clock: Pausing, **keys: Any) -> Counters:
    """Offer a trace of each name, send until the end, and return what was counted."""
    counters = Counters()
    forwarding = Destination(kept.reader, transport, counters, ["traces"], clock=clock, pause=clock.pause, **keys)
    for name in names:
        kept.offer("traces", trace(name), {})
    forwarding.start()
    forwarding.stop(60)
    return counters


def test_a_destination_that_puts_everything_off_for_an_hour_loses_nothing(kept: KeptRequests) -> None:
    class Away(Silent):
        def export(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> ExportResult:
            if body and clock.now <= 3600:  # a Collector takes an empty request whatever is the matter
                return LATER
            return super().export(signal, body, headers)

    clock, transport = Pausing(), Away()
    counters = forwarded(kept, "abc", transport, clock)
    assert b"".join(transport.bodies) == trace("a") + trace("b") + trace("c")
    assert counted(counters, metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS) == 0


def test_of_requests_that_travel_together_only_the_one_that_is_put_off_is_given_up(kept: KeptRequests) -> None:
    class PutsOff(Silent):
        def export(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> ExportResult:
            return LATER if trace("b") in body else super().export(signal, body, headers)

    clock, transport = Pausing(), PutsOff()
    counters = forwarded(kept, "abc", transport, clock)
    assert [body for body in transport.bodies if body] == [trace("a"), trace("c")]
    assert counted(counters, metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS) == 1
    assert clock.now < 700


def test_a_request_that_is_always_put_off_is_given_up_where_others_are_taken(kept: KeptRequests) -> None:
    class PutsOff(Silent):
        def export(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> ExportResult:
            taken = super().export(signal, body, headers)
            return LATER if body == trace("a") else taken

    transport = PutsOff()
    counters = forwarded(kept, "ab", transport, Pausing(), max_request=1)
    assert transport.bodies == [trace("a")] * 32 + [trace("b"), trace("a")]
    assert counted(counters, metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS) == 1
    assert counted(counters, metrics.DRIFTLINE_FORWARD_SENT_REQUESTS) == 1


@pytest.mark.parametrize(("said", "waited"), [(0.0, 0.1), (7.0, 7.0), (86_400.0, 300.0)])
def test_what_the_destination_says_is_kept_within_bounds(kept: KeptRequests, said: float, waited: float) -> None:
    delays = list[float]()

    def pause(_: threading.Event, seconds: float) -> bool:
        delays.append(seconds)
        return False

    transport = Silent(ExportResult("retryable", "HTTP 503", retry_after=said))
    forwarding = Destination(kept.reader, transport, Counters(), ["traces"], pause=pause)
    kept.offer("traces", trace("a"), {})
    forwarding.start()
    forwarding.stop(60)
    assert delays == [waited]


def test_refusals_are_logged_once_per_kind(kept: KeptRequests, caplog: pytest.LogCaptureFixture) -> None:
    refused = [
        ExportResult("permanent", "HTTP 400", "bad"),
        ExportResult("permanent", "HTTP 400", "bad"),
        ExportResult("permanent", "HTTP 403", "no"),
    ]
    forwarding = Destination(kept.reader, Silent(*refused), Counters(), ["traces"], max_request=1)
    for name in "abc":
        kept.offer("traces", trace(name), {})
    forwarding.start()
    forwarding.stop(60)
    assert [record.getMessage() for record in caplog.records] == [
        "otlp/x: HTTP 400: bad; this traces request is not sent again, and is lost for this destination; "
        "logged once, counted from now on",
        "otlp/x: HTTP 403: no; this traces request is not sent again, and is lost for this destination; "
        "logged once, counted from now on",
    ]


def test_rejected_records_of_accepted_requests_are_counted_and_logged_once(
    kept: KeptRequests, caplog: pytest.LogCaptureFixture
) -> None:
    partial = [ExportResult("success", "partial success", "span too old", rejected=count) for count in (1, 3)]
    transport = Silent(*partial, ExportResult("success", "partial success", "send less"))
    counters = forwarded(kept, "abcd", transport, Pausing(), max_request=1)
    assert len(transport.bodies) == 4
    assert counted(counters, metrics.DRIFTLINE_FORWARD_SENT_REQUESTS) == 4
    assert counted(counters, metrics.DRIFTLINE_FORWARD_REJECTED_RECORDS) == 4
    assert [record.getMessage() for record in caplog.records] == [
        "otlp/x: rejected 1 record of a traces request (span too old); they are lost for this destination; logged "
        "once, counted from now on",
        "otlp/x: accepted a traces request with a warning (send less); logged once",
    ]


def test_requests_wait_while_another_server_answers(kept: KeptRequests, caplog: pytest.LogCaptureFixture) -> None:
    page = ExportResult("retryable", "no receiver", "another server answers", unreachable=True)
    transport = Silent(*[page] * 40)
    counters = forwarded(kept, "a", transport, Pausing())
    assert transport.bodies == [trace("a")] * 41
    assert counted(counters, metrics.DRIFTLINE_FORWARD_SENT_REQUESTS) == 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "otlp/x: not reachable (another server answers); requests are kept in the log, and driftline will retry",
    ]


def test_what_is_put_off_is_said_once(kept: KeptRequests, caplog: pytest.LogCaptureFixture) -> None:
    later = [ExportResult("retryable", "HTTP 503", "busy"), ExportResult("retryable", "HTTP 503")] * 2
    forwarding = Destination(kept.reader, Silent(*later), Counters(), ["traces"], max_request=1, pause=lambda *_: False)
    for name in "ab":
        kept.offer("traces", trace(name), {})
    forwarding.start()
    for _ in range(6000):
        if kept.reader.unread_bytes == 0:
            break
        threading.Event().wait(0.01)
    forwarding.stop(60)
    assert [record.getMessage() for record in caplog.records] == [
        "otlp/x: is not accepting requests (HTTP 503: busy); they are kept in the log, and driftline will retry; "
        "logged once"
    ]


def test_a_dead_destination_keeps_its_requests_and_delays_no_end(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        endpoint = f"127.0.0.1:{unused.getsockname()[1]}"
        exporters: Any = {
            "otlp_grpc/dead": {"endpoint": endpoint, "tls": {"insecure": True}, "forward": ["traces"]},
            "otlp_http/dead": {"endpoint": f"http://{endpoint}", "forward": ["traces"]},
        }
        counters = Counters()
        log = RequestLog(tmp_path, counters, lambda: 0)
        forwarder = Forwarder(Config(exporters=exporters), counters, log, lambda: 0)
        log.start()
        forwarder.start()
        for i in range(100):
            forward(forwarder, log, trace(f"r{i}"))
        wait_until(lambda: all(f"{name} fails: " in (forwarder.sentence() or "") for name in exporters))
        forwarder.stop(5)
        log.stop()
    assert counted(counters, metrics.DRIFTLINE_FORWARD_SENT_REQUESTS) == 0
    assert counted(counters, metrics.DRIFTLINE_FORWARD_DROPPED_REQUESTS) == 0
    left = RequestLog(tmp_path, counters, lambda: 0)
    for name in exporters:
        kept = left.read(left.reader(name).position, 1 << 20).stored
        assert [names("traces", stored.entry.body) for stored in kept] == [[f"r{i}"] for i in range(100)]
    left.stop()


def forward(forwarder: Forwarder, log: RequestLog, body: bytes) -> None:
    """Keep what the forwarder wants of a request, as the way in does."""
    if (wanted := forwarder.passage("traces", body)).body:
        log.append(Entry("traces", wanted.body, 0, readers=FOR_DESTINATIONS)).result(60)
        forwarder.passed(wanted)


@pytest.mark.parametrize("served", [grpc_peer, http_peer], ids=["grpc", "http"])
def test_a_resend_and_what_comes_back_are_not_forwarded_again(tmp_path: Path, served: Callable[[Peer], Any]) -> None:
    peer = Peer()
    with served(peer) as name:
        exporter: Any = {"endpoint": peer.endpoint, "tls": {"insecure": True}, "forward": ["traces"]}
        counters = Counters()
        log = RequestLog(tmp_path, counters, lambda: 0)
        forwarder = Forwarder(Config(exporters={name: exporter}), counters, log, lambda: 0)
        log.start()
        for body in (trace("a"), trace("b"), trace("a")):
            forward(forwarder, log, body)
        forwarder.start()
        wait_until(lambda: counted(counters, metrics.DRIFTLINE_FORWARD_SENT_REQUESTS) > 0)
        forward(forwarder, log, trace("a") + trace("b"))
        forwarder.stop(60)
        log.stop()
    assert peer.names == ["a", "b"]


def test_what_could_not_be_delivered_at_the_end_is_sent_after_the_next_start(
    kept: KeptRequests, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "driftline")
    gone = ExportResult("retryable", "ConnectError", "connection refused", unreachable=True)
    forwarding = Destination(kept.reader, Silent(gone, gone, gone), kept.counters, ["traces"], max_request=1)
    for name in "abc":
        kept.offer("traces", trace(name), {})
    forwarding._stopping.set()
    forwarding.start()
    forwarding.stop(60)
    assert lacking(caplog.records[-1].getMessage(), "otlp/x:") == []
    assert counted(kept.counters, metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS) == 0
    again = Destination(kept.reader, answering := Silent(), kept.counters, ["traces"], max_request=1)
    again.start()
    again.stop(60)
    assert answering.bodies == [trace("a"), trace("b"), trace("c")]


def test_digests_are_forgotten_after_fifteen_minutes() -> None:
    now = [0.0]
    passed = RecentRequests(clock=lambda: now[0])
    passed.remember_sent(trace("a"))
    assert passed.new(trace("a")) == (b"", [])
    now[0] = 901.0
    assert passed.new(trace("a")).body == trace("a")


def test_what_comes_back_in_new_requests_is_known_by_its_resources() -> None:
    passed = RecentRequests()
    for name in "abc":
        passed.remember(passed.new(trace(name)).groups)
    new = passed.new(trace("b") + trace("new") + trace("a"))
    assert (new.body, len(new.groups)) == (trace("new"), 1)
    passed.remember(new.groups)
    assert passed.new(trace("c") + trace("new")).body == b""


def test_what_is_twice_in_one_request_is_not_known_from_before() -> None:
    twice = trace("a") + trace("a")
    assert RecentRequests().new(twice).body is twice


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


def test_the_start_line_beside_a_collector_does_not_advise_to_forward_to_it() -> None:
    exporters: Any = {"otlp_grpc/collector": {"endpoint": "collector:4317", "derived": ["metrics"]}}
    assert described(Config(exporters=exporters)) == [
        "sending derived metrics to collector:4317 (otlp_grpc/collector)",
        "not forwarding: received traces end here",
    ]
