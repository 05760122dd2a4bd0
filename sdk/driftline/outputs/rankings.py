"""Rankings in their common forms: ordered item ids with scores, and the relevant items of a list.

One ranking is a list or array of item ids, best first; or a list of (item, score) pairs, or of objects with an item and
a score; or columns of items and scores, in order (a DataFrame, a mapping of two lists); or a mapping from item to
score, which is sorted by score, highest first, with ties in their order. A batch is one of these per row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any
from uuid import UUID

import numpy as np

from driftline.inputs.column import LISTS, values_of
from driftline.inputs.row import clean_value
from driftline.tables.ids import id_text
from driftline.tables.ranked_items import MOST_ITEMS, Ranked
from driftline.tables.table import F64

from .output import Output, UnreadResult, describe, unread_result

ITEM_NAMES = ("item", "items", "item_id", "item_ids", "id", "ids")
SCORE_NAMES = ("score", "scores")

_MOST_ROWS = 100_000
_DEPTH = 4
_NUMBERS = (int, float, np.integer, np.floating)


def copy_ranking(result: Any) -> Any:
    """Take a snapshot of a result: plain lists, dicts and values, which later changes of the result do not affect.

    >>> copy_ranking({"a": 0.25, "b": 0.75}), copy_ranking([("a", 0.5)])
    ({'a': 0.25, 'b': 0.75}, [('a', 0.5)])
    """
    return _plain(result, _DEPTH, _MOST_ROWS)


def _plain(value: Any, depth: int, limit: int) -> Any:
    if isinstance(value, np.integer):
        value = value.item()
    if isinstance(value, str | UUID):  # an item
        return id_text(value)
    if type(value) is int:  # an item may be of 2^63 and more
        return value
    if value is None or isinstance(value, int | float | np.generic):
        return clean_value(value)
    if value.__class__ is UnreadResult or depth == 0:
        return value if value.__class__ is UnreadResult else describe(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(value[key], depth - 1, MOST_ITEMS) for key in list(value)[:_MOST_ROWS]}
    if isinstance(value, tuple | list):
        plain = [_plain(element, depth - 1, MOST_ITEMS) for element in value[:limit]]
        return tuple(plain) if isinstance(value, tuple) else plain
    if isinstance(value, np.ndarray):
        if value.ndim == 0 or value.dtype.kind not in "iufUSO":
            return describe(value)
        cut = value[:limit] if value.ndim == 1 else value[:limit, :MOST_ITEMS]
        return _plain(cut.tolist(), depth, limit)
    columns = _columns(value)
    if columns is not None:
        return _plain(columns, depth, limit)
    if any(hasattr(value, method) for method in LISTS):  # a Series, an Arrow array
        return _plain(values_of(value), depth, limit)
    fields = describe(value).fields
    if fields and _named(fields, ITEM_NAMES):
        return _plain({name: getattr(value, name, None) for name in fields}, depth, limit)
    return describe(value)


def _key(key: Any) -> Any:
    if type(key) is str or type(key) is int:
        return key
    return _plain(key, 0, 0) if isinstance(key, str | int | np.generic | UUID) else key  # also str subclasses


def _columns(value: Any) -> dict[str, Any] | None:
    """Return the columns of items and scores of a DataFrame or Arrow table."""
    names = getattr(value, "column_names", None) or getattr(value, "columns", None)
    if names is None or not hasattr(value, "__getitem__"):
        return None
    texts = [str(name) for name in names if isinstance(name, str)]
    chosen = [name for name in (_named(texts, ITEM_NAMES), _named(texts, SCORE_NAMES)) if name]
    return {name: values_of(value[name]) for name in chosen} if chosen else None


def read(stored: Any, n: int, *, one_row: bool) -> Output:
    """Read the stored result of n rows as rankings."""
    if stored.__class__ is UnreadResult:
        return Output(unread=stored)
    if one_row:
        ranked = one_ranking(stored)
        return Output(unread=unread_result(stored)) if ranked is None else Output(rankings=[ranked])
    lists = _rows(stored, n)
    if lists is None:
        return Output(unread=unread_result(stored))
    rankings = [None if row is None else one_ranking(row) for row in lists]
    strange = next((row for row, ranked in zip(lists, rankings, strict=True) if ranked is None and row is not None), 0)
    return Output(
        rankings=rankings, unread=None if strange == 0 else UnreadResult(f"a list with {unread_result(strange).text}")
    )


def read_separate(items: Any, scores: Any, n: int, *, one_row: bool) -> Output:
    """Read items and scores that were given separately; None if one of them was not given.

    Without items, only the first score is kept. Scores whose number differs from that of the items are left out.
    """
    if items is None:
        return _of_scores(scores, n, one_row=one_row)
    output = read(items, n, one_row=one_row)
    if output.rankings is None or scores is None or scores.__class__ is UnreadResult:
        return output
    lists = [scores] if one_row else _rows(scores, n)
    if lists is None:
        output.unread = unread_result(scores)
        return output
    for row, (ranked, list_) in enumerate(zip(output.rankings, lists, strict=True)):
        numbers = _scores(list_) if isinstance(list_, list | tuple) else None
        if ranked is not None and numbers is not None and len(numbers) == len(ranked[0]):
            output.rankings[row] = (ranked[0], numbers)
        elif ranked is not None and list_ is not None:
            output.unread = UnreadResult(f"{len(ranked[0])} items and {len(numbers or ())} scores")
    return output


def _of_scores(scores: Any, n: int, *, one_row: bool) -> Output:
    output = read(scores, n, one_row=one_row)
    lists = [scores] if one_row else _rows(scores, n)
    if output.rankings is not None or lists is None:
        return output
    numbers = [_scores(ranking if isinstance(ranking, list | tuple) else [ranking]) for ranking in lists]
    first = np.array([[number[0] if number else np.nan] for number in numbers])
    return output if np.isnan(first).all() else Output(scores=first)


def one_ranking(value: Any) -> Ranked | None:
    """Return one ranking; None if the value is not a ranking.

    >>> one_ranking({"a": 0.25, "b": 0.75}), one_ranking([("a", 0.5), ("b", 0.25)]), one_ranking([3, 1])
    ((('b', 'a'), (0.75, 0.25)), (('a', 'b'), (0.5, 0.25)), ((3, 1), None))
    """
    if isinstance(value, dict):
        return _of_mapping(value)
    if isinstance(value, str) or _is_whole(value):
        return (value,), None
    if not isinstance(value, list | tuple):
        return None
    if not value:
        return (), None
    if len(value) == 1 and isinstance(value[0], list):  # one row, as an array (1, k)
        return one_ranking(value[0])
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(element, list) for element in value):
        return _parallel(value[0], value[1])
    if all(isinstance(element, dict) for element in value):
        item, score = _named(value[0], ITEM_NAMES), _named(value[0], SCORE_NAMES)
        if not item:
            return None
        scores = _scores([element.get(score) for element in value]) if score else None
        return _with(tuple(element.get(item) for element in value), scores)
    if all(isinstance(element, list | tuple) and len(element) == 2 and _is_score(element[1]) for element in value):
        return _with(tuple(element[0] for element in value), _scores([element[1] for element in value]))
    return _with(tuple(value), None)


def first_of(scores: Any) -> F64:
    """Return the first score of each of n rankings: float64 (n, 1), NaN without a score.

    Args:
        scores: n lists of scores, best first, or n scores of first items.

    >>> first_of([[0.75, 0.5], [], [0.25]]).tolist(), first_of(np.array([0.75, 0.5])).tolist()
    ([[0.75], [nan], [0.25]], [[0.75], [0.5]])
    """
    firsts = [(row[0] if len(row) else None) if hasattr(row, "__len__") else row for row in values_of(scores)]
    return np.array([_scores([first]) for first in firsts], np.float64).reshape(-1, 1)


def _of_mapping(value: dict[Any, Any]) -> Ranked | None:
    item, score = _named(value, ITEM_NAMES), _named(value, SCORE_NAMES)
    if item and isinstance(value[item], list | tuple):
        items = one_ranking(value[item])
        scores = _scores(value[score]) if score and isinstance(value[score], list | tuple) else None
        if items is None or items[1] is not None:
            return None
        return items[0], scores if scores is not None and len(scores) == len(items[0]) else None
    if not all(_is_score(score) for score in value.values()):
        return None
    if not value:
        return (), None
    order = sorted(value, key=lambda item: _descending(value[item]))
    return _with(tuple(order), _scores([value[item] for item in order]))


def _parallel(first: list[Any], second: list[Any]) -> Ranked | None:
    """Return two lists of equal length as items and scores, if exactly one of them contains floats."""
    floats = [bool(values) and all(isinstance(value, float) for value in values) for values in (first, second)]
    if len(first) != len(second) or floats[0] == floats[1]:
        return None
    items, scores = (second, first) if floats[0] else (first, second)
    return _with(tuple(items), _scores(scores))


def _with(ids: tuple[Any, ...], scores: tuple[float, ...] | None) -> Ranked | None:
    return (ids, scores) if all(isinstance(id, str) or id is None or _is_whole(id) for id in ids) else None


def _rows(stored: Any, n: int) -> Sequence[Any] | None:
    """Return one value per row: lists, mappings, or None for a row without a ranking."""
    if (
        isinstance(stored, tuple)
        and len(stored) == 2
        and n != 2
        and all(isinstance(element, list) for element in stored)
    ):
        ids, scores = stored  # two arrays of (n, k), as nearest-neighbour searches return
        return list(zip(ids, scores, strict=True)) if len(ids) == len(scores) == n else None
    if not isinstance(stored, list | tuple) or len(stored) != n:
        return None
    return stored if all(row is None or isinstance(row, list | tuple | dict) for row in stored) else None


def _scores(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) if isinstance(value, _NUMBERS) else math.nan for value in values)


def _is_score(value: Any) -> bool:
    return value is None or (isinstance(value, _NUMBERS) and not isinstance(value, bool))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _descending(score: Any) -> float:
    number = math.nan if score is None else float(score)
    return math.inf if number != number else -number


def _named(names: Any, candidates: tuple[str, ...]) -> str:
    return next((name for name in candidates if name in names), "")


MOST_TEXT = 65_536
"""Maximum characters of a JSON of relevant items."""


def relevant_text(actual: Any, fit: Callable[[str], str] | None = None) -> str | None:
    """Return the JSON of relevant items, [item, ...] or {item: gain, ...}; None for any other value.

    Raises ``ValueError`` for an invalid id or gain, and for too many items.

    Args:
        actual: A list, tuple, set, array or Series of item ids, or a mapping from item to its gain.
        fit: Function that hashes an id before export.

    >>> relevant_text(["p17", 4]), relevant_text({"p17": 3}), relevant_text("p17"), relevant_text(1)
    ('["p17", "4"]', '{"p17": 3.0}', None, None)
    """
    if isinstance(actual, Mapping):
        gains: Any = {_item(item, fit): _gain(gain) for item, gain in actual.items()}
    else:
        values = _listed(actual)
        if values is None:
            return None
        gains = [_item(item, fit) for item in values]
    text = json.dumps(gains, ensure_ascii=False)
    if len(gains) > MOST_ITEMS or len(text) > MOST_TEXT:
        raise ValueError(f"it has more than {MOST_ITEMS:,} items or more than {MOST_TEXT:,} characters")
    return text


def _listed(actual: Any) -> list[Any] | None:
    if isinstance(actual, list | tuple | AbstractSet):
        return list(actual)
    for method in LISTS:
        if hasattr(actual, method):
            values = getattr(actual, method)()
            return values if isinstance(values, list) else None
    return None


def _item(item: Any, fit: Callable[[str], str] | None) -> str:
    text = "" if isinstance(item, bool | list | tuple) else id_text(item)
    if not text:
        raise ValueError("it has an item id that is neither a string nor a number")
    return text if fit is None else fit(text)


def _gain(gain: Any) -> float:
    number = float(gain) if isinstance(clean_value(gain), bool | int | float) else math.nan
    if not math.isfinite(number):
        raise ValueError("it has a relevance that is not a finite number")
    return number
