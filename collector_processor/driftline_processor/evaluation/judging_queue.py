"""The windows that wait to be evaluated, and which of them is next: fair, so that none ever starves.

Three kinds wait in lines of their own. *Closing* windows get their last answer: they come first. *Live* windows are
open or have ended lately; each length has a deadline, and whichever has waited longest for its deadline comes next.
*Past* windows are those of a backfill, of late outcomes and of corrections; they come in the order of time, and every
series and length has its turn. Of ten turns one belongs to each kind that waits behind a more urgent one.

An evaluated window rests: it is due again after one hundredth of its length at the earliest, or of its age where it is
past. It may come earlier where nothing else is due and there is CPU to spare, see :mod:`.keeper_turn`.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
from driftline.tables.table import I64
from msgspec import Struct, field

from driftline_processor.core.windows.window import DAY, HOUR, PANE, Window, length
from driftline_processor.ingest.changes import PaneProgress

from .backlog import LONG, SECOND, Backfill, Backlog

DEADLINES = ((PANE, 10 * SECOND), (HOUR, 30 * SECOND), (DAY, 120 * SECOND), (7 * DAY, 600 * SECOND))
"""Length of windows → how long one may wait: a thirtieth of five minutes, and less and less of a longer window."""

RESTS = 100
"""A window rests for one part in so many of its length: what comes meanwhile is one hundredth of its rows."""

MOST_REST = 600 * SECOND
"""A past window rests for ten minutes at most: labels of a month ago are shown within that time, too."""

RECENT = HOUR
"""A window is live until it ended an hour ago, or its own length ago: late rows and quick outcomes fall in that."""

NEWEST = 2
"""Windows of a series and length that count as live however old they are: the newest and the one before it."""

TURNS = 10
"""Of so many turns one belongs to each kind of windows that waits behind a more urgent one."""

CHUNK = 16
"""Past windows of one series and length that are evaluated in a row: neighbours share what they are compared with."""

MOST_RESTING = 65_536
"""Past windows that rest at most, some 20 MB; with more, they are evaluated as soon as they are touched."""

PUT_OFF = (10 * SECOND, 60 * SECOND, 600 * SECOND)
"""How long a window waits for which there was no memory, each time longer: what took the memory has ended by then.

