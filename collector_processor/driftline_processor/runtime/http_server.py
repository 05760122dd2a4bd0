"""All HTTP ports of the process: uvicorn servers in one event loop, in one thread.

Every application stands behind the same door: :class:`.browser_guard.BrowserGuard` turns away what pages of other sites
send, :class:`BoundedBodies` bounds the bytes under way, and :mod:`.connections` ends connections that keep silent.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from typing import Any, cast

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .browser_guard import BrowserGuard, Rules
from .config import Limits
from .config_values import Address
from .connections import Connections
from .ports import bind
from .protocol import refusal
from .request_memory import HOLDING, RequestMemory, TooLargeEver
from .signals import Overloaded


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service has those."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)


class HttpServers:
    """HTTP servers that share one loop. Bind every address first, then :meth:`start` with one application each."""

    def __init__(self, connections: Connections | None = None, memory: RequestMemory | None = None) -> None:
        self._connections = Connections(Limits().connections) if connections is None else connections
        self._memory = RequestMemory(Limits().request_bytes) if memory is None else memory
        self._bound: list[list[socket.socket]] = []
        self._rules: list[Rules] = []
        self._servers: list[_Server] = []
        self._thread: threading.Thread | None = None

    def bind(self, address: Address, key: str, rules: Rules | None = None) -> Address:
        """Listen on ``address`` and return it with its real port. Raises PortInUse.

        ``rules``: whose requests are answered there; without any, those that name this machine.
        """
        sockets = bind(address, key)
        self._bound.append(sockets)
        self._rules.append(rules or Rules())
        return Address(address.host, sockets[0].getsockname()[1])

    def start(self, applications: Sequence[ASGIApp], grace: float = 5.0) -> None:
        """Serve the applications, one for each address in the order they were bound; return when all answer.

        ``grace``: seconds that a stop waits for requests under way.
        """
        self._servers = [
            _Server(
                uvicorn.Config(
                    BrowserGuard(BoundedBodies(application, self._memory), rules),
                    http=cast(Any, self._connections.protocol),
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_keep_alive=round(self._connections.deadlines.idle),
                    timeout_graceful_shutdown=max(1, round(grace)),
                )
            )
            for application, rules in zip(applications, self._rules, strict=True)
        ]
        up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(up)), name="driftline-http", daemon=True)
        self._thread.start()
        up.wait()

    async def _serve(self, up: threading.Event) -> None:
        watching = asyncio.create_task(self._connections.watch())
        tasks = [asyncio.create_task(s.serve(sockets)) for s, sockets in zip(self._servers, self._bound, strict=True)]
        while not all(server.started for server in self._servers) and not any(task.done() for task in tasks):
            await asyncio.sleep(0.005)
        up.set()
        await asyncio.gather(*tasks)
        watching.cancel()

    def end(self) -> None:
        """Stop accepting; :meth:`stop` waits for the requests under way."""
        for server in self._servers:
            server.should_exit = True

    def stop(self, timeout: float | None = None) -> None:
        """Stop accepting, let requests under way end, and close every socket; also where nothing was started.

        ``timeout``: seconds after which requests are left to themselves; None = never.
        """
        self.end()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return  # it closes its sockets itself, and would fail on closed ones
        for listener in (listener for sockets in self._bound for listener in sockets):
            listener.close()


class BoundedBodies:
    """Counts the bytes of requests while they are under way, and refuses those for which there is no room."""

    def __init__(self, app: ASGIApp, memory: RequestMemory) -> None:
        self._app = app
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; where it is refused, the application finds that its sender has gone away."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        holding = self._memory.open(scope.get("driftline.end"))
        scope[HOLDING] = holding
        refused = False

        async def count() -> Message:
            nonlocal refused
            message = await receive()
            if message["type"] == "http.request" and (body := message.get("body")):
                try:
                    holding.grow(len(body))
                except (Overloaded, TooLargeEver) as reason:
                    refused = True
                    await self._refuse(reason, scope, receive, send)
                    return {"type": "http.disconnect"}
            return message

        async def answer(message: Message) -> None:
            if not refused:
                await send(message)

        try:
            await self._app(scope, count, answer)
        except ClientDisconnect:  # nobody is left to be answered
            pass
        finally:
            holding.close()

    async def _refuse(self, reason: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        # The connection stays: a sender reads the answer when all is sent, and what still comes is held nowhere.
        if isinstance(reason, TooLargeEver):
            sentence = (
                f"the request is larger than {self._memory.largest // 2**20} MiB, the most that limits.request_bytes "
                "leaves to one; send it in parts"
            )
            await refusal(scope, 413, sentence)(scope, receive, send)
            return
        sentence = "too many bytes of requests are under way (limits.request_bytes); send it again"
        await refusal(scope, 503, sentence, {"retry-after": "1"})(scope, receive, send)
