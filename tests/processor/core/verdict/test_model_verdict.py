"""The verdict of a model: which window decides, when a state turns, what traffic adds, and versions folded to one."""

from __future__ import annotations

from typing import Any

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, ServiceLevel, Verdict, VerdictState
from driftline_processor.core.service_level.failing import EARLIER, service_failing
from driftline_processor.core.verdict.model import RULES
from driftline_processor.core.verdict.parts import ModelPart, fold_verdicts
from driftline_processor.core.verdict.record import Record
from driftline_processor.core.verdict.traffic import Traffic
from driftline_processor.core.verdict.undecided import labels_needed
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.verdict import verdict_action, verdict_headline
from msgspec.structs import replace

from tests.support.paths import ROOT
from tests.support.unwrap import of_type
from tests.support.verdict_windows import (
    DAY,
    JULY,
    change,
    column,
    explained,
    known,
    objective,
    right,
    value,
    verdict_of_model,
    window,
    wrong,
)

HOUR = DAY // 24
DRIFT: dict[str, Any] = {"features": {"temp": column(p=0.001)}, "explanation": explained()}
CLEAR: dict[str, Any] = {"features": {"temp": column(p=1e-12)}, "explanation": explained()}
OTHER: dict[str, Any] = {"features": {"wind": column(p=1e-4, name="wind")}}
YOUNG: dict[str, Any] = {"young": True, "maturity": "immature", "immature": "they take 3d"}
FEW_BEFORE = known(0, {"log_loss": change("inconclusive", 0.1, -0.3, 0.5, reason="too_few_rows")})
FEW = known(2, {"log_loss": change("inconclusive", 0.1, -0.3, 0.5, reason="too_few_rows")})


def day(number: int) -> int:
    return JULY + number * DAY


@pytest.mark.parametrize(
    ("windows", "state", "since"),
    [
        ([], "unknown", None),
        ([right(0)], "healthy", 0),
        ([wrong(0)], "degraded", 0),
        ([right(0), right(1), right(2)], "healthy", 0),
        ([right(0), wrong(1), wrong(2)], "degraded", 1),
        ([right(0), wrong(1, clear=True)], "degraded", 1),
        ([right(0), wrong(1)], "healthy", 0),
        ([right(0), wrong(1, stands_out=True)], "at_risk", 1),
        ([right(0), wrong(1, stands_out=True), FEW], "healthy", 0),
        ([right(0), wrong(1), right(2)], "healthy", 0),
        ([wrong(0), right(1)], "degraded", 0),
        ([wrong(0), right(1), right(2)], "healthy", 1),
        ([wrong(0), right(1), wrong(2)], "degraded", 0),
        ([FEW_BEFORE, wrong(1)], "unknown", 1),
        ([FEW_BEFORE, wrong(1, stands_out=True)], "at_risk", 1),
        ([FEW_BEFORE, wrong(1, clear=True)], "degraded", 1),
        ([FEW_BEFORE, wrong(1), wrong(2)], "degraded", 1),
        ([FEW_BEFORE, wrong(1), FEW], "unknown", 2),
        ([right(0), window(1, **YOUNG)], "healthy", 0),
        ([right(0), window(1, **YOUNG, **DRIFT)], "healthy", 0),
        ([right(0), window(1, **YOUNG, **DRIFT), window(2, **YOUNG, **DRIFT)], "at_risk", 1),
        ([right(0), window(1, **YOUNG, **DRIFT), window(2, **YOUNG, **OTHER)], "healthy", 0),
        ([window(0), window(1, **DRIFT), window(2, **OTHER)], "unknown", 2),
        ([window(0), window(1, **OTHER), window(2, **DRIFT), window(3, **DRIFT)], "at_risk", 2),
        ([window(0), window(1, **DRIFT), window(9, **CLEAR)], "at_risk", 9),
        ([right(0), window(1, **YOUNG, **CLEAR)], "at_risk", 1),
        ([right(0), window(1, **YOUNG, **CLEAR), window(2, **YOUNG)], "at_risk", 1),
        ([right(0), window(1, **YOUNG, **CLEAR), window(2, **YOUNG), window(3, **YOUNG)], "healthy", 0),
        ([right(0), window(1, **YOUNG, **CLEAR), right(2)], "healthy", 0),
        ([wrong(0), window(1, **YOUNG, **CLEAR)], "degraded", 0),
        ([window(0, **DRIFT)], "at_risk", 0),
        ([window(0), window(1, **DRIFT)], "unknown", 1),
        ([right(0), window(1)], "healthy", 0),
        ([right(0), window(1), window(2)], "unknown", 1),
        ([right(0), window(1), window(2, rows=0)], "healthy", 0),
        ([right(0), window(1), right(2), window(3)], "healthy", 0),
        ([wrong(0), window(1), window(2)], "degraded", 0),
        ([right(0), wrong(1, clear=True, closed=False)], "healthy", 0),
        ([window(0, closed=False, maturity="open")], "unknown", 0),
    ],
)
def test_which_window_decides(windows: list[Evaluation], state: str, since: int | None) -> None:
    for given in (windows, windows[::-1]):
        verdict = verdict_of_model(given)
        assert (verdict.state, verdict.since) == (state, None if since is None else day(since))


