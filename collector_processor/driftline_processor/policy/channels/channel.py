"""What every channel answers to a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from driftline_processor.policy.alerts import Message


@dataclass(frozen=True, slots=True)
class Answer:
    """What a channel said to a message.

    Attributes:
        result: ``delivered``; ``refused``: it will never be taken; ``put_off``: it may be taken later; ``dry_run``:
            it was not sent, and nobody wanted it to be.
        detail: In the channel's words; "" where it said nothing.
    """

    result: Literal["delivered", "refused", "put_off", "dry_run"]
    detail: str = ""


DELIVERED = Answer("delivered")


class Channel(Protocol):
    """A place to which messages go. One thread calls it."""

    def send(self, message: Message) -> Answer:
        """Send a message, once."""

    def close(self) -> None:
        """Close what is open."""
