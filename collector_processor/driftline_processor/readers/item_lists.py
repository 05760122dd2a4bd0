"""Read lists of items from Arrow arrays: rankings, and their relevance."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from driftline.baseline.ranking_outcomes import ListStatements, read_actuals, read_relevant, relevance_in
from driftline.outputs.rankings import ITEM_NAMES
from driftline.panes.relevance import Relevance
from driftline.tables.ranked_items import Ranked, items_of
from driftline.tables.table import F64, Column, Items
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc

from .arrow_columns import column, ids, is_text, one_array, valid_of, values_of
from .errors import BadInput
from .source import Source, readable

Mask = NDArray[np.bool_]
ItemPlaces = NDArray[np.intp]


def read_items(source: Source, name: str) -> Items:
    """Read a column of rankings: lists of items, best first, or their JSON. A missing list is an empty ranking.

    Raises :class:`BadInput` if no value is a list.
    """
    with readable(source.path):
        return items_in(source.path, name, one_array(source.column(name)))


def items_in(path: str, name: str, array: pa.Array) -> Items:
    """Return the rankings of an array, see :func:`read_items`."""
    if is_text(array.type):
        return _of_texts(path, name, column(array, False))
    if not holds_lists(array.type):
        raise BadInput(f"{path}: {name}: a ranking must be a list of items, but this column contains {array.type}")
    row, item, _ = _entries(array)
    offsets = np.zeros(len(array) + 1, np.int32)
    np.cumsum(np.bincount(row, minlength=len(array)), out=offsets[1:])
    return Items(offsets, item)


def relevance_of_batch(path: str, name: str, lists: pa.Array | None, actual: pa.Array) -> Relevance:
    """Return the relevance that rows have for their own lists. ``lists``: the column ``name``; None = missing."""
    items = items_of([None] * len(actual)) if lists is None else items_in(path, name, lists)
    return relevance_in(items, relevance_statements(actual))


def relevance_statements(array: pa.Array) -> ListStatements:
    """Return what a column of outcomes, one per row, states about the items of each row's ranking."""
    if not holds_lists(array.type):
        gain, item_codes, sets = read_actuals(column(array))
        rows = np.flatnonzero(~np.isnan(gain) | (item_codes >= 0))
        about, retracted = np.full(len(rows), -1, np.int32), np.zeros(len(rows), np.bool_)
        return ListStatements(rows, Column(codes=about), gain[rows], retracted, item_codes[rows], sets)
    list_rows = np.flatnonzero(valid_of(array))
    entry_rows, listed, gains = _entries(array)
    assert listed.codes is not None
    places = np.concatenate([list_rows, entry_rows])
    codes = np.concatenate([np.full(len(list_rows), -1, np.int32), listed.codes])
    gain = np.concatenate([np.zeros(len(list_rows)), gains])
    order = np.argsort(places, kind="stable")
    order = order[(order < len(list_rows)) | (codes[order] >= 0)]
    n = len(order)
    items = Column(codes=codes[order].astype(np.int32), categories=listed.categories)
    return ListStatements(places[order], items, gain[order], np.zeros(n, np.bool_), np.full(n, -1, np.int32))


def holds_lists(kind: pa.DataType) -> bool:
    """Return True if values of this type are lists of items, or maps from item to relevance."""
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if lists and pa.types.is_struct(kind.value_type):
        return any(field.name in ITEM_NAMES for field in kind.value_type)
    return bool(lists or pa.types.is_map(kind))


def _entries(array: pa.Array) -> tuple[ItemPlaces, Column, F64]:
    """Return list, item and gain of all entries of lists or maps, in order.

    In lists of structures the item is a field with a usual name (``item``, ``id``, ...).
    """
    gains = None
    if pa.types.is_map(array.type):
        lengths = np.diff(values_of(array.offsets, 0))
        row, flat, gains = np.repeat(np.arange(len(array)), lengths), array.keys, array.items
    else:
        row, flat = values_of(pc.list_parent_indices(array), 0).astype(np.intp), pc.list_flatten(array)
        if pa.types.is_struct(flat.type):
            fields = [field.name for field in flat.type]
            flat = flat.field(next(name for name in ITEM_NAMES if name in fields))
    items = column(ids(flat), False)
    codes = np.full(len(row), -1, np.int32) if items.codes is None else items.codes
    return (
        row,
        Column(codes=codes, categories=items.categories),
        np.ones(len(row)) if gains is None else _numbers(gains),
    )


def _of_texts(path: str, name: str, texts: Column) -> Items:
    """Return rankings from JSON texts, the form in CSV."""
    lists: list[Ranked | None] = []
    for category in texts.categories:
        relevant = read_relevant(category)
        lists.append(None if relevant is None else (tuple(relevant), None))
    codes = np.zeros(0, np.int32) if texts.codes is None else texts.codes
    if (codes >= 0).any() and not any(lists):
        raise BadInput(
            f'{path}: {name}: a ranking must be a list of items such as ["p17", "p4"], but this column contains '
            f"{texts.categories[int(codes[codes >= 0][0])][:80]!r}"
        )
    return items_of([lists[code] if code >= 0 else None for code in codes.tolist()])


def _numbers(array: pa.Array) -> F64:
    numbers = column(array, True).numbers
    return np.full(len(array), np.nan) if numbers is None else numbers
