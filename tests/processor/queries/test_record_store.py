"""The stored rows of records: changes, appended; a restart computes nothing anew, and revisions stay readable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.verdict import record as of_record
from driftline_processor.core.verdict.record import Record, Row, is_same_row
from driftline_processor.queries import record_store
from driftline_processor.queries.record_store import RecordStore
from driftline_processor.store.database import Store, read, transaction

from tests.support.verdict_windows import DAY, JULY, right, window, wrong

BAD = (*(right(at) for at in range(4)), *(wrong(at) for at in range(4, 8)))
MENDED = (*BAD, *(right(at) for at in range(8, 12)))


def end(days: int) -> int:
    return JULY + days * DAY


def append(rows: RecordStore, record: Record, now: int) -> list[Row]:
    """Store what has changed in the record of series 1; return it, see :func:`states`."""
    changed = rows.changed({1: record})
    with transaction(rows.connection):
        rows.write(changed, now)
    rows.take(changed, now)
    return states(changed.get(1, []))


def states(rows: Sequence[Row]) -> list[Row]:
    """Return rows without their findings and their verdicts."""
    return [Row(row.end, row.state, row.since) for row in rows]


@pytest.fixture(name="rows")
def stored_rows(tmp_path: Path) -> RecordStore:
    return RecordStore(Store(tmp_path).connect(lasting=True))


def test_changes_are_stored_once_and_the_newest_row_once_a_day(rows: RecordStore) -> None:
    record = Record(BAD)
    assert append(rows, record, 1) == [
        Row(end(1), "healthy", JULY),
        Row(end(6), "degraded", end(4)),
        Row(end(8), "degraded", end(4)),
    ]
    assert append(rows, record, 2) == []
    assert append(rows, Record(BAD), 3) == []
    assert append(rows, Record(MENDED), 4) == [Row(end(10), "healthy", end(8)), Row(end(12), "healthy", end(8))]


def test_a_restart_computes_no_row_that_is_stored(rows: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Record(MENDED)
    append(rows, before, 1)
    monkeypatch.setattr(of_record, "decide", None)
    again = RecordStore(rows.connection)
    assert again.known(1) == rows.known(1)
    restored = Record(MENDED, known=again.known(1))
    assert [*map(is_same_row, restored.rows, before.rows)] == [True] * 12
    assert append(again, restored, 2) == []


@pytest.mark.parametrize("kept", [MENDED[2:], MENDED[5:]])
def test_windows_that_left_the_memory_leave_their_rows(rows: RecordStore, kept: Sequence[Evaluation]) -> None:
    append(rows, Record(MENDED), 1)
    known = [*rows.known(1)]
    shorter = Record(kept, known=known)
    assert states(shorter.rows) == states(Record(MENDED).rows)[-len(kept) :]
    assert append(rows, shorter, 2) == []
    assert [*rows.known(1)] == known


def test_a_revision_is_appended_and_what_was_believed_before_stays_readable(rows: RecordStore) -> None:
    append(rows, Record(MENDED), 1)
    fine = Record([*BAD[:4], *(right(at) for at in range(4, 12))])
    assert append(rows, fine, 2) == [Row(end(at), "healthy", JULY) for at in (6, 10, 12)]
    query = "SELECT stop, state, believed FROM record WHERE believed <= ? ORDER BY stop, believed"
    first = [(row["stop"], row["state"]) for row in read(rows.connection, query, 1).to_pylist()]
    assert first == [(end(1), "healthy"), (end(6), "degraded"), (end(10), "healthy"), (end(12), "healthy")]
    assert states(Record(fine.windows, known=RecordStore(rows.connection).known(1)).rows) == states(fine.rows)


def test_a_state_that_comes_back_in_one_call_is_stored(rows: RecordStore) -> None:
    append(rows, Record(BAD[:4]), 1)
    both = [*BAD[:4], *(right(at) for at in range(4, 8))]
    known = [Row(end(1), "healthy", JULY), Row(end(5), "at_risk", end(4)), Row(end(8), "healthy", JULY)]
    assert append(rows, Record(both, known=known), 2) == known[1:]
    assert [row.state for row in RecordStore(rows.connection).known(1)] == ["healthy", "at_risk", "healthy"]


def test_windows_without_outcomes_are_one_row(rows: RecordStore) -> None:
    unknown = [window(at) for at in range(8)]
    assert {row.state for row in Record(unknown).rows} == {"unknown"}
    assert [row.end for row in append(rows, Record(unknown), 1)] == [end(1), end(8)]
    assert len(rows.known(1)) == 2


def test_what_was_not_written_is_compared_again(rows: RecordStore) -> None:
    record = Record(BAD)
    assert rows.changed({1: record}) == rows.changed({1: record}) != {}


def test_one_call_leaves_records_that_would_take_long_for_the_next(
    rows: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_store, "PATIENCE", -1.0)
    records = {series: Record(BAD) for series in (1, 2)}
    for series in (1, 2):
        changed = rows.changed(records)
        assert [*changed] == [series]
        with transaction(rows.connection):
            rows.write(changed, series)
        rows.take(changed, series)
    assert rows.changed(records) == {}
