"""Destinations in a file of ``OTEL_CONFIG_FILE``, read by OpenTelemetry's own loader."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from driftline.export import declarative
from driftline.export.endpoint import Endpoint, disabled, records_silenced, resolve
from driftline.export.metrics_reporter import interval, is_cumulative, metrics_wanted

needs_loader = pytest.mark.skipif(
    find_spec("opentelemetry.configuration") is None, reason="needs opentelemetry-configuration, from SDK 1.44"
)

BOTH = """
file_format: "1.0"
logger_provider:
  processors:
    - simple: {exporter: {console: {}}}
    - batch:
        exporter:
          otlp_http:
            endpoint: https://logs.example/otlp/v1/logs
            tls: {ca_file: /ca.pem, key_file: /client.key, cert_file: /client.crt}
            headers_list: "team=shop,api-key=old"
            headers: [{name: api-key, value: "a b,c=%"}]
            compression: gzip
            timeout: 2500
    - batch: {exporter: {otlp_http: {endpoint: https://second.example/v1/logs}}}
tracer_provider:
  processors: [{batch: {exporter: {otlp_http: {endpoint: https://traces.example/v1/traces}}}}]
meter_provider:
  readers:
    - pull: {exporter: {prometheus/development: {}}}
    - periodic:
        interval: 5000
        exporter:
          otlp_grpc:
            endpoint: metrics.example:4317
            tls: {insecure: true}
            temporality_preference: low_memory
"""
TRACES = """
file_format: "1.0"
tracer_provider:
  processors: [{simple: {exporter: {%s}}}]
"""


def _write(folder: Path, text: str) -> dict[str, str]:
    file = folder / "otel.yaml"
    file.write_text(text)
    return {"OTEL_CONFIG_FILE": str(file)}


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "driftline"]


@needs_loader
def test_records_go_to_the_first_otlp_exporter_of_logs_and_distributions_to_that_of_metrics(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = _write(tmp_path, BOTH)

    assert resolve(environ=environ) == Endpoint(
        base="https://logs.example/otlp",
        url="https://logs.example/otlp/v1/logs",
        headers={"team": "shop", "api-key": "a b,c=%"},
        timeout=2.5,
        gzip=True,
        certificate="/ca.pem",
        client_key="/client.key",
        client_certificate="/client.crt",
    )
    metrics = resolve(environ=environ, signal="metrics")
    assert (metrics.url, metrics.protocol, metrics.insecure) == ("metrics.example:4317", "grpc", True)
    merged = declarative.with_declared("metrics", environ)
    assert (interval(merged), is_cumulative(merged), metrics_wanted(False, environ)) == (5.0, False, True)
    assert _warnings(caplog) == []


@needs_loader
@pytest.mark.parametrize(
    ("exporter", "url", "protocol"),
    [
        ("otlp_http: {endpoint: http://c:4318/v1/traces}", "http://c:4318/v1/logs", "http"),
        ("otlp_http: {}", "http://localhost:4318/v1/logs", "http"),
        ("otlp_grpc: {endpoint: http://c:4317}", "c:4317", "grpc"),
    ],
)
def test_without_an_exporter_of_logs_records_go_where_traces_go(
    tmp_path: Path, exporter: str, url: str, protocol: str
) -> None:
    endpoint = resolve(environ=_write(tmp_path, TRACES % exporter))

    assert (endpoint.url, endpoint.protocol) == (url, protocol)


@needs_loader
def test_the_file_wins_over_variables_and_an_endpoint_of_driftline_over_the_file(tmp_path: Path) -> None:
    theirs = {
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://variable:4318/v1/logs",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret",
        "OTEL_LOGS_EXPORTER": "otlp_proto_grpc",
        "OTEL_METRICS_EXPORTER": "otlp",
    }
    environ = {**theirs, **_write(tmp_path, TRACES % "otlp_http: {endpoint: http://file:4318/v1/traces}")}
    own = {**environ, "DRIFTLINE_ENDPOINT": "http://driftline:4318"}

    assert resolve(environ=environ).url == "http://file:4318/v1/logs"
    assert resolve(environ=environ).headers == {}
    assert resolve(environ=own).url == "http://driftline:4318/v1/logs"
    assert resolve("http://code:4318", environ).url == "http://code:4318/v1/logs"
    assert metrics_wanted(False, environ) is False
    assert metrics_wanted(True, environ) is True


@needs_loader
@pytest.mark.parametrize(
    "text",
    [
        'file_format: "1.0"',
        TRACES % "console: {}",
        TRACES % "otlp_http: {endpoint: https://traces.example/ingest}",
        "file_format: [",
    ],
)
def test_a_file_without_a_destination_of_records_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    environ = _write(tmp_path, text)
    for _ in range(2):
        assert resolve(environ=environ).url == "http://localhost:4318/v1/logs"
        resolve(environ=environ, signal="metrics")

    (line,) = _warnings(caplog)
    assert line.startswith(
        f"driftline: OTEL_CONFIG_FILE={environ['OTEL_CONFIG_FILE']} sets no destination of records: it"
    )
    assert line.endswith("they are sent to http://localhost:4318; set DRIFTLINE_ENDPOINT to send them elsewhere")


@needs_loader
def test_the_file_is_read_once(tmp_path: Path) -> None:
    environ = _write(tmp_path, TRACES % "otlp_http: {endpoint: http://first:4318/v1/traces}")
    assert resolve(environ=environ).base == "http://first:4318"
    _write(tmp_path, TRACES % "otlp_http: {endpoint: http://second:4318/v1/traces}")

    assert resolve(environ=environ).base == "http://first:4318"


@needs_loader
@pytest.mark.parametrize(("exporter", "silenced"), [("otlp_http: {}", False), ("console: {}", True)])
def test_a_destination_of_records_in_the_file_wins_over_no_exporter_of_logs(
    tmp_path: Path, exporter: str, silenced: bool
) -> None:
    environ = {"OTEL_LOGS_EXPORTER": "none", **_write(tmp_path, TRACES % exporter)}

    assert records_silenced(environ) is silenced


@needs_loader
def test_a_later_version_of_the_loader_with_other_types_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("opentelemetry.configuration.load_config_file", lambda _: object())
    environ = _write(tmp_path, BOTH)

    assert disabled(environ) is False
    assert resolve(environ=environ).url == "http://localhost:4318/v1/logs"
    (line,) = _warnings(caplog)
    assert "it cannot be read (AttributeError)" in line


@needs_loader
def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environ = _write(tmp_path, BOTH + "#" * declarative.LARGEST)

    assert resolve(environ=environ).url == "http://localhost:4318/v1/logs"
    (line,) = _warnings(caplog)
    assert "it is larger than 1 MiB" in line


@needs_loader
def test_a_file_can_turn_everything_off(tmp_path: Path) -> None:
    assert disabled(_write(tmp_path, 'file_format: "1.0"\ndisabled: true')) is True


@pytest.mark.parametrize(
    ("own", "expected"), [({}, 1), ({"DRIFTLINE_ENDPOINT": "http://d:4318"}, 0)], ids=["without endpoint", "with"]
)
def test_a_loader_that_is_not_installed_is_one_warning_that_names_the_fix(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    own: Mapping[str, str],
    expected: int,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.configuration", None)
    environ = {**own, **_write(tmp_path, BOTH)}
    with caplog.at_level(logging.WARNING, "driftline"):
        for _ in range(2):
            resolve(environ=environ)
            assert metrics_wanted(False, environ) is not bool(own)

    line = (
        f"driftline: OTEL_CONFIG_FILE={environ['OTEL_CONFIG_FILE']} sets no destination of records: it requires "
        "the package 'opentelemetry-configuration'; run 'pip install opentelemetry-configuration'; they are sent to "
        "http://localhost:4318; set DRIFTLINE_ENDPOINT to send them elsewhere"
    )
    assert _warnings(caplog) == [line] * expected
