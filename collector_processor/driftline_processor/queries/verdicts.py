"""The verdict of every series and model: computed with each snapshot, cached until something has changed."""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from driftline.tables.table import ModelKey
from msgspec import Struct

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.performance.objective import counts_already
from driftline_processor.core.verdict.context import VerdictContext, coming_windows
from driftline_processor.core.verdict.record import NO_RECORD, Record, Row
from driftline_processor.core.verdict.traffic import Pace, Traffic, pace_of
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.improbable_times import ImprobableTimes
from driftline_processor.core.windows.window import HOUR, PANE
from driftline_processor.evaluation.window_queue import Backlog
from driftline_processor.ingest.transaction import Arrivals
from driftline_processor.store.database import Connection, insert, read, transaction

from .interruptions import Interruption, Interruptions, SeenTraffic
from .record_store import RecordStore

QUIET = 2 * PANE
"""Minimum pause that can count as no data, so shorter pauses need no check."""


Windows = tuple[tuple[Evaluation, ...], ...]
"""The relevant windows of each length, oldest first."""


class VerdictInputs(Struct, frozen=True):
    """Input of the verdict of a series.

    Attributes:
        windows: Window name → evaluations, oldest first.
        concept: Concept drift.
        versions: Comparison of the model's challengers with its champion.
        timezone: Time zone of the model.
        backlog: Its pending windows.
        siblings: The series of all versions of the model in its environment, including itself.
        received: Arrival of their newest row, unix nanoseconds; 0 without rows.
        history: Object that is replaced whenever a window changes.
        unknown: Why its newest outcomes cannot be used.
        provisional: Whether its baseline was learned from its own first rows.
        improbable_times: Improbable times of its newest predictions; None if they are usual.
        lag: Nanoseconds by which its event time may be behind the clock.
    """

    windows: dict[str, list[Evaluation]]
    concept: ConceptDrift | None
    versions: tuple[SideBySide, ...]
    timezone: str
    backlog: Backlog
    siblings: tuple[int, ...]
    received: int
    history: object = None
    unknown: tuple[UnknownOutcomes, ...] = ()
    provisional: bool = False
    improbable_times: ImprobableTimes | None = None
    lag: int = 0


class VerdictChange(Struct, frozen=True):
    """A change of a verdict's state.

    Attributes:
        before: The state before; "unknown" for a model without a verdict.
        time: Time of the change, unix nanoseconds.
    """

    key: ModelKey
    before: VerdictState
    verdict: Verdict
    time: int


class _CachedVerdict(Struct):
    """A verdict and its input; ``source``: the object that its windows were read from."""

    source: Mapping[str, Sequence[Evaluation]]
    windows: Windows
    context: VerdictContext
    traffic: Traffic
    verdict: Verdict


class _Paces(Struct):
    """The normal rate of a model in an environment, with the hour of its computation."""

    hour: int
    pace: Pace | None


