"""Bounds of metrics over all values of the outstanding outcomes, against every way to fill them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import I64, Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.performance.objective_states import judge_objectives
from driftline_processor.core.performance.outstanding import bounds_of
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import DAY, Window
from hypothesis import given
from hypothesis import strategies as st

from tests.support.slow import slow

BINARY, CLASSES = Task("binary", ("0", "1"), "1"), Task("multiclass", ("a", "b", "c"))
NAMES = ("accuracy", "precision", "recall", "f1", "fbeta@2", "specificity", "balanced_accuracy", "actual_rate", "brier")
OF_CLASSES = tuple(f"{base}[{name}]" for base in ("precision", "recall", "f1") for name in CLASSES.classes)
ASKED = PerformanceSettings(metrics=(*NAMES, "roc_auc", *OF_CLASSES))


def folded(task: Task, rows: Sequence[tuple[int, int]], missing: Sequence[int] = ()) -> Pane:
    """Return the sums of (prediction, actual) and of predictions without an outcome.

    Predictions are classes, or tenths of the score of a binary task.
    """
    predicted, actual = (np.array(column) for column in zip(*rows, strict=True))
    if task.has_threshold:
        pane = fold_outcomes(task, predicted[:, np.newaxis] / 10 + 0.01, None, Column(numbers=actual.astype(float)))
        decided = [int(score >= 5) for score in (*predicted.tolist(), *missing)]
    else:
        pane = fold_outcomes(
            task, None, Column(codes=predicted.astype(np.int32), categories=task.classes),
            Column(codes=actual.astype(np.int32), categories=task.classes),
        )  # fmt: skip
        decided = [*predicted.tolist(), *missing]
    counts = np.bincount(decided, minlength=len(task.classes)).astype(float)
    parts = {f"decided:{name}": np.array([count]) for name, count in zip(task.classes, counts, strict=True)}
    return Pane({**pane.parts, **parts, "rows": np.full(3, float(len(decided)))})


def fills(task: Task, rows: Sequence[tuple[int, int]], missing: Sequence[int]) -> Iterator[dict[str, MetricValue]]:
    for actual in itertools.product(range(len(task.classes)), repeat=len(missing)):
        yield realized(folded(task, [*rows, *zip(missing, actual, strict=True)]), task, ASKED)


@pytest.mark.parametrize("task", [BINARY, slow(CLASSES)], ids=["binary", "multiclass"])
@given(st.data())
def test_no_outstanding_outcome_leads_beyond_the_bounds(task: Task, data: st.DataObject) -> None:
    predictions = st.integers(0, 9 if task.has_threshold else 2)
    rows = data.draw(st.lists(st.tuples(predictions, st.integers(0, len(task.classes) - 1)), min_size=1, max_size=8))
    missing = data.draw(st.lists(predictions, max_size=5 if task.has_threshold else 3))
    pane = folded(task, rows, missing)
    bounds = bounds_of(realized(pane, task, ASKED), pane, task)
    reached: dict[str, set[float]] = {name: set() for name in bounds}
    for filled in fills(task, rows, missing):
        for name in bounds:
            value = filled[name].value
            if value is not None:
                reached[name].add(value)
    for name, (least, greatest) in bounds.items():
        assert least - 1e-9 <= min(reached[name]), name
        assert max(reached[name]) <= greatest + 1e-9, name
        if name not in ("roc_auc", "brier"):  # their scores limit what outcomes can do
            assert (min(reached[name]), max(reached[name])) == pytest.approx((least, greatest)), name


def test_metrics_without_bounds_have_none() -> None:
    rows = [(3, 0), (7, 1), (4, 1), (8, 0), (2, 0)]
    pane = folded(BINARY, rows, [1, 9])
    metrics = realized(pane, BINARY, ASKED)
    assert bounds_of(metrics, pane, BINARY).keys() == {*NAMES, "roc_auc"}
    weighted = Pane({**pane.parts, "outcomes": np.array([5.0, 9.0, 20.0])})
    assert bounds_of(metrics, weighted, BINARY) == {}


RULES = ("accuracy", "precision", "recall", "specificity")


def judged(cells: I64, missing: Sequence[int], objectives: tuple[Objective, ...]) -> list[str]:
    """Return the state of each objective of a window with this confusion matrix and outstanding rows by decision."""
    rows = [(1 + 7 * decided, actual) for actual in (0, 1) for decided in (0, 1) for _ in range(cells[actual, decided])]
    waits = [1 + 7 * decided for decided in (0, 1) for _ in range(missing[decided])]
    pane, asked = folded(BINARY, rows, waits), PerformanceSettings(objectives=objectives)
    evaluation = Evaluation(ModelKey("churn"), Window("1d", 0, DAY), len(rows) + len(waits), True)
    evaluation.outcome_rows, evaluation.coverage = len(rows), len(rows) / (len(rows) + len(waits))
    evaluation.realized = with_intervals(realized(pane, BINARY, asked), pane, (), BINARY, asked)
    if waits:
        evaluation.maturity, evaluation.young = "immature", True
        evaluation.immature = (facts.OutcomesMayStillCome(delay=DAY, learned_from=None),)
    return [state.state for state in judge_objectives(evaluation, BINARY, WindowOutcomes(), asked, None, pane)]


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 60), min_size=4, max_size=4).filter(any),
    st.tuples(st.integers(0, 6), st.integers(0, 6)),
    st.sampled_from((0.05, 0.3, 0.5, 0.7, 0.9, 0.98)),
    st.booleans(),
)
def test_a_state_that_is_called_final_stays(
    counts: list[int], missing: tuple[int, int], limit: float, upwards: bool
) -> None:
    cells = np.array(counts).reshape(2, 2)
    least, most = (limit, None) if upwards else (None, limit)
    objectives = tuple(Objective(rule, least, most) for rule in RULES)
    states = judged(cells, missing, objectives)
    if all(state == "inconclusive" for state in states):
        return
    for right in itertools.product(range(missing[0] + 1), range(missing[1] + 1)):
        filled = cells + np.array([[right[0], missing[1] - right[1]], [missing[0] - right[0], right[1]]])
        final = judged(filled, (0, 0), objectives)
        assert [state for state, now in zip(final, states, strict=True) if now != "inconclusive"] == [
            now for now in states if now != "inconclusive"
        ]


@pytest.mark.parametrize(
    ("cells", "missing", "state"),
    [
        ([[300, 140], [140, 300]], (60, 60), "broken"),  # 600 of 880 right, at most 720 of 1,000
        ([[300, 140], [140, 300]], (400, 400), "inconclusive"),
        ([[430, 10], [10, 430]], (60, 60), "met"),  # at least 860 of 1,000
        ([[430, 10], [10, 430]], (160, 160), "inconclusive"),
    ],
)
def test_a_window_need_not_wait_for_outcomes_that_cannot_change_it(
    cells: list[list[int]], missing: tuple[int, int], state: str
) -> None:
    assert judged(np.array(cells), missing, (Objective("accuracy", least=0.8),)) == [state]
