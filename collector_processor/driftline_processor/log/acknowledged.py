"""The position after the last acknowledged request, in a small file next to the log.

The file is written in place after each sync of the log and before the answers, without a sync of its own. After a kill
it is exact; after a power failure it may be older than the log, never newer. The state therefore stores the position
with each block of rows, too. A log that ends earlier lacks acknowledged requests.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import xxhash
from msgspec import Struct

FILE_NAME = "acknowledged"

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
    """The file; the thread that writes the log calls :meth:`save`."""

    def __init__(self, folder: Path) -> None:
        self._path, self._file = folder / FILE_NAME, -1

    def load(self) -> AcknowledgedMark | None:
        """Return the mark; None if the file is missing or damaged."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        mark, checksum = content[: _MARK.size], content[_MARK.size :]
        if len(mark) != _MARK.size or checksum != _digest(mark):
            return None
        return AcknowledgedMark(*_MARK.unpack(mark))

    def save(self, mark: AcknowledgedMark) -> None:
        """Write the mark; an older one is no harm, so errors of the disk are ignored."""
        with suppress(OSError):
            if self._file < 0:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            content = _MARK.pack(mark.position, mark.received, max(mark.first, 0), mark.salt)
            os.pwrite(self._file, content + _digest(content), 0)

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def _digest(content: bytes) -> bytes:
    return _CHECKSUM.pack(xxhash.xxh3_64_intdigest(content))
