"""`driftline up` as a process of its own, on free ports, and a request to send to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from driftline.semconv import attributes, events
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from .waiting import wait_until

HEADERS = {"content-type": "application/x-protobuf"}

FILE = """
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}
web: {endpoint: "127.0.0.1:0"}
"""


@contextmanager
def process(folder: Path, more: str = "", base: str = FILE) -> Iterator[subprocess.Popen[str]]:
    """Start the processor with ``base`` and ``more`` as its driftline.yaml."""
    (folder / "driftline.yaml").write_text(base + more)
    command = [sys.executable, "-m", "driftline_processor", "up", "--config", str(folder / "driftline.yaml")]
    # The oldest supported Starlette imports a library by a name that is going to be deprecated.
    environment = {**os.environ, "PYTHONWARNINGS": "error,ignore::PendingDeprecationWarning"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as child:
        try:
            yield child
        finally:
            child.kill()


def addresses(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Read the start lines; return the URLs of OTLP/HTTP and of the pages."""
    assert child.stdout is not None
    received, pages = child.stdout.readline(), child.stdout.readline()
    otlp = re.search(r"HTTP on (\S+)", received)
    assert otlp is not None
    return f"http://{otlp[1]}", pages.split()[-1]


def prediction(model: str, prediction_id: str) -> bytes:
    """Return a request of OTLP with one scored prediction."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(event_name=events.ML_PREDICTION)
    record.time_unix_nano = 1_700_000_000 * 10**9
    record.attributes.add(key=attributes.ML_MODEL_NAME).value.string_value = model
    record.attributes.add(key=attributes.ML_PREDICTION_ID).value.string_value = prediction_id
    record.attributes.add(key=attributes.ML_PREDICTION_SCORE).value.double_value = 0.5
    return bytes(request.SerializeToString())


def post_until_taken(url: str, body: bytes) -> None:
    """Send a request of OTLP again and again while it is put off, as senders do."""
    answers = list[httpx.Response]()

    def taken() -> bool:
        answers.append(httpx.post(url, content=body, headers=HEADERS, trust_env=False))
        return answers[-1].status_code != 503

    wait_until(taken)
    assert answers[-1].status_code == 200, answers[-1].text


def post_predictions(url: str, body: bytes) -> bool:
    """Send a request; return whether it was acknowledged."""
    try:
        return httpx.post(f"{url}/v1/logs", content=body, headers=HEADERS, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def has_rows(web: str, rows: int) -> bool:
    """Wait until the pages report so many rows of all models, and a moment longer for more than that."""
    wait_until(lambda: rows_of_models(web) >= rows)
    time.sleep(1.5)  # what waits in the log is stored within a second
    return rows_of_models(web) == rows


def rows_of_models(web: str) -> int:
    """Return the rows that the pages report of all models."""
    return sum(model["rows"] for model in httpx.get(f"{web}/api/v1/models", trust_env=False).json()["models"])
