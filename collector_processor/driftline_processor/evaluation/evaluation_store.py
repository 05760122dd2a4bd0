"""The evaluations of all windows: closed windows in the store, the newest windows also in memory.

Open windows are in memory only. A window is stored as soon as it closes, and again within an hour if late rows or
outcomes changed its evaluation.

The heads of the newest windows of each series are in memory, for lists and verdicts. Details, such as the drift of
each feature, are read from the store on demand and cached while there is room. A series is read on its first use.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64
from msgspec import NODEFAULT, UNSET, Struct
from msgspec.structs import fields

from driftline_processor.core.drift.incident import drifting
from driftline_processor.core.drift.lasting import REMEMBERED, recall_lasting, remembers, same_lasting, stored_lasting
from driftline_processor.core.evaluation import DriftSummary, Evaluation, summarize_drift
from driftline_processor.core.performance.objective import newest_objectives
from driftline_processor.core.windows.window import Window, length
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.present.sentences.objectives import overdue
from driftline_processor.store.database import (
    Connection,
    insert,
    is_of_all,
    is_of_memory,
    number,
    read,
    run,
    transaction,
)

from .evaluation_codec import (
    DETAILS,
    Dictionary,
    decode_details,
    decode_evaluation,
    decode_head,
    encode_evaluation,
    mentions,
)
from .judge import follow

_log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT = 400
"""Maximum number of heads in memory per series and window name; the table has all windows."""

LEAST_KEPT = 60
"""Minimum number of heads in memory per series and window name, for one timeline of a page."""

MEMORY = 160 << 20
"""Bytes of memory for the evaluations of all series: 150 windows per name of 70 models with four names."""

FOR_DETAILS = 32 << 20
"""Bytes of :data:`MEMORY` for details: a page of 60 windows of 20 features needs 2 MB. The rest is for heads."""

FOR_NEWEST = 128 << 20
"""Maximum bytes of details if those of the newest windows exceed :data:`FOR_DETAILS`, which exporters read each time.

Enough for the newest windows of 1,000 models of 20 features with three names. Those beyond are read on demand.
"""

PASSED_OVER = 16
"""Newest windows whose details are passed over at once in the search for others to drop."""

OF_ENCODED = 3
"""Bytes of memory per byte of an encoded evaluation, measured with windows of 20 and 200 features."""

FOR_SUMMARIES = 24 << 20
"""Additional bytes of memory for drift summaries, so that the page of a year decodes each window once.