def hour(number: int, state: str, clear: bool = False, **more: Any) -> Evaluation:
    """Return an hour of 1 July: 23 is its last."""
    of_state = right if state == "healthy" else wrong
    made = of_state(0, **({"clear": True} if clear else {}), **more)
    start = JULY + number * HOUR
    return replace(made, window=Window("1h", start, start + HOUR))


def test_the_newest_of_several_lengths_decides_and_the_longer_one_at_the_same_end() -> None:
    month, week = right(0, length=31, name="1mo"), right(24, length=7, name="1w")
    assert verdict_of_model([month, week]).since == day(0)
    assert verdict_of_model([month, right(31, length=7, name="1w")]).since == day(31)
    assert verdict_of_model([month, wrong(31, length=7, name="1w")]).state == "degraded"


def test_a_loss_lasts_until_windows_after_it_that_could_see_it_show_none() -> None:
    month = wrong(0, length=31, name="1mo")
    weeks = [right(7 * at, length=7, name="1w") for at in range(4)]
    assert verdict_of_model([month, *weeks]).state == "degraded"
    assert verdict_of_model([month, *weeks, right(28, length=7, name="1w")]).state == "degraded"  # rows of the month
    after = right(31, length=7, name="1w")
    assert verdict_of_model([month, *weeks, after]).state == "healthy"
    blind = {"log_loss": change("not_worse", 0.01, -0.15, 0.17)}  # as wide as the month's, and not a loss of its margin
    unseen = [replace(right(at, length=7, name="1w"), realized_changes=blind) for at in (31, 38, 45)]
    assert verdict_of_model([month, *unseen[:2]]).state == "degraded"
    assert verdict_of_model([month, *unseen]).state == "healthy"  # a loss of .05 as one period, the margin
    fine = right(0, length=31, name="1mo")
    assert verdict_of_model([fine, wrong(24, length=7, name="1w")]).state == "healthy"  # it may be chance
    assert verdict_of_model([fine, wrong(24, True, length=7, name="1w")]).state == "degraded"


@pytest.mark.parametrize(
    ("states", "state", "since"),
    [
        ("rrw", "healthy", 0),
        ("rrww", "healthy", 0),
        ("rrwww", "degraded", 2),
        ("rrwwrww", "healthy", 0),
        ("rrW", "at_risk", 2),
        ("rrWw", "degraded", 2),
        ("rrwW", "degraded", 2),
        ("w", "degraded", 0),
        ("wr", "healthy", 1),
        ("wwwrr", "degraded", 0),
        ("wwwrrr", "healthy", 3),
    ],
)
def test_hours_take_three_in_a_row_or_a_clear_one_and_another(states: str, state: str, since: int) -> None:
    windows = [hour(at, "healthy" if one == "r" else "degraded", clear=one == "W") for at, one in enumerate(states)]
    verdict = verdict_of_model(windows)
    assert (verdict.state, verdict.since) == (state, JULY + since * HOUR)


def test_a_service_that_clearly_fails_counts_at_once_in_an_hour_too() -> None:
    fails = replace(hour(2, "healthy"), service=ServiceLevel(1_000, 500, {}, {"error_rate": value(0.5, 0.47, 0.53)}))
    verdict = verdict_of_model([hour(0, "healthy"), hour(1, "healthy"), fails])
    assert (verdict.state, verdict.metric) == ("degraded", "error_rate")


