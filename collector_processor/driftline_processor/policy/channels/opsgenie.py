"""Opsgenie and compatible services: each alert is created, acknowledged and closed there.

The API: https://docs.opsgenie.com/docs/alert-api. Its alias is the id of the alert, so that repeated requests
are one alert. An acknowledged alert does not page again when it is created again. So a higher severity has its
own alias and closes the alert before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote

from driftline_processor.config.channel_address import ChannelAddress, address_parts, check_query, region_of
from driftline_processor.policy.channel import NOTHING, Answer, Past, incident_keys, severity_of
from driftline_processor.policy.http_service import HttpService, NotTaken
from driftline_processor.policy.message import Message

REGIONS: Final = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}

_RESPONDERS: Final = {
    "#": ("team", "name"),
    "@": ("user", "username"),
    "*": ("schedule", "name"),
    "^": ("escalation", "name"),
}

TIMEOUT: Final = 10.0
"""Timeout of a request, seconds."""

MOST_MESSAGE, MOST_DESCRIPTION, MOST_NOTE, MOST_NAME, MOST_DETAIL = 130, 15_000, 25_000, 100, 500
"""Opsgenie's upper limits of characters; the limit of a detail keeps the sum of all details below 8,000."""

PRIORITIES: Final[Mapping[str, str]] = {"critical": "P1", "warning": "P3", "info": "P5"}
DETAILS: Final = ("policy", "model", "version", "environment", "owner", "tier", "state", "since")


@dataclass(frozen=True, slots=True)
class OpsgenieAddress(ChannelAddress):
    """``opsgenie://API_KEY/#TEAM/@USER``.

    Attributes:
        key: Key of an API integration.
        endpoint: Address of the service.
        responders: Recipients: ``{"type": "team", "name": ...}``.
        tags: Tags of each alert.
        entity: Affected entity; "" = the model.
    """

    pages: ClassVar[bool] = True
    hears_acknowledgements: ClassVar[bool] = True
    has_endpoint: ClassVar[bool] = True

    key: str
    endpoint: str
    responders: tuple[Mapping[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    entity: str = ""

    @classmethod
    def read(cls, url: str, endpoint: str) -> Self | None:
        """Read an address in Apprise's syntax."""
        host, path, query = address_parts(url)
        check_query("opsgenie", query, ("region", "tags", "entity"))
        key = host.rpartition("@")[2]
        if not re.fullmatch(r"[A-Za-z0-9-]{1,80}", key):
            raise ValueError("opsgenie:// needs the key of an API integration; use opsgenie://KEY/#TEAM")
        responders = []
        for part in path:
            kind, by = _RESPONDERS.get(part[0], ("user", "username"))
            responder = part.lstrip("#@*^")
            if not responder:
                raise ValueError(
                    "opsgenie:// has an empty responder after a '/'; use #TEAM, @USER, *SCHEDULE or ^ESCALATION"
                )
            responders.append({"type": kind, by: responder})
        tags = tuple(
            tag_text for tag_text in (tag.strip()[:50] for tag in query.get("tags", "").split(",")) if tag_text
        )
        return cls(key, endpoint or region_of(query, REGIONS), tuple(responders), tags[:20], query.get("entity", ""))

    def open(self, _: Any) -> Opsgenie:
        """Return the channel."""
        return Opsgenie(self)


class Opsgenie:
    """An API integration."""

    def __init__(self, address: OpsgenieAddress) -> None:
        self._address = address
        self._url = f"{address.endpoint}/v2/alerts"
        self._service = HttpService(self._url, TIMEOUT, {"Authorization": f"GenieKey {address.key}"})

    def send(self, message: Message, _past: Past = NOTHING) -> Answer:
        """Send the requests of a message; an alert that ended before it was seen has the lowest priority."""
        try:
            for path, body in self._requests(message):
                self._service.ask("POST", f"{self._url}{path}", json=body)
        except NotTaken as not_taken:
            answer = not_taken.hidden(self._address.key)
            if answer.result == "refused" and "key" in answer.detail.lower():
                return Answer("put_off", answer.detail)  # until the key is fixed
            return answer
        return Answer("delivered", reference=message.alert)

    def close(self) -> None:
        """Close the connection."""
        self._service.close()

    def _requests(self, message: Message) -> Iterator[tuple[str, dict[str, Any]]]:
        kind, facts = message.kind, message.facts
        key, *before = incident_keys(message)
        alert_path = f"/{quote(key, safe='')}"
        if kind == "acknowledged":
            yield f"{alert_path}/acknowledge?identifierType=alias", self._note(facts, str(facts.get("by", "")))
            return
        if kind == "over":
            yield from self._closed([key, *before], facts)
            return
        yield "", self._new(message, key)
        if kind in ("worse", "escalated", "joined", "eased"):
            yield (
                f"{alert_path}/notes?identifierType=alias",
                self._note(facts),
            )  # only increments its count
        if kind == "worse":
            yield from self._closed(before, facts)

    def _closed(self, keys: Iterable[str], facts: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        for key in keys:
            yield f"/{quote(key, safe='')}/close?identifierType=alias", self._note(facts)

    def _new(self, message: Message, key: str) -> dict[str, Any]:
        facts, address = message.facts, self._address
        links = "\n".join(f"{name}: {href}" for name, href in facts["links"].items())
        body = {
            "message": str(facts["title"])[:MOST_MESSAGE],
            "alias": key,
            "description": f"{str(facts['text'])[: MOST_DESCRIPTION - len(links) - 1]}\n{links}"[:MOST_DESCRIPTION],
            "responders": [dict(responder) for responder in address.responders],
            "tags": list(address.tags),
            "details": {name: str(facts[name])[:MOST_DETAIL] for name in DETAILS if facts.get(name) not in (None, "")},
            "entity": (address.entity or str(facts.get("model", "")))[:512],
            "source": "Driftline",
            "priority": PRIORITIES[severity_of(message)],
        }
        return {name: value for name, value in body.items() if value}

    def _note(self, facts: Mapping[str, Any], user: str = "") -> dict[str, str]:
        body = {
            "source": "Driftline",
            "note": f"{facts['title']}\n{facts['text']}"[:MOST_NOTE],
            "user": user[:MOST_NAME],
        }
        return {name: value for name, value in body.items() if value}


CHANNEL = OpsgenieAddress
