"""PagerDuty: each alert is an incident, which is triggered, acknowledged and resolved.

The API: https://developer.pagerduty.com/docs/send-alert-event (Events API v2). Its deduplication key is the id
of the alert, so that repeated requests are one incident. An acknowledged incident does not page again when it
is triggered again. So a higher severity has its own key and resolves the incident before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from driftline_processor.config.channel_address import ChannelAddress, address_parts, check_query, region_of
from driftline_processor.policy.channel import NOTHING, Answer, Past, incident_keys, severity_of
from driftline_processor.policy.http_service import HttpService, NotTaken
from driftline_processor.policy.message import Message

REGIONS: Final = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}

TIMEOUT: Final = 10.0
"""Timeout of a request, seconds."""

MOST_SUMMARY: Final = 1024
MOST_DETAIL: Final = 8_000
MOST_NAME: Final = 255
"""Upper limit of characters of a summary (PagerDuty's), a detail and a name; the event stays below its 512 KB."""

DETAILS: Final = (
    "text",
    "policy",
    "model",
    "version",
    "environment",
    "owner",
    "tier",
    "state",
    "since",
    "cause",
    "action",
)


@dataclass(frozen=True, slots=True)
class PagerDutyAddress(ChannelAddress):
    """``pagerduty://ROUTING_KEY``, or with the second key that Apprise requires.

    Attributes:
        routing_key: Key of an Events API v2 integration.
        endpoint: Address of the service.
        source: Source of the event in PagerDuty; "" = the model.
        component: A component of the source; "" = none.
        group: Group of components; "" = none.
        kind: Class of the event; "" = the policy.
    """

    pages: ClassVar[bool] = True
    hears_acknowledgements: ClassVar[bool] = True
    has_endpoint: ClassVar[bool] = True

    routing_key: str
    endpoint: str
    source: str = ""
    component: str = ""
    group: str = ""
    kind: str = ""

    @classmethod
    def read(cls, url: str, endpoint: str) -> Self | None:
        """Read an address in Apprise's syntax."""
        host, path, query = address_parts(url)
        check_query("pagerduty", query, ("region", "source", "component", "group", "class"))
        key = host.partition("@")[0]
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key):
            raise ValueError("pagerduty:// needs the integration key of Events API v2; use pagerduty://KEY")
        parts = dict(zip(("source", "component"), path, strict=False)) | {
            parameter: query[parameter] for parameter in query
        }
        return cls(
            key,
            endpoint or region_of(query, REGIONS),
            parts.get("source", ""),
            parts.get("component", ""),
            query.get("group", ""),
            query.get("class", ""),
        )

    def open(self, _: Any) -> PagerDuty:
        """Return the channel."""
        return PagerDuty(self)


class PagerDuty:
    """An Events API v2 integration."""

    def __init__(self, address: PagerDutyAddress) -> None:
        self._address = address
        self._url = f"{address.endpoint}/v2/enqueue"
        self._service = HttpService(self._url, TIMEOUT)

    def send(self, message: Message, _past: Past = NOTHING) -> Answer:
        """Send the events of a message; an alert that ended before it was seen has severity info and stays open."""
        try:
            for event in self._events(message):
                self._service.ask("POST", self._url, json={"routing_key": self._address.routing_key, **event})
        except NotTaken as not_taken:
            answer = not_taken.hidden(self._address.routing_key)
            if answer.result == "refused" and "routing" in answer.detail.lower():
                return Answer("put_off", answer.detail)  # until the key is fixed
            return answer
        return Answer("delivered", reference=message.alert)

    def close(self) -> None:
        """Close the connection."""
        self._service.close()

    def _events(self, message: Message) -> Iterator[dict[str, Any]]:
        key, *before = incident_keys(message)
        if message.kind == "acknowledged":
            yield {"event_action": "acknowledge", "dedup_key": key}
            return
        if message.kind == "resolved":
            before = [key, *before]
        else:
            yield {"event_action": "trigger", "dedup_key": key, **self._trigger(message)}
        if message.kind in ("resolved", "worse"):
            yield from ({"event_action": "resolve", "dedup_key": incident_key} for incident_key in before)

    def _trigger(self, message: Message) -> dict[str, Any]:
        address, facts = self._address, message.facts
        payload = {
            "summary": str(facts["title"])[:MOST_SUMMARY],
            "source": address.source or str(facts.get("model") or "driftline")[:MOST_NAME],
            "severity": severity_of(message),
            "component": address.component,
            "group": address.group,
            "class": address.kind or str(facts.get("policy", ""))[:MOST_NAME],
            "custom_details": {name: _detail(facts[name]) for name in DETAILS if facts.get(name) not in (None, "")},
        }
        return {
            "payload": {name: value for name, value in payload.items() if value},
            "links": [{"href": href, "text": text} for text, href in facts["links"].items()],
            "client": "Driftline",
        }


def _detail(value: Any) -> Any:
    return value[:MOST_DETAIL] if isinstance(value, str) else value


CHANNEL = PagerDutyAddress
