"""Find the spans and log records of Driftline in a request, and read rows of one shape all at once.

From a parsed request to the rows worth reading; most spans and log records of real traffic are none of ours.

Rows of one shape, all at once: position by position instead of row by row.

Senders emit the same attributes in the same order, span after span. So rows with equally many attributes are laid side
by side, and at each position the key of the first row is expected of all: numpy compares the bytes up to the value and
gathers the doubles behind them; any other value is read once per distinct byte string. Attributes that hold another key
there, because their row lacks a feature, are gathered by the bytes of their key and read in the same way. What remains
is rare - a key sent twice in a row, an encoding that no encoder makes - and its rows go the general way, so that both
ways end in the same :class:`~.attributes.Grid`; a property test holds them to it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

import numpy as np
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.table import F64, Ids
from numpy.typing import NDArray
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from . import wire_format
from .attributes import ABSENT, BOOLEAN, EMPTY, TEXT, Cells, Grid, Where, label, read

MIN_ROWS: Final = 16
"""Below this many rows, the fixed cost of a column (about 10 µs) is more than the general way's."""

_VALUE, _DOUBLE = b"\x12", b"\x09\x21"  # KeyValue.value; 9 bytes: AnyValue.double_value
_STRING = 0x0A
"""The first byte of an AnyValue that is a text, field 1 (OTLP, opentelemetry/proto/common/v1)."""

FEW: Final = 4
"""Below this many attributes, the fixed cost of a column is more than reading them one by one."""

AttributeRows = NDArray[np.intp]


def fill(grid: Grid, attributes: Sequence[Sequence[bytes]]) -> None:
    """Set every row of the grid from its attributes' bytes."""
    filler = _Filler(grid)
    by_count: dict[int, list[int]] = {}
    for row, values in enumerate(attributes):
        by_count.setdefault(len(values), []).append(row)
    for rows in by_count.values():
        if len(rows) < MIN_ROWS:
            for row in rows:
                for raw in attributes[row]:
                    filler.leave(row, raw)
        else:
            there = np.array(rows, np.intp)
            for column in zip(*(attributes[row] for row in rows), strict=True):
                filler.add(there, column)
    for row in sorted(filler.finish()):
        grid.put(row, map(KeyValue.FromString, attributes[row]))