Enough for 2,000 windows of 200 features (15 kB each), or 12,000 windows of 20 features.
"""

OF_SUMMARY = 60
"""Bytes of memory of a summary per feature, in addition to :data:`A_SUMMARY`."""

A_SUMMARY = 600
"""Bytes of memory of a summary without features."""

HEAD = 3 << 10
"""Bytes of memory of a head with 16 metrics and their intervals."""

NEAR = 16
"""Neighbours on either side whose details are read in the same query, because pages draw several windows."""

DICTIONARIES = 64
"""Maximum number of dictionaries in memory, 20 kB each at 20 features."""

WINDOWS_OF_DICTIONARY = 100
"""Windows that share one dictionary: 4 kB per window and 8 kB for the dictionary. A damaged one costs no others."""

RESTATED_EVERY = 3_600 * 10**9
"""Interval at which revised evaluations are stored, in nanoseconds."""

EvaluationHistory = dict[str, dict[int, Evaluation]]
"""Window name → start → the latest evaluation, oldest first."""

ROWS_AT_ONCE = 2_000
"""Rows per batch (8 MB) in a search for the name of a slice."""

COLUMNS = "series, name, start, stop, believed, dictionary, blob"
"""Columns that :func:`read_evaluations` needs."""

_COLUMNS = pa.schema(
    {
        **{"series": pa.int32(), "name": pa.string(), "start": pa.int64(), "stop": pa.int64(), "believed": pa.int64()},
        **{"dictionary": pa.binary(), "blob": pa.binary()},
    }
)
_DICTIONARIES = pa.schema([("series", pa.int32()), ("digest", pa.binary()), ("packed", pa.binary())])

_DETAILS = """
SELECT series, name, e.start, stop, e.believed, dictionary, blob
FROM evaluations e JOIN wanted w ON e.start = w.start AND e.believed = w.believed WHERE series = ? AND name = ?
"""

_STORED = f"""
SELECT {COLUMNS} FROM evaluations WHERE rowid IN (
SELECT e.rowid FROM evaluations e JOIN wanted w ON e.series = w.series AND e.name = w.name AND e.start = w.start
QUALIFY row_number() OVER (PARTITION BY e.series, e.name, e.start ORDER BY e.believed DESC) = 1)
"""

_OF_SERIES = f"""
SELECT {COLUMNS} FROM evaluations
WHERE rowid IN (SELECT e.rowid FROM evaluations e JOIN wanted w ON e.series = w.series
QUALIFY row_number() OVER (PARTITION BY e.series, name, start ORDER BY believed DESC) = 1
AND dense_rank() OVER (PARTITION BY e.series, name ORDER BY start DESC) <= ?) ORDER BY series, start
"""

_NEWEST_BETWEEN = f"""
SELECT {COLUMNS} FROM evaluations
WHERE rowid IN (SELECT rowid FROM evaluations WHERE series = ? AND name = ? AND start BETWEEN ? AND ?
QUALIFY row_number() OVER (PARTITION BY start ORDER BY believed DESC) = 1) ORDER BY start
"""


_NEVER = 2**63
"""A time after all windows."""


class WindowKey(NamedTuple):
    """The window of a series."""

    series: int
    name: str
    start: int


class _Encoded(NamedTuple):
    """An encoded window before it is stored, with the digest of its bytes."""

    place: WindowKey
    evaluation: LazyEvaluation
    raw: bytes
    digest: bytes


class WindowDetails:
    """The :data:`DETAILS` of a window, in memory or in the store. Copies of the evaluation share them.

    Attributes:
        stored_at: When the window was stored, in unix nanoseconds; 0 before.
        values: The fields by name; None while they are in the store only.
        empty: One bit per field of :data:`DETAILS`, set once the field is known to be empty, so that it is not read
            again: a page may look for the few windows that have it.
        summary: Drift without drawings, which stays in memory longer; None before its first use.
    """

    __slots__ = ("empty", "place", "source", "stored_at", "summary", "values")

    def __init__(
        self, source: EvaluationStore, place: WindowKey, stored_at: int, values: dict[str, Any] | None
    ) -> None:
        self.source, self.place, self.stored_at, self.values = source, place, stored_at, values
        self.empty = 0
        self.summary: DriftSummary | None = None
        if values is not None:
            self.take(values)

    def take(self, values: dict[str, Any]) -> None:
        """Keep the fields in memory."""
        self.values = values
        self.empty = sum(1 << place for place, name in enumerate(DETAILS) if _is_empty(values[name]))


class LazyEvaluation(Evaluation, kw_only=True):
    """An evaluation whose details are read from the store on first use."""

    details: WindowDetails

    @property
    def drift(self) -> DriftSummary:
        """The drift of the window without drawings; it stays in memory longer than the details."""
        return self.details.summary or self.details.source.summary(self)

    def __repr__(self) -> str:
        return repr(Evaluation(**{name: getattr(self, name) for name in Evaluation.__struct_fields__}))


def _detail(name: str) -> property:
    """Return a property that reads a field from the details, unless the field was replaced."""
    field, bit = Evaluation.__dict__[name], 1 << DETAILS.index(name)

    def read_detail(evaluation: LazyEvaluation) -> Any:
        value, details = field.__get__(evaluation), evaluation.details
        if value is not UNSET:
            return value
        values = _NO_DETAILS if details.empty & bit else details.values
        return (details.source.read_details(evaluation) if values is None else values)[name]

    return property(read_detail, field.__set__)


for _name in DETAILS:
    setattr(LazyEvaluation, _name, _detail(_name))
_HEAD_FIELDS = tuple(name for name in Evaluation.__struct_fields__ if name not in DETAILS)
_UNSET: dict[str, Any] = dict.fromkeys(DETAILS, UNSET)
_NO_DETAILS = {
    field.name: field.default_factory() if field.default is NODEFAULT else field.default
    for field in fields(Evaluation)
    if field.name in DETAILS
}


class EvaluationStore:
    """Keeps and stores evaluations. One thread writes; any thread may call :meth:`history`."""

    def __init__(self, connection: Connection, clock: Callable[[], int], share: float = 1.0) -> None:
        """Read how far windows are stored; evaluations are read on demand.

        Args:
            connection: The connection of the writing thread.
            clock: The wall clock in unix nanoseconds.
            share: Fraction of the bytes of memory that evaluations may use.
        """
        self._connection, self._clock, self._share = connection, clock, share
        self._lock = threading.RLock()
        self._history: dict[int, EvaluationHistory] = {}
        self._open: dict[int, dict[tuple[str, int], Evaluation]] = {}
        self._cut: set[tuple[int, str]] = set()
        self._stored: dict[WindowKey, tuple[bytes, int]] = {}
        """Digest of each stored window (b"" = not read yet) and the time at which it was stored."""
        self._arrived: dict[tuple[int, str], dict[int, Evaluation]] = {}
        self._drifted: dict[tuple[int, str], tuple[int, dict[int, Window]]] = {}
        """(series, window name) → a time, and the windows from then on that drifted, by start."""
        self._unstored: dict[WindowKey, LazyEvaluation] = {}
        self._unsaved: list[tuple[LazyEvaluation, int]] = []
        self._cached_details: OrderedDict[WindowKey, tuple[WindowDetails, int]] = OrderedDict()
        self._held_bytes, self._typical = 0, HEAD
        self._summarized: OrderedDict[WindowKey, WindowDetails] = OrderedDict()
        self._summaries = 0
        self._last_series: tuple[int, str] | None = None
        self._current: dict[int, _CurrentDictionary] = {}
        self._dictionaries = Dictionaries()
        self._restated = clock()
        self._overdue: set[tuple[int, str, str]] = set()
        self._last = number(connection, "SELECT max(believed) FROM evaluations") or 0
        ends = read(
            connection,
            "SELECT series, name, max(stop) AS stop, count(*) AS rows FROM evaluations GROUP BY series, name",
        ).to_pylist()
        self.ends = {(row["series"], row["name"]): row["stop"] for row in ends}
        """(series, window name) → the end of the last stored window; later windows were open or never evaluated."""
        self._names = len(self.ends)
        limit, of_series = self._limit_per_name(), Counter[int]()
        for row in ends:
            of_series[row["series"]] += min(row["rows"], limit)
        # 500: windows, with 12 MB of details of 6 features
        self.series_at_once = max(1, 500 * len(of_series) // max(of_series.total(), 1))
        """Number of series for one :meth:`read_ahead`."""

    def history(self, series: int) -> EvaluationHistory:
        """Return the evaluations of a series; its dicts are replaced, not changed, when evaluations are added."""
        evaluation_history = self._history.get(series)
        return self._load([series])[series] if evaluation_history is None else evaluation_history

    def is_read(self, series: int) -> bool:
        """Return True if the evaluations of a series are in memory."""
        return series in self._history

    def read_ahead(self, series: Sequence[int]) -> None:
        """Read the evaluations of several series, with one query per group."""
        for index in range(0, len(series), self.series_at_once):
            self._load(series[index : index + self.series_at_once])

    @contextmanager
    def read_with_details(self, series: Sequence[int]) -> Iterator[None]:
        """Read the evaluations of some series with one query, and their details until the end of the block.

        The details are limited to :data:`FOR_DETAILS`, in addition to those that are cached.
        """
        read_details: list[tuple[WindowDetails, int]] = []
        self._load(series, read_details)
        try:
            yield
        finally:
            with self._lock:
                for details, size in read_details:
                    if self._held_bytes + size <= FOR_DETAILS or self._is_newest(details.place):
                        self._hold(details, size)
                    elif details.place not in self._cached_details:
                        details.values = None

    def open(self, series: int) -> list[Evaluation]:
        """Return the evaluations of windows that were open when they were evaluated."""
        return list(self._open.get(series, {}).values())

    def closed(self, series: int) -> list[Evaluation]:
        """Return the evaluations of windows that were closed when they were evaluated."""
        return [
            evaluation
            for evaluations in self.history(series).values()
            for evaluation in evaluations.values()
            if evaluation.closed
        ]

    def put(self, series: int, evaluation: Evaluation) -> bool:
        """Add an evaluation, with only the drifting slices.

        :meth:`settle` makes it visible, and a later :meth:`write` stores it if the window is closed.

        Returns:
            Whether the window is now in :meth:`drifted` and was not before, or the other way round.
        """
        evaluation.slices = {name: slice_drift.thinned() for name, slice_drift in evaluation.slices.items()}
        window = evaluation.window
        self._arrived.setdefault((series, window.name), {})[window.start] = evaluation
        _, drifted = self._drifted.get((series, window.name), (0, {}))
        was_drifted = drifted.pop(window.start, None) is not None
        if evaluation.rolling_drift:
            drifted[window.start] = window
        return was_drifted is not evaluation.rolling_drift

    def drifted(self, series: int, window: Window, since: int) -> list[Window]:
        """Return the earlier windows of the same length that drifted from a rolling reference.

        Args:
            series: Number of the series.
            window: The window.
            since: Unix nanoseconds; all windows that end later are returned.
        """
        # 2: days have up to 25 hours, and months up to 31 days
        place, start = (series, window.name), since - 2 * length(window.name)
        first, windows = self._drifted.get(place, (_NEVER, {}))
        if start < first:
            evaluations = self._from(series, window.name, start) | self._arrived.get(place, {})
            windows = {time: earlier.window for time, earlier in evaluations.items() if earlier.rolling_drift}
            self._drifted[place] = start, windows
        return [earlier for time, earlier in windows.items() if start < time < window.start]

    def settle(self) -> None:
        """Make all evaluations that were put visible, with the facts that continue from the window before.

        Windows are evaluated newest first, so incidents and the evidence for lasting shifts are computed here, for the
        new windows and the later windows that they change.

        After a storage error, which is raised, the next call continues with the remaining windows. After any other
        error the windows of that name are left out.
        """
        for (series, name), starts in list(self._arrived.items()):
            try:
                changed = self._follow(series, name, starts)
                self._remember(series, name, changed)
            except Exception as error:
                if is_of_all(error) or is_of_memory(error):
                    raise
                _log.exception("windows of %s of series %d could not be compared with earlier windows", name, series)
                changed = {}
            del self._arrived[series, name]
            if changed:
                self._warn(series, name, changed.values())

    def _follow(self, series: int, name: str, arrived: dict[int, Evaluation]) -> dict[int, Evaluation]:
        """Return the new windows, and the later windows that they change, with the facts from earlier windows."""
        neighbours = self._around(series, name, min(arrived))
        windows = dict(sorted({**neighbours, **arrived}.items()))
        starts, changed = list(windows), dict[int, Evaluation]()
        before: Evaluation | None = None
        is_changed = False
        for index in range(bisect_left(starts, min(arrived)), len(starts)):
            start = starts[index]
            if not is_changed and start not in arrived:
                continue  # neither the window nor the one before it changed
            evaluation, shown_evaluation = windows[start], neighbours.get(start)
            if not is_changed:
                before = recall_lasting(evaluation, [windows[earlier] for earlier in starts[:index]])
            before = followed = follow(evaluation, before)
            is_changed = shown_evaluation is None or not _goes_on(shown_evaluation, followed, exactly=is_changed)
            if is_changed or start in arrived:
                windows[start] = changed[start] = followed
        return changed

    def _around(self, series: int, name: str, start: int) -> dict[int, Evaluation]:
        """Return the windows of a name, oldest first, that are in memory or that a new window continues.

        If the new window is older than those in memory or follows them closely, the windows from thirty before it are
        read from the table.
        """
        evaluations = self.history(series).get(name, {})
        if (series, name) not in self._cut or any(
            remembers(evaluation) for time, evaluation in evaluations.items() if time < start
        ):
            return evaluations
        oldest = next(iter(evaluations))
        first = number(
            self._connection,
            "SELECT min(start) FROM (SELECT DISTINCT start FROM evaluations WHERE series = ? AND name = ? AND start < ?"
            " ORDER BY start DESC LIMIT ?)",
            *(series, name, min(start, oldest), REMEMBERED + 1),
        )
        return self._from(series, name, start if first is None else first)

    def _from(self, series: int, name: str, first: int) -> dict[int, Evaluation]:
        """Return the windows of a name, oldest first: those in memory, and those before that start at or after a time.

        The latter are read from the table.
        """
        evaluations = self.history(series).get(name, {})
        oldest = next(iter(evaluations), first)
        if (series, name) not in self._cut or first >= oldest:
            return evaluations
        rows = read(self._connection, _NEWEST_BETWEEN, series, name, first, oldest - 1).to_pylist()
        earlier = {evaluation.window.start: evaluation for _, evaluation in read_evaluations(self._connection, rows)}
        waiting = {
            place.start: evaluation for place, evaluation in self._unstored.items() if place[:2] == (series, name)
        }
        earlier |= {time: evaluation for time, evaluation in waiting.items() if first <= time < oldest}
        return dict(sorted(earlier.items())) | evaluations

    def _warn(self, series: int, name: str, changed: Iterable[Evaluation]) -> None:
        """Log once which objectives have been inconclusive for too long."""
        with_objectives = [evaluation.key for evaluation in changed if evaluation.objectives]
        if not with_objectives:
            return
        for rule, objective in newest_objectives(list(self.history(series)[name].values())).items():
            place = (series, name, rule)
            if not objective.overdue:
                self._overdue.discard(place)
            elif place not in self._overdue:
                self._overdue.add(place)
                version_name = f"{with_objectives[0].model} {with_objectives[0].version}".rstrip()
                _log.warning("%s: %s, in windows of %s: %s", version_name, rule, name, overdue(objective))

    def _remember(self, series: int, name: str, changed: dict[int, Evaluation]) -> None:
        """Publish evaluations of a name to readers, all at once."""
        history = self.history(series)
        fresh: dict[int, Evaluation] = {}
        for start, evaluation in changed.items():
            place = WindowKey(series, name, start)
            fresh[start] = lazy_evaluation = self._lazy_evaluation(place, evaluation)
            opened = self._open.setdefault(series, {})
            if evaluation.closed:
                self._unstored[place] = lazy_evaluation
                opened.pop((name, start), None)
            else:
                opened[name, start] = lazy_evaluation
        with self._lock:
            if name not in history:
                self._names += (series, name) not in self.ends
            evaluations = history.get(name, {})
            newest = next(reversed(evaluations), None)
            for start in changed.keys() & evaluations.keys():
                self._drop(WindowKey(series, name, start))
                self._forget_summary(WindowKey(series, name, start))
            all_evaluations = {**evaluations, **fresh}
            if newest is None or len(fresh) != 1 or next(iter(fresh)) < newest:
                all_evaluations = dict(sorted(all_evaluations.items()))
            limit = self._limit_per_name()
            for start in list(all_evaluations)[: max(len(all_evaluations) - limit, 0)]:
                del all_evaluations[start]
                self._cut.add((series, name))
                self._stored.pop(WindowKey(series, name, start), None)
                self._drop(WindowKey(series, name, start))
                self._forget_summary(WindowKey(series, name, start))
                self._open.get(series, {}).pop((name, start), None)
            self._history[series] = {**history, name: all_evaluations}

    def _limit_per_name(self) -> int:
        """Return how many windows per name are in memory: fewer if there are many names."""
        return min(KEPT, max(LEAST_KEPT, int(self._share * (MEMORY - FOR_DETAILS)) // (HEAD * max(self._names, 1))))

    def _lazy_evaluation(self, place: WindowKey, evaluation: Evaluation) -> LazyEvaluation:
        """Return an evaluation that is not stored yet, as readers see it."""
        details = WindowDetails(self, place, 0, {name: getattr(evaluation, name) for name in DETAILS})
        return LazyEvaluation(**{name: getattr(evaluation, name) for name in _HEAD_FIELDS}, **_UNSET, details=details)

    def write(self, patient: bool, also: Callable[[bool], object] | None = None) -> None:
        """Store the due windows in one transaction: closed windows, and once an hour revised ones.

        If the commit fails, the windows stay due.

        Args:
            patient: False stores all windows at once.
            also: Called inside the transaction with True if everything is stored by it.
        """
        self.settle()
        self._let_go()
        now = self._clock()
        stored_at = max(now, self._last + 1)  # unique times, because the newest evaluation of a window counts
        everything = not patient or now - self._restated >= RESTATED_EVERY or self.crowded
        due = list(self._unstored)
        if not everything:
            due = [place for place in due if place not in self._stored]
        self._learn_digests(due)
        if not everything:
            due = [place for place in due if place not in self._stored]
        encoded = [self._encoded(place) for place in due]
        fresh = [details for details in encoded if self._stored.get(details.place, (b"", 0))[0] != details.digest]
        with transaction(self._connection):
            self._insert(fresh, stored_at)
            if also is not None:
                also(len(due) == len(self._unstored))
        self._last = stored_at if fresh else self._last
        self._restated = now if everything else self._restated
        self._note_stored(encoded, stored_at)

    def _encoded(self, place: WindowKey) -> _Encoded:
        evaluation = self._unstored[place]
        raw = encode_evaluation(evaluation)
        return _Encoded(place, evaluation, raw, digest_of(raw))

    def _insert(self, fresh: Sequence[_Encoded], stored_at: int) -> None:
        """Insert evaluations and their dictionaries, inside the caller's transaction."""
        rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS.names}
        used: dict[tuple[int, bytes], bytes] = {}
        for details in fresh:
            current = self._dictionary(details)
            used[details.place.series, current.digest] = current.packed
            blob = self._dictionaries.open(current.digest, current.packed).compress(details.raw)
            parts = (details.evaluation.window.end, stored_at, current.digest, blob)
            for name, value in zip(_COLUMNS.names, (*details.place, *parts), strict=True):
                rows[name].append(value)
        if used:
            write_dictionaries(self._connection, used)
            insert(self._connection, "evaluations", pa.table(rows, _COLUMNS))

    def _dictionary(self, encoded: _Encoded) -> _CurrentDictionary:
        """Return the dictionary for a window: a new one for every hundredth window or if the window is much longer."""
        series = encoded.place.series
        current_dictionary = self._current.get(series)
        if (
            current_dictionary is None
            or current_dictionary.windows == WINDOWS_OF_DICTIONARY
            or len(encoded.raw) > 2 * current_dictionary.size
        ):
            dictionary = Dictionary(encoded.raw)
            current_dictionary = self._current[series] = _CurrentDictionary(
                dictionary.digest, dictionary.pack(), len(encoded.raw)
            )
        current_dictionary.windows += 1
        return current_dictionary

    def _note_stored(self, encoded: Iterable[_Encoded], stored_at: int) -> None:
        """Mark evaluations as stored, so that their details may be dropped from memory."""
        for encoded_details in encoded:
            place, details = encoded_details.place, encoded_details.evaluation.details
            del self._unstored[place]
            stored_digest, before = self._stored.pop(place, (b"", stored_at))
            details.stored_at = before if stored_digest == encoded_details.digest else stored_at
            self._unsaved.append((encoded_details.evaluation, OF_ENCODED * len(encoded_details.raw)))
            if place.start in self._evaluations_of(place):
                self._stored[place] = encoded_details.digest, details.stored_at

    @property
    def crowded(self) -> bool:
        """Return True if details that are not stored yet fill the memory for details."""
        return len(self._unstored) * self._typical > FOR_DETAILS

    def _learn_digests(self, due: Iterable[WindowKey]) -> None:
        """Read the digests of stored windows that an earlier process wrote or that have left the memory."""
        unknown = [place for place in due if self._digest(place) == b""]
        if not unknown:
            return
        unknown_places = pa.Table.from_pylist([place._asdict() for place in unknown])
        rows = read(self._connection, _STORED, wanted=unknown_places).to_pylist()
        for row, digest in self._dictionaries.read(self._connection, rows, digest_of):
            self._stored[WindowKey(row["series"], row["name"], row["start"])] = digest, row["believed"]

    def _digest(self, place: WindowKey) -> bytes | None:
        """Return the digest of a stored window: b"" if not read yet, None if the window is not stored."""
        return self._stored[place][0] if place in self._stored else b"" if place[:2] in self._cut else None

    def _let_go(self) -> None:
        """Drop the oldest details that are stored and committed until there is room."""
        written_evaluations, self._unsaved = self._unsaved, []
        with self._lock:
            for evaluation, size in written_evaluations:
                self._hold(evaluation.details, size)
                lasting_values, place = evaluation.lasting, evaluation.details.place
                if lasting_values is not None and not self._is_newest(place):
                    evaluation.lasting = stored_lasting(lasting_values)
                self._typical = max(size, 1)

    def _is_newest(self, place: WindowKey) -> bool:
        return next(reversed(self._evaluations_of(place)), None) == place.start

    def _evaluations_of(self, place: WindowKey) -> dict[int, Evaluation]:
        """Return the evaluations in memory of a window's series and name."""
        return self._history.get(place.series, {}).get(place.name, {})

    def _hold(self, details: WindowDetails, size: int) -> None:
        """Count details in memory and drop others if there is no room, those of the newest windows last."""
        place = details.place
        if not self._is_known(details):
            return
        self._drop(place)
        self._cached_details[place] = details, size
        self._held_bytes += size
        passed_over = 0
        for _ in range(len(self._cached_details) - 1 + PASSED_OVER):
            oldest_place = next(iter(self._cached_details))
            stays = oldest_place == place or self._is_newest(oldest_place)
            if self._held_bytes <= FOR_DETAILS or (
                stays and passed_over == PASSED_OVER and self._held_bytes <= FOR_NEWEST
            ):
                break
            if stays and passed_over < PASSED_OVER:
                self._cached_details.move_to_end(oldest_place)
                passed_over += 1
            elif len(self._cached_details) > 1:
                self._cached_details[oldest_place][0].values = None
                self._drop(oldest_place)

    def _is_known(self, details: WindowDetails) -> bool:
        """Return True if the details belong to a window that readers see."""
        evaluation = self._evaluations_of(details.place).get(details.place.start)
        return isinstance(evaluation, LazyEvaluation) and evaluation.details is details

    def _drop(self, place: WindowKey) -> None:
        """Subtract the details of a window from the memory in use."""
        _, size = self._cached_details.pop(place, (None, 0))
        self._held_bytes -= size

    def read_details(self, evaluation: LazyEvaluation) -> dict[str, Any]:
        """Return the details of an evaluation and cache them. Thread-safe.

        Raises StorageOutage if the file cannot be read.
        """
        with self._lock, self._connection.reading() as connection:
            details = evaluation.details
            place = details.place
            details_by_start = {place.start: details, **self._neighbours(details)}
            asked_rows = pa.table(
                {
                    "start": list(details_by_start),
                    "believed": [stored_details.stored_at for stored_details in details_by_start.values()],
                }
            )
            rows = read(connection, _DETAILS, place.series, place.name, wanted=asked_rows).to_pylist()
            values_by_start = {}
            for row, (values, size) in self._dictionaries.read(connection, rows, _details_of):
                stored_details, values_by_start[row["start"]] = details_by_start[row["start"]], values
                stored_details.take(values)
                self._hold(stored_details, size)
            return values_by_start.get(place.start, _NO_DETAILS)

    def summary(self, evaluation: LazyEvaluation) -> DriftSummary:
        """Return the drift of a window without drawings and cache it. Thread-safe."""
        drift_summary, details = summarize_drift(evaluation), evaluation.details
        with self._lock:
            if self._is_known(details):
                self._forget_summary(details.place)
                details.summary, self._summarized[details.place] = drift_summary, details
                self._summaries += _size_of_summary(drift_summary)
                while self._summaries > FOR_SUMMARIES:
                    self._forget_summary(next(iter(self._summarized)))
        return drift_summary

    def _forget_summary(self, place: WindowKey) -> None:
        details = self._summarized.pop(place, None)
        if details is not None and details.summary is not None:
            self._summaries -= _size_of_summary(details.summary)
            details.summary = None

    def _neighbours(self, details: WindowDetails) -> dict[int, WindowDetails]:
        """Return the neighbours to read in the same query, if the last read was of a neighbour.

        A page that draws sixty windows reads them one after the other.
        """
        place = details.place
        previous_series, self._last_series = self._last_series, place[:2]
        known_places = self._evaluations_of(place)
        if previous_series != place[:2] or not self._is_known(details):
            return {}
        starts = list(known_places)
        position = bisect_left(starts, place.start)
        around = (known_places[start] for start in starts[max(position - NEAR, 0) : position + NEAR + 1])
        return {
            place_start.window.start: place_start.details
            for place_start in around
            if isinstance(place_start, LazyEvaluation)
            and place_start.details.stored_at
            and place_start.details.place not in self._cached_details
        }

    def forget_slice(self, series: int, slice: str) -> I64:
        """Remove a deleted slice from memory: drop unstored evaluations that name it, and reload all others.

        Return the starts of the windows to evaluate again, in addition to those of :func:`forget_evaluations`.
        """

        def names(evaluation: Evaluation) -> bool:
            return mentions(encode_evaluation(evaluation), slice)

        with self._lock:
            removed_places = {
                place
                for place, named_evaluation in self._unstored.items()
                if place.series == series and names(named_evaluation)
            }
            opened = self._open.get(series, {})
            removed_places |= {
                WindowKey(series, *place) for place, named_evaluation in opened.items() if names(named_evaluation)
            }
            for place in removed_places:
                self._unstored.pop(place, None)
                opened.pop((place.name, place.start), None)
            for (number, name), arrived in self._arrived.items():
                for start in [
                    time for time, named_evaluation in arrived.items() if number == series and names(named_evaluation)
                ]:
                    del arrived[start]
                    removed_places.add(WindowKey(number, name, start))
            for place in [place for place in self._cached_details if place.series == series]:
                self._held_bytes -= self._cached_details.pop(place)[1]
            for place in [place for place in self._summarized if place.series == series]:
                self._forget_summary(place)
            for place in [place for place in self._stored if place.series == series]:
                del self._stored[place]
            self._unsaved = [
                named_evaluation
                for named_evaluation in self._unsaved
                if named_evaluation[0].details.place.series != series
            ]
            self._current.pop(series, None)
            self._history.pop(series, None)
            self._drifted = {place: windows for place, windows in self._drifted.items() if place[0] != series}
        return np.unique(np.array([place.start for place in removed_places], np.int64))

    def _load(
        self, series: Sequence[int], read_details: list[tuple[WindowDetails, int]] | None = None
    ) -> dict[int, EvaluationHistory]:
        """Read the heads of the newest windows of some series; those that are not stored are in memory.

        ``read_details``: receives their details with the bytes of memory; None = details are not read.
        """
        room = 0 if read_details is None else FOR_DETAILS

        def decode_row(raw: bytes) -> tuple[dict[str, Any], dict[str, Any] | None, int]:
            nonlocal room
            size = OF_ENCODED * len(raw)
            room -= size
            return decode_head(raw), decode_details(raw) if room >= 0 else None, size

        with self._lock, self._connection.reader() as connection:
            unread = [number for number in series if number not in self._history]
            wanted = pa.table({"series": pa.array(unread, pa.int32())})
            limit, histories = self._limit_per_name(), {number: EvaluationHistory() for number in unread}
            rows = read(connection, _OF_SERIES, limit, wanted=wanted).to_pylist() if unread else []
            for row, (head, values, size) in self._dictionaries.read(connection, rows, decode_row):
                place = WindowKey(row["series"], row["name"], row["start"])
                details = WindowDetails(self, place, row["believed"], values)
                if read_details is not None and values is not None:
                    read_details.append((details, size))
                self._stored[place] = b"", row["believed"]
                evaluation = LazyEvaluation(**head, **_UNSET, details=details)
                histories[place.series].setdefault(place.name, {})[place.start] = evaluation
            for number, evaluation_history in histories.items():
                self._cut |= {
                    (number, name) for name, evaluations in evaluation_history.items() if len(evaluations) >= limit
                }
            for place, unstored in [*self._unstored.items()]:
                if place.series in histories:
                    histories[place.series].setdefault(place.name, {})[place.start] = unstored
            for number, evaluation_history in histories.items():
                for (name, start), opened in [*self._open.get(number, {}).items()]:
                    evaluation_history.setdefault(name, {})[start] = opened
                self._history[number] = {
                    name: dict(sorted(evaluations.items())) for name, evaluations in evaluation_history.items()
                }
            return {number: self._history[number] for number in series}


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, Sized) and not len(value))


