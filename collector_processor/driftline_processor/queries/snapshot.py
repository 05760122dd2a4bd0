"""Rows as one Parquet file: stored features, predictions, and known outcomes.

``driftline snapshot`` writes it. Rows are processed day by day to limit memory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.tables.classes import class_column, number_text
from driftline.tables.table import Column, ModelKey
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.config.values import Keep
from driftline_processor.core.arrow_arrays import category_array, number_array
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.windows.window import DAY
from driftline_processor.join.outcome_resolution import of_lists
from driftline_processor.store.arrow_tables import actual_of, finite_actuals, integers_of, score_in
from driftline_processor.store.database import Connection, Store, number, read
from driftline_processor.store.feature_rows import SAMPLE, read_columns, read_features, sample_parameters
from driftline_processor.store.pruning import days_of
from driftline_processor.store.series import Series, SeriesRegister

PARTS = (
    ("id", pa.string()),
    ("time", pa.timestamp("ns", "UTC")),
    ("version", pa.string()),
    ("environment", pa.string()),
    ("score", pa.float64()),
    ("predicted", pa.string()),
    ("actual", pa.string()),
    ("outcome_time", pa.timestamp("ns", "UTC")),
    ("value", pa.float64()),
    ("weight", pa.float64()),
)
"""Columns of a snapshot besides features, slices and class scores.

If a feature has one of these names, the column is called ``prediction_NAME``.
"""

LISTS = (
    ("items", pa.list_(pa.string())),
    ("item_scores", pa.list_(pa.float64())),
    ("left_out", pa.int32()),
    ("clicked", pa.list_(pa.string())),
    ("gains", pa.list_(pa.float64())),
    ("missed_gains", pa.list_(pa.float64())),
)
"""Further columns of a ranking's snapshot, a list each, best rank first.

See :func:`~driftline_processor.join.outcome_resolution.of_lists`.
"""

_ROWS = """
SELECT p.seq, {columns}, coalesce(j.weight, p.weight, 1) * ? AS weight, j.actual, j.number,
    j.prediction IS NOT NULL AS known
