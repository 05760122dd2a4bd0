"""Join outcomes of a file to rows of predictions: by id and time, as the live join does.

Rankings have lists of items; what is known of them comes with the rows or in a file of outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow.compute as pc
from driftline.baseline.ranking_outcomes import ListStatements, read_actuals, relevance_in
from driftline.panes.relevance import Relevance, clicks_of
from driftline.tables.ranked_items import items_of
from driftline.tables.table import F64, I64, Column, Items, is_present
from numpy.typing import NDArray

from driftline_processor.core.outcomes.matching import EARLY, match_outcomes
from driftline_processor.core.outcomes.resolution import OutcomeHistories, lacks_weight, resolve_rankings
from driftline_processor.present.numbers import many
from driftline_processor.readers.arrow_columns import ids, one_array, valid_of, values_of
from driftline_processor.readers.column_roles import Roles
from driftline_processor.readers.errors import Say
from driftline_processor.readers.item_lists import read_items, relevance_statements
from driftline_processor.readers.outcomes.files import FileOutcomes, column_at
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.source import readable

from .concept_drift import FirstOutcomes

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]
Numbers = TypeVar("Numbers", F64, I64)


class ResolvedRows(NamedTuple):
    """The outcomes of n rows. Positions among all outcomes are (n,), -1 = none.

    ``row``, ``outcome``: the pairs that can be used, by row, its oldest outcome first. ``latest``: the outcome that
    counts, a retraction too. ``first``: the first that counted. ``weight``, ``value``, ``slices``: the outcome that
    says each.
    """

    row: Places
    outcome: Places
    latest: Places
    first: Places
    weight: Places
    value: Places
    slices: dict[str, Places]


def resolve_rows(
    outcomes: FileOutcomes, row: Places, outcome: Places, n: int, say: Say, sampled: bool = False
) -> ResolvedRows:
    """Resolve the outcomes of n rows by :mod:`driftline_processor.core.outcomes.resolution`.

    Args:
        outcomes: all outcomes; they arrived in the order of the file.
        row: int64 (m,), the row of each pair that belongs together.
        outcome: int64 (m,), the outcome of each pair.
        n: rows.
        say: hears of outcomes that cannot be used for want of a weight.
        sampled: outcomes without a weight, their own or from one before them, cannot be used.
    """
    time = np.zeros(len(outcome), np.int64) if outcomes.time is None else outcomes.time[outcome]
    retracted = outcomes.retracted[outcome]
    partial = None if outcomes.item is None else is_present(outcomes.item)[outcome]
    histories = OutcomeHistories(row, time, outcome, retracted, partial)

    def source(said: Mask | None) -> Places:
        return np.full(len(outcome), -1, np.intp) if said is None else histories.source_of(said[outcome])

    weight = source(None if outcomes.weight is None else ~np.isnan(outcomes.weight))
    value = source(None if outcomes.value is None else ~np.isnan(outcomes.value))
    slices = {key: source(is_present(column)) for key, column in outcomes.slices.items()}
    usable = np.arange(len(row))
    if sampled:
        lacking = lacks_weight(weight >= 0, retracted)
        _report_unweighted(outcomes, np.setdiff1d(outcome[lacking], outcome[~lacking]), say)
        usable = np.flatnonzero(~lacking)
        if lacking.any():
            histories = OutcomeHistories(row[usable], time[usable], outcome[usable], retracted[usable])
    latest = usable[histories.latest()]

    def of_rows(pairs: Places, at: Places) -> Places:
        found = np.full(n, -1, np.intp)
        found[row[at]] = np.where(pairs < 0, -1, outcome[pairs])
        return found

    first = usable[histories.first()]
    ordered = usable[histories.order]
    return ResolvedRows(
        row[ordered],
        outcome[ordered],
        of_rows(latest, latest),
        of_rows(first, first),
        of_rows(weight[latest], latest),
        of_rows(value[latest], latest),
        {key: of_rows(of[latest], latest) for key, of in slices.items()},
    )


def _report_unweighted(outcomes: FileOutcomes, left_out: Places, say: Say) -> None:
    if len(left_out):
        example = outcomes.ids[int(outcomes.code[left_out[0]])].as_py()
        count = many(len(left_out), "outcome")
        say(
            f"{outcomes.path}: {count} without a weight, of a model whose outcomes are sampled, left out, "
            f"such as that of {example!r}"
        )


def join_outcomes(
    outcomes: FileOutcomes, reads: Sequence[FileRows], name: str, say: Say, sampled: bool = False
) -> tuple[list[FileRows], list[F64 | None], list[FirstOutcomes]]:
    """Give every row the outcome that counts, and return in parallel, per file, weights and first outcomes.

    Outcomes find rows as in :mod:`driftline_processor.core.outcomes.matching`; where rows or outcomes have no times, an
    outcome belongs to all rows of its id. What joins no row is counted and named.

    Args:
        outcomes: those of one file.
        reads: the rows of each file.
        name: the rows' column of ids.
        say: hears of outcomes that are not used.
        sampled: outcomes without a weight cannot be used.

    Returns:
        The rows with their outcomes; weights, float64 (n,), NaN = not given; the first outcomes.
    """
    row, outcome = _pairs(outcomes, reads, name, say)
    found = resolve_rows(outcomes, row, outcome, sum(map(len, reads)), say, sampled)
    corrected = _corrected(outcomes, found)
    counts = np.where(np.append(outcomes.retracted, False)[found.latest], -1, found.latest)
    joined: list[FileRows] = []
    weights: list[F64 | None] = []
    heard: list[FirstOutcomes] = []
    for read, mine in zip(reads, _parts(reads), strict=True):
        at, first = counts[mine], found.first[mine]
        joined.append(
            replace(
                read,
                actual=column_at(outcomes.actual, at),
                outcome_time=values_at(outcomes.time, at, 0),
                value=values_at(outcomes.value, found.value[mine], np.nan),
                told={key: column_at(outcomes.slices[key], of[mine]) for key, of in found.slices.items()},
            )
        )
        weights.append(values_at(outcomes.weight, found.weight[mine], np.nan))
        known = values_at(outcomes.time, first, 0)
        changed = int(np.count_nonzero(corrected[mine]))
        heard.append(FirstOutcomes(column_at(outcomes.actual, first), first, known, changed))
    return joined, weights, heard


def _pairs(outcomes: FileOutcomes, reads: Sequence[FileRows], name: str, say: Say) -> tuple[Places, Places]:
    """Return row (of all files) and outcome of each pair; name the outcomes that have no row."""
    codes = [id_codes(outcomes, read, name) for read in reads]
    row, outcome = row_outcome_pairs(outcomes, codes, [read.time for read in reads])
    report_unmatched(outcomes, outcome, name, say)
    return row, outcome


def _parts(reads: Sequence[FileRows]) -> list[slice]:
    """Return where the rows of each file stand among those of all."""
    ends = np.cumsum([len(read) for read in reads]).tolist()
    return [slice(end - len(read), end) for read, end in zip(reads, ends, strict=True)]


def values_at(values: Numbers | None, index: Places, missing: float) -> Numbers | None:
    """Return the values at some places, ``missing`` where the place is -1; None where there are none."""
    return None if values is None else np.append(values, values.dtype.type(missing))[index]


def id_codes(outcomes: FileOutcomes, read: FileRows, name: str) -> I64:
    """Return the code of each row's id, -1 for an id without an outcome."""
    with readable(read.source.path):
        found = pc.index_in(ids(read.source.column(name)), value_set=outcomes.ids)
    return np.asarray(values_of(found, -1), dtype=np.int64)


