"""The addresses of channels that Driftline speaks to itself: PagerDuty, Opsgenie, and Slack by the token of a bot.

They are written as Apprise writes them. Apprise cannot keep a thread or resolve what it sent, these channels can.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from driftline_processor.core.nearest_names import near

_PAGERDUTY: Final = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
_OPSGENIE: Final = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
_SLACK: Final = "https://slack.com/api"
_SLACK_ID: Final = re.compile(r"[CGD][A-Z0-9]{8,}")
_SLACK_NAME: Final = re.compile(r"[a-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class PagerDutyAddress:
    """``pagerduty://ROUTING_KEY``, or with the second key that Apprise asks for.

    Attributes:
        routing_key: Of an integration of the kind Events API v2.
        endpoint: Where the service is.
        source: What fires, as PagerDuty shows it; "" = the model.
        component: A part of the source; "" = none.
        group: Of components; "" = none.
        kind: Of the event; "" = the policy.
    """

    routing_key: str
    endpoint: str
    source: str = ""
    component: str = ""
    group: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class OpsgenieAddress:
    """``opsgenie://API_KEY/#TEAM/@USER``.

    Attributes:
        key: Of an API integration.
        endpoint: Where the service is.
        responders: Who is called: ``{"type": "team", "name": ...}``.
        tags: Of each alert.
        entity: What is affected; "" = the model.
    """

    key: str
    endpoint: str
    responders: tuple[Mapping[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    entity: str = ""


@dataclass(frozen=True, slots=True)
class SlackAddress:
    """``slack://xoxb-TOKEN/#CHANNEL``.

    Attributes:
        token: Of the bot.
        channel: Its name with ``#``, or its id.
        endpoint: Where the service is.
    """

    token: str
    channel: str
    endpoint: str = _SLACK


ChannelAddress = PagerDutyAddress | OpsgenieAddress | SlackAddress


def read_address(url: str, endpoint: str = "") -> ChannelAddress | None:
    """Read the address of a channel.

    Args:
        url: As it is written; secret.
        endpoint: Where the service is instead of its own place; "" = there.

    Returns:
        None where Apprise, or a webhook, is to be used.

    Raises:
        ValueError: What is wrong with it, without what is secret of it.

    >>> read_address("slack://xoxb-1-2-abc/#models").channel
    '#models'
    >>> read_address("pagerduty://key@key/churn?region=eu").endpoint
    'https://events.eu.pagerduty.com'
    >>> read_address("slack://T0/B0/token/#models")
    """
    scheme, _, rest = url.partition("://")
    read = _SCHEMES.get(scheme.lower())
    if read is None:
        return None
    path, _, query = rest.partition("?")
    first, *more = (unquote(part) for part in path.split("/"))
    if "#" in first:
        first, _, behind = first.partition("#")
        more = [f"#{behind}", *more]
    return read(first, [part for part in more if part], dict(parse_qsl(query)), endpoint)


def _read_pagerduty(host: str, path: list[str], query: dict[str, str], endpoint: str) -> PagerDutyAddress:
    _check_query("pagerduty", query, ("region", "source", "component", "group", "class"))
    key = host.partition("@")[0]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key):
        raise ValueError("pagerduty:// needs the integration key of Events API v2; write pagerduty://KEY")
    parts = dict(zip(("source", "component"), path, strict=False)) | {one: query[one] for one in query}
    return PagerDutyAddress(
        key,
        endpoint or _PAGERDUTY[_region(query)],
        parts.get("source", ""),
        parts.get("component", ""),
        query.get("group", ""),
        query.get("class", ""),
    )


_RESPONDERS: Final = {
    "#": ("team", "name"),
    "@": ("user", "username"),
    "*": ("schedule", "name"),
    "^": ("escalation", "name"),
}


def _read_opsgenie(host: str, path: list[str], query: dict[str, str], endpoint: str) -> OpsgenieAddress:
    _check_query("opsgenie", query, ("region", "tags", "entity"))
    key = host.rpartition("@")[2]
    if not re.fullmatch(r"[A-Za-z0-9-]{1,80}", key):
        raise ValueError("opsgenie:// needs the key of an API integration; write opsgenie://KEY/#TEAM")
    responders = []
    for part in path:
        kind, by = _RESPONDERS.get(part[0], ("user", "username"))
        named = part.lstrip("#@*^")
        if not named:
            raise ValueError("opsgenie:// names nobody behind a '/'; write #TEAM, @USER, *SCHEDULE or ^ESCALATION")
        responders.append({"type": kind, by: named})
    tags = tuple(one for one in (tag.strip()[:50] for tag in query.get("tags", "").split(",")) if one)
    return OpsgenieAddress(
        key, endpoint or _OPSGENIE[_region(query)], tuple(responders), tags[:20], query.get("entity", "")
    )


def _read_slack(host: str, path: list[str], query: dict[str, str], endpoint: str) -> SlackAddress | None:
    if not host.startswith("xo"):
        return None
    _check_query("slack", query, ())
    if len(path) != 1 or path[0][0] == "@":
        if not path:
            raise ValueError("slack:// names no channel behind the token; write slack://TOKEN/#models")
        return None
    name = path[0].lstrip("#+")
    if _SLACK_ID.fullmatch(name):
        return SlackAddress(host, name, endpoint or _SLACK)
    if not _SLACK_NAME.fullmatch(name):
        raise ValueError("slack:// has a channel that cannot be; write its name in small letters, or its id")
    return SlackAddress(host, f"#{name}", endpoint or _SLACK)


def _region(query: Mapping[str, str]) -> str:
    found = query.get("region", "us").lower()
    if found not in _PAGERDUTY:
        raise ValueError(f"region='{found:.20}' is not known; write us or eu")
    return found


_SCHEMES: Final[Mapping[str, Callable[[str, list[str], dict[str, str], str], ChannelAddress | None]]] = {
    "pagerduty": _read_pagerduty,
    "opsgenie": _read_opsgenie,
    "slack": _read_slack,
}


def _check_query(scheme: str, query: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in query:
        if name not in known:
            fix = near(name, [*known]) if known else "leave it out"
            raise ValueError(f"'{name:.40}' is nothing that {scheme}:// is asked; {fix}")