def _size_of_summary(summary: DriftSummary) -> int:
    return A_SUMMARY + OF_SUMMARY * len(summary.states)


def _details_of(raw: bytes) -> tuple[dict[str, Any], int]:
    """Decode the details of an evaluation and return them with their bytes of memory."""
    return decode_details(raw), OF_ENCODED * len(raw)


class _CurrentDictionary(Struct):
    """The current dictionary of a series."""

    digest: bytes
    packed: bytes
    size: int
    windows: int = 0


class Dictionaries:
    """Cache of the newest dictionaries. Not thread-safe."""

    def __init__(self) -> None:
        self._open: OrderedDict[bytes, Dictionary] = OrderedDict()

    def open(self, digest: bytes, packed: bytes) -> Dictionary:
        """Return the dictionary of a digest. Raises ZstdError if it is damaged."""
        if digest not in self._open:
            self._open[digest] = Dictionary.unpack(packed)
            while len(self._open) > DICTIONARIES:
                self._open.popitem(last=False)
        self._open.move_to_end(digest)
        return self._open[digest]

    def read(
        self, connection: Connection, rows: Sequence[dict[str, Any]], decode: Callable[[bytes], T]
    ) -> Iterator[tuple[dict[str, Any], T]]:
        """Yield rows of evaluations with their decoded value; unreadable rows are counted and left out."""
        packed = self._packed(connection, rows)

        def decode_row(row: dict[str, Any]) -> T:
            digest = row["dictionary"]
            if digest not in self._open and digest not in packed:
                packed.update(self._packed(connection, [row]))  # it was in memory, and made room for others
            if digest not in self._open and digest not in packed:
                raise ValueError("the compression dictionary of the row is missing")
            return decode(self.open(digest, packed.get(digest, b"")).decompress(row["blob"]))

        yield from connection.unreadable.skipped("evaluations", rows, decode_row)

    def mention(self, row: dict[str, Any], word: str) -> bool:
        """Return True if the dictionary of a row that was just read contains a word."""
        return mentions(self._open[row["dictionary"]].raw, word)

    def _packed(self, connection: Connection, rows: Iterable[dict[str, Any]]) -> dict[bytes, bytes]:
        """Return the compressed dictionaries that are not in memory."""
        unopened_keys = {(row["series"], row["dictionary"]) for row in rows if row["dictionary"] not in self._open}
        return {digest: packed for (_, digest), packed in _stored_dictionaries(connection, unopened_keys).items()}


