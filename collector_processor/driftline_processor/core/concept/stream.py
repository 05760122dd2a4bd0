"""The losses of one model in order, and its change detector; results do not depend on how the stream is cut.

ADWIN detects changes of the level of errors. The state is *drift* from an increase until the level has fallen back by
at least half of it: a model with more errors than before does not recover by staying the same.

A change is detected some time after it happened. Sums at a few hundred positions, denser for newer ones, locate it: at
the position where the means before and after differ most for their number of values (the least squares estimate of a
single change point).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from driftline.baseline.sections.slices import OTHER, slice_name
from driftline.tables.table import F64, I64
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from .adwin import Adwin, Days
from .baseline_level import BaselineLevel, Bet
from .losses import LEAST_REFERENCE, Kind, standardised
from .result import Change, ConceptDrift, ConceptState

CLOSEST = 8
"""Values between the newest positions: a quarter of those between two checks of ADWIN."""

PER_OCTAVE = 32
"""Positions kept from one age to twice that age: a change is located to within a fifteenth of its age."""


def _none() -> I64:
    return np.empty(0, dtype=np.int64)


class ChangeSums(Struct, eq=False):
    """The sums since the last change. They depend only on n, not on how the values were cut into calls.

    Attributes:
        n: Number of values.
        total: Their sum.
        at: int64 (p,), number of values before each position.
        times: int64 (p,), time of the prediction at each position.
        sums: float64 (p,), sum of the values before each position.
    """

    n: int = 0
    total: float = 0.0
    at: I64 = field(default_factory=_none)
    times: I64 = field(default_factory=_none)
    sums: F64 = field(default_factory=lambda: np.empty(0))

    @property
    def mean(self) -> float | None:
        """The mean of the values, None without values."""
        return self.total / self.n if self.n else None

    def add(self, values: F64, times: I64) -> None:
        """Add values with the times of their predictions (unix nanoseconds)."""
        if not len(values):
            return
        before = np.cumsum(np.concatenate([[self.total], values]))
        places = np.arange(-self.n % CLOSEST, len(values), CLOSEST)
        self.at = np.concatenate([self.at, self.n + places])
        self.times = np.concatenate([self.times, times[places]])
        self.sums = np.concatenate([self.sums, before[places]])
        self.n, self.total = self.n + len(values), float(before[-1])
        self._thin()

    def split(self) -> tuple[float, float] | None:
        """Cut at the most likely change and keep the values after it; return the means before and after.

        None if there is no position to cut at: the sums restart.
        """
        inner = (self.at > 0) & (self.at < self.n)
        if not inner.any():
            empty = ChangeSums()
            self.n, self.total, self.at, self.times, self.sums = empty.n, empty.total, empty.at, empty.times, empty.sums
            return None
        places, sums = self.at[inner], self.sums[inner]
        before, after = sums / places, (self.total - sums) / (self.n - places)
        best = int(np.argmax((before - after) ** 2 * places * (self.n - places)))
        first = int(np.flatnonzero(inner)[best])
        cut, total = int(self.at[first]), float(self.sums[first])
        self.at, self.times, self.sums = self.at[first:] - cut, self.times[first:], self.sums[first:] - total
        self.n, self.total = self.n - cut, self.total - total
        self._thin()
        return float(before[best]), float(after[best])

    def rise_above(self, level: float) -> tuple[int, float] | None:
        """Return where values rise above a level: the time of the first prediction, and the mean from there on.

        It is the position after which the excess over the level is greatest; None without positions.
        """
        if not len(self.at):
            return None
        first = int(np.argmin(self.sums - level * self.at))
        return int(self.times[first]), (self.total - float(self.sums[first])) / (self.n - int(self.at[first]))

    @property
    def began(self) -> int | None:
        """Time of the first prediction."""
        return int(self.times[0]) if len(self.times) else None

    def _thin(self) -> None:
        age = self.n - self.at
        octave = np.maximum(0, np.frexp(age / (CLOSEST * PER_OCTAVE))[1])
        is_kept = self.at % (CLOSEST << octave.astype(np.int64)) == 0
        if not is_kept.all():
            self.at, self.times, self.sums = self.at[is_kept], self.times[is_kept], self.sums[is_kept]


MOST_CHANGES = 20
"""Limit of stored changes, the newest, as listed on a page and in JSON."""

AT_ONCE = 2_048, 16_384
"""Values that a detector processes at once, initially and at most: fastest by benchmarks/bench_concept.py."""


class Watch(Struct, eq=False):
    """The running state of the detector.

    Attributes:
        stretch: Sums since the last change.
        usual: Mean before the current drift, None without drift.
        worst: Greatest mean since then.
        since: Start of the state, unix nanoseconds.
        changes: Detected changes, the oldest first.
        change_count: Number of detected changes.
        level: Level of errors in the baseline, None if it is unknown.
        days: Variance between days of the baseline, relative to that of a row; 0 if it is unknown.
        bet: Outcomes since the last drift ended.
        detector: The detector, None until the first value and after an alarm.
    """

    stretch: ChangeSums = field(default_factory=ChangeSums)
    usual: float | None = None
    worst: float = 0.0
    since: int | None = None
    changes: list[Change] = field(default_factory=list)
    change_count: int = 0
    level: BaselineLevel | None = None
    bet: Bet = field(default_factory=Bet)
    detector: Adwin | None = None
    days: float = 0.0

    def feed(self, values: F64, times: I64, heard: I64) -> list[Change]:
        """Process values in their order and return the detected changes.

        ``times``: of the predictions, ``heard``: of the outcomes (unix nanoseconds).
        """
        changes: list[Change] = []
        start = 0
        while start < len(values):
            alarm = self._first_alarm(values[start:], times[start:])
            end = len(values) if alarm < 0 else start + alarm + 1
            changes += self._add(values[start:end], times[start:end], heard[start:end])
            if alarm >= 0:
                self.detector = None
                change = self._changed(int(times[end - 1]), int(heard[end - 1]))
                if change is not None:
                    changes.append(change)
            start = end
        return changes

    def _add(self, values: F64, times: I64, heard: I64) -> list[Change]:
        """Add values between two alarms; return the change to more errors than the baseline's, if there is one."""
        rise = -1
        if self.level is not None and self.usual is None:
            rise = self.bet.first_rise(self.level, values, times)
        if rise < 0:
            self._stretch(values, times)
            return []
        self._stretch(values[: rise + 1], times[: rise + 1])
        change = self._above_baseline(int(times[rise]), int(heard[rise]))
        self._stretch(values[rise + 1 :], times[rise + 1 :])
        return [change]

    def _stretch(self, values: F64, times: I64) -> None:
        self.stretch.add(values, times)
        if self.since is None:
            self.since = self.stretch.began

    def _above_baseline(self, time: int, outcome_time: int) -> Change:
        assert self.level is not None
        mean = self.bet.total / self.bet.n
        began, after = self.stretch.rise_above((self.level.upper_limit + mean) / 2) or (time, mean)
        change = Change(began, outcome_time, self.level.mean, max(after, mean))
        self.changes = [*self.changes, change][-MOST_CHANGES:]
        self.change_count += 1
        self.usual, self.worst, self.since, self.bet = change.before, change.after, began, Bet()
        return change

    def _first_alarm(self, values: F64, times: I64) -> int:
        if self.detector is None:
            self.detector = Adwin()
        first, (size, largest_size) = 0, AT_ONCE
        while first < len(values):
            days = Days(self.days, times[first : first + size]) if self.days > 0 else None
            place = self.detector.first_alarm(values[first : first + size], days)
            if place >= 0:
                return first + place
            first, size = first + size, min(2 * size, largest_size)
        return -1

    def _changed(self, time: int, outcome_time: int) -> Change | None:
        means = self.stretch.split()
        if means is None:
            return None
        before, after = means
        change = Change(self.stretch.began or time, outcome_time, before, after)
        self.changes = [*self.changes, change][-MOST_CHANGES:]
        self.change_count += 1
        self.bet = Bet()
        if self.usual is None:
            if after > before:
                self.usual, self.worst, self.since = before, after, change.since
        elif after > before:
            self.worst = max(self.worst, after)
        elif after - self.usual <= (self.worst - self.usual) / 2:
            self.usual, self.worst, self.since = None, 0.0, change.since
        return change


