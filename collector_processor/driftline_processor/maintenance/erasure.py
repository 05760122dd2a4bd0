"""Delete the rows of a prediction id or a subject, from every table and from the disk.

An order is stored first and removed last, so that a killed processor finishes it at the next start. The rows leave
every table in one transaction, in which the remaining outcomes of a prediction are resolved again
(:meth:`~driftline_processor.join.outcome_join.Join.judge_anew`); then the file is rewritten
(:meth:`~driftline_processor.store.database.Store.rewrite`), because DuckDB leaves deleted rows in its blocks until
these are reused. The performance of the affected windows is recomputed if all other rows are stored; other sums stay
unchanged, with the number of their deleted rows (:mod:`~driftline_processor.ingest.pane_sums`).
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from driftline.baseline.sections.slices import slice_name
from driftline.tables.table import I64
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from driftline_processor.core.windows.window import PANE
from driftline_processor.evaluation.evaluation_store import forget_evaluations, forget_verdicts
from driftline_processor.ingest.deduplication import note_deletion
from driftline_processor.ingest.pane_sums import add_erased, write_restated
from driftline_processor.join.concept_drift import forget_losses
from driftline_processor.join.outcome_sums import kept_stretches, recompute_panes, sliced_changes, stored_stretches
from driftline_processor.join.version_pairs import Pairs
from driftline_processor.store.arrow_tables import filter_rows, integers_of, is_among
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.business_streams import forget_streams
from driftline_processor.store.database import Connection, mark, number, read, synced, transaction
from driftline_processor.store.panes import PaneChanges
from driftline_processor.store.series import LAST_SERIES, Series, SeriesRegister
from driftline_processor.store.slices import SliceValues, forget_rare_values

_log = logging.getLogger("driftline")

ROWS = {
    "predictions": "seq IN (SELECT seq FROM gone_predictions)",
    "outcomes": "seq IN (SELECT seq FROM gone_outcomes)",
    "waiting": "outcome IN (SELECT seq FROM gone_outcomes)",
    "joined": "prediction IN (SELECT seq FROM gone_predictions) OR outcome IN (SELECT seq FROM gone_outcomes)",
    "retractions": "prediction IN (SELECT seq FROM gone_predictions) OR outcome IN (SELECT seq FROM gone_outcomes)",
    "kept": "prediction IN (SELECT seq FROM gone_predictions)",
    "successors": "prediction IN (SELECT seq FROM gone_predictions)",
}
"""Table → SQL condition of its deleted rows. Every table with single rows must be listed.

``learning`` has rows as columns; :meth:`~driftline_processor.store.baselines.Baselines.unlearn` removes them.
"""

SUMS = frozenset(
    (
        *(
            "meta",
            "series",
            "panes",
            "slice_panes",
            "written_panes",
            "pane_sources",
            "slice_values",
            "restated",
            "requests",
            "batches",
            "offsets",
            "watermarks",
            "acknowledged",
        ),
        *(
            "baselines",
            "kept_columns",
            "learning_points",
            "streams",
            "balance",
            "concept",
            "evaluations",
            "dictionaries",
            "verdicts",
            "record",
            "interruptions",
            "looks",
            "policy_waits",
            "new_models",
            "alerts",
            "messages",
            "deliveries",
            "approvals",
            "silences",
            "decisions",
            "audit",
            "training_runs",
            "business",
            "business_streams",
            "business_readings",
        ),
    )
)
"""Tables with sums, settings or digests, without single rows."""


class ErasureOrder(Struct, frozen=True):
    """An order to delete rows of a model by prediction ids or subjects; in one environment, None = all.

    ``by`` "model" deletes the model, see :func:`forget_model`; ``values`` are its versions, empty = all. ``person``
    ordered it, as the entry ``entry`` of the audit log says; 0 = an order of an older version, which had no entry.
    """

    model: str
    by: Literal["id", "subject", "model"]
    values: tuple[str, ...] = ()
    environment: str | None = None
    person: str = ""
    entry: int = 0

    @property
    def words(self) -> str:
        """What is deleted, without ids: they are in the audit log only as digests.

        >>> ErasureOrder("churn", "id", ("a", "b")).words, ErasureOrder("churn", "model").words
        ('the rows of 2 prediction ids', 'all data of the model')
        """
        if self.by == "model":
            return f"the versions {', '.join(self.values)} of the model" if self.values else "all data of the model"
        noun = "prediction id" if self.by == "id" else "data subject"
        return f"the rows of {len(self.values)} {noun}{'s' if len(self.values) > 1 else ''}"


class ErasureResult(Struct, frozen=True):
    """The result of a deletion.

    Attributes:
        series: Predictions by series.
        touched: Panes whose performance changed.
        emptied_slices: Series and name of slices that no longer have panes of their own.
    """

    predictions: int = 0
    outcomes: int = 0
    joined: int = 0
    series: dict[int, int] = field(default_factory=dict)
    touched: list[tuple[int, I64]] = field(default_factory=list)
    emptied_slices: list[tuple[int, str]] = field(default_factory=list)


class SubjectNotConfigured(ValueError):  # noqa: N818 - an answer, not a fault
    """No feature or slice is configured as the subject of a model."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"models.{model}.subject is not set; set it in driftline.yaml to the feature or slice that identifies "
            "the person of a row: "
            "rows that arrive after that can be deleted by it"
        )


