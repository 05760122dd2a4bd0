"""The worst mispredictions of what was just joined, as exemplars of ``ml.outcomes``: the traces to open first.

Only predictions whose trace was sampled can be shown. A few per model are held, in memory: a restart loses exemplars.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.semconv import metrics as m
from driftline.tables import Task

from driftline_processor.core.performance.wrong import misses

from .health import Counters
from .points import Exemplar, Labels, Point, labels, of_model
from .rows import actual_of, said_of, traced
from .series import Series

MOST: Final = 5
"""Exemplars of one model in one export."""

SHOWN: Final = 5 * 60 * 10**9
"""Nanoseconds for which the scrape page shows one: every scraper should see it, and its trace still be new."""

Key = tuple[str, Labels]
_Found = tuple[float, Exemplar]


class WorstJoined:
    """Counts joined outcomes by model, and keeps the worst: a listener of ``State.on_joined``; any thread may ask.

    ``series``: what is known of every series. ``clock``: unix nanoseconds.
    """

    def __init__(
        self, series: Callable[[], Iterable[Series]], counters: Counters, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._series, self._counters, self._clock = series, counters, clock
        self._new: dict[Key, list[_Found]] = {}
        self._shown: dict[Key, _Found] = {}
        self._lock = threading.Lock()

    def __call__(self, joined: pa.Table) -> None:
        """Take the rows of one join."""
        now, known = self._clock(), {one.number: one for one in self._series()}
        sampled = traced(joined)
        for number, rows in zip(*np.unique(joined["series"].to_numpy(), return_counts=True), strict=True):
            if (series := known.get(int(number))) is None:
                continue
            named = dict(labels(of_model(series.key)))
            self._counters.add(m.ML_OUTCOMES, int(rows), named)
            found = _worst(series.task, sampled.filter(pc.equal(sampled["series"], int(number))), now)
            if found:
                self._keep((m.ML_OUTCOMES, tuple(sorted(named.items()))), found, now)

    def _keep(self, key: Key, found: list[_Found], now: int) -> None:
        with self._lock:
            self._new[key] = heapq.nlargest(MOST, [*self._new.get(key, ()), *found], key=_loss)
            shown = self._shown.get(key)
            if shown is None or shown[0] <= found[0][0] or now - shown[1].time > SHOWN:
                self._shown[key] = found[0]

    def take(self) -> dict[Key, tuple[Exemplar, ...]]:
        """Return the worst since this was last asked, the worst first."""
        with self._lock:
            taken, self._new = self._new, {}
        return {key: tuple(one for _, one in found) for key, found in taken.items()}

    def shown(self) -> dict[Key, tuple[Exemplar, ...]]:
        """Return the worst one of each model, of the last minutes."""
        now = self._clock()
        with self._lock:
            return {key: (one,) for key, (_, one) in self._shown.items() if now - one.time <= SHOWN}


def _worst(task: Task, sampled: pa.Table, now: int) -> list[_Found]:
    found = misses(task, *said_of(task, sampled), actual_of(sampled))
    if found is None:
        return []
    return [
        (float(found.loss[at]), Exemplar(now, sampled["trace_id"][at].as_py(), sampled["span_id"][at].as_py()))
        for at in found.worst(MOST).tolist()
    ]


def _loss(found: _Found) -> float:
    return found[0]


def attach(measured: Iterable[Point], found: Mapping[Key, tuple[Exemplar, ...]]) -> list[Point]:
    """Return the points with their exemplars.

    >>> point = Point(m.ML_OUTCOMES, (), 1.0)
    >>> attach([point], {(m.ML_OUTCOMES, ()): (Exemplar(5, b"t" * 16, b"s" * 8),)})[0].exemplars[0].time
    5
    """
    return [
        replace(point, exemplars=found[point.metric, point.attributes])
        if (point.metric, point.attributes) in found
        else point
        for point in measured
    ]
