"""Large CSV and NDJSON files as rows that are read anew in every pass, a block at a time.

Arrow tells the type of a CSV's columns by their first block. A first pass over the file counts the rows. Where a column
holds something else later on, another pass widens all columns as Arrow does over a whole file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.csv

from .arrow_columns import is_text
from .delimited import (
    are_codes,
    are_thousands,
    codes_among,
    convert_options,
    delimiter,
    encoding,
    maybe_codes,
    maybe_thousands,
    say_bad_lines,
)
from .errors import BadInput, Say, say_columns_of_one_name
from .json_rows import ParsedLines, UnreadableLines, listed_lines, parse_lines
from .source import Notation, readable

BLOCK = 8 << 20
"""Bytes of a block."""

_WIDER = (
    *(pa.null(), pa.int64(), pa.bool_(), pa.float64(), pa.date32(), pa.time32("s")),
    *(pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC"), pa.string()),
)
"""Types that Arrow tries for a column without a given type, in its order (arrow/csv/column_builder.cc)."""

_CONVERSION = re.compile(r"In CSV column #\d+: .*CSV conversion error", re.DOTALL)


class CsvStream:
    """A CSV that is parsed again in each pass; no more than a few blocks of it are in memory."""

    notations: Mapping[str, Notation] = MappingProxyType({})

    def __init__(self, path: Path, text: Collection[str], say: Say, block: int = BLOCK) -> None:
        self.path = str(path)
        self._block = block
        self.by_looks: Collection[str] = ()
        self._delimiter, self._encoding = delimiter(path), encoding(path)
        self._types: dict[str, pa.DataType] = {name: pa.string() for name in text}
        self._once: list[str] | None = None
        with readable(path):
            self._header: list[str] = self._open([]).schema.names
            self._once = list(dict.fromkeys(self._header))
            self.schema, self.rows, bad = self._survey()
        say_bad_lines(path, bad, say)
        twice = say_columns_of_one_name(str(path), self._header, say)
        with readable(path):
            codes = self._codes(maybe_codes(path, self.schema, {*text, *twice}))
            either = self._thousands({*codes, *twice})
        for name in codes | either:
            at = self.schema.names.index(name)
            self.schema = self.schema.set(at, pa.field(name, pa.string()))
        self._types = {field.name: field.type for field in self.schema}
        self.by_looks = set(self.schema.names) - codes

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows."""
        wanted = [name for name in self.schema.names if name in names]
        with readable(self.path):
            for batch in self._open([], wanted or self.schema.names[:1]):
                yield batch.select(wanted)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        field = self.schema.field(name)
        return pa.chunked_array([batch.column(0) for batch in self.batches({name})], field.type)

    def _open(self, bad: list[Any], names: list[str] | None = None) -> Any:
        """Open the named columns, or all; of several of one name Arrow takes the first where names are given."""

        def skip(row: Any) -> str:
            bad.append(row)
            return "skip"

        return pa.csv.open_csv(
            self.path,
            read_options=pa.csv.ReadOptions(block_size=self._block, use_threads=False, encoding=self._encoding),
            parse_options=pa.csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=convert_options(self._types, self._once if names is None else names),
        )

    def _survey(self) -> tuple[pa.Schema, int, list[Any]]:
        """Read all rows until every column has a type that all of it has."""
        schema: pa.Schema | None = None
        while True:
            bad: list[Any] = []
            try:
                reader = self._open(bad)
                schema = reader.schema
                rows = sum(batch.num_rows for batch in reader)
            except pa.ArrowInvalid as error:
                if schema is None or _CONVERSION.search(str(error)) is None or not self._widen(schema):
                    raise
            else:
                return schema, rows, bad

    def _widen(self, schema: pa.Schema) -> bool:
        """Look at all rows as texts, and take for each column the next type that its values have; False for none.

        A value that a type has not is never of that type, so all columns are widened in one pass. A value before it may
        not be of the type that was taken; the next pass finds that.
        """
        own = {field.name: self._types.get(field.name, field.type) for field in schema}
        at = {name: _WIDER.index(kind) for name, kind in own.items() if kind in _WIDER[:-1]}
        wider, self._types = dict(at), self._types | dict.fromkeys(at, pa.string())
        for batch in self._open([], list(at)):
            for name in at:
                values = batch.column(name).drop_null().unique()
                while wider[name] < len(_WIDER) - 1 and not _are_of(values, _WIDER[wider[name]]):
                    wider[name] += 1
        self._types = {**self._types, **own, **{name: _WIDER[place] for name, place in wider.items()}}
        return wider != at

    def _codes(self, maybe: list[str]) -> set[str]:
        """Return the columns that are codes in all of their rows."""
        if not maybe:
            return set()
        counts = dict.fromkeys(maybe, (0, 0))
        self._types |= {name: pa.string() for name in maybe}
        for batch in self._open([], maybe):
            for name, (codes, of) in counts.items():
                more = codes_among(batch.column(name))
                counts[name] = codes + more[0], of + more[1]
        return {name for name, found in counts.items() if are_codes(*found)}

    def _thousands(self, codes: Collection[str]) -> set[str]:
        """Return the columns of doubles whose values may all be whole numbers with a point after the thousands."""
        first = next(iter(self._open([])), None)
        found = set() if first is None else set(maybe_thousands(first)) - set(codes)
        if not found:
            return set()
        own, self._types = self._types, self._types | dict.fromkeys(found, pa.string())
        for batch in self._open([], sorted(found)):
            found = {name for name in found if are_thousands(batch.column(name))}
        self._types = own
        return found


