"""Features stored row by row in addition to the sums: for all rows, for a daily sample, or for none.

A day's sample is the rows of the lowest ranks, where a rank is a pseudo-random number derived from the row's sequence
number. So each row of the day is equally likely, independent of batches and restarts. A row is a list of numbers, a
list of texts and a list of vector entries, in an order of columns that only grows, so that a new feature changes no
table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, I64, Column, PredictionTable
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.config.values import Keep
from driftline_processor.core.arrow_arrays import category_array
from driftline_processor.core.stable_hash import U64, hash_numbers
from driftline_processor.core.windows.window import DAY

from .arrow_tables import integers_of, take_table
from .database import Connection, insert, number, read

MOST_COLUMNS = 1024
"""Maximum number of features of one kind per series, against senders that name a feature after each row."""

_CELLS = 2_000_000
"""Rows × columns in memory: a row has a place for every known column of its series, also for those that it lacks."""

SAMPLE = """
SELECT prediction FROM kept WHERE series = ? AND day >= ? AND day < ?
QUALIFY row_number() OVER (PARTITION BY day ORDER BY rank) <= ?
"""
"""SQL of a series' rows in the sample of their day, see :func:`sample_parameters`; other rows will be deleted."""

_ROWS = "SELECT prediction, numbers, texts, vectors FROM kept WHERE series = ? AND prediction IN (SELECT * FROM wanted)"


class _Columns(Struct):
    """The columns of one series, in the order in which they first arrived.

    Attributes:
        vectors: Name → length.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    vectors: dict[str, int] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Return the number of places of a row; 1 without columns."""
        return len(self.numbers) + len(self.texts) + sum(self.vectors.values()) or 1

    def learn(self, features: Mapping[str, Column]) -> list[tuple[str, str, int]]:
        """Add the features of more rows; return new ones: kind, name, and length of its vectors."""
        new: list[tuple[str, str, int]] = []
        for name, column in features.items():
            if column.vectors is not None:
                known_columns, kind, width = self.vectors, "vector", column.vectors.shape[1]
                if name not in known_columns and len(known_columns) < MOST_COLUMNS:
                    known_columns[name] = width
                    new.append((kind, name, width))
                continue
            for is_present, kind, known_columns in (
                (column.numbers is not None, "number", self.numbers),
                (column.codes is not None, "text", self.texts),
            ):
                if is_present and name not in known_columns and len(known_columns) < MOST_COLUMNS:
                    known_columns[name] = len(known_columns)
                    new.append((kind, name, 0))
        return new


class _Day(Struct):
    """The sample of a day.

    Attributes:
        below: Maximum rank of stored rows.
    """

    rows: int
    below: int = 2**64 - 1


