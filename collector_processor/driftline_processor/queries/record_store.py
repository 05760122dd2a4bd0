"""The records of all models on the disk: each change of a state, as it was known first and after each revision.

Rows are appended. Of two rows about the same end, the newer one is believed now. The older one stays readable as what
was believed before the outcomes that revised it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
from msgspec import Struct, field

from driftline_processor.core.verdict.record import Record, Row, row_as_of
from driftline_processor.core.windows.window import DAY
from driftline_processor.store.database import Connection, insert, read

REACHED_EVERY = DAY
"""Nanoseconds of event time after which the newest row is stored, though nothing has changed: after a restart, the rows
since the last stored one are computed again.
"""

_NEWEST = """
SELECT series, stop, state, since FROM record QUALIFY row_number()
OVER (PARTITION BY series, stop ORDER BY believed DESC) = 1 ORDER BY series, stop
"""
_COLUMNS = pa.schema(
    [
        *(("series", pa.int32()), ("stop", pa.int64()), ("state", pa.string())),
        *(("since", pa.int64()), ("believed", pa.int64())),
    ]
)


class RecordStore(Struct):
    """The stored rows of all series. One thread writes.

    Args:
        connection: Connection to their table.
    """

    connection: Connection
    _rows: dict[int, list[Row]] = field(default_factory=dict)
    _written: dict[int, Record] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the newest belief about each end."""
        for row in read(self.connection, _NEWEST).to_pylist():
            self._rows.setdefault(row["series"], []).append(Row(row["stop"], row["state"], row["since"]))

    def known(self, series: int) -> Sequence[Row]:
        """Return the rows at whose ends the state of a series changed, and the newest stored one, the oldest first."""
        return self._rows.get(series, ())

    def changed(self, records: Mapping[int, Record]) -> dict[int, list[Row]]:
        """Return the rows to append, by series: changes, and what is no longer believed."""
        found = {
            series: [*self._changed(series, record)]
            for series, record in records.items()
            if self._written.get(series) is not record
        }
        self._written = dict(records)
        return {series: rows for series, rows in found.items() if rows}

    def write(self, changes: Mapping[int, Sequence[Row]], now: int) -> None:
        """Append rows within the caller's transaction; ``now``: unix nanoseconds."""
        rows = [
            {"series": series, "stop": row.end, "state": row.state, "since": row.since, "believed": now}
            for series, of_series in changes.items()
            for row in of_series
        ]
        insert(self.connection, "record", pa.Table.from_pylist(rows, _COLUMNS))

    def take(self, changes: Mapping[int, Iterable[Row]]) -> None:
        """Apply appended rows in memory."""
        for series, rows in changes.items():
            by_end = {row.end: row for row in (*self.known(series), *rows)}
            self._rows[series] = [by_end[end] for end in sorted(by_end)]

    def _changed(self, series: int, record: Record) -> Iterator[Row]:
        rows, stored = record.rows, self.known(series)
        if not rows:
            return
        first, reached = rows[0].end, stored[-1].end if stored else 0
        doubtful = {row.end for row in stored if row.end >= first}
        before, is_new = row_as_of(stored, first - 1), False
        for row in rows:
            is_new = False
            if not _is_same(row, before) or row.end in doubtful:
                is_new = not _is_same(row, row_as_of(stored, row.end))
            before = row
            if is_new:
                yield row
        if rows[-1].end >= reached + REACHED_EVERY and not is_new:
            yield rows[-1]


def _is_same(row: Row, other: Row | None) -> bool:
    return other is not None and (row.state, row.since) == (other.state, other.since)
