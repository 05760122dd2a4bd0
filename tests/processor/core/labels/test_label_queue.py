"""What to label next: chosen one-sidedly, and honest about it."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.bins import CategoryBins, count, number_bins
from driftline.tables.table import Column
from driftline.tables.task import Task
from driftline_processor.core.labels.sampling import (
    bin_rise,
    draw_rows,
    drift_of_rows,
    row_lots,
    uncertainty,
    weakness_of_rows,
)
from driftline_processor.core.stable_hash import hash_texts
from hypothesis import given
from hypothesis import strategies as st

NONE = np.nan


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=60), st.integers(1, 30), st.integers(0, 2**32))
def test_as_many_as_asked_are_drawn_each_once(sizes: list[float], most: int, first: int) -> None:
    n = len(sizes)
    drawn = draw_rows(np.array(sizes), row_lots(np.arange(first, first + n)), np.full(n, NONE), most)
    assert len(drawn.new.rows) == min(most, n)
    assert len(set(drawn.new.rows.tolist())) == len(drawn.new.rows)
    assert ((drawn.new.probability > 0) & (drawn.new.probability <= 1)).all()
    assert not len(drawn.redraw.rows)


def test_what_was_drawn_in_parts_is_what_is_drawn_at_once() -> None:
    sizes, lot = np.random.default_rng(1).uniform(0.1, 2, 5_000), row_lots(np.arange(5_000))
    before = np.full(5_000, NONE)
    for most in (100, 1, 50, 149):
        drawn = draw_rows(sizes, lot, before, most)
        assert not set(drawn.new.rows.tolist()) & set(drawn.redraw.rows.tolist())
        for chosen in (drawn.new, drawn.redraw):
            before[chosen.rows] = chosen.probability
    at_once = draw_rows(sizes, lot, np.full(5_000, NONE), 300).new
    assert np.flatnonzero(~np.isnan(before)).tolist() == at_once.rows.tolist()
    assert before[at_once.rows].tolist() == at_once.probability.tolist()


def test_what_was_drawn_once_keeps_its_probability_where_it_is_now_less() -> None:
    lot = np.array([0.2, 0.1, 0.9, 0.6])
    before = np.array([0.25, NONE, NONE, NONE])
    assert draw_rows(np.array([0.1, 1, 1, 1]), lot, before, 2).redraw.rows.tolist() == []
    again = draw_rows(np.array([2.0, 1, 1, 1]), lot, before, 1).redraw
    assert (again.rows.tolist(), again.probability.tolist()) == ([0], [1.0])


def test_a_label_that_nobody_drew_keeps_its_weight() -> None:
    before = np.array([0.1, NONE, NONE])  # somebody's own sample: its lot is above the probability
    assert draw_rows(np.ones(3), np.array([0.3, 0.1, 0.6]), before, 1).redraw.rows.tolist() == []


def test_all_that_was_drawn_stands_for_itself_when_all_is_known() -> None:
    drawn = draw_rows(np.ones(3), np.array([0.3, 0.1, 0.6]), np.array([NONE, 0.2, NONE]), 2)
    assert drawn.new.probability.tolist() == [1.0, 1.0]
    assert drawn.redraw.probability.tolist() == [1.0]


def test_rows_beyond_what_is_looked_at_are_drawn_by_those_within() -> None:
    sizes, lot = np.random.default_rng(1).uniform(0.1, 3, 20_000), row_lots(np.arange(20_000))
    near = np.flatnonzero(lot <= np.sort(lot)[9_999])
    part = draw_rows(sizes[near], lot[near], np.full(len(near), NONE), 100, float(np.sort(lot)[10_000])).new
    whole = draw_rows(sizes, lot, np.full(20_000, NONE), 100).new
    assert near[part.rows].tolist() == whole.rows.tolist()
    assert part.probability.tolist() == whole.probability.tolist()
    all_of_it = draw_rows(sizes[near], lot[near], np.full(len(near), NONE), 10_000, float(np.sort(lot)[10_000])).new
    assert (1 / all_of_it.probability).sum() == pytest.approx(20_000, rel=0.02)


def test_a_multiclass_model_is_unsure_where_two_classes_are_close() -> None:
    found = uncertainty(Task("multiclass", ("a", "b", "c")), np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]))
    assert found is not None
    assert found.tolist() == [1.0, 0.0]
    assert uncertainty(Task("regression"), np.array([[3.0]])) is None


def test_rows_where_values_have_become_frequent_are_drifted() -> None:
    rng = np.random.default_rng(2)
    before, now = Column(numbers=rng.normal(size=5_000)), Column(numbers=rng.normal(2, 1, 5_000))
    bins = number_bins(before.numbers if before.numbers is not None else np.empty(0))
    risen = bin_rise(bins, count(bins, before), count(bins, now))
    found = drift_of_rows({"x": (bins, risen)}, {"x": Column(numbers=np.array([-1.0, 0.0, 2.5, np.nan]))}, 4)
    assert found.tolist() == [0.0, 0.0, 1.0, 0.0]
    assert bin_rise(bins, count(bins, before), count(bins, before)).max() < 0.01


def test_a_label_that_is_new_has_risen() -> None:
    bins = CategoryBins(("a", "b"))
    assert bin_rise(bins, np.array([90.0, 10, 0, 0, 0]), np.array([50.0, 10, 40, 0, 0])).round(1).tolist()[:3] == [
        0.0,
        0.0,
        1.0,
    ]


def test_the_worst_slice_of_a_row_counts() -> None:
    region = Column(codes=np.array([0, 1, -1], np.int32), categories=("n", "s"))
    plan = Column(codes=np.array([0, 0, 0], np.int32), categories=("free",))
    assert weakness_of_rows({"region": region, "plan": plan}, {"region=n": 0.9, "plan=free": 0.2}, 3).tolist() == [
        0.9,
        0.2,
        0.2,
    ]


def test_lots_of_ids_are_the_same_for_ever() -> None:
    ids = ["", "a", "b", "a\0", "abcdefgh", "abcdefghi", "abcdefgha"]
    ends = np.cumsum([0, *map(len, ids)])
    found = row_lots(hash_texts(np.frombuffer("".join(ids).encode(), np.uint8), ends))
    assert found.round(6).tolist() == [0.707033, 0.454169, 0.136707, 0.005951, 0.294629, 0.655171, 0.121048]
    many = row_lots(hash_texts(np.frombuffer(b"%06d" * 20_000 % tuple(range(20_000)), np.uint8), np.arange(20_001) * 6))
    assert np.abs(np.sort(many) - (np.arange(20_000) + 0.5) / 20_000).max() < 1.63 / 20_000**0.5  # Kolmogorov, 1 %
    assert abs(np.corrcoef(many[1:], many[:-1])[0, 1]) < 0.02
