"""One service in a test: a model with providers and a channel of its own, and everything that left it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import driftline
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import Delivery
from driftline.tables.table import OutcomeTable, PredictionTable
from driftline_processor.core.decode.requests import decode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from .metric_points import Point, points

NOW = 1_795_161_600_000_000_000
"""2026-11-20 08:00 UTC, in unix nanoseconds: when every prediction of these tests is made."""

HERE = {"service.name": "shop", "service.instance.id": "shop-1", "deployment.environment.name": "test"}


@dataclass
class Memory:
    """A channel that keeps what it is sent, and answers as told."""

    bodies: list[bytes] = field(default_factory=list)
    answers: list[Delivery] = field(default_factory=list)
    name: str = "memory"

    def send(self, body: bytes, timeout: float) -> Delivery:  # noqa: ARG002
        answer = self.answers.pop(0) if self.answers else Delivery("delivered")
        if answer.state == "delivered":
            self.bodies.append(body)
        return answer

    def forget(self) -> None:
        self.bodies = []

    def close(self) -> None:
        pass


class Service:
    """A process that serves one model."""

    def __init__(self, sampler: Sampler | None = None, resource: Mapping[str, str] = HERE) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(sampler=sampler, resource=Resource(resource))
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.channel = Memory()
        self.metrics = Memory(name="metrics")

    def model(self, name: str = "churn", task: str = "binary", **options: Any) -> driftline.Model:
        """Return a handle that reports here."""
        options = {"tracer_provider": self.tracers, "meter_provider": self.meters, **options}
        return driftline.Model(name, task=task, channel=self.channel, **options)

    def flush(self) -> bool:
        """Send what was recorded, once."""
        return pipeline_of(self.channel).flush(60.0, again=())

    @property
    def spans(self) -> list[ReadableSpan]:
        """What was traced, in order of their ends."""
        return list(self.exporter.get_finished_spans())

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the only span."""
        (span,) = self.spans
        return dict(span.attributes or {})

    def tables(self) -> list[PredictionTable]:
        """Return the rows of all records sent, as the processor reads them."""
        self.flush()
        return [table for body in self.channel.bodies for table in decode_logs(body, NOW).predictions]

    def recorded(self) -> list[Point]:
        """Return the points of the histograms in the application's MeterProvider."""
        self.flush()
        data = self.reader.get_metrics_data()
        sent = [] if data is None else points([encode_metrics(data).SerializeToString()])
        return [point for point in sent if point.kind == "histogram"]

    def table(self) -> PredictionTable:
        """Return the rows of the only record."""
        (table,) = self.tables()
        return table

    def outcomes(self) -> list[OutcomeTable]:
        """Return the outcomes sent."""
        self.flush()
        return [table for body in self.channel.bodies for table in decode_logs(body, NOW).outcomes]

    def counts(self) -> dict[tuple[tuple[str, Any], ...], int]:
        """Return ``ml.predictions``: sorted attributes without the model's name → predictions."""
        self.flush()
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        counts: dict[tuple[tuple[str, Any], ...], int] = {}
        for resource in data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "ml.predictions":
                        for point in metric.data.data_points:
                            items = sorted((key, value) for key, value in (point.attributes or {}).items())
                            key = tuple(item for item in items if item[0] != "ml.model.name")
                            counts[key] = int(getattr(point, "value", 0))
        return counts


def returns(value: Any) -> Callable[[Any], Any]:
    """Return a function of one argument that always predicts the same."""
    return lambda features: value  # noqa: ARG005


class AddedCounts:
    """A counter that remembers."""

    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, str]]] = []

    def add(self, n: int, attributes: dict[str, str] | None = None) -> None:
        self.points.append((n, attributes or {}))