def test_what_hours_show_and_do_not_prove_has_how_many_more_it_takes() -> None:
    risk = verdict_of_model([hour(0, "healthy"), hour(1, "degraded", clear=True)])
    assert risk.reasons[1] == facts.ChancePossible(windows=1)
    assert risk.certainty[-1] == facts.ToBeConfirmed(by_one=False)
    back = verdict_of_model([*(hour(at, "degraded") for at in range(3)), hour(3, "healthy")])
    assert (of_type(back.now, facts.Now).healthy, of_type(back.now, facts.Now).left) == (1, 2)
    nearly = verdict_of_model([*(hour(at, "degraded") for at in range(3)), hour(3, "healthy"), hour(4, "healthy")])
    assert (of_type(nearly.now, facts.Now).healthy, of_type(nearly.now, facts.Now).left) == (2, 1)


def test_a_state_that_is_not_confirmed_yet_has_what_would_confirm_it() -> None:
    verdict = verdict_of_model([right(0), wrong(1, stands_out=True)])
    assert (verdict.state, verdict.since, verdict.of_window) == ("at_risk", day(1), False)
    first, chance_possible = verdict.reasons
    moved = of_type(first, facts.MetricMoved)
    assert [moved.change, moved.low, moved.high, moved.value] == pytest.approx([0.2, 0.1, 0.3, 0.69])
    assert chance_possible == facts.ChancePossible(windows=1)
    assert isinstance(of_type(verdict.advice, facts.LookAgain).then, facts.Recalibrate)
    assert verdict.certainty[-1] == facts.ToBeConfirmed(by_one=True)
    chance = of_type(verdict_of_model([right(0), wrong(1)]).certainty[-1], facts.NewestMayBeChance)
    shown = of_type(chance.shown, facts.MetricMoved)
    assert (shown.change, shown.low, shown.high, shown.value) == (0.2, 0.02, 0.38, 0.69)
    back = of_type(verdict_of_model([wrong(0), right(1)]).now, facts.Now)
    assert (back.healthy, back.left) == (1, 1)


def test_a_healthy_model_has_up_to_when_that_is_known() -> None:
    verdict = verdict_of_model([right(0), window(1, **YOUNG)])
    assert verdict.certainty[-1] == facts.KnownUntil(end=day(1), timezone="UTC")
    risk = verdict_of_model([right(0), window(1, **YOUNG, **CLEAR)])
    assert risk.certainty[-1] == facts.HealthyUntil(end=day(1), timezone="UTC")


def test_windows_that_are_no_longer_kept_leave_since_to_the_verdict_before() -> None:
    before = verdict_of_model([right(0), wrong(1), wrong(2)])
    assert verdict_of_model([wrong(2), wrong(3)], previous=before).since == day(1)
    assert verdict_of_model([right(2), wrong(3)], previous=before).state == "degraded"
    assert verdict_of_model([right(2), right(3)], previous=before).since == day(2)
    assert verdict_of_model([right(0), wrong(1), wrong(2), right(3), right(4)], previous=before).since == day(3)


@pytest.mark.parametrize(("state", "since"), [("healthy", 0), ("degraded", 0), ("at_risk", 2), ("unknown", 2)])
def test_after_a_risk_a_model_is_healthy_since_the_window_that_shows_it(state: VerdictState, since: int) -> None:
    verdict = verdict_of_model([right(0), window(1), right(2)], previous=Verdict(state, day(-1)))
    assert (verdict.state, verdict.since) == ("healthy", day(-1) if state == "healthy" else day(since))


def test_a_risk_that_follows_another_state_begins_after_the_last_healthy_window() -> None:
    open_change = {"log_loss": change("inconclusive", 0.02, -0.04, 0.08)}
    week = known(-6, open_change, length=7, name="1w", outcome_rows=28_000, **CLEAR)
    risk = verdict_of_model([right(-2), week], previous=Verdict("healthy", day(-9)))
    assert (risk.state, risk.since) == ("at_risk", day(-1))
    assert verdict_of_model([right(-2), week], previous=Verdict("at_risk", day(-3))).since == day(-3)


