"""Convert tables of rows between numpy and Arrow; filter and concatenate them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from driftline.baseline.sections.duplicate_rows import U64
from driftline.tables import ranked_items
from driftline.tables.classes import class_column
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import (
    F64,
    I32,
    I64,
    Column,
    Ids,
    Items,
    OutcomeTable,
    PredictionTable,
    Text,
    concatenate,
    take_rows,
)
from driftline.tables.task import Task
from numpy.typing import NDArray

from driftline_processor.core.arrow_arrays import category_array, number_array, text_array
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.outcomes.matching import positions_in
from driftline_processor.core.stable_hash import bytes_of as bytes_of
from driftline_processor.core.stable_hash import numbers_of_ids as numbers_of_ids

MOST_RANKED = 100
"""Items of a ranking that are stored per row if no cutoff needs more; the others are counted."""


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
    numbers: U64 | None = None,
) -> pa.Table:
    """Return the rows of the ``predictions`` table.

    ``first``: the sequence number of the first row. ``decided``: the decided class of each row, None for regression.
    ``slices``: the names of the stored slices. ``fingerprints``: of the features, 0 if one is missing; None if
    unknown. ``ranked``: stored items per ranking. ``subject``: the person or thing of each row. ``numbers``: hashes of
    the ids, if known.
    """
    n = len(table)
    ranking = None if table.items is None else ranked_items.take_items(table.items, np.arange(n), ranked)
    single = table.scores is not None and table.scores.shape[1] == 1
    return pa.table(
        {
            "seq": np.arange(first, first + n),
            "series": np.full(n, series, dtype=np.int32),
            "id": text_array(table.id),
            "request": numbers_of_ids(text_array(table.id)) if numbers is None else numbers,
            "time": table.time,
            "score": number_array(table.scores[:, 0] if single and table.scores is not None else None, n),
            "scores": _lists(None if single else table.scores, n),
            "predicted": category_array(decided, n),
            "weight": number_array(table.weight, n),
            "error": category_array(table.errors, n),
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
            "subject": canonical_texts(subject, n),
        }
    )


def outcome_rows(table: OutcomeTable, first: int, received: int, subject: Column | None = None) -> pa.Table:
    """Return the rows of the ``outcomes`` table; an actual value stays a text or a number as sent."""
    n = len(table)
    return pa.table(
        {
            "seq": np.arange(first, first + n),
            "model": pa.repeat(pa.scalar(table.model), n),
            "environment": pa.repeat(pa.scalar(table.environment, pa.string()), n),
            "id": text_array(table.id),
            "actual": category_array(table.actual, n),
            "number": number_array(table.actual.numbers, n),
            "time": table.time,
            "prediction_time": table.prediction_time,
            "weight": number_array(table.weight, n),
            "item": _nullable_texts(table.item, n),
            "value": number_array(table.value, n),
            "retracted": pa.nulls(n, pa.bool_()) if table.retracted is None else pa.array(table.retracted),
            "slices": slices_array(table.slices, n),
            "subject": canonical_texts(subject, n),
            "received": np.full(n, received),
        }
    )


def _nullable_texts(text: Text | None, n: int) -> pa.Array:
    """Return texts with null for empty ones."""
    if text is None:
        return pa.nulls(n, pa.string())
    texts = text_array(text)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def canonical_texts(column: Column | None, n: int) -> pa.Array:
    """Return the values of a column of n rows as texts, null where missing: 1, 1.0 and "1" are one text."""
    return category_array(None if column is None else class_column(column), n)


def numbers_of(rows: pa.Table, name: str) -> F64:
    """Read a column of doubles: NaN where null."""
    return np.asarray(rows.column(name).to_numpy(), dtype=np.float64)


def integers_of(rows: pa.Table, name: str) -> I64:
    """Read a column of whole numbers, none null."""
    return np.asarray(rows.column(name).to_numpy(), dtype=np.int64)


def filter_rows(rows: pa.Table, selected: NDArray[np.bool_]) -> pa.Table:
    """Return the rows where ``selected`` is true; the table itself if all are."""
    return rows if selected.all() else rows.filter(pa.array(selected))


def take_table_rows(rows: pa.Table, i64: I64) -> pa.Table:
    """Return rows by position; the table itself for all positions in order."""
    n = len(rows)
    return rows if len(i64) == n and (i64 == np.arange(n)).all() else rows.take(pa.array(i64))


def positions_among(numbers: I64, searched: I64) -> I64:
    """Return the position of each searched number among unique numbers that contain all of them."""
    if len(numbers) == len(searched) and (numbers == searched).all():
        return np.arange(len(numbers))
    if (numbers[1:] > numbers[:-1]).all():
        return positions_in(numbers, searched)
    order = np.argsort(numbers)
    return np.asarray(order[positions_in(numbers[order], searched)])


def group_by_value(numbers: I64) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield each distinct number, ascending, with the mask of its rows."""
    if len(numbers) and (numbers == numbers[0]).all():
        yield int(numbers[0]), np.ones(len(numbers), np.bool_)
        return
    for number in np.unique(numbers).tolist():
        yield number, numbers == number