class Stream(Struct, eq=False):
    """Errors in the order in which outcomes arrived.

    Attributes:
        kind: Kind of the errors.
        scale: Mean and standard deviation for standardising losses, from the baseline. Without outcomes in the
            baseline, they are computed from the first :data:`LEAST_REFERENCE` losses.
        fed: Number of processed outcomes.
        unusable: Number of outcomes without a known error.
        corrected: Number of outcomes that replaced another one or were removed, which are not processed.
        waiting: Losses, with times of prediction and outcome, until ``scale`` is known.
        watch: State of the detector.
    """

    kind: Kind
    scale: tuple[float, float] | None = None
    fed: int = 0
    unusable: int = 0
    corrected: int = 0
    waiting: list[tuple[float, int, int]] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)

    def feed(self, values: F64, times: I64, outcome_times: I64) -> list[Change]:
        """Process errors in order, and return the detected changes.

        ``values``: see :func:`~driftline.tables.row_losses.losses_of_rows`. ``times``: of the predictions,
        ``outcome_times``: of the outcomes, int64 (n,), unix nanoseconds.
        """
        usable = ~np.isnan(values)
        self.unusable += int(np.count_nonzero(~usable))
        values, times, outcome_times = values[usable], times[usable], outcome_times[usable]
        self.fed += len(values)
        if self.kind == "loss":
            values, times, outcome_times = self._scaled(values, times, outcome_times)
        return [self._in_units(change) for change in self.watch.feed(values, times, outcome_times)]

    def know(self, level: BaselineLevel) -> None:
        """Use the baseline's level of errors, unless there is one already."""
        if self.watch.level is None:
            self.watch.level = level

    def _scaled(self, values: F64, times: I64, outcome_times: I64) -> tuple[F64, I64, I64]:
        if self.scale is None:
            missing = LEAST_REFERENCE - len(self.waiting)
            self.waiting += zip(
                values[:missing].tolist(), times[:missing].tolist(), outcome_times[:missing].tolist(), strict=True
            )
            if len(self.waiting) < LEAST_REFERENCE:
                return values[:0], times[:0], outcome_times[:0]
            waited, since, waiting_outcome_times = zip(*self.waiting, strict=True)
            values = np.concatenate([waited, values[missing:]])
            times = np.concatenate([np.array(since, np.int64), times[missing:]])
            outcome_times = np.concatenate([np.array(waiting_outcome_times, np.int64), outcome_times[missing:]])
            first = values[:LEAST_REFERENCE]
            self.scale, self.waiting = (float(first.mean()), float(first.std())), []
        return standardised(values, self.scale), times, outcome_times

    def concept(self) -> ConceptDrift:
        """Return the current state of the stream."""
        watch = self.watch
        state: ConceptState = "ok" if watch.usual is None else "drift"
        # 100: minimum outcomes of a state; with 50 on either side, ADWIN's bound detects no change below 0.6
        if watch.usual is None and self.fed < 100:
            state = "learning" if self.fed else "unknown"
        return ConceptDrift(
            state=state,
            measure="error_rate" if self.kind == "error" else "absolute_error",
            outcomes=self.fed,
            unusable=self.unusable,
            corrected=self.corrected,
            since=watch.since,
            before=self._unit(watch.usual),
            after=self._unit(watch.stretch.mean),
            changes=tuple(map(self._in_units, watch.changes)),
        )

    def _in_units(self, change: Change) -> Change:
        before, after = self._unit(change.before), self._unit(change.after)
        assert before is not None
        assert after is not None
        return Change(change.since, change.detected_at, before, after)

    def _unit(self, value: float | None) -> float | None:
        if value is None or self.scale is None:
            return value
        mean, deviation = self.scale
        return mean + value * deviation


