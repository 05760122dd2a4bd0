"""A leaner descriptor of the OTLP wire format: rows and their attributes stay bytes.

The generated classes make a Python object per attribute, which is what costs 9-20 µs a row. The same bytes read
through these descriptors yield one ``bytes`` per span and, in it, one per attribute, for numpy to compare and gather.
The field numbers are those of ``opentelemetry/proto/{trace,logs}/v1``; ``ResourceSpans`` / ``ResourceLogs`` and
``ScopeSpans`` / ``ScopeLogs`` number theirs alike, so one envelope serves both.

Only a request that the generated classes parsed may be read this way: nothing in here checks UTF-8 or nesting. But how
many messages it holds is counted before: two bytes are an empty span, of which the generated classes make 200.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_REPEATED = tuple(range(1, 14))
"""Numbers of the fields, in any message of OTLP, that repeat or hold what repeats: spans, events, points, exemplars."""

_ROWS, _DEEPEST, _BYTES = 2, 8, 7
"""Depths at which rows and the deepest parts of OTLP lie; the number of the field that holds the bytes of a value."""

_LARGE = 2**16
"""Bytes of a row, or of a part of one, whose parts are counted, too."""

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "driftline.wire"


class LeanStatus(Protocol):
    """The status of a span."""

    code: int


class LeanSpan(Protocol):
    """A span with its attributes as they came; the fields are named as in the generated class."""

    trace_id: bytes
    span_id: bytes
    trace_state: str
    start_time_unix_nano: int
    end_time_unix_nano: int
    attributes: Sequence[bytes]
    status: LeanStatus


class LeanRecord(Protocol):
    """A log record with its attributes as they came."""

    time_unix_nano: int
    observed_time_unix_nano: int
    trace_id: bytes
    span_id: bytes
    event_name: str
    attributes: Sequence[bytes]


def _message(
    file: descriptor_pb2.FileDescriptorProto, name: str, fields: Sequence[tuple[str, int, int, bool, str]]
) -> None:
    message = file.message_type.add(name=name)
    for field, number, kind, repeated, of in fields:
        message.field.add(
            name=field,
            number=number,
            type=kind,
            label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
            type_name=f".{_PACKAGE}.{of}" if of else None,
        )


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="driftline/wire.proto", package=_PACKAGE, syntax="proto3")
    _message(file, "Request", [("resources", 1, _Field.TYPE_MESSAGE, True, "Resource")])
    _message(file, "Resource", [("scopes", 2, _Field.TYPE_MESSAGE, True, "Scope")])
    _message(file, "Scope", [("rows", 2, _Field.TYPE_BYTES, True, "")])
    _message(file, "Outline", [(f"field_{number}", number, _Field.TYPE_BYTES, True, "") for number in _REPEATED])
    _message(file, "Status", [("code", 3, _Field.TYPE_INT32, False, "")])
    _message(
        file,
        "Span",
        [
            ("trace_id", 1, _Field.TYPE_BYTES, False, ""),
            ("span_id", 2, _Field.TYPE_BYTES, False, ""),
            ("trace_state", 3, _Field.TYPE_STRING, False, ""),
            ("start_time_unix_nano", 7, _Field.TYPE_FIXED64, False, ""),
            ("end_time_unix_nano", 8, _Field.TYPE_FIXED64, False, ""),
            ("attributes", 9, _Field.TYPE_BYTES, True, ""),
            ("status", 15, _Field.TYPE_MESSAGE, False, "Status"),
        ],
    )
    _message(
        file,
        "Record",
        [
            ("time_unix_nano", 1, _Field.TYPE_FIXED64, False, ""),
            ("attributes", 6, _Field.TYPE_BYTES, True, ""),
            ("trace_id", 9, _Field.TYPE_BYTES, False, ""),
            ("span_id", 10, _Field.TYPE_BYTES, False, ""),
            ("observed_time_unix_nano", 11, _Field.TYPE_FIXED64, False, ""),
            ("event_name", 12, _Field.TYPE_STRING, False, ""),
        ],
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()
_Request, _Span, _Record, _Outline = (
    message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
    for name in ("Request", "Span", "Record", "Outline")
)


def count_messages(body: bytes, most: int, columns: bool = True) -> int:
    """Count resources, scopes and rows of a request, and what a large row holds; stop beyond ``most``.

    ``columns``: whether field 7, wherever it stands, is the bytes of a column, which may look like anything. In metrics
    it is a sum, or the attributes of a point.

    >>> count_messages(b"\\x0a\\x00" * 500_000, 1_000_000)
    500000
    """
    counted, waiting = 0, [(body, 0)]
    while waiting:
        data, depth = waiting.pop()
        try:
            outline = _Outline.FromString(data)
        except DecodeError:
            continue  # a text or a number: what is no message is refused, or kept, by who reads it whole
        for field, parts in outline.ListFields():
            if columns and field.number == _BYTES:
                continue
            counted += len(parts)
            if counted > most:
                return counted  # before millions of empty parts are objects
            if depth < _DEEPEST:
                waiting += [(part, depth + 1) for part in parts if depth < _ROWS or len(part) > _LARGE]
    return counted


def envelope(body: bytes) -> Iterator[Iterator[Sequence[bytes]]]:
    """Yield the rows of each scope of each resource as bytes, in the order of the request."""
    for resource in _Request.FromString(body).resources:
        yield (scope.rows for scope in resource.scopes)


def span(row: bytes) -> LeanSpan:
    """Read one span."""
    return cast(LeanSpan, _Span.FromString(row))


def record(row: bytes) -> LeanRecord:
    """Read one log record."""
    return cast(LeanRecord, _Record.FromString(row))
