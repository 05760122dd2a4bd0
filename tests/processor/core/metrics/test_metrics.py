"""Which metrics there are and what they are called; what they cost; curves; metrics of one's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.metrics import direction, metrics_of_task, misnamed
from driftline_processor.core.metrics.score_order import ScoreOrder
from driftline_processor.core.performance.judge import POINTS, confused, curves
from driftline_processor.core.performance.realized import from_rows, realized
from driftline_processor.core.performance.settings import PerformanceSettings
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from tests.support.unwrap import unwrap

BINARY = Task("binary", ("0", "1"), "1")
PRICE = Task("regression", quantiles=(0.1, 0.5, 0.9))
LETTERS = Task("multiclass", tuple("abcdefgh"))


def fold(score: F64, truth: F64, weight: F64 | None = None, task: Task = BINARY) -> Pane:
    return fold_outcomes(task, score.reshape(len(truth), -1), None, Column(numbers=truth), weight)


def scores_at(rate: float, shift: float, n: int) -> tuple[F64, F64]:
    rng = np.random.default_rng(6)
    truth = (rng.random(n) < rate).astype(np.float64)
    return 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * truth + shift))), truth


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.3, 0.01, 0.001])
@pytest.mark.parametrize("shift", [-4.0, 0.0, 2.0])
def test_what_depends_on_the_order_of_scores_is_near_that_of_the_rows_on_the_grid(rate: float, shift: float) -> None:
    score, truth = scores_at(rate, shift, 500_000)
    found, exact = realized(fold(score, truth), BINARY), ScoreOrder.of_rows(score, truth == 1, None)
    for name, of_rows, least in (
        ("roc_auc", exact.area().value, 1e-4),
        ("average_precision", exact.average_precision().value, 2e-3),
        ("ks", exact.ks().value, 5e-3),
        ("gain@0.1", exact.gain(0.1).value, 5e-3),
    ):
        value = unwrap(found[name].value)
        assert of_rows is not None
        assert abs(value - of_rows) <= min(least, found[name].bound), name
        assert found[name].bound <= 5e-3, name
    assert exact.average_precision().value == pytest.approx(metrics.average_precision_score(truth, score), rel=1e-9)


rows_of_scores = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.2001, 0.2002, 0.5, 0.9, 1.0]), st.booleans(), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)


@pytest.mark.slow
@given(rows_of_scores)
def test_ties_weights_and_single_classes_are_those_of_scikit_learn_and_bins_hold_their_bounds(
    rows: list[tuple[float, bool, int]],
) -> None:
    score, truth, weight = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    asked = PerformanceSettings(metrics=("gain@0.05", "lift@0.5", "gain@1"))
    actual = Column(numbers=truth)
    exact = from_rows(BINARY, score[:, np.newaxis], None, actual, weight, performance_settings=asked)
    summed = realized(fold(score, truth, weight), BINARY, asked)
    assert summed.keys() == exact.keys()
    for name, metric in summed.items():
        value = exact[name].value
        assert (metric.value is None) == (value is None), name
        if metric.value is not None and value is not None:
            assert abs(metric.value - value) <= metric.bound + 1e-9, name
    held = weight > 0
    if not held.any():
        assert exact == {}
        return
    both = len(set(truth[held].tolist())) == 2
    of_rows = {name: exact[name].value for name in ("roc_auc", "average_precision", "gain@1")}
    if both:
        assert of_rows["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, score, sample_weight=weight))
        expected = metrics.average_precision_score(truth[held], score[held], sample_weight=weight[held])
        assert of_rows["average_precision"] == pytest.approx(expected, rel=1e-9)
        assert of_rows["gain@1"] == pytest.approx(1)
    else:
        assert of_rows["roc_auc"] is None


@pytest.mark.slow
@given(st.integers(0, 60), st.integers(0, 99), st.booleans())
def test_ranks_and_areas_of_many_classes_are_those_of_scikit_learn(n: int, seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(1, 5, (n, 8)).astype(np.float64)  # with ties
    scores /= scores.sum(axis=1, keepdims=True)
    truth, weight = rng.integers(0, 8, n), rng.integers(1, 4, n).astype(np.float64) if weighted else None
    asked = PerformanceSettings(metrics=("top_k_accuracy@3", "roc_auc[*]"))
    actual = Column(codes=truth.astype(np.int32), categories=LETTERS.classes)
    exact = from_rows(LETTERS, scores, None, actual, weight, performance_settings=asked)
    summed = realized(fold_outcomes(LETTERS, scores, None, actual, weight), LETTERS, asked)
    assert summed.keys() == exact.keys()
    if n == 0:
        assert exact == {}
        return
    labels = np.arange(8)
    for k in (3, 5):
        expected = metrics.top_k_accuracy_score(truth, scores, k=k, labels=labels, sample_weight=weight)
        assert exact[f"top_k_accuracy@{k}"].value == pytest.approx(expected, rel=1e-9)
    areas = []
    for code, label in enumerate(LETTERS.classes):
        own, name = truth == code, f"roc_auc[{label}]"
        found = exact[name].value
        assert (found is None) == (own.all() or not own.any())
        if found is not None:
            areas.append(metrics.roc_auc_score(own, scores[:, code], sample_weight=weight))
            assert found == pytest.approx(areas[-1], rel=1e-9)
            value = unwrap(summed[name].value)
            assert abs(value - found) <= summed[name].bound + 1e-9
    assert exact["roc_auc_ovr"].value == (pytest.approx(np.mean(areas), rel=1e-9) if areas else None)


def test_areas_of_more_than_eight_classes_need_the_rows() -> None:
    task = Task("multiclass", tuple(map(str, range(12))))
    scores, truth = np.eye(12) * 0.5 + 0.5 / 12, Column(numbers=np.arange(12.0))
    assert "roc_auc_ovr" not in realized(fold_outcomes(task, scores, None, truth), task)
    assert from_rows(task, scores, None, truth)["roc_auc_ovr"].value == 1


@pytest.mark.parametrize("weighted", [False, True])
def test_quantiles_have_the_losses_of_scikit_learn_and_their_intervals_a_coverage(weighted: bool) -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=2_000)
    scores = np.column_stack([np.full(2_000, level) for level in (-1.0, 0.1, 1.5)]) + rng.normal(0, 0.1, (2_000, 3))
    weight = rng.uniform(0.1, 5, 2_000) if weighted else None
    actual = Column(numbers=truth)
    exact = from_rows(PRICE, scores, None, actual, weight)
    summed = realized(fold_outcomes(PRICE, scores, None, actual, weight), PRICE)
    inside = (scores[:, 0] <= truth) & (truth <= scores[:, 2])
    expected = {
        f"quantile_loss@{level}": metrics.mean_pinball_loss(truth, scores[:, index], alpha=level, sample_weight=weight)
        for index, level in enumerate(PRICE.quantiles)
    }
    expected |= {"interval_coverage@0.8": np.average(inside, weights=weight)}
    expected |= {
        "mae": metrics.mean_absolute_error(truth, scores[:, 1], sample_weight=weight),
        "r2": metrics.r2_score(truth, scores[:, 1], sample_weight=weight),
    }
    for name, value in expected.items():
        assert exact[name].value == pytest.approx(value, rel=1e-9), name
        assert summed[name].value == pytest.approx(value, rel=1e-9), name
    assert [name for name in metrics_of_task(PRICE) if "@" in name] == list(expected)[:4]


def test_relative_errors_are_of_rows_whose_actual_is_not_zero_and_say_how_many() -> None:
    found = realized(fold(np.array([2.0, 3.0]), np.array([0.0, 4.0]), task=Task("regression")), Task("regression"))
    assert (found["mape"].value, found["mape"].rows, found["mae"].rows) == (0.25, 1, 2)


def test_what_a_matrix_says_that_errors_cost_is_exact() -> None:
    pane = fold(np.array([0.9, 0.9, 0.1, 0.2]), np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.0, 2.0, 3.0, 1.0]))
    asked = PerformanceSettings(costs={"1": {"0": 500.0, "1": -5.0}, "0": {"1": 20.0}})
    found = realized(pane, BINARY, asked)
    assert found["cost"].value == -5 + 2 * 20 + 3 * 500
    assert found["cost_per_prediction"].value == pytest.approx(1535 / 7)
    assert "cost" not in realized(pane, BINARY)
    assert "cost" not in realized(pane, BINARY, PerformanceSettings(costs={"fraud": {"0": 1.0}}))


def test_what_outcomes_were_worth_is_summed_over_those_that_say_it() -> None:
    actual, value = Column(numbers=np.array([1.0, 0.0, 1.0])), np.array([20.0, np.nan, -5.0])
    weight = np.array([2.0, 1.0, 1.0])
    found = from_rows(BINARY, np.full((3, 1), 0.9), None, actual, weight, value=value)
    assert (found["value"].value, found["value"].rows) == (35, 2)
    assert found["value_per_prediction"].value == pytest.approx(35 / 3)


def test_a_pane_from_before_there_were_more_sums_has_the_metrics_that_it_can_tell() -> None:
    score, truth = scores_at(0.3, 0.0, 1_000)
    kept = ("outcomes", "confusion", "losses", "score_negative", "score_positive")
    pane = fold(score, truth)
    old = Pane({name: sums for name, sums in pane.parts.items() if name in kept})
    assert realized(pane, BINARY).keys() - realized(old, BINARY).keys() == {"calibration_error"}
    assert realized(merge([old, pane]), BINARY)["calibration_error"].rows == 1_000
    many = fold_outcomes(LETTERS, np.full((9, 8), 0.125), None, Column(codes=np.zeros(9, np.int32), categories=("a",)))
    before = Pane({name: sums for name, sums in many.parts.items() if name in kept})
    lost = realized(many, LETTERS).keys() - realized(before, LETTERS).keys()
    assert lost == {"top_k_accuracy@5", "roc_auc_ovr"}
    price = fold_outcomes(PRICE, np.ones((3, 3)), None, Column(numbers=np.ones(3)))
    before = Pane({name: sums for name, sums in price.parts.items() if name in kept})
    assert set(realized(before, PRICE)) == {"mae", "rmse", "bias", "r2"}


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("fbeta@2", "binary", ""),
        ("lift@0.05", "", ""),
        ("recall[tabby cat]", "multiclass", ""),
        ("ndcg@10", "ranking", ""),
        ("precision@5", "ranking", ""),
        ("fbeta@0", "binary", "'fbeta@0' needs a beta above 0, as in 'fbeta@2'"),
        ("lift@2", "", "'lift@2' needs a share of the rows, as in 'lift@0.1'"),
        ("top_k_accuracy@2.5", "", "'top_k_accuracy@2.5' needs a number of classes, as in 'top_k_accuracy@5'"),
        ("recall[1]", "binary", "'recall[1]' is not computed per class; in a multiclass model, precision, recall, f1"),
        ("accuracy@3", "binary", "'accuracy@3' takes no number: use 'accuracy'"),
        ("precision@5", "binary", "'precision@5' takes no number: use 'precision'"),
        ("F1", "binary", "'F1' is not a metric of a binary model; did you mean 'f1'?"),
        ("acuracy", "regression", "'acuracy' is not a metric of a regression model; available: bias, cost"),
        ("ndgc@10", "ranking", "'ndgc@10' is not a metric of a ranking model; did you mean 'ndcg'"),
    ],
)  # fmt: skip
def test_a_name_that_means_nothing_is_told(name: str, kind: str, said: str) -> None:
    found = misnamed(name, kind)
    assert found.startswith(said) if said else found == ""


def test_every_usual_metric_has_a_known_name_and_which_way_is_good() -> None:
    for task in (BINARY, LETTERS, PRICE):
        assert [misnamed(name, task.kind) for name in metrics_of_task(task)] == [""] * len(metrics_of_task(task))
    good = {name: direction(name) for name in ("roc_auc", "brier", "lift@0.1", "mape", "bias", "recall[a]", "mine")}
    assert good == {"roc_auc": 1, "brier": -1, "lift@0.1": 1, "mape": -1, "bias": 0, "recall[a]": 1, "mine": 0}


def test_curves_are_a_few_points_of_those_that_scikit_learn_draws() -> None:
    score, truth = scores_at(0.2, 0.0, 20_000)
    found = curves(fold(score, truth), BINARY)
    assert set(found) == {"roc", "precision_recall", "gain", "calibration"}
    false, true, _ = metrics.roc_curve(truth, score, drop_intermediate=False)
    roc = found["roc"].points
    assert 20 <= len(roc) <= POINTS
    distance = np.hypot(*(np.subtract.outer(ours, theirs) for ours, theirs in zip(roc.T, (false, true), strict=True)))
    assert distance.min(axis=1).max() < 1e-6
    assert (roc[[0, -1]] == [[0, 0], [1, 1]]).all()
    drawn = np.trapezoid(roc[:, 1], roc[:, 0])
    assert drawn == pytest.approx(metrics.roc_auc_score(truth, score), abs=2e-3)
    gain = found["gain"].points
    assert (np.diff(gain, axis=0) >= 0).all()
    actual, said = calibration_curve(truth, score, n_bins=10)
    bins = found["calibration"]
    assert bins.weight is not None
    assert bins.weight.sum() == 20_000
    assert np.abs(bins.points - np.column_stack([said, actual])).max() < 1e-6
    for (_, share), weight, limits in zip(bins.points, bins.weight, unwrap(bins.limits), strict=True):
        exact = stats.binomtest(round(share * weight), round(weight)).proportion_ci(0.95)
        assert limits == pytest.approx([exact.low, exact.high], abs=1e-6)


def test_nothing_is_drawn_of_what_is_not_known() -> None:
    assert curves(Pane(), BINARY) == {}
    assert curves(fold(np.ones(1), np.ones(1), task=Task("regression")), Task("regression")) == {}
    assert set(curves(fold(np.array([0.2]), np.array([0.0])), BINARY)) == {"calibration"}
    counts = unwrap(confused(fold(np.array([0.9, 0.1]), np.array([1.0, 1.0])), BINARY))
    assert counts.tolist() == [[0, 0], [1, 1]]
    assert confused(fold(np.ones(1), np.ones(1)), replace(BINARY, classes=tuple(map(str, range(51))))) is None
