"""Stretches of a growing reference are kept, and what was touched is read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from driftline.panes.pane import Pane
from driftline.tables.table import I64, ModelKey
from driftline_processor.store.database import Connection, Store, transaction
from driftline_processor.store.pane_memory import PaneMemory
from driftline_processor.store.panes import PaneChanges
from driftline_processor.store.reference_panes import KeptStretches, RememberedPast
from driftline_processor.store.series import Series

from tests.support.folded_panes import folded
from tests.support.state_rows import BINARY, HOUR, NOON, baseline

PANE = HOUR // 12
LIKE = baseline([0.2, 0.8] * 50, {"x": [float(at) for at in range(100)]})
SERIES = Series(1, ModelKey("m"), BINARY, True)
STRETCHES = [(NOON + at * HOUR, NOON + (at + 1) * HOUR) for at in range(6)]


def add(connection: Connection, rng: np.random.Generator, starts: I64) -> None:
    changes = PaneChanges()
    plain = [Pane({"rows": np.full(3, float(rng.integers(1, 9)))}) for _ in starts]
    widths = {"feature:x": 12, "score": 5}
    counted = [
        Pane({part: rng.integers(0, 3, width).astype(np.float64) for part, width in widths.items()}) for _ in starts
    ]
    changes.add(1, "", starts, folded(plain))
    changes.add(1, LIKE.fold, starts, folded(counted))
    with transaction(connection):
        changes.write(connection)


def parts_of(panes: list[Pane]) -> list[dict[str, list[float]]]:
    return [{part: sums.tolist() for part, sums in pane.parts.items()} for pane in panes]


@pytest.mark.parametrize("most", [1, 3_000, 1 << 20])
def test_stretches_that_are_kept_are_those_of_the_store(tmp_path: Path, most: int) -> None:
    rng, connection = np.random.default_rng(most), Store(tmp_path).connect()
    memory, kept = PaneMemory(connection, lambda _: LIKE), KeptStretches(most)
    for step in range(12):
        starts = np.unique(NOON + rng.integers(0, 6 * 12, rng.integers(1, 20)) * PANE)
        add(connection, rng, starts)
        memory.forget(1, set(starts.tolist()))
        kept.forget(1, starts)
        some = STRETCHES[: step % 6 + 1]
        found = RememberedPast(memory, kept, SERIES, LIKE).panes(some)
        fresh = PaneMemory(connection, lambda _: LIKE)
        assert parts_of(found) == parts_of(RememberedPast(fresh, KeptStretches(), SERIES, LIKE).panes(some))
        assert kept.bytes <= most
    connection.close()


def test_only_stretches_with_a_touched_pane_of_the_series_are_forgotten() -> None:
    kept, pane = KeptStretches(), Pane({"rows": np.ones(3)})
    for series in (1, 2):
        for stretch in STRETCHES[:3]:
            kept.put((series, "f", *stretch), pane)
    whole = kept.bytes
    kept.forget(1, np.array([NOON + HOUR, NOON + 5 * HOUR]))
    left = [(series, at) for series in (1, 2) for at in range(3) if kept.get((series, "f", *STRETCHES[at])) is not None]
    assert left == [(1, 0), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert kept.bytes == whole * 5 // 6
    kept.clear()
    assert (kept.bytes, kept.get((2, "f", *STRETCHES[0]))) == (0, None)