class UnknownModel(ValueError):  # noqa: N818 - an answer, not a fault
    """A model is unknown."""

    def __init__(self, order: ErasureOrder) -> None:
        version_names = f" {', '.join(order.values)}" if order.values else ""
        place = "" if order.environment is None else f" in environment '{order.environment}'"
        super().__init__(
            f"there is no data of {order.model}{version_names}{place}; GET /api/v1/models lists all models"
        )


class OrderNotWritten(Exception):  # noqa: N818 - an answer, not a fault of the processor
    """An order could not be stored, so nothing will be deleted."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"nothing is deleted, because the request could not be saved: {error.strerror}; free space on the disk "
            "of storage.directory and send the request again"
        )


class ErasureOrders:
    """The pending orders, in a file next to the state's."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "erase.json"

    def __iter__(self) -> Iterator[ErasureOrder]:
        """Return the orders, oldest first."""
        try:
            stored_orders = json.loads(self._file.read_text())
            return iter(
                [
                    ErasureOrder(**{**stored_order, "values": tuple(stored_order["values"])})
                    for stored_order in stored_orders
                ]
            )
        except FileNotFoundError:
            return iter(())
        except (ValueError, TypeError, KeyError) as error:
            aside = self._file.with_suffix(".unreadable")
            os.replace(self._file, aside)
            stored_orders = "%s cannot be read (%s): send the requests to delete again; the file is kept as %s"
            _log.error(stored_orders, self._file, error, aside)
            return iter(())

    def add(self, order: ErasureOrder) -> None:
        """Store an order with fsync. Raises OrderNotWritten if there is no room, or no permission."""
        text = json.dumps([asdict(erasure_order) for erasure_order in (*self, order)])
        draft = self._file.with_suffix(".draft")
        try:
            with draft.open("w") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            os.replace(draft, self._file)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise OrderNotWritten(error) from error
        synced(self._file.parent)

    def add_ids(self, order: ErasureOrder, ids: Iterable[str]) -> None:
        """Store the ids of the predictions found by an order by subject, as an order of their own.

        Outcomes in the log of requests have no subject, and the ids are unknown after the rows are deleted.
        """
        values = tuple(sorted(set(ids) - {""}))
        if order.by == "subject" and values:
            self.add(replace(order, by="id", values=values))

    def done(self) -> None:
        """Remove all orders."""
        for file in (self._file, self._file.with_suffix(".draft")):
            file.unlink(missing_ok=True)
        synced(self._file.parent)


