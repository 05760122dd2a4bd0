"""A prediction's trace, opened in Jaeger, shows what really happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline.semconv import attributes as a
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from .peers import Driftline, eventually, get, jaeger, post
from .rows import predict, tracer

pytestmark = pytest.mark.interop


def test_the_outcome_is_in_the_trace_of_its_prediction(tmp_path: Path) -> None:
    driftline = Driftline()
    with jaeger(tmp_path) as (otlp, api):
        exporter = {"endpoint": otlp, "tls": {"insecure": True}, "forward": ["traces"], "derived": ["traces"]}
        with driftline.up(tmp_path, exporters={"otlp_grpc/jaeger": exporter}):
            with tracer(OTLPSpanExporter(endpoint=f"{driftline.http}/v1/traces")) as shop:
                trace = predict(shop, "A-1001", 0.9)
            answer = post(
                f"{driftline.web}/v1/outcomes", {"model": "churn", "outcomes": [{"id": "A-1001", "actual": 0}]}
            )
            assert answer == {"accepted": 1, "rejected": []}

            def spans() -> dict[str, dict[str, Any]]:
                found = get(f"{api}/api/traces/{trace}")["data"]
                return {span["operationName"]: span for each in found for span in each["spans"]}

            seen = eventually(spans, lambda found: len(found) == 3)

    assert set(seen) == {"POST /score", "predict churn", "outcome churn"}
    (parent,) = seen["outcome churn"]["references"]
    assert (parent["refType"], parent["spanID"]) == ("CHILD_OF", seen["predict churn"]["spanID"])
    tags = {tag["key"]: tag["value"] for tag in seen["outcome churn"]["tags"]}
    assert tags[a.ML_PREDICTION_ID] == "A-1001"
    assert tags[a.ML_OUTCOME_ACTUAL] == "0"
