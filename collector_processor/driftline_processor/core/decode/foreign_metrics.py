"""Decode metrics of other instrumentation as the features, scores and durations that the configuration maps them to.

For example, a service records ``meter.create_histogram("order.amount")`` without our SDK; ``models.NAME.metrics``
defines its meaning, and each point becomes one of ours.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from driftline.inputs.texts_and_vectors import short_text
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.classes import class_text
from driftline.tables.ids import id_text
from driftline.tables.table import ModelKey
from msgspec import Struct, field
from msgspec.structs import replace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from driftline_processor.core.histogram import Explicit, Histogram, count

from .attributes import BOOLEAN, INTEGER, MAX_TEXT, NUMBER, TEXT, bounded_text, read
from .metric_points import (
    METRICS,
    MOST_COUNTED,
    MOST_POINTS,
    Point,
    data_points,
    is_captured,
    number_of,
    origin_of,
    stream_of,
)
from .otlp_rows import OWN_SCOPE, environment_of

SECONDS: Final[Mapping[str, float]] = {"": 1.0, "s": 1.0, "ms": 1e3, "us": 1e6, "µs": 1e6, "ns": 1e9, "min": 1 / 60}
"""Units of durations (UCUM) → units per second; the default is seconds, as OpenTelemetry recommends."""


class MetricMapping(Struct, frozen=True):
    """The meaning of one metric for one model.

    Attributes:
        target: Our metric that its points become.
        feature: The feature, or use ``feature_attribute``, the attribute with its name.
        category_attribute: The attribute with the category or class; each point is then the row count of one.
        match: Attributes, with values, that a point, its scope or its resource must have.
        version_attribute: Attribute with the version.
        environment_attribute: Attribute with the environment.
        rows: Whether it counts the rows of the model; with ``feature_attribute`` only the points of ``rows_feature``.
        gauge: Whether its points are gauges, see :func:`points`.
    """

    name: str
    model: str
    target: str
    feature: str = ""
    feature_attribute: str = ""
    category_attribute: str = ""
    match: Mapping[str, str] = field(default_factory=dict)
    version_attribute: str = a.ML_MODEL_VERSION
    environment_attribute: str = ""
    rows: bool = False
    rows_feature: str = ""
    gauge: bool = False


Mappings = Mapping[str, tuple[MetricMapping, ...]]
"""Name of the metric → its mappings."""


def by_name(mapped: Iterable[MetricMapping]) -> Mappings:
    """Return mappings by the name of their metric."""
    found: dict[str, tuple[MetricMapping, ...]] = {}
    for one in mapped:
        found[one.name] = (*found.get(one.name, ()), one)
    return found


def may_hold(body: bytes, mappings: Mappings) -> bool:
    """Return False for metrics requests that certainly contain none of them, without decoding."""
    return any(body.rfind(name.encode()) >= 0 for name in mappings)


def points(
    request: ExportMetricsServiceRequest, mappings: Mappings, now: int, rejected: Counter[str], room: int = MOST_POINTS
) -> list[Point]:
    """Return the points of mapped metrics as points of ours; those that cannot be used are counted by reason.

    A gauge, or a sum that may fall, is a level and not a count: if it is mapped as one, each point is the count since
    the previous point, or one value of a feature. Points of our metrics with rows in no record (``driftline.capture``)
    are never mapped.
    """
    found: list[Point] = []
    for resource in request.resource_metrics:
        of_resource = resource.resource.attributes
        environment, origin = environment_of(of_resource) or "", origin_of(of_resource)
        for scope in resource.scope_metrics:
            if scope.scope.name == OWN_SCOPE or is_captured(scope.scope.attributes):
                continue
            digest = hashlib.blake2b(origin, digest_size=16)
            digest.update(scope.scope.name.encode() + b"\0mapped")
            around: dict[str, tuple[int, Any]] | None = None
            is_marked = is_captured(of_resource)
            for metric in scope.metrics:
                if is_marked and metric.name in METRICS:
                    continue
                for mapped in mappings.get(metric.name, ()):
                    if around is None:
                        attributes = (*of_resource, *scope.scope.attributes)
                        around = {attribute.key: read(attribute.value) for attribute in attributes}
                    for point in _points_of(metric, mapped, around, environment, digest, now):
                        if isinstance(point, str):
                            rejected[point] += 1
                        elif len(found) >= room:
                            rejected["too_many_points"] += 1
                        else:
                            found.append(point)
    return found


def _points_of(
    metric: otlp.Metric,
    mapped: MetricMapping,
    around: Mapping[str, tuple[int, Any]],
    environment: str,
    digest: Any,
    now: int,
) -> Iterable[Point | str]:
    """Yield the points of one metric, or reasons of rejection; nothing for points without a match."""
    level = _is_level(metric)
    if level != mapped.gauge:
        yield "gauge_or_not"
        return
    per_second = SECONDS.get(metric.unit, 0.0) if mapped.target == m.ML_PREDICT_DURATION else 1.0
    if not per_second:
        yield "bad_unit"
        return
    read_points = _levels(metric, mapped) if level else data_points(metric)
    for point, reader, delta in read_points:
        if point.flags & otlp.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
            continue
        if metric.name in METRICS and is_captured(point.attributes):
            continue
        attributes = {**around, **{attribute.key: read(attribute.value) for attribute in point.attributes}}
        if any(_text(attributes, key) != value for key, value in mapped.match.items()):
            continue
        histogram = reader(point)
        begin, end = getattr(point, "start_time_unix_nano", 0), point.time_unix_nano or now
        feature = mapped.feature or _text(attributes, mapped.feature_attribute)
        named = bounded_text(_text(attributes, mapped.category_attribute)) if mapped.category_attribute else ""
        version = _text(attributes, mapped.version_attribute)
        if histogram is None or count(histogram) > MOST_COUNTED or len(version) > MAX_TEXT:
            yield "bad_point"
            continue
        if not 0 < end < 2**63:
            yield "bad_time"
            continue
        if mapped.feature_attribute and not feature:
            yield "no_feature_name"
            continue
        if not level and metric.HasField("sum") and not mapped.category_attribute:
            yield "not_a_distribution"
            continue
        begin = begin if 0 < begin <= end else 0
        beginning = digest.copy()
        beginning.update((0 if delta else begin).to_bytes(8, "big"))
        process = beginning.digest()
        beginning.update(f"{mapped.model}\0{mapped.target}\0{feature}\0".encode())
        where = _text(attributes, mapped.environment_attribute) if mapped.environment_attribute else environment
        made = Point(
            metric=_target(mapped, named),
            key=ModelKey(mapped.model, version, bounded_text(where)),
            stream=stream_of(metric.name, point.attributes, beginning, histogram),
            process=process,
            captured=True,
            task="",
            feature=bounded_text(feature),
            category=short_text(named),
            invalid=False,
            decided="",
            begin=begin,
            end=end,
            delta=delta,
            histogram=histogram,
            foreign=True,
            rows=mapped.rows and mapped.rows_feature in ("", feature),
            per_second=per_second,
        )
        if mapped.target == m.ML_PREDICTIONS:
            made = replace(made, category="", decided=class_text(named)[:MAX_TEXT])
        yield made


def _is_level(metric: otlp.Metric) -> bool:
    """Return True for a gauge, and for a sum that may fall."""
    if metric.HasField("sum"):
        is_delta = metric.sum.aggregation_temporality == otlp.AGGREGATION_TEMPORALITY_DELTA
        return not metric.sum.is_monotonic and not is_delta
    return metric.HasField("gauge")


def _target(mapped: MetricMapping, named: str) -> str:
    """Return the metric of a point: rows without a category count as rows without the feature."""
    if mapped.target == m.DRIFTLINE_FEATURE_CATEGORIES and not named:
        return m.DRIFTLINE_FEATURE_MISSING_VALUES
    return mapped.target


def _levels(metric: otlp.Metric, mapped: MetricMapping) -> Iterable[tuple[Any, Any, bool]]:
    data = metric.gauge if metric.WhichOneof("data") == "gauge" else metric.sum
    reader = number_of if mapped.category_attribute else _one_value
    for point in data.data_points:
        yield point, reader, True


def _one_value(point: otlp.NumberDataPoint) -> Histogram | None:
    value = float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)
    return Explicit(np.empty(0), np.ones(1), value, value, value) if np.isfinite(value) else None


def _text(said: Mapping[str, tuple[int, Any]], name: str) -> str:
    kind, thing = said.get(name, (TEXT, ""))
    if kind == BOOLEAN:
        return "true" if thing else "false"
    return id_text(thing) if kind in (TEXT, INTEGER) or (kind == NUMBER and np.isfinite(thing)) else ""
