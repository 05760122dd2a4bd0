"""Dates as people write them: `02/01/2026 12:50 AM`, `01-Feb-2026`, `Feb 1, 2026`, `20260201T005000Z`.

The format of a column is found from all its values, named, and read. If day and month could be exchanged in every
value, both formats are named and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa

from driftline_processor.core.lazy_modules import pc
from driftline_processor.present.numbers import many

from .arrow_columns import is_number, is_text, one_array, valid_of, values_of
from .errors import Say, option_text
from .source import Source
from .times import ISO

MOSTLY = 0.9
"""Minimum fraction of the values that a format reads; other values are missing times, and counted."""

_DAY, _WORD = r"\d{1,2}", r"[A-Za-z]{3,9}\.?"
_DATES = (
    ("%Y-%m-%d", r"\d{4}-\d\d-\d\d"),
    ("%Y/%m/%d", r"\d{4}/\d{1,2}/\d{1,2}"),
    ("%Y.%m.%d", r"\d{4}\.\d{1,2}\.\d{1,2}"),
    ("%Y%m%d%H%M%S", r"(?:19|20)\d{12}"),
    ("%Y%m%d%H%M", r"(?:19|20)\d{10}"),
    ("%Y%m%d", r"(?:19|20)\d{6}"),
    ("%b %d, %Y", rf"{_WORD} {_DAY}, \d{{4}}"),
    ("%b %d %Y", rf"{_WORD} {_DAY} \d{{4}}"),
    *(  # the year after the time: ctime of C, and dates of Java
        (f"%b %d %H:%M:%S{zone} %Y", rf"{_WORD} {{1,2}}{_DAY} \d{{1,2}}:\d\d:\d\d{zone} \d{{4}}")
        for zone in ("", " UTC", " GMT")
    ),
    ("%Y-%b-%d", rf"\d{{4}}-{_WORD}-{_DAY}"),
    *(
        (f"%d{mark}%b{mark}%{y}", rf"{_DAY}{mark}{_WORD}{mark}{n}")
        for mark in "- /"
        for y, n in (("Y", r"\d{4}"), ("y", r"\d\d"))
    ),
    *(
        (mark.join((*order, f"%{y}")), re.escape(mark).join((_DAY, _DAY, n)))
        for mark in "/-."
        for order in (("%m", "%d"), ("%d", "%m"))
        for y, n in (("Y", r"\d{4}"), ("y", r"\d\d"))
    ),
)
_MARKS = ((" ", " "), ("T", "T"), (", ", ", "), (":", ":"))
_TIMES = (
    ("%I:%M:%S %p", r"\d{1,2}:\d\d:\d\d ?[AaPp][Mm]"),
    ("%I:%M %p", r"\d{1,2}:\d\d ?[AaPp][Mm]"),
    ("%I.%M.%S %p", r"\d{1,2}\.\d\d\.\d\d ?[AaPp][Mm]"),  # Oracle
    ("%H:%M:%S", r"\d{1,2}:\d\d:\d\d"),
    ("%H.%M.%S", r"\d{1,2}\.\d\d\.\d\d"),
    ("%H:%M", r"\d{1,2}:\d\d"),
    ("%H%M%S", r"\d{6}"),
    ("%H%M", r"\d{4}"),
)
_ZONES = (
    ("", ""),
    ("Z", "Z"),
    (" UTC", " UTC"),
    (" GMT", " GMT"),
    (" %z", r" [+-]\d\d:?\d\d"),
    ("%z", r"[+-]\d\d:?\d\d"),
)
_WEEKDAYS = (("", ""), ("%a, ", "[A-Za-z]{3,9}, "), ("%a ", "[A-Za-z]{3,9} "))
_SECONDS = r":\d\d|\D\d{1,2}\.\d\d\.\d\d"
_FRACTION = rf"({_SECONDS})[.,](\d{{1,9}})"


def formats_of(text: str) -> list[str]:
    """Return the formats of ``strptime`` that a text may have; [] for a text that is not a date.

    >>> formats_of("02/01/2026 12:50 AM")
    ['%m/%d/%Y %I:%M %p', '%d/%m/%Y %I:%M %p']
    >>> formats_of("2026-02-01 00:50:00 UTC"), formats_of("soon")
    (['%Y-%m-%d %H:%M:%S UTC'], [])
    """
    is_iso = re.match(ISO, text) and "," not in text  # Arrow reads no comma in a CSV
    if not 6 <= len(text) <= 60 or is_iso or not any(sign.isdigit() for sign in text):
        return []
    text = re.sub(_FRACTION, r"\1", text.strip())
    found = []
    for weekday, of_weekday in _WEEKDAYS:
        for date, of_date in _DATES:
            if (start := re.match(of_weekday + of_date, text)) is None:
                continue
            rest = text[start.end() :]
            ends = [("", "")] + [
                (mark + time + zone, of_mark + of_time + of_zone)
                for mark, of_mark in _MARKS
                for time, of_time in _TIMES
                for zone, of_zone in _ZONES
            ]
            found += [f"{weekday}{date}{end}" for end, pattern in ends if re.fullmatch(pattern, rest)]
    valid = pa.array([text])
    return [form for form in found if valid_of(read_dates(valid, form))[0]]


def read_dates(texts: pa.Array, date_format: str) -> pa.Array:
    """Read texts in a format as times in UTC; null for other texts, and for days that do not exist.

    Whole numbers are texts of the length of the format, such as 01022026, whose zeros at the beginning are lost.

    >>> read_dates(pa.array(["02/01/2026", "soon", "30/01/2026", "02/30/2026"]), "%m/%d/%Y").is_valid().to_pylist()
    [True, False, False, False]
    """
    texts = one_array(texts)
    if is_number(texts.type):
        texts = pc.if_else(pc.equal(pc.floor(texts), texts), texts.cast(pa.int64(), safe=False), None)
        texts = pc.utf8_lpad(texts.cast(pa.string()), _digits(date_format), "0")
    texts = pc.utf8_trim_whitespace(texts.cast(pa.string()))
    whole = pc.replace_substring_regex(texts, _FRACTION, r"\1")
    read = pc.strptime(whole, date_format, "ns", error_is_null=True).cast(pa.int64())
    read = pc.if_else(_exists(whole, date_format), read, pa.nulls(len(read), read.type))
    if whole.equals(texts):
        return read.cast(pa.timestamp("ns"))
    digits = pc.struct_field(pc.extract_regex(texts, rf"(?:{_SECONDS})[.,](?P<digits>\d{{1,9}})"), "digits")
    fraction = pc.fill_null(pc.utf8_rpad(digits, 9, "0").cast(pa.int64()), 0)
    return pc.add(read, fraction).cast(pa.timestamp("ns"))


def _digits(date_format: str) -> int:
    """Return the number of digits of a format that numbers may have, such as ``%Y%m%d%H%M%S``; 0 for other formats.

    Fewer than six digits, such as ``%Y``, are no date: ages and prices fit too.
    """
    written = datetime(2026, 1, 1).strftime(date_format)
    return len(written) if written.isdigit() and len(written) >= 6 else 0


def determines_time(date_format: str) -> bool:
    """Return True if a time that is written in a format is read as this time, to the precision of the format.

    Arrow ignores what the C library ignores: the year of ISO weeks (``%G``), and the name of a time zone (``%Z``). It
    reads unix seconds (``%s``) in the time zone of the machine.

    >>> [determines_time(form) for form in ("%d/%m/%Y", "%j %Y", "[%d/%b/%Y %z]", "%G-W%V-%u", "%d/%m", "%H %Z %D")]
    [True, True, True, False, False, False]
    """
    zone = timezone(timedelta(hours=-5), "EST") if re.search("%z|%Z", date_format) else UTC
    text = datetime(2026, 12, 30, 22, 8, 7, tzinfo=zone).strftime(date_format)
    read = read_dates(pa.array([text]), date_format)
    if "%s" in date_format or read.null_count:
        return False
    time = datetime.fromtimestamp(values_of(read.cast(pa.int64()), 0)[0] / 10**9, UTC).astimezone(zone)
    return time.year == 2026 and time.strftime(date_format) == text


_DIRECTIVES = {
    "%d": r"(?P<day>\d{1,2})",
    "%Y": r"\d{4}",
    **dict.fromkeys(("%m", "%y", "%H", "%I", "%M", "%S"), r"\d{1,2}"),
}


def _exists(texts: pa.Array, date_format: str) -> pa.Array:
    """Return False for days that do not exist, which Arrow moves to the next month: 30 February is 2 March."""
    if date_format.count("%d") != 1:
        return pa.scalar(True)
    before, zone, after = date_format.partition("%z")
    if zone:  # the day in UTC may be another one
        before = before.rstrip()
        start, end = (_pattern(part).replace("?P<day>", "?:") for part in (before, after))
        texts = pc.replace_substring_regex(texts, rf"^({start}) ?(?:[+-]\d\d(?::?\d\d)?|Z)({end})$", r"\1\2")
        date_format = before + after
    day = pc.struct_field(pc.extract_regex(texts, f"^{_pattern(date_format)}$"), "day").cast(pa.int64())
    read = pc.strptime(texts, date_format, "s", error_is_null=True)
    return pc.fill_null(pc.equal(pc.day(read), day), True)


def _pattern(date_format: str) -> str:
    """Return the regular expression of the texts of a format."""
    parts = re.split(r"(%[a-zA-Z%])", date_format)
    return "".join(_DIRECTIVES.get(part, ".+?") if part[:1] == "%" else re.escape(part) for part in parts)


def with_written_dates(source: Source, text: Collection[str], date_format: str, say: Say) -> Source:
    """Return the rows of a source with columns of written dates as times.

    Args:
        source: The rows.
        text: Columns that stay texts.
        date_format: The format to use where it fits; "" = none.
        say: Called with the format of each column, and with columns that two formats read.
    """
    formats = {}
    for field in source.schema:
        may_be = is_text(field.type) or (is_number(field.type) and date_format and _digits(date_format))
        if may_be and field.name not in text and (found := _format(source, field, date_format, say)):
            formats[field.name] = found
    return DatedSource(source, formats) if formats else source


def _format(source: Source, field: pa.Field, date_format: str, say: Say) -> str:
    """Return the format of a column of dates; "" for other columns. Numbers have the given format, or none."""
    name = field.name
    first_values = next((texts for batch in source.batches({name}) if (texts := _first(batch))), [""])
    first, found = next(
        ((value, forms) for value in first_values if is_text(field.type) and (forms := formats_of(value))),
        (first_values[0], []),
    )
    candidates = list(dict.fromkeys([date_format, *found] if date_format else found))
    if not candidates:
        return ""
    counts, values, strays = np.zeros(len(candidates), np.int64), 0, [""] * len(candidates)
    for batch in source.batches({name}):
        if not batch.num_columns:
            continue
        column = one_array(batch.column(0))
        column = column.cast(pa.string()) if is_text(column.type) else column
        values += len(column) - column.null_count
        for index, candidate in enumerate(candidates):
            missed = valid_of(column) & ~valid_of(read_dates(column, candidate))
            counts[index] += len(column) - column.null_count - np.count_nonzero(missed)
            if missed.any():
                strays[index] = strays[index] or str(column[int(np.argmax(missed))].as_py())
        if counts.max() < MOSTLY * values:
            return ""
    best = [candidate for candidate, count in zip(candidates, counts, strict=True) if count == counts.max()]
    best = [date_format] if date_format in best else best
    if len(best) > 1:
        say(
            f"{source.path}: {name}: not read as times, because two formats read all values, such as {first!r}; "
            f"use {_options(best)}"
        )
        return ""
    if best[0] != date_format:
        say(f"{source.path}: {name}: read as times, {option_text('date_format', best[0])}")
    if missing := values - int(counts.max()):
        stray = strays[candidates.index(best[0])]
        say(
            f"{source.path}: {name}: {many(missing, 'value')} without a time, treated as missing, "
            f"such as {stray[:80]!r}"
        )
    return best[0]


def _options(formats: Sequence[str]) -> str:
    return " or ".join(option_text("date_format", found) for found in formats)


def _first(batch: pa.RecordBatch) -> list[str]:
    """Return the first values; more than one, because the first may be a day that does not exist."""
    return [str(value) for value in batch.column(0).drop_null()[:10].to_pylist()] if batch.num_columns else []


class DatedSource:
    """The rows of a source, with written dates as times."""

    def __init__(self, source: Source, formats: dict[str, str]) -> None:
        self._source, self._formats = source, formats
        self.path, self.rows = source.path, source.rows
        self.by_looks: Collection[str] = {name for name in source.by_looks if name not in formats}
        self.schema = pa.schema(
            [pa.field(f.name, pa.timestamp("ns")) if f.name in formats else f for f in source.schema]
        )

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows."""
        for batch in self._source.batches(names):
            for index, name in enumerate(batch.schema.names):
                if name in self._formats:
                    batch = batch.set_column(index, name, read_dates(batch.column(index), self._formats[name]))
            yield batch

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        column = self._source.column(name)
        if name not in self._formats:
            return column
        return pa.chunked_array([read_dates(column, self._formats[name])], pa.timestamp("ns"))
