"""Blocks of time in the store are the stretches of its panes, also where the clocks change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from driftline.panes.outcome_sums import LabelledRows, fold_outcomes_by
from driftline.panes.pane import merge
from driftline.tables.table import Column, ModelKey
from driftline_processor.core.intervals.time_blocks import blocks_of_window
from driftline_processor.core.windows.window import PANE, window_of
from driftline_processor.evaluation.store_source import StoredOutcomes, outcomes_by_step
from driftline_processor.store.database import Store, transaction
from driftline_processor.store.pane_memory import PaneMemory
from driftline_processor.store.panes import PaneChanges, part_width, performance_fold, read_window
from driftline_processor.store.series import Series

from tests.support.state_rows import BINARY


@pytest.mark.parametrize("timezone", ["UTC", "America/New_York"])
def test_blocks_add_up_to_what_a_window_of_theirs_is(tmp_path: Path, timezone: str) -> None:
    march = window_of("1mo", 1_362_900_000 * 10**9, timezone)
    rng, hours = np.random.default_rng(1), (march.end - march.start) // (12 * PANE)
    group = np.repeat(np.arange(hours), 5)
    truth = (rng.random(len(group)) < 0.3).astype(np.float64)
    sums = fold_outcomes_by(
        BINARY, LabelledRows(rng.random((len(group), 1)), None, Column(numbers=truth)), group, hours
    )
    changes = PaneChanges(span=12 * PANE)
    changes.add_sparse(1, performance_fold(BINARY), march.start + np.arange(hours) * 12 * PANE, sums)
    connection = Store(tmp_path).connect()
    with transaction(connection):
        changes.write(connection)

    def width(_: str, part: str) -> int:
        return part_width(part, None, BINARY)

    days = blocks_of_window(march, timezone)
    blocks = StoredOutcomes(connection).panes(Series(1, ModelKey("m"), BINARY, True), days, width)
    assert len(blocks) == 31
    for day, block in zip(days, blocks, strict=True):
        alone = read_window(connection, 1, day.start, day.end, width)[performance_fold(BINARY)]
        assert block.parts.keys() == alone.parts.keys()
        assert all(np.array_equal(block.parts[name], alone.parts[name]) for name in alone.parts)
    whole = read_window(connection, 1, march.start, march.end, width)[performance_fold(BINARY)]
    total = merge(blocks)
    assert total.parts.keys() == whole.parts.keys()
    counts = {name for name, of_all in whole.parts.items() if np.array_equal(of_all, np.rint(of_all))}
    assert {"confusion", "score_negative", "score_positive", "outcomes"} <= counts
    for name, of_all in whole.parts.items():
        np.testing.assert_allclose(total.parts[name], of_all, rtol=0 if name in counts else 1e-14)
    memory = PaneMemory(connection, lambda _: None)
    for block, kept in zip(blocks, outcomes_by_step(memory, Series(1, ModelKey("m"), BINARY, True), days), strict=True):
        assert kept.parts.keys() == block.parts.keys()
        for name, of_all in block.parts.items():
            np.testing.assert_allclose(kept.parts[name], of_all, rtol=0 if name in counts else 1e-14)
    connection.close()
