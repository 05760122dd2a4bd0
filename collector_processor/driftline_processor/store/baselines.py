"""The active baseline of a series: the configured one, else a sent one, else a learned one.

Also collects histograms and counts of metrics until there are enough for a provisional baseline.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.ranges import Ranges
from driftline.inputs.texts_and_vectors import vector_column
from driftline.semconv import metrics as m
from driftline.tables.column_codec import Value, decode, encode
from driftline.tables.table import I64, Column, ModelKey, PredictionTable, Text, take_rows, used_categories
from driftline.tables.task import Task
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.histogram import Histogram, count, dump, parse
from driftline_processor.core.reference.histogram_baseline import baseline_from_histograms

from .cumulative_streams import Increase
from .database import Connection, DatabaseError, insert, number, read
from .series import Series, SeriesRegister

NEEDED_OF_POINTS = 1_000
"""Number of rows from metrics that a provisional baseline needs, the same as of records."""

MOST_PARTS = 50_000
"""Maximum number of histograms and counts per series: 100 features and categories per minute for more than a day."""


class LearningPoints:
    """Learns provisional baselines from metrics. One thread writes; any thread may call :meth:`learned`."""

    def __init__(self, connection: Connection) -> None:
        """Read the numbers of collected rows."""
        query = "SELECT series, sum(rows) AS rows, count(*) AS parts FROM learning_points GROUP BY series"
        rows = read(connection, query).to_pylist()
        self._collected = {row["series"]: (float(row["rows"]), int(row["parts"])) for row in rows}

    def learned(self, series: int) -> int:
        """Return the number of collected rows of a series."""
        return int(self._collected.get(series, (0.0, 0))[0])

    def forget(self, connection: Connection, series: int) -> None:
        """Delete the collected metrics of a series that has a baseline."""
        if self._collected.pop(series, None) is not None:
            connection.execute("DELETE FROM learning_points WHERE series = ?", [series])

    def learn(self, connection: Connection, series: Series, increases: Iterable[Increase]) -> Baseline | None:
        """Store new increases of mapped metrics; return a baseline if there are enough.

        Errors of the baseline are raised; learning starts again after them.
        """
        rows, parts = self._collected.get(series.number, (0.0, 0))
        new = [increase for increase in increases if increase.point.foreign]
        kept_rows = [
            row
            for point in new
            if point.histogram is not None and (row := _row(series, point, point.histogram))["part"]
        ]
        if not kept_rows:
            return None
        insert(connection, "learning_points", pa.Table.from_pylist(kept_rows, _SCHEMA))
        rows, parts = rows + sum(row["rows"] for row in kept_rows), parts + len(kept_rows)
        self._collected[series.number] = rows, parts
        if rows < NEEDED_OF_POINTS and parts < MOST_PARTS:
            return None
        try:
            return _build(connection, series, rows) if rows >= NEEDED_OF_POINTS else None
        finally:
            self.forget(connection, series.number)


_SCHEMA = pa.schema(
    [
        ("series", pa.int32()),
        ("part", pa.string()),
        ("category", pa.string()),
        ("rows", pa.float64()),
        ("data", pa.binary()),
    ]
)


def _row(series: Series, increase: Increase, histogram: Histogram) -> dict[str, Any]:
    point, part, category = increase.point, f"feature:{increase.point.feature}", None
    if point.metric == m.DRIFTLINE_PREDICTION_SCORE:
        part = "score"
    elif point.metric == m.ML_PREDICTIONS:
        part, category = "class", point.decided
    elif point.metric in (m.DRIFTLINE_FEATURE_CATEGORIES, m.DRIFTLINE_FEATURE_MISSING_VALUES):
        category = point.category
    elif point.metric == m.ML_PREDICT_DURATION:
        part = "" if not point.rows else "duration"
    n = count(histogram)
    return {
        "series": series.number,
        "part": part if n else "",
        "category": category,
        "rows": n if point.rows else 0.0,
        "data": dump(histogram),
    }


def _build(connection: Connection, series: Series, rows: float) -> Baseline:
    numbers: dict[str, list[Histogram]] = {}
    categories: dict[str, dict[str, float]] = {}
    query = "SELECT part, category, data FROM learning_points WHERE series = ? ORDER BY rowid"
    for row in read(connection, query, series.number).to_pylist():
        histogram = parse(row["data"])
        if row["category"] is None and row["part"] != "duration":
            numbers.setdefault(row["part"], []).append(histogram)
        elif row["category"] is not None:
            counts_by_category = categories.setdefault(row["part"], {})
            counts_by_category[row["category"]] = counts_by_category.get(row["category"], 0.0) + count(histogram)
    return baseline_from_histograms(series.key, series.task, rows, numbers, categories)


_log = logging.getLogger(__name__)

NEEDED = 1_000
"""Rows of a model and version from which a provisional baseline is built; comparison starts after them."""

_SEQ = "seq"
_FEATURE, _SLICE = "feature:", "slice:"
"""Prefixes of the stored column names while learning."""

Source = Literal["config", "event", "push", "provisional"]


class ActiveBaseline(Struct, frozen=True):
    """A baseline and its origin."""

    baseline: Baseline
    source: Source

    @property
    def task(self) -> Task | None:
        """Declared task; None for a learned baseline, whose classes may still grow."""
        return None if self.source == "provisional" else self.baseline.task


class _Sent(NamedTuple):
    version: str
    digest: str
    source: Literal["event", "push"]
    received: int


class Baselines:
    """All current and past baselines by digest, and the rule for the active one.

    The configured baseline wins; else the newest sent or pushed for the model and this version; else the newest for
    the model; else the first 1,000 rows of the series, which are stored until then.
    """

    def __init__(self, connection: Connection, configured: Mapping[str, Baseline]) -> None:
        """Read sent and learned baselines; ``configured``: model → the baseline of the configuration."""
        self._configured = configured
        self.changes = 0
        """Counter that grows whenever the active baseline may have changed."""
        self.load(connection)
        self._unlearned: set[ModelKey] = set()
        for baseline in configured.values():
            if not number(connection, "SELECT count(*) FROM baselines WHERE digest = ?", baseline.digest):
                self._store(connection, baseline, "config", ModelKey(baseline.model, baseline.version), 0)

    def load(self, connection: Connection) -> None:
        """Read the baselines again after a failed transaction."""
        by_digest = {baseline.digest: baseline for baseline in self._configured.values()}
        by_fold = {baseline.fold: baseline for baseline in self._configured.values()}
        sent: dict[str, list[_Sent]] = {}
        provisional: dict[ModelKey, str] = {}
        stored = read(connection, "SELECT * FROM baselines ORDER BY rowid").to_pylist()
        for row, baseline in connection.unreadable.skipped("baselines", stored, _baseline_of):
            by_digest[row["digest"]] = baseline
            by_fold[baseline.fold] = baseline
            if row["source"] in ("event", "push"):
                sent.setdefault(row["model"], []).append(
                    _Sent(row["version"], row["digest"], row["source"], row["received"])
                )
            elif row["source"] == "provisional":
                provisional[ModelKey(row["model"], row["version"], row["environment"])] = row["digest"]
        stored_baselines = (
            "SELECT series, sum(rows)::BIGINT AS rows FROM (SELECT DISTINCT series, part, rows FROM learning)"
            " GROUP BY series"
        )
        learning: dict[int, int] = {
            row["series"]: row["rows"] for row in read(connection, stored_baselines).to_pylist()
        }
        # Other threads read meanwhile, so fields are set in the reverse order of their use.
        self._by_digest, self._by_fold = by_digest, by_fold
        self._sent, self._provisional, self._learning = sent, provisional, learning
        self._points = LearningPoints(connection)
        self.changes += 1

    def sent_baselines(self) -> list[tuple[str, str, int]]:
        """Return the models and versions with a sent baseline, and when it was sent (unix ns)."""
        return [(model, baseline.version, baseline.received) for model, sent in self._sent.items() for baseline in sent]

    def in_force(self, key: ModelKey) -> ActiveBaseline | None:
        """Return the active baseline of a series; None while it is learning."""
        if configured := self._configured.get(key.model):
            return ActiveBaseline(configured, "config")
        if sent := self._sent.get(key.model):
            version_baselines = [baseline for baseline in sent if baseline.version == key.version] or sent
            return ActiveBaseline(self._by_digest[version_baselines[-1].digest], version_baselines[-1].source)
        digest = self._provisional.get(key)
        return None if digest is None else ActiveBaseline(self._by_digest[digest], "provisional")

    def by_fold(self, fold: str) -> Baseline | None:
        """Return the newest current or past baseline with the bins of a fold."""
        return self._by_fold.get(fold)

    def learned(self, series: int) -> int:
        """Return the number of rows stored for the provisional baseline of a series."""
        return self._learning.get(series, 0)

    def series_number(self, series: int) -> int:
        """Return the same number, or the rows in histograms collected for it."""
        return self.learned(series) or self._points.learned(series)

    def give_back(self, connection: Connection, series: Series) -> list[PredictionTable]:
        """Return and delete the rows stored for learning, when another baseline arrived before there were enough."""
        if not self._learning.pop(series.number, 0):
            return []
        tables = _learned(connection, series)
        connection.execute("DELETE FROM learning WHERE series = ?", [series.number])
        return tables

    def receive(
        self, connection: Connection, baseline: Baseline, received: int, source: Literal["event", "push"] = "event"
    ) -> bool:
        """Store a sent baseline; return False, without any change, if it is active for its version already.

        A service sends its baseline at each start. After another one was pushed, only a new baseline of the service
        counts.
        """
        sent = self._sent.setdefault(baseline.model, [])
        version_baselines = [sent_baseline for sent_baseline in sent if sent_baseline.version == baseline.version]
        if version_baselines and version_baselines[-1].digest == baseline.digest:
            return False
        if (
            version_baselines
            and version_baselines[-1].source == "push"
            and source == "event"
            and baseline.digest in [o.digest for o in version_baselines]
        ):
            return False
        _check_readable(baseline)
        self._remember(baseline)
        sent.append(_Sent(baseline.version, baseline.digest, source, received))
        self.changes += 1
        self._store(connection, baseline, source, ModelKey(baseline.model, baseline.version), received)
        return True

    def learn(
        self,
        connection: Connection,
        series: Series,
        table: PredictionTable,
        received: int,
        slices: Sequence[str] = (),
        first: int = 0,
    ) -> None:
        """Store rows for a provisional baseline, and build it when there are enough.

        ``table``: at most the rows that are still needed. ``slices``: the slice keys. ``first``: the sequence number
        of the first row.
        """
        self._learning[series.number] = self.learned(series.number) + len(table)
        part = (number(connection, "SELECT max(part) FROM learning") or 0) + 1
        columns = _columns(table, slices) | {_SEQ: np.arange(first, first + len(table))}
        _keep(connection, series.number, part, columns, len(table))
        if self.learned(series.number) < NEEDED:
            return
        self._put_provisional(
            *(connection, series, received),
            lambda: Baseline.from_tables(_learned(connection, series), provisional=True),
        )
        connection.execute("DELETE FROM learning WHERE series = ?", [series.number])
        del self._learning[series.number]

    def unlearn(self, connection: Connection, series: I64, seqs: I64) -> None:
        """Delete predictions, by series and sequence number, from the rows stored for a provisional baseline.

        Call :meth:`load` afterwards. An unreadable part is deleted as a whole.
        """
        parts: dict[int, list[dict[str, Any]]] = {}
        query = "SELECT * FROM learning WHERE list_contains(?, series) ORDER BY part"
        for row in read(connection, query, np.unique(series).tolist()).to_pylist():
            parts.setdefault(row["part"], []).append(row)
        for part, columns in parts.items():
            try:
                columns_by_name = {row["name"]: decode(row["data"], row["rows"]) for row in columns}
            except Exception:  # its rows are unknown, so the whole part is deleted
                columns_by_name = {}
            sequence_column = columns_by_name.get(_SEQ)
            stays = (
                np.flatnonzero(~np.isin(np.asarray(sequence_column), seqs))
                if sequence_column is not None
                else np.arange(0)
            )
            if len(stays) == columns[0]["rows"]:
                continue
            connection.execute("DELETE FROM learning WHERE part = ?", [part])
            if len(stays):
                fewer = {name: _select_rows(value, stays) for name, value in columns_by_name.items()}
                _keep(connection, columns[0]["series"], part, fewer, len(stays))

    def forget_values(
        self, connection: Connection, register: SeriesRegister, series: I64, slices: Sequence[tuple[int, str, str]]
    ) -> None:
        """Remove the values of deleted slices (series, key, value) from learned baselines.

        Call :meth:`load` afterwards. A baseline learned by an older release contains extremes of single rows; it is
        deleted and learned again.
        """
        by_number = register.by_number()
        for series_number in np.unique(series).tolist():
            key = by_number[series_number].key
            digest = self._provisional.get(key)
            if digest is None:
                continue
            baseline = self._by_digest[digest]
            place = (digest, key.environment, key.model, key.version)
            condition = "digest = ? AND source = 'provisional' AND environment = ? AND model = ? AND version = ?"
            if baseline.extras.ranges != Ranges.counted(baseline.pane, baseline.bins):
                connection.execute(f"DELETE FROM baselines WHERE {condition}", place)
                continue
            baseline_slices = baseline.extras.slices
            for slice_series, cut, value in slices:
                baseline_slices = (
                    baseline_slices.with_other(cut, value)
                    if baseline_slices is not None and slice_series == series_number
                    else baseline_slices
                )
            if baseline_slices != baseline.extras.slices:
                fewer = replace(baseline, extras=replace(baseline.extras, slices=baseline_slices))
                changed = f"UPDATE baselines SET digest = ?, json = ? WHERE {condition}"
                connection.execute(changed, (fewer.digest, fewer.to_json(), *place))

    def learn_points(
        self, connection: Connection, series: Series, increases: Sequence[Increase], received: int
    ) -> None:
        """Collect histograms and counts while there is no baseline, and build a provisional one when there are enough.

        Only mapped metrics are used: a service with our SDK sends a baseline, or rows to learn one from.
        """
        if self.in_force(series.key) is not None:
            self._points.forget(connection, series.number)
            return
        self._put_provisional(connection, series, received, lambda: self._points.learn(connection, series, increases))

    def _put_provisional(
        self, connection: Connection, series: Series, received: int, build: Callable[[], Baseline | None]
    ) -> None:
        """Build and activate a provisional baseline; on an error, log once and start learning again."""
        try:
            baseline = build()
            if baseline is None:
                return
            _check_readable(baseline)
        except DatabaseError:
            raise  # the transaction has failed, not the baseline
        except Exception as error:  # acknowledged rows must not make later ones fail
            if series.key not in self._unlearned:
                self._unlearned.add(series.key)
                version_name = f"{series.key.model} {series.key.version}".rstrip()
                _log.error("no baseline could be learned for %s; learning starts again", version_name, exc_info=error)
            return
        self._remember(baseline)
        self._provisional[series.key] = baseline.digest
        self.changes += 1
        self._store(connection, baseline, "provisional", series.key, received)

    def _remember(self, baseline: Baseline) -> None:
        self._by_digest[baseline.digest] = baseline
        self._by_fold[baseline.fold] = baseline

    def _store(self, connection: Connection, baseline: Baseline, source: Source, key: ModelKey, received: int) -> None:
        row = {
            "digest": baseline.digest,
            "source": source,
            "environment": key.environment,
            "model": key.model,
            "version": key.version,
            "received": received,
            "json": baseline.to_json(),
        }
        insert(connection, "baselines", pa.Table.from_pylist([row]))


def _check_readable(baseline: Baseline) -> None:
    """Raise ValueError if the next start could not read a baseline."""
    Baseline.from_json(baseline.to_json())


def _baseline_of(row: Mapping[str, Any]) -> Baseline:
    return Baseline.from_json(row["json"])


def _columns(table: PredictionTable, slices: Sequence[str]) -> dict[str, Value]:
    """Return the columns of a baseline by their stored names."""
    columns: dict[str, Value] = {"time": table.time}
    if table.scores is not None:
        columns["scores"] = table.scores
    if table.predicted is not None and _has_values(table.predicted):
        columns["predicted"] = table.predicted
    if table.weight is not None:
        columns["weight"] = table.weight
    for name, column in table.features.items():
        if _has_values(column):
            columns[f"{_FEATURE}{name}"] = column
    cuts = {key: table.slices[key] for key in slices if key in table.slices}
    return columns | {f"{_SLICE}{key}": column for key, column in cuts.items() if _has_values(column)}


def _keep(connection: Connection, series: int, part: int, columns: Mapping[str, Value], n: int) -> None:
    encoded = encode(columns)
    rows = {
        "series": pa.array([series] * len(encoded), pa.int32()),
        "part": [part] * len(encoded),
        "rows": pa.array([n] * len(encoded), pa.int32()),
        "name": list(encoded),
        "data": list(encoded.values()),
    }
    insert(connection, "learning", pa.table(rows))


def _select_rows(value: Value, rows: NDArray[np.intp]) -> Value:
    """Return rows of a column, with only their categories."""
    return used_categories(take_rows(value, rows)) if isinstance(value, Column) else np.asarray(value)[rows]


def _learned(connection: Connection, series: Series) -> list[PredictionTable]:
    parts: dict[int, list[dict[str, Any]]] = {}
    for row in read(connection, "SELECT * FROM learning WHERE series = ? ORDER BY part", series.number).to_pylist():
        parts.setdefault(row["part"], []).append(row)
    baseline_rows = [{**columns[0], "columns": columns} for columns in parts.values()]

    def table(part: dict[str, Any]) -> PredictionTable:
        columns = {row["name"]: decode(row["data"], row["rows"]) for row in part["columns"]}
        return _table(series, part["rows"], columns)

    return [table for _, table in connection.unreadable.skipped("learning", baseline_rows, table)]


def _table(series: Series, n: int, columns: Mapping[str, Value]) -> PredictionTable:
    scores, weight, predicted = (columns.get(name) for name in ("scores", "weight", "predicted"))
    return PredictionTable(
        key=series.key,
        task=series.task,
        time=np.asarray(columns["time"], dtype=np.int64),
        id=Text(np.zeros(n + 1, dtype=np.int32), b""),
        scores=None if scores is None else np.asarray(scores, dtype=np.float64).reshape(n, -1),
        predicted=None if predicted is None else _column(predicted),
        weight=None if weight is None else np.asarray(weight, dtype=np.float64),
        features=_columns_with(columns, _FEATURE),
        slices=_columns_with(columns, _SLICE),
    )


def _columns_with(columns: Mapping[str, Value], prefix: str) -> dict[str, Column]:
    return {name.removeprefix(prefix): _column(value) for name, value in columns.items() if name.startswith(prefix)}


def _has_values(column: Column) -> bool:
    return column.numbers is not None or column.codes is not None


def _column(value: Value) -> Column:
    if isinstance(value, Column):
        return value
    numbers = np.asarray(value, dtype=np.float64)
    return vector_column(numbers) if numbers.ndim == 2 else Column(numbers)
