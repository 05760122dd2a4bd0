"""Read NDJSON: one JSON object a line, one row each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from .errors import BadInput, Say, rows


def read_ndjson(path: Path, say: Say) -> pa.Table:
    """Parse NDJSON into columns, by Arrow where every line and every column is of one mind.

    A line that is no JSON object, or a column that changes its type, makes Arrow refuse the whole file; then the lines
    are parsed one by one, what cannot be read is named and left out, and a column of several types becomes text.

    Raises :class:`BadInput` when no line is an object.
    """
    try:
        return pa.json.read_json(path, read_options=pa.json.ReadOptions(block_size=1 << 24))
    except pa.ArrowInvalid:
        return _line_by_line(path, say)


def _line_by_line(path: Path, say: Say) -> pa.Table:
    columns: dict[str, list[Any]] = {}
    n = bad = first = 0
    with pa.input_stream(str(path), compression="detect") as stream:
        lines = stream.read().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:  # of JSON, and of UTF-8
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
    if not n:
        raise BadInput(f'{path}: no line is a JSON object; NDJSON has one object a line, as in {{"age": 31}}')
    if bad:
        say(f"{path}: {rows(bad, 'line')} left out: line {first} is no JSON object")
    return pa.table({name: _array(values) for name, values in columns.items()})


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        pass
    if all(value is None or isinstance(value, int | float) for value in values):
        return pa.array([None if value is None else _double(value) for value in values])
    return pa.array([None if value is None else _text(value) for value in values])


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return float("inf") if value > 0 else float("-inf")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
