"""What a later outcome leaves out, it has from the one before it (:mod:`driftline.carried`)."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.carried import carried
from numpy.typing import NDArray

from .rows import among, integers_of, kept, labels_of, numbers_of, slices_array
from .store import Connection, read

Mask = NDArray[np.bool_]


def with_what_stays(connection: Connection, rows: pa.Table, rankings: Collection[int]) -> pa.Table:
    """Return matched rows with the weight, the value and the slices that count when they do.

    ``rows``: those of :class:`.matching.Matches`, usable ones. ``rankings``: the numbers of the series that rank, whose
    values are of items, and are told by :mod:`.rankings`.
    """
    prediction = integers_of(rows, "prediction")
    if (prediction[1:] > prediction[:-1]).all():
        return rows
    order = np.lexsort((integers_of(rows, "outcome"), integers_of(rows, "outcome_time"), prediction))
    ordered = prediction[order]
    again = np.diff(ordered, prepend=-1) == 0
    if not again.any():
        return rows
    several = among(prediction, ordered[again])
    order = order[several[order]]
    words, group = rows.take(pa.array(order)), prediction[order]
    back = flags_of(words, "retracted")
    ranking = among(integers_of(words, "series"), np.array(sorted(rankings), np.int64))
    whole = back & ~(ranking & _valid(words, "item"))  # one of an item takes back what was said of that alone

    def place(said: Mask) -> NDArray[np.intp]:
        return carried(group, whole, said & ~back)

    own = np.arange(len(words))
    weight = place(flags_of(words, "weighted"))
    value = np.where(ranking, own, place(_valid(words, "value")))
    columns = {
        # of one prediction, so what it weighs by itself is the same
        "weight": pa.array(numbers_of(words, "weight")[np.where(weight < 0, own, weight)]),
        "weighted": pa.array(weight >= 0),
        "value": words["value"].take(pa.array(value, mask=value < 0)),
        "slices": _slices(connection, words, place),
    }
    for name, column in columns.items():
        words = words.set_column(words.column_names.index(name), name, column)
    return pa.concat_tables([kept(rows, ~several), words.cast(rows.schema)])


def _slices(
    connection: Connection, words: pa.Table, place: Callable[[Mask], NDArray[np.intp]]
) -> pa.Array | pa.ChunkedArray:
    """The slices of each word: those of its prediction, and of each key what was told last."""
    told = words["told"].combine_chunks()
    keys = sorted(pc.unique(told.keys.drop_null()).to_pylist()) if len(told.keys) else []
    if not keys:
        return words["slices"]
    columns = {}
    for key in keys:
        texts = pc.map_lookup(told, pa.scalar(key), "first")
        of = place(texts.is_valid().to_numpy(zero_copy_only=False))
        columns[key] = labels_of(pa.table({key: texts.take(pa.array(of, mask=of < 0))}), key)
    both = words.select(["slices"]).append_column("told", slices_array(columns, len(words)))
    return read(connection, "SELECT map_concat(slices, told) AS slices FROM words", words=both)["slices"]


def flags_of(rows: pa.Table, name: str) -> Mask:
    """Read a column of booleans, none null."""
    return np.asarray(rows[name].to_numpy(zero_copy_only=False), dtype=bool)


def _valid(rows: pa.Table, name: str) -> Mask:
    return np.asarray(rows[name].is_valid().to_numpy(), dtype=bool)
