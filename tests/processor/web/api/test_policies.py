"""``POST /api/v1/policies/replay``: what policies would have told, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.health import Health
from driftline_processor.web.api import policies
from driftline_processor.web.api.policies import MAX_POLICIES, routes
from driftline_processor.web.app import create_app
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView
from tests.support.policy_watch import model
from tests.support.verdict_windows import right, value, wrong

LOW = {"low": {"when": "accuracy < 70 %"}}
PATH = "/api/v1/policies/replay"


@pytest.fixture
def client() -> TestClient:
    days = [right(0), right(1), wrong(2, clear=True, realized={"accuracy": value(0.6)})]
    view = FakeView([model(days, "late"), model(days[:2], "early")])
    return TestClient(create_app(view, lambda *_: None, Health(), more=routes(view)))  # type: ignore[arg-type]


def test_policies_are_replayed_over_the_windows_in_memory(client: TestClient) -> None:
    found = client.post(PATH, json={"policies": LOW}).json()["models"]
    fired = {one["model"]: [len(policy["firings"]) for policy in one["policies"]] for one in found}
    assert fired == {"late": [1, 1], "early": [0, 0]}
    [one] = client.post(f"{PATH}?model=early", json={"policies": LOW, "all_quiet": True}).json()["models"]
    assert one["policies"][1]["false_alarms"]["quiet_windows"] == 2


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"no json", 400, "the body is no JSON"),
        (b"\xff", 400, "the body is no JSON"),
        (b"[" * 5_000, 400, "the body is no JSON"),
        (b"[]", 400, "a replay is"),
        (b'{"policy": {}}', 400, "a replay is"),
        (b'{"policies": {}, "all_quiet": 1}', 400, "all_quiet is neither true nor false"),
        (b'{"policies": {"low": {"when": "acuracy < 1"}}}', 400, "policies.low.when: 'acuracy' is no metric"),
        (b'{"policies": {"low": {"wen": 1}}}', 400, "did you mean 'when'"),
        (b" " * (MAX_POLICIES + 1), 413, "larger than 256 KiB"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_a_sentence(
    client: TestClient, body: bytes, status: int, sentence: str
) -> None:
    answer = client.post(PATH, content=body)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_an_unknown_model_and_too_much_at_once_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.post(f"{PATH}?model=no", json={"policies": LOW}).status_code == 404
    many: dict[str, Any] = {f"low{number}": LOW["low"] for number in range(101)}
    assert "100 are the most" in client.post(PATH, json={"policies": many}).json()["error"]
    monkeypatch.setattr(policies, "MOST_STEPS", 10)
    assert "too many windows" in client.post(PATH, json={"policies": LOW}).json()["error"]
