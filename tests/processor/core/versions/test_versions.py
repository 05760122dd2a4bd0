"""Two versions are told apart by evidence that needs sums only, and holds at every look."""

from __future__ import annotations

import re
from itertools import pairwise
from math import log

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core import evidence as wagers
from driftline_processor.core import facts
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.versions.comparison import compare
from driftline_processor.core.versions.losses import (
    COST,
    FLOOR,
    VersionAnswers,
    alone_of_hours,
    bounds_of,
    fold_pairs,
    fold_requests,
    losses_of,
    paired_of,
    row_losses,
    swap_versions,
)
from driftline_processor.core.versions.side_by_side import VersionInput, side_by_side
from driftline_processor.core.versions.sums import PairedSums, Sums
from driftline_processor.core.versions.sums import unpaired_sums as apart
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.present.sections.versions import comparison_sentence
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import stats

from tests.support.unwrap import unwrap

BINARY = Task("binary", ("0", "1"), "1")
ERRORS = (0.0, 1.0)


def errors(rows: int, wrong: int) -> F64:
    return np.array([rows, rows, rows, wrong, wrong, wrong], np.float64)


def summed(losses: F64, weight: F64) -> list[float]:
    """The sums of rows of one version."""
    w = weight**2
    return [len(losses), weight.sum(), w.sum(), weight @ losses, w @ losses, w @ losses**2]


def both(rows: int, first_alone: int, second_alone: int, together: int = 0) -> Sums:
    d = second_alone - first_alone
    return Sums(
        PairedSums(rows, rows, rows, first_alone + together, second_alone + together, d, first_alone + second_alone)
    )


def test_the_capital_is_at_most_that_of_a_gambler_who_really_bets() -> None:
    rng = np.random.default_rng(1)
    rows = rng.choice([-1.0, 0.0, 1.0], 400, p=[0.2, 0.4, 0.4])
    bets = np.linspace(0.001, 0.985, 500)
    best = max(float(np.log1p(bet * rows).sum()) for bet in bets)
    evidence = float(wagers.betting_evidence(np.array(rows.sum()), np.array(rows @ rows), np.array(1.0)))
    assert best - 4 < evidence < best


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=8))
def test_capital_never_grows_on_average_under_the_null(rows: list[float]) -> None:
    """The supermartingale itself: whatever came before, a fair row leaves at most what there was."""

    def capital(more: float) -> float:
        total = np.array([*rows, more])
        return float(np.exp(wagers.betting_evidence(np.array(total.sum()), np.array(total @ total), np.array(1.0))))

    before = np.array(rows)
    now = float(np.exp(wagers.betting_evidence(np.array(before.sum()), np.array(before @ before), np.array(1.0))))
    assert (capital(1.0) + capital(-1.0)) / 2 <= now * (1 + 1e-12)
    assert (capital(1.0) + capital(-1.0) + 2 * capital(0.0)) / 4 <= now * (1 + 1e-12)


@pytest.mark.parametrize(("rows", "errors_of_both", "own"), [(10, 3, 5), (40, 8, 4), (300, 60, 30), (12, 11, 6)])
@pytest.mark.parametrize("bet", [-2.0, -0.3, 0.1, 1.0, 3.0])
def test_errors_that_are_dealt_out_by_chance_win_nothing(rows: int, errors_of_both: int, own: int, bet: float) -> None:
    """The bound behind the capital, from the exact distribution of the second version's share."""
    got = np.arange(min(own, errors_of_both) + 1)
    chance = stats.hypergeom(rows, errors_of_both, own).pmf(got)
    deviation = got - own * errors_of_both / rows
    variance = apart(errors(rows - own, errors_of_both), errors(own, 0)).within.shared
    assert variance == pytest.approx(chance @ deviation**2)
    assert chance @ np.exp(bet * deviation) <= np.exp(variance * (np.exp(abs(bet)) - 1 - abs(bet))) * (1 + 1e-12)