def encode_stream(stream: Stream) -> str:
    """Return the state of a stream as JSON."""
    return msgspec.json.encode(stream, enc_hook=lambda numbers: numbers.tolist()).decode()


def decode_stream(state: str) -> Stream:
    """Restore what :func:`encode_stream` returned. Raises msgspec.ValidationError if it is invalid."""
    return _DECODER.decode(state)


def _array(kind: Any, numbers: list[float]) -> NDArray[Any]:
    (dtype,) = kind.__args__[1].__args__
    return np.array(numbers, dtype)


_DECODER = msgspec.json.Decoder(Stream, dec_hook=_array)


WHOLE = ""
"""Name of the slice of all rows."""

NO_OUTCOME = ConceptDrift("unknown", reason="no_outcomes")


class FirstLosses(NamedTuple):
    """The losses of n predictions by their first outcomes, in the order of arrival.

    Attributes:
        values: The losses, float64 (n,); NaN if unknown.
        times: Times of the predictions, int64 (n,), unix nanoseconds.
        outcome_times: Times of the outcomes, int64 (n,), unix nanoseconds.
        places: Slice key → index of each row's value among the slice's values, int64 (n,); -1 = none.
    """

    values: F64
    times: I64
    outcome_times: I64
    places: Mapping[str, I64]

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> FirstLosses:
        """Return a selection of the losses, or all in another order."""
        places = {key: place[which] for key, place in self.places.items()}
        return FirstLosses(self.values[which], self.times[which], self.outcome_times[which], places)

    def by_slice(self, values: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, FirstLosses]]:
        """Yield all losses as :data:`WHOLE`, then those of each slice; ``values``: distinct values of each key."""
        yield WHOLE, self
        for key, place in self.places.items():
            for value_index in np.unique(place[place >= 0]).tolist():
                yield slice_name(key, (*values[key], OTHER)[value_index]), self.take(place == value_index)


