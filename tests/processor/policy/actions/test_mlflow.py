"""An alias of MLflow: one version back for an alert, however often its message comes, and never when it moved on.

The answers are those of https://mlflow.org/docs/latest/api_reference/rest-api.html;
``tests/integrations/test_mlflow_registry.py`` asks a real server.
"""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.demo.peers.recorder import Asked, Service, service
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.message import Message

from tests.support.facts import lacking
from tests.support.ordered_actions import ALERT, FACTS, action, order

NAME = "mlflow/champion"
TAG = f"driftline.{ALERT}-mlflow-champion"
API = "/api/2.0/mlflow/"


class Registry:
    """One registered model.

    Attributes:
        aliases: Alias → version.
        tags: Of the model.
        versions: Version → status.
        broken: A path whose next request gets no answer that helps.
    """

    def __init__(self, aliases: dict[str, int], versions: dict[int, str]) -> None:
        self.aliases, self.versions = aliases, versions
        self.tags: dict[str, str] = {}
        self.broken = ""

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        path = asked.path.removeprefix(API)
        name = asked.query.get("name") if asked.method == "GET" else asked.json["name"]
        if path == self.broken:
            self.broken = ""
            return 503, {"error_code": "TEMPORARILY_UNAVAILABLE"}
        if name != FACTS["model"]:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such model"}
        if path == "registered-models/get":
            aliases = [{"alias": alias, "version": str(version)} for alias, version in self.aliases.items()]
            tags = [{"key": key, "value": value} for key, value in self.tags.items()]
            return 200, {"registered_model": {"name": name, "aliases": aliases, "tags": tags}}
        if path == "model-versions/get":
            status = self.versions.get(int(asked.query["version"]))
            if status is None:
                return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}
            return 200, {"model_version": {"version": asked.query["version"], "status": status}}
        if path == "registered-models/set-tag":
            self.tags[asked.json["key"]] = asked.json["value"]
            return 200, {}
        assert path == "registered-models/alias"
        assert isinstance(asked.json["version"], str)
        self.aliases[asked.json["alias"]] = int(asked.json["version"])
        return 200, {}


def ready(*versions: int) -> dict[int, str]:
    return dict.fromkeys(versions, "READY")


def sent(there: Service, *messages: Message, **more: Any) -> list[tuple[str, str]]:
    """Return what becomes of messages; each goes to an action that knows nothing of those before."""
    answers: list[Answer] = []
    for message in messages:
        with action(NAME, **{"url": there.url, "alias": "champion", **more}) as made:
            answers.append(made.send(message))
    return [(one.result, one.detail) for one in answers]


def test_the_alias_goes_one_version_back_also_where_the_message_comes_twice() -> None:
    registry = Registry({"champion": 7}, ready(5, 6, 7))
    with service(registry) as there:
        answers = sent(there, order(NAME), order(NAME), order(NAME))
    assert answers == [("delivered", "champion: 7 to 6"), *[("delivered", "champion: 7 to 6, done before")] * 2]
    assert registry.aliases == {"champion": 6}
    assert registry.tags == {TAG: "champion: 7 to 6, done"}


def test_versions_that_are_gone_or_not_ready_are_passed_over() -> None:
    registry = Registry({"champion": 7}, {4: "READY", 6: "FAILED_REGISTRATION", 7: "READY"})
    with service(registry) as there:
        assert sent(there, order(NAME)) == [("delivered", "champion: 7 to 4")]


def test_an_alias_says_which_version_to_go_back_to() -> None:
    registry = Registry({"champion": 7, "fallback": 3}, ready(3, 6, 7))
    with service(registry) as there:
        assert sent(there, order(NAME), previous="fallback") == [("delivered", "champion: 7 to 3")]
    assert registry.aliases == {"champion": 3, "fallback": 3}


@pytest.mark.parametrize("broken", ["registered-models/set-tag", "registered-models/alias"])
def test_what_was_cut_short_is_finished_by_the_repeat(broken: str) -> None:
    registry = Registry({"champion": 7}, ready(5, 6, 7))
    registry.broken = broken
    with service(registry) as there:
        (first, second) = sent(there, order(NAME), order(NAME))
    assert first[0] == "put_off"
    assert second == ("delivered", "champion: 7 to 6")
    assert (registry.aliases, registry.tags) == ({"champion": 6}, {TAG: "champion: 7 to 6, done"})


