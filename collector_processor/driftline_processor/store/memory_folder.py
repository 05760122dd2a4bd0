"""A folder in memory, for a state that ends with its process (``storage: memory``).

It is a folder of a file system that has no disk, so that everything works there as on a disk: recovery, erasing,
limits. What a process that was killed has left behind is removed when the next one starts.
"""

from __future__ import annotations

from pathlib import Path

from .database import StorageError
from .process_folder import ProcessFolder

BASE = Path("/dev/shm")
"""The file system in memory that every Linux has."""


class MemoryFolder(ProcessFolder):
    """A folder in memory that is there until it is closed; nobody else can read it."""

    def __init__(self) -> None:
        """Make the folder. Raises StorageError where there is no file system in memory."""
        try:
            super().__init__(BASE, "driftline-")
        except OSError as error:
            raise StorageError(
                f"storage: memory needs the file system {BASE} ({error.strerror}); set a storage.directory instead"
            ) from error
