"""Read the requests that SageMaker Data Capture and Vertex AI request-response logging wrote, as rows.

A record holds the payload of one request and of its response, as text. A request of several rows becomes several rows.
The payloads of CSV have no header, so the names of their features are given.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from driftline.tables.ids import id_text
from msgspec import Struct

from driftline_processor.present.numbers import many

from .delimited import are_codes
from .errors import BadInput, Say
from .inference_payloads import payload_rows, predictions_of_rows, row_prediction, row_values
from .json_rows import columns_of
from .limits import LONGEST_LINE, too_long_line, unpacked
from .source import readable
from .table_source import TableSource

_VERTEX = frozenset({"logging_time", "request_payload", "response_payload"})
_MISSING = ("", "NA", "NaN", "nan", "null", "NULL")


class _Payload(Struct):
    data: str = ""
    encoding: str = ""


class _Exchange(Struct, rename="camel"):
    endpoint_input: _Payload
    endpoint_output: _Payload = msgspec.field(default_factory=_Payload)


class _Event(Struct, rename="camel"):
    event_id: str = ""
    inference_id: str = ""
    inference_time: str = ""


class _SageMakerRecord(Struct, rename="camel"):
    capture_data: _Exchange
    event_metadata: _Event = msgspec.field(default_factory=_Event)


class _VertexRecord(Struct):
    logging_time: Any
    request_payload: list[str]
    response_payload: list[str] = []
    request_id: Any = None


class _Request(NamedTuple):
    """One request: its rows are CSV lines, or values of JSON; so are its predictions."""

    id: str
    time: Any
    rows: list[Any]
    predictions: list[Any]
    is_uneven: bool = False
    """True if the response has another number of predictions than the request has rows; no row then has one."""


class CapturedSource(TableSource):
    """The rows of captured requests, with the columns ``id``, ``time``, ``score`` or ``predicted``, and features."""

    def __init__(self, path: Path, say: Say, features: Sequence[str] = (), text: Collection[str] = ()) -> None:
        """Parse a file; ``features``: names of the values of a row without names; ``text``: columns of texts."""
        requests, unreadable, first = list[_Request](), 0, ""
        for number, record in enumerate(_records(path), 1):
            try:
                request = _request(record)
                if not request.rows:
                    raise ValueError("the request has no payload")
                requests.append(request)
            except (msgspec.MsgspecError, RecursionError, ValueError) as error:
                unreadable, first = unreadable + 1, first or f"record {number}: {error}"
        if unreadable:
            say(f"{path}: left out {many(unreadable, 'record')}; {first}")
        if not requests:
            raise BadInput(f"{path}: no captured request can be read; {first}")
        if uneven := [request for request in requests if request.is_uneven]:
            rows = many(sum(len(request.rows) for request in uneven), "row")
            say(
                f"{path}: {rows} of {many(len(uneven), 'request')} are read without predictions, because the response "
                "has another number of predictions than the request has rows"
            )
        values, owners, by_looks = _features(path, requests, features, text, say)
        table = _with_requests(path, values, requests, owners, say)
        super().__init__(path, table, say, by_looks)


def holds_captured_requests(path: Path) -> bool:
    """Return True if the first record of a file of NDJSON or Parquet is a captured request."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return set(pa.parquet.read_schema(path).names) >= _VERTEX
    with unpacked(path) as stream:
        line = stream.read(1 << 20).lstrip().partition(b"\n")[0]
    if b"captureData" in line:
        return line.startswith(b"{") and b"endpointInput" in line
    return line.startswith(b"{") and all(b'"%s"' % name.encode() in line for name in _VERTEX)


def _records(path: Path) -> Iterator[bytes | dict[str, Any]]:
    if path.suffix.lower() in (".parquet", ".pq"):
        names = [*_VERTEX, *({"request_id"} & set(pa.parquet.read_schema(path).names))]
        with readable(path):
            for batch in pa.parquet.ParquetFile(path).iter_batches(columns=names):
                for row in batch.to_pylist():
                    yield {name: value for name, value in row.items() if value is not None}
        return
    rest = b""
    with unpacked(path) as stream:
        while read := stream.read(1 << 24):
            *lines, rest = (rest + read).split(b"\n")
            if len(rest) > LONGEST_LINE:
                raise too_long_line(path)
            yield from filter(bytes.strip, lines)
    if rest.strip():
        yield rest


