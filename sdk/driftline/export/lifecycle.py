"""Flush, shutdown, forks and exits of a process, also under servers that end processes without ``atexit``.

The first record of a process registers with each of those servers that the program has loaded.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from opentelemetry import metrics, trace

from driftline.capture.call_plan import PLANS, LiveObjects
from driftline.faults import FAULTS
from driftline.tables.ids import IDS

from . import counters, resource
from .threads import BoundedClose, begin_flush
from .transport import BUSY, TEMPORARY, State

End = Callable[[], object]


def register_host_hooks(flush: End, count: End) -> None:
    """Register with every server that the program has loaded, such as uvicorn or Celery.

    Args:
        flush: Function to call when this process may end without ``atexit``.
        count: Function to call before the application, and possibly its providers, shut down.
    """
    for name, tell in _HOSTS.items():
        module = sys.modules.get(name)
        if module is not None:
            tell(module, flush, count)


def _multiprocessing(util: Any, flush: End, _count: End) -> None:
    """Register a finalizer: forked children of ``multiprocessing`` exit by ``os._exit`` after their finalizers.

    The main process ends with ``atexit``, and its providers may have been shut down before its finalizers.
    """
    if sys.modules["multiprocessing.process"].parent_process() is not None:
        util.Finalize(None, flush, exitpriority=100)


def _celery(signals: Any, flush: End, _count: End) -> None:
    """Connect to the last signal before Celery's children exit by ``os._exit``."""
    signals.worker_process_shutdown.connect(lambda **_: flush(), weak=False, dispatch_uid="driftline")


def _uvicorn(server: Any, flush: End, _count: End) -> None:
    """Flush at the end of ``Server.shutdown()``, before uvicorn raises the signal again that requested the shutdown.

    If no handler is installed, the process ends in the middle of ``Server.serve()``, without ``atexit``, and the
    records, spans and counts of the last seconds would be lost.
    """
    _around(server.Server, after=flush)


def _lifespan(on: Any, _flush: End, count: End) -> None:
    """Count before an ASGI application shuts its providers down: uvicorn ends the application after the requests.

    Later counts and spans would be lost.
    """
    _around(on.LifespanOn, before=count)


def _around(owner: Any, *, before: End | None = None, after: End | None = None) -> None:
    """Run functions in a thread before and after a coroutine method ``shutdown``; the method is wrapped only once."""
    shutdown = owner.shutdown
    if getattr(shutdown, "_driftline", False):
        return

    @functools.wraps(shutdown)
    async def shutdown_and_more(*args: Any, **kwargs: Any) -> Any:
        import asyncio

        if before is not None:
            await asyncio.to_thread(before)
        try:
            return await shutdown(*args, **kwargs)
        finally:
            if after is not None:
                await asyncio.to_thread(after)

    shutdown_and_more._driftline = True  # type: ignore[attr-defined]
    owner.shutdown = shutdown_and_more


_HOSTS: dict[str, Callable[[Any, End, End], None]] = {
    "multiprocessing.util": _multiprocessing,
    "celery.signals": _celery,
    "uvicorn.server": _uvicorn,
    "uvicorn.lifespan.on": _lifespan,
}


class ManagedPipeline(Protocol):
    """A pipeline that handles forks, exits, ``flush()`` and ``shutdown()``. Times are seconds."""

    def flush(self, timeout: float, *, again: Collection[State] = TEMPORARY) -> bool:
        """Send everything; return whether all of it arrived."""

    def settle(self, timeout: float) -> None:
        """Count recorded predictions without sending."""

    def shutdown(self, timeout: float) -> bool:
        """Send everything and stop; return whether all of it arrived."""

    def report_undelivered(self) -> None:
        """Log how many rows wait to be sent."""

    def close(self) -> None:
        """Refuse new entries, and let the thread end."""

    def hold(self, timeout: float) -> bool:
        """End the thread before a fork; return whether it ended."""

    def release(self) -> None:
        """Continue in the parent after a fork."""

    def after_fork(self) -> None:
        """Reset in the child after a fork."""


