"""Read a file of outcomes, and find the outcome of every row by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.compute as pc
from driftline.classes import class_column
from driftline.frames import taken
from driftline.tables import F64, I64, Column, Task, told
from numpy.typing import NDArray

from driftline_processor.core.belonging import EARLY, belongs_to

from .concept import Heard
from .errors import BadInput, Say, near, rows
from .lists import told_in
from .rows import Rows
from .source import Source, open_source, readable
from .times import oldest_first, read_times
from .truth import strange_to, strangers
from .values import column, ids, one_array, positions, valid_of, values_of, whole_column

Places = NDArray[np.intp]
Numbers = TypeVar("Numbers", F64, I64)

SLICE = "slice."
"""Before the name of a slice that comes with the outcome, in the names of columns."""


@dataclass(frozen=True, slots=True)
class Outcomes:
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


def slices_in(path: Path, say: Say) -> tuple[str, ...]:
    """Return the names of the slices that come with the outcomes of a file. Raises :class:`BadInput`."""
    names = open_source(path, {"id"}, say).schema.names
    return tuple(name.removeprefix(SLICE) for name in names if name.startswith(SLICE))


def read_outcomes(path: Path, task: Task, say: Say, sampled: bool = False) -> Outcomes:
    """Read id, actual and, where there are such columns, what else an outcome may say.

    The columns are those of ``POST /v1/outcomes``: time, prediction_time, weight, value, retracted, slice.NAME.
    Outcomes without id or actual, those whose actual the ``task`` cannot have, and those with a weight that is no
    positive number, are counted, named and left out. ``sampled``: so are those without a weight.

    Raises :class:`BadInput` when the file or one of the two columns cannot be read.
    """
    source = open_source(path, {"id", "item"}, say)
    names = tuple(source.schema.names)
    for name in ("id", "actual"):
        if name not in names:
            raise BadInput(f"{path}: no column '{name}'; {near(name, names)}")
    with readable(path):
        id_texts = ids(source.column("id"))
        said = one_array(source.column("actual")) if task.kind == "ranking" else None
        actual = Column() if said is not None else whole_column(source.column("actual"), task.kind == "regression")
        item = column(ids(source.column("item")), False) if said is not None and "item" in names else None
        weight, value = (numbers_of(source, name) if name in names else None for name in ("weight", "value"))
        times, made = (
            read_times(source.column(name)) if name in names else None for name in ("time", "prediction_time")
        )
        order = np.arange(source.rows) if times is None else oldest_first(times)
        retracted = flags_of(source, "retracted") if "retracted" in names else np.zeros(source.rows, np.bool_)
        slices = {
            name.removeprefix(SLICE): whole_column(source.column(name), False)
            for name in names
            if name.startswith(SLICE)
        }
    usable = valid_of(id_texts) & (values_of(pc.binary_length(id_texts), 0) > 0) & (_told(said, actual) | retracted)
    _name(say, path, ~usable, "without id or actual")
    strange = strangers(actual, task)
    if len(strange):
        strange &= ~retracted
        _name(say, path, strange & usable, f"with an actual that is {strange_to(task)}")
        usable &= ~strange
    if weight is not None:
        wrong = ~(np.isnan(weight) | ((weight > 0) & np.isfinite(weight)))
        _name(say, path, wrong & usable, "with a weight that is no positive number")
        usable &= ~wrong
    if sampled:
        lacking = ~retracted & (np.ones(source.rows, np.bool_) if weight is None else np.isnan(weight))
        _name(say, path, lacking & usable, "without a weight, of a model whose outcomes are sampled")
        usable &= ~lacking
    order = order[usable[order]]
    codes = id_texts.take(positions(order)).dictionary_encode()
    return Outcomes(
        str(path),
        codes.dictionary,
        values_of(codes.indices, -1).astype(np.int64, copy=False),
        actual if said is not None else entries_of(actual, np.where(retracted, -1, np.arange(source.rows))[order]),
        retracted[order],
        None if times is None else np.where(times.readable, times.values, 0)[order],
        None if made is None else np.where(made.readable, made.values, 0)[order],
        None if weight is None else weight[order],
        None if value is None else value[order],
        {name: taken(values, order) for name, values in slices.items()},
        None if said is None else said.take(positions(order)),
        None if item is None else taken(item, order),
    )


def join(
    outcomes: Outcomes, reads: Sequence[Rows], name: str, say: Say
) -> tuple[list[Rows], list[F64 | None], list[Heard]]:
    """Give every row what the last of its outcomes says, and return in parallel, per file, weights and what came first.

    An outcome belongs to the row of its id: with a prediction time to the one of that time, else to the latest at or
    before it, else to the earliest up to a day after it; where rows or outcomes have no times, to all rows of its id.
    The last by time (without times, the last in the file) holds, and a retraction leaves a row without.

    Weights: float64 (n,), NaN = not given. ``name``: the rows' id column. What joins nothing is counted and named.
    """
    codes = [codes_of(outcomes, read, name) for read in reads]
    last, first, corrected, strange = _matched(outcomes, codes, [read.time for read in reads])
    name_strange(outcomes, strange, name, say)
    joined: list[Rows] = []
    weights: list[F64 | None] = []
    heard: list[Heard] = []
    start = 0
    for read in reads:
        end = start + len(read)
        at, heard_at = last[start:end], first[start:end]
        joined.append(
            replace(
                read,
                actual=entries_of(outcomes.actual, at),
                outcome_time=entries(outcomes.time, at, 0),
                value=entries(outcomes.value, at, np.nan),
                told={key: entries_of(column, at) for key, column in outcomes.slices.items()},
            )
        )
        weights.append(entries(outcomes.weight, at, np.nan))
        known = entries(outcomes.time, heard_at, 0)
        heard.append(
            Heard(entries_of(outcomes.actual, heard_at), heard_at, known, int(np.count_nonzero(corrected[start:end])))
        )
        start = end
    return joined, weights, heard


def _told(said: Any, actual: Column) -> NDArray[np.bool_]:
    return told(actual) if said is None else told_in(said)


def codes_of(outcomes: Outcomes, read: Rows, name: str) -> I64:
    """Which id each row of a file has, -1 = none that an outcome names."""
    with readable(read.source.path):
        found = pc.index_in(ids(read.source.column(name)), value_set=outcomes.ids)
    return np.asarray(values_of(found, -1), dtype=np.int64)


def _matched(
    outcomes: Outcomes, codes: Sequence[I64], times: Sequence[I64 | None]
) -> tuple[Places, Places, NDArray[np.bool_], NDArray[np.bool_]]:
    """Which outcome holds for each row of all files, and which came first: -1 = none.

    Then which rows were corrected, and which outcomes found no row.
    """
    row, outcome = paired(outcomes, codes, times)
    n = sum(map(len, codes))
    last, first = np.full(n, -1, np.intp), np.full(n, -1, np.intp)
    last[row] = outcome  # they stand oldest first, and of equal indices numpy keeps the last assignment
    spoken = ~outcomes.retracted[outcome]
    first[row[spoken][::-1]] = outcome[spoken][::-1]
    heard, corrected = np.flatnonzero(first >= 0), np.zeros(n, np.bool_)
    corrected[heard] = _differ(outcomes, first[heard], last[heard])
    taken_back = np.append(outcomes.retracted, False)[last]
    strange = np.ones(len(outcomes.code), np.bool_)
    strange[outcome] = False
    return np.where(taken_back, -1, last), first, corrected, strange


def paired(outcomes: Outcomes, codes: Sequence[I64], times: Sequence[I64 | None]) -> tuple[Places, Places]:
    """Return row (of all files) and outcome of each pair that belongs together, outcomes oldest first.

    Which do, :func:`join` says. ``codes``: which id each row of a file has; ``times``: when each was predicted.
    """
    code = np.concatenate(codes) if codes else np.empty(0, np.int64)
    time = None if any(one is None for one in times) else np.concatenate([one for one in times if one is not None])
    several = np.bincount(code[code >= 0], minlength=len(outcomes.ids)) > 1
    if time is not None and (outcomes.made is not None or (outcomes.time is not None and several.any())):
        heard = np.zeros(len(outcomes.code), np.int64) if outcomes.time is None else outcomes.time
        return _by_time(outcomes, heard, code, time)
    row, outcome = _all_of_an_id(outcomes, code)
    if time is None or outcomes.time is None:
        return row, outcome
    heard = outcomes.time[outcome]
    fits = (heard <= 0) | (time[row] - heard <= EARLY)
    return row[fits], outcome[fits]


def name_strange(outcomes: Outcomes, strange: NDArray[np.bool_], name: str, say: Say) -> None:
    """Name the outcomes that found no row. ``name``: the rows' id column."""
    if strange.any():
        example = outcomes.ids[int(outcomes.code[int(np.flatnonzero(strange)[0])])].as_py()
        count = rows(len(np.unique(outcomes.code[strange])), "outcome")
        say(f"{outcomes.path}: {count} of an id that no row has in '{name}', such as {example!r}")


