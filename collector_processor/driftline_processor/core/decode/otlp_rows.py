"""Find the spans and log records of Driftline in requests, and read them.

Most spans and log records of real traffic are not ours and are skipped without decoding. Many rows are read by
templates, see :mod:`.row_templates`; few rows, and those that no template can read, by the generated classes. Both fill
the same :class:`~.attributes.Grid`, which a property test compares.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.table import I64, Ids
from google.protobuf.message import Message
from msgspec import Struct, field
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from .attributes import Grid, Mask, bounded_text
from .row_templates import PADDING, Layout, Positions, RowReader

MIN_ROWS: Final = 96
"""Minimum rows for templates, whose fixed cost is about 1 ms."""

MARK: Final = a.ML_MODEL_NAME.split(".")[0].encode() + b"."
"""Bytes in everything that belongs to us; other data is skipped at the speed of memchr."""

OWN_SCOPE: Final = "driftline.processor"
"""The instrumentation scope of derived telemetry, which is never analysed, to avoid a loop."""

_EVENT_NAME: Final = "event.name"  # where SDKs put it before LogRecord.event_name existed
_OLD_ENVIRONMENT: Final = "deployment.environment"  # before semantic conventions 1.27

_SPAN: Final = Layout(
    attribute=0x4A,
    ids={0x0A: ("trace_id", 16), 0x12: ("span_id", 8)},
    times={0x39: "time", 0x41: "end"},
    texts={0x1A: "trace_state", 0x7A: "status"},
    counts={0x50: "dropped"},
    single_tag=0x7A,
)
"""Fields of ``opentelemetry/proto/trace/v1/trace.proto``: Span."""

_RECORD: Final = Layout(
    attribute=0x32,
    ids={0x4A: ("trace_id", 16), 0x52: ("span_id", 8)},
    times={0x09: "time", 0x59: "observed"},
    texts={0x62: "event_name"},
    counts={0x38: "dropped"},
    extra_keys=frozenset({_EVENT_NAME}),
)
"""Fields of ``opentelemetry/proto/logs/v1/logs.proto``: LogRecord."""


class Cut(ValueError):  # noqa: N818 - the state of a request
    """The bytes end, or a message in them ends, in the middle of a field."""


class _Unusual(Exception):  # noqa: N818 - not an error: the generated classes know better
    """A valid encoding that no known encoder produces; the generated classes read it."""


class Rows(Struct):
    """n spans or records.

    Attributes:
        grid: Their attributes.
        time: Start of a span, or time of a record, else its observed time; int64 (n,), unix nanoseconds.
        end: End of spans, likewise.
        observed: Observed time of records, likewise.
        dropped: Number of attributes that the sender dropped; int64 (n,).
        failed: Whether the status of a span is an error; bool (n,).
        trace_state: For spans: codes (n,) and distinct texts.
        environment: Codes (n,) and distinct names, None if the resource has none.
        trace_id: V16 / V8 (n,), all zero if a row has no valid pair of ids.
        span_id: None if no row has one.
    """

    grid: Grid
    time: I64
    end: I64
    observed: I64
    dropped: I64
    failed: Mask
    trace_state: tuple[Positions, list[str]]
    environment: tuple[Positions, list[str | None]]
    trace_id: Ids | None
    span_id: Ids | None

    def __len__(self) -> int:
        return self.grid.rows


class Records(Struct):
    """The log records of a request by kind. Batches and training runs come with their environment."""

    predictions: Rows | None = None
    outcomes: Rows | None = None
    batches: list[tuple[LogRecord, str | None]] = field(default_factory=list)
    baselines: list[LogRecord] = field(default_factory=list)
    training_runs: list[tuple[LogRecord, str | None]] = field(default_factory=list)


class _RequestRows(Struct):
    """The rows of requests: as messages if they are few, else as positions in ``data``, from ``start`` to ``end``."""

    kind: type[Any]
    environment: Positions
    environments: list[str | None]
    messages: list[Any] | None = None
    data: bytes = bytes(PADDING)
    start: Positions = field(default_factory=lambda: np.zeros(0, np.intp))
    end: Positions = field(default_factory=lambda: np.zeros(0, np.intp))

    def __len__(self) -> int:
        return len(self.environment)

    def take(self, rows: Positions) -> _RequestRows:
        """Return the selected rows."""
        environment = self.environment[rows]
        if self.messages is not None:
            messages = [self.messages[row] for row in rows.tolist()]
            return _RequestRows(self.kind, environment, self.environments, messages)
        return _RequestRows(
            kind=self.kind,
            environment=environment,
            environments=self.environments,
            messages=None,
            data=self.data,
            start=self.start[rows],
            end=self.end[rows],
        )

    def message(self, row: int) -> Any:
        """Return one row as its generated class."""
        if self.messages is not None:
            return self.messages[row]
        return self.kind.FromString(self.data[self.start[row] : self.end[row]])

    def read(self, layout: Layout) -> tuple[RowReader, Positions, list[Any]]:
        """Read rows by templates; return also the remaining rows and their messages."""
        if self.messages is not None:
            nowhere = np.zeros(len(self), np.intp)
            reader = RowReader(self.data, nowhere, nowhere, layout, MARK)
            reader.unread_rows[:] = True
            return reader, np.arange(len(self)), self.messages
        reader = RowReader(self.data, self.start, self.end, layout, MARK)
        if len(self) >= MIN_ROWS:
            reader.read()
        else:
            reader.unread_rows[:] = True
        left = np.flatnonzero(reader.unread_rows)
        return reader, left, [self.message(row) for row in left.tolist()]


def spans(bodies: Sequence[bytes], request: ExportTraceServiceRequest | None = None) -> Rows:
    """Read the spans that may have an attribute of ours.

    ``request``: the only body, parsed, if available. Raises Cut, DecodeError and UnicodeDecodeError.
    """
    if request is not None and all(
        len(scope.spans) < MIN_ROWS for resource in request.resource_spans for scope in resource.scope_spans
    ):
        messages = _few(
            Span,
            (
                (resource.resource, scope.scope, filter(_is_marked, scope.spans))
                for resource in request.resource_spans
                for scope in resource.scope_spans
            ),
        )
    else:
        messages = _find(bodies, Span, ExportTraceServiceRequest)
    reader, left, general = messages.read(_SPAN)
    rows = _rows(messages, reader)
    _put_general(rows, reader, left, general)
    rows.time[left] = _signed([span.start_time_unix_nano for span in general])
    rows.end[left] = _signed([span.end_time_unix_nano for span in general])
    _read_statuses(rows, reader, left, general)
    _read_trace_states(rows, reader, left, general)
    return rows


def plain_spans(request: ExportTraceServiceRequest) -> Iterator[tuple[Span, str | None]]:
    """Yield the spans of a request as messages, each with its environment; without derived ones."""
    for resource in request.resource_spans:
        environment = environment_of(resource.resource.attributes)
        for scope in resource.scope_spans:
            if scope.scope.name != OWN_SCOPE:
                yield from ((span, environment) for span in scope.spans)


def records(bodies: Sequence[bytes], request: ExportLogsServiceRequest | None = None) -> Records:
    """Read the log records that are our events; see :func:`spans`."""
    if request is not None and all(
        len(scope.log_records) < MIN_ROWS for resource in request.resource_logs for scope in resource.scope_logs
    ):
        messages = _few(
            LogRecord,
            (
                (resource.resource, scope.scope, scope.log_records)
                for resource in request.resource_logs
                for scope in resource.scope_logs
            ),
        )
    else:
        messages = _find(bodies, LogRecord, ExportLogsServiceRequest)
    read_records = None if messages.messages is not None else messages.read(_RECORD)
    names, texts = _names_of_messages(messages.messages or []) if read_records is None else _event_names(*read_records)
    result = Records()
    for code, name in enumerate(texts):
        rows = np.flatnonzero(names == code)
        if name == events.DRIFTLINE_BASELINE:
            result.baselines += map(messages.message, rows.tolist())
        elif name in (events.DRIFTLINE_PREDICTION_BATCH, events.DRIFTLINE_TRAINING_RUN):
            of_row = (messages.environments[place] for place in messages.environment[rows].tolist())
            of_kind = result.batches if name == events.DRIFTLINE_PREDICTION_BATCH else result.training_runs
            of_kind += zip(map(messages.message, rows.tolist()), of_row, strict=True)
        elif name in (events.ML_PREDICTION, events.ML_OUTCOME) and len(rows):
            is_all_of_body = len(rows) == len(messages)
            records_found = (
                messages if is_all_of_body else messages.take(rows)
            )  # so that the limit on columns counts its own rows only
            plain = _plain_records(
                records_found,
                *(read_records if read_records is not None and is_all_of_body else records_found.read(_RECORD)),
            )
            if name == events.ML_PREDICTION:
                result.predictions = plain
            else:
                result.outcomes = plain
    return result


def _plain_records(messages: _RequestRows, reader: RowReader, left: Positions, general: Sequence[LogRecord]) -> Rows:
    rows = _rows(messages, reader)
    _put_general(rows, reader, left, general)
    rows.time[left] = _signed([record.time_unix_nano for record in general])
    rows.observed[left] = _signed([record.observed_time_unix_nano for record in general])
    happened = np.where(rows.time == 0, rows.observed, rows.time)
    rows.observed = np.where(rows.observed == 0, rows.time, rows.observed)
    rows.time = happened
    return rows


def _rows(messages: _RequestRows, reader: RowReader) -> Rows:
    n = len(messages)
    times = {name: values.view(np.int64) for name, values in reader.times.items()}
    nothing = np.zeros(0, np.int64)
    return Rows(
        grid=reader.grid,
        time=times["time"],
        end=times.get("end", nothing),
        observed=times.get("observed", nothing),
        dropped=reader.counts["dropped"],
        failed=np.zeros(n, np.bool_),
        trace_state=(np.zeros(n, np.intp), [""]),
        environment=(messages.environment, messages.environments),
        trace_id=None,
        span_id=None,
    )


def _put_general(rows: Rows, reader: RowReader, left: Positions, general: Sequence[Any]) -> None:
    """Set rows from their messages: the attributes, how many were dropped, and the ids."""
    for row, message in zip(left.tolist(), general, strict=True):
        rows.grid.put(row, message.attributes)
        for name in ("trace_id", "span_id"):
            ids, value = reader.ids[name], getattr(message, name)
            ids[row] = np.void(value if len(value) == ids.dtype.itemsize else bytes(ids.dtype.itemsize))
    rows.dropped[left] = [message.dropped_attributes_count for message in general]
    trace_id, span_id = reader.ids["trace_id"], reader.ids["span_id"]
    valid = (trace_id != np.void(bytes(16))) & (span_id != np.void(bytes(8)))
    if valid.any():
        trace_id[~valid], span_id[~valid] = np.void(bytes(16)), np.void(bytes(8))
        rows.trace_id, rows.span_id = trace_id, span_id


def _signed(nanoseconds: Sequence[int]) -> I64:
    return np.array(nanoseconds, np.uint64).view(np.int64)


def _read_statuses(rows: Rows, reader: RowReader, left: Positions, general: Sequence[Span]) -> None:
    has_status = np.flatnonzero((reader.texts["status"].size > 0) & ~reader.unread_rows)
    if len(has_status):
        codes, raws = reader.distinct(reader.texts["status"], has_status)
        failed = np.array([Status.FromString(raw).code == Status.STATUS_CODE_ERROR for raw in raws])
        rows.failed[has_status] = failed[codes]
    rows.failed[left] = [span.status.code == Status.STATUS_CODE_ERROR for span in general]


def _read_trace_states(rows: Rows, reader: RowReader, left: Positions, general: Sequence[Span]) -> None:
    has_state = np.flatnonzero((reader.texts["trace_state"].size > 0) & ~reader.unread_rows)
    names = {"": 0}
    states = np.zeros(len(rows), np.intp)
    if len(has_state):
        codes, raws = reader.distinct(reader.texts["trace_state"], has_state)
        into = [names.setdefault(raw.decode(), len(names)) for raw in raws]
        states[has_state] = np.array(into, np.intp)[codes]
    states[left] = [names.setdefault(span.trace_state, len(names)) for span in general]
    rows.trace_state = states, list(names)


def _names_of_messages(messages: Sequence[LogRecord]) -> tuple[Positions, list[str]]:
    names: dict[str, int] = {}
    codes = [names.setdefault(name_of(record), len(names)) for record in messages]
    return np.array(codes, np.intp), list(names)


def _event_names(reader: RowReader, left: Positions, general: Sequence[LogRecord]) -> tuple[Positions, list[str]]:
    """Return the codes of the event names of all records, and the distinct names."""
    names: dict[str, int] = {"": 0}
    result = np.zeros(len(reader.unread_rows), np.intp)
    cells = reader.grid.known.get(_EVENT_NAME)
    if cells is not None:
        codes = [names.setdefault(thing if isinstance(thing, str) else "", len(names)) for thing in cells.things]
        result[:] = np.array([*codes, 0], np.intp)[cells.codes]  # the last entry is where code -1 lands
    places = reader.texts["event_name"]
    has_name = np.flatnonzero((places.size > 0) & ~reader.unread_rows)
    codes_there, raws = reader.distinct(places, has_name)
    into = [names.setdefault(raw.decode(), len(names)) for raw in raws]
    result[has_name] = np.array(into, np.intp)[codes_there]
    of_general, texts = _names_of_messages(general)
    result[left] = np.array([names.setdefault(text, len(names)) for text in texts], np.intp)[of_general]
    return result, list(names)


def name_of(record: LogRecord) -> str:
    """Return the event name of a record, "" without one."""
    name = record.event_name
    if not name:
        for attribute in record.attributes:
            if attribute.key == _EVENT_NAME:
                name = attribute.value.string_value
    return name


def _is_marked(span: Span) -> bool:
    prefix = MARK.decode()
    return any(attribute.key.startswith(prefix) for attribute in span.attributes)


def _few(kind: type[Any], scopes: Iterable[tuple[Resource, InstrumentationScope, Iterable[Any]]]) -> _RequestRows:
    """Return the rows of a parsed request."""
    messages: list[Any] = []
    codes: list[int] = []
    names: dict[str | None, int] = {}
    for resource, scope, rows in scopes:
        if scope.name != OWN_SCOPE:
            messages += rows
            code = names.setdefault(environment_of(resource.attributes), len(names))
            codes += [code] * (len(messages) - len(codes))
    return _RequestRows(kind, np.array(codes, np.intp), list(names), messages)


def _find(bodies: Sequence[bytes], kind: type[Any], request: type[Message]) -> _RequestRows:
    """Return the rows of requests; traces and logs use the same field numbers for their containers."""
    try:
        try:
            return _walk(bodies, kind)
        except _Unusual:
            return _walk([_usual(body, request) for body in bodies], kind)
    except (IndexError, _Unusual):
        raise Cut("a message ends in the middle of a field") from None


def _usual(body: bytes, kind: type[Message]) -> bytes:
    """Return the body as re-encoded by the generated classes, without unknown fields."""
    request = kind.FromString(body)
    request.DiscardUnknownFields()
    return bytes(request.SerializeToString())


def _walk(bodies: Sequence[bytes], kind: type[Any]) -> _RequestRows:
    data = b"".join([*bodies, bytes(PADDING)])
    rows, environments = array("q"), _Environments(data)
    begin = 0
    for body in bodies:
        end = begin + len(body)
        for tag, start, stop in _fields(data, begin, end):
            if tag == 0x0A:
                _walk_resource(data, start, stop, rows, environments)
        begin = end
    places = np.array(rows, np.int64).astype(np.intp).reshape(-1, 2)
    codes = np.repeat(np.array(environments.codes, np.intp), environments.counts)
    return _RequestRows(
        kind=kind,
        environment=codes,
        environments=list(environments.names),
        messages=None,
        data=data,
        start=places[:, 0].copy(),
        end=places[:, 1].copy(),
    )


class _Environments:
    """The environments of resources, each read once; ``codes`` and ``counts``: per resource with rows."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._of_resource: dict[bytes, int] = {}
        self.names: dict[str | None, int] = {}
        self.codes: list[int] = []
        self.counts: list[int] = []

    def add(self, raw: bytes, rows: int) -> None:
        """Add a resource with its number of rows."""
        code = self._of_resource.get(raw)
        if code is None:
            name = environment_of(Resource.FromString(raw).attributes)
            code = self._of_resource[raw] = self.names.setdefault(name, len(self.names))
        self.codes.append(code)
        self.counts.append(rows)


