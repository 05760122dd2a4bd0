"""``configure()`` sets up the exporters that OpenTelemetry's variables list, by the entry points of the SDK."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from driftline.configuration import destination
from driftline.export.endpoint import protocol_of
from driftline.export.metrics_reporter import metrics_wanted

from tests.support.receiver import Receiver

SCRIPT = """
import driftline

driftline.configure(service_name="shop")
churn = driftline.Model("churn", task="binary")

@churn.predict(id="id")
def score(row):
    return 0.5

score({"id": "a"})
"""
READER = """
from opentelemetry.sdk.metrics.export import InMemoryMetricReader


class Reader(InMemoryMetricReader):
    def shutdown(self, timeout_millis=30_000, **kwargs):
        scopes = self.get_metrics_data().resource_metrics[0].scope_metrics
        print("pulled", *(metric.name for scope in scopes for metric in scope.metrics))
"""


def run(receiver: Receiver, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that `configure()` sets up; its OTLP goes to the receiver."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DRIFTLINE_"))}
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**clean, **endpoint, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert receiver.ids() == ["a"]
    return done


def plug_in(folder: Path, entry_point: str, code: str) -> str:
    """Install a module ``plugin`` with an entry point, and return the ``PYTHONPATH`` that has it."""
    (folder / "plugin.py").write_text(code)
    metadata = folder / "plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_point)
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))


def warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return Driftline's lines about exporters."""
    return [line for line in done.stderr.splitlines() if "EXPORTER" in line]


@pytest.mark.slow
def test_every_exporter_of_a_list_is_used(receiver: Receiver) -> None:
    done = run(receiver, OTEL_TRACES_EXPORTER="console, otlp_proto_http", OTEL_METRICS_EXPORTER="console")

    assert warnings(done) == []
    assert '"name": "predict churn"' in done.stdout
    assert '"name": "ml.predictions"' in done.stdout
    assert set(receiver.paths) == {"/v1/logs", "/v1/traces"}  # no distributions: metrics are not sent over OTLP


@pytest.mark.slow
def test_none_sets_up_no_provider(receiver: Receiver) -> None:
    done = run(receiver, OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none")

    assert warnings(done) == []
    assert set(receiver.paths) == {"/v1/logs"}


@pytest.mark.slow
def test_a_configuration_file_that_is_not_applied_is_one_line(receiver: Receiver) -> None:
    done = run(receiver, OTEL_CONFIG_FILE="/nowhere/otel.yaml")

    assert [line for line in done.stderr.splitlines() if "configure()" in line] == [
        "driftline: configure() does not apply OTEL_CONFIG_FILE=/nowhere/otel.yaml to spans and metrics; "
        "'opentelemetry-instrument' applies it"
    ]


@pytest.mark.slow
def test_a_reader_that_is_pulled_is_found_by_its_entry_point(receiver: Receiver, tmp_path: Path) -> None:
    path = plug_in(tmp_path, "[opentelemetry_metrics_exporter]\npulled = plugin:Reader\n", READER)
    done = run(receiver, OTEL_METRICS_EXPORTER="pulled", PYTHONPATH=path)

    assert warnings(done) == []
    [line] = [line for line in done.stdout.splitlines() if line.startswith("pulled")]
    assert {"ml.predictions", "ml.predict.duration"} <= set(line.split())
    assert set(receiver.paths) == {"/v1/logs", "/v1/traces"}


@pytest.mark.slow
@pytest.mark.parametrize("code", ["raise SystemExit(3)", "class Panic(BaseException): ...\nraise Panic"])
def test_an_exporter_that_ends_the_program_is_one_warning(receiver: Receiver, tmp_path: Path, code: str) -> None:
    path = plug_in(tmp_path, "[opentelemetry_traces_exporter]\nrusty = plugin:Exporter\n", code)
    done = run(receiver, OTEL_TRACES_EXPORTER="rusty,otlp", PYTHONPATH=path)

    (line,) = warnings(done)
    assert line.startswith("driftline: OTEL_TRACES_EXPORTER: the exporter 'rusty' cannot be used")
    assert "/v1/traces" in receiver.paths


@pytest.mark.slow
def test_an_unknown_exporter_is_one_warning_and_nothing_else_is_lost(receiver: Receiver) -> None:
    done = run(receiver, OTEL_TRACES_EXPORTER="oltp,otlp", OTEL_METRICS_EXPORTER="otlp")

    (line,) = warnings(done)
    assert line.startswith(
        "driftline: OTEL_TRACES_EXPORTER: the exporter 'oltp' cannot be used, so traces are not sent to it: "
        "LookupError: no installed package provides it; these are installed: console, otlp, otlp_proto_grpc, "
    )
    assert set(receiver.paths) == {"/v1/logs", "/v1/traces", "/v1/metrics"}


@pytest.mark.parametrize(
    ("environ", "protocol", "wanted"),
    [
        ({}, "", True),
        ({"OTEL_METRICS_EXPORTER": "otlp_proto_grpc"}, "grpc", True),
        ({"OTEL_METRICS_EXPORTER": "otlp_proto_http", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf", True),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, "grpc", True),
        ({"OTEL_METRICS_EXPORTER": "prometheus,otlp"}, "", True),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "", False),
    ],
)
def test_the_name_of_an_exporter_selects_the_protocol(environ: dict[str, str], protocol: str, wanted: bool) -> None:
    assert (protocol_of("metrics", environ), metrics_wanted(False, environ)) == (protocol, wanted)


def test_an_exporter_over_grpc_also_passes_the_proxy_by_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317")

    direct = {"channel_options": (("grpc.enable_http_proxy", 0),)}
    assert destination("TRACES", None, "otlp_proto_grpc") == direct
    assert destination("TRACES", None, "otlp_proto_http").keys() == {"session"}
