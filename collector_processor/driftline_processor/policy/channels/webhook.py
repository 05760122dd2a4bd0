"""Send each message as JSON over HTTP, with its id as the idempotency key."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from driftline_processor.policy.alerts import Message

from .channel import DELIVERED, Answer
from .secrets import hide_secrets

TIMEOUT = 10.0
"""Seconds that a receiver has to answer."""

_PUT_OFF = (408, 409, 425, 429)
"""Statuses below 500 after which the same request may be taken: it waited too long, or another one of its key runs."""


class Webhook:
    """An address that takes messages as JSON."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(timeout=TIMEOUT, trust_env=not _here(url), follow_redirects=False)

    def send(self, message: Message) -> Answer:
        """Post a message: its facts, with ``id``."""
        try:
            response = self._client.post(
                self._url, json={"id": message.id, **message.facts}, headers={"Idempotency-Key": message.id}
            )
        except httpx.HTTPError as error:
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return Answer("put_off", hide_secrets(why, self._url))
        if response.is_success:
            return DELIVERED
        said = f"HTTP {response.status_code} {' '.join(response.text[:200].split())}".strip()
        put_off = response.status_code >= 500 or response.status_code in _PUT_OFF
        return Answer("put_off" if put_off else "refused", hide_secrets(said, self._url))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _here(url: str) -> bool:
    """Return True for an address of this machine, to which no proxy leads."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
