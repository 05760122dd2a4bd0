"""Parse CSV: how a file is written, and which of its columns are codes such as 02139.

A CSV says of no column what it holds, so Arrow tells it by its looks. Digits that begin with a zero look like a number
and are none: a column that has some is read as texts.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from driftline_processor.present.numbers import many

from .arrow_columns import values_of
from .errors import Say

_CODE = r"^0\d+$"
_THOUSANDS = r"^\s*[+-]?(?:\d{1,3}|[1-9]\d{0,2}\.\d{3})\s*$"

CODED = 0.001
"""The share of a column's values, digits that begin with a zero, from which on all of it are codes: one 007 in a
thousand amounts and more is a stray one."""


def read_csv(path: Path, text: Collection[str], say: Say) -> tuple[pa.Table, set[str]]:
    """Parse a CSV; lines with too few or too many values are named and left out. Return the columns that are codes.

    Arrow tells the number of a bad line only when it parses with one thread, so only a file that has one is parsed
    again. ``NA``, ``null``, ``NaN`` and nothing at all, unquoted, are missing, as in pandas.
    """
    bad: list[Any] = []
    written, threads = encoding(path), True

    def skip(row: Any) -> str:
        bad.append(row)
        return "skip"

    def parse(text: Collection[str], names: list[str] | None = None) -> pa.Table:
        return pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(block_size=1 << 23, encoding=written, use_threads=threads),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter(path), newlines_in_values=True, invalid_row_handler=None if threads else skip
            ),
            convert_options=convert_options({name: pa.string() for name in text}, names),
        )

    try:
        table = parse(text)
    except pa.ArrowInvalid:
        threads = False
        table = parse(text)
    say_bad_lines(path, bad, say)
    maybe = maybe_codes(path, table.schema, text)
    numbers = [name for name in maybe if not pa.types.is_string(table.schema.field(name).type)]
    texts = parse(numbers, numbers) if numbers else table
    columns = {name: (texts if name in numbers else table).column(name) for name in maybe}
    codes = {name for name, values in columns.items() if are_codes(*codes_among(values))}
    for name in codes.intersection(numbers):
        table = table.set_column(table.schema.names.index(name), name, texts.column(name))
    either = maybe_thousands(table)
    texts = parse(either, either) if either else table
    for name in either:
        if are_thousands(texts.column(name)):
            table = table.set_column(table.schema.names.index(name), name, texts.column(name))
    return table, codes


def maybe_codes(path: Path, schema: pa.Schema, known: Collection[str]) -> list[str]:
    """Return the columns that could be codes: none where nothing in the file begins with 0 and a digit.

    ``known``: columns of which nobody asks.
    """
    types = pa.types
    names = [f.name for f in schema if types.is_int64(f.type) or types.is_float64(f.type) or types.is_string(f.type)]
    names = [name for name in names if name not in known and schema.names.count(name) == 1]
    return names if names and _leading_zeros(path) else []


def maybe_thousands(table: pa.Table | pa.RecordBatch) -> list[str]:
    """Return the columns of doubles of which each may be a whole number with a point after the thousands, as 1.234 is.

    >>> maybe_thousands(pa.table({"a": [1.234, 999.0, 2.5], "b": [0.123, 1.234, 2.5], "c": [1.23456, 1.0, 2.0]}))
    ['a']
    """
    names = [f.name for f in table.schema if pa.types.is_float64(f.type) and table.schema.names.count(f.name) == 1]
    return [name for name in names if _could_be_thousands(table.column(name))]


def _could_be_thousands(column: pa.Array | pa.ChunkedArray) -> bool:
    values = values_of(column, np.nan)
    for some in (values[:1_000], values):
        size = np.abs(some[~np.isnan(some)])
        whole = size * 1_000
        if (
            not (size < 1_000).all()
            or ((size < 1) & (size > 0)).any()
            or (np.abs(whole - np.round(whole)) > 1e-6).any()
        ):
            return False
    return bool((values != np.floor(values)).any())


def are_thousands(texts: pa.Array | pa.ChunkedArray) -> bool:
    """Return True where all of some texts are as whole numbers look that have a point after the thousands: 999, 1.234.

    >>> are_thousands(pa.array(["1.234", "999", None])), are_thousands(pa.array(["1.234", "2.5"]))
    (True, False)
    """
    return bool(pc.all(pc.match_substring_regex(texts, _THOUSANDS)).as_py())


def codes_among(values: pa.Array | pa.ChunkedArray) -> tuple[int, int]:
    """Return the number of texts of digits that begin with a zero, and the number of texts.

    >>> codes_among(pa.array(["10001", "02139", "0", "0.5", None]))
    (1, 4)
    """
    found = pc.sum(pc.match_substring_regex(values, _CODE)).as_py()
    return int(found or 0), len(values) - values.null_count


def are_codes(codes: int, of: int) -> bool:
    """Return True where so many of so many values make a column one of codes, see :data:`CODED`.

    >>> are_codes(1, 1_000), are_codes(1, 1_001), are_codes(0, 0)
    (True, False, False)
    """
    return codes > 0 and codes >= CODED * of


def _leading_zeros(path: Path) -> bool:
    """Return True where any value begins with a zero and another digit, as no number does."""
    begins = np.frombuffer(b'\n\r"' + delimiter(path).encode(), np.uint8)
    rest = b"\n"
    with pa.input_stream(str(path), compression="detect") as stream:
        while data := stream.read(1 << 22):
            block = np.frombuffer(rest + data, np.uint8)
            at = np.flatnonzero(block[1:-1] == ord("0")) + 1
            at = at[(block[at + 1] >= ord("0")) & (block[at + 1] <= ord("9"))]
            if np.isin(block[at - 1], begins).any():
                return True
            rest = data[-2:]
    return False


def convert_options(types: Mapping[str, pa.DataType], names: list[str] | None = None) -> Any:
    """Return the meaning of a CSV's values.

    Args:
        types: Of the columns that are known.
        names: Those read, or all.
    """
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
            f"{path}: {many(len(bad), 'line')} left out: line {bad[0].number} has "
            f"{many(bad[0].actual_columns, 'value')}, the header {bad[0].expected_columns}"
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
    """Return the delimiter by the header: tabs or semicolons where there is no comma."""
    with pa.input_stream(str(path), compression="detect") as stream:
        header = stream.read(65_536).split(b"\n", 1)[0]
    if b"," in header:
        return ","
    return "\t" if b"\t" in header else ";" if b";" in header else ","