PIPELINES: LiveObjects[ManagedPipeline] = LiveObjects()
_held: list[ManagedPipeline] = []
_closings: list[BoundedClose] = []
_clock = time.monotonic
_exit_pid = 0
_stopped_at = -60.0
_exiting = False
_left = END_SECONDS = 2.5
"""Seconds that all steps of the end of a process share; the end of the interpreter itself comes after them."""
EXIT_SECONDS = 1.8
"""Seconds that the end of a process waits for records to arrive."""
LAST_SECONDS = 0.25
"""Seconds for the last counts if the records took all of :data:`EXIT_SECONDS`."""
SETTLE_SECONDS = 0.5
"""Seconds that the shutdown of an application waits for a running request."""
FORK_SECONDS = 1.0
"""Seconds that a fork waits for a running request."""


def register_pipeline(pipeline: ManagedPipeline) -> None:
    """Register a pipeline for ``flush()``, ``shutdown()``, forks and the exit."""
    PIPELINES.add(pipeline)
    atexit.unregister(_begin_exit)  # tests create many pipelines
    atexit.register(_begin_exit)


def pipelines() -> list[ManagedPipeline]:
    """Return the pipelines of this process."""
    return list(PIPELINES)


def close_at_exit(
    name: str, close: Callable[[], object], flush: Callable[[], object], *, after_records: bool = False
) -> None:
    """Close a provider of Driftline at the exit of the process.

    Args:
        name: Name of the signal, for messages.
        close: Function that closes the provider.
        flush: Function that flushes the provider.
        after_records: Close the provider after the records are sent.
    """
    _closings.append(BoundedClose(name, close, flush, after_records=after_records))


def register_exit() -> None:
    """Register with this process's ends. The first record calls this, after the program's providers have registered."""
    global _exit_pid
    if _exit_pid == os.getpid():
        return
    _exit_pid = os.getpid()
    atexit.register(_begin_exit)  # once more: the last function to register is the first to run
    register_host_hooks(_flush_at_stop, settle_predictions)


def _begin_exit() -> None:
    """Count the predictions and end their spans before the application's providers shut down at the exit.

    Later handlers may predict, so each later call is settled immediately. :func:`end_process` sends the records.
    """
    global _exiting
    _exiting = True
    with ending_step(SETTLE_SECONDS, EXIT_SECONDS + LAST_SECONDS) as seconds:
        settle_predictions(seconds)


@contextmanager
def ending_step(longest: float, later: float) -> Iterator[float]:
    """Yield the seconds of one step of the end of the process.

    All steps share :data:`END_SECONDS`: a name resolution that hangs makes each of them wait. The time of the
    application's handlers between the steps does not count.

    Args:
        longest: Maximum duration of the step, in seconds.
        later: Seconds to leave for later steps.
    """
    global _left
    began = _clock()
    try:
        yield max(0.0, min(longest, _left - later))
    finally:
        _left -= _clock() - began


def is_exiting() -> bool:
    """Return True if the exit of the process has begun, so that no background thread may run any more."""
    return _exiting


def flush(timeout: float = 10.0) -> bool:
    """Send everything recorded so far, and retry until it arrives or the timeout is over.

    Call this function before a process is suspended or ends without notice, such as at the end of a cloud function. The
    providers of ``configure()`` also send their spans and counts. Only the exporters of these providers report whether
    the spans and counts arrive.

    Args:
        timeout: Maximum duration in seconds.

    Returns:
        True if receivers accepted everything recorded since the last flush. False if a receiver refused rows, or
        a full buffer dropped rows.

    >>> flush()
    True
    """
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):  # the caller's service goes on
        seconds = 10.0
    return _flush(seconds, TEMPORARY)


def _flush(timeout: float, states: Collection[State], flushes: Collection[End] = ()) -> bool:
    """Flush pipelines and providers in parallel: one unreachable receiver must not delay another.

    ``flushes``: ``force_flush`` of further providers; whether they succeed does not matter to the result.
    """
    end = _clock() + max(LAST_SECONDS, timeout)
    # rows are counted, and their spans end, before the providers send
    settle_predictions(max(LAST_SECONDS / 2, timeout - LAST_SECONDS))
    for closing in _closings:
        closing.begin_flush()
    others = [begin_flush("application", flush) for flush in flushes]
    delivered = [flush_pipeline(pipeline, end - _clock(), states) for pipeline in pipelines()]
    sent = [closing.flushed(end - _clock()) for closing in _closings]
    for other in filter(None, others):
        other.wait(max(0.0, end - _clock()))
    return all(delivered) and all(sent)


