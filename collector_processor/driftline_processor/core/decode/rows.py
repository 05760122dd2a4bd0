"""From a parsed request to the rows worth reading; most spans and log records of real traffic are none of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

import numpy as np
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables import Ids
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from . import template, wire
from .cells import Grid
from .values import label

MARK: Final = a.ML_MODEL_NAME.split(".")[0].encode() + b"."
"""In the bytes of everything that concerns us; what lacks it is skipped at the speed of memchr."""

OWN_SCOPE: Final = "driftline.processor"
"""The instrumentation scope of derived telemetry, which is never analysed: it would come round again."""

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_EVENT_NAME: Final = "event.name"  # where SDKs put it before LogRecord.event_name existed
_OLD_ENVIRONMENT: Final = "deployment.environment"  # before semantic conventions 1.27


@dataclass(slots=True)
class Rows:
    """n spans or records. ``attributes``: per row ``KeyValue`` messages, or their bytes where ``lean``.

    ``time``: start, or when it happened, else when it was observed; ``end``: of spans; ``observed``: of records, when
    they were written; unsigned nanoseconds.
    ``environment``: None where the resource has none.
    """

    lean: bool
    attributes: list[Any] = field(default_factory=list)
    trace_id: list[bytes] = field(default_factory=list)
    span_id: list[bytes] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    observed: list[int] = field(default_factory=list)
    trace_state: list[str] = field(default_factory=list)
    environment: list[str | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.attributes)

    def append(self, row: Any, attributes: Any, environment: str | None) -> None:
        """Add what spans and records have in common."""
        self.attributes.append(attributes)
        self.trace_id.append(row.trace_id)
        self.span_id.append(row.span_id)
        self.environment.append(environment)

    def grid(self) -> Grid:
        """Read the attributes of all rows into columns."""
        grid = Grid(len(self))
        if self.lean:
            template.fill(grid, self.attributes)
        else:
            for row, attributes in enumerate(self.attributes):
                grid.put(row, attributes)
        return grid


@dataclass(slots=True)
class Records:
    """The log records of a request by what they are. Batches come with their environment."""

    predictions: Rows
    outcomes: Rows
    batches: list[tuple[LogRecord, str | None]] = field(default_factory=list)
    baselines: list[LogRecord] = field(default_factory=list)


def spans(request: ExportTraceServiceRequest, body: bytes) -> Rows:
    """Collect the spans that hold an attribute of ours."""
    lean = any(len(scope.spans) >= template.MIN_ROWS for r in request.resource_spans for scope in r.scope_spans)
    rows = Rows(lean)
    envelope = wire.envelope(body) if lean else repeat(repeat(()))
    for resource, raw_scopes in zip(request.resource_spans, envelope, strict=False):
        environment = environment_of(resource.resource.attributes)
        for scope, raws in zip(resource.scope_spans, raw_scopes, strict=False):
            if scope.scope.name == OWN_SCOPE:
                continue
            for span in map(wire.span, _marked(raws)) if lean else filter(_is_marked, scope.spans):
                rows.append(span, span.attributes[:] if lean else span.attributes, environment)
                rows.time.append(span.start_time_unix_nano)
                rows.end.append(span.end_time_unix_nano)
                rows.trace_state.append(span.trace_state)
    return rows


def records(request: ExportLogsServiceRequest, body: bytes) -> Records:
    """Collect the log records that are events of ours."""
    lean = any(len(scope.log_records) >= template.MIN_ROWS for r in request.resource_logs for scope in r.scope_logs)
    found = Records(Rows(lean), Rows(lean))
    envelope = wire.envelope(body) if lean else repeat(repeat(()))
    for resource, raw_scopes in zip(request.resource_logs, envelope, strict=False):
        environment = environment_of(resource.resource.attributes)
        for scope, raws in zip(resource.scope_logs, raw_scopes, strict=False):
            if scope.scope.name == OWN_SCOPE:
                continue
            for raw in _marked(raws):
                _sort(wire.record(raw), raw, environment, found)
            if not lean:
                for record in scope.log_records:
                    _sort(record, None, environment, found)
    return found


def _sort(record: LogRecord | wire.LeanRecord, raw: bytes | None, environment: str | None, found: Records) -> None:
    """Put a record where it belongs. ``raw``: its bytes, where it is a lean one."""
    attributes: Any = record.attributes if raw is None else record.attributes[:]
    name = record.event_name or _event_name(attributes, raw)
    if name in (events.ML_PREDICTION, events.ML_OUTCOME):
        rows = found.predictions if name == events.ML_PREDICTION else found.outcomes
        rows.append(record, attributes, environment)
        rows.time.append(record.time_unix_nano or record.observed_time_unix_nano)
        rows.observed.append(record.observed_time_unix_nano or record.time_unix_nano)
    elif name in (events.ML_PREDICTION_BATCH, events.ML_BASELINE):
        whole: Any = record if raw is None else LogRecord.FromString(raw)
        if name == events.ML_BASELINE:
            found.baselines.append(whole)
        else:
            found.batches.append((whole, environment))


def _event_name(attributes: Iterable[Any], raw: bytes | None) -> str:
    if raw is not None:
        if _EVENT_NAME.encode() not in raw:
            return ""
        attributes = map(KeyValue.FromString, attributes)
    name = ""
    for attribute in attributes:
        if attribute.key == _EVENT_NAME:
            name = attribute.value.string_value
    return name


def _marked(raws: Iterable[bytes]) -> Iterator[bytes]:
    return (raw for raw in raws if MARK in raw)


def _is_marked(span: Any) -> bool:
    prefix = MARK.decode()
    return any(attribute.key.startswith(prefix) for attribute in span.attributes)


def environment_of(attributes: Iterable[KeyValue]) -> str | None:
    """Return the environment that a resource names; None where it names none."""
    found = {attribute.key: attribute.value.string_value for attribute in attributes}
    name = found.get(a.DEPLOYMENT_ENVIRONMENT_NAME) or found.get(_OLD_ENVIRONMENT)
    return label(name) if name else None


def trace_columns(trace_ids: Sequence[bytes], span_ids: Sequence[bytes]) -> tuple[Ids, Ids] | None:
    """Return trace and span ids as V16 and V8; a pair that is not valid is all zero. None where no row has a pair."""
    valid = [is_sampled(trace, span) for trace, span in zip(trace_ids, span_ids, strict=True)]
    if not any(valid):
        return None
    if not all(valid):
        trace_ids = [trace if fine else _NO_TRACE for trace, fine in zip(trace_ids, valid, strict=True)]
        span_ids = [span if fine else _NO_SPAN for span, fine in zip(span_ids, valid, strict=True)]
    return np.frombuffer(b"".join(trace_ids), "V16"), np.frombuffer(b"".join(span_ids), "V8")


def is_sampled(trace_id: bytes, span_id: bytes) -> bool:
    """Tell whether these are the ids of a span: of the right length, and not all zero."""
    return len(trace_id) == 16 and len(span_id) == 8 and trace_id != _NO_TRACE and span_id != _NO_SPAN
