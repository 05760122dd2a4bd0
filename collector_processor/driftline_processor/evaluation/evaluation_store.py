"""The evaluations of all windows: every one of a closed window in the store, the newest in memory, too.

Open windows are in memory only. A window that closes is stored at once, with the time. A window that late rows or
outcomes restate is stored again within the hour, where anything of it has changed.

In memory are the heads of the newest windows of each series and name: what lists and verdicts are made of. Details,
such as the drift of each feature, come from the store when somebody asks, and stay as long as there is room. A series
is read when somebody first asks for it.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64, ModelKey

from driftline_processor.core.drift.incident import drifting
from driftline_processor.core.drift.lasting import REMEMBERED, recall_lasting, remembers, same_lasting, stored_lasting
from driftline_processor.core.evaluation import DriftSummary, Estimate, Evaluation, MetricChange, summarize_drift
from driftline_processor.core.performance.objective import newest_objectives, overdue
from driftline_processor.core.windows.window import Window
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.store.arrow_tables import integers_of
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
    DRIFT_FIELDS,
    PackedDrawing,
    digest_of_drawing,
    mentions,
    pack_evaluation,
    unpack_details,
    unpack_drawing,
    unpack_head,
)
from .judge import follow

_log = logging.getLogger(__name__)

KEPT = 400
"""Windows of one name and series whose heads are in memory; the table keeps all."""

LEAST_KEPT = 60
"""Windows of one name and series that are in memory however many names there are: one timeline of a page."""

MEMORY = 160 << 20
"""Bytes of memory for the evaluations of all series: 150 windows of each name of 70 models with four names."""

FOR_DETAILS = 32 << 20
"""Bytes of these for details, the others are for heads: a page of 60 windows of 20 features takes 2 MB."""

OF_PACKED = 8
"""Bytes of memory for a byte on disk, measured with windows of 20 and of 200 features."""

FOR_SUMMARIES = 24 << 20
"""Bytes of memory besides for summaries of drift, without which a page of a year decodes each of its windows again:
2,000 windows of 200 features, some 15 kB each, or 12,000 of 20."""

OF_SUMMARY = 60
"""Bytes of memory that a summary takes for a feature, beside those of :data:`A_SUMMARY`."""

A_SUMMARY = 600
"""Bytes of memory that a summary of no feature takes."""

HEAD = 3 << 10
"""Bytes of memory that a head takes, with 16 metrics and their intervals."""

NEAR = 16
"""Windows on either side whose details are read along: pages draw neighbours, too, and a query takes a millisecond."""

DRAWINGS = 64
"""Drawings in memory: each is some 40 kB at 20 features, and all windows with one reference share one."""

SOUND = 4_096
"""Drawings that are known to be sound, some 0.6 MB; others are looked at when a window is written over them."""

RESTATED_EVERY = 3_600 * 10**9
"""Restated evaluations are stored together, once an hour (nanoseconds)."""

EvaluationHistory = dict[str, dict[int, Evaluation]]
"""Window name → start → the latest evaluation, oldest first."""

_LAZY = frozenset((*DRIFT_FIELDS, *DETAILS))
"""Fields that are not in memory all the time."""

ROWS_AT_ONCE = 2_000
"""Rows that are searched for the name of a slice at a time: some 8 MB."""

COLUMNS = "series, name, start, stop, believed, head, details, drawing"
"""Columns that :func:`read_evaluations` needs."""

_COLUMNS = pa.schema(
    {
        **{"series": pa.int32(), "name": pa.string(), "start": pa.int64(), "stop": pa.int64(), "believed": pa.int64()},
        **{"head": pa.binary(), "details": pa.binary(), "drawing": pa.binary()},
    }
)
_DRAWN = pa.schema([("series", pa.int32()), ("digest", pa.binary()), ("part", pa.binary())])

_PLAIN = Evaluation(ModelKey(""), Window("", 0, 0), 0, closed=True)
_NOTHING = {name: getattr(_PLAIN, name) for name in _LAZY}
"""Details of an evaluation without any."""

_DETAILS = """
SELECT series, name, e.start, stop, e.believed, details, drawing
FROM evaluations e JOIN wanted w ON e.start = w.start AND e.believed = w.believed WHERE series = ? AND name = ?
"""

_STORED = """
SELECT series, name, start, believed, head, details, drawing FROM evaluations WHERE rowid IN (
SELECT e.rowid FROM evaluations e JOIN wanted w ON e.series = w.series AND e.name = w.name AND e.start = w.start
QUALIFY row_number() OVER (PARTITION BY e.series, e.name, e.start ORDER BY e.believed DESC) = 1)
"""

_OF_SERIES = """
SELECT series, name, start, stop, believed, head FROM evaluations
WHERE rowid IN (SELECT rowid FROM evaluations WHERE series = ?
QUALIFY row_number() OVER (PARTITION BY name, start ORDER BY believed DESC) = 1
AND dense_rank() OVER (PARTITION BY name ORDER BY start DESC) <= ?) ORDER BY start
"""

_NEWEST_BETWEEN = f"""
SELECT {COLUMNS} FROM evaluations
WHERE rowid IN (SELECT rowid FROM evaluations WHERE series = ? AND name = ? AND start BETWEEN ? AND ?
QUALIFY row_number() OVER (PARTITION BY start ORDER BY believed DESC) = 1) ORDER BY start
"""


class WindowKey(NamedTuple):
    """The window of a series."""

    series: int
    name: str
    start: int


class _Packed(NamedTuple):
    """What is to be stored of a window, with the digest of all of it."""

    place: WindowKey
    evaluation: LazyEvaluation
    head: bytes
    details: bytes
    drawing: PackedDrawing
    digest: bytes


class LazyEvaluation(Evaluation):
    """An evaluation whose details come from the store when somebody asks, unless they are in memory."""

    __slots__ = ("place", "source", "stored_at")

    place: WindowKey
    source: EvaluationStore
    stored_at: int
    """When it was stored, unix nanoseconds; 0 while it is not."""

    def __getattr__(self, name: str) -> Any:
        """Return a detail that is not in memory."""
        if name not in _LAZY:
            raise AttributeError(name)
        return self.source.details(self)[name]

    @property
    def drift(self) -> DriftSummary:
        """The drift of the window without drawings: it stays longer in memory than details do."""
        try:
            return self.summary
        except AttributeError:
            return self.source.summary(self)

    def with_estimates(self, estimated: dict[str, Estimate], changes: dict[str, MetricChange]) -> Evaluation:
        """Return it with other estimates; its details stay where they are."""
        made = EstimatedEvaluation.__new__(EstimatedEvaluation)
        made.place, made.source, made.stored_at, made.original = self.place, self.source, self.stored_at, self
        made.hold({name: getattr(self, name) for name in _FIELDS if name not in _LAZY})
        made.estimated, made.estimated_changes = estimated, changes
        return made

    def hold(self, values: dict[str, Any]) -> None:
        """Keep details in memory."""
        for name, value in values.items():
            setattr(self, name, value)

    def release(self) -> None:
        """Let details go: they are in the store."""
        for name in _LAZY:
            with suppress(AttributeError):
                delattr(self, name)


class EstimatedEvaluation(LazyEvaluation):
    """An evaluation with other estimates, for one answer; its details are those of the original."""

    __slots__ = ("original",)

    original: LazyEvaluation

    def __getattr__(self, name: str) -> Any:
        """Return a detail of the original."""
        if name not in _LAZY:
            raise AttributeError(name)
        return getattr(self.original, name)

    @property
    def drift(self) -> DriftSummary:
        """The drift of the original."""
        return self.original.drift


_FIELDS = tuple(Evaluation.__dataclass_fields__)


class EvaluationStore:
    """Remembers and stores evaluations. One thread writes; any may read :meth:`history`."""

    def __init__(self, connection: Connection, clock: Callable[[], int], share: float = 1.0) -> None:
        """Read how far windows are stored; evaluations are read when somebody asks for them.

        Args:
            connection: Of the thread that writes.
            clock: The wall clock in unix nanoseconds.
            share: Of the bytes that evaluations may take in memory.
        """
        self._connection, self._clock, self._share = connection, clock, share
        self._lock = threading.RLock()
        self._history: dict[int, EvaluationHistory] = {}
        self._open: dict[int, dict[tuple[str, int], Evaluation]] = {}
        self._cut: set[tuple[int, str]] = set()
        self._stored: dict[WindowKey, tuple[bytes, int]] = {}
        """Digest of what is stored of a window, b"" where that is not known yet, and when it was stored."""
        self._arrived: dict[tuple[int, str], dict[int, Evaluation]] = {}
        self._unstored: dict[WindowKey, LazyEvaluation] = {}
        self._written: list[tuple[LazyEvaluation, int]] = []
        self._held: OrderedDict[WindowKey, tuple[LazyEvaluation, int]] = OrderedDict()
        self._details, self._typical = 0, HEAD
        self._summarized: OrderedDict[WindowKey, LazyEvaluation] = OrderedDict()
        self._summaries = 0
        self._asked: tuple[int, str] | None = None
        self._drawn: dict[int, PackedDrawing] = {}
        self._drawings: OrderedDict[tuple[int, bytes], PackedDrawing] = OrderedDict()
        self._sound: set[tuple[int, bytes]] = set()
        """Drawings of which the stored bytes were seen to be what their digest says."""
        self._restated = clock()
        self._overdue: set[tuple[int, str, str]] = set()
        self._last = number(connection, "SELECT max(believed) FROM evaluations") or 0
        ends = read(connection, "SELECT series, name, max(stop) AS stop FROM evaluations GROUP BY series, name")
        self.ends = {(row["series"], row["name"]): row["stop"] for row in ends.to_pylist()}
        """(series, window name) → the end of the last window that was stored: later ones were open, or not seen."""
        self._names = len(self.ends)

    def history(self, series: int) -> EvaluationHistory:
        """Return the evaluations of a series; the dicts by start are replaced, never changed, when more come."""
        found = self._history.get(series)
        return self._load(series) if found is None else found

    def open(self, series: int) -> list[Evaluation]:
        """Return the evaluations of windows that were not closed when they were evaluated."""
        return list(self._open.get(series, {}).values())

    def closed(self, series: int) -> list[Evaluation]:
        """Return the evaluations of windows that were closed when they were evaluated."""
        return [one for found in self.history(series).values() for one in found.values() if one.closed]

    def put(self, series: int, evaluation: Evaluation) -> None:
        """Take in an evaluation; :meth:`settle` shows it, and one of the next :meth:`write` stores a closed one.

        Of its slices what drifts is kept, no more.
        """
        evaluation.slices = {name: found.thinned() for name, found in evaluation.slices.items()}
        window = evaluation.window
        self._arrived.setdefault((series, window.name), {})[window.start] = evaluation

    def settle(self) -> None:
        """Show all evaluations that were put, with what each continues from the window before.

        Windows are evaluated in any order, the newest first. What lasts over windows, incidents and evidence, is
        therefore worked out for all of them together, and for the windows after them as far as it changes.

        An error that says nothing of the windows is raised, and the next call goes on with those that are left. With
        any other error the windows of that name are left out.
        """
        for (series, name), known in list(self._arrived.items()):
            try:
                changed = self._follow(series, name, known)
                self._remember(series, name, changed)
            except Exception as error:
                if is_of_all(error) or is_of_memory(error):
                    raise
                _log.exception("windows of %s of series %d could not be continued", name, series)
                changed = {}
            del self._arrived[series, name]
            if changed:
                self._warn(series, name, changed.values())

    def _follow(self, series: int, name: str, arrived: dict[int, Evaluation]) -> dict[int, Evaluation]:
        """Return windows that arrived, and those after them that change, with what continues from those before."""
        shown = self._around(series, name, min(arrived))
        windows = dict(sorted({**shown, **arrived}.items()))
        starts, changed = list(windows), dict[int, Evaluation]()
        before: Evaluation | None = None
        moved = False
        for at in range(bisect_left(starts, min(arrived)), len(starts)):
            start = starts[at]
            if not moved and start not in arrived:
                continue  # what it continues from is as it was
            one, known = windows[start], shown.get(start)
            if not moved:
                before = recall_lasting(one, [windows[earlier] for earlier in starts[:at]])
            before = followed = follow(one, before)
            moved = known is None or not _goes_on(known, followed, exactly=moved)
            if moved or start in arrived:
                windows[start] = changed[start] = followed
        return changed

    def _around(self, series: int, name: str, start: int) -> dict[int, Evaluation]:
        """Return the windows of a name, the oldest first: those in memory, and those in the table on which one builds.

        These are all from thirty windows before it on, where it is older than those in memory, or close behind.
        """
        found = self.history(series).get(name, {})
        if (series, name) not in self._cut or any(remembers(one) for at, one in found.items() if at < start):
            return found
        oldest = next(iter(found))
        first = number(
            self._connection,
            "SELECT min(start) FROM (SELECT DISTINCT start FROM evaluations WHERE series = ? AND name = ? AND start < ?"
            " ORDER BY start DESC LIMIT ?)",
            *(series, name, min(start, oldest), REMEMBERED + 1),
        )
        first = start if first is None else first
        rows = read(self._connection, _NEWEST_BETWEEN, series, name, first, oldest - 1).to_pylist()
        earlier = {one.window.start: one for _, one in read_evaluations(self._connection, rows)}
        waiting = {place.start: one for place, one in self._unstored.items() if place[:2] == (series, name)}
        earlier |= {at: one for at, one in waiting.items() if first <= at < oldest}
        return dict(sorted(earlier.items())) | found

    def _warn(self, series: int, name: str, changed: Iterable[Evaluation]) -> None:
        """Log which objectives nobody can tell any more, each when it has lasted too long."""
        with_objectives = [one.key for one in changed if one.objectives]
        if not with_objectives:
            return
        for rule, one in newest_objectives(list(self.history(series)[name].values())).items():
            place = (series, name, rule)
            if not one.overdue:
                self._overdue.discard(place)
            elif place not in self._overdue:
                self._overdue.add(place)
                of = f"{with_objectives[0].model} {with_objectives[0].version}".rstrip()
                _log.warning("%s: %s, in windows of %s: %s", of, rule, name, overdue(one))

    def _remember(self, series: int, name: str, changed: dict[int, Evaluation]) -> None:
        """Show evaluations of a name to readers, all at once."""
        history = self.history(series)
        fresh: dict[int, Evaluation] = {}
        for start, evaluation in changed.items():
            place = WindowKey(series, name, start)
            fresh[start] = made = self._made(place, {field: getattr(evaluation, field) for field in _FIELDS}, 0)
            opened = self._open.setdefault(series, {})
            if evaluation.closed:
                self._unstored[place] = made
                opened.pop((name, start), None)
            else:
                opened[name, start] = made
        with self._lock:
            if name not in history:
                self._names += (series, name) not in self.ends
            found = history.get(name, {})
            newest = next(reversed(found), None)
            for start in changed.keys() & found.keys():
                self._drop(WindowKey(series, name, start))
                self._forget_summary(WindowKey(series, name, start))
            whole = {**found, **fresh}
            if newest is None or len(fresh) != 1 or next(iter(fresh)) < newest:
                whole = dict(sorted(whole.items()))
            kept = self._kept()
            for start in list(whole)[: max(len(whole) - kept, 0)]:
                del whole[start]
                self._cut.add((series, name))
                self._stored.pop(WindowKey(series, name, start), None)
                self._drop(WindowKey(series, name, start))
                self._forget_summary(WindowKey(series, name, start))
                self._open.get(series, {}).pop((name, start), None)
            self._history[series] = {**history, name: whole}

    def _kept(self) -> int:
        """Return how many windows of each name are in memory: fewer where there are many names."""
        return min(KEPT, max(LEAST_KEPT, int(self._share * (MEMORY - FOR_DETAILS)) // (HEAD * max(self._names, 1))))

    def _made(self, place: WindowKey, values: dict[str, Any], stored_at: int) -> LazyEvaluation:
        made = LazyEvaluation.__new__(LazyEvaluation)
        made.place, made.source, made.stored_at = place, self, stored_at
        made.hold(values)
        return made

    def write(self, patient: bool, also: Callable[[bool], object] | None = None) -> None:
        """Store what is due in one transaction: windows that closed; restated ones once an hour.

        What could not be committed stays due.

        Args:
            patient: False stores all at once.
            also: Called inside the transaction, with whether everything is stored by it.
        """
        self.settle()
        self._let_go()
        now = self._clock()
        stored_at = max(now, self._last + 1)  # the newest evaluation of a window counts: no two at one time
        everything = not patient or now - self._restated >= RESTATED_EVERY or self.crowded
        due = list(self._unstored)
        if not everything:
            due = [place for place in due if place not in self._stored]
        self._learn_digests(due)
        if not everything:
            due = [place for place in due if place not in self._stored]
        packed = [self._packed(place) for place in due]
        fresh = [one for one in packed if self._stored.get(one.place, (b"", 0))[0] != one.digest]
        with transaction(self._connection):
            self._insert(fresh, stored_at)
            if also is not None:
                also(len(due) == len(self._unstored))
        self._last = stored_at if fresh else self._last
        self._restated = now if everything else self._restated
        self._note_stored(packed, stored_at)

    def _packed(self, place: WindowKey) -> _Packed:
        """Return what is to be stored of a window."""
        evaluation = self._unstored[place]
        packed = pack_evaluation(evaluation, self._drawn.get(place.series))
        drawn = self._drawn[place.series] = packed.drawing
        digest = digest_of(packed.head + packed.details + drawn.digest)
        return _Packed(place, evaluation, packed.head, packed.details, drawn, digest)

    def _insert(self, fresh: Iterable[_Packed], stored_at: int) -> None:
        """Store evaluations and their drawings, inside the caller's transaction."""
        rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS.names}
        drawings: dict[tuple[int, bytes], bytes] = {}
        for one in fresh:
            drawings[one.place.series, one.drawing.digest] = one.drawing.part
            parts = (one.evaluation.window.end, stored_at, one.head, one.details, one.drawing.digest)
            for name, value in zip(_COLUMNS.names, (*one.place, *parts), strict=True):
                rows[name].append(value)
        if drawings:
            self._write_drawings(drawings)
            insert(self._connection, "evaluations", pa.table(rows, _COLUMNS))

    def _note_stored(self, packed: Iterable[_Packed], stored_at: int) -> None:
        """Note that evaluations are on disk: their details may go now."""
        for one in packed:
            place, evaluation = one.place, one.evaluation
            del self._unstored[place]
            known, before = self._stored.pop(place, (b"", stored_at))
            evaluation.stored_at = before if known == one.digest else stored_at
            self._written.append((evaluation, OF_PACKED * (len(one.head) + len(one.details))))
            if place.start in self._known(place):
                self._stored[place] = one.digest, evaluation.stored_at

    @property
    def crowded(self) -> bool:
        """Whether what waits to be stored takes the room of all details."""
        return len(self._unstored) * self._typical > FOR_DETAILS

    def _learn_digests(self, due: Iterable[WindowKey]) -> None:
        """Find out what is stored of windows: those of an earlier process, and those that have left the memory."""
        unknown = [place for place in due if self._digest(place) == b""]
        if not unknown:
            return
        wanted = pa.Table.from_pylist([place._asdict() for place in unknown])
        for row in read(self._connection, _STORED, wanted=wanted).to_pylist():
            digest = digest_of(row["head"] + row["details"] + row["drawing"])
            self._stored[WindowKey(row["series"], row["name"], row["start"])] = digest, row["believed"]

    def _digest(self, place: WindowKey) -> bytes | None:
        """Return the digest of what is stored of a window: b"" where it is not known, None where nothing is stored."""
        return self._stored[place][0] if place in self._stored else b"" if place[:2] in self._cut else None

    def _write_drawings(self, drawings: dict[tuple[int, bytes], bytes]) -> None:
        """Store the drawings that are not yet, or are damaged: inside the caller's transaction."""
        known = _stored_drawings(self._connection, drawings, "true")
        unsure = known.keys() - self._sound
        damaged = [
            place
            for place, part in _stored_drawings(self._connection, unsure, "part").items()
            if part is None or digest_of_drawing(part) != place[1]
        ]
        if damaged:
            gone = "DELETE FROM drawings d USING wanted w WHERE d.series = w.series AND d.digest = w.digest"
            run(self._connection, gone, wanted=_places(damaged))
            _log.warning("storage: %d rows of drawings were damaged and are written anew", len(damaged))
        fresh = [(*place, part) for place, part in drawings.items() if place not in known or place in damaged]
        if fresh:
            columns = dict(zip(_DRAWN.names, map(list, zip(*fresh, strict=True)), strict=True))
            insert(self._connection, "drawings", pa.table(columns, _DRAWN))
        if len(self._sound) > SOUND:
            self._sound.clear()
        self._sound |= unsure - set(damaged)

    def _let_go(self) -> None:
        """Let details go that have been stored and committed, the oldest first, as far as there is no room for them."""
        written, self._written = self._written, []
        with self._lock:
            for evaluation, size in written:
                self._hold(evaluation, size)
                known, place = evaluation.lasting, evaluation.place
                if known is not None and not self._is_newest(place):
                    evaluation.lasting = stored_lasting(known)
                self._typical = max(size, 1)

    def _is_newest(self, place: WindowKey) -> bool:
        return next(reversed(self._known(place)), None) == place.start

    def _known(self, place: WindowKey) -> dict[int, Evaluation]:
        """Return those in memory of a window's series and name: none from a forgotten slice until somebody asks."""
        return self._history.get(place.series, {}).get(place.name, {})

    def _hold(self, evaluation: LazyEvaluation, size: int) -> None:
        """Count details as held, and let others go where there is no room; never those of the newest windows."""
        place = evaluation.place
        if self._known(place).get(place.start) is not evaluation:
            return
        self._drop(place)
        self._held[place] = evaluation, size
        self._details += size
        for other in list(self._held)[: len(self._held) - 1] if self._details > FOR_DETAILS else ():
            if self._is_newest(other):
                self._held.move_to_end(other)
            else:
                self._drop(other)
            if self._details <= FOR_DETAILS:
                break

    def _drop(self, place: WindowKey) -> None:
        """Let the details of a window go, where these are held."""
        evaluation, size = self._held.pop(place, (None, 0))
        self._details -= size
        if evaluation is not None:
            evaluation.release()

    def details(self, evaluation: LazyEvaluation) -> dict[str, Any]:
        """Return what of an evaluation is not in memory, and keep it there. Any thread may ask.

        Raises StorageOutage where the file cannot be read.
        """
        with self._lock, self._connection.reading() as connection:
            place = evaluation.place
            wanted = {place.start: evaluation, **self._neighbours(evaluation)}
            asked = pa.table({"start": list(wanted), "believed": [one.stored_at for one in wanted.values()]})
            rows = read(connection, _DETAILS, place.series, place.name, wanted=asked).to_pylist()
            found = {}
            for row, values in _unpacked(connection, rows, self._drawing):
                one, found[row["start"]] = wanted[row["start"]], values
                one.hold(values)
                self._hold(one, OF_PACKED * len(row["details"]))
            return found.get(place.start, _NOTHING)

    def summary(self, evaluation: LazyEvaluation) -> DriftSummary:
        """Return the drift of a window without drawings, and keep it in memory. Any thread may ask."""
        found = summarize_drift(evaluation)
        with self._lock:
            place = evaluation.place
            if self._known(place).get(place.start) is evaluation:
                self._forget_summary(place)
                evaluation.summary, self._summarized[place] = found, evaluation
                self._summaries += _size_of_summary(found)
                while self._summaries > FOR_SUMMARIES:
                    self._forget_summary(next(iter(self._summarized)))
        return found

    def _forget_summary(self, place: WindowKey) -> None:
        evaluation = self._summarized.pop(place, None)
        if evaluation is not None:
            self._summaries -= _size_of_summary(evaluation.summary)
            del evaluation.summary

    def _neighbours(self, evaluation: LazyEvaluation) -> dict[int, LazyEvaluation]:
        """Return the windows around one whose details are to be read, too: where those of a neighbour were just asked.

        A page that draws sixty windows asks for them one after the other.
        """
        place = evaluation.place
        asked, self._asked = self._asked, place[:2]
        known = self._known(place)
        if asked != place[:2] or known.get(place.start) is not evaluation:
            return {}
        starts = list(known)
        at = bisect_left(starts, place.start)
        around = (known[start] for start in starts[max(at - NEAR, 0) : at + NEAR + 1])
        return {
            one.place.start: one
            for one in around
            if isinstance(one, LazyEvaluation) and one.stored_at and one.place not in self._held
        }

    def forget_slice(self, series: int, slice: str) -> I64:
        """Forget a slice: evaluations that name it and are not stored go, and all others are read again.

        Return where the windows begin that are to be evaluated again, beside those of :func:`forget_evaluations`.
        """

        def names(one: Evaluation) -> bool:
            packed = pack_evaluation(one)
            return mentions(packed.head, slice) or mentions(packed.details, slice)

        with self._lock:
            gone = {place for place, one in self._unstored.items() if place.series == series and names(one)}
            opened = self._open.get(series, {})
            gone |= {WindowKey(series, *place) for place, one in opened.items() if names(one)}
            for place in gone:
                self._unstored.pop(place, None)
                opened.pop((place.name, place.start), None)
            for (which, name), arrived in self._arrived.items():
                for start in [at for at, one in arrived.items() if which == series and names(one)]:
                    del arrived[start]
                    gone.add(WindowKey(which, name, start))
            for place in [place for place in self._held if place.series == series]:
                self._details -= self._held.pop(place)[1]
            for place in [place for place in self._summarized if place.series == series]:
                self._forget_summary(place)
            for place in [place for place in self._stored if place.series == series]:
                del self._stored[place]
            self._written = [one for one in self._written if one[0].place.series != series]
            self._history.pop(series, None)
        return np.unique(np.array([place.start for place in gone], np.int64))

    def _load(self, series: int) -> EvaluationHistory:
        """Read the heads of the newest windows of a series; those that are not stored are in memory."""
        with self._lock, self._connection.beside() as connection:
            if series in self._history:
                return self._history[series]
            kept = self._kept()
            rows = read(connection, _OF_SERIES, series, kept).to_pylist()
            found: EvaluationHistory = {}
            for row, values in connection.unreadable.skipped("evaluations", rows, _head_of):
                place = WindowKey(series, row["name"], row["start"])
                made = self._made(place, values, row["believed"])
                self._stored[place] = b"", row["believed"]
                found.setdefault(place.name, {})[place.start] = made
            self._cut |= {(series, name) for name, known in found.items() if len(known) >= kept}
            for place, one in [*self._unstored.items()]:
                if place.series == series:
                    found.setdefault(place.name, {})[place.start] = one
            for (name, start), opened in [*self._open.get(series, {}).items()]:
                found.setdefault(name, {})[start] = opened
            self._history[series] = {name: dict(sorted(known.items())) for name, known in found.items()}
            return self._history[series]

    def _drawing(self, connection: Connection, series: int, digest: bytes) -> PackedDrawing:
        """Return a drawing, by its digest: windows with one reference share it in memory."""
        place = series, digest
        if place not in self._drawings:
            self._drawings[place] = read_drawing(connection, series, digest)
        self._drawings.move_to_end(place)
        while len(self._drawings) > DRAWINGS:
            self._drawings.popitem(last=False)
        return self._drawings[place]


