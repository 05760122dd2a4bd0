"""A request that is sent again while it is being written is kept once, and both senders hear the same."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

import pytest
from driftline.semconv import metrics as m
from driftline_processor.ingest.admission import Passage
from driftline_processor.log.entry_format import Entry
from driftline_processor.receipts import Overloaded, Receipt, Signal, StorageOutage

from tests.support.otlp_peers import counted
from tests.support.otlp_requests import logs
from tests.support.processes import prediction
from tests.support.state_fixtures import Open
from tests.support.state_rows import Opened


class SlowDisk:
    """A disk whose syncs wait until they may, and may fail."""

    def __init__(self) -> None:
        self.waits, self.go_on = threading.Event(), threading.Event()
        self.error: Exception | None = None
        self.errors: list[Exception] = []

    def sync(self, file: int) -> None:
        self.waits.set()
        assert self.go_on.wait(60)
        if self.errors:
            raise self.errors.pop()
        if self.error is not None:
            raise self.error
        os.fsync(file)


@contextmanager
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    disk = SlowDisk()
    monkeypatch.setattr(os, "fdatasync", disk.sync)
    try:
        yield disk
    finally:
        disk.go_on.set()


def bodies(state: Opened) -> list[bytes]:
    return [stored.entry.body for stored in state.state.log.read(0, 1 << 20).stored]


def test_a_request_again_while_it_is_written_waits_for_the_first(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, body = open_state(), prediction("churn", "a")
    with slow_disk(monkeypatch) as disk:
        first = state.state.submit("logs", body)
        assert disk.waits.wait(60)
        again = [state.state.submit("logs", body) for _ in range(3)]
        other = state.state.submit("logs", prediction("churn", "b"))
        assert not first.done()
    assert [future.result(60) for future in (first, *again, other)] == [Receipt()] * 5
    assert bodies(state) == [body, prediction("churn", "b")]
    assert counted(state.state.health.counters, m.DRIFTLINE_RECEIVED_REQUESTS) == 2


def test_one_that_fails_fails_for_all_who_wait_and_is_taken_when_it_comes_again(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, body = open_state(), prediction("churn", "a")
    with slow_disk(monkeypatch) as disk:
        disk.error = OSError(5, "Input/output error")
        both = [state.state.submit("logs", body), state.state.submit("logs", body)]
    for future in both:
        with pytest.raises(StorageOutage, match="Input/output error"):
            future.result(60)
    disk.error = None
    assert state.state.submit("logs", body).result(60) == Receipt()
    assert bodies(state) == [body]


class ForTenants:
    """A forwarder that wants all, with the header of the tenant."""

    headers = frozenset(["tenant"])

    def passage(self, signal: Signal, body: bytes) -> Passage:
        del signal
        return Passage(body)

    def passed(self, passage: Passage) -> None:
        pass


def test_the_same_bytes_of_another_tenant_are_another_request(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, body = open_state(), logs([], "prod")
    state.state.forward(ForTenants())
    with slow_disk(monkeypatch):
        taken = [state.state.submit("logs", body, {"tenant": tenant}) for tenant in "aba"]
    assert [future.result(60) for future in taken] == [Receipt()] * 3
    assert taken[0] is taken[2]
    kept = [stored.entry.headers for stored in state.state.log.read(0, 1 << 20).stored]
    assert kept == [(("tenant", "a"),), (("tenant", "b"),)]


class ForPart:
    """A forwarder that wants a part of each request."""

    headers = frozenset[str]()

    def __init__(self) -> None:
        self.remembered: list[Passage] = []

    def passage(self, signal: Signal, body: bytes) -> Passage:
        del signal, body
        return Passage(logs([], "part"))

    def passed(self, passage: Passage) -> None:
        self.remembered.append(passage)


def test_a_request_is_refused_where_the_part_that_goes_on_is_not_kept(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, body, forwarder = open_state(), prediction("churn", "a"), ForPart()
    state.state.forward(forwarder)
    append = state.state.log.append

    def alone(entry: Entry, waited: float) -> Future[int]:
        future = append(entry, waited)
        wait([future], 60)
        return future

    monkeypatch.setattr(state.state.log, "append", alone)
    with slow_disk(monkeypatch) as disk:
        disk.errors = [OSError(5, "Input/output error")]
        disk.go_on.set()
        with pytest.raises(StorageOutage, match="Input/output error"):
            state.state.submit("logs", body).result(60)
    assert forwarder.remembered == []
    assert state.state.submit("logs", body).result(60) == Receipt()
    assert logs([], "part") in bodies(state)
    assert forwarder.remembered == [Passage(logs([], "part"))]


def test_a_request_whose_sender_has_waited_too_long_is_refused(state: Opened) -> None:
    with pytest.raises(Overloaded):
        state.state.submit("logs", prediction("churn", "a"), waited=3.1)
    assert state.state.submit("logs", prediction("churn", "a"), waited=2.9).result(60) == Receipt()


def test_a_request_again_does_not_inherit_how_long_the_first_has_waited(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first waits for memory until it would be too late for it; the sender of the second has just come."""
    state, body = open_state(), prediction("churn", "a")
    now, admission = [1_000.0], state.state._admission
    monkeypatch.setattr(admission, "_monotonic", lambda: now[0])
    waits, go_on = threading.Event(), threading.Event()

    @contextmanager
    def memory(_: bytes) -> Iterator[None]:
        waits.set()
        assert go_on.wait(60)
        now[0] += 0.5
        yield

    monkeypatch.setattr(admission, "_checking", memory)
    taken: list[Future[Receipt]] = []
    first = threading.Thread(target=lambda: taken.append(state.state.submit("logs", body, waited=2.8)))
    first.start()
    assert waits.wait(60)
    again = state.state.submit("logs", body)
    go_on.set()
    first.join(60)
    assert taken == [again]
    assert again.result(60) == Receipt()
    with pytest.raises(Overloaded):
        state.state.submit("logs", prediction("churn", "b"), waited=2.8)
    assert bodies(state) == [body]


def test_while_the_disk_stalls_senders_are_asked_to_come_again(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: Any = open_state()
    with slow_disk(monkeypatch) as disk:
        first = state.state.submit("logs", prediction("churn", "a"))
        assert disk.waits.wait(60)
        second = state.state.submit("logs", prediction("churn", "b"))
        pace = state.state.log._pace
        pace._began -= 3.5  # so long the sync has taken already
        with pytest.raises(Overloaded) as refused:
            state.state.submit("logs", prediction("churn", "c"))
        assert refused.value.retry_after <= 2
    assert [first.result(60), second.result(60)] == [Receipt()] * 2
    assert bodies(state) == [prediction("churn", "a"), prediction("churn", "b")]
