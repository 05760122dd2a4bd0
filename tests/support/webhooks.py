"""A receiver of webhooks that notes what comes, and answers as a test says."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from driftline_processor.demo.peers.recorder import Asked, Service, listening

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


class Hook(Service):
    """Takes POST requests with JSON.

    Attributes:
        calls: What came, in its order.
        status: The answer to what comes next.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.status = 200
        super().__init__(self._take)

    def _take(self, asked: Asked) -> tuple[int, None]:
        self.calls.append(Call(asked.path, asked.headers.get("idempotency-key", ""), asked.json, self.status))
        return self.calls[-1].answered, None

    @property
    def url(self) -> str:
        """The address of the hook."""
        return f"{super().url}/hook"

    @property
    def taken(self) -> list[Call]:
        """What came and was taken."""
        return [call for call in self.calls if call.answered == 200]

    def wait_for(self, taken: int) -> list[Call]:
        """Return what was taken, once so many were."""
        wait_until(lambda: len(self.taken) >= taken)
        return self.taken


def webhook() -> AbstractContextManager[Hook]:
    """Listen on a free port until the block ends."""
    return listening(Hook())
