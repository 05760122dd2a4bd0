"""Coarse histograms of the reference by stretches of its time."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline import Baseline
from driftline.baseline.codec import to_json
from driftline.baseline.sections.section import MOST_BLOCKS
from driftline.baseline.sections.time_blocks import CELLS, LENGTHS, BlockCounts, Period, TimeBlocks, TimeGrid
from hypothesis import given
from hypothesis import strategies as st

from tests.support.unwrap import unwrap

DAY = 86_400 * 10**9
START = int(pd.Timestamp("2026-01-05", tz="UTC").value)  # a Monday


def built(days: int = 20, rows: int = 4_000, **changes: Any) -> Baseline:
    rng = np.random.default_rng(4)
    X = {
        "x": rng.normal(size=rows),
        "plan": rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]),
        "when": START + (np.arange(rows) * (days * DAY // rows)),
        "p": rng.random(rows),
    }
    return Baseline.from_frame(X, **({"score": "p", "time": "when", "model": "m", "task": "binary"} | changes))


def blocks_of(baseline: Baseline) -> TimeBlocks:
    return unwrap(baseline.extras.blocks)


def test_every_row_is_in_one_block_and_one_cell() -> None:
    baseline = built()
    blocks = blocks_of(baseline)
    assert (blocks.length, len(blocks.starts), int(blocks.starts[0])) == (DAY, 20, START)
    assert blocks.rows[:, 0].tolist() == [200] * 20
    assert blocks.by_part.keys() == {"feature:x", "feature:plan", "score", "class"}
    for name, cells in blocks.by_part.items():
        whole = baseline.pane.parts[name]
        np.testing.assert_array_equal(cells.counts.sum(axis=0), cells.coarsen(whole[:-2]), err_msg=name)
        assert cells.counts.sum() == 4_000
        assert cells.counts.shape[1] <= 2 * CELLS


def test_cells_are_neighbouring_bins_of_about_equal_weight() -> None:
    share = blocks_of(built()).by_part["feature:x"].counts.sum(axis=0) / 4_000
    assert len(share) == CELLS
    assert np.abs(share - 0.1).max() < 0.02
    cells = BlockCounts.of(np.array([[50.0, 1.0, 1.0, 48.0]]), 4)
    assert (cells.first.tolist(), cells.counts.tolist()) == ([0, 1, 3], [[50.0, 2.0, 48.0]])


def test_a_day_that_differs_is_seen_in_its_block() -> None:
    shift = np.where(np.arange(1_000) // 100 == 3, 2.0, 0.0)
    x = np.random.default_rng(1).normal(size=1_000) + shift
    when = START + np.arange(1_000) * (10 * DAY // 1_000)
    blocks = blocks_of(built(days=10, rows=1_000, score=np.zeros(1_000), time=when, features=["x"]))
    moved = Baseline.from_frame({"x": x}, score=x, time=when, model="m", task="regression")
    top = blocks_of(moved).by_part["feature:x"].counts[:, -1] / 100
    assert int(top.argmax()) == 3
    assert len(blocks.starts) == 10


@pytest.mark.parametrize(
    ("span", "length", "count"),
    [
        (3_600 * 10**9, LENGTHS[0], 13),
        (14 * 3_600 * 10**9, LENGTHS[1], 57),
        (2 * DAY, LENGTHS[2], 49),
        (5 * DAY, LENGTHS[3], 21),
        (7 * DAY, DAY, 8),
        (59 * DAY, DAY, 60),
        (60 * DAY, 7 * DAY, 9),
        (800 * DAY, 28 * DAY, 30),
    ],
)
def test_blocks_are_as_short_as_sixty_of_them_allow(span: int, length: int, count: int) -> None:
    times = np.linspace(START, START + span, 500).astype(np.int64)
    found = unwrap(TimeGrid.of(times))
    assert (found.length, found.count) == (length, count)
    assert count <= MOST_BLOCKS


def test_one_stray_time_moves_no_block() -> None:
    times = START + np.arange(5_000) * (30 * DAY // 5_000)
    whole = TimeGrid.of(times)
    times[17] = 1
    assert TimeGrid.of(times) == whole
    assert whole is not None
    assert whole.place(times)[17] == whole.count  # in none


def test_without_times_or_in_one_stretch_there_are_no_blocks() -> None:
    assert built(time=None).extras.blocks is None
    assert built(time=np.full(4_000, START)).extras.blocks is None
    assert built(time=None).extras.period is None


def test_rows_without_a_time_are_in_no_block_but_in_the_reference() -> None:
    when = (START + np.arange(4_000) * (20 * DAY // 4_000)).astype(object)
    when[::2] = None
    baseline = built(time=when)
    assert baseline.pane.rows == 4_000
    assert blocks_of(baseline).rows[:, 0].sum() == 2_000


def test_times_may_be_written_in_any_way() -> None:
    when = pd.to_datetime(START + np.arange(4_000) * (20 * DAY // 4_000) // 10**9 * 10**9, unit="ns", utc=True)
    as_times = built(time=when)
    for written in (when.astype(str).tolist(), (when.as_unit("s").asi8).tolist(), when.to_numpy()):
        other = built(time=written)
        assert other.extras.period == as_times.extras.period
        assert to_json(blocks_of(other)) == to_json(blocks_of(as_times))


def test_times_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ValueError, match=r"time:.*ISO.*8601 strings"):
        built(time=["yesterday"] * 4_000)


def test_the_period_is_that_of_the_rows() -> None:
    assert built().extras.period == Period(START, START + 3_999 * (20 * DAY // 4_000))


def test_blocks_survive_json() -> None:
    baseline = built()
    again = Baseline.from_json(baseline.to_json())
    assert again.to_json() == baseline.to_json()
    assert (
        blocks_of(again).by_part["feature:x"].counts.tolist()
        == blocks_of(baseline).by_part["feature:x"].counts.tolist()
    )


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"length": 0}, ": length"),
        ({"starts": [1]}, ": starts"),
        ({"starts": [2, 1]}, ": starts"),
        ({"starts": None}, ".starts: "),
        ({"rows": [[1, 1, 1]]}, ": rows"),
        ({"by_part": {"feature:y": {"first": [0], "counts": [[1]] * 20}}}, ": 'feature:y'"),
        ({"by_part": {"score": {}}}, ".by_part.score.first: is missing"),
        ({"by_part": {"score": {"first": [1], "counts": [[1]] * 20}}}, ": the entry of 'score'"),
        ({"by_part": {"score": {"first": [0], "counts": [[1, 2]] * 20}}}, ".by_part.score: counts"),
        ({"by_part": {"score": {"first": [0], "counts": [[1]] * 20, "missing": [1]}}}, ".by_part.score: missing"),
    ],
)
def test_damaged_blocks_are_named(change: dict[str, Any], place: str) -> None:
    root = json.loads(built().to_json())
    root["extras"]["blocks"].update(change)
    with pytest.raises(ValueError, match=re.escape(f"baseline: extras.blocks{place}")):
        Baseline.from_json(json.dumps(root))


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=30))
def test_any_times_have_at_most_sixty_stretches_that_hold_them(times: list[int]) -> None:
    array = np.array(times, np.int64)
    found = TimeGrid.of(array)
    if found is not None:
        assert 1 < found.count <= MOST_BLOCKS
        assert (found.place(array[array != 0]) < found.count).all()


def test_a_day_begins_in_the_hour_in_which_the_fewest_rows_are() -> None:
    hour = 3600 * 10**9
    # from one in the afternoon until four in the morning
    busy = np.concatenate([day * 24 * hour + np.arange(13, 28) * hour for day in range(20)])
    found = unwrap(TimeGrid.of(busy))
    assert found.start % (24 * hour) // hour in range(4, 13)
    rows = np.bincount(found.place(busy), minlength=found.count)
    assert found.count == 20
    assert set(rows.tolist()) == {15}


def test_a_day_begins_at_midnight_where_no_hour_is_quiet() -> None:
    hour = 3600 * 10**9
    found = unwrap(TimeGrid.of(np.arange(20 * 24) * hour + 1))
    assert found.start % (24 * hour) == 0