After the last of them it is tried when it is touched again, and at the next start.
"""

RATE_OVER = 300 * SECOND
"""How fast windows are judged is measured over the last five minutes."""

STEADY = 1.5
"""How many times as fast one half of that time may be as the other, for the time that is left to be told: the error of
the time is then at most a half, and short windows after long ones change the rate ten times over."""

Kind = Literal["closing", "live", "past"]
KINDS: tuple[Kind, ...] = ("closing", "live", "past")
"""The kinds of waiting windows, the most urgent first."""


def deadline(name: str) -> int:
    """Return how long windows of a name may wait (nanoseconds).

    Between the lengths of :data:`DEADLINES` it lies on a straight line through the logarithms of both, which goes on
    beyond the last one.

    >>> [deadline(name) // SECOND for name in ("5m", "15m", "1h", "12h", "1d", "1w", "1mo")]
    [10, 16, 30, 88, 120, 600, 1888]
    """
    long = length(name)
    index = min(max(bisect_left(DEADLINES, (long, 0)), 1), len(DEADLINES) - 1)
    (short, short_rest), (tall, late) = DEADLINES[index - 1], DEADLINES[index]
    return round(short_rest * math.exp(math.log(long / short) * math.log(late / short_rest) / math.log(tall / short)))


class _Place(NamedTuple):
    """A window of a series."""

    series: int
    name: str
    start: int


_Lane = tuple[int, str]
"""A series and the name of its windows."""


class _Entry(Struct, eq=False):
    """A window that waits or rests.

    Attributes:
        touched: When it was first touched since its last evaluation, unix nanoseconds.
        due: From when on it is to be evaluated, unix nanoseconds.
        round: The round in which it was first touched.
        line: The line in which it waits, None while it rests.
    """

    window: Window
    touched: int
    due: int
    round: int
    kind: Kind
    line: _Line | None = None


class _Line(Struct, eq=False):
    """Windows of one kind and name that are due, the longest waiting first.

    Attributes:
        recent: They are open or have ended lately; else they are the newest of a replay.
    """

    kind: Kind
    name: str
    recent: bool
    deadline: int
    entries: OrderedDict[_Place, _Entry] = field(default_factory=OrderedDict)

    @property
    def first(self) -> int | None:
        """From when on the first is due, unix nanoseconds; None without any."""
        return next(iter(self.entries.values())).due if self.entries else None


_NONE: I64 = np.empty(0, np.int64)


class _PastWindows(Struct, eq=False):
    """Past windows of one series and name: starts and ends as int64 (n,), those before ``first`` are done."""

    since: int
    round: int
    starts: I64 = field(default_factory=_NONE.copy)
    ends: I64 = field(default_factory=_NONE.copy)
    first: int = 0
    added: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts) - self.first + len(self.added)

    def holds(self, start: int) -> bool:
        """Return True where the window that begins there waits."""
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
        """Take out the window that begins there, which waits: mostly the oldest, any other of a lost order."""
        if self.head()[0] == start:
            self.first += 1
            return
        position = np.searchsorted(self.starts, start)
        self.starts, self.ends = np.delete(self.starts, position), np.delete(self.ends, position)


class WaitingWindows:
    """Windows of all series. One thread uses it; any may read what :meth:`publish` has told.

    Attributes:
        backlog: All that waits.
        backfill: How far the past is judged.

    An hour and a day are touched; the hour comes first, since its deadline is nearer. It rests then:

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
    >>> waiting.next(now + 4 * SECOND), waiting.next(now + 4 * SECOND, early=True)[1].name
    (None, '1h')
    >>> waiting.next(now + 37 * SECOND)[1].name
    '1h'
    """

    def __init__(self) -> None:
        self._entries: dict[_Place, _Entry] = {}
        self._lines: dict[tuple[Kind, str, bool], _Line] = {}
        self._resting: OrderedDict[_Place, _Entry] = OrderedDict()
        self._due: list[tuple[int, _Place]] = []
        self._rests: dict[_Place, int] = {}
        self._rested: list[tuple[int, _Place]] = []
        self._put_off: dict[_Place, _Entry] = {}
        self._attempts: dict[_Place, int] = {}
        self._away: dict[_Place, _Entry] = {}
        self._newest: dict[_Lane, list[int]] = {}
        self._past: dict[int, dict[str, _PastWindows]] = {}
        self._turns: deque[_Lane] = deque()
        self._chunk = 0
        self._past_windows = 0
        self._passed_over: dict[Kind, int] = dict.fromkeys(KINDS, 0)
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
        return len(self._entries) + self._past_windows + len(self._away)

    def add(self, series: int, window: Window, now: int, closing: bool = False) -> None:
        """Let a window wait since ``now``, or rest before; one that waits already goes on waiting.

        ``closing``: it closes now, so it does not rest.
        """
        if self._due and self._due[0][0] <= now:
            self._wake(now)  # so that lines are in the order in which windows became due
        place = _Place(series, window.name, window.start)
        live = self._is_live(series, window, now)
        kind: Kind = "past" if not live else "closing" if closing and _is_recent(window, now) else "live"
        waiting_entry = self._entries.get(place)
        if waiting_entry is not None:
            if closing and (waiting_entry.line is None or waiting_entry.kind != kind):
                self._leave(place, waiting_entry)
                self._wait(place, waiting_entry, kind, now)
            return
        lane = self._past.get(series, {}).get(window.name)
        if lane is not None and lane.holds(window.start):
            return
        due = now if closing else max(now, self._rests.get(place, 0))
        entry = _Entry(window, now, due, self._round, kind)
        if due <= now:
            self._wait(place, entry, kind, now)
            return
        self._enter(place, entry)
        self._resting[place] = entry
        heapq.heappush(self._due, (due, place))

    def put_off(self, series: int, window: Window, now: int) -> bool:
        """Say that there was no memory to evaluate a window, so that it waits for a while, each time longer.

        Return False where it has been tried often enough: it no longer waits, until it is touched again.
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
        self._enter(place, entry)
        self._put_off[place] = entry
        heapq.heappush(self._due, (entry.due, place))
        return True

    def hand_over(self, series: int, window: Window) -> None:
        """Let those after a window be next while somebody judges it, until :meth:`remove` or :meth:`take_back`."""
        place = _Place(series, window.name, window.start)
        entry, lane = self._entries.get(place), self._past.get(series, {}).get(window.name)
        if entry is None:
            since, number = (0, self._round) if lane is None else (lane.since, lane.round)
            entry = _Entry(window, since, since, number, "past")
        self._take_out(place)
        self._away[place] = entry

    def take_back(self, series: int, window: Window, now: int) -> None:
        """Let a window wait again that was handed over, and that nobody has judged."""
        self._take_back(_Place(series, window.name, window.start), now)

    def take_all_back(self, now: int) -> None:
        """Let all windows wait again that were handed over, and that nobody has judged."""
        for place in list(self._away):
            self._take_back(place, now)

    def remove(self, series: int, window: Window, now: int, again: bool = True) -> None:
        """Say that a window was evaluated, so that it rests. ``again``: it had been evaluated before."""
        place = _Place(series, window.name, window.start)
        self._attempts.pop(place, None)
        past = self._take_out(place) == "past"
        self._judged += past
        if past and (not again or len(self._rests) >= MOST_RESTING):
            return
        rest = min(MOST_REST, (now - window.start) // RESTS) if past else (window.end - window.start) // RESTS
        self._let_rest(place, now + rest)

    def next(self, now: int, early: bool = False) -> tuple[int, Window] | None:
        """Return the window that is to be evaluated next, with its series; None where none is due.

        ``early``: then that of the resting ones that was touched first.
        """
        self._wake(now)
        ready = [kind for kind in KINDS if self._has(kind)]
        if not ready:
            if not early or not self._resting:
                return None
            place, entry = next(iter(self._resting.items()))
            return place.series, entry.window
        kind = next(
            (candidate for candidate in reversed(ready[1:]) if self._passed_over[candidate] >= TURNS - 1), ready[0]
        )
        for candidate in ready:
            self._passed_over[candidate] = 0 if candidate == kind else self._passed_over[candidate] + 1
        return self._next_past() if kind == "past" else self._next_of(kind, now)

    def following(self, series: int, window: Window, most: int) -> list[Window]:
        """Return past windows that may be evaluated together with the next one, those of its name that follow it.

        None where it is no past window, and none as long as a more urgent one waits: then each has its turn.

        Args:
            series: The series of the next window.
            window: The next window.
            most: How many may be returned.
        """
        lane = self._past.get(series, {}).get(window.name)
        if lane is None or lane.head()[0] != window.start or any(self._has(kind) for kind in KINDS if kind != "past"):
            return []
        after = slice(lane.first + 1, lane.first + 1 + min(most, CHUNK - 1 - self._chunk))
        intervals = zip(lane.starts[after].tolist(), lane.ends[after].tolist(), strict=True)
        return [Window(window.name, start, end) for start, end in intervals]

    def begin_round(self, reached: PaneProgress) -> None:
        """Say how far the tables had come with what is added from now on."""
        if not len(self):
            self._reached.clear()  # of rounds that are over only the newest counts
        self._round += 1
        self._reached[self._round] = reached

    def cancel_round(self) -> None:
        """Say that not all was added that the last round was to add: nothing has come as far as it."""
        self._reached.pop(self._round, None)

    def finished(self) -> PaneProgress | None:
        """Return how far the tables had come with all that has been evaluated; None where that is not known."""
        entries = chain(self._entries.values(), self._away.values())
        oldest = min((entry.round for entry in entries), default=self._round + 1)
        oldest = min([oldest, *(lane.round for lanes in self._past.values() for lane in lanes.values())])
        finished_numbers = [number for number in self._reached if number < oldest]
        newest = self._reached[finished_numbers[-1]] if finished_numbers else None
        for number in finished_numbers:
            del self._reached[number]
        return newest

    def of(self, series: int) -> Backlog:
        """Return what waits of a series, as of the last :meth:`publish`."""
        return self._by_series.get(series, Backlog())

    def oldest(self, series: int) -> int | None:
        """Return where the oldest past window of a series begins that waits (unix nanoseconds), None without any."""
        lanes = self._past.get(series, {}).values()
        off = (place.start for place, entry in self._put_off.items() if place.series == series and entry.kind == "past")
        return min(chain((lane.head()[0] for lane in lanes), off), default=None)

    def publish(self, now: int) -> None:
        """Let other threads see what waits: of the series of which something has changed."""
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
        """Return by name of windows how long the longest waiting has been due, in nanoseconds; of those of now."""
        return lags_at(self._first, now)

    @property
    def first_due(self) -> Mapping[str, int | None]:
        """Name of windows → since when the longest waiting has been due, unix nanoseconds; None where none waits."""
        return self._first

    def _measured(self, now: int) -> Backfill:
        """Return how far the past is judged, with the rate of the last minutes."""
        if not self._past_windows:
            self._judged, self._past_since = 0, 0
            self._marks.clear()
            return Backfill()
        self._past_since = self._past_since or now
        if len(self._marks) > 1 and (now == self._marks[-1][0] or now - self._marks[-2][0] < SECOND):
            self._marks.pop()  # a mark a second is enough
        self._marks.append((now, self._judged))
        while len(self._marks) > 2 and self._marks[1][0] <= now - RATE_OVER:
            self._marks.popleft()
        rate = _steady_rate(self._marks)
        return Backfill(self._judged, self._past_windows, self._past_since, rate)

    def _is_live(self, series: int, window: Window, now: int) -> bool:
        """Return True where a window is open or has ended lately, or is one of the newest of its series and name.

        Of those that are live for being the newest, older ones go to the past when a newer one comes.
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
        """Put a window into the line of its kind, at its end."""
        entry.kind, entry.due = kind, min(entry.due, now)
        if kind == "past":
            self._add_past(place, entry)
            return
        self._enter(place, entry)
        recent = _is_recent(entry.window, now)
        line = self._lines.get((kind, place.name, recent))
        if line is None:
            rest = deadline(place.name) if recent else max(MOST_REST, deadline(place.name))
            line = self._lines[kind, place.name, recent] = _Line(kind, place.name, recent, rest)
        entry.line = line
        line.entries[place] = entry

    def _enter(self, place: _Place, entry: _Entry) -> None:
        self._entries[place] = entry
        self._of_series.setdefault(place.series, {})[place] = entry
        self._changed.add(place.series)

    def _leave(self, place: _Place, entry: _Entry) -> None:
        """Take a window out of where it waits or rests."""
        del self._entries[place]
        del self._of_series[place.series][place]
        self._changed.add(place.series)
        if entry.line is None:
            self._resting.pop(place, None)
            self._put_off.pop(place, None)
        else:
            del entry.line.entries[place]
            entry.line = None

    def _take_back(self, place: _Place, now: int) -> None:
        entry = self._away.pop(place)
        self._wait(place, entry, entry.kind, now)

    def _take_out(self, place: _Place) -> Kind:
        """Take a window out of where it waits or rests; return its kind."""
        if (resting_entry := self._away.pop(place, None)) is not None:
            return resting_entry.kind
        entry = self._entries.get(place)
        if entry is None:
            self._remove_past(place)
            return "past"
        self._leave(place, entry)
        return entry.kind

    def _let_rest(self, place: _Place, until: int) -> None:
        """Let a window rest when it is touched before a time (unix nanoseconds)."""
        self._rests[place] = until
        heapq.heappush(self._rested, (until, place))

    def _wake(self, now: int) -> None:
        """Let those wait that have rested, in the order in which they became due; forget rests that are over."""
        while self._due and self._due[0][0] <= now:
            due, place = heapq.heappop(self._due)
            entry = self._resting.get(place) or self._put_off.get(place)
            if entry is not None and entry.due == due:
                self._leave(place, entry)
                self._wait(place, entry, entry.kind, due)
        while self._rested and self._rested[0][0] <= now:
            over, place = heapq.heappop(self._rested)
            if self._rests.get(place) == over:
                del self._rests[place]

    def _has(self, kind: Kind) -> bool:
        if kind == "past":
            return self._past_windows > 0
        return any(line.entries for line in self._lines.values() if line.kind == kind)

    def _next_of(self, kind: Kind, now: int) -> tuple[int, Window]:
        """Return the window that has waited longest for its deadline; of closing ones the longest waiting."""

        def urgency(line: _Line) -> tuple[float, int]:
            waited = max(0, now - (line.first or now)) + SECOND  # of those that came together the short ones first
            return (waited if kind == "closing" else waited / line.deadline), -line.deadline

        line = max((line for line in self._lines.values() if line.kind == kind and line.entries), key=urgency)
        place, entry = next(iter(line.entries.items()))
        return place.series, entry.window

    def _add_past(self, place: _Place, entry: _Entry) -> None:
        lanes = self._past.setdefault(place.series, {})
        lane = lanes.get(place.name)
        if lane is None:
            lane = lanes[place.name] = _PastWindows(entry.due, entry.round)
            self._turns.append(place[:2])
        if lane.holds(place.start):
            return
        lane.since, lane.round = min(lane.since, entry.due), min(lane.round, entry.round)
        lane.added[place.start] = entry.window.end
        self._past_windows += 1
        self._changed.add(place.series)

    def _next_past(self) -> tuple[int, Window]:
        """Return the oldest window of the series and name whose turn it is."""
        series, name = self._turns[0]
        return series, Window(name, *self._past[series][name].head())

    def _remove_past(self, place: _Place) -> None:
        lane = self._past.get(place.series, {}).get(place.name)
        if lane is None or not lane.holds(place.start):
            return
        lane.remove(place.start)
        self._past_windows -= 1
        self._changed.add(place.series)
        has_turn = self._turns[0] == place[:2]
        self._chunk += has_turn
        if not len(lane):
            del self._past[place.series][place.name]
            self._turns.remove(place[:2])
            self._chunk = 0 if has_turn else self._chunk
        elif self._chunk >= CHUNK:
            self._turns.rotate(-1)
            self._chunk = 0

    def _backlog_of(self, series: int) -> Backlog:
        """Return what waits of a series now."""
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
    """Return by name of windows how long the longest waiting has been due at a time, in nanoseconds."""
    return {name: 0 if due is None else max(0, now - due) for name, due in first_due.items()}


def _steady_rate(marks: Sequence[tuple[int, int]]) -> float:
    """Return what was judged a second; 0 where the two halves of the time differ by more than :data:`STEADY`.

    Args:
        marks: Unix nanoseconds, and how many were judged until then, the oldest first.
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
