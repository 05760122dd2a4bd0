"""The queue of windows that wait for an evaluation, in an order in which none starves.

There are three kinds. *Closing* windows get their final evaluation and come first. *Live* windows are open or ended
recently; each length has a deadline, and the window that is most overdue relative to its deadline comes next. *Past*
windows come from a backfill, late outcomes and corrections; they are evaluated in order of time, with round-robin over
series and lengths. Closing and live windows of tier 1 come before those of tiers 2 and 3, past ones after all of these.
While closing windows wait, one turn in ten goes to the live ones of their tier, and one in rotation to all lower tiers
and past windows.

An evaluated window rests: a live one for half of its deadline, a past one for a hundredth of its age. An open window
is due again when its rows or outcomes have grown by more than one percent, or after ten deadlines. When no window is
due and CPU is available (:class:`~driftline_processor.state.keeper.KeeperTurn`), resting windows are evaluated early,
and open windows with less growth after five seconds without new rows.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, islice
from typing import Literal, NamedTuple

import numpy as np
from driftline.tables.table import I64
from msgspec import Struct, field

from driftline_processor.core.windows.window import DAY, HOUR, PANE, Window, length
from driftline_processor.ingest.changes import PaneProgress
from driftline_processor.present.wording import duration

SECOND = 10**9

LONG = 60 * SECOND
"""Wait from which a delay is reported, or the deadline if that is longer."""

TOLD_FROM = 10 * SECOND
"""Minimum duration and remaining time of a backfill that is reported."""

DEADLINES = ((PANE, 10 * SECOND), (HOUR, 30 * SECOND), (DAY, 120 * SECOND), (7 * DAY, 600 * SECOND))
"""Length of windows → maximum wait: a thirtieth of five minutes, and a smaller fraction of longer windows."""

GROWTH = 0.01
"""Growth of an open window's rows or outcomes, as a fraction, above which it is evaluated again."""

LATEST = 10
"""Deadlines after which an open window with less growth is evaluated again."""

QUIET = 5 * SECOND
"""Time without new rows after which an open window with less growth may be evaluated early."""

MOST_REST = 600 * SECOND
"""Maximum rest of a past window: ten minutes, so that labels of a month ago are visible within that time."""

RECENT = HOUR
"""Minimum age at which an ended window stops being live, or its own length if that is longer.

Late rows and quick outcomes arrive by then.
"""

NEWEST = 2
"""Newest windows per series and length that are live at any age."""

TURNS = 10
"""Turns of which one goes to live windows of the first tier, and one to all lower tiers and past windows together."""

CHUNK = 16
"""Consecutive past windows of one series and length per turn, because neighbours share their reference."""

MOST_RESTING = 65_536
"""Maximum number of resting past windows, about 20 MB; further ones are evaluated as soon as they change."""

PUT_OFF = (10 * SECOND, 60 * SECOND, 600 * SECOND)
"""Increasing waits of a window that ran out of memory.

After the last one it is evaluated when it changes again, or after the next start.
"""

RATE_OVER = 300 * SECOND
"""Period over which the evaluation rate is measured."""

STEADY = 1.5
"""Maximum ratio of the rates of both halves of that period for which a remaining time is reported.

The error of the time is then at most 50 %. Short windows after long ones change the rate by a factor of ten.
"""

Kind = Literal["closing", "live", "past"]

TIERS = (1, 2, 3)
"""The tiers of models, most important first; models without a tier are in the last."""

Rank = tuple[int, Kind]
RANKS: tuple[Rank, ...] = (
    *((tier, kind) for tier in TIERS for kind in ("closing", "live")),
    *((tier, "past") for tier in TIERS),
)
"""The tiers and kinds of waiting windows, most urgent first."""


