"""The record of a model: its verdict as of the end of each of its windows, as its windows are known now.

Every surface that says what was true at a time reads a row of the record: strips, past cards, incidents, policies,
exports. A row is the verdict of the windows that had ended by then, by the function that gives the current verdict, so
that a row is what the current verdict was at that time. Outcomes that arrive later revise the rows of their windows and
of later ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import compress, groupby
from math import inf
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.estimate.track_record import with_current_records
from driftline_processor.core.evaluation import Cause, Evaluation, LaterFinding, Verdict, VerdictState
from driftline_processor.core.fact import Fact

from .context import NO_CONTEXT, VerdictContext
from .look import LastDegradation
from .model import Decision, decide, with_traffic
from .reading import Reading, read_window
from .runs import by_time
from .traffic import Traffic
from .trailing_periods import Excluded
from .window import cause_subject

Role = Literal["cause", "joined", "harmless"]
"""Role of a finding: it began the state, joined the cause of a degradation, or did no harm."""


class Effect(Struct, frozen=True):
    """By how much a metric is worse than before, with its interval."""

    metric: str
    value: float
    low: float | None
    high: float | None


class RowFinding(Struct, frozen=True):
    """A finding of an episode.

    Attributes:
        role: Its role.
        subject: What it is about, see :attr:`LaterFinding.subject`.
        since: Its begin, unix nanoseconds; None if unknown.
        since_earliest: The earliest begin that the rows leave open, if it is before ``since``; else None.
        until: When it was over, unix nanoseconds; None while it lasts.
        fact: The finding; None if the cause is unknown.
        size: The loss with it; None if unknown, and for a cause that something joined, since their loss is one.
    """

    role: Role
    subject: str
    since: int | None
    since_earliest: int | None = None
    until: int | None = None
    fact: Fact | None = None
    size: Effect | None = None


class Row(Struct, frozen=True):
    """The state of a model as of the end of a window.

    Attributes:
        end: End of the window, unix nanoseconds; 0 if rows have no time.
        state: The state.
        since: Start of the state, unix nanoseconds; None if unknown.
        findings: Its findings, the cause first; of rows that are not stored only those of a degradation.
        verdict: The verdict of a stored row as of its first window; None for other rows, whose windows are in memory.
    """

    end: int
    state: VerdictState
    since: int | None
    findings: tuple[RowFinding, ...] = ()
    verdict: Verdict | None = None


def findings_of(verdict: Verdict) -> tuple[RowFinding, ...]:
    """Return the findings of a state, the cause first, then the others in order of time.

    A degradation has a cause even if it is unknown. A healthy model may have a finding that does no harm.

    >>> [(one.role, one.subject) for one in findings_of(Verdict("degraded", kind="concept_change"))]
    [('cause', 'concept_change')]
    """
    if verdict.state != "degraded" and verdict.cause is None:
        return ()
    if verdict.state == "healthy":
        since = verdict.cause.since if isinstance(verdict.cause, Cause) else None
        return (RowFinding("harmless", cause_subject(verdict), since, fact=verdict.cause),)
    alone = not any(one.role == "joined" for one in verdict.later) and verdict.cause_until is None
    size = None
    if alone and verdict.effect is not None:
        size = Effect(verdict.metric, verdict.effect, verdict.low, verdict.high)
    subject, begin = cause_subject(verdict), (verdict.since, verdict.since_earliest)
    cause = RowFinding("cause", subject, *begin, verdict.cause_until, verdict.cause, size)
    return cause, *map(_later, verdict.later)


def _later(one: LaterFinding) -> RowFinding:
    role: Role = "cause" if one.role == "mended" else one.role
    rise = one.size
    size = Effect(rise.metric, rise.rise, rise.low, rise.high) if isinstance(rise, facts.FurtherLoss) else None
    return RowFinding(role, one.subject, one.since, None, one.until, one.fact, size)


def _continued(before: Sequence[RowFinding], found: Sequence[RowFinding]) -> tuple[RowFinding, ...]:
    """Return the findings of a degradation whose first windows left the memory: those known before, and newer ones.

    The windows that are left do not show what began the degradation: what joined it would be its cause.
    """
    over = {one.subject: one.until for one in found if one.until is not None}
    known = {one.subject for one in before}
    began = max((one.since or 0 for one in before), default=0)
    newer = (one for one in found if one.subject not in known and one.role != "cause" and (one.since or 0) > began)
    return *(replace(one, until=over.get(one.subject, one.until)) for one in before), *newer


def is_same_row(row: Row, other: Row | None) -> bool:
    """Return True if two rows have one state, and a degradation the same findings; their numbers may differ."""
    if other is None or not is_same_state(row, other):
        return False
    return row.state != "degraded" or _are_same(row.findings, other.findings)


def _are_same(findings: Iterable[RowFinding], others: Iterable[RowFinding]) -> bool:
    return [*map(_identity, findings)] == [*map(_identity, others)]


def _identity(one: RowFinding) -> tuple[Role, str, int | None, int | None]:
    return one.role, one.subject, one.since, one.until


def is_same_state(row: Row, other: Row | None) -> bool:
    """Return True if two rows have one state. Without a state, its begin is that of the newest window."""
    return other is not None and row.state == other.state and (row.state == "unknown" or row.since == other.since)


class Episode(Struct, frozen=True):
    """Consecutive rows with one state.

    Attributes:
        state: The state.
        since: Its start by the newest row, unix nanoseconds; None if unknown.
        first: End of the first window at whose end the model had this state.
        last: End of the last one.
        until: When the next state began; None while it lasts.
    """

    state: VerdictState
    since: int | None
    first: int
    last: int
    until: int | None = None


class Readings:
    """Read windows, each once while it and the concept drift are unchanged."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Evaluation, Reading]] = {}

    def __call__(self, evaluation: Evaluation, context: VerdictContext) -> Reading:
        """Return the reading of a window, as :func:`~.reading.read_window` does."""
        known, reading = self._known.get(id(evaluation), (None, None))
        if known is not evaluation or reading is None or _differ(reading.context.concept, context.concept):
            reading = read_window(evaluation, context)
        elif reading.context is not context:
            reading = replace(reading, context=context)
        self._known[id(evaluation)] = evaluation, reading
        return reading

    def keep(self, evaluations: Iterable[Evaluation]) -> None:
        """Forget all other windows."""
        known = self._known
        self._known = {id(one): known[id(one)] for one in evaluations if id(one) in known}


