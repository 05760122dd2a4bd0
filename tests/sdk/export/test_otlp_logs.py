"""Framing by hand gives what the stock encoder gives, and protobuf reads it back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from driftline.export.otlp_logs import log_record, request
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk import _logs
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

VALUES = st.recursive(
    st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.skipif(not hasattr(_logs, "ReadableLogRecord"), reason="the stock encoder takes no record by itself")
@pytest.mark.slow
@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=5), st.none() | st.text())
def test_the_bytes_say_what_the_stock_encoder_says(attributes: dict[str, Any], body: str | None) -> None:
    ours = request(
        {"service.name": "shop", "n": 1}, ("driftline", "1"), "https://schema", [log_record("e", 7, attributes, body)]
    )
    record = LogRecord(
        timestamp=7, observed_timestamp=7, context=Context(), body=body, attributes=attributes, event_name="e"
    )
    stock = encode_logs(
        [
            _logs.ReadableLogRecord(
                record,
                Resource({"service.name": "shop", "n": 1}),
                InstrumentationScope("driftline", "1", "https://schema"),
            )
        ]
    )
    read = ExportLogsServiceRequest.FromString(ours)
    for message in (read, stock):
        for kept in message.resource_logs[0].scope_logs[0].log_records:
            kept.ClearField("severity_number")
            if body is None:
                kept.ClearField("body")
    assert read == stock


def test_nan_and_several_records_and_a_large_value() -> None:
    records = [log_record("a", 1, {"x": math.nan}), log_record("b", 2, {"y": b"z" * 70_000})]
    read = ExportLogsServiceRequest.FromString(request({}, ("s", ""), "", records))

    first, second = read.resource_logs[0].scope_logs[0].log_records
    assert math.isnan(first.attributes[0].value.double_value)
    assert second.attributes[0].value.bytes_value == b"z" * 70_000
    assert (second.event_name, second.time_unix_nano, second.observed_time_unix_nano) == ("b", 2, 2)


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    read = ExportLogsServiceRequest.FromString(request({}, ("s", ""), "", [log_record("a", 1, {"x": "a\ud800"})]))

    assert read.resource_logs[0].scope_logs[0].log_records[0].attributes[0].value.string_value == "a?"
