"""Distributions reach a real Prometheus and pass a real Collector: all rows, and the right medians."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.export.endpoint import resolve
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import Channel, Delivery, open_channel
from driftline.privacy.policy import Capture
from driftline.semconv import attributes
from driftline_processor.demo.peers.recorder import service
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.support.metric_points import points
from tests.support.service import Memory

from .peers import Driftline, collector, eventually, get, prometheus

pytestmark = pytest.mark.interop

ROWS = 4000


def metrics_channel(endpoint: str, protocol: str = "http/protobuf") -> Channel:
    environment = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": protocol}
    return open_channel(resolve(None, environment, "metrics"))


class Copied:
    """A channel that keeps a copy of what it sends."""

    def __init__(self, channel: Channel) -> None:
        self.name, self.bodies, self._channel = channel.name, list[bytes](), channel

    def send(self, body: bytes, timeout: float) -> Delivery:
        self.bodies.append(body)
        return self._channel.send(body, timeout)

    def forget(self) -> None:
        """Never forked."""

    def close(self) -> None:
        self._channel.close()


def described(bodies: Iterable[bytes]) -> list[str]:
    """Return every point in words, sorted: its metric, scope, temporality and all fields. No buckets are none."""
    words = (f"{point.name} {point.scope} {point.temporality} {point.data}" for point in points(bodies))
    return sorted(text.replace("positive {\n}\n", "").replace("negative {\n}\n", "") for text in words)


def predict(channel: Channel) -> pd.DataFrame:
    """Predict the rows twice, by a model with a baseline and by one without, and send what they add up to."""
    random = np.random.default_rng(11)
    amount = np.where(np.arange(ROWS) % 10 == 0, -999.0, random.normal(1000, 1, ROWS))
    amount[7] = 1e9
    rows = pd.DataFrame({"amount": amount, "plan": random.choice(["gold", "basic"], ROWS)})
    known = driftline.Baseline.from_frame(rows, score=random.random(ROWS), model="known", task="binary")
    records = Memory()
    for name, baseline in (("known", known), ("plain", None)):
        model = driftline.Model(name, task="binary", baseline=baseline, channel=records, metrics_channel=channel)
        model.predict(lambda X: np.full(len(X), 0.25))(rows)
    assert pipeline_of(records).flush(30.0)
    return rows


def query(url: str, text: str) -> Any:
    return get(f"{url}/api/v1/query?query={quote(text)}")["data"]["result"]


def value(url: str, text: str) -> float:
    (found,) = query(url, text)
    return float(found["value"][1])


def test_prometheus_knows_rows_labels_and_medians(tmp_path: Path) -> None:
    with prometheus(tmp_path, "127.0.0.1:1") as url:
        rows = predict(metrics_channel(f"{url}/api/v1/otlp/v1/metrics"))
        eventually(partial(query, url, "driftline_feature_distribution"))

        assert value(url, 'ml_predict_duration_seconds_count{ml_model_name="known"}') == 1  # call
        assert value(url, 'histogram_count(sum(driftline_feature_distribution{ml_model_name="plain"}))') == ROWS
        assert value(url, 'driftline_feature_distribution_count{ml_model_name="known"}') == ROWS
        gold = 'driftline_feature_categories_total{ml_model_name="known",driftline_feature_category="gold"}'
        assert value(url, gold) == (rows["plan"] == "gold").sum()
        median = float(rows["amount"][rows["amount"].between(900, 1100)].median())
        finer = 'driftline_feature_distribution{ml_model_name="plain",driftline_histogram_part="1"}'
        parts = f"histogram_quantile(0.5, {finer})"
        assert value(url, parts) == pytest.approx(median, rel=0.003)
        bins = 'histogram_quantile(0.555, driftline_feature_distribution_bucket{ml_model_name="known"})'
        assert value(url, bins) == pytest.approx(np.quantile(rows["amount"], 0.555), abs=0.1)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_passes_them_on_as_they_are(tmp_path: Path, protocol: str) -> None:
    """Through the stock Collector's own model of the data, which drops what is no valid point."""
    with service(lambda _: (200, None)) as backend:

        def taken() -> list[bytes]:
            return [asked.unpacked for asked in backend.asked if asked.path == "/v1/metrics"]

        with collector(tmp_path, BACKEND=backend.url, DRIFTLINE="127.0.0.1:1") as (grpc, http):
            sent = Copied(metrics_channel(f"http://{grpc}" if protocol == "grpc" else f"{http}/v1/metrics", protocol))
            predict(sent)
            eventually(lambda: len(described(taken())), lambda points: points >= len(described(sent.bodies)))
    assert described(taken()) == described(sent.bodies)


def test_beside_a_collector_distributions_of_rows_that_stay_home_come_and_others_do_not(tmp_path: Path) -> None:
    beside = Driftline()
    with beside.up(tmp_path), collector(tmp_path, BACKEND="http://127.0.0.1:1", DRIFTLINE=beside.grpc) as (_, http):
        channel = metrics_channel(f"{http}/v1/metrics")
        records = Memory()
        captures: tuple[Capture, ...] = ("features", "none")
        for capture in captures:
            model = driftline.Model(
                capture, task="regression", capture=capture, channel=records, metrics_channel=channel
            )
            model.predict(lambda X: X[:, 0])(np.ones((50, 2)))
        assert pipeline_of(records).flush(30.0)

        eventually(lambda: get(f"{beside.web}/api/v1/models"), lambda models: "none" in str(models))
        known = str(get(f"{beside.web}/api/v1/models"))
    assert "'features'" not in known


def test_beside_a_collector_metrics_come_wherever_their_mark_is(tmp_path: Path) -> None:
    """On the resource, the scope or the points, as docs/reference/wire.md names the places."""
    beside, mark = Driftline(), {attributes.DRIFTLINE_CAPTURE: "metrics"}
    with beside.up(tmp_path), collector(tmp_path, BACKEND="http://127.0.0.1:1", DRIFTLINE=beside.grpc) as (_, http):
        for place in ("nowhere", "resource", "scope", "point"):
            reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{http}/v1/metrics"))
            provider = MeterProvider([reader], Resource(mark if place == "resource" else {}))
            meter = provider.get_meter("shop", attributes=mark if place == "scope" else None)
            duration = meter.create_histogram("ml.predict.duration", "s")
            duration.record(0.1, {attributes.ML_MODEL_NAME: place, **(mark if place == "point" else {})})
            provider.shutdown()
        models = eventually(
            lambda: get(f"{beside.web}/api/v1/models")["models"],
            lambda models: {"resource", "scope", "point"} <= {model["model"] for model in models},
        )
    assert {model["model"]: model["distributed"] for model in models} == {"resource": 1, "scope": 1, "point": 1}
