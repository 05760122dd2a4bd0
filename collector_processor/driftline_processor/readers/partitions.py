"""Partitions of a folder as columns: `region=eu/run_date=2026-02-01/part-0.parquet`, as Hive, Spark and Arrow write."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import unquote

import pyarrow as pa

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.nearest_names import listed

from .arrow_columns import is_text, is_time
from .delimited import are_codes
from .errors import Say, quiet
from .json_rows import times_of
from .memory import Rows
from .source import Source

_MISSING = "__HIVE_DEFAULT_PARTITION__"

DATE = "partition_date"
"""Column of the date that partitions such as `year=2026/month=02/day=01` have together."""

_TIME_PARTS = {
    "year": "year|yyyy|y",
    "month": "month|mm?",
    "day": "day|dd?",
    "hour": "hour|hr|hh?",
    "minute": "minute|min",
    "other": "quarter|qtr|week|(iso_?)?week(day)?|day_?of_?(week|month|year)|second",
}
"""Part of a time → names of the partitions that have it, in lower case; ``other``: not needed for the time."""

_DATE = re.compile(r"(\d{4})-?(\d\d)(?:-?(\d\d)(?:[-T _]?(\d\d))?)?")
"""A date, a month, or a date and an hour, as values of one partition, such as `dt=2026-02-01` or `ds=20260201`."""

_DATE_NAME = r"(.*_)?(dt|ds|date|day|month|datehour|date_hour|hour|p?date)(_.*)?|.*date"
"""Names of partitions whose whole numbers may be dates, such as 20260201."""


def partition_values(
    paths: Sequence[Rows], text: Collection[str], say: Say = quiet, counted: Collection[str] = ()
) -> tuple[list[dict[str, pa.Scalar]], set[str]]:
    """Return the values of the partitions of each file, and the names of those that are codes.

    The values of all files have one type: whole numbers, times of ISO 8601, or else texts. Codes with leading
    zeros are texts. Partitions that are a time together are one time, and are left out if the day is unknown: each part
    has other values in every period. The time has the name of the partition with the date, or is :data:`DATE`.

    Args:
        paths: The files.
        text: Names whose values stay texts.
        say: Called with what the user should know.
        counted: Names whose values are numbers also with leading zeros.

    >>> from pathlib import Path
    >>> [values], codes = partition_values([Path("rows/region=eu/shard=7/store=007/0.csv")], ())
    >>> values["region"].as_py(), values["shard"].as_py(), values["store"].as_py(), codes
    ('eu', 7, '007', {'store'})
    """
    parts = _with_dates([dict(_parts(path)) for path in paths], text, say)
    values: list[dict[str, pa.Scalar]] = [{} for _ in paths]
    codes: set[str] = set()
    for name in dict.fromkeys(name for by_name in parts for name in by_name):
        files = [index for index, by_name in enumerate(parts) if name in by_name]
        texts = pa.array([parts[index][name] for index in files], pa.string())
        if name not in text and name not in counted and are_codes(texts):
            codes.add(name)
        for index, value in zip(files, texts if name in text or name in codes else _typed(texts), strict=True):
            values[index][name] = value
    return values, codes


def _parts(path: Rows) -> Iterator[tuple[str, str | None]]:
    for part in getattr(path, "parts", ())[:-1]:
        name, equals, value = part.partition("=")
        if equals and name:
            yield unquote(name), None if value == _MISSING else unquote(value)


def _with_dates(parts: list[dict[str, str | None]], text: Collection[str], say: Say) -> list[dict[str, str | None]]:
    """Return the parts with one time instead of the parts of a time."""
    dates, by_part = _time_partitions(parts, text)
    if not dates and not (by_part["year"] and by_part["month"]):  # a month alone may be a feature
        return parts
    chosen = {part: found[0] for part, found in by_part.items() if len(found) == 1}
    times = [_time_of(by_name, dates[0] if dates else "", chosen) for by_name in parts]
    whole = any(times)
    if whole and not is_time(_typed(pa.array(times, pa.string())).type):
        return parts
    if not whole and not dates and "day" in chosen:
        return parts
    others = [name for found in by_part.values() for name in found]
    replaced = [*(dates[:1] if whole else dates), *others]
    name = dates[0] if dates else DATE
    if replaced != [name]:
        use = f"are read as one time, '{name}'" if whole else "are left out, because they are parts of a date"
        say(f"the partitions {listed(replaced)} {use}")
    return [
        {key: value for key, value in by_name.items() if key not in replaced}
        | ({name: time} if whole and time is not None else {})
        for by_name, time in zip(parts, times, strict=True)
    ]


def _time_partitions(
    parts: Sequence[Mapping[str, str | None]], text: Collection[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the partitions of dates, and of each part of a time."""
    names = dict.fromkeys(name for by_name in parts for name in by_name if name not in text)
    dates = [name for name in names if _are_dates(name, [by_name.get(name) for by_name in parts])]
    return dates, {
        part: [name for name in names if name not in dates and re.fullmatch(form, name.lower())]
        for part, form in _TIME_PARTS.items()
    }


