"""Performance agrees with scikit-learn from rows, and from panes within the bound it states."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.performance.realized import from_rows, realized
from driftline_processor.core.performance.settings import PerformanceSettings
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tests.support.unwrap import unwrap

BINARY = Task("binary", ("no", "yes"), "yes", 0.4)
ANIMALS = Task("multiclass", ("ant", "bee", "cat"))


def texts(values: Any, labels: tuple[str, ...]) -> Column:
    return Column(codes=np.asarray(values, dtype=np.int32), categories=labels)


def binary_rows(n: int, seed: int) -> tuple[F64, Column, F64, F64]:
    """Scores with ties and both ends, truth, weights, and the truth as 0 and 1."""
    rng = np.random.default_rng(seed)
    score = rng.random(n).round(2)
    score[:3] = [0.0, 1.0, 0.5]
    truth = (rng.random(n) < score).astype(np.float64)
    return score, texts(truth, BINARY.classes), rng.uniform(0.1, 5, n), truth


def expected_calibration_error(truth: F64, score: F64, weight: F64) -> float:
    """The definition, bin by bin; a score at an edge belongs to the bin below, as in ``calibration_curve``."""
    edges, total = np.linspace(0, 1, 11), 0.0
    for low, high in pairwise(edges):
        inside = (score > low) & (score <= high) if low > 0 else score <= high
        total += abs(weight[inside] @ (score[inside] - truth[inside]))
    return float(total / weight.sum())


def greatest_distance(truth: F64, score: F64, weight: F64) -> float:
    false, true, _ = metrics.roc_curve(truth, score, sample_weight=weight, drop_intermediate=False)
    return float(np.abs(true - false).max())


def gain_of(truth: F64, score: F64, weight: F64, share: float) -> float:
    """Walk down the rows, of equal scores all at once, until the share is used up."""
    left, found = share * weight.sum(), 0.0
    for value in np.unique(score)[::-1]:
        same = score == value
        part = min(1.0, left / weight[same].sum())
        found += part * float(weight[same] @ truth[same])
        left -= part * float(weight[same].sum())
        if left <= 0:
            break
    return found / float(weight @ truth)


@pytest.mark.parametrize("weighted", [False, True])
def test_binary_metrics_are_those_of_scikit_learn(weighted: bool) -> None:
    score, actual, weights, truth = binary_rows(2_000, 1)
    weight = weights if weighted else None
    decided = score >= 0.4
    asked = PerformanceSettings(metrics=("fbeta@2", "fbeta@0.5", "no_such_metric"))
    found = from_rows(BINARY, score[:, np.newaxis], None, actual, weight, performance_settings=asked)
    expected = {
        "accuracy": metrics.accuracy_score(truth, decided, sample_weight=weight),
        "precision": metrics.precision_score(truth, decided, sample_weight=weight),
        "recall": metrics.recall_score(truth, decided, sample_weight=weight),
        "specificity": metrics.recall_score(truth, decided, sample_weight=weight, pos_label=0),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, decided, sample_weight=weight),
        "f1": metrics.f1_score(truth, decided, sample_weight=weight),
        "fbeta@2": metrics.fbeta_score(truth, decided, beta=2, sample_weight=weight),
        "fbeta@0.5": metrics.fbeta_score(truth, decided, beta=0.5, sample_weight=weight),
        "average_precision": metrics.average_precision_score(truth, score, sample_weight=weight),
        "calibration_error": expected_calibration_error(truth, score, weights if weighted else np.ones(2_000)),
        "ks": greatest_distance(truth, score, weights if weighted else np.ones(2_000)),
        "gain@0.1": gain_of(truth, score, weights if weighted else np.ones(2_000), 0.1),
        "lift@0.1": gain_of(truth, score, weights if weighted else np.ones(2_000), 0.1) / 0.1,
        "roc_auc": metrics.roc_auc_score(truth, score, sample_weight=weight),
        "log_loss": metrics.log_loss(truth, score, sample_weight=weight),
        "brier": metrics.brier_score_loss(truth, score, sample_weight=weight),
        "mean_score": np.average(score, weights=weight),
        "actual_rate": np.average(truth, weights=weight),
    }
    assert found.keys() == expected.keys()
    either = int(((truth == 1) | decided).sum())
    of = {"precision": decided.sum(), "recall": (truth == 1).sum(), "specificity": (truth == 0).sum(), "f1": either}
    of |= {"fbeta@2": either, "fbeta@0.5": either}
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-9, abs=1e-9), name
        assert (found[name].source, found[name].rows) == ("rows", of.get(name, 2_000))


@pytest.mark.parametrize("weighted", [False, True])
def test_multiclass_metrics_are_those_of_scikit_learn(weighted: bool) -> None:
    rng = np.random.default_rng(2)
    scores = rng.dirichlet([1, 2, 3], 1_000)
    truth = np.array([rng.choice(3, p=p) for p in scores])
    weight = rng.uniform(0.1, 5, 1_000) if weighted else None
    decided = scores.argmax(axis=1)
    names = [f"{name}_{average}" for name in ("precision", "recall", "f1") for average in ("micro", "weighted")]
    every = [f"{name}[*]" for name in ("precision", "recall", "f1", "roc_auc")]
    asked = PerformanceSettings(metrics=("top_k_accuracy@1", "top_k_accuracy@2", "balanced_accuracy", *names, *every))
    found = from_rows(ANIMALS, scores, None, texts(truth, ANIMALS.classes), weight, performance_settings=asked)
    macro: dict[str, Any] = {"average": "macro", "sample_weight": weight, "zero_division": np.nan}
    score_of = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}
    one_hot = np.eye(3)[truth]
    expected = {
        "accuracy": metrics.accuracy_score(truth, decided, sample_weight=weight),
        "precision": metrics.precision_score(truth, decided, **macro),
        "recall": metrics.recall_score(truth, decided, **macro),
        "f1": metrics.f1_score(truth, decided, **macro),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, decided, sample_weight=weight),
        "roc_auc_ovr": metrics.roc_auc_score(truth, scores, multi_class="ovr", sample_weight=weight),
        "top_k_accuracy@1": metrics.top_k_accuracy_score(truth, scores, k=1, sample_weight=weight),
        "top_k_accuracy@2": metrics.top_k_accuracy_score(truth, scores, k=2, sample_weight=weight),
        "log_loss": metrics.log_loss(truth, scores, sample_weight=weight),
        "brier": metrics.brier_score_loss(truth, scores, sample_weight=weight, scale_by_half=False),
    }
    for name, function in score_of.items():
        for average in ("micro", "weighted"):
            expected[f"{name}_{average}"] = function(truth, decided, **{**macro, "average": average})
        each = function(truth, decided, **{**macro, "average": None})
        expected |= {f"{name}[{label}]": value for label, value in zip(ANIMALS.classes, each, strict=True)}
    for code, label in enumerate(ANIMALS.classes):
        expected[f"roc_auc[{label}]"] = metrics.roc_auc_score(one_hot[:, code], scores[:, code], sample_weight=weight)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_regression_metrics_are_those_of_scikit_learn(weighted: bool, offset: float) -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=1_000) + offset
    values = truth + rng.normal(0.1, 0.5, 1_000)
    weight = rng.uniform(0.1, 5, 1_000) if weighted else None
    found = from_rows(Task("regression"), values[:, np.newaxis], None, Column(numbers=truth), weight)
    expected = {
        "mae": metrics.mean_absolute_error(truth, values, sample_weight=weight),
        "rmse": metrics.root_mean_squared_error(truth, values, sample_weight=weight),
        "r2": metrics.r2_score(truth, values, sample_weight=weight),
        "bias": float(np.average(values - truth, weights=weight)),
        "mape": metrics.mean_absolute_percentage_error(truth, values, sample_weight=weight),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_panes_give_the_same_but_for_the_area_whose_bound_holds() -> None:
    score, actual, weight, _ = binary_rows(3_000, 4)
    exact = from_rows(BINARY, score[:, np.newaxis], None, actual, weight)
    halves = [
        fold_outcomes(BINARY, score[part, np.newaxis], None, texts(actual.codes[part], BINARY.classes), weight[part])
        for part in (slice(0, 1_000), slice(1_000, None))
        if actual.codes is not None
    ]
    summed = realized(merge(halves), BINARY)
    for name, metric in summed.items():
        value = unwrap(exact[name].value)
        assert abs(unwrap(metric.value) - value) <= metric.bound + 1e-9, name
        assert metric.source == "panes"
        assert (metric.bound > 0) == (name in ("roc_auc", "average_precision", "ks", "gain@0.1", "lift@0.1"))


@pytest.mark.parametrize(("rate", "shift"), [(0.3, 0.0), (0.3, -4.0), (0.01, 2.0), (0.01, -4.0)])
def test_the_area_on_the_grid_is_within_a_ten_thousandth(rate: float, shift: float) -> None:
    rng = np.random.default_rng(6)
    truth = rng.random(500_000) < rate
    logit = rng.normal(size=500_000) + 1.5 * truth + shift
    score = 1 / (1 + np.exp(-logit))
    pane = fold_outcomes(BINARY, score[:, np.newaxis], None, texts(truth, BINARY.classes))
    found = realized(pane, BINARY)["roc_auc"]
    exact = metrics.roc_auc_score(truth, score)
    assert found.value == pytest.approx(exact, abs=1e-4)
    assert abs(unwrap(found.value) - exact) <= found.bound


def test_undefined_values_are_unknown_and_never_zero() -> None:
    score = np.array([[0.1], [0.2]])
    negatives = texts([0, 0], BINARY.classes)
    found = {name: metric.value for name, metric in from_rows(BINARY, score, None, negatives).items()}
    assert found["accuracy"] == 1
    assert [found[name] for name in ("precision", "recall", "f1", "roc_auc")] == [None] * 4
    assert found["log_loss"] == pytest.approx(0.16425203348601802)


def test_f1_is_zero_where_positives_were_missed_and_precision_unknown() -> None:
    found = from_rows(BINARY, np.array([[0.1]]), None, texts([1], BINARY.classes))
    assert (found["f1"].value, found["recall"].value, found["precision"].value) == (0, 0, None)


def test_a_class_that_never_happened_does_not_pull_the_mean_down() -> None:
    found = from_rows(ANIMALS, None, texts([0, 1, 1], ANIMALS.classes), texts([0, 1, 1], ANIMALS.classes))
    assert {name: metric.value for name, metric in found.items()} == dict.fromkeys(
        ("accuracy", "precision", "recall", "f1", "f1_weighted"), 1
    )


@pytest.mark.parametrize("value", [0.1, 1 / 3, 100_000.1])
def test_equal_actual_values_have_no_r2_however_their_mean_is_rounded(value: float) -> None:
    for n in (3, 1_000):
        actual = Column(numbers=np.full(n, value))
        scores = np.full((n, 1), value + 0.5)
        assert from_rows(Task("regression"), scores, None, actual)["r2"].value is None
        pane = merge(
            fold_outcomes(Task("regression"), scores[:1], None, Column(numbers=np.array([value]))) for _ in "abc"
        )
        assert realized(pane, Task("regression"))["r2"].value is None


def test_a_row_that_no_sum_could_bear_is_left_out_of_every_metric() -> None:
    actual = Column(numbers=np.array([1.0, 2.0, 3.0, 1e200]))
    scores = np.array([[1.0], [2.5], [1e200], [4.0]])
    found = from_rows(Task("regression"), scores, None, actual)
    assert {name: (metric.value, metric.rows) for name, metric in found.items()} == {
        "mae": (0.25, 2),
        "rmse": (pytest.approx(0.125**0.5), 2),
        "r2": (0.5, 2),
        "bias": (0.25, 2),
        "mape": (0.125, 2),
    }


def test_each_metric_says_on_how_many_rows_it_stands() -> None:
    score = np.array([[0.9], [0.2], [np.nan], [7.0]])
    decided = texts([1, 0, 1, -1], BINARY.classes)
    for weight in (None, np.full(4, 2.0), np.array([1.0, 100, 0.1, 7])):
        found = from_rows(BINARY, score, decided, texts([1, 0, 0, 1], BINARY.classes), weight)
        of_class = {"precision": 3, "recall": 2, "specificity": 2, "f1": 3}
        assert {name: metric.rows for name, metric in found.items()} == dict.fromkeys(
            ("accuracy", "balanced_accuracy"), 4
        ) | of_class | dict.fromkeys(
            (
                *("roc_auc", "average_precision", "ks", "lift@0.1", "gain@0.1"),
                *("log_loss", "brier", "calibration_error", "mean_score", "actual_rate"),
            ),
            2,
        )


def reviewed(flagged: int, others: int, weight: float, scored: slice = slice(None)) -> Pane:
    """Flagged rows, each reviewed, and some of the others with a weight; half of either are positive."""
    decided = np.repeat([1, 0], [flagged, others])
    score = np.full((len(decided), 1), np.nan)
    score[scored, 0] = np.where(decided[scored] == 1, 0.9, 0.1)
    truth = texts(np.arange(len(decided)) % 2, BINARY.classes)
    return fold_outcomes(BINARY, score, texts(decided, BINARY.classes), truth, np.where(decided == 1, 1.0, weight))


def rows_of(pane: Pane, *names: str) -> list[int]:
    return [realized(pane, BINARY)[name].rows for name in names]


def test_rows_are_counted_whatever_they_weigh() -> None:
    pane = reviewed(10, 1_000, 100.0, slice(10))
    assert rows_of(pane, "precision", "recall", "accuracy", "roc_auc") == [10, 505, 1_010, 10]


def test_rows_of_panes_from_before_they_were_counted_are_about_what_their_weight_says() -> None:
    new = reviewed(200, 100, 7.0)
    old, plain = Pane({name: sums for name, sums in new.parts.items() if "_count" not in name}), reviewed(40, 60, 1.0)
    assert rows_of(old, "accuracy", "precision") == [300, round(300 * 200 / 900)]
    assert rows_of(merge([plain, plain]), "accuracy", "precision") == [200, 80]
    assert rows_of(merge([new, plain]), "accuracy", "precision") == [400, 240]
    both = rows_of(merge([old, new]), "accuracy", "precision")
    assert both == [600, round(400 - 600 * 400 / 1_800)]


def test_no_sum_more_is_kept_of_rows_without_weights() -> None:
    assert not [name for name in reviewed(10, 100, 1.0).parts if name.endswith(("_count", "_excess"))]


def test_a_decision_for_no_declared_class_is_left_out_and_the_rows_say_so() -> None:
    decided = texts([0, 3, 3], (*ANIMALS.classes, "abstain"))
    found = from_rows(ANIMALS, None, decided, texts([0, 1, 2], ANIMALS.classes))["accuracy"]
    assert (found.value, found.rows) == (1, 1)


def test_one_row_has_no_r2() -> None:
    found = from_rows(Task("regression"), np.array([[2.0]]), None, Column(numbers=np.array([1.0])))
    assert (found["mae"].value, found["r2"].value) == (1, None)


def test_r2_from_sums_says_what_cancellation_cost_and_gives_up_in_time() -> None:
    rng = np.random.default_rng(8)
    for offset, known in ((0.0, True), (1e3, True), (1e9, False)):
        truth = rng.normal(size=2_000) + offset
        values = truth + rng.normal(size=2_000)
        task = Task("regression")
        pane = fold_outcomes(task, values[:, np.newaxis], None, Column(numbers=truth))
        found = realized(pane, task)["r2"]
        assert (found.value is not None) == known
        if found.value is not None:
            assert abs(found.value - metrics.r2_score(truth, values)) <= found.bound + 1e-15


@pytest.mark.slow
def test_the_bound_of_r2_holds_for_a_month_of_panes() -> None:
    rng = np.random.default_rng(21)
    truth = rng.normal(size=40_000) + 1e5
    values = truth + rng.normal(size=40_000)
    task = Task("regression")
    pane = merge(
        fold_outcomes(task, values[part, np.newaxis], None, Column(numbers=truth[part]))
        for part in np.array_split(np.arange(40_000), 8_640)
    )
    found = realized(pane, task)["r2"]
    assert abs(unwrap(found.value) - metrics.r2_score(truth, values)) <= found.bound <= 2e-4


def test_nothing_is_known_before_an_outcome() -> None:
    assert realized(Pane(), BINARY) == {}
    assert from_rows(BINARY, np.array([[0.5]]), None, texts([-1], BINARY.classes)) == {}
    assert from_rows(Task(), None, None, Column(numbers=np.array([1.0]))) == {}


def test_a_pane_of_another_task_has_no_metrics_of_this_one() -> None:
    pane = fold_outcomes(BINARY, np.array([[0.5]]), None, texts([1], BINARY.classes))
    assert realized(pane, Task("regression")) == {}
    assert realized(pane, ANIMALS) == {}


def test_outcomes_without_a_prediction_that_can_be_read_have_no_metrics() -> None:
    assert from_rows(BINARY, None, None, texts([1], BINARY.classes)) == {}


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.floats(-0.5, 1.5) | st.just(float("nan")), st.sampled_from([-1, 0, 1]), st.floats(0, 10)),
        max_size=50,
    )
)
def test_values_stay_in_their_range_whatever_the_rows(rows: list[tuple[float, int, float]]) -> None:
    scores = np.array([[row[0]] for row in rows], dtype=np.float64).reshape(-1, 1)
    actual = texts([row[1] for row in rows], BINARY.classes)
    weight = np.array([row[2] for row in rows], dtype=np.float64)
    pane = realized(fold_outcomes(BINARY, scores, None, actual, weight), BINARY)
    exact = from_rows(BINARY, scores, None, actual, weight)
    assert pane.keys() == exact.keys()
    for name, metric in pane.items():
        value = exact[name].value
        assert (metric.value is None) == (value is None)
        if metric.value is not None and value is not None:
            assert 0 <= metric.value <= {"log_loss": 40, "lift@0.1": 10 + 1e-9}.get(name, 1 + 1e-12)
            assert abs(metric.value - value) <= metric.bound + 1e-9
