"""Runs of GitHub Actions: one a message, in requests that GitHub's published schema takes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from driftline_processor.demo.peers.github import WORKFLOW
from driftline_processor.demo.peers.github import GitHub as Peer
from driftline_processor.demo.peers.recorder import Asked, Service, service
from driftline_processor.policy.actions.github import GitHub as Keys
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.message import Message

from tests.support.ordered_actions import ALERT, FACTS, action, carried_out, order

NAME = "github/retrain"
ID = f"{ALERT}-{NAME}"


class GitHub(Peer):
    """The repository of these actions, which all name themselves and ask for runs of an hour before the message."""

    def __init__(self, *runs: str) -> None:
        super().__init__("example/churn", "retrain.yml", "secret-7", *runs)

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        assert asked.headers["user-agent"] == "driftline"
        assert asked.query.get("created", ">=1969-12-31T23:00:00Z") == ">=1969-12-31T23:00:00Z"
        return super().__call__(asked)


def sent(there: Service, *messages: Message, **more: Any) -> list[Answer]:
    """Return what becomes of messages; each goes to an action that knows nothing of those before."""
    keys: dict[str, Any] = {"url": there.url, "repository": "example/churn", "token": "secret-7", **more}
    answers = []
    for message in messages:
        with action(NAME, **keys) as made:
            answers.append(made.send(message))
    return answers


ADDRESS = f"https://github.com/example/churn/actions/runs/{len(f'retrain for {ID}')}"


def test_a_message_starts_one_run_also_where_it_comes_twice() -> None:
    github = GitHub()
    with service(github) as there:
        answers = sent(there, order(NAME), order(NAME), workflow="retrain.yml")
    assert [(one.result, one.detail) for one in answers] == [
        ("delivered", ADDRESS),
        ("delivered", f"{ADDRESS} already exists"),
    ]
    assert github.runs == [f"retrain for {ID}"]


def test_a_workflow_gets_inputs_that_are_text() -> None:
    inputs = {"message": "{id}", "tier": "{tier}", "until": "{until}", "dry": True, "model": "{model}"}
    with service(GitHub()) as there:
        sent(there, order(NAME), workflow="retrain.yml", ref="release/7", inputs=inputs)
    assert there.asked[-1].json == {
        "ref": "release/7",
        "inputs": {"message": ID, "tier": "1", "until": "", "dry": "true", "model": FACTS["model"]},
    }


def test_only_github_itself_is_asked_for_the_run() -> None:
    known = Keys.model_fields["url"].default
    assert known == "https://api.github.com"
    with action(NAME, repository="example/churn", token="secret-7", workflow="retrain.yml") as made:
        assert isinstance(made._action, Keys)
        body = made._action.request(order(NAME)).json
    jsonschema.validate(body, WORKFLOW)
    assert body["return_run_details"] is True


@pytest.mark.parametrize("other", [f"{ID}-resolved", f"{ID}-worse", f"x{ID}", "retrain"])
def test_a_run_of_another_message_is_another_run(other: str) -> None:
    github = GitHub(f"retrain for {other}")
    with service(github) as there:
        sent(there, order(NAME), workflow="retrain.yml")
    assert github.runs == [f"retrain for {ID}", f"retrain for {other}"]


def test_a_run_is_found_behind_the_first_page() -> None:
    github = GitHub(*["other"] * 65, f"retrain for {ID}", "other")
    with service(github) as there:
        (answer,) = sent(there, order(NAME), workflow="retrain.yml")
    assert answer.detail == f"{ADDRESS} already exists"
    assert [one.query["page"] for one in there.asked] == ["1", "2", "3"]


def test_not_all_runs_of_a_busy_repository_are_looked_through() -> None:
    with service(GitHub(*["other"] * 1000)) as there:
        sent(there, order(NAME), workflow="retrain.yml")
    assert [one.method for one in there.asked] == ["GET"] * 5 + ["POST"]


@pytest.mark.parametrize(("status", "result"), [(404, "put_off"), (403, "put_off"), (422, "refused"), (301, "put_off")])
def test_the_status_says_what_became_of_it(status: int, result: str) -> None:
    def answers(asked: Asked) -> tuple[int, Any]:
        return (200, {"workflow_runs": []}) if asked.method == "GET" else (status, {"message": "no secret-7"})

    with service(answers) as there:
        (answer,) = sent(there, order(NAME), workflow="retrain.yml")
    assert (answer.result, answer.detail) == (result, f'HTTP {status} {{"message": "no ***"}}')


@pytest.mark.parametrize("said", ["<html>", [], {}, {"workflow_runs": None}])
def test_an_answer_that_names_no_runs_starts_none(said: Any) -> None:
    with service(lambda _: (200, said)) as there:
        (answer,) = sent(there, order(NAME), workflow="retrain.yml")
    assert answer.result == "put_off"
    assert [one.method for one in there.asked] == ["GET"]


def test_a_dry_run_says_what_would_run_and_asks_nothing() -> None:
    with service(GitHub()) as there:
        (run,) = sent(there, order(NAME), workflow="retrain.yml", dry_run=True)
    assert there.asked == []
    body = {"ref": "main", "inputs": {"message": ID, "model": FACTS["model"]}}
    assert f"POST {there.url}/repos/example/churn/actions/workflows/retrain.yml/dispatches" in run.detail
    assert run.detail.endswith(json.dumps(body))


def test_nobody_there_is_put_off() -> None:
    keys: dict[str, Any] = {"repository": "example/churn", "token": "secret-7", "workflow": "retrain.yml"}
    answer = carried_out(NAME, url="http://127.0.0.1:9", **keys)
    assert (answer.result, answer.detail.partition(":")[0]) == ("put_off", "ConnectError")
