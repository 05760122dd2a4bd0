"""A folder in memory, for a state that ends with its process (``storage: memory``).

It is a folder of a file system that has no disk, so that everything works there as on a disk: recovery, erasing,
limits. What a process that was killed has left behind is removed when the next one starts.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from .database import StorageError

BASE = Path("/dev/shm")
"""The file system in memory that every Linux has."""

_PREFIX, _LOCK, _UNLOCKED = "driftline-", "lock", "lock.new"


class MemoryFolder:
    """A folder that is there until :meth:`close`; nobody else can read it.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        """Make the folder. Raises StorageError where there is no file system in memory."""
        _remove_abandoned()
        self._lock = -1
        try:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=BASE))
            try:
                self._take_lock()
            except BaseException:
                self.close()
                raise
        except OSError as error:
            raise StorageError(
                f"storage: memory needs the file system {BASE} ({error.strerror}); name a storage.directory instead"
            ) from error

    def _take_lock(self) -> None:
        """Hold the lock before it has its name: whoever finds one that nobody holds removes the folder."""
        unlocked = self.path / _UNLOCKED
        self._lock = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _try_lock(self._lock):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        unlocked.rename(self.path / _LOCK)

    def close(self) -> None:
        """Remove the folder, with all that is in it; once is enough."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove_abandoned() -> None:
    """Remove the folders whose processes have ended; the lock of a process ends with it."""
    for folder in BASE.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is of another user, or is being made or removed
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                if _try_lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _try_lock(file: int) -> bool:
    """Hold a lock as long as the file is open; return False where another process does."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
