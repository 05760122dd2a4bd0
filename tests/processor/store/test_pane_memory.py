"""Whatever happens to the panes of the store, memory answers as a plain sum over the store does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.panes.pane import Pane
from driftline.tables.table import I64, ModelKey
from driftline_processor.core.windows.window import DAY, HOUR, PANE, Window
from driftline_processor.store.database import Connection, Store, transaction
from driftline_processor.store.pane_memory import MOST_BYTES, PaneMemory
from driftline_processor.store.panes import KEEP_PANES, PaneChanges, read_window, roll_up
from driftline_processor.store.series import Series

from tests.support.folded_panes import folded
from tests.support.slow import slow
from tests.support.state_rows import BINARY

FIRST = 20_000 * DAY
DAYS = 3
FOLDS = {"": ("rows", "duration"), "bins": ("feature:a", "score"), "task:x": ("outcomes", "score_negative")}
WIDTHS = {"rows": 3, "duration": 22, "score_negative": 4_098, "outcomes": 3}


def series(number: int) -> Series:
    return Series(number, ModelKey(f"m{number}"), BINARY, True)


def width(_: str, part: str) -> int:
    return WIDTHS.get(part, 1)


def add(connection: Connection, rng: np.random.Generator, number: int, starts: I64) -> None:
    changes = PaneChanges()
    for fold, parts in FOLDS.items():
        there = starts[rng.random(len(starts)) < 0.8]
        panes = [Pane({part: _sums(rng, width(fold, part)) for part in parts}) for _ in there]
        changes.add(number, fold, there, folded(panes))
    with transaction(connection):
        changes.write(connection)


def _sums(rng: np.random.Generator, wide: int) -> np.typing.NDArray[np.float64]:
    return np.where(rng.random(wide) < 30 / max(wide, 30), rng.integers(1, 9, wide), 0) * 0.25


def assert_equal(connection: Connection, memory: PaneMemory, number: int, start: int, end: int) -> None:
    found = memory.window(series(number), start, end, lambda _: True)
    stored = read_window(connection, number, start, end, width)
    assert found.keys() == stored.keys()
    for fold, pane in stored.items():
        assert list(found[fold].parts) == list(pane.parts)
        for part, sums in pane.parts.items():
            np.testing.assert_array_equal(found[fold].parts[part], sums, err_msg=f"{fold} {part}")


@pytest.mark.parametrize(("seed", "most"), [slow(1, MOST_BYTES), (2, 100_000), slow(3, 1)])
def test_any_history_is_answered_as_the_store_sums_it(tmp_path: Path, seed: int, most: int) -> None:
    rng, connection = np.random.default_rng(seed), Store(tmp_path).connect()
    memory, rolled = PaneMemory(connection, lambda _: None, max_bytes=most), 0
    for _ in range(30):
        number = int(rng.integers(1, 3))
        starts = np.unique(FIRST + rng.integers(0, DAYS * DAY // PANE, rng.integers(1, 40)) * PANE)
        kind = rng.integers(0, 10)
        if kind < 6:
            add(connection, rng, number, starts)
            memory.forget(number, set(starts.tolist()))
        elif kind == 6:  # outcomes are made anew
            with transaction(connection):
                connection.execute(
                    "DELETE FROM panes WHERE series = ? AND pane = ? AND fold LIKE 'task:%'", [number, int(starts[0])]
                )
            memory.forget(number, {int(starts[0])})
        elif kind == 7:
            watermark = FIRST + KEEP_PANES + int(rng.integers(0, DAYS)) * DAY
            for one in (1, 2):
                with transaction(connection):
                    roll_up(connection, one, watermark, "UTC", set())
                memory.forget_before(one, watermark - KEEP_PANES)
            rolled = max(rolled, watermark - KEEP_PANES)
        elif kind == 8:  # a restart
            memory = PaneMemory(connection, lambda _: None, max_bytes=most)
        else:  # a model is forgotten
            with transaction(connection):
                connection.execute("DELETE FROM panes WHERE series = ?", [number])
            memory.clear()
        for _ in range(4):
            start, end = np.sort(FIRST + rng.integers(-3, DAYS * 24 + 3, 2) * HOUR).tolist()
            if start >= rolled:  # also within hours
                start += int(rng.integers(0, 12)) * PANE
                end += int(rng.integers(0, 12)) * PANE
            assert_equal(connection, memory, number, start, end)
    assert memory.bytes <= most
    connection.close()


def test_what_was_touched_in_many_series_is_read_with_one_query(tmp_path: Path) -> None:
    rng, connection = np.random.default_rng(7), Counting(Store(tmp_path).connect())
    memory, starts = PaneMemory(connection, lambda _: None), FIRST + np.arange(12) * PANE
    for number in range(1, 9):
        add(connection, rng, number, starts)
        assert_equal(connection, memory, number, FIRST, FIRST + HOUR)
    for number in range(1, 9):
        add(connection, rng, number, starts[3:5])
        memory.forget(number, set(starts[3:5].tolist()))
    connection.queries = 0
    found = [memory.window(series(number), FIRST, FIRST + HOUR, lambda _: True) for number in range(1, 9)]
    assert connection.queries == 1
    for number, folds in enumerate(found, 1):
        assert folds.keys() == FOLDS.keys()
        assert_equal(connection, memory, number, FIRST, FIRST + HOUR)
    connection.queries = 0
    memory.steps(series(1), [Window("5m", at, at + PANE) for at in starts.tolist()], lambda _: True)
    assert connection.queries == 0
    connection.close()


def test_a_part_that_grows_beyond_its_place_gets_a_wider_one(tmp_path: Path) -> None:
    connection = Store(tmp_path).connect()
    memory = PaneMemory(connection, lambda _: None)
    for wide in (2, 5):
        changes = PaneChanges()
        changes.add(
            1, "other", np.array([FIRST]), folded([Pane({"unheard": np.ones(wide), "later": np.ones(wide + 1)})])
        )
        with transaction(connection):
            changes.write(connection)
        memory.forget(1, {FIRST})
        assert_equal(connection, memory, 1, FIRST, FIRST + PANE)
    connection.close()


@pytest.mark.parametrize("lacking", [(), (3,), (0, 1, 2, 40)])
def test_only_panes_that_were_counted_over_the_bins_are_a_reference(tmp_path: Path, lacking: tuple[int, ...]) -> None:
    connection, starts = Store(tmp_path).connect(), FIRST + np.arange(60) * PANE
    changes = PaneChanges()
    over = np.delete(starts, list(lacking))
    changes.add(1, "", starts, folded([Pane({"rows": np.full(3, 2.0**at)}) for at in range(60)]))
    changes.add(1, "bins", over, folded([Pane({"feature:a": np.array([1.0])}) for _ in over]))
    with transaction(connection):
        changes.write(connection)
    memory = PaneMemory(connection, lambda _: None)
    steps = [Window("", FIRST, FIRST + 2 * HOUR), Window("", FIRST + 2 * HOUR, FIRST + 5 * HOUR - PANE)]
    counted = memory.counted(series(1), "bins", steps, {"": lambda part: part == "rows"})
    for step, pane in zip(steps, counted, strict=True):
        wanted = over[(over >= step.start) & (over < step.end)]
        assert memory.starts(series(1), "bins", step.start, step.end).tolist() == wanted.tolist()
        assert pane.parts["feature:a"].tolist() == [len(wanted)]
        assert pane.parts["rows"][0] == sum(2.0 ** int((at - FIRST) // PANE) for at in wanted)
    assert memory.longest(series(1), "bins", FIRST, FIRST + DAY, PANE - 1) == int(over[-1]) + PANE
    assert memory.longest(series(1), "bins", FIRST, FIRST + DAY, PANE) is None
    connection.close()


class Counting:
    """A connection that counts its queries."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self.queries = connection, 0

    def __getattr__(self, name: str) -> Any:
        self.queries += name == "sql"
        return getattr(self._connection, name)