_sagemaker, _vertex = msgspec.json.Decoder(_SageMakerRecord), msgspec.json.Decoder(_VertexRecord)


def _request(line: bytes | dict[str, Any]) -> _Request:
    if isinstance(line, dict):
        return _vertex_request(msgspec.convert(line, _VertexRecord))
    if b'"request_payload"' in line and b'"captureData"' not in line:
        return _vertex_request(_vertex.decode(line))
    record = _sagemaker.decode(line)
    event, exchange = record.event_metadata, record.capture_data
    rows, predictions = payload_rows(_text(exchange.endpoint_input)), payload_rows(_text(exchange.endpoint_output))
    return _paired(event.inference_id or event.event_id, event.inference_time, rows, predictions)


def _vertex_request(record: _VertexRecord) -> _Request:
    rows = [row for payload in record.request_payload for row in payload_rows(payload)]
    predictions = [value for payload in record.response_payload for value in payload_rows(payload)]
    time, id_ = record.logging_time, record.request_id
    time = time.removesuffix(" UTC") if isinstance(time, str) else time
    return _paired(id_text(id_), time, rows, predictions)


def _paired(id_: str, time: Any, rows: list[Any], predictions: list[Any]) -> _Request:
    paired = predictions_of_rows(predictions, len(rows))
    return _Request(id_, time, rows, [None] * len(rows) if paired is None else paired, paired is None)


def _text(payload: _Payload) -> str:
    if payload.encoding != "BASE64":
        return payload.data
    try:
        return base64.b64decode(payload.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("a payload in BASE64 is not text; CSV and JSON are read") from None


def _features(
    path: Path, requests: Sequence[_Request], names: Sequence[str], text: Collection[str], say: Say
) -> tuple[pa.Table, list[tuple[int, int]], Collection[str]]:
    """Return the features, the request and the place in it of each row, and the columns that are read by looks."""
    lines, objects = list[str](), list[dict[str, Any]]()
    of_lines, of_objects = list[tuple[int, int]](), list[tuple[int, int]]()
    lists = Counter(len(row) for request in requests for row in map(row_values, request.rows) if isinstance(row, list))
    names = _names(path, names, lists.most_common(1)[0][0]) if lists else names
    unusable = 0
    for number, request in enumerate(requests):
        for place, row in enumerate(map(row_values, request.rows)):
            if isinstance(row, str):
                lines.append(row)
                of_lines.append((number, place))
            elif isinstance(row, dict) or (isinstance(row, list) and len(row) == len(names)):
                objects.append(row if isinstance(row, dict) else dict(zip(names, row, strict=True)))
                of_objects.append((number, place))
            else:
                unusable += 1
    tables, by_looks = list[pa.Table](), set[str]()
    if objects:
        columns = columns_of(objects)
        tables, by_looks = [pa.table(columns.arrays)], set(columns.mixed)
    if lines:
        table, bad = _csv_table(path, lines, names)
        codes = {name for name in table.schema.names if are_codes(table.column(name))}
        by_looks |= set(table.schema.names) - codes
        for place, name in enumerate(table.schema.names):
            if name not in codes and name not in text:
                table = table.set_column(place, name, _numbers(table.column(name)))
        tables.append(table)
        of_lines = [owner for at, owner in enumerate(of_lines) if at not in bad]
        unusable += len(bad)
    if unusable:
        say(f"{path}: left out {many(unusable)} with another number of values than the other rows")
    if not tables:
        raise BadInput(f"{path}: no captured request has rows that can be read")
    return tables[0] if len(tables) == 1 else _joined(tables), of_objects + of_lines, by_looks


def _numbers(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts as numbers if all are."""
    for kind in (pa.int64(), pa.float64()):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            pass
    return texts


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Return rows of JSON and of CSV as one table of texts."""
    return pa.concat_tables(
        [table.cast(pa.schema([(name, pa.string()) for name in table.schema.names])) for table in tables],
        promote_options="default",
    )


def _names(path: Path, names: Sequence[str], values: int) -> list[str]:
    if names and len(names) != values:
        raise BadInput(
            f"{path}: the requests have {values} values per row without names, but {len(names)} features are known: "
            f"{', '.join(names[:8])}; build the baseline with the features of the requests in their order"
        )
    return list(names or (f"value_{place}" for place in range(values)))


def _csv_table(path: Path, lines: list[str], names: Sequence[str]) -> tuple[pa.Table, set[int]]:
    """Return lines of CSV as columns, and the indices of lines with another number of values."""
    widths = Counter(line.count(",") + 1 for line in lines if '"' not in line)
    names = _names(path, names, widths.most_common(1)[0][0] if widths else len(names) or 1)
    bad = set[int]()

    def skip(row: Any) -> str:
        bad.add(row.number - 1)
        return "skip"

    table = pa.csv.read_csv(
        pa.py_buffer("\n".join(lines).encode()),
        pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=LONGEST_LINE),
        pa.csv.ParseOptions(invalid_row_handler=skip),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=list(_MISSING)
        ),
    )
    return table, bad


