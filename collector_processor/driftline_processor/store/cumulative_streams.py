"""The last point of each cumulative stream, so that only the increase of the next point counts.

Each point is appended as a row in the transaction of its increase; the newest row counts and the keeper deletes the
others. After kill -9 both are stored or neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
from driftline.semconv import metrics as m
from msgspec import Struct, field

from driftline_processor.core.decode.metric_points import Point
from driftline_processor.core.histogram import Histogram, increase, pack, unpack
from driftline_processor.core.windows.pane_shares import places
from driftline_processor.core.windows.window import PANE

from .database import Connection, insert, mark, number, read, set_mark

MOST_STREAMS = 50_000
"""Maximum number of streams, one kilobyte each; see :meth:`Streams._bound` for those that are removed beyond that."""

SILENT = 600 * 10**9
"""Nanoseconds of wall time without points after which a process is considered ended."""

_BEGAN, _FORGOTTEN, _EXPIRED = "streams_began", "streams_forgotten", "streams_expired"
"""Marks: time of the first export, and ends of the last streams removed by ingestion and by the keeper."""


class Holder(NamedTuple):
    """A model as a holder of streams.

    Attributes:
        declared: Whether the configuration names it.
    """

    declared: bool
    model: str


class LastPoint(NamedTuple):
    """The last point of a stream.

    Attributes:
        counter: True for ``ml.predictions``.
        counts: "" for delta points.
    """

    process: bytes
    series: int
    begin: int
    end: int
    received: int
    counter: bool
    counts: bytes


class Increase(Struct, frozen=True, eq=False):
    """The increase of a point: ``histogram`` counts predictions in ``(since, until]``, unix nanoseconds.

    Attributes:
        histogram: None if the point may contain counts from before observation; it is only the start of the next
            increase.
    """

    point: Point
    histogram: Histogram | None
    since: int
    until: int


_UNKNOWN = Holder(False, "")


class _New(Struct):
    """The rows to write in one transaction."""

    stream: list[bytes] = field(default_factory=list)
    last: list[LastPoint] = field(default_factory=list)
    since: list[int] = field(default_factory=list)


class Streams:
    """All known streams. One thread writes; any thread may call :meth:`reached`."""

    def __init__(
        self,
        connection: Connection,
        now: int,
        most: int = MOST_STREAMS,
        holders: Callable[[], Mapping[int, Holder]] = dict,
    ) -> None:
        """Read the streams.

        ``now``: unix nanoseconds, the start of observation if the store is new. ``holders``: returns the model of each
        series.
        """
        self._max_streams, self._unreadable, self._holders = most, connection.unreadable, holders
        self._began = mark(connection, _BEGAN)
        if not self._began:
            self._began = now
            _raise_mark(connection, _BEGAN, now)
        self._forgotten = max(mark(connection, _FORGOTTEN), mark(connection, _EXPIRED))
        self._forgotten_of: dict[int, int] = {}
        """Series → end of its last stream that was removed since the start."""
        newest = (
            "SELECT * FROM (SELECT * FROM streams QUALIFY row_number() OVER (PARTITION BY stream ORDER BY seq DESC) = 1"
            " ORDER BY seq DESC LIMIT ?) ORDER BY seq"
        )
        self._last: dict[bytes, LastPoint] = {}
        self._counters: dict[int, dict[bytes, LastPoint]] = {}
        self._before: dict[bytes, tuple[int, int]] = {}
        """Process → time of its last export and of the one before."""
        for row in read(connection, newest, most).to_pylist():
            columns = (row[name] for name in ("process", "series", "start", "stop", "received", "counter", "counts"))
            self._remember(row["stream"], LastPoint(*columns))
        self._before = {process: (ends[0], ends[0]) for process, ends in self._before.items()}
        self.seq = max(number(connection, "SELECT max(seq) FROM streams") or 0, mark(connection, "evaluated_points"))
        self._new = _New()

    def take(self, point: Point, series: int, now: int) -> Increase | None:
        """Return the increase of a point and store the point; None for a repeated or older one.

        A new cumulative stream counts from the last export of its process, because zero counts are not sent; else from
        its own start if that was observed; else its first point is only the starting point.
        """
        last = self._last.get(point.stream)
        if last is not None and point.end <= last.end:  # a delta that is out of order may still be new
            is_repeated = (point.begin, point.end) == (last.begin, last.end)
            if is_repeated or not point.delta:
                return None
        increase = self._delta(point) if point.delta else self._cumulative(point, last, series)
        if last is None or point.end > last.end:
            counts = b"" if point.delta else pack(point.histogram)
            counter = point.metric == m.ML_PREDICTIONS and not point.foreign
            last_point = LastPoint(
                process=point.process,
                series=series,
                begin=point.begin,
                end=point.end,
                received=now,
                counter=counter,
                counts=counts,
            )
            self._remember(point.stream, last_point)
            self._new.stream.append(point.stream)
            self._new.last.append(last_point)
            self._new.since.append(increase.since)
        return increase

    def _delta(self, point: Point) -> Increase:
        return Increase(point, point.histogram, point.begin or point.end, point.end)

    def _cumulative(self, point: Point, last: LastPoint | None, series: int) -> Increase:
        if last is not None:
            try:
                counted = unpack(last.counts, point.histogram)
            except Exception as error:  # the increase is unknown, so counting starts here
                self._unreadable.add("streams", {"series": last.series, "name": point.metric}, error)
                return Increase(point, None, last.end, point.end)
            grown = increase(point.histogram, counted)
            return Increase(point, point.histogram if grown is None else grown, last.end, point.end)
        before = self._before_this(point)
        forgotten = max(self._forgotten, self._forgotten_of.get(series, 0))
        if point.begin >= max(self._began - PANE, forgotten) or before > forgotten:
            return Increase(point, point.histogram, min(max(point.begin, before), point.end), point.end)
        return Increase(point, None, point.end, point.end)

    def _before_this(self, point: Point) -> int:
        """Return the time of the process's last export before this point's, 0 without any."""
        latest, before = self._before.get(point.process, (0, 0))
        return latest if latest < point.end else before

    def reached(self, series: int, now: int) -> int | None:
        """Return until when all processes have counted a series' predictions, in unix nanoseconds; None without any.

        Processes without points for :data:`SILENT` are ignored; if none is left, the pane of the last count is
        complete.
        """
        known_counters = self._counters.get(series)
        if not known_counters:
            return None
        lasts = list(known_counters.copy().values())
        alive = [last.end for last in lasts if now - last.received < SILENT]
        return min(alive) if alive else -(-max(last.end for last in lasts) // PANE) * PANE

    def write(self, connection: Connection) -> None:
        """Append the points of :meth:`take`, inside the caller's transaction."""
        new, self._new = self._new, _New()
        if not new.stream:
            return
        first = self.seq + 1
        self.seq += len(new.stream)
        rows = {
            "stream": pa.array(new.stream, pa.binary()),
            "process": pa.array([last.process for last in new.last], pa.binary()),
            "seq": list(range(first, self.seq + 1)),
            "series": pa.array([last.series for last in new.last], pa.int32()),
            "start": [last.begin for last in new.last],
            "since": new.since,
            "stop": [last.end for last in new.last],
            "received": [last.received for last in new.last],
            "counter": [last.counter for last in new.last],
            "counts": pa.array([last.counts for last in new.last], pa.binary()),
        }
        insert(connection, "streams", pa.table(rows))
        self._bound(connection)

    def _bound(self, connection: Connection) -> None:
        """Remove streams beyond the maximum, and note their end so that none is counted twice if it returns.

        First those of ended processes, the longest inactive ones first, then those of undeclared models, and of the
        models with the most streams: a sender with many streams must not stop the counting of other models.
        """
        if len(self._last) <= self._max_streams:
            return
        too_many = len(self._last) - self._max_streams + self._max_streams // 20  # 5 % more, so that this is rare
        holders, counts = self._holders(), Counter[Holder]()
        newest_first = sorted(self._last, key=lambda stream: -self._last[stream].received)
        now = self._last[newest_first[0]].received
        ranks: dict[bytes, tuple[bool, bool, int]] = {}
        for stream in newest_first:
            last = self._last[stream]
            holder = holders.get(last.series, _UNKNOWN)
            counts[holder] += 1
            silence = now - last.received
            ranks[stream] = (
                (True, False, silence) if silence >= SILENT else (False, not holder.declared, counts[holder])
            )
        removed = sorted(ranks, key=ranks.__getitem__, reverse=True)[:too_many]
        for stream in removed:
            last = self._last[stream]
            self._forgotten_of[last.series] = max(self._forgotten_of.get(last.series, 0), last.end)
        _raise_mark(connection, _FORGOTTEN, max(self._forgotten, *self._forgotten_of.values()))
        self._forget(removed)

    def _forget(self, streams: Collection[bytes]) -> None:
        for stream in streams:
            last = self._last.pop(stream)
            self._counters.get(last.series, {}).pop(stream, None)
        alive = {last.process for last in self._last.values()}
        self._before = {process: ends for process, ends in self._before.items() if process in alive}

    def _remember(self, stream: bytes, last: LastPoint) -> None:
        self._last[stream] = last
        latest, _ = self._before.get(last.process, (0, 0))
        if last.end > latest:
            self._before[last.process] = (last.end, latest)
        if last.counter:
            self._counters.setdefault(last.series, {})[stream] = last


