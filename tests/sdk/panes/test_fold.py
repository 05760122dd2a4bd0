"""Folding: what is added up, and that it adds up in any order."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from driftline.panes.bins import SCORE_BINS, CategoryBins, NumberBins, score_bin
from driftline.panes.fold import fold, fold_by
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import DURATION_BOUNDS, MOST_UNKNOWN, Pane, add_pane, merge
from driftline.tables.performance_columns import decide, usable_weight
from driftline.tables.table import F64, Column, ModelKey, PredictionTable, Text
from driftline.tables.task import Task
from hypothesis import given
from hypothesis import strategies as st

BINARY = Task("binary", ("0", "1"), "1", 0.5)
COLOURS = Task("multiclass", ("red", "green", "blue"))
BINS = ModelBins(
    features={"age": NumberBins(np.array([18.0, 65.0])), "plan": CategoryBins(("basic", "pro"))},
    score=NumberBins(np.array([0.25, 0.75])),
    classes=CategoryBins(("0", "1")),
)


def table(n: int, task: Task = BINARY, **fields: object) -> PredictionTable:
    empty = PredictionTable(ModelKey("churn"), task, np.zeros(n, np.int64), Text(np.zeros(n + 1, np.int32), b""))
    return replace(empty, **fields)  # type: ignore[arg-type]


def same(one: Pane, other: Pane) -> bool:
    return one.parts.keys() == other.parts.keys() and all(
        np.allclose(values, other.parts[name], rtol=1e-12, atol=1e-12) for name, values in one.parts.items()
    )


def test_a_table_is_counted_into_every_part() -> None:
    rows = table(
        3,
        scores=np.array([[0.1], [0.5], [np.nan]]),
        weight=np.array([1.0, 2.0, 4.0]),
        duration=np.array([0.0001, 0.003, 100.0]),
        features={
            "age": Column(numbers=np.array([17.0, 18.0, np.inf])),
            "plan": Column(codes=np.array([0, -1, 1], np.int32), categories=("pro", "gone")),
        },
    )
    parts = fold(rows, BINS).parts
    assert parts["rows"].tolist() == [3, 7, 21]
    assert parts["feature:age"].tolist() == [1, 2, 0, 0, 4]
    assert parts["feature:plan"].tolist() == [0, 1, 4, 2, 0]
    assert parts["score"].tolist() == [1, 2, 0, 4, 0]
    assert parts["class"].tolist() == [1, 2, 0, 4, 0]
    seconds = parts["duration"]
    assert len(seconds) == len(DURATION_BOUNDS) + 2
    assert [seconds[0], seconds[5], seconds[-2]] == [1, 2, 4]
    assert seconds[-1] == pytest.approx(0.0001 + 2 * 0.003 + 4 * 100)


def test_a_feature_the_table_lacks_is_missing_and_one_nobody_knows_is_named() -> None:
    parts = fold(table(2, features={"new": Column(numbers=np.ones(2))}), BINS).parts
    assert parts["feature:age"].tolist() == [0, 0, 0, 2, 0]
    assert parts["unknown:new"].tolist() == [2]
    assert parts["score"].tolist() == [0, 0, 0, 2, 0]
    assert parts["class"].tolist() == [0, 0, 0, 2, 0]
    assert "duration" not in parts


def test_ten_thousand_unknown_features_do_not_fill_a_pane() -> None:
    features = {f"x{i}": Column(numbers=np.ones(1)) for i in range(10_000)}
    parts = fold(table(1, features=features), BINS).parts
    assert sum(name.startswith("unknown:") for name in parts) == MOST_UNKNOWN


def test_without_bins_only_the_rows_are_counted() -> None:
    parts = fold(table(2, features={"new": Column(numbers=np.ones(2))}), ModelBins()).parts
    assert {name: values.tolist() for name, values in parts.items()} == {"rows": [2, 2, 2]}


@pytest.mark.parametrize("n", [0, 1])
def test_the_smallest_tables_fold(n: int) -> None:
    rows = table(n, scores=np.full((n, 1), 0.9), features={"age": Column(numbers=np.full(n, np.nan))})
    parts = fold(rows, BINS).parts
    assert parts["feature:age"].tolist() == [0, 0, 0, n, 0]
    assert parts["class"].tolist() == [0, n, 0, 0, 0]


def test_the_service_decides_and_the_threshold_only_where_it_did_not() -> None:
    predicted = Column(codes=np.array([1, -1, 2, -1], np.int32), categories=("0", "true", "maybe"))
    scores = np.array([[0.1], [0.5], [0.9], [0.49]])
    assert decide(BINARY, scores, predicted).tolist() == [1, 1, 2, 0]
    assert decide(BINARY, None, predicted).tolist() == [1, -1, 2, -1]
    assert decide(replace(BINARY, threshold=0.1), scores, None).tolist() == [1, 1, 1, 1]


def test_the_positive_class_may_come_first() -> None:
    task = Task("binary", ("1", "0"), "1")
    assert decide(task, np.array([[0.9], [0.1]]), None).tolist() == [0, 1]


def test_the_greatest_score_wins() -> None:
    scores = np.array([[0.2, 0.5, 0.3], [np.nan, 0.5, 0.5], [0.4, 0.2, 0.4]])
    assert decide(COLOURS, scores, None).tolist() == [1, -1, 0]
    assert decide(Task("regression"), np.ones((2, 1)), None).tolist() == [-1, -1]
    assert len(decide(BINARY, None, None)) == 0


def test_a_class_the_baseline_does_not_know_is_other() -> None:
    task = Task("binary", ("1", "maybe"), "maybe")
    assert fold(table(2, task, scores=np.array([[0.9], [0.1]])), BINS).parts["class"].tolist() == [0, 1, 1, 0, 0]


def test_confidence_is_what_is_watched_of_many_classes() -> None:
    scores = np.array([[0.2, 0.5, 0.3], [0.8, 0.1, 0.1]])
    assert fold(table(2, COLOURS, scores=scores), BINS).parts["score"].tolist() == [0, 1, 1, 0, 0]


def test_outcomes_of_a_binary_model_are_summed() -> None:
    actual = Column(numbers=np.array([1.0, 0.0, 1.0, np.nan, 7.0]))
    scores = np.array([[0.8], [0.6], [0.0], [0.5], [0.5]])
    weight = np.array([1.0, 2.0, np.nan, 1.0, 1.0])
    parts = fold_outcomes(BINARY, scores, None, actual, weight).parts
    assert parts["outcomes"].tolist() == [3, 4, 6]
    assert parts["confusion"].tolist() == [0, 2, 1, 1]
    log_loss = -math.log(0.8) - 2 * math.log(0.4) - math.log(np.finfo(np.float64).eps)
    assert parts["losses"].tolist() == pytest.approx([4, 0.04 + 2 * 0.36 + 1, log_loss, 0.8 + 1.2, 2])
    positive, negative = parts["score_positive"], parts["score_negative"]
    assert len(positive) == len(negative) == SCORE_BINS
    assert positive[[0, score_bin(np.array([0.8]))[0]]].tolist() == [1, 1]
    assert negative[score_bin(np.array([0.6]))[0]] == negative.sum() == 2


def test_a_score_that_is_no_probability_is_a_decision_and_nothing_else() -> None:
    parts = fold_outcomes(BINARY, np.array([[3.5], [-1.0]]), None, Column(numbers=np.array([1.0, 1.0]))).parts
    assert parts["outcomes"].tolist() == [2, 2, 2]
    assert parts["confusion"].tolist() == [0, 0, 1, 1]
    assert parts["losses"].tolist() == [0, 0, 0, 0, 0]
    assert parts["score_positive"].sum() == 0


def test_scores_that_do_not_add_up_to_one_have_no_losses() -> None:
    actual = Column(codes=np.array([0, 1], np.int32), categories=("red", "blue"))
    scores = np.array([[0.5, 0.25, 0.25], [0.9, 0.9, 0.9]])
    parts = fold_outcomes(COLOURS, scores, None, actual).parts
    assert parts["losses"] == pytest.approx([1, 0.25 + 0.0625 + 0.0625, math.log(2)])
    assert parts["confusion"].reshape(3, 3).tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_outcomes_without_scores_still_have_a_confusion() -> None:
    predicted = Column(numbers=np.array([1.0, 0.0]))
    parts = fold_outcomes(BINARY, None, predicted, Column(numbers=np.array([1.0, 1.0]))).parts
    assert parts["confusion"].tolist() == [0, 0, 1, 1]
    assert parts.keys() == {"outcomes", "confusion"}


def test_an_outcome_nobody_predicted_is_known_all_the_same() -> None:
    parts = fold_outcomes(BINARY, None, None, Column(numbers=np.array([1.0]))).parts
    assert parts["outcomes"].tolist() == [1, 1, 1]
    assert parts["confusion"].sum() == 0


def test_outcomes_of_a_regression_are_summed_and_text_is_read() -> None:
    actual = Column(
        numbers=np.array([1.0, np.nan, np.nan, np.inf, 4.0]),
        codes=np.array([-1, 0, 1, -1, -1], np.int32),
        categories=("2.5", "unknown"),
    )
    values = np.array([[2.0], [2.0], [1.0], [1.0], [np.nan]])
    parts = fold_outcomes(Task("regression"), values, None, actual).parts
    assert parts["outcomes"].tolist() == [3, 3, 3]
    assert parts["losses"].tolist() == [2, 0.5, 1.5, 1.25, 3.5, 7.25]


def test_a_bad_weight_spoils_nothing() -> None:
    weight = np.array([2.0, np.nan, -1.0, np.inf, 1e300])
    assert usable_weight(weight).tolist() == [2, 1, 0, 0, 0]
    assert fold(table(5, weight=weight), ModelBins()).parts["rows"].tolist() == [5, 3, 5]


def test_absurd_values_do_not_turn_sums_infinite() -> None:
    actual = Column(numbers=np.array([1e300, 1.0, 2.0]))
    values = np.array([[1.0], [1e300], [2.0]])
    assert fold_outcomes(Task("regression"), values, None, actual).parts["losses"].tolist() == [1, 0, 0, 0, 2, 4]
    seconds = fold(table(3, duration=np.array([1e300, -1.0, 2.0])), ModelBins()).parts["duration"]
    assert [seconds[:-1].sum(), seconds[-1]] == [1, 2]


ROW = st.tuples(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["basic", "pro", "free", None]),
    st.floats(0, 1) | st.just(math.nan),
    st.sampled_from([0.0, 1.0, math.nan]),
    st.floats(0, 100),
    st.integers(0, 3),
)
ROWS = st.lists(ROW, max_size=40)
Rows = list[tuple[float, str | None, float, float, float, int]]


def predictions(rows: Rows) -> PredictionTable:
    labels = ("pro", "free", "basic")
    plans = np.array([-1 if row[1] is None else labels.index(row[1]) for row in rows], dtype=np.int32)
    return table(
        len(rows),
        scores=column(rows, 2)[:, np.newaxis],
        weight=column(rows, 4),
        duration=column(rows, 0),
        features={"age": Column(numbers=column(rows, 0)), "plan": Column(codes=plans, categories=labels)},
    )


def column(rows: Rows, at: int) -> F64:
    return np.array([row[at] for row in rows], dtype=np.float64)


def folded(rows: Rows) -> Pane:
    read = predictions(rows)
    truth = Column(numbers=column(rows, 3))
    return merge([fold(read, BINS), fold_outcomes(BINARY, read.scores, None, truth, read.weight)])


@pytest.mark.slow
@given(ROWS, ROWS)
def test_a_fold_of_both_is_the_merge_of_the_folds(one: Rows, other: Rows) -> None:
    assert same(folded(one + other), merge([folded(one), folded(other)]))


@pytest.mark.slow
@given(ROWS, ROWS, ROWS)
def test_merging_does_not_care_for_order(one: Rows, two: Rows, three: Rows) -> None:
    a, b, c = folded(one), folded(two), folded(three)
    assert same(merge([a, b]), merge([b, a]))
    assert same(merge([merge([a, b]), c]), merge([a, merge([b, c])]))


def test_a_total_grows_by_a_pane_that_does_not_change() -> None:
    one, other, total = Pane({"rows": np.array([2.0])}), Pane({"rows": np.array([1.0]), "x": np.array([3.0])}), Pane()
    for pane in (one, other, other):
        add_pane(total, pane)
    assert same(total, merge([one, other, other]))
    assert (total.parts["rows"].tolist(), total.parts["x"].tolist()) == ([4.0], [6.0])
    assert (one.parts["rows"].tolist(), other.parts["x"].tolist()) == ([2.0], [3.0])


@given(ROWS)
def test_folding_by_group_is_folding_each_group(rows: Rows) -> None:
    group = np.array([row[5] for row in rows], dtype=np.int64)
    panes = fold_by(predictions(rows), BINS, group, 4)
    for at, pane in enumerate(panes):
        assert same(pane, fold(predictions([row for row in rows if row[5] == at]), BINS))


def test_merging_adds_part_by_part_and_leaves_its_inputs_alone() -> None:
    one, other = Pane({"rows": np.array([1.0, 1.0, 1.0])}), Pane({"rows": np.ones(3), "class": np.array([2.0])})
    total = merge([one, other])
    assert total.rows == 2
    assert total.parts["class"].tolist() == [2]
    assert one.parts["rows"].tolist() == [1, 1, 1]
    total.parts["class"][0] = 9
    assert other.parts["class"].tolist() == [2]


def test_nothing_merges_to_the_empty_pane() -> None:
    assert merge([]).parts == {}
    assert Pane().rows == 0


def test_panes_of_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match=r"part 'score' has 3 and 4 entries; .*same bins"):
        merge([Pane({"score": np.zeros(3)}), Pane({"score": np.zeros(4)})])
