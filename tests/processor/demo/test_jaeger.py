"""The recording peer of Jaeger reads what the exporter of OpenTelemetry sends."""

from __future__ import annotations

import pytest
from driftline_processor.demo.peers.jaeger import RecordingJaeger
from driftline_processor.demo.peers.recorder import Asked
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def asked(path: str = "/v1/traces") -> Asked:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("test")
    for id in ("A-1", "A-2"):
        with tracer.start_as_current_span("predict churn", attributes={"ml.prediction.id": id, "n": 3}):
            tracer.start_span("features churn").end()
    body = encode_spans(kept.get_finished_spans()).SerializeToString()
    return Asked("POST", path, {}, {}, body)


def test_the_trace_of_a_prediction_has_its_spans() -> None:
    jaeger = RecordingJaeger()
    assert jaeger(asked()) == (200, b"")
    ((stage, prediction),) = jaeger.traces("any", "ml.prediction.id", "A-2")
    assert (prediction.name, prediction.parent, prediction.attributes["n"]) == ("predict churn", "", 3)
    assert (stage.name, stage.parent, stage.trace) == ("features churn", prediction.id, prediction.trace)
    assert jaeger.traces("any", "ml.prediction.id", "A-3") == []


def test_another_path_is_refused() -> None:
    with pytest.raises(AssertionError, match="/v1/logs is not the path"):
        RecordingJaeger()(asked("/v1/logs"))