def test_a_canary_that_grows_while_everybody_errs_more_is_neither_worse_nor_better() -> None:
    """Equal in each of 14 days, 10 % and then 20 %; together 13.4 % against 17.7 %, which are 4,000 rows apart."""
    own = np.repeat([20.0, 100.0, 500.0, 1000.0], [3, 3, 5, 3])
    rate = np.linspace(0.1, 0.2, 14)
    one, other = (np.stack([n, n, n, *[n * rate] * 3]) for n in (2000 - own, own))
    assert compare("error", apart(one.sum(axis=1), other.sum(axis=1)), ERRORS).verdict == "worse"
    found = compare("error", apart(one, other), ERRORS)
    assert (found.verdict, found.reason, found.rows) == ("inconclusive", "too_few_rows", 28_000)
    assert found.difference == pytest.approx(0, abs=1e-12)
    assert max(-unwrap(found.low), unwrap(found.high)) < 0.02
    other[3:] += 0.05 * other[0]
    assert compare("error", apart(one, other), ERRORS).verdict == "worse"


def test_hours_with_few_outcomes_are_taken_together() -> None:
    one, other = np.array([1.0, 1, 1, 1, 1, 1]), np.zeros(6)
    hours = [np.stack([one, other] * 40, axis=1), np.stack([other, one] * 40, axis=1)]
    assert apart(*hours).within.weight == pytest.approx(80 / 4)
    assert apart(hours[0][:, :1], hours[1][:, :1]).within.weight == 0


def test_what_a_small_version_has_not_met_yet_is_no_difference() -> None:
    """One row in a hundred is off by 50, of the champion's 90 of 9,000; of the canary's 1,000, 2 of 10 so far."""
    one, other = (
        np.array([n, n, n, 0.1 * n + 50.0 * big, 0.1 * n + 50.0 * big, 0.02 * n + 2500.0 * big])
        for n, big in ((9_000.0, 90), (1_000.0, 2))
    )
    found = compare("absolute_error", apart(one, other))
    assert found.verdict == "inconclusive"
    assert unwrap(found.high) > 0


def test_rows_of_great_weight_count_as_what_they_are() -> None:
    """Errors of 10 % where rows weigh 1, and of 0.5 % where 1,500 rows weigh 50; the canary has met none of those."""

    def rows(light: float, wrong: float, heavy: float, missed: float) -> F64:
        w, e = light + 50 * heavy, wrong + 50 * missed
        return np.array([light + heavy, w, light + 2500 * heavy, e, wrong + 2500 * missed, wrong + 2500 * missed])

    found = compare("error", apart(rows(6_300, 630, 2_700, 14), rows(700, 70, 300, 0)), ERRORS)
    assert (found.verdict, found.method) == ("inconclusive", "asymptotic")


@pytest.mark.parametrize(
    "sums",
    [
        both(1000, 90, 150, 60),
        apart(errors(900, 180), errors(800, 230)),
        Sums(PairedSums(2000, 3000, 9000, 500, 700, 600, 1500)),
    ],
    ids=["pairs", "apart", "weighted"],
)
def test_who_is_worse_one_way_is_better_the_other_way(sums: Sums) -> None:
    found, mirrored = compare("error", sums, ERRORS), compare("error", sums.swapped(), ERRORS)
    assert (found.verdict, mirrored.verdict) == ("worse", "better")
    assert found.low is not None
    assert found.high is not None
    assert [unwrap(mirrored.low), unwrap(mirrored.high)] == pytest.approx([-found.high, -found.low], abs=1e-9)
    assert 0 < found.low < unwrap(found.difference) < found.high
    assert found.rows_needed is None


def test_an_end_of_the_interval_is_where_the_evidence_is_just_enough() -> None:
    found = compare("error", both(1000, 90, 150), ERRORS)
    assert found.low is not None
    moved = 60 - 1000 * found.low, 240 - 2 * found.low * 60 + 1000 * found.low**2
    evidence = wagers.betting_evidence(*map(np.array, (*moved, 1 + found.low)))
    assert float(evidence) == pytest.approx(log(20), abs=1e-6)


def test_interval_and_verdict_say_the_same_and_more_rows_make_it_shorter() -> None:
    found = [compare("error", both(100 * k, 9 * k, 15 * k), ERRORS) for k in (1, 2, 4, 8, 16, 32)]
    assert [one.verdict for one in found] == ["inconclusive"] * 3 + ["worse"] * 3
    assert [one.verdict == "worse" for one in found] == [one.low is not None and one.low > 0 for one in found]
    widths = [(one.high or 0) - (one.low or 0) for one in found]
    assert all(later < earlier for earlier, later in pairwise(widths))


