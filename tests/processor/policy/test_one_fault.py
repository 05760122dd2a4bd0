"""All alerts of one fault are one message with the words of the verdict, and end when the model is healthy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.config.policy_warnings import no_room
from driftline_processor.core.evaluation import Evaluation, Finding, MetricValue, Verdict, VerdictState
from driftline_processor.core.policy.firing import explains
from driftline_processor.core.verdict.record import Record
from driftline_processor.policy.message import Message
from driftline_processor.present.sentences.policies import ending_words
from driftline_processor.present.sentences.verdict import (
    verdict_action,
    verdict_cause,
    verdict_certainty,
    verdict_evidence,
    verdict_headline,
    verdict_sentence,
    verdict_step,
)
from msgspec import structs

from tests.support.facts import lacking
from tests.support.policy_watch import Watched, headline, model, watched
from tests.support.unwrap import unwrap
from tests.support.verdict_windows import MISSING, right, value, window, wrong

LOW: dict[str, Any] = {"when": "accuracy < 75 %", "severity": "critical", "cool_down": "0s"}
DATA: dict[str, Any] = {"when": "data faulty", "cool_down": "0s"}
LATE: dict[str, Any] = {"when": "coverage < 50 %"}
BAD = {"accuracy": value(0.7, 0.68, 0.72)}
FAULT: dict[str, Any] = {"findings": [MISSING]}
ALONE: dict[str, Any] = {"health": {"enabled": False}, "low": LOW}


def watch_days(watch: Watched, days: list[Evaluation]) -> list[tuple[int, str, list[str]]]:
    """Look after each day; return the day, the kind and the policies of each message that is sent."""
    return [
        (day, message.kind, [alert["policy"] for alert in message.facts["alerts"]])
        for day in range(len(days))
        for message in watch.look(model(days[: day + 1]))
    ]


def test_a_fault_whose_outcomes_come_late_is_one_thread_and_pages_again_only_when_it_is_graver(tmp_path: Path) -> None:
    policies = {"low": LOW, "data": DATA, "loss": {"when": "log_loss > 0.6"}}
    days = [right(0), right(1), window(2, **FAULT), window(3, **FAULT)]
    days += [wrong(day, clear=True, realized=BAD, **FAULT) for day in (4, 5)] + [right(day) for day in (6, 7, 8)]
    with watched(tmp_path, policies=policies) as watch:
        told = watch_days(watch, days)
    assert [(day, kind) for day, kind, _ in told] == [(2, "opened"), (4, "worse"), (7, "resolved")]
    assert [message.incident for message in watch.sent] == [1, 2, 2]
    assert len({message.alert for message in watch.sent}) == 1
    assert {name for _, _, names in told[-1:] for name in names} == {"health", "low", "data", "loss"}
    first, worse, end = (message.facts for message in watch.sent)
    assert (first["verdict"], worse["verdict"], end["verdict"]) == ("at_risk", "degraded", "healthy")


def test_a_message_about_a_degraded_model_has_the_words_of_the_verdict_and_each_policy(tmp_path: Path) -> None:
    days = [right(0), wrong(1, realized=BAD), wrong(2, realized=BAD)]
    with watched(tmp_path, policies=ALONE) as watch:
        watch.look(model(days[:1]))
        (message,) = watch.look(model(days))
    verdict, facts = unwrap(model(days).verdict), message.facts
    assert (facts["explained"], facts["action"]) == (True, verdict_action(verdict))
    assert (facts["headline"], facts["sentence"]) == (verdict_headline(verdict), verdict_sentence(verdict))
    assert (facts["evidence"], facts["cause"]) == (verdict_evidence(verdict), verdict_cause(verdict) or None)
    lines = [f"{verdict_headline(verdict)}.", verdict_evidence(verdict), verdict_cause(verdict)]
    lines += [f"What to do: {verdict_action(verdict)}", verdict_certainty(verdict)]
    said = [line for line in lines if line]
    assert str(facts["text"]).splitlines()[: len(said)] == said
    assert lacking(facts["text"], "'low'", "70 %", "75 %") == []


@pytest.mark.parametrize("restarts", [False, True])
def test_a_condition_that_comes_and_goes_within_one_degradation_is_one_alert(tmp_path: Path, restarts: bool) -> None:
    bad_days = (2, 3, 5, 7, 8)
    days = [right(0), right(1), *(wrong(day, realized=BAD if day in bad_days else {}) for day in range(2, 9))]
    days += [right(9), right(10), right(11)]
    with watched(tmp_path, policies=ALONE) as watch:
        told = watch_days(watch, days[:7])
        told += [] if restarts else watch_days(watch, days)
    if restarts:
        with watched(tmp_path, policies=ALONE) as again:
            again.look(model(days[:7]))
            told += [(day, kind, names) for day, kind, names in watch_days(again, days) if day > 6]
            alerts = again.alerts.alerts
    else:
        alerts = watch.alerts.alerts
    healthy = next(day for day in range(9, 12) if unwrap(model(days[: day + 1]).verdict).state == "healthy")
    assert [(day, kind) for day, kind, _ in told] == [(2, "opened"), (healthy, "resolved")]
    assert len(alerts) == 1


def test_a_policy_about_the_same_fault_is_listed_in_the_next_message_and_another_fault_is_not(tmp_path: Path) -> None:
    policies = {"data": DATA, "low": {**LOW, "in_a_row": 3}, "late": {**LATE, "severity": "critical"}}
    days = [right(0), wrong(1, realized=BAD), *(wrong(day, realized=BAD) for day in (2, 3))]
    days += [wrong(4, realized=BAD, coverage=0.3), right(5), right(6), right(7)]
    with watched(tmp_path, policies=policies) as watch:
        told = watch_days(watch, days)
        sent = {message.id for message in watch.sent}
        listed = [message.kind for message in watch.alerts.messages.values() if message.id not in sent]
    assert [(kind, names) for _, kind, names in told] == [
        ("opened", ["health"]),
        ("joined", ["late"]),
        ("resolved", ["health", "low", "late"]),
    ]
    assert listed == ["joined"]
    late = next(message for message in watch.sent if message.kind == "joined")
    assert late.facts["explained"] is False
    assert [alert["policy"] for alert in late.facts["lasting"]] == ["health", "low"]


@pytest.mark.parametrize(("measured", "chance"), [(value(0.8, 0.78, 0.82), True), (value(0.75, 0.73, 0.77), False)])
def test_a_policy_that_the_verdict_does_not_confirm_has_no_advice_of_the_verdict(
    tmp_path: Path, measured: MetricValue, chance: bool
) -> None:
    policies = {"high": {"when": "accuracy < 0.81", "severity": "critical"}}
    reference = {"log_loss": value(0.49), "accuracy": value(0.8, 0.78, 0.82)}
    more = {"reference": reference, "realized": {"accuracy": measured}}
    days = [right(0, **more), right(1, **more)]
    with watched(tmp_path, policies=policies) as watch:
        (message,) = watch.look(model(days))
    verdict, facts = unwrap(model(days).verdict), message.facts
    assert (verdict.state, facts["severity"], facts["explained"]) == ("healthy", "critical", False)
    assert verdict_action(verdict) not in facts["text"]
    assert verdict_step(verdict) not in facts["text"]
    room = no_room("the limit", "accuracy", 0.81, reference)
    assert facts["action"].lower().startswith(room.lower()) is chance
    assert facts["action"] in facts["text"]


def test_the_verdict_is_sent_once_it_explains_an_alert_that_it_did_not(tmp_path: Path) -> None:
    days = [right(0), right(1, realized=BAD), *(wrong(day, realized=BAD) for day in (2, 3, 4))]
    with watched(tmp_path, policies={"low": LOW}) as watch:
        told = watch_days(watch, days)
    assert [(kind, names) for _, kind, names in told] == [("opened", ["low"]), ("joined", ["health"])]
    assert [message.facts["explained"] for message in watch.sent] == [False, True]


def test_a_loss_is_sent_although_the_model_was_degraded_by_failing_calls_before(tmp_path: Path) -> None:
    days = [right(0), right(1), *(wrong(day, realized=BAD) for day in (2, 3, 4))]
    failing = Verdict("degraded", kind="service", since=right(1).window.start)
    with watched(tmp_path, policies={"low": LOW}) as watch:
        watch.deliver(model(days[:2], verdict=failing))
        watch.look(model(days))
        told = [(message.kind, message.facts["verdict_kind"]) for message in watch.sent]
    assert told == [("opened", "service"), ("cause_changed", None)]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(("day", "kinds"), [(1, []), (3, ["joined"])])
def test_a_model_at_risk_for_another_reason_is_told_by_the_policy_that_finds_it(
    tmp_path: Path, restarts: bool, day: int, kinds: list[str]
) -> None:
    policies = {"data": {**DATA, "in_a_row": 3}}
    days = [right(0), *(window(each, **FAULT) for each in (1, 2, 3))]
    risks = [Verdict("at_risk", reasons=(MISSING,), since=window(each).window.start) for each in (1, day)]
    with watched(tmp_path, policies=policies) as watch:
        watch.deliver(model(days[:1]))
        watch.deliver(model(days[:3], verdict=risks[0]))
        told = [] if restarts else watch.look(model(days, verdict=risks[1]))
        assert [one.kind for one in watch.sent[:1]] == ["opened"]
    if restarts:
        with watched(tmp_path, policies=policies) as again:
            told = again.look(model(days, verdict=risks[1]))
    assert [one.kind for one in told] == kinds


def test_a_policy_of_a_degradation_that_is_dated_anew_is_listed(tmp_path: Path) -> None:
    days = [right(0), *(wrong(day) for day in (1, 2, 3)), *(wrong(day, realized=BAD) for day in (20, 21, 22))]
    first, second = (Verdict("degraded", since=wrong(day).window.start) for day in (1, 20))
    with watched(tmp_path, policies={"low": LOW}) as watch:
        watch.deliver(model(days[:4], verdict=first))
        assert watch.look(model(days, verdict=second)) == []
        assert [(one.kind, one.facts.get("policy")) for one in watch.alerts.messages.values()][1:] == [("joined", None)]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_recovery_and_a_new_fault_between_two_looks_are_an_end_and_another_alert(
    tmp_path: Path, restarts: bool
) -> None:
    days = [right(0), right(1), *(wrong(day) for day in (2, 3, 4)), *(right(day) for day in range(5, 12))]
    days += [wrong(day) for day in (12, 13, 14)]
    with watched(tmp_path) as watch:
        watch.look(model(days[:2]))
        watch.look(model(days[:5]))
        messages = [] if restarts else watch.look(model(days))
    with watched(tmp_path) as again:
        messages += again.look(model(days))
        assert again.look(model(days)) == []
        assert [one.open for one in again.alerts.alerts.values()] == [False, True]
    assert [*map(headline, messages)] == [
        "opened late degraded 2013-07-13",
        "resolved late degraded 2013-07-03 2013-07-06",
    ]


@pytest.mark.parametrize(("cool_down", "kinds"), [("6d", ["opened", "resolved"]), ("9d", [])])
def test_a_recovery_between_two_looks_that_is_shorter_than_the_cool_down_is_no_end(
    tmp_path: Path, cool_down: str, kinds: list[str]
) -> None:
    days = [right(0), right(1), *(wrong(day) for day in (2, 3, 4)), *(right(day) for day in range(5, 12))]
    days += [wrong(day) for day in (12, 13, 14)]
    with watched(tmp_path, policies={"health": {"cool_down": cool_down}}) as watch:
        watch.look(model(days[:2]))
        watch.look(model(days[:5]))
        assert [one.kind for one in watch.look(model(days))] == kinds


def test_a_new_fault_after_the_model_was_healthy_is_sent_although_another_alert_lasts(tmp_path: Path) -> None:
    policies = {"few": {"when": "predictions < 100", "severity": "critical"}}
    days = [right(0, rows=50), *(wrong(day, rows=50) for day in (1, 2)), *(right(day, rows=50) for day in (3, 4, 5))]
    days += [wrong(day, rows=50) for day in (6, 7, 8)]
    with watched(tmp_path, policies=policies) as watch:
        told = watch_days(watch, days)
    assert [(kind, names) for _, kind, names in told if "health" in names] == [
        ("joined", ["health"]),
        ("eased", ["health"]),
        ("joined", ["health"]),
    ]


COLUMN = Finding("missing", ("age",), "critical", 0.02, 1.0, 1e-12)


@pytest.mark.parametrize(
    ("state", "more", "subjects", "same"),
    [
        ("degraded", {}, ("accuracy",), True),
        ("degraded", {}, ("verdict",), True),
        ("degraded", {}, ("coverage",), False),
        ("degraded", {}, ("business ctr",), False),
        ("degraded", {}, ("latency_p99",), False),
        ("degraded", {"kind": "service"}, ("latency_p99",), True),
        ("degraded", {"kind": "service"}, ("accuracy",), False),
        ("degraded", {"slice": "country=NL"}, ("accuracy", "slice:country=NO"), False),
        ("degraded", {"slice": "country=NL"}, ("accuracy", "slice:country=NL"), True),
        ("degraded", {"cause": COLUMN}, ("psi of age", "column:age"), True),
        ("degraded", {"cause": COLUMN}, ("psi of plan", "column:plan"), False),
        ("degraded", {"cause": COLUMN}, ("columns_drift", "column:age", "business ctr"), False),
        ("at_risk", {}, ("accuracy",), False),
        ("at_risk", {}, ("estimated roc_auc",), True),
        ("at_risk", {"reasons": (COLUMN,)}, ("missing", "column:age"), True),
        ("healthy", {"cause": COLUMN}, ("psi of age", "column:age"), False),
        ("unknown", {}, ("verdict",), False),
    ],
)
def test_a_verdict_explains_what_it_names(
    state: VerdictState, more: dict[str, Any], subjects: tuple[str, ...], same: bool
) -> None:
    assert explains(Verdict(state, **more), subjects) is same
    assert not explains(None, subjects)


def test_an_alert_ends_when_the_verdict_says_that_the_model_became_healthy(tmp_path: Path) -> None:
    days = [right(0), wrong(1), wrong(2)]
    view = model([*days, right(3), right(4), right(5), right(6)])
    inverted = structs.replace(unwrap(model(days).verdict), since=days[1].window.start)
    healthy = structs.replace(unwrap(view.verdict), since=right(4).window.start)
    with watched(tmp_path) as watch:
        # only the days together show the fault, so no window has it once it is over
        watch.look(model([right(0)]))
        watch.look(model([right(0), right(1), right(2)], verdict=inverted))
        (end,) = watch.look(model([right(day) for day in range(7)], verdict=healthy))
    assert (end.kind, end.facts["until"]) == ("resolved", "2013-07-05T00:00:00Z")
    assert ending_words("revised") not in end.facts["text"]


def test_a_fault_that_joins_a_degradation_is_sent_once_and_the_first_cause_stays(tmp_path: Path) -> None:
    recoded = Finding("recoded", ("plan",), "critical", 0.0, 1.0, 1e-12)
    worse: dict[str, Any] = {"realized": {"log_loss": value(0.9, 0.87, 0.93)}, "findings": [MISSING, recoded]}
    days = [right(0), right(1), *(wrong(day, clear=True, **FAULT) for day in range(2, 8))]
    days += [wrong(day, clear=True, **worse) for day in range(8, 13)]
    with watched(tmp_path) as watch:
        told = watch_days(watch, days)
        assert watch.look(model(days)) == []
    assert [(day, kind) for day, kind, _ in told] == [(2, "opened"), (8, "joined")]
    opened, joined = (message.facts for message in watch.sent)
    assert (opened["verdict_since"], opened["cause"]) == (joined["verdict_since"], joined["cause"])
    assert joined["title"].startswith("Also: late: 100 % of values in plan are new texts")
    assert joined["title"].endswith(" since 9 July 2013, which made it worse")
    assert (opened["joined"], joined["joined"]) == ([], ["recoded:plan"])
    assert lacking(joined["text"], "plan", "age", "1. ", "2. ") == []


RECODED = Finding("recoded", ("plan",), "critical", 0.0, 1.0, 1e-12)
WORSE = {"log_loss": value(0.9, 0.87, 0.93)}
FIRST: dict[str, Any] = {"clear": True, "findings": [MISSING]}
BOTH: dict[str, Any] = {"clear": True, "findings": [MISSING, RECODED], "realized": WORSE}
SECOND: dict[str, Any] = {"clear": True, "findings": [RECODED]}


def course(*faults: dict[str, Any]) -> list[Evaluation]:
    """Return two healthy days, then a degraded one with each fault, then three healthy days."""
    bad = [wrong(2 + at, **fault) for at, fault in enumerate(faults)]
    return [right(0), right(1), *bad, *(right(len(bad) + day) for day in (2, 3, 4))]


def stated(messages: Sequence[Message]) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """Return the kind of each message, with role and subject of the findings that it states, and whether one lasts."""
    return [
        (one.kind, [(each["role"], each["subject"], each["until"] is None) for each in one.facts["findings"]])
        for one in messages
    ]


@pytest.mark.parametrize("restarts", [False, True])
def test_one_of_two_faults_that_is_over_is_one_message_while_the_other_stays(tmp_path: Path, restarts: bool) -> None:
    days = course(*[FIRST] * 6, *[BOTH] * 5, *[FIRST] * 5)
    sent, told = list[Message](), list[tuple[int, str]]()
    for some in [range(day, day + 1) for day in range(len(days))] if restarts else [range(len(days))]:
        with watched(tmp_path) as watch:
            for day in some:
                told += [(day, message.kind) for message in watch.look(model(days[: day + 1]))]
                watch.deliver(model(days[: day + 1]))
        sent += watch.sent
    assert told == [(2, "opened"), (8, "joined"), (14, "recovered"), (19, "resolved")]
    assert stated(sent)[2] == ("recovered", [("cause", "missing:age", True), ("joined", "recoded:plan", False)])
    facts = sent[2].facts
    assert facts["title"].startswith("Partly recovered: late: 100 % of values in plan are new texts")
    assert facts["title"].endswith(" from 9 to 13 July 2013, which made it worse")
    assert "age" in facts["action"]
    assert "plan" not in facts["action"]


def test_the_first_of_two_faults_that_is_over_is_one_message_and_the_second_stays(tmp_path: Path) -> None:
    days = course(*[FIRST] * 6, *[BOTH] * 5, *[SECOND] * 5)
    with watched(tmp_path) as watch:
        told = watch_days(watch, days)
    assert [(day, kind) for day, kind, _ in told] == [(2, "opened"), (8, "joined"), (14, "recovered"), (19, "resolved")]
    assert stated(watch.sent)[2] == ("recovered", [("cause", "missing:age", False), ("joined", "recoded:plan", True)])
    facts = watch.sent[2].facts
    was = "the first cause, from 3 to 13 July 2013: age never arrived (before, 2 % of its values were missing)"
    assert facts["title"] == f"Partly recovered: late: {was}"
    assert "plan" in facts["action"]
    assert "age" not in facts["action"]


def test_a_cause_that_late_outcomes_change_is_one_message_and_none_while_past_windows_are_awaited(
    tmp_path: Path,
) -> None:
    before = [right(0), right(1), *(wrong(day, **FIRST) for day in range(2, 6))]
    after = [right(0), right(1), *(wrong(day, **SECOND) for day in range(2, 6))]
    with watched(tmp_path) as watch:
        watch_days(watch, before)
        assert watch.look(model(after, pending_windows=3)) == []
        (changed,) = watch.look(model(after))
        assert watch.look(model(after)) == []
        (back,) = watch.look(model(before))
    with watched(tmp_path) as again:
        assert again.look(model(before)) == []
    assert [kind for kind, _ in stated(watch.sent)] == ["opened", "cause_changed", "cause_changed"]
    assert changed.facts["title"].startswith(
        "Cause changed: late: since 3 July 2013, 100 % of values in plan are new texts"
    )
    assert "Earlier messages named another cause." in changed.facts["text"]
    assert back.facts["title"].startswith("Cause changed: late: since 3 July 2013, age never arrived")


def test_a_fault_that_late_outcomes_remove_and_show_again_is_told_once(tmp_path: Path) -> None:
    one = [right(0), right(1), *(wrong(day, **FIRST) for day in range(2, 10))]
    both = [*one[:6], *(wrong(day, **BOTH) for day in range(6, 10))]
    with watched(tmp_path) as watch:
        watch.look(model(one[:2]))
        kinds = [message.kind for days in (one, both, one, both) for message in watch.look(model(days))]
    assert kinds == ["opened", "joined"]


def test_a_degradation_whose_first_windows_left_the_memory_has_no_further_message(tmp_path: Path) -> None:
    days = course(*[FIRST] * 6, *[BOTH] * 8)[:-3]
    record = Record(days[:10])
    with watched(tmp_path) as watch:
        watch.look(model(days[:2]))
        watch.look(model(days[:10], record=record))
        for day in range(11, len(days) + 1):
            kept = days[day - 4 : day]
            record = record.revised(kept, record.context)
            watch.look(model(kept, verdict=record.now((), None, None), record=record))
    assert [kind for kind, _ in stated(watch.sent)] == ["opened"]
    assert stated(watch.sent)[0][1] == [("cause", "missing:age", True), ("joined", "recoded:plan", True)]
