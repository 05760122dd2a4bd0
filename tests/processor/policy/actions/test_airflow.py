"""Airflow: one run a message, whatever is sent twice, in requests that its published schema takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from driftline_processor.demo.peers.airflow import Airflow
from driftline_processor.demo.peers.recorder import Asked, Service, service
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.message import Message

from tests.support.ordered_actions import ALERT, action, order

NAME = "airflow/retrain"
RUN = f"driftline-{ALERT}-airflow-retrain"


def sent(there: Service, api: int, *messages: Message, **more: Any) -> list[Answer]:
    """Return what becomes of messages to one action."""
    keys: dict[str, Any] = {"url": there.url, "dag": "retrain_churn", "api": api}
    keys |= more if "token" in more else {"user": "driftline", "password": "secret-7", **more}
    with action(NAME, **keys) as made:
        return [made.send(message) for message in messages]


@pytest.mark.parametrize("api", [1, 2])
def test_a_message_starts_one_run_also_where_it_comes_twice(api: int) -> None:
    airflow = Airflow(api, ("token-1", "token-2"))
    with service(airflow) as there:
        answers = sent(there, api, order(NAME), order(NAME), conf={"model": "{model}", "tier": "{tier}"})
    assert [(one.result, one.detail) for one in answers] == [
        ("delivered", RUN),
        ("delivered", f"{RUN} already exists"),
    ]
    assert airflow.runs == {RUN: {"model": 'ch"urn {state}/eu', "tier": 1}}


def test_a_run_knows_what_it_is_for_where_nobody_says() -> None:
    airflow = Airflow(2)
    with service(airflow) as there:
        sent(there, 2, order(NAME))
    assert airflow.runs[RUN] == {
        "alert": ALERT,
        "kind": "opened",
        "policy": "health",
        "model": 'ch"urn {state}/eu',
        "version": "7",
        "environment": "",
        "since": "2026-11-04T00:00:00Z",
        "page": "http://127.0.0.1:8780/models/churn?window=1d",
    }


def test_each_message_gets_a_token_of_its_own() -> None:
    airflow = Airflow(2, ("token-1", "token-2"))
    with service(airflow) as there:
        answers = sent(there, 2, order(NAME), order(NAME, "worse"))
    assert [one.result for one in answers] == ["delivered", "delivered"]
    assert there.lines.count("POST /auth/token") == 2
    assert len(airflow.runs) == 2


def test_a_token_that_is_given_is_sent_as_it_is() -> None:
    with service(Airflow(2, ("mine-12345",))) as there:
        (answer,) = sent(there, 2, order(NAME), token="mine-12345")
    assert answer.result == "delivered"
    assert there.lines == ["POST /api/v2/dags/retrain_churn/dagRuns"]


@pytest.mark.parametrize("api", [1, 2])
def test_who_is_not_known_is_put_off_and_no_token_is_said(api: int) -> None:
    with service(Airflow(api, ())) as there:
        (answer,) = sent(there, api, order(NAME), password="secret-8")
    assert answer.result == "put_off"
    assert answer.detail.startswith("HTTP 401")
    for secret in ("secret-8", "token-1", "ZHJpZnRsaW5lOnNlY3JldC04"):
        assert secret not in answer.detail
    assert there.lines.count("POST /auth/token") == api - 1


def test_a_conflict_that_is_another_one_is_tried_again() -> None:
    airflow = Airflow(2)

    def answers(asked: Asked) -> tuple[int, Any]:
        return (409, "other") if asked.method == "POST" and "dags" in asked.path else airflow(asked)

    with service(answers) as there:
        (answer,) = sent(there, 2, order(NAME))
    assert (answer.result, answer.detail) == ("put_off", f"HTTP 409, but there is no run {RUN}: other")


def test_a_dag_that_there_is_not_is_refused() -> None:
    with service(Airflow(2)) as there:
        (answer,) = sent(there, 2, order(NAME), dag="retrain_chrn")
    assert (answer.result, answer.detail) == ("refused", 'HTTP 404 {"detail": "no such DAG"}')


def test_a_dry_run_says_which_run_and_asks_nothing() -> None:
    with service(Airflow(2)) as there:
        (answer,) = sent(there, 2, order(NAME), dry_run=True, conf={"version": "{version}"})
    assert there.asked == []
    assert answer.result == "dry_run"
    assert f"POST {there.url}/api/v2/dags/retrain_churn/dagRuns" in answer.detail
    body = {"dag_run_id": RUN, "conf": {"version": "7"}, "logical_date": None}
    assert answer.detail.endswith(json.dumps(body))
