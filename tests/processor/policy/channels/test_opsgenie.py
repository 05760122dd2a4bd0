"""Opsgenie: one alert an alert, in requests that the published description of its Alert API takes.

The schema is that of https://docs.opsgenie.com/docs/alert-api: Create, Acknowledge, Close and Add Note, with the limits
of their fields.
"""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.policy.message import Kind, Message
from msgspec.structs import replace

from tests.support.recorded_requests import Asked
from tests.support.told_channels import ALERT, channel_at, checked, told


def text(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


CREATE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["message"],
    "properties": {
        "message": text(130),
        "alias": text(512),
        "description": text(15_000),
        "responders": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type"],
                "properties": {
                    "type": {"enum": ["team", "user", "escalation", "schedule"]},
                    **{one: {"type": "string"} for one in ("id", "name", "username")},
                },
            },
        },
        "visibleTo": {"type": "array"},
        "actions": {"type": "array", "maxItems": 10, "items": text(50)},
        "tags": {"type": "array", "maxItems": 20, "items": text(50)},
        "details": {"type": "object", "additionalProperties": {"type": "string"}},
        "entity": text(512),
        "source": text(100),
        "priority": {"enum": ["P1", "P2", "P3", "P4", "P5"]},
        "user": text(100),
        "note": text(25_000),
    },
}
NOTE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"user": text(100), "source": text(100), "note": text(25_000)},
}

KEY = "eb243592-faa2-4ba2-a551q-1afdf565c889"


def taken(_: Asked) -> tuple[int, Any]:
    return 202, {"result": "Request will be processed", "took": 0.302, "requestId": "43a29c5c"}


def sent(*messages: Message, url: str = f"opsgenie://{KEY}/#payments") -> list[tuple[str, Any]]:
    """Send messages, each of which is taken, and return paths and bodies of what arrived, checked."""
    with channel_at(url, taken) as (channel, there):
        for message in messages:
            assert channel.send(message).result == "delivered"
    for one in there.asked:
        assert one.headers["authorization"] == f"GenieKey {KEY}"
        assert one.query == ({} if one.path == "/v2/alerts" else {"identifierType": "alias"})
    return [(one.path, checked(one, CREATE if one.path == "/v2/alerts" else NOTE)) for one in there.asked]


def test_an_alert_is_created_acknowledged_and_closed_by_its_alias() -> None:
    occasions: tuple[Kind, ...] = ("opened", "worse", "over")
    found = sent(*(told(one) for one in occasions), told("acknowledged", by="ann"))
    assert [path.removeprefix("/v2/alerts") for path, _ in found] == [
        "",
        "",
        f"/{ALERT}/notes",
        f"/{ALERT}/close",
        f"/{ALERT}/acknowledge",
    ]
    assert {body["alias"] for path, body in found if path == "/v2/alerts"} == {ALERT}
    assert found[-1][1]["user"] == "ann"


def test_a_rise_in_severity_creates_an_alert_of_its_own_and_closes_the_one_before() -> None:
    found = sent(told(severity="warning"), *(replace(told(one), incident=2) for one in ("worse", "over")))
    assert [path.removeprefix("/v2/alerts") or body["alias"] for path, body in found] == [
        ALERT,
        f"{ALERT}-2",
        f"/{ALERT}-2/notes",
        f"/{ALERT}/close",
        f"/{ALERT}-2/close",
        f"/{ALERT}/close",
    ]


@pytest.mark.parametrize(
    ("kind", "severity", "priority"),
    [("opened", "critical", "P1"), ("opened", "warning", "P3"), ("opened", "info", "P5"), ("passed", "critical", "P5")],
)
def test_the_priority_is_that_of_the_severity(kind: Kind, severity: str, priority: str) -> None:
    ((_, body),) = sent(told(kind, severity=severity))
    assert body["priority"] == priority


def test_the_alert_says_what_the_message_says_with_its_links() -> None:
    ((_, body),) = sent(told(), url=f"opsgenie://{KEY}/#payments/@ann@example.com/*nights/^late?tags=ml,models")
    assert body["message"] == "churn is degraded since 4 November 2026"
    assert body["description"].endswith("\nreport: http://127.0.0.1:8780/r")
    assert body["responders"] == [
        {"type": "team", "name": "payments"},
        {"type": "user", "username": "ann@example.com"},
        {"type": "schedule", "name": "nights"},
        {"type": "escalation", "name": "late"},
    ]
    assert (body["tags"], body["details"]["tier"]) == (["ml", "models"], "1")


def test_long_texts_are_cut_to_what_opsgenie_takes() -> None:
    ((_, body),) = sent(told(title="x" * 5_000, text="y" * 500_000, model="m" * 1_000))
    assert (len(body["message"]), len(body["description"]), len(body["entity"])) == (130, 15_000, 512)
    assert body["description"].endswith("http://127.0.0.1:8780/r")


@pytest.mark.parametrize(
    ("status", "said", "result"),
    [
        (429, {"message": "You are making too many requests!"}, "put_off"),
        (422, {"message": "Key format is not valid!"}, "put_off"),
        (422, {"message": "Request body is not processable"}, "refused"),
        (503, "", "put_off"),
    ],
)
def test_a_wrong_key_is_waited_for_and_a_wrong_request_is_not(status: int, said: Any, result: str) -> None:
    with channel_at(f"opsgenie://{KEY}", lambda _: (status, said)) as (channel, _):
        assert channel.send(told()).result == result
