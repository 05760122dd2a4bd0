"""Decode configured business metrics, such as conversion or revenue, as points of a series."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from driftline_processor.core.business import BusinessPoint, CumulativePoint

from .attributes import TEXT, read
from .metric_points import MOST_COUNTED, origin_of

MOST_POINTS: Final = 20_000
"""Maximum points of one request."""


class BusinessMetric(NamedTuple):
    """The metric of a business series.

    Attributes:
        name: Name of the series.
        unit: Required unit of points; "" = any.
        match: Attributes, with values, that a point, its scope or its resource must have.
        level: Whether the series is a level, whose last value represents a window.
    """

    name: str
    unit: str = ""
    match: Mapping[str, str] = {}
    level: bool = False


BusinessMetrics = Mapping[str, tuple[BusinessMetric, ...]]
"""Name of the metric → its series."""

NONE: Final[BusinessMetrics] = {}


def may_hold(body: bytes, metrics: BusinessMetrics) -> bool:
    """Return False for metrics requests that certainly contain none of them, without decoding."""
    return any(body.rfind(name.encode()) >= 0 for name in metrics)


def business_points(
    request: ExportMetricsServiceRequest, metrics: BusinessMetrics, now: int, rejected: Counter[str]
) -> list[BusinessPoint | CumulativePoint]:
    """Return the points of configured metrics; others that cannot be used are counted by reason.

    Gauges, and sums that may fall (UpDownCounter), are values. Points of other sums and of histograms are increments
    (delta) or totals (cumulative); the latter cannot be a level.
    """
    found: list[BusinessPoint | CumulativePoint] = []
    matched = {name for metric in metrics.values() for wanted in metric for name in wanted.match}
    for resource in request.resource_metrics:
        origin = origin_of(resource.resource.attributes)
        of_resource = _texts(resource.resource.attributes, matched)
        for scope in resource.scope_metrics:
            around = {**of_resource, **_texts(scope.scope.attributes, matched)}
            for metric in scope.metrics:
                for wanted in metrics.get(metric.name, ()):
                    for point in _points(metric, wanted, around, (origin, scope.scope.name), now):
                        if isinstance(point, str):
                            rejected[point] += 1
                        elif len(found) >= MOST_POINTS:
                            rejected["too_many_points"] += 1
                        else:
                            found.append(point)
    return found


def _points(
    metric: otlp.Metric, business_metric: BusinessMetric, around: Mapping[str, str], source: tuple[bytes, str], now: int
) -> Iterator[BusinessPoint | CumulativePoint | str]:
    """Yield points, or reasons of rejection; ``source``: the process and the name of the scope."""
    kind = metric.WhichOneof("data")
    if kind not in ("gauge", "sum", "histogram", "exponential_histogram"):
        yield "bad_point"
        return
    data = getattr(metric, kind)
    if business_metric.unit and metric.unit and metric.unit != business_metric.unit:
        yield "bad_unit"
        return
    delta = kind != "gauge" and data.aggregation_temporality == otlp.AGGREGATION_TEMPORALITY_DELTA
    cumulative = kind != "gauge" and data.aggregation_temporality == otlp.AGGREGATION_TEMPORALITY_CUMULATIVE
    if kind != "gauge" and not delta and not cumulative:
        yield "bad_point"
        return
    if kind == "sum" and cumulative and not data.is_monotonic:
        cumulative = False  # a level, such as a gauge
    if cumulative and business_metric.level:
        yield "cumulative"
        return
    for point in data.data_points:
        if point.flags & otlp.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
            continue
        attributes = {**around, **_texts(point.attributes, business_metric.match)}
        if any(attributes.get(name, "") != value for name, value in business_metric.match.items()):
            continue
        time = point.time_unix_nano or now
        if not 0 < time < 2**63:
            yield "bad_time"
            continue
        digest = hashlib.blake2b(source[0], digest_size=16)
        for one in sorted(point.attributes, key=lambda attribute: attribute.key):
            digest.update(one.SerializeToString(deterministic=True))
        if cumulative:
            begin = point.start_time_unix_nano if point.start_time_unix_nano <= time else 0
            origin = f"\0{source[1]}\0{begin}".encode()
            process = hashlib.blake2b(source[0] + origin, digest_size=16).digest()
            digest.update(origin)
            totals = _total(point) if kind == "sum" else _total_and_count(point)
            if totals is None:
                yield "bad_point"
            else:
                yield CumulativePoint(business_metric.name, process, digest.digest(), begin, time, *totals)
            continue
        measured = _number(point) if kind in ("gauge", "sum") else _mean(point)
        if measured is None:
            yield "bad_point"
            continue
        yield BusinessPoint(business_metric.name, digest.digest(), time - delta, *measured)


def _number(point: otlp.NumberDataPoint) -> tuple[float, float] | None:
    value = float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)
    return (value, 1.0) if math.isfinite(value) else None


def _mean(point: Any) -> tuple[float, float] | None:
    """Return the mean and the count of a histogram; None if it has no usable sum or count."""
    if not point.HasField("sum") or not math.isfinite(point.sum) or not 0 < point.count <= MOST_COUNTED:
        return None
    return point.sum / point.count, float(point.count)


def _total(point: otlp.NumberDataPoint) -> tuple[float, None] | None:
    """Return the value of a monotonic sum; None if it is not a number, or negative."""
    number = _number(point)
    return None if number is None or number[0] < 0 else (number[0], None)


def _total_and_count(point: Any) -> tuple[float, float] | None:
    """Return the sum and the count of a histogram; None if it has no usable sum."""
    if not point.HasField("sum") or not math.isfinite(point.sum) or not 0 <= point.count <= MOST_COUNTED:
        return None
    return point.sum, float(point.count)


def _texts(attributes: Iterable[Any], names: Container[str]) -> dict[str, str]:
    """Return the attributes with these names as texts for comparison."""
    return {attribute.key: _text(read(attribute.value)) for attribute in attributes if attribute.key in names}


def _text(value: tuple[int, Any]) -> str:
    """Return an attribute as text for comparison: booleans and numbers as in YAML."""
    kind, thing = value
    return thing if kind == TEXT else str(thing).lower() if isinstance(thing, bool) else str(thing)
