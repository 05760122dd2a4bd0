"""What was acknowledged is read by everyone, in order, after any end; what is lost is counted, and nothing else is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Any

import pytest
from driftline.semconv import metrics as m
from driftline_processor.health import Counters
from driftline_processor.log import request_log, segments
from driftline_processor.log.entry_format import FOR_DESTINATIONS, MAGIC, Entry, encode
from driftline_processor.log.request_log import LogLimits, Reader, RequestLog
from driftline_processor.log.segments import UnknownFormat
from driftline_processor.receipts import Overloaded, StorageOutage

from tests.support.facts import lacking
from tests.support.otlp_peers import counted
from tests.support.waiting import wait_until

SMALL = LogLimits(size=4_000, age=1e9, segment=1_000)
BODY = 220
"""Bytes of a request; four fill a file of SMALL."""


@contextmanager
def opened(
    folder: Path,
    limits: LogLimits = SMALL,
    at_least: int = 0,
    clock: Callable[[], int] = lambda: 0,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[RequestLog, Counters]]:
    counters = Counters()
    log = RequestLog(folder, counters, clock, limits, at_least, tidy_every=0.01, monotonic=monotonic)
    try:
        yield log, counters
    finally:
        log.stop()


def entry(name: str, received: int = 0) -> Entry:
    return Entry("traces", name.encode().ljust(BODY), received, readers=FOR_DESTINATIONS)


def append(log: RequestLog, *names: str) -> list[int]:
    return [log.append(entry(name)).result(60) for name in names]


def names(log: RequestLog, position: int = 0) -> list[str]:
    found = list[str]()
    while position < log.end:
        read = log.read(position, 1 << 20)
        assert read.following > position
        found += [stored.entry.body.decode().strip() for stored in read.stored]
        position = read.following
    return found


def everything(reader: Reader, log: RequestLog) -> list[str]:
    return names(log, reader.position)


def numbered(n: int) -> list[str]:
    return [f"r{number}" for number in range(n)]


def test_what_was_acknowledged_is_there_after_a_restart_and_goes_on_behind_it(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.reader("slow", 0)
        log.start()
        positions = append(log, *numbered(10))
        assert len(list(tmp_path.glob("*.log"))) == 3
    with opened(tmp_path) as (log, counters):
        slow = log.reader("slow", 0)
        log.start()
        assert everything(slow, log) == numbered(10)
        (more,) = append(log, "more")
        assert more > positions[-1]
        assert names(log, more) == ["more"]
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == 0


def test_each_reader_goes_on_where_it_was_and_waits_for_no_other(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        quick, slow = log.reader("quick"), log.reader("slow")
        log.start()
        positions = append(log, *numbered(6))
        quick.move(positions[4])
        slow.move(positions[1])
    with opened(tmp_path) as (log, _):
        assert everything(log.reader("quick"), log) == ["r4", "r5"]
        assert everything(log.reader("slow"), log) == numbered(6)[1:]
        assert everything(log.reader("new"), log) == []


def test_a_file_goes_when_everyone_has_read_it_and_not_before(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        quick, slow = log.reader("quick"), log.reader("slow")
        log.start()
        positions = append(log, *numbered(10))
        quick.move(log.end)
        time.sleep(0.1)
        assert len(list(tmp_path.glob("*.log"))) == 3
        slow.move(positions[5])
        wait_until(lambda: len(list(tmp_path.glob("*.log"))) == 2)
        assert everything(slow, log) == numbered(10)[5:]


def test_a_file_that_everyone_has_read_goes_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "IDLE", 0.0)
    with opened(tmp_path) as (log, _):
        reader = log.reader("all")
        log.start()
        append(log, "a")
        reader.move(log.end)
        wait_until(lambda: not list(tmp_path.glob("*.log")))
        append(log, "b")
        assert everything(reader, log) == ["b"]


# -- damage: what Prometheus' log of samples lists, and more ----------------------------------------------------------


def written(folder: Path, n: int = 10) -> list[int]:
    """Fill a log, whose reader has read nothing, and return the positions."""
    with opened(folder) as (log, _):
        log.reader("slow", 0)
        log.start()
        return append(log, *numbered(n))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def change(path: Path, at: int, value: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(value)


def add(path: Path, value: bytes) -> None:
    with path.open("ab") as file:
        file.write(value)


@pytest.mark.parametrize(
    "torn",
    [
        b"\0",
        bytes(4096),
        MAGIC,
        encode(entry("torn"))[:-1],
        encode(entry("torn"))[:31],
        encode(entry("torn"), salt=1),
        os.urandom(5000),
    ],
    ids=["a byte", "zeros", "magic", "cut body", "cut head", "checksum", "noise"],
)
def test_a_torn_end_is_cut_off_and_what_follows_is_read(tmp_path: Path, torn: bytes) -> None:
    written(tmp_path)
    add(files(tmp_path)[-1], torn)
    with opened(tmp_path) as (log, counters):
        reader = log.reader("slow", 0)
        log.start()
        append(log, "after")
        assert everything(reader, log) == [*numbered(10), "after"]
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == 0  # nobody was told that it was kept


@pytest.mark.parametrize("at", [0, 5, 9, 13, 20, 30, 100], ids=lambda at: f"byte {at}")
@pytest.mark.parametrize("file", [0, 1])
def test_a_damaged_entry_costs_itself(tmp_path: Path, file: int, at: int, caplog: pytest.LogCaptureFixture) -> None:
    positions = written(tmp_path)
    size = positions[1] - positions[0]
    path = files(tmp_path)[file]
    place = 16 + size + at
    change(path, place, bytes([path.read_bytes()[place] ^ 0xFF]))  # some entries have a time: it may be any byte
    lost = int(path.stem) // size + 1
    with opened(tmp_path) as (log, counters):
        reader, other = log.reader("slow", 0), log.reader("other", 0)
        expected = [name for number, name in enumerate(numbered(10)) if number != lost]
        assert everything(reader, log) == everything(other, log) == expected
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == size  # once, though two have read it
    assert lacking(caplog.text, "log:", f"{path.name}", "damaged", f"{size}") == []


def test_a_missing_file_costs_its_requests(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(tmp_path)
    gone = files(tmp_path)[1]
    size = gone.stat().st_size - 16
    gone.unlink()
    with opened(tmp_path) as (log, counters):
        assert everything(log.reader("slow", 0), log) == [*numbered(10)[:4], *numbered(10)[8:]]
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == size
    assert "are missing" in caplog.text


@pytest.mark.parametrize("head", [b"", b"DRIFT", bytes(16), b"DRIFTLG\0" + bytes(8)])
def test_a_file_without_its_head_costs_its_requests(tmp_path: Path, head: bytes) -> None:
    written(tmp_path)
    path = files(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(head + whole[16:] if len(head) == 16 else head)
    with opened(tmp_path) as (log, counters):
        reader = log.reader("slow", 0)
        log.start()
        append(log, "after")
        assert everything(reader, log) == [*numbered(10)[4:], "after"]
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == len(whole) - 16


def test_a_file_that_is_shorter_than_it_was_costs_what_is_missing(tmp_path: Path) -> None:
    positions = written(tmp_path)
    size = positions[1] - positions[0]
    os.truncate(files(tmp_path)[0], 16 + 2 * size + 7)
    with opened(tmp_path) as (log, counters):
        assert everything(log.reader("slow", 0), log) == [*numbered(10)[:2], *numbered(10)[4:]]
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == 2 * size


def test_a_log_that_is_gone_goes_on_behind_the_cursor_of_the_analysis(tmp_path: Path) -> None:
    with opened(tmp_path, at_least=12_345) as (log, _):
        reader = log.reader("analysis", 12_345)
        log.start()
        assert append(log, "a") == [12_345]
        assert everything(reader, log) == ["a"]


@pytest.mark.parametrize("cursor", [b"", b"\xff" * 16, bytes(7)])
def test_a_damaged_cursor_begins_at_the_oldest(tmp_path: Path, cursor: bytes) -> None:
    written(tmp_path)
    (tmp_path / "cursors" / "slow").write_bytes(cursor)
    with opened(tmp_path) as (log, _):
        assert everything(log.reader("slow"), log) == numbered(10)


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    written(tmp_path)
    change(files(tmp_path)[0], 7, b"\x02")
    with pytest.raises(UnknownFormat, match="written by a newer version of driftline"):
        RequestLog(tmp_path, Counters())


def test_an_empty_file_at_the_end_is_no_fault(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / f"{99_999:020d}.log").write_bytes(b"")
    with opened(tmp_path) as (log, counters):
        reader = log.reader("slow", 0)
        log.start()
        append(log, "after")
        assert everything(reader, log) == [*numbered(10), "after"]
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == 0


# -- a disk that fails ------------------------------------------------------------------------------------------------


class Disk:
    """Fails when told to, at the named call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call: str, error: int) -> None:
        self.failing, self._error = False, error
        self._real = getattr(os, call)
        monkeypatch.setattr(os, call, self._call)

    def _call(self, file: int, *rest: Any) -> object:
        if self.failing:
            if rest:  # some of it is in the file
                self._real(file, [b"".join(rest[0])[:50]], *rest[1:])
            raise OSError(self._error, os.strerror(self._error))
        return self._real(file, *rest)


