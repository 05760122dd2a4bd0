"""What was sent is accepted, dropped or failed: it balances, whatever the destination does."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from driftline.semconv import events, metrics
from driftline_processor.config.schema import Config
from driftline_processor.exporters import forwarder
from driftline_processor.exporters.forwarder import Destination
from driftline_processor.health import Counters

from tests.support.kept_requests import KeptRequests
from tests.support.otlp_peers import Decide, Peer, counted, grpc_peer, http_peer, log, trace
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
    assert kept.reader.behind == 0


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
        wait_until(lambda: kept.reader.behind == 0)
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
