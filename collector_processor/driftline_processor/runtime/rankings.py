"""All that was said of each ranking → one row: what was relevant in it (:mod:`driftline.clicked`).

A row of a ranking has as its number whether anything was clicked, ``relevance``: gain by rank, up to the last relevant
item (null where it is not known which items were), and ``missed``: the gains of relevant items that the list lacks.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.clicked import Said, read_actuals, relevance_in, worth_of
from driftline.relevance import Relevance
from driftline.tables import F64, I64
from numpy.typing import NDArray

from .carrying import flags_of
from .narrow import ROWS_APART, near
from .rows import actual_of, integers_of, items_of, labels_of, number_array, numbers_of
from .store import Connection, read

Mask = NDArray[np.bool_]


def says_something(rows: pa.Table) -> Mask:
    """Tell which outcomes of rankings can be used: bool (n,)."""
    gain, which, _ = read_actuals(actual_of(rows))
    return ~np.isnan(gain) | (which >= 0)


def one_row_each(connection: Connection, rows: pa.Table, rankings: Collection[int]) -> pa.Table:
    """Return matched rows with one for each list, of which all that was said must be among them.

    ``rows``: those of :class:`.matching.Matches`, usable ones. ``rankings``: the numbers of the series that rank. A
    list of which nothing is left that was said has a row that is retracted.
    """
    nothing = pa.nulls(len(rows), pa.list_(pa.float64()))
    rows = rows.append_column("relevance", nothing).append_column("missed", nothing)
    of_lists = np.isin(integers_of(rows, "series"), list(rankings))
    if not of_lists.any():
        return rows
    said = rows.filter(pa.array(of_lists))
    prediction = integers_of(said, "prediction")
    order = np.lexsort((integers_of(said, "outcome"), integers_of(said, "outcome_time"), prediction))
    said, prediction = said.take(pa.array(order)), prediction[order]
    predictions, row = np.unique(prediction, return_inverse=True)
    row = row.reshape(-1)
    retracted = flags_of(said, "retracted")
    gain, which, sets = read_actuals(actual_of(said))
    item, n = labels_of(said, "item"), len(predictions)
    assert item.codes is not None
    lists = items_of(_lists(connection, predictions))
    statements = Said(row, item, gain, retracted, which, sets)
    found = relevance_in(lists, statements, None if lists.left_out is None else lists.left_out.astype(np.int64))

    last = np.zeros(n, np.intp)
    last[row] = np.arange(len(row))  # of equal rows numpy keeps the last
    known = ~np.isnan(found.clicked)
    spoken = np.flatnonzero(~retracted)
    last_word = last.copy()
    last_word[row[spoken]] = spoken
    told = said.take(pa.array(np.where(known, last_word, last)))
    columns = {
        "actual": pa.nulls(len(told), pa.string()),
        "number": pa.array(found.clicked, mask=~known),
        "retracted": pa.array(~known),
        "value": number_array(worth_of(row, item.codes, numbers_of(said, "value"), retracted, n), n),
        "relevance": _gains(found),
        "missed": pa.ListArray.from_arrays(found.missed_offsets.astype(np.int32), pa.array(found.missed)),
    }
    for name, column in columns.items():
        told = told.set_column(told.column_names.index(name), name, column)
    return pa.concat_tables([rows.filter(pa.array(~of_lists)), told.cast(rows.schema)])


def relevance_of(rows: pa.Table) -> Relevance:
    """Read rows of ``joined`` back."""
    gains, offsets = _flat(rows, "relevance")
    missed, missed_offsets = _flat(rows, "missed")
    known = rows["relevance"].is_valid().to_numpy()
    return Relevance(numbers_of(rows, "number"), known, offsets, gains, missed_offsets, missed)


def of_lists(rows: pa.Table) -> dict[str, pa.Array]:
    """Return what was relevant in each list, from its ``items``, ``relevance`` and ``missed``.

    ``gains``: of each of its items; ``clicked``: those of its items that have any; ``missed_gains``: of relevant items
    that it lacks. All are null where nobody knows which items were relevant.
    """
    items, known = rows["items"].combine_chunks(), rows["relevance"].is_valid().to_numpy()
    lengths = np.nan_to_num(items.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    relevance, starts = _flat(rows, "relevance")
    row = np.repeat(np.arange(len(rows)), np.minimum(np.diff(starts), lengths))
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    gains = np.zeros(offsets[-1])
    gains[offsets[row] + rank] = relevance[starts[row] + rank]
    hit = gains > 0
    of_row = np.bincount(np.repeat(np.arange(len(rows)), lengths)[hit], minlength=len(rows))
    hits = np.concatenate([[0], np.cumsum(of_row)])
    unknown = pa.array(~known)
    return {
        "gains": pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(gains), mask=unknown),
        "clicked": pa.ListArray.from_arrays(
            pa.array(hits.astype(np.int32)), items.flatten().filter(pa.array(hit)), mask=unknown
        ),
        "missed_gains": pc.if_else(unknown, pa.scalar(None, pa.list_(pa.float64())), rows["missed"].combine_chunks()),
    }


def _lists(connection: Connection, predictions: I64) -> pa.Table:
    """What each prediction ranked, in this order."""
    wanted = pa.table({"seq": predictions})
    where, parameters = near("t.seq", predictions, ROWS_APART)
    query = "SELECT t.seq, t.items, t.left_out FROM predictions t SEMI JOIN wanted USING (seq)"
    found = read(connection, f"{query} WHERE {where} ORDER BY t.seq", *parameters, wanted=wanted)
    return found.take(pa.array(np.searchsorted(integers_of(found, "seq"), predictions)))


def _gains(found: Relevance) -> pa.Array:
    """Gains by rank without the zeros at the end; null where it is not known which items were relevant."""
    at = np.flatnonzero(found.gains != 0)
    row = np.searchsorted(found.offsets, at, side="right") - 1
    ends = found.offsets[:-1].copy()
    ends[row] = at + 1
    lengths = np.where(found.ranked, ends - found.offsets[:-1], 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) + np.repeat(found.offsets[:-1] - offsets[:-1], lengths)
    return pa.ListArray.from_arrays(
        pa.array(offsets.astype(np.int32)), pa.array(found.gains[places]), mask=pa.array(~found.ranked)
    )


def _flat(rows: pa.Table, name: str) -> tuple[F64, I64]:
    lists = rows.column(name).combine_chunks()
    lengths = np.nan_to_num(lists.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    values = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.float64)
    return values, np.concatenate([[0], np.cumsum(lengths)])
