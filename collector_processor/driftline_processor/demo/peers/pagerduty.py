"""PagerDuty's Events API v2: what it takes, and the incidents that it has.

The schema is that of https://developer.pagerduty.com/docs/send-alert-event (parameters, their lengths, links).
"""

from __future__ import annotations

from typing import Any

import jsonschema

from .recorder import Asked

TEXT = {"type": "string", "minLength": 1}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["routing_key", "event_action"],
    "properties": {
        "routing_key": {"type": "string", "pattern": "^[A-Za-z0-9]{32}$"},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "maxLength": 255},
        "payload": {
            "type": "object",
            "additionalProperties": False,
            "required": ["summary", "source", "severity"],
            "properties": {
                "summary": {**TEXT, "maxLength": 1024},
                "source": TEXT,
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": TEXT,
                "component": TEXT,
                "group": TEXT,
                "class": TEXT,
                "custom_details": {"type": "object"},
            },
        },
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["href"],
                "properties": {"href": {"type": "string", "pattern": "^https?://"}, "text": {"type": "string"}},
            },
        },
        "images": {"type": "array"},
        "client": {"type": "string"},
        "client_url": {"type": "string"},
    },
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "else": {"required": ["dedup_key"]},
}


class PagerDuty:
    """The incidents of one service.

    Attributes:
        events: What came, in its order.
    """

    host = "events.pagerduty.com"

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request."""
        jsonschema.validate(asked.json, SCHEMA)
        self.events.append(asked.json)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": asked.json["dedup_key"]}

    @property
    def triggered(self) -> list[str]:
        """The summaries of incidents that were triggered, the first first."""
        return [one["payload"]["summary"] for one in self.events if one["event_action"] == "trigger"]
