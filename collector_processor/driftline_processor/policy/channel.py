"""The contract of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from driftline_processor.config.channel_address import read_address

from .message import SEVERITIES, Message

if TYPE_CHECKING:
    from driftline_processor.config.channels import Channel as ChannelKeys

    from .sources import MakeReport


class Answer(Struct, frozen=True):
    """The answer of a channel to a message.

    Attributes:
            result: ``delivered``; ``refused``: permanently rejected; ``put_off``: may be accepted later;
            ``dry_run``: not sent on purpose; ``expired``: no longer permitted.
        detail: The channel's answer; "" if there is none.
        reference: The channel's id of the message; "" if there is none.
        wait: Seconds for which the channel requests a pause.
        unheard: Whether the message may have been accepted although the answer was lost.
    """

    result: Literal["delivered", "refused", "put_off", "dry_run", "expired"]
    detail: str = ""
    reference: str = ""
    wait: float = 0.0
    unheard: bool = False


DELIVERED = Answer("delivered")


class Past(Struct, frozen=True):
    """Earlier messages about the same alert.

    Attributes:
        thread: The channel's id of the first message about the same alert; "" if unknown.
        shared: Whether that message is a digest or a summary, which is about other alerts, too.
        unsure: Whether the message may have been accepted before, because the answer was lost.
    """

    thread: str = ""
    shared: bool = False
    unsure: bool = False


NOTHING = Past()


def severity_of(message: Message) -> str:
    """Return the severity of a message's incident: the highest of its new and its open alerts."""
    facts, lasting_alerts = message.facts, message.facts.get("lasting", ())
    if message.kind == "passed":
        return "info"
    severities = [] if message.kind == "eased" and lasting_alerts else [str(facts.get("severity", "warning"))]
    return min([*severities, *(str(alert["severity"]) for alert in lasting_alerts)], key=SEVERITIES.index)


def incident_keys(message: Message) -> list[str]:
    """Return a pager's keys of the incidents of a thread, the message's incident first.

    An acknowledged incident does not page again, so a higher severity starts a new incident.

    >>> incident_keys(Message("4c1f-3-oncall", "4c1f", "oncall", "worse", 0, {}, incident=2))
    ['4c1f-2', '4c1f']
    """
    return [message.alert if number == 1 else f"{message.alert}-{number}" for number in range(message.incident, 0, -1)]


class Channel(Protocol):
    """A destination of messages. Used by one thread."""

    def send(self, message: Message, past: Past = NOTHING, /) -> Answer:
        """Send a message, once."""

    def close(self) -> None:
        """Close the connection."""


def open_channel(keys: ChannelKeys, report: MakeReport | None = None) -> Channel:
    """Return the channel of a configured address.

    To add a kind, write one file ``policy/channels/SCHEME.py`` with a subclass of ``ChannelAddress`` named
    ``CHANNEL``. Another distribution adds a kind by an entry point of the group ``driftline_channels``.

    Args:
        keys: Configuration of the channel.
        report: Creates the report to attach, if configured.
    """
    channel: Channel = read_address(keys.url.get_secret_value(), keys.endpoint).open(report if keys.attach else None)
    return channel
