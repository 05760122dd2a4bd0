"""What the SDK counts of a model whose rows stay home is, in the processor, what its rows would have been."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.export.pipeline import pipeline_of
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from tests.support.service import Service
from tests.support.state_fixtures import Open
from tests.support.state_rows import Clock
from tests.support.unwrap import unwrap

ROWS = 3000


def frame(seed: int, shift: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": np.where(random.random(ROWS) < 0.03, np.nan, random.normal(40 + shift, 12, ROWS)),
            "region": random.choice(np.array(["north", "south", None], object), ROWS),
            "member": random.random(ROWS) < 0.4,
        }
    )


def by_age(rows: pd.DataFrame) -> Any:
    return 1 / (1 + np.exp(-(rows["age"].fillna(40) - 40) / 12))


def predict(capture: str, rows: pd.DataFrame, known: Baseline, parts: int) -> Service:
    """Predict the rows in some calls, a report after each."""
    service = Service()
    tracers = TracerProvider(resource=Resource({"service.name": "shop", "deployment.environment.name": capture}))
    options: dict[str, Any] = {
        "baseline": known,
        "version": "1",
        "tracer_provider": tracers,
        "metrics_channel": service.metrics,
    }
    model = service.model(capture=capture, **options)
    score = model.predict(by_age)
    for part in np.array_split(np.arange(len(rows)), parts):
        score(rows.iloc[part])
        assert service.flush()
    return service


@pytest.mark.slow
@pytest.mark.parametrize("preference", ["cumulative", "delta"])
@pytest.mark.parametrize("capture", ["none", "scores"])
def test_drift_of_distributions_is_the_drift_of_the_rows(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, capture: str, preference: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    reference = frame(1)
    known = Baseline.from_frame(reference, score=by_age(reference), model="churn", task="binary", version="1")
    state = open_state()
    for how in ("features", capture):
        service = predict(how, frame(2, shift=6.0), known, parts=4)
        clock.now = time.time_ns()
        for body in service.channel.bodies:
            state.state.submit("logs", body).result(60)
        for body in service.metrics.bodies:
            state.state.submit("metrics", body).result(60)
        pipeline_of(service.channel).close()

    rows, summed = (state.view(environment=how).windows["1h"][-1] for how in ("features", capture))
    assert (rows.rows, summed.rows) == (ROWS, ROWS)
    assert rows.features["age"].state == "drift"
    for name, column in rows.features.items():
        other = summed.features[name]
        assert (other.state, other.rows, other.missing_now) == (column.state, column.rows, column.missing_now), name
        for method, value in column.methods.items():
            assert other.methods[method].value == pytest.approx(value.value, abs=1e-9), name
    assert unwrap(summed.score).methods["psi"].value == pytest.approx(unwrap(rows.score).methods["psi"].value, abs=1e-9)