def _are_of(values: pa.Array, kind: pa.DataType) -> bool:
    """Return True where all texts are values of a type, as the parser of CSV reads them."""
    if not len(values):
        return True
    written = pa.BufferOutputStream()
    pa.csv.write_csv(pa.table({"v": values}), written, pa.csv.WriteOptions(include_header=False))
    try:
        pa.csv.read_csv(
            pa.BufferReader(written.getvalue()),
            pa.csv.ReadOptions(column_names=["v"], use_threads=False),
            pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options({"v": kind}),
        )
    except pa.ArrowInvalid:
        return False
    return True


class NdjsonStream:
    """NDJSON that is parsed again in each pass, a block of lines at a time; every block has types of its own."""

    notations: Mapping[str, Notation] = MappingProxyType({})

    def __init__(self, path: Path, say: Say, block: int = BLOCK, text: Collection[str] = ()) -> None:
        self.path = str(path)
        self._block, self._text = block, text
        self.rows, schemas, bad, first = 0, list[pa.Schema](), 0, 0
        mixed = set[str]()
        with readable(path):
            for table, strange, several in self._blocks():
                self.rows += table.num_rows
                bad, first = bad + strange.bad, first or strange.first
                mixed |= several
                if table.num_columns and table.schema not in schemas:
                    schemas.append(table.schema)
        if not self.rows:
            raise BadInput(f'{path}: no line is a JSON object; NDJSON has one object a line, as in {{"age": 31}}')
        self.schema = _together(schemas)
        types = {
            field.name: [schema.field(field.name).type for schema in schemas if field.name in schema.names]
            for field in self.schema
        }
        self.by_looks: Collection[str] = mixed | {
            name for name, own in types.items() if len({is_text(one) for one in own if not pa.types.is_null(one)}) > 1
        }
        UnreadableLines(bad, first).tell(path, say)

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows; a column is missing throughout a block of which no row has it."""
        wanted = [field for field in self.schema if field.name in names]
        with readable(self.path):
            for table, *_ in self._blocks():
                n, there = table.num_rows, set(table.schema.names)
                some = {one.name: table[one.name] if one.name in there else pa.nulls(n, one.type) for one in wanted}
                if some:
                    yield from pa.table(some).combine_chunks().to_batches()
                else:
                    yield pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), n, [None]))

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column, as text where its blocks are of several types."""
        kind = self.schema.field(name).type
        return pa.chunked_array([batch.column(0).cast(kind) for batch in self.batches({name})], kind)

    def _blocks(self) -> Iterator[ParsedLines]:
        rest, number = b"", 1
        with pa.input_stream(self.path, compression="detect") as stream:
            while read := stream.read(self._block):
                if number == 1 and not rest and read.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                    read += stream.read()
                    if (found := listed_lines(read)) is not None:
                        yield found.parse(self._text)
                        return
                data = rest + read
                end = data.rfind(b"\n") + 1
                data, rest = data[:end], data[end:]
                if data:
                    yield parse_lines(data, number, self._text)
                    number += data.count(b"\n")
        if rest:
            yield parse_lines(rest, number, self._text)


def _together(schemas: list[pa.Schema]) -> pa.Schema:
    """One schema of all blocks; a column of several types that nothing unites is text."""
    names = dict.fromkeys(name for schema in schemas for name in schema.names)
    fields = []
    for name in names:
        own = [pa.schema([schema.field(name)]) for schema in schemas if name in schema.names]
        try:
            fields.append(pa.unify_schemas(own, promote_options="permissive").field(0))
        except pa.ArrowException:
            fields.append(pa.field(name, pa.string()))
    return pa.schema(fields)
