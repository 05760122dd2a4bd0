"""The same rows through the SDK, once as records, once as distributions only: the same drift."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import DURATION_BOUNDS
from driftline_processor.core.windows.window import PANE
from driftline_processor.queries.model_view import ModelView
from driftline_processor.store.cumulative_streams import SILENT
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from tests.support.service import HERE, Service
from tests.support.state_fixtures import Open
from tests.support.state_rows import Clock, Opened
from tests.support.unwrap import unwrap

N = 20_000
BATCH = 4_000
"""Rows of a call."""


def frame(n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Return rows with numbers, texts, booleans, missing and invalid values."""
    random = np.random.default_rng(seed)
    amount = random.normal(100 + shift, 15, n)
    amount[random.random(n) < 0.05] = np.nan
    amount[::1_000] = np.inf
    return pd.DataFrame(
        {
            "amount": amount,
            "country": random.choice(np.array(["NO", "SE", "DK", None], object), n),
            "member": random.random(n) < 0.5 + shift / 100,
            "age": random.integers(18, 90, n).astype(float),
        }
    )


def by_age(rows: pd.DataFrame) -> Any:
    return rows["age"] / 100


def baseline() -> Baseline:
    rows = frame(5_000, 1)
    return Baseline.from_frame(rows, score=by_age(rows), model="churn", task="binary", version="1")


def passed(state: Opened, service: Service) -> None:
    """Bring everything that left the service to the processor."""
    service.flush()
    data = service.reader.get_metrics_data()
    bodies = [("logs", body) for body in service.channel.bodies] + [
        ("metrics", body) for body in service.metrics.bodies
    ]
    if data is not None:
        bodies.append(("metrics", encode_metrics(data).SerializeToString()))
    for signal, body in bodies:
        state.state.submit(signal, body).result(60)  # type: ignore[arg-type]


def evaluated(open_state: Open, clock: Clock, capture: str) -> ModelView:
    """Send 20,000 rows in a few batches, and return what is known of them."""
    clock.now = time.time_ns()
    state = open_state()
    service = Service(resource={**HERE, "deployment.environment.name": capture})
    service.reader = InMemoryMetricReader()
    service.meters = MeterProvider(
        [service.reader], resource=Resource({**HERE, "deployment.environment.name": capture})
    )
    model = service.model(version="1", capture=capture, metrics_channel=service.metrics, baseline=baseline())
    score = model.predict(by_age)
    rows = frame(N, 2, shift=3.0)
    for start in range(0, N, BATCH):
        score(rows[start : start + BATCH])
        passed(state, service)
        service.channel.bodies, service.metrics.bodies = [], []
    clock.now += SILENT + PANE
    return state.view(environment=capture)


@pytest.mark.slow
@pytest.mark.parametrize("capture", ["scores", "none"])
def test_whatever_is_captured_the_drift_is_the_same(open_state: Open, clock: Clock, capture: str) -> None:
    rows = evaluated(open_state, clock, "features")
    other = evaluated(open_state, clock, capture)
    assert (rows.rows, rows.distributed) == (N, 0)
    assert (other.rows, other.distributed) == ((N, 0) if capture == "scores" else (0, N))
    sent, summed = ([window for window in model.windows["1d"] if window.rows] for model in (rows, other))
    assert sum(window.rows for window in sent) == sum(window.rows for window in summed) == N
    if len(sent) > 1 or len(summed) > 1:
        pytest.skip("a window ended in between")
    (one,), (two,) = sent, summed
    for name, column in one.features.items():
        found = two.features[name]
        assert (found.state, found.rows) == (column.state, column.rows), name
        assert found.missing_now == pytest.approx(column.missing_now, abs=1e-9)
        for method, value in column.methods.items():
            assert found.methods[method].value == pytest.approx(value.value, abs=1e-9)
    assert {name: column.state for name, column in two.features.items()} == {
        "amount": "drift",
        "country": "ok",
        "member": "ok",
        "age": "ok",
    }
    for mine, its in ((one.score, two.score), (one.predicted, two.predicted)):
        assert mine is not None
        assert its is not None
        assert (its.rows, its.missing_now) == (mine.rows, mine.missing_now)
        for method, value in mine.methods.items():
            assert its.methods[method].value == pytest.approx(value.value, abs=1e-9)
    assert rows.by_class == other.by_class
    assert rows.duration is not None
    durations = N if capture == "scores" else N // BATCH  # of rows in records; of calls in metrics
    assert unwrap(other.duration)[: len(DURATION_BOUNDS) + 1].sum() == durations
    for model in (rows, other):
        assert unwrap(model.balance).completeness == 1.0