def test_an_unknown_model_is_described_by_its_most_informative_newest_window() -> None:
    month = known(-30, {"log_loss": change("inconclusive", 0.02, -0.01, 0.06)}, length=28, name="1mo")
    week = known(-4, {"log_loss": change("inconclusive", 0.1, -0.4, 0.6)}, length=7, name="1w", outcome_rows=1)
    assert verdict_of_model([month, week]).window_start == day(-30)
    late = known(31, {"log_loss": change("inconclusive", 0.1, -0.4, 0.6)}, length=7, name="1w", outcome_rows=1)
    assert verdict_of_model([month, week, late]).window_start == day(31)


def test_a_begin_after_a_risk_stays() -> None:
    assert verdict_of_model([right(0), right(2), right(3)], previous=Verdict("healthy", day(2))).since == day(2)


@pytest.mark.parametrize(
    ("traffic", "state"),
    [
        (Traffic(now=day(9)), "healthy"),
        (Traffic(now=day(9), silent_since=day(8), pause=HOUR), "no_data"),
        (Traffic(now=day(9), silent_since=day(8), pause=HOUR, waiting=3, waiting_since=day(8)), "no_data"),
        (Traffic(now=day(9), waiting=3, waiting_since=day(8)), "lagging"),
        (Traffic(now=day(9), silent_since=day(8), waiting=3, waiting_since=day(8)), "no_data"),
        (Traffic(now=day(9), waiting=3, waiting_since=day(9) - HOUR, patience=2 * HOUR), "healthy"),
        (Traffic(now=day(9), waiting=0, waiting_since=day(8)), "healthy"),
    ],
)
def test_silence_and_backlog_go_before_everything_but_a_wrong_model(traffic: Traffic, state: str) -> None:
    assert verdict_of_model([right()], traffic).state == state
    assert verdict_of_model([wrong()], traffic).state == "degraded"


def test_silence_and_backlog_have_since_when_and_how_much() -> None:
    silent = verdict_of_model([right()], Traffic(now=day(9), silent_since=day(8), pause=HOUR))
    assert (silent.since, silent.reasons) == (day(8), (facts.NoPrediction(pause=HOUR),))
    assert silent.advice == facts.CheckService()
    lagging = verdict_of_model([right()], Traffic(now=day(9), waiting=1, waiting_since=day(8)))
    assert (lagging.since, lagging.reasons) == (day(8), (facts.WindowsWait(windows=1),))
    assert lagging.advice == facts.WaitOrAddProcessor()


def test_a_drift_that_lasts_puts_at_risk_from_its_beginning_or_from_the_last_window_that_was_right() -> None:
    lasting: dict[str, Any] = {**CLEAR, "incident": {"feature:temp": day(-5)}}
    assert verdict_of_model([window(0, **lasting), window(1, **lasting)]).since == day(-5)
    assert verdict_of_model([right(0), window(1, **lasting)]).since == day(1)


def test_a_window_without_power_neither_turns_nor_ends_a_state() -> None:
    assert verdict_of_model([right(1), FEW]).state == "healthy"
    assert verdict_of_model([right(1), FEW, replace(FEW, window=replace(FEW.window, end=day(4)))]).state == "healthy"
    assert verdict_of_model([wrong(0), wrong(1), FEW, wrong(3)]).since == day(0)


def test_two_bad_windows_are_none_in_a_row_where_one_between_does_not_show_the_loss() -> None:
    assert verdict_of_model([right(0), wrong(1), FEW, wrong(3)]).state == "healthy"
    assert verdict_of_model([right(0), wrong(1), FEW, wrong(3), wrong(4)]).since == day(3)


def test_what_the_outcomes_showed_to_be_harmless_is_no_risk_while_it_lasts() -> None:
    lasting: dict[str, Any] = {**CLEAR, "incident": {"feature:temp": day(0)}}
    later = [window(at, **YOUNG, **lasting) for at in (1, 2)]
    known_harmless = verdict_of_model([right(0, **lasting), *later])
    assert known_harmless.state == "healthy"
    assert known_harmless.reasons[-1].kind == "harmless_cause"
    assert verdict_of_model([right(0), *later]).state == "at_risk"
    other: dict[str, Any] = {"features": {**CLEAR["features"], "wind": column(name="wind", p=1e-12)}}
    assert verdict_of_model([right(0, **lasting), window(1, **YOUNG, **other)]).state == "at_risk"


