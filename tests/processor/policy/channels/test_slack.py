"""Slack: one thread an alert, in requests that the published description of its methods takes.

The schemas are those of https://docs.slack.dev/reference/methods/chat.postMessage (arguments, metadata, errors) and of
reactions.add, conversations.history and conversations.replies there; what is escaped is said in
https://docs.slack.dev/messaging/formatting-message-text#escaping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from driftline_processor.demo.peers.recorder import Asked
from driftline_processor.policy.channel import NOTHING, Answer, Past
from driftline_processor.policy.message import Message

from tests.support.told_channels import ALERT, channel_at, checked, told

POST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["channel", "text"],
    "properties": {
        "channel": {"type": "string", "pattern": "^(#[a-z0-9_-]{1,80}|[CGD][A-Z0-9]+)$"},
        "text": {"type": "string", "minLength": 1, "maxLength": 40_000},
        "thread_ts": {"type": "string", "pattern": r"^\d+\.\d+$"},
        "reply_broadcast": {"type": "boolean"},
        "mrkdwn": {"type": "boolean"},
        "parse": {"enum": ["none", "full"]},
        "link_names": {"type": "boolean"},
        "unfurl_links": {"type": "boolean"},
        "unfurl_media": {"type": "boolean"},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "required": ["event_type", "event_payload"],
            "properties": {"event_type": {"type": "string"}, "event_payload": {"type": "object"}},
        },
    },
    "dependentRequired": {"reply_broadcast": ["thread_ts"]},
}
REACT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["channel", "name", "timestamp"],
    "properties": {"channel": {"pattern": "^C"}, "name": {"type": "string"}, "timestamp": {"pattern": r"^\d+\.\d+$"}},
}
SCHEMAS = {"/chat.postMessage": POST, "/reactions.add": REACT}

URL = "slack://xoxb-123456-abcdef/#models"
CHANNEL = "C0123456789"


class Workspace:
    """A workspace that takes everything, but for what a test says.

    Attributes:
        posts: The bodies of messages, in their order.
        ticks: Time stamps of the messages that have a tick.
        errors: What methods answer instead.
    """

    def __init__(self, **errors: str) -> None:
        self.posts: list[Any] = []
        self.ticks: list[str] = []
        self.errors: Mapping[str, str] = errors

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        assert asked.headers["authorization"] == "Bearer xoxb-123456-abcdef"
        method = asked.path.removeprefix("/").replace(".", "_")
        if (error := self.errors.get(method)) is not None:
            return (429, "") if error == "ratelimited" else (200, {"ok": False, "error": error})
        if asked.method == "GET":
            assert asked.query["include_all_metadata"] == "true"
            assert asked.query["channel"] == CHANNEL
            shown = [one for one in self.posts if one.get("thread_ts", "") == asked.query.get("ts", "")]
            return 200, {"ok": True, "messages": [{**one, "ts": self._ts(one)} for one in shown]}
        body = checked(asked, SCHEMAS[asked.path])
        if asked.path == "/reactions.add":
            self.ticks.append(body["timestamp"])
            return 200, {"ok": True}
        self.posts.append(body)
        return 200, {"ok": True, "channel": CHANNEL, "ts": self._ts(body), "message": {}}

    def _ts(self, body: Any) -> str:
        return f"1700000000.{self.posts.index(body):06}"


def sent(workspace: Workspace, *messages: tuple[Message, Past], url: str = URL) -> list[Answer]:
    with channel_at(url, workspace) as (channel, _):
        return [channel.send(message, past) for message, past in messages]


def test_what_follows_is_in_the_thread_of_the_first_message_which_gets_a_tick_when_it_is_over() -> None:
    workspace = Workspace()
    (first,) = sent(workspace, (told(), NOTHING))
    past = Past(first.reference)
    sent(workspace, (told("worse"), past), (told("acknowledged"), past), (told("resolved"), past))
    assert first == Answer("delivered", reference=f"{CHANNEL}:1700000000.000000")
    assert [one.get("thread_ts") for one in workspace.posts] == [None, *["1700000000.000000"] * 3]
    assert [one.get("reply_broadcast") for one in workspace.posts] == [None, True, False, False]
    assert [one["channel"] for one in workspace.posts] == ["#models", CHANNEL, CHANNEL, CHANNEL]
    assert workspace.ticks == ["1700000000.000000"]


def test_names_call_nobody_and_lead_nowhere() -> None:
    workspace = Workspace()
    hostile = "<!channel> <@U012> <https://evil.example|page> & *bold* `code`"
    sent(workspace, (told(title=hostile, text=hostile, links={"page": "https://d/m?a=1&b=<2>"}), NOTHING))
    (post,) = workspace.posts
    assert re.findall("<[^>]*>", post["text"]) == ["<https://d/m?a=1&amp;b=&lt;2&gt;|page>"]
    assert (post["mrkdwn"], post["parse"], post["link_names"], post["unfurl_links"]) == (False, "none", False, False)


def test_the_end_of_one_alert_puts_no_tick_on_a_digest_of_several() -> None:
    workspace = Workspace()
    sent(workspace, (told("resolved"), Past(f"{CHANNEL}:1700000000.000099", shared=True)))
    assert ([one["thread_ts"] for one in workspace.posts], workspace.ticks) == (["1700000000.000099"], [])


def test_what_follows_stays_in_the_thread_although_the_file_names_another_channel_now() -> None:
    workspace = Workspace()
    old = "C0000000000"
    sent(workspace, (told("worse"), Past(f"{old}:1.1")), (told(), NOTHING))
    assert [one["channel"] for one in workspace.posts] == [old, "#models"]


@pytest.mark.parametrize("thread", ["", f"{CHANNEL}:1700000000.000099"])
def test_a_message_that_may_have_been_taken_is_looked_for_before_it_is_sent_again(thread: str) -> None:
    workspace, url = Workspace(), f"slack://xoxb-123456-abcdef/{CHANNEL}"
    (before,) = sent(workspace, (told(), Past(thread)), url=url)
    (again,) = sent(workspace, (told(), Past(thread, unsure=True)), url=url)
    assert again == before
    assert len(workspace.posts) == 1


def test_a_message_that_was_not_taken_is_sent_though_nobody_was_sure() -> None:
    workspace = Workspace()
    sent(workspace, (told(), Past(unsure=True)), url=f"slack://xoxb-123456-abcdef/{CHANNEL}")
    assert len(workspace.posts) == 1


def test_a_bot_that_may_not_read_sends_again() -> None:
    workspace = Workspace(conversations_history="missing_scope")
    sent(workspace, (told(), Past(unsure=True)), url=f"slack://xoxb-123456-abcdef/{CHANNEL}")
    assert len(workspace.posts) == 1


def test_a_bot_that_may_not_react_says_that_it_is_over_all_the_same() -> None:
    workspace = Workspace(reactions_add="missing_scope")
    (answer,) = sent(workspace, (told("resolved"), Past(f"{CHANNEL}:1700000000.000001")))
    assert answer.result == "delivered"
    assert len(workspace.posts) == 1


@pytest.mark.parametrize(
    ("error", "result"),
    [
        ("token_revoked", "put_off"),
        ("not_in_channel", "put_off"),
        ("msg_too_long", "refused"),
        ("ratelimited", "put_off"),
    ],
)
def test_what_somebody_can_mend_is_waited_for(error: str, result: str) -> None:
    (answer,) = sent(Workspace(chat_postMessage=error), (told(), NOTHING))
    assert answer.result == result
    assert answer.detail in (f"Slack: {error}", "HTTP 429")


def test_a_reply_to_a_message_that_was_deleted_is_a_message_of_its_own() -> None:
    workspace, lost = Workspace(), []

    def answers(asked: Asked) -> tuple[int, Any]:
        if asked.path == "/chat.postMessage" and "thread_ts" in asked.json:
            lost.append(asked.json)
            return 200, {"ok": False, "error": "thread_not_found"}
        return workspace(asked)

    with channel_at(URL, answers) as (channel, _):
        answer = channel.send(told("worse"), Past(f"{CHANNEL}:1600000000.000001"))
    assert len(lost) == len(workspace.posts) == 1
    assert answer.reference == f"{CHANNEL}:1700000000.000000"


def test_the_id_of_a_message_is_its_metadata() -> None:
    workspace = Workspace()
    sent(workspace, (told(), NOTHING))
    assert workspace.posts[0]["metadata"]["event_payload"] == {"id": f"{ALERT}-1-team-opened", "alert": ALERT}


def test_an_answer_that_is_no_json_is_put_off() -> None:
    with channel_at(URL, lambda _: (200, "<html>")) as (channel, _):
        assert channel.send(told()).result == "put_off"


def test_a_service_that_asks_for_a_pause_is_given_it() -> None:
    with channel_at(URL, lambda _: (429, {"ok": False, "error": "ratelimited"})) as (channel, there):
        there.headers = {"Retry-After": "30"}
        answer = channel.send(told())
    assert (answer.result, answer.wait, answer.unheard) == ("put_off", 30.0, False)


def test_nobody_there_was_not_sent_and_an_answer_that_breaks_may_have_been() -> None:
    with channel_at(URL, lambda _: (502, "")) as (channel, there):
        broken = channel.send(told())
        there.shutdown()
        there.server_close()
        gone = channel.send(told())
    assert [(one.result, one.unheard) for one in (broken, gone)] == [("put_off", True), ("put_off", False)]


def test_a_text_is_never_longer_than_slack_takes_and_no_escape_is_cut() -> None:
    workspace = Workspace()
    sent(workspace, (told(text="<&>" * 20_000), NOTHING))
    (post,) = workspace.posts
    assert 30_000 < len(post["text"]) < 40_000
    assert re.sub("&(amp|lt|gt);", "", post["text"].partition(" …\n")[0]) == "churn is degraded since 4 November 2026\n"
