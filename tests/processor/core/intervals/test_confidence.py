"""Intervals of performance, against scipy and against the formulas as papers write them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64, Column, take_rows
from driftline.tables.task import Task
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals import confidence as of
from driftline_processor.core.intervals import gradients
from driftline_processor.core.intervals import score_curves as areas
from driftline_processor.core.intervals import score_curves as highest
from driftline_processor.core.intervals.confidence import Interval, WeightSums
from driftline_processor.core.intervals.time_blocks import autocorrelation_of, blocks_of_window, design
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.realized import from_rows, realized
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.windows.window import Window, window_of
from scipy import stats

from tests.support.unwrap import unwrap

BINARY = Task("binary", ("0", "1"), "1")
COLOURS = Task("multiclass", ("red", "green", "blue"))
DAY = 86_400 * 10**9


def test_a_metric_of_ones_own_has_no_interval_of_another_that_is_called_so() -> None:
    colours = Column(codes=np.arange(60, dtype=np.int32) % 3, categories=COLOURS.classes)
    own = {"profit_micro": MetricValue(7.0, 60, "panes"), "accuracy": MetricValue(1.0, 60, "panes")}
    found = with_intervals(own, fold_outcomes(COLOURS, None, colours, colours), (), COLOURS, PerformanceSettings())
    assert (found["profit_micro"], found["accuracy"].interval) == (own["profit_micro"], "clopper_pearson")
    regression = Task("regression")
    errors = fold_outcomes(regression, np.arange(60.0)[:, np.newaxis], None, Column(numbers=np.ones(60)))
    error = {"squared_error": MetricValue(7.0, 60, "panes")}
    assert with_intervals(error, errors, (), regression, PerformanceSettings()) == error


@pytest.mark.parametrize("task", [BINARY, COLOURS, Task("regression", quantiles=(0.1, 0.5, 0.9))])
@pytest.mark.parametrize("bad", [0.0, -1.0, 1e-320, 1e-200, 1e-155, 1e13, math.inf])
def test_a_weight_that_can_be_none_costs_its_own_row_and_no_window(task: Task, bad: float) -> None:
    rng, n = np.random.default_rng(5), 60
    scores = rng.dirichlet(np.ones(3), n) if task is COLOURS else np.sort(rng.random((n, len(task.quantiles) or 1)))
    actual = Column(codes=rng.integers(0, 2, n).astype(np.int32), categories=task.classes or ("0.25", "0.5"))
    weight, value = np.where(np.arange(n) % 2, rng.uniform(1, 9, n), bad), rng.random(n)
    asked = PerformanceSettings(costs={"0": {"1": 2.0}} if task is BINARY else {})

    def bounded(at: I64) -> list[dict[str, MetricValue]]:
        told = (task, scores[at], None, take_rows(actual, at), weight[at], None, value[at])
        made = fold_outcomes(*told)
        found = realized(made, task, asked), from_rows(*told, asked)
        return [with_intervals(one, made, (made, made), task, asked) for one in found]

    assert bounded(np.arange(n)) == bounded(np.arange(1, n, 2))
    assert bounded(np.arange(0, n, 2)) == [{}, {}]


def rows(n: int) -> WeightSums:
    return WeightSums(float(n), float(n))


def ends(found: Interval) -> tuple[float, float]:
    return unwrap(found.low), unwrap(found.high)


def counted(weight: F64, squares: F64 | None = None, rows: float | None = None) -> Pane:
    """A pane of these cells, and nothing else; ``rows``: None = as many as they weigh."""
    squared = weight if squares is None else squares
    parts = {"confusion": weight, "confusion_excess": squared - weight}
    outcomes = np.array([weight.sum() if rows is None else rows, weight.sum(), squared.sum()])
    return Pane({"outcomes": outcomes, **parts})


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (19, 20), (1, 1_000), (437, 1_000)])
def test_shares_have_the_intervals_of_scipy(hits: int, n: int) -> None:
    test = stats.binomtest(hits, n)
    exact, wilson = test.proportion_ci(0.9, "exact"), test.proportion_ci(0.9, "wilson")
    assert ends(of.clopper_pearson(rows(hits), rows(n - hits), 0.9)) == pytest.approx(
        (exact.low, exact.high), abs=1e-12
    )
    assert ends(of.wilson(rows(hits), rows(n - hits), 0.9)) == pytest.approx((wilson.low, wilson.high), abs=1e-12)


def test_weights_that_are_all_alike_change_nothing() -> None:
    weighted = of.clopper_pearson(WeightSums(190, 1_900, 10), WeightSums(10, 100, 10), 0.95)
    assert ends(weighted) == pytest.approx(ends(of.clopper_pearson(rows(19), rows(1), 0.95)))


def test_rows_that_count_for_one_another_are_divided() -> None:
    clustered = of.clopper_pearson(rows(190), rows(10), 0.95, design=10.0)
    assert ends(clustered) == pytest.approx(ends(of.clopper_pearson(rows(19), rows(1), 0.95)))


def test_what_was_never_seen_is_as_rare_as_the_rows_that_would_show_it_are_few() -> None:
    """Of 500 flagged all were right; of 40,000 others 400 were reviewed, and none was missed."""
    confusion, squares = np.array([40_000.0, 0, 0, 500]), np.array([40_000.0 * 100, 0, 0, 500])
    found = with_intervals(
        realized(counted(confusion), BINARY), counted(confusion, squares, 900), (), BINARY, PerformanceSettings()
    )["recall"]
    assert found.value == 1.0
    missed = (1 / found.low - 1) * 500 if found.low else math.inf
    rule_of_three = -math.log(0.025) * 100
    assert found.high == 1.0
    assert missed == pytest.approx(rule_of_three, rel=0.1)


def test_f1_is_as_sure_as_the_share_it_is_made_of() -> None:
    found = with_intervals(
        {"f1": MetricValue(60 / 90, 90, "panes"), "fbeta@2": MetricValue(150 / 215, 90, "panes")},
        counted(np.array([30.0, 10, 20, 30])),
        (),
        BINARY,
        PerformanceSettings(),
    )
    exact = stats.binomtest(30, 60).proportion_ci(0.95)
    assert (found["f1"].low, found["f1"].high) == pytest.approx(
        (2 * exact.low / (1 + exact.low), 2 * exact.high / (1 + exact.high))
    )
    assert unwrap(found["fbeta@2"].low) < 150 / 240 < (found["fbeta@2"].high or 0)


def test_a_cost_that_is_one_share_is_as_sure_as_it() -> None:
    confusion = counted(np.array([170.0, 20, 3, 7]))
    costs = {"1": {"0": 500.0}}
    asked = PerformanceSettings(costs=costs)
    found = with_intervals(realized(confusion, BINARY, asked), confusion, (), BINARY, asked)
    exact = stats.binomtest(3, 200).proportion_ci(0.95)
    cost, mean = found["cost"], found["cost_per_prediction"]
    assert (mean.low, mean.high) == pytest.approx((500 * exact.low, 500 * exact.high))
    assert (cost.low, cost.high) == pytest.approx((100_000 * exact.low, 100_000 * exact.high))
    assert (cost.interval, cost.effective_rows) == ("mover", 200.0)


def test_a_cost_that_no_row_had_may_still_come() -> None:
    """Of 300 rows that all cost 0 or 20, up to 1.2 in a hundred may be of those that cost 500."""
    confusion = counted(np.array([250.0, 20, 0, 30]))
    asked = PerformanceSettings(costs={"1": {"0": 500.0}, "0": {"1": 20.0}})
    found = with_intervals(realized(confusion, BINARY, asked), confusion, (), BINARY, asked)["cost_per_prediction"]
    unseen = stats.binomtest(0, 300).proportion_ci(0.95).high
    mean, seen = 400 / 300, stats.binomtest(20, 300).proportion_ci(0.95).high
    assert found.value == pytest.approx(mean)
    assert found.high == pytest.approx(mean + math.hypot((500 - mean) * unseen, 20 * (seen - 20 / 300)), rel=0.01)


@pytest.mark.parametrize(("rows", "loss", "metrics"), [(1_000_000, 0.1, ("brier", "log_loss", "mean_score"))])
def test_rows_that_are_all_alike_say_nothing_of_others(rows: int, loss: float, metrics: tuple[str, ...]) -> None:
    pane = _scored(np.full(rows, loss), np.zeros(rows))
    found = with_intervals(realized(pane, BINARY), pane, (), BINARY, PerformanceSettings())
    assert {(found[name].low, found[name].interval) for name in metrics} == {(None, "too_few_rows")}


@pytest.mark.parametrize(("spikes", "known"), [(9, False), (12, True)])
def test_a_mean_that_few_rows_make_up_is_not_known(spikes: int, known: bool) -> None:
    error = np.zeros(1_000)
    error[:spikes] = 50.0
    pane = fold_outcomes(Task("regression"), error[:, None], None, Column(numbers=np.zeros(1_000)))
    found = with_intervals(realized(pane, Task("regression")), pane, (), Task("regression"), PerformanceSettings())
    assert {name: found[name].low is not None for name in ("mae", "bias", "rmse")} == dict.fromkeys(
        ("mae", "bias", "rmse"), known
    )


def test_what_is_made_up_of_gains_and_losses_is_known_although_it_comes_to_nothing() -> None:
    value = np.tile([100.0, -99.0], 50)
    pane = fold_outcomes(
        BINARY, np.full((100, 1), 0.7), None, Column(numbers=np.ones(100)), value=value, weight=np.full(100, 2.0)
    )
    assert pane.parts["value_negative"].tolist() == [99.0 * 50 * 2]
    found = with_intervals(realized(pane, BINARY), pane, (), BINARY, PerformanceSettings())["value_per_prediction"]
    expected = stats.ttest_1samp(value, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_an_area_varies_as_delong_says() -> None:
    rng = np.random.default_rng(1)
    positive, negative = np.round(rng.normal(1, 1, 80), 1), np.round(rng.normal(0, 1, 120), 1)
    beats = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    value = beats.mean()
    variance = beats.mean(axis=1).var(ddof=1) / 80 + beats.mean(axis=0).var(ddof=1) / 120
    bins, place = np.unique(np.concatenate([negative, positive]), return_inverse=True)
    sides = [np.bincount(one, minlength=len(bins)).astype(np.float64) for one in (place[:120], place[120:])]
    curve = areas.ScoreCurve(*(areas.ClassScores(one, one, np.empty((0, len(bins))), np.empty(0)) for one in sides))
    found, moved = areas.area(curve)
    assert (found, moved.variance) == pytest.approx((value, variance))


def reviewed(rng: np.random.Generator, n: int, most: float) -> tuple[F64, F64, F64]:
    """Scores, truth and weights of rows of which the low scores are reviewed less often."""
    truth = (rng.random(n) < 0.2).astype(np.float64)
    score = stats.norm.cdf(rng.normal(1.5 * truth, 1))
    return score, truth, np.where(score > 0.7, 1.0, most)


def test_an_area_of_rows_whose_weights_go_with_the_score_varies_as_each_row_does() -> None:
    score, truth, weight = reviewed(np.random.default_rng(7), 900, 8.0)
    curve = unwrap(areas.score_curve(fold_outcomes(BINARY, score[:, None], None, Column(numbers=truth), weight), ()))
    value, moved = areas.area(curve)
    own, other = truth == 1, truth == 0
    beats = score[own][:, None] > score[other]
    beaten = beats @ weight[other] / weight[other].sum(), weight[own] @ beats / weight[own].sum()
    assert value == pytest.approx(beaten[0] @ weight[own] / weight[own].sum(), abs=1e-3)
    varies = 0.0
    for share, w in zip(beaten, (weight[own], weight[other]), strict=True):
        rows = w.sum() ** 2 / (w @ w)
        varies += float(w**2 @ (share - value) ** 2) / w.sum() ** 2 * rows / (rows - 1)
    assert moved.variance == pytest.approx(varies, rel=1e-2)


def test_squares_of_weights_that_were_not_kept_by_score_are_those_of_all_scored_rows() -> None:
    score, truth, weight = reviewed(np.random.default_rng(8), 900, 8.0)
    pane = fold_outcomes(BINARY, score[:, None], None, Column(numbers=truth), weight)
    before = Pane({name: sums for name, sums in pane.parts.items() if not name.endswith("_excess") or name[0] == "c"})
    known, old = (areas.score_curve(one, ()) for one in (pane, before))
    assert known is not None
    assert old is not None
    total = sum(side.squares.sum() for side in known)
    assert total == pytest.approx(weight @ weight)
    assert sum(side.squares.sum() for side in old) == pytest.approx(total)


def test_an_area_of_which_no_heavy_positive_has_come_is_less_sure_below() -> None:
    def below(weight: float) -> float | None:
        score, truth, w = reviewed(np.random.default_rng(9), 2_000, weight)
        found = (truth == 0) | (score > 0.7)  # no positive among the others
        pane = fold_outcomes(BINARY, score[found][:, None], None, Column(numbers=truth[found]), w[found])
        area = with_intervals(realized(pane, BINARY), pane, (), BINARY, PerformanceSettings())["roc_auc"]
        return None if area.low is None else unwrap(area.value) - area.low

    light, heavy, heaviest = (below(weight) for weight in (1.0, 10.0, 100.0))
    assert light is not None
    assert light < 0.02
    assert heavy is not None
    assert heavy > 0.05
    assert heaviest is None


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_a_block_moves_a_curve_as_far_as_leaving_it_out_says(metric: str) -> None:
    rng = np.random.default_rng(2)
    panes = []
    for _ in range(50):
        truth = (rng.random(400) < 0.3).astype(np.float64)
        panes.append(_scored(1 / (1 + np.exp(-rng.normal(truth, 1))), truth))
    whole = _sum(panes)
    curve = unwrap(areas.score_curve(whole, panes))
    measure = areas.area if metric == "roc_auc" else areas.average_precision
    value, moved = measure(curve)
    without = [measure(_curve(_sum(panes[:one] + panes[one + 1 :])))[0] for one in range(5)]
    assert moved.influence[:5] == pytest.approx([value - one for one in without], rel=0.1, abs=2e-5)
    assert abs(moved.influence.sum()) < 1e-12


def scored(rng: np.random.Generator, n: int, rate: float = 0.3, share: float = 1.0) -> Pane:
    """Rows whose positives score higher; ``share``: of the negatives that are reviewed, by their weight."""
    truth = (rng.random(n) < rate).astype(np.float64)
    score = 1 / (1 + np.exp(-rng.normal(1.5 * truth - 1, 1)))
    held = (rng.random(n) < share) | (score > 0.5)
    weight = np.where(score > 0.5, 1.0, 1 / share)[held]
    return fold_outcomes(BINARY, score[held, np.newaxis], None, Column(numbers=truth[held]), weight)


def bounded(pane: Pane, *names: str, blocks: tuple[Pane, ...] = ()) -> list[MetricValue]:
    asked = PerformanceSettings(metrics=names)
    found = with_intervals(realized(pane, BINARY, asked), pane, blocks, BINARY, asked)
    return [found[name] for name in names]


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_a_gain_varies_as_gains_of_other_rows_do(share: float) -> None:
    rng = np.random.default_rng(3)
    drawn = [scored(rng, 1_000, share=share) for _ in range(200)]
    values = [realized(one, BINARY)["gain@0.1"].value or 0.0 for one in drawn]
    curves = [areas.score_curve(one, ()) for one in drawn[:40]]
    varies = [highest.gain_ratio(one, 0.1, 1.0)[0].influence.variance for one in curves if one is not None]
    assert np.sqrt(np.mean(varies)) == pytest.approx(np.std(values), rel=0.15)


def test_a_block_moves_a_gain_as_far_as_leaving_it_out_says() -> None:
    rng = np.random.default_rng(2)
    panes = [scored(rng, 400) for _ in range(50)]
    curve = unwrap(areas.score_curve(_sum(panes), panes))
    found, _ = highest.gain_ratio(curve, 0.1, 1.0)
    without = [realized(_sum(panes[:at] + panes[at + 1 :]), BINARY)["gain@0.1"].value or 0.0 for at in range(5)]
    assert found.influence.influence[:5] == pytest.approx(
        [unwrap(found.value) - one for one in without], rel=0.2, abs=2e-4
    )
    assert abs(found.influence.influence.sum()) < 1e-12


def test_a_lift_is_as_sure_as_the_gain_that_it_is_of_and_days_that_differ_make_both_less_so() -> None:
    rng = np.random.default_rng(4)
    days = tuple(scored(rng, 300, rate) for rate in np.tile([0.1, 0.5], 10))
    gain, lift = bounded(_sum(list(days)), "gain@0.1", "lift@0.1")
    assert (gain.low, gain.high) == pytest.approx(((lift.low or 0) / 10, (lift.high or 0) / 10))
    assert (gain.interval, lift.interval, gain.effective_rows) == ("clopper_pearson", "clopper_pearson", 6_000)
    (by_day,) = bounded(_sum(list(days)), "gain@0.1", blocks=days)
    assert by_day.interval == "blocks"
    assert (by_day.low or 1) < (gain.low or 0) < (gain.high or 0) < (by_day.high or 0)


def test_a_gain_of_few_positives_or_of_few_rows_is_not_known_and_one_of_all_not_beyond_doubt() -> None:
    truth = np.repeat([1.0, 0.0], [100, 900])
    perfect = _scored(np.linspace(0.9, 0.1, 1_000), truth)
    few, all_of_them, whole = bounded(perfect, "gain@0.01", "gain@0.5", "gain@1")
    assert (few.interval, few.low, whole.interval) == ("too_few_rows", None, "")
    assert (all_of_them.low, all_of_them.high) == pytest.approx((0.025 ** (1 / 100), 1.0))
    (rare,) = bounded(_scored(np.linspace(0.9, 0.1, 1_000), np.repeat([1.0, 0.0], [48, 952])), "gain@0.1")
    assert (rare.value, rare.interval) == (1.0, "too_few_rows")


def test_a_class_of_few_has_no_area_to_speak_of() -> None:
    truth = np.repeat([1.0, 0.0], [49, 500])
    pane = _scored(np.linspace(0.1, 0.9, 549), truth)
    found = with_intervals(realized(pane, BINARY), pane, (), BINARY, PerformanceSettings())["roc_auc"]
    assert (found.low, found.high, found.interval) == (None, None, "too_few_rows")


def test_a_perfect_area_is_not_beyond_doubt() -> None:
    pane = _scored(np.repeat([0.9, 0.1], [100, 300]), np.repeat([1.0, 0.0], [100, 300]))
    found = with_intervals({"roc_auc": MetricValue(1.0, 400, "panes")}, pane, (), BINARY, PerformanceSettings())[
        "roc_auc"
    ]
    assert (found.low, found.high) == pytest.approx((0.025 ** (1 / 100), 1.0))


def test_means_have_students_interval_and_losses_that_of_their_logarithm() -> None:
    rng = np.random.default_rng(3)
    error = rng.normal(0.5, 2, 60)
    truth = rng.normal(0, 1, 60)
    pane = fold_outcomes(Task("regression"), (truth + error)[:, None], None, Column(numbers=truth))
    if "spread" not in pane.parts:
        losses = np.stack([error, np.abs(error), error**2, truth, truth**2])
        pane.parts["spread"] = np.array([60, *np.stack([losses, losses**2], axis=1).sum(axis=2).ravel()])
    found = with_intervals(realized(pane, Task("regression")), pane, (), Task("regression"), PerformanceSettings())
    expected = stats.ttest_1samp(error, 0).confidence_interval(0.95)
    assert (found["bias"].low, found["bias"].high) == pytest.approx((expected.low, expected.high))
    size = np.abs(error)
    half = stats.ttest_1samp(size, 0).confidence_interval(0.95).high / size.mean() - 1
    ends = size.mean() * np.exp(-half), size.mean() * np.exp(half)
    assert (found["mae"].low, found["mae"].high) == pytest.approx(ends)
    assert found["mae"].interval == "log"
    assert found["r2"].interval == ""
    assert found["r2"].low is None
    assert 1.7 < unwrap(found["rmse"].low) < (found["rmse"].value or 0) < 2.4


def test_a_mean_over_classes_moves_as_its_gradient_says() -> None:
    rng = np.random.default_rng(4)
    cells = rng.integers(20, 200, (3, 3)).astype(np.float64)
    own = counted(cells.ravel())
    table = gradients.confusion_table(own, (), 3)
    assert table is not None
    names = ("precision", "recall", "f1")
    found = with_intervals(
        {"balanced_accuracy": MetricValue(_averaged(cells, "recall", ""), 1, "panes")}
        | {
            f"{name}{kind}": MetricValue(_averaged(cells, name, kind), 1, "panes")
            for name in names
            for kind in ("", "_weighted")
        },
        own,
        (),
        COLOURS,
        PerformanceSettings(),
    )
    for name in ("precision_weighted", "f1_weighted"):
        gradient = np.zeros((3, 3))
        for i, j in np.ndindex(3, 3):
            step = np.zeros((3, 3))
            step[i, j] = 1e-4
            base, kind = name.split("_")
            gradient[i, j] = (
                _averaged(cells + step, base, "_" + kind) - _averaged(cells - step, base, "_" + kind)
            ) / 2e-4
        expected = of.logit(
            _averaged(cells, base, "_weighted"), float((gradient**2 * cells).sum()), 0.95, cells.sum() - 1
        )
        assert (found[name].low, found[name].high) == pytest.approx(ends(expected), rel=1e-6)
    for name in names:
        low, high = found[name].low, found[name].high
        assert low is not None
        assert high is not None
        assert 0.05 < high - low < 0.12
    assert found["recall"].interval == "mover"
    alike = found["balanced_accuracy"]  # of many classes it is the same number
    assert (alike.low, alike.high, alike.interval) == (found["recall"].low, found["recall"].high, "mover")


def _averaged(cells: F64, name: str, kind: str) -> float:
    hits, actual, decided = cells.diagonal(), cells.sum(axis=1), cells.sum(axis=0)
    each = {"precision": hits / decided, "recall": hits / actual, "f1": 2 * hits / (actual + decided)}[name]
    return float(each @ actual / cells.sum() if kind else each.mean())


def test_days_that_differ_make_an_interval_longer_and_days_that_do_not_leave_it() -> None:
    rng = np.random.default_rng(6)
    calm = [_days(rng.binomial(200, 0.9)) for _ in range(30)]
    stormy = [_days(rng.binomial(200, rng.beta(18, 2))) for _ in range(30)]
    shares = {}
    for name, days in (("calm", calm), ("stormy", stormy)):
        whole = _sum(days)
        shares[name] = with_intervals(realized(whole, BINARY), whole, days, BINARY, PerformanceSettings())["accuracy"]
    assert shares["calm"].interval == "clopper_pearson"
    assert shares["stormy"].interval == "blocks"
    length = {name: (one.high or 0) - (one.low or 0) for name, one in shares.items()}
    assert length["stormy"] > 3 * length["calm"]


def test_few_blocks_and_quiet_ones_say_nothing() -> None:
    alternating = np.array([0.4, -0.4, 0.4, -0.4])
    assert design(alternating, np.full(4, 0.01)) is None
    assert design(np.tile(alternating, 5), np.full(20, 0.01)) is not None
    assert design(np.tile(alternating, 5), np.r_[np.full(1, 1.0), np.full(19, 1e-6)]) is None  # one of them is all
    assert design(np.zeros(20), np.full(20, 0.01)) is None
    assert autocorrelation_of(np.zeros(20)) == 0.0


@pytest.mark.parametrize(("days", "at_least"), [(2, 3.0), (3, 1.5), (4, 1.2)])
def test_few_days_that_differ_say_how_far_and_hours_of_one_never_do(days: int, at_least: float) -> None:
    """Of two days the one is what the other is not, so their difference counts even where it may be by chance."""
    blocks = [counted(np.array([0.0, 1_000 - right, 0, right])) for right in (880, 910, 915, 905)[:days]]
    whole = _sum(blocks)
    found = {
        by_days: with_intervals(realized(whole, BINARY), whole, blocks, BINARY, PerformanceSettings(), days=by_days)[
            "accuracy"
        ]
        for by_days in (True, False)
    }
    length = {by_days: (one.high or 0) - (one.low or 0) for by_days, one in found.items()}
    assert (found[True].interval, found[False].interval) == ("blocks", "clopper_pearson")
    assert length[True] > at_least * length[False]


def test_two_days_tell_one_difference_however_unlike_they_are_in_size() -> None:
    """Found by an audit: of 900 rows and 100 whose days differ the interval covered 41 %, that of independent rows."""
    blocks = [counted(np.array([0.0, 300 - right, 0, right])) for right in (278, 258)]
    unlike = [*blocks[:1], counted(np.array([0.0, 14, 0, 86]))]
    even, odd = (
        with_intervals(realized(_sum(days), BINARY), _sum(days), days, BINARY, PerformanceSettings(), days=True)[
            "accuracy"
        ]
        for days in (blocks, unlike)
    )
    assert (even.interval, odd.interval) == ("blocks", "blocks")
    assert (odd.high or 0) - (odd.low or 0) > (even.high or 0) - (even.low or 0) > 0.2


def test_few_days_that_are_alike_are_rows_and_one_that_is_nearly_all_is_no_two() -> None:
    alike = [counted(np.array([0.0, 100, 0, 900])) for _ in range(3)]
    one = [counted(np.array([0.0, 100, 0, 900])), counted(np.array([0.0, 3, 0, 5]))]
    for blocks in (alike, one):
        whole = _sum(blocks)
        found = with_intervals(realized(whole, BINARY), whole, blocks, BINARY, PerformanceSettings(), days=True)[
            "accuracy"
        ]
        alone = with_intervals(realized(whole, BINARY), whole, (), BINARY, PerformanceSettings())["accuracy"]
        assert found == alone


def test_blocks_are_at_most_sixty_and_the_days_of_the_model() -> None:
    month = window_of("1mo", 1_362_900_000 * 10**9, "America/New_York")
    blocks = blocks_of_window(month, "America/New_York")
    assert len(blocks) == 31
    assert sorted({one.end - one.start for one in blocks}) == [DAY * 23 // 24, DAY]
    for days in (1, 2, 3, 6, 7, 30, 60, 90, 365, 1_000):
        window = Window("", 12_345 * 10**9, 12_345 * 10**9 + days * DAY)
        found = blocks_of_window(window)
        assert len(found) in {1: (25,), 2: (3,), 3: (4,), 6: (7,), 7: (8,)}.get(days, range(7, 61)), days
        assert found[0].start == window.start
        assert found[-1].end == window.end
        assert all(one.end == after.start for one, after in itertools.pairwise(found))


def test_a_difference_is_as_sure_as_both_of_its_sides() -> None:
    found = of.difference(0.9, Interval(0.85, 0.94, "logit"), 0.8, Interval(0.79, 0.81, "logit"))
    assert ends(found) == pytest.approx((0.1 - math.hypot(0.05, 0.01), 0.1 + math.hypot(0.04, 0.01)))
    assert of.difference(0.9, of.TOO_FEW, 0.8, Interval(0.79, 0.81, "logit")) == of.NONE


def _days(right: int) -> Pane:
    return counted(np.array([0.0, 200 - right, 0, right]))


def _scored(scores: F64, truth: F64) -> Pane:
    return fold_outcomes(BINARY, scores[:, None], None, Column(numbers=truth))


def _curve(pane: Pane) -> areas.ScoreCurve:
    return unwrap(areas.score_curve(pane, ()))


def _sum(panes: list[Pane]) -> Pane:
    return Pane({name: np.sum([pane.parts[name] for pane in panes], axis=0) for name in panes[0].parts})


def test_the_week_in_which_clocks_go_forward_has_seven_days() -> None:
    window = window_of("1w", 1_774_396_800 * 10**9, "Europe/Paris")
    assert window.end - window.start == 167 * 3_600 * 10**9
    assert len(blocks_of_window(window, "Europe/Paris")) == 7


def test_rows_of_which_nothing_was_decided_say_nothing_of_what_the_others_weigh() -> None:
    """Live panes leave out what is all zero: there the accuracy of rows of weight 1 had another interval."""
    cells, outcomes = np.array([30.0, 5, 4, 40]), np.array([80.0, 84, 104])  # one weighs 5 and was not decided
    own = Pane({"outcomes": outcomes, "confusion": cells})
    full = Pane(own.parts | {"confusion_excess": np.zeros(4)})
    tables = [gradients.confusion_table(pane, (), 2) for pane in (own, full)]
    assert unwrap(tables[0]).squares.tolist() == unwrap(tables[1]).squares.tolist() == [[30, 5], [4, 40]]
