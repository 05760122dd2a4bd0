"""What policies decided, and what others would have told; what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.web.api import policies
from driftline_processor.web.api.policies import MAX_POLICIES
from starlette.testclient import TestClient

from tests.support.facts import Facts, lacking
from tests.support.fake_view import FakeView, app_of
from tests.support.html_page import page
from tests.support.policy_watch import model, watched
from tests.support.verdict_windows import right, value, wrong

LOW = {"low": {"when": "accuracy < 70 %"}}
PATH = "/api/v1/policies/replay"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    days = [right(0), right(1), wrong(2, clear=True, realized={"accuracy": value(0.6)})]
    view = FakeView([model(days, "late"), model(days[:2], "early")])
    with watched(tmp_path, policies=LOW) as watch:
        watch.look(*view.known)
        view.alerts, view.explanations = watch.alerts, watch.explanations
        yield TestClient(app_of(view))


def test_each_policy_says_what_it_decided_about_a_model_also_where_it_did_not_fire(client: TestClient) -> None:
    found = client.get("/api/v1/models/early/policies").json()["policies"]
    assert {one["policy"]: (one["standing"], one["not_notified"]) for one in found} == {
        "health": ("does not fire", []),
        "low": ("does not fire", []),
    }
    (part,) = found[1]["windows"][0]["parts"]
    assert part == {
        "condition": "accuracy < 70 %",
        "holds": False,
        "finding": "accuracy is 80 % (78 % to 82 %), above 70 %",
        "measured": None,
    }
    assert client.get("/api/v1/models/none/policies").status_code == 404


def test_an_alert_says_what_its_policy_decided_around_it(client: TestClient) -> None:
    health, low = client.get("/api/v1/models/late/policies").json()["policies"]
    alert = client.get(f"/api/v1/alerts/{low['alert']}").json()
    assert (alert["policy"], alert["decision"]["standing"]) == ("low", "fires since 3 July 2013")
    assert [one["outcome"] for one in alert["decision"]["windows"]] == ["fires", "does not fire", "does not fire"]
    assert (alert["decision"]["not_notified"], health["standing"]) == ([], "fires since 3 July 2013")
    assert client.get("/api/v1/alerts/nothing").status_code == 404


def test_pages_say_the_same_to_people(client: TestClient) -> None:
    shown = page(client, "/models/early/incidents").text
    assert "Policy decisions 2" in shown
    assert "00:00 : does not fire accuracy < 70 % no : accuracy is 80 % (78 % to 82 %), above 70 %" in shown
    (alert,) = [
        one["id"] for one in client.get("/models/late/incidents?format=json").json()["alerts"] if one["policy"] == "low"
    ]
    assert f"/alerts/{alert}" in page(client, "/models/late/incidents").links
    told = page(client, f"/alerts/{alert}").text
    assert "when accuracy < 70 % in windows of 1d" in told
    assert "2013-07-03 accuracy < 70 % yes : accuracy is 60 %, below 70 % ▲ fires" in told
    rows = client.get(f"/alerts/{alert}?format=json").json()["decisions"]
    assert [(one["start"], one["holds"], one["outcome"]) for one in rows] == [
        ("2013-07-03T00:00:00Z", True, "fires"),
        ("2013-07-02T00:00:00Z", False, "does not fire"),
        ("2013-07-01T00:00:00Z", False, "does not fire"),
    ]
    assert client.get("/alerts/nothing").status_code == 404


def test_policies_are_replayed_over_the_windows_in_memory(client: TestClient) -> None:
    found = client.post(PATH, json={"policies": LOW}).json()["models"]
    fired = {one["model"]: [len(policy["firings"]) for policy in one["policies"]] for one in found}
    assert fired == {"late": [1, 1], "early": [0, 0]}
    [one] = client.post(f"{PATH}?model=early", json={"policies": LOW, "all_quiet": True}).json()["models"]
    assert one["policies"][1]["false_alarms"]["quiet_windows"] == 2


@pytest.mark.parametrize(
    ("body", "status", "facts"),
    [
        (b"no json", 400, ("the body is not JSON",)),
        (b"\xff", 400, ("the body is not JSON",)),
        (b"[" * 5_000, 400, ("the body is not JSON",)),
        (b"[]", 400, ("the body must be",)),
        (b'{"policy": {}}', 400, ("the body must be",)),
        (b'{"policies": {}, "all_quiet": 1}', 400, ("all_quiet",)),
        (b'{"policies": {"low": {"when": "acuracy < 1"}}}', 400, ("policies.low.when:", "'acuracy'")),
        (b'{"policies": {"low": {"wen": 1}}}', 400, ("did you mean 'when'",)),
        (b" " * (MAX_POLICIES + 1), 413, ("larger than 256 KiB",)),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_a_sentence(
    client: TestClient, body: bytes, status: int, facts: Facts
) -> None:
    answer = client.post(PATH, content=body)
    assert answer.status_code == status
    assert lacking(answer.json()["error"], *facts) == []


def test_an_unknown_model_and_too_much_at_once_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.post(f"{PATH}?model=no", json={"policies": LOW}).status_code == 404
    many: dict[str, Any] = {f"low{number}": LOW["low"] for number in range(101)}
    assert "the maximum is 100" in client.post(PATH, json={"policies": many}).json()["error"]
    monkeypatch.setattr(policies, "MOST_STEPS", 10)
    assert "too many windows" in client.post(PATH, json={"policies": LOW}).json()["error"]
