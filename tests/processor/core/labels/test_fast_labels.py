"""Whether fast labels differ from slow ones: said where they do, seldom where they do not, and beside what waits."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import Column
from driftline.tables.task import Task
from driftline_processor.core.evaluation import FastLabels
from driftline_processor.core.labels.fast_labels import fast_labels

from tests.support.unwrap import unwrap

BINARY = Task("binary", ("0", "1"), "1")
REGRESSION = Task("regression")


def outcomes(positives: int, negatives: int, weight: float = 1.0) -> Pane:
    """Outcomes of a model that says no to all."""
    y = np.repeat([1.0, 0.0], [positives, negatives])
    return fold_outcomes(BINARY, np.full((len(y), 1), 0.1), None, Column(numbers=y), np.full(len(y), weight))


def said(cohorts: dict[str, Pane], blocks: tuple[Pane, ...] = (), task: Task = BINARY) -> FastLabels | None:
    return fast_labels(cohorts, merge(cohorts.values()), blocks, task)


def test_fast_outcomes_that_are_positive_less_often_are_said_to_be() -> None:
    found = said(
        {"<1h": outcomes(30, 270), "<1d": outcomes(42, 258), "<7d": outcomes(93, 207), "<30d": outcomes(93, 207)}
    )
    assert found is not None
    assert (found.until, found.differ, found.fast_rows, found.slow_rows) == ("<1d", True, 600, 600)
    assert (found.fast, found.slow) == (0.12, 0.31)
    assert found.metric == "actual_rate"


def test_outcomes_that_are_alike_are_not() -> None:
    found = unwrap(said({"<1h": outcomes(30, 270), "<7d": outcomes(33, 267)}))
    assert not found.differ
    assert found.until == "<1h"


def test_few_or_none_on_one_side_tell_nothing() -> None:
    assert said({"<1h": outcomes(100, 900)}) is None
    assert said({"<1h": outcomes(100, 900), "<1d": outcomes(20, 5)}) is None
    assert said({"<1h": outcomes(100, 900), "<1d": outcomes(1, 20, weight=50.0)}) is None, "weights make no rows"


def test_days_that_differ_make_rows_worth_less() -> None:
    stormy = tuple(outcomes(*both) for both in ((15, 85), (35, 65)) * 10)
    halves = {"<1d": outcomes(220, 780), "<7d": outcomes(280, 720)}
    alone, by_day = (said(halves, blocks) for blocks in ((), stormy))
    assert alone is not None
    assert by_day is not None
    assert by_day.p_value > alone.p_value


@pytest.mark.parametrize("many", [2, 3, 4])
def test_few_days_that_differ_say_nothing_of_the_labels_that_came_on_them(many: int) -> None:
    days = tuple(outcomes(*both) for both in ((40, 360), (100, 300), (60, 340), (90, 310))[:many])
    halves = {"<1d": merge(days[1::2]), "<7d": merge(days[::2])}
    as_rows, by_day = (fast_labels(halves, merge(days), days, BINARY, days=known) for known in (False, True))
    assert as_rows is not None
    assert as_rows.differ
    assert by_day is None or not by_day.differ


@pytest.mark.parametrize(("times", "differ"), [(1.0, False), (1.6, True)])
def test_errors_of_a_regression_are_compared_by_their_means(times: float, differ: bool) -> None:
    rng = np.random.default_rng(1)
    cohorts = {}
    for name, scale in (("<1h", 1.0), ("<30d", times)):
        y = 10 + rng.normal(0, 1, 300)
        p = (y + scale * rng.normal(0, 1, 300))[:, np.newaxis]
        cohorts[name] = fold_outcomes(REGRESSION, p, None, Column(numbers=y), None)
    found = unwrap(said(cohorts, task=REGRESSION))
    assert (found.differ, found.until) == (differ, "<1h")
    if differ:
        assert found.metric == "mae"