class KeptFeatures:
    """Stores features row by row. Ingestion uses it."""

    def __init__(self, connection: Connection) -> None:
        self.load(connection)

    def load(self, connection: Connection) -> None:
        """Read the cached columns and samples again after a failed transaction."""
        self._columns = read_columns(connection)
        self._days: dict[tuple[int, int], _Day] = {}
        self._new: list[tuple[int, str, str, int]] = []
        self._rows: list[pa.Table] = []
        self._cells = 0

    def keep(
        self, connection: Connection, series: int, table: PredictionTable, first: int, keep: Keep, received: int
    ) -> None:
        """Choose the rows of a table whose features are stored; ``first``: the sequence number of the first row.

        Rows without features are skipped. The caller stores the rows with :meth:`write`.
        """
        if keep.per_day == 0 or not table.features:
            return
        seq = np.arange(first, first + len(table))
        rank, day = hash_numbers(seq), table.time - table.time % DAY
        chosen = np.arange(len(table))
        if keep.per_day is not None:
            chosen = np.flatnonzero(self._within(connection, series, rank, day, keep.per_day))
        if not len(chosen):
            return
        kept_rows = table if len(chosen) == len(table) else take_table(table, chosen)
        columns = self._columns.setdefault(series, _Columns())
        self._new += [(series, *new_column) for new_column in columns.learn(table.features)]
        most_rows = max(1, _CELLS // columns.width)
        for first in range(0, len(chosen), most_rows):
            some = chosen[first : first + most_rows]
            kept_rows, n = table if len(some) == len(table) else take_table(table, some), len(some)
            self._rows.append(
                pa.table(
                    {
                        "series": pa.array(np.full(n, series, np.int32)),
                        "prediction": seq[some],
                        "day": day[some],
                        "rank": rank[some],
                        "received": np.full(n, received),
                        "numbers": _numbers(kept_rows.features, list(columns.numbers), n),
                        "texts": _texts(kept_rows.features, list(columns.texts), n),
                        "vectors": _vectors(kept_rows.features, columns.vectors, n),
                    }
                )
            )
            self._cells += n * columns.width
            if self._cells > _CELLS:
                self._insert(connection)

    def _within(self, connection: Connection, series: int, rank: U64, day: I64, limit: int) -> NDArray[np.bool_]:
        """Return which rows have the lowest ranks of their day so far."""
        within = np.zeros(len(rank), np.bool_)
        for start in np.unique(day).tolist():
            known_day = self._days.get((series, start))
            if known_day is None or known_day.rows >= 2 * limit:
                known_day = self._days[series, start] = _read_day(connection, series, start, limit)
            day_rows = np.flatnonzero((day == start) & (rank <= np.uint64(known_day.below)))
            if len(day_rows) > limit:  # the others exceed the limit within this batch
                day_rows = day_rows[np.argpartition(rank[day_rows], limit)[:limit]]
            known_day.rows += len(day_rows)
            within[day_rows] = True
        return within

    def write(self, connection: Connection) -> None:
        """Store the chosen rows, inside the caller's transaction."""
        new, self._new = self._new, []
        if new:
            series, kinds, names, widths = zip(*new, strict=True)
            arrays = {"series": pa.array(series, pa.int32()), "kind": list(kinds), "name": list(names)}
            insert(connection, "kept_columns", pa.table({**arrays, "width": pa.array(widths, pa.int32())}))
        self._insert(connection)

    def _insert(self, connection: Connection) -> None:
        rows, self._rows, self._cells = self._rows, [], 0
        if rows:
            insert(connection, "kept", pa.concat_tables(rows))


def read_columns(connection: Connection) -> dict[int, _Columns]:
    """Read the columns of each series."""
    columns_by_series: dict[int, _Columns] = {}
    for row in read(connection, "SELECT * FROM kept_columns ORDER BY rowid").to_pylist():
        columns = columns_by_series.setdefault(row["series"], _Columns())
        if row["kind"] == "vector":
            columns.vectors[row["name"]] = row["width"]
        else:
            known_columns = columns.numbers if row["kind"] == "number" else columns.texts
            known_columns[row["name"]] = len(known_columns)
    return columns_by_series


def read_features(connection: Connection, series: int, predictions: I64) -> dict[str, Column]:
    """Return the features of predictions of one series by name, in their order.

    ``predictions``: int64 (n,), distinct sequence numbers. All features are missing for a prediction without stored
    features. {} if there are none at all.
    """
    columns = read_columns(connection).get(series)
    if columns is None or not len(predictions):
        return {}
    prediction_rows = pa.table({"prediction": predictions})
    rows = read(connection, _ROWS, series, wanted=prediction_rows)
    if not rows.num_rows:
        return {}
    order = np.argsort(predictions, kind="stable")
    positions = order[np.searchsorted(predictions[order], integers_of(rows, "prediction"))]
    n = len(predictions)
    columns_by_name: dict[str, Column] = {}
    for place, name in enumerate(columns.numbers):
        values = np.full(n, np.nan)
        values[positions] = _entries(rows, "numbers", place)
        columns_by_name[name] = Column(numbers=values)
    for place, name in enumerate(columns.texts):
        stored_codes, categories = _categories(rows, place)
        codes = np.full(n, -1, np.int32)
        codes[positions] = stored_codes
        known_column = columns_by_name.get(name)
        columns_by_name[name] = Column(None if known_column is None else known_column.numbers, codes, categories)
    start = 0
    for name, width in columns.vectors.items():
        vectors = np.full((n, width), np.nan, np.float32)
        for entry in range(width):
            vectors[positions, entry] = _entries(rows, "vectors", start + entry)
        columns_by_name[name] = Column(np.linalg.norm(vectors, axis=1).astype(np.float64), vectors=vectors)
        start += width
    return {name: column for name, column in columns_by_name.items() if _any(column)}


def sample_parameters(series: int, since: int, until: int, keep: Keep) -> tuple[int, ...]:
    """Return the parameters of :data:`SAMPLE` for the days in ``[since, until)``, unix nanoseconds."""
    return series, since - since % DAY, until, 2**62 if keep.per_day is None else keep.per_day


def prune_samples(connection: Connection, series: int, keep: Keep) -> None:
    """Delete rows outside the sample of each day, inside the caller's transaction."""
    if keep.per_day is None:
        return
    full = "SELECT day FROM kept WHERE series = ? GROUP BY day HAVING count(*) > ?"
    for row in read(connection, full, series, keep.per_day).to_pylist():
        beyond = "SELECT prediction FROM kept WHERE series = ? AND day = ? ORDER BY rank OFFSET ?"
        connection.execute(
            f"DELETE FROM kept WHERE series = ? AND day = ? AND prediction IN ({beyond})",
            [series, row["day"], series, row["day"], keep.per_day],
        )


def _read_day(connection: Connection, series: int, day: int, limit: int) -> _Day:
    query = "SELECT {} FROM (SELECT rank FROM kept WHERE series = ? AND day = ? ORDER BY rank LIMIT ?)"
    rows = number(connection, query.format("count(*)"), series, day, limit) or 0
    if rows < limit:
        return _Day(rows)
    return _Day(rows, number(connection, query.format("max(rank)"), series, day, limit) or 0)


def _numbers(features: Mapping[str, Column], names: Sequence[str], n: int) -> pa.Array:
    values = np.full((n, len(names)), np.nan)
    for place, name in enumerate(names):
        column = features.get(name)
        if column is not None and column.numbers is not None and column.vectors is None:
            values[:, place] = column.numbers
    return _lists(pa.array(values.reshape(-1)), n, len(names))


def _texts(features: Mapping[str, Column], names: Sequence[str], n: int) -> pa.Array:
    if not names:
        return _lists(pa.nulls(0, pa.string()), n, 0)
    columns = [features.get(name) for name in names]
    texts = pa.chunked_array([category_array(column, n) for column in columns]).combine_chunks()
    by_row = texts.take(pa.array(np.arange(n * len(names)).reshape(len(names), n).T.reshape(-1)))
    return _lists(by_row, n, len(names))


def _vectors(features: Mapping[str, Column], widths: Mapping[str, int], n: int) -> pa.Array:
    values = np.full((n, sum(widths.values())), np.nan, np.float32)
    start = 0
    for name, width in widths.items():
        column = features.get(name)
        if column is not None and column.vectors is not None and column.vectors.shape[1] == width:
            values[:, start : start + width] = column.vectors
        start += width
    return _lists(pa.array(values.reshape(-1)), n, values.shape[1])


def _lists(values: pa.Array, n: int, width: int) -> pa.Array:
    offsets = np.zeros(n + 1, np.int32) if width == 0 else np.arange(0, n * width + 1, width, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, values)


def _entries(rows: pa.Table, name: str, place: int) -> F64:
    """Return one entry of every list, NaN for a list that is older than the column and shorter."""
    lists = rows.column(name).combine_chunks()
    starts, ends = lists.offsets.to_numpy()[:-1], lists.offsets.to_numpy()[1:]
    is_present = starts + place < ends
    values = np.full(len(rows), np.nan)
    values[is_present] = lists.values.to_numpy(zero_copy_only=False)[starts[is_present] + place]
    return values


def _categories(rows: pa.Table, place: int) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    lists = rows.column("texts").combine_chunks()
    starts, ends = lists.offsets.to_numpy()[:-1], lists.offsets.to_numpy()[1:]
    where = pa.array(np.where(starts + place < ends, starts + place, 0), mask=starts + place >= ends)
    encoded = lists.values.take(where).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, tuple(encoded.dictionary.to_pylist())


def _any(column: Column) -> bool:
    numbers, codes = column.numbers, column.codes
    return bool((numbers is not None and not np.isnan(numbers).all()) or (codes is not None and (codes >= 0).any()))
