"""A model turns degraded, its channels are told and its actions run: from OTLP to the request, over ``kill -9``."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml
from driftline_processor.access.local import user_name
from driftline_processor.demo.peers.jira import Jira
from driftline_processor.demo.peers.recorder import Asked, Service, service

from tests.support.people import bearer, log_in
from tests.support.waiting import wait_until
from tests.support.webhooks import Hook, webhook

from .killed import Processor
from .replays import CASES, Replay, all_models, send, staged, told

CHURN = CASES[0]

pytestmark = pytest.mark.slow


def test_a_model_that_turns_wrong_is_told_once_although_channels_are_down_and_the_processor_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / CHURN.model).mkdir()
    monkeypatch.chdir(tmp_path / CHURN.model)
    replay = staged(CHURN, tmp_path / CHURN.model)
    with webhook() as hook, service(lambda _: (503, "")) as pager:
        oncall = {"url": "pagerduty://0123456789abcdef0123456789abcdef", "endpoint": pager.url}
        said = {
            **yaml.safe_load(all_models([replay], tmp_path)),
            "notify": [hook.url, "oncall"],
            "channels": {"oncall": oncall},
        }
        processor = Processor(tmp_path, yaml.safe_dump(said))
        try:
            _told_once(processor, replay, hook, pager)
        finally:
            processor.stop()


def _told_once(processor: Processor, replay: Replay, hook: Hook, pager: Service) -> None:
    """Kill the processor between what is stored and what is sent: of an alert, and of who takes it on."""
    taken: list[Any] = []

    def take(asked: Asked) -> tuple[int, Any]:
        taken.append(asked.json)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": asked.json["dedup_key"]}

    def actions() -> list[str]:
        return [one["event_action"] for one in taken]

    hook.status = 503
    send(processor, replay)
    wait_until(lambda: bool(hook.calls and pager.asked))
    processor.kill()
    hook.status, pager.answers = 200, take
    (call,) = hook.wait_for(1)
    assert {one.key for one in hook.calls} == {call.key}
    assert call.body["id"] == call.key
    assert (call.body["model"], call.body["state"], call.body["kind"]) == ("churn", "degraded", "opened")
    assert "accuracy >= 0.85" in call.body["sentence"]
    assert call.body["links"]["page"].startswith(f"{processor.web}/models/churn?")
    wait_until(lambda: [one["result"] for one in told(processor)[0]["messages"]] == ["delivered"] * 2)
    assert actions() == ["trigger"]
    assert (taken[0]["payload"]["source"], taken[0]["payload"]["severity"]) == ("churn", "critical")
    pager.answers = lambda _: (503, "")
    before = len(pager.asked)
    path = f"{processor.web}/api/v1/alerts/{call.body['alert']}/acknowledgement"
    form = {"why": "the feed was late"}
    answer = httpx.post(path, data=form, headers=bearer(processor.web), trust_env=False)
    assert answer.json()["acknowledged"]["by"] == user_name()
    wait_until(lambda: len(pager.asked) > before)
    processor.kill()
    pager.answers = take
    wait_until(lambda: [one["result"] for one in told(processor)[0]["messages"]] == ["delivered"] * 3)
    (alert,) = told(processor)
    assert (alert["id"], alert["open"], alert["messages"][0]["id"]) == (call.body["alert"], True, call.key)
    assert alert["acknowledged"]["why"] == "the feed was late"
    processor.stop()
    assert len(hook.taken) == 1
    assert actions() == ["trigger", "acknowledge"]
    assert {one.json["dedup_key"] for one in pager.asked} == {alert["id"]}


def test_each_action_is_done_once_although_the_processor_is_killed_between_request_and_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / CHURN.model).mkdir()
    monkeypatch.chdir(tmp_path / CHURN.model)
    replay = staged(CHURN, tmp_path / CHURN.model)
    arrived, killed = threading.Event(), threading.Event()

    def answers(_: Asked) -> tuple[int, Any]:
        arrived.set()
        killed.wait(120)
        return 200, None

    jira = Jira(3)
    with service(answers) as bus, service(lambda _: (200, None)) as forms, service(jira) as tickets:
        actions = {
            "cloudevents/bus": {"url": bus.url, "timeout": "2m"},
            "jira/team": {"url": tickets.url, "project": "PAY", "token": "secret-7"},
            "http/report": {"url": forms.url, "attach": "report", "approval": "none"},
            "label_queue/team": {"directory": "to-label", "rows": 20},
            "kubernetes/abort": {"kind": "Rollout", "namespace": "models", "name": "{model}", "dry_run": True},
        }
        said = {
            **yaml.safe_load(all_models([replay], tmp_path)),
            "actions": actions,
            "policies": {
                "health": {"actions": [*actions]},
                "degraded": {"when": "verdict is degraded", "actions": ["cloudevents/bus", "jira/team"]},
            },
        }
        processor = Processor(tmp_path, yaml.safe_dump(said))
        try:
            send(processor, replay)
            assert arrived.wait(120)
            processor.kill()
            killed.set()
            wait_until(lambda: [one["result"] for one in told(processor)[0]["messages"]].count("delivered") == 4)
            alerts = {alert["policy"]: alert for alert in told(processor)}
            alert, beside = alerts["health"], alerts["degraded"]
        finally:
            killed.set()
            processor.stop()
    results = {one["channel"]: (one["result"], one["detail"]) for one in alert["messages"]}
    assert results["cloudevents/bus"] == ("delivered", "HTTP 200")
    assert {one.json["id"] for one in bus.asked} == {f"{alert['id']}-cloudevents/bus"}
    assert len({one.body for one in bus.asked}) == 1
    assert {one["policy"] for one in bus.asked[0].json["data"]["alerts"]} == {"health", "degraded"}
    assert {one["id"] for one in beside["messages"]} < {one["id"] for one in alert["messages"]}
    assert (jira.issues, jira.comments) == ({"PAY-1": "To Do"}, {})
    (form, *_) = [one.form for one in forms.asked]
    name, kind, html = form["report"]
    assert (name, kind) == (f"driftline-churn-{alert['id']}-http-report.html", "text/html")
    assert b"error rate" in html
    (sheet,) = (tmp_path / "to-label").iterdir()
    assert sheet.name == f"label-{alert['id']}-label_queue-team.csv"
    assert [*pd.read_csv(sheet)][:3] == ["id", "prediction_time", "weight"]
    assert results["kubernetes/abort"][0] == "dry_run"
    assert "merge patch" in results["kubernetes/abort"][1]


def test_nobody_is_notified_of_what_a_person_silenced_on_the_page_until_the_person_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / CHURN.model).mkdir()
    monkeypatch.chdir(tmp_path / CHURN.model)
    replay = staged(CHURN, tmp_path / CHURN.model)
    with webhook() as hook:
        said = {**yaml.safe_load(all_models([replay], tmp_path)), "notify": [hook.url]}
        first = Processor(tmp_path, yaml.safe_dump(said))
        try:
            send(first, replay)
            hook.wait_for(1)
            shown = submit(first, "/models/churn", "/v1/silences", {"policy": "", "for": "1h", "why": "deploying"})
            assert "silenced until" in shown
        finally:
            first.stop()
        low = {"when": "accuracy < 0.99", "severity": "warning", "group": False}
        second = Processor(tmp_path, yaml.safe_dump({**said, "policies": {"low": low}}))  # so that an alert begins
        try:
            wait_until(lambda: len(told(second)) == 2)
            (alert,) = [one for one in told(second) if one["policy"] == "low"]
            assert (alert["open"], alert["notified"], alert["silenced"] is not None) == (True, None, True)
            assert second.get("/api/v1/models")["models"][0]["verdict"]["state"] == "degraded"
            assert len(hook.taken) == 1
            assert "silenced until" not in submit(second, "/incidents", "/v1/silences/[^/]+/end", {})
            assert len(hook.wait_for(2)) == 2
            wait_until(lambda: all(one["notified"] for one in told(second)))
        finally:
            second.stop()


def submit(processor: Processor, page: str, action: str, values: dict[str, str]) -> str:
    """Submit the first form of a page with this action as a browser does; return the page that follows."""
    with httpx.Client(base_url=processor.web, trust_env=False, follow_redirects=True) as browser:
        log_in(browser, processor.web)
        html = browser.get(page).text
        found = re.search(rf'<form method="post" action="({action})".*?</form>', html, re.DOTALL)
        assert found is not None, html
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found[0]))
        headers = {"accept": "text/html", "referer": f"{processor.web}{page}"}
        answer = browser.post(found[1], data={**hidden, **values}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text
