"""A folder in memory, for a state that ends with its process (``storage: memory``).

It is on a file system without a disk, so that recovery, erasure and limits work as on a disk. The folder of a killed
process is removed by the next start.
"""

from __future__ import annotations

from pathlib import Path

from driftline_processor.process_folder import ProcessFolder

from .database import StorageError

BASE = Path("/dev/shm")
"""The file system in memory of every Linux."""


class MemoryFolder(ProcessFolder):
    """A folder in memory that exists until it is closed, readable by its owner only."""

    def __init__(self) -> None:
        """Create the folder. Raises StorageError if there is no file system in memory."""
        try:
            super().__init__(BASE, "driftline-")
        except OSError as error:
            raise StorageError(
                f"storage: memory needs the file system {BASE} ({error.strerror}); set a storage.directory instead"
            ) from error
