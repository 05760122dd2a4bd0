"""An application that is loaded while its port is open; earlier requests wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

RETRY_AFTER = 1.0
"""Seconds between two attempts to load."""


class LateApplication:
    """Passes requests to the result of :meth:`load`; until then ``early`` routes answer, and other requests wait."""

    def __init__(self, make: Callable[[], ASGIApp], early: Sequence[Route] = ()) -> None:
        self._make, self._probes = make, early
        self._application: Future[ASGIApp] = Future()

    def load(self, is_over: Callable[[float], bool] = lambda _: True) -> None:
        """Create the application. If that fails, this call and all requests raise the error.

        What the system may give later, such as an open file for a module, is asked for again.

        Args:
            is_over: Waits for some seconds; returns True if no other attempt is to be made. Default: there is one.
        """
        while not self._application.done():
            try:
                self._application.set_result(self._make())
            except OSError as failure:
                if is_over(RETRY_AFTER):
                    self._application.set_exception(failure)
                    raise
            except BaseException as failure:
                self._application.set_exception(failure)
                raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, after the application is loaded."""
        if not self._application.done():
            for route in self._probes:
                match, matched = route.matches(scope)
                if match is Match.FULL:
                    await route.handle({**scope, **matched}, receive, send)
                    return
            await asyncio.shield(asyncio.wrap_future(self._application))
        await self._application.result()(scope, receive, send)