def _size_of_summary(summary: DriftSummary) -> int:
    return A_SUMMARY + OF_SUMMARY * len(summary.states)


def _head_of(row: dict[str, Any]) -> dict[str, Any]:
    """Read what is in memory of an evaluation."""
    values = {name: getattr(_PLAIN, name) for name in _FIELDS if name not in _LAZY}
    return values | unpack_head(row["head"])


def _unpacked(
    connection: Connection, rows: Iterable[dict[str, Any]], drawing: Callable[[Connection, int, bytes], PackedDrawing]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield rows with the details they hold; those that cannot be read are counted and left out."""

    def unpack(row: dict[str, Any]) -> dict[str, Any]:
        found = unpack_details(row["details"], drawing(connection, row["series"], row["drawing"]).drawing)
        return {**_NOTHING, **found}

    yield from connection.unreadable.skipped("evaluations", rows, unpack)


def read_drawing(connection: Connection, series: int, digest: bytes) -> PackedDrawing:
    """Read a drawing; ValueError where there is none."""
    query = "SELECT part FROM drawings WHERE series = ? AND digest = ?"
    for part in read(connection, query, series, digest).column(0).to_pylist():
        found = unpack_drawing(part)
        if found.digest != digest:
            raise ValueError("what the reference says of its columns is damaged")
        return found
    raise ValueError("what the reference says of its columns is missing")


def _places(drawings: Iterable[tuple[int, bytes]]) -> pa.Table:
    """Return places of drawings as a table."""
    series, digests = zip(*drawings, strict=True)
    return pa.table({"series": series, "digest": digests}, pa.schema([_DRAWN.field("series"), _DRAWN.field("digest")]))


def _stored_drawings(
    connection: Connection, places: Collection[tuple[int, bytes]], what: str
) -> dict[tuple[int, bytes], Any]:
    """Return what is stored of drawings by their places; ``what``: in SQL."""
    if not places:
        return {}
    same = "d.series = w.series AND d.digest = w.digest"
    query = f"SELECT d.series, d.digest, {what} AS what FROM drawings d JOIN wanted w ON {same}"
    rows = read(connection, query, wanted=_places(places)).to_pylist()
    return {(row["series"], row["digest"]): row["what"] for row in rows}


def read_evaluations(
    connection: Connection, rows: Sequence[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], Evaluation]]:
    """Yield rows of the table, and the evaluation that each holds; those that cannot be read are left out.

    Args:
        connection: To the store.
        rows: With the columns of :data:`COLUMNS`.
    """
    drawings: dict[tuple[int, bytes], PackedDrawing] = {}

    def drawing(connection: Connection, series: int, digest: bytes) -> PackedDrawing:
        if (series, digest) not in drawings:
            drawings[series, digest] = read_drawing(connection, series, digest)
        return drawings[series, digest]

    for row, details in _unpacked(connection, rows, drawing):
        for _, head in connection.unreadable.skipped("evaluations", [row], _head_of):
            yield row, Evaluation(**{**head, **details})


def _goes_on(one: Evaluation, other: Evaluation, *, exactly: bool) -> bool:
    """Return True where the windows after either go on alike.

    Args:
        one: An evaluation.
        other: Another one of the same window.
        exactly: Whether the windows before them differ, so that sums that go on may, too.
    """
    facts = [(each.closed, each.baseline_version, each.incident, each.objectives) for each in (one, other)]
    alike = same_lasting(one.lasting, other.lasting) if exactly else one.lasting == other.lasting
    return facts[0] == facts[1] and alike and drifting(one) == drifting(other)


def forget_evaluations(connection: Connection, series: int, slice: str) -> tuple[int, I64]:
    """Delete the evaluations in which a slice is named; return the series and where their windows begin.

    Inside the caller's transaction. The windows are to be evaluated again. What cannot be read may name it, and goes.
    """
    known = read(connection, "SELECT rowid AS row FROM evaluations WHERE series = ?", series)
    texts = "SELECT w.row, head, details FROM evaluations e JOIN wanted w ON e.rowid = w.row"
    gone: list[int] = []
    for at in range(0, len(known), ROWS_AT_ONCE):
        rows = read(connection, texts, wanted=known.slice(at, ROWS_AT_ONCE)).to_pylist()
        gone += [row["row"] for row in rows if any(_may_mention(row[part], slice) for part in ("head", "details"))]
    if not gone:
        return series, np.empty(0, np.int64)
    wanted = pa.table({"row": gone})
    found = read(connection, "SELECT DISTINCT start FROM evaluations e JOIN wanted w ON e.rowid = w.row", wanted=wanted)
    run(connection, "DELETE FROM evaluations WHERE rowid IN (SELECT row FROM wanted)", wanted=wanted)
    prune_drawings(connection, series)
    return series, integers_of(found, "start")


def _may_mention(part: bytes, word: str) -> bool:
    try:
        return mentions(part, word)
    except Exception:  # whatever damage does to it
        return True


def expire_evaluations(connection: Connection, series: int, before: int) -> None:
    """Delete the evaluations of windows that began before a time, inside the caller's transaction."""
    gone = number(connection, "SELECT count(*) FROM evaluations WHERE series = ? AND start < ?", series, before)
    if gone:
        connection.execute("DELETE FROM evaluations WHERE series = ? AND start < ?", [series, before])
        prune_drawings(connection, series)


def prune_drawings(connection: Connection, series: int) -> None:
    """Delete the drawings that no evaluation of a series builds on any more."""
    used = "SELECT drawing FROM evaluations WHERE series = ? AND drawing IS NOT NULL"
    connection.execute(f"DELETE FROM drawings WHERE series = ? AND digest NOT IN ({used})", [series, series])