def erase(
    connection: Connection,
    register: SeriesRegister,
    baselines: Baselines,
    values: SliceValues,
    judge_anew: Callable[[pa.Array], list[tuple[int, I64]]],
    order: ErasureOrder,
    note: Callable[[Iterable[str]], object],
) -> ErasureResult:
    """Delete the rows of an order in one transaction; they are gone for readers, but not yet from the disk.

    ``values``: the slice values with panes of their own. ``judge_anew``: see
    :meth:`~driftline_processor.join.outcome_join.Join.judge_anew`; for a remaining prediction the last remaining
    outcome counts. ``note``: called with the ids of the predictions before the deletion.
    """
    with transaction(connection):
        _find(connection, order)
        erased_rows = read(connection, "SELECT p.* FROM predictions p SEMI JOIN gone_predictions g ON g.seq = p.seq")
        words = read(connection, "SELECT DISTINCT id FROM outcomes SEMI JOIN gone_outcomes USING (seq)")
        joined = number(connection, f"SELECT count(*) FROM joined WHERE {ROWS['joined']}") or 0
        counts = {table: _delete(connection, table, ROWS[table]) for table in ("predictions", "outcomes", "waiting")}
        touched = judge_anew(words["id"].combine_chunks())
        lost = read(connection, f"SELECT prediction, series, time FROM joined WHERE {ROWS['joined']}")
        whole_stretches = list(_stretches(connection, register, lost))
        pairs = Pairs(connection, register)
        paired = pairs.touching(integers_of(lost, "prediction"), integers_of(lost, "time"))
        for table in ROWS.keys() - counts.keys():
            _delete(connection, table, ROWS[table])
        baselines.unlearn(connection, integers_of(erased_rows, "series"), integers_of(erased_rows, "seq"))
        changes, sliced = PaneChanges(), sliced_changes()
        touched += [
            (series.number, recompute_panes(connection, changes, series, series_rows, values))
            for series, series_rows in whole_stretches
        ]
        pairs.follow(paired, None, np.empty(0, np.int64), changes)
        remaining = _remaining_in_sums(lost, whole_stretches)
        counted = filter_rows(erased_rows, ~is_among(integers_of(erased_rows, "seq"), remaining))
        for series in register:
            series_rows = filter_rows(counted, integers_of(counted, "series") == series.number)
            if len(series_rows):
                timezone = register.settings(series.key.model).timezone
                touched.append((series.number, add_erased(changes, sliced, series, series_rows, values, timezone)))
        changes.write(connection)
        sliced.write(connection)
        rare = forget_rare_values(connection, np.unique(integers_of(erased_rows, "series")).tolist())
        forget_losses(connection, integers_of(erased_rows, "series"), integers_of(erased_rows, "time"))
        baselines.forget_values(connection, register, integers_of(erased_rows, "series"), rare)
        slice_names = [(series, slice_name(key, value)) for series, key, value in rare]
        touched += [forget_evaluations(connection, series, name) for series, name in slice_names]
        for number_of_series, name in slice_names:
            forget_verdicts(connection, number_of_series, name)
        write_restated(connection, touched)
        note(erased_rows["id"].to_pylist())
    numbers, rows = np.unique(integers_of(erased_rows, "series"), return_counts=True)
    return ErasureResult(
        counts["predictions"],
        counts["outcomes"],
        joined,
        dict(zip(numbers.tolist(), rows.tolist(), strict=True)),
        touched,
        slice_names,
    )


def forget_model(connection: Connection, order: ErasureOrder, now: int) -> ErasureResult:
    """Delete a model, some of its versions, or its rows in one environment, in one transaction.

    Requests and batches that were received before are new if they are sent again; ``now``: unix nanoseconds.

    Caches of the state must be read again. Outcomes belong to all versions of a model, so those of single versions
    stay but no longer count.
    """
    of_versions, of_model = _conditions(order)
    with transaction(connection):
        for deleted, found, (where, parameters) in (
            ("gone_series", "SELECT series FROM models", of_versions),
            ("gone_outcomes", "SELECT seq FROM outcomes", of_model),
        ):
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {deleted} AS {found} WHERE {where}", parameters)
        rows = "FROM predictions SEMI JOIN gone_series USING (series)"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE gone_predictions AS SELECT seq {rows}")
        counts = {row["series"]: row["rows"] for row in _counts(connection, rows)}
        outcomes = number(connection, "SELECT count(*) FROM gone_outcomes") or 0
        joined = number(connection, "SELECT count(*) FROM joined SEMI JOIN gone_series USING (series)") or 0
        last = max(number(connection, "SELECT max(series) FROM series") or 0, mark(connection, LAST_SERIES))
        connection.execute("INSERT INTO meta VALUES (?, ?)", [LAST_SERIES, last])
        connection.execute(f"DELETE FROM baselines WHERE {of_versions[0]}", of_versions[1])
        connection.execute(f"DELETE FROM training_runs WHERE {of_versions[0]}", of_versions[1])
        connection.execute(f"DELETE FROM watermarks WHERE {of_model[0]}", of_model[1])
        for table in ("looks", "policy_waits"):
            connection.execute(f"DELETE FROM {table} WHERE {of_model[0]}", of_model[1])
        alerts = f"SELECT id FROM alerts WHERE {of_versions[0]}"
        messages = f"SELECT id FROM messages WHERE alert IN ({alerts})"
        for table in ("deliveries", "approvals"):
            connection.execute(f"DELETE FROM {table} WHERE message IN ({messages})", of_versions[1])
        connection.execute(f"DELETE FROM messages WHERE alert IN ({alerts})", of_versions[1])
        connection.execute(f"DELETE FROM alerts WHERE {of_versions[0]}", of_versions[1])
        if order.environment is None:
            model_condition = "model = $model" + (" AND list_contains($versions, version)" if order.values else "")
            connection.execute(f"DELETE FROM decisions WHERE {model_condition}", of_versions[1])
            if not order.values:
                for table in ("business", "business_readings", "silences", "new_models"):
                    connection.execute(f"DELETE FROM {table} WHERE model = $model", {"model": order.model})
                forget_streams(connection, "model = ?", order.model)
        for table, condition in ROWS.items():
            _delete(connection, table, condition)
        for table in _tables_by_series(connection):
            _delete(connection, table, "series IN (SELECT series FROM gone_series)")
        note_deletion(connection, order.model, order.values, order.environment, now)
    return ErasureResult(sum(counts.values()), outcomes, joined, counts)


