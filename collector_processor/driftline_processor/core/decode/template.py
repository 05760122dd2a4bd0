"""Rows of one shape, all at once: position by position instead of row by row.

Senders emit the same attributes in the same order, span after span. So rows with equally many attributes are laid side
by side, and at each position the key of the first row is expected of all: numpy compares the bytes up to the value and
gathers the doubles behind them; any other value is read once per distinct byte string. Attributes that hold another key
there, because their row lacks a feature, are gathered by the bytes of their key and read in the same way. What remains
is rare - a key sent twice in a row, an encoding that no encoder makes - and its rows go the general way, so that both
ways end in the same :class:`~.cells.Grid`; a property test holds them to it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables import F64
from numpy.typing import NDArray
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from .cells import Cells, Grid, Where
from .values import ABSENT, BOOLEAN, EMPTY, TEXT, read

MIN_ROWS: Final = 16
"""Below this many rows, the fixed cost of a column (about 10 µs) is more than the general way's."""

_VALUE, _DOUBLE = b"\x12", b"\x09\x21"  # KeyValue.value; 9 bytes: AnyValue.double_value
_STRING = 0x0A  # AnyValue.string_value

FEW: Final = 4
"""Below this many attributes, the fixed cost of a column is more than reading them one by one."""

Rows = NDArray[np.intp]


def fill(grid: Grid, attributes: Sequence[Sequence[bytes]]) -> None:
    """Set every row of the grid from its attributes' bytes."""
    filler = _Filler(grid)
    by_count: dict[int, list[int]] = {}
    for row, values in enumerate(attributes):
        by_count.setdefault(len(values), []).append(row)
    for rows in by_count.values():
        if len(rows) < MIN_ROWS:
            for row in rows:
                for raw in attributes[row]:
                    filler.leave(row, raw)
        else:
            there = np.array(rows, np.intp)
            for column in zip(*(attributes[row] for row in rows), strict=True):
                filler.add(there, column)
    for row in sorted(filler.finish()):
        grid.put(row, map(KeyValue.FromString, attributes[row]))


