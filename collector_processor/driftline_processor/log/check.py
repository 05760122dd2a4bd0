"""Checks a log without changing it: the checksum of each entry, and whether acknowledged entries are missing."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from .acknowledged import FILE_NAME, AcknowledgedFile
from .request_log import ANALYSIS, Cursors, resumed_at
from .segments import Segment, existing

_READ = 4 << 20


class LogReport(Struct):
    """The result of a check.

    Attributes:
        files: Number of files.
        requests: Number of readable requests.
        size: Bytes of all files.
        first: Position of the oldest request; the end of the log if it has no files.
        damages: A sentence per damage, with its effect.
        notes: A sentence for what is not a damage.
    """

    files: int = 0
    requests: int = 0
    size: int = 0
    first: int = 0
    damages: list[str] = []
    notes: list[str] = []


def check_log(folder: Path, stored: int, acknowledged: int, mark_copy: Path | None = None) -> LogReport:
    """Read a log, and compare its end with the acknowledged position.

    Args:
        folder: Folder of the log.
        stored: Position up to which rows are in the database.
        acknowledged: Position up to which requests were acknowledged, as the database has it.
        mark_copy: The second file with this position, outside the folder.

    Raises:
        UnknownFormat: A file was written by a later version.
        OSError: A file cannot be read.
    """
    report = LogReport()
    mark = AcknowledgedFile(folder, mark_copy).load()
    if mark is None and folder.exists() and any(folder.glob("*.log")):
        report.notes.append(f"log/{FILE_NAME} is missing or damaged; the next start writes it again")
    end = max(acknowledged, mark.position if mark is not None else 0)
    segments = existing(folder) if folder.exists() else []
    cursors = Cursors(folder / "cursors")
    report.first = segments[0].first if segments else end
    stored = resumed_at(stored, report.first, cursors.load(ANALYSIS, stored))
    needed = min([stored, *cursors.positions()]) if segments else stored
    position = segments[0].first if segments else min(needed, end)
    for segment in segments:
        _add_gap(report, position, segment.first, needed, end, f"the files before {segment.path.name} are missing")
        if not segment.head and segment.size and mark is not None and mark.first == segment.first:
            segment.salt, segment.head = mark.salt, Segment.head_bytes()
            report.damages.append(
                f"the head of log/{segment.path.name} is damaged; no request is lost, the next start writes it again"
            )
        _check_segment(segment, report, needed, end)
        position = segment.end
    _add_gap(report, position, end, needed, end, f"the file with position {position:,} is missing or too short")
    return report


def _check_segment(segment: Segment, report: LogReport, needed: int, end: int) -> None:
    report.files += 1
    report.size += segment.size
    position = segment.first
    while position < segment.end:
        entries = segment.find(position, _READ, segment.end)
        report.requests += len(entries.stored)
        for first, stop in entries.gaps:
            _add_gap(report, first, min(stop, end), needed, end, f"log/{segment.path.name} is damaged")
            if stop > end:
                report.notes.append(
                    f"log/{segment.path.name} ends with {stop - max(first, end):,} bytes that were not acknowledged; "
                    "the next start removes them"
                )
        position = entries.following
    segment.close()


def _add_gap(report: LogReport, first: int, stop: int, needed: int, end: int, reason: str) -> None:
    """Note a range of acknowledged entries that cannot be read; nothing if every reader has passed it."""
    if first >= min(stop, end) or stop <= needed:
        return
    report.damages.append(
        f"{reason}: the acknowledged requests in bytes {first:,} to {stop:,} are lost; restore a backup that has them, "
        "or let their senders send them again; the next start continues after them"
    )
