"""The files of the log, each named after the position of its first byte.

A position counts the bytes of all entries since the log began, so it never changes when files are deleted. A file
starts with 16 bytes: eight letters with the version of the format, and a random salt of eight bytes.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from .entry_format import FoundEntries, blank, find

_LETTERS = b"DRIFTLG"
_VERSION = 1
_HEAD = struct.Struct("<7sBQ")
_NAME = re.compile(r"([0-9]{20})\.log")
_READ = 4 << 20
"""Bytes per read when a whole file is checked."""


NO_FOLDER = (
    "is a file, but must be the folder of the log of requests; move the file away, and start driftline, which creates "
    "the folder and reports the requests that are lost"
)


class UnknownFormat(Exception):  # noqa: N818 - a file of a newer version is not faulty
    """A file of the log was written by a later version."""


class _OpenFile:
    """A file that is closed after its last reader has finished."""

    def __init__(self, path: Path) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


@dataclass(slots=True)
class Segment:
    """One file of the log. One thread writes; any thread may read synced bytes.

    Attributes:
        path: The file.
        first: Position of its first byte.
        end: Position after its last byte.
        salt: Seed of its checksums.
        head: Bytes before the first entry; 0 if the head is damaged and nothing can be read.
    """

    path: Path
    first: int
    end: int
    salt: int
    head: int = _HEAD.size
    _file: _OpenFile | None = field(default=None, repr=False)

    @staticmethod
    def head_bytes() -> int:
        """Return the size of an undamaged head."""
        return _HEAD.size

    @property
    def size(self) -> int:
        """Return the bytes of its entries."""
        return self.end - self.first

    def read(self, position: int, most: int, end: int) -> bytes:
        """Return at most ``most`` bytes from a position, none after ``end``."""
        self._file = file = self._file or _OpenFile(self.path)
        length = min(most, min(end, self.end) - position)
        return os.pread(file.number, length, self.head + position - self.first) if length > 0 else b""

    def find(self, position: int, most: int, end: int) -> FoundEntries:
        """Return the entries from a position, at least one if there is one.

        Args:
            position: Start of an entry.
            most: Bytes to read if no entry is larger.
            end: Position after which nothing is read.
        """
        end = min(end, self.end)
        if not self.head:
            return FoundEntries([], end, [(position, end)] if end > position else [])
        while True:
            buffer = self.read(position, most, end)
            whole = position + len(buffer) >= end or len(buffer) < min(most, end - position)
            entries_found = find(buffer, position, self.salt, whole)
            if whole and entries_found.following < end:  # the file is shorter than it was
                entries_found.skip(entries_found.following, end)
                entries_found.following = end
            if entries_found.following > position or whole:
                return entries_found
            most *= 4  # the first entry is larger than the buffer

    def close(self) -> None:
        """Release the file; it is closed after its last reader has finished."""
        self._file = None


def create(folder: Path, first: int) -> tuple[Segment, int]:
    """Create the file for entries from ``first`` and return it with a descriptor for appending."""
    path = folder / f"{first:020d}.log"
    salt = int.from_bytes(os.urandom(8), "little")
    writing = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(writing, _HEAD.pack(_LETTERS, _VERSION, salt))
        os.fsync(writing)
        sync_folder(folder)
    except BaseException:
        os.close(writing)
        raise
    return Segment(path, first, first, salt), writing


def copy_segment(segment: Segment, folder: Path, end: int) -> None:
    """Copy a file up to a position to a folder. Raises OSError."""
    left = _HEAD.size + min(end, segment.end) - segment.first
    with segment.path.open("rb") as source, (folder / segment.path.name).open("wb") as target:
        while left > 0 and (block := source.read(min(left, _READ))):
            target.write(block)
            left -= len(block)


def sync_folder(folder: Path) -> None:
    """Sync the names of files in a folder."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def existing(folder: Path) -> list[Segment]:
    """Return the existing files in order; a file with a damaged head has no readable entries.

    Raises:
        UnknownFormat: A file was written by a later version.
    """
    segments_found = []
    for path in folder.iterdir():
        if (match := _NAME.fullmatch(path.name)) is None:
            continue
        size, first = path.stat().st_size, int(match[1])
        with path.open("rb") as file:
            head = file.read(_HEAD.size)
        letters, version, salt = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", 0, 0)
        if letters == _LETTERS and version > _VERSION:
            raise UnknownFormat(f"{path.name} was written by a newer version of driftline (format {version})")
        sound = letters == _LETTERS and version == _VERSION
        segments_found.append(Segment(path, first, first + max(0, size - _HEAD.size), salt, _HEAD.size if sound else 0))
    segments_found.sort(key=lambda segment: segment.first)
    for segment, after in pairwise(segments_found):
        segment.end = min(segment.end, after.first)
    return segments_found


def mend_head(segment: Segment, salt: int) -> None:
    """Write the damaged head of a file again, so that its entries can be read. Raises OSError."""
    with segment.path.open("r+b") as file:
        file.write(_HEAD.pack(_LETTERS, _VERSION, salt))
        file.flush()
        os.fsync(file.fileno())
    segment.salt, segment.head = salt, _HEAD.size


def last_sound(segment: Segment) -> int:
    """Return the position after the last readable entry."""
    position = sound = segment.first
    while position < segment.end:
        entries_found = segment.find(position, _READ, segment.end)
        sound = max(sound, entries_found.sound)
        position = entries_found.following
    return sound


def erase_entry(segment: Segment, position: int, size: int) -> None:
    """Overwrite an entry with a blank, and sync it."""
    writing = os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(writing, blank(size, segment.salt), segment.head + position - segment.first)
        os.fdatasync(writing)
    finally:
        os.close(writing)