def _all_of_an_id(outcomes: Outcomes, code: I64) -> tuple[Places, Places]:
    """Pairs of a row and an outcome of one id, outcomes oldest first."""
    rows_of = np.argsort(code, kind="stable")
    ends = np.searchsorted(code[rows_of], np.arange(len(outcomes.ids) + 1))
    many = np.diff(ends)[outcomes.code]
    outcome = np.repeat(np.arange(len(outcomes.code)), many)
    within = np.arange(len(outcome)) - np.repeat(np.cumsum(many) - many, many)
    return rows_of[ends[outcomes.code][outcome] + within], outcome


def _by_time(outcomes: Outcomes, heard: I64, code: I64, time: I64) -> tuple[Places, Places]:
    """Pairs of an outcome and the one row that it is about, outcomes oldest first."""
    named = np.zeros(len(heard), np.int64) if outcomes.made is None else outcomes.made
    when = np.where(heard > 0, heard, np.iinfo(np.int64).max)  # who says no time means what was predicted last
    found = belongs_to(code, time, outcomes.code, when, named)
    known = np.flatnonzero(found >= 0)
    return found[known], known


def entries_of(column: Column, index: NDArray[np.intp]) -> Column:
    """The values at these places, missing where the place is -1."""
    return Column(
        None if column.numbers is None else np.append(column.numbers, np.nan)[index],
        None if column.codes is None else np.append(column.codes, np.int32(-1))[index],
        column.labels,
    )


