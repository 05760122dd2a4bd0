"""Read a file of outcomes for an evaluation: the notation of a file first, then the reader of all documents.

Files are written by people: amounts as ``1.234,50 €``, dates as ``31/12/2026``, missing values as ``NA``. That is
undone here. From then on the rules of ``POST /v1/outcomes`` hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.outputs.rankings import ITEM_NAMES
from driftline.tables.table import F64, I64, Column
from driftline.tables.task import Task
from numpy.typing import NDArray

from driftline_processor.core.arrow_arrays import label_array
from driftline_processor.core.outcomes.resolution import impossible_actuals, possible_actuals_text
from driftline_processor.present.numbers import many
from driftline_processor.readers.arrow_columns import column, ids, values_of, whole_column
from driftline_processor.readers.errors import BadInput, Say, near
from driftline_processor.readers.notation import NOTHING_KNOWN, KnownNotation, with_notation
from driftline_processor.readers.source import Source, readable
from driftline_processor.readers.sources import open_source

from .arrow_documents import plain_table
from .column_reader import misfit_reason, read_columns
from .fields import FIELDS, SLICE

_OF_THE_EVALUATION = ("model", "environment")
"""Fields that are not read: a file is of the model that is evaluated."""

_ONE_MODEL = "-"


@dataclass(frozen=True, slots=True)
class FileOutcomes:
    """n usable outcomes, oldest first; those without a time before all others, equal times as in the file.

    Attributes:
        ids: The distinct ids.
        code: int64 (n,), the id of each outcome.
        actual: Missing where nothing is said.
        retracted: bool (n,), it takes back what was said before.
        time: When the truth was known and when the prediction was made, int64 (n,), unix nanoseconds, 0 = not said;
            None where the file has no such column.
        made: As ``time``.
        weight: float64 (n,), NaN = not said, None where the file has no such column.
        value: float64 (n,), NaN = not said, None where the file has no such column.
        slices: Those that come with the outcome.
        item: Of rankings, the item that an outcome is about.
    """

    path: str
    ids: Any
    code: I64
    actual: Column
    retracted: NDArray[np.bool_]
    time: I64 | None = None
    made: I64 | None = None
    weight: F64 | None = None
    value: F64 | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    item: Column | None = None


def open_outcomes(path: Path, task: Task, say: Say) -> Source:
    """Open a file of outcomes; classes and ids stay texts. Raises :class:`BadInput`."""
    texts = {"id", "item", "retracted"} | ({"actual"} if not task.predicts_number else set())
    return open_source(path, texts, say, written=None)


def outcome_slice_names(source: Source) -> tuple[str, ...]:
    """Return the names of the slices that come with the outcomes of a file."""
    return tuple(_slice_columns(source.schema.names))


def _slice_columns(names: Sequence[str]) -> dict[str, str]:
    """Return slice → column. Readers of JSON make a column ``slices.NAME`` of each field of an object ``slices``.

    >>> _slice_columns(["id", "slice.country", "slices.age"])
    {'country': 'slice.country', 'age': 'slices.age'}
    """
    return {name.partition(".")[2]: name for name in names if name.startswith((SLICE, "slices."))}


def read_file_outcomes(source: Source, task: Task, say: Say, written: KnownNotation = NOTHING_KNOWN) -> FileOutcomes:
    """Read the outcomes of a file. What cannot be used is counted, named with its reason and left out.

    Args:
        source: the file, see :func:`open_outcomes`.
        task: of the model, which says which actual values are possible.
        say: hears of each reason and of each notation that was chosen.
        written: what is known of how the rows of predictions are written.

    Raises:
        BadInput: the file cannot be read, or lacks ``id`` or ``actual``, or a column is of a type that no outcome has.
    """
    path, names = source.path, tuple(source.schema.names)
    for name in ("id",) if "retracted" in names else ("id", "actual"):
        if name not in names:
            raise BadInput(f"{path}: no column '{name}'; {near(name, names)}")
    slices = _slice_columns(names)
    [source] = with_notation([source], _notation(written, task, slices.values()), {"id", "item"}, say)
    left_out = {*_OF_THE_EVALUATION, "slices", *(() if task.ranks_items else ("item",))}
    wanted = {name: name for name in names if name in FIELDS and name not in left_out}
    wanted |= {f"{SLICE}{key}": name for key, name in slices.items()}
    with readable(path):
        table = plain_table(pa.table({name: _plain(source.column(name), said) for said, name in wanted.items()}))
        if wrong := misfit_reason(table, bare_numbers=True):
            raise BadInput(f"{path}: {wrong}")
        read, rejected = read_columns(table, _ONE_MODEL, None, bare_numbers=bool(source.by_looks))
    for count, first, reason in rejected.checks:
        say(f"{path}: {many(count, 'outcome')} left out, {reason}: the first is row {first + 1}")
    actual = read.actual()
    strange = impossible_actuals(actual, task) & ~read.retracted
    if strange.any():
        first = int(rejected.kept()[np.flatnonzero(strange)[0]])
        what = f"{many(int(strange.sum()), 'outcome')} with an actual that is {possible_actuals_text(task)}"
        say(f"{path}: {what} left out: the first is row {first + 1}")
    kept = np.flatnonzero(~strange)
    kept = kept[np.argsort(read.time[kept], kind="stable")]
    codes = read.id.take(pa.array(kept)).dictionary_encode()
    said = np.where(read.retracted, -1, np.arange(len(read)))[kept]
    there = set(names)
    return FileOutcomes(
        path,
        codes.dictionary,
        values_of(codes.indices, -1).astype(np.int64, copy=False),
        column_at(actual, said),
        read.retracted[kept],
        read.time[kept] if "time" in there else None,
        read.prediction_time[kept] if "prediction_time" in there else None,
        read.weight[kept] if "weight" in there else None,
        read.value[kept] if "value" in there else None,
        {name: column_at(column(texts, False), kept) for name, texts in read.slices.items()},
        column_at(column(read.item, False), kept) if "item" in table.column_names else None,
    )


def _notation(rows: KnownNotation, task: Task, slices: Iterable[str]) -> KnownNotation:
    """Return the notation of outcomes: weights and values are numbers, classes and slices are texts."""
    texts, numbers = {*slices, "retracted"}, {"weight", "value"}
    (numbers if task.predicts_number else texts).add("actual")
    known = {name: style for name, style in rows.known.items() if name == "time"}
    return KnownNotation(rows.decimal, rows.day_first, known, numbers, {"time", "prediction_time"}, texts)


def _plain(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray | pa.Array:
    """Return a column in a type that documents of outcomes have, where a file has another one; NaN is missing."""
    kind = values.type
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    if name in ("id", "item"):
        return ids(values)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return label_array(whole_column(values, False), len(values))
    if pa.types.is_temporal(kind) and name not in ("time", "prediction_time"):
        return values.cast(pa.string())
    if pa.types.is_fixed_size_list(kind):
        values, kind = values.cast(pa.list_(kind.value_type)), pa.list_(kind.value_type)
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        key = next((one.name for one in kind.value_type if one.name in ITEM_NAMES), "")
        return pa.array(
            [None if of is None else [one[key] for one in of] for of in values.to_pylist()] if key else values
        )
    return values


def column_at(values: Column, index: NDArray[np.intp]) -> Column:
    """Return the values at some places, missing where the place is -1."""
    return Column(
        None if values.numbers is None else np.append(values.numbers, np.nan)[index],
        None if values.codes is None else np.append(values.codes, np.int32(-1))[index],
        values.labels,
    )
