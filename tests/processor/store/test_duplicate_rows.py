"""Repeated rows from memory are those that the store counts, whatever was forgotten meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from driftline.baseline.sections import duplicate_rows as sdk
from driftline_processor.core.windows.window import DAY, HOUR, PANE, Window
from driftline_processor.store import duplicate_rows
from driftline_processor.store.database import Connection, Store, insert, number, read, transaction
from driftline_processor.store.duplicate_rows import RowSamples

FIRST = 20_000 * DAY


def add(connection: Connection, rng: np.random.Generator, series: int, n: int) -> set[int]:
    time = FIRST + rng.integers(0, 12 * HOUR, n)
    prints = rng.integers(0, n, n).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    rows = {
        "series": pa.array(np.full(n, series, np.int32)),
        "time": time,
        "fingerprint": pa.array(prints, mask=prints == 0),
    }
    with transaction(connection):
        insert(connection, "predictions", pa.table(rows))
    return set((time - time % PANE).tolist())


def counted(connection: Connection, series: int, window: Window) -> sdk.Counting:
    query = "SELECT coalesce(fingerprint, 0) AS print FROM predictions WHERE series = ? AND time >= ? AND time < ?"
    counting = sdk.Counting()
    counting.add(read(connection, query, series, window.start, window.end).column("print").to_numpy())
    return counting


@pytest.mark.parametrize("most", [1 << 18, 200])
def test_repeats_and_recurrences_are_those_of_the_rows(
    tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk.Counting.__init__, "__defaults__", (most,))
    monkeypatch.setattr(duplicate_rows, "MOST_KEPT", most)
    rng, connection = np.random.default_rng(most), Store(tmp_path).connect()
    samples = RowSamples(connection, most=40_000)
    for _ in range(12):
        series = int(rng.integers(1, 3))
        samples.forget(series, add(connection, rng, series, int(rng.integers(1, 700))))
        for _ in range(4):
            start, length = int(rng.integers(0, 11)), int(rng.integers(1, 9))
            window = Window("", FIRST + start * HOUR, FIRST + (start + length) * HOUR)
            before = Window("", window.start - length * HOUR, window.start)
            own, earlier = samples.of(series, window), samples.of(series, before)
            truth, known = counted(connection, series, window), counted(connection, series, before)
            assert own.repeats == truth.result()
            assert own.recurrence(earlier) == truth.recurrence(known)
            query = "SELECT max(time) FROM predictions WHERE series = ? AND time >= ? AND time < ?"
            assert own.newest == number(connection, query, series, window.start, window.end)
    connection.execute("DELETE FROM predictions")
    samples.clear()
    assert samples.of(1, Window("", FIRST, FIRST + HOUR)).repeats is None
    connection.close()
