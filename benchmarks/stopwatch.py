"""CPU time of a piece of work in this process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def cpu_seconds(job: Callable[[], object], rounds: int = 1, before: Callable[[], object] = int) -> float:
    """Return the median of the CPU time of some runs, seconds, all threads together; ``before`` each, uncounted."""
    took = []
    for _ in range(rounds):
        before()
        began = time.process_time()
        job()
        took.append(time.process_time() - began)
    return statistics.median(took)
