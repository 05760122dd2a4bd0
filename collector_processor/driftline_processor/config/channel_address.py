"""The address of a channel. Its scheme says the kind, which is one file: ``policy/channels/KIND.py``.

The kinds that Driftline brings are written as Apprise writes them. Apprise cannot keep a thread or resolve what it
sent, these kinds can. Every other address is one of Apprise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self
from urllib.parse import parse_qsl, unquote

from driftline_processor.core.nearest_names import near

from .kinds import CHANNELS

APPRISE: Final = "apprise_service"
"""The kind of every address whose scheme is of no other kind."""


@dataclass(frozen=True, slots=True)
class ChannelAddress:
    """The address of a channel of one kind.

    Attributes:
        pages: Whether each alert is an incident there, which is acknowledged and resolved, and wakes people.
        hears_acknowledgements: Whether it is sent that somebody has taken an alert on.
        has_endpoint: Whether the key ``endpoint`` may say where the service is.
    """

    pages: ClassVar[bool] = False
    hears_acknowledgements: ClassVar[bool] = False
    has_endpoint: ClassVar[bool] = False

    @classmethod
    def read(cls, url: str, endpoint: str) -> Self | None:
        """Read an address with the scheme of this kind.

        Args:
            url: As it is written; secret.
            endpoint: Where the service is instead of its own place; "" = there.

        Returns:
            None for an address that Apprise is to use.

        Raises:
            ValueError: What is wrong with it, without what is secret of it.
        """
        raise NotImplementedError

    def open(self, report: Any) -> Any:
        """Return the channel, as of ``policy/channel.py``; ``report``: writes the report to attach, None = nobody."""
        raise NotImplementedError

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the address beyond its form."""
        yield from ()

    def attachment_problems(self, scheme: str) -> Iterator[str]:
        """Yield why the channel takes no files; nothing if it does."""
        yield (
            f"a channel of the type '{scheme}' cannot send files; remove the key: messages contain a link to the report"
        )


def read_address(url: str, endpoint: str = "") -> ChannelAddress:
    """Read the address of a channel.

    Raises:
        ValueError: What is wrong with it, without what is secret of it.

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
    """Return the host, the parts of the path and the query of an address; a ``#`` is no fragment."""
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
    """Raise ValueError for a parameter of a query that a kind does not know."""
    for name in query:
        if name not in known_keys:
            fix = near(name, [*known_keys]) if known_keys else "remove it"
            raise ValueError(f"'{name:.40}' is not a parameter of {scheme}:// addresses; {fix}")
