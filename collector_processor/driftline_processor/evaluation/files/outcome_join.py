"""Join outcomes of a file to rows of predictions by id and time, as the live join does.

For rankings, the relevant items are columns of the rows or come from a file of outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar, cast

import numpy as np
from driftline.baseline.ranking_outcomes import ListStatements, read_actuals, relevance_in
from driftline.panes.relevance import Relevance, clicks_of
from driftline.tables.ranked_items import items_of
from driftline.tables.table import F64, I64, Column, Items, is_present, take_rows
from msgspec import Struct, structs
from numpy.typing import NDArray

from driftline_processor.core.outcomes.id_form import MOST_IDS, IdForm, describe_ids
from driftline_processor.core.outcomes.matching import EARLY, match_outcomes
from driftline_processor.core.outcomes.resolution import OutcomeHistories, lacks_weight, resolve_rankings
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.stable_hash import U64
from driftline_processor.present.numbers import many
from driftline_processor.present.sentences.outcomes import unknown_outcomes_sentence
from driftline_processor.readers.arrow_columns import ids, one_array, valid_of
from driftline_processor.readers.column_roles import Roles
from driftline_processor.readers.errors import Say
from driftline_processor.readers.item_lists import read_items, relevance_statements
from driftline_processor.readers.outcomes.files import FileOutcomes, column_at, numbers_of_row_ids
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.row_store import RowStore, chunks_of, is_many, numbered_batches, parts_of
from driftline_processor.readers.source import Source, readable

from .outcomes import FirstOutcomes

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]
Numbers = TypeVar("Numbers", F64, I64)

_ODD = np.uint64(0x9E3779B97F4A7C15)
"""Multiplier that spreads a time over 64 bits."""


class ResolvedRows(NamedTuple):
    """The resolved outcomes of n rows. Positions among all outcomes are (n,), -1 = none.

    ``row``, ``outcome``: the usable pairs, by row, its oldest outcome first. ``latest``: the outcome that counts,
    which may be a retraction. ``first``: the first outcome that counted. ``weight``, ``value``, ``slices``: the
    outcome with this field. ``unweighted``: outcomes that are unusable because they have no weight.
    """

    row: Places
    outcome: Places
    latest: Places
    first: Places
    weight: Places
    value: Places
    slices: dict[str, Places]
    unweighted: Places


def resolve_rows(outcomes: FileOutcomes, row: Places, outcome: Places, n: int, sampled: bool = False) -> ResolvedRows:
    """Resolve the outcomes of n rows with :mod:`driftline_processor.core.outcomes.resolution`.

    Args:
        outcomes: All outcomes, in the order of the file, which is their order of arrival.
        row: int64 (m,), the row of each pair.
        outcome: int64 (m,), the outcome of each pair.
        n: Number of rows.
        sampled: True if outcomes without a weight of their own or of an earlier outcome cannot be used.
    """
    time = np.zeros(len(outcome), np.int64) if outcomes.time is None else outcomes.time[outcome]
    retracted = outcomes.retracted[outcome]
    partial = None if outcomes.item is None else is_present(take_rows(outcomes.item, outcome))
    histories = OutcomeHistories(row, time, outcome, retracted, partial)

    def source(mask: Mask | None) -> Places:
        return np.full(len(outcome), -1, np.intp) if mask is None else histories.source_of(mask)

    weight = source(None if outcomes.weight is None else ~np.isnan(outcomes.weight[outcome]))
    value = source(None if outcomes.value is None else ~np.isnan(outcomes.value[outcome]))
    slices = {key: source(is_present(take_rows(column, outcome))) for key, column in outcomes.slices.items()}
    usable, unweighted = np.arange(len(row)), np.empty(0, np.intp)
    if sampled:
        lacking = lacks_weight(weight >= 0, retracted)
        unweighted = np.setdiff1d(outcome[lacking], outcome[~lacking])
        usable = np.flatnonzero(~lacking)
        if lacking.any():
            histories = OutcomeHistories(row[usable], time[usable], outcome[usable], retracted[usable])
    latest = usable[histories.latest()]

    def of_rows(pairs: Places, rows: Places) -> Places:
        places = np.full(n, -1, np.intp)
        places[row[rows]] = np.where(pairs < 0, -1, outcome[pairs])
        return places

    first = usable[histories.first()]
    ordered = usable[histories.order]
    return ResolvedRows(
        row=row[ordered],
        outcome=outcome[ordered],
        latest=of_rows(latest, latest),
        first=of_rows(first, first),
        weight=of_rows(weight[latest], latest),
        value=of_rows(value[latest], latest),
        slices={key: of_rows(pairs[latest], latest) for key, pairs in slices.items()},
        unweighted=unweighted,
    )


class _Unused(Struct):
    """Unused outcomes by reason: their number and the position of the first. ``early``: dated before their row."""

    unmatched: int = 0
    first_unmatched: int = -1
    early: int = 0
    first_early: int = -1
    unweighted: int = 0
    first_unweighted: int = -1

    def add(self, part: FileOutcomes, places: Places, strange: Places, rows: U64, resolved: ResolvedRows) -> None:
        """Add the unused outcomes of a partition.

        Args:
            part: All outcomes of some ids.
            places: Position of each among all outcomes.
            strange: Outcomes of the partition without a row.
            rows: Hashes of the ids of the rows of the partition.
            resolved: The resolved outcomes of the partition.
        """
        is_early = np.isin(part.number[strange], rows)
        if part.prediction_time is not None:
            is_early &= part.prediction_time[strange] <= 0
        early, strange = strange[is_early], strange[~is_early]
        self.early += len(np.unique(part.number[early]))
        self.first_early = _first(self.first_early, places[early])
        self.unmatched += len(np.unique(part.number[strange]))
        self.first_unmatched = _first(self.first_unmatched, places[strange])
        self.unweighted += len(resolved.unweighted)
        self.first_unweighted = _first(self.first_unweighted, places[resolved.unweighted])

    def unknown(self, outcomes: FileOutcomes, reads: Sequence[FileRows], name: str) -> list[UnknownOutcomes]:
        """Return the outcomes that cannot be used, if they are most of them; ``name``: the id column of the rows."""
        if outcomes.impossible is not None:
            return [outcomes.impossible]
        n = len(np.unique(outcomes.number))
        if 2 * self.unmatched > n:
            form, stored = _id_form(outcomes.source, "id"), _id_form(reads[0].source, name)
            return [UnknownOutcomes("id", self.unmatched, n, form=form, stored=stored)]
        return [UnknownOutcomes("time", self.early, n)] if 2 * self.early > n else []

    def tell(self, outcomes: FileOutcomes, unknown: Sequence[UnknownOutcomes], name: str, say: Say) -> None:
        """Report the unused outcomes; ``name``: the id column of the rows."""
        why = "".join(f"; {unknown_outcomes_sentence(reason)}" for reason in unknown)
        if self.unmatched:
            count, example = many(self.unmatched, "outcome"), outcomes.id_of(self.first_unmatched)
            when = (
                "" if outcomes.prediction_time is None or not outcomes.prediction_time.any() else "and prediction_time "
            )
            say(f"{outcomes.path}: {count} with an id {when}that no row has in '{name}', such as {example!r}{why}")
        if self.early:
            count, example = many(self.early, "outcome"), outcomes.id_of(self.first_early)
            say(f"{outcomes.path}: {count} more than a day before the row with the same id, such as {example!r}")
        if self.unweighted:
            count, example = many(self.unweighted, "outcome"), outcomes.id_of(self.first_unweighted)
            say(
                f"{outcomes.path}: {count} without a weight are ignored, "
                "because the outcomes of the model are sampled, "
                f"such as the outcome of {example!r}"
            )


def _id_form(source: Source, name: str) -> IdForm:
    """Return the form of the first ids of a file."""
    with readable(source.path):
        batch = next((batch for _, batch in numbered_batches(source, {name}) if batch.num_rows), None)
        return describe_ids([] if batch is None else ids(batch.column(0).slice(0, MOST_IDS)).to_pylist())


def _complement(n: int, places: Places) -> Places:
    """Return the numbers below n that are not in ``places``."""
    mask = np.ones(n, np.bool_)
    mask[places] = False
    return np.flatnonzero(mask)


def _among(places: Places, index: Places) -> Places:
    """Return the places at an index, -1 for index -1."""
    return np.where(index < 0, -1, places[index]) if len(places) else index


def _first(first: int, more: Places) -> int:
    """Return the smallest of some places and ``first``, -1 = none."""
    smallest = int(more.min()) if len(more) else -1
    return max(first, smallest) if min(first, smallest) < 0 else min(first, smallest)


def join_outcomes(
    outcomes: FileOutcomes,
    reads: Sequence[FileRows],
    name: str,
    say: Say,
    sampled: bool = False,
    store: RowStore | None = None,
) -> tuple[list[FileRows], list[F64 | None], list[FirstOutcomes], list[UnknownOutcomes]]:
    """Return the rows with the outcome that counts and, per file, weights and first outcomes.

    Outcomes match rows as in :mod:`driftline_processor.core.outcomes.matching`. If rows or outcomes have no times, an
    outcome belongs to all rows of its id. Outcomes without a row are counted and reported. Many rows are joined in
    partitions by id.

    Args:
        outcomes: The outcomes of one file.
        reads: The rows of each file.
        name: The id column of the rows.
        say: Called with messages about unused outcomes.
        sampled: True if outcomes without a weight cannot be used.
        store: Where the columns of the rows are stored.

    Returns:
        The rows with their outcomes; weights, float64 (n,), NaN = none; the first outcomes; why most have no row.
    """
    store = RowStore() if store is None else store
    rows, ends = _Ids.of(reads, name, store), np.cumsum([len(read) for read in reads])
    _report_repeats(rows, reads, name, say, store)
    n, unused, corrected = int(ends[-1]) if len(ends) else 0, _Unused(), np.zeros(len(reads), np.int64)
    places_by_field = {key: store.empty(n, np.intp) for key in ("counts", "first", "weight", "value")}
    slice_places = {key: store.empty(n, np.intp) for key in outcomes.slices}
    for row_places, outcome_places in _partitions(rows.number, outcomes.number, store):
        is_whole = len(outcome_places) == len(outcomes.number)
        partition = outcomes if is_whole else outcomes.take(outcome_places, store)
        row, outcome = _pairs(partition, rows.take(row_places, store))
        resolved = resolve_rows(partition, row, outcome, len(row_places), sampled)
        strange = _complement(len(outcome_places), outcome)
        unused.add(partition, outcome_places, strange, rows.number[row_places], resolved)
        changed = row_places[_corrected(partition, resolved)]
        corrected += np.bincount(np.searchsorted(ends, changed, side="right"), minlength=len(reads))
        counts = np.where(np.append(partition.retracted, False)[resolved.latest], -1, resolved.latest)
        for key, places in (
            ("counts", counts),
            ("first", resolved.first),
            ("weight", resolved.weight),
            ("value", resolved.value),
        ):
            places_by_field[key][row_places] = _among(outcome_places, places)
            store.release()
        for key, places in resolved.slices.items():
            slice_places[key][row_places] = _among(outcome_places, places)
            store.release()
    unknown = unused.unknown(outcomes, reads, name)
    unused.tell(outcomes, unknown, name, say)
    joined: list[FileRows] = []
    weights: list[F64 | None] = []
    first_outcomes: list[FirstOutcomes] = []
    for index, (read, part) in enumerate(zip(reads, _parts(reads), strict=True)):
        counts, first = places_by_field["counts"][part], places_by_field["first"][part]
        joined.append(
            structs.replace(
                read,
                actual=store.take_column(outcomes.actual, counts),
                outcome_time=_values_at(outcomes.time, counts, 0, store),
                value=_values_at(outcomes.value, places_by_field["value"][part], np.nan, store),
                outcome_slices={
                    key: store.take_column(outcomes.slices[key], places[part]) for key, places in slice_places.items()
                },
            )
        )
        weights.append(_values_at(outcomes.weight, places_by_field["weight"][part], np.nan, store))
        outcome_time = _values_at(outcomes.time, first, 0, store)
        first_outcomes.append(
            FirstOutcomes(store.take_column(outcomes.actual, first), first, outcome_time, int(corrected[index]))
        )
    return joined, weights, first_outcomes, unknown


class _Ids(NamedTuple):
    """Hashes of the ids of all rows, uint64 (n,), 0 = no id, and their prediction times, None = unknown."""

    number: U64
    time: I64 | None

    @classmethod
    def of(cls, reads: Sequence[FileRows], name: str, store: RowStore) -> _Ids:
        """Read the ids of rows from a column."""
        times = [read.time for read in reads if read.time is not None]
        numbers = store.join([_numbers(read, name, store) for read in reads])
        return cls(numbers, store.join(times) if times and len(times) == len(reads) else None)

    def take(self, places: Places, store: RowStore) -> _Ids:
        """Return the ids of the given rows."""
        time = None if self.time is None else store.take(self.time, places, 0)
        return _Ids(store.take(self.number, places, 0), time)


def _numbers(read: FileRows, name: str, store: RowStore) -> U64:
    with readable(read.source.path):
        if not is_many(len(read)):
            return numbers_of_row_ids(read.source.column(name))
        numbers = store.empty(len(read), np.uint64)
        for start, batch in numbered_batches(read.source, {name}):
            numbers[start : start + batch.num_rows] = numbers_of_row_ids(batch.column(0))
            store.release()
    return numbers


def report_repeated_ids(reads: Sequence[FileRows], name: str, say: Say, store: RowStore) -> None:
    """Report rows that repeat an earlier row by their id, and by their time if rows have times, as copies do."""
    _report_repeats(_Ids.of(reads, name, store), reads, name, say, store)


def _report_repeats(rows: _Ids, reads: Sequence[FileRows], name: str, say: Say, store: RowStore) -> None:
    repeated, first = 0, -1
    for places, _ in _partitions(rows.number, np.empty(0, np.uint64), store):
        places = places[rows.number[places] != 0]
        keys = rows.number[places]
        if rows.time is not None:
            keys ^= rows.time[places].view(np.uint64) * _ODD
        again = places[_complement(len(places), np.unique(keys, return_index=True)[1])]
        repeated, first = repeated + len(again), _first(first, again)
    if repeated:
        file = next(index for index, part in enumerate(_parts(reads)) if first < part.stop)
        repeats = f"{repeated:,} of {many(len(rows.number))} repeat"
        say(
            f"{reads[file].source.path}: {name}: {repeats} the id{' and time' if rows.time is not None else ''} of an "
            f"earlier row, and each counts: the first is row {first - _parts(reads)[file].start + 1}; remove copies"
        )


def _partitions(rows: U64, outcomes: U64, store: RowStore) -> Iterator[tuple[Places, Places]]:
    """Yield positions of rows and outcomes that may match: one partition if there are few."""
    if not is_many(max(len(rows), len(outcomes))):
        yield np.arange(len(rows)), np.arange(len(outcomes))
        return
    parts = parts_of(len(rows) + len(outcomes))
    parts_of_each = [_part_of_each(numbers, parts, store) for numbers in (rows, outcomes)]
    for part in range(parts):
        row_places, outcome_places = (
            np.concatenate(
                [chunk.start + np.flatnonzero(numbers_parts[chunk] == part) for chunk in chunks_of(len(numbers_parts))]
            )
            if len(numbers_parts)
            else np.empty(0, np.intp)
            for numbers_parts in parts_of_each
        )
        yield row_places, outcome_places


def _part_of_each(numbers: U64, parts: int, store: RowStore) -> NDArray[np.uint16]:
    """Return the partition of each number: uint16 (n,)."""
    part_of_number = store.empty(len(numbers), np.uint16)
    for chunk in chunks_of(len(numbers)):
        part_of_number[chunk] = (numbers[chunk] >> np.uint64(32)) % np.uint64(parts)
    store.release()
    return part_of_number


def _pairs(outcomes: FileOutcomes, rows: _Ids) -> tuple[Places, Places]:
    """Return row and outcome of each matching pair."""
    ids, outcome_code = np.unique(outcomes.number, return_inverse=True)
    code = np.minimum(np.searchsorted(ids, rows.number), max(len(ids) - 1, 0))
    code = np.where(ids[code] == rows.number, code, -1) if len(ids) else np.full(len(rows.number), -1)
    return row_outcome_pairs(code, rows.time, outcome_code, outcomes.time, outcomes.prediction_time)


def _parts(reads: Sequence[FileRows]) -> list[slice]:
    """Return the slice of each file among all rows."""
    ends = np.cumsum([len(read) for read in reads]).tolist()
    return [slice(end - len(read), end) for read, end in zip(reads, ends, strict=True)]


def _values_at(values: Numbers | None, index: Places, missing: float, store: RowStore) -> Numbers | None:
    """Return the values at positions, ``missing`` for position -1; None if there are no values."""
    return None if values is None else cast(Numbers, store.take(values, index, missing))


def row_outcome_pairs(
    code: I64, time: I64 | None, outcome_code: I64, outcome_time: I64 | None, prediction_time: I64 | None
) -> tuple[Places, Places]:
    """Return row and outcome of each matching pair, oldest outcomes first; the rules are in :func:`join_outcomes`.

    Args:
        code: int64 (n,), code of the id of each row, -1 = an id without an outcome.
        time: int64 (n,), prediction time of each row; None if unknown.
        outcome_code: int64 (m,), code of the id of each outcome.
        outcome_time: int64 (m,), time of each outcome, 0 = unknown; None if unknown for all.
        prediction_time: int64 (m,), prediction time that each outcome names, 0 = none; None if none names one.
    """
    groups = int(outcome_code.max()) + 1 if len(outcome_code) else 0
    several = np.bincount(code[code >= 0], minlength=groups) > 1
    if time is not None and (prediction_time is not None or (outcome_time is not None and several.any())):
        return _by_time(
            code,
            time,
            outcome_code,
            np.zeros(len(outcome_code), np.int64) if outcome_time is None else outcome_time,
            prediction_time,
        )
    row, outcome = _all_of_an_id(code, outcome_code, groups)
    if time is None or outcome_time is None:
        return row, outcome
    when = outcome_time[outcome]
    fits = (when <= 0) | (time[row] - when <= EARLY)
    return row[fits], outcome[fits]


def _all_of_an_id(code: I64, outcome_code: I64, groups: int) -> tuple[Places, Places]:
    """Return all pairs of a row and an outcome with the same id, oldest outcomes first."""
    rows_of = np.argsort(code, kind="stable")
    ends = np.searchsorted(code[rows_of], np.arange(groups + 1))
    many = np.diff(ends)[outcome_code]
    outcome = np.repeat(np.arange(len(outcome_code)), many)
    within = np.arange(len(outcome)) - np.repeat(np.cumsum(many) - many, many)
    return rows_of[ends[outcome_code][outcome] + within], outcome


def _by_time(
    code: I64, time: I64, outcome_code: I64, outcome_time: I64, prediction_time: I64 | None
) -> tuple[Places, Places]:
    """Return the pairs of each outcome and its one row by time, oldest outcomes first."""
    named_time = np.zeros(len(outcome_time), np.int64) if prediction_time is None else prediction_time
    when = np.where(
        outcome_time > 0, outcome_time, np.iinfo(np.int64).max
    )  # an outcome without a time belongs to the last prediction
    matches = match_outcomes(code, time, outcome_code, when, named_time)
    matched = np.flatnonzero(matches >= 0)
    return matches[matched], matched


def _corrected(outcomes: FileOutcomes, resolved: ResolvedRows) -> Mask:
    """Return for each row whether its latest outcome differs from its first: bool (n,)."""
    first, last = resolved.first, resolved.latest
    rows = np.flatnonzero(first >= 0)
    was = first[rows]
    columns = [(outcomes.actual, last), *((outcomes.slices[key], places) for key, places in resolved.slices.items())]
    columns += [
        (Column(numbers=values), places)
        for values, places in ((outcomes.weight, resolved.weight), (outcomes.value, resolved.value))
        if values is not None
    ]
    differ: NDArray[np.bool_] = outcomes.retracted[was] != outcomes.retracted[last[rows]]
    for column, places in columns:
        before, after = column_at(column, was), column_at(column, places[rows])
        if before.numbers is not None and after.numbers is not None:
            differ |= (before.numbers != after.numbers) & ~(np.isnan(before.numbers) & np.isnan(after.numbers))
        if before.codes is not None and after.codes is not None:
            differ |= before.codes != after.codes
    corrected = np.zeros(len(first), np.bool_)
    corrected[rows] = differ
    return corrected


def add_rankings(read: FileRows, roles: Roles, say: Say) -> FileRows:
    """Return rows with their rankings and the relevant items in their columns.

    Relevance is a list of the relevant items, a map from item to relevance, the JSON of either, or one number for the
    list.
    """
    source = read.source
    read = structs.replace(read, items=read_items(source, roles.items) if roles.items else None)
    if not roles.actual:
        return read
    with readable(source.path):
        array = one_array(source.column(roles.actual))
        relevance = relevance_in(_lists(read), relevance_statements(array))
        strange = int(np.count_nonzero(valid_of(array) & np.isnan(relevance.clicked)))
    if strange:
        say(f"{source.path}: {many(strange)} with an actual that is not valid for a list, treated as unknown")
    return _with(read, relevance)


def join_rankings(
    outcomes: FileOutcomes, reads: Sequence[FileRows], name: str, say: Say, sampled: bool = False
) -> tuple[list[FileRows], list[F64 | None], list[UnknownOutcomes]]:
    """Return the rows with the relevance from outcomes and, in parallel, their weights, as :func:`join_outcomes` does.

    All outcomes of a row count, see :func:`driftline_processor.core.outcomes.resolution.resolve_rankings`.
    """
    store = RowStore()
    rows, n, unused = _Ids.of(reads, name, store), len(outcomes.number), _Unused()
    _report_repeats(rows, reads, name, say, store)
    row, outcome = _pairs(outcomes, rows)
    resolved = resolve_rows(outcomes, row, outcome, len(rows.number), sampled)
    unused.add(outcomes, np.arange(n), _complement(n, outcome), rows.number, resolved)
    unknown = unused.unknown(outcomes, reads, name)
    unused.tell(outcomes, unknown, name, say)
    joined: list[FileRows] = []
    weights: list[F64 | None] = []
    for read, part in zip(reads, _parts(reads), strict=True):
        first, end = np.searchsorted(resolved.row, [part.start, part.stop])
        pairs = resolved.outcome[first:end], resolved.row[first:end] - part.start
        relevance, last, value = _resolve_lists(outcomes, *pairs, read)
        slices = {key: column_at(outcomes.slices[key], places[part]) for key, places in resolved.slices.items()}
        read = structs.replace(
            read, outcome_time=_values_at(outcomes.time, last, 0, store), value=value, outcome_slices=slices
        )
        joined.append(_with(read, relevance))
        weights.append(_values_at(outcomes.weight, resolved.weight[part], np.nan, store))
    return joined, weights, unknown


def silence_as_irrelevant(read: FileRows) -> FileRows:
    """Return rows in which a list without outcomes has no relevant items.

    No more outcomes will arrive in a file, so every list has had its outcome delay.
    """
    relevance = unknown_relevance(len(read)) if read.relevance is None else read.relevance
    silent = np.isnan(relevance.clicked)
    clicked, ranked = np.where(silent, 0.0, relevance.clicked), relevance.ranked | silent
    return _with(read, replace(relevance, clicked=clicked, ranked=ranked))


def unknown_relevance(n: int) -> Relevance:
    """Return the relevance of n lists without outcomes."""
    return clicks_of(np.full(n, np.nan))


def _resolve_lists(
    outcomes: FileOutcomes, outcome: Places, row: Places, read: FileRows
) -> tuple[Relevance, Places, F64 | None]:
    """Return the relevance in the lists of a file, the outcome whose time counts per list, and their values."""
    item = Column() if outcomes.item is None else column_at(outcomes.item, outcome)
    gain, item_sets, sets = read_actuals(column_at(outcomes.actual, outcome))
    statements = ListStatements(row, item, gain, outcomes.retracted[outcome], item_sets, sets)
    value = None if outcomes.value is None else outcomes.value[outcome]
    rankings = resolve_rankings(_lists(read), statements, value)
    last = np.where(rankings.last < 0, -1, np.append(outcome, -1)[rankings.last])
    return rankings.relevance, last, None if outcomes.value is None else rankings.worth


def _with(read: FileRows, relevance: Relevance) -> FileRows:
    """Return rows with the relevance in their lists; the actual value is whether any item was clicked."""
    return structs.replace(read, relevance=relevance, actual=Column(numbers=relevance.clicked))


def _lists(read: FileRows) -> Items:
    return items_of([None] * len(read)) if read.items is None else read.items