def test_a_drift_that_grew_since_outcomes_showed_it_to_be_harmless_is_a_risk_again() -> None:
    moved: list[dict[str, Any]] = [
        {"features": {"temp": column(effect=effect, p=1e-12)}} for effect in (0.2, 0.29, 0.31)
    ]
    later = [window(at, **YOUNG, **moved[at]) for at in (1, 2)]
    assert verdict_of_model([right(0, **moved[0]), later[0]]).state == "healthy"
    assert verdict_of_model([right(0, **moved[0]), later[1]]).state == "at_risk"


def test_drift_in_most_days_of_a_healthy_week_is_harmless_and_that_of_one_day_is_unknown() -> None:
    moved: dict[str, Any] = {"features": {"temp": column(effect=0.5, p=1e-12)}}
    week = replace(right(0), window=Window("1w", JULY, JULY + 7 * DAY), rows=35_000, outcome_rows=20_000)
    later = [window(at, **YOUNG, **moved) for at in (7, 8)]
    few = {"log_loss": change("inconclusive", 0.1, -0.3, 0.5, reason="too_few_rows")}
    for days_of_drift, state in ((range(3, 7), "healthy"), (range(6, 7), "at_risk")):
        inside = [known(at, few, **(moved if at in days_of_drift else {})) for at in range(7)]
        assert verdict_of_model([*inside, week, *later]).state == state


def test_a_risk_keeps_its_begin_while_outcomes_do_not_show_its_drift_to_be_harmless() -> None:
    lasting: dict[str, Any] = {**CLEAR, "incident": {"feature:temp": day(1)}}
    risk = [window(at, **YOUNG, **lasting) for at in (1, 2, 3)]
    week = replace(right(-5), window=Window("1w", day(-5), day(2)), rows=35_000)
    assert verdict_of_model([week, *risk]).since == day(2)
    for before, since in (("at_risk", day(1)), ("healthy", day(2))):
        assert verdict_of_model([week, *risk], previous=Verdict(before, day(1))).since == since  # type: ignore[arg-type]


def served(at: int, failed: int) -> Evaluation:
    share = failed / 5_000
    rate = value(share, share * 0.8, share * 1.2)
    level = ServiceLevel(5_000, failed, {"TimeoutError": failed} if failed else {}, {"error_rate": rate})
    return right(at, service=level)


def test_calls_that_fail_more_than_in_the_windows_before_make_it_wrong_for_as_long_as_they_do() -> None:
    usual = [served(at, 10) for at in range(6)]
    assert verdict_of_model(usual).state == "healthy"
    verdict = verdict_of_model([*usual, served(6, 100)])
    assert verdict.state == "degraded"
    failing = of_type(verdict.reasons[0], facts.ServiceFailing)
    assert (failing.value, failing.calls) == (0.02, 5_000)
    assert verdict_of_model([served(6, 100)]).state == "healthy", "no window before says what is usual"
    later = [*usual, *(served(at, 100) for at in range(6, 14))]
    assert (verdict_of_model(later).state, verdict_of_model(later).since) == ("degraded", day(6))
    assert [row.state for row in Record(later).rows] == ["healthy"] * 6 + ["degraded"] * 8


def test_calls_that_always_failed_as_often_are_no_news() -> None:
    often = [served(at, 400) for at in range(4)]
    assert verdict_of_model(often).state == "degraded"
    seldom = [served(at, 200) for at in range(8)]
    assert verdict_of_model([*seldom, served(8, 350)]).state == "healthy"
    assert verdict_of_model([served(8, 350)]).state == "degraded", "one in twenty surely fails"


def test_calls_that_last_longer_make_no_model_wrong_without_an_objective() -> None:
    slow = [right(at, service=lasting(0.02 if at < 6 else 0.2)) for at in range(8)]
    assert service_failing(slow[-1], [lasting(0.02)] * EARLIER) is not None
    assert verdict_of_model(slow).state == "healthy"


