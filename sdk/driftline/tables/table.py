"""Columns of predictions and outcomes: the output of every decoder, and the input of a fold.

A table contains rows of *one* model, version and environment. Every field is one array over all rows. A field is
``None`` if no sender provided it; a missing value of one row is ``NaN`` (numbers), ``-1`` (codes), the empty text or
the all-zero id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .task import Task

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
Ids = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class ModelKey:
    """The model, version and environment of a row.

    Outcomes join on environment, model and prediction id; never on version.
    """

    model: str
    version: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """n texts in Arrow's layout: text i is ``data[offsets[i]:offsets[i + 1]]``, UTF-8.

    Attributes:
        offsets: int32 (n + 1,), starts at 0.
        data: Bytes.
    """

    offsets: I32
    data: bytes

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class Column:
    """n values of one feature or slice, each a number, a text or missing.

    Attributes:
        numbers: float64 (n,), NaN if the value is not a number; None if no value is.
        codes: int32 (n,), index into ``categories``, -1 if the value is not a text; None if no value is. A value that
            is neither is missing. Booleans are the numbers 0 and 1. Infinities are kept and counted as invalid.
        vectors: float32 (n, k), for a feature that is an embedding, NaN if missing; ``numbers`` are its L2 norms.
    """

    numbers: F64 | None = None
    codes: I32 | None = None
    categories: tuple[str, ...] = ()
    vectors: NDArray[np.float32] | None = None


def length(column: Column) -> int:
    """Return the number of rows of a column; 0 for a column without numbers and codes."""
    values = column.codes if column.numbers is None else column.numbers
    return 0 if values is None else len(values)


def numbers_of(column: Column) -> F64:
    """Return a column's numbers, NaN if a value is not a number: float64 (n,)."""
    return np.full(length(column), np.nan) if column.numbers is None else column.numbers


def is_present(column: Column) -> NDArray[np.bool_]:
    """Return True for values that are not missing: bool (n,).

    >>> numbers, codes = np.array([1.0, np.nan, np.nan]), np.array([-1, 0, -1], np.int32)
    >>> is_present(Column(numbers=numbers, codes=codes, categories=("a",)))
    array([ True,  True, False])
    """
    present = np.zeros(length(column), np.bool_)
    if column.numbers is not None:
        present |= ~np.isnan(column.numbers)
    if column.codes is not None:
        present |= column.codes >= 0
    return present


def without_errors(n: int) -> Column:
    """Return the error types of n successful calls.

    >>> without_errors(2).codes
    array([-1, -1], dtype=int32)
    """
    return Column(codes=np.full(n, -1, np.int32))


@dataclass(frozen=True, slots=True)
class Items:
    """The items of n rankings, best first: those of row i are entries ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes:
        offsets: int32 (n + 1,), starts at 0.
        ids: Codes and categories of the m item ids.
        scores: float64 (m,), NaN if an item has no score; None if no item has one.
        left_out: int32 (n,), number of further items of each ranking that are not included; None = none.
    """

    offsets: I32
    ids: Column
    scores: F64 | None = None
    left_out: I32 | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(slots=True)
class PredictionTable:
    """n predictions of one model.

    Attributes:
        time: int64 (n,), unix nanoseconds.
        id: n texts, empty if the sender gave none.
        scores: float64 (n, k): binary (n, 1) = score of the positive class; multiclass (n, k) in the order of
            ``task.classes``; regression (n, 1) = the value; ranking (n, 1) = the score of the first item.
        predicted: Predicted class as text codes (binary, multiclass); None = derived from the scores.
        items: Ranked items.
        duration: float64 (n,), seconds.
        errors: Error type of rows whose call failed, missing if it returned; None = not sent.
        weight: float64 (n,), number of predictions that the row represents; None = 1 each.
        trace_id: V16 / V8 (n,), all zero = not sampled.
        span_id: V16 / V8 (n,), all zero = not sampled.
        keyed: True if duplicate rows are recognised by time and id (plain spans and records); columnar rows are
            recognised by their batch id instead.
        observed: int64 (n,), unix nanoseconds at which the record of the row was written, independent of its event
            time; None if the rows were not in a record.
        undated: Number of rows whose time the sender could not read, so that it is that of the call.
        incomplete: Number of rows of which the sender dropped attributes, at the limit of its OpenTelemetry SDK.
    """

    key: ModelKey
    task: Task
    time: I64
    id: Text
    scores: F64 | None = None
    predicted: Column | None = None
    items: Items | None = None
    duration: F64 | None = None
    errors: Column | None = None
    weight: F64 | None = None
    trace_id: Ids | None = None
    span_id: Ids | None = None
    features: dict[str, Column] = field(default_factory=dict)
    slices: dict[str, Column] = field(default_factory=dict)
    keyed: bool = True
    observed: I64 | None = None
    undated: int = 0
    incomplete: int = 0

    def __len__(self) -> int:
        return len(self.time)


