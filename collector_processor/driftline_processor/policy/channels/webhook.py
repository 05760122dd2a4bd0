"""Send each message as JSON over HTTP, with its id as the idempotency key."""

from __future__ import annotations

from driftline_processor.policy.alerts import Message

from .channel import DELIVERED, Answer
from .http_service import HttpService, NotTaken
from .secrets import hide_secrets

TIMEOUT = 10.0
"""Seconds that a receiver has to answer."""


class Webhook:
    """An address that takes messages as JSON."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._service = HttpService(url, TIMEOUT)

    def send(self, message: Message) -> Answer:
        """Post a message: its facts, with ``id``."""
        body, key = {"id": message.id, **message.facts}, {"Idempotency-Key": message.id}
        try:
            self._service.ask("POST", self._url, json=body, headers=key)
        except NotTaken as not_taken:
            return Answer(not_taken.answer.result, hide_secrets(not_taken.answer.detail, self._url)[:300])
        return DELIVERED

    def close(self) -> None:
        """Close the connection."""
        self._service.close()