def _stored_dictionaries(
    connection: Connection, places: Collection[tuple[int, bytes]]
) -> dict[tuple[int, bytes], bytes]:
    """Return the bytes of dictionaries by series and digest."""
    if not places:
        return {}
    series, digests = zip(*places, strict=True)
    keys_table = pa.table([series, digests], pa.schema([_DICTIONARIES.field("series"), _DICTIONARIES.field("digest")]))
    query = "SELECT d.* FROM dictionaries d JOIN wanted w ON d.series = w.series AND d.digest = w.digest"
    rows = read(connection, query, wanted=keys_table).to_pylist()
    return {(row["series"], row["digest"]): row["packed"] for row in rows}


def write_dictionaries(connection: Connection, dictionaries: Mapping[tuple[int, bytes], bytes]) -> None:
    """Store new or damaged dictionaries, inside the caller's transaction."""
    stored_dictionaries = _stored_dictionaries(connection, dictionaries.keys())
    fresh = [(*place, packed) for place, packed in dictionaries.items() if stored_dictionaries.get(place) != packed]
    for series, digest, _ in fresh:
        connection.execute("DELETE FROM dictionaries WHERE series = ? AND digest = ?", [series, digest])
    if fresh:
        columns = dict(zip(_DICTIONARIES.names, map(list, zip(*fresh, strict=True)), strict=True))
        insert(connection, "dictionaries", pa.table(columns, _DICTIONARIES))


