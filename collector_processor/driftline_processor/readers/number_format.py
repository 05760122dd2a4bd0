"""The format of numbers and dates: decimal mark and thousands mark of a CSV, and date format, from options.

By default numbers have a decimal point and no thousands mark. No mark is guessed: a column that needs an option is
reported with the option. Formats of dates are found from all values of a column (:mod:`.written_dates`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
from driftline.tables.classes import number_text
from driftline.tables.table import Column, numbers_of
from msgspec import Struct

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.nearest_names import listed
from driftline_processor.present.numbers import many

from .arrow_columns import column, is_text, mask_of, truth_of
from .errors import BadInput, Say, option_text
from .source import Source, has_several_types
from .written_dates import determines_time, formats_of

MOSTLY = 0.9
"""Minimum fraction of numbers in a text column that is read as numbers."""

_DECIMALS = {"": ".", ".": ".", "point": ".", ",": ",", "comma": ","}
_WORDS = {",": "comma", ".": "point", " ": "space", "'": "apostrophe"}
_THOUSANDS = {"": "", **{mark: mark for mark in _WORDS}, **{word: mark for mark, word in _WORDS.items()}}
_BLANKS = r"[\s\p{Z}]*"
"""Blanks around a number, among them the no-break space that spreadsheets and web pages write."""

_PLAIN = rf"^{_BLANKS}[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?{_BLANKS}$"


class NumberFormat(Struct, frozen=True):
    """The format of numbers and times in CSV files.

    Attributes:
        decimal: The decimal mark, "." or ",".
        thousands: The thousands mark, "" = none.
        date_format: ``strptime`` format of times in files of any kind; "" = the formats that are found.
    """

    decimal: str = "."
    thousands: str = ""
    date_format: str = ""

    @classmethod
    def of(cls, decimal: str, thousands: str, date_format: str) -> NumberFormat:
        """Read the options. Raises :class:`BadInput` for an unsupported mark, or the same mark twice."""
        if decimal not in _DECIMALS:
            raise BadInput(
                f"'{decimal}' is not supported; use {option_text('decimal', ',')} or {option_text('decimal', '.')}",
                "decimal",
            )
        if thousands not in _THOUSANDS:
            raise BadInput(f"'{thousands}' is not supported; use comma, point, space or apostrophe", "thousands")
        if date_format and "%" not in date_format:
            raise BadInput(
                f"'{date_format}' is not a date format; use a format of strptime such as %d/%m/%Y", "date_format"
            )
        date_format = date_format.replace(".%f", "")  # fractions of seconds are read without a directive
        if date_format and not determines_time(date_format):
            raise BadInput(
                f"'{date_format}' does not determine a time; it needs the year (%Y or %y), as in %d/%m/%Y %H:%M:%S %z, "
                "and the directives %G, %V, %Z and %s are not read",
                "date_format",
            )
        number_format = cls(_DECIMALS[decimal], _THOUSANDS[thousands], date_format)
        if number_format.decimal == number_format.thousands:
            other_separator = "." if number_format.thousands == "," else ","
            raise BadInput(
                f"'{thousands}' is the decimal mark; also set {option_text('decimal', other_separator)}", "thousands"
            )
        return number_format

    @property
    def is_plain(self) -> bool:
        """True for plain notation."""
        return self.decimal == "." and not self.thousands

    @property
    def options(self) -> str:
        """The options for this format of numbers."""
        decimal = option_text("decimal", ",") if self.decimal == "," else ""
        thousands = option_text("thousands", _WORDS[self.thousands]) if self.thousands else ""
        return " ".join(filter(None, (decimal, thousands)))

    @property
    def pattern(self) -> str:
        """The regular expression of a number."""
        mark = r"[ \x{00a0}\x{202f}]" if self.thousands == " " else re.escape(self.thousands)
        grouped = rf"\d{{1,3}}(?:{mark}\d{{3}})+|" if self.thousands else ""
        decimal = re.escape(self.decimal)
        return rf"^{_BLANKS}[+-]?(?:(?:{grouped}\d+)(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?{_BLANKS}$"

    def count(self, texts: pa.Array) -> tuple[int, int]:
        """Return how many texts are numbers of this format, and how many of these are not plain integers."""
        fits = truth_of(pc.match_substring_regex(texts, self.pattern))
        marked = fits & ~truth_of(pc.match_substring_regex(texts, r"^\s*[+-]?\d+\s*$"))
        return int(np.count_nonzero(fits)), int(np.count_nonzero(marked))

    def reads(self, text: str) -> bool:
        """Return True if a text is a number of this format."""
        return self.count(pa.array([text]))[0] > 0

    def plain_numbers(self, texts: pa.Array) -> pa.Array:
        """Return texts with formatted numbers in plain notation.

        Texts that are numbers in plain notation only are quoted, so that they are not read as numbers.

        >>> NumberFormat(",", ".").plain_numbers(pa.array(["1.234,5", "7.25", "soon", None])).to_pylist()
        ['1234.5', "'7.25'", 'soon', None]
        """
        plain = texts
        if self.thousands == " ":
            plain = pc.replace_substring_regex(plain, r"[ \x{00a0}\x{202f}]", "")
        elif self.thousands:
            plain = pc.replace_substring(plain, self.thousands, "")
        plain = pc.utf8_trim_whitespace(pc.replace_substring(plain, self.decimal, "."))
        fits = truth_of(pc.match_substring_regex(texts, self.pattern))
        quoted = pc.binary_join_element_wise("'", texts, "'", "")
        unquoted = pc.if_else(pc.match_substring_regex(texts, _PLAIN), quoted, texts)
        return pc.if_else(mask_of(fits), plain, unquoted)


PLAIN_NUMBERS = NumberFormat()

_UNIT = re.compile(r"\s*([+-]?)\s*[$€£¥₹]?\s*([0-9](?:[0-9.,' \u00a0\u202f]*[0-9])?)\s*(?:[$€£¥₹%°]|[A-Za-z]{1,4})?\s*")
"""A number with a currency, a percent sign or a unit, which must be removed before the number can be read."""

_FORMATS = (
    *(NumberFormat(".", mark) for mark in (",", " ", "'")),
    *(NumberFormat(",", mark) for mark in ("", ".", " ", "'")),
)


def format_hint(text: str) -> str:
    """Return the options with which a text is a number or a date; "" if there are none.

    >>> format_hint("1.234,56"), format_hint("31/12/2026 10:00"), format_hint("soon")
    ('--decimal , --thousands point', "--date-format '%d/%m/%Y %H:%M'", '')
    """
    if (number_format := _format_of(text)) is not None:
        return number_format.options
    match = _UNIT.fullmatch(text)
    if match is not None and (number_format := _format_of(match[1] + match[2])) is not None:
        options = number_format.options
        return f"numbers without the unit{f', and {options}' if options else ''}"
    forms = formats_of(text)
    return " or ".join(option_text("date_format", form) for form in forms)


def _format_of(number: str) -> NumberFormat | None:
    """Return the first format in which a text is a number; None without one."""
    return next((candidate for candidate in (PLAIN_NUMBERS, *_FORMATS) if candidate.reads(number)), None)


def with_hint(text: str) -> str:
    """Return a quoted value for a message, with the options that read it."""
    hint = format_hint(text)
    if text.lstrip().startswith("{"):  # a JSON object: the order of its keys is not that of the classes
        return f"{text[:80]!r}; write one column per class, and name the columns in the order of the classes"
    return f"{text[:80]!r}" + (f"; use {hint} to read it" if hint else "")


def first_value(values: Column, at: int, row: int) -> str:
    """Return the row and the value at a position for a message, with the options that read it.

    >>> first_value(Column(codes=np.array([0]), categories=("1,5",)), 0, 7)
    "row 8, '1,5'; use --decimal , to read it"
    """
    if values.codes is not None and values.codes[at] >= 0:
        return f"row {row + 1}, {with_hint(values.categories[values.codes[at]])}"
    return f"row {row + 1}, {number_text(float(numbers_of(values)[at]))}"


def report_texts(
    sources: Sequence[Source], features: Collection[str], numbers: Collection[str], say: Say, *, new: bool = False
) -> None:
    """Report texts in columns that should be numbers.

    Args:
        sources: The files.
        features: The compared columns.
        numbers: Numeric columns of the baseline.
        say: Called with the sentences.
        new: True for the rows of a new baseline: its categories may be numbers in another format.
    """
    for source in sources:
        typed = list[str]()
        for name in source.schema.names:
            if name not in features or not is_text(source.schema.field(name).type):
                continue
            if name in source.by_looks and (new or name in numbers):
                _report_column(source, name, name in numbers, say)
            elif name in numbers:
                typed.append(name)
        if typed:
            say(
                f"{source.path}: {listed(typed)}: strings here, but numbers in the baseline, treated as missing; "
                "use one type in all files (a CSV has no types)"
            )


def _report_column(source: Source, name: str, is_number: bool, say: Say) -> None:
    is_mixed = has_several_types(source.schema.field(name))
    values = plain = before = 0
    first: tuple[int, str] | None = None
    for batch in source.batches({name}):
        texts, n = column(batch.column(0), number=not is_mixed), batch.num_rows  # as the values are read
        strays = np.zeros(0, np.intp) if texts.codes is None else np.flatnonzero(texts.codes >= 0)
        values += n - batch.column(0).null_count
        plain += n - batch.column(0).null_count - len(strays)
        if first is None and texts.codes is not None and len(strays):
            first = before + int(strays[0]) + 1, texts.categories[texts.codes[strays[0]]]
        before += n
        if not is_number and plain < MOSTLY * values:
            break
    if first is None:
        return
    row, text = first
    if is_number:
        say(
            f"{source.path}: {name}: {values - plain:,} of {many(values, 'value')} without a number, "
            f"treated as missing: the first is row {row}, {with_hint(text)}"
            + (", a string; use numbers only" if is_mixed else "")
        )
    elif plain < MOSTLY * values and (hint := format_hint(text)) and not formats_of(text):
        say(f"{source.path}: {name}: read as categories, such as {text[:80]!r}; to read numbers, use {hint}")
