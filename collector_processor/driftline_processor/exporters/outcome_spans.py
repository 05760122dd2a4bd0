"""Outcome spans: a span for each outcome of a sampled prediction.

Ids follow from the prediction and the content of the outcome, so that a repeat is the same span and a correction is
another one. A span has the time at which its outcome arrived, because backends reject old times and a label may be of
last year; the time of the outcome is in ``driftline.outcome.time_unix_nano``. Each span has a link to the prediction's
span. An outcome within the trace window after its prediction is also its child, because backends still have the trace,
unless an exporter has ``outcome_parent: none``; any other outcome starts a new trace.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from driftline.semconv import SCHEMA_URL
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.classes import class_text
from driftline.tables.table import ModelKey
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from driftline_processor.config.exporters import OutcomeParent
from driftline_processor.core.lazy_modules import pc
from driftline_processor.health import Counters
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.store.arrow_tables import traced_rows

from .derived_metrics import set_origin, text_value

TRACE_WINDOW: Final = 24 * 3_600 * 10**9
"""Nanoseconds after the arrival of a prediction in which its outcome joins the trace."""

MOST_PER_SECOND: Final = 100.0
"""Maximum number of spans per second, so that a file of a million labels does not become a million spans."""

_OPERATION = "outcome"
_DURATION = 1_000  # nanoseconds; Jaeger reads microseconds, and warns about a span without a duration


JoinedRow = Mapping[str, Any]
"""A row of ``State.on_joined``: a sampled prediction with its outcome."""


def spans_request(
    rows: Iterable[tuple[ModelKey, JoinedRow]], links: Links = NO_LINKS, *, parent: OutcomeParent = "prediction"
) -> bytes:
    """Return outcome spans as the body of an ``ExportTraceServiceRequest``; ``links``: addresses of pages."""
    request = ExportTraceServiceRequest()
    scopes = {}
    for key, row in rows:
        environment = key.environment
        if environment not in scopes:
            resource = request.resource_spans.add()
            scopes[environment] = resource.scope_spans.add(schema_url=SCHEMA_URL)
            set_origin(resource, scopes[environment], environment)
        scopes[environment].spans.append(_span(key, row, links, parent))
    return bytes(request.SerializeToString())


def _span(key: ModelKey, row: JoinedRow, links: Links, parent: OutcomeParent) -> Span:
    text, number = row["actual"], row["number"]
    is_number = row["predicted"] is None and number is not None  # the outcome of a regression
    actual = number if is_number else class_text(number if text is None else text)
    trace_id, span_id = row["trace_id"], row["span_id"]
    outcome_fields = (row["time"], row["outcome_time"], actual, row["weight"])
    span_fields = (key.environment, key.model, row["id"], *outcome_fields, row["value"], row["item"], row["slices"])
    identity = trace_id + span_id + repr(span_fields).encode("utf-8", "replace")
    arrived = max(row["received"], row["outcome_received"])  # the outcome may arrive first
    span = Span(
        trace_id=trace_id,
        span_id=_digest(identity, 8),
        name=f"{_OPERATION} {key.model}",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=arrived,
        end_time_unix_nano=arrived + _DURATION,
        attributes=_attributes(key, row, actual),
    )
    if page := links.prediction_link(key, row["id"]):
        span.attributes.append(text_value(a.DRIFTLINE_PAGE_URL_FULL, page))
    if parent == "none" or arrived - row["received"] > TRACE_WINDOW:
        span.trace_id = _digest(identity, 16)
    else:
        span.parent_span_id = span_id
    span.links.add(trace_id=trace_id, span_id=span_id)
    return span


def _attributes(key: ModelKey, row: JoinedRow, actual: str | float) -> Iterator[KeyValue]:
    score, predicted = row["score"], row["predicted"]
    yield text_value(a.ML_OPERATION_NAME, _OPERATION)
    yield text_value(a.ML_MODEL_NAME, key.model)
    if key.version:
        yield text_value(a.ML_MODEL_VERSION, key.version)
    yield text_value(a.ML_PREDICTION_ID, row["id"])
    if score is not None and not math.isnan(score):
        yield _number(a.ML_PREDICTION_VALUE if predicted is None else a.ML_PREDICTION_SCORE, score)
    if predicted is not None:
        yield text_value(a.ML_PREDICTION_CLASS, predicted)
    yield text_value(a.ML_OUTCOME_ACTUAL, class_text(actual))
    yield KeyValue(key=a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO, value=AnyValue(int_value=row["outcome_time"]))
    if row["weight"] != 1.0:
        yield _number(a.DRIFTLINE_OUTCOME_WEIGHT, row["weight"])
    if row["item"] is not None:
        yield text_value(a.DRIFTLINE_OUTCOME_ITEM, row["item"])
    if row["value"] is not None:
        yield _number(a.DRIFTLINE_OUTCOME_VALUE, row["value"])


def _number(key: str, number: float) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(double_value=number))


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
        offers: Mapping[OutcomeParent, Sequence[Callable[[bytes], object]]],
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
        if not any(self._offers.values()):
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
        rows = [(self._keys[row["series"]], row) for row in allowed_rows.to_pylist() if row["series"] in self._keys]
        for parent, offers in self._offers.items():
            body = spans_request(rows, self._links, parent=parent) if offers else b""
            for offer in offers:
                offer(body)

    def _take(self, requested: int) -> int:
        """Return how many of ``requested`` outcomes may have a span now."""
        now = self._clock()
        self._room = min(self._per_second, self._room + (now - self._filled) * self._per_second)
        self._filled = now
        allowed = min(requested, int(self._room))
        self._room -= allowed
        return allowed