def lasting(seconds: float) -> ServiceLevel:
    took = value(seconds, 0.9 * seconds, 1.1 * seconds)
    return ServiceLevel(5_000, 0, values={"error_rate": value(0.0, 0.0, 0.001), "latency_p95": took})


def test_outcomes_that_nothing_is_compared_with_came_all_the_same() -> None:
    days = [window(day, outcome_rows=4_000, coverage=0.8) for day in range(3)]
    uncompared = verdict_of_model(days)
    assert (uncompared.state, uncompared.reasons) == ("unknown", (facts.NoObjective(),))
    assert uncompared.certainty == (facts.NothingShowsEither(), facts.OutcomesWithoutObjective())
    assert verdict_of_model([window(0)]).certainty[-1] == facts.NoWindowBefore()


STATES: tuple[VerdictState, ...] = ("degraded", "no_data", "lagging", "at_risk", "unknown", "healthy")


def part(state: VerdictState, version: str = "1", environment: str = "", rows: int = 100, days: int = 0) -> ModelPart:
    return ModelPart(ModelKey("late", version, environment), Verdict(state), rows, days, days + 1)


def folded(*parts: ModelPart) -> Verdict:
    found = fold_verdicts(parts)
    assert found is not None
    return found


def test_one_part_is_the_model() -> None:
    assert folded(part("degraded")) == part("degraded").verdict
    assert fold_verdicts([]) is None


@pytest.mark.parametrize("state", STATES)
def test_what_is_wrong_in_one_version_is_wrong(state: VerdictState) -> None:
    told = folded(part(state, "1"), part("degraded", "2", rows=1))
    assert told.state == "degraded"
    assert state in ("degraded", "no_data") or told.version == "2"


def test_the_part_with_most_rows_says_whether_the_model_is_right_or_unknown() -> None:
    assert folded(part("healthy", "1", rows=900), part("unknown", "2", rows=10)).state == "healthy"
    assert folded(part("healthy", "1", rows=10), part("unknown", "2", rows=900)).state == "unknown"
    told = folded(part("healthy", "1", rows=10), part("unknown", "2", rows=900))
    assert (told.state, told.version, told.environment) == ("unknown", "2", None)


def test_a_version_whose_traffic_another_took_over_does_not_count() -> None:
    assert folded(part("degraded", "1", days=0), part("healthy", "2", days=5)).state == "healthy"
    assert folded(part("no_data", "1"), part("healthy", "2")).state == "healthy"
    assert folded(part("no_data", "1"), part("no_data", "2")).state == "no_data"


def test_a_shadow_does_not_count_beside_others() -> None:
    shadow = replace(part("degraded", "2"), answers=False)
    assert folded(part("healthy", "1"), shadow).state == "healthy"
    assert folded(shadow).state == "degraded"


def test_environments_are_named_where_there_are_several() -> None:
    told = folded(part("healthy", environment="prod"), part("degraded", environment="staging"))
    assert (told.version, told.environment) == (None, "staging")
    both = folded(part("healthy", "1", "prod"), part("degraded", "2", "staging"))
    assert (both.version, both.environment) == ("2", "staging")
    silent = folded(part("no_data", environment="prod"), part("healthy", environment="staging"))
    assert silent.state == "no_data"


def test_no_advice_is_given_from_one_window_while_many_wait() -> None:
    """Of forty days that came together, the newest two are evaluated first."""
    days = [wrong(38), wrong(39)]
    behind = verdict_of_model(days, Traffic(now=day(41), waiting=38, pending=38))
    assert (behind.state, behind.advice) == ("degraded", facts.WaitForWindows(windows=38))
    assert verdict_of_model(days, Traffic(now=day(41))).advice != facts.WaitForWindows(windows=38)
    late = Traffic(now=day(41), waiting=3, pending=3)  # labels of three days come late, of forty that are evaluated
    forty = [right(number) for number in range(38)] + days
    assert verdict_of_model(forty, late).advice != facts.WaitForWindows(windows=3)


def faulty(number: int) -> Evaluation:
    """Return a day whose scores are missing in a third of the rows."""
    return replace(silent(number), score=column(kind="score", name="score", missing_was=0.0, missing_now=0.3))


