"""Approving actions over HTTP and on the page: who, why, once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.policy.alerts import Delivery
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.approvals import ACTION, Awaiting, awaiting
from tests.support.facts import Facts, lacking
from tests.support.html_page import page
from tests.support.paths import ROOT


def client(there: Awaiting) -> TestClient:
    return TestClient(there.app, base_url="http://127.0.0.1")


def test_who_approves_and_why_is_kept_and_the_action_goes_out_once(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        asked, path = client(there), f"/api/v1/alerts/{there.alert}/approval"
        form = {"action": ACTION, "digest": there.digest}
        (before,) = asked.get("/api/v1/alerts").json()["alerts"][0]["messages"]
        answer = asked.post(path, data={**form, "by": "ann", "why": "the feed is fine"})
        again = asked.post(path, data={**form, "why": "me, too"}, headers={"x-person": "bob"})
        assert [one.id for one in there.sent] == [f"{there.alert}-{ACTION}"]
    assert (before["approval"]["digest"], before["approval"]["approvers"]) == (there.digest, 1)
    assert lacking(before["approval"]["request"], "would send POST", "models.example.com", "late") == []
    (message,) = answer.json()["messages"]
    assert (message["channel"], message["result"], message["approval"]) == (ACTION, "waiting", None)
    assert (message["approved"]["by"], message["approved"]["why"]) == ("ann", "the feed is fine")
    assert (again.status_code, lacking(again.text, ACTION, "ann", message["approved"]["time"])) == (409, [])


def test_of_twenty_approvals_at_once_one_is_given_and_the_others_are_told_by_whom(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        asked, path = client(there), f"/api/v1/alerts/{there.alert}/approval"
        form = {"action": ACTION, "digest": there.digest, "why": "x"}

        def approve(number: int) -> Any:
            return asked.post(path, data=form, headers={"x-person": f"p{number}"})

        with ThreadPoolExecutor(20) as pool:
            answers = [*pool.map(approve, range(20))]
        assert len(there.sent) == 1
    (given,) = (one for one in answers if one.status_code == 200)
    first = given.json()["messages"][0]["approved"]["by"]
    assert [one.status_code for one in answers].count(409) == 19
    assert all(f"approved by {first} at" in one.text for one in answers if one.status_code == 409)


def test_two_different_people_approve_what_needs_two(tmp_path: Path) -> None:
    with awaiting(tmp_path, approvers=2) as there:
        asked, path = client(there), f"/api/v1/alerts/{there.alert}/approval"
        form = {"action": ACTION, "digest": there.digest, "why": "x"}
        first = asked.post(path, data=form)
        same = asked.post(path, data=form)
        assert there.sent == []
        shown = page(asked, "/incidents").text
        second = asked.post(path, data={**form, "why": "y"}, headers={"x-person": "bob"})
        assert len(there.sent) == 1
        entries = [(one.by, one.why) for one in there.watch.audit.entries()[0] if one.kind == "approved"]
    assert (first.status_code, first.json()["messages"][0]["approval"]["first"]["by"]) == (200, "ann")
    assert (same.status_code, lacking(same.text, "ann", "another person")) == (409, [])
    assert "approved by ann: x; another person must approve it, too" in shown
    assert second.json()["messages"][0]["approved"]["by"] == "ann and bob"
    assert sorted(entries) == [("ann", "x"), ("bob", "y")]


def test_another_request_than_the_one_that_was_read_is_not_approved(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        form = {"action": ACTION, "digest": "0" * 32, "why": "x"}
        answer = client(there).post(f"/api/v1/alerts/{there.alert}/approval", data=form)
        assert there.sent == []
    assert (answer.status_code, lacking(answer.text, ACTION, "has changed")) == (409, [])


def test_the_reference_lists_every_key_of_an_alert_and_of_its_messages(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        (alert,) = client(there).get("/api/v1/alerts").json()["alerts"]
    whole = (ROOT / "docs/reference/http-api.md").read_text(encoding="utf-8")
    shown = whole.split("## `GET /api/v1/alerts`")[1].split("| `result` | meaning |")[0]
    written = {*re.findall(r'"([a-z_]+)": ', shown)} - {"alerts"}
    assert written == {*alert, *alert["messages"][0], "time", "by", "why"} | {"request", "digest", "approvers", "first"}


@pytest.mark.parametrize(
    ("alert", "form", "status", "facts"),
    [
        ("", {"action": ACTION, "by": "bob", "why": "x"}, 403, ("'bob' is not who logged in, 'ann'", "remove 'by'")),
        ("", {"action": ACTION, "by": "ann", "why": " "}, 400, ("why: add the reason",)),
        ("", {"by": "ann", "why": "x"}, 400, ("action: add the action",)),
        ("", {"action": ACTION, "why": "x", "digest": ""}, 400, ("digest: add the digest", "GET /api/v1/alerts")),
        ("", {"action": ACTION, "by": "ann", "why": "x" * 501}, 400, ("why:", "500 characters")),
        ("", {"action": "http/other", "by": "ann", "why": "x"}, 404, ("alert", "action", "approval")),
        ("none", {"action": ACTION, "by": "ann", "why": "x"}, 404, ("alert", "action", "approval")),
    ],
)
def test_what_lacks_a_name_or_a_reason_or_an_action_approves_nothing(
    tmp_path: Path, alert: str, form: dict[str, str], status: int, facts: Facts
) -> None:
    with awaiting(tmp_path) as there:
        answer = client(there).post(f"/api/v1/alerts/{alert or there.alert}/approval", data={"digest": "0", **form})
        assert there.sent == []
    assert answer.status_code == status
    assert lacking(answer.text, *facts) == []


def test_the_page_has_a_button_and_then_who_approved_and_what_came_of_it(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        asked = client(there)
        before = asked.get("/incidents").text
        assert f'action="/api/v1/alerts/{there.alert}/approval"' in before
        assert f'value="{ACTION}"' in before
        assert "opened, http/rollback: awaits approval" in page(asked, "/incidents").text
        there_again = {"accept": "text/html", "referer": "http://127.0.0.1/incidents?state=open"}
        there_again["x-person"] = "<b>ann</b>"
        form = {"action": ACTION, "digest": there.digest, "why": "<script>1</script>"}
        answer = asked.post(
            f"/api/v1/alerts/{there.alert}/approval", data=form, headers=there_again, follow_redirects=False
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/incidents?state=open")
        (message,) = there.sent
        there.watch.alerts.write((), deliveries=[Delivery(message.id, 7, "delivered", "HTTP 200 <i>")])
        after = asked.get("/incidents").text
    assert "<b>ann" not in after
    assert "<script>1" not in after
    assert "HTTP 200 &lt;i&gt;" in after
    assert "approved by &lt;b&gt;ann" in after
    assert f'value="{ACTION}"' not in after
    assert "T0123456" not in before + after


@pytest.mark.parametrize(
    ("referer", "leads_to"),
    [("http://127.0.0.1//evil.example/a", "/evil.example/a"), ("http://[::1/a", "/incidents")],
)
def test_a_form_leads_back_to_no_other_machine(tmp_path: Path, referer: str, leads_to: str) -> None:
    with awaiting(tmp_path) as there:
        asked = client(there)
        headers = {"accept": "text/html", "referer": referer}
        answer = asked.post(
            f"/api/v1/alerts/{there.alert}/acknowledgement", data={"by": "ann"}, headers=headers, follow_redirects=False
        )
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)


def test_the_page_says_why_a_message_did_not_arrive_and_leads_to_the_window(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        asked = client(there)
        (alert,) = there.watch.alerts.alerts.values()
        (message,) = there.watch.alerts.messages.values()
        there.watch.alerts.write((), deliveries=[Delivery(message.id, 7, "refused", "HTTP 404: no such <hook>")])
        shown = page(asked, "/incidents")
        assert "http/rollback: refused HTTP 404: no such <hook>" in shown.text
        there.watch.alerts.write([replace(alert, until=alert.fired, resolved=alert.first_seen)])
        assert "2013-07-02 00:00 2013-07-03" in page(asked, "/incidents").text, "the last day, as in sentences"
        (link,) = {one for one in shown.links if one.startswith("/models/late") and "window=1d&at=" in one}
        assert asked.get(link).status_code == 200
