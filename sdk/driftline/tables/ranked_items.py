"""n rankings as flat columns of items: created from lists, truncated, concatenated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ids import id_text
from .table import F64, I32, Column, Items, concatenate

MOST_ITEMS = 1000
"""Maximum number of items kept per ranking."""

Ranked = tuple[tuple[Any, ...], tuple[float, ...] | None]
"""One ranking: its item ids, best first, and their scores; None without scores."""


def items_of(rankings: Sequence[Ranked | None]) -> Items:
    """Concatenate rankings; None, a row without a ranking, is empty. Item ids are text: 17 and "17" are one item.

    >>> items = items_of([(("a", 17), (0.5, 0.25)), None, (("17",), None)])
    >>> items.offsets, items.ids.codes, items.ids.categories, items.scores
    (array([0, 2, 2, 3], dtype=int32), array([0, 1, 1], dtype=int32), ('a', '17'), array([0.5 , 0.25,  nan]))
    """
    lists = [() if ranked is None else ranked[0][:MOST_ITEMS] for ranked in rankings]
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum([len(ids) for ids in lists], out=offsets[1:])
    categories: dict[str, int] = {}
    code_of: dict[tuple[type, Any], int] = {}
    for key in dict.fromkeys((type(id), id) for id in chain.from_iterable(lists)):
        text = id_text(key[1])
        code_of[key] = categories.setdefault(text, len(categories)) if text else -1
    codes = [code_of[type(id), id] for id in chain.from_iterable(lists)]
    scores: F64 | None = None
    if any(ranked is not None and ranked[1] is not None for ranked in rankings):
        scores = np.full(len(codes), np.nan)
        for ranked, start, stop in zip(rankings, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            if ranked is not None and ranked[1] is not None:
                scores[start:stop] = ranked[1][: stop - start]
    return Items(offsets, Column(codes=np.array(codes, np.int32), categories=tuple(categories)), scores)


def first_scores(items: Items) -> F64 | None:
    """Return the score of each ranking's first item: float64 (n, 1), NaN if missing; None if no row has a score.

    >>> first_scores(items_of([(("a", "b"), (0.5, 0.25)), ((), None)]))
    array([[0.5],
           [nan]])
    """
    if items.scores is None:
        return None
    first = np.full((len(items), 1), np.nan)
    has_items = items.offsets[1:] > items.offsets[:-1]
    first[has_items, 0] = items.scores[items.offsets[:-1][has_items]]
    return None if np.isnan(first).all() else first


def part(items: Items, start: int, stop: int) -> Items:
    """Return rankings ``start`` to ``stop``, with the categories that they use.

    >>> part(items_of([(("a", "b"), None), (("b",), None)]), 1, 2).ids.categories
    ('b',)
    """
    return take_items(items, np.arange(start, stop))


def take_items(items: Items, rows: NDArray[np.intp], limit: int = MOST_ITEMS) -> Items:
    """Return the rankings at these positions, the first ``limit`` items of each, without unused categories.

    >>> some = take_items(items_of([(("a", "b"), None), (("c", "b", "a"), None)]), np.array([1, 0]), 2)
    >>> some.offsets, some.ids.codes, some.ids.categories, some.left_out
    (array([0, 2, 4], dtype=int32), array([2, 1, 0, 1], dtype=int32), ('a', 'b', 'c'), array([1, 0], dtype=int32))
    """
    lengths = np.diff(items.offsets)[rows]
    counts = np.minimum(lengths, limit)
    offsets = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    positions = np.arange(offsets[-1]) + np.repeat(items.offsets[rows] - offsets[:-1], counts)
    left_out = lengths - counts + (0 if items.left_out is None else items.left_out[rows])
    used, now = np.unique(_codes(items)[positions], return_inverse=True)
    missing = int(len(used) > 0 and used[0] < 0)
    return Items(
        offsets,
        Column(
            codes=(now.reshape(-1) - missing).astype(np.int32),
            categories=tuple(items.ids.categories[code] for code in used.tolist() if code >= 0),
        ),
        None if items.scores is None else items.scores[positions],
        left_out.astype(np.int32) if left_out.any() else None,
    )


def join_items(parts: Sequence[Items]) -> Items:
    """Concatenate several sets of rankings.

    >>> join_items([items_of([(("a",), (0.5,))]), items_of([(("b", "a"), None)])]).ids.codes
    array([0, 1, 0], dtype=int32)
    """
    counts = np.concatenate([np.diff(items.offsets) for items in parts])
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    scores, left_out = None, None
    if any(items.scores is not None for items in parts):
        scores = np.concatenate(
            [np.full(len(_codes(items)), np.nan) if items.scores is None else items.scores for items in parts]
        )
    if any(items.left_out is not None for items in parts):
        left_out = np.concatenate(
            [np.zeros(len(items), np.int32) if items.left_out is None else items.left_out for items in parts]
        )
    return Items(offsets, concatenate([items.ids for items in parts]), scores, left_out)


def _codes(items: Items) -> I32:
    return np.zeros(0, np.int32) if items.ids.codes is None else items.ids.codes
