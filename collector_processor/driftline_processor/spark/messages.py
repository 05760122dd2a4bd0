"""Decode the messages of topics on an executor: OTLP requests, as the Kafka exporter of the Collector writes them.

What comes of a micro-batch is one table of four kinds of rows, because Spark reads the messages once: panes, rows for
outcomes that arrive later, outcomes, and counts of what could not be used. Outcomes are packed, since Spark passes a
few large values faster than many small ones, and they are read once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    decode_logs_together,
    decode_traces,
    decode_traces_together,
)
from driftline_processor.core.outcomes.resolution import impossible_actual_reason, impossible_actuals
from driftline_processor.store.arrow_tables import (
    concatenate_predictions,
    integers_of,
    outcome_rows,
    table_layout,
    take_table,
)

from . import pane_rows
from .models import Models
from .outcome_columns import OUTCOME, ROW
from .record_batches import PACKED, REJECTED, as_kind, by_key, days_of, ddl_of, pack_table, rejected_rows
from .row_columns import items_array, scores_array, slices_array

SCHEMA = pa.unify_schemas(
    [
        pa.schema([("kind", pa.string()), ("day", pa.string())]),
        pane_rows.SCHEMA,
        ROW,
        PACKED,
        REJECTED,
    ]
)
"""All columns; those of other kinds are null. ``packed``: outcomes, whose columns are :data:`OUTCOME`."""

DDL = ddl_of(SCHEMA)
"""The columns of :data:`SCHEMA` for Spark."""

TOGETHER = 100_000
"""Rows that are folded together: fewer cost more per row, since each pane has thousands of sums."""

_BODIES, _BYTES = 256, 8 << 20
"""Maximum requests that are decoded together, and of their bytes; a larger request is decoded alone."""

_FIRST = b"\n"
"""Key of the only field of a request. Requests without predictions are read no further."""

Signal = Literal["traces", "logs"]

Signals = Mapping[str, Signal]
"""Topic → the signal of its requests."""

_Decoders = tuple[Callable[[Sequence[bytes], int], Decoded], Callable[[bytes, int], Decoded]]

_DECODERS: Mapping[Signal, _Decoders] = {
    "traces": (decode_traces_together, decode_traces),
    "logs": (decode_logs_together, decode_logs),
}
"""How the requests of a signal are decoded: together, and alone if one of them is malformed."""


class Folding:
    """Folds decoded tables, many rows at a time."""

    def __init__(self, models: Models, epoch: int) -> None:
        self._models, self._epoch = models, epoch
        self._waiting: dict[Any, list[PredictionTable]] = {}
        self._outcomes: list[pa.Table] = []
        self._rows = 0
        self.rejected = Counter[str]()

    def take(self, decoded: Decoded, now: int) -> Iterator[pa.RecordBatch]:
        """Take what was decoded of requests; yield what is folded of it now."""
        self.rejected.update(decoded.rejected)
        for table in decoded.predictions:
            yield from self.add(table, now)
        for outcomes in decoded.outcomes:
            yield from self._add_outcomes(outcomes)

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
        """Yield panes and rows of all predictions, and all outcomes that wait."""
        for tables in self._waiting.values():
            table = concatenate_predictions(tables)
            model = self._models[table.key.model]
            yield as_kind("pane", None, model.fold(table, RowOutcomes()), SCHEMA)
            rows = _narrow(table)
            yield as_kind("row", days_of(np.asarray(rows["time"])), rows, SCHEMA)
        if self._outcomes:
            outcomes = pa.concat_tables(self._outcomes)
            named = days_of(integers_of(outcomes, "prediction_time"))
            for (day,), same in by_key(outcomes.append_column("day", named), ["day"]):
                packed = pa.RecordBatch.from_pydict({"packed": [pack_table(same.drop_columns("day"))]}, PACKED)
                yield as_kind("outcome", day, packed, SCHEMA)
        self._waiting, self._outcomes, self._rows = {}, [], 0

    def counts(self) -> Iterator[pa.RecordBatch]:
        """Yield the counts of what could not be used."""
        yield from rejected_rows(self.rejected, SCHEMA)

    def _add_outcomes(self, table: OutcomeTable) -> Iterator[pa.RecordBatch]:
        model = self._models.get(table.model)
        if model is None:
            self.rejected["model_not_configured"] += len(table)
            return
        task = model.task
        impossible = impossible_actuals(table.actual, task)
        if impossible.any():
            self.rejected[impossible_actual_reason(task)] += int(impossible.sum())
            table = take_table(table, np.flatnonzero(~impossible))
        rows = outcome_rows(table, 0, 0)
        columns = {
            **{name: rows[name] for name in ("model", "environment", "actual", "number", "prediction_time")},
            "id": text_array(model.hashed(table.id)),
            "outcome_time": rows["time"],
            "outcome_weight": rows["weight"],
            "retracted": rows["retracted"].combine_chunks().fill_null(False),
            "arrived": np.full(len(rows), self._epoch),
            "item": rows["item"],
        }
        self._outcomes.append(pa.table({name: columns[name] for name in OUTCOME.names}).cast(OUTCOME))
        self._rows += len(rows)
        if self._rows >= TOGETHER:
            yield from self.flush()


def decode_messages(
    models: Models, signals: Signals, epoch: int, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Yield what comes of messages, as rows of :data:`SCHEMA`.

    Args:
        models: The models of the configuration; rows of others are counted and left out.
        signals: The topics.
        epoch: Number of the micro-batch.
        batches: Messages with the columns ``topic``, ``value`` and ``timestamp``, when each was written.
    """
    folding = Folding(models, epoch)
    for batch in batches:
        times = batch.column("timestamp").cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        now = int(np.asarray(times).max(initial=0)) * 1000
        bodies: dict[Signal, list[bytes]] = {"traces": [], "logs": []}
        for topic, body in zip(batch.column("topic").to_pylist(), batch.column("value").to_pylist(), strict=True):
            bodies[signals[topic]].append(body or b"")
        for signal, requests in bodies.items():
            for decoded in _decoded(_DECODERS[signal], requests, now, folding.rejected):
                yield from folding.take(decoded, now)
    yield from folding.flush()
    yield from folding.counts()


def _decoded(decoders: _Decoders, bodies: Sequence[bytes], now: int, rejected: Counter[str]) -> Iterator[Decoded]:
    decode_together, decode_one = decoders
    requests = [body for body in bodies if body.startswith(_FIRST) or not body]
    rejected["malformed_message"] += len(bodies) - len(requests)
    for some in _chunks(requests):
        try:
            yield decode_together(some, now)
        except Malformed:
            for body in some:
                try:
                    yield decode_one(body, now)
                except Malformed:
                    rejected["malformed_message"] += 1


def _chunks(bodies: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield the bodies in lists that are decoded together."""
    waiting, size = list[bytes](), 0
    for body in bodies:
        if waiting and (len(waiting) == _BODIES or size + len(body) > _BYTES):
            yield waiting
            waiting, size = [], 0
        waiting.append(body)
        size += len(body)
    if waiting:
        yield waiting


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
        "items": items_array(table.items, n),
        "left_out": pa.nulls(n) if table.items is None or table.items.left_out is None else table.items.left_out,
    }
    return pa.RecordBatch.from_arrays([columns[field.name].cast(field.type) for field in ROW], schema=ROW)