def is_known(connection: Connection, order: ErasureOrder) -> bool:
    """Return True if :func:`forget_model` would delete anything."""
    of_versions, of_model = _conditions(order)
    places = (
        ("models", of_versions),
        ("baselines", of_versions),
        ("training_runs", of_versions),
        ("outcomes", of_model),
    )
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE {where} LIMIT 1", parameters).fetchall()
        for table, (where, parameters) in places
    )


def _conditions(order: ErasureOrder) -> tuple[tuple[str, dict[str, object]], tuple[str, dict[str, object]]]:
    """Return the conditions, with parameters, of rows with a version, and of rows of all versions."""
    where, parameters = "model = $model", dict[str, object](model=order.model)
    if order.environment is not None:
        where += " AND coalesce(environment, $environment) = $environment"
        parameters["environment"] = order.environment
    if not order.values:
        return (where, parameters), (where, parameters)
    versions = (f"{where} AND list_contains($versions, version)", {**parameters, "versions": list(order.values)})
    return versions, ("model = $model AND false", {"model": order.model})


def _counts(connection: Connection, rows: str) -> list[dict[str, int]]:
    count_rows: list[dict[str, int]] = read(
        connection, f"SELECT series, count(*) AS rows {rows} GROUP BY series"
    ).to_pylist()
    return count_rows


def _tables_by_series(connection: Connection) -> list[str]:
    """Return the tables whose rows belong to one series each."""
    columns = "duckdb_columns() c JOIN duckdb_tables() t USING (database_name, schema_name, table_name)"
    rows = read(
        connection, f"SELECT DISTINCT table_name FROM {columns} WHERE c.column_name = 'series' AND NOT t.temporary"
    )
    return [str(name) for name in rows["table_name"].to_pylist()]


def _find(connection: Connection, order: ErasureOrder) -> None:
    """Find the rows: predictions of the id or subject, and outcomes of the id, of their ids, or of the subject."""
    place = "" if order.environment is None else " AND coalesce(environment, $environment) = $environment"
    parameters: dict[str, object] = {"model": order.model, "values": list(order.values)}
    parameters |= {} if order.environment is None else {"environment": order.environment}
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE gone_predictions AS SELECT p.seq, p.id FROM predictions p JOIN models USING"
        f" (series) WHERE model = $model{place} AND list_contains($values, p.{order.by})",
        parameters,
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE gone_outcomes AS SELECT seq FROM outcomes WHERE model = $model{place}"
        f" AND (list_contains($values, {order.by}) OR id IN (SELECT id FROM gone_predictions WHERE id <> ''))",
        parameters,
    )


def _delete(connection: Connection, table: str, condition: str) -> int:
    return int(connection.execute(f"DELETE FROM {table} WHERE {condition}").fetchall()[0][0])


def _remaining_in_sums(lost: pa.Table, serieseses: Sequence[tuple[Series, Sequence[tuple[int, int]]]]) -> I64:
    """Return the predictions whose outcome stays in the sums and still counts there."""
    remaining, time = np.ones(len(lost), np.bool_), integers_of(lost, "time")
    for series, stretches in serieseses:
        for start, end in stretches:
            remaining &= (integers_of(lost, "series") != series.number) | (time < start) | (time >= end)
    return integers_of(lost, "prediction")[remaining]


def _stretches(
    connection: Connection, register: SeriesRegister, lost: pa.Table
) -> Iterator[tuple[Series, list[tuple[int, int]]]]:
    """Yield the stored panes that lose outcomes and can be recomputed, by series."""
    numbers, panes = integers_of(lost, "series"), integers_of(lost, "time")
    panes = panes - panes % PANE
    by_number = register.by_number()
    for series_number in np.unique(numbers).tolist():
        stored = stored_stretches(connection, series_number, np.unique(panes[numbers == series_number]).tolist())
        kept = kept_stretches(connection, series_number, stored)
        if kept:
            yield by_number[series_number], kept
