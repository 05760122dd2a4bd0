"""Join outcomes to the predictions of files by id and time; a later outcome keeps what it leaves out from the one
before it.

Find the outcome of every row by its id.

Rankings in files: rows with their lists, and what is known of them, beside the rows or in a file of outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from driftline.baseline.ranking_outcomes import carry_forward, relevance_in, worth_of
from driftline.panes.relevance import Relevance, clicks_of
from driftline.tables.ranked_items import items_of
from driftline.tables.table import F64, I64, Column, Items, is_present, take_rows
from numpy.typing import NDArray

from driftline_processor.core.outcomes.matching import EARLY, match_outcomes
from driftline_processor.readers.arrow_columns import ids, one_array, positions, valid_of, values_of
from driftline_processor.readers.column_roles import Roles
from driftline_processor.readers.errors import Say, rows
from driftline_processor.readers.item_lists import ItemPlaces, read_items, relevance_statements
from driftline_processor.readers.outcome_rows import OutcomeRows, Places, column_at, values_at
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.source import readable

from .concept_drift import FirstOutcomes

Mask = NDArray[np.bool_]


class CarriedOver(NamedTuple):
    """From which outcome each of n rows has its weight, its value and each of its slices: (n,), -1 = from none."""

    weight: Places
    value: Places
    slices: dict[str, Places]


def carry_over(outcomes: OutcomeRows, row: I64 | Places, outcome: Places, n: int) -> CarriedOver:
    """Return it for n rows. ``row``, ``outcome``: pairs that belong together, outcomes oldest first."""

    def last(said: Mask) -> Places:
        found = np.full(n, -1, np.intp)
        found[row] = _said_by(outcomes, row, outcome, said)  # of equal rows numpy keeps the last
        return found

    weight, value = (
        np.full(n, -1, np.intp) if values is None else last(~np.isnan(values))
        for values in (outcomes.weight, outcomes.value)
    )
    return CarriedOver(weight, value, {key: last(is_present(column)) for key, column in outcomes.slices.items()})


def drop_unweighted(
    outcomes: OutcomeRows, row: Places, outcome: Places, say: Say, sampled: bool
) -> tuple[Places, Places]:
    """Return the pairs without those that have no weight, where outcomes are ``sampled``; these are named."""
    if not sampled:
        return row, outcome
    said = np.zeros(len(outcomes.code), np.bool_) if outcomes.weight is None else ~np.isnan(outcomes.weight)
    lacking = (_said_by(outcomes, row, outcome, said) < 0) & ~outcomes.retracted[outcome]
    left_out = np.setdiff1d(outcome[lacking], outcome[~lacking])
    if len(left_out):
        example = outcomes.ids[int(outcomes.code[left_out[0]])].as_py()
        count = rows(len(left_out), "outcome")
        say(
            f"{outcomes.path}: {count} without a weight, of a model whose outcomes are sampled, left out, "
            f"such as that of {example!r}"
        )
    return row[~lacking], outcome[~lacking]


def _said_by(outcomes: OutcomeRows, row: I64 | Places, outcome: Places, said: Mask) -> Places:
    """From which outcome each pair has it, -1 = from none. ``said``: bool, of all outcomes."""
    back = outcomes.retracted
    whole = back if outcomes.item is None else back & ~is_present(outcomes.item)  # of an item takes back that alone
    order = np.argsort(row, kind="stable")
    words = outcome[order]
    place = carry_forward(np.asarray(row, np.int64)[order], whole[words], (said & ~back)[words])
    found = np.empty(len(row), np.intp)
    found[order] = np.where(place < 0, -1, words[place])
    return found


def join_outcomes(
    outcomes: OutcomeRows, reads: Sequence[FileRows], name: str, say: Say, sampled: bool = False
) -> tuple[list[FileRows], list[F64 | None], list[FirstOutcomes]]:
    """Give every row what the last of its outcomes says, and return in parallel, per file, weights and what came first.

    An outcome belongs to the row of its id: with a prediction time to the one of that time, else to the latest at or
    before it, else to the earliest up to a day after it; where rows or outcomes have no times, to all rows of its id.
    The last by time (without times, the last in the file) holds, and a retraction leaves a row without. Weight, value
    and slices that it does not say are those of the one before it (:mod:`driftline.baseline.ranking_outcomes`).

    Weights: float64 (n,), NaN = not given. ``name``: the rows' id column. What joins nothing is counted and named.
    ``sampled``: so is what has no weight, and it is left out.
    """
    codes = [id_codes(outcomes, read, name) for read in reads]
    row, outcome = row_outcome_pairs(outcomes, codes, [read.time for read in reads])
    report_unmatched(outcomes, outcome, name, say)
    row, outcome = drop_unweighted(outcomes, row, outcome, say, sampled)
    last, first = _matched(outcomes, row, outcome, sum(map(len, codes)))
    stays = carry_over(outcomes, row, outcome, len(last))
    corrected = _corrected(outcomes, first, last, stays)
    last = np.where(np.append(outcomes.retracted, False)[last], -1, last)
    joined: list[FileRows] = []
    weights: list[F64 | None] = []
    heard: list[FirstOutcomes] = []
    start = 0
    for read in reads:
        end = start + len(read)
        at, heard_at, mine = last[start:end], first[start:end], slice(start, end)
        joined.append(
            replace(
                read,
                actual=column_at(outcomes.actual, at),
                outcome_time=values_at(outcomes.time, at, 0),
                value=values_at(outcomes.value, stays.value[mine], np.nan),
                told={key: column_at(outcomes.slices[key], of[mine]) for key, of in stays.slices.items()},
            )
        )
        weights.append(values_at(outcomes.weight, stays.weight[mine], np.nan))
        known = values_at(outcomes.time, heard_at, 0)
        heard.append(
            FirstOutcomes(
                column_at(outcomes.actual, heard_at), heard_at, known, int(np.count_nonzero(corrected[start:end]))
            )
        )
        start = end
    return joined, weights, heard


def id_codes(outcomes: OutcomeRows, read: FileRows, name: str) -> I64:
    """Return which id each row of a file has, -1 = none that an outcome names."""
    with readable(read.source.path):
        found = pc.index_in(ids(read.source.column(name)), value_set=outcomes.ids)
    return np.asarray(values_of(found, -1), dtype=np.int64)


def _matched(outcomes: OutcomeRows, row: Places, outcome: Places, n: int) -> tuple[Places, Places]:
    """Return which outcome has the last word on each of n rows, and which came first: -1 = none."""
    last, first = np.full(n, -1, np.intp), np.full(n, -1, np.intp)
    last[row] = outcome  # they stand oldest first, and of equal indices numpy keeps the last assignment
    spoken = ~outcomes.retracted[outcome]
    first[row[spoken][::-1]] = outcome[spoken][::-1]
    return last, first


def row_outcome_pairs(
    outcomes: OutcomeRows, codes: Sequence[I64], times: Sequence[I64 | None]
) -> tuple[Places, Places]:
    """Return row (of all files) and outcome of each pair that belongs together, outcomes oldest first.

    Which do, :func:`join_outcomes` says. ``codes``: which id each row of a file has; ``times``: when each was
    predicted.
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


