"""Blocks of the log: how many rows a transaction has, and what is read again after a crash."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from driftline_processor.ingest import analysis
from driftline_processor.ingest.transaction import LogPosition, Request
from driftline_processor.receipts import StorageOutage

from tests.support.processes import prediction
from tests.support.state_fixtures import Open


def test_a_block_of_very_many_rows_is_several_transactions_and_counts_once_after_an_outage(
    open_state: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "MOST_ROWS", 2)
    state = open_state()
    reads, queue = state.state._analysis, state.state._queue
    write, sizes, outage = queue.write, list[int](), [2]

    def failing(requests: Sequence[Request], position: LogPosition, received: int) -> None:
        sizes.append(sum(request.rows for request in requests))
        if outage and len(sizes) == outage[0]:
            outage.clear()
            raise StorageOutage("the disk is full")
        write(requests, position, received)

    monkeypatch.setattr(queue, "write", failing)
    before = queue.position
    with reads._stepping:
        for name in "abcde":
            state.state.submit("logs", prediction("churn", name)).result(60)
        with pytest.raises(StorageOutage):
            reads.catch_up()
        assert queue.position == before  # a start would read the whole block again
        reads.catch_up()
    assert sizes == [2, 2, 2, 2, 1]
    assert queue.position == state.state.log.end
    assert state.rows("SELECT id FROM predictions ORDER BY id") == [(name,) for name in "abcde"]
