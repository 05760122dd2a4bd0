"""Metrics requests built by hand: cumulative or delta points of sums and histograms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from driftline.semconv import SCHEMA_URL
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from .otlp_requests import attributes

CUMULATIVE = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = otlp.AGGREGATION_TEMPORALITY_DELTA


def sum_of(
    name: str, value: float, said: dict[str, Any] | None = None, *, start: int, time: int, how: int = CUMULATIVE
) -> otlp.Metric:
    """Return a metric with one point of a monotonic sum."""
    metric = otlp.Metric(name=name)
    metric.sum.aggregation_temporality = how  # type: ignore[assignment]
    metric.sum.is_monotonic = True
    metric.sum.data_points.add(
        attributes=attributes({a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", **(said or {})}),
        start_time_unix_nano=start,
        time_unix_nano=time,
        as_int=int(value),
    )
    return metric


def histogram_of(
    name: str,
    bounds: Sequence[float] | Any,
    counts: Sequence[float] | Any,
    said: dict[str, Any] | None = None,
    *,
    start: int,
    time: int,
    how: int = CUMULATIVE,
    **fields: Any,
) -> otlp.Metric:
    """Return a metric with one point of an explicit histogram."""
    metric = otlp.Metric(name=name)
    metric.histogram.aggregation_temporality = how  # type: ignore[assignment]
    whole = [int(count) for count in counts]
    metric.histogram.data_points.add(
        attributes=attributes({a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", **(said or {})}),
        start_time_unix_nano=start,
        time_unix_nano=time,
        explicit_bounds=np.asarray(bounds, dtype=float).tolist(),
        bucket_counts=whole,
        **{"count": sum(whole), **fields},
    )
    return metric


def exponential_of(
    name: str,
    scale: int,
    positive: tuple[int, Sequence[int]] = (0, ()),
    negative: tuple[int, Sequence[int]] = (0, ()),
    zero: int = 0,
    said: dict[str, Any] | None = None,
    *,
    start: int,
    time: int,
    how: int = CUMULATIVE,
    **fields: Any,
) -> otlp.Metric:
    """Return a metric with one point of an exponential histogram; buckets as offset and counts."""
    metric = otlp.Metric(name=name)
    metric.exponential_histogram.aggregation_temporality = how  # type: ignore[assignment]
    point = metric.exponential_histogram.data_points.add(
        attributes=attributes({a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", **(said or {})}),
        start_time_unix_nano=start,
        time_unix_nano=time,
        scale=scale,
        zero_count=zero,
        **{"count": zero + sum(positive[1]) + sum(negative[1]), **fields},
    )
    point.positive.offset, point.negative.offset = positive[0], negative[0]
    point.positive.bucket_counts.extend(positive[1])
    point.negative.bucket_counts.extend(negative[1])
    return metric


def metrics_body(
    metrics: Iterable[otlp.Metric],
    *,
    captured: bool = True,
    counted: bool = False,
    scope: str = "driftline",
    schema_url: str = SCHEMA_URL,
    instance: str = "one",
    environment: str = "",
    resource: dict[str, Any] | None = None,
) -> bytes:
    """Return the body of a metrics request with one resource and one scope."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    said = {a.SERVICE_INSTANCE_ID: instance, a.DEPLOYMENT_ENVIRONMENT_NAME: environment}
    group.resource.attributes.extend(attributes({key: text for key, text in said.items() if text} | (resource or {})))
    into = group.scope_metrics.add()
    into.scope.name, into.schema_url = scope, schema_url
    if captured:
        into.scope.attributes.extend(attributes({a.DRIFTLINE_CAPTURE: "metrics"}))
    if counted:
        into.scope.attributes.extend(attributes({a.DRIFTLINE_DISTRIBUTION_COUNTED: True}))
    into.metrics.extend(metrics)
    return bytes(request.SerializeToString())


def predictions_of(value: float, decided: str = "", *, start: int, time: int, how: int = CUMULATIVE) -> otlp.Metric:
    """Return a point of ``ml.predictions``."""
    said = {a.ML_PREDICTION_CLASS: decided} if decided else {}
    return sum_of(m.ML_PREDICTIONS, value, said, start=start, time=time, how=how)


def gauge_of(
    name: str, value: float, said: dict[str, Any] | None = None, *, time: int, unit: str = "", flags: int = 0
) -> otlp.Metric:
    """Return a metric with one point of a gauge."""
    metric = otlp.Metric(name=name, unit=unit)
    metric.gauge.data_points.add(attributes=attributes(said or {}), time_unix_nano=time, as_double=value, flags=flags)
    return metric