@pytest.mark.parametrize(("call", "error"), [("pwritev", ENOSPC), ("fdatasync", EIO)])
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str, error: int
) -> None:
    disk = Disk(monkeypatch, call, error)
    with opened(tmp_path, LogLimits(1 << 20, 1e9, 1 << 18)) as (log, counters):
        reader = log.reader("slow", 0)
        log.start()
        append(log, "a", "b")
        disk.failing = True
        for _ in range(3):
            with pytest.raises(StorageOutage, match=os.strerror(error)):
                append(log, "refused")
        outage = str(log.outage)
        assert lacking(outage, "storage.directory:", str(tmp_path), os.strerror(error)) == []
        assert everything(reader, log) == ["a", "b"]
        disk.failing = False
        wait_until(lambda: log.outage is None)  # though nobody sends
        append(log, "c")
        assert everything(reader, log) == ["a", "b", "c"]
    assert [record.getMessage() for record in caplog.records] == [
        f"driftline: {outage}",
        f"driftline: storage.directory: writing to {tmp_path} works again",
    ]
    with opened(tmp_path) as (log, counters):
        assert everything(log.reader("slow", 0), log) == ["a", "b", "c"]
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == 0


def test_what_was_written_but_not_synced_is_not_there_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, "fdatasync", EIO)
    log = RequestLog(tmp_path, Counters(), lambda: 0, SMALL, tidy_every=1e9)  # stops before it tries the disk again
    log.start()
    append(log, "a")
    disk.failing = True
    with pytest.raises(StorageOutage):
        append(log, "refused")
    log.stop()
    disk.failing = False
    with opened(tmp_path) as (log, _):
        assert names(log) == ["a"]  # the sender of the other request repeats it