def row_outcome_pairs(
    outcomes: FileOutcomes, codes: Sequence[I64], times: Sequence[I64 | None]
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


def report_unmatched(outcomes: FileOutcomes, found: Places, name: str, say: Say) -> None:
    """Name the outcomes that are not among those that found a row. ``name``: the rows' id column."""
    strange = np.ones(len(outcomes.code), np.bool_)
    strange[found] = False
    if strange.any():
        example = outcomes.ids[int(outcomes.code[int(np.flatnonzero(strange)[0])])].as_py()
        count = many(len(np.unique(outcomes.code[strange])), "outcome")
        when = "" if outcomes.made is None or not outcomes.made.any() else "and prediction_time "
        say(f"{outcomes.path}: {count} of an id {when}that no row has in '{name}', such as {example!r}")


def _all_of_an_id(outcomes: FileOutcomes, code: I64) -> tuple[Places, Places]:
    """Pairs of a row and an outcome of one id, outcomes oldest first."""
    rows_of = np.argsort(code, kind="stable")
    ends = np.searchsorted(code[rows_of], np.arange(len(outcomes.ids) + 1))
    many = np.diff(ends)[outcomes.code]
    outcome = np.repeat(np.arange(len(outcomes.code)), many)
    within = np.arange(len(outcome)) - np.repeat(np.cumsum(many) - many, many)
    return rows_of[ends[outcomes.code][outcome] + within], outcome


def _by_time(outcomes: FileOutcomes, heard: I64, code: I64, time: I64) -> tuple[Places, Places]:
    """Pairs of an outcome and the one row that it is about, outcomes oldest first."""
    named = np.zeros(len(heard), np.int64) if outcomes.made is None else outcomes.made
    when = np.where(heard > 0, heard, np.iinfo(np.int64).max)  # who says no time means what was predicted last
    found = match_outcomes(code, time, outcomes.code, when, named)
    known = np.flatnonzero(found >= 0)
    return found[known], known


def _corrected(outcomes: FileOutcomes, found: ResolvedRows) -> Mask:
    """Tell of which rows the latest outcome says something else than the first: bool (n,)."""
    first, last = found.first, found.latest
    heard = np.flatnonzero(first >= 0)
    was = first[heard]
    columns = [(outcomes.actual, last), *((outcomes.slices[key], of) for key, of in found.slices.items())]
    columns += [
        (Column(numbers=values), of)
        for values, of in ((outcomes.weight, found.weight), (outcomes.value, found.value))
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
        say(f"{source.path}: {many(strange)} with an actual that says nothing of a list, taken as not known")
    return _with(read, relevance)


def join_rankings(
    outcomes: FileOutcomes, reads: Sequence[FileRows], name: str, say: Say, sampled: bool = False
) -> tuple[list[FileRows], list[F64 | None]]:
    """Give every row what outcomes say of its list, and return the weights in parallel, as :func:`join_outcomes` does.

    All outcomes of a row count, see :func:`driftline_processor.core.outcomes.resolution.resolve_rankings`.
    """
    row, outcome = _pairs(outcomes, reads, name, say)
    found = resolve_rows(outcomes, row, outcome, sum(map(len, reads)), say, sampled)
    joined: list[FileRows] = []
    weights: list[F64 | None] = []
    for read, mine in zip(reads, _parts(reads), strict=True):
        first, end = np.searchsorted(found.row, [mine.start, mine.stop])
        pairs = found.outcome[first:end], found.row[first:end] - mine.start
        relevance, last, value = _resolve_lists(outcomes, *pairs, read)
        known = {key: column_at(outcomes.slices[key], of[mine]) for key, of in found.slices.items()}
        read = replace(read, outcome_time=values_at(outcomes.time, last, 0), value=value, told=known)
        joined.append(_with(read, relevance))
        weights.append(values_at(outcomes.weight, found.weight[mine], np.nan))
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


def _resolve_lists(
    outcomes: FileOutcomes, outcome: Places, row: Places, read: FileRows
) -> tuple[Relevance, Places, F64 | None]:
    """Return what was relevant in the lists of a file, the outcome of each whose time counts, and their worth."""
    retracted = outcomes.retracted[outcome]
    item = Column() if outcomes.item is None else column_at(outcomes.item, outcome)
    about = np.full(len(row), -1, np.int32) if item.codes is None else item.codes
    gain, which, sets = read_actuals(column_at(outcomes.actual, outcome))
    said = ListStatements(row, Column(codes=about, labels=item.labels), gain, retracted, which, sets)
    value = np.full(len(row), np.nan) if outcomes.value is None else outcomes.value[outcome]
    found = resolve_rankings(_lists(read), said, row, about, value, retracted)
    last = np.where(found.last < 0, -1, np.append(outcome, -1)[found.last])
    return found.relevance, last, None if outcomes.value is None else found.worth


def _with(read: FileRows, relevance: Relevance) -> FileRows:
    """Return rows with what was relevant in their lists; their actual is whether anything was clicked."""
    return replace(read, relevance=relevance, actual=Column(numbers=relevance.clicked))


def _lists(read: FileRows) -> Items:
    return items_of([None] * len(read)) if read.items is None else read.items