@dataclass(slots=True)
class OutcomeTable:
    """n outcomes of one model in one environment (None = any environment that has the id).

    Attributes:
        id: n texts.
        actual: Classes as text codes, or numbers, as they were sent.
        time: int64 (n,), unix nanoseconds at which the outcome was known.
        prediction_time: int64 (n,), 0 if not given.
        weight: float64 (n,), NaN if not given.
        item: n texts, the item of a ranking that each outcome describes, empty = the whole prediction.
        value: float64 (n,), worth of the prediction, NaN if not given.
        retracted: bool (n,), retracts earlier outcomes; its actual may be missing. None for any of the three = not
            given.
        slices: Slices that were sent with the outcome, such as attributes that predictions may not contain.
    """

    model: str
    environment: str | None
    id: Text
    actual: Column
    time: I64
    prediction_time: I64
    weight: F64
    item: Text | None = None
    value: F64 | None = None
    retracted: NDArray[np.bool_] | None = None
    slices: dict[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.time)


def concatenate(columns: Sequence[Column]) -> Column:
    """Concatenate the rows of several columns.

    >>> parts = [Column(numbers=np.array([1.0])), Column(codes=np.array([0], np.int32), categories=("a",))]
    >>> concatenate(parts).codes
    array([-1,  0], dtype=int32)
    """
    if len(columns) == 1:
        return columns[0]
    vectors = [column.vectors for column in columns if column.vectors is not None]
    if len(vectors) == len(columns) and len({rows.shape[1] for rows in vectors}) == 1:
        norms = np.concatenate([column.numbers for column in columns if column.numbers is not None])
        return Column(norms, vectors=np.concatenate(vectors))
    index: dict[str, int] = {}
    numbers, codes = [], []
    for column in columns:
        n = length(column)
        numbers.append(np.full(n, np.nan) if column.numbers is None else column.numbers)
        lookup = np.array(
            [*(index.setdefault(category, len(index)) for category in column.categories), -1], dtype=np.int32
        )
        codes.append(np.full(n, -1, dtype=np.int32) if column.codes is None else lookup[column.codes])
    return Column(
        np.concatenate(numbers) if any(column.numbers is not None for column in columns) else None,
        np.concatenate(codes) if any(column.codes is not None for column in columns) else None,
        tuple(index),
    )


def take_rows(column: Column, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Column:
    """Return some rows of a column: positions, a mask or a slice. Its categories do not change.

    >>> take_rows(Column(numbers=np.array([1.0, 2.0])), np.array([1])).numbers
    array([2.])
    """
    return Column(
        None if column.numbers is None else column.numbers[rows],
        None if column.codes is None else column.codes[rows],
        column.categories,
        None if column.vectors is None else column.vectors[rows],
    )


def used_categories(column: Column) -> Column:
    """Return a column without unused categories, so that some rows do not keep the texts of all rows in memory.

    >>> used_categories(Column(codes=np.array([2, -1], np.int32), categories=("a", "b", "c"))).categories
    ('c',)
    """
    if column.codes is None:
        return column
    used = np.unique(column.codes[column.codes >= 0])
    if len(used) == len(column.categories):
        return column
    place = np.full(len(column.categories) + 1, -1, np.int32)  # code -1 reads the last entry
    place[used] = np.arange(len(used))
    categories = tuple(column.categories[code] for code in used.tolist())
    return Column(column.numbers, place[column.codes], categories, column.vectors)
