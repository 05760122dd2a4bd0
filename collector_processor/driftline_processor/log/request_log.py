"""The log of accepted requests: one writer with one sync per group of requests, and independent readers.

    log = RequestLog(folder, counters)
    analysis = log.reader("analysis", 0)
    log.start()
    log.append(Entry("traces", body, now)).result()      # it is on disk
    found = analysis.wait(1 << 20)
    analysis.move(found.following)

A file is deleted when every reader has passed it. See ``adr/0037-log-first.md``.

Each reader has a cursor in a small file, which is written in place without sync: after a kill it is current, after a
power failure it may be older, and some requests are sent again. An unreadable cursor starts at the oldest entry.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

import xxhash
from driftline.semconv import attributes, metrics
from msgspec import Struct

from driftline_processor.deadline import NEVER, Deadline
from driftline_processor.expected_wait import GroupPace, groups_of, refuse_late
from driftline_processor.health import Counters
from driftline_processor.receipts import Overloaded, StorageOutage

from .acknowledged import FILE_NAME, AcknowledgedFile, AcknowledgedMark
from .entry_format import FOR_DESTINATIONS, Entry, FoundEntries, Stored, blank, encoded
from .gaps import LogGaps, times_around
from .segments import Segment, copy_segment, create, erase_entry, existing, last_sound, mend_head, sync_folder

_CURSOR = struct.Struct("<QQ")


class Cursors:
    """The cursors in one folder; one thread per reader may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, int] = {}

    def load(self, name: str, new: int) -> int:
        """Return the position of a reader; ``new`` for an unknown reader, 0 if its file is damaged."""
        try:
            content = (self._folder / _file_name(name)).read_bytes()
        except FileNotFoundError:
            return new
        if len(content) != _CURSOR.size:
            return 0
        position, checksum = _CURSOR.unpack(content)
        return int(position) if checksum == _checksum(position) else 0

    def save(self, name: str, position: int) -> None:
        """Write the position of a reader. Raises OSError."""
        if name not in self._open:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path = self._folder / _file_name(name)
            self._open[name] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.pwrite(self._open[name], _CURSOR.pack(position, _checksum(position)), 0)

    def remove(self, name: str) -> None:
        """Delete the position of a reader."""
        if (file := self._open.pop(name, None)) is not None:
            os.close(file)
        (self._folder / _file_name(name)).unlink(missing_ok=True)

    def furthest(self) -> int:
        """Return the largest position of all readers, also of those that are no longer configured."""
        return max(self.positions(), default=0)

    def positions(self) -> list[int]:
        """Return the positions of all readers, also of those that are no longer configured."""
        folder = self._folder
        return [self.load(unquote(path.name), 0) for path in folder.iterdir()] if folder.exists() else []

    def sync(self) -> None:
        """Sync the positions, before what they passed is deleted. Raises OSError."""
        for file in [*self._open.values()]:
            os.fdatasync(file)

    def close(self) -> None:
        """Close the files."""
        while self._open:
            os.close(self._open.popitem()[1])


def _file_name(name: str) -> str:
    return quote(name, safe="") or "%"


def _checksum(position: int) -> int:
    return xxhash.xxh3_64_intdigest(position.to_bytes(8, "little"))


_log = logging.getLogger("driftline")

OnFull = Literal["drop_oldest", "refuse"]
"""Whether a slow reader loses entries or new entries are rejected when the log is full."""

WAITING_BYTES = 64 << 20
"""Maximum bytes of requests that wait to be written; beyond it senders have to retry."""

TIDY_EVERY = 1.0
"""Seconds between checks for deletable files."""

IDLE = 60.0
"""Seconds after which a completely read file is replaced by a new one and deleted."""

ANALYSIS = "analysis"
"""The reader that decodes and stores; all others are destinations, whose names contain a slash."""

_GROUP = 256
"""Maximum number of requests per sync; a write has twice as many parts (the limit of Linux is 1,024)."""

_GROUP_BYTES = 8 << 20
"""Maximum bytes per sync, or one request; more would delay the others of the group."""

_GATHER_PART, _LEAST_GATHER, _MOST_GATHER = 2, 0.0002, 0.005
"""Fraction of the last group's time to wait for the next group, with minimum and maximum in seconds.

In this time answered senders return; otherwise two halves of them would alternate, with two syncs instead of one.
Timers are not accurate below the minimum; on a disk slower than the maximum all senders are waiting already.
"""

