"""A point of derived telemetry: the value of a series, its growth, and exemplars.

The exemplars of ``driftline.outcomes`` are the worst mispredictions of the last joins with a sampled trace. A few per
model are in memory; a restart loses them.
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.performance.mispredictions import row_losses_of
from driftline_processor.health import Counters
from driftline_processor.present.names import LINKED, handle
from driftline_processor.store.arrow_tables import actual_of, scores_and_classes_of, traced_rows
from driftline_processor.store.series import Series

Labels = tuple[tuple[str, str], ...]


class Exemplar(Struct, frozen=True):
    """An exemplar of a counter.

    Attributes:
        time: Unix nanoseconds.
        trace_id: 16 bytes.
        span_id: 8 bytes.
    """

    time: int
    trace_id: bytes
    span_id: bytes


class Point(Struct, frozen=True):
    """The current value of one series; ``metric`` and the keys of ``attributes`` are names of the registry.

    Attributes:
        buckets: For a histogram, the counts per bucket of ``DURATION_BOUNDS`` and above; ``value`` is then the sum. A
            gauge of NaN has ended.
        exemplars: For a counter.
    """

    metric: str
    attributes: Labels
    value: float
    buckets: tuple[float, ...] | None = None
    exemplars: tuple[Exemplar, ...] = ()


def model_attributes(key: ModelKey) -> dict[str, str]:
    """Return the attributes of a model.

    >>> model_attributes(ModelKey("churn", "7"))
    {'ml.model.name': 'churn', 'ml.model.version': '7'}
    """
    attributes = {a.ML_MODEL_NAME: key.model, a.ML_MODEL_VERSION: key.version}
    if key.environment:  # otherwise two environments of one model would share a series
        attributes[a.DEPLOYMENT_ENVIRONMENT_NAME] = key.environment
    return attributes


def labels(attributes: Mapping[str, str]) -> Labels:
    """Return attributes as pairs, without empty ones; a text that is too long for a label is replaced.

    >>> labels({a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: ""})
    (('ml.model.name', 'churn'),)
    """
    return tuple((key, text if len(text) <= LINKED else handle(text)) for key, text in attributes.items() if text)


def growth(now: Iterable[Point], before: Iterable[Point]) -> list[Point]:
    """Return the points with counters and histograms minus their previous values; gauges unchanged.

    >>> growth([Point(m.DRIFTLINE_PREDICTIONS, (), 5.0)], [Point(m.DRIFTLINE_PREDICTIONS, (), 3.0)])
    [Point(metric='driftline.predictions', attributes=(), value=2.0, buckets=None, exemplars=())]
    """
    points_by_key = {(point.metric, point.attributes): point for point in before if counts_up(point)}
    grown = []
    for point in now:
        old = points_by_key.get((point.metric, point.attributes))
        if old is not None:
            buckets = point.buckets
            if buckets is not None and old.buckets is not None:
                buckets = tuple(max(new - was, 0.0) for new, was in zip(buckets, old.buckets, strict=True))
            point = replace(point, value=max(point.value - old.value, 0.0), buckets=buckets)
        grown.append(point)
    return grown


def ended(now: Iterable[Point], before: Iterable[Point]) -> list[Point]:
    """Return previous gauges and states that have ended, with the value NaN.

    >>> (point,) = ended([], [Point(m.DRIFTLINE_DRIFT_STATUS, ((a.DRIFTLINE_STATE, "ok"),), 1.0)])
    >>> point.metric, point.attributes, point.value
    ('driftline.drift.status', (('driftline.state', 'ok'),), nan)
    """
    current_keys = {(point.metric, point.attributes) for point in now}
    gauges = (point for point in before if not counts_up(point))
    return [replace(point, value=math.nan) for point in gauges if (point.metric, point.attributes) not in current_keys]


def counts_up(point: Point) -> bool:
    """Return True for a point of a counter or a histogram."""
    return point.buckets is not None or instrument_of(point) == "counter"


def instrument_of(point: Point) -> str:
    """Return the kind of the instrument of a point, "" if the registry does not name its metric."""
    instrument = m.INSTRUMENTS.get(point.metric)
    return "" if instrument is None else instrument.kind


MOST: Final = 5
"""Maximum number of exemplars per model and export."""

SHOWN: Final = 5 * 60 * 10**9
"""Nanoseconds for which the scrape page shows an exemplar: long enough for every scraper, while the trace is new."""

Key = tuple[str, Labels]
_Found = tuple[float, Exemplar]


class WorstMispredictions:
    """Counts joined outcomes by model, and keeps the worst: a listener of ``State.on_joined``. Thread-safe.

    Args:
        series: Returns all series.
        clock: Unix nanoseconds.
    """

    def __init__(
        self, series: Callable[[], Iterable[Series]], counters: Counters, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._series, self._counters, self._clock = series, counters, clock
        self._new: dict[Key, list[_Found]] = {}
        self._by_model: dict[Key, _Found] = {}
        self._lock = threading.Lock()

    def __call__(self, joined: pa.Table) -> None:
        """Add the rows of one join."""
        now, series_by_number = self._clock(), {series_entry.number: series_entry for series_entry in self._series()}
        sampled = traced_rows(joined)
        for number, rows in zip(*np.unique(joined["series"].to_numpy(), return_counts=True), strict=True):
            if (series := series_by_number.get(int(number))) is None:
                continue
            model_labels = dict(labels(model_attributes(series.key)))
            self._counters.add(m.DRIFTLINE_OUTCOMES, int(rows), model_labels)
            worst_rows = _worst(series.task, sampled.filter(pc.equal(sampled["series"], int(number))), now)
            if worst_rows:
                self._keep((m.DRIFTLINE_OUTCOMES, tuple(sorted(model_labels.items()))), worst_rows, now)

    def _keep(self, key: Key, founds: list[_Found], now: int) -> None:
        with self._lock:
            self._new[key] = heapq.nlargest(MOST, [*self._new.get(key, ()), *founds], key=_loss)
            shown_exemplar = self._by_model.get(key)
            if shown_exemplar is None or shown_exemplar[0] <= founds[0][0] or now - shown_exemplar[1].time > SHOWN:
                self._by_model[key] = founds[0]

    def take(self) -> dict[Key, tuple[Exemplar, ...]]:
        """Return the worst mispredictions since the last call, worst first."""
        with self._lock:
            taken_exemplars, self._new = self._new, {}
        return {key: tuple(exemplar for _, exemplar in exemplars) for key, exemplars in taken_exemplars.items()}

    def exemplars(self) -> dict[Key, tuple[Exemplar, ...]]:
        """Return the worst misprediction of each model in the last minutes."""
        now = self._clock()
        with self._lock:
            return {key: (exemplar,) for key, (_, exemplar) in self._by_model.items() if now - exemplar.time <= SHOWN}


def _worst(task: Task, sampled: pa.Table, now: int) -> list[_Found]:
    row_losses = row_losses_of(task, *scores_and_classes_of(task, sampled), actual_of(sampled))
    if row_losses is None:
        return []
    return [
        (float(row_losses.loss[row]), Exemplar(now, sampled["trace_id"][row].as_py(), sampled["span_id"][row].as_py()))
        for row in row_losses.worst(MOST).tolist()
    ]


def _loss(exemplar: _Found) -> float:
    return exemplar[0]


def attach_exemplars(measured: Iterable[Point], found: Mapping[Key, tuple[Exemplar, ...]]) -> list[Point]:
    """Return the points with their exemplars.

    >>> point = Point(m.DRIFTLINE_OUTCOMES, (), 1.0)
    >>> worst = (Exemplar(5, b"t" * 16, b"s" * 8),)
    >>> attach_exemplars([point], {(m.DRIFTLINE_OUTCOMES, ()): worst})[0].exemplars[0].time
    5
    """
    return [
        replace(point, exemplars=found[point.metric, point.attributes])
        if (point.metric, point.attributes) in found
        else point
        for point in measured
    ]
