"""Partitions of a folder as columns: `region=eu/run_date=2026-02-01/part-0.parquet`, as Hive, Spark and Arrow write."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import unquote

import pyarrow as pa

from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.nearest_names import listed

from .arrow_columns import is_text, is_time
from .errors import Say, quiet
from .json_rows import times_of
from .memory import Rows
from .source import Source

_MISSING = "__HIVE_DEFAULT_PARTITION__"

DATE = "partition_date"
"""Column of the date that partitions such as `year=2026/month=02/day=01` have together."""

_DATE_PARTS = {"year": "year|yyyy|y", "month": "month|mm?", "day": "day|dd?", "hour": "hour|hh?"}
"""Names of the partitions that have a part of a date, in lower case."""


def partition_values(paths: Sequence[Rows], text: Collection[str], say: Say = quiet) -> list[dict[str, pa.Scalar]]:
    """Return the values of the partitions of each file.

    The values of all files have one type: whole numbers, times of ISO 8601, or else texts. Partitions that are a date
    together are one time, :data:`DATE`, or left out if the day is unknown: each part has other values in every period.
    ``text``: names whose values stay texts.

    >>> from pathlib import Path
    >>> [values] = partition_values([Path("rows/region=eu/shard=7/0.csv")], ())
    >>> values["region"].as_py(), values["shard"].as_py()
    ('eu', 7)
    """
    parts = _with_dates([dict(_parts(path)) for path in paths], text, say)
    values: list[dict[str, pa.Scalar]] = [{} for _ in paths]
    for name in dict.fromkeys(name for by_name in parts for name in by_name):
        files = [index for index, by_name in enumerate(parts) if name in by_name]
        texts = pa.array([parts[index][name] for index in files], pa.string())
        for index, value in zip(files, texts if name in text else _typed(texts), strict=True):
            values[index][name] = value
    return values


def _parts(path: Rows) -> Iterator[tuple[str, str | None]]:
    for part in getattr(path, "parts", ())[:-1]:
        name, equals, value = part.partition("=")
        if equals and name:
            yield unquote(name), None if value == _MISSING else unquote(value)


def _with_dates(parts: list[dict[str, str | None]], text: Collection[str], say: Say) -> list[dict[str, str | None]]:
    names = dict.fromkeys(name for by_name in parts for name in by_name if name not in text)
    by_part = {part: [n for n in names if re.fullmatch(form, n.lower())] for part, form in _DATE_PARTS.items()}
    chosen = {part: found[0] for part, found in by_part.items() if len(found) == 1}
    if not {"year", "month"} <= {*chosen}:
        return parts

    def date_of(by_name: Mapping[str, str | None]) -> str | None:
        values = {part: by_name.get(name) for part, name in chosen.items()}
        if None in values.values():
            return None
        two = {part: (value or "").zfill(2) for part, value in values.items()}
        return f"{two['year']}-{two['month']}-{two.get('day', '01')}T{two.get('hour', '00')}:00:00"

    dates = [date_of(by_name) for by_name in parts]
    if not is_time(_typed(pa.array(dates, pa.string())).type):
        return parts
    use = f"are read as one time, '{DATE}'" if "day" in chosen else "are left out, because they are parts of a date"
    say(f"the partitions {listed([*chosen.values()])} {use}")
    return [
        {name: value for name, value in by_name.items() if name not in chosen.values()}
        | ({DATE: date} if "day" in chosen and date is not None else {})
        for by_name, date in zip(parts, dates, strict=True)
    ]


def _typed(texts: pa.Array) -> pa.Array:
    if texts.null_count < len(texts) and pc.all(pc.match_substring_regex(texts, r"^-?\d{1,18}$")).as_py():
        return texts.cast(pa.int64())
    return times_of(texts)


class PartitionedSource:
    """The rows of a file with the values of its partitions as columns; a column of the file has precedence."""

    def __init__(self, source: Source, values: Mapping[str, pa.Scalar]) -> None:
        self._source = source
        names = set(source.schema.names)
        if any(is_time(field.type) for field in source.schema):  # the file's own times are more exact
            names.add(DATE)
        self._values = {name: value for name, value in values.items() if name not in names}
        self.path, self.rows = source.path, source.rows
        self.schema = pa.schema([*source.schema, *((name, value.type) for name, value in self._values.items())])
        # a path has no types, so its texts may be numbers
        self.by_looks: Collection[str] = {
            *source.by_looks,
            *(name for name, value in self._values.items() if is_text(value.type)),
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