def report_unmatched(outcomes: OutcomeRows, found: Places, name: str, say: Say) -> None:
    """Name the outcomes that are not among those that found a row. ``name``: the rows' id column."""
    strange = np.ones(len(outcomes.code), np.bool_)
    strange[found] = False
    if strange.any():
        example = outcomes.ids[int(outcomes.code[int(np.flatnonzero(strange)[0])])].as_py()
        count = rows(len(np.unique(outcomes.code[strange])), "outcome")
        when = "" if outcomes.made is None or not outcomes.made.any() else "and prediction_time "
        say(f"{outcomes.path}: {count} of an id {when}that no row has in '{name}', such as {example!r}")


def _all_of_an_id(outcomes: OutcomeRows, code: I64) -> tuple[Places, Places]:
    """Pairs of a row and an outcome of one id, outcomes oldest first."""
    rows_of = np.argsort(code, kind="stable")
    ends = np.searchsorted(code[rows_of], np.arange(len(outcomes.ids) + 1))
    many = np.diff(ends)[outcomes.code]
    outcome = np.repeat(np.arange(len(outcomes.code)), many)
    within = np.arange(len(outcome)) - np.repeat(np.cumsum(many) - many, many)
    return rows_of[ends[outcomes.code][outcome] + within], outcome


def _by_time(outcomes: OutcomeRows, heard: I64, code: I64, time: I64) -> tuple[Places, Places]:
    """Pairs of an outcome and the one row that it is about, outcomes oldest first."""
    named = np.zeros(len(heard), np.int64) if outcomes.made is None else outcomes.made
    when = np.where(heard > 0, heard, np.iinfo(np.int64).max)  # who says no time means what was predicted last
    found = match_outcomes(code, time, outcomes.code, when, named)
    known = np.flatnonzero(found >= 0)
    return found[known], known


