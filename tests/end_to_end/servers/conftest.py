"""Real servers with workers, and a receiver that says what came of their predictions and counts."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from driftline_processor.demo.peers.recorder import listening
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.paths import ROOT
from tests.support.receiver import Receiver

collect_ignore = ["sender.py", "shop.py", "tasks.py"]  # they set up telemetry for the whole process, as services do


class Books(Receiver):
    """A receiver that keeps the predictions that were recorded, and those that were counted."""

    def counted(self) -> int:
        """Return the sum of ``ml.predictions`` over all processes: of each stream, the last point."""
        last: dict[tuple[bytes, ...], tuple[int, int]] = {}
        for path, body in self.requests:
            if path != "/v1/metrics":
                continue
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name != "ml.predictions":
                            continue
                        for point in metric.sum.data_points:
                            attributes = [pair.SerializeToString() for pair in point.attributes]
                            stream = (resource.resource.SerializeToString(), *sorted(attributes))
                            last[stream] = max(last.get(stream, (0, 0)), (point.time_unix_nano, point.as_int))
        return sum(value for _, value in last.values())

    def span_ids(self) -> list[str]:
        """Return the prediction ids of the spans that arrived, sorted."""
        return sorted(
            pair.value.string_value
            for path, body in self.requests
            if path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            for pair in span.attributes
            if pair.key == "ml.prediction.id"
        )


@pytest.fixture
def books() -> Iterator[Books]:
    with listening(Books()) as server:
        yield server


def environment(books: Books, more: Mapping[str, str] = {}) -> dict[str, str]:
    """Return what a server's environment says: where records, spans and counts go."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTLINE_"))}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    target = f"http://127.0.0.1:{books.server_port}"
    return {**clean, "PYTHONPATH": path, "OTEL_EXPORTER_OTLP_ENDPOINT": target, **more}


class Server:
    """A server that runs. ``ask`` sends n requests, several at a time; ``log``: what it wrote."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process, self.port, self._log = process, port, log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(self, *names: str) -> set[int]:
        """Predict for each customer; return the processes that answered."""
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(self._ask, names))

    def _ask(self, name: str) -> int:
        for _ in range(100):  # a worker that is being replaced takes no connection for a moment
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=120) as answer:
                    text = answer.read()
                    return int(json.loads(text)["process"] if text[:1] == b"{" else text)
            except (ConnectionError, urllib.error.URLError):
                time.sleep(0.1)
        raise AssertionError(self.log)

    def wait_until_it_listens(self) -> None:
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(self.log)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(120) in (0, -signal.SIGTERM), self.log
        assert not re.search(r"internal error|not delivered|Thread\(driftline", self.log), self.log
        others = self.log.count("<Thread(Otel")  # a greenlet of OpenTelemetry's that gevent copies into a forked worker
        assert self.log.count("Traceback") == others, self.log


@contextmanager
def running(command: list[str], port: int, env: dict[str, str], folder: Path) -> Iterator[Server]:
    """Run ``python -m`` a server until the block ends, with all its workers."""
    log = folder / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=env,
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield Server(process, port, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
