"""Birth and end of a process: forks, exits, and the children of multiprocessing, which never run ``atexit``."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from typing import TYPE_CHECKING

from . import resource
from .faults import FAULTS
from .ids import IDS

if TYPE_CHECKING:
    from .pipeline import Pipeline

_pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()
_held: list[Pipeline] = []
_exit_pid = 0
FORK_SECONDS = 1.0
"""How long a fork waits for a request that is under way."""


def remember(pipeline: Pipeline) -> None:
    """Let ``flush()``, ``shutdown()``, forks and the exit find a pipeline."""
    _pipelines.add(pipeline)


def pipelines() -> list[Pipeline]:
    """Return the pipelines of this process."""
    return list(_pipelines)


def register_exit() -> None:
    """Flush when this process ends; called by the first record, so after the providers registered their own."""
    global _exit_pid
    if _exit_pid == os.getpid():
        return
    _exit_pid = os.getpid()
    atexit.unregister(shutdown)
    atexit.register(shutdown)
    multiprocessing_util = sys.modules.get("multiprocessing.util")
    if multiprocessing_util is not None:  # children under fork and forkserver leave by os._exit, after their finalizers
        multiprocessing_util.Finalize(None, shutdown, exitpriority=100)


def flush(timeout: float = 10.0) -> bool:
    """Send everything recorded so far; say whether all of it arrived within ``timeout`` seconds.

    >>> flush()
    True
    """
    delivered = [pipeline.flush(timeout) for pipeline in pipelines()]
    return all(delivered)


def shutdown(timeout: float = 5.0) -> bool:
    """Send what is left and stop; bounded by ``timeout`` seconds. Runs by itself when the process ends."""
    delivered = [pipeline.shutdown(timeout) for pipeline in pipelines()]
    return all(delivered)


def _before_fork() -> None:
    """Let each background thread finish what it is at: a child would find a half-imported module or a lock for ever."""
    _held.extend(pipeline for pipeline in pipelines() if pipeline.hold(FORK_SECONDS))


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_fork() -> None:
    _held.clear()
    IDS.reset()
    FAULTS.reset()
    resource.forget()
    for pipeline in pipelines():
        pipeline.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
