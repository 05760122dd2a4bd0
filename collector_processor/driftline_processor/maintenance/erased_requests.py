"""Remove deleted rows from the log of requests, so that they are not forwarded.

The analysis has read everything by then. A request with deleted rows is appended again without their spans or log
records, and overwritten with a blank. A columnar record is removed as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from driftline.tables.table import ModelKey, OutcomeTable, PredictionTable
from msgspec.structs import replace

from driftline_processor.core.arrow_arrays import text_array
from driftline_processor.core.lazy_modules import pc
from driftline_processor.ingest.decoding import Decoding
from driftline_processor.ingest.transaction import Request
from driftline_processor.log.entry_format import FOR_DESTINATIONS, Stored
from driftline_processor.log.request_log import RequestLog
from driftline_processor.otlp.envelope import records_of
from driftline_processor.store.arrow_tables import canonical_texts, subjects_of

from .erasure import ErasureOrder

_MOST_BYTES = 4 << 20
"""Bytes of the log per read."""


class ErasedRows:
    """Finds requests with deleted rows.

    Args:
        orders: The deletion orders; for rows found by subject also their ids.
        subject_of: Returns the feature or slice with the subjects of a model, None if not configured.
    """

    def __init__(self, orders: Sequence[ErasureOrder], subject_of: Callable[[str], str | None]) -> None:
        self._orders, self._subject_of = orders, subject_of

    def hold(self, request: Request) -> bool:
        """Return True if a request contains a deleted row."""
        return any(self._holds(order, request) for order in self._orders)

    def _holds(self, order: ErasureOrder, request: Request) -> bool:
        tables: list[PredictionTable | OutcomeTable] = [*request.predictions, *request.outcomes]
        if order.by != "model":
            return any(self._holds_row(order, table) for table in tables)
        keys = [*(table.key for table in request.predictions), *(point.key for point in request.points)]
        outcomes = any(
            table.model == order.model and order.environment in (None, table.environment) and not order.values
            for table in request.outcomes
        )
        keys += [ModelKey(run.model, run.version, run.environment) for run in request.training_runs]
        return outcomes or any(_is_of(order, key) for key in [*keys, *_baselines(request)])

    def _holds_row(self, order: ErasureOrder, table: PredictionTable | OutcomeTable) -> bool:
        model, environment = (
            (table.key.model, table.key.environment)
            if isinstance(table, PredictionTable)
            else (table.model, table.environment)
        )
        if model != order.model or (order.environment is not None and environment not in (None, order.environment)):
            return False
        if order.by == "id":
            row_ids = text_array(table.id)
        else:
            row_ids = canonical_texts(subjects_of(table, self._subject_of(model)), len(table))
        return bool(pc.any(pc.is_in(row_ids, pa.array(order.values, pa.string()))).as_py())


def _is_of(order: ErasureOrder, key: ModelKey) -> bool:
    return (
        key.model == order.model
        and (not order.values or key.version in order.values)
        and order.environment in (None, key.environment)
    )


def _baselines(request: Request) -> Iterator[ModelKey]:
    for text in request.baselines:
        try:
            content = json.loads(text)
            yield ModelKey(str(content["model"]), str(content.get("version", "")), "")
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # not a baseline, and not stored anywhere


def erase_requests(log: RequestLog, decoding: Decoding, rows: ErasedRows) -> int:
    """Remove deleted rows from the running log; return the number of requests with such rows.

    Args:
        log: A log that the analysis has read completely.
        decoding: Decodes requests.
        rows: Finds requests with deleted rows.
    """
    log.let_go()
    position, end, erased = log.first, log.end, 0
    while position < end:
        stored_requests = log.read(position, _MOST_BYTES)
        for stored in stored_requests.stored:
            if stored.position < end and rows.hold(_request(decoding, stored)):
                _keep_the_others(log, decoding, rows, stored)
                log.erase(stored)
                erased += 1
        position = stored_requests.following
    return erased


def _request(decoding: Decoding, stored: Stored, body: bytes | None = None) -> Request:
    entry = stored.entry
    return decoding.request(entry.signal, entry.body if body is None else body, entry.received)


def _keep_the_others(log: RequestLog, decoding: Decoding, rows: ErasedRows, stored: Stored) -> None:
    """Append the records of a request without deleted rows, for the destinations."""
    entry = stored.entry
    if not entry.readers & FOR_DESTINATIONS:
        return
    bodies = [body for body in records_of(entry.body) if not rows.hold(_request(decoding, stored, body))]
    if bodies:
        log.append(replace(entry, body=b"".join(bodies), readers=FOR_DESTINATIONS)).result()