@dataclass(slots=True)
class Verdicts:
    """All verdicts. Read by any thread; one thread calls :meth:`write`.

    Args:
        arrivals: Returns the arrival times of rows.
        connection: Connection to the stored states.
        clock: Returns unix nanoseconds.
    """

    arrivals: Callable[[], Arrivals]
    connection: Connection
    clock: Callable[[], int]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _cached: dict[int, _CachedVerdict] = field(default_factory=dict)
    _records: dict[int, Record] = field(default_factory=dict)
    _paces: dict[tuple[int, ...], _Paces] = field(default_factory=dict)
    _before: dict[int, tuple[VerdictState, int | None]] = field(default_factory=dict)
    _seen: dict[int, SeenTraffic] = field(default_factory=dict)
    _interruptions: Interruptions = field(init=False)
    _stored_rows: RecordStore = field(init=False)

    def __post_init__(self) -> None:
        """Read the last state of every series, and its interruptions."""
        self._interruptions = Interruptions(self.connection)
        self.read_rows()
        query = "SELECT series, state, since FROM verdicts QUALIFY row_number() OVER"
        for row in read(self.connection, f"{query} (PARTITION BY series ORDER BY changed DESC) = 1").to_pylist():
            self._before[row["series"]] = (row["state"], row["since"])

    def read_rows(self) -> None:
        """Read the stored rows of all records: at the start, and after slices that they name were deleted."""
        self._stored_rows = RecordStore(self.connection)

    def of(self, series: int, known_windows: VerdictInputs) -> Verdict:
        """Return the verdict of a series."""
        traffic = self._traffic(series, known_windows)
        self._seen[series] = SeenTraffic(traffic, known_windows.received, known_windows.siblings)
        concept = known_windows.concept
        with self._lock:
            made_verdict = self._cached.get(series)
            if made_verdict is not None and made_verdict.source is known_windows.windows:
                windows, coming = made_verdict.windows, made_verdict.context.coming
            else:
                windows = _telling(known_windows.windows)
                coming = coming_windows(
                    evaluation for of_name in known_windows.windows.values() for evaluation in of_name
                )
            context = VerdictContext(
                concept if concept is not None and concept.has_risen else None,
                known_windows.versions,
                known_windows.timezone,
                coming,
                known_windows.unknown,
                provisional=known_windows.provisional,
                lag=known_windows.lag,
            )
            if made_verdict is not None and made_verdict.context == context:
                context = made_verdict.context  # so that cached results are found by identity
            if made_verdict is None or not _same(made_verdict, windows, context, traffic):
                verdict = self._verdict(series, windows, traffic, context)
                self._cached[series] = made_verdict = _CachedVerdict(
                    known_windows.windows, windows, context, traffic, verdict
                )
            made_verdict.source = known_windows.windows
        return made_verdict.verdict

    def record(self, series: int) -> Record:
        """Return the record of a series, as of the last call of :meth:`of`."""
        return self._records.get(series, NO_RECORD)

    def stored_state(self, series: int) -> VerdictState:
        """Return the last stored state of a series."""
        return self._before.get(series, ("unknown", None))[0]

    def interruptions(self, series: int) -> tuple[Interruption, ...]:
        """Return the periods of a series without data or with a lag, oldest first."""
        return self._interruptions.of(series)

    def changes(self, verdicts: Mapping[int, tuple[ModelKey, Verdict]]) -> list[tuple[int, VerdictChange]]:
        """Return the series whose state differs from the stored one."""
        now = self.clock()
        found = []
        for series, (key, verdict) in verdicts.items():
            before = self._before.get(series, ("unknown", None))
            if before[0] != verdict.state:
                found.append((series, VerdictChange(key, before[0], verdict, now)))
        return found

    def write(self, verdicts: Mapping[int, tuple[ModelKey, Verdict]]) -> list[VerdictChange]:
        """Store changed states with their begin, changed rows of the records, and interruptions; return the changes.

        Rows are stored with facts, no text: a deleted slice is found among them by its name.
        """
        changes = self.changes(verdicts)
        state_by_series = {series: (verdict.state, verdict.since) for series, (_, verdict) in verdicts.items()}
        moved = {
            series: state_since
            for series, state_since in state_by_series.items()
            if self._before.get(series) != state_since
        }
        now = self.clock()
        interrupted = self._interruptions.changed(dict(self._seen), verdicts, now)
        appended = self._stored_rows.changed(dict(self._records))
        if moved or interrupted or appended:
            rows = [
                {"series": verdict, "state": state, "since": since, "changed": now}
                for verdict, (state, since) in moved.items()
            ]
            with transaction(self.connection):
                self.connection.execute("DELETE FROM verdicts WHERE list_contains(?, series)", [list(moved)])
                insert(self.connection, "verdicts", pa.Table.from_pylist(rows, _COLUMNS))
                self._interruptions.write(interrupted)
                self._stored_rows.write(appended, now)
            self._before |= moved
            self._interruptions.take(interrupted)
        self._stored_rows.take(appended, now)
        return [change for _, change in changes]

    def _verdict(self, series: int, windows: Windows, traffic: Traffic, context: VerdictContext) -> Verdict:
        closed = [one for of_name in windows for one in of_name if one.closed]
        known = self._records.get(series)
        self._records[series] = record = (
            Record(closed, context, self._known_rows(series, closed))
            if known is None
            else known.revised(closed, context)
        )
        state, since = self._before.get(series, ("unknown", None))
        open_windows = [one for of_name in windows for one in of_name if not one.closed]
        return record.now(open_windows, traffic, Verdict(state, since))

    def _known_rows(self, series: int, closed: Iterable[Evaluation]) -> list[Row]:
        """Return the stored rows before the first window that was stored after them: a kill may come in between."""
        believed = self._stored_rows.believed(series)
        details = ((one, getattr(one, "details", None)) for one in closed)
        newer = [one.window.end for one, stored in details if stored is not None and stored.stored_at > believed]
        first = min(newer, default=math.inf)
        return [row for row in self._stored_rows.known(series) if row.end < first]

    def _traffic(self, series: int, known_windows: VerdictInputs) -> Traffic:
        """Return traffic and backlog of a series. A pause of a few minutes is never a period without data.

        A recorded period without data lasts until a row arrives, even if the normal rate is no longer known.
        """
        now, backlog = self.clock(), known_windows.backlog
        silent, pause = None, 0
        noted = self._interruptions.lasting(series, "no_data")
        if noted is not None and known_windows.received <= noted.since:
            silent, pause = noted.since, noted.pause
        elif known_windows.received and now - known_windows.received > QUIET:
            arrivals = self.arrivals()
            pace = self._pace(known_windows, arrivals, now)
            if pace is not None:
                silent, pause = pace.silent_since(known_windows.received, now, arrivals.downtime), pace.limit
        if silent is None:
            pause = 0
        since = backlog.since if backlog.late else None
        pending = backlog.pending_windows(now)
        return Traffic(
            now, silent, pause, backlog.windows, since, backlog.patience, pending, known_windows.improbable_times
        )

    def _pace(self, known_windows: VerdictInputs, arrivals: Arrivals, now: int) -> Pace | None:
        """Return the normal rate of a model in an environment, computed once per hour."""
        cached = self._paces.get(known_windows.siblings)
        if cached is None or cached.hour != now // HOUR:
            pace = pace_of(arrivals.of(known_windows.siblings), now, known_windows.timezone)
            self._paces[known_windows.siblings] = cached = _Paces(now // HOUR, pace)
        return cached.pace


_COLUMNS = pa.schema([("series", pa.int32()), ("state", pa.string()), ("since", pa.int64()), ("changed", pa.int64())])


def _telling(windows: Mapping[str, Sequence[Evaluation]]) -> Windows:
    """Return the windows that count already; if there are none, the newest window."""
    closed = tuple(tuple(filter(counts_already, window)) for window in windows.values())
    if any(closed):
        return closed
    newest = [window[-1] for window in windows.values() if window]
    return ((min(newest, key=lambda evaluation: evaluation.window.end - evaluation.window.start),),) if newest else ()


def _same(made_verdict: _CachedVerdict, windows: Windows, context: VerdictContext, traffic: Traffic) -> bool:
    """Return True if the input of a verdict is unchanged. Time alone does not change a verdict."""
    before = made_verdict.traffic
    if (before.silent_since, before.is_behind, before.pending, before.times) != (
        traffic.silent_since,
        traffic.is_behind,
        traffic.pending,
        traffic.times,
    ):
        return False
    if traffic.is_behind and before.waiting != traffic.waiting:
        return False
    if len(made_verdict.windows) != len(windows) or made_verdict.context != context:
        return False
    if made_verdict.windows is windows:
        return True
    pairs = zip(made_verdict.windows, windows, strict=True)
    return all(len(evaluations) == len(two) and all(map(operator.is_, evaluations, two)) for evaluations, two in pairs)
