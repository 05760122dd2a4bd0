"""The position after the last acknowledged request, in a small file next to the log.

The file is written in place after each sync of the log and before the answers, without a sync of its own. After a kill
it is exact; after a power failure it may be older than the log, never newer. The state therefore stores the position
with each block of rows, too. A log that ends earlier lacks acknowledged requests. A second file outside the folder of
the log remains when the folder is emptied or lost.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import xxhash
from msgspec import Struct

FILE_NAME = "acknowledged"

COPY_NAME = "driftline.acknowledged.log"
"""Name of the second file, in the directory of the state."""

_MARK = struct.Struct("<QqQQ")
_CHECKSUM = struct.Struct("<Q")


class AcknowledgedMark(Struct, frozen=True):
    """The last acknowledged request.

    Attributes:
        position: Position after it in the log.
        received: Its time of arrival, unix nanoseconds.
        first: Position of the first byte of its file.
        salt: Salt of its file, from which a damaged head is written again.
    """

    position: int = 0
    received: int = 0
    first: int = -1
    salt: int = 0


class AcknowledgedFile:
    """The file and its copy; the thread that writes the log calls :meth:`save`.

    Args:
        folder: Folder of the log.
        copy: The second file; None without one.
    """

    def __init__(self, folder: Path, copy: Path | None = None) -> None:
        self._files = dict.fromkeys([folder / FILE_NAME, *([copy] if copy else [])], -1)

    def load(self) -> AcknowledgedMark | None:
        """Return the later of both marks; None if both files are missing or damaged."""
        marks = [mark for path in self._files if (mark := _read(path)) is not None]
        return max(marks, key=lambda mark: mark.position, default=None)

    def save(self, mark: AcknowledgedMark) -> None:
        """Write the mark; an older one is no harm, so errors of the disk are ignored."""
        content = _MARK.pack(mark.position, mark.received, max(mark.first, 0), mark.salt)
        for path, file in self._files.items():
            with suppress(OSError):
                if file < 0:
                    self._files[path] = file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                os.pwrite(file, content + _digest(content), 0)

    def close(self) -> None:
        """Close the files."""
        for path, file in self._files.items():
            self._files[path] = -1
            if file >= 0:
                os.close(file)


def last_received(directory: Path) -> int:
    """Return when the last acknowledged request in the log of a state was received; 0 without any."""
    mark = AcknowledgedFile(directory / "log", directory / COPY_NAME).load()
    return mark.received if mark is not None else 0


def _read(path: Path) -> AcknowledgedMark | None:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    mark, checksum = content[: _MARK.size], content[_MARK.size :]
    if len(mark) != _MARK.size or checksum != _digest(mark):
        return None
    return AcknowledgedMark(*_MARK.unpack(mark))


def _digest(content: bytes) -> bytes:
    return _CHECKSUM.pack(xxhash.xxh3_64_intdigest(content))