_SAID_EVERY = 60.0
"""Seconds between log lines about an outage."""

_PROBE = 64 << 10
"""Bytes of a blank with which a failed disk is tested."""


def resumed_at(stored: int, first: int, cursor: int) -> int:
    """Return where a reader that stores its position with its rows goes on.

    Entries without rows move its cursor alone, and are deleted when all readers have passed them.

    Args:
        stored: The position that was stored with the rows.
        first: Position of the oldest entry.
        cursor: The cursor of the reader.

    >>> resumed_at(40, 0, 70), resumed_at(40, 60, 70)
    (40, 70)
    """
    return stored if first <= stored else max(cursor, stored)


class LogLimits(Struct, frozen=True):
    """Limits of the log for slow readers.

    Attributes:
        size: Bytes of all files.
        age: Seconds since an entry was received.
        segment: Bytes per file.
    """

    size: int = 1 << 30
    age: float = 86_400.0
    segment: int = 64 << 20


class Reader:
    """Reads the log from its cursor. One thread reads; any thread may query its position.

    Attributes:
        name: Name of a destination, or "analysis".
        position: Position of the first unprocessed entry.
    """

    def __init__(self, log: RequestLog, name: str, position: int, on_full: OnFull) -> None:
        self.name, self.position, self.on_full = name, position, on_full
        self._log = log

    @property
    def unread_bytes(self) -> int:
        """Return the number of unread bytes."""
        return max(0, self._log.end - self.position)

    def wait(self, most: int, unless: Callable[[], bool] = lambda: False) -> FoundEntries:
        """Wait for entries after the cursor and return them; nothing if the log or the reader stops.

        Args:
            most: Maximum bytes; at least one entry is returned.
            unless: Return early if this returns True when the log is woken.
        """
        self._log.wait_for(self.position, unless=unless)
        return self._log.read(self.position, most)

    def ahead(self, position: int, most: int) -> FoundEntries:
        """Return the entries after a position without waiting; at least one if there is one."""
        return self._log.read(position, most)

    def gather(self, most: int, seconds: float, unless: Callable[[], bool]) -> None:
        """Wait until ``most`` bytes follow the cursor, at most for ``seconds``; see :meth:`wait`."""
        if seconds > 0:
            self._log.wait_for(self.position + most, seconds, unless)

    def wake(self) -> None:
        """Make :meth:`wait` check its condition again."""
        self._log.wake()

    def move(self, position: int) -> None:
        """Set the cursor; earlier entries may be deleted."""
        if position > self.position:
            self.position = position
            self._log.keep_cursor(self)


