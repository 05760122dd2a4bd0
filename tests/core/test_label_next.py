"""What to label next: chosen one-sidedly, and honest about it."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.bins import CategoryBins, count, number_bins
from driftline.tables import Column, Task
from driftline_processor.core.labels.next import FLOOR, choose, drifted, rise, uncertainty, weak
from hypothesis import given
from hypothesis import strategies as st

BINARY = Task("binary", ("0", "1"), "1")


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=60), st.integers(1, 30), st.integers(0, 2**32))
def test_as_many_as_asked_are_chosen_each_once(sizes: list[float], most: int, seed: int) -> None:
    chosen = choose(np.array(sizes), most, np.random.default_rng(seed))
    assert len(chosen.rows) == min(most, len(sizes))
    assert len(set(chosen.rows.tolist())) == len(chosen.rows)
    assert ((chosen.probability > 0) & (chosen.probability <= 1)).all()


def test_rows_are_chosen_as_often_as_they_say() -> None:
    sizes = np.array([1.0, 2.0, 4.0, 8.0, 1.0, 2.0, 4.0, 30.0, 0.5, 1.5])
    hits, said = np.zeros(10), np.full(10, np.nan)
    for seed in range(4_000):
        chosen = choose(sizes, 4, np.random.default_rng(seed))
        hits[chosen.rows] += 1
        said[chosen.rows] = chosen.probability
    assert hits / 4_000 == pytest.approx(said, abs=4 * 0.5 / 4_000**0.5)
    assert said[7] == 1.0


def test_labels_that_come_back_with_their_weight_leave_the_error_rate_unbiased() -> None:
    rng = np.random.default_rng(1)
    score = rng.beta(0.6, 0.6, 20_000)
    wrong = rng.random(20_000) < np.minimum(score, 1 - score)
    unsure = uncertainty(BINARY, score[:, np.newaxis])
    assert unsure is not None
    weighted, plain = [], []
    for seed in range(200):
        chosen = choose(FLOOR + unsure, 300, np.random.default_rng(seed))
        weight = 1 / chosen.probability
        weighted.append((weight @ wrong[chosen.rows]) / weight.sum())
        plain.append(wrong[chosen.rows].mean())
    spread = np.std(weighted) / 200**0.5
    assert np.mean(weighted) == pytest.approx(wrong.mean(), abs=4 * spread + 0.002)
    assert np.mean(plain) > 1.3 * wrong.mean()  # what was chosen is wrong far more often than all rows


def test_a_multiclass_model_is_unsure_where_two_classes_are_close() -> None:
    found = uncertainty(Task("multiclass", ("a", "b", "c")), np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]))
    assert found is not None
    assert found.tolist() == [1.0, 0.0]
    assert uncertainty(Task("regression"), np.array([[3.0]])) is None


def test_rows_where_values_have_become_frequent_are_drifted() -> None:
    rng = np.random.default_rng(2)
    before, now = Column(numbers=rng.normal(size=5_000)), Column(numbers=rng.normal(2, 1, 5_000))
    bins = number_bins(before.numbers if before.numbers is not None else np.empty(0))
    risen = rise(bins, count(bins, before), count(bins, now))
    found = drifted({"x": (bins, risen)}, {"x": Column(numbers=np.array([-1.0, 0.0, 2.5, np.nan]))}, 4)
    assert found.tolist() == [0.0, 0.0, 1.0, 0.0]
    assert rise(bins, count(bins, before), count(bins, before)).max() < 0.01


def test_a_label_that_is_new_has_risen() -> None:
    bins = CategoryBins(("a", "b"))
    assert rise(bins, np.array([90.0, 10, 0, 0, 0]), np.array([50.0, 10, 40, 0, 0])).round(1).tolist()[:3] == [
        0.0,
        0.0,
        1.0,
    ]


def test_the_worst_slice_of_a_row_counts() -> None:
    region = Column(codes=np.array([0, 1, -1], np.int32), labels=("n", "s"))
    plan = Column(codes=np.array([0, 0, 0], np.int32), labels=("free",))
    assert weak({"region": region, "plan": plan}, {"region=n": 0.9, "plan=free": 0.2}, 3).tolist() == [0.9, 0.2, 0.2]
