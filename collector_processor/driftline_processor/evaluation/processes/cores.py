"""How many processes there are: as configured, or as many as the machine has cores for."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal

MOST_AUTOMATIC = 4
"""Processes that ``processes: auto`` comes to at most, the processor among them: what it alone does, which is to read,
to follow from window to window and to store, is a fifth of evaluating, so that more would wait for it."""

_LIMIT = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how much of the cores a container may use: microseconds, and of how many."""


def usable_cores(limit: Path = _LIMIT) -> int:
    """Return how many cores this process may use, at least 1.

    Args:
        limit: The file of the container's limit.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = limit.read_text().split()
        cores = min(cores, math.floor(float(allowed) / float(period)))
    except (OSError, ValueError):  # no container, or one without a limit
        pass
    return max(1, cores)


def judging_processes(process_count: int | Literal["auto"], cores: int | None = None) -> int:
    """Return how many processes judge windows beside the processor.

    Args:
        process_count: All processes, as ``processes`` says; ``auto``: one for each core, up to :data:`MOST_AUTOMATIC`.
        cores: The cores; those of this process where none are given.

    >>> judging_processes("auto", cores=1), judging_processes("auto", cores=2), judging_processes(3, cores=1)
    (0, 1, 2)
    """
    if os.name != "posix":
        return 0  # a socket cannot be inherited there
    if process_count != "auto":
        return process_count - 1
    return min(usable_cores() if cores is None else cores, MOST_AUTOMATIC) - 1
