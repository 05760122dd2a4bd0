"""Each file in otel-config/vendors/ sends to the path and with the headers, temporality and types of its vendor."""

from __future__ import annotations

import base64
import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import metrics as m
from driftline_processor.config.schema import load
from driftline_processor.demo.peers.recorder import Asked
from driftline_processor.exporters.types.otlp_http import OtlpHttp
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE as CUMULATIVE
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA as DELTA

from tests.support.exporter_peers import http_server
from tests.support.metric_requests import histogram_of, metrics_body, predictions_of
from tests.support.paths import ROOT
from tests.support.processes import HEADERS
from tests.support.running_service import get, running, url
from tests.support.waiting import wait_until

FILES = ROOT / "otel-config/vendors"
BASIC = base64.b64encode(b"123456:glc_token").decode()


class Vendor(NamedTuple):
    """What the documentation of a vendor requires.

    Attributes:
        endpoint: Variable of the endpoint in the file.
        path: Path of the endpoint, before ``/v1/metrics``.
        secret: Variable and value of the credentials.
        header: Header of the credentials, and its value.
        temporality: Of counters and histograms.
    """

    endpoint: str
    path: str
    secret: tuple[str, str]
    header: tuple[str, str]
    temporality: int


VENDORS = {
    "datadog": Vendor("DATADOG_OTLP_ENDPOINT", "", ("DD_API_KEY", "k1"), ("dd-api-key", "k1"), DELTA),
    "newrelic": Vendor("NEW_RELIC_OTLP_ENDPOINT", "", ("NEW_RELIC_LICENSE_KEY", "k2"), ("api-key", "k2"), DELTA),
    "elastic": Vendor(
        "ELASTIC_OTLP_ENDPOINT", "", ("ELASTIC_API_KEY", "k3=="), ("authorization", "ApiKey k3=="), DELTA
    ),
    "grafana-cloud": Vendor(
        "GRAFANA_CLOUD_OTLP_ENDPOINT",
        "/otlp",
        ("GRAFANA_CLOUD_BASIC", BASIC),
        ("authorization", f"Basic {BASIC}"),
        CUMULATIVE,
    ),
    "dynatrace": Vendor(
        "DYNATRACE_OTLP_ENDPOINT",
        "/api/v2/otlp",
        ("DYNATRACE_API_TOKEN", "dt0c01.k5"),
        ("authorization", "Api-Token dt0c01.k5"),
        DELTA,
    ),
}


def test_each_vendor_has_a_file_for_the_processor_and_one_for_the_collector() -> None:
    names = sorted(f"{name}.yaml" for name in VENDORS)
    for folder in (FILES, FILES / "collector"):
        assert sorted(path.name for path in folder.glob("*.yaml")) == names


@pytest.mark.parametrize("name", VENDORS)
def test_derived_metrics_arrive_as_the_vendor_requires(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = VENDORS[name]
    with http_server(200) as (port, requests):
        monkeypatch.setenv(vendor.endpoint, f"http://127.0.0.1:{port}{vendor.path}")
        monkeypatch.setenv(*vendor.secret)
        exporters = load(FILES / f"{name}.yaml").exporters
        with running(tmp_path, exporters=exporters) as service:
            address = url(service, "http", "/v1/metrics")
            assert httpx.post(address, content=_counted(), headers=HEADERS, trust_env=False).status_code == 200
            wait_until(lambda: m.INSTRUMENTS[m.DRIFTLINE_PREDICTIONS].prometheus in get(service, "/metrics").text)
    paths = {f"{vendor.path}/v1/{signal}" for signal in exporters[f"otlp_http/{name}"].derived}
    assert f"{vendor.path}/v1/metrics" in {asked.path for asked in requests} <= paths
    key, value = vendor.header
    for asked in requests:
        assert (asked.method, asked.headers["content-type"]) == ("POST", "application/x-protobuf")
        assert (asked.headers["content-encoding"], asked.headers[key]) == ("gzip", value)
    kinds = {point.name: point.kind for asked in requests for point in _metrics(asked)}
    assert kinds[m.DRIFTLINE_PREDICTIONS] == ("counter", vendor.temporality)
    assert {kind for kind in kinds.values() if kind[0] in ("counter", "histogram")} == {
        ("counter", vendor.temporality),
        ("histogram", vendor.temporality),
    }
    # a level, which all five store as a gauge
    assert {kind for kind in kinds.values() if kind[0] == "updowncounter"} == {("updowncounter", CUMULATIVE)}


def _counted() -> bytes:
    """Return 5 predictions and their durations, as a service counts them."""
    now = time.time_ns()
    since, counts = now - 60 * 10**9, [5, *[0] * len(DURATION_BOUNDS)]
    durations = histogram_of(m.ML_PREDICT_DURATION, DURATION_BOUNDS, counts, start=since, time=now, sum=0.1)
    return metrics_body([predictions_of(5.0, "1", start=since, time=now), durations])


class _Kind(NamedTuple):
    name: str
    kind: tuple[str, int]


def _metrics(asked: Asked) -> Iterator[_Kind]:
    """Yield each metric of a request, with its type and temporality."""
    if not asked.path.endswith("/v1/metrics"):
        return
    for resource in ExportMetricsServiceRequest.FromString(gzip.decompress(asked.body)).resource_metrics:
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            kind: Any = metric.WhichOneof("data")
            if kind == "sum":
                kind = "counter" if metric.sum.is_monotonic else "updowncounter"
                yield _Kind(metric.name, (kind, metric.sum.aggregation_temporality))
            elif kind == "histogram":
                yield _Kind(metric.name, (kind, metric.histogram.aggregation_temporality))
            else:
                assert kind == "gauge"
                yield _Kind(metric.name, (kind, 0))


def test_the_files_send_to_the_vendors_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("datadog", "newrelic"):
        monkeypatch.delenv(VENDORS[name].endpoint, raising=False)
        monkeypatch.setenv(*VENDORS[name].secret)
        [exporter] = load(FILES / f"{name}.yaml").exporters.values()
        assert isinstance(exporter, OtlpHttp)
        assert exporter.endpoint in ("https://otlp.datadoghq.com", "https://otlp.nr-data.net")
