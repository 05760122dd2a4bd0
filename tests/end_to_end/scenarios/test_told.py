"""A model turns wrong, and somebody is told: from predictions over OTLP to the request, over ``kill -9``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import driftline
import pytest
import yaml

from tests.support.waiting import wait_until
from tests.support.webhooks import Hook, webhook

from .killed import Processor
from .replays import CASES, Replay, all_models, staged

CHURN = CASES[0]

pytestmark = pytest.mark.slow


def told(processor: Processor) -> list[dict[str, Any]]:
    """Return the alerts that the processor knows."""
    found: list[dict[str, Any]] = processor.get("/api/v1/alerts")["alerts"]
    return found


def send(processor: Processor, replay: Replay) -> None:
    """Send all rows over OTLP, and all their outcomes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTLINE_ENDPOINT", processor.otlp)
        patch.setenv("OTEL_TRACES_EXPORTER", "none")
        replay.section.run(0, {"classifier": replay.classifier})["score"](replay.rows)
        assert driftline.flush()
        driftline.shutdown()
    processor.post(replay.outcomes, replay.case.model)


def test_a_model_that_turns_wrong_is_told_once_although_the_channel_is_down_and_the_processor_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / CHURN.model).mkdir()
    monkeypatch.chdir(tmp_path / CHURN.model)
    replay = staged(CHURN, tmp_path / CHURN.model)
    with webhook() as hook:
        said = {**yaml.safe_load(all_models([replay], tmp_path)), "notify": hook.url}
        processor = Processor(tmp_path, yaml.safe_dump(said))
        try:
            _told_once(processor, replay, hook)
        finally:
            processor.stop()


def _told_once(processor: Processor, replay: Replay, hook: Hook) -> None:
    hook.status = 503
    send(processor, replay)
    wait_until(lambda: bool(hook.calls))
    processor.kill()
    hook.status = 200
    (taken,) = hook.wait_for(1)
    assert {call.key for call in hook.calls} == {taken.key}
    assert taken.body["id"] == taken.key
    assert (taken.body["model"], taken.body["state"], taken.body["kind"]) == ("churn", "wrong", "opened")
    assert "error rate rose" in taken.body["sentence"]
    assert taken.body["links"]["page"].startswith(f"{processor.web}/models/churn?")
    wait_until(lambda: [one["messages"][0]["result"] for one in told(processor)] == ["delivered"])
    processor.kill()
    (alert,) = told(processor)
    assert (alert["id"], alert["open"], alert["messages"][0]["id"]) == (taken.body["alert"], True, taken.key)
    processor.stop()
    assert len(hook.taken) == 1
