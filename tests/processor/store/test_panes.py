"""Panes in the store add up to the same windows, however often they were written, added up or rolled up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from driftline.panes.fold import FoldedParts
from driftline.panes.pane import Pane, merge
from driftline.tables.task import Task
from driftline_processor.core.windows.window import PANE
from driftline_processor.store.database import Connection, Store, read, transaction
from driftline_processor.store.panes import (
    PaneChanges,
    part_width,
    performance_fold,
    read_window,
    roll_up,
    written_in_pieces,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.folded_panes import folded
from tests.support.state_rows import BINARY, DAY, HOUR, NOON, baseline
from tests.support.stored_sums import read_of_sums

WIDTHS = {"rows": 3, "feature:x": 6}


def width(_fold: str, part: str) -> int:
    return WIDTHS[part]


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    return Store(tmp_path).connect()


def pane(seed: int) -> Pane:
    rng = np.random.default_rng(seed)
    return Pane({"rows": rng.integers(1, 9, 3).astype(float), "feature:x": rng.integers(0, 2, 6).astype(float)})


def write(connection: Connection, panes: list[tuple[int, str, int, Pane]]) -> None:
    changes = PaneChanges()
    for series, fold, start, one in panes:
        changes.add(series, fold, np.array([start]), folded([one]))
    changes.write(connection)


def total(connection: Connection, start: int, end: int, fold: str = "f") -> dict[str, list[float]]:
    found = read_window(connection, 1, start, end, width).get(fold, Pane())
    return {name: sums.tolist() for name, sums in found.parts.items()}


def test_many_panes_at_once_are_the_same_sums(connection: Connection) -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 3, (200, 3)).astype(float)
    x = rng.integers(0, 2, (200, 6)).astype(float)
    having = np.arange(0, 200, 7)
    some = rng.integers(0, 2, (len(having), 4)).astype(float)
    changes = PaneChanges()
    starts = NOON + np.arange(200) * PANE
    changes.add(
        1, "f", starts, FoldedParts({"rows": rows, "feature:x": x}, {"tails:x": (having, some)}), without={"rows"}
    )
    changes.write(connection)
    query = "SELECT fold, pane, part, idx, value FROM sums ORDER BY part, pane, idx"
    found = read_of_sums(connection, query).to_pylist()
    expected = [
        {"fold": "f", "pane": int(starts[place]), "part": part, "idx": int(index), "value": float(sums[at, index])}
        for part, places, sums in (("feature:x", np.arange(200), x), ("tails:x", having, some))
        for at, place in enumerate(places)
        for index in np.flatnonzero(sums[at])
    ]
    assert found == expected


def plain(panes: list[Pane]) -> dict[str, list[float]]:
    return {name: sums.tolist() for name, sums in merge(panes).parts.items() if sums.any()}


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 1_000)), min_size=1, max_size=25))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_window_is_the_sum_of_its_panes_before_and_after_rolling_up(
    connection: Connection, story: list[tuple[int, int]]
) -> None:
    connection.execute("DELETE FROM panes")
    written = [(NOON + at * PANE, pane(seed)) for at, seed in story]
    for start, one in written:
        write(connection, [(1, "f", start, one)])
    day = NOON - NOON % DAY
    windows = [(day, day + DAY), (day + DAY, day + 2 * DAY), (day, day + 3 * DAY)]
    expected = [plain([one for start, one in written if first <= start < last]) for first, last in windows]
    for watermark in (NOON, NOON + 10 * DAY, NOON + 20 * DAY, NOON + 200 * DAY):
        with transaction(connection):
            roll_up(connection, 1, watermark, "UTC", written_in_pieces(connection).get(1, set()))
        assert [total(connection, *window) for window in windows] == expected
    assert set(read(connection, "SELECT DISTINCT span FROM panes").column(0).to_pylist()) == {DAY}


def test_roll_ups_follow_the_days_of_the_time_zone(connection: Connection) -> None:
    midnight = NOON - NOON % DAY + 4 * HOUR  # in New York, in October
    write(connection, [(1, "f", midnight - PANE, pane(1)), (1, "f", midnight, pane(2))])
    with transaction(connection):
        roll_up(connection, 1, NOON + 100 * DAY, "America/New_York", set())
    assert total(connection, midnight - DAY, midnight) == plain([pane(1)])
    assert total(connection, midnight, midnight + DAY) == plain([pane(2)])


def test_pieces_of_one_pane_become_one_and_open_panes_are_left_alone(connection: Connection) -> None:
    for seed in range(3):
        write(connection, [(1, "f", NOON, pane(seed)), (1, "f", NOON + DAY, pane(seed)), (2, "f", NOON, pane(seed))])
    with transaction(connection):
        roll_up(connection, 1, NOON + HOUR, "UTC", {NOON, NOON + DAY})
    pieces = "SELECT series, pane, count(*) FROM sums WHERE part = 'rows' AND idx = 0 GROUP BY ALL ORDER BY ALL"
    assert [tuple(row.values()) for row in read_of_sums(connection, pieces).to_pylist()] == [
        (1, NOON, 1),
        (1, NOON + DAY, 3),
        (2, NOON, 3),
    ]


def test_panes_are_forgotten_after_three_years(connection: Connection) -> None:
    write(connection, [(1, "f", NOON, pane(1)), (1, "f", NOON + 400 * DAY, pane(2))])
    with transaction(connection):
        roll_up(connection, 1, NOON + 1_200 * DAY, "UTC", set())
    assert total(connection, 0, NOON + 1_200 * DAY) == plain([pane(2)])


def test_folds_and_series_stay_apart(connection: Connection) -> None:
    write(connection, [(1, "f", NOON, pane(1)), (1, "g", NOON, pane(2)), (2, "f", NOON, pane(3))])
    assert total(connection, NOON, NOON + PANE, "f") == plain([pane(1)])
    assert total(connection, NOON, NOON + PANE, "g") == plain([pane(2)])


def test_a_part_is_as_long_as_its_bins_say() -> None:
    reference = baseline([0.1, 0.9] * 100, {"x": [1.0, 2.0] * 100})
    assert part_width("feature:x", reference, BINARY) == len(reference.pane.parts["feature:x"])
    assert part_width("confusion", None, BINARY) == 4
    assert part_width("losses", None, Task("regression")) == 6
    assert part_width("score_positive", None, BINARY) == 4_098
    assert part_width("unknown:y", reference, BINARY) == 1


def test_sums_of_outcomes_are_apart_when_classes_or_the_positive_one_differ() -> None:
    tasks = [BINARY, Task("binary", ("1", "0"), "1"), Task("binary", ("0", "1"), "0"), Task("multiclass", ("0", "1"))]
    assert len({performance_fold(task) for task in tasks}) == 4
    assert performance_fold(Task("binary", ("0", "1"), "1", threshold=0.3)) == performance_fold(BINARY)