@pytest.mark.parametrize("sums", [both(300, 30, 40), apart(errors(500, 100), errors(400, 95))])
def test_rows_needed_are_as_many_as_it_takes(sums: Sums) -> None:
    found = compare("error", sums, ERRORS)
    assert found.verdict == "inconclusive"
    assert found.rows_needed is not None
    just_enough = compare("error", sums.times(1.01 * found.rows_needed / sums.rows), ERRORS)
    too_few = compare("error", sums.times(0.99 * found.rows_needed / sums.rows), ERRORS)
    assert (just_enough.verdict, too_few.verdict) == ("worse", "inconclusive")


def test_nothing_is_said_of_nothing() -> None:
    found = compare("error", apart(errors(100, 20), errors(0, 0)), ERRORS)
    assert (found.verdict, found.difference, found.low, found.rows) == ("inconclusive", None, None, 0)


def test_versions_that_always_agree_are_never_told_apart() -> None:
    found = compare("error", both(100_000, 0, 0, 20_000), ERRORS)
    assert (found.verdict, found.difference, found.rows_needed) == ("inconclusive", 0.0, None)
    assert found.low == pytest.approx(0, abs=2e-4)


def test_few_rows_without_a_bound_say_nothing() -> None:
    few, enough = (compare("absolute_error", Sums(PairedSums(n, n, n, n, 3 * n, 2 * n, 5 * n))) for n in (199, 200))
    assert (few.verdict, few.low, few.method) == ("inconclusive", None, "asymptotic")
    assert enough.verdict == "worse"


@pytest.mark.parametrize("confidence", [0.0, 0.5, 1.0])
def test_a_confidence_must_be_one(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"confidence must be between 0\.5 and 1"):
        compare("error", both(10, 1, 2), ERRORS, confidence)


@given(st.lists(st.integers(0, 7), min_size=1, max_size=60), st.integers(1, 5))
def test_sums_of_pairs_do_not_depend_on_how_rows_are_cut_or_ordered(codes: list[int], panes: int) -> None:
    rows = np.array(codes)
    first = {"error": (rows & 1).astype(float), "brier": (rows & 1) * 0.25}
    second = {"error": (rows >> 1 & 1).astype(float), "brier": (rows >> 1 & 1) * 0.5}
    weight = np.asarray(1.0 + (rows >> 2), np.float64)
    whole = fold_pairs(first, second, weight, np.zeros(len(rows), np.int64), 1)
    order = np.random.default_rng(len(codes)).permutation(len(rows))
    cut = fold_pairs(
        {name: loss[order] for name, loss in first.items()},
        {name: loss[order] for name, loss in second.items()},
        weight[order],
        np.arange(len(rows)) % panes,
        panes,
    )
    assert {part: sums.sum(axis=0).tolist() for part, sums in cut.items()} == {
        part: pytest.approx(sums[0].tolist(), abs=1e-12) for part, sums in whole.items()
    }


def binary_rows(seed: int, rows: int, wrong: float) -> tuple[F64, F64]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    said = np.where((rng.random(rows) < wrong) ^ (truth == 1), 0.8, 0.3)
    return said[:, np.newaxis], truth.astype(float)


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 301.0)], ids=["plain", "weighted"])
@pytest.mark.parametrize("loss", ["error", "brier"])
def test_sums_of_one_version_are_the_same_from_panes_and_from_rows(weight: F64 | None, loss: str) -> None:
    scores, truth = binary_rows(1, 300, 0.2)
    actual = Column(numbers=truth)
    pane = fold_outcomes(BINARY, scores, None, actual, weight)
    rows = summed(row_losses(BINARY, scores, None, actual)[loss], np.ones(300) if weight is None else weight)
    assert alone_of_hours(pane.parts, BINARY, loss).ravel() == pytest.approx(rows, rel=1e-12)


def test_sums_of_a_regression_are_the_same_from_panes_and_from_rows() -> None:
    rng = np.random.default_rng(2)
    said, truth = rng.normal(size=(200, 1)), Column(numbers=rng.normal(size=200))
    pane, rows = fold_outcomes(Task("regression"), said, None, truth), row_losses(Task("regression"), said, None, truth)
    for loss in losses_of(Task("regression")):
        of_rows = summed(rows[loss], np.ones(200))
        assert alone_of_hours(pane.parts, Task("regression"), loss).ravel() == pytest.approx(of_rows, rel=1e-12)


