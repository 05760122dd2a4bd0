"""A service as its owner wrote it, in a process of its own, and what it sends when somebody else instruments it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from driftline.tables.table import PredictionTable
from driftline_processor.core.decode.requests import decode_logs
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.receiver import Receiver
from tests.support.service import NOW

INSTRUMENT = str(Path(sys.executable).with_name("opentelemetry-instrument"))


def run(script: Path, receiver: Receiver, *prefix: str, **environment: str) -> list[str]:
    """Run a program that prints its predictions, and return them; all signals go to the receiver."""
    url = f"http://127.0.0.1:{receiver.server_port}"
    where = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_LOGS_EXPORTER": "none",
        "DRIFTLINE_ENDPOINT": url,
    }
    done = subprocess.run(
        [*prefix, sys.executable, script.name],
        cwd=script.parent,
        env={**os.environ, **where, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def tables(receiver: Receiver) -> list[PredictionTable]:
    """Return the rows of all records that arrived."""
    bodies = [body for path, body in receiver.requests if path == "/v1/logs"]
    return [table for body in bodies for table in decode_logs(body, NOW).predictions]


def spans(receiver: Receiver) -> list[dict[str, Any]]:
    """Return the attributes of all spans that arrived, with ``name``."""
    requests = [ExportTraceServiceRequest.FromString(body) for path, body in receiver.requests if path == "/v1/traces"]
    return [
        {"name": span.name, **{pair.key: pair.value for pair in span.attributes}}
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def counted(receiver: Receiver) -> Counter[str]:
    """Return the newest value of ``ml.predictions`` by class."""
    newest: Counter[str] = Counter()
    for path, body in receiver.requests:
        if path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        for point in metric.sum.data_points if metric.name == "ml.predictions" else ():
                            attributes = {pair.key: pair.value.string_value for pair in point.attributes}
                            newest[attributes["ml.prediction.class"]] = point.as_int
    return newest
