"""What every exporter promises (``exporters/exporter.py``), and the forwarder over each of them."""

from __future__ import annotations

import pkgutil
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from driftline.semconv import metrics
from driftline_processor.config.kinds import EXPORTERS
from driftline_processor.exporters import types
from driftline_processor.exporters.exporter import CLOSED, Exporter, ExporterKind, ExportResult
from driftline_processor.exporters.forwarder import Destination
from driftline_processor.health import Counters

from tests.support.kept_requests import KeptRequests
from tests.support.otlp_peers import Peer, counted, grpc_peer, http_peer, trace
from tests.support.waiting import wait_until

from .balance import IDS, SCENARIOS, OtherSide

PEERS: dict[str, Callable[[Peer], AbstractContextManager[str]]] = {"otlp_grpc": grpc_peer, "otlp_http": http_peer}
ASKED = {"otlp_grpc": 1.5, "otlp_http": 2.0}
"""Type → seconds that its peer asks for."""


def made(name: str, peer: Peer) -> Exporter:
    kind: type[ExporterKind] = EXPORTERS.find(name.partition("/")[0])
    return kind.model_validate({"endpoint": peer.endpoint, "tls": {"insecure": True}}).connect()


def test_every_type_of_exporter_is_under_contract() -> None:
    assert set(PEERS) == set(EXPORTERS.names())
    assert set(PEERS) == {module.name for module in pkgutil.iter_modules(types.__path__)}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("kind", PEERS)
def test_sent_accepted_and_dropped_balance(kind: str, scenario: str) -> None:
    other, dropped, results = OtherSide(scenario), set[str](), list[ExportResult]()
    with PEERS[kind](peer := Peer(other.answer)) as name:
        exporter = made(name, peer)
        for id in IDS:
            while (result := exporter.export("traces", trace(id), {})).result == "retryable":
                results.append(result)
            if result.result == "permanent":
                dropped.add(id)
        exporter.close()
    other.balances(dropped)
    assert {result.retry_after for result in results} <= {ASKED[kind]}
    assert len(results) == len(other.put_off)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("kind", PEERS)
def test_the_forwarder_balances_too_though_requests_travel_together(
    kept: KeptRequests, kind: str, scenario: str
) -> None:
    other, counters = OtherSide(scenario), Counters()
    with PEERS[kind](peer := Peer(other.answer)) as name:
        destination = Destination(
            kept.reader, made(name, peer), counters, ["traces"], pause=lambda stopping, _: stopping.is_set()
        )
        for id in IDS:
            kept.offer("traces", trace(id), {})
        destination.start()
        assert other.settled.wait(60)
        destination.stop(60)
    other.balances(other.refused)
    assert counted(counters, metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS) == len(other.refused)
    assert counted(counters, metrics.DRIFTLINE_FORWARD_DROPPED_REQUESTS) == 0


@pytest.mark.parametrize("kind", PEERS)
def test_an_end_during_a_call_is_no_permanent_error(kind: str) -> None:
    arrived, go_on, results = threading.Event(), threading.Event(), list[ExportResult]()

    def wait(_: list[str]) -> str:
        arrived.set()
        assert go_on.wait(60)
        return "ok"

    with PEERS[kind](peer := Peer(wait)) as name:
        exporter = made(name, peer)
        calling = threading.Thread(target=lambda: results.append(exporter.export("traces", trace("1"), {})))
        calling.start()
        assert arrived.wait(60)
        exporter.close()
        go_on.set()
        calling.join()
        exporter.close()
        assert exporter.export("traces", trace("2"), {}) == ExportResult("retryable", CLOSED)
    (result,) = results
    assert result.result in ("success", "retryable")
    wait_until(lambda: bool(peer.names))  # a call that was given up goes on at the other side
    assert peer.names == ["1"]


@pytest.mark.parametrize("kind", PEERS)
def test_a_destination_that_nobody_answers_is_retryable(kind: str) -> None:
    with PEERS[kind](peer := Peer()) as name:
        pass
    exporter = made(name, peer)
    result = exporter.export("traces", trace("1"), {})
    assert (result.result, result.unreachable, result.retry_after) == ("retryable", True, None)
    exporter.close()