def test_a_cost_matrix_decides_and_its_losses_are_its_entries() -> None:
    costs = np.array([[0.0, 1.0], [10.0, -2.0]])
    scores, truth = np.array([[0.9], [0.1], [0.9], [0.1]]), Column(numbers=np.array([1.0, 1.0, 0.0, 0.0]))
    assert losses_of(BINARY, priced=True)[0] == COST
    assert bounds_of(BINARY, COST, paired=True, costs=costs) == (-2.0, 10.0)
    pane = fold_outcomes(BINARY, scores, None, truth)
    assert alone_of_hours(pane.parts, BINARY, COST, costs).ravel() == pytest.approx((4, 4, 4, 9, 9, 105))
    # -2, 10, 1, 0 of the one, and of the other, which decides for 1 throughout, -2, -2, 1, 1
    other = VersionAnswers(BINARY, np.ones((4, 1)), None)
    sums = fold_requests(
        VersionAnswers(BINARY, scores, None), other, truth, np.full(4, np.nan), np.zeros(4, np.int64), 1
    )
    pairs = Pane({part: of_all.dense(1)[0] for part, of_all in sums.items()})
    assert paired_of(pairs, COST, costs) == (4, 4, 4, 9, -2, -11, 145)
    assert paired_of(swap_versions(pairs), COST, costs) == (4, 4, 4, -2, 9, 11, 145)
    assert paired_of(pairs, COST, 2 * costs).second == -4


def test_costs_of_pairs_are_those_of_rows_with_weights_and_of_classes_that_were_learned_later() -> None:
    rng = np.random.default_rng(4)
    costs, weight = rng.integers(-3, 9, (3, 3)).astype(float), rng.integers(1, 4, 200).astype(float)
    total, expected = Pane(), []
    for classes in (("a", "b"), ("a", "b", "c")):
        task, codes = Task("multiclass", classes), rng.integers(0, len(classes), (3, 200)).astype(np.int32)
        actual, one, other = (Column(codes=of, categories=classes) for of in codes)
        told = VersionAnswers(task, None, one), VersionAnswers(task, None, other)
        sums = fold_requests(*told, actual, weight, np.zeros(200, np.int64), 1)
        total = merge([total, Pane({part: of_all.dense(1)[0] for part, of_all in sums.items()})])
        first, second = costs[codes[0], codes[1]], costs[codes[0], codes[2]]
        d, squared = second - first, weight**2
        ones = np.ones(200)
        expected.append(
            [ones.sum(), weight.sum(), squared.sum(), weight @ first, weight @ second, squared @ d, squared @ d**2]
        )
    assert paired_of(total, COST, costs) == pytest.approx(np.sum(expected, axis=0))


def test_who_errs_less_and_costs_more_is_worse_where_somebody_says_what_errors_cost() -> None:
    rng = np.random.default_rng(6)
    truth = (rng.random(6_000) < 0.05).astype(float)
    made = {}
    for name, missed, alarmed in (("1", 0.2, 0.10), ("2", 0.6, 0.02)):
        flagged = np.where(truth == 1, rng.random(6_000) >= missed, rng.random(6_000) < alarmed)
        made[name] = np.where(flagged, 0.9, 0.1)[:, np.newaxis]
    actual = Column(numbers=truth)
    champion, challenger = (
        VersionInput(name, BINARY, fold_outcomes(BINARY, of, None, actual), 6_000) for name, of in made.items()
    )
    told = [VersionAnswers(BINARY, of, None) for of in made.values()]
    sums = fold_requests(told[0], told[1], actual, np.ones(6_000), np.zeros(6_000, np.int64), 1)
    pairs = Pane({part: of_all.dense(1)[0] for part, of_all in sums.items()})
    priced = PerformanceSettings(costs={"1": {"0": 100.0}, "0": {"1": 5.0}})
    for role in ("shadow", "canary"):
        assert side_by_side(champion, challenger, pairs, role).verdict == "better"
        found = side_by_side(champion, challenger, pairs, role, performance_settings=priced)
        assert found.verdict == "worse"
        assert found.comparisons["error"].verdict == "better"
        decides = unwrap(found.decides)
        assert (decides.loss, decides.method) == ("cost_per_prediction", "betting")
        assert decides.challenger == pytest.approx(found.challenger.metrics["cost_per_prediction"].value)
        assert "cost per prediction 3." in comparison_sentence(found)
    stranger = PerformanceSettings(costs={"2": {"0": 1.0}})
    assert side_by_side(champion, challenger, pairs, "shadow", performance_settings=stranger).verdict == "better"


