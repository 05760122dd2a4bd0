"""A model becomes degraded, and its actions run: from predictions over OTLP to the request, over ``kill -9``."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.support.recorded_jira import Jira
from tests.support.recorded_requests import Asked, service
from tests.support.waiting import wait_until

from .killed import Processor
from .replays import CASES, all_models, send, staged, told

CHURN = CASES[0]

pytestmark = pytest.mark.slow


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
            "http/report": {"url": forms.url, "attach": "report"},
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
