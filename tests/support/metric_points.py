"""What arrived as OTLP metrics, point by point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.tables.table import F64
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


@dataclass(frozen=True)
class Point:
    """One data point. ``attributes``: without model and version; ``scope``: the attributes of its scope."""

    name: str
    kind: str
    attributes: dict[str, Any]
    scope: dict[str, Any]
    data: Any
    temporality: int

    @property
    def count(self) -> int:
        return int(self.data.as_int if self.kind == "sum" else self.data.count)

    def key(self, *names: str) -> tuple[Any, ...]:
        return tuple(self.attributes.get(name) for name in names)


def points(bodies: Iterable[bytes]) -> list[Point]:
    """Return the points of some requests, in order."""
    return [
        Point(
            metric.name, kind, _plain(one.attributes), _plain(scope.scope.attributes), one, data.aggregation_temporality
        )
        for body in bodies
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
        for data in [getattr(metric, kind)]
        for one in data.data_points
    ]


def sums(found: Iterable[Point], name: str, *by: str) -> dict[tuple[Any, ...], int]:
    """Return how many values the points of a name count, by some attributes."""
    counted: dict[tuple[Any, ...], int] = {}
    for point in found:
        if point.name == name:
            counted[point.key(*by)] = counted.get(point.key(*by), 0) + point.count
    return counted


def cdf(found: Iterable[Point], at: F64) -> F64:
    """Return the share of values up to each of ``at``, from the middles of exponential buckets."""
    places, counts = [np.zeros(0)], [np.zeros(0)]
    for point in found:
        for sign, side in ((1, point.data.positive), (-1, point.data.negative)):
            index = np.arange(len(side.bucket_counts)) + side.offset
            places.append(sign * 2.0 ** ((index + 0.5) / 2.0**point.data.scale))
            counts.append(np.array(side.bucket_counts, float))
        places.append(np.zeros(1))
        counts.append(np.array([point.data.zero_count], float))
    place, count = np.concatenate(places), np.concatenate(counts)
    order = np.argsort(place)
    total = np.concatenate([[0.0], np.cumsum(count[order])])
    return np.asarray(total[np.searchsorted(place[order], at, side="right")] / total[-1])


def _plain(pairs: Any) -> dict[str, Any]:
    found = {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
    return {key: value for key, value in found.items() if key not in ("ml.model.name", "ml.model.version")}