def read_evaluations(
    connection: Connection, rows: Sequence[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], Evaluation]]:
    """Yield rows of the table with their evaluations; unreadable rows are left out.

    Args:
        connection: Connection to the store.
        rows: Rows with the columns of :data:`COLUMNS`.
    """
    yield from Dictionaries().read(connection, rows, decode_evaluation)


def _goes_on(before: Evaluation, after: Evaluation, *, exactly: bool) -> bool:
    """Return True if later windows continue equally from either evaluation.

    Args:
        before: An evaluation.
        after: Another evaluation of the same window.
        exactly: True if the windows before them differ, so that cumulative sums may differ too.
    """
    facts = [(either.closed, either.baseline_version, either.incident, either.objectives) for either in (before, after)]
    is_same_lasting = same_lasting(before.lasting, after.lasting) if exactly else before.lasting == after.lasting
    return facts[0] == facts[1] and is_same_lasting and drifting(before) == drifting(after)


def forget_evaluations(connection: Connection, series: int, slice: str) -> tuple[int, I64]:
    """Delete the evaluations that name a slice and return the number of the series and the starts of their windows.

    Runs inside the caller's transaction. The windows have to be evaluated again. Unreadable rows are deleted, because
    they may name the slice. Windows whose dictionary names it are compressed with another one.
    """
    stored_rows = read(connection, "SELECT rowid AS row FROM evaluations WHERE series = ? ORDER BY start", series)
    blobs = "SELECT w.row, series, start, dictionary, blob FROM evaluations e JOIN wanted w ON e.rowid = w.row"
    removed_rows: set[tuple[int, int]] = set()
    for index in range(0, len(stored_rows), ROWS_AT_ONCE):
        rows = read(connection, blobs, wanted=stored_rows.slice(index, ROWS_AT_ONCE)).to_pylist()
        dictionaries = Dictionaries()
        readable = list(dictionaries.read(connection, rows, bytes))
        silent = [(row, raw) for row, raw in readable if not mentions(raw, slice)]
        removed_rows |= {(row["row"], row["start"]) for row in rows} - {(row["row"], row["start"]) for row, _ in silent}
        _compress_again(connection, series, [row for row in silent if dictionaries.mention(row[0], slice)])
    if not removed_rows:
        return series, np.empty(0, np.int64)
    row_table = pa.table({"row": [row for row, _ in removed_rows]})
    run(connection, "DELETE FROM evaluations WHERE rowid IN (SELECT row FROM wanted)", wanted=row_table)
    prune_dictionaries(connection, series)
    return series, np.unique(np.array([start for _, start in removed_rows], np.int64))


