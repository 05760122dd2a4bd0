"""The records of all models on the disk: each change of a state or of its findings, as known first and as revised.

Rows are appended. Of two rows about the same end, the newer one is believed now. The older one stays readable as what
was believed before the outcomes that revised it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.verdict.record import Record, Row, findings_of, is_same_row, is_same_state, row_as_of
from driftline_processor.core.windows.window import DAY
from driftline_processor.evaluation.evaluation_codec import decode_verdict, encode_verdict
from driftline_processor.store.database import Connection, insert, read

REACHED_EVERY = DAY
"""Nanoseconds of event time after which the newest row is stored, though nothing has changed: after a restart, the rows
since the last stored one are computed again.
"""

PATIENCE = 0.25
"""Seconds of one call in which rows are computed: the first call after a start may have all of them to compute."""

_NEWEST = """
SELECT series, stop, state, since, believed, verdict FROM record QUALIFY row_number()
OVER (PARTITION BY series, stop ORDER BY believed DESC) = 1 ORDER BY series, stop
"""
_COLUMNS = pa.schema(
    [
        *(("series", pa.int32()), ("stop", pa.int64()), ("state", pa.string())),
        *(("since", pa.int64()), ("believed", pa.int64()), ("verdict", pa.binary())),
    ]
)


class RecordStore(Struct):
    """The stored rows of all series. One thread writes.

    Args:
        connection: Connection to their table.
    """

    connection: Connection
    _rows: dict[int, list[Row]] = field(default_factory=dict)
    _believed: dict[int, int] = field(default_factory=dict)
    _compared: dict[int, Record] = field(default_factory=dict)
    _written: dict[int, Record] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the newest belief about each end."""
        stored = read(self.connection, _NEWEST).to_pylist()
        for row, verdict in self.connection.unreadable.skipped("record", stored, stored_verdict):
            series = row["series"]
            rows = self._rows.setdefault(series, [])
            rows.append(row_of(row, verdict, rows[-1] if rows else None))
            self._believed[series] = max(self._believed.get(series, 0), row["believed"])
        self._rows = {series: _without_repeats(rows) for series, rows in self._rows.items()}

    def known(self, series: int) -> Sequence[Row]:
        """Return the rows at whose ends a series changed, and the newest stored one, the oldest first."""
        return self._rows.get(series, ())

    def believed(self, series: int) -> int:
        """Return when a row of a series was stored last, unix nanoseconds; 0 without any."""
        return self._believed.get(series, 0)

    def changed(self, records: Mapping[int, Record]) -> dict[int, list[Row]]:
        """Return the rows to append, by series: new changes, with their verdict, and corrections of stored rows.

        After :data:`PATIENCE` the other records are left for the next call.
        """
        changes, until = dict[int, list[Row]](), time.monotonic() + PATIENCE
        for series, record in records.items():
            if self._written.get(series) is record:
                continue
            changes[series] = [*self._changed(series, record)]
            self._compared[series] = record
            if time.monotonic() > until:
                break
        return {series: rows for series, rows in changes.items() if rows}

    def write(self, changes: Mapping[int, Sequence[Row]], now: int) -> None:
        """Append rows within the caller's transaction; ``now``: unix nanoseconds."""
        rows = [
            {
                **{"series": series, "stop": row.end, "state": row.state, "since": row.since, "believed": now},
                "verdict": None if row.verdict is None else encode_verdict(row.verdict),
            }
            for series, of_series in changes.items()
            for row in of_series
        ]
        insert(self.connection, "record", pa.Table.from_pylist(rows, _COLUMNS))

    def take(self, changes: Mapping[int, Sequence[Row]], now: int) -> None:
        """Apply what was compared last, and written, in memory."""
        for series, rows in changes.items():
            by_end = {row.end: row for row in (*self.known(series), *rows)}
            filled = list[Row]()
            for end in sorted(by_end):
                row, before = by_end[end], filled[-1] if filled else None
                has_none = row.verdict is None and before is not None and is_same_row(row, before)
                filled.append(replace(before, end=end) if has_none and before is not None else row)
            self._rows[series] = _without_repeats(filled)
            self._believed[series] = now
        self._written.update(self._compared)
        self._compared.clear()

    def _changed(self, series: int, record: Record) -> Iterator[Row]:
        rows, stored = record.rows, self.known(series)
        appended: Row | None = None
        for row in rows:
            believed = row_as_of(stored, row.end)
            if appended is not None and (believed is None or appended.end >= believed.end):
                believed = appended
            if not is_same_row(row, believed):
                appended = row = replace(row, verdict=record.as_of(row.end))
                yield row
        newest = max(stored[-1].end if stored else 0, 0 if appended is None else appended.end)
        if rows and rows[-1].end >= newest + REACHED_EVERY:
            yield replace(rows[-1], verdict=None)  # that of the last change


def stored_verdict(row: Mapping[str, Any]) -> Verdict | None:
    """Return the verdict in a row of the table; None if it is that of the row before."""
    return None if row["verdict"] is None else decode_verdict(row["verdict"])


def row_of(row: Mapping[str, Any], verdict: Verdict | None, before: Row | None) -> Row:
    """Return a row of the table, with the verdict of the row before if it has none of its own."""
    found = Row(row["stop"], row["state"], row["since"], verdict=verdict)
    if verdict is not None:
        return replace(found, findings=findings_of(verdict))
    same = before if before is not None and is_same_state(found, before) else None
    return found if same is None else replace(same, end=found.end)


def _without_repeats(rows: Sequence[Row]) -> list[Row]:
    """Return the rows at which the state or its findings change, and the newest one."""
    pairs = zip(rows, [None, *rows], strict=False)
    return [row for at, (row, before) in enumerate(pairs, 1) if at == len(rows) or not is_same_row(row, before)]
