"""The verdict of every series and model: made with each snapshot, remembered until something has changed."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
from driftline.tables.table import ModelKey

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.estimate.track_record import with_track_records
from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.verdict import (
    Pace,
    Reading,
    Traffic,
    VerdictContext,
    coming_windows,
    pace_of,
    read_window,
    verdict_of_model,
)
from driftline_processor.core.versions import SideBySide
from driftline_processor.core.windows.window import HOUR, PANE
from driftline_processor.evaluation.backlog import Backlog
from driftline_processor.ingest.arrivals import Arrivals
from driftline_processor.store.database import Connection, insert, read, transaction

from .interruptions import Interruption, Interruptions, SeenTraffic

QUIET = 2 * PANE
"""No pace calls a shorter pause a silence, so none is asked."""


Windows = tuple[tuple[Evaluation, ...], ...]
"""The windows that tell, of each length, oldest first."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a series, by which its verdict is made.

    Attributes:
        windows: Window name → evaluations, oldest first.
        concept: Whether its errors have become more.
        versions: The model's challengers beside its champion.
        timezone: The model's.
        backlog: Its windows that wait.
        siblings: The series of all versions of the model in its environment, itself among them.
        received: When the newest row of these arrived, unix nanoseconds; 0 where none has.
        history: What the windows were read from; another object once any of them is another.
    """

    windows: dict[str, list[Evaluation]]
    concept: ConceptDrift | None
    versions: tuple[SideBySide, ...]
    timezone: str
    backlog: Backlog
    siblings: tuple[int, ...]
    received: int
    history: object = None


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A verdict whose state is another than before.

    Attributes:
        before: The state before; "unknown" of a model that was never judged.
        time: When that was seen, unix nanoseconds.
    """

    key: ModelKey
    before: VerdictState
    verdict: Verdict
    time: int


@dataclass(slots=True)
class _Made:
    """A verdict, and what it was made of; ``source``: what its windows were chosen from."""

    source: Mapping[str, Sequence[Evaluation]]
    windows: Windows
    context: VerdictContext
    traffic: Traffic
    verdict: Verdict


@dataclass(slots=True)
class _Paces:
    """The pace of a model in an environment, with the hour in which it was worked out."""

    hour: int
    pace: Pace | None