FROM predictions p {kept} LEFT JOIN joined j ON j.prediction = p.seq
WHERE p.series = ? AND p.time >= ? AND p.time < ? {labelled} ORDER BY p.seq
"""

_SCORE = "score."
"""Prefix of a class of a multiclass model, or of a quantile level."""

_COLUMNS = {
    "id": "p.id",
    "time": "p.time",
    "score": "p.score",
    "predicted": "p.predicted",
    "outcome_time": "j.outcome_time",
    "value": "j.value",
}
"""Part → its SQL expression."""

_LIST_COLUMNS = {
    "items": "p.items",
    "item_scores": "p.item_scores",
    "left_out": "p.left_out",
    "relevance": "j.relevance",
    "missed": "j.missed",
}


class Snapshot(Struct, frozen=True):
    """A written snapshot.

    Attributes:
        labelled: Number of rows with a known outcome.
        renamed: Parts with a changed name.
    """

    rows: int
    labelled: int
    features: tuple[str, ...]
    renamed: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """Return a summary of the file for JSON."""
        features, renamed = len(self.features), list(self.renamed)
        return {"rows": self.rows, "labelled": self.labelled, "features": features, "renamed": renamed}


class Snapshots:
    """Writer of snapshots. Thread-safe."""

    def __init__(self, store: Store, series: SeriesRegister) -> None:
        self._store, self._series = store, series

    def write(self, path: Path, model_key: ModelKey, since: int, until: int, labelled: bool = False) -> Snapshot | None:
        """Write the rows of a model predicted in ``[since, until)``, unix nanoseconds; None if there are none.

        ``model_key``: version and environment "" = all. Rows without stored features are left out, unless the model
        stores none at all. ``labelled``: only rows with a known outcome.
        """
        own_columns = [
            one
            for one in self._series
            if one.key.model == model_key.model
            and model_key.version in ("", one.key.version)
            and model_key.environment in ("", one.key.environment)
        ]
        keep = self._series.settings(model_key.model).keep_features
        with self._store.reading() as connection:
            return _Writing(connection, own_columns, keep, since, until, labelled).write(path) if own_columns else None


class _Writing:
    """The writer of one file."""

    def __init__(
        self, connection: Connection, series: Sequence[Series], keep: Keep, since: int, until: int, labelled: bool
    ) -> None:
        self._connection, self._series, self._keep = connection, series, keep
        self._since, self._until, self._labelled = since, until, labelled
        columns = read_columns(connection)
        known_columns = [columns[entry.number] for entry in series if entry.number in columns]
        self._texts = dict.fromkeys(name for entry in known_columns for name in entry.texts)
        self._vectors = dict.fromkeys(name for entry in known_columns for name in entry.vectors)
        self._features = tuple(
            dict.fromkeys(name for entry in known_columns for name in (*entry.numbers, *entry.texts, *entry.vectors))
        )
        self._rowless = not self._features
        categories = {category for entry in series for category in _categories(entry.task)}
        self._extra = (*(f"{_SCORE}{category}" for category in sorted(categories)), *self._slice_columns())
        self._parts = PARTS + (LISTS if any(entry.task.ranks_items for entry in series) else ())
        self._column_names = {name: f"prediction_{name}" if name in self._features else name for name, _ in self._parts}

    def write(self, path: Path) -> Snapshot | None:
        from pyarrow import parquet

        rows = labelled = 0
        writer: parquet.ParquetWriter | None = None
        try:
            for series in self._series:
                for start, end in days_of(self._connection, series.number, self._since, self._until):
                    part, known_part = self._part(series, start, end)
                    if part is None:
                        continue
                    writer = writer or parquet.ParquetWriter(path, part.schema, compression="zstd")
                    writer.write_table(part)
                    rows, labelled = rows + len(part), labelled + known_part
        finally:
            if writer is not None:
                writer.close()
        renamed = tuple(f"{name} as {column}" for name, column in self._column_names.items() if column != name)
        return Snapshot(rows, labelled, self._features, renamed) if rows else None

    def _slice_columns(self) -> list[str]:
        numbers = pa.table({"series": pa.array([one.number for one in self._series], pa.int32())})
        query = (
            "SELECT DISTINCT unnest(map_keys({})) AS name FROM {} WHERE series IN (SELECT series FROM numbers)"
            " AND time >= ? AND time < ?"
        )
        slice_names: set[str] = set()
        for table in ("predictions", "joined"):
            rows = read(self._connection, query.format("slices", table), self._since, self._until, numbers=numbers)
            slice_names |= {row["name"] for row in rows.to_pylist()}
        return [f"slice.{name}" for name in sorted(slice_names)]

    def _part(self, series: Series, start: int, end: int) -> tuple[pa.Table | None, int]:
        """Return the rows of one series and day, and the number of their known outcomes."""
        query = _ROWS.format(
            columns=", ".join(f"{read_by} AS {_identifier(name)}" for name, read_by in self._columns(series).items()),
            kept="" if self._rowless else f"SEMI JOIN ({SAMPLE}) k ON k.prediction = p.seq",
            labelled="AND j.prediction IS NOT NULL" if self._labelled else "",
        )
        day = start - start % DAY
        sample = () if self._rowless else sample_parameters(series.number, day, day + DAY, self._keep)
        times = self._times(series.number, day)
        rows = read(self._connection, query, times, *sample, series.number, start, end)
        if not rows.num_rows:
            return None, 0
        n, key, regression = len(rows), series.key, series.task.predicts_number
        arrays: dict[str, pa.Array] = {name: rows[name] for name in rows.column_names}
        arrays["version"], arrays["environment"] = (
            pa.repeat(pa.scalar(text), n) for text in (key.version, key.environment)
        )
        actual = actual_of(rows)
        arrays["actual"] = (
            number_array(finite_actuals(actual), n) if regression else category_array(class_column(actual), n)
        )
        if "items" in rows.column_names:
            arrays |= of_lists(rows)
        kinds = {**dict(self._parts), "actual": pa.float64() if regression else pa.string()}
        fields = [pa.field(self._column_names[name], kind) for name, kind in kinds.items()]
        values = [arrays[name] for name in kinds]
        for name in self._extra:
            fields.append(pa.field(name, pa.float64() if name.startswith(_SCORE) else pa.string()))
            values.append(arrays[name])
        features = read_features(self._connection, series.number, integers_of(rows, "seq"))
        for name in self._features:
            values.append(self._feature(name, features.get(name), n))
            fields.append(pa.field(name, values[-1].type))
        metadata = {"model": key.model, "task": series.task.kind, "classes": list(series.task.classes)}
        metadata["positive_class"] = series.task.positive_class
        schema = pa.schema(fields, metadata={"driftline": json.dumps(metadata)})
        cast_values = [value.cast(field.type) for value, field in zip(values, fields, strict=True)]
        return pa.Table.from_arrays(cast_values, schema=schema), int(np.count_nonzero(rows["known"]))

    def _columns(self, series: Series) -> dict[str, str]:
        """Return column → its SQL expression."""
        columns = {**_COLUMNS, "score": score_in(series.task, "p")}
        if len(self._parts) > len(PARTS):
            columns |= _LIST_COLUMNS
        for name in self._extra:
            part, _, column = name.partition(".")
            if f"{part}." == _SCORE:
                categories = _categories(series.task)
                columns[name] = f"p.scores[{categories.index(column) + 1}]" if column in categories else "NULL::DOUBLE"
            else:
                slice_value = "map_extract({}.slices, {})[1]".format
                text = "'" + column.replace("'", "''") + "'"
                columns[name] = f"coalesce({slice_value('j', text)}, {slice_value('p', text)})"
        return columns

    def _times(self, series: int, day: int) -> float:
        """Return the number of rows of a day that each sampled row represents."""
        if self._rowless:
            return 1.0
        rows = "SELECT count(*) FROM predictions WHERE series = ? AND time >= ? AND time < ?"
        sample = sample_parameters(series, day, day + DAY, self._keep)
        sample_rows = number(self._connection, f"SELECT count(*) FROM ({SAMPLE})", *sample) or 0
        return (
            max(1.0, (number(self._connection, rows, series, day, day + DAY) or 0) / sample_rows)
            if sample_rows
            else 1.0
        )

    def _feature(self, name: str, column: Column | None, n: int) -> pa.Array:
        if name in self._vectors:
            if column is None or column.vectors is None:
                return pa.nulls(n, pa.list_(pa.float32()))
            missing = np.isnan(column.vectors).all(axis=1)
            width = column.vectors.shape[1]
            offsets = pa.array(np.arange(0, n * width + 1, width, dtype=np.int32))
            return pa.ListArray.from_arrays(offsets, pa.array(column.vectors.reshape(-1)), mask=pa.array(missing))
        if name in self._texts:
            return _as_texts(column, n)
        return number_array(None if column is None else column.numbers, n)


def _categories(task: Task) -> tuple[str, ...]:
    """Return the names of score columns: classes, or the levels of quantiles."""
    return task.classes if task.has_class_scores else tuple(map(number_text, task.quantiles))


def _as_texts(column: Column | None, n: int) -> pa.Array:
    """Return a column as texts, with numbers as they are written."""
    texts = category_array(column, n)
    if column is None or column.numbers is None:
        return texts
    written = pa.array([number_text(value) or None for value in column.numbers.tolist()], pa.string())
    return pc.coalesce(texts, written)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
