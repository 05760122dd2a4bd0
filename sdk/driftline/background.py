"""Threads of Driftline's own, which inherit nothing of whoever starts them.

The first prediction starts them, so in the middle of somebody's request. OpenTelemetry's instrumentation of
``threading``, gevent, and Python itself where ``sys.flags.thread_inherit_context`` is set hand the context of that
request on, and the thread would keep it for as long as the process lives: exemplars of every later count would name
the trace of the first request, and so would log lines and spans of resource detectors.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any


def start(name: str, run: Callable[..., None], *args: Any) -> threading.Thread:
    """Start a daemon thread in an empty context, and return it.

    >>> start("driftline-example", print, "apart").join()
    apart
    """
    thread = threading.Thread(target=run, args=args, name=name, daemon=True)
    contextvars.Context().run(thread.start)
    return thread
