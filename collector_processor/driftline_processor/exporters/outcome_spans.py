"""Outcome spans: a child span of the prediction's span for each outcome of a sampled prediction.

Ids follow from the prediction and the content of the outcome, so that a repeat is the same span and a correction is
another one. A span has the time at which its outcome arrived, because backends reject old times and a label may be of
last year; the time of the outcome is in ``driftline.outcome.time_unix_nano``. An outcome within the trace window after
its prediction joins the trace, because backends still have it; a later one starts a new trace with a link.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from driftline.capture.model_identity import VERSION
from driftline.semconv import SCHEMA_URL
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.classes import class_text
from driftline.tables.table import F64, I64, ModelKey
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from driftline_processor.core.decode.otlp_rows import OWN_SCOPE
from driftline_processor.core.lazy_modules import pc
from driftline_processor.health import Counters
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.store.arrow_tables import traced_rows

from .derived_metrics import SERVICE

TRACE_WINDOW: Final = 24 * 3_600 * 10**9
"""Nanoseconds after the arrival of a prediction in which its outcome joins the trace."""

MOST_PER_SECOND: Final = 100.0
"""Maximum number of spans per second, so that a file of a million labels does not become a million spans."""

_OPERATION = "outcome"


class JoinedRows(Struct, frozen=True):
    """n sampled predictions of one model with their outcomes.

    Attributes:
        time: int64 (n,), unix nanoseconds, as sent.
        score: float64 (n,), for a regression the value, NaN if missing.
        predicted: The decided class, None for a regression.
        actual: Class texts, or numbers of a regression.
        outcome_time: int64 (n,), unix nanoseconds, as sent.
        received: Arrival of the predictions.
        outcome_received: Arrival of the outcomes.
        weight: float64 (n,).
        trace_id: 16 bytes each.
        span_id: 8 bytes each.
        value: Values of the outcomes.
        item: For a ranking, the item of each outcome.
        slices: As stored.
    """

    key: ModelKey
    id: Sequence[str]
    time: I64
    score: F64
    predicted: Sequence[str | None]
    actual: Sequence[str | float]
    outcome_time: I64
    received: I64
    outcome_received: I64
    weight: F64
    trace_id: Sequence[bytes]
    span_id: Sequence[bytes]
    value: Sequence[float | None]
    item: Sequence[str | None]
    slices: Sequence[object]

    def __len__(self) -> int:
        return len(self.time)


def joined_rows(joined: pa.Table, keys: Mapping[int, ModelKey]) -> list[JoinedRows]:
    """Return the sampled rows of a join, by model.

    Args:
        joined: Rows of ``State.on_joined``.
        keys: The model of each series; rows of other series are left out.
    """
    sampled = traced_rows(joined)
    tables = []
    for number in pc.unique(sampled["series"]).to_pylist():
        if number in keys:
            rows = sampled.filter(pc.equal(sampled["series"], number))
            predicted = rows["predicted"].to_pylist()
            pairs = zip(rows["actual"].to_pylist(), rows["number"].to_pylist(), strict=True)
            tables.append(
                JoinedRows(
                    key=keys[number],
                    id=rows["id"].to_pylist(),
                    time=rows["time"].to_numpy(),
                    score=_floats(rows["score"]),
                    predicted=predicted,
                    actual=[
                        value if regression and value is not None else class_text(value if text is None else text)
                        for (text, value), regression in zip(pairs, (label is None for label in predicted), strict=True)
                    ],
                    outcome_time=rows["outcome_time"].to_numpy(),
                    received=rows["received"].to_numpy(),
                    outcome_received=rows["outcome_received"].to_numpy(),
                    weight=_floats(rows["weight"]),
                    trace_id=rows["trace_id"].to_pylist(),
                    span_id=rows["span_id"].to_pylist(),
                    value=rows["value"].to_pylist(),
                    item=rows["item"].to_pylist(),
                    slices=rows["slices"].to_pylist(),
                )
            )
    return tables


def _floats(column: pa.ChunkedArray) -> F64:
    return np.asarray(column.to_numpy(), dtype=np.float64)


def spans_request(rows: Iterable[JoinedRows], links: Links = NO_LINKS) -> bytes:
    """Return outcome spans as the body of an ``ExportTraceServiceRequest``; ``links``: addresses of pages."""
    request = ExportTraceServiceRequest()
    scopes = {}
    for table in rows:
        environment = table.key.environment
        if environment not in scopes:
            resource = request.resource_spans.add()
            resource.resource.attributes.append(_text(a.SERVICE_NAME, SERVICE))
            if environment:
                resource.resource.attributes.append(_text(a.DEPLOYMENT_ENVIRONMENT_NAME, environment))
            scopes[environment] = resource.scope_spans.add(schema_url=SCHEMA_URL)
            scopes[environment].scope.name, scopes[environment].scope.version = OWN_SCOPE, VERSION
        scopes[environment].spans.extend(_spans(table, links))
    return bytes(request.SerializeToString())


def _spans(rows: JoinedRows, links: Links) -> Iterator[Span]:
    key = rows.key
    model = [_text(a.ML_OPERATION_NAME, _OPERATION), _text(a.ML_MODEL_NAME, key.model)]
    if key.version:
        model.append(_text(a.ML_MODEL_VERSION, key.version))
    for row in range(len(rows)):
        arrived = max(int(rows.received[row]), int(rows.outcome_received[row]))  # the outcome may arrive first
        trace_id, parent = rows.trace_id[row], rows.span_id[row]
        outcome_fields = (int(rows.time[row]), int(rows.outcome_time[row]), rows.actual[row], float(rows.weight[row]))
        more = (rows.value[row], rows.item[row], rows.slices[row])
        span_fields = (key.environment, key.model, rows.id[row], *outcome_fields, *more)
        identity = trace_id + parent + repr(span_fields).encode("utf-8", "replace")
        span = Span(
            trace_id=trace_id,
            parent_span_id=parent,
            span_id=_digest(identity, 8),
            name=f"{_OPERATION} {key.model}",
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=arrived,
            end_time_unix_nano=arrived,
            attributes=[*model, _text(a.ML_PREDICTION_ID, rows.id[row]), *_values(rows, row)],
        )
        if page := links.prediction_link(key, rows.id[row]):
            span.attributes.append(_text(a.DRIFTLINE_PAGE_URL_FULL, page))
        if arrived - int(rows.received[row]) > TRACE_WINDOW:
            span.trace_id, span.parent_span_id = _digest(identity, 16), b""
            span.links.add(trace_id=trace_id, span_id=parent)
        yield span


def _values(rows: JoinedRows, row: int) -> Iterator[KeyValue]:
    score, predicted, actual = float(rows.score[row]), rows.predicted[row], rows.actual[row]
    if not math.isnan(score):
        name = a.ML_PREDICTION_VALUE if predicted is None else a.ML_PREDICTION_SCORE
        yield KeyValue(key=name, value=AnyValue(double_value=score))
    if predicted is not None:
        yield _text(a.ML_PREDICTION_CLASS, predicted)
    if isinstance(actual, str):
        yield _text(a.ML_OUTCOME_ACTUAL, actual)
    else:
        yield KeyValue(key=a.ML_OUTCOME_ACTUAL, value=AnyValue(double_value=actual))
    yield KeyValue(key=a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO, value=AnyValue(int_value=int(rows.outcome_time[row])))
    if rows.weight[row] != 1.0:
        yield KeyValue(key=a.DRIFTLINE_OUTCOME_WEIGHT, value=AnyValue(double_value=float(rows.weight[row])))
    item, worth = rows.item[row], rows.value[row]
    if item is not None:
        yield _text(a.DRIFTLINE_OUTCOME_ITEM, item)
    if worth is not None:
        yield KeyValue(key=a.DRIFTLINE_OUTCOME_VALUE, value=AnyValue(double_value=worth))


def _text(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=text))


def _digest(identity: bytes, size: int) -> bytes:
    return hashlib.blake2b(identity, digest_size=size).digest()


class OutcomeSpans:
    """Creates spans for joined rows, and offers them to every destination: a listener of ``State.on_joined``.

    Above ``per_second`` outcomes per second, averaged over a second, the rest is counted and gets no span.

    Args:
        keys: Reads the model of every series; called again for a new series.
        clock: Seconds.
        links: External addresses of the pages of predictions.
    """

    def __init__(
        self,
        keys: Callable[[], Mapping[int, ModelKey]],
        offers: Sequence[Callable[[bytes], object]],
        counters: Counters,
        per_second: float = MOST_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
        links: Links = NO_LINKS,
    ) -> None:
        self._links = links
        self._read_keys, self._offers, self._counters = keys, offers, counters
        self._per_second, self._clock = per_second, clock
        self._keys: Mapping[int, ModelKey] = {}
        self._room, self._filled = per_second, clock()

    def __call__(self, joined: pa.Table) -> None:
        """Add the rows of one join."""
        if not self._offers:
            return
        sampled = traced_rows(joined)
        allowed = self._take(len(sampled))
        if allowed < len(sampled):
            self._counters.add(m.DRIFTLINE_SKIPPED_OUTCOME_SPANS, len(sampled) - allowed)
        if not allowed:
            return
        allowed_rows = sampled.slice(0, allowed)
        if not set(pc.unique(allowed_rows["series"]).to_pylist()) <= self._keys.keys():
            self._keys = self._read_keys()
        body = spans_request(joined_rows(allowed_rows, self._keys), self._links)
        for offer in self._offers:
            offer(body)

    def _take(self, requested: int) -> int:
        """Return how many of ``requested`` outcomes may have a span now."""
        now = self._clock()
        self._room = min(self._per_second, self._room + (now - self._filled) * self._per_second)
        self._filled = now
        allowed = min(requested, int(self._room))
        self._room -= allowed
        return allowed
