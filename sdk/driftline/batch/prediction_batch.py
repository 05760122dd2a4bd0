"""n predictions as columns, with the ids of their rows: the content of one record.

Ids have the layout of the wire, concatenated texts, without a Python string per row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.capture.model_identity import Identity
from driftline.inputs.values import Columns
from driftline.semconv import attributes as a
from driftline.tables.classes import MOST_COUNTED_CLASSES
from driftline.tables.column_codec import Value, texts
from driftline.tables.ids import id_text
from driftline.tables.performance_columns import decide
from driftline.tables.ranked_items import join_items, part
from driftline.tables.table import F64, I32, I64, Column, Ids, Items, Text, concatenate, take_rows, used_categories

_MOST_REMEMBERED = 5000
"""Rows of a record; the suffixes of this many ids are cached per process: 0.3 MB."""

_suffixes: tuple[list[bytes], I32] | None = None


def numbered_ids(prefix: str, n: int) -> Text:
    """Return generated ids of a batch, ``<prefix>.0`` to ``<prefix>.<n-1>``: 15 µs for 1,000 rows.

    >>> numbered_ids("a", 2)
    Text(offsets=array([0, 3, 6], dtype=int32), data=b'a.0a.1')
    """
    parts, ends = _numbers(n)
    start = prefix.encode("utf-8", "replace")
    offsets = ends[: n + 1] + np.arange(0, (n + 1) * len(start), len(start) or 1, dtype=np.int32)[: n + 1]
    return Text(offsets, start.join(parts[: n + 1]))


def given_ids(values: Sequence[object], prefix: str) -> Text:
    """Return the given ids of n rows, and ``<prefix>.<i>`` for a row i without an id.

    >>> given_ids([17.0, None, " b "], "a").data
    b'17a.1b'
    """
    ids = [id_text(value) for value in values]
    return texts([text or f"{prefix}.{i}" for i, text in enumerate(ids)] if "" in ids else ids)


def join_ids(parts: Sequence[Text]) -> Text:
    """Concatenate the ids of several batches.

    >>> join_ids([numbered_ids("a", 1), numbered_ids("b", 2)]).offsets
    array([0, 3, 6, 9], dtype=int32)
    """
    starts = np.cumsum([0, *(len(part.data) for part in parts[:-1])]).tolist()
    offsets = [part.offsets[:-1] + np.int32(start) for part, start in zip(parts, starts, strict=True)]
    end = np.array([starts[-1] + len(parts[-1].data)], np.int32)
    return Text(np.concatenate([*offsets, end]), b"".join([part.data for part in parts]))


def cut_ids(text: Text, start: int, stop: int) -> Text:
    """Return rows ``start`` to ``stop``.

    >>> cut_ids(numbered_ids("a", 3), 1, 2)
    Text(offsets=array([0, 3], dtype=int32), data=b'a.1')
    """
    offsets = text.offsets[start : stop + 1]
    return Text(offsets - offsets[0], text.data[int(offsets[0]) : int(offsets[-1])])


def _numbers(n: int) -> tuple[list[bytes], I32]:
    """Return the suffixes ``""``, ``.0``, ``.1``, ..., and the end of each."""
    global _suffixes
    if _suffixes is not None and n <= _MOST_REMEMBERED:
        return _suffixes
    parts = [b"", *(b".%d" % i for i in range(max(n, _MOST_REMEMBERED)))]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int32)
    if n <= _MOST_REMEMBERED:
        _suffixes = parts, ends
    return parts, ends


Values = NDArray[Any] | Column


@dataclass(slots=True)
class PredictionBatch:
    """n predictions of one identity, as columns.

    Values that are the same for all rows of most blocks are not repeated n times, which was a third of the cost of a
    batch.

    Attributes:
        trace: V16 (n,), ``span``: V8 (n,), zero = not sampled; None if no row is sampled.
        errors: Error type of each row, missing if the call returned; None if all returned.
        call_rows: int32 (n,), at the first row of a call the number of its rows, 0 at the others; None if each row is a
            call.
        undated: Whether the time of each row could not be read, so that it is that of the call; None if all were read.
    """

    identity: Identity
    time: I64
    duration: F64
    ids: Text
    trace: Ids | None = None
    span: Ids | None = None
    errors: Column | None = None
    scores: F64 | None = None
    predicted: Column | None = None
    items: Items | None = None
    features: Columns = field(default_factory=dict)
    slices: Columns = field(default_factory=dict)
    undated: NDArray[np.bool_] | None = None
    call_rows: I32 | None = None

    def __len__(self) -> int:
        return len(self.time)

    def shape(self) -> tuple[Any, ...]:
        """Return the fields that two blocks must share to become one record."""
        scores = None if self.scores is None else self.scores.shape[1]
        result = (scores, self.predicted is None, self.items is None, *_widths(self.features))
        return (self.identity, tuple(self.features), tuple(self.slices), *result)

    def counts(self) -> Counter[tuple[str, str]]:
        """Count predictions by predicted class and error type; "" for none, "other" beyond the first 50 classes."""
        classes = (*self.identity.task.classes[:MOST_COUNTED_CLASSES], "other", "")
        decided = decide(self.identity.task, self.scores, self.predicted)
        if len(decided) == 0:
            decided = np.full(len(self), -1, np.int32)
        decided = np.minimum(decided, np.int32(len(classes) - 2))
        failed = np.zeros(len(self), np.int32)
        errors: tuple[str, ...] = ("",)
        if self.errors is not None and self.errors.codes is not None:
            failed, errors = self.errors.codes + np.int32(1), ("", *self.errors.categories)
        cells = np.bincount((decided + np.int32(1)) * np.int32(len(errors)) + failed)
        filled = np.flatnonzero(cells)
        return Counter(
            {
                (classes[cell // len(errors) - 1], errors[cell % len(errors)]): int(times)
                for cell, times in zip(filled.tolist(), cells[filled].tolist(), strict=True)
            }
        )

    def wire_columns(self) -> dict[str, Value]:
        """Return the columns of the record, with the names of docs/reference/wire.md."""
        columns: dict[str, Value] = {
            a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: self.time,
            a.ML_PREDICTION_ID: self.ids,
            a.DRIFTLINE_PREDICTION_DURATION: self.duration.astype(np.float32),
        }
        if self.items is not None:
            columns[a.DRIFTLINE_PREDICTION_ITEM_COUNT] = np.diff(self.items.offsets)
            columns[a.DRIFTLINE_PREDICTION_ITEMS] = self.items.ids
            if self.items.scores is not None:
                columns[a.DRIFTLINE_PREDICTION_ITEM_SCORES] = self.items.scores
        elif self.scores is not None:
            name, score = self._score()
            columns[name] = score
        if self.predicted is not None:
            columns[a.ML_PREDICTION_CLASS] = self.predicted
        if self.trace is not None and self.span is not None:
            columns["trace_id"] = self.trace
            columns["span_id"] = self.span
        if self.errors is not None and self.errors.codes is not None and self.errors.codes.max(initial=-1) >= 0:
            columns[a.ERROR_TYPE] = self.errors
        if self.identity.capture == "features":
            columns.update((f"{a.DRIFTLINE_FEATURE_VALUE}.{name}", values) for name, values in self.features.items())
        columns.update((f"{a.DRIFTLINE_SLICE_VALUE}.{name}", values) for name, values in self.slices.items())
        return columns

    def _score(self) -> tuple[str, F64]:
        task, scores = self.identity.task, self.scores
        if scores is None:
            raise TypeError("no scores")
        if task.ranks_items:  # rankings without items
            return a.ML_PREDICTION_SCORE, scores[:, 0]
        return self.identity.score_attribute, scores if task.has_several_scores else scores[:, 0]

    def part(self, start: int, stop: int) -> PredictionBatch:
        """Return rows ``start`` to ``stop``."""
        rows = slice(start, min(stop, len(self)))
        columns = {name: _cut(getattr(self, name), rows) for name in PredictionBatch.__slots__ if name != "identity"}
        return replace(self, **columns)


def merge_batches(blocks: Sequence[PredictionBatch]) -> PredictionBatch:
    """Concatenate the rows of blocks of one shape."""
    if len(blocks) == 1:
        return blocks[0]
    first = blocks[0]
    return PredictionBatch(
        identity=first.identity,
        time=np.concatenate([block.time for block in blocks]),
        duration=np.concatenate([block.duration for block in blocks]),
        ids=join_ids([block.ids for block in blocks]),
        trace=_sampled([block.trace for block in blocks], blocks, 16),
        span=_sampled([block.span for block in blocks], blocks, 8),
        errors=_errors(blocks),
        scores=None if first.scores is None else np.concatenate([b.scores for b in blocks if b.scores is not None]),
        predicted=None if first.predicted is None else _join([b.predicted for b in blocks if b.predicted is not None]),
        items=None if first.items is None else join_items([block.items for block in blocks if block.items is not None]),
        features={name: _join([block.features[name] for block in blocks]) for name in first.features},
        slices={name: _join([block.slices[name] for block in blocks]) for name in first.slices},
        undated=_undated(blocks),
        call_rows=_call_rows(blocks),
    )


def _widths(features: Columns) -> Iterator[tuple[str, int]]:
    """Yield the names and lengths of vectors."""
    for name, values in features.items():
        if isinstance(values, Column) and values.vectors is not None:
            yield name, values.vectors.shape[1]


def _sampled(ids: Sequence[Ids | None], blocks: Sequence[PredictionBatch], width: int) -> Ids | None:
    if all(ids_of_block is None for ids_of_block in ids):
        return None
    parts = [
        np.zeros(len(block), f"V{width}") if ids_of_block is None else ids_of_block
        for ids_of_block, block in zip(ids, blocks, strict=True)
    ]
    return np.concatenate(parts)


def _errors(blocks: Sequence[PredictionBatch]) -> Column | None:
    if all(block.errors is None for block in blocks):
        return None
    no_errors = [Column(codes=np.full(len(b), -1, np.int32)) if b.errors is None else b.errors for b in blocks]
    return concatenate(no_errors)


def _undated(blocks: Sequence[PredictionBatch]) -> NDArray[np.bool_] | None:
    if all(block.undated is None for block in blocks):
        return None
    return np.concatenate([np.zeros(len(b), np.bool_) if b.undated is None else b.undated for b in blocks])


def _call_rows(blocks: Sequence[PredictionBatch]) -> I32 | None:
    if all(block.call_rows is None for block in blocks):
        return None
    return np.concatenate([np.ones(len(b), np.int32) if b.call_rows is None else b.call_rows for b in blocks])


def _join(columns: Sequence[Values]) -> Any:
    arrays = [column for column in columns if not isinstance(column, Column)]
    if len(arrays) == len(columns):
        return np.concatenate(arrays)
    return concatenate([c if isinstance(c, Column) else Column(c.astype(np.float64)) for c in columns])


def _cut(values: Any, cut: slice) -> Any:
    """Return some rows of one field of a batch."""
    if values is None:
        return None
    if isinstance(values, dict):
        return {name: _cut(column, cut) for name, column in values.items()}
    if isinstance(values, Text):
        return cut_ids(values, cut.start, cut.stop)
    if isinstance(values, Items):
        return part(values, cut.start, cut.stop)
    return used_categories(take_rows(values, cut)) if isinstance(values, Column) else values[cut]
