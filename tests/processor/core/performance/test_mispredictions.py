"""Ten wrong ones: what is wrong, and how much."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import Column
from driftline.tables.task import Task
from driftline_processor.core.performance.mispredictions import row_losses_of

from tests.support.unwrap import unwrap

NAN = np.nan


def test_of_classes_the_surest_of_what_did_not_happen_are_the_worst() -> None:
    task = Task("multiclass", ("a", "b", "c"))
    scores = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [NAN, NAN, NAN]])
    sent = Column(codes=np.array([-1, 1, -1, 0], np.int32), categories=("c", "a"))
    actual = Column(codes=np.array([0, 0, 0, 1], np.int32), categories=("b", "d"))
    found = unwrap(row_losses_of(task, scores, sent, actual))
    assert found.loss.round(9).tolist()[:2] == [0.8, 0.6]
    assert np.isnan(found.loss[2:]).all()
    assert (found.worst(1).tolist(), found.has_outcome.tolist()) == ([0], [True, True, True, False])


def test_a_row_without_score_is_as_wrong_as_can_be_and_a_strange_decision_is_not() -> None:
    task, actual = Task("binary", ("0", "1"), "1"), Column(numbers=np.array([1.0, 1.0, 1.0, NAN]))
    sent = Column(codes=np.array([0, 1, 2, 0], np.int32), categories=("0", "1", "maybe"))
    found = unwrap(row_losses_of(task, np.array([[NAN], [0.1], [0.1], [0.1]]), sent, actual))
    assert (found.loss[0], found.worst(9).tolist(), int(found.has_outcome.sum())) == (1.0, [0], 3)


def test_of_a_regression_the_furthest_off_and_of_a_ranking_none() -> None:
    found = row_losses_of(
        Task("regression"), np.array([[1.0], [5.0], [NAN]]), None, Column(numbers=np.array([2.0, 1.0, 0.0]))
    )
    assert found is not None
    assert (found.worst(9).tolist(), found.loss[:2].tolist()) == ([1, 0], [1.0, 4.0])
    assert row_losses_of(Task("ranking"), None, None, Column(numbers=np.ones(2))) is None
    assert row_losses_of(Task("binary", ("no", "yes")), np.ones((1, 1)), None, Column(numbers=np.ones(1))) is None
