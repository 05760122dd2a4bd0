"""Several policies that fire for one model: one message a channel, and a thread that what follows joins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline_processor.policy.acknowledgement import acknowledge
from driftline_processor.policy.alert_history import alert_histories

from tests.support.facts import lacking
from tests.support.policy_watch import DAY, JULY, Watched, headline, model, silence, watched
from tests.support.verdict_windows import column, known, right, value, window, wrong

HOUR = 3600 * 10**9

LOW = {"when": "accuracy < 75 %", "cool_down": "0s"}
FEW = {"when": "predictions < 100", "severity": "info", "cool_down": "0s"}
BAD: dict[str, Any] = {"realized": {"accuracy": value(0.7)}}


def said(watch: Watched, *models: Any) -> list[tuple[str, str, list[str]]]:
    """Look; return channel, headline and policies of each message."""
    return [
        (one.channel, headline(one), [part["policy"] for part in one.facts["alerts"]]) for one in watch.look(*models)
    ]


def over(policies: dict[str, Any], watch: Watched) -> dict[str, bool]:
    return {alert.policy: not alert.open for alert in watch.alerts.alerts.values() if alert.policy in policies}


def test_what_fires_at_once_is_one_message_the_gravest_first_and_ends_in_one(tmp_path: Path) -> None:
    policies = {"low": LOW, "few": FEW}
    days = [right(0), wrong(1, rows=50, **BAD), wrong(2, rows=50, **BAD), right(3), right(4), right(5)]
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model(days[:1]))
        begun = said(watch, model(days[:3]))
        assert begun == [
            ("json", "opened late degraded 2013-07-02", ["health", "low", "few"]),
        ]
        (first,) = watch.sent
        assert first.facts["severity"] == "critical"
        assert [(one["policy"], one["since"]) for one in first.facts["alerts"][1:]] == [
            ("low", "2013-07-02T00:00:00Z"),
            ("few", "2013-07-02T00:00:00Z"),
        ]
        assert lacking(first.facts["text"], "'low'", "'few'") == []
        assert len({*first.about}) == 3
        assert said(watch, model(days[:3])) == []
    with watched(tmp_path, policies=policies) as again:
        assert said(again, model(days[:4])) == []  # health, the gravest, lasts until a second good day
        ended = said(again, model(days))
        assert ended == [("json", "resolved late degraded 2013-07-02 2013-07-04", ["health", "low", "few"])]
        assert [one.alert for one in again.sent] == [first.alert]
        assert again.sent[0].id == f"{first.alert}-2-json"
        assert said(again, model(days)) == []


def test_what_is_graver_than_all_that_lasts_is_a_new_incident_of_the_same_thread(tmp_path: Path) -> None:
    days = [right(0), known(1, rows=50), known(2, rows=50, **BAD), right(3), right(4)]
    with watched(tmp_path, policies={"health": {"enabled": False}, "low": LOW, "few": FEW}) as watch:
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]))
    told = [(one.kind, one.incident, [part["policy"] for part in one.facts["alerts"]]) for one in watch.sent]
    assert told == [("opened", 1, ["few"]), ("worse", 2, ["low"]), ("resolved", 2, ["low", "few"])]
    assert len({one.alert for one in watch.sent}) == 1


def test_what_joins_is_told_by_itself_in_the_same_thread(tmp_path: Path) -> None:
    policies = {"health": {"enabled": False}, "low": LOW, "few": {**FEW, "severity": "warning"}}
    days = [right(0), known(1, rows=50), known(2, rows=50, **BAD)]
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model(days[:1]))
        assert said(watch, model(days[:2])) == [("json", "opened late few 2013-07-02", ["few"])]
        assert said(watch, model(days)) == [("json", "joined late low 2013-07-03", ["low"])]
    first, second = watch.sent
    assert second.alert == first.alert
    assert second.facts["alert"] == first.alert
    assert [(one["policy"], one["since"]) for one in second.facts["lasting"]] == [("few", "2013-07-02T00:00:00Z")]
    assert lacking(second.facts["text"], "'few'") == []


def test_that_the_gravest_is_over_is_told_and_the_thread_goes_on(tmp_path: Path) -> None:
    days = [right(0), known(1, rows=50, **BAD), known(2, rows=50), known(3, rows=50), right(4), right(5)]
    with watched(tmp_path, policies={"health": {"enabled": False}, "low": LOW, "few": FEW}) as watch:
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]))
    assert [(one.kind, [part["policy"] for part in one.facts["alerts"]]) for one in watch.sent] == [
        ("opened", ["low", "few"]),
        ("eased", ["low"]),
        ("resolved", ["few"]),
    ]
    assert len({one.alert for one in watch.sent}) == 1
    assert headline(watch.sent[1]) == "eased late low 2013-07-02 2013-07-03"


def test_what_ends_while_something_as_grave_lasts_is_said_at_the_end(tmp_path: Path) -> None:
    policies = {"health": {"enabled": False}, "low": LOW, "few": {**FEW, "severity": "critical"}}
    days = [right(0), known(1, rows=50, **BAD), known(2, rows=50), right(3), right(4)]
    with watched(tmp_path, policies=policies) as watch:
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]))
        assert over(policies, watch) == {"low": True, "few": True}
    assert [(one.kind, [part["policy"] for part in one.facts["alerts"]]) for one in watch.sent] == [
        ("opened", ["few", "low"]),
        ("resolved", ["few", "low"]),
    ]


def test_what_begins_anew_joins_the_thread_again_and_its_ends_are_no_news(tmp_path: Path) -> None:
    policies = {"health": {"enabled": False}, "low": LOW, "few": {**FEW, "severity": "critical"}}
    days = [right(0), *(known(day, rows=50, **(BAD if day % 2 else {})) for day in range(1, 9)), right(9), right(10)]
    with watched(tmp_path, policies=policies) as watch:
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]))
    assert [one.kind for one in watch.sent] == ["opened", *["joined"] * 3, "resolved"]


def test_a_policy_may_keep_to_itself(tmp_path: Path) -> None:
    policies = {"health": {"enabled": False}, "low": LOW, "few": {**FEW, "group": False}}
    days = [right(0), known(1, rows=50, **BAD), right(2)]
    with watched(tmp_path, policies=policies) as watch:
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]))
    assert sorted((one.kind, one.facts["policy"]) for one in watch.sent) == [
        ("opened", "few"),
        ("opened", "low"),
        ("resolved", "few"),
        ("resolved", "low"),
    ]
    assert len({one.alert for one in watch.sent}) == 2


def test_each_channel_hears_of_its_own_policies_alone(tmp_path: Path) -> None:
    channels = {name: f"json://127.0.0.1:1/{name}" for name in ("one", "two")}
    policies = {"health": {"enabled": False}, "low": {**LOW, "notify": ["one", "two"]}, "few": {**FEW, "notify": "two"}}
    days = [right(0), known(1, rows=50), known(2, rows=50, **BAD), known(3, rows=50), right(4)]
    with watched(tmp_path, notify=[], channels=channels, policies=policies) as watch:
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]))
    told = {name: [one for one in watch.sent if one.channel == name] for name in channels}
    assert [(one.kind, one.facts["policy"]) for one in told["one"]] == [("opened", "low"), ("resolved", "low")]
    assert [(one.kind, one.facts["policy"]) for one in told["two"]] == [
        ("opened", "few"),
        ("worse", "low"),
        ("eased", "low"),
        ("resolved", "few"),
    ]
    assert len({one.id for one in watch.sent}) == 6


def test_models_and_environments_are_told_apart(tmp_path: Path) -> None:
    policies = {"health": {"enabled": False}, "low": LOW, "few": FEW}
    days = [right(0), known(1, rows=50, **BAD)]
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model(days[:1], "a"), model(days[:1], "b"))
        found = said(watch, model(days, "a"), model(days, "b"))
    assert [line.split()[1] for _, line, _ in found] == ["a", "b"]
    assert [names for *_, names in found] == [["low", "few"]] * 2


def test_what_is_silenced_joins_when_the_silence_ends(tmp_path: Path) -> None:
    policies = {"health": {"enabled": False}, "low": LOW, "few": FEW}
    quiet = {"july": silence(policies=["few"], until="2013-07-04T00:00:00Z")}
    days = [right(0), *(known(day, rows=50, **BAD) for day in range(1, 5))]
    with watched(tmp_path, policies=policies, silences=quiet) as watch:
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]))
    assert [(one.kind, one.facts["policy"]) for one in watch.sent] == [("opened", "low"), ("joined", "few")]


@pytest.mark.parametrize("restart", [False, True])
def test_a_hundred_policies_are_one_message_and_each_alert_knows_it(tmp_path: Path, restart: bool) -> None:
    hostile = "<b>\u202e\n" * 20
    policies = {f"{hostile}{number}": LOW for number in range(100)} | {"health": {"enabled": False}}
    days = [right(0), known(1, **BAD), right(2)]
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model(days[:1], "late\u202e\n"))
        (message,) = watch.look(model(days[:2], "late\u202e\n"))
        assert len(message.facts["alerts"]) == 100
        assert len(str(message.facts["title"])) < 400
        assert len(str(message.facts["text"])) < 10_000
        assert "And 79 more." in str(message.facts["text"])
        assert "\u202e" not in str(message.facts["text"])
        if not restart:
            (end,) = watch.look(model(days, "late\u202e\n"))
    if restart:
        with watched(tmp_path, policies=policies) as again:
            (end,) = again.look(model(days, "late\u202e\n"))
            histories = alert_histories(again.alerts)
            assert len(histories) == 100
            assert {tuple(one.message.id for one in history.sent) for history in histories} == {(message.id, end.id)}
    assert (end.kind, end.alert, len(end.facts["alerts"])) == ("resolved", message.alert, 100)


def test_late_outcomes_that_clear_one_of_them_end_it_with_the_thread(tmp_path: Path) -> None:
    policies = {"low": LOW, "few": {**FEW, "severity": "critical"}}
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model([right(0)]))
        watch.look(model([right(0), wrong(1, rows=50, **BAD), wrong(2, rows=50, **BAD)]))
        cleared = [right(0), right(1, rows=50), right(2, rows=50)]
        watch.look(model(cleared))
        watch.look(model(cleared, watermark=right(2).window.end + 2 * HOUR))
        watch.look(model([*cleared, right(3)], watermark=right(3).window.end + DAY))
    told = [(one.kind, [part["policy"] for part in one.facts["alerts"]]) for one in watch.sent]
    assert told == [("opened", ["health", "low", "few"]), ("eased", ["health"]), ("resolved", ["few", "low"])]


def at_risk(**more: Any) -> list[Any]:
    """Return two days, and two whose inputs drifted, which are told as a warning."""
    moved: dict[str, Any] = {"features": {"temp": column(p=1e-30)}, "incident": {"feature:temp": JULY + 2 * DAY}}
    return [right(0), right(1), *(window(day, **moved, **more) for day in (2, 3))]


def test_a_rise_in_severity_begins_an_incident_and_all_of_them_end_with_the_thread(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        watch.look(model(at_risk()))
        watch.deliver(model(at_risk()))
    with watched(tmp_path) as again:
        turned = model([right(0), right(1), wrong(2), wrong(3)])
        (worse,) = again.look(turned)
        again.deliver(turned)
        assert again.look(turned) == []
    with watched(tmp_path) as third:
        (end,) = third.look(model([right(0), right(1), wrong(2), wrong(3), right(4), right(5)]))
    (first, *_) = third.alerts.of_thread(worse.alert)
    assert [(one.kind, one.incident) for one in (first, worse, end)] == [("opened", 1), ("worse", 2), ("resolved", 2)]
    assert [one.id for one in (first, worse, end)] == [f"{worse.alert}-{number}-json" for number in (1, 2, 3)]


def test_what_turns_as_grave_as_what_lasts_beside_it_begins_no_incident(tmp_path: Path) -> None:
    with watched(tmp_path, policies={"few": {**FEW, "severity": "critical"}}) as watch:
        watch.look(model(at_risk(rows=50)))
        watch.look(model([right(0), right(1), wrong(2, rows=50), wrong(3, rows=50)]))
    assert [(one.kind, one.incident) for one in watch.sent] == [("opened", 1), ("worse", 1)]


def test_who_takes_on_the_graver_incident_after_the_first_one_is_heard(tmp_path: Path) -> None:
    with watched(tmp_path, notify="oncall", channels={"oncall": "pagerduty://key"}) as watch:
        (opened,) = watch.look(model(at_risk()))
        _, (first,) = acknowledge(watch.alerts, watch.channels, opened.alert, "ann", "", watch.clock.now)
        watch.look(model([right(0), right(1), wrong(2), wrong(3)]))
        _, (second,) = acknowledge(
            watch.alerts, watch.channels, opened.alert, "bob", "", watch.clock.now, take_over=True
        )
    assert [(one.kind, one.incident) for one in (first, second)] == [("acknowledged", 1), ("acknowledged", 2)]
    assert first.id != second.id
