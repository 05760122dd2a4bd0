"""Send each message as JSON over HTTP with its id as the idempotency key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from driftline_processor.config.channel_address import ChannelAddress
from driftline_processor.policy.channel import DELIVERED, NOTHING, Answer, Past
from driftline_processor.policy.http_service import HttpService, NotTaken, idempotency_key
from driftline_processor.policy.message import Message

HIGHEST_PORT: Final = 65_535

TIMEOUT = 10.0
"""Timeout of a request, seconds."""


@dataclass(frozen=True, slots=True)
class WebhookAddress(ChannelAddress):
    """An HTTP address.

    Attributes:
        url: The whole address; secret.
    """

    url: str

    @classmethod
    def read(cls, url: str, _: str) -> Self:
        """Read any HTTP address."""
        return cls(url)

    def open(self, _: Any) -> Webhook:
        """Return the channel."""
        return Webhook(self.url)

    def problems(self) -> Iterator[str]:
        """Yield the reasons why HTTP rejects the address."""
        import httpx  # the library of the channel

        scheme = self.url.partition("://")[0]
        try:
            read = httpx.URL(self.url)
        except httpx.InvalidURL:  # the error may quote a password
            read = None
        if read is None or not 0 < (read.port or 1) <= HIGHEST_PORT:
            yield f"'{scheme}://' is not followed by host, port and path; use 'https://host/path'"
        elif not read.host:
            yield f"'{scheme}://' has no host; use 'https://host/path'"

    def attachment_problems(self, _: str) -> Iterator[str]:
        """Yield that an HTTP action can send the report instead."""
        yield "a webhook cannot send attachments; use an action http/NAME with attach: report"


class Webhook:
    """An address that receives messages as JSON."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._service = HttpService(url, TIMEOUT)

    def send(self, message: Message, _past: Past = NOTHING) -> Answer:
        """Post a message: its facts and ``id``."""
        body, key = {"id": message.id, **message.facts}, {"Idempotency-Key": idempotency_key(message.id)}
        try:
            self._service.ask("POST", self._url, json=body, headers=key)
        except NotTaken as not_taken:
            return not_taken.hidden(self._url)
        return DELIVERED

    def close(self) -> None:
        """Close the connection."""
        self._service.close()


CHANNEL = WebhookAddress