def row_as_of(rows: Sequence[Row], end: int) -> Row | None:
    """Return the newest row as of a time, unix nanoseconds; None before the first.

    >>> rows = [Row(10, "healthy", 0), Row(20, "degraded", 10)]
    >>> row_as_of(rows, 9), row_as_of(rows, 19) == rows[0]
    (None, True)
    """
    at = bisect_right(rows, end, key=_end)
    return rows[at - 1] if at else None


def _rows_at(ends: Sequence[int], known: Sequence[Row]) -> list[Row]:
    """Return the rows at ends up to that of the newest known one; [] if the first end is older than all of them."""
    rows, at = list[Row](), -1
    for end in ends:
        while at + 1 < len(known) and known[at + 1].end <= end:
            at += 1
        if at < 0 or end > known[-1].end:
            break
        row = known[at]
        rows.append(row if row.end == end else replace(row, end=end))
    return rows


def _end(row: Row) -> int:
    return row.end


def _differ(before: ConceptDrift | None, now: ConceptDrift | None) -> bool:
    return before is not now and before != now


class Record:
    """The verdicts of one version in one environment, each computed at its first use. Thread-safe.

    Args:
        windows: Closed windows of any lengths, in any order.
        context: Facts in addition to the windows; concept drift counts in rows after its detection.
        known: Known rows, the oldest first: all, or those at whose ends the state changed, and the newest one.
        is_final: Whether no rows come after the windows, so that all that was detected counts in the newest row.
    """

    def __init__(
        self,
        windows: Iterable[Evaluation],
        context: VerdictContext = NO_CONTEXT,
        known: Sequence[Row] = (),
        *,
        is_final: bool = False,
    ) -> None:
        self.windows = sorted(windows, key=by_time)
        self.context, self._is_final = context, is_final
        ends = [one.window.end for one in self.windows]
        # a window without time is a block of its own
        last = [end != later or not end for end, later in zip(ends, [*ends[1:], None], strict=False)]
        self._bounds = [at for at, is_last in enumerate(last, 1) if is_last]
        self._ends = [*compress(ends, last)]
        self._older = [row for row in known if self._ends and row.end < self._ends[0]]
        self._before = self._older[-1] if self._older else None
        self._rows = _rows_at(self._ends, known)
        self._verdicts: dict[int, Verdict] = {}
        self._read, self._excluded = Readings(), Excluded()
        self._detections = _detections(context)
        self._oldest = {one.window.end - one.window.start: one.window.start for one in reversed(self.windows)}
        self._contexts: dict[int, VerdictContext] = {}
        self._episodes: Sequence[Episode] | None = None
        self._recorded: Sequence[Evaluation] | None = None

    def __repr__(self) -> str:
        """Return its rows in words, without what they remember of windows out of memory."""
        return f"Record({[replace(row, verdict=None) for row in self.rows]})"

    @classmethod
    def of(cls, evaluations: Iterable[Evaluation]) -> Record:
        """Return the record of windows that have the verdicts as of their ends."""
        record = cls(evaluations)
        for block, bound in enumerate(record._bounds):
            verdict = record.windows[bound - 1].verdict
            if verdict is not None:
                record._verdicts[record._key(block)] = verdict
                record._rows.append(Row(record._ends[block], verdict.state, verdict.since, findings_of(verdict)))
        return record

    @property
    def rows(self) -> Sequence[Row]:
        """The rows, the oldest first."""
        return self._rows_of(len(self._ends))

    def as_of(self, end: int) -> Verdict | None:
        """Return the verdict as of a time, unix nanoseconds; None if no window had ended by then."""
        block = bisect_right(self._ends, end) - 1
        if block >= 0:
            return self._verdict(block)
        row = row_as_of(self._older, end)
        return None if row is None else self._of_row(row)

    def state_as_of(self, end: int) -> VerdictState:
        """Return the state as of a time, unix nanoseconds; ``unknown`` if no window had ended by then."""
        block = bisect_right(self._ends, end) - 1
        row = row_as_of(self._older, end) if block < 0 else self.rows[block]
        return "unknown" if row is None else row.state

    def now(self, open_windows: Iterable[Evaluation], traffic: Traffic | None, previous: Verdict | None) -> Verdict:
        """Return the current verdict, from all windows and the traffic; ``previous``: as of the last look.

        Without open windows that count, it is the newest row.
        """
        also, newest = [*open_windows], len(self._ends) - 1
        if also or len(self._rows) < newest or newest < 0:
            windows = (*self._recorded_windows(), *also)
            last = partial(_last_degradation, self._rows_of(newest + 1))
            verdict = decide(windows, previous, self._context_now(), self._read, self._excluded, last).verdict()
        else:
            verdict = self._verdict(newest)
        closed = len(self.windows) + sum(one.closed for one in also)
        return verdict if traffic is None else with_traffic(verdict, traffic, self.context, closed)

    def with_verdicts(self, windows: Iterable[Evaluation], now: Verdict | None = None) -> list[Evaluation]:
        """Return closed windows with the verdict as of the end of each, and open ones with the current one, ``now``.

        If no rows come after the windows, the newest have the newest verdict.
        """
        windows = [*windows]
        newest = max((one.window.end for one in windows), default=0) if self._is_final else inf
        timeless = {id(one): block for block, one in enumerate(self.windows)} if not any(self._ends) else {}

        def verdict(one: Evaluation) -> Verdict | None:
            if not one.closed:
                return now
            block = timeless.get(id(one))
            if block is None and one.window.end >= newest:
                block = len(self._ends) - 1
            found = self.as_of(one.window.end) if block is None else self._verdict(block)
            return decide(()).verdict() if found is None and self._is_final else found

        return [replace(one, verdict=verdict(one)) for one in windows]

    def episodes(self) -> Sequence[Episode]:
        """Return the states and how long each lasted, the oldest first."""
        if self._episodes is None:
            self._episodes = _episodes_of(self.rows)
        return self._episodes

    def revised(self, windows: Iterable[Evaluation], context: VerdictContext) -> Record:
        """Return the record of newer windows; rows before the first change are kept.

        Windows that left the memory are no change.
        """
        ordered = sorted(windows, key=by_time)
        oldest = {one.window.name: one.window.start for one in reversed(ordered)}
        known, now = set(map(id, self.windows)), set(map(id, ordered))
        came = [one for one in ordered if id(one) not in known]
        gone = [one for one in self.windows if id(one) not in now]
        gone = [one for one in gone if one.window.start >= oldest.get(one.window.name, 0)]
        changed = [one.window.end for one in (*came, *gone)]
        detected = set(_detections(context)).difference(self._detections)
        first = min((*changed, *detected), default=inf)
        rows = [row for row in (*self._older, *self._rows) if row.end < first]
        record = Record(ordered, context, rows, is_final=self._is_final)
        newest = self._ends[-1] if self._ends else 0
        record._verdicts = {end: one for end, one in self._verdicts.copy().items() if end < min(first, newest)}
        record._read, record._excluded = self._read, self._excluded.copy() if first > newest else {}
        return record

    def _verdict(self, block: int) -> Verdict:
        key = self._key(block)
        if key not in self._verdicts:
            rows = self._rows_of(block)
            decision = self._decide(block, rows)
            if len(rows) == block:
                self._rows = rows = [*rows, self._row(block, decision, rows)]
            self._verdicts[key] = self._as_shown(decision, rows[block])
        return self._verdicts[key]

    def _as_shown(self, decision: Decision, row: Row) -> Verdict:
        """Return the verdict of a known row: what decided it, or was known in addition, may be no longer in memory."""
        if decision.state != row.state:
            return self._of_row(row)
        verdict = decision.verdict()
        if verdict.since == row.since or row.state == "unknown":
            return verdict
        return replace(verdict, since=row.since, since_earliest=None)

    def _of_row(self, row: Row) -> Verdict:
        """Return the verdict of a row whose windows are no longer in memory: the stored one, if there is one."""
        forgotten = facts.WindowsForgotten()
        if row.verdict is None:
            return Verdict(row.state, row.since, reasons=(forgotten,), timezone=self.context.timezone)
        # a row repeats the stored one until something changes: the newest window of that one is not its own
        return replace(row.verdict, since=row.since, now=None, certainty=(*row.verdict.certainty, forgotten))

    def _row(self, block: int, decision: Decision, rows: Sequence[Row]) -> Row:
        """Return the row with a decision. Only a degradation has findings, which need details of its windows."""
        found = findings_of(decision.verdict()) if decision.state == "degraded" else ()
        earlier = rows[block - 1] if block else self._before
        before = () if earlier is None else earlier.findings
        if found and before and self._lacks_begin(decision.verdict()):
            found = _continued(before, found)
        return Row(self._ends[block], decision.state, decision.since, before if _are_same(found, before) else found)

    def _lacks_begin(self, verdict: Verdict) -> bool:
        """Return True if the first windows of a degradation are no longer in memory."""
        start, end = verdict.window_start or 0, verdict.window_end or 0
        oldest = self._oldest.get(end - start, min(self._oldest.values(), default=0))
        return verdict.since is not None and verdict.since < oldest

    def _key(self, block: int) -> int:
        """Return the end of a block; without times, its place as a negative number."""
        return self._ends[block] or -1 - block

    def _rows_of(self, blocks: int) -> Sequence[Row]:
        """Return at least the rows of the first blocks. Threads that compute them at the same time find the same."""
        rows = self._rows
        if len(rows) < blocks:
            rows = [*rows]
            for block in range(len(rows), blocks):
                decision = self._decide(block, rows)
                rows.append(self._row(block, decision, rows))
            self._rows = rows
        return rows

    def _decide(self, block: int, rows: Sequence[Row]) -> Decision:
        """Return the decision as of the end of a block, after the rows before it."""
        before = rows[block - 1] if block else self._before
        previous = None if before is None else Verdict(before.state, before.since)
        windows = self._recorded_windows()[: self._bounds[block]]
        last = partial(_last_degradation, rows, block)
        decision = decide(windows, previous, self._context_of(block), self._read, self._excluded, last)
        return decision._replace(verdict=cache(decision.verdict))

    def _recorded_windows(self) -> Sequence[Evaluation]:
        if self._recorded is None:
            self._recorded = _with_track_records(self.windows)
            self._read.keep(self._recorded)
        return self._recorded

    def _context_of(self, block: int) -> VerdictContext:
        """Return what was known in addition to the windows at the end of a block."""
        if block == len(self._ends) - 1:
            return self.context if self._is_final else self._context_now()
        end = self._ends[block]
        known = bisect_right(self._detections, end)
        if known not in self._contexts:
            drift = _concept_as_of(self.context, end)
            self._contexts[known] = replace(self.context, concept=drift, coming=(), unknown=())
        return self._contexts[known]

    def _context_now(self) -> VerdictContext:
        """Return the context, with the concept drift that was detected by the end of the newest window."""
        concept = _concept_as_of(self.context, self._ends[-1] if self._ends else 0)
        return self.context if concept is self.context.concept else replace(self.context, concept=concept)