def test_a_new_file_that_cannot_be_made_is_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failing = segments.create, [True]

    def create(folder: Path, first: int) -> object:
        if failing:
            raise OSError(ENOSPC, "No space left on device")
        return real(folder, first)

    monkeypatch.setattr(request_log, "create", create)
    with opened(tmp_path) as (log, _):
        log.start()
        with pytest.raises(StorageOutage):
            append(log, "a")
        failing.clear()
        assert append(log, "b") == [0]


# -- limits -----------------------------------------------------------------------------------------------------------


def test_a_destination_that_is_too_far_behind_loses_its_oldest_and_they_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as (log, counters):
        quick, slow = log.reader("quick"), log.reader("otlp/slow", on_full="drop_oldest")
        log.start()
        for name in numbered(40):
            append(log, name)
            quick.move(log.end)
        wait_until(lambda: log.size <= SMALL.size)
        kept = everything(slow, log)
        assert kept == numbered(40)[-len(kept) :]
        assert 4 <= len(kept) < 20
        assert counted(counters, m.DRIFTLINE_FORWARD_DROPPED_REQUESTS) == 40 - len(kept)
    assert lacking(caplog.text, "otlp/slow:") == []


def test_a_reader_that_may_lose_nothing_makes_senders_wait(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, counters):
        analysis = log.reader("analysis", 0)
        log.start()
        sent = list[str]()

        def send() -> None:
            for name in numbered(200):
                append(log, name)
                sent.append(name)
                time.sleep(0.001)

        with pytest.raises(Overloaded, match="the log is full because analysis is lagging"):
            send()
        assert everything(analysis, log) == sent
        analysis.move(log.end)
        wait_until(lambda: log._refusing is None)
        append(log, "goes on")
        assert everything(analysis, log) == ["goes on"]
        assert counted(counters, m.DRIFTLINE_FORWARD_DROPPED_REQUESTS) == 0


