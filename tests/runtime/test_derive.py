"""Exporters that want what is derived get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.semconv import metrics as m
from driftline_processor.runtime.config import Config
from driftline_processor.runtime.derive import derive
from driftline_processor.runtime.destination import Destination
from driftline_processor.runtime.health import Counters
from driftline_processor.runtime.state import State
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA

from tests.core.decode.requests import NOW, logs, record, span, traces


@dataclass
class Queue:
    """Stands where a destination does."""

    offered: list[tuple[str, bytes]] = field(default_factory=list)

    def offer(self, signal: str, body: bytes, headers: Mapping[str, str]) -> None:
        assert not headers
        self.offered.append((signal, body))


def exporter(derived: list[str], **keys: Any) -> dict[str, Any]:
    return {"endpoint": "http://127.0.0.1:9", "derived": derived, **keys}


def test_each_exporter_gets_what_it_asks_for(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "storage": {"directory": tmp_path / "state"},
            "exporters": {
                "otlp_http/jaeger": exporter(["traces"]),
                "otlp_http/prometheus": exporter(["metrics"], temporality="delta"),
                "otlp_http/both": exporter(["metrics", "traces"]),
                "otlp_http/neither": exporter([]),
            },
        }
    )
    queues = {name: Queue() for name in config.exporters}
    state = State(config, clock=lambda: NOW)
    derived = derive(config, state, cast("dict[str, Destination]", queues), Counters(), lambda: NOW)
    state.start()
    derived.start()
    prediction = span({a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_PREDICTION_CLASS: "1"})
    outcome = record(events.ML_OUTCOME, {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_OUTCOME_ACTUAL: 1})
    state.submit("traces", traces([prediction])).result(10)
    state.submit("logs", logs([outcome])).result(10)
    state.stop()
    derived.stop()

    def offered(name: str) -> list[str]:
        return [signal for signal, _ in queues[name].offered]

    assert offered("otlp_http/jaeger") == ["traces"]
    assert offered("otlp_http/prometheus") == ["metrics"]
    assert offered("otlp_http/both") == ["traces", "metrics"]
    assert offered("otlp_http/neither") == []
    [made] = ExportTraceServiceRequest.FromString(queues["otlp_http/jaeger"].offered[0][1]).resource_spans
    assert made.scope_spans[0].spans[0].name == "outcome churn"
    request = ExportMetricsServiceRequest.FromString(queues["otlp_http/prometheus"].offered[0][1])
    metrics = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    counted = metrics[m.ML_PREDICTIONS].sum
    assert counted.aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA
    assert [point.as_double for point in counted.data_points] == [1.0]