@dataclass(slots=True)
class Verdicts:
    """All verdicts. Any thread may ask; one calls :meth:`write`.

    Args:
        arrivals: Returns when rows arrived.
        connection: Where the states before a restart are.
        clock: Unix nanoseconds.
    """

    arrivals: Callable[[], Arrivals]
    connection: Connection
    clock: Callable[[], int]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _made: dict[int, _Made] = field(default_factory=dict)
    _read: dict[int, dict[int, tuple[Evaluation, Reading]]] = field(default_factory=dict)
    _paces: dict[tuple[int, ...], _Paces] = field(default_factory=dict)
    _before: dict[int, tuple[VerdictState, int | None]] = field(default_factory=dict)
    _seen: dict[int, SeenTraffic] = field(default_factory=dict)
    _interruptions: Interruptions = field(init=False)

    def __post_init__(self) -> None:
        """Read the last state of every series, and its interruptions."""
        self._interruptions = Interruptions(self.connection)
        query = "SELECT series, state, since FROM verdicts QUALIFY row_number() OVER"
        for row in read(self.connection, f"{query} (PARTITION BY series ORDER BY changed DESC) = 1").to_pylist():
            self._before[row["series"]] = (row["state"], row["since"])

    def of(self, series: int, known: Known) -> Verdict:
        """Return the verdict of a series."""
        traffic = self._traffic(series, known)
        self._seen[series] = SeenTraffic(traffic, known.received, known.siblings)
        errors = known.concept if known.concept is not None and _drifts(known.concept) else None
        with self._lock:
            made = self._made.get(series)
            if made is not None and made.source is known.windows:
                windows, coming = made.windows, made.context.coming
            else:
                windows = _telling(known.windows)
                coming = coming_windows(one for of_name in known.windows.values() for one in of_name)
            context = VerdictContext(errors, known.versions, known.timezone, coming)
            if made is not None and made.context == context:
                context = made.context  # so that what was read with it is known by identity
            if made is None or not _same(made, windows, context, traffic):
                verdict = self._verdict(series, windows, traffic, context)
                self._made[series] = made = _Made(known.windows, windows, context, traffic, verdict)
            made.source = known.windows
        return made.verdict

    def interruptions(self, series: int) -> tuple[Interruption, ...]:
        """Return when a series was silent, or its windows waited too long, the oldest first."""
        return self._interruptions.of(series)

    def changes(self, verdicts: Mapping[int, tuple[ModelKey, Verdict]]) -> list[tuple[int, VerdictChange]]:
        """Return the series whose state is another than the one written last."""
        now = self.clock()
        found = []
        for series, (key, verdict) in verdicts.items():
            before = self._before.get(series, ("unknown", None))
            if before[0] != verdict.state:
                found.append((series, VerdictChange(key, before[0], verdict, now)))
        return found

    def write(self, verdicts: Mapping[int, tuple[ModelKey, Verdict]]) -> list[VerdictChange]:
        """Store the states that have changed, since when they hold, and interruptions; return changes of a state.

        No words are stored: what they name may be deleted.
        """
        changes = self.changes(verdicts)
        held = {series: (one.state, one.since) for series, (_, one) in verdicts.items()}
        moved = {series: known for series, known in held.items() if self._before.get(series) != known}
        now = self.clock()
        interrupted = self._interruptions.changed(dict(self._seen), verdicts, now)
        if moved or interrupted:
            rows = [
                {"series": one, "state": state, "since": since, "changed": now} for one, (state, since) in moved.items()
            ]
            with transaction(self.connection):
                self.connection.execute("DELETE FROM verdicts WHERE list_contains(?, series)", [list(moved)])
                insert(self.connection, "verdicts", pa.Table.from_pylist(rows, _COLUMNS))
                self._interruptions.write(interrupted)
            self._before |= moved
            self._interruptions.take(interrupted)
        return [change for _, change in changes]

    def _verdict(self, series: int, windows: Windows, traffic: Traffic, context: VerdictContext) -> Verdict:
        state, since = self._before.get(series, ("unknown", None))
        previous = Verdict(state, since)
        before, kept = self._read.get(series, {}), dict[int, tuple[Evaluation, Reading]]()

        def remembered(evaluation: Evaluation, context: VerdictContext) -> Reading:
            same, reading = before.get(id(evaluation), (None, None))
            if same is not evaluation or reading is None:
                reading = read_window(evaluation, context)
            elif reading.context is not context:
                again = reading.context.concept != context.concept
                reading = read_window(evaluation, context) if again else replace(reading, context=context)
            kept[id(evaluation)] = (evaluation, reading)
            return reading

        evaluations = [one for of_name in windows for one in _recorded(of_name)]
        verdict = verdict_of_model(evaluations, traffic, previous, context, remembered)
        self._read[series] = kept
        return verdict

    def _traffic(self, series: int, known: Known) -> Traffic:
        """Return what is known of traffic and backlog. Nothing is silent that was heard a few minutes ago.

        A silence that was noted lasts until a row comes, also where its pace is not known any more.
        """
        now, backlog = self.clock(), known.backlog
        silent, pause = None, 0
        noted = self._interruptions.lasting(series, "no_data")
        if noted is not None and known.received <= noted.since:
            silent, pause = noted.since, noted.pause
        elif known.received and now - known.received > QUIET:
            arrivals = self.arrivals()
            pace = self._pace(known, arrivals, now)
            if pace is not None:
                silent, pause = pace.silent_since(known.received, now, arrivals.away), pace.limit
        if silent is None:
            pause = 0
        since = backlog.since if backlog.late else None
        return Traffic(now, silent, pause, backlog.windows, since, backlog.patience)

    def _pace(self, known: Known, arrivals: Arrivals, now: int) -> Pace | None:
        """Return the pace of a model in an environment, worked out once an hour."""
        found = self._paces.get(known.siblings)
        if found is None or found.hour != now // HOUR:
            pace = pace_of(arrivals.of(known.siblings), now, known.timezone)
            self._paces[known.siblings] = found = _Paces(now // HOUR, pace)
        return found.pace


_COLUMNS = pa.schema([("series", pa.int32()), ("state", pa.string()), ("since", pa.int64()), ("changed", pa.int64())])


def _telling(windows: Mapping[str, Sequence[Evaluation]]) -> Windows:
    """Return the closed windows; where none has closed, the newest one."""
    closed = tuple(tuple(one for one in window if one.closed) for window in windows.values())
    if any(closed):
        return closed
    newest = [window[-1] for window in windows.values() if window]
    return ((min(newest, key=lambda one: one.window.end - one.window.start),),) if newest else ()


def _same(made: _Made, windows: Windows, context: VerdictContext, traffic: Traffic) -> bool:
    """Return True where nothing has changed by which a verdict was made: time alone changes none."""
    before = made.traffic
    if (before.silent_since, before.behind) != (traffic.silent_since, traffic.behind):
        return False
    if traffic.behind and before.waiting != traffic.waiting:
        return False
    if len(made.windows) != len(windows) or made.context != context:
        return False
    if made.windows is windows:
        return True
    pairs = zip(made.windows, windows, strict=True)
    return all(len(one) == len(two) and all(map(operator.is_, one, two)) for one, two in pairs)


def _drifts(concept: ConceptDrift) -> bool:
    return concept.state == "drift" or bool(concept.drifting())


def _recorded(windows: Sequence[Evaluation]) -> Sequence[Evaluation]:
    """Return the windows of one name, those with a worse estimate with the track record that it has by now."""
    worse = [
        index
        for index, window in enumerate(windows)
        if window.estimated_changes and any(two.state == "worse" for two in window.estimated_changes.values())
    ]
    if not worse:
        return windows
    recorded = list(windows)
    for at, record in zip(range(worse[0], len(windows)), with_track_records(windows, worse[0]), strict=True):
        if at in worse:
            recorded[at] = record
    return recorded