def forget_old_streams(connection: Connection, oldest: int) -> None:
    """Delete superseded rows, and streams without points since ``oldest``."""
    connection.execute(
        "DELETE FROM streams AS s WHERE seq <= ? AND EXISTS"
        " (SELECT 1 FROM streams n WHERE n.stream = s.stream AND n.seq > s.seq)",
        [mark(connection, "evaluated_points")],
    )
    expired = number(connection, "SELECT max(stop) FROM streams WHERE received < ?", oldest)
    if expired is not None:
        set_mark(connection, _EXPIRED, max(expired, mark(connection, _EXPIRED)))
        connection.execute("DELETE FROM streams WHERE received < ?", [oldest])


def touched_since(connection: Connection, seq: int) -> Iterator[tuple[int, int]]:
    """Yield the series and panes that points after ``seq`` changed."""
    rows = read(connection, "SELECT DISTINCT series, since, stop FROM streams WHERE seq > ?", seq)
    for row in rows.to_pylist():
        for pane in places(row["since"], row["stop"])[0].tolist():
            yield row["series"], pane


def _raise_mark(connection: Connection, name: str, value: int) -> None:
    """Append a number that only grows; the maximum counts, so that no two threads replace the same row."""
    connection.execute("INSERT INTO meta VALUES (?, ?)", [name, value])
