"""Where each reader of the log stands, one small file each.

A cursor is written in place and not synced: after a kill it stands where it was, after a power cut it may stand
further back, and some requests are sent again. One that cannot be read begins at the oldest entry.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from urllib.parse import quote

import xxhash

_CURSOR = struct.Struct("<QQ")


class Cursors:
    """The cursors in one folder; one thread for each reader may use it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._open: dict[str, int] = {}

    def load(self, name: str, new: int) -> int:
        """Return where a reader stands; ``new`` where it was never here, 0 where its file is damaged."""
        try:
            content = (self._folder / _file_name(name)).read_bytes()
        except FileNotFoundError:
            return new
        if len(content) != _CURSOR.size:
            return 0
        position, checksum = _CURSOR.unpack(content)
        return int(position) if checksum == _checksum(position) else 0

    def save(self, name: str, position: int) -> None:
        """Write where a reader stands. Raises OSError."""
        if name not in self._open:
            path = self._folder / _file_name(name)
            self._open[name] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.pwrite(self._open[name], _CURSOR.pack(position, _checksum(position)), 0)

    def close(self) -> None:
        """Close the files."""
        while self._open:
            os.close(self._open.popitem()[1])


def _file_name(name: str) -> str:
    return quote(name, safe="") or "%"


def _checksum(position: int) -> int:
    return xxhash.xxh3_64_intdigest(position.to_bytes(8, "little"))
