"""Services of Apprise: what leaves by one of them, and what it says when nobody takes it."""

from __future__ import annotations

import base64
from typing import Any, cast

import pytest
from driftline_processor.demo.peers.mail import mail
from driftline_processor.policy.channels.apprise_service import AppriseService
from driftline_processor.policy.message import Message
from msgspec import structs

from tests.support.ordered_actions import REPORT
from tests.support.webhooks import webhook


def message(kind: str, severity: str = "critical") -> Message:
    facts = {
        "title": "late is degraded",
        "text": "It errs <more> & *more*.",
        "links": {"page": "http://127.0.0.1:8780/models/late"},
        "kind": kind,
        "severity": severity,
    }
    return Message(f"a-1-{kind}", "a", "one", cast(Any, kind), 0, facts)


@pytest.mark.parametrize(
    ("kind", "severity", "said"),
    [("opened", "critical", "failure"), ("opened", "warning", "warning"), ("resolved", "critical", "success")],
)
def test_a_message_leaves_as_text_with_its_links_and_its_gravity(kind: str, severity: str, said: str) -> None:
    with webhook() as hook:
        service = AppriseService(hook.url.replace("http://", "json://"))
        assert service.send(message(kind, severity)).result == "delivered"
    (call,) = hook.calls
    assert (call.body["title"], call.body["type"]) == ("late is degraded", said)
    assert call.body["message"] == "It errs <more> & *more*.\npage: http://127.0.0.1:8780/models/late"


def test_what_nobody_takes_is_put_off_with_its_words() -> None:
    with webhook() as hook:
        hook.status = 500
        answer = AppriseService(hook.url.replace("http://", "json://")).send(message("opened"))
    assert answer.result == "put_off"
    assert "500" in answer.detail


def attachments(call: Any) -> list[tuple[str, str, bytes]]:
    found = call.body["attachments"]
    return [(one["filename"], one["mimetype"], base64.b64decode(one["base64"])) for one in found]


def test_a_message_of_trouble_brings_its_report() -> None:
    with webhook() as hook:
        service = AppriseService(hook.url.replace("http://", "json://"), lambda _: REPORT)
        assert service.send(message("opened")).result == "delivered"
        assert service.send(message("resolved")).result == "delivered"
    opened, over = hook.calls
    assert attachments(opened) == [(REPORT.name, "text/html", REPORT.html)]
    assert attachments(over) == []


def test_a_service_that_does_not_take_the_report_gets_the_message_without_it() -> None:
    with webhook() as hook:
        service = AppriseService(hook.url.replace("http://", "json://"), lambda _: REPORT)
        hook.status = 413
        assert service.send(message("opened")).result == "put_off"
        hook.status = 200
        assert service.send(message("opened")).result == "delivered"
    assert [len(attachments(call)) for call in hook.calls] == [1, 0]


def test_an_address_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="Apprise does not accept this address"):
        AppriseService("slak://a/b/c")


def test_emails_about_one_alert_are_a_thread_and_a_name_adds_no_header() -> None:
    with mail() as server:
        url = f"mailto://127.0.0.1:{server.port}/?from=driftline@example.com&to=ann@example.com"
        for one in (message("opened"), message("resolved"), structs.replace(message("opened"), alert="b\r\nBcc: x@y")):
            hostile = {**one.facts, "title": "late\r\nBcc: all@example.com\r\n\r\nis wrong"}
            service = AppriseService(url)  # each anew, for it rests between two
            assert service.send(structs.replace(one, facts=hostile)).result == "delivered"
    assert [letter["References"] for letter in server.letters] == ["<a@driftline>"] * 2 + [
        "<b%0D%0ABcc%3A%20x%40y@driftline>"
    ]
    assert [letter["In-Reply-To"] for letter in server.letters] == [letter["References"] for letter in server.letters]
    assert [letter["Bcc"] for letter in server.letters] == [None] * 3
    assert server.recipients == ["rcpt TO:<ann@example.com>"] * 3


def test_a_name_calls_nobody_and_hides_no_link() -> None:
    named = "@everyone <!channel> <https://evil.example|page> [here](https://evil.example)"
    told = message("opened")
    facts = {**told.facts, "title": f"{named} is wrong", "text": "ann@example.com owns <it>"}
    with webhook() as hook:
        address = hook.url.replace("http://", "mmost://") + "/3ccdd113474722377935511fc85d3dd4"
        assert AppriseService(address).send(structs.replace(told, facts=facts)).result == "delivered"
    (call,) = hook.calls
    title, text, _ = call.body["text"].split("\n")
    broken = "@·everyone <·!·channel> <·https://evil.example¦page> [here]·(https://evil.example) is wrong"
    assert title.strip().replace("\u200b", "·") == broken
    assert text == "ann@example.com owns <it>"
