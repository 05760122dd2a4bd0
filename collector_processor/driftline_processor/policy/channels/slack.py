"""Slack by a bot token: one message per alert, its updates in the thread, and a check mark when it ends.

The API: https://docs.slack.dev/reference/methods/chat.postMessage. Slack has no idempotency key. So each
message contains its id as metadata, and a message with an unknown result is searched before it is sent again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from driftline_processor.config.channel_address import ChannelAddress, address_parts, check_query
from driftline_processor.policy.channel import NOTHING, Answer, Past
from driftline_processor.policy.http_service import HttpService, NotTaken
from driftline_processor.policy.message import Message

API: Final = "https://slack.com/api"
_SLACK_ID: Final = re.compile(r"[CGD][A-Z0-9]{8,}")
_SLACK_NAME: Final = re.compile(r"[a-z0-9_-]{1,80}")

TIMEOUT: Final = 10.0
"""Timeout of a request, seconds."""

MOST_TEXT: Final = 36_000
"""Upper limit of characters of a text without its links; Slack's limit is 40,000."""

REFUSED: Final = ("no_text", "msg_too_long", "invalid_arguments", "invalid_metadata_format", "message_limit_exceeded")
"""Errors after which the message is rejected permanently; other errors can be fixed by a new token or channel."""

NO_THREAD: Final = ("thread_not_found", "cannot_reply_to_message", "message_not_found", "invalid_thread_ts")
"""Errors of a reply whose first message was deleted."""

EVENT: Final = "driftline_message"

_log = logging.getLogger("driftline")


@dataclass(frozen=True, slots=True)
class SlackAddress(ChannelAddress):
    """``slack://xoxb-TOKEN/#CHANNEL``.

    Attributes:
        token: Token of the bot.
        channel: Its name with ``#``, or its id.
        endpoint: Address of the service.
    """

    hears_acknowledgements: ClassVar[bool] = True
    has_endpoint: ClassVar[bool] = True

    token: str
    channel: str
    endpoint: str = API

    @classmethod
    def read(cls, url: str, endpoint: str) -> Self | None:
        """Read an address in Apprise's syntax."""
        host, path, query = address_parts(url)
        if not host.startswith("xo"):
            return None
        check_query("slack", query, ())
        if len(path) != 1 or path[0][0] == "@":
            if not path:
                raise ValueError("slack:// has no channel after the token; use slack://TOKEN/#models")
            return None
        name = path[0].lstrip("#+")
        if _SLACK_ID.fullmatch(name):
            return cls(host, name, endpoint or API)
        if not _SLACK_NAME.fullmatch(name):
            raise ValueError("slack:// has an invalid channel; use its name in lowercase letters, or its id")
        return cls(host, f"#{name}", endpoint or API)

    def open(self, _: Any) -> Slack:
        """Return the channel."""
        return Slack(self)


class Slack:
    """A channel of a workspace with the bot as a member."""

    def __init__(self, address: SlackAddress) -> None:
        self._address = address
        headers = {"Authorization": f"Bearer {address.token}"}
        self._service = HttpService(address.endpoint, TIMEOUT, headers)
        self._id = "" if address.channel.startswith("#") else address.channel
        self._reacts = True

    def send(self, message: Message, past: Past = NOTHING) -> Answer:
        """Post a message, in the thread of the first one about its alert if there is one."""
        channel, _, thread = past.thread.partition(":")
        try:
            sent = self._find_message(message, channel or self._id, thread) if past.unsure else ""
            if not sent:
                channel, thread, sent = self._post(message, channel, thread)
            first = thread or sent
            if message.kind in ("resolved", "passed") and not past.shared:
                self._tick(channel, first)
        except NotTaken as not_taken:
            return not_taken.hidden(self._address.token)
        return Answer("delivered", reference=f"{channel or self._id}:{first}")

    def close(self) -> None:
        """Close the connection."""
        self._service.close()

    def _post(self, message: Message, channel: str, thread: str) -> tuple[str, str, str]:
        """Post a message; return the channel's id, and the time stamps of the thread, if any, and of the message."""
        body: dict[str, Any] = {
            "channel": channel or self._id or self._address.channel,
            "text": text_of(message.facts),
            "mrkdwn": False,
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": EVENT, "event_payload": {"id": message.id, "alert": message.alert}},
        }
        if thread:
            body |= {"thread_ts": thread, "reply_broadcast": message.kind in ("worse", "opened", "escalated")}
        try:
            answer = self._call("chat.postMessage", body)
        except NotTaken as not_taken:
            if not thread or not not_taken.answer.detail.removeprefix("Slack: ").startswith(NO_THREAD):
                raise
            return self._post(message, "", "")
        channel_id = str(answer.get("channel") or channel)
        if not thread:
            self._id = channel_id
        return channel_id, thread, str(answer.get("ts", ""))

    def _find_message(self, message: Message, channel: str, thread: str) -> str:
        """Return the time stamp of a message that may have been accepted; "" if it is missing or the search failed."""
        if not channel:
            return ""
        # 200: messages that are searched for one that may have been sent
        parameters: dict[str, str | int] = {"channel": channel, "limit": 200, "include_all_metadata": "true"}
        if thread:
            parameters["ts"] = thread
        method = "conversations.replies" if thread else "conversations.history"
        try:
            answer = self._service.ask("GET", f"{self._address.endpoint}/{method}", parameters=parameters).json()
        except NotTaken as not_taken:
            if not_taken.answer.result == "put_off":
                raise
            return ""
        for one in answer.get("messages") or ():
            metadata = one.get("metadata") or {}
            if metadata.get("event_type") == EVENT and metadata.get("event_payload", {}).get("id") == message.id:
                return str(one.get("ts", ""))
        return ""

    def _tick(self, channel: str, first: str) -> None:
        """Add a check mark to the first message of an alert that ended; errors are ignored."""
        if not self._reacts:
            return
        try:
            self._call("reactions.add", {"channel": channel, "timestamp": first, "name": "white_check_mark"})
        except NotTaken as not_taken:
            if "missing_scope" in not_taken.answer.detail:
                self._reacts = False
                _log.info(
                    "channel slack: give the bot the scope reactions:write, "
                    "so that it can add a check mark to messages of resolved alerts"
                )

    def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._service.ask("POST", f"{self._address.endpoint}/{method}", json=body).json()
        if answer.get("ok") is True:
            return answer
        error = str(answer.get("error") or "the response contains neither success nor an error")[:100]
        raise NotTaken(Answer("refused" if error in REFUSED else "put_off", f"Slack: {error}"))


def text_of(facts: Mapping[str, Any]) -> str:
    r"""Return the text of a message with its links; mentions and links in names are escaped.

    >>> text_of({"title": "<!channel> is wrong", "text": "It errs.", "links": {"page": "https://d/m?a=1&b=2"}})
    '&lt;!channel&gt; is wrong\nIt errs.\n<https://d/m?a=1&amp;b=2|page>'
    """
    links = [f"<{escape(href)}|{escape(name)}>" for name, href in facts["links"].items()]
    text = escape(f"{facts['title']}\n{facts['text']}")
    if len(text) > MOST_TEXT:
        text = f"{text[:MOST_TEXT].rpartition('&')[0]} …"  # do not cut an escape sequence
    return "\n".join([text, *links])


def escape(text: str) -> str:
    """Escape the three characters of Slack's markup for links, people and groups."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


CHANNEL = SlackAddress