def test_what_is_too_old_for_a_destination_is_dropped(tmp_path: Path) -> None:
    now = [0]
    limits = LogLimits(size=1 << 20, age=60.0, segment=1_000)
    with opened(tmp_path, limits, clock=lambda: now[0]) as (log, counters):
        slow = log.reader("otlp/slow", on_full="drop_oldest")
        log.start()
        append(log, *numbered(8))
        now[0] = 61 * 10**9
        for name in ("new", "newer"):
            log.append(entry(name, now[0])).result(60)
        wait_until(lambda: counted(counters, m.DRIFTLINE_FORWARD_DROPPED_REQUESTS) > 0)
        kept = everything(slow, log)
        assert kept[-2:] == ["new", "newer"]
        assert counted(counters, m.DRIFTLINE_FORWARD_DROPPED_REQUESTS) + len(kept) == 10


def test_what_is_appended_after_the_end_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.start()
    with pytest.raises(Overloaded):
        log.append(entry("late"))


def test_what_waits_to_be_written_has_a_limit_of_bytes(tmp_path: Path) -> None:
    part = bytes(request_log.WAITING_BYTES // 4)
    with opened(tmp_path, LogLimits(1 << 40, 1e9, 1 << 40), monotonic=lambda: 0.0) as (log, _):
        log.reader("slow", 0)
        waiting = [log.append(Entry("traces", part, 0)) for _ in range(4)]
        with pytest.raises(Overloaded):
            log.append(Entry("traces", b"x", 0))
        log.start()
        assert [future.result(60) for future in waiting] == sorted(future.result() for future in waiting)
        assert append(log, "after")[0] > waiting[-1].result()


def test_an_erased_entry_is_read_by_nobody_and_its_neighbours_are(tmp_path: Path) -> None:
    written(tmp_path)
    with opened(tmp_path) as (log, counters):
        reader = log.reader("slow", 0)
        log.erase(log.read(0, 1 << 20).stored[2])
        assert everything(reader, log) == ["r0", "r1", *numbered(10)[3:]]
        assert b"r2 " not in files(tmp_path)[0].read_bytes()
    with opened(tmp_path) as (log, counters):
        assert everything(log.reader("slow", 0), log) == ["r0", "r1", *numbered(10)[3:]]
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == 0


# -- the writer ends by no error --------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["encoded", "_write_all", "groups"])
def test_an_error_of_any_kind_refuses_what_is_at_hand_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: object) -> Any:
        raise MemoryError("no room")

    with opened(tmp_path) as (log, _):
        log.reader("slow", 0)
        log.start()
        with monkeypatch.context() as broken:
            if part == "groups":
                broken.setattr(RequestLog, "_turn", fail)
            else:
                broken.setattr(request_log, part, fail)
            with pytest.raises(StorageOutage, match="no room"):
                log.append(entry("a")).result(60)
        wait_until(lambda: is_appended(log, "b"))  # what was refused may count as unread until the log is tidied
        assert names(log) == ["b"]
        assert log.outage is None


