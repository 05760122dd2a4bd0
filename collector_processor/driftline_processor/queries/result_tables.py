"""Results as tables: the stored evaluations of a UTC day as Parquet files, and which days changed.

``driftline export`` writes them. Models are processed in batches to limit memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from driftline.tables.table import ModelKey

from driftline_processor.core.estimate.track_record import LAST, with_track_records
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import DAY, length
from driftline_processor.evaluation.evaluation_store import COLUMNS, read_evaluations
from driftline_processor.present.result_schema import TABLES, Row, arrow_schema, window_rows
from driftline_processor.store.database import Connection, Store, read
from driftline_processor.store.panes import KEEP_DAYS
from driftline_processor.store.series import SeriesRegister

from .model_view import ModelView

SERIES_AT_ONCE: Final = 50
"""Series per query: 2,000 hourly windows of a day with the windows before them, 6 MB."""

ROWS_AT_ONCE: Final = 20_000
"""Rows of a row group, and in memory per table."""

_REVISIONS = """
SELECT start // $1 AS day, count(*) AS windows, sum(believed)::VARCHAR AS revisions
FROM evaluations WHERE series IN (SELECT series FROM wanted) AND (len($2) = 0 OR list_contains($2, name))
GROUP BY day ORDER BY day
"""

_EXPIRES = """
SELECT max(newest) // $2 AS day FROM (
SELECT min(start) AS oldest, max(stop) - $1 + 2 * $2 AS newest FROM evaluations GROUP BY series) WHERE oldest < newest
"""

_OF_DAY = f"""
SELECT {COLUMNS} FROM evaluations WHERE name = $1 AND start >= $2 AND start < $4 AND rowid IN (
SELECT row FROM (
SELECT rowid AS row, series, start FROM evaluations
WHERE name = $1 AND start >= $2 AND start < $4 AND series IN (SELECT series FROM wanted)
QUALIFY row_number() OVER (PARTITION BY series, start ORDER BY believed DESC) = 1)
QUALIFY max(start) OVER (PARTITION BY series) >= $3
AND count(CASE WHEN start < $3 THEN 1 END) OVER (PARTITION BY series ORDER BY start DESC) <= $5)
"""


class ResultTables:
    """Writer of the tables of results. Thread-safe."""

    def __init__(self, store: Store, series: SeriesRegister) -> None:
        self._store, self._series = store, series

    def revisions(self, keys: Iterable[ModelKey], windows: Sequence[str] = ()) -> dict[date, str]:
        """Return the UTC days on which stored windows of models start, each with a text that a revision changes.

        Days of which windows may have expired already are left out: what was written of them is more complete.

        Args:
            keys: The models.
            windows: Names of windows; empty = all.
        """
        numbers = [series.number for key in keys if (series := self._series.find(key)) is not None]
        with self._store.reading() as connection:
            expired = read(connection, _EXPIRES, KEEP_DAYS, DAY).to_pylist()[0]["day"]
            rows = read(connection, _REVISIONS, DAY, list(windows), wanted=_wanted(numbers)).to_pylist()
        return {
            utc_day(row["day"] * DAY): f"{row['windows']}-{row['revisions']}"
            for row in rows
            if expired is None or row["day"] > expired
        }

    def write(self, models: Iterable[ModelView], day: date, folder: Path, windows: Sequence[str] = ()) -> None:
        """Write the tables of windows of a day, each as ``TABLE.parquet``, sorted by window, model and start.

        Args:
            models: The models to write.
            day: The UTC day on which the windows start.
            folder: Directory of the files.
            windows: Names of windows; empty = all.
        """
        by_number = {
            series.number: model
            for model in sorted(models, key=lambda model: (model.key.model, model.key.version, model.key.environment))
            if (series := self._series.find(model.key)) is not None
        }
        files = ResultFiles(folder, [table for table in TABLES if table != "alerts"])
        start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9
        try:
            with self._store.reading() as connection:
                for model, evaluations in _evaluations(connection, by_number, start, windows):
                    recorded = model.with_verdicts(with_track_records([evaluation for evaluation, _ in evaluations]))
                    for evaluation, (_, stored_at) in zip(recorded, evaluations, strict=True):
                        if evaluation.window.start >= start:
                            files.add(window_rows(evaluation, stored_at))
        finally:
            files.close()


class ResultFiles:
    """Parquet files of tables, written in row groups."""

    def __init__(self, folder: Path, tables: Iterable[str]) -> None:
        from pyarrow import parquet

        self._rows: dict[str, list[Row]] = {table: [] for table in tables}
        self._schemas = {table: arrow_schema(table) for table in self._rows}
        self._writers = {
            table: parquet.ParquetWriter(folder / f"{table}.parquet", schema, compression="zstd")
            for table, schema in self._schemas.items()
        }

    def add(self, rows: Mapping[str, Iterable[Row]]) -> None:
        """Add rows of some tables."""
        for table, more in rows.items():
            self._rows[table].extend(more)
            if len(self._rows[table]) >= ROWS_AT_ONCE:
                self._flush(table)

    def close(self) -> None:
        """Write the rest and end the files."""
        for table, writer in self._writers.items():
            self._flush(table)
            writer.close()

    def _flush(self, table: str) -> None:
        rows, schema = self._rows[table], self._schemas[table]
        arrays = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
        if rows:
            self._writers[table].write_table(pa.Table.from_arrays(arrays, schema=schema))
        rows.clear()


def _evaluations(
    connection: Connection, models: Mapping[int, ModelView], start: int, windows: Sequence[str]
) -> Iterator[tuple[ModelView, Sequence[tuple[Evaluation, int]]]]:
    """Yield the windows of a day per model and name, oldest first, each with the time at which it was stored.

    The windows before them that their track records and verdicts depend on come first.
    """
    names = read(connection, "SELECT DISTINCT name FROM evaluations").column("name").to_pylist()
    chosen = [name for name in names if not windows or name in windows]
    for name in sorted(chosen, key=lambda name: (length(name), name)):
        for first in range(0, len(models), SERIES_AT_ONCE):
            numbers = list(models)[first : first + SERIES_AT_ONCE]
            earliest = start - (LAST + 2) * length(name)  # 2: the days on which clocks change have 25 hours
            bounds: tuple[Any, ...] = (name, earliest, start, start + DAY, LAST)
            rows = read(connection, _OF_DAY, *bounds, wanted=_wanted(numbers)).to_pylist()
            places = {number: place for place, number in enumerate(numbers)}
            rows.sort(key=lambda row: (places[row["series"]], row["start"]))
            found = read_evaluations(connection, rows)
            for number, of_series in groupby(found, key=lambda pair: pair[0]["series"]):
                yield models[number], [(evaluation, row["believed"]) for row, evaluation in of_series]


def _wanted(numbers: Iterable[int]) -> pa.Table:
    return pa.table({"series": pa.array(numbers, pa.int32())})


def utc_day(nanoseconds: int) -> date:
    """Return the UTC day of a time in unix nanoseconds."""
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).date()
