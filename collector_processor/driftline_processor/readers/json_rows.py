"""Read JSON as rows: an object per line, a list of objects, or objects in lines of a log.

Nested objects become columns: `{"features": {"age": 31}}` has a column `features.age`. A text with a JSON object, as
in logs and databases, is treated like the object: `message.age`.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.json
from driftline.tables.classes import EXACT
from driftline.tables.ids import id_text

from driftline_processor.core.decode.untrusted_json import MAX_DEPTH, UnreadableJson, has_null_line, load_json, shape_of
from driftline_processor.core.lazy_modules import pc
from driftline_processor.present.numbers import many

from .arrow_columns import NUMBER, is_text, one_array
from .errors import BadInput, NoRows, Say
from .limits import LONGEST_LINE, MOST_COLUMNS, encoding_of, too_long_line, unpacked
from .source import with_several_types
from .spool import Spool, equal_batches, no_columns
from .times import read_times

MOST_DEPTH = 8
"""Maximum depth of nested objects that become columns; deeper values stay unchanged and are not compared."""

BLOCK = 32 << 20
"""Bytes per block."""

_OBJECT = r"(?s)^\s*\{.*\}\s*$"
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?")


class Columns(NamedTuple):
    """Columns of n rows.

    Attributes:
        mixed: Columns with several types, whose values are all texts here.
    """

    arrays: dict[str, pa.Array]
    mixed: frozenset[str] = frozenset()


def columns_of(rows: Iterable[Mapping[str, Any] | None], text: Collection[str] = ()) -> Columns:
    """Return objects as columns, including nested ones. ``text``: columns whose texts are not times.

    A missing row or value is null. Raises :class:`BadInput` for too many columns.

    >>> columns_of([{"features": {"age": 31}}, None, {"features": {"age": 5}}]).arrays["features.age"].to_pylist()
    [31, None, 5]
    """
    places: dict[str, array[int]] = {}
    values: dict[str, list[Any]] = {}
    n = 0
    for row in rows:
        for name, value in {} if row is None else dict(_leaves(row)).items():
            if name not in values:
                if len(values) >= MOST_COLUMNS:
                    raise BadInput(
                        f"there are more than {MOST_COLUMNS:,} columns, such as '{name:.60}': are ids used as keys? "
                        "Write them as values"
                    )
                places[name], values[name] = array("q"), []
            places[name].append(n)
            values[name].append(value)
        n += 1
    arrays = {name: _exact(value) if name in text else array_of(value) for name, value in values.items()}
    mixed = frozenset(name for name, array in arrays.items() if array is None)
    values_by_name = {
        name: texts_of(values[name]) if array is None else array if name in text else times_of(array)
        for name, array in arrays.items()
    }
    return Columns(
        {name: _scatter(column_values, places[name], n) for name, column_values in values_by_name.items()}, mixed
    )


def _leaves(row: Mapping[str, Any], above: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        name = f"{above}{key}"
        inside = value if isinstance(value, dict) else object_in(value)
        if inside is None or depth >= MOST_DEPTH:
            yield name, value
        else:
            yield from _leaves(inside, f"{name}.", depth + 1)


def object_in(value: object) -> dict[str, Any] | None:
    """Return the object of a JSON text; None for other texts.

    >>> object_in('{"age": 31}'), object_in("started")
    ({'age': 31}, None)
    """
    if not isinstance(value, str) or not (value.startswith("{") and value.endswith("}")):
        return None
    return _object(value.encode("utf-8", "surrogatepass"))


def flattened(table: pa.Table, text: Collection[str] = ()) -> tuple[pa.Table, frozenset[str]]:
    """Return a table with nested fields as columns, and the names of columns with several types.

    ``text``: columns whose texts stay texts; in others times are parsed. If names repeat, the first column is used.
    """
    for _ in range(MOST_DEPTH - 1):
        if not any(pa.types.is_struct(field.type) for field in table.schema):
            break
        _check(table)
        table = _first_of_each(table.flatten())
    mixed: frozenset[str] = frozenset()
    for name in dict.fromkeys(table.schema.names):
        inner_table, is_whole = (None, False) if name in text else _inside(table, name, text)
        if inner_table is None:
            continue
        index = table.schema.names.index(name)
        for inner, values in inner_table.arrays.items():
            if f"{name}.{inner}" not in table.schema.names:
                table = table.append_column(f"{name}.{inner}", values)
        mixed |= {f"{name}.{inner}" for inner in inner_table.mixed}
        if is_whole:
            table = table.remove_column(index)
    _check(table)
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type) and field.name not in text:
            table = table.set_column(index, field.name, _times(table.column(index)))
    return table, mixed


def _first_of_each(table: pa.Table) -> pa.Table:
    names = dict[str, int]()
    for index, name in enumerate(table.schema.names):
        names.setdefault(name, index)
    return table.select(list(names.values()))


def _inside(table: pa.Table, name: str, text: Collection[str]) -> tuple[Columns | None, bool]:
    """Return the columns of the JSON objects in texts, None without any; and True if every text is an object."""
    if table.schema.names.count(name) > 1 or not pa.types.is_string(table.schema.field(name).type):
        return None, False
    column = table.column(name)
    if not pc.any(pc.match_substring_regex(column, _OBJECT)).as_py():
        return None, False
    objects = [object_in(value.strip()) if value else None for value in column.to_pylist()]
    inner_text = {path.removeprefix(f"{name}.") for path in text if path.startswith(f"{name}.")}
    inner_columns = columns_of(objects, inner_text)
    is_whole = sum(item is not None for item in objects) == len(column) - column.null_count
    return (inner_columns if inner_columns.arrays else None), is_whole


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Parse times of Python's `logging`, with a comma, which Arrow does not recognise."""
    chunks = [chunk for chunk in column.chunks if len(chunk) > chunk.null_count]
    first = chunks[0].drop_null()[0].as_py() if chunks else ""
    if not _ISO.fullmatch(first):
        return column
    return pa.chunked_array([times_of(one_array(column))])


