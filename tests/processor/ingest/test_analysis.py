"""Blocks of the log: how many rows a transaction has, and what is read again after a crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest
from driftline_processor.health import Counters
from driftline_processor.ingest import analysis
from driftline_processor.ingest.transaction import LogPosition, Request
from driftline_processor.log.block_attempts import BlockAttempts
from driftline_processor.log.request_log import ANALYSIS
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


class _KilledError(BaseException):
    """Ends the analysis at once, as a kill ends the process."""


_begun = list[object]()


class _Attempts(BlockAttempts):
    """Attempts of a process that may be killed: nothing notes the end of its block."""

    @contextmanager
    def storing(self, position: int, following: int) -> Iterator[None]:
        storing = super().storing(position, following)
        storing.__enter__()
        _begun.append(storing)  # or it would end with its last reference
        yield
        storing.__exit__(None, None, None)


def test_a_request_that_ends_the_process_each_time_is_left_out_and_all_others_are_stored(
    open_state: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = open_state()
    log, queue, folder = state.state.log, state.state._queue, state.state._store.path.parent / "log"
    write, position, starts = queue.write, queue.position, 0

    def killed_at_c(requests: Sequence[Request], position: LogPosition, received: int) -> None:
        if any(b"c" in table.id.data for request in requests for table in request.predictions):
            raise _KilledError
        write(requests, position, received)

    monkeypatch.setattr(queue, "write", killed_at_c)
    with state.state._analysis._stepping:
        for name in "abcde":
            state.state.submit("logs", prediction("churn", name)).result(60)
        while position < log.end and starts < 20:
            starts += 1
            reader = log.reader(ANALYSIS, position)
            attempts = _Attempts(folder, position)
            reads = analysis.Analysis(log, reader, state.state._decoding, queue, Counters(), attempts)
            with suppress(_KilledError):
                reads.catch_up()
            position = queue.position if reader.position < log.end else log.end
            attempts.close()
        state.state._analysis._reader.move(log.end)
    assert state.rows("SELECT id FROM predictions ORDER BY id") == [("a",), ("b",), ("d",), ("e",)]
    assert sum("the request is left out" in line for line in caplog.messages) == 1
    assert starts == 7  # whole, a sixteenth, then single requests: a and b are stored, and c ends four of them