def deadline(name: str) -> int:
    """Return the maximum wait of windows of a name, in nanoseconds.

    It is interpolated linearly between the logarithms of :data:`DEADLINES`, and extrapolated beyond the last.

    >>> [deadline(name) // SECOND for name in ("5m", "15m", "1h", "12h", "1d", "1w", "1mo")]
    [10, 16, 30, 88, 120, 600, 1888]
    """
    long = length(name)
    index = min(max(bisect_left(DEADLINES, (long, 0)), 1), len(DEADLINES) - 1)
    (short, short_rest), (tall, late) = DEADLINES[index - 1], DEADLINES[index]
    return round(short_rest * math.exp(math.log(long / short) * math.log(late / short_rest) / math.log(tall / short)))


class Backlog(NamedTuple):
    """The windows that wait.

    Attributes:
        windows: Number of due windows.
        since: When the longest waiting window became due, unix nanoseconds; 0 without any.
        late: When the delay of live windows is reported, unix nanoseconds; 0 without any.
        resting: Number of changed windows that are not due yet.
        past: Number of ``windows`` from a backfill, late outcomes or corrections, which are not reported as late.
    """

    windows: int = 0
    since: int = 0
    late: int = 0
    resting: int = 0
    past: int = 0

    def pending_windows(self, now: int) -> int:
        """Return the number of windows whose evaluation is outdated: past ones, and late live ones."""
        return self.windows if self.is_long(now) else self.past

    def is_long(self, now: int) -> bool:
        """Return True if a live window has waited too long."""
        return bool(self.late) and now >= self.late

    @property
    def patience(self) -> int:
        """The maximum wait of the windows, in nanoseconds."""
        return max(0, self.late - self.since) if self.late else LONG


class Backfill(NamedTuple):
    """Progress of the evaluation of past windows.

    Attributes:
        judged: Windows evaluated since the backfill began.
        waiting: Windows that wait.
        since: When the backfill began, unix nanoseconds.
        rate: Recently evaluated windows per second; 0 if unknown or unsteady.
    """

    judged: int = 0
    waiting: int = 0
    since: int = 0
    rate: float = 0.0

    @property
    def remaining(self) -> int | None:
        """Nanoseconds until all are evaluated; None if the rate is unknown."""
        return round(self.waiting / self.rate * SECOND) if self.rate else None

    def is_long(self, now: int) -> bool:
        """Return True if the backfill lasts long enough to be reported."""
        left = self.remaining
        return bool(self.waiting) and now - self.since >= TOLD_FROM and (left is None or left >= TOLD_FROM)


class Counts(NamedTuple):
    """Numbers of rows and outcomes: in a window, or new since its evaluation."""

    rows: int = 0
    outcomes: int = 0

    def plus(self, more: Counts) -> Counts:
        """Return the sums."""
        return Counts(self.rows + more.rows, self.outcomes + more.outcomes)


NOTHING = Counts()
"""Neither rows nor outcomes."""


class _Place(NamedTuple):
    """A window of a series."""

    series: int
    name: str
    start: int


_Lane = tuple[int, str]
"""A series and a window name."""


class _Entry(Struct, eq=False):
    """A window that waits or rests.

    Attributes:
        touched: When it last changed, unix nanoseconds.
        due: When it becomes due, unix nanoseconds.
        round: The round in which it first changed.
        gained: New rows and outcomes of an open window with little growth.
        line: The queue in which it waits, None while it rests.
    """

    window: Window
    touched: int
    due: int
    round: int
    kind: Kind
    gained: Counts = NOTHING
    line: _Line | None = None


class _Line(Struct, eq=False):
    """Due windows of one tier, kind and name, the longest waiting first.

    Attributes:
        recent: True if they are open or ended recently; else they are the newest of a replay.
    """

    rank: Rank
    name: str
    recent: bool
    deadline: int
    entries: OrderedDict[_Place, _Entry] = field(default_factory=OrderedDict)

    @property
    def first(self) -> int | None:
        """When the first window became due, unix nanoseconds; None without any."""
        return next(iter(self.entries.values())).due if self.entries else None


_NONE: I64 = np.empty(0, np.int64)


