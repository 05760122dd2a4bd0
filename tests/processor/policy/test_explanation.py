"""Explanations: what each policy decided at each window, and why nobody was told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import ANY

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.explanation import SHOWN, PolicyDecision, decision_json

from tests.support.policy_watch import DAY, JULY, Watched, model, silence, silent, watched
from tests.support.unwrap import unwrap
from tests.support.verdict_windows import column, known, objective, right, value, window, wrong

HOUR = 3600 * 10**9
LOW = {"low": {"when": "accuracy < 70 %"}}


def low(day: int, number: float = 0.6, **more: Any) -> Evaluation:
    return known(day, realized={"accuracy": value(number)}, **more)


def decided(watch: Watched, policy: str, *windows: Evaluation) -> PolicyDecision:
    return next(one for one in watch.explanations.of_model([model(windows)]) if one.policy == policy)


def reasons(folder: Path, *windows: Evaluation, policy: str = "low", **keys: Any) -> Mapping[str, str]:
    """Return why nobody is told after these windows, by the kind of the reason."""
    with watched(folder, policies=LOW, **keys) if "policies" not in keys else watched(folder, **keys) as watch:
        watch.look(model([right(0)]))
        watch.look(model(windows))
        return {one.kind: one.words for one in decided(watch, policy, *windows).untold}


def test_a_policy_that_did_not_fire_says_what_each_sentence_found(tmp_path: Path) -> None:
    policies = {"both": {"when": {"all": ["features drift", "accuracy < 0.95 * baseline"]}}}
    with watched(tmp_path, policies=policies) as watch:
        windows = [low(0, 0.79, features={"temp": column()})]
        watch.look(model(windows))
        found = decision_json(decided(watch, "both", *windows))
    assert (found["when"], found["standing"], found["fires"]) == (
        *("{all: [features drift, accuracy < 0.95 * baseline]}", "does not fire"),
        False,
    )
    (checked,) = found["windows"]
    assert (checked["end"], checked["holds"], checked["outcome"]) == ("2013-07-02T00:00:00Z", False, "does not fire")
    assert [(one["condition"], one["holds"], one["finding"], one["measured"]) for one in checked["parts"]] == [
        ("features drift", True, "temp drifts", ANY),
        ("accuracy < 0.95 * baseline", False, ANY, None),
    ]
    features, accuracy = checked["parts"]
    assert [part for part in ("temp", "ks 0.9", "p 1e-09", "large") if part not in features["measured"]] == []
    assert [part for part in ("79 %", "76 %", "baseline") if part not in accuracy["finding"]] == []


def test_the_explanation_of_a_broken_rolling_objective_shows_the_windows_that_broke_it(tmp_path: Path) -> None:
    fixed, since = objective("met", "recall"), JULY + DAY
    rolling = [
        objective(
            "broken" if day == 2 else "met", rolling=True, since=since + day * DAY - HOUR, until=since + day * DAY
        )
        for day in range(1, 4)
    ]
    hours = [window(day, name="1h", objectives=(state,)) for day, state in zip((1, 2, 3), rolling, strict=True)]
    days = [right(0, objectives=(fixed,)), right(1, objectives=(fixed,))]
    policies = {"health": {"enabled": False}, "broken": {"when": "objective broken", "cool_down": "0s"}}
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model([*days, hours[0]]))
        (opened,) = watch.look(model([*days, *hours[:2]]))
        open_now = decided(watch, "broken", *days, *hours[:2])
        watch.look(model([*days, *hours]))
        alert = watch.alerts.alerts[opened.alert]
        past = unwrap(watch.explanations.of_alert(alert, [model([*days, *hours])]))
    assert (open_now.fires, open_now.window) == (True, "1h")
    assert [(one.holds, one.fires, one.parts[0].holds) for one in open_now.windows] == [
        *((True, True, True), (False, False, False)),
    ]
    assert (past.fires, past.window) == (False, "1h")
    assert [one.holds for one in past.windows] == [False, True, False]


def test_one_window_of_two_is_not_yet_borne_out(tmp_path: Path) -> None:
    policies = {"low": {**LOW["low"], "in_a_row": 2}}
    found = reasons(tmp_path, low(0), policies=policies)
    assert [*found] == ["pending"]
    assert re.findall(r"\d+", found["pending"]) == ["1", "2"]


def test_a_silence_another_policy_and_a_missing_channel_are_named(tmp_path: Path) -> None:
    silenced = reasons(tmp_path / "a", low(0), silences={"move": silence(policies=["low"])})
    assert [*silenced] == ["silenced"]
    assert "until 5 July 2013" in silenced["silenced"]
    policies = {"low": {**LOW["low"], "unless": ["worse"]}, "worse": {"when": "accuracy < 65 %"}}
    excepted = reasons(tmp_path / "b", low(0), policies=policies)
    assert [*excepted] == ["unless"]
    assert "worse" in excepted["unless"]
    assert [*reasons(tmp_path / "c", low(0), notify=())] == ["no_channel"]


def test_quiet_hours_and_digests_say_until_when_they_hold_a_message(tmp_path: Path) -> None:
    night = {"night": {"url": "json://127.0.0.1:1/", "quiet": {"from": "00:00", "to": "23:00"}}}
    held = reasons(tmp_path / "a", low(0), notify="night", channels=night)
    assert [*held] == ["quiet_hours"]
    assert re.findall("night|2 July 2013, 23:00", held["quiet_hours"]) == ["night", "2 July 2013, 23:00"]
    daily = {"daily": {"url": "json://127.0.0.1:1/", "digest": "daily at 09:00"}}
    held = reasons(tmp_path / "b", low(0), notify="daily", channels=daily)
    assert [*held] == ["digest"]
    assert re.findall("daily|2 July 2013, 09:00", held["digest"]) == ["daily", "2 July 2013, 09:00"]


def test_a_channel_that_takes_nothing_is_named_with_its_error(tmp_path: Path) -> None:
    with watched(tmp_path, policies=LOW) as watch:
        (opened,) = watch.look(model([low(0)]))
        watch.put_off["json"] = "HTTP 503"
        waiting = decided(watch, "low", low(0)).untold
        assert [reason.kind for reason in waiting] == ["not_taken"]
        assert re.findall("json|HTTP 503", waiting[0].words) == ["json", "HTTP 503"]
        refused = Delivery(opened.id, watch.clock.now, "refused", "HTTP 403: invalid_token")
        watch.look_again(model([low(0)]), deliveries=[refused])
        said = decided(watch, "low", low(0)).untold
        assert [reason.kind for reason in said] == ["refused"]
        assert re.findall("json|HTTP 403: invalid_token", said[0].words) == ["json", "HTTP 403: invalid_token"]


def test_the_second_policy_of_a_model_is_told_in_the_thread_of_the_first(tmp_path: Path) -> None:
    policies = {**LOW, "lower": {"when": "accuracy < 65 %"}}
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model([low(0, 0.67)]))
        watch.deliver(model([low(0, 0.67)]))
        watch.look(model([low(0, 0.67), low(1)]))
        watch.deliver(model([low(0, 0.67), low(1)]))
        first = decided(watch, "low", low(0, 0.67), low(1))
        assert first.history is not None
        said = decided(watch, "lower", low(0, 0.67), low(1)).untold
        assert [reason.kind for reason in said] == ["grouped"]
        assert re.findall(f"json|{first.history.alert.id}", said[0].words) == ["json", first.history.alert.id]


def test_an_approval_and_a_limit_hold_an_action_back(tmp_path: Path) -> None:
    action = {"url": "https://models.example.com/rollback", "approval": "required"}
    policies = {"low": {**LOW["low"], "actions": ["http/rollback"]}}
    found = reasons(tmp_path, low(0), policies=policies, actions={"http/rollback": action}, models={"late": {}})
    assert [*found] == ["approval"]
    assert "http/rollback" in found["approval"]


def test_what_holds_no_more_waits_for_its_cool_down(tmp_path: Path) -> None:
    day = right(0)
    with watched(tmp_path) as watch:
        now = model([day]).watermark
        watch.look(model([day], verdict=silent(now), watermark=now, received=now))
        back = model([day], watermark=now + HOUR // 2, received=now + HOUR // 2)
        watch.look(back)
        (found,) = watch.explanations.of_model([back])
    assert (found.standing, found.fires) == ("in its cool-down", True)
    (cooling,) = found.untold
    assert cooling.kind == "cooling_down"
    assert "2 July 2013, 00:30" in cooling.words
    assert "1h" in cooling.words


def test_a_policy_that_is_switched_off_says_so(tmp_path: Path) -> None:
    found = reasons(tmp_path, low(0), policies={"low": {**LOW["low"], "enabled": False}})
    assert [*found] == ["switched_off"]


def test_a_model_whose_past_waits_says_that_nothing_is_decided(tmp_path: Path) -> None:
    with watched(tmp_path, policies=LOW) as watch:
        behind = model([low(0)], pending_windows=3)
        watch.look(behind)
        (found,) = [one for one in watch.explanations.of_model([behind]) if one.policy == "low"]
    assert [one.kind for one in found.untold] == ["catching_up"]


def test_an_alert_of_the_past_shows_the_windows_around_it(tmp_path: Path) -> None:
    windows = [low(day, 0.6 if 20 <= day < 23 else 0.9) for day in range(60)]
    with watched(tmp_path, policies={"low": {**LOW["low"], "resolve_after": 2}}) as watch:
        watch.look(model(windows[:20]))
        watch.look(model(windows[:21]))
        watch.look(model(windows))
        (alert,) = watch.alerts.alerts.values()
        found = watch.explanations.of_alert(alert, [model(windows)])
        assert found is not None
        assert watch.explanations.of_alert(alert, []) is None
        newest = decided(watch, "low", *windows)
    assert found.standing == "resolved"
    decisions = [(decision.holds, decision.fires) for decision in reversed(found.windows)]
    assert decisions == [*[(False, False)] * 3, *[(True, True)] * 3, (False, True), (False, False)]
    assert "1 of 2 windows" in found.windows[1].outcome
    assert (len(newest.windows), newest.standing) == (SHOWN, "does not fire")


def test_a_window_that_is_restated_changes_what_was_decided(tmp_path: Path) -> None:
    with watched(tmp_path, policies=LOW) as watch:
        assert decided(watch, "low", low(0)).windows[0].holds is True
        assert decided(watch, "low", low(0, 0.9)).windows[0].holds is False


def test_the_page_of_an_open_alert_has_the_verdict_of_its_message(tmp_path: Path) -> None:
    windows = [right(0), *(wrong(day, realized={"accuracy": value(0.6)}) for day in (1, 2))]
    policies = {**LOW, "late": {"when": "coverage < 90 %"}}
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model(windows[:1]))
        watch.look(model(windows))
        view = model(windows)
        decisions = [watch.explanations.of_alert(alert, [view]) for alert in watch.alerts.open]
        shown = {decision.policy: decision.now for decision in map(unwrap, decisions)}
    assert shown == {"health": view.verdict, "low": view.verdict, "late": None}