def _last_degradation(rows: Sequence[Row], block: int | None = None) -> LastDegradation | None:
    """Return the newest degradation of rows before a block; None without one."""
    degraded = (row for row in reversed(rows[:block]) if row.state == "degraded" and row.since is not None)
    row = next(degraded, None)
    if row is None or row.since is None:
        return None
    earliest = next((one.since_earliest for one in row.findings), None)
    return LastDegradation(row.since, row.end, earliest if earliest is not None and earliest < row.since else None)


def _concept_as_of(context: VerdictContext, end: int) -> ConceptDrift | None:
    return None if context.concept is None else context.concept.as_of(end)


def _detections(context: VerdictContext) -> list[int]:
    return [] if context.concept is None else context.concept.detections()


def _episodes_of(rows: Sequence[Row]) -> list[Episode]:
    episodes = list[Episode]()
    for state, of_state in groupby(rows, key=lambda row: row.state):
        same = [*of_state]
        if episodes:
            # the begin of `unknown` is that of the newest window
            ended, began = episodes[-1], same[0 if state == "unknown" else -1].since
            follows = began is not None and (ended.since is None or began > ended.since)
            episodes[-1] = replace(ended, until=began if follows else ended.last)
        episodes.append(Episode(state, same[-1].since, same[0].end, same[-1].end))
    return episodes


def _with_track_records(windows: Sequence[Evaluation]) -> list[Evaluation]:
    """Return windows with the track records of their estimates, each by the earlier windows of its length."""
    by_name: dict[str, list[Evaluation]] = {}
    for one in windows:
        by_name.setdefault(one.window.name, []).append(one)
    recorded: Mapping[int, Evaluation] = {
        id(one): found
        for of_name in by_name.values()
        for one, found in zip(of_name, with_current_records(of_name), strict=True)
    }
    return [recorded[id(one)] for one in windows]


NO_RECORD = Record(())
"""That of no windows."""
