"""Find the rows because of which a step between the log and the store fails, so that all others are stored.

A step counts the rows that are known to be faulty with their reason. This is for unknown faults: an acknowledged row of
one sender must not be lost because of a row of another one.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from driftline_processor.core.decode.written_panes import RefusedPane, take_panes
from driftline_processor.receipts import Receipt
from driftline_processor.store.arrow_tables import take_table

from .transaction import Request

Mask = NDArray[np.bool_]

NOT_STORED = "not_stored"
"""The reason under which rows are counted that cannot be stored."""

MOST_ATTEMPTS, MOST_SECONDS = 256, 20.0
"""Limits of one search. A single faulty row among a million needs 40 attempts, which cost as much as four of all rows.
"""

_LISTS = ("baselines", "pushed", "points", "training_runs", "business")


def find_faulty(n: int, works: Callable[[Mask], bool], monotonic: Callable[[], float] = time.monotonic) -> Mask:
    """Return the items because of which a step fails that fails for all of them: bool (n,).

    Args:
        n: Number of items.
        works: Returns whether the step succeeds for some of the items: bool (n,).
        monotonic: Monotonic seconds.

    >>> find_faulty(5, lambda kept: not kept[3]).tolist()
    [False, False, False, True, False]
    """
    search = _Search(works, monotonic() + MOST_SECONDS, monotonic)
    faulty = search.alone(n)
    return faulty if search.works(~faulty) else search.together(~faulty)


class _Search:
    """One search of faulty items, within the limits."""

    def __init__(self, works: Callable[[Mask], bool], end: float, monotonic: Callable[[], float]) -> None:
        self.works, self._end, self._monotonic, self._attempts = works, end, monotonic, 0

    def alone(self, n: int) -> Mask:
        """Return the items that fail alone: items that fail are halved until single items remain.

        The largest group is always next, so that few healthy neighbours are lost if a limit is reached before.
        """
        faulty, failing = np.zeros(n, np.bool_), deque([(0, n)])
        while failing:
            first, last = failing.popleft()
            if self._ends_at(first, last):
                faulty[first:last] = True
                continue
            for begin, end in _halves(first, last):
                some = np.zeros(n, np.bool_)
                some[begin:end] = True
                if not self._try(some):
                    failing.append((begin, end))
        return faulty

    def together(self, candidates: Mask) -> Mask:
        """Return the items that fail, although none does alone: each group is added to those before, or halved."""
        kept, groups = np.zeros(len(candidates), np.bool_), [(0, len(candidates))]
        while groups:
            first, last = groups.pop()
            more = kept.copy()
            more[first:last] = candidates[first:last]
            if self._try(more):
                kept = more
            elif not self._ends_at(first, last):
                groups += reversed(_halves(first, last))
        return ~kept

    def _try(self, some: Mask) -> bool:
        self._attempts += 1
        return self.works(some)

    def _ends_at(self, first: int, last: int) -> bool:
        return last - first <= 1 or self._attempts >= MOST_ATTEMPTS or self._monotonic() > self._end


def _halves(first: int, last: int) -> tuple[tuple[int, int], tuple[int, int]]:
    middle = (first + last) // 2
    return (first, middle), (middle, last)


def row_count(requests: Sequence[Request]) -> int:
    """Return the number of rows of requests."""
    return sum(request.rows for request in requests)


def select_rows(requests: Sequence[Request], kept: Mask) -> list[Request]:
    """Return requests with some of their rows; a request without any keeps its digest, so that it is not read again.

    ``kept``: bool (n,), for the rows of all requests in their order, see :attr:`Request.rows`.
    """
    ends = np.cumsum([request.rows for request in requests]).tolist()
    return [_select(request, kept[end - request.rows : end]) for request, end in zip(requests, ends, strict=True)]


def without_rows(requests: Sequence[Request], faulty: Mask) -> list[Request]:
    """Return requests without their faulty rows, which are counted; ``faulty``: bool (n,), see :func:`select_rows`."""
    return [
        structs.replace(kept, rejected=whole.rejected + Counter({NOT_STORED: whole.rows - kept.rows}))
        for kept, whole in zip(select_rows(requests, ~faulty), requests, strict=True)
    ]


def with_refused_panes(receipt: Receipt, whole: Request, kept: Request) -> Receipt:
    """Return a receipt with the panes of a request that were left out, for its sender."""
    if receipt.panes is not None and whole.panes is not None and kept.panes is not None:
        left_out = {pane.index for pane in whole.panes.panes} - {pane.index for pane in kept.panes.panes}
        reason = "the pane could not be stored; see the log of driftline"
        receipt.panes.refused = [*receipt.panes.refused, *(RefusedPane(index, reason) for index in sorted(left_out))]
    return receipt


def _select(request: Request, kept: Mask) -> Request:
    if kept.all():
        return request
    position = 0

    def next_rows(n: int) -> Mask:
        nonlocal position
        position += n
        return kept[position - n : position]

    fields: dict[str, Any] = {
        name: [take_table(table, np.flatnonzero(next_rows(len(table)))) for table in getattr(request, name)]
        for name in ("predictions", "outcomes")
    }
    for name in _LISTS:
        items = getattr(request, name)
        fields[name] = list(compress(items, next_rows(len(items))))
    if request.panes is not None:
        fields["panes"] = take_panes(request.panes, next_rows(len(request.panes.panes)))
    return structs.replace(request, **fields)
