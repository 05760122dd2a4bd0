"""SIGTERM, a second one, and SIGHUP, while a backlog of hours waits to be evaluated."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from driftline.semconv import attributes as a
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.facts import lacking
from tests.support.processes import addresses, has_rows, post_until_taken, process
from tests.support.unwrap import unwrap

pytestmark = pytest.mark.heavy

HOUR = 3600 * 10**9
REQUESTS, ROWS = 4, 5_000
"""Each row is in an hour of its own: two years of windows, that take minutes to evaluate."""


def backlog(first: int, now: int) -> bytes:
    """Write spans of one prediction an hour."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for i in range(first, first + ROWS):
        start = now - (i + 1) * HOUR
        span = scope.spans.add(
            name="predict",
            trace_id=(i + 1).to_bytes(16, "big"),
            span_id=b"12345678",
            start_time_unix_nano=start,
            end_time_unix_nano=start,
        )
        span.attributes.add(key=a.ML_MODEL_NAME).value.string_value = "churn"
        span.attributes.add(key=a.ML_PREDICTION_ID).value.string_value = f"r{i}"
        span.attributes.add(key=a.ML_PREDICTION_SCORE).value.double_value = (i % 100) / 100
        span.attributes.add(key=f"{a.DRIFTLINE_FEATURE_VALUE}.x").value.double_value = float(i % 37)
    return bytes(request.SerializeToString())


def until_stopping(child: subprocess.Popen[str]) -> None:
    while unwrap(child.stdout).readline() != "driftline: stopping\n":
        assert child.poll() is None


def rows(web: str) -> int:
    (model,) = httpx.get(f"{web}/api/v1/models", trust_env=False, timeout=60).json()["models"]
    return int(model["rows"])


def test_with_a_backlog_it_ends_in_time_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    with process(tmp_path, "shutdown: {timeout: 10m}\n") as child:
        otlp, _ = addresses(child)
        for number in range(REQUESTS):
            post_until_taken(f"{otlp}/v1/traces", backlog(number * ROWS, time.time_ns()))
        child.send_signal(signal.SIGTERM)
        until_stopping(child)
        assert child.poll() is None  # ten minutes to evaluate the backlog
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=60)
        assert child.returncode == 128 + signal.SIGTERM
        assert lacking(err, "SIGTERM") == []
    with process(tmp_path, "shutdown: {timeout: 15s}\n") as child:
        _, web = addresses(child)
        assert has_rows(web, REQUESTS * ROWS)
        child.send_signal(signal.SIGHUP)
        assert lacking(unwrap(child.stderr).readline(), "SIGHUP") == []
        assert rows(web) == REQUESTS * ROWS
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=60)
        left = re.search(r"shutdown.timeout has expired: ([\d,]+) windows will be evaluated after the next start", err)
        assert (child.returncode, left is not None) == (0, True), err
        assert left is not None
        assert 0 < int(left[1].replace(",", "")) < REQUESTS * ROWS * 2