class _Filler:
    """Sets columns of a grid, and remembers what it could not."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._left: defaultdict[bytes, tuple[list[int], list[bytes]]] = defaultdict(lambda: ([], []))
        self._general: set[int] = set()

    def leave(self, row: int, raw: bytes) -> None:
        """Keep an attribute for later, with others whose key has the same bytes."""
        rows, raws = self._left[raw[: raw[1] + 2] if len(raw) > 1 else b""]
        rows.append(row)
        raws.append(raw)

    def add(self, rows: Rows, raws: Sequence[bytes]) -> None:
        """Set one attribute of each row; those whose key is not that of the first are left."""
        for position in self._put(rows, raws):
            self.leave(int(rows[position]), raws[position])

    def finish(self) -> set[int]:
        """Set what was left, and return the rows that must go the general way."""
        for rows, raws in self._left.values():
            if len(rows) < FEW:
                for row, raw in zip(rows, raws, strict=True):
                    self._put_one(row, KeyValue.FromString(raw))
                continue
            there, first = np.unique(np.array(rows, np.intp), return_index=True)
            if len(there) < len(rows):  # a key sent twice in a row: its order matters
                self._general.update(row for row, times in Counter(rows).items() if times > 1)
            strangers = self._put(there, [raws[position] for position in first.tolist()])
            self._general.update(there[strangers].tolist())
        return self._general

    def _put_one(self, row: int, attribute: KeyValue) -> None:
        cells = self._grid.cells(attribute.key)
        if attribute.key == a.ML_PREDICTION_RECORDED or (cells is not None and cells.kind[row] != ABSENT):
            self._general.add(row)
        elif cells is not None:
            cells.put(row, *read(attribute.value))

    def _put(self, rows: Rows, raws: Sequence[bytes]) -> list[int]:
        """Set one attribute of each row, and return the positions that hold another key than the first."""
        key = KeyValue.FromString(raws[0]).key
        prefix = _prefix(key)
        cells = self._grid.cells(key)
        if cells is not None:
            kinds = cells.kind[_where(rows)]
            if kinds.any():
                self._general.update(rows[kinds != ABSENT].tolist())
        if not raws[0].startswith(prefix + _DOUBLE):
            return self._put_distinct(cells, key, rows, raws)
        same, values = _doubles(raws, prefix + _DOUBLE)
        if same.all():
            if cells is not None:
                cells.put_numbers(_where(rows), values)
            return []
        if cells is not None:
            cells.put_numbers(rows[same], values[same])
        others = np.flatnonzero(~same)
        strangers = self._put_distinct(cells, key, rows[others], [raws[i] for i in others.tolist()])
        return [int(position) for position in others[strangers]]

    def _put_distinct(self, cells: Cells | None, key: str, rows: Rows, raws: Sequence[bytes]) -> list[int]:
        index: dict[bytes, int] = dict.fromkeys(raws, 0)
        values, strangers = _read_distinct(key, index)
        inverse: Rows | int = 0
        found: list[int] = []
        if len(values) > 1:
            inverse = np.fromiter(map(index.__getitem__, raws), np.intp, len(raws))
            if strangers:
                strange = np.isin(inverse, strangers)
                found = np.flatnonzero(strange).tolist()
                rows, inverse = rows[~strange], inverse[~strange]
        elif strangers:
            return list(range(len(raws)))
        if key == a.ML_PREDICTION_RECORDED:
            said = np.array([kind == BOOLEAN and thing for kind, thing in values], np.bool_)
            self._grid.recorded[rows] |= said[inverse]
        elif cells is not None:
            cells.put_distinct(_where(rows), values, inverse)
        return found


def _where(rows: Rows) -> Where:
    """Return rows, each greater than the one before, as a slice where they follow each other."""
    if len(rows) and len(rows) == rows[-1] - rows[0] + 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _prefix(key: str) -> bytes:
    """Return the bytes of a ``KeyValue`` up to the length of its value."""
    name = key.encode()
    size, length = len(name), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"\x0a" + length + name + _VALUE


def _doubles(raws: Sequence[bytes], prefix: bytes) -> tuple[NDArray[np.bool_], F64]:
    """Tell which attributes are the prefix and a double, and return the doubles (any number where they are not)."""
    start = len(prefix)
    length = start + 8
    fits: NDArray[np.bool_] = np.ones(len(raws), np.bool_)
    if set(map(len, raws)) != {length}:
        fits = np.fromiter(map(len, raws), np.intp, len(raws)) == length
        filler = bytes(length)
        raws = [raw if fit else filler for raw, fit in zip(raws, fits.tolist(), strict=True)]
    table = np.frombuffer(b"".join(raws), np.uint8).reshape(-1, length)
    same = table[:, :start] == np.frombuffer(prefix, np.uint8)
    if not same.all():
        fits &= same.all(axis=1)
    return fits, np.ascontiguousarray(table[:, start:]).view("<f8").ravel()


def _read_distinct(key: str, index: dict[bytes, int]) -> tuple[list[tuple[int, Any]], list[int]]:
    """Read distinct attributes, and number them in ``index``. Returns their values, and the numbers of other keys."""
    values: list[tuple[int, Any]] = []
    strangers: list[int] = []
    prefix = _prefix(key)
    start = len(prefix) + 3
    for code, raw in enumerate(index):
        index[raw] = code
        rest = len(raw) - start
        if 0 <= rest < 0x7E and raw.startswith(prefix) and raw[start - 3 : start] == bytes((rest + 2, _STRING, rest)):
            values.append((TEXT, raw[start:].decode()))  # a short text and nothing else: four times as quick
            continue
        attribute = KeyValue.FromString(raw)
        if attribute.key == key:
            values.append(read(attribute.value))
        else:
            strangers.append(code)
            values.append((EMPTY, None))
    return values, strangers
