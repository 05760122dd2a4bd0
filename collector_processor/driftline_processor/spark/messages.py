"""Decode the messages of topics on an executor: OTLP requests, as the Kafka exporter of the Collector writes them.

What comes of a micro-batch is one table of four kinds of rows, because Spark reads the messages once: panes, rows for
outcomes that arrive later, outcomes, and counts of what could not be used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from driftline.batch_panes import RowOutcomes
from driftline.panes.decisions import decided_classes
from driftline.tables.table import OutcomeTable, PredictionTable

from driftline_processor.core.arrow_arrays import category_array, number_array, text_array
from driftline_processor.core.decode.event_times import timely
from driftline_processor.core.decode.requests import (
    Decoded,
    Malformed,
    decode_logs,
    decode_traces,
    decode_traces_together,
)
from driftline_processor.core.outcomes.resolution import impossible_actual_reason, impossible_actuals
from driftline_processor.store.arrow_tables import (
    concatenate_predictions,
    outcome_rows,
    table_layout,
    take_table,
)

from . import pane_rows
from .models import Models
from .record_batches import ddl_of
from .row_columns import scores_array, slices_array

Kind = Literal["pane", "row", "outcome", "rejected"]

ROW = pa.schema(
    [
        ("model", pa.string()),
        ("version", pa.string()),
        ("environment", pa.string()),
        ("id", pa.string()),
        ("time", pa.int64()),
        ("score", pa.float64()),
        ("scores", pa.binary()),
        ("predicted", pa.string()),
        ("weight", pa.float64()),
        ("slices", pa.string()),
    ]
)
"""What outcomes need of a prediction. ``time``: unix nanoseconds. ``score``: of a task with one score; ``scores``,
``slices``: see :mod:`.row_columns`."""

OUTCOME = pa.schema(
    [
        ("model", pa.string()),
        ("environment", pa.string()),
        ("id", pa.string()),
        ("actual", pa.string()),
        ("number", pa.float64()),
        ("outcome_time", pa.int64()),
        ("prediction_time", pa.int64()),
        ("outcome_weight", pa.float64()),
        ("retracted", pa.bool_()),
    ]
)
"""An outcome: a class as text or a number. ``environment``: null = any."""

_REJECTED = pa.schema([("reason", pa.string()), ("rows", pa.int64())])

SCHEMA = pa.unify_schemas([pa.schema([("kind", pa.string())]), pane_rows.SCHEMA, ROW, OUTCOME, _REJECTED])
"""All columns; those of other kinds are null."""

DDL = ddl_of(SCHEMA)
"""The columns of :data:`SCHEMA` for Spark."""

TOGETHER = 100_000
"""Rows that are folded together: fewer cost more per row, since each pane has thousands of sums."""

_BODIES = 256
"""Requests of traces that are decoded together."""

_FIRST = b"\n"
"""Key of the only field of a request. Requests without predictions are read no further."""

Signals = Mapping[str, Literal["traces", "logs"]]
"""Topic → the signal of its requests."""


class Folding:
    """Folds decoded tables, many rows at a time."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._waiting: dict[Any, list[PredictionTable]] = {}
        self._rows = 0
        self.rejected = Counter[str]()

    def take(self, decoded: Decoded, now: int) -> Iterator[pa.RecordBatch]:
        """Take what was decoded of requests; yield what is folded of it now."""
        self.rejected.update(decoded.rejected)
        for table in decoded.predictions:
            yield from self.add(table, now)
        for outcomes in decoded.outcomes:
            yield from self._outcomes(outcomes)

    def add(self, table: PredictionTable, now: int) -> Iterator[pa.RecordBatch]:
        """Take predictions; ``now``: unix nanoseconds, the time of their message."""
        model = self._models.get(table.key.model)
        if model is None:
            self.rejected["model_not_configured"] += len(table)
            return
        usable = np.flatnonzero(timely(table.time, now))
        self.rejected["time_out_of_range"] += len(table) - len(usable)
        if not len(usable):
            return
        prepared = model.prepared(table if len(usable) == len(table) else take_table(table, usable))
        if prepared is None:
            self.rejected["classes_differ"] += len(usable)
            return
        table = prepared
        self._waiting.setdefault(table_layout(table), []).append(table)
        self._rows += len(table)
        if self._rows >= TOGETHER:
            yield from self.flush()

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Yield panes and rows of all predictions that wait."""
        for tables in self._waiting.values():
            table = concatenate_predictions(tables)
            model = self._models[table.key.model]
            yield union("pane", model.fold(table, RowOutcomes()))
            yield union("row", _narrow(table))
        self._waiting, self._rows = {}, 0

    def counts(self) -> Iterator[pa.RecordBatch]:
        """Yield the counts of what could not be used."""
        found = +self.rejected
        if found:
            columns = {"reason": list(found), "rows": list(found.values())}
            yield union("rejected", pa.RecordBatch.from_pydict(columns, _REJECTED))

    def _outcomes(self, table: OutcomeTable) -> Iterator[pa.RecordBatch]:
        model = self._models.get(table.model)
        if model is None:
            self.rejected["model_not_configured"] += len(table)
            return
        task = model.task
        if task.ranks_items:
            self.rejected["outcome_of_ranking"] += len(table)
            return
        impossible = impossible_actuals(table.actual, task)
        if impossible.any():
            self.rejected[impossible_actual_reason(task)] += int(impossible.sum())
            table = take_table(table, np.flatnonzero(~impossible))
        rows = outcome_rows(table, 0, 0)
        ids = text_array(model.hashed(table.id))
        columns = {
            **{name: rows[name].combine_chunks() for name in ("model", "environment", "actual", "number")},
            "retracted": rows["retracted"].combine_chunks().fill_null(False),
            "id": ids,
            "outcome_time": rows["time"].combine_chunks(),
            "prediction_time": rows["prediction_time"].combine_chunks(),
            "outcome_weight": rows["weight"].combine_chunks(),
        }
        arrays = [columns[field.name].cast(field.type) for field in OUTCOME]
        yield union("outcome", pa.RecordBatch.from_arrays(arrays, schema=OUTCOME))


def union(kind: Kind, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows of one kind with the columns of all kinds."""
    n = len(batch)
    arrays = [
        batch.column(field.name) if field.name in batch.schema.names else pa.nulls(n, field.type) for field in SCHEMA
    ]
    arrays[0] = pa.repeat(pa.scalar(kind), n)
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def decode_messages(models: Models, signals: Signals, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what comes of messages, as rows of :data:`SCHEMA`.

    Args:
        models: The models of the configuration; rows of others are counted and left out.
        signals: The topics.
        batches: Messages with the columns ``topic``, ``value`` and ``timestamp``, when each was written.
    """
    folding = Folding(models)
    for batch in batches:
        times = batch.column("timestamp").cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        now = int(np.asarray(times).max(initial=0)) * 1000
        bodies: dict[str, list[bytes]] = {"traces": [], "logs": []}
        for topic, body in zip(batch.column("topic").to_pylist(), batch.column("value").to_pylist(), strict=True):
            bodies[signals[topic]].append(body or b"")
        for first in range(0, len(bodies["traces"]), _BODIES):
            for decoded in _decoded_together(bodies["traces"][first : first + _BODIES], now, folding.rejected):
                yield from folding.take(decoded, now)
        for body in bodies["logs"]:
            for decoded in _decoded(partial(decode_logs, body, now), folding.rejected):
                yield from folding.take(decoded, now)
    yield from folding.flush()
    yield from folding.counts()


def _decoded_together(bodies: Sequence[bytes], now: int, rejected: Counter[str]) -> Iterator[Decoded]:
    requests = [body for body in bodies if body.startswith(_FIRST) or not body]
    rejected["malformed_message"] += len(bodies) - len(requests)
    try:
        yield decode_traces_together(requests, now)
    except Malformed:
        for body in requests:
            yield from _decoded(partial(decode_traces, body, now), rejected)


def _decoded(decode: Callable[[], Decoded], rejected: Counter[str]) -> Iterator[Decoded]:
    try:
        yield decode()
    except Malformed:
        rejected["malformed_message"] += 1


def _narrow(table: PredictionTable) -> pa.RecordBatch:
    """Return the rows of a table as far as outcomes need them; rows without an id get none."""
    with_id = np.flatnonzero(np.diff(table.id.offsets))
    if len(with_id) < len(table):
        table = take_table(table, with_id)
    n, scores = len(table), table.scores
    is_single = scores is not None and scores.shape[1] == 1
    columns = {
        **{name: pa.repeat(pa.scalar(getattr(table.key, name)), n) for name in ("model", "version", "environment")},
        "id": text_array(table.id),
        "time": pa.array(table.time),
        "score": number_array(scores[:, 0] if scores is not None and is_single else None, n),
        "scores": scores_array(None if is_single else scores, n),
        "predicted": category_array(decided_classes(table), n),
        "weight": number_array(table.weight, n),
        "slices": slices_array(table.slices, n),
    }
    return pa.RecordBatch.from_arrays([columns[field.name].cast(field.type) for field in ROW], schema=ROW)
