"""Outcomes are folded into many panes at once, and each is what its own rows alone give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from driftline.panes.outcome_sums import (
    MOST_CLASS_SCORES,
    LabelledRows,
    fold_outcomes,
    fold_outcomes_by,
    intervals,
    widths,
)
from driftline.panes.pane import Pane, merge
from driftline.panes.sparse_sums import cells
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from hypothesis import given
from hypothesis import strategies as st

BINARY = Task("binary", ("0", "1"), "1", 0.5)
COLOURS = Task("multiclass", ("red", "green", "blue"))
PRICE = Task("regression")
RANGE = Task("regression", quantiles=(0.1, 0.5, 0.9))
TASKS = [BINARY, COLOURS, PRICE, RANGE, Task("ranking"), Task()]


def rows(task: Task, n: int, seed: int) -> tuple[F64 | None, Column, F64, F64]:
    """Scores, truth, weights and values of n rows, some of each unusable."""
    rng = np.random.default_rng(seed)
    if task.kind == "multiclass":
        scores = rng.dirichlet([1.0, 2.0, 3.0], n).round(2)
        scores[:, 2] = 1 - scores[:, 0] - scores[:, 1]
    elif task.quantiles:
        scores = np.sort(rng.normal(size=(n, 3)), axis=1)
    else:
        scores = rng.random((n, 1)).round(2)
    scores[rng.random(n) < 0.1] = np.nan
    numbers = rng.integers(0, 3, n).astype(np.float64)
    if task.kind == "multiclass":
        truth = Column(codes=rng.integers(-1, 4, n).astype(np.int32), categories=("red", "green", "blue", "mauve"))
    else:
        truth = Column(numbers=np.where(rng.random(n) < 0.1, np.nan, numbers))
    weight = rng.choice([1.0, 2.5, np.nan, -1.0, 0.0], n)
    return scores, truth, weight, rng.choice([1.0, -3.0, np.nan, 1e200], n)


def same(one: Pane, other: Pane) -> None:
    for name in one.parts.keys() | other.parts.keys():
        width = len(one.parts.get(name, other.parts.get(name, np.empty(0))))
        nothing = np.zeros(width)  # a part that is not there is as good as zeros
        assert np.allclose(one.parts.get(name, nothing), other.parts.get(name, nothing), rtol=1e-12, atol=1e-9), name


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.kind}{task.quantiles}")
@given(
    n=st.integers(0, 60),
    groups=st.integers(1, 5),
    seed=st.integers(0, 99),
    weighted=st.booleans(),
    ordered=st.booleans(),
)
def test_each_pane_is_what_its_rows_alone_give(
    task: Task, n: int, groups: int, seed: int, weighted: bool, ordered: bool
) -> None:
    scores, truth, weight, value = rows(task, n, seed)
    group = np.random.default_rng(seed + 1).integers(0, groups, n)
    group = np.sort(group) if ordered else group
    given_weight = weight if weighted else None
    sums = fold_outcomes_by(task, LabelledRows(scores, None, truth, given_weight, value), group, groups)
    for at in range(groups):
        own = group == at
        some = Column(
            None if truth.numbers is None else truth.numbers[own],
            None if truth.codes is None else truth.codes[own],
            truth.categories,
        )
        alone = fold_outcomes(
            task,
            None if scores is None else scores[own],
            None,
            some,
            None if given_weight is None else given_weight[own],
            value=value[own],
        )
        same(Pane({name: part.dense(groups)[at] for name, part in sums.items()}), alone)
        merged = merge([alone, alone])
        assert all(len(part) == widths(task)[name] for name, part in merged.parts.items())


def test_panes_are_written_where_there_is_something_however_many_there_are() -> None:
    rng = np.random.default_rng(1)
    group = np.sort(rng.integers(0, 26_000, 2_000))
    scores = rng.random((2_000, 1))
    sums = fold_outcomes_by(BINARY, LabelledRows(scores, None, Column(numbers=np.ones(2_000))), group, 26_000)
    assert len(sums["score_positive"].value) <= 2_000
    assert len(sums["score_negative"].value) == 0
    assert sums["score_positive"].value.sum() == 2_000
    assert np.bincount(sums["outcomes"].group[sums["outcomes"].index == 0]).max() == 1


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 4_097), st.floats(0, 9)), max_size=40), st.booleans())
def test_cells_are_summed_alike_whether_few_or_many(found: list[tuple[int, int, float]], crowded: bool) -> None:
    found = sorted((group // 9_000 if crowded else group, cell, weight) for group, cell, weight in found)
    group, cell = (np.array([one[at] for one in found], dtype=np.int64) for at in (0, 1))
    weight = np.array([one[2] for one in found], dtype=np.float64)
    summed = cells(group, cell, weight, 40_001, 4_098)
    expected: dict[tuple[int, int], float] = {}
    for at, where, how_much in found:
        expected[at, where] = expected.get((at, where), 0.0) + how_much
    keys = zip(summed.group.tolist(), summed.index.tolist(), strict=True)
    assert dict(zip(keys, summed.value.tolist(), strict=True)) == pytest.approx(
        {key: value for key, value in expected.items() if value}
    )


def test_squares_are_kept_only_where_weights_say_more_than_one() -> None:
    scores, actual = np.array([[0.8], [0.3], [0.6]]), Column(numbers=np.array([1.0, 1.0, 0.0]))
    plain = fold_outcomes(BINARY, scores, None, actual, np.array([1.0, np.nan, 1.0])).parts
    assert not [name for name in plain if name.endswith("_excess")]
    weighted = fold_outcomes(BINARY, scores, None, actual, np.array([1.0, 3.0, 0.5])).parts
    assert (weighted["confusion"] + weighted["confusion_excess"]).tolist() == [0, 0.25, 9, 1]
    for side, squares in (("score_negative", [0.25]), ("score_positive", [9, 1])):
        held = weighted[side] > 0
        assert (weighted[side] + weighted[f"{side}_excess"])[held].tolist() == squares
    names = BINARY.losses[1:]
    losses = {
        "brier": [0.04, 0.49, 0.36],
        "log_loss": [-math.log(0.8), -math.log(0.3), -math.log(0.4)],
        "score": [0.8, 0.3, 0.6],
        "positive": [1.0, 1.0, 0.0],
    }
    w = np.array([1.0, 3.0, 0.5])
    for number, name in enumerate(names):
        loss = np.array(losses[name])
        squares = [w**2 @ loss, w**2 @ loss**2]
        assert weighted["spread"][1 + 2 * number : 3 + 2 * number].tolist() == pytest.approx(squares)
    assert weighted["spread"][0] == 10.25


def test_scores_are_summed_in_ten_bins_whose_upper_edges_belong_to_them() -> None:
    scores = np.array([[0.0], [0.1], [0.1000001], [0.95], [1.0]])
    pane = fold_outcomes(BINARY, scores, None, Column(numbers=np.array([0.0, 1.0, 1.0, 1.0, 0.0])))
    bins = pane.parts["calibration"].reshape(10, 3)
    assert bins[0].tolist() == [2, 0.1, 1]
    assert bins[1].tolist() == [1, 0.1000001, 1]
    assert bins[9].tolist() == [2, 1.95, 1]
    assert not bins[2:9].any()


def test_the_rank_of_what_was_true_is_counted_and_of_equal_scores_the_later_class_is_above() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.5, 0.3, 0.2]])
    actual = Column(codes=np.array([0, 0, 1, 2], np.int32), categories=COLOURS.classes)
    assert fold_outcomes(COLOURS, scores, None, actual).parts["ranks"].tolist() == [2, 1, 1]


def test_many_classes_have_no_grid_of_scores_each() -> None:
    many = Task("multiclass", tuple(map(str, range(MOST_CLASS_SCORES + 1))))
    scores = np.full((1, len(many.classes)), 1 / len(many.classes))
    parts = fold_outcomes(many, scores, None, Column(numbers=np.zeros(1))).parts
    assert not any(name.startswith("score_") for name in parts)
    assert any(name.startswith("score_") for name in widths(COLOURS))


def test_declared_quantiles_have_their_losses_and_intervals() -> None:
    scores = np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [1.0, np.nan, 4.0]])
    parts = fold_outcomes(RANGE, scores, None, Column(numbers=np.array([3.0, 0.0, 3.0]))).parts
    assert intervals(RANGE) == {0.8: (0, 2)}
    weight, squared, *sums = parts["quantiles"].tolist()
    assert (weight, squared) == (2, 2)
    assert sums[0::3] == pytest.approx([0.2 + 0.9, 0.5 + 1.0, 0.1 + 0.4, 1])
    assert parts["losses"].tolist() == [2, 1, 3, 5, 3, 9]
    assert parts["percentage"].tolist() == pytest.approx([1, 1, 1 / 3, 1 / 3, 1 / 9])


def test_what_an_outcome_was_worth_is_summed_where_somebody_said() -> None:
    actual = Column(numbers=np.array([1.0, 0.0, np.nan]))
    scores, value = np.full((3, 1), 0.9), np.array([20.0, np.nan, -5.0])
    parts = fold_outcomes(BINARY, scores, None, actual, np.array([2.0, 1.0, 1.0]), value=value).parts
    assert parts["value"].tolist() == [2, 3, 5, 35, 75, 1625]
    assert "value" not in fold_outcomes(BINARY, scores, None, actual, value=np.full(3, np.nan)).parts


def test_no_value_turns_a_pane_infinite() -> None:
    scores, actual = np.array([[1e60], [1e61], [5.0]]), Column(numbers=np.array([-1e60, 1.0, 1e-300]))
    parts = fold_outcomes(PRICE, scores, None, actual, np.full(3, 1e12)).parts
    assert all(np.isfinite(part).all() for part in parts.values())
    assert parts["losses"][0] == 2e12
