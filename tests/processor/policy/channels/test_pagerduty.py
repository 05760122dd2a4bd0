"""PagerDuty: one incident an alert, in requests that the published description of Events API v2 takes.

The answers are those of https://developer.pagerduty.com/docs/events-api-v2-overview.
"""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.demo.peers.pagerduty import SCHEMA
from driftline_processor.demo.peers.recorder import Asked
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.message import Kind, Message
from msgspec.structs import replace

from tests.support.ordered_actions import FACTS
from tests.support.told_channels import ALERT, channel_at, checked, told

KEY = "0123456789abcdef0123456789abcdef"


def taken(_: Asked) -> tuple[int, Any]:
    return 202, {"status": "success", "message": "Event processed", "dedup_key": ALERT}


def sent(*messages: Message, url: str = f"pagerduty://{KEY}") -> list[Any]:
    """Send messages, each of which is taken, and return what arrived, checked."""
    with channel_at(url, taken) as (channel, there):
        for message in messages:
            assert channel.send(message).result == "delivered"
    assert {one.path for one in there.asked} == {"/v2/enqueue"}
    return [checked(one, SCHEMA) for one in there.asked]


def answered(status: int, said: Any) -> Answer:
    with channel_at(f"pagerduty://{KEY}", lambda _: (status, said)) as (channel, _):
        return channel.send(told())


def test_an_alert_is_triggered_acknowledged_and_resolved_by_one_key() -> None:
    occasions: tuple[Kind, ...] = ("opened", "worse", "acknowledged", "resolved")
    found = sent(*(told(one) for one in occasions))
    assert [one["event_action"] for one in found] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {one["dedup_key"] for one in found} == {ALERT}
    assert [sorted(one) for one in found[2:]] == [["dedup_key", "event_action", "routing_key"]] * 2


def test_a_rise_in_severity_triggers_an_incident_of_its_own_and_resolves_the_one_before() -> None:
    opened, worse = told(severity="warning"), replace(told("worse"), incident=2)
    found = sent(
        opened, worse, worse, *(replace(told(one), incident=2) for one in ("joined", "acknowledged", "resolved"))
    )
    events = [(one["event_action"], one["dedup_key"]) for one in found]
    risen = [("trigger", f"{ALERT}-2"), ("resolve", ALERT)]
    assert events == [
        ("trigger", ALERT),
        *risen,
        *risen,  # nobody heard the answer
        ("trigger", f"{ALERT}-2"),
        ("acknowledge", f"{ALERT}-2"),
        ("resolve", f"{ALERT}-2"),
        ("resolve", ALERT),
    ]


def test_the_incident_says_what_the_message_says() -> None:
    (found,) = sent(told())
    payload = found["payload"]
    assert payload["summary"] == "churn is degraded since 4 November 2026"
    assert (payload["severity"], payload["source"], payload["class"]) == ("critical", 'ch"urn {state}/eu', "health")
    assert payload["custom_details"]["text"].startswith(FACTS["text"].split("\n")[0])
    assert payload["custom_details"]["tier"] == 1
    assert found["links"][0] == {"href": "http://127.0.0.1:8780/models/churn?window=1d", "text": "page"}


def test_what_was_over_before_anybody_looked_wakes_nobody() -> None:
    (found,) = sent(told("passed"))
    assert (found["event_action"], found["payload"]["severity"]) == ("trigger", "info")


def test_what_joins_or_eases_an_incident_says_how_grave_the_whole_is() -> None:
    critical, warning = {"severity": "critical"}, {"severity": "warning"}
    found = sent(
        told("joined", severity="warning", lasting=[warning, critical]),
        told("eased", severity="critical", lasting=[warning, {"severity": "info"}]),
    )
    assert [one["payload"]["severity"] for one in found] == ["critical", "warning"]


def test_the_address_says_source_component_group_and_class() -> None:
    (found,) = sent(told(), url=f"pagerduty://{KEY}@api/shop/ranker?group=eu&class=quality")
    payload = found["payload"]
    assert [payload[one] for one in ("source", "component", "group", "class")] == ["shop", "ranker", "eu", "quality"]


def test_long_texts_are_cut_to_what_pagerduty_takes() -> None:
    (found,) = sent(told(title="x" * 5_000, text="y" * 500_000, model="m" * 1_000))
    assert len(found["payload"]["summary"]) == 1024
    assert len(found["payload"]["custom_details"]["text"]) == 8_000


@pytest.mark.parametrize(
    ("status", "said", "result"),
    [
        (429, "Too many", "put_off"),
        (500, "", "put_off"),
        (400, {"status": "invalid event", "errors": ["'payload.severity' is invalid"]}, "refused"),
        (400, {"status": "invalid event", "errors": ["Length of 'routing_key' is incorrect"]}, "put_off"),
    ],
)
def test_a_wrong_key_is_waited_for_and_a_wrong_event_is_not(status: int, said: Any, result: str) -> None:
    answer = answered(status, said)
    assert answer.result == result
    assert answer.detail.startswith(f"HTTP {status}")


def test_the_key_is_in_nothing_that_is_said() -> None:
    assert answered(403, f"no such key {KEY}").detail == "HTTP 403 no such key ***"
