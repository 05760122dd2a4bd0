"""Predictions as senders without our SDK make them: stock OpenTelemetry, the attributes of the wire page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time_ns

import numpy as np
import pandas as pd
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from .peers import Driftline, post

HOUR = 3600 * 10**9


@contextmanager
def tracer(exporter: SpanExporter) -> Iterator[Tracer]:
    """Yield a tracer; when the block ends every span has been sent."""
    provider = TracerProvider(resource=Resource({a.SERVICE_NAME: "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        made = provider.get_tracer("shop.churn")
        assert isinstance(made, Tracer)
        yield made
    finally:
        provider.shutdown()


def predict(shop: Tracer, identity: str, score: float, time: int | None = None, model: str = "churn") -> str:
    """Make one web request with a prediction in it; return the trace id in hex."""
    with shop.start_as_current_span("POST /score") as request, shop.start_as_current_span(f"predict {model}") as span:
        span.set_attributes(
            {
                a.ML_OPERATION_NAME: "predict",
                a.ML_MODEL_NAME: model,
                a.ML_MODEL_VERSION: "1",
                a.ML_MODEL_TASK: "binary",
                a.DRIFTLINE_MODEL_CLASSES: ("0", "1"),
                a.ML_PREDICTION_ID: identity,
                a.ML_PREDICTION_SCORE: score,
                f"{a.DRIFTLINE_FEATURE_VALUE}.tenure": 12.0 * score,
                f"{a.DRIFTLINE_FEATURE_VALUE}.plan": "gold" if score > 0.5 else "basic",
            }
        )
        if time is not None:
            span.set_attribute(a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO, time)
        return f"{request.get_span_context().trace_id:032x}"


def baseline(folder: Path) -> Path:
    """Build a baseline of a model that is right."""
    rng = np.random.default_rng(7)
    score = rng.beta(2, 5, 4_000)
    frame = pd.DataFrame({"tenure": 12.0 * score, "plan": np.where(score > 0.5, "gold", "basic")})
    actual = (rng.random(len(score)) < score).astype(int)
    path = folder / "churn.baseline.json"
    Baseline.from_frame(frame, score=score, actual=actual, model="churn", task="binary").save(path)
    return path


def send_wrong_churn(driftline: Driftline, low: int, high: int) -> None:
    """Send six hours of predictions, and outcomes that are their opposite; ``low``, ``high``: of the scores' beta."""
    now, rng = time_ns(), np.random.default_rng(8)
    scores = rng.beta(low, high, 1_800)
    with tracer(OTLPSpanExporter(endpoint=f"{driftline.http}/v1/traces")) as shop:
        for row, score in enumerate(scores):
            predict(shop, str(row), float(score), now - 6 * HOUR + row * 6 * HOUR // len(scores))
    outcomes = [{"id": str(row), "actual": int(rng.random() > score)} for row, score in enumerate(scores)]
    post(f"{driftline.web}/v1/outcomes", {"model": "churn", "outcomes": outcomes})
