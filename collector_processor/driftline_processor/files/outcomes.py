"""Read a file of outcomes, and find the outcome of every row by its id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from driftline.frames import taken
from driftline.tables import F64, I64, Column, told
from numpy.typing import NDArray

from .concept import Heard
from .errors import BadInput, Say, near, rows
from .rows import Rows
from .source import Source, open_source, readable
from .times import Times, read_times
from .values import ids, positions, valid_of, values_of, whole_column


@dataclass(frozen=True, slots=True)
class Outcomes:
    """n ids and what is known of each. ``actual``: as sent last. ``weight``: float64 (n,), None when the file has none.

    ``first``: as sent first, ``place``: when among all outcomes, int64 (n,), ``heard``: its time (unix nanoseconds),
    None when the file has none; ``corrected``: whether a later one says something else, bool (n,).
    """

    path: str
    id: Any
    actual: Column
    weight: F64 | None
    first: Column
    place: I64
    heard: I64 | None
    corrected: NDArray[np.bool_]


def read_outcomes(path: Path, kind: str, say: Say) -> Outcomes:
    """Read id, actual and, where there are such columns, time and weight; ``kind``: the kind of task.

    Of several outcomes of one id the last by time holds (without times, the last in the file). Outcomes without id or
    actual, and those with a weight that is no positive number, are counted, named and left out.

    Raises :class:`BadInput` when the file or one of the two columns cannot be read.
    """
    source = open_source(path, {"id"}, say)
    names = tuple(source.schema.names)
    for name in ("id", "actual"):
        if name not in names:
            raise BadInput(f"{path}: no column '{name}'; {near(name, names)}")
    with readable(path):
        id_texts = ids(source.column("id"))
        actual = whole_column(source.column("actual"), kind == "regression")
        weight = _weight(source) if "weight" in names else None
        times = read_times(source.column("time")) if "time" in names else None
        order = np.arange(source.rows) if times is None else _order(times)
    usable = valid_of(id_texts) & (values_of(pc.binary_length(id_texts), 0) > 0) & told(actual)
    _name(say, path, ~usable, "without id or actual")
    if weight is not None:
        wrong = ~(np.isnan(weight) | ((weight > 0) & np.isfinite(weight)))
        _name(say, path, wrong & usable, "with a weight that is no positive number")
        usable &= ~wrong
    order = order[usable[order]]
    codes = id_texts.take(positions(order)).dictionary_encode()
    last = np.zeros(len(codes.dictionary), np.intp)
    last[values_of(codes.indices, -1)] = order  # of equal indices numpy keeps the last assignment
    place = np.zeros(len(codes.dictionary), np.intp)
    place[values_of(codes.indices, -1)[::-1]] = np.arange(len(order))[::-1]
    first = order[place]
    return Outcomes(
        str(path),
        codes.dictionary,
        taken(actual, last),
        None if weight is None else weight[last],
        taken(actual, first),
        place,
        None if times is None else times.values[first],
        _differ(actual, weight, first, last),
    )


def join(
    outcomes: Outcomes, reads: Sequence[Rows], name: str, say: Say
) -> tuple[list[Rows], list[F64 | None], list[Heard]]:
    """Give every row the actual of its id, and return in parallel, per file, weights and what came first.

    Weights: float64 (n,), NaN = not given.

    ``name``: the rows' id column. What joins nothing is counted and named.
    """
    joined: list[Rows] = []
    weights: list[F64 | None] = []
    heard: list[Heard] = []
    seen = np.zeros(len(outcomes.id), np.bool_)
    for read in reads:
        with readable(read.source.path):
            found = pc.index_in(ids(read.source.column(name)), value_set=outcomes.id)
        index = values_of(found, -1).astype(np.intp, copy=False)
        seen[index[index >= 0]] = True
        joined.append(replace(read, actual=_at(outcomes.actual, index)))
        place = np.append(outcomes.place, -1)[index]
        times = None if outcomes.heard is None else np.append(outcomes.heard, 0)[index]
        heard.append(
            Heard(
                _at(outcomes.first, index), place, times, int(np.count_nonzero(outcomes.corrected[index[index >= 0]]))
            )
        )
        weights.append(None if outcomes.weight is None else np.append(outcomes.weight, np.nan)[index])
    strangers = int(np.count_nonzero(~seen))
    if strangers:
        example = outcomes.id[int(np.flatnonzero(~seen)[0])].as_py()
        say(f"{outcomes.path}: {rows(strangers, 'outcome')} of an id that no row has in '{name}', such as {example!r}")
    return joined, weights, heard


def _at(column: Column, index: NDArray[np.intp]) -> Column:
    """The values at these places, missing where the place is -1."""
    return Column(
        None if column.numbers is None else np.append(column.numbers, np.nan)[index],
        None if column.codes is None else np.append(column.codes, np.int32(-1))[index],
        column.labels,
    )


def _differ(actual: Column, weight: F64 | None, one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the outcomes of two lines say something else: bool, one each."""
    differ = np.zeros(len(one), np.bool_)
    for values in (actual.numbers, weight):
        if values is not None:
            differ |= (values[one] != values[other]) & ~(np.isnan(values[one]) & np.isnan(values[other]))
    if actual.codes is not None:
        differ |= actual.codes[one] != actual.codes[other]
    return differ


def _weight(source: Source) -> F64:
    values = whole_column(source.column("weight"), True)
    return np.full(source.rows, np.nan) if values.numbers is None else values.numbers


def _order(times: Times) -> NDArray[np.intp]:
    """Rows from oldest to newest; one without a readable time counts as oldest, equal times stand as they came."""
    return np.argsort(np.where(times.readable, times.values, np.iinfo(np.int64).min), kind="stable")


def _name(say: Say, path: Path, which: NDArray[np.bool_], what: str) -> None:
    at = np.flatnonzero(which)
    if len(at):
        say(f"{path}: {rows(len(at), 'outcome')} {what} left out: the first is row {int(at[0]) + 1}")