def is_appended(log: RequestLog, name: str) -> bool:
    """Append a request; return whether it was accepted."""
    with suppress(StorageOutage):
        return bool(append(log, name))
    return False


def test_while_the_removal_of_a_file_hangs_senders_are_asked_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, hangs, go_on = [100.0], threading.Event(), threading.Event()

    def hang(_: Path) -> None:
        hangs.set()
        assert go_on.wait(60)

    with opened(tmp_path, monotonic=lambda: now[0]) as (log, _):
        reader = log.reader("otlp_http/a")
        log.start()
        append(log, *numbered(8))
        monkeypatch.setattr(request_log, "sync_folder", hang)
        reader.move(log.end)
        assert hangs.wait(60)
        first = log.append(entry("first"))
        now[0] += 2.9
        second = log.append(entry("second"))
        now[0] += 0.2
        with pytest.raises(Overloaded):
            log.append(entry("third"))
        go_on.set()
        assert second.result(60) > first.result(60)
        assert append(log, "fourth") == [log.end - (second.result() - first.result())]


def test_large_requests_do_not_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_GROUP_BYTES", 3 * BODY)
    groups = list[int]()
    put = RequestLog._put

    def count(log: RequestLog, segment: segments.Segment, parts: list[bytes]) -> None:
        groups.append(len(parts))
        put(log, segment, parts)

    monkeypatch.setattr(RequestLog, "_put", count)
    with opened(tmp_path) as (log, _):
        log.reader("slow", 0)
        waiting = [log.append(entry(name)) for name in numbered(7)]
        log.start()
        assert [future.result(60) for future in waiting] == sorted(future.result() for future in waiting)
        assert groups == [3, 3, 1]
        assert names(log) == numbered(7)


def test_a_large_body_is_kept_as_it_came(tmp_path: Path) -> None:
    large = os.urandom(300_000)
    with opened(tmp_path) as (log, _):
        log.reader("slow", 0)
        log.start()
        after = [log.append(Entry("traces", body, 0)) for body in (b"a", large, b"b")]
        assert [future.result(60) for future in after]
        assert [stored.entry.body for stored in log.read(0, 1 << 20).stored] == [b"a", large, b"b"]


def test_who_waits_for_a_block_is_woken_when_it_is_full_and_not_by_each_request(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.reader("analysis", 0)
        log.start()
        looks = list[int]()

        def look() -> bool:
            looks.append(log.end)
            return False

        waiting = threading.Thread(target=lambda: log.wait_for(10 * BODY, unless=look))
        waiting.start()
        wait_until(lambda: looks == [0])
        append(log, *numbered(5))
        assert looks == [0]
        append(log, *numbered(5))
        waiting.join(60)
        assert not waiting.is_alive()


def test_senders_that_were_answered_share_the_next_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_MOST_GATHER", 1e6)
    monkeypatch.setattr(request_log, "_GATHER_PART", 1e-9)
    syncing, go_on, groups = threading.Event(), threading.Event(), list[int]()
    put = RequestLog._put

    def held_put(log: RequestLog, segment: Any, parts: Any) -> None:
        groups.append(len(parts))
        syncing.set()
        assert go_on.wait(60)
        put(log, segment, parts)

    monkeypatch.setattr(RequestLog, "_put", held_put)
    with opened(tmp_path) as (log, _):
        log.reader("slow", 0)
        log.start()
        first = log.append(entry("a"))
        assert syncing.wait(60)
        more = [log.append(entry(name)) for name in "bc"]
        go_on.set()
        first.result(60)
        more.append(log.append(entry("d")))  # three were under way, so the group waits for the third
        for future in more:
            future.result(60)
        last = log.append(entry("e"))  # the others do not come again
        log.stop()  # waits for nobody
        last.result(0)
    assert groups == [1, 3, 1]