def _check(table: pa.Table) -> None:
    if table.num_columns > MOST_COLUMNS:
        raise BadInput(f"there are more than {MOST_COLUMNS:,} columns: are ids used as keys? Write them as values")


def _scatter(values: pa.Array, places: array[int], n: int) -> pa.Array:
    """Return values at their positions among n rows, null elsewhere."""
    if len(values) == n:
        return values
    row_places = np.full(n, -1, np.int64)
    row_places[np.frombuffer(places, np.int64)] = np.arange(len(values))
    packed = np.packbits(row_places >= 0, bitorder="little").tobytes()
    return values.take(pa.Array.from_buffers(pa.int64(), n, [pa.py_buffer(packed), pa.py_buffer(row_places.tobytes())]))


def array_of(values: list[Any]) -> pa.Array | None:
    """Return values as an array; None for several types."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        pass
    if all(value is None or isinstance(value, int | float) for value in values):
        return pa.array([None if value is None else _double(value) for value in values])
    return None


def _exact(values: list[Any]) -> pa.Array | None:
    """Return the values of a column such as ids; as texts if an integer of 2^53 or more would become a double."""
    array = array_of(values)
    if array is None or not pa.types.is_floating(array.type):
        return array
    if not any(isinstance(value, int) and abs(value) >= EXACT for value in values):
        return array
    return pa.array([id_text(value) or None for value in values], pa.string())


def texts_of(values: list[Any]) -> pa.Array:
    """Return values of several types as texts: numbers with a mark, other values than texts as JSON."""
    return pa.array([None if value is None or value != value else _text(value) for value in values], pa.string())


def times_of(values: pa.Array) -> pa.Array:
    """Return texts as times if all are ISO 8601 times, anything else unchanged.

    >>> times_of(pa.array(["2026-01-05 12:00:01,5", None])).to_pylist()[0].isoformat()
    '2026-01-05T12:00:01.500000'
    >>> times_of(pa.array(["2026-01-05", "soon"])).to_pylist()
    ['2026-01-05', 'soon']
    """
    if not pa.types.is_string(values.type) or values.null_count == len(values):
        return values
    known_values = values.drop_null()
    if not _ISO.fullmatch(known_values[0].as_py()):
        return values
    if not pc.all(pc.match_substring_regex(known_values, f"^{_ISO.pattern}$")).as_py():
        return values
    times = read_times(pa.chunked_array([values]))
    if int(times.readable.sum()) != len(known_values):
        return values
    packed = np.packbits(times.readable, bitorder="little").tobytes()
    return pa.Array.from_buffers(
        pa.timestamp("ns"), len(values), [pa.py_buffer(packed), pa.py_buffer(times.values.tobytes())]
    )


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return float("inf") if value > 0 else float("-inf")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return f"{NUMBER}{text}" if isinstance(value, bool | int | float) else text


_SPACE = re.compile(r"\s*")
_SPACES = b"\xef\xbb\xbf \t\r\n"

_STAMP = re.compile(rb"\s*\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)")
LOGGED = "asctime"
"""The column of the time at the start of a log line, named as in Python's `logging`."""


