"""Fixtures of the SDK: internal errors are raised, the clock stands, ids are numbered, and a receiver listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from driftline.capture.prediction import OPEN
from driftline.export import counters, lifecycle
from driftline.faults import FAULTS
from driftline.loss_counters import UNRECORDED, UNUSABLE
from driftline.settings import SETTINGS
from driftline.testing import Clock, deterministic
from driftline_processor.demo.peers.recorder import listening
from opentelemetry import context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from .receiver import Receiver
from .service import NOW, Service


@pytest.fixture(autouse=True)
def _inside() -> Iterator[None]:
    """Raise what Driftline would swallow, stop the clock, number the ids, and be inside no span or prediction.

    Not with the test's own ``monkeypatch``: that would be undone last, and put a stopped clock back for good.
    """
    with pytest.MonkeyPatch.context() as patch:
        theirs = ("OTEL_SDK_DISABLED", "OTEL_LOGS_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT")
        for variable in (*theirs, *(setting.variable for setting in SETTINGS)):
            patch.delenv(variable, raising=False)
        patch.setenv("DRIFTLINE_SPAN_FEATURES", "true")  # a span shows what was read of a call
        patch.setattr(FAULTS, "raising", True)
        FAULTS.reset()
        span_token = context.attach(context.Context())
        open_token = OPEN.set(None)
        with deterministic(Clock(datetime.fromtimestamp(NOW // 10**9, UTC))):
            yield
        OPEN.reset(open_token)
        context.detach(span_token)  # also of what a test left open on purpose
    FAULTS.raising = False
    for pipeline in lifecycle.pipelines():
        pipeline.close()
    FAULTS.reset()
    UNRECORDED.drain()
    UNUSABLE.drain()


@pytest.fixture
def service() -> Service:
    """Return a process with one channel and its own providers; every call is sampled."""
    return Service()


@pytest.fixture
def reasons() -> Iterator[Callable[[str], dict[str, int]]]:
    """Return what reads a counter of the SDK about itself by its name: reason → how many."""
    reader = InMemoryMetricReader()
    put_back = counters.redirect_counts(MeterProvider([reader]))

    def read(name: str) -> dict[str, int]:
        data = reader.get_metrics_data()
        return {
            str((point.attributes or {})["driftline.reason"]): int(getattr(point, "value", 0))
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }

    yield read
    put_back()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver that listens."""
    with listening(Receiver()) as server:
        yield server