class _PastWindows(Struct, eq=False):
    """Past windows of one series and name: starts and ends as int64 (n,); those before ``first`` are done."""

    since: int
    round: int
    starts: I64 = field(default_factory=_NONE.copy)
    ends: I64 = field(default_factory=_NONE.copy)
    first: int = 0
    added: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts) - self.first + len(self.added)

    def holds(self, start: int) -> bool:
        """Return True if the window with this start waits."""
        position = int(np.searchsorted(self.starts, start)) if len(self.starts) else 0
        return start in self.added or (
            self.first <= position < len(self.starts) and int(self.starts[position]) == start
        )

    def head(self) -> tuple[int, int]:
        """Return start and end of the oldest window."""
        if self.added:
            starts = np.concatenate([self.starts[self.first :], np.fromiter(self.added, np.int64, len(self.added))])
            ends = np.fromiter(self.added.values(), np.int64, len(self.added))
            order = np.argsort(starts, kind="stable")
            self.starts, self.ends = starts[order], np.concatenate([self.ends[self.first :], ends])[order]
            self.first, self.added = 0, {}
        return int(self.starts[self.first]), int(self.ends[self.first])

    def remove(self, start: int) -> None:
        """Remove a waiting window by its start, usually the oldest."""
        if self.head()[0] == start:
            self.first += 1
            return
        position = np.searchsorted(self.starts, start)
        self.starts, self.ends = np.delete(self.starts, position), np.delete(self.ends, position)


