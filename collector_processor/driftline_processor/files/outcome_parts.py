"""A file of outcomes → parts of so many rows, in the same bytes every time, with the columns that outcomes have.

CSV goes out as CSV, since only its reader knows which texts are numbers; Parquet as Arrow, JSON and NDJSON as NDJSON.
Rows that cannot be used are sent like all others: the receiver names them, and the count of rows is that of the file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from driftline_processor.core.decode.json_text import UnreadableJson, load_json
from driftline_processor.web.outcome_fields import FIELDS, SLICE
from driftline_processor.web.outcome_files import MARK

from .errors import BadInput, Say, listed, near
from .source import check_path, kind_of, readable

ROWS = 50_000
"""Rows of a part: some megabytes, taken in within a second."""


@dataclass(frozen=True, slots=True)
class Part:
    """``number``: from 0. ``first``: the row of the file that is its first, from 0. ``kind``: its content type."""

    number: int
    first: int
    rows: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a file say what. ``given``: field → column; others are found by the names of the fields.

    ``without``: fields that are not taken from the file.
    """

    given: Mapping[str, str]
    without: frozenset[str] = frozenset()

    def chosen(self, names: Sequence[str], path: Path, say: Say) -> dict[str, str]:
        """Return column → field of those that are sent. Raises :class:`BadInput` for a column that is not there."""
        for field, column in self.given.items():
            if column not in names:
                raise BadInput(f"{path}: no column {column!r} for {field}; {near(column, tuple(names))}")
        chosen = {column: field for field, column in self.given.items()}
        fields = set(self.given) | self.without
        chosen |= {name: name for name in names if _is_field(name) and name not in fields and name not in chosen}
        needed = ("id",) if "retracted" in chosen.values() else ("id", "actual")
        for field in needed:
            if field not in chosen.values():
                hint = f"name it with --{field} COLUMN; there are {listed(list(names))}"
                raise BadInput(f"{path}: no column {field!r}; {hint}")
        left = [name for name in names if name not in chosen]
        if left:
            say(f"{path}: not sent: {listed(left)}")
        return chosen


def _is_field(name: str) -> bool:
    return name in FIELDS or name.startswith(SLICE)


def parts_of(path: Path, columns: Columns, say: Say, rows: int = ROWS) -> Iterator[Part]:
    """Yield the parts of a file of ``rows`` rows each. Raises :class:`BadInput` where it cannot be read."""
    check_path(path)
    read = {"parquet": _parquet, "csv": _csv, "ndjson": _ndjson}[kind_of(path)]
    with readable(path):
        first = 0
        for number, (count, kind, body) in enumerate(read(path, columns, say, rows)):
            yield Part(number, first, count, kind, body)
            first += count


_Bodies = Iterator[tuple[int, str, bytes]]


def _csv(path: Path, columns: Columns, say: Say, rows: int) -> _Bodies:
    with _text(path) as lines:
        reader = csv.reader(lines, delimiter="\t" if ".tsv" in path.name.lower() else ",")
        header = next(reader, [])
        marked = {name[1:] for name in header if name.startswith(MARK)}  # the receiver takes the marks away
        header = [name.removeprefix(MARK) for name in header]
        chosen = columns.chosen(header, path, say)
        marks = {column: MARK if column in marked else "" for column in chosen}
        places = [(header.index(column), f"{marks[column]}{field}") for column, field in chosen.items()]
        torn = [""] * (len(places) + 1)
        cells = (line for line in reader if line)
        while block := list(islice(cells, rows)):
            out = io.StringIO()
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow([field for _, field in places])
            for line in block:
                # A line break within a cell would be another row there; a torn line is named there as such.
                whole = len(line) == len(header)
                writer.writerow([" ".join(line[at].splitlines()) for at, _ in places] if whole else torn)
            yield len(block), "text/csv", _bytes(out.getvalue())


def _parquet(path: Path, columns: Columns, say: Say, rows: int) -> _Bodies:
    file = pq.ParquetFile(path)
    chosen = columns.chosen(file.schema_arrow.names, path, say)
    for table in _rebatched(file.iter_batches(min(rows, 65_536), columns=list(chosen)), rows):
        renamed = table.select(list(chosen)).rename_columns(list(chosen.values())).replace_schema_metadata(None)
        out = io.BytesIO()
        with pa.ipc.new_stream(out, renamed.schema) as stream:
            stream.write_table(renamed.combine_chunks())
        yield len(renamed), "application/vnd.apache.arrow.stream", out.getvalue()


def _rebatched(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield tables of exactly so many rows, the last of fewer, however a file is cut."""
    waiting: list[pa.Table] = []
    for batch in batches:
        waiting.append(pa.Table.from_batches([batch]))
        while sum(map(len, waiting)) >= rows:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, rows)
            waiting = [whole.slice(rows)]
    if sum(map(len, waiting)):
        yield pa.concat_tables(waiting)


def _ndjson(path: Path, columns: Columns, say: Say, rows: int) -> _Bodies:
    with _text(path) as lines:
        outcomes = _document(lines.read(), path) if ".json" in path.suffixes else filter(str.strip, lines)
        chosen: dict[str, str] = {}
        while block := list(islice(outcomes, rows)):
            read = [_loaded(line) for line in block]
            if not chosen:
                chosen = columns.chosen(_keys(read), path, say)
            yield len(block), "application/x-ndjson", _bytes("\n".join(_line(row, chosen, columns) for row in read))


def _document(text: str, path: Path) -> Iterator[Any]:
    """Return the outcomes of a JSON document: a list, or what stands under ``outcomes``; else its lines."""
    try:
        document = load_json(_bytes(text), len(text))
    except UnreadableJson:
        return filter(str.strip, iter(text.splitlines()))
    found = document.get("outcomes", [document]) if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise BadInput(f'{path}: no outcomes; write a list of them, or {{"outcomes": […]}}')
    said = {
        name: document[name] for name in ("model", "environment") if isinstance(document, dict) and name in document
    }
    return iter([said | row if isinstance(row, dict) else row for row in found])


def _loaded(line: Any) -> Any:
    if not isinstance(line, str) or not _is_unicode(line):
        return line
    try:
        return load_json(line.encode())
    except UnreadableJson:
        return line  # the receiver says what is wrong with it


def _keys(rows: list[Any]) -> list[str]:
    return list(dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row))


def _line(row: Any, chosen: Mapping[str, str], columns: Columns) -> str:
    """Return a row as a line; a key that no row before had is sent where it is one of an outcome."""
    if not isinstance(row, dict):
        return " ".join(row.splitlines()) if isinstance(row, str) else json.dumps(row)
    fields = {key: chosen.get(key, key) for key in row}
    kept = {field: row[key] for key, field in fields.items() if key in chosen or _is_field(key)}
    return json.dumps({field: value for field, value in kept.items() if field not in columns.without})


def _text(path: Path) -> IO[str]:
    """Open a file of texts in UTF-8; what is none goes out in the bytes it came in: the receiver names its lines."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise BadInput(f"{path}: this is UTF-16; save it as UTF-8")
    return opened(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