class _Filler:
    """Sets columns of a grid, and remembers what it could not."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._left: defaultdict[bytes, tuple[list[int], list[bytes]]] = defaultdict(lambda: ([], []))
        self._general: set[int] = set()

    def leave(self, row: int, raw: bytes) -> None:
        """Keep an attribute for later, with others whose key has the same bytes."""
        rows, raws = self._left[raw[: raw[1] + 2] if len(raw) > 1 else b""]
        rows.append(row)
        raws.append(raw)

    def add(self, rows: AttributeRows, raws: Sequence[bytes]) -> None:
        """Set one attribute of each row; those whose key is not that of the first are left."""
        for position in self._put(rows, raws):
            self.leave(int(rows[position]), raws[position])

    def finish(self) -> set[int]:
        """Set what was left, and return the rows that must go the general way."""
        for rows, raws in self._left.values():
            if len(rows) < FEW:
                for row, raw in zip(rows, raws, strict=True):
                    self._put_one(row, KeyValue.FromString(raw))
                continue
            there, first = np.unique(np.array(rows, np.intp), return_index=True)
            if len(there) < len(rows):  # a key sent twice in a row: its order matters
                self._general.update(row for row, times in Counter(rows).items() if times > 1)
            strangers = self._put(there, [raws[position] for position in first.tolist()])
            self._general.update(there[strangers].tolist())
        return self._general

    def _put_one(self, row: int, attribute: KeyValue) -> None:
        cells = self._grid.cells(attribute.key)
        if attribute.key == a.ML_PREDICTION_RECORDED or (cells is not None and cells.kind[row] != ABSENT):
            self._general.add(row)
        elif cells is not None:
            cells.put(row, *read(attribute.value))

    def _put(self, rows: AttributeRows, raws: Sequence[bytes]) -> list[int]:
        """Set one attribute of each row, and return the positions that hold another key than the first."""
        key = KeyValue.FromString(raws[0]).key
        prefix = _prefix(key)
        cells = self._grid.cells(key)
        if cells is not None:
            kinds = cells.kind[_where(rows)]
            if kinds.any():
                self._general.update(rows[kinds != ABSENT].tolist())
        if not raws[0].startswith(prefix + _DOUBLE):
            return self._put_distinct(cells, key, rows, raws)
        same, values = _doubles(raws, prefix + _DOUBLE)
        if same.all():
            if cells is not None:
                cells.put_numbers(_where(rows), values)
            return []
        if cells is not None:
            cells.put_numbers(rows[same], values[same])
        others = np.flatnonzero(~same)
        strangers = self._put_distinct(cells, key, rows[others], [raws[i] for i in others.tolist()])
        return [int(position) for position in others[strangers]]

    def _put_distinct(self, cells: Cells | None, key: str, rows: AttributeRows, raws: Sequence[bytes]) -> list[int]:
        index: dict[bytes, int] = dict.fromkeys(raws, 0)
        values, strangers = _read_distinct(key, index)
        inverse: AttributeRows | int = 0
        found: list[int] = []
        if len(values) > 1:
            inverse = np.fromiter(map(index.__getitem__, raws), np.intp, len(raws))
            if strangers:
                strange = np.isin(inverse, strangers)
                found = np.flatnonzero(strange).tolist()
                rows, inverse = rows[~strange], inverse[~strange]
        elif strangers:
            return list(range(len(raws)))
        if key == a.ML_PREDICTION_RECORDED:
            said = np.array([kind == BOOLEAN and thing for kind, thing in values], np.bool_)
            self._grid.recorded[rows] |= said[inverse]
        elif cells is not None:
            cells.put_distinct(_where(rows), values, inverse)
        return found


def _where(rows: AttributeRows) -> Where:
    """Return rows, each greater than the one before, as a slice where they follow each other."""
    if len(rows) and len(rows) == rows[-1] - rows[0] + 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _prefix(key: str) -> bytes:
    """Return the bytes of a ``KeyValue`` up to the length of its value."""
    name = key.encode()
    size, length = len(name), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"\x0a" + length + name + _VALUE


def _doubles(raws: Sequence[bytes], prefix: bytes) -> tuple[NDArray[np.bool_], F64]:
    """Tell which attributes are the prefix and a double, and return the doubles (any number where they are not)."""
    start = len(prefix)
    length = start + 8
    fits: NDArray[np.bool_] = np.ones(len(raws), np.bool_)
    if set(map(len, raws)) != {length}:
        fits = np.fromiter(map(len, raws), np.intp, len(raws)) == length
        filler = bytes(length)
        raws = [raw if fit else filler for raw, fit in zip(raws, fits.tolist(), strict=True)]
    table = np.frombuffer(b"".join(raws), np.uint8).reshape(-1, length)
    same = table[:, :start] == np.frombuffer(prefix, np.uint8)
    if not same.all():
        fits &= same.all(axis=1)
    return fits, np.ascontiguousarray(table[:, start:]).view("<f8").ravel()


def _read_distinct(key: str, index: dict[bytes, int]) -> tuple[list[tuple[int, Any]], list[int]]:
    """Read distinct attributes, and number them in ``index``. Returns their values, and the numbers of other keys."""
    values: list[tuple[int, Any]] = []
    strangers: list[int] = []
    prefix = _prefix(key)
    start = len(prefix) + 3
    for code, raw in enumerate(index):
        index[raw] = code
        rest = len(raw) - start
        if 0 <= rest < 0x7E and raw.startswith(prefix) and raw[start - 3 : start] == bytes((rest + 2, _STRING, rest)):
            values.append((TEXT, raw[start:].decode()))  # a short text and nothing else: four times as quick
            continue
        attribute = KeyValue.FromString(raw)
        if attribute.key == key:
            values.append(read(attribute.value))
        else:
            strangers.append(code)
            values.append((EMPTY, None))
    return values, strangers


MARK: Final = a.ML_MODEL_NAME.split(".")[0].encode() + b"."
"""In the bytes of everything that concerns us; what lacks it is skipped at the speed of memchr."""

OWN_SCOPE: Final = "driftline.processor"
"""The instrumentation scope of derived telemetry, which is never analysed: it would come round again."""

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_EVENT_NAME: Final = "event.name"  # where SDKs put it before LogRecord.event_name existed
_OLD_ENVIRONMENT: Final = "deployment.environment"  # before semantic conventions 1.27


@dataclass(slots=True)
class Rows:
    """n spans or records.

    Attributes:
        attributes: Per row ``KeyValue`` messages, or their bytes where ``lean``.
        time: Start, or when it happened, else when it was observed.
        end: Of spans.
        observed: Of records, when they were written; unsigned nanoseconds.
        failed: Of spans, whether their status is an error.
        environment: None where the resource has none.
    """

    lean: bool
    attributes: list[Any] = field(default_factory=list)
    trace_id: list[bytes] = field(default_factory=list)
    span_id: list[bytes] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    observed: list[int] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)
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
            fill(grid, self.attributes)
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
    lean = any(len(scope.spans) >= MIN_ROWS for r in request.resource_spans for scope in r.scope_spans)
    rows = Rows(lean)
    envelope = wire_format.envelope(body) if lean else repeat(repeat(()))
    for resource, raw_scopes in zip(request.resource_spans, envelope, strict=False):
        environment = environment_of(resource.resource.attributes)
        for scope, raws in zip(resource.scope_spans, raw_scopes, strict=False):
            if scope.scope.name == OWN_SCOPE:
                continue
            for span in map(wire_format.span, _marked(raws)) if lean else filter(_is_marked, scope.spans):
                rows.append(span, span.attributes[:] if lean else span.attributes, environment)
                rows.time.append(span.start_time_unix_nano)
                rows.end.append(span.end_time_unix_nano)
                rows.failed.append(span.status.code == Status.STATUS_CODE_ERROR)
                rows.trace_state.append(span.trace_state)
    return rows


def records(request: ExportLogsServiceRequest, body: bytes) -> Records:
    """Collect the log records that are events of ours."""
    lean = any(len(scope.log_records) >= MIN_ROWS for r in request.resource_logs for scope in r.scope_logs)
    found = Records(Rows(lean), Rows(lean))
    envelope = wire_format.envelope(body) if lean else repeat(repeat(()))
    for resource, raw_scopes in zip(request.resource_logs, envelope, strict=False):
        environment = environment_of(resource.resource.attributes)
        for scope, raws in zip(resource.scope_logs, raw_scopes, strict=False):
            if scope.scope.name == OWN_SCOPE:
                continue
            for raw in _marked(raws):
                _sort(wire_format.record(raw), raw, environment, found)
            if not lean:
                for record in scope.log_records:
                    _sort(record, None, environment, found)
    return found


def _sort(
    record: LogRecord | wire_format.LeanRecord, raw: bytes | None, environment: str | None, found: Records
) -> None:
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
    """Return True for the ids of a span: of the right length, and not all zero."""
    return len(trace_id) == 16 and len(span_id) == 8 and trace_id != _NO_TRACE and span_id != _NO_SPAN
