"""Finds the predictions of outcomes: those of their ids from the store, then which of them each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from driftline.tables import I64
from numpy.typing import NDArray

from driftline_processor.core.belonging import COARSEST, EARLY, belongs_to, distinct

from .narrow import TIME_APART, Condition, stretches, within
from .rows import among, integers_of, numbers_of_ids
from .series import Series
from .sought import MOMENT, Sought, read_by_request
from .store import Connection
from .successors import succeeding

_OWN, _ANYWHERE = "own", "anywhere"

_BITS = 34
"""As many moments as there are between 1970 and 2262, times some."""


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs that belong together: ``outcome``, by sequence number, and ``place`` of its prediction, int64 (n,).

    ``candidates``: all predictions of the ids that were asked for, sorted by sequence number, with their ``time``
    (unix nanoseconds) and the place of their id in ``ids``, ``which``. ``expired``: outcomes that belong to none of
    them, but to one that has expired (:mod:`.successors`), int64, sorted.
    """

    outcome: I64
    place: I64
    candidates: I64
    time: I64
    which: I64
    ids: pa.Array
    expired: I64

    @property
    def prediction(self) -> I64:
        """The prediction of each pair, by sequence number."""
        return self.candidates[self.place]


def predictions_of(connection: Connection, all_series: Sequence[Series], asked: pa.Table, last: int) -> Found:
    """Find the predictions of outcomes among those up to the sequence number ``last``.

    ``asked``: the columns ``outcome``, ``model``, ``environment`` (null = any), ``id``, ``time`` and
    ``prediction_time`` of outcomes. Each may belong to one prediction of each version.
    """
    encoded = asked["id"].combine_chunks().dictionary_encode()
    which = encoded.indices.to_numpy().astype(np.int64)
    models, model = _codes(asked["model"])
    environments, environment = _codes(asked["environment"])
    some = [series for series in all_series if series.key.model in models]
    rows = _candidates(connection, some, asked, encoded.dictionary, which, last)
    prediction, time, of_id = (integers_of(rows, name) for name in ("prediction", "time", "which"))

    families = sorted({family for series in some for family in _families(series)})
    wanted = [(models[name], environments.get(where, -2) if kind == _OWN else -1) for kind, name, where, _ in families]
    groups, positions = [], []
    for kind in (_OWN,) * bool((environment >= 0).any()) + (_ANYWHERE,) * bool((environment < 0).any()):
        number = {series.number: families.index(_families(series)[kind == _ANYWHERE]) for series in some}
        family = np.array([number.get(place, 0) for place in range(max(number, default=0) + 1)])
        groups.append(of_id * len(families) + family[integers_of(rows, "series")])
        positions.append(np.arange(len(rows)))
    group, position = np.concatenate(groups), np.concatenate(positions)

    known = distinct(group)
    ends = np.searchsorted(known, np.arange(len(encoded.dictionary) + 1) * len(families))
    first, end = ends[which], ends[which + 1]
    row = np.repeat(np.arange(len(asked)), end - first)
    place = np.arange(len(row)) + np.repeat(first - np.cumsum(end - first) + end - first, end - first)
    whose = np.array(wanted, np.int64).reshape(-1, 2)[known[place] % max(1, len(families))]
    fits = (whose[:, 0] == model[row]) & (whose[:, 1] == environment[row])
    row, place = row[fits], place[fits]
    at, named = integers_of(asked, "time"), integers_of(asked, "prediction_time")
    found = belongs_to(group, time[position], known[place], at[row], named[row])
    has = found >= 0
    outcome, at, named, whose = integers_of(asked, "outcome")[row[has]], at[row[has]], named[row[has]], whose[fits][has]
    hit = position[found[has]]
    late = (named <= 0) & (time[hit] > at)  # the prediction is: an earlier one may have been there
    late[late] = succeeding(connection, prediction[hit[late]], whose[late, 1] < 0)
    expired = distinct(outcome[late])
    return Found(
        *(outcome[~late], hit[~late], prediction, time, of_id, encoded.dictionary),
        expired[~among(expired, outcome[~late])],
    )


def _families(series: Series) -> tuple[tuple[str, str, str, str], tuple[str, str, str, str]]:
    """Within what one prediction gets an outcome: a version in its environment; for one of any, in all of them."""
    key = series.key
    return (_OWN, key.model, key.environment, key.version), (_ANYWHERE, key.model, "", key.version)


def _codes(texts: pa.ChunkedArray) -> tuple[dict[str, int], NDArray[np.int64]]:
    """The number of each text, and those of all rows, -1 where null."""
    encoded = texts.combine_chunks().dictionary_encode()
    numbers = {text: number for number, text in enumerate(encoded.dictionary.to_pylist())}
    return numbers, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _candidates(
    connection: Connection, some: Sequence[Series], asked: pa.Table, ids: pa.Array, which: I64, last: int
) -> pa.Table:
    """All predictions that an outcome may belong to: columns prediction, series, time and which, by prediction."""
    numbers = ", ".join(str(series.number) for series in some) or "NULL"
    of_models = Condition(f"t.seq <= ? AND t.series IN ({numbers})", (last,))
    at, named = integers_of(asked, "time"), integers_of(asked, "prediction_time")
    open_ones = named <= 0
    found = []
    if open_ones.any():
        until = Condition("t.time <= ?", (int(at[open_ones].max()) + EARLY,))
        sought = distinct(which[open_ones])
        rows = Sought(connection, ids.take(pa.array(sought))).predictions(of_models.also(until))
        found.append(rows.set_column(3, "which", pa.array(sought[integers_of(rows, "which")])))
    if not open_ones.all():
        of, moment = _around(which[~open_ones], named[~open_ones])
        named_ones = pa.table({"which": of, "request": numbers_of_ids(ids)[of], "moment": moment})
        times = [(first - COARSEST, last + COARSEST) for first, last in stretches(named[~open_ones], TIME_APART)]
        found.append(read_by_request(connection, named_ones, ids, of_models.also(within("t.time", times))))
    rows = pa.concat_tables(found)
    prediction = integers_of(rows, "prediction")
    if (prediction[1:] > prediction[:-1]).all():
        return rows
    order = np.argsort(prediction, kind="stable")
    once = order[np.diff(prediction[order], prepend=-1) != 0]
    return rows.take(pa.array(once))


def _around(which: I64, named: I64) -> tuple[I64, I64]:
    """Return the places of ids, and the moments in which predictions may be that outcomes mean: each pair once.

    So of a machine that is scored every minute those near the time that is named are read, and not those of the month.
    """
    moments = np.concatenate([(named - COARSEST) // MOMENT, (named + COARSEST) // MOMENT])
    first = int(moments.min())
    pairs = distinct((np.concatenate([which, which]) << _BITS) + moments - first)
    return pairs >> _BITS, (pairs & ((1 << _BITS) - 1)) + first
