"""What every channel answers to a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from driftline_processor.config.channel_address import read_address

from .message import SEVERITIES, Message

if TYPE_CHECKING:
    from driftline_processor.config.channels import Channel as ChannelKeys

    from .sources import MakeReport


class Answer(Struct, frozen=True):
    """What a channel said to a message.

    Attributes:
        result: ``delivered``; ``refused``: it will never be taken; ``put_off``: it may be taken later; ``dry_run``:
            it was not sent, and nobody wanted it to be.
        detail: In the channel's words; "" where it said nothing.
        reference: By what the channel knows the message; "" where it does not say.
        wait: Seconds for which the channel wants to be left alone.
        unheard: Whether it may have taken the message all the same: its answer did not come, or it broke meanwhile.
    """

    result: Literal["delivered", "refused", "put_off", "dry_run"]
    detail: str = ""
    reference: str = ""
    wait: float = 0.0
    unheard: bool = False


DELIVERED = Answer("delivered")


class Past(Struct, frozen=True):
    """What was sent before a message.

    Attributes:
        thread: By what the channel knows the first message about the same alert; "" where it knows none.
        shared: Whether that is a digest or a summary, which says other alerts, too.
        unsure: Whether the message may have been taken before: nobody heard the answer.
    """

    thread: str = ""
    shared: bool = False
    unsure: bool = False


NOTHING = Past()


def severity_of(message: Message) -> str:
    """Return how grave the incident of a message is: the gravest of what is told and of what lasts."""
    facts, lasting_alerts = message.facts, message.facts.get("lasting", ())
    if message.kind == "passed":
        return "info"
    severities = [] if message.kind == "eased" and lasting_alerts else [str(facts.get("severity", "warning"))]
    return min([*severities, *(str(alert["severity"]) for alert in lasting_alerts)], key=SEVERITIES.index)


def incident_keys(message: Message) -> list[str]:
    """Return by what a pager knows the incidents of a thread, that of the message first.

    An incident that somebody has in hand calls nobody again, so a rise in severity begins another one.

    >>> incident_keys(Message("4c1f-3-oncall", "4c1f", "oncall", "worse", 0, {}, incident=2))
    ['4c1f-2', '4c1f']
    """
    return [message.alert if number == 1 else f"{message.alert}-{number}" for number in range(message.incident, 0, -1)]


class Channel(Protocol):
    """A place to which messages go. One thread calls it."""

    def send(self, message: Message, past: Past = NOTHING, /) -> Answer:
        """Send a message, once."""

    def close(self) -> None:
        """Close what is open."""


def open_channel(keys: ChannelKeys, report: MakeReport | None = None) -> Channel:
    """Return the channel of the address in its keys.

    To add a kind, write one file ``policy/channels/SCHEME.py`` with a subclass of ``ChannelAddress`` that is called
    ``CHANNEL`` there. Another distribution adds a kind by an entry point of the group ``driftline_channels``.

    Args:
        keys: Of the channel.
        report: Writes the report that messages bring along, where the keys ask for that.
    """
    channel: Channel = read_address(keys.url.get_secret_value(), keys.endpoint).open(report if keys.attach else None)
    return channel
