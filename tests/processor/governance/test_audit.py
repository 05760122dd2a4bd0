"""All that was done: in the order of time, by whom and why, as a page, as JSON and in the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from driftline_processor.cli.commands import app as commands
from driftline_processor.policy.acknowledgement import acknowledge
from driftline_processor.policy.alerts import Delivery, attempt_entry
from driftline_processor.policy.channel import Answer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.approvals import ACTION, Awaiting, awaiting
from tests.support.html_page import page
from tests.support.policy_watch import model, silence, watched
from tests.support.serve import serve
from tests.support.verdict_windows import right, wrong

SECOND = 10**9


def rolled_back(there: Awaiting) -> None:
    """Have ann take the alert on, bob approve the action, its service answer, and cid approve a retraining."""
    watch = there.watch
    watch.clock.now += SECOND
    acknowledge(watch.alerts, {}, there.alert, "ann", "<b>on it", watch.clock.now)
    watch.clock.now += SECOND
    watch.alerts.approve(there.alert, ACTION, "bob", "the feed is fine", watch.clock.now)
    watch.clock.now += SECOND
    (order,) = watch.alerts.messages.values()
    (alert,) = watch.alerts.alerts.values()
    for answer in (Answer("put_off", "HTTP 503"), Answer("delivered", "HTTP 200")):
        watch.audit.append(attempt_entry(order, alert, answer, watch.clock.now))
    watch.alerts.write([], deliveries=[Delivery(order.id, watch.clock.now, "delivered", "HTTP 200")])
    watch.clock.now += SECOND
    watch.decisions.record("late", "", "retraining", "cid", "prices changed", watch.clock.now)


def test_an_action_is_seen_from_the_alert_to_its_answer(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        rolled_back(there)
        found, count = there.watch.audit.entries()
    assert [(one.kind, one.subject, one.words, one.by) for one in reversed(found)] == [
        ("fired", "health", "fired, critical", ""),
        ("ordered", ACTION, "action: opened", ""),
        ("acknowledged", "health", "acknowledged", "ann"),
        ("approved", ACTION, "approved", "bob"),
        ("attempted", ACTION, "opened: put off", ""),
        ("attempted", ACTION, "opened: delivered", ""),
        ("decided", "retraining", "retraining approved", "cid"),
    ]
    assert [one.why for one in reversed(found)][2:] == [
        *("<b>on it", "the feed is fine", "HTTP 503", "HTTP 200", "prices changed")
    ]
    assert count == 7
    assert {one.alert for one in found} == {there.alert, ""}


def test_model_and_kind_choose_and_a_silence_stands_with_each_model_that_it_covers(tmp_path: Path) -> None:
    later = silence(since="2033-01-01T00:00:00Z", until="2033-02-01T00:00:00Z")
    silences = {"move": silence(models=["la*"], policies=["health"]), "later": later}
    with watched(tmp_path, silences=silences) as watch:
        watch.look(model([right(0)]), model([right(0)], "early"))
        watch.look(model([right(0), wrong(1), wrong(2)]), model([right(0), wrong(1), wrong(2)], "early"))
        (late, _), (early, _) = watch.audit.entries("late"), watch.audit.entries("early")
        told, _ = watch.audit.entries(kinds=["notified"])
    with watched(tmp_path, silences=silences) as again:
        listed, _ = again.audit.entries(kinds=["silenced"])
    assert [(one.kind, one.model, one.words) for one in late] == [
        ("fired", "late", "fired, critical"),
        ("silenced", "*", "no notifications until 1 February 2033, from 1 January 2033"),
        ("silenced", "la*", "no notifications of health until 5 July 2013, from 1 July 2013"),
    ]
    assert [one.subject for one in listed] == ["later", "move"]
    assert [one.kind for one in early] == ["notified", "fired", "silenced"]
    assert [(one.model, one.subject) for one in told] == [("early", "json")]


def test_the_page_names_who_did_what_and_escapes_what_people_wrote(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there:
        rolled_back(there)
        client = TestClient(there.app)
        shown = page(client, "/audit")
        assert "Audit log 7" in shown.text
        assert "http/rollback approved bob the feed is fine" in shown.text
        assert f"/alerts/{there.alert}" in shown.links
        assert "&lt;b&gt;on it" in client.get("/audit").text
        assert "Audit log 1" in page(client, "/audit?model=late&kind=decided").text
        assert [tag for tag in page(client, "/audit?model=other").tags if tag == "tbody"] == []
        rows = client.get("/audit?format=json&kind=approved").json()["entries"]
        answer = client.get("/api/v1/audit?limit=1").json()
        assert rows == client.get("/api/v1/audit?kind=approved").json()["entries"]
        assert (answer["all"], [one["by"] for one in answer["entries"]]) == (7, ["cid"])
        refused = client.get("/api/v1/audit?kind=approve")
        assert (refused.status_code, "did you mean 'approved'?" in refused.json()["error"]) == (400, True)


@pytest.mark.slow
def test_the_terminal_lists_the_same_with_the_newest_last(tmp_path: Path) -> None:
    with awaiting(tmp_path) as there, serve(there.app) as url:
        rolled_back(there)
        run = CliRunner().invoke
        listed = run(commands, ["incidents", "audit", "--url", url, "--limit", "3"]).output.splitlines()
        whole = json.loads(run(commands, ["incidents", "audit", "--url", url, "--json"]).output)
        none = run(commands, ["incidents", "audit", "--url", url, "--model", "other"]).output
    assert [line.partition("Z  ")[2] for line in listed] == [
        f"approved  late  http/rollback approved; bob: the feed is fine  alert {there.alert}",
        f"answered  late  http/rollback opened: delivered: HTTP 200  alert {there.alert}",
        "decided  late  retraining retraining approved; cid: prices changed",
    ]
    assert (len(whole["entries"]), none) == (7, "the audit log is empty\n")
