"""Steps: what a condition said of each window, and what followed from that."""

from __future__ import annotations

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.policy.condition import Finding, judge_parts, read_condition
from driftline_processor.core.policy.firing import Patience
from driftline_processor.core.policy.rule import Rule, WindowHistory

from tests.support.unwrap import of_type
from tests.support.verdict_windows import DAY, JULY, column, known, objective, value, verdict_of_model, window, wrong


def accuracy(day: int, number: float | None) -> Evaluation:
    if number is None:
        return window(day)
    return known(day, realized={"accuracy": value(number)})


NUMBERS = [0.9, 0.7, 0.9, 0.7, 0.7, None, 0.9, 0.7, 0.9, 0.9]
WINDOWS = [accuracy(day, number) for day, number in enumerate(NUMBERS)]
BELOW = read_condition("accuracy < 80 %")
TWICE = Patience(2, 2)
HISTORY = WindowHistory({"1d": WINDOWS})


def outcomes(patience: Patience, resolve: str = "") -> list[tuple[str, int]]:
    found = Rule(BELOW, patience, read_condition(resolve) if resolve else None).steps(HISTORY, len(WINDOWS))
    return [(one.outcome, one.count) for one in found]


def test_each_window_says_what_followed_and_how_many_count() -> None:
    assert outcomes(TWICE) == [
        *[("quiet", 0), ("counted", 1), ("quiet", 0), ("counted", 1), ("fired", 2)],
        *[("inconclusive", 0), ("eased", 1), ("lasts", 0), ("eased", 1), ("resolved", 2)],
    ]


def test_a_condition_that_ends_it_is_asked_only_while_it_lasts() -> None:
    assert outcomes(Patience(2, 1), "accuracy > 95 %")[4:] == [
        *[("fired", 2), ("inconclusive", 0), ("lasts", 0), ("lasts", 0), ("lasts", 0), ("lasts", 0)]
    ]


def test_what_fired_is_what_the_steps_end_with() -> None:
    (fired,) = Rule(BELOW, TWICE).firings(HISTORY, None, 0)
    assert (fired.since, fired.fired, fired.until) == (JULY + 3 * DAY, JULY + 5 * DAY, JULY + 8 * DAY)
    *_, last = Rule(BELOW, TWICE).steps(HISTORY, len(WINDOWS))
    assert last.firing == fired


def test_a_verdict_that_is_asked_for_twice_counts_the_first_window() -> None:
    history = WindowHistory({"1d": [wrong(0), wrong(1), wrong(2)]})
    found = Rule(read_condition("verdict is degraded"), Patience(2)).steps(history, 2)
    assert [(one.at, one.outcome, one.count, one.needed) for one in found] == [(1, "fired", 2, 2), (2, "lasts", 3, 2)]


def test_each_sentence_is_judged_by_itself_with_the_numbers_behind_it() -> None:
    drifting = known(1, realized={"accuracy": value(0.9)}, features={"temp": column()})
    both = Finding([drifting], 0, lambda _: verdict_of_model([]))
    drifts = judge_parts(read_condition("features drift"), both)[0]
    assert (drifts.text, drifts.holds, drifts.facts) == (
        "features drift",
        True,
        (facts.ColumnsDrift(names=("temp",)),),
    )
    assert drifts.measured == (facts.ColumnStatistics("temp", {"ks": 0.9}, p_value=1e-9, size="large"),)
    fell = judge_parts(BELOW, both)[0]
    assert (fell.holds, fell.measured) == (False, ())
    compared = of_type(fell.facts[0], facts.SignalCompared)
    assert (compared.value, compared.side) == (0.9, "above")


def test_a_window_that_cannot_tell_says_what_is_missing() -> None:
    asked = {
        "accuracy < 80 %": "signal_unknown",
        "psi of temp > 0.2": "signal_unknown",
        "predictions < 0.5 * last week": "limit_unknown",
        "predictions < average of 7 - 1 deviation": "limit_unknown",
        "features drift": "drift_evaluated",
        "outcomes late": "outcome_agreement_unknown",
        "objective broken": "no_objective_evaluated",
    }
    bare = Finding([window(0)], 0, lambda _: verdict_of_model([]))
    assert {text: read_condition(text).judge(bare).facts[0].kind for text in asked} == asked
    assert {read_condition(text).judge(bare).holds for text in asked} == {None}


def test_firings_of_two_lengths_of_windows_are_in_the_order_of_their_times() -> None:
    fixed = [window(day, objectives=(objective("broken" if day == 3 else "met"),)) for day in range(5)]
    broken = objective(rolling=True, since=JULY + DAY, until=JULY + DAY + 3600 * 10**9)
    rule = Rule(read_condition("objective broken"), Patience())
    history = WindowHistory({"1d": fixed, "1h": [window(1, name="1h", objectives=(broken,))]})
    found = rule.firings(history, None, 0)
    assert [(one.window, one.fired) for one in found] == [("1h", broken.until), ("1d", JULY + 4 * DAY)]
    assert [one.at for one in rule.rule_of(history, "1h").steps(history, 9)] == [0]
    assert rule.rule_of(history, "1d").judged_in(history) == fixed
