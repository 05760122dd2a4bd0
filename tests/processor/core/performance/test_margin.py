"""The margin is a quarter of the skill: the distance from the best constant prediction, as scikit-learn measures it."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import Column
from driftline.tables.task import Task
from driftline_processor.core import facts
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.fact import facts_within
from driftline_processor.core.performance.judge import find_baseline_fault
from driftline_processor.core.performance.margin import LARGEST_OF_AREA, SHARE, constants, deciding_order, margins
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.settings import STANDARD
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    matthews_corrcoef,
    mean_absolute_error,
    root_mean_squared_error,
)

BINARY, CLASSES, NUMBER = Task("binary", ("0", "1"), "1"), Task("multiclass", ("a", "b", "c")), Task("regression")


def folded(task: Task, scores: np.ndarray, actual: Column) -> tuple[Pane, dict[str, MetricValue]]:
    pane = fold_outcomes(task, scores, None, actual)
    return pane, realized(pane, task, STANDARD)


def binary(n: int = 4_000, rate: float = 0.3, skill: float = 1.0) -> tuple[Pane, dict[str, MetricValue], np.ndarray]:
    rng = np.random.default_rng(3)
    logit = rng.normal(np.log(rate / (1 - rate)), 1.0, n)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    score = 1 / (1 + np.exp(-(logit + (1 - skill) * rng.normal(0, 4, n))))
    return *folded(BINARY, score[:, np.newaxis], Column(numbers=outcome)), outcome


def test_constants_of_two_classes_are_those_of_scikit_learn() -> None:
    pane, reference, outcome = binary()
    found, rate = constants(reference, pane, BINARY), outcome.mean()
    same = np.full(len(outcome), rate)
    assert found["log_loss"] == pytest.approx(log_loss(outcome, same))
    assert found["brier"] == pytest.approx(brier_score_loss(outcome, same))
    assert found["accuracy"] == pytest.approx(accuracy_score(outcome, np.zeros(len(outcome))))
    assert (found["roc_auc"], found["balanced_accuracy"]) == (0.5, 0.5)
    assert found["mcc"] == matthews_corrcoef(outcome, np.zeros(len(outcome)))


def test_constants_of_several_classes_and_of_numbers_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    codes = rng.choice(3, 3_000, p=[0.6, 0.3, 0.1])
    scores = np.eye(3)[codes] * 0.5 + 0.5 / 3
    pane, reference = folded(CLASSES, scores, Column(codes=codes.astype(np.int32), categories=("a", "b", "c")))
    found, shares = constants(reference, pane, CLASSES), np.bincount(codes) / len(codes)
    assert found["log_loss"] == pytest.approx(log_loss(codes, np.tile(shares, (len(codes), 1))))
    assert [found[f"recall[{name}]"] for name in "abc"] == pytest.approx(shares.tolist())
    number = rng.normal(10, 3, 20_000)
    pane, reference = folded(NUMBER, number[:, np.newaxis] * 0.9, Column(numbers=number))
    found, mean = constants(reference, pane, NUMBER), np.full(len(number), number.mean())
    assert found["rmse"] == pytest.approx(root_mean_squared_error(number, mean))
    assert found["mae"] == pytest.approx(mean_absolute_error(number, mean), rel=0.02)


def test_a_margin_is_a_quarter_of_the_skill_and_of_an_area_not_much() -> None:
    pane, reference, _ = binary()
    constant = constants(reference, pane, BINARY)
    found = margins(reference, constant, {})
    loss = reference["log_loss"].value
    assert loss is not None
    assert found["log_loss"] == pytest.approx(SHARE * (constant["log_loss"] - loss))
    assert found["roc_auc"] == LARGEST_OF_AREA
    assert margins(reference, constant, {"": 0.2})["log_loss"] == 0.2
    assert margins(reference, constant, {"roc_auc": 0.01})["roc_auc"] == 0.01


def test_a_baseline_without_skill_has_no_margin_and_the_area_decides() -> None:
    pane, reference, _ = binary(skill=0.0)
    found = margins(reference, constants(reference, pane, BINARY), {})
    assert "log_loss" not in found
    assert 0 < found["roc_auc"] < LARGEST_OF_AREA


@pytest.mark.parametrize(("rate", "first"), [(0.3, "log_loss"), (0.02, "roc_auc"), (0.98, "roc_auc")])
def test_neither_log_loss_nor_accuracy_decides_where_one_class_is_rare(rate: float, first: str) -> None:
    names = ["accuracy", "f1", "log_loss", "roc_auc"]
    assert deciding_order(names, {"actual_rate": MetricValue(rate, 900, "panes")})[0] == first


def test_the_order_knows_rankings_and_what_stands_alone() -> None:
    assert deciding_order(["ctr", "ndcg@10", "ndcg@5"], {})[0] == "ndcg@10"
    assert deciding_order(["f1", "recall[cat]"], {}) == ["recall[cat]", "f1"]


@pytest.mark.parametrize(("offset", "kinds"), [(0.0, []), (0.5, ["baseline_level_off", "level_of_scores"])])
def test_a_baseline_whose_scores_are_too_high_has_a_fault(offset: float, kinds: list[str]) -> None:
    rng = np.random.default_rng(1)
    logit = rng.normal(-0.8, 1.0, 8_000)
    label = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    score, time = 1 / (1 + np.exp(-(logit + offset))), (20_454 * 86_400 + np.arange(len(logit)) * 216) * 1_000_000_000
    rows = {"score": score, "label": label, "time": time}
    baseline = Baseline.from_frame(rows, score="score", actual="label", time="time", model="m", task="binary")
    fault = find_baseline_fault(baseline)
    assert [one.kind for one in facts_within(fault)] == kinds
    for one in facts_within(fault):
        if isinstance(one, facts.LevelOfScores):
            assert [one.predicted, one.actual] == pytest.approx([rows["score"].mean(), label.mean()])
