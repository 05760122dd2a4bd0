"""Decode OTLP requests: traces, logs and metrics, from any OpenTelemetry SDK or from Driftline's.

    spans = decode_traces(body, now)
    records = decode_logs(body, now)
    records.predictions, records.outcomes, records.baselines, records.training_runs, records.rejected
    distributions = decode_metrics(body, now)
    distributions.points

Decoding is the validation: a request that protobuf rejects at any depth is rejected as a whole, every other request is
used as far as possible. ``docs/reference/wire.md`` lists what is read and every reason of rejection. Messages are
counted first, since two bytes are an empty span, of which the generated classes make 200.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import numpy as np
from driftline.tables.table import OutcomeTable, PredictionTable
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from msgspec import Struct, field
from numpy.typing import NDArray
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from driftline_processor.core.business import BusinessPoint, CumulativePoint

from . import business_points, foreign_metrics, otlp_rows
from . import metric_points as points
from . import outcome_records as outcomes
from . import prediction_batches as columnar
from . import prediction_rows as predictions
from . import training_runs as training
from .business_points import NONE as NO_BUSINESS
from .business_points import BusinessMetrics
from .foreign_metrics import Mappings
from .metric_points import Point
from .training_runs import TrainingRun

_REPEATED = tuple(range(1, 14))
"""Field numbers, in any OTLP message, that repeat or contain repeated fields: spans, events, points, exemplars."""

_ROWS, _DEEPEST, _BYTES = 2, 8, 7
"""Depths of rows and of the deepest parts of OTLP; field number of the bytes of a value."""


def _outline() -> type[Message]:
    """Return a message class that reads any message as the bytes of its fields."""
    file = descriptor_pb2.FileDescriptorProto(name="driftline/wire.proto", package="driftline.wire", syntax="proto3")
    message = file.message_type.add(name="Outline")
    kind = descriptor_pb2.FieldDescriptorProto
    for number in _REPEATED:
        message.field.add(name=f"field_{number}", number=number, type=kind.TYPE_BYTES, label=kind.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName("driftline.wire.Outline"))
    return made


_Outline = _outline()


def count_messages(body: bytes, most: int, columns: bool = True) -> int:
    r"""Count resources, scopes and rows of a request, and the parts of large rows; stop above ``most``.

    ``columns``: whether field 7 is the bytes of a column, which must not be parsed. In metrics it is a sum, or the
    attributes of a point.

    >>> count_messages(b"\x0a\x00" * 500_000, 1_000_000)
    500000
    """
    counted, waiting = 0, [(body, 0)]
    while waiting:
        data, depth = waiting.pop()
        try:
            outline = _Outline.FromString(data)
        except DecodeError:
            continue  # a text or a number; the full parser decides about invalid messages
        for outline_field, parts in outline.ListFields():
            if columns and outline_field.number == _BYTES:
                continue
            counted += len(parts)
            if counted > most:
                return counted  # before millions of empty parts become objects
            if depth < _DEEPEST:
                # 2**16: bytes of a row, or of a part of it, from which on its parts are counted, too
                waiting += [(part, depth + 1) for part in parts if depth < _ROWS or len(part) > 2**16]
    return counted


Request = TypeVar("Request", bound=Message)

__all__ = [
    "Decoded",
    "LimitsExceeded",
    "Malformed",
    "Mappings",
    "Point",
    "TooManyMessages",
    "decode_bounded_traces",
    "decode_logs",
    "decode_logs_together",
    "decode_metrics",
    "decode_traces",
    "decode_traces_together",
]


NONE_MAPPED: Mappings = {}

MAX_MESSAGES = 500_000
"""Maximum spans, log records or metrics of one request: 40 bytes each in the largest. A span has 50 before its
attributes.
"""


MAX_ROWS: Final = 1_000_000
"""Maximum rows of the batches of one request, as of one batch: a code of one byte is a row of 150 bytes in memory."""


_OF_A_REQUEST = ("too_many_features", "too_many_models", "too_many_batches")
"""Reasons that several bodies together may cause although none does alone."""


class Malformed(ValueError):  # noqa: N818 - the state of a request, and what its sender is told
    """The body is not the expected protobuf message; nothing was used."""


class TooManyMessages(Malformed):
    """The body contains too many messages; nothing was used."""


class LimitsExceeded(Exception):  # noqa: N818 - each body may be within the limits
    """Several bodies together have more columns or tables than a request may have."""


class Decoded(Struct):
    """The decoded content of one request.

    Attributes:
        predictions: One table per model, version, environment and task.
        columnar: Number of tables, the first ones, that are a log record each.
        batches: Parallel to it, the batch id of a columnar table, "" without one.
        baselines: JSON texts.
        training_runs: Completed runs.
        rejected: Reason → rows, columns or points that could not be used.
        ignored: Spans whose row is also in a record.
        points: Counts and distributions.
        business: Points of business series.
    """

    predictions: list[PredictionTable] = field(default_factory=list)
    columnar: int = 0
    batches: list[str] = field(default_factory=list)
    outcomes: list[OutcomeTable] = field(default_factory=list)
    baselines: list[str] = field(default_factory=list)
    training_runs: list[TrainingRun] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    points: list[Point] = field(default_factory=list)
    business: list[BusinessPoint | CumulativePoint] = field(default_factory=list)


def decode_traces(body: bytes, now: int) -> Decoded:
    """Decode the body of an ``ExportTraceServiceRequest``.

    ``now``: unix nanoseconds, the time of rows without one. Raises :class:`Malformed`.

    >>> decode_traces(b"", 0) == Decoded()
    True
    """
    request = _parsed(ExportTraceServiceRequest, body)
    if otlp_rows.MARK not in body:
        return Decoded()
    return _spans([body], now, request)


def decode_traces_together(bodies: Sequence[bytes], now: int) -> Decoded:
    """Decode several bodies at once, each an ``ExportTraceServiceRequest`` that a receiver has checked.

    This makes small requests nearly as cheap as large ones. Rows are in the order of the bodies. Limits per request
    (tables, columns) apply to each body. Unchecked bodies raise Malformed if they affect what is read.
    """
    return _joined_bodies(_spans, ExportTraceServiceRequest, bodies, now)


def decode_bounded_traces(bodies: Sequence[bytes], now: int) -> Decoded:
    """Decode several bodies at once; see :func:`decode_traces_together`.

    Raises LimitsExceeded if together they exceed the limits of a request. All their tables would need memory without
    bound; the caller decodes and stores one body after the other.
    """
    return _together(_spans, ExportTraceServiceRequest, bodies, now)


def _spans(bodies: Sequence[bytes], now: int, request: ExportTraceServiceRequest | None = None) -> Decoded:
    decoded = Decoded()
    with np.errstate(invalid="ignore"):  # treat a sender's signalling NaN as a NaN
        spans = otlp_rows.spans(bodies, request)
        decoded.predictions, decoded.ignored = predictions.from_spans(spans, now, decoded.rejected)
    decoded.batches = [""] * len(decoded.predictions)
    trained = [body for body in bodies if training.SPAN_MARK in body]
    if trained:
        parsed = [request] if request is not None else map(ExportTraceServiceRequest.FromString, trained)
        found = (span for one in parsed for span in otlp_rows.plain_spans(one))
        decoded.training_runs = training.from_spans(found, now, decoded.rejected)
    decoded.rejected = +decoded.rejected
    return decoded


def _together(
    read: Callable[[Sequence[bytes], int], Decoded], kind: type[Message], bodies: Sequence[bytes], now: int
) -> Decoded:
    ours = [body for body in bodies if otlp_rows.MARK in body]
    if not ours:
        return Decoded()
    try:
        decoded = read(ours, now)
    except (otlp_rows.Cut, DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"not an {kind.DESCRIPTOR.name}: {error}") from None
    if len(ours) > 1 and any(decoded.rejected[reason] for reason in _OF_A_REQUEST):
        raise LimitsExceeded
    return decoded


def _joined_bodies(
    read: Callable[[Sequence[bytes], int], Decoded], kind: type[Message], bodies: Sequence[bytes], now: int
) -> Decoded:
    try:
        return _together(read, kind, bodies, now)
    except LimitsExceeded:
        return _joined([_together(read, kind, [body], now) for body in bodies])


def _joined(parts: Sequence[Decoded]) -> Decoded:
    whole = Decoded()
    for part in parts:
        first, columnar = whole.columnar, part.columnar
        whole.predictions[first:first] = part.predictions[:columnar]
        whole.batches[first:first] = part.batches[:columnar]
        whole.columnar += columnar
        whole.predictions += part.predictions[columnar:]
        whole.batches += part.batches[columnar:]
        whole.outcomes += part.outcomes
        whole.baselines += part.baselines
        whole.training_runs += part.training_runs
        whole.rejected += part.rejected
        whole.ignored += part.ignored
    return whole


def decode_logs(body: bytes, now: int) -> Decoded:
    """Decode the body of an ``ExportLogsServiceRequest``; see :func:`decode_traces`."""
    request = _parsed(ExportLogsServiceRequest, body)
    if otlp_rows.MARK not in body:
        return Decoded()
    return _records([body], now, request)


def decode_logs_together(bodies: Sequence[bytes], now: int) -> Decoded:
    """Decode several bodies at once, each an ``ExportLogsServiceRequest``; see :func:`decode_traces_together`."""
    return _joined_bodies(_records, ExportLogsServiceRequest, bodies, now)


def decode_metrics(
    body: bytes, now: int, mappings: Mappings = NONE_MAPPED, business: BusinessMetrics = NO_BUSINESS
) -> Decoded:
    """Decode the body of an ``ExportMetricsServiceRequest``; see :func:`decode_traces`.

    ``mappings``: metrics of other instrumentation, see :mod:`.foreign_metrics`; ``business``: metrics of business
    series.
    """
    request = _parsed(ExportMetricsServiceRequest, body)
    decoded = Decoded()
    if points.is_ours(body):
        decoded.points = points.points(request, now, decoded.rejected)
    if mappings and foreign_metrics.may_hold(body, mappings):
        room = points.MOST_POINTS - len(decoded.points)
        decoded.points += foreign_metrics.points(request, mappings, now, decoded.rejected, room)
    if business and business_points.may_hold(body, business):
        decoded.business = business_points.business_points(request, business, now, decoded.rejected)
    return decoded


_KINDS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
"""Signal → its request class."""


def parse_request(signal: str, body: bytes) -> Message:
    """Return a request as its message.

    Raises :class:`Malformed` if protobuf rejects its bytes, or if its rows are of another signal.

    >>> parse_request("traces", b"").ByteSize()
    0
    """
    request = _parsed(_KINDS[signal], body)
    if _is_of_another_signal(request):
        kind = request.DESCRIPTOR.name
        raise Malformed(f"not an {kind}{_other_signal(signal, body)}")
    return request


def _is_of_another_signal(request: Message) -> bool:
    """Return True if the first row has fields of its class with another type, or only fields that its class lacks."""
    row = next((rows[0] for rows in _scope_lists(request) if rows), None)
    if row is None:
        return False
    unknown = {field.field_number for field in UnknownFieldSet(row)}
    return bool(unknown.intersection(row.DESCRIPTOR.fields_by_number) if row.ListFields() else unknown)


def _other_signal(signal: str, body: bytes) -> str:
    """Return the signal of a request that was sent as another one, as the end of a sentence."""
    for other in _KINDS.keys() - {signal}:
        with suppress(Malformed):
            if not _is_of_another_signal(_parsed(_KINDS[other], body)):
                return f", but a request of {other}; send it as {other}, over HTTP to /v1/{other}"
    return ": its rows are of another type"


class OtlpRows:
    """The spans, log records or data points of a request, in their order."""

    def __init__(self, signal: str, body: bytes) -> None:
        self._message = parse_request(signal, body)

    def __len__(self) -> int:
        """Return their number."""
        return sum(map(len, _row_lists(self._message)))

    def selected(self, kept: NDArray[np.bool_]) -> bytes:
        """Return the request with some of them; ``kept``: bool (n,)."""
        message = type(self._message)()
        message.CopyFrom(self._message)
        begin = 0
        for rows in _row_lists(message):
            left_out = np.flatnonzero(~kept[begin : begin + len(rows)])
            begin += len(rows)
            for place in left_out[::-1].tolist():
                del rows[place]
        return bytes(message.SerializeToString())


def _row_lists(message: Any) -> list[Any]:
    """Return the repeated fields with the rows of a request."""
    if not isinstance(message, ExportMetricsServiceRequest):
        return [*_scope_lists(message)]
    return [
        getattr(metric, kind).data_points
        for metrics in _scope_lists(message)
        for metric in metrics
        if (kind := metric.WhichOneof("data"))
    ]


def _scope_lists(message: Any) -> Iterator[Any]:
    """Yield the repeated field of each scope of a request: its spans, log records or metrics."""
    if isinstance(message, ExportTraceServiceRequest):
        yield from (scope.spans for resource in message.resource_spans for scope in resource.scope_spans)
    elif isinstance(message, ExportLogsServiceRequest):
        yield from (scope.log_records for resource in message.resource_logs for scope in resource.scope_logs)
    else:
        yield from (scope.metrics for resource in message.resource_metrics for scope in resource.scope_metrics)


def holds_ours(
    signal: str, body: bytes, mappings: Mappings = NONE_MAPPED, business: BusinessMetrics = NO_BUSINESS
) -> bool:
    """Return False for a request that certainly contains nothing of ours, without decoding it.

    >>> holds_ours("traces", b"http.route"), holds_ours("metrics", b"driftline.feature.value")
    (False, True)
    """
    if signal == "metrics":
        named = foreign_metrics.may_hold(body, mappings) or business_points.may_hold(body, business)
        return points.is_ours(body) or named
    return otlp_rows.MARK in body


def _parsed(kind: type[Request], body: bytes) -> Request:
    columns = kind is not ExportMetricsServiceRequest
    # 2**20: maximum bytes of a request that is not counted: half a million empty spans become 100 MB
    if len(body) > 2**20 and count_messages(body, MAX_MESSAGES, columns) > MAX_MESSAGES:
        raise TooManyMessages(
            f"the request contains more than {MAX_MESSAGES:,} spans, records or metrics; split it into smaller requests"
        )
    try:
        request: Request = kind.FromString(body)
    except DecodeError as error:
        raise Malformed(f"not an {kind.DESCRIPTOR.name}: {error}") from None
    return request


def _records(bodies: Sequence[bytes], now: int, request: ExportLogsServiceRequest | None = None) -> Decoded:
    decoded = Decoded()
    with np.errstate(invalid="ignore"):  # treat a sender's signalling NaN as a NaN
        _read(otlp_rows.records(bodies, request), now, decoded)
    decoded.rejected = +decoded.rejected
    return decoded


def _read(records: otlp_rows.Records, now: int, decoded: Decoded) -> None:
    rows = 0
    for record, environment in records.batches:
        if rows >= MAX_ROWS:
            decoded.rejected["too_many_batches"] += 1
            continue
        table = columnar.from_record(record, environment, now, decoded.rejected)
        if table is not None:
            rows += len(table[0])
            decoded.predictions.append(table[0])
            decoded.batches.append(table[1])
    decoded.columnar = len(decoded.predictions)
    if records.predictions is not None:
        plain = predictions.from_records(records.predictions, now, decoded.rejected)
        decoded.predictions += plain
        decoded.batches += [""] * len(plain)
    if records.outcomes is not None:
        decoded.outcomes = outcomes.from_records(records.outcomes, now, decoded.rejected)
    decoded.training_runs = training.from_records(records.training_runs, now, decoded.rejected)
    for record in records.baselines:
        if record.body.string_value:
            decoded.baselines.append(record.body.string_value)
        else:
            decoded.rejected["baseline_not_text"] += 1
