"""What stands behind the receivers in their tests: keeps what it is given, and answers as it is told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from driftline.tables.table import OutcomeTable
from driftline_processor.access.access import Access
from driftline_processor.access.principal import UNRESTRICTED, Sending
from driftline_processor.access.routes import Authentication
from driftline_processor.health import Counters
from driftline_processor.receipts import Receipt, Signal
from driftline_processor.receivers.outcomes_http import routes
from driftline_processor.receivers.receiver import Accept, Surroundings
from driftline_processor.servers.http_server import HttpServers
from driftline_processor.servers.request_memory import RequestMemory
from httpx2 import Response
from starlette.applications import Starlette
from starlette.testclient import TestClient


def intake_of(accept: Accept) -> Any:
    """An intake that takes OTLP alone."""
    return SimpleNamespace(submit=accept)


def surroundings(counters: Counters | None = None) -> Surroundings:
    """What a receiver shares with others, of its own; it is 5 ns past 1970."""
    memory = RequestMemory(256 * 2**20)
    return Surroundings(counters or Counters(), lambda: 5, memory, HttpServers(memory=memory))


class FakeIntake:
    """An :data:`Accept`. ``answer``: makes the receipt, or raises; ``later``: to who waits for the receipt."""

    def __init__(self, answer: Callable[[], Receipt] = Receipt, later: bool = False) -> None:
        self.answer, self.later = answer, later
        self.threads: list[str] = []
        self.waits: list[float] = []
        self.taken: list[tuple[Signal, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.senders: list[Sending] = []

    def __call__(
        self,
        signal: Signal,
        body: bytes,
        headers: Mapping[str, str],
        waited: float = 0.0,
        sending: Sending = UNRESTRICTED,
    ) -> Future[Receipt]:
        self.senders.append(sending)
        self.threads.append(threading.current_thread().name)
        self.waits.append(waited)
        future: Future[Receipt] = Future()
        try:
            receipt = self.answer()
        except Exception as error:
            if not self.later:
                raise
            future.set_exception(error)
            return future
        self.taken.append((signal, body))
        self.headers.append(dict(headers))
        future.set_result(receipt)
        return future


class FailsFirst:
    """Raises an error the first time, and makes an empty receipt after that."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error

    def __call__(self) -> Receipt:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return Receipt()


NOW = 1_795_161_600 * 10**9  # 2026-11-20T08:00:00Z


@dataclass
class OutcomeIntake:
    """Keeps what was submitted, and answers as told."""

    tables: list[OutcomeTable] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    failure: Exception | None = None
    counters: Counters = field(default_factory=Counters)
    now: int = NOW

    def __call__(self, tables: list[OutcomeTable], digest: bytes) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        if self.failure is not None:
            future.set_exception(self.failure)
            return future
        self.tables += tables
        self.digests.append(digest)
        future.set_result(Receipt(sum(map(len, tables)), self.rejected))
        return future

    @property
    def client(self) -> TestClient:
        app = Starlette(routes=routes(self, self.counters, lambda: self.now))
        return TestClient(Authentication(app, Access.without_log_in()))


def post_outcomes(
    state: OutcomeIntake, body: str | bytes, kind: str, query: str = "?model=churn", **headers: str
) -> Response:
    """Post a document of outcomes; keyword arguments are headers."""
    sent = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return state.client.post("/v1/outcomes" + query, content=body, headers=sent)