def forget_verdicts(connection: Connection, series: int, slice: str) -> None:
    """Remove the verdicts of a record that name a slice, inside the caller's transaction; the states remain."""
    stored = read(connection, "SELECT rowid AS row, verdict FROM record WHERE series = ? AND verdict NOT NULL", series)
    rows = [row["row"] for row in stored.to_pylist() if mentions(row["verdict"], slice)]
    if rows:
        query = "UPDATE record SET verdict = NULL WHERE rowid IN (SELECT row FROM wanted)"
        run(connection, query, wanted=pa.table({"row": rows}))


def _compress_again(connection: Connection, series: int, rows: Sequence[tuple[dict[str, Any], bytes]]) -> None:
    """Compress evaluations again, with the first of them as their dictionary."""
    if not rows:
        return
    dictionary = Dictionary(rows[0][1])
    row_table = pa.table(
        {"row": [row["row"] for row, _ in rows], "blob": [dictionary.compress(raw) for _, raw in rows]}
    )
    write_dictionaries(connection, {(series, dictionary.digest): dictionary.pack()})
    change = "UPDATE evaluations SET dictionary = ?, blob = w.blob FROM wanted w WHERE evaluations.rowid = w.row"
    run(connection, change, dictionary.digest, wanted=row_table)


def expire_evaluations(connection: Connection, series: int, before: int) -> None:
    """Delete the evaluations of windows that start before a time, inside the caller's transaction."""
    expired_count = number(
        connection, "SELECT count(*) FROM evaluations WHERE series = ? AND start < ?", series, before
    )
    if expired_count:
        connection.execute("DELETE FROM evaluations WHERE series = ? AND start < ?", [series, before])
        prune_dictionaries(connection, series)


def prune_dictionaries(connection: Connection, series: int) -> None:
    """Delete the dictionaries that no evaluation of a series uses."""
    used = "SELECT dictionary FROM evaluations WHERE series = ?"
    connection.execute(f"DELETE FROM dictionaries WHERE series = ? AND digest NOT IN ({used})", [series, series])
