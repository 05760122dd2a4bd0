"""Every test of the SDK runs with internal errors raised, a stopped clock and numbered ids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread

import pytest
from driftline import lifecycle
from driftline.faults import FAULTS
from driftline.settings import SETTINGS
from driftline.testing import Clock, deterministic

from .receiver import Receiver
from .service import NOW, Service


@pytest.fixture(autouse=True)
def _inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Raise what Driftline would swallow, stop the clock, and number the ids."""
    theirs = ("OTEL_SDK_DISABLED", "OTEL_LOGS_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT")
    for variable in (*theirs, *(setting.variable for setting in SETTINGS)):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(FAULTS, "raising", True)
    FAULTS.reset()
    with deterministic(Clock(datetime.fromtimestamp(NOW // 10**9, UTC))):
        yield
    FAULTS.raising = False
    for pipeline in lifecycle.pipelines():
        pipeline.close()
    FAULTS.reset()


@pytest.fixture
def service() -> Service:
    """Return a process with one channel and its own providers; every call is sampled."""
    return Service()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