class UnreadableLines(NamedTuple):
    """The number of unreadable lines and the line number of the first.

    Attributes:
        noun: The noun for a line in messages.
    """

    bad: int = 0
    first: int = 0
    noun: str = "line"

    def tell(self, path: Path, say: Say) -> None:
        """Report them."""
        if self.bad:
            say(f"{path}: left out {many(self.bad, self.noun)}: {self.noun} {self.first} is not a JSON object")


class ParsedLines(NamedTuple):
    """Lines as columns.

    Attributes:
        mixed: Columns with several types, whose values are all texts here.
    """

    table: pa.Table
    lines: UnreadableLines = UnreadableLines()
    mixed: frozenset[str] = frozenset()


class JsonSource:
    """Rows of objects, parsed once in blocks with independent types.

    A column of several types becomes text. JSON has no times: a column of texts that are all times is read as times,
    except the columns in ``text``.
    """

    def __init__(self, path: Path, say: Say, text: Collection[str] = ()) -> None:
        """Parse a file. Raises :class:`BadInput` if it has no rows."""
        self.path, self._text = str(path), text
        self._spool, schemas, bad, first, noun, mixed = Spool(), list[pa.Schema](), 0, 0, "line", set[str]()
        for table, lines, several in self._blocks(path):
            bad, first, noun = bad + lines.bad, first or lines.first, lines.noun
            mixed |= several
            if table.num_columns and table.schema not in schemas:
                schemas.append(table.schema)
            rows = table.to_batches() if table.num_columns else [no_columns(table.num_rows)] if table.num_rows else []
            for batch in equal_batches(iter(rows)) if table.num_columns else rows:
                self._spool.add(batch)
        self.rows = self._spool.rows
        if not self.rows:
            raise (BadInput if bad else NoRows)(f"{path}: {self._no_rows}")
        self.schema = united(schemas)
        types = {
            field.name: [schema.field(field.name).type for schema in schemas if field.name in schema.names]
            for field in self.schema
        }
        self.by_looks: Collection[str] = mixed | {
            name
            for name, kinds in types.items()
            if len({is_text(kind) for kind in kinds if not pa.types.is_null(kind)}) > 1
        }
        self.schema = with_several_types(self.schema, self.by_looks)
        UnreadableLines(bad, first, noun).tell(path, say)

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows; a column without values in a block is left out of it."""
        fields = [field for field in self.schema if field.name in names]
        for batch in self._spool.batches(names):
            have, n = set(batch.schema.names), batch.num_rows
            arrays = {
                field.name: batch.column(field.name) if field.name in have else pa.nulls(n, field.type)
                for field in fields
            }
            yield pa.RecordBatch.from_pydict(arrays) if arrays else batch

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column, as text if its blocks have several types."""
        kind = self.schema.field(name).type
        return pa.chunked_array([batch.column(0).cast(kind) for batch in self.batches({name})], kind)

    _no_rows = "there are no rows"

    def _blocks(self, path: Path) -> Iterator[ParsedLines]:
        raise NotImplementedError


