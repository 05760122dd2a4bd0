"""A service that knows nothing of us: histograms of its own, of a stock OpenTelemetry SDK, mapped to a model."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.fold import fold
from driftline.tables.table import ModelKey, PredictionTable
from driftline_processor.core.drift.rule import drift
from driftline_processor.queries.model_view import ModelView
from driftline_processor.service import Service
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import (
    Aggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
)
from opentelemetry.sdk.resources import Resource

from tests.support.running_service import running
from tests.support.state_rows import baseline, predictions

RNG = np.random.default_rng(11)
ROWS = 3_000
PLANS = ["free", "pro", "team"]
REFERENCE = {"amount": RNG.lognormal(3, 0.6, 8_000).tolist(), "plan": RNG.choice(PLANS, 8_000, p=[0.6, 0.3, 0.1])}
BASELINE = baseline(RNG.beta(2, 5, 8_000).tolist(), REFERENCE, model="pricing")
AMOUNTS = np.exp(RNG.normal(3.25, 0.6, ROWS))
SCORES = RNG.beta(2, 5, ROWS)
TAKEN = RNG.choice(PLANS, ROWS, p=[0.6, 0.3, 0.1])
METRICS = {
    "order.amount": {"feature": "amount"},
    "order.plan": {"feature": "plan", "category_attribute": "plan"},
    "churn.score": {"score": True},
    "order.latency": {"duration": True},
}
CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
EXPONENTIAL = ExponentialBucketHistogramAggregation()
FINE = ExplicitBucketHistogramAggregation(sorted([*np.exp(np.linspace(0, 6, 100)), *np.linspace(0.01, 0.99, 99)]))


def mapped(folder: Path, known: Baseline | None = BASELINE, **model: Any) -> AbstractContextManager[Service]:
    """Run the processor with the metrics above mapped."""
    keys: dict[str, Any] = {"task": "binary", "windows": ["1mo"], "metrics": METRICS, **model}
    if known is not None:
        known.save(folder / "baseline.json")
        keys["baseline"] = folder / "baseline.json"
    return running(folder / "state", models={"pricing": keys})


def service_of(service: Service, aggregation: Aggregation, temporality: AggregationTemporality) -> MeterProvider:
    """Return the metrics of an application, with nothing of ours in it."""
    exporter = OTLPMetricExporter(
        f"http://{service.addresses['http']}/v1/metrics",
        preferred_temporality={Histogram: temporality, Counter: temporality},
        preferred_aggregation={Histogram: aggregation},
    )
    reader = PeriodicExportingMetricReader(exporter, 3_600_000)
    said = Resource({"service.name": "shop", "deployment.environment.name": "live"})
    return MeterProvider([reader], said, shutdown_on_exit=False)


def work(provider: MeterProvider, rows: slice) -> None:
    """Serve some requests and record them, as an application does."""
    meter = provider.get_meter("shop.pricing")
    amount, score = meter.create_histogram("order.amount", "EUR"), meter.create_histogram("churn.score")
    latency, plan = meter.create_histogram("order.latency", "ms"), meter.create_counter("order.plan")
    said = {"ml.model.version": "7"}
    for value, probability, of in zip(AMOUNTS[rows], SCORES[rows], TAKEN[rows], strict=True):
        amount.record(float(value), {**said, "country": "fr" if value > 20 else "de"})
        score.record(float(probability), said)
        latency.record(3.0, said)
        plan.add(1, {**said, "plan": str(of)})


def seen(service: Service) -> ModelView:
    """Return what is known of the model."""
    state = service._state
    assert state is not None
    state.settle()
    return next(model for model in state.publish().models if model.key == ModelKey("pricing", "7", "live"))


def of_rows() -> Any:
    """Return the drift of the same rows, sent as rows."""
    features: dict[str, Any] = {"amount": AMOUNTS.tolist(), "plan": TAKEN.tolist()}
    table: PredictionTable = predictions([""] * ROWS, scores=SCORES.tolist(), features=features)
    return drift(fold(table, BASELINE.bins), BASELINE)


@pytest.mark.slow
@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA], ids=["cumulative", "delta"])
@pytest.mark.parametrize("aggregation", [EXPONENTIAL, FINE], ids=["exponential", "explicit"])
def test_histograms_of_a_stock_sdk_tell_the_drift_that_rows_tell(
    tmp_path: Path, aggregation: Aggregation, temporality: AggregationTemporality
) -> None:
    with mapped(tmp_path) as service:
        provider = service_of(service, aggregation, temporality)
        for first in range(0, ROWS, 1_000):
            work(provider, slice(first, first + 1_000))
            assert provider.force_flush()
        provider.shutdown()
        view = seen(service)
    window, rows = view.windows["1mo"][-1], of_rows()
    assert (view.distributed, window.rows) == (ROWS, ROWS)
    assert window.features["plan"].methods == rows.features["plan"].methods
    found, exact = window.features["amount"], rows.features["amount"]
    assert (found.state, found.rows) == (exact.state, exact.rows) == ("drift", ROWS)
    slack, share = (0.0012, 0.03) if aggregation is EXPONENTIAL else (0.006, 0.06)
    assert found.methods["ks"].value == pytest.approx(exact.methods["ks"].value, abs=slack)
    assert found.methods["psi"].value == pytest.approx(exact.methods["psi"].value, rel=share)
    assert window.score is not None
    assert window.score.state == rows.score.state == "ok"
    assert window.score.methods["ks"].value == pytest.approx(rows.score.methods["ks"].value, abs=0.006)
    assert view.duration is not None
    assert view.duration[5:7].tolist() == [ROWS, 0]  # 3 ms, of a metric in milliseconds
    assert view.duration[-1] == pytest.approx(3 * ROWS / 1_000)
