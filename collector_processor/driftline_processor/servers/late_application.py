"""An application that is loaded while its port is open: requests that come before wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send


class LateApplication:
    """Pass requests on to what ``make`` returns, once :meth:`load` has called it; ``early`` routes answer before."""

    def __init__(self, make: Callable[[], ASGIApp], early: Sequence[Route] = ()) -> None:
        self._make, self._early = make, early
        self._application: Future[ASGIApp] = Future()

    def load(self) -> None:
        """Make the application. Raises what kept it from that, as every request does from then on."""
        try:
            self._application.set_result(self._make())
        except BaseException as failure:
            self._application.set_exception(failure)
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, perhaps after a wait."""
        if not self._application.done():
            for route in self._early:
                match, matched = route.matches(scope)
                if match is Match.FULL:
                    await route.handle({**scope, **matched}, receive, send)
                    return
            await asyncio.shield(asyncio.wrap_future(self._application))
        await self._application.result()(scope, receive, send)
