"""Numpy tables to Arrow tables and back: the shape in which rows enter and leave the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline import items
from driftline.classes import class_column
from driftline.decided import score_columns, value_column
from driftline.fold import actual_numbers
from driftline.repeats import U64
from driftline.tables import (
    CLASSLESS,
    F64,
    I32,
    I64,
    Column,
    Ids,
    Items,
    OutcomeTable,
    PredictionTable,
    Task,
    Text,
)
from numpy.typing import NDArray

from driftline_processor.core.belonging import place_in
from driftline_processor.core.mixing import U8, mixed_texts

MOST_RANKED = 100
"""Items of a ranking that are kept with its row, where no cutoff asks for more; the others are counted."""


def prediction_rows(
    table: PredictionTable,
    series: int,
    first: int,
    decided: Column | None,
    received: int,
    slices: Sequence[str] = (),
    fingerprints: U64 | None = None,
    ranked: int = MOST_RANKED,
    subject: Column | None = None,
) -> pa.Table:
    """Return the rows of the ``predictions`` table.

    ``first``: the sequence number of the first row. ``decided``: the decided class of each row, None for regression.
    ``slices``: the names of those that are kept. ``fingerprints``: of the features, 0 where one is missing; None where
    they are not known. ``ranked``: how many items of a ranking are kept. ``subject``: whom each row is about.
    """
    n = len(table)
    ranking = None if table.items is None else items.taken(table.items, np.arange(n), ranked)
    single = table.scores is not None and table.scores.shape[1] == 1
    return pa.table(
        {
            "seq": np.arange(first, first + n),
            "series": np.full(n, series, dtype=np.int32),
            "id": text_array(table.id),
            "request": numbers_of_ids(text_array(table.id)),
            "time": table.time,
            "score": number_array(table.scores[:, 0] if single and table.scores is not None else None, n),
            "scores": _lists(None if single else table.scores, n),
            "predicted": label_array(decided, n),
            "weight": number_array(table.weight, n),
            "items": _item_lists(ranking, n),
            "item_scores": _item_scores(ranking, n),
            "left_out": pa.nulls(n, pa.int32())
            if ranking is None or ranking.left_out is None
            else pa.array(ranking.left_out, mask=ranking.left_out == 0),
            "slices": slices_array({name: table.slices[name] for name in slices if name in table.slices}, n),
            "trace_id": _ids(table.trace_id, n),
            "span_id": _ids(table.span_id, n),
            "received": np.full(n, received),
            "observed": pa.nulls(n, pa.int64()) if table.observed is None else table.observed,
            "fingerprint": pa.nulls(n, pa.uint64())
            if fingerprints is None
            else pa.array(fingerprints, mask=fingerprints == 0),
            "subject": _canonical(subject, n),
        }
    )


def outcome_rows(table: OutcomeTable, first: int, received: int, subject: Column | None = None) -> pa.Table:
    """Return the rows of the ``outcomes`` table; an actual stays what it was sent as, text or number."""
    n = len(table)
    return pa.table(
        {
            "seq": np.arange(first, first + n),
            "model": pa.repeat(pa.scalar(table.model), n),
            "environment": pa.repeat(pa.scalar(table.environment, pa.string()), n),
            "id": text_array(table.id),
            "actual": label_array(table.actual, n),
            "number": number_array(table.actual.numbers, n),
            "time": table.time,
            "prediction_time": table.prediction_time,
            "weight": number_array(table.weight, n),
            "item": _given(table.item, n),
            "value": number_array(table.value, n),
            "retracted": pa.nulls(n, pa.bool_()) if table.retracted is None else pa.array(table.retracted),
            "slices": slices_array(table.slices, n),
            "subject": _canonical(subject, n),
            "received": np.full(n, received),
        }
    )


def text_array(text: Text) -> pa.StringArray:
    """Return texts as an Arrow array without a copy."""
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(text.offsets), pa.py_buffer(text.data))


def numbers_of_ids(ids: pa.Array | pa.ChunkedArray) -> U64:
    """Return a number of each id, the same for ever: uint64 (n,). It is found ten times as quickly as the text.

    Two ids may have one number, by chance one pair of 2^64.
    """
    return mixed_texts(*bytes_of(ids))


def bytes_of(ids: pa.Array | pa.ChunkedArray) -> tuple[U8, I64]:
    """Return the bytes of texts, none null, after each other, and where each begins, and the end: int64 (n + 1,)."""
    texts = ids.cast(pa.large_binary())
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if not len(texts):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = texts.buffers()
    begins = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8), begins


def _given(text: Text | None, n: int) -> pa.Array:
    """Texts, null where empty."""
    if text is None:
        return pa.nulls(n, pa.string())
    texts = text_array(text)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _canonical(column: Column | None, n: int) -> pa.Array:
    return label_array(None if column is None else class_column(column), n)


def label_array(column: Column | None, n: int) -> pa.Array:
    """Return the texts of a column, null where a row has none."""
    if column is None or column.codes is None:
        return pa.nulls(n, pa.string())
    return pa.array(column.labels, pa.string()).take(pa.array(column.codes, mask=column.codes < 0))


def number_array(numbers: F64 | None, n: int) -> pa.Array:
    """Return numbers, null where NaN."""
    return pa.nulls(n, pa.float64()) if numbers is None else pa.array(numbers, mask=np.isnan(numbers))


def numbers_of(rows: pa.Table, name: str) -> F64:
    """Read a column of doubles: NaN where null."""
    return np.asarray(rows.column(name).to_numpy(), dtype=np.float64)


def integers_of(rows: pa.Table, name: str) -> I64:
    """Read a column of whole numbers, none null."""
    return np.asarray(rows.column(name).to_numpy(), dtype=np.int64)


def kept(rows: pa.Table, which: NDArray[np.bool_]) -> pa.Table:
    """Return the rows for which it is true; the table itself where it is for all."""
    return rows if which.all() else rows.filter(pa.array(which))


def taken(rows: pa.Table, which: I64) -> pa.Table:
    """Return rows by their places; the table itself where these are all of them, in order."""
    n = len(rows)
    return rows if len(which) == n and (which == np.arange(n)).all() else rows.take(pa.array(which))


def places(known: I64, wanted: I64) -> I64:
    """Return the place of each number among others that are all different, which have it."""
    if len(known) == len(wanted) and (known == wanted).all():
        return np.arange(len(known))
    if (known[1:] > known[:-1]).all():
        return place_in(known, wanted)
    order = np.argsort(known)
    return np.asarray(order[place_in(known[order], wanted)])


def by_value(numbers: I64) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Return each different number, ascending, and where it stands."""
    if len(numbers) and (numbers == numbers[0]).all():
        yield int(numbers[0]), np.ones(len(numbers), np.bool_)
        return
    for number in np.unique(numbers).tolist():
        yield number, numbers == number