def _corrected(outcomes: OutcomeRows, first: Places, last: Places, stays: CarriedOver) -> NDArray[np.bool_]:
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
        one, other = column_at(column, was), column_at(column, of[heard])
        if one.numbers is not None and other.numbers is not None:
            differ |= (one.numbers != other.numbers) & ~(np.isnan(one.numbers) & np.isnan(other.numbers))
        if one.codes is not None and other.codes is not None:
            differ |= one.codes != other.codes
    corrected = np.zeros(len(first), np.bool_)
    corrected[heard] = differ
    return corrected


def add_rankings(read: FileRows, roles: Roles, say: Say) -> FileRows:
    """Return rows with what they ranked, and with what they say was relevant in it.

    That is the relevant items, as a list, a map from item to relevance or the JSON of either, or a number for the list.
    """
    source = read.source
    read = replace(read, items=read_items(source, roles.items) if roles.items else None)
    if not roles.actual:
        return read
    with readable(source.path):
        array = one_array(source.column(roles.actual))
        relevance = relevance_in(_lists(read), relevance_statements(array, np.arange(len(read))))
        strange = int(np.count_nonzero(valid_of(array) & np.isnan(relevance.clicked)))
    if strange:
        say(f"{source.path}: {rows(strange)} with an actual that says nothing of a list, taken as not known")
    return _with(read, relevance)


def join_rankings(
    outcomes: OutcomeRows, reads: Sequence[FileRows], name: str, say: Say, sampled: bool = False
) -> tuple[list[FileRows], list[F64 | None]]:
    """Give every row what outcomes say of its list, and return the weights in parallel, as :func:`.joined.join` does.

    All that belongs to a row counts, not the last alone (:mod:`driftline.baseline.ranking_outcomes`); its time is that
    of its last outcome that takes nothing back, weight and slices what was said of them last.
    """
    row, outcome = row_outcome_pairs(
        outcomes, [id_codes(outcomes, read, name) for read in reads], [read.time for read in reads]
    )
    report_unmatched(outcomes, outcome, name, say)
    row, outcome = drop_unweighted(outcomes, row, outcome, say, sampled)
    joined: list[FileRows] = []
    weights: list[F64 | None] = []
    start = 0
    for read in reads:
        mine = np.flatnonzero((row >= start) & (row < start + len(read)))
        relevance, last, value = _heard(outcomes, outcome[mine], row[mine] - start, read)
        stays = carry_over(outcomes, row[mine] - start, outcome[mine], len(read))
        known = {key: column_at(outcomes.slices[key], of) for key, of in stays.slices.items()}
        read = replace(read, outcome_time=values_at(outcomes.time, last, 0), value=value, told=known)
        joined.append(_with(read, relevance))
        weights.append(values_at(outcomes.weight, stays.weight, np.nan))
        start += len(read)
    return joined, weights


def silence_as_irrelevant(read: FileRows) -> FileRows:
    """Return rows in which a list of which nobody said anything is one of which nothing was relevant.

    No more outcomes will come to a file, so every list has had the time that they may take.
    """
    relevance = unknown_relevance(len(read)) if read.relevance is None else read.relevance
    silent = np.isnan(relevance.clicked)
    clicked, ranked = np.where(silent, 0.0, relevance.clicked), relevance.ranked | silent
    return _with(read, replace(relevance, clicked=clicked, ranked=ranked))


def unknown_relevance(n: int) -> Relevance:
    """Return what is known of n lists where nobody says anything."""
    return clicks_of(np.full(n, np.nan))


def _heard(
    outcomes: OutcomeRows, outcome: ItemPlaces, row: I64, read: FileRows
) -> tuple[Relevance, ItemPlaces, F64 | None]:
    """Return what was relevant in the lists of a file, the last outcome of each that takes nothing back, and its
    worth.
    """
    assert outcomes.said is not None
    retracted = outcomes.retracted[outcome]
    item = None if outcomes.item is None else take_rows(outcomes.item, outcome)
    said = relevance_statements(outcomes.said.take(positions(outcome)), row, item, retracted)
    last = np.full(len(read), -1, np.intp)
    last[row[~retracted]] = outcome[~retracted]  # of equal rows numpy keeps the last
    relevance = relevance_in(_lists(read), said)
    last = np.where(np.isnan(relevance.clicked), -1, last)
    if outcomes.value is None:
        return relevance, last, None
    about = np.full(len(row), -1, np.int32) if item is None or item.codes is None else item.codes
    return relevance, last, worth_of(row, about, outcomes.value[outcome], retracted, len(read))


def _with(read: FileRows, relevance: Relevance) -> FileRows:
    """Return rows with what was relevant in their lists; their actual is whether anything was clicked."""
    return replace(read, relevance=relevance, actual=Column(numbers=relevance.clicked))


def _lists(read: FileRows) -> Items:
    return items_of([None] * len(read)) if read.items is None else read.items
