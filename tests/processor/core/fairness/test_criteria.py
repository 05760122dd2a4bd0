"""Fairness: what Fairlearn says of the groups, what statsmodels says of the intervals, and what may be concluded."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import Column
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Fairness, FairnessCriterion
from driftline_processor.core.fairness.criteria import (
    CRITERIA,
    FairnessRule,
    GroupCounts,
    fewest_rows,
    judge_fairness,
    windows_a_month,
)
from driftline_processor.core.intervals.confidence import (
    Interval,
    Share,
    WeightSums,
    difference,
    quotient,
    ratio_interval,
    wilson,
)
from driftline_processor.core.intervals.gradients import ConfusionTable
from driftline_processor.core.performance.slices import counts_of
from driftline_processor.core.windows.window import window_of
from msgspec.structs import astuple
from scipy.stats import binomtest

from tests.support.paths import GOLDEN_FILES
from tests.support.unwrap import unwrap

GOLDEN: dict[str, Any] = json.loads((GOLDEN_FILES / "fairness.json").read_text(encoding="utf-8"))


def counts(confusion: tuple[int, int, int, int] | list[int], weight: float = 1.0) -> GroupCounts:
    square = np.array(confusion, dtype=np.float64).reshape(2, 2)
    return GroupCounts(ConfusionTable(square * weight, square * weight**2))


def selected(many: int, of: int) -> ConfusionTable:
    cells = np.array([[of - many, many], [0.0, 0.0]])
    return ConfusionTable(cells, cells)


def reviewed(confusion: tuple[int, int, int, int], one_in: float) -> GroupCounts:
    """What was flagged is all reviewed, of the others one in so many."""
    square, weight = np.array(confusion, dtype=np.float64).reshape(2, 2), np.array([one_in, 1.0])
    return GroupCounts(ConfusionTable(square * weight, square * weight**2))


def score_limits(hits: float, of: float) -> Interval:
    return wilson(WeightSums(hits, hits), WeightSums(of - hits, of - hits), 0.95)


def judged(groups: dict[str, GroupCounts], rule: FairnessRule | None = None) -> Fairness:
    return unwrap(judge_fairness(rule or FairnessRule("gender"), groups))


def criterion(found: Fairness, name: str) -> FairnessCriterion:
    return next(one for one in found.criteria if one.name == name)


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_differences_and_ratios_are_those_of_fairlearn(name: str) -> None:
    case = GOLDEN["cases"][name]
    found = judged({group: counts(cells) for group, cells in case["groups"].items()})
    for which, said in case["said"].items():
        own = criterion(found, which)
        for figure, theirs in said.items():
            mine = getattr(own, figure)
            assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-12) if theirs is not None else mine is None


@pytest.mark.parametrize("one", GOLDEN["intervals"], ids=lambda one: str(one["pair"]))
def test_intervals_are_those_of_statsmodels(one: dict[str, Any]) -> None:
    hits, of, other, other_of = one["pair"]
    share, beside = Share(hits / of, of), Share(other / other_of, other_of)
    limits = score_limits(hits, of), score_limits(other, other_of)
    assert limits[0][:2] == pytest.approx(one["wilson"], rel=1e-9)
    apart = difference(share.value, limits[0], beside.value, limits[1])
    assert apart[:2] == pytest.approx(one["difference"], rel=1e-9, abs=1e-12)
    assert ratio_interval(share, beside, 0.95) == pytest.approx(one["ratio"], rel=1e-7)  # where their search stops


def test_a_ratio_of_nothing_has_the_ends_it_must() -> None:
    none, some = Share(0.0, 30), Share(1 / 6, 30)
    low, high = ratio_interval(none, some, 0.95)
    assert (low, ratio_interval(some, none, 0.95)[1]) == (0.0, inf)
    assert high == pytest.approx(1 / ratio_interval(some, none, 0.95)[0], rel=1e-9)
    assert ratio_interval(none, none, 0.95) == (0.0, inf)


@pytest.mark.slow
def test_a_ratio_interval_covers_as_it_says() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for hits, other in zip(rng.binomial(60, 0.2, 2_000), rng.binomial(80, 0.3, 2_000), strict=True):
        low, high = ratio_interval(Share(hits / 60, 60), Share(other / 80, 80), 0.95)
        inside += low <= 0.2 / 0.3 <= high
    assert 0.94 <= inside / 2_000 <= 0.965


def test_a_quotient_of_limits_is_near_the_score_interval_and_has_the_ends_it_must() -> None:
    share, beside = Share(0.1, 100), Share(0.2, 100)
    found = quotient(0.1, score_limits(10, 100), 0.2, score_limits(20, 100))
    assert found == pytest.approx(ratio_interval(share, beside, 0.95), abs=0.03)
    some, none = score_limits(5, 30), score_limits(0, 30)
    low, high = quotient(5 / 30, some, 0.0, none)
    assert high == inf
    other_low, other_high = quotient(0.0, none, 5 / 30, some)
    assert other_low == 0.0
    assert other_high == pytest.approx(1 / low, rel=1e-9)


def test_a_group_of_which_no_miss_was_among_the_reviewed_is_not_known() -> None:
    groups = {"M": reviewed((90, 10, 0, 90), 100.0), "F": reviewed((100, 10, 1, 90), 100.0)}
    found = judged(groups, FairnessRule("gender", "F"))
    rate = found.groups[1].rates["true_positive_rate"]
    assert rate.value == 1.0
    assert unwrap(rate.low) < 0.3  # one miss more would weigh a hundred: .96 where all weigh one
    own = criterion(found, "equal_opportunity").comparisons[0]
    assert own.state == "inconclusive"
    assert own.value == pytest.approx(1 - 90 / 190)
    assert unwrap(own.low) < -0.2
    impact = criterion(found, "disparate_impact")
    assert impact.basis == "labelled rows"
    assert impact.ratio == pytest.approx((100 / 10_200) / (100 / 9_100))
    assert impact.state == "inconclusive"


def chosen(many: int, of: int) -> GroupCounts:
    return GroupCounts(None, 0, selected(many, of))


def beside(found: Fairness, name: str = "disparate_impact") -> dict[str, str]:
    return {one.group: one.compared_with for one in criterion(found, name).comparisons}


def test_groups_are_compared_with_the_one_of_the_highest_rate_unless_one_is_named() -> None:
    groups = {"F": counts((60, 20, 5, 15)), "M": counts((700, 100, 50, 150))}
    found = judged(groups)
    assert (found.reference, [group.value for group in found.groups]) == ("", ["M", "F"])
    assert (beside(found), beside(found, "predictive_parity")) == ({"M": "F"}, {"F": "M"})
    assert beside(judged({"F": counts((70, 10, 5, 15)), "M": groups["M"]})) == {"F": "M"}  # the largest of equal ones
    assert beside(judged(groups, FairnessRule("gender", "X"))) == {"M": "F"}
    named = judged(groups, FairnessRule("gender", "M"))
    assert (named.reference, beside(named), beside(named, "predictive_parity")) == ("M", {"F": "M"}, {"F": "M"})
    assert [group.value for group in judged(groups, FairnessRule("gender", "F")).groups] == ["F", "M"]


APART = {"A": chosen(20_000, 40_000), "B": chosen(12_600, 30_000), "C": chosen(16_800, 30_000)}
"""Selected: .50 of the largest group, .42 and .56."""


def test_four_fifths_are_those_of_the_highest_rate_not_of_the_largest_group() -> None:
    found = judged(APART)
    impact, parity = criterion(found, "disparate_impact"), criterion(found, "demographic_parity")
    assert (impact.state, parity.state) == ("broken", "broken")
    assert (impact.ratio, parity.difference) == pytest.approx((0.75, 0.14))
    assert beside(found) == {"A": "C", "B": "C"}
    assert [one.state for one in impact.comparisons] == ["met", "broken"]


def test_beside_a_group_that_is_named_verdict_difference_and_ratio_are_beside_it() -> None:
    found = judged(APART, FairnessRule("group", "A"))
    impact, parity = criterion(found, "disparate_impact"), criterion(found, "demographic_parity")
    assert (impact.state, parity.state) == ("met", "met")
    assert (impact.ratio, parity.difference) == pytest.approx((0.84, 0.08))
    assert beside(found) == {"B": "A", "C": "A"}
    pair = {"B": APART["B"], "A": APART["A"]}
    alone = criterion(judged(pair, FairnessRule("group", "A")), "disparate_impact").comparisons[0]
    three = impact.comparisons[0]
    assert (alone.low or 0) - (three.low or 0) == pytest.approx(0.00196, abs=3e-4)  # two comparisons, not three


def test_a_few_rows_of_the_highest_rate_hide_nothing() -> None:
    found = judged({"A": chosen(20_000, 40_000), "B": chosen(9_000, 30_000), "C": chosen(2, 2)})
    impact = criterion(found, "disparate_impact")
    assert impact.state == "broken"
    assert [(one.group, one.compared_with, one.state) for one in impact.comparisons] == [
        ("A", "C", "inconclusive"),
        ("B", "A", "broken"),
    ]


def test_what_many_rows_say_is_met_or_broken_and_what_few_say_is_not_known() -> None:
    alike, apart = counts((7_000, 1_000, 500, 1_500)), counts((7_800, 200, 500, 1_500))
    same = judged({"M": alike, "F": alike})
    assert {one.name: one.state for one in same.criteria} == dict.fromkeys(CRITERIA, "met")
    other = judged({"M": alike, "F": apart}, FairnessRule("gender", tolerance=0.05))
    states = {one.name: one.state for one in other.criteria}
    assert (states["demographic_parity"], states["disparate_impact"], states["equal_opportunity"]) == (
        "broken",  # .17 of 10,000 against .25
        "broken",  # .68 < 4/5, the whole interval
        "met",
    )
    few = judged({"M": counts((7, 1, 1, 2)), "F": counts((8, 1, 0, 2))})
    assert {one.state for one in few.criteria} == {"inconclusive"}


def test_four_fifths_holds_both_ways() -> None:
    high, low = counts((5_000, 2_500, 0, 2_500)), counts((7_000, 1_500, 0, 1_500))
    for reference in "MF":
        found = judged({"M": high, "F": low}, FairnessRule("gender", reference))
        impact = criterion(found, "disparate_impact")
        assert impact.state == "broken"
        assert impact.ratio == pytest.approx(0.6)
        assert impact.comparisons[0].value == pytest.approx(0.6 if reference == "M" else 1 / 0.6)


def test_equalized_odds_look_at_both_rates() -> None:
    groups = {"M": counts((7_000, 1_000, 500, 1_500)), "F": counts((6_000, 2_000, 500, 1_500))}
    found = criterion(judged(groups), "equalized_odds")
    assert {one.rate: one.state for one in found.comparisons} == {
        "true_positive_rate": "met",
        "false_positive_rate": "broken",
    }
    assert found.state == "broken"


def test_what_is_not_defined_in_a_group_is_not_known() -> None:
    found = judged({"M": counts((700, 100, 50, 150)), "F": counts((100, 10, 0, 0))})
    opportunity = criterion(found, "equal_opportunity")
    assert (opportunity.state, opportunity.difference, opportunity.comparisons[0].value) == ("inconclusive", None, None)


def test_selection_rates_are_those_of_all_predictions_where_these_are_known() -> None:
    labelled = counts((70, 10, 5, 15))
    groups = {
        "M": GroupCounts(labelled.labelled, 100, selected(500, 2_000)),
        "F": GroupCounts(labelled.labelled, 100, selected(200, 1_000)),
    }
    found = judged(groups)
    parity = criterion(found, "demographic_parity")
    assert parity.basis == "predictions"
    assert parity.difference == pytest.approx(0.05)
    assert criterion(found, "equal_opportunity").basis == "labelled rows"
    assert judged({**groups, "X": labelled}).criteria[0].basis == "labelled rows"


def test_weights_count_as_kish_has_it() -> None:
    even, heavy = counts((700, 100, 50, 150)), counts((700, 100, 50, 150), 3.0)
    same = judged({"M": heavy, "F": heavy}).groups[0].rates
    for name, rate in judged({"M": even, "F": even}).groups[0].rates.items():
        assert astuple(rate) == pytest.approx(astuple(same[name]), rel=1e-12)
    mixed = GroupCounts(ConfusionTable(np.array([[70.0, 10], [5, 15]]), np.array([[140.0, 20], [10, 30]])))
    assert judged({"M": mixed, "F": mixed}).groups[0].rates["accuracy"].rows == pytest.approx(50)


def test_intervals_of_many_groups_hold_together() -> None:
    one = counts((700, 100, 50, 150))
    two, many = judged({"a": one, "b": one}), judged(dict.fromkeys("abcdefgh", one))
    narrow, wide = two.criteria[0].comparisons[0], many.criteria[0].comparisons[0]
    assert unwrap(wide.low) < unwrap(narrow.low)


def test_one_group_alone_is_compared_with_nothing() -> None:
    assert judge_fairness(FairnessRule("gender"), {"M": counts((7, 1, 1, 2))}) is None


def test_counts_of_a_pane_put_the_positive_class_second() -> None:
    task = Task("binary", ("yes", "no"), "yes")
    decided = {"decided:yes": np.array([30.0]), "decided:no": np.array([90.0])}
    parts = {"outcomes": np.full(3, 100.0), "confusion": np.array([15.0, 5, 10, 70])}
    found = counts_of(Pane({**parts, **decided, "rows": np.full(3, 120.0)}), task)
    assert unwrap(found.labelled).weight.tolist() == [[70, 10], [5, 15]]
    assert found.predictions is not None
    assert found.predictions.weight.tolist() == found.predictions.squares.tolist() == [[90, 30], [0, 0]]
    assert found.rows == 100


def test_a_group_has_as_many_labelled_rows_as_were_reviewed_whatever_they_weigh() -> None:
    task, flagged = Task("binary", ("0", "1"), "1", 0.5), np.repeat([1.0, 0.0], [10, 20])
    weight = np.where(flagged == 1, 1.0, 100.0)
    pane = fold_outcomes(task, flagged[:, np.newaxis], None, Column(numbers=flagged), weight)
    found = judged({"M": counts_of(pane, task), "F": counts_of(pane, task)})
    assert [group.rows for group in found.groups] == [30, 30]


def exact_limits(hits: int, of: int, confidence: float) -> Interval:
    """The limits of a share by Clopper and Pearson, as scipy has them."""
    ends = binomtest(hits, of).proportion_ci(confidence, "exact")
    return Interval(float(ends.low), float(ends.high), "")


def apart(hits: int, of: int, other: int, other_of: int, confidence: float) -> tuple[float, float]:
    """The limits of a difference of shares, from exact ones of each (Donner and Zou 2012)."""
    one, two = exact_limits(hits, of, confidence), exact_limits(other, other_of, confidence)
    (low, high), (less, more) = one[:2], two[:2]
    assert None not in (low, high, less, more)
    value = hits / of - other / other_of
    return (
        value - float(np.hypot(hits / of - (low or 0), (more or 0) - other / other_of)),
        value + float(np.hypot((high or 0) - hits / of, other / other_of - (less or 0))),
    )


def test_the_interval_of_a_difference_holds_together_with_those_of_all_pairs_rates_and_windows() -> None:
    groups = {"F": counts([700, 100, 90, 110]), "M": counts([600, 200, 30, 170]), "X": counts([650, 150, 40, 160])}
    found = unwrap(judge_fairness(FairnessRule("gender"), groups, windows=30.0))
    pairs = ((110, 170), (110, 160), (170, 160))
    ends = [apart(one, 200, two, 200, 1 - 0.05 / (3 * 30)) for one, two in pairs]
    of = criterion(found, "equal_opportunity")
    assert of.difference == pytest.approx(0.3)
    assert (of.low, of.high) == pytest.approx((-ends[0][1], -ends[0][0]), abs=1e-12)
    odds = criterion(found, "equalized_odds")
    low, high = apart(110, 200, 170, 200, 1 - 0.05 / (3 * 30 * 2))
    assert (odds.low, odds.high) == pytest.approx((-high, -low), abs=1e-12)
    alone = judged(groups)
    assert (criterion(alone, "equal_opportunity").low or 0) > (of.low or 0)


def test_beside_a_named_group_only_its_pairs_are_compared() -> None:
    groups = {"F": counts([700, 100, 90, 110]), "M": counts([600, 200, 30, 170]), "X": counts([650, 150, 40, 160])}
    beside = criterion(judged(groups, FairnessRule("gender", reference="X")), "equal_opportunity")
    low, high = apart(110, 200, 160, 200, 1 - 0.05 / 2)
    assert (beside.low, beside.high) == pytest.approx((-high, -low), abs=1e-12)


def test_the_interval_of_a_ratio_is_that_of_the_smaller_rate_by_the_greater() -> None:
    groups = {"F": counts([700, 100, 90, 110]), "M": counts([500, 300, 30, 170])}
    of = criterion(judged(groups), "disparate_impact")
    one, other = exact_limits(210, 1_000, 0.95), exact_limits(470, 1_000, 0.95)
    assert (of.low, of.high) == pytest.approx(quotient(0.21, one, 0.47, other), abs=1e-9)
    alike = criterion(judged({"F": groups["F"], "M": groups["F"]}), "disparate_impact")
    assert alike.high == 1.0
    assert alike.low == pytest.approx(quotient(0.21, one, 0.21, one)[0], abs=1e-9)


def test_a_group_without_rows_of_a_rate_hides_no_gap_between_others_and_leaves_no_upper_end() -> None:
    groups = {"F": counts([700, 100, 90, 110]), "M": counts([600, 200, 30, 170]), "X": counts([31, 0, 0, 0])}
    of = criterion(judged(groups), "equal_opportunity")
    assert unwrap(of.low) > 0.15
    assert (of.difference, of.high) == (None, None)
    found = judged(groups)
    assert fewest_rows(found, "equal_opportunity") == ("X", "true_positive_rate", 0.0)
    assert fewest_rows(found, "demographic_parity") == ("X", "selection_rate", 31.0)


@pytest.mark.parametrize(("name", "many"), [("1h", 720.0), ("1d", 30.0), ("1w", 30 / 7), ("3mo", 1.0)])
def test_thirty_days_have_as_many_windows_as_fit(name: str, many: float) -> None:
    assert windows_a_month(window_of(name, 0)) == pytest.approx(many)
