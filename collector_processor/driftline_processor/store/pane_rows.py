"""The format of stored panes: a row per fold and pane, with all sums as bytes.

A pane of 20 features has about 1,700 sums. One row per sum would be ten times as expensive.

=========  ====================================================================
``parts``  names of the parts that the fold may have, a JSON list
``counts`` number of sums per part, int32
``places`` index of each sum in its part, int32, or uint8 or uint16
``sums``   the sums, float64, or uint8, uint16 or uint32
=========  ====================================================================

All numbers are little-endian. Zero sums are left out. Several rows of one fold and pane add up.

The type of the places and sums of a row follows from the number of their bytes. A row without places has all sums of
its parts in their order, zeros included: counts per bin that fit a byte need one byte instead of twelve.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, I64
from msgspec import Struct
from numpy.typing import NDArray

I32 = NDArray[np.int32]

COLUMNS = "series, fold, pane, span, parts, counts, places, sums"
"""The columns of a stored row, in the order that :meth:`StoredPanes.of` reads."""

SUMS = pa.schema(
    {
        "series": pa.int32(),
        "fold": pa.dictionary(pa.int32(), pa.string()),
        "pane": pa.int64(),
        "span": pa.int64(),
        "part": pa.dictionary(pa.int32(), pa.string()),
        "idx": pa.int32(),
        "value": pa.float64(),
    }
)
"""The columns of a table with a row per sum."""

_LAYOUTS = 4_096
"""Lists of part names in the cache; a model has a handful."""

_NAMES = ("fold", "part")

_PLACE, _SUM = np.dtype("<i4"), np.dtype("<f8")
"""Types of the numbers in a row."""

_Types = dict[int, np.dtype[Any]]

_NARROW: _Types = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}
"""Types of whole numbers that are at least 0, by their bytes."""

_NARROW_PLACES: _Types = {1: _NARROW[1], 2: _NARROW[2], _PLACE.itemsize: _PLACE}
_NARROW_SUMS: _Types = {**_NARROW, _SUM.itemsize: _SUM}


def encode_panes(
    folds: Sequence[tuple[int, str]],
    fold: I64,
    panes: I64,
    pane: I64,
    span: int,
    parts: Sequence[str],
    part: I64,
    index: I64,
    value: F64,
) -> pa.Table:
    """Return sums as rows of the store, ordered by fold and pane.

    Args:
        folds: Series and fold per number in ``fold``.
        fold: Fold of each sum, int64 (n,).
        panes: Starts of the panes, int64, unix nanoseconds.
        pane: Position in ``panes`` of each sum, int64 (n,).
        span: Nanoseconds of each pane.
        parts: Names of the parts.
        part: Position in ``parts`` of each sum, int64 (n,).
        index: Index of each sum in its part, int64 (n,).
        value: The sums, float64 (n,).
    """
    key = (fold * len(panes) + pane) * len(parts) + part
    order = np.argsort(key, kind="stable")  # fast, because it is nearly sorted
    key = key[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    lengths = np.diff(first, append=len(key))
    row_key, of_part = np.divmod(key[first], len(parts))
    row_of_run = np.cumsum(np.diff(row_key, prepend=-1) != 0) - 1
    begins = np.flatnonzero(np.diff(row_key, prepend=-1))
    of_fold, of_pane = np.divmod(row_key[begins], len(panes))
    series, names, labels, counted, widths = [], [], [], list[bytes](), list[I64]()
    rows = np.flatnonzero(np.diff(of_fold, prepend=-1))
    runs = np.append(begins[rows], len(first))
    for position, (begin, end) in enumerate(zip(rows.tolist(), [*rows[1:].tolist(), len(of_fold)], strict=True)):
        entries = slice(runs[position], runs[position + 1])
        used = np.unique(of_part[entries])
        counts = np.zeros((end - begin, len(used)), _PLACE)
        counts[row_of_run[entries] - begin, np.searchsorted(used, of_part[entries])] = lengths[entries]
        number, name = folds[int(of_fold[begin])]
        series.append(number)
        names.append(name)
        labels.append(_parts_text(tuple(parts[part_index] for part_index in used.tolist())))
        counted.append(counts.tobytes())
        widths.append(np.full(end - begin, counts.shape[1] * _PLACE.itemsize))
    sizes = np.diff(rows, append=len(of_fold))
    group = pa.array(np.repeat(np.arange(len(rows)), sizes))
    edges = np.append(first[begins], len(key))
    return pa.table(
        {
            "series": pa.array(series, pa.int32()).take(group),
            "fold": pa.array(names, pa.string()).take(group),
            "pane": panes[of_pane],
            "span": pa.repeat(pa.scalar(span, pa.int64()), len(of_fold)),
            "parts": pa.array(labels, pa.string()).take(group),
            "counts": _bytes(np.append(0, np.cumsum(np.concatenate(widths))), b"".join(counted)),
            "places": _bytes(edges * _PLACE.itemsize, index[order].astype(_PLACE).tobytes()),
            "sums": _bytes(edges * _SUM.itemsize, value[order].astype(_SUM).tobytes()),
        }
    )


class RowBytes(NamedTuple):
    """The bytes of some rows of the same parts.

    Attributes:
        parts: Names of the parts.
        counts, places, sums: The columns of these names, large_binary (rows,).
    """

    parts: tuple[str, ...]
    counts: pa.Array
    places: pa.Array
    sums: pa.Array

    @property
    def label(self) -> str:
        """Return the column ``parts`` of each row."""
        return _parts_text(self.parts)


def dense_rows(parts: Sequence[str], widths: I64, sums: NDArray[Any]) -> RowBytes:
    """Return rows with all sums of their parts.

    Args:
        parts: Names of the parts.
        widths: int64 (parts,), number of sums of each part.
        sums: uint8, uint16 or uint32 (rows, sum of the widths).
    """
    rows, width = sums.shape
    counts = np.tile(widths.astype(_PLACE), rows)
    return RowBytes(
        tuple(parts),
        _bytes(np.arange(rows + 1) * (len(widths) * _PLACE.itemsize), counts.tobytes()),
        _bytes(np.zeros(rows + 1, np.int64), b""),
        _bytes(np.arange(rows + 1) * (width * sums.dtype.itemsize), sums.tobytes()),
    )


def sparse_rows(
    parts: Sequence[str],
    rows: int,
    row: I64,
    part: NDArray[np.integer],
    place: NDArray[np.integer],
    value: F64,
    *,
    narrow: bool,
) -> RowBytes:
    """Return rows of sums by place.

    Args:
        parts: Names of the parts.
        rows: Number of rows.
        row: int64 (n,), the row of each sum, ascending.
        part: int (n,), the position of its part, ascending in each row.
        place: int (n,), its index in the part.
        value: float64 (n,).
        narrow: All values are whole numbers of at least 0 and below 2**32.
    """
    counts = np.bincount(row * len(parts) + part, minlength=rows * len(parts)).astype(_PLACE)
    edges = np.append(0, np.cumsum(np.bincount(row, minlength=rows)))
    places = place.astype(_narrowest(place, _NARROW_PLACES))
    sums = value.astype(_narrowest(value, _NARROW) if narrow else _SUM, copy=False)
    return RowBytes(
        tuple(parts),
        _bytes(np.arange(rows + 1) * (len(parts) * _PLACE.itemsize), counts.tobytes()),
        _bytes(edges * places.dtype.itemsize, places.tobytes()),
        _bytes(edges * sums.dtype.itemsize, sums.tobytes()),
    )


def _narrowest(values: NDArray[Any], types: _Types) -> np.dtype[Any]:
    greatest = float(values.max()) if len(values) else 0.0
    return next(dtype for dtype in types.values() if greatest <= np.iinfo(dtype).max)


def encode_sums(series: int, sums: pa.Table) -> Iterator[pa.Table]:
    """Yield sums of one series as rows of the store; ``sums``: the columns of :data:`SUMS` without the series."""
    span = sums.column("span").to_numpy()
    for length in np.unique(span).tolist():
        unit_sums = sums.filter(pa.array(span == length))
        fold, part = (unit_sums.column(name).cast(pa.string()).combine_chunks().dictionary_encode() for name in _NAMES)
        panes, pane = np.unique(unit_sums.column("pane").to_numpy(), return_inverse=True)
        yield encode_panes(
            folds=[(series, name) for name in fold.dictionary.to_pylist()],
            fold=fold.indices.to_numpy().astype(np.int64),
            panes=panes,
            pane=pane,
            span=length,
            parts=part.dictionary.to_pylist(),
            part=part.indices.to_numpy().astype(np.int64),
            index=unit_sums.column("idx").to_numpy(),
            value=unit_sums.column("value").to_numpy(),
        )


class StoredPanes(Struct, frozen=True, eq=False):
    """Rows of the store, in its order.

    Attributes:
        series: int64 (rows,).
        pane: int64 (rows,), unix nanoseconds.
        span: int64 (rows,), nanoseconds.
        names: Distinct folds with their parts.
        name_index: int64 (rows,), the position in ``names``.
        counts: int64, number of sums per part and row.
        edges: int64 (rows + 1,), where the sums of each row begin.
        index: int32 (n,), index of each sum in its part.
        value: float64 (n,).
    """

    series: I64
    pane: I64
    span: I64
    names: Sequence[tuple[str, tuple[str, ...]]]
    name_index: I64
    counts: I64
    edges: I64
    index: I32
    value: F64

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.pane)

    @classmethod
    def of(cls, rows: pa.Table) -> StoredPanes:
        """Decode rows with the columns of :data:`COLUMNS`."""
        series, fold, pane, span, parts, counts, places, sums = (column.combine_chunks() for column in rows.columns)
        folds, layouts = fold.dictionary_encode(), parts.dictionary_encode()
        over, labels = folds.dictionary.to_pylist(), layouts.dictionary.to_pylist()
        pair_codes = folds.indices.to_numpy().astype(np.int64) * len(labels) + layouts.indices.to_numpy()
        pairs, pair_index = np.unique(pair_codes, return_inverse=True)
        names = [(over[pair // len(labels)], _read(labels[pair % len(labels)])) for pair in pairs.tolist()]
        counted, edges, index, value = _entries(_data(counts), _data(places), _data(sums))
        return cls(
            series=series.to_numpy().astype(np.int64),
            pane=pane.to_numpy(),
            span=span.to_numpy(),
            names=names,
            name_index=pair_index.astype(np.int64, copy=False),
            counts=counted,
            edges=edges,
            index=index,
            value=value,
        )

    def runs(self, of_names: Sequence[I64]) -> I64:
        """Return a property of all parts of each row, concatenated.

        ``of_names``: per element of :attr:`names` an array with a row per part.
        """
        return np.concatenate([of_names[name_index] for name_index in self.name_index.tolist()])

    def table(self, wanted: Callable[[str, str], bool] | None = None) -> pa.Table:
        """Return a row per sum: series, fold, pane, span, part, idx and value.

        ``wanted``: returns True for a fold and a part to include; None = all.
        """
        labels = {
            part: code
            for code, part in enumerate(
                dict.fromkeys(part_name for _, part_names in self.names for part_name in part_names)
            )
        }
        codes = [np.array([labels[part] for part in part_names], np.int64) for _, part_names in self.names]
        row, part, entry_index = self._sums(codes, wanted)
        index, value = (
            (self.index, self.value) if entry_index is None else (self.index[entry_index], self.value[entry_index])
        )
        over = [fold for fold, _ in self.names]
        columns = [
            pa.array(self.series[row].astype(np.int32)),
            _labels(self.name_index[row], over),
            self.pane[row],
            self.span[row],
            _labels(part, list(labels)),
            pa.array(index),
            value,
        ]
        return pa.table(columns, schema=SUMS)

    def _sums(self, codes: Sequence[I64], wanted: Callable[[str, str], bool] | None) -> tuple[I64, I64, I64 | None]:
        """Return row, code of the part, and position of each wanted sum, int64 (m,); positions are None for all sums.

        Unwanted sums are skipped part by part, because a page may need one of a hundred features.
        """
        if not len(self):
            return np.empty(0, np.int64), np.empty(0, np.int64), None
        sizes = np.array([len(part_names) for _, part_names in self.names], np.int64)[self.name_index]
        row, part = np.repeat(np.arange(len(self)), sizes), self.runs(codes)
        if wanted is None:
            return np.repeat(row, self.counts), np.repeat(part, self.counts), None
        is_asked = self.runs(
            [
                np.array([wanted(fold, part_name) for part_name in part_names], np.int64)
                for fold, part_names in self.names
            ]
        )
        runs = np.flatnonzero(is_asked * self.counts)
        lengths, begins = self.counts[runs], (np.cumsum(self.counts) - self.counts)[runs] + self.edges[0]
        entry_index = np.repeat(begins - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        return np.repeat(row[runs], lengths), np.repeat(part[runs], lengths), entry_index

    def subset(self, rows: I64) -> StoredPanes:
        """Return some rows with their names; ``rows``: their positions, int64 (m,), ascending."""
        if len(rows) == len(self):
            return self
        parts = np.array([len(part_names) for _, part_names in self.names], np.int64)[self.name_index]
        counted, summed = np.append(0, np.cumsum(parts)), np.diff(self.edges)
        entry_index = np.concatenate([np.empty(0, np.int64), *_stretches(self.edges, rows)])
        used, which = np.unique(self.name_index[rows], return_inverse=True)
        return StoredPanes(
            series=self.series[rows],
            pane=self.pane[rows],
            span=self.span[rows],
            names=[self.names[name_index] for name_index in used.tolist()],
            name_index=which.astype(np.int64, copy=False),
            counts=self.counts[np.concatenate([np.empty(0, np.int64), *_stretches(counted, rows)])],
            edges=np.append(0, np.cumsum(summed[rows])),
            index=self.index[entry_index],
            value=self.value[entry_index],
        )


_Bytes = tuple[I64, NDArray[np.uint8]]
"""Where the bytes of each row begin, and the bytes of all rows."""


def _entries(of_counts: _Bytes, of_places: _Bytes, of_sums: _Bytes) -> tuple[I64, I64, I32, F64]:
    """Return the number of sums per part and row, where the sums of each row begin, their indices and the sums."""
    counts = of_counts[1].view(_PLACE).astype(np.int64)
    parts = of_counts[0] // _PLACE.itemsize
    lengths = np.diff(np.append(0, np.cumsum(counts))[parts])
    place_bytes, sum_bytes = np.diff(of_places[0]), np.diff(of_sums[0])
    if (place_bytes == lengths * _PLACE.itemsize).all() and (sum_bytes == lengths * _SUM.itemsize).all():
        return counts, of_sums[0] // _SUM.itemsize, of_places[1].view(_PLACE), of_sums[1].view(_SUM)
    place_type, sum_type = place_bytes // np.maximum(lengths, 1), sum_bytes // np.maximum(lengths, 1)
    is_dense = (place_type == 0) & (lengths > 0)
    # rows that are read together have the same types, and if they are dense the same number of parts and sums
    kinds = np.stack([place_type, sum_type, *np.where(is_dense, (np.diff(parts), lengths), 0)])
    begins = np.append(np.flatnonzero(np.any(np.diff(kinds, prepend=-1), axis=0)), len(lengths))
    found: tuple[list[NDArray[Any]], ...] = ([], [], [], [])
    for first, last in pairwise(begins.tolist()):
        of_parts = counts[parts[first] : parts[last]]
        run = of_sums[1][of_sums[0][first] : of_sums[0][last]].view(_NARROW_SUMS.get(int(sum_type[first]), _SUM))
        if is_dense[first]:
            decoded = _dense(of_parts.reshape(last - first, -1), run.reshape(last - first, -1))
        else:
            places = of_places[1][of_places[0][first] : of_places[0][last]]
            decoded = (
                of_parts,
                lengths[first:last],
                places.view(_NARROW_PLACES.get(int(place_type[first]), _PLACE)),
                run,
            )
        for arrays, array in zip(found, decoded, strict=True):
            arrays.append(array)
    counts, lengths = (np.concatenate(arrays) for arrays in found[:2])
    return (
        counts,
        np.append(0, np.cumsum(lengths)),
        np.concatenate(found[2]).astype(_PLACE, copy=False),
        np.concatenate(found[3]).astype(_SUM, copy=False),
    )


def _dense(widths: I64, sums: NDArray[Any]) -> tuple[I64, I64, I64, NDArray[Any]]:
    """Return the sums of rows that are not zero, as those of :func:`_entries`; ``widths``: (rows, parts)."""
    rows, parts = widths.shape
    if (widths != widths[0]).any():
        runs = [_dense(widths[[row]], sums[[row]]) for row in range(rows)]
        counts, lengths, places, values = (np.concatenate(arrays) for arrays in zip(*runs, strict=True))
        return counts, lengths, places, values
    part = np.repeat(np.arange(parts), widths[0])
    place = np.arange(sums.shape[1]) - np.repeat(np.cumsum(widths[0]) - widths[0], widths[0])
    position = np.flatnonzero(sums)
    row, column = np.divmod(position, sums.shape[1])
    counts = np.bincount(row * parts + part[column], minlength=rows * parts)
    return counts, np.bincount(row, minlength=rows), place[column], sums.ravel()[position]


def _stretches(edges: I64, rows: I64) -> Iterator[I64]:
    """Yield the positions between the edges of each row."""
    for row in rows.tolist():
        yield np.arange(edges[row], edges[row + 1])


@lru_cache(_LAYOUTS)
def _parts_text(parts: tuple[str, ...]) -> str:
    return json.dumps(parts)


@lru_cache(_LAYOUTS)
def _read(parts: str) -> tuple[str, ...]:
    return tuple(json.loads(parts))


def _labels(codes: I64, labels: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(labels, pa.string()))


def _bytes(edges: I64, data: bytes) -> pa.Array:
    """Return byte strings as an Arrow array; ``edges``: the start of each and the end of the last."""
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(edges) - 1, [None, pa.py_buffer(edges.astype(np.int64)), pa.py_buffer(data)]
    )


def _data(column: pa.Array) -> tuple[I64, NDArray[np.uint8]]:
    """Return where the bytes of each row begin, and the bytes of all rows."""
    _, edges, data = column.buffers()
    wide = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    if data is None or not len(column):
        return np.zeros(len(column) + 1, np.int64), np.empty(0, np.uint8)
    ends = np.frombuffer(edges, wide)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    return ends - ends[0], np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