class NdjsonSource(JsonSource):
    """The rows of NDJSON, in blocks of lines.

    If Arrow rejects a block, because of an invalid line or a column that changes its type, its lines are parsed one by
    one; unreadable lines are reported and left out.
    """

    _no_rows = 'no line is a JSON object; NDJSON has one object per line, such as {"age": 31}'

    def __init__(self, path: Path, say: Say, text: Collection[str] = (), block: int | None = None) -> None:
        """Parse a file in blocks of ``block`` (:data:`BLOCK`) bytes. Raises :class:`BadInput` without any object."""
        self._block = BLOCK if block is None else block
        encoding = encoding_of(path)
        self._encoding = encoding.name if encoding.invalid else ""
        super().__init__(path, say, text)
        encoding.tell(path, say)

    def _blocks(self, path: Path) -> Iterator[ParsedLines]:
        rest, number = b"", 1
        with unpacked(path, self._encoding) as stream:
            while read := stream.read(self._block):
                if number == 1 and not rest and read.lstrip(_SPACES).startswith((b"[", b"{")):
                    is_whole = _whole_line(read)
                    if not is_whole:
                        read += stream.rest()
                        if read.split() == [b"[]"]:  # a list without rows
                            return
                    listed = None if is_whole else listed_lines(read)
                    if b"\n" not in read.strip() or (listed is not None and listed.objects == 1):
                        check_rows(path, read)
                    if listed is not None:
                        yield listed.parse(self._text)
                        return
                data = rest + read
                end = data.rfind(b"\n") + 1
                data, rest = data[:end], data[end:]
                if len(rest) > LONGEST_LINE:
                    raise too_long_line(path)
                if data:
                    yield parse_lines(data, number, self._text)
                    number += data.count(b"\n")
        if rest:
            yield parse_lines(rest, number, self._text)


def _whole_line(data: bytes) -> bool:
    """Return True if the first line is a complete object."""
    return _object(data.lstrip(_SPACES).partition(b"\n")[0]) is not None


def check_rows(path: Path, data: bytes) -> None:
    """Raise :class:`BadInput` for one object that is a whole table.

    It holds columns or rows by their names, as pandas writes by default, or lists and no plain value. It is recognised
    before its values become columns, which are as many as the values of the table.
    """
    table = _object(data.lstrip(_SPACES)) or {}
    keys = {tuple(inner) if isinstance(inner, dict) else () for inner in table.values()}
    [labels] = keys if len(keys) == 1 else ((),)
    what = ""
    if "0" in labels or (len(labels) > 1 and len(table) > 1):
        what = "rows" if "0" in table else "columns"
    elif _holds_lists(table):
        what = "lists"
    if what:
        raise BadInput(
            f"{path}: the file is one object of {what}, but rows are required; write it with "
            "df.to_json(path, orient='records', lines=True)"
        )


def _holds_lists(table: dict[str, Any]) -> bool:
    """Return True for an object with a list of several elements and without plain values, or around one."""
    inner = list(table.values())
    if len(inner) == 1 and isinstance(inner[0], dict):
        inner = list(inner[0].values())
    return all(isinstance(one, dict | list) for one in inner) and any(
        isinstance(one, list) and len(one) > 1 for one in inner
    )


class JsonList(NamedTuple):
    """Objects of a list, or over several lines, as lines.

    Attributes:
        cut: True if the text ends within an object.
    """

    lines: bytes
    objects: int
    cut: bool

    def parse(self, text: Collection[str]) -> ParsedLines:
        """Return the objects as columns."""
        parsed_lines = parse_lines(self.lines, 1, text)
        bad = parsed_lines.lines.bad + self.cut
        return parsed_lines._replace(
            lines=UnreadableLines(bad, parsed_lines.lines.first or (self.objects + 1 if self.cut else 0), "object")
        )


def listed_lines(data: bytes) -> JsonList | None:
    r"""Return the objects of a JSON list, or objects over several lines; None for anything else.

    >>> listed_lines(b'[{"a": 1},\n {"a":\n 2}]')
    JsonList(lines=b'{"a": 1}\n{"a":  2}', objects=2, cut=False)
    """
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    first = data[len(data[:4096]) - len(start) :].partition(b"\n")[0]
    if not start.startswith((b"[", b"{")) or _object(first) is not None:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    decode, lines, cut = json.JSONDecoder().raw_decode, list[str](), False
    at = _after_space(text, 0)
    is_list = text[at] == "["
    at = _after_space(text, at + is_list)
    while at < len(text) and text[at] != "]":
        try:
            _, end = decode(text, at)
        except (ValueError, RecursionError):
            cut = True
            break
        lines.append(text[at:end].replace("\n", " ").replace("\r", " "))
        at = _after_space(text, end)
        if is_list and text[at : at + 1] == ",":
            at = _after_space(text, at + 1)
    is_whole = is_list and not cut and text[at : at + 1] == "]" and not text[at + 1 :].strip()
    if not lines or not lines[0].startswith("{") or not (is_whole or (is_list and cut) or (not is_list and not cut)):
        return None
    return JsonList("\n".join(lines).encode(), len(lines), cut)


