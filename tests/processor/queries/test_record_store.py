"""The stored rows of records: changes, appended; a restart computes nothing anew, and revisions stay readable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Finding, Verdict
from driftline_processor.core.verdict import record as of_record
from driftline_processor.core.verdict.record import Record, Row, is_same_row
from driftline_processor.evaluation.evaluation_store import forget_verdicts
from driftline_processor.queries import record_store
from driftline_processor.queries.record_store import RecordStore
from driftline_processor.store.database import Store, read, transaction
from msgspec.structs import replace

from tests.support.verdict_windows import DAY, JULY, MISSING, right, value, window, wrong

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


MISSING_AGE: dict[str, Any] = {"clear": True, "findings": [MISSING]}
LOSS = {"log_loss": value(0.9, 0.87, 0.93)}
RECODED = Finding("recoded", ("plan",), "critical", 0.0, 1.0, 1e-12)
TWO = (
    *(right(at) for at in range(3)),
    *(wrong(at, **MISSING_AGE) for at in range(3, 8)),
    *(wrong(at, clear=True, findings=[MISSING, RECODED], realized=LOSS) for at in range(8, 12)),
    *(right(at) for at in range(12, 16)),
)


def findings(row: Row) -> list[tuple[str, str, int | None, int | None]]:
    return [(one.role, one.subject, one.since, one.until) for one in row.findings]


def test_a_finding_that_joins_is_a_row_and_is_the_same_after_a_restart(rows: RecordStore) -> None:
    record = Record(TWO)
    append(rows, record, 1)
    again = RecordStore(rows.connection)
    assert again.known(1) == rows.known(1)
    degraded = [row for row in again.known(1) if row.state == "degraded"]
    cause = ("cause", "missing:age", end(3), None)
    assert [(row.end, findings(row)) for row in degraded] == [
        (end(4), [cause]),
        (end(9), [cause, ("joined", "recoded:plan", end(8), None)]),
    ]
    for row in degraded:
        assert row.verdict == record.as_of(row.end)


def test_a_card_whose_windows_left_the_memory_states_its_findings(rows: RecordStore) -> None:
    whole = Record(TWO)
    append(rows, whole, 1)
    shorter = Record(TWO[13:], known=RecordStore(rows.connection).known(1))
    for at in (4, 5, 9, 11):
        stored, shown = whole.as_of(end(at)), shorter.as_of(end(at))
        assert stored is not None
        assert shown is not None
        assert (shown.state, shown.since, shown.cause) == ("degraded", end(3), MISSING)
        assert [one.subject for one in shown.later] == [one.subject for one in stored.later]
        assert shown.certainty[-1] == facts.WindowsForgotten()
    period = [shorter.as_of(end(at)) for at in (9, 11)]
    assert [one and (one.window_start, one.window_end) for one in period] == [(end(8), end(9))] * 2


def test_the_verdicts_that_name_a_deleted_slice_are_removed_and_the_states_stay(rows: RecordStore) -> None:
    append(rows, Record(TWO), 1)
    named = replace(rows.known(1)[1], verdict=Verdict("degraded", end(3), slice="country=NL"))
    rows.write({1: [named]}, 2)
    forget_verdicts(rows.connection, 1, "country=NL")
    again = RecordStore(rows.connection)
    assert [row.state for row in again.known(1)] == [row.state for row in rows.known(1)]
    assert [row.verdict is None for row in again.known(1)] == [False, True, False, False, False]
    # what was removed is computed again from the windows, which no longer name it
    assert append(again, Record(TWO), 3) == [Row(end(4), "degraded", end(3))]


def test_an_unreadable_verdict_costs_only_its_row(rows: RecordStore) -> None:
    append(rows, Record(TWO), 1)
    rows.connection.execute("UPDATE record SET verdict = 'x' WHERE stop = ?", [end(9)])
    again = RecordStore(rows.connection)
    assert [row.end for row in again.known(1)] == [end(1), end(4), end(14), end(16)]
    assert append(again, Record(TWO), 2) == [Row(end(9), "degraded", end(3))]
