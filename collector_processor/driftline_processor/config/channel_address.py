"""The address of a channel. Its scheme is the kind, one file per kind: ``policy/channels/KIND.py``.

Driftline's own kinds use the syntax of Apprise. They support threads and the end of alerts, which Apprise does
not. All other addresses are handled by Apprise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self
from urllib.parse import parse_qsl, unquote

from driftline_processor.core.nearest_names import near

from .kinds import CHANNELS

APPRISE: Final = "apprise_service"
"""The kind of every address whose scheme is not another kind."""


@dataclass(frozen=True, slots=True)
class ChannelAddress:
    """The address of a channel of one kind.

    Attributes:
        pages: Whether each alert is an incident there, which is acknowledged and resolved, and pages people.
        hears_acknowledgements: Whether acknowledgements are sent to it.
        has_endpoint: Whether the key ``endpoint`` may set the address of the service.
    """

    pages: ClassVar[bool] = False
    hears_acknowledgements: ClassVar[bool] = False
    has_endpoint: ClassVar[bool] = False

    @classmethod
    def read(cls, url: str, endpoint: str) -> Self | None:
        """Read an address with the scheme of this kind.

        Args:
            url: The address as configured; secret.
            endpoint: Address of the service; "" = the default.

        Returns:
            None if Apprise handles the address.

        Raises:
            ValueError: The reason why it is invalid, without secrets.
        """
        raise NotImplementedError

    def open(self, report: Any) -> Any:
        """Return the channel, see ``policy/channel.py``; ``report``: creates the report to attach, None = no report."""
        raise NotImplementedError

    def problems(self) -> Iterator[str]:
        """Yield problems of the address beyond its syntax."""
        yield from ()

    def attachment_problems(self, scheme: str) -> Iterator[str]:
        """Yield why the channel does not support attachments; nothing if it does."""
        yield (
            f"a channel of the type '{scheme}' cannot send files; remove the key: messages contain a link to the report"
        )


def read_address(url: str, endpoint: str = "") -> ChannelAddress:
    """Read the address of a channel.

    Raises:
        ValueError: The reason why it is invalid, without secrets.

    >>> read_address("slack://xoxb-1-2-abc/#models").channel
    '#models'
    >>> read_address("pagerduty://key@key/churn?region=eu").endpoint
    'https://events.eu.pagerduty.com'
    >>> type(read_address("slack://T0/B0/token/#models")).__name__
    'AppriseAddress'
    """
    kind = CHANNELS.find(url.partition("://")[0].lower())
    address: ChannelAddress | None = None if kind is None else kind.read(url, endpoint)
    if address is None:
        address = CHANNELS.find(APPRISE).read(url, endpoint)
    assert address is not None
    return address


def address_parts(url: str) -> tuple[str, list[str], dict[str, str]]:
    """Return host, path segments and query of an address; ``#`` does not start a fragment."""
    path, _, query = url.partition("://")[2].partition("?")
    first, *more = (unquote(part) for part in path.split("/"))
    if "#" in first:
        first, _, behind = first.partition("#")
        more = [f"#{behind}", *more]
    return first, [part for part in more if part], dict(parse_qsl(query))


def region_of(query: Mapping[str, str], regions: Mapping[str, str]) -> str:
    """Return the address of the service in the region of a query.

    Raises:
        ValueError: There is no such region.
    """
    region = query.get("region", "us").lower()
    if region not in regions:
        raise ValueError(f"region='{region:.20}' is not a supported region; use us or eu")
    return regions[region]


def check_query(scheme: str, query: Mapping[str, str], known_keys: tuple[str, ...]) -> None:
    """Raise ValueError for an unknown query parameter."""
    for name in query:
        if name not in known_keys:
            fix = near(name, [*known_keys]) if known_keys else "remove it"
            raise ValueError(f"'{name:.40}' is not a parameter of {scheme}:// addresses; {fix}")
