"""Birth and end of a process: forks, exits, and the children of multiprocessing, which never run ``atexit``."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from . import resource
from .backoff import BUSY, TEMPORARY
from .channel import State
from .closing import Closing
from .faults import FAULTS
from .hosts import tell_hosts
from .ids import IDS
from .known import Known

if TYPE_CHECKING:
    from .pipeline import Pipeline

PIPELINES: Known[Pipeline] = Known()
_held: list[Pipeline] = []
_closings: list[Closing] = []
_clock = time.monotonic
_exit_pid = 0
EXIT_SECONDS = 5.0
"""How long the end of a process waits for what is sent."""
LAST_SECONDS = 0.5
"""What is left to the last counts where the records took all of that."""
SETTLE_SECONDS = 1.0
"""How long the shutdown of an application waits for a request that is under way."""
FORK_SECONDS = 1.0
"""How long a fork waits for a request that is under way."""


def remember(pipeline: Pipeline) -> None:
    """Let ``flush()``, ``shutdown()``, forks and the exit find a pipeline."""
    PIPELINES.add(pipeline)


def pipelines() -> list[Pipeline]:
    """Return the pipelines of this process."""
    return list(PIPELINES)


def close_at_exit(
    name: str, close: Callable[[], object], flush: Callable[[], object], *, after_records: bool = False
) -> None:
    """Let the exit close a provider that Driftline made. ``after_records``: not before the records are sent."""
    _closings.append(Closing(name, close, flush, after_records=after_records))
    _at_exit()


def register_exit() -> None:
    """Flush when this process ends; called by the first record, so after the providers registered their own."""
    global _exit_pid
    if _exit_pid == os.getpid():
        return
    _exit_pid = os.getpid()
    _at_exit()
    tell_hosts(end_process, partial(_flush, EXIT_SECONDS, BUSY), settle)


def _at_exit() -> None:
    atexit.unregister(end_process)
    atexit.register(end_process)


def flush(timeout: float = 10.0) -> bool:
    """Send everything recorded so far, and try again until it arrives or ``timeout`` seconds have passed.

    Returns whether receivers accepted all that was recorded since the last flush: False also where a receiver refused
    rows meanwhile, or a full buffer dropped them. Call it where a process may stand still afterwards, or end without
    notice: at the end of a function in the cloud. The providers that ``configure()`` made send their spans and counts,
    too; whether those arrive their exporters know.

    >>> flush()
    True
    """
    return _flush(timeout, TEMPORARY)


def _flush(timeout: float, again: Collection[State]) -> bool:
    """Flush pipelines and providers side by side: a receiver of one that is away must not keep another's waiting."""
    end = _clock() + timeout
    settle(timeout)  # rows are counted, and their spans end, before the providers send
    for closing in _closings:
        closing.begin_flush()
    delivered = [flushed(pipeline, end - _clock(), again) for pipeline in pipelines()]
    sent = [closing.flushed(end - _clock()) for closing in _closings]
    return all(delivered) and all(sent)


def flushed(pipeline: Pipeline, timeout: float, again: Collection[State] = TEMPORARY) -> bool:
    """Flush one pipeline, whatever goes wrong. Never raises."""
    try:
        return pipeline.flush(timeout, again=again)
    except Exception as fault:
        FAULTS.swallow("flush", fault)
        return False


def settle(timeout: float = SETTLE_SECONDS) -> None:
    """Count what was predicted so far, and end its spans, without sending anything. Never raises.

    Where the application is about to shut its own providers down, and sending can wait until it has.
    """
    end = _clock() + timeout
    for pipeline in pipelines():
        try:
            pipeline.settle(end - _clock())
        except Exception as fault:
            FAULTS.swallow("settle", fault)


def shutdown(timeout: float = EXIT_SECONDS) -> bool:
    """Send what is left and stop; bounded by ``timeout`` seconds. Runs by itself when the process ends."""
    end = _clock() + timeout
    delivered = [pipeline.shutdown(end - _clock()) for pipeline in pipelines()]
    return all(delivered)


def end_process(timeout: float = EXIT_SECONDS) -> None:
    """Send records, and what waits in the providers that Driftline made, within ``timeout`` seconds and a last half.

    Spans are sent while the records are; counts after them, because turning rows into records counts them.
    """
    end = _clock() + timeout
    for closing in _closings:
        if not closing.after_records:
            closing.begin()
    shutdown(timeout)
    for closing in _closings:
        closing.begin()
    end = max(end, _clock() + LAST_SECONDS)
    while _closings:
        _closings.pop().wait(end - _clock())


def _before_fork() -> None:
    """Let each thread of ours finish what it is at, and end: a child would find half an import, or a lock for ever."""
    _held.extend(pipeline for pipeline in pipelines() if pipeline.hold(FORK_SECONDS))
    for closing in _closings:
        closing.rest()


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()
    for closing in _closings:
        closing.go_on()


def _after_fork() -> None:
    _held.clear()
    IDS.reset()
    FAULTS.reset()
    resource.forget()
    for pipeline in pipelines():
        pipeline.after_fork()
    for closing in _closings:
        closing.start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
