"""A model turns wrong, and something is done about it: from predictions over OTLP to the request, over ``kill -9``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import driftline
import httpx
import pytest
import yaml

from tests.support.recorded_requests import Asked, service
from tests.support.waiting import wait_until

from .killed import Processor
from .replays import CASES, all_models, staged

CHURN = CASES[0]
ACTION = "http/rollback"

pytestmark = pytest.mark.slow


def orders(processor: Processor) -> list[tuple[str, str]]:
    """Return what became of the messages of all alerts: channel or action, and its result."""
    found = processor.get("/api/v1/alerts")["alerts"]
    return [(one["channel"], one["result"]) for alert in found for one in alert["messages"]]


def test_an_approved_rollback_leaves_with_one_key_although_the_processor_is_killed_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / CHURN.model
    folder.mkdir()
    monkeypatch.chdir(folder)
    replay = staged(CHURN, folder)
    status = [503]

    def answers(_: Asked) -> tuple[int, Any]:
        return status[0], None

    with service(answers) as there:
        body = {"model": "{model}", "reason": "{state}", "alert": "{alert}"}
        action = {"url": there.url + "/models/{model}/rollback", "approval": True, "body": body}
        said = {**yaml.safe_load(all_models([replay], tmp_path)), "actions": {ACTION: action}}
        processor = Processor(tmp_path, yaml.safe_dump({**said, "policies": {"health": {"actions": [ACTION]}}}))
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DRIFTLINE_ENDPOINT", processor.otlp)
                patch.setenv("OTEL_TRACES_EXPORTER", "none")
                replay.section.run(0, {"classifier": replay.classifier})["score"](replay.rows)
                assert driftline.flush()
                driftline.shutdown()
            processor.post(replay.outcomes, replay.case.model)
            wait_until(lambda: orders(processor) == [(ACTION, "awaits_approval")])
            processor.kill()
            assert (orders(processor), there.asked) == ([(ACTION, "awaits_approval")], [])
            (alert,) = processor.get("/api/v1/alerts")["alerts"]
            form = {"action": ACTION, "by": "ann", "why": "the new version is broken"}
            path = f"{processor.web}/api/v1/alerts/{alert['id']}/approval"
            assert httpx.post(path, data=form, trust_env=False).status_code == 200
            wait_until(lambda: bool(there.asked))
            processor.kill()
            status[0] = 200
            wait_until(lambda: orders(processor) == [(ACTION, "delivered")])
        finally:
            processor.stop()
    assert {one.headers["idempotency-key"] for one in there.asked} == {f"{alert['id']}-{ACTION}"}
    assert {(one.method, one.path) for one in there.asked} == {("POST", "/models/churn/rollback")}
    assert there.asked[-1].json == {"model": "churn", "reason": "wrong", "alert": alert["id"]}