def is_among(values: I64, i64: I64) -> NDArray[np.bool_]:
    """Return which values are in a set; by binary search, which is faster than ``numpy.isin`` for a small set."""
    if not len(i64) or not len(values):
        return np.zeros(len(values), np.bool_)
    if len(i64) == len(values) and (i64 == values).all():
        return np.ones(len(values), np.bool_)
    ordered = np.sort(i64)
    return np.asarray(ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values)


def text_column(rows: pa.Table, name: str) -> Column:
    """Read a column of texts as codes and categories: -1 for null."""
    codes, categories = _codes(rows.column(name))
    return Column(codes=codes, categories=categories)


def slice_of(rows: pa.Table, key: str) -> Column:
    """Read one key of the column ``slices``."""
    codes, categories = _codes(pc.map_lookup(rows.column("slices"), pa.scalar(key), "first"))
    return Column(codes=codes, categories=categories)


def actual_of(rows: pa.Table) -> Column:
    """Read the columns ``actual`` and ``number`` as the column that was sent."""
    codes, categories = _codes(rows.column("actual"))
    return Column(numbers=numbers_of(rows, "number"), codes=codes, categories=categories)


def scores_of(rows: pa.Table, classes: int) -> F64 | None:
    """Read ``score`` or else ``scores``: float64 (n, 1) or (n, classes); NaN for a row without."""
    score = numbers_of(rows, "score")
    if not np.isnan(score).all() or rows.column("scores").null_count == len(rows):
        return None if np.isnan(score).all() else score[:, np.newaxis]
    lists = rows.column("scores").combine_chunks()
    lengths = np.nan_to_num(lists.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    scores = np.full((len(rows), classes), np.nan)
    is_whole = lengths == classes
    values = np.asarray(lists.filter(pa.array(is_whole)).flatten().to_numpy(zero_copy_only=False), dtype=np.float64)
    scores[is_whole] = values.reshape(-1, classes)
    return scores


def traced_rows(rows: pa.Table) -> pa.Table:
    """Return the rows whose trace was sampled."""
    return rows.filter(pc.and_(pc.is_valid(rows["trace_id"]), pc.is_valid(rows["span_id"])))


def scores_and_classes_of(task: Task, rows: pa.Table) -> tuple[F64 | None, Column | None]:
    """Return scores and decided classes of rows for :func:`~driftline.panes.outcome_sums.fold_outcomes`."""
    predicted = None if not task.may_have_classes else text_column(rows, "predicted")
    return scores_of(rows, task.score_columns), predicted


def finite_actuals(actual: Column) -> F64:
    """Return the actual values of a regression, NaN for unusable ones."""
    values = actual_numbers(actual)
    return np.where(np.isfinite(values), values, np.nan)


def _item_lists(ranking: Items | None, n: int) -> pa.Array:
    if ranking is None:
        return pa.nulls(n, pa.list_(pa.string()))
    return pa.ListArray.from_arrays(ranking.offsets, category_array(ranking.ids, int(ranking.offsets[-1])))


def _item_scores(ranking: Items | None, n: int) -> pa.Array:
    if ranking is None or ranking.scores is None:
        return pa.nulls(n, pa.list_(pa.float64()))
    return pa.ListArray.from_arrays(ranking.offsets, number_array(ranking.scores, len(ranking.scores)))


def items_of(rows: pa.Table) -> Items:
    """Read the column ``items``, without scores; null is an empty ranking."""
    lists = rows.column("items").combine_chunks()
    lengths = np.nan_to_num(lists.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    codes, categories = _codes(pa.chunked_array([lists.flatten()]))
    left_out = np.nan_to_num(rows.column("left_out").to_numpy()).astype(np.int32)
    return Items(offsets, Column(codes=codes, categories=categories), None, left_out if left_out.any() else None)


def _lists(scores: F64 | None, n: int) -> pa.Array:
    if scores is None:
        return pa.nulls(n, pa.list_(pa.float64()))
    k = scores.shape[1]
    return pa.ListArray.from_arrays(np.arange(0, n * k + 1, k, dtype=np.int32), scores.reshape(-1))


_SLICE_CELLS = 1_000_000
"""Rows × slices that are converted at once: about 50 bytes each, while a row may have few of them."""


def slices_array(slices: Mapping[str, Column], n: int) -> pa.Array:
    """Return a map from slice name to canonical text per row; null if no row has a slice."""
    k = len(slices)
    if not k:
        return pa.nulls(n, pa.map_(pa.string(), pa.string()))
    if n > 1 and n * k > _SLICE_CELLS:
        some = max(1, _SLICE_CELLS // k)
        parts = [slice(first, min(first + some, n)) for first in range(0, n, some)]
        return pa.concat_arrays(
            [
                slices_array({name: take_rows(column, part) for name, column in slices.items()}, part.stop - part.start)
                for part in parts
            ]
        )
    texts = pa.chunked_array([category_array(class_column(column), n) for column in slices.values()]).combine_chunks()
    by_row = texts.take(pa.array(np.arange(n * k).reshape(k, n).T.reshape(-1)))
    names = pa.array(list(slices)).take(pa.array(np.tile(np.arange(k), n)))
    has = by_row.is_valid()
    ends = np.cumsum(has.to_numpy(zero_copy_only=False).reshape(n, k).sum(axis=1), dtype=np.int32)
    return pa.MapArray.from_arrays(np.concatenate([[0], ends]).astype(np.int32), names.filter(has), by_row.filter(has))


def _ids(ids: Ids | None, n: int) -> pa.Array:
    """Return ids with null for all zeros; Arrow reads the void array in place."""
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
    """Return the SQL of the single score of a row of ``joined`` or ``predictions``; for quantiles the middle one.

    >>> score_in(Task("regression", quantiles=(0.1, 0.5, 0.9)), "j"), score_in(Task("binary"), "p")
    ('coalesce(j.score, j.scores[2])', 'p.score')
    """
    if not task.quantiles:
        return f"{row}.score"
    return f"coalesce({row}.score, {row}.scores[{task.value_column(task.score_columns) + 1}])"


Rows = NDArray[np.intp]
_Table = TypeVar("_Table", PredictionTable, OutcomeTable)


def take_table(table: _Table, rows: Rows) -> _Table:
    """Return the rows with these positions, in this order."""
    return replace(table, **{field.name: _take(getattr(table, field.name), rows) for field in fields(table)})


def _take(values: object, rows: Rows) -> Any:
    """Return rows of one field of a table; a value of all rows stays as it is."""
    if isinstance(values, np.ndarray):
        return values[rows]
    if isinstance(values, Column):
        return take_rows(values, rows)
    if isinstance(values, Text):
        return take_text(values, rows)
    if isinstance(values, Items):
        return ranked_items.take_items(values, rows)
    return {name: take_rows(column, rows) for name, column in values.items()} if isinstance(values, dict) else values


def subjects_of(table: PredictionTable | OutcomeTable, subject: str | None) -> Column | None:
    """Return the subjects of the rows of a table, None if it has none.

    ``subject``: the feature or slice with the subject of a row, None if not configured.
    """
    if subject is None:
        return None
    return table.slices.get(subject, table.features.get(subject) if isinstance(table, PredictionTable) else None)


def split_subject(table: _Table, subject: str | None) -> tuple[_Table, Column | None]:
    """Return a table without its subject among the features, and the subjects of its rows, None if it has none.

    ``subject``: the feature or slice with the subject of a row, None if not configured. Predictions keep it as a
    slice, by which rows may be clustered; only its own column is stored.
    """
    subjects = subjects_of(table, subject)
    if subject is None:
        return table, None
    if isinstance(table, OutcomeTable):
        return replace(table, slices={n: c for n, c in table.slices.items() if n != subject}), subjects
    if subjects is None:
        return table, None
    features = {name: column for name, column in table.features.items() if name != subject}
    return replace(table, features=features, slices={**table.slices, subject: subjects}), subjects


def take_text(text: Text, rows: Rows) -> Text:
    """Return the texts at these positions."""
    taken_text = text_array(text).take(pa.array(rows))
    _, offsets, data = taken_text.buffers()
    text_offsets = np.frombuffer(offsets, dtype=np.int32)[taken_text.offset : taken_text.offset + len(taken_text) + 1]
    return Text(
        text_offsets - text_offsets[0], b"" if data is None else data.to_pybytes()[text_offsets[0] : text_offsets[-1]]
    )


def concatenate_predictions(tables: Sequence[PredictionTable]) -> PredictionTable:
    """Concatenate tables of one layout (:func:`table_layout`); a feature that one table lacks is missing there."""
    first = tables[0]
    if len(tables) == 1:
        return first
    columns = {field.name: [getattr(table, field.name) for table in tables] for field in fields(first)}
    lengths = [len(table) for table in tables]
    return replace(first, **{name: _concatenate(values, lengths) for name, values in columns.items()})


def _concatenate(values: list[Any], lengths: Sequence[int]) -> Any:
    """Return all rows of one field of tables of one layout; a value of all rows stays as it is."""
    first = values[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(values)
    if isinstance(first, Column):
        return concatenate(values)
    if isinstance(first, Text):
        return _concatenate_texts(values)
    if isinstance(first, Items):
        return ranked_items.join_items(values)
    return _concatenate_columns(list(zip(lengths, values, strict=True))) if isinstance(first, dict) else first


def table_layout(table: PredictionTable) -> Hashable:
    """Return the layout that concatenated tables must share: key, task, keyed, arrays, and whether they have features.

    The features of a table without features are not missing; they arrive as distributions.
    """
    width = None if table.scores is None else table.scores.shape[1]
    absent = (getattr(table, field.name) is None for field in fields(table))
    return (table.key, table.task, table.keyed, width, bool(table.features), *absent)


def _concatenate_texts(texts: Sequence[Text]) -> Text:
    shifts = np.cumsum([0, *(int(text.offsets[-1]) for text in texts)])
    offsets = [text.offsets[1:] + shift for text, shift in zip(texts, shifts[:-1].tolist(), strict=True)]
    joined_offsets = np.concatenate([[0], *offsets]).astype(np.int32)
    return Text(joined_offsets, b"".join(text.data[: int(text.offsets[-1])] for text in texts))


def _concatenate_columns(parts: Sequence[tuple[int, Mapping[str, Column]]]) -> dict[str, Column]:
    names = dict.fromkeys(name for _, columns in parts for name in columns)
    return {name: concatenate([_filled(columns.get(name), n) for n, columns in parts]) for name in names}


def _filled(column: Column | None, n: int) -> Column:
    if column is None or (column.numbers is None and column.codes is None):
        return Column(numbers=np.full(n, np.nan))
    return column
