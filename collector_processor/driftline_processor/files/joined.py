"""Find the outcome of every row by its id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
from driftline.tables import F64, I64, Column
from numpy.typing import NDArray

from driftline_processor.core.belonging import EARLY, belongs_to

from .carrying import Stays, weighted, what_stays
from .concept import Heard
from .errors import Say, rows
from .outcomes import Outcomes, Places, entries, entries_of
from .rows import Rows
from .source import readable
from .values import ids, values_of


def join(
    outcomes: Outcomes, reads: Sequence[Rows], name: str, say: Say, sampled: bool = False
) -> tuple[list[Rows], list[F64 | None], list[Heard]]:
    """Give every row what the last of its outcomes says, and return in parallel, per file, weights and what came first.

    An outcome belongs to the row of its id: with a prediction time to the one of that time, else to the latest at or
    before it, else to the earliest up to a day after it; where rows or outcomes have no times, to all rows of its id.
    The last by time (without times, the last in the file) holds, and a retraction leaves a row without. Weight, value
    and slices that it does not say are those of the one before it (:mod:`driftline.carried`).

    Weights: float64 (n,), NaN = not given. ``name``: the rows' id column. What joins nothing is counted and named.
    ``sampled``: so is what has no weight, and it is left out.
    """
    codes = [codes_of(outcomes, read, name) for read in reads]
    row, outcome = paired(outcomes, codes, [read.time for read in reads])
    name_strange(outcomes, outcome, name, say)
    row, outcome = weighted(outcomes, row, outcome, say, sampled)
    last, first = _matched(outcomes, row, outcome, sum(map(len, codes)))
    stays = what_stays(outcomes, row, outcome, len(last))
    corrected = _corrected(outcomes, first, last, stays)
    last = np.where(np.append(outcomes.retracted, False)[last], -1, last)
    joined: list[Rows] = []
    weights: list[F64 | None] = []
    heard: list[Heard] = []
    start = 0
    for read in reads:
        end = start + len(read)
        at, heard_at, mine = last[start:end], first[start:end], slice(start, end)
        joined.append(
            replace(
                read,
                actual=entries_of(outcomes.actual, at),
                outcome_time=entries(outcomes.time, at, 0),
                value=entries(outcomes.value, stays.value[mine], np.nan),
                told={key: entries_of(outcomes.slices[key], of[mine]) for key, of in stays.slices.items()},
            )
        )
        weights.append(entries(outcomes.weight, stays.weight[mine], np.nan))
        known = entries(outcomes.time, heard_at, 0)
        heard.append(
            Heard(entries_of(outcomes.actual, heard_at), heard_at, known, int(np.count_nonzero(corrected[start:end])))
        )
        start = end
    return joined, weights, heard


def codes_of(outcomes: Outcomes, read: Rows, name: str) -> I64:
    """Which id each row of a file has, -1 = none that an outcome names."""
    with readable(read.source.path):
        found = pc.index_in(ids(read.source.column(name)), value_set=outcomes.ids)
    return np.asarray(values_of(found, -1), dtype=np.int64)


def _matched(outcomes: Outcomes, row: Places, outcome: Places, n: int) -> tuple[Places, Places]:
    """Which outcome has the last word on each of n rows, and which came first: -1 = none."""
    last, first = np.full(n, -1, np.intp), np.full(n, -1, np.intp)
    last[row] = outcome  # they stand oldest first, and of equal indices numpy keeps the last assignment
    spoken = ~outcomes.retracted[outcome]
    first[row[spoken][::-1]] = outcome[spoken][::-1]
    return last, first


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


def name_strange(outcomes: Outcomes, found: Places, name: str, say: Say) -> None:
    """Name the outcomes that are not among those that found a row. ``name``: the rows' id column."""
    strange = np.ones(len(outcomes.code), np.bool_)
    strange[found] = False
    if strange.any():
        example = outcomes.ids[int(outcomes.code[int(np.flatnonzero(strange)[0])])].as_py()
        count = rows(len(np.unique(outcomes.code[strange])), "outcome")
        when = "" if outcomes.made is None or not outcomes.made.any() else "and prediction_time "
        say(f"{outcomes.path}: {count} of an id {when}that no row has in '{name}', such as {example!r}")


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


def _corrected(outcomes: Outcomes, first: Places, last: Places, stays: Stays) -> NDArray[np.bool_]:
    """Of which rows the last word says something else than the first: bool (n,). ``stays``: what it has from others."""
    heard = np.flatnonzero(first >= 0)
    was = first[heard]
    columns = [(outcomes.actual, last), *((outcomes.slices[key], of) for key, of in stays.slices.items())]
    columns += [
        (Column(numbers=values), of)
        for values, of in ((outcomes.weight, stays.weight), (outcomes.value, stays.value))
        if values is not None
    ]
    differ: NDArray[np.bool_] = outcomes.retracted[was] != outcomes.retracted[last[heard]]
    for column, of in columns:
        one, other = entries_of(column, was), entries_of(column, of[heard])
        if one.numbers is not None and other.numbers is not None:
            differ |= (one.numbers != other.numbers) & ~(np.isnan(one.numbers) & np.isnan(other.numbers))
        if one.codes is not None and other.codes is not None:
            differ |= one.codes != other.codes
    corrected = np.zeros(len(first), np.bool_)
    corrected[heard] = differ
    return corrected
