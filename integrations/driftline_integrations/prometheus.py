"""Distributions of features for a Prometheus server that scrapes this process.

The collector follows the public protocol of ``prometheus_client``: register it in any registry. OpenTelemetry's
``PrometheusMetricReader`` exposes durations, scores and counts, but cannot carry finished distributions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from driftline.distributions.feature_distribution import BinnedNumbers
from driftline.export.pipeline import pipeline_of
from driftline.semconv import metrics
from driftline.tables.text import sendable
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from driftline.distributions.exponential_histogram import ExponentialBuckets
    from driftline.distributions.model_distributions import Stream

FINEST_SCALE = 1
"""Scale of buckets without a baseline: bounds are powers of the square root of 2, whatever the values are."""

_LABELS = ("ml_model_name", "ml_model_version", "driftline_feature_name")


class FeatureCollector:
    """Exposes the distributions of features to Prometheus.

    Register it once per process, before the first prediction; earlier rows are not counted. The names are those of the
    OTLP metrics as Prometheus writes them: ``driftline_feature_distribution``, ``driftline_feature_categories_total``
    and ``driftline_feature_missing_values_total``. With a baseline, the buckets are its bins; otherwise they are powers
    of the square root of 2.

    >>> from prometheus_client import CollectorRegistry
    >>> CollectorRegistry().register(FeatureCollector())
    """

    def __init__(self) -> None:
        self._distributions = pipeline_of(None).collect_distributions()
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Any]:
        """Return the families without samples, which a registry compares with those of other collectors."""
        return self._families()

    def collect(self) -> Iterable[Any]:
        """Return the families with the counts of all rows until at most one second ago."""
        numbers, categories, missing = self._families()
        with self._lock:
            _, streams = self._distributions.take()
            for stream in streams:
                _add(stream, numbers, categories, missing)
        return numbers, categories, missing

    def _families(self) -> tuple[Any, Any, Any]:
        names = (
            metrics.DRIFTLINE_FEATURE_DISTRIBUTION,
            metrics.DRIFTLINE_FEATURE_CATEGORIES,
            metrics.DRIFTLINE_FEATURE_MISSING_VALUES,
        )
        texts = [(metrics.INSTRUMENTS[name].prometheus, metrics.DESCRIPTIONS[name]) for name in names]
        return (
            HistogramMetricFamily(*texts[0], labels=_LABELS),
            CounterMetricFamily(*texts[1], labels=(*_LABELS, "driftline_feature_category")),
            CounterMetricFamily(*texts[2], labels=(*_LABELS, "driftline_feature_invalid")),
        )


def _add(stream: Stream, numbers: Any, categories: Any, missing: Any) -> None:
    """Add the features of one model. Without rows in records, a sum could be the value of a single row."""
    identity = stream.identity
    for name, feature in stream.total.features.items():
        labels = (identity.name, identity.version, sendable(name))
        distribution = feature.numbers
        if isinstance(distribution, BinnedNumbers):
            bounds, counts = np.nextafter(distribution.bins.edges, -np.inf).tolist(), distribution.counts.tolist()
            total = distribution.total if distribution.low >= 0 else None
        else:
            bounds, counts, total = _buckets(distribution)
        if sum(counts):
            les = [*map(floatToGoString, bounds), "+Inf"]
            is_public = identity.capture == "features" and total is not None and np.isfinite(total)
            cumulative = [(le, float(count)) for le, count in zip(les, accumulate(counts), strict=True)]
            numbers.add_metric(labels, cumulative, sum_value=total if is_public else None)
        for category, count in sorted(feature.categories.items()):
            categories.add_metric((*labels, sendable(category)), float(count))
        for flag, count in (("", feature.missing), ("true", feature.invalid)):
            if count:
                missing.add_metric((*labels, flag), float(count))


def _buckets(numbers: ExponentialBuckets) -> tuple[list[float], list[int], float | None]:
    """Return upper bounds, counts with those above the last bound, and the sum; None if a value was negative."""
    sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
    parts = [*numbers.coarse.items(), *((window.sign, part) for window, part in numbers.fine.items())]
    scale = min([FINEST_SCALE, *(part.buckets.scale for _, part in parts if part.count)])
    for sign, part in parts:
        if part.count:
            buckets = part.buckets.rescale(scale)
            for index, count in enumerate(buckets.counts.tolist(), start=buckets.offset):
                sides[sign][index] = sides[sign].get(index, 0) + count
    bounds: list[float] = []
    counts: list[int] = []
    for index in _range(sides[-1], reverse=True):
        bounds.append(-(2.0 ** (index / 2.0**scale)))
        counts.append(sides[-1].get(index, 0))
    if numbers.zeros or sides[-1]:
        bounds.append(0.0)
        counts.append(numbers.zeros)
    for index in _range(sides[1]):
        bounds.append(2.0 ** ((index + 1) / 2.0**scale))
        counts.append(sides[1].get(index, 0))
    total = None if sides[-1] else float(sum(part.total for _, part in parts))
    return bounds, [*counts, 0], total


def _range(counts: dict[int, int], *, reverse: bool = False) -> Iterator[int]:
    """Yield the indices from the first to the last bucket, also those of empty ones."""
    if counts:
        indices = range(min(counts), max(counts) + 1)
        yield from reversed(indices) if reverse else indices
