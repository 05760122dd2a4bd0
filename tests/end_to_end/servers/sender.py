"""A program that predicts in each way, with providers of ``configure()`` or of its own; tests end it in each way.

``SENDER``: "configure", "own", or "none" if another program sets up the providers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import driftline
import fastapi
import flask
from driftline.integration.recorder import Recorder

SENDER = os.environ["SENDER"]
if SENDER == "configure":
    driftline.configure(service_name="sender")
elif SENDER == "own":
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))

churn = driftline.Model("churn", task="binary")
recorder = Recorder(churn, "queue")


@churn.predict(id="id")
def score(row: dict[str, Any]) -> float:
    return 0.25 if row["id"] else 0.75


@churn.predict(id="id")
def stream(row: dict[str, Any]) -> Iterator[float]:
    yield 0.25 if row["id"] else 0.75


class Late:
    """A prediction that is read on the background thread."""

    cost = 100

    def read(self) -> float:
        return 0.25


ROUTES = {"GET /route/{id}": {"features": "path", "id": "path:id", "score": "score"}}
wsgi = flask.Flask("sender")
asgi = fastapi.FastAPI()


@wsgi.get("/route/<id>")
@asgi.get("/route/{id}")
def route(id: str) -> dict[str, float]:
    return {"score": 0.25 if id else 0.75, "process": os.getpid()}


@wsgi.get("/others/<id>")
@asgi.get("/others/{id}")
def others(id: str) -> dict[str, int]:
    score({"id": f"{id}-call"})
    list(stream({"id": f"{id}-generator"}))
    recorder.close_later(recorder.open({"visits": 1}, id=f"{id}-deferred"), Late())
    return {"process": os.getpid()}


churn.instrument(wsgi, routes=ROUTES)
churn.instrument(asgi, routes=ROUTES)


def send(name: str) -> None:
    """Predict in each way. The ids begin with ``name``."""
    others(name)
    assert wsgi.test_client().get(f"/route/{name}-route").status_code == 200
