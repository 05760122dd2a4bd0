"""The relevance of items in n rankings, and the sums from which ranking metrics are computed.

Definitions, for a list of gains g_1 ... g_L, best rank first (an item without a statement has gain 0; a repeated item
counts at its first rank), R relevant items (gain > 0) of which some may be missing from the list, and a cutoff k:

=====================  ==================================================================================
``hit``                1 if one of the first k is relevant
``precision``          relevant items among the first k, / k, also if the list is shorter
``recall``             relevant items among the first k, / R (Manning, Raghavan & Schütze 2008, sections 8.3, 8.4)
``ndcg``               DCG / the DCG of the R gains in falling order, DCG = Σ_{i <= k} g_i / log2(i + 1): linear gains,
                       as ``sklearn.metrics.ndcg_score`` (Järvelin & Kekäläinen 2002)
``reciprocal_rank``    1 / rank of the first relevant item, 0 if none is among the first k (Voorhees 1999)
``average_precision``  Σ_{i <= k, g_i > 0} (relevant among the first i) / i, / min(R, k); for k >= R it is that of
                       Manning et al., section 8.4, of the list cut at k
=====================  ==================================================================================

A list without relevant items has hit 0 and precision 0; the other metrics are not defined for it and exclude it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.tables.table import F64, I64

CUTOFFS = (1, 5, 10)
"""Default cutoffs of ranking metrics."""

OF_ALL = ("hit", "precision")
OF_RELEVANT = ("recall", "ndcg", "reciprocal_rank", "average_precision")
"""Metrics in a part ``ranking@K`` over lists with a relevant item."""

PREFIX = "ranking@"
GREATEST_GAIN = 1e12

CLICKS = 2
_HEAD = 6  # n, Σw, Σw² of all lists, then of lists with a relevant item
WIDTH = _HEAD + 3 * (len(OF_ALL) + len(OF_RELEVANT))


@dataclass(frozen=True, slots=True)
class Relevance:
    """The relevance of the items of n rankings.

    Attributes:
        clicked: float64 (n,), 1 if any item was relevant, 0 if none was, NaN if unknown.
        ranked: bool (n,), whether the relevant items are known.
        offsets: int64 (n + 1,), list i has the gains ``gains[offsets[i]:offsets[i + 1]]``, best rank first; trailing
            zeros may be left out.
        missed_offsets: The same for the gains of relevant items that are not in the list.
        missed: As ``missed_offsets``.
    """

    clicked: F64
    ranked: NDArray[np.bool_]
    offsets: I64
    gains: F64
    missed_offsets: I64
    missed: F64

    def __len__(self) -> int:
        return len(self.clicked)


def relevance_of(
    gains: Sequence[Sequence[float] | None],
    missed: Sequence[Sequence[float]] | None = None,
    clicked: Sequence[float] | None = None,
) -> Relevance:
    """Concatenate the gains of n lists; None = the relevant items are unknown.

    ``clicked``: default: whether any gain of the list is above 0, NaN if the gains are None.

    >>> found = relevance_of([[0.0, 1.0], None], [[2.0], []])
    >>> found.clicked, found.ranked, found.gains, found.missed
    (array([ 1., nan]), array([ True, False]), array([0., 1.]), array([2.]))
    """
    rows = [[] if row is None else list(row) for row in gains]
    missed_items = [[] for _ in rows] if missed is None else [list(row) for row in missed]
    is_known = np.array([row is not None for row in gains], np.bool_)
    derived = np.array([float(any(gain > 0 for gain in row)) for row in rows], np.float64)
    return Relevance(
        np.where(is_known, derived, np.nan) if clicked is None else np.array(clicked, np.float64),
        is_known,
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array([gain for row in rows for gain in row], np.float64),
        np.cumsum([0, *map(len, missed_items)], dtype=np.int64),
        np.array([gain for row in missed_items for gain in row], np.float64),
    )


def clicks_of(actual: F64) -> Relevance:
    """Return n rankings for which only clicks are known, not the clicked items; NaN = unknown.

    If nothing was clicked, the relevance of every item is known.

    Args:
        actual: float64 (n,), above 0 = clicked.

    >>> found = clicks_of(np.array([2.0, 0.0, np.nan]))
    >>> found.clicked, found.ranked
    (array([ 1.,  0., nan]), array([False,  True, False]))
    """
    nothing = np.zeros(len(actual) + 1, np.int64)
    clicked = np.where(np.isnan(actual), np.nan, actual > 0)
    return Relevance(clicked, actual <= 0, nothing, np.zeros(0), nothing, np.zeros(0))


def take_rankings(relevance: Relevance, rows: NDArray[np.intp]) -> Relevance:
    """Return the relevance of the rankings at these positions, in this order.

    >>> take_rankings(relevance_of([[1.0], [0.0, 2.0]]), np.array([1])).gains
    array([0., 2.])
    """
    offsets, gains = _taken(relevance.offsets, relevance.gains, rows)
    missed_offsets, missed = _taken(relevance.missed_offsets, relevance.missed, rows)
    return Relevance(relevance.clicked[rows], relevance.ranked[rows], offsets, gains, missed_offsets, missed)


def join_rankings(parts: Sequence[Relevance]) -> Relevance:
    """Concatenate several sets of rankings.

    >>> join_rankings([relevance_of([[1.0]]), relevance_of([[0.0, 2.0]])]).offsets
    array([0, 1, 3])
    """
    return Relevance(
        np.concatenate([part.clicked for part in parts]),
        np.concatenate([part.ranked for part in parts]),
        _end_to_end([part.offsets for part in parts]),
        np.concatenate([part.gains for part in parts]),
        _end_to_end([part.missed_offsets for part in parts]),
        np.concatenate([part.missed for part in parts]),
    )


def fold_relevance(
    relevance: Relevance,
    weight: F64 | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
    group: I64 | None = None,
    groups: int = 1,
) -> dict[str, F64]:
    """Return the sums of ranking metrics: part → float64 (groups, width).

    ``weight``: float64 (n,), usable, None = 1 each. ``group``: int64 (n,), 0 <= group < groups; None = one group.

    ``outcomes``: n, Σw, Σw² of lists with any known outcome. ``clicks``: Σw, Σw² of clicked lists. ``ranking@K``, one
    per cutoff: n, Σw, Σw² of lists whose relevant items are known, the same of lists with a relevant item, then Σwx,
    Σw²x, Σw²x² of each metric x of :data:`OF_ALL` and :data:`OF_RELEVANT`.

    >>> parts = fold_relevance(relevance_of([[0.0, 1.0], [0.0]]), cutoffs=(2,))
    >>> parts["clicks"], parts["ranking@2"][0, :9]
    (array([[1., 1.]]), array([2., 2., 2., 1., 1., 1., 1., 1., 1.]))
    """

    def counted(lists: NDArray[np.bool_]) -> F64:
        positions = np.flatnonzero(lists)
        n = total(positions, None)
        if weight is None:
            return np.column_stack([n, n, n])
        return np.column_stack([n, total(positions, weight[positions]), total(positions, weight[positions] ** 2)])

    def total(positions: NDArray[np.intp], values: F64 | None) -> F64:
        if group is None:
            return np.array([len(positions) if values is None else values.sum()], np.float64)
        # without rows, bincount returns integers
        return np.bincount(group[positions], values, minlength=groups).astype(np.float64, copy=False)

    known_clicks = ~np.isnan(relevance.clicked)
    parts = {"outcomes": counted(known_clicks), "clicks": counted(known_clicks & (relevance.clicked > 0))[:, 1:]}
    ranked = known_clicks & relevance.ranked
    places = _places(relevance, ranked)
    lists = places.lists  # lists with a relevant item
    w = None if weight is None else weight[lists]
    is_some = np.zeros(len(relevance), np.bool_)
    is_some[lists] = True
    head = np.hstack([counted(ranked), counted(is_some)])
    for cutoff in dict.fromkeys(cutoffs):
        columns = [head]
        for values in places.at(cutoff):
            if w is None:
                first = total(lists, values)
                columns.append(np.column_stack([first, first, total(lists, values**2)]))
                continue
            weighed = w * values
            sums = (weighed, w * weighed, weighed**2)
            columns.append(np.column_stack([total(lists, list_sums) for list_sums in sums]))
        parts[f"{PREFIX}{cutoff}"] = np.hstack(columns)
    return parts


@dataclass(frozen=True, slots=True)
class _Places:
    """The relevant items of m lists.

    Attributes:
        lists: Positions of the m lists among all lists, (m,).
        row: For each relevant item in a list, by list and rank: its list (0 to m - 1), rank from 0, gain, and the
            number of relevant items up to it.
        rank: As ``row``.
        gain: As ``row``.
        rows_found: As ``row``.
        ideal_row: For each relevant item, including missed items, its position in the ideal order.
        ideal_rank: As ``ideal_row``.
        ideal_gain: As ``ideal_row``.
        relevant: Number of relevant items of each list, (m,).
    """

    lists: NDArray[np.intp]
    row: NDArray[np.intp]
    rank: I64
    gain: F64
    rows_found: I64
    ideal_row: NDArray[np.intp]
    ideal_rank: I64
    ideal_gain: F64
    relevant: F64

    def at(self, cutoff: int) -> list[F64]:
        """Return the metrics of :data:`OF_ALL` and :data:`OF_RELEVANT` at a cutoff: float64 (m,) each."""
        m = len(self.lists)

        def summed(row: NDArray[np.intp], values: F64 | None = None) -> F64:
            return np.bincount(row, values, minlength=m).astype(np.float64, copy=False)

        within, ideally = self.rank < cutoff, self.ideal_rank < cutoff
        row, rank, is_found = self.row[within], self.rank[within], self.rows_found[within]
        hits = summed(row)
        dcg = summed(row, self.gain[within] / np.log2(rank + 2.0))
        best = summed(self.ideal_row[ideally], self.ideal_gain[ideally] / np.log2(self.ideal_rank[ideally] + 2.0))
        first = is_found == 1
        return [
            (hits > 0).astype(np.float64),
            hits / cutoff,
            hits / self.relevant,
            dcg / best,
            summed(row[first], 1.0 / (rank[first] + 1.0)),
            summed(row, is_found / (rank + 1.0)) / np.minimum(self.relevant, cutoff),
        ]


def _places(relevance: Relevance, ranked: NDArray[np.bool_]) -> _Places:
    row, rank, gain = _relevant(relevance.offsets, relevance.gains, ranked)
    missed_rows, _, lost = _relevant(relevance.missed_offsets, relevance.missed, ranked)
    all_rows, all_gains = np.concatenate([row, missed_rows]), np.concatenate([gain, lost])
    lists, index, counts = np.unique(all_rows, return_inverse=True, return_counts=True)
    index = index.reshape(-1)
    order = np.lexsort((-all_gains, index))
    inside = index[: len(row)]
    return _Places(
        lists=lists,
        row=inside,
        rank=rank,
        gain=gain,
        rows_found=_ordinal(inside) + 1,
        ideal_row=index[order],
        ideal_rank=_ordinal(index[order]),
        ideal_gain=all_gains[order],
        relevant=counts.astype(np.float64),
    )


def _relevant(offsets: I64, gains: F64, ranked: NDArray[np.bool_]) -> tuple[NDArray[np.intp], I64, F64]:
    """Return list, rank within it (from 0) and gain of every relevant item, in order."""
    relevant = np.flatnonzero(gains > 0)
    row = np.searchsorted(offsets, relevant, side="right") - 1
    keep = ranked[row]
    relevant, row = relevant[keep], row[keep]
    return row, relevant - offsets[row], np.minimum(gains[relevant], GREATEST_GAIN)


def _ordinal(sorted_rows: NDArray[np.intp]) -> I64:
    """Return the position of each entry within its row, from 0; the rows are sorted.

    >>> _ordinal(np.array([0, 0, 2]))
    array([0, 1, 0])
    """
    starts = np.flatnonzero(np.diff(sorted_rows, prepend=-1))
    lengths = np.diff(starts, append=len(sorted_rows))
    return np.arange(len(sorted_rows)) - np.repeat(starts, lengths)


def _end_to_end(offsets: Sequence[I64]) -> I64:
    return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(offset) for offset in offsets]))]).astype(np.int64)


def _taken(offsets: I64, values: F64, rows: NDArray[np.intp]) -> tuple[I64, F64]:
    lengths = np.diff(offsets)[rows]
    now = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=now[1:])
    positions = np.arange(now[-1]) + np.repeat(offsets[rows] - now[:-1], lengths)
    return now, values[positions]
