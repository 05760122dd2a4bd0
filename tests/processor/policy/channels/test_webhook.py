"""Webhooks: a message is JSON with its key, and the status says whether it was taken."""

from __future__ import annotations

import pytest
from driftline_processor.policy.channels.webhook import Webhook
from driftline_processor.policy.message import Message
from msgspec.structs import replace

from tests.support.webhooks import webhook

MESSAGE = Message("a-1-one", "a", "one", "opened", 0, {"title": "late is degraded", "severity": "critical"})


def test_a_message_is_posted_with_its_key() -> None:
    with webhook() as hook:
        channel = Webhook(hook.url)
        assert channel.send(MESSAGE).result == "delivered"
        channel.close()
    assert [(one.path, one.key, one.body) for one in hook.calls] == [
        ("/hook", "a-1-one", {"id": "a-1-one", "title": "late is degraded", "severity": "critical"})
    ]


def test_a_channel_may_be_called_in_any_letters() -> None:
    with webhook() as hook:
        channel = Webhook(hook.url)
        assert channel.send(replace(MESSAGE, id="a-1-büro")).result == "delivered"
        channel.close()
    assert [one.key for one in hook.calls] == ["a-1-b%C3%BCro"]


@pytest.mark.parametrize(
    ("status", "result"),
    [(204, "delivered"), (404, "refused"), (302, "put_off"), (429, "put_off"), (409, "put_off"), (503, "put_off")],
)
def test_the_status_says_what_became_of_it(status: int, result: str) -> None:
    with webhook() as hook:
        hook.status = status
        channel = Webhook(hook.url)
        answer = channel.send(MESSAGE)
        channel.close()
    assert answer.result == result
    assert result == "delivered" or answer.detail == f"HTTP {status}"


def test_nobody_there_is_put_off() -> None:
    channel = Webhook("http://127.0.0.1:9/hook")
    answer = channel.send(MESSAGE)
    channel.close()
    assert answer.result == "put_off"
    assert "ConnectError" in answer.detail


def test_what_is_secret_of_an_address_is_not_in_what_is_said_of_it() -> None:
    channel = Webhook("http://user12:secret12@127.0.0.1:9/services/T0123456")
    answer = channel.send(MESSAGE)
    channel.close()
    assert "ConnectError" in answer.detail
    for secret in ("secret12", "user12", "T0123456"):
        assert secret not in answer.detail