class RequestLog:
    """The log of one processor; call :meth:`start` before waiting for an entry, :meth:`stop` after the last.

    Args:
        folder: Folder of the files; created if missing.
        counters: Counters of damaged and dropped bytes.
        clock: Unix nanoseconds.
        limits: Limits of all files.
        at_least: Position up to which requests were acknowledged at least, as the state stored it.
        mark_copy: A second file for the position after the last acknowledged request, outside the folder.
        tidy_every: Seconds between clean-ups.
        monotonic: Monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        counters: Counters,
        clock: Callable[[], int] = time.time_ns,
        limits: LogLimits | None = None,
        at_least: int = 0,
        tidy_every: float = TIDY_EVERY,
        monotonic: Callable[[], float] = time.monotonic,
        mark_copy: Path | None = None,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._counters, self._clock = folder, counters, clock
        self._limits, self._tidy_every = limits or LogLimits(), tidy_every
        self._segments = existing(folder)
        self._writing = -1
        self._changed = threading.Lock()
        self._to_write = threading.Condition(self._changed)
        self._awaiting: dict[threading.Condition, int] = {}
        self._together = self._company = 1
        self._waiting: deque[tuple[Entry, Future[int], float]] = deque()
        self._waiting_bytes = 0
        self._monotonic, self._pace = monotonic, GroupPace(monotonic)
        self._under_way: Future[int] | None = None
        self._letting_go: list[Future[None]] = []
        self._readers: dict[str, Reader] = {}
        self.gaps = LogGaps(counters)
        self._kept = 0
        self._stopping = False
        self._refusing: str | None = None
        self.outage: str | None = None
        self._logged_at = -_SAID_EVERY
        self._quiet = False
        self._last_write = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="driftline-log", daemon=True)
        self._cursors = Cursors(folder / "cursors")
        self._acknowledged_file = AcknowledgedFile(folder, mark_copy)
        self._mark = self._acknowledged_file.load()
        self._end = max(at_least, self._mark.position if self._mark else 0, self._cursors.furthest())
        self._repair_end()

    # -- readers ------------------------------------------------------------------------------------------------------

    def reader(self, name: str, position: int | None = None, on_full: OnFull = "refuse") -> Reader:
        """Add a reader; one of the same name is replaced.

        Args:
            name: Name of its cursor.
            position: Position of a reader that stores it itself; entries before it may be deleted. Other new readers
                begin at the end.
            on_full: Whether it loses its oldest entries, or new entries are rejected, when the log is full.
        """
        position_read = self._cursors.load(name, self._end if position is None else position)
        if position is not None:
            position_read = resumed_at(position, self.first, position_read)
        reader = Reader(self, name, min(position_read, self._end), on_full)
        self._readers[name] = reader
        self.keep_cursor(reader)
        return reader

    def forget_reader(self, name: str) -> None:
        """Remove a reader and its cursor, so that entries are no longer kept for it."""
        self._readers.pop(name, None)
        self._cursors.remove(name)

    def keep_cursor(self, reader: Reader) -> None:
        """Write the cursor of a reader; it is optional for a reader that stores its own position."""
        with suppress(OSError):  # a few entries are read again after the next start
            self._cursors.save(reader.name, reader.position)

    @property
    def first(self) -> int:
        """Return the position of the oldest stored entry."""
        segments = self._segments
        return segments[0].first if segments else self._end

    @property
    def end(self) -> int:
        """Return the position after the last entry on disk."""
        return self._end

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(segment.size for segment in list(self._segments))

    @property
    def waiting(self) -> bool:
        """Return True if requests wait to be written."""
        return bool(self._waiting)

    def wait_for(self, position: int, seconds: float | None = None, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until an entry follows a position, the log stops, or :meth:`wake` finds ``unless`` true.

        Other requests do not wake the thread, because they are far more frequent than blocks of the analysis.
        """
        awaiting = threading.Condition(self._changed)
        with self._changed:
            self._awaiting[awaiting] = position
            try:
                awaiting.wait_for(lambda: self._end > position or self._stopping or unless(), seconds)
            finally:
                del self._awaiting[awaiting]

    def wake(self) -> None:
        """Make all waiting threads check their conditions again."""
        with self._changed:
            self._wake_all()

    def _wake_all(self) -> None:
        self._to_write.notify_all()
        for awaiting in self._awaiting:
            awaiting.notify()

    def read(self, position: int, most: int) -> FoundEntries:
        """Return entries from a position, at least one if there is one; damaged and missing bytes are counted."""
        end = self._end
        position = min(position, end)
        for segment in list(self._segments):
            if position < segment.first:
                self.gaps.add(position, segment.first, f"the files before {segment.path.name} are missing", 0, 0)
                position = segment.first
            if position < segment.end and position < end:
                try:
                    stored_requests = segment.find(position, most, end)
                except FileNotFoundError:
                    self.gaps.add(position, segment.end, f"{segment.path.name} is missing", 0, 0)
                    position = segment.end
                    continue
                for first, stop in stored_requests.gaps:
                    since, until = times_around(stored_requests.stored, first, stop)
                    reason = f"{segment.path.name} is damaged"
                    self.gaps.add(first, stop, reason, since, until or self._time_of_gap(stop))
                return stored_requests
        if position < self._missing:
            reason = f"the file with position {position:,} is missing or shorter than it was"
            self.gaps.add(position, self._missing, reason, 0, self._time_of_gap(self._missing))
        return FoundEntries([], end)

    def _time_of_gap(self, end: int) -> int:
        """Return when the last request of a gap was received, if the gap was the end of the log at the start."""
        return self._mark.received if self._mark is not None and self._mark.position == end else 0

    # -- the writer ---------------------------------------------------------------------------------------------------

    def append(self, entry: Entry, waited: float = 0.0) -> Future[int]:
        """Append a request; the future resolves with its position when it is on disk.

        Args:
            entry: The request.
            waited: Seconds that its sender has waited already.

        Raises:
            Overloaded: Its sender would wait too long, too much waits to be written, the log is full, or it is
                stopping.
            StorageOutage: The disk failed at the last request; one request per second is tried nevertheless.
        """
        future: Future[int] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            if self._stopping or (self._waiting and self._waiting_bytes + len(entry.body) > WAITING_BYTES):
                raise Overloaded
            if self._thread.ident is not None and not self._thread.is_alive():
                raise StorageOutage("the thread that writes the log has ended; restart driftline")
            refuse_late(waited + self._expected_wait(len(entry.body)))
            if self._refusing is not None:
                raise StorageOutage(self._refusing)
            self._waiting.append((entry, future, self._monotonic()))
            self._waiting_bytes += len(entry.body)
            if len(self._waiting) >= self._together or self._waiting_bytes >= _GROUP_BYTES:
                self._to_write.notify()
        return future

    def _expected_wait(self, size: int) -> float:
        """Return the seconds until a request of ``size`` bytes would be on disk; 0 if nothing is before it.

        At least the wait of the oldest request, because the writer may hang outside a group, for instance while it
        deletes a file.
        """
        left = self._pace.left
        if not self._waiting and not left:
            return 0.0
        waiting, total_bytes = len(self._waiting) + 1, self._waiting_bytes + size
        usual = left + self._pace.seconds(groups_of(waiting, _GROUP, total_bytes, _GROUP_BYTES), total_bytes)
        return max(usual, self._monotonic() - self._waiting[0][2]) if self._waiting else usual

    def flush(self, seconds: float) -> None:
        """Wait until all earlier requests are on disk or rejected, at most for ``seconds``."""
        with self._changed:
            last = self._waiting[-1][1] if self._waiting else self._under_way
        if last is not None:
            wait([last], seconds)

    def start(self) -> None:
        """Start the writer."""
        self._count(list(self._readers.values()))
        self._thread.start()

    def stop(self, deadline: Deadline = NEVER) -> None:
        """Write waiting requests, wake the readers, and close the files."""
        with self._changed:
            self._stopping = True
            self._wake_all()
        if self._thread.ident is not None:
            self._thread.join(deadline.timeout)
        with self._changed:
            left = list(self._waiting)
            self._waiting.clear()
        for _, future, _ in left:
            future.set_exception(Overloaded())
        if self._thread.is_alive():
            return
        self._cursors.close()
        self._acknowledged_file.close()
        for segment in self._segments:
            segment.close()
        self._seal()

    def _run(self) -> None:
        """Write waiting requests until the log stops; an error fails only the current requests."""
        self._tidied = time.monotonic()
        going = True
        while going:
            group, letting_go = self._next()
            try:
                going = self._turn(group, letting_go)
            except Exception as error:
                _log.exception("the request log could not be written; the writer continues to run")
                with self._changed:
                    self._pace.give_up()
                self._refuse([future for _, future in group], f"a request could not be written ({error})")
                self._refuse(letting_go, f"old files of the log could not be removed ({error})")
                # 0.1: seconds until the writer retries after an error
                time.sleep(0.1)

    def _next(self) -> tuple[list[tuple[Entry, Future[int]]], list[Future[None]]]:
        """Wait for work; return the next group, and the futures that wait for deleted files."""
        with self._changed:
            left = max(0.0, self._tidied + self._tidy_every - time.monotonic())
            self._to_write.wait_for(lambda: self._waiting or self._letting_go or self._stopping, left)
            self._gather()
            letting_go, self._letting_go = self._letting_go, []
            group: list[tuple[Entry, Future[int]]] = []
            size = 0
            while self._waiting and len(group) < _GROUP:
                following = len(self._waiting[0][0].body)
                if group and size + following > _GROUP_BYTES:
                    break
                group.append(self._waiting.popleft()[:2])
                size += following
            self._waiting_bytes -= size
            self._under_way = group[-1][1] if group else None
            if group:
                self._pace.begin(size)
            return group, letting_go

    def _gather(self) -> None:
        """Wait briefly for as many requests as were answered with the last group; the lock is held."""
        seconds = min(self._pace.seconds(1, 0) / _GATHER_PART, _MOST_GATHER)
        if not self._waiting or len(self._waiting) >= self._company or seconds < _LEAST_GATHER:
            return
        self._together = self._company
        self._to_write.wait_for(
            lambda: (
                len(self._waiting) >= self._company
                or self._waiting_bytes >= _GROUP_BYTES
                or self._letting_go
                or self._stopping
            ),
            seconds,
        )
        self._together = 1

    def _turn(self, group: list[tuple[Entry, Future[int]]], letting_go: list[Future[None]]) -> bool:
        """Write a group and clean up; return False if the log has stopped."""
        if group:
            self._write(group)
        for future in letting_go:
            self._answer(future)
        if self._stopping and not group:
            return False
        full = self._refusing is None and self.size >= self._limits.size
        if full or time.monotonic() - self._tidied >= self._tidy_every:
            self._tidied = time.monotonic()
            if self.outage is not None:
                self._probe()
            try:
                self._tidy()
            except Exception:
                _log.exception("old files of the log could not be removed; driftline will retry")
        return True

    def _write(self, group: list[tuple[Entry, Future[int]]]) -> None:
        """Append a group, sync it, and resolve its futures; if that fails, none of it is stored."""
        try:
            segment = self._room()
            entries = [encoded(entry, segment.salt) for entry, _ in group]
            position = segment.end
            self._put(segment, [part for parts in entries for part in parts])
        except Exception as error:
            self._fail(error, group)
            return
        with self._changed:
            self._pace.end()
            self._company = min(len(group) + len(self._waiting), _GROUP)
        self._last_write = time.monotonic()
        mark = AcknowledgedMark(segment.end, group[-1][0].received, segment.first, segment.salt)
        self._acknowledged_file.save(mark)
        for (_, future), parts in zip(group, entries, strict=True):
            future.set_result(position)
            position += sum(map(len, parts))

    def _put(self, segment: Segment, parts: Sequence[bytes]) -> None:
        """Append bytes to the current file, sync it, and publish them to readers. Raises OSError."""
        _write_all(self._writing, parts, segment.head + segment.size)
        os.fdatasync(self._writing)
        segment.end += sum(map(len, parts))
        with self._changed:
            self._end = segment.end
            for awaiting, position in self._awaiting.items():
                if self._end > position:
                    awaiting.notify()
        self._recover()

    def _room(self) -> Segment:
        """Return the file to append to, a new one if the last is full."""
        if self._writing < 0 or self._segments[-1].size >= self._limits.segment:
            self._seal()
            if self._segments and not self._segments[-1].size:
                self._segments.pop()  # the new file has the same name
            segment, self._writing = create(self._folder, self._end)
            self._segments.append(segment)
        return self._segments[-1]

    def _seal(self) -> None:
        writing, self._writing = self._writing, -1
        if writing >= 0:
            with suppress(OSError):  # a disk error may surface only here; acknowledged requests were synced
                os.close(writing)

    def _fail(self, error: Exception, group: list[tuple[Entry, Future[int]]]) -> None:
        """Reject a group that could not be written, and truncate its bytes in the file.

        After a failed sync the state of the file on disk is unknown, so it is not appended to again.
        """
        new = self.outage is None
        if isinstance(error, OSError):
            reason = f"{error.strerror or error}); free space on its disk, and driftline continues by itself"
        else:
            reason = f"{type(error).__name__}: {error}); driftline retries every second"
            _log.error("the log could not be written", exc_info=error)
        self.outage = f"storage.directory: {self._folder} cannot be written ({reason}"
        if new:
            self._quiet = time.monotonic() - self._logged_at < _SAID_EVERY
        if new and not self._quiet:
            self._logged_at = time.monotonic()
            _log.error("driftline: %s", self.outage)
        with self._changed:
            self._pace.give_up()
        if self._writing >= 0:
            segment = self._segments[-1]
            with suppress(OSError):
                os.ftruncate(self._writing, segment.head + segment.size)
            self._seal()
        self._refuse([future for _, future in group], self.outage)

    @staticmethod
    def _refuse(futures: Sequence[Future[int]] | Sequence[Future[None]], why: str) -> None:
        for future in futures:
            if not future.done():
                future.set_exception(StorageOutage(why))

    def _recover(self) -> None:
        """End an outage of the disk."""
        if self.outage is not None:
            self.outage = None
            if not self._quiet:
                _log.warning("driftline: storage.directory: writing to %s works again", self._folder)

    def _probe(self) -> None:
        """Write a blank after an outage, because no sender may use a processor that is not ready."""
        try:
            segment = self._room()
            self._put(segment, [blank(_PROBE, segment.salt)])
        except Exception as error:
            self._fail(error, [])

    def _repair_end(self) -> None:
        """Set the end of the log: after the last readable entry, or after the last acknowledged one if that is later.

        Unreadable bytes after the last acknowledged entry are removed. Acknowledged bytes that are unreadable or
        missing remain a gap, and new entries follow in a new file.
        """
        acknowledged = self._end
        while self._segments:
            segment = self._segments[-1]
            self._mend_head(segment)
            sound = last_sound(segment) if segment.head else segment.first
            if sound < segment.end:
                if sound < min(acknowledged, segment.end):
                    segment.end = min(acknowledged, segment.end)
                    break
                self._cut(segment, sound)
            if segment.size:
                break
            segment.close()
            self._segments.pop()
            segment.path.unlink(missing_ok=True)
        self._end = self._missing = max(acknowledged, self._segments[-1].end if self._segments else 0)

    def _mend_head(self, segment: Segment) -> None:
        mark = self._mark
        if not segment.head and segment.size and mark is not None and mark.first == segment.first:
            mend_head(segment, mark.salt)
            _log.warning("driftline: log: the head of %s was damaged; it is written again", segment.path.name)

    def _cut(self, segment: Segment, sound: int) -> None:
        """Remove the bytes after the last readable entry, of which none is known to be acknowledged."""
        name, size = segment.path.name, segment.end - sound
        if self._mark is not None:
            _log.info(
                "driftline: log: %s ends with an incomplete request (%s bytes) that was not acknowledged; "
                "the request is removed",
                name,
                f"{size:,}",
            )
        else:
            _log.warning(
                "driftline: log: %s ends with %s unreadable bytes, which are removed; the file log/%s is missing or "
                "damaged, so driftline cannot find out whether they were acknowledged",
                name,
                f"{size:,}",
                FILE_NAME,
            )
        if segment.head:
            os.truncate(segment.path, segment.head + sound - segment.first)
        segment.end = sound

    # -- copies -------------------------------------------------------------------------------------------------------

    @contextmanager
    def kept(self) -> Iterator[dict[str, int]]:
        """Delete no file within the block; yield the positions of all readers at its beginning."""
        with self._changed:
            self._kept += 1
            positions = {reader.name: reader.position for reader in self._readers.values()}
        try:
            yield positions
        finally:
            with self._changed:
                self._kept -= 1

    def copy_to(self, folder: Path, positions: Mapping[str, int]) -> None:
        """Copy all entries that are on disk to a new folder, within :meth:`kept`. Raises OSError.

        Args:
            folder: The folder, which a log can be opened from.
            positions: Positions of the readers; entries before all of them are left out.
        """
        folder.mkdir(mode=0o700)
        end, segments = self._end, list(self._segments)
        needed = min(positions.values(), default=0)
        cursors, received = Cursors(folder / "cursors"), self._clock()
        for name, position in positions.items():
            cursors.save(name, position)
        cursors.close()
        mark = AcknowledgedMark(end, received)
        for segment in segments:
            if needed < segment.end and segment.first < end:
                copy_segment(segment, folder, end)
                mark = AcknowledgedMark(end, received, segment.first, segment.salt)
        file = AcknowledgedFile(folder)
        file.save(mark)
        file.close()

    # -- deletion -----------------------------------------------------------------------------------------------------

    def _tidy(self) -> None:
        """Delete files that every reader has read or that exceed the limits; update whether there is room."""
        readers = list(self._readers.values())
        needed = min((reader.position for reader in readers), default=self._end)
        if needed >= self._end and self._writing >= 0 and time.monotonic() - self._last_write >= IDLE:
            self._seal()
        self._remove_before(needed)
        while not self._kept and self._beyond_limits():
            following = self._segments[0].end
            behind = [reader for reader in readers if reader.position < following]
            if not behind or any(reader.on_full == "refuse" for reader in behind):
                break
            for reader in behind:
                self._drop(reader, following)
            self._remove_before(following)
        slow = max(readers, key=lambda reader: reader.unread_bytes, default=None)
        full = slow is not None and slow.unread_bytes > 0 and self.size >= self._limits.size
        self._refusing = f"the log is full because {slow.name} is lagging" if slow is not None and full else None
        self._count(readers)

    def _beyond_limits(self) -> bool:
        if len(self._segments) < 2:
            return False
        if self.size > self._limits.size:
            return True
        oldest = self._segments[1].find(self._segments[1].first, 1, self._end).stored  # all earlier entries are older
        return bool(oldest) and self._clock() - oldest[0].entry.received > self._limits.age * 1e9

    def _drop(self, reader: Reader, following: int) -> None:
        """Move a reader forward, and count the bytes that it loses."""
        lost: Counter[str] = Counter()
        position = reader.position
        while position < following:
            stored_requests = self.read(position, 4 << 20)
            lost.update(
                stored.entry.signal
                for stored in stored_requests.stored
                if stored.position < following
                and stored.entry.readers & FOR_DESTINATIONS
                and stored.entry.to in ("", reader.name)
            )
            position = stored_requests.following if stored_requests.following > position else following
        reader.move(following)
        for signal, requests in lost.items():
            labels = {attributes.DRIFTLINE_DESTINATION: reader.name, attributes.DRIFTLINE_SIGNAL: signal}
            self._counters.add(metrics.DRIFTLINE_FORWARD_DROPPED_REQUESTS, requests, labels)
        if lost:
            _log.warning(
                "%s: is too far behind the incoming requests; its oldest %s requests are dropped",
                reader.name,
                f"{lost.total():,}",
            )

    def _remove_before(self, position: int) -> None:
        """Delete files that end before a position, except the current one."""
        removed = False
        while not self._kept and self._segments and self._segments[0].end <= position:
            if len(self._segments) == 1 and self._writing >= 0:
                break
            if not removed:
                self._cursors.sync()
            segment = self._segments.pop(0)
            segment.path.unlink(missing_ok=True)
            segment.close()
            removed = True
        if removed:
            sync_folder(self._folder)

    def _count(self, readers: list[Reader]) -> None:
        self._counters.set(metrics.DRIFTLINE_LOG_SIZE, self.size)
        for reader in readers:
            if reader.name == ANALYSIS:
                self._counters.set(metrics.DRIFTLINE_ANALYSIS_QUEUE_SIZE, reader.unread_bytes)
            else:
                labels = {attributes.DRIFTLINE_DESTINATION: reader.name}
                self._counters.set(metrics.DRIFTLINE_FORWARD_QUEUE_SIZE, reader.unread_bytes, labels)

    def _answer(self, future: Future[None]) -> None:
        try:
            self._let_go()
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    def let_go(self) -> None:
        """Start a new file, so that completely read files are deleted now."""
        if not self._thread.is_alive():
            self._let_go()
            return
        future: Future[None] = Future()
        with self._changed:
            self._letting_go.append(future)
            self._to_write.notify()
        future.result()

    def _let_go(self) -> None:
        self._seal()
        self._tidy()

    def erase(self, stored: Stored) -> None:
        """Overwrite an entry with a blank."""
        for segment in list(self._segments):
            if segment.first <= stored.position < segment.end:
                erase_entry(segment, stored.position, stored.following - stored.position)
                return


def _write_all(file: int, parts: Sequence[bytes], offset: int) -> None:
    written_bytes = os.pwritev(file, parts, offset)
    total_bytes = sum(map(len, parts))
    while written_bytes < total_bytes:
        left = b"".join(parts)[written_bytes:]
        written_bytes += os.pwrite(file, left, offset + written_bytes)


def travelling(headers: Mapping[str, str], names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Return the headers of these names, in order.

    >>> travelling({"Tenant": "a", "accept": "x"}, frozenset(["tenant"]))
    (('tenant', 'a'),)
    """
    return tuple(sorted((name.lower(), value) for name, value in headers.items() if name.lower() in names))
