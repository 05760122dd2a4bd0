"""Attributes that the OpenTelemetry SDK of a sender dropped are shown with the setting that keeps them."""

from __future__ import annotations

from typing import Literal

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp_requests import FEATURE, logs, record, span, traces
from tests.support.state_rows import DAY, NOON, Clock, Opened


def attributes(row: int) -> dict[str, object]:
    return {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: f"{row}", a.ML_PREDICTION_SCORE: 0.5, FEATURE + "age": 41.0}


def spans(dropped: list[int]) -> list[Span]:
    times = [{"start_time_unix_nano": NOON + row, "end_time_unix_nano": NOON + row} for row in range(len(dropped))]
    return [
        span(attributes(row), row, dropped_attributes_count=count, **times[row]) for row, count in enumerate(dropped)
    ]


def records(dropped: list[int]) -> list[LogRecord]:
    return [
        record(events.ML_PREDICTION, attributes(row), time_unix_nano=NOON + row, dropped_attributes_count=count)
        for row, count in enumerate(dropped)
    ]


def hints(state: Opened) -> list[str]:
    return [hint for hint in state.view(version="").hints if "without some attributes" in hint]


@pytest.mark.parametrize("signal", ["traces", "logs"])
@pytest.mark.parametrize("dropped", [[72], [0, 1, 0], [72] * 200, [0, 1, 127, 128, 300] * 40])
def test_rows_with_dropped_attributes_are_counted_and_shown_with_the_limit(
    state: Opened, clock: Clock, signal: Literal["traces", "logs"], dropped: list[int]
) -> None:
    body = traces(spans(dropped)) if signal == "traces" else logs(records(dropped))
    state.state.submit(signal, body).result(60)
    rows = sum(count > 0 for count in dropped)
    (hint,) = hints(state)
    assert hint.startswith(f"{rows} prediction{'' if rows == 1 else 's'} of churn arrived without some attributes")
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in hint
    assert "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT" in hint
    clock.now += DAY + 1
    assert hints(state) == []


@pytest.mark.parametrize("rows", [3, 200])
def test_rows_with_all_attributes_have_no_such_hint(state: Opened, rows: int) -> None:
    state.state.submit("traces", traces(spans([0] * rows))).result(60)
    assert hints(state) == []
