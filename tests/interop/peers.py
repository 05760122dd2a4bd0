"""Start a real peer, or Driftline itself, on free loopback ports, and end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from driftline_processor.demo.peers.jaeger import real_jaeger
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.demo.processes import free_ports
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.paths import ROOT

PATIENCE = 60.0
"""Seconds until a peer that has not answered is a failure; a machine under load is slow, not wrong."""

T = TypeVar("T")


def executable(name: str) -> Path:
    """Return the path of an installed peer; skip the test when it is not there."""
    path = ROOT / ".peers" / name
    if not path.exists():
        pytest.skip(f"{name} is not installed; `make interop` builds it")
    return path


def get(url: str) -> Any:
    """Return what a URL answers, parsed where it is JSON."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text


def post(url: str, body: object, method: str = "POST") -> Any:
    """Send JSON and return the JSON that comes back."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers={"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def eventually(look: Callable[[], T], until: Callable[[T], object] = bool, patience: float = PATIENCE) -> T:
    """Look again until what is seen is as it should be; fail with the last sight after so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            seen: Any = look()
            if until(seen):
                return seen  # type: ignore[no-any-return]
        except (OSError, urllib.error.URLError) as error:
            seen = error
        if time.monotonic() > deadline:
            pytest.fail(f"not within {patience:.0f} s; last seen: {seen}")
        time.sleep(0.1)


@contextmanager
def running(
    command: list[str],
    ready: Callable[[], object],
    log: Path,
    environment: dict[str, str] | None = None,
    patience: float = PATIENCE,
) -> Iterator[None]:
    """Run a process until the block ends; the block begins when ``ready`` no longer raises."""
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}, cwd=log.parent
        )
    try:

        def answer() -> object:
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended with {process.returncode}: {log.read_text()[-2000:]}")
            ready()
            return True

        eventually(answer, patience=patience)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Driftline:
    """A running `driftline up`; ``grpc``: host:port, ``http`` and ``web``: URLs."""

    def __init__(self) -> None:
        ports = free_ports(3)
        self.grpc = f"127.0.0.1:{ports[0]}"
        self.http = f"http://127.0.0.1:{ports[1]}"
        self.web = f"http://127.0.0.1:{ports[2]}"

    @contextmanager
    def up(self, folder: Path, **config: object) -> Iterator[None]:
        """Run it with these keys of driftline.yaml beside its addresses."""
        endpoints = {"grpc": {"endpoint": self.grpc}, "http": {"endpoint": self.http.removeprefix("http://")}}
        tree = {
            "receivers": {"otlp": {"protocols": endpoints}},
            "web": {"endpoint": self.web.removeprefix("http://")},
            "storage": {"directory": str(folder / "driftline-data")},
            **config,
        }
        path = folder / "driftline.yaml"
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        command = [sys.executable, "-m", "driftline_processor", "up", "--config", str(path)]
        with running(command, lambda: get(f"{self.web}/readyz"), folder / "driftline.log"):
            yield

    def rows(self, model: str) -> float:
        """Return how many predictions of a model it has counted."""
        prefix, name = "driftline_predictions_total{", f'ml_model_name="{model}"'
        lines = get(f"{self.web}/metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(prefix) and name in line)


@contextmanager
def jaeger(folder: Path, interface: Path | None = None) -> Iterator[tuple[str, str]]:
    """Run Jaeger; yield its OTLP/gRPC address and the URL of its API. ``interface``: what configures its pages."""
    executable("jaeger")
    with real_jaeger(folder, interface) as started:
        yield started.grpc, started.query


@contextmanager
def prometheus(folder: Path, scraped: str, program: Path | None = None) -> Iterator[str]:
    """Run Prometheus with otel-config/prometheus.yml, scraping one address every second; yield its URL.

    ``program``: a Prometheus 2, which knows no OTLP; None is the one that was built. Its alerts wait for a second.
    """
    (port,) = free_ports(1)
    config = (ROOT / "otel-config/prometheus.yml").read_text(encoding="utf-8")
    assert "scrape_interval: 15s" in config
    assert "127.0.0.1:8780" in config
    config = config.replace("scrape_interval: 15s", "scrape_interval: 1s\n  evaluation_interval: 1s")
    tree = yaml.safe_load(config.replace("127.0.0.1:8780", scraped))
    rules = yaml.safe_load((ROOT / "otel-config/driftline.rules.yml").read_text(encoding="utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule["for"] = "1s"
    (folder / "driftline.rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    if program is not None:
        del tree["otlp"]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    command = [
        str(program or executable("prometheus")),
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        *([] if program else ["--web.enable-otlp-receiver"]),
    ]
    with running(command, lambda: get(f"http://127.0.0.1:{port}/-/ready"), folder / "prometheus.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def collector(folder: Path, text: str | None = None, **environment: str) -> Iterator[tuple[str, str]]:
    """Run a Collector with these variables; yield its gRPC address and HTTP URL.

    ``text``: its configuration, which listens at COLLECTOR_GRPC and COLLECTOR_HTTP; None is otel-config/beside.yaml.
    """
    grpc, http, telemetry = free_ports(3)
    config = text or (ROOT / "otel-config/beside.yaml").read_text(encoding="utf-8")
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": telemetry}}}}
    tree = yaml.safe_load(config)
    tree["service"]["telemetry"] = {"metrics": {"readers": [reader]}}
    path = folder / "collector.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    command = [str(executable("otel-collector")), "--config", str(path)]
    addresses = {"COLLECTOR_GRPC": f"127.0.0.1:{grpc}", "COLLECTOR_HTTP": f"127.0.0.1:{http}"}
    ready = f"http://127.0.0.1:{telemetry}/metrics"
    with running(command, lambda: get(ready), folder / "collector.log", {**addresses, **environment}):
        yield f"127.0.0.1:{grpc}", f"http://127.0.0.1:{http}"


@contextmanager
def backend() -> Iterator[tuple[str, list[str]]]:
    """Listen as a backend does; yield the URL and the names of the spans that have come so far."""
    names: list[str] = []

    def take(asked: Asked) -> tuple[int, None]:
        if asked.path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(asked.unpacked)
            scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
            names.extend(span.name for scope in scopes for span in scope.spans)
        return 200, None

    with service(take) as server:
        server.headers["Content-Type"] = "application/x-protobuf"
        yield server.url, names
