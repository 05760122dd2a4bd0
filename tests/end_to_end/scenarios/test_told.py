"""A model turns degraded, and somebody is told: from predictions over OTLP to the request, over ``kill -9``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.recorded_requests import Asked, Service, service
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
    assert "error rate rose" in call.body["sentence"]
    assert call.body["links"]["page"].startswith(f"{processor.web}/models/churn?")
    wait_until(lambda: [one["result"] for one in told(processor)[0]["messages"]] == ["delivered"] * 2)
    assert actions() == ["trigger"]
    assert (taken[0]["payload"]["source"], taken[0]["payload"]["severity"]) == ("churn", "critical")
    pager.answers = lambda _: (503, "")
    before = len(pager.asked)
    path = f"{processor.web}/api/v1/alerts/{call.body['alert']}/acknowledgement"
    answer = httpx.post(path, data={"by": "ann", "why": "the feed was late"}, trust_env=False)
    assert answer.json()["acknowledged"]["by"] == "ann"
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
