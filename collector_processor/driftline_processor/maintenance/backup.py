"""Backups of the state while it is used: a copy of the database in one transaction, then the log of requests.

Each request that was acknowledged before the backup began is in the copy of the database or in that of the log.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from driftline_processor.log.request_log import RequestLog
from driftline_processor.store.archive import archive_blocks
from driftline_processor.store.database import DatabaseError, Store, state_members


class BackupError(Exception):
    """A backup cannot be made now; the message has the reason and the fix.

    Attributes:
        busy: True if another backup is being made.
    """

    def __init__(self, message: str, *, busy: bool = False) -> None:
        super().__init__(message)
        self.busy = busy


class Backups:
    """Makes backups of one state, one at a time.

    Args:
        store: The database.
        log: The log of requests.

    Attributes:
        copying: Held while the state is copied; a deletion must wait for it.
    """

    def __init__(self, store: Store, log: RequestLog) -> None:
        self._store, self._log = store, log
        self._busy, self.copying = threading.Lock(), threading.Lock()

    def blocks(self) -> Iterator[bytes]:
        """Copy the state, and return the bytes of the backup; the copy is deleted when the iterator ends or is dropped.

        Raises:
            BackupError: Another backup is being made, or the disk has no room for the copy.
            StorageOutage: The storage cannot be read now.
        """
        blocks = self._blocks()
        return chain([next(blocks)], blocks)  # a generator that has begun also ends when it is dropped

    def _blocks(self) -> Iterator[bytes]:
        if not self._busy.acquire(blocking=False):
            raise BackupError("another backup is being made; wait until it is complete", busy=True)
        folder = self._store.backup_folder
        try:
            self._check_room()
            try:
                with self.copying:
                    self._copy(folder)
            except (OSError, DatabaseError) as error:
                reason = str(error).strip().splitlines()[0]
                raise BackupError(f"the state cannot be copied ({reason}); see the log of driftline") from error
            yield from archive_blocks(state_members(folder, folder / self._store.path.name))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._busy.release()

    def _copy(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        with self._log.kept() as positions:
            self._store.copy_to(folder)
            self._log.copy_to(folder / "log", positions)

    def _check_room(self) -> None:
        """Raise BackupError if the disk has too little room, so that a backup never fills it."""
        directory = self._store.path.parent
        files = [path for path in (self._store.path, Path(f"{self._store.path}.wal")) if path.exists()]
        needed = sum(path.stat().st_size for path in files) + self._log.size
        free = needed
        with suppress(OSError):
            free = shutil.disk_usage(directory).free
        # 64 << 20: bytes that remain for requests that arrive meanwhile
        if free < needed + (64 << 20):
            raise BackupError(
                f"storage.directory: {directory} has {free >> 20:,} MiB free and the copy needs "
                f"{(needed >> 20) + 64:,} MiB; free space on its disk"
            )
