"""Decisions that nobody reviewed: what is not known there has no interval, and what needs few of them is less sure."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.pane import Pane
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Fairness
from driftline_processor.core.fairness.criteria import FairnessRule, judge_fairness
from driftline_processor.core.outcomes.review import find_unseen_decisions, unreviewed
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.slices import counts_of, unseen_by_slice
from driftline_processor.present.sections.fairness import criterion_sentence as fairness_told

BINARY, THREE = Task("binary", ("0", "1"), "1"), Task("multiclass", ("a", "b", "c"))


def pane(task: Task, confusion: list[float], *predictions: float) -> Pane:
    rows = np.full(3, sum(confusion))
    apart = {f"decided:{name}": np.array([n]) for name, n in zip(task.classes, predictions, strict=False)}
    return Pane({"outcomes": rows, "confusion": np.array(confusion), **apart})


def limits(own: Pane, task: Task = BINARY) -> dict[str, tuple[float | None, float | None, str]]:
    asked = (
        PerformanceSettings(metrics=("precision[a]", "precision[b]", "recall[a]"))
        if task is THREE
        else PerformanceSettings()
    )
    found = with_intervals(realized(own, task, asked), own, (), task, asked, find_unseen_decisions(own, task))
    return {name: (one.low, one.high, one.interval) for name, one in found.items()}


def test_where_only_flagged_rows_are_reviewed_precision_alone_is_known() -> None:
    found = limits(pane(BINARY, [0.0, 50, 0, 450], 9_500, 500))
    assert found.pop("precision") == limits(pane(BINARY, [0.0, 50, 0, 450]))["precision"]
    assert set(found.values()) == {(None, None, "unreviewed")}


def test_the_fewer_the_rows_that_nobody_reviewed_the_surer_recall_is() -> None:
    low = [limits(pane(BINARY, [0.0, 50, 0, 450], of, 10_000))["recall"][0] for of in (3.0, 30.0, 80.0)]
    assert low == sorted(low, key=lambda one: -(one or 0.0))
    assert low[0] == pytest.approx(0.9988, abs=1e-4)  # three rows stand for .15 of those that were reviewed
    assert low[-1] == pytest.approx(0.968, abs=1e-3)  # eighty for four


def test_a_class_that_is_predicted_twice_may_have_no_outcome_by_chance() -> None:
    few, none = pane(THREE, [60.0, 5, 0, 5, 30, 0, 0, 0, 0], 650, 350, 2), pane(THREE, [60.0, 5, 0, 5, 30, 0, 0, 0, 0])
    assert unreviewed(find_unseen_decisions(few, THREE), THREE) == {}
    for name, (low, high, how) in limits(none, THREE).items():
        found = limits(few, THREE)[name]
        assert found[2] == how
        assert found[:2] == pytest.approx((low, high), abs=0.01)
    many = limits(pane(THREE, [60.0, 5, 0, 5, 30, 0, 0, 0, 0], 650, 350, 200), THREE)
    assert {name for name, one in many.items() if one[0] is not None} == {"precision[a]", "precision[b]"}


def fairness(quiet: float) -> Fairness:
    """Group F was reviewed where it was flagged; M wherever."""
    task, own = (
        BINARY,
        {"M": pane(BINARY, [800.0, 20, 10, 170], 810, 190), "F": pane(BINARY, [0.0, 20, 0, 170], quiet, 190)},
    )
    found = judge_fairness(
        FairnessRule("gender"),
        {name: counts_of(one, task, find_unseen_decisions(one, task)) for name, one in own.items()},
    )
    assert found is not None
    return found


def test_of_a_group_that_was_reviewed_where_it_was_flagged_rates_are_not_known() -> None:
    found = fairness(810)
    states = {one.name: one for one in found.criteria}
    assert {name for name, one in states.items() if one.state != "inconclusive"} == {"predictive_parity"}
    opportunity = states["equal_opportunity"].comparisons[0]
    assert opportunity.value == pytest.approx(1 - 170 / 180)
    assert (opportunity.low, opportunity.high) == (None, None)
    assert fairness_told(states["equal_opportunity"]) == "a group has no reviewed rows of one of the decisions"
    rates = {group.value: group.rates for group in found.groups}
    assert rates["F"]["true_positive_rate"].low is None
    assert rates["F"]["precision"].low is not None


def test_a_slice_whose_predictions_nobody_counted_is_like_the_window() -> None:
    whole, own = pane(BINARY, [0.0, 50, 0, 450], 9_500, 500), pane(BINARY, [0.0, 5, 0, 45])
    unseen = unseen_by_slice(whole, {"country=NL": own}, BINARY)
    assert unseen["country=NL"].unreviewed.tolist() == [9_500, 0]
    found = with_intervals(realized(own, BINARY), own, (), BINARY, PerformanceSettings(), unseen["country=NL"])
    assert {name for name, one in found.items() if one.low is not None} == {"precision"}
