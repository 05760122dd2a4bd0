"""A log that lacks acknowledged requests is a named gap, and nothing else is: the table of damages."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from driftline.semconv import metrics as m
from driftline_processor.health import Counters
from driftline_processor.log.acknowledged import FILE_NAME, AcknowledgedFile, AcknowledgedMark
from driftline_processor.log.entry_format import FOR_DESTINATIONS, Entry, encode
from driftline_processor.log.request_log import LogLimits, RequestLog

from tests.support.otlp_peers import counted

SIZE = 252
"""Bytes of an entry with its head; four are in a file, and ten in three files at 0, 1,008 and 2,016."""

FILES = ("00000000000000000000.log", "00000000000000001008.log", "00000000000000002016.log")
HEAD = 16
SECOND = 10**9


class LogOfTen(NamedTuple):
    log: RequestLog
    counters: Counters
    names: list[str]


def entry(number: int) -> Entry:
    return Entry("traces", f"r{number}".encode().ljust(220), number * SECOND, readers=FOR_DESTINATIONS)


@contextmanager
def opened(folder: Path, at_least: int = 0) -> Iterator[LogOfTen]:
    counters = Counters()
    limits = LogLimits(size=100_000, age=1e9, segment=1_000)
    log = RequestLog(folder, counters, lambda: 0, limits, at_least, tidy_every=0.01)
    reader, names, position = log.reader("slow", 0), list[str](), 0
    try:
        while position < log.end:
            found = reader.ahead(position, 1 << 20)
            assert found.following > position
            names += [stored.entry.body.decode().strip() for stored in found.stored]
            position = found.following
        yield LogOfTen(log, counters, names)
    finally:
        log.stop()


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """A log of ten acknowledged requests, received in the seconds 0 to 9."""
    with opened(tmp_path) as (log, _, _):
        log.start()
        assert [log.append(entry(number)).result(60) for number in range(10)] == [SIZE * n for n in range(10)]
    return tmp_path


def change(path: Path, at: int, value: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(value)


def move_mark(folder: Path, position: int) -> None:
    file = AcknowledgedFile(folder)
    file.save(AcknowledgedMark(position, 7 * SECOND, 2016, 0))
    file.close()


def remove(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).unlink()
    return folder


def add(folder: Path, content: bytes) -> None:
    with (folder / FILES[2]).open("ab") as file:
        file.write(content)


NEWEST = "the acknowledged requests in bytes"
KEPT = "are lost; all other requests are kept; if their senders still have them, send them again"
NOT_ACKNOWLEDGED = "ends with an incomplete request (251 bytes) that was not acknowledged; the request is removed"


class Damage(NamedTuple):
    """A damage, the numbers of the lost requests, and the sentence of the gap ("": no gap) or of the log."""

    hurt: Callable[[Path], object]
    lost: set[int]
    gap: str
    logged: str = ""
    bytes_lost: int | None = None


CASES = {
    "nothing": Damage(Path.exists, set(), ""),
    "torn last record that was not acknowledged": Damage(
        lambda folder: add(folder, encode(entry(10))[:-1]), set(), "", f"log: {FILES[2]} {NOT_ACKNOWLEDGED}"
    ),
    "torn last record that was acknowledged": Damage(
        lambda folder: os.truncate(folder / FILES[2], HEAD + 2 * SIZE - 1),
        {9},
        f"log: {FILES[2]} is damaged: {NEWEST} 2,268 to 2,519 (251 bytes), received from 1970-01-01T00:00:08Z, {KEPT}"
        f" (2 gaps, 252 bytes in all; see the log of driftline)",
        "log: the file with position 2,519 is missing or shorter than it was: the acknowledged requests in bytes "
        f"2,519 to 2,520 (1 bytes), received until 1970-01-01T00:00:09Z, {KEPT}",
        SIZE,
    ),
    "bad checksum at the end": Damage(
        lambda folder: change(folder / FILES[2], HEAD + SIZE + 24, b"\xee\xee"),
        {9},
        f"log: {FILES[2]} is damaged: {NEWEST} 2,268 to 2,520 (252 bytes), "
        f"received from 1970-01-01T00:00:08Z until 1970-01-01T00:00:09Z, {KEPT}",
    ),
    "bad body before the end": Damage(
        lambda folder: change(folder / FILES[2], HEAD + 100, b"\xee"),
        {8},
        f"log: {FILES[2]} is damaged: {NEWEST} 2,016 to 2,268 (252 bytes), received until 1970-01-01T00:00:09Z, {KEPT}",
    ),
    "bad length": Damage(
        lambda folder: change(folder / FILES[2], HEAD + 8, b"\xff\xff\xff\x00"),
        {8},
        f"log: {FILES[2]} is damaged: {NEWEST} 2,016 to 2,268 (252 bytes), received until 1970-01-01T00:00:09Z, {KEPT}",
    ),
    "bad head of the newest file": Damage(
        lambda folder: change(folder / FILES[2], 0, bytes(16)),
        set(),
        "",
        f"log: the head of {FILES[2]} was damaged; it is written again",
    ),
    "bad head of an older file": Damage(
        lambda folder: change(folder / FILES[1], 0, bytes(16)),
        {4, 5, 6, 7},
        f"log: {FILES[1]} is damaged: {NEWEST} 1,008 to 2,016 (1,008 bytes) {KEPT}",
    ),
    "newest file cut to nothing": Damage(
        lambda folder: os.truncate(folder / FILES[2], 0),
        {8, 9},
        "log: the file with position 2,016 is missing or shorter than it was: the acknowledged requests in bytes "
        f"2,016 to 2,520 (504 bytes), received until 1970-01-01T00:00:09Z, {KEPT}",
    ),
    "missing newest file": Damage(
        lambda folder: remove(folder, FILES[2]),
        {8, 9},
        "log: the file with position 2,016 is missing or shorter than it was: the acknowledged requests in bytes "
        f"2,016 to 2,520 (504 bytes), received until 1970-01-01T00:00:09Z, {KEPT}",
    ),
    "missing middle file": Damage(
        lambda folder: remove(folder, FILES[1]),
        {4, 5, 6, 7},
        f"log: the files before {FILES[2]} are missing: {NEWEST} 1,008 to 2,016 (1,008 bytes) {KEPT}",
    ),
    "all files missing": Damage(
        lambda folder: remove(folder, *FILES),
        set(range(10)),
        "log: the file with position 0 is missing or shorter than it was: the acknowledged requests in bytes "
        f"0 to 2,520 (2,520 bytes), received until 1970-01-01T00:00:09Z, {KEPT}",
    ),
    "missing side file": Damage(lambda folder: remove(folder, FILE_NAME), set(), ""),
    "missing side file and a torn last record": Damage(
        lambda folder: add(remove(folder, FILE_NAME), encode(entry(10))[:-1]),
        set(),
        "",
        f"log: {FILES[2]} ends with 251 unreadable bytes, which are removed; the file log/acknowledged is missing or "
        "damaged, so driftline cannot find out whether they were acknowledged",
    ),
    "damaged side file": Damage(lambda folder: change(folder / FILE_NAME, 3, b"\xee"), set(), ""),
    "side file behind": Damage(lambda folder: move_mark(folder, 2 * SIZE), set(), ""),
    "side file ahead": Damage(
        lambda folder: move_mark(folder, 12 * SIZE),
        set(),
        "log: the file with position 2,520 is missing or shorter than it was: the acknowledged requests in bytes "
        f"2,520 to 3,024 (504 bytes), received until 1970-01-01T00:00:07Z, {KEPT}",
        bytes_lost=2 * SIZE,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_exactly_the_acknowledged_requests_that_are_unreadable_are_a_gap(
    ten: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage = CASES[case]
    caplog.set_level(logging.INFO, "driftline")
    damage.hurt(ten)
    with opened(ten) as (log, counters, names):
        assert names == [f"r{number}" for number in range(10) if number not in damage.lost]
        assert (log.gaps.sentence() or "") == damage.gap
        lost = len(damage.lost) * SIZE if damage.bytes_lost is None else damage.bytes_lost
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == lost
        assert (damage.logged or damage.gap) in caplog.text
        assert ("not acknowledged" in caplog.text) == ("not acknowledged" in damage.logged)
        log.start()
        assert log.append(entry(11)).result(60) >= max(10 - len(damage.lost), 0) * SIZE  # no position is used again
    with opened(ten) as (_, _, names):
        assert names == [f"r{number}" for number in range(10) if number not in damage.lost] + ["r11"]


@pytest.mark.parametrize("side_file", [True, False])
def test_the_state_knows_the_end_of_the_log_without_the_side_file(ten: Path, side_file: bool) -> None:
    if not side_file:
        (ten / FILE_NAME).unlink()
    for file in ten.glob("*.log"):
        file.unlink()
    with opened(ten, at_least=10 * SIZE) as (_, counters, names):
        assert names == []
        assert counted(counters, m.DRIFTLINE_LOG_DAMAGED) == 10 * SIZE


def test_a_log_whose_files_were_read_by_everyone_and_deleted_has_no_gap(ten: Path) -> None:
    with opened(ten) as (log, _, _):
        log.start()
        reader = log.reader("slow", 0)
        reader.move(log.end)
        log.let_go()
    assert list(ten.glob("*.log")) == []
    counters = Counters()
    log = RequestLog(ten, counters)
    reader = log.reader("slow")
    assert (log.end, reader.position, log.gaps.sentence()) == (10 * SIZE, 10 * SIZE, None)
    log.stop()


WRITER = """
import sys
from pathlib import Path
from driftline_processor.health import Counters
from driftline_processor.log.entry_format import Entry
from driftline_processor.log.request_log import LogLimits, RequestLog
log = RequestLog(Path(sys.argv[1]), Counters(), limits=LogLimits(segment=20_000))
log.reader("slow", 0)
log.start()
print(log.end, flush=True)
while True:
    futures = [log.append(Entry("logs", bytes(300), 1)) for _ in range(7)]
    print(futures[-1].result(60), flush=True)
"""


@pytest.mark.slow
def test_a_kill_is_no_gap_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    for round_number in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            acknowledged = [int(child.stdout.readline()) for _ in range(3 + 5 * round_number)][-1]
            child.send_signal(signal.SIGKILL)
        counters = Counters()
        log = RequestLog(tmp_path, counters)
        position, last = 0, -1
        while position < log.end:
            found = log.read(position, 1 << 20)
            position, last = found.following, max([last, *(stored.position for stored in found.stored)])
        assert last >= acknowledged
        assert (log.gaps.sentence(), counted(counters, m.DRIFTLINE_LOG_DAMAGED)) == (None, 0)
        log.stop()