def among(values: I64, some: I64) -> NDArray[np.bool_]:
    """Say which values are among others: numpy's ``isin``, by searching, which is quicker for many of few."""
    if not len(some) or not len(values):
        return np.zeros(len(values), np.bool_)
    if len(some) == len(values) and (some == values).all():
        return np.ones(len(values), np.bool_)
    ordered = np.sort(some)
    return np.asarray(ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values)


def labels_of(rows: pa.Table, name: str) -> Column:
    """Read a column of texts as codes and labels: -1 where null."""
    codes, labels = _codes(rows.column(name))
    return Column(codes=codes, labels=labels)


def slice_of(rows: pa.Table, key: str) -> Column:
    """Read the values of one key of the column ``slices``."""
    codes, labels = _codes(pc.map_lookup(rows.column("slices"), pa.scalar(key), "first"))
    return Column(codes=codes, labels=labels)


def actual_of(rows: pa.Table) -> Column:
    """Read the columns ``actual`` and ``number`` back into the column that was sent."""
    codes, labels = _codes(rows.column("actual"))
    return Column(numbers=numbers_of(rows, "number"), codes=codes, labels=labels)


def scores_of(rows: pa.Table, classes: int) -> F64 | None:
    """Read ``score`` or, where there is none, ``scores``: float64 (n, 1) or (n, classes); NaN where a row has none."""
    score = numbers_of(rows, "score")
    if not np.isnan(score).all() or rows.column("scores").null_count == len(rows):
        return None if np.isnan(score).all() else score[:, np.newaxis]
    lists = rows.column("scores").combine_chunks()
    lengths = np.nan_to_num(lists.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    scores = np.full((len(rows), classes), np.nan)
    whole = lengths == classes
    values = np.asarray(lists.filter(pa.array(whole)).flatten().to_numpy(zero_copy_only=False), dtype=np.float64)
    scores[whole] = values.reshape(-1, classes)
    return scores


def traced(rows: pa.Table) -> pa.Table:
    """Return the rows whose trace was sampled."""
    return rows.filter(pc.and_(pc.is_valid(rows["trace_id"]), pc.is_valid(rows["span_id"])))


def said_of(task: Task, rows: pa.Table) -> tuple[F64 | None, Column | None]:
    """Read the scores and the decided classes of rows, as :func:`driftline.fold.fold_outcomes` takes them."""
    predicted = None if task.kind in CLASSLESS else labels_of(rows, "predicted")
    return scores_of(rows, score_columns(task)), predicted


def finite_actuals(actual: Column) -> F64:
    """Return actual values of a regression, NaN where unusable."""
    values = actual_numbers(actual)
    return np.where(np.isfinite(values), values, np.nan)


def _item_lists(ranking: Items | None, n: int) -> pa.Array:
    if ranking is None:
        return pa.nulls(n, pa.list_(pa.string()))
    return pa.ListArray.from_arrays(ranking.offsets, label_array(ranking.ids, int(ranking.offsets[-1])))


def _item_scores(ranking: Items | None, n: int) -> pa.Array:
    if ranking is None or ranking.scores is None:
        return pa.nulls(n, pa.list_(pa.float64()))
    return pa.ListArray.from_arrays(ranking.offsets, number_array(ranking.scores, len(ranking.scores)))


def items_of(rows: pa.Table) -> Items:
    """Read the column ``items`` back, without scores; a row without is an empty ranking."""
    lists = rows.column("items").combine_chunks()
    lengths = np.nan_to_num(lists.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    codes, labels = _codes(pa.chunked_array([lists.flatten()]))
    left_out = np.nan_to_num(rows.column("left_out").to_numpy()).astype(np.int32)
    return Items(offsets, Column(codes=codes, labels=labels), None, left_out if left_out.any() else None)


def _lists(scores: F64 | None, n: int) -> pa.Array:
    if scores is None:
        return pa.nulls(n, pa.list_(pa.float64()))
    k = scores.shape[1]
    return pa.ListArray.from_arrays(np.arange(0, n * k + 1, k, dtype=np.int32), scores.reshape(-1))


def slices_array(slices: Mapping[str, Column], n: int) -> pa.Array:
    """Return a map from name to canonical text for each row, of those it has; null where no row has any."""
    k = len(slices)
    if not k:
        return pa.nulls(n, pa.map_(pa.string(), pa.string()))
    texts = pa.chunked_array([label_array(class_column(column), n) for column in slices.values()]).combine_chunks()
    by_row = texts.take(pa.array(np.arange(n * k).reshape(k, n).T.reshape(-1)))
    names = pa.array(list(slices)).take(pa.array(np.tile(np.arange(k), n)))
    has = by_row.is_valid()
    ends = np.cumsum(has.to_numpy(zero_copy_only=False).reshape(n, k).sum(axis=1), dtype=np.int32)
    return pa.MapArray.from_arrays(np.concatenate([[0], ends]).astype(np.int32), names.filter(has), by_row.filter(has))


def _ids(ids: Ids | None, n: int) -> pa.Array:
    """All-zero ids are null. Arrow reads the bytes of the void array in place."""
    if ids is None:
        return pa.nulls(n, pa.binary())
    width = ids.dtype.itemsize
    sampled = np.ascontiguousarray(ids).view(np.uint8).reshape(n, width).any(axis=1)
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), n, [pa.array(sampled).buffers()[1], pa.py_buffer(np.ascontiguousarray(ids))]
    )
    return fixed.cast(pa.binary())


def _codes(column: pa.ChunkedArray) -> tuple[I32, tuple[str, ...]]:
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return codes, tuple(encoded.dictionary.to_pylist())


def score_in(task: Task, row: str) -> str:
    """Return the SQL that reads the one score of a row of ``joined`` or ``predictions``: of quantiles the middle.

    >>> score_in(Task("regression", quantiles=(0.1, 0.5, 0.9)), "j"), score_in(Task("binary"), "p")
    ('coalesce(j.score, j.scores[2])', 'p.score')
    """
    if not task.quantiles:
        return f"{row}.score"
    return f"coalesce({row}.score, {row}.scores[{value_column(task, score_columns(task)) + 1}])"