class ModelStreams(Struct):
    """The streams of one model: of all rows under :data:`WHOLE`, and of each slice by its name.

    Attributes:
        kind: Kind of the losses.
        scale: Mean and standard deviation of the baseline's losses, for new streams.
        streams: The streams.
        level: Level of errors of all rows in the baseline.
    """

    kind: Kind
    scale: tuple[float, float] | None
    streams: dict[str, Stream] = field(default_factory=dict)
    level: BaselineLevel | None = None

    def stream(self, name: str) -> Stream:
        """Return the stream of a slice, a new one if there is none of this kind."""
        if name not in self.streams or self.streams[name].kind != self.kind:
            self.streams[name] = Stream(self.kind, self.scale)
        stream = self.streams[name]
        same_unit = self.kind == "error" or stream.scale == self.scale
        if self.level is not None:
            stream.watch.days = self.level.days
            if name == WHOLE and same_unit:
                stream.know(self.level)
        return stream

    def feed(self, name: str, losses: FirstLosses) -> list[Change]:
        """Process the losses of a slice; return the detected changes."""
        return self.stream(name).feed(losses.values, losses.times, losses.outcome_times)


def concept_of(streams: Mapping[str, Stream]) -> ConceptDrift:
    """Return the concept drift of a model's streams: of all rows, and of each slice."""
    concepts = {name: stream.concept() for name, stream in sorted(streams.items())}
    return replace(concepts.pop(WHOLE, NO_OUTCOME), slices=concepts)
