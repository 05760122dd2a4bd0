"""A folder that ends with its process; the folder of a killed process is removed by the next one."""

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
    """A folder that exists until :meth:`close`, readable by its owner only.

    Args:
        base: Where the folder is created.
        prefix: Prefix of its name; folders with this prefix whose process has ended are removed.

    Attributes:
        path: The folder.

    Raises:
        OSError: The folder cannot be created or locked.
    """

    def __init__(self, base: Path, prefix: str) -> None:
        remove_abandoned(base, prefix)
        self._lock = -1
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        try:
            self._take_lock()
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> None:
        """Acquire the lock before the lock file gets its name, because a folder with a free lock is removed."""
        unlocked = self.path / _UNLOCKED
        self._lock = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _try_lock(self._lock):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        unlocked.rename(self.path / _LOCK)

    def close(self) -> None:
        """Remove the folder with its contents; idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_abandoned(base: Path, prefix: str) -> None:
    """Remove the folders of ended processes, whose locks are free."""
    for folder in base.glob(f"{prefix}*"):
        with suppress(OSError):  # owned by another user, or being created or removed
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                if _try_lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _try_lock(file: int) -> bool:
    """Lock an open file until it is closed; return False if another process has the lock."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
