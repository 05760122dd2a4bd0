"""Send each message as JSON over HTTP, with its id as the idempotency key."""

from __future__ import annotations

from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channel import DELIVERED, NOTHING, Answer, Past
from driftline_processor.policy.http_service import HttpService, NotTaken, idempotency_key

TIMEOUT = 10.0
"""Seconds that a receiver has to answer."""


class Webhook:
    """An address that takes messages as JSON."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._service = HttpService(url, TIMEOUT)

    def send(self, message: Message, _past: Past = NOTHING) -> Answer:
        """Post a message: its facts, with ``id``."""
        body, key = {"id": message.id, **message.facts}, {"Idempotency-Key": idempotency_key(message.id)}
        try:
            self._service.ask("POST", self._url, json=body, headers=key)
        except NotTaken as not_taken:
            return not_taken.hidden(self._url)
        return DELIVERED

    def close(self) -> None:
        """Close the connection."""
        self._service.close()
