"""What is told of models, when, and how often: by the default policy, and by those that people write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.core.business import BusinessKeys, BusinessPoint, BusinessSeries, values_in
from driftline_processor.policy.acknowledgement import acknowledge
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.message import Message
from driftline_processor.present.sentences.policies import ending_words
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.model_view import ModelView
from msgspec import structs

from tests.support.money_windows import of_money
from tests.support.policy_watch import DAY, JULY, Watched, headline, model, silence, silent, watched
from tests.support.slow import slow
from tests.support.unwrap import unwrap
from tests.support.verdict_windows import MAY_COME, column, known, objective, right, value, window, wrong

HOUR = 3600 * 10**9

SHIFTED = [window(day, features={"temp": column(p=1e-30)}, incident={"feature:temp": JULY + 2 * DAY}) for day in (2, 3)]
"""Two days whose inputs drifted, and of which no outcome is known yet."""


def test_a_model_that_turns_wrong_is_told_once_and_once_more_when_it_is_over(tmp_path: Path) -> None:
    days = [right(0), right(1), wrong(2), wrong(3), wrong(4), right(5), right(6), right(7)]
    with watched(tmp_path) as watch:
        told = [watch.headlines(model(days[: day + 1])) for day in range(len(days))]
    assert [line for lines in told for line in lines] == [
        "opened late degraded 2013-07-03",
        "resolved late degraded 2013-07-03 2013-07-06",
    ]
    assert [day for day, lines in enumerate(told) if lines] == [3, 6]


def test_looking_again_tells_nothing_and_neither_does_a_restart(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path) as watch:
        assert len(watch.look(model(days))) == 1
        assert watch.look(model(days)) == []
    with watched(tmp_path) as again:
        assert again.look(model(days)) == []
        assert headline(again.alerts.waiting[0]) == "opened late degraded 2013-07-02"
        assert len(again.look(model([*days, right(3), right(4)]))) == 1


def test_a_message_says_how_sure_it_is_and_what_to_do(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        watch.look(model([right(0)], team="flights", tier=1))
        (message,) = watch.look(model([right(0), wrong(1), wrong(2)], team="flights", tier=1))
    facts = message.facts
    assert (facts["kind"], facts["severity"], facts["owner"], facts["tier"]) == ("opened", "critical", "flights", 1)
    assert (facts["state"], facts["since"]) == ("degraded", "2013-07-02T00:00:00Z")
    for part in (facts["headline"], facts["evidence"], facts["action"], facts["certainty"]):
        assert part
        assert part in facts["text"]
    assert message.id == f"{message.alert}-1-json"


def test_one_window_at_risk_is_not_told_and_two_in_a_row_are(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        one = model([right(0), right(1), SHIFTED[0]])
        assert unwrap(one.verdict).state == "at_risk"
        assert watch.headlines(one) == []
        two = model([right(0), right(1), *SHIFTED])
        assert watch.headlines(two) == ["opened late at_risk 2013-07-03"]
        assert watch.sent[0].facts["severity"] == "warning"


def test_one_window_that_may_be_chance_is_not_two_while_later_ones_wait_for_their_outcomes(tmp_path: Path) -> None:
    waiting = [window(day, young=True, maturity="immature", immature=MAY_COME) for day in (3, 4)]
    days = [right(0), right(1), wrong(2, stands_out=True), *waiting]
    with watched(tmp_path) as watch:
        watch.look(model(days[:2]))
        late = model(days)
        assert unwrap(late.verdict).state == "at_risk"
        assert watch.look(late) == []


def test_a_model_at_risk_that_turns_wrong_is_the_same_alert_and_told_as_worse(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        (first,) = watch.look(model([right(0), right(1), *SHIFTED]))
        (second,) = watch.look(model([right(0), right(1), wrong(2), wrong(3)]))
    assert first.alert == second.alert
    assert (second.facts["kind"], second.facts["severity"]) == ("worse", "critical")
    assert headline(second).startswith("worse late degraded ")


def test_a_model_that_falls_silent_again_and_again_is_one_alert_within_the_cool_down(tmp_path: Path) -> None:
    day = right(0)
    with watched(tmp_path) as watch:
        begun = model([day]).watermark
        for minute in range(0, 50, 10):
            now = begun + minute * 60 * 10**9
            watch.look(model([day], verdict=silent(now), watermark=now, received=now))
            heard = now + 5 * 60 * 10**9
            watch.look(model([day], watermark=heard, received=heard))
        assert [message.facts["kind"] for message in watch.sent] == ["opened"]
        over = watch.look(model([day], watermark=begun + 3 * HOUR, received=heard))
    assert [message.facts["kind"] for message in over] == ["resolved"]


def test_what_began_and_ended_between_two_looks_is_told_once(tmp_path: Path) -> None:
    days = [right(0), right(1), wrong(2), wrong(3), right(4), right(5)]
    with watched(tmp_path) as watch:
        assert watch.headlines(model(days[:2])) == []
        assert watch.headlines(model(days)) == ["passed late degraded 2013-07-03 2013-07-05"]
        assert watch.headlines(model(days)) == []


@pytest.mark.parametrize(("in_a_row", "told"), [(2, ["passed"]), (4, [])])
def test_a_past_degradation_is_told_if_it_lasted_as_long_as_the_policy_asks(
    tmp_path: Path, in_a_row: int, told: list[str]
) -> None:
    days = [right(0), right(1), *(wrong(day) for day in (2, 3, 4)), *(right(day) for day in (5, 6, 7))]
    with watched(tmp_path, policies={"health": {"when": "verdict is degraded", "in_a_row": in_a_row}}) as watch:
        watch.look(model(days[:2]))
        assert [one.kind for one in watch.look(model(days))] == told


def test_what_was_over_before_the_first_look_is_no_news(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        assert watch.headlines(model([right(0), wrong(1), wrong(2), right(3), right(4)])) == []


def test_outcomes_that_come_later_and_clear_a_model_end_its_alert(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        watch.look(model([right(0), wrong(1), wrong(2)]))
        cleared = model([right(0), right(1), right(2)])
        assert watch.look(cleared) == []
        (over,) = watch.look(structs.replace(cleared, watermark=cleared.watermark + HOUR))
    assert over.facts["kind"] == "resolved"
    assert ending_words("revised") in str(over.facts["text"])


def test_outcomes_that_come_later_revise_the_begin_of_an_alert_as_they_revise_that_of_the_verdict(
    tmp_path: Path,
) -> None:
    with watched(tmp_path) as watch:
        watch.look(model([right(0), *map(wrong, range(1, 5))]))
        (alert,) = watch.alerts.alerts.values()
        assert alert.since == JULY + DAY
        revised = model([right(0), right(1), *map(wrong, range(2, 5))])
        assert watch.look(revised) == []
        (alert,) = watch.alerts.alerts.values()
    assert alert.since == unwrap(revised.verdict).since == JULY + 2 * DAY


def test_an_alert_that_began_at_risk_has_the_revised_begin_of_the_degradation(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        watch.look(model([right(0), right(1), *SHIFTED]))
        watch.look(model([right(0), right(1), *map(wrong, range(2, 6))]))
        (alert,) = watch.alerts.alerts.values()
        assert (alert.state, alert.since) == ("degraded", JULY + 2 * DAY)
        revised = model([*map(right, range(4)), wrong(4), wrong(5)])
        watch.look(revised)
        (alert,) = watch.alerts.alerts.values()
    assert alert.since == unwrap(revised.verdict).since == JULY + 4 * DAY


def test_a_wrong_model_without_outcomes_since_is_not_over(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    without = [window(day, outcome_rows=0, coverage=0.0) for day in range(3, 7)]
    with watched(tmp_path) as watch:
        watch.look(model(days))
        assert watch.look(model([*days, *without])) == []
        untold = model([days[0]], verdict=structs.replace(silent(JULY), state="unknown"))
        assert watch.look(untold) == []
        assert watch.look(structs.replace(untold, watermark=untold.watermark + 9 * DAY)) == []
        assert watch.headlines(model([*days, *without, right(7), right(8)])) == [
            "resolved late degraded 2013-07-02 2013-07-08"
        ]


def test_a_silent_model_is_silent_until_a_row_comes_also_where_its_pace_is_not_known(tmp_path: Path) -> None:
    day = right(0)
    begun = model([day]).watermark
    with watched(tmp_path) as watch:
        watch.look(model([day], verdict=silent(begun), watermark=begun + HOUR, received=begun))
    with watched(tmp_path) as again:
        assert again.look(model([day], watermark=begun + 9 * HOUR, received=begun)) == []
        heard = begun + 10 * HOUR
        assert again.look(model([day], watermark=heard, received=heard)) == []
        assert len(again.look(model([day], watermark=heard + HOUR, received=heard))) == 1


def test_a_model_whose_windows_wait_is_not_over(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path) as watch:
        watch.look(model(days))
        waits = model([*days, right(3), right(4)], verdict=structs.replace(silent(JULY), state="lagging"))
        assert [one.facts["kind"] for one in watch.look(waits)] == ["resolved"]  # its windows say so
        watch.look(model([right(0), *(wrong(day) for day in range(5, 8))]))
        assert watch.look(model([right(0)], verdict=structs.replace(silent(JULY), state="lagging"))) == []


def test_a_version_that_another_one_replaced_ends_the_alert_and_the_message_says_so(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path) as watch:
        old = model(days)
        watch.look(old)
        new = structs.replace(model([right(3), right(4)]), key=replace(old.key, version="2"))
        assert watch.look(structs.replace(old, in_use=False), new) == []
        (over,) = watch.look(structs.replace(old, in_use=False), structs.replace(new, watermark=new.watermark + HOUR))
    assert over.facts["text"].startswith(ending_words("replaced"))


def test_versions_of_a_model_in_one_environment_are_one_alert(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path) as watch:
        first = model(days)
        other = structs.replace(first, key=replace(first.key, version="2"))
        staging = structs.replace(first, key=replace(first.key, environment="staging"))
        watch.look(first, other, staging)
    assert sorted(headline(message) for message in watch.sent) == [
        "opened late degraded 2013-07-02",
        "opened late/staging degraded 2013-07-02",
    ]


def test_a_shadow_and_a_version_that_is_not_in_use_are_not_told(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path) as watch:
        assert watch.look(model(days, shadow=True)) == []
        assert watch.look(model(days, in_use=False)) == []


def test_what_is_silenced_is_told_at_the_end_of_the_silence_if_it_lasts(tmp_path: Path) -> None:
    wrong_days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path, silences={"july": silence(models=["late"])}) as watch:
        assert watch.look(model(wrong_days)) == []
        assert [alert.notified for alert in watch.alerts.alerts.values()] == [None]
        days = [*wrong_days, *(wrong(day) for day in range(3, 6))]
        assert watch.headlines(model(days)) == ["opened late degraded 2013-07-02"]


def test_what_was_told_before_a_silence_is_said_to_be_over_in_it_and_what_was_not_never_is(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2), right(3), right(4)]
    with watched(tmp_path) as watch:
        assert len(watch.look(model(days[:3]))) == 1
    with watched(tmp_path, silences={"july": silence(until="2013-08-01T00:00:00Z")}) as again:
        assert again.headlines(model(days)) == ["resolved late degraded 2013-07-02 2013-07-04"]
        more = [*days, wrong(5), wrong(6), right(7), right(8)]
        assert again.look(model(more[:7])) == []
        (last,) = [alert for alert in again.alerts.alerts.values() if alert.open]
        assert last.silenced == JULY + 31 * DAY
        assert again.look(model(more)) == []


def test_what_turned_worse_or_began_again_in_a_silence_is_told_at_its_end_if_it_lasts(tmp_path: Path) -> None:
    begun = [right(0), right(1)]
    july = {"july": silence(since="2013-07-05T12:00:00Z", until="2013-07-08T00:00:00Z")}
    with watched(tmp_path, silences=july) as watch:
        watch.look(model(begun))
        assert [one.facts["kind"] for one in watch.look(model([*begun, *SHIFTED]))] == ["opened"]
        lasting = [*begun, *(wrong(day) for day in range(2, 6))]
        assert watch.look(model(lasting)) == []
        (told,) = watch.look(model([*lasting, wrong(6), wrong(7)]))
    assert told.facts["kind"] == "worse"


def test_without_anybody_to_tell_nothing_is_watched(tmp_path: Path) -> None:
    with watched(tmp_path, notify=[]) as watch:
        assert watch.look(model([right(0), wrong(1), wrong(2)])) == []
        assert watch.alerts.alerts == {}


def test_a_threshold_fires_after_so_many_windows_in_a_row_and_resolves_by_its_own_condition(tmp_path: Path) -> None:
    policy = {
        "when": "accuracy < 75 %",
        "in_a_row": 2,
        "resolve": "accuracy > 78 %",
        "severity": "info",
        "owner": "ann",
    }
    series = [0.8, 0.7, 0.8, 0.7, 0.7, 0.77, 0.79, 0.77, 0.79, 0.8]
    days = [known(day, realized={"accuracy": value(number)}) for day, number in enumerate(series)]
    with watched(tmp_path, policies={"health": {"enabled": False}, "low": policy}) as watch:
        told = [watch.headlines(model(days[: day + 1])) for day in range(len(days))]
    assert [line for lines in told for line in lines] == [
        "opened late low 2013-07-04",
        "resolved late low 2013-07-04 2013-07-09",
    ]
    assert [day for day, lines in enumerate(told) if lines] == [4, 9]
    first = watch.sent[0].facts
    assert (first["severity"], first["owner"], first["finding"]) == ("info", "ann", "accuracy is 70 %, below 75 %")
    assert "'low': accuracy < 75 %" in str(first["text"])


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, ["opened", "resolved"]),
        ({"cool_down": "3d"}, ["opened"]),
        ({"cool_down": "0s"}, ["opened", "resolved"] * 4),
    ],
)
def test_days_that_are_bad_by_turns_are_one_alert_until_good_ones_follow_each_other(
    tmp_path: Path, keys: dict[str, str], told: list[str]
) -> None:
    days = [known(day, realized={"accuracy": value(0.7 if day % 2 else 0.95)}) for day in range(9)] + [right(9)]
    with watched(
        tmp_path, policies={"health": {"enabled": False}, "low": {"when": "accuracy < 75 %", **keys}}
    ) as watch:
        for day in range(1, len(days) + 1):
            watch.look(model(days[:day]))
    assert [one.kind for one in watch.sent] == told


def test_an_alert_whose_policy_was_renamed_lasted_until_now_by_the_models_clock(tmp_path: Path) -> None:
    day = known(1, realized={"accuracy": value(0.7)})
    off: dict[str, Any] = {"health": {"enabled": False}}
    with watched(tmp_path, policies={**off, "low": {"when": "accuracy < 75 %"}}) as watch:
        watch.look(model([right(0)]))
        watch.look(model([right(0), day]))
    with watched(tmp_path, policies={**off, "lower": {"when": "accuracy < 75 %"}}) as again:
        told = {str(one.facts["title"]): one.facts for one in again.look(model([right(0), day]))}
    (gone,) = (title for title in told if title.startswith("No longer evaluated: late"))
    assert told[gone]["until"] == "2013-07-03T00:00:00Z"
    assert "It is no longer evaluated" in str(told[gone]["text"])


def test_windows_of_the_past_are_waited_for_as_long_as_some_are_evaluated(tmp_path: Path) -> None:
    days = [right(0), *(wrong(day) for day in range(1, 5))]
    with watched(tmp_path) as watch:
        watch.look(model(days[:1]))
        for past in range(25, 0, -1):  # a minute each
            assert watch.look(structs.replace(model([days[0], *days[3:]]), pending_windows=past)) == []
        (told,) = watch.look(model(days))
        assert told.facts["since"] == "2013-07-02T00:00:00Z"


def test_windows_of_the_past_that_wait_are_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    days = [right(0), *(wrong(day) for day in range(1, 5))]
    with watched(tmp_path) as watch:
        watch.look(model(days[:1]))
        behind = structs.replace(model([days[0], *days[3:]]), pending_windows=2)
        assert watch.look(behind) == []
        (told,) = watch.look(model(days))
        assert told.facts["since"] == "2013-07-02T00:00:00Z"
    (tmp_path / "other").mkdir()
    with watched(tmp_path / "other") as watch:
        watch.look(model(days[:1]))
        assert watch.look(behind) == []
        for _ in range(9):
            assert watch.look(behind) == []
        (late,) = watch.look(behind)  # ten minutes after the first
        assert late.facts["since"] == "2013-07-04T00:00:00Z"


def test_windows_of_the_past_are_waited_for_while_they_come_as_fast_as_they_are_evaluated(tmp_path: Path) -> None:
    days = [right(0), *(wrong(day) for day in range(1, 14))]
    with watched(tmp_path) as watch:
        for past in range(1, 13):  # a minute each
            assert watch.look(structs.replace(model([*days[:past], days[13]]), pending_windows=5)) == []
        assert [one.facts["kind"] for one in watch.look(model(days))] == ["opened"]


def test_new_windows_do_not_prolong_the_wait_for_those_of_the_past(tmp_path: Path) -> None:
    days = [right(0), *(wrong(day) for day in range(1, 5))]
    with watched(tmp_path) as watch:
        assert watch.look(model(days[:1])) == []
        assert watch.look(structs.replace(model(days[:3]), pending_windows=2)) == []
        (late,) = watch.look(structs.replace(model(days[:4]), pending_windows=2))  # a day later
        assert late.facts["since"] == "2013-07-02T00:00:00Z"


LATE = [right(0), *(wrong(day) for day in range(1, 5))]
"""A day that is right, and four that are wrong."""


def waiting(*days: Any, past: int = 5) -> ModelView:
    return structs.replace(model(days), pending_windows=past)


@pytest.mark.parametrize("starts", [1, slow(30)])
def test_late_rows_hold_alerts_back_for_half_an_hour_at_most_however_often_it_starts(
    tmp_path: Path, starts: int
) -> None:
    with watched(tmp_path) as watch:
        watch.look(model(LATE[:1]))
        begun = watch.clock.now = LATE[-1].window.end
    told: list[int] = []
    for _ in range(starts):
        with watched(tmp_path) as watch:
            watch.clock.now = begun
            for number in range(60 // starts):  # a minute each; one more window is evaluated each time
                past = 10_000 - number
                told += [watch.clock.now for one in watch.look(waiting(LATE[0], *LATE[3:], past=past)) if one]
            begun = watch.clock.now
    assert [(time - LATE[-1].window.end) // (60 * 10**9) for time in told] == [31]


@pytest.mark.parametrize(
    ("keys", "at_once"),
    [
        ({"severity": "critical"}, True),
        ({"window": "1h"}, True),
        ({"severity": "warning"}, False),
        ({"window": "1d"}, False),
        ({}, False),
    ],
)
def test_critical_policies_and_short_windows_wait_for_no_late_rows(
    tmp_path: Path, keys: dict[str, Any], at_once: bool
) -> None:
    name = keys.get("window", "1d")
    policies = {"health": {"enabled": False}, "low": {"when": "accuracy < 75 %", **keys}}
    days = [known(0, name=name), known(3, name=name, realized={"accuracy": value(0.5)})]
    with watched(tmp_path, policies=policies) as watch:
        watch.look(model(days[:1]))
        told = watch.look(waiting(*days))
        assert [one.facts["policy"] for one in told] == (["low"] if at_once else [])
        assert watch.look(waiting(days[0], known(3, name=name, realized={"accuracy": value(0.9)}))) == []
        assert len(watch.alerts.open) == at_once  # an alert ends only after the past windows


def test_what_is_held_back_is_shown_with_its_number_and_since_when(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        watch.look(model(LATE[:1]))
        assert watch.held_back is None
        watch.look(waiting(*LATE))
        since = iso_time(watch.clock.now)
    with watched(tmp_path) as again:
        again.clock.now = watch.clock.now
        again.look(waiting(*LATE))
        assert (
            again.held_back == f"alerts of 1 model wait for the evaluation of past windows, the longest since {since}"
        )
        assert "late" not in (again.held_back or "")
        again.look(model(LATE))
        assert again.held_back is None
        assert [*again.alerts.waits] == []


@pytest.mark.slow
def test_starts_in_quick_succession_hold_alerts_back_for_a_minute_and_end_none(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        watch.look(model(LATE[:1]), model(LATE[:1], "other"))
        watch.look(model(LATE[:1]), model(LATE, "other"))
        now = watch.clock.now
    told: list[tuple[int, str]] = []
    for start in range(20):
        with watched(tmp_path) as again:
            again.clock.now = now + start * 7 * 10**9
            found = again.look_at_start(model(LATE), model(LATE[:1], "other"))
            told += [(start * 7, str(one.facts["model"])) for one in found]
    assert told == [(63, "late")]
    with watched(tmp_path) as again:
        assert sorted(one.model for one in again.alerts.open) == ["late", "other"]
        again.clock.now = now + 200 * 10**9
        again.look(model(LATE), model(LATE, "other"))
        assert [*again.alerts.waits] == []


def test_an_alert_that_ended_does_not_begin_again_by_older_windows_after_a_start(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        watch.look(model(LATE[:1]))
        watch.look(model(LATE))
        watch.look(model([*LATE, *(right(day) for day in range(5, 8))]))
        assert watch.alerts.open == []
        watch.look_at_start(model(LATE))
        watch.clock.now += 61 * 10**9
        assert watch.look_at_start(model(LATE)) == []
        assert watch.alerts.open == []


@pytest.mark.parametrize("policies", [{}, {"health": {"enabled": False}, "broken": {"when": "objective broken"}}])
def test_a_broken_rolling_objective_does_not_wait_for_windows_of_the_past(
    tmp_path: Path, policies: dict[str, Any]
) -> None:
    broken = objective(number=2.5e6, rolling=True, since=JULY + DAY, until=JULY + 2 * DAY)
    broken = structs.replace(broken, rule="mae <= 2e+06 over rolling 1d")
    with watched(tmp_path, policies=policies) as watch:
        assert watch.look(model([right(0)])) == []
        behind = structs.replace(model([right(0), known(1, objectives=(broken,))]), pending_windows=2)
        (opened,) = watch.look(behind)
        assert opened.facts["since"] == "2013-07-02T00:00:00Z"


def test_a_policy_waits_for_those_that_it_depends_on(tmp_path: Path) -> None:
    policies = {
        "health": {"enabled": False},
        "feed": {"when": "predictions < 100"},
        "low": {"when": "accuracy < 75 %", "unless": ["feed"]},
    }
    both = known(1, rows=50, realized={"accuracy": value(0.7)})
    with watched(tmp_path, policies=policies) as watch:
        assert watch.headlines(model([right(0), both])) == ["opened late feed 2013-07-02"]
        after = known(2, realized={"accuracy": value(0.7)})
        later = structs.replace(after, window=right(3).window)
        assert sorted(watch.headlines(model([right(0), both, after, later]))) == [
            "opened late low 2013-07-02",
            "resolved late feed 2013-07-02 2013-07-03",
        ]


def test_a_policy_is_about_the_models_and_tiers_that_it_names(tmp_path: Path) -> None:
    policies = {"health": {"models": ["late-*"], "tiers": [1, 2]}}
    days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path, policies=policies) as watch:
        told = watch.headlines(
            *(model(days, name, tier=tier) for name, tier in (("late-a", 1), ("late-b", 3), ("x", 1)))
        )
    assert told == ["opened late-a degraded 2013-07-02"]


def test_an_alert_of_a_policy_that_is_gone_is_closed_and_said_so(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path) as watch:
        watch.look(model(days))
    with watched(tmp_path, policies={"health": {"enabled": False}, "low": {"when": "accuracy < 10 %"}}) as again:
        (message,) = again.look(model(days))
        assert message.facts["kind"] == "resolved"
        assert ending_words("unwatched") in str(message.facts["text"])
        assert again.look(model(days)) == []


@pytest.mark.parametrize("channels", [["one"], ["one", "two"]])
def test_each_channel_has_a_message_of_its_own(tmp_path: Path, channels: list[str]) -> None:
    named = {name: f"json://127.0.0.1:1/{name}" for name in channels}
    with watched(tmp_path, notify=channels, channels=named) as watch:
        messages = watch.look(model([right(0), wrong(1), wrong(2)]))
    assert [message.channel for message in messages] == channels
    assert len({message.id for message in messages}) == len(channels)


def test_a_message_says_what_the_model_loses_a_day_where_that_is_known(tmp_path: Path) -> None:
    lost = wrong(2)
    lost.realized["cost_per_prediction"] = of_money(1.5, 1.4, 1.6)
    lost.reference["cost_per_prediction"] = of_money(1.0, 0.9, 1.1)
    days = [right(0), wrong(1), lost]
    with watched(tmp_path) as watch:
        (message,) = watch.look(model(days, currency="EUR"))
    assert "EUR 2,500 a day (1,790 to 3,210)" in str(message.facts["loss"])
    assert str(message.facts["loss"]) in str(message.facts["text"])


def test_a_message_without_a_currency_says_nothing_of_money(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        (message,) = watch.look(model([right(0), wrong(1), wrong(2)]))
    assert message.facts["loss"] is None


def test_a_business_series_that_is_restated_is_looked_at_again(tmp_path: Path) -> None:
    keys = BusinessKeys("conversion", "late", "1", "mean")

    def told(values: list[float]) -> ModelView:
        points = [BusinessPoint("conversion", b"", JULY + at * DAY, value) for at, value in enumerate(values)]
        series = BusinessSeries.of(keys, points)
        for one in days:
            one.business = values_in([series], one.window)
        return structs.replace(view, business=(series,))

    days = [right(at) for at in range(3)]
    view = model(days)
    keys_of_watch: dict[str, object] = {
        "policies": {"health": {"enabled": False}, "sales": {"when": "business conversion < 2 %"}},
        "business": {"conversion": {"metric": "shop.conversion", "model": "late"}},
    }
    with watched(tmp_path, **keys_of_watch) as watch:
        assert watch.headlines(told([0.03, 0.03, 0.03])) == []
        assert watch.headlines(told([0.03, 0.03, 0.01])) == ["opened late sales 2013-07-03"]


# -- channels that are gone ----------------------------------------------------------------------------------------

CALM = model([right(0)])
TURNED = model([right(0), wrong(1), wrong(2)])
OVER = model([right(0), wrong(1), wrong(2), right(3), right(4)])


def to(*names: str, **more: Any) -> dict[str, Any]:
    """Return a configuration whose messages go to these channels, of which each is there."""
    return {"notify": [*names], "channels": {name: f"json://127.0.0.1:1/{name}" for name in names}, **more}


def turn_wrong(folder: Path, *names: str, arrives: Sequence[str] = (), **more: Any) -> None:
    """Tell channels of a model that turned wrong, on 4 July at ten; some messages arrive."""
    with watched(folder, **to(*names, **more)) as watch:
        watch.look_at("2013-07-02T00:01", CALM)
        told = watch.look_at("2013-07-04T10:00", TURNED)
        came = [Delivery(one.id, watch.clock.now, "delivered") for one in told if one.channel in arrives]
        watch.look_again(TURNED, deliveries=came)


def said(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(one.channel, one.kind) for one in messages]


def give_up(watch: Watched) -> list[Delivery]:
    """Return what the couriers make of messages whose channel is gone."""
    waiting = [one for one in watch.resume() if one.channel not in watch.channels]
    return [
        Delivery(one.id, watch.clock.now, "expired", "the channel was removed from the configuration")
        for one in waiting
    ]


@pytest.mark.parametrize("noted", [False, True])
def test_what_a_renamed_channel_never_said_is_told_to_the_new_one_once(tmp_path: Path, noted: bool) -> None:
    turn_wrong(tmp_path, "team")
    with watched(tmp_path, **to("models")) as again:
        given_up = give_up(again)
        again.clock.now = JULY + 4 * DAY
        (message,) = again.look_again(TURNED, deliveries=given_up if noted else ())
        assert (message.channel, message.kind, message.id) == ("models", "opened", f"{message.alert}-1-models")
        assert headline(message) == "opened late degraded 2013-07-02"
        assert again.look(TURNED) == []
        (alert,) = again.alerts.alerts.values()
        assert alert.notified == JULY + 3 * DAY + 10 * HOUR
    with watched(tmp_path, **to("models")) as third:
        assert third.look(TURNED) == []
        assert said(third.look(OVER)) == [("models", "resolved")]


def test_what_a_removed_channel_never_said_is_no_news_to_those_that_were_told(tmp_path: Path) -> None:
    turn_wrong(tmp_path, "one", "two", arrives=["one"])
    with watched(tmp_path, **to("one")) as again:
        assert again.look(TURNED) == []
        assert said(again.look(OVER)) == [("one", "resolved")]


def test_what_arrived_at_a_channel_that_is_gone_is_not_told_again_and_its_heir_hears_the_end(tmp_path: Path) -> None:
    turn_wrong(tmp_path, "team", arrives=["team"])
    with watched(tmp_path, **to("models")) as again:
        assert again.look(TURNED) == []
        assert said(again.look(OVER)) == [("models", "resolved")]
        assert again.sent[0].alert == again.sent[0].about[0]


def test_a_channel_that_is_added_is_not_told_of_what_others_were_told_or_wait_for(tmp_path: Path) -> None:
    turn_wrong(tmp_path, "team", "slow", arrives=["team"])
    with watched(tmp_path, **to("team", "slow", "new")) as again:
        assert again.look(TURNED) == []
        assert said(again.look(OVER)) == [("team", "resolved"), ("slow", "resolved")]


def test_that_it_is_worse_is_told_to_the_heir_of_a_channel_that_is_gone(tmp_path: Path) -> None:
    at_risk = model([right(0), right(1), *SHIFTED])
    with watched(tmp_path, **to("team")) as watch:
        (opened,) = watch.look(at_risk)
        watch.look_again(at_risk, deliveries=[Delivery(opened.id, watch.clock.now, "delivered")])
    with watched(tmp_path, **to("models")) as again:
        worse = model([right(0), right(1), wrong(2), wrong(3)])
        assert said(again.look(worse)) == [("models", "worse")]
        assert again.look(worse) == []


def test_what_a_channel_that_is_gone_never_said_and_is_over_is_told_as_seen_late(tmp_path: Path) -> None:
    turn_wrong(tmp_path, "team")
    with watched(tmp_path, **to("models")) as again:
        assert again.headlines(OVER) == ["passed late degraded 2013-07-02 2013-07-04"]
        assert again.look(OVER) == []


def test_a_silence_keeps_what_was_never_said_until_its_end(tmp_path: Path) -> None:
    turn_wrong(tmp_path, "team")
    with watched(tmp_path, **to("models"), silences={"july": silence()}) as again:
        assert again.look_at("2013-07-04T12:00", TURNED) == []
        assert said(again.look_at("2013-07-05T00:00", TURNED)) == [("models", "opened")]


def test_quiet_hours_and_digests_of_the_new_channel_hold_what_was_never_said(tmp_path: Path) -> None:
    turn_wrong(tmp_path, "team")
    url = "json://127.0.0.1:1/"
    held: dict[str, Any] = {"digest": {"url": url, "digest": "daily at 09:00"}}
    held["night"] = {"url": url, "quiet": {"from": "10:00", "to": "14:00"}}
    with watched(tmp_path, notify=[*held], channels=held) as again:
        assert again.look_at("2013-07-04T12:00", TURNED) == []
        assert said(again.look_at("2013-07-04T14:00", TURNED)) == [("night", "opened")]
        assert said(again.look_at("2013-07-05T09:00", TURNED)) == [("digest", "digest")]


def test_a_digest_that_a_channel_that_is_gone_never_said_is_told_alert_by_alert(tmp_path: Path) -> None:
    url = "json://127.0.0.1:1/"
    with watched(tmp_path, notify="team", channels={"team": {"url": url, "digest": "daily at 09:00"}}) as watch:
        watch.look_at("2013-07-02T00:01", CALM)
        watch.look_at("2013-07-04T01:00", TURNED)
        assert said(watch.look_at("2013-07-04T09:00", TURNED)) == [("team", "digest")]
    with watched(tmp_path, **to("models")) as again:
        assert said(again.look_at("2013-07-04T10:00", TURNED)) == [("models", "opened")]


def test_what_somebody_has_in_hand_is_not_told_to_the_heir_of_a_channel_that_is_gone(tmp_path: Path) -> None:
    turn_wrong(tmp_path, "team")
    with watched(tmp_path, **to("models")) as again:
        (alert,) = again.alerts.alerts
        acknowledge(again.alerts, again.channels, alert, "ann", "", again.clock.now)
        assert again.look(TURNED) == []
        assert said(again.look(OVER)) == [("models", "resolved")]


def test_who_is_asked_because_nobody_was_told_has_one_message(tmp_path: Path) -> None:
    escalate = {"policies": {"health": {"escalate": {"after": "30m", "to": ["models", "head"]}}}}
    channels = dict.fromkeys(("models", "head"), "json://127.0.0.1:1/")
    turn_wrong(tmp_path, "team")
    with watched(tmp_path, notify="models", channels=channels, **escalate) as again:
        told = again.look_at("2013-07-04T12:00", TURNED)
        assert said(told) == [("models", "opened"), ("head", "escalated")]
        assert not str(told[1].facts["text"]).startswith("Notified ")
        assert len({one.id for one in told}) == 2


def test_actions_are_not_carried_out_again_for_what_is_told_anew(tmp_path: Path) -> None:
    hook: dict[str, Any] = {
        "models": {"late": {}},
        "actions": {"http/ticket": {"url": "https://127.0.0.1:1/"}},
        "policies": {"health": {"actions": "http/ticket"}},
    }
    turn_wrong(tmp_path, "team", **hook)
    with watched(tmp_path, **to("models", **hook)) as again:
        assert said(again.look(TURNED)) == [("models", "opened")]
        assert [one.kind for one in again.alerts.to_channel("http/ticket")] == ["opened"]


def test_what_a_policy_looked_at_is_forgotten_with_the_policy_or_the_model(tmp_path: Path) -> None:
    low = {"policies": {"low": {"when": "accuracy < 10 %"}}}
    with watched(tmp_path, **low) as watch:
        watch.look(CALM, model([right(0)], "other"))
        watch.tidy()
        assert {about[::2] for about in watch.alerts.looks} == {
            (name, of) for name in ("health", "low") for of in ("late", "other")
        }
    with watched(tmp_path, policies={"health": {"enabled": False}}) as again:
        again.tidy()
        assert len(again.alerts.looks) == 4  # nothing was looked at yet
    with watched(tmp_path) as third:
        third.look(CALM)
        third.tidy()
        assert [*third.alerts.looks] == [("health", "", "late")]
    with watched(tmp_path) as fourth:
        assert [*fourth.alerts.looks] == [("health", "", "late")]


def test_two_processors_that_see_the_same_windows_give_an_alert_one_id(tmp_path: Path) -> None:
    days = [right(0), right(1), wrong(2), wrong(3)]
    ids = []
    for name, later in (("one", 0), ("two", 7 * HOUR)):
        with watched(tmp_path / name) as watch:
            watch.look(model(days[:1]))
            watch.clock.now += later
            (message,) = watch.look(model(days))
            ids.append((message.id, message.alert))
    assert ids[0] == ids[1]


def test_an_alert_that_begins_where_another_one_began_has_an_id_of_its_own(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        watch.look(model([right(0)]))
        watch.look(model([right(0), wrong(1), wrong(2)]))
        (alert,) = watch.alerts.alerts.values()
        other = structs.replace(alert, since=JULY - DAY, fired=JULY - DAY, until=JULY - DAY, resolved=watch.clock.now)
        watch.alerts.write([other])  # its times are those of another one
        watch.look(model([right(0), wrong(1), wrong(2)]))
        assert len(watch.alerts.alerts) == 2


def test_an_alert_of_a_model_that_is_retired_is_over_and_that_is_told(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    with watched(tmp_path) as watch:
        watch.look(model(days[:1]))
        watch.look(model(days))
        (over,) = watch.look(model(days, retired=True))
        assert headline(over) == "resolved late degraded 2013-07-02 2013-07-04"
        assert watch.alerts.open == []
        assert watch.look(model(days, retired=True)) == []
