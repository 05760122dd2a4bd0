"""OpenTelemetry's weaver accepts the registry, and finds in what the SDK and the processor send what the registry says.

``make weaver``. Without network, ``SEMCONV_MODEL`` is the folder ``model`` of open-telemetry/semantic-conventions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from driftline_processor.demo.processes import free_ports
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from tests.support.paths import ROOT

from .peers import Driftline, eventually, get, post
from .rows import baseline, predict, tracer

pytestmark = pytest.mark.interop

WEAVER = shutil.which("weaver")
HOUR = 3_600 * 10**9
SEMCONV = ROOT / "sdk/driftline/semconv"


@pytest.fixture
def weaver() -> str:
    """Return the path of weaver; skip the test where it is not there."""
    if WEAVER is None:
        pytest.skip("NOT RUN: no weaver on the path; https://github.com/open-telemetry/weaver/releases has it")
    return WEAVER


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """Return a copy of the registry, which finds OpenTelemetry's own where it is."""
    folder = tmp_path / "registry"
    shutil.copytree(SEMCONV, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    if model := os.environ.get("SEMCONV_MODEL"):
        manifest = yaml.safe_load((folder / "manifest.yaml").read_text(encoding="utf-8"))
        manifest["dependencies"][0]["registry_path"] = model
        (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return folder


def test_weaver_accepts_the_registry(weaver: str, registry: Path) -> None:
    check = [weaver, "registry", "check", "--registry", str(registry), "--diagnostic-format", "json"]
    done = subprocess.run([*check, "--diagnostic-stdout"], capture_output=True, text=True, timeout=300, check=False)

    assert (done.returncode, [line for line in done.stdout.splitlines() if "driftline" in line]) == (0, []), done.stderr


@contextmanager
def live_check(weaver: str, registry: Path, report: Path) -> Iterator[str]:
    """Run a live check and yield the address of its receiver; afterwards, its report is in the folder."""
    otlp, admin = free_ports(2)
    command = [
        weaver,
        "registry",
        "live-check",
        "--registry",
        str(registry),
        "--format",
        "json",
        "--output",
        str(report),
    ]
    command += ["--otlp-grpc-address", "127.0.0.1", "--otlp-grpc-port", str(otlp), "--admin-port", str(admin)]
    command += ["--inactivity-timeout", "300", "--no-stream", "--include-unreferenced"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: get(f"http://127.0.0.1:{admin}/health"))
            yield f"127.0.0.1:{otlp}"
            urllib.request.urlopen(f"http://127.0.0.1:{admin}/stop", b"", timeout=30).close()
            process.wait(60)
        finally:
            process.terminate()


HARMLESS = {"not_stable", "conditionally_required_attribute_not_present", "template_attribute"}
"""What a live check remarks about names in development, conditions that are not met, and names of features."""


def test_a_live_check_finds_no_violation_in_what_is_sent(weaver: str, registry: Path, tmp_path: Path) -> None:
    driftline, report, now = Driftline(), tmp_path / "report", time.time_ns()
    scores = np.random.default_rng(8).beta(5, 2, 300)
    everything = ["traces", "metrics", "logs"]
    with live_check(weaver, registry, report) as endpoint:
        exporter = {"endpoint": endpoint, "tls": {"insecure": True}, "forward": everything, "derived": everything}
        models = {"churn": {"baseline": str(baseline(tmp_path)), "windows": ["1h"]}}
        with driftline.up(tmp_path, models=models, exporters={"otlp_grpc/weaver": exporter}):
            grpc = {**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
            for receiver, environment in ((driftline.http, None), (f"http://{endpoint}", grpc)):
                command = [sys.executable, "-m", "tests.interop.shop", receiver]
                subprocess.run(command, cwd=ROOT, env=environment, check=True)
            with tracer(OTLPSpanExporter(endpoint=f"{driftline.http}/v1/traces")) as shop:
                for row, score in enumerate(scores):
                    predict(shop, str(row), float(score), now - 3 * HOUR + row * 3 * HOUR // len(scores))
            outcomes = [{"id": str(row), "actual": int(score > 0.6)} for row, score in enumerate(scores)]
            post(f"{driftline.web}/v1/outcomes", {"model": "churn", "outcomes": outcomes})
            eventually(lambda: "driftline_drift_status" in get(f"{driftline.web}/metrics"))
            time.sleep(20)  # derived metrics leave every 15 seconds

    seen = json.loads((report / "live_check.json").read_text(encoding="utf-8"))["statistics"]
    assert seen["advice_level_counts"].get("violation", 0) == 0, seen["advice_message_counts"]
    assert seen["advice_type_counts"].keys() <= HARMLESS
    unknown = [name for kind in ("attributes", "metrics", "events") for name in seen[f"seen_non_registry_{kind}"]]
    assert unknown == []
    events = {name for name, times in seen["seen_registry_events"].items() if times}
    assert {"ml.outcome", "driftline.prediction.batch", "driftline.verdict.change"} <= events
    metrics = {name for name, times in seen["seen_registry_metrics"].items() if times}
    assert {"ml.predictions", "ml.predict.duration", "driftline.drift.status"} <= metrics
