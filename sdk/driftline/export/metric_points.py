"""Distributions as OTLP metric points, in the data classes of OpenTelemetry's SDK.

OpenTelemetry metrics data model, "Histogram" and "ExponentialHistogram". Python's SDK does not accept pre-aggregated
distributions, and an exponential histogram among the application's metrics makes ``PrometheusMetricReader`` raise. So
these points are sent separately from the application's metrics (adr/0007-distributions.md). What its
MeterProvider can carry is recorded there instead (``call_histograms.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Buckets as DenseBuckets
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from driftline.capture.model_identity import SCOPE, VERSION, Identity
from driftline.distributions.exponential_histogram import FINEST, Buckets, ExponentialBuckets, Part
from driftline.distributions.feature_distribution import BinnedNumbers, FeatureDistribution
from driftline.distributions.model_distributions import ModelDistributions, Stream
from driftline.semconv import SCHEMA_URL, metrics
from driftline.semconv import attributes as a
from driftline.tables.text import sendable

from .call_histograms import records_scores
from .resource import instance_of, resource_attributes

Attributes = dict[str, Any]


def metrics_data(stream: Stream, time: int, temporality: AggregationTemporality) -> MetricsData:
    """Return all metrics of one model. ``time``: end of the interval, in unix nanoseconds.

    A request contains one model, so no two of its resources are equal: the stock encoder would lose the first of them.
    """
    identity, distributions = stream.identity, stream.total
    base: Attributes = {a.ML_MODEL_NAME: identity.name}
    if identity.version:
        base[a.ML_MODEL_VERSION] = identity.version
    resource = resource_attributes(identity)
    instance = instance_of(identity)
    if instance and instance != resource[a.SERVICE_INSTANCE_ID]:  # a fork has its parent's resource, as for counts
        base[a.SERVICE_INSTANCE_ID] = instance
    points = _Points(base, stream.start, time, temporality, direct=stream.direct)
    scores = points.of_scores(distributions, identity, exact=identity.capture != "none")
    rows = [*points.of_durations(distributions), *scores]
    features = points.of_features(distributions, exact=identity.capture == "features")
    marked = {a.DRIFTLINE_CAPTURE: "metrics"}
    scopes: list[tuple[Attributes, Sequence[Metric]]] = [({}, [*rows, *features])]
    if identity.capture == "none":
        counted = {**marked, a.DRIFTLINE_DISTRIBUTION_COUNTED: True}
        scopes = [(counted, [*points.of_counts(distributions), *rows, *features])]
    elif identity.capture == "scores":
        scopes = [({}, rows), (marked, features)]
    scope_metrics = [
        ScopeMetrics(InstrumentationScope(SCOPE, VERSION, SCHEMA_URL, attributes), list(metrics), SCHEMA_URL)
        for attributes, metrics in scopes
        if metrics
    ]
    return MetricsData([ResourceMetrics(Resource(resource), scope_metrics, "")])


class _Points:
    """Points of one model and one time interval."""

    def __init__(
        self, base: Attributes, start: int, time: int, temporality: AggregationTemporality, *, direct: bool
    ) -> None:
        self._base = base
        self._span = (start, time)
        self._temporality = temporality
        self._direct: Attributes = {a.DRIFTLINE_HISTOGRAM_DIRECT: True} if direct else {}

    def of_counts(self, model_distributions: ModelDistributions) -> list[Metric]:
        """Return the points of the number of rows."""
        rows = [self._number(n, _by(error)) for error, n in model_distributions.rows_by_error.items()]
        return self._sum(metrics.DRIFTLINE_DISTRIBUTION_ROWS, rows)

    def of_durations(self, model_distributions: ModelDistributions) -> list[Metric]:
        """Return the points of durations."""
        durations = [self._binned(binned, _by(error)) for error, binned in model_distributions.durations.items()]
        return self._histograms(metrics.ML_PREDICT_DURATION, durations)

    def of_scores(self, model_distributions: ModelDistributions, identity: Identity, *, exact: bool) -> list[Metric]:
        """Return the points of scores. ``exact``: as for features."""
        attributes = self._direct if records_scores(identity) else {}
        if identity.task.kind:
            attributes = {a.ML_MODEL_TASK: identity.task.kind, **attributes}
        scores = list(self._numbers(model_distributions.score, attributes))
        return self._histograms(metrics.DRIFTLINE_PREDICTION_SCORE, scores if exact else map(_blurred, scores))

    def of_features(self, model_distributions: ModelDistributions, *, exact: bool) -> list[Metric]:
        """Return the points of features.

        ``exact``: with sums, minima and maxima, which can show the value of a single row.
        """
        values: list[Any] = []
        categories, missing = [], []
        for name, feature in model_distributions.features.items():
            key = {a.DRIFTLINE_FEATURE_NAME: sendable(name)}
            values += self._numbers(feature, key)
            categories += [
                self._number(n, {**key, a.DRIFTLINE_FEATURE_CATEGORY: sendable(category)})
                for category, n in sorted(feature.categories.items())
            ]
            if feature.missing:
                missing.append(self._number(feature.missing, key))
            if feature.invalid:
                missing.append(self._number(feature.invalid, {**key, a.DRIFTLINE_FEATURE_INVALID: True}))
        return [
            *self._histograms(metrics.DRIFTLINE_FEATURE_DISTRIBUTION, values if exact else map(_blurred, values)),
            *self._sum(metrics.DRIFTLINE_FEATURE_CATEGORIES, categories),
            *self._sum(metrics.DRIFTLINE_FEATURE_MISSING_VALUES, missing),
        ]

    def _numbers(self, feature: FeatureDistribution, attributes: Attributes) -> Iterator[Any]:
        if isinstance(feature.numbers, BinnedNumbers):
            if feature.numbers.counts.any():
                yield self._binned(feature.numbers, attributes)
        else:
            yield from self._exponential(feature.numbers, attributes)

    def _binned(self, binned: BinnedNumbers, attributes: Attributes) -> HistogramDataPoint:
        bounds = np.nextafter(binned.bins.edges, -np.inf)
        return HistogramDataPoint(
            {**self._base, **attributes},
            *self._span,
            int(binned.counts.sum()),
            _sum(binned.total, binned.low),
            binned.counts.tolist(),  # an ndarray is refused by the encoder
            bounds.tolist(),
            binned.low,
            binned.high,
        )

    def _exponential(
        self, numbers: ExponentialBuckets, attributes: Attributes
    ) -> Iterator[ExponentialHistogramDataPoint]:
        """Yield a point for the coarse buckets, with both signs at one scale, and a point for each finer scale."""
        positive, negative = numbers.coarse[1], numbers.coarse[-1]
        if positive.count or negative.count or numbers.zeros:
            yield self._part(positive, negative, numbers.zeros, attributes)
        for index, (window, part) in enumerate(numbers.fine.items(), start=1):
            if part.count:
                two = (part, Part()) if window.sign > 0 else (Part(), part)
                yield self._part(*two, 0, {**attributes, a.DRIFTLINE_HISTOGRAM_PART: index})

    def _part(
        self, positive: Part, negative: Part, zeros: int, attributes: Attributes
    ) -> ExponentialHistogramDataPoint:
        low, high = min(positive.low, negative.low), max(positive.high, negative.high)
        if zeros:
            low, high = min(low, 0.0), max(high, 0.0)
        sides = (positive.buckets.trimmed(), negative.buckets.trimmed())
        scale = min((side.scale for side in sides if len(side.counts)), default=FINEST)
        return ExponentialHistogramDataPoint(
            {**self._base, **attributes},
            *self._span,
            positive.count + negative.count + zeros,
            _sum(positive.total + negative.total, low),
            scale,
            zeros,
            _buckets(sides[0].rescale(scale)),
            _buckets(sides[1].rescale(scale)),
            0,
            low,
            high,
        )

    def _number(self, value: int, attributes: Attributes) -> NumberDataPoint:
        return NumberDataPoint({**self._base, **attributes}, *self._span, value)

    def _histograms(self, name: str, points: Any) -> list[Metric]:
        """Return the points of one name, as one metric per kind of point."""
        kinds: tuple[tuple[type, Callable[..., Any]], ...] = (
            (HistogramDataPoint, Histogram),
            (ExponentialHistogramDataPoint, ExponentialHistogram),
        )
        points = list(points)
        points_by_kind = [
            (kind, [point for point in points if isinstance(point, point_type)]) for point_type, kind in kinds
        ]
        return [_metric(name, kind(chosen, self._temporality)) for kind, chosen in points_by_kind if chosen]

    def _sum(self, name: str, points: list[NumberDataPoint]) -> list[Metric]:
        return [_metric(name, Sum(points, self._temporality, is_monotonic=True))] if points else []


def _by(error: str) -> Attributes:
    return {a.ERROR_TYPE: error} if error else {}


def _metric(name: str, data: Any) -> Metric:
    return Metric(name, metrics.DESCRIPTIONS[name], metrics.INSTRUMENTS[name].unit, data)


def _blurred(point: Any) -> Any:
    """Return a histogram point with only its counts: sum, minimum and maximum are optional in the data model."""
    return replace(point, sum=None, min=None, max=None)


def _buckets(buckets: Buckets) -> DenseBuckets:
    return DenseBuckets(buckets.offset, buckets.counts.tolist())


def _sum(total: float, low: float) -> Any:
    """Return the sum if it is finite and can only grow, as the data model requires, else None."""
    return total if low >= 0 and math.isfinite(total) else None
