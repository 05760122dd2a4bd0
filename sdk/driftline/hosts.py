"""Programs that end their processes in ways of their own, without running what was registered with ``atexit``.

Each is asked through what it offers for that, by the first record of a process, and only if the program has loaded it.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

End = Callable[[], object]


def tell_hosts(end: End, pause: End, count: End) -> None:
    """Let every host that is there call ``end`` when this process ends; ``pause`` where it may go on afterwards.

    ``count``: before the application is told to end, and with it, perhaps, providers of its own.
    """
    for name, tell in _HOSTS.items():
        module = sys.modules.get(name)
        if module is not None:
            tell(module, end, pause, count)


def _multiprocessing(util: Any, end: End, _pause: End, _count: End) -> None:
    """Children of ``multiprocessing`` leave by ``os._exit``, after their finalizers."""
    util.Finalize(None, end, exitpriority=100)


def _celery(signals: Any, end: End, _pause: End, _count: End) -> None:
    """Celery's children leave by ``os._exit``, after this signal."""
    signals.worker_process_shutdown.connect(lambda **_: end(), weak=False, dispatch_uid="driftline")


def _uvicorn(server: Any, _end: End, pause: End, _count: End) -> None:
    """uvicorn raises the signal that asked it to end once more, at a moment when nothing handles it.

    The process is gone in the middle of ``Server.serve()``, so the last thing that uvicorn does of its own accord,
    ``Server.shutdown()``, is where what waits has to be sent (measured: 1 of 1 prediction of the last second was lost).
    """
    _around(server.Server, after=pause)


def _lifespan(on: Any, _end: End, _pause: End, count: End) -> None:
    """An application often shuts its tracer and meter provider down when uvicorn tells it to end, after the requests.

    Whatever is counted later is counted nowhere, and spans that end later are lost.
    """
    _around(on.LifespanOn, before=count)


def _around(owner: Any, *, before: End | None = None, after: End | None = None) -> None:
    """Let a coroutine method ``shutdown`` do more, in a thread; once, however often it is asked for."""
    shutdown = owner.shutdown
    if getattr(shutdown, "_driftline", False):
        return

    @functools.wraps(shutdown)
    async def shutdown_and_more(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            await asyncio.to_thread(before)
        try:
            return await shutdown(*args, **kwargs)
        finally:
            if after is not None:
                await asyncio.to_thread(after)

    shutdown_and_more._driftline = True  # type: ignore[attr-defined]
    owner.shutdown = shutdown_and_more


_HOSTS: dict[str, Callable[[Any, End, End, End], None]] = {
    "multiprocessing.util": _multiprocessing,
    "celery.signals": _celery,
    "uvicorn.server": _uvicorn,
    "uvicorn.lifespan.on": _lifespan,
}
