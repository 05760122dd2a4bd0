"""What is done about an alert: once for each occasion, as often as its limit lets it, after the approval it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.orders import LAPSED
from driftline_processor.policy.told import alert_histories, alert_json

from tests.support.policy_watch import DAY, JULY, Watched, model, watched
from tests.support.verdict_windows import right, target, window, wrong

HTTP = {"url": "https://models.example.com/rollback"}
JIRA = {"url": "https://example.atlassian.net", "project": "PAY", "token": "secret-7"}

WRONG = [right(0), right(1), wrong(2), wrong(3)]
SHIFTED = [window(day, features={"temp": target(p=1e-30)}, incident={"feature:temp": JULY + 2 * DAY}) for day in (2, 3)]
"""Two days whose inputs moved, and of which no outcome is known yet."""

RIGHT = [*WRONG, right(4), right(5), right(6)]


def acting(**actions: Any) -> dict[str, Any]:
    """Return a configuration that tells nobody, and whose default policy names all actions."""
    named = {name.replace("_", "/"): keys for name, keys in actions.items()}
    return {"notify": [], "actions": named, "policies": {"health": {"actions": [*named]}}}


def ids(watch: Watched) -> list[str]:
    """Return the ids of what was sent, without that of the alert."""
    return [one.id.removeprefix(f"{one.alert}-") for one in watch.sent]


def results(watch: Watched) -> list[str]:
    """Return what came of all messages, those of the newest alert first."""
    return [sent.result for one in alert_histories(watch.alerts) for sent in one.sent]


def test_an_alert_is_acted_upon_once_when_it_opens_and_a_restart_repeats_nothing(tmp_path: Path) -> None:
    keys = acting(http_rollback=HTTP)
    with watched(tmp_path, **keys) as watch:
        for day in range(len(WRONG)):
            watch.look(model(WRONG[: day + 1]))
        watch.look(model(WRONG))
        (alert,) = watch.alerts.alerts.values()
        assert ids(watch) == ["http/rollback"]
        assert alert.told is not None
    with watched(tmp_path, **keys) as again:
        assert [one.id for one in again.alerts.waiting] == [f"{alert.id}-http/rollback"]
        assert again.look(model(RIGHT)) == []


def test_an_action_follows_its_alert_to_the_end_and_where_it_begins_again(tmp_path: Path) -> None:
    with watched(tmp_path, **acting(jira_pay=JIRA, http_undo={**HTTP, "on": "over"})) as watch:
        watch.look(model([right(0)]))
        watch.look(model(WRONG))
        watch.look(model(RIGHT))
        assert ids(watch) == ["jira/pay", "jira/pay-over", "http/undo-over"]
        (alert,) = watch.alerts.alerts.values()
        assert not alert.open
        watch.look(model([*WRONG, wrong(4), wrong(5), wrong(6)]))  # outcomes that came late
        assert ids(watch)[3:] == ["jira/pay-2"]
        assert watch.sent[-1].facts["again"]
        assert len(watch.alerts.alerts) == 1


def test_beyond_its_limit_an_action_is_held_back_and_so_is_its_end(tmp_path: Path) -> None:
    keys = acting(jira_pay={**JIRA, "at_most": "1 per 1d"})
    with watched(tmp_path, **keys) as watch:
        for name in ("one", "two"):
            watch.look(model([right(0)], name))
        both = [model([*WRONG], name) for name in ("one", "two")]
        watch.look(*both)
        assert ids(watch) == ["jira/pay"]
        assert sorted(results(watch)) == ["held_back", "waiting"]
        held = next(one for one in watch.alerts.deliveries.values())
        assert held.detail == "at_most: 1 per 1d"
        watch.look(*(model(RIGHT, name) for name in ("one", "two")))
        assert ids(watch) == ["jira/pay", "jira/pay-over"]
        assert len({one.alert for one in watch.sent}) == 1


def test_a_limit_counts_over_a_restart_and_lets_through_once_its_time_is_over(tmp_path: Path) -> None:
    keys = acting(http_rollback={**HTTP, "at_most": "1 per 2d"})
    with watched(tmp_path, **keys) as watch:
        watch.look(model([right(0)], "one"), model([right(0)], "two"), model([right(0)], "three"))
        watch.look(model(WRONG, "one"))
    with watched(tmp_path, **keys) as again:
        again.look(model(WRONG, "one"), model(WRONG, "two"))
        assert again.sent == []
        later = [*WRONG, *(wrong(day) for day in range(4, 8))]
        again.look(model(later, "one"), model(later, "two"), model(later, "three"))
        assert [one.facts["model"] for one in again.sent] == ["three"]


def test_an_action_waits_for_its_approval_also_over_a_restart(tmp_path: Path) -> None:
    keys = acting(http_rollback={**HTTP, "approval": True})
    with watched(tmp_path, **keys) as watch:
        watch.look(model([right(0)]))
        watch.look(model(WRONG))
        assert (watch.sent, watch.alerts.waiting, results(watch)) == ([], [], ["awaits_approval"])
    with watched(tmp_path, **keys) as again:
        assert (again.alerts.waiting, results(again)) == ([], ["awaits_approval"])
        (alert,) = again.alerts.alerts
        assert again.alerts.approve(alert, "http/other", "ann", "", 7) == (None, None)
        given, message = again.alerts.approve(alert, "http/rollback", "ann", "the feed is fine", 7)
        assert given is not None
        assert (given.by, given.why, given.time) == ("ann", "the feed is fine", 7)
        assert message is not None
        assert (message.id, message.made) == (f"{alert}-http/rollback", 7)
        second, none = again.alerts.approve(alert, "http/rollback", "bob", "me too", 8)
        assert (second, none) == (given, None)
    with watched(tmp_path, **keys) as third:
        assert [(one.id, one.made) for one in third.alerts.waiting] == [(message.id, 7)]
        (history,) = alert_histories(third.alerts)
        (said,) = alert_json(history)["messages"]
        assert said["approved"] == {"time": "1970-01-01T00:00:00.000000007Z", "by": "ann", "why": "the feed is fine"}


def test_what_nobody_approved_lapses_with_its_alert(tmp_path: Path) -> None:
    with watched(tmp_path, **acting(jira_pay={**JIRA, "approval": True})) as watch:
        watch.look(model([right(0)]))
        watch.look(model(WRONG))
        watch.look(model(RIGHT))
        assert watch.sent == []
        (delivery,) = watch.alerts.deliveries.values()
        assert (delivery.result, delivery.detail) == ("expired", LAPSED)
        (alert,) = watch.alerts.alerts
        approval, message = watch.alerts.approve(alert, "jira/pay", "ann", "late", 7)
        assert approval is not None
        assert (approval.time, message) == (None, None)


def test_a_dry_run_needs_no_approval(tmp_path: Path) -> None:
    with watched(tmp_path, **acting(http_rollback={**HTTP, "approval": True, "dry_run": True})) as watch:
        watch.look(model([right(0)]))
        watch.look(model(WRONG))
        assert ids(watch) == ["http/rollback"]


@pytest.mark.parametrize(("result", "ends"), [("delivered", True), ("dry_run", True), ("refused", False)])
def test_an_end_is_for_what_was_begun(tmp_path: Path, result: Any, ends: bool) -> None:
    with watched(tmp_path, **acting(jira_pay=JIRA)) as watch:
        watch.look(model([right(0)]))
        (message,) = watch.look(model(WRONG))
        watch.alerts.write((), deliveries=[Delivery(message.id, 7, result, "said")])
        watch.look(model(RIGHT))
        assert ids(watch) == ["jira/pay", *(["jira/pay-over"] if ends else [])]


def test_what_is_silenced_is_not_acted_upon(tmp_path: Path) -> None:
    silences = {"all": {"since": "2013-01-01T00:00:00Z", "until": "2014-01-01T00:00:00Z"}}
    with watched(tmp_path, **acting(http_rollback=HTTP), silences=silences) as watch:
        watch.look(model([right(0)]))
        watch.look(model(WRONG))
        assert (watch.sent, watch.alerts.messages) == ([], {})


def test_a_model_that_turns_from_at_risk_to_wrong_is_acted_upon_when_it_is_worse(tmp_path: Path) -> None:
    risky = [right(0), *SHIFTED]
    with watched(tmp_path, **acting(jira_pay=JIRA, http_rollback={**HTTP, "on": "worse"})) as watch:
        watch.look(model([right(0)]))
        watch.look(model(risky))
        watch.look(model([*risky, wrong(4), wrong(5)]))
        assert ids(watch) == ["jira/pay", "jira/pay-worse", "http/rollback-worse"]