def _application_flushes() -> list[End]:
    """Return ``force_flush`` of the providers in use that Driftline has not set up, each once."""
    identities = [plan.identity for plan in PLANS]
    providers = [
        *(trace.get_tracer_provider(), *(identity.tracer_provider for identity in identities)),
        *(metrics.get_meter_provider(), *(identity.meter_provider for identity in identities)),
    ]
    flushes: list[End] = []
    for provider in providers:
        flush = getattr(provider, "force_flush", None)  # absent in OpenTelemetry's API, present in its SDK
        if flush is not None and flush not in flushes and not any(closing.flushes_by(flush) for closing in _closings):
            flushes.append(flush)
    return flushes


def _flush_at_stop() -> None:
    """Flush when a server or a child process stops: it ends, within the same :data:`EXIT_SECONDS`, or continues.

    Also flush the application's providers: their ``atexit`` does not run after a signal or ``os._exit``.
    """
    global _stopped_at
    _stopped_at = _clock()
    if not _flush(EXIT_SECONDS, BUSY, _application_flushes()):
        for pipeline in pipelines():
            pipeline.report_undelivered()  # the process may end without `atexit`


def flush_pipeline(pipeline: ManagedPipeline, timeout: float, states: Collection[State] = TEMPORARY) -> bool:
    """Flush one pipeline. Never raises.

    Args:
        pipeline: Pipeline to flush.
        timeout: Maximum duration in seconds.
        states: States of a delivery after which the pipeline sends again.

    Returns:
        True if everything arrived.
    """
    try:
        return pipeline.flush(timeout, again=states)
    except Exception as fault:
        FAULTS.swallow("flush", fault)
        return False


def settle_predictions(timeout: float = SETTLE_SECONDS) -> None:
    """Count the predictions so far, and end their spans, without sending. Never raises.

    Called before the application shuts its own providers down; the records are sent later.

    Args:
        timeout: Maximum duration in seconds.
    """
    end = _clock() + timeout
    for pipeline in pipelines():
        try:
            pipeline.settle(end - _clock())
        except Exception as fault:
            FAULTS.swallow("settle", fault)


def shutdown(timeout: float = EXIT_SECONDS) -> bool:
    """Send the waiting records and stop. This function runs automatically at the end of the process.

    Args:
        timeout: Maximum duration in seconds.

    Returns:
        True if everything arrived.

    >>> shutdown()
    True
    """
    end = _clock() + timeout
    delivered = [pipeline.shutdown(end - _clock()) for pipeline in pipelines()]
    return all(delivered)


def end_process(timeout: float = EXIT_SECONDS) -> None:
    """Send the waiting records, then shut the providers of Driftline down.

    ``driftline/__init__.py`` registers this, so that it runs after the handlers registered since the import.

    Spans are sent in parallel with the records. Counts follow, because converting rows to records counts them.

    Args:
        timeout: Seconds; the counts have at least :data:`LAST_SECONDS`.
    """
    used = _clock() - _stopped_at
    # 10: seconds after which the end of a process is not part of the end of its server
    timeout = max(0.0, timeout - used) if used < 10.0 else timeout
    with ending_step(timeout, LAST_SECONDS) as seconds:
        for closing in _closings:
            if not closing.after_records:
                closing.begin()
        end = _clock() + seconds
        shutdown(seconds)
    with ending_step(LAST_SECONDS, 0.0) as last_seconds:
        for closing in _closings:
            closing.begin()
        end = max(end, _clock() + last_seconds)
        while _closings:
            _closings.pop().wait(end - _clock())


def _before_fork() -> None:
    """End every thread of Driftline after its current step: a child would inherit a partial import, or a held lock."""
    _held.extend(pipeline for pipeline in pipelines() if pipeline.hold(FORK_SECONDS))
    for closing in _closings:
        closing.rest()


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()
    for closing in _closings:
        closing.go_on()


def _after_fork() -> None:
    global _exiting, _left
    _exiting, _left = False, END_SECONDS
    _held.clear()
    IDS.reset()
    FAULTS.reset()
    resource.reset_resource()
    counters.forget_inherited()
    for pipeline in pipelines():
        pipeline.after_fork()
    for closing in _closings:
        closing.start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
