"""A point of derived telemetry: the value of a series now, and what it has grown by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables import ModelKey

from driftline_processor.web.words import LINKED, handle

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One that was counted. ``time``: when, unix nanoseconds. ``trace_id`` / ``span_id``: 16 and 8 bytes."""

    time: int
    trace_id: bytes
    span_id: bytes


@dataclass(frozen=True, slots=True)
class Point:
    """The value of one series now; ``metric`` and the keys of ``attributes`` are names of the registry.

    ``buckets``: of a histogram, how many fell into each bucket of ``DURATION_BOUNDS`` and beyond; ``value`` is their
    sum, then. A gauge of NaN is one that has ended. ``exemplars``: of a counter.
    """

    metric: str
    attributes: Labels
    value: float
    buckets: tuple[float, ...] | None = None
    exemplars: tuple[Exemplar, ...] = ()


def of_model(key: ModelKey) -> dict[str, str]:
    """Return the attributes that name a model.

    >>> of_model(ModelKey("churn", "7"))
    {'ml.model.name': 'churn', 'ml.model.version': '7'}
    """
    named = {a.ML_MODEL_NAME: key.model, a.ML_MODEL_VERSION: key.version}
    if key.environment:  # without it, two environments of one model would be one series twice
        named[a.DEPLOYMENT_ENVIRONMENT_NAME] = key.environment
    return named


def labels(attributes: Mapping[str, str]) -> Labels:
    """Return attributes as pairs; a text that is too long for a label is one that stands for it."""
    return tuple((key, text if len(text) <= LINKED else handle(text)) for key, text in attributes.items())


def growth(now: Iterable[Point], before: Iterable[Point]) -> list[Point]:
    """Return the points with their counters and histograms less what they were before; gauges as they are.

    >>> growth([Point(m.DRIFTLINE_PREDICTIONS, (), 5.0)], [Point(m.DRIFTLINE_PREDICTIONS, (), 3.0)])
    [Point(metric='driftline.predictions', attributes=(), value=2.0, buckets=None, exemplars=())]
    """
    known = {(point.metric, point.attributes): point for point in before if counts_up(point)}
    grown = []
    for point in now:
        old = known.get((point.metric, point.attributes))
        if old is not None:
            buckets = point.buckets
            if buckets is not None and old.buckets is not None:
                buckets = tuple(max(new - was, 0.0) for new, was in zip(buckets, old.buckets, strict=True))
            point = replace(point, value=max(point.value - old.value, 0.0), buckets=buckets)
        grown.append(point)
    return grown


def ended(now: Iterable[Point], before: Iterable[Point]) -> list[Point]:
    """Return the gauges of before that are there no more, with NaN for a value.

    >>> ended([], [Point(m.ML_DRIFT_STATE, ((a.STATE, "ok"),), 1.0)])
    [Point(metric='ml.drift.state', attributes=(('state', 'ok'),), value=nan, buckets=None, exemplars=())]
    """
    there = {(point.metric, point.attributes) for point in now}
    gauges = (point for point in before if not counts_up(point))
    return [replace(point, value=math.nan) for point in gauges if (point.metric, point.attributes) not in there]


def counts_up(point: Point) -> bool:
    """Say whether a point is of a counter or a histogram."""
    return point.buckets is not None or m.INSTRUMENTS.get(point.metric) == "counter"