def _walk_resource(data: bytes, begin: int, end: int, rows: array[int], environments: _Environments) -> None:
    raw, before = b"", len(rows)
    for tag, start, stop in _fields(data, begin, end):
        if tag == 0x0A:
            raw += data[start:stop]  # protobuf merges a repeated field; concatenation does the same
        elif tag == 0x12:
            _walk_scope(data, start, stop, rows)
    if len(rows) > before:
        environments.add(raw, (len(rows) - before) // 2)


def _walk_scope(data: bytes, position: int, end: int, rows: array[int]) -> None:
    """Add the start and end positions of the rows of a scope."""
    raw, before = b"", len(rows)
    append = rows.append
    while position < end:
        if data[position] == 0x12 and data[position + 2] < 0x80 <= data[position + 1]:  # the common case
            start = position + 3
            position = start + (data[position + 1] & 0x7F | data[position + 2] << 7)
            append(start)
            append(position)
            continue
        tag, size, start = data[position], data[position + 1], position + 2
        if size >= 0x80:
            more = data[start]
            size, start = size & 0x7F | (more & 0x7F) << 7, start + 1
            if more >= 0x80:
                size, start = _long_size(data, position + 1)
        if tag == 0x12:
            append(start)
            position = start + size
            append(position)
        elif tag == 0x0A:
            position = start + size
            raw += data[start:position]
        else:
            position = _skip(data, position)
    if position > end:
        raise Cut("a message is longer than the message that contains it")
    if OWN_SCOPE.encode() in raw and InstrumentationScope.FromString(raw).name == OWN_SCOPE:
        del rows[before:]
    else:
        _drop_others(data, rows, before)


def _drop_others(data: bytes, rows: array[int], before: int) -> None:
    """Drop rows without our mark, if a sample contains such rows; otherwise all are likely ours."""
    count = (len(rows) - before) // 2
    if not count:
        return
    sample = {before, before + count // 2 * 2, len(rows) - 2} if count >= MIN_ROWS else range(before, len(rows), 2)
    if all(data.find(MARK, rows[index], rows[index + 1]) >= 0 for index in sample):
        return
    marked_rows = [index for index in range(before, len(rows), 2) if data.find(MARK, rows[index], rows[index + 1]) >= 0]
    kept_places = array("q", (place for our in marked_rows for place in (rows[our], rows[our + 1])))
    del rows[before:]
    rows.extend(kept_places)


def _fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield tag, start and end position of the value of each length-delimited field of a message."""
    while position < end:
        tag = data[position]
        if tag & 7 == 2 and 8 <= tag < 0x80:
            size, start = _long_size(data, position + 1)
            position = start + size
            if position > end:
                break
            yield tag, start, position
        else:
            position = _skip(data, position)
    if position > end:
        raise Cut("a message is longer than the message that contains it")


def _long_size(data: bytes, position: int) -> tuple[int, int]:
    """Return a varint and the position after it."""
    size = 0
    for number in range(4):
        byte = data[position + number]
        size |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return size, position + number + 1
    raise _Unusual


def _skip(data: bytes, position: int) -> int:
    """Return the position after an ignored field."""
    tag = data[position]
    if not 8 <= tag < 0x80:
        raise _Unusual
    if tag & 7 == 2:
        size, start = _long_size(data, position + 1)
        return start + size
    raise _Unusual


def environment_of(attributes: Iterable[KeyValue]) -> str | None:
    """Return the environment of a resource; None without one."""
    values = {attribute.key: attribute.value.string_value for attribute in attributes}
    name = values.get(a.DEPLOYMENT_ENVIRONMENT_NAME) or values.get(_OLD_ENVIRONMENT)
    return bounded_text(name) if name else None
