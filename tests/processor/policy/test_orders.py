"""What is done about an alert: once for each occasion, as often as its limit lets it, after the approval it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.config.actions import action_kind
from driftline_processor.core.evaluation import Finding
from driftline_processor.demo.peers.airflow import Airflow
from driftline_processor.demo.peers.jira import Jira
from driftline_processor.demo.peers.recorder import service
from driftline_processor.policy.alert_history import alert_histories, alert_json
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.approvals import ApprovalError
from driftline_processor.policy.message import Message
from driftline_processor.policy.orders import LAPSED
from driftline_processor.present.wording import iso_time
from msgspec.structs import replace

from tests.support.ordered_actions import action
from tests.support.policy_watch import DAY, JULY, Watched, headline, model, watched
from tests.support.unwrap import unwrap
from tests.support.verdict_windows import MISSING, column, known, right, value, window, wrong

HTTP = {"url": "https://models.example.com/rollback", "approval": "none"}
MODELS: dict[str, Any] = {name: {} for name in ("late", "early", "one", "two", "three")}
JIRA = {"url": "https://example.atlassian.net", "project": "PAY", "token": "secret-7"}

WRONG = [right(0), right(1), wrong(2), wrong(3)]
SHIFTED = [window(day, features={"temp": column(p=1e-30)}, incident={"feature:temp": JULY + 2 * DAY}) for day in (2, 3)]
"""Two days whose inputs drifted, and of which no outcome is known yet."""

RIGHT = [*WRONG, right(4), right(5), right(6)]


def acting(**actions: Any) -> dict[str, Any]:
    """Return a configuration that tells nobody, and whose default policy names all actions."""
    named = {name.replace("_", "/"): keys for name, keys in actions.items()}
    return {"notify": [], "models": MODELS, "actions": named, "policies": {"health": {"actions": [*named]}}}


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
        assert alert.notified is not None
    with watched(tmp_path, **keys) as again:
        assert [one.id for one in again.alerts.waiting] == [f"{alert.id}-http/rollback"]
        assert again.look(model(RIGHT)) == []


def test_an_action_follows_its_alert_to_the_end_and_where_it_begins_again(tmp_path: Path) -> None:
    with watched(tmp_path, **acting(jira_pay=JIRA, http_undo={**HTTP, "on": "resolved"})) as watch:
        watch.look(model([right(0)]))
        watch.look(model(WRONG))
        watch.look(model(RIGHT))
        assert ids(watch) == ["jira/pay", "jira/pay-resolved", "http/undo-resolved"]
        (alert,) = watch.alerts.alerts.values()
        assert not alert.open
        watch.look(model([*WRONG, wrong(4), wrong(5), wrong(6)]))  # outcomes that came late
        assert ids(watch)[3:] == ["jira/pay-2"]
        assert watch.sent[-1].facts["again"]
        assert len(watch.alerts.alerts) == 1


FIRST: dict[str, Any] = {"clear": True, "findings": [MISSING]}
RECODED = Finding("recoded", ("plan",), "critical", 0.0, 1.0, 1e-12)
BOTH: dict[str, Any] = {
    "clear": True,
    "findings": [MISSING, RECODED],
    "realized": {"log_loss": value(0.9, 0.87, 0.93)},
}
COURSE = [
    *(right(day) for day in (0, 1)),
    *(wrong(day, **FIRST) for day in range(2, 8)),
    *(wrong(day, **BOTH) for day in range(8, 13)),
    *(wrong(day, **FIRST) for day in range(13, 18)),
    *(right(day) for day in (18, 19, 20)),
]
"""A fault, a second one that joins it and is over, and the end of the first."""


@pytest.mark.parametrize("notify", [[], "json://127.0.0.1:1/"])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_ticket_follows_what_changes_in_its_incident_and_another_action_does_not(
    tmp_path: Path, notify: Any, restarts: bool
) -> None:
    keys = {**acting(jira_pay=JIRA, http_rollback=HTTP), "notify": notify}
    sent: list[str] = []
    for some in [range(day, day + 1) for day in range(len(COURSE))] if restarts else [range(len(COURSE))]:
        with watched(tmp_path, **keys) as watch:
            for day in some:
                watch.look(model(COURSE[: day + 1]))
                watch.look(model(COURSE[: day + 1]))
            sent += [one for one in ids(watch) if "/" in one]
    assert sent == ["jira/pay", "http/rollback", "jira/pay-joined", "jira/pay-recovered", "jira/pay-resolved"]


def test_a_ticket_names_another_cause_once_and_a_change_uses_up_no_limit(tmp_path: Path) -> None:
    keys = acting(jira_pay={**JIRA, "rate_limit": "2 per 30d"})
    days, after = COURSE[:6], [right(0), right(1), *(wrong(day, clear=True, findings=[RECODED]) for day in range(2, 6))]
    with watched(tmp_path, **keys) as watch:
        watch.look(model([right(0)]), model([right(0)], "early"))
        watch.look(model(days))
        watch.look(model(after))
        watch.look(model(after), model(WRONG, "early"))
        assert ids(watch) == ["jira/pay", "jira/pay-cause_changed", "jira/pay"]
        changed = watch.sent[1].facts
    assert changed["title"].startswith("Cause changed: late: since 3 July 2013, 100 % of values in plan are new texts")
    assert "Earlier messages named another cause." in changed["text"]


def test_without_a_ticket_nothing_is_said_about_what_changes_and_few_rows_are_still_awaited(tmp_path: Path) -> None:
    keys = {**acting(jira_pay=JIRA), "limits": {"actions": {"min_rows": 6_000}}}
    more = [replace(one, rows=7_000) for one in COURSE[:10]]
    with watched(tmp_path, **keys) as watch:
        for day in range(10):
            watch.look(model(COURSE[: day + 1], rows=5_000))
        assert (watch.sent, [one.kind for one in watch.alerts.messages.values()]) == ([], ["opened"])
        watch.look(model(more, rows=7_000))
        assert ids(watch) == ["jira/pay-2"]


def test_beyond_its_limit_an_action_is_held_back_and_so_is_its_end(tmp_path: Path) -> None:
    keys = acting(jira_pay={**JIRA, "rate_limit": "1 per 1d"})
    with watched(tmp_path, **keys) as watch:
        for name in ("one", "two"):
            watch.look(model([right(0)], name))
        both = [model([*WRONG], name) for name in ("one", "two")]
        watch.look(*both)
        assert ids(watch) == ["jira/pay"]
        assert sorted(results(watch)) == ["held_back", "waiting"]
        held = next(one for one in watch.alerts.deliveries.values())
        assert held.detail == "rate_limit: 1 per 1d"
        watch.look(*(model(RIGHT, name) for name in ("one", "two")))
        assert ids(watch) == ["jira/pay", "jira/pay-resolved"]
        assert len({one.alert for one in watch.sent}) == 1


def test_a_limit_counts_over_a_restart_and_lets_through_once_its_time_is_over(tmp_path: Path) -> None:
    keys = acting(http_rollback={**HTTP, "rate_limit": "1 per 2d"})
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
    keys = acting(http_rollback={**HTTP, "approval": "required"})
    with watched(tmp_path, **keys) as watch:
        watch.look(model([right(0)]))
        watch.look(model(WRONG))
        assert (watch.sent, watch.alerts.waiting, results(watch)) == ([], [], ["awaits_approval"])
    with watched(tmp_path, **keys) as again:
        assert (again.alerts.waiting, results(again)) == ([], ["awaits_approval"])
        (alert,) = again.alerts.alerts
        given, message = unwrap(again.approve(alert, "http/rollback", "ann", "the feed is fine"))
        assert (given.by, given.why, given.time) == ("ann", "the feed is fine", again.clock.now)
        assert (unwrap(message).id, unwrap(message).created) == (f"{alert}-http/rollback", again.clock.now)
    with watched(tmp_path, **keys) as third:
        assert [(one.id, one.created) for one in third.alerts.waiting] == [(f"{alert}-http/rollback", given.time)]
        (history,) = alert_histories(third.alerts)
        (said,) = alert_json(history)["messages"]
        assert said["approved"] == {"time": iso_time(unwrap(given.time)), "by": "ann", "why": "the feed is fine"}


def test_what_nobody_approved_lapses_with_its_alert(tmp_path: Path) -> None:
    with watched(tmp_path, **acting(jira_pay={**JIRA, "approval": "required"})) as watch:
        watch.look(model([right(0)]))
        watch.look(model(WRONG))
        watch.look(model(RIGHT))
        assert watch.sent == []
        (delivery,) = watch.alerts.deliveries.values()
        assert (delivery.result, delivery.detail) == ("expired", LAPSED)
        (alert,) = watch.alerts.alerts
        with pytest.raises(ApprovalError, match=f"expired at {iso_time(delivery.time)}: {LAPSED}"):
            watch.approve(alert, "jira/pay", "ann", "late")


def test_a_dry_run_needs_no_approval(tmp_path: Path) -> None:
    with watched(tmp_path, **acting(http_rollback={**HTTP, "approval": "required", "dry_run": True})) as watch:
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
        assert ids(watch) == ["jira/pay", *(["jira/pay-resolved"] if ends else [])]


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


# -- several policies that name one action -----------------------------------------------------------------------------

AIRFLOW = {"url": "https://airflow.example.com", "dag": "retrain_churn", "token": "secret-7", "approval": "none"}
BAD: dict[str, Any] = {"realized": {"accuracy": value(0.7)}}
BOTH = {"rows": 50, **BAD}

SEVERAL = [right(0), known(1, rows=50), known(2, **BOTH), known(3, **BAD), right(4), known(5, **BAD), right(6)]
"""Days on which few predictions came, then the accuracy was low beside that, then low alone; it is low again later."""


def both(few: dict[str, Any] | None = None, /, **actions: Any) -> dict[str, Any]:
    """Return a configuration in which two policies, one graver than the other, name all actions."""
    named = {name.replace("_", "/"): keys for name, keys in actions.items()}
    of_each = {"cool_down": "0s", "actions": [*named]}
    policies = {
        "health": {"enabled": False},
        "few": {"when": "predictions < 100", "severity": "info", **of_each, **(few or {})},
        "low": {"when": "accuracy < 75 %", **of_each},
    }
    return {"notify": [], "models": MODELS, "actions": named, "policies": policies}


def live(watch: Watched, days: list[Any], since: int = 1) -> None:
    """Look after each day."""
    for day in range(since, len(days) + 1):
        watch.look(model(days[:day]))


def of_policies(watch: Watched) -> list[tuple[str, list[str]]]:
    """Return the kind of each message that was sent, and of which policies it tells."""
    return [(one.kind, [said["policy"] for said in one.facts["alerts"]]) for one in watch.sent]


def notes(watch: Watched) -> list[tuple[str, str]]:
    """Return the policy of each alert that joined an order, and what is said of that."""
    found = [(watch.alerts.messages[one.message], one) for one in watch.alerts.deliveries.values()]
    return [(watch.alerts.alerts[said.gravest].policy, one.detail) for said, one in found if one.result == "collected"]


def test_two_policies_that_fire_at_once_give_one_order(tmp_path: Path) -> None:
    with watched(tmp_path, **both(jira_pay=JIRA, airflow_retrain=AIRFLOW)) as watch:
        live(watch, [right(0), known(1, **BOTH)])
        assert of_policies(watch) == [("opened", ["low", "few"])] * 2
        assert ids(watch) == ["jira/pay", "airflow/retrain"]
        (alert, *_) = watch.sent[0].about
        assert {one.alert for one in watch.sent} == {alert}
        assert watch.sent[0].facts["title"].endswith(", and 1 more")
        assert {one.policy: len(watch.alerts.about(one.id)) for one in watch.alerts.open} == {"low": 2, "few": 2}


@pytest.mark.parametrize("restarts", [False, True])
def test_a_later_policy_joins_the_ticket_and_starts_no_second_run(tmp_path: Path, restarts: bool) -> None:
    keys = both(jira_pay={**JIRA, "transition": "Done"}, airflow_retrain=AIRFLOW)
    sent = []
    with watched(tmp_path, **keys) as watch:
        live(watch, SEVERAL[:2])
        sent += watch.sent
        if not restarts:
            live(watch, SEVERAL, 3)
            sent = watch.sent
            (joined,) = notes(watch)
    for day in range(3, len(SEVERAL) + 1) if restarts else ():
        with watched(tmp_path, **keys) as again:
            again.look(model(SEVERAL[:day]))
            sent += again.sent
            (joined,) = notes(again)
    few, low = sent[0].alert, sent[-1].alert
    assert joined == ("low", f"it was already requested by the alert {few}, which is still open")
    assert [one.id for one in sent] == [
        f"{few}-jira/pay",
        f"{few}-airflow/retrain",
        f"{few}-jira/pay-joined",
        f"{few}-jira/pay-resolved",
        f"{low}-jira/pay",
        f"{low}-airflow/retrain",
        f"{low}-jira/pay-resolved",
    ]
    jira, airflow = Jira(3), Airflow(2, ("secret-7",))
    with service(jira) as tickets, service(airflow) as runs:
        there = {"jira/pay": {**keys["actions"]["jira/pay"], "url": tickets.url}}
        there["airflow/retrain"] = {**AIRFLOW, "url": runs.url}
        for message in [one for one in sent for _ in range(2)]:  # each comes twice
            with action(message.channel, **there[message.channel]) as made:
                assert made.send(message).result == "delivered"
    assert jira.issues == {"PAY-1": "Done", "PAY-2": "Done"}
    assert [len(jira.comments[key]) for key in ("PAY-1", "PAY-2")] == [2, 1]
    assert len(airflow.runs) == 2


def test_an_end_within_an_incident_that_lasts_is_said_with_its_end(tmp_path: Path) -> None:
    with watched(tmp_path, **both(jira_pay=JIRA)) as watch:
        live(watch, SEVERAL[:5])
        assert of_policies(watch) == [("opened", ["few"]), ("joined", ["low"]), ("resolved", ["low", "few"])]
        assert headline(watch.sent[1]) == "joined late low 2013-07-03"


def test_a_policy_out_of_the_group_has_orders_of_its_own(tmp_path: Path) -> None:
    with watched(tmp_path, **both({"group": False}, jira_pay=JIRA)) as watch:
        live(watch, SEVERAL[:5])
        assert of_policies(watch) == [
            ("opened", ["few"]),
            ("opened", ["low"]),
            ("resolved", ["few"]),
            ("resolved", ["low"]),
        ]
        assert len({one.alert for one in watch.sent}) == 2


def test_models_and_environments_have_incidents_of_their_own(tmp_path: Path) -> None:
    days = [right(0), known(1, **BOTH)]
    with watched(tmp_path, **both(airflow_retrain=AIRFLOW)) as watch:
        keys = [ModelKey("late", "1", "eu"), ModelKey("late", "1", "us"), ModelKey("early", "1", "eu")]
        for count in (1, 2):
            watch.look(*(model(days[:count], key=key) for key in keys))
        assert len({one.id for one in watch.sent}) == len(watch.sent) == 3


def test_an_order_that_was_never_carried_out_is_given_anew_to_what_joins(tmp_path: Path) -> None:
    with watched(tmp_path, **both(jira_pay=JIRA, airflow_retrain={**AIRFLOW, "rate_limit": "1 per 1d"})) as watch:
        live(watch, SEVERAL[:2])
        refused = [Delivery(one.id, 7, "refused", "HTTP 400") for one in watch.sent]
        watch.alerts.write((), deliveries=refused)
        live(watch, SEVERAL[:3], 3)
        assert ids(watch) == ["jira/pay", "airflow/retrain", "jira/pay-2", "airflow/retrain-2"]
        assert len({one.alert for one in watch.sent}) == 1


def test_what_joins_an_order_that_awaits_its_approval_is_approved_with_it(tmp_path: Path) -> None:
    with watched(tmp_path, **both(http_rollback={**HTTP, "approval": "required"})) as watch:
        live(watch, SEVERAL[:3])
        few, low = (one.id for one in sorted(watch.alerts.open, key=lambda one: one.fired))
        assert (watch.sent, [policy for policy, _ in notes(watch)]) == ([], ["low"])
        live(watch, SEVERAL[:4], 4)  # few predictions are over, and low accuracy lasts
        _, message = unwrap(watch.approve(low, "http/rollback", "ann", "it is low"))
        assert unwrap(message).id == f"{few}-http/rollback"
        with pytest.raises(ApprovalError, match="http/rollback was approved by ann at 2013-07-"):
            watch.approve(few, "http/rollback", "bob", "")


def test_an_approval_lapses_with_the_last_alert(tmp_path: Path) -> None:
    with watched(tmp_path, **both(http_rollback={**HTTP, "approval": "required"})) as watch:
        live(watch, SEVERAL[:4])
        assert [one.result for one in watch.alerts.deliveries.values()] == ["collected"]
        live(watch, SEVERAL[:5], 5)
        assert [one.detail for one in watch.alerts.deliveries.values() if one.result == "expired"] == [LAPSED]


def test_an_action_for_the_end_alone_waits_for_the_last_alert(tmp_path: Path) -> None:
    with watched(tmp_path, **both(http_undo={**HTTP, "on": "resolved"})) as watch:
        live(watch, SEVERAL[:4])
        assert watch.sent == []
        live(watch, SEVERAL[:5], 5)
        assert of_policies(watch) == [("resolved", ["low"])]


def test_a_limit_counts_incidents_and_neither_what_joins_nor_what_follows(tmp_path: Path) -> None:
    keys = both(jira_pay={**JIRA, "rate_limit": "2 per 30d"}, airflow_retrain={**AIRFLOW, "rate_limit": "2 per 30d"})
    with watched(tmp_path, **keys) as watch:
        live(watch, SEVERAL)
        assert [one.channel for one in watch.sent if one.kind == "opened"] == ["jira/pay", "airflow/retrain"] * 2
        assert "held_back" not in results(watch)
        live(watch, [*SEVERAL, known(7, **BAD)], 8)
        assert results(watch).count("held_back") == 2


@pytest.mark.parametrize(
    ("name", "keys", "faulty", "result"),
    [
        ("http/retrain", {}, True, "held_back"),
        ("http/retrain", {"dry_run": True}, True, "held_back"),
        ("http/retrain", {}, False, "waiting"),
        ("http/retrain", {"retrains": False}, True, "waiting"),
        ("http/retrain", {"approval": "required"}, True, "awaits_approval"),
        ("http/nightly", {"retrains": True}, True, "held_back"),
        ("http/rollback", {}, True, "waiting"),
    ],
)
def test_a_model_is_not_retrained_while_the_verdict_shows_a_fault_that_it_would_learn(
    tmp_path: Path, name: str, keys: dict[str, Any], faulty: bool, result: str
) -> None:
    findings = [MISSING] if faulty else []
    days = [right(0), *(wrong(day, findings=findings) for day in (1, 2))]
    with watched(tmp_path, **acting(**{name.replace("/", "_"): {**HTTP, **keys}})) as watch:
        watch.look(model(days[:1]))
        watch.look(model(days))
        assert results(watch) == [result]
        assert (unwrap(model(days).verdict).kind == "data_fault") == faulty
    with watched(tmp_path, **acting(**{name.replace("/", "_"): {**HTTP, **keys}})) as again:
        again.look(model(days))
        assert results(again) == [result]


def test_an_action_that_a_fault_held_back_runs_for_what_begins_after_it(tmp_path: Path) -> None:
    keys = acting(http_retrain=HTTP)
    keys["policies"] |= {"low": {"when": "accuracy < 75 %", "actions": ["http/retrain"]}}
    days = [right(0), *(wrong(day, findings=[MISSING]) for day in (1, 2)), *(wrong(day) for day in range(3, 8))]
    low = [*days, wrong(8, realized={"accuracy": value(0.7)})]
    with watched(tmp_path, **keys) as watch:
        for last in range(1, len(low) + 1):
            watch.look(model(low[:last]))
        assert unwrap(model(low).verdict).kind != "data_fault"
        assert sorted(results(watch)) == ["held_back", "waiting"]


@pytest.mark.parametrize(("days", "held_back"), [(-1, True), (-20, False), (20, False)])
def test_a_clock_that_is_set_neither_lifts_a_limit_nor_locks_it(tmp_path: Path, days: int, held_back: bool) -> None:
    keys = acting(http_rollback={**HTTP, "rate_limit": "1 per 2d"})
    with watched(tmp_path, **keys) as watch:
        watch.look(model([right(0)], "one"), model([right(0)], "two"))
        watch.look(model(WRONG, "one"), model([right(0)], "two"))
        watch.clock.now += days * DAY
        watch.look_again(model(WRONG, "one"), model(WRONG, "two"))
        assert sorted(results(watch)) == (["held_back", "waiting"] if held_back else ["waiting", "waiting"])


def test_orders_of_a_store_that_gave_each_alert_its_own_are_not_repeated(tmp_path: Path) -> None:
    keys = both(jira_pay=JIRA, airflow_retrain=AIRFLOW)
    with watched(tmp_path, **both()) as watch:
        live(watch, SEVERAL[:3])
        alerts = [one.id for one in sorted(watch.alerts.open, key=lambda one: one.fired)]
        watch.alerts.write([replace(one, notified=JULY) for one in watch.alerts.open])
        orders = [Message(f"{id}-{name}", id, name, "opened", 7, {}) for id in alerts for name in keys["actions"]]
        watch.alerts.write((), orders, [Delivery(one.id, 8, "delivered") for one in orders])
    with watched(tmp_path, **keys) as again:
        assert again.look(model(SEVERAL[:3])) == []
        live(again, SEVERAL[:5], 4)
        few, low = alerts
        assert [one.id for one in again.sent] == [f"{few}-jira/pay-resolved", f"{low}-jira/pay-resolved"]
        assert of_policies(again) == [("resolved", ["few"]), ("resolved", ["low"])]


# -- what a sender may cause -------------------------------------------------------------------------------------------


def degrade(watch: Watched, *names: str, **more: Any) -> None:
    """Look at models that are healthy, and then degraded together."""
    watch.look(*(model([right(0)], name, **more) for name in names))
    watch.look(*(model(WRONG, name, **more) for name in names))


def held_back(watch: Watched) -> list[str]:
    """Return why orders were held back."""
    return [one.detail for one in watch.alerts.deliveries.values() if one.result == "held_back"]


@pytest.mark.parametrize("name", ["fraud-eu-17", "null", "..", "LATE", "late "])
def test_an_undeclared_model_has_alerts_and_no_actions(tmp_path: Path, name: str) -> None:
    with watched(tmp_path, **acting(http_rollback=HTTP, jira_pay=JIRA)) as watch:
        degrade(watch, name, "late")
        assert {one.facts["model"] for one in watch.sent} == {"late"}
        assert {one.model for one in watch.alerts.open} == {name, "late"}
        watch.look(model(RIGHT, name), model(RIGHT, "late"))
        assert {one.facts["model"] for one in watch.sent} == {"late"}


def few(day: int, rows: int) -> Any:
    return replace(wrong(day), rows=rows)


@pytest.mark.parametrize("restarts", [False, True])
def test_an_action_waits_until_enough_rows_support_the_alert(tmp_path: Path, restarts: bool) -> None:
    keys = acting(http_rollback=HTTP, jira_pay=JIRA)
    short, enough = [right(0), wrong(1), few(2, 3)], [right(0), wrong(1), few(2, 30)]
    with watched(tmp_path, **keys) as watch:
        watch.look(model([right(0)]))
        watch.look(model(short))
        watch.look(model(short))
        assert watch.sent == []
        assert held_back(watch) == ["too few rows: 3, and limits.actions.min_rows is 30"] * 2
        if not restarts:
            watch.look(model(enough))
            watch.look(model(enough))
            assert ids(watch) == ["http/rollback-2", "jira/pay-2"]
    if restarts:
        with watched(tmp_path, **keys) as again:
            again.look(model(enough))
            again.look(model(enough))
            assert ids(again) == ["http/rollback-2", "jira/pay-2"]


def test_an_action_about_few_predictions_does_not_wait_for_more_of_them(tmp_path: Path) -> None:
    keys = acting(jira_pay=JIRA)
    keys["policies"] = {"health": {"enabled": False}, "few": {"when": "predictions < 100", "actions": ["jira/pay"]}}
    with watched(tmp_path, **keys) as watch:
        watch.look(model([right(0)]))
        watch.look(model([right(0), known(1, rows=5)], rows=5_005))
        assert ids(watch) == ["jira/pay"]


def test_each_action_runs_at_most_three_times_a_day_for_a_model(tmp_path: Path) -> None:
    days = [right(0), *(known(day, **BAD) if day % 2 else right(day) for day in range(1, 10))]
    keys = acting(http_rollback=HTTP)
    keys["policies"] = {
        "health": {"enabled": False},
        "low": {"when": "accuracy < 75 %", "cool_down": "0s", "actions": ["http/rollback"]},
    }
    with watched(tmp_path, **keys) as watch:
        watch.clock.now = JULY + 20 * DAY  # the days are evaluated within minutes
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]), model(days[:day], "one"))
        assert sorted(one.facts["model"] for one in watch.sent) == ["late"] * 3 + ["one"] * 3
        assert held_back(watch) == ["limits.actions.per_model: 3 per 1d"] * 4


def test_all_actions_together_run_at_most_ten_times_an_hour_the_most_severe_first(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(30)]
    keys = acting(jira_pay=JIRA, http_rollback=HTTP)
    keys["models"] = {name: {} for name in names}
    keys["policies"]["health"]["severity"] = "info"
    keys["policies"]["grave"] = {
        "when": "accuracy < 75 %",
        "models": ["m28", "m29"],
        "severity": "critical",
        "actions": ["http/rollback"],
    }
    with watched(tmp_path, **keys) as watch:
        watch.look(*(model([right(0)], name) for name in names))
        low = [*WRONG[:2], known(2, **BAD), known(3, **BAD)]
        watch.look(*(model(low if name in ("m28", "m29") else WRONG, name) for name in names))
        assert len(watch.sent) == 10
        assert [one.facts["model"] for one in watch.sent[:2]] == ["m28", "m29"]
        assert {*held_back(watch)} == {"limits.actions.total: 10 per 1h"}


def test_other_models_leave_tier_1_its_share(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(20)]
    keys = acting(jira_pay=JIRA)
    keys["models"] = {**{name: {} for name in names}, **{f"top{number}": {"tier": 1} for number in range(9)}}
    with watched(tmp_path, **keys) as watch:
        degrade(watch, *names)
        assert len(watch.sent) == 5
        top, others = [f"top{number}" for number in range(9)], [model(WRONG, name) for name in names]
        watch.look(*others, *(model([right(0)], name, tier=1) for name in top))
        watch.look(*others, *(model(WRONG, name, tier=1) for name in top))
        assert [one.facts["model"] for one in watch.sent[5:]] == top[:5]
        assert {*held_back(watch)} == {
            "limits.actions.total: 10 per 1h, of which 5 are for models of tier 1",
            "limits.actions.total: 10 per 1h",
        }


def test_an_invented_environment_of_a_declared_model_does_not_lift_its_limit(tmp_path: Path) -> None:
    with watched(tmp_path, **acting(jira_pay=JIRA)) as watch:
        keys = [ModelKey("late", "1", f"env-{number}") for number in range(9)]
        watch.look(*(model([right(0)], key=key) for key in keys))
        watch.look(*(model(WRONG, key=key) for key in keys))
        assert len(watch.sent) == 3


def test_dry_runs_use_up_no_limit(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(15)]
    keys = acting(http_try={**HTTP, "dry_run": True}, jira_pay=JIRA)
    keys["models"] = {name: {} for name in names}
    with watched(tmp_path, **keys) as watch:
        degrade(watch, *names)
        assert [one.channel for one in watch.sent].count("http/try") == 15
        assert [one.channel for one in watch.sent].count("jira/pay") == 10


@pytest.mark.parametrize(
    ("name", "keys", "needed"),
    [
        ("http/a", {}, True),
        ("airflow/a", {}, True),
        ("github/a", {}, True),
        ("kubernetes/a", {}, True),
        ("mlflow/a", {}, True),
        ("jira/a", {}, False),
        ("label_queue/a", {}, False),
        ("cloudevents/a", {}, False),
        ("cloudevents/retrain", {}, True),
        ("cloudevents/a", {"retrains": True}, True),
        ("cloudevents/rollback", {}, True),
        ("jira/retrain", {}, False),
        ("http/a", {"approval": "none"}, False),
        ("jira/a", {"approval": "required"}, True),
        ("http/a", {"dry_run": True}, False),
    ],
)
def test_what_changes_predictions_needs_an_approval_by_default(name: str, keys: dict[str, Any], needed: bool) -> None:
    kind = unwrap(action_kind(name))
    assert kind.model_construct(**keys).needs_approval(name) == needed
