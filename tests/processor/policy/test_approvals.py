"""An action that needs an approval is sent as it was approved, within an hour, and never without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline_processor.config.schema import Config
from driftline_processor.demo.peers.recorder import service
from driftline_processor.policy.action import ActionChannel
from driftline_processor.policy.alerts import Approval, Delivery
from driftline_processor.policy.approvals import VALID, ApprovalError, refuse_unapproved, request_of, to_ask_again
from driftline_processor.policy.channel import Answer
from msgspec.structs import replace

from tests.support.policy_watch import Watched, model, watched
from tests.support.unwrap import unwrap
from tests.support.verdict_windows import right, wrong

ACTION = "http/rollback"
WRONG = [right(0), right(1), wrong(2), wrong(3)]


def keys(url: str = "https://models.example.com/hook", approvers: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "notify": [],
        "models": {"late": {"approvers": approvers}},
        "actions": {ACTION: {"url": url, **more}},
        "policies": {"health": {"actions": [ACTION]}},
    }


def config(**more: Any) -> Config:
    return Config.model_validate({"storage": "memory", **keys(**more)})


def ordered(watch: Watched) -> str:
    """Let the alert begin; return its id."""
    watch.look(model([right(0)]))
    watch.look(model(WRONG))
    (alert,) = watch.alerts.alerts
    return alert


def attempt(watch: Watched, now: Config, later: int = 0) -> Answer:
    """Return what comes of an attempt to send the order with a configuration, some time after its approval."""
    order = watch.alerts.messages[f"{next(iter(watch.alerts.alerts))}-{ACTION}"]

    def gate(message: Any, digest: str) -> Answer | None:
        return refuse_unapproved(watch.alerts, now, message, digest, watch.clock.now + later)

    return ActionChannel(now.actions[ACTION], gate=gate).send(order)


def test_an_approved_action_is_sent_once_it_is_approved_and_not_before(tmp_path: Path) -> None:
    with service(lambda _: (200, "ok")) as there, watched(tmp_path, **keys(there.url)) as watch:
        alert = ordered(watch)
        before = attempt(watch, watch.config)
        watch.approve(alert, ACTION, "ann")
        after = attempt(watch, watch.config)
    assert (before.result, after.result, len(there.asked)) == ("expired", "delivered", 1)
    assert before.detail == "it needs an approval by the current configuration; approve it again"


@pytest.mark.parametrize(
    ("changed", "later", "reason"),
    [
        ({"url": "https://models.example.com/other"}, 0, "what would be sent has changed since the approval"),
        ({"body": {"force": True}}, 0, "what would be sent has changed since the approval"),
        ({"headers": {"X-Cluster": "prod"}}, 0, "what would be sent has changed since the approval"),
        ({"approvers": 2}, 0, "it needs an approval by the current configuration"),
        ({}, VALID + 1, "it was not sent within an hour of its approval"),
    ],
)
def test_what_is_not_what_was_approved_is_not_sent_and_asks_again(
    tmp_path: Path, changed: dict[str, Any], later: int, reason: str
) -> None:
    with watched(tmp_path, **keys()) as watch:
        alert = ordered(watch)
        watch.approve(alert, ACTION, "ann")
        now = config(**changed)
        assert attempt(watch, now, later) == Answer("expired", f"{reason}; approve it again")
        expired = Delivery(f"{alert}-{ACTION}", watch.clock.now, "expired", reason)
        assert to_ask_again(watch.alerts, now, expired)
        watch.alerts.write((), approvals=[Approval(expired.message)])
        assert [*watch.alerts.awaited] == [expired.message]
        _, message = unwrap(watch.approve(alert, ACTION, "bob", "again"))
        assert unwrap(message).id == expired.message
        (open_alert,) = watch.alerts.alerts.values()
        watch.alerts.write([replace(open_alert, resolved=watch.clock.now)])
        assert not to_ask_again(watch.alerts, now, expired)


def test_a_new_credential_needs_no_new_approval(tmp_path: Path) -> None:
    mlflow = {"url": "https://mlflow.example.com", "alias": "champion"}
    configs = [
        Config.model_validate({"storage": "memory", "actions": {"mlflow/back": {**mlflow, "token": token}}})
        for token in ("old-secret", "new-secret")
    ]
    with watched(tmp_path, **keys()) as watch:
        alert = ordered(watch)
        order = replace(watch.alerts.messages[f"{alert}-{ACTION}"], channel="mlflow/back")
    old, new = (unwrap(request_of(one, order)) for one in configs)
    assert old.digest == new.digest
    assert "secret" not in old.words


def test_a_model_that_is_no_longer_declared_is_not_acted_upon(tmp_path: Path) -> None:
    with watched(tmp_path, **keys(approval="none")) as watch:
        ordered(watch)
        now = config(approval="none").model_copy(update={"models": {}})
        answer = attempt(watch, now)
    assert (answer.result, "declare 'late' under 'models'" in answer.detail) == ("refused", True)


def test_the_first_of_two_approvals_lapses_after_an_hour(tmp_path: Path) -> None:
    with watched(tmp_path, **keys(approvers=2)) as watch:
        alert = ordered(watch)
        given, message = unwrap(watch.approve(alert, ACTION, "ann"))
        assert (given.time, given.first_by, message) == (None, "ann", None)
        for name in ("ann", "Ann"):  # a directory behind a log-in ignores the case of what people type
            with pytest.raises(ApprovalError, match=r"ann approved http/rollback at .*; another person must"):
                watch.approve(alert, ACTION, name)
        watch.clock.now += VALID + 1
        given, message = unwrap(watch.approve(alert, ACTION, "bob"))
        assert (given.time, given.first_by, message) == (None, "bob", None)
        given, message = unwrap(watch.approve(alert, ACTION, "ann"))
        assert (given.people, unwrap(message).channel) == ("bob and ann", ACTION)


def test_the_digest_is_the_same_after_a_restart(tmp_path: Path) -> None:
    with watched(tmp_path, **keys()) as watch:
        alert = ordered(watch)
        before = unwrap(request_of(watch.config, watch.alerts.messages[f"{alert}-{ACTION}"]))
    with watched(tmp_path, **keys()) as again:
        assert request_of(again.config, again.alerts.messages[f"{alert}-{ACTION}"]) == before