class WaitingWindows:
    """Waiting windows of all series. One thread writes; any thread may read the output of :meth:`publish`.

    Attributes:
        backlog: All waiting windows.
        backfill: Progress of the past windows.

    An hour and a day change; the hour comes first, because its deadline is shorter, and then rests:

    >>> waiting, now = WaitingWindows(), 365 * DAY
    >>> hour, day = Window("1h", now, now + HOUR), Window("1d", now, now + DAY)
    >>> waiting.add(1, day, now)
    >>> waiting.add(1, hour, now)
    >>> waiting.next(now + SECOND)[1].name
    '1h'
    >>> waiting.remove(1, hour, now + SECOND)
    >>> waiting.add(1, hour, now + 2 * SECOND)
    >>> waiting.next(now + 3 * SECOND)[1].name
    '1d'
    >>> waiting.remove(1, day, now + 3 * SECOND)
    >>> waiting.next(now + 4 * SECOND), waiting.next_resting(now + 4 * SECOND)[1].name
    (None, '1h')
    >>> waiting.next(now + 16 * SECOND)[1].name
    '1h'
    """

    def __init__(self, tier_of: Callable[[int], int | None] = lambda _: None) -> None:
        """Create an empty queue. ``tier_of``: returns the tier of a series, 1 to 3; None without one."""
        self._tier_of = tier_of
        self._entries: dict[_Place, _Entry] = {}
        self._lines: dict[tuple[Rank, str, bool], _Line] = {}
        self._resting: OrderedDict[_Place, _Entry] = OrderedDict()
        self._barely_grown: OrderedDict[_Place, _Entry] = OrderedDict()
        self._evaluated: dict[_Place, Counts] = {}
        self._due: list[tuple[int, _Place]] = []
        self._rests: dict[_Place, int] = {}
        self._rested: list[tuple[int, _Place]] = []
        self._put_off: dict[_Place, _Entry] = {}
        self._attempts: dict[_Place, int] = {}
        self._newest: dict[_Lane, list[int]] = {}
        self._past: dict[int, dict[str, _PastWindows]] = {}
        self._turns: dict[int, deque[_Lane]] = {tier: deque() for tier in TIERS}
        self._chunk = dict.fromkeys(TIERS, 0)
        self._past_windows = 0
        self._passed_over: dict[Rank, int] = dict.fromkeys(RANKS, 0)
        self._lower_passed_over = 0
        self._round = 0
        self._reached: dict[int, PaneProgress] = {}
        self._changed: set[int] = set()
        self._of_series: dict[int, dict[_Place, _Entry]] = {}
        self._by_series: dict[int, Backlog] = {}
        self._judged = 0
        self._past_since = 0
        self._marks: deque[tuple[int, int]] = deque()
        self.backlog, self.backfill = Backlog(), Backfill()
        self._first: dict[str, int | None] = {}

    def __len__(self) -> int:
        return len(self._entries) + self._past_windows

    def add(self, series: int, window: Window, now: int, closing: bool = False, gained: Counts | None = None) -> None:
        """Add a window, which may have to rest first; a window that already waits keeps its position.

        ``closing``: it closes now and does not rest. ``gained``: its new rows and outcomes, None for other changes.
        """
        if self._due and self._due[0][0] <= now:
            self._wake(now)  # keeps the queues in the order in which windows became due
        place = _Place(series, window.name, window.start)
        live = self._is_live(series, window, now)
        kind: Kind = "past" if not live else "closing" if closing and _is_recent(window, now) else "live"
        waiting_entry = self._entries.get(place)
        if waiting_entry is not None:
            if closing and (waiting_entry.line is None or waiting_entry.kind != kind):
                self._leave(place, waiting_entry)
                self._wait(place, waiting_entry, kind, now)
            elif place in self._barely_grown:
                self._grow(place, waiting_entry, gained, now)
            return
        lane = self._past.get(series, {}).get(window.name)
        if lane is not None and lane.holds(window.start):
            return
        due = now if closing else max(now, self._rests.get(place, 0))
        entry = _Entry(window, now, due, self._round, kind)
        if kind == "live" and gained is not None and self._is_barely_grown(place, gained):
            entry.gained, entry.due = gained, now + LATEST * deadline(place.name)
            self._set_resting(place, entry, self._barely_grown)
        elif due <= now:
            self._wait(place, entry, kind, now)
        else:
            self._set_resting(place, entry, self._resting)

    def _grow(self, place: _Place, entry: _Entry, gained: Counts | None, now: int) -> None:
        """Add new rows and outcomes to a window with little growth."""
        entry.gained, entry.touched = entry.gained.plus(gained or NOTHING), now
        if gained is not None and self._is_barely_grown(place, entry.gained):
            self._barely_grown.move_to_end(place)
            return
        self._leave(place, entry)
        entry.due = max(now, self._rests.get(place, 0))
        if entry.due <= now:
            self._wait(place, entry, entry.kind, now)
        else:
            self._set_resting(place, entry, self._resting)

    def _is_barely_grown(self, place: _Place, gained: Counts) -> bool:
        """Return True if an open window grew by at most one percent since its evaluation."""
        evaluated = self._evaluated.get(place)
        return evaluated is not None and all(
            more <= GROWTH * before for more, before in zip(gained, evaluated, strict=True)
        )

    def _set_resting(self, place: _Place, entry: _Entry, resting: dict[_Place, _Entry]) -> None:
        self._enter(place, entry)
        resting[place] = entry
        heapq.heappush(self._due, (entry.due, place))

    def put_off(self, series: int, window: Window, now: int) -> bool:
        """Postpone a window that ran out of memory, longer each time.

        Return False after the last attempt; then it is removed until it changes again.
        """
        place = _Place(series, window.name, window.start)
        attempt = self._attempts.get(place, 0)
        entry, lane = self._entries.get(place), self._past.get(series, {}).get(window.name)
        if entry is None:
            entry = _Entry(window, now, now, self._round if lane is None else lane.round, "past")
        self._take_out(place)
        if attempt >= len(PUT_OFF) or len(self._attempts) >= MOST_RESTING:
            self._let_rest(place, now + PUT_OFF[-1])
            return False
        self._attempts[place], entry.due = attempt + 1, now + PUT_OFF[attempt]
        self._set_resting(place, entry, self._put_off)
        return True

    def remove(
        self, series: int, window: Window, now: int, again: bool = True, evaluated: Counts | None = None
    ) -> None:
        """Remove an evaluated window and start its rest.

        ``again``: it was evaluated before. ``evaluated``: rows and outcomes of an open window; None for a closed one.
        """
        place = _Place(series, window.name, window.start)
        self._attempts.pop(place, None)
        self._evaluated.pop(place, None)
        past = self._take_out(place) == "past"
        self._judged += past
        if past and (not again or len(self._rests) >= MOST_RESTING):
            return
        if not past and evaluated is not None:
            self._evaluated[place] = evaluated
        rest = min(MOST_REST, (now - window.start) // 100) if past else deadline(window.name) // 2
        self._let_rest(place, now + rest)

    def next(self, now: int) -> tuple[int, Window] | None:
        """Return the next window to evaluate with its series; None if none is due."""
        self._wake(now)
        waiting = {line.rank for line in self._lines.values() if line.entries}
        waiting |= {(tier, "past") for tier, turns in self._turns.items() if turns}
        ready = [rank for rank in RANKS if rank in waiting]
        if not ready:
            return None
        rank, *others = ready
        lower = [candidate for candidate in others if candidate[0] != rank[0] or candidate[1] == "past"]
        if lower and self._lower_passed_over >= TURNS - 1:
            rank = max(lower, key=self._passed_over.__getitem__)
        elif others and others[0] not in lower and self._passed_over[others[0]] >= TURNS - 1:
            rank = others[0]
        self._lower_passed_over = 0 if rank in lower else self._lower_passed_over + bool(lower)
        for candidate in ready:
            self._passed_over[candidate] = 0 if candidate == rank else self._passed_over[candidate] + 1
        return self._next_past(rank[0]) if rank[1] == "past" else self._next_of(rank, now)

    def next_resting(self, now: int, quiet: int = QUIET) -> tuple[int, Window] | None:
        """Return the window with the longest rest; one with little growth only after a time without new rows.

        ``quiet``: that time, in nanoseconds.
        """
        place, entry = next(chain(self._resting.items(), self._barely_grown.items()), (None, None))
        if place is None or entry is None or (place in self._barely_grown and now - entry.touched < quiet):
            return None
        return place.series, entry.window

    def following(self, series: int, window: Window, most: int) -> list[tuple[int, Window]]:
        """Return windows that may be evaluated together with the next one.

        For a past window these are the following windows of its series and name, else the windows behind it in its
        queue.

        Args:
            series: The series of the next window.
            window: The next window.
            most: Maximum number of windows.
        """
        place = _Place(series, window.name, window.start)
        entry = self._entries.get(place)
        if entry is not None:
            entries = {} if entry.line is None else entry.line.entries
            return [(other.series, other_entry.window) for other, other_entry in islice(entries.items(), 1, most + 1)]
        lane = self._past.get(series, {}).get(window.name)
        if lane is None or lane.head()[0] != window.start:
            return []
        after = slice(lane.first + 1, lane.first + 1 + min(most, CHUNK - 1 - self._chunk[self._tier(series)]))
        intervals = zip(lane.starts[after].tolist(), lane.ends[after].tolist(), strict=True)
        return [(series, Window(window.name, start, end)) for start, end in intervals]

    def begin_round(self, reached: PaneProgress) -> None:
        """Start a round with the position in the tables from which the following windows come."""
        if not len(self):
            self._reached.clear()  # only the newest finished round counts
        self._round += 1
        self._reached[self._round] = reached

    def cancel_round(self) -> None:
        """Cancel the last round, whose windows were not all added."""
        self._reached.pop(self._round, None)

    def finished(self) -> PaneProgress | None:
        """Return the position in the tables up to which everything is evaluated; None if unknown."""
        oldest = min((entry.round for entry in self._entries.values()), default=self._round + 1)
        oldest = min([oldest, *(lane.round for lanes in self._past.values() for lane in lanes.values())])
        finished_numbers = [number for number in self._reached if number < oldest]
        newest = self._reached[finished_numbers[-1]] if finished_numbers else None
        for number in finished_numbers:
            del self._reached[number]
        return newest

    def of(self, series: int) -> Backlog:
        """Return the backlog of a series at the last :meth:`publish`."""
        return self._by_series.get(series, Backlog())

    def oldest(self, series: int) -> int | None:
        """Return the start of the oldest waiting past window of a series (unix nanoseconds), None without any."""
        lanes = self._past.get(series, {}).values()
        off = (place.start for place, entry in self._put_off.items() if place.series == series and entry.kind == "past")
        return min(chain((lane.head()[0] for lane in lanes), off), default=None)

    def publish(self, now: int) -> None:
        """Publish the backlog of the series that changed to other threads."""
        self._wake(now)
        changed, self._changed = self._changed, set()
        if changed:
            by_series = dict(self._by_series)
            for series in changed:
                backlog = self._backlog_of(series)
                if backlog.windows or backlog.resting:
                    by_series[series] = backlog
                else:
                    by_series.pop(series, None)
            self._by_series = by_series
        everything = self._by_series.values()
        self.backlog = Backlog(
            sum(line.windows for line in everything),
            min((line.since for line in everything if line.windows), default=0),
            min((line.late for line in everything if line.late), default=0),
            sum(line.resting for line in everything),
            sum(line.past for line in everything),
        )
        first: dict[str, int | None] = dict.fromkeys(self._first)
        for line in self._lines.values():
            due, first_place = line.first if line.recent else None, first.get(line.name)
            first[line.name] = first_place if due is None else due if first_place is None else min(due, first_place)
        self._first = dict(sorted(first.items(), key=lambda item: length(item[0])))
        self.backfill = self._measured(now)

    def lags(self, now: int) -> dict[str, int]:
        """Return by window name how long the longest waiting window is overdue, in nanoseconds."""
        return lags_at(self._first, now)

    @property
    def first_due(self) -> Mapping[str, int | None]:
        """Window name → when the longest waiting window became due, unix nanoseconds; None without any."""
        return self._first

    def _measured(self, now: int) -> Backfill:
        """Return the progress of past windows, with the rate of the last minutes."""
        if not self._past_windows:
            self._judged, self._past_since = 0, 0
            self._marks.clear()
            return Backfill()
        self._past_since = self._past_since or now
        if len(self._marks) > 1 and (now == self._marks[-1][0] or now - self._marks[-2][0] < SECOND):
            self._marks.pop()  # one mark per second suffices
        self._marks.append((now, self._judged))
        while len(self._marks) > 2 and self._marks[1][0] <= now - RATE_OVER:
            self._marks.popleft()
        rate = _steady_rate(self._marks)
        return Backfill(self._judged, self._past_windows, self._past_since, rate)

    def _is_live(self, series: int, window: Window, now: int) -> bool:
        """Return True if a window is open, ended recently, or is one of the newest of its series and name.

        Windows that are live only as one of the newest become past windows when a newer one is added.
        """
        recent = _is_recent(window, now)
        newest = self._newest.setdefault((series, window.name), [])
        if window.start in newest:
            return True
        if len(newest) == NEWEST and window.start < newest[0]:
            return recent
        newest.append(window.start)
        newest.sort()
        if len(newest) > NEWEST:
            place = _Place(series, window.name, newest.pop(0))
            outdated = self._entries.get(place)
            if outdated is not None and outdated.kind == "live" and not _is_recent(outdated.window, now):
                self._leave(place, outdated)
                self._wait(place, outdated, "past", now)
        return window.start in newest or recent

    def _wait(self, place: _Place, entry: _Entry, kind: Kind, now: int) -> None:
        """Append a window to the queue of its kind."""
        entry.kind, entry.due = kind, min(entry.due, now)
        if kind == "past":
            self._add_past(place, entry)
            return
        self._enter(place, entry)
        recent = _is_recent(entry.window, now)
        rank = self._tier(place.series), kind
        line = self._lines.get((rank, place.name, recent))
        if line is None:
            rest = deadline(place.name) if recent else max(MOST_REST, deadline(place.name))
            line = self._lines[rank, place.name, recent] = _Line(rank, place.name, recent, rest)
        entry.line = line
        line.entries[place] = entry

    def _enter(self, place: _Place, entry: _Entry) -> None:
        self._entries[place] = entry
        self._of_series.setdefault(place.series, {})[place] = entry
        self._changed.add(place.series)

    def _leave(self, place: _Place, entry: _Entry) -> None:
        """Remove a window from its queue or its rest."""
        del self._entries[place]
        del self._of_series[place.series][place]
        self._changed.add(place.series)
        if entry.line is None:
            for resting in (self._resting, self._barely_grown, self._put_off):
                resting.pop(place, None)
        else:
            del entry.line.entries[place]
            entry.line = None

    def _take_out(self, place: _Place) -> Kind:
        """Remove a window from its queue or its rest; return its kind."""
        entry = self._entries.get(place)
        if entry is None:
            self._remove_past(place)
            return "past"
        self._leave(place, entry)
        return entry.kind

    def _let_rest(self, place: _Place, until: int) -> None:
        """Let a window rest if it changes before a time (unix nanoseconds)."""
        self._rests[place] = until
        heapq.heappush(self._rested, (until, place))

    def _wake(self, now: int) -> None:
        """Queue the windows whose rest has ended, in the order in which they became due."""
        while self._due and self._due[0][0] <= now:
            due, place = heapq.heappop(self._due)
            entry = self._entries.get(place)
            if entry is not None and entry.line is None and entry.due == due:
                self._leave(place, entry)
                self._wait(place, entry, entry.kind, due)
        while self._rested and self._rested[0][0] <= now:
            over, place = heapq.heappop(self._rested)
            if self._rests.get(place) == over:
                del self._rests[place]

    def _tier(self, series: int) -> int:
        return self._tier_of(series) or TIERS[-1]

    def _next_of(self, rank: Rank, now: int) -> tuple[int, Window]:
        """Return the window that is most overdue relative to its deadline; for closing ones the longest waiting."""

        def urgency(line: _Line) -> tuple[float, int]:
            waited = max(0, now - (line.first or now)) + SECOND  # short windows first among equally old ones
            return (waited if rank[1] == "closing" else waited / line.deadline), -line.deadline

        line = max((line for line in self._lines.values() if line.rank == rank and line.entries), key=urgency)
        place, entry = next(iter(line.entries.items()))
        return place.series, entry.window

    def _add_past(self, place: _Place, entry: _Entry) -> None:
        lanes = self._past.setdefault(place.series, {})
        lane = lanes.get(place.name)
        if lane is None:
            lane = lanes[place.name] = _PastWindows(entry.due, entry.round)
            self._turns[self._tier(place.series)].append(place[:2])
        if lane.holds(place.start):
            return
        lane.since, lane.round = min(lane.since, entry.due), min(lane.round, entry.round)
        lane.added[place.start] = entry.window.end
        self._past_windows += 1
        self._changed.add(place.series)

    def _next_past(self, tier: int) -> tuple[int, Window]:
        """Return the oldest window of the series and name that has the turn in its tier."""
        series, name = self._turns[tier][0]
        return series, Window(name, *self._past[series][name].head())

    def _remove_past(self, place: _Place) -> None:
        lane = self._past.get(place.series, {}).get(place.name)
        if lane is None or not lane.holds(place.start):
            return
        lane.remove(place.start)
        self._past_windows -= 1
        self._changed.add(place.series)
        tier = self._tier(place.series)
        turns = self._turns[tier]
        has_turn = turns[0] == place[:2]
        self._chunk[tier] += has_turn
        if not len(lane):
            del self._past[place.series][place.name]
            turns.remove(place[:2])
            self._chunk[tier] = 0 if has_turn else self._chunk[tier]
        elif self._chunk[tier] >= CHUNK:
            turns.rotate(-1)
            self._chunk[tier] = 0

    def _backlog_of(self, series: int) -> Backlog:
        windows = resting = past = 0
        since: list[int] = []
        late: list[int] = []
        for entry in self._of_series.get(series, {}).values():
            if entry.line is None:
                resting += 1
                continue
            windows += 1
            since.append(entry.due)
            late.append(entry.due + max(LONG, entry.line.deadline))
        for lane in self._past.get(series, {}).values():
            past += len(lane)
            since.append(lane.since)
        return Backlog(windows + past, min(since, default=0), min(late, default=0), resting, past)


def lags_at(first_due: Mapping[str, int | None], now: int) -> dict[str, int]:
    """Return by window name how long the longest waiting window is overdue at a time, in nanoseconds."""
    return {name: 0 if due is None else max(0, now - due) for name, due in first_due.items()}


def _steady_rate(marks: Sequence[tuple[int, int]]) -> float:
    """Return the evaluations per second; 0 if both halves of the time differ by more than :data:`STEADY`.

    Args:
        marks: Unix nanoseconds and the number of evaluations until then, oldest first.
    """
    middle = (marks[0][0] + marks[-1][0]) // 2
    between = min(marks, key=lambda mark: abs(mark[0] - middle))
    halves = [
        (count - before) * SECOND / (end - began) if end > began else 0.0
        for (began, before), (end, count) in ((marks[0], between), (between, marks[-1]))
    ]
    if not min(halves) or max(halves) > STEADY * min(halves):
        return 0.0
    (began, before), (end, count) = marks[0], marks[-1]
    return (count - before) * SECOND / (end - began)


def _is_recent(window: Window, now: int) -> bool:
    return window.end > now - max(RECENT, window.end - window.start)


def windows_wait(backlog: Backlog, now: int) -> str:
    """Return a sentence about the number of waiting windows and the longest wait.

    >>> windows_wait(Backlog(2, 0), 3600 * SECOND)
    '2 windows are waiting to be evaluated, the longest for 1h: pages about them do not include their newest rows yet'
    """
    waiting_text = "1 window is waiting" if backlog.windows == 1 else f"{backlog.windows:,} windows are waiting"
    pronoun, their = ("it", "its") if backlog.windows == 1 else ("them", "their")
    waited = duration(now - backlog.since)
    longest = f"for {waited}" if backlog.windows == 1 else f"the longest for {waited}"
    return f"{waiting_text} to be evaluated, {longest}: pages about {pronoun} do not include {their} newest rows yet"


def lags_sentence(lags: Mapping[str, int]) -> str:
    """Return a sentence about the delay per window length; "" without delay.

    >>> lags_sentence({"5m": 0, "1h": 95 * SECOND, "1d": 240 * SECOND})
    'windows of 1h are 1m35s late, of 1d 4m'
    """
    late = [(name, duration(lag)) for name, lag in lags.items() if lag >= SECOND]
    first, rest = late[:1], late[1:]
    return "".join(
        [*(f"windows of {name} are {lag} late" for name, lag in first), *(f", of {n} {lag}" for n, lag in rest)]
    )


def backfill_sentence(backfill: Backfill) -> str:
    """Return a sentence about the progress and the remaining time of a backfill.

    >>> backfill_sentence(Backfill(12_400, 37_600, 0, 209.0))
    'Catching up: 12,400 of 50,000 past windows evaluated, about 3 min left; results may change'
    """
    left = backfill.remaining
    time_left = "remaining time unknown" if left is None else f"about {_about(left)} left"
    judged_windows, total = backfill.judged, backfill.judged + backfill.waiting
    return f"Catching up: {judged_windows:,} of {total:,} past windows evaluated, {time_left}; results may change"


_STEPS = ((DAY, 2 * DAY, "days"), (HOUR, 2 * HOUR, "h"), (60 * SECOND, 90 * SECOND, "min"), (SECOND, 0, "s"))
"""Units of a rough duration: smallest length and word."""


def _about(nanoseconds: int) -> str:
    """Return a duration in its largest unit.

    >>> [_about(seconds * SECOND) for seconds in (0, 59, 200, 7_300, 400_000)]
    ['1 s', '59 s', '3 min', '2 h', '5 days']
    """
    unit, _, word = next(step for step in _STEPS if nanoseconds >= step[1])
    return f"{max(1, round(nanoseconds / unit)):,} {word}"
