"""What counts of all that was said of a prediction: the last word by outcome time, then by arrival.

A retraction is a word like any other: it takes back what earlier outcome times said, and a later one says it again. It
is remembered in ``retractions`` as long as it is the last, so what arrives after it and is older stays taken back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.tables import I64
from numpy.typing import NDArray

from .carrying import flags_of
from .matching import Matches
from .rows import among, integers_of, kept, taken
from .store import Connection, read

Mask = NDArray[np.bool_]

_TOLD, _RETRACTED, _KEPT = range(3)

_MEANT = (("actual", ""), ("number", 0.0), ("weight", 1.0), ("value", 0.0))
"""The columns by which an outcome says the same as another, and what stands for nothing."""


@dataclass(slots=True)
class Verdict:
    """What changes; at most one row of a prediction in each table.

    ``rows``: matched rows that count from now on: ``first`` where nothing counted before, ``corrected`` where something
    else did; the others say the same at another time. ``seq``: that of the row of ``joined`` which each replaces, 0
    where none. ``withdrawn``: rows of ``joined`` after which nothing counts. ``retracted``: matched retractions that
    have the last word. ``forgotten``: rows of ``retractions`` that no longer have it.
    """

    rows: pa.Table
    first: Mask
    corrected: Mask
    seq: I64
    withdrawn: pa.Table
    retracted: pa.Table
    forgotten: pa.Table

    def changed(self) -> tuple[I64, I64, I64]:
        """Return the predictions, series and times of what counted before and does not now."""
        rows = [kept(self.rows, self.corrected), self.withdrawn]
        prediction, series, time = (
            np.concatenate([integers_of(some, name) for some in rows]) for name in ("prediction", "series", "time")
        )
        return prediction, series, time

    def without(self, refused: I64) -> Verdict:
        """Return what is left when nothing may change for some predictions."""
        if not len(refused):
            return self

        def allowed(rows: pa.Table) -> Mask:
            return ~among(integers_of(rows, "prediction"), refused)

        kept = allowed(self.rows)
        return Verdict(
            self.rows.filter(pa.array(kept)),
            *(self.first[kept], self.corrected[kept], self.seq[kept]),
            *(rows.filter(pa.array(allowed(rows))) for rows in (self.withdrawn, self.retracted, self.forgotten)),
        )


def judge(connection: Connection, matches: Matches, usable: pa.Table) -> Verdict:
    """Say what counts now. ``usable``: the rows of ``matches.matched`` that are retractions or have a usable actual."""
    held = matches.held.sort_by("prediction")
    of_held, of_gone = integers_of(held, "prediction"), integers_of(matches.withdrawn, "prediction")
    words = [_words(usable, np.where(flags_of(usable, "retracted"), _RETRACTED, _TOLD))]
    for rows in (held, matches.withdrawn):  # unless all is matched anew, what counted until now has a word too
        some = kept(rows, ~among(integers_of(rows, "prediction"), matches.whole))
        words.append(_words(some, np.full(len(some), _KEPT)))
    prediction, time, outcome, kind, row = (np.concatenate(columns) for columns in zip(*words, strict=True))
    last = np.arange(len(prediction))
    if not _one_each(prediction):
        order = np.lexsort((kind, outcome, time, prediction))
        last = order[np.diff(prediction[order], append=-1) != 0]

    rows = taken(usable, row[last[kind[last] == _TOLD]])
    retracted = usable.take(pa.array(row[last[kind[last] == _RETRACTED]]))
    of_rows = integers_of(rows, "prediction")
    has = among(of_rows, of_held)
    before = held.take(pa.array(np.searchsorted(of_held, of_rows[has])))
    same, news, seq = np.zeros(len(rows), bool), np.ones(len(rows), bool), np.zeros(len(rows), np.int64)
    same[has] = say_the_same(connection, kept(rows, has), before)
    news[has] = ~same[has] | (integers_of(rows, "outcome_time")[has] != integers_of(before, "outcome_time"))
    seq[has] = integers_of(before, "seq")

    silent = among(of_held, matches.whole) & ~among(of_held, prediction)
    silent |= among(of_held, integers_of(retracted, "prediction"))
    outspoken = among(of_gone, matches.whole) | among(of_gone, prediction[last[kind[last] != _KEPT]])
    return Verdict(
        kept(rows, news),
        *((~has)[news], (has & ~same)[news], seq[news]),
        *(kept(held, silent), retracted, kept(matches.withdrawn, outspoken)),
    )


def first_heard(matches: Matches, usable: pa.Table) -> pa.Table:
    """Return the outcome that was the first to count, in the order of arrival, of each prediction that none was of.

    What had been taken back when it came never counted.
    """
    words = [_words(usable, np.where(flags_of(usable, "retracted"), _RETRACTED, _TOLD))]
    gone = matches.withdrawn
    words.append(_words(gone, np.full(len(gone), _RETRACTED)))
    prediction, time, outcome, kind, row = (np.concatenate(columns) for columns in zip(*words, strict=True))
    if _one_each(prediction):
        counted = np.flatnonzero(kind == _TOLD)
    else:
        n = len(prediction) + 1
        rank = np.empty(n - 1, np.int64)
        rank[np.lexsort((outcome, time))] = np.arange(1, n)
        order = np.lexsort((outcome, prediction))
        group = np.cumsum(np.diff(prediction[order], prepend=-1) != 0) * n
        taken_back = np.maximum.accumulate(group + np.where(kind[order] == _RETRACTED, rank[order], 0)) - group
        counted = order[(kind[order] == _TOLD) & (rank[order] > taken_back)]
        counted = counted[np.diff(prediction[counted], prepend=-1) != 0]
    fed = integers_of(gone, "prediction")[gone["fed"].to_numpy(zero_copy_only=False).astype(bool)]
    known = np.concatenate([integers_of(matches.held, "prediction"), fed])
    counted = counted[~among(prediction[counted], known)]
    counted = counted[~among(outcome[counted], integers_of(matches.held, "outcome"))]  # it was, of another prediction
    return taken(usable, row[counted])


def say_the_same(connection: Connection, rows: pa.Table, before: pa.Table) -> Mask:
    """Say which outcomes mean the same as others: matched rows or rows of ``joined``, as many of both."""
    same = np.ones(len(rows), dtype=bool)
    for name, nothing in _MEANT:
        equal = pc.equal(pc.fill_null(rows[name], nothing), pc.fill_null(before[name], nothing))
        same &= equal.to_numpy() & pc.equal(pc.is_null(rows[name]), pc.is_null(before[name])).to_numpy()
    for name in ("relevance", "missed"):  # of rankings
        if rows[name].null_count < len(rows) or before[name].null_count < len(rows):
            same &= _equal_lists(rows[name], before[name])
    if rows["slices"].null_count < len(rows) or before["slices"].null_count < len(rows):
        query = "SELECT a.slices IS NOT DISTINCT FROM b.slices AS same FROM ours a POSITIONAL JOIN theirs b"
        ours, theirs = rows.select(["slices"]), before.select(["slices"])
        same &= read(connection, query, ours=ours, theirs=theirs)["same"].to_numpy()
    return same


def _one_each(prediction: I64) -> bool:
    """Say whether there is one word of each, in order."""
    return bool((prediction[1:] > prediction[:-1]).all())


def _equal_lists(one: pa.ChunkedArray, other: pa.ChunkedArray) -> Mask:
    lengths = [pc.fill_null(pc.list_value_length(lists), -1).to_numpy() for lists in (one, other)]
    equal: Mask = lengths[0] == lengths[1]
    some = np.flatnonzero(equal & (lengths[0] > 0))
    values = [pc.list_flatten(lists.take(pa.array(some))).to_numpy() for lists in (one, other)]
    differs = np.repeat(some, lengths[0][some])[values[0] != values[1]]
    equal[differs] = False
    return equal


def _words(rows: pa.Table, kind: NDArray[np.int_]) -> tuple[NDArray[np.int64], ...]:
    said = (integers_of(rows, name) for name in ("prediction", "outcome_time", "outcome"))
    return (*said, kind.astype(np.int64), np.arange(len(rows)))