def entries(values: Numbers | None, index: Places, missing: float) -> Numbers | None:
    """The values at these places, ``missing`` where the place is -1; None where there are none."""
    return None if values is None else np.append(values, values.dtype.type(missing))[index]


def _differ(outcomes: Outcomes, one: Places, other: Places) -> NDArray[np.bool_]:
    """Whether the outcomes at two places say something else: bool, one each."""
    differ: NDArray[np.bool_] = outcomes.retracted[one] != outcomes.retracted[other]
    for values in (outcomes.actual.numbers, outcomes.weight):
        if values is not None:
            differ |= (values[one] != values[other]) & ~(np.isnan(values[one]) & np.isnan(values[other]))
    if outcomes.actual.codes is not None:
        differ |= outcomes.actual.codes[one] != outcomes.actual.codes[other]
    return differ


def numbers_of(source: Source, name: str) -> F64:
    values = whole_column(source.column(name), True)
    return np.full(source.rows, np.nan) if values.numbers is None else values.numbers


def flags_of(source: Source, name: str) -> NDArray[np.bool_]:
    """Which rows say yes: true, 1, "true" in any spelling."""
    texts = class_column(whole_column(source.column(name)))
    if texts.codes is None:
        return np.zeros(source.rows, np.bool_)
    return np.array([*(label == "1" for label in texts.labels), False])[texts.codes]


def _name(say: Say, path: Path, which: NDArray[np.bool_], what: str) -> None:
    at = np.flatnonzero(which)
    if len(at):
        say(f"{path}: {rows(len(at), 'outcome')} {what} left out: the first is row {int(at[0]) + 1}")