def test_an_alias_that_points_to_another_version_than_the_alert_is_left_alone() -> None:
    registry = Registry({"champion": 8}, ready(6, 7, 8))
    with service(registry) as there:
        answers = sent(there, order(NAME))
    assert [result for result, _ in answers] == ["delivered"]
    assert lacking(answers[0][1], "not moved", "champion", "version 8", "7") == []
    assert (registry.aliases, registry.tags) == ({"champion": 8}, {})


def test_an_alias_that_somebody_moved_before_the_move_is_left_alone() -> None:
    registry = Registry({"champion": 7}, ready(6, 7, 8))
    registry.broken = "registered-models/alias"
    with service(registry) as there:
        sent(there, order(NAME))
        registry.aliases["champion"] = 8
        answers = sent(there, order(NAME))
    assert [result for result, _ in answers] == ["delivered"]
    assert lacking(answers[0][1], "not moved", "champion", "version 8", "7") == []
    assert registry.aliases == {"champion": 8}


def test_an_alias_that_somebody_moved_after_the_move_is_left_alone() -> None:
    registry = Registry({"champion": 7}, ready(6, 7))
    with service(registry) as there:
        sent(there, order(NAME))
        registry.aliases["champion"] = 7
        assert sent(there, order(NAME)) == [("delivered", "champion: 7 to 6, done before")]
    assert registry.aliases == {"champion": 7}


def test_a_version_that_is_none_of_mlflow_holds_nothing_back() -> None:
    registry = Registry({"champion": 8}, ready(7, 8))
    with service(registry) as there:
        assert sent(there, order(NAME, version="m-4f2a"))[0] == ("delivered", "champion: 8 to 7")


@pytest.mark.parametrize(
    ("aliases", "keys", "said"),
    [
        ({}, {}, 'ch"urn {state}/eu has no alias champion'),
        ({"champion": 7}, {}, 'ch"urn {state}/eu has no version before 7 that is ready'),
        ({"champion": 7}, {"previous": "fallback"}, "the alias fallback does not exist"),
        ({"champion": 7, "fallback": 7}, {"previous": "fallback"}, "the alias fallback points to version 7, too"),
    ],
)
def test_where_there_is_no_way_back_it_is_refused(aliases: dict[str, int], keys: dict[str, str], said: str) -> None:
    with service(Registry(aliases, ready(7))) as there:
        assert sent(there, order(NAME), **keys) == [("refused", said)]


def test_a_model_that_is_not_registered_is_refused() -> None:
    with service(Registry({"champion": 7}, ready(6, 7))) as there:
        ((result, said),) = sent(there, order(NAME, model="../other' OR name='x"))
    assert result == "refused"
    assert said.startswith("HTTP 404 ")


@pytest.mark.parametrize(
    ("keys", "sends"),
    [
        ({}, None),
        ({"token": "secret-7"}, "Bearer secret-7"),
        ({"user": "ann", "password": "secret-7"}, "Basic YW5uOnNlY3JldC03"),
    ],
)
def test_the_token_is_sent_and_never_said(keys: dict[str, str], sends: str | None) -> None:
    with service(lambda asked: (401, f"{asked.headers.get('authorization')} is none")) as there:
        ((result, said),) = sent(there, order(NAME), **keys)
    assert there.asked[0].headers.get("authorization") == sends
    assert result == "put_off"
    assert said == ("HTTP 401 None is none" if sends is None else f"HTTP 401 {sends.split()[0]} *** is none")


@pytest.mark.parametrize("said", ["<html>", [], {}, {"registered_model": None}, {"registered_model": {"aliases": [7]}}])
def test_an_answer_that_is_none_of_mlflow_moves_nothing(said: Any) -> None:
    with service(lambda _: (200, said)) as there:
        ((result, _),) = sent(there, order(NAME))
    assert result in ("put_off", "refused")
    assert [one.method for one in there.asked] == ["GET"]


def test_a_dry_run_says_what_would_move_and_asks_nothing() -> None:
    with service(Registry({"champion": 7}, ready(6, 7))) as there:
        answers = sent(there, order(NAME), dry_run=True)
        answers += sent(there, order(NAME), dry_run=True, previous="fallback", version="x", model="churn")
    assert there.asked == []
    assert answers == [
        ("dry_run", 'would move the alias champion of ch"urn {state}/eu from version 7 to the version before it'),
        ("dry_run", "would move the alias champion of churn to fallback"),
    ]
