"""A receiver of webhooks that notes what comes, and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.support.waiting import wait_until


class Call(NamedTuple):
    """A request.

    Attributes:
        key: Its idempotency key, "" where it has none.
        body: Its JSON.
        answered: The status of the answer.
    """

    path: str
    key: str
    body: dict[str, Any]
    answered: int


class Hook(ThreadingHTTPServer):
    """Takes POST requests with JSON.

    Attributes:
        calls: What came, in its order.
        status: The answer to what comes next.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Take)

    @property
    def url(self) -> str:
        """The address of the hook."""
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    @property
    def taken(self) -> list[Call]:
        """What came and was taken."""
        return [call for call in self.calls if call.answered == 200]

    def wait_for(self, taken: int) -> list[Call]:
        """Return what was taken, once so many were."""
        wait_until(lambda: len(self.taken) >= taken)
        return self.taken


class _Take(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answered = self.server.status
        self.server.calls.append(Call(self.path, self.headers.get("Idempotency-Key", ""), body, answered))
        self.send_response(answered)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def webhook() -> Iterator[Hook]:
    """Listen on a free port until the block ends."""
    hook = Hook()
    thread = threading.Thread(target=hook.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.shutdown()
        hook.server_close()
        thread.join()
