"""Every metric is worse than the baseline's, not worse, or nobody can tell; without an objective."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.estimation import Estimation
from driftline.baseline.sections.time_blocks import OutcomeBlocks
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Evaluation, MetricChange, MetricValue
from driftline_processor.core.performance.changes import LEVEL, Compared, judge_changes
from driftline_processor.core.performance.judge import judge_performance
from driftline_processor.core.performance.settings import STANDARD, PerformanceSettings
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import DAY, Window
from msgspec.structs import replace

from tests.support.unwrap import unwrap

BINARY = Task("binary", ("0", "1"), "1")


def rows(right: int, wrong: int) -> Pane:
    """Decisions without scores, half of them positive."""
    n = np.array([float(right + wrong)] * 3)
    return Pane({"outcomes": n, "confusion": np.array([right / 2, wrong / 2, wrong / 2, right / 2])})


def baseline(days: list[Pane], length: int = DAY) -> Baseline:
    blocks = OutcomeBlocks.of(length, days)
    return Baseline("m", "", BINARY, ModelBins(), merge(days), extras=Extras(estimation=Estimation(blocks=blocks)))


TWO_POINTS = replace(STANDARD, margin={"accuracy": 0.02})


def judged(
    before: Baseline, days: list[Pane], dated: bool = True, settings: PerformanceSettings = TWO_POINTS, **more: object
) -> Evaluation:
    pane, end = merge(days), len(days) * DAY if dated else 0
    evaluation = Evaluation(ModelKey("m"), Window("", 0, end), pane.rows, True, coverage=1.0)
    outcomes = WindowOutcomes(blocks=days if len(days) > 1 else (), **more)  # type: ignore[arg-type]
    judge_performance(evaluation, pane, before, BINARY, outcomes, settings)
    return evaluation


def accuracy(before: Baseline, days: list[Pane], dated: bool = True, **more: Any) -> MetricChange:
    return judged(before, days, dated, **more).realized_changes["accuracy"]


def undated(right: int, wrong: int) -> Baseline:
    return baseline([rows(right, wrong)])


def alike(share: float, days: int, each: int) -> list[Pane]:
    """Days that differ as independent rows do."""
    rng = np.random.default_rng(5)
    right = rng.binomial(each // 2, share, days) * 2
    return [rows(int(one), each - int(one)) for one in right]


class TestTheState:
    def test_is_worse_where_three_points_are_lost_in_five_thousand_rows(self) -> None:
        change = accuracy(undated(18_000, 2_000), [rows(4_350, 650)], dated=False)
        assert change.state == "worse"
        assert change.change == pytest.approx(-0.03)
        assert unwrap(change.low) < -0.03 < unwrap(change.high) < 0
        assert unwrap(change.p_value) < LEVEL

    def test_is_not_worse_where_the_whole_interval_is_inside_the_margin(self) -> None:
        change = accuracy(undated(18_000, 2_000), [rows(4_500, 500)], dated=False)
        assert (change.state, change.reason, change.margin) == ("not_worse", "", 0.02)
        assert unwrap(change.low) > -0.02

    def test_cannot_tell_with_few_rows_and_says_that_rows_lack(self) -> None:
        change = accuracy(undated(18_000, 2_000), [rows(180, 20)], dated=False)
        assert (change.state, change.reason) == ("inconclusive", "too_few_rows")

    @pytest.mark.parametrize(("right", "wrong"), [(1, 0), (3, 0), (5, 0), (9, 1)])
    def test_cannot_tell_with_a_handful_of_rows_however_good(self, right: int, wrong: int) -> None:
        assert accuracy(undated(18_000, 2_000), [rows(right, wrong)], dated=False).state == "inconclusive"

    def test_is_not_worse_where_the_model_became_better(self) -> None:
        assert accuracy(undated(18_000, 2_000), [rows(4_800, 200)], dated=False).state == "not_worse"

    def test_is_not_worse_inside_the_margin_however_sure_a_change_is(self) -> None:
        change = accuracy(undated(9_000_000, 1_000_000), [rows(8_900_000, 1_100_000)], dated=False)
        assert unwrap(change.p_value) < 1e-5
        assert change.state == "not_worse"

    def test_is_worse_just_beyond_the_margin_where_the_rows_are_many(self) -> None:
        assert accuracy(undated(9_000_000, 1_000_000), [rows(8_750_000, 1_250_000)], dated=False).state == "worse"

    def test_without_a_setting_the_margin_is_a_quarter_of_the_skill_and_at_most_half_of_the_error(self) -> None:
        weak, good = undated(14_000, 6_000), undated(18_000, 2_000)
        of_weak = accuracy(weak, [rows(3_500, 1_500)], dated=False, settings=STANDARD)
        of_good = accuracy(good, [rows(4_500, 500)], dated=False, settings=STANDARD)
        assert of_weak.margin == pytest.approx((0.7 - 0.5) / 4)
        assert of_good.margin == pytest.approx(0.1 / 2)

    def test_of_a_baseline_no_better_than_a_constant_has_no_margin_and_is_never_not_worse(self) -> None:
        idle = undated(10_000, 10_000)
        same = accuracy(idle, [rows(5_000, 5_000)], dated=False, settings=STANDARD)
        worse = accuracy(idle, [rows(4_000, 6_000)], dated=False, settings=STANDARD)
        assert (same.state, same.margin, worse.state) == ("inconclusive", None, "worse")

    def test_is_that_of_metrics_with_a_direction_and_an_interval_alone(self) -> None:
        scored = fold_outcomes(
            BINARY, np.tile([[0.9], [0.2]], (500, 1)), None, Column(numbers=np.tile([1.0, 0, 0, 1], 250))
        )
        changes = judged(baseline([scored]), [scored], dated=False).realized_changes
        assert {"accuracy", "log_loss", "roc_auc"} <= changes.keys()
        assert not {"actual_rate", "mean_score", "cost", "calibration_error", "ks"} & changes.keys()

    def test_of_a_window_whose_outcomes_may_still_come_is_not_told(self) -> None:
        change = accuracy(undated(18_000, 2_000), [rows(4_000, 1_000)], dated=False, young=True)
        assert (change.state, change.reason) == ("inconclusive", "")


class TestDays:
    def test_that_differ_in_the_baseline_make_the_same_drop_no_news(self) -> None:
        worse = [rows(860, 140)]
        calm = accuracy(baseline(alike(0.9, 14, 1_000)), worse)
        stormy = [rows(right, 1_000 - right) for right in (950, 850, 900, 940, 860, 910, 890) * 2]
        assert calm.state == "worse"
        differs = accuracy(baseline(stormy), worse)
        assert (differs.state, differs.reason) == ("inconclusive", "too_few_days")

    def test_of_a_short_baseline_are_unknown_and_only_what_matters_is_worse(self) -> None:
        short = baseline(alike(0.9, 12, 1_000), DAY // 4)
        small, large = accuracy(short, [rows(2_655, 345)]), accuracy(short, [rows(2_580, 420)])
        assert (small.state, small.reason) == ("inconclusive", "too_few_days")
        assert (large.state, large.reason) == ("worse", "too_few_days")

    def test_lend_a_window_of_two_days_an_interval_that_means_something(self) -> None:
        two = [rows(905, 95), rows(885, 115)]
        alone = judged(baseline(alike(0.9, 3, 1_000)), two).realized["accuracy"]
        lent = judged(baseline(alike(0.9, 14, 1_000)), two).realized["accuracy"]
        assert None not in (alone.low, alone.high, lent.low, lent.high)
        assert alone.high - alone.low > 0.1  # type: ignore[operator]
        assert lent.high - lent.low < 0.04  # type: ignore[operator]


def test_many_metrics_are_corrected_together_and_help_each_other() -> None:
    """One of ten that is worse at p = .002 is no finding; ten of ten are."""

    def at(shift: float, count: int) -> dict[str, MetricChange]:
        names = ["accuracy", *(f"recall[{label}]" for label in "abcdefghi")]

        def now(confidence: float) -> dict[str, MetricValue]:
            reach = {0.95: 1.96}.get(confidence, 3.09) * 0.01
            values = [0.8 - (shift if one < count else 0.0) for one in range(len(names))]
            return {
                name: MetricValue(value, 1_000, "panes", low=value - reach, high=value + reach)
                for name, value in zip(names, values, strict=True)
            }

        def was(_: float) -> dict[str, MetricValue]:
            return {name: MetricValue(0.8, 10**9, "panes", low=0.8, high=0.8) for name in names}

        return judge_changes(Compared(now, was, margins=dict.fromkeys(names, 0.02)))

    assert {change.state for change in at(0.0288, 10).values()} == {"worse"}
    assert "worse" not in {change.state for change in at(0.0288, 1).values()}


def test_a_dozen_metrics_of_one_threshold_do_not_hide_the_one_that_decides() -> None:
    """Alone at p = .003, log loss is a finding among ten metrics that moved by nothing; a precision is none."""
    names = ["log_loss", *(f"precision[{label}]" for label in "abcdefghi")]

    def at(moved: str) -> MetricChange:
        def now(confidence: float) -> dict[str, MetricValue]:
            reach = {0.95: 1.96}.get(confidence, 3.09) * 0.01
            shift = {name: 0.0275 * (name == moved) * (1 if name == "log_loss" else -1) for name in names}
            return {
                name: MetricValue(value, 1_000, "panes", low=value - reach, high=value + reach)
                for name, value in ((name, 0.5 + shift[name]) for name in names)
            }

        def was(_: float) -> dict[str, MetricValue]:
            return {name: MetricValue(0.5, 10**9, "panes", low=0.5, high=0.5) for name in names}

        return judge_changes(Compared(now, was, margins=dict.fromkeys(names, 0.02)))[moved]

    assert at("log_loss").state == "worse"
    assert at("precision[a]").state == "inconclusive"
    assert (at("precision[a]").p_value or 0.0) > 20 * (at("log_loss").p_value or 1.0)


@pytest.mark.parametrize(("kept", "ratio"), [(0.0, 1.0), (0.6, 2.0)])
def test_days_that_resemble_their_neighbours_count_for_less_in_a_longer_period(kept: float, ratio: float) -> None:
    now = {"log_loss": MetricValue(0.5, 1_000, "panes", low=0.5 - 0.0196, high=0.5 + 0.0196, interval="blocks")}
    was = {"log_loss": MetricValue(0.5, 10**9, "panes", low=0.5, high=0.5)}
    compared = Compared(lambda _: now, lambda _: was, autocorrelation={"log_loss": kept})
    assert judge_changes(compared)["log_loss"].error == pytest.approx(0.01 * ratio, rel=1e-3)
    assert judge_changes(replace(compared, days=()))["log_loss"].error is None


def test_nothing_is_compared_without_a_baseline_that_knows_outcomes() -> None:
    empty = Baseline("m", "", BINARY, ModelBins(), Pane())
    assert judged(empty, [rows(90, 10)]).realized_changes == {}


class TestAConstant:
    def scored(self, seed: int, n: int, blur: float) -> Pane:
        rng = np.random.default_rng(seed)
        logit = rng.normal(-1, 1.5, n)
        happened = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.float64)
        said = 1 / (1 + np.exp(-(logit + blur * rng.normal(size=n))))
        self.scores, self.happened = said, happened
        return fold_outcomes(BINARY, said[:, np.newaxis], None, Column(numbers=happened))

    def test_is_compared_row_by_row(self) -> None:
        before = baseline([self.scored(1, 4_000, 0.0)])
        rate = float(self.happened.mean())
        found = judged(before, [self.scored(2, 2_000, 1.0)], dated=False).constant_comparison
        y, s = self.happened, self.scores
        apart = -y * np.log(s / rate) - (1 - y) * np.log((1 - s) / (1 - rate))
        half = 1.96 * float(apart.std(ddof=1)) / len(y) ** 0.5
        assert found is not None
        assert (found.change, found.low, found.high) == pytest.approx(
            (float(apart.mean()), float(apart.mean()) - half, float(apart.mean()) + half), abs=2e-3
        )

    def test_that_a_good_model_beats_and_a_noisy_one_does_not(self) -> None:
        before = baseline([self.scored(1, 4_000, 0.0)])
        good = judged(before, [self.scored(2, 2_000, 0.0)], dated=False).constant_comparison
        noisy = unwrap(judged(before, [self.scored(3, 2_000, 4.0)], dated=False).constant_comparison)
        assert good is not None
        assert (good.state, noisy.state) == ("not_worse", "worse")