def test_a_probability_of_nothing_counts_as_the_floor() -> None:
    rows = row_losses(BINARY, np.array([[0.0], [1.0]]), None, Column(numbers=np.array([1.0, 1.0])))
    assert rows["log_loss"].tolist() == pytest.approx([-log(FLOOR), 0.0])
    assert bounds_of(BINARY, "log_loss", paired=True) == (0.0, -log(FLOOR))
    assert bounds_of(BINARY, "log_loss", paired=False) is None


def test_a_row_without_a_usable_score_or_class_has_no_loss() -> None:
    rows = row_losses(BINARY, np.array([[np.nan], [2.0], [0.4]]), None, Column(numbers=np.array([1.0, 1.0, 7.0])))
    assert np.isnan(rows["brier"]).all()
    assert rows["error"].tolist()[1] == 0.0
    assert np.isnan(rows["error"][[0, 2]]).all()


def sides(
    wrong: tuple[float, float], rows: int = 3_000, seeds: tuple[int, int] = (3, 3)
) -> tuple[VersionInput, VersionInput, Pane]:
    made, losses = [], []
    for name, share, seed in zip("12", wrong, seeds, strict=True):
        scores, truth = binary_rows(seed, rows, share)
        actual = Column(numbers=truth)
        made.append(VersionInput(name, BINARY, fold_outcomes(BINARY, scores, None, actual), rows))
        losses.append(row_losses(BINARY, scores, None, actual))
    parts = fold_pairs(losses[0], losses[1], np.ones(rows), np.zeros(rows, np.int64), 1)
    return made[0], made[1], Pane({part: sums[0] for part, sums in parts.items()})


def test_a_shadow_is_compared_by_pairs_and_a_canary_by_its_own_requests() -> None:
    champion, challenger, pairs = sides((0.2, 0.3))
    shadow = side_by_side(champion, challenger, pairs, "shadow")
    canary = side_by_side(champion, challenger, Pane(), "canary")
    nobody_said = side_by_side(champion, challenger, pairs), side_by_side(champion, challenger, Pane())
    decided = [one.decides for one in (shadow, canary, *nobody_said)]
    assert [one is not None and one.paired for one in decided] == [True, False, True, False]
    assert {one.verdict for one in (shadow, canary, *nobody_said)} == {"worse"}
    assert list(shadow.comparisons) == ["error", "brier", "log_loss"]
    accuracy = shadow.champion.metrics["accuracy"].value
    assert accuracy == pytest.approx(0.8, abs=0.03)
    assert unwrap(shadow.decides).champion == pytest.approx(1 - (accuracy or 0))


def test_swapped_pairs_are_those_of_the_other_order() -> None:
    champion, challenger, pairs = sides((0.2, 0.3))
    there, back = side_by_side(champion, challenger, pairs), side_by_side(challenger, champion, swap_versions(pairs))
    assert (there.verdict, back.verdict) == ("worse", "better")
    assert paired_of(swap_versions(swap_versions(pairs)), "error") == paired_of(pairs, "error")


def test_a_pane_cut_in_two_says_the_same() -> None:
    champion, challenger, pairs = sides((0.2, 0.24), 800)
    half = Pane({part: sums / 2 for part, sums in pairs.parts.items()})
    assert side_by_side(champion, challenger, merge([half, half])) == side_by_side(champion, challenger, pairs)


def test_what_cannot_be_compared_says_why() -> None:
    champion, challenger, _ = sides((0.2, 0.3), 50)
    unheard = side_by_side(champion, VersionInput("2", BINARY, Pane(), 9), Pane())
    assert (unheard.verdict, unheard.reason) == ("inconclusive", facts.VersionWithoutOutcomes(version="2"))
    other = side_by_side(champion, VersionInput("2", Task("regression"), challenger.pane, 9), Pane())
    assert other.reason == facts.TasksDiffer(champion="binary", challenger="regression")
    apart = side_by_side(champion, challenger, Pane(), "shadow")
    assert apart.reason == facts.NoRequestOfBoth()


