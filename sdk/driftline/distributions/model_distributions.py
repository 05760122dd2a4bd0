"""The distributions of every model of a process: rows, durations, scores and features.

The background thread adds rows; the reporter sends the sums.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from driftline.batch.prediction_batch import PredictionBatch, merge_batches
from driftline.capture.model_identity import Identity
from driftline.faults import FAULTS, logger, retry_in_halves
from driftline.panes.bins import NumberBins
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import DURATION_BOUNDS
from driftline.tables.table import F64, Column

from .feature_distribution import OTHER, BinnedNumbers, FeatureDistribution

if TYPE_CHECKING:
    from driftline.batch.prediction_batch import Values


MOST_ERRORS = 20
"""Maximum number of error types with their own duration series; others count as ``other``."""

DURATIONS = NumberBins(np.nextafter(DURATION_BOUNDS, np.inf))
"""Bins of durations: ``[low, high)`` over the next floats is ``(low, high]`` over the bounds."""


@dataclass(slots=True)
class FeatureBudget:
    """The number of further features that may be counted, over all models."""

    remaining: int


class ModelDistributions:
    """The sums over rows of one model.

    ``durations``: durations of calls, and ``rows_by_error``: rows, including dropped rows, both by error type, "" for
    calls that returned.

    Args:
        bins: The baseline's bins, if there is one.
        limit: Maximum number of counted features, within the budget ``room``.
    """

    def __init__(self, bins: ModelBins, limit: int, room: FeatureBudget) -> None:
        self.rows = 0
        self.durations: dict[str, BinnedNumbers] = {}
        self.rows_by_error: Counter[str] = Counter()
        self.score = FeatureDistribution(bins.score)
        self.features: dict[str, FeatureDistribution] = {
            name: FeatureDistribution(over) for name, over in bins.features.items()
        }
        self._bins = bins
        self._max_distributions = limit
        self._room = room

    def add(self, block: PredictionBatch) -> None:
        """Count the rows of a block."""
        n = len(block)
        self._add_durations(block)
        if block.scores is None:
            self.score.missing += n
        else:
            self.score.add(Column(numbers=block.identity.task.monitored_score(block.scores)))
        for name, values in block.features.items():
            feature = self.features.get(name)
            if feature is None:
                if len(self.features) >= self._max_distributions or self._room.remaining <= 0:
                    self._tell(block, name)
                    continue
                self._room.remaining -= 1
                feature = self.features[name] = FeatureDistribution(None)
                feature.missing = self.rows  # of all rows before it
            feature.add(_column(values))
        for name, feature in self.features.items():
            if name not in block.features:
                feature.missing += n
        self.rows += n

    def merge(self, model_distributions: ModelDistributions) -> None:
        """Add the counts of another object."""
        for error, durations in model_distributions.durations.items():
            self.duration(error).merge(durations)
        self.rows_by_error += model_distributions.rows_by_error
        self.score.merge(model_distributions.score)
        for name, feature in model_distributions.features.items():
            own_feature = self.features.get(name)
            if own_feature is None:
                self.features[name] = feature
                feature.missing += self.rows
            else:
                own_feature.merge(feature)
        for name in self.features.keys() - model_distributions.features.keys():
            self.features[name].missing += model_distributions.rows
        self.rows += model_distributions.rows

    def empty_copy(self, *, cumulative: bool) -> ModelDistributions:
        """Return an empty object that continues this one."""
        new = ModelDistributions(self._bins, self._max_distributions, self._room)
        new.score = self.score.empty_copy(cumulative=cumulative)
        new.features = {name: feature.empty_copy(cumulative=cumulative) for name, feature in self.features.items()}
        return new

    def settle(self) -> bool:
        """Count rows that are kept back, at the end of the process; return whether there were any."""
        return sum(feature.settle() for feature in self.features.values()) > 0

    def _tell(self, block: PredictionBatch, name: str) -> None:
        """Log once that a model has more features than are counted."""
        model = block.identity.name
        if FAULTS.once(f"features {model}"):
            logger.info(
                "driftline: %s: the distributions of %d features are sent as metrics, "
                "but those of %s and other features are not (%s)",
                model,
                len(self.features),
                name,
                "DRIFTLINE_DISTRIBUTIONS=true sends more" if self._room.remaining > 0 else "the most of one process",
            )

    def _add_durations(self, block: PredictionBatch) -> None:
        first = np.ones(len(block), np.bool_) if block.call_rows is None else block.call_rows > 0
        if block.errors is None or block.errors.codes is None:
            self.add_calls("", len(block), block.duration[first])
            return
        for code, error in enumerate(("", *block.errors.categories), start=-1):
            chosen = block.errors.codes == code
            if chosen.any():
                self.add_calls(error, int(np.count_nonzero(chosen)), block.duration[chosen & first])

    def add_calls(self, error: str, rows: int, seconds: F64) -> None:
        """Count rows, and the durations of their calls."""
        self.rows_by_error[self._known(error)] += rows
        if len(seconds):
            self.duration(error).add(seconds)

    def duration(self, error: str) -> BinnedNumbers:
        """Return the durations of an error type, "" for calls that returned."""
        return self.durations.setdefault(self._known(error), BinnedNumbers(DURATIONS))

    def _known(self, error: str) -> str:
        """Return the name of an error type in the counts: ``other`` beyond the maximum."""
        names = self.durations.keys() | self.rows_by_error.keys()
        return error if error in names or len(names) < MOST_ERRORS else OTHER


def _column(values: Values) -> Column:
    return values if isinstance(values, Column) else Column(numbers=values.astype(np.float64, copy=False))


GATHER_ROWS = 8192
"""Rows that are counted together: 20 features cost 4 µs per row in hundreds, 0.3 µs in eight thousands."""

GATHER_VALUES = 2**19
"""Values that are counted together, for wide rows: 4 MiB."""

MOST_STREAMS = 256
"""Maximum number of models, versions and resources per process. A name that changes with every call would be a leak."""


MAX_NUMBERS_IN_PROCESS = 4096
"""Maximum number of number features of all models of a process: 60 MB, 15 kB each."""

Key = tuple[str, str, bool, int]
_NO_BINS = ModelBins()


@dataclass(slots=True)
class Stream:
    """The sums of one model.

    Attributes:
        current: Counts since the last report.
        total: Counts since ``start`` (unix nanoseconds), which the next report contains.
        has_changed: True if there are new counts since the last report.
        direct: True if the application's MeterProvider has the other scores of the model.
    """

    identity: Identity
    current: ModelDistributions
    total: ModelDistributions
    start: int
    has_changed: bool = False
    direct: bool = False


class Distributions:
    """Counts blocks by model.

    Args:
        cumulative: Whether reports are cumulative.
        clock: Returns unix nanoseconds.
        start: Time since which rows are counted, unix nanoseconds. Default: now.
    """

    def __init__(self, *, cumulative: bool, clock: Callable[[], int] = time.time_ns, start: int | None = None) -> None:
        self.cumulative = cumulative
        self._clock = clock
        self._bins: dict[str, ModelBins] = {}
        self._begin(clock() if start is None else start)

    def _begin(self, start: int) -> None:
        self._lock = threading.Lock()
        self._streams: dict[Key, Stream] = {}
        self._waiting: list[tuple[bool, PredictionBatch]] = []
        self._room = FeatureBudget(MAX_NUMBERS_IN_PROCESS)
        self._start = start

    def forget(self) -> None:
        """Reset in a child: the parent counts the parent's predictions."""
        self._begin(self._clock())

    def use(self, model: str, bins: ModelBins) -> None:
        """Count a model over the bins of its baseline; has no effect after its first row."""
        self._bins.setdefault(model, bins)

    def add(self, block: PredictionBatch, *, direct: bool = False) -> None:
        """Count the rows of a block, now or together with the next ones. ``direct``: as of its :class:`Stream`."""
        block = _countable(block)
        with self._lock:
            self._waiting.append((direct, block))
            rows = sum(len(waiting) for _, waiting in self._waiting)
            if rows >= GATHER_ROWS or rows * len(block.features) >= GATHER_VALUES:
                self._count()

    def lose(self, identity: Identity, error: str, rows: int, seconds: F64) -> None:
        """Count dropped rows, of which only the durations of their calls are known."""
        with self._lock:
            stream = self._stream(identity, direct=False)
            if stream is not None:
                stream.current.add_calls(error, rows, seconds)

    def take(self, *, last: bool = False) -> tuple[int, list[Stream]]:
        """Return the current time in unix nanoseconds, and the streams of all models up to then.

        Args:
            last: True at the end of the process, so that rows that are kept back are also counted.
        """
        with self._lock:
            self._count()
            now = self._clock()
            streams = list(self._streams.values())
            if last:
                for stream in streams:
                    stream.has_changed |= stream.current.settle()
            current = [stream.current for stream in streams]
            for stream in streams:
                stream.current = stream.current.empty_copy(cumulative=self.cumulative)
        for stream, tally in zip(streams, current, strict=True):
            stream.has_changed = stream.has_changed or bool(tally.rows_by_error)
            stream.total.merge(tally)
        return now, streams

    def settle(self, stream: Stream, time: int) -> None:
        """Mark the counts of a stream as delivered; ``time``: end of the report, in unix nanoseconds."""
        stream.has_changed = False
        if not self.cumulative:
            stream.total = stream.total.empty_copy(cumulative=False)
            stream.start = time

    def _count(self) -> None:
        """Count the waiting blocks; the caller holds the lock."""
        alike: dict[tuple[object, ...], list[PredictionBatch]] = {}
        for direct, block in self._waiting:
            alike.setdefault((direct, *block.shape()), []).append(block)
        self._waiting = []
        for direct, block in (
            (key[0] is True, merged)
            for key, blocks in alike.items()
            for merged in retry_in_halves(blocks, merge_batches, "merge")
        ):
            try:
                stream = self._stream(block.identity, direct=direct)
                if stream is not None:
                    stream.current.add(block)
            except Exception as error:
                FAULTS.swallow("distributions", error)

    def _stream(self, identity: Identity, *, direct: bool) -> Stream | None:
        key = (identity.name, identity.version, identity.capture == "features", id(identity.tracer_provider))
        stream = self._streams.get(key)
        if stream is None:
            if len(self._streams) >= MOST_STREAMS:
                if FAULTS.once("too many models"):
                    logger.warning(
                        "driftline: more than %d models and versions: distributions of %s %s and others are not sent",
                        MOST_STREAMS,
                        identity.name,
                        identity.version,
                    )
                return None
            limit = min(identity.distributions, self._room.remaining)
            bins = _allowed(self._bins.get(identity.name, _NO_BINS), identity, limit)
            self._room.remaining -= len(bins.features)
            current, reported = (ModelDistributions(bins, identity.distributions, self._room) for _ in range(2))
            stream = Stream(identity, current, reported, self._start, direct=direct)
            self._streams[key] = stream
        return stream


def _countable(block: PredictionBatch) -> PredictionBatch:
    """Return a block without vectors, except their norms."""
    norms = {
        name: Column(values.numbers)
        for name, values in block.features.items()
        if isinstance(values, Column) and values.vectors is not None
    }
    return replace(block, features={**block.features, **norms}) if norms else block


def _allowed(bins: ModelBins, identity: Identity, limit: int) -> ModelBins:
    """Return the bins of the features that the model records, at most ``limit``."""
    names = [name for name in bins.features if identity.records(name)][:limit]
    return ModelBins({name: bins.features[name] for name in names}, bins.score, bins.classes)