def _after_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return start if match is None else match.end()


def parse_lines(data: bytes, first: int, text: Collection[str] = ()) -> ParsedLines:
    """Parse whole lines of NDJSON; ``first``: number of the first line; ``text``: columns whose texts are not times."""
    if shape_of(data).depth > MAX_DEPTH or has_null_line(data):  # either would crash Arrow
        return _line_by_line(data, first, text)
    try:
        data.decode()  # Arrow does not check, and reading such a text fails later
        table, mixed = flattened(_parse(data, []), text)
        times = [f.name for f in table.schema if f.name in text and pa.types.is_timestamp(f.type)]
        if times:
            table, mixed = flattened(_parse(data, times), text)
        if any(_may_be_inexact(table, name) for name in text):
            return _line_by_line(data, first, text)
        return ParsedLines(table, mixed=mixed)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return _line_by_line(data, first, text)


def _may_be_inexact(table: pa.Table, name: str) -> bool:
    """Return True for doubles of 2^53 or more: Arrow makes them of integers if one is 2^63 or more, or has decimals."""
    if name not in table.schema.names or not pa.types.is_floating(table.schema.field(name).type):
        return False
    return bool(pc.any(pc.greater_equal(pc.abs(table.column(name)), EXACT)).as_py())


def _parse(data: bytes, text: list[str]) -> pa.Table:
    return pa.json.read_json(
        pa.BufferReader(data),
        read_options=pa.json.ReadOptions(block_size=1 << 24),
        parse_options=pa.json.ParseOptions(explicit_schema=pa.schema(_as_texts(text))),
    )


def _as_texts(names: list[str]) -> list[pa.Field]:
    """Return fields of type text; dotted names become nested fields."""
    plain = [pa.field(name, pa.string()) for name in names if "." not in name]
    inside: dict[str, list[str]] = {}
    for name in names:
        if "." in name:
            above, _, below = name.partition(".")
            inside.setdefault(above, []).append(below)
    return plain + [pa.field(name, pa.struct(_as_texts(below))) for name, below in inside.items()]


def _line_by_line(data: bytes, start: int, text: Collection[str] = ()) -> ParsedLines:
    bad = first = 0

    def objects() -> Iterator[dict[str, Any]]:
        nonlocal bad, first
        for number, line in enumerate(data.splitlines(), start):
            if not line.strip():
                continue
            row = _object(line)
            if row is None:
                row = _logged(line)
            if row is not None:
                yield row
            else:
                bad += 1
                first = first or number

    arrays, mixed = columns_of(objects(), text)
    return ParsedLines(pa.table(arrays), UnreadableLines(bad, first), mixed)


def _object(line: bytes) -> dict[str, Any] | None:
    """Return the object of a line, with unpaired surrogates as question marks; None for other lines."""
    try:
        row = load_json(line)
        if b"\\u" in line:
            row = load_json(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))
    except UnreadableJson:
        return None
    return row if isinstance(row, dict) else None


def _logged(line: bytes) -> dict[str, Any] | None:
    """Return the object at the end of a log line, with the time at its start; None without an object."""
    start = line.find(b"{")
    row = _object(line[start:]) if start > 0 and not line.lstrip().startswith((b"[{", b'"')) else None
    if row is not None and (stamp := _STAMP.match(line)) is not None:
        row.setdefault(LOGGED, stamp[1].decode())
    return row


def united(schemas: list[pa.Schema]) -> pa.Schema:
    """Return one schema for all blocks or files; a column of incompatible types is text."""
    names = dict.fromkeys(name for schema in schemas for name in schema.names)
    fields = []
    for name in names:
        field_schemas = [pa.schema([schema.field(name)]) for schema in schemas if name in schema.names]
        try:
            fields.append(pa.unify_schemas(field_schemas, promote_options="permissive").field(0))
        except pa.ArrowException:
            fields.append(pa.field(name, pa.string()))
    return pa.schema(fields)