def test_who_is_reviewed_where_it_flags_alone_is_neither_better_nor_worse() -> None:
    """The challenger flags a tenth as much, is right whenever it does, and misses nine of ten frauds."""
    truth = np.repeat([1.0, 0.0], [1_000, 9_000])
    flags = {"1": np.arange(10_000) < 1_400, "2": np.arange(10_000) < 100}
    for reviewed, verdict in (("all", "worse"), ("flagged", "inconclusive")):
        made = []
        for name, flagged in flags.items():
            known = flagged | (reviewed == "all")
            pane = fold_outcomes(
                BINARY, np.where(flagged, 0.9, 0.1)[known, np.newaxis], None, Column(numbers=truth[known])
            )
            pane.parts |= {
                "decided:0": np.array([float((~flagged).sum())]),
                "decided:1": np.array([float(flagged.sum())]),
            }
            made.append(VersionInput(name, BINARY, pane, 10_000))
        found = side_by_side(made[0], made[1], Pane(), "canary")
        assert found.verdict == verdict
    assert found.reason == facts.VersionUnreviewed(version="1", predictions={"0": 8_600})
    assert found.challenger.metrics["precision"].low is not None


def test_a_sentence_says_what_the_verdict_rests_on() -> None:
    champion, challenger, pairs = sides((0.2, 0.3))
    said = comparison_sentence(side_by_side(champion, challenger, pairs))
    assert re.findall(r"version \d|worse|error rate|3,000 requests|difference of \+", said) == [
        *("version 2", "worse", "version 1", "error rate", "3,000 requests", "difference of +")
    ]
    champion, challenger, pairs = sides((0.2, 0.22), 400)
    assert "cannot be distinguished from version 1 yet" in (
        said := comparison_sentence(side_by_side(champion, challenger, pairs))
    )
    assert "requests are needed to decide" in said


def test_versions_of_a_service_that_are_named_as_files_are_compared_remain_versions() -> None:
    champion, challenger, pairs = sides((0.2, 0.3))
    champion, challenger = replace(champion, name="champion"), replace(challenger, name="candidate")
    served = side_by_side(champion, challenger, pairs)
    assert comparison_sentence(served).startswith("version candidate is worse")
    assert comparison_sentence(replace(served, of_files=True)).startswith("the candidate is worse")


def test_json_has_what_is_known_and_null_for_what_is_not() -> None:
    champion, challenger, pairs = sides((0.2, 0.3))
    told = json_of(side_by_side(champion, challenger, pairs, stretch=(0, 0)))
    assert (told["verdict"], told["decided_by"], told["pairs"], told["start"]) == ("worse", "error", 3000, None)
    assert told["comparisons"]["error"]["low"] > 0
    assert told["champion"]["metrics"]["accuracy"]["low"] is not None


def test_a_canary_of_which_nothing_is_known_yet_has_a_reason() -> None:
    """Its outcomes come later than the champion's, of which hours are known: that is how every canary begins."""
    pane = Pane({"outcomes": np.full(3, 400.0), "confusion": np.array([200.0, 50, 50, 100])})
    by_hour = {part: np.tile(sums / 4, (4, 1)) for part, sums in pane.parts.items()}
    champion = VersionInput("1", BINARY, pane, 400, lambda: by_hour)
    found = side_by_side(champion, VersionInput("2", BINARY, Pane(), 30, dict), Pane(), "canary")
    assert (found.verdict, found.reason) == ("inconclusive", facts.VersionWithoutOutcomes(version="2"))


def test_costs_that_are_all_the_same_compare_nothing() -> None:
    pane = Pane({"outcomes": np.full(3, 900.0), "confusion": np.array([400.0, 100, 100, 300])})
    same = {actual: {"0": 5.0, "1": 5.0} for actual in ("0", "1")}
    one, other = (VersionInput(name, BINARY, pane, 900) for name in "12")
    settings = PerformanceSettings(costs=same)
    assert "cost" not in side_by_side(one, other, Pane(), "canary", performance_settings=settings).comparisons