def silent(number: int) -> Evaluation:
    """Return a day with good scores and without outcomes."""
    score = column(state="ok", kind="score", name="score", missing_was=0.0, missing_now=0.0)
    return replace(right(number), score=score, realized_changes={}, outcome_rows=0, coverage=0.0)


def test_a_fault_that_outcomes_do_not_show_is_over_without_outcomes() -> None:
    """Two days with scores end missing scores, and the model is what its outcomes showed before."""
    good, bad = [right(at) for at in range(3)], [faulty(at) for at in (3, 4)]
    assert verdict_of_model([*good, *bad]).state == "degraded"
    assert verdict_of_model([*good, *bad, silent(5)]).state == "degraded"
    after = [*good, *bad, silent(5), silent(6)]
    assert verdict_of_model(after).state != "degraded"
    assert verdict_of_model([*bad, *(silent(at) for at in range(5, 9))]).state == "unknown"
    (fault,) = (one for one in Record(after).episodes() if one.state == "degraded")
    assert (fault.first, fault.last) == (day(4), day(6))


def test_an_unknown_model_is_described_by_the_window_with_most_outcomes_of_the_last_day() -> None:
    undecided = known(0, {"log_loss": change("inconclusive", 0.1, -0.3, 0.5, reason="too_few_rows")}, outcome_rows=480)
    last_hour = replace(
        hour(24, "healthy"), realized_changes={"log_loss": change("inconclusive", 0.9, -0.1, 1.9)}, outcome_rows=20
    )
    verdict = verdict_of_model([undecided, last_hour])
    assert verdict.state == "unknown"
    assert verdict.since == day(0)


def without_scores(at: int, hours: int) -> Evaluation:
    """Return a window of so many hours, from one on, in which a third of the predictions have no score."""
    start = JULY + at * HOUR
    score = replace(column(p=0.5), missing_was=0.0, missing_now=0.33)
    return replace(window(0), score=score, window=Window("1d" if hours == 24 else "1h", start, start + hours * HOUR))


def test_a_fault_that_a_whole_day_showed_before_the_first_hours_in_a_row_began_with_the_day() -> None:
    hours = [without_scores(at, 1) if at >= 43 else hour(at, "healthy") for at in range(48)]
    days = [without_scores(at, 24) for at in (0, 24)]
    assert verdict_of_model(hours).since == JULY + 43 * HOUR
    assert verdict_of_model(hours).window_start == JULY + 47 * HOUR
    verdict = verdict_of_model([*hours, *days])
    assert (verdict.since, verdict.window_start) == (day(0), day(1))  # the day has more rows of the fault
    verdict = verdict_of_model([*hours[24:], days[1]])
    assert (verdict.since, verdict.window_start) == (JULY + 43 * HOUR, JULY + 47 * HOUR)  # the day has others, too


def test_a_healthy_model_whose_newest_window_misses_an_objective_says_so_in_its_headline_and_asks_to_look() -> None:
    missed = objective(metric="availability", number=0.88, low=0.85, high=0.91, rule="availability >= 90 %")
    windows = [*(right(at) for at in range(4)), right(4, objectives=(missed,))]
    verdict = verdict_of_model(windows)
    assert verdict.state == "healthy"
    headline = verdict_headline(verdict)
    assert headline.startswith("Healthy since 1 July 2013: ")
    assert headline.endswith(", but availability 88.0 % misses 'availability >= 90 %' on 5 July 2013")
    assert verdict_action(verdict).startswith("Check the next window")
    assert verdict_of_model(windows[:4]).but is None
    assert verdict_of_model([*windows, right(5)]).but is None


def test_outcomes_are_not_asked_for_an_objective_of_the_service() -> None:
    of_calls = objective("inconclusive", "availability", rule="availability >= 99.9 %", needed=3_688)
    of_outcomes = objective("inconclusive", "precision", needed=120)
    assert labels_needed(window(0, objectives=(of_calls,), reference={})) is None
    assert labels_needed(window(0, objectives=(of_calls, of_outcomes), reference={})) == facts.Needed(
        120, "precision", "precision >= 0.9"
    )


def test_each_rule_has_a_reason_and_its_evidence() -> None:
    assert [rule.name for rule in RULES if not rule.why or not (ROOT / rule.evidence).is_file()] == []
    assert len({rule.name for rule in RULES}) == len(RULES)
