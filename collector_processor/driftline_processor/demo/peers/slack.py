"""Slack's incoming webhooks: what they take, and the messages that came.

The schema is that of https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks with the attachments of
https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments.
"""

from __future__ import annotations

from typing import Any

import jsonschema

from .recorder import Asked

_TEXT = {"type": "string"}
_TEXTS = (
    *("fallback", "color", "pretext", "author_name", "author_link", "title", "title_link", "text"),
    *("image_url", "thumb_url", "footer", "footer_icon"),
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["text"]}, {"required": ["attachments"]}, {"required": ["blocks"]}],
    "properties": {
        "text": _TEXT,
        "channel": {"type": "string", "pattern": "^[#@]?[A-Za-z0-9_-]{1,80}$"},
        "username": _TEXT,
        "icon_url": _TEXT,
        "icon_emoji": _TEXT,
        "mrkdwn": {"type": "boolean"},
        "link_names": {"type": ["boolean", "integer"]},
        "thread_ts": _TEXT,
        "blocks": {"type": "array", "maxItems": 50},
        "attachments": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    **dict.fromkeys(_TEXTS, _TEXT),
                    "ts": {"type": ["integer", "number"]},
                    "mrkdwn_in": {"type": "array", "items": _TEXT},
                    "blocks": {"type": "array"},
                    "fields": {"type": "array"},
                },
            },
        },
    },
}


class Slack:
    """The incoming webhooks of a workspace.

    Attributes:
        messages: Title and text of each message, in their order.
    """

    host = "hooks.slack.com"

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request."""
        assert asked.method == "POST", "a webhook takes POST"
        jsonschema.validate(asked.json, SCHEMA)
        for said in asked.json.get("attachments") or [{"title": "", "text": asked.json["text"]}]:
            self.messages.append((said.get("title", ""), said.get("text", "")))
        return 200, "ok"

    @property
    def titles(self) -> list[str]:
        """The titles of the messages."""
        return [title for title, _ in self.messages]
