"""Calls from other threads into an event loop, with one wake-up for many calls.

asyncio wakes its loop for each call from another thread, with a byte through a socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

_Result = TypeVar("_Result")

_log = logging.getLogger("driftline")


class LoopCalls:
    """Calls from other threads for a loop.

    Attributes:
        loop: The loop that runs them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._calls: deque[Callable[[], object]] = deque()
        self._woken = False

    def leave(self, call: Callable[[], object]) -> None:
        """Call a function in the loop; does nothing if the loop has ended."""
        self._calls.append(call)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._run)

    async def result(self, future: Future[_Result], seconds: float) -> _Result:
        """Wait in the loop for the result of another thread. Raises its error, and TimeoutError."""
        if future.done():
            return future.result()
        there = self.loop.create_future()
        future.add_done_callback(lambda _: self.leave(lambda: _wake(there)))
        late = self.loop.call_later(seconds, _wake, there)
        try:
            await there
        finally:
            late.cancel()
        return future.result(0)

    def _run(self) -> None:
        self._woken = False  # before the first call is taken, so that none is missed
        while self._calls:
            try:
                self._calls.popleft()()
            except Exception:
                _log.exception("a response could not be sent")


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
