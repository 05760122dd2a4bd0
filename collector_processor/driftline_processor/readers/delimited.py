"""Read CSV with Arrow, parsed once in blocks.

Types are inferred from the first block; a column with other values later is read again with a type that fits all of
it. A column of digits with leading zeros, such as 02139, contains codes and is read as text.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv

from driftline_processor.core.lazy_modules import pc
from driftline_processor.present.numbers import many

from .arrow_columns import truth_of
from .errors import BadInput, Say, say_columns_of_one_name
from .limits import LONGEST_LINE, TextEncoding, check_columns, compression_of, too_long_line, unpacked
from .number_format import MOSTLY, PLAIN_NUMBERS, NumberFormat
from .source import readable
from .spool import Spool, equal_batches

BLOCK, SAMPLE = 1 << 20, 8 << 20
"""Bytes per block, and bytes at the start of a file from which types are inferred."""

REPLACED = "-replaced"
"""Suffix of the name of a codec that replaces invalid bytes; Arrow decodes with a codec that has a name."""


@codecs.register
def _replacing_codec(name: str) -> codecs.CodecInfo | None:
    """Return the codec of a name such as ``utf-8-replaced``."""
    base = name.replace("_", "-").removesuffix(REPLACED)
    if not name.replace("_", "-").endswith(REPLACED):
        return None
    codec = codecs.lookup(base)
    return codecs.CodecInfo(
        codec.encode,
        codec.decode,
        incrementaldecoder=cast("Any", partial(codec.incrementaldecoder, "replace")),
        name=f"{base}{REPLACED}",
    )


CODED = 0.001
"""Minimum fraction of values with leading zeros in a column of codes, so that one 007 in 2,000 amounts is an outlier.
"""

_CODE = r"^0\d+$"

_WIDER = (
    *(pa.null(), pa.int64(), pa.bool_(), pa.float64(), pa.date32(), pa.time32("s")),
    *(pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC"), pa.string()),
)
"""Types that Arrow tries in this order (arrow/csv/column_builder.cc)."""

_CONVERSION = re.compile(r"In CSV column #\d+: .*CSV conversion error", re.DOTALL)


class CsvSource:
    """The rows of a CSV.

    Blanks around the names of the header, as after a comma, are not part of them. Lines with too few or too many values
    are reported and left out. Unquoted ``NA``, ``null``, ``NaN`` and empty values are missing, as in pandas.
    """

    def __init__(
        self,
        path: Path,
        text: Collection[str],
        say: Say,
        numbers: NumberFormat = PLAIN_NUMBERS,
        block: int | None = None,
    ) -> None:
        """Parse a file.

        Args:
            path: The file, which may be compressed.
            text: Columns that stay texts, such as ids.
            say: Called with messages about what was left out.
            numbers: The format of numbers and times.
            block: Bytes per block, by default :data:`BLOCK`.
        """
        self.path = str(path)
        self._numbers, self._block = numbers, BLOCK if block is None else block
        self._scan = scan_bytes(path)
        self._header: list[str] | None = None
        other_header: list[str] | None = None
        self.schema: pa.Schema
        with readable(path):
            while True:
                try:
                    header, codes, bad = self._read(text, max(SAMPLE if block is None else block, self._block))
                    if other_header is not None or len(bad) <= self.rows:
                        break
                    other_header = _header_of_lines(header, bad, self._scan.delimiter)
                    if other_header is None:
                        break
                    self._header = other_header
                except pa.ArrowInvalid as error:
                    if "straddling object" not in str(error):
                        raise
                    if self._block > LONGEST_LINE:
                        raise too_long_line(path) from None
                    self._block *= 8
        self._scan.text.tell(path, say)
        if len(bad) > 10 * self.rows:  # a table of the few other lines would look healthy
            raise BadInput(
                f"{path}: the first line is not the header: {many(len(bad), 'line')} of {len(bad) + self.rows:,} have "
                f"another number of values, such as line {bad[0].number} with {bad[0].actual_columns}; remove the "
                "lines before the header, or correct it"
            )
        say_bad_lines(path, bad, say)
        self._say_enclosed(bad, say)
        # a delimiter at the end of every line
        if header[-1] == "" and not any(str(value).strip() for value in self.column("").drop_null().unique()):
            self.schema = self.schema.remove(self.schema.get_field_index(""))
        say_columns_of_one_name(self.path, header, say)
        self.by_looks: Collection[str] = set(self.schema.names) - codes

    def _read(self, text: Collection[str], sample: int) -> tuple[list[str], set[str], list[Any]]:
        """Read the file; return its header, the columns of codes, and the skipped lines."""
        self._types: dict[str, pa.DataType] = {name: pa.string() for name in text}
        self._names: list[str] | None = None
        first = self._open([], block=sample).schema
        names = [name.strip() for name in first.names]
        if names != first.names:
            self._header = names
            first = self._open([], block=sample).schema
        check_columns(self.path, first.names)
        self._names, self._width = list(dict.fromkeys(first.names)), len(first.names)
        counts = self._count_texts(text) if self._scan.leading_zeros or not self._numbers.is_plain else {}
        codes = {name for name, count in counts.items() if first.names.count(name) == 1 and count.are_codes}
        self._formatted = {
            n: count.all_numbers for n, count in counts.items() if n not in codes and count.are_formatted
        }
        self._types |= dict.fromkeys((*codes, *self._formatted), pa.string())
        self._types = {**{field.name: field.type for field in reversed(list(first))}, **self._types}
        return first.names, codes, self._parse()

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows."""
        return self._spool.batches(names)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        field = self.schema.field(name)
        return pa.chunked_array([batch.column(0) for batch in self.batches({name})], field.type)

    def _open(self, bad: list[Any], names: list[str] | None = None, block: int = 0) -> Any:
        """Open the named columns, or all; if names are repeated, Arrow takes the first."""

        def skip(row: Any) -> str:
            bad.append(row)
            return "skip"

        return pa.csv.open_csv(
            pa.input_stream(self.path, compression=compression_of(self.path)),
            read_options=pa.csv.ReadOptions(
                block_size=block or self._block,
                use_threads=False,
                encoding=self._scan.encoding,
                column_names=self._header,
                skip_rows=self._scan.skipped_lines,
                skip_rows_after_names=self._header is not None,  # a name of the header may contain line breaks
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=self._scan.delimiter, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=self._conversion(self._types, self._names if names is None else names),
        )

    def _conversion(self, types: Mapping[str, pa.DataType], names: list[str] | None = None) -> Any:
        return pa.csv.ConvertOptions(
            column_types=types,
            include_columns=names,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            decimal_point=self._numbers.decimal,
        )

    def _count_texts(self, text: Collection[str]) -> dict[str, _TextCounts]:
        """Count the codes and the formatted numbers in each column."""
        names = [name for name in self._names or () if name not in text]
        counts = {name: _TextCounts() for name in names}
        own_types, self._types = self._types, self._types | dict.fromkeys(names, pa.string())
        for batch in self._open([], names) if names else ():
            for name, count in counts.items():
                counts[name] = count.plus(batch.column(name), self._numbers)
        self._types = own_types
        return counts

    def _parse(self) -> list[Any]:
        """Parse all rows until every column has a type that fits; return the skipped lines."""
        schema: pa.Schema | None = None
        while True:
            bad: list[Any] = []
            try:
                reader = self._open(bad)
                schema = reader.schema
                self._spool, self._long = Spool(), [name for name in schema.names if "\n" in name]
                for batch in equal_batches(map(self._plain_numbers, map(self._keep_long, reader))):
                    self._spool.add(batch)
            except pa.ArrowInvalid as error:
                if schema is None or _CONVERSION.search(str(error)) is None or not self._widen(schema):
                    raise
            else:
                self.schema, self.rows = self._plain_numbers(schema.empty_table()).schema, self._spool.rows
                return bad

    def _keep_long(self, batch: Any) -> Any:
        """Return rows unchanged; remember the values in which lines look like rows."""
        for values in batch.columns:
            if pa.types.is_string(values.type) and pc.any(several := pc.match_substring(values, "\n")).as_py():
                texts = values.filter(several).to_pylist()
                self._long += [text for text in texts if enclosed_lines(text, self._scan.delimiter, self._width)]
        return batch

    def _say_enclosed(self, bad: Sequence[Any], say: Say) -> None:
        """Report rows within a value: its quotation mark is not closed, or is closed in a later row."""
        texts = [*self._long, *(row.text for row in bad)]
        counts = [enclosed_lines(text, self._scan.delimiter, self._width) for text in texts]
        if lines := sum(counts):
            first = next(text for text, count in zip(texts, counts, strict=True) if count)
            say(
                f"{self.path}: {many(lines, 'line')} not read as rows, because a quotation mark before them is not "
                f"closed in its line: the first of these values begins with {first[:40]!r}; remove the mark"
            )

    def _plain_numbers(self, batch: Any) -> Any:
        """Return rows with formatted numbers in plain notation."""
        for index, name in enumerate(batch.schema.names):
            if name in self._formatted:
                values = self._numbers.plain_numbers(batch.column(index))
                batch = batch.set_column(index, name, values.cast(pa.float64()) if self._formatted[name] else values)
        return batch

    def _widen(self, schema: pa.Schema) -> bool:
        """Read all rows as texts and choose the next type per column that fits; return False if none does.

        All columns are widened in one pass. An earlier value may not fit the new type, which the next pass detects.
        """
        own_types = {field.name: self._types.get(field.name, field.type) for field in schema}
        width_by_name = {name: _WIDER.index(kind) for name, kind in own_types.items() if kind in _WIDER[:-1]}
        wider, self._types = dict(width_by_name), self._types | dict.fromkeys(width_by_name, pa.string())
        for batch in self._open([], list(width_by_name)):
            for name in width_by_name:
                values = batch.column(name).drop_null().unique()
                while wider[name] < len(_WIDER) - 1 and not self._all_fit(values, _WIDER[wider[name]]):
                    wider[name] += 1
        self._types = {**self._types, **own_types, **{name: _WIDER[place] for name, place in wider.items()}}
        return wider != width_by_name

    def _all_fit(self, values: pa.Array, kind: pa.DataType) -> bool:
        """Return True if all texts are values of a type for the CSV parser."""
        if not len(values):
            return True
        buffer = pa.BufferOutputStream()
        pa.csv.write_csv(pa.table({"v": values}), buffer, pa.csv.WriteOptions(include_header=False))
        try:
            pa.csv.read_csv(
                pa.BufferReader(buffer.getvalue()),
                pa.csv.ReadOptions(column_names=["v"], use_threads=False),
                pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                self._conversion({"v": kind}),
            )
        except pa.ArrowInvalid:
            return False
        return True


def are_codes(texts: pa.Array | pa.ChunkedArray) -> bool:
    """Return True if texts are codes with leading zeros, such as 02139."""
    return _TextCounts().plus(texts, PLAIN_NUMBERS).are_codes


class _TextCounts(NamedTuple):
    """Numbers of values in a column: all, codes, numbers of the format, and those that are not plain integers."""

    values: int = 0
    codes: int = 0
    numbers: int = 0
    marked: int = 0

    def plus(self, texts: pa.Array, numbers: NumberFormat) -> _TextCounts:
        """Return the counts plus those of a batch."""
        codes = int(np.count_nonzero(truth_of(pc.match_substring_regex(texts, _CODE))))
        fits, marked = (0, 0) if numbers.is_plain else numbers.count(texts)
        values = len(texts) - texts.null_count
        return _TextCounts(self.values + values, self.codes + codes, self.numbers + fits, self.marked + marked)

    @property
    def are_codes(self) -> bool:
        """True for codes, see :data:`CODED`.

        >>> _TextCounts(1_000, 1).are_codes, _TextCounts(1_001, 1).are_codes, _TextCounts().are_codes
        (True, False, False)
        """
        return self.codes > 0 and self.codes >= CODED * self.values

    @property
    def are_formatted(self) -> bool:
        """True if most values are numbers of the format, and some need it."""
        return self.marked > 0 and self.numbers >= MOSTLY * self.values

    @property
    def all_numbers(self) -> bool:
        """True if all values are numbers."""
        return self.numbers == self.values


class _ByteScan(NamedTuple):
    """Properties of the bytes of a CSV.

    Attributes:
        encoding: The codec: UTF-16 with its byte order mark, else that of ``text``.
        text: The encoding of the text after UTF-16 is converted.
        delimiter: From the line ``sep=;`` of Excel, or from the header, see :func:`delimiter_of`.
        leading_zeros: True if any value begins with a zero and another digit.
        skipped_lines: Lines before the header.
    """

    encoding: str
    text: TextEncoding
    delimiter: str
    leading_zeros: bool
    skipped_lines: int = 0


_SEPARATOR = re.compile(rb'(?:\xef\xbb\xbf)?"?sep=([^\w\r\n"])"?\r?', re.IGNORECASE)
"""The first line of a CSV of Excel."""


def scan_bytes(path: Path) -> _ByteScan:
    """Scan all bytes of a CSV before it is parsed."""
    delimiter, zeros, rest, skipped, line = "", False, b"\n", 0, 0
    text = TextEncoding()
    with unpacked(path) as stream:
        while data := stream.read(1 << 22):
            text.add(data)
            if not delimiter:
                first = data[:65_536].split(b"\n", 1)[0]
                separator = _SEPARATOR.fullmatch(first)
                delimiter, skipped = (
                    (separator[1].decode("ascii", "replace"), 1) if separator else (delimiter_of(first), 0)
                )
            zeros = zeros or _leading_zero(rest + data, delimiter)
            rest = data[-2:]
            ends = max(data.rfind(b"\n"), data.rfind(b"\r"))
            line = len(data) - ends - 1 if ends >= 0 else line + len(data)
            if line > LONGEST_LINE:
                raise too_long_line(path)
        text.add(b"", final=True)
        encoding = "utf-16" if stream.utf16 else text.name
        if stream.utf16 or (encoding == "utf-8" and text.invalid):
            encoding += REPLACED
    return _ByteScan(encoding, text, delimiter or ",", zeros, skipped)


def delimiter_of(header: bytes) -> str:
    """Return the delimiter of a header line: tabs, semicolons or pipes if there is no comma.

    >>> delimiter_of(b"a;b"), delimiter_of(b"a,b;c"), delimiter_of(b"a|b"), delimiter_of(b"a")
    (';', ',', '|', ',')
    """
    return next((mark for mark in (",", "\t", ";", "|") if mark.encode() in header), ",")


def _leading_zero(data: bytes, delimiter: str) -> bool:
    """Return True if a value begins with a zero and another digit."""
    block = np.frombuffer(data, np.uint8)
    zero_indices = np.flatnonzero((block[1:-1] == ord("0")) & ((block[2:] - ord("0")) < np.uint8(10)))
    return bool(np.isin(block[zero_indices], np.frombuffer(b'\n\r"' + delimiter.encode(), np.uint8)).any())


def _header_of_lines(header: list[str], bad: Sequence[Any], delimiter: str) -> list[str] | None:
    """Return the header of lines that differ from it by a delimiter at the end; None if other lines are bad."""
    width = len(header)
    if all(
        line.actual_columns == width + 1 and re.search(rf'{re.escape(delimiter)}(""|\s)*$', line.text) for line in bad
    ):
        return [*header, ""]
    if header[-1] == "" and all(line.actual_columns == width - 1 for line in bad):
        return header[:-1]
    return None


LEAST_ENCLOSED = 3
"""Minimum number of lines in a quoted value that look like rows: a text of a few lines may do so by chance."""


def enclosed_lines(value: str, delimiter: str, width: int) -> int:
    r"""Return the number of lines that a value encloses if they look like rows of ``width`` values, else 0.

    >>> enclosed_lines('a\nr2,0,b\nr3,1,c\nr4,0,a\nr5,0,', ",", 3), enclosed_lines("Dear all,\nyours,\nme", ",", 3)
    (4, 0)
    """
    *lines, _ = value.removesuffix("\n").split("\n")[1:] or [""]
    rows = sum(line.count(delimiter) == width - 1 for line in lines)
    return len(lines) + 1 if width > 1 and rows >= max(LEAST_ENCLOSED, MOSTLY * len(lines)) else 0


def say_bad_lines(path: Path, bad: Sequence[Any], say: Say) -> None:
    """Report lines of a CSV with too many or too few values."""
    if bad:
        lines = sum(row.text.count("\n") + 1 for row in bad)
        say(
            f"{path}: left out {many(lines, 'line')}: line {bad[0].number} has "
            f"{many(bad[0].actual_columns, 'value')}, but the header has {bad[0].expected_columns}"
        )