def _with_requests(
    path: Path, table: pa.Table, requests: Sequence[_Request], owners: Sequence[tuple[int, int]], say: Say
) -> pa.Table:
    """Return the features with the id, the time and the prediction of each row."""
    ids, predictions = list[str | None](), list[dict[str, Any]]()
    for number, place in owners:
        request = requests[number]
        ids.append(f"{request.id}.{place}" if request.id and len(request.rows) > 1 else request.id or None)
        predictions.append(row_prediction(request.predictions[place]))
    added = {
        "id": pa.array(ids, pa.string()),
        "time": pa.array([requests[number].time or None for number, _ in owners]),
    }
    added |= _outputs(path, predictions, say)
    for name, values in added.items():
        if name in ("id", "time") and name in table.schema.names:
            continue  # the requests have their own
        free = name if name not in table.schema.names else f"output.{name}"
        table = table.append_column(free, values)
        if free != name:
            say(f"{path}: a feature has the name '{name}', so the prediction is the column '{free}'")
    return table


def _outputs(path: Path, predictions: Sequence[dict[str, Any]], say: Say) -> dict[str, pa.Array]:
    """Return the columns of predictions: whole numbers alone are classes, the second of two scores is the score."""
    scores = [row.get("scores") for row in predictions]
    labels = [row.get("predicted") for row in predictions]
    width = Counter(len(row) for row in scores if row).most_common(1)
    k = width[0][0] if width else 0
    if missing := sum(not row for row in predictions):
        say(f"{path}: {many(missing)} without a score or a class that can be read in the response")
    usable = [row if row and len(row) == k else None for row in scores]
    has_labels = any(label is not None for label in labels)
    if k == 1 and not has_labels and all(isinstance(row[0], int) for row in scores if row):
        return {"predicted": _classes([None if row is None else row[0] for row in usable])}
    columns: dict[str, pa.Array] = {}
    for place in range(k) if k != 2 else (1,):
        name = "score" if k <= 2 else f"score_{place}"
        columns[name] = pa.array([None if row is None else float(row[place]) for row in usable], pa.float64())
    if k == 2:
        say(f"{path}: of two scores per row, the second is read as the score")
    return columns | ({"predicted": _classes(labels)} if has_labels else {})


def _classes(labels: Sequence[Any]) -> pa.Array:
    """Return classes as whole numbers if all are, else as texts."""
    if all(isinstance(label, int) for label in labels if label is not None):
        return columns_of({"v": label} for label in labels).arrays["v"]
    return pa.array([None if label is None else str(label) for label in labels], pa.string())
