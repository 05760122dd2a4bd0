"""Jira: one issue an alert, whatever is sent twice, in requests that its published schema takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from driftline_processor.demo.peers.jira import Jira
from driftline_processor.demo.peers.recorder import Asked, Service, service
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.message import Message

from tests.support.ordered_actions import ALERT, FACTS, REPORT, REPORTING, action, order

NAME = "jira/payments"


def sent(there: Service, api: int, *messages: Message, **more: Any) -> list[Answer]:
    """Return what becomes of messages; each goes to an action that knows nothing of those before."""
    keys: dict[str, Any] = {"url": there.url, "project": "PAY", "token": "secret-7", "api": api, **more}
    answers = []
    for message in messages:
        with action(NAME, **keys) as made:
            answers.append(made.send(message))
    return answers


@pytest.mark.parametrize("api", [2, 3])
def test_an_alert_has_one_issue_also_where_its_message_comes_twice(api: int) -> None:
    jira = Jira(api)
    with service(jira) as there:
        answers = sent(there, api, order(NAME), order(NAME), order(NAME), labels="models")
        assert [(one.result, one.detail) for one in answers] == [("delivered", f"PAY-1 {there.url}/browse/PAY-1")] * 3
    assert jira.issues == {"PAY-1": "To Do"}
    assert jira.labels == {"PAY-1": [f"driftline-{ALERT}", "models"]}
    assert [line.rpartition("/")[2] for line in there.lines].count("issue") == 1


def test_the_issue_says_what_the_message_says() -> None:
    with service(Jira(3)) as there:
        fields = {"priority": {"name": "High"}, "customfield_10010": "{model}"}
        sent(there, 3, order(NAME), summary="[{severity}]\n{title}", issue_type="Bug", fields=fields)
    said: Mapping[str, Any] = there.asked[-1].json["fields"]
    assert said["summary"] == "[critical] churn is degraded since 4 November 2026"
    assert (said["issuetype"], said["priority"]) == ({"name": "Bug"}, {"name": "High"})
    assert said["customfield_10010"] == 'ch"urn {state}/eu'
    lines = ["".join(part["text"] for part in one["content"]) for one in said["description"]["content"]]
    assert lines == [*FACTS["text"].split("\n"), "page report"]


@pytest.mark.parametrize("api", [2, 3])
def test_what_follows_is_one_comment_each_and_the_end_moves_the_issue(api: int) -> None:
    jira = Jira(api)
    messages = [
        order(NAME),
        *(order(NAME, kind) for kind in ("worse", "worse", "joined", "cause_changed", "recovered")),
        order(NAME, "resolved"),
        order(NAME, "resolved"),
    ]
    with service(jira) as there:
        answers = sent(there, api, *messages, transition="done")
    assert {one.result for one in answers} == {"delivered"}
    assert jira.issues == {"PAY-1": "Done"}
    assert len(jira.comments["PAY-1"]) == 5
    assert [line.rpartition("/")[2] for line in there.lines].count("transitions") == 2


def test_an_alert_that_begins_again_opens_its_own_issue_again() -> None:
    jira = Jira(3)
    with service(jira) as there:
        sent(there, 3, order(NAME), order(NAME, "resolved"), transition="Finish")
        assert jira.issues == {"PAY-1": "Done"}
        sent(there, 3, order(NAME, again=True), reopen="To Do")
    assert jira.issues == {"PAY-1": "To Do"}


@pytest.mark.parametrize("reopen", [None, "To Do"])
def test_what_joins_is_a_comment_also_where_somebody_has_closed_the_issue(reopen: str | None) -> None:
    jira = Jira(3)
    with service(jira) as there:
        sent(there, 3, order(NAME))
        jira.issues["PAY-1"] = "Done"
        sent(there, 3, order(NAME, "joined"), order(NAME, "joined"), reopen=reopen)
    assert jira.issues == {"PAY-1": reopen or "Done"}
    assert len(jira.comments["PAY-1"]) == 1


def test_what_joins_an_issue_that_was_never_made_makes_it() -> None:
    jira = Jira(3)
    with service(jira) as there:
        answers = sent(there, 3, order(NAME, "joined"), order(NAME, "resolved"))
        assert [one.detail for one in answers] == [f"PAY-1 {there.url}/browse/PAY-1"] * 2
    assert jira.labels == {"PAY-1": [f"driftline-{ALERT}"]}


def test_a_transition_that_there_is_not_is_refused_with_the_nearest_name() -> None:
    with service(Jira(3)) as there:
        (_, answer) = sent(there, 3, order(NAME), order(NAME, "resolved"), transition="Finnish")
    assert (answer.result, answer.detail) == (
        "refused",
        "PAY-1 has no transition 'Finnish' from 'To Do'; did you mean 'Finish'?",
    )


def test_an_end_without_an_issue_changes_nothing() -> None:
    jira = Jira(3)
    with service(jira) as there:
        (answer,) = sent(there, 3, order(NAME, "resolved"))
    assert (answer.result, answer.detail) == ("delivered", "there is no issue to comment on")
    assert jira.issues == {}


@pytest.mark.parametrize(
    ("user", "sends"), [(None, "Bearer secret-7"), ("ann@example.com", "Basic YW5uQGV4YW1wbGUuY29tOnNlY3JldC03")]
)
def test_the_token_is_sent_and_never_said(user: str | None, sends: str) -> None:
    with service(lambda asked: (401, f"{asked.headers['authorization']} is no token")) as there:
        (answer,) = sent(there, 3, order(NAME), user=user)
    assert there.asked[0].headers["authorization"] == sends
    assert (answer.result, answer.detail) == ("put_off", f"HTTP 401 {sends.split()[0]} *** is no token")


def test_what_jira_refuses_is_said_in_its_words() -> None:
    def answers(asked: Asked) -> tuple[int, Any]:
        if asked.method == "GET":
            return 200, {"issues": []}
        return 400, {"errorMessages": [], "errors": {"team": "Team is required."}}

    with service(answers) as there:
        (answer,) = sent(there, 3, order(NAME))
    assert (answer.result, answer.detail) == (
        "refused",
        'HTTP 400 {"errorMessages": [], "errors": {"team": "Team is required."}}',
    )


@pytest.mark.parametrize("said", ["<html>", [], {"issues": None}, {"issues": [{"key": 7}]}])
def test_an_answer_that_is_none_of_jira_is_put_off(said: Any) -> None:
    with service(lambda _: (200, said)) as there:
        (answer,) = sent(there, 3, order(NAME))
    assert answer.result == "put_off"


def test_a_dry_run_says_what_it_would_make_and_asks_nothing() -> None:
    with service(Jira(3)) as there:
        answers = sent(there, 3, order(NAME), order(NAME, "resolved"), dry_run=True, transition="Done")
    assert there.asked == []
    assert [one.detail for one in answers] == [
        f"would create an issue in PAY, unless an issue with the label driftline-{ALERT} exists: "
        "churn is degraded since "
        "4 November 2026",
        f"would comment on the issue with the label driftline-{ALERT}, and move it to Done: churn is degraded since "
        "4 November 2026",
    ]


class WithFiles(Jira):
    """Issues that have attachments, as of
    https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-attachments/.

    Attributes:
        files: By name.
        refuses: The status of an answer to an attachment; 200 takes it.
    """

    def __init__(self, api: int) -> None:
        super().__init__(api)
        self.files: dict[str, list[bytes]] = {}
        self.refuses = 200

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.query.get("fields") == "attachment":
            return 200, {"key": "PAY-1", "fields": {"attachment": [{"filename": name} for name in self.files]}}
        if not asked.path.endswith("/issue/PAY-1/attachments"):
            return super().__call__(asked)
        assert asked.headers["x-atlassian-token"] == "no-check"
        if self.refuses != 200:
            return self.refuses, {"errorMessages": ["no"]}
        ((part, (name, kind, content)),) = asked.form.items()
        assert (part, kind, name) == ("file", "text/html", REPORT.name)
        self.files.setdefault(REPORT.name, []).append(content)
        return 200, [{"filename": name}]


@pytest.mark.parametrize("api", [2, 3])
def test_the_report_is_attached_once_also_where_the_message_comes_twice(api: int) -> None:
    jira = WithFiles(api)
    messages = [order(NAME), order(NAME), order(NAME, "worse"), order(NAME, "resolved")]
    with service(jira) as there:
        answers = sent(there, api, *messages, sources=REPORTING, attach="report")
        named = f"PAY-1 {there.url}/browse/PAY-1"
    assert [one.detail for one in answers] == [f"{named}, with its report"] * 3 + [named]
    assert jira.files == {REPORT.name: [REPORT.html]}


def test_a_report_that_jira_refuses_takes_nothing_from_the_issue() -> None:
    jira = WithFiles(3)
    jira.refuses = 413
    with service(jira) as there:
        (large,) = sent(there, 3, order(NAME), sources=REPORTING, attach="report")
        jira.refuses = 503
        (away,) = sent(there, 3, order(NAME), sources=REPORTING, attach="report")
        (none,) = sent(there, 3, order(NAME), attach="report")
    assert large.detail.endswith(', without its report: HTTP 413 {"errorMessages": ["no"]}')
    assert (large.result, away.result, none.result) == ("delivered", "put_off", "delivered")
    assert none.detail.endswith(", without a report, because there is none")
    assert jira.issues == {"PAY-1": "To Do"}
