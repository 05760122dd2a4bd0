"""Rows of one shape, all at once: position by position instead of row by row.

Senders emit the same attributes in the same order, span after span. So rows with equally many attributes are laid side
by side; at each position numpy checks that the bytes up to the value are those of the first row, and gathers the
doubles behind them; any other value is read once per distinct byte string. Rows that differ are tried again among
themselves, and the last few go the general way. Both ways end in the same :class:`~.cells.Grid`; a property test holds
them to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables import F64
from numpy.typing import NDArray
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from .cells import Grid, Where
from .values import BOOLEAN, EMPTY, read

MIN_ROWS: Final = 16
"""Below this many rows, a template's fixed cost (about 10 µs a position) is more than the general way's."""

_MAX_TEMPLATES = 8  # of rows with equally many attributes, before the general way takes the rest
_DOUBLE = b"\x12\x09\x21"  # KeyValue.value, 9 bytes: AnyValue.double_value

Doubles = tuple[str, F64]
Distinct = tuple[str, list[tuple[int, Any]], NDArray[np.intp] | int]


def fill(grid: Grid, attributes: Sequence[Sequence[bytes]]) -> None:
    """Set every row of the grid from its attributes' bytes."""
    by_count: dict[int, list[int]] = {}
    for row, values in enumerate(attributes):
        by_count.setdefault(len(values), []).append(row)
    for rows in by_count.values():
        for _ in range(_MAX_TEMPLATES):
            if len(rows) < MIN_ROWS:
                break
            rows = _match(grid, rows, attributes)
        for row in rows:
            grid.put(row, map(KeyValue.FromString, attributes[row]))


def _match(grid: Grid, rows: list[int], attributes: Sequence[Sequence[bytes]]) -> list[int]:
    """Set the rows whose keys are those of the first one, and return the others."""
    fits = np.ones(len(rows), np.bool_)
    found: list[Doubles | Distinct] = []
    for column in zip(*(attributes[row] for row in rows), strict=True):
        key = KeyValue.FromString(column[0]).key
        found.append(_doubles(key, column, fits) or _distinct(key, column, fits))
    if len({position[0] for position in found}) < len(found):  # a key sent twice: its order matters
        for row, fit in zip(rows, fits.tolist(), strict=True):
            if fit:
                grid.put(row, map(KeyValue.FromString, attributes[row]))
    else:
        _write(grid, rows, fits, found)
    return [row for row, fit in zip(rows, fits.tolist(), strict=True) if not fit]


def _doubles(key: str, column: tuple[bytes, ...], fits: NDArray[np.bool_]) -> Doubles | None:
    """Gather a column of doubles; None where the first one is none. Rows that hold anything else no longer fit."""
    first = column[0]
    length, start = len(first), len(first) - 8
    prefix = _prefix(key)
    if first[:start] != prefix:
        return None
    if set(map(len, column)) == {length}:
        cells = np.frombuffer(b"".join(column), np.uint8).reshape(-1, length)
    else:
        as_long = [len(value) == length for value in column]
        np.logical_and(fits, as_long, out=fits)
        cells = np.frombuffer(b"".join(v if fit else first for v, fit in zip(column, as_long, strict=True)), np.uint8)
        cells = cells.reshape(-1, length)
    same = cells[:, :start] == cells[0, :start]
    if not same.all():
        np.logical_and(fits, same.all(axis=1), out=fits)
    return key, np.ascontiguousarray(cells[:, start:]).view("<f8").ravel()


def _prefix(key: str) -> bytes:
    """Return the bytes of a ``KeyValue`` up to its double."""
    name = key.encode()
    size, length = len(name), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"\x0a" + length + name + _DOUBLE


def _distinct(key: str, column: tuple[bytes, ...], fits: NDArray[np.bool_]) -> Distinct:
    """Read each distinct value of a column once. Rows that hold another key no longer fit."""
    index: dict[bytes, int] = dict.fromkeys(column, 0)
    values: list[tuple[int, Any]] = []
    strangers: list[int] = []
    for code, raw in enumerate(index):
        index[raw] = code
        attribute = KeyValue.FromString(raw)
        if attribute.key == key:
            values.append(read(attribute.value))
        else:
            strangers.append(code)
            values.append((EMPTY, None))
    if len(values) == 1:
        return key, values, 0
    inverse = np.fromiter(map(index.__getitem__, column), np.intp, len(column))
    if strangers:
        np.logical_and(fits, ~np.isin(inverse, strangers), out=fits)
    return key, values, inverse


def _write(grid: Grid, rows: list[int], fits: NDArray[np.bool_], found: list[Doubles | Distinct]) -> None:
    everything = bool(fits.all())
    chosen = np.array(rows, np.intp) if everything else np.array(rows, np.intp)[fits]
    where: Where = chosen
    if len(chosen) == chosen[-1] - chosen[0] + 1:  # rows are in ascending order
        where = slice(int(chosen[0]), int(chosen[-1]) + 1)
    for position in found:
        key = position[0]
        if key == a.ML_PREDICTION_RECORDED:
            if len(position) == 3:
                said = np.array([kind == BOOLEAN and thing for kind, thing in position[1]], np.bool_)
                grid.recorded[where] = said[_at(position[2], fits, everything)]
            continue
        cells = grid.cells(key)
        if cells is None:
            continue
        if len(position) == 2:
            cells.put_numbers(where, position[1] if everything else position[1][fits])
        else:
            cells.put_distinct(where, position[1], _at(position[2], fits, everything))


def _at(inverse: NDArray[np.intp] | int, fits: NDArray[np.bool_], everything: bool) -> NDArray[np.intp] | int:
    return inverse if everything or isinstance(inverse, int) else inverse[fits]
