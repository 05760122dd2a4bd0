"""All HTTP ports of the process: uvicorn servers in one event loop, in one thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from .config_values import Address
from .ports import bind


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service has those."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)


class HttpServers:
    """HTTP servers that share one loop. Bind every address first, then :meth:`start` with one application each."""

    def __init__(self) -> None:
        self._bound: list[list[socket.socket]] = []
        self._servers: list[_Server] = []
        self._thread: threading.Thread | None = None

    def bind(self, address: Address, key: str) -> Address:
        """Listen on ``address`` and return it with its real port. Raises PortInUse."""
        sockets = bind(address, key)
        self._bound.append(sockets)
        return Address(address.host, sockets[0].getsockname()[1])

    def start(self, applications: Sequence[ASGIApp], grace: float = 5.0) -> None:
        """Serve the applications, one for each address in the order they were bound; return when all answer.

        ``grace``: seconds that a stop waits for requests under way.
        """
        self._servers = [
            _Server(
                uvicorn.Config(
                    application,
                    http="httptools",
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=max(1, round(grace)),
                )
            )
            for application in applications
        ]
        up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(up)), name="driftline-http", daemon=True)
        self._thread.start()
        up.wait()

    async def _serve(self, up: threading.Event) -> None:
        tasks = [asyncio.create_task(s.serve(sockets)) for s, sockets in zip(self._servers, self._bound, strict=True)]
        while not all(server.started for server in self._servers) and not any(task.done() for task in tasks):
            await asyncio.sleep(0.005)
        up.set()
        await asyncio.gather(*tasks)

    def stop(self) -> None:
        """Stop accepting, let requests under way end, and close every socket; also where nothing was started."""
        for server in self._servers:
            server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        for listener in (listener for sockets in self._bound for listener in sockets):
            listener.close()
