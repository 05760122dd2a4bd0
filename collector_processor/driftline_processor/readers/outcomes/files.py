"""Read a file of outcomes for an evaluation, by the rules of ``POST /v1/outcomes``."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.outputs.rankings import ITEM_NAMES
from driftline.tables.table import F64, I64, Column, take_rows
from driftline.tables.task import Task
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.arrow_arrays import category_array
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.nearest_names import near
from driftline_processor.core.outcomes.resolution import impossible_actuals, possible_actuals_text
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.stable_hash import U64, numbers_of_ids
from driftline_processor.present.numbers import many
from driftline_processor.readers.arrow_columns import (
    column,
    ids,
    is_number,
    is_text,
    numbers,
    one_array,
    valid_of,
    values_of,
    whole_column,
)
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.memory import Rows
from driftline_processor.readers.number_format import PLAIN_NUMBERS, NumberFormat, first_value
from driftline_processor.readers.row_store import GatheredColumn, RowStore, increases, is_many, numbered_batches
from driftline_processor.readers.source import Source, readable
from driftline_processor.readers.sources import open_source
from driftline_processor.readers.times import written_digits

from .column_reader import Rejections, misfit_reason, plain_table, read_columns
from .fields import FIELDS, IDS, SLICE
from .outcome_rows import OutcomeRows

_OF_THE_EVALUATION = ("model", "environment")
"""Ignored fields, because a file belongs to the evaluated model."""

_TIMES = ("time", "prediction_time")

_ONE_MODEL = "-"

_KEY = 1 + secrets.randbelow(2**64 - 1)
"""Random key of the id hashes, per process, so that collisions cannot be forged."""


class FileOutcomes(Struct, frozen=True):
    """n usable outcomes, oldest first; those without a time come first, equal times in the order of the file.

    Attributes:
        source: The file.
        line: int64 (n,), the row of each outcome in the file.
        number: uint64 (n,), of the id of each outcome, see :func:`numbers_of_row_ids`.
        actual: The actual values.
        retracted: bool (n,), True for a retraction.
        time: Time of the outcome, int64 (n,), unix nanoseconds, 0 = none; None without such a column.
        prediction_time: Time of the prediction, like ``time``.
        weight: float64 (n,), NaN = none, None without such a column.
        value: float64 (n,), NaN = none, None without such a column.
        slices: Slices of the outcomes.
        item: For rankings, the item of an outcome.
        impossible: The outcomes that were left out because of their actual; None if they are at most half of the file.
    """

    source: Source
    line: I64
    number: U64
    actual: Column
    retracted: NDArray[np.bool_]
    time: I64 | None = None
    prediction_time: I64 | None = None
    weight: F64 | None = None
    value: F64 | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    item: Column | None = None
    impossible: UnknownOutcomes | None = None

    @property
    def path(self) -> str:
        """Path of the file."""
        return self.source.path

    def take(self, places: NDArray[np.intp], store: RowStore) -> FileOutcomes:
        """Return some of the outcomes."""

        def some(values: Any) -> Any:
            return None if values is None else store.take(values, places, 0)

        return FileOutcomes(
            source=self.source,
            line=some(self.line),
            number=some(self.number),
            actual=store.take_column(self.actual, places),
            retracted=some(self.retracted),
            time=some(self.time),
            prediction_time=some(self.prediction_time),
            weight=some(self.weight),
            value=some(self.value),
            slices={key: store.take_column(texts, places) for key, texts in self.slices.items()},
            item=None if self.item is None else store.take_column(self.item, places),
        )

    def id_of(self, place: int) -> str:
        """Return the id of an outcome by its position, read from the file."""
        line = int(self.line[place])
        for start, batch in numbered_batches(self.source, {"id"}):
            if line < start + batch.num_rows:
                return str(ids(batch.column(0).slice(line - start, 1))[0].as_py())
        raise IndexError(place)


def numbers_of_row_ids(values: pa.Array | pa.ChunkedArray) -> U64:
    """Return a hash of each id: uint64 (n,), 0 for no id; it differs between processes.

    Two ids may collide by chance with probability 2^-64 per pair; collisions cannot be forged.
    """
    texts = ids(values)  # with nulls: to fill them, Arrow imports pandas
    numbers = numbers_of_ids(texts, _KEY)
    numbers[numbers == 0] = 1
    numbers[values_of(pc.binary_length(texts), 0) == 0] = 0
    return numbers


def open_outcomes(path: Rows, task: Task, say: Say, numbers: NumberFormat = PLAIN_NUMBERS) -> Source:
    """Open a file of outcomes; classes and ids stay texts. Raises :class:`BadInput`."""
    texts = {"id", "item", "retracted"} | ({"actual"} if not task.predicts_number else set())
    return open_source(path, texts, say, numbers)


def outcome_slice_names(source: Source) -> tuple[str, ...]:
    """Return the names of the slices in a file of outcomes."""
    return tuple(_slice_columns(source.schema.names))


def _slice_columns(names: Sequence[str]) -> dict[str, str]:
    """Return slice → column. JSON readers create a column ``slices.NAME`` per field of an object ``slices``.

    >>> _slice_columns(["id", "slice.country", "slices.age"])
    {'country': 'slice.country', 'age': 'slices.age'}
    """
    return {name.partition(".")[2]: name for name in names if name.startswith((SLICE, "slices."))}


def read_file_outcomes(source: Source, task: Task, say: Say, store: RowStore | None = None) -> FileOutcomes:
    """Read the outcomes of a file. Unusable rows are counted, reported with their reason and left out.

    Args:
        source: The file, see :func:`open_outcomes`.
        task: The task of the model, which defines the possible actual values.
        say: Called with each reason.
        store: Where the columns are stored; many rows are read in batches.

    Raises:
        BadInput: The file cannot be read, lacks ``id`` or ``actual``, or has a column of an unsupported type.
    """
    path, names = source.path, tuple(source.schema.names)
    for name in ("id",) if "retracted" in names else ("id", "actual"):
        if name not in names:
            raise BadInput(f"{path}: no column '{name}'; {near(name, names)}")
    slices = _slice_columns(names)
    left_out = {*_OF_THE_EVALUATION, "slices", *(() if task.ranks_items else ("item",))}
    columns_by_field = {name: name for name in names if name in FIELDS and name not in left_out}
    columns_by_field |= {f"{SLICE}{key}": name for key, name in slices.items()}
    gathered = _Gathered(source, task, RowStore() if store is None else store)
    with readable(path):
        for start, columns in _parts(source, columns_by_field.values()):
            table = plain_table(
                pa.table({name: _plain(columns[name], field) for field, name in columns_by_field.items()})
            )
            if wrong := misfit_reason(table, bare_numbers=True):
                raise BadInput(f"{path}: {wrong}")
            gathered.add(start, *read_columns(table, _ONE_MODEL, None, bare_numbers=bool(source.by_looks)))
    gathered.tell(say)
    return gathered.outcomes(set(columns_by_field))


def _parts(source: Source, names: Collection[str]) -> Iterator[tuple[int, Mapping[str, pa.ChunkedArray]]]:
    """Yield the named columns with the number of rows before them: at once if there are few rows, else in batches."""
    if not is_many(source.rows):
        yield 0, {name: source.column(name) for name in names}
        return
    for start, batch in numbered_batches(source, set(names)):
        yield start, {name: pa.chunked_array([batch.column(name)]) for name in names}


class _Gathered:
    """The usable outcomes of a file, concatenated from batches, in its order."""

    def __init__(self, source: Source, task: Task, store: RowStore) -> None:
        self._source, self._task, self._store = source, task, store
        self._end = 0
        self._arrays: dict[str, NDArray[Any]] = {}
        self._columns: dict[str, GatheredColumn] = {}
        self._reasons: dict[str, tuple[int, int]] = {}
        self._strange, self._first_strange = 0, ""

    def add(self, start: int, read: OutcomeRows, rejected: Rejections) -> None:
        """Add the outcomes of a batch; ``start``: number of rows before it."""
        for count, first, reason in rejected.checks:
            reason_count, first_row = self._reasons.get(reason, (0, start + first))
            self._reasons[reason] = reason_count + count, first_row
        actual, line = read.actual(), start + rejected.usable()
        strange = impossible_actuals(actual, self._task) & ~read.retracted
        if strange.any():
            at = int(np.flatnonzero(strange)[0])
            self._first_strange = self._first_strange or first_value(actual, at, int(line[at]))
            self._strange += int(strange.sum())
        kept_rows = np.flatnonzero(~strange)
        row_numbers = np.where(read.retracted, -1, np.arange(len(read)))[kept_rows]
        arrays: dict[str, NDArray[Any]] = {
            **{"line": line, "number": numbers_of_row_ids(read.id), "retracted": read.retracted, "time": read.time},
            **{"prediction_time": read.prediction_time, "weight": read.weight, "value": read.value},
        }
        for name, values in arrays.items():
            if name not in self._arrays:
                self._arrays[name] = self._store.empty(self._source.rows, values.dtype)
            self._arrays[name][self._end : self._end + len(kept_rows)] = values[kept_rows]
        columns = {"actual": column_at(actual, row_numbers), "item": column_at(column(read.item, False), kept_rows)}
        columns |= {f"{SLICE}{name}": column_at(column(texts, False), kept_rows) for name, texts in read.slices.items()}
        for name, part in columns.items():
            gathering = self._columns.setdefault(name, GatheredColumn(self._source.rows, self._store))
            gathering.add(self._end, part)
        self._end += len(kept_rows)
        self._store.release()

    def tell(self, say: Say) -> None:
        """Report what was left out."""
        path = self._source.path
        for reason, (count, first) in self._reasons.items():
            say(f"{path}: left out {many(count, 'outcome')}, because {reason}: the first is row {first + 1}")
        if self._strange:
            description = f"{many(self._strange, 'outcome')} with an actual that is {possible_actuals_text(self._task)}"
            say(f"{path}: left out {description}: the first is {self._first_strange}")

    def outcomes(self, there: Collection[str]) -> FileOutcomes:
        """Return all outcomes, oldest first; ``there``: the fields of the file."""
        rows_here, store = slice(0, self._end), self._store
        time = self._arrays["time"][rows_here]
        order = None if increases(time) else store.keep(np.argsort(time, kind="stable"))

        def array(name: str) -> Any:
            values = self._arrays.pop(name)[rows_here]
            return values if order is None else store.take(values, order, 0)

        def texts(name: str) -> Column:
            values = take_rows(self._columns.pop(name).column(), rows_here)
            return values if order is None else store.take_column(values, order)

        count, rows = self._strange, self._source.rows
        impossible = UnknownOutcomes("actual", count, rows, possible=possible_actuals_text(self._task))
        return FileOutcomes(
            source=self._source,
            line=array("line"),
            number=array("number"),
            actual=texts("actual"),
            retracted=array("retracted"),
            time=array("time") if "time" in there else None,
            prediction_time=array("prediction_time") if "prediction_time" in there else None,
            weight=array("weight") if "weight" in there else None,
            value=array("value") if "value" in there else None,
            slices={name.removeprefix(SLICE): texts(name) for name in [*self._columns] if name.startswith(SLICE)},
            item=texts("item") if "item" in there else None,
            impossible=impossible if 2 * count > rows else None,
        )


def _plain(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray | pa.Array:
    """Cast a column to a supported type of outcomes; NaN is missing."""
    kind = values.type
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    if name in IDS and is_text(kind):
        return ids(values)
    if name in _TIMES:
        return _with_written_digits(values)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return category_array(whole_column(values, False), len(values))
    if pa.types.is_temporal(kind):
        return values.cast(pa.string())
    if pa.types.is_fixed_size_list(kind):
        values, kind = values.cast(pa.list_(kind.value_type)), pa.list_(kind.value_type)
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        key = next((part.name for part in kind.value_type if part.name in ITEM_NAMES), "")
        return pa.array(
            [None if entries is None else [part[key] for part in entries] for entries in values.to_pylist()]
            if key
            else values
        )
    return values


def _with_written_digits(values: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Return times as timestamps if they are dates as numbers, as in the rows of predictions."""
    times = written_digits(numbers(one_array(values))) if is_number(values.type) else None
    if times is None:
        return values
    return pa.array(times.values, pa.timestamp("ns", "UTC"), mask=~valid_of(values))


def column_at(values: Column, index: NDArray[np.intp]) -> Column:
    """Return the values at some positions, missing for position -1."""
    return RowStore().take_column(values, index)
