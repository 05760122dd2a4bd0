"""Read NDJSON: one JSON object a line, one row each."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.json

from driftline_processor.core.decode.json_text import MAX_DEPTH, UnreadableJson, load_json, shape_of

from .errors import BadInput, Say, rows


class Lines(NamedTuple):
    """How many lines could not be read, and the number of the first."""

    bad: int = 0
    first: int = 0

    def tell(self, path: Path, say: Say) -> None:
        """Name them."""
        if self.bad:
            say(f"{path}: {rows(self.bad, 'line')} left out: line {self.first} is no JSON object")


class Parsed(NamedTuple):
    """Lines as columns. ``mixed``: the columns that hold several types; all of their values are texts here."""

    table: pa.Table
    lines: Lines = Lines()
    mixed: frozenset[str] = frozenset()


def read_ndjson(path: Path, say: Say, text: Collection[str] = ()) -> tuple[pa.Table, frozenset[str]]:
    """Parse NDJSON into columns, by Arrow where every line and every column is of one mind.

    A line that is no JSON object, or a column that changes its type, makes Arrow refuse the whole file; then the lines
    are parsed one by one, what cannot be read is named and left out, and a column of several types becomes text. JSON
    has no times: a column of texts of which each is one is read as times, but for those named in ``text``.

    Returns the table, and the columns of several types. Raises :class:`BadInput` when no line is an object.
    """
    with pa.input_stream(str(path), compression="detect") as stream:
        table, bad, mixed = parse_lines(stream.read(), 1, text)
    if not table.num_rows:
        raise BadInput(f'{path}: no line is a JSON object; NDJSON has one object a line, as in {{"age": 31}}')
    bad.tell(path, say)
    return table, mixed


def parse_lines(data: bytes, first: int, text: Collection[str] = ()) -> Parsed:
    """Parse whole lines of NDJSON; ``first``: the number of the first of them; ``text``: columns that are no times."""
    if shape_of(data).depth > MAX_DEPTH:  # which would end the process in Arrow
        return _line_by_line(data, first)
    try:
        table = _parse(data, [])
        times = [f.name for f in table.schema if f.name in text and pa.types.is_timestamp(f.type)]
        return Parsed(_parse(data, times) if times else table)
    except pa.ArrowInvalid:
        return _line_by_line(data, first)


def _parse(data: bytes, text: list[str]) -> pa.Table:
    return pa.json.read_json(
        pa.BufferReader(data),
        read_options=pa.json.ReadOptions(block_size=1 << 24),
        parse_options=pa.json.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in text])),
    )


def _line_by_line(data: bytes, start: int) -> Parsed:
    columns: dict[str, list[Any]] = {}
    n = bad = first = 0
    for number, line in enumerate(data.splitlines(), start):
        if not line.strip():
            continue
        try:
            row = load_json(line)
        except UnreadableJson:
            row = None
        if not isinstance(row, dict):
            bad += 1
            first = first or number
            continue
        for name, value in row.items():
            columns.setdefault(name, [None] * n).append(value)
        n += 1
        for values in columns.values():
            if len(values) < n:
                values.append(None)
    arrays = {name: _array(values) for name, values in columns.items()}
    mixed = frozenset(name for name, array in arrays.items() if array is None)
    texts = {name: pa.array([None if value is None else _text(value) for value in columns[name]]) for name in mixed}
    return Parsed(pa.table(arrays | texts), Lines(bad, first), mixed)


def _array(values: list[Any]) -> pa.Array | None:
    """The values of a column; None where they are of several types."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        pass
    if all(value is None or isinstance(value, int | float) for value in values):
        return pa.array([None if value is None else _double(value) for value in values])
    return None


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return float("inf") if value > 0 else float("-inf")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
