"""A folder that ends with its process: what one that was killed has left behind, the next of its kind removes."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_LOCK, _UNLOCKED = "lock", "lock.new"


class ProcessFolder:
    """A folder that is there until :meth:`close`; nobody else can read it.

    Args:
        base: Where the folder is made.
        prefix: What its name begins with; what is called so there, and whose process has ended, is removed.

    Attributes:
        path: The folder.

    Raises:
        OSError: It cannot be made, or not be locked.
    """

    def __init__(self, base: Path, prefix: str) -> None:
        _remove_abandoned(base, prefix)
        self._lock = -1
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        try:
            self._take_lock()
        except BaseException:
            self.close()
            raise

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


def _remove_abandoned(base: Path, prefix: str) -> None:
    """Remove the folders whose processes have ended; the lock of a process ends with it."""
    for folder in base.glob(f"{prefix}*"):
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
