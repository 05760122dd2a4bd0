"""The block of the log that is being stored, in a small file next to the log.

A process that is killed while it stores a block, for example for its memory, reads the same block after its start. By
this file, the next start reads less at once, then single requests, and finally leaves out the request that ended the
process each time. Like :mod:`.acknowledged`, the file is written in place without a sync: after a kill it is exact.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import xxhash

FILE_NAME = "attempts"

MOST_ENDS = 4
"""Ends of the process at one request, of which two with this request alone, before it is left out."""

_SMALLER = 16
"""Divisor of the bytes of a block after the first end."""

_SINGLE = 2
"""The level at which single requests are read; 0 = whole blocks."""

_STATE = struct.Struct("<QQQQ")


class BlockAttempts:
    """Ends of the process while it stored a block. One thread uses it.

    Args:
        folder: Folder of the log.
        position: Position of the log from which the analysis goes on.
    """

    def __init__(self, folder: Path, position: int) -> None:
        self._path, self._file = folder / FILE_NAME, -1
        begun, until, level, ends = self._load()
        self._ends = ends if position == begun else 0
        self._until = until if position < until else 0
        self._level = max(level, min(self._ends, _SINGLE))

    def most_bytes(self, position: int, most: int) -> int:
        """Return the maximum bytes of the block at a position: ``most``, or fewer if the process ended in this block.

        They stay fewer up to the end of the block that was the last one to be too large.
        """
        if position >= self._until:
            return most
        return 1 if self._level == _SINGLE else most // _SMALLER if self._level else most

    @property
    def are_used_up(self) -> bool:
        """Return True if the next request ended the process so often that it must be left out."""
        return self._ends >= MOST_ENDS

    @contextmanager
    def storing(self, position: int, following: int) -> Iterator[None]:
        """Store the block from a position to the one that follows it within a ``with`` block."""
        if position >= self._until:
            self._level = 0
        self._save(position, following, self._ends + 1)
        try:
            yield
        finally:  # also after an error, since the process goes on
            self._ends = 0
            self._save(position, self._until, 0)

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _load(self) -> tuple[int, ...]:
        try:
            content = self._path.read_bytes()
        except OSError:
            content = b""
        state, checksum = content[: _STATE.size], content[_STATE.size :]
        return _STATE.unpack(state) if checksum and checksum == _digest(state) else (0, 0, 0, 0)

    def _save(self, position: int, until: int, ends: int) -> None:
        with suppress(OSError):  # a block is then read as a whole after a kill
            if self._file < 0:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            state = _STATE.pack(position, until, self._level, ends)
            os.pwrite(self._file, state + _digest(state), 0)


def _digest(state: bytes) -> bytes:
    return xxhash.xxh3_64_digest(state)