def _are_dates(name: str, values: Sequence[str | None]) -> bool:
    """Return True if all values of a partition are dates, or whole numbers that its name says are dates."""
    known = [value for value in values if value is not None]
    return bool(known) and all(
        _DATE.fullmatch(value) and ("-" in value or (len(value) > 6 and re.fullmatch(_DATE_NAME, name.lower())))
        for value in known
    )


def _time_of(by_name: Mapping[str, str | None], date: str, chosen: Mapping[str, str]) -> str | None:
    """Return the time of a file in ISO 8601; None if its day is unknown."""
    values = {part: (by_name.get(name) or "").zfill(2) for part, name in chosen.items()}
    match = _DATE.fullmatch(by_name.get(date) or "")
    if match is not None:
        values |= {
            part: value for part, value in zip(("year", "month", "day", "hour"), match.groups(), strict=True) if value
        }
    if not {"year", "month", "day"} <= {*values} or "00" in (values["year"], values["month"], values["day"]):
        return None
    time = "{year}-{month}-{day}T".format(**values)
    return f"{time}{values.get('hour', '00')}:{values.get('minute', '00')}:00"


def _typed(texts: pa.Array) -> pa.Array:
    if texts.null_count < len(texts) and pc.all(pc.match_substring_regex(texts, r"^-?\d{1,18}$")).as_py():
        return texts.cast(pa.int64())
    return times_of(texts)


def with_partitions(source: Source, values: Mapping[str, pa.Scalar], codes: Collection[str]) -> Source:
    """Return the rows of a file with the values of its partitions as columns, see :func:`partition_values`."""
    if any(is_time(field.type) for field in source.schema):  # the file's own times are more exact
        values = {name: value for name, value in values.items() if name != DATE}
    return ExtendedSource(source, values, codes) if values else source


class ExtendedSource:
    """The rows of a file with columns of one value each; a column of the file has precedence."""

    def __init__(self, source: Source, values: Mapping[str, pa.Scalar], codes: Collection[str] = ()) -> None:
        self._source = source
        names = set(source.schema.names)
        self._values = {name: value for name, value in values.items() if name not in names}
        self.path, self.rows = source.path, source.rows
        self.schema = pa.schema([*source.schema, *((name, value.type) for name, value in self._values.items())])
        # a value of a path or of no file has no type, so its texts may be numbers
        self.by_looks: Collection[str] = {
            *source.by_looks,
            *(name for name, value in self._values.items() if is_text(value.type) and name not in codes),
        }

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows."""
        added = {name: value for name, value in self._values.items() if name in names}
        for batch in self._source.batches(names):
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            arrays |= {name: pa.repeat(value, batch.num_rows) for name, value in added.items()}
            yield pa.RecordBatch.from_pydict(arrays) if added else batch

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        if name not in self._values:
            return self._source.column(name)
        return pa.chunked_array([pa.repeat(self._values[name], self.rows)])
