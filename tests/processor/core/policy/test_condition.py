"""Conditions as people write them: what each asks of a window, and what is wrong with those that are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    Estimate,
    Evaluation,
    SlaResult,
    SlicePerformance,
    TrackRecord,
    Verdict,
)
from driftline_processor.core.fairness.criteria import FairnessRule, GroupCounts, judge_fairness
from driftline_processor.core.intervals.gradients import ConfusionTable
from driftline_processor.core.policy.condition import AllOf, AnyOf, Finding, VerdictIs, read_condition
from driftline_processor.core.policy.firing import Patience
from driftline_processor.core.policy.rule import Rule, WindowHistory
from driftline_processor.core.windows.window import HOUR, Window
from driftline_processor.present.sentences.policies import found_words
from msgspec.structs import replace

from tests.support.facts import Facts, lacking
from tests.support.unwrap import of_type
from tests.support.verdict_examples import verdict_of_window
from tests.support.verdict_windows import MISSING, column, known, objective, value, window


def judged(text: str, *windows: Evaluation, significant: bool = False) -> bool | None:
    """Return what a condition says of the newest of some windows."""
    finding = Finding(windows, len(windows) - 1, verdict_of_window)
    return read_condition(text, significant=significant).judge(finding).holds


def accurate(day: int, number: float, low: float | None = None, high: float | None = None, **more: Any) -> Evaluation:
    return known(day, realized={"accuracy": value(number, low, high)}, **more)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("accuracy < 85 %", True),
        ("accuracy < 0.85", True),
        ("accuracy <= 0.8", True),
        ("accuracy < 0.8", False),
        ("accuracy > 80 %", False),
        ("accuracy >= 80 %", True),
        ("  accuracy   <  85% ", True),
        ("precision < 0.5", None),
    ],
)
def test_a_metric_is_compared_with_a_number_in_its_unit(text: str, holds: bool | None) -> None:
    assert judged(text, accurate(0, 0.8)) is holds


def test_a_window_whose_outcomes_have_not_had_their_time_cannot_tell() -> None:
    assert judged("accuracy < 85 %", accurate(0, 0.5, maturity="immature")) is None


def test_surely_asks_for_the_whole_interval() -> None:
    unsure, sure = accurate(0, 0.8, 0.7, 0.9), accurate(0, 0.8, 0.75, 0.84)
    assert [judged("accuracy < 85 %", one, significant=True) for one in (unsure, sure)] == [False, True]
    assert judged("accuracy > 70 %", unsure, significant=True) is False
    assert judged("accuracy > 70 %", sure, significant=True) is True
    assert judged("accuracy < 85 %", accurate(0, 0.8), significant=True) is None


def test_a_metric_is_compared_with_the_baseline() -> None:
    day = accurate(0, 0.77)  # 0.8 in the baseline
    told = [
        "accuracy < baseline",
        "accuracy < baseline - 0.02",
        "accuracy < baseline - 0.05",
        "accuracy < 0.95 * baseline",
    ]
    assert [judged(text, day) for text in told] == [True, True, False, False]
    assert judged("accuracy < baseline", accurate(0, 0.77, reference={})) is None


def test_a_moving_average_is_of_the_windows_before_and_needs_three_of_them() -> None:
    days = [accurate(day, number) for day, number in enumerate([0.80, 0.82, 0.84, 0.79])]
    text = "accuracy < average of 7 - 1 deviation"  # 0.82 - 0.02
    assert judged(text, *days) is True
    assert judged(text, *days[:3], accurate(3, 0.805)) is False
    assert judged(text, *days[1:]) is None


def test_the_same_window_of_last_week_is_found_by_its_time() -> None:
    days = [window(day, rows=1_000 if day == 1 else 100) for day in range(8)]
    assert judged("predictions < 0.5 * last week", *days, window(8, rows=400)) is True
    assert judged("predictions < 0.5 * last week", *days, window(8, rows=600)) is False
    assert judged("predictions < 0.5 * last week", *days[:3], window(3)) is None


def test_an_hour_is_compared_with_the_same_hour_of_last_week_and_not_with_the_one_after_it() -> None:
    def hour(number: int, rows: int) -> Evaluation:
        start = 1_772_409_600 * 10**9 + number * HOUR
        return replace(window(0, rows=rows), window=Window("1h", start, start + HOUR))

    hours = [hour(number, rows) for number, rows in enumerate((1_000, 200, 1_000))]
    assert judged("predictions < 0.5 * last week", *hours, hour(7 * 24 + 1, 150)) is False
    assert judged("predictions < 0.5 * last week", *hours, hour(7 * 24 + 1, 50)) is True
    assert judged("predictions < 0.5 * last week", *hours[:1], hour(7 * 24 + 1, 400)) is True  # at a clock change


def test_a_slice_is_named_as_objectives_name_it() -> None:
    sliced = accurate(0, 0.9, performance_slices={"country=NL": SlicePerformance(90, {"accuracy": value(0.7)})})
    assert judged("accuracy < 80 % in country=NL", sliced) is True
    assert judged("accuracy < 80 %", sliced) is False
    assert judged("accuracy < 80 % in country=DE", sliced) is None


def test_drift_is_asked_for_by_method_by_count_and_by_column() -> None:
    moved = window(features={"temp": column(), "dewp": column(name="dewp"), "humid": column("ok", name="humid")})
    moved.score = column("ok", kind="score", name="")
    texts = [
        "ks of temp > 0.5",
        "psi of temp > 0.5",
        "features drift",
        "2 features drift",
        "3 features drift",
        "score drifts",
    ]
    assert [judged(text, moved) for text in texts] == [True, None, True, True, False, False]
    untold = window(features={"temp": column("inconclusive")})
    assert judged("features drift", untold) is None
    assert judged("class drifts", untold) is None


def test_missing_values_are_a_share() -> None:
    gaps = window(features={"temp": column(missing_now=0.2)})
    assert [judged(text, gaps) for text in ("missing of temp > 10 %", "missing of temp > 0.3")] == [True, False]


def test_an_estimate_that_has_failed_says_nothing() -> None:
    def estimated(state: str) -> Evaluation:
        record = TrackRecord(state, 10)  # type: ignore[arg-type]
        one = Estimate(0.6, 0.55, 0.65, 0.01, 0.6, 0.8, True, 900, "panes", "pape", 0.7, record=record)  # type: ignore[arg-type]
        return window(estimated={"roc_auc": one}, reference={"roc_auc": value(0.7)})

    text = "estimated roc_auc < 0.95 * baseline"
    assert [judged(text, estimated(state)) for state in ("trusted", "failed")] == [True, None]


def test_objectives_labels_and_data_are_read_from_the_window() -> None:
    broken = known(0, objectives=(objective(), objective("met", "recall")), findings=(MISSING,))
    assert judged("objective broken", broken) is True
    assert judged("objective 'precision >= 0.9' is broken", broken) is True
    assert judged("objective 'recall >= 0.9' broken", broken) is False
    assert judged("objective broken", known(0)) is None
    assert [judged("data faulty", one) for one in (broken, known(0))] == [True, False]
    late = SlaResult("broken", 7, 0.9, 0.4, 0.6, 100)
    assert judged("outcomes late", known(0, label_sla=late)) is True
    assert judged("outcomes late", known(0)) is None


def test_an_error_budget_is_spent_too_fast_only_where_the_window_and_the_longer_time_up_to_its_end_say_so() -> None:
    def days(*precision: float) -> list[Evaluation]:
        return [known(day, realized={"precision": value(number)}) for day, number in enumerate(precision)]

    text = "burn rate of 'precision >= 0.95' > 4 over 1d and 1w"  # more than 0.2 is spent
    assert judged(text, *days(0.7)) is True
    assert judged(text, *days(0.9, 0.9, 0.9, 0.7)) is False  # on average 0.15
    assert judged(text, *days(0.7, 0.7, 0.7, 0.9)) is False
    assert judged(text, *days(0.9, 0.9, 0.7, 0.7, 0.7, 0.7)) is True
    assert judged(text, *days(0.99, 0.99, 0.99, *[0.79] * 7)) is True  # the first three days are longer ago than a week
    busy, calm = (
        known(0, realized={"precision": value(0.7)}, rows=900),
        known(1, realized={"precision": value(0.78)}, rows=100),
    )
    assert judged(text, replace(busy, realized={"precision": value(0.99)}), calm) is False
    assert judged(text, busy, calm) is True
    assert judged(text, known(0)) is None


def test_the_verdict_is_asked_for_by_its_states() -> None:
    def verdict(state: str) -> Verdict:
        return Verdict(state)  # type: ignore[arg-type]

    condition = read_condition("verdict is degraded, no_data or at_risk")
    for state, holds in (("degraded", True), ("at_risk", True), ("healthy", False)):
        finding = Finding([known(0)], 0, lambda _, state=state: verdict(state))  # type: ignore[misc]
        assert condition.judge(finding).holds is holds


def test_all_needs_every_part_to_be_known_and_any_only_one() -> None:
    yes, no, unknown = (read_condition(text) for text in ("accuracy < 0.9", "accuracy > 0.9", "precision > 0.9"))
    finding = Finding([accurate(0, 0.8)], 0, verdict_of_window)
    assert AllOf((yes, yes)).judge(finding).holds is True
    assert AllOf((yes, unknown)).judge(finding).holds is None
    assert AllOf((no, unknown)).judge(finding).holds is False
    assert AnyOf((yes, unknown)).judge(finding).holds is True
    assert AnyOf((no, unknown)).judge(finding).holds is False
    assert AnyOf((unknown,)).judge(finding).holds is None
    assert AllOf((yes, no)).text == "accuracy < 0.9 and accuracy > 0.9"


def test_what_was_found_is_said_with_its_unit_and_interval() -> None:
    finding = Finding([accurate(0, 0.8, 0.78, 0.82)], 0, verdict_of_window)
    texts = ("accuracy < 85 %", "accuracy < baseline - 0.02")
    compared = [of_type(read_condition(text).judge(finding).facts[0], facts.SignalCompared) for text in texts]
    assert [(fact.value, fact.low, fact.high) for fact in compared] == [(0.8, 0.78, 0.82)] * 2
    limits = [(fact.signal, fact.side, fact.limit, fact.of) for fact in compared]
    assert limits == [("accuracy", "below", 0.85, ""), ("accuracy", "above", pytest.approx(0.78), "baseline")]
    assert lacking(found_words(compared), "80 % (78 % to 82 %)", "85 %", "78 %") == []


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("acuracy < 85 %", ("'acuracy'", "'accuracy'", "'top_k_accuracy'")),
        ("accuracy < 85", ("accuracy:", "'85'", "'85 %'")),
        ("mae < 85 %", ("mae:", "'85 %'", "use 0.85")),
        ("rmse > 3 EUR", ("rmse:", "'EUR'", "use 3")),
        ("rmse > €3", ("rmse:", "use 3")),
        ("mae > baseline + 3 EUR", ("mae:", "'EUR'", "use 3")),
        ("accuracy < 85 pct", ("accuracy:", "'pct'", "'85 %'", "0.85")),
        ("latency_p99 > 200 MS", ("latency_p99:", "'MS'", "'200ms'", "'200s'")),
        ("no data for 2h", ("'no data for 2h'", "'no data'")),
        ("latency_p99 > 200", ("latency_p99:", "'200'", "'200ms'", "'200s'")),
        ("accuracy < baseline - 5 %", ("'0.95 * baseline'", "'baseline - 0.05'")),
        ("accuracy < baseline - 1 deviation", ("only an average of windows has a deviation",)),
        ("accuracy < average of 2", ("needs 3", "366 windows")),
        ("accuracy < yesterday", ("'yesterday'", "'baseline - 0.02'")),
        ("psy of age > 0.2", ("'psy'", "'psi'")),
        (
            "equal_oportunity_difference of gender > 10 %",
            ("'equal_oportunity_difference'", "'equal_opportunity_difference'"),
        ),
        ("disparate_impact of gender < 80 %", ("did you mean 'demographic_parity_ratio'?",)),
        ("demographic_parity_difference > 10 %", ("'demographic_parity_difference of gender > 10 %'",)),
        ("demographic_parity_difference of sex > baseline", ("'baseline'", "demographic_parity_difference")),
        ("demographic_parity_ratio of sex < 80", ("'80'", "demographic_parity_ratio")),
        ("equalized_odds of sex broken", ("'equalized_odds_difference of sex > 10 %'",)),
        ("disparate_impact of sex broken", ("'demographic_parity_ratio of sex < 80 %'",)),
        ("fairness of sex broken", ("'equal_opportunity_difference",)),
        ("verdict is degrade", ("'degrade'", "'degraded'")),
        ("burn rate of 'mae <= 3' > 2 over 1h and 1d", ("'mae <= 3'",)),
        ("burn rate of 'precision >= 0.9' > 2 over 1d and 1h", ("longer window", "1d and 1h")),
        ("predictions < 3 in country=NL", ("'predictions'", "'country=NL'")),
        ("estimated roc_auc < 0.7 in country=NL", ("'country=NL'",)),
        ("0 features drift", ("'0 features drift'", "1 feature")),
        ("it is bad", ("'it is bad'", "'accuracy < 85 %'")),
        ("", ("'' is not a condition",)),
        ("verdict is ,", ("'verdict is ,'",)),
        ("latency_p99 > 1e400ms", ("'1e400'", "1e+18")),
        ("accuracy < average of 7 - 1e400 deviations", ("'1e400' is too large",)),
        ("accuracy < 1e400 * baseline", ("'1e400' is too large",)),
        ("burn rate of 'precision >= 0.9' > 1e400 over 1h and 6h", ("'1e400' is too large",)),
        (f"{'9' * 5000} features drift", (f"'{'9' * 40}' is too large",)),
    ],
)
def test_what_is_no_condition_is_named_with_the_fix(text: str, facts: Facts) -> None:
    with pytest.raises(ValueError) as said:
        read_condition(text)
    assert lacking(str(said.value), *facts) == []


def test_a_burn_rate_is_judged_in_its_shorter_window() -> None:
    days = [known(day, realized={"precision": value(0.7)}) for day in range(3)]
    week = [known(0, realized={"precision": value(0.7)}, name="1w", length=3)]
    rule = Rule(read_condition("burn rate of 'precision >= 0.95' > 4 over 1d and 1w"), Patience())
    history = WindowHistory({"1d": days, "1w": week})
    assert [one.window.name for one in rule.judged_in(history)] == ["1d"] * 3
    assert Rule(read_condition("accuracy < 1"), Patience()).judged_in(history) == week


def by_gender(
    groups: Mapping[str, tuple[int, int]], windows: float = 30.0, maturity: str = "mature", extra: int = 200
) -> Evaluation:
    """Return a day of groups with so many true positives, of so many positives, and so many more right negatives."""
    cells = {name: np.array([[extra, 0.0], [of - hits, hits]]) for name, (hits, of) in groups.items()}
    counts = {name: GroupCounts(ConfusionTable(one, one)) for name, one in cells.items()}
    found = judge_fairness(FairnessRule("gender"), counts, windows=windows)
    return known(0, fairness=() if found is None else (found,), maturity=maturity)


APART = "equal_opportunity_difference of gender > 10 %"


@pytest.mark.parametrize(
    ("groups", "holds", "words"),
    [
        (
            {"F": (600, 1_000), "M": (900, 1_000)},
            True,
            "equal opportunity difference of gender is 30 % (24.1 % to 35.7 %), above 10 %: true positive rate is 60 % "
            "for F and 90 % for M",
        ),
        (
            {"F": (8_970, 10_000), "M": (9_000, 10_000)},
            False,
            "equal opportunity difference of gender is 0.3 % (0 % to 1.65 %), at most 10 %: true positive rate is "
            "89.7 % for F and 90 % for M",
        ),
        (
            {"F": (18, 31), "M": (900, 1_000)},
            None,
            "equal opportunity difference of gender is inconclusive (6.54 % to 60.7 %): "
            "group F has 31 rows for its true "
            "positive rate",
        ),
    ],
)
def test_groups_are_apart_where_the_whole_interval_says_so(
    groups: Mapping[str, tuple[int, int]], holds: bool | None, words: str
) -> None:
    said = read_condition(APART).judge(Finding([by_gender(groups)], 0, verdict_of_window))
    assert (said.holds, found_words(said.facts)) == (holds, words)


def test_groups_of_few_rows_are_never_called_alike() -> None:
    alike = by_gender({"F": (28, 31), "M": (28, 31)})
    assert [judged(f"equal_opportunity_difference of gender {sign} 10 %", alike) for sign in ("<", ">")] == [None] * 2
    assert judged("equal_opportunity_difference of gender <= 10 %", by_gender({"F": (9, 10), "M": (9, 10)})) is None
    assert judged("demographic_parity_ratio of gender < 80 %", by_gender({"F": (9, 10), "M": (7, 10)})) is None


def test_a_gap_that_one_look_shows_may_be_chance_of_a_month_of_looks() -> None:
    groups = {"F": (150, 200), "M": (180, 200)}
    assert judged("equal_opportunity_difference of gender > 5 %", by_gender(groups, windows=1.0)) is True
    assert judged("equal_opportunity_difference of gender > 5 %", by_gender(groups, windows=720.0)) is None


def test_only_selection_rates_are_known_before_outcomes_have_had_their_time() -> None:
    early = by_gender({"F": (600, 1_000), "M": (900, 1_000)}, maturity="immature")
    assert judged(APART, early) is None
    (fairness,) = early.fairness
    of_all = [replace(one, basis="predictions") for one in fairness.criteria if one.name == "demographic_parity"]
    sent = known(0, fairness=(replace(fairness, criteria=tuple(of_all)),), maturity="immature")
    assert judged("demographic_parity_difference of gender > 10 %", sent) is True
    assert judged("demographic_parity_difference of age > 10 %", sent) is None
    assert judged(APART, known(0)) is None


def test_an_alert_of_groups_lasts_until_a_window_shows_them_alike() -> None:
    far, few, near = ({"F": (600, 1_000), "M": (900, 1_000)}, {"F": (9, 10), "M": (9, 10)}, {"F": (900, 1_000)})
    groups = [far, few, near | {"M": (900, 1_000)}]
    days = [replace(by_gender(one), window=window(day).window) for day, one in enumerate(groups)]
    (fired,) = Rule(read_condition(APART), Patience()).firings(WindowHistory({"1d": days}), None, 0)
    assert (fired.since, fired.until) == (days[0].window.start, days[2].window.start)


@pytest.mark.parametrize("written", ["no data", "no predictions", "verdict is no_data"])
def test_no_data_is_a_verdict_of_silence(written: str) -> None:
    condition = read_condition(written)
    assert isinstance(condition, VerdictIs)
    assert (condition.states, condition.text) == (("no_data",), written)
