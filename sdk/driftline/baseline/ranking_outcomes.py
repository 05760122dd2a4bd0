"""The relevance of rankings from all outcomes about them: about items, about whole lists, corrected and retracted.

The statements about a list are applied by the time at which they were known (equal times: by arrival):

- about one item, a number: above 0 = relevant, and the gain (a click is 1); it replaces earlier statements about that
item;
- about the whole list, the relevant items: it replaces all earlier statements;
- about the whole list, 0: nothing was relevant; it replaces all earlier statements;
- about the whole list, a number above 0: something was clicked; earlier statements about items remain;
- a retraction, of an item or of the whole list: earlier statements about it are dropped.

If any outcome of a list is known, items without a statement were not relevant.

Weight, worth and slices are carried forward from earlier statements, each by itself, unless a later statement replaces
or retracts them: a corrected label need not repeat the weight of its row. The order of arrival does not matter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.inputs.dataframes import column_of
from driftline.outputs.rankings import relevant_text
from driftline.panes.relevance import GREATEST_GAIN, Relevance
from driftline.tables.classes import class_text
from driftline.tables.ids import id_text
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import F64, I32, I64, Column, Items


def carry_forward(group: I64, taken_back: Mask, has_value: Mask) -> NDArray[np.intp]:
    """Return, for each of n statements, the index of the statement whose value it inherits; -1 without a value.

    Args:
        group: int64 (n,), prediction of each statement; statements of one prediction are adjacent, oldest first.
        taken_back: bool (n,), statements that retract all earlier statements.
        has_value: bool (n,), statements with a value.

    >>> group, nobody = np.array([7, 7, 7, 8]), np.zeros(4, np.bool_)
    >>> carry_forward(group, nobody, np.array([True, False, False, False]))
    array([ 0,  0,  0, -1])
    >>> carry_forward(group, np.array([False, True, False, False]), np.array([True, False, False, True]))
    array([ 0, -1, -1,  3])
    """
    place = np.arange(len(group))
    begins = np.diff(group, prepend=group[:1] - 1) != 0
    since = np.maximum.accumulate(np.where(begins | taken_back, place, 0))
    last = np.maximum.accumulate(np.where(has_value & ~taken_back, place, -1))
    return np.where(last >= since, last, -1)


Mask = NDArray[np.bool_]
Relevant = Mapping[str, float]
"""Relevant items and their gains."""


@dataclass(frozen=True, slots=True)
class ListStatements:
    """m statements about lists, oldest first.

    Attributes:
        row: int64 (m,), index of the list.
        item: Codes of the items, -1 = the whole list.
        gain: float64 (m,), NaN without a gain.
        retracted: bool (m,).
        relevant: int32 (m,), codes into ``sets``, -1 = no set of relevant items.
    """

    row: I64
    item: Column
    gain: F64
    retracted: Mask
    relevant: I32
    sets: Sequence[Relevant] = ()


def read_relevant(text: str) -> Relevant | None:
    """Return the relevant items of a JSON array, or of an object item → gain; None for anything else.

    >>> read_relevant('["p4", 17]'), read_relevant('{"p4": 3}'), read_relevant("churned"), read_relevant('{"p4": "x"}')
    ({'p4': 1.0, '17': 1.0}, {'p4': 3.0}, None, None)
    """
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list):
        ids = [id_text(item) for item in value if _is_id(item)]
        return dict.fromkeys(ids, 1.0) if len(ids) == len(value) and all(ids) else None
    if not isinstance(value, dict) or not all(_is_gain(gain) for gain in value.values()):
        return None
    return {item.strip(): float(gain) for item, gain in value.items() if item.strip()}


def read_actuals(actual: Column) -> tuple[F64, I32, list[Relevant]]:
    """Read the outcomes of a ranking: gains, float64 (n,), and codes (-1 = none) into sets of relevant items.

    An actual that is neither a number (also as text; true is 1) nor a set has neither.

    >>> read_actuals(Column(codes=np.array([0, 1, 2, -1], np.int32), categories=("true", '["a"]', "late")))
    (array([ 1., nan, nan, nan]), array([-1,  0, -1, -1], dtype=int32), [{'a': 1.0}])
    """
    gains = actual_numbers(Column(actual.numbers, actual.codes, tuple(map(class_text, actual.categories))))
    gains = np.where(np.isfinite(gains), gains, np.nan)
    set_of_row = np.full(len(gains), -1, np.int32)
    sets: list[Relevant] = []
    if actual.codes is not None and actual.categories:
        places = np.full(len(actual.categories) + 1, -1, np.int32)  # code -1 reads the last entry
        for code in np.unique(actual.codes[actual.codes >= 0]).tolist():
            relevant = read_relevant(actual.categories[code])
            if relevant is not None:
                places[code] = len(sets)
                sets.append(relevant)
        set_of_row = places[actual.codes]
    return gains, set_of_row, sets


def relevance_in(lists: Items, statements: ListStatements, left_out: I64 | None = None) -> Relevance:
    """Return the relevance of n lists: the gain per rank, and the relevant items that are missing in the list.

    ``left_out``: int64 (n,), number of items of each list that were not recorded; one of them may have been clicked.

    >>> from driftline.tables.ranked_items import items_of
    >>> lists = items_of([(("a", "b"), None), (("b",), None)])
    >>> item = Column(codes=np.array([0, 1], np.int32), categories=("b", "z"))
    >>> one = np.ones(2)
    >>> found = relevance_in(lists, ListStatements(np.array([0, 0]), item, one, one < 0, np.array([-1, -1], np.int32)))
    >>> found.clicked, found.gains, found.missed
    (array([ 1., nan]), array([0., 1., 0.]), array([1.]))
    """
    n = len(lists)
    about = np.full(len(statements.row), -1, np.int32) if statements.item.codes is None else statements.item.codes
    is_whole_list, place = about < 0, np.arange(len(statements.row))
    replaces = is_whole_list & (statements.retracted | (statements.relevant >= 0) | (statements.gain <= 0))
    since = np.full(n, -1, np.int64)
    since[statements.row[replaces]] = place[replaces]  # numpy keeps the last of equal rows
    last = since[since >= 0]
    has_statement, somewhere = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    has_statement[statements.row[last]] = ~statements.retracted[last]
    is_valid = place > since[statements.row]
    somewhere[statements.row[is_valid & is_whole_list & (statements.gain > 0)]] = True

    codes = _Codes(lists.ids.categories)
    of_sets = _statements(statements, last[(statements.relevant[last] >= 0) & ~statements.retracted[last]], codes)
    single = np.flatnonzero(is_valid & ~is_whole_list)
    rows = np.concatenate([of_sets[0], statements.row[single]])
    items = np.concatenate([of_sets[1], codes.of(statements.item.categories)[about[single]]])
    gains = np.concatenate([of_sets[2], np.where(statements.retracted, np.nan, statements.gain)[single]])
    final = _last_of_each(rows, items, len(codes.index))
    final = final[~np.isnan(gains[final])]
    rows, items, gains = rows[final], items[final], gains[final]
    has_statement[rows] = True
    return _placed(lists, (rows, items, gains), len(codes.index), has_statement | somewhere, somewhere, left_out)


def worth_of(row: I64, about: I32, value: F64, retracted: Mask, n: int) -> F64:
    """Return the worth of each of n lists, the sum over the last value of each item; NaN if unknown.

    ``row``, ``about``: list and item (-1 = the whole list) of each statement, oldest first. ``value``: NaN = not given:
    the item keeps its earlier value.

    >>> about = np.array([0, 1, 0], np.int32)
    >>> worth_of(np.zeros(3, np.int64), about, np.array([2.0, 3.0, 5.0]), np.zeros(3, np.bool_), 2)
    array([ 8., nan])
    """
    width = int(about.max(initial=0)) + 2
    group = row * width + about + 1
    order = np.argsort(group, kind="stable")
    source = carry_forward(group[order], retracted[order], ~np.isnan(value[order]))
    stays = np.empty(len(value))
    stays[order] = np.append(value[order], np.nan)[source]
    value, final = stays, _last_of_each(row, about.astype(np.int64) + 1, width)
    final = final[~np.isnan(value[final])]
    has_worth = np.bincount(row[final], minlength=n) > 0
    return np.where(has_worth, np.bincount(row[final], value[final], minlength=n), np.nan)


def statements_of_values(values: Sequence[Any]) -> ListStatements:
    """Return n actual values, one per list, as statements.

    A value is the relevant items (a list, a mapping to gains, or JSON) or a number.

    >>> statements_of_values([["a", "b"], {"a": 3}, 0, None]).row.tolist()
    [0, 1, 2]
    """
    texts = [_text(value) for value in values]
    gain, set_of_row, sets = read_actuals(column_of(texts))
    row = np.flatnonzero(~np.isnan(gain) | (set_of_row >= 0))
    of_lists = Column(codes=np.full(len(row), -1, np.int32))
    return ListStatements(row, of_lists, gain[row], np.zeros(len(row), np.bool_), set_of_row[row], sets)


def _text(value: Any) -> Any:
    pairs = isinstance(value, list | tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)
    text = relevant_text(dict(value) if pairs and value else value)
    return value if text is None else text


class _Codes:
    """One common code per item: the categories of the lists first, in their order."""

    def __init__(self, categories: Sequence[str]) -> None:
        self.index = {category: code for code, category in enumerate(categories)}

    def of(self, categories: Sequence[str]) -> I64:
        """Return the code of each category, followed by -1 as the code of a missing value."""
        index = self.index
        return np.array([*(index.setdefault(category, len(index)) for category in categories), -1], np.int64)


def _statements(statements: ListStatements, set_of_row: NDArray[np.intp], codes: _Codes) -> tuple[I64, I64, F64]:
    """Return list, item and gain of every entry of the sets of these statements."""
    sets = [
        (codes.of(tuple(gain_by_item))[:-1], np.array([*gain_by_item.values()], np.float64))
        for gain_by_item in statements.sets
    ]
    used = statements.relevant[set_of_row].tolist()
    lengths = np.array([len(sets[code][0]) for code in used], np.int64)
    nothing = np.zeros(0)
    return (
        np.repeat(statements.row[set_of_row], lengths),
        np.concatenate([nothing.astype(np.int64), *(sets[code][0] for code in used)]),
        np.concatenate([nothing, *(sets[code][1] for code in used)]),
    )


def _last_of_each(rows: I64, items: I64, width: int) -> NDArray[np.intp]:
    """Return the index of the last statement about each item of each list, ordered by list."""
    _, positions = np.unique((rows * width + items)[::-1], return_index=True)
    last: NDArray[np.intp] = len(rows) - 1 - positions
    return last


def _placed(
    lists: Items, statements: tuple[I64, I64, F64], width: int, is_stated: Mask, somewhere: Mask, left_out: I64 | None
) -> Relevance:
    """Assign gains to the ranks of their items; gains of items that are not in the list are missed gains."""
    rows, items, gains = statements
    n, item_codes = len(lists), np.zeros(0, np.int32) if lists.ids.codes is None else lists.ids.codes
    is_stated_item = np.zeros(width + 1, np.bool_)  # code -1 reads the last entry
    is_stated_item[items] = True
    positions = np.flatnonzero(is_stated_item[item_codes]) if len(items) else np.zeros(0, np.intp)
    at_row = np.searchsorted(lists.offsets, positions, side="right") - 1
    keys, first = np.unique(
        at_row * width + item_codes[positions], return_index=True
    )  # a repeated item counts at its first rank
    key = rows * width + items
    where = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    is_ranked = keys[where] == key if len(keys) else np.zeros(len(key), np.bool_)

    placed = np.zeros(len(item_codes))
    placed[positions[first[where[is_ranked]]]] = gains[is_ranked]
    positive = np.zeros(n, np.bool_)
    positive[rows[gains > 0]] = True
    clicked = somewhere.copy()
    clicked[rows[is_ranked & (gains > 0)]] = True
    lost = ~is_ranked & (gains > 0)
    if left_out is not None:
        clicked[rows[lost & (left_out[rows] > 0)]] = True
    missed = np.bincount(rows[lost], minlength=n)
    return Relevance(
        np.where(is_stated, clicked, np.nan),
        is_stated & (positive | ~somewhere),
        lists.offsets.astype(np.int64),
        placed,
        np.concatenate([[0], np.cumsum(missed)]).astype(np.int64),
        gains[lost],
    )


def _is_id(item: object) -> bool:
    return isinstance(item, str | int | float) and not isinstance(item, bool)


def _is_gain(gain: object) -> bool:
    return isinstance(gain, int | float) and abs(gain) <= GREATEST_GAIN
