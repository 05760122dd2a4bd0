"""Open a file of rows: CSV, Parquet or NDJSON, told by its extension.

Parquet is read in batches of rows, only the columns asked for; CSV and NDJSON are parsed once, by Arrow, into columns.
What Arrow cannot take from one line never costs the others: the line is named and left out.
"""

from __future__ import annotations

import codecs
import glob
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from .errors import BadInput, Say, listed, rows
from .mlflow import local

BATCH = 131_072
"""Rows per batch: 1 MB a column of doubles, which stays in the cache between one step and the next."""

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".tsv")
_NDJSON = (".ndjson", ".jsonl", ".json")


class Source(Protocol):
    """Rows of one file. ``schema`` knows every column's type; ``rows`` how many there are."""

    path: str
    schema: pa.Schema
    rows: int

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows, in the file's order."""

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""


def kind_of(path: Path) -> str:
    """Tell ``"parquet"``, ``"csv"`` or ``"ndjson"`` by the extension (``.gz`` may follow), ``""`` for others.

    >>> kind_of(Path("week.CSV.gz")), kind_of(Path("week.xlsx"))
    ('csv', '')
    """
    name = path.name.lower().removesuffix(".gz")
    for kind, suffixes in (("parquet", _PARQUET), ("csv", _CSV), ("ndjson", _NDJSON)):
        if name.endswith(suffixes):
            return kind
    return ""


def named(paths: Sequence[Path]) -> list[Path]:
    """Return files, patterns such as ``rows/*.parquet`` replaced by those they match, in order; artifacts downloaded.

    Raises :class:`BadInput` where one matches none.
    """
    found: list[Path] = []
    for path in map(local, paths):
        matches = [path] if path.exists() or not glob.has_magic(str(path)) else sorted(map(Path, glob.glob(str(path))))
        if not matches:
            raise BadInput(f"{path}: no file matches")
        found += matches
    return found


def check_path(path: Path) -> None:
    """Raise :class:`BadInput` when a file is not there, empty, or of an unknown kind."""
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    if not path.is_file():
        raise BadInput(f"{path}: is a directory; name its files, as in {path}/*.parquet")
    if not kind_of(path):
        raise BadInput(f"{path}: unknown extension; rows are read from .parquet, .csv and .ndjson")
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: the file is empty")


def open_source(path: Path, text: Collection[str], say: Say, most: int | None = None) -> Source:
    """Open a file; ``text`` names the columns that stay text even where they look like numbers (ids).

    ``most``: a CSV or NDJSON of more bytes is not held in memory but parsed again in each pass; None = however many.
    Raises :class:`BadInput` when it cannot be read or has no rows.
    """
    check_path(path)
    kind = kind_of(path)
    with readable(path):
        source: Source
        if kind == "parquet":
            source = ParquetSource(path, text)
        elif most is not None and path.stat().st_size > most:
            from .streamed import CsvStream, NdjsonStream

            source = CsvStream(path, text, say) if kind == "csv" else NdjsonStream(path, say)
        elif kind == "csv":
            source = TableSource(path, _read_csv(path, text, say), say)
        else:
            from .ndjson import read_ndjson

            source = TableSource(path, read_ndjson(path, say), say)
    if not source.rows:
        raise BadInput(f"{path}: the file has columns but no rows")
    return source


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turn what Arrow and the system say about a file into one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(f"{path}: cannot be read: {reason}") from error


class ParquetSource:
    """A Parquet file, read in batches; texts come as dictionary codes, as they are stored."""

    def __init__(self, path: Path, text: Collection[str]) -> None:
        self.path = str(path)
        self.schema = pa.parquet.read_schema(path)
        twice = {name for name in self.schema.names if self.schema.names.count(name) > 1}
        if twice:
            raise BadInput(f"{path}: two columns have the name '{min(twice)}'; rename one")
        coded = [f.name for f in self.schema if _is_text(f.type) and f.name not in text]
        # pre-buffering holds whole row groups: 560 MB at the peak for 4 million rows of 20 features, against 94 MB
        self._file = pa.parquet.ParquetFile(path, read_dictionary=coded, pre_buffer=False, buffer_size=1 << 20)
        self.schema = self._file.schema_arrow
        self.rows = int(self._file.metadata.num_rows)

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        wanted = [name for name in self.schema.names if name in names]
        with readable(self.path):
            if wanted:
                yield from self._file.iter_batches(BATCH, columns=wanted)
            else:  # Parquet without columns yields nothing; the rows are still there
                for start in range(0, self.rows, BATCH):
                    yield _no_columns(min(BATCH, self.rows - start))

    def column(self, name: str) -> pa.ChunkedArray:
        with readable(self.path):
            return self._file.read(columns=[name]).column(name)


class TableSource:
    """Rows that are in memory, as columns."""

    def __init__(self, path: Path, table: pa.Table, say: Say) -> None:
        names = table.schema.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            say(f"{path}: {listed(twice)}: several columns of one name; the first is read")
            table = table.select([i for i, name in enumerate(names) if names.index(name) == i])
        self.path = str(path)
        self.schema = table.schema
        self.rows = len(table)
        self._table = table

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        wanted = self._table.select([name for name in self.schema.names if name in names])
        if wanted.num_columns:
            yield from wanted.to_batches(max_chunksize=BATCH)
        else:
            yield _no_columns(self.rows)

    def column(self, name: str) -> pa.ChunkedArray:
        return self._table.column(name)


def _no_columns(n: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), n, [None]))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _read_csv(path: Path, text: Collection[str], say: Say) -> pa.Table:
    """Parse a CSV; lines with too few or too many values are named and left out.

    Arrow tells the number of a bad line only when it parses with one thread, so only a file that has one is parsed
    again. ``NA``, ``null``, ``NaN`` and nothing at all, unquoted, are missing, as in pandas.
    """
    bad: list[Any] = []

    def skip(row: Any) -> str:
        bad.append(row)
        return "skip"

    def parse(**options: Any) -> pa.Table:
        return pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(block_size=1 << 23, **options),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter(path), newlines_in_values=True, invalid_row_handler=skip if options else None
            ),
            convert_options=convert_options({name: pa.string() for name in text}),
        )

    try:
        return parse()
    except pa.ArrowInvalid:
        table = parse(use_threads=False, encoding=encoding(path))
    say_bad_lines(path, bad, say)
    return table


def convert_options(types: Mapping[str, pa.DataType], names: list[str] | None = None) -> Any:
    """Return what the values of a CSV mean; ``types``: of the columns that are known; ``names``: those read, or all."""
    return pa.csv.ConvertOptions(
        column_types=types,
        include_columns=names,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def say_bad_lines(path: Path, bad: Sequence[Any], say: Say) -> None:
    """Name the lines of a CSV that have too many values or too few."""
    if bad:
        say(
            f"{path}: {rows(len(bad), 'line')} left out: line {bad[0].number} has "
            f"{rows(bad[0].actual_columns, 'value')}, the header {bad[0].expected_columns}"
        )


def encoding(path: Path) -> str:
    """Return UTF-8 where all of a file is; else Latin-1, in which every byte is a character."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with pa.input_stream(str(path), compression="detect") as stream:
        try:
            while data := stream.read(1 << 22):
                decoder.decode(data)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def delimiter(path: Path) -> str:
    """Tell by the header: tabs or semicolons where there is no comma."""
    with pa.input_stream(str(path), compression="detect") as stream:
        header = stream.read(65_536).split(b"\n", 1)[0]
    if b"," in header:
        return ","
    return "\t" if b"\t" in header else ";" if b";" in header else ","
