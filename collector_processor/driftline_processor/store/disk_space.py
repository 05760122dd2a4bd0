"""Free space of the disk of the state."""

from __future__ import annotations

import shutil
from pathlib import Path

from driftline_processor.present import numbers

LEAST_FREE = 1 << 30
"""Bytes of free disk below which the disk needs attention."""


def low_disk_sentence(directory: Path) -> str | None:
    """Return that the disk of an existing directory is nearly full, and what to do; None if it is not."""
    try:
        free = shutil.disk_usage(directory).free
    except OSError:  # the storage itself reports a directory that cannot be read
        return None
    if free >= LEAST_FREE:
        return None
    return f"the disk of {directory} has {numbers.size(free)} left; free space, or lower storage.max_size"
