"""Read a file of outcomes: id, actual value, time, weight, value, slices and retractions, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.compute as pc
from driftline.tables.classes import class_column
from driftline.tables.decisions import WEIGHTS, no_weight
from driftline.tables.table import F64, I64, Column, Task, is_present, take_rows
from numpy.typing import NDArray

from driftline_processor.evaluation.files.outcomes import impossible_actuals, possible_actuals_text
from driftline_processor.readers.source import Source, readable

from .arrow_columns import column, ids, one_array, positions, valid_of, values_of, whole_column
from .errors import BadInput, Say, near, rows
from .item_lists import has_relevance
from .notation import NOTHING_KNOWN, KnownNotation, with_notation
from .sources import open_source
from .times import oldest_first, read_times

Places = NDArray[np.intp]
Numbers = TypeVar("Numbers", F64, I64)

SLICE = "slice."
"""Before the name of a slice that comes with the outcome, in the names of columns."""


@dataclass(frozen=True, slots=True)
class OutcomeRows:
    """n usable outcomes, oldest first. ``ids``: the distinct ids, ``code``: int64 (n,), which of them each is about.

    ``actual``: missing where ``retracted``: bool (n,), it takes back what was said before. ``time``, ``made``: when the
    truth was known and when the prediction was made, int64 (n,), unix nanoseconds, 0 = not said; None when the file has
    none. ``weight``, ``value``: float64 (n,), NaN = not said, None when the file has none. ``slices``: those that came
    with the outcome. Of rankings ``said``: the actual as it is, and ``item``: the item that each is about.
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
    said: Any = None
    item: Column | None = None


def outcome_slice_names(path: Path, say: Say) -> tuple[str, ...]:
    """Return the names of the slices that come with the outcomes of a file. Raises :class:`BadInput`."""
    names = open_source(path, {"id"}, say, written=None).schema.names
    return tuple(name.removeprefix(SLICE) for name in names if name.startswith(SLICE))


def read_outcomes(path: Path, task: Task, say: Say, written: KnownNotation = NOTHING_KNOWN) -> OutcomeRows:
    """Read id, actual and, where there are such columns, what else an outcome may say.

    The columns are those of ``POST /v1/outcomes``: time, prediction_time, weight, value, retracted, slice.NAME.
    ``written``: what is known of how the rows are written.

    Outcomes without id or actual, those whose actual the ``task`` cannot have, and those with a weight that is no
    positive number, are counted, named and left out.

    Raises :class:`BadInput` when the file or one of the two columns cannot be read.
    """
    source = open_source(path, {"id", "item"}, say, written=None)
    names = tuple(source.schema.names)
    cuts = [name for name in names if name.startswith(SLICE)]
    [source] = with_notation([source], _written(written, task, cuts), {"id", "item"}, say)
    for name in ("id", "actual"):
        if name not in names:
            raise BadInput(f"{path}: no column '{name}'; {near(name, names)}")
    with readable(path):
        id_texts = ids(source.column("id"))
        said = one_array(source.column("actual")) if task.kind == "ranking" else None
        actual = Column() if said is not None else whole_column(source.column("actual"), task.kind == "regression")
        item = column(ids(source.column("item")), False) if said is not None and "item" in names else None
        weight, value = (read_numbers(source, name) if name in names else None for name in ("weight", "value"))
        times, made = (
            read_times(source.column(name)) if name in names else None for name in ("time", "prediction_time")
        )
        order = np.arange(source.rows) if times is None else oldest_first(times)
        retracted = read_flags(source, "retracted") if "retracted" in names else np.zeros(source.rows, np.bool_)
        slices = {
            name.removeprefix(SLICE): whole_column(source.column(name), False)
            for name in names
            if name.startswith(SLICE)
        }
    usable = valid_of(id_texts) & (values_of(pc.binary_length(id_texts), 0) > 0) & (_told(said, actual) | retracted)
    _name(say, path, ~usable, "without id or actual")
    strange = impossible_actuals(actual, task)
    if len(strange):
        strange &= ~retracted
        _name(say, path, strange & usable, f"with an actual that is {possible_actuals_text(task)}")
        usable &= ~strange
    if weight is not None:
        wrong = no_weight(weight)
        _name(say, path, wrong & usable, f"with a weight that is not {WEIGHTS}")
        usable &= ~wrong
    order = order[usable[order]]
    codes = id_texts.take(positions(order)).dictionary_encode()
    return OutcomeRows(
        str(path),
        codes.dictionary,
        values_of(codes.indices, -1).astype(np.int64, copy=False),
        actual if said is not None else column_at(actual, np.where(retracted, -1, np.arange(source.rows))[order]),
        retracted[order],
        None if times is None else np.where(times.readable, times.values, 0)[order],
        None if made is None else np.where(made.readable, made.values, 0)[order],
        None if weight is None else weight[order],
        None if value is None else value[order],
        {name: take_rows(values, order) for name, values in slices.items()},
        None if said is None else said.take(positions(order)),
        None if item is None else take_rows(item, order),
    )


def _written(rows: KnownNotation, task: Task, slices: Sequence[str]) -> KnownNotation:
    """Return what is known of how outcomes are written: weights and values are numbers, classes and slices are
    texts.
    """
    texts, numbers = set(slices), {"weight", "value"}
    (numbers if task.kind == "regression" else texts).add("actual")
    known = {name: style for name, style in rows.known.items() if name == "time"}
    return KnownNotation(rows.decimal, rows.day_first, known, numbers, {"time", "prediction_time"}, texts)


def _told(said: Any, actual: Column) -> NDArray[np.bool_]:
    return is_present(actual) if said is None else has_relevance(said)


def column_at(column: Column, index: NDArray[np.intp]) -> Column:
    """The values at these places, missing where the place is -1."""
    return Column(
        None if column.numbers is None else np.append(column.numbers, np.nan)[index],
        None if column.codes is None else np.append(column.codes, np.int32(-1))[index],
        column.labels,
    )


def values_at(values: Numbers | None, index: Places, missing: float) -> Numbers | None:
    """The values at these places, ``missing`` where the place is -1; None where there are none."""
    return None if values is None else np.append(values, values.dtype.type(missing))[index]


def read_numbers(source: Source, name: str) -> F64:
    values = whole_column(source.column(name), True)
    return np.full(source.rows, np.nan) if values.numbers is None else values.numbers


def read_flags(source: Source, name: str) -> NDArray[np.bool_]:
    """Return which rows say yes: true, 1, "true" in any spelling."""
    texts = class_column(whole_column(source.column(name)))
    if texts.codes is None:
        return np.zeros(source.rows, np.bool_)
    return np.array([*(label == "1" for label in texts.labels), False])[texts.codes]


def _name(say: Say, path: Path, which: NDArray[np.bool_], what: str) -> None:
    at = np.flatnonzero(which)
    if len(at):
        say(f"{path}: {rows(len(at), 'outcome')} {what} left out: the first is row {int(at[0]) + 1}")
